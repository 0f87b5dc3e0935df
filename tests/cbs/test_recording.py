from __future__ import annotations

import copy
import json
import random
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.cbs.metadata import build_meta
from monitor.cbs.recording import (
    RecordingError,
    RecordingWriter,
    RowsChangedError,
    UnknownMarkError,
    identity,
)

ENTITIES: dict[str, list[dict[str, Any]]] = {
    "TableInfos": [{"Identifier": "99999NED", "Modified": "2020-01-01"}],
    "DataProperties": [
        {"ID": 0, "Position": 0, "Type": "GeoDimension", "Key": "RegioS"},
        {"ID": 1, "Position": 1, "Type": "TimeDimension", "Key": "Perioden"},
        {"ID": 2, "Type": "TopicGroup", "Key": "", "Title": "Groep"},
        {"ID": 3, "Position": 2, "ParentID": 2, "Type": "Topic", "Key": "Aantal_1",
         "Datatype": "Double", "Unit": "aantal"},
        {"ID": 4, "Position": 3, "ParentID": 2, "Type": "Topic", "Key": "Naam_2",
         "Datatype": "String"},
    ],
    "RegioS": [{"Key": "NL01  ", "Title": "Nederland"}, {"Key": "GM0363", "Title": "Amsterdam"}],
    "Perioden": [{"Key": "2020JJ00", "Title": "2020", "Status": "Definitief"}],
}  # fmt: skip
META = build_meta(ENTITIES)
ROWS = [
    {"ID": 0, "RegioS": "NL01  ", "Perioden": "2020JJ00", "Aantal_1": "    13.9", "Naam_2": "a "},
    {"ID": 1, "RegioS": "GM0363", "Perioden": "2020JJ00", "Aantal_1": "       .", "Naam_2": "1.0"},
]


def page(rows: list[dict[str, Any]], **envelope: str) -> bytes:
    return json.dumps({"odata.metadata": "x", "value": rows, **envelope}).encode()


def record(folder: Path, *pages: list[dict[str, Any]]) -> Path:
    out = folder / "recording.parquet"
    with RecordingWriter(out, META) as writer:
        for rows in pages:
            writer.add(page(rows))
    return out


def identity_of(
    rows: list[dict[str, Any]], entities: dict[str, list[dict[str, Any]]] = ENTITIES
) -> str:
    with TemporaryDirectory() as folder:
        with RecordingWriter(Path(folder) / "recording.parquet", META) as writer:
            writer.add(page(rows))
        return identity(writer.digest, build_meta(entities), entities)


def test_a_recording_has_the_columns_of_the_metadata_trimmed(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "Naam_2": "a\u00a0"}, {**ROWS[1], "Aantal_1": None}]
    assert pq.read_table(record(tmp_path, rows)).to_pylist() == [
        {"RegioS": "NL01", "Perioden": "2020JJ00", "Aantal_1": "13.9", "Naam_2": "a"},
        {"RegioS": "GM0363", "Perioden": "2020JJ00", "Aantal_1": None, "Naam_2": "1.0"},
    ]


def test_adding_and_closing_count_the_rows(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "recording.parquet", META)
    assert writer.add(page(ROWS, **{"odata.nextLink": "y"})) == 2
    assert writer.add(page([])) == 0
    assert writer.close() == 2


def test_the_bytes_do_not_depend_on_the_pages(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "ID": n, "Aantal_1": f"{n:8}"} for n in range(300_000)]
    parts = [rows[:7], *(rows[at : at + 10_000] for at in range(7, 300_000, 10_000))]
    whole = record(tmp_path, rows).read_bytes()
    assert record(tmp_path, *parts).read_bytes() == whole


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{**ROWS[0], "Nieuw_3": "1"}], "unexpected column Nieuw_3 in row NL01|2020JJ00"),
        ([{k: v for k, v in row.items() if k != "Aantal_1"} for row in ROWS], "Aantal_1 vanished"),
        ([ROWS[0], {k: v for k, v in ROWS[1].items() if k != "Naam_2"}], "Naam_2 vanished"),
        ([{**ROWS[0], "Aantal_1": 13.9}], "Aantal_1 is 13.9, not text"),
    ],
)
def test_rows_with_other_columns_than_the_metadata_are_refused(
    tmp_path: Path, rows: list[dict[str, Any]], problem: str
) -> None:
    with pytest.raises(RecordingError, match=problem):
        record(tmp_path, rows)


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"value": null}', page(ROWS)[:-9]])
def test_a_page_that_is_not_one_list_of_rows_is_refused(tmp_path: Path, text: bytes) -> None:
    with (
        RecordingWriter(tmp_path / "recording.parquet", META) as writer,
        pytest.raises(RecordingError, match="99999NED: a page"),
    ):
        writer.add(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [("13.9", "13.90"), ("5", "5.0"), ("0", "-0.0"), ("7", "007"), ("100", "100.00"),
     ("-2.5", "-02.50"), ("0.5", "0.500"), ("", None), ("0", "0.000")],
)  # fmt: skip
def test_the_spelling_of_equal_numbers_is_no_difference(one: str, other: str | None) -> None:
    assert identity_of([{**ROWS[0], "Aantal_1": one}]) == identity_of(
        [{**ROWS[0], "Aantal_1": other}]
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("13.9", "13.09"),
        ("10", "1"),
        ("100", "1.00"),
        (".", ""),
        (".", "0"),
        ("-1", "1"),
        ("0", ""),
    ],
)
def test_another_number_or_mark_is_a_difference(one: str, other: str) -> None:
    assert identity_of([{**ROWS[0], "Aantal_1": one}]) != identity_of(
        [{**ROWS[0], "Aantal_1": other}]
    )


