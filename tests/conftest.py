"""A small monitor: two tables as recordings, two indicators, the project's own SQL."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from monitor.pipeline.graph import build_definitions
from monitor.settings import Settings

YEARLY, PERIODS = "99901NED", "99902NED"
PARTIES = """\
parties:
  - {id: vng, name: Vereniging, side: municipal}
  - {id: divosa, name: Divosa, side: municipal}
  - {id: vws, name: Ministerie van VWS, side: national}
"""
THEME = """\
id: hulp
title: Hulp die helpt
question: Helpt de hulp?
description: Wat inwoners merken van hulp.
"""
SERIES = """\
id: {id}
title: Reeks {id}
description: Tabellen over {id}.
tables: [{table}]
"""
INDICATOR = """\
id: {id}
version: 1.0.0
status: trial
valid_from: "2022"
title: Indicator {id}
theme: hulp
kind: effect
question: Hoe gaat het?
purpose: Om erover te praten.
national_overview: {{needed: true, reason: Alle gemeenten hebben ermee te maken.}}
direction: neutral
policy_freedom: high
source_type: register
measure: {{kind: published, value: {{from: {series}, topic: {topic}}}, unit: "%", decimals: 1}}
levels: [country, municipality]
reclassification: never
owners: {{contact: {municipal}, national: [vws], municipal: [{municipal}]}}
review: {{every: P1Y, last: 2026-11-01}}
changes: [{{version: 1.0.0, date: 2026-11-01, what: Eerste, why: Begin, by: vng}}]
"""


def topic(key: str, position: int) -> dict[str, Any]:
    return {
        "ID": position,
        "Position": position,
        "ParentID": None,
        "Type": "Topic",
        "Key": key,
        "Title": "Met hulp",
        "Datatype": "Double",
        "Unit": "%",
        "Decimals": 1,
    }


@dataclass(frozen=True)
class World:
    """The folders of a small monitor, and what tests do with them."""

    settings: Settings

    @property
    def recordings(self) -> Path:
        return Path(self.settings.source)

    def record(self, table: str, **entities: Sequence[dict[str, Any]]) -> None:
        """Write entities of a table."""
        folder = self.recordings / table
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in entities.items():
            content = gzip.compress(json.dumps(rows).encode(), mtime=0)
            (folder / f"{name}.json.gz").write_bytes(content)

    def record_figures(self, table: str, *figures: str, modified: str = "2024-01-01") -> None:
        """Write the figures of Nederland, Groningen and Almere in one year."""
        infos = {"Identifier": table, "Title": f"Tabel {table}", "Modified": modified}
        regions = [("NL01  ", "Nederland"), ("GM0014", "Groningen"), ("GM0034", "Almere")]
        geo = {"ID": 0, "Position": 0, "Type": "GeoDimension", "Key": "RegioS"}
        time = {"ID": 1, "Position": 1, "Type": "TimeDimension", "Key": "Perioden"}
        data = [
            {"ID": 0, "RegioS": r[0], "MetHulp_1": f"{f:>8}"}
            for r, f in zip(regions, figures, strict=True)
        ]
        if table == YEARLY:
            properties = [geo | {"MapYear": 2022}, topic("MetHulp_1", 2)]
        else:
            properties = [geo, time, topic("MetHulp_1", 2)]
            data = [row | {"Perioden": "2022JJ00"} for row in data]
            periods = [{"Key": "2022JJ00", "Title": "2022", "Status": "Definitief"}]
            self.record(table, Perioden=periods)
        self.record(
            table,
            TableInfos=[infos | {"Period": "2022" if table == YEARLY else "", "Source": "CBS"}],
            DataProperties=properties,
            CategoryGroups=[],
            RegioS=[{"Key": code, "Title": title} for code, title in regions],
            UntypedDataSet=data,
        )

    def define(self, path: str, text: str) -> None:
        """Write a definition file."""
        file = self.settings.definitions / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def materialise(self, *selection: str) -> dg.ExecuteInProcessResult:
        """Run the job, or the selected assets of it, without history."""
        definitions = build_definitions(self.settings)
        return definitions.resolve_job_def("everything").execute_in_process(
            asset_selection=[dg.AssetKey.from_user_string(key) for key in selection] or None,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )

    def published(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the published file."""
        (file,) = self.settings.data.glob("*.duckdb")
        with duckdb.connect(file, read_only=True) as connection:
            return connection.execute(query).fetchall()

    def figures(self) -> dict[tuple[str, str], tuple[float | None, str | None]]:
        """Return (indicator, region) -> (value, missing reason) of the published file."""
        rows = self.published(
            "SELECT indicator_id, region_code, value, missing_reason FROM outcomes.hulp"
        )
        return {(indicator, region): (value, reason) for indicator, region, value, reason in rows}


def _make_world(tmp_path: Path) -> World:
    made = World(
        Settings(
            source=str(tmp_path / "recordings"),
            definitions=tmp_path / "definitions",
            data=tmp_path / "data",
            now=datetime(2026, 11, 22, 6, tzinfo=UTC),
        )
    )
    made.define("parties.yaml", PARTIES)
    made.define("themes/hulp.yaml", THEME)
    made.define(
        "series/jaren.yaml",
        SERIES.format(id="jaren", table=f'{{table: {YEARLY}, period: "2022"}}'),
    )
    made.define("series/perioden.yaml", SERIES.format(id="perioden", table=f"{{table: {PERIODS}}}"))
    for name, municipal in (("jaren", "vng"), ("perioden", "divosa")):
        made.define(
            f"indicators/hulp-{name}.v1.yaml",
            INDICATOR.format(id=f"hulp-{name}", series=name, topic="MetHulp", municipal=municipal),
        )
    made.record_figures(YEARLY, "10.4", "13.9", ".")
    made.record_figures(PERIODS, "5.0", "6.1", "7.2")
    return made


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A monitor of two tables with figures that are in order."""
    return _make_world(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, dg.ExecuteInProcessResult]:
    """Such a monitor after its first run, to look at only."""
    world = _make_world(tmp_path_factory.mktemp("finished"))
    return world, world.materialise()


@pytest.fixture
def check_of() -> Any:
    """Find one check's evaluation in a result."""

    def find(result: dg.ExecuteInProcessResult, asset: str) -> dg.AssetCheckEvaluation:
        key = dg.AssetKey.from_user_string(asset)
        (found,) = [e for e in result.get_asset_check_evaluations() if e.asset_key == key]
        return found

    return find
