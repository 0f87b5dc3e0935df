"""Text as CBS writes it: padding, no-break spaces, suffix numbers.

Belongs here: the spelling of keys, titles and numbers, independent of any table.
Does not belong here: what a code means (``periods``, ``units``, ``metadata``).
"""

from __future__ import annotations

import re

NUMBER = r"-?[0-9]{1,12}([.][0-9]{1,6})?"
"""A number that fits DECIMAL(18,6), as CBS writes it, for a full match. Any other spelling is
refused, never guessed."""

_SUFFIX = re.compile(r"_\d+$")


def clean(text: str | None) -> str:
    """Return a key or title without white space at its ends, no-break spaces included."""
    return (text or "").strip()


def stem(key: str) -> str:
    """Return a topic's key without its suffix number, which moves: ``Abc_12`` -> ``Abc``."""
    return _SUFFIX.sub("", key)
