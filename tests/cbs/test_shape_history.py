from __future__ import annotations

from datetime import timedelta

import pytest

from monitor.cbs.archive import Archive
from monitor.cbs.ingest import refresh
from monitor.cbs.shape import Needed, Use
from monitor.cbs.shape_history import shape_history
from monitor.cbs.sources import Recordings, TableRequest

TABLE = "99999NED"
NEEDED = Needed((Use("met-jeugdzorg", "MetJeugdzorg", ("MetJeugdzorg",)),))


@pytest.fixture
def history(record, tmp_path, now, area_codes):
    """Take in one answer after another, a day apart, and return the history after the last."""

    def take(*answers, needed=NEEDED):
        for day, answer in enumerate(answers):
            at = now + timedelta(day)
            source = Recordings(record(**answer), "recordings")
            state = refresh(
                TableRequest(TABLE), source, tmp_path / "w", at, codes=area_codes, needed=needed
            )
        return shape_history(
            Archive(tmp_path / "w" / "archive"),
            state.snapshot,
            refused=state.state == "quarantined",
            until=at,
            needed=needed,
        )

    return take


def told(changes):
    return [(c.kind, c.retrieved_at and c.retrieved_at[:10], c.quarantined) for c in changes]


@pytest.fixture
def described(entities):
    """Properties of the small table with other cells for its last topic."""

    def change(**cells):
        rows = [dict(row) for row in entities["DataProperties"]]
        rows[-1] |= cells
        return {"DataProperties": rows}

    return change


def infos(**cells):
    return {"TableInfos": [{"Identifier": TABLE, "Title": "Jongeren", "Modified": "2025"} | cells]}


def test_one_snapshot_of_a_running_table_has_no_history(history):
    assert history({}) == []


def test_changes_are_told_with_the_snapshot_that_brought_them(history, described):
    found = history({}, described(Decimals=2), described(Decimals=2, Title="Jeugdzorg"))
    assert told(found) == [
        ("decimals", "2026-11-23", False),
        ("topic_renamed", "2026-11-24", False),
    ]
    assert [change.newest for change in found] == [False, True]
    assert found[0].indicators == ("met-jeugdzorg",)


def test_what_was_refused_is_told_against_the_snapshot_that_is_served(history, described):
    found = history({}, described(Decimals=2), described(Decimals=2, Unit="aantal") | infos())
    assert told(found) == [("decimals", "2026-11-23", False), ("unit", None, True)]
    assert found[1].modified == "2025"
    assert "De monitor gebruikt de vorige levering tot de definities zijn" in found[1].meaning


def test_the_end_of_the_only_snapshot_is_told(history):
    text = "Deze tabel is stopgezet. Zie tabel 85098NED."
    found = history(infos(Frequency="Stopgezet", ShortDescription=text))
    assert told(found) == [
        ("discontinued", "2026-11-22", False),
        ("successor", "2026-11-22", False),
    ]
    assert found[1].after == "85098NED"


def test_the_end_is_told_once_though_no_figure_changed(history):
    found = history({}, infos(Frequency="Stopgezet"), infos(Frequency="Stopgezet", Title="Oud"))
    assert told(found) == [("discontinued", "2026-11-22", False)]


def test_the_end_is_not_told_again_with_an_answer_that_was_refused(history, described):
    stopped = infos(Frequency="Stopgezet")
    found = history({}, stopped, stopped | described(Unit="aantal"))
    assert told(found) == [("discontinued", "2026-11-22", False), ("unit", None, True)]


def test_without_a_good_snapshot_there_is_no_history(history, entities):
    entities["UntypedDataSet"][0]["Jongeren_1"] = "x"
    assert history({"UntypedDataSet": entities["UntypedDataSet"]}) == []


def test_an_old_snapshot_that_is_damaged_takes_only_its_own_changes_away(
    history, described, tmp_path
):
    history({}, described(Decimals=2))
    (oldest, *_) = Archive(tmp_path / "w" / "archive").snapshots(TABLE)
    (oldest.folder / "DataProperties.0.json.gz").write_bytes(b"")
    found = history(described(Decimals=2), described(Decimals=3))
    assert [(change.before, change.after) for change in found] == [("2", "3")]
