from __future__ import annotations

import gzip
import json
import socket
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cbsodata
import pytest
import requests

from monitor.cbs.replay import PAGE_ROWS, Fault, Replay
from monitor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = Path(__file__).parents[3] / "shared" / "cbs"

TABLE: dict[str, list[dict[str, Any]]] = {
    "TableInfos": [
        {"ID": 0, "Identifier": "00001NED", "Title": "Proef", "Modified": "2026-01-02T02:00:00"}
    ],
    "DataProperties": [
        {"Key": "RegioS", "Type": "GeoDimension"},
        {"Key": "Perioden", "Type": "TimeDimension"},
        {"Key": "Aantal_1", "Type": "Topic"},
    ],
    "CategoryGroups": [],
    "RegioS": [
        {"Key": "NL01  ", "Title": "Nederland"},
        {"Key": "GM0363", "Title": "Amsterdam"},
        {"Key": "GM0518", "Title": "'s-Gravenhage"},
    ],
    "Perioden": [{"Key": "2020JJ00", "Title": "2020", "Status": "Definitief"}],
    "UntypedDataSet": [
        {"ID": 0, "RegioS": "NL01  ", "Perioden": "2020JJ00", "Aantal_1": "     300"},
        {"ID": 1, "RegioS": "GM0363", "Perioden": "2020JJ00", "Aantal_1": "     200"},
        {"ID": 2, "RegioS": "GM0518", "Perioden": "2020JJ00", "Aantal_1": "       ."},
    ],
    "TypedDataSet": [
        {"ID": 0, "RegioS": "NL01  ", "Perioden": "2020JJ00", "Aantal_1": 300},
        {"ID": 1, "RegioS": "GM0363", "Perioden": "2020JJ00", "Aantal_1": 200},
        {"ID": 2, "RegioS": "GM0518", "Perioden": "2020JJ00", "Aantal_1": None},
    ],
}
FEED = "/ODataFeed/odata/00001NED"


