"""kill -9 at every step that an export or an import takes on disk.

After each of them the lab has what it had, or the whole of what came; the same command ends
the work, and nothing of it is left over.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

import mirror.api.indexing  # noqa: F401 - before the forks, or each of them takes a second for it
from mirror import Mirror
from mirror.bundle import form
from mirror.bundle.log import proof_folder
from mirror.bundle.signing import BUNDLE, check_signature
from mirror.errors import BundleError, NotFoundError, ReplayedBundleError
from mirror.store import verify
from tests import crash
from tests.bundle.making import (
    Side,
    answers,
    contents,
    copy,
    imported,
    seen,
    shown,
    staged,
    update,
)
from tests.store.making import OTHER, commit_of, publish

VOLUME = 60_000
#: Each step takes about 0.2 s. ``EVERY_STEP=1`` leaves none out (2 minutes).
EVERY = 1 if os.environ.get("EVERY_STEP") else 3


def moved_on(side: Side) -> None:
    """A newer commit of one, a name more of the other: an update, not the first import."""
    update(side.store)
    publish(side.store, OTHER, commit_of("words 2"), {"README.md": b"# Words\n"}, ("main", "v2"))
    seen(side.store, OTHER, "2025-03-02T00:00:00+00:00")


def at(side: Side, root: Path) -> Side:
    return Side(Mirror(root), side.key, side.allowed)


def facts(side: Side) -> dict[str, tuple[Any, ...]]:
    """Repo by repo, what one sees of it: snapshots, refs and the view."""
    store = side.store
    # A repo of which only a manifest is there yet is nobody's: no name leads to it.
    return {
        str(key): (
            dict(store.refs(key)),
            {ref: contents(store.snapshot_path(key, c)) for ref, c in store.refs(key).items()},
        )
        for key in store.repos()
        if store.refs(key)
    }


@pytest.fixture
def second(sender: Side, lab: Side, memory_path: Path) -> Path:
    """The lab has the first bundle; this is the next one."""
    sender.export(memory_path / "first")
    lab.take(memory_path / "first")
    moved_on(sender)
    sender.export(memory_path / "second", receipt=lab.receipt(memory_path / "receipt.json"))
    return memory_path / "second"


def sweep_import(
    lab: Side, paths: list[Path], memory_path: Path, *, every: int = 1, asks: bool = True
) -> list[tuple[Side, bool]]:
    def prepare(step: int) -> Path:
        return copy(lab.mirror.root, memory_path / "killed" / str(step))

    def action(root: Path) -> None:
        at(lab, root).take(*paths, asks=asks)

    runs = list(crash.sweep(prepare, action, every=every))
    assert len(runs) > 10  # the harness counts
    return [(at(lab, root), killed) for _, root, killed in runs]


def check_import(killed: Side, before: Side, after: Side, paths: list[Path], asks: bool) -> None:
    old, new = facts(before), facts(after)
    for repo, fact in facts(killed).items():
        assert fact in (old.get(repo), new[repo]), repo
    assert {f.kind for f in verify(killed.store).problems} <= {"view-missing", "view-wrong"}
    noted = imported(killed.store) == imported(after.store)
    with contextlib.suppress(*[ReplayedBundleError] if noted else []):
        killed.take(*paths, asks=asks)
    assert shown(after.store) == shown(killed.store)
    assert answers(after.mirror) == answers(killed.mirror)
    assert imported(after.store) == imported(killed.store)
    assert staged(killed.store) == []
    assert verify(killed.store).findings == ()
    assert killed.store.changes() == frozenset()
    assert_proven(killed)


def assert_proven(side: Side) -> None:
    """What is kept of the bundle proves its signature: all of it is of one volume."""
    for bundle in imported(side.store):
        folder = proof_folder(side.store, bundle)
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        listing, signature = files[form.LISTING], files.get(form.SIGNATURE)
        if signature:
            check_signature(listing, signature, folder, BUNDLE, side.allowed)
        assert hashlib.sha256(files[form.HEAD]).hexdigest() in listing.decode()


def test_an_import_killed_at_every_step(lab: Side, second: Path, memory_path: Path) -> None:
    runs = sweep_import(lab, [second], memory_path, every=EVERY, asks=False)
    after, _ = runs[-1]
    for killed, _ in runs[:-1]:
        check_import(killed, lab, after, [second], asks=False)


def test_a_first_import_killed(lab: Side, bundle: Path, memory_path: Path) -> None:
    runs = sweep_import(lab, [bundle], memory_path, every=2 * EVERY - 1, asks=False)
    after, _ = runs[-1]
    for killed, _ in runs[:-1]:
        check_import(killed, lab, after, [bundle], asks=False)


def test_an_import_of_volumes_killed(sender: Side, lab: Side, memory_path: Path) -> None:
    """A file in parts: it is put together when the last one is in, whenever that is.

    The volumes come in another order after the kill.
    """
    sender.export(memory_path / "out", volume_size=VOLUME)
    volumes = sorted((memory_path / "out").iterdir())
    assert len(volumes) > 3
    runs = sweep_import(lab, volumes, memory_path, every=2 * EVERY - 1, asks=False)
    after, _ = runs[-1]
    for killed, _ in runs[:-1]:
        check_import(killed, lab, after, volumes[::-1], asks=False)


def test_an_export_killed_at_every_step(sender: Side, memory_path: Path) -> None:
    """The same command goes on, and the bundle is the same to the byte."""
    before = contents(sender.mirror.root)

    def prepare(step: int) -> Path:
        root = memory_path / "killed" / str(step)
        root.mkdir(parents=True)
        return root

    def action(root: Path) -> None:
        sender.export(root / "out", volume_size=VOLUME)

    runs = list(crash.sweep(prepare, action, every=2 * EVERY - 1))
    assert len(runs) > 10
    whole = contents(runs[-1][1] / "out")
    for _, root, _ in runs[:-1]:
        if not whole_bundle(root / "out"):
            with pytest.raises((BundleError, NotFoundError)):
                sender.mirror.exchange.inspect([root / "out"])
            action(root)
        assert whole == contents(root / "out")
    assert before == contents(sender.mirror.root)


def whole_bundle(out: Path) -> bool:
    """The last step that was killed may have been a sync: all is there then."""
    return out.is_dir() and not (out / form.UNFINISHED).exists() and any(out.iterdir())
