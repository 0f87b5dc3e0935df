from __future__ import annotations

import gzip
import json
import socket
import time
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import cbsodata
import pytest
import requests

from monitor.cbs.faults import Fault, parse_faults
from monitor.cbs.library import PAGE_ROWS, PAGE_ROWS_4
from monitor.cbs.replay import Replay
from monitor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


def pages(
    replay: Replay, path: str, *, key: str = "ID", link: str = "odata.nextLink", **params: str
) -> list[list[int]]:
    answer = get(replay, path, **params).json()
    found = [[row[key] for row in answer["value"]]]
    while following := answer.get(link):
        assert following.startswith(replay.url)
        answer = requests.get(following, timeout=10).json()
        found.append([row[key] for row in answer["value"]])
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


def test_pages_can_have_another_number_of_rows(large: Path) -> None:
    with Replay(large, page_rows=7000) as replay:
        found = pages(replay, "/ODataFeed/odata/3/TypedDataSet", skip="5")
        assert [page[0] for page in found] == [5, 7005, 14005]
        assert list(chain(*found)) == list(range(5, 2 * PAGE_ROWS + 5))
        assert str(PAGE_ROWS) in error(get(replay, "/ODataApi/odata/3/TypedDataSet"))
    with pytest.raises(UsageError, match="at least one row"):
        Replay(large, page_rows=0)


def test_a_page_is_there_before_what_follows_it_is_read(tmp_path: Path) -> None:
    rows = [json.dumps({"ID": i, "Lang": f"{i:0999}"}) for i in range(PAGE_ROWS)]
    record(tmp_path, "6", TypedDataSet=f"[{','.join(rows)}, broken")
    with Replay(tmp_path, page_rows=1000) as replay:
        path = "/ODataFeed/odata/6/TypedDataSet"
        assert get(replay, path).status_code == 200
        for _ in range(2):  # The failure is kept: what was read is not the whole table.
            answer = get(replay, path, skip=str(PAGE_ROWS - 1))
            assert answer.status_code == 500
            assert "6/TypedDataSet.json.gz is damaged" in error(answer)


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


@pytest.fixture
def three(folder: Path) -> Iterator[Callable[..., Replay]]:
    """Serve the three rows of the table, one a page, with faults."""
    with ExitStack() as stack:
        yield lambda text: stack.enter_context(
            Replay(folder, faults=parse_faults(text), page_rows=1)
        )


ROWS = f"{FEED}/UntypedDataSet"


def test_a_stalled_request_is_never_answered(folder: Path) -> None:
    with Replay(folder, faults=[Fault("RegioS", "stall")]) as replay:
        with pytest.raises(requests.exceptions.ReadTimeout):
            requests.get(f"{replay.url}{FEED}/RegioS", timeout=0.2)
        assert values(replay, f"{FEED}/RegioS") == TABLE["RegioS"]


