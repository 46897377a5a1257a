"""What is mirrored, as the endpoint needs it: read when asked for, kept while it is current.

Whether something is current is told by ``stat`` of the one file that says it (refs.json, the
manifest, the alias, catalog.db), which the store replaces by rename. So a sync, an import or
a repair is seen by the next request; nothing is walked and nothing is hashed.

Thread-safe. Reads only, but for the notes on what is damaged (``damage``).
"""

from __future__ import annotations

import logging
import os
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from mirror.errors import BadNameError, DamagedError, NotFoundError
from mirror.names import RepoKey, check_ref_name, is_commit
from mirror.serve.access import is_gated, is_gated_now
from mirror.serve.damage import DamageNotes
from mirror.serve.errors import HubError, Miss, no_repo, no_revision
from mirror.serve.options import ServeOptions
from mirror.store import Manifest, ManifestFile, Store

if TYPE_CHECKING:
    from mirror.catalog import Catalog
    from mirror.serve.through import Through

_log: Final = logging.getLogger("mirror.serve")

Value = TypeVar("Value")
#: What tells one version of a file from another; ``None`` where there is none.
Stamp = tuple[int, int, int, int] | None

#: Repos whose refs and aliases are kept: some hundred bytes each.
_KEPT_REPOS: Final = 20_000
#: Different misses that are remembered; a client in a loop must not fill the memory.
_KEPT_MISSES: Final = 10_000


def stamp(path: str) -> Stamp:
    """Give what changes whenever the store replaces the file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - on every request
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class Kept(Generic[Value]):
    """Values read from files, each good for one version of its file; the least used goes."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._used = 0
        self._turn = threading.Lock()
        self._values: OrderedDict[str, tuple[Stamp, Value, int]] = OrderedDict()

    def get(
        self, path: str, read: Callable[[], Value], weigh: Callable[[Value], int] = lambda _: 1
    ) -> Value:
        """Give the value of ``path`` as it is now, read anew only where it has changed."""
        now = stamp(path)
        with self._turn:
            if (found := self._values.get(path)) is not None and found[0] == now:
                self._values.move_to_end(path)
                return found[1]
        value = read()  # taken with the stamp from before: read again rather than stale
        with self._turn:
            self._drop(path)
            self._values[path] = (now, value, weigh(value))
            self._used += self._values[path][2]
            while self._used > self._room and len(self._values) > 1:
                self._drop(next(iter(self._values)))
        return value

    def current(self, path: str) -> Value | None:
        """Give what :meth:`get` would answer without reading; ``None`` where it would read."""
        now = stamp(path)
        with self._turn:
            if (found := self._values.get(path)) is None or found[0] != now:
                return None
            self._values.move_to_end(path)
            return found[1]

    def _drop(self, path: str) -> None:
        if (old := self._values.pop(path, None)) is not None:
            self._used -= old[2]


@dataclass(frozen=True)
class Place:
    """Where the files of one repo lie that are looked at on every request; as text."""

    alias: str
    refs: str
    commits: str
    history: str

    def manifest(self, commit: str) -> str:
        """The manifest of one commit."""
        return f"{self.commits}/{commit}.json"


class Snapshot:
    """One commit of one repo, ready to answer from."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.key = manifest.key
        self.commit = manifest.commit

    @cached_property
    def files(self) -> Mapping[str, ManifestFile]:
        """All files of the commit by path, those that are not mirrored included."""
        return {file.path: file for file in self.manifest.files}

    def lists(self, file: ManifestFile) -> bool:
        """Whether a client may ask for a file of the commit: it is here."""
        return file.present

    def why_absent(self, file: ManifestFile) -> str | None:
        """Say what keeps a file out that is not listed."""
        return file.absent_because

    @cached_property
    def present(self) -> tuple[ManifestFile, ...]:
        """The files that are listed, sorted by path."""
        listed = (file for file in self.files.values() if self.lists(file))
        return tuple(sorted(listed, key=lambda file: file.path))

    @cached_property
    def folders(self) -> frozenset[str]:
        """The folders that files which are here lie in, at every depth."""
        found: set[str] = set()
        for file in self.present:
            parent = file.path.rpartition("/")[0]
            while parent and parent not in found:
                found.add(parent)
                parent = parent.rpartition("/")[0]
        return frozenset(found)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The files that are here and their folders, sorted."""
        return tuple(sorted([*(file.path for file in self.present), *self.folders]))

    def below(self, folder: str) -> tuple[str, ...]:
        """Give the paths below a folder at every depth, sorted; empty is the root."""
        if not folder:
            return self.paths
        first = bisect_left(self.paths, f"{folder}/")
        return self.paths[first : bisect_left(self.paths, f"{folder}0", first)]  # "/" + 1


