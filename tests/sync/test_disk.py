"""A disk that is full or read-only, files of the mirror that are damaged, two syncs at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from mirror.errors import LockedError, NotAMirrorError, UnknownFormatError
from mirror.store import Store, repair, verify
from mirror.sync.model import Outcome, Progress, RepoPlan
from tests.fakehub import Status, Truncate
from tests.fakehub.content import PatternContent
from tests.sync.lab import (
    LARGE,
    Lab,
    check_complete,
    entries,
    files_of,
    model,
    picture,
    snapshot_tree,
)

KEY = model("acme/tiny")
TOP = Path(__file__).parents[2]

#: A sync in a mount namespace of its own, with a disk of a few MB.
SMALL_DISK = (
    'mount -t tmpfs -o size="$1" tmpfs "$2" && cp -a "$3" "$2/mirror" && '
    'exec "$4" -m tests.sync.child "$2/mirror" "$5"'
)

READ_ONLY = (
    'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && '
    'exec "$2" -m tests.sync.child "$1" "$3"'
)


def needs_mounts() -> None:
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if done.returncode:
        pytest.skip(f"mount namespaces are not permitted here: {done.stderr.strip()}")


def sync_on_a_disk_of(size: str, lab: Lab, tmp_path: Path) -> dict[str, Any]:
    """Sync a copy of the mirror on a small disk; give the report, and what verify found."""
    needs_mounts()
    settings, disk = tmp_path / "mirror.toml", tmp_path / "disk"
    settings.write_text(f'[upstream]\nendpoint = "{lab.hub.endpoint}"\n{lab.selection}')
    disk.mkdir()
    command = [
        "unshare", "-rm", "sh", "-c", SMALL_DISK, "sh", size, str(disk), str(lab.store.root),
        sys.executable, str(settings),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=60)
    assert (0, "") == (done.returncode, done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    assert [] == found["findings"]
    return found


def ids(problems: list[dict[str, str]]) -> list[str]:
    return sorted(one["repo_id"] for one in problems)


def test_what_does_not_fit_on_the_disk(lab: Lab, tmp_path: Path) -> None:
    """It is told before it is begun; what does fit is fetched."""
    lab.sync()
    lab.hub.repo("model", "acme/tiny").commit({"large.bin": PatternContent(LARGE, seed=1)})
    lab.hub.add_repo("model", "acme/huge", {"w.bin": PatternContent(8 * LARGE, seed=2)})
    lab.hub.add_repo("model", "acme/slim", {"a.txt": "a"})
    lab.selection = entries("acme/huge", "acme/tiny", "acme/slim")
    lab.hub.clear()
    found = sync_on_a_disk_of("5M", lab, tmp_path)
    assert (["acme/huge"], "disk") == (ids(found["failed"]), found["failed"][0]["error"])
    assert (["acme/slim", "acme/tiny"], 4) == (ids(found["published"]), found["exit_code"])
    assert {LARGE + 1} == {lab.hub.sent["resolve"]}


def test_what_fits_alone_but_not_together(lab: Lab, tmp_path: Path) -> None:
    """As many as have room come in whole, instead of all of them in part."""
    names = [f"acme/m{number}" for number in range(4)]
    for number, name in enumerate(names):
        lab.hub.add_repo("model", name, {"w.bin": PatternContent(LARGE, seed=number)})
    lab.selection = entries(*names)
    found = sync_on_a_disk_of("8M", lab, tmp_path)
    assert (2, 2) == (len(found["published"]), len(found["failed"]))
    assert {"disk"} == {one["error"] for one in found["failed"]}
    assert 2 * LARGE == found["received_bytes"]


def test_a_disk_that_fills_while_files_come(lab: Lab, tmp_path: Path) -> None:
    """There was room when it began: for 400 files of a few bytes, which take 4 kB each."""
    lab.sync()
    lab.hub.repo("model", "acme/tiny").commit({f"{n}.txt": b"%d" % n for n in range(400)})
    found = sync_on_a_disk_of("1M", lab, tmp_path)
    # So full that there is no room for the report either: then the error is the answer.
    assert ("disk", 9) == (found["error"], found["exit_code"])
    assert "No space left on device" in found["message"]
    assert "mirror prune" in found["hint"]


def test_what_is_partly_there_needs_room_for_the_rest_only(lab: Lab, tmp_path: Path) -> None:
    lab.hub.repo("model", "acme/tiny").commit({"large.bin": PatternContent(LARGE, seed=1)})
    lab.transfer = lab.transfer.replace("connections_per_file = 2", "connections_per_file = 1")
    lab.hub.fault("resolve", path="large.bin", kind=Truncate(at=2**21), times=1)
    lab.hub.fault("resolve", path="large.bin", kind=Status(500), times=None)
    assert ["transport"] == [one.error for one in lab.sync().failed]
    lab.hub.clear_faults()
    found = sync_on_a_disk_of("4M", lab, tmp_path)
    assert (["acme/tiny"], []) == (ids(found["published"]), found["failed"])
    assert LARGE - 2**21 <= found["received_bytes"] < LARGE


def test_a_folder_that_is_read_only(lab: Lab, tmp_path: Path) -> None:
    """Not a run, and no traceback: nothing can be written, not even the lock."""
    needs_mounts()
    lab.sync()
    before = snapshot_tree(lab.store.root)
    settings = tmp_path / "mirror.toml"
    settings.write_text(f'[upstream]\nendpoint = "{lab.hub.endpoint}"\n{lab.selection}')
    command = [
        "unshare", "-rm", "sh", "-c", READ_ONLY, "sh", str(lab.store.root), sys.executable,
        str(settings),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=60)
    assert (0, "") == (done.returncode, done.stderr)
    found = json.loads(done.stdout)
    assert ("disk", 9) == (found["error"], found["exit_code"])
    assert "Read-only file system" in found["message"]
    assert before == snapshot_tree(lab.store.root)


# --- damaged files of the mirror ------------------------------------------------------


@pytest.mark.parametrize("text", ["", "{", "[]", '{"main": "../../x"}', '{"main": 3}', "\0" * 99])
def test_refs_that_are_damaged(lab: Lab, text: str) -> None:
    """Nothing is guessed: a problem each time, the snapshot stays, and repair helps."""
    lab.sync()
    old = files_of(lab.store, KEY)
    lab.hub.repo("model", "acme/tiny").commit({"README.md": "# Two\n"})
    lab.store.layout.refs(KEY).write_text(text)
    report = lab.sync()
    assert [(KEY, "damaged", True)] == [(one.subject, one.error, one.kept) for one in report.failed]
    assert 7 == report.exit_code
    assert "mirror verify --repair" in str(report.failed[0].hint)
    assert old == files_of(lab.store, KEY)
    assert text == lab.store.layout.refs(KEY).read_text()

    with lab.store.write_lock("repair"):
        repair(lab.store, verify(lab.store).findings)
    assert Outcome.OK is lab.sync().outcome
    check_complete(lab, KEY)


@pytest.mark.parametrize("text", ["", "{", "null", '{"format": 2}'])
def test_a_manifest_that_is_damaged_is_written_anew(lab: Lab, text: str) -> None:
    lab.sync()
    before = picture(lab.store)
    place = lab.store.layout.manifest(KEY, lab.store.resolve(KEY))
    place.write_text(text)
    plan = lab.plan()
    assert ["fill"] == [repo.change.value for repo in plan.repos]
    assert [("retention", "damaged")] == [(one.subject, one.error) for one in plan.failed]
    lab.hub.clear()
    report = lab.sync()
    assert (Outcome.OK, ["fill"]) == (report.outcome, [c.change.value for c in report.published])
    assert 0 == lab.hub.counts["resolve"]
    assert before == picture(lab.store)


def test_the_manifest_of_another_commit_is_damage_too(lab: Lab) -> None:
    lab.sync()
    first = lab.store.resolve(KEY)
    lab.hub.repo("model", "acme/tiny").commit({"README.md": "# Two\n"})
    lab.sync()
    before = picture(lab.store)
    second = lab.store.resolve(KEY)
    shutil.copyfile(lab.store.layout.manifest(KEY, first), lab.store.layout.manifest(KEY, second))
    assert Outcome.OK is lab.sync().outcome
    assert before == picture(lab.store)


def test_a_format_of_another_version(lab: Lab) -> None:
    lab.sync()
    (lab.store.root / "format").write_text("2\n")
    with pytest.raises(UnknownFormatError, match="has format '2'"):
        Store.open(lab.store.root)
    (lab.store.root / "format").unlink()
    with pytest.raises(NotAMirrorError):
        Store.open(lab.store.root)


def test_derived_things_may_be_away(lab: Lab) -> None:
    """The index of git's names, partial/ and runs/: a sync makes them anew."""
    lab.sync()
    for name in ("git-index", "partial", "runs"):
        shutil.rmtree(lab.store.root / name)
    lab.hub.repo("model", "acme/tiny").commit({"README.md": "# Two\n"})
    assert Outcome.OK is lab.sync().outcome
    check_complete(lab, KEY)


# --- one writer ------------------------------------------------------------------------


def test_two_syncs_at_once(lab: Lab) -> None:
    seen: list[Exception] = []

    class Second(Progress):
        def planned(self, plan: RepoPlan) -> None:
            def sync() -> None:
                try:
                    lab.sync()
                except LockedError as error:
                    seen.append(error)

            thread = threading.Thread(target=sync)
            thread.start()
            thread.join()

    assert Outcome.OK is lab.sync(progress=Second()).outcome
    assert f"sync, pid {os.getpid()} on " in str(seen[0])
    assert 8 == LockedError.exit_code
    assert 1 == len(list(lab.store.reports()))
    with (
        lab.store.write_lock("a test"),
        pytest.raises(LockedError, match="another process writes to this mirror: a test, pid"),
    ):
        lab.repair(KEY)
    assert 1 == lab.sync().unchanged
