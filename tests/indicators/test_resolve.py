from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from monitor.cbs.metadata import TableMeta, build_meta
from monitor.indicators.catalogue import load_or_raise
from monitor.indicators.problems import Level, Number
from monitor.indicators.resolve import Resolution, resolve

from .conftest import Definitions

INDICATOR = "indicators/jongeren.v1.yaml"
JONGEREN = {"Key": "Jongeren_7", "Title": "Jongeren met jeugdzorg", "ParentID": 10}
INWONERS = {"Key": "AantalInwoners_5", "Title": "Aantal inwoners"}


def meta(
    table: str,
    *topics: dict[str, Any],
    dimensions: dict[str, dict[str, str]] | None = None,
    geo: str = "GeoDimension",
    regions: tuple[str, ...] = ("NL00", "GM0001"),
) -> TableMeta:
    """Metadata of a table with the topics and, beside regions, the dimensions given."""
    others = dimensions or {}
    properties = [
        {"ID": 0, "Position": 0, "Type": geo, "Key": "Gemeenten", "Title": "Gemeenten"},
        *(
            {"ID": 90 + i, "Position": 90 + i, "Type": "Dimension", "Key": key, "Title": key}
            for i, key in enumerate(others)
        ),
        {"ID": 10, "Type": "TopicGroup", "Key": "", "Title": "Zorg", "ParentID": None},
        {"ID": 11, "Type": "TopicGroup", "Key": "", "Title": "Wonen", "ParentID": None},
        *(
            {"ID": 20 + i, "Position": 20 + i, "Type": "Topic", "Datatype": "Long",
             "Unit": "aantal", "Decimals": 0, "ParentID": None} | topic
            for i, topic in enumerate(topics)
        ),
    ]  # fmt: skip
    return build_meta(
        {
            "TableInfos": [{"Identifier": table, "Title": table, "Period": table[1:5]}],
            "DataProperties": properties,
            "Gemeenten": [{"Key": code, "Title": code} for code in regions],
            **{
                key: [{"Key": f"{code}  ", "Title": title} for code, title in members.items()]
                for key, members in others.items()
            },
        }
    )


def resolved(
    definitions: Definitions, *metas: TableMeta, partial: bool = False, described: bool = False
) -> Resolution:
    catalogue = load_or_raise(definitions.folder)
    known = {m.table_id: m for m in metas}
    return resolve(catalogue, known, partial=partial, described=described)


def test_a_stem_finds_the_topic_whatever_its_number_in_the_table(definitions: Definitions) -> None:
    found = resolved(
        definitions,
        meta("T2020NED", INWONERS, JONGEREN),
        meta("T2021NED", INWONERS | {"Key": "AantalInwoners_9"}, JONGEREN | {"Key": "Jongeren_88"}),
    )
    assert found.problems == []
    assert [(t.part, t.table_id, t.topic) for t in found.terms] == [
        ("numerator", "T2020NED", "Jongeren_7"),
        ("numerator", "T2021NED", "Jongeren_88"),
        ("denominator", "T2020NED", "AantalInwoners_5"),
        ("denominator", "T2021NED", "AantalInwoners_9"),
    ]


def test_a_path_finds_a_topic_whose_stem_is_not_unique(definitions: Definitions) -> None:
    elsewhere = JONGEREN | {"Key": "Jongeren_8", "Title": "Jongeren", "ParentID": 11}
    tables = [meta(t, INWONERS, JONGEREN, elsewhere) for t in ("T2020NED", "T2021NED")]
    ambiguous = resolved(definitions, *tables).problems
    assert [(p.number, p.line) for p in ambiguous] == [(Number.AMBIGUOUS_TOPIC, 17)]
    assert '"Wonen > Jongeren"' in ambiguous[0].remedy
    definitions.change(INDICATOR, "topic: Jongeren}", "topic: [Wonen, Jongeren]}")
    found = resolved(definitions, *tables)
    assert found.problems == []
    assert found.terms[0].topic == "Jongeren_8"


def test_an_unknown_topic_names_the_tables_and_what_was_meant(definitions: Definitions) -> None:
    definitions.change(INDICATOR, "topic: Jongeren}", "topic: Jongern}")
    tables = [meta(t, INWONERS, JONGEREN) for t in ("T2020NED", "T2021NED")]
    (problem,) = resolved(definitions, *tables).problems
    assert (problem.number, problem.line) == (Number.UNKNOWN_TOPIC, 17)
    assert "T2020NED, T2021NED" in problem.message
    assert 'Bedoelde u "Jongeren"?' in problem.remedy


