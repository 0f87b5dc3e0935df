"""The assets: each a thin wrapper of one stage of ``monitor.run.Run``, with its check.

Belongs here: what a stage returns, as metadata, data version and check results.
Does not belong here: the stages, and how assets hang together (``graph``).

A check is part of its asset's step (a step of its own costs as much again as the check). Checks
block from observations onward: then nothing downstream runs and the publication stays.
"""

# No `from __future__ import annotations`: Dagster reads the annotation of `context` as it stands.

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from monitor.cbs.ingest import TableState
from monitor.cbs.shape_history import ShapeChange
from monitor.indicators.problems import errors
from monitor.pipeline import shown
from monitor.pipeline.session import Event, Session
from monitor.warehouse.build import input_schemas, parquet_of
from monitor.warehouse.sqlmodels import INPUT, SqlModel, column_lineage
from monitor.warehouse.store import file_sha256

CHECK_OF_TABLE = "usable"
CHECK_OF_STAGE = "contract"
CHECK_OF_DEFINITIONS = "resolved"
PUBLICATION = dg.AssetKey("publication")
CHARTED = "outcomes.figures"

Work = Callable[[Session], "dg.MaterializeResult[None]"]


def cbs_table(spec: dg.AssetSpec, table_id: str) -> dg.AssetsDefinition:
    """Return the asset of one CBS table. It never fails for a bad table: its check tells."""

    def work(session: Session) -> dg.MaterializeResult[None]:
        def progress(table: str, rows: int, total: int | None) -> None:
            session.tell(Event("progress", f"cbs/{table}", rows=rows, total=total))

        state = session.run.ingest(table_id, progress)
        compared = session.run.revisions(table_id)[-1:]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(state.snapshot.id if state.snapshot else "none"),
            metadata={
                **_table_metadata(state, session.run.shape_changes(table_id)),
                **shown.revisions(compared),
            },
            check_results=[_usable(state)],
        )

    check = dg.AssetCheckSpec(
        CHECK_OF_TABLE,
        asset=spec.key,
        blocking=False,
        description="De nieuwste levering van CBS is bruikbaar. Zo niet, dan gaat de monitor door "
        "met de vorige, en meldt dat.",
    )
    return _asset(spec, work, check)


def observations(spec: dg.AssetSpec) -> dg.AssetsDefinition:
    """Return the asset of all observations together."""

    def work(session: Session) -> dg.MaterializeResult[None]:
        from monitor.validation.stages import check_observations

        files = session.run.observations()
        verdict = check_observations(list(files.values()))
        first = next(iter(files.values()))
        return dg.MaterializeResult(
            # the name of a file of observations holds all that it follows from
            data_version=_version(*(file.name for file in files.values())),
            metadata={
                "tables": len(files),
                "dagster/row_count": verdict.rows,
                "dagster/column_schema": shown.file_columns(first),
                "preview": shown.preview(first),
            },
            check_results=[shown.verdict_result(verdict, CHECK_OF_STAGE)],
        )

    return _asset(spec, work, _contract(spec, "De waarnemingen hebben de afgesproken vorm."))


def regions(spec: dg.AssetSpec) -> dg.AssetsDefinition:
    """Return the asset of the regions and periods that the tables list."""

    def work(session: Session) -> dg.MaterializeResult[None]:
        from monitor.validation.stages import check_regions

        found = session.run.regions()
        file = parquet_of(session.run.workspace.tables, f"{INPUT}.regions")
        verdict = check_regions(file)
        return dg.MaterializeResult(
            data_version=_input_version(session, spec.key),
            metadata={
                "dagster/row_count": len(found.regions),
                "region_years": len(found.years),
                "preview": shown.preview(file),
            },
            check_results=[shown.verdict_result(verdict, CHECK_OF_STAGE)],
        )

    return _asset(spec, work, _contract(spec, "Elke regio heeft een code, een soort en een naam."))


def definitions(spec: dg.AssetSpec) -> dg.AssetsDefinition:
    """Return the asset of the definitions, resolved against the tables."""

    def work(session: Session) -> dg.MaterializeResult[None]:
        resolution = session.run.definitions()
        problems = len(resolution.problems)
        return dg.MaterializeResult(
            data_version=_input_version(session, spec.key),
            metadata={
                "indicators": len(session.run.catalogue.indicators),
                "terms": len(resolution.terms),
                "problems": problems,
                "gaps": shown.gaps_table(resolution),
            },
            check_results=[
                dg.AssetCheckResult(
                    passed=not errors(resolution.problems),
                    check_name=CHECK_OF_DEFINITIONS,
                    severity=dg.AssetCheckSeverity.ERROR,
                    description="\n".join(map(str, resolution.problems)) or None,
                    metadata={"problems": shown.problems_table(resolution)} if problems else {},
                )
            ],
        )

    check = dg.AssetCheckSpec(
        CHECK_OF_DEFINITIONS,
        asset=spec.key,
        blocking=False,
        description="Elke definitie verwijst naar onderwerpen en codes die de tabellen hebben, en "
        "bij elke correctie publiceert CBS nog het foute cijfer. Wat niet te vinden is, komt "
        "zonder cijfers in de monitor; een correctie die niet meer klopt, doet niets.",
    )
    return _asset(spec, work, check)


