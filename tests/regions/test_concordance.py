from __future__ import annotations

import datetime as dt
from collections import defaultdict
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.regions.changes import Changes, Population, read_changes
from monitor.regions.concordance import Concordance, Method
from monitor.regions.history import parse_history

MUNICIPALITIES = {
    2010: 431, 2011: 418, 2012: 415, 2013: 408, 2014: 403, 2015: 393, 2016: 390, 2017: 388,
    2018: 380, 2019: 355, 2020: 355, 2021: 352, 2022: 345, 2023: 342, 2024: 342, 2025: 342,
    2026: 342,
}  # fmt: skip
"""Number on 1 January (CBS, Gemeentelijke indeling per jaar)."""


def small(**texts: str) -> Concordance:
    histories = [parse_history(code, text) for code, text in texts.items()]
    population = {("GM0001", 2020): 1000, ("GM0002", 2020): 500}
    return Concordance(read_changes(histories, {}, population), population)


def part(code: str, inhabitants: int) -> str:
    return f"- Naam ({code}),\n... 1 hectare met 1 woningen en {inhabitants} inwoners\n"


def links(concordance: Concordance, first: int, other: int) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = defaultdict(dict)
    for link in concordance.links(first, other):
        found[link.origin][link.destination] = (link.share, link.method)
    return dict(found)


def test_a_merger_that_keeps_a_code_is_another_area() -> None:
    concordance = small(
        GM0001="Gemeentelijke herindeling per 01-01-2019, ontvangen van:\n"
        + part("GM0001", 90)
        + part("GM0002", 10),
        GM0002="Opgeheven per 01-01-2019, overgegaan naar:\n" + part("GM0001", 10),
    )
    assert links(concordance, 2018, 2019) == {
        "GM0001": {"GM0001": (1, Method.MERGED)},
        "GM0002": {"GM0001": (1, Method.MERGED)},
    }
    assert concordance.links(2019, 2018) == []


def test_a_chain_has_the_highest_method_and_multiplied_shares() -> None:
    concordance = small(
        GM0001="Opgeheven per 01-01-2019, overgegaan naar:\n"
        + part("GM0002", 25)
        + part("GM0003", 75),
        GM0002="Opgeheven per 01-01-2021, overgegaan naar:\n" + part("GM0004", 30),
        GM0003="",
        GM0004="Ontstaan per 01-01-2021, uit:\n" + part("GM0002", 30),
    )
    assert links(concordance, 2018, 2021)["GM0001"] == {
        "GM0003": (Fraction(3, 4), Method.SPLIT_BY_INHABITANTS),
        "GM0004": (Fraction(1, 4), Method.SPLIT_BY_INHABITANTS),
    }


def test_a_rename_goes_backwards_too() -> None:
    concordance = small(
        GM0001="Naamswijziging per 01-07-2015,\nnieuwe naam: Nieuw (GM0002)\n",
        GM0002="Naamswijziging per 01-07-2015,\noude naam: Oud (GM0001)\n",
    )
    assert links(concordance, 2015, 2016) == {"GM0001": {"GM0002": (1, Method.RENAMED)}}
    assert links(concordance, 2016, 2015) == {"GM0002": {"GM0001": (1, Method.RENAMED)}}


@pytest.mark.parametrize(
    ("inhabitants", "expected"),
    [
        (9, {"GM0001": (1, Method.SAME)}),
        (
            250,
            {
                "GM0001": (Fraction(4, 5), Method.BOUNDARY_CHANGE),
                "GM0002": (Fraction(1, 5), Method.BOUNDARY_CHANGE),
            },
        ),
    ],
)
def test_a_boundary_change_is_recalculated_from_one_in_a_hundred_inhabitants_on(
    inhabitants: int, expected: dict[str, object]
) -> None:
    """GM0001 has 1 000 inhabitants after it."""
    concordance = small(
        GM0001="Grenswijziging per 01-01-2020, overgegaan naar:\n" + part("GM0002", inhabitants),
        GM0002="",
    )
    assert links(concordance, 2019, 2020)["GM0001"] == expected


