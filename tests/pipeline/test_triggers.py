from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import pytest

from monitor.cbs.replay import Replay
from monitor.notify import UndeliveredError
from monitor.pipeline.graph import build_definitions
from monitor.run import Run
from monitor.status import table_statuses


@pytest.fixture
def tick(world):
    """Evaluate the sensor."""

    def evaluate(settings=world.settings) -> dg.RunRequest | dg.SkipReason:
        definitions = build_definitions(settings)
        sensor = definitions.resolve_sensor_def("cbs_changes")
        with dg.build_sensor_context(definitions=definitions) as context:
            return sensor(context)

    return evaluate


def _selected(request: dg.RunRequest) -> set[str]:
    return {key.to_user_string() for key in request.asset_selection}


def test_the_first_tick_of_an_empty_monitor_asks_for_everything(tick):
    request = tick()
    assert {"cbs/99901NED", "cbs/99902NED", "publication"} <= _selected(request)


def test_the_first_tick_after_a_run_starts_nothing(world, tick):
    world.materialise()
    assert isinstance(tick(), dg.SkipReason)


def test_only_a_modified_table_and_what_follows_from_it_is_run(world, tick):
    world.materialise()
    world.record_figures("99901NED", "11.0", "14.0", "15.0", modified="2024-02-02")

    selected = _selected(tick())

    assert "cbs/99901NED" in selected
    assert "cbs/99902NED" not in selected
    assert {"observations", "core/cells", "outcomes/figures", "publication"} <= selected


def test_a_table_is_asked_for_again_until_it_was_judged(world, tick):
    world.materialise()
    world.record_figures("99901NED", "11.0", "14.0", "15.0", modified="2024-02-02")
    assert "cbs/99901NED" in _selected(tick())
    assert "cbs/99901NED" in _selected(tick())
    world.materialise()
    assert isinstance(tick(), dg.SkipReason)


def test_a_source_that_is_not_there_is_skipped(world, tick):
    shutil.rmtree(world.recordings)
    assert isinstance(tick(), dg.SkipReason)


def test_a_source_that_does_not_answer_is_skipped(world, tick):
    result = tick(settings=replace(world.settings, source="http://127.0.0.1:9"))
    assert isinstance(result, dg.SkipReason)
    assert "no usable answer" in result.skip_message


def test_schedule_and_sensor_wait_until_somebody_starts_them(world):
    repository = build_definitions(world.settings).get_repository_def()
    (schedule,) = repository.schedule_defs
    assert schedule.execution_timezone == "Europe/Amsterdam"
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    (sensor,) = repository.sensor_defs
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    assert sensor.minimum_interval_seconds == 3600


def test_a_tick_says_what_changed_since_when_and_what_is_wrong(world, tick):
    Run(world.settings).ingest("99901NED")
    world.record_figures("99902NED", "x", "6.1", "7.2")
    Run(world.settings).ingest("99902NED")

    skipped = tick().skip_message
    assert "None of 2 tables was modified." in skipped
    assert "99902NED: quarantined since 2026-11-22 06:00: " in skipped
    assert "'x'" in skipped

    world.record_figures("99901NED", "11.0", "14.0", "15.0", modified="2024-02-02")
    request = tick()
    assert request.tags["monitor/changed"] == "99901NED"
    told = request.tags["monitor/told"].splitlines()
    assert told[0] == "1 of 2 tables to be fetched."
    assert told[1] == "99901NED: modified."
    assert told[2].startswith("99902NED: quarantined since")


def test_a_service_is_quoted_on_when_it_changed_a_table(world, tick):
    with Replay(world.recordings) as replay:
        settings = replace(world.settings, source=replay.url)
        Run(settings).ingest("99901NED")
        world.record_figures("99901NED", "11.0", "14.0", "15.0", modified="2024-02-02")
        told = tick(settings=settings).tags["monitor/told"]
    assert "99901NED: modified at CBS on 2024-02-02, was 2024-01-01." in told
    assert "99902NED: never fetched." in told


def test_a_tick_counts_as_asking(world, tick):
    Run(world.settings).ingest("99901NED")
    tick(settings=replace(world.settings, now=datetime(2026, 11, 30, tzinfo=UTC)))
    status = table_statuses(Run(world.settings))[0]
    assert status.asked_at == datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
def told(world, monkeypatch):
    """Keep what a webhook would be told."""
    object.__setattr__(world.settings, "notify", "https://chat.test/hook")
    told = []
    monkeypatch.setattr("monitor.notify.send", lambda notice, _: told.append(notice))
    return told


def _ended(world, assets, **tags):
    """Run some assets, and let Dagster's sensors see how that ended."""
    definitions = build_definitions(world.settings)
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("everything").execute_in_process(
            asset_selection=[dg.AssetKey.from_user_string(key) for key in assets],
            raise_on_error=False,
            instance=instance,
            tags=tags,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        (event,) = [e for e in result.all_events if e.is_job_success or e.is_job_failure]
        context = dg.build_run_status_sensor_context("sensor", event, instance, result.dagster_run)
        name = "notify_quarantined" if result.success else "notify_failed"
        sensor = definitions.resolve_sensor_def(name)
        sensor(context if result.success else context.for_run_failure())


def test_nobody_is_told_by_dagster_unless_the_settings_say_whom(world):
    sensors = build_definitions(world.settings).get_repository_def().sensor_defs
    assert [sensor.name for sensor in sensors] == ["cbs_changes"]


def test_who_wants_to_know_is_told_by_sensors_that_run(world, told):
    sensors = build_definitions(world.settings).get_repository_def().sensor_defs
    running = [s.name for s in sensors if s.default_status == dg.DefaultSensorStatus.RUNNING]
    assert sorted(running) == ["notify_failed", "notify_quarantined"]


def test_a_run_in_dagster_that_leaves_a_quarantine_is_told(world, told):
    _ended(world, ["cbs/99901NED"])
    assert told == []
    world.record_figures("99901NED", "x", "14.0", "15.0", modified="2024-02-02")
    _ended(world, ["cbs/99901NED"])
    (notice,) = told
    assert (notice.what, [table.table_id for table in notice.tables]) == (
        "quarantined",
        ["99901NED"],
    )


def test_a_run_in_dagster_that_fails_is_told_with_the_reason(world, told):
    _ended(world, ["core/cells"])
    (notice,) = told
    assert (notice.what, notice.exit_code) == ("failed", 1)
    assert "99901NED was never asked for" in notice.failures[0]
    assert notice.run_id


def test_a_run_of_the_command_line_tells_itself(world, told):
    _ended(world, ["core/cells"], **{"monitor/started_by": "monitor run"})
    assert told == []


def test_a_receiver_that_refuses_fails_no_sensor(world, told, monkeypatch):
    def refuse(*_):
        raise UndeliveredError("not accepted")

    monkeypatch.setattr("monitor.notify.send", refuse)
    _ended(world, ["core/cells"])
