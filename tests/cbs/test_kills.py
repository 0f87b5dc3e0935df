"""A process that is killed, or a disk that is full, at any moment: nothing half is ever seen."""

from __future__ import annotations

import gzip
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from monitor.cbs.archive import Archive
from monitor.cbs.areas import AreaCodes
from monitor.cbs.failures import Unreachable
from monitor.cbs.ingest import refresh
from monitor.cbs.recording import RecordingWriter, identity
from monitor.cbs.sources import TableRequest
from monitor.errors import DiskError

TABLE = "99999NED"
CODES = AreaCodes({}, {"GM": "municipality"})
KILLS = 200
PAGES, PAGE_ROWS = 6, 50


class Paged:
    """A source of one table in some pages, that differs a version; ``fetched`` counts pages."""

    label, partial = "paged", False

    def __init__(self, version: int) -> None:
        self.version = version
        self.fetched = 0

    def ask(self, request: TableRequest) -> str:
        return f"version {self.version}"

    def describe(self, request: TableRequest) -> dict[str, list[dict[str, Any]]]:
        topic = {"Type": "Topic", "Key": "Inwoners_1", "Title": "Inwoners", "Unit": "aantal"}
        return {
            "TableInfos": [
                {"Identifier": TABLE, "Title": "x", "Period": "", "Modified": self.ask(request)}
            ],
            "DataProperties": [
                {"ID": 0, "Position": 0, "Type": "GeoDimension", "Key": "RegioS"},
                {"ID": 1, "Position": 1, "Type": "TimeDimension", "Key": "Perioden"},
                {"ID": 2, "Position": 2, "Datatype": "Long", "Decimals": 0, **topic},
            ],
            "CategoryGroups": [],
            "RegioS": [{"Key": f"GM{n:04}", "Title": "Plaats"} for n in range(PAGES * PAGE_ROWS)],
            "Perioden": [{"Key": "2022JJ00", "Title": "2022", "Status": "Definitief"}],
        }

    def fetch(self, request: TableRequest, into: Any) -> Any:
        meta = into.describe(self.describe(request))
        for page in range(PAGES):
            address = f"http://cbs/{page}"
            packed = into.had(address)
            if packed is None:
                self.fetched += 1
                rows = [
                    {
                        "ID": n,
                        "RegioS": f"GM{n:04}",
                        "Perioden": "2022JJ00",
                        "Inwoners_1": f"{n * 7919 + self.version:8}",
                    }
                    for n in range(page * PAGE_ROWS, (page + 1) * PAGE_ROWS)
                ]
                packed = gzip.compress(json.dumps({"value": rows}).encode(), mtime=0)
            into.take(packed, into.parse(gzip.decompress(packed)), address)
        return meta


class Down(Paged):
    """A source that is not there."""

    def ask(self, request: TableRequest) -> str:
        raise Unreachable(TABLE, "down")


def ingest(workspace: Path, source: Paged) -> Any:
    moment = datetime(2026, 11, 22, tzinfo=UTC) + timedelta(minutes=source.version)
    return refresh(TableRequest(TABLE), source, workspace, moment, codes=CODES)


def serve_forks() -> None:
    """Ingest in a fork for each line read: forks need not import anything, so they are quick.

    Each fork writes its number when it begins and how it ended; then comes its exit status.
    """
    import pandas  # noqa: F401 - pyarrow would import it in each fork, where it is installed

    def tell(what: object) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()

    for line in sys.stdin:
        workspace, version, largest = json.loads(line)
        fork = os.fork()
        if fork:
            tell(os.waitpid(fork, 0)[1])
            continue
        if largest is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
        tell(os.getpid())
        try:
            outcome = ingest(Path(workspace), Paged(version)).state
        except DiskError as error:
            outcome = str(error)
        tell(outcome)
        os._exit(0)


