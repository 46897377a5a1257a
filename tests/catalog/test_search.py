"""Finding repos, through the catalog of a real store."""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.catalog import Catalog, Hit, reindex
from mirror.catalog.fields import SORTS
from mirror.catalog.query.parse import parse_query
from mirror.catalog.query.query import OneOf, Query, Words
from mirror.catalog.read.words import Tokenizer
from mirror.errors import QueryTimeoutError, UsageError
from mirror.names import RepoKey, RepoType
from mirror.store import Observation, Store
from tests.catalog.making import dataset, model, publish

KLUE = """---
pretty_name: KLUE
language: [ko]
license: cc-by-sa-4.0
task_categories: [fill-mask, text-classification]
task_ids: [topic-classification]
---
# Dataset Card for KLUE

## 소개

한국어 자연어 이해 평가 데이터셋입니다. 기계독해와 감정분석, 주제 분류를 담고 있습니다.
"""


def _fill(store: Store) -> None:
    publish(
        store,
        dataset("klue/klue"),
        {"data/train.jsonl": '{"a": 1}\n' * 3},
        {"downloads": 900, "likes": 3, "lastModified": "2025-01-01T00:00:00.000Z"},
        card=KLUE,
    )
    publish(
        store,
        model("klue/roberta-large"),
        {"model.safetensors": b"x" * 5_000},
        {"downloads": 50, "likes": 90, "pipeline_tag": "fill-mask", "tags": ["ko", "pytorch"],
         "library_name": "transformers", "lastModified": "2026-01-01T00:00:00.000Z",
         "createdAt": "2020-01-01T00:00:00.000Z"},
        card="---\nlicense: other\nlicense_name: klue-1\n---\n# RoBERTa\n\nTrained on KLUE.\n",
    )  # fmt: skip
    publish(
        store,
        model("acme/sentiment"),
        upstream={"pipeline_tag": "text-classification", "tags": ["ko", "en", "license:mit"]},
        card="# 감정 분석\n\n문장의 감정을 <b>분류</b>합니다. [링크](https://x.example/)\n",
    )
    publish(
        store,
        dataset("acme/taiwan"),
        card="---\nlanguage: [zh-Hant, en]\nlicense: mit\ntags: [legal]\n---\n# 法律\n",
    )
    publish(store, RepoKey(RepoType.SPACE, "acme/demo"), {"app.py": "1"}, {"sdk": "gradio"})
    publish(store, model("klue/klue"), {"a": "b"})
    store.add_alias(model("klue/roberta-old"), model("klue/roberta-large"))
    store.observe(model("acme/sentiment"), Observation(time="2026-05-01T00:00:00Z", state="gone"))


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    store = Store.create(tmp_path_factory.mktemp("search") / "mirror")
    _fill(store)
    reindex(store, store.layout.catalog)
    with Catalog.open(store.layout.catalog) as catalog:
        yield catalog


def ids(catalog: Catalog, text: str = "", **options: Any) -> list[str]:
    result = catalog.search(parse_query(text, **options))
    assert result.total == len(list(result))
    return [str(hit.key) for hit in result.hits]


KLUE_SET = "datasets/klue/klue"
ROBERTA = "models/klue/roberta-large"
SENTIMENT = "models/acme/sentiment"
TAIWAN = "datasets/acme/taiwan"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("task:text-classification", {KLUE_SET, SENTIMENT}),
        ('task:"Text Classification"', {KLUE_SET, SENTIMENT}),
        ("task:topic-classification", {KLUE_SET}),
        ("task:text-classification language:ko license:cc-by-sa-4.0", {KLUE_SET}),
        ("language:ko", {KLUE_SET, ROBERTA, SENTIMENT}),
        ("language:Korean type:model", {ROBERTA, SENTIMENT}),
        ("language:ko+en", {SENTIMENT}),
        ("language:zh", {TAIWAN}),
        ("language:zh-Hant", {TAIWAN}),
        ("language:zh-Hans", set()),
        ("language:zh,ko license:mit", {TAIWAN, SENTIMENT}),
        ('license:"MIT License"', {TAIWAN, SENTIMENT}),
        ("license:klue-1", {ROBERTA}),
        ("license:other", {ROBERTA}),
        ("license:unknown", {"models/klue/klue", "spaces/acme/demo"}),
        ("-license:unknown type:model", {ROBERTA, SENTIMENT}),
        ("library:Transformers", {ROBERTA}),
        ("author:acme type:dataset", {TAIWAN}),
        ("author:KLUE", {KLUE_SET, ROBERTA, "models/klue/klue"}),
        ("tag:ko", {ROBERTA, SENTIMENT}),
        ("tag:ko+pytorch", {ROBERTA}),
        ("type:space", {"spaces/acme/demo"}),
        ("downloads:>=50", {KLUE_SET, ROBERTA}),
        ("downloads:<900", {ROBERTA}),
        ("-downloads:<900 type:model", {SENTIMENT, "models/klue/klue"}),
        ("updated:>=2026", {ROBERTA}),
        ("updated:<2026-01-01", {KLUE_SET}),
        ("독해", {KLUE_SET}),
        ("감정", {KLUE_SET, SENTIMENT}),
        ("감정분석", {KLUE_SET, SENTIMENT}),
        ('"감정분석"', {KLUE_SET}),
        ('"감정 분석"', {SENTIMENT}),
        (unicodedata.normalize("NFD", "감정분석"), {KLUE_SET, SENTIMENT}),
        ("ＫＬＵＥ 감정", {KLUE_SET}),
        ("감정 -klue", {SENTIMENT}),
        ("법", set()),
        ("法", {TAIWAN}),
        ("法律", {TAIWAN}),
        ("trained", {ROBERTA}),
        ('"trained on klue"', {ROBERTA}),
        ('"on trained"', set()),
        ("roberta-large", {ROBERTA}),
        ("large-klue", set()),
        ("klue/klue", {KLUE_SET, "models/klue/klue"}),
        ('"!"', set()),
    ],
)  # fmt: skip
def test_filters_and_words(catalog: Catalog, query: str, expected: set[str]) -> None:
    assert set(ids(catalog, query)) == expected


