"""What CBS answered, kept as it came: the memory of the monitor.

Belongs here: snapshots on disk (pages verbatim and ``manifest.json``), writing one so that nothing
half is ever seen, reading it back.
Does not belong here: asking CBS (``client``, ``sources``), judging whether a table is usable
(``ingest``), and what the identity of a content is (``recording``).

    <archive>/<table>/<retrieved at>-<id>/<Entity>.<n>.json.gz   a snapshot: one folder, immutable
    <archive>/<table>/<retrieved at>-<id>/manifest.json      names sort by the order of commits
    <archive>/<table>/asked.json                  when the source last gave its word, and which
    <archive>/<table>/described.json     what it since says of itself, the content being the same
    <archive>/<table>/.refused/                   the newest answer that was not usable
    <archive>/<table>/.fetching/                  the answer that is coming in, or was interrupted
    <archive>/<table>/.writing-<random>/          working files of one process, or left by a crash

``.fetching`` has a journal of its pages beside them, by which an interrupted fetch goes on. Every
beginning of the journal is a journal, and every page is compared with its digest before use.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import re
import shutil
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.cbs.metadata import ROWS, TableMeta, build_meta
from monitor.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from monitor.cbs.metadata import Row

MANIFEST = "manifest.json"
_ASKED = "asked.json"
_DESCRIBED = "described.json"
_REFUSED = ".refused"
_FETCHING = ".fetching"
_JOURNAL = "pages.ndjson"
_WRITING = ".writing-"
_ID_LENGTH = 16
_MOMENT = "%Y%m%dT%H%M%SZ"
_FOLDER = re.compile(r"(?P<moment>\d{8}T\d{6}Z)(\.(?P<number>\d+))?-.*")
_NAME = re.compile(r"[A-Za-z0-9_-]+")


class ArchiveError(TableError):
    """A snapshot that is in the archive can't be read back as it was written."""

    explanation = "De bewaarde gegevens van deze tabel zijn beschadigd."

    def __init__(self, path: Path, problem: object) -> None:
        detail = f"{path}: {problem}. Remove its folder, and the table is asked anew."
        super().__init__(path.parent.parent.name, detail)


@dataclass(frozen=True)
class Selection:
    """What was asked for. Outside it nothing may be inferred from an absence.

    Attributes:
        select: dimension -> trimmed member codes; a dimension that is absent was asked whole.
        partial: the source itself holds only what someone collected.
    """

    select: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    partial: bool = False


@dataclass(frozen=True)
class Asked:
    """The last time that a source gave its word on a table.

    Attributes:
        at: UTC.
        modified: the source's word on when (or what) it last changed.
        snapshot: name of the folder of the snapshot that held that content.
    """

    at: datetime
    modified: str | None
    snapshot: str


@dataclass(frozen=True)
class Snapshot:
    """One content of a table, as it was answered.

    Attributes:
        table_id: CBS's identifier.
        id: the first 16 hex digits of ``identity``.
        identity: SHA-256 of the content (``recording.identity``).
        folder: where its pages are.
        retrieved_at: UTC.
        modified: the source's word on when (or what) it last changed.
        selection: what was asked for.
        rows: number of rows of data.
        shape: ``shape.fingerprint`` of what the table said of itself; None in an older snapshot.
        rows_entity: the entity that has them.
    """

    table_id: str
    id: str
    identity: str
    folder: Path
    retrieved_at: datetime
    modified: str | None
    selection: Selection
    rows: int
    rows_entity: str = ROWS
    shape: str | None = None

    def pages(self, entity: str | None = None) -> Iterator[bytes]:
        """Yield the JSON text of each page of an entity (the rows), envelope included, in order.

        Raises:
            ArchiveError: a page is gone, damaged or changed.
        """
        for page in _read_manifest(self.folder)["pages"]:
            if page["file"].partition(".")[0] == (entity or self.rows_entity):
                path = self.folder / page["file"]
                try:
                    packed = path.read_bytes()
                except OSError as error:
                    raise ArchiveError(path, error) from error
                if hashlib.sha256(packed).hexdigest() != page["sha256"]:
                    raise ArchiveError(path, "not the bytes that were archived")
                yield gzip.decompress(packed)

    def entities(self) -> dict[str, list[Row]]:
        """Return the rows of every entity but the data.

        Raises:
            ArchiveError: see ``pages``.
        """
        names = dict.fromkeys(
            page["file"].partition(".")[0] for page in _read_manifest(self.folder)["pages"]
        )
        return {
            name: [row for page in self.pages(name) for row in json.loads(page)["value"]]
            for name in names
            if name != self.rows_entity
        }

    def meta(self) -> TableMeta:
        """Return what the table said about itself.

        Raises:
            ArchiveError: see ``pages``.
            TableError: this version of the monitor can't read it.
        """
        return build_meta(self.entities())


