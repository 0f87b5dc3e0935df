from __future__ import annotations

import gzip
import json
import shutil

import pytest

from monitor.cbs.client import Service
from monitor.cbs.failures import BrokenPage, NoMarks, NotOffered, ServiceError, UnknownSelection
from monitor.cbs.metadata import build_meta
from monitor.cbs.replay import Fault, Replay
from monitor.cbs.sources import CbsService, Recordings, TableRequest, open_source
from monitor.errors import UsageError

TABLE = "99999NED"


class Taken:
    """Keeps what a source hands over."""

    def __init__(self) -> None:
        self.entities = {}
        self.pages = []
        self.rows = []

    def describe(self, entities):
        self.entities = entities
        return build_meta(entities)

    def parse(self, page):
        return json.loads(page)["value"]

    def had(self, address):
        return None

    def take(self, packed, rows, address=None):
        self.pages.append(json.loads(gzip.decompress(packed)))
        assert self.pages[-1]["value"] == rows
        self.rows += rows


def take(source, **request):
    taken = Taken()
    source.fetch(TableRequest(TABLE, **request), taken)
    return taken


@pytest.fixture(params=["path", "http"])
def opened(request, tmp_path):
    """Open a folder of recordings as a source, straight or over HTTP."""
    replays = []

    def start(folder, **options):
        if request.param == "path":
            return Recordings(folder)
        replays.append(Replay(folder, **options))
        replays[-1].__enter__()
        service = Service(replays[-1].url, retries=0)
        return CbsService(service, "replay", partial=True)

    yield start
    for replay in replays:
        replay.__exit__()


def test_a_source_gives_entities_and_rows_as_recorded(opened, record):
    folder = record()
    taken = take(opened(folder))
    assert list(taken.entities) == [
        "TableInfos",
        "DataProperties",
        "RegioS",
        "Perioden",
        "CategoryGroups",
    ]
    for name, rows in {**taken.entities, "UntypedDataSet": taken.rows}.items():
        recorded = (folder / TABLE / f"{name}.json.gz").read_bytes()
        assert rows == json.loads(gzip.decompress(recorded))


def test_rows_come_in_pages_with_an_envelope(opened, record_many, many_rows):
    taken = take(opened(record_many()))
    assert [len(page["value"]) for page in taken.pages] == [10_000, 10_000, 5_000]
    assert all(page["odata.metadata"].endswith("UntypedDataSet") for page in taken.pages)
    assert taken.rows == many_rows


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ({"RegioS": ("NL01",)}, [0, 1]),
        ({"RegioS": ("NL01", "GM0014"), "Perioden": ("2023JJ00",)}, [1, 3]),
    ],
)
def test_a_selection_is_by_trimmed_codes(opened, record, select, expected):
    assert [row["ID"] for row in take(opened(record()), select=select).rows] == expected


def test_rows_that_are_padded_otherwise_than_their_dimension_are_not_found(opened, record):
    rows = [{"ID": 0, "RegioS": "NL01", "Perioden": "2022JJ00", "Jongeren_1": "1"}]
    taken = take(opened(record(UntypedDataSet=rows)), select={"RegioS": ("NL01",)})
    assert taken.rows == []
    assert len(taken.pages) == 1


def test_a_selection_that_the_table_does_not_know_is_told(opened, record):
    source = opened(record())
    with pytest.raises(UnknownSelection, match="no member GM9999 in dimension 'RegioS'"):
        take(source, select={"RegioS": ("GM9999",)})
    with pytest.raises(UnknownSelection, match="nothing selected"):
        take(source, select={"RegioS": ()})


def test_a_table_may_not_be_there(opened, record):
    source = opened(record())
    with pytest.raises(NotOffered):
        source.fetch(TableRequest("00000NED"), Taken())
    with pytest.raises(NotOffered):
        source.ask(TableRequest("00000NED"))


def test_a_table_without_untyped_rows_is_refused(opened, record):
    with pytest.raises(NoMarks, match="TypedDataSet does not tell a missing value's mark"):
        take(opened(record(UntypedDataSet=None, TypedDataSet=[])))


def test_an_entity_that_is_not_there_is_another_matter_than_a_table(opened, record):
    with pytest.raises(BrokenPage, match="RegioS"):
        take(opened(record(RegioS=None)))
    assert take(opened(record(CategoryGroups=None))).entities["CategoryGroups"] == []


def test_case_of_an_identifier_does_not_matter(opened, record):
    source = opened(record())
    taken = Taken()
    source.fetch(TableRequest(TABLE.lower()), taken)
    assert len(taken.rows) == 4


