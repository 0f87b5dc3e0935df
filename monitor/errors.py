"""The errors that people see, each with what is wrong, where, and what to do.

Belongs here: the base classes and the exit codes of the command line.
Does not belong here: the problems of definitions (``monitor.indicators.problems``: Dutch, numbered,
collected) and rules of any one room.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path


class Exit(IntEnum):
    """Exit codes of the command line."""

    GOOD = 0
    ERROR = 1
    WRONG_USE = 2
    QUARANTINED = 3
    """Published, but at least one table is quarantined."""


class MonitorError(Exception):
    """Something a person can repair. The command line prints it without a traceback."""

    exit_code: Exit = Exit.ERROR


class UsageError(MonitorError):
    """The command or a setting is wrong."""

    exit_code = Exit.WRONG_USE


class DiskError(MonitorError):
    """A folder that can't be written: the disk is full, or permission is lacking."""


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EROFS, errno.EACCES)
_FULL_TEXTS = ("disk is full", "disk I/O error", "max_temp_directory_size")
"""What SQLite and DuckDB say of a full disk besides the system's own words."""


@contextmanager
def writing(folder: Path | str) -> Iterator[None]:
    """Do work that writes; a full disk or a lack of permission then names the folder.

    Args:
        folder: where the work writes.

    Raises:
        DiskError: with what to do. DuckDB and SQLite have errors of their own for it, with the
            system's text in them; other errors stay what they are.
    """
    try:
        yield
    except MonitorError:
        raise
    except Exception as error:
        said = str(error).partition("\n")[0]
        if _tells(error, _FULL, _FULL_TEXTS):
            what = f"No room to write in {folder}: {said}. Make room on that disk"
        elif _tells(error, _FORBIDDEN):
            what = f"Not allowed to write in {folder}: {said}. Give this user the right to it"
        else:
            raise
        raise DiskError(
            f"{what}, or choose another folder with --data or MONITOR_DATA, and run again. "
            "Nothing half is left: the archive and the last publication are whole."
        ) from error


def _tells(error: Exception, codes: Sequence[int], texts: Sequence[str] = ()) -> bool:
    said = str(error)
    return getattr(error, "errno", None) in codes or any(
        text in said for text in [*map(os.strerror, codes), *texts]
    )


class TableError(MonitorError):
    """A CBS table can't be used as it came: it is quarantined, the monitor goes on.

    Attributes:
        table_id: CBS's identifier of the table.
        explanation: one Dutch sentence for the readers of ``quality.tables``.
    """

    explanation: str = "De tabel is niet bruikbaar zoals CBS die aanleverde."

    def __init__(self, table_id: str, detail: str) -> None:
        super().__init__(f"{table_id}: {detail}")
        self.table_id = table_id
        self.detail = detail
