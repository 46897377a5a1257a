"""What a repo is like, told from its tags, its file names and its tasks.

These are the fields that have no place in a card: format, quantisation, modality, size
category, kind. Small pure functions over one tag, one path or one name each, so that
describing a million repos can remember their answers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from mirror.catalog.record.data_files import loader_of
from mirror.catalog.record.vocabulary import (
    FINE_TUNED,
    INSTRUCTION_TUNED,
    MODEL_FORMATS,
    PRE_TRAINED,
    QUANTIZATIONS,
    SIZE_CATEGORIES,
)
from mirror.catalog.record.weight_files import gguf_quantization
from mirror.catalog.values import as_count, as_mapping, as_text

_EXTENSIONS: Final = {
    "safetensors": "safetensors", "gguf": "gguf", "onnx": "onnx", "pt": "pytorch",
    "pth": "pytorch", "ckpt": "pytorch", "keras": "keras", "h5": "keras", "hdf5": "keras",
    "tflite": "tflite", "litertlm": "litert", "mlmodel": "coreml", "mlpackage": "coreml",
    "ot": "rust", "joblib": "joblib", "pkl": "pickle", "pickle": "pickle", "nemo": "nemo",
    "pdparams": "paddlepaddle", "llamafile": "llamafile", "msgpack": "jax", "pte": "executorch",
    "rknn": "rknn", "engine": "tensorrt",
}  # fmt: skip
_NAMES: Final = {
    "tf_model.h5": "tf",
    "saved_model.pb": "tf",
    "openvino_model.xml": "openvino",
    "openvino_model.bin": "openvino",
    "rust_model.ot": "rust",
}
#: ``.bin`` is anything; these are weights of PyTorch.
_TORCH_BIN: Final = re.compile(r"(?:.*pytorch_model|adapter_model|model)[^/]*\.bin")
_GGML_BIN: Final = re.compile(r"ggml[-_].*\.bin")

_FORMAT_TAGS: Final = {
    **{name: name for name in MODEL_FORMATS},
    "paddle": "paddlepaddle",
    "tensorflow": "tf",
    "flax": "jax",
    "core-ml": "coreml",
}
_KIND_TAGS: Final = {
    **dict.fromkeys(("pretrained", "pre-trained", "pretraining", "base-model"), PRE_TRAINED),
    **dict.fromkeys(
        ("finetuned", "fine-tuned", "finetune", "fine-tune", "finetuning", "fine-tuning",
         "sft", "dpo", "grpo", "rlhf"),
        FINE_TUNED,
    ),
    **dict.fromkeys(
        ("instruct", "instruction-tuned", "instruction-tuning", "instruction-finetuned",
         "instruct-tuned", "chat"),
        INSTRUCTION_TUNED,
    ),
}  # fmt: skip
_INSTRUCT_NAME: Final = re.compile(
    r"(?:^|[-_.])(?:instruct|chat)(?:$|[-_.])|\d[bm](?:-[a-z0-9.]{1,12}){0,2}-it(?:$|[-_.])",
    re.IGNORECASE,
)
#: ``base`` after a size is a kind of training; after the name of an architecture, a size.
_BASE_NAME: Final = re.compile(
    r"\d[bm]-(?:base|pt)(?:$|[-_.])|(?:^|[-_.])pre-?train(?:ed)?(?:$|[-_.])", re.IGNORECASE
)

_TASK_MODALITIES: Final = {
    "image": ("image", "depth-estimation", "mask-generation", "object-detection", "visual",
              "keypoint"),
    "audio": ("audio", "speech", "voice"),
    "video": ("video",),
    "3d": ("3d",),
    "tabular": ("tabular", "table"),
    "timeseries": ("time-series",),
    "document": ("document",),
    "text": ("text", "translation", "summarization", "fill-mask", "question-answering",
             "sentence-similarity", "token-classification", "multiple-choice",
             "automatic-speech-recognition", "zero-shot-classification"),
}  # fmt: skip
#: The column types of a data set that say what it holds.
_FEATURE_MODALITIES: Final = {
    "image": "image",
    "audio": "audio",
    "video": "video",
    "pdf": "document",
    "string": "text",
    "large_string": "text",
    "translation": "text",
    "translationvariablelanguages": "text",
}
_NUMBER: Final = re.compile(r"u?int\d|float|double|decimal")
_FORMAT_MODALITIES: Final = {
    "imagefolder": "image",
    "audiofolder": "audio",
    "videofolder": "video",
    "pdffolder": "document",
    "text": "text",
}


def model_format(path: str) -> str | None:
    """Give the format of a file of weights; ``None`` if it is no such file."""
    name = path.rpartition("/")[2].lower()
    if (found := _NAMES.get(name)) is not None:
        return found
    extension = name.rpartition(".")[2]
    if extension == "bin":
        if _TORCH_BIN.fullmatch(name):
            return "pytorch"
        return "ggml" if _GGML_BIN.fullmatch(name) else None
    return _EXTENSIONS.get(extension)


def data_format(path: str) -> str | None:
    """Give the format of a file of data, as the Hub names it: ``parquet``, ``imagefolder``."""
    return loader_of(path)


def format_tag(tag: str) -> str | None:
    """Give the format that a model's bare tag stands for."""
    return _FORMAT_TAGS.get(tag)


