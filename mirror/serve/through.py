"""Passing questions through to upstream: ``mirror serve --upstream``.

The half that answers. What is asked for and not here is put to :mod:`mirror.sync.passing`, which
has a thread and an event loop of its own; nothing here waits longer than a client does. A
reader who may not read a repo causes no question to upstream.

Who may be told what is decided as for what is mirrored: by the patterns of the token, and
``--gated`` where upstream says that a repo is gated.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakKeyDictionary

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from mirror.api.indexing import bring_up_to_date
from mirror.errors import (
    DiskError,
    LockedError,
    MirrorError,
    RateLimitError,
    RevisionGoneError,
    StoreError,
)
from mirror.names import RepoKey, is_commit
from mirror.serve.access import Reader, is_gated
from mirror.serve.admission import admit
from mirror.serve.arriving import ArrivingResponse, changed_until
from mirror.serve.errors import GATED, HubError, no_repo, no_revision, not_mirrored
from mirror.serve.guard import reader_of
from mirror.serve.ranges import Wanted
from mirror.serve.shelf import Kept, Shelf, Snapshot
from mirror.settings import PolicySettings, load_settings, read_token
from mirror.store.passed import passed_refs
from mirror.sync.keeper import KIND
from mirror.sync.known import Offer, offer_of
from mirror.sync.memory import Look
from mirror.sync.passing import Passing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mirror.serve.rawpath import RepoPath
    from mirror.store import ManifestFile, Store

T = TypeVar("T")

#: Seconds that a request waits for upstream: the Hub's clients give up after 10.
_WAIT: Final = 8.0
#: Seconds after which a client may ask again for what is on its way.
_AGAIN: Final = 5
_KEPT_REPOS: Final = 20_000


class OfferedSnapshot(Snapshot):
    """A commit with what is here of it and what may be had from upstream."""

    def __init__(self, snapshot: Snapshot, policy: PolicySettings) -> None:
        super().__init__(snapshot.manifest)
        self.offer: Offer = offer_of(snapshot.manifest, policy)

    def lists(self, file: ManifestFile) -> bool:
        """Whether a client may ask for the file."""
        return file.present or self.offer.why_not(file) is None

    def why_absent(self, file: ManifestFile) -> str | None:
        """Say what keeps a file out."""
        return self.offer.why_not(file) or file.absent_because


@dataclass(frozen=True)
class Local:
    """What the mirror itself has of what a request names."""

    repo: bool = False
    revision: bool = False
    passed: bool = False
    """Whether the revision is one that pass-through has set: a sync does not follow it."""


class Through:
    """What answers for a shelf where the shelf alone cannot."""

    def __init__(self, shelf: Shelf, passing: Passing, loop: asyncio.AbstractEventLoop) -> None:
        self._shelf = shelf
        self._passing = passing
        self._loop = loop
        self._turn = threading.Lock()
        self._looked: WeakKeyDictionary[Look, Snapshot] = WeakKeyDictionary()
        self._offered: WeakKeyDictionary[Snapshot, OfferedSnapshot] = WeakKeyDictionary()
        self._passed: Kept[Mapping[str, str]] = Kept(_KEPT_REPOS)
        self._path = lru_cache(_KEPT_REPOS)(lambda key: str(shelf.store.layout.passed(key)))

    # --- which repo ------------------------------------------------------------------

    async def choose(self, request: Request, meanings: tuple[RepoPath, ...]) -> RepoPath:
        """Give what a request is about: what is here, else what upstream has.

        Raises:
            HubError: neither, or not for this reader.
        """
        reader = reader_of(request.scope)
        for place in meanings:
            if (local := self._quick(place)) is None:
                local = await run_in_threadpool(self._local, place)
            if local.repo:
                await admit(request, self._shelf, place.key)
                await self._freshen(reader, place, local)
                return place
        refusals = []
        for place in meanings:
            if not reader.may_read(place.key, gated=False):
                refusals.append(no_repo(place.key))
                continue
            try:
                _admit(reader, place.key, await self._look(place))
            except HubError as error:
                refusals.append(error)
            else:
                return place
        raise refusals[0]

    def canonical(self, place: RepoPath) -> RepoKey:
        """Give the id that a repo has now, here or upstream."""
        canonical = self._shelf.canonical(place.key)
        if canonical == place.key:
            look = self._passing.seen(place.key, _name(place))
            return look.key if isinstance(look, Look) else canonical
        return canonical

    async def _freshen(self, reader: Reader, place: RepoPath, local: Local) -> None:
        """Ask about a revision that is not here, or that pass-through has brought, if it is time.

        Where upstream says no, or nothing, what is here stays in force.
        """
        if local.revision and not local.passed:
            return
        try:
            look = await self._look(place)
        except HubError:
            if local.revision:
                return
            raise
        _admit(reader, place.key, look)

    def _local(self, place: RepoPath) -> Local:
        """Look at the shelf alone."""
        if not self._shelf.has(place.key):
            return Local()
        try:
            commit = self._shelf.resolve(place.key, place.revision)
        except HubError as error:
            if error.status != 404:
                raise
            return Local(repo=True)
        store, path = self._shelf.store, self._path(self._shelf.canonical(place.key))
        passed = self._passed.get(path, lambda: passed_refs(store, place.key))
        return _found(place, passed, commit)

    def _quick(self, place: RepoPath) -> Local | None:
        """Give what :meth:`_local` would, if that takes only a look at stamps."""
        if (kept := self._shelf.quick(place.key, place.revision)) is None:
            return None
        passed = self._passed.current(self._path(kept.key))
        return None if passed is None else _found(place, passed, kept.commit)

    # --- which commit -----------------------------------------------------------------

    async def snapshot(self, place: RepoPath) -> Snapshot:
        """Give the commit that a request means, listed as far as it may be had.

        Raises:
            HubError: 404, 500: as of the shelf.
        """
        local, kept = self._quick(place), self._shelf.quick(place.key, place.revision)
        if local is not None and not local.passed and kept is not None:
            return self._offer(kept)
        return await run_in_threadpool(self._snapshot, place)

    def _snapshot(self, place: RepoPath) -> Snapshot:
        look, local = self._passing.seen(place.key, _name(place)), self._local(place)
        if isinstance(look, Look) and (local.passed or not local.revision):
            try:
                return self._offer(self._shelf.snapshot(look.key, look.commit))
            except HubError as error:
                if error.status != 404:
                    raise
                return self._offer(self._unkept(look))
        return self._offer(self._shelf.snapshot(place.key, place.revision))

    def _unkept(self, look: Look) -> Snapshot:
        """Give a commit of which nothing is here; made once, it may list many files."""
        with self._turn:
            if (found := self._looked.get(look)) is None:
                found = self._looked[look] = Snapshot(look.known.manifest)
        return found

    def _offer(self, snapshot: Snapshot) -> Snapshot:
        with self._turn:
            if (found := self._offered.get(snapshot)) is None:
                found = self._offered[snapshot] = OfferedSnapshot(snapshot, self._passing.policy)
        return found

    # --- which file -------------------------------------------------------------------

    async def deliver(
        self,
        request: Request,
        snapshot: Snapshot,
        file: ManifestFile,
        wanted: Wanted,
        headers: dict[str, str],
    ) -> Response | str:
        """Answer with a file that is not here yet; with its sha256 as soon as it is.

        A large one is sent while it comes in.

        Raises:
            HubError: 404, upstream does not give it; 503, not now.
        """
        if request.method == "HEAD":  # the tree has said all
            work = self._passing.keep_if_held(snapshot.manifest, file)
            asyncio.run_coroutine_threadsafe(work, self._loop)
            length = str(wanted.span.end - wanted.span.start)
            return Response(None, wanted.status, {**headers, "content-length": length})
        arriving = await self._call(self._passing.bring(snapshot.manifest, file))
        state = await changed_until(
            arriving, lambda state: state.is_over or state.end > wanted.span.start, _WAIT
        )
        if state.error is not None:
            plain = not_mirrored(snapshot.key, snapshot.commit, file.path, None)
            raise refused(state.error, plain)
        if state.digest is not None:
            return state.digest
        descriptor = arriving.open(state.attempt)
        if descriptor is None:
            raise later(f"{file.path} is on its way into this mirror: ask again")
        return ArrivingResponse(
            arriving, descriptor, state.attempt, wanted.span, wanted.status, headers
        )

    # --- asking -----------------------------------------------------------------------

    async def _look(self, place: RepoPath) -> Look:
        answer = self._passing.seen(place.key, _name(place))
        if answer is None:
            answer = await self._call(self._passing.look(place.key, _name(place)))
        if isinstance(answer, MirrorError):
            plain = no_repo(place.key)
            if isinstance(answer, RevisionGoneError):
                plain = no_revision(place.key, place.revision, None)
            raise refused(answer, plain)
        return answer

    async def _call(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done on the other loop; it goes on there if it takes too long."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        done, _ = await asyncio.wait([asyncio.wrap_future(future)], timeout=_WAIT)
        if not done:
            raise later("upstream takes long to answer: ask again")
        try:
            return future.result()
        except (concurrent.futures.CancelledError, asyncio.CancelledError):
            raise later("this server is ending") from None


def _found(place: RepoPath, passed: Mapping[str, str], commit: str) -> Local:
    name = _name(place)
    return Local(True, True, passed.get(name) == commit and not is_commit(name))


def _admit(reader: Reader, asked: RepoKey, look: Look) -> None:
    """Let a reader have what upstream has just told of, as ``admission`` does for the rest."""
    if not reader.may_read(look.key, gated=False):
        raise no_repo(asked)
    if not reader.may_read(look.key, gated=is_gated(look.info.raw)):
        message = f"Access to {asked} is restricted: it is gated, and your token is not for it"
        raise HubError(403, GATED, message)


def later(message: str, seconds: int = _AGAIN) -> HubError:
    """Ask a client to come back."""
    return HubError(503, None, message, retry_after=seconds)


def refused(error: MirrorError, plain: HubError) -> HubError:
    """Say why something did not come: as what is not mirrored, or that it may come later.

    Where on our disk something lies is for the log only.
    """
    if isinstance(error, LockedError):
        return later(f"{plain.message}; a sync or another writer is at work here: ask again", 30)
    if isinstance(error, RateLimitError):
        return later(f"{plain.message}; upstream asks us to wait", 30)
    if isinstance(error, DiskError | StoreError):
        return later(f"{plain.message}; this mirror cannot keep it now: its log says why", 300)
    return HubError(
        plain.status, plain.code, f"{plain.message}; upstream: {error}", miss=plain.miss
    )


def _name(place: RepoPath) -> str:
    """Give the revision as upstream knows it."""
    name = "main" if place.revision == "HEAD" else place.revision
    return name.removeprefix("refs/heads/").removeprefix("refs/tags/")


@contextmanager
def passing_through(shelf: Shelf, passing: Passing | None = None) -> Iterator[None]:
    """Let a shelf ask upstream while the block runs; at its end, what came is published.

    Raises:
        SettingsError, DiskError: as :func:`passing_for`, which is what ``passing`` is by default.
    """
    passing = passing or passing_for(shelf.store)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="mirror-upstream", daemon=True)
    thread.start()
    with contextlib.closing(loop):
        try:
            asyncio.run_coroutine_threadsafe(passing.__aenter__(), loop).result()
            shelf.through = Through(shelf, passing, loop)
            try:
                yield
            finally:
                asyncio.run_coroutine_threadsafe(passing.__aexit__(None, None, None), loop).result()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


def passing_for(store: Store) -> Passing:
    """Give the way to the upstream of mirror.toml, as that is now.

    Raises:
        SettingsError: mirror.toml or the token is wrong.
        DiskError: the mirror cannot be written, so nothing could be kept.
    """
    settings = load_settings(store.layout.settings)
    token = read_token(settings.upstream)
    with contextlib.suppress(LockedError), store.write_lock(KIND):
        pass
    return Passing(store, settings, token=token, index=bring_up_to_date)
