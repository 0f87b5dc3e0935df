"""A recording as long observations: one row a figure, with region, period, status and mark.

Belongs here: what a row and a cell of CBS mean, and refusing what is not known.
Does not belong here: the meaning of region codes (``monitor.regions``, handed in as ``AreaCodes``)
and why a figure is missing (``core.cells``).

Figures stay as CBS published them, in the unit of their topic: a scale ("x 1 000") is not applied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from monitor.cbs.areas import AreaCodes
from monitor.cbs.metadata import MetadataError, TableMeta, Topic
from monitor.cbs.periods import parse_period
from monitor.cbs.recording import VALUE, RecordingError, UnknownMarkError, quoted
from monitor.cbs.text import NUMBER
from monitor.errors import TableError

if TYPE_CHECKING:
    from monitor.cbs.sources import TableRequest

MARKS = (".", "")
"""CBS's marks of a missing value: a full stop and a blank."""

ATTRIBUTES: Mapping[str, str] = {
    "Impossible": "",
    "Missing": ".",
    "Confidential": ".",
    "NotAvailable": ".",
}
"""``ValueAttribute`` of a v4 figure that is missing -> the mark that v3 has in its place.

Impossible: recorded figures of 03759ned are blank in v3 in just the cells that are Impossible in
v4. The others are in no recording; other people's clients of v4 name them. What they have in common
is v3's full stop, which the legend in ``Properties.LongDescription`` explains as "het cijfer is
onbekend, onvoldoende betrouwbaar of geheim": unknown, unreliable or confidential. So they get that
mark, and the reason that goes with it, ``unknown_or_confidential``, is true of each.
"""

STATUSES: Mapping[str | None, str] = {
    "Voorlopig": "provisional",
    "NaderVoorlopig": "revised_provisional",
    "Definitief": "definitive",
    None: "unknown",
}
"""CBS's word for the status of a period -> ours; None where CBS gives none."""


_REGION = re.compile(r"\S{4,}")
_PROVISIONAL = "voorlopige cijfers"
_MEMORY, _MEMORY_A_COLUMN = 48, 8
"""Megabytes for DuckDB: what sorting needs follows from a table's width. The rest is spilled to a
folder beside the file that is written."""
_DOUBLED = 4
"""How often it is given twice as much, where it can't do with that."""


class UnknownStatusError(TableError):
    """A period with a status that is not in ``STATUSES``."""

    explanation = "Een periode in de tabel heeft een status die de monitor niet kent."


class UnknownMemberError(TableError):
    """A row with a code that its dimension does not list."""

    explanation = "In de tabel staat een code die niet in de codelijst van de tabel voorkomt."


class DuplicateRowError(TableError):
    """Two rows with the same codes."""

    explanation = "In de tabel staat dezelfde rij meer dan één keer."


class PeriodError(TableError):
    """The period of a table without periods is not known, or not the one of its series."""

    explanation = "De periode van de tabel klopt niet met de reeks waarin de tabel is opgenomen."


def write_observations(
    recording: Path, meta: TableMeta, request: TableRequest, out: Path, codes: AreaCodes
) -> int:
    """Write the observations of all numeric topics, ordered by row key and position of the topic.

    Columns (Parquet): ``table_id``; ``row_key`` trimmed dimension codes in the order of the
    dimensions, joined by ``|``; ``source_key`` the table's region code, trimmed; ``region_code``
    canonical; ``region_level``; ``region_year`` SMALLINT, the division's year: the geo dimension's
    MapYear, else the period's year; ``period`` CBS's code; ``period_type``; ``year`` SMALLINT;
    ``topic`` key; ``members`` of the other dimensions, ``Geslacht=3000;Leeftijd=10000`` sorted by
    dimension, empty where there are none; ``value`` DECIMAL(18,6); ``source_mark`` null beside a
    value, else ``.`` or blank (of v4: see ``ATTRIBUTES``); ``status`` definitive |
    revised_provisional | provisional | unknown.

    The status is the period's. In a table without periods it is the topic's: provisional where the
    topic's description says "voorlopige cijfers", else definitive where TableInfos says that the
    figures are, else unknown.

    Args:
        recording: see ``recording``.
        meta: what the table says about itself.
        request: its ``period`` is that of a table without a time dimension.
        out: the file; replaced in one step.
        codes: what is known of region codes.

    Returns:
        The number of observations.

    Raises:
        TableError: one of its kinds in this module and in ``periods`` and ``metadata``; it names
            the row key and, of a cell, the topic. Regions and periods are judged as the table lists
            them, whether or not a row has them.
    """
    if meta.table_id.lower() != request.table_id.lower():
        raise MetadataError(request.table_id, f"the answer is of table {meta.table_id!r}")
    partial = out.with_name(f"{out.name}.partial")
    limit = _MEMORY + _MEMORY_A_COLUMN * (len(meta.dimensions) + len(meta.topics))
    for attempt in range(_DOUBLED + 1):
        try:
            rows = _convert(recording, meta, request, partial, codes, limit << attempt)
            break
        except duckdb.OutOfMemoryException:
            if attempt == _DOUBLED:
                raise
    partial.replace(out)
    return rows


