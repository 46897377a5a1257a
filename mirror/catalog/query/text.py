"""A query as text: what :func:`~mirror.catalog.query.parse.parse_query` reads back as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from mirror.catalog.query.query import Between, OneOf, Query, Words
from mirror.catalog.query.ranges import ANY

#: What means something in a value.
_SPECIAL: Final = re.compile(r'^-|[\s",+]')


def query_text(query: Query) -> str:
    """Give the filters and words of a query in the query language."""
    return " ".join([*_filters(query), *map(_words, query.words)])


def _filters(query: Query) -> Iterator[str]:
    groups: dict[tuple[str, bool], list[str]] = {}
    for item in query.filters:
        if isinstance(item, OneOf):
            groups.setdefault((item.field, item.excluded), []).append(_values(item))
        else:
            minus = "-" if item.excluded else ""
            groups.setdefault((f"{minus}{item.field}:{_range(item)}", False), [])
    for (name, excluded), values in groups.items():
        yield f"{'-' if excluded else ''}{name}:{'+'.join(values)}" if values else name


def _values(item: OneOf) -> str:
    return ",".join(_quoted(value) if _SPECIAL.search(value) else value for value in item.values)


def _words(words: Words) -> str:
    text = _quoted(words.text) if words.phrase else words.text
    return f"-{text}" if words.excluded else text


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _range(item: Between) -> str:
    low, high = item.low, item.high
    if low is None and high is None:
        return ANY
    if low is None:
        return f"<{high}"
    if high is None:
        return f">={low}"
    return f"{low}..{_before(high)}"


def _before(end: int | str) -> int | str:
    """The last that is still within: the second, or the number, before ``end``."""
    if isinstance(end, int):
        return end - 1
    last = datetime.fromisoformat(end) - timedelta(seconds=1)
    return last.isoformat().replace("+00:00", "Z")
