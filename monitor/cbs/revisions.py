"""What changed between two snapshots of a table, cell by cell.

Belongs here: which cells of two snapshots can be compared, what a change is, its class, and one
Parquet file for each pair of snapshots that follow each other.
Does not belong here: a changed shape (units, topics that came or went), and which snapshots there
are (``archive``).

A cell is a topic, region, period and members. Two snapshots are compared where both were asked for
it: inside both selections, and of topics that both have. Where either came from a source that holds
a part only, an absent row says nothing, so that only rows that are in both are compared.

A cell changed when its value or the status of its value did; another mark where there is no figure
is none. The first class that applies:

1. ``coverage``: a value appeared or vanished;
2. ``unstated``: the status of either is unknown, so it can't be told what CBS had announced;
3. ``announced``: the older status said that the figure could change, or become final as it was;
4. ``silent``: a final figure changed, or is final no more.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from monitor.cbs.areas import AreaCodes
from monitor.cbs.ingest import CONVERSION, derived
from monitor.cbs.metadata import TableMeta, Topic
from monitor.errors import TableError

if TYPE_CHECKING:
    import duckdb

    from monitor.cbs.archive import Snapshot
    from monitor.cbs.sources import TableRequest

CLASSES = ("announced", "silent", "unstated", "coverage")
"""Of a changed cell; see the module."""

_MEMORY = "256MB"
"""DuckDB spills what doesn't fit to a folder beside the file that is written."""


class IncomparableError(TableError):
    """Two snapshots have other dimensions, so no cell of one is a cell of the other."""

    explanation = (
        "De tabel is anders ingedeeld dan eerst, zodat de cijfers niet te vergelijken zijn."
    )


@dataclass(frozen=True)
class Pair:
    """Two snapshots of a table that follow each other, and what changed from one to the other.

    Attributes:
        table_id: CBS's identifier.
        old: id of the older snapshot.
        new: id of the newer one.
        old_retrieved_at: UTC.
        new_retrieved_at: UTC.
        file: the changed cells, see ``compare``; None where the two could not be compared.
        counts: class -> number of changed cells in periods that the older snapshot had.
        new_periods: number of cells with a value in periods that it did not have.
        reason: why they could not be compared, one Dutch sentence for readers.
        detail: why, in English: table, row, what to do.
    """

    table_id: str
    old: str
    new: str
    old_retrieved_at: datetime
    new_retrieved_at: datetime
    file: Path | None
    counts: Mapping[str, int]
    new_periods: int
    reason: str | None = None
    detail: str | None = None

    @property
    def changed(self) -> bool:
        """Whether any cell changed."""
        return any(self.counts.values()) or self.new_periods > 0


def pairs(
    request: TableRequest,
    snapshots: Sequence[Snapshot],
    folder: Path,
    codes: AreaCodes,
    newest: Path | None = None,
) -> list[Pair]:
    """Return what changed from each snapshot of a table to the next, compared where not yet done.

    Args:
        request: what is needed of the table.
        snapshots: of the table, oldest first.
        folder: has a file for each pair; those that no pair needs are removed.
        codes: what is known of region codes.
        newest: observations of the last snapshot, if they are there; those of the others are made
            again from their pages, and only where a pair is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[Path, Pair] = {}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as scratch:
        made = {snapshots[-1].folder: newest} if newest else {}

        def observations(snapshot: Snapshot) -> Path:
            if snapshot.folder not in made:
                recording, made[snapshot.folder] = derived(snapshot, request, Path(scratch), codes)
                recording.unlink()
            return made[snapshot.folder]

        # From new to old: of the observations that are made again, no more than two are there.
        for old, new in reversed(list(pairwise(snapshots))):
            file = folder / _name(old, new, request, codes)
            found[file] = _pair(old, new, file, codes, observations)
            done = made.pop(new.folder, None)
            if done and done != newest:
                done.unlink()
    for file in folder.glob(f"{request.table_id}.*.parquet"):
        if file not in found:
            file.unlink(missing_ok=True)
    return list(found.values())[::-1]


def _name(old: Snapshot, new: Snapshot, request: TableRequest, codes: AreaCodes) -> str:
    """Return a file's name, which holds all that it follows from."""
    moments = (old.retrieved_at.isoformat(), new.retrieved_at.isoformat())
    recipe = hashlib.sha256(repr((moments, request.period, codes)).encode())
    for code in (*(str(module.__file__) for module in CONVERSION), __file__):
        recipe.update(Path(code).read_bytes())
    return f"{request.table_id}.{old.id}-{new.id}-{recipe.hexdigest()[:8]}.parquet"


def _pair(
    old: Snapshot,
    new: Snapshot,
    file: Path,
    codes: AreaCodes,
    observations: Callable[[Snapshot], Path],
) -> Pair:
    facts = (new.table_id, old.id, new.id, old.retrieved_at, new.retrieved_at)
    try:
        if not file.exists():
            compare(old, new, observations(old), observations(new), file, codes)
        return Pair(*facts, file, *_count(file))
    except TableError as error:  # what a snapshot of long ago lacks, must not stop the table
        return Pair(*facts, None, {}, 0, error.explanation, error.detail)


