"""The shape of a table: its topics, units, decimals, dimensions, members; and what changed in it.

Belongs here: the fingerprint of a shape, comparing two descriptions of one table, judging what a
change means for who uses the table (in Dutch), and the end of a table as CBS tells it.
Does not belong here: reading descriptions (``metadata``), who uses what (``monitor.indicators``),
and what becomes of a table that is kept out (``ingest``).

Periods are no part of a shape: that they come is the normal course. Regions count together.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from monitor.cbs.metadata import Dimension, Row, TableMeta, Topic
from monitor.cbs.text import clean
from monitor.errors import TableError

Name = str | tuple[str, ...]
"""What a topic is called: its stem, or its path. See ``TableMeta.find_topic``."""

Kind = Literal[
    "unit",
    "decimals",
    "datatype",
    "topic_vanished",
    "topic_renamed",
    "topic_new",
    "dimension_vanished",
    "dimension_new",
    "member_vanished",
    "member_renamed",
    "member_new",
    "regions",
    "map_year",
    "protocol",
    "discontinued",
    "successor",
]
SHORT = 12
"""Digits of a fingerprint by which people name a shape."""

_ENDED = {"gediscontinueerd", "stopgezet", "vervallen", "discontinued"}
"""CBS's words for a table that it stopped, in ``_STATES``."""
_STATES = ("OutputStatus", "Status", "Frequency", "ReasonDelivery", "VersionReason")
_TEXTS = (
    "ShortDescription",
    "Description",
    "LongDescription",
    "Summary",
    "SummaryAndLinks",
    "ExplanatoryText",
    "VersionNotes",
)
_SENTENCES = re.compile(r"(?<=[.!?])\s+|<br\s*/?>|(?:\r?\n\s*){2,}", re.I)
_THIS_ENDS = re.compile(
    r"(?:(?<!\bin )(?<!\bvan )\b(?:deze tabel|this table)\b"
    r"|\b(?:de tabel|the table)(?= (?:is|wordt|werd|has|will)\b)).*"
    r"\b(?:stopgezet|beëindigd|opgevolgd|vervangen door|discontinued|succeeded by|replaced by"
    r"|niet (?:meer|langer) (?:bijgewerkt|geactualiseerd|aangevuld|vernieuwd)"
    r"|no longer (?:being )?updated)\b"
    r"|\bopvolger (?:van deze tabel )?is\b",
    re.I | re.S,
)
_TABLE_ID = re.compile(r"\b\d{5}[A-Za-z]{3}\b")
_POINTS_ON = re.compile(r"\b(?:zie|see|tabel|table)\b", re.I)


@dataclass(frozen=True)
class Change:
    """One difference between two descriptions of a table.

    Attributes:
        kind: what sort of difference.
        subject: what differs: a topic's path, a dimension, a dimension and a code; may be empty.
        before: as it was; None for what was not there.
        after: as it is now; None for what is not there any more.
        old: the topic as it was, where it is about one.
        new: that topic as it is now.
        member: dimension and code, where it is about those; without a code the dimension itself.
    """

    kind: Kind
    subject: str
    before: str | None
    after: str | None
    old: Topic | None = None
    new: Topic | None = None
    member: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Use:
    """What one user takes from a table: one topic, for one member of each other dimension.

    Attributes:
        user: an indicator's id.
        topic: what the topic is called in the definition.
        names: what it may be called in this table.
        members: dimension -> code.
    """

    user: str
    topic: Name
    names: tuple[Name, ...]
    members: Mapping[str, str] = field(default_factory=dict)

    def find(self, meta: TableMeta) -> list[Topic]:
        """Return the topics that it may mean: one, if all is well."""
        found = {topic.key: topic for name in self.names for topic in meta.find_topic(name)}
        return list(found.values())


@dataclass(frozen=True)
class Needed:
    """What is taken from a table, and the shapes (``SHORT`` digits) that its users accepted."""

    uses: tuple[Use, ...] = ()
    accepted: frozenset[str] = frozenset()


NOTHING = Needed()
"""What is taken from a table that nobody uses."""


