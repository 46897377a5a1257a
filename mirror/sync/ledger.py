"""What has happened in a run so far: the report in the making. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mirror.errors import (
    MirrorError,
    RepoDisabledError,
    RepoGatedError,
    RepoGoneError,
    RepoUnauthorizedError,
    TransportError,
)
from mirror.hub.model import RepoInfo
from mirror.names import RepoKey
from mirror.store.history import Observation, State
from mirror.sync.last import LastRun
from mirror.sync.model import Action, Amount, Outcome, Problem, Refusal, RepoChange, RunReport
from mirror.sync.policy import licenses_of

#: Repos (or queries) in a row that upstream did not answer for, after which the rest
#: is not tried.
GIVE_UP_AFTER = 3

_STATES: Mapping[type[MirrorError], State] = {
    RepoGoneError: "gone",
    RepoUnauthorizedError: "unauthorized",
    RepoGatedError: "gated",
    RepoDisabledError: "disabled",
}


def state_of(error: MirrorError) -> State | None:
    """Give what an error says about the repo itself; none where it says nothing lasting."""
    return _STATES.get(type(error))


def observation_of(info: RepoInfo, time: str) -> Observation:
    """Give what is written down of a look at a repo; ``time`` is ISO 8601, UTC."""
    raw = info.raw
    gated = raw.get("gated")
    return Observation(
        time=time,
        commit=info.commit,
        downloads=_count(raw.get("downloads")),
        likes=_count(raw.get("likes")),
        license=", ".join(licenses_of(raw)) or None,
        gated=gated if isinstance(gated, bool | str) else None,
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


@dataclass
class Ledger:
    """Collects the outcomes of the repos of one run."""

    published: list[RepoChange] = field(default_factory=list)
    unchanged: int = 0
    refused: list[Refusal] = field(default_factory=list)
    failed: list[Problem] = field(default_factory=list)
    settled: set[RepoKey] = field(default_factory=set)
    """Repos whose head of ``main`` we have now."""
    notes: list[str] = field(default_factory=list)
    """About the selection."""
    silence: int = 0
    """Repos in a row that upstream did not answer for."""

    def answered(self) -> None:
        """Note that upstream answers, with yes or no."""
        self.silence = 0

    def unanswered(self) -> None:
        """Note that upstream did not answer for a repo, after all tries."""
        self.silence += 1

    @property
    def given_up(self) -> bool:
        """Whether upstream is down, so that trying the rest would only take hours."""
        return self.silence >= GIVE_UP_AFTER

    def amount(self, action: Action) -> Amount:
        """Files and bytes over everything published."""
        return sum((plan.amount(action) for plan in self.published), Amount())

    def outcome(self, *, completed: bool) -> Outcome:
        """Say how the run ended."""
        if not completed:
            return Outcome.INTERRUPTED
        if not self.failed:
            return Outcome.OK
        return Outcome.PARTIAL if self.published or self.unchanged else Outcome.FAILED


def with_problem(report: RunReport, subject: str, error: MirrorError) -> RunReport:
    """Give the report with one more problem: of something that came after the run."""
    problem = Problem.of(subject, None, error, kept=True)
    outcome = Outcome.PARTIAL if report.outcome is Outcome.OK else report.outcome
    return replace(report, outcome=outcome, failed=(*report.failed, problem))


def give_up_error(endpoint: str) -> TransportError:
    """Say why the rest of the repos is not tried."""
    return TransportError(
        f"not tried: {endpoint} did not answer {GIVE_UP_AFTER} times in a row",
        hint="the next run tries again",
    )


def report_of(
    ledger: Ledger,
    *,
    completed: bool,
    started: str,
    finished: str,
    endpoint: str,
    requests: Mapping[str, Any],
    received_bytes: int,
    left: LastRun,
) -> RunReport:
    """Make the report.

    Args:
        ledger: what happened.
        completed: False after Ctrl-C.
        started: ISO 8601, UTC.
        finished: ISO 8601, UTC.
        endpoint: upstream.
        requests: the counters of the run.
        received_bytes: over the network.
        left: for the next run.
    """
    return RunReport(
        outcome=ledger.outcome(completed=completed),
        started=started,
        finished=finished,
        endpoint=endpoint,
        published=tuple(ledger.published),
        unchanged=ledger.unchanged,
        refused=tuple(ledger.refused),
        failed=tuple(ledger.failed),
        fetched=ledger.amount(Action.FETCH),
        reused=ledger.amount(Action.REUSE),
        received_bytes=received_bytes,
        requests=requests,
        positions=left.positions,
        unsettled=tuple(sorted(left.unsettled)),
        notes=tuple(ledger.notes),
    )