def quantization_tag(tag: str) -> str | None:
    """Give the quantisation that a model's bare tag stands for."""
    plain = tag.lower()
    return plain if plain in QUANTIZATIONS else None


def quantization_of_path(path: str) -> str | None:
    """Give the quantisation that the name of a GGUF file says."""
    return gguf_quantization(path) if path.endswith(".gguf") else None


def quantizations_of_config(config: object) -> tuple[str, ...]:
    """Give what a model's ``config.json`` says: the method, and its bits."""
    if config is None or not (stated := as_mapping(as_mapping(config).get("quantization_config"))):
        return ()
    method, bits = as_text(stated.get("quant_method"), 32), bits_of_config(config)
    found = (method.lower() if method else None, f"{bits}-bit" if bits else None)
    return tuple(name for name in found if name is not None)


def bits_of_config(config: object) -> int | None:
    """Give the bits of each quantised parameter, 1 to 8, as ``config.json`` says them."""
    stated = as_mapping(as_mapping(config).get("quantization_config"))
    if stated.get("load_in_4bit") is True:
        return 4
    if stated.get("load_in_8bit") is True:
        return 8
    bits = as_count(stated.get("bits"))
    if bits is None and as_text(stated.get("quant_method")) == "mxfp4":
        return 4
    return bits if bits in range(1, 9) else None


def kind_tag(tag: str) -> str | None:
    """Give the kind of training that a model's bare tag states."""
    return _KIND_TAGS.get(tag.lower())


def kinds_of_name(name: str) -> tuple[str, ...]:
    """Give the kind of training that the name of a model states: ``-Instruct``, ``7B-Base``."""
    if _INSTRUCT_NAME.search(name):
        return (INSTRUCTION_TUNED,)
    return (PRE_TRAINED,) if _BASE_NAME.search(name) else ()


def task_modalities(task: str) -> tuple[str, ...]:
    """Give what a task works on: ``image`` and ``text`` of ``image-to-text``."""
    return tuple(
        name for name, parts in _TASK_MODALITIES.items() if any(part in task for part in parts)
    )


def data_modalities(dtypes: Iterable[str], formats: Iterable[str]) -> tuple[str, ...]:
    """Give what a data set holds, from the types of its columns and its formats."""
    columns = list(dtypes)
    found = [_FEATURE_MODALITIES.get(dtype) for dtype in columns]
    found += [_FORMAT_MODALITIES.get(name) for name in formats]
    told = tuple(dict.fromkeys(name for name in found if name is not None))
    if not told and any(_NUMBER.match(dtype) for dtype in columns):
        return ("tabular",)  # numbers beside texts are labels and ids
    return told


def modality(text: str) -> str:
    """Give the Hub's way to write a modality; an unknown one as it is, in lower case."""
    plain = text.lower()
    return {"time-series": "timeseries", "images": "image"}.get(plain, plain)


def size_category(text: str) -> str | None:
    """Give the Hub's way to write a size category, ``10K<n<100K``; ``None`` if it is none."""
    plain = text.strip().replace(" ", "").replace("k", "K").replace("m", "M").replace("b", "B")
    return plain if plain in SIZE_CATEGORIES else None


def size_category_of(rows: int) -> str:
    """Give the size category of so many rows."""
    if rows < 1_000:
        return SIZE_CATEGORIES[0]
    return SIZE_CATEGORIES[min(len(str(rows)) - 3, len(SIZE_CATEGORIES) - 1)]


def relation_of(tags: Iterable[str], libraries: Collection[str], formats: Collection[str]) -> str:
    """Guess as the Hub does how a model was made from a base that its card only names."""
    names = set(tags)
    if names & {"merge", "mergekit"}:
        return "merge"
    if "peft" in libraries or names & {"lora", "adapter", "peft"}:
        return "adapter"
    if "gguf" in formats or names & {"gguf", "gptq", "awq", "exl2", "bitsandbytes", "quantized"}:
        return "quantized"
    return "finetune"
