from __future__ import annotations

import json
import shutil
from datetime import timedelta

import duckdb
import pytest

from monitor.cbs.archive import Archive
from monitor.cbs.client import Service
from monitor.cbs.ingest import refresh
from monitor.cbs.replay import Fault, Replay
from monitor.cbs.sources import CbsService, Recordings, TableRequest
from monitor.errors import TableError

TABLE = "99999NED"


@pytest.fixture
def asked(tmp_path, now, area_codes):
    """Refresh the small table from a folder, over HTTP unless a source is given."""

    def ask(folder, *, faults=(), source=None, at=now, select=None, table=TABLE, **options):
        request = TableRequest(table, select=select or {})
        workspace = tmp_path / "workspace"
        if source is not None:
            return refresh(request, source, workspace, at, codes=area_codes, **options)
        with Replay(folder, faults=faults) as replay:
            service = Service(replay.url, retries=1, sleep=lambda _: None)
            source = CbsService(service, "replay")
            return refresh(request, source, workspace, at, codes=area_codes, **options)

    return ask


def observed(state):
    return duckdb.sql(
        f"SELECT region_code, period, topic, value::DOUBLE, source_mark, status "
        f"FROM read_parquet('{state.observations}') ORDER BY ALL"
    ).fetchall()


def rows_with(record_rows, **cells):
    return [{**record_rows[0], **cells}, *record_rows[1:]]


@pytest.fixture
def rows(record):
    from gzip import decompress

    recorded = record() / TABLE / "UntypedDataSet.json.gz"
    return json.loads(decompress(recorded.read_bytes()))


def test_a_table_is_archived_and_read(asked, record, now):
    heard = []
    state = asked(record(), progress=lambda *step: heard.append(step))
    assert (state.state, state.reason, state.detail) == ("new", None, None)
    assert (state.asked_at, state.modified) == (now, "2024-10-31T02:00:00")
    assert state.snapshot.rows == 4
    assert len(list(state.snapshot.pages())) == 1
    assert ("NL01", "2022JJ00", "Jongeren_1", 421110.0, None, "definitive") in observed(state)
    assert ("NL01", "2023JJ00", "MetJeugdzorg_2", None, ".", "provisional") in observed(state)
    assert len(observed(state)) == 8
    assert state.recording.is_file()
    assert heard == [(TABLE, 4, None)]


def test_what_was_not_touched_is_not_fetched_again(asked, record, now):
    first = asked(record())
    again = asked(record(), faults=[Fault("DataSet", "status", times=None)], at=now + timedelta(1))
    assert again.state == "unchanged"
    assert again.snapshot == first.snapshot
    assert again.observations == first.observations
    assert again.asked_at == now + timedelta(1)


def test_what_is_known_of_the_source_is_not_asked_again(asked, record):
    first = asked(record())
    down = [Fault(".", "status", times=None)]
    assert asked(record(), faults=down, known={TABLE: first.modified}).state == "unchanged"
    assert asked(record(), faults=down, known={}).state == "quarantined"


def test_the_same_content_with_another_date_makes_no_snapshot(asked, record, rows):
    first = asked(record())
    infos = {"Identifier": TABLE, "Title": "Jongeren", "Modified": "2025-01-01T02:00:00"}
    spelled = rows_with(rows[::-1], Jongeren_1="5010.00")
    second = asked(record(TableInfos=[infos], UntypedDataSet=spelled))
    assert (second.state, second.modified) == ("unchanged", "2025-01-01T02:00:00")
    assert second.snapshot == first.snapshot
    # And with that the new date is known.
    third = asked(record(TableInfos=[infos]), faults=[Fault("DataSet", "status", times=None)])
    assert third.state == "unchanged"


def test_other_content_makes_a_snapshot_beside_the_old_one(asked, record, rows, tmp_path, now):
    source = Recordings(record())
    first = asked(None, source=source)
    record(UntypedDataSet=rows_with(rows, Jongeren_1="  421111"))
    second = asked(None, source=source, at=now + timedelta(1))
    assert second.state == "new"
    found = Archive(tmp_path / "workspace" / "archive").snapshots(TABLE)
    assert found == [first.snapshot, second.snapshot]
    assert not first.observations.exists()
    assert ("NL01", "2022JJ00", "Jongeren_1", 421111.0, None, "definitive") in observed(second)


