"""docs/how-to/find-and-compare.md: every command and statement in it is run."""

from __future__ import annotations

import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest
import yaml

from mirror import Mirror
from mirror.catalog import Catalog, reindex
from mirror.store import Store
from tests.catalog.making import dataset, model, publish
from tests.cli.conftest import Cli

PAGE = (Path(__file__).parents[2] / "docs/how-to/find-and-compare.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def commands(first: str) -> list[list[str]]:
    """Each command of the page, without what the shell does with its output."""
    text = "\n".join(blocks("bash")).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.startswith(f"{first} ")]
    return [list(takewhile(lambda word: word not in {"|", ">"}, shlex.split(i))) for i in lines]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror with what the page asks for."""
    store = Store.create(tmp_path_factory.mktemp("page") / "mirror")
    results = [
        {
            "task": {"type": "automatic-speech-recognition"},
            "dataset": {"type": "klue/klue", "name": "KLUE", "config": subset},
            "metrics": [{"type": metric, "value": 80.5}],
        }
        for subset, metric in (("ynat", "f1"), ("sts", "pearsonr"), ("dp", "wer"))
    ]
    data = {
        "language": "ko",
        "pipeline_tag": "automatic-speech-recognition",
        "tags": ["instruction-tuned"],
        "model-index": [{"name": "x", "results": results}],
    }
    raw = {"safetensors": {"total": 9_000, "parameters": {"BF16": 9_000}}}
    for name in ("klue/roberta-base", "lab/other"):
        publish(store, model(name), upstream=raw, card=f"---\n{yaml.safe_dump(data)}---\n# x\n")
    publish(store, dataset("klue/klue"), card="---\nlanguage: ko\n---\n# KLUE\n")
    reindex(store, store.layout.catalog)
    return store.layout.catalog.parent


@pytest.mark.parametrize("words", commands("mirror"), ids=" ".join)
def test_commands(cli: Cli, root: Path, words: list[str]) -> None:
    ran = cli(*words[1:], "-C", root)

    assert ran.code == 0
    assert words[1] != "leaderboard" or ran.out


@pytest.mark.parametrize("statement", blocks("sql"))
def test_statements(root: Path, statement: str) -> None:
    with Catalog.open(root / "catalog.db") as catalog:
        assert catalog.sql(statement).columns


@pytest.mark.parametrize("words", [*commands("sqlite3"), *commands("sqlite-utils")], ids=" ".join)
def test_tools_of_others(root: Path, words: list[str]) -> None:
    program = shutil.which(words[0]) or shutil.which(words[0], path=_beside_python())
    if program is None:
        pytest.skip(f"{words[0]} is not installed")
    given = [word.replace("/mnt/mirror", str(root)) for word in words[1:]]

    ran = subprocess.run([program, *given], cwd=root, capture_output=True, text=True, timeout=60)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout


def _beside_python() -> str:
    return str(Path(sys.executable).parent)


@pytest.mark.parametrize("code", blocks("python"))
def test_python(root: Path, code: str) -> None:
    space: dict[str, object] = {}

    exec(code.replace("/mnt/mirror", str(root)), space)

    assert "table" in space or isinstance(space["mirror"], Mirror)
    if isinstance(connection := space.get("catalog"), sqlite3.Connection):
        connection.close()
