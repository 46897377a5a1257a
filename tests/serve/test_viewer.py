"""The viewer, with the real ``datasets`` library, and as anybody asks it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from mirror.serve.app import create_app
from mirror.serve.viewer import routes as viewer_module
from mirror.serve.viewer.answers import ANSWERS
from mirror.serve.viewer.features import Cells
from tests.samples.data import QA_SPLITS, REVIEW_SPLITS, qa_rows
from tests.serve.conftest import QA, serving

REVIEWS = "sample-lab/korean-english-reviews"
KLUE = "klue/klue"


def ask(endpoint: str, name: str, **fields: Any) -> httpx.Response:
    return httpx.get(f"{endpoint}/datasets-server/{name}", params=fields)


def test_splits_are_those_of_the_card(served: str) -> None:
    answer = ask(served, "splits", dataset=KLUE).json()
    found = [(one["config"], one["split"]) for one in answer["splits"]]
    assert [("sts", "train"), ("sts", "validation"), ("ynat", "train")] == found
    assert ([], []) == (answer["pending"], answer["failed"])
    one = ask(served, "splits", dataset=KLUE, config="ynat").json()
    assert [{"dataset": KLUE, "config": "ynat", "split": "train"}] == one["splits"]


def test_everything_that_has_an_answer_is_routed_and_nothing_else() -> None:
    assert viewer_module.ANSWERED == set(ANSWERS)


def test_what_can_be_looked_at_is_valid(served: str) -> None:
    assert ask(served, "is-valid", dataset=KLUE).json()["viewer"] is True
    odd = ask(served, "is-valid", dataset="acme/names").json()
    assert (False, False) == (odd["viewer"], odd["statistics"])


@pytest.mark.parametrize(
    ("offset", "length", "expected"), [(0, 3, [0, 1, 2]), (118, 100, [118, 119]), (500, 5, [])]
)
def test_rows_of_json_lines_are_the_rows(
    served: str, offset: int, length: int, expected: list[int]
) -> None:
    asked = {"dataset": QA, "config": "default", "split": "train"}
    answer = ask(served, "rows", **asked, offset=offset, length=length).json()
    assert expected == [row["row_idx"] for row in answer["rows"]]
    written = qa_rows("train")
    assert [written[index] for index in expected] == [row["row"] for row in answer["rows"]]
    assert (QA_SPLITS["train"], 100) == (answer["num_rows_total"], answer["num_rows_per_page"])
    if expected:
        assert "answers" in [column["name"] for column in answer["features"]]


def test_rows_of_parquet_are_cut_into_pages(served: str) -> None:
    asked = {"dataset": REVIEWS, "config": "ko", "split": "train"}
    answers = [ask(served, "rows", **asked, offset=at).json() for at in (0, 100, 200, 300)]
    assert [100, 100, 100, 0] == [len(answer["rows"]) for answer in answers]
    rows = [row["row_idx"] for answer in answers for row in answer["rows"]]
    assert list(range(REVIEW_SPLITS["train"])) == rows
    first = ask(served, "first-rows", **asked).json()
    assert (answers[0]["rows"], True) == (first["rows"], first["truncated"])


def test_rows_of_csv_have_the_types_that_their_text_has(served: str) -> None:
    answer = ask(served, "first-rows", dataset=KLUE, config="sts", split="train").json()
    assert {"sentence": "문장 0", "score": 0.5} == answer["rows"][0]["row"]
    kinds = {column["name"]: column["type"]["dtype"] for column in answer["features"]}
    assert ("string", "float64") == (kinds["sentence"], kinds["score"])
    assert not answer["truncated"]


def test_a_search_finds_rows_with_all_words(served: str) -> None:
    asked = {"dataset": QA, "config": "default", "split": "validation"}
    wanted = qa_rows("validation")[7]
    answer = ask(served, "search", **asked, query=wanted["id"]).json()
    assert (1, False) == (answer["num_rows_total"], answer["partial"])
    assert [(7, wanted)] == [(row["row_idx"], row["row"]) for row in answer["rows"]]
    assert 0 == ask(served, "search", **asked, query="nowhere-at-all").json()["num_rows_total"]


def test_a_filter_finds_rows_of_which_the_condition_is_true(served: str) -> None:
    asked = {"dataset": KLUE, "config": "sts", "split": "train"}
    where = """"score" > 0.5 AND NOT "sentence" IN ('문장 2', 'x')"""
    answer = ask(served, "filter", **asked, where=where).json()
    assert [1, 3] == [row["row_idx"] for row in answer["rows"]]
    paged = ask(served, "filter", **asked, where=where, offset=1, length=1).json()
    assert (2, answer["rows"][1:]) == (paged["num_rows_total"], paged["rows"])


def test_info_and_size_tell_rows_only_where_they_are_known(served: str) -> None:
    answer = ask(served, "info", dataset=REVIEWS)
    assert 40 == len(answer.headers["x-revision"])
    infos = answer.json()["dataset_info"]
    assert {"ko", "en"} == set(infos)
    counted = {name: one["num_examples"] for name, one in infos["ko"]["splits"].items()}
    assert REVIEW_SPLITS == counted
    assert "parquet" == infos["ko"]["builder_name"]
    one = ask(served, "info", dataset=KLUE, config="sts").json()["dataset_info"]
    assert ("csv", "sts", False) == (one["builder_name"], one["config_name"], "splits" in one)
    size = ask(served, "size", dataset=REVIEWS, config="ko").json()["size"]
    assert sum(REVIEW_SPLITS.values()) == size["config"]["num_rows"]
    assert ask(served, "size", dataset=KLUE).json()["size"]["dataset"]["num_rows"] is None


@pytest.mark.parametrize("dataset", [REVIEWS, QA])
def test_parquet_files_can_be_fetched_from_where_they_are_said_to_be(
    served: str, dataset: str
) -> None:
    answer = ask(served, "parquet", dataset=dataset).json()
    assert (False, []) == (answer["partial"], answer["failed"])
    assert answer["parquet_files"]
    for file in answer["parquet_files"]:
        assert file["url"].startswith(f"{served}/datasets/{dataset}/resolve/")
        body = httpx.get(file["url"])
        assert (200, file["size"], b"PAR1") == (
            body.status_code,
            len(body.content),
            body.read()[:4],
        )
    no = ask(served, "parquet", dataset=KLUE).json()
    assert [] == no["parquet_files"]
    assert 3 == len(no["failed"])


def test_the_virtual_host_answers_the_same_and_names_the_hub(served: str) -> None:
    host = {"host": "datasets-server.hub.lab:8000"}
    answer = httpx.get(f"{served}/parquet", params={"dataset": QA}, headers=host)
    assert answer.json()["parquet_files"][0]["url"].startswith("http://hub.lab:8000/datasets/")
    assert 404 == httpx.get(f"{served}/parquet", params={"dataset": QA}).status_code
    twice = httpx.get(f"{served}//splits", params={"dataset": QA}, headers=host)
    assert 200 == twice.status_code


LOAD = """
import datasets, json, sys
from datasets.utils import _dataset_viewer as viewer
from huggingface_hub import HfApi
name = sys.argv[1]
sha = HfApi().dataset_info(name).sha
infos = viewer.get_exported_dataset_infos(name, sha, None)
builder = datasets.load_dataset_builder(name, "ko")
loaded = datasets.load_dataset(name, "ko")
print(json.dumps({
    "exported": sorted(infos), "rows": {split: len(rows) for split, rows in loaded.items()},
    "told": {split: one.num_examples for split, one in builder.info.splits.items()},
    "features": loaded["train"].features == builder.info.features,
}))
"""


def test_the_datasets_library_takes_what_info_says(served: str, tmp_path: Path) -> None:
    # The library asks datasets-server.<host>: as a proxy, the endpoint is every host.
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment |= {
        "HF_ENDPOINT": "http://hub.lab",
        "HTTP_PROXY": served,
        "http_proxy": served,
        "HF_HOME": str(tmp_path),
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD, REVIEWS],
        env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    expected = {"exported": ["en", "ko"], "rows": REVIEW_SPLITS, "told": REVIEW_SPLITS}
    assert {**expected, "features": True} == found


@pytest.mark.parametrize(
    ("name", "fields", "status", "code"),
    [
        ("info", {}, 422, "MissingRequiredParameterError"),
        ("rows", {"dataset": QA}, 422, "MissingRequiredParameterError"),
        ("info", {"dataset": "acme/not-here"}, 404, "DatasetNotFoundError"),
        ("info", {"dataset": "../../etc"}, 404, "DatasetNotFoundError"),
        ("splits", {"dataset": QA, "config": "no"}, 404, "ConfigNotFoundError"),
        ("rows", {"dataset": QA, "config": "default", "split": "x"}, 404, "SplitNotFoundError"),
        ("rows", {"dataset": QA, "config": "default", "split": "train", "length": 101}, 422,
         "InvalidParameterError"),
        ("first-rows", {"dataset": "acme/names", "config": "default", "split": "train"},
         404, "RowsUnavailable"),
        ("statistics", {"dataset": QA}, 422, "MissingRequiredParameterError"),
        ("croissant", {"dataset": QA}, 501, "NotImplemented"),
        ("filter", {"dataset": QA, "config": "default", "split": "train", "where": "a ="}, 422,
         "InvalidParameterError"),
        ("filter", {"dataset": QA, "config": "default", "split": "train", "where": "a=1",
                    "orderby": "a"}, 422, "InvalidParameterError"),
        ("filter", {"dataset": QA, "config": "default", "split": "train", "orderby": "id; drop"},
         422, "InvalidParameterError"),
        ("filter", {"dataset": QA, "config": "default", "split": "train", "orderby": "answers"},
         422, "InvalidParameterError"),
        ("assets", {"dataset": QA, "config": "default", "split": "train", "cell": "id"}, 422,
         "MissingRequiredParameterError"),
        ("assets", {"dataset": QA, "config": "default", "split": "train", "cell": "id",
                    "revision": "0" * 40}, 404, "AssetNotFoundError"),
    ],
)  # fmt: skip
def test_refusals_have_a_status_a_code_and_a_reason(
    served: str, name: str, fields: dict[str, Any], status: int, code: str
) -> None:
    answer = ask(served, name, **fields)
    assert (status, code) == (answer.status_code, answer.headers["x-error-code"])
    assert answer.json()["error"]


@pytest.mark.parametrize("damage", ["gone", "cut", "noise"])
def test_a_damaged_file_is_refused_without_saying_where_it_lies(
    own_root: Path, damage: str
) -> None:
    for manifest in own_root.glob(f"repos/datasets/{REVIEWS}/commits/*.json"):
        for file in json.loads(manifest.read_text())["files"]:
            if file["path"].startswith("ko/train"):
                blob = own_root / "blobs" / file["sha256"][:2] / file["sha256"]
                body = blob.read_bytes() if blob.exists() else b""
                blob.unlink(missing_ok=True)
                if damage != "gone":
                    blob.write_bytes(body[: len(body) // 2] if damage == "cut" else b"\xff" * 900)
    with serving(own_root) as endpoint:
        asked = {"dataset": REVIEWS, "config": "ko"}
        answer = ask(endpoint, "rows", **asked, split="train")
        other = ask(endpoint, "rows", **asked, split="test")
    assert (500, "StreamingRowsError") == (answer.status_code, answer.headers["x-error-code"])
    assert str(own_root) not in answer.text
    assert 200 == other.status_code


def test_cells_are_json_whatever_is_in_them_and_have_a_bound() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    cells = Cells()
    (row,) = cells.rows(
        [(3, {"a": float("nan"), "b": b"\x00\xff", "c": "x" * 200_000, "d": deep, "e": 2})]
    )
    assert (3, ["c", "d"]) == (row["row_idx"], row["truncated_cells"])
    assert (None, "AP8=", 2) == (row["row"]["a"], row["row"]["b"], row["row"]["e"])
    many = cells.rows((n, {"text": "y" * 100_000}) for n in range(1_000))
    assert len(json.dumps(many)) < 9_000_000
    wide = Cells().rows((n, {"x": {f"{n}-{m}": m for m in range(20_000)}}) for n in range(100))
    assert len(json.dumps(wide)) < 40_000_000
    assert ["x"] == wide[-1]["truncated_cells"]


@given(
    name=st.sampled_from(sorted(ANSWERS)),
    fields=st.dictionaries(
        st.sampled_from(
            [
                "dataset",
                "config",
                "split",
                "offset",
                "length",
                "query",
                "where",
                "orderby",
                "row",
                "cell",
                "revision",
            ]
        ),
        st.one_of(
            st.text(max_size=20),
            st.integers().map(str),
            st.sampled_from([QA, KLUE, "default", "sts", "train", "validation", '"id" DESC']),
        ),
    ),
)
def test_any_question_is_an_answer_or_a_refusal(
    viewer: TestClient, name: str, fields: dict[str, str]
) -> None:
    answer = viewer.get(f"/datasets-server/{name}", params=fields)
    assert answer.status_code in {200, 400, 404, 414, 422}
    assert answer.json()


@pytest.fixture(scope="session")
def viewer(lab_root: Path) -> Iterator[TestClient]:
    with TestClient(create_app(lab_root)) as client:
        yield client
