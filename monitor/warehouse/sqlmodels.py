"""The SQL models: one plain SELECT a file, described by the comments at its head.

Belongs here: reading the files, their columns and tests, their order, a column's origin.
Does not belong here: running them (``build``).

The head of a file::

    -- One or more lines: what the table holds (Dutch; it is the published comment).
    -- key: indicator_id, region_code
    -- columns:
    --   indicator_id  VARCHAR  not null  Welke indicator.
    --   status        VARCHAR  not null  in (definitive, unknown)  Status van het cijfer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from monitor.errors import MonitorError

_COLUMN = re.compile(
    r"^(?P<name>\w+)\s+(?P<type>[A-Z]+)"
    r"(?:\s+(?P<required>not null))?(?:\s+in \((?P<allowed>[^)]*)\))?\s+(?P<comment>\S.*)$"
)
PUBLISHED = ("outcomes", "reference", "governance", "quality")
"""Schemas that are in the published file."""
INPUT = "input"
"""Schema of the tables that Python hands to SQL."""


TYPES = (
    "VARCHAR",
    "BIGINT",
    "INTEGER",
    "SMALLINT",
    "TINYINT",
    "DOUBLE",
    "BOOLEAN",
    "DATE",
    "TIMESTAMP",
)
"""Types that a column can have."""


class SqlModelError(MonitorError):
    """A file in dbt_like_sql is not as it should be."""


@dataclass(frozen=True)
class Column:
    """A documented output column."""

    name: str
    type: str
    comment: str
    required: bool = False
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class SqlModel:
    """One SQL file = one table."""

    schema: str
    name: str
    path: Path
    text: str
    comment: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def id(self) -> str:
        """Schema and name, as other models call it: ``core.cells``."""
        return f"{self.schema}.{self.name}"

    @property
    def published(self) -> bool:
        """Whether the table is in the published file."""
        return self.schema in PUBLISHED

    @cached_property
    def expression(self) -> Any:
        """The parsed SELECT (sqlglot).

        Raises:
            SqlModelError: the file is not one SELECT.
        """
        import sqlglot
        from sqlglot.errors import ParseError

        try:
            statements = sqlglot.parse(self.text, read="duckdb")
        except ParseError as error:
            raise SqlModelError(f"{self.path}: {error}") from None
        if len(statements) != 1 or not isinstance(statements[0], sqlglot.exp.Query):
            raise SqlModelError(f"{self.path}: a model is exactly one SELECT.")
        return statements[0]

    @cached_property
    def upstream(self) -> tuple[str, ...]:
        """The tables that the SELECT reads, as ``schema.name``, sorted."""
        from sqlglot import exp

        return tuple(
            sorted({f"{t.db}.{t.name}" for t in self.expression.find_all(exp.Table) if t.db})
        )


def load_models(folder: Path) -> list[SqlModel]:
    """Read every model below ``folder`` (``<schema>/<name>.sql``), in an order that can be run.

    Raises:
        SqlModelError: a file without a proper head, a table that does not exist, or a circle.
    """
    models = {m.id: m for m in (_read(path) for path in sorted(folder.glob("*/*.sql")))}
    if not models:
        raise SqlModelError(f"{folder} holds no SQL models (<schema>/<name>.sql).")
    for model in models.values():
        for name in model.upstream:
            if name not in models and not name.startswith(f"{INPUT}."):
                raise SqlModelError(
                    f"{model.path}: reads {name}, which is neither a model nor an input table."
                )
    try:
        order = list(TopologicalSorter({m.id: m.upstream for m in models.values()}).static_order())
    except CycleError as error:
        raise SqlModelError(f"SQL models read each other in a circle: {error.args[1]}.") from None
    return [models[name] for name in order if name in models]


def column_lineage(
    model: SqlModel, schemas: Mapping[str, Mapping[str, str]]
) -> dict[str, list[tuple[str, str]]]:
    """Return for each output column the (table, column) pairs it is made from.

    Args:
        model: the model.
        schemas: columns and types by table id, of every table the model reads.
    """
    from sqlglot import exp
    from sqlglot.lineage import lineage
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    nested: dict[str, Any] = {}
    for table, columns in schemas.items():
        schema, name = table.split(".")
        nested.setdefault(schema, {})[name] = dict(columns)
    qualified = qualify(
        model.expression.copy(), dialect="duckdb", schema=nested, validate_qualify_columns=False
    )
    scope = build_scope(qualified)
    found: dict[str, list[tuple[str, str]]] = {}
    for column in model.columns:
        node = lineage(
            column.name, qualified, schema=nested, dialect="duckdb", scope=scope, copy=False
        )
        sources = {
            (f"{leaf.source.db}.{leaf.source.name}", leaf.name.split(".")[-1].strip('"'))
            for leaf in node.walk()
            if isinstance(leaf.source, exp.Table) and not leaf.downstream
        }
        found[column.name] = sorted(sources)
    return found


def _read(path: Path) -> SqlModel:
    text = path.read_text(encoding="utf-8")
    head: list[str] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        head.append(line[2:].rstrip())
    comment = [line.strip() for line in _until(head, ("key:", "columns:"))]
    key = next((line.split(":", 1)[1] for line in head if line.strip().startswith("key:")), "")
    names = tuple(name.strip() for name in key.split(",") if name.strip())
    columns = tuple(_column(path, line.strip()) for line in _after(head, "columns:"))
    if not " ".join(comment).strip() or not columns or not names:
        raise SqlModelError(
            f"{path}: the head must say what the table holds, then `key:` and `columns:`."
        )
    missing = set(names) - {c.name for c in columns}
    if missing:
        raise SqlModelError(f"{path}: key columns {sorted(missing)} are not among the columns.")
    return SqlModel(path.parent.name, path.stem, path, text, " ".join(comment), names, columns)


def _until(lines: Sequence[str], starts: tuple[str, ...]) -> list[str]:
    for i, line in enumerate(lines):
        if line.strip().startswith(starts):
            return list(lines[:i])
    return list(lines)


def _after(lines: Sequence[str], start: str) -> list[str]:
    for i, line in enumerate(lines):
        if line.strip() == start:
            return list(lines[i + 1 :])
    return []


def _column(path: Path, line: str) -> Column:
    match = _COLUMN.match(line)
    if match is None:
        raise SqlModelError(
            f"{path}: can't read the column line {line!r}. Write: name TYPE [not null] "
            "[in (a, b)] comment."
        )
    if match["type"] not in TYPES:
        raise SqlModelError(
            f"{path}: column {match['name']} has type {match['type']}. Choose from "
            f"{', '.join(TYPES)}."
        )
    allowed = tuple(v.strip() for v in (match["allowed"] or "").split(",") if v.strip())
    return Column(match["name"], match["type"], match["comment"], bool(match["required"]), allowed)
