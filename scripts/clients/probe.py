"""The list of operations, run inside one client environment: nothing of this project is imported.

Needs HF_ENDPOINT and PROBE_CUT, the same endpoint behind a line that breaks once. Writes one
JSON line for each operation: name, outcome ("ok", "failed", "none": this client has no such
thing) and what it saw, or why it failed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, HfFileSystem, hf_hub_download, snapshot_download

QA = "sample-lab/korean-qa"
REVIEWS = "sample-lab/korean-english-reviews"
SENTIMENT = "sample-lab/tiny-bert-korean-sentiment"
LARGE = "acme/large"
TEXT = "이 영화는 정말 마음에 듭니다."

api = HfApi()
operations: dict[str, Callable[[], Any]] = {}


class NotOfferedError(Exception):
    """There is no such thing in this client."""


def operation(name: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Put a function on the list."""

    def add(function: Callable[[], Any]) -> Callable[[], Any]:
        operations[name] = function
        return function

    return add


def raised(call: Callable[[], Any]) -> str:
    """Give the class of the error that a call must end with."""
    try:
        call()
    except Exception as error:
        return type(error).__name__
    raise AssertionError("no error")


def folder_of(path: str | Path) -> dict[str, str]:
    """Give path -> sha256 of the files of a folder, without the client's own."""
    root = Path(path)
    return {
        str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(root.rglob("*"))
        if file.is_file() and ".cache" not in file.parts and ".huggingface" not in file.parts
    }


# --- what the API tells ---------------------------------------------------------


@operation("repo info")
def _info() -> Any:
    model = api.model_info(SENTIMENT, files_metadata=True)
    data = api.dataset_info(REVIEWS)
    space = api.space_info("sample-lab/review-demo")
    return {
        "model": [model.id, model.sha, model.pipeline_tag, sorted(model.tags or ())],
        "files": sorted([f.rfilename, f.size, f.blob_id] for f in model.siblings),
        "old revision": api.model_info(SENTIMENT, revision="v1.0").sha,
        "dataset": [data.id, data.sha, sorted(data.tags), data.downloads],
        "space": [space.id, space.sha],
        "renamed": api.model_info("sample-lab/gpt2-tiny").id,
        "exists": [api.repo_exists(QA, repo_type="dataset"), api.repo_exists("acme/none")],
    }


@operation("lists with filters")
def _lists() -> Any:
    mine = {"author": "sample-lab"}
    return {
        "author": sorted(m.id for m in api.list_models(**mine)),
        "filter": sorted(m.id for m in api.list_models(filter="text-classification", **mine)),
        "two filters": sorted(m.id for m in api.list_models(filter=["ko", "transformers"], **mine)),
        "search": sorted(m.id for m in api.list_models(search="gpt2")),
        "sort, limit": [m.id for m in api.list_models(sort="downloads", limit=2, **mine)],
        "full": sorted([m.id, m.sha] for m in api.list_models(full=True, **mine)),
        "datasets": sorted(d.id for d in api.list_datasets(filter="language:ko", **mine)),
        "spaces": sorted(s.id for s in api.list_spaces(**mine)),
        "none": list(api.list_models(search="no-such-thing-at-all")),
    }


@operation("tree")
def _tree() -> Any:
    whole = api.list_repo_tree(REVIEWS, recursive=True, repo_type="dataset")
    below = list(api.list_repo_tree(REVIEWS, "ko", repo_type="dataset", expand=True))
    return {
        "recursive": sorted(entry.path for entry in whole),
        "below": sorted([e.path, e.size] for e in below),
        "last commits": sorted({e.last_commit.oid for e in below}),
        "files": sorted(api.list_repo_files(SENTIMENT, revision="v1.0")),
    }


@operation("refs")
def _refs() -> Any:
    refs = api.list_repo_refs(QA, repo_type="dataset")
    named = api.list_repo_refs(SENTIMENT)
    return {
        "converts": [[ref.name, ref.target_commit] for ref in refs.converts],
        "branches": sorted([ref.name, ref.target_commit] for ref in named.branches),
        "tags": sorted([ref.name, ref.target_commit] for ref in named.tags),
    }


