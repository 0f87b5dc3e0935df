"""The catalogue: all definition files together, cross-checked, and the CBS tables they need.

Belongs here: loading the folder ``definitions/``, turning wrong fields into Dutch problems, and
every check that needs more than one file but not CBS.
Does not belong here: YAML (``reader``), fields (``models``), CBS's metadata (``resolve``).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from monitor.cbs.shape import Name, Needed, Use
from monitor.cbs.sources import TableRequest
from monitor.errors import UsageError
from monitor.indicators.checks import check
from monitor.indicators.models import (
    FORMS,
    Correction,
    Indicator,
    Parties,
    Party,
    Population,
    PopulationRef,
    Ratio,
    Series,
    SeriesTable,
    Term,
    Theme,
)
from monitor.indicators.problems import (
    DefinitionsError,
    Number,
    Problem,
    errors,
    or_list,
    shown,
    suggest,
)
from monitor.indicators.reader import Document, Location, read

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Entry(Generic[M]):
    """A definition and the document that it was read from."""

    model: M
    document: Document


@dataclass(frozen=True)
class PlacedTerm:
    """A term of a definition: which part it belongs to and where it stands in the file."""

    part: str
    """``numerator`` (also a published or counted value) or ``denominator``."""
    term: Term
    document: Document
    location: Location


@dataclass
class Catalogue:
    """All definitions. Keys: the id; for populations and indicators (id, major version)."""

    folder: Path
    parties: dict[str, Party] = field(default_factory=dict)
    themes: dict[str, Entry[Theme]] = field(default_factory=dict)
    series: dict[str, Entry[Series]] = field(default_factory=dict)
    populations: dict[tuple[str, int], Entry[Population]] = field(default_factory=dict)
    indicators: dict[tuple[str, int], Entry[Indicator]] = field(default_factory=dict)
    corrections: dict[str, Entry[Correction]] = field(default_factory=dict)
    fingerprint: str = ""
    """SHA-256 over the names and bytes of all definition files."""

    def terms(self, entry: Entry[Indicator]) -> list[PlacedTerm]:
        """Return every term that an indicator is computed from, its population's included."""
        measure = entry.model.measure
        if not isinstance(measure, Ratio):
            if measure.kind == "published":
                return [
                    PlacedTerm("numerator", measure.value, entry.document, ("measure", "value"))
                ]
            return list(_placed("numerator", measure.sum, entry.document, ("measure", "sum")))
        placed = list(
            _placed("numerator", measure.numerator, entry.document, ("measure", "numerator"))
        )
        below = measure.denominator
        if isinstance(below, PopulationRef):
            population = self.populations.get((below.population, below.version))
            if population is not None:
                terms, document = population.model.count, population.document
                placed += _placed("denominator", terms, document, ("count",))
        else:
            placed += _placed("denominator", below, entry.document, ("measure", "denominator"))
        return placed

    def tables(self, term: Term, indicator: Indicator) -> list[SeriesTable]:
        """Return the tables of a term's series that can hold years the indicator covers."""
        series = self.series.get(term.from_)
        if series is None:
            return []
        first, last = int(indicator.valid_from), int(indicator.valid_until or 9999)
        return [
            table
            for table in series.model.tables
            if first <= years(table)[1] and years(table)[0] <= last
        ]

    @property
    def in_use(self) -> dict[tuple[str, int], Entry[Indicator]]:
        """The indicators that are computed; a withdrawn one is only kept for the record."""
        return {
            key: entry
            for key, entry in self.indicators.items()
            if entry.model.status != "withdrawn"
        }

    def requests(self) -> list[TableRequest]:
        """Return what to ask CBS for: each table that a definition uses, once, by identifier."""
        found = {
            table.table: TableRequest(
                table_id=table.table,
                period=table.period,
                select=dict(series.select),
                host=series.host,
                odata=table.odata,
            )
            for entry in self.in_use.values()
            for placed in self.terms(entry)
            if (series := self.series[placed.term.from_].model)
            for table in self.tables(placed.term, entry.model)
        }
        return [found[table_id] for table_id in sorted(found)]

    def needed(self, table_id: str) -> Needed:
        """Return what indicators take from a table, and the shapes of it that were accepted."""
        accepted = frozenset(
            shape.shape
            for entry in self.series.values()
            for shape in entry.model.accepted
            if shape.table == table_id
        )
        return Needed(tuple(self._uses.get(table_id, ())), accepted)

    @cached_property
    def _uses(self) -> Mapping[str, list[Use]]:
        found: dict[str, list[Use]] = defaultdict(list)
        for _, entry in sorted(self.in_use.items()):
            for term in (placed.term for placed in self.terms(entry)):
                for table in self.tables(term, entry.model):
                    names = _names(term, self.series[term.from_].model, table.table)
                    found[table.table].append(Use(entry.model.id, term.topic, names, term.members))
        return found

    def themes_in_order(self) -> list[Theme]:
        """Return the themes as overviews show them."""
        return sorted(
            (entry.model for entry in self.themes.values()), key=lambda t: (t.order, t.id)
        )

    def has_effect(self, theme_id: str) -> bool:
        """Tell whether a theme has an indicator of what residents notice."""
        return any(
            entry.model.theme == theme_id and entry.model.kind == "effect"
            for entry in self.in_use.values()
        )


