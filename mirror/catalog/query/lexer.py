"""The text of a query into its terms: words, phrases, and keys with their values.

Nothing is looked up here but which keys there are. Every term knows where it stands, so
that an error can point at it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mirror.catalog.fields import NAMES
from mirror.catalog.query.errors import QueryError
from mirror.catalog.query.nearest import nearest

_SPACE: Final = re.compile(r"\s+")
#: Also with the colon of an East Asian keyboard, and ``params<1B``.
_KEY: Final = re.compile(r"([A-Za-z][A-Za-z_-]+)(?:[:\uff1a]|(?=[<>]))")
#: Signs that editors and keyboards write in place of those that are meant, one for one.
_SAME: Final = str.maketrans(dict.fromkeys("\u201c\u201d\u201e\u201f\uff02", '"'))
_MINUS: Final = frozenset("-\u2212\u2013")
#: What a value may be made of outside quotes, up to the next space.
_BARE: Final = re.compile(r'[^\s"]+')
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(r'\\(["\\])')


@dataclass(frozen=True)
class Piece:
    """A stretch of text that was quoted, or was not."""

    text: str
    quoted: bool


@dataclass(frozen=True)
class Term:
    """What stands between two spaces, quotes heeded."""

    start: int
    end: int
    excluded: bool
    key: str | None
    """The name of a field; ``None`` for text."""
    value: int
    """Where the text begins, or the value of the key."""
    pieces: tuple[Piece, ...]
    """Of ``license:"a b",mit``: ``a b`` quoted, ``,mit`` not. Of text it is one."""


def terms(text: str) -> Iterator[Term]:
    """Take the text of a query apart.

    Raises:
        QueryError: quotes that do not end, or a key that there is not.
    """
    text = text.translate(_SAME)
    place = 0
    while True:
        if (space := _SPACE.match(text, place)) is not None:
            place = space.end()
        if place >= len(text):
            return
        term = _term(text, place)
        yield term
        place = term.end


def _term(text: str, start: int) -> Term:
    excluded = text[start] in _MINUS and start + 1 < len(text) and not text[start + 1].isspace()
    place = start + excluded
    key, place = _key(text, place)
    if key is None:
        piece, end = _text(text, place)
        return Term(start, end, excluded, None, place, (piece,))
    pieces, end = _value(text, place)
    return Term(start, end, excluded, key, place, pieces)


def _key(text: str, place: int) -> tuple[str | None, int]:
    found = _KEY.match(text, place)
    if found is None:
        return None, place
    field = NAMES.get(found[1].lower().replace("-", "_"))
    compared = not found[0].endswith((":", "\uff1a"))
    if field is not None and (field.kind != "set" or not compared):
        return field.name, found.end()
    if compared or found[0].endswith("\uff1a"):  # 10K<n, Note：a
        return None, place
    rest = text[found.end() : found.end() + 1]
    if not rest or rest.isspace() or rest in "/\\:":  # https://…, Note: …, torch::nn
        return None, place
    raise _unknown_key(text, place, found[1])


def _unknown_key(text: str, place: int, name: str) -> QueryError:
    near = nearest("", name, NAMES)
    if near:
        hint = f"did you mean {' or '.join(f'{NAMES[item].name}:' for item in near[:1])}?"
    else:
        hint = f"the keys are {', '.join(dict.fromkeys(f.name for f in NAMES.values()))}"
    hint += '; to look for it as text, put it between "quotes"'
    return QueryError(f"there is no key {name!r}", text, place, len(name), hint=hint)


def _text(text: str, place: int) -> tuple[Piece, int]:
    """A phrase, or a word, which may have quotes inside (``5"``)."""
    if text[place] == '"':
        return _quoted(text, place)
    found = re.compile(r"\S+").match(text, place)
    end = found.end() if found else place
    return Piece(text[place:end], quoted=False), end


def _value(text: str, place: int) -> tuple[tuple[Piece, ...], int]:
    pieces: list[Piece] = []
    while place < len(text) and not text[place].isspace():
        if text[place] == '"':
            piece, place = _quoted(text, place)
        else:
            found = _BARE.match(text, place)
            end = found.end() if found else len(text)
            piece, place = Piece(text[place:end], quoted=False), end
        pieces.append(piece)
    return tuple(pieces), place


def _quoted(text: str, place: int) -> tuple[Piece, int]:
    found = _QUOTED.match(text, place)
    if found is None:
        raise QueryError(
            "these quotes do not end", text, place, hint='write "a phrase", or leave the mark out'
        )
    return Piece(_ESCAPE.sub(r"\1", found[1]), quoted=True), found.end()


def pieces_of(text: str) -> tuple[Piece, ...]:
    """Take a value apart that stands alone: spaces are part of it.

    Raises:
        QueryError: quotes that do not end.
    """
    text = text.translate(_SAME)
    pieces: list[Piece] = []
    place = 0
    while place < len(text):
        if text[place] == '"':
            piece, place = _quoted(text, place)
        else:
            end = text.find('"', place)
            end = len(text) if end < 0 else end
            piece, place = Piece(text[place:end], quoted=False), end
        pieces.append(piece)
    return tuple(pieces)
