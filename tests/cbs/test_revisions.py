from __future__ import annotations

import copy
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.cbs.archive import Archive
from monitor.cbs.ingest import refresh
from monitor.cbs.metadata import build_meta
from monitor.cbs.revisions import CLASSES, compare, match_topics, pairs, read
from monitor.cbs.sources import Recordings, TableRequest

from .conftest import ENTITIES, TABLE


class Table:
    """A table that CBS changes, and the comparison of what was fetched of it."""

    def __init__(self, folder, record, now, codes):
        self.folder, self.record, self.now, self.codes = folder, record, now, codes
        self.entities = copy.deepcopy(ENTITIES)
        self.request = TableRequest(TABLE)
        self.newest = None

    def row(self, number):
        return self.entities["UntypedDataSet"][number]

    def fetch(self, select=None, partial=False):
        self.now += timedelta(days=1)
        self.entities["TableInfos"][0]["Modified"] = str(self.now)
        source = Recordings(self.record(**self.entities), "test", partial=partial)
        self.request = TableRequest(TABLE, select=select or {})
        state = refresh(self.request, source, self.folder, self.now, codes=self.codes)
        assert state.state in {"new", "unchanged"}, state.detail
        self.newest = state.observations
        return state

    @property
    def snapshots(self):
        return Archive(self.folder / "archive").snapshots(TABLE)

    def pairs(self, newest=True):
        folder = self.folder / "revisions"
        kept = self.newest if newest else None
        return pairs(self.request, self.snapshots, folder, self.codes, kept)

    def changes(self):
        """Return the changed cells of the newest pair, as (class, topic, row, old, new)."""
        pair = self.pairs()[-1]
        assert pair.detail is None
        return [
            (c.kind, c.topic, f"{c.region_code} {c.period}", c.old, c.new)
            for c in read(pair.file)[0]
        ]


@pytest.fixture
def table(tmp_path, record, now, area_codes):
    return Table(tmp_path / "workspace", record, now, area_codes)


def test_one_snapshot_has_nothing_to_be_compared_with(table):
    table.fetch()
    assert table.pairs() == []


@pytest.mark.parametrize(
    ("statuses", "row", "figure", "change"),
    [
        # rows 0 and 2 are of 2022, which was definitive; 1 and 3 of 2023, which was provisional
        ({}, 3, "13.9", ("announced", "13.5 (provisional)", "13.9 (provisional)")),
        ({1: "NaderVoorlopig"}, 3, "13.9", ("announced", "13.5 (provisional)", "13.9 (revised_provisional)")),
        ({}, 2, "14.0", ("silent", "13.9 (definitive)", "14 (definitive)")),
        ({0: None}, 2, "14.0", ("unstated", "13.9 (definitive)", "14 (unknown)")),
        ({1: None}, 3, "13.9", ("unstated", "13.5 (provisional)", "13.9 (unknown)")),
        ({}, 2, ".", ("coverage", "13.9 (definitive)", ". (definitive)")),
        ({}, 1, "11.0", ("coverage", ". (provisional)", "11 (provisional)")),
        ({0: None}, 2, ".", ("coverage", "13.9 (definitive)", ". (unknown)")),
    ],
)  # fmt: skip
def test_the_class_of_a_change_follows_from_values_then_status(
    table, statuses, row, figure, change
):
    table.fetch()
    for period, status in statuses.items():
        table.entities["Perioden"][period]["Status"] = status
    table.row(row)["MetJeugdzorg_2"] = figure
    table.fetch()
    place = f"{table.row(row)['RegioS'].strip()} {table.row(row)['Perioden']}"
    kind, old, new = change
    assert (kind, "MetJeugdzorg_2", place, old, new) in table.changes()


def test_another_mark_of_a_missing_figure_is_no_change(table):
    table.fetch()
    table.row(1)["MetJeugdzorg_2"] = ""
    table.fetch()
    assert table.changes() == []


def test_figures_that_become_final_as_they_are_were_announced(table):
    table.fetch()
    table.entities["Perioden"][1]["Status"] = "Definitief"
    table.fetch()
    assert table.changes() == [
        ("announced", "Jongeren_1", "GM0014 2023JJ00", "5010 (provisional)", "5010 (definitive)"),
        ("announced", "Jongeren_1", "NL01 2023JJ00", "421230 (provisional)", "421230 (definitive)"),
        ("announced", "MetJeugdzorg_2", "GM0014 2023JJ00", "13.5 (provisional)",
         "13.5 (definitive)"),
    ]  # fmt: skip


