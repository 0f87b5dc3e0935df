from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from monitor.cbs.metadata import MetadataError, TableMeta, build_meta
from monitor.cbs.units import UnknownUnitError

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "cbs"

INFOS = {"Identifier": "99999NED", "Title": "Tabel ", "Period": "2020", "Source": "CBS."}
REGION = {"ID": 0, "Position": 0, "Type": "GeoDetail", "Key": "Wijken", "MapYear": 2020}
GROUP = {"ID": 1, "Position": None, "Type": "TopicGroup", "Key": "", "Title": "Wonen "}
SUBGROUP = {"ID": 2, "ParentID": 1, "Type": "TopicGroup", "Key": "", "Title": "Type\u00a0woning"}
TOPIC = {
    "ID": 3, "Position": 1, "ParentID": 2, "Type": "Topic", "Key": "Huurwoning_53",
    "Title": "Huurwoning\u00a0", "Datatype": "Long", "Unit": "x 1 000", "Decimals": 0,
    "Default": "Impossible", "Description": "Toelichting",
}  # fmt: skip
TWIN = {**TOPIC, "ID": 4, "Position": 2, "ParentID": 1, "Key": "Huurwoning_61"}
MEMBERS = [{"Key": "NL00    ", "Title": "Nederland "}, {"Key": "GM0363  ", "Title": "Amsterdam"}]


def meta_of(*properties: dict[str, Any], **entities: Any) -> TableMeta:
    return build_meta(
        {"TableInfos": [INFOS], "DataProperties": properties, "Wijken": MEMBERS, **entities}
    )


def test_titles_and_codes_are_trimmed_and_source_keys_kept() -> None:
    meta = meta_of(REGION, GROUP, SUBGROUP, TOPIC)
    assert meta.title == "Tabel"
    assert meta.geo.members["NL00"].source_key == "NL00    "
    assert meta.geo.members["NL00"].title == "Nederland"
    assert meta.geo.map_year == 2020
    (topic,) = meta.topics
    assert topic.path == ("Wonen", "Type\u00a0woning", "Huurwoning")
    assert (topic.stem, topic.unit.scale, topic.numeric) == ("Huurwoning", 1000, True)


def test_a_stem_that_two_topics_share_finds_both_and_the_path_finds_one() -> None:
    meta = meta_of(REGION, GROUP, SUBGROUP, TOPIC, TWIN)
    assert [t.key for t in meta.find_topic("Huurwoning")] == ["Huurwoning_53", "Huurwoning_61"]
    assert [t.key for t in meta.find_topic(["Wonen", "Huurwoning"])] == ["Huurwoning_61"]
    assert [t.key for t in meta.find_topic(["Wonen", "Type woning", "Huurwoning"])] == [
        "Huurwoning_53"
    ]
    assert meta.find_topic("Koopwoning") == []


def test_a_group_that_is_not_among_the_rows_is_left_out_of_the_path() -> None:
    assert meta_of(REGION, SUBGROUP, TOPIC).topics[0].path == ("Type\u00a0woning", "Huurwoning")


def test_positions_and_not_the_order_of_rows_order_the_topics() -> None:
    served = meta_of(REGION, GROUP, SUBGROUP, TOPIC, TWIN)
    assert meta_of(TWIN, TOPIC, SUBGROUP, GROUP, REGION).topics == served.topics


def test_a_table_without_regions_is_read_and_refuses_only_its_regions() -> None:
    meta = meta_of({**REGION, "Type": "Dimension"}, TOPIC)
    assert meta.time is None
    assert [dimension.key for dimension in meta.others] == ["Wijken"]
    with pytest.raises(MetadataError, match="dimension of regions"):
        _ = meta.geo


