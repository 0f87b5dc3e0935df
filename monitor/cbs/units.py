"""Units of CBS's topics: the scale in front ("x 1 000 euro") and the unit itself.

Belongs here: the spellings of a scale. A new spelling is one entry in ``_WORDS`` or ``_NUMBER``.
Does not belong here: converting figures; observations keep the figures that CBS published.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from monitor.cbs.text import clean
from monitor.errors import TableError

_WORDS = {
    **dict.fromkeys(("duizend", "thousand"), 1_000),
    **dict.fromkeys(("mln", "miljoen", "million"), 1_000_000),
    **dict.fromkeys(("mld", "miljard", "billion"), 1_000_000_000),
}
# One and at least two zeros, in groups or not: 1 000, 1.000, 1,000, 1000. `\s` is any blank: CBS
# groups with no-break and narrow ones too.
_NUMBER = r"10{2,}|10{0,2}(?:[\s.,]000)+"
_AMOUNT = rf"(?P<number>{_NUMBER})|(?P<word>{'|'.join(_WORDS)})\.?"
_LEADING = re.compile(rf"(?:[x×]\s*)?(?:{_AMOUNT})(?:\s+(?P<name>.*))?", re.I)
_TRAILING = re.compile(rf"(?P<name>.*?)\s*(?P<open>\()?[x×]\s*(?:{_AMOUNT})(?(open)\))", re.I)
# What is counted per so many is a rate, not a scale: "per 1 000 inwoners", "euro/inwoner".
_RATE = re.compile(r"(?:\bper\b|/).*", re.I | re.S)
# An index says which year is 100.
_INDEX = re.compile(r"\d{4}\s*=\s*100")
_SUSPECT = re.compile(
    rf"^\d|[x×]\s*\d|\d\s*\^|\d[\s.,]?000(?!\d)|\b(?:{'|'.join(_WORDS)})"
    r"|duizend|honderd|tiental|miljoen|miljard",
    re.I,
)


class UnknownUnitError(TableError):
    """A unit with something in it that looks like a scale and is not known."""

    explanation = "De tabel heeft een eenheid met een schaal die de monitor niet kent."


@dataclass(frozen=True)
class Unit:
    """A unit as CBS writes it, taken apart.

    Attributes:
        text: CBS's text, trimmed: ``x 1 000 euro``.
        scale: what a figure must be multiplied by to be in ``name``: 1000.
        name: the unit without its scale: ``euro``; empty where CBS gives a scale only.
    """

    text: str
    scale: int
    name: str


def parse_unit(text: str | None, table_id: str = "?", topic: str = "?") -> Unit:
    """Take a unit apart.

    Knows a scale in front or behind, in figures or a word, Dutch or English: ``x 1 000 euro``,
    ``1 000 euro``, ``1,000 euro``, ``x 1.000``, ``mln euro``, ``million hours``,
    ``aantal (x 1 000)``. A rate keeps its own number: ``per 1 000 inwoners`` has scale 1, and
    ``1 000 euro per 1 000 inwoners`` has scale 1000.

    Args:
        text: CBS's unit; None and blank are a unit without a name.
        table_id: the table it stands in, for the error.
        topic: key of the topic it is of, for the error.

    Raises:
        UnknownUnitError: there is something like a scale in it, in a spelling not known here.
    """
    unit = clean(text)
    match = _LEADING.fullmatch(unit) or _TRAILING.fullmatch(unit)
    if match is None:
        scale, name = 1, unit
    else:
        digits = re.sub(r"\D", "", match["number"] or "")
        scale = int(digits) if digits else _WORDS[match["word"].lower()]
        name = clean(match["name"])
    if _SUSPECT.search(_RATE.sub("", name)) and not _INDEX.fullmatch(name):
        raise UnknownUnitError(
            table_id,
            f"topic {topic}: the unit {unit!r} seems to have a scale, in a spelling that is not "
            "known: add it to monitor/cbs/units.py",
        )
    return Unit(unit, scale, name)
