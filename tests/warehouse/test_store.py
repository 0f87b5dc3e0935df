from pathlib import Path

import pytest

from monitor.warehouse.store import keep


def test_a_file_is_made_once_from_the_same_inputs(tmp_path: Path) -> None:
    out, calls = tmp_path / "a" / "t.parquet", []

    def build(path: Path) -> None:
        calls.append(path)
        path.write_text("x", encoding="utf-8")

    first = keep(out, {"b": "2", "a": "1"}, build)
    again = keep(out, {"a": "1", "b": "2"}, build)
    assert (first.built, again.built, len(calls)) == (True, False, 1)
    assert first.sha256 == again.sha256


@pytest.mark.parametrize("change", ["input", "file", "note"])
def test_it_is_made_again_when_anything_differs(tmp_path: Path, change: str) -> None:
    out = tmp_path / "t.parquet"

    def build(path: Path) -> None:
        path.write_text("x", encoding="utf-8")

    keep(out, {"a": "1"}, build)
    if change == "file":
        out.write_text("cut off", encoding="utf-8")
    if change == "note":
        out.with_suffix(".json").unlink()
    assert keep(out, {"a": "2" if change == "input" else "1"}, build).built
    assert out.read_text(encoding="utf-8") == "x"


def test_a_failure_leaves_the_old_file_and_nothing_half(tmp_path: Path) -> None:
    out = tmp_path / "t.parquet"
    keep(out, {"a": "1"}, lambda path: path.write_text("good", encoding="utf-8"))

    def fail(path: Path) -> None:
        path.write_text("half", encoding="utf-8")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        keep(out, {"a": "2"}, fail)
    assert out.read_text(encoding="utf-8") == "good"
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]
    # and it is not taken for what the failed attempt should have made
    assert keep(out, {"a": "2"}, lambda path: path.write_text("new", encoding="utf-8")).built
