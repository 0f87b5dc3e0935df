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
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

from monitor.cbs import odata4
from monitor.cbs.client import AT_ONCE, RETRIES, TIMEOUT, Host, Service
from monitor.cbs.failures import BrokenPage, NoMarks, NoObservations, NotOffered, ServiceError
from monitor.cbs.metadata import DIMENSION_KINDS, OBSERVATIONS, ROWS
from monitor.cbs.rowfile import RowFileError, read_object, read_rows
from monitor.cbs.selection import addresses, source_keys
from monitor.errors import TableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from monitor.cbs.metadata import Row, TableMeta

PAGE_ROWS = 10_000
"""Rows a page, as CBS's feed has them."""

_SUFFIX = ".json.gz"
_FIRST: Mapping[Literal["v3", "v4"], str] = {"v3": "TableInfos", "v4": "Properties"}
"""The entity by which a recorded table is known."""
_CONTEXTS: Mapping[str, str] = {
    ROWS: f'"odata.metadata":"$metadata#Cbs.OData.WebAPI.{ROWS}"',
    OBSERVATIONS: f'"@odata.context":"$metadata#{OBSERVATIONS}"',
}
_T = TypeVar("_T")


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
        """Return the gzipped page that an interrupted fetch left of an address, in any thread."""

    def parse(self, page: bytes) -> Any:
        """Read the rows of a page (JSON with its envelope), in any thread; raises TableError.

        What it returns is for ``take``: a source does not look into it.
        """

    def take(self, packed: bytes, rows: Any, address: str | None = None) -> None:
        """Take a page (gzipped) and the rows that ``parse`` read in it, in order.

        Where a page was asked stands in ``address``: by it ``had`` finds it again.
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

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(pair for found in pool.map(word, requests) for pair in found)


class CbsService(_ManyAtOnce):
    """CBS's OData service: v3, and v4 for what v3 does not offer, or as a request says."""

    def __init__(self, service: Service, label: str = "cbs", *, partial: bool = False) -> None:
        self.label = label
        self.partial = partial
        self._service = service

    def ask(self, request: TableRequest) -> str:
        """Return the table's date of modification; see ``Source``."""
        return self._offered(request, _ask3, odata4.ask4)

    def describe(self, request: TableRequest) -> dict[str, list[dict[str, Any]]]:
        """See ``Source``."""
        return self._offered(request, _describe3, odata4.describe4)

    def fetch(self, request: TableRequest, into: Intake) -> TableMeta:
        """See ``Source``."""
        service, table = self._service, request.table_id
        meta = into.describe(self.describe(request))
        if meta.odata == "v4":
            begins = odata4.first_addresses(service, request, meta)
        else:
            keys = source_keys(meta, request.select)
            begins = addresses(service.rows_address(table, request.host), keys)
        stated = None if request.select else meta.rows_stated
        for page, rows in service.pages(table, begins, into.parse, had=into.had, rows=stated):
            into.take(page.packed, rows, page.address)
        return meta

    def _offered(
        self,
        request: TableRequest,
        in_v3: Callable[[Service, TableRequest], _T],
        in_v4: Callable[[Service, TableRequest], _T],
    ) -> _T:
        """Return what the version of the service gives that has the table."""
        if request.odata == "v4" and request.host != "cbs":
            raise ServiceError(
                request.table_id,
                f"OData v4 of the host '{request.host}' is not known: ask v3, without 'odata'",
            )
        if request.odata == "v4":
            return in_v4(self._service, request)
        try:
            return in_v3(self._service, request)
        except NotOffered:
            if request.odata == "v3" or request.host != "cbs":
                raise
            return in_v4(self._service, request)


def _ask3(service: Service, request: TableRequest) -> str:
    return str(service.info(request.table_id, request.host).get("Modified"))


def _describe3(service: Service, request: TableRequest) -> dict[str, list[dict[str, Any]]]:
    table, host = request.table_id, request.host
    infos = [service.info(table, host)]
    return _entities(table, infos, lambda name: service.entity(table, name, host))


