"""The viewer on real data sets, and on pictures and sounds inside Parquet.

Figures are held against numpy and plain Python, over rows that other readers read.
"""

from __future__ import annotations

import csv
import io
import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2 as httpx
import numpy as np
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.testclient import TestClient

from mirror import Mirror
from mirror.serve.app import create_app
from mirror.serve.viewer import chunks as viewer_chunks
from mirror.serve.viewer import statistics as viewer_statistics
from tests.corpus import hub_repo, needs_corpus
from tests.fakehub import FakeHub, serve
from tests.serve.conftest import serving
from tests.serve.real import (
    ALBUM,
    ALBUM_SIZES,
    CARDED,
    GLYPHS,
    ODD,
    PETS,
    SOUNDS,
    add_corpus,
    add_made,
    empty_table,
    make_mirror,
    odd_rows,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    hub = FakeHub()
    add_made(hub, folder)
    make_mirror(folder / "mirror", hub)
    return folder / "mirror"


@pytest.fixture(scope="module")
def made(root: Path) -> Iterator[str]:
    with serving(root) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("real") / "mirror"
    hub = FakeHub()
    add_corpus(hub)
    make_mirror(folder, hub)
    with serving(folder) as endpoint:
        yield endpoint


def ask(endpoint: str, name: str, dataset: str, **fields: Any) -> httpx.Response:
    asked = {"dataset": dataset, "config": "default", "split": "train", **fields}
    return httpx.get(f"{endpoint}/datasets-server/{name}", params=asked)


def told(endpoint: str, dataset: str, **fields: Any) -> dict[str, Any]:
    """Give the items of ``/statistics`` by column."""
    answer = ask(endpoint, "statistics", dataset, **fields)
    assert 200 == answer.status_code, answer.text
    assert not answer.json()["partial"]
    return {one["column_name"]: one for one in answer.json()["statistics"]}


def check_numbers(item: dict[str, Any], values: list[Any], rows: int) -> None:
    """Compare figures with numpy's; the histogram with its own edges."""
    found = item["column_statistics"]
    array = np.array(values, dtype=float)
    assert (rows - len(values), round((rows - len(values)) / rows, 5)) == (
        found["nan_count"], found["nan_proportion"],
    )  # fmt: skip
    expected = [array.min(), array.max(), array.mean(), np.median(array), array.std(ddof=1)]
    names = ("min", "max", "mean", "median", "std")
    assert [round(one, 5) for one in expected] == pytest.approx([found[name] for name in names])
    edges = found["histogram"]["bin_edges"]
    if item["column_type"] == "float":
        hist, exact = np.histogram(array, bins=10)
        assert exact == pytest.approx(edges, abs=1e-5)
    else:
        hist = np.array(
            [sum(low <= one < high for one in values) for low, high in pairwise(edges[:-1])]
        )
        hist = np.append(hist, len(values) - hist.sum())
    assert hist.tolist() == found["histogram"]["hist"]


def check_labels(item: dict[str, Any], values: list[Any]) -> None:
    counts = Counter(value for value in values if value is not None)
    found = item["column_statistics"]
    assert (dict(counts), len(counts)) == (found["frequencies"], found["n_unique"])
    assert values.count(None) == found["nan_count"]


# --- real data --------------------------------------------------------------------


@needs_corpus
class TestTheCorpus:
    def test_korean_sentences_of_klue(self, real: str) -> None:
        folder = hub_repo("dataset", "klue/klue")
        (path,) = folder.glob("sts/*.parquet")
        rows = pyarrow.parquet.read_table(path).to_pylist()
        found = told(real, "klue/klue", config="sts", split="validation")
        # A struct has no figures.
        assert ["guid", "source", "sentence1", "sentence2"] == list(found)
        assert "string_text" == found["sentence1"]["column_type"]
        check_numbers(found["sentence1"], [len(row["sentence1"]) for row in rows], len(rows))
        assert "string_label" == found["source"]["column_type"]
        check_labels(found["source"], [row["source"] for row in rows])

    def test_lists_of_klue(self, real: str) -> None:
        (path,) = hub_repo("dataset", "klue/klue").glob("ner/*.parquet")
        rows = pyarrow.parquet.read_table(path).to_pylist()
        found = told(real, "klue/klue", config="ner", split="validation")
        assert "list" == found["tokens"]["column_type"]
        check_numbers(found["tokens"], [len(row["tokens"]) for row in rows], len(rows))

    def test_lines_of_gsm8k(self, real: str) -> None:
        path = hub_repo("dataset", "openai/gsm8k") / "main" / "train.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found = told(real, "openai/gsm8k", config="main")
        for name in ("question", "answer"):
            check_numbers(found[name], [len(row[name]) for row in rows], len(rows))

    @pytest.mark.parametrize(
        ("dataset", "name", "labels", "lengths", "numbers"),
        [
            ("PolyAI/banking77", "train.csv", ["category"], ["text"], []),
            ("songys/chatbot", "ChatbotData.csv", [], ["Q", "A"], ["label"]),
        ],
    )
    def test_tables(
        self, real: str, dataset: str, name: str, labels: Any, lengths: Any, numbers: Any
    ) -> None:
        path = hub_repo("dataset", dataset) / name
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
        found = told(real, dataset)
        assert len(labels + lengths + numbers) == len(found)
        for column in labels:
            check_labels(found[column], [row[column] for row in rows])
        for column in lengths:
            check_numbers(found[column], [len(row[column]) for row in rows], len(rows))
        for column in numbers:
            check_numbers(found[column], [float(row[column]) for row in rows], len(rows))

    def test_tables_of_several_columns_in_one_split(self, real: str) -> None:
        answer = ask(real, "rows", "mwaskom/seaborn-data", offset=300, length=1).json()
        names = {column["name"] for column in answer["features"]}
        assert set(answer["rows"][0]["row"]) <= names

    def test_an_order_is_that_of_the_column(self, real: str) -> None:
        (path,) = hub_repo("dataset", "klue/klue").glob("sts/*.parquet")
        values = pyarrow.parquet.read_table(path)["sentence1"].to_pylist()
        place = {"config": "sts", "split": "validation", "offset": 7, "length": 20}
        answer = ask(real, "filter", "klue/klue", **place, orderby='"sentence1" DESC').json()
        expected = sorted(range(len(values)), key=lambda n: values[n], reverse=True)[7:27]
        assert expected == [row["row_idx"] for row in answer["rows"]]
        assert [values[n] for n in expected] == [r["row"]["sentence1"] for r in answer["rows"]]
        assert len(values) == answer["num_rows_total"]

    def test_an_order_of_what_is_filtered(self, real: str) -> None:
        where = """"label" = 1 AND "Q" < '나'"""
        answer = ask(real, "filter", "songys/chatbot", where=where, orderby="A", length=100).json()
        shown = [row["row"]["A"] for row in answer["rows"]]
        assert 100 == len(shown)
        assert sorted(shown) == shown
        assert all(row["row"]["label"] == 1 for row in answer["rows"])

    def test_drawings_are_rows(self, real: str) -> None:
        answer = ask(real, "rows", GLYPHS, offset=2_719).json()
        (row,) = answer["rows"]
        body = httpx.get(row["row"]["image"]["src"])
        assert "image/png" == body.headers["content-type"]
        drawn = Image.open(io.BytesIO(body.content))
        assert drawn.size == (row["row"]["image"]["width"], row["row"]["image"]["height"])
        names = answer["features"][1]["type"]["names"]
        assert f"/{names[row['row']['label']]}/" in row["row"]["image"]["src"]
        found = told(real, GLYPHS)
        assert (105, 105) == (
            found["image"]["column_statistics"]["min"], found["image"]["column_statistics"]["max"],
        )  # fmt: skip
        assert 2_720 == sum(found["label"]["column_statistics"]["frequencies"].values())


# --- pictures and sounds in Parquet ----------------------------------------------


def test_pictures_in_parquet_are_fetched_from_their_source(made: str) -> None:
    answer = ask(made, "rows", ALBUM).json()
    assert "Image" == answer["features"][0]["type"]["_type"]
    cells = [row["row"]["photo"] for row in answer["rows"]]
    assert ALBUM_SIZES == [(cell["width"], cell["height"]) for cell in cells[:-1]]
    assert cells[-1] is None
    for size, cell in zip(ALBUM_SIZES, cells, strict=False):
        body = httpx.get(cell["src"])
        assert (200, "image/png") == (body.status_code, body.headers["content-type"])
        assert "sandbox" in body.headers["content-security-policy"]
        assert "nosniff" == body.headers["x-content-type-options"]
        assert size == Image.open(io.BytesIO(body.content)).size
    inner = answer["rows"][3]["row"]["more"]
    assert ALBUM_SIZES[3] == Image.open(io.BytesIO(httpx.get(inner[1]["src"]).content)).size
    assert 200 == httpx.head(inner[1]["src"]).status_code


def test_found_rows_have_the_source_of_their_own_number(made: str) -> None:
    answer = ask(made, "filter", ALBUM, where='"label" = 1', orderby='"label"', length=3).json()
    for row in answer["rows"]:
        assert f"row={row['row_idx']}&" in row["row"]["photo"]["src"]
        body = httpx.get(row["row"]["photo"]["src"]).content
        assert ALBUM_SIZES[row["row_idx"]] == Image.open(io.BytesIO(body)).size


def test_sounds_in_parquet(made: str) -> None:
    (row, *_) = ask(made, "first-rows", SOUNDS).json()["rows"]
    (cell,) = row["row"]["audio"]
    body = httpx.get(cell["src"])
    assert ("audio/wav", "audio/wav", b"RIFF") == (
        cell["type"], body.headers["content-type"], body.content[:4],
    )  # fmt: skip
    found = told(made, SOUNDS)
    assert {"audio": "audio", "text": "string_label"} == {
        name: one["column_type"] for name, one in found.items()
    }
    check_numbers({**found["audio"], "column_type": "float"}, [1 + n / 4 for n in range(9)], 9)


@pytest.mark.parametrize(
    "change",
    [
        {"row": "26"},
        {"row": "25"},
        {"cell": "none"},
        {"cell": "label"},
        {"cell": "photo.bytes"},
        {"cell": ["more", "2"]},
        {"cell": ["more", "-1"]},
        {"cell": ["more", "x"]},
        {"revision": "0" * 40},
    ],
)
def test_what_is_no_picture_is_not_served(made: str, change: dict[str, Any]) -> None:
    revision = ask(made, "rows", ALBUM).headers["x-revision"]
    asked = {"row": "0", "cell": "photo", "revision": revision}
    assert 200 == ask(made, "assets", ALBUM, **asked).status_code
    answer = ask(made, "assets", ALBUM, **{**asked, **change})
    assert (404, "AssetNotFoundError") == (answer.status_code, answer.headers["x-error-code"])


def test_what_a_browser_would_run_is_not_served(made: str) -> None:
    revision = ask(made, "rows", SOUNDS).headers["x-revision"]
    answer = ask(made, "assets", SOUNDS, row="0", cell="page", revision=revision)
    assert (404, "AssetNotFoundError") == (answer.status_code, answer.headers["x-error-code"])


def test_pictures_have_their_widths_as_figures(made: str) -> None:
    found = told(made, ALBUM)
    assert ["image", "class_label", "list"] == [one["column_type"] for one in found.values()]
    check_numbers(found["photo"], [width for width, _ in ALBUM_SIZES], 26)
    assert {"개": 13, "cat": 12} == found["label"]["column_statistics"]["frequencies"]
    assert 1 == found["label"]["column_statistics"]["no_label_count"]
    pets = told(made, PETS)
    assert {"cat": 4, "고양이": 4} == pets["label"]["column_statistics"]["frequencies"]


LOAD = """
import datasets, json, sys
from datasets.utils import _dataset_viewer as viewer
from huggingface_hub import HfApi
found = {}
for name in sys.argv[1:]:
    told = viewer.get_exported_dataset_infos(name, HfApi().dataset_info(name).sha, None)
    loaded = datasets.load_dataset(name)["train"]
    features = loaded.features.to_dict()
    found[name] = [list(told), len(loaded), {key: kind["_type"] for key, kind in features.items()}]
print(json.dumps(found))
"""


def test_the_datasets_library_takes_labels_and_pictures(made: str, tmp_path: Path) -> None:
    # The library asks datasets-server.<host>: as a proxy, the endpoint is every host.
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment |= {"HF_ENDPOINT": "http://hub.lab", "HTTP_PROXY": made, "http_proxy": made}
    environment |= {"HF_HOME": str(tmp_path), "HF_UPDATE_DOWNLOAD_COUNTS": "0"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, CARDED, ALBUM, PETS],
        env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr[-3000:]
    assert {
        CARDED: [["default"], 3, {"label": "ClassLabel", "text": "Value"}],
        ALBUM: [["default"], 26, {"photo": "Image", "label": "ClassLabel", "more": "List"}],
        PETS: [["default"], 8, {"image": "Image", "label": "ClassLabel"}],
    } == json.loads(done.stdout.splitlines()[-1])
    assert {"부정": 2, "긍정": 1} == told(made, CARDED)["label"]["column_statistics"]["frequencies"]


# --- odd data ---------------------------------------------------------------------


def test_figures_of_odd_columns(made: str) -> None:
    rows = odd_rows()
    found = told(made, ODD)
    assert {"부정": 600, "긍정": 600} == found["label"]["column_statistics"]["frequencies"]
    # Three numbers, two names: the card is wrong, so they are numbers.
    assert "int" == found["beyond"]["column_type"]
    check_numbers(found["mixed"], [row["mixed"] for row in rows], len(rows))
    texts = [row["maybe"] for row in rows if isinstance(row["maybe"], str)]
    check_numbers(found["maybe"], [len(text) for text in texts], len(rows))
    counts = Counter(str(row["flag"]) for row in rows if row["flag"] is not None)
    assert dict(counts) == found["flag"]["column_statistics"]["frequencies"]
    lengths = [len(row["tags"]) for row in rows if isinstance(row["tags"], list)]
    check_numbers(found["tags"], lengths, len(rows))
    assert statistics.median(lengths) == found["tags"]["column_statistics"]["median"]
    # Known from its first rows on, or from later ones only.
    check_numbers(found["late"], [row["late"] for row in rows if "late" in row], len(rows))
    assert not {"either", "of", "nothing"} & set(found)


def test_a_split_without_rows_has_columns_without_figures(made: str) -> None:
    found = told(made, ODD, split="none")
    kinds = {name: one["column_type"] for name, one in found.items()}
    expected = {"label": "class_label", "beyond": "class_label"}
    assert {**expected, "maybe": "string_label", "at": "float"} == kinds
    assert {"부정": 0, "긍정": 0} == found["label"]["column_statistics"]["frequencies"]
    assert found["at"]["column_statistics"]["histogram"] is None


def test_labels_of_the_card_are_told_with_the_rows(made: str) -> None:
    features = ask(made, "rows", ODD).json()["features"]
    kinds = {column["name"]: column["type"] for column in features}
    assert {"names": ["부정", "긍정"], "_type": "ClassLabel"} == kinds["label"]


def test_what_does_not_fit_makes_an_answer_partial(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer_statistics, "MAX_NUMBERS", 2_000)
    monkeypatch.setattr(viewer_chunks, "_ROWS", 100)
    with TestClient(create_app(root)) as client:
        asked = {"dataset": ODD, "config": "default", "split": "train"}
        answer = client.get("/datasets-server/statistics", params=asked).json()
    assert answer["partial"] is True
    assert 0 < answer["num_examples"] < 1_200
    items = {one["column_name"]: one["column_statistics"] for one in answer["statistics"]}
    assert answer["num_examples"] == sum(items["label"]["frequencies"].values())


def test_figures_are_made_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"dataset": ODD, "config": "default", "split": "train"}
    with TestClient(create_app(root)) as client, TestClient(create_app(root)) as other:
        first = client.get("/datasets-server/statistics", params=asked).json()
        monkeypatch.setattr(viewer_statistics, "MAX_NUMBERS", 0)
        assert first == client.get("/datasets-server/statistics", params=asked).json()
        assert other.get("/datasets-server/statistics", params=asked).json()["partial"] is True


