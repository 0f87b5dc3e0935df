from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from monitor.validation.stages import (
    RecordingCheckError,
    ValidationFailedError,
    check_model,
    check_observations,
    check_recording,
    check_regions,
)
from monitor.warehouse.sqlmodels import SqlModel, load_models

GOOD = {
    "table_id": "'T1'",
    "row_key": "'GM0001|2020JJ00'",
    "source_key": "'GM0001'",
    "region_code": "'GM0001'",
    "region_level": "'municipality'",
    "region_year": "2020::SMALLINT",
    "period": "'2020JJ00'",
    "period_type": "'year'",
    "year": "2020::SMALLINT",
    "topic": "'A_1'",
    "members": "''",
    "value": "13.9::DECIMAL(18, 6)",
    "source_mark": "NULL::VARCHAR",
    "status": "'definitive'",
}


def observations(folder: Path, **other: str) -> Path:
    columns = ", ".join(f"{text} AS {name}" for name, text in (GOOD | other).items())
    file = folder / "T1.abc.parquet"
    duckdb.sql(f"COPY (SELECT {columns}) TO '{file}'")
    return file


def test_observations_in_order_pass(tmp_path: Path) -> None:
    verdict = check_observations([observations(tmp_path)])
    assert (verdict.passed, verdict.rows) == (True, 1)


@pytest.mark.parametrize(
    ("column", "text", "rule"),
    [
        ("source_mark", "'.'", "a value or CBS's mark"),
        ("source_mark", "'x'", "isin"),
        ("value", "NULL::DECIMAL(18, 6)", "a value or CBS's mark"),
        ("status", "'fine'", "isin"),
        ("region_level", "'town'", "isin"),
        ("region_year", "20::SMALLINT", "in_range"),
        ("topic", "NULL::VARCHAR", "not_nullable"),
        ("value", "13.9::DOUBLE", "dtype"),
        ("extra", "1", "column_in_schema"),
    ],
)
def test_observations_that_break_the_contract_are_told_with_an_example(
    tmp_path: Path, column: str, text: str, rule: str
) -> None:
    verdict = check_observations([observations(tmp_path, **{column: text})])
    assert not verdict.passed
    assert any(rule in failure.rule for failure in verdict.failures)
    assert {failure.table for failure in verdict.failures} == {"T1"}
    with pytest.raises(ValidationFailedError, match="nothing was published"):
        verdict.require()


def test_a_recording_holds_trimmed_text_and_at_least_one_row(tmp_path: Path) -> None:
    file = tmp_path / "T1.abc.parquet"
    duckdb.sql(f"COPY (SELECT 'GM0001' AS RegioS, NULL::VARCHAR AS A_1) TO '{file}'")
    check_recording(file)
    duckdb.sql(f"COPY (SELECT 'GM0001 ' AS RegioS) TO '{file}'")
    with pytest.raises(RecordingCheckError, match=r"T1: recording: column RegioS: trimmed"):
        check_recording(file)
    duckdb.sql(f"COPY (SELECT 1 AS RegioS) TO '{file}'")
    with pytest.raises(RecordingCheckError, match="dtype"):
        check_recording(file)
    duckdb.sql(f"COPY (SELECT 'a' AS RegioS WHERE false) TO '{file}'")
    with pytest.raises(RecordingCheckError, match="at least one row"):
        check_recording(file)


def test_regions_have_a_code_a_known_level_and_a_name(tmp_path: Path) -> None:
    file = tmp_path / "regions.parquet"
    select = "SELECT 'GM0001' AS region_code, 'municipality' AS region_level, 'A' AS name"
    duckdb.sql(f"COPY ({select}) TO '{file}'")
    assert check_regions(file).passed
    wrong = select.replace("'municipality'", "'town'").replace("'A'", "''")
    duckdb.sql(f"COPY ({wrong}) TO '{file}'")
    assert {failure.column for failure in check_regions(file).failures} == {"region_level", "name"}


def model(folder: Path) -> SqlModel:
    path = folder / "sql" / "core" / "cells.sql"
    path.parent.mkdir(parents=True)
    path.write_text(
        "-- Cellen.\n-- key: k\n-- columns:\n--   k  VARCHAR  not null  in (a, b)  Sleutel.\n"
        "--   value  DOUBLE  Cijfer.\n--   missing_reason  VARCHAR  Reden.\nSELECT 1\n",
        encoding="utf-8",
    )
    (loaded,) = load_models(folder / "sql")
    return loaded


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("'a' AS k, 1.5 AS value, NULL::VARCHAR AS missing_reason", None),
        ("'a' AS k, NULL::DOUBLE AS value, 'impossible' AS missing_reason", None),
        ("'a' AS k, 1.5 AS value, 'impossible' AS missing_reason", "never both"),
        ("'a' AS k, NULL::DOUBLE AS value, NULL::VARCHAR AS missing_reason", "never neither"),
        ("'c' AS k, 1.5 AS value, NULL::VARCHAR AS missing_reason", "isin"),
        ("NULL::VARCHAR AS k, 1.5 AS value, NULL::VARCHAR AS missing_reason", "not_nullable"),
    ],
)
def test_the_contract_of_a_sql_table_follows_from_its_head(
    tmp_path: Path, row: str, rule: str | None
) -> None:
    file = tmp_path / "cells.parquet"
    duckdb.sql(f"COPY (SELECT {row.replace('1.5', '1.5::DOUBLE')}) TO '{file}'")
    verdict = check_model(model(tmp_path), file)
    if rule is None:
        assert verdict.passed
    else:
        assert any(rule in failure.rule for failure in verdict.failures)
