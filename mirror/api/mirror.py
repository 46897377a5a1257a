"""One mirror, and everything that can be done with it.

Reading (search, show, path, load_dataset, status …) writes nothing, needs no network
and works on a read-only mount. Everything heavy is imported by the method that needs
it, so that a search costs only the catalog.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from mirror.errors import (
    CatalogError,
    DamagedError,
    LockedError,
    MirrorError,
    NotAMirrorError,
    NotFoundError,
    UsageError,
)
from mirror.names import RepoKey, RepoType

if TYPE_CHECKING:
    from mirror.adopt import AdoptionPlan, AdoptionReport, CheckoutReport, Share
    from mirror.api.care import Verification
    from mirror.api.exchange import Exchange
    from mirror.api.status import Status
    from mirror.api.wishes import Wishes
    from mirror.catalog import (
        Catalog,
        Facet,
        IndexReport,
        Leaderboard,
        RepoPage,
        RepoSummary,
        SearchResult,
        SqlResult,
        TableInfo,
    )
    from mirror.settings import Settings
    from mirror.store import Manifest, Provenance, PrunePlan, Store
    from mirror.sync import Progress, RunReport, SyncPlan

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
        wait: seconds that whatever writes here waits for another process that does.
        tell: told once who that is, before the waiting begins.

    Raises:
        UsageError: neither is given.
        NotAMirrorError: the folder is no mirror.
    """

    def __init__(
        self,
        root: Path | str | None = None,
        *,
        wait: float = 0.0,
        tell: Callable[[str], object] = lambda text: None,
    ) -> None:
        self.root = _root(root)
        self._wait = wait
        self._tell = tell
        if not (self.root / _FORMAT_FILE).is_file():
            raise NotAMirrorError(self.root)

    @classmethod
    def init(cls, root: Path | str, endpoint: str | None = None) -> Self:
        """Make ``root`` a mirror: empty, with a commented mirror.toml if it has none.

        Args:
            root: a new or empty folder, or one that holds only a mirror.toml.
            endpoint: the Hub to copy from, where it is not huggingface.co.

        Raises:
            StoreError: the folder holds something else.
            SettingsError: ``endpoint`` is no URL, or differs from the mirror.toml there.
            DiskError: the folder cannot be written.
        """
        from mirror.api.indexing import index_changes
        from mirror.api.selection_file import create_mirror

        store = create_mirror(Path(root).expanduser().absolute(), endpoint)
        if not store.layout.catalog.exists():
            # An empty one: who asks for anything is told that nothing is here.
            with suppress(LockedError):  # whoever writes to a mirror without one makes it
                index_changes(store)
        return cls(store.root)

    # --- the parts -----------------------------------------------------------------

    @cached_property
    def store(self) -> Store:
        """The bytes and snapshots.

        Raises:
            UnknownFormatError: another version wrote this mirror.
        """
        from mirror.store import Patience, Store

        return Store.open(self.root, Patience(self._wait, self._tell))

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

    @property
    def exchange(self) -> Exchange:
        """Bundles and receipts: what crosses an air gap, and what goes the way back.

        Raises:
            SettingsError: mirror.toml is missing, or wrong.
        """
        from mirror.api.exchange import Exchange

        return Exchange(self.store, self.settings)

    @property
    def wishes(self) -> Wishes:
        """What is wished for: asked for here, or by labs whose receipts came, and decided on.

        Raises:
            SettingsError: mirror.toml is missing, or wrong.
        """
        from mirror.api.wishes import Wishes

        return Wishes(self.store, self.settings)

    # --- choose what to mirror -------------------------------------------------------

    def add(self, repo_type: RepoType | str, **entry: Any) -> str:
        """Add an entry to mirror.toml and give its lines; comments stay.

        ``mirror.add("dataset", id="klue/klue", exclude="*.bin")``: the keys are those of
        docs/reference/mirror-toml.md.

        Raises:
            SettingsError: the entry, or mirror.toml, is wrong; the file is unchanged.
            UsageError: it is selected already.
        """
        (lines,) = self.add_all([(RepoType.parse(str(repo_type)), entry)])
        return lines

    def add_all(self, entries: Sequence[tuple[RepoType, Mapping[str, Any]]]) -> tuple[str, ...]:
        """Add several entries, or none of them: as :meth:`add`."""
        from mirror.api.selection_file import add_to_file

        return add_to_file(self.root, entries)

    def remove(self, *names: str) -> tuple[str, ...]:
        """Take entries out of mirror.toml; what is mirrored stays, and stays loadable.

        ``names`` are repos (``datasets/klue/klue``) or places (``datasets.2``). Gives the
        places of the entries, as they were numbered before.

        Raises:
            NotFoundError: no such entry; the file is unchanged.
            UsageError: entries of several types are called so.
        """
        from mirror.api.selection_file import remove_from_file

        return remove_from_file(self.root, names)

    # --- fetch it --------------------------------------------------------------------

    def plan(self, repos: Iterable[str | RepoKey] = (), *, recheck: bool = False) -> SyncPlan:
        """Say exactly what :meth:`sync` would do now; asks upstream, writes and locks nothing.

        Arguments and errors are those of :meth:`sync`.
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
        from mirror.api.indexing import index_changes
        from mirror.settings import read_token
        from mirror.sync import run_sync, with_problem

        settings = self.settings
        keys = self._selected(repos, settings)
        token = read_token(settings.upstream)
        report = run_sync(
            self.store, settings, token=token, repos=keys, recheck=recheck, progress=progress
        )
        try:
            index_changes(self.store)
        except MirrorError as error:
            return with_problem(report, "catalog", error)
        return report

    def _selected(
        self, repos: Iterable[str | RepoKey], settings: Settings
    ) -> tuple[RepoKey, ...] | None:
        from mirror.api.lookup import find_each, find_in_store

        entries = settings.numbered_entries()
        named = {RepoKey(kind, entry.id) for kind, _, entry in entries if entry.id is not None}
        return find_each(repos, lambda name: find_in_store(self.store, name, selected=named))

    # --- take in and hand out ----------------------------------------------------------

    def adopt(
        self,
        *folders: Path | str,
        repo: str | RepoKey | None = None,
        commit: str | None = None,
        ref: str | None = None,
        share: Share | str = "own",
        progress: Callable[[int, int], None] | None = None,
    ) -> AdoptionReport:
        """Take in what is on disk already; needs no network.

        The files are shared with the folder where the file system allows it. The next
        sync of a repo compares what was taken in with upstream.

        Args:
            folders: a Hugging Face cache (or one repo of it), a folder of ``hf download
                --local-dir`` or of :meth:`checkout`, a git clone.
            repo: which repo it is, where the folder does not say so: ``models/acme/tiny``.
            commit: which commit, where the folder does not say so.
            ref: the ref that will point at it, where the folder does not say so (``main``).
            share: which files may become hard links: ``own``, those of the user that the
                mirror belongs to; ``all``; ``none``.
            progress: called with (bytes read, bytes to read).

        Raises:
            UsageError: a folder is not there, or nothing that can be adopted.
            StoreError: a folder cannot be read.
            LockedError: another process writes to this mirror.
            DiskError: the disk is full or not writable.
        """
        from mirror.adopt import Share
        from mirror.api.adoption import adopt_folders, told

        said = told(repo, commit, ref, self.settings)
        return adopt_folders(
            self.store, self.settings, folders, said, share=Share(share), progress=progress
        )

    def plan_adoption(
        self,
        *folders: Path | str,
        repo: str | RepoKey | None = None,
        commit: str | None = None,
        ref: str | None = None,
    ) -> AdoptionPlan:
        """Say exactly what :meth:`adopt` would take in; reads no content, writes nothing."""
        from mirror.adopt import plan_adoption
        from mirror.api.adoption import told

        said = told(repo, commit, ref, self.settings)
        return plan_adoption(self.store, map(Path, folders), said)

    def checkout(
        self,
        repo: str | RepoKey,
        folder: Path | str,
        repo_type: RepoType | str | None = None,
        revision: str = "main",
        *,
        copy: bool = False,
    ) -> CheckoutReport:
        """Make ``folder`` a plain folder of a snapshot, or bring an earlier checkout up to date.

        Only files that a checkout wrote are changed or removed.

        Args:
            repo: as of :meth:`path`.
            folder: a new or empty one, or an earlier checkout of the same repo.
            repo_type: as of :meth:`path`.
            revision: a branch, a tag, or a commit.
            copy: files to write to; without it they may be shared with the mirror, and are
                then read-only.

        Raises:
            NotFoundError: the mirror does not have the repo or the revision.
            CheckoutError: the folder holds something that would be overwritten.
            DiskError: the disk is full or not writable.
        """
        from mirror.adopt import carry_out_checkout, plan_checkout

        manifest = self.files(repo, repo_type, revision)
        place = Path(folder).expanduser().absolute()
        plan = plan_checkout(self.store, manifest, place, link=not copy)
        return carry_out_checkout(self.store, plan, link=not copy)

    # --- find and load ---------------------------------------------------------------

    def search(
        self,
        text: str = "",
        *,
        sort: str | None = None,
        ascending: bool | None = None,
        limit: int = 20,
        offset: int = 0,
        facets: Sequence[str] = (),
        facet_limit: int = 10,
        timeout: float = 10.0,
        **filters: Any,
    ) -> SearchResult:
        """Search what is in the catalog.

        ``mirror.search("감정 license:mit", language="ko", params="<1B")``: text and keyword
        arguments say the same things (docs/reference/query.md).

        Args:
            text: in the query language; empty for everything that the filters let through.
            sort: ``downloads``, ``likes``, ``updated``, ``created``, ``size``,
                ``parameters`` or ``name``; else by relevance, without words by downloads.
            ascending: the least first; ``None``: as the sort begins by itself.
            limit: hits at most.
            offset: hits to leave out before them.
            facets: fields whose values are counted beside the hits.
            facet_limit: values of each facet.
            timeout: seconds.
            filters: by field: what stands after the colon in the query language, or several.

        Raises:
            UsageError: the query cannot be understood; shows where.
            CatalogError: the catalog is missing or damaged: ``mirror reindex``.
            QueryTimeoutError: it took too long.
        """
        from mirror.api.searching import search_catalog

        return search_catalog(
            self.root / _CATALOG_FILE,
            text,
            sort=sort,
            ascending=ascending,
            limit=limit,
            offset=offset,
            facets=facets,
            facet_limit=facet_limit,
            timeout=timeout,
            **filters,
        )

    def facets(
        self,
        text: str = "",
        *,
        fields: Sequence[str] | None = None,
        limit: int = 20,
        timeout: float = 10.0,
        **filters: Any,
    ) -> tuple[Facet, ...]:
        """Count the values of fields among what a query finds, the most frequent first.

        Each field is counted as if the query asked nothing of that field.

        Args:
            text: as of :meth:`search`.
            fields: which; the six that matter most where nothing is said.
            limit: values of each.
            timeout: seconds.
            filters: as of :meth:`search`.

        Raises: as :meth:`search`.
        """
        from mirror.api.searching import count_facets

        return count_facets(
            self.root / _CATALOG_FILE, text, fields=fields, limit=limit, timeout=timeout, **filters
        )

    def list(self, repo_type: RepoType | str | None = None) -> tuple[RepoSummary, ...]:
        """Give every mirrored repo in short; raises as :meth:`search`."""
        return tuple(self.catalog.summaries(_repo_type(repo_type)))

    def show(self, repo: str | RepoKey, repo_type: RepoType | str | None = None) -> RepoPage:
        """Give everything about one repo.

        Raises:
            NotFoundError: it is not in the mirror, and the catalog does not know it either.
            UsageError: a bare id that several types have.
            CatalogError: the catalog is missing, damaged or older than the repo.
        """
        from mirror.api.comparing import show_in_catalog

        try:
            key = self.find(repo, repo_type)
        except NotFoundError:  # the catalog may know what is not mirrored
            try:
                return show_in_catalog(self.root / _CATALOG_FILE, str(repo), repo_type)
            except NotFoundError:
                pass
            raise
        page = self.catalog.page(key)
        if page is None:
            raise CatalogError(f"the catalog does not know {key} yet", hint="run mirror reindex")
        return page

    def provenance(
        self, repo: str | RepoKey, repo_type: RepoType | str | None = None
    ) -> tuple[Provenance, ...]:
        """Give the bundles in which a repo's snapshots came here, newest first.

        Empty for what was synced from upstream. Raises as :meth:`find`.
        """
        from mirror.store import read_provenance

        path = self.store.layout.provenance(self.store.canonical(self.find(repo, repo_type)))
        return tuple(reversed(read_provenance(path)))

    def leaderboard(
        self,
        text: str = "",
        *,
        datasets: str | Sequence[str] = (),
        metrics: str | Sequence[str] = (),
        columns: Sequence[str] | int = (),
        sort: str = "average",
        ascending: bool | None = None,
        limit: int = 20,
        offset: int = 0,
        timeout: float = 10.0,
        **filters: Any,
    ) -> Leaderboard:
        """Compare the evaluation results of models, as their authors state them.

        ``mirror.leaderboard("params:<1B", datasets="klue/klue", task="text-classification")``

        Args:
            text: which models, in the language of :meth:`search`.
            datasets: columns on these alone: ids, or their last part.
            metrics: columns of these alone: ``accuracy`` …
            columns: these (``klue/klue@sts:pearsonr``), or how many: those of most models.
            sort: ``average``, a column, a metric, or a sort of :meth:`search`.
            ascending: the least first; ``None``: the best first.
            limit: models at most.
            offset: models to leave out before them.
            timeout: seconds.
            filters: as of :meth:`search`: ``dtype="BF16"``, ``params="<1B"``, ``kind=…``.

        Raises:
            CatalogError: the catalog is missing or damaged: ``mirror reindex``.
            QueryTimeoutError: it took too long.
            UsageError: something in it that nobody has; the hint says what is nearly so.
        """
        from mirror.api.comparing import compare_catalog

        return compare_catalog(
            self.root / _CATALOG_FILE,
            text,
            datasets=datasets,
            metrics=metrics,
            columns=columns,
            sort=sort,
            ascending=ascending,
            limit=limit,
            offset=offset,
            timeout=timeout,
            **filters,
        )

    def sql(self, statement: str, *, timeout: float = 10.0, limit: int = 1_000) -> SqlResult:
        """Ask the catalog one SELECT, read-only; docs/catalog.md explains its views.

        Raises:
            CatalogError: the catalog is missing or damaged: ``mirror reindex``.
            QueryTimeoutError: it took too long.
            UsageError: no single SELECT, or something in it is wrong: says where.
        """
        from mirror.api.comparing import ask_catalog

        return ask_catalog(self.root / _CATALOG_FILE, statement, timeout=timeout, limit=limit)

    def tables(self) -> tuple[TableInfo, ...]:
        """Give the views and tables that :meth:`sql` can ask; raises as :meth:`search`."""
        from mirror.api.comparing import list_catalog_tables

        return list_catalog_tables(self.root / _CATALOG_FILE)

    def find(self, repo: str | RepoKey, repo_type: RepoType | str | None = None) -> RepoKey:
        """Find the mirrored repo that a name means: ``datasets/klue/klue``, or ``klue/klue``.

        Raises:
            BadNameError: no id at all.
            NotFoundError: not in the mirror; the hint says what is spelt nearly so.
            UsageError: a bare id that several types have.
        """
        from mirror.api.lookup import find_in_store

        return find_in_store(self.store, str(repo), _repo_type(repo_type))

    def files(
        self,
        repo: str | RepoKey,
        repo_type: RepoType | str | None = None,
        revision: str = "main",
    ) -> Manifest:
        """Give the manifest of a snapshot: every file, also those that were left out.

        ``revision`` is a branch, a tag, or a commit (seven digits will do).

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
        from mirror.api.loading import variables

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
        from mirror.api.loading import load_snapshot

        folder = self.path(repo, RepoType.DATASET, revision)
        return load_snapshot(folder, config, **arguments)

    # --- see how it is, take care of it -------------------------------------------------

    def status(self) -> Status:
        """Say how the mirror is: size, last run, what failed, what is gone upstream.

        Raises:
            SettingsError: mirror.toml is wrong.
        """
        from mirror.api.status import read_status

        return read_status(self.store, self.settings)

    def runs(self, limit: int | None = None) -> Iterator[Mapping[str, Any]]:
        """Give the reports of all runs (sync, adopt, verify, prune), newest first, as JSON."""
        return self.store.reports(limit)

    def verify(
        self,
        repos: Iterable[str | RepoKey] = (),
        *,
        repair: bool = False,
        noted: bool = False,
        progress: Callable[[int, int], None] | None = None,
        transfer: Progress | None = None,
    ) -> Verification:
        """Read every byte and compare it with its digest; compare the view with the manifests.

        Args:
            repos: these alone; none for the whole mirror.
            repair: move away what is damaged, fetch it again from upstream, make the view
                anew, and check those repos once more.
            noted: look only at what a server has met that was missing or cut short.
            progress: called with (bytes read, bytes to read).
            transfer: told what a repair fetches.

        Raises:
            NotFoundError: one of ``repos`` is not in the mirror.
            LockedError, DiskError: with ``repair``.
        """
        from mirror.api.care import Scope, repair_mirror, verify_mirror
        from mirror.api.indexing import index_changes
        from mirror.api.lookup import find_each

        scope = Scope(find_each(repos, self.find), noted)
        if not repair:
            return verify_mirror(self.store, scope, progress)
        result = repair_mirror(self.store, self.settings, scope, progress, transfer)
        index_changes(self.store)
        return result

    def prune(self, *, dry_run: bool = False, proposed: bool = False) -> PrunePlan:
        """Remove what nothing needs any more: see ``[retention]`` in mirror.toml.

        Never the last snapshot of a repo, and never because of what upstream says. With
        ``dry_run`` only say what would go; with ``proposed`` also what the senders of
        bundles have removed on their side.

        Raises:
            DamagedError: a manifest cannot be read, so nothing may be removed.
            LockedError, DiskError: not with ``dry_run``.
        """
        from mirror.api.care import plan_care, prune_mirror
        from mirror.api.indexing import index_changes

        keep = self.settings.retention.keep
        if dry_run:
            return plan_care(self.store, keep, proposed=proposed)
        decide = partial(plan_care, self.store, keep, proposed=proposed)
        plan = prune_mirror(self.store, "prune", decide)
        index_changes(self.store)
        return plan

    def forget(
        self,
        repos: Iterable[str | RepoKey],
        *,
        revision: str | None = None,
        dry_run: bool = False,
    ) -> PrunePlan:
        """Let go of repos, entirely or of one revision, that mirror.toml asks for no more.

        What was seen of them upstream stays known. With ``dry_run`` only say what would go.

        Raises:
            UsageError: mirror.toml still asks for one of them; or none is named.
            NotFoundError: a repo, or the revision, is not in the mirror.
            DamagedError: a manifest cannot be read, so nothing may be removed.
            LockedError, DiskError: not with ``dry_run``.
        """
        from mirror.api.care import plan_forget, prune_mirror
        from mirror.api.indexing import index_changes
        from mirror.api.lookup import find_each

        keys = find_each(repos, lambda name: self.store.canonical(self.find(name)))
        if keys is None:
            raise UsageError("which repos shall go?", hint="mirror list shows what is there")
        decide = partial(plan_forget, self.store, self.settings, keys, revision)
        if dry_run:
            return decide()
        plan = prune_mirror(self.store, "forget", decide)
        index_changes(self.store)
        return plan

    def reindex(self) -> IndexReport:
        """Make the catalog anew from the store; readers see the old one until it is done.

        Raises:
            LockedError: another process writes to this mirror.
            DiskError: the folder cannot be written.
        """
        from mirror.api.indexing import index_everything

        return index_everything(self.store)


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