def _count(file: Path) -> tuple[dict[str, int], int]:
    import pyarrow.parquet as pq

    rows = pq.read_table(file, columns=["class", "new_period"]).to_pydict()
    counted = Counter(zip(rows["class"], rows["new_period"], strict=True))
    counts = {name: counted[name, False] for name in CLASSES}
    return counts, counted.total() - sum(counts.values())


def compare(
    old: Snapshot, new: Snapshot, older: Path, newer: Path, out: Path, codes: AreaCodes
) -> None:
    """Write every cell that changed from one snapshot to another, ordered by topic, region, period.

    Columns (Parquet): ``table_id``; ``topic`` key in the newer snapshot; ``topic_title`` with the
    groups it is in; ``region_code``; ``region_level``; ``period``; ``members``; ``old_value``,
    ``new_value`` DECIMAL(18,6); ``old_status``, ``new_status``; ``old_mark``, ``new_mark``, all
    null where the row is absent; ``class`` see the module; ``new_period`` BOOLEAN, the older
    snapshot does not list the period; ``old_snapshot``, ``new_snapshot`` ids; ``old_retrieved_at``,
    ``new_retrieved_at`` TIMESTAMP, UTC.

    Args:
        old: the older snapshot.
        new: the newer one.
        older: observations of the older one, see ``observations.write_observations``.
        newer: those of the newer one.
        out: the file; replaced in one step.
        codes: what is known of region codes.

    Raises:
        IncomparableError: the two have other dimensions.
        TableError: the metadata of either can't be read any more.
    """
    import duckdb

    old_meta, new_meta = old.meta(), new.meta()
    before, after = (sorted(d.key for d in meta.others) for meta in (old_meta, new_meta))
    if before != after:
        raise IncomparableError(
            new.table_id, f"snapshot {old.id} has the dimensions {before}, {new.id} has {after}"
        )
    half = out.with_name(f".{out.name}.{os.getpid()}")
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".") as spill:
        try:
            with duckdb.connect() as con:
                con.execute("SET memory_limit = $limit", {"limit": _MEMORY})
                con.execute("SET temp_directory = $folder", {"folder": spill})
                _look_up_topics(con, old_meta, new_meta)
                _look_up_periods(con, old_meta, new_meta)
                # each is compared inside the other's selection; its own it can't be outside of
                _view(con, "older", older, "old_topic", new, new_meta, codes)
                _view(con, "newer", newer, "new_topic", old, old_meta, codes)
                con.execute(*_copy(old, new, half))
            half.replace(out)
        finally:
            half.unlink(missing_ok=True)


class Cell(NamedTuple):
    """A changed cell as people read it: ``13.5 (provisional)`` -> ``13.9 (definitive)``."""

    kind: str
    topic: str
    region_code: str
    period: str
    members: str
    old: str
    new: str


def read(file: Path, kind: str | None = None, limit: int | None = None) -> tuple[list[Cell], int]:
    """Return the changed cells in a file, other values before other statuses, and how many.

    Args:
        file: see ``compare``.
        kind: of this class only.
        limit: no more than this.
    """
    import duckdb

    def shown(side: str) -> str:
        """Return SQL of a value without trailing zeros, or its mark, with the status."""
        value = f"regexp_replace({side}_value::VARCHAR, '\\.?0+$', '')"
        mark = f"if({side}_mark = '', 'blank', {side}_mark)"
        status = f"' (' || {side}_status || ')'"
        return f"coalesce(coalesce({value}, {mark}) || {status}, 'no row')"

    same = "old_value IS NOT DISTINCT FROM new_value"
    wanted = "FROM read_parquet($file) WHERE coalesce(class = $kind, true)"
    values = {"file": str(file), "kind": kind}
    with duckdb.connect() as con:
        found = con.execute(
            f"SELECT class, topic, region_code, period, members, {shown('old')}, {shown('new')} "
            f"{wanted} ORDER BY new_period, {same}, topic, region_code, period, members "
            "LIMIT $limit",
            {**values, "limit": limit},
        ).fetchall()
        total = con.execute(f"SELECT count(*) {wanted}", values).fetchall()[0][0]
    return [Cell(*row) for row in found], int(total)


def match_topics(old: TableMeta, new: TableMeta) -> list[tuple[Topic, Topic]]:
    """Return the topics that both have, the older one first.

    By key where its stem is unique in both, and by stem where the number behind it moved. Where a
    stem is not unique ("Totaal_1", "Totaal_2") a key says little once numbers moved: then by the
    path of titles, and by key only what is left after that.
    """
    found: list[tuple[Topic, Topic]] = []
    left = ([t for t in old.topics if t.numeric], [t for t in new.topics if t.numeric])
    names: list[Callable[[Topic], object]] = [
        lambda topic: (topic.key, topic.path),
        lambda topic: topic.stem.casefold(),
        lambda topic: topic.path,
        lambda topic: topic.key,
    ]
    for name in names:
        counts = [Counter(name(topic) for topic in topics) for topics in left]
        mine = {name(topic): topic for topic in left[1]}
        here = [
            (topic, mine[name(topic)])
            for topic in left[0]
            if counts[0][name(topic)] == counts[1][name(topic)] == 1
        ]
        found += here
        gone = {topic.key for topic, _ in here}, {topic.key for _, topic in here}
        left = (
            [topic for topic in left[0] if topic.key not in gone[0]],
            [topic for topic in left[1] if topic.key not in gone[1]],
        )
    return found


