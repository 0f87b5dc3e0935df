"""The embedded sample: recordings generated from the specification in ``data/sample``.

Belongs here: reading that specification, the small model of regions and quantities behind it, and
writing what follows from it in the folder form of a CBS recording.
Does not belong here: any figure (drivers and facts stand in the specification), serving or fetching
the recordings (``monitor.cbs.sources``, ``monitor.cbs.replay``).

Everything follows from hashes of keys and plain arithmetic, and is added up in whole thousandths:
the same specification gives the same rows, whatever the machine. People are modelled in
neighbourhoods; every other area is the sum of its neighbourhoods, rounded only when published.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import groupby
from math import fsum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from monitor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

SPECIFICATION = (
    "sample.yaml",
    "areas.csv",
    "mergers.csv",
    "municipalities.csv",
    "reserved_topics.csv",
)
"""The files that the recordings follow from."""

WIDTH = 8
"""CBS right-aligns numbers and marks to this many positions."""
DOT = ".".rjust(WIDTH)
"""CBS's mark for unknown, confidential or not filled yet."""
BLANK = " " * WIDTH
"""CBS's mark for impossible, or not there yet."""

STATUS_SENTENCE = (
    "Definitief, tenzij in de toelichting bij het onderwerp expliciet is vermeld dat het "
    "voorlopige cijfers betreft."
)
PROVISIONAL_SENTENCE = "Het betreft voorlopige cijfers."

Row = dict[str, Any]
T = TypeVar("T")


# --- The specification ------------------------------------------------------------------------


@dataclass(frozen=True)
class Quantity:
    """How a count comes about and how it is published; explained in ``sample.yaml``."""

    of: str | Mapping[str, float] | None = None
    rate: float = 1.0
    deprivation: float = 0.0
    urbanity: float = 0.0
    drift: float = 0.0
    step: Mapping[int, float] = field(default_factory=dict)
    spread: float = 0.0
    jitter: float = 0.0
    round_to: int | None = None
    hidden_below: int = 0
    flow: bool = False

    @property
    def parts(self) -> Mapping[str, float]:
        """The quantities it is a part of, with their weights; empty for the inhabitants."""
        if self.of is None:
            return {}
        return {self.of: 1.0} if isinstance(self.of, str) else self.of


@dataclass(frozen=True)
class Topic:
    """A topic of one or more tables; exactly one of count, share, value and text says its cells."""

    title: str
    unit: str
    group: Sequence[str] = ()
    count: str | None = None
    share: Sequence[str] | None = None
    value: str | None = None
    text: str | None = None
    times: int = 100
    decimals: int = 0
    width: int = WIDTH
    min: int = 0
    default: str = "Impossible"

    @property
    def datatype(self) -> str:
        """CBS's name for what a cell holds."""
        return "String" if self.text else "Double" if self.decimals else "Long"

    @property
    def presentation(self) -> str:
        """CBS's PresentationType."""
        if self.text:
            return ""
        return "Relative" if self.share or self.unit.startswith("per ") else "Absolute"


class Reserved(NamedTuple):
    """One row of ``reserved_topics.csv``: a topic that tables list and the sample does not fill."""

    stem: str
    title: str
    group: Sequence[str]
    unit: str
    decimals: int
    datatype: str
    width: int
    default: str
    presentation: str
    suffixes: Mapping[str, int]
    """Name of a numbering -> the suffix number in the tables that have it."""


@dataclass(frozen=True)
class Members:
    """A dimension beside region and period; its first member has the rows."""

    title: str
    width: int
    members: Mapping[str, str]

    @cached_property
    def keys(self) -> list[str]:
        """The members' codes as CBS pads them."""
        return [code.ljust(self.width) for code in self.members]


@dataclass(frozen=True)
class Table:
    """A table: its topics with their suffix numbers, and the regions and periods of its rows."""

    form: str
    title: str
    modified: str
    topics: Mapping[str, int]
    reserved: str = ""
    """Column of ``reserved_topics.csv``, for a table of areas that lists those topics too."""
    year: int = 0
    empty: Sequence[str] = ()
    provisional: Sequence[str] = ()
    levels: Sequence[str] = ()
    periods: Mapping[str, str] = field(default_factory=dict)
    half_years: Mapping[str, float] = field(default_factory=dict)
    dimensions: Mapping[str, Members] = field(default_factory=dict)
    history: bool = False


class Municipality(NamedTuple):
    """One row of ``municipalities.csv``."""

    code: str
    name: str
    statline_name: str
    valid_from: str
    valid_to: str
    corop: str
    urbanity: int
    size_class: int

    def exists(self, day: str) -> bool:
        """Whether it exists on a day (ISO)."""
        return self.valid_from <= day and (not self.valid_to or day < self.valid_to)


