"""Info, trees, refs and commits, read by the real client."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile, RepoFolder

from mirror.serve.options import ServeOptions
from tests.serve.conftest import QA, SENTIMENT, serving

NAMES = "acme/names"
JSON = {"content-type": "application/json"}


@pytest.fixture
def api(served: str) -> HfApi:
    return HfApi(endpoint=served)


def test_info_tells_what_upstream_told(api: HfApi) -> None:
    model = api.model_info("klue/roberta-small")
    assert ("klue/roberta-small", 9000, 30) == (model.id, model.downloads, model.likes)
    assert ("fill-mask", "transformers") == (model.pipeline_tag, model.library_name)
    assert {"ko", "license:mit"} <= set(model.tags or ())
    dataset = api.dataset_info("klue/klue")
    assert dataset.card_data is not None
    assert "KLUE" == dataset.card_data.pretty_name
    assert "sample-lab/review-demo" == api.space_info("sample-lab/review-demo").id


def test_info_lists_the_files_that_are_here(api: HfApi) -> None:
    model = api.model_info("klue/roberta-small")
    names = [file.rfilename for file in model.siblings or ()]
    assert ["README.md", "config.json", "model.safetensors"] == names


def test_info_with_sizes_and_hashes(api: HfApi) -> None:
    model = api.model_info("klue/roberta-small", files_metadata=True)
    files = {file.rfilename: file for file in model.siblings or ()}
    weights = files["model.safetensors"]
    assert weights.lfs is not None
    assert (102400, 102400, 131) == (weights.size, weights.lfs.size, weights.lfs.pointer_size)
    assert (25, None) == (files["config.json"].size, files["config.json"].lfs)


def test_info_of_every_kind_of_revision(api: HfApi) -> None:
    head = api.dataset_info("klue/klue").sha
    assert head is not None
    for revision in ("main", "HEAD", head, head[:8], "refs/heads/main"):
        assert head == api.dataset_info("klue/klue", revision=revision).sha
    assert head != api.dataset_info("klue/klue", revision="v1.0").sha
    converted = api.dataset_info(QA, revision="refs/convert/parquet")
    assert all(str(f.rfilename).endswith(".parquet") for f in converted.siblings or ())


def test_info_with_expand_gives_no_more_than_was_asked(served: str, api: HfApi) -> None:
    model = api.model_info("klue/roberta-small", expand=["sha", "downloads"])
    raw = httpx.get(f"{served}/api/models/klue/roberta-small?expand=sha&expand=likes").json()
    assert (9000, None) == (model.downloads, model.tags)
    assert {"_id", "id", "sha", "likes"} == raw.keys()
    with pytest.raises(HfHubHTTPError, match="expand does not know"):
        api.model_info("klue/klue", expand=["nonsense"])  # type: ignore[list-item]


def test_what_was_not_scanned_is_not_called_safe(served: str, api: HfApi) -> None:
    model = api.model_info("klue/roberta-small", securityStatus=True)
    assert {"scansDone": False, "filesWithIssues": []} == model.security_repo_status
    files = api.list_repo_tree("klue/roberta-small", expand=True)
    assert not any(f.security and f.security["safe"] for f in files if isinstance(f, RepoFile))


def test_no_field_of_another_protocol_leaks(served: str) -> None:
    for path in ("klue/roberta-small?blobs=true", "klue/roberta-small/tree/main?expand=true"):
        assert "xet" not in httpx.get(f"{served}/api/models/{path}").text.lower()


def test_missing_things_are_the_exceptions_that_programs_catch(api: HfApi) -> None:
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("acme/none")
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info("klue/roberta-small")
    with pytest.raises(RevisionNotFoundError):
        api.model_info("klue/klue", revision="v9")
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree("klue/klue", "additional_chat_templates"))


def test_an_old_id_is_answered_with_the_new_one(api: HfApi) -> None:
    assert "openai-community/gpt2" == api.model_info("gpt2").id
    assert "openai-community/gpt2" == api.model_info("gpt2", revision="main").id
    assert ["config.json"] == [f.path for f in api.list_repo_tree("gpt2")]
    assert ["config.json"] == [f.path for f in api.get_paths_info("gpt2", ["config.json"])]


def test_a_tree_by_levels_and_whole(api: HfApi) -> None:
    top = list(api.list_repo_tree("klue/klue", repo_type="dataset"))
    below = list(api.list_repo_tree("klue/klue", "sts", repo_type="dataset"))
    whole = list(api.list_repo_tree("klue/klue", repo_type="dataset", recursive=True))
    assert ["README.md", "sts", "ynat"] == [entry.path for entry in top]
    assert [RepoFile, RepoFolder, RepoFolder] == [type(entry) for entry in top]
    assert ["sts/train.csv", "sts/validation.csv"] == [entry.path for entry in below]
    assert 6 == len(whole)


def test_a_tree_of_names_that_need_quoting(api: HfApi) -> None:
    found = list(api.list_repo_tree(NAMES, "많은 파일", repo_type="dataset"))
    odd = list(api.list_repo_tree(NAMES, "sub", repo_type="dataset"))
    assert 30 == len(found)
    assert ["sub/a b+c%20&d.txt"] == [entry.path for entry in odd]


def test_pages_lead_on_by_absolute_links(served: str, lab_root: Path) -> None:
    path = "/api/datasets/acme/names/tree/main/%EB%A7%8E%EC%9D%80%20%ED%8C%8C%EC%9D%BC?limit=7"
    found, url, pages = [], served + path, 0
    while url:
        assert url.startswith(served)
        answer = httpx.get(url)
        found += [entry["path"] for entry in answer.json()]
        url, pages = answer.links.get("next", {}).get("url", ""), pages + 1
    assert (5, 30, 30) == (pages, len(found), len(set(found)))
    with serving(lab_root, ServeOptions(public_url="https://hub.lab")) as endpoint:
        answer = httpx.get(endpoint + path)
    assert answer.links["next"]["url"].startswith("https://hub.lab/api/datasets/acme/names/tree/")


def test_an_expanded_tree_has_commits(api: HfApi) -> None:
    entries = list(api.list_repo_tree(NAMES, repo_type="dataset", recursive=True, expand=True))
    sha = api.dataset_info(NAMES).sha
    assert 34 == len(entries)
    assert {sha} == {e.last_commit.oid for e in entries if e.last_commit is not None}


def test_paths_info_leaves_out_what_is_not_there(api: HfApi) -> None:
    asked = ["config.json", "pytorch_model.bin", "none", "../../format", "model.safetensors"]
    found = api.get_paths_info("klue/roberta-small", asked, expand=True)
    folder = api.get_paths_info("klue/klue", "sts", repo_type="dataset")
    assert ["config.json", "model.safetensors"] == [entry.path for entry in found]
    assert ["sts"] == [entry.path for entry in folder]
    assert isinstance(folder[0], RepoFolder)


def test_paths_info_is_asked_for_in_json_by_javascript(served: str) -> None:
    url = f"{served}/api/models/klue/roberta-small/paths-info/main"
    asked = ["config.json", "none", "../../format", "\ud800", "model.safetensors"]
    plain = httpx.post(url, content=json.dumps({"paths": asked}), headers=JSON).json()
    body = json.dumps({"paths": asked, "expand": True})
    expanded = httpx.post(url, content=body, headers=JSON).json()
    assert ["config.json", "model.safetensors"] == [entry["path"] for entry in plain]
    assert plain == [{name: e[name] for name in plain[n]} for n, e in enumerate(expanded)]
    assert all("lastCommit" in entry for entry in expanded)


@pytest.mark.parametrize(
    "body", ["", "[", "[1]", "7", '{"paths": 7}', '{"paths": [7]}', "[" * 9999]
)
def test_paths_info_in_json_that_makes_no_sense_is_refused(served: str, body: str) -> None:
    url = f"{served}/api/models/klue/roberta-small/paths-info/main"
    answer = httpx.post(url, content=body, headers=JSON)
    assert 400 == answer.status_code


def test_refs_are_those_that_are_mirrored(api: HfApi) -> None:
    klue = api.list_repo_refs("klue/klue", repo_type="dataset")
    sentiment = api.list_repo_refs(SENTIMENT)
    questions = api.list_repo_refs(QA, repo_type="dataset", include_pull_requests=True)
    assert (["main"], ["v1.0"]) == ([r.name for r in klue.branches], [r.name for r in klue.tags])
    assert ["main", "experiment"] == [ref.name for ref in sentiment.branches]
    assert ["refs/convert/parquet"] == [ref.ref for ref in questions.converts]
    assert [] == questions.pull_requests


def test_commits_are_those_that_are_mirrored(api: HfApi) -> None:
    found = api.list_repo_commits("klue/klue", repo_type="dataset")
    tagged = api.list_repo_commits("klue/klue", repo_type="dataset", revision="v1.0")
    assert [api.dataset_info("klue/klue").sha] == [commit.commit_id for commit in found]
    assert [api.dataset_info("klue/klue", revision="v1.0").sha] == [c.commit_id for c in tagged]


def test_the_endpoint_is_for_reading(served: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = httpx.request(method, f"{served}/api/models/klue/klue")
        assert 405 == answer.status_code
