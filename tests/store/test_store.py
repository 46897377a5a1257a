"""Contract of the store: create, open, publish, refs, resolve, history, reports, lock."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from mirror.errors import (
    BadNameError,
    DamagedError,
    DiskError,
    LockedError,
    NotAMirrorError,
    NotFoundError,
    StoreError,
    UnknownFormatError,
)
from mirror.names import RepoKey, RepoType
from mirror.store import Observation, Patience, Store, verify
from mirror.store.view import tree_json
from tests.store.making import FILES, KEY, OTHER, commit_of, contents, manifest_of, publish

ONE, TWO = commit_of("1"), commit_of("2")
NEWER = {**FILES, "README.md": b"# Tiny, again\n"}

# --- the folder --------------------------------------------------------------------


def test_create_makes_a_mirror_and_then_changes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "mirror"
    Store.create(root)
    before = sorted(root.rglob("*"))
    Store.create(root)

    assert (root / "format").read_bytes() == b"1\n"
    assert before == sorted(root.rglob("*"))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(StoreError, match=r"thesis\.doc"):
        Store.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_settings_may_be_there_first(tmp_path: Path) -> None:
    (tmp_path / "mirror.toml").write_text("")
    (tmp_path / ".format.tmp").write_text("")  # of a create that was killed
    assert list(Store.create(tmp_path).repos()) == []


def test_what_is_no_mirror_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "nothing", tmp_path / "file"):
        with pytest.raises(NotAMirrorError):
            Store.open(path)


@pytest.mark.parametrize("text", ["2\n", "", "11", "one", "1.5\n", "1\n1\n", "\0\0"])
def test_an_unknown_format_is_refused(store: Store, text: str) -> None:
    store.layout.format.write_text(text)
    for use in (Store.open, Store.create):
        with pytest.raises(UnknownFormatError, match="knows format 1"):
            use(store.root)


def test_opening_and_reading_writes_nothing(store: Store) -> None:
    publish(store)

    def state() -> list[tuple[Path, int]]:
        return [(path, path.stat().st_mtime_ns) for path in sorted(store.root.rglob("*"))]

    before = state()
    reader = Store.open(store.root)
    reader.manifest(KEY, reader.resolve(KEY))
    assert (reader.has(KEY), reader.has(OTHER)) == (True, False)
    assert list(reader.repos()) == [KEY]
    assert reader.history(KEY) == []
    assert verify(reader).findings == ()
    assert before == state()


def test_readers_do_with_the_folders_that_are_there(store: Store) -> None:
    for folder in store.layout.folders:
        folder.rmdir()
    reader = Store.open(store.root)

    assert (list(reader.repos()), dict(reader.aliases())) == ([], {})
    assert (list(reader.reports()), list(reader.blobs)) == ([], [])
    assert verify(reader).findings == ()
    with reader.write_lock("test"):
        publish(reader)
    assert list(reader.repos()) == [KEY]


# --- publish -----------------------------------------------------------------------


def test_a_published_snapshot_is_there_in_every_way(store: Store) -> None:
    manifest = publish(store, refs=("main", "v1.0", "refs/convert/parquet"))

    assert store.refs(KEY) == {"main": ONE, "v1.0": ONE, "refs/convert/parquet": ONE}
    assert store.commits(KEY) == (ONE,)
    assert manifest == store.manifest(KEY, ONE)
    assert contents(store.snapshot_path(KEY, ONE)) == FILES
    view = store.layout.view(KEY)
    assert contents(view / "refs") == dict.fromkeys(
        ["main", "v1.0", "refs/convert/parquet"], ONE.encode()
    )
    assert contents(view / "trees") == {f"{ONE}.json": tree_json(manifest)}
    assert sorted(path.name for path in view.iterdir()) == ["refs", "snapshots", "trees"]
    readme = manifest.file("README.md")
    assert readme is not None
    assert store.git_index.find(readme.blob_id) == readme.sha256
    weights = manifest.file("weights/model.safetensors")
    assert weights is not None
    assert store.git_index.find(weights.blob_id) is None


def test_the_view_costs_no_space(store: Store) -> None:
    manifest = publish(store)
    for file in manifest.files:
        blob = store.blobs.path(str(file.sha256))
        assert blob.samefile(store.snapshot_path(KEY, ONE) / file.path)


def test_publishing_again_changes_nothing(store: Store) -> None:
    manifest = publish(store)

    def state() -> list[tuple[Path, int, int]]:
        found = [(path, path.stat()) for path in sorted(store.layout.repos.rglob("*"))]
        found += [(path, path.stat()) for path in sorted(store.layout.hub.rglob("*"))]
        return [(path, s.st_ino, s.st_mtime_ns) for path, s in found if path.is_file()]

    before = state()
    store.publish(manifest, ["main"])
    assert before == state()


def test_a_ref_moves_and_the_older_snapshot_stays(store: Store) -> None:
    publish(store)
    publish(store, commit=TWO, files=NEWER)

    assert store.refs(KEY) == {"main": TWO}
    assert sorted([ONE, TWO]) == list(store.commits(KEY))
    assert contents(store.snapshot_path(KEY, ONE)) == FILES
    assert contents(store.snapshot_path(KEY, TWO)) == NEWER
    assert (store.layout.view(KEY) / "refs" / "main").read_text() == TWO
    assert store.retired(KEY, "main") == (ONE,)


def test_retired_snapshots_come_newest_first_and_once(store: Store) -> None:
    commits = [commit_of(name) for name in "12321"]
    for commit in commits:
        publish(store, commit=commit)

    assert store.retired(KEY, "main") == (commit_of("2"), commit_of("3"))
    assert store.retired(KEY, "v1") == ()


def test_a_partial_snapshot_is_filled_up(store: Store) -> None:
    small = {"README.md": FILES["README.md"]}
    rest = {path: data for path, data in FILES.items() if path != "README.md"}
    first = publish(store, files=small, absent=rest)
    assert first.is_partial
    assert contents(store.snapshot_path(KEY, ONE)) == small

    whole = publish(store, created="2026-01-01T00:00:00Z")
    assert contents(store.snapshot_path(KEY, ONE)) == FILES
    assert store.manifest(KEY, ONE) == whole.model_copy(update={"created": first.created})
    assert verify(store).findings == ()


def test_a_narrower_selection_takes_files_out_of_the_view(store: Store) -> None:
    publish(store)
    publish(
        store,
        files={"README.md": FILES["README.md"]},
        absent={path: data for path, data in FILES.items() if path != "README.md"},
    )

    assert contents(store.snapshot_path(KEY, ONE)) == {"README.md": FILES["README.md"]}
    assert not (store.snapshot_path(KEY, ONE) / "weights").exists()
    assert verify(store).problems == ()


def test_a_snapshot_without_files_can_be_published(store: Store) -> None:
    publish(store, files={}, absent=FILES)

    assert contents(store.snapshot_path(KEY, ONE)) == {}
    assert store.resolve(KEY) == ONE
    assert verify(store).findings == ()


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_nothing_is_published_without_its_blobs(store: Store, damage: str) -> None:
    publish(store)
    manifest = manifest_of(commit=TWO, files=NEWER)
    if damage == "short":
        path = store.blobs.path(str(manifest.files[0].sha256))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"#")
    with pytest.raises(DamagedError, match=r"README\.md"):
        store.publish(manifest, ["main"])

    assert store.refs(KEY) == {"main": ONE}
    assert store.commits(KEY) == (ONE,)
    assert not store.snapshot_path(KEY, TWO).exists()


@pytest.mark.parametrize("name", ["", "a..b", "../x", "a b", "/main", TWO, "x.lock", "-" * 300])
def test_a_bad_ref_is_refused(store: Store, name: str) -> None:
    with pytest.raises(BadNameError):
        publish(store, refs=("main", name))
    assert not store.has(KEY)


def test_a_pinned_commit_is_a_ref_without_a_file(store: Store) -> None:
    publish(store, refs=(ONE,))

    assert store.refs(KEY) == {ONE: ONE}
    assert store.resolve(KEY, ONE) == ONE
    assert not (store.layout.view(KEY) / "refs").exists()
    assert verify(store).findings == ()


def test_refs_that_exclude_each_other_as_files(store: Store) -> None:
    publish(store, refs=("a",))
    publish(store, commit=TWO, files=NEWER, refs=("a/b",))
    assert contents(store.layout.view(KEY) / "refs") == {"a/b": TWO.encode()}
    store.forget_refs(KEY, ["a/b"])
    assert contents(store.layout.view(KEY) / "refs") == {"a": ONE.encode()}
    assert verify(store).findings == ()


def test_a_forgotten_ref_is_gone_and_its_snapshot_is_not(store: Store) -> None:
    publish(store, refs=("main", "v1"))
    store.forget_refs(KEY, ["v1", "unknown"])

    assert store.refs(KEY) == {"main": ONE}
    assert [path.name for path in (store.layout.view(KEY) / "refs").iterdir()] == ["main"]
    assert store.retired(KEY, "v1") == ()


def test_many_files_in_many_folders(store: Store) -> None:
    files = {f"d{n % 7}/e{n % 3}/파일 {n}.txt": b"%d" % (n % 50) for n in range(300)}
    publish(store, files=files)

    assert contents(store.snapshot_path(KEY, ONE)) == files
    assert len(list(store.blobs)) == 50


def test_where_hard_links_are_refused_files_are_copied(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        manifest = publish(store)
        publish(store, files={**FILES, "more.txt": b"more"})
    target = store.snapshot_path(KEY, ONE) / "README.md"

    assert contents(store.snapshot_path(KEY, ONE)) == {**FILES, "more.txt": b"more"}
    assert not target.samefile(store.blobs.path(str(manifest.files[0].sha256)))
    assert target.stat().st_mode & 0o777 == 0o444
    assert verify(store).findings == ()


def test_a_file_system_that_takes_two_names_for_one_is_named(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise FileExistsError(17, "File exists")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(DiskError, match="differ only by case"):
        publish(store)


# --- reading -----------------------------------------------------------------------


def test_repos_are_listed_by_type(store: Store) -> None:
    legacy = RepoKey(RepoType.MODEL, "gpt2")
    for key in (KEY, OTHER, legacy):
        publish(store, key)
    (store.layout.repos / "models" / "not a name" / "x").mkdir(parents=True)
    (store.layout.repos / "models" / "acme" / "empty").mkdir(parents=True)

    assert list(store.repos()) == [legacy, KEY, OTHER]
    assert list(store.repos(RepoType.DATASET)) == [OTHER]
    assert list(store.repos(RepoType.SPACE)) == []


def test_resolve_takes_refs_and_commits(store: Store) -> None:
    publish(store, refs=("main", "v1"))

    assert store.resolve(KEY) == store.resolve(KEY, "v1") == ONE
    assert store.resolve(KEY, ONE) == store.resolve(KEY, ONE[:7]) == ONE


@pytest.mark.parametrize("revision", ["v2", ONE[:6], TWO, "", "../main"])
def test_what_cannot_be_resolved_says_what_there_is(store: Store, revision: str) -> None:
    publish(store, refs=("main", "v1"))
    with pytest.raises(NotFoundError) as caught:
        store.resolve(KEY, revision)
    assert caught.value.hint == "the mirror has main, v1"


def test_a_short_commit_must_be_unique(store: Store) -> None:
    one, two = "a" * 40, "a" * 39 + "b"
    publish(store, commit=one, refs=("main",))
    publish(store, commit=two, refs=("v1",))
    with pytest.raises(NotFoundError, match="several commits"):
        store.resolve(KEY, "a" * 10)
    assert store.resolve(KEY, two) == two


def test_a_repo_that_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFoundError, match="models/acme/tiny is not in the mirror"):
        store.resolve(KEY)
    with pytest.raises(NotFoundError):
        store.manifest(KEY, ONE)
    assert (store.refs(KEY), store.commits(KEY)) == ({}, ())


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"main": 3}', b'{"main": "x"}', b'{"a b": "', b"\xff"]
)
def test_damaged_refs_are_named(store: Store, data: bytes) -> None:
    publish(store)
    store.layout.refs(KEY).write_bytes(data)
    with pytest.raises(DamagedError, match=r"acme/tiny/refs\.json") as caught:
        store.refs(KEY)
    assert "mirror verify --repair" in str(caught.value.hint)
    with pytest.raises(DamagedError):
        publish(store, commit=TWO)


def test_a_manifest_of_something_else_is_damaged(store: Store) -> None:
    publish(store)
    path = store.layout.manifest(KEY, ONE)
    path.with_name(f"{TWO}.json").write_bytes(path.read_bytes())
    with pytest.raises(DamagedError, match="is the manifest of"):
        store.manifest(KEY, TWO)


def test_a_damaged_manifest_is_replaced_by_publishing(store: Store) -> None:
    manifest = publish(store)
    store.layout.manifest(KEY, ONE).write_bytes(b"{")
    store.publish(manifest)
    assert manifest == store.manifest(KEY, ONE)


def test_missing_blobs_are_listed(store: Store) -> None:
    manifest = publish(store)
    assert store.missing(manifest) == ()
    store.blobs.remove(str(manifest.files[1].sha256))
    assert store.missing(manifest) == (manifest.files[1],)


# --- history and reports -------------------------------------------------------------

SEEN = Observation(time="2025-01-01T00:00:00Z", commit=ONE, downloads=5, license="mit", gated=False)


def test_observations_are_kept_in_order(store: Store) -> None:
    gone = Observation(time="2025-01-02T00:00:00Z", state="gone", detail="404")
    store.observe(KEY, SEEN)
    store.observe(KEY, gone)

    assert store.history(KEY) == [SEEN, gone]
    assert not store.has(KEY)


def test_a_torn_line_of_history_is_ignored(store: Store) -> None:
    path = store.layout.history(KEY)
    store.observe(KEY, SEEN)
    whole = path.read_bytes()
    later = replace(SEEN, time="2025-01-03T00:00:00Z")
    for length in range(1, len(whole)):
        path.write_bytes(whole + whole[:length])
        assert store.history(KEY) in ([SEEN], [SEEN, SEEN])
        store.observe(KEY, later)
        assert store.history(KEY)[-1] == later


@pytest.mark.parametrize(
    "line", [b"3", b"{}", b'{"time": 3, "state": "ok"}', b'{"time": "x", "state": "?"}', b"\xff{"]
)
def test_lines_that_are_no_observations_are_ignored(store: Store, line: bytes) -> None:
    store.observe(KEY, SEEN)
    with store.layout.history(KEY).open("ab") as stream:
        stream.write(line + b'\n{"time": "x", "state": "ok", "later": 1}\n')
    assert store.history(KEY) == [SEEN, Observation(time="x")]


def test_reports_come_newest_first(store: Store) -> None:
    start = datetime(2025, 1, 1, 12, tzinfo=UTC)
    korea = timezone(timedelta(hours=9))
    paths = [
        store.write_report({"run": 1}, start),
        store.write_report({"run": 2}, start),
        store.write_report({"run": 3}, (start + timedelta(seconds=1)).astimezone(korea)),
    ]
    (store.layout.runs / "20240101T000000.000000Z.json").write_text("{")
    (store.layout.runs / ".x.json.tmp").touch()

    assert paths[0].name == "20250101T120000.000000Z.json"
    assert paths[2].name == "20250101T120001.000000Z.json"
    damaged = {"damaged": "20240101T000000.000000Z.json"}
    assert list(store.reports()) == [{"run": 3}, {"run": 2}, {"run": 1}, damaged]
    assert list(store.reports(limit=1)) == [{"run": 3}]


# --- the lock ------------------------------------------------------------------------


def test_a_second_writer_is_told_who_the_first_is(store: Store) -> None:
    with store.write_lock("sync of everything"), pytest.raises(LockedError) as caught:
        Store.open(store.root).write_lock("verify").__enter__()
    assert "sync of everything" in str(caught.value)
    assert f"pid {os.getpid()} on " in str(caught.value)
    with Store.open(store.root).write_lock("verify"):
        pass


def test_the_lock_ends_with_its_process(store: Store) -> None:
    code = (
        "import sys, time; from mirror.store import Store\n"
        "with Store.open(sys.argv[1]).write_lock('sync'):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(store.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=f"pid {process.pid} "):
            store.write_lock("verify").__enter__()
        process.kill()
        process.wait()
        with store.write_lock("verify"):
            assert json.loads(store.layout.lock.read_text())["purpose"] == "verify"


def test_patience_waits_for_the_other_writer(store: Store) -> None:
    told: list[str] = []

    def write() -> str:
        with Store.open(store.root, Patience(60, told.append)).write_lock("sync"):
            return str(json.loads(store.layout.lock.read_text())["purpose"])

    with ThreadPoolExecutor(1) as pool:
        with store.write_lock("import"):
            job = pool.submit(write)
            while not told:
                time.sleep(0.01)
            assert not job.done()
        assert "sync" == job.result(30)
    assert [f"another process writes to this mirror: import, pid {os.getpid()}"] == [
        text.partition(" on ")[0] for text in told
    ]


def test_patience_has_an_end(store: Store) -> None:
    impatient = Store.open(store.root, Patience(0.3))
    with store.write_lock("import"), pytest.raises(LockedError, match="import, pid"):
        impatient.write_lock("sync").__enter__()


def test_a_lock_file_without_a_name_is_no_obstacle(store: Store) -> None:
    with store.write_lock("x"):
        store.layout.lock.write_text("")
        with pytest.raises(LockedError, match="does not say which"):
            store.write_lock("y").__enter__()


def test_an_error_under_the_lock_is_passed_on(store: Store) -> None:
    with pytest.raises(KeyError), store.write_lock("x"):
        raise KeyError("ours")
    with store.write_lock("y"):
        pass