@dataclass(frozen=True)
class Finding:
    """A change and what it means.

    Attributes:
        change: the change.
        users: who is concerned, sorted.
        quarantines: their figures could be wrong or impossible to make, and nobody accepted that.
        meaning: that in Dutch.
    """

    change: Change
    users: tuple[str, ...]
    quarantines: bool
    meaning: str


class ShapeError(TableError):
    """A table changed in a way by which figures could be wrong; its users have not accepted it."""

    def __init__(self, meta: TableMeta, findings: Sequence[Finding]) -> None:
        changes = "; ".join(
            f"{f.change.kind} {f.change.subject!r}: {f.change.before} -> {f.change.after}"
            for f in findings
        )
        super().__init__(
            meta.table_id,
            f"its shape changed: {changes}. Adapt the definitions, or accept shape "
            f"{fingerprint(meta)[:SHORT]} in the series.",
        )
        self.explanation = " ".join([*(f.meaning for f in findings), how_to_accept(meta)])


def how_to_accept(meta: TableMeta) -> str:
    """Return in Dutch what is served meanwhile, and which lines accept this shape."""
    shape = fingerprint(meta)[:SHORT]
    return (
        "De monitor gebruikt de vorige levering tot de definities zijn aangepast of de eigenaars "
        "de nieuwe vorm hebben goedgekeurd. Goedkeuren doet u met deze regel in de reeks: "
        f'accepted: [{{table: {meta.table_id}, shape: "{shape}", date: <datum>, '
        "by: <partij>, why: <reden>}]."
    )


def fingerprint(meta: TableMeta) -> str:
    """Return the SHA-256 (64 hex digits) of a table's shape.

    Two descriptions have the same one where ``compare`` finds no difference in shape. The order of
    rows, suffix numbers of keys, padding, periods and TableInfos don't count.
    """
    shape = [
        meta.odata,
        sorted(_traits(topic) for topic in meta.topics),
        sorted(
            [d.kind, d.key, d.map_year or 0, sorted(_members(d).items())] for d in meta.dimensions
        ),
    ]
    return hashlib.sha256(json.dumps(shape, ensure_ascii=False).encode()).hexdigest()


def _traits(topic: Topic) -> tuple[Any, ...]:
    """Return all of a topic that belongs to its shape."""
    return (_stem(topic), _path(topic), _unit(topic), topic.decimals, topic.numeric)


def _stem(topic: Topic) -> str:
    return topic.stem.casefold()


def _path(topic: Topic) -> tuple[str, ...]:
    return tuple(" ".join(title.split()) for title in topic.path)


def _title(topic: Topic) -> str:
    return _path(topic)[-1]


def _unit(topic: Topic) -> tuple[int, str]:
    """Return what a unit means: "x 1 000" may be spelled in several ways."""
    return topic.unit.scale, " ".join(topic.unit.name.casefold().split())


def _members(dimension: Dimension) -> dict[str, str]:
    """Return code -> title of the members that belong to the shape; of regions only the codes."""
    if dimension.kind == "time":
        return {}
    if dimension.kind == "geo":
        return dict.fromkeys(dimension.members, "")
    return {code: " ".join(m.title.split()) for code, m in dimension.members.items()}


def compare(before: TableMeta, after: TableMeta) -> list[Change]:
    """Return the differences in shape between two descriptions of one table, and its end.

    A topic is the same one if stem and path are the same, else if its stem is, else its path. A
    table that came from another version of CBS's service has other keys: then paths decide, else
    titles, and topics without a counterpart are one change together.
    """
    known = end(before.table_id, before.infos)
    return [
        *_topic_changes(before, after),
        *_dimension_changes(before, after),
        *(change for change in end(after.table_id, after.infos) if change not in known),
    ]


