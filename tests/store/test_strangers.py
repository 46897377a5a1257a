"""A mirror folder from somebody else: links out of it, pipes, and files where folders belong.

Nothing outside the mirror is read into it, written to or removed, and nothing hangs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mirror.errors import DamagedError, DiskError, StoreError
from mirror.store import Observation, Store, apply_prune, plan_prune, repair, verify
from mirror.store.repair import rebuild_view
from tests.store.making import FILES, KEY, OTHER, commit_of, contents, overwrite, publish

C1 = commit_of("1")


@pytest.fixture
def outside(memory_path: Path) -> Iterator[Path]:
    """A folder of ours that a link in the mirror leads to: it is as it was, afterwards."""
    folder = memory_path / "home"
    (folder / "sub").mkdir(parents=True)
    for name in ("main", "README.md", ".profile", "sub/letter", f"{C1}.json"):
        (folder / name).write_text(f"mine: {name}")
        os.utime(folder / name, (0, 0))
    before = contents(folder)
    yield folder
    assert before == contents(folder)


def lead_away(path: Path, target: Path) -> None:
    """Put a link in the place of a folder or file of the mirror."""
    if path.exists():
        path.rename(path.with_name(f"{path.name}.old"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def view_of(store: Store) -> Path:
    return store.layout.view(KEY)


@pytest.mark.parametrize("name", ["refs", "snapshots", "trees", f"snapshots/{C1}"])
@pytest.mark.parametrize("again", [False, True], ids=["publish", "rebuild"])
def test_a_view_that_leads_away_is_made_anew(
    store: Store, outside: Path, name: str, again: bool
) -> None:
    publish(store)
    lead_away(view_of(store) / name, outside)
    if again:
        rebuild_view(store, KEY)
    else:
        publish(store)
    assert FILES == contents(store.snapshot_path(KEY, C1))
    assert C1 == (view_of(store) / "refs/main").read_text()
    assert not (view_of(store) / name).is_symlink()


def test_a_folder_of_a_snapshot_that_leads_away_is_made_anew(store: Store, outside: Path) -> None:
    publish(store)
    lead_away(store.snapshot_path(KEY, C1) / "weights", outside)
    publish(store)
    assert FILES == contents(store.snapshot_path(KEY, C1))


def test_verify_says_that_the_view_leads_away(store: Store, outside: Path) -> None:
    publish(store)
    elsewhere = view_of(store).with_name("elsewhere")
    (view_of(store) / "snapshots").rename(elsewhere)
    (view_of(store) / "snapshots").symlink_to(elsewhere)
    report = verify(store)
    assert ["view-missing"] == [finding.kind for finding in report.problems]
    repair(store, report.findings)
    assert () == verify(store).problems


def test_a_damaged_file_is_not_looked_for_behind_a_link(store: Store, outside: Path) -> None:
    publish(store)
    digest = next(file.sha256 for file in store.manifest(KEY, C1).files if file.path == "README.md")
    overwrite(store.blobs.path(str(digest)), b"# tiny\n")
    lead_away(store.snapshot_path(KEY, C1), outside)
    repair(store, verify(store).findings)


@pytest.mark.parametrize("name", ["partial", "quarantine", "runs"])
def test_prune_removes_nothing_behind_a_link(store: Store, outside: Path, name: str) -> None:
    publish(store)
    (outside / ".mine.tmp").write_text("mine")
    lead_away(store.root / name, outside)
    plan = plan_prune(store, 0, stale_after=timedelta(0))
    apply_prune(store, plan)
    assert () == plan.leftovers
    (outside / ".mine.tmp").unlink()


def test_a_rename_removes_nothing_behind_a_link(store: Store, outside: Path) -> None:
    publish(store)
    lead_away(store.layout.commits(KEY), outside)
    with pytest.raises(DamagedError):
        store.add_alias(KEY, type(KEY)(KEY.repo_type, "acme/new"))


@pytest.mark.parametrize("name", [f"commits/.{C1}.json.tmp", ".refs.json.tmp"])
def test_a_temporary_that_is_a_link_is_not_written_through(
    store: Store, outside: Path, name: str
) -> None:
    lead_away(store.layout.repo(KEY) / name, outside / ".profile")
    publish(store)
    assert C1 == store.refs(KEY)["main"]


@pytest.mark.parametrize("name", ["history.jsonl", "ref_log.jsonl"])
def test_a_journal_that_is_a_link_is_not_written_through(
    store: Store, outside: Path, name: str
) -> None:
    lead_away(store.layout.repo(KEY) / name, outside / ".profile")
    with pytest.raises(DiskError, match=name) as caught:
        publish(store)
        store.observe(KEY, Observation("2026-01-01T00:00:00Z"))
    assert "symbolic link" in str(caught.value.hint)


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (lambda store: store.layout.manifest(KEY, C1), "manifest-damaged"),
        (lambda store: store.layout.refs(KEY), "refs-damaged"),
        (lambda store: view_of(store) / "refs/main", "view-wrong"),
        (lambda store: view_of(store) / "trees" / f"{C1}.json", "view-wrong"),
        (lambda store: store.snapshot_path(KEY, C1) / "README.md", "view-wrong"),
    ],
    ids=["manifest", "refs", "ref of the view", "tree of the view", "file of the view"],
)
def test_a_pipe_in_place_of_a_file_is_found_and_replaced(
    store: Store, place: Callable[[Store], Path], kind: str
) -> None:
    publish(store)
    pipe(place(store))
    report = verify(store)
    assert kind in {finding.kind for finding in report.problems}
    repair(store, report.findings)
    publish(store)
    assert () == verify(store).problems


@pytest.mark.parametrize("make", [pipe, lambda path: lead_away(path, Path("/dev/zero"))])
def test_a_blob_that_is_no_file_is_moved_away(store: Store, make: Callable[[Path], None]) -> None:
    publish(store)
    digest = next(file.sha256 for file in store.manifest(KEY, C1).files if file.path == "README.md")
    path = store.blobs.path(str(digest))
    make(path)
    report = verify(store)
    assert "blob-corrupt" in {finding.kind for finding in report.problems}
    repair(store, report.findings)
    assert not os.path.lexists(path)
    publish(store)
    assert () == verify(store).problems


def test_other_pipes_are_named(store: Store) -> None:
    publish(store, OTHER)
    store.observe(OTHER, Observation("2026-01-01T00:00:00Z"))
    pipe(store.layout.history(OTHER))
    pipe(store.layout.runs / "20260101T000000.000000Z.json")
    with pytest.raises(DamagedError, match="not a regular file"):
        store.history(OTHER)
    assert [{"damaged": "20260101T000000.000000Z.json"}] == list(store.reports())
    pipe(store.layout.format)
    with pytest.raises(StoreError, match="not a regular file"):
        Store.open(store.root)


@pytest.mark.parametrize("name", ["kind", "outcome", "summary", "started", "finished", "endpoint"])
@pytest.mark.parametrize("value", [[], {}, 5, True])
def test_a_report_of_another_form_is_damaged(store: Store, name: str, value: object) -> None:
    path = store.write_report({"kind": "sync", name: value}, datetime(2026, 1, 1, tzinfo=UTC))
    assert [{"damaged": path.name}] == list(store.reports())


def test_an_observation_keeps_only_what_has_its_type(store: Store) -> None:
    publish(store)
    record = {"time": "2026", "state": "gone", "detail": ["x"], "license": 5, "commit": {}}
    store.layout.history(KEY).write_text(json.dumps(record) + "\n" + "[" * 5000 + "\n")
    assert [Observation("2026", "gone")] == store.history(KEY)


def test_a_manifest_of_more_bytes_than_can_be_counted_is_damaged(store: Store) -> None:
    publish(store)
    path = store.layout.manifest(KEY, C1)
    text = path.read_text().replace('"size":1000', '"size":9007199254740993')
    path.write_text(text.replace('"size": 1000', '"size": 9007199254740993'))
    with pytest.raises(DamagedError):
        store.manifest(KEY, C1)


def test_a_pipe_in_place_of_a_manifest_is_written_anew_by_a_sync(store: Store) -> None:
    publish(store)
    pipe(store.layout.manifest(KEY, C1))
    publish(store)
    assert () == verify(store).problems
