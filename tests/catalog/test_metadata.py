"""What a repo is, from what its author and the Hub say of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.catalog.record.languages import codes, parse_languages
from mirror.catalog.record.licenses import License, license_id, parse_license
from mirror.catalog.record.metadata import Link, RepoRecord, describe
from mirror.catalog.record.source import RepoSource, Snapshot
from mirror.catalog.values import as_time
from mirror.catalog.write.rows import rows_of
from mirror.names import RepoKey, RepoType
from mirror.store import Observation
from tests.catalog.making import CREATED, dataset, manifest_of, model


def source_of(
    key: RepoKey,
    card: str | bytes | None = None,
    upstream: dict[str, Any] | None = None,
    history: tuple[Observation, ...] = (),
) -> RepoSource:
    manifest = manifest_of(key, {"README.md": card or ""}, upstream)
    snapshot = Snapshot(manifest.commit, CREATED, 1, 0, 1, 0)
    return RepoSource(
        key=key,
        ref="main",
        manifest=manifest,
        refs={"main": manifest.commit},
        snapshots=(snapshot,),
        card=card.encode() if isinstance(card, str) else card,
        history=history,
    )


def record_of(key: RepoKey, card: str = "", **upstream: Any) -> RepoRecord:
    return describe(source_of(key, f"---\n{card}\n---\n", upstream))


def test_a_models_tags_hold_its_language_and_licence() -> None:
    record = record_of(
        model("acme/tiny"),
        tags=[
            *("transformers", "pytorch", "bert", "fill-mask", "ko", "en", "license:mit"),
            *("dataset:a/b", "base_model:acme/base", "base_model:finetune:acme/base"),
            "arxiv:1810.04805",
        ],
        pipeline_tag="fill-mask",
        library_name="transformers",
    )

    assert record.tasks == ("fill-mask",)
    assert codes(record.languages) == ("ko", "en")
    assert record.licenses == (License("mit"),)
    assert record.libraries == ("transformers",)
    assert record.links == (
        Link("base_model", "acme/base", "finetune"),
        Link("dataset", "a/b"),
        Link("arxiv", "1810.04805"),
    )


def test_a_data_sets_tags_have_prefixes() -> None:
    record = record_of(
        dataset("acme/words"),
        tags=["task_categories:text-classification", "task_ids:topic-classification", "language:ko",
              "license:cc-by-sa-4.0", "library:datasets", "library:pandas", "go"],
    )  # fmt: skip

    assert record.tasks == ("text-classification",)
    assert record.subtasks == ("topic-classification",)
    assert codes(record.languages) == ("ko",)
    assert record.licenses == (License("cc-by-sa-4.0"),)
    assert record.libraries == ("datasets", "pandas")
    assert record.tags[-1] == "go"


def test_a_card_alone_is_enough() -> None:
    record = record_of(
        dataset("acme/words"),
        "pretty_name: Words\nlanguage: [ko]\nlicense: mit\ntask_categories: text-classification\n"
        "task_ids: [sentiment-classification]\ntags: one",
    )

    assert record.title == "Words"
    assert record.tasks == ("text-classification",)
    assert record.subtasks == ("sentiment-classification",)
    assert codes(record.languages) == ("ko",)
    assert record.tags == ("one",)


def test_a_model_without_upstreams_word_has_the_task_among_its_tags() -> None:
    record = record_of(model("a/b"), "tags: [peft, text-generation, mine]")

    assert record.tasks == ("text-generation",)
    assert record.libraries == ("peft",)


def test_where_the_card_is_not_mirrored_upstreams_reading_of_it_stands_in() -> None:
    upstream = {"cardData": {"license": "mit", "language": ["ko"], "pretty_name": "Words"}}
    record = describe(source_of(dataset("a/b"), None, upstream))

    assert record.licenses == (License("mit"),)
    assert codes(record.languages) == ("ko",)
    assert record.title == "Words"


def test_the_card_goes_before_what_upstream_read_in_an_earlier_one() -> None:
    record = record_of(dataset("a/b"), "pretty_name: New", cardData={"pretty_name": "Old"})

    assert record.title == "New"


def test_parameters_and_base_model_of_a_card() -> None:
    record = record_of(
        model("a/b"),
        "base_model: acme/base\nbase_model_relation: adapter",
        safetensors={"parameters": {"F32": 10}, "total": 10},
    )

    assert record.parameters == 10
    assert record.links == (Link("base_model", "acme/base", "adapter"),)


def test_counts_are_the_newest_that_were_seen() -> None:
    history = (
        Observation(time="2026-01-01T00:00:00Z", downloads=1, likes=1),
        Observation(time="2026-02-01T00:00:00Z", downloads=20, likes=3, gated="manual"),
        Observation(time="2026-03-01T00:00:00+00:00", state="gone", detail="404"),
    )
    record = describe(source_of(model("a/b"), "", {"downloads": 7, "likes": 2}, history))

    assert (record.popularity.downloads, record.popularity.likes) == (20, 3)
    assert record.popularity.seen == "2026-02-01T00:00:00Z"
    assert record.gated == "manual"
    assert (record.upstream_state, record.upstream_seen) == ("gone", "2026-03-01T00:00:00Z")
    assert record.upstream_detail == "404"


def test_counts_of_the_manifest_have_its_time() -> None:
    record = record_of(model("a/b"), downloads=7)

    assert (record.popularity.downloads, record.popularity.likes) == (7, None)
    assert record.popularity.seen == CREATED


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (["ko"], ("ko",)),
        (["Korean"], ("ko",)),
        (["KOREAN", "kor", "ko-KR", "ko_KR", "한국어"], ("ko",)),
        (["English, Korean"], ("en", "ko")),
        (["French English"], ("fr", "en")),
        (["no"], ("no",)),
        (["nb-NO", "nn"], ("nb", "nn")),
        (["zh-Hans", "zh-Hant"], ("zh",)),
        (["multilingual", "code"], ("multilingual", "code")),
        (["ceb", "xal"], ("ceb", "xal")),
        (["Python"], ("python",)),
        (["scientific English"], ("en",)),
        (["ISO 639-1 code for your language, or `multilingual`, as in the template"], ()),
    ],
)
def test_languages(stated: list[str], expected: tuple[str, ...]) -> None:
    found = codes(parse_languages(stated))

    assert found == expected or expected == ()
    assert all(len(code) <= 40 for code in found)


def test_no_is_norwegian() -> None:
    record = record_of(model("a/b"), "language: no")

    assert codes(record.languages) == ("no",)


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("mit", "mit"),
        ("MIT License", "mit"),
        ("Apache 2.0", "apache-2.0"),
        ("Apache License, Version 2.0", "apache-2.0"),
        ("apache2", "apache-2.0"),
        ("cc-by-sa-4", "cc-by-sa-4.0"),
        ("CC BY-SA 4.0", "cc-by-sa-4.0"),
        ("Creative Commons Attribution Share Alike 4.0", "cc-by-sa-4.0"),
        ("Creative Commons Zero v1.0 Universal", "cc0-1.0"),
        ("GNU Lesser General Public License v2.1", "lgpl-2.1"),
        ("GPLv3", "gpl-3.0"),
        ("llama3.1", "llama3.1"),
        ("apache", "apache"),
        ("for research only", None),
        ("???", None),
    ],
)
def test_licences(stated: str, expected: str | None) -> None:
    assert license_id(stated) == expected
    assert parse_license(stated).license == (expected or "other")


def test_a_licence_of_its_own_has_a_name() -> None:
    card = "license: other\nlicense_name: acme-1\nlicense_link: LICENSE"

    assert record_of(model("a/b"), card).licenses == (License("other", "acme-1", "LICENSE"),)
    assert record_of(model("a/b"), "license: for fun").licenses == (License("other", "for fun"),)
    assert record_of(model("a/b"), "license_name: x").licenses == (License("other", "x"),)
    assert record_of(model("a/b"), "license: [mit, apache-2.0]", tags=["license:mit"]).licenses == (
        License("mit"),
        License("apache-2.0"),
    )
    assert record_of(model("a/b"), "license: null").licenses == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05.000Z", "2026-01-02T03:04:05Z"),
        ("2025-05-12 19:53:36+09:00", "2025-05-12T10:53:36Z"),
        ("2025-05-12", "2025-05-12T00:00:00Z"),
        ("0001-01-01T00:00:00+10:00", None),
        ("yesterday", None),
        (5, None),
    ],
)
def test_times(text: object, expected: str | None) -> None:
    assert as_time(text) == expected


def test_what_would_steer_a_terminal_is_taken_out() -> None:
    card = 'pretty_name: "\\e[31mred\\e[0m"\ntags: ["a\\u009bb"]'
    record = record_of(model("a/b"), card, author="x\x1b]0;title\x07")
    entity = describe(
        source_of(
            model("a/b"), "# Title &#27;[2J\n\nA summary\x1b[5m that is long enough to be one."
        )
    )

    assert record.title == "[31mred [0m"
    assert record.tags == ("a b",)
    assert record.author == "x ]0;title"
    assert entity.title is not None
    assert entity.summary is not None
    assert "\x1b" not in entity.title + entity.summary


def test_text_from_right_to_left_is_kept() -> None:
    record = record_of(model("a/b"), "pretty_name: نموذج اللغة العربية\nlanguage: العربية")

    assert record.title == "نموذج اللغة العربية"
    assert codes(record.languages) == ("ar",)


def test_ten_thousand_tags() -> None:
    record = record_of(model("a/b"), "tags: [" + ", ".join(f"t{i}" for i in range(10_000)) + "]")

    assert len(record.tags) == 5_000
    assert record.tags[-1] == "t4999"


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["\ud800", "a\0b", 10**400, "x" * 5_000, "license:", "language:ko"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
NAMES = """
    license license_name language tags datasets base_model base_model_relation pretty_name
    task_categories task_ids pipeline_tag library_name cardData configs dataset_info
    data_files splits features downloads likes createdAt lastModified gated private author
    safetensors gguf description models sdk
"""
KEYS = st.sampled_from(NAMES.split())


@given(
    upstream=st.dictionaries(KEYS, JUNK | st.dictionaries(KEYS, JUNK), max_size=8),
    infos=st.dictionaries(st.text(max_size=5), st.dictionaries(KEYS, JUNK), max_size=3),
    kind=st.sampled_from(list(RepoType)),
)
def test_whatever_upstream_says_becomes_rows(
    upstream: dict[str, Any], infos: dict[str, Any], kind: RepoType
) -> None:
    plain = source_of(RepoKey(kind, "a/b"))
    manifest = plain.manifest.model_copy(
        update={"upstream": {**upstream, "cardData": upstream.get("cardData", upstream)}}
    )
    record = describe(RepoSource(**{**vars(plain), "manifest": manifest, "infos": infos}))

    for rows in rows_of(1, record).values():
        for value in (value for row in rows for value in row):
            assert isinstance(value, int | float | str | None)
            assert not isinstance(value, str) or "\0" not in value.encode().decode()
            assert not isinstance(value, int) or -1 < value < 2**63
