"""Telling somebody that a run failed or left a table in quarantine.

Belongs here: what is told, to whom (a webhook or an e-mail address), and whether it is news.
Does not belong here: when a run is over (``monitor.cli``, ``monitor.pipeline``).

Nobody is told anything unless the setting ``notify`` says whom. A notification that can't be
delivered is a message to print or log; it never makes a run fail.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import platform
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from monitor.cbs.sources import label_of
from monitor.errors import Exit, MonitorError
from monitor.settings import NAME, Settings, Workspace
from monitor.warehouse.store import read_note, write_note

if TYPE_CHECKING:
    from monitor.status import TableStatus

SECONDS = 10
"""After which a receiver that does not answer is given up."""

_SMTP_PORT = 25


class UndeliveredError(MonitorError):
    """A notification could not be delivered. The message does not hold the receiver's address."""


@dataclass(frozen=True)
class BadTable:
    """A table in quarantine: why in Dutch (as published) and in English, and since when (UTC)."""

    table_id: str
    reason: str
    detail: str
    stale_since: str | None


@dataclass(frozen=True)
class Notice:
    """What is told of a run.

    Attributes:
        what: ``failed``: the last publication stays; ``quarantined``: published, but a table is in
            quarantine or a definition could not be resolved; ``test``.
        at: when, UTC.
        source: label of the source.
        exit_code: of `monitor run`.
        host: the name of the machine.
        tables: the tables in quarantine.
        problems: definitions that could not be resolved.
        failures: what failed, and why.
        publication: the published file as it now is, if any.
        run_id: under which Dagster shows the run, if it does.
    """

    what: Literal["failed", "quarantined", "test"]
    at: dt.datetime
    source: str
    exit_code: int
    host: str
    tables: tuple[BadTable, ...] = ()
    problems: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    publication: str | None = None
    run_id: str | None = None

    @property
    def subject(self) -> str:
        """One line."""
        if self.what == "test":
            return f"[{NAME}] test of the setting notify"
        if self.what == "failed":
            return f"[{NAME}] a run failed, the last publication stays ({self.source})"
        found = [f"{len(self.tables)} quarantined: {', '.join(t.table_id for t in self.tables)}"]
        if self.problems:
            found.append(f"{len(self.problems)} unresolved")
        return f"[{NAME}] published, with {'; '.join(found if self.tables else found[1:])}"

    @property
    def text(self) -> str:
        """All of it, for people."""
        lines = [self.subject, f"{self.at:%Y-%m-%d %H:%M} UTC on {self.host}, source {self.source}"]
        lines += [f"Failed: {failure}" for failure in self.failures]
        for table in self.tables:
            since = f" since {table.stale_since[:16]}" if table.stale_since else ""
            lines.append(f"{table.table_id}{since}: {table.reason} ({table.detail})")
        lines += self.problems
        if self.publication:
            lines.append(f"File: {self.publication}")
        if self.run_id:
            lines.append(f"Run in Dagster: {self.run_id}")
        lines.append(f"Exit code: {self.exit_code}. `monitor status` shows every table.")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return the body for a webhook; ``text`` is what chat services show."""
        return {"text": self.text} | asdict(self) | {"at": self.at.isoformat()}

    @property
    def gist(self) -> list[str]:
        """What makes it news: the set of reasons, without times and details."""
        return sorted([*(f"{t.table_id}: {t.reason}" for t in self.tables), *self.problems])


def tell_of_run(
    settings: Settings,
    exit_code: int,
    failures: Sequence[str] = (),
    run_id: str | None = None,
) -> bool:
    """Tell of a run that is over, if somebody wants to know and it is news.

    A failure is always told. A quarantine is told when the set of tables and reasons differs from
    what was last told; a run that went well makes the next one news again.

    Args:
        settings: whom to tell; the notes of the run tell how the tables stand.
        exit_code: of `monitor run`, or what it would be.
        failures: what failed, and why.
        run_id: under which Dagster shows the run.

    Returns:
        Whether it was told.

    Raises:
        UndeliveredError: it could not be delivered; the next run tries again.
    """
    if not settings.notify:
        return False
    told = _workspace(settings).told
    notice = _notice(settings, exit_code, failures, run_id)
    if notice.what == "failed":
        send(notice, settings)
        return True
    if not notice.gist:
        told.unlink(missing_ok=True)
        return False
    if read_note(told) == {"reasons": notice.gist}:
        return False
    send(notice, settings)
    write_note(told, {"reasons": notice.gist})
    return True


def trial(settings: Settings) -> Notice:
    """Return a notice to try the settings with."""
    return Notice("test", settings.clock(), _workspace(settings).label, Exit.GOOD, platform.node())


def _workspace(settings: Settings) -> Workspace:
    return settings.workspace(label_of(settings.source, settings.cbs_url))


def _notice(
    settings: Settings, exit_code: int, failures: Sequence[str], run_id: str | None
) -> Notice:
    from monitor.run import Run
    from monitor.status import table_statuses

    failed = exit_code == Exit.ERROR
    statuses: list[TableStatus] = []
    note: dict[str, Any] = {}
    with suppress(Exception):  # what kept the run from its tables, keeps this from them
        run = Run(settings)
        statuses, note = table_statuses(run), run.note() or {}
    return Notice(
        what="failed" if failed else "quarantined",
        at=settings.clock(),
        source=_workspace(settings).label,
        exit_code=int(exit_code),
        host=platform.node(),
        tables=tuple(
            BadTable(
                status.table_id,
                status.reason or "",
                status.detail or "",
                status.stale_since.isoformat() if status.stale_since else None,
            )
            for status in statuses
            if status.state == "quarantined"
        ),
        # those in the note are of the last run that published
        problems=() if failed else tuple(note.get("summary", {}).get("problems", ())),
        failures=tuple(failures),
        publication=note.get("publication"),
        run_id=run_id,
    )


def send(notice: Notice, settings: Settings, environment: Mapping[str, str] | None = None) -> None:
    """Deliver a notice to the receiver in the settings.

    Args:
        notice: what to tell.
        settings: ``notify`` and, for e-mail, ``smtp``.
        environment: may hold MONITOR_SMTP_USER and MONITOR_SMTP_PASSWORD; None is the process's.

    Raises:
        UndeliveredError: it was not accepted.
    """
    receiver = settings.notify or ""
    webhook = receiver.startswith(("http://", "https://"))
    try:
        if webhook:
            _post(notice, receiver)
        else:
            environment = os.environ if environment is None else environment
            _mail(notice, receiver.removeprefix("mailto:"), settings.smtp, environment)
    except UndeliveredError:
        raise
    except Exception as error:
        # not its text, which may hold the address of a webhook, or a password
        server = urlsplit(receiver).hostname if webhook else settings.smtp
        raise UndeliveredError(
            f"The notification was not accepted by {server}: {type(error).__name__}. "
            "`monitor notify` tries the setting."
        ) from None


def _post(notice: Notice, address: str) -> None:
    import requests

    # no redirect: it would turn the POST into a GET, perhaps at another host
    answer = requests.post(address, json=notice.as_json(), timeout=SECONDS, allow_redirects=False)
    if not 200 <= answer.status_code < 300:
        raise UndeliveredError(
            f"The notification was not accepted by {urlsplit(address).hostname}: status "
            f"{answer.status_code}. `monitor notify` tries the setting."
        )


def _mail(notice: Notice, receiver: str, smtp: str, environment: Mapping[str, str]) -> None:
    host, _, port = smtp.partition(":")
    user, password = (environment.get(f"MONITOR_SMTP_{key}") for key in ("USER", "PASSWORD"))
    message = EmailMessage()
    message["Subject"] = notice.subject
    message["From"] = f"{NAME}@{notice.host or 'localhost'}"
    message["To"] = receiver
    message.set_content(notice.text)
    with smtplib.SMTP(host, int(port or _SMTP_PORT), timeout=SECONDS) as server:
        server.ehlo()
        encrypted = server.has_extn("starttls")
        if encrypted:
            server.starttls(context=_tls(host))
            server.ehlo()
        if user and password:
            if not (encrypted or _is_this_machine(host)):
                raise UndeliveredError(
                    f"{smtp} offers no encryption (STARTTLS), so no password is sent to it."
                )
            server.login(user, password)
        server.send_message(message)


def _tls(host: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if _is_this_machine(host):  # mail servers there come with a certificate of their own making
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