class Area(NamedTuple):
    """One row of ``areas.csv``."""

    code: str
    title: str
    part_of: str


class Merger(NamedTuple):
    """One row of ``mergers.csv``: a dissolved municipality, or a share of it, goes to another."""

    day: str
    source: str
    target: str
    share: float


@dataclass(frozen=True)
class Specification:
    """All files of the specification, read and cross-checked."""

    source: str
    seed: str
    regions: Mapping[str, Any]
    quantities: Mapping[str, Quantity]
    topics: Mapping[str, Topic]
    reserved: Sequence[Reserved]
    tables: Mapping[str, Table]
    municipalities: Mapping[str, Municipality]
    areas: Mapping[str, Area]
    mergers: Sequence[Merger]

    def reserved_in(self, table: Table) -> list[tuple[int, Reserved]]:
        """The topics that a table lists and the sample does not fill, with their suffix number."""
        return [
            (topic.suffixes[table.reserved], topic)
            for topic in self.reserved
            if table.reserved in topic.suffixes
        ]


def read_specification(folder: Path) -> Specification:
    """Read the specification in a folder.

    Raises:
        UsageError: a file is missing, a key is unknown, or a name refers to nothing.
    """
    import yaml

    try:
        raw = yaml.safe_load((folder / "sample.yaml").read_text(encoding="utf-8"))
        facts = {
            name: _csv(folder / f"{name}.csv")
            for name in ("municipalities", "areas", "mergers", "reserved_topics")
        }
    except FileNotFoundError as error:
        message = f"{error.filename} is missing: {folder} is not a sample specification"
        raise UsageError(message) from error
    spec = Specification(
        source=raw["source"],
        seed=raw["seed"],
        regions=raw["regions"],
        quantities=_each(Quantity, raw["quantities"], "quantities"),
        topics=_each(Topic, raw["topics"], "topics"),
        reserved=[_reserved(row) for row in facts["reserved_topics"]],
        tables=_each(
            Table,
            {
                table_id: {
                    **row,
                    "dimensions": _each(
                        Members, row.get("dimensions", {}), f"{table_id}.dimensions"
                    ),
                }
                for table_id, row in raw["tables"].items()
            },
            "tables",
        ),
        municipalities={row["code"]: _municipality(row) for row in facts["municipalities"]},
        areas={row["code"]: Area(**row) for row in facts["areas"]},
        mergers=[
            Merger(row["date"], row["from"], row["to"], float(row["share"]))
            for row in facts["mergers"]
        ],
    )
    _check(spec)
    return spec


def _each(kind: type[T], rows: Mapping[str, Mapping[str, Any]], where: str) -> dict[str, T]:
    made = {}
    for name, row in rows.items():
        try:
            made[name] = kind(**row)
        except TypeError as error:  # An unknown key, or one that lacks.
            raise UsageError(f"sample.yaml, {where}.{name}: {error}") from error
    return made


def _municipality(row: Mapping[str, str]) -> Municipality:
    return Municipality(
        code=row["code"],
        name=row["name"],
        statline_name=row["statline_name"],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        corop=row["corop"],
        urbanity=int(row["urbanity"]),
        size_class=int(row["size_class"] or 0),
    )


def _reserved(row: Mapping[str, str]) -> Reserved:
    return Reserved(
        stem=row["stem"],
        title=row["title"],
        group=row["group"].split(" > "),
        unit=row["unit"],
        decimals=int(row["decimals"]),
        datatype=row["datatype"],
        width=int(row["width"]),
        default=row["default"],
        presentation=row["presentation"],
        suffixes={
            column: int(suffix)
            for column, suffix in row.items()
            if column not in Reserved._fields and suffix
        },
    )


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def _check(spec: Specification) -> None:
    def known(name: str, names: Iterable[str], where: str) -> None:
        if name not in names:
            message = f"sample.yaml, {where}: {name} is not there; it is one of {', '.join(names)}"
            raise UsageError(message)

    for name, quantity in spec.quantities.items():
        for part in quantity.parts:
            known(part, spec.quantities, f"quantities.{name}.of")
    for name, topic in spec.topics.items():
        for part in [*(topic.share or ()), *([topic.count] if topic.count else ())]:
            known(part, spec.quantities, f"topics.{name}")
        ways = [way for way in (topic.count, topic.share, topic.value, topic.text) if way]
        if len(ways) != 1:
            message = f"sample.yaml, topics.{name}: give one of count, share, value and text"
            raise UsageError(message)
    for table_id, table in spec.tables.items():
        known(table.form, FORMS, f"tables.{table_id}.form")
        for stem in table.topics:
            known(stem, spec.topics, f"tables.{table_id}.topics")
            topic, form = spec.topics[stem], FORMS[table.form]
            if computed := topic.value or topic.text:
                known(computed, form.computed, f"topics.{stem} in a table of form {table.form}")
        for stem in [*table.empty, *table.provisional]:
            known(stem, table.topics, f"tables.{table_id}")
        reserved = spec.reserved_in(table)
        if table.reserved and (not reserved or table.form != "areas"):
            message = f"sample.yaml, tables.{table_id}.reserved: reserved_topics.csv has no column"
            raise UsageError(f"{message} {table.reserved} for a table of form {table.form}")
        stems: dict[int, str] = {}
        for suffix, stem in [
            *((suffix, stem) for stem, suffix in table.topics.items()),
            *((suffix, topic.stem) for suffix, topic in reserved),
        ]:
            if suffix in stems:
                message = f"sample.yaml, tables.{table_id}: {stems[suffix]} and {stem} both"
                raise UsageError(f"{message} have suffix number {suffix}")
            stems[suffix] = stem