def _look_up_topics(con: duckdb.DuckDBPyConnection, old: TableMeta, new: TableMeta) -> None:
    matched = match_topics(old, new)
    con.execute(
        "CREATE TABLE topics AS SELECT row_number() OVER () AS number, * FROM (SELECT "
        "unnest($old::VARCHAR[]) AS old_topic, unnest($new::VARCHAR[]) AS new_topic, "
        "unnest($titles::VARCHAR[]) AS title)",
        {
            "old": [topic.key for topic, _ in matched],
            "new": [topic.key for _, topic in matched],
            "titles": [" > ".join(topic.path) for _, topic in matched],
        },
    )


def _look_up_periods(con: duckdb.DuckDBPyConnection, old: TableMeta, new: TableMeta) -> None:
    """Create ``new_periods``; a table without periods has none."""
    time = old.time, new.time
    fresh = set(time[1].members) - set(time[0].members) if time[0] and time[1] else set[str]()
    con.execute(
        "CREATE TABLE new_periods AS SELECT unnest($periods::VARCHAR[]) AS period",
        {"periods": sorted(fresh)},
    )


def _view(
    con: duckdb.DuckDBPyConnection,
    name: str,
    observations: Path,
    topic: str,
    other: Snapshot,
    meta: TableMeta,
    codes: AreaCodes,
) -> None:
    """Create a table's comparable cells: topics by number, inside the selection of ``other``."""
    wanted = ["true"]
    for number, (key, members) in enumerate(other.selection.select.items()):
        column, values = "members", [f"{key}={code}" for code in members]
        if key == meta.geo.key:
            column, values = "region_code", [codes.canonical.get(code, code) for code in members]
        elif meta.time and key == meta.time.key:
            column, values = "period", list(members)
        # a view can't have parameters
        con.execute(f"SET VARIABLE {name}_{number} = $values::VARCHAR[]", {"values": values})
        chosen = f"getvariable('{name}_{number}')"
        wanted.append(
            f"list_has_any(string_split(members, ';'), {chosen})"
            if column == "members"
            else f"{column} IN (SELECT unnest({chosen}))"
        )
    con.execute(f"SET VARIABLE {name} = $path", {"path": str(observations)})
    con.execute(
        f"CREATE VIEW {name} AS SELECT number, region_code, region_level, period, members, value, "
        f"source_mark, status FROM read_parquet(getvariable('{name}')) AS o "
        f"JOIN topics ON {topic} = o.topic WHERE {' AND '.join(wanted)}"
    )


def _copy(old: Snapshot, new: Snapshot, out: Path) -> tuple[str, dict[str, Any]]:
    """Return SQL that joins the comparable cells and writes those that changed."""
    join = "INNER" if old.selection.partial or new.selection.partial else "FULL"
    query = f"""
        COPY (
            SELECT
                $table_id AS table_id, new_topic AS topic, title AS topic_title,
                region_code, region_level, period, members,
                old_value, new_value, old_status, new_status, old_mark, new_mark,
                CASE
                    WHEN (old_value IS NULL) <> (new_value IS NULL) THEN 'coverage'
                    WHEN 'unknown' IN (old_status, new_status) THEN 'unstated'
                    WHEN old_status IN ('provisional', 'revised_provisional') THEN 'announced'
                    ELSE 'silent'
                END AS class,
                period IN (FROM new_periods) AS new_period,
                $old AS old_snapshot, $new AS new_snapshot,
                $old_at::TIMESTAMP AS old_retrieved_at, $new_at::TIMESTAMP AS new_retrieved_at
            FROM (
                SELECT
                    number, region_code, period, members,
                    coalesce(n.region_level, o.region_level) AS region_level,
                    o.value AS old_value, n.value AS new_value,
                    o.status AS old_status, n.status AS new_status,
                    o.source_mark AS old_mark, n.source_mark AS new_mark
                FROM older AS o
                {join} JOIN newer AS n USING (number, region_code, period, members)
                WHERE o.value IS DISTINCT FROM n.value
                    OR (o.value IS NOT NULL AND o.status <> n.status)
            )
            JOIN topics USING (number)
            ORDER BY topic, region_code, period, members
        ) TO $out (FORMAT parquet, COMPRESSION zstd)"""
    return query, {
        "table_id": new.table_id,
        "old": old.id,
        "new": new.id,
        "old_at": old.retrieved_at.replace(tzinfo=None),
        "new_at": new.retrieved_at.replace(tzinfo=None),
        "out": str(out),
    }
