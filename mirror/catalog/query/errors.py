"""What is wrong with a query, and where."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any, Final

from mirror.errors import UsageError

#: Of a long query so much is shown on either side of the place.
_AROUND: Final = 40


class QueryError(UsageError):
    """A query that cannot be understood; shows the place.

    Args:
        message: what is wrong.
        text: the query, or the value of an option.
        place: where in it, in characters.
        length: how much of it.
        hint: what to write instead.
    """

    def __init__(
        self, message: str, text: str, place: int = 0, length: int = 1, *, hint: str | None = None
    ) -> None:
        super().__init__(f"{message}\n{pointed_at(text, place, length)}", hint=hint)
        self.text, self.place, self.length = text, place, length

    def as_json(self) -> dict[str, Any]:
        """The JSON form, with the place."""
        return {**super().as_json(), "place": self.place, "length": self.length}


class UnknownValueError(UsageError):
    """A value that no repo has, and the Hub neither, and that looks like one that they have.

    Args:
        field: whose value it is.
        value: as the query has it.
        near: what was probably meant, the nearest first.
    """

    def __init__(self, field: str, value: str, near: Sequence[str], where: str = "") -> None:
        super().__init__(
            f"no repo has the {field} {value!r}, and the Hub has none of that name{where}",
            hint=f"did you mean {' or '.join(f'{field}:{name}' for name in near)}?",
        )
        self.field, self.value, self.near = field, value, tuple(near)

    def at(self, text: str, place: int, length: int) -> UnknownValueError:
        """Give the same error, showing the place."""
        where = f"\n{pointed_at(text, place, length)}"
        return UnknownValueError(self.field, self.value, self.near, where)

    def as_json(self) -> dict[str, Any]:
        """The JSON form, with what was probably meant."""
        more = {"field": self.field, "value": self.value, "near": list(self.near)}
        return {**super().as_json(), **more}


def pointed_at(text: str, place: int, length: int) -> str:
    """Give a line, and below it marks under what is meant."""
    start = max(0, place - _AROUND)
    line = "".join(c if c.isprintable() else " " for c in text)
    end = min(len(line), place + max(1, min(length, _AROUND)))
    before = ("…" if start else "") + line[start:place]
    shown = before + line[place : end + _AROUND] + ("…" if end + _AROUND < len(line) else "")
    return f"  {shown}\n  {' ' * _width(before)}{'^' * max(1, _width(line[place:end]))}"


def _width(text: str) -> int:
    """Columns of a terminal: Korean takes two for each syllable."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
