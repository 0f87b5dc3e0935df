"""Settings of a run and the folders it works in.

Belongs here: environment variables, ``monitor.toml``, and where each kind of file lies.
Does not belong here: what is in those files.
"""

from __future__ import annotations

import datetime as dt
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.errors import UsageError

REPOSITORY = Path(__file__).resolve().parent.parent
NAME = "monitor-sociaal-domein"
SYNTHETIC = "voorbeelddata-synthetisch"
SAMPLE_LABEL = "voorbeelddata"
"""Label of the source ``sample``; another name than the folder of its specification."""

_KEYS = ("source", "definitions", "sql", "data", "cbs_url", "now")


@dataclass(frozen=True)
class Settings:
    """Settings of a run; each can be set in the environment or in ``monitor.toml``.

    Attributes:
        source: ``sample``, ``cbs``, a folder of recordings, or the address of a service that serves
            recordings.
        definitions: folder of the co-owned definitions.
        sql: folder of the SQL models.
        data: folder for what a run makes.
        sample: folder with the specification of the synthetic sample.
        cbs_url: another address than CBS's own for the source ``cbs`` (a proxy, a test).
        now: the clock of the run; None is the real one. Timezone-aware.
    """

    source: str = "sample"
    definitions: Path = REPOSITORY / "definitions"
    sql: Path = REPOSITORY / "dbt_like_sql"
    data: Path = REPOSITORY / "data"
    sample: Path = REPOSITORY / "data" / "sample"
    cbs_url: str | None = None
    now: dt.datetime | None = None

    def clock(self) -> dt.datetime:
        """Return the time of the run, in UTC and without parts of a second."""
        return (self.now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).replace(microsecond=0)

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps the history of runs."""
        return self.data / "dagster"

    @property
    def sample_recordings(self) -> Path:
        """Recordings generated from the sample's specification."""
        return self.workspace(SAMPLE_LABEL).folder / "sample"

    def workspace(self, label: str) -> Workspace:
        """Return the folders of one source; sources never share an archive."""
        return Workspace(self.data / label, self.data, label)


@dataclass(frozen=True)
class Workspace:
    """The folders of one source below ``data/``."""

    folder: Path
    data: Path
    label: str

    @property
    def states(self) -> Path:
        """How each table stood when it was last asked for: ``<table>.json``."""
        return self.folder / "states"

    @property
    def tables(self) -> Path:
        """The Parquet tables: ``<schema>/<name>.parquet``."""
        return self.folder / "tables"

    @property
    def last_run(self) -> Path:
        """What the last run was made from: tells whether anything changed."""
        return self.folder / "last_run.json"

    def publication(self, *, synthetic: bool) -> Path:
        """Return the published DuckDB file; the name of synthetic data says so."""
        parts = [NAME]
        if self.label not in {"cbs", SAMPLE_LABEL}:
            parts.append(self.label)
        if synthetic:
            parts.append(SYNTHETIC)
        return self.data / f"{'.'.join(parts)}.duckdb"


def load_settings(environment: Mapping[str, str] | None = None, **options: Any) -> Settings:
    """Read ``monitor.toml`` in the working folder, then the environment, then the options given.

    Args:
        environment: variables ``MONITOR_SOURCE``, ``MONITOR_DATA``, …; None is the process's own.
        options: fields of `Settings` from the command line; None counts as not given.

    Raises:
        UsageError: a setting is unknown or can't be read.
    """
    environment = os.environ if environment is None else environment
    values = _from_file(Path("monitor.toml"))
    for key in _KEYS:
        value = environment.get(f"MONITOR_{key.upper()}")
        if value:
            values[key] = value
    values |= {key: value for key, value in options.items() if value is not None}
    for key in ("definitions", "sql", "data"):
        if key in values:
            values[key] = Path(values[key]).resolve()
    if isinstance(values.get("now"), str):
        values["now"] = _instant(values["now"])
    return Settings(**values)


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from None
    unknown = sorted(set(values) - set(_KEYS))
    if unknown:
        raise UsageError(
            f"{path} has unknown settings: {', '.join(unknown)}. Known: {', '.join(_KEYS)}."
        )
    return values


def _instant(text: str) -> dt.datetime:
    try:
        value = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"MONITOR_NOW is {text!r}: write it as 2026-11-01T06:00:00Z.") from None
    return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