def test_a_material_boundary_change_without_a_known_population_is_only_marked() -> None:
    """GM0001's population is known of 2020 only, and the change was in 2017."""
    concordance = small(
        GM0001="Grenswijziging per 01-01-2017, overgegaan naar:\n" + part("GM0002", 250),
        GM0002="",
    )
    assert links(concordance, 2016, 2017) == {
        "GM0001": {"GM0001": (1, Method.BOUNDARY_CHANGE)},
        "GM0002": {"GM0002": (1, Method.BOUNDARY_CHANGE)},
    }


@given(
    st.lists(st.integers(1, 10_000), min_size=1, max_size=5),
    st.lists(st.integers(1, 10_000), min_size=1, max_size=5),
)
def test_shares_of_an_origin_add_up_to_one_exactly(first: list[int], second: list[int]) -> None:
    ends = [f"GM2{n:03}" for n in range(len(second))]
    middle = [f"GM1{n:03}" for n in range(len(first))]
    texts = {
        "GM0001": "Opgeheven per 01-01-2015, overgegaan naar:\n"
        + "".join(part(code, count) for code, count in zip(middle, first, strict=True))
    }
    for code in middle:
        texts[code] = "Opgeheven per 14-09-2018, overgegaan naar:\n" + "".join(
            part(end, count) for end, count in zip(ends, second, strict=True)
        )
    texts |= dict.fromkeys(ends, "")
    found = [link for link in small(**texts).links(2014, 2019) if link.origin == "GM0001"]
    assert sum(link.share for link in found) == 1
    assert {link.destination for link in found} == set(ends)


@pytest.mark.shared
def test_the_number_of_municipalities_is_cbs_s_in_every_year(changes: Changes) -> None:
    concordance = Concordance(changes)
    assert {y: len(concordance.municipalities(y)) for y in MUNICIPALITIES} == MUNICIPALITIES
    living = [m for m in changes.municipalities.values() if m.lives_on(dt.date(2022, 3, 24))]
    assert len(living) == 344


@pytest.mark.shared
def test_every_origin_goes_wholly_to_municipalities_that_exist(
    changes: Changes, population: Population
) -> None:
    concordance = Concordance(changes, population)
    for first in (2010, 2015, 2018, 2022):
        there = set(concordance.municipalities(2026))
        shares: dict[str, Fraction] = defaultdict(Fraction)
        for link in concordance.links(first, 2026):
            shares[link.origin] += link.share
            assert link.destination in there
        assert set(shares) == set(concordance.municipalities(first))
        assert set(shares.values()) == {Fraction(1)}


@pytest.mark.shared
def test_a_population_in_the_newest_division_keeps_its_total(
    changes: Changes, population: Population
) -> None:
    """Totals are CBS's for the Netherlands; in 2020 Haaren is split over four municipalities."""
    concordance = Concordance(changes, population)
    for year in range(2019, 2026):
        rebased: dict[str, Fraction] = defaultdict(Fraction)
        for link in concordance.links(year, 2026):
            rebased[link.destination] += link.share * population[link.origin, year]
        assert sum(rebased.values()) == population["NL01", year]
        if year == 2020:
            heirs = {
                "GM0757": 32957.80,
                "GM0865": 31475.80,
                "GM0824": 32093.16,
                "GM0855": 221236.24,
            }
            assert {code: round(float(rebased[code]), 2) for code in heirs} == heirs


@pytest.mark.shared
def test_two_boundary_changes_since_2010_moved_more_than_one_in_a_hundred(
    changes: Changes, population: Population
) -> None:
    concordance = Concordance(changes, population)
    marked = {
        (link.origin, year)
        for year in range(2010, 2026)
        for link in concordance.links(year, year + 1)
        if link.method is Method.BOUNDARY_CHANGE
    }
    # Slochteren to Groningen in 2017, Nissewaard to Hellevoetsluis in 2018
    assert marked == {("GM0040", 2016), ("GM0014", 2016), ("GM1930", 2017), ("GM0530", 2017)}
