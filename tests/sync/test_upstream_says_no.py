"""Upstream says no, in each of its meanings: our copy stays, and what was said is kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mirror.sync.model import Outcome
from tests.fakehub import FakeHub, FakeRepo, Status
from tests.sync.lab import RETRIES, Lab, check, check_complete, entries, files_of, model, picture

KEY = model("acme/tiny")


def gone(repo: FakeRepo) -> None:
    repo.gone = True


def private(repo: FakeRepo) -> None:
    repo.private = True


def disabled(repo: FakeRepo) -> None:
    repo.disabled = True


def gated(repo: FakeRepo) -> None:
    repo.gated = "manual"
    repo.commit({"config.json": b'{"new": 1}'})


STATES: dict[str, tuple[Callable[[FakeRepo], None], int, str | None, str, str]] = {
    "gone, asked with a token": (gone, 404, "good", "repo-gone", "gone"),
    "gone, as it looks to strangers": (gone, 401, None, "repo-unauthorized", "unauthorized"),
    "gone, on a mirror": (gone, 404, None, "repo-gone", "gone"),
    "private": (private, 401, None, "repo-unauthorized", "unauthorized"),
    "private, on a mirror": (private, 404, None, "repo-gone", "gone"),
    "disabled": (disabled, 401, "good", "repo-disabled", "disabled"),
    "disabled, as it looks to strangers": (
        disabled, 401, None, "repo-unauthorized", "unauthorized",
    ),
    "gated": (gated, 401, None, "repo-gated", "gated"),
    "gated, another's token": (gated, 401, "other", "repo-gated", "gated"),
    "a token that has expired": (private, 401, "old", "repo-unauthorized", "unauthorized"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "status", "token", "error", "state"), STATES.values(), ids=STATES
)
def test_a_repo_that_is_not_given_any_more(
    lab: Lab, change: Callable[[FakeRepo], None], status: int, token: str | None, error: str,
    state: str,
) -> None:  # fmt: skip
    lab.hub.add_token("good")
    lab.hub.add_token("other", access=["acme/else"])
    lab.sync()
    before = picture(lab.store)
    repo = lab.hub.repo("model", "acme/tiny")
    change(repo)
    lab.hub.options.missing_status = status
    lab.token = token

    report = lab.sync()

    assert [(KEY, error, True)] == [(one.subject, one.error, one.kept) for one in report.failed]
    assert (Outcome.FAILED, 5) == (report.outcome, report.exit_code)
    assert before == picture(lab.store)
    check(lab.store)
    last = lab.store.history(KEY)[-1]
    assert (state, report.failed[0].message) == (last.state, last.detail)

    repo.gone = repo.private = repo.disabled = False
    repo.gated = False
    lab.token = None
    assert Outcome.OK is lab.sync().outcome
    assert "ok" == lab.store.history(KEY)[-1].state
    check_complete(lab, KEY)


def test_a_revision_that_is_gone_stays(lab: Lab) -> None:
    repo = lab.hub.repo("model", "acme/tiny")
    repo.tag("v1")
    lab.selection += 'revisions = ["main", "v1"]\n'
    assert 2 == len(lab.sync().published)
    before = picture(lab.store)
    del repo.tags["v1"]

    report = lab.sync()

    failed = [(one.subject, one.revision, one.error, one.kept) for one in report.failed]
    assert [(KEY, "v1", "revision-gone", True)] == failed
    assert (Outcome.PARTIAL, 4, 1) == (report.outcome, report.exit_code, report.unchanged)
    assert before == picture(lab.store)
    assert "ok" == lab.store.history(KEY)[-1].state
    repo.tag("v1")
    assert Outcome.OK is lab.sync().outcome


def test_a_file_that_the_tree_lists_and_upstream_lacks(lab: Lab) -> None:
    lab.sync()
    old = files_of(lab.store, KEY)
    lab.hub.repo("model", "acme/tiny").commit({"config.json": b'{"new": 1}'})
    lab.hub.fault(
        "resolve", path="config.json", kind=Status(404, {"x-error-code": "EntryNotFound"})
    )
    report = lab.sync()
    assert ["file-gone"] == [one.error for one in report.failed]
    assert old == files_of(lab.store, KEY)
    assert Outcome.OK is lab.sync().outcome
    check_complete(lab, KEY)


def test_a_repo_that_was_never_ours_leaves_nothing(lab: Lab) -> None:
    lab.hub.repo("model", "acme/tiny").gated = "auto"
    lab.selection += entries("acme/no-such")
    report = lab.sync()
    assert {"repo-gated", "repo-unauthorized"} == {one.error for one in report.failed}
    assert {False} == {one.kept for one in report.failed}
    assert [] == list(lab.store.repos())
    assert [] == list(lab.store.layout.repos.rglob("*"))
    assert [] == list(lab.store.layout.hub.iterdir())


@pytest.mark.parametrize("family", ["tree", "resolve"])
def test_a_ref_that_moves_during_the_sync(lab: Lab, family: str) -> None:
    """What is published is one commit, whole: the one that was asked about."""
    lab.sync()
    repo = lab.hub.repo("model", "acme/tiny")
    second = repo.commit({"README.md": "# Two\n", "config.json": b"{}"})
    lab.hub.on(family, lambda _: repo.commit({"README.md": "# Three\n"}, title="three"), times=1)

    report = lab.sync()

    assert (Outcome.OK, [second]) == (report.outcome, [one.commit for one in report.published])
    assert second == lab.store.resolve(KEY)
    check(lab.store)
    assert b"# Two\n" == files_of(lab.store, KEY)["README.md"]
    assert second != repo.sha
    assert [repo.sha] == [one.commit for one in lab.sync().published]
    check_complete(lab, KEY)


def test_a_history_that_is_rewritten_and_a_commit_that_is_gone(lab: Lab) -> None:
    """After a force push the old commit can no longer be had; what we hold of it stays."""
    lab.sync()
    repo = lab.hub.repo("model", "acme/tiny")
    first = repo.sha
    old = files_of(lab.store, KEY)
    repo.commit({"config.json": b"{}"}, only=True, title="rewritten")
    del repo.commits[first]
    assert Outcome.OK is lab.sync().outcome
    check_complete(lab, KEY)
    assert {first, repo.sha} == set(lab.store.commits(KEY))
    folder = lab.store.snapshot_path(KEY, first)
    assert old == {name: (folder / name).read_bytes() for name in old}


# --- upstream is down ------------------------------------------------------------


def many(hub: FakeHub, count: int) -> str:
    for number in range(count):
        hub.add_repo("model", f"author{number:02}/m", {"n.txt": b"%d" % number})
    return entries(*(f"author{number:02}/m" for number in range(count)))


def test_upstream_is_down_for_good(lab: Lab) -> None:
    lab.selection += many(lab.hub, 20)
    lab.sync()
    before = picture(lab.store)
    lab.hub.down()
    report = lab.sync()
    assert (Outcome.FAILED, 6) == (report.outcome, report.exit_code)
    assert 21 == len(report.failed)
    assert {"transport"} == {one.error for one in report.failed}
    assert {True} == {one.kept for one in report.failed}
    assert before == picture(lab.store)
    # Eight repos are asked at once: some were under way when it was given up.
    tried = [one for one in report.failed if not one.message.startswith("not tried")]
    assert 3 <= len(tried) <= 10
    assert report.requests["api"] <= 10 * (RETRIES + 1)
    lab.hub.up()
    report = lab.sync()
    assert (Outcome.OK, 21) == (report.outcome, report.unchanged)


def test_finding_out_what_has_changed_gives_up_too(lab: Lab) -> None:
    """20 authors of two repos, queries, a feed to read: each would wait for nothing."""
    for number in range(60):
        lab.hub.add_repo("model", f"author{number // 2:02}/m{number}", {"a": b"%d" % number})
        lab.selection += entries(f"author{number // 2:02}/m{number}")
    for number in range(10):
        lab.selection += f'[[datasets]]\nauthor = "author{number:02}"\n'
    lab.sync()
    lab.hub.clear()
    lab.hub.fault("any", kind=Status(503), times=None)
    report = lab.sync()
    assert (Outcome.FAILED, 6) == (report.outcome, report.exit_code)
    assert 10 + 61 == len(report.failed)
    assert len(lab.hub.requests) <= (3 + 1 + 10) * (RETRIES + 1)


def test_upstream_goes_down_in_the_middle(lab: Lab) -> None:
    lab.selection = many(lab.hub, 20)
    seen: list[str] = []

    def fail_after_five(request: object) -> None:
        seen.append(str(request))
        if len(seen) == 5:
            lab.hub.fault("any", kind=Status(500), times=None)

    lab.hub.on("resolve", fail_after_five, times=None)
    report = lab.sync()
    assert (Outcome.PARTIAL, 4) == (report.outcome, report.exit_code)
    assert 4 <= len(report.published) <= 5
    assert 20 == len(report.published) + len(report.failed)
    check(lab.store)
    assert len(report.published) == len(list(lab.store.repos()))
    lab.hub.clear_faults()
    report = lab.sync()
    assert (Outcome.OK, 20) == (report.outcome, len(report.published) + report.unchanged)
    check_complete(lab, *(model(f"author{number:02}/m") for number in range(20)))
