"""A folder of recordings, answered as CBS would answer: OData v3 and v4.

Belongs here: addresses, envelopes, paging, query options and errors of CBS's two services. Does not
belong here: HTTP and what goes wrong with it (``monitor.cbs.replay``), reading an answer
(``monitor.cbs.client``) and what the figures mean.

A recording is a folder ``<table>`` in the folder that is given, or one level deeper, with a file
``<Entity>.json.gz`` an entity, or several pages ``<Entity>.<n>.json.gz``: a bare array of rows, or
an envelope with the array as its ``value``. A folder with ``Properties`` is a table of v4, one with
``TableInfos``, or with neither, a table of v3. One table can be recorded as both.

What it imitates of v3:

- ``/ODataFeed/odata/<table>/`` lists the entities; ``/ODataFeed/odata/<table>/<Entity>`` gives
  rows, 10 000 a page, with ``odata.nextLink`` (absolute, query options kept, ``$skip`` last);
- ``/ODataApi/odata/...`` gives the same in one piece, and refuses more than 10 000 rows;
- ``/ODataCatalog/Tables`` lists the tables that are recorded;
- ``OData`` or ``odata``, any case of the table's identifier; entities and columns exactly;
- ``$select``, ``$filter`` (``monitor.cbs.odata_filter``), ``$top``, ``$skip``, ``$format=json``;
- keys padded with blanks as recorded: a filter of the wrong width answers 200 with no rows;
- ``odata.error`` bodies: 400 for a query that is not understood, 404 for what is not recorded.

What it imitates of v4:

- ``/odata/v1/CBS/<table>/`` and ``/odata/v1/CBS/<table>/<Entity>``, every case exactly;
  100 000 rows a page, with ``@odata.context`` and ``@odata.nextLink``; Properties is one object;
- ``/odata/v1/CBS/Datasets`` lists the tables that are recorded; ``/odata/v1/Catalogs``;
- the same query options, and ``$count=true`` and ``<Entity>/$count``;
- ``error`` bodies, with the same statuses.

What it does not: XML (here every answer is JSON), ``$metadata``, ``$expand``, ``$orderby``,
``$apply`` (refused with 400; v3's ``$inlinecount`` and ``$count`` too), the wording of CBS's
messages, and the addresses inside TableInfos, Dimensions and Properties, which stay CBS's.
ODataApi's refusal has status 400 here; which status CBS gives is not recorded.

A recording that changes or appears in the meantime is answered as it is then. Rows are cut once, as
far as they are asked for, and kept in one nameless temporary file, gzipped pages too, so that
memory stays flat, a page costs a read and the first page of millions of rows is there at once.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from monitor.cbs.odata_filter import FilterError, parse_filter
from monitor.cbs.rowfile import read_object, read_rows
from monitor.errors import MonitorError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

PAGE_ROWS = 10_000
"""Rows in one page of v3's feed, and the most that ODataApi gives at all."""
PAGE_ROWS_4 = 100_000
"""Rows in one page of v4."""

_SEPARATOR = b",\r\n"  # Between rows. Rows hold no line breaks, so a chunk splits on it.
_SUFFIX = ".json.gz"
_FILE = re.compile(r"(?P<entity>\w+)(?:\.(?P<page>[0-9]+))?\.json\.gz")
_FIRST_ENTITIES = (
    "TableInfos",
    "UntypedDataSet",
    "TypedDataSet",
    "DataProperties",
    "CategoryGroups",
    "Properties",
    "Dimensions",
    "MeasureGroups",
    "MeasureCodes",
    "Observations",
)
_ROWS_ENTITIES = ("UntypedDataSet", "TypedDataSet", "Observations")


@dataclass(frozen=True)
class Dialect:
    """How one of the two services speaks."""

    version: int
    context: str
    next_link: str
    page_rows: int
    options: frozenset[str]
    headers: Mapping[str, str]

    def error(self, status: int, message: str) -> Answer:
        """Return an error in CBS's form."""
        if self.version == 4:
            return _json_answer({"error": {"code": "", "message": message}}, status)
        body = {"odata.error": {"code": "", "message": {"lang": "nl-NL", "value": message}}}
        return _json_answer(body, status)


