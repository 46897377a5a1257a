"""A repo of the store as a record: what its files hold is in it."""

from __future__ import annotations

from mirror.catalog.record.metadata import Evaluation, RepoRecord
from mirror.catalog.record.read import read_record
from mirror.names import RepoKey
from mirror.store import Store
from tests.catalog.making import dataset, model, publish
from tests.catalog.test_subsets import parquet
from tests.catalog.test_weights import gguf, safetensors


def read(store: Store, key: RepoKey) -> RepoRecord:
    record = read_record(store, key)
    assert record is not None
    return record


def test_a_model_without_upstreams_word_tells_its_weights(store: Store) -> None:
    key = model("acme/tiny")
    files = {
        "model-00001-of-00002.safetensors": safetensors(a=("BF16", [1000, 2])),
        "model-00002-of-00002.safetensors": safetensors(b=("F32", [50])),
        "pytorch_model.bin": b"weights",
        "onnx/model.onnx": b"graph",
    }
    publish(store, key, files, card="---\npipeline_tag: text-generation\n---\n")
    record = read(store, key)

    assert record.parameters == 2_050
    assert record.dtypes == {"BF16": 2_000, "F32": 50}
    assert record.values == {
        "format": ("safetensors", "onnx", "pytorch"),
        "dtype": ("BF16", "F32"),
        "modality": ("text",),
    }
    assert record.disk_size == sum(file.size for file in record.files)


def test_a_gguf_repo_has_every_quantisation_and_the_parameters_of_one(store: Store) -> None:
    key = model("acme/Tiny-7B-it-GGUF")
    files = {
        "tiny.Q4_K_M.gguf": gguf(("a", [256, 4], 12), file_type=15),
        "tiny.Q8_0.gguf": gguf(("a", [256, 4], 8), file_type=7) + bytes(500),
    }
    publish(store, key, files, card="---\nbase_model: acme/Tiny-7B-it\n---\n")
    record = read(store, key)

    assert (record.parameters, record.dtypes) == (1024, {"Q8_0": 1024})
    assert record.values["quantization"] == ("Q4_K_M", "Q8_0")
    assert record.values["kind"] == ("instruction-tuned",)
    assert [link.relation for link in record.links] == ["quantized"]


def test_half_of_the_weights_have_no_number_of_parameters(store: Store) -> None:
    key = model("acme/half")
    names = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    shard = safetensors(a=("F32", [5]))
    publish(store, key, {names[0]: shard}, absent={names[1]: shard + b" "})
    record = read(store, key)

    assert (record.parameters, record.dtypes) == (None, {})
    assert record.values["format"] == ("safetensors",)


def test_what_upstream_counted_goes_before_the_files(store: Store) -> None:
    key = model("acme/counted")
    raw = {"safetensors": {"parameters": {"F16": 70}, "total": 70}}
    publish(store, key, {"model.safetensors": safetensors(a=("F32", [5]))}, raw)

    assert read(store, key).dtypes == {"F16": 70}
    assert read(store, key).parameters == 70


def test_evaluation_files_are_read(store: Store) -> None:
    key = model("acme/scored")
    good = "- dataset: {id: cais/hle, task_id: default}\n  value: 20.9\n"
    files = {".eval_results/hle.yaml": good, ".eval_results/bad.yaml": "- [", "x.yaml": good}
    publish(store, key, files)
    record = read(store, key)

    assert record.evaluations == (
        Evaluation("score", 20.9, dataset="cais/hle", subset="default", source=".eval_results"),
    )
    assert record.values["evaluated_on"] == ("cais/hle",)
    assert [problem.split(" is not")[0] for problem in record.problems] == [
        ".eval_results/bad.yaml"
    ]


def test_a_data_set_of_files_alone_has_rows_format_and_size(store: Store) -> None:
    key = dataset("acme/numbers")
    files = {"data/train-00000-of-00001.parquet": parquet(900),
             "data/test-00000-of-00001.parquet": parquet(200)}  # fmt: skip
    publish(store, key, files)
    record = read(store, key)

    assert record.rows == 1_100
    assert record.values == {
        "format": ("parquet",),
        "modality": ("tabular",),
        "size_category": ("1K<n<10K",),
    }


def test_rows_of_a_part_are_not_the_rows(store: Store) -> None:
    key = dataset("acme/numbers")
    files = {"data/train-00000-of-00001.parquet": parquet(9), "data/test-00000-of-00001.csv": "x"}
    card = (
        "---\nconfigs:\n- config_name: a\n  data_files:\n  - {split: train, path: data/train*}\n"
        "  - {split: test, path: data/test*}\n---\n"
    )
    publish(store, key, files, card=card)

    assert read(store, key).rows is None
    assert "size_category" not in read(store, key).values


def test_a_file_that_is_twice_takes_its_bytes_once(store: Store) -> None:
    key = model("acme/twice")
    publish(store, key, {"a.bin": b"x" * 100, "b.bin": b"x" * 100}, absent={"c.bin": b"y" * 50})

    assert read(store, key).disk_size == 100


def test_a_quantised_model_has_the_parameters_that_it_was_made_of(store: Store) -> None:
    config = '{"quantization_config": {"quant_method": "gptq", "bits": 4}}'
    weights = safetensors(**{"a.qweight": ("I32", [1_000]), "b.scales": ("F16", [10])})
    publish(store, model("a/b-GPTQ"), {"model.safetensors": weights, "config.json": config})
    record = read(store, model("a/b-GPTQ"))

    assert record.parameters == 8_010
    assert record.dtypes == {"F16": 10, "I32": 1_000}
    assert record.values["quantization"] == ("gptq", "4-bit")