def test_figures_that_are_final_no_more_are_silent(table):
    table.fetch()
    table.entities["Perioden"][0]["Status"] = "Voorlopig"
    table.fetch()
    assert {change[0] for change in table.changes()} == {"silent"}


def test_a_row_that_comes_or_goes_is_coverage_and_one_without_figures_is_nothing(table):
    table.fetch()
    table.entities["UntypedDataSet"].pop(2)
    table.fetch()
    gone = table.changes()
    assert gone == [
        ("coverage", "Jongeren_1", "GM0014 2022JJ00", "5020 (definitive)", "no row"),
        ("coverage", "MetJeugdzorg_2", "GM0014 2022JJ00", "13.9 (definitive)", "no row"),
    ]
    empty = {"ID": 9, "RegioS": "GM0014", "Perioden": "2022JJ00"}
    table.entities["UntypedDataSet"].append(empty | {"Jongeren_1": ".", "MetJeugdzorg_2": "."})
    table.fetch()
    assert table.changes() == []


def test_a_new_period_is_counted_apart(table):
    table.fetch()
    table.entities["Perioden"].append({"Key": "2024JJ00", "Title": "2024", "Status": "Voorlopig"})
    table.entities["UntypedDataSet"].append(table.row(0) | {"ID": 9, "Perioden": "2024JJ00"})
    table.fetch()
    (pair,) = table.pairs()
    assert (pair.counts, pair.new_periods) == (dict.fromkeys(CLASSES, 0), 2)
    assert {change[0] for change in table.changes()} == {"coverage"}


@pytest.mark.parametrize("wider_first", [False, True])
@pytest.mark.parametrize(
    "select",
    [{"RegioS": ("NL01",)}, {"Perioden": ("2022JJ00",)}, {"RegioS": ("NL01",), "Perioden": ("2022JJ00",)}],
)  # fmt: skip
def test_another_selection_is_no_revision_but_a_change_inside_both_is(table, select, wider_first):
    table.fetch({} if wider_first else select)
    table.row(0)["Jongeren_1"] = "421111"  # in both
    table.row(3)["Jongeren_1"] = "5011"  # in one
    table.fetch(select if wider_first else {})
    assert [change[2:] for change in table.changes()] == [
        ("NL01 2022JJ00", "421110 (definitive)", "421111 (definitive)")
    ]


def test_a_member_of_another_dimension_can_be_selected(table):
    table.entities["DataProperties"].insert(
        0, {"ID": 9, "Position": 0, "Type": "Dimension", "Key": "Geslacht"}
    )
    table.entities["Geslacht"] = [{"Key": "T1", "Title": "Totaal"}, {"Key": "M1", "Title": "M"}]
    for row in table.entities["UntypedDataSet"]:
        row["Geslacht"] = "M1" if row["RegioS"] == "GM0014" else "T1"
    table.fetch({"Geslacht": ("T1",)})
    for row in table.entities["UntypedDataSet"]:
        row["Jongeren_1"] = "1"
    table.fetch()
    assert {change[2] for change in table.changes()} == {"NL01 2022JJ00", "NL01 2023JJ00"}


@pytest.mark.parametrize("partial", [(True, False), (False, True)])
def test_a_row_that_a_recording_lacks_says_nothing(table, partial):
    table.fetch(partial=partial[0])
    table.entities["UntypedDataSet"].pop(2)
    table.row(0)["Jongeren_1"] = "421111"
    table.fetch(partial=partial[1])
    assert [change[2] for change in table.changes()] == ["NL01 2022JJ00"]


def test_a_region_that_is_spelled_otherwise_is_the_same_region(table):
    table.fetch({"RegioS": ("NL01",)})
    table.entities["RegioS"][0]["Key"] = "NL00  "
    for row in table.entities["UntypedDataSet"][:2]:
        row["RegioS"] = "NL00  "
    table.fetch({"RegioS": ("NL00",)})
    assert table.changes() == []


