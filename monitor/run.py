"""One run of the monitor: its stages, each a method, without Dagster.

Belongs here: handing the result of one room to the next. Dagster's assets (``monitor.pipeline``)
are thin wrappers of these methods.
Does not belong here: the work itself, what is remembered between stages (``notes``), and printing.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.errors import Exit, MonitorError, TableError, writing
from monitor.indicators.catalogue import Catalogue, load_or_raise
from monitor.notes import (
    NotMaterialisedError,
    note_asked,
    pair_note,
    read_pairs,
    read_state,
    remembering,
    write_pairs,
    write_state,
)
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
    from monitor.cbs.asof import Archived
    from monitor.cbs.calendar import About
    from monitor.cbs.ingest import Progress, TableState
    from monitor.cbs.metadata import TableMeta
    from monitor.cbs.revisions import Pair
    from monitor.cbs.shape_history import ShapeChange
    from monitor.cbs.sources import CbsService, Intake, Recordings, Source, TableRequest
    from monitor.indicators.corrections import ResolvedCell
    from monitor.indicators.problems import Problem
    from monitor.indicators.resolve import Resolution
    from monitor.regions.reference import Regions
    from monitor.warehouse.publish import Publication


class Run:
    """The stages of one run, in the order of its public methods.

    Args:
        settings: the settings of the run.
        catalogue: the definitions; read from the settings' folder when not given.
        source: an open one, with what it learned of its hosts; else that of the settings is opened.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue | None = None,
        source: CbsService | Recordings | Archived | None = None,
    ) -> None:
        self.settings = settings
        self.catalogue = catalogue or load_or_raise(settings.definitions)
        self.requests: dict[str, TableRequest] = {
            request.table_id: (
                replace(request, odata=settings.odata) if settings.odata else request
            )
            for request in self.catalogue.requests()
        }
        self.now = settings.clock()
        if source is not None:
            self.source = source

    @cached_property
    def source(self) -> CbsService | Recordings | Archived:
        """Where tables come from; the sample is generated when its specification changed.

        Raises:
            UsageError: there is no such source.
            NothingKnownError: at the moment of ``settings.as_of`` no table was known.
        """
        from monitor.cbs.sources import open_source

        recordings = self.settings.sample_recordings
        if self.settings.source == "sample":
            with writing(self.settings.data):
                _generate_sample(self.settings.sample, recordings)
        source = open_source(
            self.settings.source,
            recordings,
            cbs_url=self.settings.cbs_url,
            timeout=self.settings.timeout,
            at_once=self.settings.requests_at_once,
        )
        if self.settings.as_of is None:
            return source
        from monitor.cbs.archive import Archive
        from monitor.cbs.asof import Archived

        archive = Archive(self.settings.workspace(source.label).archive)
        as_of = self.settings.as_of
        archived = Archived(source.label, archive, as_of.moment, as_of.words)
        archived.require(self.requests.values())
        return archived

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

        A table that can't be used is a state (``quarantined``), not an exception. Of the monitor as
        it was nobody is asked: the archive tells.
        """
        from monitor.cbs.asof import Archived
        from monitor.cbs.ingest import refresh
        from monitor.regions.changes import told_by
        from monitor.regions.codes import AREA_CODES
        from monitor.regions.reference import REGISTER
        from monitor.validation.stages import check_recording

        request, folder = self.requests[table_id], self.workspace.folder
        if isinstance(self.source, Archived):
            state = self.source.recall(request, folder, self.now, codes=AREA_CODES)
        else:
            source = _Heard(self.source)
            state = refresh(
                request,
                source,
                folder,
                self.now,
                codes=AREA_CODES,
                needed=self.catalogue.needed(table_id),
                progress=progress,
                validate=check_recording,
                approve=told_by if table_id == REGISTER else None,
            )
            state = remembering(self.workspace, state, source.about)
        write_state(self.workspace, state)
        self._compare(table_id, state.observations)
        return state

    def words(self) -> dict[str, str | None]:
        """Return `Source.modified` of every table, and remember that they were asked for."""
        words = self.source.modified(self.requests.values())
        note_asked(self.workspace, words, self.now)
        return words

    def _compare(self, table_id: str, newest: Path | None) -> None:
        """Compare a table's snapshots where that was not done yet, and remember what came of it."""
        from monitor.cbs.archive import Archive
        from monitor.cbs.revisions import pairs
        from monitor.regions.codes import AREA_CODES

        snapshots = Archive(self.workspace.archive).snapshots(table_id)
        if as_of := self.settings.as_of:
            snapshots = [s for s in snapshots if s.retrieved_at <= as_of.moment]
        folder, request = self.workspace.revisions, self.requests[table_id]
        found = pairs(request, snapshots, folder, AREA_CODES, newest)
        write_pairs(self.workspace, table_id, found)

    def revisions(self, table_id: str) -> list[Pair]:
        """Return what changed from each snapshot of a table to the next, oldest first."""
        return read_pairs(self.workspace, table_id)

    def state(self, table_id: str) -> TableState:
        """Return how a table stood when it was last asked for.

        Raises:
            NotMaterialisedError: it was never asked for.
        """
        return read_state(self.workspace, table_id)

    def states(self) -> dict[str, TableState]:
        """Return `state` of every table that the definitions need."""
        return {table_id: self.state(table_id) for table_id in self.requests}

    def shape_changes(self, table_id: str) -> list[ShapeChange]:
        """Return what changed in the shape of a table over its snapshots, and what that means.

        Only compared anew when there is another snapshot, word of CBS, definition or code.
        """
        from monitor.cbs.archive import Archive
        from monitor.cbs.shape_history import ShapeChange, shape_history

        state = self.state(table_id)
        needed = self.catalogue.needed(table_id)
        made_from = [state.snapshot and state.snapshot.folder.name, state.state, state.modified]
        made_from += [hashlib.sha256(repr(needed).encode()).hexdigest(), code_fingerprint()]
        place = self.workspace.states / f"{table_id}.shapes.json"
        known = read_note(place)
        if known is None or known["made_from"] != made_from:
            changes = shape_history(
                Archive(self.workspace.archive),
                state.snapshot,
                # after an outage there is no word, and what was refused before is no news
                refused=state.state == "quarantined" and state.modified is not None,
                until=self.settings.as_of.moment if self.settings.as_of else state.asked_at,
                needed=needed,
            )
            known = {"made_from": made_from, "changes": [asdict(change) for change in changes]}
            write_note(place, known)
        return [
            ShapeChange(**change | {"indicators": tuple(change["indicators"])})
            for change in known["changes"]
        ]

    def shape_lines(self, table_id: str) -> list[str]:
        """Return one Dutch line for each change of shape that is news to an indicator.

        What quarantines is left out: that is the reason of the quarantine.
        """
        return [
            f"{table_id}: {change.meaning}"
            for change in self.shape_changes(table_id)
            if change.newest and change.indicators and not change.quarantined
        ]

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

    def inputs(self) -> dict[str, list[Path]]:
        """Return the input tables of SQL that are many files: table -> files.

        Raises:
            MonitorError: not a single table is usable.
        """
        return {
            "input.observations": list(self.observations().values()),
            "input.revisions": [
                pair.file
                for table_id in self.requests
                for pair in self.revisions(table_id)
                if pair.file is not None
            ],
        }

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
        from monitor.regions.changes import read_changes, told_by
        from monitor.regions.concordance import Concordance
        from monitor.regions.reference import REGISTER, read_population, read_regions
        from monitor.warehouse.inputs import write_history, write_shape_changes, write_sources

        periods = {table_id: request.period for table_id, request in self.requests.items()}
        states = self.states()
        selections = {
            table_id: state.snapshot.selection.select
            for table_id, state in states.items()
            if state.snapshot is not None
        }
        first = min(int(e.model.valid_from) for e in self.catalogue.in_use.values())
        as_of = self.settings.as_of
        years = range(first, (as_of.moment if as_of else self.now).year)
        files = self.observations()
        regions = read_regions(self.metas, files, periods, selections, years)
        compared = [pair for table_id in self.requests for pair in self.revisions(table_id)]
        write_sources(self.workspace.tables, self.catalogue, states, self.metas, regions, compared)
        write_shape_changes(self.workspace.tables, {t: self.shape_changes(t) for t in states})
        history, population = read_changes((), {}), {}
        if REGISTER in self.metas:
            population = read_population(files[REGISTER])
            history = told_by(self.metas[REGISTER], population)
        concordance = Concordance(history, population)
        write_history(self.workspace.tables, history, concordance, years.stop)
        return regions

    def definitions(self) -> Resolution:
        """Resolve the definitions against the tables and hand them to SQL.

        Problems don't stop the run: their figures come out as ``table_unavailable``.
        """
        from monitor.warehouse.inputs import write_definitions

        resolution, corrections = self._resolution
        write_definitions(self.workspace.tables, self.catalogue, resolution.terms, corrections)
        write_note(self._resolved, {"definitions": self.catalogue.fingerprint})
        return resolution

    @cached_property
    def _resolution(self) -> tuple[Resolution, list[ResolvedCell]]:
        from monitor.indicators.corrections import resolve_corrections
        from monitor.indicators.resolve import resolve

        partial, as_of = self.source.partial, self.settings.as_of
        resolution = resolve(self.catalogue, self.metas, partial=partial)
        corrections, problems = resolve_corrections(
            self.catalogue,
            self.metas,
            self.observations(),
            partial=partial,
            then=as_of.words if as_of else None,
        )
        return replace(resolution, problems=sorted(resolution.problems + problems)), corrections

    def check(self) -> list[Problem]:
        """Check the definitions against the source, and corrections against what was fetched.

        Nothing is fetched: a correction of a table without figures in the workspace passes.
        """
        from monitor.indicators.corrections import resolve_corrections
        from monitor.indicators.resolve import resolve

        partial, metas = self.source.partial, self.described()
        problems = resolve(self.catalogue, metas, partial=partial, described=True).problems
        files: dict[str, Path] = {}
        for table_id in self.requests:
            with contextlib.suppress(NotMaterialisedError):
                state = self.state(table_id)
                if state.snapshot is not None and state.observations is not None:
                    metas[table_id] = state.snapshot.meta()  # the names of the figures compared
                    files[table_id] = state.observations
        return problems + resolve_corrections(self.catalogue, metas, files, partial=partial)[1]

    def build(self, model: SqlModel) -> Stored:
        """Run one SQL model."""
        from monitor.warehouse.build import build

        return build(model, self.workspace.tables, self.inputs())

    def publish(self) -> Publication:
        """Build the published file, put it in place, and remember what it was made from."""
        from monitor.indicators.problems import errors
        from monitor.warehouse.publish import publish

        publication = publish(
            self.workspace.publication(synthetic=self.synthetic),
            self.models,
            self.workspace.tables,
            self.catalogue.themes_in_order(),
            synthetic=self.synthetic,
            now=self.now,
            as_of=self.settings.as_of,
            version=version(),
        )
        problems = self._resolution[0].problems
        summary = self.summary(problems)
        doubtful = errors(problems) or any(
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
        files = self.inputs()
        return resolved.get("definitions") == self.catalogue.fingerprint and all(
            is_built(model, self.workspace.tables, files) for model in self.models
        )

    @property
    def _resolved(self) -> Path:
        return self.workspace.tables / "input" / "resolved.json"

    def summary(self, problems: Iterable[Problem]) -> dict[str, Any]:
        """Return what a run came to: themes, tables, problems of definitions, as plain data."""
        import duckdb

        from monitor.indicators.problems import errors
        from monitor.warehouse.build import parquet_of, quoted

        found = sorted(problems)
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
        return {
            "synthetic": self.synthetic,
            "as_of": self.settings.as_of.label if self.settings.as_of else None,
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
            "revisions": [
                {
                    "table_id": table_id,
                    "this_run": state.state == "new",
                    **pair_note(pair),
                }
                for table_id, state in self.states().items()
                for pair in self.revisions(table_id)[-1:]
            ],
            "shape_changes": [
                line for table_id in self.requests for line in self.shape_lines(table_id)
            ],
            "problems": [str(problem) for problem in errors(found)],
            "warnings": [str(problem) for problem in found if problem not in errors(found)],
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
        words = self.words()
        asked = words.keys() == self.requests.keys()  # else the source failed for some table
        return note if asked and note["fingerprint"] == self.fingerprint(words) else None

    def note(self) -> dict[str, Any] | None:
        """Return what the last publication of this source was made from and came to, or None."""
        return read_note(self.workspace.last_run)


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


class _Heard:
    """A source, and what the table it handed over said of its rhythm: also where it is unchanged.

    CBS moves the date of a publication without touching a figure; then no snapshot is kept.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.label, self.partial = source.label, source.partial
        self.ask, self.describe, self.modified = source.ask, source.describe, source.modified
        self.about: About | None = None

    def fetch(self, request: TableRequest, into: Intake) -> TableMeta:
        from monitor.cbs.calendar import about

        meta = self._source.fetch(request, into)
        self.about = about(meta.infos)
        return meta
