from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.cbs.metadata import MetadataError, TableMeta, build_meta
from monitor.cbs.observations import (
    AreaCodes,
    DuplicateRowError,
    PeriodError,
    UnknownMemberError,
    UnknownStatusError,
    write_observations,
)
from monitor.cbs.periods import UnknownPeriodError
from monitor.cbs.recording import RecordingError, RecordingWriter, UnknownMarkError
from monitor.cbs.sources import TableRequest
from monitor.errors import TableError

CODES = AreaCodes({"NL00": "NL01"}, {"NL": "country", "GM": "municipality"})
Rows = list[dict[str, Any]]

SEX = {"ID": 0, "Position": 0, "Type": "Dimension", "Key": "Geslacht"}
AGE = {"ID": 1, "Position": 1, "Type": "Dimension", "Key": "Age"}
REGION = {"ID": 2, "Position": 2, "Type": "GeoDimension", "Key": "RegioS"}
PERIOD = {"ID": 3, "Position": 3, "Type": "TimeDimension", "Key": "Perioden"}
COUNT = {"ID": 4, "Position": 4, "Type": "Topic", "Key": "Aantal_2", "Datatype": "Long"}
SHARE = {"ID": 5, "Position": 5, "Type": "Topic", "Key": "Aandeel_1", "Datatype": "Double"}
NAME = {"ID": 6, "Position": 6, "Type": "Topic", "Key": "Naam_3", "Datatype": "String"}
MEMBERS: dict[str, Rows] = {
    "Geslacht": [{"Key": "3000   "}, {"Key": "4000   "}],
    "Age": [{"Key": "10000"}],
    "RegioS": [{"Key": code, "Title": "Naam"} for code in ("NL00  ", "GM0363", "XX0001")],
    "Perioden": [
        {"Key": "2022JJ00", "Status": "Definitief"},
        {"Key": "2023JJ00", "Status": "NaderVoorlopig"},
        {"Key": "2024KW01", "Status": "Voorlopig"},
        {"Key": "2025JJ00"},
    ],
}
CODED = {"Geslacht": "3000   ", "Age": "10000", "RegioS": "NL00  ", "Perioden": "2022JJ00"}


def meta_of(*properties: dict[str, Any], infos: dict[str, Any] | None = None) -> TableMeta:
    told = {"Identifier": "99999NED", **(infos or {})}
    return build_meta({"TableInfos": [told], "DataProperties": properties, **MEMBERS})


def observe(
    folder: Path, meta: TableMeta, rows: Rows, period: str | None = None, name: str = "out"
) -> Rows:
    recording, out = folder / "recording.parquet", folder / f"{name}.parquet"
    with RecordingWriter(recording, meta) as writer:
        writer.add(json.dumps({"value": rows}).encode())
    count = write_observations(recording, meta, TableRequest("99999NED", period), out, CODES)
    table = duckdb.read_parquet(str(out))
    found = [dict(zip(table.columns, row, strict=True)) for row in table.fetchall()]
    assert count == len(found)
    return found


def row_of(meta: TableMeta, **changed: str | None) -> dict[str, Any]:
    row = {dimension.key: CODED[dimension.key] for dimension in meta.dimensions}
    return {"ID": 0, **row, **{topic.key: "1" for topic in meta.topics}, **changed}


WITH_ALL = meta_of(SEX, AGE, REGION, PERIOD, COUNT, SHARE, NAME)
SMALL = meta_of(REGION, PERIOD, COUNT)


def test_a_wide_row_becomes_one_observation_a_numeric_topic(tmp_path: Path) -> None:
    row = row_of(WITH_ALL, Aantal_2="  421110", Aandeel_1="     7.4", Naam_3="naam")
    count, share = observe(tmp_path, WITH_ALL, [row])
    assert count == {
        "table_id": "99999NED", "row_key": "3000|10000|NL00|2022JJ00", "source_key": "NL00",
        "region_code": "NL01", "region_level": "country", "region_year": 2022,
        "period": "2022JJ00", "period_type": "year", "year": 2022, "topic": "Aantal_2",
        "members": "Age=10000;Geslacht=3000", "value": Decimal("421110.000000"),
        "source_mark": None, "status": "definitive",
    }  # fmt: skip
    assert (share["topic"], share["value"]) == ("Aandeel_1", Decimal("7.400000"))


