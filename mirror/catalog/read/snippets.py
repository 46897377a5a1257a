"""A few words of a card around what somebody looked for, and where in them it stands.

Made from the text as it was written, not from how it is indexed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import ClassVar, Final

from mirror.catalog.cjk import RANGES, fold
from mirror.catalog.query.query import Words
from mirror.catalog.record.prose import plain_line

#: Characters of a snippet.
WIDTH: Final = 200
#: Places of one word that are looked at, and lines that are tried.
_MOST_PLACES: Final = 200
_MOST_LINES: Final = 8

#: Headings, lists, quotes and tables begin with these.
_MARKS: Final = "#>*-+| \t"
#: A run of CJK, or of letters and digits of other scripts.
_PIECE: Final = re.compile(f"([{RANGES}]+)|([^\\W_{RANGES}]+)")
_LETTER: Final = f"[^\\W_{RANGES}]"

#: Letters before Hangul that may have marks, which FTS5 leaves out.
_MARKED: Final = re.compile("[\u00c0-\u10ff]+")

#: From and to, in characters.
Place = tuple[int, int]


class Marker:
    """Finds the words of a query in cards."""

    #: Characters of a card that are looked at.
    MOST: ClassVar[int] = 100_000

    def __init__(self, words: Iterable[Words]) -> None:
        #: What to look for, and the expression that it must begin.
        self._needles: dict[re.Pattern[str], str] = {}
        for item in words:
            found = list(_PIECE.finditer(folded(item.text)))
            patterns = [_pattern(piece, apart=not item.phrase) for piece in found]
            if item.phrase and found:
                found, patterns = found[:1], [r"[\W_]+".join(patterns)]
            for piece, pattern in zip(found, patterns, strict=True):
                self._needles[re.compile(pattern)] = piece[1][:2] if piece[1] else piece[2]
        self.has_words = bool(self._needles)

    def snippet(self, body: str) -> tuple[str | None, tuple[Place, ...]]:
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
        found: dict[int, set[re.Pattern[str]]] = {}
        for pattern, needle in self._needles.items():
            start = -1
            for _ in range(_MOST_PLACES):
                start = flat.find(needle, start + 1)
                if start < 0:
                    break
                line = flat.rfind("\n", 0, start) + 1
                if pattern not in found.get(line, ()) and pattern.match(flat, start):
                    found.setdefault(line, set()).add(pattern)
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
            (origin[match.start()], origin[match.end() - 1] + 1)
            for pattern in self._needles
            for match in pattern.finditer(flat)
        )
        joined: list[Place] = []
        for start, end in spans:
            if joined and start <= joined[-1][1]:
                joined[-1] = joined[-1][0], max(end, joined[-1][1])
            else:
                joined.append((start, end))
        return joined


def _pattern(piece: re.Match[str], *, apart: bool) -> str:
    """A run of CJK is found anywhere, and with a space in it; others as whole words."""
    if piece[1]:
        return (r"\s?" if apart else "").join(map(re.escape, piece[1]))
    return f"(?<!{_LETTER}){re.escape(piece[2])}(?!{_LETTER})"


def folded(text: str) -> str:
    """Fold as the index does, and é to e; line ends stay where they are."""
    flat = fold(text)
    return flat if flat.isascii() else _MARKED.sub(_without_marks, flat)


def _without_marks(found: re.Match[str]) -> str:
    apart = unicodedata.normalize("NFD", found[0])
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
