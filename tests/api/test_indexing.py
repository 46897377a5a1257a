"""The catalog follows the store, also when a process was killed between the two."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mirror import Mirror
from mirror.api import indexing
from mirror.errors import DiskError
from mirror.store import Store
from tests.fakehub import FakeHub

#: A sync that dies when all is published and nothing indexed.
KILLED = """
import os, signal, sys
from mirror import Mirror
from mirror.api import indexing
indexing.index_changes = lambda store: os.kill(os.getpid(), signal.SIGKILL)
Mirror(sys.argv[1]).sync()
"""


@pytest.fixture
def mirror(hub: FakeHub, tmp_path: Path) -> Mirror:
    """A mirror of nothing yet, with an upstream that has two models."""
    for name in ("one", "two"):
        card = f"---\nlicense: mit\n---\n# {name}\n".encode()
        hub.add_repo("model", f"acme/{name}", {"README.md": card})
    mirror = Mirror.init(tmp_path / "mirror", hub.endpoint)
    mirror.add("model", id="acme/one")
    return mirror


def found(mirror: Mirror) -> list[str]:
    return sorted(hit.key.repo_id for hit in mirror.search(license="mit").hits)


def test_a_sync_that_was_killed_before_it_indexed_is_caught_up_with(mirror: Mirror) -> None:
    mirror.sync()
    mirror.add("model", id="acme/two")
    killed = subprocess.run([sys.executable, "-c", KILLED, mirror.root], check=False)
    assert -signal.SIGKILL == killed.returncode
    assert ["acme/one"] == found(mirror)

    report = mirror.sync()

    assert (0, 2) == (len(report.published), report.unchanged)
    assert ["acme/one", "acme/two"] == found(mirror)
    assert frozenset() == mirror.store.changes()


def test_a_catalog_that_cannot_be_written_is_a_problem_of_the_report(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(store: Store) -> None:
        raise DiskError("the disk is full")

    monkeypatch.setattr(indexing, "index_changes", full)
    report = mirror.sync()
    assert 1 == len(report.published)
    assert [("catalog", "disk")] == [(one.subject, one.error) for one in report.failed]
    assert 4 == report.exit_code


def test_a_prune_is_seen_by_the_catalog(mirror: Mirror, hub: FakeHub) -> None:
    mirror.sync()
    for text in (b"2", b"3"):
        hub.repo("model", "acme/one").commit({"new.txt": text})
        mirror.sync()
    assert 3 == len(mirror.show("models/acme/one").snapshots)
    mirror.prune()
    assert 2 == len(mirror.show("models/acme/one").snapshots)
