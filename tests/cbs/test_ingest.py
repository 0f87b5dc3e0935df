from __future__ import annotations

import errno
import os
import shutil
from datetime import timedelta

import duckdb
import pytest

from monitor.cbs.archive import Archive
from monitor.cbs.client import Service
from monitor.cbs.failures import HostGivenUp, Unreachable
from monitor.cbs.ingest import derived, refresh
from monitor.cbs.replay import Fault, Replay
from monitor.cbs.shape import SHORT, Needed, Use, fingerprint
from monitor.cbs.sources import CbsService, Recordings, TableRequest
from monitor.errors import DiskError, TableError

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


@pytest.fixture
def rows(entities):
    return entities["UntypedDataSet"]


def later(modified="2025-01-01T02:00:00"):
    return [{"Identifier": TABLE, "Title": "Jongeren", "Modified": modified}]


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


def test_the_same_content_with_another_date_makes_no_snapshot(asked, record, rows):
    first = asked(record())
    rows.reverse()
    rows[0]["Jongeren_1"] = "5010.00"
    second = asked(record(TableInfos=later(), UntypedDataSet=rows))
    assert (second.state, second.modified) == ("unchanged", "2025-01-01T02:00:00")
    assert second.snapshot == first.snapshot
    # And with that the new date is known.
    third = asked(record(TableInfos=later()), faults=[Fault("DataSet", "status", times=None)])
    assert third.state == "unchanged"


def test_other_content_makes_a_snapshot_beside_the_old_one(asked, record, rows, tmp_path, now):
    source = Recordings(record())
    first = asked(None, source=source)
    rows[0]["Jongeren_1"] = "  421111"
    record(UntypedDataSet=rows)
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


@pytest.mark.parametrize(
    ("entity", "row", "cells", "reason", "detail"),
    [
        ("Perioden", 1, {"Key": "2023QQ00"}, "een periode met een code", "2023QQ00"),
        ("Perioden", 1, {"Status": "Gokje"}, "heeft een status", "Gokje"),
        ("UntypedDataSet", 0, {"Jongeren_1": "       x"}, "een teken of getal", "Jongeren_1"),
        ("UntypedDataSet", 0, {"Nieuw_3": "1"}, "rijen van de tabel passen niet", "Nieuw_3"),
        ("UntypedDataSet", 0, {"RegioS": "GM9999"}, "een code die niet", "GM9999"),
        ("UntypedDataSet", 1, {"Perioden": "2022JJ00"}, "meer dan één keer", "2022JJ00"),
        ("DataProperties", 3, {"Unit": "x 1 00 euro"}, "een eenheid", "x 1 00 euro"),
        ("DataProperties", 3, {"Type": "Nieuw"}, "beschrijving", "Nieuw"),
        ("DataProperties", 0, {"Key": None}, "beschrijving", "GeoDimension without a Key"),
        ("DataProperties", 0, {"MapYear": "2023"}, "beschrijving", "MapYear '2023'"),
        ("RegioS", 0, {"Title": None}, "beschrijving", "'NL01' has no title"),
    ],
)
def test_a_table_with_something_unknown_is_kept_out(
    asked, record, entities, tmp_path, entity, row, cells, reason, detail
):
    good = asked(record())
    before = entities["Perioden"][1]["Key"]
    entities[entity][row] |= cells
    for figures in entities["UntypedDataSet"]:
        if figures["Perioden"] == before and entity == "Perioden":
            figures["Perioden"] = entities["Perioden"][1]["Key"]
    state = asked(record(**{**entities, "TableInfos": later()}))
    assert state.state == "quarantined"
    assert reason in state.reason
    assert state.table_id == TABLE
    assert detail in state.detail
    # The last good one is served, and what CBS sent is at hand.
    assert state.snapshot == good.snapshot
    assert observed(state) == observed(good)
    archive = tmp_path / "workspace" / "archive"
    assert Archive(archive).snapshots(TABLE) == [good.snapshot]
    assert detail in (archive / TABLE / ".refused" / "manifest.json").read_text()
    assert asked(record()).state == "unchanged"


