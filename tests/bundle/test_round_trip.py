"""Any store → bundle → import → the same snapshots, view and catalog answers; then again.

Full, for a receipt, or since the bundle before; on one volume or on several of a random size,
which come in any order.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

import mirror.api.indexing  # noqa: F401 - or the first example takes a second longer
from mirror.errors import ReplayedBundleError, UsageError
from mirror.names import RepoKey, RepoType
from mirror.store import DoomedRef, Store, apply_prune, plan_prune, verify
from tests.bundle.making import Side, answers, imported, manifest_of, new_side, seen, staged
from tests.store.making import commit_of, contents, publish

KEYS = [
    RepoKey(RepoType.MODEL, "gpt2"),
    RepoKey(RepoType.MODEL, "acme/tiny"),
    RepoKey(RepoType.DATASET, "acme/tiny"),
    RepoKey(RepoType.SPACE, "Team_1/a.b-c"),
]
ALIASES = [RepoKey(RepoType.MODEL, "old-name"), RepoKey(RepoType.DATASET, "old/name")]
PATHS = (
    "README.md",
    "config.json",
    "empty",
    "data/한국어 자료.csv",
    "data/deep/er/e\u0301 ☃.safetensors",
    "-rf",
    "weights.safetensors",
    "x" * 200,
)
REFS = ("main", "v1.0", "refs/pr/1", "refs/convert/parquet", "pin")

#: Few and different contents, so that repos share them; some too large for a pack.
CONTENTS = [b"", b"{}\n", b"---\nlicense: mit\n---\n# T\n", "# 모델\n".encode(), bytes(140_000)]

trees = st.dictionaries(st.sampled_from(PATHS), st.integers(0, len(CONTENTS) - 1), max_size=5)
snapshots = st.tuples(
    st.sampled_from(KEYS),
    st.integers(0, 3),
    trees,
    st.sets(st.sampled_from(PATHS), max_size=2),
    st.sets(st.sampled_from(REFS), min_size=1, max_size=3),
)
states = st.lists(snapshots, max_size=5)
drops = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(["main", "v1.0"])), max_size=2)
aliases = st.lists(st.tuples(st.sampled_from(ALIASES), st.sampled_from(KEYS)), max_size=2)
ways = st.sampled_from(["full", "receipt", "since"])
sizes = st.one_of(st.none(), st.integers(40_000, 400_000))


def act(store: Store, state: list[Any], names: list[Any], clock: list[int]) -> None:
    """Bring the sender into a further state. A commit's tree never changes."""
    for key, number, tree, left_out, refs in state:
        files = {path: CONTENTS[choice] for path, choice in tree.items()}
        commit = commit_of(f"{number} {sorted(files.items())}")
        absent = {path: b"left out" for path in left_out if path not in files}
        commit = commit_of(commit + str(sorted(absent)))
        told = tuple(commit if name == "pin" else name for name in sorted(refs))
        publish(store, key, commit, files, told, absent)
        clock[0] += 1
        seen(store, key, f"2025-01-01T00:{clock[0] // 60:02}:{clock[0] % 60:02}+00:00", clock[0])
    for alias, key in names:
        if alias.repo_type == key.repo_type and store.has(key):
            store.add_alias(alias, key)
            clock[0] += 1
            seen(store, key, f"2025-01-01T00:{clock[0] // 60:02}:{clock[0] % 60:02}+00:00")


def drop(store: Store, refs: list[tuple[RepoKey, str]]) -> None:
    """Follow some refs no more; a repo without any goes, and so does what nothing needs."""
    doomed = {
        DoomedRef(store.canonical(key), ref, commit, "dropped")
        for key, ref in refs
        if (commit := store.refs(key).get(ref))
    }
    with store.write_lock("test"):
        apply_prune(store, plan_prune(store, 0, dropped=doomed))


def carry(sender: Side, lab: Side, top: Path, number: int, way: str, size: int | None) -> None:
    """Export, import in another order, and compare."""
    out = top / f"bundle-{number}"
    told: dict[str, Any] = {}
    if way == "receipt":
        told["receipt"] = lab.receipt(top / f"receipt-{number}.json", signed=False)
    if way == "since" and (top / f"bundle-{number - 1}" / "bundle.json").exists():
        told["since"] = top / f"bundle-{number - 1}"
    plan = sender.mirror.exchange.plan_export((), **told)
    if plan.is_empty:
        return
    try:
        done = sender.mirror.exchange.export(plan, out, volume_size=size)
    except UsageError as error:  # too small for what describes it: it says what would do
        assert "--volume-size" in str(error.hint)
        shutil.rmtree(out, ignore_errors=True)
        done = sender.mirror.exchange.export(plan, out)
    event(f"{way}, {min(len(done.folders), 5)} volumes")
    for folder in done.folders:
        total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        assert size is None or len(done.folders) == 1 or total <= size
    if done.head.id in imported(lab.store):  # nothing has changed: the same bundle
        with pytest.raises(ReplayedBundleError):
            lab.take(out, asks=False)
        return
    for folder in reversed(done.folders):
        (report,) = lab.take(folder, asks=False)
    assert report.exit_code == 0
    if way == "receipt":
        lab.mirror.prune(proposed=True)
    assert_same(sender, lab, removed=way == "receipt")


def assert_same(sender: Side, lab: Side, *, removed: bool) -> None:
    """The lab has all that a ref of the sender leads to; it may have more, of the past.

    Where it has done what was proposed, it has no other refs.
    """
    there, here = sender.store, lab.store
    assert dict(there.aliases()).items() <= dict(here.aliases()).items()
    followed = {key for key in there.repos() if there.refs(key)}
    assert followed <= set(here.repos())
    if removed:
        assert followed == {key for key in here.repos() if here.refs(key)}
        assert answers_of(sender) == answers(lab.mirror)
    for key in followed:
        assert there.refs(key).items() <= here.refs(key).items()
        if removed:
            assert there.refs(key) == here.refs(key)
        for commit in there.refs(key).values():
            assert manifest_of(there, key, commit) == manifest_of(here, key, commit)
            one, other = there.snapshot_path(key, commit), here.snapshot_path(key, commit)
            assert contents(one) == contents(other)
        assert there.history(key) == here.history(key)
    assert verify(here).findings == ()
    assert staged(here) == []


def answers_of(sender: Side) -> list[Any]:
    from mirror.api.indexing import index_changes

    index_changes(sender.store)
    return answers(sender.mirror)


@settings(
    max_examples=25,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    steps=st.lists(st.tuples(states, aliases, drops, ways, sizes), min_size=1, max_size=3),
)
def test_any_store_comes_over_and_stays_in_step(steps: list[Any]) -> None:
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    top = Path(tempfile.mkdtemp(prefix="mirror-tests-", dir=shared))
    try:
        sender, lab = new_side(top / "sender", "outside"), new_side(top / "lab", "lab")
        clock = [0]
        for number, (state, names, dropped, way, size) in enumerate(steps):
            act(sender.store, state, names, clock)
            drop(sender.store, dropped)
            carry(sender, lab, top, number, way, size)
    finally:
        shutil.rmtree(top)
