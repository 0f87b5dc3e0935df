"""The contract of each stage's table, as pandera schemas, and the verdict on a file.

Belongs here: which columns, types and values a stage's table has, and rules within a row.
Does not belong here: uniqueness of keys (``warehouse.build`` tests it in SQL: pandera needs minutes
and gigabytes for it) and what CBS's marks mean (``monitor.cbs``).

The schemas of SQL tables follow from the heads of the SQL files, so that they are written once.
pandera takes over a second to import, so that is done where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.cbs.observations import MARKS, STATUSES
from monitor.errors import MonitorError, TableError
from monitor.regions.codes import LEVELS

if TYPE_CHECKING:
    import polars as pl

    from monitor.warehouse.sqlmodels import SqlModel

EXAMPLES = 10
"""How many failing values a verdict shows."""

_ROWS_AT_ONCE = 16_384

VALUE_OR_REASON = {"core.cells", "outcomes.figures"}
"""Tables of which every row has a value or a reason: never both, never neither."""


@dataclass(frozen=True)
class Failure:
    """Something that does not hold: where, which rule, and a value that breaks it."""

    table: str
    column: str
    rule: str
    example: str


@dataclass(frozen=True)
class Verdict:
    """The outcome of checking one stage."""

    stage: str
    rows: int
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        """Whether everything holds."""
        return not self.failures

    def require(self) -> Verdict:
        """Return this verdict if it passed.

        Raises:
            ValidationFailedError: with every failure.
        """
        if not self.passed:
            raise ValidationFailedError(self)
        return self


class ValidationFailedError(MonitorError):
    """The table of a stage breaks its contract: the publication stays as it was."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        lines = [f"  {f.table}.{f.column}: {f.rule}, e.g. {f.example}" for f in verdict.failures]
        super().__init__(
            f"The {verdict.stage} break their contract, so nothing was published:\n"
            + "\n".join(lines)
        )


class RecordingCheckError(TableError):
    """A recording breaks its contract."""

    explanation = "De rijen van de tabel hebben niet de afgesproken vorm."


def check_recording(file: Path) -> None:
    """Check one recording: text only, trimmed, at least one row.

    Args:
        file: ``<table>.….parquet``.

    Raises:
        RecordingCheckError: naming the table, the column and a value.
    """
    import pandera.polars as pa
    import polars as pl

    def trimmed(data: Any) -> Any:
        column = pl.col(data.key)
        return data.lazyframe.select(column == column.str.strip_chars())

    table_id = file.name.split(".")[0].lstrip("_")
    schema = pa.DataFrameSchema(
        {
            name: pa.Column(pl.String, pa.Check(trimmed, name="trimmed"), nullable=True)
            for name in pl.read_parquet_schema(file)
        },
        checks=_at_least_one_row(),
    )
    _, failures = _judged(schema, file, table_id)
    if failures:
        first = failures[0]
        raise RecordingCheckError(
            table_id, f"recording: column {first.column}: {first.rule}, e.g. {first.example}"
        )


def check_observations(files: Sequence[Path]) -> Verdict:
    """Check the observations of some tables (`monitor.cbs.observations` says the columns).

    Args:
        files: one Parquet a table, ``<table>.….parquet``.
    """
    import pandera.polars as pa
    import polars as pl

    def one_of(values: Sequence[str]) -> Any:
        return pa.Check.isin(list(values))

    def value_or_mark(data: Any) -> Any:
        wrong = pl.col("value").is_null() != pl.col("source_mark").is_not_null()
        return data.lazyframe.select(~wrong)

    text = pa.Column(pl.String)
    schema = pa.DataFrameSchema(
        {
            "table_id": text,
            "row_key": text,
            "source_key": pa.Column(pl.String, pa.Check.str_length(min_value=4)),
            "region_code": pa.Column(pl.String, pa.Check.str_length(min_value=4)),
            "region_level": pa.Column(pl.String, one_of([*LEVELS.values(), "other"])),
            "region_year": pa.Column(pl.Int16, pa.Check.in_range(1000, 2999)),
            "period": pa.Column(pl.String, pa.Check.str_length(8, 8)),
            "period_type": text,
            "year": pa.Column(pl.Int16, pa.Check.in_range(1000, 2999)),
            "topic": text,
            "members": text,
            "value": pa.Column(pl.Decimal(18, 6), nullable=True),
            "source_mark": pa.Column(pl.String, one_of(MARKS), nullable=True),
            "status": pa.Column(pl.String, one_of(list(STATUSES.values()))),
        },
        strict=True,
        checks=[
            pa.Check(value_or_mark, name="a value or CBS's mark of a missing one"),
            *_at_least_one_row(),
        ],
    )
    judged = [_judged(schema, file, file.name.split(".")[0]) for file in files]
    failures = [failure for _, found in judged for failure in found]
    return Verdict("observations", sum(rows for rows, _ in judged), tuple(failures))