@operation("commits")
def _commits() -> Any:
    commits = api.list_repo_commits(SENTIMENT)
    return {"head": commits[0].commit_id, "history": [c.title for c in commits]}


@operation("paths-info")
def _paths() -> Any:
    found = api.get_paths_info(SENTIMENT, ["config.json", "model.safetensors", "none"])
    return sorted([p.path, p.size, p.blob_id, p.lfs and p.lfs.sha256] for p in found)


# --- files ------------------------------------------------------------------------


@operation("hf_hub_download")
def _download() -> Any:
    one = hf_hub_download(SENTIMENT, "config.json", revision="v1.0")
    again = hf_hub_download(SENTIMENT, "config.json", revision="v1.0")
    legacy = hf_hub_download("gpt2", "config.json")
    data = hf_hub_download("acme/names", "sub/a b+c%20&d.txt", repo_type="dataset")
    return [one == again, *(Path(p).read_text("utf-8") for p in (one, legacy, data))]


@operation("download, resumed")
def _resumed() -> Any:
    for _ in range(3):
        try:
            path = hf_hub_download(LARGE, "model.safetensors", endpoint=os.environ["PROBE_CUT"])
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()
        except Exception as error:  # the line broke: people call it again
            print(f"resume after {type(error).__name__}", file=sys.stderr)
    raise AssertionError("never whole")


@operation("snapshot_download, whole")
def _snapshot() -> Any:
    return folder_of(snapshot_download(REVIEWS, repo_type="dataset"))


@operation("snapshot_download, filtered")
def _filtered() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        snapshot_download(SENTIMENT, allow_patterns=["*.json"], local_dir=folder)
        return folder_of(folder)


@operation("HfFileSystem glob")
def _glob() -> Any:
    files = HfFileSystem()
    return {
        "glob": sorted(files.glob(f"datasets/{REVIEWS}/**/*.parquet")),
        "quoted": sorted(files.glob("datasets/acme/names/많은 파일/2*.txt")),
        "ls": sorted(files.ls(SENTIMENT, detail=False)),
        "convert": files.ls(f"datasets/{QA}@refs%2Fconvert%2Fparquet", detail=False),
        "exists": [files.exists(f"{SENTIMENT}/config.json"), files.exists(f"{SENTIMENT}/none")],
    }


@operation("ranged read")
def _ranged() -> Any:
    files = HfFileSystem()
    path = f"{SENTIMENT}@v1.0/model.safetensors"
    with files.open(path, "rb", block_size=1000) as file:
        file.seek(5000)
        middle = file.read(16).hex()
    return [middle, files.cat_file(path, start=-8).hex(), files.info(path)["size"]]


# --- the commands -----------------------------------------------------------------


def command(*words: str) -> str:
    """Run the client's own command, whatever it is called there; gives its standard output."""
    tools = (Path(sys.executable).with_name(name) for name in ("hf", "huggingface-cli"))
    tool = next(tool for tool in tools if tool.exists())
    done = subprocess.run([tool, *words], capture_output=True, text=True, timeout=60)
    if done.returncode == 2 and "usage" in done.stderr.lower():
        raise NotOfferedError
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr[-300:]}")
    return done.stdout


@operation("command: download")
def _command_download() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        command("download", "klue/klue", "--repo-type", "dataset", "--local-dir", folder)
        missing = raised(lambda: command("download", "klue/none"))
        return [folder_of(folder), missing]


@operation("command: list")
def _command_list() -> Any:
    listed = command("models", "ls", "--author", "sample-lab")
    return sorted(word for word in listed.split() if word.startswith("sample-lab/"))


# --- the libraries that load ------------------------------------------------------


@operation("load_dataset: subset, split")
def _subset() -> Any:
    from datasets import load_dataset

    test = load_dataset(REVIEWS, "ko", split="test")
    every = load_dataset(QA)
    return [len(test), test[0], test.features["label"].names, {k: len(v) for k, v in every.items()}]


@operation("load_dataset: slices")
def _slices() -> Any:
    from datasets import load_dataset

    return load_dataset("klue/klue", "sts", split="train[1:3]")["sentence"][:]


