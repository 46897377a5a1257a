"""What a person or program writes into a :class:`Query`.

docs/reference/query.md is the language for people. Text and keyword arguments (the
options of the command line) say the same things and may be mixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Any, Final

from mirror.catalog.fields import FIELDS, NAMES, SORT_ALIASES, SORTS, Field
from mirror.catalog.query.errors import QueryError
from mirror.catalog.query.lexer import Piece, Term, pieces_of, terms
from mirror.catalog.query.nearest import nearest
from mirror.catalog.query.query import (
    MAX_LIMIT,
    MAX_TEXT,
    MAX_VALUES,
    MAX_WORDS,
    Between,
    OneOf,
    Query,
    Words,
)
from mirror.catalog.query.ranges import parse_ranges
from mirror.catalog.query.values import normal_values
from mirror.catalog.values import clean_text
from mirror.errors import UsageError

RELEVANCE: Final = "relevance"
_MAX_OFFSET: Final = 2**31


def parse_query(
    text: str = "",
    *,
    sort: str | None = None,
    ascending: bool | None = None,
    limit: int = 20,
    offset: int = 0,
    **filters: Any,
) -> Query:
    """Read a query.

    Args:
        text: in the query language: ``license:mit language:ko "기계 독해"``.
        sort: ``relevance`` or one of ``fields.SORTS``; ``None``: relevance.
        ascending: the least first; ``None``: as the sort begins by itself.
        limit: hits of a page, up to 10,000.
        offset: hits before the page.
        filters: by field name or alias; a value as it stands after the colon
            (``params="<1B"``, ``license="mit,apache-2.0"``), or several of them.

    Raises:
        QueryError: it cannot be understood; shows where.
        UsageError: an unknown filter or sort, or a number out of bounds.
    """
    found = _Parts()
    text = clean_text(text)
    if len(text) > MAX_TEXT:
        raise UsageError(
            f"the search has more than {MAX_TEXT} characters",
            hint="look for the few words that matter",
        )
    for term in terms(text):
        _add_term(found, text, term)
    for name, value in filters.items():
        _add_option(found, name, value)
    return Query(
        words=found.checked_words(),
        filters=found.checked_filters(),
        sort=_sort(sort),
        ascending=ascending,
        limit=_within("limit", limit, MAX_LIMIT),
        offset=_within("offset", offset, _MAX_OFFSET),
    )


class _Parts:
    """Collects what was asked for; joins the values of one field."""

    def __init__(self) -> None:
        self.words: dict[Words, None] = {}
        self.any_of: dict[str, dict[str, None]] = {}
        """One of these, joined from everywhere."""
        self.all_of: dict[str, list[tuple[str, ...]]] = {}
        """And one of each of these: ``ko+en``."""
        self.none_of: dict[str, dict[str, None]] = {}
        self.between: dict[str, dict[Between, None]] = {}

    def checked_words(self) -> tuple[Words, ...]:
        """Give the words, each once."""
        if len(self.words) > MAX_WORDS:
            raise UsageError(
                f"the search has more than {MAX_WORDS} words",
                hint="look for the few words that matter",
            )
        return tuple(self.words)

    def checked_filters(self) -> tuple[OneOf | Between, ...]:
        """Give the filters in the order of ``FIELDS``, so that equal queries are equal."""
        filters = tuple(item for name in FIELDS for item in self._of(name))
        if sum(len(item.values) for item in filters if isinstance(item, OneOf)) > MAX_VALUES:
            raise UsageError(f"the search has more than {MAX_VALUES} values to filter by")
        if len(filters) > MAX_VALUES:
            raise UsageError(f"the search has more than {MAX_VALUES} filters")
        return filters

    def _of(self, name: str) -> Iterator[OneOf | Between]:
        groups = [tuple(self.any_of[name])] if name in self.any_of else []
        for group in dict.fromkeys([*groups, *self.all_of.get(name, ())]):
            yield OneOf(name, group)
        if name in self.none_of:
            yield OneOf(name, tuple(self.none_of[name]), excluded=True)
        yield from self.between.get(name, ())


def _add_term(found: _Parts, text: str, term: Term) -> None:
    if term.key is None:
        (piece,) = term.pieces
        if word := piece.text.strip():
            found.words[Words(word, piece.quoted, term.excluded)] = None
        return
    try:
        _add_filter(found, FIELDS[term.key], term.pieces, excluded=term.excluded)
    except ValueError as error:
        place = term.value if term.value < term.end else term.start
        raise QueryError(str(error), text, place, term.end - place) from None


def _add_option(found: _Parts, name: str, value: Any) -> None:
    field = NAMES.get(name)
    if field is None:
        near = nearest("", name, NAMES)
        raise UsageError(
            f"repos cannot be filtered by {name!r}",
            hint=f"did you mean {NAMES[near[0]].name}?" if near else f"one of {', '.join(FIELDS)}",
        )
    for text in option_texts(name, value):
        try:
            _add_filter(found, field, pieces_of(text), excluded=False)
        except ValueError as error:
            raise QueryError(str(error), text, 0, len(text)) from None


def option_texts(name: str, value: Any) -> Iterator[str]:
    """Give the texts of an argument: one, or several.

    Raises:
        UsageError: it is no text.
    """
    if value is None:
        return
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        yield "yes" if value else "no"
    elif isinstance(value, str | int | float):
        yield clean_text(str(value)[: MAX_TEXT + 1])
    elif isinstance(value, Sequence | set | frozenset):
        for item in value:
            if isinstance(item, Sequence) and not isinstance(item, str):
                raise UsageError(f"{name}: {item!r} is no value")
            yield from option_texts(name, item)
    else:
        raise UsageError(f"{name}: {value!r} is no value")


def _add_filter(found: _Parts, field: Field, pieces: tuple[Piece, ...], *, excluded: bool) -> None:
    """Take in what stood after a key.

    Raises:
        ValueError: says what is wrong with it.
    """
    if pieces and pieces[0].text.startswith("-") and not pieces[0].quoted:
        # license:-mit, and above all an argument in Python: license="-mit"
        pieces, excluded = (Piece(pieces[0].text[1:], quoted=False), *pieces[1:]), not excluded
    if field.kind != "set":
        text = "".join(piece.text for piece in pieces)
        ranges = parse_ranges(field, text, excluded=excluded)
        found.between.setdefault(field.name, {}).update(dict.fromkeys(ranges))
        return
    groups = [_normal(field, group) for group in _groups(pieces)]
    if not all(groups):
        raise ValueError(f"{field.name}: needs a value: {field.about}")
    if len(groups) == 1:
        known = found.none_of if excluded else found.any_of
        known.setdefault(field.name, {}).update(dict.fromkeys(groups[0]))
    elif excluded:
        raise ValueError(f"a minus takes values with a comma, not with +: -{field.name}:a,b")
    else:
        found.all_of.setdefault(field.name, []).extend(groups)


def _normal(field: Field, group: Iterable[str]) -> tuple[str, ...]:
    values = (value for text in group for value in normal_values(field.name, text))
    return tuple(dict.fromkeys(value for value in values if value))


def _groups(pieces: tuple[Piece, ...]) -> list[list[str]]:
    """``ko,ja+en`` is (ko or ja) and en. A plus beside another, or at an end, is a letter: c++."""
    letters = [(letter, piece.quoted) for piece in pieces for letter in piece.text]
    groups: list[list[str]] = [[""]]
    for place, (letter, quoted) in enumerate(letters):
        if quoted or letter not in ",+":
            groups[-1][-1] += letter
        elif letter == ",":
            groups[-1].append("")
        elif _joins(letters, place):
            groups.append([""])
        else:
            groups[-1][-1] += letter
    return groups


def _joins(letters: list[tuple[str, bool]], place: int) -> bool:
    """Whether a plus stands between two values."""
    if not 0 < place < len(letters) - 1:
        return False
    beside = (letters[place - 1], letters[place + 1])
    return all(quoted or letter not in ",+" for letter, quoted in beside)


def _sort(name: str | None) -> str:
    if name is None:
        return RELEVANCE
    plain = SORT_ALIASES.get(name, name)
    if plain != RELEVANCE and plain not in SORTS:
        choices = (RELEVANCE, *SORTS)
        near = nearest("", name, (*choices, *SORT_ALIASES))
        raise UsageError(
            f"{name!r} is not an order",
            hint=f"did you mean {near[0]}?" if near else f"use one of {', '.join(choices)}",
        )
    return plain


def _within(name: str, value: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise UsageError(f"{name} is a whole number from 0 to {most:,}, not {value!r}")
    return value
