"""How CBS's OData v4 lays a table out, over HTTP and in recordings.

Belongs here: which entities describe a table there, their addresses, and whole answers in a folder.
Does not belong here: HTTP (``client``), choosing between v3 and v4 (``sources``), what the entities
mean (``metadata``) and rows (``recording``).

    /odata/v1/CBS/<table>/Properties        one object: the table itself
    /odata/v1/CBS/<table>/Dimensions        and <Dimension>Codes, the members of each
    /odata/v1/CBS/<table>/MeasureCodes      the topics; MeasureGroups, which not every table has
    /odata/v1/CBS/<table>/Observations      one row a figure

Identifiers are case-sensitive there, and codes are not padded.
"""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from monitor.cbs.client import BrokenPage, CbsFault, NotOffered, odata_filter, source_keys
from monitor.cbs.metadata import OBSERVATIONS, word_of
from monitor.cbs.rowfile import RowFileError, read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from monitor.cbs.client import Service
    from monitor.cbs.metadata import TableMeta
    from monitor.cbs.sources import TableRequest

SUFFIX = ".json.gz"
_Entity = list[dict[str, Any]]


class NoObservations(CbsFault):
    """The table is described, and its figures are not there."""

    explanation = "Van deze tabel is alleen de beschrijving er, zonder de cijfers."


def ask4(service: Service, request: TableRequest) -> str:
    """Return the service's word on the state of a table; see ``metadata.word_of``.

    Raises:
        NotOffered: the service does not have the table.
        CbsFault: it gave no usable answer.
    """
    return word_of(_properties(service, request))


def describe4(service: Service, request: TableRequest) -> dict[str, _Entity]:
    """Return the entities that describe a table.

    They are ``Properties`` (one row), ``Dimensions``, ``MeasureCodes``, ``MeasureGroups`` (empty
    where the table has none) and, under the name of each dimension, the rows of ``<name>Codes``.

    Raises:
        NotOffered: the service does not have the table.
        CbsFault: it gave no usable answer.
    """
    table, base = request.table_id, _base(service, request)

    def entity(name: str) -> _Entity:
        address = f"{base}/{quote(name)}"
        answer = service.json(table, address)
        if "@odata.nextLink" in answer:  # a long list of codes: through the loop that turns pages
            pages = service.pages(table, [address], json.loads)
            return [row for _, page in pages for row in _listed(table, name, page)]
        return _listed(table, name, answer)

    return _entities(table, _properties(service, request), entity)


def first_addresses(service: Service, request: TableRequest, meta: TableMeta) -> list[str]:
    """Return where the pages of the wanted observations begin: one address a part.

    Raises:
        UnknownSelection: the table does not have a selected dimension or code.
    """
    base = f"{_base(service, request)}/{OBSERVATIONS}"
    where = odata_filter(source_keys(meta, request.select))
    return [f"{base}?$filter={quote(where)}" if where else base]


def recorded_entities(table_id: str, folder: Path) -> dict[str, _Entity]:
    """Return what ``describe4`` returns, from the whole answers in a folder.

    Raises:
        CbsFault: an entity is not there or damaged.
    """

    def entity(name: str) -> _Entity:
        path = folder / f"{name}{SUFFIX}"
        if not path.is_file():
            raise NotOffered(table_id, f"the recording has no {path.name}")
        return [row for _, row in _rows(table_id, path)]

    path = folder / f"Properties{SUFFIX}"
    try:
        properties = json.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BrokenPage(table_id, f"{path.name} can't be read: {error}") from error
    return _entities(table_id, properties, entity)


def recorded_rows(table_id: str, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each recorded observation as its own JSON text and decoded, page by page in order.

    Raises:
        NoObservations: the recording has the description only.
        BrokenPage: a page is damaged.
    """
    pages = sorted(
        folder.glob(f"{OBSERVATIONS}.*{SUFFIX}"), key=lambda path: path.name.split(".")[1].zfill(9)
    )
    if not pages:
        raise NoObservations(
            table_id,
            f"the recording has no {OBSERVATIONS}.1{SUFFIX}, only what describes the table. "
            "Record its observations too.",
        )
    for path in pages:
        yield from _rows(table_id, path)


def _base(service: Service, request: TableRequest) -> str:
    if request.host != "cbs":
        raise NotOffered(request.table_id, "OData v4 offers CBS's own tables only")
    return f"{service.address4()}/odata/v1/CBS/{quote(request.table_id)}"


def _properties(service: Service, request: TableRequest) -> dict[str, Any]:
    return service.json(request.table_id, f"{_base(service, request)}/Properties")


def _entities(
    table_id: str, properties: dict[str, Any], entity: Callable[[str], _Entity]
) -> dict[str, _Entity]:
    entities = {"Properties": [properties]}
    try:
        entities["Dimensions"] = entity("Dimensions")
        entities["MeasureCodes"] = entity("MeasureCodes")
        for row in entities["Dimensions"]:
            match row:
                # In another form it can't be asked for; what is wrong with it ``build_meta`` tells.
                case {"Identifier": str(key)} if key:
                    entities[key] = entity(f"{key}Codes")
    except NotOffered as error:
        # The table is there: to lack a part of it is another matter than to lack the table.
        raise BrokenPage(table_id, error.detail) from error
    try:
        entities["MeasureGroups"] = entity("MeasureGroups")
    except NotOffered:
        entities["MeasureGroups"] = []
    return entities


def _listed(table_id: str, name: str, answer: dict[str, Any]) -> _Entity:
    rows = answer.get("value")
    if not isinstance(rows, list):
        raise BrokenPage(table_id, f"{name} has no list of rows, 'value'")
    return rows


def _rows(table_id: str, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        yield from read_rows(path)
    except RowFileError as error:
        raise BrokenPage(table_id, str(error)) from error
