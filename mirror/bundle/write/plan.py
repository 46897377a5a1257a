"""What a bundle will hold: the difference between this mirror and what the other side has.

Reads manifests, writes nothing. What is sent of a repo: the commits that a ref points at,
unless the other side has them with the same manifest; the contents that it lacks; and what
upstream has said since. What was removed here is proposed, never done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from mirror.bundle.content import manifest_digest
from mirror.bundle.head import MAX_LINE, MAX_NAMED, Answer, Change, Parent, Removal, SnapshotEntry
from mirror.bundle.inventory import (
    Holding,
    Inventory,
    known_blobs,
    newest_observation,
    prefix_of,
)
from mirror.bundle.write.executable import why_executable
from mirror.catalog.record.metadata import describe
from mirror.catalog.record.source import read_source
from mirror.errors import DamagedError
from mirror.names import RepoKey
from mirror.store import Manifest, ManifestFile, Store
from mirror.store.journal import last_record
from mirror.store.provenance import read_provenance
from mirror.store.walk import repo_folders


@dataclass(frozen=True)
class Addressee:
    """Whom a bundle is for, and what he is known to have."""

    name: str = ""
    known: Inventory = field(default_factory=Inventory)
    parent: Parent | None = None
    assumed: bool = False
    answers: tuple[Answer, ...] = ()
    unseen: int = 0
    """Wishes of his that nobody has looked at here."""


@dataclass(frozen=True)
class RepoExport:
    """What is sent of one repo."""

    key: RepoKey
    aliases: tuple[RepoKey, ...]
    refs: Mapping[str, str]
    snapshots: tuple[SnapshotEntry, ...]
    bases: Mapping[str, str]
    """Commit → a commit that the receiver has, of which its manifest is told."""
    seen_before: str
    """Observations after this time are sent."""
    holding: Holding
    """What the receiver has of it afterwards."""


@dataclass(frozen=True)
class ExportPlan:
    """Everything that a bundle will say, before it is laid out in files."""

    sender: str
    endpoint: str
    addressee: Addressee
    created: str
    repos: tuple[RepoExport, ...]
    blobs: tuple[tuple[str, int], ...]
    """(sha256, size) of every content that is sent, sorted."""
    removals: tuple[Removal, ...]
    origins: tuple[str, ...]
    """Bundles in which some of it had come here, whose proofs go along."""
    inventory: Inventory

    @property
    def snapshots(self) -> tuple[SnapshotEntry, ...]:
        """Every snapshot that comes, repo by repo."""
        return tuple(entry for repo in self.repos for entry in repo.snapshots)

    @property
    def observed(self) -> int:
        """Repos of which only upstream's newer numbers come."""
        return sum(not repo.snapshots for repo in self.repos)

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        parent = self.addressee.parent
        return {
            "sender": self.sender,
            "recipient": self.addressee.name,
            "parent": parent.model_dump() if parent else None,
            "assumed": self.addressee.assumed,
            "created": self.created,
            "snapshots": [entry.model_dump(mode="json") for entry in self.snapshots],
            "observed": self.observed,
            "removals": [removal.model_dump(mode="json") for removal in self.removals],
            "answers": [answer.model_dump(mode="json") for answer in self.addressee.answers],
            "unseen_requests": self.addressee.unseen,
            "contents": len(self.blobs),
            "size": self.size,
        }

    @property
    def size(self) -> int:
        """Bytes of content that are sent."""
        return sum(size for _, size in self.blobs)

    @property
    def is_empty(self) -> bool:
        """Whether the other side has everything, and nothing is proposed."""
        return not (self.repos or self.removals or self.addressee.answers)


