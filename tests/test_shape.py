"""A CBS table that changes its shape, from the source to the published file."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import dagster as dg

from monitor.errors import Exit
from monitor.run import Run

from .conftest import YEARLY, World, topic

SERIES = "series/jaren.yaml"


def change_topic(world: World, **cells: Any) -> None:
    """Publish other figures of the yearly table, with other properties of its topic."""
    world.record_figures(YEARLY, "11.0", "14.0", "15.0", modified="2024-02-02")
    geo = {"ID": 0, "Position": 0, "Type": "GeoDimension", "Key": "RegioS", "MapYear": 2022}
    world.record(YEARLY, DataProperties=[geo, topic("MetHulp_1", 2) | cells])


def run(world: World) -> tuple[Run, dict[str, Any]]:
    this = Run(world.settings)
    this.everything()
    note = this.note()
    assert note is not None
    return this, note


def test_another_unit_is_kept_out_until_the_owners_accept_it(world: World) -> None:
    run(world)
    change_topic(world, Unit="aantal")
    this, note = run(world)
    assert note["exit_code"] == Exit.QUARANTINED
    assert world.figures()["hulp-jaren", "NL01"] == (10.4, None)  # the last good ones
    [(state, reason)] = world.published(
        f"SELECT state, reason FROM quality.tables WHERE table_id = '{YEARLY}'"
    )
    assert state == "quarantined"
    assert 'De eenheid van "Met hulp" is veranderd van "%" in "aantal".' in reason
    assert "kunnen de cijfers van 1 indicator verkeerd zijn: hulp-jaren." in reason
    [row] = world.published(
        "SELECT table_id, change_no, retrieved_at, modified, kind, subject, before, after, "
        "indicators, quarantined FROM quality.shape_changes"
    )
    assert row == (
        YEARLY, 1, None, "2024-02-02", "unit", "Met hulp", "%", "aantal", "hulp-jaren", True
    )  # fmt: skip
    assert this.unchanged_since() is not None

    # the message holds the line that accepts the new shape
    found = re.search(r"accepted: (\[.*\])", reason)
    assert found is not None
    accepted = found[1]
    for blank, text in (("<datum>", "2026-11-22"), ("<partij>", "vng"), ("<reden>", "Klopt zo.")):
        accepted = accepted.replace(blank, text)
    file = world.settings.definitions / SERIES
    world.define(SERIES, f"{file.read_text('utf-8')}accepted: {accepted}\n")
    assert Run(world.settings).unchanged_since() is None
    _, note = run(world)
    assert note["exit_code"] == Exit.GOOD
    assert world.figures()["hulp-jaren", "NL01"] == (11.0, None)
    [(when, meaning, quarantined)] = world.published(
        "SELECT retrieved_at, meaning, quarantined FROM quality.shape_changes"
    )
    assert (when, quarantined) == (datetime(2026, 11, 22, 6), False)  # noqa: DTZ001
    assert "De monitor gebruikt deze nieuwe vorm." in meaning


def test_a_renamed_topic_is_taken_once_the_series_knows_its_new_name(world: World) -> None:
    run(world)
    change_topic(world, Key="MetSteun_1")
    world.record(
        YEARLY,
        UntypedDataSet=[
            {"ID": 0, "RegioS": code, "MetSteun_1": "    12.0"} for code in ("NL01  ", "GM0014")
        ],
    )
    _, note = run(world)
    assert note["exit_code"] == Exit.QUARANTINED
    [(meaning,)] = world.published("SELECT meaning FROM quality.shape_changes")
    found = re.search(r"Zet dan in de reeks: (topics: .*\})\.", meaning)
    assert found is not None
    file = world.settings.definitions / SERIES
    world.define(SERIES, f"{file.read_text('utf-8')}{found[1]}\n")
    _, note = run(world)
    assert note["exit_code"] == Exit.GOOD
    assert world.figures()["hulp-jaren", "NL01"] == (12.0, None)


def test_what_does_no_harm_is_taken_and_told_in_one_line(world: World) -> None:
    run(world)
    change_topic(world, Decimals=2)
    this, note = run(world)
    assert note["exit_code"] == Exit.GOOD
    line = (
        f'{YEARLY}: Het aantal decimalen van "Met hulp" is veranderd van 1 in 2. '
        "De cijfers blijven bruikbaar. Het gaat om 1 indicator: hulp-jaren."
    )
    assert note["summary"]["shape_changes"] == this.shape_lines(YEARLY) == [line]


def test_a_withdrawn_definition_changes_whom_it_concerns(world: World) -> None:
    run(world)
    change_topic(world, Decimals=2)
    run(world)
    file = world.settings.definitions / "indicators/hulp-jaren.v1.yaml"
    text = file.read_text("utf-8").replace("id: hulp-jaren", "id: hulp-elk-jaar")
    file.unlink()
    world.define("indicators/hulp-elk-jaar.v1.yaml", text)
    run(world)
    assert world.published("SELECT indicators FROM quality.shape_changes") == [("hulp-elk-jaar",)]


def test_dagster_shows_what_changed(world: World) -> None:
    world.materialise(f"cbs/{YEARLY}")
    change_topic(world, Unit="aantal")
    result = world.materialise(f"cbs/{YEARLY}")
    (event,) = result.get_asset_materialization_events()
    shown = event.materialization.metadata["shape_changes"]
    assert isinstance(shown, dg.TableMetadataValue)
    (record,) = shown.records
    assert record.data["quarantined"] is True
    assert "De eenheid" in str(record.data["what it means"])
