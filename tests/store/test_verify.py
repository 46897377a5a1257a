"""Verify finds every kind of damage, and repair does what it can without upstream."""

import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror.names import RepoKey, RepoType
from mirror.store import Store, finish_repair, rebuild_git_index, repair, verify
from tests.store.making import (
    FILES,
    KEY,
    OTHER,
    commit_of,
    contents,
    file_of,
    overwrite,
    publish,
)

ONE, TWO = commit_of("1"), commit_of("2")
CONFIG = file_of("config.json", FILES["config.json"])
ALIAS = RepoKey(RepoType.MODEL, "tiny")


@pytest.fixture
def full(store: Store) -> Store:
    publish(store, refs=("main", "refs/convert/parquet"))
    publish(store, OTHER, files={"README.md": b"# Words\n", "config.json": FILES["config.json"]})
    store.add_alias(ALIAS, KEY)
    return store


def test_a_whole_mirror_has_no_findings(full: Store) -> None:
    seen: list[tuple[int, int]] = []
    report = verify(full, progress=lambda done, total: seen.append((done, total)))

    assert report.findings == ()
    assert (report.checked_repos, report.checked_snapshots, report.checked_blobs) == (2, 2, 4)
    assert report.checked_bytes == sum(len(data) for data in FILES.values()) + len(b"# Words\n")
    assert seen == sorted(seen)
    assert seen[-1] == (report.checked_bytes, report.checked_bytes)


def test_only_the_repos_asked_for(full: Store) -> None:
    full.blobs.write(b"nobody's")
    overwrite(full.blobs.path(str(CONFIG.sha256)), b"{]\n")
    report = verify(full, keys=[ALIAS, KEY])

    assert report.checked_repos == 1
    assert [(f.kind, f.repos) for f in report.findings] == [("blob-corrupt", (KEY,))]


@pytest.mark.parametrize("data", [b"{]\n", b"{", b""])
def test_other_bytes_in_a_blob_are_found_and_moved_away(full: Store, data: bytes) -> None:
    digest = str(CONFIG.sha256)
    overwrite(full.blobs.path(digest), data)
    report = verify(full)

    assert [(f.kind, f.digest, f.path) for f in report.findings] == [
        ("blob-corrupt", digest, "config.json")
    ]
    assert sorted(report.findings[0].repos) == [OTHER, KEY]
    assert report.problems[0].as_json()["repos"] == ["datasets/acme/words", "models/acme/tiny"]

    done = repair(full, report.findings)
    assert done.quarantined == (f"blobs/{digest[:2]}/{digest}",)
    assert sorted(done.to_fetch) == [OTHER, KEY]
    assert (full.layout.quarantine / digest).read_bytes() == data
    assert not full.blobs.has(digest)
    for key in (KEY, OTHER, ALIAS):
        assert "config.json" not in contents(full.layout.snapshot(key, ONE))
    assert [f.kind for f in verify(full).findings] == ["blob-missing"]

    publish(full)
    publish(full, OTHER, files={"README.md": b"# Words\n", "config.json": FILES["config.json"]})
    assert verify(full).findings == ()
    assert contents(full.snapshot_path(KEY, ONE)) == FILES


def test_a_blob_that_came_back_is_put_into_every_snapshot(full: Store) -> None:
    publish(full, commit=TWO, files={**FILES, "README.md": b"# Tiny, again\n"})
    digest = str(CONFIG.sha256)
    overwrite(full.blobs.path(digest), b"{]\n")
    repair(full, verify(full).findings)
    assert finish_repair(full) == ()  # nothing came back yet

    publish(full, commit=TWO, files={**FILES, "README.md": b"# Tiny, again\n"})
    assert "config.json" not in contents(full.snapshot_path(KEY, ONE))
    assert finish_repair(full) == (OTHER, KEY)
    assert contents(full.snapshot_path(KEY, ONE)) == FILES
    assert list(full.layout.quarantine.iterdir()) == []
    assert verify(full).findings == ()


def test_a_missing_blob_is_found(full: Store) -> None:
    full.blobs.remove(str(CONFIG.sha256))
    report = verify(full)

    assert [f.kind for f in report.findings] == ["blob-missing"]
    assert sorted(repair(full, report.findings).to_fetch) == [OTHER, KEY]
    publish(full)
    assert [f.kind for f in verify(full).findings] == []


def test_an_unreadable_blob_is_no_crash(full: Store) -> None:
    path = full.blobs.path(str(CONFIG.sha256))
    path.unlink()
    path.mkdir()
    assert "blob-corrupt" in {finding.kind for finding in verify(full).findings}


def test_what_nothing_refers_to_is_worth_knowing_only(full: Store) -> None:
    digest = full.blobs.write(b"nobody's")
    report = verify(full)

    assert [(f.kind, f.digest) for f in report.findings] == [("blob-unreferenced", digest)]
    assert report.problems == ()


def test_a_damaged_manifest_is_moved_away(full: Store) -> None:
    path = full.layout.manifest(KEY, ONE)
    path.write_bytes(path.read_bytes()[:-20])
    report = verify(full)
    assert ("manifest-damaged", (KEY,), ONE) in [
        (f.kind, f.repos, f.commit) for f in report.findings
    ]

    done = repair(full, report.findings)
    assert done.to_fetch == (KEY,)
    assert full.commits(KEY) == ()
    kinds = {finding.kind for finding in verify(full).problems}
    assert kinds == {"refs-damaged", "view-wrong"}

    publish(full, refs=("main", "refs/convert/parquet"))
    assert verify(full).findings == ()


