"""Threads that end soon when the one who waits for them cannot go on.

Ctrl-C reaches the main thread alone, and an error only one of them: the others would copy or
hash their files to the end, for minutes with large ones, before anybody sees why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from threading import Event
from types import TracebackType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


class StoppedError(Exception):
    """The work is not wanted any more. Nobody sees it: who waited has an error of his own."""


def in_lots(things: Iterable[T], slow: Callable[[T], bool]) -> list[list[T]]:
    """Divide work among threads: the ``slow`` things together, each of the others by itself.

    Slow are small files, and packs of them. Most of that is Python's own work, at which threads
    only wait for each other: two of them take longer than one. A large file is hashed and
    copied outside Python's lock.
    """
    together: list[T] = []
    lots: list[list[T]] = [together]
    for thing in things:
        if slow(thing):
            together.append(thing)
        else:
            lots.append([thing])
    return lots


class Workers:
    """Some threads, for the length of a ``with``; left by an error, it gives up what they do."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count)
        self._stopped = Event()

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is not None:
            self._stopped.set()
        self._pool.shutdown(cancel_futures=error is not None)

    def submit(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have something done."""
        return self._pool.submit(job, *args, **kwargs)

    def finish(self, jobs: Iterable[Future[T]]) -> None:
        """Wait for all of them; the first error of one ends the waiting."""
        for job in as_completed(jobs):
            job.result()

    def map(self, job: Callable[[S], T], things: Iterable[S]) -> Iterator[T]:
        """Have it done for each thing; give what comes out in the same order."""
        return self._pool.map(job, things)

    def check(self) -> None:
        """To be called by a job now and then, at least once for each piece of a file.

        Raises:
            StoppedError: give up.
        """
        if self._stopped.is_set():
            raise StoppedError
