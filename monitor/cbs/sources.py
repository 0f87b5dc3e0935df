"""Where tables come from: CBS itself, an address that takes its place, or recordings in a folder.

Belongs here: the small protocol by which sources are exchangeable, and its implementations.
Does not belong here: HTTP (``client``), and what becomes of an answer (``ingest``).

A source hands an answer to an ``Intake``: first all that describes the table, then the rows page by
page. So nothing is held that the next table or a table of any size would find in its way.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import urlsplit

from monitor.cbs.client import (
    ROWS,
    BrokenPage,
    Host,
    NoMarks,
    NotOffered,
    Service,
    odata_filter,
    source_keys,
)
from monitor.cbs.metadata import DIMENSION_KINDS
from monitor.cbs.rowfile import RowFileError, read_rows
from monitor.errors import TableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from monitor.cbs.metadata import Row, TableMeta

PAGE_ROWS = 10_000
"""Rows a page, as CBS's feed has them."""

_AT_ONCE = 4
_SUFFIX = ".json.gz"


@dataclass(frozen=True)
class TableRequest:
    """What the definitions need of a table.

    Attributes:
        table_id: CBS's identifier.
        period: ``2018`` of a table without a time dimension, from its series; else None.
        select: dimension -> trimmed member codes; a dimension that is absent is wanted whole.
        host: where the table is published.
        odata: the version of CBS's service to ask; None is v3, and v4 for what v3 does not offer.
    """

    table_id: str
    period: str | None = None
    select: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    host: Host = "cbs"
    odata: Literal["v3", "v4"] | None = None


class Intake(Protocol):
    """Takes one table's answer in."""

    def describe(self, entities: Mapping[str, Sequence[Row]]) -> TableMeta:
        """Take the metadata and dimensions, before any row; raises TableError if they won't do."""

    def had(self, address: str) -> bytes | None:
        """Return the page (gzipped) that an interrupted fetch had from this address, if it did."""

    def parse(self, page: bytes) -> Any:
        """Read the rows of a page (JSON with its envelope), in any thread; raises TableError.

        What it returns is for ``take``: a source does not look into it.
        """

    def take(self, packed: bytes, rows: Any, address: str | None = None) -> None:
        """Take a page (gzipped) and the rows that ``parse`` read in it, in order.

        With its address, a next fetch need not ask it again should this one be interrupted.
        """


class Source(Protocol):
    """Where tables come from.

    Attributes:
        label: names the working folder of what came from this source; never published.
        partial: the source holds what someone collected, so a table or topic that it lacks says
            nothing about CBS.
    """

    label: str
    partial: bool

    def ask(self, request: TableRequest) -> str:
        """Return the source's word on the state of a table; another word, perhaps another content.

        Raises:
            NotOffered: the source does not have the table.
            TableError: it gave no usable answer.
        """

    def describe(self, request: TableRequest) -> dict[str, list[dict[str, Any]]]:
        """Return the entities that describe a table, without its rows; raises as ``fetch``."""

    def fetch(self, request: TableRequest, into: Intake) -> TableMeta:
        """Hand a table over; returns what it says about itself.

        Raises:
            NotOffered: the source does not have the table.
            TableError: it gave no usable answer, or ``into`` could not use it.
        """

    def modified(self, requests: Iterable[TableRequest]) -> dict[str, str | None]:
        """Return ``ask`` of many tables: None for one that the source does not have.

        A table that the source gave no usable answer on is left out.
        """


class _ManyAtOnce:
    """``modified`` by means of ``ask``, a few tables at once."""

    def ask(self, request: TableRequest) -> str:
        raise NotImplementedError

    def modified(self, requests: Iterable[TableRequest]) -> dict[str, str | None]:
        """See ``Source``."""

        def word(request: TableRequest) -> list[tuple[str, str | None]]:
            try:
                return [(request.table_id, self.ask(request))]
            except NotOffered:
                return [(request.table_id, None)]
            except TableError:
                return []

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return dict(pair for found in pool.map(word, requests) for pair in found)