class Recordings(_ManyAtOnce):
    """A folder of recordings: ``<table>/<Entity>.json.gz``, in it or one level deeper.

    A page of an entity is ``<Entity>.<n>.json.gz``. A file holds a JSON array of rows, bare or in
    the envelope of CBS's answer. Of a table recorded as OData v3 (``TableInfos``) and as v4
    (``Properties``), v3 is given unless v4 is asked for. Other files (``provenance.json``) are not
    read. Gives what ``monitor replay`` gives over HTTP for the same folder.

    Raises:
        UsageError: there is no such folder, or it has no recordings.
    """

    def __init__(self, path: Path, label: str | None = None, *, partial: bool = True) -> None:
        self._path = path
        if not any(map(self._tables, _FIRST.values())):
            problem = "has no recordings" if path.is_dir() else "does not exist"
            raise UsageError(
                f"The source {path} {problem}. Give 'cbs', 'sample', an address (http://host:port) "
                f"or a folder with <table>/TableInfos{_SUFFIX} (OData v4: Properties{_SUFFIX}) "
                "and the table's other entities."
            )
        self.label = label or _path_label(path)
        self.partial = partial

    def ask(self, request: TableRequest) -> str:
        """Return a digest of the table's files: of every recording that can make a difference."""
        digest = hashlib.sha256()
        for file in sorted(self._table(request)[0].glob(f"*{_SUFFIX}")):
            if file.name != f"TypedDataSet{_SUFFIX}":
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                digest.update(f"{file.name} {content}\n".encode())
        return f"sha256:{digest.hexdigest()}"

    def describe(self, request: TableRequest) -> dict[str, list[dict[str, Any]]]:
        """See ``Source``."""
        table_id = request.table_id
        folder, odata = self._table(request)

        def entity(name: str) -> list[dict[str, Any]]:
            return [row for _, row in self._rows(table_id, folder, name)]

        if odata == "v4":
            try:
                properties = read_object(folder / f"Properties{_SUFFIX}")
            except RowFileError as error:
                raise BrokenPage(table_id, str(error)) from error
            return odata4.entities(table_id, properties, entity)
        return _entities(table_id, entity("TableInfos"), entity)

    def fetch(self, request: TableRequest, into: Intake) -> TableMeta:
        """See ``Source``."""
        meta = into.describe(self.describe(request))
        keys = source_keys(meta, request.select)
        folder, _ = self._table(request)
        if not self._files(folder, meta.rows_entity):
            lacks = f"the recording has no {meta.rows_entity}"
            if meta.odata == "v4":
                raise NoObservations(request.table_id, f"{lacks}, only what describes the table")
            raise NoMarks(
                request.table_id,
                f"{lacks}, and TypedDataSet does not tell a missing value's mark. Record that "
                "entity too.",
            )
        texts = (
            text
            for text, row in self._rows(request.table_id, folder, meta.rows_entity)
            if all(row.get(dimension) in wanted for dimension, wanted in keys.items())
        )
        for page in _pages(texts, _CONTEXTS[meta.rows_entity]):
            into.take(gzip.compress(page, 1, mtime=0), into.parse(page))
        return meta

    def _table(self, request: TableRequest) -> tuple[Path, Literal["v3", "v4"]]:
        """Return the folder of a table, and as which version of OData it holds the table."""
        for odata, name in _FIRST.items():
            for path in self._tables(name) if request.odata in (odata, None) else ():
                # As CBS's v3, which does not mind the case of an identifier.
                if path.parent.name.lower() == request.table_id.lower():
                    return path.parent, odata
        wanted = f" as OData {request.odata}" if request.odata else ""
        raise NotOffered(request.table_id, f"not among the recordings in {self._path.name}{wanted}")

    def _tables(self, first: str) -> list[Path]:
        """Return the files of the entity by which a recorded table is known."""
        return sorted(
            path for depth in ("*", "*/*") for path in self._path.glob(f"{depth}/{first}{_SUFFIX}")
        )

    @staticmethod
    def _files(folder: Path, name: str) -> list[Path]:
        """Return the files of an entity: one, or its pages in order."""
        number = re.compile(re.escape(name) + r"(?:\.(\d+))?" + re.escape(_SUFFIX))
        found = {path: number.fullmatch(path.name) for path in folder.iterdir()}
        pages = {path: int(match[1] or -1) for path, match in found.items() if match}
        return sorted(pages, key=lambda path: pages[path])

    @staticmethod
    def _rows(table_id: str, folder: Path, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        files = Recordings._files(folder, name)
        if not files:
            raise NotOffered(table_id, f"the recording has no {name}{_SUFFIX}")
        try:
            for file in files:
                yield from read_rows(file)
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
    timeout: float = TIMEOUT,
    retries: int = RETRIES,
    at_once: int = AT_ONCE,
) -> CbsService | Recordings:
    """Return the source that a person named.

    Args:
        spec: ``cbs``, ``sample``, an address ``http://host:port``, or the path of a folder.
        sample: the folder with the recordings of the sample.
        cbs_url: an address to ask in CBS's place, for the source ``cbs``; what it answers is kept
            apart from what CBS answers.
        timeout: see ``client.Service``.
        retries: see ``client.Service``.
        at_once: see ``client.Service``.

    Raises:
        UsageError: ``spec`` is none of these, or the folder has no recordings.
    """
    if spec == "sample":
        return Recordings(sample, "voorbeelddata", partial=False)
    if spec == "cbs" or re.match("https?://", spec):
        address = cbs_url if spec == "cbs" else spec
        service = Service(address, timeout=timeout, retries=retries, at_once=at_once)
        label = _address_label(address) if address else "cbs"
        return CbsService(service, label, partial=spec != "cbs")
    return Recordings(Path(spec).expanduser())


def _entities(
    table_id: str, infos: list[dict[str, Any]], entity: Callable[[str], list[dict[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    """Return the entities that describe a table; which are its dimensions, its properties tell."""
    entities = {"TableInfos": infos}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        groups = pool.submit(entity, "CategoryGroups")
        try:
            entities["DataProperties"] = properties = entity("DataProperties")
            dimensions = []
            for row in properties:
                match row:
                    # In another form it can't be asked for; what is wrong ``build_meta`` tells.
                    case {"Type": str(kind), "Key": str(key)} if key and kind in DIMENSION_KINDS:
                        dimensions.append(key)
            entities |= zip(dimensions, pool.map(entity, dimensions), strict=True)
        except NotOffered as error:
            # The table is there: to lack a part of it is another matter than to lack the table.
            raise BrokenPage(table_id, error.detail) from error
        try:
            entities["CategoryGroups"] = groups.result()
        except NotOffered:
            entities["CategoryGroups"] = []  # No figure depends on it.
    return entities


def _pages(rows: Iterable[str], context: str) -> Iterator[bytes]:
    """Cut rows in pages, in an envelope as CBS's; without rows there is one page without rows."""
    page: list[str] = []
    first = True
    for row in rows:
        page.append(row)
        if len(page) == PAGE_ROWS:
            yield _envelope(page, context)
            page, first = [], False
    if page or first:
        yield _envelope(page, context)


def _envelope(rows: list[str], context: str) -> bytes:
    return ("{" + context + ',"value":[\n' + ",\n".join(rows) + "\n]}").encode()


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
