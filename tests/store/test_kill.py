"""kill -9 at every step on disk: what was in force stays so, and doing it again completes it."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror.errors import NotAMirrorError
from mirror.names import RepoKey, RepoType
from mirror.store import Store, apply_prune, plan_prune, rebuild_git_index, repair, verify
from tests import crash
from tests.store.making import (
    FILES,
    KEY,
    OTHER,
    commit_of,
    contents,
    file_of,
    manifest_of,
    overwrite,
    publish,
)

ONE, TWO = commit_of("1"), commit_of("2")
NEWER = {"README.md": b"# Tiny, again\n", "config.json": b"{}\n", "sub/new.txt": b"new\n"}
SOME = {"README.md": FILES["README.md"]}
REST = {path: data for path, data in FILES.items() if path not in SOME}
RENAMED = RepoKey(RepoType.MODEL, "acme-labs/tiny")
SNAPSHOTS = {ONE: FILES, TWO: NEWER}


def sweep(
    top: Path, prepare: Callable[[Store], object], action: Callable[[Store], object]
) -> list[Store]:
    """Kill the action at each of its steps; give the mirrors it left, the whole one last."""

    def new_mirror(at: int) -> Path:
        store = Store.create(top / str(at))
        prepare(store)
        return store.root

    runs = list(crash.sweep(new_mirror, lambda root: action(Store.open(root))))
    assert [killed for _, _, killed in runs] == [True] * (len(runs) - 1) + [False]
    assert len(runs) > 3  # the hook counts
    return [Store.open(root) for _, root, _ in runs]


def assert_in_force(store: Store, key: RepoKey, allowed: set[str]) -> None:
    """The ref, in the store and in the view, points at a snapshot that is there entire."""
    commit = store.resolve(key)
    assert commit in allowed
    assert store.missing(store.manifest(key, commit)) == ()
    assert contents(store.snapshot_path(key, commit)) == SNAPSHOTS[commit]
    seen = (store.layout.view(key) / "refs" / "main").read_text()
    assert seen in allowed
    assert contents(store.layout.snapshot(key, seen)) == SNAPSHOTS[seen]


def state(store: Store) -> dict[str, bytes]:
    """All that readers see; the log has times in it."""
    tops = {"hub": store.layout.hub, "repos": store.layout.repos}
    found = {
        f"{name}/{path}": data
        for name, top in tops.items()
        for path, data in contents(top).items()
        if "ref_log" not in path
    }
    assert not [path for path in found if ".tmp" in path or "/tmp/" in path]
    return found


def test_a_new_snapshot(memory_path: Path) -> None:
    def action(store: Store) -> None:
        with store.write_lock("test"):
            publish(store, commit=TWO, files=NEWER)

    stores = sweep(memory_path, publish, action)
    for store in stores:
        assert_in_force(store, KEY, {ONE, TWO})
        assert {f.kind for f in verify(store).problems} <= {"view-missing", "view-wrong"}
    seen = {(store.layout.view(KEY) / "refs" / "main").read_text() for store in stores[:-1]}
    assert seen == {ONE, TWO}
    for store in stores:
        action(store)
        assert store.resolve(KEY) == TWO
        assert store.retired(KEY, "main") == (ONE,)
        assert verify(store).findings == ()
        apply_prune(store, plan_prune(store, 1))
        assert state(store) == state(stores[-1])


def test_the_first_snapshot(memory_path: Path) -> None:
    stores = sweep(memory_path, lambda store: None, publish)
    for store in stores:
        if store.refs(KEY):
            assert contents(store.snapshot_path(KEY, ONE)) == FILES
        publish(store)
        assert_in_force(store, KEY, {ONE})
        assert verify(store).findings == ()


def test_filling_up_a_partial_snapshot(memory_path: Path) -> None:
    stores = sweep(memory_path, lambda store: publish(store, files=SOME, absent=REST), publish)
    for store in stores:
        found = contents(store.snapshot_path(KEY, store.resolve(KEY)))
        assert found.items() >= SOME.items()
        assert found.items() <= FILES.items()
        assert {f.kind for f in verify(store).problems} <= {"view-missing", "view-wrong"}
        publish(store)
        assert contents(store.snapshot_path(KEY, ONE)) == FILES
        assert verify(store).findings == ()


def test_a_narrower_selection(memory_path: Path) -> None:
    def action(store: Store) -> None:
        store.publish(manifest_of(files=SOME, absent=REST), ["main"])

    for store in sweep(memory_path, publish, action):
        assert contents(store.snapshot_path(KEY, ONE)).items() >= SOME.items()
        action(store)
        assert contents(store.snapshot_path(KEY, ONE)) == SOME
        assert verify(store).problems == ()


def test_a_rename(memory_path: Path) -> None:
    def prepare(store: Store) -> None:
        publish(store)
        publish(store, RENAMED, commit=TWO, files=NEWER)

    for store in sweep(memory_path, prepare, lambda store: store.add_alias(KEY, RENAMED)):
        assert_in_force(store, RENAMED, {TWO})
        assert_in_force(store, KEY, {ONE, TWO})
        store.add_alias(KEY, RENAMED)
        assert_in_force(store, KEY, {TWO})
        assert store.retired(RENAMED, "main") == (ONE,)
        assert [path.name for path in store.layout.repo(KEY).iterdir()] == ["alias"]
        assert verify(store).findings == ()


def test_prune(memory_path: Path) -> None:
    def prepare(store: Store) -> None:
        publish(store, files=FILES)
        publish(store, commit=TWO, files=NEWER)
        publish(store, OTHER, files=FILES)

    def action(store: Store) -> None:
        apply_prune(store, plan_prune(store, 0))

    for store in sweep(memory_path, prepare, action):
        assert_in_force(store, KEY, {TWO})
        assert_in_force(store, OTHER, {ONE})
        assert {f.kind for f in verify(store).problems} <= {"view-missing", "view-wrong"}
        action(store)
        assert store.commits(KEY) == (TWO,)
        assert verify(store).findings == ()


def test_repair(memory_path: Path) -> None:
    digest = str(file_of("config.json", FILES["config.json"]).sha256)

    def prepare(store: Store) -> None:
        publish(store)
        publish(store, OTHER)
        overwrite(store.blobs.path(digest), b"{]\n")
        (store.snapshot_path(OTHER, ONE) / "README.md").unlink()

    def action(store: Store) -> None:
        repair(store, verify(store).findings)

    for store in sweep(memory_path, prepare, action):
        action(store)
        assert [finding.kind for finding in verify(store).findings] == ["blob-missing"]
        publish(store)
        publish(store, OTHER)
        assert verify(store).findings == ()
        assert_in_force(store, KEY, {ONE})


def test_the_git_index(memory_path: Path) -> None:
    readme = file_of("README.md", FILES["README.md"])
    for store in sweep(memory_path, publish, rebuild_git_index):
        assert store.git_index.find(readme.blob_id) in (None, readme.sha256)
        rebuild_git_index(store)
        assert store.git_index.find(readme.blob_id) == readme.sha256


def test_create(memory_path: Path) -> None:
    top = memory_path / "top"

    def prepare(at: int) -> Path:
        (top / str(at) / "mirror").mkdir(parents=True)
        return top / str(at)

    for _, root, _ in crash.sweep(prepare, lambda root: Store.create(root / "mirror")):
        with contextlib.suppress(NotAMirrorError):
            assert list(Store.open(root / "mirror").repos()) == []
        publish(Store.create(root / "mirror"))


def test_the_harness_tells_a_kill_from_an_error(tmp_path: Path) -> None:
    def fail() -> None:
        raise ValueError("ours")

    with pytest.raises(AssertionError, match="the action failed"):
        crash.run_until_killed(fail, tmp_path, 1)
    assert crash.run_until_killed((tmp_path / "x").touch, tmp_path, 1)
    assert not (tmp_path / "x").exists()
    assert not crash.run_until_killed((tmp_path / "x").touch, tmp_path, 2)
    assert (tmp_path / "x").exists()
    assert not crash.run_until_killed((tmp_path / "x").read_bytes, tmp_path, 1)


def test_the_harness_kills_a_command(tmp_path: Path) -> None:
    (tmp_path / "x.py").touch()
    command = ["-m", "compileall", "-q", str(tmp_path / "x.py")]
    assert crash.run_command_until_killed(command, tmp_path, 2)
    assert not list(tmp_path.rglob("*.pyc"))
    assert not crash.run_command_until_killed(command, tmp_path, 1000)
    assert list(tmp_path.rglob("*.pyc"))
