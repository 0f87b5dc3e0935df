"""The command line as people meet it: what is printed, and the exit codes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.cli import main
from monitor.errors import Exit
from monitor.settings import REPOSITORY

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


def test_finding_nothing_to_do_does_not_import_dagster(tmp_path: Path) -> None:
    script = (
        "import sys; from monitor.cli import main; "
        f"sys.argv = ['monitor', 'run', '--source', 'sample', '--data', {str(tmp_path)!r}]\n"
        "try: main()\n"
        "except SystemExit as stop: print('exit', stop.code)\n"
        "print('dagster' in sys.modules)"
    )
    first, second = (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        for _ in range(2)
    )
    assert first.stdout.splitlines()[-2:] == ["exit 0", "True"]
    assert second.stdout.splitlines()[-2:] == ["exit 0", "False"]


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
