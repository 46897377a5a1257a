"""kill -9 at every step that an adoption, or a checkout, takes on disk."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from mirror.adopt import carry_out_checkout, plan_checkout
from mirror.store import Store, apply_prune, plan_prune
from tests import crash
from tests.adopt.making import FILES, KEY, adopt, download, make_clone, manifest_of
from tests.sync.lab import Lab, check, contents, files_of, picture


@pytest.mark.parametrize("source", ["cache", "git"])
def test_adopt(lab: Lab, memory_path: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(memory_path))  # what is killed cleans up nothing
    folder = memory_path / "source"
    if source == "git":
        if shutil.which("git") is None:
            pytest.skip("no git here")
        make_clone(folder)
    else:
        folder = download(lab.hub, folder)

    def prepare(at: int) -> Path:
        return Store.create(memory_path / f"mirror-{at}").root

    def act(root: Path) -> None:
        assert 0 == adopt(Store.open(root), folder).exit_code

    steps = 0
    for _, root, killed in crash.sweep(prepare, act):
        store = Store.open(root)
        check_whole(store)
        if killed:
            apply_prune(store, plan_prune(store, 1))
            act(root)
        check(store)
        assert FILES == files_of(store, KEY)
        assert [] == list(store.layout.partial.iterdir())
        steps += 1
    assert steps > 20  # the harness counts


def check_whole(store: Store) -> None:
    """What has a name is right: blobs have their bytes, snapshots that refs show are entire."""
    for key in store.repos():
        for commit in store.commits(key):
            assert () == store.missing(store.manifest(key, commit))
        for commit in store.refs(key).values():
            assert FILES == contents(store.snapshot_path(key, commit))


def test_a_first_checkout(lab: Lab, memory_path: Path) -> None:
    lab.store = Store.create(memory_path / "mirror")
    lab.sync()

    def act(root: Path) -> None:
        plan = plan_checkout(lab.store, manifest_of(lab.store), root)
        carry_out_checkout(lab.store, plan, link=True)

    for _, root, killed in crash.sweep(lambda at: memory_path / f"out-{at}", act):
        assert plain(root).items() <= FILES.items()
        if killed:
            act(root)
        assert FILES == plain(root)
    check(lab.store)


@pytest.mark.parametrize("link", [True, False])
def test_checkout_of_a_newer_commit(lab: Lab, memory_path: Path, link: bool) -> None:
    store = Store.create(memory_path / "mirror")
    lab.store = store
    lab.sync()
    old = memory_path / "old"
    carry_out_checkout(store, plan_checkout(store, manifest_of(store), old), link=link)
    (old / "mine.txt").write_bytes(b"mine")
    repo = lab.hub.repo("model", "acme/tiny")
    repo.commit({"config.json": b"{}", "new/a.txt": b"a"}, delete=("empty.txt",))
    lab.sync()
    newer = {**FILES, "config.json": b"{}", "new/a.txt": b"a"}
    before = picture(store)

    def prepare(at: int) -> Path:
        root = memory_path / f"out-{at}"
        subprocess.run(["cp", "-a", old, root], check=True)
        return root

    def act(root: Path) -> None:
        carry_out_checkout(store, plan_checkout(store, manifest_of(store), root), link=link)

    steps = 0
    for _, root, killed in crash.sweep(prepare, act):
        for path, data in plain(root).items():
            assert data in (FILES.get(path), newer.get(path))
        if killed:
            act(root)
        assert {path: data for path, data in newer.items() if path != "empty.txt"} == plain(root)
        assert b"mine" == (root / "mine.txt").read_bytes()
        assert [] == [path.name for path in root.rglob("*.tmp")]
        steps += 1
    assert steps > 15
    assert before == picture(store)


def plain(folder: Path) -> dict[str, bytes]:
    found = contents(folder)
    return {
        path: data
        for path, data in found.items()
        if not path.startswith(".cache/") and path != "mine.txt"
    }
