"""One table on its way in: asked, fetched, archived, read; or kept out, with the reason.

Belongs here: the order of those steps, and what becomes of a table when one of them fails.
Does not belong here: the steps themselves (``sources``, ``archive``, ``recording``,
``observations``), and which tables are needed.

Below ``workspace`` lie ``archive/`` (what was answered) and ``recordings/`` and ``observations/``,
which follow from it: of each table the newest only, made again where they are missing. No file is
seen before it is whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from monitor.cbs import areas, metadata, observations, periods, recording, text, units
from monitor.cbs.archive import (
    Archive,
    ArchiveError,
    Asked,
    Selection,
    Snapshot,
    SnapshotWriter,
    flush,
    remove,
    scratch,
)
from monitor.cbs.areas import AreaCodes
from monitor.cbs.calendar import About
from monitor.cbs.failures import CbsFault, EmptyTable, NotOffered
from monitor.cbs.metadata import Row, TableMeta, build_meta
from monitor.cbs.observations import write_observations
from monitor.cbs.recording import RecordingWriter, identity
from monitor.cbs.shape import NOTHING, Needed, fingerprint, require
from monitor.errors import TableError, writing

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.cbs.sources import Source, TableRequest

Progress = Callable[[str, int, int | None], None]
"""Told the table, the rows so far, and how many there will be where the source says so."""

CONVERSION = (areas, metadata, observations, periods, recording, text, units)
"""The modules that turn a snapshot into observations."""

ABSENT = "Deze bron is een opname en bevat de tabel niet. Bij CBS kan de tabel wel bestaan."


class ChangedMeanwhile(CbsFault):
    """The source's word after the last page is another than before the first one."""

    explanation = (
        "CBS wijzigde de tabel terwijl wij die ophaalden. De volgende keer proberen we het opnieuw."
    )


class RowCountError(CbsFault):
    """The number of rows is not the one that the table states."""

    explanation = "CBS gaf een ander aantal rijen dan de tabel volgens CBS heeft."


@dataclass(frozen=True)
class TableState:
    """How a table stands after it was asked.

    Attributes:
        table_id: CBS's identifier.
        state: ``new`` content; ``unchanged``; ``quarantined``: the last good snapshot is served, if
            there is one; ``absent``: a source that holds a part does not have the table.
        snapshot: the last good one.
        observations: Parquet of that snapshot, see ``observations.write_observations``.
        reason: why quarantined or absent, one Dutch sentence for readers.
        detail: why, in English: table, row, what to do.
        asked_at: UTC.
        modified: the source's word on the state of the table that was judged; None where it gave
            none, or gave no usable answer after it: then the table is to be asked again.
        recording: Parquet of that snapshot as CBS wrote it, topics with text included, see
            ``recording``.
        stale_since: the first of the asks in a row, this one the last, that gave nothing usable;
            None where this one did. Remembered by ``monitor.run``.
        about: what CBS last said of the table's rhythm and next publication, also where the
            figures were unchanged. Remembered by ``monitor.run``.
    """

    table_id: str
    state: Literal["new", "unchanged", "quarantined", "absent"]
    snapshot: Snapshot | None
    observations: Path | None
    reason: str | None
    detail: str | None
    asked_at: datetime
    modified: str | None
    recording: Path | None = None
    stale_since: datetime | None = None
    about: About = field(default_factory=About)


def refresh(
    request: TableRequest,
    source: Source,
    workspace: Path,
    now: datetime,
    progress: Progress | None = None,
    validate: Callable[[Path], None] | None = None,
    *,
    codes: AreaCodes,
    needed: Needed = NOTHING,
    approve: Callable[[TableMeta], object] | None = None,
) -> TableState:
    """Ask a source for a table, and take it in if it changed and is in order.

    Args:
        request: what is needed of the table.
        source: where it comes from.
        workspace: the folder of this source; sources never share one.
        now: the moment, timezone-aware, from which new content counts.
        progress: told while rows come in.
        validate: checks a new recording; raises TableError if it won't do.
        codes: what is known of region codes.
        needed: what the definitions take from the table, and the shapes that were accepted.
        approve: reads more of what a new answer says about itself; raises TableError if it can't.

    Returns:
        How the table stands. A table that can't be used is a state, not an exception.

    Raises:
        DiskError: ``workspace`` can't be written.
    """
    with writing(workspace):
        return _refreshed(
            _Way(
                request,
                source,
                Archive(workspace / "archive"),
                workspace,
                now,
                codes,
                needed,
                progress,
                validate,
                approve,
            )
        )