def end(table_id: str, infos: Row) -> list[Change]:
    """Return what a table says of its own end: that it was stopped, and what follows it.

    CBS says so in OutputStatus, Frequency and ReasonDelivery (v3), Status and VersionReason (v4),
    or only in a text: "Deze tabel is stopgezet", "... wordt niet meer bijgewerkt", "... is
    opgevolgd door 85098NED". A successor is a table named in such a sentence or right after it.
    Texts of running tables name many others, so any other sentence is passed over.

    Args:
        table_id: the table.
        infos: its row of TableInfos (v3) or Properties (v4).
    """
    word = next((w for key in _STATES if (w := _text(infos, key)).casefold() in _ENDED), None)
    successors: list[str] = []
    for key in _TEXTS:
        previous = False
        for sentence in _SENTENCES.split(_text(infos, key)):
            ends = _THIS_ENDS.search(sentence) is not None
            if ends:
                word = word or " ".join(re.sub("<[^>]*>", "", sentence).split())
            if ends or (previous and _POINTS_ON.search(sentence)):
                successors += _TABLE_ID.findall(sentence)
            previous = ends
    changes = [] if word is None else [Change("discontinued", "", None, word)]
    others = dict.fromkeys(s for s in successors if s.casefold() != table_id.casefold())
    return changes + [Change("successor", "", None, other) for other in others]


def _text(infos: Row, key: str) -> str:
    value = infos.get(key)
    return clean(value) if isinstance(value, str) else ""


def _topic_changes(before: TableMeta, after: TableMeta) -> Iterator[Change]:
    same_service = before.odata == after.odata
    if not same_service:
        yield Change("protocol", "", before.odata, after.odata)
    for old, new in _pairs(before, after):
        if old is None or new is None:
            if same_service and old:
                yield Change("topic_vanished", shown(old), old.stem, None, old=old)
            if same_service and new:
                yield Change("topic_new", shown(new), None, new.stem, new=new)
            continue
        subject = shown(new)
        if same_service and _stem(old) != _stem(new):
            yield Change("topic_renamed", subject, old.stem, new.stem, old, new)
        elif same_service and _path(old) != _path(new):
            yield Change("topic_renamed", subject, shown(old), subject, old, new)
        if old.numeric != new.numeric:
            was, now = ("cijfers" if topic.numeric else "tekst" for topic in (old, new))
            yield Change("datatype", subject, was, now, old, new)
        elif _unit(old) != _unit(new):
            yield Change("unit", subject, old.unit.text, new.unit.text, old, new)
        if old.decimals != new.decimals:
            yield Change("decimals", subject, f"{old.decimals}", f"{new.decimals}", old, new)


def shown(topic: Topic) -> str:
    """Return a topic's path as people read it."""
    return " > ".join(_path(topic))


def _pairs(before: TableMeta, after: TableMeta) -> Iterator[tuple[Topic | None, Topic | None]]:
    """Yield each topic with its counterpart, then those without one."""
    left, right = (sorted(meta.topics, key=_traits) for meta in (before, after))
    keys: list[Callable[[Topic], Any]] = (
        [lambda topic: (_stem(topic), _path(topic)), _stem, _path]
        if before.odata == after.odata
        else [_path, _title]
    )
    for number, key in enumerate(keys):
        here, there = _grouped(left, key), _grouped(right, key)
        for name, olds in here.items():
            news = there.get(name, [])
            alike = (
                number == 0 and before.odata == after.odata
            )  # stem and path: any of them will do
            if alike or len(olds) == len(news) == 1:
                for old, new in zip(olds, news, strict=False):
                    left.remove(old)
                    right.remove(new)
                    yield old, new
    yield from ((old, None) for old in left)
    yield from ((None, new) for new in right)


def _grouped(topics: Iterable[Topic], key: Callable[[Topic], Any]) -> dict[Any, list[Topic]]:
    found = defaultdict(list)
    for topic in topics:
        found[key(topic)].append(topic)
    return found


def _dimension_changes(before: TableMeta, after: TableMeta) -> Iterator[Change]:
    was, now = ({(d.kind, d.key): d for d in meta.dimensions} for meta in (before, after))
    for _, key in sorted(was.keys() - now.keys()):
        yield Change("dimension_vanished", key, key, None, member=(key, ""))
    for _, key in sorted(now.keys() - was.keys()):
        yield Change("dimension_new", key, None, key, member=(key, ""))
    for kind, key in sorted(was.keys() & now.keys()):
        old, new = was[kind, key], now[kind, key]
        if old.map_year != new.map_year:
            was_year, year = (str(d.map_year) if d.map_year else None for d in (old, new))
            yield Change("map_year", key, was_year, year)
        members, others = _members(old), _members(new)
        if kind == "geo" and members.keys() != others.keys():
            gone, come = len(members.keys() - others.keys()), len(others.keys() - members.keys())
            yield Change("regions", key, f"{gone}", f"{come}")
        elif kind == "other":
            for code in sorted(members.keys() | others.keys()):
                title, other = members.get(code), others.get(code)
                if title != other:
                    change: Kind = (
                        "member_new"
                        if title is None
                        else "member_vanished"
                        if other is None
                        else "member_renamed"
                    )
                    yield Change(change, f"{key} {code}", title, other, member=(key, code))


