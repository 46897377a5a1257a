"""A repo's page: its lineage within the catalog, its results, its history, how it is loaded."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.catalog import Catalog, RepoPage, reindex
from mirror.catalog.read import lineage as bounds
from mirror.catalog.read.load_code import literal, load_code
from mirror.catalog.record.metadata import describe
from mirror.catalog.record.record import Link
from mirror.catalog.write.build import write_catalog
from mirror.names import RepoKey
from mirror.store import Observation, Store
from tests.catalog.making import dataset, model, publish
from tests.catalog.test_metadata import source_of


def card(**data: Any) -> str:
    return f"---\n{yaml.safe_dump(data, allow_unicode=True)}---\n# Title\n"


def page_of(store: Store, path: Path, key: RepoKey) -> RepoPage:
    reindex(store, path)
    with Catalog.open(path) as catalog:
        page = catalog.page(key)
    assert page is not None
    return page


def made(page: RepoPage) -> list[tuple[str, int, str | None]]:
    assert page.lineage is not None
    return [(r.repo_id, r.distance, r.state) for r in page.lineage.made_from]


def into(page: RepoPage) -> list[tuple[str, int, str]]:
    assert page.lineage is not None
    return [(r.repo_id, r.distance, r.through) for r in page.lineage.made_into]


class TestLineage:
    @pytest.fixture
    def family(self, store: Store) -> Store:
        publish(store, model("lab/base"), card=card(datasets=["klue", "lab/corpus"]))
        publish(store, model("lab/tuned"), card=card(base_model="lab/base"))
        publish(
            store,
            model("lab/tuned-gguf"),
            card=card(base_model="lab/tuned", base_model_relation="quantized"),
        )
        publish(store, model("lab/merged"), card=card(base_model=["lab/tuned", "else/where"]))
        publish(store, dataset("lab/corpus"), card=card(language="ko"))
        return store

    def test_what_it_was_made_from(self, family: Store, path: Path) -> None:
        page = page_of(family, path, model("lab/merged"))

        assert made(page) == [
            ("lab/tuned", 1, "mirrored"),
            ("else/where", 1, None),
            ("lab/base", 2, "mirrored"),
        ]

    def test_what_was_made_from_it(self, family: Store, path: Path) -> None:
        page = page_of(family, path, model("lab/base"))

        assert page.lineage is not None
        assert into(page) == [
            ("lab/tuned", 1, "lab/base"),
            ("lab/merged", 2, "lab/tuned"),
            ("lab/tuned-gguf", 2, "lab/tuned"),
        ]
        assert page.lineage.made_into[2].relation == "quantized"
        assert page.lineage.made_into_total == 1
        assert not page.lineage.truncated

    def test_data_sets(self, family: Store, path: Path) -> None:
        base = page_of(family, path, model("lab/base")).lineage
        corpus = page_of(family, path, dataset("lab/corpus")).lineage

        assert base is not None
        assert corpus is not None
        assert [(r.repo_id, r.state) for r in base.trained_on] == [
            ("klue", None),
            ("lab/corpus", "mirrored"),
        ]
        assert [r.repo_id for r in corpus.trained] == ["lab/base"]

    def test_circles_end(self, store: Store, path: Path) -> None:
        publish(store, model("lab/one"), card=card(base_model=["lab/two", "lab/one"]))
        publish(store, model("lab/two"), card=card(base_model="lab/one"))

        page = page_of(store, path, model("lab/one"))

        assert made(page) == [("lab/two", 1, "mirrored")]
        assert into(page) == [("lab/two", 1, "lab/one")]

    def test_bounds(self, store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bounds, "MAX_DISTANCE", 3)
        monkeypatch.setattr(bounds, "MAX_CHILDREN", 2)
        for number in range(1, 7):
            publish(store, model(f"lab/m{number}"), card=card(base_model=f"lab/m{number - 1}"))
        for number in range(4):
            publish(store, model(f"lab/x{number}"), card=card(base_model="lab/root"))
        publish(store, model("lab/root"), card=card())

        chain = page_of(store, path, model("lab/m6"))
        root = page_of(store, path, model("lab/root"))

        assert [name for name, _, _ in made(chain)] == ["lab/m5", "lab/m4", "lab/m3"]
        assert root.lineage is not None
        assert len(root.lineage.made_into) == 2
        assert root.lineage.made_into_total == 4
        assert chain.lineage is not None
        assert chain.lineage.truncated
        assert root.lineage.truncated


NODES = tuple(f"lab/m{number}" for number in range(6))


@settings(max_examples=25)
@given(st.sets(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=12))
def test_lineage_is_the_shortest_way_in_any_graph(edges: set[tuple[str, str]]) -> None:
    """``edges``: (a model, one that it names as its base)."""
    base = describe(source_of(model("x/x"), b"", {}))
    records = [
        replace(
            base,
            key=model(name),
            links=tuple(Link("base_model", to) for start, to in sorted(edges) if start == name),
        )
        for name in NODES
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.db"
        write_catalog(path, records, {})
        with Catalog.open(path) as catalog:
            pages = {name: catalog.page(model(name)) for name in NODES}

    for name, page in pages.items():
        assert page is not None
        assert page.lineage is not None
        up = {r.repo_id: r.distance for r in page.lineage.made_from}
        down = {r.repo_id: r.distance for r in page.lineage.made_into}
        assert up == distances(name, edges)
        assert down == distances(name, {(to, start) for start, to in edges})
        assert not page.lineage.truncated


def distances(start: str, edges: set[tuple[str, str]]) -> dict[str, int]:
    """Steps from ``start`` to each other node, by walking one level after the other."""
    found, level, steps = {start: 0}, {start}, 0
    while level:
        steps += 1
        level = {to for here, to in edges if here in level} - set(found)
        found |= dict.fromkeys(level, steps)
    return {name: steps for name, steps in found.items() if steps}


class TestStory:
    def test_evaluation_results(self, store: Store, path: Path) -> None:
        results = [
            {
                "task": {"type": "text-classification"},
                "dataset": {"type": "klue", "name": "KLUE", "config": "ynat", "split": "test"},
                "metrics": [{"type": "f1", "value": 86.5, "name": "macro F1"}],
            }
        ]
        text = card(**{"model-index": [{"name": "x", "results": results}]})
        publish(store, model("lab/x"), card=text)

        (found,) = page_of(store, path, model("lab/x")).evaluations

        assert (found.dataset, found.subset, found.split) == ("klue", "ynat", "test")
        assert (found.metric, found.metric_name, found.value) == ("f1", "macro F1", 86.5)
        assert found.verified is False

    def test_what_changed_upstream(self, store: Store, path: Path) -> None:
        publish(store, model("lab/x"), card=card(license="mit"))
        for observation in (
            Observation("2026-01-01T00:00:00Z", "ok", license="mit", gated=False),
            Observation("2026-02-01T00:00:00Z", "ok", license="other", gated="manual"),
            Observation("2026-03-01T00:00:00Z", "gone", detail="404"),
        ):
            store.observe(model("lab/x"), observation)

        page = page_of(store, path, model("lab/x"))

        assert {(event.what, event.before, event.after) for event in page.events} == {
            ("license", "mit", "other"),
            ("gated", "no", "manual"),
            ("state", "ok", "gone"),
        }
        assert page.events[-1].time == "2026-03-01T00:00:00Z"
        assert page.as_json()["events"][-1]["detail"] == "404"

    def test_types_of_the_weights(self, store: Store, path: Path) -> None:
        raw = {"safetensors": {"total": 12, "parameters": {"F32": 2, "BF16": 10}}}
        publish(store, model("lab/x"), {"model.safetensors": "x"}, raw, card=card())

        page = page_of(store, path, model("lab/x"))

        assert page.dtypes == {"BF16": 10, "F32": 2}
        assert page.formats == ("safetensors",)


def texts_in(code: str) -> set[str]:
    """Every text of a program; the program must be nothing but imports and calls."""
    tree = ast.parse(code)
    assert all(isinstance(node, ast.ImportFrom | ast.Import | ast.Assign) for node in tree.body)
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


class TestLoadCode:
    @pytest.fixture
    def page(self, store: Store, path: Path) -> RepoPage:
        publish(store, model("lab/x"), {"config.json": "{}", "tokenizer.json": "{}"}, card=card())
        return page_of(store, path, model("lab/x"))

    @pytest.mark.parametrize(
        ("library", "expected"),
        [
            ("transformers", "AutoModel.from_pretrained(name)"),
            ("sentence-transformers", 'SentenceTransformer("lab/x")'),
            ("diffusers", 'DiffusionPipeline.from_pretrained("lab/x")'),
            ("timm", 'timm.create_model("hf-hub:lab/x", pretrained=True)'),
            ("setfit", 'SetFitModel.from_pretrained("lab/x")'),
            ("spacy", 'snapshot_download("lab/x")'),
            ("a library of tomorrow", 'snapshot_download("lab/x")'),
        ],
    )
    def test_by_library(self, page: RepoPage, library: str, expected: str) -> None:
        code = load_code(replace(page, libraries=(library,)))

        assert code is not None
        assert expected in code
        texts_in(code)

    def test_the_head_of_the_task(self, page: RepoPage) -> None:
        ner = replace(page, libraries=("transformers",), tasks=("token-classification",))

        assert "AutoModelForTokenClassification" in str(load_code(ner))

    def test_code_of_strangers_is_said(self, page: RepoPage) -> None:
        code = str(load_code(replace(page, libraries=("transformers",), tags=("custom_code",))))

        assert "# Runs code that comes with the model" in code
        assert code.count("trust_remote_code=True") == 2

    def test_another_revision(self, page: RepoPage) -> None:
        tagged = replace(page, ref="v1.0", libraries=("transformers",))

        assert str(load_code(tagged)).count('revision="v1.0"') == 2

    def test_not_mirrored(self, page: RepoPage) -> None:
        assert load_code(replace(page, state="known")) is None

    def test_adapters_need_their_base(self, store: Store, path: Path) -> None:
        hostile = 'x"); import os; os.system("id'
        publish(store, model("lab/a"), {"adapter_config.json": "{}"}, card=card(base_model=hostile))

        code = str(page_of(store, path, model("lab/a")).load)

        assert "PeftModel.from_pretrained(base" in code
        assert texts_in(code) == {hostile, "lab/a"}

    def test_gguf_takes_the_usual_file(self, store: Store, path: Path) -> None:
        names = ["a-Q8_0.gguf", "a-q4_k_m.gguf", "mmproj-a.gguf", 'b"); x(".gguf']
        publish(store, model("lab/g"), {name: name for name in names}, card=card())

        code = str(page_of(store, path, model("lab/g")).load)

        assert texts_in(code) == {"lab/g", "a-q4_k_m.gguf"}

    @pytest.mark.parametrize(
        "name", ['a"b', "a\nimport os", "한국어", "a\u2028b", "\\", "'''", "{0}"]
    )
    def test_hostile_subsets(self, store: Store, path: Path, name: str) -> None:
        configs = [{"config_name": other, "data_files": "a.csv"} for other in (name, f"{name} 2")]
        publish(store, dataset("lab/d"), {"a.csv": "n\n1\n"}, card=card(configs=configs))

        page = page_of(store, path, dataset("lab/d"))
        code = str(page.load)

        assert page.subsets
        assert texts_in(code) == {"lab/d", "dataset", page.subsets[0].name}
        assert all(line.isprintable() for line in code.split("\n"))

    @given(st.text())
    def test_any_text_is_one_literal(self, text: str) -> None:
        written = literal(text)

        assert ast.literal_eval(written) == text
        assert written.isprintable()


def test_find_takes_the_best_spelling(store: Store, path: Path) -> None:
    for key in (model("Lab/Bert"), model("lab/bert"), dataset("lab/bert"), model("x/bert")):
        publish(store, key, card=card())
    reindex(store, path)

    with Catalog.open(path) as catalog:
        assert _names(catalog.find("Lab/Bert")) == ["models/Lab/Bert"]
        assert _names(catalog.find("lab/bert")) == ["datasets/lab/bert", "models/lab/bert"]
        assert _names(catalog.find("models/lab/bert")) == ["models/lab/bert"]
        assert len(catalog.find("LAB/BERT")) == 3
        assert len(catalog.find("BERT")) == 4
        assert catalog.find("no such thing") == []


def _names(keys: Iterable[RepoKey]) -> list[str]:
    return sorted(map(str, keys))