def sql_model(
    spec: dg.AssetSpec, model: SqlModel, known: frozenset[dg.AssetKey]
) -> dg.AssetsDefinition:
    """Return the asset of one SQL model.

    Args:
        spec: the asset.
        model: the model.
        known: the assets there are; lineage points to no other.
    """

    def work(session: Session) -> dg.MaterializeResult[None]:
        from monitor.validation.stages import check_model

        run = session.run
        stored = run.build(model)
        verdict = check_model(model, stored.path)
        schemas = input_schemas(model, run.workspace.tables, run.inputs())
        metadata: dict[str, Any] = {
            "dagster/row_count": verdict.rows,
            "dagster/uri": stored.path.as_uri(),
            "dagster/column_lineage": shown.lineage(column_lineage(model, schemas), known),
            "rebuilt": stored.built,
        }
        if model.id == CHARTED:
            from monitor.pipeline.charts import indicators_chart

            metadata["chart"] = indicators_chart(stored.path, synthetic=run.synthetic)
        metadata["preview"] = shown.preview(stored.path)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(stored.sha256),
            metadata=metadata,
            check_results=[shown.verdict_result(verdict, CHECK_OF_STAGE)],
        )

    return _asset(spec, work, _contract(spec, "De tabel klopt met de kop van het SQL-bestand."))


def publication(spec: dg.AssetSpec) -> dg.AssetsDefinition:
    """Return the asset of the published file."""

    def work(session: Session) -> dg.MaterializeResult[None]:
        published = session.run.publish()
        return dg.MaterializeResult(
            data_version=_version(*(f"{k} {v}" for k, v in sorted(published.hashes.items()))),
            metadata={
                "dagster/uri": published.path.as_uri(),
                "path": dg.MetadataValue.path(published.path),
                "dagster/row_count": sum(published.tables.values()),
                "synthetic": session.run.synthetic,
                "tables": shown.publication_table(published),
            },
        )

    return _asset(spec, work, None)


def _asset(spec: dg.AssetSpec, work: Work, check: dg.AssetCheckSpec | None) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="__".join(spec.key.path),
        specs=[spec],
        check_specs=[check] if check else [],
        required_resource_keys={"monitor"},
    )
    def step(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        session: Session = context.resources.monitor
        yield session.perform(spec.key.to_user_string(), work)

    return step


def _contract(spec: dg.AssetSpec, description: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        CHECK_OF_STAGE,
        asset=spec.key,
        blocking=True,
        description=f"{description} Zo niet, dan blijft de vorige publicatie staan.",
    )


def _table_metadata(state: TableState, changes: Sequence[ShapeChange]) -> Mapping[str, Any]:
    metadata: dict[str, Any] = {
        "state": state.state,
        "quarantined": state.state == "quarantined",
        "asked_at": dg.MetadataValue.timestamp(state.asked_at),
    }
    if state.reason:
        metadata["reason"] = state.reason
    if state.detail:
        metadata["detail"] = state.detail
    if state.modified:
        metadata["modified"] = state.modified
    if state.snapshot:
        metadata["snapshot"] = state.snapshot.id
        metadata["rows"] = state.snapshot.rows
        metadata["retrieved_at"] = dg.MetadataValue.timestamp(state.snapshot.retrieved_at)
        metadata["dagster/column_schema"] = shown.cbs_columns(state.snapshot.meta())
    if changes:
        metadata["shape_changes"] = shown.shape_table(changes)
    if state.observations:
        metadata["dagster/row_count"] = shown.row_count(state.observations)
        metadata["preview"] = shown.preview(state.observations)
    return metadata


def _usable(state: TableState) -> dg.AssetCheckResult:
    """Return the check of a table: ERROR when quarantined, WARN when the source lacks it."""
    metadata: dict[str, Any] = {"state": state.state}
    if state.reason or state.detail:
        served = state.snapshot.retrieved_at if state.snapshot else None
        metadata |= {
            "reason": state.reason or "",
            "detail": state.detail or "",
            "published_instead": f"snapshot of {served:%Y-%m-%d %H:%M} UTC"
            if served
            else "nothing",
        }
    return dg.AssetCheckResult(
        passed=state.state in {"new", "unchanged"},
        check_name=CHECK_OF_TABLE,
        severity=dg.AssetCheckSeverity.WARN
        if state.state == "absent"
        else dg.AssetCheckSeverity.ERROR,
        description=": ".join(filter(None, (state.state, state.detail))) if state.detail else None,
        metadata=metadata,
    )


def _version(*parts: str) -> dg.DataVersion:
    return dg.DataVersion(hashlib.sha256("\n".join(parts).encode()).hexdigest())


def _input_version(session: Session, key: dg.AssetKey) -> dg.DataVersion:
    tables = session.run.workspace.tables
    names = (f"{INPUT}.{name}" for name in shown.input_tables(key))
    return _version(*(file_sha256(parquet_of(tables, name)) for name in names))
