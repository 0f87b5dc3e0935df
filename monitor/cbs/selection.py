"""The part of a table that is wanted, as CBS wants to be asked for it.

Belongs here: codes as a table spells them, ``$filter``, and how much of it fits in one request.
Does not belong here: what a series wants (``monitor.indicators``) and sending (``client``).
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING
from urllib.parse import quote

from monitor.cbs.failures import UnknownSelection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from monitor.cbs.metadata import TableMeta

MOST_COMPARISONS = 20
"""In one request. ASP.NET's OData stops at 100 nodes of an expression, which others measured as 19
to 20 of these; CBS's own DefaultSelection of 84799NED has 24."""
LONGEST_ADDRESS = 2000
"""Characters, encoded: a blank that pads a key takes three."""


def source_keys(meta: TableMeta, select: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return a selection with each trimmed code as the table spells it, blanks included.

    The width differs a dimension and a table, and a filter with another width finds nothing.

    Raises:
        UnknownSelection: the table does not have the dimension or a code.
    """
    dimensions = {dimension.key: dimension.members for dimension in meta.dimensions}
    keys: dict[str, tuple[str, ...]] = {}
    for dimension, codes in select.items():
        if dimension not in dimensions:
            raise UnknownSelection(
                meta.table_id,
                f"no dimension '{dimension}' to select on; it has {', '.join(dimensions)}",
            )
        members = dimensions[dimension]
        missing = [code for code in codes if code not in members]
        if missing or not codes:
            what = f"no member {', '.join(missing)}" if missing else "nothing selected"
            raise UnknownSelection(meta.table_id, f"{what} in dimension '{dimension}'")
        keys[dimension] = tuple(members[code].source_key for code in codes)
    return keys


def addresses(rows: str, keys: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the addresses that together give exactly the selected rows, each row once.

    Args:
        rows: address of all rows of a table, in v3 or v4.
        keys: dimension -> keys as the table spells them; empty selects all: the address itself.
    """
    head = f"{rows}{'&' if '?' in rows else '?'}$filter="
    parts = split(keys, LONGEST_ADDRESS - len(head))
    return [head + quote(odata_filter(part)) if part else rows for part in parts]


def split(keys: Mapping[str, Sequence[str]], room: int) -> list[dict[str, tuple[str, ...]]]:
    """Cut a selection in parts of at most MOST_COMPARISONS, whose filters fit in ``room``.

    The dimension of which most is wanted is cut first. Every combination is in one part. A filter
    of one key a dimension is not cut, however long.

    Args:
        keys: dimension -> keys.
        room: encoded characters for a filter.
    """
    every = {dimension: tuple(dict.fromkeys(keys[dimension])) for dimension in sorted(keys)}
    width = {
        dimension: max(len(quote(f" or {_comparison(dimension, key)}")) for key in wanted)
        for dimension, wanted in every.items()
    }
    around = len(quote("() and "))
    size = {dimension: len(wanted) for dimension, wanted in every.items()}

    def fits() -> bool:
        length = sum(around + width[dimension] * size[dimension] for dimension in size)
        return sum(size.values()) <= MOST_COMPARISONS and length <= room

    while not fits() and (largest := max(size, key=lambda each: size[each])) and size[largest] > 1:
        size[largest] -= 1
    pieces = [
        [wanted[at : at + size[dimension]] for at in range(0, len(wanted), size[dimension])]
        for dimension, wanted in every.items()
    ]
    return [dict(zip(every, part, strict=True)) for part in product(*pieces)]


def odata_filter(keys: Mapping[str, Sequence[str]]) -> str:
    """Return ``$filter`` for keys as the table spells them; '' for no selection."""
    return " and ".join(
        "(" + " or ".join(_comparison(dimension, key) for key in wanted) + ")"
        for dimension, wanted in sorted(keys.items())
    )


def _comparison(dimension: str, key: str) -> str:
    return f"{dimension} eq '" + key.replace("'", "''") + "'"
