"""Other names of a repo, and repos that were renamed upstream."""

import pytest

from mirror.errors import DamagedError, UsageError
from mirror.names import RepoKey, RepoType
from mirror.store import Observation, Store, plan_prune, verify
from tests.store.making import FILES, KEY, OTHER, commit_of, contents, publish

ONE, TWO = commit_of("1"), commit_of("2")
OLD = RepoKey(RepoType.MODEL, "tiny")
NEW = RepoKey(RepoType.MODEL, "acme-labs/tiny")
MORE = {**FILES, "more.txt": b"more"}


def test_an_alias_answers_as_its_repo(store: Store) -> None:
    publish(store)
    store.add_alias(OLD, KEY)

    assert store.aliases() == {OLD: KEY}
    assert list(store.repos()) == [KEY]
    assert store.canonical(OLD) == store.canonical(KEY) == KEY
    assert store.has(OLD)
    assert store.resolve(OLD) == ONE
    assert store.refs(OLD) == store.refs(KEY)
    assert store.manifest(OLD, ONE) == store.manifest(KEY, ONE)
    assert store.snapshot_path(OLD, ONE) == store.snapshot_path(KEY, ONE)
    assert contents(store.layout.snapshot(OLD, ONE)) == FILES
    assert verify(store).findings == ()


def test_later_snapshots_show_under_the_alias(store: Store) -> None:
    store.add_alias(OLD, KEY)  # before the repo is there
    assert not store.has(OLD)
    publish(store)
    publish(store, commit=TWO, files=MORE)

    assert (store.layout.view(OLD) / "refs" / "main").read_text() == TWO
    assert contents(store.layout.snapshot(OLD, TWO)) == MORE


def test_an_alias_again_changes_nothing(store: Store) -> None:
    publish(store)
    store.add_alias(OLD, KEY)
    store.add_alias(OLD, KEY)
    store.add_alias(KEY, KEY)
    assert store.aliases() == {OLD: KEY}
    assert verify(store).findings == ()


def test_observations_of_an_alias_are_of_its_repo(store: Store) -> None:
    store.add_alias(OLD, KEY)
    store.observe(OLD, Observation(time="x"))
    assert store.history(OLD) == store.history(KEY) == [Observation(time="x")]


def test_a_renamed_repo_takes_its_past_along(store: Store) -> None:
    publish(store, refs=("main", "v1"))
    store.observe(KEY, Observation(time="1"))
    publish(store, NEW, commit=TWO, files=MORE)
    store.observe(NEW, Observation(time="2"))
    store.add_alias(KEY, NEW)

    assert list(store.repos()) == [NEW]
    assert store.refs(KEY) == {"main": TWO, "v1": ONE}
    assert sorted([ONE, TWO]) == list(store.commits(NEW))
    assert store.manifest(KEY, ONE).repo_id == NEW.repo_id
    assert store.retired(NEW, "main") == (ONE,)
    assert [seen.time for seen in store.history(NEW)] == ["1", "2"]
    for key in (KEY, NEW):
        assert contents(store.layout.snapshot(key, ONE)) == FILES
        assert contents(store.layout.snapshot(key, TWO)) == MORE
        assert (store.layout.view(key) / "refs" / "v1").read_text() == ONE
    assert [path.name for path in store.layout.repo(KEY).iterdir()] == ["alias"]
    assert verify(store).findings == ()
    assert plan_prune(store, keep=1).snapshots == ()


def test_a_rename_before_the_new_name_is_mirrored(store: Store) -> None:
    publish(store)
    store.add_alias(KEY, NEW)

    assert store.refs(NEW) == {"main": ONE}
    assert contents(store.layout.snapshot(KEY, ONE)) == FILES
    publish(store, NEW, commit=TWO, files=MORE)
    assert store.refs(KEY) == {"main": TWO}
    assert verify(store).findings == ()


def test_two_renames_in_a_row(store: Store) -> None:
    last = RepoKey(RepoType.MODEL, "big-corp/tiny")
    publish(store)
    store.add_alias(OLD, KEY)
    store.add_alias(KEY, NEW)
    store.add_alias(NEW, last)

    assert store.aliases() == {OLD: last, KEY: last, NEW: last}
    for key in (OLD, KEY, NEW, last):
        assert contents(store.layout.snapshot(key, ONE)) == FILES
    assert verify(store).findings == ()
    publish(store, NEW, commit=TWO, files=MORE)  # the name in the middle is taken by another
    assert store.aliases() == {OLD: last, KEY: last}
    assert store.resolve(OLD) == ONE
    assert verify(store).findings == ()


def test_a_rename_and_back(store: Store) -> None:
    publish(store)
    store.add_alias(KEY, NEW)
    publish(store, NEW, commit=TWO, files=MORE)
    store.add_alias(NEW, KEY)

    assert store.aliases() == {NEW: KEY}
    assert sorted([ONE, TWO]) == list(store.commits(KEY))
    for key in (KEY, NEW):
        assert contents(store.layout.snapshot(key, TWO)) == MORE
    assert verify(store).findings == ()


def test_a_freed_name_that_is_taken_by_another_repo(store: Store) -> None:
    publish(store)
    store.add_alias(KEY, NEW)
    publish(store, KEY, commit=TWO, files={"other.txt": b"other"})

    assert store.aliases() == {}
    assert list(store.repos()) == [KEY, NEW]
    assert store.refs(KEY) == {"main": TWO}
    assert store.refs(NEW) == {"main": ONE}
    assert contents(store.layout.view(KEY) / "snapshots") == {f"{TWO}/other.txt": b"other"}
    assert contents(store.snapshot_path(NEW, ONE)) == FILES
    assert verify(store).findings == ()


def test_an_alias_is_of_the_same_type(store: Store) -> None:
    with pytest.raises(UsageError):
        store.add_alias(KEY, OTHER)


def test_aliases_in_a_circle_are_named(store: Store) -> None:
    for one, other in ((OLD, KEY), (KEY, OLD)):
        store.layout.repo(one).mkdir(parents=True)
        store.layout.alias(one).write_text(other.repo_id)
    with pytest.raises(DamagedError, match="circle"):
        store.canonical(OLD)


@pytest.mark.parametrize("data", [b"", b"../../x", b"\xff", b"a/b/c", b"x" * 5000])
def test_a_damaged_alias_is_named(store: Store, data: bytes) -> None:
    store.layout.repo(OLD).mkdir(parents=True)
    store.layout.alias(OLD).write_bytes(data)
    with pytest.raises(DamagedError, match="tiny/alias"):
        store.canonical(OLD)


def test_without_symbolic_links_the_store_still_knows(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(1, "Operation not permitted")

    publish(store)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.symlink_to", refuse)
        store.add_alias(OLD, KEY)

    assert store.resolve(OLD) == ONE
    assert [finding.kind for finding in verify(store).findings] == ["view-missing"]
