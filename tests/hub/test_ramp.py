from __future__ import annotations

from collections.abc import Callable

import pytest

from mirror.hub.ramp import Ramp


def play(
    rate: Callable[[int], float], *, seconds: float, busy: float = 0.05, most: int = 8
) -> list[int]:
    """Let a ramp watch a link that gives ``rate(connections)``; its targets at every tick."""
    ramp = Ramp(most, 0.0)
    received, targets = 0.0, []
    for tick in range(int(seconds * 10)):
        now = tick / 10
        targets.append(ramp.observe(now, round(received), busy * now, flowing=ramp.target))
        received += rate(ramp.target) / 10
    return targets


def test_a_server_that_gives_each_connection_little_gets_all_within_a_second() -> None:
    targets = play(lambda connections: 20e6 * connections, seconds=1)
    assert targets[0] == 1
    assert targets[-1] == 8


def test_where_one_connection_fills_the_link_it_stays_one() -> None:
    targets = play(lambda connections: 100e6, seconds=9)
    assert targets[-1] == 1
    assert max(targets) == 2


def test_it_stops_where_more_does_not_help_any_more() -> None:
    targets = play(lambda connections: 20e6 * min(connections, 3), seconds=5, most=16)
    assert targets[-1] == 4


def test_it_tries_again_later() -> None:
    targets = play(lambda connections: 100e6, seconds=14)
    tries = [now for now, target in enumerate(targets) if target == 2 and targets[now - 1] == 1]
    assert len(tries) == 2


def test_nothing_is_tried_where_the_processor_is_the_limit() -> None:
    assert set(play(lambda connections: 20e6 * connections, seconds=5, busy=0.9)) == {1}


def test_nothing_is_tried_where_nothing_comes() -> None:
    assert set(play(lambda connections: 0, seconds=5)) == {1}


def test_it_never_has_more_than_the_user_allows() -> None:
    assert max(play(lambda connections: 20e6 * connections, seconds=3, most=3)) == 3


def test_a_new_connection_is_judged_only_when_it_flows() -> None:
    ramp = Ramp(8, 0.0)
    for tick in range(8):
        ramp.observe(tick / 10, tick * 2_000_000, 0.0, flowing=1)
    assert ramp.target == 2


@pytest.mark.parametrize("for_good", [True, False])
def test_a_limit_holds_for_a_while_or_for_good(for_good: bool) -> None:
    ramp = Ramp(8, 0.0)
    ramp.limit(1, 0.0, for_good=for_good)
    received, targets = 0, []
    for tick in range(200):
        targets.append(ramp.observe(tick / 10, received, 0.0, flowing=ramp.target))
        received += 2_000_000 * ramp.target
    assert set(targets[:100]) == {1}
    assert (targets[-1] > 1) is not for_good
