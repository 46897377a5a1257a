"""A few words of a card around what somebody looked for, and where in them it stands.

Made from the text as it was written, not from how it is indexed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final

from mirror.catalog.cjk import fold, is_cjk, pieces_of
from mirror.catalog.query.query import Words
from mirror.catalog.record.prose import plain_line

#: Characters of a snippet.
WIDTH: Final = 200
#: Places where a word may begin that are looked at, and lines that are tried.
_MOST_PLACES: Final = 500
_MOST_LINES: Final = 8

#: Headings, lists, quotes and tables begin with these.
_MARKS: Final = "#>*-+| \t"
_WORD: Final = re.compile(r"[^\W_]+")
_GAP: Final = re.compile(r"[\W_]+")
#: Latin letters that may have marks, which FTS5 leaves out.
_MARKED: Final = re.compile("[\u00c0-\u024f\u1e00-\u1eff]+")

#: From and to, in characters.
Place = tuple[int, int]
#: The text, and where the words are in it.
Snippet = tuple[str | None, tuple[Place, ...]]


@dataclass(frozen=True)
class _Needle:
    """A word as it is looked for in folded text. Plain code: a pattern costs 1 ms to compile."""

    pieces: tuple[str, ...]
    """Runs of CJK and other words; more than one of a phrase."""
    apart: bool
    """Whether a space may be in the middle of a run."""

    @property
    def start(self) -> str:
        """What it begins with, wherever it is."""
        first = self.pieces[0]
        return first[:2] if self.apart and is_cjk(first[0]) else first

    def end(self, text: str, start: int) -> int:
        """Give where the word ends that begins at ``start``; -1 if none begins there."""
        at = start
        for place, piece in enumerate(self.pieces):
            if place and (gap := _GAP.match(text, at)):
                at = gap.end()
            at = self._end(piece, text, at)
            if at < 0:
                return -1
        return at

    def _end(self, piece: str, text: str, start: int) -> int:
        if not is_cjk(piece[0]):
            end = start + len(piece)
            whole = text.startswith(piece, start) and not (
                _joins(text[start - 1 : start]) or _joins(text[end : end + 1])
            )
            return end if whole else -1
        if text.startswith(piece, start):
            return start + len(piece)
        at = start
        for char in piece if self.apart else "":
            if at > start and text[at : at + 1].isspace():
                at += 1
            if text[at : at + 1] != char:
                return -1
            at += 1
        return at if self.apart else -1


def _joins(char: str) -> bool:
    """Whether a character would be of the same word."""
    return char.isalnum() and not is_cjk(char)


class Marker:
    """Finds the words of a query in cards."""

    #: Characters of a card that are looked at.
    MOST: ClassVar[int] = 40_000

    def __init__(self, words: Iterable[Words]) -> None:
        needles: dict[_Needle, None] = {}
        for item in words:
            found = [
                piece
                for run, other in pieces_of(folded(item.text))
                for piece in ([run] if run else _WORD.findall(other))
            ]
            if item.phrase and found:
                needles[_Needle(tuple(found), apart=False)] = None
            else:
                needles |= {_Needle((piece,), apart=True): None for piece in found}
        self._needles = tuple(needles)
        self.has_words = bool(needles)

    def snippet(self, body: str) -> Snippet:
        """Give the line of a card with most of the words, and where they are in it.

        ``None`` where no line has any: they were found in the id, the tags, or further down.
        """
        text = body[: self.MOST]
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
        for line in self._best_lines(text):
            plain = plain_line(line.lstrip(_MARKS), 4 * WIDTH)
            if (places := self._places(plain)) and plain:
                return _window(plain, places)
        return None, ()

    def _best_lines(self, text: str) -> Iterator[str]:
        """Give the lines with words in them: those with most of them first, then from the top."""
        flat = folded(text)
        found: dict[int, set[_Needle]] = {}
        for needle in self._needles:
            for start, _ in _places(needle, flat, one_a_line=True):
                line = flat.rfind("\n", 0, start) + 1
                found.setdefault(line, set()).add(needle)
        if not found:
            return
        lines = text.split("\n")
        best = sorted(found, key=lambda line: (-len(found[line]), line))
        for line in best[:_MOST_LINES]:
            yield lines[flat.count("\n", 0, line)]

    def _places(self, line: str) -> list[Place]:
        """Give where the words are in a line, in order; those that touch are one."""
        flat, origin = _aligned(line)
        spans = sorted(
            (origin[start], origin[end - 1] + 1)
            for needle in self._needles
            for start, end in _places(needle, flat)
        )
        joined: list[Place] = []
        for start, end in spans:
            if joined and start <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(end, joined[-1][1])
            else:
                joined.append((start, end))
        return joined


def _places(needle: _Needle, text: str, *, one_a_line: bool = False) -> Iterator[Place]:
    """Give where the word is in folded text; or only the first place of each line."""
    start, at = needle.start, -1
    for _ in range(_MOST_PLACES):
        at = text.find(start, at + 1)
        if at < 0:
            return
        if (end := needle.end(text, at)) >= 0:
            yield at, end
            if one_a_line and (at := text.find("\n", end)) < 0:
                return


def folded(text: str) -> str:
    """Fold as the index does, and é to e; line ends stay where they are."""
    flat = fold(text)
    return flat if flat.isascii() else _MARKED.sub(lambda found: _without_marks(found[0]), flat)


@lru_cache(maxsize=4_096)
def _without_marks(text: str) -> str:
    apart = unicodedata.normalize("NFD", text)
    return "".join(char for char in apart if not unicodedata.combining(char))


@lru_cache(maxsize=8_192)
def _one(char: str) -> str:
    return folded(char)


def _aligned(line: str) -> tuple[str, range | list[int]]:
    """Give the line folded, and for each character of that where it comes from."""
    if line.isascii():
        return line.lower(), range(len(line))
    flat, origin = [], []
    for place, char in enumerate(line):
        for one in _one(char):
            flat.append(one)
            origin.append(place)
    return "".join(flat), origin


def _window(line: str, places: list[Place]) -> tuple[str, tuple[Place, ...]]:
    """Cut ``line`` to :data:`WIDTH` around the first word in it."""
    start, end = 0, len(line)
    if len(line) > WIDTH:
        start = max(0, min(places[0][0] - WIDTH // 3, len(line) - WIDTH))
        if start > 0 and 0 <= (space := line.find(" ", start, places[0][0])) < start + 20:
            start = space + 1
        end = min(len(line), start + WIDTH)
        if end < len(line) and (space := line.rfind(" ", end - 20, end)) > places[0][0]:
            end = space
    text = line[start:end].rstrip()
    before = "…" if start else ""
    move = len(before) - start
    inside = tuple(
        (first + move, min(last, start + len(text)) + move)
        for first, last in places
        if start <= first < start + len(text)
    )
    return before + text + ("…" if end < len(line) else ""), inside
