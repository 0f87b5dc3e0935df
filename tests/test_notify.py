"""Telling of runs, against receivers on this machine."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from monitor.errors import Exit
from monitor.notify import UndeliveredError, send, tell_of_run, trial
from monitor.run import Run
from monitor.settings import Settings

from .conftest import PERIODS, YEARLY, World

SECRET = "hemelsblauw"  # part of the address of a webhook


class Webhook:
    """A receiver that keeps what it was told and answers with ``status``."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.told.append(json.loads(body))
                self.send_response(outer.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/hook/{SECRET}"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    made = Webhook()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


class Mailbox:
    """Keeps the messages, and who logged in, of a mail server."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.logins: list[tuple[bytes, bytes, bool]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.messages.append(envelope)
        return "250 OK"

    def login(self, server: Any, session: Any, *rest: Any) -> AuthResult:
        given = rest[-1]
        self.logins.append((given.login, given.password, session.ssl is not None))
        return AuthResult(success=True)


@pytest.fixture
def mail() -> Iterator[Any]:
    """Start a mail server; returns its mailbox and its port."""
    started: list[Controller] = []

    def start(**options: Any) -> tuple[Mailbox, int]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        box = Mailbox()
        controller = Controller(
            box, hostname="127.0.0.1", port=port, authenticator=box.login, **options
        )
        controller.start()
        started.append(controller)
        return box, port

    yield start
    for controller in started:
        controller.stop()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of another machine, which leads to this one."""
    real = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == "mail.test" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return "mail.test"


def _quarantine(world: World, table: str = YEARLY, mark: str = "x") -> None:
    world.record_figures(table, mark, "14.0", "15.0", modified=f"2026-11-{len(mark):02}")
    Run(world.settings).ingest(table)


def _with(world: World, receiver: str, **more: Any) -> Settings:
    return replace(world.settings, notify=receiver, **more)


def test_nobody_is_told_unless_the_settings_say_whom(world: World) -> None:
    _quarantine(world)
    assert tell_of_run(world.settings, Exit.QUARANTINED) is False
    assert tell_of_run(world.settings, Exit.ERROR, ["x"]) is False


def test_a_webhook_gets_a_text_for_people_and_the_same_as_fields(
    world: World, webhook: Webhook
) -> None:
    _quarantine(world)
    assert tell_of_run(_with(world, webhook.address), Exit.QUARANTINED, run_id="abc")
    (told,) = webhook.told
    assert f"1 quarantined: {YEARLY}" in told["text"]
    assert (told["what"], told["exit_code"], told["run_id"]) == ("quarantined", 3, "abc")
    assert told["at"] == "2026-11-22T06:00:00+00:00"
    (table,) = told["tables"]
    assert table["table_id"] == YEARLY
    assert table["stale_since"] == "2026-11-22T06:00:00+00:00"
    assert table["reason"] in told["text"]
    assert "'x'" in table["detail"]
    assert SECRET not in json.dumps(told)


def test_the_same_quarantine_is_told_once_until_it_is_over(world: World, webhook: Webhook) -> None:
    settings = _with(world, webhook.address)
    _quarantine(world)
    assert tell_of_run(settings, Exit.QUARANTINED)
    _quarantine(world, mark="xx")  # another detail, the same reason
    assert not tell_of_run(settings, Exit.QUARANTINED)
    _quarantine(world, PERIODS)
    assert tell_of_run(settings, Exit.QUARANTINED)
    for table in (YEARLY, PERIODS):
        world.record_figures(table, "1.0", "2.0", "3.0", modified="2026-11-20")
        Run(world.settings).ingest(table)
    assert not tell_of_run(settings, Exit.GOOD)
    _quarantine(world)
    assert tell_of_run(settings, Exit.QUARANTINED)
    assert [len(told["tables"]) for told in webhook.told] == [1, 2, 1]


def test_a_failure_is_told_every_time(world: World, webhook: Webhook) -> None:
    settings = _with(world, webhook.address)
    for _ in range(2):
        assert tell_of_run(settings, Exit.ERROR, ["core/cells: a key twice"])
    assert [told["what"] for told in webhook.told] == ["failed", "failed"]
    assert "Failed: core/cells: a key twice" in webhook.told[0]["text"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_told_again_next_time(
    world: World, webhook: Webhook, status: int
) -> None:
    settings = _with(world, webhook.address)
    _quarantine(world)
    webhook.status = status
    with pytest.raises(UndeliveredError, match=f"127.0.0.1: status {status}") as failed:
        tell_of_run(settings, Exit.QUARANTINED)
    assert SECRET not in str(failed.value)
    webhook.status = 204
    assert tell_of_run(settings, Exit.QUARANTINED)
    assert len(webhook.told) == 2


def test_a_receiver_that_is_not_there_is_named_without_its_secret(world: World) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for settings in (
        _with(world, f"http://127.0.0.1:{port}/{SECRET}"),
        _with(world, "beheer@gemeente.nl", smtp=f"127.0.0.1:{port}"),
    ):
        with pytest.raises(UndeliveredError, match=r"127\.0\.0\.1") as failed:
            send(trial(settings), settings)
        assert SECRET not in str(failed.value)
        assert SECRET not in repr(settings)


@pytest.mark.parametrize("receiver", ["beheer@gemeente.nl", "mailto:beheer@gemeente.nl"])
def test_an_e_mail_says_it_in_plain_text(world: World, mail: Any, receiver: str) -> None:
    box, port = mail()
    _quarantine(world)
    assert tell_of_run(_with(world, receiver, smtp=f"127.0.0.1:{port}"), Exit.QUARANTINED)
    (envelope,) = box.messages
    assert envelope.rcpt_tos == ["beheer@gemeente.nl"]
    text = envelope.content.decode()
    assert "1 quarantined" in text
    assert YEARLY in text
    assert box.logins == []


def test_user_and_password_come_from_the_environment(world: World, mail: Any) -> None:
    box, port = mail(auth_require_tls=False)
    settings = _with(world, "beheer@gemeente.nl", smtp=f"localhost:{port}")
    login = {"MONITOR_SMTP_USER": "monitor", "MONITOR_SMTP_PASSWORD": SECRET}
    send(trial(settings), settings, login)
    assert box.logins == [(b"monitor", SECRET.encode(), False)]
    assert SECRET not in box.messages[0].content.decode()


def test_no_password_goes_to_another_machine_in_the_clear(
    world: World, mail: Any, elsewhere: str
) -> None:
    box, port = mail(auth_require_tls=False)
    settings = _with(world, "beheer@gemeente.nl", smtp=f"{elsewhere}:{port}")
    login = {"MONITOR_SMTP_USER": "monitor", "MONITOR_SMTP_PASSWORD": SECRET}
    with pytest.raises(UndeliveredError, match="STARTTLS"):
        send(trial(settings), settings, login)
    assert (box.logins, box.messages) == ([], [])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the server's certificate")
def test_encryption_is_used_where_it_is_offered(
    world: World, mail: Any, elsewhere: str, tmp_path: Path
) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mail.test",
         "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    box, port = mail(tls_context=context, require_starttls=True)
    login = {"MONITOR_SMTP_USER": "monitor", "MONITOR_SMTP_PASSWORD": SECRET}
    settings = _with(world, "beheer@gemeente.nl", smtp=f"127.0.0.1:{port}")
    send(trial(settings), settings, login)
    assert box.logins == [(b"monitor", SECRET.encode(), True)]
    assert len(box.messages) == 1
    settings = replace(settings, smtp=f"{elsewhere}:{port}")
    with pytest.raises(UndeliveredError, match="SSLCertVerificationError"):
        send(trial(settings), settings, login)
    assert len(box.messages) == 1