def without_last_topic(rows):
    return [{key: cell for key, cell in row.items() if key != "MetJeugdzorg_2"} for row in rows]


def test_a_column_that_vanished_from_the_rows_is_told(asked, record, rows):
    state = asked(record(UntypedDataSet=without_last_topic(rows)))
    assert (state.state, state.snapshot, state.observations) == ("quarantined", None, None)
    assert "MetJeugdzorg_2 vanished" in state.detail


@pytest.fixture
def record_fewer_topics(record, entities):
    def write():
        return record(
            TableInfos=later(),
            DataProperties=entities["DataProperties"][:-1],
            UntypedDataSet=without_last_topic(entities["UntypedDataSet"]),
        )

    return write


def needed(topic, *accepted):
    return Needed((Use("een-indicator", topic, (topic,)),), frozenset(accepted))


def test_a_needed_topic_that_vanished_is_told_before_rows_are_fetched(
    asked, record, record_fewer_topics
):
    good = asked(record())
    down = [Fault("DataSet", "status", times=None)]
    state = asked(record_fewer_topics(), needed=needed("MetJeugdzorg"), faults=down)
    assert state.state == "quarantined"
    assert "topic_vanished 'Met jeugdzorg'" in state.detail
    assert "geen nieuwe cijfers maken voor 1 indicator: een-indicator." in state.reason
    assert state.snapshot == good.snapshot


def test_a_topic_that_nobody_needs_may_vanish(asked, record, record_fewer_topics):
    asked(record())
    assert asked(record_fewer_topics(), needed=needed("Jongeren")).state == "new"


def with_unit(entities, unit):
    properties = [dict(row) for row in entities["DataProperties"]]
    properties[3]["Unit"] = unit
    return properties


def test_a_shape_by_which_figures_could_be_wrong_waits_until_it_is_accepted(
    asked, record, entities, tmp_path
):
    archive = Archive(tmp_path / "workspace" / "archive")
    good = asked(record())
    assert good.snapshot.shape == fingerprint(good.snapshot.meta())
    folder = record(TableInfos=later(), DataProperties=with_unit(entities, "aantal"))
    refused = asked(folder, needed=needed("MetJeugdzorg"))
    assert (refused.state, refused.snapshot) == ("quarantined", good.snapshot)
    assert refused.reason.startswith('De eenheid van "Met jeugdzorg" is veranderd van "%"')
    # what CBS answered is at hand
    shape = fingerprint(archive.refused(TABLE))[:SHORT]
    assert f'shape: "{shape}"' in refused.reason
    assert asked(folder, needed=needed("MetJeugdzorg", "0" * SHORT)).state == "quarantined"
    taken = asked(folder, needed=needed("MetJeugdzorg", shape))
    assert taken.state == "new"
    assert taken.snapshot.shape.startswith(shape)
    # what was accepted stays accepted, and needs no mention any more
    assert asked(folder, needed=needed("MetJeugdzorg")).state == "unchanged"


def test_that_cbs_stops_a_table_is_kept_though_its_content_is_the_same(
    asked, record, now, tmp_path
):
    archive = Archive(tmp_path / "workspace" / "archive")
    good = asked(record())
    assert archive.described(good.snapshot, now) is None
    stopped = [
        later("2024-10-31T02:00:00")[0] | {"MetaDataModified": "2025", "Status": "Vervallen"}
    ]
    state = asked(record(TableInfos=stopped), at=now + timedelta(1))
    assert (state.state, state.snapshot) == ("unchanged", good.snapshot)
    assert archive.described(good.snapshot, now) is None  # not known yet on that day
    assert archive.described(good.snapshot, now + timedelta(1)) == stopped[0]


