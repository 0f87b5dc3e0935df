"""Corrections: what a file must hold to, finding its cells, and the guard."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.cbs.metadata import TableMeta
from monitor.indicators.catalogue import load, load_or_raise
from monitor.indicators.corrections import ResolvedCell, resolve_corrections
from monitor.indicators.problems import Level, Number, Problem

from .conftest import Definitions
from .test_resolve import GESLACHT, INWONERS, JONGEREN, meta, meta4

FILE = "corrections/verwisseld.yaml"
CORRECTION = """
id: verwisseld
table: T2020NED
topic: Jongeren
cells:
  - {region: GM0001, period: 2020JJ00, expect: 13.5, value: 13.9}
reason: De cijfers van twee gemeenten zijn verwisseld.
status: reported
action: replace
reported: {by: vng, date: 2026-11-01}
"""
TABLE = meta("T2020NED", INWONERS, JONGEREN)


@pytest.fixture
def corrected(definitions: Definitions) -> Definitions:
    definitions.write(FILE, CORRECTION)
    return definitions


def judged(
    definitions: Definitions,
    figure: str | None = "13.5",
    table: TableMeta | None = TABLE,
    *,
    partial: bool = False,
    then: str | None = None,
) -> tuple[list[ResolvedCell], list[Problem]]:
    """Judge the corrections where the table's one figure is ``figure``."""
    file = definitions.folder / "observations.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 'T2020NED' AS table_id, 'Jongeren_7' AS topic, '' AS members, "
            "'GM0001' AS region_code, '2020JJ00' AS period, $1::DECIMAL(18, 6) AS value) "
            f"TO '{file}'",
            [figure],
        )
    metas = {} if table is None else {"T2020NED": table}
    files = {} if table is None else {"T2020NED": file}
    catalogue = load_or_raise(definitions.folder)
    return resolve_corrections(catalogue, metas, files, partial=partial, then=then)


def test_a_folder_without_corrections_is_in_order(definitions: Definitions) -> None:
    (definitions.folder / "corrections").mkdir()
    assert load(definitions.folder)[1] == []
    assert judged(definitions) == ([], [])


def test_corrections_count_in_the_fingerprint(definitions: Definitions) -> None:
    before = load_or_raise(definitions.folder).fingerprint
    definitions.write(FILE, CORRECTION)
    assert load_or_raise(definitions.folder).fingerprint != before


@pytest.mark.parametrize(
    ("old", "new", "number", "line", "hint"),
    [
        ("table: T2020NED", "table: T2019NED", Number.TABLE_NOT_IN_USE, 2, '"T2021NED"'),
        ("by: vng", "by: vgn", Number.UNKNOWN_PARTY, 9, '"vng"'),
        ("reported: {by: vng, date: 2026-11-01}\n", "", Number.NOT_REPORTED, 7, '"reported"'),
        (", value: 13.9", "", Number.VALUE_AND_ACTION, 5, "het juiste cijfer"),
        ("action: replace", "action: drop", Number.VALUE_AND_ACTION, 5, 'Haal "value" weg'),
        ("action: replace", "action: flag", Number.VALUE_AND_ACTION, 5, 'Haal "value" weg'),
        ("value: 13.9", "value: 13.50", Number.VALUE_AND_ACTION, 5, "wat het moet zijn"),
        ("period: 2020JJ00", 'period: "2020"', Number.WRONG_VALUE, 5, '"2020JJ00"'),
        ("period: 2020JJ00", "period: 2020KW05", Number.WRONG_VALUE, 5, '"2020JJ00"'),
        ("region: GM0001", "region: Almere", Number.WRONG_VALUE, 5, '"GM0363"'),
        ("expect: 13.5", "expect: '13,5'", Number.WRONG_VALUE, 5, "met een punt"),
        ("expect: 13.5", "expect: 1e3", Number.WRONG_VALUE, 5, "met een punt"),
        ("expect: 13.5", "expect: 13.1234567", Number.WRONG_VALUE, 5, "met een punt"),
        ("expect: 13.5, ", "", Number.MISSING_FIELD, 5, '"expect:"'),
        ("action: replace", "action: remove", Number.WRONG_VALUE, 8, "'drop'"),
        ("id: verwisseld", "id: omgewisseld", Number.FILE_NAME, 1, '"omgewisseld.yaml"'),
        ("reason:", "  - {region: GM0001, period: 2020JJ00, expect: 1, value: 2}\nreason:", Number.DOUBLE_ENTRY, 6, "Laat er één staan"),
    ],
)  # fmt: skip
def test_an_error_tells_its_line_its_number_and_what_to_do(
    corrected: Definitions, old: str, new: str, number: Number, line: int, hint: str
) -> None:
    corrected.change(FILE, old, new)
    _, (problem,) = load(corrected.folder)
    assert (problem.number, problem.line) == (number, line)
    assert hint in problem.remedy


