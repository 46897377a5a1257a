"""catalog.db.example: what a visitor of the source tree opens first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mirror.catalog import SCHEMA, Catalog, parse_query
from tests.catalog.making import dump
from tests.samples import SAMPLES

CHECKOUT = Path(__file__).parents[2]
EXAMPLE = CHECKOUT / "catalog.db.example"

#: What does not depend on the versions of the libraries that write the samples.
TABLES = (
    *("aliases", "repo_tasks", "repo_languages", "repo_licenses", "repo_libraries", "repo_tags"),
    *("repo_links", "subsets", "cards", "documents", "index", "card_texts"),
)


def test_it_opens_and_answers() -> None:
    with Catalog.open(EXAMPLE) as catalog:
        found = catalog.search(parse_query("감정 task:text-classification language:ko"))
        page = catalog.page(catalog.find("korean-english-reviews")[0])
        stats = catalog.stats()

    assert {hit.key.name for hit in found.hits} == {
        "tiny-bert-korean-sentiment",
        "korean-english-reviews",
    }
    assert page is not None
    assert {subset.name for subset in page.subsets} == {"ko", "en"}
    assert all(split.rows for subset in page.subsets for split in subset.splits)
    assert stats.schema == SCHEMA


def test_it_has_the_samples_and_their_cards() -> None:
    with Catalog.open(EXAMPLE) as catalog:
        there = {(s.key.repo_type.value, s.key.repo_id) for s in catalog.summaries()}

    assert there == {(sample.repo_type, sample.repo_id) for sample in SAMPLES}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as the script makes it now."""
    target = tmp_path_factory.mktemp("example") / "catalog.db"
    script = CHECKOUT / "scripts" / "build_example_catalog.py"
    run = subprocess.run(
        [sys.executable, script, target], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return target


def test_it_is_what_its_script_makes(built: Path) -> None:
    now, committed = dump(built), dump(EXAMPLE)

    assert {name: committed[name] for name in TABLES} == {name: now[name] for name in TABLES}
    assert rows(committed) == rows(now), "run scripts/build-example-catalog"


def rows(tables: dict[str, list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
    return [row[:6] for row in tables["dataset_splits"]]


def test_it_has_nothing_of_the_machine_that_made_it() -> None:
    content = EXAMPLE.read_bytes()

    for trace in (b"127.0.0.1", b"localhost", b"/tmp/", b"/home/", b"/root/"):
        assert trace not in content
