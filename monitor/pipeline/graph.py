"""The asset graph: which assets there are, what they follow from, who owns them, what they are.

Belongs here: everything about an asset that is known before a run; it follows from the definitions
and the heads of the SQL files, so a new one of either is a new asset.
Does not belong here: what an asset does (``assets``) and when (``triggers``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from monitor.cbs.sources import TableRequest, label_of, page_of
from monitor.indicators.catalogue import Catalogue
from monitor.indicators.models import Indicator, Series
from monitor.notes import known_about
from monitor.pipeline import assets, shown, triggers
from monitor.pipeline.session import Session, Tell, silent
from monitor.run import Run
from monitor.settings import Settings
from monitor.warehouse.sqlmodels import SqlModel
from monitor.warehouse.store import code_fingerprint

_TAG = 63
"""Longest name that Dagster allows in a tag."""
_WINDOWS: Mapping[str, tuple[int, int]] = {
    "month": (35, 45),
    "quarter": (100, 120),
    "half-year": (190, 220),
    "year": (380, 420),
    "final": (400, 800),
}
"""Rhythm -> days after which a table that was not asked for is due, and is late."""
_DEFAULT = "year"
"""The rhythm before the first run, and of a table of which CBS's word is absent or irregular."""
_FINAL_AFTER = 3
"""Years after its own that CBS still adds to a table of one year; then its figures are final."""


def build_definitions(
    settings: Settings, tell: Tell = silent, known: Run | None = None
) -> dg.Definitions:
    """Return all that Dagster needs. Reads definitions and SQL files; asks no source anything.

    Args:
        settings: the settings of every run.
        tell: told how each asset goes, for a terminal.
        known: a run of these settings that asked its source already; runs go on with that source.

    Raises:
        DefinitionsError: the definitions hold an error.
        SqlModelError: a SQL file is not as it should be.
    """
    run = known or Run(settings)
    made = _all_assets(run)
    everything = triggers.everything_job()

    @dg.resource(description="De stappen van de monitor, voor deze ene run.")
    def monitor(_: dg.InitResourceContext) -> Session:
        return Session(Run(settings, run.catalogue, known.source if known else None), tell)

    return dg.Definitions(
        assets=made,
        jobs=[everything],
        schedules=[triggers.weekly_schedule(everything)],
        sensors=[
            triggers.cbs_sensor(everything, settings, run, made),
            *(triggers.notifying_sensors(settings) if settings.notify else ()),
        ],
        resources={"monitor": monitor},
        executor=dg.in_process_executor,
    )


def _all_assets(run: Run) -> list[dg.AssetsDefinition]:
    uses = _uses(run.catalogue)
    everyone = shown.teams(entry.model.owners for entry in run.catalogue.indicators.values())
    windows = {
        table_id: _WINDOWS[_rhythm(run, request)] for table_id, request in run.requests.items()
    }
    tables = [
        assets.cbs_table(_table_spec(request, uses[table_id], windows[table_id]), table_id)
        for table_id, request in run.requests.items()
    ]
    stages = [
        assets.observations(
            _stage_spec(
                shown.OBSERVATIONS,
                "Alle waarnemingen uit de bruikbare tabellen van CBS: per rij een cijfer, of het "
                "teken dat CBS zette waar het ontbreekt. Er is nog niets omgerekend.",
                deps=[asset.key for asset in tables],
                kinds={"parquet"},
            )
        ),
        assets.regions(
            _stage_spec(
                shown.REGIONS,
                "De regio's en perioden die de tabellen noemen, en hoe elke tabel ervoor staat.",
                deps=[shown.OBSERVATIONS],
                kinds={"parquet"},
                columns=shown.input_columns(shown.REGIONS),
            )
        ),
        assets.definitions(
            _stage_spec(
                shown.DEFINITIONS,
                "De definities uit de map definitions, met bij elke verwijzing het onderwerp in de "
                "tabel van CBS.",
                deps=[shown.OBSERVATIONS],
                kinds={"yaml"},
                owners=everyone,
                columns=shown.input_columns(shown.DEFINITIONS),
            )
        ),
    ]
    models = [(model, dg.AssetKey([model.schema, model.name])) for model in run.models]
    known = frozenset(asset.key for asset in [*tables, *stages]) | {key for _, key in models}
    sql = [
        assets.sql_model(_model_spec(model, key, everyone), model, known) for model, key in models
    ]
    publication = assets.publication(
        dg.AssetSpec(
            assets.PUBLICATION,
            deps=[key for model, key in models if model.published],
            group_name="publication",
            kinds={"duckdb"},
            owners=everyone,
            code_version=code_fingerprint()[:12],
            freshness_policy=_fresh(min(windows.values())),  # its most frequent table's
            description="Het bestand voor iedereen die cijfers zoekt: een DuckDB-bestand met een "
            "tabel per thema. De monitor bouwt het naast het oude en vervangt dat in één keer.",
        )
    )
    return [*tables, *stages, *sql, publication]