def plan_export(
    store: Store,
    keys: Collection[RepoKey] | None,
    addressee: Addressee,
    *,
    sender: str,
    endpoint: str,
) -> ExportPlan:
    """Decide what goes into a bundle.

    Args:
        store: the mirror.
        keys: these repos alone, or none for all.
        addressee: whom it is for.
        sender: what this mirror is called in its bundles.
        endpoint: the upstream it copies from.

    Raises:
        DamagedError: a manifest cannot be read, or a content is missing.
    """
    chosen = sorted(store.repos() if keys is None else {store.canonical(key) for key in keys})
    aliases = store.aliases()
    missing = _Missing(known_blobs(store, addressee.known))
    repos = [
        repo
        for key in chosen
        if (repo := _plan_repo(store, key, aliases, addressee.known.repos.get(key), missing))
    ]
    return ExportPlan(
        sender=sender,
        endpoint=endpoint,
        addressee=addressee,
        created=state_time(store),
        repos=tuple(repos),
        blobs=tuple(sorted(missing.wanted.items())),
        removals=tuple(_removals(store, keys, chosen, aliases, addressee.known, sender)),
        origins=tuple(_origins(store, repos)),
        inventory=addressee.known.joined({repo.key: repo.holding for repo in repos}),
    )


class _Missing:
    """Which contents the other side lacks; collects those that something sent needs."""

    def __init__(self, known: Collection[bytes]) -> None:
        self._known = known
        self.wanted: dict[str, int] = {}

    def want(self, manifest: Manifest) -> None:
        for file in manifest.present_files:
            digest = str(file.sha256)
            if prefix_of(digest) not in self._known:
                self.wanted[digest] = file.size


def _plan_repo(
    store: Store,
    key: RepoKey,
    aliases: Mapping[RepoKey, RepoKey],
    held: Holding | None,
    missing: _Missing,
) -> RepoExport | None:
    refs = dict(store.refs(key))
    held = held or Holding({}, {})
    manifests = {commit: store.manifest(key, commit) for commit in sorted(set(refs.values()))}
    digests = {commit: manifest_digest(manifest) for commit, manifest in manifests.items()}
    seen = newest_observation(store, key)
    moved = {name for name, commit in refs.items() if held.refs.get(name) != commit}
    sent = [
        commit
        for commit in manifests
        if held.commits.get(commit) != digests[commit]
        or any(refs[name] == commit for name in moved)
    ]
    if not sent and seen <= held.seen:
        return None
    for commit in sent:
        _require_contents(store, manifests[commit])
        if held.commits.get(commit) != digests[commit]:
            missing.want(manifests[commit])
    bases = dict(_bases(store, key, refs, sent, held))
    terms = _terms(store, key) if sent else ((), False)
    entries = [
        _entry(
            manifests[commit],
            digests[commit],
            refs,
            held,
            missing.wanted,
            store.manifest(key, bases[commit]) if commit in bases else None,
            terms,
        )
        for commit in sent
    ]
    return RepoExport(
        key=key,
        aliases=tuple(sorted(alias for alias, target in aliases.items() if target == key)),
        refs={name: commit for name, commit in refs.items() if commit in sent},
        snapshots=tuple(entries),
        bases=bases,
        seen_before=held.seen,
        holding=Holding(refs, digests, seen, ""),
    )


def _require_contents(store: Store, manifest: Manifest) -> None:
    if lost := store.missing(manifest):
        raise DamagedError(
            f"{manifest.key} at {manifest.commit[:12]}: the content of {lost[0].path} is missing",
            hint="mirror verify --repair fetches it again; then export",
        )


def _bases(
    store: Store, key: RepoKey, refs: Mapping[str, str], sent: Iterable[str], held: Holding
) -> Iterator[tuple[str, str]]:
    """Choose what manifests are told by: a commit that both have.

    Best the one that the same ref points at over there, else one that any ref does.
    """
    here = set(store.commits(key))

    @cache
    def both_have(commit: str) -> bool:
        known = held.commits.get(commit)
        return commit in here and known == manifest_digest(store.manifest(key, commit))

    others = [*held.refs.values(), *sorted(held.commits)]
    for commit in sent:
        near = [held.refs.get(name, "") for name, head in refs.items() if head == commit]
        choice = (one for one in dict.fromkeys([*near, *others]) if one != commit)
        if (base := next(filter(both_have, choice), None)) is not None:
            yield commit, base


