"""Rows to observations and definitions to cells, beside the bare DuckDB statements.

18 million observations (1 800 region-years x 100 members x 100 topics) and 1 000 or 10 000
definitions: a third published, a third counts of two topics, a third ratios. Both sides start from
the same recording and end with Parquet. The bare statements compute the same values; they know no
statuses, missing marks, reasons, versions, sources, expected cells or order, which is what the
difference buys.

Targets: at most 3 x with 1 000 definitions, at most 5 x with 10 000.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from monitor.cbs.metadata import TableMeta, build_meta
from monitor.cbs.observations import write_observations
from monitor.cbs.sources import TableRequest
from monitor.indicators.catalogue import Catalogue, Entry
from monitor.indicators.models import Indicator, Series
from monitor.indicators.reader import Document
from monitor.indicators.resolve import resolve
from monitor.regions.codes import AREA_CODES
from monitor.settings import REPOSITORY
from monitor.warehouse.build import build
from monitor.warehouse.inputs import write_definitions, write_table
from monitor.warehouse.sqlmodels import load_models

REGIONS, YEARS, MEMBERS, TOPICS = 360, 5, 100, 100
TABLE = "90000NED"


def make_recording(out: Path) -> TableMeta:
    """Write a recording of REGIONS x YEARS x MEMBERS rows and TOPICS topics."""
    topics = ", ".join(
        f"CASE WHEN hash(r, y, m, {t}) % 50 = 0 THEN '.' "
        f"ELSE (hash(r, y, m, {t}) % 100000)::VARCHAR END AS Topic_{t}"
        for t in range(TOPICS)
    )
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT 'A' || lpad(m::VARCHAR, 4, '0') AS Soort, "
            f"'GM' || lpad(r::VARCHAR, 4, '0') AS RegioS, (2019 + y) || 'JJ00' AS Perioden, "
            f"{topics} FROM range({MEMBERS}) a(m), range({REGIONS}) b(r), range({YEARS}) c(y) "
            f"ORDER BY m, r, y) TO '{out}' (FORMAT parquet, COMPRESSION zstd)"
        )
    dimension = {"Position": 0, "ParentID": None, "Title": "x", "Description": ""}
    properties = [
        {"ID": 0, "Type": "Dimension", "Key": "Soort"} | dimension,
        {"ID": 1, "Type": "GeoDimension", "Key": "RegioS"} | dimension | {"Position": 1},
        {"ID": 2, "Type": "TimeDimension", "Key": "Perioden"} | dimension | {"Position": 2},
        *(
            {"ID": 3 + t, "Type": "Topic", "Key": f"Topic_{t}", "Title": f"Topic {t}",
             "Position": 3 + t, "ParentID": None, "Datatype": "Long", "Unit": "aantal",
             "Decimals": 0, "Default": "Impossible", "Description": ""}
            for t in range(TOPICS)
        ),
    ]  # fmt: skip

    def members(codes: list[str], **more: str) -> list[dict[str, str]]:
        return [{"Key": code, "Title": code, "Description": "", **more} for code in codes]

    return build_meta(
        {
            "TableInfos": [{"Identifier": TABLE, "Title": "x", "Period": "", "Modified": "x"}],
            "DataProperties": properties,
            "CategoryGroups": [],
            "Soort": members([f"A{m:04}" for m in range(MEMBERS)]),
            "RegioS": members([f"GM{r:04}" for r in range(REGIONS)]),
            "Perioden": members([f"{2019 + y}JJ00" for y in range(YEARS)], Status="Definitief"),
        }
    )


def make_catalogue(count: int) -> Catalogue:
    """Return a catalogue of ``count`` definitions over the table."""
    document = Document(REPOSITORY / "definitions" / "x.yaml", {}, {})
    series = Series.model_validate(
        {"id": "s", "title": "xxx", "description": "xxx", "tables": [{"table": TABLE}]}
    )
    catalogue = Catalogue(REPOSITORY / "definitions", series={"s": Entry(series, document)})
    for number in range(count):
        member, topic = divmod(number, TOPICS)

        def term(t: int, member: int = member) -> dict[str, object]:
            return {"from": "s", "topic": [f"Topic {t % TOPICS}"],
                    "members": {"Soort": f"A{member:04}"}}  # fmt: skip

        measures: list[dict[str, object]] = [
            {"kind": "published", "value": term(topic), "unit": "aantal", "decimals": 0},
            {"kind": "count", "sum": [term(topic), term(topic + 1)], "unit": "x", "decimals": 0},
            {"kind": "ratio", "numerator": [term(topic)], "denominator": [term(topic + 7)],
             "times": 1000, "rounding": "half_up", "decimals": 1, "unit": "per 1 000"},
        ]  # fmt: skip
        model = Indicator.model_validate(
            {
                "id": f"i-{number:05}",
                "version": "1.0.0",
                "status": "trial",
                "valid_from": "2019",
                "title": "xxx",
                "theme": "x",
                "kind": "use",
                "question": "xxx",
                "purpose": "xxx",
                "national_overview": {"needed": True, "reason": "xxx"},
                "direction": "neutral",
                "policy_freedom": "high",
                "source_type": "register",
                "measure": measures[number % 3],
                "levels": ["municipality"],
                "reclassification": "never",
                "owners": {"contact": "a", "national": ["a"], "municipal": ["b"]},
                "review": {"every": "P1Y", "last": "2026-01-01"},
                "changes": [
                    {
                        "version": "1.0.0",
                        "date": "2026-01-01",
                        "what": "xxx",
                        "why": "xxx",
                        "by": "a",
                    }
                ],
            }
        )
        catalogue.indicators[model.id, 1] = Entry(model, document)
    return catalogue


def ours(recording: Path, meta: TableMeta, catalogue: Catalogue, folder: Path) -> None:
    """Observations, then definitions resolved and computed: the monitor's own functions."""
    observations = folder / f"{TABLE}.observations.parquet"
    write_observations(recording, meta, TableRequest(TABLE), observations, AREA_CODES)
    tables = folder / "tables"
    write_definitions(tables, catalogue, resolve(catalogue, {TABLE: meta}).terms)
    codes = sorted(meta.geo.members)
    write_table(
        tables,
        "table_regions",
        (
            {"table_id": TABLE, "region_code": c, "region_level": "municipality", "map_year": None}
            for c in codes
        ),
    )
    write_table(
        tables,
        "table_periods",
        (
            {"table_id": TABLE, "period": f"{y}JJ00", "period_type": "year", "year": y,
             "status": "definitive"}
            for y in range(2019, 2019 + YEARS)
        ),
    )  # fmt: skip
    write_table(
        tables,
        "region_years",
        (
            {"region_code": c, "region_level": "municipality", "year": y, "valid": True}
            for c in codes
            for y in range(2019, 2019 + YEARS)
        ),
    )
    write_table(tables, "tables", [{
        "table_id": TABLE, "title": "x", "publisher": "x", "license": "x", "page": "x",
        "state": "good", "reason": None, "detail": None, "snapshot": "x", "retrieved_at": None,
        "modified": "x", "partial": False,
    }])  # fmt: skip
    models = {model.id: model for model in load_models(REPOSITORY / "dbt_like_sql")}
    for name in ("staging.topics", "staging.listed", "core.cells"):
        build(models[name], tables, {"input.observations": [observations]})