def test_another_selection_is_fetched_and_written_in_the_manifest(asked, record):
    asked(record())
    select = {"RegioS": ("NL01",), "Perioden": ("2022JJ00",)}
    state = asked(record(), select=select)
    assert state.state == "new"
    assert state.snapshot.rows == 1
    assert state.snapshot.selection.select == select
    assert asked(record(), select=select).state == "unchanged"


def test_what_follows_from_a_snapshot_is_made_again_where_it_is_missing(asked, record):
    first = asked(record())
    bytes_before = [path.read_bytes() for path in (first.observations, first.recording)]
    for folder in (first.observations.parent, first.recording.parent):
        shutil.rmtree(folder)
    again = asked(record())
    assert again.state == "unchanged"
    assert [path.read_bytes() for path in (again.observations, again.recording)] == bytes_before


def properties(**changed):
    from conftest import ENTITIES

    return [
        {**row, **changed} if row["Key"] == "MetJeugdzorg_2" else row
        for row in ENTITIES["DataProperties"]
    ]


BAD = {
    "an unknown period": (
        {"Perioden": [{"Key": "2022JJ00"}, {"Key": "2023QQ00"}]},
        {"Perioden": "2023QQ00"},
        "periode",
        "2023QQ00",
    ),
    "an unknown mark": ({}, {"Jongeren_1": "       x"}, "teken", "Jongeren_1"),
    "a column that is not described": ({}, {"Nieuw_3": "1"}, "rijen", "Nieuw_3"),
    "a code that is not listed": ({}, {"RegioS": "GM9999"}, "code", "GM9999"),
    "an unknown scale": (
        {"DataProperties": "x 1 00 euro"},
        {},
        "eenheid",
        "x 1 00 euro",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_table_with_something_unknown_is_kept_out(asked, record, rows, tmp_path, case):
    entities, cells, reason, detail = BAD[case]
    good = asked(record())
    entities = dict(entities)
    if "DataProperties" in entities:
        text = (record() / TABLE / "DataProperties.json.gz").read_bytes()
        from gzip import decompress

        described = json.loads(decompress(text))
        described[-1]["Unit"] = entities["DataProperties"]
        entities["DataProperties"] = described
    infos = {"Identifier": TABLE, "Title": "Jongeren", "Modified": "2025-01-01T02:00:00"}
    bad = record(TableInfos=[infos], UntypedDataSet=rows_with(rows, **cells), **entities)
    state = asked(bad)
    assert state.state == "quarantined"
    assert reason in state.reason.lower()
    assert state.detail.startswith(TABLE)
    assert detail in state.detail
    # The last good one is served, and what CBS sent is at hand.
    assert state.snapshot == good.snapshot
    assert observed(state) == observed(good)
    archive = tmp_path / "workspace" / "archive"
    assert Archive(archive).snapshots(TABLE) == [good.snapshot]
    assert detail in (archive / TABLE / ".refused" / "manifest.json").read_text()
    assert asked(record()).state == "unchanged"


def test_a_column_that_vanished_from_the_rows_is_told(asked, record, rows):
    fewer = [{key: cell for key, cell in row.items() if key != "MetJeugdzorg_2"} for row in rows]
    state = asked(record(UntypedDataSet=fewer))
    assert (state.state, state.snapshot, state.observations) == ("quarantined", None, None)
    assert "MetJeugdzorg_2 vanished" in state.detail


def without_last_topic(record, rows):
    from gzip import decompress

    recorded = (record() / TABLE / "DataProperties.json.gz").read_bytes()
    return record(
        TableInfos=[{"Identifier": TABLE, "Title": "Jongeren", "Modified": "2025"}],
        DataProperties=json.loads(decompress(recorded))[:-1],
        UntypedDataSet=[
            {key: cell for key, cell in row.items() if key != "MetJeugdzorg_2"} for row in rows
        ],
    )


def test_a_needed_topic_that_vanished_is_told_before_rows_are_fetched(asked, record, rows):
    good = asked(record())
    down = [Fault("DataSet", "status", times=None)]
    state = asked(without_last_topic(record, rows), needed={"MetJeugdzorg"}, faults=down)
    assert state.state == "quarantined"
    assert "vanished: MetJeugdzorg" in state.detail
    assert state.snapshot == good.snapshot


def test_a_topic_that_nobody_needs_may_vanish(asked, record, rows):
    asked(record())
    assert asked(without_last_topic(record, rows), needed={"Jongeren"}).state == "new"


@pytest.mark.parametrize("select", [{}, {"RegioS": ("GM0014",)}])
def test_an_empty_table_is_an_error(asked, record, rows, select):
    state = asked(record(UntypedDataSet=rows[:2] if select else []), select=select)
    assert state.state == "quarantined"
    assert state.reason == "CBS gaf voor deze tabel geen enkele regel."


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("status", "CBS antwoordde met een storing."),
        ("odata_error", "CBS antwoordde met een storing."),
        ("truncate", "CBS gaf een onvolledig of onleesbaar antwoord."),
        ("reset", "CBS was niet bereikbaar of antwoordde niet op tijd."),
    ],
)
@pytest.mark.parametrize("entity", ["TableInfos", "RegioS", "UntypedDataSet"])
def test_a_service_that_fails_leaves_the_last_good_one(asked, record, kind, reason, entity, rows):
    good = asked(record())
    infos = {"Identifier": TABLE, "Title": "Jongeren", "Modified": "2025"}
    faults = [Fault(entity, kind, times=None)]
    state = asked(record(TableInfos=[infos]), faults=faults)
    assert (state.state, state.reason) == ("quarantined", reason)
    assert (state.snapshot, state.observations) == (good.snapshot, good.observations)


