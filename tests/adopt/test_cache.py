"""A cache that the real huggingface_hub has filled."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from mirror.adopt import Action, Placed, Told, plan_adoption
from mirror.adopt.model import Kind
from mirror.errors import UsageError
from mirror.names import RepoKey, RepoType
from mirror.store import Store
from tests.adopt.making import (
    FILES,
    KEY,
    WEIGHTS,
    add_tiny,
    adopt,
    download,
    manifest_of,
    picture_of,
    synced_files,
)
from tests.sync.lab import Lab, check, files_of, snapshot_tree


@pytest.fixture
def cache(lab: Lab, tmp_path: Path) -> Path:
    """The repo's folder in a cache; what is behind it is gone from the network."""
    return download(lab.hub, tmp_path / "hf" / "hub")


def snapshot_of(cache: Path) -> Path:
    return cache / "snapshots" / (cache / "refs" / "main").read_text()


def blob_of(cache: Path, path: str) -> Path:
    return (snapshot_of(cache) / path).resolve()


@pytest.mark.parametrize("listed", [True, False], ids=["with its listing", "of older clients"])
def test_a_cache_gives_the_files_that_a_sync_gives(
    lab: Lab, cache: Path, tmp_path: Path, listed: bool
) -> None:
    if not listed:
        shutil.rmtree(cache / "trees")

    report = adopt(lab.store, cache)

    assert (0, "ok") == (report.exit_code, report.outcome)
    manifest = manifest_of(lab.store)
    assert synced_files(lab, tmp_path / "other") == manifest.files
    assert (lab.hub.repo("model", "acme/tiny").sha, {}) == (manifest.commit, manifest.upstream)
    assert report.started == manifest.adopted
    assert FILES == files_of(lab.store, KEY)
    check(lab.store)


def test_nothing_is_copied_and_nothing_moved(lab: Lab, cache: Path) -> None:
    before = {path: inode for path, (inode, _, _) in picture_of(cache).items()}

    report = adopt(lab.store, cache)

    assert before == {path: inode for path, (inode, _, _) in picture_of(cache).items()}
    (adopted,) = report.snapshots
    assert (len(FILES), 0) == (
        adopted.placed[Placed.LINK] + adopted.placed[Placed.CLONE],
        adopted.placed[Placed.COPY],
    )
    blob = lab.store.blobs.path(hashlib.sha256(WEIGHTS).hexdigest())
    if adopted.placed[Placed.LINK]:
        assert blob.samefile(blob_of(cache, "model.safetensors"))


def test_copies_leave_the_folder_as_it_was(lab: Lab, cache: Path) -> None:
    before = picture_of(cache)

    report = adopt(lab.store, cache, link=False)

    assert before == picture_of(cache)
    assert 0 == report.snapshots[0].placed[Placed.LINK]
    blob = lab.store.blobs.path(hashlib.sha256(WEIGHTS).hexdigest())
    assert not blob.samefile(blob_of(cache, "model.safetensors"))
    check(lab.store)


def test_another_file_system_is_copied_from(lab: Lab, cache: Path, memory_path: Path) -> None:
    if memory_path.stat().st_dev == lab.store.root.stat().st_dev:
        pytest.skip("one file system only")
    moved = memory_path / cache.name
    shutil.copytree(cache, moved, symlinks=True)

    report = adopt(lab.store, moved)

    assert len(FILES) == report.snapshots[0].placed[Placed.COPY]
    check(lab.store)


