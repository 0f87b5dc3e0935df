from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cbs.metadata import build_meta
from monitor.cbs.shape import (
    SHORT,
    Needed,
    ShapeError,
    Use,
    compare,
    end,
    fingerprint,
    judge,
    require,
)
from monitor.cbs.sources import Recordings, TableRequest

TABLE = "99999NED"
GROUP = {"ID": 9, "Type": "TopicGroup", "Title": "Jeugdhulp"}
TOPICS = {
    "Jongeren_1": {"Title": "Jongeren", "Unit": "aantal"},
    "MetHulp_2": {"Title": "Jongeren met hulp", "Unit": "%", "Decimals": 1, "ParentID": 9},
    "Trajecten_3": {"Title": "Trajecten", "Unit": "x 1 000", "ParentID": 9},
}
BASE = {
    "TableInfos": [{"Identifier": TABLE, "Title": "Jeugd", "OutputStatus": "Regulier"}],
    "DataProperties": [
        {"ID": 0, "Type": "GeoDimension", "Key": "RegioS", "MapYear": 2022},
        {"ID": 1, "Type": "TimeDimension", "Key": "Perioden"},
        {"ID": 2, "Type": "Dimension", "Key": "Geslacht"},
        GROUP,
        *(
            {"ID": 10 + n, "Position": n, "Type": "Topic", "Datatype": "Double", "Key": key} | rest
            for n, (key, rest) in enumerate(TOPICS.items())
        ),
    ],
    "RegioS": [{"Key": "NL01  ", "Title": "Nederland"}, {"Key": "GM0014", "Title": "Groningen"}],
    "Perioden": [{"Key": "2022JJ00", "Title": "2022"}],
    "Geslacht": [{"Key": "T001", "Title": "Totaal"}, {"Key": "3000", "Title": "Mannen"}],
}
BEFORE = build_meta(BASE)
TOTAL = {"Geslacht": "T001"}
HULP = Use("hulp", "MetHulp", ("MetHulp",), TOTAL)
BY_PATH = Use("pad", ("Jeugdhulp", "Trajecten"), (("Jeugdhulp", "Trajecten"),), TOTAL)
NEEDED = Needed((HULP, Use("hulp-ook", "MetHulp", ("MetHulp",), TOTAL), BY_PATH))


def properties(**cells):
    """The small table's properties with other cells for topics; None leaves one out."""
    found = [dict(row) for row in BASE["DataProperties"]]
    for key, change in cells.items():
        (row,) = (row for row in found if row.get("Key") == key)
        if change is None:
            found.remove(row)
        else:
            row.update(change)
    return found


def topic(key, **cells):
    return {"ID": 50, "Position": 9, "Type": "Topic", "Datatype": "Double", "Key": key} | cells


def changed(**entities):
    return build_meta(BASE | entities)


def with_topics(*more, **cells):
    return changed(DataProperties=[*properties(**cells), *more])


def kinds(after, before=BEFORE):
    return [(c.kind, c.before, c.after) for c in compare(before, after)]


def only(after, needed=NEEDED, **options):
    (found,) = judge(BEFORE, after, needed, **options)
    return found


def test_a_table_compared_with_itself_gives_nothing():
    assert compare(BEFORE, copy.deepcopy(BEFORE)) == []
    assert judge(BEFORE, BEFORE, NEEDED) == []


@given(
    st.lists(st.integers(1, 999), min_size=3, max_size=3, unique=True),
    st.randoms(use_true_random=False),
    st.integers(0, 4),
)
def test_moved_numbers_other_order_padding_and_dates_are_no_change(numbers, random, blanks):
    entities = copy.deepcopy(BASE)
    for row in entities["DataProperties"]:
        if row["Type"] == "Topic":
            row["Key"] = f"{row['Key'].rpartition('_')[0]}_{numbers.pop()}"
            row["Title"] += "\u00a0" * blanks
    for name in ("RegioS", "Perioden", "Geslacht"):
        for row in entities[name]:
            row["Key"] = row["Key"].strip() + " " * blanks
    for rows in entities.values():
        random.shuffle(rows)
    entities["TableInfos"][0] |= {"Modified": "2026-01-01", "Period": "2020-2022"}
    entities["Perioden"].append({"Key": "2023JJ00", "Title": "2023*"})
    after = build_meta(entities)
    assert compare(BEFORE, after) == []
    assert fingerprint(after) == fingerprint(BEFORE)


