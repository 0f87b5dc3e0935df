"""A stand-in for CBS: serves a folder of recordings as CBS's OData v3 service, over real HTTP.

Belongs here: the addresses, envelopes, paging, query options and errors of CBS's service, and the
faults that tests ask for. Does not belong here: reading an answer (``monitor.cbs.client``) and what
the figures mean. A recording is ``<table>/<Entity>.json.gz``: a bare array of rows, as CBS gave
them.

What it imitates:

- ``/ODataFeed/odata/<table>/`` lists the entities; ``/ODataFeed/odata/<table>/<Entity>`` gives
  rows, 10 000 a page, with ``odata.nextLink`` (absolute, query options kept, ``$skip`` last);
- ``/ODataApi/odata/...`` gives the same in one piece, and refuses more than 10 000 rows;
- ``/ODataCatalog/Tables`` lists the tables that are recorded;
- ``OData`` or ``odata``, any case of the table's identifier; entities and columns exactly;
- ``$select``, ``$filter`` (``monitor.cbs.odata_filter``), ``$top``, ``$skip``, ``$format=json``;
- keys padded with blanks as recorded: a filter of the wrong width answers 200 with no rows;
- ``odata.error`` bodies: 400 for a query that is not understood, 404 for what is not recorded;
- kept-alive connections, and gzip for a client that accepts it.

What it does not: XML (CBS's default; here every answer is JSON), ``$metadata``, ``$count``,
``$expand``, ``$orderby`` (refused with 400), https, the wording of CBS's messages, its slowness,
and the addresses inside TableInfos, which stay CBS's. ODataApi's refusal has status 400 here; which
status CBS gives is not recorded.

A recording that changes or appears while the server runs is served as it is then. Pages are cut
once and kept in one nameless temporary file, gzipped ones too, so that memory stays flat and a page
costs a read.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import struct
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlsplit

from monitor.cbs.odata_filter import FilterError, parse_filter
from monitor.cbs.rowfile import read_rows
from monitor.errors import MonitorError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PAGE_ROWS = 10_000
"""Rows in one page of the feed, and the most that ODataApi gives at all."""

_SEPARATOR = b",\r\n"  # Between rows. Rows hold no line breaks, so a page splits on it.
_OPTIONS = frozenset({"$select", "$filter", "$top", "$skip", "$format"})
_FIRST_ENTITIES = (
    "TableInfos",
    "UntypedDataSet",
    "TypedDataSet",
    "DataProperties",
    "CategoryGroups",
)
_SUFFIX = ".json.gz"


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong at CBS at times.

    Attributes:
        match: regular expression, searched in the decoded path and query of a request.
        kind: ``status`` answers ``status``; ``truncate`` breaks the connection halfway the body;
            ``invalid_json`` ends the body halfway, as if it were whole; ``odata_error`` answers an
            error with status 200; ``reset`` resets the connection; ``delay`` waits ``seconds``
            before the request is served, or meets the next fault; ``foreign_next_link`` makes the
            page's nextLink point to another host.
        status: HTTP status of ``status``.
        times: the number of requests that meet the fault; ``None`` is every one.
        retry_after: seconds in the Retry-After header of ``status``.
        seconds: how long ``delay`` waits.
    """

    match: str
    kind: Literal[
        "status", "truncate", "invalid_json", "odata_error", "reset", "delay", "foreign_next_link"
    ]
    status: int = 503
    times: int | None = 1
    retry_after: int | None = None
    seconds: float = 0.1


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


@dataclass(frozen=True)
class _Rows:
    """Rows in pages of PAGE_ROWS; ``columns`` is empty if there are no rows."""

    pages: tuple[Span, ...]
    count: int
    columns: frozenset[str]


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


