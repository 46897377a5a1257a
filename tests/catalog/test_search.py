"""Finding repos, through the catalog of a real store."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.catalog import SORTS, Catalog, Hit, Query, reindex
from mirror.errors import UsageError
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


def ids(catalog: Catalog, query: Query) -> list[str]:
    result = catalog.search(query)
    assert result.total == len(list(result))
    return [str(hit.key) for hit in result.hits]


KLUE_SET = "datasets/klue/klue"
ROBERTA = "models/klue/roberta-large"
SENTIMENT = "models/acme/sentiment"
TAIWAN = "datasets/acme/taiwan"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(task=("text-classification",)), {KLUE_SET, SENTIMENT}),
        (Query(task=("Text Classification",)), {KLUE_SET, SENTIMENT}),
        (Query(task=("topic-classification",)), {KLUE_SET}),
        (
            Query(task=("text-classification",), language=("ko",), license=("cc-by-sa-4.0",)),
            {KLUE_SET},
        ),
        (Query(language=("ko",)), {KLUE_SET, ROBERTA, SENTIMENT}),
        (Query(language=("Korean",), repo_type=RepoType.MODEL), {ROBERTA, SENTIMENT}),
        (Query(language=("zh",)), {TAIWAN}),
        (Query(language=("zh-Hant",)), {TAIWAN}),
        (Query(language=("zh-Hans",)), set()),
        (Query(language=("zh", "ko"), license=("mit",)), {TAIWAN, SENTIMENT}),
        (Query(license=("MIT License",)), {TAIWAN, SENTIMENT}),
        (Query(license=("klue-1",)), {ROBERTA}),
        (Query(license=("other",)), {ROBERTA}),
        (Query(license=("unknown",)), {"models/klue/klue", "spaces/acme/demo"}),
        (Query(library=("Transformers",)), {ROBERTA}),
        (Query(author=("acme",), repo_type=RepoType.DATASET), {TAIWAN}),
        (Query(author=("KLUE",)), {KLUE_SET, ROBERTA, "models/klue/klue"}),
        (Query(tags=("ko",)), {ROBERTA, SENTIMENT}),
        (Query(tags=("ko", "pytorch")), {ROBERTA}),
        (Query(repo_type=RepoType.SPACE), {"spaces/acme/demo"}),
        (Query("독해"), {KLUE_SET}),
        (Query("감정"), {KLUE_SET, SENTIMENT}),
        (Query("감정분석"), {KLUE_SET, SENTIMENT}),
        (Query(unicodedata.normalize("NFD", "감정분석")), {KLUE_SET, SENTIMENT}),
        (Query("ＫＬＵＥ 감정"), {KLUE_SET}),
        (Query("klue/roberta"), {ROBERTA}),
        (Query("법"), set()),
        (Query("法"), {TAIWAN}),
        (Query("법률 OR 감정"), set()),
        (Query("klue", language=("ko",)), {KLUE_SET, ROBERTA}),
        (Query("fill-mask"), {KLUE_SET, ROBERTA}),
        (Query("nothing like this"), set()),
        (Query("???"), set()),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, Query) else "",
)
def test_filters_and_words(catalog: Catalog, query: Query, expected: set[str]) -> None:
    assert set(ids(catalog, query)) == expected


def test_a_word_in_the_id_goes_before_one_in_the_text(catalog: Catalog) -> None:
    found = ids(catalog, Query("sentiment"))
    klue = ids(catalog, Query("klue"))

    assert found == [SENTIMENT]
    assert klue[-1] == ROBERTA or klue.index(ROBERTA) > 0


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        (None, KLUE_SET),
        ("relevance", KLUE_SET),
        ("downloads", KLUE_SET),
        ("likes", ROBERTA),
        ("modified", ROBERTA),
        ("created", ROBERTA),
        ("size", ROBERTA),
        ("name", "spaces/acme/demo"),
    ],
)
def test_orders(catalog: Catalog, sort: str | None, first: str) -> None:
    found = ids(catalog, Query(sort=sort))

    assert found[0] == first
    assert len(found) == 6


def test_every_order_has_a_test() -> None:
    marks = test_orders.pytestmark  # type: ignore[attr-defined]

    assert {sort for sort, _ in marks[0].args[1]} == {None, *SORTS}


def test_pages_of_hits(catalog: Catalog) -> None:
    pages = [catalog.search(Query(limit=2, offset=offset)) for offset in (0, 2, 4, 6)]

    assert [page.total for page in pages] == [6, 6, 6, 6]
    assert [len(page.hits) for page in pages] == [2, 2, 2, 0]
    assert len({hit.key for page in pages for hit in page.hits}) == 6
    assert catalog.search(Query(limit=0)).hits == ()


def test_a_hit_tells_what_a_list_needs(catalog: Catalog) -> None:
    (hit,) = catalog.search(Query("roberta")).hits

    assert isinstance(hit, Hit)
    assert (hit.tasks, hit.languages, hit.licenses) == (("fill-mask",), ("ko",), ("klue-1",))
    assert (hit.libraries, hit.downloads, hit.likes) == (("transformers",), 50, 90)
    assert hit.last_modified == "2026-01-01T00:00:00Z"
    assert (hit.files, hit.partial, hit.gated) == (2, False, None)
    assert hit.snippet == "RoBERTa"


def test_snippets_show_the_card_as_it_was_written(catalog: Catalog) -> None:
    (hit,) = catalog.search(Query("문장의 감정")).hits

    assert hit.snippet == "문장의 감정을 분류합니다. 링크"


def test_hits_have_a_json_form(catalog: Catalog) -> None:
    form = json.loads(json.dumps(catalog.search(Query("감정")).as_json()))

    assert form["total"] == 2
    assert {(hit["repo_type"], hit["repo_id"]) for hit in form["hits"]} == {
        ("dataset", "klue/klue"),
        ("model", "acme/sentiment"),
    }


def test_a_page(catalog: Catalog) -> None:
    page = catalog.page(dataset("klue/klue"))

    assert page is not None
    assert page.title == "KLUE"
    assert page.summary is not None
    assert page.summary.startswith("한국어 자연어 이해 평가")
    assert page.subtasks == ("topic-classification",)
    (subset,) = page.subsets
    assert (subset.name, subset.is_default) == ("default", True)
    (split,) = subset.splits
    assert (split.name, split.rows, split.rows_from, split.files) == ("train", 3, "jsonl", 1)
    assert [file.path for file in page.file_list] == ["README.md", "data/train.jsonl"]
    assert page.card.startswith("# Dataset Card for KLUE")
    assert json.loads(json.dumps(page.as_json()))["subsets"][0]["splits"][0]["rows"] == 3


def test_a_page_of_a_repo_that_is_not_there(catalog: Catalog) -> None:
    assert catalog.page(model("no/body")) is None


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


@pytest.mark.parametrize(
    "wrong",
    [
        {"sort": "best"},
        {"limit": -1},
        {"limit": 10**9},
        {"offset": -1},
        {"offset": 2**70},
        {"text": "a " * 40},
        {"text": " ".join(f"w{n}" for n in range(40))},
        {"text": "x" * 2_000},
        {"tags": ("x" * 5_000,)},
        {"license": ("mit",) * 500},
    ],
)
def test_a_query_is_checked_when_it_is_made(wrong: dict[str, object]) -> None:
    if wrong == {"text": "a " * 40}:
        assert Query(**wrong).words == ('"a"',)  # type: ignore[arg-type]
        return
    with pytest.raises(UsageError):
        Query(**wrong)  # type: ignore[arg-type]


TYPED = st.text(max_size=30) | st.text("\"'*^:-+(){}[]%_;\\ANDORNEAR 독해klue", max_size=30)


@given(text=TYPED, word=TYPED)
def test_nothing_that_is_typed_is_an_error(catalog: Catalog, text: str, word: str) -> None:
    query = Query(
        text, task=(word,), language=(word,), license=(word,), library=(word,), tags=(word,)
    )

    assert catalog.search(query).total == 0 or word
    assert catalog.search(Query(text)).total <= 6
    catalog.find(text)


def test_lone_surrogates_of_a_terminal_are_no_error(catalog: Catalog) -> None:
    # What Python makes of bytes on the command line that are not UTF-8.
    typed = b"klue\xff".decode("utf-8", "surrogateescape")

    assert catalog.search(Query(typed)).total >= 0
    assert catalog.search(Query(tags=(typed,), language=(typed,), author=(typed,))).total == 0
    assert catalog.find(typed) == []


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
