"""The values of a sync: what is wanted, what would be done, what was done.

No I/O here. Every value has a JSON form, because ``--json``, the run reports and
(later) the web pages all show the same thing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from mirror.errors import MirrorError
from mirror.names import RepoKey


@dataclass(frozen=True)
class FileFilter:
    """Which files one entry of mirror.toml wants (huggingface_hub's pattern semantics)."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_size: int | None = None


@dataclass(frozen=True)
class Wanted:
    """One repo at one revision, and the filters of every entry that asks for it.

    A file is wanted when at least one filter lets it through.
    """

    key: RepoKey
    revision: str
    filters: tuple[FileFilter, ...]


class Action(StrEnum):
    """What the plan says about one file."""

    FETCH = "fetch"
    """Its bytes are not in the store."""
    REUSE = "reuse"
    """The store has its bytes already, from whatever repo or revision."""
    SKIP = "skip"
    """The selection or the policy leaves it out."""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of a commit, and what is to be done about it."""

    path: str
    size: int
    blob_id: str
    lfs_sha256: str | None
    sha256: str | None
    """Name of the blob where it is known: always for REUSE."""
    action: Action
    because: str | None = None
    """The rule that left it out, for SKIP."""

    @property
    def etag(self) -> str:
        """The identity of the bytes at upstream: equal etags are fetched once."""
        return self.lfs_sha256 or self.blob_id


@dataclass(frozen=True)
class Amount:
    """A number of files and their bytes."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.files + other.files, self.bytes + other.bytes)

    @classmethod
    def of(cls, files: Iterable[PlannedFile], action: Action) -> Amount:
        """Count the files with ``action``."""
        sizes = [file.size for file in files if file.action is action]
        return cls(len(sizes), sum(sizes))


class Change(StrEnum):
    """Why a repo is in the plan."""

    NEW = "new"
    """Not mirrored so far."""
    UPDATE = "update"
    """The revision points at another commit than ours."""
    FILL = "fill"
    """The same commit, but the selection has grown or bytes are missing."""
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class RepoChange:
    """What changes in one revision of one repo: a plan without its files."""

    key: RepoKey
    """The canonical id, as upstream answers it."""
    asked: RepoKey
    """The id in mirror.toml: an alias where upstream has renamed the repo."""
    revision: str
    commit: str
    previous: str | None
    """What the ref points at in the mirror before."""
    change: Change
    amounts: Mapping[Action, Amount]
    warnings: tuple[str, ...] = ()
    """Worth knowing, but no reason to stop: names that some file systems take for one."""

    def amount(self, action: Action) -> Amount:
        """Files and bytes with ``action``."""
        return self.amounts[action]

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        form = _named(self.key) | {
            "asked_as": self.asked.repo_id,
            "revision": self.revision,
            "commit": self.commit,
            "previous": self.previous,
            "change": self.change.value,
            "warnings": list(self.warnings),
        }
        return form | {action.value: asdict(self.amount(action)) for action in Action}


@dataclass(frozen=True)
class RepoPlan:
    """Exactly what one revision of one repo needs, file by file."""

    key: RepoKey
    asked: RepoKey
    revision: str
    commit: str
    previous: str | None
    change: Change
    files: tuple[PlannedFile, ...]
    upstream: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The raw info call."""
    warnings: tuple[str, ...] = ()

    def amount(self, action: Action) -> Amount:
        """Files and bytes with ``action``."""
        return Amount.of(self.files, action)

    @property
    def in_short(self) -> RepoChange:
        """The plan without its files: what a report keeps of it."""
        return RepoChange(
            key=self.key,
            asked=self.asked,
            revision=self.revision,
            commit=self.commit,
            previous=self.previous,
            change=self.change,
            amounts={action: self.amount(action) for action in Action},
            warnings=self.warnings,
        )

    def as_json(self, *, files: bool = False) -> dict[str, Any]:
        """The JSON form, with every file when ``files``."""
        form = self.in_short.as_json()
        if files:
            form["files"] = [
                {
                    "path": file.path,
                    "size": file.size,
                    "action": file.action.value,
                    "because": file.because,
                }
                for file in self.files
            ]
        return form


@dataclass(frozen=True)
class Refusal:
    """A repo that the policy does not let in. Never silently missing."""

    key: RepoKey
    revision: str
    rule: str
    """The key in mirror.toml: ``policy.deny_licenses``."""
    detail: str

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return _named(self.key) | {
            "revision": self.revision,
            "rule": self.rule,
            "detail": self.detail,
        }


@dataclass(frozen=True)
class Problem:
    """A repo, or a whole query, that could not be planned or fetched."""

    subject: RepoKey | str
    """The repo, or the entry of mirror.toml (``models.2``)."""
    revision: str | None
    error: str
    """The stable word of the error: ``repo-gone``, ``wrong-bytes`` …"""
    message: str
    hint: str | None
    kept: bool
    """Whether a local copy is there and stays in force."""
    exit_code: int
    """Of the error, for a run in which nothing else happened."""

    @classmethod
    def of(
        cls, subject: RepoKey | str, revision: str | None, error: MirrorError, *, kept: bool
    ) -> Problem:
        """Make a problem of an error."""
        return cls(subject, revision, error.kind, str(error), error.hint, kept, error.exit_code)

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        named = (
            _named(self.subject) if isinstance(self.subject, RepoKey) else {"entry": self.subject}
        )
        return named | {
            "revision": self.revision,
            "error": self.error,
            "message": self.message,
            "hint": self.hint,
            "kept": self.kept,
        }


@dataclass(frozen=True)
class Removal:
    """A snapshot that retention would let go: named by the plan, removed by ``mirror prune``."""

    key: RepoKey
    commit: str
    why: str

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return _named(self.key) | {"commit": self.commit, "why": self.why}


@dataclass(frozen=True)
class RequestBudget:
    """Requests to upstream: spent on finding out, and still to be spent on fetching.

    Upstream counts API calls and file requests apart, each per five minutes.
    """

    api_spent: int
    files_to_fetch: int
    detection: str
    """How changes were found, in words: ``feed of recently modified repos (2 pages)``."""

    @property
    def total(self) -> int:
        """All requests of the run, if nothing has to be tried again."""
        return self.api_spent + self.files_to_fetch

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self) | {"total": self.total}


@dataclass(frozen=True)
class SyncPlan:
    """Everything that a sync would do now."""

    repos: tuple[RepoPlan, ...]
    """With something to do; ``unchanged`` counts the others."""
    unchanged: int
    refused: tuple[Refusal, ...]
    failed: tuple[Problem, ...]
    removals: tuple[Removal, ...]
    removable_bytes: int
    """What ``mirror prune`` would free now."""
    requests: RequestBudget
    notes: tuple[str, ...] = ()
    """About the selection: queries that find no repo."""

    def amount(self, action: Action) -> Amount:
        """The total over all repos."""
        return sum((repo.amount(action) for repo in self.repos), Amount())

    def as_json(self, *, files: bool = False) -> dict[str, Any]:
        """The JSON form, with every file when ``files``."""
        return {
            "repos": [repo.as_json(files=files) for repo in self.repos],
            "unchanged": self.unchanged,
            "refused": [refusal.as_json() for refusal in self.refused],
            "failed": [problem.as_json() for problem in self.failed],
            "removals": [removal.as_json() for removal in self.removals],
            "removable_bytes": self.removable_bytes,
            "total": {action.value: asdict(self.amount(action)) for action in Action},
            "requests": self.requests.as_json(),
            "notes": list(self.notes),
        }


class Outcome(StrEnum):
    """How a run ended."""

    OK = "ok"
    PARTIAL = "partial"
    """Something failed; the rest was published."""
    FAILED = "failed"
    """Nothing could be done: upstream down, disk full."""
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class RunReport:
    """What one sync did."""

    outcome: Outcome
    started: str
    finished: str
    """ISO 8601, UTC."""
    endpoint: str
    published: tuple[RepoChange, ...]
    unchanged: int
    refused: tuple[Refusal, ...]
    failed: tuple[Problem, ...]
    fetched: Amount
    reused: Amount
    received_bytes: int
    """Over the network, this time: less than ``fetched`` after a resume."""
    requests: Mapping[str, Any]
    """``{"api": …, "resolve": …, "retries": …, "waited_seconds": …, "detection": …}``"""
    positions: Mapping[str, str] = field(default_factory=dict)
    """Newest ``lastModified`` that upstream's feed showed before the run, for each repo type."""
    unsettled: tuple[RepoKey, ...] = ()
    """Mirrored repos that the next run must not leave to the feed: they failed in this one,
    or are not selected now."""
    notes: tuple[str, ...] = ()
    """About the selection: queries that find no repo."""

    @property
    def exit_code(self) -> int:
        """0 done · 4 in part · 130 interrupted; the first error's own when nothing was done."""
        if self.outcome is Outcome.FAILED:
            return self.failed[0].exit_code
        return {Outcome.OK: 0, Outcome.PARTIAL: 4, Outcome.INTERRUPTED: 130}[self.outcome]

    @property
    def summary(self) -> str:
        """One line that a monitor can read: ``ok published=3 unchanged=12 …``."""
        changes = Counter(plan.change.value for plan in self.published)
        counts = {
            "published": len(self.published),
            "new": changes["new"],
            "updated": changes["update"],
            "filled": changes["fill"],
            "unchanged": self.unchanged,
            "refused": len(self.refused),
            "failed": len(self.failed),
            "fetched_files": self.fetched.files,
            "fetched_bytes": self.fetched.bytes,
            "requests": self.requests.get("api", 0) + self.requests.get("resolve", 0),
        }
        return " ".join([self.outcome.value, *(f"{key}={value}" for key, value in counts.items())])

    def as_json(self) -> dict[str, Any]:
        """The JSON form: also what runs/<utc>.json holds."""
        return {
            "kind": "sync",
            "outcome": self.outcome.value,
            "exit_code": self.exit_code,
            "summary": self.summary,
            "started": self.started,
            "finished": self.finished,
            "endpoint": self.endpoint,
            "published": [plan.as_json() for plan in self.published],
            "unchanged": self.unchanged,
            "refused": [refusal.as_json() for refusal in self.refused],
            "failed": [problem.as_json() for problem in self.failed],
            "fetched": asdict(self.fetched),
            "reused": asdict(self.reused),
            "received_bytes": self.received_bytes,
            "requests": dict(self.requests),
            "positions": dict(self.positions),
            "unsettled": [str(key) for key in self.unsettled],
            "notes": list(self.notes),
        }


class Progress:
    """What watches a run: override what you want to show. Called from one thread."""

    def planned(self, plan: RepoPlan) -> None:
        """Called when a repo with something to do has been planned."""

    def received(self, plan: RepoPlan, file: PlannedFile, count: int) -> None:
        """``count`` more bytes of ``file`` are on disk (negative: they were thrown away)."""

    def arrived(self, plan: RepoPlan, file: PlannedFile, end: int) -> None:
        """``partial/<etag>`` of a large file has no gap up to ``end``; nothing is verified yet."""

    def published(self, plan: RepoPlan) -> None:
        """Called when a snapshot has become visible."""

    def failed(self, problem: Problem) -> None:
        """Called when a repo was given up for this run."""

    def refused(self, refusal: Refusal) -> None:
        """Called when the policy has refused a repo."""

    def noted(self, note: str) -> None:
        """Called for what is odd about the selection: a query that finds no repo."""


def _named(key: RepoKey) -> dict[str, Any]:
    return {"repo_type": key.repo_type.value, "repo_id": key.repo_id}
