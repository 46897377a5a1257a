"""The condition of ``/filter``: a small part of SQL, as a function of a row.

``"age" >= 30 AND ("name" = 'Simone' OR "name" IS NULL)``: comparisons of columns with
constants, ``IN``, ``IS NULL``, ``AND``, ``OR``, ``NOT`` and parentheses. Nothing is handed
to a database. As in SQL, what is compared with nothing is neither true nor false.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from mirror.serve.errors import HubError

Truth = bool | None
Condition = Callable[[Mapping[str, Any]], Truth]

MAX_TEXT: Final = 2_000
_MAX_DEPTH: Final = 30
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<column>"(?:[^"]|"")*")|(?P<text>'(?:[^']|'')*')"""
    r"""|(?P<number>[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d{1,3})?)"""
    r"""|(?P<sign><=|>=|<>|!=|=|<|>|\(|\)|,)|(?P<word>[A-Za-z_]\w*))"""
)
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq, "<>": operator.ne, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_CONSTANTS: Final[Mapping[str, Any]] = {"true": True, "false": False}
_WORDS: Final = frozenset({"and", "or", "not", "is", "null", "in", *_CONSTANTS})


def parse_where(text: str) -> Condition:
    """Read a condition.

    Raises:
        HubError: 422, it cannot be understood; says where.
    """
    if len(text) > MAX_TEXT:
        raise _refused(f"it has more than {MAX_TEXT} characters")
    parser = _Parser(_tokens(text))
    found = parser.either(0)
    if parser.kind:
        raise _refused(f"{parser.value!r} is too much")
    return found


def _refused(why: str) -> HubError:
    return HubError(422, "InvalidParameterError", f"Parameter 'where' is invalid: {why}")


def _tokens(text: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place, end)
        if match is None or match.lastgroup is None:
            raise _refused(f"nothing is known that begins like {text[place : place + 20]!r}")
        found.append(_token(match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


def _token(kind: str, text: str) -> tuple[str, Any]:
    if kind == "column":
        return kind, text[1:-1].replace('""', '"')
    if kind == "text":
        return "constant", text[1:-1].replace("''", "'")
    if kind == "number":
        whole = text.lstrip("+-").isdigit()
        return "constant", int(text) if whole and len(text) < 40 else float(text)
    if kind == "word":
        word = text.lower()
        if word in _CONSTANTS:
            return "constant", _CONSTANTS[word]
        return ("word", word) if word in _WORDS else ("column", text)
    return kind, text


class _Parser:
    """Goes through the tokens once; each method reads one level of the grammar."""

    def __init__(self, tokens: list[tuple[str, Any]]) -> None:
        self._tokens = [*tokens, ("", "")]
        self._place = 0

    @property
    def kind(self) -> str:
        return self._tokens[self._place][0]

    @property
    def value(self) -> Any:
        return self._tokens[self._place][1]

    def either(self, depth: int) -> Condition:
        found = [self._both(depth)]
        while self._took("word", "or"):
            found.append(self._both(depth))
        return found[0] if len(found) == 1 else lambda row: _any(item(row) for item in found)

    def _both(self, depth: int) -> Condition:
        found = [self._one(depth)]
        while self._took("word", "and"):
            found.append(self._one(depth))
        if len(found) == 1:
            return found[0]
        return lambda row: _not(_any(_not(item(row)) for item in found))

    def _one(self, depth: int) -> Condition:
        if depth > _MAX_DEPTH:
            raise _refused("it is nested too deep")
        if self._took("word", "not"):
            inner = self._one(depth + 1)
            return lambda row: _not(inner(row))
        if self._took("sign", "("):
            inner = self.either(depth + 1)
            self._need("sign", ")")
            return inner
        return self._comparison(self._take("column", "the name of a column"))

    def _comparison(self, column: str) -> Condition:
        if self._took("word", "is"):
            empty = not self._took("word", "not")
            self._need("word", "null")
            return lambda row: (row.get(column) is None) is empty
        excluded = self._took("word", "not")
        if self._took("word", "in"):
            among = _among(column, self._list())
            return (lambda row: _not(among(row))) if excluded else among
        if excluded or self.kind != "sign" or self.value not in _COMPARISONS:
            raise _refused(f"a comparison is missing behind {column!r}")
        compare = _COMPARISONS[self.value]
        self._place += 1
        constant = self._take("constant", "a constant")
        return lambda row: _compared(compare, row.get(column), constant)

    def _list(self) -> list[Any]:
        self._need("sign", "(")
        found = [self._take("constant", "a constant")]
        while self._took("sign", ","):
            found.append(self._take("constant", "a constant"))
        self._need("sign", ")")
        return found

    def _took(self, kind: str, value: str) -> bool:
        if (self.kind, self.value) != (kind, value):
            return False
        self._place += 1
        return True

    def _need(self, kind: str, value: str) -> None:
        if not self._took(kind, value):
            raise _refused(f"{value.upper()} is missing before {self.value!r}")

    def _take(self, kind: str, what: str) -> Any:
        if self.kind != kind:
            raise _refused(f"{what} is missing before {self.value!r}")
        value = self.value
        self._place += 1
        return value


def _among(column: str, constants: Sequence[Any]) -> Condition:
    return lambda row: _any(_compared(operator.eq, row.get(column), one) for one in constants)


def _not(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _any(truths: Iterable[Truth]) -> Truth:
    found: Truth = False
    for truth in truths:
        if truth:
            return True
        found = None if truth is None else found
    return found


def _compared(compare: Callable[[Any, Any], bool], value: Any, constant: Any) -> Truth:
    """Compare; a date with its text. What cannot be compared is neither true nor false."""
    if value is None:
        return None
    if isinstance(constant, str) and hasattr(value, "isoformat"):
        value = value.isoformat()
    try:
        return bool(compare(value, constant))
    except TypeError:
        return None
