"""Which larger regions a municipality belongs to, by *Gebieden in Nederland* (a table a year).

Belongs here: finding the kinds of regions in such a table, by the titles of its groups, and how far
the regions of two kinds coincide.
Does not belong here: figures of regions (they are sums of municipalities), and CBS's tables.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING

from monitor.cbs.text import clean
from monitor.errors import TableError

if TYPE_CHECKING:
    from monitor.cbs.metadata import TableMeta, Topic

KINDS = {
    "arbeidsmarktregios": "labour_market_region",
    "coropgebieden": "corop",
    "ggdregios": "ggd_region",
    "jeugdregios": "youth_region",
    "landsdelen": "landsdeel",
    "provincies": "province",
    "rmcregios": "rmc_region",
    "veiligheidsregios": "safety_region",
    "wmocentrumgemeenten": "wmo_centre",
    "zorgkantoorregios": "care_office_region",
}
"""Title of a group of topics, only its letters and in lower case -> kind of region.

Other groups (police regions, court districts, tourist areas) are not the monitor's."""
_CODE, _NAME = "code", "naam"


class MembershipError(TableError):
    """A table of regions that does not tell which region a municipality belongs to."""

    explanation = "De tabel met gebieden vertelt niet bij welke regio een gemeente hoort."


@dataclass(frozen=True)
class Membership:
    """A municipality belongs to a region in a year.

    Attributes:
        municipality: region code.
        kind: one of ``KINDS``' values.
        region_code: code of the larger region.
        name: its name.
        year: of the division of 1 January.
    """

    municipality: str
    kind: str
    region_code: str
    name: str
    year: int


def read_memberships(
    meta: TableMeta, rows: Iterable[Mapping[str, str | None]], year: int
) -> list[Membership]:
    """Read one year's table.

    Args:
        meta: what the table says about itself. A kind of region is a group of topics with a topic
            ``Code`` and a topic ``Naam``; suffix numbers of their keys differ from year to year.
        rows: key -> text, a municipality each.
        year: the year that the table is about.

    Raises:
        MembershipError: no group is of a known kind, a group has no code and name, or a
            municipality has none of a kind that others have.
    """
    groups: dict[str, dict[str, Topic]] = defaultdict(dict)
    for topic in meta.topics:
        kind = KINDS.get(re.sub("[^a-z]", "", topic.path[-2].lower())) if topic.path[1:] else None
        if kind:
            groups[kind][topic.title.lower()] = topic
    if not groups:
        raise MembershipError(meta.table_id, "no group of topics has the title of a known kind")
    for kind, topics in groups.items():
        if not {_CODE, _NAME} <= topics.keys():
            raise MembershipError(
                meta.table_id, f"the group of {kind} has topics {sorted(topics)}, not Code and Naam"
            )
    found = []
    for row in rows:
        municipality = clean(row[meta.geo.key])
        for kind, topics in sorted(groups.items()):
            code, name = (clean(row[topics[what].key]) for what in (_CODE, _NAME))
            if not code:
                raise MembershipError(meta.table_id, f"row {municipality} has no {kind}")
            found.append(Membership(municipality, kind, code, name, year))
    return sorted(found, key=lambda m: (m.municipality, m.kind))


@dataclass(frozen=True)
class Congruence:
    """How far the regions of two kinds coincide in a year.

    Attributes:
        kinds: the two kinds.
        by_municipality: the Jaccard index of each municipality's two sets of partners, itself
            included: how many it has in both, of how many it has in either.
        mean: mean of those over municipalities.
        identical: number of municipalities whose two sets are the same.
    """

    kinds: tuple[str, str]
    by_municipality: Mapping[str, Fraction]
    mean: Fraction
    identical: int


def partners(memberships: Iterable[Membership]) -> dict[str, dict[str, frozenset[str]]]:
    """Return, by kind and municipality, who shares its region, itself included."""
    members: dict[tuple[str, str], set[str]] = defaultdict(set)
    memberships = list(memberships)
    for one in memberships:
        members[one.kind, one.region_code].add(one.municipality)
    found: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)
    for one in memberships:
        found[one.kind][one.municipality] = frozenset(members[one.kind, one.region_code])
    return dict(found)


def congruence(memberships: Iterable[Membership]) -> list[Congruence]:
    """Compare each pair of kinds of one year, all municipalities known.

    The measure is Jaccard's (P. Jaccard, The distribution of the flora in the alpine zone, 1912).
    """
    sets = partners(memberships)
    found = []
    for one, other in combinations(sorted(sets), 2):
        shares = {
            municipality: Fraction(len(a & b), len(a | b))
            for municipality, a in sets[one].items()
            if (b := sets[other].get(municipality))
        }
        found.append(
            Congruence(
                (one, other),
                shares,
                sum(shares.values(), Fraction()) / len(shares),
                sum(share == 1 for share in shares.values()),
            )
        )
    return found