@pytest.mark.parametrize("select", [{}, {"RegioS": ("GM0014",)}])
def test_an_empty_table_is_an_error(asked, record, rows, select):
    state = asked(record(UntypedDataSet=rows[:2] if select else []), select=select)
    assert state.state == "quarantined"
    assert state.reason == "CBS gaf voor deze tabel geen enkele rij."


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("status", "CBS meldde een storing."),
        ("odata_error", "CBS meldde een storing."),
        ("truncate", "CBS gaf een onvolledig of onleesbaar antwoord."),
        ("reset", "CBS was niet bereikbaar of antwoordde niet op tijd."),
    ],
)
@pytest.mark.parametrize("entity", ["TableInfos", "RegioS", "UntypedDataSet"])
def test_a_service_that_fails_leaves_the_last_good_one(asked, record, kind, reason, entity):
    good = asked(record())
    faults = [Fault(entity, kind, times=None)]
    state = asked(record(TableInfos=later()), faults=faults)
    assert (state.state, state.reason) == ("quarantined", reason)
    assert (state.snapshot, state.observations) == (good.snapshot, good.observations)


@pytest.mark.parametrize("kind", ["status", "odata_error", "truncate", "reset"])
def test_after_an_outage_while_fetching_the_table_counts_as_not_asked(asked, record, kind):
    asked(record())
    down = [Fault("UntypedDataSet", kind, times=None)]
    state = asked(record(TableInfos=later()), faults=down)
    assert (state.state, state.modified) == ("quarantined", None)
    again = asked(record(TableInfos=later()))
    assert (again.state, again.modified) == ("unchanged", "2025-01-01T02:00:00")


def test_a_table_that_was_refused_for_its_content_keeps_its_word(asked, record, rows):
    rows[0]["Jongeren_1"] = "x"
    state = asked(record(UntypedDataSet=rows))
    assert (state.state, state.modified) == ("quarantined", "2024-10-31T02:00:00")


def test_a_foreign_next_link_keeps_a_table_out(asked, record_many):
    state = asked(record_many(), faults=[Fault("UntypedDataSet", "foreign_next_link")])
    assert state.state == "quarantined"
    assert "ander adres" in state.reason


def test_what_validation_refuses_is_kept_out(asked, record):
    def refuse(recording):
        assert recording.is_file()
        raise TableError(TABLE, "not what pandera likes")

    state = asked(record(), validate=refuse)
    assert (state.state, state.detail) == ("quarantined", "not what pandera likes")


def test_a_table_that_a_partial_source_lacks_is_absent(asked, record):
    folder = record()
    assert asked(None, source=Recordings(folder)).state == "new"
    state = asked(None, source=Recordings(folder), table="00000NED")
    assert (state.state, state.snapshot, state.observations) == ("absent", None, None)
    whole = Recordings(folder, "sample", partial=False)
    assert asked(None, source=whole, table="00000NED").state == "quarantined"


@pytest.fixture
def damaged(asked, record, rows):
    """Leave an old good snapshot and a new one with a damaged manifest; returns both."""
    old = asked(record(TableInfos=later("2020"))).snapshot
    rows[0]["Jongeren_1"] = "  421111"
    new = asked(record(UntypedDataSet=rows)).snapshot
    (new.folder / "manifest.json").write_text("{")
    return old, new


def test_a_damaged_snapshot_is_passed_over_and_the_table_fetched_anew(asked, record, rows, damaged):
    state = asked(record(UntypedDataSet=rows))
    assert (state.state, state.detail) == ("new", None)
    assert state.snapshot.identity == damaged[1].identity
    assert asked(record(UntypedDataSet=rows)).state == "unchanged"


def test_damage_is_told_where_the_table_can_not_be_fetched_anew(asked, record, damaged):
    old, new = damaged
    state = asked(record(), faults=[Fault("DataSet", "status", times=None)])
    assert (state.state, state.snapshot) == ("quarantined", old)
    assert new.folder.name in state.detail
    assert "Remove its folder" in state.detail


def test_content_that_is_the_same_makes_no_snapshot_after_the_clock_went_back(
    asked, record, rows, now, tmp_path
):
    asked(record())
    rows[0]["Jongeren_1"] = "  421111"
    source = Recordings(record(UntypedDataSet=rows))
    back = now - timedelta(20)
    states = [asked(None, source=source, at=back + timedelta(day)) for day in range(3)]
    assert [state.state for state in states] == ["new", "unchanged", "unchanged"]
    assert len(Archive(tmp_path / "workspace" / "archive").snapshots(TABLE)) == 2


