from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

import monitor
from monitor.pipeline.graph import build_definitions
from monitor.run import Run
from monitor.settings import Settings

SNAPSHOT = Path(__file__).with_name("asset_graph.txt")


def _late_after(node) -> int:
    return node.freshness_policy.fail_window.to_timedelta().days


def _drawn(definitions: dg.Definitions) -> str:
    graph = definitions.resolve_asset_graph()
    lines = []
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        kinds = " ".join(sorted(node.kinds))
        owners = " ".join(node.owners) or "-"
        lines.append(f"{key.to_user_string()}  [{node.group_name}] {kinds}; owners: {owners}")
        if node.freshness_policy:
            lines.append(f"    late after {_late_after(node)} days")
        lines += [f"    <- {parent.to_user_string()}" for parent in sorted(node.parent_keys)]
        for check in sorted(node.check_keys):
            spec = graph.get_check_spec(check)
            lines.append(
                f"    check {check.name}, {'blocking' if spec.blocking else 'not blocking'}"
            )
    return "\n".join(lines) + "\n"


def test_the_asset_graph_is_the_one_drawn_in_the_snapshot(world):
    drawn = _drawn(build_definitions(world.settings))
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(drawn, encoding="utf-8")
    assert drawn == SNAPSHOT.read_text(encoding="utf-8"), (
        "The graph changed. If that is what you meant: UPDATE_SNAPSHOTS=1 pytest tests/pipeline"
    )


def test_every_table_that_the_projects_definitions_need_is_an_asset():
    definitions = build_definitions(Settings())
    keys = definitions.resolve_asset_graph().get_all_asset_keys()
    assert {dg.AssetKey(["cbs", "85098NED"]), dg.AssetKey(["outcomes", "figures"])} <= keys
    dg.Definitions.validate_loadable(definitions)


def test_a_new_series_is_a_new_asset_owned_by_who_use_it(world):
    series = (world.settings.definitions / "series/perioden.yaml").read_text()
    world.define("series/perioden.yaml", series.replace("99902NED", "77777NED"))
    graph = build_definitions(world.settings).resolve_asset_graph()
    node = graph.get(dg.AssetKey(["cbs", "77777NED"]))
    assert node.owners == ["team:divosa", "team:vws"]
    assert {"reeks/perioden", "thema/hulp"} <= set(node.tags)
    assert "Indicator hulp-perioden" in node.description


def test_building_the_graph_asks_no_source_and_writes_nothing(world, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a source was opened")

    monkeypatch.setattr("monitor.cbs.sources.open_source", refuse)
    monkeypatch.setattr("monitor.pipeline.triggers.open_source", refuse)
    build_definitions(world.settings)
    assert not world.settings.data.exists()


@pytest.mark.parametrize(
    ("frequency", "days"),
    [
        ("Per maand", 45),
        ("Per kwartaal", 120),
        ("Tweemaal per jaar", 220),
        ("Perjaar", 420),
        ("Onregelmatig", 420),
        ("Bij volle maan", 420),
        ("Stopgezet", 800),
    ],
)
def test_a_table_is_late_by_its_own_rhythm_and_the_publication_by_the_quickest(
    world, frequency, days
):
    infos = {"Identifier": "99902NED", "Title": "Tabel", "Modified": "2024-01-01"}
    world.record("99902NED", TableInfos=[infos | {"Frequency": frequency}])
    Run(world.settings).ingest("99902NED")
    graph = build_definitions(world.settings).resolve_asset_graph()
    assert _late_after(graph.get(dg.AssetKey(["cbs", "99902NED"]))) == days
    assert _late_after(graph.get(dg.AssetKey("publication"))) == days


def test_the_archive_is_not_read_for_the_rhythm(world):
    Run(world.settings).ingest("99902NED")
    shutil.rmtree(Run(world.settings).workspace.folder / "archive")
    build_definitions(world.settings)


def test_importing_the_pipeline_reads_no_definitions(tmp_path):
    environment = {**os.environ, "MONITOR_DEFINITIONS": str(tmp_path / "nowhere")}
    code = "import monitor.pipeline.headless"
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True)


def test_nothing_but_the_pipeline_imports_dagster():
    package = Path(monitor.__file__).parent
    importing = {
        path.relative_to(package).parts[0]
        for path in package.rglob("*.py")
        if re.search(r"^\s*(import|from) dagster", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert importing == {"pipeline"}