def years(table: SeriesTable) -> tuple[int, int]:
    """Return the first and the last year for which a table counts in its series."""
    first = table.period or table.valid_from or "0"
    last = table.period or table.valid_until or "9999"
    return int(first), int(last)


def topic_name(name: Name, series: Series, table_id: str, odata: str = "v3") -> Name:
    """Return how a topic that definitions name is called in one table of the series.

    CBS publishes no list of what a topic of OData v3 is called in v4. So in a table of v4 it is the
    code that the series states, and where it states none the name of v3, which may not exist there.
    """
    seconds = [s for s in series.topics.get(spelled(name), ()) if s.table == table_id]
    if odata == "v4":
        for second in seconds:
            if second.v4 is not None:
                return second.v4.measure
    for second in seconds:
        if second.topic is not None:
            return second.topic
    return name


def _names(term: Term, series: Series, table_id: str) -> tuple[Name, ...]:
    """Return all that a term's topic may be called in a table, whichever service it comes from."""
    names = (topic_name(term.topic, series, table_id, odata) for odata in ("v3", "v4"))
    return tuple(dict.fromkeys(names))


def spelled(name: str | tuple[str, ...]) -> str:
    """Return a stem, or a path on one line, as people read it and a series lists it."""
    return name if isinstance(name, str) else " > ".join(name)


def load(folder: Path) -> tuple[Catalogue, list[Problem]]:
    """Read and cross-check every definition below ``folder``.

    Args:
        folder: the folder with parties.yaml, themes/, series/, populations/, indicators/ and, where
            there are any, corrections/.

    Returns:
        The catalogue of what could be read, and every problem, sorted by file and line.

    Raises:
        UsageError: there is no such folder.
    """
    if not (folder / "parties.yaml").is_file():
        raise UsageError(
            f"{folder} holds no definitions (parties.yaml is missing): run the command in the "
            "repository, or name the folder with --definitions or MONITOR_DEFINITIONS."
        )
    catalogue, problems = Catalogue(folder), list[Problem]()
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
        document = read(path)
        if isinstance(document, Problem):
            problems.append(document)
            continue
        problems += _add(catalogue, document)
    catalogue.fingerprint = digest.hexdigest()
    problems += _cross_check(catalogue)
    return catalogue, sorted(set(problems))


def load_or_raise(folder: Path) -> Catalogue:
    """Read the definitions of a run.

    Raises:
        DefinitionsError: with every problem, when at least one is an error.
    """
    catalogue, problems = load(folder)
    if errors(problems):
        raise DefinitionsError(problems)
    return catalogue


def _files(folder: Path) -> Iterator[Path]:
    yield folder / "parties.yaml"
    for kind in ("themes", "series", "populations", "indicators", "corrections"):
        yield from sorted((folder / kind).glob("*.y*ml"))


def _add(catalogue: Catalogue, document: Document) -> list[Problem]:
    match document.path.parent.name if document.path.name != "parties.yaml" else "parties":
        case "parties":
            parties, problems = _validate(document, Parties, {})
            catalogue.parties = {p.id: p for p in parties.parties} if parties else {}
            return problems
        case "themes":
            return _place(catalogue, document, Theme, catalogue.themes, lambda m: m.id)
        case "series":
            return _place(catalogue, document, Series, catalogue.series, lambda m: m.id)
        case "corrections":
            return _place(catalogue, document, Correction, catalogue.corrections, lambda m: m.id)
        case "populations":
            return _place(
                catalogue,
                document,
                Population,
                catalogue.populations,
                lambda m: (m.id, m.major_version),
            )
        case _:
            return _place(
                catalogue,
                document,
                Indicator,
                catalogue.indicators,
                lambda m: (m.id, m.major_version),
            )


