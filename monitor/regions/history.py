"""The history of municipalities as CBS tells it: a grammar for ``RegioS.Description``.

CBS's table of the population (03759ned) holds of each municipality, in Dutch text, what happened to
it: when it began and ended, which parts moved to or came from which other municipality, and how
many hectares, dwellings and inhabitants each part had.

Belongs here: reading that text, line by line, into blocks. The grammar is ``history.lark``.
Does not belong here: what the blocks of all municipalities come to together, and the texts of
countries, provinces and COROP areas, which are another grammar.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Literal

import lark

from monitor.errors import TableError

Direction = Literal["from", "to"]

PROSE = {
    "GM0997": "a register of persons without a municipality, described in sentences",
    "GM0998": "no municipality: what lies outside the Netherlands",
}
"""Regions whose text is not a history of parts, with the reason."""

COMPLETE_SINCE = 2007
"""From this year on each part has hectares, dwellings and inhabitants; before, some are missing."""


class HistoryError(TableError):
    """A line in the history of a municipality that can't be read."""

    explanation = "De geschiedenis van een gemeente staat er in een vorm die we niet kennen."


class Kind(StrEnum):
    """What happened, by CBS's word for it."""

    DISSOLVED = "dissolved"
    FOUNDED = "founded"
    REORGANISED = "reorganised"
    BOUNDARY = "boundary_change"
    CHANGED = "changed"
    RENAMED = "renamed"
    PROVINCE = "province_change"


_KINDS = {
    "Opgeheven": Kind.DISSOLVED,
    "Ontstaan": Kind.FOUNDED,
    "Gemeentelijke herindeling": Kind.REORGANISED,
    "Grenswijziging": Kind.BOUNDARY,
    "Wijziging": Kind.CHANGED,
}


@dataclass(frozen=True)
class Part:
    """What moved between two municipalities.

    Attributes:
        code: the other municipality, ``GM0014``.
        name: its name as the text gives it.
        hectares: area; None where the text does not tell (before 2007 only), as below.
        dwellings: number of dwellings.
        inhabitants: number of inhabitants.
    """

    code: str
    name: str
    hectares: Decimal | None = None
    dwellings: int | None = None
    inhabitants: int | None = None


@dataclass(frozen=True)
class Block:
    """One thing that happened to a municipality.

    Attributes:
        kind: what happened.
        date: from when.
        direction: parts came ``from`` others or went ``to`` them; None of a change of province.
        parts: what moved; of a renaming the one municipality with the old or the new name.
        provinces: of a change of province, the old and the new one.
        line: line in the text, from 1.
    """

    kind: Kind
    date: dt.date
    direction: Direction | None
    parts: tuple[Part, ...]
    line: int
    provinces: tuple[str, str] | None = None


@dataclass(frozen=True)
class History:
    """The text of one municipality.

    Attributes:
        region_code: ``GM0014``.
        blocks: in the order of the text.
        begin: ``Begindatum``; of ``Begindatum voor 1830`` the first day of that year; None where
            the text has none.
        before: the municipality is older than ``begin``.
    """

    region_code: str
    blocks: tuple[Block, ...]
    begin: dt.date | None = None
    before: bool = False


def parse_history(region_code: str, text: str | None, table_id: str = "03759ned") -> History:
    """Read the text of one municipality.

    Args:
        region_code: its code, trimmed; those in ``PROSE`` have no blocks.
        text: ``Description``; None or blank is a municipality without history.
        table_id: for the error.

    Raises:
        HistoryError: a line can't be read, tells something twice, or lacks numbers that are there
            since 2007. It names the region and the line.
    """
    if region_code in PROSE:
        return History(region_code, ())
    lines = (text or "").replace("\N{NO-BREAK SPACE}", " ").splitlines()
    try:
        tree = _parser().parse("".join(f"{line}\n" for line in lines))
        found = _Reader().transform(tree)
    except lark.exceptions.UnexpectedInput as error:
        number = min(error.line, len(lines)) if error.line > 0 else len(lines)
        raise _unread(table_id, region_code, number, lines) from None
    except lark.exceptions.VisitError as error:
        raise _unread(table_id, region_code, _line_of(error.obj), lines, error.orig_exc) from None
    begins = [(day, before) for day, before, _ in found["begins"]]
    if len(begins) > 1:
        raise _unread(table_id, region_code, found["begins"][1][2], lines, "Begindatum twice")
    begin, before = begins[0] if begins else (None, False)
    for block in found["blocks"]:
        if block.date.year >= COMPLETE_SINCE and block.kind is not Kind.RENAMED:
            for part in block.parts:
                if None in (part.hectares, part.dwellings, part.inhabitants):
                    problem = f"the part {part.name} ({part.code}) lacks a number"
                    raise _unread(table_id, region_code, block.line, lines, problem)
    return History(region_code, tuple(found["blocks"]), begin, before)


