"""Fetching 1 000 000 rows x 10 topics, beside what most people use for it.

    python tests/benchmarks/bench_fetch.py [--rows N] [--repeat N]

A table is generated, and served by ``monitor.cbs.replay`` in a process of its own; every page is
asked once before anything is measured. Each measurement is a new process, the sides in turn:
seconds of the work itself, without imports, peak memory of the whole process, bytes that came in
over the wire and the number of requests. Three measures:

- at once: fetching and archiving beside cbsodata + pandas + Parquet. Both sides end with the table
  in Parquet; ours also has every page in the archive, and the identity of its content.
- v3, late: the same, where every answer waits 300 ms, as CBS's do.
- v4, late: the page loop alone, which spools every page, beside a plain client that follows
  ``@odata.nextLink`` with ``requests``.

Ours uses two cores where it can, so a machine that is busy with other things tells little about
the seconds: "CPU" (seconds of all threads, imports included) tells then what the work is.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import random
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Heavy imports stand where they are used: a child's peak memory starts at that of its parent.

TABLE, TABLE_4 = "99001NED", "99002NED"
TOPICS = 10
PAGE_ROWS = 10_000
LATENCY = 0.3


def with_cbsodata(url: str, folder: Path) -> Callable[[], int]:
    """The alternative: what most people write."""
    import cbsodata
    import pandas as pd

    cbsodata.options.use_https = False
    host = url.removeprefix("http://")

    def work() -> int:
        rows = cbsodata.get_data(TABLE, catalog_url=host)
        frame = pd.DataFrame(rows)
        frame.to_parquet(folder / "table.parquet")
        return len(frame)

    return work


def with_monitor(url: str, folder: Path) -> Callable[[], int]:
    """Ours, up to and including the snapshot: what ``ingest.refresh`` does before it converts."""
    from datetime import UTC, datetime

    from monitor.cbs.archive import Archive, Selection, SnapshotWriter
    from monitor.cbs.metadata import build_meta
    from monitor.cbs.recording import RecordingWriter, identity
    from monitor.cbs.sources import TableRequest, open_source

    class Intake:
        def __init__(self, writer: SnapshotWriter) -> None:
            self.writer = writer

        def describe(self, entities: Any) -> Any:
            self.entities = entities
            for name, rows in entities.items():
                self.writer.entity(name, rows)
            self.meta = build_meta(entities)
            self.recording = RecordingWriter(folder / "table.parquet", self.meta)
            return self.meta

        def parse(self, page: bytes) -> Any:
            return self.recording.parse(page)

        def had(self, _: str) -> bytes | None:
            return None

        def take(self, packed: bytes, rows: Any, _: str | None = None) -> None:
            self.writer.page(packed, self.recording.write(rows))

    def work() -> int:
        source = open_source(url, folder)
        with Archive(folder / "archive").writer(TABLE) as writer:
            intake = Intake(writer)
            source.fetch(TableRequest(TABLE), intake)
            intake.recording.close()
            content = identity(intake.recording.digest, intake.meta, intake.entities)
            return writer.commit(content, datetime.now(UTC), None, Selection()).rows

    return work


def with_refresh(url: str, folder: Path) -> Callable[[], int]:
    """All that becomes of a table: the same, and its 10 observations a row. Has no target."""
    from datetime import UTC, datetime

    from monitor.cbs.ingest import refresh
    from monitor.cbs.sources import TableRequest, open_source
    from monitor.regions.codes import AREA_CODES

    def work() -> int:
        source = open_source(url, folder)
        now = datetime.now(UTC)
        state = refresh(TableRequest(TABLE), source, folder, now, codes=AREA_CODES)
        assert state.snapshot, state.detail
        return state.snapshot.rows

    return work


def with_requests4(url: str, _: Path) -> Callable[[], int]:
    """The alternative for v4: a plain client."""
    import requests

    def work() -> int:
        rows: list[dict[str, Any]] = []
        link: str | None = f"{url}/odata/v1/CBS/{TABLE_4}/Observations"
        while link:
            answer = requests.get(link, timeout=60).json()
            rows += answer["value"]
            link = answer.get("@odata.nextLink")
        return len(rows)

    return work


def with_pages4(url: str, folder: Path) -> Callable[[], int]:
    """Our page loop: every page on disk, and read once."""
    from monitor.cbs.client import Service

    def count(page: bytes) -> int:
        return len(json.loads(page)["value"])

    def work() -> int:
        service = Service(url)
        first = f"{service.address4()}/odata/v1/CBS/{TABLE_4}/Observations"
        found = 0
        for number, (page, rows) in enumerate(service.pages(TABLE_4, [first], count)):
            (folder / f"{number}.gz").write_bytes(page.packed)
            found += rows
        return found

    return work


SIDES = {
    "cbsodata + pandas": with_cbsodata,
    "monitor": with_monitor,
    "(with observations)": with_refresh,
    "requests": with_requests4,
    "monitor's pages": with_pages4,
}
MEASURES: dict[str, tuple[float, tuple[str, ...], dict[str, float]]] = {
    "at once": (
        0.0,
        ("cbsodata + pandas", "monitor", "(with observations)"),
        {"seconds": 1 / 3, "MB": 1 / 4},
    ),
    "v3, late": (LATENCY, ("cbsodata + pandas", "monitor"), {"seconds": 1 / 3, "MB": 1 / 4}),
    "v4, late": (LATENCY, ("requests", "monitor's pages"), {"seconds": 1 / 3}),
}
"""Name -> latency, sides (the first is the alternative, the second ours), targets."""


class Wire:
    """Counts what this process asks and receives, whoever does it."""

    def __init__(self) -> None:
        self.requests = self.received = 0
        put, read = http.client.HTTPConnection.putrequest, socket.SocketIO.readinto

        def counted_put(connection: Any, *arguments: Any, **options: Any) -> None:
            self.requests += 1
            put(connection, *arguments, **options)

        def counted_read(stream: Any, buffer: Any) -> int | None:
            size = read(stream, buffer)
            self.received += size or 0
            return size

        http.client.HTTPConnection.putrequest = counted_put  # type: ignore[method-assign]
        socket.SocketIO.readinto = counted_read  # type: ignore[method-assign]


def measure(side: str, url: str) -> dict[str, float]:
    """Run one side in a new process."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", side, url], stdout=subprocess.PIPE, check=True
    )
    outcome: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def child(side: str, url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = SIDES[side](url, Path(folder))
        wire = Wire()
        start = time.perf_counter()
        rows = work()
        seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss if sys.platform == "darwin" else used.ru_maxrss * 1024
    outcome = {"seconds": seconds, "CPU": used.ru_utime + used.ru_stime, "MB": peak / 1e6}
    outcome |= {"MB wire": wire.received / 1e6, "requests": wire.requests}
    print(json.dumps({"rows": rows, **outcome}))


def record(folder: Path, rows: int) -> None:
    """Write the recordings of a table of regions x ages x years, with marks for missing figures."""
    regions = [f"GM{number:04}    " for number in range(1, 401)]
    ages = [f"{10_000 + 100 * number}   " for number in range(100)]
    years = [f"{year}JJ00" for year in range(2001, 2026)]
    dimensions = {"RegioS": regions, "Leeftijd": ages, "Perioden": years}
    kinds = {"RegioS": "GeoDimension", "Leeftijd": "Dimension", "Perioden": "TimeDimension"}
    topics = [f"Onderwerp_{number}" for number in range(1, TOPICS + 1)]
    properties: list[dict[str, Any]] = []
    for key, kind in kinds.items():
        properties.append({"Key": key, "Type": kind, "Title": key, "Description": ""})
    for number, key in enumerate(topics):
        figures_are = {
            "Datatype": "Double" if number % 2 else "Long",
            "Unit": "aantal",
            "Decimals": number % 2,
            "Default": "Missing",
        }
        described = {"Key": key, "Type": "Topic", "Title": key, "Description": ""}
        properties.append(described | figures_are)
    for number, row in enumerate(properties):
        row |= {"ID": number, "Position": number, "ParentID": None}
    info: dict[str, Any] = {
        "Identifier": TABLE,
        "Title": "Meting",
        "Period": "2001-2025",
        "Modified": "2026-01-01",
    }
    info["RecordCount"] = rows
    entities = {
        "TableInfos": [{"ID": 0, **info, "Source": "voorbeelddata (synthetisch)"}],
        "DataProperties": properties,
        "CategoryGroups": [],
    } | {
        key: [
            {"Key": code, "Title": f"{key} {code}".strip(), "Status": "Definitief"}
            for code in codes
        ]
        for key, codes in dimensions.items()
    }
    table = folder / TABLE
    table.mkdir()
    for name, content in entities.items():
        (table / f"{name}.json.gz").write_bytes(gzip.compress(json.dumps(content).encode()))

    chance = random.Random(1)
    figures: list[list[str]] = []
    for _ in range(9_973):  # prime: the figures don't repeat with the dimensions
        values = [chance.randrange(1, 10 ** chance.randint(1, 6)) for _ in topics]
        texts = [f"{value / 10:.1f}" if i % 2 else f"{value}" for i, value in enumerate(values)]
        figures.append([text if chance.random() > 0.02 else "" for text in texts])
    spellings: dict[str, Callable[[str], str]] = {
        "TypedDataSet": lambda text: text or "null",
        "UntypedDataSet": lambda text: f'"{text or ".":>8}"',
    }
    for entity, spell in spellings.items():
        tails = [
            ",".join(f'"{key}":{spell(text)}' for key, text in zip(topics, row, strict=True))
            for row in figures
        ]
        with gzip.open(table / f"{entity}.json.gz", "wt", compresslevel=1) as file:
            for number, (region, age, year) in enumerate(product(regions, ages, years)):
                if number == rows:
                    break
                file.write("," if number else "[")
                file.write(
                    f'{{"ID":{number},"RegioS":"{region}","Leeftijd":"{age}","Perioden":"{year}",'
                    f"{tails[number % len(tails)]}}}\n"
                )
            file.write("]")
    table = folder / TABLE_4
    table.mkdir()
    properties4 = {"Identifier": TABLE_4, "ObservationCount": rows}
    (table / "Properties.json.gz").write_bytes(gzip.compress(json.dumps(properties4).encode()))
    with gzip.open(table / "Observations.1.json.gz", "wt", compresslevel=1) as file:
        file.write('{"value":[')
        for number, (region, age, year) in enumerate(product(regions, ages, years)):
            if number == rows:
                break
            file.write("," if number else "")
            file.write(
                f'{{"Id":{number},"Measure":"M000352","ValueAttribute":"None",'
                f'"Value":{number % 9_973},"StringValue":null,"RegioS":"{region.strip()}",'
                f'"Leeftijd":"{age.strip()}","Perioden":"{year}"}}'
            )
        file.write("]}")


@contextmanager
def served(folder: Path, latency: float) -> Iterator[str]:
    """Serve recordings in another process; yields the address."""
    code = (
        "import sys, pathlib, monitor.cbs.replay as r\n"
        f"r.serve(pathlib.Path(sys.argv[1]), 0, page_rows={PAGE_ROWS}, latency={latency})"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found, "the server did not start"
            yield found[0]
        finally:
            server.terminate()


def warm(url: str) -> None:
    """Ask every page as any side will, so that the server only reads from then on."""
    code = (
        "import concurrent.futures, requests, sys\n"
        "def ask(address, encoding):\n"
        "    link = sys.argv[1] + address\n"
        "    while link:\n"
        "        answer = requests.get(link, headers={'Accept-Encoding': encoding}).json()\n"
        "        link = answer.get('odata.nextLink') or answer.get('@odata.nextLink')\n"
        f"v3, v4 = '/ODataFeed/odata/{TABLE}/', '/odata/v1/CBS/{TABLE_4}/Observations'\n"
        "chains = [v3 + 'TypedDataSet?$format=json', v3 + 'UntypedDataSet?$format=json', v4]\n"
        "encodings = ['identity', 'gzip', 'gzip']\n"
        "list(concurrent.futures.ThreadPoolExecutor().map(ask, chains, encodings))\n"
    )
    subprocess.run([sys.executable, "-c", code, url], check=True)


def report(outcomes: dict[str, list[dict[str, float]]], targets: dict[str, float]) -> None:
    """Print medians, every measurement, and the ratios, with their target where they have one."""
    columns = {"seconds": ".2f", "CPU": ".2f", "MB": ".0f", "MB wire": ".1f", "requests": ".0f"}
    print(f"{'median (each run)':20}" + "".join(f"{unit:>28}" for unit in columns))
    for side, runs in outcomes.items():
        cells = ""
        for unit, form in columns.items():
            numbers = [run[unit] for run in runs]
            every = " ".join(f"{number:{form}}" for number in numbers)
            median = f"{statistics.median(numbers):{form}}"
            cells += f"{f'{median} ({every})':>28}"
        print(f"{side:20}{cells}")
    theirs, ours, *_ = outcomes.values()
    for unit in columns:
        ratio = statistics.median(run[unit] for run in ours) / statistics.median(
            run[unit] for run in theirs
        )
        verdict = ""
        if target := targets.get(unit):
            met = "met" if ratio <= target else "NOT MET"
            verdict = f"; target at most {target:.3f}: {met}"
        print(f"{unit:8} {ratio:.3f} of the alternative{verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", action="append", choices=MEASURES, help="one measure")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        record(Path(folder), arguments.rows)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.gz")) / 1e6
        print(f"{arguments.rows:_} rows x {TOPICS} topics, {size:.0f} MB of recordings")
        for name in arguments.only or MEASURES:
            latency, sides, targets = MEASURES[name]
            print(f"\n{name}: {latency * 1000:.0f} ms before every answer")
            with served(Path(folder), latency) as url:
                warm(url)
                outcomes: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
                for _ in range(arguments.repeat):
                    for side, runs in outcomes.items():
                        runs.append(measure(side, url))
                        assert runs[-1]["rows"] == arguments.rows, runs[-1]
            report(outcomes, targets)


if __name__ == "__main__":
    main()