def test_what_was_typed_in_full_goes_first_then_what_is_named_so(catalog: Catalog) -> None:
    assert ids(catalog, "klue/ROBERTA-large")[0] == ROBERTA
    assert set(ids(catalog, "klue")[:2]) == {KLUE_SET, "models/klue/klue"}
    assert ids(catalog, "klue")[2] == ROBERTA
    assert ids(catalog, "sentiment") == [SENTIMENT]


def test_copies_of_a_name_do_not_go_before_what_many_use(store: Store, path: Path) -> None:
    for repo_id, downloads in {"a/gpt2": 50, "b/gpt2": 1, "c/gpt2-medium": 40}.items():
        publish(store, model(repo_id), upstream={"downloads": downloads})
    publish(store, dataset("d/gpt2"), upstream={"downloads": 2})
    reindex(store, path)

    with Catalog.open(path) as catalog:
        assert ids(catalog, "gpt2") == [
            "models/a/gpt2", "datasets/d/gpt2", "models/c/gpt2-medium", "models/b/gpt2",
        ]  # fmt: skip


def test_the_words_are_shown_in_the_description_where_there_is_no_card(
    store: Store, path: Path
) -> None:
    publish(store, dataset("a/b"), {"x.csv": "a\n"}, {"description": "한국 속담 모음입니다."})
    reindex(store, path)

    with Catalog.open(path) as catalog:
        (hit,) = catalog.search(parse_query("속담"))
    assert hit.snippet == "한국 속담 모음입니다."
    assert [hit.snippet[start:end] for start, end in hit.highlights] == ["속담"]


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("relevance", KLUE_SET, None),
        ("downloads", KLUE_SET, ROBERTA),
        ("likes", ROBERTA, KLUE_SET),
        ("updated", ROBERTA, KLUE_SET),
        ("created", ROBERTA, ROBERTA),
        ("size", ROBERTA, None),
        ("parameters", None, None),
        ("name", "spaces/acme/demo", ROBERTA),
    ],
)
def test_sorts(catalog: Catalog, sort: str, first: str | None, last: str | None) -> None:
    """``last``: what the other way round begins with; what is not known is last both ways."""
    found, other = ids(catalog, sort=sort), ids(catalog, sort=sort, ascending=sort != "name")

    assert found[0] == first or first is None
    assert other[0] == last or last is None
    assert sorted(found) == sorted(other)
    assert len(found) == 6


def test_every_sort_has_a_test() -> None:
    marks = test_sorts.pytestmark  # type: ignore[attr-defined]

    assert {sort for sort, *_ in marks[0].args[1]} == {"relevance", *SORTS}


def test_pages_of_hits(catalog: Catalog) -> None:
    pages = [catalog.search(parse_query(limit=2, offset=offset)) for offset in (0, 2, 4, 6)]

    assert [page.total for page in pages] == [6, 6, 6, 6]
    assert [len(page.hits) for page in pages] == [2, 2, 2, 0]
    assert len({hit.key for page in pages for hit in page.hits}) == 6
    assert catalog.search(parse_query(limit=0)).hits == ()


