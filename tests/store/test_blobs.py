"""Contract of the content store and of the index from git's sha1."""

import hashlib
import stat
import threading
from pathlib import Path

import pytest

from mirror.errors import NotFoundError
from mirror.store import Blobs, GitIndex, Store, hash_bytes
from mirror.store.git_index import _LINE_BYTES

DATA = b"some content\n"
DIGEST = hashlib.sha256(DATA).hexdigest()


def test_written_content_can_be_opened(store: Store) -> None:
    assert store.blobs.write(DATA) == DIGEST
    with store.blobs.open(DIGEST) as stream:
        assert stream.read() == DATA
    assert list(store.blobs) == [DIGEST]


def test_has_looks_at_the_size(store: Store) -> None:
    assert not store.blobs.has(DIGEST)
    store.blobs.write(DATA)

    assert store.blobs.has(DIGEST)
    assert store.blobs.has(DIGEST, len(DATA))
    assert not store.blobs.has(DIGEST, len(DATA) + 1)


def test_what_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError):
        store.blobs.open(DIGEST)
    store.blobs.remove(DIGEST)
    assert store.blobs.size(DIGEST) is None


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "a" * 63])
def test_what_is_no_digest_makes_no_path(store: Store, digest: str) -> None:
    with pytest.raises(ValueError, match="not a sha256"):
        store.blobs.path(digest)


def test_adopt_renames_and_makes_read_only(store: Store) -> None:
    temporary = store.layout.partial / "x"
    temporary.write_bytes(DATA)
    inode = temporary.stat().st_ino
    store.blobs.adopt(temporary, DIGEST)

    found = store.blobs.path(DIGEST).stat()
    assert inode == found.st_ino
    assert found.st_mode & 0o777 == 0o444
    assert not temporary.exists()


def test_adopt_keeps_the_blob_that_is_there(store: Store) -> None:
    store.blobs.write(DATA)
    inode = store.blobs.path(DIGEST).stat().st_ino
    temporary = store.layout.partial / "x"
    temporary.write_bytes(DATA)
    store.blobs.adopt(temporary, DIGEST)

    assert inode == store.blobs.path(DIGEST).stat().st_ino
    assert not temporary.exists()


def test_adopt_replaces_a_blob_cut_short(store: Store) -> None:
    store.blobs.path(DIGEST).parent.mkdir()
    store.blobs.path(DIGEST).write_bytes(DATA[:3])
    temporary = store.layout.partial / "x"
    temporary.write_bytes(DATA)
    store.blobs.adopt(temporary, DIGEST)

    assert store.blobs.path(DIGEST).read_bytes() == DATA


def test_a_large_blob_is_adopted_too(store: Store) -> None:
    temporary = store.layout.partial / "x"
    with temporary.open("wb") as stream:
        stream.truncate(5 << 20)
    store.blobs.adopt(temporary, "0" * 64)

    assert store.blobs.size("0" * 64) == 5 << 20


def test_a_whole_folder_is_taken_over(store: Store) -> None:
    staged = Blobs(store.layout.partial / "staged")
    few, many = staged.write(b"1"), [staged.write(b"%d" % number) for number in range(2, 600)]
    here = store.blobs.write(b"2")
    short = store.blobs.path(many[1])
    short.parent.mkdir(exist_ok=True)
    short.write_bytes(b"")
    (store.layout.partial / "staged" / few[:2] / ".half.tmp").write_bytes(b"half")
    inode = store.blobs.path(here).stat().st_ino

    store.blobs.take_over(staged)

    assert sorted({few, *many}) == sorted(store.blobs)
    assert inode == store.blobs.path(here).stat().st_ino
    assert b"3" == short.read_bytes()
    assert {0o444} == {stat.S_IMODE(store.blobs.path(d).stat().st_mode) for d in store.blobs}
    assert [] == list(staged)


def test_foreign_files_are_no_blobs(store: Store) -> None:
    store.blobs.write(DATA)
    (store.layout.blobs / DIGEST[:2] / f".{DIGEST}.1.tmp").touch()
    (store.layout.blobs / "zz").touch()
    (store.layout.blobs / "README").touch()

    assert list(store.blobs) == [DIGEST]
    assert [f".{DIGEST}.1.tmp"] == [path.name for path in store.blobs.temporaries()]


