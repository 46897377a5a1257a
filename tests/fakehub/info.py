"""The JSON that the Hub tells about a repo: from its files, as the Hub computes it."""

from __future__ import annotations

import json
import re
import struct
from collections import Counter
from collections.abc import Iterable
from math import prod
from typing import Any

import yaml

from tests.fakehub.repo import Commit, FakeRepo, read_json

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: What a list call gives without ``full`` or ``expand``.
_LIST_KEYS = {
    "model": "_id id modelId likes private downloads tags pipeline_tag library_name createdAt "
    "trendingScore",
    "dataset": "_id id author sha lastModified private gated disabled tags description downloads "
    "likes createdAt trendingScore",
    "space": "_id id likes private sdk tags createdAt trendingScore",
}
_FULL_KEYS = "author sha lastModified private gated disabled siblings"


def repo_info(repo: FakeRepo, commit: Commit) -> dict[str, Any]:
    """Give the whole info JSON at a commit; a fresh top-level dict, safe to change."""
    base = repo.info_cache.get(commit.id)
    if base is None:
        base = repo.info_cache[commit.id] = _from_files(repo, commit)
    state = {
        "private": repo.private,
        "gated": repo.gated,
        "disabled": repo.disabled,
        "downloads": repo.downloads,
        "likes": repo.likes,
        "trendingScore": repo.likes,
    }
    named = {"id": repo.repo_id, "author": repo.repo_id.split("/")[0]}
    if repo.repo_type == "model":
        named["modelId"] = repo.repo_id
    if "/" not in repo.repo_id:
        del named["author"]
    return {**base, **named, **state, **repo.extra}


def listed(info: dict[str, Any], repo_type: str, query: dict[str, list[str]]) -> dict[str, Any]:
    """Reduce an info JSON to what a list call gives for these parameters."""
    if "expand" in query:
        return expanded(info, query["expand"])
    keys = _LIST_KEYS[repo_type].split()
    if "full" in query or repo_type == "dataset":
        keys += _FULL_KEYS.split()
    keys += [key for key in ("config", "cardData") if key in query]
    if "full" in query and repo_type != "model":
        keys.append("cardData")
    return {key: info[key] for key in keys if key in info}