def test_text_that_looks_like_a_number_is_compared_as_text() -> None:
    assert identity_of([ROWS[1]]) != identity_of([{**ROWS[1], "Naam_2": "1.00"}])


CELLS = st.one_of(
    st.sampled_from([".", ""]),
    st.decimals(-99999, 99999, places=3).map(str),
    st.integers(-99999, 99999).map(str),
)


@settings(deadline=None, max_examples=30)
@given(st.lists(CELLS, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_order_padding_and_row_numbers_are_no_difference(
    cells: list[str], chance: random.Random
) -> None:
    rows = [{**ROWS[0], "ID": n, "Aantal_1": cell} for n, cell in enumerate(cells)]
    other: list[dict[str, Any]] = []
    for row in chance.sample(rows, len(rows)):
        keys = chance.sample(list(row), len(row))
        moved = {**row, "ID": chance.randrange(99), "Aantal_1": f"   {row['Aantal_1']}"}
        other.append({key: moved[key] for key in keys})
    entities = copy.deepcopy(ENTITIES)
    for name, members in entities.items():
        chance.shuffle(members)
        if name == "DataProperties":
            for row in members:
                row["ID"] += 10
                if "ParentID" in row:
                    row["ParentID"] += 10
    entities["RegioS"][0]["Key"] += "    "
    entities["TableInfos"][0]["Modified"] = "2026-01-01"
    assert identity_of(other, entities) == identity_of(rows)


@settings(deadline=None, max_examples=30)
@given(st.lists(CELLS, min_size=1, max_size=5), st.data())
def test_any_changed_cell_is_a_difference(cells: list[str], data: st.DataObject) -> None:
    rows = [{**ROWS[0], "ID": n, "Aantal_1": cell} for n, cell in enumerate(cells)]
    at = data.draw(st.integers(0, len(rows) - 1))
    number = cells[at] if cells[at] not in (".", "") else "0"
    changed = str(float(number) + data.draw(st.integers(1, 999)))
    other = [*rows[:at], {**rows[at], "Aantal_1": changed}, *rows[at + 1 :]]
    assert identity_of(other) != identity_of(rows)


def test_a_row_that_is_there_twice_is_a_difference() -> None:
    assert identity_of([ROWS[0]]) != identity_of([ROWS[0], ROWS[0]])
    assert identity_of([]) != identity_of([ROWS[0], ROWS[0]])


@pytest.mark.parametrize(
    ("entity", "at", "key", "value"),
    [
        ("Perioden", 0, "Status", "Voorlopig"),
        ("RegioS", 1, "Description", "Grenswijziging"),
        ("DataProperties", 3, "Unit", "x 1 000"),
        ("DataProperties", 2, "Title", "Andere groep"),
        ("DataProperties", 3, "Description", "Het betreft voorlopige cijfers."),
    ],
)
def test_a_change_in_the_metadata_is_a_difference(
    entity: str, at: int, key: str, value: str
) -> None:
    entities = copy.deepcopy(ENTITIES)
    entities[entity][at][key] = value
    assert identity_of(ROWS, entities) != identity_of(ROWS)


ENTITIES4: dict[str, list[dict[str, Any]]] = {
    "Properties": [{"Identifier": "99994NED", "Modified": "2020-01-01"}],
    "Dimensions": [
        {"Identifier": "RegioS", "Kind": "GeoDimension", "CodesUrl": "https://a/RegioSCodes"},
    ],
    "MeasureCodes": [
        {"Identifier": "M1", "Index": 1, "Title": "Aantal", "DataType": "Long",
         "MeasureGroupId": "1"},
    ],
    "MeasureGroups": [{"Id": "1", "Title": "Groep"}],
    "RegioS": [{"Identifier": "NL01", "Index": 1}, {"Identifier": "GM0363", "Index": 2}],
}  # fmt: skip
META4 = build_meta(ENTITIES4)
ROW4 = {"Id": 0, "Measure": "M1", "ValueAttribute": "None", "Value": 1, "StringValue": None,
        "RegioS": "NL01"}  # fmt: skip


def page4(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps({"@odata.context": "x", "value": rows, "@odata.nextLink": "y"}).encode()


def value_of(number: str) -> str | None:
    text = page4([ROW4]).replace(b'"Value": 1', f'"Value": {number}'.encode())
    with TemporaryDirectory() as folder:
        out = Path(folder) / "recording.parquet"
        with RecordingWriter(out, META4) as writer:
            writer.add(text)
        found: str | None = pq.read_table(out)["Value"][0].as_py()
        return found


def identity4(rows: list[dict[str, Any]], entities: Any = ENTITIES4) -> str:
    with TemporaryDirectory() as folder:
        with RecordingWriter(Path(folder) / "recording.parquet", META4) as writer:
            writer.add(page4(rows))
        return identity(writer.digest, build_meta(entities), entities)


@settings(deadline=None, max_examples=50)
@given(st.decimals(-(10**12) + 1, 10**12 - 1, places=6))
def test_every_number_of_v4_comes_through_exactly(number: Decimal) -> None:
    assert Decimal(value_of(f"{number:f}") or "") == number


@pytest.mark.parametrize(
    ("number", "text"),
    [("13.9", "13.9"), ("17344874.0", "17344874"), ("100", "100"), ("0", "0"), ("-0.5", "-0.5"),
     ("1E-05", "0.00001"), ("null", None)],
)  # fmt: skip
def test_a_number_of_v4_is_recorded_in_one_spelling(number: str, text: str | None) -> None:
    assert value_of(number) == text


@pytest.mark.parametrize("number", ["0.1234567", "13.900000000000001", "1e20", "true", '"x"'])
def test_a_number_of_v4_that_can_not_be_kept_exactly_is_refused(number: str) -> None:
    with pytest.raises(UnknownMarkError, match="99994NED: row NL01, topic M1"):
        value_of(number)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({**ROW4, "Unit": "x"}, "unexpected column Unit in row NL01"),
        ({k: v for k, v in ROW4.items() if k != "StringValue"}, "StringValue vanished"),
        ({**ROW4, "Measure": 1}, "row NL01: Measure is 1, not text"),
    ],
)
def test_rows_of_v4_with_other_columns_are_refused(row: dict[str, Any], problem: str) -> None:
    with pytest.raises(RecordingError, match=problem):
        identity4([row])


def test_order_numbers_spelling_and_addresses_are_no_difference_in_v4() -> None:
    other = {**ROW4, "Id": 7, "RegioS": "GM0363", "Value": 13.9}
    entities = copy.deepcopy(ENTITIES4)
    entities["RegioS"].reverse()
    entities["RegioS"][0]["Index"] = 9
    entities["Dimensions"][0]["CodesUrl"] = "https://b/RegioSCodes"
    entities["MeasureCodes"][0]["MeasureGroupId"] = entities["MeasureGroups"][0]["Id"] = "9"
    entities["Properties"][0]["Modified"] = "2026-01-01"
    same = identity4([other, {**ROW4, "Id": 8, "Value": 1.0}], entities)
    assert same == identity4([ROW4, other])
    assert same != identity4([{**ROW4, "ValueAttribute": "Impossible"}, other])
    entities["MeasureGroups"][0]["Title"] = "Andere groep"
    assert same != identity4([ROW4, other], entities)


def numbered(folder: Path, pages: list[list[int]], *, whole: bool, more: bool = True) -> None:
    link = {"odata.nextLink": "y"} if more else {}
    with RecordingWriter(folder / "recording.parquet", META, whole=whole) as writer:
        for ids in pages:
            writer.add(page([{**ROWS[0], "ID": n} for n in ids], **link))


@pytest.mark.parametrize(
    ("pages", "whole"),
    [
        ([[0, 1], [1, 2]], True),
        ([[0, 1], [0, 1]], True),
        ([[0, 1], [3, 4]], True),
        ([[5, 9], [7, 12]], True),
        ([[0, 9], [9, 12]], False),
    ],
)
def test_rows_that_come_twice_or_are_skipped_between_two_pages_are_refused(
    tmp_path: Path, pages: list[list[int]], whole: bool
) -> None:
    with pytest.raises(RowsChangedError, match="99999NED: after row"):
        numbered(tmp_path, pages, whole=whole)


@pytest.mark.parametrize(
    ("pages", "whole"),
    [
        ([[0, 1], [2, 3]], True),
        ([[1, 0], [3, 2]], True),
        ([[5, 9], [12, 14]], True),
        ([[0, 1], [], [2]], True),
        ([[0, 1], [3, 4]], False),
    ],
)
def test_rows_that_go_on_where_the_page_before_ended_are_taken(
    tmp_path: Path, pages: list[list[int]], whole: bool
) -> None:
    numbered(tmp_path, pages, whole=whole)


def test_each_part_of_a_selection_has_numbers_of_its_own(tmp_path: Path) -> None:
    numbered(tmp_path, [[5, 9], [2, 7]], whole=False, more=False)
    with pytest.raises(RowsChangedError):
        numbered(tmp_path, [[5, 9], [2, 7]], whole=True, more=False)


def test_rows_without_numbers_are_not_checked(tmp_path: Path) -> None:
    plain = [{key: cell for key, cell in row.items() if key != "ID"} for row in ROWS]
    with RecordingWriter(tmp_path / "recording.parquet", META, whole=True) as writer:
        assert writer.add(page(plain)) + writer.add(page(plain)) == 4
