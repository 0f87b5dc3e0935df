"""CBS's history of municipalities, as recorded; and small made-up ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from monitor.regions.changes import Changes, Population, read_changes
from monitor.regions.codes import level
from monitor.regions.history import parse_history

RECORDING = Path(__file__).resolve().parents[3] / "shared" / "cbs" / "03759ned"


@pytest.fixture(scope="session")
def population() -> Population:
    """Inhabitants on 1 January 2019-2026 by municipality, and of the country (CBS 03759ned)."""
    rows = _rows("UntypedDataSet")
    return {
        (row["RegioS"].strip(), int(row["Perioden"][:4])): int(row["BevolkingOp1Januari_1"])
        for row in rows
        if row["BevolkingOp1Januari_1"].strip()
    }


@pytest.fixture(scope="session")
def changes(population: Population) -> Changes:
    """All changes that CBS tells of in RegioS of 03759ned."""
    rows = {row["Key"].strip(): row for row in _rows("RegioS")}
    histories = [
        parse_history(code, row["Description"])
        for code, row in rows.items()
        if level(code) == "municipality"
    ]
    names = {code: row["Title"] for code, row in rows.items()}
    return read_changes(histories, names, population)


def _rows(entity: str) -> list[dict[str, str]]:
    file = RECORDING / f"{entity}.json.gz"
    if not file.is_file():
        pytest.skip("no recordings of CBS's tables")
    rows: list[dict[str, str]] = json.loads(gzip.decompress(file.read_bytes()))
    return rows