def test_what_can_be_counted_is_valid_for_statistics(made: str) -> None:
    for dataset in (ALBUM, PETS, ODD):
        assert ask(made, "is-valid", dataset).json()["statistics"] is True


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    hub = FakeHub()
    pictures = {f"{split}/{n}.png": b"\x89PNG" for split in ("train", "test") for n in (1, 2)}
    hub.add_repo("dataset", PETS, pictures)
    hub.add_repo("dataset", ODD, {"train.parquet": empty_table(tmp_path), "test.jsonl": "{}\n"})
    with serve(hub):
        mirror = Mirror.init(tmp_path / "mirror", hub.endpoint)
        mirror.add("dataset", id=PETS, exclude="train/2.png")
        mirror.add("dataset", id=ODD, exclude="*.parquet")
        assert 0 == mirror.sync().exit_code
    with serving(tmp_path / "mirror") as endpoint:
        for dataset, path in ((PETS, "train/2.png"), (ODD, "train.parquet")):
            commit = ask(endpoint, "splits", dataset).headers["x-revision"]
            more = {"query": "a", "where": "a=1", "row": "0", "cell": "a", "revision": commit}
            for name in ("first-rows", "rows", "search", "filter", "statistics", "assets"):
                answer = ask(endpoint, name, dataset, **more)
                assert (404, "RowsUnavailable") == (
                    answer.status_code, answer.headers["x-error-code"],
                ), name  # fmt: skip
                assert path in answer.json()["error"]
            for name in ("info", "size", "parquet"):
                (item, *_) = ask(endpoint, name, dataset).json()["failed"]
                assert path in item["error"]["error"]
            raw = httpx.get(f"{endpoint}/datasets/{dataset}/raw/main/{path}")
            assert (404, True) == (raw.status_code, path in raw.json()["error"])
        assert ask(endpoint, "is-valid", PETS).json()["viewer"] is True
        assert 2 == len(ask(endpoint, "rows", PETS, split="test").json()["rows"])


