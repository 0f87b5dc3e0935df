"""What a table says about itself: its topics, dimensions and their members.

Belongs here: reading the metadata entities (pure: rows in, objects out).
Does not belong here: fetching them (``client``), the figures (``recording``, ``observations``) and
judging a reference that matches no topic or many (``monitor.indicators``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from monitor.cbs.text import clean, stem
from monitor.cbs.units import Unit, parse_unit
from monitor.errors import TableError

Row = Mapping[str, Any]
DimensionKind = Literal["geo", "time", "other"]

DIMENSION_KINDS: Mapping[str, DimensionKind] = {
    "GeoDimension": "geo",
    "GeoDetail": "geo",
    "TimeDimension": "time",
    "Dimension": "other",
}
"""``DataProperties.Type`` of a dimension -> kind. Dimensions are known by it, not by their name."""

_TEXTS = ("ShortDescription", "Summary", "Description", "ExplanatoryText")
_Form = Mapping[str, type[str] | type[int]]
_TABLE: _Form = dict.fromkeys(("Identifier", "Title", "Period", "Modified", "Source"), str)
_PROPERTY: _Form = {
    **dict.fromkeys(("Key", "Type", "Title", "Datatype", "Unit", "Default", "Description"), str),
    **dict.fromkeys(("ID", "ParentID", "Position", "MapYear", "Decimals"), int),
}
_MEMBER: _Form = dict.fromkeys(("Key", "Title", "Status", "Description"), str)
_YEARS = range(1000, 3000)
"""Those that a period code can have."""


class MetadataError(TableError):
    """The metadata of a table does not have the form that CBS's tables have."""

    explanation = (
        "De beschrijving die CBS bij de tabel geeft, is onvolledig of heeft een nieuwe vorm."
    )


@dataclass(frozen=True)
class Member:
    """One member of a dimension.

    Attributes:
        code: the trimmed key.
        source_key: the key as CBS pads it, for filters.
        title: trimmed; the code where CBS left the title blank.
        status: CBS's word for the status of a period, trimmed; None where it gives none.
        raw: the whole row as it came (a region's ``Description`` holds its history).
    """

    code: str
    source_key: str
    title: str
    status: str | None
    raw: Row


@dataclass(frozen=True)
class Dimension:
    """A dimension, with its members by trimmed code; ``map_year`` is a region division's year."""

    key: str
    title: str
    kind: DimensionKind
    map_year: int | None
    members: Mapping[str, Member]


@dataclass(frozen=True)
class Topic:
    """A column with figures or, where ``numeric`` is false, with text.

    Attributes:
        key: the column's name, e.g. ``AantalInwoners_5``.
        stem: the key without its suffix number.
        title: trimmed.
        path: titles of the groups it is in and its own, trimmed, outermost first.
        unit: the unit with its scale; of a text topic never scaled.
        decimals: number of decimals that CBS shows.
        numeric: whether it holds figures (Datatype is not ``String``).
        default: CBS's word on an absent row: ``Impossible``, ``Missing`` or empty.
        description: CBS's text.
    """

    key: str
    stem: str
    title: str
    path: tuple[str, ...]
    unit: Unit
    decimals: int
    numeric: bool
    default: str
    description: str


