"""Threads that give up with the one who waits for them."""

from __future__ import annotations

import threading
import time

import pytest

from mirror.store.workers import Workers, in_lots


def test_in_order() -> None:
    with Workers(2) as workers:
        squares = list(workers.map(lambda number: number * number, range(50)))
        last = workers.submit(pow, 3, 2)
    assert [n * n for n in range(50)] == squares
    assert 9 == last.result()


def test_small_ones_are_one_lot() -> None:
    sizes = [1, 2 << 20, 0, 1 << 20, 5]
    assert [[1, 0, 5], [2 << 20], [1 << 20]] == in_lots(sizes, lambda size: size < 1 << 20)
    assert [[]] == in_lots([], bool)


def test_an_error_of_one_ends_the_others() -> None:
    begun = threading.Event()
    ran: list[int] = []

    def work_for_ever() -> None:
        begun.set()
        while True:
            workers.check()
            time.sleep(0.01)

    def fail() -> None:
        begun.wait()
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), Workers(2) as workers:
        job = workers.submit(fail)
        running = workers.submit(work_for_ever)
        workers.submit(work_for_ever)
        waiting = workers.submit(ran.append, 1)
        workers.finish([running, waiting, job])
    assert waiting.cancelled()
    assert [] == ran