def _convert(
    recording: Path, meta: TableMeta, request: TableRequest, out: Path, codes: AreaCodes, limit: int
) -> int:
    with duckdb.connect() as con:
        # One thread: with more, DuckDB's dictionaries of ENUM columns differ from run to run, and
        # each needs memory of its own.
        con.execute("SET threads = 1")
        con.execute("SET memory_limit = $limit", {"limit": f"{limit}MB"})
        con.execute("SET temp_directory = $folder", {"folder": f"{out}.spill"})
        con.execute("SET VARIABLE recording = $path", {"path": str(recording)})
        con.execute(_recording_view(meta))
        _check_rows(con, meta)
        (_check_figures if meta.odata == "v4" else _check_cells)(con, meta)
        _look_up_regions(con, meta, codes)
        _look_up_periods(con, meta, request)
        found = con.execute(
            f"SELECT DISTINCT {_members(meta)} FROM recording ORDER BY 1"
        ).fetchall()
        _enum(con, "members", (row[0] for row in found))
        _enum(con, "topic", (topic.key for topic in meta.topics))
        _enum(con, "status", STATUSES.values())
        _enum(con, "mark", MARKS)
        _enum(con, "table_id", [request.table_id])
        return int(con.execute(*_copy(meta, request, out)).fetchall()[0][0])


def _recording_view(meta: TableMeta) -> str:
    """Return SQL of ``recording``: row key and dimensions by position (d1, d2 ...).

    Beside them come the numeric topics (t1, t2 ...) or, in v4, the topic, why a figure is missing,
    and the figure: ``topic``, ``attribute``, ``text``.
    """
    dimensions = [f"coalesce({quoted(d.key)}, '')" for d in meta.dimensions]
    columns = [f"concat_ws('|', {', '.join(dimensions)}) AS row_key"]
    columns += [f"{column} AS d{n}" for n, column in enumerate(dimensions)]
    if meta.odata == "v4":
        columns += [
            "coalesce(Measure, '') AS topic",
            "coalesce(ValueAttribute, '') AS attribute",
            f"{quoted(VALUE)} AS text",
        ]
    else:
        columns += [f"coalesce({quoted(t.key)}, '') AS t{n}" for n, t in enumerate(_topics(meta))]
    return (
        f"CREATE VIEW recording AS SELECT {', '.join(columns)}"
        " FROM read_parquet(getvariable('recording'))"
    )


def _topics(meta: TableMeta) -> list[Topic]:
    return [topic for topic in meta.topics if topic.numeric]


def _column(meta: TableMeta, key: str) -> str:
    """Return the name that a dimension has in ``recording``."""
    return f"d{[dimension.key for dimension in meta.dimensions].index(key)}"


def _check_rows(con: duckdb.DuckDBPyConnection, meta: TableMeta) -> None:
    """Refuse codes that a dimension doesn't list, rows that are there twice, and no rows at all."""
    if not con.execute("SELECT count(*) FROM recording").fetchall()[0][0]:
        raise RecordingError(meta.table_id, "a recording without rows")
    listed = [
        (f"dimension {d.key}", f"d{n}", list(d.members)) for n, d in enumerate(meta.dimensions)
    ]
    if meta.odata == "v4":
        listed.append(("MeasureCodes", "topic", [topic.key for topic in meta.topics]))
    for name, column, members in listed:
        row = con.execute(
            f"SELECT min((row_key, {column})) FROM recording"
            f" WHERE {column} NOT IN (SELECT unnest($codes::VARCHAR[]))",
            {"codes": members},
        ).fetchall()[0][0]
        if row:
            raise UnknownMemberError(
                meta.table_id,
                f"row {row[0]}: {name} does not list the code {row[1]!r}",
            )
    keys = ", ".join(column for _, column, _ in listed)
    row = con.execute(
        f"SELECT min(row_key) FROM (SELECT any_value(row_key) AS row_key FROM recording"
        f" GROUP BY {keys} HAVING count(*) > 1)"
    ).fetchall()[0][0]
    if row is not None:
        raise DuplicateRowError(meta.table_id, f"row {row} is there more than once")


