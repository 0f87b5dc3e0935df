"""What goes wrong at CBS, to be ordered from ``monitor replay``.

Belongs here: the kinds of faults, how a person writes them down, and which request meets which.
Does not belong here: how a fault is served (``monitor.cbs.replay``) or overcome
(``monitor.cbs.client``).

Faults are written as ``KIND=VALUE:RATE%xTIMES@WHERE``, with commas between them; only KIND is
needed:

- ``all:5%``: every kind that asking again overcomes, each at 5 % of the requests;
- ``status-503=2:5%,reset:5%``: 503 with ``Retry-After: 2``, and resets;
- ``truncate x3 @UntypedDataSet``: the first three pages of figures break off;
- ``row_count@85098NED``: this table states a wrong number of rows, every time.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from monitor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Kind = Literal[
    "stall",
    "status",
    "reset",
    "truncate",
    "invalid_json",
    "odata_error",
    "repeat",
    "delay",
    "foreign_next_link",
    "rows_change",
    "rows_change_silent",
    "row_count",
]

KINDS: Mapping[Kind, str] = {
    "stall": "no answer comes, until the client goes away",
    "status": "written status-429, status-503, ...; =SECONDS adds Retry-After",
    "reset": "the connection is reset",
    "truncate": "the connection breaks halfway the body",
    "invalid_json": "the body ends halfway, as if it were whole",
    "odata_error": "an error with status 200",
    "repeat": "a page after the first: the one before it comes once more, nextLink and all",
    "delay": "the answer waits =SECONDS (0.1), or meets the next fault then",
    "foreign_next_link": "the nextLink of a page points to another host",
    "rows_change": "from the second page of figures on a row is missed (=doubled: comes twice), "
    "and Modified has moved when it is asked again",
    "rows_change_silent": "the same, but Modified stays",
    "row_count": "the table states one row less than it has",
}
"""Kind -> what happens. The last four can't be overcome by asking again."""

OVERCOME = "stall,status-429=1,status-503=1,reset,truncate,invalid_json,odata_error,repeat"
"""What ``all`` stands for: the faults after which the same request, asked again, is answered."""

_GRAMMAR = (
    "KIND=VALUE:RATE%xTIMES@WHERE, with commas between faults; only KIND is needed. Without RATE "
    "every request meets the fault, without TIMES for ever. WHERE is a regular expression without "
    "commas, searched in the decoded path and query. The kinds are:"
)

_ONE = re.compile(
    r"""(?P<kind>[a-z_]+?)(?:-(?P<status>[1-5][0-9]{2}))?
        (?:=(?P<value>[0-9]+(?:\.[0-9]+)?|doubled))?
        (?::(?P<rate>[0-9]+(?:\.[0-9]+)?)%)?
        (?:\ *x(?P<times>[0-9]{1,9}))?
        (?:\ *@(?P<match>.+))?""",
    re.VERBOSE,
)
_MEETS: Mapping[Kind, re.Pattern[str]] = {
    "repeat": re.compile(r"[?&]\$skip=0*[1-9]"),
    "foreign_next_link": re.compile(r"/(?!Properties)\w+(\?|$)"),
    "rows_change": re.compile(r"/(UntypedDataSet|TypedDataSet|Observations)\?.*\$skip=0*[1-9]"),
    "rows_change_silent": re.compile(
        r"/(UntypedDataSet|TypedDataSet|Observations)\?.*\$skip=0*[1-9]"
    ),
    "row_count": re.compile(r"/(TableInfos|Properties)(\?|$)"),
}
"""The requests to which a kind can happen at all; a kind that is not here happens to any."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong at CBS at times.

    Attributes:
        match: regular expression, searched in the decoded path and query of a request.
        kind: what happens; see ``KINDS``.
        status: HTTP status of ``status``.
        times: the number of requests that meet the fault; ``None`` is every one.
        retry_after: seconds in the Retry-After header of ``status``; ``None`` sends none.
        seconds: how long ``delay`` waits.
        rate: share of the requests that meet the fault, above 0 and at most 1.
        doubled: ``rows_change`` gives a row twice, in place of missing one.

    Raises:
        UsageError: a value that means nothing.
    """

    match: str
    kind: Kind
    status: int = 503
    times: int | None = 1
    retry_after: int | None = None
    seconds: float = 0.1
    rate: float = 1.0
    doubled: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise UsageError(f"there is no kind '{self.kind}'")
        if not 0 < self.rate <= 1:
            raise UsageError("a rate is above 0 % and at most 100 %")
        if self.times is not None and self.times < 1:
            raise UsageError("a fault happens at least once")
        try:
            re.compile(self.match)
        except re.error as error:
            raise UsageError(f"'{self.match}' is no regular expression ({error})") from error

    @property
    def name(self) -> str:
        """The kind, with its status if it has one."""
        return f"{self.kind}-{self.status}" if self.kind == "status" else self.kind

    def __str__(self) -> str:
        """The fault as a person writes it."""
        value: object = None
        if self.kind == "status":
            value = self.retry_after
        elif self.kind == "delay":
            value = f"{self.seconds:.10g}"
        elif self.doubled:
            value = "doubled"
        return "".join(
            (
                self.name,
                f"={value}" if value is not None else "",
                f":{self.rate * 100:.10g}%" if self.rate < 1 else "",
                f"x{self.times}" if self.times is not None else "",
                f"@{self.match}" if self.match else "",
            )
        )

    def can_meet(self, target: str) -> bool:
        """Say whether a request (decoded path and query) is one to which this can happen."""
        possible = _MEETS.get(self.kind)
        return bool((not possible or possible.search(target)) and re.search(self.match, target))


