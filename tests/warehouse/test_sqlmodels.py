from pathlib import Path

import pytest

from monitor.settings import REPOSITORY
from monitor.warehouse.sqlmodels import Column, SqlModelError, column_lineage, load_models

HEAD = """-- Een tabel.
-- key: a
-- columns:
--   a  VARCHAR  not null  in (x, y)  De sleutel.
--   b  DOUBLE  Een getal.
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_head_of_a_file_is_its_documentation(tmp_path: Path) -> None:
    write(tmp_path, "core/t", HEAD + "SELECT a, b FROM input.x\n")
    (model,) = load_models(tmp_path)
    assert (model.id, model.comment, model.key) == ("core.t", "Een tabel.", ("a",))
    assert model.columns == (
        Column("a", "VARCHAR", "De sleutel.", required=True, allowed=("x", "y")),
        Column("b", "DOUBLE", "Een getal."),
    )
    assert model.upstream == ("input.x",)


def test_models_come_in_an_order_that_can_be_run(tmp_path: Path) -> None:
    write(tmp_path, "a/first", HEAD + "SELECT a, b FROM z.second\n")
    write(tmp_path, "z/second", HEAD + "SELECT a, b FROM input.x\n")
    assert [model.id for model in load_models(tmp_path)] == ["z.second", "a.first"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1 AS a\n", "the head must say"),
        (HEAD.replace("key: a", "key: c") + "SELECT 1\n", r"key columns \['c'\]"),
        (
            HEAD.replace("--   b  DOUBLE", "--   b: DOUBLE") + "SELECT 1\n",
            "can't read the column",
        ),
        (HEAD.replace("DOUBLE", "FLOAT") + "SELECT 1\n", "b has type FLOAT. Choose from VARCHAR"),
        (HEAD + "SELECT a, b FROM core.nowhere\n", "neither a model nor an input table"),
        (HEAD + "SELECT a b FROM FROM\n", "core/t.sql"),
        (HEAD + "SELECT 1; SELECT 2\n", "exactly one SELECT"),
        (HEAD + "DROP TABLE x\n", "exactly one SELECT"),
        (HEAD + "SELECT a, b FROM core.t\n", "circle"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    write(tmp_path, "core/t", text)
    with pytest.raises(SqlModelError, match=message):
        _ = [model.expression for model in load_models(tmp_path)]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SqlModelError, match="no SQL models"):
        load_models(tmp_path)


def test_lineage_tells_the_columns_that_a_column_is_made_from(tmp_path: Path) -> None:
    write(
        tmp_path,
        "core/t",
        HEAD + "WITH s AS (SELECT a, sum(n) AS b FROM input.x GROUP BY a) SELECT a, b FROM s\n",
    )
    (model,) = load_models(tmp_path)
    lineage = column_lineage(model, {"input.x": {"a": "VARCHAR", "n": "DOUBLE"}})
    assert lineage == {"a": [("input.x", "a")], "b": [("input.x", "n")]}


def test_every_comment_of_the_projects_models_is_a_sentence() -> None:
    for model in load_models(REPOSITORY / "dbt_like_sql"):
        assert all(c.comment.endswith(".") for c in model.columns), model.id
