"""What changed in the shape of a table over its snapshots, read back from the archive.

Belongs here: which descriptions are compared, and the rows of the report.
Does not belong here: comparing and judging (``shape``), and publishing the report.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from monitor.cbs.shape import Finding, Needed, how_to_accept, judge, judge_end
from monitor.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from monitor.cbs.archive import Archive, Snapshot

_OF_THE_END = {"discontinued", "successor"}


@dataclass(frozen=True)
class ShapeChange:
    """One row of the report.

    Attributes:
        retrieved_at: when the snapshot with the new shape was retrieved, ISO in UTC; None of an
            answer that was refused.
        modified: when CBS last changed that content.
        kind: see ``shape.Kind``.
        subject: the topic, dimension or code.
        before: as it was.
        after: as it is.
        meaning: what it means, in Dutch.
        indicators: whom it concerns, sorted.
        quarantined: it is a reason why the newest answer is not used.
        newest: it is about the snapshot that is served, or about a newer answer.
    """

    retrieved_at: str | None
    modified: str
    kind: str
    subject: str
    before: str | None
    after: str | None
    meaning: str
    indicators: tuple[str, ...]
    quarantined: bool
    newest: bool


def shape_history(
    archive: Archive, served: Snapshot | None, *, refused: bool, until: datetime, needed: Needed
) -> list[ShapeChange]:
    """Return every change of shape of a table, oldest first.

    Args:
        archive: where its snapshots are.
        served: the snapshot in use; newer ones are passed over.
        refused: whether the newest answer was not usable; then it is compared too.
        until: nothing that was told later counts, timezone-aware.
        needed: what the definitions take from the table.

    Raises:
        TableError: the snapshot in use can't be read.
    """
    if served is None:
        return []
    found: list[ShapeChange] = []
    snapshots = archive.snapshots(served.table_id)
    names = [snapshot.folder.name for snapshot in snapshots]
    for old, new in pairwise(snapshots[: names.index(served.folder.name) + 1]):
        if old.shape is None or old.shape != new.shape:
            with suppress(TableError):  # an old one that is damaged makes no difference any more
                after = new.meta()
                changes = judge(old.meta(), after, needed, taken=True)
                lasting = (f for f in changes if f.change.kind not in _OF_THE_END)
                found += _rows(lasting, new, after.modified, newest=new == served)
    meta = served.meta()
    infos = archive.described(served, until) or meta.infos
    ends = judge_end(meta, infos, needed)
    found += _rows(ends, served, meta.modified, newest=True)
    answer = archive.refused(served.table_id) if refused else None
    if answer is not None:
        served_instead = f" {how_to_accept(answer)}"
        told = [finding.change for finding in ends]
        findings = [f for f in judge(meta, answer, needed) if f.change not in told]
        found += _rows(findings, None, answer.modified, newest=True, tail=served_instead)
    return found


def _rows(
    findings: Iterable[Finding],
    snapshot: Snapshot | None,
    modified: str,
    *,
    newest: bool,
    tail: str = "",
) -> list[ShapeChange]:
    return [
        ShapeChange(
            None if snapshot is None else snapshot.retrieved_at.isoformat(),
            modified,
            f.change.kind,
            f.change.subject,
            f.change.before,
            f.change.after,
            f.meaning + tail * f.quarantines,
            f.users,
            f.quarantines,
            newest,
        )
        for f in findings
    ]