CASES = {
    "unit": (with_topics(MetHulp_2={"Unit": "aantal"}), [("unit", "%", "aantal")]),
    "scale": (with_topics(Jongeren_1={"Unit": "x 1 000"}), [("unit", "aantal", "x 1 000")]),
    "decimals": (with_topics(MetHulp_2={"Decimals": 0}), [("decimals", "1", "0")]),
    "text": (with_topics(MetHulp_2={"Datatype": "String"}), [("datatype", "cijfers", "tekst")]),
    "vanished": (with_topics(MetHulp_2=None), [("topic_vanished", "MetHulp", None)]),
    "new": (with_topics(topic("Nieuw_4", Title="Nieuw")), [("topic_new", None, "Nieuw")]),
    "other stem": (
        with_topics(MetHulp_2={"Key": "HulpTotaal_2"}),
        [("topic_renamed", "MetHulp", "HulpTotaal")],
    ),
    "other path": (
        with_topics(MetHulp_2={"ParentID": None}),
        [("topic_renamed", "Jeugdhulp > Jongeren met hulp", "Jongeren met hulp")],
    ),
    "other title of a group": (
        changed(
            DataProperties=[
                row | {"Title": "Hulp"} if row is GROUP else row for row in BASE["DataProperties"]
            ]
        ),
        [
            ("topic_renamed", "Jeugdhulp > Jongeren met hulp", "Hulp > Jongeren met hulp"),
            ("topic_renamed", "Jeugdhulp > Trajecten", "Hulp > Trajecten"),
        ],
    ),
    "member new": (
        changed(Geslacht=[*BASE["Geslacht"], {"Key": "4000", "Title": "Vrouwen"}]),
        [("member_new", None, "Vrouwen")],
    ),
    "member vanished": (
        changed(Geslacht=BASE["Geslacht"][:1]),
        [("member_vanished", "Mannen", None)],
    ),
    "member renamed": (
        changed(Geslacht=[*BASE["Geslacht"][:1], {"Key": "3000", "Title": "Man"}]),
        [("member_renamed", "Mannen", "Man")],
    ),
    "regions": (
        changed(RegioS=[*BASE["RegioS"][:1], *({"Key": f"GM{n}", "Title": "x"} for n in (1, 2))]),
        [("regions", "1", "2")],
    ),
    "map year": (with_topics(RegioS={"MapYear": 2023}), [("map_year", "2022", "2023")]),
    "dimensions": (
        changed(DataProperties=properties(Geslacht={"Key": "Sekse"}), Sekse=BASE["Geslacht"][:1]),
        [("dimension_vanished", "Geslacht", None), ("dimension_new", None, "Sekse")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_change_of_shape_is_found_once(case):
    after, expected = CASES[case]
    assert kinds(after) == expected
    assert fingerprint(after) != fingerprint(BEFORE)
    assert len(kinds(BEFORE, after)) == len(expected)


def test_another_spelling_of_the_same_unit_is_no_change():
    after = with_topics(Trajecten_3={"Unit": "x\u00a01.000"}, Jongeren_1={"Unit": " aantal "})
    assert compare(BEFORE, after) == []


def test_topics_with_one_stem_are_told_apart_by_path():
    before = with_topics(topic("MetHulp_7", Title="Ouderen met hulp"))
    after = with_topics(topic("MetHulp_1", Title="Ouderen met hulp", Decimals=2))
    assert kinds(after, before) == [("decimals", "0", "2")]


# -- what it means ------------------------------------------------------------------------------


def test_another_unit_of_a_needed_topic_quarantines_and_names_the_indicators():
    found = only(with_topics(MetHulp_2={"Unit": "aantal"}))
    assert found.quarantines
    assert found.users == ("hulp", "hulp-ook")
    assert found.meaning == (
        'De eenheid van "Jongeren met hulp" is veranderd van "%" in "aantal". '
        "Daardoor kunnen de cijfers van 2 indicatoren verkeerd zijn: hulp, hulp-ook."
    )


def test_another_unit_of_a_topic_that_nobody_uses_is_told_only():
    found = only(with_topics(Jongeren_1={"Unit": "x 1 000"}))
    assert (found.quarantines, found.users) == (False, ())
    assert found.meaning.endswith("Geen indicator gebruikt dit onderwerp.")


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (CASES["text"][0], "geen cijfers maken voor 2 indicatoren: hulp, hulp-ook."),
        (CASES["vanished"][0], "staat niet meer in de tabel. Daardoor"),
        (changed(Geslacht=BASE["Geslacht"][1:]), 'De code T001 ("Totaal") staat niet meer'),
        (
            changed(Geslacht=[{"Key": "T009", "Title": "Totaal"}, *BASE["Geslacht"][1:]]),
            'Kies bij "members" een andere code, misschien T009.',
        ),
        (
            with_topics(MetHulp_2={"Key": "HulpTotaal_2"}),
            "Zet dan in de reeks: topics: {MetHulp: [{table: 99999NED, topic: HulpTotaal}]}.",
        ),
        (
            with_topics(Trajecten_3={"ParentID": None}),
            'Schrijf dan in de definitie: topic: ["Trajecten"].',
        ),
        (
            with_topics(MetHulp_2={"Key": "MetHulpen_2", "Title": "Jeugd met hulp"}),
            'Misschien heet het nu "MetHulpen" (Jeugdhulp > Jeugd met hulp). Zet dan in de reeks:',
        ),
        (
            with_topics(topic("MetHulp_8", Title="Ouderen met hulp")),
            'topics: {MetHulp: [{table: 99999NED, topic: ["Jeugdhulp", "Jongeren met hulp"]}]}.',
        ),
        (
            with_topics(
                topic("Anders_8", Title="Jongeren met hulp", ParentID=9),
                MetHulp_2={"Title": "Jongeren met lichte hulp"},
            ),
            "Op de oude plaats staat nu een ander onderwerp.",
        ),
        (
            changed(
                DataProperties=[*properties(), {"ID": 3, "Type": "Dimension", "Key": "Leeftijd"}],
                Leeftijd=[{"Key": "10000", "Title": "Totaal"}],
            ),
            'Kies er bij "members" een code uit, bijvoorbeeld Leeftijd: "10000".',
        ),
        (
            changed(DataProperties=properties(Geslacht=None)),
            'Haal "Geslacht" weg bij "members", als het cijfer dan nog klopt.',
        ),
    ],
)
def test_what_could_make_figures_wrong_quarantines_and_says_what_to_do(after, says):
    bad = [finding for finding in judge(BEFORE, after, NEEDED) if finding.quarantines]
    assert any(says in finding.meaning for finding in bad), [f.meaning for f in bad]
    with pytest.raises(ShapeError) as raised:
        require(BEFORE, after, NEEDED)
    assert says in raised.value.explanation
    assert f'shape: "{fingerprint(after)[:SHORT]}"' in raised.value.explanation
    assert "accepted: [{table: 99999NED, " in raised.value.explanation
    accepted = Needed(NEEDED.uses, frozenset({fingerprint(after)[:SHORT]}))
    require(BEFORE, after, accepted)
    assert not any(finding.quarantines for finding in judge(BEFORE, after, accepted))


@pytest.mark.parametrize(
    "case",
    ["decimals", "new", "other path", "member new", "member vanished", "member renamed", "regions",
     "map year"],
)  # fmt: skip
def test_what_leaves_figures_right_is_told_only(case):
    after, _ = CASES[case]
    assert judge(BEFORE, after, NEEDED)
    require(BEFORE, after, NEEDED)


def test_a_definition_that_has_the_new_name_or_code_is_not_harmed():
    renamed = with_topics(MetHulp_2={"Key": "HulpTotaal_2"})
    require(BEFORE, renamed, Needed((Use("hulp", "MetHulp", ("HulpTotaal",), TOTAL),)))
    recoded = changed(Geslacht=[{"Key": "T009", "Title": "Totaal"}])
    require(BEFORE, recoded, Needed((Use("hulp", "MetHulp", ("MetHulp",), {"Geslacht": "T009"}),)))
    more = changed(
        DataProperties=[*properties(), {"ID": 3, "Type": "Dimension", "Key": "Leeftijd"}],
        Leeftijd=[{"Key": "10000", "Title": "Totaal"}],
    )
    chosen = Use("hulp", "MetHulp", ("MetHulp",), TOTAL | {"Leeftijd": "10000"})
    require(BEFORE, more, Needed((chosen,)))


def test_of_a_shape_that_is_in_use_only_whom_it_concerns_is_told():
    found = only(with_topics(MetHulp_2={"Unit": "aantal"}), taken=True)
    assert not found.quarantines
    assert found.meaning.endswith(
        "De monitor gebruikt deze nieuwe vorm. Het gaat om 2 indicatoren: hulp, hulp-ook."
    )


# -- the end of a table -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("infos", "expected"),
    [
        ({"OutputStatus": "Regulier", "Frequency": "Perjaar"}, []),
        ({"OutputStatus": "Gediscontinueerd", "Frequency": "Stopgezet"}, [("discontinued", "Gediscontinueerd")]),
        ({"Status": "Gediscontinueerd", "Frequency": "Per jaar"}, [("discontinued", "Gediscontinueerd")]),
        ({"OutputStatus": "Regular", "Frequency": "Discontinued"}, [("discontinued", "Discontinued")]),
        (
            {"ShortDescription": "Jeugd.\r\n\r\nWijzigingen:\r\nGeen, deze tabel is stopgezet.\r\n\r\nNiet meer van toepassing."},
            [("discontinued", "Wijzigingen: Geen, deze tabel is stopgezet.")],
        ),
        (
            {"Summary": "Deze tabel wordt niet meer bijgewerkt. Zie de tabel 85098NED. Ook 84583NED."},
            [("discontinued", "Deze tabel wordt niet meer bijgewerkt."), ("successor", "85098NED")],
        ),
        (
            {"OutputStatus": "Gediscontinueerd", "Description": 'Deze tabel is opgevolgd door <a href="x">85098NED</a>.'},
            [("discontinued", "Gediscontinueerd"), ("successor", "85098NED")],
        ),
        ({"Description": "De tabel 84583NED is opgevolgd door deze tabel."}, []),
        ({"Description": "De regeling is stopgezet. Zie tabel 82015NED."}, []),
        ({"Description": "In deze tabel worden oude cijfers niet meer aangevuld. Zie 84583NED."}, []),
    ],
)  # fmt: skip
def test_the_end_of_a_table_is_read_as_cbs_tells_it(infos, expected):
    assert [(change.kind, change.after) for change in end(TABLE, infos)] == expected


