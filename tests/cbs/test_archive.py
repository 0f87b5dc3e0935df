from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cbs.archive import Archive, ArchiveError, Asked, Selection
from monitor.errors import TableError

TABLE = "99999NED"
MOMENT = datetime(2026, 11, 22, 6, tzinfo=UTC)
PAGE = gzip.compress(b'{"odata.metadata":"x","value":[{"ID":0,"RegioS":"NL01  "}]}', mtime=0)


def store(archive, identity="a" * 64, moment=MOMENT, selection=Selection(), pages=(PAGE,)):  # noqa: B008
    with archive.writer(TABLE) as writer:
        writer.entity("RegioS", [{"Key": "NL01  ", "Title": "Nederland – geheel"}])
        for page in pages:
            writer.page(page, 1)
        return writer.commit(identity, moment, "2024-10-31T02:00:00", selection)


def test_an_empty_archive_has_no_snapshots(tmp_path):
    archive = Archive(tmp_path / "archive")
    assert archive.latest(TABLE) is None
    assert archive.snapshots(TABLE) == []
    assert archive.asked(TABLE) is None
    assert not (tmp_path / "archive").exists()


def test_a_snapshot_reads_back_what_was_answered(tmp_path):
    selection = Selection({"RegioS": ("NL01", "GM0014")}, partial=True)
    other = gzip.compress(b'{"value":[]}', mtime=0)
    written = store(Archive(tmp_path), selection=selection, pages=[PAGE, other])
    read = Archive(tmp_path).latest(TABLE)
    assert read == written
    assert (read.id, read.identity, read.rows) == ("a" * 16, "a" * 64, 2)
    assert (read.retrieved_at, read.modified) == (MOMENT, "2024-10-31T02:00:00")
    assert read.selection == selection
    assert list(read.pages()) == [gzip.decompress(PAGE), b'{"value":[]}']
    assert read.entities() == {"RegioS": [{"Key": "NL01  ", "Title": "Nederland – geheel"}]}


def test_pages_lie_there_verbatim_under_a_name_that_sorts_by_time(tmp_path):
    folder = store(Archive(tmp_path)).folder
    assert folder == tmp_path / TABLE / f"20261122T060000Z-{'a' * 16}"
    assert (folder / "UntypedDataSet.0.json.gz").read_bytes() == PAGE
    assert sorted(path.name for path in folder.iterdir()) == [
        "RegioS.0.json.gz",
        "UntypedDataSet.0.json.gz",
        "manifest.json",
    ]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["table"] == TABLE
    assert manifest["selection"] == {"select": {}, "partial": False}
    assert [page["file"] for page in manifest["pages"]] == [
        "RegioS.0.json.gz",
        "UntypedDataSet.0.json.gz",
    ]


def test_more_than_ten_pages_stay_in_order(tmp_path):
    pages = [gzip.compress(b'{"value":[%d]}' % number, mtime=0) for number in range(12)]
    read = list(store(Archive(tmp_path), pages=pages).pages())
    assert read == [b'{"value":[%d]}' % number for number in range(12)]


def test_snapshots_come_in_the_order_of_their_commits_whatever_the_clock_does(tmp_path):
    archive = Archive(tmp_path)
    stood_still, went_back, went_on = timedelta(), -timedelta(days=1), timedelta(seconds=1)
    steps = [stood_still] * 4 + [went_back] * 2 + [stood_still, went_on, went_back]
    contents = [digit * 64 for digit in "fbf021987"]
    for identity, step in zip(contents, steps, strict=True):
        committed = store(archive, identity, MOMENT + step)
        assert committed.retrieved_at == MOMENT + step
        assert archive.latest(TABLE) == committed
    assert [snapshot.identity for snapshot in archive.snapshots(TABLE)] == contents


def test_what_was_known_at_a_moment_is_found_again(tmp_path):
    archive = Archive(tmp_path)
    days = [
        store(archive, digit * 64, MOMENT + timedelta(day))
        for digit, day in zip("abc", (0, 2, 4), strict=True)
    ]
    assert archive.as_of(TABLE, MOMENT - timedelta(seconds=1)) is None
    assert archive.as_of(TABLE, MOMENT) == days[0]
    assert archive.as_of(TABLE, MOMENT + timedelta(3)) == days[1]
    assert archive.as_of(TABLE, MOMENT + timedelta(30)) == days[2]


