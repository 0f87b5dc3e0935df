"""What CBS says about the rhythm of a table and about its next publication.

Belongs here: reading those words (pure: texts in, facts out).
Does not belong here: the periods of figures (``periods``), when the monitor asks (``pipeline``),
and whether a publication is late (``monitor.status``).

CBS states a rhythm in ``Frequency`` and the next publication in a sentence of its description,
under "Wanneer komen er nieuwe cijfers?". A sentence is kept as CBS wrote it; a date is read only
where it can be read in one way. How CBS's vaguer words are taken:

    begin, medio, eind of a month   day 1-10, 11-20, 21 and later
    begin, medio, eind of a year    January-March, May-August, October-December
    voorjaar, zomer, najaar         from the first month of the meteorological season to the last
                                    day of the astronomical one: the widest that it can mean
    winter                          not read: it lies in two years
"""

from __future__ import annotations

import datetime as dt
import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from monitor.cbs.text import clean

Rhythm = Literal["month", "quarter", "half-year", "year", "irregular", "stopped"]

_RHYTHMS: Mapping[str, Rhythm] = {
    "perjaar": "year",
    "jaarlijks": "year",
    "yearly": "year",
    "annually": "year",
    "tweemaalperjaar": "half-year",
    "halfjaarlijks": "half-year",
    "perhalfjaar": "half-year",
    "twiceayear": "half-year",
    "perkwartaal": "quarter",
    "quarterly": "quarter",
    "permaand": "month",
    "maandelijks": "month",
    "monthly": "month",
    "onregelmatig": "irregular",
    "irregular": "irregular",
    "stopgezet": "stopped",
    "discontinued": "stopped",
    "eenmalig": "stopped",
}

_TEXTS = ("ShortDescription", "Description", "LongDescription", "ExplanatoryText")
_HEADING = re.compile(
    r"(?:wanneer\s+(?:komen|verschijnen)\s+(?:er\s+)?(?:de\s+)?nieuwe\s+(?:cijfers|gegevens)"
    r"|when\s+will\s+(?:the\s+)?new\s+(?:figures|data)\b)[^?:\n]*[?:]",
    re.IGNORECASE,
)
_NONE = re.compile(
    r"niet meer|geen nieuwe (?:cijfers|gegevens)|stopgezet|gestopt|beëindigd|niet van toepassing"
    r"|discontinued|no (?:longer|new)|not applicable|terminated",
    re.IGNORECASE,
)
_PUBLISHES = re.compile(
    r"nieuwe|publi|kom(?:t|en)\b|verschijn|beschikbaar|toegevoegd|opgenomen|verwacht|aangevuld"
    r"|geactualiseerd|bijgewerkt|vrijgegeven|uitgebracht|\bnew\b|release|available|added|updated"
    r"|expected",
    re.IGNORECASE,
)

_MONTHS = {
    name: number
    for names in (
        "januari februari maart april mei juni juli augustus september oktober november december",
        "january february march april may june july august september october november december",
    )
    for number, name in enumerate(names.split(), start=1)
}
_ORDINALS = {
    **{word: n for n, word in enumerate(["eerste", "tweede", "derde", "vierde"], start=1)},
    **{word: n for n, word in enumerate(["first", "second", "third", "fourth"], start=1)},
    **{form: n for n in range(1, 5) for form in (f"{n}e", f"{n}de")},
    "1ste": 1,
    "1st": 1,
    "2nd": 2,
    "3rd": 3,
    "4th": 4,
}
_SEASONS: Mapping[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "voorjaar": ((3, 1), (6, 20)),
    "lente": ((3, 1), (6, 20)),
    "spring": ((3, 1), (6, 20)),
    "zomer": ((6, 1), (9, 22)),
    "summer": ((6, 1), (9, 22)),
    "najaar": ((9, 1), (12, 20)),
    "herfst": ((9, 1), (12, 20)),
    "autumn": ((9, 1), (12, 20)),
}
_PARTS = {"begin": 0, "medio": 1, "half": 1, "eind": 2, "einde": 2}
_PARTS_OF_YEAR = (((1, 1), (3, 31)), ((5, 1), (8, 31)), ((10, 1), (12, 31)))