def record(folder: Path, table: str, **entities: object) -> None:
    (folder / table).mkdir(parents=True, exist_ok=True)
    for entity, rows in entities.items():
        text = rows if isinstance(rows, str) else json.dumps(rows)
        (folder / table / f"{entity}.json.gz").write_bytes(gzip.compress(text.encode()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    record(tmp_path, "00001NED", **TABLE)
    return tmp_path


@pytest.fixture
def replay(folder: Path) -> Iterator[Replay]:
    with Replay(folder) as served:
        yield served


@pytest.fixture(autouse=True)
def plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cbsodata.options, "use_https", False)


def get(replay: Replay, path: str, **params: str) -> requests.Response:
    return requests.get(
        replay.url + path, {f"${name}": value for name, value in params.items()}, timeout=10
    )


def values(replay: Replay, path: str, **params: str) -> list[dict[str, Any]]:
    answer = get(replay, path, **params)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["value"]
    return rows


def error(answer: requests.Response) -> str:
    body = answer.json()["odata.error"]
    assert body["code"] == ""
    assert body["message"]["lang"] == "nl-NL"
    message: str = body["message"]["value"]
    return message


# What cbsodata, as it is, gets.


def test_cbsodata_gets_the_list_of_tables(replay: Replay) -> None:
    tables = cbsodata.get_table_list(select=["Identifier", "Modified"], catalog_url=replay.host)
    assert tables == [{"Identifier": "00001NED", "Modified": "2026-01-02T02:00:00"}]


def test_cbsodata_gets_info_and_metadata(replay: Replay) -> None:
    assert cbsodata.get_info("00001NED", catalog_url=replay.host) == TABLE["TableInfos"][0]
    for entity in ("DataProperties", "CategoryGroups", "RegioS"):
        assert cbsodata.get_meta("00001NED", entity, catalog_url=replay.host) == TABLE[entity]


def test_cbsodata_gets_filtered_figures_with_titles_for_codes(replay: Replay) -> None:
    rows = cbsodata.get_data(
        "00001NED",
        catalog_url=replay.host,
        filters="RegioS eq 'GM0518' or startswith(RegioS,'NL')",
        select=["RegioS", "Aantal_1"],
    )
    assert rows == [
        {"RegioS": "Nederland", "Aantal_1": 300},
        {"RegioS": "'s-Gravenhage", "Aantal_1": None},
    ]


# Addresses and envelopes.


def test_the_service_lists_the_entities_with_their_addresses(replay: Replay) -> None:
    entities = {row["name"]: row["url"] for row in values(replay, f"{FEED}/")}
    assert set(entities) == set(TABLE)
    assert requests.get(entities["RegioS"], timeout=10).json()["value"] == TABLE["RegioS"]


def test_rows_come_in_an_envelope_exactly_as_recorded(replay: Replay) -> None:
    body = get(replay, f"{FEED}/UntypedDataSet").json()
    assert body["odata.metadata"].startswith(replay.url)
    assert body["odata.metadata"].endswith("/00001NED/$metadata#Cbs.OData.WebAPI.UntypedDataSet")
    assert body["value"] == TABLE["UntypedDataSet"]
    assert "odata.nextLink" not in body


def test_numbers_keep_the_spelling_of_the_recording(folder: Path) -> None:
    record(folder, "2", TypedDataSet='[\n  {"Deel_1":\n 13.90}\n]')
    with Replay(folder) as replay:
        assert '{"Deel_1":  13.90}' in get(replay, "/ODataFeed/odata/2/TypedDataSet").text


@pytest.mark.parametrize(
    "path", ["/ODataFeed/OData/00001ned/RegioS", "/odatafeed/odata/00001NED/RegioS"]
)
def test_case_of_service_and_table_does_not_matter(replay: Replay, path: str) -> None:
    assert values(replay, path) == TABLE["RegioS"]


def test_answers_are_gzipped_only_for_a_client_that_accepts_it(replay: Replay) -> None:
    for accepts, encoding in (("gzip, deflate", "gzip"), ("identity", None)):
        headers = {"Accept-Encoding": accepts}
        answer = requests.get(f"{replay.url}{FEED}/RegioS", headers=headers, timeout=10)
        assert answer.headers.get("Content-Encoding") == encoding
        assert answer.json()["value"] == TABLE["RegioS"]


def test_a_connection_is_kept_alive(replay: Replay) -> None:
    with socket.create_connection(("127.0.0.1", int(replay.url.rpartition(":")[2]))) as client:
        client.settimeout(10)
        for _ in range(2):
            client.sendall(f"GET {FEED}/Perioden HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            received = b""
            while not received.endswith(b"]\r\n}"):
                received += client.recv(65536)
            assert b"http://here/ODataFeed" in received


# Paging.


@pytest.fixture
def large(tmp_path: Path) -> Path:
    rows = [{"ID": i, "Even": str(i % 2), "Vast": "a"} for i in range(2 * PAGE_ROWS + 5)]
    record(tmp_path, "3", TypedDataSet=rows)
    return tmp_path


def pages(replay: Replay, path: str, **params: str) -> list[list[int]]:
    answer = get(replay, path, **params).json()
    found = [[row["ID"] for row in answer["value"]]]
    while link := answer.get("odata.nextLink"):
        assert link.startswith(replay.url)
        answer = requests.get(link, timeout=10).json()
        found.append([row["ID"] for row in answer["value"]])
    return found


def test_the_feed_gives_pages_that_link_to_the_next(large: Path) -> None:
    with Replay(large) as replay:
        found = pages(replay, "/ODataFeed/odata/3/TypedDataSet")
    assert [len(page) for page in found] == [PAGE_ROWS, PAGE_ROWS, 5]
    assert list(chain(*found)) == list(range(2 * PAGE_ROWS + 5))


def test_the_next_page_keeps_filter_select_and_top(large: Path) -> None:
    with Replay(large) as replay:
        found = pages(
            replay,
            "/ODataFeed/odata/3/TypedDataSet",
            filter="Even eq '1' and Vast eq 'a'",
            select="ID",
            top="10001",
        )
        last = replay.targets[-1]
    assert [len(page) for page in found] == [PAGE_ROWS, 1]
    assert list(chain(*found)) == [2 * i + 1 for i in range(PAGE_ROWS + 1)]
    assert "$filter=Even eq '1' and Vast eq 'a'" in last
    assert last.endswith("$top=1&$skip=10000")


@pytest.mark.parametrize(
    ("skip", "top", "expected"),
    [
        ("0", "2", [0, 1]),
        ("9999", "3", [9999, 10000, 10001]),
        ("20003", "9", [20003, 20004]),
        ("20005", "1", []),
        ("99999", "1", []),
        ("10000", "0", []),
    ],
)
def test_skip_and_top_cut_anywhere(large: Path, skip: str, top: str, expected: list[int]) -> None:
    with Replay(large) as replay:
        assert pages(replay, "/ODataFeed/odata/3/TypedDataSet", skip=skip, top=top) == [expected]


def test_the_api_gives_all_in_one_piece_and_refuses_more_than_a_page(large: Path) -> None:
    path = "/ODataApi/odata/3/TypedDataSet"
    with Replay(large) as replay:
        assert str(PAGE_ROWS) in error(get(replay, path))
        assert pages(replay, path, top=str(PAGE_ROWS)) == [list(range(PAGE_ROWS))]
        assert pages(replay, path, filter="ID eq 20001") == [[20001]]


# Queries and errors.


def test_a_filter_of_the_wrong_width_finds_nothing_and_is_no_error(replay: Replay) -> None:
    path = f"{FEED}/UntypedDataSet"
    assert len(values(replay, path, filter="RegioS eq 'NL01  '")) == 1
    assert values(replay, path, filter="RegioS eq 'NL01'") == []
    assert values(replay, path, filter="RegioS eq 'GM0363  '") == []


def test_select_gives_only_these_columns(replay: Replay) -> None:
    rows = values(replay, f"{FEED}/RegioS", select="Title")
    assert rows[0] == {"Title": "Nederland"}


@pytest.mark.parametrize(
    "params",
    [
        {"filter": "Regio eq 'GM0363'"},
        {"filter": "RegioS eq"},
        {"filter": "RegioS eq 363"},
        {"select": "RegioS,Aantal"},
        {"top": "-1"},
        {"skip": "x"},
        {"orderby": "RegioS"},
        {"format": "xml"},
    ],
)
def test_a_query_that_is_not_understood_is_a_400(replay: Replay, params: dict[str, str]) -> None:
    answer = get(replay, f"{FEED}/TypedDataSet", **params)
    assert answer.status_code == 400
    assert error(answer)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/ODataFeed/odata/99999NED/",
        f"{FEED}/Leeftijd",
        f"{FEED}/regios",
        "/ODataFeed/odata/..",
    ],
)
def test_what_is_not_recorded_is_a_404(replay: Replay, path: str) -> None:
    answer = get(replay, path)
    assert answer.status_code == 404
    assert error(answer)


