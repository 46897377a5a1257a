"""Where in what was written a value stands that the catalog does not have.

A :class:`~mirror.catalog.query.query.Query` no longer knows that, as several ways to
write lead to the same query; so it is looked for afterwards, when it is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mirror.catalog.fields import NAMES
from mirror.catalog.query.errors import UnknownValueError
from mirror.catalog.query.lexer import terms
from mirror.catalog.query.parse import option_texts
from mirror.catalog.query.values import normal_values
from mirror.catalog.values import clean_text

_ONE: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|[^",+]+')


def pointed(error: UnknownValueError, text: str, options: Mapping[str, Any]) -> UnknownValueError:
    """Give the error with the place in ``text``, or in one of the options, where there is one."""
    text = clean_text(text)
    places = _in_text(error.field, text), _in_options(error.field, options)
    for where, start, end in (place for found in places for place in found):
        if error.value in _values(error.field, where[start:end]):
            return error.at(where, start, end - start)
    return error


def _in_text(field: str, text: str) -> Iterator[tuple[str, int, int]]:
    for term in terms(text):
        if term.key == field:
            for found in _ONE.finditer(text, term.value, term.end):
                yield text, *found.span()


def _in_options(field: str, options: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    for name, value in options.items():
        if name in NAMES and NAMES[name].name == field:
            for text in option_texts(name, value):
                for found in _ONE.finditer(text):
                    yield text, *found.span()


def _values(field: str, written: str) -> tuple[str, ...]:
    try:
        return normal_values(field, written.strip().strip('"').removeprefix("-"))
    except ValueError:
        return ()
