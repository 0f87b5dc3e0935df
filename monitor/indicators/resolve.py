"""Resolving what definitions name (topics, dimensions, members) against CBS's metadata.

Belongs here: finding a topic by its stem or path, demanding one member of each open dimension, and
Dutch problems with what was probably meant.
Does not belong here: fetching metadata (``monitor.cbs``) and computing figures (``dbt_like_sql``).
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from monitor.cbs.metadata import Dimension, TableMeta, Topic
from monitor.cbs.shape import Name
from monitor.indicators.catalogue import (
    Catalogue,
    Entry,
    PlacedTerm,
    spelled,
    topic_name,
    years,
)
from monitor.indicators.models import Indicator, Series
from monitor.indicators.problems import Level, Number, Problem, or_list, suggest
from monitor.indicators.reader import Document, Location
from monitor.regions.codes import LEVELS, canonical, level


@dataclass(frozen=True)
class ResolvedTerm:
    """A term of an indicator in one table; ``topic`` is None where it can't be had.

    ``members`` is spelled as in the observations: ``"Geslacht=T001038;Leeftijd=10000"``. ``factor``
    is the sign times the scale of CBS's unit ("x 1 000"), and 1 for a published figure.
    """

    indicator_id: str
    major_version: int
    part: str
    term_no: int
    table_id: str
    topic: str | None
    members: str
    factor: int
    year_from: int
    year_until: int


@dataclass(frozen=True)
class Resolution:
    """What resolving gives: the terms, the problems, and what the source does not hold."""

    terms: list[ResolvedTerm]
    problems: list[Problem]
    gaps: list[tuple[str, str]]
    """(indicator id, table id) pairs without figures because a partial source lacks the topic."""


def resolve(
    catalogue: Catalogue,
    metas: Mapping[str, TableMeta],
    *,
    partial: bool = False,
    described: bool = False,
) -> Resolution:
    """Resolve every term of every indicator that is in use.

    Args:
        catalogue: the cross-checked definitions.
        metas: metadata by table id; a table that is not there gives terms without a topic.
        partial: the source is a recording that holds what was collected. A topic that it lacks in
            one table and has in another of the series is a gap then, not an error; and a level
            that it has no regions of is no problem.
        described: every needed table was asked to describe itself, so one that is not in ``metas``
            could not be checked: a problem, or a warning if the source is partial.

    Returns:
        The terms, one a table of the series; the problems (D401-D410), one a place in a file; and
        the gaps.
    """
    terms: list[ResolvedTerm] = []
    gaps: list[tuple[str, str]] = []
    complaints: dict[_Place, list[str]] = defaultdict(list)
    problems: list[Problem] = []
    for (indicator_id, major), entry in sorted(catalogue.in_use.items()):
        if not partial:
            problems += _lacking_levels(catalogue, entry, metas)
        for number, placed in enumerate(catalogue.terms(entry)):
            series = catalogue.series[placed.term.from_].model
            found: list[str] = []
            lacking: list[tuple[str, _Complaint]] = []
            for table in catalogue.tables(placed.term, entry.model):
                topic: Topic | None = None
                meta = metas.get(table.table)
                if meta is not None:
                    topic, complaint = find(
                        meta, placed.term.topic, placed.term.members, series, table.table
                    )
                    if complaint is None:
                        found.append(table.table)
                    else:
                        lacking.append((table.table, complaint))
                terms.append(
                    ResolvedTerm(
                        indicator_id,
                        major,
                        placed.part,
                        number,
                        table.table,
                        None if topic is None else topic.key,
                        spell_members(placed.term.members),
                        _factor(entry.model, placed, topic),
                        max(years(table)[0], int(entry.model.valid_from)),
                        min(years(table)[1], int(entry.model.valid_until or 9999)),
                    )
                )
            for table_id, complaint in lacking:
                if partial and found and complaint.number is Number.UNKNOWN_TOPIC:
                    gaps.append((indicator_id, table_id))
                else:
                    complaints[placed.document, placed.location, complaint].append(table_id)
    problems += _problems(complaints)
    if described:
        problems += _unchecked(catalogue, metas, Level.WARNING if partial else Level.ERROR)
    return Resolution(terms, sorted(problems), sorted(set(gaps)))


def spell_members(members: Mapping[str, str]) -> str:
    """Return dimension members as observations spell them, sorted by dimension."""
    return ";".join(f"{key}={code}" for key, code in sorted(members.items()))


@dataclass(frozen=True)
class _Complaint:
    number: Number
    below: tuple[str, ...]
    """Where in the term: ``("topic",)`` or ``("members", dimension)``."""
    message: str
    remedy: str


def find(
    meta: TableMeta, wanted: Name, members: Mapping[str, str], series: Series, table_id: str
) -> tuple[Topic | None, _Complaint | None]:
    """Return the topic that definitions mean in one table of a series, or what is wrong with it."""
    name = topic_name(wanted, series, table_id, meta.odata)
    topic, complaint = _find(meta, name, members)
    if complaint is None or meta.odata != "v4" or name != wanted:
        return topic, complaint
    if complaint.number in (Number.UNKNOWN_TOPIC, Number.AMBIGUOUS_TOPIC):
        return None, _nameless(meta, name, series, table_id, meta.find_topic(name))
    return None, complaint


def _find(
    meta: TableMeta, name: Name, members: Mapping[str, str]
) -> tuple[Topic | None, _Complaint | None]:
    """Return the topic that a name and members mean in one table, or what is wrong with them."""
    geo = [dimension.key for dimension in meta.dimensions if dimension.kind == "geo"]
    if len(geo) != 1:
        return None, _Complaint(
            Number.NO_REGIONS,
            ("from",),
            f"Er staat meer dan één dimensie met regio's in: {', '.join(geo)}."
            if geo
            else "Er staan geen cijfers per regio in.",
            "Kies een tabel met één dimensie met regio's.",
        )
    shown = spelled(name)
    candidates = meta.find_topic(name)
    if not candidates:
        known = [
            topic.stem if isinstance(name, str) else spelled(topic.path) for topic in meta.topics
        ]
        return None, _Complaint(
            Number.UNKNOWN_TOPIC,
            ("topic",),
            f'Het onderwerp "{shown}" bestaat niet.',
            suggest(shown, known, "Zoek het onderwerp op bij de tabel in StatLine."),
        )
    if len(candidates) > 1:
        paths = [spelled(topic.path) for topic in candidates]
        return None, _Complaint(
            Number.AMBIGUOUS_TOPIC,
            ("topic",),
            f'Het onderwerp "{shown}" komt {len(candidates)} keer voor.',
            f"Schrijf het pad als lijst van titels: {or_list(paths)}.",
        )
    topic = candidates[0]
    if not topic.numeric:
        return None, _Complaint(
            Number.TEXT_TOPIC,
            ("topic",),
            f'Het onderwerp "{shown}" bevat tekst, geen cijfers.',
            "Kies een onderwerp met cijfers.",
        )
    complaint = _check_members({d.key: d for d in meta.others}, members)
    return (topic, None) if complaint is None else (None, complaint)


def _nameless(
    meta: TableMeta,
    name: str | tuple[str, ...],
    series: Series,
    table_id: str,
    candidates: list[Topic],
) -> _Complaint:
    """A topic that the series must name for v4, with the codes that have the title most like it."""
    if not candidates:
        by_title: dict[str, list[Topic]] = defaultdict(list)
        for topic in meta.topics:
            by_title[_letters(topic.title)].append(topic)
        wanted = _letters(name if isinstance(name, str) else name[-1])
        near = difflib.get_close_matches(wanted, by_title, n=1)
        candidates = by_title[near[0]] if near else []
    code = candidates[0].key if len(candidates) == 1 else "CODE"
    key = name if isinstance(name, str) else f'"{spelled(name)}"'
    meant = [f"{topic.key} ({spelled(topic.path)})" for topic in candidates]
    hint = f"Is dit de code: {or_list(meant)}?" if meant else "Zoek de code op bij CBS."
    return _Complaint(
        Number.NO_V4_NAME,
        ("topic",),
        f'De reeks "{series.id}" geeft geen code van het onderwerp "{spelled(name)}" voor OData '
        "v4, de nieuwe dienst van CBS.",
        f'Voeg in de reeks onder "topics:" toe: '
        f"{key}: [{{table: {table_id}, v4: {{measure: {code}}}}}]. {hint}",
    )


def _letters(text: str) -> str:
    """Return what a title and the stem that CBS makes of it have in common."""
    return "".join(filter(str.isalnum, text)).casefold()


def _check_members(
    dimensions: Mapping[str, Dimension], members: Mapping[str, str]
) -> _Complaint | None:
    for key, code in members.items():
        if key not in dimensions:
            return _Complaint(
                Number.UNKNOWN_DIMENSION,
                ("members", key),
                f'De dimensie "{key}" bestaat niet, of is de regio of de periode.',
                suggest(
                    key, dimensions, f"Deze dimensies zijn er: {', '.join(dimensions) or '-'}."
                ),
            )
        known = dimensions[key].members
        if code not in known:
            by_name = {**{m.title: c for c, m in known.items()}, **{c: c for c in known}}
            meant = suggest(code, by_name)
            total = next((c for c, m in known.items() if m.title.startswith("Totaal")), None)
            hint = f'De code voor "Totaal" is "{total}".' if total else "Zoek de code op bij CBS."
            return _Complaint(
                Number.UNKNOWN_MEMBER,
                ("members", key),
                f'De code "{code}" bestaat niet in de dimensie "{key}".',
                meant or hint,
            )
    for key, dimension in dimensions.items():
        if key not in members:
            some = [f"{m.code} ({m.title})" for m in list(dimension.members.values())[:3]]
            return _Complaint(
                Number.OPEN_DIMENSION,
                ("members",),
                f'Voor de dimensie "{key}" is geen code gekozen.',
                f'Kies er één onder "members", bijvoorbeeld {or_list(some)}.',
            )
    return None


def _lacking_levels(
    catalogue: Catalogue, entry: Entry[Indicator], metas: Mapping[str, TableMeta]
) -> Iterator[Problem]:
    """Levels of which no table of the first term lists a region."""
    tables = [
        table.table
        for table in catalogue.tables(catalogue.terms(entry)[0].term, entry.model)
        if table.table in metas
    ]
    codes = {
        code
        for table_id in tables
        for dimension in metas[table_id].dimensions
        if dimension.kind == "geo"
        for code in dimension.members
    }
    there = {level(canonical(code)) for code in codes}
    if not there:  # no table, or none with regions: that is told elsewhere
        return
    known = [name for name in LEVELS.values() if name in there]
    which = (
        f"tabel {tables[0]} heeft" if len(tables) == 1 else f"tabellen {', '.join(tables)} hebben"
    )
    for i, name in enumerate(entry.model.levels):
        if name not in there:
            yield entry.document.problem(
                Number.NO_SUCH_LEVEL,
                ("levels", i),
                f'De {which} geen cijfers voor "{name}".',
                f"Kies uit: {or_list(known)}." if known else "Kies een andere tabel.",
            )


def _unchecked(
    catalogue: Catalogue, metas: Mapping[str, TableMeta], weight: Level
) -> Iterator[Problem]:
    """Tables that are needed and that the source did not describe."""
    needed = {request.table_id for request in catalogue.requests()}
    for entry in catalogue.series.values():
        own = [table.table for table in entry.model.tables]
        for i, table_id in enumerate(own):
            if table_id in needed and table_id not in metas:
                yield entry.document.problem(
                    Number.UNCHECKED_TABLE,
                    ("tables", i, "table"),
                    f"Tabel {table_id} is niet gecontroleerd: de bron heeft die niet of gaf geen "
                    "bruikbaar antwoord.",
                    # numbers are much alike, and tables of one series are all meant
                    suggest(
                        table_id,
                        [other for other in metas if other not in own],
                        "Kijk of het nummer klopt, of kies een andere bron met --source.",
                        likeness=0.8,
                    ),
                    weight,
                )


def _factor(indicator: Indicator, placed: PlacedTerm, topic: Topic | None) -> int:
    if topic is None or indicator.measure.kind == "published":
        return 1
    return topic.unit.scale * (-1 if placed.term.sign == "minus" else 1)


_Place = tuple[Document, Location, _Complaint]


def _problems(complaints: Mapping[_Place, list[str]]) -> Iterator[Problem]:
    for (document, location, complaint), found in complaints.items():
        table_ids = sorted(set(found))  # a population's terms are resolved once an indicator
        tables = ("tabel " if len(table_ids) == 1 else "de tabellen ") + ", ".join(table_ids)
        yield document.problem(
            complaint.number,
            (*location, *complaint.below),
            f"In {tables}: {complaint.message}",
            complaint.remedy,
        )
