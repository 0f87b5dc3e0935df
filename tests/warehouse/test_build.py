from pathlib import Path

import duckdb
import pytest

from monitor.warehouse.build import build, parquet_of
from monitor.warehouse.sqlmodels import SqlModel, SqlModelError, load_models

HEAD = "-- Een tabel.\n-- key: a\n-- columns:\n--   a  INTEGER  not null  De sleutel.\n"


def model(folder: Path, select: str) -> SqlModel:
    path = folder / "sql" / "core" / "t.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + select, encoding="utf-8")
    (loaded,) = load_models(folder / "sql")
    return loaded


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    file = parquet_of(tmp_path, "input.x")
    file.parent.mkdir(parents=True)
    duckdb.sql(f"COPY (SELECT unnest([3, 1, 2])::INTEGER AS a) TO '{file}'")
    return tmp_path


def test_a_table_is_ordered_by_its_key(tables: Path) -> None:
    stored = build(model(tables, "SELECT a FROM input.x"), tables, {})
    assert duckdb.sql(f"FROM '{stored.path}'").fetchall() == [(1,), (2,), (3,)]


def test_nothing_is_done_when_neither_sql_nor_inputs_changed(tables: Path) -> None:
    assert build(model(tables, "SELECT a FROM input.x"), tables, {}).built
    assert not build(model(tables, "SELECT a FROM input.x"), tables, {}).built
    assert build(model(tables, "SELECT a + 1 AS a FROM input.x"), tables, {}).built


def test_a_table_of_many_files_is_read_as_one_and_its_own_file_where_there_are_none(
    tables: Path,
) -> None:
    files = [tables / f"{number}.parquet" for number in (7, 8)]
    for file in files:
        duckdb.sql(f"COPY (SELECT {file.stem}::INTEGER AS a) TO '{file}'")
    stored = build(model(tables, "SELECT a FROM input.x"), tables, {"input.x": files})
    assert duckdb.sql(f"FROM '{stored.path}'").fetchall() == [(7,), (8,)]
    stored = build(model(tables, "SELECT a FROM input.x"), tables, {"input.x": []})
    assert duckdb.sql(f"FROM '{stored.path}'").fetchall() == [(1,), (2,), (3,)]


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("SELECT a, 1 AS b FROM input.x", r"Query: b INTEGER\. Head: -"),
        ("SELECT a::BIGINT AS a FROM input.x", r"Query: a BIGINT\. Head: a INTEGER"),
        ("SELECT unnest([1, 1])::INTEGER AS a FROM input.x", "not unique"),
        ("SELECT nowhere AS a FROM input.x", "nowhere"),
        ("SELECT a FROM input.unbuilt", "was not built yet"),
    ],
)
def test_sql_that_breaks_what_its_head_promises_is_refused(
    tables: Path, select: str, message: str
) -> None:
    with pytest.raises(SqlModelError, match=message):
        build(model(tables, select), tables, {})
    assert not parquet_of(tables, "core.t").exists()