def _unread(
    table_id: str, region_code: str, number: int, lines: list[str], problem: object = None
) -> HistoryError:
    shown = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    why = f" ({problem})" if problem else ""
    return HistoryError(
        table_id,
        f"region {region_code}, line {number} of its Description can't be read: {shown!r}{why}. "
        "If CBS has a new wording, add it to monitor/regions/history.lark",
    )


@cache
def _parser() -> lark.Lark:
    grammar = Path(__file__).with_suffix(".lark").read_text(encoding="utf-8")
    return lark.Lark(grammar, parser="lalr", maybe_placeholders=False, propagate_positions=True)


def _line_of(tree: Any) -> int:
    return int(getattr(getattr(tree, "meta", tree), "line", 1))


class _Reader(lark.Transformer):  # type: ignore[type-arg]
    """Turns the tree of a text into blocks; methods are named after the grammar's rules."""

    def start(self, found: list[Any]) -> dict[str, list[Any]]:
        return {
            "blocks": [item for item in found if isinstance(item, Block)],
            "begins": [item for item in found if not isinstance(item, Block)],
        }

    def movement(self, found: list[Any]) -> Block:
        kind, date, *rest = found
        heading = [item for item in rest if isinstance(item, lark.Token)]
        parts = tuple(item for item in rest if isinstance(item, Part))
        if bool(heading) != bool(parts):
            raise ValueError("a heading without parts" if heading else "parts without a heading")
        codes = [part.code for part in parts]
        if len(codes) != len(set(codes)):
            raise ValueError("a municipality twice")
        direction: Direction | None = None
        if heading:
            direction = "to" if heading[0].type == "TO" else "from"
        return Block(_KINDS[str(kind)], _day(date), direction, parts, kind.line)

    def part(self, found: list[Any]) -> Part:
        name, code, *amounts = found
        return Part(str(code), str(name), **dict(amounts))

    def hectares(self, found: list[lark.Token]) -> tuple[str, Decimal]:
        return "hectares", Decimal(found[0].replace(",", "."))

    def dwellings(self, found: list[lark.Token]) -> tuple[str, int]:
        return "dwellings", int(found[0])

    def inhabitants(self, found: list[lark.Token]) -> tuple[str, int]:
        return "inhabitants", int(found[0])

    def renaming(self, found: list[lark.Token]) -> Block:
        date, which, name, code = found
        direction: Direction = "from" if which.type == "OLD" else "to"
        part = Part(str(code), str(name))
        return Block(Kind.RENAMED, _day(date), direction, (part,), date.line or 1)

    def provincial(self, found: list[lark.Token]) -> Block:
        date, left, joined = found
        provinces = (str(left), str(joined))
        return Block(Kind.PROVINCE, _day(date), None, (), date.line or 1, provinces)

    def begin(self, found: list[lark.Token]) -> tuple[dt.date, bool, int]:
        (token,) = found
        before = token.type == "YEAR"
        day = dt.date(int(token), 1, 1) if before else _day(token)
        return day, before, token.line or 1


def _day(token: lark.Token) -> dt.date:
    return dt.datetime.strptime(token, "%d-%m-%Y").replace(tzinfo=dt.UTC).date()
