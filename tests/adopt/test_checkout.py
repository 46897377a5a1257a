"""A plain folder of a snapshot: what is written, what is never touched, who knows it again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirror.adopt import (
    CheckoutReport,
    Placed,
    Told,
    carry_out_checkout,
    plan_adoption,
    plan_checkout,
)
from mirror.errors import CheckoutError, DamagedError
from mirror.store import Store, verify
from tests.adopt.making import FILES, KEY, adopt, manifest_of, picture_of
from tests.serve.conftest import serving
from tests.store.making import commit_of, overwrite, publish
from tests.sync.lab import Lab, check, contents, files_of

OLD, NEW = commit_of("old"), commit_of("new")
NEWER = {**FILES, "config.json": b'{"new": 1}', "new/a.txt": b"a"}
del NEWER["empty.txt"]


@pytest.fixture
def mirrored(store: Store) -> Store:
    publish(store, KEY, OLD, FILES, refs=("v1.0",))
    publish(store, KEY, NEW, NEWER, refs=("main",))
    return store


def checkout(
    store: Store, folder: Path, revision: str = "main", *, link: bool = True
) -> CheckoutReport:
    plan = plan_checkout(store, manifest_of(store, revision), folder, link=link)
    return carry_out_checkout(store, plan, link=link)


def plain(folder: Path) -> dict[str, bytes]:
    return {p: data for p, data in contents(folder).items() if not p.startswith(".cache/")}


@pytest.mark.parametrize("link", [True, False])
def test_a_new_folder(mirrored: Store, tmp_path: Path, link: bool) -> None:
    report = checkout(mirrored, tmp_path / "deep" / "out", link=link)

    assert NEWER == plain(tmp_path / "deep" / "out")
    assert len(NEWER) == len(report.plan.write) == report.placed.total()
    blob = mirrored.blobs.path(str(manifest_of(mirrored).file("config.json").sha256))  # type: ignore[union-attr]
    path = tmp_path / "deep" / "out" / "config.json"
    if report.placed[Placed.LINK]:
        assert (True, 0o444) == (blob.samefile(path), path.stat().st_mode & 0o777)
    else:
        assert (False, 0o644) == (blob.samefile(path), path.stat().st_mode & 0o777)
    check(mirrored)


def test_copies_can_be_written_to(mirrored: Store, tmp_path: Path) -> None:
    checkout(mirrored, tmp_path / "out", link=False)

    with (tmp_path / "out" / "config.json").open("ab") as stream:
        stream.write(b"more")

    check(mirrored)


def test_a_checkout_becomes_one_of_copies(mirrored: Store, tmp_path: Path) -> None:
    first = checkout(mirrored, tmp_path / "out")

    checkout(mirrored, tmp_path / "out", link=False)

    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "out").glob("*.json")}
    assert {0o644} == modes
    assert NEWER == plain(tmp_path / "out")
    again = checkout(mirrored, tmp_path / "out", link=False)
    assert len(first.plan.write) == len(again.plan.keep)


def test_again_does_nothing(mirrored: Store, tmp_path: Path) -> None:
    checkout(mirrored, tmp_path / "out")
    before = picture_of(tmp_path / "out").keys()

    report = checkout(mirrored, tmp_path / "out")

    assert (0, len(NEWER)) == (len(report.plan.write), len(report.plan.keep))
    assert before == picture_of(tmp_path / "out").keys()


@pytest.mark.parametrize("link", [True, False])
def test_an_update_touches_only_what_a_checkout_wrote(
    mirrored: Store, tmp_path: Path, link: bool
) -> None:
    out = tmp_path / "out"
    checkout(mirrored, out, "v1.0", link=link)
    (out / "mine.txt").write_bytes(b"mine")
    (out / "한국어" / "mine.txt").write_bytes(b"mine")
    untouched = picture_of(out)["README.md"]

    report = checkout(mirrored, out, link=link)

    mine = {"mine.txt": b"mine", "한국어/mine.txt": b"mine"}
    assert NEWER | mine == plain(out)
    assert ["config.json", "new/a.txt"] == sorted(file.path for file in report.plan.write)
    assert ("empty.txt",) == report.plan.remove
    assert untouched == picture_of(out)["README.md"]
    back = checkout(mirrored, out, "v1.0", link=link)
    assert ("new/a.txt",) == back.plan.remove
    assert FILES | mine == plain(out)
    assert not (out / "new").exists()


class TestWhatIsNotOverwritten:
    @pytest.fixture
    def out(self, mirrored: Store, tmp_path: Path) -> Path:
        checkout(mirrored, tmp_path / "out", "v1.0", link=False)
        return tmp_path / "out"

    def refused(self, store: Store, out: Path, *names: str) -> None:
        before = picture_of(out)
        with pytest.raises(CheckoutError) as caught:
            plan_checkout(store, manifest_of(store), out)
        assert all(name in str(caught.value) for name in names)
        assert (2, before) == (caught.value.exit_code, picture_of(out))

    def test_a_file_that_was_changed(self, mirrored: Store, out: Path) -> None:
        (out / "config.json").write_bytes(b"mine")
        self.refused(mirrored, out, "config.json")

    def test_a_file_of_the_same_size_and_time(self, mirrored: Store, out: Path) -> None:
        """Nanoseconds tell: nobody sets them by chance."""
        found = (out / "config.json").stat()
        (out / "config.json").write_bytes(b"x" * found.st_size)
        os.utime(out / "config.json", ns=(found.st_atime_ns, found.st_mtime_ns + 1))
        self.refused(mirrored, out, "config.json")

    def test_a_file_of_the_person_in_the_way(self, mirrored: Store, out: Path) -> None:
        (out / "new").mkdir()
        (out / "new" / "a.txt").write_bytes(b"mine")
        self.refused(mirrored, out, "new/a.txt")

    def test_a_file_where_a_folder_must_be(self, mirrored: Store, out: Path) -> None:
        (out / "new").write_bytes(b"mine")
        self.refused(mirrored, out, "new/a.txt")

    def test_a_link_to_somewhere_else(self, mirrored: Store, out: Path, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (out / "new").symlink_to(tmp_path / "elsewhere")
        self.refused(mirrored, out, "new/a.txt")
        assert [] == list((tmp_path / "elsewhere").iterdir())

    def test_the_folder_of_the_record_is_a_link(
        self, mirrored: Store, out: Path, tmp_path: Path
    ) -> None:
        (out / ".cache").rename(tmp_path / "elsewhere")
        (out / ".cache").symlink_to(tmp_path / "elsewhere")
        self.refused(mirrored, out, ".cache")

    def test_a_changed_file_that_the_commit_does_not_have_stays(
        self, mirrored: Store, out: Path
    ) -> None:
        (out / "empty.txt").write_bytes(b"mine")

        report = checkout(mirrored, out)

        assert (("empty.txt",), ()) == (report.plan.kept_changed, report.plan.remove)
        assert b"mine" == (out / "empty.txt").read_bytes()

    def test_the_same_content_is_taken_for_ours(self, mirrored: Store, out: Path) -> None:
        (out / "new").mkdir()
        (out / "new" / "a.txt").write_bytes(b"a")

        report = checkout(mirrored, out)

        assert ["config.json"] == [file.path for file in report.plan.write]

    def test_a_folder_of_something_else(self, mirrored: Store, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "a").write_bytes(b"")
        (tmp_path / "file").write_bytes(b"")
        self.refused(mirrored, tmp_path / "other", "not empty")
        self.refused(mirrored, tmp_path / "file", "not a folder")

    def test_a_checkout_of_another_repo(self, mirrored: Store, out: Path) -> None:
        record = out / ".cache" / "mirror" / "checkout.json"
        record.write_text(record.read_text().replace("models/acme/tiny", "models/acme/other"))
        self.refused(mirrored, out, "models/acme/other")

    @pytest.mark.parametrize(
        "change",
        [
            {"format": 2},
            {"files": {"../../up": {"etags": ["1" * 40]}}},
            {"files": {"a": {"etags": ["no"]}}},
            {"files": []},
            {"repo": "acme"},
            {"commit": "main"},
        ],
    )
    def test_a_record_that_cannot_be_true(
        self, mirrored: Store, out: Path, change: dict[str, Any]
    ) -> None:
        record = out / ".cache" / "mirror" / "checkout.json"
        record.write_text(json.dumps(json.loads(record.read_text()) | change))
        self.refused(mirrored, out, "no checkout")


def test_a_file_becomes_a_folder_and_back(store: Store, tmp_path: Path) -> None:
    one, two = {"a": b"1", "b/c/d": b"2"}, {"a/x/y": b"1", "b": b"2"}
    publish(store, KEY, OLD, one, refs=("v1.0",))
    publish(store, KEY, NEW, two, refs=("main",))
    out = tmp_path / "out"

    checkout(store, out, "v1.0")
    checkout(store, out)
    assert two == plain(out)
    checkout(store, out, "v1.0")
    assert one == plain(out)


def test_names_that_are_not_the_repos_to_write(store: Store, tmp_path: Path) -> None:
    publish(store, KEY, NEW, {"ok": b"1", ".git/config": b"2", ".Cache/x": b"3"})

    report = checkout(store, tmp_path / "out")

    assert {"ok": b"1"} == plain(tmp_path / "out")
    assert {".git/config", ".Cache/x"} == set(report.plan.left_out)


def test_a_blob_that_is_missing(mirrored: Store, tmp_path: Path) -> None:
    file = manifest_of(mirrored).file("config.json")
    assert file is not None
    mirrored.blobs.remove(str(file.sha256))
    with pytest.raises(DamagedError, match=r"config\.json"):
        plan_checkout(mirrored, manifest_of(mirrored), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_file_system(mirrored: Store, memory_path: Path) -> None:
    if memory_path.stat().st_dev == mirrored.root.stat().st_dev:
        pytest.skip("one file system only")

    report = checkout(mirrored, memory_path / "out")

    assert len(NEWER) == report.placed[Placed.COPY]
    assert NEWER == plain(memory_path / "out")


class TestTheClientOfTheHub:
    def test_it_knows_the_folder_and_fetches_nothing(self, lab: Lab, tmp_path: Path) -> None:
        lab.sync()
        checkout(lab.store, tmp_path / "out")
        before = picture_of(tmp_path / "out")
        lab.hub.clear()
        more: dict[str, Any] = {"local_dir": tmp_path / "out", "cache_dir": tmp_path / "hf"}

        huggingface_hub.snapshot_download("acme/tiny", endpoint=lab.hub.endpoint, **more)

        assert [] == lab.hub.asked("resolve")
        assert before == {p: v for p, v in picture_of(tmp_path / "out").items() if p in before}

    def test_at_an_endpoint_of_the_mirror(self, lab: Lab, tmp_path: Path) -> None:
        lab.selection += 'exclude = "*.txt"\n'
        lab.sync()
        checkout(lab.store, tmp_path / "out")
        (lab.store.root / "mirror.toml").write_text("")
        before = picture_of(tmp_path / "out")
        more: dict[str, Any] = {"local_dir": tmp_path / "out", "cache_dir": tmp_path / "hf"}

        with serving(lab.store.root) as endpoint:
            huggingface_hub.snapshot_download("acme/tiny", endpoint=endpoint, **more)

        # A file that was fetched again would be another one.
        assert before == {p: v for p, v in picture_of(tmp_path / "out").items() if p in before}


class TestRoundTrip:
    def test_a_checkout_is_adopted_without_being_told_what_it_is(
        self, lab: Lab, tmp_path: Path
    ) -> None:
        lab.sync()
        checkout(lab.store, tmp_path / "out")
        shutil.copytree(tmp_path / "out", tmp_path / "carried")  # by USB, with no mtime kept
        other = Store.create(tmp_path / "other")

        report = adopt(other, tmp_path / "carried")

        assert 0 == report.exit_code
        assert manifest_of(lab.store).files == manifest_of(other).files
        assert files_of(lab.store, KEY) == files_of(other, KEY)

    _part = st.text("aAbé가 .-", min_size=1, max_size=3).filter(lambda t: t.strip(".") != "")
    _files = st.dictionaries(
        st.lists(_part, min_size=1, max_size=3).map("/".join), st.binary(max_size=20), max_size=8
    )

    @given(files=_files, link=st.booleans())
    @settings(
        max_examples=60,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    def test_of_any_files(self, memory_path: Path, files: dict[str, bytes], link: bool) -> None:
        folders = {"/".join(p.split("/")[:n]) for p in files for n in range(1, p.count("/") + 1)}
        files = {path: data for path, data in files.items() if path not in folders}
        top = memory_path / os.urandom(8).hex()
        one, other = Store.create(top / "one"), Store.create(top / "other")
        publish(one, KEY, NEW, {**files, "w.safetensors": b"weights"})

        checkout(one, top / "out", link=link)
        adopt(other, top / "out", link=link)

        # The making's blob ids of LFS files are no pointers'; the listing carries them over.
        assert manifest_of(one).files == manifest_of(other).files
        assert files_of(one, KEY) == files_of(other, KEY) == plain(top / "out")
        shutil.rmtree(top)


def test_overwriting_a_link_is_found_by_verify(mirrored: Store, tmp_path: Path) -> None:
    """What the docs warn of: a hard link is the mirror's own file."""
    report = checkout(mirrored, tmp_path / "out")
    if not report.placed[Placed.LINK]:
        pytest.skip("this file system clones")
    overwrite(tmp_path / "out" / "config.json", b"mine")

    assert {"blob-corrupt"} <= {finding.kind for finding in verify(mirrored).problems}


def test_told_wins_over_the_record(mirrored: Store, tmp_path: Path) -> None:
    checkout(mirrored, tmp_path / "out")
    plan = plan_adoption(mirrored, [tmp_path / "out"], Told(ref="v9"))
    assert [("v9",)] == [one.refs for one in plan.snapshots]
