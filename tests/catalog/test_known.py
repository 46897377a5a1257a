"""Repos that only their metadata is known of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.catalog.fields import FIELDS
from mirror.catalog.record.known import describe_known
from mirror.catalog.record.languages import codes
from mirror.catalog.record.licenses import License
from mirror.catalog.record.metadata import Link, RepoRecord, describe
from mirror.catalog.record.vocabulary import DATA_FORMATS, MODALITIES, SIZE_CATEGORIES
from mirror.catalog.write.found_by import found_by
from mirror.errors import BadNameError
from mirror.names import RepoKey, RepoType
from tests.catalog.making import dataset, model
from tests.catalog.test_metadata import JUNK, KEYS, source_of
from tests.corpus import needs_corpus, records

SEEN = "2026-09-01T00:00:00Z"
LISTED = {
    "id": "acme/Tiny-7B-Instruct-GGUF",
    "author": "acme",
    "tags": [
        *("transformers", "gguf", "text-generation", "4-bit", "ko", "en", "mine"),
        *("license:apache-2.0", "base_model:acme/Tiny-7B", "base_model:quantized:acme/Tiny-7B"),
        *("dataset:a/b", "arxiv:1810.04805", "region:us", "endpoints_compatible"),
    ],
    "pipeline_tag": "text-generation",
    "library_name": "transformers",
    "downloads": 12,
    "likes": 3,
    "lastModified": "2026-08-16T00:55:16.000Z",
    "createdAt": "2026-08-15T00:00:00.000Z",
    "gated": "manual",
    "private": False,
    "sha": "a" * 40,
    "siblings": [{"rfilename": "tiny.Q4_K_M.gguf"}, {"rfilename": "README.md"}],
    "gguf": {"total": 7_000_000_000},
    "usedStorage": 4_000,
}


def test_an_item_of_a_list_is_enough_to_be_found() -> None:
    record = describe_known(model("acme/Tiny-7B-Instruct-GGUF"), LISTED, SEEN)

    assert (record.state, record.author, record.gated) == ("known", "acme", "manual")
    assert record.tasks == ("text-generation",)
    assert record.licenses == (License("apache-2.0"),)
    assert codes(record.languages) == ("ko", "en")
    assert record.libraries == ("transformers",)
    assert record.links == (
        Link("base_model", "acme/Tiny-7B", "quantized"),
        Link("dataset", "a/b"),
        Link("arxiv", "1810.04805"),
    )
    assert record.values == {
        "format": ("gguf",),
        "quantization": ("4-bit", "Q4_K_M"),
        "kind": ("instruction-tuned",),
        "modality": ("text",),
    }
    assert (record.parameters, record.disk_size) == (7_000_000_000, 4_000)
    assert (record.created, record.last_modified) == (
        "2026-08-15T00:00:00Z",
        "2026-08-16T00:55:16Z",
    )
    counts = record.popularity
    assert (counts.downloads, counts.likes, counts.seen) == (12, 3, SEEN)
    assert (record.snapshot.commit, record.snapshot.partial) == ("a" * 40, False)
    assert (record.files, record.card.body) == ((), "")
    assert "region:us" in record.tags


def test_a_data_sets_item_has_its_own_tags() -> None:
    tags = ["task_categories:text-classification", "task_ids:topic-classification", "language:ko",
            "license:cc-by-sa-4.0", "size_categories:10K<n<100K", "format:parquet",
            "modality:text", "library:datasets", "region:us"]  # fmt: skip
    raw = {"tags": tags, "description": "\n\t\n\t\tWords\n\t\n\nMany **Korean** words."}
    record = describe_known(dataset("acme/words"), raw, SEEN)

    assert (record.tasks, record.subtasks) == (
        ("text-classification",),
        ("topic-classification",),
    )
    assert record.values == {
        "size_category": ("10K<n<100K",),
        "format": ("parquet",),
        "modality": ("text",),
    }
    assert record.summary == record.description == "Words Many Korean words."


def test_what_upstream_read_in_the_card_is_joined() -> None:
    raw = {"cardData": {"license": "other", "license_name": "acme-1", "pretty_name": "Tiny",
                        "language": "no", "base_model": ["a/b"], "size_categories": "n<1k"},
           "tags": ["license:other", "lora"]}  # fmt: skip
    record = describe_known(model("a/b"), raw, SEEN)

    assert record.title == "Tiny"
    assert record.licenses == (License("other", "acme-1"),)
    assert codes(record.languages) == ("no",)
    assert record.links == (Link("base_model", "a/b", "adapter"),)


def test_files_that_are_none_are_left_out() -> None:
    siblings = [{"rfilename": "a.gguf", "size": 5}, {"rfilename": "x" * 10**6 + ".onnx"}, None,
                {"rfilename": 3}, {"size": 7}, "b.onnx"]  # fmt: skip
    record = describe_known(model("a/b"), {"siblings": siblings}, SEEN)

    assert record.values == {"format": ("gguf",)}
    assert record.disk_size == 5
    assert describe_known(model("a/b"), {"siblings": {"rfilename": "a.gguf"}}, SEEN).values == {}


_ANY = st.dictionaries(
    st.one_of(KEYS, st.sampled_from([*LISTED, "config", "baseModels", "evalResults"])),
    JUNK | st.dictionaries(KEYS, JUNK, max_size=3) | st.lists(st.sampled_from(LISTED["tags"])),  # type: ignore[arg-type]
    max_size=8,
)


@given(raw=_ANY, kind=st.sampled_from(list(RepoType)))
def test_whatever_a_list_holds_is_no_error(raw: dict[str, Any], kind: RepoType) -> None:
    record = describe_known(RepoKey(kind, "a/b"), raw, SEEN)

    for field, value, _ in found_by(record):
        assert field in FIELDS
        assert value
        assert "\0" not in value.encode().decode()


def _shared(record: RepoRecord) -> tuple[Any, ...]:
    """What a mirrored repo without files, and a known one, must have in common."""
    return (
        (record.key, record.author, record.tasks, record.subtasks, record.languages),
        (record.licenses, record.libraries, record.tags, record.links, record.gated),
        (record.parameters, record.dtypes, record.evaluations, record.last_modified),
        {name: v for name, v in record.values.items() if name not in {"format", "quantization"}},
    )


@needs_corpus
@pytest.mark.parametrize(
    ("name", "kind", "step"),
    [
        ("models-2022-02", RepoType.MODEL, 20),
        ("models-2026-08", RepoType.MODEL, 10),
        ("datasets-ko-2025-10-12", RepoType.DATASET, 2),
    ],
)
def test_known_and_mirrored_repos_follow_the_same_rules(
    name: str, kind: RepoType, step: int
) -> None:
    compared = 0
    for place, raw in enumerate(records(name)):
        try:
            key = RepoKey(kind, raw.get("id") or raw["modelId"])
        except BadNameError:
            continue
        if place % step == 0:
            compared += 1
            known, mirrored = describe_known(key, raw, SEEN), describe(source_of(key, None, raw))
            assert _shared(known) == _shared(mirrored), json.dumps(raw)[:2_000]
    assert compared > 300


@needs_corpus
def test_real_data_sets_have_values_of_the_hubs_vocabulary() -> None:
    found: dict[str, set[str]] = {}
    for raw in records("datasets-ko-2025-10-12"):
        record = describe_known(RepoKey(RepoType.DATASET, raw["id"]), raw, SEEN)
        for field, values in record.values.items():
            found.setdefault(field, set()).update(values)

    assert found["size_category"] <= set(SIZE_CATEGORIES)
    assert found["modality"] <= MODALITIES
    assert found["format"] <= DATA_FORMATS
