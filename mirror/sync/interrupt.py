"""Run a coroutine from ordinary code, and stop it cleanly on Ctrl-C or SIGTERM.

systemd and cron stop a service by SIGTERM; both signals mean: finish what cannot be
left half done, write the report, go. In a notebook, where a loop is running already,
the work gets a thread of its own, and the notebook's "stop" means the same.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def run_to_end(work: Coroutine[Any, Any, None]) -> bool:
    """Run ``work``; return False when a signal stopped it before its end."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_stoppable(work))
    stops: list[Callable[[], object]] = []
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(asyncio.run, _stoppable(work, stops))
        try:
            return future.result()
        except KeyboardInterrupt:
            for stop in stops:
                stop()
            return future.result()


async def _stoppable(
    work: Coroutine[Any, Any, None], stops: list[Callable[[], object]] | None = None
) -> bool:
    """Do the work; ``stops`` gets a function that another thread may call to stop it."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True
        task.cancel()

    if stops is not None:
        stops.append(lambda: loop.call_soon_threadsafe(stop))
    # Python lets only the main thread handle signals.
    mine = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in _SIGNALS} if mine else {}
    for number in before:
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped:
            raise
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            # The loop leaves the default behind, which kills while the report is written.
            signal.signal(number, handler)
    return not stopped
