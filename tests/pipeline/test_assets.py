from __future__ import annotations

import shutil

import dagster as dg
import pytest

from monitor.settings import REPOSITORY
from monitor.warehouse.publish import hashes

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


@pytest.fixture
def own_sql(world):
    """Let the small monitor have its own copy of the SQL models."""
    folder = world.settings.definitions.parent / "sql"
    shutil.copytree(REPOSITORY / "dbt_like_sql", folder)
    object.__setattr__(world.settings, "sql", folder)
    return folder


def _metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict:
    key = dg.AssetKey.from_user_string(asset)
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == key]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_everything_is_published_and_every_check_passes(finished):
    world, result = finished
    assert result.success
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())
    assert world.figures() == {
        ("hulp-jaren", "NL01"): (10.4, None),
        ("hulp-jaren", "GM0014"): (13.9, None),
        ("hulp-jaren", "GM0034"): (None, "unknown_or_confidential"),
        ("hulp-perioden", "NL01"): (5.0, None),
        ("hulp-perioden", "GM0014"): (6.1, None),
        ("hulp-perioden", "GM0034"): (7.2, None),
    }


def test_a_table_with_an_unknown_mark_is_quarantined_and_the_rest_is_published(world, check_of):
    world.materialise()
    world.record_figures("99901NED", "11.0", "14.0", "x", modified="2024-02-02")
    world.record_figures("99902NED", "5.5", "6.6", "7.7", modified="2024-02-02")

    result = world.materialise()

    assert result.success
    check = check_of(result, "cbs/99901NED")
    assert (check.passed, check.severity, check.blocking) == (False, ERROR, False)
    assert "neither a number" in check.metadata["detail"].value
    assert check.metadata["published_instead"].value == "snapshot of 2026-11-22 06:00 UTC"
    metadata = _metadata(result, "cbs/99901NED")
    assert metadata["quarantined"] is True
    assert "teken of getal" in metadata["reason"]
    assert metadata["rows"] == 3, "the last good snapshot is served"
    figures = world.figures()
    assert figures["hulp-jaren", "NL01"] == (10.4, None), "stale"
    assert figures["hulp-perioden", "NL01"] == (5.5, None), "fresh"
    states = world.published("SELECT table_id, state FROM quality.tables ORDER BY ALL")
    assert states == [("99901NED", "quarantined"), ("99902NED", "good")]


def test_a_table_that_never_was_usable_is_published_as_unavailable(world, check_of):
    world.record_figures("99901NED", "11.0", "14.0", "x")
    result = world.materialise()
    assert result.success
    assert _metadata(result, "cbs/99901NED")["quarantined"] is True
    reasons = {reason for (_, _), (value, reason) in world.figures().items() if value is None}
    assert reasons <= {"table_unavailable"}
    assert world.figures()["hulp-perioden", "NL01"] == (5.0, None)


def test_a_table_that_the_recordings_lack_is_a_warning(world, check_of):
    shutil.rmtree(world.recordings / "99901NED")
    result = world.materialise()
    check = check_of(result, "cbs/99901NED")
    assert (check.passed, check.severity) == (False, WARN)
    assert result.success


def test_a_failing_contract_keeps_the_old_publication(world, own_sql, check_of):
    world.materialise()
    (file,) = world.settings.data.glob("*.duckdb")
    before = hashes(file)
    figures = own_sql / "outcomes" / "figures.sql"
    text = figures.read_text(encoding="utf-8")
    figures.write_text(
        text.replace("    c.missing_reason,\n", "    NULL::VARCHAR AS missing_reason,\n"),
        encoding="utf-8",
    )

    result = world.materialise()

    assert not result.success
    check = check_of(result, "outcomes/figures")
    assert (check.passed, check.blocking) == (False, True)
    (failure,) = check.metadata["failures"].records
    assert failure.data["rule"].startswith("a value or a reason")
    made = {e.asset_key for e in result.get_asset_materialization_events()}
    assert dg.AssetKey("publication") not in made
    assert hashes(file) == before


def test_without_one_usable_table_nothing_is_published_and_the_reason_is_told(world):
    for table in ("99901NED", "99902NED"):
        world.record_figures(table, "x", "x", "x")
    result = world.materialise()
    assert not result.success
    (failure,) = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    assert "Not one of the 2 tables could be used" in failure.user_failure_data.description
    assert not list(world.settings.data.glob("*.duckdb"))


def test_a_reference_to_nothing_is_listed_and_the_rest_is_published(world, check_of):
    file = world.settings.definitions / "indicators/hulp-jaren.v1.yaml"
    world.define("indicators/hulp-jaren.v1.yaml", file.read_text().replace("MetHulp", "MetHulpp"))
    result = world.materialise()
    assert result.success
    check = check_of(result, "definitions")
    assert (check.passed, check.blocking) == (False, False)
    (problem,) = check.metadata["problems"].records
    assert problem.data["number"] == "D401"
    assert 'Bedoelde u "MetHulp"?' in problem.data["remedy"]
    assert world.figures()["hulp-perioden", "NL01"] == (5.0, None)


def test_a_correction_that_cbs_overtook_fails_the_check_of_the_definitions(world, check_of):
    world.define(
        "corrections/fout.yaml",
        "id: fout\ntable: 99902NED\ntopic: MetHulp\nreason: Verwisseld.\nstatus: open\n"
        "action: drop\ncells: [{region: GM0014, period: 2022JJ00, expect: 6.2}]\n",
    )
    result = world.materialise()
    assert result.success
    check = check_of(result, "definitions")
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert 'De correctie "fout" verwacht 6,2' in check.description
    assert world.figures()["hulp-perioden", "GM0014"] == (6.1, None)


def test_an_asset_shows_where_its_columns_come_from_and_what_is_in_it(finished):
    metadata = _metadata(finished[1], "outcomes/figures")
    deps = metadata["dagster/column_lineage"].deps_by_column
    assert [(d.asset_key.path, d.column_name) for d in deps["value"]] == [
        (["core", "cells"], "value")
    ]
    assert [(d.asset_key.path, d.column_name) for d in deps["indicator_title"]] == [
        (["definitions"], "indicators.title")
    ]
    assert metadata["dagster/row_count"] == 6
    assert "Groningen" in {row.data["region_name"] for row in metadata["preview"].records}
    assert metadata["chart"].startswith("![Alle indicatoren")
    assert metadata["rebuilt"] is True


def test_a_second_run_builds_nothing_anew_and_has_the_same_data_versions(world):
    first, second = world.materialise(), world.materialise()
    assert _metadata(second, "core/cells")["rebuilt"] is False
    versions = [
        {
            e.asset_key: e.materialization.tags["dagster/data_version"]
            for e in result.get_asset_materialization_events()
        }
        for result in (first, second)
    ]
    assert versions[0] == versions[1]


def test_an_asset_can_be_materialised_alone_from_what_lies_on_disk(world):
    world.materialise()
    result = world.materialise("outcomes/figures")
    assert result.success
    assert len(result.get_asset_materialization_events()) == 1


def test_an_asset_asked_for_too_early_says_what_to_make_first(world):
    result = world.materialise("core/cells")
    (failure,) = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    assert "materialise" in failure.user_failure_data.description


def test_the_publication_lists_its_tables_with_their_content(finished):
    metadata = _metadata(finished[1], "publication")
    records = [record.data for record in metadata["tables"].records]
    rows = {record["table"]: record["rows"] for record in records}
    assert rows["outcomes.hulp"] == 6
    assert metadata["synthetic"] is False