def judge(
    before: TableMeta, after: TableMeta, needed: Needed, *, taken: bool = False
) -> list[Finding]:
    """Return the differences between two descriptions and what each means for who uses the table.

    A change quarantines the new answer where it makes that a figure could be wrong, or could not
    be made any more, unless the new shape was accepted: another unit; a topic that can't be found,
    that may be another one, or that holds text; a code that is gone; a dimension that a definition
    leaves open, or takes a code of and that is gone. What definitions say today decides: one that
    names the new topic or code is not harmed.

    Args:
        before: the description of the last good snapshot.
        after: the description of what came after it.
        needed: what is taken from the table.
        taken: what came after is in use, so nothing is to be quarantined.
    """
    changes = compare(before, after)
    taken = taken or (bool(changes) and fingerprint(after)[:SHORT] in needed.accepted)
    return _Judge(before, after, needed, changes, taken).findings


def judge_end(meta: TableMeta, infos: Row, needed: Needed) -> list[Finding]:
    """Return ``end`` with what it means for who uses the table; ``infos`` may be newer."""
    return _Judge(meta, meta, needed, end(meta.table_id, infos), taken=True).findings


def require(before: TableMeta, after: TableMeta, needed: Needed) -> None:
    """Raise ShapeError if anything that ``judge`` finds quarantines the new answer."""
    bad = [finding for finding in judge(before, after, needed) if finding.quarantines]
    if bad:
        raise ShapeError(after, bad)