def test_damaged_pictures_are_refused(tmp_path: Path) -> None:
    hub = FakeHub()
    hub.add_repo("dataset", PETS, {"a/1.png": b"\x89PNG\r\n\x1a\n", "a/2.png": b"no picture"})
    make_mirror(tmp_path / "mirror", hub)
    with serving(tmp_path / "mirror") as endpoint:
        rows = ask(endpoint, "rows", PETS).json()["rows"]
        assert [(None, None)] * 2 == [
            (row["row"]["image"]["width"], row["row"]["image"]["height"]) for row in rows
        ]
        assert {} == told(endpoint, PETS)  # a width of some would mislead
        for blob in tmp_path.glob("mirror/blobs/*/*"):
            blob.unlink()
        answer = ask(endpoint, "rows", PETS)
    assert (500, "StreamingRowsError") == (answer.status_code, answer.headers["x-error-code"])
    assert str(tmp_path) not in answer.text


# --- any question -----------------------------------------------------------------

COLUMNS = ["label", "photo", "more", "audio", "text", "image", "mixed", "either", "of", "tags"]
VALUES = {
    "dataset": st.sampled_from([ALBUM, SOUNDS, PETS, ODD]) | st.text(max_size=8),
    "config": st.sampled_from(["default"]) | st.text(max_size=5),
    "split": st.sampled_from(["train", "none", "test"]) | st.text(max_size=5),
    "offset": st.integers(-2, 2_000).map(str) | st.text(max_size=4),
    "length": st.integers(-1, 101).map(str) | st.text(max_size=4),
    "query": st.text(max_size=10) | st.sampled_from(["글", "소리 1", "%", "\ud800"]),
    "where": st.builds(
        lambda *parts: " ".join(parts),
        st.sampled_from([*(f'"{name}"' for name in COLUMNS), *COLUMNS]),
        st.sampled_from(["=", "<>", "<", ">=", "IS NULL", "IN", "NOT IN", "LIKE", ";"]),
        st.sampled_from(["1", "'글'", "(1, 'a')", "NULL", "true", "1e400", "", '"label"']),
        st.sampled_from(["", "AND mixed > 3", "OR NOT flag = true", ")", "--"]),
    ),
    "orderby": st.builds(
        lambda column, way: f"{column}{way}",
        st.sampled_from([*(f'"{name}"' for name in COLUMNS), "none", "", "1"]),
        st.sampled_from(["", " DESC", " ASC", " desc", ", label", " NULLS LAST"]),
    ),
    "row": st.integers(-1, 1_300).map(str) | st.text(max_size=3),
    "cell": st.lists(st.sampled_from([*COLUMNS, "0", "bytes", "a", ""]), max_size=3),
    "revision": st.sampled_from(["main", "0" * 40]),
}
PLACE = ("dataset", "config", "split")
NAMES = ["is-valid", "splits", "info", "size", "parquet", "first-rows", "rows", "search"]
NAMES += ["filter", "statistics", "assets"]


@settings(max_examples=300)
@given(
    name=st.sampled_from(NAMES),
    fields=st.fixed_dictionaries(
        {key: VALUES[key] for key in PLACE},
        optional={key: value for key, value in VALUES.items() if key not in PLACE},
    ),
    once=st.booleans(),
)
def test_no_question_is_a_fault(
    client: TestClient, name: str, fields: dict[str, Any], once: bool
) -> None:
    pairs = [
        (key, one)
        for key, value in fields.items()
        for one in (value if isinstance(value, list) else [value])
    ]
    pairs = list(dict(pairs).items()) if once else pairs
    query = urlencode(pairs, errors="surrogatepass")
    answer = client.get(f"/datasets-server/{name}?{query}")
    assert answer.status_code in {200, 400, 404, 414, 422}
    assert answer.content


@pytest.fixture(scope="module")
def client(root: Path) -> Iterator[TestClient]:
    with TestClient(create_app(root)) as client:
        yield client
