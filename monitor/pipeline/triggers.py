"""What starts a run: the job for everything, a weekly schedule, and a sensor that asks CBS.

Belongs here: when to run and what part, and who is told of a run that ended badly. Schedule and
sensor are stopped until somebody starts them.
Does not belong here: running, and what is told (``monitor.notify``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg

from monitor.cbs.calendar import modified_on
from monitor.cbs.sources import open_source
from monitor.errors import Exit, UsageError
from monitor.notes import judged_words, note_asked
from monitor.notify import UndeliveredError, tell_of_run
from monitor.pipeline import shown
from monitor.run import Run
from monitor.settings import Settings
from monitor.status import NEVER, TableStatus, table_statuses

EVERYTHING = "everything"
STARTED_BY = "monitor/started_by"
"""Tag of a run that somebody else than Dagster watches over."""
_HOUR = 3600
_PATIENCE = 10.0
"""Seconds to wait for an answer: Dagster stops a sensor after a minute."""


def everything_job() -> dg.UnresolvedAssetJobDefinition:
    """Return the job of all assets."""
    return dg.define_asset_job(
        EVERYTHING,
        selection=dg.AssetSelection.all(),
        description="Alles: vraag elke tabel op bij CBS, reken alle cijfers uit en publiceer.",
    )


def weekly_schedule(job: dg.UnresolvedAssetJobDefinition) -> dg.ScheduleDefinition:
    """Return the schedule: Monday morning, before people are at work."""
    return dg.ScheduleDefinition(
        name="weekly",
        job=job,
        cron_schedule="0 5 * * 1",
        execution_timezone="Europe/Amsterdam",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Draait elke maandag om 5 uur alles. Haalt ook op wat in quarantaine staat.",
    )


def cbs_sensor(
    job: dg.UnresolvedAssetJobDefinition,
    settings: Settings,
    run: Run,
    assets: Sequence[dg.AssetsDefinition],
) -> dg.SensorDefinition:
    """Return the sensor that asks the source which tables changed and runs what follows from them.

    What it compares with is the word of the source that the tables on disk were judged by. A table
    whose fetch failed has none, so that it is asked again each time until it comes through.
    """

    @dg.sensor(
        name="cbs_changes",
        job=job,
        minimum_interval_seconds=_HOUR,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Vraagt elk uur welke tabellen CBS heeft gewijzigd, en draait alleen wat "
        "daaruit volgt.",
    )
    def cbs_changes(_: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if settings.as_of:
            return dg.SkipReason("MONITOR_AS_OF is set: of the past no source is asked.")
        try:
            source = open_source(
                settings.source,
                settings.sample_recordings,
                cbs_url=settings.cbs_url,
                timeout=min(_PATIENCE, settings.timeout),
                retries=0,
                at_once=settings.requests_at_once,
            )
        except UsageError as error:
            return dg.SkipReason(str(error))
        words = source.modified(run.requests.values())
        workspace = settings.workspace(source.label)
        if words:
            note_asked(workspace, words, settings.clock())
        seen = judged_words(workspace, run.requests)
        changed = sorted(t for t, word in words.items() if seen.get(t) != word)
        told = _told(Run(settings, run.catalogue), words, seen)
        if not changed:
            return dg.SkipReason(told)
        return dg.RunRequest(
            asset_selection=_selection(changed, assets),
            tags={"monitor/changed": ", ".join(changed), "monitor/told": told},
        )

    return cbs_changes


def _told(run: Run, words: Mapping[str, str | None], seen: Mapping[str, str | None]) -> str:
    """Return what a tick found: each table that changed since when, or is out of order and why."""
    silent = [table_id for table_id in run.requests if table_id not in words]
    changed = sum(seen.get(table_id) != word for table_id, word in words.items())
    if not words:
        first = (
            f"The source {run.settings.source} gave no usable answer on any of the "
            f"{len(silent)} tables. It is asked again in an hour."
        )
    elif changed:
        first = f"{changed} of {len(words)} tables to be fetched."
    else:
        first = f"None of {len(words)} tables was modified."
    lines = [first]
    for status in table_statuses(run):
        table_id = status.table_id
        if table_id in words and seen.get(table_id) != words[table_id]:
            lines.append(f"{table_id}: {_change(status, words[table_id])}")
        elif status.trouble is None and table_id in silent and words:
            lines.append(f"{table_id}: no answer.")
        if status.trouble:
            lines.append(status.trouble)
        if status.overdue:
            lines.append(f"{table_id}: overdue. CBS announced: {status.next_text}")
    return "\n".join(lines)


def _change(status: TableStatus, word: str | None) -> str:
    if status.state == NEVER:
        return "never fetched."
    if word is None:
        return "the source does not have it any more."
    if status.state == "quarantined":
        return "to be fetched again."
    now = modified_on(word)
    before = f", was {status.modified[:10]}" if status.modified else ""
    return f"modified{f' at CBS on {now}{before}' if now else ''}."


def notifying_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Return the sensors that tell of runs started in the UI or by schedule or sensor.

    A run of ``monitor run`` is left to it: it tells itself. They run from the start, because who
    does not want them leaves out the setting ``notify``.
    """

    def tell(context: dg.RunStatusSensorContext, exit_code: Exit, failures: Sequence[str]) -> None:
        run = context.dagster_run
        if STARTED_BY in run.tags:
            return
        try:
            tell_of_run(settings, exit_code, failures, run.run_id)
        except UndeliveredError as error:
            context.log.warning(str(error))

    @dg.run_status_sensor(
        name="notify_quarantined",
        run_status=dg.DagsterRunStatus.SUCCESS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Meldt een run die tabellen in quarantaine liet staan.",
    )
    def notify_quarantined(context: dg.RunStatusSensorContext) -> None:
        tell(context, Exit.QUARANTINED, ())

    @dg.run_failure_sensor(
        name="notify_failed",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Meldt een run die mislukte. De vorige publicatie staat er dan nog.",
    )
    def notify_failed(context: dg.RunFailureSensorContext) -> None:
        failures = [
            f"{event.step_key}: {_reason(event)}" for event in context.get_step_failure_events()
        ]
        tell(context, Exit.ERROR, failures or [context.failure_event.message or "unknown"])

    return [notify_quarantined, notify_failed]


def _reason(event: dg.DagsterEvent) -> str:
    told = event.step_failure_data.user_failure_data
    return (told.description if told else None) or event.message or "unknown"


def _selection(tables: Sequence[str], assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetKey]:
    keys = [shown.table_key(table) for table in tables]
    return sorted(dg.AssetSelection.assets(*keys).downstream().resolve(assets))
