"""Small data sets: parquet with subsets and splits, JSON lines, a folder of images."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pyarrow  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
from PIL import Image, ImageDraw

from tests.samples.sentences import questions, reviews

REVIEW_SPLITS = {"train": 300, "validation": 40, "test": 60}
QA_SPLITS = {"train": 120, "validation": 30}
SHAPES = ("circle", "square", "triangle")
COLOURS = {"red": "#d64545", "green": "#3f9b5c", "blue": "#3b6fb5", "yellow": "#e0b13a"}


def write_reviews(folder: Path) -> None:
    """Write ``<subset>/<split>-00000-of-00001.parquet`` for ko and en."""
    for language in ("ko", "en"):
        (folder / language).mkdir(parents=True, exist_ok=True)
        for split, count in REVIEW_SPLITS.items():
            rows = [row._asdict() for row in reviews(language, split, count)]
            write_parquet(folder / language / f"{split}-00000-of-00001.parquet", rows)


def write_parquet(path: Path, rows: list[dict[str, object]]) -> None:
    """Write rows as one parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


def qa_rows(split: str) -> list[dict[str, object]]:
    """Give the rows of the question answering data set, SQuAD style."""
    return [
        {
            "id": row.id,
            "context": row.context,
            "question": row.question,
            "answers": {"text": [row.answer], "answer_start": [row.start]},
        }
        for row in questions(split, QA_SPLITS[split])
    ]


def write_qa(folder: Path) -> None:
    """Write ``data/<split>.jsonl``."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for split in QA_SPLITS:
        lines = [json.dumps(row, ensure_ascii=False) for row in qa_rows(split)]
        text = "\n".join(lines) + "\n"
        (folder / "data" / f"{split}.jsonl").write_text(text, encoding="utf-8")


def write_qa_parquet(folder: Path) -> None:
    """Write the same rows as the Hub's parquet conversion lays them out."""
    for split in QA_SPLITS:
        write_parquet(folder / "default" / split / "0000.parquet", qa_rows(split))


def write_shapes(folder: Path, each: int = 6) -> None:
    """Write an imagefolder: ``train/`` and ``test/`` of small PNG files with metadata.csv."""
    for split, count in (("train", each), ("test", each // 3)):
        random_ = random.Random(split)
        place = folder / split
        place.mkdir(parents=True, exist_ok=True)
        rows = []
        for shape in SHAPES:
            for number in range(count):
                colour = random_.choice(sorted(COLOURS))
                name = f"{shape}-{number:02}.png"
                _draw(shape, COLOURS[colour], random_).save(place / name, optimize=False)
                rows.append((name, shape, colour))
        with (place / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(
                [("file_name", "shape", "colour"), *rows]
            )


def _draw(shape: str, colour: str, random_: random.Random) -> Image.Image:
    image = Image.new("RGB", (32, 32), "#f4f1ea")
    draw = ImageDraw.Draw(image)
    left, top, size = random_.randint(2, 8), random_.randint(2, 8), random_.randint(14, 20)
    box = (left, top, left + size, top + size)
    if shape == "circle":
        draw.ellipse(box, fill=colour)
    elif shape == "square":
        draw.rectangle(box, fill=colour)
    else:
        draw.polygon([(left, box[3]), (left + size // 2, top), (box[2], box[3])], fill=colour)
    return image