class Library:
    """The recordings of one folder, answered as CBS would. Safe to use from many threads."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UsageError(
                f"{folder} is not a folder. Give the folder that holds the recordings."
            )
        if not any(folder.glob(f"*/*{_SUFFIX}")):
            raise UsageError(f"{folder} holds no recordings (<table>/<Entity>{_SUFFIX}).")
        self._folder = folder
        self._spool = _Spool()
        self._rows: dict[object, _Rows] = {}
        self._zipped: dict[tuple[bytes | Span, ...], Span] = {}
        self._lock = threading.RLock()

    def answer(self, target: str, base: str) -> Answer:
        """Answer a request.

        Args:
            target: path and query, as they stand in the request.
            base: the address by which the client knows this server, for absolute links.
        """
        try:
            return self._answer(target, base)
        except _Refused as refused:
            return error_answer(refused.status, str(refused))
        except FilterError as error:
            return error_answer(400, f"The query specified in the URI is not valid. {error}")
        except (MonitorError, OSError) as error:
            return error_answer(500, str(error))

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

    def _answer(self, target: str, base: str) -> Answer:
        address = urlsplit(target)
        options = _options(address.query)
        segments = [unquote(segment) for segment in address.path.split("/") if segment]
        match [segment.lower() for segment in segments]:
            case ["odatacatalog", "tables"]:
                here = f"{base}/ODataCatalog/Tables"
                metadata = f"{base}/ODataCatalog/$metadata#Cbs.OData.WebAPI.Tables"
                return self._page(self._catalogue(), "Tables", here, metadata, options)
            case ["odatafeed" | "odataapi", "odata", _]:
                return self._service(f"{base}/{segments[0]}/OData", self._table(segments[2]))
            case ["odatafeed" | "odataapi" as service, "odata", _, _]:
                table = self._table(segments[2])
                entity = segments[3]
                recording = self._entities(table).get(entity)
                if recording is None:
                    raise _Refused(404, f"Resource not found for the segment '{entity}'.")
                root = f"{base}/{segments[0]}/OData/{table.name}"
                metadata = f"{root}/$metadata#Cbs.OData.WebAPI.{entity}"
                rows = self._recorded(recording)
                whole = service == "odataapi"
                return self._page(rows, entity, f"{root}/{entity}", metadata, options, whole)
        raise _Refused(
            404,
            f"No resource at '{address.path}': this server knows /ODataCatalog/Tables, "
            "/ODataFeed/odata/<table>/<entity> and /ODataApi/odata/<table>/<entity>.",
        )

    def _table(self, name: str) -> Path:
        for table in self._tables():
            if table.name.lower() == name.lower():
                return table
        raise _Refused(404, f"Table '{name}' is not available.")

    def _tables(self) -> list[Path]:
        return sorted({path.parent for path in self._folder.glob(f"*/*{_SUFFIX}")})

    def _entities(self, table: Path) -> dict[str, Path]:
        found = {
            path.name.removesuffix(_SUFFIX): path for path in sorted(table.glob(f"*{_SUFFIX}"))
        }
        order = [name for name in _FIRST_ENTITIES if name in found]
        return {name: found[name] for name in dict.fromkeys([*order, *found])}

    def _service(self, root: str, table: Path) -> Answer:
        entities = [
            {"name": name, "url": f"{root}/{table.name}/{name}"} for name in self._entities(table)
        ]
        return _json_answer({"odata.metadata": f"{root}/{table.name}/$metadata", "value": entities})

    def _catalogue(self) -> _Rows:
        infos = [
            table / f"TableInfos{_SUFFIX}"
            for table in self._tables()
            if (table / f"TableInfos{_SUFFIX}").is_file()
        ]
        with self._lock:
            key = ("Tables", *map(_version, infos))
            if key not in self._rows:
                first = (next(_lines(path), None) for path in infos)
                self._rows[key] = self._cut(row for row in first if row is not None)
            return self._rows[key]

    def _recorded(self, recording: Path) -> _Rows:
        with self._lock:
            key = _version(recording)
            if key not in self._rows:
                self._rows[key] = self._cut(_lines(recording))
            return self._rows[key]

    def _cut(self, rows: Iterable[tuple[bytes, Mapping[str, Any]]]) -> _Rows:
        """Spool rows (their JSON text, and themselves) in pages."""
        pages: list[Span] = []
        lines: list[bytes] = []
        columns: set[str] = set()
        count = 0
        for line, row in rows:
            lines.append(line)
            columns.update(row)
            count += 1
            if len(lines) == PAGE_ROWS:
                pages.append(self._spool.write(_SEPARATOR.join(lines)))
                lines.clear()
        if lines:
            pages.append(self._spool.write(_SEPARATOR.join(lines)))
        return _Rows(tuple(pages), count, frozenset(columns))

    def _selected(self, rows: _Rows, entity: str, options: Mapping[str, str]) -> _Rows:
        """Apply ``$filter`` and ``$select``, once: the next page of the outcome is cheap."""
        condition, select = options.get("$filter"), options.get("$select")
        if condition is None and select is None:
            return rows
        known = rows.columns or None
        keep = parse_filter(condition, known) if condition is not None else None
        wanted = [name.strip() for name in select.split(",")] if select is not None else None
        for name in wanted or ():
            if known and name not in known:
                raise _Refused(
                    400,
                    "The query specified in the URI is not valid. Could not find a property named "
                    f"'{name}' on type 'Cbs.OData.WebAPI.{entity}'.",
                )

        def selected() -> Iterator[tuple[bytes, Mapping[str, Any]]]:
            for page in rows.pages:
                data = self._spool.read(page)
                for line, row in zip(
                    data.split(_SEPARATOR), json.loads(b"[%b]" % data), strict=True
                ):
                    if keep is not None and not keep(row):
                        continue
                    if wanted is None:
                        yield line, row
                    else:
                        part = {name: value for name, value in row.items() if name in wanted}
                        yield _encode(part), part

        with self._lock:
            key = (rows.pages, condition, select)
            if key not in self._rows:
                self._rows[key] = self._cut(selected())
            return self._rows[key]

    def _page(
        self,
        rows: _Rows,
        entity: str,
        here: str,
        metadata: str,
        options: Mapping[str, str],
        whole: bool = False,
    ) -> Answer:
        rows = self._selected(rows, entity, options)
        skip = _number(options, "$skip", 0)
        end = min(rows.count, skip + _number(options, "$top", rows.count))
        if whole and end - skip > PAGE_ROWS:
            raise _Refused(
                400, f"Het aantal records ({end - skip}) is groter dan het maximum ({PAGE_ROWS})."
            )
        stop = min(end, skip + PAGE_ROWS)
        tail = b"\r\n  ]"
        if stop < end:
            following = {name: value for name, value in options.items() if name != "$skip"}
            if "$top" in following:
                following["$top"] = str(end - stop)
            following["$skip"] = str(stop)
            query = "&".join(f"{name}={quote(value)}" for name, value in following.items())
            tail += b',"odata.nextLink":' + _encode(f"{here}?{query}")
        head = b'{\r\n  "odata.metadata":%b,"value":[\r\n' % _encode(metadata)
        return Answer((head, *self._slice(rows, skip, stop), tail + b"\r\n}"))

    def _slice(self, rows: _Rows, start: int, stop: int) -> tuple[bytes | Span, ...]:
        if start >= stop:
            return ()
        first, last = start // PAGE_ROWS, (stop - 1) // PAGE_ROWS
        if start % PAGE_ROWS == 0 and stop == min(rows.count, start + PAGE_ROWS):
            return (rows.pages[first],)
        pages = (self._spool.read(page) for page in rows.pages[first : last + 1])
        lines = [line for page in pages for line in page.split(_SEPARATOR)]
        before = first * PAGE_ROWS
        return (_SEPARATOR.join(lines[start - before : stop - before]),)


class Replay:
    """Serves a folder of recordings in a thread, as a context manager.

    Args:
        folder: the recordings.
        port: 0 takes a free one.
        faults: tried in order; the first that matches and is not used up happens.

    Raises:
        UsageError: the folder holds no recordings, or the port is taken.
    """

    def __init__(self, folder: Path | str, port: int = 0, faults: Sequence[Fault] = ()) -> None:
        self.library = Library(Path(folder))
        self.targets: list[str] = []
        """Path and query, decoded, of every request in the order of arrival."""
        self._left: list[tuple[Fault, int | None]] = [(fault, fault.times) for fault in faults]
        self._lock = threading.Lock()
        try:
            self._server = _Server(port, self)
        except (OSError, OverflowError) as error:
            self.library.close()
            raise UsageError(f"Port {port} can't be used ({error}). Choose another.") from error

    @property
    def url(self) -> str:
        """Address of the server, as a source of the monitor: ``http://127.0.0.1:<port>``."""
        return f"http://{self.host}"

    @property
    def host(self) -> str:
        """Host and port, as cbsodata's ``catalog_url``."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def requests(self) -> Counter[str]:
        """Number of requests a path (decoded, without the query)."""
        return Counter(target.partition("?")[0] for target in self.targets)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self.close()

    def serve_forever(self) -> None:
        """Serve until the process is interrupted."""
        self._server.serve_forever(poll_interval=0.01)

    def close(self) -> None:
        """Stop listening, and break the connections that are open."""
        self._server.server_close()
        self.library.close()

    def arrived(self, target: str) -> list[Fault]:
        """Note a request; return what goes wrong with it: delays, and at most one other fault."""
        decoded = unquote_plus(target)
        happening: list[Fault] = []
        with self._lock:
            self.targets.append(decoded)
            for index, (fault, left) in enumerate(self._left):
                if left == 0 or not re.search(fault.match, decoded):
                    continue
                if left is not None:
                    self._left[index] = (fault, left - 1)
                happening.append(fault)
                if fault.kind != "delay":
                    break
        return happening


def serve(folder: Path, port: int) -> None:
    """Serve recordings until interrupted, after telling the address and how to use it.

    Raises:
        UsageError: the folder holds no recordings, or the port is taken.
    """
    from rich.console import Console

    replay = Replay(folder, port)
    Console(highlight=False).print(
        f"{folder} is served as CBS's OData v3 at {replay.url}\n\n"
        f"  monitor run --source {replay.url}\n"
        f"  curl '{replay.url}/ODataCatalog/Tables?$select=Identifier,Title'\n\n"
        "Ctrl-C stops it.",
        markup=False,
        soft_wrap=True,
    )
    try:
        replay.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        replay.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, replay: Replay) -> None:
        self.replay = replay
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        # A kept-alive connection would go on being served by its thread.
        for request in list(self._open):
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent about clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "monitor-replay"
    # Headers and body in one go: otherwise every answer waits for the client's delayed ACK.
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_GET(self) -> None:
        replay = self.server.replay
        library = replay.library
        faults = replay.arrived(self.path)
        for fault in faults:
            if fault.kind == "delay":
                time.sleep(fault.seconds)
        broken = next((fault for fault in faults if fault.kind != "delay"), None)
        if broken and broken.kind == "reset":
            # A linger time of 0 sends RST, if nothing shuts the connection down politely before.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True
            return
        base = f"http://{self.headers.get('Host', replay.host)}"
        answer = library.answer(self.path, base)
        if broken:
            answer = _spoil(broken, answer, library)
        accepts_gzip = "gzip" in self.headers.get("Accept-Encoding", "")
        body = library.zipped(answer) if accepts_gzip else library.plain(answer)
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json; odata=minimalmetadata; charset=utf-8")
        self.send_header("DataServiceVersion", "3.0")
        if accepts_gzip:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if broken and broken.kind == "truncate":
            body = body[: len(body) // 2]
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing: ``Replay.targets`` has the requests."""


