"""Evaluation results, as cards and files beside the weights state them."""

from __future__ import annotations

from typing import Any

import pytest
from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
from hypothesis import given
from hypothesis import strategies as st

from mirror.catalog.record.cards import read_card
from mirror.catalog.record.evaluations import (
    MAX_EVALUATIONS,
    as_number,
    evaluated_on,
    find_evaluations,
)
from mirror.catalog.record.metadata import Evaluation
from tests.corpus import cards, needs_corpus


def index_of(*metrics: Any, **dataset: Any) -> dict[str, Any]:
    result = {"task": {"type": "text-generation"}, "dataset": dataset, "metrics": list(metrics)}
    return {"model-index": [{"name": "tiny", "results": [result]}]}


def test_a_model_index_has_results() -> None:
    card = index_of(
        {"type": "acc", "name": "Accuracy", "value": 0.87},
        {"type": "wer", "value": "20.41%"},
        {"name": "F1", "value": 3, "verified": True, "verifyToken": "eyJ"},
        type="klue", name="KLUE NLI", config="nli", split="validation",
    )  # fmt: skip
    shared = {"task": "text-generation", "dataset": "klue", "dataset_name": "KLUE NLI",
              "subset": "nli", "split": "validation"}  # fmt: skip

    assert find_evaluations(card, {}) == (
        Evaluation("acc", 0.87, metric_name="Accuracy", **shared),
        Evaluation("wer", 20.41, **shared),
        Evaluation("f1", 3.0, metric_name="F1", verified=True, **shared),
    )


def test_results_of_files_are_read_as_huggingface_hub_writes_them() -> None:
    entries = eval_result_entries_to_yaml(
        [
            EvalResultEntry("cais/hle", "default", 20.9, date="2025-01-15T10:30:00Z"),
            EvalResultEntry("Idavidrein/gpqa", "gpqa_diamond", 0.412, notes="no-tools",
                            source_url="https://example.com/log", verify_token="eyJ"),
        ]
    )  # fmt: skip
    expected = (
        Evaluation("score", 20.9, dataset="cais/hle", subset="default", source=".eval_results",
                   date="2025-01-15T10:30:00Z"),
        Evaluation("gpqa_diamond", 0.412, dataset="Idavidrein/gpqa", subset="gpqa_diamond",
                   metric_name="no-tools", source=".eval_results", verified=True,
                   url="https://example.com/log"),
    )  # fmt: skip

    assert find_evaluations({}, {}, [entries]) == expected
    # Upstream's answer says the same once more; one result is one row.
    wrapped = [{"filename": "a.yaml", "data": entry} for entry in entries]
    assert find_evaluations({}, {"evalResults": wrapped}, [entries]) == expected


def test_a_file_that_upstream_found_wrong_has_no_results() -> None:
    wrong = {"error": "no", "data": {"dataset": {"id": "a/b", "task_id": "c"}, "value": 1}}

    assert find_evaluations({}, {"evalResults": [wrong]}) == ()


def test_the_loader_of_a_local_data_set_is_no_data_set() -> None:
    found = find_evaluations(
        index_of({"type": "wer", "value": 1}, type="audiofolder", name="x"), {}
    )

    assert (found[0].dataset, found[0].dataset_name) == (None, "x")
    assert evaluated_on(found) == ("x",)


def test_a_mapping_of_values_is_several_results() -> None:
    value = {"rouge1": 59.4, "rouge2": "40", "note": "good"}
    found = find_evaluations(index_of({"type": "rouge", "value": value}, type="a/b"), {})

    assert [(item.metric, item.value) for item in found] == [("rouge1", 59.4), ("rouge2", 40.0)]


def test_a_repo_has_so_many_results_and_no_more() -> None:
    metrics = [{"type": f"m{i}", "value": i} for i in range(MAX_EVALUATIONS)]
    card = index_of(*metrics)
    card["model-index"] *= 2
    card["model-index"].append(index_of({"type": "last", "value": 1})["model-index"][0])

    assert len(find_evaluations(card, {})) == MAX_EVALUATIONS


def test_a_link_that_is_no_web_page_is_left_out() -> None:
    card = index_of({"type": "f1", "value": 1}, type="a/b")
    card["model-index"][0]["results"][0]["source"] = {"url": "javascript:alert(1)"}

    assert find_evaluations(card, {})[0].url is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0), ("13.766801%", 13.766801), (" 1e-3 ", 0.001), ("-2", -2.0),
        ("NaN", None), ("inf", None), ("NA", None), ("", None), ("1.2.3", None), (True, None),
        (None, None), ([1], None), (float("nan"), None), (10**400, None), ("9" * 500, None),
    ],
)  # fmt: skip
def test_numbers(value: object, expected: float | None) -> None:
    assert as_number(value) == expected


_NAMES = st.sampled_from(
    ["name", "type", "value", "results", "metrics", "dataset", "task", "args", "source", "data",
     "id", "task_id", "url", "model-index", "evalResults"]
)  # fmt: skip
_JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=15,
)


@given(index=_JUNK, files=st.lists(_JUNK, max_size=3), metrics=_JUNK)
def test_whatever_a_card_states_is_no_error(index: Any, files: list[Any], metrics: Any) -> None:
    results = {"model-index": [{"results": [{"metrics": metrics, "dataset": index}]}]}

    for card in ({"model-index": index}, results):
        for item in find_evaluations(card, {"evalResults": index}, files):
            assert isinstance(item.value, float)
            assert item.metric


@needs_corpus
def test_real_cards_have_thousands_of_results() -> None:
    found = [find_evaluations(read_card(card.data).data, {}) for card in cards("modern")]

    assert sum(map(len, found)) > 2_000
    assert {"openai_humaneval"} <= {name for items in found for name in evaluated_on(items)}
