"""Run by test_fakehub in a process of its own: the clients that read HF_ENDPOINT when imported.

Prints one JSON object: what each of them read. Needs HF_ENDPOINT of a sample hub.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from datasets import load_dataset, load_dataset_builder
from huggingface_hub import HfFileSystem
from transformers import AutoConfig, AutoTokenizer

REVIEWS = "sample-lab/korean-english-reviews"
SENTIMENT = "sample-lab/tiny-bert-korean-sentiment"


def read_datasets() -> dict[str, Any]:
    """Load subsets, splits, a stream, JSON lines, images and the converted parquet."""
    test = load_dataset(REVIEWS, "ko", split="test")
    stream = load_dataset(REVIEWS, "en", split="train", streaming=True)
    shapes = load_dataset("sample-lab/shapes")
    converted = load_dataset("sample-lab/korean-qa", revision="refs/convert/parquet")
    return {
        "rows": len(test),
        "labels": test.features["label"].names,
        "first": test[0]["text"],
        "streamed": next(iter(stream))["id"],
        "splits": sorted(load_dataset_builder(REVIEWS, "en").info.splits),
        "questions": {k: len(v) for k, v in load_dataset("sample-lab/korean-qa").items()},
        "converted": {k: len(v) for k, v in converted.items()},
        "shapes": {k: len(v) for k, v in shapes.items()},
        "image": [*shapes["train"][0]["image"].size, shapes["train"][0]["shape"]],
    }


def read_models() -> dict[str, Any]:
    """Load configs and tokenizers, by present and by old names."""
    tokenizer = AutoTokenizer.from_pretrained(SENTIMENT)
    gpt2 = AutoTokenizer.from_pretrained("tiny-gpt2")
    return {
        "model_type": AutoConfig.from_pretrained(SENTIMENT).model_type,
        "labels": AutoConfig.from_pretrained(SENTIMENT, revision="v1.0").id2label,
        "tokens": tokenizer.tokenize("이 영화는 정말 마음에 듭니다."),
        "known": tokenizer.unk_token_id not in tokenizer("이 영화는 정말 마음에 듭니다.").input_ids,
        "round_trip": gpt2.decode(gpt2("The restaurant was fine.").input_ids),
        "old_name": AutoConfig.from_pretrained("sample-lab/gpt2-tiny").n_embd,
    }


def read_files() -> dict[str, Any]:
    """Walk and read through the file system, in ranges."""
    files = HfFileSystem()
    path = f"{SENTIMENT}@v1.0/model.safetensors"
    with files.open(path, "rb", block_size=1000) as file:
        file.seek(5000)
        middle = file.read(16).hex()
    return {
        "names": sorted(name.rsplit("/", 1)[-1] for name in files.ls(SENTIMENT, detail=False)),
        "found": sorted(files.glob(f"datasets/{REVIEWS}/ko/*.parquet")),
        "size": files.info(path)["size"],
        "middle": middle,
        "tail": files.cat_file(path, start=-8).hex(),
        "exists": files.exists(f"{SENTIMENT}/no-such-file"),
    }


if __name__ == "__main__":
    found = {"datasets": read_datasets(), "models": read_models(), "files": read_files()}
    json.dump(found, sys.stdout)
