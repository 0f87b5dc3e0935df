import re

import pytest

from monitor.errors import UsageError
from monitor.indicators.catalogue import load, load_or_raise
from monitor.indicators.problems import DefinitionsError, Number

from .conftest import Definitions

INDICATOR = "indicators/jongeren.v1.yaml"


def test_a_good_folder_has_no_problems(definitions: Definitions) -> None:
    catalogue, problems = load(definitions.folder)
    assert problems == []
    assert set(catalogue.indicators) == {("jongeren", 1)}


def test_the_tables_to_ask_for_follow_from_the_definitions(definitions: Definitions) -> None:
    assert [r.table_id for r in load_or_raise(definitions.folder).requests()] == [
        "T2020NED",
        "T2021NED",
    ]
    definitions.change(INDICATOR, 'valid_from: "2020"', 'valid_from: "2021"')
    assert [(r.table_id, r.period) for r in load_or_raise(definitions.folder).requests()] == [
        ("T2021NED", "2021")
    ]


@pytest.mark.parametrize(
    ("name", "old", "new", "number", "line", "hint"),
    [
        (INDICATOR, "theme: veilig-opgroeien", "theme: veilig-opgroeie", Number.UNKNOWN_THEME, 6, '"veilig-opgroeien"'),
        (INDICATOR, "contact: vng", "contact: vgn", Number.UNKNOWN_PARTY, 25, '"vng"'),
        (INDICATOR, "national: [vws]", "national: [vng]", Number.WRONG_SIDE, 25, '"municipal"'),
        (INDICATOR, "from: kern", "from: kerm", Number.UNKNOWN_SERIES, 17, '"kern"'),
        (INDICATOR, "population: inwoners", "population: inwonrs", Number.UNKNOWN_POPULATION, 18, '"inwoners"'),
        (INDICATOR, "version: 1}", "version: 2}", Number.UNKNOWN_POPULATION, 18, '"inwoners"'),
        (INDICATOR, "kind: effect", "kind: effects", Number.WRONG_VALUE, 7, "'use'"),
        (INDICATOR, "purpose: Een gesprek tussen gemeenten en Rijk.\n", "", Number.MISSING_FIELD, 1, '"purpose:"'),
        (INDICATOR, "direction: neutral", "dirction: neutral", Number.UNKNOWN_FIELD, 11, '"direction"'),
        (INDICATOR, "rounding: half_up", "rounding: halfup", Number.WRONG_VALUE, 20, "'half_up'"),
        (INDICATOR, "kind: ratio", "kind: rato", Number.WRONG_VALUE, 15, "'ratio'"),
        (INDICATOR, "[country, municipality]", "[country, country]", Number.DOUBLE_ENTRY, 23, "Laat er één staan"),
        (INDICATOR, "reclassification:", "period_types: [year, year]\nreclassification:", Number.DOUBLE_ENTRY, 24, "Laat er één staan"),
        (INDICATOR, "\nversion: 1.0.0", "\nversion: 1.0.1", Number.NOT_IN_CHANGES, 2, '"changes"'),
        (INDICATOR, "review:", "approvals: [{party: vng, version: 9.9.9, date: 2026-01-01}]\nreview:", Number.NOT_IN_CHANGES, 26, '"1.0.0"'),
        (INDICATOR, "id: jongeren", "id: 1-jongeren", Number.WRONG_VALUE, 1, "Het eerste teken is een letter"),
        (INDICATOR, 'valid_from: "2020"', 'valid_from: "2020"\nvalid_until: "2019"', Number.WRONG_VALUE, 5, "laatste jaar"),
        ("series/kern.yaml", "  - {table: T2020NED,", "  - {table: T2019NED, valid_from: '2019', valid_until: '2018'}\n  - {table: T2020NED,", Number.WRONG_VALUE, 5, "laatste jaar"),
        ("parties.yaml", "  - {id: vws,", "  - {id: vng, name: Nep, side: national}\n  - {id: vws,", Number.DOUBLE_ENTRY, 3, "Laat er één staan"),
        ("series/kern.yaml", "tables:", "topics:\n  Jongeren:\n    - {table: T2012NED, topic: Jeugd}\ntables:", Number.TABLE_NOT_IN_SERIES, 6, '"T2021NED"'),
        ("series/kern.yaml", "tables:", "topics:\n  Jongeren:\n    - {table: T2021NED}\ntables:", Number.MISSING_FIELD, 6, '"v4:"'),
        (INDICATOR, "date: 2026-11-01,", "date: gisteren,", Number.WRONG_VALUE, 28, "2026-11-01"),
        (INDICATOR, 'valid_from: "2020"', 'valid_from: "2031"', Number.NO_TABLE_FOR_PERIOD, 4, "reeks"),
        (INDICATOR, "id: jongeren", "id: jeugd", Number.FILE_NAME, 1, '"jeugd.v1.yaml"'),
        ("series/kern.yaml", 'period: "2021"', 'period: "2020"', Number.OVERLAPPING_TABLES, 6, "valid_from"),
        ("populations/inwoners.v1.yaml", "from: kern", "from: kerm", Number.UNKNOWN_SERIES, 8, '"kern"'),
    ],
)  # fmt: skip
def test_an_error_tells_its_line_its_number_and_what_was_meant(
    definitions: Definitions, name: str, old: str, new: str, number: Number, line: int, hint: str
) -> None:
    definitions.change(name, old, new)
    _, problems = load(definitions.folder)
    found = [(p.number, p.line) for p in problems if p.file.endswith(name)]
    assert (number, line) in found
    assert any(hint in p.remedy for p in problems if p.number is number)


