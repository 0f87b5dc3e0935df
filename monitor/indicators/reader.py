"""Reading one YAML file of definitions, safely and with the line of every value.

Belongs here: YAML and what of it is allowed. Definitions come from strangers: no tags, no anchors,
no double keys, bounded size and depth.
Does not belong here: what the values mean (``models``, ``catalogue``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from monitor.indicators.problems import Level, Number, Problem, shown

MAX_BYTES = 200_000
MAX_DEPTH = 12

Location = tuple[str | int, ...]

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)([.][0-9]+)?", re.ASCII)

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, eq=False)
class Document:
    """One YAML file: its data, and the line (from 1) of each key and item by its location."""

    path: Path
    data: Any
    lines: Mapping[Location, int]

    def line(self, location: Location) -> int:
        """Return the line of a location, or of the nearest place above it that has one."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def problem(
        self,
        number: Number,
        location: Location,
        message: str,
        remedy: str,
        level: Level = Level.ERROR,
    ) -> Problem:
        """Return a problem that points at a location in this file."""
        return Problem(shown(self.path), self.line(location), number, message, remedy, level)


class _RefusedError(Exception):
    def __init__(self, number: Number, line: int, message: str, remedy: str) -> None:
        self.args = (number, line, message, remedy)


def read(path: Path) -> Document | Problem:
    """Read one file.

    Returns:
        The document, or the problem that makes it unreadable (D101, D102, D103).
    """
    try:
        text = path.read_bytes()
        _refuse_what_is_not_plain(text)
        node = yaml.compose(text, Loader=_Loader)
        lines: dict[Location, int] = {}
        data = None if node is None else _build(node, (), lines)
    except _RefusedError as refused:
        number, line, message, remedy = refused.args
        return Problem(shown(path), line, number, message, remedy)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = 1 if mark is None else mark.line + 1
        return Problem(
            shown(path),
            line,
            Number.UNREADABLE,
            "Dit bestand is geen geldige YAML.",
            "Kijk rond deze regel naar spaties vooraan, dubbele punten en aanhalingstekens.",
        )
    return Document(path, data, lines)


def _refuse_what_is_not_plain(text: bytes) -> None:
    if len(text) > MAX_BYTES:
        raise _RefusedError(
            Number.NOT_ALLOWED,
            1,
            f"Dit bestand is te groot ({len(text):,} bytes).".replace(",", " "),
            f"Een definitie mag hoogstens {MAX_BYTES:,} bytes groot zijn.".replace(",", " "),
        )
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = 1 if event.start_mark is None else event.start_mark.line + 1
        if getattr(event, "anchor", None) is not None:
            raise _RefusedError(
                Number.NOT_ALLOWED,
                line,
                "Ankers en verwijzingen (& en *) mogen niet in een definitie.",
                "Schrijf de waarde voluit. Zet tekst met & of * vooraan tussen aanhalingstekens.",
            )
        if getattr(event, "tag", None) is not None:
            raise _RefusedError(
                Number.NOT_ALLOWED,
                line,
                "Labels (!) mogen niet in een definitie.",
                "Haal het label weg. Zet tekst met ! vooraan tussen aanhalingstekens.",
            )
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _RefusedError(
                Number.NOT_ALLOWED,
                line,
                f"In dit bestand zitten meer dan {MAX_DEPTH} niveaus in elkaar.",
                "Kijk naar het voorbeeld in definitions/LEESMIJ.md.",
            )


def _build(node: yaml.Node, location: Location, lines: dict[Location, int]) -> Any:
    lines.setdefault(location, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return dict(_items(node, location, lines))
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*location, i), lines) for i, item in enumerate(node.value)]
    if node.tag in {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}:
        return _number(node.value)
    try:
        return yaml.constructor.SafeConstructor().construct_object(node)
    except ValueError:  # a date that does not exist, such as 2026-02-30
        raise _RefusedError(
            Number.UNREADABLE,
            node.start_mark.line + 1,
            f'De monitor kan de waarde "{node.value}" niet lezen.',
            "Een datum schrijft u als 2026-11-01.",
        ) from None


def _number(text: str) -> int | Decimal | str:
    """Read a number exactly; another spelling (007, 1_000, 1:30) stays text, never guessed."""
    plain = _NUMBER.fullmatch(text)
    if plain is None:
        return text
    return Decimal(text) if plain[2] else int(text)


def _items(
    node: yaml.MappingNode, location: Location, lines: dict[Location, int]
) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise _RefusedError(
                Number.UNREADABLE,
                line,
                "Een veldnaam moet een woord zijn.",
                "Zet voor de dubbele punt alleen de naam van het veld.",
            )
        key = key_node.value
        if key in seen:
            raise _RefusedError(
                Number.DOUBLE_KEY,
                line,
                f'Het veld "{key}" staat er twee keer.',
                "Laat er één staan.",
            )
        seen.add(key)
        lines[(*location, key)] = line
        yield key, _build(value_node, (*location, key), lines)
