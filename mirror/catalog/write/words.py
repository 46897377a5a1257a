"""Sets of repos by word, for the words that many repos have.

FTS5 finds the repos of a rare word in no time, but must go through all of them for a
common one. So common words have their sets ready, one for each part of the text. What a
word is, FTS5 itself says (``fts5vocab``): there is no second tokenizer to keep in step.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from pyroaring import BitMap

from mirror.catalog import format as catalog_format
from mirror.catalog.format import PARTS, TOKENIZE
from mirror.catalog.write.sets import packed

_ALL: Final = "SELECT word, part, bits FROM word_sets"
_PUT: Final = "INSERT OR REPLACE INTO word_sets (word, part, repos, bits) VALUES (?, ?, ?, ?)"
_DELETE: Final = "DELETE FROM word_sets WHERE word = ? AND part = ?"
_REPOS: Final = "SELECT rowid FROM documents_fts(?)"

_Sets = dict[str, dict[str, BitMap]]


def write_word_sets(connection: sqlite3.Connection) -> None:
    """Write the sets of every common word; there must be none yet."""
    with _vocabulary(connection):
        statement = "SELECT term FROM temp.terms WHERE doc >= ? ORDER BY term"
        words = [word for (word,) in connection.execute(statement, (catalog_format.WORD_SET_MIN,))]
    for word in words:
        _put(connection, word, _look_up(connection, word))


def change_word_sets(
    connection: sqlite3.Connection, removed: Iterable[int], added: Iterable[int]
) -> None:
    """Bring the sets up to date after the texts of ``removed`` went, and of ``added`` came in.

    ``documents`` and its index must be so already.
    """
    gone, fresh, known = BitMap(removed), _words_of(connection, added), _known(connection)
    for word, parts in known.items():
        new = fresh.pop(word, {})
        changed = {
            part: (parts.get(part, BitMap()) - gone) | new.get(part, BitMap())
            for part in parts.keys() | new.keys()
        }
        if changed != parts:
            _put(connection, word, changed if _is_common(changed) else dict.fromkeys(parts))
    with _vocabulary(connection):
        count = "SELECT doc FROM temp.terms WHERE term = ?"
        for word in fresh:  # had no sets, so it is in few repos, and quick to count
            found = connection.execute(count, (word,)).fetchone()
            if found is not None and found[0] >= catalog_format.WORD_SET_MIN:
                _put(connection, word, _look_up(connection, word))


def _is_common(parts: dict[str, BitMap]) -> bool:
    return len(BitMap.union(*parts.values())) >= catalog_format.WORD_SET_MIN


def _put(
    connection: sqlite3.Connection, word: str, parts: dict[str, BitMap] | dict[str, None]
) -> None:
    """Write the sets of a word; one that is empty is no row."""
    for part, numbers in parts.items():
        if numbers:
            connection.execute(_PUT, (word, part, len(numbers), packed(numbers)))
        else:
            connection.execute(_DELETE, (word, part))


def _known(connection: sqlite3.Connection) -> _Sets:
    sets: _Sets = defaultdict(dict)
    for word, part, bits in connection.execute(_ALL):
        sets[word][part] = BitMap.deserialize(bits)
    return sets


def _look_up(connection: sqlite3.Connection, word: str) -> dict[str, BitMap]:
    """Ask the index in which repos a word is."""
    quoted = '"' + word.replace('"', '""') + '"'
    return {
        part: BitMap(
            [number for (number,) in connection.execute(_REPOS, (f"{{{part}}} : {quoted}",))]
        )
        for part in PARTS
    }


def _words_of(connection: sqlite3.Connection, repos: Iterable[int]) -> _Sets:
    """Give the words of a few repos, as FTS5 takes their text apart."""
    columns = ", ".join(PARTS)
    connection.execute(
        f"CREATE VIRTUAL TABLE temp.fresh USING fts5({columns}, content='', tokenize='{TOKENIZE}')"
    )
    connection.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(temp, fresh, instance)")
    connection.executemany(
        f"INSERT INTO temp.fresh (rowid, {columns}) "  # noqa: S608
        f"SELECT repo, {columns} FROM documents WHERE repo = ?",
        ((number,) for number in repos),
    )
    sets: _Sets = defaultdict(dict)
    for word, number, part in connection.execute("SELECT DISTINCT term, doc, col FROM temp.words"):
        sets[word].setdefault(part, BitMap()).add(number)
    connection.execute("DROP TABLE temp.words")
    connection.execute("DROP TABLE temp.fresh")
    return sets


@contextmanager
def _vocabulary(connection: sqlite3.Connection) -> Iterator[None]:
    """Let ``temp.terms`` be the words of the index, with how many repos have each."""
    connection.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, documents_fts, row)")
    try:
        yield
    finally:
        connection.execute("DROP TABLE temp.terms")
