"""Any order of publishing, moving, forgetting, pruning, damage and repair.

Invariant: every snapshot that a ref points at loads entire, from the store and from the
view, and verifies.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from mirror.names import RepoKey, RepoType
from mirror.store import (
    Store,
    apply_prune,
    finish_repair,
    plan_prune,
    rebuild_git_index,
    relink,
    repair,
    verify,
)
from tests.store.making import commit_of, contents, overwrite, publish

KEYS = [RepoKey(RepoType.MODEL, name) for name in ("a/one", "a/two", "legacy")]
PATHS = ("README.md", "sub/a.bin", "sub/deep/b.safetensors")
#: The tree of each commit: a commit is immutable, so its content follows from its number.
TREES = {
    commit_of(str(number)): {path: f"{path} {number // 2}".encode() for path in PATHS}
    for number in range(5)
}

keys = st.sampled_from(KEYS)
commits = st.sampled_from(sorted(TREES))
selections = st.sets(st.sampled_from(PATHS))


class Mirror(RuleBasedStateMachine):
    renames = Bundle("renames")

    def __init__(self) -> None:
        super().__init__()
        # In memory: a barrier on a disk waits for whatever other programs have written.
        shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.top = Path(tempfile.mkdtemp(prefix="mirror-tests-", dir=shared))
        self.store = Store.create(self.top / "mirror")
        self.refs: dict[RepoKey, dict[str, str]] = {}
        self.files: dict[tuple[RepoKey, str], Mapping[str, bytes]] = {}
        self.alias: dict[RepoKey, RepoKey] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.top)

    @rule(
        key=keys,
        commit=commits,
        refs=st.sets(st.sampled_from(["main", "v1", "refs/pr/1", "pin"]), min_size=1),
        chosen=selections,
    )
    def publish(self, key: RepoKey, commit: str, refs: set[str], chosen: set[str]) -> None:
        tree = TREES[commit]
        present = {path: tree[path] for path in chosen}
        absent = {path: tree[path] for path in PATHS if path not in chosen}
        names = tuple(commit if name == "pin" else name for name in refs)
        publish(self.store, key, commit, present, names, absent)
        self.alias.pop(key, None)
        self.refs.setdefault(key, {}).update(dict.fromkeys(names, commit))
        self.files[key, commit] = present

    @rule(target=renames, old=keys, new=keys)
    def rename(self, old: RepoKey, new: RepoKey) -> object:
        if old == new or old in self.alias or new in self.alias:
            return multiple()
        self.store.add_alias(old, new)
        # Older names lead straight on, also when ``old`` becomes another repo's name later.
        self.alias = {k: new if v == old else v for k, v in self.alias.items()} | {old: new}
        moved = self.refs.pop(old, {})
        if moved:
            self.refs[new] = {**moved, **self.refs.get(new, {})}
        for key, commit in [pair for pair in self.files if pair[0] == old]:
            files = self.files.pop((key, commit))
            self.files.setdefault((new, commit), files)
        return old

    @rule(old=consumes(renames))
    def rename_again(self, old: RepoKey) -> None:
        if old in self.alias:
            self.store.add_alias(old, self.store.canonical(old))

    @rule(key=keys, name=st.sampled_from(["main", "v1"]))
    def forget(self, key: RepoKey, name: str) -> None:
        key = self.store.canonical(key)
        self.store.forget_refs(key, [name])
        self.refs.get(key, {}).pop(name, None)

    @rule(keep=st.integers(0, 2))
    def prune(self, keep: int) -> None:
        plan = plan_prune(self.store, keep)
        apply_prune(self.store, plan)
        for item in plan.snapshots:
            assert item.commit not in self.refs[item.key].values()
            del self.files[item.key, item.commit]
        assert plan_prune(self.store, keep).snapshots == ()

    @precondition(lambda self: any(self.files.values()))
    @rule(data=st.data())
    def corrupt_and_repair(self, data: st.DataObject) -> None:
        digest = data.draw(st.sampled_from(sorted(self.store.blobs)))
        overwrite(self.store.blobs.path(digest), b"?")
        damaged = [f for f in verify(self.store).problems if f.digest == digest]
        repair(self.store, damaged)
        for (key, commit), files in self.files.items():  # what the next sync would fetch
            if self.store.missing(self.store.manifest(key, commit)):
                absent = {p: d for p, d in TREES[commit].items() if p not in files}
                publish(self.store, key, commit, files, (), absent)
        finish_repair(self.store)

    @rule(data=st.data())
    def lose_part_of_the_view(self, data: st.DataObject) -> None:
        folders = [path for path in self.store.layout.hub.rglob("*") if path.is_dir()]
        lost = data.draw(st.sampled_from(sorted([self.store.layout.hub, *folders])))
        lost.unlink() if lost.is_symlink() else shutil.rmtree(lost, ignore_errors=True)
        relink(self.store, verify(self.store).findings)

    @rule()
    def lose_the_git_index(self) -> None:
        shutil.rmtree(self.store.layout.git_index, ignore_errors=True)
        rebuild_git_index(self.store)

    @rule()
    def start_again(self) -> None:
        self.store = Store.open(self.store.root)

    @invariant()
    def all_is_there(self) -> None:
        assert verify(self.store).problems == ()
        assert {k: v for k, v in self.refs.items() if v} == {
            key: dict(refs) for key in self.store.repos() if (refs := self.store.refs(key))
        }
        assert set(self.files) == {
            (key, commit) for key in self.store.repos() for commit in self.store.commits(key)
        }
        for (key, commit), files in self.files.items():
            assert contents(self.store.snapshot_path(key, commit)) == files
        assert dict(self.store.aliases()) == self.alias
        for name, key in self.alias.items():
            assert self.store.refs(name) == self.refs.get(key, {})


TestMirror = Mirror.TestCase
TestMirror.settings = settings(
    max_examples=80,
    stateful_step_count=20,
    suppress_health_check=[HealthCheck.too_slow],
)
