from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cbs.faults import KINDS, Fault, Misfortune, explained, parse_faults
from monitor.errors import UsageError

PATTERN = re.compile(r"[A-Za-z0-9/?$=.()^ ]+")


def is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return text == text.strip()


faults = st.builds(
    replace,
    st.one_of(
        *(st.just(Fault("", kind)) for kind in KINDS),
        st.builds(
            lambda status, after: Fault("", "status", status=status, retry_after=after),
            st.integers(100, 599),
            st.none() | st.integers(0, 9999),
        ),
        st.integers(0, 9999).map(lambda tenths: Fault("", "delay", seconds=tenths / 10)),
        st.sampled_from(("rows_change", "rows_change_silent")).map(
            lambda kind: Fault("", kind, doubled=True)
        ),
    ),
    match=st.just("") | st.from_regex(PATTERN, fullmatch=True).filter(is_pattern),
    times=st.none() | st.integers(1, 999_999_999),
    rate=st.integers(1, 100_000).map(lambda number: number / 100_000),
)

# How faults are written.


@given(st.lists(faults, min_size=1, max_size=4))
def test_what_is_written_is_read_back(given_faults: list[Fault]) -> None:
    assert parse_faults(",".join(map(str, given_faults))) == given_faults


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stall:2%", Fault("", "stall", times=None, rate=0.02)),
        ("status-503", Fault("", "status", times=None)),
        ("status-429=7:0.5%", Fault("", "status", 429, None, retry_after=7, rate=0.005)),
        ("resetx3@TableInfos", Fault("TableInfos", "reset", times=3)),
        ("truncate x3 @skip=10000", Fault("skip=10000", "truncate", times=3)),
        ("delay=2.5", Fault("", "delay", times=None, seconds=2.5)),
        ("row_count@85098NED", Fault("85098NED", "row_count", times=None)),
        ("rows_change=doubled", Fault("", "rows_change", times=None, doubled=True)),
    ],
)
def test_a_fault_is_written_in_a_word(text: str, expected: Fault) -> None:
    assert parse_faults(text) == [expected]


def test_all_is_every_fault_that_asking_again_overcomes() -> None:
    given_faults = parse_faults("all:5%@DataSet, row_count")
    assert [fault.name for fault in given_faults] == [
        "stall",
        "status-429",
        "status-503",
        "reset",
        "truncate",
        "invalid_json",
        "odata_error",
        "repeat",
        "row_count",
    ]
    assert {fault.rate for fault in given_faults[:-1]} == {0.05}
    assert {fault.match for fault in given_faults[:-1]} == {"DataSet"}
    assert [fault.retry_after for fault in given_faults if fault.kind == "status"] == [1, 1]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not written as"),
        ("stal:5%", "no kind 'stal'"),
        ("reset:5", "not written as"),
        ("reset:0%", "above 0 %"),
        ("reset:101%", "at most 100 %"),
        ("resetx0", "at least once"),
        ("reset@(", "regular expression"),
        ("reset,", "not written as"),
        ("status:5%", "status-503"),
        ("reset-503", "status-503"),
        ("reset=3", "=3 means nothing"),
        ("status-503=0.5", "=0.5 means nothing"),
        ("delay=doubled", "=doubled means nothing"),
        ("all=3", "no kind 'all'"),
    ],
)
def test_what_is_not_understood_is_told_with_the_kinds(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as error:
        parse_faults(text)
    assert all(f"- {kind}: " in str(error.value) for kind in [*KINDS, "all"])


def test_every_kind_is_explained() -> None:
    assert all(what in explained() for what in KINDS.values())


# Which request meets which.

TARGETS = [f"/ODataFeed/odata/{number:05}NED/UntypedDataSet" for number in range(1000)]


def kinds(misfortune: Misfortune, target: str) -> list[str]:
    return [fault.kind for fault in misfortune.of(target)]


def test_chance_repeats_whatever_the_order_of_requests() -> None:
    some = parse_faults("reset:10%,stall:10%")
    forth, back = Misfortune(some), Misfortune(some)
    fates = {target: kinds(forth, target) for target in TARGETS}
    assert {target: kinds(back, target) for target in reversed(TARGETS)} == fates
    other = Misfortune(some, seed=2)
    assert {target: kinds(other, target) for target in TARGETS} != fates


def test_a_rate_is_the_share_of_requests_and_each_kind_draws_its_own() -> None:
    misfortune = Misfortune(parse_faults("reset:5%,stall:5%"))
    met = [kinds(misfortune, target) for target in TARGETS]
    assert 25 <= met.count(["reset"]) <= 75
    assert 25 <= met.count(["stall"]) <= 75


def test_no_request_is_doomed_for_ever() -> None:
    misfortune = Misfortune(parse_faults("all:5%"))
    for target in TARGETS:
        assert any(not misfortune.of(f"{target}?$skip=10000") for _ in range(9))


def test_a_fault_is_used_up_after_its_times() -> None:
    misfortune = Misfortune(parse_faults("resetx2,truncatex1"))
    assert [kinds(misfortune, "/a/b") for _ in range(4)] == [["reset"], ["reset"], ["truncate"], []]


def test_a_delay_leaves_room_for_another_fault() -> None:
    assert kinds(Misfortune(parse_faults("delay,delay,reset,stall")), "/a/b") == [
        "delay",
        "delay",
        "reset",
    ]


@pytest.mark.parametrize(
    ("kind", "met", "spared"),
    [
        ("repeat", "/f/T/Rows?$top=9&$skip=10000", "/f/T/Rows?$skip=0"),
        ("rows_change", "/f/T/Observations?$skip=5", "/f/T/RegioSCodes?$skip=5"),
        ("rows_change_silent", "/f/T/UntypedDataSet?$skip=5", "/f/T/UntypedDataSet"),
        ("row_count", "/f/T/TableInfos?$format=json", "/f/T/DataProperties"),
        ("row_count", "/f/T/Properties", "/f/T/Observations"),
        ("foreign_next_link", "/f/T/RegioS", "/f/T/Properties"),
    ],
)
def test_a_fault_waits_for_a_request_to_which_it_can_happen(
    kind: str, met: str, spared: str
) -> None:
    misfortune = Misfortune(parse_faults(f"{kind}x1"))
    assert kinds(misfortune, spared) == []
    assert kinds(misfortune, met) == [kind]
    assert kinds(misfortune, met) == []
