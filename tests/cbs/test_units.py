from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.cbs.units import Unit, UnknownUnitError, parse_unit


@pytest.mark.parametrize(
    ("text", "scale", "name"),
    [
        ("x 1 000", 1000, ""),
        ("x 1,000", 1000, ""),
        ("x 1.000", 1000, ""),
        ("x1000", 1000, ""),
        ("x 1 000 euro", 1000, "euro"),
        ("x 1\u00a0000 euro", 1000, "euro"),
        ("1 000 euro", 1000, "euro"),
        ("1,000 euro", 1000, "euro"),
        ("aantal (x 1 000)", 1000, "aantal"),
        ("euro x 1 000", 1000, "euro"),
        ("1 000 euro per 1 000 inwoners", 1000, "euro per 1 000 inwoners"),
        ("x 1 000 000 euro", 1_000_000, "euro"),
        ("mln euro", 1_000_000, "euro"),
        ("mln. euro", 1_000_000, "euro"),
        ("x mln", 1_000_000, ""),
        ("million hours", 1_000_000, "hours"),
        ("miljard euro", 1_000_000_000, "euro"),
    ],
)
def test_a_scale_is_known_in_its_spellings(text: str, scale: int, name: str) -> None:
    assert parse_unit(text) == Unit(text, scale, name)


@pytest.mark.parametrize(
    "text",
    [
        "", "aantal", "%", "% (zie toelichting)", "euro/inwoner", "per 1 000 inwoners",
        "per 1 000 huishoudens", "aantal inwoners per km²", "m³", "kWh", "In % bepaalde groep",
        "schaalscore (0 - 10)", "2015=100", "2015 = 100",
    ],
)  # fmt: skip
def test_a_unit_without_a_scale_keeps_its_text(text: str) -> None:
    assert parse_unit(text) == Unit(text, 1, text)


@pytest.mark.parametrize(
    "text",
    [
        "x 500", "x 1 500 euro", "x 10^3", "1e3 euro", "x 1 00", "1 0000 euro", "in duizenden",
        "honderdtallen", "x 1 000 x 1 000", "5 jaar", "1/1000",
    ],
)  # fmt: skip
def test_what_looks_like_a_scale_and_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(UnknownUnitError, match="99999NED: topic Uitgaven_3"):
        parse_unit(text, "99999NED", "Uitgaven_3")


@settings(deadline=None)
@given(
    st.sampled_from(["", "x", "x ", "× "]),
    st.sampled_from(["", " ", ".", ",", "\u00a0", "\u202f"]),
    st.integers(1, 3),
    st.sampled_from(["", "euro", "m³", "kg per 1 000 inwoners", "uren"]),
)
def test_prefix_and_grouping_make_no_difference(
    times: str, group: str, thousands: int, name: str
) -> None:
    unit = parse_unit(f"{times}1{f'{group}000' * thousands} {name}")
    assert (unit.scale, unit.name) == (1000**thousands, name)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_a_text_is_a_unit_or_an_error(text: str) -> None:
    with contextlib.suppress(UnknownUnitError):
        assert parse_unit(text).scale >= 1