def test_a_hit_tells_what_a_list_needs(catalog: Catalog) -> None:
    (hit,) = catalog.search(parse_query("roberta")).hits

    assert isinstance(hit, Hit)
    assert (hit.tasks, hit.languages, hit.licenses) == (("fill-mask",), ("ko",), ("klue-1",))
    assert (hit.libraries, hit.downloads, hit.likes) == (("transformers",), 50, 90)
    assert hit.last_modified == "2026-01-01T00:00:00Z"
    assert (hit.files, hit.partial, hit.gated, hit.state) == (2, False, None, "mirrored")
    assert (hit.snippet, hit.highlights) == ("RoBERTa", ((0, 7),))


@pytest.mark.parametrize(
    ("query", "snippet", "marked"),
    [
        ('"문장의 감정"', "문장의 감정을 분류합니다. 링크", ["문장의 감정"]),
        ("문장 분류 type:model", "문장의 감정을 분류합니다. 링크", ["문장", "분류"]),
        ("감정분석 type:model", "감정 분석", ["감정 분석"]),
        ("sentiment", None, []),
    ],
)
def test_snippets_show_the_card_as_it_was_written(
    catalog: Catalog, query: str, snippet: str | None, marked: list[str]
) -> None:
    (hit,) = catalog.search(parse_query(query)).hits

    assert hit.snippet == snippet
    assert [snippet[start:end] for start, end in hit.highlights] == marked if snippet else True


def test_hits_have_a_json_form(catalog: Catalog) -> None:
    result = catalog.search(parse_query("감정"), facets=("task",))
    form = json.loads(json.dumps(result.as_json()))

    assert form["total"] == 2
    assert {(hit["repo_type"], hit["repo_id"]) for hit in form["hits"]} == {
        ("dataset", "klue/klue"),
        ("model", "acme/sentiment"),
    }
    assert form["facets"][0]["values"][0]["value"] == "text-classification"


@pytest.mark.parametrize("asked", ["quantization:int4", "size_category:1K<n<10K", "format:csv"])
def test_what_the_hub_has_is_no_slip_though_no_repo_here_has_it(
    store: Store, path: Path, asked: str
) -> None:
    publish(store, model("a/small"), upstream={"tags": ["int8", "quanto"]})
    tags = ["size_categories:10K<n<100K", "format:cs"]
    publish(store, dataset("a/rows"), upstream={"tags": tags})
    reindex(store, path)

    with Catalog.open(path) as catalog:
        found = catalog.search(parse_query(asked))
    assert (found.total, len(found.hints)) == (0, 1)


def test_a_slip_in_a_vocabulary_is_an_error_that_names_what_was_meant(catalog: Catalog) -> None:
    with pytest.raises(UsageError, match="text-clasification") as caught:
        catalog.search(Query(filters=(OneOf("task", ("text-clasification",)),)))

    assert caught.value.hint is not None
    assert "task:text-classification" in caught.value.hint


def test_a_value_that_no_repo_here_has_is_said(catalog: Catalog) -> None:
    elsewhere = catalog.search(parse_query("task:depth-estimation"))
    misspelt = catalog.search(parse_query("author:acmee"))

    assert (elsewhere.total, misspelt.total) == (0, 0)
    assert elsewhere.hints == ("no repo here has task:depth-estimation",)
    assert misspelt.hints == ("no repo here has author:acmee: did you mean acme?",)
    assert catalog.search(parse_query("author:acme")).hints == ()


def test_sorts_and_facets_that_there_are_not_are_refused(catalog: Catalog) -> None:
    with pytest.raises(UsageError, match="best"):
        catalog.search(Query(sort="best"))
    with pytest.raises(UsageError, match="colour"):
        catalog.search(Query(), facets=("colour",))
    with pytest.raises(UsageError, match="colour"):
        catalog.search(Query(filters=(OneOf("colour", ("red",)),)))


def test_a_search_that_takes_too_long_says_so_and_leaves_the_catalog_usable(
    catalog: Catalog,
) -> None:
    with pytest.raises(QueryTimeoutError, match="took longer than 0 s") as caught:
        catalog.search(parse_query("감정 klue"), timeout=0)

    assert caught.value.hint is not None
    assert "--timeout" in caught.value.hint
    assert catalog.search(parse_query("감정")).total == 2


TYPED = st.text(max_size=30) | st.text("\"'*^:-+(){}[]%_;\\ANDORNEAR 독해klue", max_size=30)


