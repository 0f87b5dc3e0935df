from __future__ import annotations

import datetime as dt
from fractions import Fraction

import pytest

from monitor.regions.changes import Changes, read_changes
from monitor.regions.history import parse_history

AMOUNTS = "... 10 hectare met 5 woningen en {} inwoners"


def told(**texts: str) -> Changes:
    histories = [parse_history(code, text) for code, text in texts.items()]
    return read_changes(histories, {code: code for code in texts}, {("GM0001", 2020): 1000})


def moved(heading: str, *parts: tuple[str, int]) -> str:
    lines = [heading]
    for code, inhabitants in parts:
        lines += [f"- Naam ({code}),", AMOUNTS.format(inhabitants)]
    return "\n".join(lines) + "\n"


def test_a_move_that_both_sides_tell_is_one_move_without_findings() -> None:
    found = told(
        GM0001=moved("Opgeheven per 01-01-2021, overgegaan naar:", ("GM0002", 7)),
        GM0002=moved("Ontstaan per 01-01-2021, ontvangen van:", ("GM0001", 7)),
    )
    (move,) = found.moves
    assert (move.kind, move.share, move.inhabitants) == ("merged", 1, 7)
    assert move.told_by == ("origin", "destination")
    assert found.findings == ()


def test_the_parts_of_a_split_municipality_have_shares_of_its_inhabitants() -> None:
    found = told(
        GM0001=moved("Opgeheven per 01-01-2021, overgegaan naar:", ("GM0002", 7), ("GM0003", 2))
    )
    assert [(move.kind, move.share) for move in found.moves] == [
        ("split", Fraction(7, 9)),
        ("split", Fraction(2, 9)),
    ]


def test_what_only_one_side_tells_is_a_finding() -> None:
    found = told(
        GM0001=moved("Grenswijziging per 01-01-2021, overgegaan naar:", ("GM0002", 7)),
        GM0002="Begindatum voor 1830\n",
    )
    (finding,) = found.findings
    assert (finding.check, finding.region_code, finding.found) == (
        "one_side_only",
        "GM0002",
        "nothing",
    )


def test_sides_that_disagree_are_a_finding() -> None:
    found = told(
        GM0001=moved("Grenswijziging per 01-01-2021, overgegaan naar:", ("GM0002", 7)),
        GM0002=moved("Grenswijziging per 01-01-2021, ontvangen van:", ("GM0001", 8)),
    )
    (finding,) = found.findings
    assert finding.check == "sides_disagree"
    assert "7 inhabitants" in finding.expected
    assert "8 inhabitants" in finding.found


def test_the_share_of_a_boundary_change_is_of_the_inhabitants_before_it() -> None:
    """On 1 January 2020 GM0001 has 1 000 inhabitants, after 30 went and 10 came."""
    found = told(
        GM0001=moved("Grenswijziging per 01-01-2020, overgegaan naar:", ("GM0002", 30))
        + moved("Grenswijziging per 01-01-2020, ontvangen van:", ("GM0002", 10)),
        GM0002="",
    )
    shares = {move.origin: move.share for move in found.moves}
    assert shares == {"GM0001": Fraction(30, 1020), "GM0002": None}


def test_being_founded_wins_over_a_begin_that_differs_and_the_difference_is_listed() -> None:
    found = told(
        GM0001=moved("Ontstaan per 01-01-2016, uit:", ("GM0002", 5)) + "Begindatum 01-01-2015\n",
        GM0002=moved("Opgeheven per 01-01-2016, overgegaan naar:", ("GM0001", 5)),
    )
    assert found.municipalities["GM0001"].valid_from == dt.date(2016, 1, 1)
    (finding,) = found.findings
    assert (finding.check, finding.expected, finding.found) == (
        "begin_differs",
        "2016-01-01",
        "2015-01-01",
    )


def test_a_renamed_municipality_goes_on_under_its_new_code() -> None:
    found = told(
        GM0241="Naamswijziging per 01-01-2016,\nnieuwe naam: Berg en Dal (GM1945)\n",
        GM1945="Naamswijziging per 01-01-2016,\noude naam: Groesbeek (GM0241)\n",
    )
    old, new = found.municipalities["GM0241"], found.municipalities["GM1945"]
    assert (old.valid_to, old.successors) == (dt.date(2016, 1, 1), ("GM1945",))
    assert (new.valid_from, new.predecessors) == (dt.date(2016, 1, 1), ("GM0241",))


@pytest.mark.shared
def test_what_an_enlarged_municipality_received_adds_up_to_its_population(
    changes: Changes, population: dict[tuple[str, int], int]
) -> None:
    """Those that list all their parts, on 1 January 2019-2026 (CBS 03759ned)."""
    received: dict[tuple[str, int], list[int]] = {}
    whole = set()
    for move in changes.moves:
        key = (move.destination, move.date.year)
        if key in population and move.date == dt.date(move.date.year, 1, 1):
            if move.kind in ("merged", "split", "remained"):
                received.setdefault(key, []).append(move.inhabitants or 0)
            if move.kind == "remained":
                whole.add(key)
    founded = {(m.code, m.valid_from.year) for m in changes.municipalities.values() if m.valid_from}
    listed = [key for key in received if key in whole or key in founded]
    assert len(listed) == 18
    assert [key for key in listed if sum(received[key]) != population[key]] == []


@pytest.mark.shared
def test_the_two_sides_of_every_move_agree_but_for_three_that_one_side_leaves_out(
    changes: Changes,
) -> None:
    """Since 2007, when all numbers are there; GM0998 is abroad and has no text."""
    told = [f for f in changes.findings if f.date.year >= 2007 and f.region_code != "GM0998"]
    assert {(f.check, f.region_code) for f in told if f.check != "begin_differs"} == {
        ("one_side_only", "GM0828"),
        ("one_side_only", "GM1721"),
        ("one_side_only", "GM1949"),
    }
