"""The lists, asked by the real clients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from mirror.catalog import reindex
from mirror.catalog.query.query import OneOf
from mirror.names import RepoType
from mirror.serve.access import Reader
from mirror.serve.app import create_app
from mirror.serve.errors import HubError
from mirror.serve.guard import READER
from mirror.serve.list_query import read_list
from mirror.store import Manifest, Store
from tests.corpus import FOLDER, needs_corpus
from tests.serve.conftest import QA, serving

ROBERTA = "klue/roberta-small"


@pytest.fixture(scope="session")
def api(served: str) -> HfApi:
    return HfApi(endpoint=served)


def models(api: HfApi, **asked: Any) -> list[str]:
    return [model.id for model in api.list_models(**asked)]


def test_without_a_question_everything_mirrored_of_a_type_is_listed(
    api: HfApi, lab_root: Path
) -> None:
    mirrored = {str(key) for key in Store.open(lab_root).repos()}
    listed = {f"models/{model.id}" for model in api.list_models()}
    listed |= {f"datasets/{dataset.id}" for dataset in api.list_datasets()}
    listed |= {f"spaces/{space.id}" for space in api.list_spaces()}
    assert mirrored == listed


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"filter": ["ko", "license:mit"], "author": "klue"}, [ROBERTA]),
        ({"filter": ["ko", "license:gpl-3.0"]}, []),
        ({"filter": "license:mi"}, []),
        ({"filter": "licence"}, []),
        ({"author": "KLUE", "sort": "downloads"}, [ROBERTA, "klue/klue"]),
        ({"search": "ROBERTA small"}, [ROBERTA]),
        ({"search": "erta-sm"}, [ROBERTA]),
        ({"search": "%"}, []),
        ({"pipeline_tag": "fill-mask", "author": "klue"}, [ROBERTA]),
        ({"pipeline_tag": "fill-maks"}, []),
        ({"gated": True, "author": "klue"}, []),
        ({"gated": False, "search": "roberta-small"}, [ROBERTA]),
        ({"num_parameters": "min:900T"}, []),
    ],
)
def test_models_are_filtered_as_on_the_hub(
    api: HfApi, asked: dict[str, Any], expected: list[str]
) -> None:
    assert expected == models(api, **asked)


def test_parameters_are_a_range_with_both_bounds_inside(api: HfApi) -> None:
    weighed = {
        model.id: model.safetensors.total
        for model in api.list_models(expand=["safetensors"])
        if model.safetensors is not None
    }
    least, most = min(weighed.values()), max(weighed.values())
    expected = {name for name, total in weighed.items() if total == least}
    assert expected == set(models(api, num_parameters=f"max:{least}"))
    assert set(weighed) == set(models(api, num_parameters=f"min:{least},max:{most}"))


def test_orders_are_the_hubs_and_the_most_comes_first(api: HfApi) -> None:
    for sort, name in (("downloads", "downloads"), ("likes", "likes")):
        counts = [getattr(model, name) for model in api.list_models(sort=sort)]
        assert sorted(counts, reverse=True) == counts
    found = list(api.list_datasets(sort="last_modified"))
    times = [dataset.last_modified for dataset in found]
    assert sorted(times, reverse=True) == times
    (most,) = api.list_models(sort="downloads", limit=1)
    assert max(model.downloads for model in api.list_models()) == most.downloads


def test_pages_are_followed_by_an_absolute_link(served: str, api: HfApi) -> None:
    everything = models(api)
    url: str | None = f"{served}/api/models?limit=2&sort=likes&filter=region%3Aus"
    seen: list[str] = []
    while url is not None:
        answer = httpx.get(url)
        page = answer.json()
        assert 0 < len(page) <= 2
        seen += [item["id"] for item in page]
        url = answer.links.get("next", {}).get("url")
        assert url is None or url.startswith(f"{served}/api/models?")
    assert len(seen) == len(set(seen))
    assert set(everything) == set(seen)


def test_full_config_card_and_expand_tell_what_they_say(api: HfApi, served: str) -> None:
    (plain,) = api.list_models(search=ROBERTA)
    assert (None, None, 9000) == (plain.sha, plain.siblings, plain.downloads)
    (full,) = api.list_models(search=ROBERTA, full=True, fetch_config=True, cardData=True)
    paths = {sibling.rfilename for sibling in full.siblings}
    assert {"README.md", "config.json", "model.safetensors"} == paths
    assert ("mit", "roberta") == (full.card_data.license, full.config["model_type"])
    assert 40 == len(full.sha)
    (answer,) = httpx.get(f"{served}/api/models?search={ROBERTA}&expand=likes&expand=sha").json()
    assert {"_id", "id", "likes", "sha"} == set(answer)
    (dataset,) = api.list_datasets(search="klue/klue", full=True)
    assert ("KLUE", 420) == (dataset.card_data.pretty_name, dataset.downloads)


def test_tags_are_told_by_type(api: HfApi) -> None:
    found = api.get_model_tags()
    assert "license:mit" in {tag["id"] for tag in found["license"]}
    assert {"id": "ko", "label": "ko", "type": "language"} in found["language"]
    assert {"fill-mask"} <= {tag["id"] for tag in found["pipeline_tag"]}
    datasets = api.get_dataset_tags()
    assert {"label": "ko", "id": "language:ko", "type": "language"} in datasets["language"]


@pytest.mark.parametrize(
    "query",
    [
        "sort=stars",
        "limit=-1",
        "limit=x",
        "cursor=9e9",
        "num_parameters=1B",
        "num_parameters=min:1B..",
        "apps=llama.cpp",
        "inference=warm",
        "expand=sha&full=true",
        "&".join(["filter=a"] * 101),
        f"search={'a' * 300}",
    ],
)
def test_what_makes_no_sense_is_a_400_that_says_why(served: str, query: str) -> None:
    answer = httpx.get(f"{served}/api/models?{query}")
    assert 400 == answer.status_code
    assert answer.headers["x-error-message"]


@pytest.mark.parametrize("query", ["filter=%00", "author=../..", "search=%FF", "filter=", "x=1"])
def test_odd_values_find_what_they_name_and_nothing_else(served: str, query: str) -> None:
    answer = httpx.get(f"{served}/api/models?{query}")
    assert 200 == answer.status_code
    assert isinstance(answer.json(), list)


def test_a_page_has_a_bound_whatever_the_limit() -> None:
    assert 1_000 == read_list(RepoType.MODEL, {"limit": ["999999"]}).query.limit
    assert 200 == read_list(RepoType.MODEL, {"limit": ["900"], "full": ["true"]}).query.limit
    assert 1 == read_list(RepoType.MODEL, {"limit": ["0"]}).query.limit
    with pytest.raises(HubError, match="limit is not a number"):
        read_list(RepoType.MODEL, {"limit": ["9" * 30]})


def test_a_repo_whose_record_is_gone_is_still_listed(own_root: Path) -> None:
    for path in own_root.glob("repos/models/klue/roberta-small/commits/*.json"):
        path.unlink()
    with serving(own_root) as endpoint:
        answer = httpx.get(f"{endpoint}/api/models?search={ROBERTA}&full=true")
    assert [ROBERTA] == [item["id"] for item in answer.json()]


def test_without_a_catalog_a_list_says_what_to_run(own_root: Path) -> None:
    (own_root / "catalog.db").unlink()
    with serving(own_root) as endpoint:
        answer = httpx.get(f"{endpoint}/api/models")
    assert (503, True) == (answer.status_code, "mirror reindex" in answer.text)


@needs_corpus
def test_lists_that_real_clients_asked_for_are_answered(served: str) -> None:
    asked = {
        json.loads(line)["path"]
        for log in (FOLDER / "client_requests").glob("*.jsonl")
        for line in log.read_text().splitlines()
    }
    lists = [path for path in asked if path.partition("?")[0] in {"/api/models", "/api/datasets"}]
    assert lists
    for path in lists:
        answer = httpx.get(served + path)
        assert 200 == answer.status_code, path
        assert all("id" in item for item in answer.json())


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "filter",
                "author",
                "search",
                "sort",
                "direction",
                "limit",
                "cursor",
                "full",
                "config",
                "expand",
                "gated",
                "x",
                "num_parameters",
                "pipeline_tag",
                "datasets",
            ]
        ),
        st.lists(st.text(max_size=40), max_size=3),
        max_size=6,
    )
)
def test_any_parameters_are_a_page_or_a_refusal(fields: dict[str, list[str]]) -> None:
    asked = {name: values for name, values in fields.items() if values}
    for kind in RepoType:
        try:
            request = read_list(kind, asked)
        except HubError as error:
            assert (400, True) == (error.status, error.message.isascii())
        else:
            assert 1 <= request.query.limit <= 1_000
            assert request.query.filters[0] == OneOf("type", (kind.value,))


def test_a_list_shows_only_what_the_asker_may_read(lab_root: Path) -> None:
    app = create_app(lab_root)

    async def limited(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, READER: Reader("class", repos=("klue/*",))}, receive, send)

    with TestClient(limited) as client:
        listed = [item["id"] for item in client.get("/api/models?sort=downloads").json()]
        tags = client.get("/api/models-tags-by-type").json()
        hidden = client.get(f"/datasets-server/splits?dataset={QA}")
        shown = client.get("/datasets-server/splits?dataset=klue/klue")
    assert [ROBERTA, "klue/klue"] == listed
    assert ["license:mit"] == [tag["id"] for tag in tags["license"]]
    assert (404, 200) == (hidden.status_code, shown.status_code)


def test_a_sync_is_seen_by_the_next_list(own_root: Path) -> None:
    with serving(own_root) as endpoint:
        before = httpx.get(f"{endpoint}/api/models?author=new").json()
        store = Store.open(own_root)
        commit = "5" * 40
        with store.write_lock("a test"):
            store.publish(
                Manifest(repo_type=RepoType.MODEL, repo_id="new/one", commit=commit,
                         created="2026-01-01T00:00:00Z", files=(), upstream={"xetEnabled": True}),
                refs=["main"],
            )  # fmt: skip
        reindex(store, store.layout.catalog)
        after = httpx.get(f"{endpoint}/api/models?author=new&full=true").json()
    assert [] == before
    assert [("new/one", commit, [])] == [
        (item["id"], item["sha"], item["siblings"]) for item in after
    ]