def _place(
    catalogue: Catalogue, document: Document, model: type[M], into: dict[Any, Entry[M]], key: Any
) -> list[Problem]:
    value, problems = _validate(document, model, catalogue.parties)
    if value is None:
        return problems
    place = key(value)
    name = f"{place[0]}.v{place[1]}" if isinstance(place, tuple) else place
    if document.path.stem != name:
        problems.append(
            document.problem(
                Number.FILE_NAME,
                ("id",),
                f'De bestandsnaam past niet bij de inhoud: "{document.path.name}".',
                f'Noem het bestand "{name}.yaml", of pas "id" of "version" aan.',
            )
        )
    if place in into:
        other = shown(into[place].document.path)
        problems.append(
            document.problem(
                Number.DOUBLE_ID,
                ("id",),
                f'"{name}" bestaat al in {other}.',
                'Kies een ander "id", of verhoog het eerste getal van "version".',
            )
        )
    into.setdefault(place, Entry(value, document))
    return problems


def _validate(
    document: Document, model: type[M], parties: Iterable[str]
) -> tuple[M | None, list[Problem]]:
    try:
        value = model.model_validate(document.data)
    except ValidationError as error:
        details = error.errors()
        # a list of which an item is wrong is also reported as too short: say only what is wrong
        inside = {detail["loc"][:n] for detail in details for n in range(len(detail["loc"]))}
        return None, [
            _in_dutch(document, model, detail, parties)
            for detail in details
            if not (detail["type"] == "too_short" and detail["loc"] in inside)
        ]
    return value, list(check(value, document))


