"""The regions that CBS's tables name: which ones, what they are called, and when they existed.

Belongs here: names and validity as CBS's tables tell them.
Does not belong here: codes and levels (``codes``), and the history of mergers.

Validity of a municipality in a year is its being there on 1 January. The population register tells
it: who has inhabitants exists. For years that the register does not hold, a table in the division
of that year tells which municipalities there were; of those that it lacks nothing is known, because
a recording may hold a part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.cbs.observations import STATUSES
from monitor.cbs.periods import parse_period
from monitor.regions.codes import canonical, level

if TYPE_CHECKING:
    from monitor.cbs.metadata import Dimension, Member, TableMeta

REGISTER = "03759ned"
"""CBS's table of the population on 1 January, all municipalities since 1988."""
INHABITANTS = ("BevolkingOp1Januari", "M000352")
"""Stem of its topic, and the topic's code in OData v4."""
COUNTRY = "NL01"
"""Canonical code of the country, which has figures of every year."""


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
    selections: Mapping[str, Mapping[str, Sequence[str]]],
    years: Iterable[int],
) -> Regions:
    """Read the regions and periods that tables list, as far as they were asked for.

    Args:
        metas: metadata by table id.
        observations: observation file by table id.
        periods: the year that a table without periods is about, by table id.
        selections: what was asked of a table, by table id: dimension -> member codes. A dimension
            that is absent was asked for whole.
        years: years that figures may be about; in each of them there is a country.
    """

    def asked(table_id: str, dimension: Dimension) -> list[Member]:
        wanted = selections.get(table_id, {}).get(dimension.key)
        members = dimension.members.values()
        return [member for member in members if wanted is None or member.code in wanted]

    by_table = [
        {
            "table_id": table_id,
            "region_code": canonical(code),
            "region_level": level(code),
            "map_year": meta.geo.map_year,
        }
        for table_id, meta in sorted(metas.items())
        for code in sorted(member.code for member in asked(table_id, meta.geo))
    ]
    periods_by_table = [
        row
        for table_id, meta in sorted(metas.items())
        for row in _periods(
            table_id, periods.get(table_id), asked(table_id, meta.time) if meta.time else None
        )
    ]
    known = {row["year"] for row in periods_by_table}
    valid = {(COUNTRY, year): True for year in known.union(years)} | _from_divisions(by_table)
    if REGISTER in observations:
        valid |= _from_register(observations[REGISTER])
    validity = [
        {"region_code": code, "region_level": level(code), "year": year, "valid": there}
        for (code, year), there in sorted(valid.items())
    ]
    return Regions(_named(metas), validity, by_table, periods_by_table)


def _periods(
    table_id: str, year: str | None, members: Sequence[Member] | None
) -> list[dict[str, Any]]:
    """Return the periods that a table lists, or the one year of a table without periods."""
    if members is None:
        listed = [(f"{year}JJ00", "unknown")] if year else []
    else:
        listed = [(member.code, STATUSES[member.status]) for member in members]
    found = [(parse_period(code, table_id), status) for code, status in sorted(listed)]
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
    names = {COUNTRY: "Nederland"}
    for table_id in sorted(metas, key=lambda t: (t == REGISTER, metas[t].period, t)):
        for code, member in metas[table_id].geo.members.items():
            if member.title != code or canonical(code) not in names:  # some have no name there
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
            WHERE regexp_replace(topic, '_[0-9]+$', '') IN ?
            GROUP BY region_code, year
            """,
            [str(observations), list(INHABITANTS)],
        ).fetchall()
    return {(code, year): bool(there) for code, year, there in rows}
