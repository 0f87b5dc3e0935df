from __future__ import annotations

import gzip
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cbs.metadata import TableMeta, build_meta
from monitor.regions.memberships import (
    Membership,
    MembershipError,
    congruence,
    read_memberships,
)

GEBIEDEN = Path(__file__).resolve().parents[3] / "shared" / "cbs" / "82949NED"


def table(*groups: str, topics: tuple[str, ...] = ("Code", "Naam")) -> TableMeta:
    properties: list[dict[str, Any]] = [
        {"ID": 0, "Position": 0, "Type": "GeoDimension", "Key": "RegioS", "Title": "Regio's"}
    ]
    for n, title in enumerate(groups):
        group = 10 * n + 1
        properties.append({"ID": group, "Type": "TopicGroup", "Key": "", "Title": title})
        properties += [
            {
                "ID": group + m,
                "Position": group + m,
                "ParentID": group,
                "Type": "Topic",
                "Key": f"{topic}_{group + m}",
                "Title": topic,
                "Datatype": "String",
            }
            for m, topic in enumerate(topics, start=1)
        ]
    return build_meta(
        {
            "TableInfos": [{"Identifier": "82949NED", "Title": "Gebieden", "Period": "2015"}],
            "DataProperties": properties,
            "RegioS": [{"Key": "GM0003", "Title": "Appingedam"}],
        }
    )


def test_a_kind_of_region_is_found_by_the_title_of_its_group() -> None:
    row = {"RegioS": "GM0003", "Code_2": "JZ01      ", "Naam_3": "Groningen   "}
    found = read_memberships(table("Jeugdregio's"), [row], 2015)
    assert found == [Membership("GM0003", "youth_region", "JZ01", "Groningen", 2015)]


@pytest.mark.parametrize("title", ["Jeugdregio’s", "JEUGDREGIO'S", " Jeugdregios "])
def test_the_spelling_of_an_apostrophe_makes_no_difference(title: str) -> None:
    row = {"RegioS": "GM0003", "Code_2": "JZ01", "Naam_3": "Groningen"}
    assert read_memberships(table(title), [row], 2015)[0].kind == "youth_region"


def test_a_group_that_is_not_the_monitor_s_is_left_out() -> None:
    row = {"RegioS": "GM0003", "Code_2": "RB01", "Naam_3": "Noord", "Code_12": "PV20"}
    meta = table("Ressorten (rechtsgebieden)", "Provincies")
    found = read_memberships(meta, [row | {"Naam_13": "Groningen"}], 2015)
    assert [membership.kind for membership in found] == ["province"]


@pytest.mark.parametrize(
    ("meta", "row", "told"),
    [
        (table("Hoven"), {"RegioS": "GM0003"}, "no group of topics"),
        (table("Provincies", topics=("Code",)), {"RegioS": "GM0003"}, "not Code and Naam"),
        (
            table("Provincies"),
            {"RegioS": "GM0003", "Code_2": "   ", "Naam_3": ""},
            "row GM0003 has no province",
        ),
    ],
)
def test_a_table_that_does_not_tell_it_is_an_error(
    meta: TableMeta, row: dict[str, str], told: str
) -> None:
    with pytest.raises(MembershipError, match=told):
        read_memberships(meta, [row], 2015)


@given(
    st.dictionaries(st.sampled_from("ABCDEFGH"), st.tuples(*[st.integers(1, 3)] * 2), min_size=1)
)
def test_congruence_is_one_where_the_regions_are_the_same_and_never_more(
    regions: dict[str, tuple[int, int]],
) -> None:
    memberships = [
        Membership(municipality, kind, f"{kind}{number}", "", 2015)
        for municipality, numbers in regions.items()
        for kind, number in zip(("youth", "work"), numbers, strict=True)
    ]
    (found,) = congruence(memberships)
    assert all(0 < share <= 1 for share in found.by_municipality.values())
    assert (found.mean == 1) == (found.identical == len(regions))
    youth = [m for m in memberships if m.kind == "youth"]
    same = [Membership(m.municipality, "work", m.region_code, "", 2015) for m in youth]
    assert congruence(youth + same)[0].mean == Fraction(1)


@pytest.mark.shared
@pytest.mark.skipif(not GEBIEDEN.is_dir(), reason="no recordings of CBS's tables")
def test_youth_regions_and_labour_market_regions_hardly_coincide() -> None:
    """2015, all 393 municipalities (CBS 82949NED, Gebieden in Nederland 2015)."""

    def rows(entity: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(
            gzip.decompress((GEBIEDEN / f"{entity}.json.gz").read_bytes())
        )
        return found

    names = ("TableInfos", "DataProperties", "CategoryGroups", "RegioS")
    meta = build_meta({name: rows(name) for name in names})
    memberships = read_memberships(meta, rows("UntypedDataSet"), 2015)
    pairs = {pair.kinds: pair for pair in congruence(memberships)}
    found = pairs["labour_market_region", "youth_region"]
    assert (round(float(found.mean), 3), found.identical) == (0.7, 136)
    assert len(found.by_municipality) == 393
