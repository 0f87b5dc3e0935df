"""Publishing: one DuckDB file, built beside the old one, checked, and put in its place in one step.

Belongs here: which tables, in which shape, with which comments; what the file says about itself.
Does not belong here: figures (``dbt_like_sql``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import MonitorError
from monitor.warehouse.build import parquet_of, quoted
from monitor.warehouse.sqlmodels import Column, SqlModel

if TYPE_CHECKING:
    import duckdb

    from monitor.indicators.models import Theme
    from monitor.settings import AsOf

STORAGE = "v1.2.0"
"""Storage version of the file: DuckDB 1.2 and later read it."""
FIGURES = "outcomes.figures"
"""The model that is split into a table a theme."""
SCHEMAS = {
    "outcomes": "Cijfers per thema: uitkomsten voor inwoners, over de drie wetten heen.",
    "reference": "Regio's en bronnen.",
    "governance": "De definities, en wie er samen over gaan.",
    "quality": "Hoe de tabellen van CBS ervoor staan, en hoe volledig de cijfers zijn.",
}
"""What each schema holds. DuckDB can't keep comments on schemas, so ``lees_mij`` tells it."""


class PublicationError(MonitorError):
    """The new file does not hold what it should; the old one stays."""


@dataclass(frozen=True)
class Publication:
    """What was published.

    Attributes:
        path: the DuckDB file.
        tables: table -> number of rows.
        hashes: table -> hash of its rows, columns and comments, their order included.
    """

    path: Path
    tables: dict[str, int]
    hashes: dict[str, str]


def publish(
    path: Path,
    models: Sequence[SqlModel],
    tables: Path,
    themes: Sequence[Theme],
    *,
    synthetic: bool,
    now: dt.datetime,
    as_of: AsOf | None = None,
    version: str,
) -> Publication:
    """Build the published file and put it in the place of the old one.

    Args:
        path: the file; who has the old one open keeps reading that.
        models: the SQL models; those in a published schema are in the file.
        tables: folder of the Parquet tables.
        themes: each gets a table ``outcomes.<theme>``, with underscores.
        synthetic: the figures are generated: the file says so.
        now: time of publication, UTC.
        as_of: the figures are those that were known then: the file says so.
        version: version of the monitor.

    Raises:
        PublicationError: a table or comment of the new file is not as it should be.
    """
    import duckdb

    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    try:
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH {quoted(fresh)} AS fresh (STORAGE_VERSION '{STORAGE}')")
            connection.execute("USE fresh")
            for schema in SCHEMAS:
                connection.execute(f"CREATE SCHEMA {schema}")
            _read_me(connection, synthetic=synthetic, now=now, as_of=as_of, version=version)
            mark = "VOORBEELDDATA (SYNTHETISCH). " if synthetic else ""
            mark += f"Stand van {as_of.words}, niet de nieuwste. " if as_of else ""
            for model in models:
                if model.id == FIGURES:
                    for theme in themes:
                        _theme(connection, model, tables, theme, mark)
                elif model.published:
                    source = f"read_parquet({quoted(parquet_of(tables, model.id))})"
                    comment = mark + model.comment
                    _table(connection, model.id, f"FROM {source}", comment, model.columns)
            connection.execute("CHECKPOINT fresh")
            publication = _inspect(connection, path)
            connection.execute("USE memory")
            connection.execute("DETACH fresh")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return publication


def theme_table(theme_id: str) -> str:
    """Return the name of a theme's table: ``outcomes.veilig_opgroeien``."""
    return f"outcomes.{theme_id.replace('-', '_')}"


def _theme(
    connection: duckdb.DuckDBPyConnection, model: SqlModel, tables: Path, theme: Theme, mark: str
) -> None:
    inner = ("theme_id", "kind_order")
    columns = [column for column in model.columns if column.name not in inner]
    select = (
        f"SELECT {', '.join(column.name for column in columns)} "
        f"FROM read_parquet({quoted(parquet_of(tables, model.id))}) "
        f"WHERE theme_id = {_text(theme.id)} "
        f"ORDER BY {', '.join(name for name in model.key if name != 'theme_id')}"
    )
    comment = f"{mark}{theme.title}. {theme.question} Effecten staan vooraan."
    _table(connection, theme_table(theme.id), select, comment, columns)


def _table(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    select: str,
    comment: str,
    columns: Sequence[Column],
) -> None:
    table = _name(name)
    connection.execute(f"CREATE TABLE {table} AS {select}")
    connection.execute(f"COMMENT ON TABLE {table} IS {_text(comment)}")
    for column in columns:
        connection.execute(f"COMMENT ON COLUMN {table}.{column.name} IS {_text(column.comment)}")


