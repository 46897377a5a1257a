"""Which repos have a word: out of the sets of common words, else asked of FTS5.

FTS5 finds a rare word in no time, and goes through every repo of a common one: so a
common word has its sets ready. Words that stand together (``roberta-base``, the pairs of
기계독해) are a phrase: the repos that have all of them are a bound, and where there are
any, FTS5 says in which of them they do stand together. What is found is exactly what
FTS5 alone would find.

How a text is cut into tokens, FTS5 itself says: there is no second tokenizer.
"""

from __future__ import annotations

import re
import sqlite3
import weakref
from dataclasses import dataclass
from typing import Final

from pyroaring import BitMap

from mirror.catalog.cjk import Way, any_of, ways
from mirror.catalog.format import PARTS, TOKENIZE
from mirror.catalog.query.query import Words
from mirror.catalog.read.sets import Sets

#: The parts of a repo's text that say what it is.
HEAD: Final = ("name", "tags", "lead")

_ROWS: Final = "SELECT rowid FROM documents_fts(?)"
_PLAIN: Final = re.compile(r"[0-9a-z]+(?: [0-9a-z]+)*")


@dataclass(frozen=True)
class Found:
    """The repos of a word."""

    anywhere: BitMap
    name: BitMap
    """Those that have it in their id or title: its tokens, in whatever order."""
    head: BitMap
    """Those that have it there, in their tags, or in what says what they are."""


class WordFinder:
    """Finds the repos of words in one open catalog."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets
        self._tokenizer = Tokenizer()

    def find(self, words: Words) -> Found | None:
        """Give the repos of a word or phrase; ``None`` where there is no letter in it."""
        several = ways(words.text, phrase=words.phrase)
        if not several:
            return None
        found = [self._way(way) for way in several]
        anywhere = self._anywhere(several)
        return Found(
            anywhere,
            BitMap.union(*(name for name, _ in found)) & anywhere,
            BitMap.union(*(head for _, head in found)) & anywhere,
        )

    def _anywhere(self, several: tuple[Way, ...]) -> BitMap:
        hopeful = tuple(way for way in several if way.prefix or self._has_all(way))
        if not hopeful:
            return BitMap()
        if len(hopeful) == 1 and not hopeful[0].prefix:
            tokens = self._tokenizer.cut(hopeful[0].text)
            if len(tokens) == 1:
                return BitMap.union(*self._parts(tokens[0]).values())
        return self._ask(any_of(hopeful))

    def _has_all(self, way: Way) -> bool:
        """Whether any repo has all tokens of a phrase in one part."""
        tokens = self._tokenizer.cut(way.text)
        return any(self._together(tokens, part) for part in PARTS)

    def _way(self, way: Way) -> tuple[BitMap, BitMap]:
        """Give the repos that have it in their name, and in their head."""
        if way.prefix:
            return self._ask(f"{{name}} : {way.expression()}"), self._ask(
                f"{{{' '.join(HEAD)}}} : {way.expression()}"
            )
        tokens = self._tokenizer.cut(way.text)
        parts = {part: self._together(tokens, part) for part in HEAD}
        return parts["name"], BitMap.union(*parts.values())

    def _together(self, tokens: tuple[str, ...], part: str) -> BitMap:
        sets = [self._parts(token).get(part) for token in tokens]
        known = [numbers for numbers in sets if numbers is not None]
        if not known or len(known) < len(sets):
            return BitMap()
        return known[0] if len(known) == 1 else BitMap.intersection(*known)

    def _parts(self, token: str) -> dict[str, BitMap]:
        """Give the repos of a token, by part."""
        common = self._sets.word(token)
        if common is not None:
            return dict(common)
        quoted = Way(token).expression()
        return {part: self._ask(f"{{{part}}} : {quoted}") for part in PARTS}

    def _ask(self, expression: str) -> BitMap:
        def rows() -> BitMap:
            found = self._sets.connection.execute(_ROWS, (expression,)).fetchall()
            return BitMap([number for (number,) in found])

        return self._sets.kept(("fts", expression), rows)


class Tokenizer:
    """Cuts text as the index is cut, by FTS5 in a database of its own."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None

    def cut(self, text: str) -> tuple[str, ...]:
        """Give the tokens of ``text``, in their order."""
        if _PLAIN.fullmatch(text):
            return tuple(text.split(" "))
        connection = self._connection = self._connection or self._open()
        connection.execute("INSERT INTO cut (rowid, text) VALUES (1, ?)", (text,))
        rows = connection.execute("SELECT term FROM tokens ORDER BY offset").fetchall()
        connection.execute("INSERT INTO cut (cut) VALUES ('delete-all')")
        return tuple(term for (term,) in rows)

    def _open(self) -> sqlite3.Connection:
        connection = _empty_index()
        weakref.finalize(self, connection.close)
        return connection


def _empty_index() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    connection.execute(
        f"CREATE VIRTUAL TABLE cut USING fts5(text, content='', tokenize='{TOKENIZE}')"
    )
    connection.execute("CREATE VIRTUAL TABLE tokens USING fts5vocab(cut, instance)")
    return connection
