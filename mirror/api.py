"""What a Python user holds, and what the command line is built on: :class:`Mirror`.

Reading (search, show, path, load_dataset, status …) writes nothing, needs no network
and works on a read-only mount. Everything heavy is imported by the method that needs
it, so that a search costs only the catalog.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from mirror.errors import (
    CatalogError,
    DamagedError,
    LockedError,
    NotAMirrorError,
    UsageError,
)
from mirror.names import RepoKey, RepoType

if TYPE_CHECKING:
    from mirror.catalog import Catalog, IndexReport, RepoPage, RepoSummary, SearchResult
    from mirror.settings import Settings
    from mirror.status import Status
    from mirror.store import Manifest, PrunePlan, Store
    from mirror.sync import Progress, RunReport, SyncPlan
    from mirror.verification import Verification

#: Where a mirror is, when nobody says.
HOME_VARIABLE: Final = "MIRROR_HOME"

#: As in store.layout, which is too heavy to import for a search.
_FORMAT_FILE: Final = "format"
_CATALOG_FILE: Final = "catalog.db"
_SETTINGS_FILE: Final = "mirror.toml"


class Mirror:
    """One mirror folder.

    Args:
        root: the folder; the variable ``MIRROR_HOME`` where it is not given.

    Raises:
        UsageError: neither is given.
        NotAMirrorError: the folder is no mirror.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = _root(root)
        if not (self.root / _FORMAT_FILE).is_file():
            raise NotAMirrorError(self.root)

    @classmethod
    def init(cls, root: Path | str, endpoint: str | None = None) -> Self:
        """Make ``root`` a mirror, with a commented mirror.toml if it has none.

        Args:
            root: a new or empty folder, or one that holds only a mirror.toml.
            endpoint: the Hub to copy from, where it is not huggingface.co.

        Raises:
            StoreError: the folder holds something else.
            SettingsError: ``endpoint`` is no URL, or differs from the mirror.toml there.
            DiskError: the folder cannot be written.
        """
        from mirror.errors import SettingsError
        from mirror.selection_file import starter_text
        from mirror.settings import load_settings
        from mirror.store import Store
        from mirror.store.atomic import write_atomic

        text = starter_text(endpoint)
        path = Path(root).expanduser().absolute() / _SETTINGS_FILE
        if path.exists() and endpoint is not None:
            there = load_settings(path).upstream.endpoint
            if there != endpoint.rstrip("/"):
                raise SettingsError(f"{path} is there already, and says endpoint = {there!r}")
        store = Store.create(root)
        if not path.exists():
            write_atomic(store.layout.settings, text.encode())
        return cls(store.root)

    # --- the parts -----------------------------------------------------------------

    @cached_property
    def store(self) -> Store:
        """The bytes and snapshots.

        Raises:
            UnknownFormatError: another version wrote this mirror.
        """
        from mirror.store import Store

        return Store.open(self.root)

    @property
    def settings(self) -> Settings:
        """mirror.toml, as it is now.

        Raises:
            SettingsError: missing, or wrong: names the key or line.
        """
        from mirror.settings import load_settings

        return load_settings(self.root / _SETTINGS_FILE)

    @property
    def catalog(self) -> Catalog:
        """The catalog as it was last published; open it again to see a later one.

        Raises:
            CatalogError: missing, damaged, or of another schema.
        """
        from mirror.catalog import Catalog

        return Catalog.open(self.root / _CATALOG_FILE)

    # --- choose what to mirror -------------------------------------------------------

    def add(self, repo_type: RepoType | str, **entry: Any) -> str:
        """Add an entry to mirror.toml: the keys of docs/reference/mirror-toml.md.

        ``mirror.add("dataset", id="klue/klue", exclude="*.bin")``. Comments stay.

        Returns:
            The lines that were added.

        Raises:
            SettingsError: the entry, or mirror.toml, is wrong; the file is unchanged.
            UsageError: it is selected already.
        """
        (lines,) = self.add_all([(RepoType.parse(str(repo_type)), entry)])
        return lines

    def add_all(self, entries: Sequence[tuple[RepoType, Mapping[str, Any]]]) -> tuple[str, ...]:
        """Add several entries, or none of them: as :meth:`add`."""
        from mirror.selection_file import add_entry, entry_lines

        def with_entries(text: str, source: str) -> str:
            for kind, entry in entries:
                text = add_entry(text, kind, entry, source)
            return text

        self._edit(with_entries)
        return tuple(entry_lines(kind, entry) for kind, entry in entries)

    def remove(self, *names: str) -> tuple[str, ...]:
        """Take entries out of mirror.toml; what is mirrored stays, and stays loadable.

        Args:
            names: repos (``datasets/klue/klue``) or places (``datasets.2``).

        Returns:
            The places of the entries that were taken out, as they were numbered before.

        Raises:
            NotFoundError: no such entry; the file is unchanged.
            UsageError: entries of several types are called so.
        """
        from mirror.selection_file import find_entries, remove_entries
        from mirror.settings import parse_settings

        removed: tuple[str, ...] = ()

        def without(text: str, source: str) -> str:
            nonlocal removed
            settings = parse_settings(text, source)
            found = (place for name in names for place in find_entries(settings, name, source))
            places = list(dict.fromkeys(found))
            removed = tuple(f"{kind.plural}.{number}" for kind, number in places)
            return remove_entries(text, places, source)

        self._edit(without)
        return removed

    def _edit(self, change: Callable[[str, str], str]) -> None:
        """Replace mirror.toml by what ``change`` makes of it; one editor at a time."""
        from mirror.settings import load_settings
        from mirror.store.atomic import write_atomic

        path = (self.root / _SETTINGS_FILE).resolve()
        with _alone(self.root):
            load_settings(path)  # says what is wrong with it, if anything
            text = path.read_bytes().decode()
            try:
                data = change(text, str(path)).encode()
            except UnicodeEncodeError as error:
                raise UsageError("an entry has bytes in it that are not UTF-8") from error
            write_atomic(path, data)

    # --- fetch it --------------------------------------------------------------------

    def plan(self, repos: Iterable[str | RepoKey] = (), *, recheck: bool = False) -> SyncPlan:
        """Say exactly what :meth:`sync` would do now; asks upstream, writes nothing.

        Args:
            repos: these alone; none for the whole selection.
            recheck: ask about every repo, whatever upstream's feed of changes says.

        Raises:
            SettingsError: mirror.toml or the token is wrong.
            NotFoundError, UsageError: one of ``repos`` is not selected.
            TransportError: upstream cannot be reached.
        """
        from mirror.settings import read_token
        from mirror.sync import plan_sync

        settings = self.settings
        keys = self._selected(repos, settings)
        token = read_token(settings.upstream)
        return plan_sync(self.store, settings, token=token, repos=keys, recheck=recheck)

    def sync(
        self,
        repos: Iterable[str | RepoKey] = (),
        *,
        recheck: bool = False,
        progress: Progress | None = None,
    ) -> RunReport:
        """Bring the mirror up to date with its selection, then the catalog.

        What fails is in the report (``report.failed``, ``report.exit_code``), not raised.

        Args:
            repos: these alone; none for the whole selection.
            recheck: ask about every repo, whatever upstream's feed of changes says.
            progress: told what happens.

        Raises:
            SettingsError: mirror.toml or the token is wrong.
            NotFoundError, UsageError: one of ``repos`` is not selected.
            LockedError: another process writes to this mirror.
            DiskError: not even the report can be written.
        """
        from mirror.settings import read_token
        from mirror.sync import run_sync

        settings = self.settings
        keys = self._selected(repos, settings)
        token = read_token(settings.upstream)
        started = datetime.now(UTC)
        report = run_sync(
            self.store, settings, token=token, repos=keys, recheck=recheck, progress=progress
        )
        self._index({plan.key for plan in report.published} | self._observed_since(started))
        return report

    def _selected(
        self, repos: Iterable[str | RepoKey], settings: Settings
    ) -> tuple[RepoKey, ...] | None:
        named = {
            RepoKey(kind, entry.id) for kind, _, entry in settings.numbered_entries() if entry.id
        }
        return tuple(self._find(repo, None, selected=named) for repo in repos) or None

    def _observed_since(self, started: datetime) -> set[RepoKey]:
        """Repos that upstream was asked about: their downloads, likes or state may differ."""
        limit = started.timestamp()
        found = set()
        for key in self.store.repos():
            with contextlib.suppress(FileNotFoundError):
                if self.store.layout.history(key).stat().st_mtime >= limit:
                    found.add(key)
        return found

    # --- find and load ---------------------------------------------------------------

    def search(
        self,
        text: str = "",
        *,
        task: str | Sequence[str] = (),
        language: str | Sequence[str] = (),
        license: str | Sequence[str] = (),
        library: str | Sequence[str] = (),
        author: str | Sequence[str] = (),
        tags: str | Sequence[str] = (),
        repo_type: RepoType | str | None = None,
        sort: str | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> SearchResult:
        """Search what is mirrored.

        Several values of one filter are alternatives; different filters must all match.

        Args:
            text: words, in any language; empty for everything that the filters let through.
            task: ``fill-mask``, ``text-classification`` …
            language: ``ko``, ``en`` …
            license: ``mit``, ``apache-2.0`` …
            library: ``transformers``, ``datasets`` …
            author: the namespace.
            tags: exact tags as the Hub writes them; all must match.
            repo_type: ``model``, ``dataset`` or ``space``.
            sort: see ``mirror search --help``; by relevance where nothing is said.
            limit: hits at most.
            offset: hits to leave out before them.

        Raises:
            CatalogError: the catalog is missing or damaged: ``mirror reindex``.
        """
        from mirror.catalog import Query

        query = Query(
            text=text,
            task=_words(task),
            language=_words(language),
            license=_words(license),
            library=_words(library),
            author=_words(author),
            tags=_words(tags),
            repo_type=_repo_type(repo_type),
            sort=sort,
            limit=limit,
            offset=offset,
        )
        return self.catalog.search(query)

    def list(self, repo_type: RepoType | str | None = None) -> tuple[RepoSummary, ...]:
        """Give every mirrored repo in short.

        Raises:
            CatalogError: the catalog is missing or damaged: ``mirror reindex``.
        """
        return tuple(self.catalog.summaries(_repo_type(repo_type)))

    def show(self, repo: str | RepoKey, repo_type: RepoType | str | None = None) -> RepoPage:
        """Give everything about one repo.

        Raises:
            NotFoundError: it is not in the mirror.
            UsageError: a bare id that several types have.
            CatalogError: the catalog is missing, damaged or older than the repo.
        """
        key = self.find(repo, repo_type)
        page = self.catalog.page(key)
        if page is None:
            raise CatalogError(f"the catalog does not know {key} yet", hint="run mirror reindex")
        return page

    def find(self, repo: str | RepoKey, repo_type: RepoType | str | None = None) -> RepoKey:
        """Find the mirrored repo that a name means: ``datasets/klue/klue``, or ``klue/klue``.

        Raises:
            BadNameError: no id at all.
            NotFoundError: not in the mirror; the hint says what is spelt nearly so.
            UsageError: a bare id that several types have.
        """
        return self._find(repo, _repo_type(repo_type))

    def _find(
        self,
        repo: str | RepoKey,
        repo_type: RepoType | None,
        selected: Collection[RepoKey] | None = None,
    ) -> RepoKey:
        from mirror.lookup import find_repo

        others = selected or ()
        return find_repo(
            str(repo),
            repo_type,
            lambda key: key in others or self.store.has(key),
            lambda: {*self.store.repos(), *self.store.aliases(), *others},
            where="in the mirror" if selected is None else "selected, nor in the mirror",
        )

    def files(
        self,
        repo: str | RepoKey,
        repo_type: RepoType | str | None = None,
        revision: str = "main",
    ) -> Manifest:
        """Give the manifest of a snapshot: every file, also those that were left out.

        Args:
            repo: as in :meth:`find`.
            repo_type: as in :meth:`find`.
            revision: a branch, a tag, or a commit (seven digits will do).

        Raises:
            NotFoundError: the mirror does not have the repo or the revision.
            DamagedError: the manifest cannot be read.
        """
        key = self.find(repo, repo_type)
        return self.store.manifest(key, self.store.resolve(key, revision))

    def path(
        self,
        repo: str | RepoKey,
        repo_type: RepoType | str | None = None,
        revision: str = "main",
    ) -> Path:
        """Give the folder of a snapshot: plain files, for anything that takes a folder.

        Raises:
            NotFoundError: the mirror does not have the repo or the revision.
            DamagedError: it is missing from the view: ``mirror verify --repair``.
        """
        key = self.find(repo, repo_type)
        folder = self.store.snapshot_path(key, self.store.resolve(key, revision))
        if not folder.is_dir():
            raise DamagedError(
                f"{key} is in the mirror, but {folder} is missing",
                hint="mirror verify --repair makes it anew",
            )
        return folder

    def env(self) -> dict[str, str]:
        """Give the environment variables with which a lab machine loads from this mirror."""
        from mirror.loading import variables

        return {variable.name: variable.value for variable in variables(self.root)}

    def load_dataset(
        self,
        repo: str | RepoKey,
        config: str | None = None,
        *,
        revision: str = "main",
        **arguments: Any,
    ) -> Any:
        """Load a data set with ``datasets.load_dataset``, from the mirror alone.

        ``mirror.load_dataset("klue/klue", "sts", split="validation")``. Nothing touches the
        network; the environment stays as it is. ``datasets`` writes to its own
        HF_DATASETS_CACHE, or to ``cache_dir``.

        Args:
            repo: the id of a data set.
            config: the subset, where the data set has several.
            revision: a branch, a tag, or a commit.
            arguments: of ``datasets.load_dataset``: ``split``, ``streaming``, ``cache_dir`` …

        Raises:
            NotFoundError: the mirror does not have the repo or the revision.
        """
        from mirror.loading import load_snapshot

        folder = self.path(repo, RepoType.DATASET, revision)
        return load_snapshot(folder, config, **arguments)

    # --- see how it is, take care of it -------------------------------------------------

    def status(self) -> Status:
        """Say how the mirror is: size, last run, what failed, what is gone upstream.

        Raises:
            SettingsError: mirror.toml is wrong.
        """
        from mirror.status import read_status

        return read_status(self.store, self.settings)

    def runs(self, limit: int | None = None) -> Iterator[Mapping[str, Any]]:
        """Give the reports of syncs, verifies and prunes, newest first, as JSON objects."""
        return self.store.reports(limit)

    def verify(
        self,
        repos: Iterable[str | RepoKey] = (),
        *,
        repair: bool = False,
        progress: Callable[[int, int], None] | None = None,
        transfer: Progress | None = None,
    ) -> Verification:
        """Read every byte and compare it with its digest; compare the view with the manifests.

        Args:
            repos: these alone; none for the whole mirror.
            repair: move away what is damaged, fetch it again from upstream, make the view
                anew, and check those repos once more.
            progress: called with (bytes read, bytes to read).
            transfer: told what a repair fetches.

        Raises:
            NotFoundError: one of ``repos`` is not in the mirror.
            LockedError, DiskError: with ``repair``.
        """
        from mirror.verification import repair_mirror, verify_mirror

        keys = tuple(self.find(repo) for repo in repos) or None
        if not repair:
            return verify_mirror(self.store, keys, progress)
        result = repair_mirror(self.store, self.settings, keys, progress, transfer)
        self._index(set(result.repaired))
        return result

    def prune(self, *, dry_run: bool = False) -> PrunePlan:
        """Remove what nothing needs any more: see ``[retention]`` in mirror.toml.

        Never the last snapshot of a repo, and never because of what upstream says.

        Args:
            dry_run: only say what would go.

        Raises:
            DamagedError: a manifest cannot be read, so nothing may be removed.
            LockedError, DiskError: not with ``dry_run``.
        """
        from mirror.store import apply_prune, plan_prune

        keep = self.settings.retention.keep
        if dry_run:
            return plan_prune(self.store, keep)
        started = datetime.now(UTC)
        with self.store.write_lock("prune"):
            plan = plan_prune(self.store, keep)
            apply_prune(self.store, plan)
            report = {"kind": "prune", "outcome": "ok", "started": started.isoformat()}
            report["finished"] = datetime.now(UTC).isoformat()
            self.store.write_report(report | plan.as_json(), started)
        self._index({snapshot.key for snapshot in plan.snapshots})
        return plan

    def reindex(self) -> IndexReport:
        """Make the catalog anew from the store; readers see the old one until it is done.

        Raises:
            LockedError: another process writes to this mirror.
            DiskError: the folder cannot be written.
        """
        from mirror.catalog import reindex

        with self.store.write_lock("reindex"):
            return reindex(self.store, self.root / _CATALOG_FILE)

    def _index(self, keys: set[RepoKey]) -> None:
        """Bring the catalog up to date with ``keys``; make it anew if it cannot be."""
        from mirror.catalog import Catalog, update

        path = self.root / _CATALOG_FILE
        try:
            Catalog.open(path)
            if keys:
                with self.store.write_lock("index"):
                    update(self.store, path, keys)
        except CatalogError:
            self.reindex()
        except LockedError as error:
            hint = "what was fetched is safe; run mirror reindex when the other process has ended"
            raise LockedError(str(error), hint=hint) from error


def _root(root: Path | str | None) -> Path:
    given = root if root is not None else os.environ.get(HOME_VARIABLE)
    if not given:
        raise UsageError(
            "which mirror? none is named",
            hint=f"name its folder with -C DIR, or set {HOME_VARIABLE}",
        )
    return Path(given).expanduser().absolute()


def _repo_type(value: RepoType | str | None) -> RepoType | None:
    return None if value is None else RepoType.parse(str(value))


def _words(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until nobody else edits in ``folder``; leaves no file behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without flock: then it is as before
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