def _read_me(
    connection: duckdb.DuckDBPyConnection,
    *,
    synthetic: bool,
    now: dt.datetime,
    as_of: AsOf | None,
    version: str,
) -> None:
    kind = (
        "VOORBEELDDATA (SYNTHETISCH): verzonnen cijfers om de monitor mee te proberen. "
        "Gebruik ze nergens anders voor."
        if synthetic
        else "Cijfers van CBS, bewerkt volgens de definities in governance.definitions."
    )
    source = (
        "Voorbeelddata (synthetisch); codes en namen van regio's en tabellen: CBS, CC BY 4.0."
        if synthetic
        else "CBS, open data, CC BY 4.0. De tabellen staan in reference.sources."
    )
    rows = [
        ("Wat is dit?", f"Gedeelde monitor sociaal domein. {kind}"),
        ("Bron", source),
        ("Gepubliceerd", f"{now:%Y-%m-%d %H:%M} UTC, versie {version} van de monitor."),
        ("Waar begin ik?", "Bij de tabel van een thema, bijvoorbeeld outcomes.veilig_opgroeien."),
        (
            "Leeg cijfer",
            "Waarom er geen cijfer is, staat in missing_reason_nl. Leeg is nooit nul.",
        ),
        (
            "Vergelijken",
            "Elk cijfer heeft de indeling van zijn eigen jaar. Verschil kan de bedoeling zijn.",
        ),
        (
            "Wie gaat hierover?",
            "Rijk en gemeenten samen. In governance.definitions staat per indicator wie.",
        ),
    ]
    if as_of:
        old = (
            f"LET OP: dit is niet de nieuwste stand. Dit zijn de cijfers zoals de monitor ze kende "
            f"op {as_of.words}, met de definities van nu. De nieuwste staan in het bestand zonder "
            "'stand' in de naam."
        )
        rows.insert(1, ("Stand", old))
    rows += [(f"Schema {schema}", comment) for schema, comment in SCHEMAS.items()]
    connection.execute("CREATE TABLE main.lees_mij (onderwerp VARCHAR, tekst VARCHAR)")
    connection.executemany("INSERT INTO main.lees_mij VALUES (?, ?)", rows)
    comments = {
        "TABLE main.lees_mij": "Begin hier: wat dit bestand is en waar het vandaan komt.",
        "COLUMN main.lees_mij.onderwerp": "Onderwerp.",
        "COLUMN main.lees_mij.tekst": "Uitleg.",
    }
    for what, comment in comments.items():
        connection.execute(f"COMMENT ON {what} IS {_text(comment)}")


def _inspect(connection: duckdb.DuckDBPyConnection, path: Path) -> Publication:
    """Count and hash every table, and see to it that everything has a comment."""
    bare = connection.execute(
        """
        SELECT schema_name || '.' || table_name FROM duckdb_tables()
        WHERE database_name = 'fresh' AND comment IS NULL
        UNION ALL
        SELECT schema_name || '.' || table_name || '.' || column_name FROM duckdb_columns()
        WHERE database_name = 'fresh' AND comment IS NULL
        """
    ).fetchall()
    if bare:
        raise PublicationError(f"Not published: no comment on {', '.join(r[0] for r in bare)}.")
    counts: dict[str, int] = {}
    hashes: dict[str, str] = {}
    names = connection.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() "
        "WHERE database_name = 'fresh' ORDER BY ALL"
    ).fetchall()
    for (name,) in names:
        schema, table = name.split(".")
        count, content = connection.execute(
            f"SELECT count(*), string_agg(md5(t::VARCHAR), '' ORDER BY rowid) FROM {_name(name)} t"
        ).fetchall()[0]
        comments = connection.execute(
            "SELECT comment FROM duckdb_tables() WHERE database_name = 'fresh' "
            "AND schema_name = $1 AND table_name = $2 UNION ALL "
            "(SELECT column_name || data_type || comment FROM duckdb_columns() "
            "WHERE database_name = 'fresh' AND schema_name = $1 AND table_name = $2 "
            "ORDER BY column_index)",
            [schema, table],
        ).fetchall()
        counts[name] = count
        hashes[name] = hashlib.md5(
            repr((content, comments)).encode(), usedforsecurity=False
        ).hexdigest()
    return Publication(path, counts, hashes)


def hashes(path: Path) -> Mapping[str, str]:
    """Return the content hash of every table in a published file."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(f"ATTACH {quoted(path)} AS fresh (READ_ONLY)")
        connection.execute("USE fresh")
        return _inspect(connection, path).hashes


def _name(table: str) -> str:
    """Return ``schema.table`` as SQL; the name of a theme may be any."""
    return ".".join(f'"{part}"' for part in table.split("."))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