def test_the_types_of_the_columns_are_those_promised(tmp_path: Path) -> None:
    observe(tmp_path, SMALL, [row_of(SMALL)])
    table = duckdb.read_parquet(str(tmp_path / "out.parquet"))
    types = dict(zip(table.columns, map(str, table.types), strict=True))
    assert {name for name, kind in types.items() if kind != "VARCHAR"} == {
        "region_year", "year", "value",
    }  # fmt: skip
    assert (types["year"], types["value"]) == ("SMALLINT", "DECIMAL(18,6)")


@pytest.mark.parametrize(
    ("cell", "mark"), [("       .", "."), ("        ", ""), ("", ""), (None, "")]
)
def test_a_mark_is_kept_and_is_no_value(tmp_path: Path, cell: str | None, mark: str) -> None:
    (found,) = observe(tmp_path, SMALL, [row_of(SMALL, Aantal_2=cell)])
    assert (found["value"], found["source_mark"]) == (None, mark)


@pytest.mark.parametrize(
    "cell",
    ["x", "-", "..", "1,5", "1e5", "1_000", "1 000", "+1", "1.", ".5", "NaN", "1.1234567",
     "1234567890123"],
)  # fmt: skip
def test_a_cell_that_is_neither_number_nor_mark_is_refused(tmp_path: Path, cell: str) -> None:
    rows = [row_of(SMALL), row_of(SMALL, RegioS="GM0363", Aantal_2=cell)]
    with pytest.raises(UnknownMarkError, match=r"99999NED: row GM0363\|2022JJ00, topic Aantal_2"):
        observe(tmp_path, SMALL, rows)
    assert not (tmp_path / "out.parquet").exists()


@settings(deadline=None, max_examples=20)
@given(st.lists(st.decimals(-(10**12) + 1, 10**12 - 1, places=6), min_size=1, max_size=3))
def test_every_value_comes_through_exactly(values: list[Decimal]) -> None:
    regions = [member["Key"] for member in MEMBERS["RegioS"]]
    rows = [
        row_of(SMALL, RegioS=region, Aantal_2=f"{value:f}")
        for region, value in zip(regions, values, strict=False)
    ]
    with TemporaryDirectory() as folder:
        found = {row["source_key"]: row["value"] for row in observe(Path(folder), SMALL, rows)}
    assert found == {region.strip(): value for region, value in zip(regions, values, strict=False)}


@pytest.mark.parametrize(
    ("period", "status"),
    [("2022JJ00", "definitive"), ("2023JJ00", "revised_provisional"), ("2024KW01", "provisional"),
     ("2025JJ00", "unknown")],
)  # fmt: skip
def test_the_status_is_the_periods(tmp_path: Path, period: str, status: str) -> None:
    (found,) = observe(tmp_path, SMALL, [row_of(SMALL, Perioden=period)])
    assert found["status"] == status


def with_member(dimension: str, member: dict[str, Any]) -> TableMeta:
    return build_meta(
        {
            "TableInfos": [{"Identifier": "99999NED"}],
            "DataProperties": [REGION, PERIOD, COUNT],
            **MEMBERS,
            dimension: [*MEMBERS[dimension], member],
        }
    )


def test_an_unknown_status_is_refused_whether_or_not_a_row_has_the_period(tmp_path: Path) -> None:
    meta = with_member("Perioden", {"Key": "2026JJ00", "Status": "Concept"})
    for period in ("2022JJ00", "2026JJ00"):
        with pytest.raises(UnknownStatusError, match=r"99999NED: row Perioden 2026JJ00.*'Concept'"):
            observe(tmp_path, meta, [row_of(meta, Perioden=period)])


