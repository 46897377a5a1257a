"""Every answer of the search is the one that is found without sets, orders or limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.catalog import Catalog
from mirror.catalog.query.query import Between, OneOf, Query
from mirror.catalog.read.results import FacetValue
from mirror.catalog.record.record import RepoRecord
from mirror.catalog.write.build import write_catalog
from tests.catalog.brute import Brute
from tests.catalog.records import QUERIES, records

COUNTED = ("type", "task", "license", "language", "tag", "format", "base_model", "author", "gated")


@contextmanager
def opened(found: list[RepoRecord]) -> Iterator[tuple[Catalog, Brute]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.db"
        write_catalog(path, found, {})
        brute = Brute(path)
        try:
            with Catalog.open(path) as catalog:
                yield catalog, brute
        finally:
            brute.close()


def known_only(query: Query, brute: Brute) -> Query:
    """Leave out values that no repo has: those have tests of their own."""
    kept = [
        item
        for item in query.filters
        if isinstance(item, Between)
        or all(value in brute.frequency(item.field) for value in item.values)
        or (
            (item.field, item.values) in {("language", ("zh-hant",)), ("license", ("house 1",))}
            and brute.frequency(item.field)["zh" if item.field == "language" else "other"]
        )
    ]
    return Query(query.words, tuple(kept), query.sort, query.ascending, query.limit, query.offset)


def check(catalog: Catalog, brute: Brute, query: Query, limit: int) -> None:
    result = catalog.search(query, COUNTED, limit)

    assert result.total == len(brute.hits(query))
    numbers = {(repo["repo_type"], repo["repo_id"]): n for n, repo in brute.repos.items()}
    shown = [numbers[hit.key.repo_type.value, hit.key.repo_id] for hit in result]
    assert shown == brute.page(query)
    for facet in result.facets:
        check_facet(facet.values, facet.truncated, brute, query, facet.field, limit)


def check_facet(
    values: tuple[FacetValue, ...],
    truncated: bool,
    brute: Brute,
    query: Query,
    field: str,
    limit: int,
) -> None:
    counts, frequency = brute.facet(query, field), brute.frequency(field)
    order = sorted(counts, key=lambda value: (-counts[value], -frequency[value], value))
    wanted = {
        value
        for item in query.filters
        if isinstance(item, OneOf) and item.field == field and not item.excluded
        for value in item.values
    }
    names = [*order[:limit], *(value for value in sorted(wanted) if value in order[limit:])]

    assert values == tuple(FacetValue(name, counts[name], name in wanted) for name in names)
    assert truncated == (len(order) > limit)


@pytest.mark.parametrize("few", [0, 1_000], ids=["by sets", "by rows"])
@pytest.mark.parametrize("common", [2, 500], ids=["common words", "rare words"])
@settings(max_examples=25)
@given(found=records(), queries=st.lists(QUERIES, min_size=8, max_size=8), limit=st.integers(0, 4))
def test_a_search_finds_counts_and_sorts_what_brute_force_does(
    few: int, common: int, found: list[RepoRecord], queries: list[Query], limit: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mirror.catalog.format.WORD_SET_MIN", common)
        patch.setattr("mirror.catalog.read.facets.FEW", few)
        patch.setattr("mirror.catalog.read.facets.FEW_OF_MANY", few)
        # Sorted by rank, or walked in order: a small catalog would only be walked.
        patch.setattr("mirror.catalog.read.orders._PLACES_A_REPO", 0 if few else 15)
        with opened(found) as (catalog, brute):
            for query in queries:
                check(catalog, brute, known_only(query, brute), limit)
