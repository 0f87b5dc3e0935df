"""How each table stands, in the few words that who runs the monitor needs.

Belongs here: putting together what the archive and the notes of runs know of a table, as plain
data, and as one line of text for a log or a message.
Does not belong here: printing (``monitor.cli``), Dagster (``monitor.pipeline``), judging a table
(``monitor.cbs.ingest``). Nothing here asks a source.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from monitor.cbs.archive import Archive
from monitor.cbs.calendar import modified_on
from monitor.notes import NotMaterialisedError, last_asked

if TYPE_CHECKING:
    from monitor.run import Run

NEVER = "never asked"


@dataclass(frozen=True)
class TableStatus:
    """How one table stands.

    Attributes:
        table_id: CBS's identifier.
        state: as `TableState.state`, or ``never asked``.
        asked_at: when the source last gave its word on it, or was asked for it; UTC.
        modified: when CBS last changed it, as CBS writes it; None where it did not say.
        snapshots: how many contents the archive keeps.
        retrieved_at: since when the monitor has the content that it serves; UTC.
        rows: rows of that content.
        stale_since: since when nothing usable came: what is served may be out of date; UTC.
        reason: why it is quarantined or absent, in Dutch, as published.
        detail: the same in English: table, row, what to do.
        frequency: CBS's word for its rhythm.
        next_text: what CBS says of the next publication.
        next_first, next_last: the days that CBS means; None where the text does not tell surely.
        ended: CBS says that no publication will come.
        overdue: that last day has passed, and CBS has changed nothing since the first.
    """

    table_id: str
    state: str = NEVER
    asked_at: dt.datetime | None = None
    modified: str | None = None
    snapshots: int = 0
    retrieved_at: dt.datetime | None = None
    rows: int | None = None
    stale_since: dt.datetime | None = None
    reason: str | None = None
    detail: str | None = None
    frequency: str | None = None
    next_text: str | None = None
    next_first: dt.date | None = None
    next_last: dt.date | None = None
    ended: bool = False
    overdue: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the fields with moments as ISO 8601 text."""
        return {
            key: value.isoformat() if isinstance(value, dt.date) else value
            for key, value in asdict(self).items()
        }

    @property
    def trouble(self) -> str | None:
        """One sentence on what is wrong; None where all is well."""
        if self.state != "quarantined":
            return None
        since = f" since {self.stale_since:%Y-%m-%d %H:%M}" if self.stale_since else ""
        return f"{self.table_id}: quarantined{since}: {self.reason} ({self.detail})"


def table_statuses(run: Run) -> list[TableStatus]:
    """Return how each table that the definitions need stands, in their order."""
    asked = last_asked(run.workspace)
    return [_status(run, table_id, asked) for table_id in run.requests]


def _status(run: Run, table_id: str, asked: Mapping[str, dt.datetime]) -> TableStatus:
    try:
        state = run.state(table_id)
    except NotMaterialisedError:
        return TableStatus(table_id, asked_at=asked.get(table_id))
    modified = state.modified if modified_on(state.modified or "") else state.about.modified
    expected = state.about.expected
    changed = modified_on(modified or "")
    overdue = (
        expected is not None
        and expected.first is not None
        and expected.last is not None
        and expected.last < run.now.date()
        and (changed is None or changed < expected.first)
    )
    return TableStatus(
        table_id,
        state=state.state,
        asked_at=max(filter(None, (state.asked_at, asked.get(table_id)))),
        modified=modified or None,
        snapshots=len(Archive(run.workspace.archive).snapshots(table_id)),
        retrieved_at=state.snapshot.retrieved_at if state.snapshot else None,
        rows=state.snapshot.rows if state.snapshot else None,
        stale_since=state.stale_since,
        reason=state.reason,
        detail=state.detail,
        frequency=state.about.frequency or None,
        next_text=expected.text if expected else None,
        next_first=expected.first if expected else None,
        next_last=expected.last if expected else None,
        ended=expected is not None and expected.ended,
        overdue=overdue,
    )


def shown_range(first: dt.date, last: dt.date) -> str:
    """Return days as people write them: ``2026-10-31``, ``2026-07``, ``2027-04..06``."""
    whole = first.day == 1 and (last + dt.timedelta(1)).day == 1
    form = "%Y-%m" if whole else "%Y-%m-%d"
    begin, end = f"{first:{form}}", f"{last:{form}}"
    if begin == end:
        return begin
    return f"{begin}..{end.removeprefix(f'{first.year}-')}"
