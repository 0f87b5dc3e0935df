from __future__ import annotations

import datetime as dt
import gzip
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.regions.history import Block, HistoryError, Kind, Part, parse_history

SHARED = Path(__file__).resolve().parents[3] / "shared" / "cbs"

HAAREN = """\
Opgeheven per 01-01-2021, overgegaan naar:
- Boxtel (GM0757),
... 535 hectare met 918 woningen en 2149 inwoners
- Vught (GM0865),
... 2630 hectare met 2085 woningen en 4900 inwoners

Grenswijziging per 01-01-1997, overgegaan naar:
- Oisterwijk (GM0824),
... 22 hectare met 1 woning en 1 inwoner

Begindatum voor 1830
"""


def only(text: str) -> Block:
    (block,) = parse_history("GM0788", text).blocks
    return block


def test_a_block_tells_what_moved_when_and_where() -> None:
    history = parse_history("GM0788", HAAREN)
    ended, moved = history.blocks
    assert (ended.kind, ended.date, ended.direction) == (
        Kind.DISSOLVED,
        dt.date(2021, 1, 1),
        "to",
    )
    assert ended.parts[0] == Part("GM0757", "Boxtel", Decimal(535), 918, 2149)
    assert moved.line == 7
    assert moved.parts == (Part("GM0824", "Oisterwijk", Decimal(22), 1, 1),)
    assert (history.begin, history.before) == (dt.date(1830, 1, 1), True)


@pytest.mark.parametrize(
    ("heading", "kind", "direction"),
    [
        ("Ontstaan per 01-01-2011, uit:", Kind.FOUNDED, "from"),
        ("Ontstaan per 01-01-2007 uit:", Kind.FOUNDED, "from"),
        ("Ontstaan per 01-01-2022, ontvangen van:", Kind.FOUNDED, "from"),
        ("Gemeentelijke herindeling per 01-01-2019, ontvangen van:", Kind.REORGANISED, "from"),
        ("Grenswijziging per 01-01-2017, ontvangen van:", Kind.BOUNDARY, "from"),
        ("Wijziging per 01-01-1990, overgegaan naar:", Kind.CHANGED, "to"),
    ],
)
def test_each_heading_of_cbs_is_known(heading: str, kind: Kind, direction: str) -> None:
    block = only(f"{heading}\n- Haren (GM0017),\n... 1 hectare met 0 woningen en 0 inwoners\n")
    assert (block.kind, block.direction) == (kind, direction)


@pytest.mark.parametrize(
    ("line", "hectares", "dwellings", "inhabitants"),
    [
        ("... 5026 hectare 8104 woningen en 19614 inwoners", 5026, 8104, 19614),
        ("... 0,5 hectare met 1 woning en 1 inwoner", Decimal("0.5"), 1, 1),
        ("... 43 hectare met 9 inwoners", 43, None, 9),
        ("... 3 woningen en 13 inwoners", None, 3, 13),
        ("... 13 inwoners", None, None, 13),
    ],
)
def test_amounts_come_in_several_spellings(
    line: str, hectares: Decimal | None, dwellings: int | None, inhabitants: int | None
) -> None:
    block = only(f"Wijziging per 01-01-1990, ontvangen van:\n- Haren (GM0017),\n{line}\n")
    (part,) = block.parts
    assert (part.hectares, part.dwellings, part.inhabitants) == (hectares, dwellings, inhabitants)


def test_a_renaming_names_the_other_code() -> None:
    block = only("Naamswijziging per 01-01-2016,\nnieuwe naam: Berg en Dal (GM1945),\n")
    assert (block.kind, block.direction) == (Kind.RENAMED, "to")
    assert block.parts == (Part("GM1945", "Berg en Dal"),)


def test_a_change_of_province_has_no_parts() -> None:
    block = only(
        "Provinciale wijziging per 01-01-2019:\n"
        "- overgegaan van provincie Zuid-Holland naar provincie Utrecht \n"
    )
    assert block.provinces == ("Zuid-Holland", "Utrecht")
    assert block.parts == ()


def test_a_name_may_hold_commas_and_brackets() -> None:
    text = "Opgeheven per 01-01-1998, overgegaan naar:\n- Bergen, (NH.) (GM0373),\n"
    assert only(text).parts[0].name == "Bergen, (NH.)"