def test_all_errors_come_at_once(definitions: Definitions) -> None:
    definitions.change(INDICATOR, "theme: veilig-opgroeien", "theme: x")
    definitions.change(INDICATOR, "contact: vng", "contact: y")
    definitions.change("populations/inwoners.v1.yaml", "contact: vng", "contact: z")
    definitions.write("series/stuk.yaml", "id: [")
    with pytest.raises(DefinitionsError) as caught:
        load_or_raise(definitions.folder)
    assert {p.number for p in caught.value.problems} == {
        Number.UNKNOWN_THEME,
        Number.UNKNOWN_PARTY,
        Number.UNREADABLE,
    }
    assert "4 fouten in de definities." in str(caught.value)


def test_a_problem_prints_as_file_line_number_and_message(definitions: Definitions) -> None:
    definitions.change(INDICATOR, "theme: veilig-opgroeien", "theme: veilig")
    _, problems = load(definitions.folder)
    assert re.search(
        r'jongeren\.v1\.yaml:6: D303 fout: Het thema "veilig" bestaat niet\. ', str(problems[0])
    )


def test_the_same_definition_in_two_files_is_an_error(definitions: Definitions) -> None:
    text = (definitions.folder / INDICATOR).read_text(encoding="utf-8")
    definitions.write("indicators/kopie.v1.yaml", text)
    _, problems = load(definitions.folder)
    assert {p.number for p in problems} == {Number.DOUBLE_ID, Number.FILE_NAME}


def test_one_wrong_item_of_a_list_is_one_problem(definitions: Definitions) -> None:
    definitions.change(INDICATOR, "date: 2026-11-01,", "date: gisteren,")
    _, problems = load(definitions.folder)
    assert [p.line for p in problems] == [28]


PUBLISHED = """measure:
  kind: published
  value: {from: kern, topic: Jongeren, sign: minus}
  unit: "%"
  decimals: 1
levels"""


def of_one_published_figure(definitions: Definitions) -> None:
    text = (definitions.folder / INDICATOR).read_text(encoding="utf-8")
    definitions.write(INDICATOR, re.sub(r"(?s)measure:.*levels", PUBLISHED, text))


def test_a_published_figure_can_not_be_subtracted(definitions: Definitions) -> None:
    of_one_published_figure(definitions)
    _, problems = load(definitions.folder)
    assert [(p.number, p.line) for p in problems] == [(Number.WRONG_VALUE, 16)]
    assert '"count"' in problems[0].remedy


def test_a_party_approves_a_version_once(definitions: Definitions) -> None:
    twice = "".join(f"  - {{party: vng, version: 1.0.0, date: 2026-01-0{day}}}\n" for day in (1, 2))
    definitions.change(INDICATOR, "review:", f"approvals:\n{twice}review:")
    _, problems = load(definitions.folder)
    assert [(p.number, p.line) for p in problems] == [(Number.DOUBLE_ENTRY, 28)]


