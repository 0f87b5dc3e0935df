from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import duckdb
import pytest

from monitor.errors import DiskError, UsageError, writing


def failing(error: Exception) -> str:
    """Return what a person reads after an error while writing."""
    with pytest.raises(DiskError) as told, writing(Path("data")):
        raise error
    assert told.value.exit_code == 1
    return str(told.value)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EFBIG, os.strerror(errno.EFBIG), "data/x.parquet"),
        duckdb.IOException('IO Error: Could not write file "x": No space left on device'),
        sqlite3.OperationalError("database or disk is full\n[SQL: INSERT]"),
    ],
)
def test_a_full_disk_is_told_with_the_folder_and_what_to_do(error: Exception) -> None:
    told = failing(error)
    assert "No room to write in data" in told
    assert "MONITOR_DATA" in told
    assert "\n" not in told


def test_a_lack_of_permission_is_told_apart() -> None:
    told = failing(PermissionError(errno.EACCES, os.strerror(errno.EACCES), "data/x"))
    assert "Not allowed to write in data" in told
    assert "data/x" in told


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "x"), UsageError("disk is full")]
)
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as told, writing(Path("data")):
        raise error
    assert told.value is error