def test_all_errors_of_a_correction_come_at_once(corrected: Definitions) -> None:
    corrected.change(FILE, "by: vng", "by: vgn")
    corrected.change(FILE, "T2020NED", "T2019NED")
    corrected.change(FILE, ", value: 13.9", "")
    assert [p.number for p in load(corrected.folder)[1]] == [
        Number.TABLE_NOT_IN_USE,
        Number.VALUE_AND_ACTION,
        Number.UNKNOWN_PARTY,
    ]


def test_a_table_in_a_series_that_no_indicator_uses_is_not_in_use(corrected: Definitions) -> None:
    corrected.change("indicators/jongeren.v1.yaml", 'valid_from: "2020"', 'valid_from: "2021"')
    _, (problem,) = load(corrected.folder)
    assert problem.number is Number.TABLE_NOT_IN_USE


def test_a_correction_of_what_cbs_repaired_is_kept_for_the_record_only(
    corrected: Definitions,
) -> None:
    corrected.change(FILE, "status: reported", "status: fixed_upstream")
    corrected.change(FILE, "topic: Jongeren", "topic: Weg")
    ((cell,), problems) = judged(corrected, "13.9")
    assert problems == []
    assert cell.not_applied == "CBS heeft de fout hersteld."
    corrected.change(FILE, "table: T2020NED", "table: T1999NED")
    assert load(corrected.folder)[1] == []


def test_a_correction_is_applied_where_cbs_publishes_what_it_expects(
    corrected: Definitions,
) -> None:
    ((cell,), problems) = judged(corrected)
    assert problems == []
    assert cell.not_applied is None
    assert cell.key == ("T2020NED", "Jongeren_7", "", "GM0001", "2020JJ00")
    assert (cell.cell.expected, cell.cell.replacement, cell.year) == (
        Decimal("13.5"),
        Decimal("13.9"),
        2020,
    )


def test_a_topic_is_found_under_the_name_that_the_series_states_for_the_table(
    corrected: Definitions,
) -> None:
    names = "topics: {Jeugd: [{table: T2020NED, topic: Jongeren, v4: {measure: M7}}]}\ntables:"
    corrected.change("series/kern.yaml", "tables:", names)
    corrected.change(FILE, "topic: Jongeren", "topic: Jeugd")
    ((cell,), problems) = judged(corrected)
    assert (cell.topic, cell.not_applied, problems) == ("Jongeren_7", None, [])
    ((cell,), _) = judged(corrected, table=meta4("T2020NED", ("M7", "Jongeren met jeugdzorg")))
    assert cell.topic == "M7"


def test_a_topic_without_a_code_for_v4_says_which_line_the_series_needs(
    corrected: Definitions,
) -> None:
    table = meta4("T2020NED", ("M7", "Jongeren met jeugdzorg"))
    ((cell,), (problem,)) = judged(corrected, table=table)
    assert (problem.number, problem.line) == (Number.NO_V4_NAME, 3)
    assert cell.not_applied == problem.message


def test_of_the_past_another_figure_is_no_more_than_a_warning(corrected: Definitions) -> None:
    ((cell,), (problem,)) = judged(corrected, "13.4", then="1 mei 2026")
    assert problem.level is Level.WARNING
    assert "Op 1 mei 2026 kende de monitor 13,4." in problem.message
    assert cell.not_applied == problem.message


def test_the_country_of_kerncijfers_is_the_one_country(corrected: Definitions) -> None:
    corrected.change(FILE, "region: GM0001", "region: NL00")
    ((cell,), _) = judged(corrected)
    assert cell.key[3] == "NL01"


@pytest.mark.parametrize(
    ("figure", "expect", "says"),
    [
        ("13.9", "13.5", "verwacht 13,5"),
        ("13.9", "13.5", "CBS publiceert nu 13,9."),
        (None, "13.5", "CBS publiceert nu geen cijfer."),
        ("100", "missing", "verwacht geen cijfer"),
        ("100", "missing", "CBS publiceert nu 100."),
        ("13.500001", "13.5", "nu 13,500001."),
    ],
)
def test_the_guard_tells_in_dutch_that_cbs_publishes_another_figure(
    corrected: Definitions, figure: str | None, expect: str, says: str
) -> None:
    corrected.change(FILE, "expect: 13.5", f"expect: {expect}")
    ((cell,), (problem,)) = judged(corrected, figure)
    assert (problem.number, problem.level, problem.line) == (Number.OTHER_AT_CBS, Level.ERROR, 5)
    assert says in problem.message
    assert '"fixed_upstream"' in problem.remedy
    assert cell.not_applied == problem.message


def test_a_missing_figure_can_be_expected(corrected: Definitions) -> None:
    corrected.change(FILE, "expect: 13.5", "expect: missing")
    ((cell,), problems) = judged(corrected, None)
    assert (cell.not_applied, problems) == (None, [])


