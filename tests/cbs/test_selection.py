from __future__ import annotations

import re
from itertools import product
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cbs.failures import UnknownSelection
from monitor.cbs.metadata import build_meta
from monitor.cbs.selection import (
    LONGEST_ADDRESS,
    MOST_COMPARISONS,
    addresses,
    odata_filter,
    source_keys,
    split,
)

ROWS = "https://opendata.cbs.nl/ODataFeed/odata/03759ned/UntypedDataSet?$format=json"
KEYS = st.text("AZ09' ", min_size=1, max_size=12)


def test_a_selection_is_spelled_as_the_table_pads_its_codes(entities):
    del entities["UntypedDataSet"]
    meta = build_meta(entities)
    keys = source_keys(meta, {"RegioS": ("NL01",), "Perioden": ("2022JJ00", "2023JJ00")})
    assert odata_filter(keys) == (
        "(Perioden eq '2022JJ00' or Perioden eq '2023JJ00') and (RegioS eq 'NL01  ')"
    )
    with pytest.raises(UnknownSelection, match="no member GM9999"):
        source_keys(meta, {"RegioS": ("NL01", "GM9999")})
    with pytest.raises(UnknownSelection, match="no dimension 'Regio'"):
        source_keys(meta, {"Regio": ("NL01",)})


def test_a_quote_in_a_code_is_doubled():
    assert odata_filter({"Plaats": ("'s-Gravenhage",)}) == "(Plaats eq '''s-Gravenhage')"
    assert odata_filter({}) == ""


def test_a_small_selection_is_one_request_and_none_is_the_table_itself():
    assert addresses(ROWS, {}) == [ROWS]
    [address] = addresses(ROWS, {"RegioS": ("NL01  ",)})
    assert address == f"{ROWS}&$filter=%28RegioS%20eq%20%27NL01%20%20%27%29"
    v4 = "https://datasets.cbs.nl/odata/v1/CBS/03759ned/Observations"
    [address] = addresses(v4, {"RegioS": ("NL01",)})
    assert address == f"{v4}?$filter=%28RegioS%20eq%20%27NL01%27%29"


def test_the_dimension_of_which_most_is_wanted_is_cut():
    regions = tuple(f"GM{number:04}    " for number in range(345))
    parts = split({"RegioS": regions, "Leeftijd": ("10000", "20300")}, room=2000)
    assert {part["Leeftijd"] for part in parts} == {("10000", "20300")}
    assert sum((part["RegioS"] for part in parts), ()) == regions
    # 18 would do for the number of comparisons; blanks make the address too long.
    assert {len(part["RegioS"]) for part in parts[:-1]} == {len(parts[0]["RegioS"])}
    assert split({"RegioS": regions, "Leeftijd": ("10000", "20300")}, room=2000) == parts


@given(
    st.dictionaries(
        st.sampled_from(["RegioS", "Perioden", "Leeftijd", "Geslacht"]),
        st.lists(KEYS, min_size=1, max_size=60),
        max_size=3,
    )
)
def test_parts_fit_and_select_every_combination_once(keys):
    parts = split(keys, room=1800)
    chosen = [choice for part in parts for choice in product(*part.values())]
    assert len(chosen) == len(set(chosen))
    assert set(chosen) == set(product(*(keys[dimension] for dimension in sorted(keys))))
    for address in addresses(ROWS, keys):
        assert len(address) <= LONGEST_ADDRESS
        where = parse_qs(urlsplit(address).query).get("$filter", [""])[0]
        assert len(re.findall(r" eq '(?:[^']|'')*'", where)) <= MOST_COMPARISONS


def test_one_key_a_dimension_is_not_cut_however_long():
    assert split({"Naam": ("x" * 3000,)}, room=2000) == [{"Naam": ("x" * 3000,)}]