def test_that_a_table_stops_is_told_once_and_does_not_quarantine():
    infos = BASE["TableInfos"][0] | {"OutputStatus": "Gediscontinueerd"}
    stopped = changed(TableInfos=[infos])
    assert kinds(stopped) == [("discontinued", None, "Gediscontinueerd")]
    assert kinds(stopped, stopped) == []
    assert fingerprint(stopped) == fingerprint(BEFORE)
    found = only(stopped)
    assert (found.quarantines, found.users) == (False, ("hulp", "hulp-ook", "pad"))


@pytest.mark.shared
def test_no_recorded_table_has_ended(shared_recordings):
    source = Recordings(shared_recordings)
    tables = sorted(path.name for path in shared_recordings.iterdir())
    metas = [build_meta(source.describe(TableRequest(table))) for table in tables]
    assert [end(meta.table_id, meta.infos) for meta in metas] == [[]] * len(tables)
    assert len({fingerprint(meta) for meta in metas}) == len(tables)


# -- another service ----------------------------------------------------------------------------


def moved(meta=BEFORE, **codes):
    """The table as OData v4 has it: codes for keys, groups gone for those whose code is lower."""
    from dataclasses import replace

    topics = [
        replace(topic, key=code, stem=code, path=topic.path if code.isupper() else topic.path[-1:])
        for topic in meta.topics
        for code in [codes.get(topic.stem, f"M{topic.title.upper().replace(' ', '')}")]
    ]
    return replace(meta, odata="v4", topics=tuple(topics))


def test_a_move_to_another_service_is_one_change():
    assert kinds(moved()) == [("protocol", "v3", "v4")]
    assert kinds(moved(MetHulp="m2")) == [("protocol", "v3", "v4")]  # by title: no groups recorded
    other = moved(with_topics(Jongeren_1=None, MetHulp_2={"Unit": "aantal"}))
    assert kinds(other) == [("protocol", "v3", "v4"), ("unit", "%", "aantal")]


def test_after_a_move_the_definitions_must_name_the_topics_in_the_new_service():
    found = only(moved(MetHulp="M2"))
    assert found.quarantines
    assert "topics: {MetHulp: [{table: 99999NED, v4: {measure: M2}}]}" in found.meaning
    assert "pad" not in found.meaning.partition("niet de onderwerpen van")[2]
    named = Needed((Use("hulp", "MetHulp", ("MetHulp", "M2"), TOTAL), BY_PATH))
    require(BEFORE, moved(MetHulp="M2"), named)
