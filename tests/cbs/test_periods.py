from __future__ import annotations

import contextlib
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.cbs.periods import UnknownPeriodError, parse_period

YEARS = st.integers(1900, 2100)


@pytest.mark.parametrize(
    ("code", "kind", "start", "end"),
    [
        ("2023JJ00", "year", date(2023, 1, 1), date(2023, 12, 31)),
        ("2023HJ01", "half_year", date(2023, 1, 1), date(2023, 6, 30)),
        ("2023HJ02", "half_year", date(2023, 7, 1), date(2023, 12, 31)),
        ("2023KW04", "quarter", date(2023, 10, 1), date(2023, 12, 31)),
        ("2024MM02", "month", date(2024, 2, 1), date(2024, 2, 29)),
        ("2023SJ00", "school_year", date(2023, 8, 1), date(2024, 7, 31)),
        ("2023W101", "week", date(2023, 1, 2), date(2023, 1, 8)),
        ("20230131", "day", date(2023, 1, 31), date(2023, 1, 31)),
        ("2023X000", "special", None, None),
    ],
)
def test_every_kind_of_period_is_read(
    code: str, kind: str, start: date | None, end: date | None
) -> None:
    period = parse_period(code)
    assert (period.code, period.type, period.start, period.end) == (code, kind, start, end)
    assert period.year == int(code[:4])


@pytest.mark.parametrize(
    "code",
    [
        "", "2023", "2023JJ01", "2023HJ03", "2023KW00", "2023KW05", "2023MM13", "2023W100",
        "2023W154", "2023W201", "20230229", "20231301", "2023X001", "2023jj00", "2023JJ00 ",
        "0023JJ00", "٢٠٢٣JJ00", "2023G400",
    ],
)  # fmt: skip
def test_any_other_code_is_refused_by_table_and_row(code: str) -> None:
    with pytest.raises(UnknownPeriodError, match="99999NED: row NL01") as caught:
        parse_period(code, "99999NED", "NL01")
    assert repr(code) in str(caught.value)


@settings(deadline=None)
@given(YEARS, st.sampled_from([("HJ", 2), ("KW", 4), ("MM", 12)]))
def test_the_parts_of_a_year_cover_it_without_gap_or_overlap(
    year: int, parts: tuple[str, int]
) -> None:
    kind, count = parts
    expected = date(year, 1, 1)
    for part in range(1, count + 1):
        period = parse_period(f"{year}{kind}{part:02}")
        assert period.start == expected
        assert period.end is not None
        expected = period.end + timedelta(days=1)
    assert expected == date(year + 1, 1, 1)


@settings(deadline=None)
@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)))
def test_every_day_of_the_calendar_is_a_period(day: date) -> None:
    assert parse_period(f"{day:%Y%m%d}").start == day


@settings(deadline=None)
@given(st.dates(date(1900, 1, 8), date(2100, 12, 24)))
def test_a_week_runs_from_monday_to_sunday_and_holds_its_days(day: date) -> None:
    year, week, _ = day.isocalendar()
    period = parse_period(f"{year}W1{week:02}")
    assert period.start is not None
    assert period.end is not None
    assert period.start <= day <= period.end
    assert (period.start.weekday(), period.end.weekday()) == (0, 6)


@settings(deadline=None)
@given(st.text(max_size=10))
def test_a_text_is_a_period_with_its_own_code_or_an_error(code: str) -> None:
    with contextlib.suppress(UnknownPeriodError):
        assert parse_period(code).code == code