_OPTIONS = frozenset({"$select", "$filter", "$top", "$skip", "$format"})
_V3 = Dialect(
    3,
    "odata.metadata",
    "odata.nextLink",
    PAGE_ROWS,
    _OPTIONS,
    {
        "Content-Type": "application/json; odata=minimalmetadata; charset=utf-8",
        "DataServiceVersion": "3.0",
    },
)
_V4 = Dialect(
    4,
    "@odata.context",
    "@odata.nextLink",
    PAGE_ROWS_4,
    _OPTIONS | {"$count"},
    {
        "Content-Type": "application/json; odata.metadata=minimal; odata.streaming=true",
        "OData-Version": "4.0",
    },
)


def dialect_of(target: str) -> Dialect:
    """Return how a path is to be answered: as v4 below ``/odata/``, as v3 elsewhere."""
    return _V4 if target.startswith("/odata/") else _V3


class Span(NamedTuple):
    """A piece of the temporary file, in bytes."""

    offset: int
    size: int


@dataclass(frozen=True)
class Answer:
    """What a client gets: the body in parts, so that a large page is read only when it is sent."""

    parts: tuple[bytes | Span, ...]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class _Refused(Exception):  # noqa: N818 - it is an answer
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Spool:
    """A temporary file without a name: whatever ends the process, nothing is left behind."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._end = 0
        self._lock = threading.Lock()

    def write(self, data: bytes) -> Span:
        with self._lock:
            self._file.write(data)
            self._file.flush()
            span = Span(self._end, len(data))
            self._end += len(data)
            return span

    def read(self, span: Span) -> bytes:
        return os.pread(self._file.fileno(), span.size, span.offset)

    def close(self) -> None:
        self._file.close()


class _Rows:
    """Rows (their JSON text, and themselves), spooled in chunks as far as they are asked for."""

    def __init__(
        self, spool: _Spool, source: Iterable[tuple[bytes, Mapping[str, Any]]], chunk: int
    ) -> None:
        self._spool = spool
        self._source = iter(source)
        self._chunk = chunk
        self._spans: list[Span] = []
        self._count = 0
        self._columns: frozenset[str] = frozenset()
        self._failure: Exception | None = None
        self._lock = threading.Lock()

    def known(self, wanted: int = sys.maxsize) -> int:
        """Return how many rows there are: at least so many, or else all."""
        with self._lock:
            if self._failure:
                raise self._failure
            try:
                while self._count < wanted and (rows := list(islice(self._source, self._chunk))):
                    if not self._columns:
                        self._columns = frozenset().union(*(row for _, row in rows))
                    self._spans.append(self._spool.write(_SEPARATOR.join(line for line, _ in rows)))
                    self._count += len(rows)
            except Exception as error:
                # What was read before is not the whole table: nobody may take it for that.
                self._failure = error
                raise
            return self._count

    def columns(self) -> frozenset[str]:
        """Return the names in the first chunk of rows; none if there are no rows."""
        self.known(1)
        return self._columns

    def slice(self, start: int, stop: int) -> tuple[bytes | Span, ...]:
        """Return the text of known rows, in parts."""
        if start >= stop:
            return ()
        first = start // self._chunk
        spans = self._spans[first : (stop - 1) // self._chunk + 1]
        before = first * self._chunk
        if start == before and (stop % self._chunk == 0 or stop == self._count):
            between: list[bytes | Span] = [_SEPARATOR] * (2 * len(spans) - 1)
            between[::2] = spans
            return tuple(between)
        lines = [line for span in spans for line in self._spool.read(span).split(_SEPARATOR)]
        return (_SEPARATOR.join(lines[start - before : stop - before]),)

    def __iter__(self) -> Iterator[tuple[bytes, Mapping[str, Any]]]:
        at = 0
        while self.known(at + 1) > at:
            data = self._spool.read(self._spans[at // self._chunk])
            yield from zip(data.split(_SEPARATOR), json.loads(b"[%b]" % data), strict=True)
            at += self._chunk


class Library:
    """The recordings of one folder, answered as CBS would. Safe to use from many threads.

    Args:
        folder: the recordings.
        page_rows: rows in a page, of v3 and of v4; ``None`` is as many as CBS gives.

    Raises:
        UsageError: the folder holds no recordings.
    """

    def __init__(self, folder: Path, page_rows: int | None = None) -> None:
        if not folder.is_dir():
            raise UsageError(
                f"{folder} is not a folder. Give the folder that holds the recordings."
            )
        if page_rows is not None and page_rows < 1:
            raise UsageError("A page has at least one row.")
        self._folder = folder
        self._page_rows = page_rows
        if not self._folders():
            raise UsageError(f"{folder} holds no recordings (<table>/<Entity>{_SUFFIX}).")
        self._spool = _Spool()
        self._rows: dict[object, _Rows] = {}
        self._zipped: dict[tuple[bytes | Span, ...], Span] = {}
        self._lock = threading.Lock()

    def answer(self, target: str, base: str, *, back: int = 0, shift: int = 0) -> Answer:
        """Answer a request.

        Args:
            target: path and query, as they stand in the request.
            base: the address by which the client knows this server, for absolute links.
            back: pages before the one that is asked for, to be given in its place.
            shift: rows further on in the table, to be given in place of those of this page.
        """
        dialect = dialect_of(target)
        try:
            return self._answer(target, base, dialect, back, shift)
        except _Refused as refused:
            return dialect.error(refused.status, str(refused))
        except FilterError as error:
            return dialect.error(400, f"The query specified in the URI is not valid. {error}")
        except (MonitorError, OSError) as error:
            return dialect.error(500, str(error))

    def row_count(self, target: str) -> int:
        """Return the number of rows that are recorded of the table to which an address belongs."""
        name = _segments(target)[-2]
        entities = self._entities(self._table(name, dialect_of(target)))
        names = [entity for entity in _ROWS_ENTITIES if entity in entities]
        return self._recorded(entities[names[0]]).known() if names else 0

    def plain(self, answer: Answer) -> bytes:
        """Return the body of an answer."""
        return b"".join(
            self._spool.read(part) if isinstance(part, Span) else part for part in answer.parts
        )

    def zipped(self, answer: Answer) -> bytes:
        """Return the body gzipped; whole pages are gzipped once."""
        if span := self._zipped.get(answer.parts):
            return self._spool.read(span)
        # mtime=0: the same page is the same bytes, whenever it is asked.
        data = gzip.compress(self.plain(answer), compresslevel=5, mtime=0)
        if any(isinstance(part, Span) for part in answer.parts):
            self._zipped[answer.parts] = self._spool.write(data)
        return data

    def close(self) -> None:
        """Give the temporary file back."""
        self._spool.close()

    def _answer(self, target: str, base: str, dialect: Dialect, back: int, shift: int) -> Answer:
        options = _options(urlsplit(target).query, dialect)
        segments = _segments(target)

        def page(rows: _Rows, root: str, entity: str, whole: bool = False) -> Answer:
            return self._page(rows, dialect, root, entity, options, whole, back, shift)

        match segments:
            case ["odata", "v1", "Catalogs"]:
                return page(self._catalogs(), f"{base}/odata/v1", "Catalogs")
            case ["odata", "v1", "CBS", "Datasets"]:
                return page(self._datasets(), f"{base}/odata/v1/CBS", "Datasets")
            case ["odata", "v1", "CBS", name]:
                return self._service(f"{base}/odata/v1/CBS", self._table(name, dialect), dialect)
            case ["odata", "v1", "CBS", name, "Properties"]:
                paths = self._entity(name, "Properties", dialect)
                return _json_answer(_only(read_object(paths[0]), options))
            case ["odata", "v1", "CBS", name, entity]:
                rows = self._recorded(self._entity(name, entity, dialect))
                return page(rows, f"{base}/odata/v1/CBS/{name}", entity)
            case ["odata", "v1", "CBS", name, entity, "$count"]:
                rows = self._recorded(self._entity(name, entity, dialect))
                count = self._selected(rows, entity, options, dialect).known()
                return Answer((b"%d" % count,), headers={"Content-Type": "text/plain"})
        match [segment.lower() for segment in segments]:
            case ["odatacatalog", "tables"]:
                return page(self._tables(), f"{base}/ODataCatalog", "Tables")
            case ["odatafeed" | "odataapi", "odata", name]:
                table = self._table(name, dialect)
                return self._service(f"{base}/{segments[0]}/OData", table, dialect)
            case ["odatafeed" | "odataapi" as service, "odata", name, _]:
                root = f"{base}/{segments[0]}/OData/{self._table(name, dialect).name}"
                rows = self._recorded(self._entity(name, segments[3], dialect))
                return page(rows, root, segments[3], service == "odataapi")
        raise _Refused(
            404,
            f"No resource at '{urlsplit(target).path}': this server knows /ODataCatalog/Tables, "
            "/ODataFeed/odata/<table>/<entity>, /ODataApi/odata/<table>/<entity>, "
            "/odata/v1/CBS/Datasets and /odata/v1/CBS/<table>/<entity>.",
        )

    def _folders(self) -> list[Path]:
        found = (path for depth in ("*/*", "*/*/*") for path in self._folder.glob(depth + _SUFFIX))
        return sorted({path.parent for path in found})

    def _served(self, dialect: Dialect) -> list[Path]:
        """Return the folders of the tables that are recorded in a dialect."""

        def has(folder: Path, entity: str) -> bool:
            return (folder / f"{entity}{_SUFFIX}").is_file()

        return [
            folder
            for folder in self._folders()
            if has(folder, "Properties") is (dialect.version == 4)
            or (dialect.version == 3 and has(folder, "TableInfos"))
        ]

    def _table(self, name: str, dialect: Dialect) -> Path:
        for folder in self._served(dialect):
            if folder.name == name:
                return folder
            if dialect.version == 3 and folder.name.lower() == name.lower():
                return folder
        raise _Refused(404, f"Table '{name}' is not available.")

    def _entities(self, table: Path) -> dict[str, list[Path]]:
        found: dict[str, list[tuple[int, Path]]] = {}
        for path in sorted(table.glob(f"*{_SUFFIX}")):
            if name := _FILE.fullmatch(path.name):
                found.setdefault(name["entity"], []).append((int(name["page"] or 0), path))
        order = [name for name in _FIRST_ENTITIES if name in found]
        return {
            name: [path for _, path in sorted(found[name])]
            for name in dict.fromkeys([*order, *found])
        }

    def _entity(self, table: str, name: str, dialect: Dialect) -> list[Path]:
        paths = self._entities(self._table(table, dialect)).get(name)
        if paths is None:
            raise _Refused(404, f"Resource not found for the segment '{name}'.")
        return paths

    def _service(self, root: str, table: Path, dialect: Dialect) -> Answer:
        entities = [
            {"name": name, "url": f"{root}/{table.name}/{name}"} for name in self._entities(table)
        ]
        return _json_answer({dialect.context: f"{root}/{table.name}/$metadata", "value": entities})

    def _tables(self) -> _Rows:
        infos = [folder / f"TableInfos{_SUFFIX}" for folder in self._served(_V3)]
        infos = [path for path in infos if path.is_file()]

        def rows() -> Iterator[tuple[bytes, Mapping[str, Any]]]:
            for path in infos:
                yield from islice(_lines([path]), 1)

        return self._cut(("Tables", *map(_version, infos)), rows)

    def _datasets(self) -> _Rows:
        paths = [folder / f"Properties{_SUFFIX}" for folder in self._served(_V4)]

        def rows() -> Iterator[tuple[bytes, Mapping[str, Any]]]:
            for path in paths:
                row = {
                    name: value
                    for name, value in read_object(path).items()
                    if "@" not in name and not isinstance(value, list | dict)
                }
                yield _encode(row), row

        return self._cut(("Datasets", *map(_version, paths)), rows)

    def _catalogs(self) -> _Rows:
        row = {"Identifier": "CBS", "Title": "CBS", "Language": "nl"}
        return self._cut("Catalogs", lambda: [(_encode(row), row)])

    def _recorded(self, paths: list[Path]) -> _Rows:
        return self._cut(tuple(map(_version, paths)), lambda: _lines(paths))

    def _cut(
        self, key: object, rows: Callable[[], Iterable[tuple[bytes, Mapping[str, Any]]]]
    ) -> _Rows:
        with self._lock:
            if key not in self._rows:
                chunk = min(PAGE_ROWS, self._page_rows or PAGE_ROWS)
                self._rows[key] = _Rows(self._spool, rows(), chunk)
            return self._rows[key]

    def _selected(
        self, rows: _Rows, entity: str, options: Mapping[str, str], dialect: Dialect
    ) -> _Rows:
        """Apply ``$filter`` and ``$select``, once: the next page of the outcome is cheap."""
        condition, select = options.get("$filter"), options.get("$select")
        if condition is None and select is None:
            return rows
        columns = rows.columns() or None
        keep = None
        if condition is not None:
            keep = parse_filter(condition, columns, version=dialect.version)
        for name in _names(select):
            if columns and name not in columns:
                raise _Refused(
                    400,
                    "The query specified in the URI is not valid. Could not find a property named "
                    f"'{name}' on type 'Cbs.OData.WebAPI.{entity}'.",
                )

        def selected() -> Iterator[tuple[bytes, Mapping[str, Any]]]:
            for line, row in rows:
                if keep is None or keep(row):
                    part = _only(row, options)
                    yield (line if part is row else _encode(part)), part

        return self._cut((rows, condition, select), selected)

    def _page(
        self,
        rows: _Rows,
        dialect: Dialect,
        root: str,
        entity: str,
        options: Mapping[str, str],
        whole: bool,
        back: int,
        shift: int,
    ) -> Answer:
        rows = self._selected(rows, entity, options, dialect)
        size = PAGE_ROWS if whole else self._page_rows or dialect.page_rows
        skip = _number(options, "$skip", 0)
        end = skip + _number(options, "$top", sys.maxsize)
        if whole and (asked := min(rows.known(), end) - skip) > size:
            raise _Refused(400, f"Het aantal records ({asked}) is groter dan het maximum ({size}).")
        skip = max(0, skip - back * size)
        stop = min(end, skip + size)
        known = rows.known(stop + 1)  # The row after these tells whether there is a next page.
        metadata = "Cbs.OData.WebAPI." if dialect.version == 3 else ""
        head = b'{\r\n  "%b":%b' % (
            dialect.context.encode(),
            _encode(f"{root}/$metadata#{metadata}{entity}"),
        )
        if options.get("$count") == "true":
            head += b',"@odata.count":%d' % rows.known()
        tail = b"\r\n  ]"
        if stop < min(end, known):
            following = {name: value for name, value in options.items() if name != "$skip"}
            if "$top" in following:
                following["$top"] = str(end - stop)
            following["$skip"] = str(stop)
            query = "&".join(f"{name}={quote(value)}" for name, value in following.items())
            link = _encode(f"{root}/{entity}?{query}")
            tail += b',"%b":%b' % (dialect.next_link.encode(), link)
        parts = rows.slice(max(0, skip + shift), min(known, stop + shift))
        return Answer((head + b',"value":[\r\n', *parts, tail + b"\r\n}"))


def _json_answer(content: object, status: int = 200) -> Answer:
    return Answer((_encode(content),), status)


def _encode(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _segments(target: str) -> list[str]:
    return [unquote(segment) for segment in urlsplit(target).path.split("/") if segment]


def _options(query: str, dialect: Dialect) -> dict[str, str]:
    options = {
        name: value
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name.startswith("$")  # Anything else is the client's own, as OData says.
    }
    for name in options.keys() - dialect.options:
        raise _Refused(400, f"The query parameter '{name}' is not supported.")
    if options.get("$format", "json") != "json":
        raise _Refused(400, "This server answers JSON only: use $format=json.")
    if options.get("$count", "true") not in ("true", "false"):
        raise _Refused(400, "$count is true or false.")
    return options


def _number(options: Mapping[str, str], name: str, default: int) -> int:
    value = options.get(name)
    if value is None:
        return default
    if not re.fullmatch("[0-9]{1,15}", value):
        raise _Refused(400, f"Incorrect value '{value}' for the query option '{name}'.")
    return int(value)


def _names(select: str | None) -> list[str]:
    return [] if select is None else [name.strip() for name in select.split(",")]


def _only(row: Mapping[str, Any], options: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the columns of ``$select``, and marks of OData itself; the row without it."""
    if "$select" not in options:
        return row
    wanted = _names(options["$select"])
    return {name: value for name, value in row.items() if name in wanted or "@" in name}


def _version(path: Path) -> tuple[Path, int, int]:
    state = path.stat()
    return path, state.st_mtime_ns, state.st_size


def _lines(paths: Iterable[Path]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    return ((text.encode(), row) for path in paths for text, row in read_rows(path))
