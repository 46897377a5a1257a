"""Repos that would break a catalog, if anything could: each is indexed, and found."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from mirror.catalog.record.cards import MAX_BYTES
from mirror.catalog.record.languages import codes
from mirror.catalog.record.metadata import RepoRecord
from mirror.catalog.record.read import read_record
from mirror.catalog.values import MAX_VALUES
from mirror.catalog.write.indexer import reindex
from mirror.names import RepoKey
from mirror.store import Store
from tests.catalog.making import dataset, model, publish

KEY = model("acme/hostile")


def read(store: Store, key: RepoKey) -> RepoRecord:
    record = read_record(store, key)
    assert record is not None
    return record


def found(path: Path, words: str) -> list[str]:
    """The ids of the repos whose text has these words."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT repo_id FROM repos WHERE repo IN (SELECT rowid FROM documents_fts(?))", (words,)
        )
        return sorted(repo_id for (repo_id,) in rows)
    finally:
        connection.close()


def indexed(store: Store, path: Path) -> None:
    """Make the catalog; everything must be in it, beside a repo that is as it should be."""
    publish(store, model("acme/good"), card="---\nlicense: mit\n---\n# Good\n\nordinary words")
    report = reindex(store, path)

    assert report.problems == ()
    assert report.repos == 2
    assert found(path, "ordinary") == ["acme/good"]


