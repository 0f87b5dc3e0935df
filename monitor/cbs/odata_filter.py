"""The part of OData's ``$filter`` that clients of CBS use, as a function over one row.

Belongs here: text -> condition (``eq ne gt ge lt le``, ``and or not``, parentheses,
``substringof`` (v3), ``contains`` and ``in`` (v4), ``startswith``, ``endswith``, ``substring``,
text with ``''`` for a quote, numbers, ``null``). Does not belong here: where rows come from, and
how an error travels to a client (``monitor.cbs.library``). Arithmetic, dates and lambdas of OData
are not understood: an error.

Text is compared as it is, blanks included: ``RegioS eq 'NL01'`` does not find ``'NL01  '``. CBS
does the same, and a filter that is padded wrongly is a mistake that a stand-in has to show.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')
        |(?P<number>-?[0-9]+(?:\.[0-9]+)?(?![\w.]))
        |(?P<word>[^\W\d]\w*)
        |(?P<mark>[(),]))""",
    re.VERBOSE,
)
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_RESERVED = frozenset({*_COMPARISONS, "and", "or", "not", "null"})


class FilterError(ValueError):
    """The filter can't be read, names an unknown column, or compares text with a number."""


def parse_filter(
    text: str, columns: Collection[str] | None = None, *, version: int = 3
) -> Callable[[Mapping[str, Any]], bool]:
    """Return the condition that ``text`` states.

    Args:
        text: the value of ``$filter``, already decoded from the address.
        columns: the columns that exist; ``None`` accepts any name (an entity without rows).
        version: of OData: 3 knows ``substringof``, 4 knows ``contains`` and ``in``.

    Returns:
        A function of a row. A comparison with a missing value is false, save ``eq null`` and
        ``ne``. The function raises FilterError where text meets a number.

    Raises:
        FilterError: the text is no filter, or names a column that does not exist.
    """
    try:
        node = _Parser(text, columns, version).whole()
    except RecursionError:
        raise FilterError("Too many levels of parentheses.") from None
    return lambda row: bool(node.of(row))


@dataclass(frozen=True)
class _Node:
    of: Callable[[Mapping[str, Any]], Any]
    is_condition: bool = False


