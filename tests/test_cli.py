"""The command line as people meet it: what is printed, and the exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from monitor.cli import main
from monitor.errors import Exit
from monitor.settings import REPOSITORY

from .conftest import World

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run the command line and return exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["monitor", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_a_first_run_publishes_and_a_second_finds_nothing_to_do(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("run", "--source", "sample", "--data", tmp_path)
    assert code == Exit.GOOD
    assert "voorbeelddata (synthetisch)" in out
    assert "Nog geen effectindicator" in out
    (file,) = tmp_path.glob("*.duckdb")
    assert "voorbeelddata-synthetisch" in file.name
    assert str(file) in out
    written = file.stat().st_mtime_ns
    code, out, _ = call("run", "--source", "sample", "--data", tmp_path)
    assert code == Exit.GOOD
    assert "Nothing changed" in out
    assert file.stat().st_mtime_ns == written
    code, out, _ = call("status", "--source", "sample", "--data", tmp_path)
    assert code == Exit.GOOD
    assert "03759ned" in out
    assert "never asked" not in out


def test_finding_nothing_to_do_imports_no_heavy_library(tmp_path: Path) -> None:
    script = (
        "import sys; from monitor.cli import main; "
        f"sys.argv = ['monitor', 'run', '--source', 'sample', '--data', {str(tmp_path)!r}]\n"
        "try: main()\n"
        "except SystemExit as stop: print('exit', stop.code)\n"
        "print(*(name for name in ('dagster', 'duckdb', 'pyarrow') if name in sys.modules))"
    )
    first, second = (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        for _ in range(2)
    )
    assert first.stdout.splitlines()[-2:] == ["exit 0", "dagster duckdb pyarrow"]
    assert second.stdout.splitlines()[-2:] == ["exit 0", ""]


def test_status_before_the_first_run_says_that_nothing_was_asked(
    call: Call, tmp_path: Path
) -> None:
    code, out, err = call("status", "--source", "sample", "--data", tmp_path)
    assert (code, err) == (Exit.GOOD, "")
    assert "never asked" in out
    assert "Nothing was published" in out


def test_check_is_silent_about_good_definitions_and_names_themes_without_effect(call: Call) -> None:
    code, out, err = call("check", "--source", "sample")
    assert (code, err) == (Exit.GOOD, "")
    assert "nog geen effectindicator" in out


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the project's definitions."""
    folder = tmp_path / "definitions"
    for file in (REPOSITORY / "definitions").rglob("*.*"):
        target = folder / file.relative_to(REPOSITORY / "definitions")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    return folder


def test_check_tells_every_error_with_its_line_and_exits_1(call: Call, copied: Path) -> None:
    one = copied / "indicators" / "jongeren-met-jeugdzorg.v1.yaml"
    text = one.read_text("utf-8")
    one.write_text(
        text.replace("theme: veilig-opgroeien", "theme: veilig-opgroeie").replace(
            "contact: ", "contact: x"
        ),
        encoding="utf-8",
    )
    code, _, err = call("check", "--source", "sample", "--definitions", copied)
    assert code == Exit.ERROR
    assert "D303" in err
    assert "D301" in err
    assert 'Bedoelde u "veilig-opgroeien"?' in err
    assert "jongeren-met-jeugdzorg.v1.yaml:" in err


def test_check_resolves_topics_against_the_source(call: Call, copied: Path) -> None:
    one = copied / "indicators" / "jongeren-met-jeugdzorg.v1.yaml"
    text = one.read_text("utf-8")
    wrong = text.replace("PercentageJongerenMetJeugdzorg", "PercentageJongerenMetJeugdzog")
    one.write_text(wrong, encoding="utf-8")
    code, _, err = call("check", one, "--source", "sample", "--definitions", copied)
    assert code == Exit.ERROR
    assert "D401" in err
    assert 'Bedoelde u "PercentageJongerenMetJeugdzorg"' in err


