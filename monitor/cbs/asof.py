"""The archive in the place of a source: tables as they were known at a moment.

Belongs here: which snapshot a table had then, and how the table stood by it.
Does not belong here: snapshots (``archive``), reading one (``ingest``), what a date means
(``monitor.settings``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.cbs.archive import Archive
from monitor.cbs.failures import NotOffered
from monitor.cbs.ingest import TableState, derived
from monitor.errors import MonitorError, TableError

if TYPE_CHECKING:
    from datetime import datetime

    from monitor.cbs.archive import Snapshot
    from monitor.cbs.areas import AreaCodes
    from monitor.cbs.sources import TableRequest


class NothingKnownError(MonitorError):
    """Not one of the tables was in the archive yet."""


@dataclass(frozen=True)
class Archived:
    """What a source had given at a moment; nobody is asked, and the archive is only read.

    Attributes:
        label: that of the source.
        archive: its archive.
        moment: the last one that counts, timezone-aware.
        words: the same in Dutch, for readers.
        partial: a table or topic that was not there yet says nothing about definitions of today.
    """

    label: str
    archive: Archive
    moment: datetime
    words: str
    partial: bool = True

    def require(self, requests: Iterable[TableRequest]) -> None:
        """Do nothing if any of the tables was known.

        Raises:
            NothingKnownError: none was; it tells from when on one is.
        """
        tables = [request.table_id for request in requests]
        if any(self.archive.as_of(table, self.moment) for table in tables):
            return
        moments = [s.retrieved_at for table in tables for s in self.archive.snapshots(table)]
        raise NothingKnownError(
            f"None of the {len(tables)} tables was in the archive at {self.moment:%Y-%m-%d %H:%M} "
            "UTC. "
            + (
                f"The first one came in at {min(moments):%Y-%m-%d %H:%M} UTC: choose a later date."
                if moments
                else f"The archive of source {self.label} is empty: `monitor run` fills it."
            )
        )

    def describe(self, request: TableRequest) -> dict[str, list[dict[str, Any]]]:
        """Return the entities that describe a table.

        Raises:
            NotOffered: it was not known yet.
            TableError: its snapshot is damaged.
        """
        snapshot = self.archive.as_of(request.table_id, self.moment)
        if snapshot is None:
            raise NotOffered(request.table_id, "not in the archive yet at that moment")
        return {name: [dict(row) for row in rows] for name, rows in snapshot.entities().items()}

    def modified(self, requests: Iterable[TableRequest]) -> dict[str, str | None]:
        """Return for each table which snapshot it had, None where it was not known yet."""
        return {
            request.table_id: _word(self.archive.as_of(request.table_id, self.moment))
            for request in requests
        }

    def recall(
        self, request: TableRequest, workspace: Path, now: datetime, *, codes: AreaCodes
    ) -> TableState:
        """Return how a table stood, its snapshot read by the code of today.

        Args:
            request: what is needed of the table.
            workspace: folder for what follows from the snapshot.
            now: the moment of asking, timezone-aware.
            codes: what is known of region codes.
        """
        table = request.table_id
        snapshot = self.archive.as_of(table, self.moment)
        if snapshot is None:
            reason = f"De monitor had deze tabel nog niet op {self.words}."
            return TableState(table, "absent", None, None, reason, None, now, None)
        try:
            recording, observations = derived(snapshot, request, workspace, codes)
        except TableError as error:
            reason, detail = error.explanation, error.detail
            word = _word(snapshot)
            return TableState(table, "quarantined", None, None, reason, detail, now, word)
        return TableState(
            table, "unchanged", snapshot, observations, None, None, now, _word(snapshot), recording
        )


def _word(snapshot: Snapshot | None) -> str | None:
    """Return what stands in the place of a source's word: the name of the snapshot's folder."""
    return snapshot.folder.name if snapshot else None
