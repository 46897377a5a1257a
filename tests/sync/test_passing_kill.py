"""kill -9 at every step that a pass-through takes on disk: the mirror stays whole."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.api.indexing import bring_up_to_date
from mirror.store import Store, verify
from mirror.sync.keeper import Times
from mirror.sync.known import NOT_ASKED
from mirror.sync.memory import Look
from mirror.sync.passing import Passing
from tests import crash
from tests.fakehub import FakeHub
from tests.fakehub.content import PatternContent
from tests.sync.lab import Lab, connect, contents, model

KEY = model("acme/tiny")
#: Just over the size up to which a file comes in one piece: it leaves a journal.
OLD = {"README.md": "# Old\n", "a.txt": "a", "large.bin": PatternContent(2**20 + 100, seed=1)}
NEW = {"README.md": "# New\n", "large.bin": PatternContent(2**20 + 100, seed=2)}


@pytest.fixture
def lab(hub: FakeHub, memory_path: Path) -> Lab:
    hub.add_repo("model", "acme/tiny", OLD, lfs=["*.bin"])
    return Lab(hub, Store.create(memory_path / "before"), "")


def bring(lab: Lab, *paths: str) -> None:
    """Do what a server does when clients ask for ``paths`` of main."""

    async def work() -> None:
        passing = Passing(
            lab.store,
            lab.settings,
            token=None,
            index=bring_up_to_date,
            times=Times(quiet=0),
            connect=connect,
        )
        async with passing:
            look = await passing.look(KEY, "main")
            assert isinstance(look, Look), look
            for path in paths:
                file = look.known.manifest.file(path)
                assert file is not None
                arriving = await passing.bring(look.known.manifest, file)
                while not arriving.state.is_over:
                    await asyncio.sleep(0)
                assert arriving.state.error is None

    asyncio.run(work())


def nothing(lab: Lab) -> None:
    """No repo is here yet."""


def older(lab: Lab) -> None:
    """An older commit is here, in part."""
    bring(lab, "README.md", "large.bin")
    lab.hub.repo("model", "acme/tiny").commit(NEW)


@pytest.mark.parametrize(
    ("begin", "wanted"), [(nothing, ("README.md",)), (older, ("README.md", "large.bin"))]
)
def test_killed_at_every_step(
    lab: Lab, memory_path: Path, begin: Callable[[Lab], None], wanted: tuple[str, ...]
) -> None:
    begin(lab)
    head = lab.hub.repo("model", "acme/tiny").head
    before = dict(lab.store.refs(KEY))

    def prepare(at: int) -> Path:
        root = memory_path / f"killed-{at}"
        subprocess.run(["cp", "-a", lab.store.root, root], check=True)
        return root

    def action(root: Path) -> None:
        bring(replace(lab, store=Store.open(root)), *wanted)

    steps = 0
    for _, root, _ in crash.sweep(prepare, action):
        store = Store.open(root)
        damage = [f for f in verify(store).problems if f.kind not in {"view-wrong", "view-missing"}]
        assert [] == damage
        assert store.refs(KEY) in (before, {"main": head.id})
        bring(replace(lab, store=store), *wanted)
        assert {"main": head.id} == store.refs(KEY)
        assert () == verify(store).problems
        shown = contents(store.snapshot_path(KEY, head.id))
        assert set(wanted) == set(shown)
        manifest = store.manifest(KEY, head.id)
        absent = {file.absent_because for file in manifest.files if not file.present}
        assert {NOT_ASKED} == absent or set() == absent
        assert [] == list(store.layout.partial.iterdir())
        steps += 1
    assert steps > 20  # the harness counts