@dataclass(frozen=True)
class TableMeta:
    """What a table says about itself.

    Attributes:
        table_id: ``TableInfos.Identifier``.
        title: trimmed.
        period: ``TableInfos.Period``: ``2020``, ``1988-2026`` or empty.
        modified: ``TableInfos.Modified`` as CBS writes it.
        synthetic: generated figures, whatever served them: never to be passed off as CBS's.
        definitive_by_default: the text says that figures are definitive unless a topic says not.
        topics: in the order of their position.
        dimensions: in the order of their position.
        infos: the row of TableInfos as it came.
        odata: the version of CBS's service that described the table.
    """

    table_id: str
    title: str
    period: str
    modified: str
    synthetic: bool
    definitive_by_default: bool
    topics: tuple[Topic, ...]
    dimensions: tuple[Dimension, ...]
    infos: Row
    odata: Literal["v3", "v4"] = "v3"

    @property
    def rows_entity(self) -> str:
        """The entity with the rows; archived pages bear its name."""
        return "Observations" if self.odata == "v4" else "UntypedDataSet"

    @property
    def rows_stated(self) -> int | None:
        """The number of rows that CBS states for the whole table, where it states one."""
        stated = self.infos.get("RecordCount")
        return stated if isinstance(stated, int) and stated > 0 else None

    @property
    def geo(self) -> Dimension:
        """The one dimension of regions; MetadataError where there is none or more than one."""
        found = self._of_kind("geo")
        if len(found) != 1:
            raise MetadataError(
                self.table_id, f"needs one dimension of regions, has {[d.key for d in found]}"
            )
        return found[0]

    @property
    def time(self) -> Dimension | None:
        """The dimension of periods, or None; MetadataError where there is more than one."""
        found = self._of_kind("time")
        if len(found) > 1:
            raise MetadataError(
                self.table_id, f"more than one dimension of periods: {[d.key for d in found]}"
            )
        return found[0] if found else None

    @property
    def others(self) -> tuple[Dimension, ...]:
        """The dimensions that are neither of regions nor of periods."""
        return self._of_kind("other")

    def _of_kind(self, kind: DimensionKind) -> tuple[Dimension, ...]:
        return tuple(d for d in self.dimensions if d.kind == kind)

    def find_topic(self, ref: str | Sequence[str]) -> list[Topic]:
        """Return all topics that a reference matches; the caller judges none and many.

        Args:
            ref: a stem (``AantalInwoners``), or the whole path of group titles and title. Case
                makes no difference in a stem: CBS writes NettoArbeidsparticipatie in one year's
                table and Nettoarbeidsparticipatie in the next. In a title a no-break space equals
                a space: who types a title can't see the difference.
        """
        if isinstance(ref, str):
            return [topic for topic in self.topics if topic.stem.casefold() == ref.casefold()]
        path = _plain(ref)
        return [topic for topic in self.topics if _plain(topic.path) == path]


def _plain(path: Sequence[str]) -> list[str]:
    return [" ".join(title.split()) for title in path]


def build_meta(entities: Mapping[str, Sequence[Row]]) -> TableMeta:
    """Read the metadata of a table.

    Args:
        entities: rows of ``TableInfos`` (one), ``DataProperties`` and of each dimension, by name.

    Raises:
        MetadataError: something is absent, doubled, of an unknown Type or in another form.
        UnknownUnitError: a numeric topic's unit has a scale that is not known.
    """
    match entities.get("TableInfos"):
        case [Mapping() as infos]:
            _require_form(str(infos.get("Identifier")), "TableInfos", [infos], _TABLE)
            table_id = clean(infos.get("Identifier"))
        case _:
            raise MetadataError("?", "TableInfos does not have exactly one row")
    properties = entities.get("DataProperties", ())
    _require_form(table_id, "DataProperties", properties, _PROPERTY)
    properties = sorted(properties, key=_position)
    by_id = {row.get("ID"): row for row in properties}
    topics, dimensions = [], []
    for row in properties:
        kind = row.get("Type")
        if kind == "Topic":
            topics.append(_topic(row, group_path(row, by_id), table_id))
        elif kind in DIMENSION_KINDS:
            dimensions.append(_dimension(row, entities, table_id))
        elif kind != "TopicGroup":
            raise MetadataError(
                table_id, f"DataProperties: unknown Type {kind!r} of {row.get('Key')!r}"
            )
    keys = [topic.key for topic in topics] + [dimension.key for dimension in dimensions]
    if len(keys) != len(set(keys)) or not topics or not dimensions:
        raise MetadataError(
            table_id, f"DataProperties needs topics and dimensions, each once; it has {keys}"
        )
    text = " ".join(" ".join(str(infos.get(key) or "") for key in _TEXTS).split()).lower()
    return TableMeta(
        table_id=table_id,
        title=clean(infos.get("Title")),
        period=clean(infos.get("Period")),
        modified=clean(infos.get("Modified")),
        synthetic="synthetisch" in clean(infos.get("Source")).lower(),
        definitive_by_default="definitief, tenzij" in text,
        topics=tuple(topics),
        dimensions=tuple(dimensions),
        infos=infos,
    )


