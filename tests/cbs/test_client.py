from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import cbsodata
import pytest

from monitor.cbs.client import Service
from monitor.cbs.failures import (
    BrokenPage,
    ForeignNextLink,
    HostGivenUp,
    NoMarks,
    NotOffered,
    ServiceBusy,
    ServiceError,
    Unreachable,
)
from monitor.cbs.pages import Page
from monitor.cbs.replay import Fault, Replay
from monitor.errors import TableError, UsageError

TABLE = "99999NED"
ROWS = f"{TABLE}/UntypedDataSet"


class Pauses(list[float]):
    """Stands in for sleep."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def value_of(page: bytes) -> list[dict[str, Any]]:
    try:
        return list(json.loads(page)["value"])
    except ValueError as error:
        raise TableError(TABLE, str(error)) from error


def pages_of(service: Service, **options: Any) -> Iterator[tuple[Page, list[dict[str, Any]]]]:
    return service.pages(TABLE, [service.rows_address(TABLE)], value_of, **options)


def rows_of(service: Service, **options: Any) -> list[dict[str, Any]]:
    return [row for _, rows in pages_of(service, **options) for row in rows]


def page(rows: list[dict[str, Any]], **more: str) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, json.dumps({"value": rows, **more}).encode()


def test_rows_of_all_pages_come_in_order_and_gzipped_as_they_came(record_many):
    with Replay(record_many()) as replay:
        pages = list(pages_of(Service(replay.url)))
    assert [len(rows) for _, rows in pages] == [10_000, 10_000, 5_000]
    assert [row["ID"] for _, rows in pages for row in rows] == list(range(25_000))
    for answer, rows in pages:
        assert json.loads(gzip.decompress(answer.packed))["value"] == rows


def test_an_answer_that_came_without_compression_is_compressed_the_same_each_time(answering):
    url = answering(lambda *_: page([{"A": "1"}]))
    first, second = (next(pages_of(Service(url)))[0].packed for _ in range(2))
    assert first == second
    assert json.loads(gzip.decompress(first)) == {"value": [{"A": "1"}]}


def test_metadata_and_the_list_of_tables_are_read(record):
    with Replay(record()) as replay:
        service = Service(replay.url)
        assert [table["Identifier"] for table in service.tables()] == [TABLE]
        assert service.info(TABLE)["Title"] == "Jongeren"
        assert [row["Key"] for row in service.entity(TABLE, "RegioS")] == ["NL01  ", "GM0014"]


def test_a_next_link_of_metadata_to_another_host_is_refused_before_it_is_followed(answering):
    def elsewhere(*_: object) -> tuple[int, dict[str, str], bytes]:
        return page([{"Key": "NL01"}], **{"odata.nextLink": "http://localhost:1/x"})

    pauses = Pauses()
    service = Service(answering(elsewhere), sleep=pauses)
    with pytest.raises(ForeignNextLink, match="leaves"):
        service.entity(TABLE, "RegioS")
    with pytest.raises(ForeignNextLink, match="leaves"):
        service.info(TABLE)
    assert pauses == []


def test_a_page_of_members_that_comes_twice_is_asked_again(record_many):
    fault = Fault("RegioS", "repeat", times=1)
    with Replay(record_many(), faults=[fault], page_rows=400) as replay:
        members = Service(replay.url, sleep=Pauses()).entity(TABLE, "RegioS")
    assert [row["Key"] for row in members] == [f"GM{number:04}" for number in range(1000)]


def test_one_json_object_is_asked_with_the_same_retries(answering):
    answers = {
        1: (503, {}, b""),
        2: (200, {}, b"[]"),
        3: (200, {}, b'{"error":{"code":"","message":"storing"}}'),
        4: (200, {}, b'{"Identifier":"99999NED"'),
        5: (200, {}, b'{"Identifier":"99999NED"}'),
    }
    url = answering(lambda number, _: answers.get(number, (404, {}, b"")))
    pauses = Pauses()
    service = Service(url, sleep=pauses)
    assert service.address4() == url
    assert service.json(TABLE, f"{url}/x") == {"Identifier": TABLE}
    assert len(pauses) == 4
    with pytest.raises(NotOffered):
        service.json(TABLE, f"{url}/x")


def test_each_of_cbs_s_services_has_its_host():
    service = Service()
    assert service.address() == "https://opendata.cbs.nl"
    assert service.address("derden") == "https://dataderden.cbs.nl"
    assert service.address4() == "https://datasets.cbs.nl"


def test_cbsodata_is_left_as_it_was_found_after_plain_http_from_many_threads(record):
    assert cbsodata.options.use_https is True
    with Replay(record()) as replay:
        service = Service(replay.url)
        threads = [threading.Thread(target=service.info, args=(TABLE,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with pytest.raises(NotOffered):
            service.info("00000NED")
    assert cbsodata.options.use_https is True


def test_a_refused_connection_is_tried_again_until_the_host_is_given_up():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        pauses = Pauses()
        service = Service(f"http://127.0.0.1:{taken.getsockname()[1]}", retries=4, sleep=pauses)
        with pytest.raises(Unreachable, match="asked 5 times") as failure:
            service.info(TABLE)
        assert "niet bereikbaar" in failure.value.explanation
        assert len(pauses) == 4
        with pytest.raises(Unreachable):
            rows_of(service)
        before = len(pauses)
        with pytest.raises(HostGivenUp):
            service.json(TABLE, f"{service.address4()}/odata/v1/CBS/{TABLE}/Properties")
    assert len(pauses) == before


@pytest.mark.parametrize("kind", ["status", "truncate", "invalid_json", "odata_error", "reset"])
@pytest.mark.parametrize("entity", ["TableInfos", "UntypedDataSet"])
def test_a_fault_that_passes_is_overcome(record, kind, entity):
    pauses = Pauses()
    with Replay(record(), faults=[Fault(entity, kind, times=2)]) as replay:
        service = Service(replay.url, sleep=pauses)
        assert service.info(TABLE)["Identifier"] == TABLE
        assert len(rows_of(service)) == 4
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("status", ServiceBusy),
        ("truncate", BrokenPage),
        ("invalid_json", BrokenPage),
        ("odata_error", ServiceBusy),
        ("reset", Unreachable),
    ],
)
@pytest.mark.parametrize("entity", ["TableInfos", "UntypedDataSet"])
def test_a_fault_that_stays_is_told(record, kind, error, entity):
    with Replay(record(), faults=[Fault(entity, kind, times=None)]) as replay:
        service = Service(replay.url, retries=2, sleep=Pauses())
        with pytest.raises(error, match="asked 3 times"):
            service.info(TABLE) if entity == "TableInfos" else rows_of(service)
    assert len(replay.targets) == 3


def test_a_page_in_the_middle_that_is_broken_is_asked_again(record_many):
    fault = Fault(r"\$skip=10000", "truncate", times=1)
    with Replay(record_many(), faults=[fault]) as replay:
        rows = rows_of(Service(replay.url, sleep=Pauses()), rows=25_000)
    assert [row["ID"] for row in rows] == list(range(25_000))
    assert len(replay.targets) == 4


def test_rows_that_turn_out_to_be_no_json_are_asked_again(answering):
    def answer(number: int, _: str) -> tuple[int, dict[str, str], bytes]:
        return page([{"A": "1"}]) if number > 2 else (200, {}, b'{"value":[{"A":"1",}]}')

    assert rows_of(Service(answering(answer), sleep=Pauses())) == [{"A": "1"}]
    broken = answering(lambda *_: (200, {}, b'{"value":[{"A":"1",}]}'))
    with pytest.raises(BrokenPage, match="not valid JSON"):
        rows_of(Service(broken, retries=1, sleep=Pauses()))


def test_a_column_that_can_not_be_read_is_not_asked_again(answering):
    def parse(_: bytes) -> None:
        raise TableError(TABLE, "unexpected column")

    asked = []

    def answer(number: int, _: str) -> tuple[int, dict[str, str], bytes]:
        asked.append(number)
        return page([{"A": "1"}])

    service = Service(answering(answer), sleep=Pauses())
    with pytest.raises(TableError, match="unexpected column"):
        list(service.pages(TABLE, [service.rows_address(TABLE)], parse))
    assert asked == [1]


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("86400", 60.0), ("0", 0.0)])
def test_retry_after_is_honoured_within_bounds(answering, asked, waited):
    def answer(number: int, _: str) -> tuple[int, dict[str, str], bytes]:
        return (429, {"Retry-After": asked}, b"") if number == 1 else page([{"A": "1"}])

    pauses = Pauses()
    assert rows_of(Service(answering(answer), sleep=pauses))
    assert pauses == [waited]


def test_retry_after_may_be_a_moment_or_nonsense(answering):
    moments = ["Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00", "straks"]

    def answer(number: int, _: str) -> tuple[int, dict[str, str], bytes]:
        if number > len(moments):
            return page([{"A": "1"}])
        return 503, {"Retry-After": moments[number - 1]}, b""

    pauses = Pauses()
    assert rows_of(Service(answering(answer), sleep=pauses))
    assert pauses[0] == 0.0
    assert all(pause > 0 for pause in pauses[1:])


@pytest.mark.parametrize("status", [400, 403, 301])
def test_a_refusal_is_not_asked_again(answering, status):
    url = answering(lambda *_: (status, {"Location": "http://elsewhere.invalid/"}, b""))
    pauses = Pauses()
    with pytest.raises(ServiceError, match=f"status {status}"):
        rows_of(Service(url, sleep=pauses))
    assert pauses == []


def test_a_table_or_its_untyped_rows_may_not_be_there(record):
    with Replay(record(UntypedDataSet=None)) as replay:
        service = Service(replay.url, sleep=Pauses())
        with pytest.raises(NotOffered):
            service.info("00000NED")
        with pytest.raises(NoMarks, match="TypedDataSet does not tell"):
            rows_of(service)


def test_a_next_link_to_another_host_is_refused(record_many):
    fault = Fault(ROWS, "foreign_next_link", times=1)
    refused = pytest.raises(ForeignNextLink, match=r"elsewhere\.invalid")
    with Replay(record_many(), faults=[fault]) as replay, refused:
        rows_of(Service(replay.url, sleep=Pauses()))
    assert len(replay.targets) == 1


@pytest.mark.parametrize("link", ["http://127.0.0.1@elsewhere.invalid/", "//elsewhere.invalid/x"])
def test_a_disguised_next_link_is_refused(answering, link):
    url = answering(lambda *_: page([{"A": "1"}], **{"odata.nextLink": link}))
    with pytest.raises(ForeignNextLink):
        rows_of(Service(url, sleep=Pauses()))


def test_a_relative_next_link_and_one_with_brackets_are_followed(answering):
    def answer(number: int, path: str) -> tuple[int, dict[str, str], bytes]:
        links = {1: "UntypedDataSet?$skip=1", 2: f"{path}&x=[a]"}
        link = {"odata.nextLink": links[number]} if number in links else {}
        return page([{"A": str(number)}], **link)

    assert rows_of(Service(answering(answer))) == [{"A": "1"}, {"A": "2"}, {"A": "3"}]


def test_a_silent_service_is_given_up(record):
    fault = Fault("TableInfos", "delay", times=None, seconds=0.5)
    with Replay(record(), faults=[fault]) as replay:
        service = Service(replay.url, timeout=0.1, retries=1, sleep=Pauses())
        with pytest.raises(Unreachable, match="timed out"):
            service.info(TABLE)


def test_an_address_must_be_one():
    with pytest.raises(UsageError, match="http://host:port"):
        Service("opendata.cbs.nl")