class Archive:
    """The snapshots under one folder; see the module for their layout."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def snapshots(self, table_id: str) -> list[Snapshot]:
        """Return a table's snapshots that can be read, oldest first."""
        return [*_readable(self._folder(table_id))][::-1]

    def snapshot(self, table_id: str, name: str) -> Snapshot | None:
        """Return the snapshot in the folder ``name``, None where none can be read there."""
        with suppress(ArchiveError):
            return _snapshot(self._folder(table_id) / name)
        return None

    def latest(self, table_id: str) -> Snapshot | None:
        """Return the newest of ``snapshots``, the one committed last, or None."""
        return next(_readable(self._folder(table_id)), None)

    def as_of(self, table_id: str, moment: datetime) -> Snapshot | None:
        """Return the snapshot committed last of those retrieved at ``moment`` or before, or None.

        Args:
            table_id: CBS's identifier.
            moment: timezone-aware.
        """
        known = [found for found in self.snapshots(table_id) if found.retrieved_at <= moment]
        return known[-1] if known else None

    def damaged(self, table_id: str) -> list[ArchiveError]:
        """Return what is wrong with the snapshots that can't be read, newest first."""
        found = _found(self._folder(table_id))
        return [damaged for damaged in found if isinstance(damaged, ArchiveError)]

    def asked(self, table_id: str) -> Asked | None:
        """Return when the source last gave its word on a table, or None."""
        try:
            found = json.loads((self._folder(table_id) / _ASKED).read_bytes())
            at = datetime.fromisoformat(found["at"])
            return Asked(at, found["modified"], found["snapshot"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # Lost or damaged: the table is asked again.

    def note_asked(self, table_id: str, asked: Asked) -> None:
        """Remember ``asked``."""
        table = self._folder(table_id)
        word = {
            "at": asked.at.isoformat(),
            "modified": asked.modified,
            "snapshot": asked.snapshot,
        }
        _note(table / _ASKED, word)

    def described(self, snapshot: Snapshot, until: datetime) -> Row | None:
        """Return the newest TableInfos since a snapshot whose content stayed the same, or None.

        CBS marks a table as stopped without touching its figures.
        """
        try:
            found = json.loads((snapshot.folder.parent / _DESCRIBED).read_bytes())
            if found["snapshot"] == snapshot.folder.name and (
                datetime.fromisoformat(found["at"]) <= until
            ):
                return dict(found["infos"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # None, or lost: the snapshot has its own.
        return None

    def note_described(self, snapshot: Snapshot, infos: Row, at: datetime) -> None:
        """Remember what ``described`` returns."""
        found = {"at": at.isoformat(), "snapshot": snapshot.folder.name, "infos": dict(infos)}
        _note(snapshot.folder.parent / _DESCRIBED, found)

    def refused(self, table_id: str) -> TableMeta | None:
        """Return what the newest answer that was refused says of itself, where that is legible."""
        folder = self._folder(table_id) / _REFUSED
        nobody = Snapshot(table_id, "", "", folder, datetime.now(UTC), None, Selection(), 0)
        with suppress(TableError):
            return nobody.meta()
        return None

    @contextmanager
    def writer(self, table_id: str) -> Iterator[SnapshotWriter]:
        """Spool an answer in a folder beside the snapshots; only ``commit`` makes it one of them.

        What is neither committed, refused nor discarded stays, for ``SnapshotWriter.resume``.
        While another process fetches the same table this one starts anew, in a folder of its own.
        """
        table = self._folder(table_id)
        with scratch(table, _FETCHING) as folder:
            writer = SnapshotWriter(table_id, table, folder)
            try:
                yield writer
            finally:
                writer.leave()

    def _folder(self, table_id: str) -> Path:
        return self._root / _safe(table_id, table_id)


class SnapshotWriter:
    """One answer on its way into the archive.

    Attributes:
        scratch: a folder for working files, which are removed with the writer.
    """

    def __init__(self, table_id: str, table: Path, scratch: Path) -> None:
        self.scratch = scratch
        self._table_id = table_id
        self._table = table
        self._folder = scratch / "snapshot"
        self._journal = scratch / _JOURNAL
        self.leave()  # Of a process that was killed, its working files.
        self._folder.mkdir(exist_ok=True)
        self._pages: list[dict[str, Any]] = []
        self._rows_entity = ROWS
        self._rows = 0
        self._data_pages = 0
        self._lines: list[str] = []
        self._left: dict[str, tuple[str, str]] = {}
        self._intact: set[str] = set()

    def entity(self, name: str, rows: Sequence[Row]) -> None:
        """Keep a metadata or dimension entity, of which cbsodata gives the rows only."""
        text = json.dumps({"value": rows}, ensure_ascii=False, separators=(",", ":"))
        packed = gzip.compress(text.encode(), 6, mtime=0)
        page = _page(f"{_safe(name, self._table_id)}.0.json.gz", packed, len(rows))
        (self._folder / page["file"]).write_bytes(packed)
        self._pages.append(page)

    def resume(self, key: str, rows_entity: str = ROWS) -> None:
        """Go on with what an interrupted fetch left, if that was of exactly the same.

        Args:
            key: what was asked, and the source's word; the entities kept so far count as well.
            rows_entity: the entity that has the rows.
        """
        self._rows_entity = rows_entity
        described = [(page["file"], page["sha256"]) for page in self._pages]
        digest = hashlib.sha256(repr((key, rows_entity, described)).encode()).hexdigest()
        self._lines = [json.dumps({"key": digest}) + "\n"]
        try:
            first, *lines = self._journal.read_text().splitlines(keepends=True)
        except (OSError, ValueError):
            first, lines = "", []
        for number, line in enumerate(lines if first == self._lines[0] else []):
            try:
                page = dict(json.loads(line))
                if not line.endswith("\n") or page["file"] != self._page_name(number):
                    break
                self._left[page["address"]] = page["file"], page["sha256"]
            except (KeyError, TypeError, ValueError):
                break
            self._lines.append(line)
        self._rewrite()

    def had(self, address: str) -> bytes | None:
        """Return the page (gzipped) that an interrupted fetch left of an address; for any thread.

        None where there is none that is whole.
        """
        name, digest = self._left.get(address, ("", ""))
        try:
            packed = (self._folder / name).read_bytes() if name else b""
        except OSError:
            return None
        if hashlib.sha256(packed).hexdigest() != digest:
            return None
        self._intact.add(address)
        return packed

    def page(self, packed: bytes, rows: int, address: str | None = None) -> int:
        """Keep one page of data, gzipped, as it came; returns the number of rows so far.

        With its address it can be had again, should the fetch be interrupted.
        """
        page = _page(self._page_name(self._data_pages), packed, rows)
        line = json.dumps({"address": address, **page}) + "\n"
        place = self._data_pages + 1
        if address not in self._intact or self._lines[place : place + 1] != [line]:
            if place < len(self._lines):  # The fetch takes another way from here on.
                del self._lines[place:]
                self._left.clear()
                self._rewrite()
            (self._folder / page["file"]).write_bytes(packed)
            if address is not None:
                with self._journal.open("a") as journal:
                    journal.write(line)
                self._lines.append(line)
        self._pages.append(page)
        self._data_pages += 1
        self._rows += rows
        return self._rows

    def discard(self) -> None:
        """Throw the answer away: it brings nothing new, or can't be trusted."""
        self._journal.unlink(missing_ok=True)

    def commit(
        self,
        identity: str,
        retrieved_at: datetime,
        modified: str | None,
        selection: Selection,
        shape: str | None = None,
    ) -> Snapshot:
        """Make the answer a snapshot, durably and in one step.

        Where another process was first with the same content, that is the snapshot.

        Args:
            identity: SHA-256 of the content.
            retrieved_at: the moment it counts from.
            modified: the source's word on when it last changed.
            selection: what was asked for.
            shape: ``shape.fingerprint`` of its description.
        """
        self._finish(
            identity=identity,
            retrieved_at=retrieved_at.astimezone(UTC).isoformat(),
            modified=modified,
            selection={
                "select": {key: list(codes) for key, codes in sorted(selection.select.items())},
                "partial": selection.partial,
            },
            shape=shape,
        )
        moment = retrieved_at.astimezone(UTC).strftime(_MOMENT)
        with _locked(self._table, wait=True):
            newest = next(_readable(self._table), None)
            if newest and (newest.identity, newest.selection) == (identity, selection):
                folder = newest.folder
            else:
                folder = self._table / f"{self._place_after_all(moment)}-{identity[:_ID_LENGTH]}"
                self._folder.rename(folder)
                flush(self._table)
        self.discard()
        return _snapshot(folder)

    def refuse(self, reason: str) -> None:
        """Keep the answer out of the snapshots but at hand, for a person to look at."""
        self._finish(refused=reason)
        shutil.rmtree(self._table / _REFUSED, ignore_errors=True)
        self._folder.rename(self._table / _REFUSED)
        self.discard()

    def _place_after_all(self, moment: str) -> str:
        """Return the begin of a name that sorts last, even if the clock stood still or went back.

        So the order of names is the order of commits; a number ("-" < ".") breaks a tie.
        """
        names = sorted(path.name for path in self._table.iterdir())
        newest = [match for name in names if (match := _FOLDER.fullmatch(name))][-1:]
        if not newest or newest[0]["moment"] < moment:
            return moment
        return f"{newest[0]['moment']}.{int(newest[0]['number'] or 0) + 1:04}"

    def leave(self) -> None:
        """Remove everything but what ``resume`` goes on with."""
        kept = {self._journal, self._folder} if self._journal.exists() else set()
        for path in set(self.scratch.iterdir()) - kept:
            remove(path)

    def _page_name(self, number: int) -> str:
        return f"{self._rows_entity}.{number}.json.gz"

    def _rewrite(self) -> None:
        """Make journal and folder agree with what is known: any moment of it is a beginning."""
        self._journal.write_text("".join(self._lines))
        named = {page["file"] for page in self._pages}
        named |= {self._page_name(number) for number in range(len(self._lines) - 1)}
        self._remove_all_but(named)

    def _remove_all_but(self, names: AbstractSet[str]) -> None:
        for path in self._folder.iterdir():
            if path.name not in names:
                remove(path)

    def _finish(self, **facts: Any) -> None:
        manifest = {
            "table": self._table_id,
            **facts,
            "rows": self._rows,
            "rows_entity": self._rows_entity,
            "pages": self._pages,
        }
        self._remove_all_but({page["file"] for page in self._pages})
        (self._folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False))
        for path in self._folder.iterdir():
            flush(path)
        flush(self._folder)


def _page(name: str, packed: bytes, rows: int) -> dict[str, Any]:
    digest = hashlib.sha256(packed).hexdigest()
    return {"file": name, "rows": rows, "bytes": len(packed), "sha256": digest}


def _found(table: Path) -> Iterator[Snapshot | ArchiveError]:
    """Yield a table's snapshots, newest first; in the place of a damaged one what it has."""
    for manifest in sorted(table.glob(f"[!.]*/{MANIFEST}"), reverse=True):
        try:
            yield _snapshot(manifest.parent)
        except ArchiveError as error:
            yield error


def _readable(table: Path) -> Iterator[Snapshot]:
    return (found for found in _found(table) if isinstance(found, Snapshot))


def _snapshot(folder: Path) -> Snapshot:
    manifest = _read_manifest(folder)
    try:
        selection = manifest["selection"]
        return Snapshot(
            table_id=manifest["table"],
            id=manifest["identity"][:_ID_LENGTH],
            identity=manifest["identity"],
            folder=folder,
            retrieved_at=datetime.fromisoformat(manifest["retrieved_at"]),
            modified=manifest["modified"],
            selection=Selection(
                {key: tuple(codes) for key, codes in selection["select"].items()},
                selection["partial"],
            ),
            rows=manifest["rows"],
            rows_entity=manifest.get("rows_entity", ROWS),
            shape=manifest.get("shape"),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArchiveError(folder / MANIFEST, f"lacks {error}") from error


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, TypeError, ValueError) as error:
        raise ArchiveError(path, error) from error


def _note(path: Path, note: Mapping[str, Any]) -> None:
    """Write a note in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A folder of its own: two runs may write at the same time.
    with scratch(path.parent) as folder:
        (folder / path.name).write_text(json.dumps(note))
        (folder / path.name).replace(path)


def _safe(name: str, table_id: str) -> str:
    """Return a name of a table or entity, which becomes a name on disk."""
    if not _NAME.fullmatch(name):
        raise TableError(table_id, f"'{name}' is no name of a table or entity of CBS")
    return name


@contextmanager
def scratch(parent: Path, name: str | None = None) -> Iterator[Path]:
    """Hold a folder that no other process works in; what processes that died left is removed.

    Args:
        parent: where; made if need be.
        name: of a folder whose content outlives the process. While another one holds it, and
            without a name, the folder is private and ends with the work in it.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with _locked(parent, wait=True):
            for left in parent.glob(f"{_WRITING}*"):
                with _locked(left) as free:
                    if free:
                        remove(left)
            folder = parent / name if name else None
            if folder:
                folder.mkdir(exist_ok=True)
                if not held.enter_context(_locked(folder)):
                    folder = None
            private = folder is None
            if folder is None:
                folder = Path(tempfile.mkdtemp(prefix=_WRITING, dir=parent))
                held.enter_context(_locked(folder))
        try:
            yield folder
        finally:
            with _locked(parent, wait=True), suppress(OSError):
                remove(folder) if private else folder.rmdir()


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, if it is there and can be removed."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a folder; False if another writer does. Ends with the process, however that ends."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(handle)


def flush(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
