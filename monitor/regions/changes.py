"""What the histories of all municipalities come to together: who became whom, and when.

Belongs here: moves between municipalities, told by both sides; the life of each municipality; and
where the two sides of a move, or two lines about one municipality, don't agree.
Does not belong here: reading CBS's text (``history``) and what a chain of moves over years means
(``concordance``).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from monitor.regions.codes import level
from monitor.regions.history import Block, History, Kind, Part, parse_history

if TYPE_CHECKING:
    from monitor.cbs.metadata import TableMeta

MoveKind = Literal["merged", "split", "renamed", "boundary_change", "remained"]
Side = Literal["origin", "destination"]
Population = Mapping[tuple[str, int], int]
"""(region code, year) -> inhabitants on 1 January."""

_STARTS = {Kind.FOUNDED}
_ENDS = {Kind.DISSOLVED}


@dataclass(frozen=True)
class Move:
    """What went from one municipality to another on a day.

    Attributes:
        date: from when.
        kind: ``merged``: the whole of a dissolved origin; ``split``: a part of one; ``renamed``:
            another code and nothing else; ``boundary_change``: a part of an origin that lives on;
            ``remained``: what an enlarged municipality was before, under the same code.
        origin: region code.
        destination: region code.
        hectares: area; None where CBS does not tell (before 2007), as below.
        dwellings: number of dwellings.
        inhabitants: number of inhabitants.
        share: part of the origin's inhabitants; None where that can't be known.
        told_by: which side's text tells it.
    """

    date: dt.date
    kind: MoveKind
    origin: str
    destination: str
    hectares: Decimal | None
    dwellings: int | None
    inhabitants: int | None
    share: Fraction | None
    told_by: tuple[Side, ...]


@dataclass(frozen=True)
class Municipality:
    """The life of a municipality under one code.

    Attributes:
        code: region code.
        name: without an addition such as ``(gemeente)`` only where CBS leaves it out.
        valid_from: first day; None is before CBS's history begins.
        valid_to: the day on which it was no more; None while it lives.
        predecessors: codes whose area or name it began with.
        successors: codes that got its area or name.
    """

    code: str
    name: str
    valid_from: dt.date | None
    valid_to: dt.date | None
    predecessors: tuple[str, ...]
    successors: tuple[str, ...]

    def lives_on(self, day: dt.date) -> bool:
        """Tell whether the municipality exists on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day < self.valid_to
        )


@dataclass(frozen=True)
class Finding:
    """Where CBS's text does not agree with itself.

    Attributes:
        check: ``one_side_only``, ``sides_disagree``, ``begin_differs`` or ``unknown_code``.
        region_code: whose text it is about.
        date: of the move.
        expected: what the one says.
        found: what the other says.
    """

    check: str
    region_code: str
    date: dt.date
    expected: str
    found: str


@dataclass(frozen=True)
class Changes:
    """All moves by date, all municipalities by code, and all findings."""

    moves: tuple[Move, ...]
    municipalities: Mapping[str, Municipality]
    findings: tuple[Finding, ...]


def told_by(meta: TableMeta, population: Population | None = None) -> Changes:
    """Read what CBS's table of the population tells of all municipalities.

    Args:
        meta: what the table (``reference.REGISTER``) says about itself.
        population: see ``read_changes``.

    Raises:
        HistoryError: a line can't be read.
    """
    members = [m for m in meta.geo.members.values() if level(m.code) == "municipality"]
    histories = (parse_history(m.code, m.raw.get("Description"), meta.table_id) for m in members)
    return read_changes(histories, {m.code: m.title for m in members}, population)


def read_changes(
    histories: Iterable[History], names: Mapping[str, str], population: Population | None = None
) -> Changes:
    """Put the histories of all municipalities together.

    Args:
        histories: one a municipality.
        names: region code -> name.
        population: where it is known; the share that moves with a boundary change needs it.
    """
    by_code = {history.region_code: history for history in histories}
    told = _told(by_code.values())
    ends = {code: _date_of(history, "to") for code, history in by_code.items()}
    findings: list[Finding] = []
    moves: list[Move] = []
    for (date, origin, destination), sides in sorted(told.items()):
        findings += _compared(date, origin, destination, sides)
        findings += [
            Finding(
                "unknown_code", code, date, f"{origin} to {destination}", "no such municipality"
            )
            for code in (origin, destination)
            if code not in by_code
        ]
        kind, part = sides.get("origin") or sides["destination"]
        moves.append(
            Move(
                date,
                "boundary_change" if kind is not Kind.RENAMED else "renamed",
                origin,
                destination,
                part.hectares,
                part.dwellings,
                part.inhabitants,
                None,
                tuple(sides),
            )
        )
    moves = _shared(moves, ends, population or {})
    municipalities = {}
    for code, history in sorted(by_code.items()):
        begin, differing = _begin(history)
        findings += differing
        municipalities[code] = Municipality(
            code,
            names.get(code, code),
            begin,
            ends[code],
            _others(moves, begin, destination=code),
            _others(moves, ends[code], origin=code),
        )
    return Changes(tuple(moves), municipalities, tuple(findings))


