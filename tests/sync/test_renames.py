"""Old names, new names: whatever a client calls a repo, it gets the same snapshots."""

from __future__ import annotations

import itertools

import pytest

from mirror.names import RepoKey
from mirror.store import Store
from mirror.sync.model import Outcome
from tests.fakehub import Status
from tests.sync.lab import (
    Lab,
    check,
    check_complete,
    contents,
    dataset,
    entries,
    files_of,
    model,
    picture,
    upstream_files,
)

OLD, NEW, NEWEST = model("acme/tiny"), model("acme-labs/tiny"), model("big-lab/tiny")


def assert_same(store: Store, *keys: RepoKey, revision: str = "main") -> None:
    """All names give the same files, in the view and in the store."""
    first, *others = keys
    for key in others:
        assert files_of(store, first, revision) == files_of(store, key, revision)
        assert store.resolve(first, revision) == store.resolve(key, revision)


def test_a_legacy_name(lab: Lab) -> None:
    lab.hub.alias("model", "tiny", "acme/tiny")
    lab.selection = entries("tiny")
    report = lab.sync()
    assert [(OLD, model("tiny"))] == [(one.key, one.asked) for one in report.published]
    assert {model("tiny"): OLD} == lab.store.aliases()
    assert [OLD] == list(lab.store.repos())
    assert_same(lab.store, OLD, model("tiny"))
    check_complete(lab, OLD)
    before = picture(lab.store)
    assert 1 == lab.sync().unchanged
    # By either name it can be asked for alone.
    assert [1, 1] == [lab.sync([key]).unchanged for key in (OLD, model("tiny"))]
    assert before == picture(lab.store)


def test_a_name_in_other_letters(lab: Lab) -> None:
    lab.selection = entries("Acme/TINY")
    lab.sync()
    assert {model("Acme/TINY"): OLD} == lab.store.aliases()
    assert_same(lab.store, OLD, model("Acme/TINY"))


@pytest.mark.parametrize("changed", [True, False])
def test_renamed_after_it_was_mirrored(lab: Lab, changed: bool) -> None:
    repo = lab.hub.repo("model", "acme/tiny")
    repo.tag("v1")
    lab.selection += 'revisions = ["main", "v1"]\n'
    lab.sync()
    old = files_of(lab.store, OLD)
    lab.hub.rename("model", "acme/tiny", "acme-labs/tiny")
    if changed:
        repo.commit({"README.md": "# New\n"})
    lab.hub.clear()

    assert Outcome.OK is lab.sync().outcome

    assert ["README.md"] * changed == [request.file for request in lab.hub.asked("resolve")]
    assert ([NEW], {OLD: NEW}) == (list(lab.store.repos()), lab.store.aliases())
    assert {"main": repo.sha, "v1": repo.tags["v1"]} == lab.store.refs(OLD)
    assert_same(lab.store, OLD, NEW)
    assert_same(lab.store, OLD, NEW, revision="v1")
    assert old == files_of(lab.store, OLD, "v1")
    assert upstream_files(lab.hub, NEW) == files_of(lab.store, OLD)
    assert 2 <= len(lab.store.history(OLD))
    check(lab.store)
    before = picture(lab.store)
    lab.hub.clear()
    assert 2 == lab.sync().unchanged
    assert before == picture(lab.store)
    # The entry may take the new name, or stand there twice.
    for selection in (entries("acme-labs/tiny"), entries("acme-labs/tiny", "acme/tiny")):
        lab.selection = selection
        report = lab.sync()
        assert (Outcome.OK, ()) == (report.outcome, report.published)
    assert before == picture(lab.store)


def test_renamed_twice(lab: Lab) -> None:
    lab.sync()
    for old, new in itertools.pairwise([OLD, NEW, NEWEST]):
        lab.hub.rename("model", old.repo_id, new.repo_id)
        lab.hub.alias("model", OLD.repo_id, new.repo_id)
        lab.hub.repo("model", new.repo_id).commit({"README.md": f"# {new}\n"})
        assert Outcome.OK is lab.sync().outcome
    assert ([NEWEST], {OLD, NEW}) == (list(lab.store.repos()), lab.store.aliases().keys())
    assert_same(lab.store, NEWEST, NEW, OLD)
    check_complete(lab, NEWEST)


