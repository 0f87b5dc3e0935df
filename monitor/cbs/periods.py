"""Period codes of CBS: one grammar for every table.

Belongs here: what a code says by itself. A new kind of period is one line in ``_KINDS``.
Does not belong here: the status of a period, which its table tells (``observations``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from monitor.errors import TableError

PeriodType = Literal[
    "year", "half_year", "quarter", "month", "week", "day", "school_year", "special"
]


class UnknownPeriodError(TableError):
    """A period code that is not in the grammar of this module."""

    explanation = "De tabel heeft een periode met een code die de monitor niet kent."


@dataclass(frozen=True)
class Period:
    """What a period code says.

    Attributes:
        code: CBS's code, e.g. ``2023KW01``.
        type: the kind of period.
        year: the calendar year it is in; of a school year the one in which it starts.
        start: first day, or None where the code does not say (``special``).
        end: last day, that day included, or None.
    """

    code: str
    type: PeriodType
    year: int
    start: date | None
    end: date | None


_Span = tuple[date, date] | tuple[None, None]


def _months(length: int) -> Callable[[int, int], _Span]:
    """Return the span of the n-th part of a year that is cut into parts of ``length`` months."""

    def span(year: int, part: int) -> _Span:
        first, after = (part - 1) * length, part * length
        start = date(year, first + 1, 1)
        return start, date(year + after // 12, after % 12 + 1, 1) - timedelta(days=1)

    return span


def _iso_week(year: int, week: int) -> _Span:
    start = date.fromisocalendar(year, week, 1)
    return start, start + timedelta(days=6)


def _day(year: int, month_day: int) -> _Span:
    day = date(year, *divmod(month_day, 100))
    return day, day


# (what follows the four digits of the year, kind, span of year and number). The number's bounds
# stand in the pattern, or the calendar refuses it.
_KINDS: tuple[tuple[str, PeriodType, Callable[[int, int], _Span]], ...] = (
    (r"JJ(00)", "year", lambda year, _: (date(year, 1, 1), date(year, 12, 31))),
    (r"HJ(0[12])", "half_year", _months(6)),
    (r"KW(0[1-4])", "quarter", _months(3)),
    (r"MM(0[1-9]|1[0-2])", "month", _months(1)),
    (r"SJ(00)", "school_year", lambda year, _: (date(year, 8, 1), date(year + 1, 7, 31))),
    (r"W1(\d\d)", "week", _iso_week),
    (r"X(000)", "special", lambda _, __: (None, None)),
    (r"(\d{4})", "day", _day),
)
_GRAMMAR = tuple(
    (re.compile(rf"([12][0-9]{{3}}){tail}", re.ASCII), kind, span) for tail, kind, span in _KINDS
)


def parse_period(code: str, table_id: str = "?", row: str = "?") -> Period:
    """Read a trimmed period code.

    Args:
        code: CBS's code: ``2023JJ00`` year, ``2023HJ01`` half-year, ``2023KW01`` quarter,
            ``2023MM01`` month, ``2023SJ00`` school year (1 August to 31 July), ``2023W101`` ISO
            week, ``20230101`` day, ``2023X000`` special (Iv3).
        table_id: the table it stands in, for the error.
        row: key of the row it stands in, for the error.

    Raises:
        UnknownPeriodError: any other code, and a day or week that the calendar does not have.
    """
    for pattern, kind, span in _GRAMMAR:
        if match := pattern.fullmatch(code):
            year, number = int(match[1]), int(match[2])
            try:
                return Period(code, kind, year, *span(year, number))
            except ValueError:
                break
    raise UnknownPeriodError(
        table_id,
        f"row {row}: unknown period code {code!r}: if CBS has a new kind of period, add it to "
        "monitor/cbs/periods.py",
    )
