"""How a mirror is: what it holds, how the last run went, what needs a person.

Read from the store and mirror.toml alone, so that it also works when the catalog does
not, on a read-only mount, and while a sync runs.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mirror.errors import DamagedError, NotFoundError
from mirror.names import RepoKey, RepoType
from mirror.settings import Settings
from mirror.store import NotedDamage, Store, noted_damage

#: Runs that bring content in, and the outcomes with which they have done so. A verify or a
#: prune does not make a mirror fresh, nor does a bundle of which a volume is missing.
_BRINGING: Final = {"sync": {"ok", "partial"}, "import": {"ok"}}


@dataclass(frozen=True)
class Lost:
    """A repo that is mirrored, but that upstream gives us no more."""

    key: RepoKey
    state: str
    """``gone``, ``unauthorized``, ``gated`` or ``disabled``: what upstream said last."""
    since: str
    """When it was first seen so, ISO 8601."""
    detail: str | None

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "repo_type": self.key.repo_type.value,
            "repo_id": self.key.repo_id,
            "state": self.state,
            "since": self.since,
            "detail": self.detail,
        }


@dataclass(frozen=True)
class Status:
    """What ``mirror status`` says. Sizes in bytes, times in ISO 8601 UTC."""

    root: str
    endpoint: str
    entries: int
    """Entries of mirror.toml: each a repo, or a query that finds some."""
    repos: Mapping[str, int]
    """How many of each type are mirrored: ``{"models": 3, …}``."""
    snapshots: int
    blobs: int
    size: int
    """Of all blobs; the view shares their bytes."""
    unfinished: int
    """Bytes of files that a sync has begun to fetch, and the next one goes on with."""
    free: int
    capacity: int
    """Of the disk that the mirror is on."""
    last_run: Mapping[str, Any] | None
    """The report of the newest sync or import."""
    last_success: str | None
    """When the newest one ended that brought something: a sync that upstream answered (in
    full or in part), or a whole bundle."""
    lost: tuple[Lost, ...]
    unsettled: tuple[str, ...]
    """Repos that the last run could not bring up to date."""
    damaged: tuple[str, ...]
    """What could not be read, in words."""
    noted: tuple[NotedDamage, ...] = ()
    """Files that a server could not deliver, and that are still missing or cut short."""

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        form = asdict(self)
        form["lost"] = [repo.as_json() for repo in self.lost]
        return form

    def complaints(
        self, max_age: timedelta | None = None, now: datetime | None = None
    ) -> list[str]:
        """Say what a monitor should wake somebody for; empty when all is well.

        Args:
            max_age: how old the last successful sync or import may be.
            now: for tests.
        """
        found = [f"damaged: {text}" for text in self.damaged]
        if self.noted:
            first = f"{self.noted[0].path} of {self.noted[0].repo}"
            more = f" and {len(self.noted) - 1} more" if len(self.noted) > 1 else ""
            found.append(f"a server cannot deliver {first}{more}: mirror verify --noted --repair")
        if self.last_run is None:
            found.append("never synced")
        elif self.last_run.get("outcome") != "ok":
            kind, outcome = self.last_run.get("kind"), self.last_run.get("outcome")
            found.append(f"the last {kind} ended {outcome}")
        if max_age is not None and self.last_run is not None:
            age = None
            if self.last_success is not None:
                age = (now or datetime.now(UTC)) - datetime.fromisoformat(self.last_success)
            if age is None or age > max_age:
                since = self.last_success or "ever"
                found.append(f"no successful {self.last_run.get('kind')} since {since}")
        return found


def read_status(store: Store, settings: Settings) -> Status:
    """Look at the whole mirror: one directory listing for each repo and blob folder."""
    runs = _Runs.read(store)
    repos: Counter[str] = Counter({kind.plural: 0 for kind in RepoType})
    snapshots, lost = 0, []
    damaged: list[str] = []
    for key in store.repos():
        repos[key.repo_type.plural] += 1
        snapshots += len(store.commits(key))
        lost += _lost(store, key)
        try:
            store.refs(key)
        except DamagedError as error:
            damaged.append(str(error))
    sizes = list(_blob_sizes(store))
    disk = shutil.disk_usage(store.root)
    return Status(
        root=str(store.root),
        endpoint=settings.upstream.endpoint,
        entries=len(settings.numbered_entries()),
        repos=dict(repos),
        snapshots=snapshots,
        blobs=len(sizes),
        size=sum(sizes),
        unfinished=_unfinished(store),
        free=disk.free,
        capacity=disk.total,
        last_run=runs.last,
        last_success=runs.last_success,
        lost=tuple(lost),
        unsettled=runs.unsettled,
        damaged=tuple(damaged),
        noted=tuple(_still_wrong(store)),
    )


def _still_wrong(store: Store) -> Iterator[NotedDamage]:
    """Give the noted files whose blob is not there as the manifest says; a sync may have helped."""
    for note in noted_damage(store):
        try:
            file = store.manifest(note.key, note.commit).file(note.path)
        except NotFoundError:
            continue  # pruned since
        except DamagedError:
            yield note
            continue
        if file and file.sha256 == note.sha256 and not store.blobs.has(note.sha256, file.size):
            yield note


@dataclass(frozen=True)
class _Runs:
    last: Mapping[str, Any] | None = None
    last_success: str | None = None

    @classmethod
    def read(cls, store: Store) -> _Runs:
        last = None
        for report in store.reports():
            if (good := _BRINGING.get(str(report.get("kind")))) is None:
                continue
            last = last or report
            if report.get("outcome") in good and _is_time(report.get("finished")):
                return cls(last, report["finished"])
        return cls(last)

    @property
    def unsettled(self) -> tuple[str, ...]:
        keys = (self.last or {}).get("unsettled")
        return tuple(str(key) for key in keys) if isinstance(keys, list) else ()


def _is_time(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _lost(store: Store, key: RepoKey) -> list[Lost]:
    history = store.history(key)
    if not history or history[-1].state == "ok":
        return []
    last = first = history[-1]
    for observation in reversed(history):
        if observation.state == "ok":
            break
        first = observation
    return [Lost(key, last.state, first.time, last.detail)]


def _blob_sizes(store: Store) -> Iterator[int]:
    found = (store.blobs.size(digest) for digest in store.blobs)
    return (size for size in found if size is not None)  # None: pruned at this moment


def _unfinished(store: Store) -> int:
    try:
        files = (path for path in store.layout.partial.rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files)
    except FileNotFoundError:  # at this moment a run has come to its end
        return 0
