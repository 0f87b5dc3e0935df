from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitor.indicators.problems import Number, Problem
from monitor.indicators.reader import Document, read


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_value_keeps_the_line_it_stands_on(tmp_path: Path) -> None:
    document = read(write(tmp_path, "a: 1\nb:\n  - {c: 2}\n  - d:\n      e: 3\n"))
    assert isinstance(document, Document)
    assert document.data == {"a": 1, "b": [{"c": 2}, {"d": {"e": 3}}]}
    assert document.line(("b", 1, "d", "e")) == 5
    assert document.line(("b", 0, "c")) == 3


def test_a_place_that_is_not_there_has_the_line_of_the_place_above_it(tmp_path: Path) -> None:
    document = read(write(tmp_path, "a: 1\nb:\n  c: 2\n"))
    assert isinstance(document, Document)
    assert document.line(("b", "missing")) == 2


@pytest.mark.parametrize(
    ("text", "number", "line"),
    [
        ("a: 1\nb: [1,\n", Number.UNREADABLE, 3),
        ("a: 1\nb: &x 2\nc: *x\n", Number.NOT_ALLOWED, 2),
        ("a: 1\nb: !!python/object:os.system {}\n", Number.NOT_ALLOWED, 2),
        ("a: 1\nb: 2\na: 3\n", Number.DOUBLE_KEY, 3),
        ("a: " + "[" * 50 + "]" * 50 + "\n", Number.NOT_ALLOWED, 1),
        ("a: 2026-02-30\n", Number.UNREADABLE, 1),
        ("? [a, b]\n: 1\n", Number.UNREADABLE, 1),
        ("a: '" + "x" * 300_000 + "'\n", Number.NOT_ALLOWED, 1),
        ("a: \x00\n", Number.UNREADABLE, 1),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(
    tmp_path: Path, text: str, number: Number, line: int
) -> None:
    problem = read(write(tmp_path, text))
    assert isinstance(problem, Problem)
    assert (problem.number, problem.line) == (number, line)


@pytest.mark.parametrize(
    ("text", "read_as"),
    [("13.5", Decimal("13.5")), ("0.1", Decimal("0.1")), ("123456789012.123456", Decimal("123456789012.123456")),
     ("-2.50", Decimal("-2.50")), ("0363", "0363"), ("1_000", "1_000"), ("1:30", "1:30"), (".5", ".5"), ("7", 7)],
)  # fmt: skip
def test_a_number_is_read_exactly_or_stays_the_text_it_is(
    tmp_path: Path, text: str, read_as: object
) -> None:
    document = read(write(tmp_path, f"a: {text}\n"))
    assert isinstance(document, Document)
    assert repr(document.data["a"]) == repr(read_as)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["C"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcdef", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(data=st.dictionaries(st.text("abcdef", min_size=1), plain, max_size=4))
def test_plain_data_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, object]
) -> None:
    path = write(tmp_path_factory.mktemp("y"), yaml.safe_dump(data, allow_unicode=True))
    document = read(path)
    assert isinstance(document, Document)
    assert document.data == data