def _require_form(table_id: str, entity: str, rows: Sequence[Row], form: _Form) -> None:
    """Refuse cells that are neither null nor what they should be; a bool is no number."""
    for row in rows:
        if not isinstance(row, Mapping):
            raise MetadataError(table_id, f"{entity}: {row!r} is no row")
        for key, kind in form.items():
            cell = row.get(key)
            if cell is not None and type(cell) is not kind:
                what = "text" if kind is str else "a whole number"
                raise MetadataError(
                    table_id, f"{entity}, row {row.get('Key')!r}: {key} {cell!r} is not {what}"
                )


def _position(row: Row) -> tuple[bool, int, str]:
    """Order by position, so that the order in which rows are served makes no difference."""
    position = row.get("Position")
    return position is None, position or 0, row.get("Key") or ""


def group_path(row: Row, by_id: Mapping[Any, Row]) -> tuple[str, ...]:
    """Return the titles of the groups a row of DataProperties is in, outermost first.

    A group that is not among the rows (in a selected recording) is left out.
    """
    path: list[str] = []
    while row.get("ParentID") is not None and len(path) < len(by_id):
        parent = by_id.get(row["ParentID"])
        if parent is None:
            break
        path.insert(0, clean(parent.get("Title")))
        row = parent
    return tuple(path)


def _topic(row: Row, groups: tuple[str, ...], table_id: str) -> Topic:
    key, datatype, title = row.get("Key"), row.get("Datatype"), clean(row.get("Title"))
    if not key or not datatype:
        raise MetadataError(table_id, f"DataProperties: topic {title!r} lacks a Key or a Datatype")
    numeric = datatype != "String"
    unit = clean(row.get("Unit"))
    return Topic(
        key=key,
        stem=stem(key),
        title=title,
        path=(*groups, title),
        unit=parse_unit(unit, table_id, key) if numeric else Unit(unit, 1, unit),
        decimals=row.get("Decimals") or 0,
        numeric=numeric,
        default=clean(row.get("Default")),
        description=row.get("Description") or "",
    )


def _dimension(row: Row, entities: Mapping[str, Sequence[Row]], table_id: str) -> Dimension:
    key, map_year = row.get("Key"), row.get("MapYear")
    if not key:
        raise MetadataError(table_id, f"DataProperties: a {row['Type']} without a Key")
    if map_year is not None and map_year not in _YEARS:
        raise MetadataError(table_id, f"DataProperties, row {key!r}: MapYear {map_year} is no year")
    rows = entities.get(key)
    if rows is None:
        raise MetadataError(table_id, f"the entity of dimension {key} is not there")
    _require_form(table_id, key, rows, _MEMBER)
    for member in rows:
        if not clean(member.get("Key")):
            raise MetadataError(table_id, f"{key}: member {member.get('Title')!r} without a Key")
    members = [
        Member(
            code=clean(member["Key"]),
            source_key=member["Key"],
            title=clean(member.get("Title")) or clean(member["Key"]),
            status=clean(member.get("Status")) or None,
            raw=member,
        )
        for member in rows
    ]
    by_code = {member.code: member for member in members}
    if len(by_code) != len(members):
        codes = [member.code for member in members]
        twice = min(code for code in codes if codes.count(code) > 1)
        raise MetadataError(table_id, f"dimension {key} has member {twice!r} more than once")
    return Dimension(
        key=key,
        title=clean(row.get("Title")),
        kind=DIMENSION_KINDS[row["Type"]],
        map_year=map_year,
        members=by_code,
    )
