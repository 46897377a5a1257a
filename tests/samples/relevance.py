"""What people look for and what they must find, over the real cards of the test corpus.

``relevance.tsv`` beside it holds the queries. The repos are those of the corpus that have
a card, and 1,326 Korean data sets of which it has upstream's description.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mirror.catalog.record.metadata import RepoRecord, describe
from mirror.errors import BadNameError
from mirror.names import RepoKey, RepoType
from tests import corpus
from tests.catalog.test_metadata import source_of

TABLE: Final = Path(__file__).with_suffix(".tsv")


@dataclass(frozen=True)
class Asked:
    """A query with the repos that answer it."""

    query: str
    demanded: frozenset[RepoKey]
    """Must be among the first ten."""
    others: frozenset[RepoKey]
    """As good, but in other words than the query's."""

    @property
    def relevant(self) -> frozenset[RepoKey]:
        """All that answer it."""
        return self.demanded | self.others


def asked() -> list[Asked]:
    """Read the table."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [
        Asked(
            query,
            frozenset(_key(word) for word in repos.split() if word[0] != "?"),
            frozenset(_key(word[1:]) for word in repos.split() if word[0] == "?"),
        )
        for query, repos in rows
    ]


def _key(text: str) -> RepoKey:
    kind, slash, rest = text.partition("/")
    if kind == "datasets" and slash:
        return RepoKey(RepoType.DATASET, rest)
    return RepoKey(RepoType.MODEL, text)


def records() -> Iterator[RepoRecord]:
    """Describe every repo of the corpus that has text, each once."""
    seen: set[RepoKey] = set()
    for key, card, raw in _sources():
        if key not in seen:
            seen.add(key)
            yield describe(source_of(key, card, raw))


def _sources() -> Iterator[tuple[RepoKey, bytes | None, dict[str, Any]]]:
    upstream = {record["modelId"]: record for record in corpus.records("models-2022-02")}
    for archive in ("models-2022-02", "datasets-2.5.2", "modern"):
        for card in corpus.cards(archive):
            try:
                key = RepoKey(RepoType(card.repo_type), card.repo_id)
            except BadNameError:  # too long for the Hub of today
                continue
            raw = upstream.get(card.repo_id, {}) if archive == "models-2022-02" else {}
            yield key, card.data, raw
    for record in corpus.records("datasets-ko-2025-10-12"):
        yield RepoKey(RepoType.DATASET, record["id"]), None, record
