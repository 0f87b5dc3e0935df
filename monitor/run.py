"""One run of the monitor: its stages, each a method, without Dagster.

Belongs here: handing the result of one room to the next, and remembering between stages how each
CBS table stands. Dagster's assets (``monitor.pipeline``) are thin wrappers of these methods.
Does not belong here: the work itself, and printing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.errors import Exit, MonitorError, TableError, writing
from monitor.indicators.catalogue import Catalogue, load_or_raise
from monitor.settings import Settings, Workspace
from monitor.warehouse.sqlmodels import SqlModel, load_models
from monitor.warehouse.store import (
    Stored,
    code_fingerprint,
    file_sha256,
    read_note,
    write_note,
)

if TYPE_CHECKING:
    from monitor.cbs.ingest import Progress, TableState
    from monitor.cbs.metadata import TableMeta
    from monitor.cbs.sources import CbsService, Recordings, TableRequest
    from monitor.indicators.resolve import Resolution
    from monitor.regions.reference import Regions
    from monitor.warehouse.publish import Publication


class NotMaterialisedError(MonitorError):
    """A stage was asked for before the one it needs."""


class Run:
    """The stages of one run, in the order of its public methods.

    Args:
        settings: the settings of the run.
        catalogue: the definitions; read from the settings' folder when not given.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue | None = None) -> None:
        self.settings = settings
        self.catalogue = catalogue or load_or_raise(settings.definitions)
        self.requests: dict[str, TableRequest] = {
            request.table_id: request for request in self.catalogue.requests()
        }
        self.now = settings.clock()

    @cached_property
    def source(self) -> CbsService | Recordings:
        """Where tables come from; the sample is generated when its specification changed."""
        from monitor.cbs.sources import open_source

        recordings = self.settings.sample_recordings
        if self.settings.source == "sample":
            with writing(self.settings.data):
                _generate_sample(self.settings.sample, recordings)
        return open_source(self.settings.source, recordings, cbs_url=self.settings.cbs_url)

    @cached_property
    def workspace(self) -> Workspace:
        """The folders of this source."""
        return self.settings.workspace(self.source.label)

    @cached_property
    def models(self) -> list[SqlModel]:
        """The SQL models, in an order that can be run."""
        return load_models(self.settings.sql)

    def ingest(self, table_id: str, progress: Progress | None = None) -> TableState:
        """Ask for one table, take it in if it changed, and remember how it stands.

        A table that can't be used is a state (``quarantined``), not an exception.
        """
        from monitor.cbs.ingest import refresh
        from monitor.regions.codes import AREA_CODES
        from monitor.validation.stages import check_recording

        state = refresh(
            self.requests[table_id],
            self.source,
            self.workspace.folder,
            self.now,
            codes=AREA_CODES,
            needed=self.catalogue.needed_topics(table_id),
            progress=progress,
            validate=check_recording,
        )
        _write_state(self.workspace, state)
        return state

    def state(self, table_id: str) -> TableState:
        """Return how a table stood when it was last asked for.

        Raises:
            NotMaterialisedError: it was never asked for.
        """
        return _read_state(self.workspace, table_id)

    def states(self) -> dict[str, TableState]:
        """Return `state` of every table that the definitions need."""
        return {table_id: self.state(table_id) for table_id in self.requests}

    def observations(self) -> dict[str, Path]:
        """Return the observation file of each table that has a good snapshot.

        Raises:
            MonitorError: not a single table is usable.
        """
        files = {
            table_id: state.observations
            for table_id, state in self.states().items()
            if state.observations is not None
        }
        if not files:
            raise MonitorError(
                f"Not one of the {len(self.requests)} tables could be used, so nothing was "
                "computed and the last publication stays. `monitor status` says why a table."
            )
        return files

    @cached_property
    def metas(self) -> dict[str, TableMeta]:
        """Metadata of each table that has a good snapshot.

        Raises:
            MonitorError: synthetic and real tables are mixed.
        """
        metas = {
            table_id: state.snapshot.meta()
            for table_id, state in self.states().items()
            if state.snapshot is not None
        }
        if len({meta.synthetic for meta in metas.values()}) > 1:
            made_up = sorted(t for t, meta in metas.items() if meta.synthetic)
            raise MonitorError(
                f"Tables {', '.join(made_up)} are synthetic and the others are not: the two are "
                f"never mixed. Empty {self.workspace.folder} or choose another source."
            )
        return metas

    def described(self) -> dict[str, TableMeta]:
        """Ask the source what each needed table says about itself, without rows and archive.

        A table that the source does not have, or describes badly, is left out: a run tells why.
        """
        from monitor.cbs.metadata import build_meta

        metas = {}
        for table_id, request in self.requests.items():
            with contextlib.suppress(TableError):
                metas[table_id] = build_meta(self.source.describe(request))
        return metas

    @property
    def synthetic(self) -> bool:
        """Whether the figures are the generated sample's, whatever served them."""
        return any(meta.synthetic for meta in self.metas.values())

    def regions(self) -> Regions:
        """Read regions and periods from the tables and hand them to SQL."""
        from monitor.regions.reference import read_regions
        from monitor.warehouse.inputs import write_sources

        periods = {table_id: request.period for table_id, request in self.requests.items()}
        states = self.states()
        selections = {
            table_id: state.snapshot.selection.select
            for table_id, state in states.items()
            if state.snapshot is not None
        }
        first = min(int(e.model.valid_from) for e in self.catalogue.in_use.values())
        years = range(first, self.now.year)
        regions = read_regions(self.metas, self.observations(), periods, selections, years)
        write_sources(self.workspace.tables, self.catalogue, states, self.metas, regions)
        return regions

    def definitions(self) -> Resolution:
        """Resolve the definitions against the tables and hand them to SQL.

        Problems don't stop the run: their figures come out as ``table_unavailable``.
        """
        from monitor.indicators.resolve import resolve
        from monitor.warehouse.inputs import write_definitions

        resolution = resolve(self.catalogue, self.metas, partial=self.source.partial)
        write_definitions(self.workspace.tables, self.catalogue, resolution.terms)
        write_note(self._resolved, {"definitions": self.catalogue.fingerprint})
        return resolution

    def build(self, model: SqlModel) -> Stored:
        """Run one SQL model."""
        from monitor.warehouse.build import build

        return build(model, self.workspace.tables, list(self.observations().values()))

    def publish(self) -> Publication:
        """Build the published file, put it in place, and remember what it was made from."""
        from monitor.warehouse.publish import publish

        publication = publish(
            self.workspace.publication(synthetic=self.synthetic),
            self.models,
            self.workspace.tables,
            self.catalogue.themes_in_order(),
            synthetic=self.synthetic,
            now=self.now,
            version=version(),
        )
        summary = self.summary()
        doubtful = summary["problems"] or any(
            table["state"] == "quarantined" for table in summary["tables"]
        )
        words = {table_id: state.modified for table_id, state in self.states().items()}
        note = {
            "finished_at": self.now.isoformat(),
            "publication": str(publication.path),
            "exit_code": int(Exit.QUARANTINED if doubtful else Exit.GOOD),
            # a publication of older tables (after a selection) is no reason to do nothing
            "fingerprint": self.fingerprint(words) if self._is_up_to_date() else None,
            "summary": summary,
        }
        write_note(self.workspace.last_run, note)
        return publication

    def _is_up_to_date(self) -> bool:
        """Tell whether every table was made from the definitions and the SQL as they are now."""
        from monitor.warehouse.build import is_built

        resolved = read_note(self._resolved) or {}
        files = list(self.observations().values())
        return resolved.get("definitions") == self.catalogue.fingerprint and all(
            is_built(model, self.workspace.tables, files) for model in self.models
        )

    @property
    def _resolved(self) -> Path:
        return self.workspace.tables / "input" / "resolved.json"

    def summary(self) -> dict[str, Any]:
        """Return what a run came to: themes, tables and unresolved definitions, as plain data."""
        import duckdb

        from monitor.indicators.resolve import resolve
        from monitor.warehouse.build import parquet_of, quoted

        figures = quoted(parquet_of(self.workspace.tables, "outcomes.figures"))
        with duckdb.connect() as connection:
            counted = {
                row[0]: row[1:]
                for row in connection.execute(
                    "SELECT theme_id, count(*), count(value), "
                    "max(period) FILTER (value IS NOT NULL AND period_type = 'year') "
                    f"FROM read_parquet({figures}) GROUP BY theme_id"
                ).fetchall()
            }
        indicators = [entry.model for entry in self.catalogue.in_use.values()]
        themes = []
        for theme in self.catalogue.themes_in_order():
            cells, with_value, newest = counted.get(theme.id, (0, 0, None))
            themes.append(
                {
                    "theme": theme.id,
                    "indicators": sum(m.theme == theme.id for m in indicators),
                    "effects": sum(m.theme == theme.id and m.kind == "effect" for m in indicators),
                    "cells": cells,
                    "with_value": with_value,
                    "newest_period": newest,
                }
            )
        problems = resolve(self.catalogue, self.metas, partial=self.source.partial).problems
        return {
            "synthetic": self.synthetic,
            "themes": themes,
            "tables": [
                {
                    "table_id": table_id,
                    "state": state.state,
                    "reason": state.reason,
                    "detail": state.detail,
                }
                for table_id, state in self.states().items()
            ],
            "problems": [str(problem) for problem in problems],
        }

    def everything(self, progress: Callable[[str], None] = lambda _: None) -> Publication:
        """Run and check all stages in order: Dagster's job without Dagster.

        Raises:
            ValidationFailedError: a stage breaks its contract; the last publication stays.
        """
        from monitor.validation.stages import check_model, check_observations, check_regions
        from monitor.warehouse.build import parquet_of

        for table_id in self.requests:
            progress(table_id)
            self.ingest(table_id)
        check_observations(list(self.observations().values())).require()
        self.regions()
        check_regions(parquet_of(self.workspace.tables, "input.regions")).require()
        self.definitions()
        for model in self.models:
            progress(model.id)
            check_model(model, self.build(model).path).require()
        progress("publication")
        return self.publish()

    # -- is there anything to do? ---------------------------------------------------------------

    def fingerprint(self, words: Mapping[str, str | None]) -> dict[str, Any]:
        """Return what a run's outcome follows from: definitions, SQL, code, and CBS's word a table.

        Args:
            words: what the source says of the state of each table (`Source.modified`).
        """
        sql = sorted(self.settings.sql.glob("*/*.sql"))
        return {
            "definitions": self.catalogue.fingerprint,
            "sql": {f"{p.parent.name}/{p.name}": file_sha256(p) for p in sql},
            "code": code_fingerprint(),
            "tables": dict(sorted(words.items())),
        }

    def unchanged_since(self) -> dict[str, Any] | None:
        """Return the note of the last run if another would change nothing, else None."""
        note = self.note()
        if note is None or not Path(note["publication"]).exists():
            return None
        words = self.source.modified(self.requests.values())
        asked = words.keys() == self.requests.keys()  # else the source failed for some table
        return note if asked and note["fingerprint"] == self.fingerprint(words) else None

    def note(self) -> dict[str, Any] | None:
        """Return what the last publication of this source was made from and came to, or None."""
        return read_note(self.workspace.last_run)