def test_lone_full_stops_and_no_break_spaces_say_nothing() -> None:
    text = HAAREN.replace("\n\nGrens", "\n.\n\nGrens").replace("01-2021, ", "01-2021,\u00a0")
    assert parse_history("GM0788", text).blocks[0] == parse_history("GM0788", HAAREN).blocks[0]


def test_a_municipality_without_text_has_no_history() -> None:
    assert parse_history("GM0363", None).blocks == ()
    assert parse_history("GM0363", "").begin is None


def test_a_register_of_persons_is_described_in_prose() -> None:
    assert parse_history("GM0997", "Register waarin inwoners stonden.").blocks == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Begindatum voor 1830\nSamengevoegd met iets.\n", "GM0788, line 2 .*Samengevoegd"),
        ("Opgeheven per 1 januari 2021\n", "line 1 .*1 januari"),
        ("Opgeheven per 31-02-2021\n", "line 1 .*31-02-2021.*day is out of range"),
        ("Opgeheven per 01-01-2021, overgegaan naar:\n\nBegindatum voor 1830\n", "without parts"),
        ("Begindatum voor 1830\nBegindatum 01-01-1984\n", "line 2 .*Begindatum twice"),
        (
            "Grenswijziging per 01-01-2008, ontvangen van:\n- Haren (GM0017),\n... 9 inwoners\n",
            r"Haren \(GM0017\) lacks a number",
        ),
        (
            (
                "Wijziging per 01-01-1990, ontvangen van:\n"
                "- Haren (GM0017),\n... 9 inwoners\n- Haren (GM0017),\n... 9 inwoners\n"
            ),
            "a municipality twice",
        ),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_region_and_line(text: str, told: str) -> None:
    with pytest.raises(HistoryError, match=told):
        parse_history("GM0788", text)


_codes = st.integers(1, 9999).map("GM{:04}".format)
_dates = st.dates(dt.date(2007, 1, 1), dt.date(2026, 1, 1))
_parts = st.lists(
    st.builds(
        Part,
        _codes,
        st.sampled_from(["Haren", "'s-Gravendeel", "Bergen (NH.)", "Heel, en zo"]),
        st.decimals(0, 20_000, places=1),
        st.integers(0, 900_000),
        st.integers(0, 900_000),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda part: part.code,
)


def _written(date: dt.date, parts: list[Part]) -> str:
    lines = [f"Grenswijziging per {date:%d-%m-%Y}, ontvangen van:"]
    for part in parts:
        hectares = str(part.hectares).replace(".", ",")
        lines += [
            f"- {part.name} ({part.code}),",
            f"... {hectares} hectare met {part.dwellings} woningen en {part.inhabitants} inwoners",
        ]
    return "\n".join(lines)


@given(st.lists(st.tuples(_dates, _parts), min_size=1, max_size=4), st.randoms())
def test_the_order_of_blocks_makes_no_difference(
    blocks: list[tuple[dt.date, list[Part]]], random: object
) -> None:
    texts = [_written(date, parts) for date, parts in blocks]
    shuffled = list(texts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = [parse_history("GM0001", "\n\n".join(t)).blocks for t in (texts, shuffled)]
    as_written = Counter((date, tuple(parts)) for date, parts in blocks)
    for parsed in found:
        assert Counter((block.date, block.parts) for block in parsed) == as_written


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no recordings of CBS's tables")
def test_every_municipality_that_cbs_describes_can_be_read() -> None:
    """Opgeheven since 2015: 82 municipalities (CBS 03759ned, RegioS, July 2026)."""
    rows = json.loads(gzip.decompress((SHARED / "03759ned" / "RegioS.json.gz").read_bytes()))
    histories = [
        parse_history(row["Key"].strip(), row["Description"])
        for row in rows
        if row["Key"].startswith("GM")
    ]
    ended = [
        block
        for history in histories
        for block in history.blocks
        if block.kind is Kind.DISSOLVED and block.date >= dt.date(2015, 1, 1)
    ]
    assert len(histories) == 835
    assert len(ended) == 82