@dataclass(frozen=True)
class _Use:
    """Who uses a CBS table: the series it belongs to and the indicators computed from it."""

    series: dict[str, Series]
    indicators: dict[str, Indicator]


def _uses(catalogue: Catalogue) -> Mapping[str, _Use]:
    found: dict[str, _Use] = {}
    for _, entry in sorted(catalogue.in_use.items()):
        for placed in catalogue.terms(entry):
            series = catalogue.series[placed.term.from_].model
            for table in catalogue.tables(placed.term, entry.model):
                use = found.setdefault(table.table, _Use({}, {}))
                use.series[series.id] = series
                use.indicators[entry.model.id] = entry.model
    return found


def _rhythm(run: Run, request: TableRequest) -> str:
    """Return the rhythm of a table, from what the last run noted; nothing else is read."""
    if request.period and int(request.period) + _FINAL_AFTER < run.now.year:
        return "final"
    workspace = run.settings.workspace(label_of(run.settings.source, run.settings.cbs_url))
    about = known_about(workspace, request.table_id)
    stated = about.rhythm if about else None
    return {None: _DEFAULT, "irregular": _DEFAULT, "stopped": "final"}.get(stated) or str(stated)


def _fresh(window: tuple[int, int]) -> dg.FreshnessPolicy:
    warn, fail = (dt.timedelta(days=days) for days in window)
    return dg.FreshnessPolicy.time_window(fail_window=fail, warn_window=warn)


def _table_spec(request: TableRequest, use: _Use, window: tuple[int, int]) -> dg.AssetSpec:
    page = page_of(request.table_id, request.host)
    about = [
        f"**{s.title}{f', {request.period}' if request.period else ''}** ({s.publisher}). "
        f"{s.description}"
        for s in use.series.values()
    ]
    users = [f"- {i.title} ({i.theme})" for i in use.indicators.values()]
    return dg.AssetSpec(
        shown.table_key(request.table_id),
        group_name="cbs",
        kinds={"cbs", "parquet"},
        owners=shown.teams(i.owners for i in use.indicators.values()),
        code_version=code_fingerprint()[:12],
        tags=_tags("reeks", use.series)
        | _tags("thema", (i.theme for i in use.indicators.values())),
        freshness_policy=_fresh(window),
        metadata={"dagster/uri": page, "statline": dg.MetadataValue.url(page)},
        description="\n\n".join([*about, "Gebruikt door:\n\n" + "\n".join(users)]),
    )


def _stage_spec(
    key: dg.AssetKey,
    description: str,
    *,
    deps: Iterable[dg.AssetKey],
    kinds: set[str],
    owners: list[str] | None = None,
    columns: dg.TableSchema | None = None,
) -> dg.AssetSpec:
    metadata: dict[str, Any] = {"dagster/column_schema": columns} if columns else {}
    return dg.AssetSpec(
        key,
        deps=list(deps),
        group_name="input",
        kinds=kinds,
        owners=owners or [],
        code_version=code_fingerprint()[:12],
        metadata=metadata,
        description=description,
    )


def _model_spec(model: SqlModel, key: dg.AssetKey, everyone: list[str]) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=sorted({shown.source_of(name) for name in model.upstream}),
        group_name=model.schema,
        kinds={"sql", "duckdb"},
        owners=everyone if model.schema in {"core", "outcomes"} else [],
        code_version=hashlib.sha256(model.text.encode()).hexdigest()[:12],
        metadata={
            "dagster/table_name": model.id,
            "dagster/column_schema": shown.model_columns(model),
            "key": ", ".join(model.key),
        },
        description=model.comment,
    )


def _tags(name: str, values: Iterable[str]) -> dict[str, str]:
    return {f"{name}/{value[:_TAG]}": "" for value in sorted(set(values))}