@dataclass(frozen=True)
class _Judge:
    before: TableMeta
    after: TableMeta
    needed: Needed
    changes: Sequence[Change]
    taken: bool

    @cached_property
    def meant(self) -> list[tuple[Use, list[Topic], list[Topic]]]:
        """Each use with the topics it means before and after."""
        return [(use, use.find(self.before), use.find(self.after)) for use in self.needed.uses]

    @property
    def findings(self) -> list[Finding]:
        found = []
        for change in self.changes:
            harmed = [use for use, *meant in self.meant if self.harms(change, use, *meant)]
            users = _users(use for use, *meant in self.meant if self.concerns(change, use, *meant))
            users = tuple(sorted({*users, *_users(harmed)}))
            sentences = [_said(change)]
            if harmed and not self.taken:
                sentences += [_who(_HARM[change.kind], _users(harmed))]
                sentences += self.remedies(change, harmed)
            elif users:
                tail = _TAKEN if harmed else _CONCERN.get(change.kind, _CONCERNED)
                sentences += [_who(tail, users)]
            elif change.old or change.new:
                sentences += ["Geen indicator gebruikt dit onderwerp."]
            quarantines = bool(harmed) and not self.taken
            found.append(Finding(change, users, quarantines, " ".join(sentences)))
        return found

    def concerns(self, change: Change, use: Use, old: list[Topic], new: list[Topic]) -> bool:
        """Tell whether a use has to do with a change."""
        match change.kind:
            case "topic_new":
                return change.new in new
            case "unit" | "decimals" | "datatype" | "topic_vanished" | "topic_renamed":
                return change.old in old or change.new in new
            case "member_vanished" | "member_renamed":
                return use.members.get(change.member[0]) == change.member[1]
            case "dimension_vanished":
                return change.member[0] in use.members
            case "protocol" | "map_year" | "discontinued" | "successor":
                return True
        return False

    def harms(self, change: Change, use: Use, old: list[Topic], new: list[Topic]) -> bool:
        """Tell whether a change makes that the figure of a use could be wrong or not be made."""
        lost = len(old) == 1 and len(new) != 1
        match change.kind:
            case "unit":
                return change.old in old or change.new in new
            case "datatype":
                return change.after == "tekst" and change.new in new
            case "topic_vanished":
                return lost and change.old in old
            case "topic_renamed":
                return change.old in old and (lost or self.is_taken(change))
            case "topic_new":
                return lost and change.new in new
            case "protocol":
                return lost
            case "member_vanished":
                return use.members.get(change.member[0]) == change.member[1]
            case "dimension_vanished":
                return change.member[0] in use.members
            case "dimension_new":
                others = {dimension.key for dimension in self.after.others}
                return change.member[0] in others - use.members.keys()
        return False

    def is_taken(self, change: Change) -> bool:
        """Tell whether another topic stands where the renamed one stood: which is it then?"""
        return change.old is not None and any(
            _path(topic) == _path(change.old) for topic in self.after.topics if topic != change.new
        )

    def remedies(self, change: Change, harmed: Sequence[Use]) -> Iterator[str]:
        """Yield in Dutch what users can do about a change that harms."""
        match change.kind:
            case "topic_renamed" if self.is_taken(change):
                yield "Op de oude plaats staat nu een ander onderwerp. Kijk welk u bedoelt."
            case "topic_renamed":
                yield "Is het nog hetzelfde onderwerp?"
                yield from self.rename(harmed, change.new)
            case "topic_new":
                meant = next(old[0] for use, old, _ in self.meant if use in harmed)
                yield from self.rename(harmed, meant, by_path=True)
            case "topic_vanished":
                likely = self.likely_name(change)
                if likely is None:
                    yield "Zoek in StatLine op hoe het nu heet."
                else:
                    yield f'Misschien heet het nu "{likely.stem}" ({shown(likely)}).'
                    yield from self.rename(harmed, likely)
            case "protocol":
                news = {old: new for old, new in _pairs(self.before, self.after) if old and new}
                for use, old, _ in self.meant:
                    if use in harmed:
                        yield from self.rename([use], news.get(old[0]), v4=True)
            case "member_vanished":
                dimension, _ = change.member
                (now,) = (d for d in self.after.others if d.key == dimension)
                same = next((c for c, t in _members(now).items() if t == change.before), None)
                perhaps = f", misschien {same}" if same else ""
                yield f'Kies bij "members" een andere code{perhaps}.'
            case "dimension_new":
                (now,) = (d for d in self.after.others if d.key == change.member[0])
                titles = _members(now).items()
                total = next((c for c, t in titles if t.casefold().startswith("totaal")), None)
                example = f', bijvoorbeeld {now.key}: "{total}"' if total else ""
                yield f'Kies er bij "members" een code uit{example}.'
            case "dimension_vanished":
                yield f'Haal "{change.member[0]}" weg bij "members", als het cijfer dan nog klopt.'

    def rename(
        self, harmed: Sequence[Use], topic: Topic | None, *, by_path: bool = False, v4: bool = False
    ) -> Iterator[str]:
        """Yield the lines of a definition by which these uses find a topic under its new name."""
        table = self.after.table_id
        for name in dict.fromkeys(use.topic for use in harmed):
            if topic is None:  # in the other service, which has no names to compare
                target = "v4: {measure: <code>}"
            elif v4 and self.after.odata == "v4":
                target = f"v4: {{measure: {topic.stem}}}"
            else:
                target = f"topic: {_listed(_path(topic)) if by_path else topic.stem}"
            if isinstance(name, str):
                yield f"Zet dan in de reeks: topics: {{{name}: [{{table: {table}, {target}}}]}}."
            elif topic is not None:
                yield f"Schrijf dan in de definitie: topic: {_listed(_path(topic))}."

    def likely_name(self, change: Change) -> Topic | None:
        """Return the new topic that looks most like one that vanished, by its title or its key."""
        assert change.old is not None
        news = [c.new for c in self.changes if c.kind == "topic_new" and c.new]
        for key in (_title, _stem):
            near = difflib.get_close_matches(
                key(change.old), [key(topic) for topic in news], 1, 0.7
            )
            if near:
                return next(topic for topic in news if key(topic) == near[0])
        return None


def _listed(path: Sequence[str]) -> str:
    return json.dumps(list(path), ensure_ascii=False)


