"""The façade of this room: everything the other rooms ask of the Hub."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Self

from mirror.hub.counts import RequestCounts
from mirror.hub.limits import Bandwidth
from mirror.hub.metadata import Metadata, MetadataLimits
from mirror.hub.model import (
    FetchedFile,
    FileRequest,
    ListedRepo,
    ListQuery,
    RepoInfo,
    TreeFile,
)
from mirror.hub.retry import Backoff
from mirror.hub.session import Session
from mirror.hub.transfer import Transfer
from mirror.names import RepoKey, RepoType
from mirror.settings import TransferSettings, UpstreamSettings


class Upstream:
    """The Hub (or another server that speaks its protocol); an async context manager.

    All methods belong to one event loop, and may run at the same time. Every one of
    them raises :class:`~mirror.errors.UpstreamError` where upstream says no or answers
    nonsense, and :class:`~mirror.errors.TransportError` where no answer came after
    ``transfer.retries`` new tries.
    """

    def __init__(
        self,
        upstream: UpstreamSettings,
        transfer: TransferSettings,
        *,
        token: str | None = None,
        backoff: Backoff | None = None,
        limits: MetadataLimits | None = None,
    ) -> None:
        """Connect to nothing yet; ``backoff`` and ``limits`` have sensible defaults."""
        self.counts = RequestCounts()
        self._session = Session(
            upstream,
            transfer,
            token=token,
            counts=self.counts,
            backoff=backoff or Backoff(retries=transfer.retries),
        )
        self._metadata = Metadata(self._session, limits or MetadataLimits())
        self._transfer = Transfer(self._session, transfer, Bandwidth(transfer.bandwidth))

    async def __aenter__(self) -> Self:
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._transfer.close()
        await self._session.__aexit__(*exc_info)

    async def repo_info(self, key: RepoKey, revision: str | None = None) -> RepoInfo:
        """Ask for a repo at a revision (upstream's default branch where ``None``).

        The answer's key is another one than asked for after a rename.
        """
        return await self._metadata.repo_info(key, revision)

    async def tree(self, key: RepoKey, commit: str) -> tuple[TreeFile, ...]:
        """List every file of a commit, 1000 a request.

        Paths are as upstream gives them: check them before use (``check_repo_path``).
        """
        return await self._metadata.tree(key, commit)

    async def refs(self, key: RepoKey) -> Mapping[str, str]:
        """Give the commit of every branch (``main``), tag and ``refs/convert/…``."""
        return await self._metadata.refs(key)

    def list_repos(
        self, repo_type: RepoType, query: ListQuery, limit: int | None = None
    ) -> AsyncIterator[ListedRepo]:
        """Give the repos of a query in upstream's order, 1000 a request, at most ``limit``.

        Repos with an id that the Hub's own clients refuse are left out.
        """
        return self._metadata.list_repos(repo_type, query, limit)

    async def fetch(
        self,
        request: FileRequest,
        partial: Path,
        progress: Callable[[int], None] = lambda size: None,
        arrived: Callable[[int], None] = lambda end: None,
    ) -> FetchedFile:
        """Fetch the bytes of one file into the folder ``partial``, and check them.

        A large file that was interrupted, by a kill too, goes on where it stopped.
        ``progress`` is called with the number of every few bytes that are there; what
        an earlier run left counts too, and a start from anew takes it back (negative).
        ``arrived`` is called for a large file with the end of the part of ``partial/<etag>``
        that has no gap; not verified before this returns.

        Raises:
            WrongBytesError: the bytes do not have the digest that the tree states;
                nothing is left of them.
            DiskError: ``partial`` is full or not writable.
        """
        return await self._transfer.fetch(request, partial, progress, arrived)
