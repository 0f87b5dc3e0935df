"""From the municipalities of one year to those of another: shares that add up to one.

Belongs here: chaining the moves between two years, in rational numbers, and which method it took.
Does not belong here: the moves themselves (``changes``), and figures.

A division is that of 1 January. Moves are chained day by day, so that changes during a year come
in their turn, and an enlarged municipality that kept its code is another area than before.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction

from monitor.regions.changes import Changes, Move, Population

FIRST = 2010
"""The first year: CBS's text is complete from 2007 on."""
MATERIAL = Fraction(1, 100)
"""A boundary change that moves a smaller share of the origin's inhabitants is not recalculated."""


class Method(IntEnum):
    """How a share came about; of a chain the highest counts."""

    SAME = 0
    RENAMED = 1
    MERGED = 2
    BOUNDARY_CHANGE = 3
    SPLIT_BY_INHABITANTS = 4


_METHODS = {
    "renamed": Method.RENAMED,
    "merged": Method.MERGED,
    "split": Method.SPLIT_BY_INHABITANTS,
}


@dataclass(frozen=True)
class Link:
    """What part of a municipality in one year lies in a municipality of another year.

    Attributes:
        origin: region code in the first year.
        destination: region code in the other year.
        share: part of the origin's inhabitants, exact; those of an origin add up to one.
        method: how it came about.
    """

    origin: str
    destination: str
    share: Fraction
    method: Method


_Onward = Mapping[str, tuple[tuple[str, Fraction, Method], ...]]
"""Region code before a day -> where its parts are from that day on."""


class Concordance:
    """The links between any two years; see ``links``.

    Args:
        changes: all moves and municipalities.
        population: where it is known. A boundary change that is material is recalculated where the
            origin's population is known and else only marked, by its method.
    """

    def __init__(self, changes: Changes, population: Population | None = None) -> None:
        self._changes = changes
        self._population = population or {}
        by_day: dict[dt.date, list[Move]] = defaultdict(list)
        for move in changes.moves:
            if move.date > dt.date(FIRST, 1, 1):
                by_day[move.date].append(move)
        self._days = {day: self._onward(moves) for day, moves in sorted(by_day.items())}

    def municipalities(self, year: int) -> list[str]:
        """Return the codes of the municipalities on 1 January of a year, sorted."""
        day = dt.date(year, 1, 1)
        found = self._changes.municipalities.values()
        return sorted(municipality.code for municipality in found if municipality.lives_on(day))

    def links(self, first: int, other: int) -> list[Link]:
        """Return the links from the division of one year to that of another.

        Forwards the shares of each origin add up to one. Backwards there is a link only where a
        municipality is the same area, perhaps under another code: how a merged one was made up in
        an earlier year nobody tells.
        """
        if other >= first:
            return sorted(self._forwards(first, other), key=lambda x: (x.origin, x.destination))
        forwards = list(self._forwards(other, first))
        received: dict[str, int] = defaultdict(int)
        for link in forwards:
            received[link.destination] += 1
        return sorted(
            (
                Link(link.destination, link.origin, link.share, link.method)
                for link in forwards
                if link.method <= Method.RENAMED and received[link.destination] == 1
            ),
            key=lambda x: (x.origin, x.destination),
        )

    def _forwards(self, first: int, other: int) -> Iterator[Link]:
        start, end = dt.date(first, 1, 1), dt.date(other, 1, 1)
        days = [onward for day, onward in self._days.items() if start < day <= end]
        for origin in self.municipalities(first):
            parts = {origin: (Fraction(1), Method.SAME)}
            for onward in days:
                if parts.keys().isdisjoint(onward):
                    continue
                parts = _moved(parts, onward)
            for destination, (share, method) in parts.items():
                yield Link(origin, destination, share, method)

    def _onward(self, moves: list[Move]) -> _Onward:
        """Return where the municipalities that a day's moves touch go on, each wholly."""
        onward: dict[str, list[tuple[str, Fraction, Method]]] = defaultdict(list)
        left: dict[str, Fraction] = defaultdict(Fraction)
        for move in moves:
            if move.kind in _METHODS and move.share is not None:
                onward[move.origin].append((move.destination, move.share, _METHODS[move.kind]))
            elif move.kind == "boundary_change" and self._is_material(move):
                left[move.origin] += move.share or 0
                left[move.destination] += 0
                if move.share is not None:
                    part = (move.destination, move.share, Method.BOUNDARY_CHANGE)
                    onward[move.origin].append(part)
        for code, share in left.items():
            onward[code].append((code, 1 - share, Method.BOUNDARY_CHANGE))
        for move in moves:
            if move.kind in ("merged", "split") and move.destination not in onward:
                # Enlarged, or new: then nothing was there before under this code.
                onward[move.destination].append((move.destination, Fraction(1), Method.MERGED))
        return {code: tuple(parts) for code, parts in onward.items()}

    def _is_material(self, move: Move) -> bool:
        if move.share is not None:
            return move.share >= MATERIAL
        about = self._about(move.origin, move.date.year)
        return about is not None and Fraction(move.inhabitants or 0, about) >= MATERIAL

    def _about(self, code: str, year: int) -> int | None:
        """Return about how many inhabitants a municipality had: of the year nearest to ``year``."""
        known = {y: count for (c, y), count in self._population.items() if c == code and count}
        end = (
            self._changes.municipalities[code].valid_to
            if code in self._changes.municipalities
            else None
        )
        if end is not None:
            gone = sum(
                move.inhabitants or 0
                for move in self._changes.moves
                if move.date == end and move.origin == code
            )
            if gone:
                known.setdefault(end.year, gone)
        nearest = min(known, key=lambda y: abs(y - year), default=None)
        return known[nearest] if nearest is not None else None


def _moved(
    parts: Mapping[str, tuple[Fraction, Method]], onward: _Onward
) -> dict[str, tuple[Fraction, Method]]:
    moved: dict[str, tuple[Fraction, Method]] = {}
    for code, (share, method) in parts.items():
        for destination, part, how in onward.get(code, ((code, Fraction(1), Method.SAME),)):
            before, worst = moved.get(destination, (Fraction(0), Method.SAME))
            moved[destination] = (before + share * part, max(worst, method, how))
    return moved