def derived(
    snapshot: Snapshot, request: TableRequest, workspace: Path, codes: AreaCodes
) -> tuple[Path, Path]:
    """Return recording and observations of a snapshot, made where they are missing.

    Their names hold all that they follow from: content, request, and the conversion itself.

    Args:
        snapshot: any one, not only the newest.
        request: what is needed of the table.
        workspace: the folder with ``recordings/`` and ``observations/``.
        codes: what is known of region codes.

    Raises:
        TableError: the snapshot is damaged, or this version of the monitor can't read it.
    """
    places = _places(snapshot, request, workspace, codes)
    if not all(place.exists() for place in places):
        meta = snapshot.meta()
        with scratch(workspace) as folder:
            recorded, observed = folder / "recording", folder / "observations"
            with RecordingWriter(recorded, meta) as writer:
                for page in snapshot.pages():
                    writer.add(page)
            write_observations(recorded, meta, request, observed, codes)
            _put((recorded, observed), places)
    return places


def _places(
    snapshot: Snapshot, request: TableRequest, workspace: Path, codes: AreaCodes
) -> tuple[Path, Path]:
    recipe = hashlib.sha256(repr((request.period, codes)).encode())
    for module in CONVERSION:
        recipe.update(Path(str(module.__file__)).read_bytes())
    name = f"{snapshot.table_id}.{snapshot.id}-{recipe.hexdigest()[:8]}.parquet"
    return workspace / "recordings" / name, workspace / "observations" / name


def _put(made: Sequence[Path], places: Sequence[Path]) -> None:
    """Put files in their places, each in one step and only when it is on the disk itself."""
    for file, place in zip(made, places, strict=True):
        flush(file)
        place.parent.mkdir(parents=True, exist_ok=True)
        file.replace(place)


def _refreshed(way: _Way) -> TableState:
    request, archive, now = way.request, way.archive, way.now
    table = request.table_id
    good: Snapshot | None = None
    word: str | None = None
    try:
        good = archive.latest(table)
        word = way.source.ask(request)
        snapshot = good if good and way.is_known(good, word) else way.take(word, good)
        recorded, observed = way.serve(snapshot)
        archive.note_asked(table, Asked(now, word, snapshot.folder.name))
    except TableError as error:
        absent = isinstance(error, NotOffered) and way.source.partial
        kept = None if absent else good
        old_recorded, old_observed = way.serve_if_possible(kept)
        judged = not isinstance(error, CbsFault | ArchiveError)
        return TableState(
            table,
            "absent" if absent else "quarantined",
            kept if old_observed else None,
            old_observed,
            ABSENT if absent else error.explanation,
            way.detail(error),
            now,
            word if judged else None,
            old_recorded,
        )
    state: Literal["new", "unchanged"] = "unchanged" if snapshot == good else "new"
    return TableState(table, state, snapshot, observed, None, None, now, word, recorded)