# --- The model --------------------------------------------------------------------------------


class Neighbourhood(NamedTuple):
    """Where people live. It keeps its scores when its municipality merges."""

    key: str
    origin: str
    """The municipality that it was in in the first year."""
    inhabitants: float
    """In the first year."""
    growth: float
    """A year."""
    deprivation: float
    """-1 (least) to 1 (most); synthetic."""
    urbanity: float
    """-1 (not urban) to 1 (very strongly urban)."""
    hectares: int


District = list[int]
"""The neighbourhoods of a district, as indices."""
Division = dict[str, list[District]]
"""Municipality -> its districts, on one day."""


class Move(NamedTuple):
    """A merger with the neighbourhoods that moved, and the ones the target had before."""

    merger: Merger
    moved: list[int]
    before: list[int]


class World:
    """Neighbourhoods, the division into municipalities on any day, and every quantity a year."""

    def __init__(self, spec: Specification) -> None:
        self.spec = spec
        self.first_year = int(spec.regions["first_year"])
        self.neighbourhoods: list[Neighbourhood] = []
        self.moves: list[Move] = []
        self._values: dict[tuple[str, int], list[int]] = {}
        start = f"{self.first_year}-01-01"
        settled = {
            municipality.code: self._settle(municipality)
            for municipality in spec.municipalities.values()
            if municipality.exists(start)
        }
        self._divisions: list[tuple[str, Division]] = [(start, settled)]
        self._merge()

    def chance(self, *key: object) -> float:
        """A number from 0 up to 1 that only depends on the seed and the key."""
        text = "|".join(map(str, (self.spec.seed, *key)))
        return int.from_bytes(blake2b(text.encode(), digest_size=6).digest(), "big") / 2**48

    def swing(self, *key: object) -> float:
        """As ``chance``, from -1 up to 1."""
        return 2 * self.chance(*key) - 1

    def _settle(self, municipality: Municipality) -> list[District]:
        """Put the first inhabitants of a municipality in districts and neighbourhoods."""
        regions, code = self.spec.regions, municipality.code
        low, high = regions["inhabitants"][municipality.size_class]
        # Squared: within a class there are more small than large municipalities.
        inhabitants = low + (high - low) * self.chance("size", code) * self.chance("size", code)
        shares = [merger.share for merger in self.spec.mergers if merger.source == code]
        if len(shares) < 2:  # Else it will be split: a district for each part.
            weights = [
                1 + self.chance("district", code, number)
                for number in range(regions["districts"][municipality.size_class])
            ]
            shares = [weight / fsum(weights) for weight in weights]
        urbanity = (3 - municipality.urbanity) / 2
        score = 0.5 * self.swing("deprivation", code) + 0.2 * urbanity
        drivers = regions["growth"]
        growth = drivers["rate"] + drivers["urbanity"] * urbanity
        growth += drivers["spread"] * self.swing("growth", code)
        per_hectare = self.address_density(code, self.first_year) * 0.007
        districts: list[District] = []
        for district, share in enumerate(shares, start=1):
            keys = [
                f"{code}.{district}.{number}"
                for number, _ in enumerate(regions["neighbourhoods"], start=1)
            ]
            sizes = [
                size * (0.5 + self.chance("people", key))
                for size, key in zip(regions["neighbourhoods"], keys, strict=True)
            ]
            if self.chance("empty", keys[-1]) < regions["empty"]:
                sizes[-1] = 0.0
            districts.append([])
            for key, size in zip(keys, sizes, strict=True):
                own = self.swing("deprivation", key)
                districts[-1].append(len(self.neighbourhoods))
                self.neighbourhoods.append(
                    Neighbourhood(
                        key=key,
                        origin=code,
                        inhabitants=inhabitants * share * size / fsum(sizes),
                        growth=growth,
                        deprivation=max(-1.0, min(1.0, score + 0.5 * own)),
                        urbanity=urbanity,
                        hectares=5 + int(inhabitants * share / len(sizes) / per_hectare),
                    )
                )
        return districts

    def _merge(self) -> None:
        """Replay the mergers: the division after each day of mergers, and what moved."""
        districts: Division = {code: list(own) for code, own in self._divisions[0][1].items()}
        for day, mergers in groupby(self.spec.mergers, key=lambda merger: merger.day):
            before = {code: _flat(own) for code, own in districts.items()}
            for merger in mergers:
                source = districts[merger.source]
                moving = source[:] if merger.share == 1 else source[:1]
                del source[: len(moving)]
                # Its own districts keep their numbers; those that it receives come behind them.
                districts.setdefault(merger.target, []).extend(moving)
                self.moves.append(Move(merger, _flat(moving), before.get(merger.target, [])))
            left = {code: list(own) for code, own in districts.items() if own}
            self._divisions.append((day, left))

    def division(self, day: str) -> Division:
        """The municipalities that exist on a day (ISO), with their districts in order of number."""
        return next(division for since, division in reversed(self._divisions) if since <= day)

    def values(self, name: str, year: int) -> list[int]:
        """A quantity in every neighbourhood, in thousandths, so that it adds up exactly.

        Inhabitants and households are those of 1 January, the rest those of that year.
        """
        if (name, year) not in self._values:
            self._values[name, year] = list(self._compute(name, year))
        return self._values[name, year]

    def _compute(self, name: str, year: int) -> Iterator[int]:
        # Chances hang on names and keys, not on positions: a quantity more changes no other.
        quantity, passed = self.spec.quantities[name], year - self.first_year
        jitter = {
            code: (quantity.jitter if quantity.parts else 0.003) * self.swing(name, code, year)
            for code in self._divisions[0][1]
        }
        if not quantity.parts:
            for place in self.neighbourhoods:
                grown = 1 + place.growth * passed + jitter[place.origin]
                yield 1000 * int(place.inhabitants * grown + 0.5)
            return
        columns = [(self.values(part, year), weight) for part, weight in quantity.parts.items()]
        steps = 1 if quantity.round_to == 1 else 1000  # One by one: whole people, nowhere a part.
        trend = quantity.rate * (1 + quantity.drift * passed)
        for since, factor in quantity.step.items():
            trend *= factor if year >= since else 1
        for index, place in enumerate(self.neighbourhoods):
            value = fsum([column[index] * weight for column, weight in columns]) / 1000 * trend
            value *= 1 + quantity.deprivation * place.deprivation
            value *= 1 + quantity.urbanity * place.urbanity
            value *= 1 + jitter[place.origin]
            if quantity.spread:
                value *= 1 + quantity.spread * self.swing(name, place.key)
            yield 1000 // steps * int(value * steps + 0.5)

    def address_density(self, municipality: str, year: int, place: str = "") -> int:
        """Addresses a km2 around an address: within the class of the municipality."""
        urbanity = self.spec.municipalities[municipality].urbanity
        low, high = self.spec.regions["address_density"][urbanity]
        level = 0.05 + 0.75 * self.chance("density", municipality)
        density: float = low + (high - low) * (level + 0.01 * (year - self.first_year))
        if place:
            density *= 0.6 + 0.8 * self.chance("density", place)
        return int(density + 0.5)

    def urbanity_class(self, density: int) -> int:
        """CBS's class of an address density: 1 very strongly urban to 5 not urban."""
        bounds = self.spec.regions["address_density"]
        return next((urban for urban in (1, 2, 3, 4) if density >= bounds[urban][0]), 5)


