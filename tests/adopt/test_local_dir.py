"""A folder of ``hf download --local-dir``, made by the real client."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mirror.adopt import Told, plan_adoption
from mirror.adopt.model import Kind
from mirror.errors import UsageError
from tests.adopt.making import (
    FILES,
    KEY,
    WEIGHTS,
    adopt,
    download_plain,
    manifest_of,
    picture_of,
    synced_files,
)
from tests.sync.lab import Lab, check, files_of


@pytest.fixture
def plain(lab: Lab, tmp_path: Path) -> Path:
    return download_plain(lab.hub, tmp_path / "plain")


@pytest.mark.parametrize("listed", [True, False], ids=["with its listing", "of older clients"])
def test_a_folder_gives_the_files_that_a_sync_gives(
    lab: Lab, plain: Path, tmp_path: Path, listed: bool
) -> None:
    if not listed:
        shutil.rmtree(plain / ".cache/huggingface/trees")

    report = adopt(lab.store, plain, key=KEY)

    assert (0, Kind.LOCAL_DIR) == (report.exit_code, report.snapshots[0].plan.found.kind)
    assert synced_files(lab, tmp_path / "other") == manifest_of(lab.store).files
    assert {"main": lab.hub.repo("model", "acme/tiny").sha} == dict(lab.store.refs(KEY))
    check(lab.store)


def test_it_stays_where_it_is_and_becomes_read_only(lab: Lab, plain: Path) -> None:
    before = {path: inode for path, (inode, _, _) in picture_of(plain).items()}

    report = adopt(lab.store, plain, key=KEY)

    assert before == {path: inode for path, (inode, _, _) in picture_of(plain).items()}
    if "link" in {how.value for how in report.snapshots[0].placed}:
        assert 0o444 == (plain / "config.json").stat().st_mode & 0o777


def test_an_update_of_the_folder_leaves_the_mirror_alone(lab: Lab, plain: Path) -> None:
    """The client of the Hub replaces a file; it does not write into it."""
    adopt(lab.store, plain, key=KEY)
    lab.hub.repo("model", "acme/tiny").commit({"config.json": b"{}"})

    download_plain(lab.hub, plain)

    assert b"{}" == (plain / "config.json").read_bytes()
    assert FILES == files_of(lab.store, KEY)
    check(lab.store)


def test_another_name_for_it(lab: Lab, plain: Path) -> None:
    adopt(lab.store, plain, key=KEY, ref="v1.0")

    assert ["v1.0"] == list(lab.store.refs(KEY))


def test_it_does_not_say_which_repo_it_is(lab: Lab, plain: Path) -> None:
    with pytest.raises(UsageError, match="which repo") as caught:
        plan_adoption(lab.store, [plain], Told())
    assert f"mirror adopt {plain} --repo models/plain" in str(caught.value.hint)


@pytest.mark.parametrize("listed", [True, False])
def test_files_of_the_person_and_files_that_were_changed(
    lab: Lab, plain: Path, listed: bool
) -> None:
    (plain / "notes.txt").write_bytes(b"mine")
    (plain / "config.json").write_bytes(b'{"model_type": "BERT"}')
    os.utime(plain / "README.md")  # touched, and still the same
    if not listed:
        shutil.rmtree(plain / ".cache/huggingface/trees")

    report = adopt(lab.store, plain, key=KEY)

    assert ["models/acme/tiny: config.json"] == [t.subject for t in report.failed]
    why = "the commit does not have it" if listed else "nothing says that it came from the repo"
    assert {"notes.txt": why} == dict(report.snapshots[0].plan.found.left_out)
    good = {path: data for path, data in FILES.items() if path != "config.json"}
    assert good == files_of(lab.store, KEY)
    assert 0o644 == (plain / "config.json").stat().st_mode & 0o777


def test_files_of_several_commits(lab: Lab, plain: Path) -> None:
    repo = lab.hub.repo("model", "acme/tiny")
    old = repo.sha
    new = repo.commit({"config.json": b"{}"})
    download_plain(lab.hub, plain, allow_patterns=["config.json"])
    shutil.rmtree(plain / ".cache/huggingface/trees")

    report = adopt(lab.store, plain, key=KEY)

    assert old == manifest_of(lab.store).commit
    found = report.snapshots[0].plan.found
    assert {"config.json": f"of another commit, {new[:12]}"} == dict(found.left_out)
    assert f"not 1 of {new[:12]}" in found.notes[0]
    assert 0 == report.exit_code


def test_plain_files_of_which_the_person_knows_the_commit(
    lab: Lab, plain: Path, tmp_path: Path
) -> None:
    shutil.rmtree(plain / ".cache")
    commit = lab.hub.repo("model", "acme/tiny").sha

    report = adopt(lab.store, plain, key=KEY, commit=commit)

    found = report.snapshots[0]
    assert (Kind.FOLDER, len(FILES)) == (found.plan.found.kind, found.unproven)
    assert FILES == files_of(lab.store, KEY)
    lab.hub.clear()
    assert 0 == lab.sync().exit_code
    assert [] == lab.hub.asked("resolve")
    assert synced_files(lab, tmp_path / "other") == manifest_of(lab.store).files
    check(lab.store)


@pytest.mark.parametrize("text", ["main", "1" * 39, "G" * 40])
def test_a_commit_that_is_none(lab: Lab, plain: Path, text: str) -> None:
    with pytest.raises(UsageError, match="not a commit"):
        plan_adoption(lab.store, [plain], Told(key=KEY, commit=text))


def test_metadata_that_is_none(lab: Lab, plain: Path) -> None:
    shutil.rmtree(plain / ".cache/huggingface/trees")
    folder = plain / ".cache/huggingface/download"
    (folder / "README.md.metadata").write_bytes(b"\xff" * 5000)
    (folder / "config.json.metadata").write_text("main\nnothing\nnever\n")
    (folder / "empty.txt.metadata").unlink()
    os.mkfifo(folder / "empty.txt.metadata")

    report = adopt(lab.store, plain, key=KEY)

    left = {"README.md", "config.json", "empty.txt"}
    assert left == set(report.snapshots[0].plan.found.left_out)
    assert left == FILES.keys() - files_of(lab.store, KEY).keys()


def test_links_are_not_followed(lab: Lab, plain: Path, tmp_path: Path) -> None:
    (plain / "model.safetensors").rename(tmp_path / "elsewhere")
    (plain / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    (plain / "loop").symlink_to(plain)

    report = adopt(lab.store, plain, key=KEY)

    assert {"model.safetensors", "loop"} == set(report.snapshots[0].plan.found.left_out)
    assert WEIGHTS == (tmp_path / "elsewhere").read_bytes()
    assert "model.safetensors" not in files_of(lab.store, KEY)


def test_a_large_file_that_is_no_lfs_file_is_not_fetched_again(lab: Lab, tmp_path: Path) -> None:
    """Guessed to be one by its size, it is found by its git name all the same."""
    repo = lab.hub.repo("model", "acme/tiny")
    commit = repo.commit({"large.csv": b"1,2\n" * (3 << 20)}, only=True)
    plain = download_plain(lab.hub, tmp_path / "large")
    shutil.rmtree(plain / ".cache")

    adopt(lab.store, plain, key=KEY, commit=commit)

    guessed = manifest_of(lab.store).file("large.csv")
    assert guessed is not None
    assert guessed.lfs_sha256 == guessed.sha256
    lab.hub.clear()
    lab.sync()
    file = manifest_of(lab.store).file("large.csv")
    assert file is not None
    assert (None, []) == (file.lfs_sha256, lab.hub.asked("resolve"))
    check(lab.store)
