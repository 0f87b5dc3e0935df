"""Codes of areas: one canonical spelling and the level that a code's prefix tells.

Belongs here: the list of prefixes with its exceptions, and the one list of codes that differ
between CBS's tables.
Does not belong here: names, validity and memberships (they come from CBS's tables).
"""

from __future__ import annotations

from monitor.cbs.areas import AreaCodes

CANONICAL = {"NL00": "NL01"}
"""Source code -> canonical code. Kerncijfers wijken en buurten writes the country as NL00."""

LEVELS = {
    "NL": "country",
    "LD": "landsdeel",
    "PV": "province",
    "CR": "corop",
    "GM": "municipality",
    "WK": "district",
    "BU": "neighbourhood",
    "JZ": "youth_region",
    "AM": "labour_market_region",
    "GG": "ggd_region",
    "VR": "safety_region",
    "ZK": "care_office_region",
    # No municipalities: an area without one, and registers of persons without a residence.
    **dict.fromkeys(("GM0996", "GM0997", "GM0998"), "other"),
}
"""Prefix of a region code -> level, and the codes that are exceptions to their prefix."""

AREA_CODES = AreaCodes(CANONICAL, LEVELS)
"""The same, as observations want it handed in."""


def canonical(code: str) -> str:
    """Return the one code that cells carry for a trimmed source code."""
    return CANONICAL.get(code, code)


def level(code: str) -> str:
    """Return the level of a trimmed region code; ``other`` for a prefix that is not in the list."""
    return AREA_CODES.level(code)