def test_a_snapshot_that_a_person_removed_leaves_the_order_as_it_was(tmp_path):
    archive = Archive(tmp_path)
    first, _ = (store(archive, digit * 64) for digit in "fa")
    shutil.rmtree(first.folder)
    store(archive, "0" * 64)
    assert [snapshot.id[0] for snapshot in archive.snapshots(TABLE)] == ["a", "0"]


def test_nothing_is_visible_before_the_commit_or_without_one(tmp_path):
    archive = Archive(tmp_path)
    with archive.writer(TABLE) as writer:
        writer.page(PAGE, 1)
        assert archive.snapshots(TABLE) == []
        assert archive.latest(TABLE) is None
    assert archive.snapshots(TABLE) == []
    assert list((tmp_path / TABLE).iterdir()) == []


def test_two_that_fetch_the_same_content_at_once_make_one_snapshot(tmp_path):
    archive = Archive(tmp_path)
    with archive.writer(TABLE) as first, archive.writer(TABLE) as second:
        kept = []
        for writer in (first, second):
            writer.page(PAGE, 1)
            kept.append(writer.commit("a" * 64, MOMENT, None, Selection()))
    assert kept[0] == kept[1]
    assert archive.snapshots(TABLE) == kept[:1]
    assert [path.name for path in (tmp_path / TABLE).iterdir()] == [kept[0].folder.name]


ADDRESSES = [f"https://cbs/{number}" for number in range(4)]
PAGES = [gzip.compress(b'{"value":[%d]}' % number, mtime=0) for number in range(4)]


def fetch(writer, pages, key="Modified 2024", title="Nederland"):
    """Describe the table, and take some pages: those that were had are not asked."""
    writer.entity("RegioS", [{"Key": "NL01  ", "Title": title}])
    writer.resume(key)
    asked = []
    for address, page in zip(ADDRESSES[:pages], PAGES, strict=False):
        had = writer.had(address)
        assert had in (None, page)
        if had is None:
            asked.append(ADDRESSES.index(address))
        writer.page(page, 1, address)
    return asked


def interrupted(archive, pages, **answer):
    """Fetch some pages, and then no more; returns which ones were asked."""
    with suppress(ConnectionError), archive.writer(TABLE) as writer:
        asked = fetch(writer, pages, **answer)
        raise ConnectionError
    return asked


def completed(archive, **answer):
    """Fetch all pages and commit them; returns which ones were asked."""
    with archive.writer(TABLE) as writer:
        asked = fetch(writer, 4, **answer)
        snapshot = writer.commit("a" * 64, MOMENT, None, Selection())
    assert list(snapshot.pages()) == [gzip.decompress(page) for page in PAGES]
    names = {
        page["file"]
        for page in json.loads((snapshot.folder / "manifest.json").read_text())["pages"]
    }
    assert {path.name for path in snapshot.folder.iterdir()} == names | {"manifest.json"}
    assert [path.name[0] for path in (snapshot.folder.parent).iterdir()] == ["2"]
    return asked


def test_an_interrupted_fetch_goes_on_where_it_stopped(tmp_path):
    archive = Archive(tmp_path)
    assert interrupted(archive, 2) == [0, 1]
    assert archive.snapshots(TABLE) == []
    assert interrupted(archive, 1) == []
    assert interrupted(archive, 3) == [2]
    assert completed(archive) == [3]


@pytest.mark.parametrize("other", [{"key": "Modified 2025"}, {"title": "Nederland (land)"}])
def test_what_is_left_of_another_answer_is_not_used(tmp_path, other):
    archive = Archive(tmp_path)
    interrupted(archive, 3)
    assert completed(archive, **other) == [0, 1, 2, 3]


def test_a_fetch_that_fails_before_it_knows_what_it_asks_keeps_what_is_left(tmp_path):
    archive = Archive(tmp_path)
    interrupted(archive, 3)
    with suppress(ConnectionError), archive.writer(TABLE) as writer:
        writer.entity("RegioS", [])
        raise ConnectionError
    assert completed(archive) == [3]