def _spoil(fault: Fault, answer: Answer, library: Library) -> Answer:
    match fault.kind:
        case "status":
            headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            failed = error_answer(fault.status, "De service is tijdelijk niet beschikbaar.")
            return replace(failed, headers=headers)
        case "odata_error":
            return replace(error_answer(500, "Er is een fout opgetreden."), status=200)
        case "invalid_json":
            body = library.plain(answer)
            return replace(answer, parts=(body[: len(body) // 2],))
        case "foreign_next_link":
            page = json.loads(library.plain(answer))
            page["odata.nextLink"] = (
                "http://elsewhere.invalid/ODataFeed/odata/x/TypedDataSet?$skip=1"
            )
            return _json_answer(page)
    return answer


def error_answer(status: int, message: str) -> Answer:
    """Return an error in CBS's form."""
    body = {"odata.error": {"code": "", "message": {"lang": "nl-NL", "value": message}}}
    return _json_answer(body, status)


def _json_answer(content: object, status: int = 200) -> Answer:
    return Answer((_encode(content),), status)


def _encode(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _options(query: str) -> dict[str, str]:
    options = {
        name: value
        for name, value in parse_qsl(query, keep_blank_values=True)
        if name.startswith("$")  # Anything else is the client's own, as OData says.
    }
    for name in options.keys() - _OPTIONS:
        raise _Refused(400, f"The query parameter '{name}' is not supported.")
    if options.get("$format", "json") != "json":
        raise _Refused(400, "This server answers JSON only: use $format=json.")
    return options


def _number(options: Mapping[str, str], name: str, default: int) -> int:
    value = options.get(name)
    if value is None:
        return default
    if not re.fullmatch("[0-9]{1,15}", value):
        raise _Refused(400, f"Incorrect value '{value}' for the query option '{name}'.")
    return int(value)


def _version(path: Path) -> tuple[Path, int, int]:
    state = path.stat()
    return path, state.st_mtime_ns, state.st_size


def _lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    return ((text.encode(), row) for text, row in read_rows(path))