def test_a_topic_of_a_population_is_reported_in_the_file_of_the_population(
    definitions: Definitions,
) -> None:
    tables = [meta(t, JONGEREN) for t in ("T2020NED", "T2021NED")]
    (problem,) = resolved(definitions, *tables).problems
    assert problem.file.endswith("populations/inwoners.v1.yaml")
    assert problem.line == 8


GESLACHT = {"Geslacht": {"T001038": "Totaal mannen en vrouwen", "3000": "Mannen"}}


@pytest.mark.parametrize(
    ("members", "number", "hint"),
    [
        ("", Number.OPEN_DIMENSION, "T001038 (Totaal mannen en vrouwen)"),
        (', members: {Geslacht: "T00138"}', Number.UNKNOWN_MEMBER, 'Bedoelde u "T001038"?'),
        (', members: {Geslacht: "9"}', Number.UNKNOWN_MEMBER, 'De code voor "Totaal" is "T001038"'),
        (', members: {Geslagt: "3000"}', Number.UNKNOWN_DIMENSION, 'Bedoelde u "Geslacht"?'),
        (', members: {Gemeenten: "GM0001"}', Number.UNKNOWN_DIMENSION, "Geslacht"),
    ],
)
def test_each_other_dimension_needs_one_known_member(
    definitions: Definitions, members: str, number: Number, hint: str
) -> None:
    definitions.change(INDICATOR, "topic: Jongeren}", f"topic: Jongeren{members}}}")
    definitions.change(
        "populations/inwoners.v1.yaml",
        "topic: AantalInwoners}",
        "topic: AantalInwoners, members: {Geslacht: T001038}}",
    )
    tables = [meta(t, INWONERS, JONGEREN, dimensions=GESLACHT) for t in ("T2020NED", "T2021NED")]
    (problem,) = resolved(definitions, *tables).problems
    assert (problem.number, problem.line) == (number, 17)
    assert hint in problem.remedy


def test_members_are_spelled_as_observations_spell_them(definitions: Definitions) -> None:
    both = {"Leeftijd": {"10000": "Totaal"}, "Geslacht": {"3000": "Mannen"}}
    choice = ", members: {Leeftijd: 10000, Geslacht: 3000}}"
    definitions.change(INDICATOR, "topic: Jongeren}", f"topic: Jongeren{choice}")
    definitions.change("populations/inwoners.v1.yaml", "AantalInwoners}", f"AantalInwoners{choice}")
    tables = [meta(t, INWONERS, JONGEREN, dimensions=both) for t in ("T2020NED", "T2021NED")]
    found = resolved(definitions, *tables)
    assert found.problems == []
    assert {t.members for t in found.terms} == {"Geslacht=3000;Leeftijd=10000"}


def test_a_text_topic_and_a_table_without_regions_are_refused(definitions: Definitions) -> None:
    text = JONGEREN | {"Datatype": "String"}
    (problem,) = resolved(
        definitions, *(meta(t, INWONERS, text) for t in ("T2020NED", "T2021NED"))
    ).problems
    assert problem.number is Number.TEXT_TOPIC
    numbers = {
        p.number
        for p in resolved(
            definitions,
            *(meta(t, INWONERS, JONGEREN, geo="TimeDimension") for t in ("T2020NED", "T2021NED")),
        ).problems
    }
    assert numbers == {Number.NO_REGIONS}


def test_no_dimension_of_regions_and_more_than_one_are_told_apart(definitions: Definitions) -> None:
    twice = replace(
        meta("T2020NED", INWONERS, JONGEREN), dimensions=2 * meta("T2020NED", JONGEREN).dimensions
    )
    said = {p.message for p in resolved(definitions, twice).problems}
    assert said == {
        "In tabel T2020NED: Er staat meer dan één dimensie met regio's in: Gemeenten, Gemeenten."
    }
    none = meta("T2020NED", INWONERS, JONGEREN, geo="TimeDimension")
    said = {p.message for p in resolved(definitions, none).problems}
    assert said == {"In tabel T2020NED: Er staan geen cijfers per regio in."}


