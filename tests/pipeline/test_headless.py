from __future__ import annotations

import dagster as dg
import pytest

from monitor.cbs.sources import Recordings
from monitor.errors import UsageError
from monitor.pipeline.headless import prepare_home, run
from monitor.run import Run


def test_a_run_tells_how_it_goes_and_stays_in_the_history(world, capfd):
    told = []
    result = run(world.settings, on_event=told.append)

    assert result.success
    assert {"cbs/99901NED", "outcomes/figures", "publication"} <= set(result.made)
    assert (result.failed, result.failed_checks) == ((), ())
    assert [(e.kind, e.asset) for e in (told[0], told[-1])] == [
        ("started", "cbs/99901NED"),
        ("finished", "publication"),
    ]
    assert any(e.kind == "progress" and e.rows == 3 for e in told)
    assert capfd.readouterr() == ("", "")
    with dg.DagsterInstance.from_config(str(world.settings.dagster_home)) as instance:
        (kept,) = instance.get_runs()
        assert (kept.run_id, kept.status) == (result.run_id, dg.DagsterRunStatus.SUCCESS)
        assert instance.get_latest_materialization_event(dg.AssetKey("publication"))


def test_a_part_of_the_assets_can_be_selected(world):
    run(world.settings)
    result = run(world.settings, 'key:"core/cells" or key:"outcomes/figures"')
    assert sorted(result.made) == ["core/cells", "outcomes/figures"]
    assert run(world.settings, "cbs/99901NED").made == ("cbs/99901NED",)


@pytest.mark.parametrize("selection", ["key:((", "cbs/unknown", 'key:"nothing*"'])
def test_a_selection_of_nothing_is_wrong_use(world, selection):
    with pytest.raises(UsageError, match="--select"):
        run(world.settings, selection)
    assert not world.settings.data.exists()


def test_failures_come_as_plain_messages(world):
    told = []
    result = run(world.settings, "core/cells", told.append)
    assert not result.success
    (failed,) = result.failed
    assert failed.asset == "core/cells"
    assert failed.expected
    assert "99901NED was never asked for" in failed.message
    assert told[-1].kind == "failed"
    assert told[-1].message == failed.message


def test_a_defect_is_told_apart_from_what_was_foreseen(world, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("monitor.run.Run.observations", broken)
    (failed,) = run(world.settings).failed
    assert (failed.asset, failed.expected) == ("observations", False)
    assert "a defect" in failed.message


def test_a_quarantined_table_is_a_failed_check_of_a_successful_run(world):
    world.record_figures("99901NED", "x", "x", "x")
    result = run(world.settings)
    assert result.success
    (check,) = result.failed_checks
    assert (check.asset, check.severity, check.blocking) == ("cbs/99901NED", "ERROR", False)
    assert check.message.startswith("quarantined: ")
    assert "GM0014" in check.message or "NL01" in check.message


def test_the_home_has_no_telemetry_and_keeps_what_people_changed(world):
    file = prepare_home(world.settings) / "dagster.yaml"
    assert "enabled: false" in file.read_text(encoding="utf-8")
    file.write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    prepare_home(world.settings)
    assert file.read_text(encoding="utf-8") == "telemetry: {enabled: false}\n"


def test_a_run_goes_on_with_the_source_that_was_asked_already(world):
    class Counted(Recordings):
        asked = 0

        def ask(self, request):
            Counted.asked += 1
            return super().ask(request)

    assert run(world.settings, known=Run(world.settings, source=Counted(world.recordings))).success
    assert Counted.asked > 0
