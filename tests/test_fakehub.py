"""Whether FakeHub is a Hub: driven by the real clients, and by plain HTTP where they do not look.

What these tests promise is what every other test builds on.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile

from tests.corpus import hub_repos, needs_corpus
from tests.fakehub import FakeHub, serve
from tests.fakehub.plain import get
from tests.samples import SAMPLES, build_samples, sample_hub

SENTIMENT = "sample-lab/tiny-bert-korean-sentiment"
REVIEWS = "sample-lab/korean-english-reviews"
PROBE = Path(__file__).with_name("client_probe.py")


@pytest.fixture(scope="module")
def sampled(samples: Path) -> Iterator[FakeHub]:
    """The sample hub for tests that only read."""
    hub = sample_hub(samples)
    with serve(hub):
        yield hub


@pytest.fixture(scope="module")
def probed(sampled: FakeHub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What datasets, transformers and HfFileSystem read, in a process of their own."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHON"))
    }
    environment |= {
        "HF_ENDPOINT": sampled.endpoint,
        "HF_HOME": str(tmp_path_factory.mktemp("hf-home")),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    }
    done = subprocess.run(
        [sys.executable, PROBE], env=environment, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def api(hub: FakeHub) -> HfApi:
    """The real client, without a token."""
    return HfApi(endpoint=hub.endpoint, token=False)


# --- the libraries that load things ---------------------------------------------------


def test_datasets_loads_subsets_splits_streams_images_and_conversions(
    probed: dict[str, Any],
) -> None:
    found = probed["datasets"]
    assert found.pop("first").startswith("이 ")
    assert found == {
        "rows": 60,
        "labels": ["negative", "positive"],
        "streamed": "en-train-0000",
        "splits": ["test", "train", "validation"],
        "questions": {"train": 120, "validation": 30},
        "converted": {"train": 120, "validation": 30},
        "shapes": {"train": 18, "test": 6},
        "image": [32, 32, "circle"],
    }


def test_transformers_loads_configs_and_tokenizers_by_present_and_old_names(
    probed: dict[str, Any],
) -> None:
    assert probed["models"] == {
        "model_type": "bert",
        "labels": {"0": "negative", "1": "positive"},
        "tokens": ["이", "영화는", "정말", "마음에", "듭니다", "."],
        "known": True,
        "round_trip": "The restaurant was fine.",
        "old_name": 32,
    }


def test_the_file_system_reads_ranges(probed: dict[str, Any], samples: Path) -> None:
    weights = (samples / "models" / SENTIMENT / "model.safetensors").read_bytes()
    found = probed["files"]
    assert found["size"] == len(weights)
    assert found["middle"] == weights[5000:5016].hex()
    assert found["tail"] == weights[-8:].hex()
    assert found["exists"] is False
    assert len(found["found"]) == 3
    assert set(found["names"]) == {p.name for p in (samples / "models" / SENTIMENT).iterdir()}


# --- metadata --------------------------------------------------------------------------


def test_model_info_tells_what_the_card_and_the_files_say(sampled: FakeHub) -> None:
    info = HfApi(endpoint=sampled.endpoint).model_info(
        SENTIMENT, files_metadata=True, securityStatus=True
    )
    assert info.sha == sampled.repo("model", SENTIMENT).sha
    assert (info.author, info.pipeline_tag, info.library_name) == (
        "sample-lab",
        "text-classification",
        "transformers",
    )
    assert info.card_data is not None
    assert info.card_data.license == "cc-by-sa-4.0"
    assert info.card_data.eval_results is not None
    assert info.card_data.eval_results[0].metric_value == 0.9167
    assert {
        "ko",
        "license:cc-by-sa-4.0",
        f"dataset:{REVIEWS}",
        "base_model:sample-lab/tiny-bert-korean",
        "base_model:finetune:sample-lab/tiny-bert-korean",
        "safetensors",
        "bert",
    } <= set(info.tags or ())
    assert info.safetensors is not None
    assert info.safetensors.total == info.safetensors.parameters["F32"] > 30_000
    weights = next(file for file in info.siblings or () if file.rfilename == "model.safetensors")
    assert weights.lfs is not None
    assert weights.lfs.size == weights.size
    assert info.security_repo_status == {"scansDone": True, "filesWithIssues": []}


def test_dataset_and_space_info(sampled: FakeHub) -> None:
    api = HfApi(endpoint=sampled.endpoint)
    dataset = api.dataset_info(REVIEWS)
    assert {"language:ko", "license:cc-by-sa-4.0", "format:parquet", "modality:text"} <= set(
        dataset.tags or ()
    )
    assert dataset.card_data is not None
    assert [one["config_name"] for one in dataset.card_data.to_dict()["configs"]] == ["ko", "en"]
    space = api.space_info("sample-lab/review-demo")
    assert (space.sdk, space.models, space.datasets) == ("static", [SENTIMENT], [REVIEWS])


def test_info_at_a_revision_and_with_expand(sampled: FakeHub) -> None:
    api = HfApi(endpoint=sampled.endpoint)
    repo = sampled.repo("model", SENTIMENT)
    assert api.model_info(SENTIMENT, revision="v1.0").sha == repo.tags["v1.0"]
    assert api.model_info(SENTIMENT, revision=repo.tags["v1.0"][:8]).sha == repo.tags["v1.0"]
    few = api.model_info(SENTIMENT, expand=["sha", "lastModified", "downloads"])
    assert (few.sha, few.downloads, few.tags) == (repo.sha, 9315, None)
    assert few.last_modified == repo.head.date


def test_refs_and_commits(sampled: FakeHub) -> None:
    api = HfApi(endpoint=sampled.endpoint)
    repo = sampled.repo("model", SENTIMENT)
    refs = api.list_repo_refs(SENTIMENT)
    assert {ref.name: ref.target_commit for ref in refs.branches} == repo.branches
    assert [(ref.ref, ref.target_commit) for ref in refs.tags] == [
        ("refs/tags/v1.0", repo.tags["v1.0"])
    ]
    converts = api.list_repo_refs("sample-lab/korean-qa", repo_type="dataset").converts
    assert [ref.ref for ref in converts] == ["refs/convert/parquet"]
    titles = [commit.title for commit in api.list_repo_commits(SENTIMENT, revision="experiment")]
    assert titles == ["Try another learning rate", "Write the card", "Upload"]


def test_a_tree_comes_by_pages_with_the_digests_of_git_and_lfs(hub: FakeHub, api: HfApi) -> None:
    files = {f"data/{n:03}/행 {n}.txt": f"row {n}\n" for n in range(40)}
    repo = hub.add_repo("dataset", "acme/rows", {**files, "model.bin": b"\0" * 3000})
    hub.options.page_size = 7
    listed = list(api.list_repo_tree("acme/rows", repo_type="dataset", recursive=True))
    found = {entry.path: entry for entry in listed if isinstance(entry, RepoFile)}
    assert set(found) == set(repo.head.files)
    assert len(listed) == 41 + 41
    assert hub.counts["tree"] == 12
    text = found["data/003/행 3.txt"]
    assert text.blob_id == hashlib.sha1(b"blob 6\0row 3\n").hexdigest()
    assert found["model.bin"].lfs is not None
    assert found["model.bin"].lfs.sha256 == hashlib.sha256(b"\0" * 3000).hexdigest()


def test_a_tree_below_a_folder_and_paths_info(hub: FakeHub, api: HfApi) -> None:
    repo = hub.add_repo("model", "acme/deep", {"a/b/c.txt": "1", "a/d e.txt": "2", "z.txt": "3"})
    repo.commit({"z.txt": "4"}, title="Change z")
    assert [entry.path for entry in api.list_repo_tree("acme/deep")] == ["a", "z.txt"]
    assert [entry.path for entry in api.list_repo_tree("acme/deep", "a")] == ["a/b", "a/d e.txt"]
    with pytest.raises(RemoteEntryNotFoundError):
        list(api.list_repo_tree("acme/deep", "additional_chat_templates"))
    paths = ["a/d e.txt", "a", "missing", "z.txt"]
    infos = api.get_paths_info("acme/deep", paths, expand=True)
    assert [(info.path, info.last_commit and info.last_commit.title) for info in infos] == [
        ("a/d e.txt", "Initial commit"),
        ("a", "Initial commit"),
        ("z.txt", "Change z"),
    ]


def test_lists_are_filtered_sorted_and_paged(sampled: FakeHub) -> None:
    api = HfApi(endpoint=sampled.endpoint)
    models = [model.id for model in api.list_models(sort="downloads")]
    assert models[0] == "sample-lab/tiny-gpt2"
    assert len(models) == 5
    found = api.list_models(filter=["ko", "license:cc-by-sa-4.0"], full=True)
    assert [(model.id, model.sha) for model in found] == [
        (SENTIMENT, sampled.repo("model", SENTIMENT).sha)
    ]
    assert [m.id for m in api.list_models(pipeline_tag="fill-mask")] == [
        "sample-lab/tiny-bert-korean"
    ]
    assert {m.id for m in api.list_models(search="BERT", author="sample-lab")} == {
        SENTIMENT,
        "sample-lab/tiny-bert-korean",
    }
    assert list(api.list_models(author="nobody")) == []
    assert [d.id for d in api.list_datasets(filter="task_categories:question-answering")] == [
        "sample-lab/korean-qa"
    ]
    assert [s.id for s in api.list_spaces()] == ["sample-lab/review-demo"]
    with pytest.raises(HfHubHTTPError, match="not known to this hub: num_parameters"):
        list(api.list_models(num_parameters="min:1B"))


def test_a_long_list_comes_by_pages_newest_first(hub: FakeHub, api: HfApi) -> None:
    for number in range(25):
        hub.add_repo("model", f"acme/m{number}", {"config.json": "{}"})
    hub.repo("model", "acme/m3").commit({"config.json": "{ }"})
    hub.options.page_size = 10
    found = list(
        api.list_models(author="acme", sort="last_modified", expand=["sha", "lastModified"])
    )
    assert [model.id for model in found][:2] == ["acme/m3", "acme/m24"]
    assert len({model.id for model in found}) == 25
    assert hub.counts["list"] == 3
    assert found[0].sha == hub.repo("model", "acme/m3").sha


# --- who may see what -------------------------------------------------------------------


def test_missing_private_gone_disabled_and_gated_answer_as_on_the_hub(
    hub: FakeHub, api: HfApi
) -> None:
    hub.options.missing_status = 404  # over http the client does not understand a bare 401
    hub.add_token("hf_some", ["acme/secret", "acme/gated"])
    hub.add_token("hf_none", [])
    kinds: dict[str, dict[str, Any]] = {
        "secret": {"private": True},
        "gone": {"gone": True},
        "off": {"disabled": True},
        "gated": {"gated": "manual"},
        "open": {},
    }
    for name, facts in kinds.items():
        hub.add_repo("model", f"acme/{name}", {"config.json": "{}"}, **facts)

    for name in ("missing", "secret", "gone", "off"):
        with pytest.raises(RepositoryNotFoundError):
            api.model_info(f"acme/{name}")
    with pytest.raises(DisabledRepoError):
        api.model_info("acme/off", token="hf_none")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        api.model_info("acme/open", token="hf_wrong")
    assert api.model_info("acme/secret", token="hf_some").private is True
    assert api.model_info("acme/gated").gated == "manual"
    for token in (False, "hf_none"):
        with pytest.raises(GatedRepoError):
            api.get_hf_file_metadata(
                url=f"{hub.endpoint}/acme/gated/resolve/main/config.json", token=token
            )
    assert {model.id for model in api.list_models()} == {"acme/gated", "acme/open"}
    assert len(hub.asked(token=None)) < len(hub.requests)


def test_without_a_token_the_hub_says_401(hub: FakeHub) -> None:
    status, headers, _ = get(f"{hub.endpoint}/api/models/acme/missing")
    assert (status, headers["x-error-code"]) == (401, "RepoNotFound")
    assert get(f"{hub.endpoint}/api/whoami-v2")[0] == 401
    hub.add_token("hf_x")
    assert get(f"{hub.endpoint}/api/whoami-v2", authorization="Bearer hf_x")[0] == 200


def test_missing_revisions_and_files(hub: FakeHub, api: HfApi, tmp_path: Path) -> None:
    repo = hub.add_repo("model", "acme/tiny", {"config.json": "{}"})
    with pytest.raises(RevisionNotFoundError):
        api.model_info("acme/tiny", revision="v9")
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download("acme/tiny", "no.json", endpoint=hub.endpoint, cache_dir=tmp_path)
    remembered = tmp_path / "models--acme--tiny" / ".no_exist" / repo.sha / "no.json"
    assert remembered.exists()


def test_old_and_legacy_names_redirect(hub: FakeHub, api: HfApi, tmp_path: Path) -> None:
    hub.add_repo("model", "acme/old", {"config.json": "{}"})
    hub.rename("model", "acme/old", "acme/new")
    hub.alias("model", "legacy", "acme/new")
    for name in ("acme/old", "legacy", "ACME/New"):
        assert api.model_info(name, revision="main").id == "acme/new"
        assert api.get_paths_info(name, ["config.json"])[0].path == "config.json"
    path = hf_hub_download("legacy", "config.json", endpoint=hub.endpoint, cache_dir=tmp_path)
    assert Path(path).read_text() == "{}"
    assert 307 in {request.status for request in hub.asked("resolve")}


# --- content ------------------------------------------------------------------------------


def test_samples_are_the_same_in_every_run(samples: Path, tmp_path: Path) -> None:
    assert build_samples(tmp_path) == list(SAMPLES)
    first, second = sample_hub(samples), sample_hub(tmp_path)
    assert {key: repo.branches for key, repo in first.repos.items()} == {
        key: repo.branches for key, repo in second.repos.items()
    }


def test_paths_that_no_repo_should_have_are_served_as_they_are(hub: FakeHub) -> None:
    hub.add_repo("model", "acme/evil", {"../../outside.txt": "x", "a\\b": "y"})
    tree = json.loads(get(f"{hub.endpoint}/api/models/acme/evil/tree/main?recursive=true")[2])
    paths = [entry["path"] for entry in tree if entry["type"] == "file"]
    assert paths == ["../../outside.txt", "a\\b"]


@needs_corpus
def test_real_repos_are_served_from_disk(hub: FakeHub, api: HfApi) -> None:
    for repo in hub_repos():
        hub.add_folder(repo.repo_type, repo.repo_id, repo.folder)
    klue = api.dataset_info("klue/klue", files_metadata=True)
    assert klue.card_data is not None
    assert "language:ko" in (klue.tags or ())
    for repo in hub_repos():
        tree = api.list_repo_tree(repo.repo_id, repo_type=repo.repo_type, recursive=True)
        paths = {entry.path for entry in tree if isinstance(entry, RepoFile)}
        assert paths == {
            p.relative_to(repo.folder).as_posix() for p in repo.folder.rglob("*") if p.is_file()
        }
