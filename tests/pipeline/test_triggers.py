from __future__ import annotations

import shutil
from dataclasses import replace

import dagster as dg
import pytest

from monitor.pipeline.graph import build_definitions


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
