"""A clone that the real git has made, with LFS objects laid where git LFS keeps them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mirror.adopt import HUB_HOSTS, Placed, Told, plan_adoption
from mirror.adopt.git_clone import git_folder, key_of_clone, key_of_url
from mirror.errors import StoreError, UsageError
from mirror.names import RepoKey
from mirror.store import Store
from tests.adopt.making import (
    FILES,
    KEY,
    WEIGHTS,
    adopt,
    git,
    lfs_object,
    make_clone,
    manifest_of,
    name_commit,
    picture_of,
    pointer,
    synced_files,
)
from tests.sync.lab import Lab, check, files_of

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git here")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    make_clone(tmp_path / "clone")
    return tmp_path / "clone"


def test_a_clone_gives_the_files_that_a_sync_gives(lab: Lab, clone: Path, tmp_path: Path) -> None:
    before = picture_of(clone / ".git")

    report = adopt(lab.store, clone)

    assert (0, "ok") == (report.exit_code, report.outcome)
    assert git(clone, "rev-parse", "HEAD") == manifest_of(lab.store).commit
    assert synced_files(lab, tmp_path / "other") == manifest_of(lab.store).files
    assert FILES == files_of(lab.store, KEY)
    after = picture_of(clone / ".git")
    assert [(i, data) for i, _, data in before.values()] == [(i, d) for i, _, d in after.values()]
    check(lab.store)


def test_lfs_objects_are_shared(store: Store, clone: Path) -> None:
    report = adopt(store, clone)

    placed = report.snapshots[0].placed
    assert 1 == placed[Placed.LINK] + placed[Placed.CLONE]
    if placed[Placed.LINK]:
        digest = lfs_object(clone, WEIGHTS).name
        assert store.blobs.path(digest).samefile(lfs_object(clone, WEIGHTS))


def test_the_next_sync_fetches_nothing(lab: Lab, clone: Path) -> None:
    adopt(lab.store, clone)
    name_commit(lab.hub.repo("model", "acme/tiny"), git(clone, "rev-parse", "HEAD"))
    lab.hub.clear()

    report = lab.sync()

    assert (0, 0) == (report.exit_code, report.fetched.files)
    assert [] == lab.hub.asked("resolve")
    assert None is manifest_of(lab.store).adopted


def test_what_is_committed_counts_not_the_working_tree(store: Store, clone: Path) -> None:
    (clone / "config.json").write_bytes(b"changed")
    (clone / "README.md").unlink()
    (clone / "new.txt").write_bytes(b"new")
    git(clone, "add", "new.txt")

    adopt(store, clone)

    assert FILES == files_of(store, KEY)


class TestObjectsThatAreAway:
    def test_the_working_tree_has_the_bytes(self, store: Store, clone: Path) -> None:
        lfs_object(clone, WEIGHTS).unlink()

        assert 0 == adopt(store, clone).exit_code
        assert FILES == files_of(store, KEY)

    def test_the_working_tree_has_others(self, store: Store, clone: Path) -> None:
        lfs_object(clone, WEIGHTS).unlink()
        (clone / "model.safetensors").write_bytes(b"x" * len(WEIGHTS))

        report = adopt(store, clone)

        assert ["models/acme/tiny: model.safetensors"] == [t.subject for t in report.failed]
        assert "model.safetensors" not in files_of(store, KEY)

    def test_only_the_pointer_is_there(self, store: Store, clone: Path) -> None:
        """As after a clone with GIT_LFS_SKIP_SMUDGE=1."""
        lfs_object(clone, WEIGHTS).unlink()
        (clone / "model.safetensors").write_bytes(pointer(WEIGHTS))

        report = adopt(store, clone)

        assert 0 == report.exit_code
        file = manifest_of(store).file("model.safetensors")
        assert file is not None
        assert (False, len(WEIGHTS), file.sha256) == (file.present, file.size, file.lfs_sha256)

    def test_a_damaged_object(self, store: Store, clone: Path) -> None:
        lfs_object(clone, WEIGHTS).write_bytes(b"x" * len(WEIGHTS))

        report = adopt(store, clone)

        assert ["models/acme/tiny: model.safetensors"] == [t.subject for t in report.failed]

    def test_a_link_in_its_place(self, store: Store, clone: Path, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").write_bytes(WEIGHTS)
        lfs_object(clone, WEIGHTS).unlink()
        lfs_object(clone, WEIGHTS).symlink_to(tmp_path / "elsewhere")
        (clone / "model.safetensors").unlink()

        assert 0 == adopt(store, clone).exit_code
        assert "model.safetensors" not in files_of(store, KEY)


class TestHead:
    def test_packed_refs(self, store: Store, clone: Path) -> None:
        git(clone, "pack-refs", "--all")
        git(clone, "gc", "-q")

        assert 0 == adopt(store, clone).exit_code
        assert FILES == files_of(store, KEY)

    def test_detached(self, store: Store, clone: Path) -> None:
        commit = git(clone, "rev-parse", "HEAD")
        git(clone, "checkout", "-q", "--detach")

        adopt(store, clone)

        assert {commit: commit} == dict(store.refs(KEY))

    def test_another_commit(self, store: Store, clone: Path) -> None:
        old = git(clone, "rev-parse", "HEAD")
        (clone / "config.json").write_bytes(b"{}")
        git(clone, "add", "config.json")
        git(clone, "commit", "-q", "-m", "newer")

        adopt(store, clone, commit=old)

        assert {old: old} == dict(store.refs(KEY))
        file = store.manifest(KEY, old).file("config.json")
        assert file is not None
        assert FILES["config.json"] == store.blobs.path(str(file.sha256)).read_bytes()

    def test_a_branch_without_a_commit(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "new").mkdir()
        git(tmp_path / "new", "init", "-q")
        with pytest.raises(UsageError, match="no commit"):
            plan_adoption(store, [tmp_path / "new"], Told(key=KEY))

    def test_a_commit_that_is_not_there(self, store: Store, clone: Path) -> None:
        with pytest.raises(StoreError, match="cannot list"):
            plan_adoption(store, [clone], Told(commit="1" * 40))

    def test_a_worktree_and_a_bare_clone(self, store: Store, clone: Path, tmp_path: Path) -> None:
        git(clone, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
        git(tmp_path, "clone", "-q", "--bare", str(clone), "bare.git")

        adopt(store, tmp_path / "side")
        adopt(store, tmp_path / "bare.git", key=KEY)

        assert ["main", "side"] == sorted(store.refs(KEY))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://huggingface.co/acme/tiny", "models/acme/tiny"),
        ("https://huggingface.co/acme/tiny.git/", "models/acme/tiny"),
        ("https://user:hf_secret@huggingface.co/datasets/klue/klue", "datasets/klue/klue"),
        ("https://hf.co/spaces/acme/demo", "spaces/acme/demo"),
        ("git@hf.co:datasets/klue/klue", "datasets/klue/klue"),
        ("ssh://git@hf.co/acme/tiny", "models/acme/tiny"),
        ("http://hub.lab:8000/gpt2", "models/gpt2"),
        ("https://github.com/acme/tiny", None),
        ("https://huggingface.co.evil.example/acme/tiny", None),
        ("https://huggingface.co/", None),
        ("/srv/git/acme/tiny", None),
        ("https://[", None),
    ],
)
def test_which_repo_a_remote_is(url: str, expected: str | None) -> None:
    found = key_of_url(url, HUB_HOSTS | {"hub.lab:8000"})
    assert expected == (str(found) if found else None)


def test_the_remote_called_origin_comes_first(clone: Path) -> None:
    git(clone, "remote", "add", "a-fork", "https://huggingface.co/someone/else")
    folder = git_folder(clone)
    assert folder is not None
    assert KEY == key_of_clone(folder, HUB_HOSTS)


def test_a_clone_of_something_else_must_be_named(store: Store, tmp_path: Path) -> None:
    make_clone(tmp_path / "clone", url="https://github.com/acme/tiny")
    with pytest.raises(UsageError, match="no remote of it") as caught:
        plan_adoption(store, [tmp_path / "clone"], Told())
    assert "--repo models/clone" in str(caught.value.hint)
    assert [KEY] == [
        one.found.key for one in plan_adoption(store, [tmp_path / "clone"], Told(key=KEY)).snapshots
    ]


class TestStrangers:
    def test_nothing_that_a_clone_says_is_run(
        self, store: Store, clone: Path, tmp_path: Path
    ) -> None:
        mark = tmp_path / "was-run"
        script = tmp_path / "script"
        script.write_text(f"#!/bin/sh\ntouch {mark}\n")
        script.chmod(0o755)
        for name in ("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor"):
            git(clone, "config", name, str(script))
        git(clone, "config", "extensions.partialClone", "origin")
        git(clone, "config", "filter.lfs.smudge", str(script))
        git(clone, "config", "alias.ls-tree", f"!{script}")
        for hook in ("post-checkout", "post-index-change", "reference-transaction"):
            shutil.copy(script, clone / ".git" / "hooks" / hook)
        subprocess.run(["git", "status"], cwd=clone, capture_output=True, check=False)
        assert mark.exists(), "the trap does not work"
        mark.unlink()

        report = adopt(store, clone)

        assert (0, False) == (report.exit_code, mark.exists())
        assert FILES == files_of(store, KEY)

    def test_a_clone_of_somebody_else(
        self, store: Store, clone: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """git itself refuses to work in a folder that another user owns."""
        subprocess.run(["chown", "-R", "nobody", clone], check=True)
        refused = subprocess.run(
            ["git", "-C", clone, "log"],
            capture_output=True,
            check=False,
            env={"PATH": os.environ["PATH"]},
        )
        if refused.returncode == 0:
            pytest.skip("git trusts every folder here")

        assert 0 == adopt(store, clone).exit_code

    def test_the_environment_is_not_asked(
        self, store: Store, clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GIT_DIR", str(tmp_path))
        monkeypatch.setenv("GIT_ALTERNATE_OBJECT_DIRECTORIES", str(tmp_path))
        monkeypatch.setenv("GIT_CONFIG_COUNT", "no number")

        assert 0 == adopt(store, clone).exit_code

    def test_paths_that_leave_the_folder(self, store: Store, clone: Path) -> None:
        blob = git(clone, "hash-object", "-w", "--stdin", data=b"x")
        inner = git(clone, "mktree", data=f"100644 blob {blob}\tup\n".encode())
        listing = (
            f"040000 tree {inner}\t..\n100644 blob {blob}\tback\\slash\n100644 blob {blob}\tok\n"
        )
        tree = git(clone, "mktree", data=listing.encode())
        commit = git(clone, "commit-tree", tree, "-m", "hostile")

        report = adopt(store, clone, commit=commit)

        found = report.snapshots[0].plan.found
        assert {"../up", "back\\slash"} == set(found.left_out)
        assert ["ok"] == [file.path for file in found.files]

    def test_submodules_and_objects_that_are_missing(self, store: Store, clone: Path) -> None:
        blob = git(clone, "hash-object", "-w", "--stdin", data=b"x" * 5000)
        config = git(clone, "rev-parse", "HEAD:config.json")
        lines = f"160000 commit {'1' * 40}\tsub\n"
        lines += f"100644 blob {blob}\tgone\n100644 blob {config}\tok\n"
        tree = git(clone, "mktree", data=lines.encode())
        commit = git(clone, "commit-tree", tree, "-m", "partial")
        (clone / ".git" / "objects" / blob[:2] / blob[2:]).unlink()

        report = adopt(store, clone, commit=commit)

        assert {"sub", "gone"} == set(report.snapshots[0].plan.found.left_out)

    def test_a_git_file_that_leads_nowhere(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "odd").mkdir()
        (tmp_path / "odd" / ".git").write_text("gitdir: \0/../..\n")
        with pytest.raises(UsageError):
            plan_adoption(store, [tmp_path / "odd"], Told(key=KEY))


def test_without_git(store: Store, clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="git is not installed"):
        plan_adoption(store, [clone], Told())


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="no git-lfs here")
def test_the_real_git_lfs(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "real"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "lfs", "install", "--local")
    git(folder, "lfs", "track", "*.safetensors")
    for path, content in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")

    report = adopt(store, folder, key=RepoKey(KEY.repo_type, "acme/tiny"))

    assert 0 == report.exit_code
    found = files_of(store, KEY)
    assert FILES == {path: data for path, data in found.items() if path != ".gitattributes"}
    file = manifest_of(store).file("model.safetensors")
    assert file is not None
    assert file.lfs_sha256 == file.sha256
    check(store)