def test_wrong_bytes_are_refused_by_name_and_the_others_go_on(
    lab: Lab, cache: Path, tmp_path: Path
) -> None:
    blob = blob_of(cache, "model.safetensors")
    blob.write_bytes(b"x" * len(WEIGHTS))
    config = blob_of(cache, "config.json")
    config.write_bytes(b"too long" * 10)
    modes = [path.stat().st_mode for path in (blob, config)]

    report = adopt(lab.store, cache)

    assert 4 == report.exit_code
    named = {trouble.subject for trouble in report.failed}
    assert {"models/acme/tiny: model.safetensors"} == named
    left_out = report.snapshots[0].plan.found.left_out
    assert "80 bytes long, 22 in the commit" == left_out["config.json"]
    assert modes == [path.stat().st_mode for path in (blob, config)]
    good = {p: c for p, c in FILES.items() if p not in ("model.safetensors", "config.json")}
    assert good == files_of(lab.store, KEY)
    absent = [file.path for file in manifest_of(lab.store).files if not file.present]
    assert ["config.json", "model.safetensors"] == absent
    check(lab.store)


def test_part_of_a_snapshot_becomes_a_partial_one(lab: Lab, tmp_path: Path) -> None:
    cache = download(lab.hub, tmp_path / "hf", allow_patterns=["*.json", "*.md"])

    adopt(lab.store, cache)

    manifest = manifest_of(lab.store)
    assert ["README.md", "config.json"] == [file.path for file in manifest.present_files]
    assert sorted(FILES) == [file.path for file in manifest.files]
    absent = {file.absent_because for file in manifest.files if not file.present}
    assert {"not in the folder that was adopted"} == absent


def test_a_download_that_was_cut_short(lab: Lab, cache: Path) -> None:
    blob = blob_of(cache, "model.safetensors")
    blob.rename(blob.with_suffix(".incomplete"))

    report = adopt(lab.store, cache)

    assert 0 == report.exit_code
    assert ["model.safetensors"] == list(report.snapshots[0].plan.found.left_out)
    assert "model.safetensors" not in files_of(lab.store, KEY)
    check(lab.store)


@pytest.mark.parametrize("listed", [True, False])
def test_a_copy_that_has_followed_the_links(
    lab: Lab, cache: Path, tmp_path: Path, listed: bool
) -> None:
    """As from a USB stick that knows no links: what is LFS is told by the names of the blobs."""
    plain = tmp_path / "usb" / cache.name
    shutil.copytree(cache, plain, symlinks=False)
    if not listed:
        shutil.rmtree(plain / "trees")

    report = adopt(lab.store, plain)

    assert synced_files(lab, tmp_path / "other") == manifest_of(lab.store).files
    assert (0 if listed else len(FILES)) == report.snapshots[0].unproven


def test_the_view_of_another_mirror(lab: Lab, tmp_path: Path) -> None:
    lab.sync()
    other = Store.create(tmp_path / "other")

    report = adopt(other, lab.store.layout.hub)

    assert 0 == report.exit_code
    assert manifest_of(lab.store).files == manifest_of(other).files
    check(other)
    check(lab.store)


class TestFolders:
    def test_of_many_repos(self, lab: Lab, cache: Path) -> None:
        lab.hub.add_repo("dataset", "acme/words", {"a.csv": b"a\n"})
        download(lab.hub, cache.parent, repo_id="acme/words", repo_type="dataset")
        (cache.parent / "models--acme--alias").symlink_to(cache.name)
        (cache.parent / "models--acme--begun" / "snapshots").mkdir(parents=True)
        (cache.parent / ".locks").mkdir(exist_ok=True)

        for place in (cache.parent, cache.parent.parent):
            plan = plan_adoption(lab.store, [place], Told())

            found = [(str(one.found.key), one.found.kind) for one in plan.snapshots]
            assert [
                ("datasets/acme/words", Kind.CACHE),
                ("models/acme/tiny", Kind.CACHE),
            ] == found
            assert {
                "models--acme--alias is another name of models--acme--tiny, which is taken in",
                "models--acme--begun has no snapshot in it",
            } == set(plan.notes)

    @pytest.mark.parametrize("said", [{"key": KEY}, {"commit": "1" * 40}, {"ref": "v1"}])
    def test_a_cache_needs_no_telling(self, lab: Lab, cache: Path, said: dict[str, Any]) -> None:
        with pytest.raises(UsageError, match="says itself"):
            plan_adoption(lab.store, [cache], Told(**said))

    def test_what_is_none(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "some").mkdir()
        for folder in (tmp_path / "some", tmp_path / "not there"):
            with pytest.raises(UsageError):
                plan_adoption(store, [folder], Told())

    def test_a_dry_run_writes_nothing(self, lab: Lab, cache: Path) -> None:
        before = picture_of(lab.store.root), picture_of(cache)

        plan = plan_adoption(lab.store, [cache], Told())

        assert before == (picture_of(lab.store.root), picture_of(cache))
        assert len(FILES) == plan.snapshots[0].count(Action.TAKE)
        assert sum(map(len, FILES.values())) == plan.to_read
        assert json.loads(json.dumps(plan.as_json())) == plan.as_json()


