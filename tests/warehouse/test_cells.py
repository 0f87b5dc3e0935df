"""What core.cells makes of observations: values, rounding, reasons, status, sources."""

from __future__ import annotations

import decimal
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Observation, Warehouse

RATIO = {"kind": "ratio", "times": 100, "rounding": "half_up", "decimals": 1}


def ratio(warehouse: Warehouse, top: str | None, bottom: str | None, **measure: Any) -> None:
    warehouse.measure = RATIO | measure
    warehouse.term("A_1")
    warehouse.term("B_2", "denominator")
    warehouse.observations = [
        Observation(top, "A_1", mark=None if top else "."),
        Observation(bottom, "B_2", mark=None if bottom else "."),
        # so that neither topic is wholly empty
        Observation("1", "A_1", "GM0009"),
        Observation("1", "B_2", "GM0009"),
    ]


def only(cells: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(cells) == 1
    return cells[0]


def test_a_published_figure_comes_out_as_cbs_printed_it(warehouse: Warehouse) -> None:
    warehouse.observations = [Observation("13.9")]
    cell = only(warehouse.cells())
    assert (cell["value"], cell["missing_reason"]) == (13.9, None)
    assert (cell["source_tables"], cell["source_snapshots"]) == ("T1", "T1@sT1")


def test_a_count_adds_and_subtracts_its_parts_in_their_scale(warehouse: Warehouse) -> None:
    warehouse.measure = {"kind": "count", "decimals": 0}
    warehouse.term("A_1", factor=1000)
    warehouse.term("B_2", factor=-1)
    warehouse.observations = [Observation("2.5", "A_1"), Observation("40", "B_2")]
    assert only(warehouse.cells())["value"] == 2460


@pytest.mark.parametrize(
    ("rounding", "decimals", "value"),
    [("half_up", 1, 12.5), ("floor", 1, 12.4), ("half_even", 1, 12.4), ("half_up", 2, 12.45),
     ("floor", 0, 12.0), ("none", 1, 12.45)],
)  # fmt: skip
def test_a_ratio_is_rounded_as_its_definition_says(
    warehouse: Warehouse, rounding: str, decimals: int, value: float
) -> None:
    ratio(warehouse, "249", "2000", rounding=rounding, decimals=decimals)  # 12,45 %
    cell = only(warehouse.cells())
    assert cell["value"] == value
    assert (cell["numerator"], cell["denominator"]) == (249, 2000)


PYTHON = {
    "half_up": decimal.ROUND_HALF_UP,
    "half_even": decimal.ROUND_HALF_EVEN,
    "floor": decimal.ROUND_FLOOR,
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    top=st.decimals(-(10**6), 10**6, places=2),
    bottom=st.decimals(1, 10**6, places=2),
    decimals=st.integers(0, 3),
    rounding=st.sampled_from(sorted(PYTHON)),
)
def test_rounding_is_exact(
    tmp_path_factory: pytest.TempPathFactory,
    top: Decimal,
    bottom: Decimal,
    decimals: int,
    rounding: str,
) -> None:
    warehouse = Warehouse(tmp_path_factory.mktemp("w"))
    ratio(warehouse, str(top), str(bottom), rounding=rounding, decimals=decimals, times=1000)
    with decimal.localcontext(prec=60):
        # quantize what is exact: a quotient cut off at 60 digits can't look like a half
        scaled = top * 1000 * 10**decimals
        whole, rest = divmod(scaled, bottom)
        if rest < 0:
            whole, rest = whole - 1, rest + bottom
        nearest = Decimal(2) * rest
        fraction = Decimal(0) if rest == 0 else (
            Decimal("0.5") if nearest == bottom else Decimal("0.25" if nearest < bottom else "0.75")
        )  # fmt: skip
        expected = (whole + fraction).quantize(Decimal(1), PYTHON[rounding]) / 10**decimals
    assert only(warehouse.cells())["value"] == float(expected)


@pytest.mark.parametrize(
    ("observations", "reason", "mark"),
    [
        # a full stop in a topic that has values elsewhere
        ([Observation(None, mark="."), Observation("1", region="GM0009")], "unknown_or_confidential", "."),
        # a topic that is reserved and still empty
        ([Observation(None, mark="."), Observation(None, mark=".", region="GM0009")], "not_published", "."),
        # a blank for a municipality that exists: not there yet
        ([Observation(None, mark=""), Observation("1", region="GM0009")], "not_published", ""),
        # no row at all, inside the selection
        ([Observation("1", region="GM0009")], "not_published", None),
    ],
)  # fmt: skip
def test_a_missing_figure_tells_why(
    warehouse: Warehouse, observations: list[Observation], reason: str, mark: str | None
) -> None:
    warehouse.observations = observations
    cell = only(warehouse.cells())
    assert (cell["value"], cell["missing_reason"], cell["source_mark"]) == (None, reason, mark)


def test_a_region_that_did_not_exist_is_impossible_whatever_cbs_marks(warehouse: Warehouse) -> None:
    warehouse.valid = {("GM0001", 2020): False}
    for mark in ("", "."):
        warehouse.observations = [Observation(None, mark=mark), Observation("1", region="GM0009")]
        assert only(warehouse.cells())["missing_reason"] == "impossible"


def test_a_denominator_of_zero_is_impossible(warehouse: Warehouse) -> None:
    ratio(warehouse, "5", "0")
    assert only(warehouse.cells())["missing_reason"] == "impossible"


@pytest.mark.parametrize(("top", "bottom"), [(None, "5"), ("5", None), (None, None)])
def test_a_ratio_that_lacks_a_part_is_part_missing(
    warehouse: Warehouse, top: str | None, bottom: str | None
) -> None:
    ratio(warehouse, top, bottom)
    assert only(warehouse.cells())["missing_reason"] == "part_missing"


def test_a_part_whose_table_can_not_be_had_makes_the_cell_unavailable(warehouse: Warehouse) -> None:
    warehouse.measure = RATIO
    warehouse.term("A_1")
    warehouse.term(None, "denominator", table_id="T2")
    warehouse.observations = [Observation("5")]
    assert only(warehouse.cells())["missing_reason"] == "table_unavailable"


def test_years_of_an_unavailable_table_have_a_cell_for_each_municipality_that_existed(
    warehouse: Warehouse,
) -> None:
    warehouse.valid = {("GM0001", 2020): True, ("GM0002", 2020): False, ("GM0001", 2021): True}
    warehouse.term(None, year_until=2020)
    cells = warehouse.cells()
    assert [(c["region_code"], c["period"], c["missing_reason"]) for c in cells] == [
        ("GM0001", "2020JJ00", "table_unavailable")
    ]


def test_an_unavailable_table_has_the_kinds_of_period_of_the_definition(
    warehouse: Warehouse,
) -> None:
    warehouse.valid = {("GM0001", 2020): True}
    warehouse.period_types = ("half_year",)
    warehouse.term(None)
    assert [(c["period"], c["period_type"]) for c in warehouse.cells()] == [
        ("2020HJ01", "half_year"),
        ("2020HJ02", "half_year"),
    ]


def test_what_a_recording_lacks_gives_no_cell_and_what_it_holds_does(warehouse: Warehouse) -> None:
    warehouse.partial = True
    warehouse.regions, warehouse.periods = ("GM0001", "GM0002"), ("2019JJ00", "2020JJ00")
    warehouse.observations = [Observation("1"), Observation(None, region="GM0002", mark=".")]
    assert [(c["region_code"], c["period"]) for c in warehouse.cells()] == [
        ("GM0001", "2020JJ00"),
        ("GM0002", "2020JJ00"),
    ]


def test_a_national_picture_that_nobody_wants_is_not_published(warehouse: Warehouse) -> None:
    warehouse.measure = {"country_wanted": False}
    warehouse.regions, warehouse.levels = ("NL01", "GM0001"), ("country", "municipality")
    warehouse.observations = [Observation("7", region="NL01"), Observation("8")]
    found = {c["region_code"]: (c["value"], c["missing_reason"]) for c in warehouse.cells()}
    assert found == {"NL01": (None, "national_picture_not_wanted"), "GM0001": (8.0, None)}


def test_the_status_is_the_worst_of_the_parts(warehouse: Warehouse) -> None:
    ratio(warehouse, "1", "2")
    warehouse.observations[1].status = "provisional"
    assert only(warehouse.cells())["status"] == "provisional"
    warehouse.observations[0].status = "unknown"
    assert only(warehouse.cells())["status"] == "unknown"


def test_only_the_levels_and_kinds_of_period_of_the_definition_come_out(
    warehouse: Warehouse,
) -> None:
    warehouse.regions, warehouse.periods = ("NL01", "GM0001"), ("2020JJ00", "2020HJ01")
    warehouse.observations = [
        Observation("1", region=region, period=period)
        for region in warehouse.regions
        for period in warehouse.periods
    ]
    cells = warehouse.cells()
    assert [(c["region_code"], c["period"]) for c in cells] == [("GM0001", "2020JJ00")]


def test_each_cell_has_a_value_or_a_reason_never_both(warehouse: Warehouse) -> None:
    ratio(warehouse, "1", "3")
    warehouse.regions = ("GM0001", "GM0009", "GM0010")
    cells = warehouse.cells()
    assert len(cells) == 3
    assert all((c["value"] is None) != (c["missing_reason"] is None) for c in cells)


def test_the_same_input_gives_the_same_bytes(warehouse: Warehouse, tmp_path: Path) -> None:
    def content(folder: Path) -> bytes:
        again = Warehouse(folder, regions=["GM0001", "GM0002"])
        again.observations = [Observation("1"), Observation("2", region="GM0002")]
        again.cells()
        return (folder / "tables/core/cells.parquet").read_bytes()

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_a_dropped_figure_counts_as_not_published(warehouse: Warehouse) -> None:
    warehouse.observations = [Observation("13.5"), Observation("2", region="GM0009")]
    warehouse.correct("fout", "drop", expect="13.5")
    cell = only(warehouse.cells())
    assert (cell["value"], cell["missing_reason"]) == (None, "not_published")
    assert (cell["correction_id"], cell["source_mark"]) == ("fout", None)


def test_a_replaced_figure_keeps_the_status_of_cbs(warehouse: Warehouse) -> None:
    warehouse.observations = [Observation("13.5", status="provisional")]
    warehouse.correct("fout", "replace", expect="13.5", value="13.9")
    cell = only(warehouse.cells())
    assert (cell["value"], cell["status"], cell["correction_id"]) == (13.9, "provisional", "fout")


def test_a_figure_that_cbs_lacks_can_be_replaced(warehouse: Warehouse) -> None:
    warehouse.observations = [Observation(None, mark="."), Observation("2", region="GM0009")]
    warehouse.correct("fout", "replace", value="13.9")
    cell = only(warehouse.cells())
    assert (cell["value"], cell["missing_reason"], cell["source_mark"]) == (13.9, None, None)


@pytest.mark.parametrize("mark", [None, "."])
def test_a_flagged_figure_stays_and_carries_the_correction(
    warehouse: Warehouse, mark: str | None
) -> None:
    warehouse.observations = [
        Observation(None if mark else "13.5", mark=mark),
        Observation("2", region="GM0009"),
    ]
    warehouse.regions = ("GM0001", "GM0009")
    warehouse.correct("fout", "flag", **({} if mark else {"expect": "13.5"}))
    flagged, other = warehouse.cells()
    assert flagged["value"] == (None if mark else 13.5)
    assert flagged["missing_reason"] == ("unknown_or_confidential" if mark else None)
    assert (flagged["correction_id"], other["correction_id"]) == ("fout", None)


def test_corrections_in_numerator_and_denominator_are_both_named(warehouse: Warehouse) -> None:
    ratio(warehouse, "5", "10")
    warehouse.correct("z-boven", "replace", expect="5", value="6")
    warehouse.correct("a-onder", "replace", topic="B_2", expect="10", value="8")
    cell = only(warehouse.cells())
    assert (cell["numerator"], cell["denominator"], cell["value"]) == (6, 8, 75.0)
    assert cell["correction_id"] == "a-onder, z-boven"


def test_a_ratio_of_which_a_part_is_dropped_lacks_that_part(warehouse: Warehouse) -> None:
    ratio(warehouse, "5", "10")
    warehouse.correct("fout", "drop", topic="B_2", expect="10")
    cell = only(warehouse.cells())
    assert (cell["value"], cell["missing_reason"]) == (None, "part_missing")
    assert (cell["numerator"], cell["denominator"], cell["correction_id"]) == (5, None, "fout")


def test_a_replaced_figure_is_subtracted_and_scaled_as_its_term_says(warehouse: Warehouse) -> None:
    warehouse.measure = {"kind": "count", "decimals": 0}
    warehouse.term("A_1", factor=1000)
    warehouse.term("B_2", factor=-1)
    warehouse.observations = [Observation("2.5", "A_1"), Observation(None, "B_2", mark="")]
    warehouse.correct("schaal", "replace", expect="2.5", value="3.5")
    warehouse.correct("min", "replace", topic="B_2", value="40")
    assert only(warehouse.cells())["value"] == 3460


@pytest.mark.parametrize(
    "other",
    [{"applied": False}, {"expect": "13.6"}, {"region_code": "GM0009"}, {"members": "Leeftijd=1"},
     {"period": "2021JJ00", "year": 2021}, {"topic": "B_2"}, {"table_id": "T2"}],
)  # fmt: skip
def test_a_correction_of_another_figure_or_not_applied_does_nothing(
    warehouse: Warehouse, other: dict[str, Any]
) -> None:
    warehouse.observations = [Observation("13.5")]
    warehouse.correct("fout", "replace", **({"expect": "13.5", "value": "1"} | other))
    cell = only(warehouse.cells())
    assert (cell["value"], cell["correction_id"]) == (13.5, None)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    published=st.decimals(-(10**11), 10**11, places=6),
    right=st.decimals(-(10**11), 10**11, places=6),
)
def test_replacing_is_exact(
    published: Decimal, right: Decimal, tmp_path_factory: pytest.TempPathFactory
) -> None:
    warehouse = Warehouse(tmp_path_factory.mktemp("w"))
    warehouse.observations = [Observation(str(published))]
    warehouse.correct("fout", "replace", expect=str(published), value=str(right))
    assert only(warehouse.cells())["value"] == float(right)