# --- Figures as CBS publishes them -------------------------------------------------------------


class Counts:
    """One area in one year, or in a part of it, with its figures as CBS would publish them."""

    def __init__(
        self,
        world: World,
        year: int,
        places: Sequence[int],
        *,
        exact: bool,
        period: str = "",
        part: float = 1.0,
    ) -> None:
        """Take the neighbourhoods of an area together.

        Args:
            world: the model.
            year: the year; people are those of its 1 January.
            places: the neighbourhoods, as indices.
            exact: country and municipalities: people one by one; below that they go to fives.
            period: CBS's code, where a year has more periods than one.
            part: the part of a year's flow that the period holds.
        """
        self.world, self.year, self.places = world, year, places
        self.exact, self.period, self.part = exact, period, part
        self._known: dict[str, int] = {}

    def thousandths(self, name: str) -> int:
        """A quantity as it is, before rounding, in thousandths."""
        if name not in self._known:
            column = self.world.values(name, self.year)
            self._known[name] = sum([column[place] for place in self.places])
        return self._known[name]

    @property
    def inhabitants(self) -> int:
        """Everyone, one by one."""
        return self.thousandths("inhabitants") // 1000

    def published(self, name: str) -> int | None:
        """A count as published, or None where it is hidden."""
        quantity, thousandths = self.world.spec.quantities[name], self.thousandths(name)
        if quantity.flow and self.part != 1:
            chance = 1 + 0.03 * self.world.swing(name, self.period)
            thousandths = int(thousandths * self.part * chance)
        number = _rounded(thousandths, 1000) // 1000
        if quantity.hidden_below and number < quantity.hidden_below:
            return None
        one_by_one = 1 if self.exact else 5
        return _rounded(number, one_by_one if quantity.round_to == 1 else quantity.round_to or 1)

    def cell(self, topic: Topic) -> str:
        """The cell of a count or a share: right-aligned text, or the dot."""
        if topic.min and self.inhabitants < topic.min:
            return DOT
        if topic.count:
            number = self.published(topic.count)
            return DOT if number is None else _number(number)
        part, whole = (self.published(name) for name in topic.share or ())
        if part is None or not whole:
            return DOT
        scaled = part * topic.times * 10**topic.decimals
        return _number((2 * scaled + whole) // (2 * whole), topic.decimals)


def _rounded(number: int, to: int) -> int:
    return (2 * number + to) // (2 * to) * to


def _number(scaled: int, decimals: int = 0) -> str:
    """Right-aligned text of a number that is multiplied by 10 ** decimals."""
    if not decimals:
        return str(scaled).rjust(WIDTH)
    whole, rest = divmod(scaled, 10**decimals)
    return f"{whole}.{rest:0{decimals}}".rjust(WIDTH)


# --- Tables -------------------------------------------------------------------------------------


class Recording(NamedTuple):
    """The entities of one table."""

    rows: list[Row]
    dimensions: dict[str, list[Row]]


def _areas_table(world: World, table: Table) -> Recording:
    """A table of Kerncijfers: country, municipalities, districts and neighbourhoods of one year."""
    spec, year = world.spec, table.year
    division = world.division(f"{year}-01-01")
    columns = [
        (f"{stem}_{suffix}", stem, spec.topics[stem]) for stem, suffix in table.topics.items()
    ]
    # In the order of the suffix numbers; the dots of the reserved topics are in it already.
    cells = [(suffix, f"{stem}_{suffix}", DOT) for stem, suffix in table.topics.items()]
    cells += [
        (suffix, f"{topic.stem}_{suffix}", ".".rjust(topic.width))
        for suffix, topic in spec.reserved_in(table)
    ]
    unfilled = {key: dot for _, key, dot in sorted(cells)}
    members: list[Row] = []
    rows: list[Row] = []
    densities = {code: world.address_density(code, year) for code in division}

    def add(
        code: str, title: str, kind: str, municipality: str, places: list[int], density: int
    ) -> None:
        is_country = not municipality
        name = title if is_country else spec.municipalities[municipality].name
        about = f"{title} ({code}), {name}" if len(code) > 6 else f"{title} ({code})"
        members.append(
            {
                "Key": code.ljust(10),
                "Title": title,
                "Description": None if is_country else f"{about}, voorbeeld",
                "Municipality": municipality,
                "DetailRegionCode": "" if is_country else code,
            }
        )
        counts = Counts(world, year, places, exact=len(code) <= 6)
        texts = {"municipality": name, "kind": kind, "code": code}
        values = {"urbanity": world.urbanity_class(density), "address_density": density}
        row: Row = {"ID": len(rows), "WijkenEnBuurten": code.ljust(10), **unfilled}
        for key, stem, topic in columns:
            if topic.text:
                row[key] = texts[topic.text].ljust(topic.width)
            elif stem in table.empty:
                row[key] = DOT
            elif topic.value:
                lived_in = counts.inhabitants >= topic.min
                row[key] = _number(values[topic.value]) if lived_in else DOT
            else:
                row[key] = counts.cell(topic)
        rows.append(row)

    everyone = list(range(len(world.neighbourhoods)))
    inhabitants = world.values("inhabitants", year)
    weighed = sum(
        inhabitants[place] * densities[code]
        for code, districts in division.items()
        for place in _flat(districts)
    )
    country = spec.areas["NL01"]
    add("NL00", country.title, "Land", "", everyone, weighed // sum(inhabitants))
    for code in sorted(division, key=lambda code: (spec.municipalities[code].name, code)):
        name, digits, districts = spec.municipalities[code].name, code[2:], division[code]
        add(code, name, "Gemeente", code, _flat(districts), densities[code])
        for number, places in enumerate(districts, start=1):
            district = f"{digits}{number:02}"
            density = world.address_density(code, year, f"{code}.{number}")
            add(f"WK{district}", f"Wijk {number:02}", "Wijk", code, places, density)
            for index, place in enumerate(places, start=1):
                density = world.address_density(code, year, world.neighbourhoods[place].key)
                title = f"Buurt {number:02}{index:02}"
                add(f"BU{district}{index:02}", title, "Buurt", code, [place], density)
    return Recording(rows, {"WijkenEnBuurten": members})


def _regions_table(world: World, table: Table) -> Recording:
    """A table of regions by period, with a row for every region and period, blank or not."""
    spec = world.spec
    columns = [
        (f"{stem}_{suffix}", stem, spec.topics[stem]) for stem, suffix in table.topics.items()
    ]
    years = sorted({int(period[:4]) for period in table.periods})
    places = {
        (year, day): _places(world, f"{year}-{day}") for year in years for day in ("01-01", "12-31")
    }
    by_title = sorted(spec.municipalities, key=lambda code: (_title(spec, code), code))
    regions = [
        code
        for code in [*spec.areas, *by_title]
        if code[:2] in table.levels and any(code in places[year, "01-01"] for year in years)
    ]
    history = _history(world) if table.history else {}

    def average(region: str, year: int) -> str:
        """Of the inhabitants on 1 January and on 31 December, in the division of those days."""
        if year == years[-1]:
            return BLANK
        now, then = world.values("inhabitants", year), world.values("inhabitants", year + 1)
        total = sum(now[place] for place in places[year, "01-01"].get(region, ()))
        total += sum(then[place] for place in places[year, "12-31"].get(region, ()))
        return _number(total // 200, 1)  # The half, with a decimal.

    fixed = {key: members.keys[0] for key, members in table.dimensions.items()}
    rows: list[Row] = []
    for region in regions:
        for period in table.periods:
            year = int(period[:4])
            here = places[year, "01-01"].get(region)
            row: Row = {"ID": len(rows), **fixed, "RegioS": region.ljust(6), "Perioden": period}
            part = table.half_years.get(period[4:], 1.0)
            counts = Counts(world, year, here or [], exact=True, period=period, part=part)
            for key, stem, topic in columns:
                if not here:
                    row[key] = BLANK
                elif stem in table.empty:
                    row[key] = DOT
                elif topic.value:
                    row[key] = average(region, year)
                else:
                    row[key] = counts.cell(topic)
            rows.append(row)
    dimensions = {
        key: [
            _member(code, title)
            for code, title in zip(members.keys, members.members.values(), strict=True)
        ]
        for key, members in table.dimensions.items()
    }
    dimensions["RegioS"] = [
        _member(code.ljust(6), _title(spec, code), history.get(code, "")) for code in regions
    ]
    dimensions["Perioden"] = [
        {"Key": period, "Title": _period_title(period), "Description": "", "Status": status}
        for period, status in table.periods.items()
    ]
    return Recording(rows, dimensions)


def _flat(districts: Iterable[District]) -> list[int]:
    return [place for district in districts for place in district]


def _places(world: World, day: str) -> dict[str, list[int]]:
    """Region of every level -> its neighbourhoods on a day."""
    spec = world.spec
    places: dict[str, list[int]] = {}
    for code, districts in world.division(day).items():
        own = _flat(districts)
        region = code
        while region:
            places.setdefault(region, []).extend(own)
            region = (
                spec.municipalities[code].corop if region == code else spec.areas[region].part_of
            )
    return places


def _title(spec: Specification, code: str) -> str:
    if code in spec.areas:
        return spec.areas[code].title
    municipality = spec.municipalities[code]
    return municipality.statline_name or municipality.name


def _member(key: str, title: str, description: str = "") -> Row:
    return {"Key": key, "Title": title, "Description": description, "CategoryGroupID": None}


def _period_title(period: str) -> str:
    halves = {"HJ01": " 1e halfjaar", "HJ02": " 2e halfjaar"}
    return period[:4] + halves.get(period[4:], "")


def _history(world: World) -> dict[str, str]:
    """RegioS.Description of every municipality: its mergers, newest first, and its first day.

    The grammar is CBS's (so that what reads the real history reads this); hectares, dwellings and
    inhabitants are the sample's own, and agree with its figures.
    """
    spec = world.spec

    def size(places: Sequence[int], day: str) -> str:
        counts = Counts(world, int(day[:4]), places, exact=True)
        people, dwellings = counts.inhabitants, counts.thousandths("households") // 1000
        hectares = sum(world.neighbourhoods[place].hectares for place in places)
        homes = "1 woning" if dwellings == 1 else f"{dwellings} woningen"
        return f"... {hectares} hectare met {homes} en {people} inwoner{'s' * (people != 1)}"

    def lines(head: str, parts: Iterable[tuple[str, Sequence[int]]], day: str) -> list[str]:
        text = [head]
        for code, places in sorted(parts, key=lambda part: spec.municipalities[part[0]].name):
            text += [f"- {spec.municipalities[code].name} ({code}),", size(places, day)]
        return text

    def province(code: str) -> str:
        return spec.areas[spec.areas[spec.municipalities[code].corop].part_of].title[
            : -len(" (PV)")
        ]

    def moved_province(moves: Iterable[Move], day: str) -> list[str]:
        return [
            line
            for old, new in sorted(
                {(province(move.merger.source), province(move.merger.target)) for move in moves}
            )
            if old != new
            for line in (
                f"Provinciale wijziging per {_dutch(day)}:",
                f"- overgegaan van provincie {old} naar provincie {new}",
            )
        ]

    texts = {}
    for code, municipality in spec.municipalities.items():
        blocks: list[list[str]] = []
        went = [move for move in world.moves if move.merger.source == code]
        if went:
            day = went[0].merger.day
            parts = [(move.merger.target, move.moved) for move in went]
            head = f"Opgeheven per {_dutch(day)}, overgegaan naar:"
            blocks.append([*lines(head, parts, day), *moved_province(went, day)])
        came = [move for move in world.moves if move.merger.target == code]
        for day in sorted({move.merger.day for move in came}, reverse=True):
            moves = [move for move in came if move.merger.day == day]
            parts = [(move.merger.source, move.moved) for move in moves]
            is_new = not moves[0].before
            if not is_new and any(move.merger.share == 1 for move in moves):
                parts.append((code, moves[0].before))
            kind = "Ontstaan" if is_new else "Gemeentelijke herindeling"
            head = f"{kind} per {_dutch(day)}, ontvangen van:"
            blocks.append([*lines(head, parts, day), *moved_province(moves, day)])
        since = _dutch(municipality.valid_from) if municipality.valid_from else "voor 1830"
        blocks.append([f"Begindatum {since}"])
        texts[code] = "\r\n\r\n".join("\r\n".join(block) for block in blocks) + "\r\n"
    return texts


def _dutch(day: str) -> str:
    year, month, number = day.split("-")
    return f"{number}-{month}-{year}"


# --- Metadata -----------------------------------------------------------------------------------


def _properties(spec: Specification, table: Table) -> list[Row]:
    """DataProperties: the dimensions, and the topics under their groups."""
    rows: list[Row] = []

    def add(kind: str, key: str, title: str, **columns: object) -> int:
        row: Row = {
            "odata.type": f"Cbs.OData.{kind}",
            "ID": len(rows),
            "Position": None,
            "ParentID": None,
            "Type": kind,
            "Key": key,
            "Title": title,
            "Description": "",
            "MapYear": None,
            "Datatype": None,
            "Unit": None,
            "Decimals": None,
            "Default": None,
            "PresentationType": None,
        }
        rows.append({**row, **columns})
        return len(rows) - 1

    if table.form == "areas":
        add("GeoDetail", "WijkenEnBuurten", "Wijken en buurten", Position=0, MapYear=table.year)
        first = 0  # There, a topic's position is its suffix number.
    else:
        for key, members in table.dimensions.items():
            add("Dimension", key, members.title, Position=len(rows))
        add("GeoDimension", "RegioS", "Regio's", Position=len(rows))
        add("TimeDimension", "Perioden", "Perioden", Position=len(rows))
        first = len(rows) - 1
    groups: dict[tuple[str, ...], int] = {}
    listed: list[tuple[int, str, Topic | Reserved]] = [
        *((suffix, stem, spec.topics[stem]) for stem, suffix in table.topics.items()),
        *((suffix, topic.stem, topic) for suffix, topic in spec.reserved_in(table)),
    ]
    for suffix, stem, topic in sorted(listed, key=lambda entry: entry[0]):
        path = tuple(topic.group)
        for depth in range(1, len(path) + 1):
            if path[:depth] not in groups:
                parent = groups.get(path[: depth - 1])
                groups[path[:depth]] = add("TopicGroup", "", path[depth - 1], ParentID=parent)
        about = f"{topic.title.strip()}: voorbeeld (synthetisch)."
        if stem in table.provisional:
            about += f"\r\n\r\n{PROVISIONAL_SENTENCE}\r\n"
        add(
            "Topic",
            f"{stem}_{suffix}",
            topic.title,
            Position=first + suffix,
            ParentID=groups.get(path),
            Description=about,
            Datatype=topic.datatype,
            Unit=topic.unit,
            Decimals=topic.decimals,
            Default=topic.default,
            PresentationType=topic.presentation,
        )
    return rows


def _infos(spec: Specification, table_id: str, table: Table, rows: int) -> Row:
    """TableInfos: says in its title, its source and its text that the table is synthetic."""
    years = [period[:4] for period in table.periods]
    period = str(table.year) if table.form == "areas" else f"{years[0]}-{years[-1]}"
    title = f"{table.title} - {spec.source}"
    about = (
        f"\n{spec.source.capitalize()}: verzonnen cijfers in de vorm van een tabel van het CBS. "
        f"Geen cijfers van het CBS.\n\nGegevens beschikbaar over: {period}.\n\n"
    )
    if table.form == "areas":
        about += f"Status van de cijfers:\n{STATUS_SENTENCE}\n"
    return {
        "Updated": table.modified,
        "ID": 0,
        "Identifier": table_id,
        "Title": title,
        "ShortTitle": title,
        "ShortDescription": about,
        "Summary": spec.source.capitalize(),
        "Modified": table.modified,
        "MetaDataModified": table.modified,
        "ReasonDelivery": "Actualisering",
        "ExplanatoryText": "",
        "OutputStatus": "Regulier",
        "Source": spec.source,
        "Language": "nl",
        "Catalog": "CBS",
        "Frequency": "Tweemaal per jaar" if table.half_years else "Perjaar",
        "Period": period,
        "SummaryAndLinks": "",
        "ApiUrl": "",
        "FeedUrl": "",
        "DefaultPresentation": "",
        "DefaultSelection": "",
        "GraphTypes": "Table,Bar,Line",
        "RecordCount": rows,
        "ColumnCount": len(table.topics) + len(spec.reserved_in(table)) + 1,
        "SearchPriority": "2",
    }


# --- Writing ------------------------------------------------------------------------------------


class Form(NamedTuple):
    """A shape of tables."""

    make: Callable[[World, Table], Recording]
    computed: tuple[str, ...]
    """The values and texts that topics can have in it, beside counts and shares."""


FORMS = {
    "areas": Form(_areas_table, ("municipality", "kind", "code", "urbanity", "address_density")),
    "regions": Form(_regions_table, ("average_inhabitants",)),
}


def table_ids(spec_folder: Path) -> list[str]:
    """Identifiers of the tables that the sample has, in the order of the specification."""
    return list(read_specification(spec_folder).tables)


def fingerprint(spec_folder: Path) -> str:
    """Sixteen hex digits that change with the specification or with this generator.

    Who keeps generated recordings stores it beside them, and generates again when it differs.
    """
    digest = blake2b(digest_size=8)
    for path in (*(spec_folder / name for name in SPECIFICATION), Path(__file__)):
        content = path.read_bytes()
        digest.update(f"{path.name}:{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def write_recordings(spec_folder: Path, out: Path, tables: Iterable[str] | None = None) -> None:
    """Generate recordings: ``out/<table>/<Entity>.json.gz``, each a bare array of rows.

    Args:
        spec_folder: the specification (``data/sample``).
        out: the folder to write in; files that are there are overwritten.
        tables: identifiers of the tables to write; all when left out.

    Raises:
        UsageError: the specification is wrong, or has no such table.
    """
    spec = read_specification(spec_folder)
    wanted = list(spec.tables) if tables is None else list(tables)
    if unknown := [table_id for table_id in wanted if table_id not in spec.tables]:
        message = f"the sample has no table {', '.join(unknown)}; it has {', '.join(spec.tables)}"
        raise UsageError(message)
    world = World(spec)
    for table_id in wanted:
        table = spec.tables[table_id]
        recording = FORMS[table.form].make(world, table)
        entities = {
            "TableInfos": [_infos(spec, table_id, table, len(recording.rows))],
            "DataProperties": _properties(spec, table),
            "CategoryGroups": [],
            **recording.dimensions,
            "UntypedDataSet": recording.rows,
        }
        folder = out / table_id
        folder.mkdir(parents=True, exist_ok=True)
        for entity, rows in entities.items():
            (folder / f"{entity}.json.gz").write_bytes(_gzip(rows))


def _gzip(rows: list[Row]) -> bytes:
    text = json.dumps(rows, ensure_ascii=False, check_circular=False, separators=(",", ":"))
    buffer = io.BytesIO()
    # Not gzip.compress: its header differs between versions of Python.
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0, compresslevel=6) as file:
        file.write(text.encode())
    return buffer.getvalue()
