"""What a person sees of a sync while it runs, on stderr: bars on a terminal, else lines.

:class:`Tally` counts, the two others show. A sync reports every piece of a file that
comes in, many thousands a second, so showing is limited to ten times a second.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from mirror.cli.output import clean, human_size, number_of, one_line, talk
from mirror.sync.model import Action, PlannedFile, Problem, Progress, Refusal, RepoPlan

#: Files below this size come and go too fast to be named.
_WORTH_A_BAR: Final = 16_000_000
_BARS: Final = 4
_REFRESH: Final = 0.1
#: Seconds between the lines of a log that is read afterwards.
_LINE_EVERY: Final = 30.0


class Tally(Progress):
    """Counts what is planned and what has come, over the whole run."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown = clock()
        self._left: dict[tuple[str, str], int] = {}
        self.total = 0
        self.done = 0
        self.planned_repos = 0
        self.ended_repos = 0
        self.active: dict[tuple[str, str], tuple[PlannedFile, int]] = {}
        """Large files under way: (repo, path) → (file, bytes that are there)."""

    def show(self, *, now: bool = False) -> None:
        """Show the counts, if it is time to."""

    def say(self, text: str) -> None:
        """Show a line that stays."""

    def planned(self, plan: RepoPlan) -> None:
        """Count in a repo."""
        size = plan.amount(Action.FETCH).bytes
        self._left[_id(plan)] = size
        self.total += size
        self.planned_repos += 1
        self.show(now=True)

    def received(self, plan: RepoPlan, file: PlannedFile, count: int) -> None:
        """Count a piece of a file."""
        self.done += count
        self._left[_id(plan)] = self._left.get(_id(plan), 0) - count
        if file.size >= _WORTH_A_BAR:
            name = (str(plan.key), file.path)
            so_far = self.active.pop(name, (file, 0))[1] + count
            if so_far < file.size:
                self.active[name] = (file, so_far)
        self.show()

    def published(self, plan: RepoPlan) -> None:
        """Say that a repo is there; bytes that it shared with another count as done."""
        self.done += self._left.pop(_id(plan), 0)
        self.ended_repos += 1
        fetch, reuse = plan.amount(Action.FETCH), plan.amount(Action.REUSE)
        amounts = f"{number_of(fetch.files, 'file')}, {human_size(fetch.bytes)} fetched"
        reused = f", {number_of(reuse.files, 'file')} reused" if reuse.files else ""
        self.say(
            f"{plan.change.value}: {plan.key} {plan.revision} {plan.commit[:12]}, {amounts}{reused}"
        )
        for warning in plan.warnings:
            self.say(f"note: {plan.key}: {warning}")
        self.show(now=True)

    def failed(self, problem: Problem) -> None:
        """Say what went wrong, and take out what will not come."""
        left = self._left.pop((str(problem.subject), problem.revision or ""), None)
        if left is not None:
            self.total -= left
            self.ended_repos += 1
        name = str(problem.subject)
        self.active = {file: state for file, state in self.active.items() if file[0] != name}
        self.say(f"failed: {describe_problem(problem)}")

    def refused(self, refusal: Refusal) -> None:
        """Say which rule kept a repo out."""
        self.say(f"refused: {refusal.key} {refusal.revision}: {describe_refusal(refusal)}")

    def noted(self, note: str) -> None:
        """Say what is odd about the selection."""
        self.say(f"note: {note}")

    def _is_time(self, every: float, *, now: bool) -> bool:
        moment = self._clock()
        if not now and moment - self._shown < every:
            return False
        self._shown = moment
        return True


class Lines(Tally):
    """For a log: a line for each repo, and one now and then for large ones."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._before = 0

    def show(self, *, now: bool = False) -> None:
        """Write how far it is, every half minute."""
        since = self._shown
        if self._is_time(_LINE_EVERY, now=False):
            rate = (self.done - self._before) / max(self._shown - since, 1e-9)
            self._before = self.done
            share = 100 * self.done // max(self.total, 1)
            self.say(
                f"{human_size(self.done)} of {human_size(self.total)} ({share} %), "
                f"{human_size(rate)}/s, {self.ended_repos} of {self.planned_repos} repos"
            )

    def say(self, text: str) -> None:
        """Write a line."""
        talk(one_line(text))


class Bars(Tally):
    """For a terminal: one bar for everything, and some for large files."""

    def __init__(self) -> None:
        super().__init__()
        from rich import progress
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._bars = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=None),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._whole = self._bars.add_task("asking upstream", total=None)
        self._files: dict[tuple[str, str], Any] = {}

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, *, now: bool = False) -> None:
        """Move the bars."""
        if not self._is_time(_REFRESH, now=now):
            return
        text = f"{self.ended_repos} of {self.planned_repos} repos"
        self._bars.update(self._whole, completed=self.done, total=self.total, description=text)
        chosen = dict(list(self.active.items())[:_BARS])
        for name in [name for name in self._files if name not in chosen]:
            self._bars.remove_task(self._files.pop(name))
        for name, (file, so_far) in chosen.items():
            if name not in self._files:
                self._files[name] = self._bars.add_task(_short(file.path), total=file.size)
            self._bars.update(self._files[name], completed=so_far)

    def say(self, text: str) -> None:
        """Write a line above the bars."""
        self._console.print(one_line(text), soft_wrap=True)


@contextmanager
def watch_sync(*, quiet: bool) -> Iterator[Tally]:
    """Give what shows a sync: nothing, bars on a terminal, lines elsewhere."""
    if quiet:
        yield Tally()
    elif sys.stderr.isatty():
        with Bars() as bars:
            yield bars
    else:
        yield Lines()


@contextmanager
def watch_bytes(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Give what shows work of known length: a bar on a terminal, nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(bar_width=None),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def watch_wait(what: str) -> Iterator[None]:
    """Show on a terminal that work of unknown length is going on."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def describe_problem(problem: Problem) -> str:
    """Say what failed, why, whether the old copy stays, and what to do."""
    revision = f" {problem.revision}" if problem.revision else ""
    kept = " (what is mirrored stays)" if problem.kept else ""
    hint = f"; {problem.hint}" if problem.hint else ""
    return one_line(f"{problem.subject}{revision}: {problem.message}{kept}{hint}")


def describe_refusal(refusal: Refusal) -> str:
    """Say which rule of mirror.toml kept a repo out, and why."""
    return one_line(f"{refusal.detail} ({refusal.rule})")


def _id(plan: RepoPlan) -> tuple[str, str]:
    return str(plan.key), plan.revision


def _short(path: str) -> str:
    text = clean(path)
    return text if len(text) <= 40 else f"…{text[-39:]}"