@pytest.mark.shared
def test_a_path_and_http_give_the_same_for_every_recording(
    shared_recordings, tmp_path, now, area_codes
):
    folder = Recordings(shared_recordings)
    with Replay(shared_recordings) as replay:
        service = Service(replay.url)
        http = CbsService(service, "replay", partial=True)

        def both(request):
            return [
                refresh(request, source, tmp_path / source.label, now, codes=area_codes)
                for source in (folder, http)
            ]

        for table in sorted(path.name for path in shared_recordings.iterdir()):
            period = service.info(table)["Period"]
            requests = [TableRequest(table, period if period.isdecimal() else None)]
            if table == "03759ned":
                select = {"RegioS": ("NL01", "GM0014"), "Leeftijd": ("10000",)}
                requests.append(TableRequest(table, select=select))
            for request in requests:
                by_path, by_http = both(request)
                if table == "85919ENG":  # It has no UntypedDataSet.
                    assert by_path.state == by_http.state == "quarantined"
                    assert by_path.reason == by_http.reason
                    continue
                assert by_path.state == by_http.state == "new", (by_path.detail, by_http.detail)
                assert by_path.snapshot.identity == by_http.snapshot.identity
                assert by_path.snapshot.rows == by_http.snapshot.rows
                assert by_path.snapshot.selection == by_http.snapshot.selection
                assert by_path.recording.read_bytes() == by_http.recording.read_bytes()
                assert by_path.observations.read_bytes() == by_http.observations.read_bytes()


class Paged(Recordings):
    """Recordings of which each page has an address, as a service's; counts the pages it gives.

    ``down_after`` pages it is out of reach; ``happens`` then what a test wants.
    """

    def __init__(
        self, folder, *, down_after=None, fault=Unreachable, happens=lambda: None, **options
    ):
        super().__init__(folder, **options)
        self._fault = fault
        self.given = 0
        self._down_after = down_after
        self._happens = happens

    def fetch(self, request, into):
        outer = self

        class Addressed:
            describe, parse = into.describe, into.parse

            def take(self, packed, rows, address=None):
                self.pages = getattr(self, "pages", -1) + 1
                address = f"page {self.pages}"
                if (had := into.had(address)) is None:
                    if outer.given == outer._down_after:
                        raise outer._fault(TABLE, "down")
                    outer.given += 1
                into.take(had or packed, rows, address)
                outer._happens()

        return super().fetch(request, Addressed())


@pytest.mark.parametrize("fault", [Unreachable, HostGivenUp])
def test_after_an_outage_a_fetch_goes_on_where_it_stopped(asked, record_many, fault):
    folder = record_many()
    down, up = Paged(folder, down_after=2, fault=fault), Paged(folder)
    state = asked(None, source=down)
    assert (state.state, state.modified) == ("quarantined", None)
    assert asked(None, source=up).state == "new"
    assert (down.given, up.given) == (2, 1)


def test_an_outage_at_the_last_word_costs_no_page_again(asked, record_many, monkeypatch):
    source = Paged(record_many())

    def out():
        monkeypatch.setattr(source, "ask", fails)

    def fails(_):
        raise Unreachable(TABLE, "down")

    source._happens = out
    assert asked(None, source=source).state == "quarantined"
    monkeypatch.undo()
    source._happens = lambda: None
    assert asked(None, source=source).state == "new"
    assert source.given == 3


def test_a_table_that_changes_while_it_is_fetched_is_asked_again_whole(asked, record_many, record):
    source = Paged(record_many(), happens=lambda: record(TableInfos=later()))
    state = asked(None, source=source)
    assert (state.state, state.modified, state.snapshot) == ("quarantined", None, None)
    assert "CBS wijzigde de tabel" in state.reason
    assert source.given == 3


def test_the_next_run_takes_in_what_changed_meanwhile(asked, record, rows):
    folder = record()

    def changes():
        rows[0]["Jongeren_1"] = "  421111"
        record(TableInfos=later(), UntypedDataSet=rows)

    assert asked(None, source=Paged(folder, happens=changes)).state == "quarantined"
    again = Paged(folder)
    state = asked(None, source=again)
    assert (state.state, again.given) == ("new", 1)
    assert ("NL01", "2022JJ00", "Jongeren_1", 421111.0, None, "definitive") in observed(state)