class TestRefs:
    def test_two_snapshots_share_their_bytes(self, lab: Lab, cache: Path) -> None:
        repo = lab.hub.repo("model", "acme/tiny")
        repo.tag("v1.0")
        old = repo.sha
        new = repo.commit({"config.json": b"{}"})
        download(lab.hub, cache.parent)
        download(lab.hub, cache.parent, revision="v1.0")

        report = adopt(lab.store, cache)

        assert {"main": new, "v1.0": old} == dict(lab.store.refs(KEY))
        assert [1, 5] == sorted(one.placed.total() for one in report.snapshots)
        check(lab.store)

    def test_a_snapshot_without_a_ref_is_pinned(self, lab: Lab, cache: Path) -> None:
        repo = lab.hub.repo("model", "acme/tiny")
        old = repo.sha
        new = repo.commit({"config.json": b"{}"})
        download(lab.hub, cache.parent)

        adopt(lab.store, cache)

        assert {"main": new, old: old} == dict(lab.store.refs(KEY))

    def test_a_ref_of_the_mirror_is_not_moved_back(self, lab: Lab, cache: Path) -> None:
        repo = lab.hub.repo("model", "acme/tiny")
        old = repo.sha
        new = repo.commit({"config.json": b"{}"})
        lab.sync()

        report = adopt(lab.store, cache)

        assert {"main": new, old: old} == dict(lab.store.refs(KEY))
        (note,) = report.snapshots[0].plan.notes
        assert note == f"main stays at {new[:12]} here; the folder has {old[:12]} for it"
        assert {**FILES, "config.json": b"{}"} == files_of(lab.store, KEY)
        check(lab.store)

    def test_again_changes_nothing(self, lab: Lab, cache: Path) -> None:
        adopt(lab.store, cache)
        before = snapshot_tree(lab.store.root)

        report = adopt(lab.store, cache)

        assert [(True, False)] == [(s.plan.unchanged, s.published) for s in report.snapshots]
        assert before == snapshot_tree(lab.store.root)

    def test_an_old_name_of_a_mirrored_repo(self, lab: Lab, cache: Path) -> None:
        lab.hub.rename("model", "acme/tiny", "acme-labs/tiny")
        lab.sync()
        now = RepoKey(RepoType.MODEL, "acme-labs/tiny")

        report = adopt(lab.store, cache)

        assert [now] == [one.plan.found.key for one in report.snapshots]
        assert [now] == list(lab.store.repos())
        assert {KEY: now} == dict(lab.store.aliases())

    def test_what_a_sync_left_out_is_filled_in(self, lab: Lab, cache: Path) -> None:
        lab.selection += 'exclude = "*.safetensors"\n'
        lab.sync()
        assert "model.safetensors" not in files_of(lab.store, KEY)
        upstream = manifest_of(lab.store).upstream

        adopt(lab.store, cache)

        manifest = manifest_of(lab.store)
        assert FILES == files_of(lab.store, KEY)
        assert (None, upstream) == (manifest.adopted, manifest.upstream)
        check(lab.store)


