"""A run without Dagster: what it remembers, and what definitions alone can do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.errors import Exit, MonitorError
from monitor.notes import NotMaterialisedError
from monitor.run import Run

from .conftest import INDICATOR, World


def test_a_second_run_finds_nothing_to_do_until_anything_changes(world: World) -> None:
    Run(world.settings).everything()
    assert Run(world.settings).unchanged_since() is not None
    world.record_figures("99901NED", "11.0", "14.0", "15.0", modified="2024-02-02")
    assert Run(world.settings).unchanged_since() is None
    Run(world.settings).everything()
    assert Run(world.settings).unchanged_since() is not None
    world.define("themes/nieuw.yaml", (world.settings.definitions / "themes/hulp.yaml").read_text("utf-8").replace("id: hulp", "id: nieuw"))  # fmt: skip
    assert Run(world.settings).unchanged_since() is None


def test_publishing_older_tables_does_not_count_as_up_to_date(world: World) -> None:
    Run(world.settings).everything()
    file = world.settings.definitions / "themes/hulp.yaml"
    file.write_text(file.read_text("utf-8").replace("Hulp die helpt", "Helpt"), encoding="utf-8")
    Run(world.settings).publish()
    assert Run(world.settings).unchanged_since() is None


def test_a_half_written_note_counts_as_none(world: World) -> None:
    Run(world.settings).everything()
    notes = [f for f in world.settings.data.rglob("*.json") if "archive" not in f.parts]
    assert notes
    for note in notes:
        note.write_text(note.read_text("utf-8")[:30], encoding="utf-8")
    assert Run(world.settings).unchanged_since() is None
    with pytest.raises(NotMaterialisedError, match="materialise cbs/99901NED first"):
        Run(world.settings).states()
    Run(world.settings).everything()
    assert world.figures()["hulp-jaren", "NL01"] == (10.4, None)


def test_a_bad_table_is_kept_out_and_the_rest_is_published(world: World) -> None:
    Run(world.settings).everything()
    world.record_figures("99901NED", "x", "14.0", "15.0", modified="2024-02-02")
    world.record_figures("99902NED", "5.5", "6.6", "7.7", modified="2024-02-02")
    run = Run(world.settings)
    run.everything()
    note = run.note()
    assert note is not None
    assert note["exit_code"] == Exit.QUARANTINED
    figures = world.figures()
    assert figures["hulp-jaren", "NL01"] == (10.4, None)  # the last good content
    assert figures["hulp-perioden", "NL01"] == (5.5, None)
    state = run.state("99901NED")
    assert state.state == "quarantined"
    assert "'x'" in str(state.detail)


def test_without_a_single_usable_table_nothing_is_published(world: World) -> None:
    for table in ("99901NED", "99902NED"):
        world.record_figures(table, "x", "x", "x")
    with pytest.raises(MonitorError, match="Not one of the 2 tables"):
        Run(world.settings).everything()
    assert not list(world.settings.data.glob("*.duckdb"))


def test_synthetic_and_real_tables_are_never_mixed(world: World) -> None:
    world.record(
        "99902NED",
        TableInfos=[{"Identifier": "99902NED", "Title": "x", "Period": "", "Modified": "2024",
                     "Source": "voorbeelddata (synthetisch)"}],
    )  # fmt: skip
    with pytest.raises(MonitorError, match=r"99902NED are synthetic.*never mixed"):
        Run(world.settings).everything()


def test_a_table_of_another_shape_needs_only_definitions(world: World) -> None:
    """Other names of dimensions, a path, an odd padding, a unit in thousands: YAML alone."""
    topic = {"ParentID": 3, "Type": "Topic", "Datatype": "Double", "Unit": "x 1 000", "Decimals": 1}
    world.record(
        "99903NED",
        TableInfos=[{"Identifier": "99903NED", "Title": "Meldingen", "Modified": "2024"}],
        DataProperties=[
            {"ID": 0, "Position": 0, "Type": "Dimension", "Key": "Soort"},
            {"ID": 1, "Position": 1, "Type": "GeoDimension", "Key": "Gemeenten"},
            {"ID": 2, "Position": 2, "Type": "TimeDimension", "Key": "Jaren"},
            {"ID": 3, "Type": "TopicGroup", "Title": "Meldingen\u00a0"},
            {"ID": 4, "Position": 3, "Key": "Totaal_1", "Title": "Totaal "} | topic,
            {"ID": 5, "Position": 4, "Key": "Totaal_2", "Title": "Totaal", "Unit": "aantal"}
            | {key: value for key, value in topic.items() if key not in {"ParentID", "Unit"}},
        ],
        CategoryGroups=[],
        Soort=[{"Key": "T001   ", "Title": "Totaal"}],
        Gemeenten=[{"Key": "GM0014  ", "Title": "Groningen"}],
        Jaren=[{"Key": "2022JJ00", "Title": "2022*", "Status": "Voorlopig"}],
        UntypedDataSet=[
            {"ID": 0, "Soort": "T001   ", "Gemeenten": "GM0014  ", "Jaren": "2022JJ00",
             "Totaal_1": "     1.5", "Totaal_2": "      30"}
        ],
    )  # fmt: skip
    world.define(
        "series/meldingen.yaml",
        "id: meldingen\ntitle: Meldingen\ndescription: Per gemeente.\n"
        "tables: [{table: 99903NED}]\n",
    )
    text = INDICATOR.format(id="meldingen", series="x", topic="x", municipal="vng")
    lines = [line for line in text.splitlines() if not line.startswith("measure:")]
    term = "{from: meldingen, members: {Soort: T001}, topic: "
    lines.append(
        "measure: {kind: ratio, rounding: floor, decimals: 2, times: 100, unit: '%', "
        f"numerator: [{term} [Totaal]}}], denominator: [{term} [Meldingen, Totaal]}}]}}"
    )
    world.define("indicators/meldingen.v1.yaml", "\n".join(lines))
    Run(world.settings).everything()
    assert world.published(
        "SELECT value, numerator, denominator, status FROM outcomes.hulp "
        "WHERE indicator_id = 'meldingen'"
    ) == [(2.0, 30.0, 1500.0, "provisional")]


def test_the_same_clock_gives_the_same_publication(world: World, tmp_path: Path) -> None:
    first = Run(world.settings).everything()
    again = Run(replace(world.settings, data=tmp_path / "again")).everything()
    assert json.dumps(first.hashes) == json.dumps(again.hashes)


CORRECTION = """\
id: fout
table: 99902NED
topic: MetHulp
cells: [{{region: GM0014, period: 2022JJ00, expect: {expect}{value}}}]
reason: Twee gemeenten zijn verwisseld.
status: {status}
action: {action}
reported: {{by: vng, date: 2026-11-01}}
"""


def correct(
    world: World, action: str, *, status: str = "reported", expect: str = "6.10", value: str = ""
) -> None:
    """Correct the 6,1 of Groningen."""
    world.define(
        "corrections/fout.yaml",
        CORRECTION.format(action=action, status=status, expect=expect, value=value),
    )


def groningen(world: World) -> tuple[object, ...]:
    """Return what is published of the figure that is corrected."""
    (row,) = world.published(
        "SELECT value, missing_reason, correction_id FROM outcomes.hulp "
        "WHERE indicator_id = 'hulp-perioden' AND region_code = 'GM0014'"
    )
    return row


@pytest.mark.parametrize(
    ("action", "value", "published"),
    [
        ("drop", "", (None, "not_published", "fout")),
        ("replace", ", value: 7.25", (7.25, None, "fout")),
        ("flag", "", (6.1, None, "fout")),
    ],
)
def test_a_correction_shows_in_the_published_file_with_its_id(
    world: World, action: str, value: str, published: tuple[object, ...]
) -> None:
    correct(world, action, value=value)
    run = Run(world.settings)
    run.everything()
    assert groningen(world) == published
    assert (run.note() or {})["exit_code"] == Exit.GOOD
    assert world.published("SELECT count(correction_id) FROM outcomes.hulp") == [(1,)]
    assert world.published(
        "SELECT expect, value, applied, not_applied, party_id, reported_to "
        "FROM governance.corrections"
    ) == [(6.1, 7.25 if value else None, True, None, "vng", "CBS")]


def test_a_figure_that_a_correction_left_out_says_so_in_words(world: World) -> None:
    correct(world, "drop")
    Run(world.settings).everything()
    ((words,),) = world.published(
        "SELECT missing_reason_nl FROM outcomes.hulp WHERE correction_id = 'fout'"
    )
    assert "een correctie liet het weg" in words


def test_once_cbs_has_changed_the_figure_the_correction_fails_loudly_and_does_nothing(
    world: World,
) -> None:
    correct(world, "replace", value=", value: 7.25")
    Run(world.settings).everything()
    world.record_figures("99902NED", "5.0", "7.3", "7.2", modified="2024-02-02")
    run = Run(world.settings)
    run.everything()
    assert groningen(world) == (7.3, None, None)
    note = run.note() or {}
    assert note["exit_code"] == Exit.QUARANTINED
    (problem,) = note["summary"]["problems"]
    assert 'D506 fout: De correctie "fout" verwacht 6,1 ' in problem
    assert "CBS publiceert nu 7,3." in problem
    ((applied, why),) = world.published("SELECT applied, not_applied FROM governance.corrections")
    assert (applied, "CBS publiceert nu 7,3." in why) == (False, True)
    correct(world, "replace", status="fixed_upstream", value=", value: 7.25")
    run = Run(world.settings)
    run.everything()
    assert groningen(world) == (7.3, None, None)
    assert (run.note() or {})["exit_code"] == Exit.GOOD


def test_tables_made_apart_from_the_definitions_do_not_apply_a_correction_that_is_out_of_date(
    world: World,
) -> None:
    correct(world, "replace", value=", value: 7.25")
    Run(world.settings).everything()
    world.record_figures("99902NED", "5.0", "7.3", "7.2", modified="2024-02-02")
    run = Run(world.settings)
    run.ingest("99902NED")
    for model in run.models:
        run.build(model)
    run.publish()
    assert groningen(world) == (7.3, None, None)


def test_checking_guards_the_figures_of_an_earlier_run_and_says_nothing_before(
    world: World,
) -> None:
    correct(world, "drop", expect="9.9")
    assert Run(world.settings).check() == []
    Run(world.settings).everything()
    assert [problem.number for problem in Run(world.settings).check()] == ["D506"]


def test_a_correction_in_a_denominator_reaches_the_ratio(world: World) -> None:
    text = INDICATOR.format(id="deel", series="x", topic="x", municipal="vng")
    lines = [line for line in text.splitlines() if not line.startswith("measure:")]
    term = "[{from: perioden, topic: MetHulp}]"
    lines.append(
        "measure: {kind: ratio, rounding: half_up, decimals: 1, times: 100, unit: '%', "
        f"numerator: {term}, denominator: [{{from: jaren, topic: MetHulp}}]}}"
    )
    world.define("indicators/deel.v1.yaml", "\n".join(lines))
    world.define(
        "corrections/onder.yaml",
        CORRECTION.format(
            action="replace", status="open", expect="13.9", value=", value: 12.2"
        ).replace("id: fout", "id: onder").replace("99902NED", "99901NED"),
    )  # fmt: skip
    Run(world.settings).everything()
    assert world.published(
        "SELECT value, denominator, correction_id FROM outcomes.hulp "
        "WHERE indicator_id = 'deel' AND region_code = 'GM0014'"
    ) == [(50.0, 12.2, "onder")]


def test_the_settings_can_have_every_table_asked_of_one_version_of_the_service(
    world: World,
) -> None:
    assert {r.odata for r in Run(world.settings).requests.values()} == {None}
    asked = Run(replace(world.settings, odata="v4")).requests.values()
    assert {request.odata for request in asked} == {"v4"}
