"""Published figures of CBS, end to end: recordings served over HTTP, to the published file.

Each figure stands in the table named beside it (CBS StatLine, CC BY 4.0). They run where the
recordings of CBS's figures lie beside the repository.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from monitor.cbs.replay import Replay
from monitor.run import Run
from monitor.settings import REPOSITORY, Settings, load_settings
from monitor.warehouse.publish import hashes

RECORDINGS = REPOSITORY.parent / "shared" / "cbs"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings beside the repository"),
]

CLOCK = "2026-11-01T06:00:00Z"


def settings(source: str, data: Path) -> Settings:
    return load_settings({"MONITOR_NOW": CLOCK}, source=source, data=data)


@pytest.fixture(scope="module")
def over_http(tmp_path_factory: pytest.TempPathFactory) -> Run:
    with Replay(RECORDINGS) as replay:
        run = Run(settings(replay.url, tmp_path_factory.mktemp("http")))
        run.everything()
    return run


@pytest.fixture(scope="module")
def published(over_http: Run) -> Iterator[duckdb.DuckDBPyConnection]:
    note = over_http.note()
    assert note is not None
    with duckdb.connect(note["publication"], read_only=True) as connection:
        connection.execute(
            "CREATE TEMP VIEW figures AS "
            + " UNION ALL ".join(
                f"SELECT * FROM outcomes.{name}"
                for (name,) in connection.execute(
                    "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'outcomes'"
                ).fetchall()
            )
        )
        yield connection


@pytest.mark.parametrize(
    ("indicator", "region", "period", "table", "value"),
    [
        ("inwoners", "NL01", "2020JJ00", "03759ned", 17_407_585),
        ("inwoners", "NL01", "2024JJ00", "03759ned", 17_942_942),
        ("inwoners", "GM0014", "2019JJ00", "03759ned", 231_299),
        ("inwoners", "GM0034", "2026JJ00", "03759ned", 232_619),
        ("personen-met-bijstand", "GM0014", "2018JJ00", "84286NED", 10_930),
        ("jongeren-met-jeugdzorg", "GM0014", "2018JJ00", "84286NED", 7.2),
        ("huishoudens-met-laag-inkomen", "GM0599", "2018JJ00", "84286NED", 14.5),
        ("netto-arbeidsparticipatie", "GM0344", "2018JJ00", "84286NED", 72),
        ("jongeren-met-jeugdzorg", "GM0014", "2019JJ00", "84583NED", 7.4),
        ("personen-met-bijstand", "GM0363", "2019JJ00", "84583NED", 40_340),
        ("huishoudens", "GM0014", "2019JJ00", "84583NED", 135_076),
        ("personen-met-bijstand", "NL01", "2020JJ00", "84799NED", 421_110),
        ("huishoudens", "NL01", "2020JJ00", "84799NED", 7_997_800),
        ("stedelijkheid", "GM0060", "2020JJ00", "84799NED", 5),
        ("omgevingsadressendichtheid", "WK036300", "2020JJ00", "84799NED", 7_674),
        ("personen-met-bijstand", "BU03630000", "2020JJ00", "84799NED", 20),
        ("wmo-clienten-per-1000-inwoners", "GM0014", "2021JJ00", "85039NED", 71),
        ("huishoudens-rond-sociaal-minimum", "GM0363", "2021JJ00", "85039NED", 12.0),
        ("jongeren-met-jeugdzorg", "GM0014", "2021JJ00", "85039NED", 8.6),
        ("wmo-clienten-per-1000-inwoners", "GM0599", "2022JJ00", "85318NED", 84),
        ("jongeren-met-jeugdzorg", "GM0034", "2022JJ00", "85318NED", 10.7),
        ("jongeren-met-jeugdhulp-in-natura", "NL01", "2023JJ00", "85098NED", 13.9),
        ("jongeren-met-jeugdhulp-in-natura", "NL01", "2023HJ01", "85098NED", 11.7),
        ("jongeren-met-jeugdhulp-in-natura", "PV20", "2023JJ00", "85098NED", 15.5),
        ("jeugdhulp-met-verblijf", "NL01", "2023JJ00", "85098NED", 8.3),
        ("jongeren-met-jeugdbescherming", "GM0047", "2022JJ00", "85098NED", 2.9),
        ("jeugdbescherming-met-verblijf", "GM0034", "2022JJ00", "85098NED", 41.7),
        ("jongeren-met-jeugdreclassering", "NL01", "2023JJ00", "85098NED", 0.3),
    ],
)
def test_a_figure_comes_out_as_cbs_published_it(
    published: duckdb.DuckDBPyConnection,
    indicator: str,
    region: str,
    period: str,
    table: str,
    value: float,
) -> None:
    found = published.execute(
        "SELECT value, source_tables FROM figures "
        "WHERE indicator_id = ? AND region_code = ? AND period = ?",
        [indicator, region, period],
    ).fetchall()
    assert found == [(value, table)]


@pytest.mark.parametrize(
    ("region", "period", "top", "bottom"),
    [
        # bijstand 10 930; inwoners 202 810 less 24 313 under 15 (84286NED)
        ("GM0014", "2018JJ00", 10_930, 178_497),
        # bijstand 421 110 (84799NED)
        ("NL01", "2020JJ00", 421_110, 14_681_486),
    ],
)
def test_bijstand_per_1000_is_recomputed_from_its_published_parts(
    published: duckdb.DuckDBPyConnection, region: str, period: str, top: int, bottom: int
) -> None:
    found = published.execute(
        "SELECT value, numerator, denominator FROM figures "
        "WHERE indicator_id = 'bijstand-per-1000-inwoners-15-plus' "
        "AND region_code = ? AND period = ?",
        [region, period],
    ).fetchall()
    assert found == [((20_000 * top + bottom) // (2 * bottom) / 10, top, bottom)]


def test_every_cell_has_a_value_or_a_reason_and_a_status(
    published: duckdb.DuckDBPyConnection,
) -> None:
    wrong = published.execute(
        "SELECT count(*) FROM figures WHERE (value IS NULL) = (missing_reason IS NULL) "
        "OR status IS NULL OR source_tables IS NULL OR definition_version IS NULL"
    ).fetchall()
    assert wrong == [(0,)]


def test_what_is_reserved_but_empty_is_not_published(published: duckdb.DuckDBPyConnection) -> None:
    # 84799NED reserves the youth care topics; in its recording they hold no figure
    found = published.execute(
        "SELECT DISTINCT missing_reason FROM figures WHERE indicator_id = 'jongeren-met-jeugdzorg' "
        "AND year = 2020"
    ).fetchall()
    assert found == [("not_published",)]


def test_a_municipality_that_was_gone_is_impossible(published: duckdb.DuckDBPyConnection) -> None:
    # Haaren was split on 1 January 2021
    found = published.execute(
        "SELECT year, missing_reason FROM figures WHERE indicator_id = 'inwoners' "
        "AND region_code = 'GM0788' AND year IN (2020, 2021) ORDER BY year"
    ).fetchall()
    assert found == [(2020, None), (2021, "impossible")]


def test_a_figure_that_is_merely_not_there_yet_is_not_impossible(
    published: duckdb.DuckDBPyConnection,
) -> None:
    # no municipality of today is said to be impossible in 2022, whatever mark a table gives
    found = published.execute(
        "SELECT count(*) FROM figures WHERE region_code = 'GM0014' "
        "AND missing_reason = 'impossible'"
    ).fetchall()
    assert found == [(0,)]


def test_recordings_give_the_same_bytes_from_the_path_as_over_http(
    over_http: Run, tmp_path: Path
) -> None:
    from_path = Run(settings(str(RECORDINGS), tmp_path))
    from_path.everything()

    def parquet(run: Run) -> dict[str, str]:
        folder = run.workspace.folder
        return {
            str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in folder.rglob("*.parquet")
        }

    assert parquet(from_path) == parquet(over_http)
    first, second = over_http.note(), from_path.note()
    assert first is not None
    assert second is not None
    assert hashes(Path(first["publication"])) == hashes(Path(second["publication"]))
