"""What the assets of one Dagster run share: the monitor's run, and whom to tell how it goes.

Belongs here: the resource ``monitor``, and the border where our errors become Dagster's.
Does not belong here: what an asset does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import dagster as dg

from monitor.errors import MonitorError, writing
from monitor.run import Run


@dataclass(frozen=True)
class Event:
    """Something that happened to an asset.

    Attributes:
        kind: ``started``, ``progress`` (rows came in), ``finished`` or ``failed``.
        asset: the key as people write it: ``cbs/85098NED``.
        rows: rows so far, with ``progress``.
        total: how many there will be, where that is known.
        message: what went wrong, with ``failed``; that a table is quarantined, with ``finished``.
    """

    kind: Literal["started", "progress", "finished", "failed"]
    asset: str
    rows: int | None = None
    total: int | None = None
    message: str | None = None


Tell = Callable[[Event], None]


def silent(_: Event) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Session:
    """The resource ``monitor``, made anew for each Dagster run."""

    run: Run
    tell: Tell = silent

    def perform(
        self, asset: str, work: Callable[[Session], dg.MaterializeResult[None]]
    ) -> dg.MaterializeResult[None]:
        """Do the work of an asset and tell so.

        Raises:
            dagster.Failure: in the place of a MonitorError, with its message.
        """
        self.tell(Event("started", asset))
        try:
            with writing(self.run.settings.data):
                result = work(self)
        except MonitorError as error:
            self.tell(Event("failed", asset, message=str(error)))
            raise dg.Failure(str(error), allow_retries=False) from None
        complaints = [c.description for c in result.check_results or () if not c.passed]
        self.tell(Event("finished", asset, message="\n".join(filter(None, complaints)) or None))
        return result