@dataclass(frozen=True)
class _Way:
    """The steps of one table; the fields are the arguments of ``refresh``."""

    request: TableRequest
    source: Source
    archive: Archive
    workspace: Path
    now: datetime
    codes: AreaCodes
    needed: Needed
    progress: Progress | None
    validate: Callable[[Path], None] | None
    approve: Callable[[TableMeta], object] | None

    @property
    def selection(self) -> Selection:
        select = {key: tuple(codes) for key, codes in self.request.select.items()}
        return Selection(select, self.source.partial)

    def is_known(self, good: Snapshot, word: str) -> bool:
        """Whether the source's word is still the one it gave on the last good snapshot."""
        asked = self.archive.asked(self.request.table_id)
        return (
            asked is not None
            and (asked.modified, asked.snapshot) == (word, good.folder.name)
            and good.selection == self.selection
        )

    def take(self, word: str, good: Snapshot | None) -> Snapshot:
        """Fetch the table and archive it; returns ``good`` where the content is the same."""
        request = self.request
        with self.archive.writer(request.table_id) as writer:
            recorded, observed = writer.scratch / "recording", writer.scratch / "observations"

            def check(meta: TableMeta) -> None:
                if good:
                    require(good.meta(), meta, self.needed)
                if self.approve:
                    self.approve(meta)

            key = repr((word, self.selection, request.odata))
            intake = _Intake(request, writer, recorded, check, key, self.progress)
            try:
                try:
                    meta = self.source.fetch(request, intake)
                finally:
                    rows = intake.close()
                self.require_whole(meta, rows, word)
                content = identity(intake.digest, meta, intake.entities)
                if good and (good.identity, good.selection) == (content, self.selection):
                    writer.discard()
                    self.archive.note_described(good, meta.infos, self.now)
                    return good
                if self.validate:
                    self.validate(recorded)
                write_observations(recorded, meta, request, observed, self.codes)
            except CbsFault as fault:
                if not fault.passing:
                    writer.discard()
                raise
            except TableError as error:
                writer.refuse(str(error))
                raise
            snapshot = writer.commit(content, self.now, word, self.selection, fingerprint(meta))
            _put((recorded, observed), _places(snapshot, request, self.workspace, self.codes))
        return snapshot

    def require_whole(self, meta: TableMeta, rows: int, word: str) -> None:
        """Raise if the rows can't be all rows of one state of the table."""
        request = self.request
        if not rows:
            asked = f" for {dict(request.select)}" if request.select else ""
            raise EmptyTable(request.table_id, f"an answer without rows{asked}")
        if (now := self.source.ask(request)) != word:
            raise ChangedMeanwhile(
                request.table_id,
                f"the source's word was {word!r} before the fetch and is {now!r} after it. "
                "The next run asks again.",
            )
        stated = None if request.select else meta.rows_stated
        # A recording of v4 is a slice of a table, beside the properties of the whole.
        slice_is_fine = self.source.partial and meta.odata == "v4"
        if stated is not None and (rows > stated or (rows < stated and not slice_is_fine)):
            raise RowCountError(
                request.table_id,
                f"{rows} rows came in, and the table states {stated}. The next run asks again.",
            )

    def serve(self, snapshot: Snapshot) -> tuple[Path, Path]:
        """Return ``derived`` of a snapshot; what follows from others is removed."""
        places = derived(snapshot, self.request, self.workspace, self.codes)
        for place in places:
            for path in place.parent.glob(f"{snapshot.table_id}.*"):
                if path != place:
                    remove(path)
        return places

    def detail(self, error: TableError) -> str:
        """Return what went wrong, and which snapshots can't be served because of damage."""
        with suppress(TableError):  # that the name is no name, ``error`` tells
            damage = [damaged.detail for damaged in self.archive.damaged(self.request.table_id)]
            return " ".join([error.detail, *damage])
        return error.detail

    def serve_if_possible(self, snapshot: Snapshot | None) -> tuple[Path | None, Path | None]:
        """``serve``, or nothing where the snapshot can't be used any more."""
        try:
            return self.serve(snapshot) if snapshot else (None, None)
        except TableError:
            return None, None


class _Intake:
    """Archives an answer and reads it into a recording; see ``sources.Intake``."""

    def __init__(
        self,
        request: TableRequest,
        writer: SnapshotWriter,
        out: Path,
        check: Callable[[TableMeta], None],
        key: str,
        progress: Progress | None,
    ) -> None:
        self.entities: Mapping[str, Sequence[Row]] = {}
        self._request = request
        self._archive = writer
        self._out = out
        self._check = check
        self._key = key
        self._progress = progress
        self._recording: RecordingWriter | None = None
        self._total: int | None = None

    def describe(self, entities: Mapping[str, Sequence[Row]]) -> TableMeta:
        self.entities = entities
        for name, rows in entities.items():
            self._archive.entity(name, rows)
        meta = build_meta(entities)
        self._check(meta)
        self._archive.resume(self._key, meta.rows_entity)
        if not self._request.select:
            self._total = meta.rows_stated
        self._recording = RecordingWriter(self._out, meta, whole=not self._request.select)
        return meta

    def had(self, address: str) -> bytes | None:
        return self._archive.had(address)

    def parse(self, page: bytes) -> Any:
        return self._described.parse(page)

    def take(self, packed: bytes, rows: Any, address: str | None = None) -> None:
        so_far = self._archive.page(packed, self._described.write(rows), address)
        if self._progress:
            self._progress(self._request.table_id, so_far, self._total)

    def close(self) -> int:
        """Finish the recording; returns the number of rows."""
        return self._recording.close() if self._recording else 0

    @property
    def digest(self) -> str:
        """Digest of the rows; see ``recording.RecordingWriter``."""
        return self._described.digest

    @property
    def _described(self) -> RecordingWriter:
        if self._recording is None:
            raise RuntimeError("a source gave rows before it described its table")
        return self._recording