def _either(words: Mapping[str, object]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_OF = r"\s+(?:van\s+|of\s+)?(?:het\s+jaar\s+)?"
_WHEN = (
    rf"(?P<day>\d{{1,2}})\s+(?P<day_month>{_either(_MONTHS)})\s+(?P<day_year>\d{{4}})"
    rf"|(?:(?P<part>{_either(_PARTS)})\s+)?(?P<month>{_either(_MONTHS)}){_OF}(?P<month_year>\d{{4}})"
    rf"|(?P<year_part>{_either(_PARTS)}){_OF}(?P<part_year>\d{{4}})"
    rf"|(?:het\s+|the\s+)?(?P<nth>{_either(_ORDINALS)})\s+"
    rf"(?:kwartaal|quarter){_OF}(?P<quarter_year>\d{{4}})"
    rf"|(?:de\s+|het\s+|the\s+)?(?P<which>{_either(_ORDINALS)})\s+"
    rf"(?:halfjaar|half\s+jaar|helft|half){_OF}(?P<half_year>\d{{4}})"
    rf"|(?:het\s+|de\s+|the\s+)?(?P<season>{_either(_SEASONS)}){_OF}(?P<season_year>\d{{4}})"
)
_SCHOOL = r"\d{4}\s*/\s*['’‘]?\d{2,4}"
_PLAIN = re.sub(r"\?P<\w+>", "?:", _WHEN)
_ABOUT = rf"(?:{_SCHOOL}|{_PLAIN}|(?:(?:het|de|the)\s+)?(?:jaar\s+|jaren\s+)?\d{{4}})"
# Left to right, so that "in het tweede kwartaal van 2027" is read before its "van 2027"
_TIMES = re.compile(
    rf"\b(?P<moment>(?:(?:in|op|on)\s+(?:de\s+loop\s+van\s+)?|(?=(?:{_either(_PARTS)})\s))"
    rf"(?:{_WHEN})|in\s+(?:de\s+loop\s+van\s+)?(?P<year>\d{{4}}))(?![\d/])"
    rf"|\b(?:over|van|voor|vóór|vanaf|sinds|tussen|per|t/m|tot(?:\s+en\s+met)?|peildatum"
    rf"|stand(?:en)?\s+(?:op|per)|for|of|from|until|about|since|before)\s+{_ABOUT}"
    rf"(?:\s*(?:,|-|–|en|and|t/m|tot(?:\s+en\s+met)?)\s+{_ABOUT})*",
    re.IGNORECASE,
)
_UNREAD = re.compile(
    rf"\b(?:{_either({m: n for m, n in _MONTHS.items() if m != 'may'})})\b"
    rf"|\b(?:{_either(_SEASONS)}|winter|kwartaal|quarter|halfjaar|helft)\b\D{{0,12}}\b\d{{4}}\b"
    r"|\b(?:uiterlijk|niet\s+eerder\s+dan|voor|vóór|vanaf|before|from|by)\s+\|",
    re.IGNORECASE,
)
"""What makes the rest of a sentence, each time in it replaced by " | ", say more than was read."""


@dataclass(frozen=True)
class Expected:
    """What CBS says of a table's next publication.

    Attributes:
        text: CBS's sentences, with single spaces.
        first, last: the first and last day on which it is expected; None where the text gives no
            date that can be read in one way.
        ended: CBS says that none will come.
    """

    text: str
    first: dt.date | None = None
    last: dt.date | None = None
    ended: bool = False


@dataclass(frozen=True)
class About:
    """What a table says of its own rhythm.

    Attributes:
        frequency: CBS's word, "Per kwartaal"; empty where it gives none.
        modified: when CBS last changed the table, as CBS writes it.
        announced: the sentences on the next publication; empty where there are none.
    """

    frequency: str = ""
    modified: str = ""
    announced: str = ""

    @property
    def rhythm(self) -> Rhythm | None:
        """The rhythm; None where CBS's word is absent or not known."""
        return rhythm(self.frequency)

    @property
    def expected(self) -> Expected | None:
        """The next publication; None where CBS says nothing of it."""
        return expected(self.announced, modified_on(self.modified)) if self.announced else None


def about(infos: Mapping[str, Any]) -> About:
    """Read what a table says of its rhythm.

    Args:
        infos: the row of TableInfos (v3) or Properties (v4).
    """
    announced = next(filter(None, (announcement(infos.get(key)) for key in _TEXTS)), "")
    if not announced and clean(infos.get("OutputStatus") or infos.get("Status")) in _ENDED:
        announced = "Stopgezet."
    return About(clean(infos.get("Frequency")), clean(infos.get("Modified")), announced)


_ENDED = {"Gediscontinueerd", "Stopgezet", "Discontinued"}
"""CBS's words in OutputStatus (v3) and Status (v4) for a table that it has stopped."""


def rhythm(frequency: str) -> Rhythm | None:
    """Return the rhythm that CBS's word stands for ("Perjaar" and "Per jaar"), None if unknown."""
    return _RHYTHMS.get("".join(frequency.split()).lower())


def modified_on(text: str) -> dt.date | None:
    """Return the day of a moment as CBS writes it; None for another text."""
    try:
        return dt.date.fromisoformat(text[:10])
    except ValueError:
        return None


def announcement(text: object) -> str:
    """Return the paragraph under "Wanneer komen er nieuwe cijfers?", or nothing.

    Args:
        text: a description, with line ends or ``<br>``.
    """
    lines = re.sub(r"<br\s*/?>", "\n", text, flags=re.IGNORECASE) if isinstance(text, str) else ""
    heading = _HEADING.search(lines.replace("\r", ""))
    if heading is None:
        return ""
    following = heading.string[heading.end() :].lstrip()
    return " ".join(re.split(r"\n\s*\n|\n(?=\d\.\s+[A-Z])", following)[0].split())


def expected(text: str, modified: dt.date | None = None) -> Expected:
    """Read CBS's sentences on the next publication.

    Of several sentences with a date the first that is not over when CBS wrote them counts.

    Args:
        text: the sentences.
        modified: the day on which CBS last changed the table, and so the text.
    """
    ranges = sorted(filter(None, map(_range, re.split(r"(?<=[.!?])\s+", text))))
    ahead = [found for found in ranges if modified is None or found[1] >= modified] or ranges[-1:]
    if ahead:
        return Expected(text, *ahead[0])
    return Expected(text, ended=_NONE.search(text) is not None)


def _range(sentence: str) -> tuple[dt.date, dt.date] | None:
    """Return the days that a sentence means; None unless there is exactly one way to read it."""
    found = list(_TIMES.finditer(sentence))
    rest = _TIMES.sub(" | ", sentence)
    moments = [match for match in found if match["moment"]]
    precise = [match for match in moments if not match["year"]] or moments
    if len(precise) != 1 or _UNREAD.search(rest) or not _PUBLISHES.search(rest):
        return None
    try:
        return _days(precise[0])
    except ValueError:  # 31 june, or a year that no calendar has
        return None


def _days(match: re.Match[str]) -> tuple[dt.date, dt.date]:
    def of(name: str) -> str:
        return (match[name] or "").lower()

    if match["day"]:
        day = dt.date(int(of("day_year")), _MONTHS[of("day_month")], int(of("day")))
        return day, day
    if match["month"]:
        year, month = int(of("month_year")), _MONTHS[of("month")]
        last = monthrange(year, month)[1]
        part = ((1, 10), (11, 20), (21, last))[_PARTS[of("part")]] if of("part") else (1, last)
        return dt.date(year, month, part[0]), dt.date(year, month, part[1])
    if match["year_part"]:
        return _between(int(of("part_year")), *_PARTS_OF_YEAR[_PARTS[of("year_part")]])
    if match["nth"]:
        return _months(int(of("quarter_year")), 3, _ORDINALS[of("nth")])
    if match["which"]:
        return _months(int(of("half_year")), 6, _ORDINALS[of("which")])
    if match["season"]:
        return _between(int(of("season_year")), *_SEASONS[of("season")])
    return _months(int(of("year")), 12, 1)


def _months(year: int, length: int, number: int) -> tuple[dt.date, dt.date]:
    last = length * number
    return dt.date(year, last - length + 1, 1), dt.date(year, last, monthrange(year, last)[1])


def _between(year: int, first: tuple[int, int], last: tuple[int, int]) -> tuple[dt.date, dt.date]:
    return dt.date(year, *first), dt.date(year, *last)
