from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitor.cbs.archive import Archive
from monitor.cbs.areas import AreaCodes
from monitor.cbs.ingest import TableState, refresh
from monitor.cbs.metadata import build_meta
from monitor.cbs.replay import Replay
from monitor.cbs.sources import CbsService, Recordings, TableRequest, open_source
from monitor.run import Run
from monitor.settings import load_settings

TABLE = "99994NED"
PROPERTIES = {
    "Identifier": TABLE,
    "Title": "Jongeren",
    "Modified": "2026-06-23T00:00:00+02:00",
    "TemporalCoverage": "2022 - 2023",
    "ObservationCount": 8,
    "ObservationsModified": "2026-06-20T00:00:00+02:00",
    "Source": "CBS.",
}
ENTITIES: dict[str, list[dict[str, Any]]] = {
    "Dimensions": [
        {"Identifier": "RegioS", "Kind": "GeoDimension", "Title": "Regio's", "MapYear": ""},
        {"Identifier": "Perioden", "Kind": "TimeDimension", "Title": "Perioden", "MapYear": None},
    ],
    "MeasureCodes": [
        {"Identifier": "D000198_2", "Index": 2, "Title": "Jongeren", "DataType": "Long"},
        {"Identifier": "D000198", "Index": 3, "Title": "Aandeel", "DataType": "Double"},
    ],
    "RegioSCodes": [
        {"Identifier": "NL01", "Title": "Nederland", "Description": "Grenswijziging"},
        {"Identifier": "GM0014", "Title": "Groningen"},
    ],
    "PeriodenCodes": [
        {"Identifier": "2022JJ00", "Title": "2022", "Status": "Definitief"},
        {"Identifier": "2023JJ00", "Title": "2023", "Status": "Voorlopig"},
    ],
}
CELLS = [
    ("D000198_2", "NL01", "2022JJ00", 421110), ("D000198", "NL01", "2022JJ00", 10.4),
    ("D000198_2", "NL01", "2023JJ00", 421230), ("D000198", "NL01", "2023JJ00", None),
    ("D000198_2", "GM0014", "2022JJ00", 5020), ("D000198", "GM0014", "2022JJ00", 13.9),
    ("D000198_2", "GM0014", "2023JJ00", 5010), ("D000198", "GM0014", "2023JJ00", 13.5),
]  # fmt: skip
ROWS = [
    {
        "Id": number,
        "Measure": measure,
        "ValueAttribute": "Impossible" if value is None else "None",
        "Value": value,
        "StringValue": None,
        "RegioS": region,
        "Perioden": period,
    }
    for number, (measure, region, period, value) in enumerate(CELLS)
]


def write(folder: Path, name: str, content: object, context: str = "x") -> None:
    path = folder / TABLE / f"{name}.json.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = content if isinstance(content, dict) else {"value": content}
    packed = gzip.compress(json.dumps({"@odata.context": context, **answer}).encode(), mtime=0)
    path.write_bytes(packed)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """The small table as whole answers of v4, its observations in two pages."""
    folder = tmp_path / "recordings"
    write(folder, "Properties", PROPERTIES)
    for name, rows in ENTITIES.items():
        write(folder, name, rows)
    write(folder, "Observations.1", ROWS[:3])
    write(folder, "Observations.2", ROWS[3:])
    return folder


@pytest.fixture(params=["folder", "http"])
def source(recordings: Path, request: pytest.FixtureRequest) -> Iterator[CbsService | Recordings]:
    if request.param == "folder":
        yield Recordings(recordings)
    else:
        with Replay(recordings) as replay:
            yield open_source(replay.url, recordings)


def taken(
    source: CbsService | Recordings, workspace: Path, now: datetime, **wanted: Any
) -> TableState:
    codes = AreaCodes({}, {"NL": "country", "GM": "municipality"})
    return refresh(TableRequest(TABLE, **wanted), source, workspace, now, codes=codes)


def figures(state: TableState) -> dict[tuple[str, str, str], tuple[str, str | None]]:
    assert state.observations, state.detail
    rows = duckdb.read_parquet(str(state.observations)).project(
        "topic, region_code, period, coalesce(value::VARCHAR, '-'), source_mark"
    )
    return {(topic, region, period): (value, mark) for topic, region, period, value, mark in
            rows.fetchall()}  # fmt: skip


def test_a_table_that_only_v4_has_is_taken_in(
    source: CbsService | Recordings, tmp_path: Path, now: datetime
) -> None:
    state = taken(source, tmp_path / "work", now)
    found = figures(state)
    assert len(found) == len(CELLS)
    assert found["D000198_2", "NL01", "2022JJ00"] == ("421110.000000", None)
    assert found["D000198", "GM0014", "2022JJ00"] == ("13.900000", None)
    assert found["D000198", "NL01", "2023JJ00"] == ("-", "")
    assert state.snapshot is not None
    assert state.snapshot.meta().odata == "v4"
    assert taken(source, tmp_path / "work", now).state == "unchanged"