def parse_faults(text: str) -> list[Fault]:
    """Read faults as a person writes them (see the top of this module).

    Raises:
        UsageError: the text is wrong; it lists the kinds.
    """
    faults: list[Fault] = []
    for part in text.split(","):
        try:
            faults += _parsed(part.strip())
        except UsageError as error:
            raise UsageError(
                f"The fault '{part.strip()}' is not understood: {error}. Write for example "
                f"'all:5%' or 'status-503=2:5%,resetx3@TableInfos': {explained()}"
            ) from None
    return faults


def explained() -> str:
    """Return how faults are written, and what each kind does, a line each."""
    kinds = [*KINDS.items(), ("all", OVERCOME.replace(",", ", "))]
    return "\n\n".join((_GRAMMAR, "\n".join(f"- {kind}: {what}" for kind, what in kinds)))


def _parsed(part: str) -> list[Fault]:
    found = _ONE.fullmatch(part)
    if found is None:
        raise UsageError("it is not written as a fault")
    kind, status, value = found["kind"], found["status"], found["value"]
    if kind == "all" and status is None and value is None:
        given = [fault for name in OVERCOME.split(",") for fault in _parsed(name)]
    else:
        given = [_kind(kind, status, value)]
    return [
        replace(
            fault,
            match=found["match"] or "",
            # Rounded, so that a rate is the number that was written.
            rate=round(float(found["rate"] or 100) / 100, 12),
            times=int(found["times"]) if found["times"] else None,
        )
        for fault in given
    ]


def _kind(kind: str, status: str | None, value: str | None) -> Fault:
    fault = Fault("", kind)  # type: ignore[arg-type]
    if (kind == "status") is (status is None):
        raise UsageError("a status, and nothing else, has a number: status-503")
    if status is not None:
        fault = replace(fault, status=int(status))
    if value is None:
        return fault
    if kind == "status" and value.isdecimal():
        return replace(fault, retry_after=int(value))
    if kind == "delay" and value != "doubled":
        return replace(fault, seconds=float(value))
    if kind.startswith("rows_change") and value == "doubled":
        return replace(fault, doubled=True)
    raise UsageError(f"={value} means nothing here")


class Misfortune:
    """Says of each request what goes wrong with it. Safe to use from many threads.

    Chance is a hash of the seed, the fault, the request and how often that request was made: a run
    repeats whatever the threads do, and a request that is made again meets another fate.

    Args:
        faults: tried in order.
        seed: gives other fates.
    """

    def __init__(self, faults: Sequence[Fault] = (), seed: int = 1) -> None:
        self._left: list[tuple[Fault, int | None]] = [(fault, fault.times) for fault in faults]
        self._seed = seed
        self._made: Counter[str] = Counter()
        self._lock = threading.Lock()

    def of(self, target: str) -> list[Fault]:
        """Return what goes wrong with a request: delays, and after them at most one other fault.

        Args:
            target: path and query, decoded.
        """
        happening: list[Fault] = []
        with self._lock:
            self._made[target] += 1
            for index, (fault, left) in enumerate(self._left):
                if left == 0 or not fault.can_meet(target) or not self._strikes(fault, target):
                    continue
                if left is not None:
                    self._left[index] = (fault, left - 1)
                happening.append(fault)
                if fault.kind != "delay":
                    break
        return happening

    def _strikes(self, fault: Fault, target: str) -> bool:
        if fault.rate == 1:
            return True
        drawn = f"{self._seed} {fault.name} {self._made[target]} {target}".encode()
        return int.from_bytes(hashlib.sha256(drawn).digest()[:8], "big") < fault.rate * 2**64