def test_a_stalled_request_ends_with_the_server(folder: Path) -> None:
    replay = Replay(folder, faults=[Fault("RegioS", "stall")])
    with socket.create_connection(("127.0.0.1", int(replay.url.rpartition(":")[2]))) as client:
        client.settimeout(10)
        with replay:
            client.sendall(f"GET {FEED}/RegioS HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            while not replay.targets:
                time.sleep(0.01)
        assert client.recv(1) == b""


def test_a_repeated_page_is_the_one_before_it(three: Callable[..., Replay]) -> None:
    replay = three("repeatx1")
    second = get(replay, ROWS).json()["odata.nextLink"]
    repeated = requests.get(second, timeout=10).json()
    assert [row["ID"] for row in repeated["value"]] == [0]
    assert repeated["odata.nextLink"] == second
    assert [row["ID"] for row in requests.get(second, timeout=10).json()["value"]] == [1]


@pytest.mark.parametrize(
    ("text", "expected", "moved"),
    [
        ("rows_change", [[0], [2], []], True),
        ("rows_change=doubled", [[0], [0], [1]], True),
        ("rows_change_silent", [[0], [2], []], False),
        ("rows_change_silent=doubled@skip=2", [[0], [1], [1]], False),
    ],
)
def test_rows_can_change_between_two_pages(
    three: Callable[..., Replay], text: str, expected: list[list[int]], moved: bool
) -> None:
    replay = three(text)

    def modified() -> list[str]:
        return [
            values(replay, path)[0]["Modified"]
            for path in (f"{FEED}/TableInfos", "/ODataCatalog/Tables")
        ]

    before = modified()
    assert pages(replay, ROWS) == expected
    after = modified()
    assert before == ["2026-01-02T02:00:00"] * 2
    assert after == (["2026-01-02T02:02:00"] * 2 if moved else before)


def test_a_table_can_state_a_wrong_number_of_rows(three: Callable[..., Replay]) -> None:
    replay = three("row_count@00001NED")
    assert values(replay, f"{FEED}/TableInfos") == [{**TABLE["TableInfos"][0], "RecordCount": 2}]


def test_every_recoverable_fault_at_once_is_overcome_by_asking_again(
    three: Callable[..., Replay],
) -> None:
    replay = three("all:5%")
    session = requests.Session()
    met = 0
    for number in range(200):
        path = f"{ROWS}?$skip=1&$top=1&number={number}"  # Options of one's own are ignored.
        for _ in range(9):
            try:
                answer = session.get(replay.url + path, timeout=0.2)
                rows = answer.json()["value"]
            except (requests.RequestException, KeyError):
                met += 1
                continue
            if answer.status_code == 200 and rows[0]["ID"] == 1:
                break
            met += 1
        else:
            pytest.fail(f"never answered: {path}")
    assert met > 30


@pytest.mark.parametrize("text", ["status-503=3", "odata_error"])
def test_v4_fails_in_its_own_form(four: Path, text: str) -> None:
    with Replay(four, faults=parse_faults(text)) as replay:
        answer = get(replay, f"{V4}/GeslachtCodes")
    assert answer.status_code == (200 if text == "odata_error" else 503)
    assert answer.headers.get("Retry-After") == (None if text == "odata_error" else "3")
    assert answer.json()["error"]["message"]


def test_v4_faults_are_in_its_pages_and_properties(four: Path) -> None:
    faults = "row_count,foreign_next_link@GeslachtCodes,rows_change@Observations"
    with Replay(four, faults=parse_faults(faults), page_rows=3) as replay:
        assert get(replay, f"{V4}/Properties").json()["ObservationCount"] == 4
        link = get(replay, f"{V4}/GeslachtCodes").json()["@odata.nextLink"]
        assert not link.startswith(replay.url)
        assert pages4(replay, f"{V4}/Observations") == [[0, 1, 2], [4]]
        properties = get(replay, f"{V4}/Properties").json()
    assert properties["Modified"] == "2026-06-23T00:01:00+02:00"


# OData v4.

V4 = "/odata/v1/CBS/00002ned"
OBSERVATIONS = [
    {"Id": 0, "Measure": "M1", "ValueAttribute": "None", "Value": 1.50, "Geslacht": "3000"},
    {"Id": 1, "Measure": "M1", "ValueAttribute": "None", "Value": 30, "Geslacht": "4000"},
    {"Id": 2, "Measure": "M2", "ValueAttribute": "Impossible", "Value": None, "Geslacht": "3000"},
    {"Id": 3, "Measure": "M2", "ValueAttribute": "None", "Value": 7, "Geslacht": "4000"},
    {"Id": 4, "Measure": "M3", "ValueAttribute": "None", "Value": 8, "Geslacht": "T001038"},
]
CODES = [{"Identifier": "3000", "Title": "Mannen"}, {"Identifier": "4000", "Title": "Vrouwen"}]
PROPERTIES = {
    "@odata.context": "https://datasets.cbs.nl/odata/v1/CBS/00002ned/$metadata#Properties",
    "Identifier": "00002ned",
    "Modified": "2026-06-23T00:00:00+02:00",
    "ObservationCount": 5,
    "Distributions": [{"Format": "csv"}],
}


@pytest.fixture
def four(tmp_path: Path) -> Path:
    """A table of v4, with observations in two files."""
    context = {"@odata.context": "https://datasets.cbs.nl/odata/v1/CBS/00002ned/$metadata#x"}
    record(
        tmp_path,
        "00002ned",
        **{
            "Properties": PROPERTIES,
            "GeslachtCodes": {**context, "value": CODES},
            "Observations.10": {**context, "value": OBSERVATIONS[3:]},
            "Observations.9": {
                **context,
                "@odata.count": 5,
                "value": OBSERVATIONS[:3],
                "@odata.nextLink": "https://datasets.cbs.nl/elsewhere?$skip=3",
            },
        },
    )
    return tmp_path


@pytest.fixture
def replay4(four: Path) -> Iterator[Replay]:
    with Replay(four) as served:
        yield served


def pages4(replay: Replay, path: str, **params: str) -> list[list[int]]:
    return pages(replay, path, key="Id", link="@odata.nextLink", **params)


def error4(answer: requests.Response) -> str:
    message: str = answer.json()["error"]["message"]
    return message


def test_v4_gives_recorded_rows_in_its_own_envelope(replay4: Replay) -> None:
    answer = get(replay4, f"{V4}/GeslachtCodes")
    assert answer.headers["OData-Version"] == "4.0"
    assert answer.json() == {
        "@odata.context": f"{replay4.url}{V4}/$metadata#GeslachtCodes",
        "value": CODES,
    }


def test_v4_joins_the_files_of_an_entity_in_the_order_of_their_numbers(replay4: Replay) -> None:
    assert values(replay4, f"{V4}/Observations") == OBSERVATIONS


def test_v4_gives_properties_as_one_object_as_recorded(replay4: Replay) -> None:
    assert get(replay4, f"{V4}/Properties").json() == PROPERTIES


def test_v4_lists_entities_datasets_and_catalogues(replay4: Replay) -> None:
    entities = {row["name"]: row["url"] for row in values(replay4, f"{V4}/")}
    assert list(entities) == ["Properties", "Observations", "GeslachtCodes"]
    assert requests.get(entities["GeslachtCodes"], timeout=10).json()["value"] == CODES
    shown = ("Identifier", "Modified", "ObservationCount")
    assert values(replay4, "/odata/v1/CBS/Datasets") == [{key: PROPERTIES[key] for key in shown}]
    assert [row["Identifier"] for row in values(replay4, "/odata/v1/Catalogs")] == ["CBS"]


def test_v4_pages_link_to_the_next_with_their_query(four: Path) -> None:
    with Replay(four, page_rows=2) as replay:
        assert pages4(replay, f"{V4}/Observations") == [[0, 1], [2, 3], [4]]
        found = pages4(replay, f"{V4}/Observations", filter="Measure ne 'M1'", select="Id", top="3")
        assert replay.targets[-1] == (
            f"{V4}/Observations?$filter=Measure ne 'M1'&$select=Id&$top=1&$skip=2"
        )
    assert found == [[2, 3], [4]]


def test_v4_gives_100_000_observations_a_page(four: Path) -> None:
    record(four, "00002ned", **{"Observations.9": [{"Id": i} for i in range(PAGE_ROWS_4 + 7)]})
    (four / "00002ned" / "Observations.10.json.gz").unlink()
    with Replay(four) as replay:
        found = pages4(replay, f"{V4}/Observations")
    assert [len(page) for page in found] == [PAGE_ROWS_4, 7]
    assert list(chain(*found)) == list(range(PAGE_ROWS_4 + 7))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("Measure eq 'M1' and Geslacht eq '4000'", [1]),
        ("(Measure eq 'M1' or Measure eq 'M3') and Value gt 1.5", [1, 4]),
        ("Geslacht in ('3000', 'T001038')", [0, 2, 4]),
        ("not (Id in (0, 1, 2))", [3, 4]),
        ("startswith(Geslacht,'T')", [4]),
        ("contains(Geslacht,'00') and Value ne null", [0, 1, 3, 4]),
        ("Geslacht eq '3000 '", []),
    ],
)
def test_v4_filters_and_counts(replay4: Replay, condition: str, expected: list[int]) -> None:
    assert pages4(replay4, f"{V4}/Observations", filter=condition) == [expected]
    counted = get(replay4, f"{V4}/Observations", filter=condition, count="true", top="1").json()
    assert counted["@odata.count"] == len(expected)
    number = get(replay4, f"{V4}/Observations/$count", filter=condition)
    assert number.headers["Content-Type"].startswith("text/plain")
    assert number.text == str(len(expected))


