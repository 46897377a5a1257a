"""What goes wrong on the way in: a stop, a full disk, a file that changes; and clones."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest

from mirror.adopt import Placed, Told, carry_out, carry_out_checkout, plan_adoption, plan_checkout
from mirror.adopt.local_dir import METADATA_FOLDER
from mirror.api.indexing import index_changes
from mirror.errors import DiskError
from mirror.store import Store
from tests.adopt.making import FILES, KEY, adopt, download, manifest_of, picture_of
from tests.serve.conftest import serving
from tests.sync.lab import Lab, check, files_of

BIG = 200 << 20


@pytest.fixture
def cache(lab: Lab, tmp_path: Path) -> Path:
    return download(lab.hub, tmp_path / "hf")


def test_ctrl_c_leaves_a_whole_mirror(lab: Lab, cache: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    plan = plan_adoption(lab.store, [cache], Told())
    with pytest.raises(KeyboardInterrupt), lab.store.write_lock("adopt"):
        carry_out(lab.store, plan, progress=stop)

    assert [] == list(lab.store.repos())
    assert [] == list(lab.store.layout.partial.iterdir())
    assert 0 == adopt(lab.store, cache).exit_code
    check(lab.store)


def test_progress_ends_at_the_whole(lab: Lab, cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    plan = plan_adoption(lab.store, [cache], Told())
    with lab.store.write_lock("adopt"):
        carry_out(lab.store, plan, progress=lambda *at: seen.append(at))

    total = sum(map(len, FILES.values()))
    assert (total, total) == seen[-1]


def test_a_file_that_is_gone_meanwhile(lab: Lab, cache: Path) -> None:
    plan = plan_adoption(lab.store, [cache], Told())
    (cache / "snapshots" / (cache / "refs" / "main").read_text() / "config.json").resolve().unlink()

    with lab.store.write_lock("adopt"):
        report = carry_out(lab.store, plan)

    assert ["models/acme/tiny: config.json"] == [trouble.subject for trouble in report.failed]
    assert FILES.keys() - {"config.json"} == files_of(lab.store, KEY).keys()


def test_a_file_that_became_a_link_meanwhile(lab: Lab, cache: Path, tmp_path: Path) -> None:
    plan = plan_adoption(lab.store, [cache], Told())
    blob = (cache / "snapshots" / (cache / "refs" / "main").read_text() / "config.json").resolve()
    blob.rename(tmp_path / "elsewhere")
    blob.symlink_to(tmp_path / "elsewhere")

    with lab.store.write_lock("adopt"):
        report = carry_out(lab.store, plan)

    assert ["models/acme/tiny: config.json"] == [trouble.subject for trouble in report.failed]
    assert 0o644 == (tmp_path / "elsewhere").stat().st_mode & 0o777


def test_not_one_good_file(lab: Lab, cache: Path) -> None:
    for blob in (cache / "blobs").iterdir():
        blob.write_bytes(b"?" * blob.stat().st_size or b"")
    (cache / "snapshots" / (cache / "refs" / "main").read_text() / "empty.txt").unlink()

    report = adopt(lab.store, cache)

    assert "not one file of it could be taken in" in {t.message for t in report.failed}
    assert [] == list(lab.store.repos())


def test_a_file_of_another_user_is_copied(lab: Lab, cache: Path) -> None:
    """Only its owner, or root, can make it read-only."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    nobody = 65534
    for path in [lab.store.root, *lab.store.root.rglob("*")]:
        os.chown(path, nobody, nobody, follow_symlinks=False)
    for path in (lab.store.root, *lab.store.root.parents):
        if not path.stat().st_mode & 0o001:
            path.chmod(0o755)
    before = picture_of(cache)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setegid(nobody)
            os.seteuid(nobody)
            report = adopt(Store.open(lab.store.root), cache)
            status = 0 if len(FILES) == report.snapshots[0].placed[Placed.COPY] else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)

    assert 0 == os.waitstatus_to_exitcode(status)
    assert before == picture_of(cache)
    assert FILES == files_of(lab.store, KEY)


def test_a_file_that_became_a_pipe_meanwhile(lab: Lab, cache: Path) -> None:
    plan = plan_adoption(lab.store, [cache], Told())
    blob = (cache / "snapshots" / (cache / "refs" / "main").read_text() / "config.json").resolve()
    blob.unlink()
    os.mkfifo(blob)

    with lab.store.write_lock("adopt"):
        report = carry_out(lab.store, plan)

    assert ["models/acme/tiny: config.json"] == [trouble.subject for trouble in report.failed]