def stating(rows):
    return [{"Identifier": TABLE, "Title": "x", "Modified": "2025", "RecordCount": rows}]


@pytest.mark.parametrize(("stated", "state"), [(3, "quarantined"), (4, "new"), (5, "quarantined")])
def test_the_number_of_rows_is_the_one_that_the_table_states(asked, record, stated, state):
    got = asked(record(TableInfos=stating(stated)))
    assert got.state == state
    if state != "new":
        assert "aantal rijen" in got.reason
        assert f"4 rows came in, and the table states {stated}" in got.detail
        # The next run does not take the source's word for it.
        assert got.modified is None
        assert asked(record(TableInfos=stating(4))).state == "new"


def test_of_a_selection_any_number_of_rows_will_do(asked, record):
    assert asked(record(TableInfos=stating(4)), select={"RegioS": ("NL01",)}).state == "new"


def test_an_older_snapshot_can_be_read_beside_the_newest(asked, record, rows, tmp_path, area_codes):
    old = asked(record())
    before = [old.recording.read_bytes(), old.observations.read_bytes()]
    rows[0]["Jongeren_1"] = "  421111"
    new = asked(record(UntypedDataSet=rows, TableInfos=later()))
    assert not old.observations.exists()
    made = derived(old.snapshot, TableRequest(TABLE), tmp_path / "workspace", area_codes)
    assert [path.read_bytes() for path in made] == before
    assert new.observations.exists()
    assert {path.name for path in (tmp_path / "workspace").iterdir()} == {
        "archive",
        "observations",
        "recordings",
    }


def test_a_damaged_page_is_told_where_a_snapshot_is_read_again(asked, record):
    good = asked(record())
    shutil.rmtree(good.observations.parent)
    (good.snapshot.folder / "UntypedDataSet.0.json.gz").write_bytes(b"half")
    state = asked(record())
    assert (state.state, state.observations) == ("quarantined", None)
    assert "not the bytes that were archived" in state.detail


@pytest.mark.parametrize(
    ("code", "what"),
    [("ENOSPC", "Make room"), ("EDQUOT", "Make room"), ("EROFS", "Give this user the right")],
)
def test_a_folder_that_can_not_be_written_stops_the_run_and_says_so(
    asked, record, monkeypatch, tmp_path, code, what
):
    good = asked(record())
    number = getattr(errno, code)

    def full(*_):
        raise OSError(number, os.strerror(number))

    folder = record(TableInfos=later())
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", full)
        with pytest.raises(DiskError, match=what) as told:
            asked(folder)
    assert str(tmp_path / "workspace") in str(told.value)
    assert told.value.exit_code == 1
    assert asked(record()).snapshot == good.snapshot


def test_what_cannot_be_approved_is_quarantined_before_its_rows_are_fetched(asked, record):
    def approve(meta):
        raise TableError(meta.table_id, "region GM0014, line 3 can't be read")

    good = asked(record())
    state = asked(record(TableInfos=later()), approve=approve)
    assert (state.state, state.snapshot) == ("quarantined", good.snapshot)
    assert "GM0014, line 3" in state.detail
    assert asked(record(TableInfos=later("2025-02-01T02:00:00"))).state == "unchanged"


def test_a_page_that_a_service_gave_is_not_asked_again_after_an_outage(
    record_many, tmp_path, now, area_codes
):
    def ask(service):
        source, workspace = CbsService(service, "replay"), tmp_path / "workspace"
        return refresh(TableRequest(TABLE), source, workspace, now, codes=area_codes)

    last = Fault("skip=20000", "reset")
    with Replay(record_many(), faults=[last], page_rows=5_000) as replay:
        service = Service(replay.url, retries=0, sleep=lambda _: None)
        assert ask(service).state == "quarantined"
        before = len(replay.targets)
        state = ask(service)
        # Pages past the end are asked ahead: this table does not say where it ends.
        asked = [
            int(target.rpartition("skip=")[2])
            for target in replay.targets[before:]
            if "skip" in target
        ]
    assert (state.state, state.snapshot.rows) == ("new", 25_000)
    assert min(asked) == 20_000
