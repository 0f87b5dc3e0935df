"""JSON Schemas of the definition files, generated from the models.

Belongs here: writing ``definitions/schema/*.schema.json`` and telling whether they are up to date.
Does not belong here: fields and texts (``models``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from monitor.indicators.models import Correction, Indicator, Parties, Population, Series, Theme

KINDS: dict[str, type[BaseModel]] = {
    "parties": Parties,
    "theme": Theme,
    "series": Series,
    "population": Population,
    "indicator": Indicator,
    "correction": Correction,
}
"""Kind of file -> its model. The schema's file name is the kind."""


def render(kind: str) -> str:
    """Return the JSON Schema (draft 2020-12) of one kind of file as text."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **KINDS[kind].model_json_schema(by_alias=True),
    }
    return json.dumps(schema, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def outdated(folder: Path) -> list[str]:
    """Return the names of the schema files below ``folder`` that differ from the models."""
    files = {kind: folder / f"{kind}.schema.json" for kind in KINDS}
    return [
        file.name
        for kind, file in files.items()
        if not file.exists() or file.read_text(encoding="utf-8") != render(kind)
    ]


def write_schemas(folder: Path) -> list[Path]:
    """Write the schema of each kind below ``folder`` and return the files that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = [folder / name for name in outdated(folder)]
    for file in changed:
        file.write_text(render(file.name.removesuffix(".schema.json")), encoding="utf-8")
    return changed
