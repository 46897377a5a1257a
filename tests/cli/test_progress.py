"""What is shown of a running sync, without a sync: the events as they come."""

from __future__ import annotations

import pytest

from mirror.cli.progress import Bars, Lines, Tally, watch_sync
from mirror.names import RepoKey, RepoType
from mirror.sync.model import Action, Change, PlannedFile, Problem, Refusal, RepoPlan

LARGE = 40_000_000


def key(name: str) -> RepoKey:
    return RepoKey(RepoType.MODEL, f"acme/{name}")


def file(path: str, size: int, action: Action = Action.FETCH) -> PlannedFile:
    return PlannedFile(path, size, "0" * 40, None, None, action)


def plan(name: str, *files: PlannedFile) -> RepoPlan:
    return RepoPlan(
        key=key(name),
        asked=key(name),
        revision="main",
        commit="c" * 40,
        previous=None,
        change=Change.NEW,
        files=files,
        warnings=("two names differ only by case",) if name == "odd" else (),
    )


def problem(name: str) -> Problem:
    return Problem(key(name), "main", "wrong-bytes", "not\nits digest", "try again", True, 5)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class TestTally:
    def test_counts_up_to_what_was_planned(self) -> None:
        tally = Tally()
        one, two = plan("one", file("a", 10), file("b", 5, Action.REUSE)), plan("two", file("a", 7))
        tally.planned(one)
        tally.planned(two)
        assert (17, 0, 2, 0) == state(tally)

        tally.received(one, one.files[0], 6)
        tally.received(one, one.files[0], -6)
        tally.received(one, one.files[0], 10)
        tally.published(one)
        assert (17, 10, 2, 1) == state(tally)

        tally.published(two)  # its file came with another repo
        assert (17, 17, 2, 2) == state(tally)

    def test_does_not_wait_for_what_failed(self) -> None:
        tally = Tally()
        one = plan("one", file("a", 10), file("b", LARGE))
        tally.planned(one)
        tally.received(one, one.files[0], 10)
        tally.received(one, one.files[1], 5)
        assert [("models/acme/one", "b")] == list(tally.active)

        tally.failed(problem("one"))

        assert (15, 15, 1, 1) == state(tally)
        assert {} == tally.active

    def test_a_problem_before_the_plan(self) -> None:
        tally = Tally()

        tally.failed(Problem("models.2", None, "transport", "no answer", None, True, 6))

        assert (0, 0, 0, 0) == state(tally)

    def test_large_files_are_active_until_they_are_whole(self) -> None:
        tally = Tally()
        one = plan("one", file("big", LARGE), file("small", 5))
        tally.planned(one)
        tally.received(one, one.files[1], 3)
        tally.received(one, one.files[0], LARGE - 1)
        assert ["big"] == [path for _, path in tally.active]

        tally.received(one, one.files[0], 1)

        assert {} == tally.active


def state(tally: Tally) -> tuple[int, int, int, int]:
    return tally.total, tally.done, tally.planned_repos, tally.ended_repos


class TestLines:
    def test_one_for_each_repo(self, capsys: pytest.CaptureFixture[str]) -> None:
        lines = Lines()
        one = plan("odd", file("a", 10), file("b", 5, Action.REUSE))
        lines.planned(one)
        lines.received(one, one.files[0], 10)
        lines.published(one)
        lines.failed(problem("two"))
        lines.refused(Refusal(key("three"), "main", "policy.gated", "the repo is gated"))

        assert [
            "new: models/acme/odd main cccccccccccc, 1 file, 10 B fetched, 1 file reused",
            "note: models/acme/odd: two names differ only by case",
            "failed: models/acme/two main: not its digest (what is mirrored stays); try again",
            "refused: models/acme/three main: the repo is gated (policy.gated)",
        ] == capsys.readouterr().err.splitlines()

    def test_and_one_every_half_minute(self, capsys: pytest.CaptureFixture[str]) -> None:
        clock = Clock()
        lines = Lines(clock)
        one = plan("one", file("big", LARGE))
        lines.planned(one)
        for second in range(1, 61):
            clock.now = float(second)
            lines.received(one, one.files[0], LARGE // 100)

        assert [
            "12.0 MB of 40.0 MB (30 %), 400 kB/s, 0 of 1 repos",
            "24.0 MB of 40.0 MB (60 %), 400 kB/s, 0 of 1 repos",
        ] == capsys.readouterr().err.splitlines()


def test_bars_show_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars() as bars:
        one = plan("one", file("[bold]big[/bold]\x1b[2J.bin", LARGE), file("small", 5))
        bars.planned(one)
        bars.received(one, one.files[0], LARGE // 2)
        bars.show(now=True)
        bars.received(one, one.files[0], LARGE - LARGE // 2)
        bars.received(one, one.files[1], 5)
        bars.published(one)
        bars.failed(problem("two"))

    text = capsys.readouterr().err
    assert "new: models/acme/one main cccccccccccc, 2 files, 40.0 MB fetched" in text
    assert "failed: models/acme/" in text
    assert "\x1b[2J" not in text


def test_quiet_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with watch_sync(quiet=True) as tally:
        tally.failed(problem("one"))

    assert ("", "") == capsys.readouterr()
