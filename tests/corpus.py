"""Real content for tests: a folder of repos, cards and records that is not part of the project.

It is found at ``MIRROR_TEST_CORPUS``, else beside the checkout. Tests that need it skip
where it is absent: mark them with ``@needs_corpus``. Nothing in it may be copied here.
"""

from __future__ import annotations

import json
import lzma
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

FOLDER = Path(
    os.environ.get("MIRROR_TEST_CORPUS")
    or Path(__file__).resolve().parents[2] / "shared" / "corpus"
).resolve()

needs_corpus = pytest.mark.skipif(
    not (FOLDER / "hub").is_dir(),
    reason=f"the test corpus is not at {FOLDER} (set MIRROR_TEST_CORPUS)",
)


class CorpusRepo(NamedTuple):
    """A repo of the corpus as a plain folder."""

    repo_type: str
    repo_id: str
    folder: Path


class Card(NamedTuple):
    """A README of the corpus, as bytes: some are not UTF-8."""

    repo_type: str
    repo_id: str
    data: bytes


def hub_repos() -> list[CorpusRepo]:
    """List the repos that lie there as plain files."""
    return [
        CorpusRepo(plural.removesuffix("s"), f"{folder.parent.name}/{folder.name}", folder)
        for plural in ("models", "datasets")
        for folder in sorted((FOLDER / "hub" / plural).glob("*/*"))
        if folder.is_dir()
    ]


def hub_repo(repo_type: str, repo_id: str) -> Path:
    """Give the folder of one of them."""
    return FOLDER / "hub" / f"{repo_type}s" / repo_id


def cards(archive: str) -> Iterator[Card]:
    """Read the cards of ``models-2022-02``, ``datasets-2.5.2`` or ``modern``."""
    for name, data in archive_files(f"cards/{archive}.tar.xz"):
        parts = Path(name).parts
        kind = parts[0] if parts[0] != "." else parts[1]
        repo_type = "dataset" if kind.startswith("dataset") else "model"
        if archive == "modern":
            yield Card(repo_type, parts[-1].removesuffix(".md").replace("__", "/", 1), data)
        elif parts[-1] == "README.md":
            yield Card(repo_type, "/".join(parts[parts.index(kind) + 1 : -1]), data)


def archive_files(name: str) -> Iterator[tuple[str, bytes]]:
    """Read every file of a tar.xz below the corpus as ``(path, bytes)``, one at a time."""
    with tarfile.open(FOLDER / name, "r|xz") as archive:
        for member in archive:
            if member.isfile() and (file := archive.extractfile(member)) is not None:
                yield member.name, file.read()


def records(name: str) -> Iterator[dict[str, Any]]:
    """Read records: ``models-2022-02``, ``models-2026-08``, ``changes-2026-08`` (JSON lines)
    or ``datasets-ko-2025-10-12`` (one JSON object)."""
    lines = FOLDER / "records" / f"{name}.jsonl.xz"
    if lines.exists():
        with lzma.open(lines, "rt", encoding="utf-8") as file:
            yield from (json.loads(line) for line in file)
        return
    with lzma.open(FOLDER / "records" / f"{name}.json.xz", "rt", encoding="utf-8") as file:
        yield from json.load(file)["datasets"]


def history(name: str) -> Any:
    """Read one of ``histories/``: every commit of a real repo with its tree."""
    with lzma.open(FOLDER / "histories" / f"{name}.history.json.xz", "rt") as file:
        return json.load(file)
