"""What the Dagster UI shows of an asset: small tables, columns, where they come from, owners.

Belongs here: turning what the stages return into Dagster's metadata.
Does not belong here: pictures (``charts``), and computing anything that is not merely shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import dagster as dg

from monitor.cbs.metadata import TableMeta
from monitor.cbs.revisions import CLASSES, Pair
from monitor.cbs.shape_history import ShapeChange
from monitor.indicators.models import Owners
from monitor.indicators.resolve import Resolution
from monitor.validation.stages import Verdict
from monitor.warehouse.inputs import SCHEMAS
from monitor.warehouse.publish import Publication
from monitor.warehouse.sqlmodels import INPUT, SqlModel

PREVIEW_ROWS = 10

OBSERVATIONS = dg.AssetKey("observations")
REGIONS = dg.AssetKey("regions")
DEFINITIONS = dg.AssetKey("definitions")

_FROM_TABLES = {
    "tables",
    "shape_changes",
    "table_regions",
    "table_periods",
    "regions",
    "region_years",
    "municipalities",
    "region_changes",
    "concordance",
    "history_findings",
    "snapshot_pairs",
    "revisions",
}
"""The input tables that ``Run.regions`` writes; ``Run.definitions`` writes the others."""


def table_key(table_id: str) -> dg.AssetKey:
    """Return the asset of a CBS table."""
    return dg.AssetKey(["cbs", table_id])


def source_of(name: str) -> dg.AssetKey:
    """Return the asset that makes a table which SQL reads: ``core.cells``, ``input.terms``."""
    schema, table = name.split(".")
    if schema != INPUT:
        return dg.AssetKey([schema, table])
    if table == "observations":
        return OBSERVATIONS
    return REGIONS if table in _FROM_TABLES else DEFINITIONS


def input_tables(key: dg.AssetKey) -> list[str]:
    """Return the input tables that an asset makes, without their schema."""
    return [name for name in SCHEMAS if source_of(f"{INPUT}.{name}") == key]


def row_count(file: Path) -> int:
    """Return the number of rows of a Parquet file."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(file).num_rows)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> dg.TableMetadataValue:
    """Return a small table; unlike markdown, the UI shows it without a click."""

    def cell(value: Any) -> str | int | float | bool:
        if isinstance(value, str | int | float | bool):
            return value
        return "" if value is None else str(value)

    return dg.MetadataValue.table(
        [dg.TableRecord(dict(zip(columns, map(cell, row), strict=True))) for row in rows],
        dg.TableSchema([dg.TableColumn(name) for name in columns]),
    )


