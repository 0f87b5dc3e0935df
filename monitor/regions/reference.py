"""The regions that CBS's tables name: which ones, what they are called, and when they existed.

Belongs here: names and validity as CBS's tables tell them.
Does not belong here: codes and levels (``codes``), and the history of mergers.

Validity of a municipality in a year is its being there on 1 January. The population register tells
it: who has inhabitants exists. For years that the register does not hold, a table in the division
of that year tells which municipalities there were; of those that it lacks nothing is known, because
a recording may hold a part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.cbs.observations import STATUSES
from monitor.cbs.periods import parse_period
from monitor.regions.codes import canonical, level

if TYPE_CHECKING:
    from monitor.cbs.metadata import TableMeta

REGISTER = "03759ned"
"""CBS's table of the population on 1 January, all municipalities since 1988."""
INHABITANTS = "BevolkingOp1Januari"
"""Stem of its topic."""


@dataclass(frozen=True)
class Regions:
    """Regions as rows for the warehouse.

    Attributes:
        regions: region_code, region_level, name.
        years: region_code, region_level, year, valid: only what is known.
        by_table: table_id, region_code, region_level, map_year.
        periods_by_table: table_id, period, period_type, year, status.
    """

    regions: list[dict[str, Any]]
    years: list[dict[str, Any]]
    by_table: list[dict[str, Any]]
    periods_by_table: list[dict[str, Any]]


def read_regions(
    metas: Mapping[str, TableMeta],
    observations: Mapping[str, Path],
    periods: Mapping[str, str | None],
) -> Regions:
    """Read the regions and periods that tables list.

    Args:
        metas: metadata by table id.
        observations: observation file by table id.
        periods: the year that a table without periods is about, by table id.
    """
    by_table = [
        {
            "table_id": table_id,
            "region_code": canonical(code),
            "region_level": level(code),
            "map_year": meta.geo.map_year,
        }
        for table_id, meta in sorted(metas.items())
        for code in sorted(meta.geo.members)
    ]
    periods_by_table = [
        row
        for table_id, meta in sorted(metas.items())
        for row in _periods(table_id, meta, periods.get(table_id))
    ]
    valid = _from_divisions(by_table)
    if REGISTER in observations:
        valid |= _from_register(observations[REGISTER])
    years = [
        {"region_code": code, "region_level": level(code), "year": year, "valid": known}
        for (code, year), known in sorted(valid.items())
    ]
    return Regions(_named(metas), years, by_table, periods_by_table)


def _periods(table_id: str, meta: TableMeta, year: str | None) -> list[dict[str, Any]]:
    if meta.time is None:
        members: list[tuple[str, str]] = [(f"{year}JJ00", "unknown")] if year else []
    else:
        members = [(m.code, STATUSES[m.status]) for m in meta.time.members.values()]
    found = [(parse_period(code, table_id), status) for code, status in sorted(members)]
    return [
        {
            "table_id": table_id,
            "period": period.code,
            "period_type": period.type,
            "year": period.year,
            "status": status,
        }
        for period, status in found
    ]


def _named(metas: Mapping[str, TableMeta]) -> list[dict[str, Any]]:
    """Name each region as the register does, else as the newest table that names it."""
    names: dict[str, str] = {}
    for table_id in sorted(metas, key=lambda t: (t == REGISTER, metas[t].period, t)):
        for code, member in metas[table_id].geo.members.items():
            names[canonical(code)] = member.title
    return [
        {"region_code": code, "region_level": level(code), "name": names[code]}
        for code in sorted(names)
    ]


def _from_divisions(by_table: list[dict[str, Any]]) -> dict[tuple[str, int], bool]:
    return {
        (row["region_code"], row["map_year"]): True
        for row in by_table
        if row["map_year"] is not None
    }


def _from_register(observations: Path) -> dict[tuple[str, int], bool]:
    import duckdb

    with duckdb.connect() as connection:
        rows = connection.execute(
            """
            SELECT region_code, year, count(value) > 0
            FROM read_parquet(?)
            WHERE regexp_replace(topic, '_[0-9]+$', '') = ?
            GROUP BY region_code, year
            """,
            [str(observations), INHABITANTS],
        ).fetchall()
    return {(code, year): bool(there) for code, year, there in rows}
