from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from monitor.cbs.client import Service
from monitor.cbs.failures import EndlessPages, ServiceBusy
from monitor.cbs.faults import parse_faults
from monitor.cbs.pages import Page
from monitor.cbs.replay import Fault, Replay
from monitor.errors import TableError

TABLE = "99999NED"
Answer = tuple[int, dict[str, str], bytes]


def no_pause(_: float) -> None:
    pass


def parse(page: bytes) -> list[int]:
    try:
        return [row["ID"] for row in json.loads(page)["value"]]
    except ValueError as error:
        raise TableError(TABLE, str(error)) from error


def pages_at(url: str, *begins: str, **options: Any) -> Iterator[tuple[Page, list[int]]]:
    service = Service(url, sleep=no_pause)
    addresses = [f"{url}{begin}" for begin in begins] or [service.rows_address(TABLE)]
    return service.pages(TABLE, addresses, parse, **options)


def ids(pages: Iterator[tuple[Page, list[int]]]) -> list[int]:
    return [number for _, numbers in pages for number in numbers]


def page(*numbers: int, next_link: str | None = None, key: str = "odata.nextLink") -> Answer:
    link = {key: next_link} if next_link else {}
    return 200, {}, json.dumps({"value": [{"ID": number} for number in numbers], **link}).encode()


def skipped(path: str) -> int:
    found = re.search(r"skip=(\d+)", path)
    return int(found[1]) if found else 0


class Slow:
    """A table of pages of one row, each held back until enough requests are there together."""

    def __init__(self, pages: int, together: int) -> None:
        self.most = 0
        self._now = 0
        self._pages = pages
        self._together = together
        self._lock = threading.Condition()

    def __call__(self, _: int, path: str) -> Answer:
        number = skipped(path)
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self._lock.notify_all()
            if 0 < number < self._pages - self._together:
                # True as soon as so many are under way; the time only ends a test that fails.
                assert self._lock.wait_for(lambda: self.most >= self._together, timeout=10)
            self._now -= 1
        more = number + 1 < self._pages
        return page(number, next_link=f"x?$skip={number + 1}" if more else None)


def test_four_requests_are_under_way_and_never_a_fifth(answering):
    server = Slow(pages=40, together=4)
    url = answering(server)
    assert ids(pages_at(url, "/x?$skip=0", rows=40)) == list(range(40))
    assert server.most == 4


def test_the_number_of_requests_at_once_can_be_set_and_metadata_counts(answering):
    most = threading.Semaphore(2)
    crowded = []

    def answer(_: int, path: str) -> Answer:
        if not most.acquire(blocking=False):
            crowded.append(path)
        try:
            number = skipped(path)
            more = "skip" in path and number < 30
            return page(number, next_link=f"x?$skip={number + 1}" if more else None)
        finally:
            most.release()

    url = answering(answer)
    service = Service(url, sleep=no_pause, at_once=2)
    others = [threading.Thread(target=service.entity, args=(TABLE, "RegioS")) for _ in range(10)]
    for other in others:
        other.start()
    assert len(list(service.pages(TABLE, [f"{url}/x?$skip=0"], parse, rows=31))) == 31
    for other in others:
        other.join()
    assert crowded == []


@pytest.mark.parametrize("count", [1, 2, 5, 10, 11, 25])
def test_no_page_is_asked_in_vain_where_the_number_of_rows_is_stated(record, count):
    rows = [{"ID": number} for number in range(count)]
    with Replay(record(UntypedDataSet=rows), page_rows=2) as replay:
        assert ids(pages_at(replay.url, rows=count)) == list(range(count))
        assert len(replay.targets) == (count + 1) // 2


@pytest.mark.parametrize(("count", "wasted"), [(1, 0), (2, 0), (3, 1), (25, 3)])
def test_without_it_a_small_table_wastes_nothing_and_a_large_one_three(record, count, wasted):
    rows = [{"ID": number} for number in range(count)]
    with Replay(record(UntypedDataSet=rows), page_rows=1) as replay:
        assert ids(pages_at(replay.url)) == list(range(count))
    assert count <= len(replay.targets) <= count + wasted


@pytest.mark.parametrize("stated", [3, 24, 26, 1000])
def test_a_wrong_number_of_rows_loses_none(record, stated):
    rows = [{"ID": number} for number in range(25)]
    with Replay(record(UntypedDataSet=rows), page_rows=2) as replay:
        assert ids(pages_at(replay.url, rows=stated)) == list(range(25))


def test_chains_come_one_after_the_other_and_each_to_its_end(record_many):
    with Replay(record_many(), page_rows=300) as replay:
        begins = [
            f"/ODataFeed/odata/{TABLE}/UntypedDataSet?$filter=Perioden eq '{year}JJ00'"
            for year in range(2000, 2012)
        ]
        assert ids(pages_at(replay.url, *begins)) == list(range(12_000))