def preview(file: Path) -> dg.TableMetadataValue:
    """Return some rows of a Parquet table, spread evenly: its first rows are often all alike.

    Columns without any value in those rows are left out.
    """
    import duckdb

    count = row_count(file)
    wanted = sorted({number * count // PREVIEW_ROWS for number in range(PREVIEW_ROWS)})
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT * EXCLUDE (file_row_number) FROM read_parquet($1, file_row_number = true) "
            "WHERE list_contains($2, file_row_number) ORDER BY file_row_number",
            [str(file), wanted],
        )
        columns = [column[0] for column in found.description or ()]
        rows = found.fetchall()
    kept = [i for i, _ in enumerate(columns) if any(row[i] is not None for row in rows)]
    return table([columns[i] for i in kept], ([row[i] for i in kept] for row in rows))


def verdict_result(verdict: Verdict, name: str) -> dg.AssetCheckResult:
    """Return the outcome of a stage's check, its failures as a small table."""
    metadata: dict[str, Any] = {"rows": verdict.rows}
    if not verdict.passed:
        metadata["failures"] = table(
            ("table", "column", "rule", "example"),
            ((f.table, f.column, f.rule, f.example) for f in verdict.failures),
        )
    description = "; ".join(f"{f.table}.{f.column}: {f.rule}" for f in verdict.failures)
    return dg.AssetCheckResult(
        passed=verdict.passed,
        check_name=name,
        severity=dg.AssetCheckSeverity.ERROR,
        description=description or None,
        metadata=metadata,
    )


def problems_table(resolution: Resolution) -> dg.TableMetadataValue:
    """Return the problems of the definitions."""
    return table(
        ("file", "line", "number", "problem", "remedy"),
        ((p.file, p.line, p.number.value, p.message, p.remedy) for p in resolution.problems),
    )


def gaps_table(resolution: Resolution) -> dg.TableMetadataValue:
    """Return which indicators get no figures from which table because a recording lacks a topic."""
    return table(("indicator", "table without its topic"), resolution.gaps)


def shape_table(changes: Iterable[ShapeChange]) -> dg.TableMetadataValue:
    """Return what changed in the shape of a CBS table, the newest first."""
    return table(
        ("retrieved at", "what it means", "quarantined"),
        ((c.retrieved_at or "-", c.meaning, c.quarantined) for c in reversed([*changes])),
    )


def publication_table(publication: Publication) -> dg.TableMetadataValue:
    """Return the published tables with their number of rows and the hash of their content."""
    return table(
        ("table", "rows", "content"),
        ((name, rows, publication.hashes[name]) for name, rows in publication.tables.items()),
    )


def revisions(pairs: Sequence[Pair]) -> dict[str, dg.MetadataValue]:
    """Return how many cells changed, a class, between the snapshots of each pair."""
    if not pairs:
        return {}
    columns = ("since", *CLASSES, "new_periods", "detail")
    rows = (
        (
            f"{p.old_retrieved_at:%Y-%m-%d %H:%M}",
            *map(p.counts.get, CLASSES),
            p.new_periods,
            p.detail,
        )
        for p in pairs
    )
    return {"revisions": table(columns, rows)}


def model_columns(model: SqlModel) -> dg.TableSchema:
    """Return the columns of an SQL model with their comments."""
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                column.type,
                column.comment,
                dg.TableColumnConstraints(
                    nullable=not column.required,
                    other=[f"in ({', '.join(column.allowed)})"] if column.allowed else [],
                ),
            )
            for column in model.columns
        ]
    )


def input_columns(key: dg.AssetKey) -> dg.TableSchema:
    """Return the columns of the tables that a stage hands to SQL, as ``<table>.<column>``."""
    return dg.TableSchema(
        [
            dg.TableColumn(f"{table}.{column}", kind)
            for table in input_tables(key)
            for column, kind in SCHEMAS[table].items()
        ]
    )


def cbs_columns(meta: TableMeta) -> dg.TableSchema:
    """Return the dimensions and topics of a CBS table, with CBS's titles and units."""
    dimensions = [
        dg.TableColumn(d.key, f"dimensie ({len(d.members)} codes)", d.title)
        for d in meta.dimensions
    ]
    topics = [
        dg.TableColumn(t.key, t.unit.text or "tekst", " > ".join(t.path)) for t in meta.topics
    ]
    return dg.TableSchema(dimensions + topics)


def file_columns(file: Path) -> dg.TableSchema:
    """Return the columns of a Parquet file."""
    import pyarrow.parquet as pq

    return dg.TableSchema([dg.TableColumn(f.name, str(f.type)) for f in pq.read_schema(file)])


def lineage(
    found: Mapping[str, Sequence[tuple[str, str]]], known: AbstractSet[dg.AssetKey]
) -> dg.TableColumnLineage:
    """Return Dagster's form of ``sqlmodels.column_lineage``, with edges to known assets only."""
    edges = {
        column: [_source_column(table, name) for table, name in sources]
        for column, sources in found.items()
    }
    return dg.TableColumnLineage(
        {column: [dep for dep in deps if dep.asset_key in known] for column, deps in edges.items()}
    )


def _source_column(table: str, column: str) -> dg.TableColumnDep:
    key = source_of(table)
    inside = key in {REGIONS, DEFINITIONS}
    return dg.TableColumnDep(key, f"{table.split('.')[1]}.{column}" if inside else column)


def teams(owners: Iterable[Owners]) -> list[str]:
    """Return the parties that own something as Dagster's owners."""
    parties = {
        party for each in owners for party in (each.contact, *each.national, *each.municipal)
    }
    return [f"team:{party}" for party in sorted(parties)]