def test_an_unknown_period_is_refused_whether_or_not_a_row_has_it(tmp_path: Path) -> None:
    meta = with_member("Perioden", {"Key": "2024XX00"})
    for period in ("2022JJ00", "2024XX00"):
        with pytest.raises(UnknownPeriodError, match=r"99999NED: row Perioden 2024XX00.*unknown"):
            observe(tmp_path, meta, [row_of(meta, Perioden=period)])


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        ({"Key": "GM0014", "Title": None}, "'GM0014' has no title"),
        ({"Key": "GM0014"}, "'GM0014' has no title"),
        ({"Key": "NL  ", "Title": "Nederland"}, "'NL' is shorter than 4 characters"),
        ({"Key": "NL01", "Title": "Nederland"}, "'NL01' is the region 'NL00' once more"),
        ({"Key": "GM 14", "Title": "Groningen"}, "'GM 14' .* has a blank in it"),
    ],
)
def test_a_region_that_later_stages_can_not_use_is_refused(
    tmp_path: Path, member: dict[str, Any], problem: str
) -> None:
    meta = with_member("RegioS", member)
    with pytest.raises(MetadataError, match=f"99999NED: dimension RegioS: region {problem}"):
        observe(tmp_path, meta, [row_of(meta)])


def test_a_code_that_its_dimension_does_not_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownMemberError, match=r"row GM9999\|2022JJ00: dimension RegioS"):
        observe(tmp_path, SMALL, [row_of(SMALL), row_of(SMALL, RegioS="GM9999")])


def test_rows_with_the_same_codes_but_for_padding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DuplicateRowError, match=r"row NL00\|2022JJ00 is there more than once"):
        observe(tmp_path, SMALL, [row_of(SMALL), row_of(SMALL, RegioS="NL00")])


def test_a_recording_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="without rows"):
        observe(tmp_path, SMALL, [])


def test_the_answer_of_another_table_is_refused(tmp_path: Path) -> None:
    meta = meta_of(REGION, PERIOD, COUNT, infos={"Identifier": "11111NED"})
    with pytest.raises(MetadataError, match="99999NED: the answer is of table '11111NED'"):
        observe(tmp_path, meta, [row_of(meta)])


KERNCIJFERS = {"Period": "2018", "ShortDescription": "Status:\nDefinitief, tenzij anders vermeld"}


def test_a_table_without_periods_has_the_one_of_its_series(tmp_path: Path) -> None:
    meta = meta_of({**REGION, "MapYear": 2017}, COUNT, infos=KERNCIJFERS)
    (found,) = observe(tmp_path, meta, [row_of(meta)], period="2018")
    assert (found["period"], found["period_type"], found["year"]) == ("2018JJ00", "year", 2018)
    assert found["region_year"] == 2017
    assert (found["row_key"], found["members"]) == ("NL00", "")


@pytest.mark.parametrize(
    ("description", "text", "status"),
    [
        ("", "Definitief, tenzij in de toelichting …", "definitive"),
        ("Het betreft voorlopige cijfers.", "Definitief, tenzij …", "provisional"),
        ("Het betreft voorlopige\r\ncijfers.", "", "provisional"),
        ("", "", "unknown"),
    ],
)
def test_without_periods_the_texts_of_table_and_topic_tell_the_status(
    tmp_path: Path, description: str, text: str, status: str
) -> None:
    infos = {"Period": "2018", "ShortDescription": text}
    meta = meta_of(REGION, {**COUNT, "Description": description}, infos=infos)
    (found,) = observe(tmp_path, meta, [row_of(meta)], period="2018")
    assert found["status"] == status


