"""Parameters and types of weights, from the heads of real files."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.catalog.record.weight_files import gguf_quantization, main_weights
from mirror.catalog.record.weights import (
    MAX_GGUF_VALUES,
    MAX_HEADER_BYTES,
    MAX_PARAMETERS,
    Weights,
    read_weights,
)
from tests.corpus import hub_repos, needs_corpus


def safetensors(**tensors: tuple[str, list[int]]) -> bytes:
    """The bytes of a file, without its tensors: they are never looked at."""
    header: dict[str, Any] = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": [0, 0]}
        for name, (dtype, shape) in tensors.items()
    }
    data = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return len(data).to_bytes(8, "little") + data


def gguf_text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf(
    *tensors: tuple[str, list[int], int], file_type: int | None = None, words: int = 3
) -> bytes:
    """A GGUF head with a vocabulary, as llama.cpp writes it."""
    keys = [
        gguf_text("general.architecture") + struct.pack("<I", 8) + gguf_text("llama"),
        gguf_text("tokenizer.ggml.tokens")
        + struct.pack("<IIQ", 9, 8, words)
        + b"".join(gguf_text(f"w{i}") for i in range(words)),
        gguf_text("tokenizer.ggml.scores")
        + struct.pack("<IIQ", 9, 6, words)
        + struct.pack(f"<{words}f", *range(words)),
        gguf_text("general.quantized") + struct.pack("<IB", 7, 1),
    ]
    if file_type is not None:
        keys.append(gguf_text("general.file_type") + struct.pack("<II", 4, file_type))
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(keys)) + b"".join(keys)
    for name, shape, kind in tensors:
        head += gguf_text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head += struct.pack("<IQ", kind, 0)
    return head


def read(path: str, data: bytes) -> Weights | None:
    return read_weights(path, io.BytesIO(data))


def test_safetensors_count_by_type() -> None:
    data = safetensors(a=("BF16", [10, 20]), b=("F32", [5]), c=("BF16", []))
    found = read("model.safetensors", data)

    assert found is not None
    assert found == Weights({"BF16": 201, "F32": 5})
    assert found.parameters() == 206


def test_gguf_counts_by_type_and_says_its_quantisation() -> None:
    data = gguf(("a", [256, 4], 12), ("b", [256], 0), ("c", [3], 200), file_type=15)

    assert read("m.gguf", data) == Weights({"F32": 256, "GGML_200": 3, "Q4_K": 1024}, "Q4_K_M")
    assert read("m.gguf", gguf(("a", [4], 0))) == Weights({"F32": 4})


def test_packed_numbers_are_several_parameters() -> None:
    data = safetensors(
        **{"a.qweight": ("I32", [100]), "a.qzeros": ("I32", [5]), "b.weight": ("F16", [40])}
    )
    found = read("model.safetensors", data)

    assert found is not None
    assert found.parameters() == 145
    assert found.parameters(4) == 845
    assert (found + found).parameters(4) == 1_690


def test_shards_are_added_up() -> None:
    assert Weights({"F32": 1}) + Weights({"BF16": 2, "F32": 3}, "Q8_0") == Weights(
        {"BF16": 2, "F32": 4}, "Q8_0"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\1\0\0",
        (MAX_HEADER_BYTES + 1).to_bytes(8, "little") + b"{}",
        (2**63).to_bytes(8, "little") + b"{}",
        (100).to_bytes(8, "little") + b"{}",
        (1).to_bytes(8, "little") + b"[",
        (2).to_bytes(8, "little") + b"[]",
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        safetensors(a=("F32", [-1])),
        safetensors(a=("F32", [2**60, 2**60])),
        safetensors(a=("F32", [MAX_PARAMETERS]), b=("F32", [1])),
        safetensors(a=("F32", [True])),
        safetensors(a=(7, [1])),  # type: ignore[arg-type]
        safetensors(a=("F32", "12")),  # type: ignore[arg-type]
        safetensors(a=("F32", [1] * 50)),
    ],
)
def test_damaged_safetensors_have_no_parameters(data: bytes) -> None:
    assert read("model.safetensors", data) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GGUF",
        gguf(("a", [4], 0))[:-1],
        b"GGUX" + gguf()[4:],
        struct.pack("<4sIQQ", b"GGUF", 1, 0, 0),
        struct.pack("<4sIQQ", b"GGUF", 3, 2**60, 0),
        struct.pack("<4sIQQ", b"GGUF", 3, 0, 2**60),
        struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + struct.pack("<Q", 2**62),
        struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + gguf_text("a") + struct.pack("<I", 99),
        struct.pack("<4sIQQ", b"GGUF", 3, 0, 1)
        + gguf_text("a")
        + struct.pack("<IIQ", 9, 8, MAX_GGUF_VALUES + 1),
        struct.pack("<4sIQQ", b"GGUF", 3, 0, 1)
        + gguf_text("a")
        + struct.pack("<I", 9)
        + struct.pack("<IQ", 9, 1) * 50,
        gguf(("a", [2**62, 2**62], 0)),
        gguf(("a" * 5_000, [1], 0)),
    ],
)
def test_damaged_gguf_has_no_parameters(data: bytes) -> None:
    assert read("m.gguf", data) is None


@given(data=st.binary(max_size=300), cut=st.integers(0, 400), kind=st.booleans())
def test_no_bytes_are_an_error(data: bytes, cut: int, kind: bool) -> None:
    good = gguf(("a", [4], 12), file_type=15)

    read("m.gguf", good[:cut] + data)
    read("m.safetensors", safetensors(a=("F32", [1]))[:cut] + data if kind else data)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"model.safetensors": 9, "other.safetensors": 99}, ("model.safetensors",)),
        ({"model.safetensors": 9, "model.fp16.safetensors": 5}, ("model.safetensors",)),
        (
            {f"model-0000{i}-of-00002.safetensors": 5 for i in (1, 2)} | {"x.safetensors": 99},
            ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
        ),
        ({"model-00001-of-00002.safetensors": 5}, ()),
        ({"adapter_model.safetensors": 1, "checkpoint-1/adapter_model.safetensors": 1},
         ("adapter_model.safetensors",)),
        (
            {"model_index.json": 1, "unet/d.safetensors": 9, "unet/d.fp16.safetensors": 5,
             "vae/d.safetensors": 2, "all.safetensors": 20},
            ("unet/d.safetensors", "vae/d.safetensors"),
        ),
        ({"m-Q4_K_M.gguf": 4, "m-Q8_0.gguf": 8, "mmproj-m.gguf": 99}, ("m-Q8_0.gguf",)),
        (
            {"Q8/m-00001-of-00002.gguf": 4, "Q8/m-00002-of-00002.gguf": 4, "m.imatrix.gguf": 50},
            ("Q8/m-00001-of-00002.gguf", "Q8/m-00002-of-00002.gguf"),
        ),
        ({"README.md": 1, "pytorch_model.bin": 4}, ()),
    ],
)  # fmt: skip
def test_one_set_of_weights_is_the_model(files: dict[str, int], expected: tuple[str, ...]) -> None:
    assert main_weights(files) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("llama-3-8b.Q4_K_M.gguf", "Q4_K_M"),
        ("Qwen3-UD-Q2_K_XL.gguf", "Q2_K_XL"),
        ("IQ4_XS/m-00001-of-00002.gguf", None),
        ("m-iq4_xs-00001-of-00002.gguf", "IQ4_XS"),
        ("m-fp16.gguf", "F16"),
        ("m.gguf", None),
    ],
)
def test_a_gguf_files_name_says_its_quantisation(path: str, expected: str | None) -> None:
    assert gguf_quantization(path) == expected


@needs_corpus
def test_real_weights_are_read() -> None:
    found = {
        f"{repo.repo_id}/{path.name}": weights
        for repo in hub_repos()
        for path in sorted(Path(repo.folder).rglob("*.safetensors"))
        for weights in [read(path.name, path.read_bytes())]
    }

    assert found
    assert all(weights is not None and weights.parameters() > 1_000 for weights in found.values())