def test_a_fetch_that_takes_another_way_than_the_interrupted_one_is_whole(tmp_path):
    archive = Archive(tmp_path)
    interrupted(archive, 3)
    with suppress(ConnectionError), archive.writer(TABLE) as writer:
        writer.entity("RegioS", [{"Key": "NL01  ", "Title": "Nederland"}])
        writer.resume("Modified 2024")
        assert writer.had(ADDRESSES[1]) == PAGES[1]
        writer.page(PAGES[1], 1, ADDRESSES[1])
        assert writer.had(ADDRESSES[0]) is None
        raise ConnectionError
    assert completed(archive) == [0, 1, 2, 3]


def test_pages_without_an_address_are_not_resumed(tmp_path):
    archive = Archive(tmp_path)
    with suppress(ConnectionError), archive.writer(TABLE) as writer:
        writer.resume("key")
        writer.page(PAGE, 1)
        raise ConnectionError
    assert completed(archive) == [0, 1, 2, 3]


def test_what_is_discarded_is_gone(tmp_path):
    archive = Archive(tmp_path)
    with archive.writer(TABLE) as writer:
        fetch(writer, 2)
        writer.discard()
    assert list((tmp_path / TABLE).iterdir()) == []


@given(damage=st.data(), torn=st.booleans())
def test_whatever_is_damaged_of_an_interrupted_fetch_the_next_is_whole(
    tmp_path_factory, damage, torn
):
    folder = tmp_path_factory.mktemp("archive")
    archive = Archive(folder)
    interrupted(archive, 3)
    names = ["pages.ndjson", "snapshot/UntypedDataSet.1.json.gz", "snapshot/RegioS.0.json.gz"]
    file = folder / TABLE / ".fetching" / damage.draw(st.sampled_from(names))
    content = file.read_bytes()
    place = damage.draw(st.integers(0, len(content) - 1))
    if torn:
        file.write_bytes(content[:place])
    else:
        other = damage.draw(st.integers(0, 255))
        file.write_bytes(content[:place] + bytes([other]) + content[place + 1 :])
    completed(archive)
    shutil.rmtree(folder)


@pytest.mark.parametrize("line", ["[]", "{}", '{"address": []}', "1", '"x"', ""])
def test_a_journal_is_believed_up_to_the_first_line_that_is_none(tmp_path, line):
    archive = Archive(tmp_path)
    interrupted(archive, 3)
    journal = tmp_path / TABLE / ".fetching" / "pages.ndjson"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([*lines[:2], line + "\n", *lines[3:]]))
    assert completed(archive) == [1, 2, 3]


def test_a_killed_writer_is_resumed_and_a_second_one_beside_it_starts_anew(tmp_path):
    program = f"""
import time
from pathlib import Path
from monitor.cbs.archive import Archive
with Archive(Path({str(tmp_path)!r})).writer({TABLE!r}) as writer:
    writer.entity("RegioS", [{{"Key": "NL01  ", "Title": "Nederland"}}])
    writer.resume("Modified 2024")
    writer.page({PAGES[0]!r}, 1, {ADDRESSES[0]!r})
    (writer.scratch / "recording").touch()
    print("writing", flush=True)
    time.sleep(60)
"""
    archive = Archive(tmp_path)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"writing\n"
        with archive.writer(TABLE) as second:
            assert fetch(second, 2) == [0, 1]
            assert len(list((tmp_path / TABLE).glob(".writing-*"))) == 1
        # What is not committed of the second one goes, and the first one is left alone.
        assert [path.name for path in (tmp_path / TABLE).iterdir()] == [".fetching"]
        os.kill(process.pid, signal.SIGKILL)
    assert archive.snapshots(TABLE) == []
    (tmp_path / TABLE / ".writing-of-a-dead-process").mkdir()
    with archive.writer(TABLE) as writer:
        assert [path.name for path in writer.scratch.iterdir() if path.name == "recording"] == []
    assert completed(archive) == [1, 2, 3]


