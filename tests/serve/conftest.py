"""Fixtures of the tests of serve: a mirror of everything we have, served on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mirror import Mirror
from mirror.serve.app import create_app
from mirror.serve.connection import Limits
from mirror.serve.options import ServeOptions
from mirror.serve.runner import ServerThread
from mirror.serve.sockets import endpoint_of, listen
from tests.api.small import select_all, small_hub
from tests.fakehub import FakeHub, serve
from tests.samples import sample_hub
from tests.serve.passing import FILES

QA = "sample-lab/korean-qa"
SENTIMENT = "sample-lab/tiny-bert-korean-sentiment"


def lab_hub(samples: Path) -> FakeHub:
    """Give a hub of the sample repos, the small ones, and one whose names need quoting."""
    hub = small_hub(sample_hub(samples))
    files = {f"많은 파일/{n:02}.txt": f"{n}\n" for n in range(30)}
    hub.add_repo(
        "dataset", "acme/names", {**files, "sub/a b+c%20&d.txt": "odd\n", "empty.bin": b""}
    )
    return hub


def make_lab(root: Path, hub: FakeHub) -> Mirror:
    """Make a mirror of all of it."""
    mirror = Mirror.init(root, hub.endpoint)
    select_all(mirror)
    for kind, repo_id in hub.repos:
        revisions = ("main",)
        if repo_id == QA:
            revisions = ("main", "refs/convert/parquet")
        elif repo_id == SENTIMENT:
            revisions = ("main", "v1.0", "experiment")
        if repo_id.startswith("sample-lab/") or repo_id == "acme/names":
            mirror.add(kind, id=repo_id, revisions=revisions)
    mirror.add("model", id="tiny-gpt2")
    mirror.add("model", id="sample-lab/gpt2-tiny")
    report = mirror.sync()
    assert 0 == report.exit_code, report.failed
    return mirror


@contextmanager
def serving(
    root: Path, options: ServeOptions | None = None, limits: Limits | None = None
) -> Iterator[str]:
    """Serve a mirror while the block runs; gives the endpoint."""
    listener = listen("127.0.0.1", 0)
    with ServerThread(create_app(root, options), listener, limits):
        yield endpoint_of(listener)


@pytest.fixture(scope="session")
def lab_root(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synced mirror whose hub is gone. Read only."""
    root = tmp_path_factory.mktemp("lab") / "mirror"
    hub = lab_hub(samples)
    with serve(hub):
        make_lab(root, hub)
    return root


@pytest.fixture(scope="session")
def served(lab_root: Path) -> Iterator[str]:
    """The endpoint of that mirror: what HF_ENDPOINT is set to."""
    with serving(lab_root) as endpoint:
        yield endpoint


@pytest.fixture
def own_root(lab_root: Path, tmp_path: Path) -> Iterator[Path]:
    """A mirror of this test alone, to be changed or broken."""
    root = tmp_path / "own"
    shutil.copytree(lab_root, root, symlinks=True)
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def mirror(hub: FakeHub, tmp_path: Path) -> Mirror:
    """An empty mirror of a hub that has one model."""
    hub.add_repo("model", "acme/tiny", FILES, lfs=["*.safetensors", "*.bin"])
    return Mirror.init(tmp_path / "mirror", hub.endpoint)
