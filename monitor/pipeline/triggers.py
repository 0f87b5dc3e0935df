"""What starts a run: the job for everything, a weekly schedule, and a sensor that asks CBS.

Belongs here: when to run and what part. Schedule and sensor are stopped until somebody starts them.
Does not belong here: running.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from monitor.cbs.sources import open_source
from monitor.errors import UsageError
from monitor.pipeline import shown
from monitor.run import Run, judged_words
from monitor.settings import Settings

EVERYTHING = "everything"
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
                timeout=_PATIENCE,
                retries=0,
            )
        except UsageError as error:
            return dg.SkipReason(str(error))
        words = source.modified(run.requests.values())
        if not words:
            return dg.SkipReason(
                f"The source {settings.source} gave no usable answer on any of the "
                f"{len(run.requests)} tables. It is asked again in an hour."
            )
        seen = judged_words(settings.workspace(source.label), run.requests)
        changed = sorted(t for t, word in words.items() if seen.get(t) != word)
        silent = sorted(set(run.requests) - set(words))
        if not changed:
            note = f" No answer on {', '.join(silent)}." if silent else ""
            return dg.SkipReason(f"None of {len(words)} tables was modified.{note}")
        return dg.RunRequest(
            asset_selection=_selection(changed, assets),
            tags={"monitor/changed": ", ".join(changed)},
        )

    return cbs_changes


def _selection(tables: Sequence[str], assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetKey]:
    keys = [shown.table_key(table) for table in tables]
    return sorted(dg.AssetSelection.assets(*keys).downstream().resolve(assets))