@pytest.mark.parametrize("damage", [b"", b"[", b"{}", b'[{"ID":0', b'[{"ID":0}', b"[\xff]"])
def test_a_damaged_recording_is_told(record, damage):
    folder = record()
    (folder / TABLE / "UntypedDataSet.json.gz").write_bytes(gzip.compress(damage))
    with pytest.raises(BrokenPage, match=r"UntypedDataSet\.json\.gz (is not|is damaged|can't)"):
        take(Recordings(folder))
    (folder / TABLE / "UntypedDataSet.json.gz").write_bytes(gzip.compress(damage)[:-9])
    with pytest.raises(BrokenPage):
        take(Recordings(folder))


def test_any_change_in_a_recording_gives_another_word(record):
    folder = record()
    source = Recordings(folder)
    word = source.ask(TableRequest(TABLE))
    assert source.modified([TableRequest(TABLE), TableRequest("00000NED")]) == {
        TABLE: word,
        "00000NED": None,
    }
    (folder / TABLE / "provenance.json").write_text("{}")
    assert source.ask(TableRequest(TABLE)) == word
    record(RegioS=[{"Key": "NL01  ", "Title": "Nederland!"}])
    assert source.ask(TableRequest(TABLE)) != word
    record()
    assert source.ask(TableRequest(TABLE)) == word


def test_the_word_of_a_service_is_its_date(record):
    folder = record()
    shutil.copytree(folder / TABLE, folder / "88888NED")
    tables = [TABLE, "88888NED", "00000NED"]
    with Replay(folder, faults=[Fault("88888NED", "status", times=None)]) as replay:
        source = CbsService(Service(replay.url, retries=0))
        # No usable answer says nothing about the table.
        assert source.modified(map(TableRequest, tables)) == {
            TABLE: "2024-10-31T02:00:00",
            "00000NED": None,
        }


def test_v4_is_asked_for_what_v3_does_not_offer_and_only_then(record):
    folder = record()
    with Replay(folder) as replay:
        source = CbsService(Service(replay.url, retries=0))
        for odata, asked in [(None, ["v3", "v4"]), ("v3", ["v3"]), ("v4", ["v4"])]:
            replay.targets.clear()
            with pytest.raises(NotOffered):
                source.ask(TableRequest("00000NED", odata=odata))
            assert ["v4" if "/odata/v1/" in target else "v3" for target in replay.targets] == asked
        replay.targets.clear()
        assert source.ask(TableRequest(TABLE)) == "2024-10-31T02:00:00"
        assert not [target for target in replay.targets if "/odata/v1/" in target]


def test_v4_of_third_parties_is_refused_and_not_asked(record):
    with Replay(record()) as replay:
        source = CbsService(Service(replay.url, retries=0))
        with pytest.raises(ServiceError, match="'derden' is not known"):
            source.ask(TableRequest(TABLE, host="derden", odata="v4"))
        with pytest.raises(NotOffered):
            source.ask(TableRequest("00000NED", host="derden"))
        assert not [target for target in replay.targets if "/odata/v1/" in target]


def test_a_selection_that_does_not_fit_in_one_request_is_asked_in_parts(record_many, many_rows):
    wanted = tuple(f"GM{number:04}" for number in range(0, 1000, 3))
    with Replay(record_many()) as replay:
        source = CbsService(Service(replay.url))
        taken = take(source, select={"RegioS": wanted})
    expected = [row for row in many_rows if row["RegioS"] in set(wanted)]
    assert sorted(taken.rows, key=lambda row: row["ID"]) == expected
    assert sum("$filter" in target for target in replay.targets) == len(wanted) // 20 + 1


def test_a_source_is_named_by_a_word_an_address_or_a_path(record, tmp_path):
    folder = record()
    for spec, label, partial in [
        ("cbs", "cbs", False),
        ("sample", "voorbeelddata", False),
        ("http://127.0.0.1:8080", "127-0-0-1-8080", True),
        ("http://cbs", "cbs-http", True),
        ("http://name:word@host:80/path", "host-80", True),
    ]:
        source = open_source(spec, folder)
        assert (source.label, source.partial) == (label, partial)
    source = open_source(str(folder), tmp_path)
    assert source.partial
    assert source.label.startswith("recordings-")
    assert source.label == open_source(f"{folder}/../recordings", tmp_path).label


def test_cbs_may_be_asked_at_another_address(record):
    with Replay(record()) as replay:
        source = open_source("cbs", record(), cbs_url=replay.url)
        # What it answers is kept apart from what CBS answers.
        assert source.label == replay.url.removeprefix("http://").replace(".", "-").replace(
            ":", "-"
        )
        assert not source.partial
        assert source.ask(TableRequest(TABLE)) == "2024-10-31T02:00:00"
        assert source.ask(TableRequest(TABLE, host="derden")) == "2024-10-31T02:00:00"


@pytest.mark.parametrize(("name", "problem"), [("", "has no recordings"), ("x", "does not exist")])
def test_a_path_without_recordings_is_wrong_use(tmp_path, name, problem):
    with pytest.raises(UsageError, match=rf"{problem}.*<table>/TableInfos\.json\.gz"):
        open_source(str(tmp_path / name), tmp_path)