def test_numbers_of_topics_that_moved_are_no_revision(table):
    table.fetch()
    table.entities["DataProperties"][2]["Key"] = "Jongeren_2"
    table.entities["DataProperties"][3]["Key"] = "MetJeugdzorg_3"
    for row in table.entities["UntypedDataSet"]:
        row["Jongeren_2"], row["MetJeugdzorg_3"] = row.pop("Jongeren_1"), row.pop("MetJeugdzorg_2")
    table.row(0)["Jongeren_2"] = "421111"
    table.fetch()
    assert [change[1] for change in table.changes()] == ["Jongeren_2"]


def test_a_table_of_other_dimensions_is_told_and_not_compared(table):
    table.fetch()
    table.entities["DataProperties"].insert(
        0, {"ID": 9, "Position": 0, "Type": "Dimension", "Key": "Geslacht"}
    )
    table.entities["Geslacht"] = [{"Key": "T1", "Title": "Totaal"}]
    for row in table.entities["UntypedDataSet"]:
        row["Geslacht"] = "T1"
    table.fetch()
    (pair,) = table.pairs()
    assert (pair.file, pair.counts) == (None, {})
    assert "Geslacht" in pair.detail
    assert "anders ingedeeld" in pair.reason


def meta_of(*topics):
    """Metadata of a table with topics (key, group, title)."""
    groups = sorted({group for _, group, _ in topics})
    rows = [{"ID": n, "Type": "TopicGroup", "Title": group} for n, group in enumerate(groups)]
    rows += [
        ENTITIES["DataProperties"][2] | {"ID": 50 + n, "Key": key, "Title": title,
                                         "ParentID": groups.index(group), "Position": n}
        for n, (key, group, title) in enumerate(topics)
    ]  # fmt: skip
    rows += [row | {"ID": 90 + row["ID"]} for row in ENTITIES["DataProperties"][:2]]
    return build_meta({**ENTITIES, "DataProperties": rows})


@pytest.mark.parametrize(
    ("old", "new", "matched"),
    [
        # a stem that is unique, by whatever number and title
        ([("A_1", "g", "A")], [("A_7", "h", "Nieuw")], [("A_1", "A_7")]),
        # stems that are not: the path, although the key Totaal_2 is in both
        (
            [("Totaal_1", "Man", "T"), ("Totaal_2", "Vrouw", "T")],
            [("Nieuw_1", "Man", "N"), ("Totaal_2", "Man", "T"), ("Totaal_3", "Vrouw", "T")],
            [("Totaal_1", "Totaal_2"), ("Totaal_2", "Totaal_3")],
        ),
        # with a path that is new as well, the key
        (
            [("Totaal_1", "Man", "T"), ("Totaal_2", "Vrouw", "T")],
            [("Totaal_1", "Mannen", "T"), ("Totaal_2", "Vrouw", "T")],
            [("Totaal_1", "Totaal_1"), ("Totaal_2", "Totaal_2")],
        ),
        # codes of another version of the service: the path
        ([("Totaal_1", "Man", "T")], [("M000352", "Man", "T")], [("Totaal_1", "M000352")]),
        # nothing
        ([("A_1", "g", "A")], [("B_1", "g", "B")], []),
    ],
)
def test_topics_are_found_again(old, new, matched):
    found = match_topics(meta_of(*old), meta_of(*new))
    assert sorted((before.key, after.key) for before, after in found) == matched


def test_a_pair_is_compared_once_and_from_the_archive_where_files_are_gone(table):
    table.fetch()
    for figure in ("5021", "5022", "5023"):
        table.row(2)["Jongeren_1"] = figure
        table.fetch()
    first = table.pairs()
    written = [(pair.file.read_bytes(), pair.file.stat().st_mtime_ns) for pair in first]
    assert [pair.counts["silent"] for pair in first] == [1, 1, 1]
    assert table.pairs() == first
    assert [pair.file.stat().st_mtime_ns for pair in first] == [when for _, when in written]
    for pair in first:
        pair.file.unlink()
    assert table.pairs(newest=False) == first
    assert [pair.file.read_bytes() for pair in first] == [content for content, _ in written]


def test_a_pair_of_other_code_is_removed_and_nothing_else_is_left(table):
    table.fetch()
    table.row(0)["Jongeren_1"] = "1"
    table.fetch()
    (pair,) = table.pairs()
    old = pair.file.with_name(f"{TABLE}.of-older-code.parquet")
    old.write_bytes(b"")
    table.pairs()
    assert list(pair.file.parent.iterdir()) == [pair.file]


