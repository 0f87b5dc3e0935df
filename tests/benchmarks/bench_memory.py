"""Peak memory of taking a table in, and of the stages after it, for 1 and for 10 million rows.

Three dimensions and four topics, in pages of 10 000 rows that are made as they are asked. Each
stage is a process of its own; its peak is VmHWM, so Python and all libraries count. The named
alternative, cbsodata, holds a whole table: measured is ``json.loads`` of all pages, which is what
it does with them, for 1 million rows; ten times that does not fit where the monitor runs.

Targets: under 400 MB at 10 million rows, and flat: at most 1.5 x of 1 million.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TABLE = "90000NED"
REGIONS, AGES, PAGE_ROWS = 500, 100, 10_000


def peak() -> float:
    """Return the most memory that this process had, in MB."""
    (line,) = [x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x]
    return int(line.split()[1]) / 1024


class Synthetic:
    """A source of one table of some number of rows."""

    label, partial = "synthetic", False

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def ask(self, _: Any) -> str:
        """Return the same word always."""
        return "2026"

    def describe(self, _: Any) -> dict[str, list[dict[str, Any]]]:
        """Return the entities of the table."""
        years = -(-self.rows // (REGIONS * AGES))
        kinds = {"Leeftijd": "Dimension", "RegioS": "GeoDimension", "Perioden": "TimeDimension"}
        dimensions = [{"Key": key, "Type": kind, "Title": key} for key, kind in kinds.items()]
        topic = {"Type": "Topic", "Title": "x", "Datatype": "Double", "Decimals": 1, "Unit": "%"}
        topics = [{"Key": f"Topic_{n}", **topic} for n in range(4)]
        return {
            "TableInfos": [
                {
                    "Identifier": TABLE,
                    "Title": "x",
                    "Period": "",
                    "Modified": "x",
                    "RecordCount": self.rows,
                }
            ],
            "DataProperties": [
                {"ID": n, "Position": n, **row} for n, row in enumerate(dimensions + topics)
            ],
            "CategoryGroups": [],
            "Leeftijd": [{"Key": f"{n:05}", "Title": "x"} for n in range(AGES)],
            "RegioS": [{"Key": f"GM{n:04}", "Title": "x"} for n in range(REGIONS)],
            "Perioden": [
                {"Key": f"{1800 + n}JJ00", "Title": "x", "Status": "Definitief"}
                for n in range(years)
            ],
        }

    def page(self, start: int) -> bytes:
        """Return one page: ages within years within regions, so that an order is work."""
        years = -(-self.rows // (REGIONS * AGES))
        rows = []
        for n in range(start, min(start + PAGE_ROWS, self.rows)):
            region, rest = divmod(n, AGES * years)
            year, age = divmod(rest, AGES)
            figures = ",".join(
                f'"Topic_{t}":"{(n * (7919 + t) % 999983) / 10:>10}"' for t in range(4)
            )
            rows.append(
                f'{{"ID":{n},"Leeftijd":"{age:05}","RegioS":"GM{region:04}",'
                f'"Perioden":"{1800 + year}JJ00",{figures}}}'
            )
        return ('{"value":[' + ",".join(rows) + "]}").encode()

    def fetch(self, request: Any, into: Any) -> Any:
        """Hand the table over."""
        meta = into.describe(self.describe(request))
        for start in range(0, self.rows, PAGE_ROWS):
            page = self.page(start)
            into.take(gzip.compress(page, 1), into.parse(page), f"http://cbs/{start}")
        return meta


def take_in(workspace: Path, rows: int) -> None:
    """Fetch, archive, check and read the table."""
    from monitor.cbs.ingest import refresh
    from monitor.cbs.sources import TableRequest
    from monitor.regions.codes import AREA_CODES
    from monitor.validation.stages import check_recording

    state = refresh(
        TableRequest(TABLE),
        Synthetic(rows),
        workspace,
        datetime(2026, 11, 22, tzinfo=UTC),
        codes=AREA_CODES,
        validate=check_recording,
    )
    assert state.state == "new", state.detail


def derive(workspace: Path, _: int) -> None:
    """Make recording and observations again from the archived pages."""
    from monitor.cbs.archive import Archive
    from monitor.cbs.ingest import derived
    from monitor.cbs.sources import TableRequest
    from monitor.regions.codes import AREA_CODES

    snapshot = Archive(workspace / "archive").latest(TABLE)
    assert snapshot
    derived(snapshot, TableRequest(TABLE), workspace / "again", AREA_CODES)


def check(workspace: Path, rows: int) -> None:
    """Check the observations."""
    from monitor.validation.stages import check_observations

    verdict = check_observations(list(workspace.glob("observations/*")))
    assert verdict.passed
    assert verdict.rows == rows * 4


def query(workspace: Path, _: int) -> None:
    """Find the topics that have values, as ``staging.topics`` does."""
    import duckdb

    from monitor.settings import REPOSITORY
    from monitor.warehouse.build import build
    from monitor.warehouse.sqlmodels import load_models

    models = {model.id: model for model in load_models(REPOSITORY / "dbt_like_sql")}
    build(models["staging.topics"], workspace / "tables", list(workspace.glob("observations/*")))
    assert duckdb


def load(_: Path, rows: int) -> None:
    """Hold all rows at once, as cbsodata does."""
    source = Synthetic(rows)
    held: list[dict[str, str]] = []
    for start in range(0, rows, PAGE_ROWS):
        held += json.loads(source.page(start))["value"]


STAGES = {stage.__name__: stage for stage in (take_in, derive, check, query)}


def measure(stage: str, workspace: Path, rows: int) -> float:
    """Return the peak of a stage in a process of its own, and print it."""
    command = [sys.executable, __file__, stage, str(workspace), str(rows)]
    begin = time.perf_counter()
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    print(f"{rows:>12,} {stage:<10}{float(told):>8.0f} MB {time.perf_counter() - begin:>8.1f} s")
    return float(told)


def main() -> None:
    """Measure and print."""
    sizes = [int(size) for size in sys.argv[1:]] or [1_000_000, 10_000_000]
    peaks: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for stage, found in peaks.items():
                found.append(measure(stage, Path(folder), rows))
    measure("load", Path(), sizes[0])
    for stage, found in peaks.items():
        ratio = found[-1] / found[0]
        verdict = "met" if max(found) < 400 and ratio <= 1.5 else "NOT MET"
        print(f"{stage:<10} {max(found):>5.0f} MB, {ratio:.2f} x: {verdict}")


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] in {*STAGES, "load"}:
        stage, folder, size = sys.argv[1:]
        {**STAGES, "load": load}[stage](Path(folder), int(size))
        print(peak())
    else:
        main()
