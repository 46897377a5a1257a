"""Run by test_clients in a process without any network: load a mirror with the real clients.

``python -m tests.sync.offline HUB`` prints one JSON object: what each of them read. The
libraries take the folder from HF_HUB_CACHE.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download, scan_cache_dir, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError


def network() -> str:
    """Prove that there is none, so that nothing below can have come from elsewhere."""
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=1).close()
    except OSError as error:
        return str(error.strerror)
    return "reached something"


def read(repo_id: str, path: str, **more: Any) -> str:
    return Path(hf_hub_download(repo_id, path, **more)).read_text(encoding="utf-8")


def files() -> dict[str, Any]:
    """What huggingface_hub gives: files, whole and partial snapshots, old names."""
    whole = Path(snapshot_download("klue/klue", repo_type="dataset"))
    some = Path(snapshot_download("snakers4/silero-vad"))
    try:
        read("snakers4/silero-vad", "silero_vad_half.onnx")
        absent = "there"
    except LocalEntryNotFoundError:
        absent = "not there"
    scan = scan_cache_dir()
    return {
        "snapshot": sorted(
            p.relative_to(whole).as_posix() for p in whole.rglob("*") if p.is_file()
        ),
        "partial": sorted(p.relative_to(some).as_posix() for p in some.rglob("*") if p.is_file()),
        "absent": absent,
        "legacy": [read("gpt2", "config.json"), read("openai-community/gpt2", "config.json")],
        "tag": read("openai-community/gpt2", "config.json", revision="v1"),
        "renamed": [read("acme/old", "config.json"), read("acme-labs/new", "config.json")],
        "warnings": [str(warning) for warning in scan.warnings],
        "repos": len(scan.repos),
    }


def models() -> dict[str, Any]:
    from transformers import AutoConfig, AutoTokenizer

    found = {}
    for name in ("BertForSequenceClassification", "BloomForCausalLM", "T5ForConditionalGeneration"):
        repo_id = f"caikit/tiny-{name}"
        config = AutoConfig.from_pretrained(repo_id)
        tokens = AutoTokenizer.from_pretrained(repo_id)("The restaurant was fine.").input_ids
        found[repo_id] = [config.model_type, config.architectures, len(tokens)]
    return found


def datasets() -> dict[str, Any]:
    from datasets import load_dataset, load_dataset_builder

    def folder(repo_id: str) -> str:
        return snapshot_download(repo_id, repo_type="dataset")

    klue = load_dataset(folder("klue/klue"), "sts", split="validation")
    gsm8k = load_dataset(folder("openai/gsm8k"), "main")
    banking = load_dataset(folder("PolyAI/banking77"), split="test", streaming=True)
    return {
        "klue": [len(klue), klue.column_names, klue[0]["sentence1"]],
        "kor_nlu": sorted(
            load_dataset_builder(folder("kakaobrain/kor_nlu"), "sts").config.data_files
        ),
        "gsm8k": {split: len(rows) for split, rows in gsm8k.items()},
        "banking77": next(iter(banking))["text"],
    }


if __name__ == "__main__":
    found = {
        "network": network(),
        "files": files(),
        "models": models(),
        "datasets": datasets(),
    }
    json.dump(found, sys.stdout)