def test_threads_may_write_the_same_content(store: Store) -> None:
    contents = [bytes([number % 5]) * 1000 for number in range(40)]
    threads = [threading.Thread(target=store.blobs.write, args=(data,)) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {hash_bytes(data).sha256 for data in contents} == set(store.blobs)
    assert list(store.blobs.temporaries()) == []


def test_the_barrier_is_passed_once_for_all_new_blobs(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Path] = []
    monkeypatch.setattr("mirror.store.atomic.sync_filesystem", calls.append)
    store.blobs.sync()  # blobs of an earlier process may wait for it
    store.blobs.sync()
    assert len(calls) == 1  # both folders are on one file system
    store.blobs.write(b"1")
    store.blobs.write(b"2")
    store.blobs.sync()
    store.blobs.sync()
    assert len(calls) == 2


def test_a_barrier_that_fails_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fail(folder: Path) -> None:
        calls.append(folder)
        raise OSError("broken")

    monkeypatch.setattr("mirror.store.atomic.sync_filesystem", fail)
    for _ in range(2):
        with pytest.raises(OSError, match="broken"):
            store.blobs.sync()
    assert len(calls) == 2


# --- git's sha1 ------------------------------------------------------------------


def pair_of(store: Store, data: bytes) -> tuple[str, str]:
    return hash_bytes(data).git_sha1, store.blobs.write(data)


def test_the_index_gives_the_sha256(store: Store) -> None:
    pairs = [pair_of(store, b"%d" % number) for number in range(300)]
    store.git_index.add(pairs)
    fresh = GitIndex(store.layout.git_index, store.blobs)

    for index in (store.git_index, fresh):
        assert [sha256 for _, sha256 in pairs] == [index.find(blob_id) for blob_id, _ in pairs]
        assert index.find("0" * 40) is None
        assert index.find("../../../etc/passwd") is None


def test_a_blob_that_was_pruned_is_not_found(store: Store) -> None:
    blob_id, sha256 = pair_of(store, DATA)
    store.git_index.add([(blob_id, sha256)])
    store.blobs.remove(sha256)

    assert store.git_index.find(blob_id) is None


def test_the_same_pair_is_written_once(store: Store) -> None:
    pair = pair_of(store, DATA)
    store.git_index.add([pair, pair])
    store.git_index.add([pair])

    path = store.layout.git_index / pair[0][:2]
    assert f"{pair[0]} {pair[1]}\n" == path.read_text()
    assert path.stat().st_size == _LINE_BYTES


@pytest.mark.parametrize("length", [1, 39, 40, 41, 60, 104, 105])
def test_a_line_cut_short_is_ignored(store: Store, length: int) -> None:
    blob_id, sha256 = pair_of(store, DATA)
    store.git_index.add([(blob_id, sha256)])
    path = store.layout.git_index / blob_id[:2]
    whole = path.read_bytes()
    path.write_bytes(whole[:length])
    again = GitIndex(store.layout.git_index, store.blobs)

    assert again.find(blob_id) is None
    again.add([(blob_id, sha256)])
    assert sha256 == again.find(blob_id)
    assert whole[:length] + b"\n" + whole == path.read_bytes()


def test_the_index_is_made_anew(store: Store) -> None:
    pairs = [pair_of(store, b"%d" % number) for number in range(20)]
    store.git_index.add([("0" * 40, pairs[0][1]), *pairs[:3]])
    store.git_index.rebuild(iter(pairs))

    assert [sha256 for _, sha256 in pairs] == [store.git_index.find(b) for b, _ in pairs]
    assert store.git_index.find("0" * 40) is None
    assert not (store.root / ".git-index.tmp").exists()


def test_a_shard_that_grew_elsewhere_is_read_again(store: Store) -> None:
    pair = pair_of(store, DATA)
    other = GitIndex(store.layout.git_index, store.blobs)
    assert other.find(pair[0]) is None
    store.git_index.add([pair])
    assert pair[1] == other.find(pair[0])
