"""What was known when: figures that CBS revised, and the monitor as it was on a date."""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitor.cbs.asof import NothingKnownError
from monitor.cli import main
from monitor.errors import Exit
from monitor.run import Run
from monitor.settings import REPOSITORY, AsOf, Settings, load_settings

from .conftest import PERIODS, YEARLY, World

SPRING, AUTUMN = datetime(2026, 3, 1, 6, tzinfo=UTC), datetime(2026, 10, 1, 6, tzinfo=UTC)
NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
CELL = "SELECT value, status FROM outcomes.hulp WHERE indicator_id = '{}' AND region_code = 'NL01'"


def at(settings: Settings, moment: datetime, as_of: str | None = None) -> Run:
    asked = AsOf.read(as_of, moment) if as_of else None
    return Run(replace(settings, now=moment, as_of=asked))


def ask(file: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(file, read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def revised(world: World) -> World:
    """A table that came in spring with a provisional figure, final in autumn; the other in autumn."""
    yearly = world.recordings / YEARLY
    shutil.move(yearly, world.recordings.with_name(YEARLY))
    world.record_figures(PERIODS, "13.5", "6.1", "7.2")
    world.record(PERIODS, Perioden=[{"Key": "2022JJ00", "Title": "2022", "Status": "Voorlopig"}])
    at(world.settings, SPRING).everything()
    shutil.move(world.recordings.with_name(YEARLY), yearly)
    world.record_figures(PERIODS, "13.9", "6.1", "7.2", modified="2026-09-01")
    at(world.settings, AUTUMN).everything()
    return world


def test_a_revision_is_published_with_its_class_and_counted(revised: World) -> None:
    found = revised.published(
        "SELECT region_name, topic_title, old_value, new_value, round(difference, 6), class, "
        "old_status, new_status, old_retrieved_at, new_retrieved_at FROM quality.revisions "
        "WHERE difference <> 0"
    )
    assert found == [
        ("Nederland", "Met hulp", 13.5, 13.9, 0.4, "announced", "provisional", "definitive",
         SPRING.replace(tzinfo=None), AUTUMN.replace(tzinfo=None))
    ]  # fmt: skip
    counts = revised.published(
        "SELECT table_id, announced, silent, unstated, coverage, new_periods, reason "
        "FROM quality.revision_counts"
    )
    assert counts == [(PERIODS, 3, 0, 0, 0, 0, None)]


def test_the_summary_of_a_run_counts_what_its_new_snapshot_changed(revised: World) -> None:
    def told(run: Run) -> list[tuple[Any, ...]]:
        pairs = run.summary([])["revisions"]
        return [(p["table_id"], p["this_run"], p["counts"]["announced"]) for p in pairs]

    run = at(revised.settings, AUTUMN)
    assert told(run) == [(PERIODS, True, 3)]
    run.everything()
    assert told(run) == [(PERIODS, False, 3)]


def test_the_asset_of_a_table_tells_what_changed(revised: World) -> None:
    result = revised.materialise(f"cbs/{PERIODS}", f"cbs/{YEARLY}")
    metadata = {
        event.asset_key.path[-1]: event.step_materialization_data.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }
    (row,) = metadata[PERIODS]["revisions"].records  # type: ignore[union-attr]
    assert row.data == {  # type: ignore[union-attr]
        "since": "2026-03-01 06:00", "announced": 3, "silent": 0, "unstated": 0, "coverage": 0,
        "new_periods": 0, "detail": "",
    }  # fmt: skip
    assert "revisions" not in metadata[YEARLY]


def test_the_monitor_can_be_made_as_it_was_known_on_a_date(revised: World) -> None:
    current = {p: p.stat().st_mtime_ns for p in revised.settings.data.rglob("*") if p.is_file()}
    shutil.rmtree(revised.recordings / PERIODS)  # nobody is asked
    file = at(revised.settings, NOW, "2026-05-01").everything().path
    assert file.name.endswith(".stand-2026-05-01.duckdb")
    assert ask(file, CELL.format("hulp-perioden")) == [(13.5, "provisional")]
    assert ask(file, CELL.format("hulp-jaren").replace("status", "missing_reason")) == [
        (None, "table_unavailable")
    ]
    assert ask(file, f"SELECT state, reason FROM quality.tables WHERE table_id = '{YEARLY}'") == [
        ("absent", "De monitor had deze tabel nog niet op 1 mei 2026.")
    ]
    assert ask(file, "SELECT count(*) FROM quality.revisions") == [(0,)]
    ((told,),) = ask(file, "SELECT tekst FROM lees_mij WHERE onderwerp = 'Stand'")
    assert "niet de nieuwste" in told
    assert "1 mei 2026" in told
    silent = "SELECT count(*) FROM duckdb_tables() WHERE schema_name <> 'main' AND "
    assert ask(file, f"{silent} comment NOT LIKE 'Stand van 1 mei 2026, niet%'") == [(0,)]
    later = at(revised.settings, NOW, "2026-10-01").everything().path
    assert ask(later, CELL.format("hulp-perioden")) == [(13.9, "definitive")]
    assert ask(later, "SELECT count(*) FROM quality.revisions") == [(3,)]
    assert current == {path: path.stat().st_mtime_ns for path in current}


def test_a_day_counts_to_its_end_in_the_netherlands(revised: World) -> None:
    settings = revised.settings
    before, after = "2026-10-01T05:59:59Z", "2026-10-01T08:00:00+02:00"
    for moment, value in (("2026-09-30", 13.5), (before, 13.5), (after, 13.9)):
        file = at(settings, NOW, moment).everything().path
        assert ask(file, CELL.format("hulp-perioden"))[0][0] == value


def test_the_same_date_again_finds_nothing_to_do_until_a_definition_changes(revised: World) -> None:
    at(revised.settings, NOW, "2026-05-01").everything()
    again = at(revised.settings, NOW + timedelta(days=3), "2026-05-01")
    note = again.unchanged_since()
    assert note is not None
    assert note["exit_code"] == Exit.GOOD
    assert note["summary"]["as_of"] == "2026-05-01"
    assert at(revised.settings, NOW, "2026-10-01").unchanged_since() is None
    theme = revised.settings.definitions / "themes/hulp.yaml"
    theme.write_text(theme.read_text("utf-8").replace("Hulp die helpt", "Helpt"), encoding="utf-8")
    assert at(revised.settings, NOW, "2026-05-01").unchanged_since() is None


def test_a_date_before_anything_was_known_names_the_first_that_has_something(
    revised: World, tmp_path: Path
) -> None:
    with pytest.raises(NothingKnownError, match=r"first one came in at 2026-03-01 06:00 UTC"):
        at(revised.settings, NOW, "2026-02-28").everything()
    empty = replace(revised.settings, data=tmp_path / "empty")
    with pytest.raises(NothingKnownError, match="is empty: `monitor run` fills it"):
        at(empty, NOW, "2026-05-01").everything()


def test_a_damaged_snapshot_is_told_and_the_rest_is_published(revised: World) -> None:
    archive = at(revised.settings, NOW).workspace.archive
    for page in (archive / YEARLY).rglob("UntypedDataSet.*"):
        page.write_bytes(b"")
    run = at(revised.settings, NOW, "2026-10-01")
    run.everything()
    note = run.note()
    assert note is not None
    assert note["exit_code"] == Exit.QUARANTINED
    assert run.state(YEARLY).state == "quarantined"


def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["monitor", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    told = capsys.readouterr()
    return int(stopped.value.code or 0), told.out + told.err


def test_the_command_line_makes_it_as_it_was_and_reads_revisions_back(
    revised: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = revised.settings
    options = ("--source", settings.source, "--data", str(settings.data),
               "--definitions", str(settings.definitions))  # fmt: skip

    def monitor(*arguments: str) -> tuple[int, str]:
        return command(monkeypatch, capsys, *arguments, *options)

    for _ in range(2):
        code, out = monitor("run", "--as-of", "2026-05-01")
        assert code == Exit.GOOD
        assert "As it was known on 2026-05-01: this is not the newest." in out
        assert f"Not known yet, so not available: {YEARLY}" in out
        assert "stand-2026-05-01.duckdb" in out
    assert "Nothing changed" in out
    code, out = monitor("revisions")
    assert code == Exit.GOOD
    assert out.splitlines()[1].split() == [PERIODS, "2026-03-01", "2026-10-01", *"30000"]
    code, out = monitor("revisions", PERIODS, "--limit", "1")
    assert "3 changed cells, the first 1" in out
    assert "announced  NL01 2022JJ00  MetHulp_1: 13.5 (provisional) -> 13.9 (definitive)" in out
    assert "0 changed cells (silent)" in monitor("revisions", PERIODS, "--class", "silent")[1]
    code, out = monitor("revisions", YEARLY)
    assert code == Exit.GOOD
    assert "at most one snapshot" in out
    for wrong, message in (
        (("revisions", "00000NED"), "no table that the definitions use"),
        (("revisions", PERIODS, "--class", "stil"), "'silent'"),
        (("run", "--as-of", "2999-01-01"), "in the future"),
        (("run", "--as-of", "gisteren"), "write a date as 2026-03-01"),
    ):
        code, out = monitor(*wrong)
        assert code == Exit.WRONG_USE
        assert message in out
    code, out = monitor("run", "--as-of", "2026-02-01")
    assert code == Exit.ERROR
    assert "2026-03-01 06:00 UTC" in out


RECORDINGS = REPOSITORY.parent / "shared" / "cbs"


@pytest.mark.shared
@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings beside the repository")
def test_youth_care_of_2023_was_13_5_when_provisional_and_13_9_when_final(tmp_path: Path) -> None:
    """CBS, 85098NED, Nederland: jongeren met jeugdhulp in natura, 13,9 % in 2023."""
    table, recordings = "85098NED", tmp_path / "recordings"
    recordings.mkdir()
    for folder in RECORDINGS.iterdir():
        if folder.name != table:
            (recordings / folder.name).symlink_to(folder)
    shutil.copytree(RECORDINGS / table, recordings / table)

    def change(entity: str, change: Any) -> None:
        file = recordings / table / f"{entity}.json.gz"
        rows = json.loads(gzip.decompress(file.read_bytes()))
        for row in rows:
            change(row)
        file.unlink()
        file.write_bytes(gzip.compress(json.dumps(rows).encode()))

    def provisional(row: dict[str, Any]) -> None:
        if row["Key"].strip() == "2023JJ00":
            row["Status"] = "Voorlopig"

    def lower(row: dict[str, Any]) -> None:
        if (row["RegioS"].strip(), row["Perioden"].strip()) == ("NL01", "2023JJ00"):
            row["JongerenMetJeugdhulpInNatura_1"] = "    13.5"

    change("Perioden", provisional)
    change("UntypedDataSet", lower)

    def run(moment: datetime, as_of: str | None = None) -> Path:
        settings = load_settings({}, source=str(recordings), data=tmp_path / "data", as_of=as_of)
        return Run(replace(settings, now=moment)).everything().path

    run(SPRING)
    shutil.rmtree(recordings / table)
    shutil.copytree(RECORDINGS / table, recordings / table)
    newest = run(AUTUMN)
    cell = "topic = 'JongerenMetJeugdhulpInNatura_1' AND region_code = 'NL01'"
    assert ask(
        newest,
        "SELECT old_value, new_value, class, old_status, new_status FROM quality.revisions "
        f"WHERE table_id = '{table}' AND period = '2023JJ00' AND {cell}",
    ) == [(13.5, 13.9, "announced", "provisional", "definitive")]
    assert ask(newest, "SELECT DISTINCT class FROM quality.revisions") == [("announced",)]
    figure = (
        "SELECT value, status FROM outcomes.kansrijk_ontwikkelen WHERE region_code = 'NL01' "
        "AND indicator_id = 'jongeren-met-jeugdhulp-in-natura' AND period = '2023JJ00'"
    )
    assert ask(newest, figure) == [(13.9, "definitive")]
    assert ask(run(NOW, "2026-06-01"), figure) == [(13.5, "provisional")]
    assert ask(run(NOW, "2026-10-02"), figure) == [(13.9, "definitive")]


def test_what_cbs_said_of_a_table_later_is_no_part_of_how_it_was(revised: World) -> None:
    infos = {"Identifier": PERIODS, "Title": f"Tabel {PERIODS}", "Modified": "2026-11-01"}
    revised.record(PERIODS, TableInfos=[infos | {"OutputStatus": "Gediscontinueerd"}])
    query = "SELECT count(*) FROM quality.shape_changes WHERE kind = 'discontinued'"
    assert ask(at(revised.settings, NOW).everything().path, query) == [(1,)]
    then = at(revised.settings, NOW, "2026-10-01").everything().path
    assert ask(then, query) == [(0,)]


def test_a_correction_of_today_that_did_not_fit_then_makes_no_run_of_the_past_fail(
    revised: World,
) -> None:
    revised.define(
        "corrections/fout.yaml",
        f"id: fout\ntable: {PERIODS}\ntopic: MetHulp\nreason: Nageteld.\nstatus: open\n"
        "action: flag\ncells: [{region: NL01, period: 2022JJ00, expect: 13.9}]\n",
    )
    run = at(revised.settings, NOW, "2026-05-01")
    file = run.everything().path
    assert ask(file, CELL.format("hulp-perioden")) == [(13.5, "provisional")]
    ((why,),) = ask(file, "SELECT not_applied FROM governance.corrections")
    assert "Op 1 mei 2026 kende de monitor 13,5." in why
    note = run.note() or {}
    assert note["exit_code"] == Exit.GOOD
    assert (note["summary"]["problems"], len(note["summary"]["warnings"])) == ([], 1)