_Told = dict[tuple[dt.date, str, str], dict[Side, tuple[Kind, Part]]]


def _told(histories: Iterable[History]) -> _Told:
    told: _Told = defaultdict(dict)
    for history in histories:
        for block in history.blocks:
            for part in block.parts:
                if block.direction == "to":
                    key = (block.date, history.region_code, part.code)
                    told[key]["origin"] = (block.kind, part)
                else:
                    key = (block.date, part.code, history.region_code)
                    told[key]["destination"] = (block.kind, part)
    return told


def _compared(
    date: dt.date, origin: str, destination: str, sides: Mapping[Side, tuple[Kind, Part]]
) -> Iterable[Finding]:
    """Compare the two sides of a move; what remained under its own code has one."""
    if origin == destination:
        return
    if len(sides) == 1:
        (side,) = sides
        silent = destination if side == "origin" else origin
        moved = f"{origin} to {destination}: {_amounts(sides[side][1])}"
        yield Finding("one_side_only", silent, date, moved, "nothing")
        return
    ours, theirs = (_amounts(sides[side][1]) for side in ("origin", "destination"))
    if ours != theirs:
        yield Finding(
            "sides_disagree", origin, date, f"{origin}: {ours}", f"{destination}: {theirs}"
        )


def _amounts(part: Part) -> str:
    amounts = (
        (part.hectares, "hectare"),
        (part.dwellings, "dwellings"),
        (part.inhabitants, "inhabitants"),
    )
    return ", ".join(f"{'?' if amount is None else amount} {what}" for amount, what in amounts)


def _date_of(history: History, direction: Literal["from", "to"]) -> dt.date | None:
    """Return when a code began (``from``) or ended (``to``), by what happened to it."""
    kinds = _STARTS if direction == "from" else _ENDS
    dates = [
        block.date
        for block in history.blocks
        if block.kind in kinds or _other_code(block, direction, history.region_code)
    ]
    return (min if direction == "from" else max)(dates) if dates else None


def _other_code(block: Block, direction: str, code: str) -> bool:
    return (
        block.kind is Kind.RENAMED
        and block.direction == direction
        and any(part.code != code for part in block.parts)
    )


def _begin(history: History) -> tuple[dt.date | None, list[Finding]]:
    """Return the first day: being founded or renamed wins over ``Begindatum``."""
    told = _date_of(history, "from")
    listed = None if history.before else history.begin
    if told is None:
        return listed, []
    if history.begin in (None, told):
        return told, []
    return told, [
        Finding("begin_differs", history.region_code, told, f"{told}", f"{history.begin}")
    ]


def _others(
    moves: Sequence[Move],
    date: dt.date | None,
    *,
    origin: str | None = None,
    destination: str | None = None,
) -> tuple[str, ...]:
    return tuple(
        move.destination if origin else move.origin
        for move in moves
        if move.date == date
        and move.origin != move.destination
        and (move.origin == origin or move.destination == destination)
    )


def _shared(
    moves: Sequence[Move], ends: Mapping[str, dt.date | None], population: Population
) -> list[Move]:
    """Give each move its kind and the share of its origin's inhabitants."""
    leaving: dict[tuple[dt.date, str], list[Move]] = defaultdict(list)
    for move in moves:
        leaving[move.date, move.origin].append(move)
    arrived: dict[tuple[dt.date, str], int] = defaultdict(int)
    for move in moves:
        if move.origin != move.destination:
            arrived[move.date, move.destination] += move.inhabitants or 0

    def judged(move: Move) -> Move:
        together = leaving[move.date, move.origin]
        if move.kind == "renamed":
            return replace(move, share=Fraction(1))
        if move.origin == move.destination:
            return replace(move, kind="remained", share=None)
        if ends.get(move.origin) == move.date:
            if len(together) == 1:
                return replace(move, kind="merged", share=Fraction(1))
            counts = [other.inhabitants for other in together]
            total = None if None in counts else sum(count or 0 for count in counts)
            share = Fraction(move.inhabitants or 0, total) if total else None
            return replace(move, kind="split", share=share)
        before = _before(move, together, arrived, population)
        share = None
        if before and move.inhabitants is not None:
            share = Fraction(move.inhabitants, before)
        return replace(move, share=share)

    return [judged(move) for move in moves]


def _before(
    move: Move,
    leaving: Sequence[Move],
    arrived: Mapping[tuple[dt.date, str], int],
    population: Population,
) -> int | None:
    """Return the origin's inhabitants on the eve of a move.

    CBS's population of 1 January is in the division of that day: what moved that day is put back.
    """
    known = population.get((move.origin, move.date.year))
    if known is None or (move.date.month, move.date.day) != (1, 1):
        return known
    left = sum(other.inhabitants or 0 for other in leaving if other.destination != move.origin)
    return known + left - arrived[move.date, move.origin]
