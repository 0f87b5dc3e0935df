"""Settings of a run and the folders it works in.

Belongs here: environment variables, ``monitor.toml``, and where each kind of file lies.
Does not belong here: what is in those files.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from monitor.errors import UsageError

REPOSITORY = Path(__file__).resolve().parent.parent
NAME = "monitor-sociaal-domein"
SYNTHETIC = "voorbeelddata-synthetisch"
SAMPLE_LABEL = "voorbeelddata"
"""Label of the source ``sample``; another name than the folder of its specification."""

_KEYS = (
    "source",
    "definitions",
    "sql",
    "data",
    "cbs_url",
    "now",
    "as_of",
    "timeout",
    "requests_at_once",
    "odata",
    "notify",
    "smtp",
)
_HERE = ZoneInfo("Europe/Amsterdam")
_MONTHS = (
    "januari",
    "februari",
    "maart",
    "april",
    "mei",
    "juni",
    "juli",
    "augustus",
    "september",
    "oktober",
    "november",
    "december",
)


@dataclass(frozen=True)
class AsOf:
    """A moment of which the monitor is wanted as it could have been made then.

    Attributes:
        moment: the last one that counts, UTC, in whole seconds.
        label: names files: ``2026-03-01``, of a whole day, or ``2026-03-01T120000Z``.
        words: the same in Dutch, for readers.
    """

    moment: dt.datetime
    label: str
    words: str

    @classmethod
    def read(cls, text: str, now: dt.datetime) -> AsOf:
        """Read a date, the whole of that day in the Netherlands, or a moment with its time zone.

        Raises:
            UsageError: it is neither, or lies in the future.
        """
        try:
            given = dt.datetime.fromisoformat(text)
        except ValueError:
            given = None
        whole_day = len(text) == len("2026-03-01")
        if given is None or (given.tzinfo is None and not whole_day):
            raise UsageError(
                f"--as-of (MONITOR_AS_OF) is {text!r}: write a date as 2026-03-01, or a moment "
                "with its time zone as 2026-03-01T12:00:00Z."
            )
        moment = given.replace(tzinfo=_HERE) if whole_day else given
        if moment > now:
            raise UsageError(f"--as-of (MONITOR_AS_OF) is {text!r}, which is in the future.")
        here = moment.astimezone(_HERE)
        words = f"{here.day} {_MONTHS[here.month - 1]} {here.year}"
        if whole_day:
            end = here.replace(hour=23, minute=59, second=59).astimezone(dt.UTC)
            return cls(end, f"{here:%Y-%m-%d}", words)
        moment = moment.astimezone(dt.UTC).replace(microsecond=0)
        return cls(moment, f"{moment:%Y-%m-%dT%H%M%SZ}", f"{words}, {here:%H:%M:%S} uur")


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
        timeout: seconds of silence after which an answer of the source is given up.
        requests_at_once: how many requests the source gets at the same time, at most.
        odata: the version of CBS's service for every table; None is what the definitions say.
        notify: who is told of a run that failed or quarantined: the http(s) address of a webhook
            or an e-mail address; None is nobody. Never printed: a webhook's address is a secret.
        smtp: ``host:port`` of the server that sends e-mail.
        as_of: make the monitor of what was known then; None is now.
    """

    source: str = "sample"
    definitions: Path = REPOSITORY / "definitions"
    sql: Path = REPOSITORY / "dbt_like_sql"
    data: Path = REPOSITORY / "data"
    sample: Path = REPOSITORY / "data" / "sample"
    cbs_url: str | None = None
    now: dt.datetime | None = None
    timeout: float = 60.0
    requests_at_once: int = 4
    odata: Literal["v3", "v4"] | None = None
    notify: str | None = field(default=None, repr=False)
    smtp: str = "localhost:25"
    as_of: AsOf | None = None

    def clock(self) -> dt.datetime:
        """Return the time of the run, in UTC and without parts of a second."""
        return (self.now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).replace(microsecond=0)

    @property
    def dagster_home(self) -> Path:
        """Where Dagster keeps the history of runs; how it was, has one of its own."""
        return self.data / ("dagster-as-of" if self.as_of else "dagster")

    @property
    def sample_recordings(self) -> Path:
        """Recordings generated from the sample's specification."""
        return self.data / SAMPLE_LABEL / "sample"

    def workspace(self, label: str) -> Workspace:
        """Return the folders of one source; sources never share an archive."""
        folder = self.data / label
        if self.as_of is None:
            return Workspace(folder, folder / "archive", self.data, label)
        below = folder / "as-of" / self.as_of.label
        return Workspace(below, folder / "archive", self.data, label, self.as_of.label)