@pytest.mark.parametrize(
    ("meta", "period", "problem"),
    [
        (meta_of(REGION, COUNT, infos=KERNCIJFERS), None, "its series must give the period"),
        (meta_of(REGION, COUNT, infos=KERNCIJFERS), "2019", "'2018', the series '2019'"),
        (meta_of(REGION, COUNT), "2018", "'', the series '2018'"),
        (SMALL, "2018", "has periods of its own"),
    ],
)
def test_the_period_of_series_and_table_must_agree(
    tmp_path: Path, meta: TableMeta, period: str | None, problem: str
) -> None:
    with pytest.raises(PeriodError, match=problem):
        observe(tmp_path, meta, [row_of(meta)], period=period)


def test_a_table_of_texts_has_no_observations(tmp_path: Path) -> None:
    meta = meta_of(REGION, NAME, infos=KERNCIJFERS)
    assert observe(tmp_path, meta, [row_of(meta)], period="2018") == []


def test_a_table_without_regions_is_refused(tmp_path: Path) -> None:
    meta = meta_of(SEX, PERIOD, COUNT)
    with pytest.raises(MetadataError, match="dimension of regions"):
        observe(tmp_path, meta, [row_of(meta)])


def test_an_unknown_prefix_is_a_region_of_another_level(tmp_path: Path) -> None:
    (found,) = observe(tmp_path, SMALL, [row_of(SMALL, RegioS="XX0001")])
    assert (found["region_code"], found["region_level"]) == ("XX0001", "other")


def test_a_code_may_be_an_exception_to_the_level_of_its_prefix() -> None:
    codes = AreaCodes({}, {"GM": "municipality", "GM0997": "other"})
    levels = [codes.level(code) for code in ("GM0363", "GM0997", "XX0001")]
    assert levels == ["municipality", "other", "other"]


def test_observations_are_ordered_and_repeat_byte_for_byte(tmp_path: Path) -> None:
    rows = [
        row_of(WITH_ALL, Geslacht=sex["Key"], RegioS=region["Key"], Perioden=period["Key"])
        for sex in MEMBERS["Geslacht"]
        for region in MEMBERS["RegioS"]
        for period in MEMBERS["Perioden"]
    ]
    found = observe(tmp_path, WITH_ALL, rows)
    order = [(row["row_key"], row["topic"] == "Aandeel_1") for row in found]
    assert order == sorted(order)
    observe(tmp_path, WITH_ALL, rows[::-1], name="again")
    once, again = (tmp_path / f"{name}.parquet" for name in ("out", "again"))
    assert once.read_bytes() == again.read_bytes()


def test_nothing_half_is_left_behind(tmp_path: Path) -> None:
    observe(tmp_path, SMALL, [row_of(SMALL)])
    assert {file.name for file in tmp_path.iterdir()} == {"recording.parquet", "out.parquet"}


def test_every_refusal_explains_itself_in_dutch() -> None:
    kinds = (
        MetadataError, RecordingError, UnknownMarkError, UnknownStatusError, UnknownMemberError,
        DuplicateRowError, PeriodError, UnknownPeriodError,
    )  # fmt: skip
    explanations = {kind.explanation for kind in kinds}
    assert len(explanations) == len(kinds)
    assert TableError.explanation not in explanations


def meta4(*, time: bool = True) -> TableMeta:
    dimensions = [{"Identifier": "RegioS", "Kind": "GeoDimension"}]
    if time:
        dimensions.append({"Identifier": "Perioden", "Kind": "TimeDimension"})
    measures = [
        {"Identifier": "M2", "Index": 1, "DataType": "Long"},
        {"Identifier": "M1", "Index": 2, "DataType": "Double", "Description": VOORLOPIG},
        {"Identifier": "M3", "Index": 3, "DataType": "String"},
    ]
    codes = {
        key: [{**member, "Identifier": member["Key"].strip()} for member in MEMBERS[key]]
        for key in ("RegioS", "Perioden")
    }
    told = {"Identifier": "99999NED", "TemporalCoverage": "2022", "Source": "CBS"}
    return build_meta(
        {"Properties": [told], "Dimensions": dimensions, "MeasureCodes": measures, **codes}
    )