@pytest.mark.parametrize(
    "path",
    [
        "/odata/v1/CBS/00002NED/Observations",
        f"{V4}/observations",
        f"{V4}/MeasureGroups",
        "/odata/v1/cbs/00002ned/Observations",
        "/odata/v1/CBS/99999NED/",
        f"{V4}/Observations/$value",
        "/ODataFeed/odata/00002ned/Observations",
    ],
)
def test_v4_knows_only_what_is_recorded_by_its_exact_name(replay4: Replay, path: str) -> None:
    answer = get(replay4, path)
    assert answer.status_code == 404
    assert error(answer) if "ODataFeed" in path else error4(answer)


@pytest.mark.parametrize(
    "params",
    [
        {"filter": "substringof('3',Geslacht)"},
        {"filter": "Geslacht in ()"},
        {"filter": "Geslacht in (3000)"},
        {"filter": "Regio eq 'x'"},
        {"select": "Regio"},
        {"orderby": "Id"},
        {"count": "yes"},
        {"apply": "x"},
    ],
)
def test_v4_refuses_a_query_that_it_does_not_understand(
    replay4: Replay, params: dict[str, str]
) -> None:
    answer = get(replay4, f"{V4}/Observations", **params)
    assert answer.status_code == 400
    assert error4(answer)