class Forks:
    """The process that forks, from the side of the tests."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.outcome: str | None = None

    def begin(self, workspace: Path, version: int, largest: int | None = None) -> int:
        """Have a fork begin; returns its number."""
        self._server.stdin.write(json.dumps([str(workspace), version, largest]) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def end(self) -> int:
        """Wait for the end; returns the exit status and leaves the outcome, if there was one."""
        self.outcome, told = None, json.loads(self._server.stdout.readline())
        if isinstance(told, str):
            self.outcome, told = told, json.loads(self._server.stdout.readline())
        return os.waitstatus_to_exitcode(told)


@pytest.fixture
def forks() -> Iterator[Forks]:
    command = [sys.executable, __file__]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as server:
        yield Forks(server)
        server.stdin.close()


class Watched:
    """A workspace in which processes die; what is in it is read back each time."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.archive = Archive(workspace / "archive")
        self.whole: list[Any] = []

    def look(self) -> int:
        """Every snapshot is whole, and none that was there is gone; returns how many came."""
        found = self.archive.snapshots(TABLE)
        assert self.archive.damaged(TABLE) == []
        assert found[: len(self.whole)] == self.whole
        new = found[len(self.whole) :]
        for snapshot in new:
            self.verify(snapshot)
        self.whole = found
        return len(new)

    def verify(self, snapshot: Any) -> None:
        """Compute the identity of what is archived anew: pages verify as they are read."""
        meta, entities = snapshot.meta(), snapshot.entities()
        with RecordingWriter(self.workspace / "verified", meta) as writer:
            for page in snapshot.pages():
                writer.add(page)
        assert identity(writer.digest, meta, entities) == snapshot.identity
        assert snapshot.rows == PAGES * PAGE_ROWS
        assert f"version {snapshot.retrieved_at.minute + 60 * snapshot.retrieved_at.hour}" == (
            snapshot.modified
        )

    def serves_the_last(self) -> None:
        """While CBS is down the last snapshot is served, with observations that can be read."""
        state = ingest(self.workspace, Down(0))
        assert state.state == "quarantined"
        assert [state.snapshot] == self.whole[-1:]
        assert pq.read_metadata(state.observations).num_rows == PAGES * PAGE_ROWS

    def ends_well(self, version: int, tmp_path: Path) -> None:
        """An ordinary run gets the right content, the same as one in a new workspace."""
        here = ingest(self.workspace, Paged(version))
        there = ingest(tmp_path / "fresh", Paged(version))
        assert here.observations.read_bytes() == there.observations.read_bytes()
        assert here.recording.read_bytes() == there.recording.read_bytes()
        for snapshot in self.archive.snapshots(TABLE):
            self.verify(snapshot)
        left = {path.name for path in (self.workspace / "archive" / TABLE).iterdir()}
        assert left == {s.folder.name for s in self.archive.snapshots(TABLE)} | {"asked.json"}
        files = [*self.workspace.glob("recordings/*"), *self.workspace.glob("observations/*")]
        assert sorted(files) == sorted([here.recording, here.observations])


def kill(number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


def wait_for(path: Path, pattern: str, number: int) -> None:
    """Wait until a file is there, or the process has ended."""
    while Path(f"/proc/{number}").exists() and not any(path.glob(pattern)):
        time.sleep(0.0005)


def test_a_kill_at_any_moment_leaves_whole_snapshots_only(tmp_path: Path, forks: Forks) -> None:
    watched = Watched(tmp_path / "workspace")
    table = watched.workspace / "archive" / TABLE
    lasts = 1.0
    for version in range(3):
        forks.begin(watched.workspace, version)
        begin = time.perf_counter()
        assert forks.end() == 0
        lasts = min(lasts, time.perf_counter() - begin)
        assert watched.look() == 1
    chance = random.Random(20261122)
    version, kills, before, inside, after = 3, 0, 0, 0, 0
    while kills < KILLS:
        number = forks.begin(watched.workspace, version)
        match kills % 10:
            case 8:  # The manifest is there, and perhaps not yet the snapshot.
                wait_for(table, ".fetching/snapshot/manifest.json", number)
            case 9:
                wait_for(table, f"*T{version // 60:02}{version % 60:02}00Z-*", number)
            case _:
                time.sleep(lasts * chance.random())
        kill(number)
        killed = forks.end() == -signal.SIGKILL
        committing = any(table.glob(".fetching/snapshot/manifest.json"))
        committed = watched.look() == 1
        assert killed or committed
        # What was measured may not hold for long on a machine that does other work.
        lasts *= 1.02 if killed else 0.9
        kills += killed
        before += not committing and not committed
        inside += committing
        after += killed and committed
        if killed and kills % 10 == 0:
            watched.serves_the_last()
        # Mostly the same content again, which goes on with what was left; or already another one.
        if committed or chance.random() < 0.2:
            version += 1
    assert min(before, inside, after) > 0, (before, inside, after)
    watched.ends_well(version, tmp_path)


def test_what_was_killed_goes_on_where_it_stopped(tmp_path: Path, forks: Forks) -> None:
    watched = Watched(tmp_path / "workspace")
    number = forks.begin(watched.workspace, 1)
    pages = f"archive/{TABLE}/.fetching/snapshot/UntypedDataSet"
    wait_for(watched.workspace, f"{pages}.3*", number)
    kill(number)
    assert forks.end() == -signal.SIGKILL
    source = Paged(1)
    assert ingest(watched.workspace, source).state == "new"
    assert source.fetched < PAGES - 2
    watched.ends_well(1, tmp_path)


def test_a_full_disk_at_any_file_leaves_whole_snapshots_only(tmp_path: Path, forks: Forks) -> None:
    watched = Watched(tmp_path / "workspace")
    assert ingest(watched.workspace, Paged(1)).state == "new"
    watched.look()
    largest = max(path.stat().st_size for path in watched.workspace.rglob("*") if path.is_file())
    chance = random.Random(20261122)
    version, full = 2, 0
    for _ in range(30):
        forks.begin(watched.workspace, version, chance.randrange(largest))
        assert forks.end() == 0
        new = watched.look()
        if forks.outcome != "new":
            full += 1
            assert str(watched.workspace) in forks.outcome
            assert "Make room" in forks.outcome
            watched.serves_the_last()
        version += forks.outcome == "new" or new
    assert full > 5
    watched.ends_well(version, tmp_path)


if __name__ == "__main__":
    serve_forks()