def test_a_commit_killed_at_any_step_leaves_a_whole_snapshot_or_none(tmp_path):
    program = f"""
import os, sys
from pathlib import Path
from monitor.cbs import archive as room
steps = int(sys.argv[1])
def dies(function):
    def wrapped(*arguments, **named):
        global steps
        if steps == 0:
            os.kill(os.getpid(), 9)
        steps -= 1
        return function(*arguments, **named)
    return wrapped
room.flush = dies(room.flush)
Path.rename = dies(Path.rename)
Path.write_text = dies(Path.write_text)
Path.write_bytes = dies(Path.write_bytes)
with room.Archive(Path({str(tmp_path)!r})).writer({TABLE!r}) as writer:
    for number in range(3):
        writer.page({PAGE!r}, 1)
    moment = room.datetime.fromisoformat({MOMENT.isoformat()!r})
    writer.commit(sys.argv[2], moment, None, room.Selection())
"""
    archive = Archive(tmp_path)
    ended = 1
    step = 0
    while ended != 0:
        before = len(archive.snapshots(TABLE))
        arguments = [sys.executable, "-c", program, str(step), f"{step:064}"]
        ended = subprocess.run(arguments, check=False).returncode
        assert ended in (0, -signal.SIGKILL)
        snapshots = archive.snapshots(TABLE)
        assert len(snapshots) - before in ((0, 1) if ended else (1,))
        for snapshot in snapshots:
            assert len(list(snapshot.pages())) == snapshot.rows == 3
        step += 1
    assert step > 8


def test_a_page_that_was_changed_afterwards_is_noticed(tmp_path):
    snapshot = store(Archive(tmp_path))
    (snapshot.folder / "UntypedDataSet.0.json.gz").write_bytes(gzip.compress(b"{}"))
    with pytest.raises(ArchiveError, match="not the bytes that were archived"):
        list(snapshot.pages())
    (snapshot.folder / "UntypedDataSet.0.json.gz").unlink()
    with pytest.raises(ArchiveError, match=f"{TABLE}: .*No such file"):
        list(snapshot.pages())


@pytest.mark.parametrize(
    "content", ["{", "{}", "[1]", '{"table": 1, "selection": []}', '{"selection": {"select": []}}']
)
def test_a_damaged_snapshot_is_skipped_and_told_with_what_to_do(tmp_path, content):
    archive = Archive(tmp_path)
    good, newest = store(archive), store(archive, "b" * 64)
    assert archive.damaged(TABLE) == []
    (newest.folder / "manifest.json").write_text(content)
    assert archive.latest(TABLE) == good
    assert archive.snapshots(TABLE) == [good]
    (told,) = archive.damaged(TABLE)
    assert told.table_id == TABLE
    assert newest.folder.name in told.detail
    assert "Remove its folder" in told.detail
    # The next one comes after it all the same.
    assert store(archive, "b" * 64) == archive.latest(TABLE)


@pytest.mark.parametrize("name", ["../outside", "a/b", "", "."])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    archive = Archive(tmp_path)
    with pytest.raises(TableError, match="no name of a table or entity"):
        archive.latest(name)
    refused = pytest.raises(TableError, match="no name of a table or entity")
    with archive.writer(TABLE) as writer, refused:
        writer.entity(name, [])


def test_the_newest_refused_answer_is_at_hand_but_no_snapshot(tmp_path):
    archive = Archive(tmp_path)
    for reason in ("unknown mark", "unknown period"):
        with archive.writer(TABLE) as writer:
            writer.page(PAGE, 1)
            writer.refuse(reason)
    refused = tmp_path / TABLE / ".refused"
    assert json.loads((refused / "manifest.json").read_text())["refused"] == "unknown period"
    assert (refused / "UntypedDataSet.0.json.gz").read_bytes() == PAGE
    assert archive.snapshots(TABLE) == []


def test_the_last_word_of_a_source_is_remembered(tmp_path):
    archive = Archive(tmp_path)
    for modified in ("2024-10-31T02:00:00", None):
        asked = Asked(MOMENT, modified, "20261122T060000Z-aaaa")
        archive.note_asked(TABLE, asked)
        assert archive.asked(TABLE) == asked
    (tmp_path / TABLE / "asked.json").write_text("{")
    assert archive.asked(TABLE) is None
    assert [path.name for path in (tmp_path / TABLE).iterdir()] == ["asked.json"]
