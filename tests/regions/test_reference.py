from __future__ import annotations

from pathlib import Path

import duckdb

from monitor.cbs.metadata import TableMeta, build_meta
from monitor.regions.reference import REGISTER, Regions, read_population, read_regions


def meta(
    table: str,
    regions: dict[str, str],
    map_year: int | None = None,
    periods: dict[str, str] | None = None,
) -> TableMeta:
    time = [{"ID": 1, "Position": 1, "Type": "TimeDimension", "Key": "Perioden"}]
    return build_meta(
        {
            "TableInfos": [{"Identifier": table, "Title": table, "Period": str(map_year or "")}],
            "DataProperties": [
                {"ID": 0, "Position": 0, "Type": "GeoDetail", "Key": "Wijken", "MapYear": map_year},
                *(time if periods else []),
                {"ID": 2, "Position": 2, "Type": "Topic", "Key": "A_1", "Datatype": "Long",
                 "Unit": "aantal"},
            ],
            "Wijken": [{"Key": f"{code}  ", "Title": name} for code, name in regions.items()],
            "Perioden": [
                {"Key": code, "Title": code, "Status": status}
                for code, status in (periods or {}).items()
            ],
        }
    )  # fmt: skip


def register(file: Path, *figures: tuple[str, int, int | None]) -> Path:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE o (region_code VARCHAR, year SMALLINT, topic VARCHAR, value INTEGER)"
        )
        connection.executemany(
            "INSERT INTO o VALUES (?, ?, 'BevolkingOp1Januari_1', ?)", [list(f) for f in figures]
        )
        connection.execute(f"COPY o TO '{file}'")
    return file


def known(regions: Regions) -> dict[tuple[str, int], bool]:
    """Validity of municipalities."""
    return {
        (row["region_code"], row["year"]): row["valid"]
        for row in regions.years
        if row["region_level"] == "municipality"
    }


def test_who_has_inhabitants_exists_and_who_has_none_does_not(tmp_path: Path) -> None:
    file = register(tmp_path / "r.parquet", ("GM0001", 2020, 5), ("GM0002", 2020, None))
    metas = {REGISTER: meta(REGISTER, {"GM0001": "A", "GM0002": "B"}, None, {"2020JJ00": ""})}
    regions = read_regions(metas, {REGISTER: file}, {}, {}, [])
    assert known(regions) == {("GM0001", 2020): True, ("GM0002", 2020): False}


def test_of_a_year_without_register_only_the_listed_are_known(tmp_path: Path) -> None:
    metas = {"K2018": meta("K2018", {"GM0001": "A"}, 2018)}
    assert known(read_regions(metas, {}, {"K2018": "2018"}, {}, [])) == {("GM0001", 2018): True}


def test_the_register_wins_over_a_table_in_a_years_division(tmp_path: Path) -> None:
    file = register(tmp_path / "r.parquet", ("GM0001", 2020, None))
    metas = {
        "K2020": meta("K2020", {"GM0001": "A"}, 2020),
        REGISTER: meta(REGISTER, {"GM0001": "A"}, None, {"2020JJ00": ""}),
    }
    regions = read_regions(metas, {REGISTER: file}, {"K2020": "2020"}, {}, [])
    assert known(regions)["GM0001", 2020] is False


def test_a_region_has_the_registers_name_else_that_of_the_newest_table() -> None:
    metas = {
        "K2019": meta("K2019", {"GM0001": "Oude naam", "GM0002": "B"}, 2019),
        "K2020": meta("K2020", {"GM0001": "Nieuwe naam", "NL00": "Nederland"}, 2020),
        REGISTER: meta(REGISTER, {"GM0002": "B (gemeente)"}, None, {"2020JJ00": ""}),
    }
    regions = read_regions(metas, {}, {"K2019": "2019", "K2020": "2020"}, {}, [])
    assert {row["region_code"]: row["name"] for row in regions.regions} == {
        "GM0001": "Nieuwe naam",
        "GM0002": "B (gemeente)",
        "NL01": "Nederland",
    }


def test_periods_come_from_the_table_or_from_its_series() -> None:
    metas = {
        "K2020": meta("K2020", {"GM0001": "A"}, 2020),
        "T": meta("T", {"GM0001": "A"}, None, {"2023HJ01": "Voorlopig", "2023JJ00": ""}),
    }
    regions = read_regions(metas, {}, {"K2020": "2020"}, {}, [])
    assert [
        (p["table_id"], p["period"], p["period_type"], p["status"])
        for p in regions.periods_by_table
    ] == [
        ("K2020", "2020JJ00", "year", "unknown"),
        ("T", "2023HJ01", "half_year", "provisional"),
        ("T", "2023JJ00", "year", "unknown"),
    ]


def test_what_was_not_asked_for_is_not_listed() -> None:
    periods = {"2022JJ00": "", "2023JJ00": ""}
    metas = {"T": meta("T", {"GM0001": "A", "GM0002": "B"}, None, periods)}
    selections = {"T": {"Wijken": ("GM0002",), "Perioden": ("2023JJ00",)}}
    regions = read_regions(metas, {}, {}, selections, [])
    assert [row["region_code"] for row in regions.by_table] == ["GM0002"]
    assert [row["period"] for row in regions.periods_by_table] == ["2023JJ00"]


def test_there_is_a_country_in_every_year_that_figures_may_be_about() -> None:
    years = read_regions({}, {}, {}, {}, range(2021, 2023)).years
    assert [(row["region_code"], row["year"]) for row in years] == [("NL01", 2021), ("NL01", 2022)]


def test_the_population_of_a_region_is_the_total_and_not_a_part(tmp_path: Path) -> None:
    file = register(
        tmp_path / "o.parquet", ("GM0001", 2020, 40), ("GM0001", 2020, 90), ("GM0002", 2020, 0)
    )
    assert read_population(file) == {("GM0001", 2020): 90}