def test_a_card_of_10_megabytes(store: Store, path: Path) -> None:
    text = "Sentences about nothing in particular. " * (10 * (1 << 20) // 39)
    publish(store, KEY, card=f"---\nlicense: mit\n---\n# Long\n\nbeginning\n\n{text}\n\nending")
    indexed(store, path)
    record = read(store, KEY)

    assert len(record.card.body) <= MAX_BYTES
    assert any("longer than" in problem for problem in record.problems)
    assert [item.license for item in record.licenses] == ["mit"]
    assert found(path, "beginning") == ["acme/hostile"]
    assert found(path, "ending") == []


@pytest.mark.parametrize(
    "unit",
    ["![", "<a", "**", "- [a](\n", "<!--", "---\n", "&#27;", "가 ", "- x\n", "|a", "`", "\u202e"],
)
def test_a_card_of_10_megabytes_of_one_mark(store: Store, path: Path, unit: str) -> None:
    publish(store, KEY, card=unit * (10 * (1 << 20) // len(unit.encode())))

    indexed(store, path)


def test_front_matter_that_is_a_yaml_bomb(store: Store, path: Path) -> None:
    levels = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for last, this in zip("abcdefgh", "bcdefghi", strict=True):
        levels.append(f"{this}: &{this} [{', '.join([f'*{last}'] * 10)}]")
    bomb = "\n".join(["license: mit", *levels, "tags: *i"])
    publish(store, KEY, card=f"---\n{bomb}\n---\nexploded")
    indexed(store, path)
    record = read(store, KEY)

    assert [item.license for item in record.licenses] == ["mit"]
    assert any("aliases counted in full" in problem for problem in record.problems)
    assert found(path, "exploded") == ["acme/hostile"]


def test_evaluation_results_that_are_a_yaml_bomb(store: Store, path: Path) -> None:
    bomb = "- &a [1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"- &{this} [{', '.join([f'*{last}'] * 9)}]\n"
        for last, this in zip("abcdefg", "bcdefgh", strict=True)
    )
    publish(store, KEY, {".eval_results/bomb.yaml": bomb, ".eval_results/deep.yml": "[" * 100_000})
    indexed(store, path)

    assert read(store, KEY).evaluations == ()
    assert len(read(store, KEY).problems) == 2


WRONG: list[Any] = [
    None, True, 0, -1, 1.5, float("inf"), 10**400, "", "x" * 10_000, [], [[]], [None], {},
    {"a": {"b": []}}, [{"a": 1}, "b", 2], {"id": []}, "\ud800", "a\0b",
]  # fmt: skip
FIELDS = [
    "license", "license_name", "license_link", "language", "tags", "datasets", "models",
    "base_model", "base_model_relation", "pretty_name", "title", "task_categories", "task_ids",
    "pipeline_tag", "library_name", "configs", "dataset_info", "model-index", "modality",
    "size_categories", "sdk",
]  # fmt: skip
UPSTREAM = [
    "author", "tags", "pipeline_tag", "library_name", "downloads", "downloadsAllTime", "likes",
    "createdAt", "lastModified", "gated", "private", "sdk", "safetensors", "gguf",
    "description", "cardData", "config", "baseModels", "datasets", "models", "evalResults",
    "model-index", "siblings", "usedStorage", "disabled",
]  # fmt: skip


@pytest.mark.parametrize("make", [model, dataset], ids=["model", "dataset"])
def test_front_matter_with_wrong_types(store: Store, path: Path, make: Any) -> None:
    key = make("acme/hostile")
    wrong = dict(zip(FIELDS, [WRONG[n % len(WRONG)] for n in range(len(FIELDS))], strict=True))
    for shift in range(len(WRONG)):
        card = {name: WRONG[(n + shift) % len(WRONG)] for n, name in enumerate(FIELDS)}
        text = json.dumps(card, ensure_ascii=True)
        publish(store, key, card=f"---\n{text}\n---\nwrong", upstream=None)
        read(store, key)
    publish(store, key, card=f"---\n{json.dumps(wrong)}\n---\nmistyped")
    indexed(store, path)

    assert found(path, "mistyped") == ["acme/hostile"]


@pytest.mark.parametrize("shift", range(len(WRONG)))
def test_upstreams_answer_with_wrong_types(store: Store, path: Path, shift: int) -> None:
    finite = [value for value in WRONG if value not in (float("inf"), "\ud800")]
    raw = {name: finite[(n + shift) % len(finite)] for n, name in enumerate(UPSTREAM)}
    publish(store, KEY, card="mistaken", upstream=raw)
    indexed(store, path)

    assert found(path, "mistaken") == ["acme/hostile"]


def test_10_000_tags_on_one_repo(store: Store, path: Path) -> None:
    tags = [f"tag{number}" for number in range(10_000)]
    card = f"---\ntags: {json.dumps(tags)}\nlicense: mit\n---\nmany"
    publish(store, KEY, card=card, upstream={"tags": [f"up{n}" for n in range(10_000)]})
    indexed(store, path)
    record = read(store, KEY)

    assert len(record.tags) == MAX_VALUES
    assert [item.license for item in record.licenses] == ["mit"]
    assert found(path, "up4999") == ["acme/hostile"]


def test_nul_bytes(store: Store, path: Path) -> None:
    card = '---\npretty_name: "nu\\0ll"\ntags: ["a\\0b"]\n---\nbefore\0after\n'
    publish(store, KEY, card=card, upstream={"author": "ac\0me", "tags": ["c\0d"]})
    indexed(store, path)
    record = read(store, KEY)

    assert record.title == "null"
    assert record.tags == ("cd", "ab")
    assert record.author == "acme"
    assert found(path, "beforeafter") == ["acme/hostile"]


def test_text_from_right_to_left(store: Store, path: Path) -> None:
    card = "---\nlanguage: العربية\ntags: [عربي]\n---\n# نموذج اللغة\n\nهذا نموذج لغوي للغة العربية"
    publish(store, KEY, card=card)
    indexed(store, path)
    record = read(store, KEY)

    assert record.title == "نموذج اللغة"
    assert codes(record.languages) == ("ar",)
    assert found(path, '"لغوي"') == ["acme/hostile"]


def test_a_card_that_is_no_text(store: Store, path: Path) -> None:
    publish(store, KEY, card=bytes(range(256)) * 2_000)

    indexed(store, path)


def test_weights_that_are_none(store: Store, path: Path) -> None:
    files = {
        "model.safetensors": (2**40).to_bytes(8, "little") + b"{" * 500,
        "model.gguf": b"GGUF\3\0\0\0" + b"\xff" * 500,
        "adapter_model.safetensors": b"",
    }
    publish(store, KEY, files, card="weightless")
    indexed(store, path)
    record = read(store, KEY)

    assert (record.parameters, record.dtypes) == (None, {})
    assert set(record.values["format"]) == {"safetensors", "gguf"}


def test_a_data_set_whose_parquet_files_are_none(store: Store, path: Path) -> None:
    tail = (20).to_bytes(4, "little") + b"PAR1"
    files = {"data/train-00000-of-00001.parquet": b"PAR1" + b"\0" * 40 + tail}
    publish(store, dataset("acme/hostile"), files, card="unparquet")
    indexed(store, path)

    assert read(store, dataset("acme/hostile")).rows is None


def test_counts_that_sqlite_cannot_hold(store: Store, path: Path) -> None:
    raw = {"safetensors": {"total": 10**30, "parameters": {"F32": 10**30, "BF16": 2**62}},
           "downloads": 10**30, "likes": -5}  # fmt: skip
    card = {"dataset_info": {"splits": [{"name": n, "num_examples": 2**62} for n in "abc"]}}
    publish(store, KEY, upstream=raw)
    publish(store, dataset("acme/huge"), card=f"---\n{json.dumps(card)}\n---\n")
    reindex(store, path)

    assert read(store, KEY).parameters is None
    assert read(store, KEY).dtypes == {"BF16": 2**62}
    assert read(store, dataset("acme/huge")).rows is None