@dataclass(frozen=True)
class Damage:
    """A blob that a request did not find as its manifest says."""

    key: RepoKey
    commit: str
    path: str
    sha256: str


class Shelf:
    """Everything that is mirrored in one folder."""

    def __init__(self, root: Path, options: ServeOptions | None = None) -> None:
        self.options = options or ServeOptions()
        self.store = Store.open(root)
        self.misses: dict[Miss, int] = {}
        """What was asked for and is not mirrored, and how often; filled when strict."""
        self.on_miss: Callable[[Miss], None] = lambda miss: None
        """Told of every miss, strict or not."""
        self.damages: dict[Damage, int] = {}
        """What ``mirror verify --repair`` is needed for."""
        self.notes = DamageNotes(self.store)
        self.through: Through | None = None
        """What asks upstream for what is not here, if the server may."""
        self._targets: Kept[RepoKey] = Kept(_KEPT_REPOS)
        self._refs: Kept[Mapping[str, str]] = Kept(_KEPT_REPOS)
        self._snapshots: Kept[Snapshot] = Kept(self.options.limits.manifest_files)
        self._gates: Kept[bool] = Kept(_KEPT_REPOS)
        self._catalogs: Kept[Catalog] = Kept(1)
        # Making a Path takes longer than asking for the stamp of what lies there.
        self._place = lru_cache(_KEPT_REPOS)(self._find_place)

    # --- repos and revisions ----------------------------------------------------

    def canonical(self, key: RepoKey) -> RepoKey:
        """Give the id that the repo has now; ``key`` itself where it is no alias.

        Raises:
            HubError: 500, an alias that cannot be read.
        """
        path = self._place(key).alias
        return _undamaged(lambda: self._targets.get(path, lambda: self.store.canonical(key)))

    def has(self, key: RepoKey) -> bool:
        """Whether the repo is here, under this name or another."""
        key = self.canonical(key)
        return bool(self._refs_of(key)) or _undamaged(lambda: self.store.has(key))

    def refs(self, key: RepoKey) -> Mapping[str, str]:
        """Give the refs of a repo that is here, pinned commits included.

        Raises:
            HubError: 404, not here; 500, they cannot be read.
        """
        if not self.has(key):
            raise no_repo(key)
        return self._refs_of(self.canonical(key))

    def resolve(self, key: RepoKey, revision: str = "main") -> str:
        """Give the commit of a ref, ``HEAD``, a commit, or the beginning of one (7 or more).

        Raises:
            HubError: 404, RepoNotFound or RevisionNotFound.
        """
        refs = self.refs(key)
        name = "main" if revision == "HEAD" and "HEAD" not in refs else revision
        name = name.removeprefix("refs/heads/").removeprefix("refs/tags/")
        if name in refs:
            return refs[name]
        if self._is_kept(self.canonical(key), name):
            return name
        try:
            check_ref_name(name)
            return self.store.resolve(key, name)
        except BadNameError:
            raise no_revision(key, revision, None) from None
        except NotFoundError as error:
            raise no_revision(key, revision, error.hint) from None
        except DamagedError as error:
            raise _damaged(error) from error

    def snapshot(self, key: RepoKey, revision: str = "main") -> Snapshot:
        """Give a commit with its files.

        Raises:
            HubError: 404, RepoNotFound or RevisionNotFound; 500, a damaged manifest.
        """
        if (kept := self.quick(key, revision)) is not None:
            return kept
        commit = self.resolve(key, revision)
        key = self.canonical(key)
        path = self._place(key).manifest(commit)
        try:
            return _undamaged(
                lambda: self._snapshots.get(
                    path,
                    lambda: Snapshot(self.store.manifest(key, commit)),
                    lambda snapshot: 1 + len(snapshot.manifest.files),
                )
            )
        except NotFoundError as error:
            raise no_revision(key, revision, error.hint) from None

    def is_gated_now(self, key: RepoKey) -> bool:
        """Whether upstream, when it was last asked, had terms for the repo.

        Raises:
            HubError: 500, what it said cannot be read.
        """
        key = self.canonical(key)
        path = self._place(key).history
        return _undamaged(
            lambda: self._gates.get(path, lambda: is_gated_now(self.store.history(key)))
        )

    def is_quick(self, key: RepoKey, revision: str) -> bool:
        """Whether :meth:`snapshot` would only look at stamps: no need for a thread."""
        return self.quick(key, revision) is not None

    def quick(self, key: RepoKey, revision: str) -> Snapshot | None:
        """Give what :meth:`snapshot` would, if that takes no more than three stamps.

        ``None`` where something has to be read, and where the revision needs thought.
        """
        if (canonical := self._targets.current(self._place(key).alias)) is None:
            return None
        place = self._place(canonical)
        if not (refs := self._refs.current(place.refs)):
            return None
        commit = refs.get(revision)
        if commit is None:
            commit = refs.get("main", "") if revision == "HEAD" else revision
        return self._snapshots.current(place.manifest(commit)) if is_commit(commit) else None

    def is_free_at_hand(self, key: RepoKey) -> bool:
        """Whether stamps alone tell that a repo is not gated, now or with any commit here."""
        place = self._place(key)
        if self._gates.current(place.history) is not False:
            return False
        kept = map(self._snapshots.current, map(place.manifest, self._commits_at_hand(place)))
        return all(one is not None and not is_gated(one.manifest.upstream) for one in kept)

    def _commits_at_hand(self, place: Place) -> set[str]:
        return set((self._refs.current(place.refs) or {}).values())

    # --- what others need ---------------------------------------------------------

    def catalog(self) -> Catalog:
        """Give the catalog as it was last published. Threads take turns with it.

        Raises:
            CatalogError: missing, damaged or of another schema.
        """
        from mirror.catalog import Catalog

        path = self.store.layout.catalog
        return self._catalogs.get(str(path), lambda: Catalog.open(path))

    def note_miss(self, miss: Miss) -> None:
        """Tell of what is not mirrored, and remember it when strict."""
        self.on_miss(miss)
        if self.options.strict and (miss in self.misses or len(self.misses) < _KEPT_MISSES):
            self.misses[miss] = self.misses.get(miss, 0) + 1

    def note_damage(self, snapshot: Snapshot, file: ManifestFile) -> None:
        """Remember a blob that is missing: in the log the first time, and for ``verify``."""
        damage = Damage(snapshot.key, snapshot.commit, file.path, str(file.sha256))
        if damage not in self.damages:
            _log.error(
                "the blob %s of %s in %s is missing or cut short: run mirror verify --repair",
                *(damage.sha256, damage.path, damage.key),
            )
        if damage in self.damages or len(self.damages) < _KEPT_MISSES:
            self.damages[damage] = self.damages.get(damage, 0) + 1
        self.notes.add(damage.key, damage.commit, damage.path, damage.sha256)

    def _find_place(self, key: RepoKey) -> Place:
        layout = self.store.layout
        places = (layout.alias, layout.refs, layout.commits, layout.history)
        return Place(*(str(place(key)) for place in places))

    def _is_kept(self, key: RepoKey, commit: str) -> bool:
        """Whether a full commit hash is that of a snapshot in memory that is current."""
        path = self._place(key).manifest(commit)
        return is_commit(commit) and self._snapshots.current(path) is not None

    def _refs_of(self, key: RepoKey) -> Mapping[str, str]:
        path = self._place(key).refs
        return _undamaged(lambda: self._refs.get(path, lambda: self.store.refs(key)))


def _undamaged(read: Callable[[], Value]) -> Value:
    try:
        return read()
    except DamagedError as error:
        raise _damaged(error) from error


def _damaged(error: DamagedError) -> HubError:
    """Say that it is our fault; where on our disk it lies is for the log only."""
    _log.error("%s", error)
    return HubError(
        500, None, "The mirror's own record of this repo is damaged: run mirror verify --repair"
    )
