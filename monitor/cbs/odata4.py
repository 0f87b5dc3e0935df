"""How CBS's OData v4 lays a table out.

Belongs here: which entities describe a table there, and their addresses.
Does not belong here: HTTP (``client``), recordings and choosing between v3 and v4 (``sources``),
what the entities mean (``metadata``) and rows (``recording``).

    /odata/v1/CBS/<table>/Properties        one object: the table itself
    /odata/v1/CBS/<table>/Dimensions        and <Dimension>Codes, the members of each
    /odata/v1/CBS/<table>/MeasureCodes      the topics; MeasureGroups, which not every table has
    /odata/v1/CBS/<table>/Observations      one row a figure

Identifiers are case-sensitive there, and codes are not padded.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from monitor.cbs.failures import BrokenPage, NotOffered
from monitor.cbs.metadata import OBSERVATIONS, word_of
from monitor.cbs.selection import addresses, source_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.cbs.client import Service
    from monitor.cbs.metadata import TableMeta
    from monitor.cbs.sources import TableRequest

_Entity = list[dict[str, Any]]


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
            pages = service.pages(table, [address], lambda page: _parsed(table, page))
            return [row for _, rows in pages for row in rows]
        return _listed(table, answer)

    return entities(table, _properties(service, request), entity)


def first_addresses(service: Service, request: TableRequest, meta: TableMeta) -> list[str]:
    """Return where the pages of the wanted observations begin: one address a part.

    Raises:
        UnknownSelection: the table does not have a selected dimension or code.
    """
    return addresses(f"{_base(service, request)}/{OBSERVATIONS}", source_keys(meta, request.select))


def _base(service: Service, request: TableRequest) -> str:
    return f"{service.address4()}/odata/v1/CBS/{quote(request.table_id)}"


def _properties(service: Service, request: TableRequest) -> dict[str, Any]:
    return service.json(request.table_id, f"{_base(service, request)}/Properties")


def entities(
    table_id: str, properties: dict[str, Any], entity: Callable[[str], _Entity]
) -> dict[str, _Entity]:
    """Return what ``describe4`` returns.

    Args:
        table_id: CBS's identifier.
        properties: the object of ``Properties``.
        entity: gives the rows of an entity; raises NotOffered where there is none.

    Raises:
        BrokenPage: an entity is not there that every table has.
        CbsFault: from ``entity``.
    """
    found = {"Properties": [properties]}
    try:
        found["Dimensions"] = entity("Dimensions")
        found["MeasureCodes"] = entity("MeasureCodes")
        for row in found["Dimensions"]:
            match row:
                # In another form it can't be asked for; what is wrong with it ``build_meta`` tells.
                case {"Identifier": str(key)} if key:
                    found[key] = entity(f"{key}Codes")
    except NotOffered as error:
        # The table is there: to lack a part of it is another matter than to lack the table.
        raise BrokenPage(table_id, error.detail) from error
    try:
        found["MeasureGroups"] = entity("MeasureGroups")
    except NotOffered:
        found["MeasureGroups"] = []
    return found


def _parsed(table_id: str, page: bytes) -> _Entity:
    try:
        return _listed(table_id, json.loads(page))
    except ValueError as error:
        raise BrokenPage(table_id, f"a page of codes that is not JSON: {error}") from error


def _listed(table_id: str, answer: dict[str, Any]) -> _Entity:
    rows = answer.get("value")
    if not isinstance(rows, list):
        context = answer.get("@odata.context")
        raise BrokenPage(table_id, f"an answer without a list of rows, 'value': {context}")
    return rows