class TestStrangers:
    def test_links_out_of_the_folder(self, lab: Lab, cache: Path, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_bytes(b"secret")
        shutil.rmtree(cache / "trees")
        snapshot = snapshot_of(cache)
        (snapshot / "out.txt").symlink_to(secret)
        (snapshot / "up.txt").symlink_to("../../../../../secret")
        (snapshot / "folder").symlink_to(tmp_path)
        named = cache / "blobs" / hashlib.sha256(b"secret").hexdigest()
        named.symlink_to(secret)
        (snapshot / "two.txt").symlink_to(named)

        report = adopt(lab.store, cache)

        assert {"out.txt", "up.txt", "folder", "two.txt"} == set(
            report.snapshots[0].plan.found.left_out
        )
        assert FILES == files_of(lab.store, KEY)
        assert not lab.store.blobs.has(hashlib.sha256(b"secret").hexdigest())

    def test_pipes_and_names_that_steer(self, lab: Lab, cache: Path) -> None:
        shutil.rmtree(cache / "trees")
        snapshot = snapshot_of(cache)
        os.mkfifo(snapshot / "pipe")
        os.mkfifo(cache / "refs" / "pipe")
        (snapshot / "bad\x1bname").write_bytes(b"x")
        (snapshot / "back\\slash").write_bytes(b"x")
        (snapshot / os.fsdecode(b"\xff")).write_bytes(b"x")

        report = adopt(lab.store, cache)

        left_out = set(report.snapshots[0].plan.found.left_out)
        assert {"pipe", "bad\x1bname", "back\\slash", "\ufffd"} == left_out
        assert ["its ref 'pipe' cannot be read"] == [t.message for t in report.troubles]
        assert FILES == files_of(lab.store, KEY)

    @pytest.mark.parametrize(
        "listing",
        [
            b"{",
            b"[" * 100_000,
            b'{"format_version": 2, "files": {}}',
            b'{"format_version": 1, "files": {"../up": {"size": 1, "blob_id": "%s"}}}'
            % (b"1" * 40),
            b'{"format_version": 1, "files": {"a": {"size": -1, "blob_id": "%s"}}}' % (b"1" * 40),
            b'{"format_version": 1, "files": {"a": {"size": 1, "blob_id": "no"}}}',
            b'{"format_version": 1, "files": {"a": []}}',
        ],
    )
    def test_a_listing_that_cannot_be_true_counts_as_none(
        self, lab: Lab, cache: Path, listing: bytes
    ) -> None:
        (cache / "trees" / f"{snapshot_of(cache).name}.json").write_bytes(listing)

        report = adopt(lab.store, cache)

        assert (0, sorted(FILES)) == (
            report.exit_code,
            [file.path for file in manifest_of(lab.store).files],
        )

    def test_a_listing_that_contradicts_itself(self, lab: Lab, cache: Path) -> None:
        path = cache / "trees" / f"{snapshot_of(cache).name}.json"
        value = json.loads(path.read_text())
        value["files"]["config.json/below"] = value["files"]["config.json"]
        path.write_text(json.dumps(value))

        report = adopt(lab.store, cache)

        assert (4, False) == (report.exit_code, lab.store.has(KEY))

    def test_a_snapshot_that_is_a_link(self, lab: Lab, cache: Path, tmp_path: Path) -> None:
        snapshot = snapshot_of(cache)
        snapshot.rename(cache / "snapshots" / "shared")
        snapshot.symlink_to("shared")
        (cache / "snapshots" / ("1" * 40)).symlink_to(tmp_path)

        report = adopt(lab.store, cache)

        assert FILES == files_of(lab.store, KEY)
        assert 1 == len(report.troubles)
        assert "leads out" in report.troubles[0].message

    def test_names_that_differ_by_case(self, lab: Lab, tmp_path: Path) -> None:
        lab.hub.remove("model", "acme/tiny")
        add_tiny(lab.hub, {"Data/a.txt": b"1", "data/a.txt": b"2"})
        cache = download(lab.hub, tmp_path / "hf")

        report = adopt(lab.store, cache)

        assert {"Data/a.txt": b"1", "data/a.txt": b"2"} == files_of(lab.store, KEY)
        assert 1 == len(report.snapshots[0].plan.notes)