@pytest.mark.parametrize("changed", [True, False])
def test_renamed_and_back(lab: Lab, changed: bool) -> None:
    lab.sync()
    pinned = lab.store.resolve(OLD)
    lab.hub.rename("model", "acme/tiny", "acme-labs/tiny")
    lab.sync()
    repo = lab.hub.rename("model", "acme-labs/tiny", "acme/tiny")
    del lab.hub.aliases["model", "acme/tiny"]
    if changed:
        repo.commit({"README.md": "# Back\n"})
    assert Outcome.OK is lab.sync().outcome
    assert ([OLD], {NEW: OLD}) == (list(lab.store.repos()), lab.store.aliases())
    assert_same(lab.store, OLD, NEW)
    assert pinned in lab.store.commits(NEW)
    check_complete(lab, OLD)
    before = picture(lab.store)
    lab.hub.clear()
    assert 1 == lab.sync().unchanged
    assert 1 == len(lab.hub.requests)
    assert before == picture(lab.store)


def test_an_old_name_that_another_repo_takes(lab: Lab) -> None:
    lab.sync()
    lab.hub.rename("model", "acme/tiny", "acme-labs/tiny")
    lab.sync()
    moved = files_of(lab.store, NEW)
    del lab.hub.aliases["model", "acme/tiny"]
    lab.hub.add_repo("model", "acme/tiny", {"other.txt": "another repo"})
    assert Outcome.OK is lab.sync().outcome
    assert ({OLD, NEW}, {}) == (set(lab.store.repos()), lab.store.aliases())
    assert {"other.txt": b"another repo"} == files_of(lab.store, OLD)
    assert moved == files_of(lab.store, NEW)
    check(lab.store)


def test_the_files_of_old_snapshots_stay_under_the_old_name(lab: Lab) -> None:
    """A commit that a user has pinned in his code, from before the new name."""
    lab.sync()
    pinned = lab.store.resolve(OLD)
    expected = contents(lab.store.layout.snapshot(OLD, pinned))
    lab.hub.rename("model", "acme/tiny", "acme-labs/tiny").commit({"README.md": "# New\n"})
    lab.sync()
    for key in (OLD, NEW):
        assert expected == contents(lab.store.layout.snapshot(key, pinned))


def test_renamed_while_upstream_fails(lab: Lab) -> None:
    lab.sync()
    before = picture(lab.store)
    lab.hub.rename("model", "acme/tiny", "acme-labs/tiny").commit({"README.md": "# New\n"})
    lab.hub.fault("resolve", kind=Status(500), times=None)
    report = lab.sync()
    assert [(OLD, "transport", True)] == [(p.subject, p.error, p.kept) for p in report.failed]
    assert before == picture(lab.store)
    lab.hub.clear_faults()
    assert Outcome.OK is lab.sync().outcome
    assert_same(lab.store, OLD, NEW)


def test_refused_under_its_new_name(lab: Lab) -> None:
    """What we have stays as it is, under the name that it has."""
    lab.sync()
    before = picture(lab.store)
    lab.hub.rename("model", "acme/tiny", "acme-labs/tiny")
    lab.selection += '[policy]\ndeny_licenses = "mit"\n'
    report = lab.sync()
    assert [NEW] == [refusal.key for refusal in report.refused]
    assert before == picture(lab.store)


def test_a_name_of_each_type(lab: Lab) -> None:
    lab.hub.add_repo("dataset", "acme/data", {"a.txt": "a"})
    lab.hub.alias("dataset", "acme/tiny", "acme/data")
    lab.selection += entries("acme/tiny", repo_type="dataset")
    lab.sync()
    assert {dataset("acme/tiny"): dataset("acme/data")} == lab.store.aliases()
    assert {"a.txt": b"a"} == files_of(lab.store, dataset("acme/tiny"))
    check_complete(lab, OLD)
