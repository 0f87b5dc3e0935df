"""A stand-in for CBS: serves a folder of recordings over real HTTP, and fails when asked to.

Belongs here: the server, and how each fault (``monitor.cbs.faults``) is served. Does not belong
here: what is answered, and what of CBS is imitated (``monitor.cbs.library``).

It keeps connections alive, and gzips for a client that accepts it. It does not speak https.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote_plus

from monitor.cbs.faults import KINDS, Fault, Misfortune
from monitor.cbs.library import PAGE_ROWS, Answer, Library, dialect_of
from monitor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["PAGE_ROWS", "Fault", "Replay", "serve"]

ELSEWHERE = "http://elsewhere.invalid"
"""Where a foreign nextLink points: a host that can't exist."""
_DESCRIBES = re.compile(r"/(TableInfos|Properties|Tables|Datasets)(\?|$)")
"""Addresses that say when a table changed."""


class Replay:
    """Serves a folder of recordings in a thread, as a context manager.

    Args:
        folder: the recordings.
        port: 0 takes a free one.
        faults: what goes wrong; see ``Misfortune``.
        seed: which requests meet a fault that has a rate.
        page_rows: rows in a page; ``None`` is as many as CBS gives.
        latency: seconds before every answer.

    Raises:
        UsageError: the folder holds no recordings, or the port is taken.
    """

    def __init__(
        self,
        folder: Path | str,
        port: int = 0,
        faults: Sequence[Fault] = (),
        *,
        seed: int = 1,
        page_rows: int | None = None,
        latency: float = 0.0,
    ) -> None:
        self.library = Library(Path(folder), page_rows)
        self.latency = latency
        self.targets: list[str] = []
        """Path and query, decoded, of every request in the order of arrival."""
        self.closing = threading.Event()
        self._misfortune = Misfortune(faults, seed)
        self._changes: Counter[str] = Counter()
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
        self.closing.set()
        self._server.server_close()
        self.library.close()

    def arrived(self, target: str) -> list[Fault]:
        """Note a request; return what goes wrong with it (``Misfortune.of``)."""
        decoded = unquote_plus(target)
        self.targets.append(decoded)
        return self._misfortune.of(decoded)

    def answer(self, target: str, base: str, fault: Fault | None) -> Answer:
        """Return the answer to a request, with what a fault makes of it."""
        dialect = dialect_of(target)
        kind = fault.kind if fault else None
        if fault and kind == "status":
            failed = dialect.error(fault.status, "De service is tijdelijk niet beschikbaar.")
            after = fault.retry_after
            return replace(failed, headers={} if after is None else {"Retry-After": str(after)})
        if kind == "odata_error":
            return replace(dialect.error(500, "Er is een fout opgetreden."), status=200)
        back = 1 if kind == "repeat" else 0
        shift = 0
        if fault and fault.kind in ("rows_change", "rows_change_silent"):
            shift = -1 if fault.doubled else 1
        answer = self.library.answer(target, base, back=back, shift=shift)
        if answer.status != HTTPStatus.OK:
            return answer
        if kind == "invalid_json":
            body = self.library.plain(answer)
            return replace(answer, parts=(body[: len(body) // 2],))
        if kind == "foreign_next_link":
            link = ELSEWHERE + target.partition("?")[0] + "?$skip=1"
            return self._edited(answer, lambda body: body.update({dialect.next_link: link}))
        if kind == "rows_change":
            self._changes[_table_of(target)] += 1
        if kind == "row_count":
            count = self.library.row_count(target) - 1
            name = "ObservationCount" if dialect.version == 4 else "RecordCount"
            answer = self._edited(answer, lambda body: _set(body, lambda _: {name: count}))
        if self._changes and _DESCRIBES.search(target):
            answer = self._edited(answer, lambda body: _set(body, self._modified))
        return answer

    def _edited(self, answer: Answer, edit: Callable[[dict[str, Any]], None]) -> Answer:
        body = json.loads(self.library.plain(answer))
        edit(body)
        return Answer((json.dumps(body, ensure_ascii=False).encode(),))

    def _modified(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Return when a table changed: a minute later for each page in which it did."""
        minutes = self._changes[str(row.get("Identifier")).lower()]
        moments = {name: row.get(name) for name in ("Modified", "ObservationsModified")}
        return {
            name: (datetime.fromisoformat(moment) + timedelta(minutes=minutes)).isoformat()
            for name, moment in moments.items()
            if minutes and isinstance(moment, str)
        }


def serve(
    folder: Path,
    port: int,
    faults: Sequence[Fault] = (),
    *,
    seed: int = 1,
    page_rows: int | None = None,
    latency: float = 0.0,
) -> None:
    """Serve recordings until interrupted, after telling the address, its use and what goes wrong.

    Args and Raises: as ``Replay``.
    """
    from rich.console import Console

    replay = Replay(folder, port, faults, seed=seed, page_rows=page_rows, latency=latency)
    text = (
        f"{folder} is served as CBS's OData v3 and v4 at {replay.url}\n\n"
        f"  monitor run --source {replay.url}\n"
        f"  curl '{replay.url}/ODataCatalog/Tables?$select=Identifier,Title'\n"
        f"  curl '{replay.url}/odata/v1/CBS/Datasets?$select=Identifier,Title'\n\n"
    )
    if faults:
        width = max(len(str(fault)) for fault in faults) + 2
        lines = (f"  {fault!s:<{width}}{KINDS[fault.kind]}\n" for fault in faults)
        text += f"A request meets the first of these that strikes (seed {seed}):\n\n"
        text += "".join(lines) + "\n"
    Console(highlight=False).print(text + "Ctrl-C stops it.", markup=False, soft_wrap=True)
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
        time.sleep(replay.latency + sum(fault.seconds for fault in faults if fault.kind == "delay"))
        fault = next((fault for fault in faults if fault.kind != "delay"), None)
        kind = fault.kind if fault else None
        if kind == "stall":
            self._stall()
            return
        if kind == "reset":
            # A linger time of 0 sends RST, if nothing shuts the connection down politely before.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
            self.close_connection = True
            return
        answer = replay.answer(self.path, f"http://{self.headers.get('Host', replay.host)}", fault)
        accepts_gzip = "gzip" in self.headers.get("Accept-Encoding", "")
        body = library.zipped(answer) if accepts_gzip else library.plain(answer)
        self.send_response(answer.status)
        if accepts_gzip:
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        for name, value in {**dialect_of(self.path).headers, **answer.headers}.items():
            self.send_header(name, value)
        if kind == "truncate":
            body = body[: len(body) // 2]
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def _stall(self) -> None:
        """Say nothing until the client goes away or the server stops."""
        self.close_connection = True
        while not self.server.replay.closing.wait(0.05):
            try:
                if not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                    return
            except BlockingIOError:
                continue
            except OSError:
                return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing: ``Replay.targets`` has the requests."""


def _set(body: dict[str, Any], change: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
    """Change the rows of an answer, or the one object that it is."""
    for row in body.get("value", [body]):
        row.update(change(row))


def _table_of(target: str) -> str:
    return target.partition("?")[0].split("/")[-2].lower()