def test_a_recording_that_appears_or_changes_is_served_as_it_is_then(folder: Path) -> None:
    with Replay(folder) as replay:
        assert get(replay, "/ODataFeed/odata/4/RegioS").status_code == 404
        record(folder, "4", RegioS=[{"Key": "a"}])
        assert values(replay, "/ODataFeed/odata/4/RegioS") == [{"Key": "a"}]
        record(folder, "4", RegioS=[{"Key": "a"}, {"Key": "b"}])
        assert len(values(replay, "/ODataFeed/odata/4/RegioS")) == 2


@pytest.mark.parametrize("text", ['{"rows": []}', '[{"Key": "a"},', "[1]", ""])
def test_a_damaged_recording_is_a_500_that_names_the_file(folder: Path, text: str) -> None:
    record(folder, "5", RegioS=text)
    with Replay(folder) as replay:
        answer = get(replay, "/ODataFeed/odata/5/RegioS")
    assert answer.status_code == 500
    assert "RegioS.json.gz" in error(answer)


# Faults.


def test_a_status_fault_happens_as_often_as_asked(folder: Path) -> None:
    faults = [Fault("RegioS", "status", status=503, times=2, retry_after=7)]
    with Replay(folder, faults=faults) as replay:
        answers = [get(replay, f"{FEED}/RegioS") for _ in range(3)]
        other = get(replay, f"{FEED}/Perioden")
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert other.status_code == 200


def test_a_truncated_page_breaks_off_before_its_stated_length(folder: Path) -> None:
    with (
        Replay(folder, faults=[Fault("RegioS", "truncate")]) as replay,
        pytest.raises(requests.exceptions.ChunkedEncodingError),
    ):
        get(replay, f"{FEED}/RegioS")


