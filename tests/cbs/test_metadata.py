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