VOORLOPIG = "Het gaat om voorlopige cijfers."
LONG = meta4()
ROW4 = {
    "Id": 0, "Measure": "M2", "ValueAttribute": "None", "Value": 1, "StringValue": None,
    "RegioS": "NL00", "Perioden": "2022JJ00",
}  # fmt: skip


def test_long_rows_become_observations_in_the_order_of_row_and_topic(tmp_path: Path) -> None:
    text = {"Measure": "M3", "Value": None, "StringValue": "naam"}
    rows = [{**ROW4, **text}, {**ROW4, "Measure": "M1", "Value": 7.4}, {**ROW4, "Value": 421110}]
    count, share = observe(tmp_path, LONG, rows)
    assert count == {
        "table_id": "99999NED", "row_key": "NL00|2022JJ00", "source_key": "NL00",
        "region_code": "NL01", "region_level": "country", "region_year": 2022,
        "period": "2022JJ00", "period_type": "year", "year": 2022, "topic": "M2", "members": "",
        "value": Decimal("421110.000000"), "source_mark": None, "status": "definitive",
    }  # fmt: skip
    assert (share["topic"], share["value"]) == ("M1", Decimal("7.400000"))


def test_long_rows_have_the_types_of_wide_ones(tmp_path: Path) -> None:
    observe(tmp_path, LONG, [ROW4], name="long")
    observe(tmp_path, SMALL, [row_of(SMALL)], name="wide")
    long, wide = (duckdb.read_parquet(str(tmp_path / f"{n}.parquet")) for n in ("long", "wide"))
    assert (long.columns, long.types) == (wide.columns, wide.types)


@pytest.mark.parametrize(
    ("attribute", "mark"),
    [("Impossible", ""), ("Missing", "."), ("Confidential", "."), ("NotAvailable", ".")],
)
def test_why_a_figure_of_v4_is_missing_becomes_its_mark(
    tmp_path: Path, attribute: str, mark: str
) -> None:
    row = {**ROW4, "ValueAttribute": attribute, "Value": None}
    (found,) = observe(tmp_path, LONG, [row])
    assert (found["value"], found["source_mark"]) == (None, mark)


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ({"ValueAttribute": "Estimated"}, "1 with ValueAttribute 'Estimated'"),
        ({"ValueAttribute": "Estimated", "Value": None}, "no value with ValueAttribute"),
        ({"ValueAttribute": "Impossible"}, "1 with ValueAttribute 'Impossible'"),
        ({"Value": None}, "no value with ValueAttribute 'None'"),
        ({"ValueAttribute": None, "Value": None}, "no value with ValueAttribute ''"),
        ({"Value": 1234567890123}, "1234567890123 with ValueAttribute 'None'"),
    ],
)
def test_a_figure_of_v4_that_is_neither_number_nor_missing_for_a_known_reason_is_refused(
    tmp_path: Path, cell: dict[str, Any], says: str
) -> None:
    rows = [ROW4, {**ROW4, "RegioS": "GM0363", **cell}]
    with pytest.raises(UnknownMarkError, match=rf"row GM0363\|2022JJ00, topic M2: {says}"):
        observe(tmp_path, LONG, rows)


def test_a_measure_that_is_not_listed_and_a_figure_that_is_there_twice_are_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(UnknownMemberError, match="MeasureCodes does not list the code 'M9'"):
        observe(tmp_path, LONG, [ROW4, {**ROW4, "Measure": "M9"}])
    with pytest.raises(DuplicateRowError, match=r"row NL00\|2022JJ00 is there more than once"):
        observe(tmp_path, LONG, [ROW4, ROW4])


def test_the_status_of_a_v4_table_without_periods_is_the_topics(tmp_path: Path) -> None:
    rows = [
        {key: cell for key, cell in row.items() if key != "Perioden"}
        for row in (ROW4, {**ROW4, "Measure": "M1"})
    ]
    found = observe(tmp_path, meta4(time=False), rows, period="2022")
    assert [(row["topic"], row["status"]) for row in found] == [
        ("M2", "unknown"),
        ("M1", "provisional"),
    ]