def test_years_in_the_wrong_order_are_one_problem(definitions: Definitions) -> None:
    definitions.change(INDICATOR, 'valid_from: "2020"', 'valid_from: "2021"\nvalid_until: "2020"')
    _, problems = load(definitions.folder)
    assert [p.number for p in problems] == [Number.WRONG_VALUE]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("municipal: [vng]", "municipal: [VNG]", 'De waarde van "municipal" (nummer 1) klopt niet. Bedoelde u "vng"?'),
        ("municipal: [vng]", "municipal: [vng, Mijn Stad]", 'De waarde van "municipal" (nummer 2) klopt niet. Een korte naam: kleine letters en cijfers'),
        ('valid_from: "2020"', 'valid_from: "20"', 'tussen aanhalingstekens. Bijvoorbeeld: "2018".'),
        ("decimals: 1", "decimals: 9", 'De waarde van "decimals" klopt niet. Kies een getal van 0 tot en met 6.'),
        ("decimals: 1", "decimals: -1", "Kies een getal vanaf 0."),
        ("topic: Jongeren", "topic: {a: b}", 'De waarde van "topic" klopt niet. Hier hoort een naam, of een lijst met titels.'),
        ("topic: Jongeren", "topic: []", 'De waarde van "topic" klopt niet. Vul dit in.'),
        ("topic: Jongeren", "topic: [Zorg, {a: b}]", 'De waarde van "topic" (nummer 2) klopt niet. Hier hoort tekst.'),
        ("version: 1}", "version: een}", 'De waarde van "version" klopt niet. Hier hoort een heel getal.'),
        ("{population: inwoners, version: 1}", "[]", 'De waarde van "denominator" klopt niet. Vul dit in.'),
        ("kind: ratio", "kind: rato", 'De waarde van "kind" klopt niet. Kies uit:'),
        ("id: jongeren", f"id: {'j' * 81}", "Gebruik hoogstens 80 tekens."),
    ],
)  # fmt: skip
def test_one_mistake_is_one_problem_that_names_the_field_and_the_form_wanted(
    definitions: Definitions, old: str, new: str, says: str
) -> None:
    definitions.change(INDICATOR, old, new)
    _, (problem,) = load(definitions.folder)
    assert says in str(problem)
    assert "^" not in str(problem)


def test_a_withdrawn_indicator_is_kept_but_asks_for_nothing(definitions: Definitions) -> None:
    definitions.change(INDICATOR, "status: trial", "status: withdrawn")
    catalogue = load_or_raise(definitions.folder)
    assert ("jongeren", 1) in catalogue.indicators
    assert catalogue.requests() == []
    assert catalogue.needed_topics("T2020NED") == frozenset()
    assert not catalogue.has_effect("veilig-opgroeien")


def test_the_topics_needed_of_a_table_are_called_as_that_table_calls_them(
    definitions: Definitions,
) -> None:
    definitions.change("populations/inwoners.v1.yaml", "AantalInwoners", "[Bevolking, Inwoners]")
    definitions.change(
        "series/kern.yaml",
        "tables:",
        "topics: {Jongeren: [{table: T2021NED, topic: Jeugd}]}\ntables:",
    )
    catalogue = load_or_raise(definitions.folder)
    path = ("Bevolking", "Inwoners")
    assert catalogue.needed_topics("T2020NED") == {"Jongeren", path}
    assert catalogue.needed_topics("T2021NED") == {"Jeugd", path}
    assert catalogue.needed_topics("T2022NED") == frozenset()


def test_a_topic_is_needed_by_its_name_in_either_service_of_cbs(
    definitions: Definitions,
) -> None:
    definitions.change(
        "series/kern.yaml",
        "tables:",
        "topics: {Jongeren: [{table: T2021NED, v4: {measure: M000352}}]}\ntables:",
    )
    catalogue = load_or_raise(definitions.folder)
    (name,) = catalogue.series["kern"].model.topics["Jongeren"]
    assert name.v4 is not None
    assert name.v4.measure == "M000352"
    assert {"Jongeren", "M000352"} <= catalogue.needed_topics("T2021NED")
    assert "M000352" not in catalogue.needed_topics("T2020NED")


def test_a_series_can_say_from_which_service_a_table_comes(definitions: Definitions) -> None:
    definitions.change(
        "series/kern.yaml",
        '{table: T2021NED, period: "2021"}',
        ('{table: T2021NED, period: "2021", odata: v4}'),
    )
    asked = {r.table_id: r.odata for r in load_or_raise(definitions.folder).requests()}
    assert asked == {"T2020NED": None, "T2021NED": "v4"}


def test_two_series_can_not_ask_different_parts_of_one_table(definitions: Definitions) -> None:
    text = (definitions.folder / "series/kern.yaml").read_text(encoding="utf-8")
    definitions.write(
        "series/ander.yaml", text.replace("id: kern", "id: ander") + "select: {Sexe: [A]}\n"
    )
    _, problems = load(definitions.folder)
    assert {p.number for p in problems} == {Number.CONFLICTING_TABLE}


def test_a_code_outside_the_selection_of_the_series_is_an_error(definitions: Definitions) -> None:
    definitions.change("series/kern.yaml", "tables:", "select: {Geslacht: [T001038]}\ntables:")
    definitions.change(
        INDICATOR, "topic: Jongeren}", 'topic: Jongeren, members: {Geslacht: "3000"}}'
    )
    _, problems = load(definitions.folder)
    assert [(p.number, p.line) for p in problems] == [(Number.UNKNOWN_MEMBER, 17)]
    assert '"T001038"' in problems[0].remedy


def test_a_folder_without_definitions_is_wrong_use(tmp_path: object) -> None:
    with pytest.raises(UsageError, match="MONITOR_DEFINITIONS"):
        load(tmp_path / "nowhere")  # type: ignore[operator]
