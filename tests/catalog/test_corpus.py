"""Every real card that there is: 8,077 models of 2022, 770 data sets, 87 in today's style.

All of them go through reading, describing and a real catalog (the store is left out
here: writing nine thousand repos takes longer than indexing them). A part goes through
a real store as well; ``MIRROR_TEST_ALL=1`` takes all of them there too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from mirror.catalog import Catalog, Query, reindex
from mirror.catalog.query.parse import parse_query
from mirror.catalog.record.metadata import RepoRecord, describe
from mirror.catalog.write.build import write_catalog
from mirror.errors import BadNameError
from mirror.names import RepoKey, RepoType
from mirror.store import Manifest, Store
from tests import corpus
from tests.catalog.making import manifest_of, write_quickly
from tests.catalog.test_metadata import source_of

pytestmark = corpus.needs_corpus

MODELS = "models-2022-02"
PART = 1 if os.environ.get("MIRROR_TEST_ALL") else 40


@cache
def upstream() -> dict[str, dict[str, object]]:
    """What the Hub said of the models of 2022, by id."""
    return {record["modelId"]: record for record in corpus.records(MODELS)}


@cache
def cards() -> list[tuple[RepoKey, bytes, dict[str, object]]]:
    """Every card: the repo, the README, and upstream's word where it is known."""
    return [
        (key_of(card), card.data, upstream().get(card.repo_id, {}) if archive == MODELS else {})
        for archive in (MODELS, "datasets-2.5.2", "modern")
        for card in corpus.cards(archive)
    ]


def key_of(card: corpus.Card) -> RepoKey:
    repo_type = RepoType(card.repo_type)
    try:
        return RepoKey(repo_type, card.repo_id)
    except BadNameError:
        # 19 names have more than the 96 characters that the Hub's own client accepts.
        return RepoKey(repo_type, f"{card.repo_id[:80]}{repo_number_of(card) % 10**9}")


def repo_number_of(card: corpus.Card) -> int:
    return sum(card.repo_id.encode()) * len(card.repo_id)


@pytest.fixture(scope="module")
def records() -> list[RepoRecord]:
    found = [describe(source_of(key, data, raw)) for key, data, raw in cards()]
    return sorted(found, key=lambda record: record.key)


@pytest.fixture(scope="module")
def catalog(
    records: list[RepoRecord], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Catalog]:
    path = tmp_path_factory.mktemp("corpus") / "catalog.db"
    assert write_catalog(path, records, {}) == len(records)
    with Catalog.open(path) as catalog:
        yield catalog


def test_every_card_is_in_the_catalog(records: list[RepoRecord], catalog: Catalog) -> None:
    empty = {key for key, data, _ in cards() if not data.strip()}

    assert len(records) == 8_077 + 770 + 87
    assert catalog.search(Query(limit=0)).total == len(records)
    assert {r.key for r in records if not (r.card.body or r.card.data)} == empty


def test_cards_that_the_hubs_own_parser_rejects_are_in_it_too(
    records: list[RepoRecord], catalog: Catalog
) -> None:
    from huggingface_hub import ModelCardData

    rejected = []
    for record in records:
        if "model-index" in record.card.data:
            try:
                ModelCardData(**record.card.data)
            except Exception:
                rejected.append(record)

    assert len(rejected) > 100
    for record in rejected:
        page = catalog.page(record.key)
        assert page is not None
        assert page.card_data["model-index"] == record.card.data["model-index"]
        assert page.languages or "language" not in record.card.data


def test_what_real_cards_say_is_found(catalog: Catalog) -> None:
    def total(query: str) -> int:
        return catalog.search(parse_query(query)).total

    assert total("language:no") > 20
    assert total("language:Korean") > 90
    assert total("task:text-classification language:ko") > 15
    assert total("license:apache-2.0") > 1_500
    assert total("license:unknown") > 1_000
    assert total("library:transformers") > 5_000
    assert total("한국어") > 5
    assert total("日本語") > 10
    assert total("evaluated_on:common_voice language:sv-SE") > 2
    assert total("modality:audio") > 500
    assert total("format:pytorch") > 5_000


def test_few_cards_have_problems_and_all_say_which(records: list[RepoRecord]) -> None:
    found = [record for record in records if record.problems]

    assert 50 < len(found) < 100
    assert {p for record in found for p in record.problems} >= {
        "front matter is not at the top",
        "front matter is not a mapping",
        "UTF-16, not UTF-8",
    }


def test_through_a_real_store(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "mirror")
    expected = {}
    for key, data, raw in cards()[::PART]:
        write_quickly(store, manifest := manifest_for(key, data, raw), [data])
        expected[key] = manifest.commit
    for repo in corpus.hub_repos():
        key = RepoKey(RepoType(repo.repo_type), repo.repo_id)
        files = [path for path in sorted(repo.folder.rglob("*")) if path.is_file()]
        contents = {str(path.relative_to(repo.folder)): path.read_bytes() for path in files}
        write_quickly(store, manifest := manifest_of(key, contents), contents.values())
        expected[key] = manifest.commit

    report = reindex(store, store.layout.catalog)

    assert report.problems == ()
    with Catalog.open(store.layout.catalog) as catalog:
        assert {summary.key: summary.commit for summary in catalog.summaries()} == expected
        page = catalog.page(RepoKey(RepoType.DATASET, "klue/klue"))
        search = catalog.search(
            parse_query("task:text-classification language:ko license:cc-by-sa-4.0")
        )
    assert page is not None
    rows = {subset.name: [(s.name, s.rows) for s in subset.splits] for subset in page.subsets}
    assert rows == {
        "sts": [("validation", 519)],
        "nli": [("validation", 3_000)],
        "ner": [("validation", 5_000)],
        "dp": [("validation", 2_000)],
    }
    assert page.key in {hit.key for hit in search.hits}


def manifest_for(key: RepoKey, data: bytes, raw: dict[str, object]) -> Manifest:
    return manifest_of(key, {"README.md": data}, json.loads(json.dumps(raw)))


def test_infos_of_old_data_sets_have_their_subsets_and_splits() -> None:
    from mirror.catalog.record.subsets import find_subsets

    configs = splits = 0
    for name, data in corpus.archive_files("cards/datasets-2.5.2.tar.xz"):
        if name.endswith("dataset_infos.json"):
            found = find_subsets({}, json.loads(data), [])
            configs += len(found)
            splits += sum(len(subset.splits) for subset in found)
            assert all(split.rows is not None for subset in found for split in subset.splits)

    assert (configs, splits) == (5_101, 9_886)
