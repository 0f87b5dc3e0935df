"""Running the assets without the UI, with the history that the UI shows later.

Belongs here: Dagster's home, one run in this process, and its outcome in our own words.
Does not belong here: printing (``monitor.cli``) and what a run does.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from monitor.errors import UsageError
from monitor.pipeline.graph import build_definitions
from monitor.pipeline.session import Event, Tell, silent
from monitor.pipeline.triggers import EVERYTHING, STARTED_BY
from monitor.run import Run
from monitor.settings import Settings

__all__ = ["Event", "FailedCheck", "FailedStep", "RunResult", "prepare_home", "run"]

_HOME = """\
# Written by the monitor; change it as you like.
telemetry:
  enabled: false
# No window that asks for an e-mail address.
nux:
  enabled: false
# Nothing in the monitor prints; capturing that costs two processes a run.
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


@dataclass(frozen=True)
class FailedStep:
    """An asset that could not be made.

    Attributes:
        asset: its key, as people write it.
        message: what is wrong and what to do.
        expected: the monitor foresaw this; False is a defect, and Dagster's log has the traceback.
    """

    asset: str
    message: str
    expected: bool


@dataclass(frozen=True)
class FailedCheck:
    """A check that did not pass; only a blocking one keeps the old publication."""

    asset: str
    check: str
    blocking: bool
    severity: str
    message: str


@dataclass(frozen=True)
class RunResult:
    """The outcome of a run.

    Attributes:
        success: every asset was made and no blocking check failed.
        run_id: under which the UI shows it.
        made: keys of the assets that were made.
        failed: assets that failed (those downstream were skipped and are not in it).
        failed_checks: in the order of the run.
    """

    success: bool
    run_id: str
    made: tuple[str, ...]
    failed: tuple[FailedStep, ...]
    failed_checks: tuple[FailedCheck, ...]


def prepare_home(settings: Settings) -> Path:
    """Make the folder where Dagster keeps the history of runs, with telemetry off.

    Returns:
        The folder, for ``DAGSTER_HOME``.
    """
    home = settings.dagster_home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    file = home / "dagster.yaml"
    if not file.exists():
        file.write_text(_HOME, encoding="utf-8")
    return home


def run(
    settings: Settings,
    select: str | None = None,
    on_event: Tell = silent,
    known: Run | None = None,
) -> RunResult:
    """Run the job ``everything``, or a part of it, in this process.

    Args:
        settings: the settings of the run.
        select: a selection of assets as Dagster writes it: ``key:"cbs/85098NED"+`` or
            ``group:outcomes``; None is everything.
        on_event: told how each asset goes, as it goes.
        known: a run of these settings that asked its source already.

    Raises:
        UsageError: the selection can't be read, or selects nothing.
        DefinitionsError: the definitions hold an error.
    """
    definitions = build_definitions(settings, on_event, known)
    job = definitions.resolve_job_def(EVERYTHING)
    keys = None if select is None else _selected(select, definitions)
    # The terminal is for our own words; Dagster's go to the history.
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with dg.DagsterInstance.from_config(str(prepare_home(settings))) as instance:
        result = job.execute_in_process(
            instance=instance,
            asset_selection=keys,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={"monitor/source": settings.source, STARTED_BY: "monitor run"}
            | ({"monitor/as_of": settings.as_of.label} if settings.as_of else {}),
        )
    return RunResult(
        success=result.success,
        run_id=result.run_id,
        made=tuple(
            event.asset_key.to_user_string()
            for event in result.get_asset_materialization_events()
            if event.asset_key
        ),
        failed=tuple(_failed_steps(result)),
        failed_checks=tuple(_failed_checks(result)),
    )


def _selected(select: str, definitions: dg.Definitions) -> list[dg.AssetKey]:
    graph = definitions.resolve_asset_graph()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)  # part of its selection syntax
            keys = dg.AssetSelection.from_string(select).resolve(graph)
    except dg.DagsterError as error:
        raise UsageError(f"--select {select!r}: {error} {_HELP}") from None
    if not keys:
        raise UsageError(f"--select {select!r} selects no asset. {_HELP}")
    return sorted(keys)


_HELP = (
    'Write a key (cbs/85098NED), a key with all that follows from it (key:"cbs/85098NED"+), or '
    "a group (group:outcomes)."
)


def _failed_steps(result: dg.ExecuteInProcessResult) -> Iterator[FailedStep]:
    by_step = {
        "__".join(key.path): key.to_user_string()
        for key in result.job_def.asset_layer.asset_graph.get_all_asset_keys()
    }
    for event in result.all_events:
        if not event.is_step_failure:
            continue
        failure = event.step_failure_data
        told = failure.user_failure_data
        error = failure.error
        if told is None and error is not None and error.cls_name == _BLOCKED:
            continue  # the check itself is reported
        while error is not None and error.cause is not None:
            error = error.cause
        yield FailedStep(
            asset=by_step.get(event.step_key or "", event.step_key or ""),
            message=(told.description if told else None)
            or (error.message.strip() if error else "unknown"),
            expected=told is not None,
        )


_BLOCKED = "DagsterAssetCheckFailedError"


def _failed_checks(result: dg.ExecuteInProcessResult) -> Iterator[FailedCheck]:
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed:
            yield FailedCheck(
                asset=evaluation.asset_key.to_user_string(),
                check=evaluation.check_name,
                blocking=bool(evaluation.blocking),
                severity=evaluation.severity.value,
                message=evaluation.description or "",
            )