class CbsService(_ManyAtOnce):
    """CBS's OData v3 service."""

    def __init__(self, service: Service, label: str = "cbs", *, partial: bool = False) -> None:
        self.label = label
        self.partial = partial
        self._service = service

    def ask(self, request: TableRequest) -> str:
        """Return ``TableInfos.Modified``; see ``Source``."""
        return str(self._service.info(request.table_id, request.host).get("Modified"))

    def describe(self, request: TableRequest) -> dict[str, list[dict[str, Any]]]:
        """See ``Source``."""
        table, host = request.table_id, request.host
        infos = [self._service.info(table, host)]
        return _entities(table, infos, lambda name: self._service.entity(table, name, host))

    def fetch(self, request: TableRequest, into: Intake) -> TableMeta:
        """See ``Source``."""
        table, host = request.table_id, request.host
        meta = into.describe(self.describe(request))
        where = odata_filter(source_keys(meta, request.select))
        for page, rows in self._service.rows(table, into.parse, where, host):
            into.take(page.packed, rows)
        return meta


class Recordings(_ManyAtOnce):
    """A folder of recordings: ``<table>/<Entity>.json.gz``, each a bare JSON array of rows.

    Other files in it (``provenance.json``) are not read. Gives what ``monitor replay`` gives over
    HTTP for the same folder.

    Raises:
        UsageError: there is no such folder, or it has no recordings.
    """

    def __init__(self, path: Path, label: str | None = None, *, partial: bool = True) -> None:
        if not any(path.glob(f"*/TableInfos{_SUFFIX}")):
            problem = "has no recordings" if path.is_dir() else "does not exist"
            raise UsageError(
                f"The source {path} {problem}. Give 'cbs', 'sample', an address (http://host:port) "
                f"or a folder with <table>/TableInfos{_SUFFIX} and the table's other entities."
            )
        self.label = label or _path_label(path)
        self.partial = partial
        self._path = path

    def ask(self, request: TableRequest) -> str:
        """Return a digest of the table's files: of every recording that can make a difference."""
        digest = hashlib.sha256()
        for file in sorted(self._table(request.table_id).glob(f"*{_SUFFIX}")):
            if file.name != f"TypedDataSet{_SUFFIX}":
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                digest.update(f"{file.name} {content}\n".encode())
        return f"sha256:{digest.hexdigest()}"

    def describe(self, request: TableRequest) -> dict[str, list[dict[str, Any]]]:
        """See ``Source``."""
        table_id = request.table_id
        folder = self._table(table_id)

        def entity(name: str) -> list[dict[str, Any]]:
            return [row for _, row in self._rows(table_id, folder, name)]

        return _entities(table_id, entity("TableInfos"), entity)

    def fetch(self, request: TableRequest, into: Intake) -> TableMeta:
        """See ``Source``."""
        table = request.table_id
        folder = self._table(table)
        meta = into.describe(self.describe(request))
        keys = source_keys(meta, request.select)
        if not (folder / f"{ROWS}{_SUFFIX}").is_file():
            raise NoMarks(
                table,
                f"the recording has no {ROWS}, and TypedDataSet does not tell a missing value's "
                "mark. Record that entity too.",
            )
        texts = (
            text
            for text, row in self._rows(table, folder, ROWS)
            if all(row.get(dimension) in wanted for dimension, wanted in keys.items())
        )
        for page in _pages(texts):
            into.take(gzip.compress(page, 1, mtime=0), into.parse(page))
        return meta

    def _table(self, table_id: str) -> Path:
        # As CBS's service, which does not mind the case of an identifier.
        for folder in self._path.iterdir():
            if folder.name.lower() == table_id.lower():
                if (folder / f"TableInfos{_SUFFIX}").is_file():
                    return folder
                break
        raise NotOffered(table_id, f"not among the recordings in {self._path.name}")

    @staticmethod
    def _rows(table_id: str, folder: Path, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        path = folder / f"{name}{_SUFFIX}"
        if not path.is_file():
            raise NotOffered(table_id, f"the recording has no {path.name}")
        try:
            yield from read_rows(path)
        except RowFileError as error:
            raise BrokenPage(table_id, str(error)) from error


def page_of(table_id: str, host: Host = "cbs") -> str:
    """Return the page where people see a table: StatLine, or the feed of a third party's table."""
    if host == "derden":
        return f"https://dataderden.cbs.nl/ODataApi/OData/{table_id}"
    return f"https://opendata.cbs.nl/statline/#/CBS/nl/dataset/{table_id}/table"


def open_source(
    spec: str,
    sample: Path,
    *,
    cbs_url: str | None = None,
    timeout: float = 60.0,
    retries: int = 4,
) -> CbsService | Recordings:
    """Return the source that a person named.

    Args:
        spec: ``cbs``, ``sample``, an address ``http://host:port``, or the path of a folder.
        sample: the folder with the recordings of the sample.
        cbs_url: an address to ask in CBS's place, for the source ``cbs``; what it answers is kept
            apart from what CBS answers.
        timeout: see ``client.Service``.
        retries: see ``client.Service``.

    Raises:
        UsageError: ``spec`` is none of these, or the folder has no recordings.
    """
    if spec == "sample":
        return Recordings(sample, "voorbeelddata", partial=False)
    if spec == "cbs":
        label = _address_label(cbs_url) if cbs_url else "cbs"
        return CbsService(Service(cbs_url, timeout=timeout, retries=retries), label)
    if re.match("https?://", spec):
        service = Service(spec, timeout=timeout, retries=retries)
        return CbsService(service, _address_label(spec), partial=True)
    return Recordings(Path(spec).expanduser())


def _entities(
    table_id: str, infos: list[dict[str, Any]], entity: Callable[[str], list[dict[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    """Return the entities that describe a table; which are its dimensions, its properties tell."""
    entities = {"TableInfos": infos}
    try:
        entities["DataProperties"] = properties = entity("DataProperties")
        for row in properties:
            match row:
                # In another form it can't be asked for; what is wrong with it ``build_meta`` tells.
                case {"Type": str(kind), "Key": str(key)} if key and kind in DIMENSION_KINDS:
                    entities[key] = entity(key)
    except NotOffered as error:
        # The table is there: to lack a part of it is another matter than to lack the table.
        raise BrokenPage(table_id, error.detail) from error
    try:
        entities["CategoryGroups"] = entity("CategoryGroups")
    except NotOffered:
        entities["CategoryGroups"] = []  # No figure depends on it.
    return entities


def _pages(rows: Iterable[str]) -> Iterator[bytes]:
    """Cut rows in pages, in an envelope as CBS's; without rows there is one page without rows."""
    page: list[str] = []
    first = True
    for row in rows:
        page.append(row)
        if len(page) == PAGE_ROWS:
            yield _envelope(page)
            page, first = [], False
    if page or first:
        yield _envelope(page)


def _envelope(rows: list[str]) -> bytes:
    head = f'{{"odata.metadata":"$metadata#Cbs.OData.WebAPI.{ROWS}","value":[\n'
    return (head + ",\n".join(rows) + "\n]}").encode()


def _address_label(address: str) -> str:
    """Return host and port; where there is no port the scheme, so that no host is named ``cbs``."""
    parts = urlsplit(address)
    place = parts.netloc.rpartition("@")[2]
    return _slug(place if ":" in place else f"{place}-{parts.scheme}")


def _path_label(path: Path) -> str:
    place = path.resolve()
    return f"{_slug(place.name)}-{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"


def _slug(text: str) -> str:
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-") or "source"
