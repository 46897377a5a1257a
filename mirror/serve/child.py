"""One command as a child: its signals, its exit code, and an end when it ends.

stdin, stdout and stderr are simply its own too. The signals are blocked and fetched one
by one, because then the kernel says where each comes from: what a terminal sends goes to
the command as well, which stands in the same group, and must not arrive there twice.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

#: As a shell says it.
NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126

_FORWARDED: Final = frozenset(
    {
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
    }
)
#: ``si_code`` of a signal from the kernel, such as for Ctrl-C (sigaction(2)).
_FROM_KERNEL: Final = 0x80

#: What Python has ignored since its start, and a command expects to be as usual.
_RESTORED: Final = (signal.SIGPIPE, signal.SIGXFSZ)


@contextlib.contextmanager
def signals_held() -> Iterator[frozenset[int]]:
    """Hold signals back until :func:`wait` fetches them; gives the mask as it was.

    Threads that start meanwhile hold them too. What is still waiting at the end is
    dropped, so that what was made for the command can be removed in peace.
    """
    watched = {*_FORWARDED, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield frozenset(before)
    finally:
        while signal.sigtimedwait(watched, 0) is not None:
            pass
        signal.signal(signal.SIGCHLD, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def spawn(command: Sequence[str], env: Mapping[str, str], mask: frozenset[int]) -> int:
    """Start a command, and give its process id. Only within :func:`signals_held`.

    Raises:
        FileNotFoundError: there is no such command.
        PermissionError: it cannot be executed.
    """
    return os.posix_spawnp(
        command[0], list(command), dict(env), setsigmask=mask, setsigdef=_RESTORED
    )


def wait(child: int) -> int:
    """Hand signals on until a command ends; give its exit code: 128 + n if signal n ended it.

    Only within the same :func:`signals_held` as its start: what came meanwhile is there.
    """
    while True:
        info = signal.sigwaitinfo({*_FORWARDED, signal.SIGCHLD})
        if info.si_signo != signal.SIGCHLD:
            if info.si_code != _FROM_KERNEL:
                os.kill(child, info.si_signo)
            continue
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def end(child: int) -> None:
    """End a command that cannot go on without us."""
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