def test_two_dimensions_of_regions_are_refused() -> None:
    meta = meta_of(REGION, {**REGION, "Key": "Regio"}, TOPIC, Regio=[])
    with pytest.raises(MetadataError, match=r"\['Regio', 'Wijken'\]"):
        _ = meta.geo


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ((REGION, {**TOPIC, "Type": "TopicSet"}), "unknown Type 'TopicSet' of 'Huurwoning_53'"),
        ((REGION, {**TOPIC, "Datatype": None}), "lacks a Key or a Datatype"),
        ((REGION, TOPIC, TOPIC), "each once"),
        ((TOPIC,), "topics and dimensions"),
        (({**REGION, "Key": "Regio"}, TOPIC), "the entity of dimension Regio is not there"),
        (({**REGION, "Key": None}, TOPIC), "DataProperties: a GeoDetail without a Key"),
        (({**REGION, "MapYear": "2023"}, TOPIC), "'Wijken': MapYear '2023' is not a whole number"),
        (({**REGION, "MapYear": True}, TOPIC), "MapYear True is not a whole number"),
        (({**REGION, "MapYear": 99999}, TOPIC), "MapYear 99999 is no year"),
        ((REGION, {**TOPIC, "Position": "1"}), "'Huurwoning_53': Position '1' is not a whole"),
        ((REGION, {**TOPIC, "Decimals": "1"}), "'Huurwoning_53': Decimals '1' is not a whole"),
        ((REGION, {**TOPIC, "ParentID": [1]}), r"ParentID \[1\] is not a whole number"),
        ((REGION, {**TOPIC, "Title": 12}), "'Huurwoning_53': Title 12 is not text"),
        ((REGION, {**TOPIC, "Type": ["Topic"]}), "Type .* is not text"),
        ((REGION, "Topic"), "DataProperties: 'Topic' is no row"),
    ],
)
def test_metadata_in_another_form_is_refused(properties: Any, problem: str) -> None:
    with pytest.raises(MetadataError, match=problem):
        meta_of(*properties)


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        ({"Title": "Naam"}, "99999NED: Wijken: member 'Naam' without a Key"),
        ({"Key": "   ", "Title": "Naam"}, "99999NED: Wijken: member 'Naam' without a Key"),
        ({"Key": 363, "Title": "Naam"}, "99999NED: Wijken, row 363: Key 363 is not text"),
        ({"Key": "GM01", "Title": 12}, "99999NED: Wijken, row 'GM01': Title 12 is not text"),
        ({"Key": "GM01", "Status": 1}, "99999NED: Wijken, row 'GM01': Status 1 is not text"),
    ],
)
def test_a_member_in_another_form_is_refused(member: dict[str, Any], problem: str) -> None:
    with pytest.raises(MetadataError, match=problem):
        meta_of(REGION, TOPIC, Wijken=[*MEMBERS, member])


def test_table_infos_in_another_form_are_refused() -> None:
    with pytest.raises(MetadataError, match=r"99999NED: TableInfos.* Title 12 is not text"):
        meta_of(REGION, TOPIC, TableInfos=[{**INFOS, "Title": 12}])
    with pytest.raises(MetadataError, match="exactly one row"):
        meta_of(REGION, TOPIC, TableInfos=["99999NED"])


def test_a_member_with_a_blank_title_is_called_by_its_code() -> None:
    meta = meta_of(REGION, TOPIC, Wijken=[{"Key": "GM0370  ", "Title": ""}])
    assert meta.geo.members["GM0370"].title == "GM0370"


def test_a_member_that_is_there_twice_but_for_its_padding_is_refused() -> None:
    with pytest.raises(MetadataError, match="'GM0363' more than once"):
        meta_of(REGION, TOPIC, Wijken=[*MEMBERS, {"Key": "GM0363", "Title": "Amsterdam"}])


def test_an_unknown_scale_is_refused_in_figures_and_no_matter_in_text() -> None:
    with pytest.raises(UnknownUnitError, match="99999NED: topic Huurwoning_53"):
        meta_of(REGION, {**TOPIC, "Unit": "x 500"})
    text = meta_of(REGION, {**TOPIC, "Unit": "x 500", "Datatype": "String"}).topics[0]
    assert (text.numeric, text.unit.scale) == (False, 1)


def test_generated_figures_say_so_whatever_serves_them() -> None:
    infos = {**INFOS, "Source": "Voorbeelddata (synthetisch)"}
    assert meta_of(REGION, TOPIC, TableInfos=[infos]).synthetic
    assert not meta_of(REGION, TOPIC).synthetic


def test_figures_are_definitive_by_default_only_where_the_table_says_so() -> None:
    text = "Status van de cijfers:\r\nDefinitief,\u00a0tenzij in de toelichting …"
    assert meta_of(
        REGION, TOPIC, TableInfos=[{**INFOS, "ShortDescription": text}]
    ).definitive_by_default
    assert not meta_of(REGION, TOPIC).definitive_by_default


@pytest.mark.shared
@pytest.mark.skipif(not RECORDINGS.exists(), reason="no recordings here")
@pytest.mark.parametrize(
    ("table", "topics", "dimensions"),
    [
        ("03759ned", 2, ["other", "other", "other", "geo", "time"]),
        ("82949NED", 18, ["geo"]),
        ("84799NED", 116, ["geo"]),
        ("85098NED", 5, ["geo", "time"]),
        ("85919ENG", 36, ["other", "time"]),
    ],
)
def test_the_metadata_of_real_tables_is_read(
    table: str, topics: int, dimensions: list[str]
) -> None:
    entities = {
        file.name.removesuffix(".json.gz"): json.loads(gzip.decompress(file.read_bytes()))
        for file in (RECORDINGS / table).glob("*.json.gz")
        if "DataSet" not in file.name
    }
    meta = build_meta(entities)
    assert meta.table_id == table
    assert len(meta.topics) == topics
    assert [dimension.kind for dimension in meta.dimensions] == dimensions


