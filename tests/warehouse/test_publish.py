from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pytest

from monitor.indicators.models import Theme
from monitor.settings import REPOSITORY
from monitor.warehouse.build import parquet_of
from monitor.warehouse.publish import Publication, PublicationError, hashes, publish
from monitor.warehouse.sqlmodels import SqlModel, load_models

NOW = dt.datetime(2026, 11, 1, 6, tzinfo=dt.UTC)
THEMES = [
    Theme(id="veilig-opgroeien", title="Veilig", question="Veilig?", description="Veilig."),
    Theme(id="samenhang", title="Samenhang", question="Samen?", description="Samen."),
]
MODELS = [m for m in load_models(REPOSITORY / "dbt_like_sql") if m.published]


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """An empty table for each model, and two figures of one theme."""
    for model in MODELS:
        columns = ", ".join(f"NULL::{c.type} AS {c.name}" for c in model.columns)
        file = parquet_of(tmp_path, model.id)
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = f"SELECT {columns} WHERE false"
        if model.id == "outcomes.figures":
            filled = {"theme_id": "'veilig-opgroeien'", "value": "13.9"}
            for order, name in ((2, "gebruik"), (1, "effect")):
                values = filled | {"kind_order": str(order), "indicator_id": f"'{name}'"}
                rows += " UNION ALL SELECT " + ", ".join(
                    f"{values.get(c.name, 'NULL')}::{c.type}" for c in model.columns
                )
        duckdb.sql(f"COPY ({rows}) TO '{file}'")
    return tmp_path


def published(
    tables: Path, synthetic: bool = False, models: list[SqlModel] = MODELS
) -> Publication:
    file = tables / "monitor.duckdb"
    return publish(file, models, tables, THEMES, synthetic=synthetic, now=NOW, version="1")


def test_there_is_a_table_a_theme_that_opens_with_effects(tables: Path) -> None:
    file = published(tables).path
    with duckdb.connect(file, read_only=True) as connection:
        found = connection.execute("SELECT indicator_id FROM outcomes.veilig_opgroeien").fetchall()
        empty = connection.execute("SELECT count(*) FROM outcomes.samenhang").fetchall()
    assert found == [("effect",), ("gebruik",)]
    assert empty == [(0,)]


def test_every_table_and_column_has_a_comment(tables: Path) -> None:
    with duckdb.connect(published(tables).path, read_only=True) as connection:
        bare = connection.execute(
            "SELECT count(*) FROM (SELECT comment FROM duckdb_tables() UNION ALL "
            "SELECT comment FROM duckdb_columns() WHERE NOT internal) WHERE comment IS NULL"
        ).fetchall()
    assert bare == [(0,)]


def test_a_table_without_comments_is_not_published(tables: Path) -> None:
    published(tables)
    before = (tables / "monitor.duckdb").read_bytes()
    bare = SqlModel("quality", "extra", Path("x.sql"), "", "Uitleg.", ("a",), ())
    duckdb.sql(f"COPY (SELECT 1 AS a) TO '{parquet_of(tables, 'quality.extra')}'")
    with pytest.raises(PublicationError, match=r"quality\.extra\.a"):
        published(tables, models=[*MODELS, bare])
    assert (tables / "monitor.duckdb").read_bytes() == before
    assert [p.name for p in tables.glob("*.duckdb*")] == ["monitor.duckdb"]


def test_synthetic_data_says_so_in_its_first_table(tables: Path) -> None:
    def text(publication: Publication) -> str:
        with duckdb.connect(publication.path, read_only=True) as connection:
            rows = connection.execute("SELECT tekst FROM main.lees_mij").fetchall()
        return " ".join(row[0] for row in rows)

    assert "VOORBEELDDATA (SYNTHETISCH)" in text(published(tables, synthetic=True))
    assert "synthetisch" not in text(published(tables)).lower()
    assert "CBS, open data, CC BY 4.0" in text(published(tables))


def test_every_table_of_synthetic_data_says_so(tables: Path) -> None:
    with duckdb.connect(published(tables, synthetic=True).path, read_only=True) as connection:
        silent = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name <> 'main' "
            "AND comment NOT LIKE 'VOORBEELDDATA (SYNTHETISCH)%'"
        ).fetchall()
    assert silent == []


def test_who_has_the_old_file_open_keeps_reading_it(tables: Path) -> None:
    file = published(tables).path
    with duckdb.connect(file, read_only=True) as connection:
        published(tables, synthetic=True)
        count = connection.execute("SELECT count(*) FROM outcomes.veilig_opgroeien").fetchall()
    assert count == [(2,)]


def test_the_same_tables_give_the_same_content(tables: Path) -> None:
    first = published(tables)
    assert published(tables).hashes == first.hashes == hashes(first.path)


def test_the_file_has_the_storage_of_duckdb_1_2(tables: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{published(tables).path}' AS f (READ_ONLY)")
        tags = connection.execute(
            "SELECT tags FROM duckdb_databases() WHERE database_name = 'f'"
        ).fetchall()
    assert "v1.2" in str(tags)