def test_one_table_can_be_recorded_in_both_ways(tmp_path: Path) -> None:
    record(tmp_path / "v3", "00003ned", TableInfos=[{"Identifier": "00003ned"}], Geslacht=[])
    record(tmp_path / "v4", "00003ned", Properties=PROPERTIES, GeslachtCodes=CODES)
    with Replay(tmp_path) as replay:
        assert values(replay, "/odata/v1/CBS/00003ned/GeslachtCodes") == CODES
        assert values(replay, "/ODataFeed/odata/00003ned/Geslacht") == []
        assert len(values(replay, "/ODataCatalog/Tables")) == 1
        assert len(values(replay, "/odata/v1/CBS/Datasets")) == 1


def test_v3_does_not_know_the_words_of_v4(replay: Replay) -> None:
    for condition in ("contains(Key,'G')", "Key in ('NL01  ')"):
        assert get(replay, f"{FEED}/RegioS", filter=condition).status_code == 400
    assert get(replay, f"{FEED}/RegioS", count="true").status_code == 400
    assert get(replay, f"{FEED}/RegioS/$count").status_code == 404


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


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the recordings are not here")
def test_v4_gives_every_recorded_answer() -> None:
    folder = SHARED.parent / "cbs-v4"
    with Replay(SHARED.parent) as replay:
        recorded = sorted(folder.glob("*/*.json.gz"))
        for path in recorded:
            body = json.loads(gzip.decompress(path.read_bytes()))
            entity = path.name.partition(".")[0]
            answer = get(replay, f"/odata/v1/CBS/{path.parent.name}/{entity}").json()
            here, there = (urlsplit(page.pop("@odata.context")) for page in (answer, body))
            assert (here.path, here.fragment) == (there.path, there.fragment)
            assert answer == body, path
        assert len(values(replay, "/odata/v1/CBS/Datasets")) == 5
        assert len(values(replay, "/ODataCatalog/Tables")) == 10
        count = get(
            replay,
            "/odata/v1/CBS/03759ned/Observations/$count",
            filter="RegioS eq 'NL01' and Measure in ('M000352','M000365')",
        )
    assert recorded
    assert count.text == "16"
