"""Kill a process at every step that it takes on disk.

An audit hook counts what the process does to the file system below one folder (open for
writing, rename, link, symlink, mkdir, remove, chmod, truncate; and the calls made through
ctypes: syncfs, renameat2) and sends itself SIGKILL just before the step number ``at``. So
nothing is cleaned up, no buffer is flushed, no ``finally`` runs.

In one process::

    for at, killed in crash.sweep(prepare, action):   # action(root) runs in a forked child
        ... look at the disk ...

For a whole command, in a process of its own::

    killed = crash.run_command_until_killed(["-m", "mirror", "sync"], root, at)

Reading costs nothing and is not counted. What this does not show is a power cut.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

#: Audit event -> which of its arguments are paths.
_STEPS = {
    "os.rename": (0, 1),
    "os.link": (0, 1),
    "os.symlink": (1,),
    "os.remove": (0,),
    "os.mkdir": (0,),
    "os.rmdir": (0,),
    "os.chmod": (0,),
    "os.truncate": (0,),
}
_CTYPES = {"syncfs", "renameat2"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def install(root: Path | str, at: int) -> None:
    """From now on count steps below ``root``; die before number ``at`` (1 is the first)."""
    top = Path(root).resolve()
    steps = 0

    def below(path: object) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        # Only the folder is resolved: the last part may be a link that is itself the matter.
        return Path(os.fsdecode(path)).absolute().parent.resolve().is_relative_to(top)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps
        if event == "open":
            path, _, flags = arguments
            counts = bool((flags or 0) & _WRITING) and below(path)
        elif event == "ctypes.dlsym":
            counts = arguments[1] in _CTYPES
        else:
            counts = event in _STEPS and any(below(arguments[i]) for i in _STEPS[event])
        if counts:
            steps += 1
            if steps == at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def run_until_killed(action: Callable[[], None], root: Path, at: int) -> bool:
    """Run ``action`` in a forked child that dies before step ``at``; give whether it did.

    Raises:
        AssertionError: the action ended in an exception.
    """
    with warnings.catch_warnings():
        # Python 3.12 warns of a fork beside other threads; the child uses none of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            install(root, at)
            action()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return _was_killed(os.waitstatus_to_exitcode(status))


def run_command_until_killed(
    arguments: Sequence[str],
    root: Path,
    at: int,
    *,
    environ: Mapping[str, str] | None = None,
    ok: Sequence[int] = (0,),
) -> bool:
    """Run ``python -m MODULE …`` in a process that dies before step ``at``; give whether it did.

    ``ok`` are the exit codes of a run that came to its end.
    """
    if arguments[0] != "-m":
        raise ValueError("only -m MODULE can be run")
    command = [sys.executable, "-m", "tests.crash", str(root), str(at), *arguments[1:]]
    top = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=top, env=environ, capture_output=True, timeout=100)
    if done.returncode in ok:
        return False
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    return True


def sweep(
    prepare: Callable[[int], Path], action: Callable[[Path], None], *, every: int = 1
) -> Iterator[tuple[int, Path, bool]]:
    """Kill ``action`` at every step in turn; give (step, root, killed), last the whole run.

    ``prepare(at)`` makes the folder anew for each of them. ``every`` leaves steps out.
    """
    for at in count(1, every):
        root = prepare(at)
        killed = run_until_killed(lambda root=root: action(root), root, at)  # type: ignore[misc]
        yield at, root, killed
        if not killed:
            return


def _was_killed(code: int) -> bool:
    assert code in (0, -signal.SIGKILL), f"the action failed (exit code {code}): see stderr"
    return code != 0


if __name__ == "__main__":
    install(sys.argv[1], int(sys.argv[2]))
    sys.argv = sys.argv[3:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