def test_invalid_json_comes_with_a_good_length(folder: Path) -> None:
    with Replay(folder, faults=[Fault("RegioS", "invalid_json")]) as replay:
        answer = get(replay, f"{FEED}/RegioS")
        assert answer.status_code == 200
        with pytest.raises(requests.exceptions.JSONDecodeError):
            answer.json()
        assert values(replay, f"{FEED}/RegioS") == TABLE["RegioS"]


def test_an_odata_error_can_come_with_status_200(folder: Path) -> None:
    with Replay(folder, faults=[Fault("RegioS", "odata_error")]) as replay:
        answer = get(replay, f"{FEED}/RegioS")
    assert answer.status_code == 200
    assert error(answer)


def test_a_connection_can_be_reset(folder: Path) -> None:
    with Replay(folder, faults=[Fault("RegioS", "reset")]) as replay:
        with pytest.raises(requests.exceptions.ConnectionError, match="reset by peer"):
            get(replay, f"{FEED}/RegioS")
        assert values(replay, f"{FEED}/RegioS") == TABLE["RegioS"]


def test_a_next_link_can_point_to_another_host(folder: Path) -> None:
    with Replay(folder, faults=[Fault("RegioS", "foreign_next_link")]) as replay:
        answer = get(replay, f"{FEED}/RegioS").json()
    assert answer["value"] == TABLE["RegioS"]
    assert not answer["odata.nextLink"].startswith(replay.url)


def test_a_fault_can_be_meant_for_one_page_and_come_after_a_delay(large: Path) -> None:
    faults = [
        Fault(r"\$skip=10000", "delay", seconds=0.01, times=None),
        Fault(r"\$skip=10000", "status", status=429),
    ]
    path = "/ODataFeed/odata/3/TypedDataSet"
    with Replay(large, faults=faults) as replay:
        assert get(replay, path).status_code == 200
        assert [get(replay, path, skip="10000").status_code for _ in range(2)] == [429, 200]


# The server itself.


def test_requests_are_counted_by_path(replay: Replay) -> None:
    get(replay, f"{FEED}/RegioS")
    get(replay, f"{FEED}/RegioS", filter="Key eq 'NL01  '")
    assert replay.requests == {f"{FEED}/RegioS": 2}
    assert replay.targets[1] == f"{FEED}/RegioS?$filter=Key eq 'NL01  '"


def test_after_the_end_even_a_kept_alive_connection_is_refused(folder: Path) -> None:
    with requests.Session() as session:
        with Replay(folder) as replay:
            address = f"{replay.url}{FEED}/RegioS"
            assert session.get(address, timeout=10).status_code == 200
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(address, timeout=10)


def test_a_missing_or_empty_folder_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder"):
        Replay(tmp_path / "weg")
    with pytest.raises(UsageError, match="no recordings"):
        Replay(tmp_path)


def test_a_taken_or_impossible_port_is_wrong_use(replay: Replay, folder: Path) -> None:
    for port in (int(replay.url.rpartition(":")[2]), 70_000):
        with pytest.raises(UsageError, match=str(port)):
            Replay(folder, port)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the recordings are not here")
def test_cbsodata_gets_every_recorded_table_whole() -> None:
    with Replay(SHARED) as replay:
        tables = [row["Identifier"] for row in cbsodata.get_table_list(catalog_url=replay.host)]
        for table in tables:
            for row in values(replay, f"/ODataFeed/odata/{table}/"):
                with gzip.open(SHARED / table / f"{row['name']}.json.gz") as file:
                    recorded = json.load(file)
                got = cbsodata.get_meta(table, row["name"], catalog_url=replay.host)
                assert got == recorded, f"{table} {row['name']}"
        figures = cbsodata.get_data(
            "85098NED",
            catalog_url=replay.host,
            filters="RegioS eq 'GM0014' and Perioden eq '2022JJ00'",
            select=["RegioS", "Perioden", "JongerenMetJeugdhulpInNatura_1"],
        )
    assert len(tables) == 10
    assert figures == [
        {
            "RegioS": "Groningen (gemeente)",
            "Perioden": "2022",
            "JongerenMetJeugdhulpInNatura_1": 15.4,
        }
    ]
