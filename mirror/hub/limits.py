"""Staying within what upstream and the user allow: requests and bytes a second.

Upstream's limits come in headers: ``RateLimit: "api";r=12;t=55`` (12 requests left for
55 seconds), and with a 429 ``Retry-After``. The Hub counts API calls and file requests
apart, so each has its own :class:`Gate`. When one closes, everybody waits before it
together. A wait that is longer than the user allows is a :class:`RateLimitError`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from huggingface_hub.utils import RateLimitInfo, parse_ratelimit_headers

from mirror.errors import RateLimitError
from mirror.hub.counts import RequestCounts
from mirror.hub.retry import Backoff

#: How often to look again while requests under way may use up what is left.
_LOOK_AGAIN: Final = 0.05


#: Seconds that no server means: more than 30 years.
_ENDLESS: Final = 10**9


class Gate:
    """The way to one of upstream's counted services: open, or closed until a moment."""

    def __init__(
        self, name: str, counts: RequestCounts, *, max_wait: float, backoff: Backoff
    ) -> None:
        self._name = name
        self._counts = counts
        self._max_wait = max_wait
        self._backoff = backoff
        self._closed_until = 0.0
        self._left: int | None = None
        self._left_until = 0.0
        self._under_way = 0
        self._counted_until = 0.0
        self._refusals = 0

    async def enter(self, *, counted: bool = True) -> None:
        """Wait until a request may be sent; ``counted`` ones are followed by :meth:`leave`.

        What goes to another host (where a redirect led) does not count against what
        upstream has left for us, but waits while the gate is closed.

        Raises:
            RateLimitError: that would take longer than ``max_wait``.
        """
        while (delay := self._delay(now := time.monotonic(), counted)) > 0:
            if delay > self._max_wait:
                raise RateLimitError(
                    f"upstream asks us to wait {delay:.0f} s ({self._name} requests), "
                    f"and transfer.max_wait is {self._max_wait:.0f} s",
                    hint="run the same command later: what is fetched stays fetched",
                )
            # Everybody waits for the same seconds: they count once.
            start = max(now, self._counted_until)
            self._counted_until = max(self._counted_until, now + delay)
            self._counts.waited += max(0.0, now + delay - start)
            await asyncio.sleep(delay)
        self._under_way += counted

    def leave(self, headers: Mapping[str, str] | None = None) -> None:
        """Take note of an answer's headers; ``None`` when no answer came."""
        self._under_way -= 1
        if headers is not None and (info := rate_limit(headers)) is not None:
            self._left = info.remaining
            self._left_until = time.monotonic() + info.reset_in_seconds

    def refused(self, headers: Mapping[str, str]) -> float:
        """Close for as long as a 429 (or 503) asks; give the seconds."""
        if time.monotonic() >= self._closed_until:
            # Workers that are refused together are refused once.
            self._refusals += 1
        wait = retry_after(headers)
        if wait is None and (info := rate_limit(headers)) and info.remaining == 0:
            wait = float(info.reset_in_seconds)
        # "Retry-After: 0" must not become a busy loop.
        wait = max(wait or 0.0, self._backoff.delay(self._refusals if wait is None else 1))
        self._closed_until = max(self._closed_until, time.monotonic() + wait)
        return wait

    def served(self) -> None:
        """Take note that upstream serves us again."""
        self._refusals = 0

    def _delay(self, now: float, counted: bool) -> float:
        if now < self._closed_until:
            return self._closed_until - now
        if (
            not counted
            or self._left is None
            or now >= self._left_until
            or self._left > self._under_way
        ):
            return 0.0
        # What is under way may be counted in `left` or not: its answers will tell.
        rest = self._left_until - now
        return min(rest, _LOOK_AGAIN) if self._under_way else rest


def rate_limit(headers: Mapping[str, str]) -> RateLimitInfo | None:
    """Read ``RateLimit``; ``None`` where it is missing or makes no sense."""
    if "RateLimit" not in headers:
        return None
    try:
        info = parse_ratelimit_headers(headers)
    except ValueError:
        # Python refuses to read a number of thousands of digits.
        return None
    # One of hundreds is no time either: it cannot be added to the clock's.
    return info if info is None or info.reset_in_seconds < _ENDLESS else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After``, seconds or an HTTP date, as seconds from now."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


class Bandwidth:
    """Bytes a second for everybody together; ``None`` is no limit."""

    def __init__(self, rate: int | None) -> None:
        self._rate = rate
        self._free_at = 0.0

    async def spend(self, size: int) -> None:
        """Wait so long that ``size`` bytes more keep the rate."""
        if self._rate is None:
            return
        now = time.monotonic()
        self._free_at = max(self._free_at, now) + size / self._rate
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)