def expanded(info: dict[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    """Reduce an info JSON to ``_id``, ``id`` and the properties named by ``expand``."""
    keys = {name for words in wanted for name in words.split(",")} | {"_id", "id"}
    return {key: value for key, value in info.items() if key in keys}


def siblings(commit: Commit, *, blobs: bool) -> list[dict[str, Any]]:
    """List the files as the info call does; with sizes and ids when ``blobs``."""
    found: list[dict[str, Any]] = []
    for path, file in sorted(commit.files.items()):
        entry: dict[str, Any] = {"rfilename": path}
        if blobs:
            entry |= {"size": file.content.size, "blobId": file.blob_id}
            if file.is_lfs:
                lfs = {"sha256": file.content.sha256, "size": file.content.size}
                entry["lfs"] = lfs | {"pointerSize": len(file.pointer)}
        found.append(entry)
    return found


def _from_files(repo: FakeRepo, commit: Commit) -> dict[str, Any]:
    card = card_data(commit)
    info: dict[str, Any] = {
        "_id": commit.history()[-1].id[:24],
        "id": repo.repo_id,
        "sha": commit.id,
        "lastModified": commit.date_text,
        "createdAt": repo.created.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "usedStorage": sum(file.content.size for file in commit.files.values()),
        "siblings": siblings(commit, blobs=False),
        "cardData": card,
    }
    if repo.repo_type == "model":
        info |= _model_info(commit, card)
    elif repo.repo_type == "dataset":
        info |= {"tags": _dataset_tags(commit, card), "description": _description(commit)}
    else:
        info |= _space_info(repo, card)
    return info


def card_data(commit: Commit) -> dict[str, Any]:
    """Read the YAML front matter of README.md; ``{}`` where there is none, or it is broken."""
    file = commit.files.get("README.md")
    if file is None:
        return {}
    text = file.content.bytes().decode("utf-8", errors="replace")
    match = re.match(r"\s*---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(\r?\n|$)", text, re.DOTALL)
    if match is None:
        return {}
    try:
        data = yaml.load(match[1], Loader=_Loader)  # a safe loader, in C where there is one
    except yaml.YAMLError:
        return {}
    return json.loads(json.dumps(data, default=str)) if isinstance(data, dict) else {}


def _model_info(commit: Commit, card: dict[str, Any]) -> dict[str, Any]:
    config = read_json(commit, "config.json") or {}
    library = card.get("library_name") or ("transformers" if "model_type" in config else None)
    weights = safetensors_totals(commit)
    info: dict[str, Any] = {
        "tags": _model_tags(commit, card, library, config),
        "library_name": library,
        "pipeline_tag": card.get("pipeline_tag"),
        "model-index": card.get("model-index"),
        "spaces": [],
    }
    if config:
        info["config"] = {k: config[k] for k in ("architectures", "model_type") if k in config}
    if weights:
        info["safetensors"] = weights
    return {key: value for key, value in info.items() if value is not None}


def _space_info(repo: FakeRepo, card: dict[str, Any]) -> dict[str, Any]:
    sdk = card.get("sdk", "static")
    return {
        "sdk": sdk,
        "tags": [sdk, *_words(card.get("tags")), "region:us"],
        "subdomain": repo.repo_id.replace("/", "-"),
        "host": f"https://{repo.repo_id.replace('/', '-')}.hf.space",
        "runtime": {"stage": "RUNNING", "hardware": {"current": "cpu-basic"}},
        "models": _words(card.get("models")),
        "datasets": _words(card.get("datasets")),
    }


def _model_tags(
    commit: Commit, card: dict[str, Any], library: str | None, config: dict[str, Any]
) -> list[str]:
    tags = [library] if library else []
    if any(path.endswith(".safetensors") for path in commit.files):
        tags.append("safetensors")
    if any(path.endswith("pytorch_model.bin") for path in commit.files):
        tags.append("pytorch")
    tags += [config["model_type"]] if config.get("model_type") else []
    tags += _words(card.get("pipeline_tag")) + _words(card.get("tags"))
    tags += _words(card.get("language"))
    tags += [f"dataset:{name}" for name in _words(card.get("datasets"))]
    relation = card.get("base_model_relation", "finetune")
    for name in _words(card.get("base_model")):
        tags += [f"base_model:{name}", f"base_model:{relation}:{name}"]
    tags += ["model-index"] if card.get("model-index") else []
    tags += [f"license:{name}" for name in _words(card.get("license"))]
    return list(dict.fromkeys([*tags, "endpoints_compatible", "region:us"]))


_DATASET_PREFIXES = {
    "task_categories": "task_categories",
    "task_ids": "task_ids",
    "annotations_creators": "annotations_creators",
    "multilinguality": "multilinguality",
    "source_datasets": "source_datasets",
    "language": "language",
    "license": "license",
    "size_categories": "size_categories",
}
_FORMATS = {".parquet": "parquet", ".jsonl": "json", ".json": "json", ".csv": "csv"}


def _dataset_tags(commit: Commit, card: dict[str, Any]) -> list[str]:
    tags = [
        f"{prefix}:{w}" for key, prefix in _DATASET_PREFIXES.items() for w in _words(card.get(key))
    ]
    found = {path[path.rfind(".") :] for path in commit.files if "." in path}
    images = bool(found & {".png", ".jpg", ".jpeg"})
    formats = sorted({_FORMATS[suffix] for suffix in found if suffix in _FORMATS})
    if images:
        formats = ["imagefolder"]
    tags += [f"format:{name}" for name in formats]
    tags.append("modality:image" if images else "modality:text")
    tags += ["library:datasets", "library:mlcroissant", "region:us"]
    return list(dict.fromkeys(tags + _words(card.get("tags"))))


def _description(commit: Commit) -> str:
    file = commit.files.get("README.md")
    text = file.content.bytes().decode("utf-8", errors="replace") if file else ""
    return re.sub(r"\A\s*---\r?\n.*?\r?\n---", "", text, flags=re.DOTALL).strip()[:250]


def _words(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(item) for item in value] if isinstance(value, list) else []


def safetensors_totals(commit: Commit) -> dict[str, Any] | None:
    """Count parameters by type in the headers of all safetensors files."""
    counts: Counter[str] = Counter()
    for path, file in commit.files.items():
        if path.endswith(".safetensors") and file.content.size > 8:
            counts.update(_tensor_counts(file.content.read(0, 8), file.content.read))
    total = sum(counts.values())
    return {"parameters": dict(counts), "total": total} if counts else None


def _tensor_counts(head: bytes, read: Any) -> Counter[str]:
    counts: Counter[str] = Counter()
    (length,) = struct.unpack("<Q", head)
    if length > 1 << 24:
        return counts
    try:
        header = json.loads(read(8, 8 + length))
    except ValueError:
        return counts
    if not isinstance(header, dict):
        return counts
    for name, tensor in header.items():
        if name != "__metadata__":
            counts[tensor["dtype"]] += prod(tensor["shape"])
    return counts