@operation("load_dataset: streaming")
def _streaming() -> Any:
    from datasets import load_dataset

    train = load_dataset(REVIEWS, "en", split="train", streaming=True)
    rows = load_dataset("klue/klue", "sts", split="validation", streaming=True)
    return [next(iter(train)), list(rows)]


@operation("load_dataset: data_files")
def _data_files() -> Any:
    from datasets import load_dataset

    by_name = load_dataset("acme/numbers", data_files="*.csv", split="train")
    by_url = load_dataset("csv", data_files="hf://datasets/acme/numbers/data.csv", split="train")
    return [by_name["n"][:], by_url["n"][:]]


@operation("load_dataset: images")
def _images() -> Any:
    from datasets import load_dataset

    shapes = load_dataset("sample-lab/shapes")
    first = shapes["train"][0]
    return [{k: len(v) for k, v in shapes.items()}, first["image"].size, first["shape"]]


@operation("load_dataset: refs/convert/parquet")
def _converted() -> Any:
    from datasets import load_dataset

    converted = load_dataset(QA, revision="refs/convert/parquet")
    return {k: len(v) for k, v in converted.items()}


@operation("AutoConfig")
def _config() -> Any:
    from transformers import AutoConfig

    return {
        "full": AutoConfig.from_pretrained(SENTIMENT, revision="v1.0").id2label,
        "legacy": AutoConfig.from_pretrained("gpt2").model_type,
        "bert": AutoConfig.from_pretrained("bert-base-uncased").model_type,
        "renamed": AutoConfig.from_pretrained("sample-lab/gpt2-tiny").n_embd,
    }


@operation("AutoTokenizer")
def _tokenizer() -> Any:
    from transformers import AutoTokenizer

    gpt2 = AutoTokenizer.from_pretrained("tiny-gpt2")
    full = AutoTokenizer.from_pretrained(SENTIMENT)
    return [full(TEXT)["input_ids"], gpt2.decode(gpt2("The restaurant was fine.")["input_ids"])]


@operation("AutoTokenizer, legacy id")
def _legacy_tokenizer() -> Any:
    from transformers import AutoTokenizer

    bert = AutoTokenizer.from_pretrained("bert-base-uncased")
    return [bert("Good film, bad end")["input_ids"], bert.tokenize("goodness")]


@operation("pandas hf://")
def _pandas() -> Any:
    import pandas

    table = pandas.read_csv("hf://datasets/acme/numbers/data.csv")
    parts = HfFileSystem().glob(f"datasets/{REVIEWS}/ko/test*.parquet")
    return [int(table["n"].sum()), len(pandas.read_parquet(f"hf://{parts[0]}"))]


# --- what is not there ------------------------------------------------------------


@operation("missing file")
def _no_file() -> Any:
    return [
        raised(lambda: hf_hub_download(SENTIMENT, "none.json")),
        raised(lambda: HfFileSystem().open(f"{SENTIMENT}/none.json")),
    ]


@operation("missing repo")
def _no_repo() -> Any:
    from transformers import AutoConfig

    return [
        raised(lambda: hf_hub_download("acme/none", "config.json")),
        raised(lambda: snapshot_download("acme/none")),
        raised(lambda: api.dataset_info("acme/none")),
        raised(lambda: AutoConfig.from_pretrained("acme/none")),
    ]


@operation("missing revision")
def _no_revision() -> Any:
    return [
        raised(lambda: hf_hub_download(SENTIMENT, "config.json", revision="none")),
        raised(lambda: snapshot_download(SENTIMENT, revision="none")),
        raised(lambda: api.model_info(SENTIMENT, revision="none")),
    ]


def attempt(call: Callable[[], Any]) -> tuple[str, Any]:
    """Give the outcome of an operation, and what it saw or why it failed."""
    try:
        return "ok", call()
    except NotOfferedError:
        return "none", None
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"[:600]


def main() -> None:
    """Run every operation, each with the cache that those before it left."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is not ours
    for name, call in operations.items():
        outcome, seen = attempt(call)
        record = {"operation": name, "outcome": outcome, "seen": seen}
        print(json.dumps(record, default=str), file=out, flush=True)
    shutil.rmtree(os.environ["HF_HOME"], ignore_errors=True)


if __name__ == "__main__":
    main()