def judged_words(workspace: Workspace, tables: Iterable[str]) -> dict[str, str | None]:
    """Return the source's word that each table was last judged by; None after a failed fetch."""
    notes = {table_id: read_note(workspace.states / f"{table_id}.json") for table_id in tables}
    return {table_id: note["modified"] for table_id, note in notes.items() if note is not None}


def version() -> str:
    """Return the version of the installed package."""
    from importlib.metadata import version as installed

    return installed("monitor-sociaal-domein")


def _generate_sample(specification: Path, recordings: Path) -> None:
    import shutil

    from monitor.cbs.sample import fingerprint, write_recordings

    note = recordings / "made_from"
    made_from = fingerprint(specification)
    if note.exists() and note.read_text(encoding="utf-8") == made_from:
        return
    shutil.rmtree(recordings, ignore_errors=True)
    write_recordings(specification, recordings)
    note.write_text(made_from, encoding="utf-8")


def _write_state(workspace: Workspace, state: TableState) -> None:
    def below(path: Path | None) -> str | None:
        return None if path is None else path.relative_to(workspace.folder).as_posix()

    text = {
        "state": state.state,
        "snapshot": state.snapshot.folder.name if state.snapshot else None,
        "observations": below(state.observations),
        "recording": below(state.recording),
        "reason": state.reason,
        "detail": state.detail,
        "asked_at": state.asked_at.isoformat(),
        "modified": state.modified,
    }
    write_note(workspace.states / f"{state.table_id}.json", text)


def _read_state(workspace: Workspace, table_id: str) -> TableState:
    from monitor.cbs.archive import Archive
    from monitor.cbs.ingest import TableState

    known = read_note(workspace.states / f"{table_id}.json")
    if known is None:
        raise NotMaterialisedError(
            f"Table {table_id} was never asked for: materialise cbs/{table_id} first, or run "
            "`monitor run`."
        )
    snapshots = Archive(workspace.folder / "archive").snapshots(table_id)
    chosen = [s for s in snapshots if s.folder.name == known["snapshot"]]
    return TableState(
        table_id=table_id,
        state=known["state"],
        snapshot=chosen[0] if chosen else None,
        observations=workspace.folder / known["observations"] if known["observations"] else None,
        recording=workspace.folder / known["recording"] if known["recording"] else None,
        reason=known["reason"],
        detail=known["detail"],
        asked_at=dt.datetime.fromisoformat(known["asked_at"]),
        modified=known["modified"],
    )