def _entry(
    manifest: Manifest,
    digest: str,
    refs: Mapping[str, str],
    held: Holding,
    wanted: Mapping[str, int],
    base: Manifest | None,
    terms: tuple[tuple[str, ...], bool],
) -> SnapshotEntry:
    commit = manifest.commit
    names = tuple(sorted(name for name, head in refs.items() if head == commit))
    before = next((held.refs[name] for name in names if name in held.refs), None)
    new = [file for file in manifest.present_files if str(file.sha256) in wanted]
    runs = [
        (_line(file.path), why)
        for file in _unseen(manifest, manifest if held.commits.get(commit) == digest else base)
        if (why := why_executable(manifest.repo_type, file.path)) is not None
    ]
    licenses, gated = terms
    return SnapshotEntry(
        repo=str(manifest.key),
        commit=commit,
        refs=names,
        change=_change(commit, digest, before, held),
        before=before,
        digest=digest,
        files=len(manifest.present_files),
        size=sum(file.size for file in manifest.present_files),
        new_files=len(new),
        new_size=sum(file.size for file in new),
        licenses=licenses,
        gated=gated,
        executable=tuple(runs[:MAX_NAMED]),
        executable_count=len(runs),
    )


def _unseen(manifest: Manifest, base: Manifest | None) -> Iterator[ManifestFile]:
    """Give the files that the receiver does not have in that place.

    Also one whose content he has: as ``notes.txt`` it could run nothing, as ``run.py`` it can.
    """
    there = {(file.path, file.sha256) for file in (base.present_files if base else ())}
    return (file for file in manifest.present_files if (file.path, file.sha256) not in there)


def _change(commit: str, digest: str, before: str | None, held: Holding) -> Change:
    if (known := held.commits.get(commit)) is not None:
        return "ref" if known == digest else "fill"
    return "new" if before is None else "update"


def _terms(store: Store, key: RepoKey) -> tuple[tuple[str, ...], bool]:
    """Give the licences of a repo, as the catalog reads them, and whether it is gated."""
    source = read_source(store, key)
    if source is None:
        return (), False
    record = describe(source)
    names = (
        f"{one.license} ({one.name})" if one.name else one.license
        for one in record.licenses
        if one.license not in {"unknown", "none"}
    )
    return tuple(dict.fromkeys(map(_line, names))), record.gated is not None


def _line(text: str) -> str:
    """Make foreign text fit into a head: cut, and without half characters."""
    return text[:MAX_LINE].encode(errors="replace").decode()


def _removals(
    store: Store,
    keys: Collection[RepoKey] | None,
    chosen: Collection[RepoKey],
    aliases: Mapping[RepoKey, RepoKey],
    known: Inventory,
    sender: str,
) -> Iterator[Removal]:
    """Propose what came from here, and is here no longer."""
    for key, holding in sorted(known.repos.items()):
        ours = holding.sender == sender or known.blobs is None  # else he has it from elsewhere
        asked = keys is None or key in chosen or key in keys
        if not (ours and asked) or key in aliases:
            continue
        gone = not store.has(key)
        refs = {} if gone else store.refs(key)
        why = "the sender has this repo no longer" if gone else "the sender follows it no longer"
        for name in sorted(holding.refs.keys() - refs.keys()):
            yield Removal(repo=str(key), ref=name, commit=holding.refs[name], why=why)


def _origins(store: Store, repos: Iterable[RepoExport]) -> list[str]:
    """Give the bundles that brought here what is sent, by their ids."""
    found: set[str] = set()
    for repo in repos:
        commits = {entry.commit for entry in repo.snapshots}
        for came in read_provenance(store.layout.provenance(repo.key)):
            if came.commit in commits:
                found.update([came.bundle, *(one.bundle for one in came.origins)])
    return sorted(found)


def state_time(store: Store) -> str:
    """Give the newest time that the store knows of, in whole seconds: its state's own time."""
    newest = ""
    # Also of repos that are here no longer: that they have gone is the newest of all.
    for key, _ in repo_folders(store.layout):
        last = (last_record(path(key)) for path in (store.layout.history, store.layout.ref_log))
        times = [_as_utc(str(record.get("time"))) for record in last if record]
        newest = max([newest, *times])
    return newest or datetime.fromtimestamp(0, UTC).isoformat()


def _as_utc(text: str) -> str:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return time.astimezone(UTC).replace(microsecond=0).isoformat()
