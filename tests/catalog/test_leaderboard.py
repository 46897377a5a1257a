"""Evaluation results across models: columns, filters, order, and what is not comparable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mirror.catalog import Catalog, reindex
from mirror.catalog.query.parse import parse_query
from mirror.catalog.read.details import Leaderboard
from mirror.catalog.read.leaderboard import Choice
from mirror.catalog.record.metadata import describe
from mirror.catalog.write.build import write_catalog
from mirror.errors import UsageError
from mirror.store import Store
from tests.catalog.making import dataset, model, publish
from tests.catalog.test_metadata import source_of
from tests.corpus import cards, needs_corpus


def card(results: dict[tuple[str, str | None, str], Any], **more: Any) -> str:
    """A card with a model-index of (data set, subset, metric) → value."""
    index = [
        {
            "task": {"type": "text-classification"},
            "dataset": {"type": name, "name": name, **({"config": subset} if subset else {})},
            "metrics": [{"type": metric, "value": value}],
        }
        for (name, subset, metric), value in results.items()
    ]
    data = {"language": "ko", **more, "model-index": [{"name": "x", "results": index}]}
    return f"---\n{yaml.safe_dump(data)}---\n# A model\n"


KLUE = "klue/klue"
ZEROTH = "kresnik/zeroth_korean@clean:wer"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    store = Store.create(tmp_path_factory.mktemp("board") / "mirror")
    publish(store, dataset(KLUE), card="---\nlanguage: ko\n---\n")
    models: dict[str, tuple[str, dict[str, Any]]] = {
        "lab/best": (
            card({(KLUE, "sts", "pearsonr"): 91.0, (KLUE, "nli", "accuracy"): 85.0}, license="mit"),
            {"downloads": 10, "safetensors": {"total": 7_000_000_000, "parameters": {"BF16": 7}}},
        ),
        "lab/second": (
            card({(KLUE, "sts", "pearsonr"): 89.0, (KLUE, "nli", "accuracy"): 83.0}),
            {"downloads": 900, "safetensors": {"total": 110_000_000, "parameters": {"F32": 1}}},
        ),
        "lab/half": (card({(KLUE, "sts", "pearsonr"): 95.0}), {"downloads": 5}),
        "lab/share": (card({("emotion", "default", "f1"): 0.93}), {}),
        "lab/percent": (
            card({("emotion", None, "f1"): "92.5%", ("Emotion 2", None, "wer"): 4}),
            {},
        ),
        "lab/speech": (card({("zeroth", "clean", "wer"): 7.5, ("zeroth", "clean", "f1"): 1}), {}),
        "lab/speech-2": (card({("zeroth", "clean", "wer"): 5.5, ("zeroth", "clean", "f1"): 2}), {}),
        "lab/silent": ("# nothing\n", {"downloads": 10_000}),
    }
    for name, (text, raw) in models.items():
        publish(store, model(name), card=text, upstream={"id": name, **raw})
    reindex(store, store.layout.catalog)
    with Catalog.open(store.layout.catalog) as found:
        yield found


def board(catalog: Catalog, text: str = "", **choice: Any) -> Leaderboard:
    return catalog.leaderboard(parse_query(text), Choice(**choice))


def names(found: Leaderboard) -> list[str]:
    return [row.key.name for row in found.rows]


def test_a_row_for_each_model_and_a_column_for_each_metric(catalog: Catalog) -> None:
    found = board(catalog, datasets=[KLUE])

    assert [c.name for c in found.columns] == [f"{KLUE}@sts:pearsonr", f"{KLUE}@nli:accuracy"]
    assert [c.models for c in found.columns] == [3, 2]
    values = {
        row.key.name: [score.value if score else None for score in row.scores] for row in found.rows
    }
    assert values == {"best": [91.0, 85.0], "second": [89.0, 83.0], "half": [95.0, None]}
    assert found.total == 3


def test_averages_compare_like_with_like(catalog: Catalog) -> None:
    """One excellent result does not beat a model that was measured everywhere."""
    found = board(catalog, datasets=[KLUE])

    assert names(found) == ["best", "second", "half"]
    assert [row.average for row in found.rows] == [88.0, 86.0, 95.0]


def test_sorts_by_any_column(catalog: Catalog) -> None:
    assert names(board(catalog, datasets=[KLUE], sort="pearsonr")) == ["half", "best", "second"]
    assert names(board(catalog, datasets=[KLUE], sort=f"{KLUE}@nli:accuracy", ascending=True)) == [
        "second", "best", "half",
    ]  # fmt: skip
    assert names(board(catalog, datasets=[KLUE], sort="downloads"))[0] == "second"
    assert names(board(catalog, datasets=[KLUE], sort="params"))[0] == "best"


def test_the_least_error_is_the_best(catalog: Catalog) -> None:
    found = board(catalog, datasets=["zeroth"], metrics=["wer"])

    assert names(found) == ["speech-2", "speech"]
    assert found.columns[0].lower_is_better


def test_errors_stay_out_of_an_average(catalog: Catalog) -> None:
    found = board(catalog, datasets=["zeroth"])

    assert {row.key.name: row.average for row in found.rows} == {"speech": 1, "speech-2": 2}


def test_filters_by_the_query_language(catalog: Catalog) -> None:
    assert names(board(catalog, "license:mit", datasets=[KLUE])) == ["best"]
    assert names(board(catalog, "params:<1B", datasets=[KLUE])) == ["second"]
    assert names(board(catalog, "dtype:BF16", datasets=[KLUE])) == ["best"]


def test_columns_that_were_chosen_in_their_order(catalog: Catalog) -> None:
    columns = [f"{KLUE}@nli:accuracy", "EMOTION:f1"]

    found = board(catalog, columns=columns)

    assert [c.name for c in found.columns] == [f"{KLUE}@nli:accuracy", "emotion:f1"]
    assert f"{KLUE}@sts:pearsonr" in [c.name for c in found.others]
    assert found.total == 4


def test_scales_are_not_guessed_but_said(catalog: Catalog) -> None:
    found = board(catalog, datasets=["emotion"])

    assert {row.scores[0].value for row in found.rows if row.scores[0]} == {0.93, 92.5}
    assert "shares of 1" in found.notes[0]


def test_without_anything_chosen(catalog: Catalog) -> None:
    found = board(catalog, most=2)

    assert len(found.columns) == 2
    assert "silent" not in names(found)


def test_pages(catalog: Catalog) -> None:
    whole = names(board(catalog, datasets=[KLUE]))
    parts = [names(board(catalog, datasets=[KLUE], limit=1, offset=i)) for i in range(4)]

    assert parts == [[name] for name in whole] + [[]]


@pytest.mark.parametrize(
    ("choice", "hint"),
    [
        ({"datasets": ["emotoin"]}, "emotion"),
        ({"metrics": ["acuracy"]}, "accuracy"),
        ({"columns": ["klue/klue@sts:pearson"]}, "klue/klue@sts:pearsonr"),
        ({"sort": "averge"}, "average"),
        ({"datasets": [KLUE], "sort": "zzzzzz"}, "downloads"),
    ],
)
def test_says_what_was_probably_meant(catalog: Catalog, choice: dict[str, Any], hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        board(catalog, **choice)

    assert hint in str(caught.value.hint)


def test_nothing_found(catalog: Catalog) -> None:
    found = board(catalog, "author:nobody-at-all")

    assert (found.columns, found.rows, found.total) == ((), (), 0)


def test_json_form(catalog: Catalog) -> None:
    form = board(catalog, datasets=[KLUE]).as_json()

    assert form["rows"][0]["repo_id"] == "lab/best"
    assert form["rows"][0]["scores"][0]["value"] == 91.0
    assert form["columns"][0]["lower_is_better"] is False


@needs_corpus
def test_real_cards(tmp_path: Path) -> None:
    """Of 1,500 cards with results, those on CoNLL-2003: 27 models, and the best of them."""
    found = {
        card.repo_id: describe(source_of(model(card.repo_id), card.data))
        for archive in ("models-2022-02", "modern")
        for card in cards(archive)
        if card.repo_type == "model"
        and b"model-index" in card.data
        # the Hub takes no longer name now
        and len(card.repo_id.rpartition("/")[2]) <= 96
    }
    write_catalog(tmp_path / "catalog.db", found.values(), {})

    with Catalog.open(tmp_path / "catalog.db") as catalog:
        conll = board(catalog, datasets=["conll2003"], sort="f1", limit=100)
        korean = board(catalog, "language:ko", metrics=["wer"], columns=[ZEROTH], sort="wer")
        for name in list(found)[::50]:
            page = catalog.page(model(name))
            assert page is not None
            compile(str(page.load), name, "exec")

    assert "conll2003:f1" == conll.sort
    assert conll.total >= 27
    assert names(conll)[0] == "roberta-base-finetuned-ner-kmeans"
    best = [row.scores[0].value for row in conll.rows if row.scores[0]]
    assert best == sorted(best, reverse=True)
    assert korean.sort == ZEROTH
    assert names(korean)[0] == "wav2vec2-large-xlsr-korean"
