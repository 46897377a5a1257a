"""A mirror of the corpus' data sets, and of pictures and sounds in every form: for the viewer."""

from __future__ import annotations

import io
import json
import struct
import wave
from pathlib import Path

import pyarrow  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
from datasets import ClassLabel, Dataset, Features, Image, List
from PIL import Image as Pictures

from mirror import Mirror
from tests.corpus import archive_files, hub_repos
from tests.fakehub import FakeHub, serve

GLYPHS = "brendenlake/omniglot-small1"
ALBUM = "acme/album"
SOUNDS = "acme/sounds"
PETS = "acme/pets"
ODD = "acme/odd"
CARDED = "acme/carded"


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    """Draw a picture of a size."""
    body = io.BytesIO()
    Pictures.new("RGB", (width, height), (width % 256, height % 256, 80)).save(body, kind)
    return body.getvalue()


def sound(seconds: float, rate: int = 8_000) -> bytes:
    """Give silence as a WAV."""
    body = io.BytesIO()
    with wave.open(body, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack("<h", 0) * int(seconds * rate))
    return body.getvalue()


ALBUM_SIZES = [(40 + number, 30) for number in range(25)]


def album(folder: Path) -> bytes:
    """Write pictures inside Parquet, with a list of them and one that is missing."""
    pictures = [{"bytes": picture(*size), "path": "a.png"} for size in ALBUM_SIZES]
    rows = {
        "photo": [*pictures, None],
        "label": [*(number % 2 for number in range(25)), -1],
        "more": [*([one, one] for one in pictures), []],
    }
    features = {"photo": Image(), "label": ClassLabel(names=["개", "cat"]), "more": List(Image())}
    path = folder / "album.parquet"
    Dataset.from_dict(rows, Features(features)).to_parquet(path)
    return path.read_bytes()


def sounds(folder: Path) -> bytes:
    """Write sounds inside Parquet, with the note that ``datasets`` leaves there."""
    features = {"audio": {"_type": "Audio"}, "text": {"dtype": "string", "_type": "Value"}}
    features["page"] = {"dtype": "binary", "_type": "Value"}
    rows = {
        "audio": [{"bytes": sound(1 + n / 4), "path": None} for n in range(9)],
        "text": [f"소리 {n}" for n in range(9)],
        "page": [b"<html><script>alert(1)</script></html>"] * 9,
    }
    note = {"huggingface": json.dumps({"info": {"features": features}})}
    path = folder / "sounds.parquet"
    pyarrow.parquet.write_table(pyarrow.table(rows).replace_schema_metadata(note), path)
    return path.read_bytes()


ODD_CARD = """---
dataset_info:
  features:
  - name: label
    dtype:
      class_label:
        names:
          '0': 부정
          '1': 긍정
  - name: beyond
    dtype:
      class_label:
        names: [a, b]
configs:
- config_name: default
  data_files:
  - split: train
    path: rows.jsonl
  - split: none
    path: none.parquet
---
"""


def odd_rows() -> list[dict[str, object]]:
    """Rows with nulls, mixed numbers, and what has no figure."""
    return [
        {
            "label": n % 2,
            "beyond": n % 3,
            "mixed": n if n % 5 else n + 0.5,
            "either": n if n % 2 else str(n),
            "maybe": None if n % 4 == 0 else f"글 {n}",
            "flag": [True, False, None][n % 3],
            "tags": list(range(n % 7)) if n % 10 else None,
            "of": {"a": n},
            "nothing": None,
            **({"late": n} if n >= 1_100 else {}),
        }
        for n in range(1_200)
    ]


CARD = """---
dataset_info:
  features:
  - name: label
    dtype:
      class_label:
        names: {'0': 부정, '1': 긍정}
  - name: text
    dtype: string
---
"""


def plain_table(folder: Path) -> bytes:
    """Write labels as bare numbers, with no note of the library."""
    path = folder / "plain.parquet"
    columns = {"label": [0, 1, 0], "text": ["나쁨", "좋음", "별로"]}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return path.read_bytes()


def empty_table(folder: Path) -> bytes:
    """Write a split without rows."""
    path = folder / "none.parquet"
    columns = {"label": "int64", "beyond": "int64", "maybe": "string", "at": "double"}
    table = pyarrow.table({name: pyarrow.array([], kind) for name, kind in columns.items()})
    pyarrow.parquet.write_table(table, path)
    return path.read_bytes()


def add_made(hub: FakeHub, folder: Path) -> None:
    """Add the data sets that are made here."""
    hub.add_repo("dataset", ALBUM, {"data/train-00000-of-00001.parquet": album(folder)})
    hub.add_repo("dataset", SOUNDS, {"data/train-00000-of-00001.parquet": sounds(folder)})
    carded = {"README.md": CARD, "data/train.parquet": plain_table(folder)}
    hub.add_repo("dataset", CARDED, carded)
    pets = {
        f"{split}/{kind}/{n}.jpg": picture(20 + n, 10, "JPEG")
        for split in ("train", "test")
        for kind in ("cat", "고양이")
        for n in range(4)
    }
    hub.add_repo("dataset", PETS, pets)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in odd_rows())
    files = {"README.md": ODD_CARD, "rows.jsonl": lines, "none.parquet": empty_table(folder)}
    hub.add_repo("dataset", ODD, files)


def add_corpus(hub: FakeHub) -> None:
    """Add the data sets of the corpus, and its folder of drawings."""
    for repo in hub_repos():
        if repo.repo_type == "dataset":
            hub.add_folder(repo.repo_type, repo.repo_id, repo.folder)
    prefix = f"datasets/{GLYPHS}/"
    files = archive_files("hub/omniglot-small1.tar.xz")
    hub.add_repo("dataset", GLYPHS, {name.removeprefix(prefix): body for name, body in files})


def make_mirror(root: Path, hub: FakeHub) -> None:
    """Mirror all of it."""
    with serve(hub):
        mirror = Mirror.init(root, hub.endpoint)
        for kind, repo_id in hub.repos:
            mirror.add(kind, id=repo_id)
        report = mirror.sync()
        assert 0 == report.exit_code, report.failed
