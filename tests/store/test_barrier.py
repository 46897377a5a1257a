"""What is durable before what: the barrier, and the order of a publication."""

import threading
from pathlib import Path

import pytest

from mirror.errors import DiskError
from mirror.names import RepoKey, RepoType
from mirror.store import Store, verify
from mirror.store.atomic import Barrier, Staging, exchange, write_atomic
from tests.store.making import FILES, KEY, commit_of, contents, manifest_of, publish

ONE, TWO = commit_of("1"), commit_of("2")
NEWER = {**FILES, "README.md": b"# Tiny, again\n"}
SYNC = "mirror.store.atomic.sync_filesystem"


def test_nothing_gets_its_name_before_the_barrier(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store)
    seen: list[tuple[bool, ...]] = []

    def look(_: Path) -> None:
        view = store.layout.view(KEY)
        manifest = store.layout.manifest(KEY, TWO)
        seen.append(
            (
                store.missing(manifest_of(commit=TWO, files=NEWER)) == (),
                manifest.with_name(f".{manifest.name}.tmp").exists(),
                manifest.exists(),
                (view / "snapshots" / TWO).exists(),
                (view / "refs" / "main").read_text() == TWO,
                store.refs(KEY) == {"main": TWO},
            )
        )

    monkeypatch.setattr(SYNC, look)
    publish(store, commit=TWO, files=NEWER)
    assert seen == [(True, True, False, False, False, False)]


def test_a_disk_that_fails_at_the_barrier_changes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store)

    def fail(folder: Path) -> None:
        raise DiskError(f"cannot write {folder}: Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(SYNC, fail)
        with pytest.raises(DiskError):
            publish(store, commit=TWO, files=NEWER)

    assert (store.resolve(KEY), store.commits(KEY)) == (ONE, (ONE,))
    assert not [path for path in store.layout.repos.rglob("*") if path.name.endswith(".tmp")]
    publish(store, commit=TWO, files=NEWER)
    assert store.resolve(KEY) == TWO
    assert store.retired(KEY, "main") == (ONE,)


def test_a_run_that_wrote_nothing_waits_for_no_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Path] = []
    monkeypatch.setattr(SYNC, calls.append)
    with store.write_lock("look around"):
        assert not store.has(KEY)
    assert calls == []
    with store.write_lock("publish"):
        publish(store)
    assert len(calls) == 2  # the barrier, and what was placed behind it
    with store.write_lock("look around"):
        pass
    assert len(calls) == 2


def test_threads_share_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first sync is held until all others have marked and wait: one more is enough for them."""
    waiting, go_on, calls = threading.Barrier(9), threading.Event(), []

    def sync(folder: Path) -> None:
        calls.append(folder)
        if len(calls) == 1:
            waiting.wait(10)
            assert go_on.wait(10)

    monkeypatch.setattr(SYNC, sync)
    barrier = Barrier(tmp_path)

    def work() -> None:
        barrier.mark()
        waiting.wait(10)
        barrier.wait()

    threads = [threading.Thread(target=barrier.wait)]
    threads += [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(calls) == 2


def test_several_repos_are_published_at_the_same_time(store: Store) -> None:
    keys = [RepoKey(RepoType.MODEL, f"acme/tiny-{number}") for number in range(12)]
    errors: list[BaseException] = []

    def work(key: RepoKey) -> None:
        try:
            for commit in (ONE, TWO):
                publish(store, key, commit, {**FILES, "id": key.repo_id.encode()})
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert sorted(keys) == sorted(store.repos())
    assert all(store.resolve(key) == TWO for key in keys)
    assert verify(store).findings == ()


def test_what_was_staged_and_not_placed_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file"
    with Staging() as staging:
        staging.write(path, b"new")
        assert not path.exists()
    assert contents(tmp_path) == {}
    with Staging() as staging:
        staging.write(path, b"new")
        staging.place(path)
        staging.place(path)
    assert contents(tmp_path) == {"sub/file": b"new"}


def test_a_write_that_fails_leaves_the_old_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(DiskError, match="Input/output error"):
        write_atomic(path, b"new")
    assert contents(tmp_path) == {"file": b"old"}


@pytest.mark.parametrize("in_one_step", [True, False])
def test_two_folders_change_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_one_step: bool
) -> None:
    if not in_one_step:
        monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    exchange(tmp_path / "a", tmp_path / "b")
    assert contents(tmp_path) == {"a/file": b"b", "b/file": b"a"}
