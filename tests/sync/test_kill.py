"""kill -9 at every step that a sync takes on disk, from the first byte to the ref.

After each of them the snapshot in force is whole, and the next sync ends with the same
mirror as one that nobody disturbed.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mirror.store import Store, apply_prune, plan_prune
from mirror.sync.model import Outcome
from tests import crash
from tests.fakehub import FakeHub
from tests.fakehub.content import PatternContent
from tests.sync.lab import Lab, check, contents, entries, files_of, model, picture

KEY = model("acme/tiny")
#: Just over the size up to which a file comes in one piece: it leaves a journal.
LARGE = 2**20 + 100
OLD = {"README.md": "# Old\n", "w.safetensors": b"old", "large.bin": PatternContent(LARGE, seed=1)}
NEW = {"README.md": "# New\n", "w.safetensors": b"new", "large.bin": PatternContent(LARGE, seed=2)}


@pytest.fixture
def lab(hub: FakeHub, memory_path: Path) -> Lab:
    hub.add_repo("model", "acme/tiny", OLD, lfs=["*.safetensors", "*.bin"])
    return Lab(hub, Store.create(memory_path / "before"), entries("acme/tiny"))


def kill_everywhere(lab: Lab, memory_path: Path) -> Iterator[tuple[Lab, bool]]:
    """Give, for every step of the next sync, a copy of the mirror that was killed there."""

    def prepare(at: int) -> Path:
        root = memory_path / f"killed-{at}"
        subprocess.run(["cp", "-a", lab.store.root, root], check=True)
        return root

    def sync(root: Path) -> None:
        report = replace(lab, store=Store.open(root)).sync()
        assert report.outcome is Outcome.OK

    steps = 0
    for _, root, killed in crash.sweep(prepare, sync):
        yield replace(lab, store=Store.open(root)), killed
        steps += 1
    assert steps > 20  # the harness counts


def snapshots(lab: Lab) -> dict[str, dict[str, bytes]]:
    """What every commit upstream has."""
    repo = lab.hub.repo("model", lab.hub.redirect("model", "acme/tiny") or "acme/tiny")
    return {
        commit.id: {path: file.content.bytes() for path, file in commit.files.items()}
        for commit in repo.head.history()
    }


def assert_sound(lab: Lab, known: dict[str, dict[str, bytes]], *, partial: bool) -> None:
    """No name stands for bytes that are not its own; a snapshot that is shown is entire."""
    store = lab.store
    for digest in store.blobs:
        assert digest == hashlib.sha256(store.blobs.path(digest).read_bytes()).hexdigest()
    for key in store.repos():
        for commit in store.commits(key):
            assert () == store.missing(store.manifest(key, commit))
        for commit in store.refs(key).values():
            assert store.snapshot_path(key, commit).is_dir()
    for snapshot in store.layout.hub.glob("*/snapshots/*"):
        shown, whole = contents(snapshot), known[snapshot.name]
        assert shown.items() <= whole.items() if partial else shown == whole
    for ref in store.layout.hub.glob("*/refs/*"):
        assert (ref.parent.parent / "snapshots" / ref.read_text()).is_dir()


def undisturbed(lab: Lab, memory_path: Path) -> dict[str, Any]:
    """What the mirror looks like after a sync that came to its end."""
    root = memory_path / "undisturbed"
    subprocess.run(["cp", "-a", lab.store.root, root], check=True)
    other = replace(lab, store=Store.open(root))
    assert other.sync().outcome is Outcome.OK
    return picture(other.store)


def to_fetch(lab: Lab, known: dict[str, dict[str, bytes]]) -> int:
    """How many bytes of the newest commit are not in the store.

    A small file without LFS may be there before the index tells its name: it counts.
    """
    newest = next(iter(known.values()))
    return sum(
        len(data)
        for path, data in newest.items()
        if path == "README.md" or not lab.store.blobs.has(hashlib.sha256(data).hexdigest())
    )


def fresh(lab: Lab) -> None:
    """Nothing is mirrored yet."""


def update(lab: Lab) -> None:
    lab.sync()
    lab.hub.repo("model", "acme/tiny").commit(NEW)


def fill(lab: Lab) -> None:
    """The selection has grown: the same commit gets more files."""
    selection = lab.selection
    lab.selection += 'include = "*.md"\n'
    lab.sync()
    lab.selection = selection


def rename(lab: Lab) -> None:
    """The repo was mirrored under its old name."""
    lab.sync()
    lab.hub.rename("model", "acme/tiny", "acme-labs/tiny")


@pytest.mark.parametrize("begin", [fresh, update, fill, rename])
def test_killed_at_every_step(lab: Lab, memory_path: Path, begin: Callable[[Lab], None]) -> None:
    begin(lab)
    known = snapshots(lab)
    expected = undisturbed(lab, memory_path)
    before = picture(lab.store)["repos"]
    torn = 0
    for killed, was_killed in kill_everywhere(lab, memory_path):
        assert_sound(killed, known, partial=begin is fill)
        if begin is fill:
            assert picture(killed.store)["repos"] in (before, expected["repos"])
        elif before:
            # One snapshot was in force before; one is, now: by the name a client has.
            shown = (killed.store.layout.view(KEY) / "refs" / "main").read_text()
            assert shown in known
            if shown != killed.store.resolve(KEY):
                torn += 1
                assert_prune_is_safe(killed, known, memory_path / f"pruned-{torn}")
        if was_killed:
            still = to_fetch(killed, known)
            report = killed.sync()
            assert Outcome.OK is report.outcome
            assert report.received_bytes <= still
        assert expected == picture(killed.store)
        check(killed.store)
        assert [] == list(killed.store.layout.partial.iterdir())
    assert (torn > 0) == (begin is update)


def assert_prune_is_safe(lab: Lab, known: dict[str, dict[str, bytes]], root: Path) -> None:
    """Where view and refs.json say two things, prune leaves nobody with nothing."""
    subprocess.run(["cp", "-a", lab.store.root, root], check=True)
    store = Store.open(root)
    apply_prune(store, plan_prune(store, 0))
    assert known[store.resolve(KEY)] == files_of(store, KEY)
    check(store)
