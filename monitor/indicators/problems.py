"""Problems in definitions: numbered, in Dutch, with file and line, and never just the first.

Belongs here: the numbers, the levels and how a problem is printed.
Does not belong here: the checks themselves (``reader``, ``catalogue``, ``resolve``).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from monitor.errors import MonitorError


class Number(StrEnum):
    """The number of each kind of problem; the hundreds tell what it is about."""

    UNREADABLE = "D101"
    NOT_ALLOWED = "D102"
    DOUBLE_KEY = "D103"
    FILE_NAME = "D104"
    DOUBLE_ID = "D105"
    MISSING_FIELD = "D201"
    UNKNOWN_FIELD = "D202"
    WRONG_VALUE = "D203"
    DOUBLE_ENTRY = "D204"
    NOT_IN_CHANGES = "D205"
    UNKNOWN_PARTY = "D301"
    WRONG_SIDE = "D302"
    UNKNOWN_THEME = "D303"
    UNKNOWN_SERIES = "D304"
    UNKNOWN_POPULATION = "D305"
    NO_TABLE_FOR_PERIOD = "D306"
    OVERLAPPING_TABLES = "D307"
    CONFLICTING_TABLE = "D308"
    TABLE_NOT_IN_SERIES = "D309"
    UNKNOWN_TOPIC = "D401"
    AMBIGUOUS_TOPIC = "D402"
    OPEN_DIMENSION = "D403"
    UNKNOWN_DIMENSION = "D404"
    UNKNOWN_MEMBER = "D405"
    TEXT_TOPIC = "D406"
    NO_REGIONS = "D407"
    NO_SUCH_LEVEL = "D408"
    UNCHECKED_TABLE = "D409"
    NO_V4_NAME = "D410"


class Level(StrEnum):
    """How much a problem weighs."""

    ERROR = "fout"
    WARNING = "let op"


@dataclass(frozen=True, order=True)
class Problem:
    """One problem: where it is, what is wrong and what to do (Dutch)."""

    file: str
    line: int
    number: Number
    message: str
    remedy: str
    level: Level = Level.ERROR

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.number} {self.level}: {self.message} {self.remedy}"


class DefinitionsError(MonitorError):
    """The definitions hold at least one error.

    Attributes:
        problems: every problem found, in the order of files and lines.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems)
        errors = sum(problem.level is Level.ERROR for problem in self.problems)
        lines = "\n".join(map(str, self.problems))
        plural = "fout" if errors == 1 else "fouten"
        super().__init__(f"{lines}\n{errors} {plural} in de definities.")


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems that are errors, sorted."""
    return sorted(problem for problem in problems if problem.level is Level.ERROR)


def suggest(wrong: str, known: Iterable[str], otherwise: str = "", *, likeness: float = 0.6) -> str:
    """Return a Dutch sentence with what was probably meant, or ``otherwise``."""
    by_folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(wrong.casefold(), by_folded, n=3, cutoff=likeness)
    if not near:
        return otherwise
    return f"Bedoelde u {or_list([by_folded[name] for name in near])}?"


def or_list(names: Sequence[str]) -> str:
    """Return ``"a"``, ``"a" of "b"``, or ``"a", "b" of "c"``."""
    quoted = [f'"{name}"' for name in names]
    if len(quoted) == 1:
        return quoted[0]
    return f"{', '.join(quoted[:-1])} of {quoted[-1]}"


def shown(path: Path) -> str:
    """Return a path as people know it: relative to the working folder where it lies below it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()
