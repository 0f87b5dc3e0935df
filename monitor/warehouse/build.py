"""Running the SQL models with DuckDB: each becomes one Parquet table.

Belongs here: the order, the inputs as views, the comparison of columns with the documented ones.
Does not belong here: SQL (``dbt_like_sql``), reading its heads (``sqlmodels``), publishing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import writing
from monitor.warehouse.sqlmodels import SqlModel, SqlModelError
from monitor.warehouse.store import Stored, is_kept, keep, known_sha256

if TYPE_CHECKING:
    import duckdb

PARQUET = "FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2"


def parquet_of(tables: Path, table_id: str) -> Path:
    """Return where a table lies: ``<tables>/<schema>/<name>.parquet``."""
    schema, name = table_id.split(".")
    return tables / schema / f"{name}.parquet"


Files = Mapping[str, Sequence[Path]]
"""Input table -> its files, of those that are more than one file: ``input.observations``."""


def build(model: SqlModel, tables: Path, many: Files) -> Stored:
    """Run one model and keep its table.

    Args:
        model: the model; every table it reads must have been built before.
        tables: folder of the Parquet tables.
        many: the input tables that are many files, each read as one.

    Returns:
        The Parquet file, ordered by the model's key.

    Raises:
        SqlModelError: DuckDB refuses the SQL, the output columns differ from the documented ones,
            or the key is not unique.
    """
    import duckdb

    files = {name: _files(name, tables, many) for name in model.upstream}

    def write(out: Path) -> None:
        with duckdb.connect() as connection:
            for name, paths in files.items():
                view(connection, name, paths)
            try:
                _compare_columns(connection, model)
                order = ", ".join(f'"{column}"' for column in model.key)
                with writing(tables):
                    connection.execute(
                        f"COPY (SELECT * FROM ({model.text}\n) ORDER BY {order}) "
                        f"TO {quoted(out)} ({PARQUET})"
                    ).fetchall()
                _check_key(connection, model, out)
            except duckdb.Error as error:
                raise SqlModelError(f"{model.path}: {error}") from None

    return keep(parquet_of(tables, model.id), _made_from(model, files), write)


def is_built(model: SqlModel, tables: Path, many: Files) -> bool:
    """Tell whether a model's table was made from the SQL and the inputs as they are now."""
    try:
        files = {name: _files(name, tables, many) for name in model.upstream}
    except SqlModelError:
        return False
    return is_kept(parquet_of(tables, model.id), _made_from(model, files))


def _made_from(model: SqlModel, files: Mapping[str, Sequence[Path]]) -> dict[str, str]:
    import duckdb

    hashes = {
        f"{name}/{i}": known_sha256(path)
        for name, paths in files.items()
        for i, path in enumerate(paths)
    }
    return hashes | {"sql": model.text, "duckdb": duckdb.__version__}


def view(connection: duckdb.DuckDBPyConnection, table_id: str, paths: Sequence[Path]) -> None:
    """Make Parquet files readable as a view ``schema.name``."""
    schema, name = table_id.split(".")
    connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    listed = ", ".join(quoted(path) for path in paths)
    connection.execute(f'CREATE VIEW "{schema}"."{name}" AS FROM read_parquet([{listed}])')


def quoted(path: Path) -> str:
    """Return a path as an SQL string."""
    return "'" + str(path).replace("'", "''") + "'"


def input_schemas(model: SqlModel, tables: Path, many: Files) -> dict[str, dict[str, str]]:
    """Return columns and types, by table id, of every table that a model reads."""
    import duckdb

    with duckdb.connect() as connection:
        found: dict[str, dict[str, str]] = {}
        for name in model.upstream:
            view(connection, name, _files(name, tables, many))
            rows = connection.execute(f"DESCRIBE {name}").fetchall()
            found[name] = {row[0]: row[1] for row in rows}
    return found


def _files(table_id: str, tables: Path, many: Files) -> list[Path]:
    paths = list(many.get(table_id, ())) or [parquet_of(tables, table_id)]
    for path in paths:
        if not path.exists():
            raise SqlModelError(f"{table_id} was not built yet: materialise it first ({path}).")
    return paths


def _compare_columns(connection: duckdb.DuckDBPyConnection, model: SqlModel) -> None:
    found = [(row[0], row[1]) for row in connection.execute(f"DESCRIBE {model.text}").fetchall()]
    documented = [(column.name, column.type) for column in model.columns]
    if found != documented:
        differing = [f"{f[0]} {f[1]}" for f in found if f not in documented] or [
            "(same columns, other order)"
        ]
        wanted = [f"{d[0]} {d[1]}" for d in documented if d not in found]
        raise SqlModelError(
            f"{model.path}: the columns differ from the documented ones. "
            f"Query: {', '.join(differing)}. Head: {', '.join(wanted) or '-'}."
        )


def _check_key(connection: duckdb.DuckDBPyConnection, model: SqlModel, file: Path) -> None:
    """Refuse two rows with one key: the file is ordered by it, so neighbours tell."""
    key = f"row({', '.join(model.key)})"
    double = connection.execute(
        f"SELECT key FROM (SELECT {key} AS key, lag({key}) OVER () AS previous "
        f"FROM read_parquet({quoted(file)})) WHERE key = previous LIMIT 1"
    ).fetchall()
    if double:
        raise SqlModelError(
            f"{model.path}: the key ({', '.join(model.key)}) is not unique: {double[0][0]} "
            "stands there more than once."
        )