def test_a_damaged_snapshot_leaves_its_pairs_out_and_is_told(table):
    table.fetch()
    for figure in ("5021", "5022"):
        table.row(2)["Jongeren_1"] = figure
        table.fetch()
    page = next(table.snapshots[0].folder.glob("UntypedDataSet.*"))
    page.write_bytes(page.read_bytes()[:-9])
    first, second = table.pairs()
    assert (first.file, first.reason) == (
        None,
        "De bewaarde gegevens van deze tabel zijn beschadigd.",
    )
    assert str(page) in first.detail
    assert second.counts["silent"] == 1


def test_content_that_comes_back_within_one_second_is_compared_without_doubles(table):
    for figure in ("1", "2", "1", "2"):
        table.row(0)["Jongeren_1"] = figure
        table.now -= timedelta(days=1)
        table.fetch()
    files = [pair.file for pair in table.pairs()]
    assert len(files) == len(set(files)) == 2


def test_cells_are_read_back_by_class_and_not_more_than_wanted(table):
    table.fetch()
    table.row(2)["Jongeren_1"] = "5021"
    table.entities["Perioden"][1]["Status"] = "Definitief"
    table.fetch()
    (pair,) = table.pairs()
    cells, total = read(pair.file, limit=2)
    assert (cells[0].kind, len(cells), total) == ("silent", 2, 4)
    cells, total = read(pair.file, "announced")
    assert ({cell.kind for cell in cells}, len(cells), total) == ({"announced"}, 3, 3)


FIGURES = st.lists(st.sampled_from(["1", "2", ".", ""]), min_size=8, max_size=8)
STATUSES = st.lists(
    st.sampled_from(["Voorlopig", "NaderVoorlopig", "Definitief", None]), min_size=2, max_size=2
)


@given(st.tuples(FIGURES, STATUSES), st.tuples(FIGURES, STATUSES), st.booleans(), st.booleans())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_snapshot_does_not_differ_from_itself_and_the_way_back_swaps_old_and_new(
    tmp_path_factory, record, now, area_codes, first, second, drops, partial
):
    table = Table(tmp_path_factory.mktemp("w"), record, now, area_codes)
    made = []
    for number, (figures, statuses) in enumerate((first, second)):
        table.entities = copy.deepcopy(ENTITIES)
        for period, status in zip(table.entities["Perioden"], statuses, strict=True):
            period["Status"] = status
        for row, pair in zip(table.entities["UntypedDataSet"], zip(*[iter(figures)] * 2, strict=True), strict=True):  # fmt: skip
            row["Jongeren_1"], row["MetJeugdzorg_2"] = pair
        if drops and number:
            table.entities["UntypedDataSet"].pop()
        state = table.fetch(partial=partial)
        kept = tmp_path_factory.mktemp("o") / "observations"
        kept.write_bytes(state.observations.read_bytes())
        made.append((state.snapshot, kept))

    def changes(old, new):
        out = old[1].with_name("out.parquet")
        compare(old[0], new[0], old[1], new[1], out, area_codes)
        return pq.read_table(out).to_pylist()

    assert changes(made[0], made[0]) == changes(made[1], made[1]) == []
    forth, back = changes(*made), changes(*made[::-1])
    sides = ("value", "status", "mark", "snapshot", "retrieved_at")
    turned = [
        change
        | {f"old_{side}": change[f"new_{side}"] for side in sides}
        | {f"new_{side}": change[f"old_{side}"] for side in sides}
        for change in back
    ]
    both_ways = {"coverage", "unstated"}
    for there, again in zip(forth, turned, strict=True):
        assert (there["class"] in both_ways) == (again["class"] in both_ways)
        assert there | {"class": ""} == again | {"class": ""}
    assert all(
        (change["old_value"], change["old_status"], change["old_mark"])
        != (change["new_value"], change["new_status"], change["new_mark"])
        for change in forth
    )


def test_a_file_has_the_columns_that_sql_reads(table):
    from monitor.warehouse.inputs import write_table

    table.fetch()
    table.row(0)["Jongeren_1"] = "1"
    table.fetch()
    (pair,) = table.pairs()
    empty = write_table(Path(table.folder), "revisions", ())

    def columns(file):
        return [row[:2] for row in duckdb.sql(f"DESCRIBE FROM '{file}'").fetchall()]

    assert columns(pair.file) == columns(empty)
