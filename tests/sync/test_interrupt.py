"""Running to the end, or to a signal, and leaving the process as it was."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from mirror.sync.interrupt import run_to_end


async def nothing() -> None: ...


async def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    await asyncio.sleep(30)


def test_work_that_ends_by_itself() -> None:
    assert run_to_end(nothing())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_work(number: signal.Signals) -> None:
    assert not run_to_end(send(number))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_callers_own_handlers_are_back_afterwards(number: signal.Signals) -> None:
    def mine(number: int, frame: object) -> None: ...

    before = signal.signal(number, mine)
    try:
        run_to_end(nothing())
        assert mine is signal.getsignal(number)
    finally:
        signal.signal(number, before)


def test_an_error_of_the_work_is_the_callers() -> None:
    async def fail() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        run_to_end(fail())


def test_a_cancellation_that_is_no_signal_is_an_error() -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run_to_end(cancelled())


def test_where_a_loop_is_running_already_as_in_a_notebook() -> None:
    async def notebook() -> bool:
        return run_to_end(nothing())

    assert asyncio.run(notebook())
