"""Text into words that FTS5 can find, also where a script writes no spaces.

FTS5's ``unicode61`` takes 기계독해 for one word and does not find 독해 in it. So every
run of Korean, Japanese or Chinese characters becomes its overlapping pairs, as in
Lucene's CJKAnalyzer, and a query is turned the same way: 독해 is a pair of 기계독해
(기계, 계독, 독해). A run ends with its last character alone, so that a query of one
character, which is looked for as the beginning of a pair, finds it everywhere.

Before that, text is folded by NFKC (NFD from macOS, full-width ＢＥＲＴ, half-width
katakana) and put in lower case. Everything else is left to ``unicode61``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

#: Hangul (syllables and letters), kana, bopomofo, Han, with their extensions.
_RANGES: Final = (
    "\u1100-\u11ff\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3041-\u3096\u309d-\u309f"
    "\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97c\uac00-\ud7a3\ud7b0-\ud7fb\uf900-\ufaff"
    "\U0001b000-\U0001b16f\U00020000-\U000323af"
)
#: One expression for all: it takes a millisecond to compile.
_RUN: Final = re.compile(f"([{_RANGES}]+)")

#: Up to so many characters, a query also finds its words written apart (감정 분석).
_MAX_SPLIT: Final = 12


def fold(text: str) -> str:
    """One form for what looks the same: NFKC, lower case."""
    return unicodedata.normalize("NFKC", text).lower()


def pieces_of(text: str) -> list[tuple[str, str]]:
    """Divide folded text into runs of CJK (run, "") and what stands between them ("", other)."""
    parts = _RUN.split(text)
    found = [("", part) if place % 2 == 0 else (part, "") for place, part in enumerate(parts)]
    return [piece for piece in found if piece[0] or piece[1]]


def is_cjk(char: str) -> bool:
    """Whether a character is of a script that writes no spaces between words."""
    return _RUN.match(char) is not None


def searchable(text: str) -> str:
    """Give the text as it is indexed: words, and the pairs of CJK runs, between spaces."""
    if text.isascii():  # most cards: there is nothing to fold but the case
        return text.lower()
    return _RUN.sub(lambda run: f" {_indexed(run[0])} ", fold(text))


def _indexed(run: str) -> str:
    return " ".join([*_pairs(run), run[-1]])


def _pairs(run: str) -> list[str]:
    return [one + two for one, two in pairwise(run)]


@dataclass(frozen=True)
class Way:
    """One way in which a word may stand in the indexed text."""

    text: str
    """Tokens that follow each other, between spaces; not yet as ``unicode61`` cuts them."""
    prefix: bool = False
    """Whether the last token need only begin so."""

    def expression(self) -> str:
        """As an FTS5 expression: quoted, so no character of it is syntax."""
        return '"' + self.text.replace('"', '""') + '"' + "*" * self.prefix


def any_of(several: tuple[Way, ...]) -> str:
    """Give the FTS5 expression of a word that may be written in several ways."""
    quoted = [way.expression() for way in several]
    return quoted[0] if len(quoted) == 1 else f"({' OR '.join(quoted)})"


def ways(text: str, *, phrase: bool = False) -> tuple[Way, ...]:
    """Give the ways to write a word, or a phrase, in the index; none if there is no letter in it.

    A run of CJK is found inside a longer one. One that is no phrase is also found where
    the text has a space in it.
    """
    found = pieces_of(fold(text.replace("\0", " ")))
    pieces = [piece for piece in found if piece[0] or _has_token(piece[1])]
    if not pieces:
        return ()
    if len(pieces) == 1 and (run := pieces[0][0]):
        return _run_ways(run, apart=not phrase)
    tokens, last = [], len(pieces) - 1
    for place, (run, other) in enumerate(pieces):
        if not run:
            tokens.append(other)
        elif place == last:  # the run may go on in the text
            tokens += _pairs(run) or [run]
        else:
            tokens.append(_indexed(run))
    # A lone character at the end is the beginning of a pair.
    return (Way(" ".join(tokens), prefix=len(pieces[last][0]) == 1),)


def _run_ways(run: str, *, apart: bool) -> tuple[Way, ...]:
    if len(run) == 1:
        return (Way(run, prefix=True),)
    found = [_pairs(run)]
    if apart and len(run) <= _MAX_SPLIT:
        found += [
            [*_pairs(run[:place]), run[place - 1], *_pairs(run[place:])]
            for place in range(2, len(run) - 1)
        ]
    return tuple(Way(" ".join(way)) for way in found)


def _has_token(text: str) -> bool:
    """Whether ``unicode61`` finds a token in it: letters, digits, private use."""
    categories = map(unicodedata.category, text)
    return any(category[0] in "LN" or category == "Co" for category in categories)
