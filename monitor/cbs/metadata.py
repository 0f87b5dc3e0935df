"""What a table says about itself: its topics, dimensions and their members.

Belongs here: reading the metadata entities of OData v3 and v4 (pure: rows in, objects out).
Does not belong here: fetching them (``client``), the figures (``recording``, ``observations``) and
judging a reference that matches no topic or many (``monitor.indicators``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
"""``DataProperties.Type`` (v4: ``Dimensions.Kind``) -> kind. Dimensions are known by it, not by
their name."""

ROWS = "UntypedDataSet"
"""The rows of v3: the entity that keeps the mark of a missing value. TypedDataSet has null only."""
OBSERVATIONS = "Observations"
"""The rows of v4: one a figure, with the reason why one is missing."""

_TEXTS = ("ShortDescription", "Summary", "Description", "ExplanatoryText", "LongDescription")
_Form = Mapping[str, type[str] | type[int]]
_TABLE: _Form = dict.fromkeys(("Identifier", "Title", "Period", "Modified", "Source"), str)
_PROPERTY: _Form = {
    **dict.fromkeys(("Key", "Type", "Title", "Datatype", "Unit", "Default", "Description"), str),
    **dict.fromkeys(("ID", "ParentID", "Position", "MapYear", "Decimals"), int),
}
_MEMBER: _Form = dict.fromkeys(("Key", "Title", "Status", "Description"), str)
_TABLE4: _Form = {
    **dict.fromkeys(("Identifier", "Title", "TemporalCoverage", "Source"), str),
    **dict.fromkeys(("Modified", "ObservationsModified"), str),
    "ObservationCount": int,
}
_DIMENSION4: _Form = dict.fromkeys(("Identifier", "Kind", "Title"), str)
_MEASURE4: _Form = {
    **dict.fromkeys(("Identifier", "Title", "MeasureGroupId", "DataType"), str),
    **dict.fromkeys(("Unit", "Description"), str),
    **dict.fromkeys(("Index", "Decimals"), int),
}
_GROUP4: _Form = dict.fromkeys(("Id", "Title", "ParentId"), str)
_MEMBER4: _Form = dict.fromkeys(("Identifier", "Title", "Status", "Description"), str)
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
        raw: the whole row as it came (a region's ``Description`` holds its history); one of v4
            has its ``Identifier`` as ``Key`` too, as v3 calls it.
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
        key: the column's name, e.g. ``AantalInwoners_5``; in v4 the code of the measure.
        stem: the key without its suffix number; in v4 the whole code, because ``D000198_1`` and
            ``D000198_2`` are different things there.
        title: trimmed.
        path: titles of the groups it is in and its own, trimmed, outermost first.
        unit: the unit with its scale; of a text topic never scaled.
        decimals: number of decimals that CBS shows.
        numeric: whether it holds figures (Datatype is not ``String``).
        default: CBS's word on an absent row: ``Impossible``, ``Missing`` or empty, as in v4.
        description: CBS's text.
        grouped: ``path`` is whole; false where the topic is in a group that is not described.
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
    grouped: bool = True


@dataclass(frozen=True)
class TableMeta:
    """What a table says about itself.

    Attributes:
        table_id: ``Identifier`` of TableInfos (v4: Properties).
        title: trimmed.
        period: ``TableInfos.Period`` (v4: ``TemporalCoverage``): ``2020``, ``1988-2026`` or empty.
        modified: ``TableInfos.Modified`` as CBS writes it (v4: see ``word_of``).
        synthetic: generated figures, whatever served them: never to be passed off as CBS's.
        definitive_by_default: the text says that figures are definitive unless a topic says not.
        topics: in the order of their position.
        dimensions: in the order of their position; v4 gives none: regions and periods come last.
        infos: the row of TableInfos (v4: Properties) as it came.
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
    def rows_stated(self) -> int | None:
        """The number of rows that CBS states for the whole table, where it states one."""
        stated = self.infos.get("RecordCount" if self.odata == "v3" else "ObservationCount")
        return stated if isinstance(stated, int) and stated > 0 else None

    @property
    def rows_entity(self) -> str:
        """The entity that holds the rows: one a combination of members (v3) or a figure (v4)."""
        return ROWS if self.odata == "v3" else OBSERVATIONS

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
                a space: who types a title can't see the difference. Where groups are not known
                (not every v4 table has them recorded), the last title of a path must do.
        """
        if isinstance(ref, str):
            return [topic for topic in self.topics if topic.stem.casefold() == ref.casefold()]
        path = _plain(ref)
        return [
            topic
            for topic in self.topics
            if _plain(topic.path) == (path if topic.grouped else path[-1:])
        ]


def _plain(path: Sequence[str]) -> list[str]:
    return [" ".join(title.split()) for title in path]


def build_meta(entities: Mapping[str, Sequence[Row]]) -> TableMeta:
    """Read the metadata of a table.

    Args:
        entities: rows by the name of their entity. v3: ``TableInfos`` (one row), ``DataProperties``
            and each dimension. v4: ``Properties`` (one row), ``Dimensions``, ``MeasureCodes``,
            ``MeasureGroups`` and, under the name of each dimension, its ``<name>Codes``.

    Raises:
        MetadataError: something is absent, doubled, of an unknown Type or in another form.
        UnknownUnitError: a numeric topic's unit has a scale that is not known.
    """
    return _build4(entities) if "Properties" in entities else _build3(entities)


def _build3(entities: Mapping[str, Sequence[Row]]) -> TableMeta:
    table_id, infos = _infos(entities, "TableInfos", _TABLE)
    properties = entities.get("DataProperties", ())
    _require_form(table_id, "DataProperties", properties, _PROPERTY)
    properties = sorted(properties, key=_position)
    by_id = {row.get("ID"): row for row in properties}
    topics, dimensions = [], []
    for row in properties:
        kind = row.get("Type")
        if kind == "Topic":
            topics.append(_topic(row, group_path(row, by_id), table_id, "DataProperties"))
        elif kind in DIMENSION_KINDS:
            members = entities.get(row.get("Key") or "")
            dimensions.append(_dimension(row, members, _MEMBER, table_id, "DataProperties"))
        elif kind != "TopicGroup":
            raise MetadataError(
                table_id, f"DataProperties: unknown Type {kind!r} of {row.get('Key')!r}"
            )
    return _meta(table_id, infos, topics, dimensions, "DataProperties needs")


def _build4(entities: Mapping[str, Sequence[Row]]) -> TableMeta:
    table_id, infos = _infos(entities, "Properties", _TABLE4)
    forms = {"Dimensions": _DIMENSION4, "MeasureCodes": _MEASURE4, "MeasureGroups": _GROUP4}
    for name, form in forms.items():
        _require_form(table_id, name, entities.get(name, ()), form)
    groups = {row.get("Id"): row for row in entities.get("MeasureGroups", ())}
    topics = []
    for row in sorted(entities.get("MeasureCodes", ()), key=_position):
        topic = _topic(_as_v3(row), group_path(row, groups), table_id, "MeasureCodes")
        group = row.get("MeasureGroupId")
        topics.append(replace(topic, stem=topic.key, grouped=group is None or group in groups))
    dimensions = []
    for row in entities.get("Dimensions", ()):
        if row.get("Kind") not in DIMENSION_KINDS:
            what = f"unknown Kind {row.get('Kind')!r} of {row.get('Identifier')!r}"
            raise MetadataError(table_id, f"Dimensions: {what}")
        members = entities.get(row.get("Identifier") or "")
        dimensions.append(_dimension(_as_v3(row), members, _MEMBER4, table_id, "Dimensions"))
    # As CBS serves them; what is served says no position.
    dimensions.sort(key=lambda d: (("other", "geo", "time").index(d.kind), d.key))
    meta = _meta(table_id, infos, topics, dimensions, "MeasureCodes and Dimensions need")
    period = clean(infos.get("TemporalCoverage"))
    return replace(meta, period=period, modified=word_of(infos), odata="v4")


def word_of(properties: Row) -> str:
    """Return when a v4 table last changed: its observations or the rest of it, the later of both.

    Statuses and titles change without observations, so ``ObservationsModified`` alone won't do.
    """
    moments = [properties.get(key) for key in ("ObservationsModified", "Modified")]
    return max((clean(moment) for moment in moments if isinstance(moment, str)), default="")


def _as_v3(row: Row) -> Row:
    """Return a row of v4 with the names that v3 has for the same things besides."""
    year = row.get("MapYear")
    return {
        **row,
        "Key": row.get("Identifier"),
        "Type": row.get("Kind"),
        "Datatype": row.get("DataType"),
        # Written as text, and empty where there is none.
        "MapYear": int(year) if isinstance(year, str) and year.isdecimal() else year or None,
    }


def _infos(entities: Mapping[str, Sequence[Row]], name: str, form: _Form) -> tuple[str, Row]:
    match entities.get(name):
        case [Mapping() as infos]:
            _require_form(str(infos.get("Identifier")), name, [infos], form)
            return clean(infos.get("Identifier")), infos
        case _:
            raise MetadataError("?", f"{name} does not have exactly one row")


def _meta(
    table_id: str, infos: Row, topics: list[Topic], dimensions: list[Dimension], needed: str
) -> TableMeta:
    keys = [topic.key for topic in topics] + [dimension.key for dimension in dimensions]
    if len(keys) != len(set(keys)) or not topics or not dimensions:
        raise MetadataError(table_id, f"{needed} topics and dimensions, each once; it has {keys}")
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
                name = row.get("Key", row.get("Identifier"))
                raise MetadataError(
                    table_id, f"{entity}, row {name!r}: {key} {cell!r} is not {what}"
                )


def _position(row: Row) -> tuple[bool, int, str]:
    """Order by position, so that the order in which rows are served makes no difference."""
    position = row.get("Position", row.get("Index"))
    return position is None, position or 0, row.get("Key") or row.get("Identifier") or ""


_PARENTS = ("ParentID", "MeasureGroupId", "ParentId")
"""What the group is called that a row of DataProperties, MeasureCodes or MeasureGroups is in."""


def group_path(row: Row, by_id: Mapping[Any, Row]) -> tuple[str, ...]:
    """Return the titles of the groups a row of DataProperties or MeasureCodes is in.

    The outermost comes first. A group that is not among the rows (in a selected recording) is left
    out.
    """
    path: list[str] = []
    while len(path) < len(by_id):
        above = next((row[key] for key in _PARENTS if row.get(key) is not None), None)
        parent = by_id.get(above)
        if above is None or parent is None:
            break
        path.insert(0, clean(parent.get("Title")))
        row = parent
    return tuple(path)


def _topic(row: Row, groups: tuple[str, ...], table_id: str, entity: str) -> Topic:
    key, datatype, title = row.get("Key"), row.get("Datatype"), clean(row.get("Title"))
    if not key or not datatype:
        raise MetadataError(table_id, f"{entity}: topic {title!r} lacks a Key or a Datatype")
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


def _dimension(
    row: Row, rows: Sequence[Row] | None, form: _Form, table_id: str, entity: str
) -> Dimension:
    key, map_year = row.get("Key"), row.get("MapYear")
    if not key:
        raise MetadataError(table_id, f"{entity}: a {row['Type']} without a Key")
    if map_year is not None and map_year not in _YEARS:
        raise MetadataError(table_id, f"{entity}, row {key!r}: MapYear {map_year} is no year")
    if rows is None:
        raise MetadataError(table_id, f"the entity of dimension {key} is not there")
    _require_form(table_id, key, rows, form)
    if form is _MEMBER4:
        rows = [{**member, "Key": member.get("Identifier")} for member in rows]
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
