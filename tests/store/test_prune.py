"""What prune removes, and above all what it does not."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mirror.errors import DamagedError
from mirror.store import Observation, Store, apply_prune, hash_bytes, plan_prune, verify
from tests.store.making import FILES, KEY, OTHER, commit_of, contents, publish

COMMITS = [commit_of(str(number)) for number in range(4)]
NOW = datetime.now(UTC)


def versions(store: Store) -> None:
    """Four snapshots of main: each with one file of its own."""
    for number, commit in enumerate(COMMITS):
        publish(store, commit=commit, files={**FILES, "own.txt": b"%d" % number})


def age(path: Path, days: float) -> None:
    time = (NOW - timedelta(days=days)).timestamp()
    os.utime(path, (time, time), follow_symlinks=False)


@pytest.mark.parametrize("keep", [0, 1, 2, 3, 9])
def test_the_newest_older_snapshots_stay(store: Store, keep: int) -> None:
    versions(store)
    plan = plan_prune(store, keep)
    going = COMMITS[: max(0, 3 - keep)]

    assert sorted(going) == sorted(item.commit for item in plan.snapshots)
    assert {item.why for item in plan.snapshots} <= {f"main has moved on, and keeps {keep} older"}
    own = {hash_bytes(b"%d" % number).sha256 for number in range(len(going))}
    assert own == {blob.digest for blob in plan.blobs}
    assert plan.freed == len(going)
    assert len(store.commits(KEY)) == 4  # a plan only

    apply_prune(store, plan)
    assert set(store.commits(KEY)) == set(COMMITS) - set(going)
    assert store.resolve(KEY) == COMMITS[3]
    assert not any(store.blobs.has(digest) for digest in own)
    assert verify(store).findings == ()
    assert plan_prune(store, keep).as_json() == {
        "refs": [], "snapshots": [], "blobs": [], "leftovers": [], "freed": 0,
    }  # fmt: skip


def test_what_other_repos_need_stays(store: Store) -> None:
    versions(store)
    publish(store, OTHER, files={"own.txt": b"0"})
    apply_prune(store, plan_prune(store, 0))

    assert contents(store.snapshot_path(OTHER, COMMITS[1])) == {"own.txt": b"0"}
    assert verify(store).findings == ()


def test_pinned_commits_and_other_refs_stay(store: Store) -> None:
    versions(store)
    publish(store, commit=COMMITS[0], files={**FILES, "own.txt": b"0"}, refs=(COMMITS[0],))
    publish(store, commit=COMMITS[1], files={**FILES, "own.txt": b"1"}, refs=("v1",))

    assert [item.commit for item in plan_prune(store, 0).snapshots] == [COMMITS[2]]
    store.forget_refs(KEY, [COMMITS[0]])
    assert len(plan_prune(store, 0).snapshots) == 2


def test_protected_repos_keep_all(store: Store) -> None:
    versions(store)
    assert plan_prune(store, 0, protected=[KEY]).snapshots == ()


def test_no_state_upstream_removes_anything(store: Store) -> None:
    publish(store)
    for state in ("gone", "unauthorized", "gated", "disabled"):
        store.observe(KEY, Observation(time="2020-01-01T00:00:00Z", state=state))
    assert plan_prune(store, 0).as_json()["freed"] == 0


def test_the_last_snapshot_of_a_repo_stays(store: Store) -> None:
    publish(store, commit=COMMITS[0], refs=(), created="2025-01-02T00:00:00Z")
    publish(store, commit=COMMITS[1], refs=(), created="2025-01-03T00:00:00Z")
    publish(store, commit=COMMITS[2], refs=(), created="2025-01-01T00:00:00Z")
    plan = plan_prune(store, 0)

    assert sorted(COMMITS[:3:2]) == sorted(item.commit for item in plan.snapshots)
    assert {item.why for item in plan.snapshots} == {"no ref points at it"}


def test_what_was_fetched_and_not_published_stays_for_a_while(store: Store) -> None:
    digest = store.blobs.write(b"half a repo")
    partial = store.layout.partial / digest
    partial.write_bytes(b"xyz")
    assert plan_prune(store, 0).freed == 0

    age(store.blobs.path(digest), 8)
    age(partial, 8)
    plan = plan_prune(store, 0)
    assert plan.freed == len(b"half a repo") + 3
    apply_prune(store, plan)
    assert list(store.blobs) == []
    assert list(store.layout.partial.iterdir()) == []
    store.blobs.write(b"new")
    assert plan_prune(store, 0, stale_after=timedelta(0), now=NOW + timedelta(hours=1)).freed == 3


def test_temporaries_of_a_killed_process_go_at_once(store: Store) -> None:
    publish(store)
    digest = next(iter(store.blobs))
    leftovers = [
        store.root / ".format.tmp",
        store.layout.runs / ".x.json.tmp",
        store.layout.repo(KEY) / ".refs.json.tmp",
        store.layout.commits(KEY) / f".{COMMITS[1]}.json.tmp",
        store.layout.blobs / digest[:2] / f".{digest}.1.tmp",
        store.layout.hub / ".models--x.tmp",
    ]
    for path in leftovers:
        path.write_text("x")
    scratch = store.layout.view(KEY) / f".{COMMITS[1]}.tmp"
    (scratch / "sub").mkdir(parents=True)
    plan = plan_prune(store, 0)

    expected = {str(path.relative_to(store.root)) for path in [*leftovers, scratch]}
    assert expected == {file.path for file in plan.leftovers}
    apply_prune(store, plan)
    assert not any(path.exists() for path in [*leftovers, scratch])
    assert verify(store).findings == ()


def test_quarantine_is_emptied_in_time(store: Store) -> None:
    store.layout.quarantine.mkdir()
    path = store.layout.quarantine / "x"
    path.write_text("x")
    assert plan_prune(store, 0).leftovers == ()
    age(path, 30)
    assert [file.path for file in plan_prune(store, 0).leftovers] == ["quarantine/x"]


@pytest.mark.parametrize("name", ["manifest", "refs"])
def test_a_damaged_store_is_not_pruned(store: Store, name: str) -> None:
    versions(store)
    path = store.layout.refs(KEY) if name == "refs" else store.layout.manifest(KEY, COMMITS[0])
    path.write_text("{")
    with pytest.raises(DamagedError, match=path.name):
        plan_prune(store, 0)


def test_a_plan_that_is_out_of_date_is_refused(store: Store) -> None:
    versions(store)
    plan = plan_prune(store, 0)
    publish(store, commit=COMMITS[0], files={**FILES, "own.txt": b"0"}, refs=("v1",))
    with pytest.raises(DamagedError, match="out of date"):
        apply_prune(store, plan)
    assert verify(store).findings == ()