def test_a_selection_gives_its_rows_only(
    source: CbsService | Recordings, tmp_path: Path, now: datetime
) -> None:
    state = taken(source, tmp_path / "work", now, select={"RegioS": ("GM0014",)})
    assert {region for _, region, _ in figures(state)} == {"GM0014"}


def test_a_table_is_not_there_in_the_version_that_it_is_not_recorded_in(
    source: CbsService | Recordings, tmp_path: Path, now: datetime
) -> None:
    assert taken(source, tmp_path / "work", now, odata="v3").state == "absent"
    assert taken(source, tmp_path / "work", now, odata="v4").state == "new"


def test_a_description_without_figures_is_described_and_gives_a_clear_fault(
    recordings: Path, source: CbsService | Recordings, tmp_path: Path, now: datetime
) -> None:
    for page in (recordings / TABLE).glob("Observations.*"):
        page.unlink()
    assert build_meta(source.describe(TableRequest(TABLE))).title == "Jongeren"
    state = taken(source, tmp_path / "work", now)
    assert state.state == "quarantined"
    assert state.reason == "Van deze tabel is alleen de beschrijving er, zonder de cijfers."


def test_a_table_that_lacks_what_every_table_has_is_a_fault_and_not_absent(
    recordings: Path, source: CbsService | Recordings, tmp_path: Path, now: datetime
) -> None:
    (recordings / TABLE / "PeriodenCodes.json.gz").unlink()
    state = taken(source, tmp_path / "work", now)
    assert (state.state, state.snapshot) == ("quarantined", None)
    assert "PeriodenCodes" in (state.detail or "")


def test_the_word_of_a_service_is_the_later_of_its_dates(recordings: Path) -> None:
    with Replay(recordings) as replay:
        source = open_source(replay.url, recordings)
        assert source.ask(TableRequest(TABLE)) == PROPERTIES["Modified"]


def test_rows_that_come_again_on_the_next_page_are_refused_and_not_kept(
    recordings: Path, tmp_path: Path, now: datetime
) -> None:
    pages = [{**ROWS[0], "Id": n, "RegioS": "NL01"} for n in range(10_000)]
    write(recordings, "Observations.1", [*pages, ROWS[7]])
    (recordings / TABLE / "Observations.2.json.gz").unlink()
    state = taken(Recordings(recordings), tmp_path / "work", now)
    assert state.state == "quarantined"
    assert "veranderden tijdens het ophalen" in (state.reason or "")
    assert (state.modified, Archive(tmp_path / "work" / "archive").snapshots(TABLE)) == (None, [])


@pytest.mark.shared
@pytest.mark.parametrize("selected", [True, False])
def test_v3_and_v4_give_the_same_observations_of_the_population(
    shared_recordings: Path, tmp_path: Path, now: datetime, selected: bool
) -> None:
    whole = {"Geslacht": ("T001038",), "Leeftijd": ("10000",), "BurgerlijkeStaat": ("T001019",)}
    request = TableRequest("03759ned", select=whole if selected else {})
    codes = AreaCodes({}, {"NL": "country", "GM": "municipality", "PV": "province"})
    found = []
    for folder in ("cbs", "cbs-v4"):
        source = Recordings(shared_recordings.parent / folder)
        state = refresh(request, source, tmp_path / folder, now, codes=codes)
        assert state.observations, state.detail
        found.append(
            duckdb.sql(
                f"""
                SELECT * EXCLUDE (row_key) REPLACE (
                    CASE topic WHEN 'BevolkingOp1Januari_1' THEN 'M000352'
                    WHEN 'GemiddeldeBevolking_2' THEN 'M000365' ELSE topic END AS topic)
                FROM '{state.observations}' ORDER BY ALL"""
            ).fetchall()
        )
    assert len(found[0]) == 13_568
    assert found[0] == found[1]


@pytest.mark.shared
def test_a_run_on_v4_alone_gives_the_same_cells_as_on_v3(
    shared_recordings: Path, tmp_path: Path
) -> None:
    cells = []
    for folder in ("cbs", "cbs-v4"):
        source = tmp_path / folder
        source.mkdir()
        (source / "03759ned").symlink_to(shared_recordings.parent / folder / "03759ned")
        run = Run(
            load_settings(
                {"MONITOR_NOW": "2026-11-01T06:00:00Z"},
                source=str(source),
                data=tmp_path / f"data-{folder}",
            )
        )
        run.everything()
        cells.append(
            duckdb.sql(
                f"""
                SELECT * EXCLUDE (source_snapshots)
                FROM '{run.workspace.tables}/core/cells.parquet'
                WHERE indicator_id = 'inwoners' ORDER BY ALL"""
            ).fetchall()
        )
    assert cells[0] == cells[1]
    assert any(17_407_585 in cell for cell in cells[0])
