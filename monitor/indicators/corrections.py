"""Corrections: known errors in CBS's figures, looked up in the tables and guarded.

Belongs here: finding the cells of a correction, and comparing what it expects with what CBS
publishes now: a correction of a figure that CBS has changed is not applied, and is a problem.
Does not belong here: what a correction does to the figures (``dbt_like_sql/core/cells.sql``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from monitor.cbs.metadata import TableMeta
from monitor.cbs.periods import parse_period
from monitor.indicators.catalogue import Catalogue, Entry, spelled
from monitor.indicators.models import CorrectedCell, Correction
from monitor.indicators.problems import Level, Number, Problem
from monitor.indicators.resolve import find, spell_members
from monitor.regions.codes import canonical

Key = tuple[str, str | None, str, str, str]
"""Where a figure is in the observations: table, topic, members, region, period."""


@dataclass(frozen=True)
class ResolvedCell:
    """One cell of a correction.

    Attributes:
        correction: the correction.
        cell: the cell as its file writes it.
        topic: the topic's key in the table; None where it can't be had.
        not_applied: in Dutch why the correction does nothing to this cell; None: it is applied.
    """

    correction: Correction
    cell: CorrectedCell
    topic: str | None
    not_applied: str | None = None

    @property
    def key(self) -> Key:
        """Where the figure is in the observations."""
        members = spell_members(self.correction.members)
        region = canonical(self.cell.region)
        return self.correction.table, self.topic, members, region, self.cell.period

    @property
    def year(self) -> int:
        """The year that the figure is about."""
        return parse_period(self.cell.period).year


def resolve_corrections(
    catalogue: Catalogue,
    metas: Mapping[str, TableMeta],
    observations: Mapping[str, Path],
    *,
    partial: bool = False,
    then: str | None = None,
) -> tuple[list[ResolvedCell], list[Problem]]:
    """Look up each cell of each correction, and judge whether the correction is applied to it.

    Args:
        catalogue: the cross-checked definitions.
        metas: metadata by table id.
        observations: the observation file by table id; without one no figure is judged.
        partial: the source is a recording that holds what was collected: a topic or a cell that it
            lacks is no problem.
        then: the figures are those that were known at this moment, in Dutch; None is now.

    Returns:
        The cells, by correction and in the order of its file; and the problems: D401-D407 and D410
        as of a term, D502, D505, D506. In generated figures and in those of the past D506 is a
        warning: they tell nothing about what CBS publishes now.
    """
    entries = sorted(catalogue.corrections.items())
    topics = {
        name: _topic(catalogue, entry, metas.get(entry.model.table), partial)
        for name, entry in entries
    }
    found = [
        (entry, i, ResolvedCell(entry.model, cell, topics[name][0]))
        for name, entry in entries
        for i, cell in enumerate(entry.model.cells)
    ]
    figures = _figures((cell.key for _, _, cell in found), observations)
    claimed: dict[Key, str] = {}
    cells: list[ResolvedCell] = []
    problems: set[Problem] = set()
    for entry, i, cell in found:
        refusal = topics[cell.correction.id][1]
        if refusal is None and cell.correction.table not in observations:
            refusal = "De monitor heeft geen cijfers uit deze tabel."
        if refusal is None:
            synthetic = metas[cell.correction.table].synthetic
            refusal = _claim(entry, i, cell, claimed) or _guard(
                entry, i, cell, figures, partial=partial, synthetic=synthetic, then=then
            )
        if isinstance(refusal, Problem):
            problems.add(refusal)
            refusal = refusal.message
        cells.append(replace(cell, not_applied=refusal))
    return cells, sorted(problems)


def _topic(
    catalogue: Catalogue, entry: Entry[Correction], meta: TableMeta | None, partial: bool
) -> tuple[str | None, Problem | str | None]:
    """Return the key of a correction's topic, and why the correction can't be applied at all."""
    model = entry.model
    if model.status == "fixed_upstream":
        return None, "CBS heeft de fout hersteld."
    if meta is None:
        return None, "De tabel is in deze bron niet beschikbaar."
    holding = [
        series.model
        for series in catalogue.series.values()
        if any(table.table == model.table for table in series.model.tables)
    ]
    # of several series with this table the one that says what the topic is called in it
    series = next((s for s in holding if spelled(model.topic) in s.topics), holding[0])
    topic, complaint = find(meta, model.topic, model.members, series, model.table)
    if complaint is None:
        return (None if topic is None else topic.key), None
    message = f"In tabel {model.table}: {complaint.message}"
    if partial and complaint.number is Number.UNKNOWN_TOPIC:
        return None, message
    return None, entry.document.problem(
        complaint.number, complaint.below, message, complaint.remedy
    )


def _figures(keys: Iterable[Key], observations: Mapping[str, Path]) -> dict[Key, Decimal | None]:
    """Return what CBS publishes in the cells that there are; None where it gives no figure."""
    import duckdb
    import pyarrow as pa

    wanted = sorted({key for key in keys if key[1] is not None and key[0] in observations})
    if not wanted:
        return {}
    names = ["table_id", "topic", "members", "region_code", "period"]
    cells = pa.table(dict(zip(names, zip(*wanted, strict=True), strict=True)))
    files = sorted({str(observations[key[0]]) for key in wanted})
    with duckdb.connect() as connection:
        connection.register("cells", cells)
        rows = connection.execute(
            f"SELECT {', '.join(names)}, value FROM read_parquet($1) JOIN cells "
            f"USING ({', '.join(names)})",
            [files],
        ).fetchall()
    return {row[:5]: row[5] for row in rows}


def _claim(
    entry: Entry[Correction], i: int, cell: ResolvedCell, claimed: dict[Key, str]
) -> Problem | None:
    """Refuse a cell that another correction has already."""
    other = claimed.setdefault(cell.key, cell.correction.id)
    if other == cell.correction.id:
        return None
    return entry.document.problem(
        Number.DOUBLE_CELL,
        ("cells", i),
        f'De cel "{cell.cell.region} {cell.cell.period}" staat ook in de correctie "{other}".',
        "Laat de cel in één correctie staan.",
    )


def _guard(
    entry: Entry[Correction],
    i: int,
    cell: ResolvedCell,
    figures: Mapping[Key, Decimal | None],
    *,
    partial: bool,
    synthetic: bool,
    then: str | None,
) -> Problem | str | None:
    """Refuse a cell that is not there, or that holds another figure than the one expected."""
    table, where = cell.correction.table, f'"{cell.cell.region}" in "{cell.cell.period}"'
    if cell.key not in figures:
        message = f"Tabel {table} heeft geen cel voor {where}."
        if partial:
            return message
        return entry.document.problem(
            Number.NO_SUCH_CELL,
            ("cells", i),
            message,
            'Kijk of "region", "period" en "members" kloppen, en of de keuze (select) van de reeks '
            "deze cel bevat.",
        )
    now = figures[cell.key]
    if now == cell.cell.expected:
        return None
    expected = f'De correctie "{cell.correction.id}" verwacht {_shown(cell.cell.expected)} voor '
    if synthetic or then:
        found, remedy = (
            ("In de voorbeelddata staat", "Voorbeelddata zijn verzonnen: dit zegt niets over CBS.")
            if synthetic
            else (f"Op {then} kende de monitor", "Dit zegt niets over wat CBS nu publiceert.")
        )
        return entry.document.problem(
            Number.OTHER_AT_CBS,
            ("cells", i, "expect"),
            f"{expected}{where} in tabel {table}. {found} {_shown(now)}.",
            remedy,
            Level.WARNING,
        )
    return entry.document.problem(
        Number.OTHER_AT_CBS,
        ("cells", i, "expect"),
        f"{expected}{where} in tabel {table}. CBS publiceert nu {_shown(now)}. De monitor past de "
        "correctie hier niet toe.",
        'Is de fout hersteld? Zet "status" op "fixed_upstream". Is het cijfer nog steeds fout? Zet '
        'dan bij "expect" wat CBS nu publiceert.',
    )


def _shown(figure: Decimal | None) -> str:
    """Return a figure as Dutch readers know it: ``13,5``."""
    if figure is None:
        return "geen cijfer"
    text = f"{figure:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace(".", ",")
