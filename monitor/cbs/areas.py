"""What is known of region codes, as who reads CBS's tables wants it handed in.

Belongs here: the form of that knowledge, in a module that costs nothing to import.
Does not belong here: the knowledge itself (``monitor.regions.codes``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class AreaCodes(NamedTuple):
    """What is known of region codes, handed in by ``monitor.regions``.

    Attributes:
        canonical: source code -> the one code that cells carry, for codes that differ.
        levels: two-letter prefix -> level, and whole codes that are exceptions to their prefix.
    """

    canonical: Mapping[str, str]
    levels: Mapping[str, str]

    def level(self, code: str) -> str:
        """Return the level of a trimmed code; ``other`` where its prefix is not known either."""
        return self.levels.get(code) or self.levels.get(code[:2], "other")