def test_a_level_that_no_table_has_regions_of_is_an_error(definitions: Definitions) -> None:
    definitions.change(INDICATOR, "[country, municipality]", "[municipality, safety_region]")
    tables = [meta(t, INWONERS, JONGEREN) for t in ("T2020NED", "T2021NED")]
    (problem,) = resolved(definitions, *tables).problems
    assert (problem.number, problem.line, problem.level) == (Number.NO_SUCH_LEVEL, 23, Level.ERROR)
    assert (
        problem.message
        == 'De tabellen T2020NED, T2021NED hebben geen cijfers voor "safety_region".'
    )
    assert problem.remedy == 'Kies uit: "country" of "municipality".'
    assert resolved(definitions, *tables, partial=True).problems == []
    one = meta("T2021NED", INWONERS, JONGEREN, regions=("GM0001", "VR01"))
    assert resolved(definitions, tables[0], one).problems == []


def test_a_table_that_the_source_did_not_describe_is_told_when_all_were_asked(
    definitions: Definitions,
) -> None:
    definitions.write(
        "series/ander.yaml",
        "id: ander\ntitle: Ander\ndescription: Een tabel.\ntables:\n  - {table: T2012NED}\n",
    )
    definitions.change(INDICATOR, "from: kern, topic: Jongeren", "from: ander, topic: Jongeren")
    tables = [meta(t, INWONERS, JONGEREN) for t in ("T2020NED", "T2021NED")]
    assert resolved(definitions, *tables).problems == []
    (problem,) = resolved(definitions, *tables, described=True).problems
    assert (problem.number, problem.line, problem.level) == (Number.UNCHECKED_TABLE, 5, Level.ERROR)
    assert problem.file.endswith("series/ander.yaml")
    assert problem.message.startswith("Tabel T2012NED is niet gecontroleerd")
    assert '"T2021NED"' in problem.remedy
    (problem,) = resolved(definitions, *tables, partial=True, described=True).problems
    assert problem.level is Level.WARNING


def test_a_table_of_the_same_series_is_not_suggested_for_one_that_lacks(
    definitions: Definitions,
) -> None:
    one = meta("T2020NED", INWONERS, JONGEREN)
    (problem,) = resolved(definitions, one, described=True).problems
    assert problem.remedy == "Kijk of het nummer klopt, of kies een andere bron met --source."


def test_a_withdrawn_indicator_has_no_terms_and_no_problems(definitions: Definitions) -> None:
    definitions.change(INDICATOR, "status: trial", "status: withdrawn")
    found = resolved(definitions, meta("T2020NED", INWONERS), described=True)
    assert (found.terms, found.problems) == ([], [])


def test_a_sign_and_the_scale_of_the_unit_become_the_factor(definitions: Definitions) -> None:
    thousands = JONGEREN | {"Unit": "x 1 000"}
    definitions.change(INDICATOR, "topic: Jongeren}", "topic: Jongeren, sign: minus}")
    found = resolved(definitions, *(meta(t, INWONERS, thousands) for t in ("T2020NED", "T2021NED")))
    assert {(t.part, t.factor) for t in found.terms} == {("numerator", -1000), ("denominator", 1)}


def test_a_table_that_is_not_there_gives_terms_without_a_topic_and_no_problem(
    definitions: Definitions,
) -> None:
    found = resolved(definitions, meta("T2020NED", INWONERS, JONGEREN))
    assert found.problems == []
    assert {t.topic for t in found.terms if t.table_id == "T2021NED"} == {None}


def test_a_partial_source_may_lack_a_topic_in_one_table_of_a_series(
    definitions: Definitions,
) -> None:
    tables = [meta("T2020NED", INWONERS, JONGEREN), meta("T2021NED", INWONERS)]
    whole = resolved(definitions, *tables)
    assert [p.number for p in whole.problems] == [Number.UNKNOWN_TOPIC]
    part = resolved(definitions, *tables, partial=True)
    assert part.problems == []
    assert part.gaps == [("jongeren", "T2021NED")]


