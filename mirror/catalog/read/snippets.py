"""A few words of a card around what somebody looked for.

Made from the text as it was written, not from how it is indexed.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from mirror.catalog.cjk import fold
from mirror.catalog.record.prose import plain_line

#: Characters of a snippet, and of the card that is looked at.
WIDTH: Final = 200
_SEARCHED: Final = 200_000

#: Headings, lists, quotes and tables begin with these.
_MARKS: Final = "#>*-+| \t"
_WORD: Final = re.compile(r"[^\W_]+")


def make_snippet(body: str, text: str) -> str | None:
    """Give the place in ``body`` where most words of ``text`` stand together, in one line.

    ``None`` where none does: they were found in the id or the tags.
    """
    words = dict.fromkeys(word for word in _WORD.findall(fold(text)))
    best, most = "", 0
    for line in unicodedata.normalize("NFC", body[:_SEARCHED]).split("\n"):
        folded = fold(line)
        found = sum(1 for word in words if word in folded)
        if found > most and (plain := plain_line(line.lstrip(_MARKS), 4 * WIDTH)):
            best, most = plain, found
            if found == len(words):
                break
    return _window(best, tuple(words)) if most else None


def _window(line: str, words: tuple[str, ...]) -> str:
    """Cut ``line`` to :data:`WIDTH` around the first word in it."""
    if len(line) <= WIDTH:
        return line
    folded = fold(line)
    # NFKC may change the length; then the window is near the word, not exactly on it.
    places = [place for word in words if (place := folded.find(word)) >= 0]
    start = max(0, min(min(places, default=0) - WIDTH // 3, len(line) - WIDTH))
    if start > 0 and (space := line.find(" ", start, start + 20)) >= 0:
        start = space + 1
    end = start + WIDTH
    if end < len(line) and (space := line.rfind(" ", end - 20, end)) >= 0:
        end = space
    return ("…" if start else "") + line[start:end].strip() + ("…" if end < len(line) else "")