def test_a_run_refuses_definitions_with_errors(call: Call, copied: Path, tmp_path: Path) -> None:
    (copied / "themes" / "samenhang.yaml").write_text("id: [", encoding="utf-8")
    code, _, err = call("run", "--data", tmp_path / "d", "--definitions", copied)
    assert code == Exit.ERROR
    assert "D101" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--source", "/nowhere"], "does not exist"),
        (["run", "--nonsense"], "No such option"),
        (["check", "/nowhere.yaml"], "bestaat niet"),
        (["replay", "/nowhere"], "/nowhere"),
        (["replay", ".", "--faults", "stal:5%"], "no kind 'stal'"),
        (["run", "--definitions", "/nowhere"], "holds no definitions"),
    ],
)
def test_wrong_use_exits_2_and_says_what_to_do(
    call: Call, tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, out, err = call(*arguments)
    assert code == Exit.WRONG_USE
    assert message in out + err
    assert "Traceback" not in out + err


def test_the_sample_can_be_written_as_recordings(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("sample", tmp_path / "recordings")
    assert code == Exit.GOOD
    assert "voorbeelddata (synthetisch)" in out
    assert (tmp_path / "recordings" / "85098NED" / "UntypedDataSet.json.gz").is_file()


def test_writing_schemas_again_changes_none(call: Call, copied: Path) -> None:
    assert call("schema", "--definitions", copied)[1].startswith("0 changed")


class _Receiver(BaseHTTPRequestHandler):
    told: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.told.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Have a webhook on this machine told of runs."""
    _Receiver.told.clear()
    with HTTPServer(("127.0.0.1", 0), _Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MONITOR_NOTIFY", f"http://127.0.0.1:{server.server_port}/hook")
        yield _Receiver.told
        server.shutdown()


def _of(world: World) -> list[object]:
    settings = world.settings
    return ["--source", settings.source, "--data", settings.data, "--definitions", settings.definitions]  # fmt: skip


def test_a_quarantine_is_told_once_and_status_says_why(
    call: Call, world: World, told: list[dict[str, Any]]
) -> None:
    world.record_figures("99901NED", "x", "14.0", "15.0")
    assert call("run", *_of(world))[0] == Exit.QUARANTINED
    assert call("run", *_of(world))[0] == Exit.QUARANTINED
    (notice,) = told
    assert (notice["what"], notice["exit_code"]) == ("quarantined", 3)
    assert [table["table_id"] for table in notice["tables"]] == ["99901NED"]
    assert Path(notice["publication"]).exists()

    code, out, _ = call("status", *_of(world))
    assert code == Exit.GOOD
    assert "99901NED: quarantined since" in out
    assert "'x'" in out
    rows = [line for line in out.splitlines() if "NED  " in line]
    assert [len(row) <= 120 for row in rows] == [True, True]
    found = json.loads(call("status", "--json", *_of(world))[1])
    assert {table["table_id"]: table["state"] for table in found["tables"]} == {
        "99901NED": "quarantined",
        "99902NED": "new",
    }
    assert found["published"]["publication"] == notice["publication"]


def test_a_run_that_cannot_begin_is_told_as_a_failure(
    call: Call, world: World, told: list[dict[str, Any]]
) -> None:
    world.define("themes/nieuw.yaml", "id: [")
    assert call("run", *_of(world))[0] == Exit.ERROR
    (notice,) = told
    assert notice["what"] == "failed"
    assert "D101" in notice["text"]


def test_wrong_use_is_not_told(call: Call, tmp_path: Path, told: list[dict[str, Any]]) -> None:
    assert call("run", "--source", tmp_path / "nowhere")[0] == Exit.WRONG_USE
    assert told == []


def test_a_receiver_that_is_not_there_changes_no_exit_code(
    call: Call, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITOR_NOTIFY", "http://127.0.0.1:9/geheim")
    world.define("themes/nieuw.yaml", "id: [")
    code, _, err = call("run", *_of(world))
    assert code == Exit.ERROR
    assert "The notification was not accepted by 127.0.0.1" in err
    assert "geheim" not in err


def test_the_setting_can_be_tried(
    call: Call, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("notify")[0] == Exit.GOOD
    assert told[0]["what"] == "test"
    monkeypatch.delenv("MONITOR_NOTIFY")
    code, _, err = call("notify")
    assert code == Exit.WRONG_USE
    assert "MONITOR_NOTIFY" in err
