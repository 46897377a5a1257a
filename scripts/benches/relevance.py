"""What the search finds first, against plain FTS5 over the same cards.

The queries are those of ``tests/samples/relevance.tsv``. Plain FTS5 is what one writes
first: a table of id, tags and card, all words demanded, ordered by ``bm25``; once cut by
``unicode61``, once into trigrams.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mirror.catalog import Catalog
from mirror.catalog.query.parse import parse_query
from mirror.catalog.record.metadata import RepoRecord
from mirror.catalog.write.build import write_catalog
from mirror.names import RepoKey
from scripts.benches.measure import table, write_section
from scripts.benches.resample import script_of
from tests.samples.relevance import Asked, asked, records

FIRST: Final = 10
_Search = Callable[[str], list[RepoKey]]


@dataclass(frozen=True)
class Score:
    """Of one query: how good its first ten are."""

    precision: float
    """Of the first ten (fewer, where fewer are found or fewer are known): good ones."""
    recall: float
    """Of the good ones: among the first ten."""
    reciprocal: float
    """One over the place of the first good one; 0 where there is none."""


def score(found: Sequence[RepoKey], relevant: frozenset[RepoKey]) -> Score:
    """Judge the first ten."""
    places = [place for place, key in enumerate(found[:FIRST], 1) if key in relevant]
    return Score(
        len(places) / FIRST,
        len(places) / len(relevant),
        1 / places[0] if places else 0.0,
    )


def run() -> None:
    """Measure, and write the section of docs/benchmarks.md."""
    repos = list(records())
    queries = asked()
    with tempfile.TemporaryDirectory(prefix="mirror-bench-relevance-") as folder:
        write_catalog(path := Path(folder) / "catalog.db", repos, {})
        with Catalog.open(path) as catalog:
            ways: dict[str, _Search] = {
                "`mirror search`": lambda text: [
                    hit.key for hit in catalog.search(parse_query(text, limit=FIRST))
                ],
                "FTS5, `unicode61`, `bm25`": plain_fts5(repos, "unicode61 remove_diacritics 2"),
                "FTS5, `trigram`, `bm25`": plain_fts5(repos, "trigram"),
            }
            scores = {
                name: [score(find(q.query), q.relevant) for q in queries]
                for name, find in ways.items()
            }
    write_section("relevance", section(len(repos), queries, scores))
    for query, ours in zip(queries, scores["`mirror search`"], strict=True):
        if ours.recall < 1:
            print(f"{query.query}: {ours.recall:.2f} of {len(query.relevant)}")


def plain_fts5(repos: Sequence[RepoRecord], tokenize: str) -> _Search:
    """Index the repos in memory as one does at first; give the search."""
    connection = sqlite3.connect(":memory:")
    connection.execute(
        f"CREATE VIRTUAL TABLE cards USING fts5(id, tags, card, tokenize='{tokenize}')"
    )
    connection.executemany(
        "INSERT INTO cards (rowid, id, tags, card) VALUES (?, ?, ?, ?)",
        (
            (
                number,
                f"{record.key.repo_id} {record.title or ''}",
                " ".join(record.tags),
                f"{record.summary or ''} {record.description or ''}\n{record.card.body}",
            )
            for number, record in enumerate(repos)
        ),
    )

    def find(text: str) -> list[RepoKey]:
        phrases = text.split('"')[1::2]
        words = " ".join(text.split('"')[::2]).split()
        expression = " ".join(f'"{word}"' for word in (*phrases, *words))
        rows = connection.execute(
            "SELECT rowid FROM cards WHERE cards MATCH ? ORDER BY bm25(cards) LIMIT ?",
            (expression, FIRST),
        )
        return [repos[number].key for (number,) in rows]

    return find


def section(repos: int, queries: Sequence[Asked], scores: dict[str, list[Score]]) -> str:
    """Give the section of docs/benchmarks.md."""
    korean = [script_of(query.query) == "ko" for query in queries]
    other = [script_of(query.query) in {"ja", "zh"} for query in queries]
    good = statistics.mean(min(FIRST, len(query.relevant)) / FIRST for query in queries)
    rows = []
    for name, found in scores.items():
        rows.append(
            [
                name,
                f"{statistics.mean(item.precision for item in found):.3f}",
                f"**{_recall(found, [True] * len(found)):.3f}**",
                f"{statistics.mean(item.reciprocal for item in found):.3f}",
                f"{_recall(found, korean):.3f}",
                f"{_recall(found, other):.3f}",
            ]
        )
    about = (
        f"`scripts/bench relevance`: {len(queries)} queries ({sum(korean)} Korean, {sum(other)}"
        f" Japanese or Chinese) over {repos:,} real repos, with the repos that somebody who read"
        " their cards wants among the first ten (`tests/samples/relevance.tsv`). Plain FTS5 has"
        " the same text in three columns (id and title, tags, card), demands all words and"
        " orders by `bm25`."
    )
    header = [
        *("search", "precision@10", "recall@10", "mean reciprocal rank"),
        *("recall@10, Korean", "recall@10, Japanese and Chinese"),
    ]
    limits = (
        "Only what was chosen counts as found, one to four repos of a query, looked up in the"
        " cards as text and then read; others may be as good. A perfect search has a"
        f" precision@10 of {good:.3f}."
    )
    return "\n\n".join((about, table(header, rows), limits))


def _recall(found: Sequence[Score], among: Sequence[bool]) -> float:
    return statistics.mean(item.recall for item, counts in zip(found, among, strict=True) if counts)
