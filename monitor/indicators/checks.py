"""What one definition file must hold to beyond its single fields.

Belongs here: fields of one file that must fit together, and entries that may be there only once.
Does not belong here: a single field (``models``) and what needs a second file (``catalogue``).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence

from pydantic import BaseModel

from monitor.cbs.periods import UnknownPeriodError, parse_period
from monitor.indicators.models import (
    CorrectedCell,
    Correction,
    Indicator,
    Parties,
    Published,
    Series,
    SeriesTable,
)
from monitor.indicators.problems import Number, Problem, or_list, suggest
from monitor.indicators.reader import Document, Location
from monitor.regions.codes import canonical


def check(model: BaseModel, document: Document) -> Iterator[Problem]:
    """Return the problems (D201, D203-D205, D309, D503, D504) of a file whose fields are right."""
    match model:
        case Parties():
            ids = (party.id for party in model.parties)
            yield from _double(document, ("parties",), ids, 'De partij "{}" staat er twee keer.')
        case Series():
            yield from _check_series(model, document)
        case Indicator():
            yield from _check_indicator(model, document)
        case Correction():
            yield from _check_correction(model, document)


def _check_indicator(model: Indicator, document: Document) -> Iterator[Problem]:
    yield from _years_in_order(model, document, ())
    if isinstance(model.measure, Published) and model.measure.value.sign == "minus":
        yield document.problem(
            Number.WRONG_VALUE,
            ("measure", "value", "sign"),
            "Een gepubliceerd cijfer telt u niet af.",
            'Haal "sign" weg, of kies bij "kind" voor "count".',
        )
    for name in ("levels", "period_types"):
        yield from _double(document, (name,), getattr(model, name), '"{}" staat er twee keer.')
    yield from _double(
        document,
        ("approvals",),
        (f"{approval.party} {approval.version}" for approval in model.approvals),
        'De instemming "{}" staat er twee keer.',
    )
    changed = list(dict.fromkeys(change.version for change in model.changes))
    if model.version not in changed:
        yield document.problem(
            Number.NOT_IN_CHANGES,
            ("version",),
            f'Versie "{model.version}" staat niet bij "changes".',
            'Schrijf bij "changes" wat er in deze versie veranderde.',
        )
    for i, approval in enumerate(model.approvals):
        if approval.version not in changed:
            yield document.problem(
                Number.NOT_IN_CHANGES,
                ("approvals", i, "version"),
                f'Versie "{approval.version}" staat niet bij "changes".',
                f"Kies uit: {or_list(changed)}.",
            )


def _check_series(model: Series, document: Document) -> Iterator[Problem]:
    for i, table in enumerate(model.tables):
        yield from _years_in_order(table, document, ("tables", i))
    tables = [table.table for table in model.tables]
    for i, accepted in enumerate(model.accepted):
        yield from _listed(document, ("accepted", i, "table"), accepted.table, tables)
    for topic, names in model.topics.items():
        for i, name in enumerate(names):
            location: Location = ("topics", topic, i)
            yield from _listed(document, (*location, "table"), name.table, tables)
            if name.topic is None and name.v4 is None:
                yield document.problem(
                    Number.MISSING_FIELD,
                    location,
                    'Het veld "topic" ontbreekt.',
                    'Voeg "topic:" toe, of "v4:" voor de nieuwe dienst van CBS (OData v4).',
                )


def _listed(
    document: Document, location: Location, table: str, tables: Sequence[str]
) -> Iterator[Problem]:
    if table not in tables:
        yield document.problem(
            Number.TABLE_NOT_IN_SERIES,
            location,
            f'Tabel "{table}" staat niet bij "tables" van deze reeks.',
            suggest(table, tables, f"Kies uit: {or_list(tables)}."),
        )


def _check_correction(model: Correction, document: Document) -> Iterator[Problem]:
    if model.status != "open" and model.reported is None:
        yield document.problem(
            Number.NOT_REPORTED,
            ("status",),
            f'De status is "{model.status}", maar het veld "reported" ontbreekt.',
            'Schrijf bij "reported" wie de fout meldde en wanneer, of kies de status "open".',
        )
    cells = (f"{canonical(cell.region)} {cell.period}" for cell in model.cells)
    yield from _double(document, ("cells",), cells, 'De cel "{}" staat er twee keer.')
    for i, cell in enumerate(model.cells):
        wrong = _wrong_replacement(model.action, cell)
        if wrong is not None:
            yield document.problem(Number.VALUE_AND_ACTION, ("cells", i, "value"), *wrong)
        try:
            parse_period(cell.period)
        except UnknownPeriodError:
            yield document.problem(
                Number.WRONG_VALUE,
                ("cells", i, "period"),
                f'De periode "{cell.period}" bestaat niet.',
                'CBS schrijft een jaar als "2020JJ00" en een kwartaal als "2020KW01".',
            )


def _wrong_replacement(action: str, cell: CorrectedCell) -> tuple[str, str] | None:
    """Return what is wrong with the new figure of a cell, and what to do."""
    if action == "replace" and cell.value is None:
        return 'Het veld "value" ontbreekt.', 'Schrijf bij "value" het juiste cijfer.'
    if action != "replace" and cell.value is not None:
        return (
            f'Bij de actie "{action}" hoort geen "value".',
            'Haal "value" weg, of kies bij "action" voor "replace".',
        )
    if cell.value is not None and cell.replacement == cell.expected:
        return (
            '"value" is hetzelfde cijfer als "expect".',
            'Schrijf bij "expect" wat CBS publiceert, en bij "value" wat het moet zijn.',
        )
    return None


def _years_in_order(
    model: Indicator | SeriesTable, document: Document, location: Location
) -> Iterator[Problem]:
    first, last = model.valid_from, model.valid_until
    if first and last and last < first:
        yield document.problem(
            Number.WRONG_VALUE,
            (*location, "valid_until"),
            f'"valid_until" ({last}) ligt voor "valid_from" ({first}).',
            "Kies een laatste jaar dat niet voor het eerste jaar ligt.",
        )


def _double(
    document: Document, location: Location, entries: Iterable[Hashable], message: str
) -> Iterator[Problem]:
    seen: set[Hashable] = set()
    for i, entry in enumerate(entries):
        if entry in seen:
            yield document.problem(
                Number.DOUBLE_ENTRY,
                (*location, i),
                message.format(entry),
                "Laat er één staan.",
            )
        seen.add(entry)
