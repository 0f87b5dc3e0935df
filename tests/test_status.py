"""How each table stands, from what a few runs left behind."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from monitor.run import Run
from monitor.status import NEVER, TableStatus, shown_range, table_statuses

from .conftest import PERIODS, YEARLY, World

NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
HEADING = "Wanneer komen er nieuwe cijfers?\n"


def _at(world: World, days: int) -> Run:
    """A run of some days after noon of 22 November 2026."""
    return Run(replace(world.settings, now=NOON + dt.timedelta(days=days)))


def _status(run: Run, table: str = YEARLY) -> TableStatus:
    (found,) = [status for status in table_statuses(run) if status.table_id == table]
    return found


def _say(world: World, text: str, modified: str = "2026-06-30", **more: Any) -> None:
    """Let CBS say something about the next publication, with the same figures."""
    infos = {"Identifier": YEARLY, "Title": "Tabel", "Period": "2022", "Source": "CBS"}
    said = {"Modified": modified, "ShortDescription": HEADING + text, "Frequency": "Perjaar"}
    world.record(YEARLY, TableInfos=[infos | said | more])


def test_before_the_first_run_no_table_was_asked_for(world: World) -> None:
    assert [status.state for status in table_statuses(_at(world, 0))] == [NEVER, NEVER]


def test_a_good_table_is_not_stale_and_every_content_is_counted(world: World) -> None:
    _at(world, 0).ingest(YEARLY)
    world.record_figures(YEARLY, "11.0", "14.0", "15.0", modified="2026-11-23")
    _at(world, 1).ingest(YEARLY)
    status = _status(_at(world, 2))
    assert (status.state, status.snapshots, status.rows) == ("new", 2, 3)
    assert (status.asked_at, status.retrieved_at) == (NOON + dt.timedelta(1),) * 2
    assert status.modified == "2026-11-23"
    assert (status.stale_since, status.trouble) == (None, None)


def test_a_table_is_stale_since_the_first_ask_that_failed(world: World) -> None:
    _at(world, 0).ingest(YEARLY)
    world.record_figures(YEARLY, "x", "14.0", "15.0", modified="2026-11-23")
    _at(world, 1).ingest(YEARLY)
    world.record_figures(YEARLY, "y", "14.0", "15.0", modified="2026-11-24")
    _at(world, 2).ingest(YEARLY)
    status = _status(_at(world, 3))
    assert status.state == "quarantined"
    assert status.stale_since == NOON + dt.timedelta(1)
    assert status.retrieved_at == NOON, "the last good one is served"
    assert status.trouble
    assert status.trouble.startswith(f"{YEARLY}: quarantined since 2026-11-23 12:00: ")
    world.record_figures(YEARLY, "10.4", "14.0", "15.0", modified="2026-11-25")
    _at(world, 3).ingest(YEARLY)
    assert _status(_at(world, 3)).stale_since is None


def test_that_the_source_was_asked_counts_also_where_nothing_was_fetched(world: World) -> None:
    for table in (YEARLY, PERIODS):
        _at(world, 0).ingest(table)
    assert len(_at(world, 5).words()) == 2
    assert _status(_at(world, 6)).asked_at == NOON + dt.timedelta(5)


def test_an_announcement_is_heard_although_no_figure_changed(world: World) -> None:
    _say(world, "Nieuwe cijfers komen in oktober 2026.")
    _at(world, 0).ingest(YEARLY)
    status = _status(_at(world, 0))
    assert (status.next_first, status.next_last) == (dt.date(2026, 10, 1), dt.date(2026, 10, 31))
    assert status.overdue
    assert status.frequency == "Perjaar"
    _say(world, "Nieuwe cijfers komen in maart 2027.", modified="2026-11-23")
    assert _at(world, 1).ingest(YEARLY).state == "unchanged"
    status = _status(_at(world, 1))
    assert (status.snapshots, status.next_last) == (1, dt.date(2027, 3, 31))
    assert not status.overdue
    _at(world, 2).ingest(YEARLY)  # nothing is fetched
    assert _status(_at(world, 2)).next_last == dt.date(2027, 3, 31)


@pytest.mark.parametrize(
    ("text", "modified", "overdue"),
    [
        ("Nieuwe cijfers komen in oktober 2026.", "2026-06-30", True),
        ("Nieuwe cijfers komen in oktober 2026.", "2026-10-08", False),
        ("Nieuwe cijfers komen in november 2026.", "2026-06-30", False),
        ("Elk kwartaal komen er nieuwe cijfers.", "2020-06-30", False),
        ("Niet meer van toepassing.", "2020-06-30", False),
    ],
)
def test_a_publication_is_overdue_when_its_last_day_passed_and_nothing_came(
    world: World, text: str, modified: str, overdue: bool
) -> None:
    _say(world, text, modified)
    _at(world, 0).ingest(YEARLY)
    status = _status(_at(world, 0))
    assert status.overdue is overdue
    assert status.next_text == text


def test_an_announcement_is_published_with_its_dates(world: World) -> None:
    _say(world, "Nieuwe cijfers komen in juli 2027.")
    world.record_figures(PERIODS, "x", "6.1", "7.2")
    _at(world, 0).everything()
    assert world.published(
        "SELECT table_id, stale_since, next_publication, next_publication_from, "
        "next_publication_until FROM quality.tables ORDER BY table_id"
    ) == [
        (YEARLY, None, "Nieuwe cijfers komen in juli 2027.", dt.date(2027, 7, 1), dt.date(2027, 7, 31)),
        (PERIODS, NOON.replace(tzinfo=None), None, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [
        ("2026-10-31", "2026-10-31", "2026-10-31"),
        ("2026-07-01", "2026-07-31", "2026-07"),
        ("2027-04-01", "2027-06-30", "2027-04..06"),
        ("2026-09-01", "2026-12-20", "2026-09-01..12-20"),
    ],
)
def test_days_are_shown_as_people_write_them(first: str, last: str, shown: str) -> None:
    assert shown_range(dt.date.fromisoformat(first), dt.date.fromisoformat(last)) == shown
