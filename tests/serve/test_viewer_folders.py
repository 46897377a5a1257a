"""Folders of images and sounds: which rows they have, as the ``datasets`` library makes them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from mirror import Mirror
from tests.fakehub import FakeHub, serve
from tests.serve.conftest import serving
from tests.serve.real import picture, sound

PNG = picture(3, 4)
NOTES = "file_name,text\nb.png,둘\na.png,하나\n"
LINES = "".join(
    json.dumps({"n": n, "file_name": f"{n}.png", "mask_file_name": f"m/{n}.png"}) + "\n"
    for n in range(3)
)
PAIRS = {f"train/{n}.png": picture(5, n + 1) for n in range(3)} | {
    f"train/m/{n}.png": picture(6, n + 1) for n in range(3)
}
FOLDERS: dict[str, dict[str, Any]] = {
    "labelled": {f"{kind}/{n}.png": PNG for kind in ("고양이", "cat", "dog") for n in range(2)},
    "one-label": {f"cat/{n}.png": PNG for n in range(3)},
    "uneven": {"a/x.png": PNG, "b/c/x.png": PNG},
    "flat": {"x.png": PNG, "y.png": picture(1, 1), "notes.txt": "hello"},
    "splits": {f"{s}/{k}/{k}.png": PNG for s, k in (("train", "a"), ("train", "b"), ("test", "c"))},
    "noted": {"metadata.csv": NOTES, "a.png": picture(1, 2), "b.png": picture(7, 8)},
    "above": {"metadata.csv": NOTES}
    | {f"{s}/{k}/{k}.png": PNG for s in ("train", "test") for k in ("a", "b")},
    "deep": {"train/metadata.jsonl": LINES, **PAIRS},
    "sounds": {f"{kind}/{n}.wav": sound(n / 10) for kind in ("a", "b") for n in (1, 2)},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("folders") / "mirror"
    hub = FakeHub()
    for name, files in FOLDERS.items():
        hub.add_repo("dataset", f"acme/{name}", files)
    hub.add_repo("dataset", "acme/broken", {"metadata.csv": "file_name\n../x.png\n", "a.png": PNG})
    with serve(hub):
        mirror = Mirror.init(root, hub.endpoint)
        for kind, repo_id in hub.repos:
            mirror.add(kind, id=repo_id)
        assert 0 == mirror.sync().exit_code
    with serving(root) as endpoint:
        yield endpoint


def ask(endpoint: str, name: str, **fields: Any) -> httpx.Response:
    return httpx.get(f"{endpoint}/datasets-server/{name}", params={"config": "default", **fields})


LOAD = """
import datasets, json, pathlib, sys
found = {}
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    loaded = datasets.load_dataset(str(folder), cache_dir=sys.argv[2])
    found[folder.name] = {
        split: {"features": rows.features.to_dict(), "rows": rows.data.to_pylist()}
        for split, rows in loaded.items()
    }
print(json.dumps(found, default=lambda value: None))
"""
# The library reads sounds only where it can decode them, which takes more than it comes with.
COMPARED = [name for name in FOLDERS if name != "sounds"]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the library makes of the folders, without decoding."""
    root = tmp_path_factory.mktemp("loaded")
    for name in COMPARED:
        for path, body in FOLDERS[name].items():
            place = root / "data" / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(body if isinstance(body, bytes) else body.encode())
    done = subprocess.run(
        [sys.executable, "-c", LOAD, root / "data", root / "cache"],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", COMPARED)
def test_rows_are_those_of_the_library(folders: str, loaded: Any, name: str) -> None:
    dataset = f"acme/{name}"
    splits = ask(folders, "splits", dataset=dataset).json()["splits"]
    assert list(loaded[name]) == [one["split"] for one in splits]
    for split, made in loaded[name].items():
        told = ask(folders, "rows", dataset=dataset, split=split).json()
        kinds = {column["name"]: column["type"] for column in told["features"]}
        assert list(made["features"]) == list(kinds)
        assert made["features"].get("label") == kinds.get("label")
        assert len(made["rows"]) == len(told["rows"])
        for row, shown in zip(made["rows"], told["rows"], strict=True):
            for column, value in row.items():
                cell = shown["row"][column]
                if kinds[column]["_type"] == "Image":
                    body = httpx.get(cell["src"]).content
                    assert Path(value["path"]).read_bytes() == body
                else:
                    assert value == cell


def test_sizes_of_images_stand_in_their_cells(folders: str) -> None:
    rows = ask(folders, "first-rows", dataset="acme/noted", split="train").json()["rows"]
    sizes = [(row["row"]["image"]["width"], row["row"]["image"]["height"]) for row in rows]
    assert [(7, 8), (1, 2)] == sizes


def test_sounds_say_their_type(folders: str) -> None:
    (row, *_) = ask(folders, "rows", dataset="acme/sounds", split="train").json()["rows"]
    (cell,) = row["row"]["audio"]
    assert "audio/wav" == cell["type"]
    said = ask(folders, "statistics", dataset="acme/sounds", split="train").json()
    figures = {one["column_name"]: one for one in said["statistics"]}
    assert ("audio", 0.1, 0.2) == (
        figures["audio"]["column_type"],
        figures["audio"]["column_statistics"]["min"],
        figures["audio"]["column_statistics"]["max"],
    )


def test_a_file_that_is_not_here_is_named(folders: str) -> None:
    answer = ask(folders, "rows", dataset="acme/broken", split="train")
    assert (404, "RowsUnavailable") == (answer.status_code, answer.headers["x-error-code"])
    assert "../x.png" in answer.json()["error"]


def test_a_builder_has_the_name_that_the_library_has_for_it(folders: str) -> None:
    for name, builder in (("flat", "imagefolder"), ("sounds", "audiofolder")):
        info = ask(folders, "info", dataset=f"acme/{name}").json()["dataset_info"]
        assert builder == info["builder_name"]
        size = ask(folders, "size", dataset=f"acme/{name}").json()["size"]
        assert size["config"]["num_rows"] == {"flat": 2, "sounds": 4}[name]