@given(text=TYPED, word=TYPED, phrase=st.booleans())
def test_nothing_that_is_typed_is_a_fault(
    catalog: Catalog, text: str, word: str, phrase: bool
) -> None:
    """The catalog takes what a query may hold, however it was made."""
    assert catalog.search(Query((Words(text.replace("\0", ""), phrase),))).total <= 6
    for field in ("author", "tag", "task", "language"):
        try:
            catalog.search(Query(filters=(OneOf(field, (word,)),)), facets=(field,))
        except UsageError as error:
            assert error.hint
    catalog.find(text)


def test_lone_surrogates_of_a_terminal_are_no_fault(catalog: Catalog) -> None:
    # What Python makes of bytes on the command line that are not UTF-8.
    typed = b"klue\xff".decode("utf-8", "surrogateescape")

    assert catalog.search(parse_query(typed)).total >= 0
    assert catalog.search(parse_query(tag=typed, author=typed)).total == 0
    assert catalog.find(typed) == []


TEXTS = st.text(max_size=40) | st.text("aé́ßŁ가나ㄱ한ｱ々〇①²_'-.\u0301\u200d़", max_size=20)


@given(text=TEXTS)
def test_text_is_cut_into_words_as_the_index_cuts_it(text: str) -> None:
    index = sqlite3.connect(":memory:")
    index.execute("CREATE VIRTUAL TABLE f USING fts5(t, tokenize='unicode61 remove_diacritics 2')")
    index.execute("INSERT INTO f VALUES (?)", (text,))
    index.execute("CREATE VIRTUAL TABLE v USING fts5vocab(f, instance)")
    expected = [row[0] for row in index.execute("SELECT term FROM v ORDER BY offset")]
    index.close()
    tokenizer = Tokenizer()

    assert list(tokenizer.cut(text)) == expected
    assert list(tokenizer.cut(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("klue/klue", ["models/klue/klue", "datasets/klue/klue"]),
        ("datasets/klue/klue", ["datasets/klue/klue"]),
        ("hf://datasets/klue/klue", ["datasets/klue/klue"]),
        ("klue/roberta-old", ["models/klue/roberta-large"]),
        ("KLUE/RoBERTa-large", ["models/klue/roberta-large"]),
        ("sentiment", ["models/acme/sentiment"]),
        ("klue", ["models/klue/klue", "datasets/klue/klue"]),
        ("spaces/klue/klue", []),
        ("'; DROP TABLE repos; --", []),
        ("", []),
    ],
)
def test_find(catalog: Catalog, text: str, expected: list[str]) -> None:
    assert sorted(map(str, catalog.find(text))) == sorted(expected)


def test_summaries_and_stats(catalog: Catalog) -> None:
    everything = catalog.summaries()
    stats = catalog.stats()

    assert [str(summary.key) for summary in catalog.summaries(RepoType.DATASET)] == [
        TAIWAN,
        KLUE_SET,
    ]
    assert stats.repos == {"model": 3, "dataset": 2, "space": 1}
    assert stats.files == sum(summary.files for summary in everything)
    assert {s.upstream_state for s in everything} == {"ok", "gone"}
    assert stats.as_json()["schema"] == stats.schema


def test_the_catalog_is_opened_by_any_sqlite_tool(catalog: Catalog, tmp_path: Path) -> None:
    from sqlite_utils import Database

    copy = tmp_path / "copy.db"
    copy.write_bytes(catalog.path.read_bytes())
    database = Database(copy)

    assert {row["repo_id"] for row in database["datasets"].rows} == {"klue/klue", "acme/taiwan"}
    (row,) = database.query("SELECT * FROM datasets WHERE repo_id = 'klue/klue'")
    assert row["tasks"] == "fill-mask, text-classification"
    (split,) = database.query("SELECT * FROM dataset_splits WHERE rows IS NOT NULL")
    assert (split["repo_id"], split["split"], split["rows"]) == ("klue/klue", "train", 3)
    database["documents"].rebuild_fts()
    found = database.query("SELECT rowid FROM documents_fts WHERE documents_fts MATCH '독해'")
    assert len(list(found)) == 1
    database.close()


def test_a_list_is_asked_by_parts_of_the_id_and_takes_no_value_for_a_slip(
    catalog: Catalog,
) -> None:
    models = Query(filters=(OneOf("type", ("model",)),), sort="name")
    found = [hit.key.repo_id for hit in catalog.listed(models, ("KLUE", "erta"))]
    assert ["klue/roberta-large"] == found
    assert 0 == catalog.listed(models, ("%",)).total
    everything = catalog.listed(models)
    assert everything.total == len(everything.hits) == catalog.search(models).total
    assert everything.hits[1:2] == catalog.listed(replace(models, limit=1, offset=1)).hits
    slip = Query(filters=(OneOf("task", ("fill-maks",)),))
    assert () == catalog.listed(slip).hits