def check_regions(file: Path) -> Verdict:
    """Check the regions handed to SQL: code, known level, name.

    Args:
        file: Parquet with ``region_code``, ``region_level``, ``name``.
    """
    import pandera.polars as pa
    import polars as pl

    schema = pa.DataFrameSchema(
        {
            "region_code": pa.Column(pl.String, pa.Check.str_matches(r"^\S{4,}$")),
            "region_level": pa.Column(pl.String, pa.Check.isin([*LEVELS.values(), "other"])),
            "name": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        },
        strict=True,
        checks=_at_least_one_row(),
    )
    rows, failures = _judged(schema, file, "regions")
    return Verdict("regions", rows, tuple(failures))


def check_model(model: SqlModel, file: Path) -> Verdict:
    """Check the table of one SQL model against the head of its file.

    Args:
        model: the model.
        file: its Parquet.
    """
    import pandera.polars as pa
    import polars as pl

    types: dict[str, Any] = {
        "VARCHAR": pl.String,
        "BIGINT": pl.Int64,
        "INTEGER": pl.Int32,
        "SMALLINT": pl.Int16,
        "TINYINT": pl.Int8,
        "DOUBLE": pl.Float64,
        "BOOLEAN": pl.Boolean,
        "DATE": pl.Date,
        "TIMESTAMP": pl.Datetime("us"),
    }

    def value_or_reason(data: Any) -> Any:
        both_or_neither = pl.col("value").is_null() != pl.col("missing_reason").is_not_null()
        return data.lazyframe.select(~both_or_neither)

    schema = pa.DataFrameSchema(
        {
            column.name: pa.Column(
                types[column.type],
                pa.Check.isin(list(column.allowed)) if column.allowed else None,
                nullable=not column.required,
            )
            for column in model.columns
        },
        strict=True,
        checks=[pa.Check(value_or_reason, name="a value or a reason, never both, never neither")]
        if model.id in VALUE_OR_REASON
        else [],
    )
    rows, failures = _judged(schema, file, model.id)
    return Verdict(model.id, rows, tuple(failures))


def _at_least_one_row() -> list[Any]:
    import pandera.polars as pa
    import polars as pl

    return [pa.Check(lambda data: data.lazyframe.select(pl.len() > 0), name="at least one row")]


def _judged(schema: Any, file: Path, table: str) -> tuple[int, list[Failure]]:
    """Return the rows of a file and what fails in it; memory does not grow with the file."""
    import polars as pl
    import pyarrow.parquet as pq

    failures: dict[tuple[str, str], Failure] = {}
    with pq.ParquetFile(file) as parquet:
        batches = parquet.iter_batches(_ROWS_AT_ONCE) if parquet.metadata.num_rows else [None]
        for batch in batches:
            part = parquet.schema_arrow.empty_table() if batch is None else batch
            for failure in _failures(schema, pl.DataFrame(part), table):
                failures.setdefault((failure.column, failure.rule), failure)
        return parquet.metadata.num_rows, list(failures.values())[:EXAMPLES]


def _failures(schema: Any, frame: pl.DataFrame, table: str) -> list[Failure]:
    from pandera.errors import SchemaErrors

    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        return [
            Failure(table, str(row["column"]), str(row["check"]), str(row["failure_case"])[:200])
            for row in cases.unique(["column", "check"], maintain_order=True)
            .head(EXAMPLES)
            .to_dicts()
        ]
    return []