def _in_dutch(
    document: Document, model: type[BaseModel], detail: Any, parties: Iterable[str]
) -> Problem:
    """Turn one pydantic error into a Dutch problem at the right line."""
    location = _in_data(document.data, detail["loc"])
    context: Mapping[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            name = detail["loc"][-1]
            return document.problem(
                Number.MISSING_FIELD,
                location,
                f'Het veld "{name}" ontbreekt.',
                f'Voeg "{name}:" toe. De uitleg staat in definitions/LEESMIJ.md.',
            )
        case "extra_forbidden":
            name = str(detail["loc"][-1])
            known = _field_names(model)
            return document.problem(
                Number.UNKNOWN_FIELD,
                location,
                f'Het veld "{name}" bestaat hier niet.',
                suggest(name, known, "Haal het weg, of kijk naar de spelling."),
            )
        case "literal_error":
            hint = f"Kies uit: {context['expected'].replace(' or ', ', ')}."
        case "union_tag_invalid":
            location = (*location, "kind")
            hint = f"Kies uit: {context['expected_tags']}."
        case "union_tag_not_found" if location[-1:] == ("topic",):
            hint = "Hier hoort een naam, of een lijst met titels."
        case "union_tag_not_found":
            return document.problem(
                Number.MISSING_FIELD,
                location,
                'Het veld "kind" ontbreekt.',
                'Kies uit: "published", "count" of "ratio".',
            )
        case "string_pattern_mismatch":
            party = str(detail["input"]).lower()
            hint = f'Bedoelde u "{party}"?' if party in parties else FORMS[context["pattern"]]
        case "string_too_short" | "too_short":
            hint = "Vul dit in."
        case "string_too_long":
            hint = f"Gebruik hoogstens {context['max_length']} tekens."
        case "greater_than_equal":
            hint = f"Kies een getal vanaf {context['ge']}."
        case "less_than_equal":
            hint = f"Kies een getal van 0 tot en met {context['le']}."
        case "string_type":
            hint = 'Hier hoort tekst. Zet de waarde tussen "aanhalingstekens".'
        case "int_type" | "int_parsing" | "int_from_float":
            hint = "Hier hoort een heel getal."
        case "bool_type" | "bool_parsing":
            hint = "Hier hoort true (ja) of false (nee)."
        case "date_from_datetime_parsing" | "date_type" | "date_parsing":
            hint = "Een datum schrijft u als 2026-11-01."
        case "tuple_type" | "list_type":
            hint = "Hier hoort een lijst: elke regel begint met een streepje."
        case "model_type" | "dict_type" | "model_attributes_type":
            hint = "Hier horen velden met een naam en een waarde."
        case _:
            hint = "Kijk naar het voorbeeld in definitions/LEESMIJ.md."
    return document.problem(
        Number.WRONG_VALUE, location, f"De waarde van {_name(location)} klopt niet.", hint
    )


def _name(location: Location) -> str:
    """Return what people call a place: the name of the field, and which of its items."""
    match location:
        case (*_, str(field), int(item)):
            return f'"{field}" (nummer {item + 1})'
        case (*_, field):
            return f'"{field}"'
        case _:
            return "dit bestand"


def _in_data(data: Any, location: Iterable[str | int]) -> Location:
    """Drop the names that pydantic puts between the steps (the kind of a measure, a union)."""
    found: list[str | int] = []
    for step in location:
        here = range(len(data)) if isinstance(data, list) else data
        if isinstance(here, dict | range) and step in here:
            data = data[step]
            found.append(step)
    return tuple(found)


def _field_names(model: type[BaseModel]) -> set[str]:
    """Return the names of all fields of a model and of the models inside it."""
    schema = model.model_json_schema(by_alias=True)
    parts = [schema, *schema.get("$defs", {}).values()]
    return {name for part in parts for name in part.get("properties", {})}


def _placed(
    part: str, terms: Iterable[Term], document: Document, location: Location
) -> Iterator[PlacedTerm]:
    for i, term in enumerate(terms):
        yield PlacedTerm(part, term, document, (*location, i))


def _cross_check(catalogue: Catalogue) -> list[Problem]:
    problems: list[Problem] = []
    for series_entry in catalogue.series.values():
        problems += _check_tables(series_entry)
        for i, accepted in enumerate(series_entry.model.accepted):
            location = ("accepted", i, "by")
            problems += _check_party(catalogue, series_entry.document, location, accepted.by)
    problems += _check_one_request_a_table(catalogue)
    for population in catalogue.populations.values():
        problems += _check_owners(catalogue, population.document, population.model.owners)
        terms = population.model.count
        for placed in _placed("denominator", terms, population.document, ("count",)):
            problems += _check_series(catalogue, placed)
    for indicator in catalogue.indicators.values():
        problems += _check_indicator(catalogue, indicator)
    problems += _check_corrections(catalogue)
    return problems


def _check_indicator(catalogue: Catalogue, entry: Entry[Indicator]) -> Iterator[Problem]:
    model, document = entry.model, entry.document
    if model.theme not in catalogue.themes:
        yield document.problem(
            Number.UNKNOWN_THEME,
            ("theme",),
            f'Het thema "{model.theme}" bestaat niet.',
            suggest(
                model.theme, catalogue.themes, f"Kies uit: {or_list(sorted(catalogue.themes))}."
            ),
        )
    yield from _check_owners(catalogue, document, model.owners)
    for i, approval in enumerate(model.approvals):
        yield from _check_party(catalogue, document, ("approvals", i, "party"), approval.party)
    for i, change in enumerate(model.changes):
        yield from _check_party(catalogue, document, ("changes", i, "by"), change.by)
    if isinstance(model.measure, Ratio) and isinstance(model.measure.denominator, PopulationRef):
        wanted = model.measure.denominator
        if (wanted.population, wanted.version) not in catalogue.populations:
            names = [name for name, _ in catalogue.populations]
            yield document.problem(
                Number.UNKNOWN_POPULATION,
                ("measure", "denominator", "population"),
                f'De noemer "{wanted.population}" met hoofdversie {wanted.version} bestaat niet.',
                suggest(wanted.population, names, "Kijk in de map definitions/populations."),
            )
    for placed in catalogue.terms(entry):
        if placed.document is document:
            yield from _check_series(catalogue, placed)
        if (
            placed.term.from_ in catalogue.series
            and not catalogue.tables(placed.term, model)
            and model.valid_from <= (model.valid_until or "9999")  # else that is what is wrong
        ):
            yield document.problem(
                Number.NO_TABLE_FOR_PERIOD,
                ("valid_from",),
                f'De reeks "{placed.term.from_}" heeft geen tabel voor {model.valid_from} '
                f"tot en met {model.valid_until or 'nu'}.",
                'Pas "valid_from" of "valid_until" aan, of vul de reeks aan.',
            )


def _check_corrections(catalogue: Catalogue) -> Iterator[Problem]:
    used = {
        table.table
        for entry in catalogue.in_use.values()
        for placed in catalogue.terms(entry)
        for table in catalogue.tables(placed.term, entry.model)
    }
    for entry in catalogue.corrections.values():
        model, document = entry.model, entry.document
        if model.reported is not None:
            yield from _check_party(catalogue, document, ("reported", "by"), model.reported.by)
        if model.status != "fixed_upstream" and model.table not in used:
            yield document.problem(
                Number.TABLE_NOT_IN_USE,
                ("table",),
                f'Geen indicator gebruikt de tabel "{model.table}".',
                suggest(model.table, used, "Kijk in de map definitions/series.", likeness=0.8),
            )


def _check_series(catalogue: Catalogue, placed: PlacedTerm) -> Iterator[Problem]:
    name = placed.term.from_
    if name not in catalogue.series:
        yield placed.document.problem(
            Number.UNKNOWN_SERIES,
            (*placed.location, "from"),
            f'De reeks "{name}" bestaat niet.',
            suggest(name, catalogue.series, f"Kies uit: {or_list(sorted(catalogue.series))}."),
        )
        return
    for dimension, selected in catalogue.series[name].model.select.items():
        member = placed.term.members.get(dimension)
        if member is not None and member not in selected:
            yield placed.document.problem(
                Number.UNKNOWN_MEMBER,
                (*placed.location, "members", dimension),
                f'De code "{member}" staat niet in de keuze (select) van de reeks "{name}".',
                f"Kies uit: {or_list(selected)}, of vul de reeks aan.",
            )


def _check_owners(catalogue: Catalogue, document: Document, owners: Any) -> Iterator[Problem]:
    yield from _check_party(catalogue, document, ("owners", "contact"), owners.contact)
    for side in ("national", "municipal"):
        for i, name in enumerate(getattr(owners, side)):
            location: Location = ("owners", side, i)
            yield from _check_party(catalogue, document, location, name)
            party = catalogue.parties.get(name)
            if party is not None and party.side != side:
                yield document.problem(
                    Number.WRONG_SIDE,
                    location,
                    f'De partij "{name}" hoort bij de andere kant ({party.side}).',
                    f'Zet "{name}" onder "{party.side}".',
                )


def _check_party(
    catalogue: Catalogue, document: Document, location: Location, name: str
) -> Iterator[Problem]:
    if name not in catalogue.parties:
        yield document.problem(
            Number.UNKNOWN_PARTY,
            location,
            f'De partij "{name}" bestaat niet.',
            suggest(name, catalogue.parties, f"Kies uit: {or_list(sorted(catalogue.parties))}."),
        )


def _check_tables(entry: Entry[Series]) -> Iterator[Problem]:
    """A year of a series must come from one table, or a figure would be counted twice."""
    tables = entry.model.tables
    for i, table in enumerate(tables):
        for other in tables[:i]:
            if years(table)[0] <= years(other)[1] and years(other)[0] <= years(table)[1]:
                yield entry.document.problem(
                    Number.OVERLAPPING_TABLES,
                    ("tables", i),
                    f'De tabellen "{other.table}" en "{table.table}" gaan over dezelfde jaren.',
                    'Geef met "valid_from" en "valid_until" aan welke tabel voor welk jaar telt.',
                )
                break


def _check_one_request_a_table(catalogue: Catalogue) -> Iterator[Problem]:
    """One table is fetched once, so all series must ask for the same part of it."""
    asked: dict[str, tuple[Any, str]] = {}
    for entry in catalogue.series.values():
        for i, table in enumerate(entry.model.tables):
            wish = (table.period, table.odata, entry.model.select, entry.model.host)
            first, where = asked.setdefault(table.table, (wish, entry.model.id))
            if first != wish:
                yield entry.document.problem(
                    Number.CONFLICTING_TABLE,
                    ("tables", i),
                    f'De reeks "{where}" vraagt een ander deel van tabel "{table.table}".',
                    "Geef in beide reeksen dezelfde periode, dezelfde keuze (select) en dezelfde "
                    "versie van OData (odata).",
                )