PROPERTIES = {
    "Identifier": "99994NED", "Title": "Tabel ", "Modified": "2026-06-23T00:00:00+02:00",
    "TemporalCoverage": "2011-2024", "ObservationCount": 260946, "Source": "CBS.",
    "LongDescription": "Cijfers zijn definitief, tenzij anders vermeld.",
}  # fmt: skip
REGIONS = {"Identifier": "RegioS", "Kind": "GeoDimension", "Title": "Regio's", "MapYear": ""}
MEASURE = {
    "Identifier": "D000198_2", "Index": 2, "Title": "Totaal ", "MeasureGroupId": "D000198_1",
    "DataType": "Double", "Unit": "x 1000", "Decimals": 1, "Description": "Toelichting",
}  # fmt: skip
OTHER = {**MEASURE, "Identifier": "D000198", "Index": 1, "MeasureGroupId": "D000300"}
CODES = [{"Identifier": "NL01", "Title": "Nederland", "Description": "Grenswijziging"}]


def meta4(*measures: dict[str, Any], **entities: Any) -> TableMeta:
    return build_meta(
        {
            "Properties": [PROPERTIES], "Dimensions": [REGIONS], "MeasureCodes": measures,
            "MeasureGroups": [], "RegioS": CODES, **entities,
        }
    )  # fmt: skip


def test_a_table_of_v4_says_the_same_things_in_other_words() -> None:
    meta = meta4(MEASURE)
    assert (meta.odata, meta.rows_entity, meta.rows_stated) == ("v4", "Observations", 260946)
    assert (meta.title, meta.period) == ("Tabel", "2011-2024")
    assert (meta.modified, meta.definitive_by_default) == (PROPERTIES["Modified"], True)
    (topic,) = meta.topics
    assert (topic.title, topic.unit.scale, topic.decimals, topic.numeric) == ("Totaal", 1000, 1, 1)
    member = meta.geo.members["NL01"]
    assert (member.raw["Key"], member.raw["Description"]) == ("NL01", "Grenswijziging")
    assert meta.geo.map_year is None


def test_measures_of_v4_are_told_apart_by_their_whole_code() -> None:
    meta = meta4(MEASURE, OTHER)
    assert [topic.key for topic in meta.topics] == ["D000198", "D000198_2"]
    assert [topic.key for topic in meta.find_topic("d000198_2")] == ["D000198_2"]
    assert [topic.key for topic in meta.find_topic("D000198")] == ["D000198"]


def test_a_path_finds_a_measure_in_its_group_and_by_its_title_where_groups_are_not_known() -> None:
    path = ["Uitkeringen", "WIA", "Totaal"]
    assert len(meta4(MEASURE, OTHER).find_topic(path)) == 2
    groups = [
        {"Id": "D000198_1", "Title": "WIA", "ParentId": "G1"},
        {"Id": "G1", "Title": "Uitkeringen", "ParentId": None},
        {"Id": "D000300", "Title": "WW", "ParentId": "G1"},
    ]
    known = meta4(MEASURE, OTHER, MeasureGroups=groups)
    assert [topic.key for topic in known.find_topic(path)] == ["D000198_2"]
    assert known.find_topic(["Totaal"]) == []


def test_dimensions_of_v4_have_one_order_however_they_are_served() -> None:
    time = {"Identifier": "Perioden", "Kind": "TimeDimension"}
    sex = {"Identifier": "Geslacht", "Kind": "Dimension"}
    codes = {"Perioden": [{"Identifier": "2020JJ00"}], "Geslacht": [{"Identifier": "3000"}]}
    for served in ([time, REGIONS, sex], [sex, time, REGIONS]):
        meta = meta4(MEASURE, Dimensions=served, **codes)
        assert [d.key for d in meta.dimensions] == ["Geslacht", "RegioS", "Perioden"]


@pytest.mark.parametrize(
    ("year", "read"), [("2020", 2020), (2020, 2020), ("", None), (None, None)]
)  # fmt: skip
def test_the_year_of_a_division_may_be_text_in_v4(year: Any, read: int | None) -> None:
    assert meta4(MEASURE, Dimensions=[{**REGIONS, "MapYear": year}]).geo.map_year == read


@pytest.mark.parametrize(
    ("entities", "problem"),
    [
        ({"Dimensions": [{**REGIONS, "Kind": "Geo"}]}, "unknown Kind 'Geo' of 'RegioS'"),
        ({"Dimensions": [{**REGIONS, "MapYear": "later"}]}, "MapYear later is no year"),
        ({"Dimensions": []}, "MeasureCodes and Dimensions need"),
        ({"MeasureCodes": [{**MEASURE, "DataType": None}]}, "MeasureCodes: topic 'Totaal' lacks"),
        ({"MeasureCodes": [{**MEASURE, "Decimals": "1"}]}, "'D000198_2': Decimals '1' is not a"),
        ({"MeasureCodes": [MEASURE, MEASURE]}, "each once"),
        ({"RegioS": [{"Title": "Nederland"}]}, "RegioS: member 'Nederland' without a Key"),
        ({"Properties": []}, "Properties does not have exactly one row"),
        ({"MeasureGroups": [{"Id": 1}]}, "MeasureGroups.* Id 1 is not text"),
    ],
)
def test_metadata_of_v4_in_another_form_is_refused(entities: Any, problem: str) -> None:
    with pytest.raises(MetadataError, match=problem):
        meta4(MEASURE, **entities)
