"""The errors that people see, each with what is wrong, where, and what to do.

Belongs here: the base classes and the exit codes of the command line.
Does not belong here: the problems of definitions (``monitor.indicators.problems``: Dutch, numbered,
collected) and rules of any one room.
"""

from __future__ import annotations

from enum import IntEnum


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