@pytest.mark.parametrize("share", ["own", "all"])
def test_whose_files_are_linked(lab: Lab, cache: Path, share: str) -> None:
    """The owner of a file can make it writable again, whatever mode we gave it."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    for blob in (cache / "blobs").iterdir():
        os.chown(blob, 65534, 65534)

    report = adopt(lab.store, cache, share=share)

    (adopted,) = report.snapshots
    links = 0 if share == "own" else len(FILES)
    assert links in (adopted.placed[Placed.LINK], adopted.placed[Placed.CLONE])
    if not adopted.placed[Placed.CLONE]:
        assert len(FILES) - links == adopted.foreign == adopted.placed[Placed.COPY]
    check(lab.store)


class Mounts:
    """File systems of a test, in files."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._places: list[Path] = []

    def mount(self, *command: str, size: int = 300 << 20) -> Path:
        if os.geteuid() != 0 or shutil.which(command[0]) is None:
            pytest.skip(f"no {command[0]} here, or not root")
        image = self._top / f"{len(self._places)}.img"
        place = self._top / f"{len(self._places)}"
        with image.open("wb") as stream:
            stream.truncate(size)
        subprocess.run([*command, image], check=True, capture_output=True)
        place.mkdir()
        done = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True)
        if done.returncode != 0:
            pytest.skip(f"no loop mounts here: {done.stderr.decode()}")
        self._places.append(place)
        return place

    def unmount(self) -> None:
        for place in self._places:
            subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Mounts]:
    mounts = Mounts(tmp_path)
    yield mounts
    mounts.unmount()


def big_folder(folder: Path, size: int) -> Path:
    """A folder as after a download of one large LFS file; gives the folder."""
    (folder / METADATA_FOLDER).mkdir(parents=True)
    with (folder / "w.bin").open("wb") as stream:
        for _ in range(size >> 20):
            stream.write(os.urandom(1 << 20))
    done = subprocess.run(["sha256sum", folder / "w.bin"], check=True, capture_output=True)
    sha256 = done.stdout.decode().split()[0]
    (folder / METADATA_FOLDER / "w.bin.metadata").write_text(f"{'1' * 40}\n{sha256}\n0\n")
    return folder


def used(folder: Path) -> int:
    os.sync()
    return shutil.disk_usage(folder).used


def test_a_file_system_that_clones(mounts: Mounts) -> None:
    """In and out again without a second copy, and every side has files of its own."""
    top = mounts.mount("mkfs.btrfs", "-q", size=1 << 30)
    folder = big_folder(top / "plain", BIG)
    store = Store.create(top / "mirror")
    before = used(top)

    report = adopt(store, folder, key=KEY)
    out = carry_out_checkout(
        store, plan_checkout(store, manifest_of(store), top / "out"), link=True
    )

    assert (1, 1) == (report.snapshots[0].placed[Placed.CLONE], out.placed[Placed.CLONE])
    assert used(top) - before < BIG // 10
    assert {0o644} == {(place / "w.bin").stat().st_mode & 0o777 for place in (folder, top / "out")}
    for place in (folder, top / "out"):
        (place / "w.bin").write_bytes(b"mine")
    check(store)


def test_a_disk_that_is_too_small_is_told_before_anything_is_copied(
    mounts: Mounts, tmp_path: Path
) -> None:
    top = mounts.mount("mkfs.ext4", "-q", size=64 << 20)
    folder = big_folder(tmp_path / "plain", 80 << 20)
    store = Store.create(top / "mirror")
    before = used(top)

    with pytest.raises(DiskError, match="are to be copied"):
        adopt(store, folder, key=KEY)

    assert [] == [*store.blobs, *store.layout.partial.iterdir()]
    assert used(top) - before < 1 << 20


def test_an_endpoint_serves_what_upstream_has_not_seen(
    lab: Lab, cache: Path, tmp_path: Path
) -> None:
    adopt(lab.store, cache)
    (lab.store.root / "mirror.toml").write_text("")
    index_changes(lab.store)
    commit = manifest_of(lab.store).commit

    with serving(lab.store.root) as endpoint:
        api = huggingface_hub.HfApi(endpoint=endpoint)
        assert commit == api.model_info("acme/tiny", files_metadata=True).sha
        assert ["acme/tiny"] == [model.id for model in api.list_models()]
        assert sorted(FILES) == sorted(api.list_repo_files("acme/tiny"))
        place = Path(
            huggingface_hub.snapshot_download(
                "acme/tiny", endpoint=endpoint, cache_dir=tmp_path / "other"
            )
        )
    assert FILES == {path: (place / path).read_bytes() for path in FILES}
