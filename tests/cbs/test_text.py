from __future__ import annotations

import pytest

from monitor.cbs.text import clean, stem


@pytest.mark.parametrize(
    ("text", "trimmed"),
    [("GM0363    ", "GM0363"), (" Naam\u00a0", "Naam"), ("a\u00a0b", "a\u00a0b"), (None, "")],
)
def test_a_key_is_trimmed_at_its_ends_no_break_spaces_included(
    text: str | None, trimmed: str
) -> None:
    assert clean(text) == trimmed


def test_a_stem_lacks_the_suffix_number_and_keeps_other_numbers() -> None:
    assert stem("AantalInwoners_5") == "AantalInwoners"
    assert stem("k_0Tot15Jaar_8") == "k_0Tot15Jaar"
    assert stem("Totaal") == "Totaal"
