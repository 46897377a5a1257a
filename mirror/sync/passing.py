"""Pass-through: ask upstream for what is not here, when a client asks for it, and keep it.

Through the same planner, policy, transfer and publication as a sync. What upstream says of a
revision is remembered for a while, yes or no, so that many questions are one; a file that
many ask for is fetched once.

All coroutines belong to one event loop, which is not that of the server. Only :meth:`seen` may
be called from other threads.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from mirror.errors import (
    BadNameError,
    LockedError,
    MirrorError,
    NotFoundError,
    RateLimitError,
    TransportError,
)
from mirror.hub import Upstream
from mirror.hub.model import RepoInfo
from mirror.names import RepoKey, check_ref_name, is_commit
from mirror.settings import Settings
from mirror.store import Manifest, ManifestFile, Observation, Store
from mirror.store.history import State
from mirror.store.passed import passed_refs
from mirror.sync.arriving import Arriving
from mirror.sync.fetch import Fetcher
from mirror.sync.keeper import Keeper, Times
from mirror.sync.known import Known, known_of, plan_for, refusal_of_file
from mirror.sync.ledger import observation_of, state_of
from mirror.sync.memory import KEPT, Answer, Look, Memory
from mirror.sync.model import PlannedFile, Progress, Refusal, RepoPlan, Wanted
from mirror.sync.planner import Planner, held_digest, refs_if_any
from mirror.sync.prepare import mirror_size
from mirror.sync.run import Connect

#: Questions to upstream at once, and those that may wait for their turn.
_AT_ONCE: Final = 8
_WAITING: Final = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long upstream's word is good for, in seconds."""

    yes: float = 600.0
    """A branch is asked about again after this. A commit never changes."""
    no: float = 60.0
    """Missing, refused, forbidden, or a file that did not come."""
    silence: float = 15.0
    """After no answer at all, nobody asks upstream anything."""