@dataclass(frozen=True)
class Workspace:
    """The folders of one source below ``data/``; of how it was, all but the archive apart.

    Attributes:
        folder: for what a run makes.
        archive: what the source answered.
        data: for what is published.
        label: names the source.
        as_of: names the moment, of how it was.
    """

    folder: Path
    archive: Path
    data: Path
    label: str
    as_of: str | None = None

    @property
    def states(self) -> Path:
        """How each table stood when it was last asked for: ``<table>.json``."""
        return self.folder / "states"

    @property
    def asked(self) -> Path:
        """When the source last gave its word on each table."""
        return self.folder / "asked.json"

    @property
    def told(self) -> Path:
        """What was last told to who wants to know (setting ``notify``)."""
        return self.folder / "told.json"

    @property
    def tables(self) -> Path:
        """The Parquet tables: ``<schema>/<name>.parquet``."""
        return self.folder / "tables"

    @property
    def revisions(self) -> Path:
        """What changed from snapshot to snapshot: ``<table>.json`` and the files that it names."""
        return self.folder / "revisions"

    @property
    def last_run(self) -> Path:
        """What the last run was made from: tells whether anything changed."""
        return self.folder / "last_run.json"

    def publication(self, *, synthetic: bool) -> Path:
        """Return the published DuckDB file; the name tells synthetic data and a moment."""
        parts = [NAME]
        if self.label not in {"cbs", SAMPLE_LABEL}:
            parts.append(self.label)
        if synthetic:
            parts.append(SYNTHETIC)
        if self.as_of:
            parts.append(f"stand-{self.as_of}")
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
    for key, (read, form) in _READERS.items():
        if key in values:
            try:
                values[key] = read(values[key])
            except (TypeError, ValueError):
                # never the value: a webhook's address is a secret
                raise UsageError(f"Setting {key} (MONITOR_{key.upper()}) must be {form}.") from None
    as_of = values.pop("as_of", None)
    settings = Settings(**values)
    if as_of is None:
        return settings
    # TOML has dates of its own
    return replace(settings, as_of=AsOf.read(str(as_of), settings.clock()))


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not 1 <= (seconds := float(value)) <= 3600:
        raise ValueError
    return seconds


def _how_many(value: Any) -> int:
    if isinstance(value, bool | float) or not 1 <= (number := int(value)) <= 16:
        raise ValueError
    return number


def _odata(value: Any) -> str:
    if value not in {"v3", "v4"}:
        raise ValueError
    return str(value)


def _matching(pattern: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError
        return str(value)

    return read


_READERS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "timeout": (_seconds, "a number of seconds, 1 to 3600"),
    "requests_at_once": (_how_many, "a whole number, 1 to 16"),
    "odata": (_odata, "v3 or v4"),
    "notify": (
        _matching(r"https?://[^\s/]+\S*|(mailto:)?[^\s@:,<>]+@[^\s@:,<>]+"),
        "the address of a webhook (https://…) or an e-mail address",
    ),
    "smtp": (_matching(r"[^\s:/@]+(:[0-9]{1,5})?"), "a server: host or host:port"),
}
"""Setting -> how it is read and what it should look like."""


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