def test_a_foreign_next_link_keeps_a_table_out(asked, record_many):
    state = asked(record_many(), faults=[Fault("UntypedDataSet", "foreign_next_link")])
    assert state.state == "quarantined"
    assert "ander adres" in state.reason


def test_what_validation_refuses_is_kept_out(asked, record):
    def refuse(recording):
        assert recording.is_file()
        raise TableError(TABLE, "not what pandera likes")

    state = asked(record(), validate=refuse)
    assert (state.state, state.detail) == ("quarantined", f"{TABLE}: not what pandera likes")


def test_a_table_that_a_partial_source_lacks_is_absent(asked, record):
    folder = record()
    assert asked(None, source=Recordings(folder)).state == "new"
    state = asked(None, source=Recordings(folder), table="00000NED")
    assert (state.state, state.snapshot, state.observations) == ("absent", None, None)
    whole = Recordings(folder, "sample", partial=False)
    assert asked(None, source=whole, table="00000NED").state == "quarantined"


def test_a_damaged_archive_is_told(asked, record, tmp_path):
    manifest = asked(record()).snapshot.folder / "manifest.json"
    manifest.write_text("{")
    state = asked(record())
    assert state.state == "quarantined"
    assert "Remove its folder" in state.detail


@pytest.mark.shared
def test_a_path_and_http_give_the_same_for_every_recording(
    shared_recordings, tmp_path, now, area_codes
):
    tables = [path.name for path in sorted(shared_recordings.iterdir())]
    assert tables
    with Replay(shared_recordings) as replay:
        service = CbsService(Service(replay.url), "replay", partial=True)
        for table in tables:
            period = {"84799NED": "2020"}.get(table)
            request = TableRequest(table, period)
            states = [
                refresh(request, source, tmp_path / source.label, now, codes=area_codes)
                for source in (Recordings(shared_recordings), service)
            ]
            by_path, by_http = states
            assert by_path.state == by_http.state, (by_path.detail, by_http.detail)
            if by_path.snapshot is None:
                assert by_path.reason == by_http.reason
                continue
            assert by_path.snapshot.identity == by_http.snapshot.identity
            assert by_path.snapshot.rows == by_http.snapshot.rows
            assert by_path.recording.read_bytes() == by_http.recording.read_bytes()
            assert by_path.observations.read_bytes() == by_http.observations.read_bytes()