class Passing:
    """The way to upstream for one server; an async context manager."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        token: str | None,
        index: Callable[[Store], None],
        patience: Patience | None = None,
        times: Times | None = None,
        connect: Connect = Upstream,
    ) -> None:
        """Connect to nothing yet.

        Args:
            store: where what comes is kept; its lock is taken only while something comes.
            settings: mirror.toml.
            token: sent to upstream alone.
            index: brings the catalog up to date, while the lock is held.
            patience: how long answers are good for.
            times: of locking and publishing.
            connect: makes the client of upstream.
        """
        self.policy = settings.policy
        self._store = store
        self._endpoint = settings.upstream.endpoint
        self._patience = patience or Patience()
        transfer = settings.transfer.model_copy(
            update={
                # A client waits 10 s: what takes longer is answered by asking it to come back.
                "max_wait": min(settings.transfer.max_wait, 5.0),
                "retries": min(settings.transfer.retries, 2),
            }
        )
        self._upstream = connect(settings.upstream, transfer, token=token)
        self._keeper = Keeper(store, self._endpoint, self._upstream.counts, index, times or Times())
        self._watch = _Watch(store)
        self._fetcher = Fetcher(
            store, self._upstream, workers=transfer.workers, progress=self._watch
        )
        self._memory = Memory()
        self._looking: dict[tuple[RepoKey, str], asyncio.Task[Answer]] = {}
        self._bringing: dict[tuple[RepoKey, str, str], asyncio.Task[None]] = {}
        self._broken: OrderedDict[tuple[RepoKey, str, str], tuple[float, Arriving]] = OrderedDict()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._silent: tuple[float, MirrorError] | None = None
        self._size: int | None = None

    async def __aenter__(self) -> Self:
        await self._upstream.__aenter__()
        policy = self.policy.model_copy(update={"max_repo_size": None, "max_mirror_size": None})
        self._planner = await asyncio.to_thread(Planner, self._store, self._upstream, policy, {})
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        tasks = [*self._looking.values(), *self._bringing.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._keeper.close()
        await self._upstream.__aexit__(*exc_info)

    # --- what upstream has ------------------------------------------------------------

    def seen(self, key: RepoKey, revision: str) -> Answer | None:
        """Give what upstream said not long ago, without asking; thread-safe."""
        return self._memory.get(key, revision)

    async def look(self, asked: RepoKey, revision: str) -> Answer:
        """Give what upstream says of a revision; many who ask at once are one question."""
        if (kept := self.seen(asked, revision)) is not None:
            return kept
        place = (asked, revision)
        try:
            check_ref_name(revision)
        except BadNameError as error:
            return error
        if (task := self._looking.get(place)) is None:
            if self._silent is not None and time.monotonic() < self._silent[0]:
                return self._silent[1]
            if len(self._looking) >= _WAITING:
                return RateLimitError("too many questions to upstream are waiting already")
            task = self._looking[place] = asyncio.create_task(self._ask(asked, revision))
            task.add_done_callback(lambda _: self._looking.pop(place))
        return await asyncio.shield(task)

    async def _ask(self, asked: RepoKey, revision: str) -> Answer:
        try:
            async with self._slots:
                plan, info = await self._planner.plan(Wanted(asked, revision, ()))
            if isinstance(plan, Refusal):
                raise NotFoundError(f"{plan.rule}: {plan.detail}")
        except MirrorError as error:
            return self._denied(asked, revision, error)
        except Exception as error:
            log.exception("%s at %s", asked, revision)
            return self._denied(asked, revision, MirrorError(f"a fault: {type(error).__name__}"))
        info = info or RepoInfo(plan.key, plan.commit, plan.upstream)
        return self._remember(asked, revision, plan, info)

    def _remember(self, asked: RepoKey, revision: str, plan: RepoPlan, info: RepoInfo) -> Look:
        earlier = self._store.manifest_if_any(plan.key, plan.commit)
        before = self._memory.get(plan.key, plan.commit)
        known = before.known if isinstance(before, Look) else None
        if known is None:
            known = known_of(plan, earlier, self._endpoint, _now())
        known.names.add(_ref_name(revision, plan.commit))
        if asked != plan.key:
            known.aliases.add(asked)
        look = Look(asked, info, known)
        seconds = None if is_commit(revision) else self._patience.yes
        for key in {asked, plan.key}:
            self._memory.put(key, revision, look, seconds)
            self._memory.put(key, plan.commit, look, None)
        known.observation = seen = observation_of(info, _now())
        if self._store.has(plan.key):
            if seen.gated is not None and bool(seen.gated) != _was_gated(self._store, plan.key):
                self._keeper.observe(plan.key, seen)  # who may read it depends on that
            if self._is_news(asked, revision, plan, earlier):
                self._keeper.add(known)
        return look

    def _is_news(
        self, asked: RepoKey, revision: str, plan: RepoPlan, earlier: Manifest | None
    ) -> bool:
        """Whether a name or a ref is to be kept, though no file need come for it."""
        if self._store.canonical(asked) != plan.key:
            return True
        here = refs_if_any(self._store, plan.key).get(revision)
        if here is None:
            return earlier is not None
        return here != plan.commit and revision in passed_refs(self._store, plan.key)

    def _denied(self, asked: RepoKey, revision: str, error: MirrorError) -> MirrorError:
        silent = isinstance(error, TransportError)
        seconds = self._patience.silence if silent else self._patience.no
        if silent:
            self._silent = (time.monotonic() + seconds, error)
        self._memory.put(asked, revision, error, seconds)
        state = state_of(error)
        if state is not None and self._store.has(asked) and state != _state(self._store, asked):
            self._keeper.observe(asked, Observation(_now(), state, detail=str(error)))
        return error

    # --- what is brought ----------------------------------------------------------------

    def _known(self, manifest: Manifest) -> Known:
        """Give the commit of a manifest of the store, to bring more of it."""
        before = self._memory.get(manifest.key, manifest.commit)
        if isinstance(before, Look):
            return before.known
        known = Known(manifest)
        info = RepoInfo(manifest.key, manifest.commit, manifest.upstream)
        self._memory.put(manifest.key, manifest.commit, Look(manifest.key, info, known), None)
        return known

    async def bring(self, manifest: Manifest, file: ManifestFile) -> Arriving:
        """Begin to fetch an absent file of a commit, unless somebody has; do not wait for it."""
        place = (manifest.key, manifest.commit, file.path)
        if place in self._bringing:
            return self._watch.files[place]
        until, arriving = self._broken.get(place, (0.0, None))
        if arriving is not None and time.monotonic() < until:
            return arriving
        known = self._known(manifest)
        arriving = self._watch.files[place] = Arriving()
        task = asyncio.create_task(self._bring(known, file, arriving))
        self._bringing[place] = task
        task.add_done_callback(lambda _: self._over(place))
        return arriving

    async def keep_if_held(self, manifest: Manifest, file: ManifestFile) -> None:
        """Keep a file whose bytes are here already, from whatever repo, without sending it.

        For clients that have the same bytes from another commit and so only ask if they are.
        """
        if (
            digest := held_digest(self._store, plan_for(Known(manifest), file).files[0])
        ) is not None:
            self._have(self._known(manifest), file, digest)

    def _over(self, place: tuple[RepoKey, str, str]) -> None:
        del self._bringing[place]
        arriving = self._watch.files.pop(place)
        if not arriving.state.is_over:
            arriving.fail(TransportError("the server is ending"))
        self._broken.pop(place, None)
        error = arriving.state.error
        if error is not None:
            seconds = self._patience.silence
            if not isinstance(error, TransportError | LockedError):
                seconds = self._patience.no
            if not isinstance(error, LockedError):
                self._broken[place] = (time.monotonic() + seconds, arriving)
            while len(self._broken) > KEPT:
                self._broken.popitem(last=False)

    async def _bring(self, known: Known, file: ManifestFile, arriving: Arriving) -> None:
        try:
            plan = plan_for(known, file)
            if (digest := held_digest(self._store, plan.files[0])) is None:
                async with self._keeper.turn():
                    digest = await self._fetch(known, file, plan)
                    known.fetched.add(file.path)
                    self._have(known, file, digest)
            else:
                self._have(known, file, digest)
            arriving.finish(digest)
        except MirrorError as error:
            if not isinstance(error, LockedError):
                log.warning("%s of %s: %s", file.path, known.manifest.key, error)
            arriving.fail(error)
        except Exception as error:
            log.exception("%s of %s", file.path, known.manifest.key)
            arriving.fail(MirrorError(f"a fault of the mirror: {type(error).__name__}"))

    async def _fetch(self, known: Known, file: ManifestFile, plan: RepoPlan) -> str:
        if self.policy.max_mirror_size is not None and self._size is None:
            self._size = await asyncio.to_thread(mirror_size, self._store)
        rule = refusal_of_file(known, file, self._size or 0, self.policy)
        if rule is not None:
            raise NotFoundError(f"{rule[0]}: {rule[1]}")
        try:
            digests = await self._fetcher.fetch(plan)
        except MirrorError as error:
            self._keeper.failed(known, error)
            raise
        if self._size is not None:
            self._size += file.size
        return digests[file.etag]

    def _have(self, known: Known, file: ManifestFile, digest: str) -> None:
        known.brought[file.path] = digest
        self._keeper.add(known)


class _Watch(Progress):
    """Tells those who wait for a file how far it has come."""

    def __init__(self, store: Store) -> None:
        self.files: dict[tuple[RepoKey, str, str], Arriving] = {}
        self._partial = store.layout.partial

    def arrived(self, plan: RepoPlan, file: PlannedFile, end: int) -> None:
        if (one := self.files.get((plan.key, plan.commit, file.path))) is not None:
            one.grown(end, self._partial / file.etag)

    def received(self, plan: RepoPlan, file: PlannedFile, count: int) -> None:
        one = self.files.get((plan.key, plan.commit, file.path))
        if count < 0 and one is not None:
            one.void()


def _ref_name(revision: str, commit: str) -> str:
    """Give the ref that a revision is; a short commit is the whole one."""
    return commit if len(revision) >= 7 and commit.startswith(revision) else revision


def _state(store: Store, key: RepoKey) -> State | None:
    """Give what upstream said last of the repo, as far as it is written down."""
    history = store.history(key)
    return history[-1].state if history else None


def _was_gated(store: Store, key: RepoKey) -> bool:
    """Whether upstream, when it last said, had terms for the repo."""
    said = [seen.gated for seen in store.history(key) if seen.gated is not None]
    return bool(said and said[-1])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
