"""What runs remember of each table, in small files between one stage or run and the next.

Belongs here: how a table stood when it was last asked, when that was, what CBS said of its rhythm,
and which of its snapshots were compared; each a note of JSON in a workspace.
Does not belong here: deciding any of it (``monitor.run``, ``monitor.cbs``).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.errors import MonitorError, TableError
from monitor.settings import Workspace
from monitor.warehouse.store import read_note, write_note

if TYPE_CHECKING:
    from monitor.cbs.calendar import About
    from monitor.cbs.ingest import TableState
    from monitor.cbs.revisions import Pair


class NotMaterialisedError(MonitorError):
    """A stage was asked for before the one it needs."""


def note_asked(workspace: Workspace, tables: Iterable[str], now: dt.datetime) -> None:
    """Remember that a source gave its word on tables; fetching them is another matter.

    A note of its own, so that a sensor never writes in the notes of a run.
    """
    times = read_note(workspace.asked) or {}
    write_note(workspace.asked, times | dict.fromkeys(tables, now.isoformat()))


def last_asked(workspace: Workspace) -> dict[str, dt.datetime]:
    """Return when the source last gave its word on each table, see `note_asked`."""
    times = read_note(workspace.asked) or {}
    return {table_id: dt.datetime.fromisoformat(time) for table_id, time in times.items()}


def known_about(workspace: Workspace, table_id: str) -> About | None:
    """Return what CBS last said of a table's rhythm, from the one small note; None before that."""
    from monitor.cbs.calendar import About

    note = read_note(workspace.states / f"{table_id}.json") or {}
    return About(**note["about"]) if "about" in note else None


def judged_words(workspace: Workspace, tables: Iterable[str]) -> dict[str, str | None]:
    """Return the source's word that each table was last judged by; None after a failed fetch."""
    notes = {table_id: read_note(workspace.states / f"{table_id}.json") for table_id in tables}
    return {table_id: note["modified"] for table_id, note in notes.items() if note is not None}


def remembering(workspace: Workspace, state: TableState, heard: About | None) -> TableState:
    """Return a state with what follows from earlier ones: since when it is stale, what CBS said."""
    known = read_note(workspace.states / f"{state.table_id}.json") or {}
    stale_since = None
    if state.state == "quarantined":
        earlier = known.get("stale_since")
        stale_since = dt.datetime.fromisoformat(earlier) if earlier else state.asked_at
    about = heard or known_about(workspace, state.table_id) or _kept_about(state)
    return replace(state, stale_since=stale_since, about=about or state.about)


def _kept_about(state: TableState) -> About | None:
    """Return what the served snapshot says; its dimensions, which may be large, are not read."""
    from monitor.cbs.calendar import about

    if state.snapshot is None:
        return None
    with contextlib.suppress(TableError):
        for entity in ("TableInfos", "Properties"):
            for page in state.snapshot.pages(entity):
                for row in json.loads(page)["value"]:
                    return about(row)
    return None


def write_state(workspace: Workspace, state: TableState) -> None:
    """Remember how a table stands."""

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
        "stale_since": state.stale_since.isoformat() if state.stale_since else None,
        "about": asdict(state.about),
    }
    write_note(workspace.states / f"{state.table_id}.json", text)


def read_state(workspace: Workspace, table_id: str) -> TableState:
    """Return how a table stood when it was last asked for.

    Raises:
        NotMaterialisedError: it was never asked for.
    """
    from monitor.cbs.archive import Archive
    from monitor.cbs.calendar import About
    from monitor.cbs.ingest import TableState

    known = read_note(workspace.states / f"{table_id}.json")
    if known is None:
        raise NotMaterialisedError(
            f"Table {table_id} was never asked for: materialise cbs/{table_id} first, or run "
            "`monitor run`."
        )
    chosen = known["snapshot"]
    return TableState(
        table_id=table_id,
        state=known["state"],
        snapshot=Archive(workspace.archive).snapshot(table_id, chosen) if chosen else None,
        observations=workspace.folder / known["observations"] if known["observations"] else None,
        recording=workspace.folder / known["recording"] if known["recording"] else None,
        reason=known["reason"],
        detail=known["detail"],
        asked_at=dt.datetime.fromisoformat(known["asked_at"]),
        modified=known["modified"],
        stale_since=(
            dt.datetime.fromisoformat(known["stale_since"]) if known.get("stale_since") else None
        ),
        about=known_about(workspace, table_id) or About(),
    )


def write_pairs(workspace: Workspace, table_id: str, pairs: Sequence[Pair]) -> None:
    """Remember which snapshots of a table were compared, and what came of it."""
    notes = {"pairs": [pair_note(pair) for pair in pairs]}
    write_note(workspace.revisions / f"{table_id}.json", notes)


def read_pairs(workspace: Workspace, table_id: str) -> list[Pair]:
    """Return the pairs of snapshots that were compared, oldest first."""
    note = read_note(workspace.revisions / f"{table_id}.json") or {"pairs": []}
    return [_read_pair(workspace, table_id, pair) for pair in note["pairs"]]


def pair_note(pair: Pair) -> dict[str, Any]:
    """Return a pair as plain data."""
    return {
        "old": pair.old,
        "new": pair.new,
        "old_retrieved_at": pair.old_retrieved_at.isoformat(),
        "new_retrieved_at": pair.new_retrieved_at.isoformat(),
        "file": pair.file.name if pair.file else None,
        "counts": dict(pair.counts),
        "new_periods": pair.new_periods,
        "reason": pair.reason,
        "detail": pair.detail,
    }


def _read_pair(workspace: Workspace, table_id: str, note: Mapping[str, Any]) -> Pair:
    from monitor.cbs.revisions import Pair

    moments = {key: dt.datetime.fromisoformat(note[key]) for key in _MOMENTS}
    file = workspace.revisions / note["file"] if note["file"] else None
    return Pair(table_id=table_id, **{**note, **moments, "file": file})


_MOMENTS = ("old_retrieved_at", "new_retrieved_at")