def test_damaged_refs_are_restored_from_the_log(full: Store) -> None:
    publish(full, commit=TWO, refs=("main",))
    publish(full, commit=TWO, refs=("v1",))
    full.forget_refs(KEY, ["v1"])
    before = full.refs(KEY)
    full.layout.refs(KEY).write_bytes(b'{"main": ')
    report = verify(full)
    assert [f.kind for f in report.problems] == ["refs-damaged"]

    assert repair(full, report.findings).restored_refs == (KEY,)
    assert before == full.refs(KEY) == {"main": TWO, "refs/convert/parquet": ONE}
    assert verify(full).findings == ()


def view_file(store: Store) -> Path:
    return store.snapshot_path(KEY, ONE) / "config.json"


def replace_by_copy(store: Store, data: bytes) -> None:
    view_file(store).unlink()
    view_file(store).write_bytes(data)


DAMAGE: dict[str, Callable[[Store], object]] = {
    "no view at all": lambda store: shutil.rmtree(store.layout.hub),
    "no folder": lambda store: shutil.rmtree(store.layout.view(KEY)),
    "no snapshot": lambda store: shutil.rmtree(store.snapshot_path(KEY, ONE)),
    "no file": lambda store: view_file(store).unlink(),
    "a file too many": lambda store: (view_file(store).parent / "x").touch(),
    "other bytes, same size": lambda store: replace_by_copy(store, b"{]\n"),
    "other size": lambda store: replace_by_copy(store, b"{}"),
    "a link out of it": lambda store: (
        view_file(store).unlink(),
        view_file(store).symlink_to(store.blobs.path(str(CONFIG.sha256))),
    ),
    "a snapshot of nothing": lambda store: store.layout.snapshot(KEY, TWO).mkdir(),
    "no tree": lambda store: shutil.rmtree(store.layout.view(KEY) / "trees"),
    "a tree cut short": lambda store: (
        store.layout.view(KEY) / "trees" / f"{ONE}.json"
    ).write_bytes(b"{"),
    "no refs": lambda store: shutil.rmtree(store.layout.view(KEY) / "refs"),
    "a wrong ref": lambda store: (store.layout.view(KEY) / "refs" / "main").write_text(TWO),
    "a ref with a newline": lambda store: (store.layout.view(KEY) / "refs" / "main").write_text(
        f"{ONE}\n"
    ),
    "a ref too many": lambda store: (store.layout.view(KEY) / "refs" / "v9").write_text(ONE),
    "a folder for a ref": lambda store: (
        (store.layout.view(KEY) / "refs" / "main").unlink(),
        (store.layout.view(KEY) / "refs" / "main").mkdir(),
    ),
    "a file for the refs": lambda store: (
        shutil.rmtree(store.layout.view(KEY) / "refs"),
        (store.layout.view(KEY) / "refs").touch(),
    ),
    "a file for a snapshot": lambda store: (
        shutil.rmtree(store.snapshot_path(KEY, ONE)),
        store.snapshot_path(KEY, ONE).touch(),
    ),
    "no alias": lambda store: store.layout.view(ALIAS).unlink(),
    "an alias of nothing": lambda store: (
        store.layout.view(ALIAS).unlink(),
        store.layout.view(ALIAS).symlink_to("models--nobody--nothing"),
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_to_the_view_is_found_and_made_good(full: Store, damage: str) -> None:
    DAMAGE[damage](full)
    report = verify(full)
    assert report.problems
    assert {finding.kind for finding in report.findings} <= {"view-missing", "view-wrong"}

    done = repair(full, report.findings)
    assert done.quarantined == done.to_fetch == done.restored_refs == ()
    assert verify(full).findings == ()
    assert contents(full.layout.snapshot(ALIAS, ONE)) == FILES


def test_verify_reads_and_changes_nothing(full: Store) -> None:
    overwrite(full.blobs.path(str(CONFIG.sha256)), b"{]\n")
    before = [(path, path.lstat().st_mtime_ns) for path in sorted(full.root.rglob("*"))]
    verify(full)
    assert before == [(path, path.lstat().st_mtime_ns) for path in sorted(full.root.rglob("*"))]


def test_a_corrupt_blob_beside_a_lost_view(full: Store) -> None:
    overwrite(full.blobs.path(str(CONFIG.sha256)), b"{]\n")
    shutil.rmtree(full.layout.hub)
    repair(full, verify(full).findings)

    left = {path: data for path, data in FILES.items() if path != "config.json"}
    assert contents(full.snapshot_path(KEY, ONE)) == left
    assert [f.kind for f in verify(full).findings] == ["blob-missing"]


def test_the_git_index_is_made_anew_from_manifests(full: Store) -> None:
    shutil.rmtree(full.layout.git_index)
    assert full.git_index.find(CONFIG.blob_id) is None
    rebuild_git_index(full)

    assert full.git_index.find(CONFIG.blob_id) == CONFIG.sha256
    shards = [path.read_text() for path in full.layout.git_index.iterdir()]
    lines = "".join(shards).splitlines()
    assert len(lines) == len(set(lines)) == 3
    assert not os.path.lexists(full.root / ".git-index.tmp")


def test_ctrl_c_does_not_wait_for_a_large_blob(full: Store) -> None:
    """Here one of 256 GiB, of which the disk has nothing."""
    blob = full.blobs.path(str(CONFIG.sha256))
    blob.chmod(0o644)
    os.truncate(blob, 1 << 38)
    timer = threading.Timer(0.5, press, [threading.main_thread().ident])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        verify(full)


def press(thread: int) -> None:
    signal.pthread_kill(thread, signal.SIGINT)
