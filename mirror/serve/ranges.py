"""Which bytes a request wants, from its headers. Pure: text in, numbers out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_RANGE: Final = re.compile(r"bytes\s*=\s*([0-9]*)\s*-\s*([0-9]*)", re.IGNORECASE)
#: More than any file has bytes; numbers with more digits are not even read.
_BEYOND: Final = 10**18


@dataclass(frozen=True)
class Span:
    """Bytes ``start`` up to, not including, ``end``."""

    start: int
    end: int


@dataclass(frozen=True)
class Wanted:
    """How to answer: 200, 206, 304 or 416, and with which bytes."""

    status: int
    span: Span


def what_is_wanted(headers: Mapping[str, str], etag: str, size: int) -> Wanted:
    """Decide by ``If-None-Match``, ``If-Range`` and ``Range``; ``etag`` is without quotes.

    As RFC 9110 has it: a range that makes no sense, or several, are answered with the whole
    file; one that begins behind its end with 416.
    """
    whole = Span(0, size)
    if (names := headers.get("if-none-match")) and _names(names, etag):
        return Wanted(304, Span(0, 0))
    condition = headers.get("if-range")
    if condition is not None and condition.strip() != f'"{etag}"':
        return Wanted(200, whole)
    text = headers.get("range")
    if not text or (found := read_range(text, size)) is None:
        return Wanted(200, whole)
    return Wanted(206 if found.start < found.end else 416, found)


def read_range(text: str, size: int) -> Span | None:
    """Read a ``Range`` header; ``None`` where there is none to honour, empty if out of reach."""
    match = _RANGE.fullmatch(text.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return Span(max(0, size - _number(last)), size)
    start = _number(first)
    if last and _number(last) < start:
        return None
    end = min(_number(last) + 1, size) if last else size
    return Span(start, end) if start < size else Span(size, size)


def _number(digits: str) -> int:
    short = digits.lstrip("0")
    return int(short or "0") if len(short) <= 18 else _BEYOND


def _names(condition: str, etag: str) -> bool:
    """Whether an ``If-None-Match`` names the etag; weakly, as it is for reading."""
    tags = (tag.strip().removeprefix("W/") for tag in condition.split(","))
    return any(tag in {"*", f'"{etag}"'} for tag in tags)
