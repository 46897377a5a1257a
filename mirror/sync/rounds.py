"""Go through many repos, several at a time; what goes wrong with one is its problem alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from mirror.errors import MirrorError, TransportError
from mirror.names import RepoKey
from mirror.sync.ledger import Ledger, give_up_error
from mirror.sync.model import Wanted

log = logging.getLogger(__name__)

#: Repos that are planned and fetched at the same time; their files share the workers.
REPOS_AT_ONCE = 8

Work = Coroutine[Any, Any, None]


class Rounds:
    """Visits repos and keeps the ledger of how it went.

    Args:
        ledger: told of answers and silence; decides when upstream is given up.
        endpoint: upstream, for the message then.
        on_failure: called for each repo that failed, with the error.
    """

    def __init__(
        self,
        ledger: Ledger,
        endpoint: str,
        on_failure: Callable[[RepoKey, str, MirrorError], None],
    ) -> None:
        self._ledger = ledger
        self._endpoint = endpoint
        self._on_failure = on_failure

    async def go(self, wanted: Iterable[Wanted], visit: Callable[[Wanted], Work]) -> None:
        """Visit every repo, unless upstream falls silent."""
        queue = iter(wanted)

        async def work() -> None:
            for one in queue:
                if self._ledger.given_up:
                    self._on_failure(one.key, one.revision, give_up_error(self._endpoint))
                else:
                    await self._guarded(one.key, one.revision, visit(one))

        async with asyncio.TaskGroup() as group:
            for _ in range(REPOS_AT_ONCE):
                group.create_task(work())

    async def _guarded(self, key: RepoKey, revision: str, work: Work) -> None:
        """Do the work on one repo; note an error of ours or upstream's and go on."""
        try:
            await work
        except TransportError as error:
            self._ledger.unanswered()
            self._on_failure(key, revision, error)
        except MirrorError as error:
            self._ledger.answered()
            self._on_failure(key, revision, error)
        except Exception as error:
            log.exception("%s at %s", key, revision)
            fault = MirrorError(f"a fault of this program: {type(error).__name__}: {error}")
            self._on_failure(key, revision, fault)
        else:
            self._ledger.answered()
