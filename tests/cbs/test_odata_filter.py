from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cbs.odata_filter import FilterError, parse_filter

ROW = {
    "RegioS": "GM0363    ",
    "Perioden": "2020JJ00",
    "Aantal_1": 12,
    "Deel_2": 2.5,
    "Leeg_3": None,
}


def holds(text: str) -> bool:
    return parse_filter(text, ROW)(ROW)


@pytest.mark.parametrize(
    "text",
    [
        "RegioS eq 'GM0363    '",
        "'GM0363    ' eq RegioS",
        "RegioS ne 'GM0363'",
        "substringof('0363',RegioS)",
        "startswith(RegioS,'GM')",
        "startswith( RegioS , 'GM' ) and Perioden eq '2020JJ00'",
        "endswith(Perioden,'JJ00')",
        "substring(RegioS,0,2) eq 'GM'",
        "substring(Perioden,4) eq 'JJ00'",
        "Aantal_1 eq 12 and Deel_2 eq 2.5",
        "Aantal_1 gt 11 and Aantal_1 ge 12 and Aantal_1 lt 13 and Aantal_1 le 12",
        "Leeg_3 eq null and Aantal_1 ne null",
        "not (RegioS eq 'x')",
        "((RegioS eq 'GM0363    '))",
    ],
)
def test_a_filter_finds_the_row(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "RegioS eq 'GM0363'",  # too narrow
        "RegioS eq 'GM0363     '",  # too wide
        "RegioS eq 'gm0363    '",
        "substringof('WK',RegioS)",
        "substringof('x',Leeg_3)",
        "Leeg_3 gt 0",
        "Leeg_3 eq 0",
    ],
)
def test_a_filter_does_not_find_the_row(text: str) -> None:
    assert not holds(text)


def test_and_binds_tighter_than_or() -> None:
    true, false = "Aantal_1 eq 12", "Aantal_1 eq 13"
    assert holds(f"{true} or {true} and {false}")
    assert not holds(f"({true} or {true}) and {false}")


def test_two_quotes_stand_for_one() -> None:
    assert parse_filter("Title eq '''s-Gravenhage'")({"Title": "'s-Gravenhage"})


def test_a_column_may_be_called_as_a_function() -> None:
    assert parse_filter("substring eq 'x'")({"substring": "x"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "RegioS",
        "RegioS eq",
        "RegioS eq 'GM",
        "RegioS = 'GM'",
        "RegioS eq GM0363",
        "Regio eq 'GM'",
        "(RegioS eq 'a'",
        "RegioS eq 'a')",
        "RegioS eq 'a' Perioden eq 'b'",
        "RegioS eq 'a' and",
        "RegioS and Perioden",
        "startswith(RegioS)",
        "substring(RegioS,0,2)",
        "substringof(RegioS eq 'a','b')",
        "(RegioS eq 'a') eq (RegioS eq 'b')",
        "tolower(RegioS) eq 'a'",
        "RegioS eq 12a",
        "eq eq eq",
        "(" * 50_000,
    ],
)
def test_what_is_no_filter_is_refused_before_a_row_is_seen(text: str) -> None:
    with pytest.raises(FilterError):
        parse_filter(text, ROW)


@pytest.mark.parametrize(
    "text", ["RegioS eq 1", "Aantal_1 eq '12'", "startswith(Aantal_1,'1')", "substring(1,1) eq '1'"]
)
def test_text_and_number_do_not_compare(text: str) -> None:
    with pytest.raises(FilterError, match="types"):
        holds(text)


# A generated condition is a pair: its text in OData, and what it must say of ROW.
Said = tuple[str, bool]


def _quote(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _comparison(column: str, word: str, value: Any) -> Said:
    mine = ROW[column]
    outcome = {"eq": mine == value, "ne": mine != value, "lt": mine < value, "ge": mine >= value}
    return f"{column} {word} {_quote(value) if isinstance(value, str) else value}", outcome[word]


_WORDS = st.sampled_from(["eq", "ne", "lt", "ge"])
_TEXTS = st.one_of(st.sampled_from([ROW["RegioS"], "GM0363", "GM", "'", "a''b"]), st.text())
_LEAVES = st.one_of(
    st.builds(_comparison, st.sampled_from(["RegioS", "Perioden"]), _WORDS, _TEXTS),
    st.builds(_comparison, st.just("Aantal_1"), _WORDS, st.integers(-20, 20)),
    _TEXTS.map(lambda text: (f"startswith(RegioS,{_quote(text)})", ROW["RegioS"].startswith(text))),
    _TEXTS.map(lambda text: (f"substringof({_quote(text)},RegioS)", text in ROW["RegioS"])),
)


def _larger(smaller: st.SearchStrategy[Said]) -> st.SearchStrategy[Said]:
    def both(left: Said, right: Said) -> Said:
        return f"({left[0]}) and ({right[0]})", left[1] and right[1]

    def either(left: Said, right: Said) -> Said:
        return f"({left[0]}) or ({right[0]})", left[1] or right[1]

    return st.one_of(
        st.builds(both, smaller, smaller),
        st.builds(either, smaller, smaller),
        smaller.map(lambda said: (f"not ({said[0]})", not said[1])),
    )


@given(st.recursive(_LEAVES, _larger, max_leaves=8))
def test_any_filter_says_of_a_row_what_python_says(said: Said) -> None:
    text, expected = said
    assert holds(text) is expected


@given(st.text(alphabet="RegioSAantal_1 eqnotand'(),0.5-substringof\t", max_size=60))
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    with suppress(FilterError):
        parse_filter(text, ROW)(ROW)


@pytest.mark.parametrize(
    "text",
    [
        "Perioden in ('2019JJ00','2020JJ00')",
        "Aantal_1 in (12) and not (Leeg_3 in (1))",
        "contains(Perioden,'JJ')",
    ],
)
def test_v4_has_words_that_v3_does_not_know(text: str) -> None:
    assert parse_filter(text, ROW, version=4)(ROW)
    with pytest.raises(FilterError):
        holds(text)


def test_v4_does_not_know_substringof() -> None:
    with pytest.raises(FilterError):
        parse_filter("substringof('JJ',Perioden)", ROW, version=4)
