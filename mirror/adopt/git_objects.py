"""Reading a git object store that anybody may have written, with git, but not with its settings.

A clone's ``config`` and hooks can name programs that git would start. So git is never run
in a clone: it runs in an empty repo of our own, and is lent the clone's objects
(``GIT_OBJECT_DIRECTORY``). It reads no settings of the clone, of the person or of the
system, and has no remote that it could ask for objects that are missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from mirror.errors import StoreError, UsageError

#: Seconds for a listing, and for all objects of a snapshot together.
_LISTING_TIME: Final = 600.0
_OBJECTS_TIME: Final = 6 * 3600.0
#: 100 bytes an entry and more: some million files.
_LISTING_BYTES: Final = 1 << 30
_HEADER_BYTES: Final = 200
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One line of ``git ls-tree -r -l``."""

    path: str
    mode: str
    oid: str
    size: int | None
    """``None`` where git has no size: a submodule, or an object that is not there."""


class Objects:
    """Objects that are read one after the other, by one git process."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self._stdin = stdin
        self._stdout = stdout

    def read(self, oid: str, size: int, sink: Callable[[bytes], object]) -> bool:
        """Hand the content of a blob to ``sink``, piece by piece.

        Gives whether git has a blob of that size; nothing is handed over where it has not.

        Raises:
            StoreError: git ended, or its answer is none.
        """
        try:
            self._stdin.write(f"{oid}\n".encode())
            self._stdin.flush()
        except BrokenPipeError as error:
            raise StoreError("git ended before it was asked for everything") from error
        header = self._stdout.readline(_HEADER_BYTES).split()
        if header[-1:] == [b"missing"]:
            return False
        if len(header) != 3 or not header[2].isdigit():
            raise StoreError("git did not answer as it should: its object store may be damaged")
        left = int(header[2])
        fits = header[1] == b"blob" and left == size
        while left:
            piece = self._stdout.read(min(left, _CHUNK))
            if not piece:
                raise StoreError("git ended in the middle of an object")
            left -= len(piece)
            if fits:
                sink(piece)
        self._stdout.read(1)  # the newline after each object
        return fits


class GitReader:
    """Runs git over the objects of one clone; a context manager."""

    def __init__(self, objects: Path) -> None:
        self._objects = objects
        self._git = shutil.which("git")
        if self._git is None:
            raise UsageError(
                "git is not installed here, and a clone cannot be read without it",
                hint="install git (apt install git), then run the same command again",
            )
        self._own = tempfile.TemporaryDirectory(prefix="mirror-git-")

    def __enter__(self) -> GitReader:
        own = Path(self._own.name)
        (own / "refs").mkdir()
        (own / "objects").mkdir()
        (own / "HEAD").write_text("ref: refs/heads/none\n")
        (own / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
        return self

    def __exit__(self, *_: object) -> None:
        self._own.cleanup()

    def tree(self, commit: str) -> list[TreeEntry]:
        """List every file of a commit.

        Raises:
            StoreError: git does not have it whole, or its objects are damaged.
        """
        with self._run("ls-tree", "-r", "-l", "-z", "--full-tree", commit) as process:
            assert process.stdout is not None  # noqa: S101 - for the type checker
            with _ended_after(_LISTING_TIME, process):
                data = process.stdout.read(_LISTING_BYTES + 1)
        if process.returncode != 0 or len(data) > _LISTING_BYTES:
            raise StoreError(
                f"git cannot list the files of {commit} in {self._objects}",
                hint="run git fsck there; a clone that is damaged is cloned anew",
            )
        return [_entry(line) for line in data.split(b"\0") if line]

    @contextmanager
    def objects(self) -> Iterator[Objects]:
        """Let one process hand out objects."""
        with self._run("cat-file", "--batch", stdin=subprocess.PIPE) as process:
            assert process.stdin is not None  # noqa: S101 - for the type checker
            assert process.stdout is not None  # noqa: S101
            with _ended_after(_OBJECTS_TIME, process):
                try:
                    yield Objects(process.stdin, process.stdout)
                finally:
                    process.kill()

    def _run(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(self._git), *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self._own.name,
            env=self._environment(),
        )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": self._own.name,
            "LC_ALL": "C",
            "GIT_DIR": self._own.name,
            "GIT_OBJECT_DIRECTORY": str(self._objects),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
        }


@contextmanager
def _ended_after(seconds: float, process: subprocess.Popen[bytes]) -> Iterator[None]:
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _entry(line: bytes) -> TreeEntry:
    facts, _, path = line.partition(b"\t")
    mode, _, oid, size = facts.decode("ascii", "replace").split()
    return TreeEntry(
        path=path.decode("utf-8", "surrogateescape"),
        mode=mode,
        oid=oid,
        size=int(size) if size.isdigit() else None,
    )
