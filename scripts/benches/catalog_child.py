"""``python -m scripts.benches.catalog_child build|change|ask PATH REPOS …``: one measurement.

In a process of its own, so that its memory is its own. Prints a JSON object.
"""

from __future__ import annotations

import argparse
import gc
import json
import pickle
import resource
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mirror.catalog import Catalog
from mirror.catalog.fields import MAIN_FACETS
from mirror.catalog.query.parse import parse_query
from mirror.catalog.query.query import Query
from mirror.catalog.read.results import SearchResult
from mirror.catalog.record.metadata import RepoRecord
from mirror.catalog.write.build import change_catalog, write_catalog
from scripts.benches.asking import mix
from scripts.benches.plain_sql import Answer, PlainSql
from scripts.benches.resample import Prototypes, changed, prototypes, resample

#: How many repos an update changes.
CHANGED = 1_000
QUERIES = 200
_MEASURED, _WARMING = 1, 2


class Timed:
    """Goes through records, and knows how long others took to make them."""

    def __init__(self, records: Iterator[RepoRecord]) -> None:
        self._records = records
        self.seconds = 0.0

    def __iter__(self) -> Iterator[RepoRecord]:
        """Give the records."""
        while True:
            started = time.perf_counter()
            record = next(self._records, None)
            self.seconds += time.perf_counter() - started
            if record is None:
                return
            yield record


def _source() -> Prototypes:
    """Read the prototypes, which are ours: the garbage collector need not go through them."""
    source = prototypes()
    gc.collect()
    gc.freeze()
    return source


def build(path: Path, repos: int) -> dict[str, Any]:
    """Write a catalog; the time without that of making up the records.

    Leaves beside it, for :func:`change`, some repos from all over it as they are later.
    """
    source, later = _source(), list[RepoRecord]()
    before, records = _peak_mb(), Timed(_kept(resample(source, repos), repos // CHANGED, later))
    started = time.perf_counter()
    assert write_catalog(path, records, {}) == repos
    seconds = time.perf_counter() - started - records.seconds
    _later(path).write_bytes(pickle.dumps(later))
    return {
        "seconds": seconds,
        "made_up": records.seconds,
        "peak_mb": _peak_mb(),
        "before_mb": before,
        "bytes": path.stat().st_size,
    }


def _kept(
    records: Iterator[RepoRecord], every: int, later: list[RepoRecord]
) -> Iterator[RepoRecord]:
    for place, record in enumerate(records):
        if place % every == 0:
            later.append(changed(record))
        yield record


def _later(path: Path) -> Path:
    return path.with_suffix(".later")


def change(path: Path, repos: int) -> dict[str, Any]:
    """Update 1,000 repos from all over the catalog; a copy of the file is part of it."""
    records: list[RepoRecord] = pickle.loads(_later(path).read_bytes())
    keys, before = {record.key for record in records}, _peak_mb()
    started = time.perf_counter()
    done = change_catalog(path, keys, records, {})
    seconds = time.perf_counter() - started
    assert (done.repos, done.indexed) == (repos, len(records))
    return {"seconds": seconds, "peak_mb": _peak_mb(), "before_mb": before, "repos": len(records)}


def ask(path: Path, queries: int, compared: int) -> dict[str, Any]:
    """Time each query of the mix once, after another mix has warmed what it may."""
    source = _source()
    with Catalog.open(path) as catalog:
        for text in mix(source, QUERIES, _WARMING):
            catalog.search(parse_query(text), facets=MAIN_FACETS)
        asked = mix(source, queries, _MEASURED)
        times, totals, parsed = [], [], []
        for text in asked:
            started = time.perf_counter()
            query = parse_query(text)
            result = catalog.search(query, facets=MAIN_FACETS)
            times.append(time.perf_counter() - started)
            totals.append(result.total)
            parsed.append((query, result))
    # Every second query has words: so one with, one without, from all over the mix.
    places = [turn * len(asked) // compared // 2 * 2 + turn % 2 for turn in range(compared)]
    plain = [_plain(path, *parsed[place]) for place in places]
    return {
        "queries": asked,
        "times": times,
        "totals": totals,
        "places": places,
        "plain": [seconds for seconds, _ in plain],
        "differ": [
            asked[place] for place, (_, same) in zip(places, plain, strict=True) if not same
        ],
        "peak_mb": _peak_mb(),
    }


def _plain(path: Path, query: Query, result: SearchResult) -> tuple[float, bool]:
    """Answer in plain SQL, the second time of two; tell whether it is the same answer."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        baseline = PlainSql(connection)
        baseline.answer(query, MAIN_FACETS)
        started = time.perf_counter()
        answer = baseline.answer(query, MAIN_FACETS)
        return time.perf_counter() - started, answer.same(_answer(connection, result))
    finally:
        connection.close()


def _answer(connection: sqlite3.Connection, result: SearchResult) -> Answer:
    page = tuple(
        connection.execute(
            "SELECT repo FROM repos WHERE repo_type = ? AND repo_id = ?",
            (hit.key.repo_type.value, hit.key.repo_id),
        ).fetchone()[0]
        for hit in result.hits
    )
    facets = {
        facet.field: tuple((value.value, value.repos) for value in facet.values[:10])
        for facet in result.facets
    }
    return Answer(result.total, page, facets)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("build", "change", "ask"))
    parser.add_argument("path", type=Path)
    parser.add_argument("number", type=int, help="repos; of ask, queries")
    parser.add_argument("--compared", type=int, default=0, help="queries in plain SQL too")
    arguments = parser.parse_args()
    if arguments.what == "ask":
        found = ask(arguments.path, arguments.number, arguments.compared)
    else:
        action = build if arguments.what == "build" else change
        found = action(arguments.path, arguments.number)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