class _Parser:
    """Recursive descent: one method a level of precedence, loosest first."""

    def __init__(self, text: str, columns: Collection[str] | None, version: int) -> None:
        self.text = text
        self.columns = columns
        self.version = version
        self.tokens = _tokens(text)
        self.at = 0

    def whole(self) -> _Node:
        node = self.condition(self.any_of())
        if self.at < len(self.tokens):
            raise self.error()
        return node

    def any_of(self) -> _Node:
        return self.chain("or", self.all_of, any)

    def all_of(self) -> _Node:
        return self.chain("and", self.negation, all)

    def chain(
        self, word: str, part: Callable[[], _Node], join: Callable[[list[Any]], bool]
    ) -> _Node:
        nodes = [part()]
        while self.accept(word):
            nodes.append(part())
        if len(nodes) == 1:
            return nodes[0]
        parts = [self.condition(node).of for node in nodes]
        # A list, not a generator: a wrong comparison is an error wherever it stands.
        return _Node(lambda row: join([of(row) for of in parts]), is_condition=True)

    def negation(self) -> _Node:
        if self.accept("not"):
            of = self.condition(self.negation()).of
            return _Node(lambda row: not of(row), is_condition=True)
        return self.comparison()

    def comparison(self) -> _Node:
        left = self.operand()
        if self.version == 4 and not left.is_condition and self.accept("in"):
            same = [_equal(left, member) for member in self.arguments()]
            return _Node(lambda row: True in [of(row) for of in same], is_condition=True)
        if self.peek() not in _COMPARISONS:
            return left
        word = self.take()
        right = self.operand()
        if left.is_condition or right.is_condition:
            raise FilterError(f"'{word}' in '{self.text}' compares values, not conditions.")
        return _Node(lambda row: _compare(word, left.of(row), right.of(row)), is_condition=True)

    def operand(self) -> _Node:
        lexeme = self.take()
        if lexeme == "(":
            node = self.any_of()
            self.expect(")")
            return node
        if lexeme.startswith("'"):
            return _constant(lexeme[1:-1].replace("''", "'"))
        if lexeme[0] in "-0123456789":
            return _constant(float(lexeme) if "." in lexeme else int(lexeme))
        if lexeme == "null":
            return _constant(None)
        if self.peek() == "(" and lexeme in _FUNCTIONS and lexeme != _OTHER[self.version]:
            return self.call(lexeme)
        if lexeme in _RESERVED or not lexeme.isidentifier():
            self.at -= 1
            raise self.error()
        if self.columns is not None and lexeme not in self.columns:
            raise FilterError(f"Could not find a property named '{lexeme}'.")
        return _Node(lambda row: row.get(lexeme))

    def call(self, name: str) -> _Node:
        function, counts, is_condition = _FUNCTIONS[name]
        arguments = self.arguments()
        if len(arguments) not in counts or any(node.is_condition for node in arguments):
            raise FilterError(f"No function '{name}' with these arguments in '{self.text}'.")

        def of(row: Mapping[str, Any]) -> Any:
            values = [node.of(row) for node in arguments]
            if None in values:
                return None
            try:
                return function(*values)
            except TypeError:
                raise FilterError(f"'{name}' can't be applied to these types.") from None

        return _Node(of, is_condition)

    def arguments(self) -> list[_Node]:
        self.expect("(")
        arguments = [self.operand()]
        while self.accept(","):
            arguments.append(self.operand())
        self.expect(")")
        return arguments

    def condition(self, node: _Node) -> _Node:
        if not node.is_condition:
            raise FilterError(f"'{self.text}' has a value where a condition must stand.")
        return node

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        if not token:
            raise self.error()
        self.at += 1
        return token

    def accept(self, token: str) -> bool:
        found = self.peek() == token
        self.at += found
        return found

    def expect(self, token: str) -> None:
        if not self.accept(token):
            raise self.error()

    def error(self) -> FilterError:
        near = self.peek() or "the end"
        return FilterError(f"Syntax error at {near} in '{self.text}'.")


def _tokens(text: str) -> list[str]:
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            raise FilterError(f"Syntax error at position {at} in '{text}'.")
        tokens.append(found[found.lastgroup or 0])
        at = found.end()
    return tokens


def _constant(value: str | float | None) -> _Node:
    return _Node(lambda _row: value)


def _compare(word: str, left: Any, right: Any) -> bool:
    if left is None or right is None:
        return word in ("eq", "ne") and _COMPARISONS[word](left, right)
    if isinstance(left, str) is not isinstance(right, str):
        raise FilterError(f"'{word}' has operands of incompatible types.")
    return _COMPARISONS[word](left, right)


def _equal(left: _Node, right: _Node) -> Callable[[Mapping[str, Any]], bool]:
    return lambda row: _compare("eq", left.of(row), right.of(row))


def _substring(text: str, start: int, length: int | None = None) -> str:
    # str.__getitem__, so that a number where text is meant is a TypeError.
    return str.__getitem__(text, slice(start, None if length is None else start + length))


_FUNCTIONS: Mapping[str, tuple[Callable[..., Any], tuple[int, ...], bool]] = {
    "substringof": (lambda part, text: str.__contains__(text, part), (2,), True),
    "contains": (lambda text, part: str.__contains__(text, part), (2,), True),
    "startswith": (str.startswith, (2,), True),
    "endswith": (str.endswith, (2,), True),
    "substring": (_substring, (2, 3), False),
}
"""Name -> function, numbers of arguments, whether it is a condition."""
_OTHER: Mapping[int, str] = {3: "contains", 4: "substringof"}
"""Version -> the function that only the other version has."""
