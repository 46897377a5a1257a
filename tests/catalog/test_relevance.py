"""Real queries over the real cards: what must be among the first ten."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mirror.catalog import Catalog
from mirror.catalog.query.parse import parse_query
from mirror.catalog.write.build import write_catalog
from tests import corpus
from tests.samples import relevance

pytestmark = corpus.needs_corpus


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    path = tmp_path_factory.mktemp("relevance") / "catalog.db"
    write_catalog(path, relevance.records(), {})
    with Catalog.open(path) as catalog:
        yield catalog


@pytest.mark.parametrize("asked", relevance.asked(), ids=lambda asked: asked.query)
def test_what_must_be_among_the_first_ten(asked: relevance.Asked, catalog: Catalog) -> None:
    result = catalog.search(parse_query(asked.query, limit=10))

    assert asked.demanded - {hit.key for hit in result.hits} == frozenset()


def test_the_table_is_in_many_languages() -> None:
    queries = [asked.query for asked in relevance.asked()]

    def written(first: str, last: str) -> int:
        return sum(any(first <= character <= last for character in query) for query in queries)

    assert len(queries) == len(set(queries)) >= 60
    assert written("가", "힣") >= 20
    assert written("ぁ", "ヿ") + written("一", "鿿") >= 10
