"""Rate limits and bandwidth. Waiting is done on a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from multidict import CIMultiDict

from mirror.errors import RateLimitError
from mirror.hub import Upstream, limits
from mirror.hub.counts import RequestCounts
from mirror.hub.limits import Bandwidth, Gate, rate_limit, retry_after
from mirror.hub.retry import Backoff
from tests.fakehub import FakeHub, Status
from tests.hub.making import KEY, ask, noise, request_for


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self._sleepers.append((self.now + seconds, event))
        if len(self._sleepers) == 1:
            asyncio.get_running_loop().call_soon(self._tick)
        await event.wait()

    def _tick(self) -> None:
        self._sleepers.sort(key=lambda it: it[0])
        self.now, event = self._sleepers.pop(0)
        event.set()
        if self._sleepers:
            asyncio.get_running_loop().call_later(0, self._tick)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(limits, "time", clock)
    monkeypatch.setattr(limits.asyncio, "sleep", clock.sleep)
    yield clock


def gate(counts: RequestCounts | None = None, max_wait: float = 900) -> Gate:
    return Gate("api", counts or RequestCounts(), max_wait=max_wait, backoff=Backoff(base=2))


def headers(**named: str) -> CIMultiDict[str]:
    return CIMultiDict({name.replace("_", "-"): value for name, value in named.items()})


def play(action: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await action()

    asyncio.run(main())


def test_an_open_gate_lets_pass_at_once(clock: Clock) -> None:
    play(gate().enter)
    assert clock.now == 1000


def test_nothing_left_waits_for_the_reset(clock: Clock) -> None:
    counts = RequestCounts()

    async def action() -> None:
        door = gate(counts)
        await door.enter()
        door.leave(headers(RateLimit='"api";r=0;t=55'))
        await asyncio.gather(*(door.enter() for _ in range(16)))

    play(action)
    assert clock.now == 1055
    # Sixteen waited together for the same 55 seconds.
    assert counts.waited == 55


def test_something_left_does_not_wait(clock: Clock) -> None:
    async def action() -> None:
        door = gate()
        await door.enter()
        door.leave(headers(RateLimit='"api";r=1;t=55'))
        await door.enter()

    play(action)
    assert clock.now == 1000


def test_requests_under_way_count_against_what_is_left(clock: Clock) -> None:
    """With 3 left, a fourth request waits until it is known what the three have cost."""
    passed: list[float] = []

    async def worker(door: Gate) -> None:
        await door.enter()
        passed.append(clock.now)

    async def action() -> None:
        door = gate()
        await door.enter()
        door.leave(headers(RateLimit='"api";r=3;t=60'))
        await asyncio.gather(*(worker(door) for _ in range(5)))

    play(action)
    assert passed[:3] == [1000, 1000, 1000]
    assert all(when >= 1060 for when in passed[3:])


def test_a_window_that_has_passed_is_forgotten(clock: Clock) -> None:
    async def action() -> None:
        door = gate()
        await door.enter()
        door.leave(headers(RateLimit='"api";r=0;t=5'))
        await door.enter()
        door.leave()
        await door.enter()

    play(action)
    assert clock.now == 1005


def test_other_hosts_have_their_own_budget_but_wait_at_a_closed_gate(clock: Clock) -> None:
    async def action() -> None:
        door = gate()
        await door.enter()
        door.leave(headers(RateLimit='"api";r=0;t=55'))
        await door.enter(counted=False)
        assert clock.now == 1000
        door.refused(headers(Retry_After="7"))
        await door.enter(counted=False)

    play(action)
    assert clock.now == 1007


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"Retry_After": "12"}, 12),
        ({"Retry_After": "12", "RateLimit": '"api";r=0;t=99'}, 12),
        ({"RateLimit": '"api";r=0;t=99'}, 99),
    ],
)
def test_a_refusal_waits_as_it_says(clock: Clock, answer: dict[str, str], expected: float) -> None:
    async def action() -> None:
        door = gate()
        assert door.refused(headers(**answer)) == expected
        await door.enter()

    play(action)
    assert clock.now == 1000 + expected


def test_a_refusal_that_says_nothing_backs_off_more_every_time(clock: Clock) -> None:
    async def action() -> None:
        door = gate()
        waits = []
        for _ in range(6):
            waits.append(door.refused(headers()))
            await door.enter()
        assert waits[0] < 4
        assert 20 < sum(waits) < 200
        assert waits[5] > waits[0]
        door.served()
        assert door.refused(headers()) < 4

    play(action)


def test_workers_refused_together_are_refused_once(clock: Clock) -> None:
    async def action() -> None:
        door = gate()
        assert max(door.refused(headers()) for _ in range(16)) < 4

    play(action)


def test_waiting_zero_seconds_is_no_busy_loop(clock: Clock) -> None:
    assert gate().refused(headers(Retry_After="0")) > 0.5


def test_a_wait_beyond_the_limit_is_refused(clock: Clock) -> None:
    async def action() -> None:
        door = gate(max_wait=60)
        door.refused(headers(Retry_After="61"))
        await door.enter()

    with pytest.raises(RateLimitError, match=r"61 s .*max_wait is 60 s"):
        play(action)
    assert clock.now == 1000


def test_dates_are_read_as_seconds_from_now() -> None:
    when = datetime.now(UTC) + timedelta(seconds=90)
    seconds = retry_after(headers(Retry_After=format_datetime(when, usegmt=True)))
    assert seconds is not None
    assert 85 < seconds <= 90
    assert retry_after(headers(Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")) == 0


@pytest.mark.parametrize(
    "text",
    ["", "soon", "-5", "1.5", "٣", "Wed, 21 Oct 99999 07:28:00 GMT", "Wed, 99 Oct 2026 07:28 GMT"],
)
def test_a_retry_after_that_makes_no_sense_says_nothing(text: str) -> None:
    assert retry_after(headers(Retry_After=text)) is None


@pytest.mark.parametrize("text", ["", "api", '"api";r=-1;t=5', '"api";r=0;t=' + "9" * 5000])
def test_a_rate_limit_that_makes_no_sense_says_nothing(text: str) -> None:
    assert rate_limit(headers(RateLimit=text)) is None


def test_bandwidth_is_shared_by_all(clock: Clock) -> None:
    async def action() -> None:
        bandwidth = Bandwidth(1000)
        await asyncio.gather(*(bandwidth.spend(500) for _ in range(8)))

    play(action)
    assert clock.now == 1004


def test_no_bandwidth_limit_is_no_wait(clock: Clock) -> None:
    play(lambda: Bandwidth(None).spend(10**12))
    assert clock.now == 1000


def test_time_not_used_is_not_saved_up(clock: Clock) -> None:
    async def action() -> None:
        bandwidth = Bandwidth(1000)
        await bandwidth.spend(1000)
        clock.now += 500
        await bandwidth.spend(1000)

    play(action)
    assert clock.now == 1502


# --- the same through the whole, on a real clock ---------------------------------------------


def test_a_429_is_waited_for_and_uses_up_no_tries(hub: FakeHub) -> None:
    repo = hub.add_repo("model", "acme/tiny", {"a.txt": b"x"})
    hub.fault("info", kind=Status(429), times=6)
    info, there = ask(hub.endpoint, lambda up: up.repo_info(KEY), retries=0)
    assert info.commit == repo.sha
    assert hub.counts["info"] == there.counts.api == 7
    assert there.counts.retries == 0
    assert there.counts.waited > 0


def test_a_429_for_too_long_ends_at_once(hub: FakeHub) -> None:
    hub.fault("info", kind=Status(429, {"Retry-After": "3600"}), times=None)
    with pytest.raises(RateLimitError, match="3600 s"):
        ask(hub.endpoint, lambda up: up.repo_info(KEY), max_wait=60)
    assert hub.counts["info"] == 1


def test_a_429_again_and_again_ends_at_the_limit(hub: FakeHub) -> None:
    hub.fault("info", kind=Status(429), times=None)
    with pytest.raises(RateLimitError, match="answers 429"):
        ask(hub.endpoint, lambda up: up.repo_info(KEY), max_wait=0.05)
    assert 1 < hub.counts["info"] < 60


def test_files_and_api_have_separate_gates(hub: FakeHub, tmp_path: Path) -> None:
    """A file limit that is used up does not hold an API call."""
    content = noise(100)
    repo = hub.add_repo("model", "acme/tiny", {"model.bin": content})
    hub.fault("resolve", kind=Status(429, {"Retry-After": "600"}), times=None)

    async def both(up: Upstream) -> None:
        request = request_for(content)
        with pytest.raises(RateLimitError):
            await up.fetch(request, tmp_path)
        info = await up.repo_info(KEY)
        assert info.commit == repo.sha

    ask(hub.endpoint, both, max_wait=60)


def test_a_reset_in_more_seconds_than_there_are_is_no_limit() -> None:
    endless = headers(ratelimit='"api";r=0;t=' + "9" * 400)
    assert rate_limit(endless) is None
    gate().refused(endless)
    gate().leave(endless)
