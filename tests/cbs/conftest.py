"""A small table as a recording, and the fixtures that many tests of CBS share."""

from __future__ import annotations

import copy
import gzip
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from monitor.cbs.areas import AreaCodes

Rows = Sequence[dict[str, Any]]
Record = Callable[..., Path]

TABLE = "99999NED"
ENTITIES: dict[str, Rows] = {
    "TableInfos": [
        {
            "ID": 0,
            "Identifier": TABLE,
            "Title": "Jongeren",
            "Modified": "2024-10-31T02:00:00",
            "Period": "",
            "Source": "CBS",
        }
    ],
    "DataProperties": [
        {"ID": 0, "Position": 0, "ParentID": None, "Type": "GeoDimension", "Key": "RegioS"},
        {"ID": 1, "Position": 1, "ParentID": None, "Type": "TimeDimension", "Key": "Perioden"},
        {
            "ID": 2,
            "Position": 2,
            "ParentID": None,
            "Type": "Topic",
            "Key": "Jongeren_1",
            "Title": "Jongeren",
            "Datatype": "Long",
            "Unit": "aantal",
            "Decimals": 0,
        },
        {
            "ID": 3,
            "Position": 3,
            "ParentID": None,
            "Type": "Topic",
            "Key": "MetJeugdzorg_2",
            "Title": "Met jeugdzorg",
            "Datatype": "Double",
            "Unit": "%",
            "Decimals": 1,
        },
    ],
    "CategoryGroups": [],
    "RegioS": [
        {"Key": "NL01  ", "Title": "Nederland"},
        {"Key": "GM0014", "Title": "Groningen"},
    ],
    "Perioden": [
        {"Key": "2022JJ00", "Title": "2022", "Status": "Definitief"},
        {"Key": "2023JJ00", "Title": "2023", "Status": "Voorlopig"},
    ],
    "UntypedDataSet": [
        {
            "ID": number,
            "RegioS": region,
            "Perioden": period,
            "Jongeren_1": count,
            "MetJeugdzorg_2": share,
        }
        for number, (region, period, count, share) in enumerate(
            [
                ("NL01  ", "2022JJ00", "  421110", "    10.4"),
                ("NL01  ", "2023JJ00", "  421230", "       ."),
                ("GM0014", "2022JJ00", "    5020", "    13.9"),
                ("GM0014", "2023JJ00", "    5010", "    13.5"),
            ]
        )
    ],
}


@pytest.fixture
def entities() -> dict[str, list[dict[str, Any]]]:
    """Rows of the small table, to change some."""
    return copy.deepcopy({name: list(rows) for name, rows in ENTITIES.items()})


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Write the small table as a recording, with other rows for some entities (None: without)."""

    def write(table: str = TABLE, **entities: Rows | None) -> Path:
        folder = tmp_path / "recordings"
        (folder / table).mkdir(parents=True, exist_ok=True)
        for name, rows in {**ENTITIES, **entities}.items():
            path = folder / table / f"{name}.json.gz"
            if rows is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(gzip.compress(json.dumps(rows).encode(), mtime=0))
        return folder

    return write


@pytest.fixture
def many_rows() -> list[dict[str, Any]]:
    """Rows for three pages: 25 000, in 25 periods of 1 000 regions."""
    return [
        {
            "ID": number,
            "RegioS": f"GM{number % 1000:04}",
            "Perioden": f"{2000 + number // 1000}JJ00",
            "Jongeren_1": f"{number:8}",
            "MetJeugdzorg_2": "       .",
        }
        for number in range(25_000)
    ]


@pytest.fixture
def record_many(record: Record, many_rows: list[dict[str, Any]]) -> Record:
    """Write a table of three pages."""

    def write() -> Path:
        return record(
            RegioS=[{"Key": f"GM{number:04}", "Title": "Plaats"} for number in range(1000)],
            Perioden=[
                {"Key": f"{2000 + number}JJ00", "Title": "Jaar", "Status": "Definitief"}
                for number in range(25)
            ],
            UntypedDataSet=many_rows,
        )

    return write


@pytest.fixture
def area_codes() -> AreaCodes:
    return AreaCodes({"NL00": "NL01"}, {"NL": "country", "GM": "municipality"})


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.fixture
def shared_recordings() -> Path:
    """The recorded CBS figures beside the repository."""
    folder = Path(__file__).parents[3] / "shared" / "cbs"
    if not folder.is_dir():
        pytest.skip("the recorded CBS figures are not here")
    return folder


Answer = Callable[[int, str], tuple[int, dict[str, str], bytes]]


@pytest.fixture
def answering() -> Iterator[Callable[[Answer], str]]:
    """Serve what a function of (number of the request, path) gives; returns the address."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                status, headers, body = answer(len(asked), self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        asked: list[str] = []
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