def _check_cells(con: duckdb.DuckDBPyConnection, meta: TableMeta) -> None:
    """Refuse a cell that is neither a number nor a mark, in all topics at once."""
    topics = _topics(meta)
    if not topics:
        return
    wrong = [
        f"(NOT regexp_full_match(t{n}, $number) AND t{n} NOT IN $marks)" for n in range(len(topics))
    ]
    values = {"number": NUMBER, "marks": list(MARKS)}
    columns = ", ".join(f"coalesce(bool_or({test}), false)" for test in wrong)
    found = con.execute(f"SELECT {columns} FROM recording", values).fetchall()[0]
    for n, topic in enumerate(topics):
        if found[n]:
            row, text = con.execute(
                f"SELECT row_key, t{n} FROM recording WHERE {wrong[n]} ORDER BY row_key LIMIT 1",
                values,
            ).fetchall()[0]
            raise UnknownMarkError(meta.table_id, row, topic.key, repr(text))


def _check_figures(con: duckdb.DuckDBPyConnection, meta: TableMeta) -> None:
    """Refuse a figure of v4 that is neither a number nor missing for a known reason."""
    found = con.execute(
        """
        SELECT row_key, topic, attribute, text FROM recording
        WHERE topic IN (SELECT unnest($topics::VARCHAR[])) AND NOT CASE
            WHEN attribute = 'None' THEN coalesce(regexp_full_match(text, $number), false)
            ELSE attribute IN $reasons AND text IS NULL
        END
        ORDER BY ALL LIMIT 1""",
        {
            "topics": [topic.key for topic in _topics(meta)],
            "number": NUMBER,
            "reasons": list(ATTRIBUTES),
        },
    ).fetchall()
    for row, topic, attribute, text in found:
        cell = f"{text or 'no value'} with ValueAttribute {attribute!r}"
        raise UnknownMarkError(meta.table_id, row, topic, cell)


def _enum(con: duckdb.DuckDBPyConnection, name: str, values: Iterable[str]) -> None:
    """Create a type for texts that repeat: sorting and writing them costs a fraction."""
    con.execute(
        f"CREATE TYPE {name} AS ENUM (SELECT unnest($values::VARCHAR[]))", {"values": list(values)}
    )


def _look_up(con: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, list[Any]]) -> None:
    """Create a table to join with by its column ``code``; its other texts become ENUMs."""
    table = pa.table(dict(columns))
    selected = ["code"]
    for field in table.schema:
        if pa.types.is_string(field.type) and field.name != "code":
            _enum(con, f"{name}_{field.name}", sorted(set(columns[field.name])))
            selected.append(f"{field.name}::{name}_{field.name} AS {field.name}")
        elif field.name != "code":
            selected.append(f"{field.name}::SMALLINT AS {field.name}")
    con.register("columns_of_look_up", table)
    con.execute(f"CREATE TABLE {name} AS SELECT {', '.join(selected)} FROM columns_of_look_up")
    con.unregister("columns_of_look_up")


def _look_up_regions(con: duckdb.DuckDBPyConnection, meta: TableMeta, codes: AreaCodes) -> None:
    spellings: dict[str, str] = {}
    for code, member in meta.geo.members.items():
        other = spellings.setdefault(codes.canonical.get(code, code), code)
        if other != code:
            problem = f"is the region {other!r} once more"
        elif not _REGION.fullmatch(code):
            problem = "is shorter than 4 characters or has a blank in it"
        elif member.raw.get("Title") is None:
            problem = "has no title"
        else:
            continue
        raise MetadataError(meta.table_id, f"dimension {meta.geo.key}: region {code!r} {problem}")
    found = list(meta.geo.members)
    _look_up(
        con,
        "region",
        {
            "code": found,
            "source_key": found,
            "region_code": [codes.canonical.get(code, code) for code in found],
            "region_level": [codes.level(code) for code in found],
        },
    )


def _look_up_periods(
    con: duckdb.DuckDBPyConnection, meta: TableMeta, request: TableRequest
) -> None:
    """Read all periods that the table lists; of a table without periods the one of its series."""
    if meta.time is None:
        rows = [("", _series_period(meta, request), "the whole table")]
    elif request.period:
        raise PeriodError(
            meta.table_id,
            f"has periods of its own ({meta.time.key}); leave the period {request.period!r} out "
            "of its series",
        )
    else:
        rows = [(code, code, f"{meta.time.key} {code}") for code in sorted(meta.time.members)]
    periods = [parse_period(code, meta.table_id, row) for _, code, row in rows]
    _look_up(
        con,
        "period",
        {
            "code": [code for code, _, _ in rows],
            "period": [period.code for period in periods],
            "period_type": [period.type for period in periods],
            "year": [period.year for period in periods],
            "region_year": [meta.geo.map_year or period.year for period in periods],
            "status": [_period_status(meta, code, row) for _, code, row in rows],
        },
    )


