"""What is told from names, tags and files alone."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from mirror.catalog.record.inferred import base_of_adapter, library_of_files, task_of_config
from mirror.catalog.record.metadata import Link
from mirror.catalog.record.prose import find_papers
from mirror.catalog.record.read import read_record
from mirror.catalog.record.traits import (
    data_format,
    kinds_of_name,
    model_format,
    quantizations_of_config,
    size_category,
    size_category_of,
    task_modalities,
)
from mirror.catalog.record.vocabulary import TASKS
from mirror.store import Store
from tests.catalog.making import model, publish
from tests.catalog.test_metadata import record_of
from tests.catalog.test_weights import safetensors
from tests.corpus import needs_corpus, records


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("model.safetensors", "safetensors"), ("a/b/M-Q4.GGUF", "gguf"),
        ("onnx/model.onnx", "onnx"),
        ("pytorch_model.bin", "pytorch"), ("unet/diffusion_pytorch_model.bin", "pytorch"),
        ("adapter_model.bin", "pytorch"), ("x.pth", "pytorch"), ("training_args.bin", None),
        ("tf_model.h5", "tf"), ("model.h5", "keras"), ("flax_model.msgpack", "jax"),
        ("openvino_model.xml", "openvino"), ("openvino_model.bin", "openvino"),
        ("ggml-base.bin", "ggml"), ("config.json", None), ("README.md", None), ("bin", None),
    ],
)  # fmt: skip
def test_formats_of_weights(path: str, expected: str | None) -> None:
    assert model_format(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a.parquet", "parquet"), ("b.jsonl.gz", "json"), ("c.tsv", "csv"), ("d/e.png", "imagefolder"),
     ("f.tar", "webdataset"), ("README.md", None), ("dataset_infos.json", None)],
)  # fmt: skip
def test_formats_of_data(path: str, expected: str | None) -> None:
    assert data_format(path) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Qwen3-8B-Instruct", ("instruction-tuned",)),
        ("gemma-3-4b-it-GGUF", ("instruction-tuned",)),
        ("Llama-2-7b-chat-hf", ("instruction-tuned",)),
        ("Qwen3-8B-Base", ("pre-trained",)),
        ("gemma-3-4b-pt", ("pre-trained",)),
        ("roberta-base", ()),
        ("bert-base-it", ()),
        ("chatterbox", ()),
    ],
)
def test_kinds_of_training(name: str, expected: tuple[str, ...]) -> None:
    assert kinds_of_name(name) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (9_999, "1K<n<10K"),
     (10_000, "10K<n<100K"), (10**6, "1M<n<10M"), (10**12 - 1, "100B<n<1T"), (10**12, "n>1T"),
     (10**18, "n>1T")],
)  # fmt: skip
def test_size_categories(rows: int, expected: str) -> None:
    assert size_category_of(rows) == expected


def test_size_categories_are_written_in_one_way() -> None:
    assert size_category("10k<n<100k") == size_category(" 10K < n < 100K ") == "10K<n<100K"
    assert size_category("1G<n<10G") is None


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("text-classification", {"text"}),
        ("image-text-to-text", {"image", "text"}),
        ("automatic-speech-recognition", {"audio", "text"}),
        ("text-to-video", {"text", "video"}),
        ("object-detection", {"image"}),
        ("table-question-answering", {"tabular", "text"}),
        ("reinforcement-learning", set()),
    ],
)
def test_modalities_of_tasks(task: str, expected: set[str]) -> None:
    assert set(task_modalities(task)) == expected


def test_quantisation_of_a_config() -> None:
    def of(**config: object) -> tuple[str, ...]:
        return quantizations_of_config({"quantization_config": config})

    assert of(quant_method="GPTQ", bits=4) == ("gptq", "4-bit")
    assert of(quant_method="bitsandbytes", load_in_8bit=True) == ("bitsandbytes", "8-bit")
    assert of(bits=10**9, quant_method=7.5) == ("7.5",)
    assert quantizations_of_config("x") == ()


def test_relations_are_guessed_as_the_hub_does() -> None:
    def relation(card: str) -> str | None:
        return record_of(model("a/b"), f"base_model: x/y\n{card}").links[0].relation

    assert relation("") == "finetune"
    assert relation("library_name: peft") == "adapter"
    assert relation("tags: [lora]") == "adapter"
    assert relation("tags: [gguf]") == "quantized"
    assert relation("tags: [mergekit, merge]") == "merge"
    assert relation("base_model_relation: merge") == "merge"
    assert record_of(model("a/b"), "base_model: x/y").values["kind"] == ("fine-tuned",)


def test_papers_of_a_card() -> None:
    text = "See [it](https://arxiv.org/abs/1810.04805), https://arxiv.org/pdf/2407.05361v2, "
    text += "https://huggingface.co/papers/1810.04805 and arxiv.org/abs/12345.678901"

    assert find_papers(text) == ("1810.04805", "2407.05361")


def test_a_model_that_was_imported_without_upstreams_word(store: Store) -> None:
    config = {"architectures": ["BertForSequenceClassification"], "model_type": "bert",
              "quantization_config": {"quant_method": "awq", "bits": 4}}  # fmt: skip
    files = {"config.json": json.dumps(config), "model.safetensors": safetensors(a=("I32", [4]))}
    publish(store, model("acme/tiny"), files, card="# Tiny\n\nhttps://arxiv.org/abs/1810.04805")
    record = read_record(store, model("acme/tiny"))

    assert record is not None
    assert record.tasks == ("text-classification",)
    assert record.libraries == ("transformers",)
    assert record.values["quantization"] == ("awq", "4-bit")
    assert record.links == (Link("arxiv", "1810.04805"),)


def test_an_adapter_says_what_it_is_for(store: Store) -> None:
    files = {"adapter_config.json": '{"base_model_name_or_path": "acme/base"}',
             "adapter_model.safetensors": safetensors(a=("F32", [4]))}  # fmt: skip
    publish(store, model("acme/lora"), files)
    record = read_record(store, model("acme/lora"))

    assert record is not None
    assert record.libraries == ("peft",)
    assert record.links == (Link("base_model", "acme/base", "adapter"),)
    assert base_of_adapter({"base_model_name_or_path": "/home/me/llama"}) is None
    assert base_of_adapter({"base_model_name_or_path": ["x/y"]}) is None


def test_where_upstream_named_no_task_there_is_none(store: Store) -> None:
    config = json.dumps({"architectures": ["BertForMaskedLM"]})
    publish(store, model("a/b"), {"config.json": config}, {"pipeline_tag": None, "tags": []})
    record = read_record(store, model("a/b"))

    assert record is not None
    assert record.tasks == ()


def test_files_at_the_root_say_the_library() -> None:
    bert = {"model_type": "bert"}
    assert library_of_files(["config.json", "model-00001-of-00002.safetensors"], bert) == (
        "transformers"
    )
    assert library_of_files(["config.json", "model.safetensors"], {}) is None
    assert library_of_files(["model_index.json"], {}) == "diffusers"
    assert library_of_files(["modules.json", "model.safetensors"], bert) == "sentence-transformers"
    assert library_of_files(["old/model_index.json", "x.gguf"], None) == "gguf"
    assert library_of_files([], None) is None


@needs_corpus
def test_tasks_of_real_configs_are_those_of_the_hub() -> None:
    right: Counter[bool] = Counter()
    for raw in records("models-2022-02"):
        task = task_of_config(raw["config"])
        assert task is None or task in TASKS
        if task is not None and raw["pipeline_tag"] is not None:
            right[task == raw["pipeline_tag"]] += 1

    # The others have a task of their own in their card: conversational, summarization.
    assert right[True] > 5_000
    assert right[True] / right.total() > 0.85
