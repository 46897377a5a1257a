"""A mirror of real repos, loaded by the real clients where there is no network at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mirror.store import Store
from mirror.sync.model import Outcome
from tests.corpus import hub_repo, hub_repos, needs_corpus
from tests.fakehub import FakeHub, serve
from tests.sync.lab import Lab, check, dataset, entries, model, picture

TOP = Path(__file__).parents[2]

#: No network interface, and the mirror read-only.
CUT_OFF = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A mirror of the whole corpus, and of repos with old names."""
    hub = FakeHub()
    hub.options.xet = hub.options.cdn = True
    for repo_type, repo_id, folder in hub_repos():
        hub.add_folder(repo_type, repo_id, folder)
    gpt2 = hub.add_repo("model", "openai-community/gpt2", {"config.json": '{"version": 1}'})
    gpt2.tag("v1")
    gpt2.commit({"config.json": '{"version": 2}'})
    hub.alias("model", "gpt2", "openai-community/gpt2")
    hub.add_repo("model", "acme/old", {"config.json": '{"name": "old"}'})
    models = [one.repo_id for one in hub_repos() if one.repo_type == "model"]
    datasets = [one.repo_id for one in hub_repos() if one.repo_type == "dataset"]
    selection = entries(*models, "gpt2", "acme/old").replace(
        'id = "snakers4/silero-vad"\n', 'id = "snakers4/silero-vad"\nexclude = "*half*"\n'
    )
    selection += '[[models]]\nid = "openai-community/gpt2"\nrevisions = ["main", "v1"]\n'
    selection += entries(*datasets, repo_type="dataset")
    with serve(hub):
        store = Store.create(tmp_path_factory.mktemp("clients") / "mirror")
        yield Lab(hub, store, selection)


@pytest.fixture(scope="module")
def synced(lab: Lab) -> Lab:
    """Mirrored, and mirrored again after one of the repos has got another name."""
    report = lab.sync()
    assert (Outcome.OK, ()) == (report.outcome, report.failed)
    lab.hub.rename("model", "acme/old", "acme-labs/new")
    lab.hub.repo("model", "acme-labs/new").commit({"config.json": '{"name": "new"}'})
    report = lab.sync()
    assert [(model("acme-labs/new"), model("acme/old"))] == [
        (one.key, one.asked) for one in report.published
    ]
    return lab


def needs_namespaces() -> None:
    try:
        done = subprocess.run(["unshare", "-rnm", "true"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if done.returncode:
        pytest.skip(f"namespaces are not permitted here: {done.stderr.strip()}")


@pytest.fixture(scope="module")
def loaded(synced: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the clients read, in a process that is cut off."""
    needs_namespaces()
    hub = str(synced.store.layout.hub)
    environ = {
        **os.environ,
        "HF_HUB_CACHE": hub,
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(tmp_path_factory.mktemp("datasets")),
        "HF_HOME": str(tmp_path_factory.mktemp("home")),
    }
    command = ["unshare", "-rnm", "sh", "-c", CUT_OFF, "sh", str(synced.store.root)]
    command += [sys.executable, "-m", "tests.sync.offline"]
    done = subprocess.run(
        command, cwd=TOP, env=environ, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@needs_corpus
def test_the_mirror_is_what_upstream_has(synced: Lab) -> None:
    check(synced.store)
    for repo_type, repo_id, folder in hub_repos():
        key = model(repo_id) if repo_type == "model" else dataset(repo_id)
        path = synced.store.snapshot_path(key, synced.store.resolve(key))
        expected = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        found = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}
        assert expected - {"silero_vad_half.onnx"} == found
        for name in found:
            assert (folder / name).read_bytes() == (path / name).read_bytes()


@needs_corpus
def test_another_run_does_nothing(synced: Lab) -> None:
    before = picture(synced.store)
    synced.hub.clear()
    report = synced.sync()
    assert (len(hub_repos()) + 4, ()) == (report.unchanged, report.published)
    assert 0 == synced.hub.counts["resolve"] + synced.hub.counts["tree"]
    assert before == picture(synced.store)


@needs_corpus
def test_files_and_snapshots(loaded: dict[str, Any]) -> None:
    assert "Network is unreachable" == loaded["network"]
    found = loaded["files"]
    klue = hub_repo("dataset", "klue/klue")
    names = sorted(p.relative_to(klue).as_posix() for p in klue.rglob("*") if p.is_file())
    assert names == found["snapshot"]
    expected = ["LICENSE", "silero_vad_16k.safetensors", "silero_vad_16k_op15.onnx"]
    assert (expected, "not there") == (found["partial"], found["absent"])
    assert ([], len(hub_repos()) + 4) == (found["warnings"], found["repos"])


@needs_corpus
def test_old_and_new_names(loaded: dict[str, Any]) -> None:
    found = loaded["files"]
    assert ['{"version": 2}'] * 2 == found["legacy"]
    assert '{"version": 1}' == found["tag"]
    assert ['{"name": "new"}'] * 2 == found["renamed"]


@needs_corpus
def test_transformers(loaded: dict[str, Any]) -> None:
    assert {
        "caikit/tiny-BertForSequenceClassification": [
            "bert", ["BertForSequenceClassification"], 23,
        ],
        "caikit/tiny-BloomForCausalLM": ["bloom", ["BloomForCausalLM"], 11],
        "caikit/tiny-T5ForConditionalGeneration": ["t5", ["T5ForConditionalGeneration"], 13],
    } == loaded["models"]  # fmt: skip


@needs_corpus
def test_datasets(loaded: dict[str, Any]) -> None:
    columns = ["guid", "source", "sentence1", "sentence2", "labels"]
    assert {
        "klue": [519, columns, "무엇보다도 호스트분들이 너무 친절하셨습니다."],
        "kor_nlu": ["test", "train", "validation"],
        "gsm8k": {"train": 7473, "test": 1319},
        "banking77": "How do I locate my card?",
    } == loaded["datasets"]