def bare(recording: Path, catalogue: Catalogue, folder: Path) -> None:
    """The same values with as few DuckDB statements as possible."""
    rows = []
    for number, entry in enumerate(catalogue.indicators.values()):
        for placed in catalogue.terms(entry):
            topic = placed.term.topic[0].replace(" ", "_")
            rows.append((number, placed.part == "numerator", topic, placed.term.members["Soort"]))
    with duckdb.connect() as con:
        con.execute(
            f"COPY (UNPIVOT (SELECT Soort, RegioS, Perioden, COLUMNS('Topic_.*') "
            f"FROM '{recording}') ON COLUMNS('Topic_.*') INTO NAME topic VALUE value) "
            f"TO '{folder}/o.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )
        import pyarrow as pa

        columns = list(zip(*rows, strict=True))
        terms = pa.table(dict(zip(["i", "top", "topic", "Soort"], columns, strict=True)))
        con.register("terms", terms)
        con.execute(
            f"COPY (SELECT i, RegioS, Perioden, "
            f"sum(TRY_CAST(value AS DECIMAL(18, 6))) FILTER (top) AS n, "
            f"sum(TRY_CAST(value AS DECIMAL(18, 6))) FILTER (NOT top) AS d, "
            f"CASE WHEN d IS NULL THEN n ELSE round(1000 * n / nullif(d, 0), 1) END AS value "
            f"FROM '{folder}/o.parquet' JOIN terms USING (topic, Soort) GROUP BY ALL) "
            f"TO '{folder}/c.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )


def seconds(work: Callable[[], None]) -> float:
    """Return how long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(count: int) -> tuple[float, float]:
    """Return the seconds of ours and of the bare statements."""
    catalogue = make_catalogue(count)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recording = folder / f"{TABLE}.recording.parquet"
        meta = make_recording(recording)
        bare_seconds = seconds(lambda: bare(recording, catalogue, folder))
        return seconds(lambda: ours(recording, meta, catalogue, folder)), bare_seconds


def main() -> None:
    """Measure and print, the best of two."""
    counts = [int(n) for n in sys.argv[1:]] or [1_000, 10_000]
    total = REGIONS * YEARS * MEMBERS * TOPICS
    print(f"{total:,} observations")
    print(f"{'definitions':>12} {'ours s':>8} {'bare s':>8} {'ratio':>6}  target")
    for count in counts:
        runs = [measure(count) for _ in range(2)]
        ours_best, bare_best = (min(column) for column in zip(*runs, strict=True))
        target = 3 if count <= 1_000 else 5
        ratio = ours_best / bare_best
        verdict = "met" if ratio <= target else "NOT MET"
        print(
            f"{count:>12,} {ours_best:>8.1f} {bare_best:>8.1f} {ratio:>6.1f}  "
            f"at most {target}: {verdict}"
        )


if __name__ == "__main__":
    main()