def test_a_second_name_in_one_table_of_a_series_is_used_there(definitions: Definitions) -> None:
    definitions.change(
        "series/kern.yaml",
        "tables:",
        "topics: {Jongeren: [{table: T2021NED, topic: Jeugd}]}\ntables:",
    )
    renamed = meta("T2021NED", INWONERS, JONGEREN | {"Key": "Jeugd_3"})
    found = resolved(definitions, meta("T2020NED", INWONERS, JONGEREN), renamed)
    assert found.problems == []
    assert [t.topic for t in found.terms if t.part == "numerator"] == ["Jongeren_7", "Jeugd_3"]


def meta4(table: str, *measures: tuple[str, str]) -> TableMeta:
    """Metadata of a table of OData v4 with (code, title) measures, in groups not described."""
    return build_meta(
        {
            "Properties": [{"Identifier": table, "TemporalCoverage": table[1:5]}],
            "Dimensions": [{"Identifier": "Gemeenten", "Kind": "GeoDimension"}],
            "MeasureCodes": [
                {"Identifier": code, "Title": title, "Index": i, "DataType": "Long",
                 "MeasureGroupId": "G1"}
                for i, (code, title) in enumerate(measures)
            ],
            "Gemeenten": [{"Identifier": c, "Title": c} for c in ("NL01", "GM0001")],
        }
    )  # fmt: skip


V4_NAMES = (
    "topics: {Jongeren: [{table: T2021NED, v4: {measure: M000352}}],"
    " AantalInwoners: [{table: T2021NED, v4: {measure: M1}}]}\ntables:"
)
IN_V4 = (("M1", "Aantal inwoners"), ("M000352", "Jongeren met jeugdzorg"))


def test_a_table_of_v4_has_the_codes_that_the_series_states(definitions: Definitions) -> None:
    definitions.change("series/kern.yaml", "tables:", V4_NAMES)
    found = resolved(definitions, meta("T2020NED", INWONERS, JONGEREN), meta4("T2021NED", *IN_V4))
    assert found.problems == []
    assert [t.topic for t in found.terms] == [
        "Jongeren_7", "M000352", "AantalInwoners_5", "M1"
    ]  # fmt: skip


def test_a_topic_without_a_code_for_v4_says_which_line_to_add(definitions: Definitions) -> None:
    found = resolved(definitions, meta("T2020NED", INWONERS, JONGEREN), meta4("T2021NED", *IN_V4))
    of_population = next(p for p in found.problems if p.file.endswith("inwoners.v1.yaml"))
    assert (of_population.number, of_population.line) == (Number.NO_V4_NAME, 8)
    assert of_population.message.startswith('In tabel T2021NED: De reeks "kern" geeft geen code')
    assert (
        "AantalInwoners: [{table: T2021NED, v4: {measure: M1}}]. "
        'Is dit de code: "M1 (Aantal inwoners)"?' in of_population.remedy
    )
    assert len(found.problems) == 2


def test_measures_with_one_title_are_offered_by_their_codes(definitions: Definitions) -> None:
    definitions.change(INDICATOR, "topic: Jongeren}", "topic: [Zorg, Jongeren met jeugdzorg]}")
    definitions.change("series/kern.yaml", "tables:", V4_NAMES)
    twice = meta4("T2021NED", *IN_V4, ("M7", "Jongeren met jeugdzorg"))
    (problem,) = resolved(definitions, twice).problems
    assert problem.number is Number.NO_V4_NAME
    assert '"Zorg > Jongeren met jeugdzorg": [{table: T2021NED, v4: {measure: CODE}}]' in (
        problem.remedy
    )
    assert '"M000352 (Jongeren met jeugdzorg)" of "M7 (Jongeren met jeugdzorg)"' in problem.remedy
    named = '"Zorg > Jongeren met jeugdzorg": [{table: T2021NED, v4: {measure: M7}}], Jongeren:'
    definitions.change("series/kern.yaml", "Jongeren:", named)
    found = resolved(definitions, twice)
    assert found.problems == []
    assert "M7" in {t.topic for t in found.terms}


def test_a_code_that_the_table_of_v4_does_not_have_is_an_unknown_topic(
    definitions: Definitions,
) -> None:
    definitions.change("series/kern.yaml", "tables:", V4_NAMES.replace("M000352", "M00352"))
    (problem,) = resolved(definitions, meta4("T2021NED", *IN_V4)).problems
    assert problem.number is Number.UNKNOWN_TOPIC
    assert 'Bedoelde u "M000352"?' in problem.remedy
