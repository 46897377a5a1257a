"""What the store knows of one repo, read for the catalog: bounded, and never fatal.

A README that is missing from the store, or cut off, costs the card, not the repo:
what went wrong is kept in ``problems``. Only a repo whose manifest or refs cannot be
read at all raises, and the indexer goes on with the next one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mirror.catalog.record import cards
from mirror.catalog.values import as_time
from mirror.errors import MirrorError
from mirror.names import RepoKey, is_commit
from mirror.store import Manifest, Observation, Store

MAIN: Final = "main"
CARD_PATH: Final = "README.md"
INFOS_PATH: Final = "dataset_infos.json"

#: The longest dataset_infos.json of 758 real ones has 2.6 MB.
MAX_INFOS_BYTES: Final = 8 << 20


@dataclass(frozen=True)
class Snapshot:
    """A commit in the mirror, counted."""

    commit: str
    created: str
    """When it came into the mirror."""
    files: int
    bytes: int
    present_files: int
    present_bytes: int

    @property
    def partial(self) -> bool:
        """Whether the selection left files out."""
        return self.present_files < self.files


@dataclass(frozen=True)
class RepoSource:
    """All that the catalog needs of one repo."""

    key: RepoKey
    ref: str
    """The ref whose snapshot is described: ``main``, else the newest."""
    manifest: Manifest
    refs: Mapping[str, str]
    snapshots: tuple[Snapshot, ...]
    card: bytes | None = None
    """``None`` where the commit has no README, or it is not in the mirror."""
    infos: Mapping[str, Any] = field(default_factory=dict)
    """Content of ``dataset_infos.json``."""
    history: tuple[Observation, ...] = ()
    """What upstream said, oldest first."""
    problems: tuple[str, ...] = ()


def read_source(store: Store, key: RepoKey) -> RepoSource | None:
    """Read one repo; ``None`` where nothing of it is published.

    Raises:
        MirrorError: the refs, or the manifest they point at, cannot be read.
    """
    refs = store.refs(key)
    if not refs:
        return None
    problems: list[str] = []
    manifests = _read_manifests(store, key, refs, problems)
    ref = _current(refs, manifests)
    manifest = manifests[refs[ref]]
    return RepoSource(
        key=key,
        ref=ref,
        manifest=manifest,
        refs=dict(sorted(refs.items())),
        snapshots=_snapshots(store, key, manifests, problems),
        card=_read_file(store, manifest, CARD_PATH, cards.MAX_BYTES + 1, problems),
        infos=_read_infos(store, manifest, problems),
        history=tuple(store.history(key)),
        problems=tuple(problems),
    )


def _read_manifests(
    store: Store, key: RepoKey, refs: Mapping[str, str], problems: list[str]
) -> dict[str, Manifest]:
    """Those that refs point at; raises only if none of them can be read."""
    found: dict[str, Manifest] = {}
    first: MirrorError | None = None
    for commit in sorted(set(refs.values())):
        try:
            found[commit] = store.manifest(key, commit)
        except MirrorError as error:
            problems.append(f"commit {commit[:12]}: its manifest cannot be read")
            first = first or error
    if first is not None and not found:
        raise first
    return found


def _current(refs: Mapping[str, str], manifests: Mapping[str, Manifest]) -> str:
    """``main`` where it is there; else the newest, branches before converted and pinned ones."""

    def rank(name: str) -> tuple[bool, bool, bool, str, str]:
        created = manifests[refs[name]].created
        return name == MAIN, not is_commit(name), not name.startswith("refs/"), created, name

    return max((name for name in refs if refs[name] in manifests), key=rank)


def _snapshots(
    store: Store, key: RepoKey, known: Mapping[str, Manifest], problems: list[str]
) -> tuple[Snapshot, ...]:
    found = []
    for commit in store.commits(key):
        try:
            found.append(
                _counted(known[commit] if commit in known else store.manifest(key, commit))
            )
        except MirrorError:
            text = f"commit {commit[:12]}: its manifest cannot be read"
            if text not in problems:
                problems.append(text)
    return tuple(found)


def _counted(manifest: Manifest) -> Snapshot:
    present = manifest.present_files
    return Snapshot(
        commit=manifest.commit,
        created=as_time(manifest.created) or manifest.created,
        files=len(manifest.files),
        bytes=sum(file.size for file in manifest.files),
        present_files=len(present),
        present_bytes=sum(file.size for file in present),
    )


def _read_file(
    store: Store, manifest: Manifest, path: str, limit: int, problems: list[str]
) -> bytes | None:
    """Read at most ``limit`` bytes of a file that the mirror has; ``None`` if it has not."""
    file = manifest.file(path)
    if file is None or not file.present or file.sha256 is None:
        return None
    try:
        with store.blobs.open(file.sha256) as stream:
            return stream.read(limit)
    except (MirrorError, OSError):
        problems.append(f"{path} cannot be read from the mirror")
        return None


def _read_infos(store: Store, manifest: Manifest, problems: list[str]) -> Mapping[str, Any]:
    file = manifest.file(INFOS_PATH)
    if file is None or file.size > MAX_INFOS_BYTES:
        return {}
    data = _read_file(store, manifest, INFOS_PATH, MAX_INFOS_BYTES, problems)
    try:
        infos = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        problems.append(f"{INFOS_PATH} is not valid JSON")
        return {}
    return infos if isinstance(infos, dict) else {}
