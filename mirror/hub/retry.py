"""Trying again after the transport failed: how often, and how long to wait between.

Only :class:`TransportError` is worth another try: an answer that says no will say no
again. A rate limit is not a failure and does not use up tries: see ``limits``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from mirror.errors import RateLimitError, TransportError
from mirror.hub.counts import RequestCounts

T = TypeVar("T")


@dataclass(frozen=True)
class Backoff:
    """Exponential waiting with jitter, so that workers do not come back in step."""

    retries: int = 5
    base: float = 0.5
    """Seconds before the first new try, on average; doubled for every further one."""
    longest: float = 30.0

    def delay(self, attempt: int) -> float:
        """Give the seconds to wait before new try number ``attempt``, counted from 1."""
        span = min(self.base * 2.0 ** min(attempt - 1, 32), self.longest)
        return span * random.uniform(0.5, 1.5)  # noqa: S311  # no secret


async def with_retries(
    call: Callable[[], Awaitable[T]], backoff: Backoff, counts: RequestCounts
) -> T:
    """Await ``call()``, again where the transport failed, up to ``backoff.retries`` times.

    Raises:
        TransportError: the last failure.
    """
    attempt = 0
    while True:
        try:
            return await call()
        except RateLimitError:
            raise
        except TransportError:
            attempt += 1
            if attempt > backoff.retries:
                raise
        counts.retries += 1
        await asyncio.sleep(backoff.delay(attempt))
