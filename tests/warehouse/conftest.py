"""A tiny warehouse: inputs written by hand, so that a test shows just the case it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitor.settings import REPOSITORY
from monitor.warehouse.build import build
from monitor.warehouse.inputs import SCHEMAS, write_table
from monitor.warehouse.sqlmodels import load_models

MODELS = {model.id: model for model in load_models(REPOSITORY / "dbt_like_sql")}


@dataclass
class Observation:
    value: str | None
    topic: str = "A_1"
    region: str = "GM0001"
    period: str = "2020JJ00"
    table: str = "T1"
    mark: str | None = None
    status: str = "definitive"
    members: str = ""


@dataclass
class Warehouse:
    """One indicator over the tables given; ``cells`` runs the SQL."""

    folder: Path
    observations: list[Observation] = field(default_factory=list)
    measure: dict[str, Any] = field(default_factory=dict)
    terms: list[dict[str, Any]] = field(default_factory=list)
    regions: Sequence[str] = ("GM0001",)
    periods: Sequence[str] = ("2020JJ00",)
    period_types: Sequence[str] = ("year",)
    levels: Sequence[str] = ("municipality",)
    partial: bool = False
    valid: Mapping[tuple[str, int], bool] = field(default_factory=dict)
    corrections: list[dict[str, Any]] = field(default_factory=list)

    def term(self, topic: str | None, part: str = "numerator", **others: Any) -> None:
        self.terms.append(
            {
                "indicator_no": 0,
                "part": part,
                "term_no": len(self.terms),
                "table_id": "T1",
                "topic": topic,
                "members": "",
                "factor": 1,
                "year_from": 2000,
                "year_until": 2030,
            }
            | others
        )

    def correct(self, correction_id: str, action: str, **others: Any) -> None:
        self.corrections.append(
            dict.fromkeys(SCHEMAS["corrections"])
            | {
                "correction_id": correction_id,
                "table_id": "T1",
                "topic": "A_1",
                "members": "",
                "region_code": "GM0001",
                "period": "2020JJ00",
                "year": 2020,
                "action": action,
                "applied": True,
            }
            | {k: Decimal(v) if k in {"expect", "value"} else v for k, v in others.items()}
        )

    def cells(self) -> list[dict[str, Any]]:
        tables = self.folder / "tables"
        if not self.terms:
            self.term("A_1")
        parts = [term["part"] for term in self.terms]
        rows: dict[str, list[dict[str, Any]]] = {
            "terms": self.terms,
            "measures": [
                {
                    "indicator_no": 0,
                    "indicator_id": "i",
                    "major_version": 1,
                    "definition_version": "1.0.0",
                    "breakdown": "totaal",
                    "kind": "published",
                    "times": 1,
                    "rounding": "none",
                    "decimals": 1,
                    "unit": "%",
                    "source_type": "register",
                    "numerator_parts": parts.count("numerator"),
                    "denominator_parts": parts.count("denominator"),
                    "country_wanted": True,
                }
                | self.measure
            ],
            "measure_levels": [{"indicator_no": 0, "region_level": x} for x in self.levels],
            "measure_period_types": [
                {"indicator_no": 0, "period_type": x} for x in self.period_types
            ],
            "tables": [
                dict.fromkeys(SCHEMAS["tables"])
                | {
                    "table_id": table,
                    "snapshot": f"s{table}",
                    "state": "good",
                    "partial": self.partial,
                }
                for table in sorted({term["table_id"] for term in self.terms})
            ],
            "table_regions": [
                {
                    "table_id": "T1",
                    "region_code": code,
                    "region_level": _level(code),
                    "map_year": None,
                }
                for code in self.regions
            ],
            "table_periods": [
                {
                    "table_id": "T1",
                    "period": period,
                    "period_type": "year" if "JJ" in period else "half_year",
                    "year": int(period[:4]),
                    "status": "definitive",
                }
                for period in self.periods
            ],
            "region_years": [
                {"region_code": code, "region_level": _level(code), "year": year, "valid": known}
                for (code, year), known in self.valid.items()
            ],
        }
        rows["corrections"] = self.corrections
        for name, found in rows.items():
            write_table(tables, name, found)
        file = self._observations()
        for name in ("staging.topics", "staging.listed", "core.cells"):
            stored = build(MODELS[name], tables, {"input.observations": [file]})
        with duckdb.connect() as connection:
            result = connection.execute(f"FROM '{stored.path}'")
            names = [column[0] for column in result.description or []]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def _observations(self) -> Path:
        file = self.folder / "T1.parquet"
        rows = [
            (o.table, o.region, _level(o.region), o.period, int(o.period[:4]), o.topic, o.members,
             o.value, o.mark, o.status)
            for o in self.observations
        ]  # fmt: skip
        with duckdb.connect() as connection:
            connection.execute(
                "CREATE TABLE o (table_id VARCHAR, region_code VARCHAR, region_level VARCHAR, "
                "period VARCHAR, year SMALLINT, topic VARCHAR, members VARCHAR, "
                "value DECIMAL(18, 6), source_mark VARCHAR, status VARCHAR)"
            )
            if rows:
                connection.executemany("INSERT INTO o VALUES (?,?,?,?,?,?,?,?,?,?)", rows)
            connection.execute(f"COPY o TO '{file}'")
        return file


def _level(code: str) -> str:
    return {"GM": "municipality", "NL": "country", "PV": "province"}[code[:2]]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path)