def test_links_that_can_not_be_foretold_are_followed_one_by_one(answering):
    asked = []

    def answer(_: int, path: str) -> Answer:
        asked.append(path)
        number = len(asked)
        link = f"x?$skiptoken={'abcdefgh'[number]}" if number < 6 else None
        return page(number, next_link=link, key="@odata.nextLink")

    assert ids(pages_at(answering(answer), "/x")) == [1, 2, 3, 4, 5, 6]
    assert len(asked) == 6


def test_a_page_that_is_not_where_it_was_expected_is_not_used(answering):
    """From the third page on the service goes on with pages of another size."""

    def answer(_: int, path: str) -> Answer:
        first = skipped(path)
        size = 2 if first < 6 else 3
        last = first + size >= 18
        numbers = range(first, first + size)
        return page(*numbers, next_link=None if last else f"x?$skip={first + size}")

    assert ids(pages_at(answering(answer), "/x?$skip=0", rows=18)) == list(range(18))


def test_pages_that_were_had_are_not_asked_again(record):
    rows = [{"ID": number} for number in range(40)]
    with Replay(record(UntypedDataSet=rows), page_rows=2) as replay:
        fetched = {page.address: page.packed for page, _ in pages_at(replay.url, rows=40)}
        missing = sorted(fetched, key=skipped)[13:]
        for address in missing:
            del fetched[address]
        before = len(replay.targets)
        assert ids(pages_at(replay.url, rows=40, had=fetched.get)) == list(range(40))
        assert len(missing) == 7
        assert len(replay.targets) - before == 7


def test_a_page_that_was_had_and_is_damaged_is_asked(record):
    rows = [{"ID": number} for number in range(4)]
    with Replay(record(UntypedDataSet=rows), page_rows=2) as replay:
        fetched = {page.address: page.packed[:-9] for page, _ in pages_at(replay.url, rows=4)}
        assert ids(pages_at(replay.url, rows=4, had=fetched.get)) == list(range(4))
        assert len(replay.targets) == 4


@pytest.mark.parametrize("stated", [None, 40])
def test_a_page_that_repeats_is_asked_again(record, stated):
    rows = [{"ID": number} for number in range(40)]
    faults = [Fault("UntypedDataSet", "repeat", times=5)]
    with Replay(record(UntypedDataSet=rows), faults=faults, page_rows=2) as replay:
        assert ids(pages_at(replay.url, rows=stated)) == list(range(40))


def test_a_page_that_repeats_is_seen_also_if_it_comes_before_the_one_it_repeats(answering):
    second = threading.Event()
    asked: list[int] = []

    def answer(_: int, path: str) -> Answer:
        number = skipped(path)
        asked.append(number)
        rows = number
        if number == 2 and asked.count(2) == 1:
            assert second.wait(10)
        if number == 3 and asked.count(3) == 1:
            rows = 2
            second.set()
        return page(rows, next_link=f"x?$skip={number + 1}" if number < 5 else None)

    assert ids(pages_at(answering(answer), "/x?$skip=0", rows=6)) == list(range(6))
    assert sorted(asked) == [0, 1, 2, 3, 3, 4, 5]


@pytest.mark.parametrize(
    "answer",
    [
        lambda _, path: page(1, next_link=path),
        lambda number, _: page(1, next_link=f"x?$skip={number}"),
        lambda number, _: page(number, next_link="x?$skip=1"),
        lambda number, _: page(next_link=f"x?$skip={number}"),
    ],
)
def test_pages_that_never_end_are_refused_after_all_retries(answering, answer):
    with pytest.raises(EndlessPages, match="asked 16 times"):
        ids(pages_at(answering(answer), "/x"))


def test_every_recoverable_fault_at_once_is_overcome(record_many, many_rows):
    faults = parse_faults("all:5%")
    with Replay(record_many(), faults=faults, page_rows=250) as replay:
        service = Service(replay.url, timeout=0.3, sleep=no_pause)
        assert len(service.entity(TABLE, "RegioS")) == 1000
        pages = service.pages(TABLE, [service.rows_address(TABLE)], parse, rows=25_000)
        assert ids(pages) == [row["ID"] for row in many_rows]
    assert len(replay.targets) > 104


def test_a_fault_that_stays_ends_the_fetch_and_what_was_asked_ahead(record_many):
    fault = Fault(r"\$skip=2500$", "status", times=None)
    with Replay(record_many(), faults=[fault], page_rows=250) as replay:
        numbers: list[int] = []
        with pytest.raises(ServiceBusy, match="asked 16 times"):
            numbers.extend(
                number for _, rows in pages_at(replay.url, rows=25_000) for number in rows
            )
    assert len(replay.targets) < 40