def test_generated_figures_that_differ_are_no_more_than_a_warning(corrected: Definitions) -> None:
    ((cell,), (problem,)) = judged(corrected, "1", replace(TABLE, synthetic=True))
    assert problem.level is Level.WARNING
    assert cell.not_applied is not None


@pytest.mark.parametrize(
    ("old", "new", "number", "line"),
    [
        ("topic: Jongeren", "topic: Jongern", Number.UNKNOWN_TOPIC, 3),
        ("topic: Jongeren", "topic: [Zorg, Anders]", Number.UNKNOWN_TOPIC, 3),
        ("topic: Jongeren", "topic: Jongeren\nmembers: {Geslagt: A}", Number.UNKNOWN_DIMENSION, 4),
        ("region: GM0001", "region: GM9999", Number.NO_SUCH_CELL, 5),
        ("period: 2020JJ00", "period: 2019JJ00", Number.NO_SUCH_CELL, 5),
    ],
)
def test_a_cell_that_is_not_there_is_a_problem(
    corrected: Definitions, old: str, new: str, number: Number, line: int
) -> None:
    corrected.change(FILE, old, new)
    ((cell,), (problem,)) = judged(corrected)
    assert (problem.number, problem.line) == (number, line)
    assert "T2020NED" in problem.message
    assert cell.not_applied == problem.message


@pytest.mark.parametrize(("old", "new"), [("Jongeren\n", "Jongern\n"), ("GM0001", "GM9999")])
def test_a_partial_source_may_lack_the_topic_or_the_cell(
    corrected: Definitions, old: str, new: str
) -> None:
    corrected.change(FILE, old, new)
    ((cell,), problems) = judged(corrected, partial=True)
    assert problems == []
    assert cell.not_applied is not None


def test_a_table_that_can_not_be_had_is_no_problem_of_the_correction(
    corrected: Definitions,
) -> None:
    ((cell,), problems) = judged(corrected, table=None)
    assert problems == []
    assert cell.not_applied == "De tabel is in deze bron niet beschikbaar."


def test_without_figures_names_are_checked_and_nothing_is_guarded(corrected: Definitions) -> None:
    catalogue = load_or_raise(corrected.folder)
    ((cell,), problems) = resolve_corrections(catalogue, {"T2020NED": TABLE}, {})
    assert problems == []
    assert cell.not_applied == "De monitor heeft geen cijfers uit deze tabel."


def test_an_ambiguous_topic_and_an_open_dimension_are_problems(corrected: Definitions) -> None:
    twice = meta("T2020NED", INWONERS, JONGEREN, JONGEREN | {"Key": "Jongeren_8", "ParentID": 11})
    assert judged(corrected, table=twice)[1][0].number is Number.AMBIGUOUS_TOPIC
    open_dimension = meta("T2020NED", INWONERS, JONGEREN, dimensions=GESLACHT)
    assert judged(corrected, table=open_dimension)[1][0].number is Number.OPEN_DIMENSION


def test_one_wrong_topic_is_one_problem_whatever_the_number_of_cells(
    corrected: Definitions,
) -> None:
    corrected.change(FILE, "topic: Jongeren", "topic: Jongern")
    more = "  - {region: GM0002, period: 2020JJ00, expect: 1, value: 2}\nreason:"
    corrected.change(FILE, "reason:", more)
    cells, problems = judged(corrected)
    assert (len(cells), len(problems)) == (2, 1)


def test_a_cell_is_in_one_correction_however_its_topic_is_named(corrected: Definitions) -> None:
    text = CORRECTION.replace("verwisseld", "zo-ook", 1)
    path = "topic: [Zorg, Jongeren met jeugdzorg]"
    corrected.write("corrections/zo-ook.yaml", text.replace("topic: Jongeren", path))
    (first, second), (problem,) = judged(corrected)
    assert (problem.number, problem.line) == (Number.DOUBLE_CELL, 5)
    assert '"verwisseld"' in problem.message
    assert first.not_applied is None
    assert second.not_applied == problem.message
    corrected.change(FILE, "status: reported", "status: fixed_upstream")
    assert judged(corrected)[1] == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    figure=st.decimals(-(10**12) + 1, 10**12 - 1, places=6),
    spelling=st.sampled_from(["{:f}", "'{:f}'", "{:.6f}"]),
    trimmed=st.booleans(),
)
def test_the_spelling_of_a_figure_makes_no_difference(
    tmp_path_factory: pytest.TempPathFactory, figure: Decimal, spelling: str, trimmed: bool
) -> None:
    definitions = Definitions(Path(tmp_path_factory.mktemp("c")) / "definitions")
    text = spelling.format(figure.normalize() if trimmed else figure)
    definitions.write(FILE, CORRECTION.replace("expect: 13.5", f"expect: {text}"))
    if figure == Decimal("13.9"):
        return
    ((cell,), problems) = judged(definitions, str(figure))
    assert (cell.not_applied, problems) == (None, [])
    ((cell,), _) = judged(definitions, str(figure + Decimal("0.000001")))
    assert cell.not_applied is not None
