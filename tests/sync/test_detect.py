"""How changes are found: the number of requests, and that no change is ever missed."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mirror.store import Store
from mirror.sync.detect import INDIVIDUAL, rotation
from mirror.sync.last import LastRun, last_run
from mirror.sync.model import Outcome, RunReport
from tests.fakehub import FakeHub, FakeRepo, Status
from tests.sync.lab import Lab, dataset, entries, model

TODAY = date(2026, 3, 2)


@pytest.mark.parametrize("count", [0, 1, 50, 51, 99, 120, 300, 1003])
def test_the_turn_of_every_repo_comes(count: int) -> None:
    keys = [model(f"a/m{number:04}") for number in range(count)]
    days = -(-count // INDIVIDUAL) + 1
    turns = [rotation(keys, TODAY + timedelta(day)) for day in range(days)]
    assert set(keys) == {key for turn in turns for key in turn}
    for turn in turns:
        assert len(set(turn)) == len(turn) == min(count, INDIVIDUAL)
    assert turns[0] == rotation(keys, TODAY)


def lab_of(hub: FakeHub, store: Store, authors: int, each: int = 1) -> Lab:
    names = [f"a{author:03}/m{number}" for author in range(authors) for number in range(each)]
    for name in names:
        hub.add_repo("model", name, {"a.txt": name})
    return Lab(hub, store, entries(*names))


def requests(lab: Lab, report: RunReport) -> int:
    """What the report counts is what the hub has seen."""
    assert len(lab.hub.requests) == report.requests["api"] + report.requests["resolve"]
    return len(lab.hub.requests)


def counts(lab: Lab) -> dict[str, int]:
    return {family: count for family, count in lab.hub.counts.items() if count}


def test_many_repos_of_one_author_cost_one_list(hub: FakeHub, store: Store) -> None:
    lab = lab_of(hub, store, authors=1, each=40)
    lab.sync()
    hub.clear()
    report = lab.sync()
    assert (Outcome.OK, 40, 1) == (report.outcome, report.unchanged, requests(lab, report))
    assert {"list": 1} == counts(lab)

    commit = hub.repo("model", "a000/m7").commit({"a.txt": "new"})
    hub.clear()
    report = lab.sync()
    assert [commit] == [change.commit for change in report.published]
    assert {"list": 1, "info": 1, "tree": 1, "resolve": 1} == counts(lab)


def test_a_query_tells_the_heads_as_well(hub: FakeHub, store: Store) -> None:
    lab = lab_of(hub, store, authors=1, each=40)
    lab.selection = '[[models]]\nauthor = "a000"\n'
    lab.sync()
    hub.clear()
    report = lab.sync()
    assert (40, 1) == (report.unchanged, requests(lab, report))


def test_a_repo_that_is_gone_is_missing_in_the_list_of_its_author(lab: Lab) -> None:
    lab.hub.add_repo("model", "acme/other", {"a.txt": "x"})
    lab.selection += entries("acme/other")
    lab.sync()
    lab.hub.repo("model", "acme/other").gone = True
    lab.hub.clear()
    report = lab.sync()
    assert [model("acme/other")] == [problem.subject for problem in report.failed]
    assert {"list": 1, "info": 1} == counts(lab)
    assert "unauthorized" == lab.store.history(model("acme/other"))[-1].state


def test_a_list_that_is_refused_costs_only_requests(hub: FakeHub, store: Store) -> None:
    lab = lab_of(hub, store, authors=2, each=3)
    lab.sync()
    hub.fault("list", kind=Status(400), times=None)
    hub.clear()
    report = lab.sync()
    assert (Outcome.OK, 6) == (report.outcome, report.unchanged)
    assert {"list": 2, "info": 6} == counts(lab)


WIDE = 60  # a few more than are asked one by one whatever the feed says


@pytest.fixture
def wide(hub: FakeHub, store: Store) -> Lab:
    """Mirrored repos of as many authors, unchanged since the run that brought them."""
    lab = lab_of(hub, store, authors=WIDE)
    assert Outcome.OK is lab.sync().outcome
    hub.clear()
    return lab


def todays(lab: Lab) -> set[str]:
    """The repos that are asked one by one today, whatever the feed says."""
    return {str(request.repo) for request in lab.hub.asked("info")}


def named(number: int) -> str:
    return f"a{number:03}/m0"


def not_in_turn(lab: Lab) -> str:
    return next(name for name in map(named, range(WIDE)) if name not in todays(lab))


def test_the_second_run_of_300_repos_reads_the_feed(hub: FakeHub, store: Store) -> None:
    lab = lab_of(hub, store, authors=300)
    lab.sync()
    hub.clear()
    report = lab.sync()
    assert (Outcome.OK, 300) == (report.outcome, report.unchanged)
    assert requests(lab, report) <= 52
    assert "feed of recent changes" in report.requests["detection"]


def test_a_change_is_seen_in_the_feed(wide: Lab) -> None:
    report = wide.sync()
    assert (WIDE, {"list": 2, "info": INDIVIDUAL}) == (report.unchanged, counts(wide))
    name = not_in_turn(wide)
    commit = wide.hub.repo("model", name).commit({"a.txt": "new"})
    wide.hub.clear()
    report = wide.sync()
    assert [commit] == [change.commit for change in report.published]
    assert {"list": 2, "info": INDIVIDUAL + 1, "tree": 1, "resolve": 1} == counts(wide)
    wide.hub.clear()
    report = wide.sync()
    assert (WIDE, 52) == (report.unchanged, requests(wide, report))


def test_two_changes_at_one_moment(wide: Lab) -> None:
    """The second comes after our look at the feed, with the time that it stood at then."""
    wide.sync()
    one, two = [name for name in map(named, range(WIDE)) if name not in todays(wide)][:2]
    moment = datetime(2026, 6, 1, tzinfo=UTC)
    _commit_at(wide.hub.repo("model", one), moment)
    wide.sync()
    assert {"models": "2026-06-01T00:00:00.000Z"} == positions(wide).positions
    assert_the_next_run_sees(wide, two, _commit_at(wide.hub.repo("model", two), moment))


def _commit_at(repo: FakeRepo, moment: datetime) -> str:
    commit = replace(repo.commits[repo.commit({"a.txt": "new"})], date=moment)
    repo.commits[commit.id] = commit
    repo.move("main", commit.id)
    return commit.id


def test_a_repo_that_is_wanted_by_its_old_name_settles_too(wide: Lab) -> None:
    wide.sync()
    name = not_in_turn(wide)  # of one in turn, its old name and its name are both asked for
    wide.hub.alias("model", "legacy", name)
    wide.selection = wide.selection.replace(entries(name), entries("legacy"))
    for _ in range(2):
        assert () == wide.sync().unsettled
    wide.hub.clear()
    assert 52 == requests(wide, wide.sync())


def test_recheck_asks_about_every_repo(wide: Lab) -> None:
    report = wide.sync(recheck=True)
    assert (Outcome.OK, WIDE) == (report.outcome, report.unchanged)
    assert {"list": 1, "info": WIDE} == counts(wide)
    wide.hub.clear()
    assert 52 == requests(wide, wide.sync())


def others(lab: Lab, name: str) -> list[str]:
    return [other for other in map(named, range(WIDE)) if other != name]


def positions(lab: Lab) -> LastRun:
    return last_run(lab.store, lab.hub.endpoint)


def assert_the_next_run_sees(lab: Lab, name: str, commit: str) -> None:
    lab.hub.clear_faults()
    report = lab.sync()
    assert commit in [change.commit for change in report.published]
    assert commit == lab.store.resolve(model(name))


def test_a_repo_that_failed_is_asked_again(wide: Lab) -> None:
    wide.sync()
    name = not_in_turn(wide)
    commit = wide.hub.repo("model", name).commit({"a.txt": "new"})
    wide.hub.fault("tree", repo=name, kind=Status(500), times=None)
    report = wide.sync()
    assert (Outcome.PARTIAL, (model(name),)) == (report.outcome, report.unsettled)
    # The feed moves on meanwhile, and passes it.
    for number in range(3):
        wide.hub.repo("model", others(wide, name)[number]).commit({"a.txt": "also new"})
    wide.hub.repo("model", others(wide, name)[0]).commit({"a.txt": "1"})
    wide.hub.repo("model", others(wide, name)[0]).commit({"a.txt": "2"})
    assert (model(name),) == wide.sync().unsettled
    assert commit not in wide.store.commits(model(name))
    assert_the_next_run_sees(wide, name, commit)
    assert frozenset() == positions(wide).unsettled


def test_a_private_repo_is_asked_about_each_time(wide: Lab) -> None:
    """Whether the feed shows it depends on the upstream."""
    wide.sync()
    name = not_in_turn(wide)
    wide.hub.add_token("ours")
    wide.token = "ours"
    wide.hub.repo("model", name).private = True
    wide.hub.repo("model", name).commit({"a.txt": "new"})
    for _ in range(3):
        wide.hub.clear()
        assert (model(name),) == wide.sync().unsettled
    assert name in todays(wide)


def test_a_repo_that_was_refused_is_asked_again(wide: Lab) -> None:
    wide.sync()
    name = not_in_turn(wide)
    repo = wide.hub.repo("model", name)
    repo.commit({"README.md": "---\nlicense: gpl-3.0\n---\n"})
    allowed = wide.selection
    wide.selection += '[policy]\ndeny_licenses = ["gpl-3.0"]\n'
    for _ in range(2):
        report = wide.sync()
        assert [model(name)] == [refusal.key for refusal in report.refused]
        for number in range(2):
            wide.hub.repo("model", others(wide, name)[number]).commit({"a.txt": "new"})
            wide.hub.repo("model", others(wide, name)[number]).commit({"a.txt": "newer"})
    wide.selection = allowed
    assert_the_next_run_sees(wide, name, repo.sha)


def test_a_run_over_some_repos_does_not_move_the_position(wide: Lab) -> None:
    wide.sync()
    name = not_in_turn(wide)
    before = positions(wide)
    assert {"models"} == before.positions.keys()
    commit = wide.hub.repo("model", name).commit({"a.txt": "new"})
    wide.sync([model(others(wide, name)[0])])
    assert before == positions(wide)
    assert_the_next_run_sees(wide, name, commit)
    assert before != positions(wide)


def test_a_repair_does_not_move_the_position(wide: Lab) -> None:
    before = positions(wide)
    wide.repair(model("a000/m0"))
    assert before == positions(wide)
    wide.hub.clear()
    assert 52 == requests(wide, wide.sync())


def test_a_run_that_was_interrupted_does_not_move_the_position(wide: Lab) -> None:
    wide.sync()
    before = positions(wide)
    name = not_in_turn(wide)
    commit = wide.hub.repo("model", name).commit({"a.txt": "new"})
    wide.hub.on("info", lambda _: _interrupt(), times=1)
    report = wide.sync()
    assert (Outcome.INTERRUPTED, 130) == (report.outcome, report.exit_code)
    assert before == positions(wide)
    assert_the_next_run_sees(wide, name, commit)


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_repo_that_was_not_selected_for_a_while(wide: Lab) -> None:
    """Nobody has asked about it; its change is behind the position that the feed has now."""
    wide.sync()
    name = not_in_turn(wide)
    selection = wide.selection
    wide.selection = selection.replace(entries(name), "")
    assert selection != wide.selection
    commit = wide.hub.repo("model", name).commit({"a.txt": "new"})
    assert (model(name),) == wide.sync().unsettled
    wide.hub.repo("model", others(wide, name)[0]).commit({"a.txt": "1"})
    wide.hub.repo("model", others(wide, name)[0]).commit({"a.txt": "2"})
    assert (model(name),) == wide.sync().unsettled
    wide.selection = selection
    assert_the_next_run_sees(wide, name, commit)


def test_a_repo_that_changes_while_the_run_goes_on(wide: Lab) -> None:
    """The position is of the beginning of the run, so the next one sees the change."""
    wide.sync()
    name = not_in_turn(wide)
    made: list[str] = []
    repo = wide.hub.repo("model", name)
    wide.hub.on("info", lambda _: made.append(repo.commit({"a.txt": "new"})), times=1, skip=20)
    assert WIDE == wide.sync().unchanged
    assert_the_next_run_sees(wide, name, made[0])


def test_a_feed_that_is_refused_costs_only_requests(wide: Lab) -> None:
    wide.hub.fault("list", kind=Status(400), skip=1, times=1)
    report = wide.sync()
    assert (WIDE, {"list": 2, "info": WIDE}) == (report.unchanged, counts(wide))


def test_another_upstream_has_another_feed(wide: Lab) -> None:
    assert LastRun() == last_run(wide.store, "https://other.example")
    here = positions(wide)
    started = _report(wide.store, {"kind": "sync", "endpoint": "https://other.example"})
    assert LastRun() == positions(wide) != here
    started.unlink()
    assert here == positions(wide)


@pytest.mark.parametrize(
    "report",
    [
        {"kind": "sync", "positions": ["models"], "unsettled": {"a": 1}},
        {"kind": "sync", "positions": {"models": 3}, "unsettled": [3, None, "../x", "x"]},
        {"kind": "sync"},
    ],
)
def test_a_report_with_nonsense_in_it_counts_as_none(lab: Lab, report: dict[str, Any]) -> None:
    lab.sync()
    _report(lab.store, report | {"endpoint": lab.hub.endpoint})
    assert LastRun() == positions(lab)
    assert 1 == lab.sync().unchanged


def test_reports_that_are_not_of_syncs_or_not_readable_are_passed_over(wide: Lab) -> None:
    here = positions(wide)
    _report(wide.store, {"kind": "verify"})
    (wide.store.layout.runs / "99990101T000000.000000Z.json").write_text("{")
    assert here == positions(wide)
    assert here.positions


def test_each_type_has_its_own_feed(hub: FakeHub, store: Store) -> None:
    names = [f"a{number:03}/m" for number in range(60)]
    for name in names:
        hub.add_repo("model", name, {"a": name})
        hub.add_repo("dataset", name, {"a": name})
    lab = Lab(hub, store, entries(*names) + entries(*names, repo_type="dataset"))
    lab.sync()
    assert {"models", "datasets"} == positions(lab).positions.keys()
    hub.clear()
    report = lab.sync()
    assert (120, {"list": 4, "info": 100}) == (report.unchanged, counts(lab))
    asked = {(request.repo_type, request.repo) for request in hub.asked("info")}
    name = next(name for name in names if ("dataset", name) not in asked)
    commit = hub.repo("dataset", name).commit({"a": "new"})
    lab.sync()
    assert commit == store.resolve(dataset(name))


def _report(store: Store, report: dict[str, Any]) -> Path:
    return store.write_report(report, datetime.now(UTC) + timedelta(seconds=1))