def _users(uses: Iterable[Use]) -> tuple[str, ...]:
    return tuple(sorted({use.user for use in uses}))


def _who(sentence: str, users: Sequence[str]) -> str:
    number = "1 indicator" if len(users) == 1 else f"{len(users)} indicatoren"
    return f"{sentence.format(number)}: {', '.join(users)}."


_HARM: Mapping[Kind, str] = {
    "unit": "Daardoor kunnen de cijfers van {} verkeerd zijn",
    "datatype": "Daardoor kan de monitor geen cijfers maken voor {}",
    "topic_vanished": "Daardoor kan de monitor geen nieuwe cijfers maken voor {}",
    "topic_renamed": "Daardoor weet de monitor niet zeker welk onderwerp hoort bij {}",
    "topic_new": "Er zijn nu meer onderwerpen met die naam. Daardoor is niet zeker welk onderwerp "
    "hoort bij {}",
    "member_vanished": "Daardoor kan de monitor geen nieuwe cijfers maken voor {}",
    "dimension_vanished": "Daardoor kunnen de cijfers over iets anders gaan bij {}",
    "dimension_new": "Er is nog geen code uit die dimensie gekozen voor {}",
    "protocol": "De monitor vindt daarin niet de onderwerpen van {}",
}
"""Kind that can harm -> what that is; a number of indicators and their ids are put behind it."""

_TAKEN = "De monitor gebruikt deze nieuwe vorm. Het gaat om {}"
_CONCERNED = "De cijfers blijven bruikbaar. Het gaat om {}"
_CONCERN: Mapping[Kind, str] = {
    "member_renamed": "Kijk of CBS nog hetzelfde bedoelt. Het gaat om {}",
    "discontinued": "De cijfers die er zijn, blijven bruikbaar. Nieuwe komen er niet meer voor {}",
    "successor": "Kijk of de cijfers op elkaar aansluiten, en vul dan de reeks aan. Het gaat om {}",
}


def _said(change: Change) -> str:
    """Return in Dutch what changed."""
    topic = change.new or change.old
    title = f'"{_title(topic)}"' if topic else ""
    dimension, code = change.member
    before, after = change.before or "geen", change.after or "geen"
    match change.kind:
        case "unit":
            return f'De eenheid van {title} is veranderd van "{before}" in "{after}".'
        case "decimals":
            return f"Het aantal decimalen van {title} is veranderd van {before} in {after}."
        case "datatype":
            return f"Het onderwerp {title} bevat nu {after} in plaats van {before}."
        case "topic_vanished":
            return f"Het onderwerp {title} ({before}) staat niet meer in de tabel."
        case "topic_renamed" if (
            change.old and change.new and _stem(change.old) == _stem(change.new)
        ):
            return f'Het onderwerp "{before}" staat bij CBS nu onder "{after}" ({change.new.stem}).'
        case "topic_renamed":
            return (
                f'Het onderwerp {title} heet in de open data nu "{after}" in plaats van "{before}".'
            )
        case "topic_new":
            return f"De tabel heeft een nieuw onderwerp: {title} ({after})."
        case "dimension_vanished":
            return f'De dimensie "{dimension}" staat niet meer in de tabel.'
        case "dimension_new":
            return f'De tabel heeft een nieuwe dimensie: "{dimension}".'
        case "member_vanished":
            return f'De code {code} ("{before}") staat niet meer in de dimensie "{dimension}".'
        case "member_renamed":
            return (
                f'De code {code} in de dimensie "{dimension}" heet nu "{after}", niet "{before}".'
            )
        case "member_new":
            return f'De dimensie "{dimension}" heeft een nieuwe code: {code} ("{after}").'
        case "regions":
            return (
                f"Nieuwe regio's in de tabel: {after}. Regio's die er niet meer in staan: {before}."
            )
        case "map_year":
            return f"De regio's hebben nu de indeling van {after}; eerst was dat {before}."
        case "protocol":
            return f"De tabel komt nu uit OData {after} van CBS in plaats van {before}."
        case "discontinued":
            return f'CBS vult deze tabel niet meer aan ("{after}").'
        case "successor":
            return f"CBS noemt tabel {after} als opvolger van deze tabel."