def _series_period(meta: TableMeta, request: TableRequest) -> str:
    """Return the period code of a table without periods; a bare year is a year."""
    if not request.period:
        raise PeriodError(meta.table_id, "has no periods: its series must give the period")
    said, told = (
        f"{text}JJ00" if len(text) == 4 else text for text in (request.period, meta.period)
    )
    if said != told:
        raise PeriodError(
            meta.table_id,
            f"TableInfos says the period is {meta.period!r}, the series {request.period!r}",
        )
    return said


def _period_status(meta: TableMeta, code: str, row: str) -> str:
    word = meta.time.members[code].status if meta.time else None
    if word not in STATUSES:
        raise UnknownStatusError(
            meta.table_id,
            f"row {row}: period {code} has the unknown status {word!r}: if CBS has a new one, add "
            "it to STATUSES in monitor/cbs/observations.py",
        )
    return STATUSES[word]


def topic_status(meta: TableMeta, topic: Topic) -> str:
    """Return the status of a topic's figures in a table without periods, by CBS's own texts.

    Kerncijfers wijken en buurten says: "Definitief, tenzij in de toelichting bij het onderwerp
    expliciet is vermeld dat het voorlopige cijfers betreft."
    """
    if _PROVISIONAL in " ".join(topic.description.split()).lower():
        return "provisional"
    return "definitive" if meta.definitive_by_default else "unknown"


def _copy(meta: TableMeta, request: TableRequest, out: Path) -> tuple[str, dict[str, Any]]:
    """Return SQL that writes the cells, in the order of their row key and topic."""
    topics = _topics(meta)
    query = f"""
        COPY (
            SELECT
                $table_id::table_id AS table_id, row_key, source_key, region_code, region_level,
                region_year, period, period_type, year, topic, members,
                CASE WHEN text NOT IN $marks THEN text::DECIMAL(18, 6) END AS value,
                (CASE WHEN text IN $marks THEN text END)::mark AS source_mark,
                status
            FROM ({_long_cells(meta) if meta.odata == "v4" else _wide_cells(meta)})
        ) TO $out (FORMAT parquet, COMPRESSION zstd)"""
    values: dict[str, Any] = {
        "table_id": request.table_id,
        "marks": list(MARKS),
        "topics": [topic.key for topic in topics],
        "out": str(out),
    }
    if not meta.time:
        values["statuses"] = [topic_status(meta, topic) for topic in topics]
    return query, values


def _wide_cells(meta: TableMeta) -> str:
    """Return SQL that sorts the wide rows and turns them, in that order, into long ones."""
    cells = [f"t{n}" for n in range(len(_topics(meta)))]
    status = "status" if meta.time else "unnest($statuses::status[]) AS status"
    return f"""
        SELECT
            * EXCLUDE (status), {status},
            unnest($topics::topic[]) AS topic, unnest([{", ".join(cells)}]::VARCHAR[]) AS text
        FROM ({_coded(meta, cells)} ORDER BY row_key)"""


def _long_cells(meta: TableMeta) -> str:
    """Return SQL that sorts the long rows of numeric topics and gives what is missing its mark."""
    topic = "recording.topic::topic"
    position = "list_position($topics::VARCHAR[], recording.topic)"
    status = "status" if meta.time else f"($statuses::status[])[{position}]"
    mark = " ".join(f"WHEN '{reason}' THEN '{mark}'" for reason, mark in ATTRIBUTES.items())
    text = f"coalesce(text, CASE attribute {mark} END) AS text"
    return f"""
        {_coded(meta, [f"{topic} AS topic", text], status)}
        WHERE {position} IS NOT NULL
        ORDER BY row_key, {topic}"""


def _coded(meta: TableMeta, columns: list[str], status: str = "status") -> str:
    """Return SQL of rows with what their codes mean, and some columns of their own."""
    period_code = _column(meta, meta.time.key) if meta.time else "''"
    return f"""
        SELECT
            row_key, {_members(meta)}::members AS members,
            region.* EXCLUDE (code), period.* EXCLUDE (code, status), {status} AS status
            {"".join(f", {column}" for column in columns)}
        FROM recording
        JOIN region ON region.code = {_column(meta, meta.geo.key)}
        JOIN period ON period.code = {period_code}"""


def _members(meta: TableMeta) -> str:
    """Return SQL for the members of the other dimensions: ``Geslacht=3000;Leeftijd=10000``."""
    others = sorted(dimension.key for dimension in meta.others)
    pairs = [f"'{key.replace(chr(39), chr(39) * 2)}=' || {_column(meta, key)}" for key in others]
    return f"concat_ws(';', {', '.join(pairs)})" if pairs else "''"
