"""``mirror run``: a private endpoint for the life of one command.

The command gets fresh, temporary caches. In its user's own there may lie what the mirror
does not have, and a rehearsal that finds it there proves nothing.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mirror.api.loading import IN_THE_WAY, endpoint_variables
from mirror.serve.child import end, signals_held, spawn, wait
from mirror.serve.sockets import endpoint_of, listen

if TYPE_CHECKING:
    from mirror.serve.errors import Miss

#: Loopback, which a proxy could not reach for us.
_HOSTS: Final = "127.0.0.1,localhost"
_CACHES: Final = {
    "HF_HUB_CACHE": "hub",
    "HF_DATASETS_CACHE": "datasets",
    "HF_MODULES_CACHE": "modules",
}
#: An older name of HF_HUB_CACHE, which transformers 4 prefers.
_OLD_CACHE: Final = "TRANSFORMERS_CACHE"


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    misses: tuple[Miss, ...]
    """What it asked for that is not mirrored, in the order of asking; only when strict."""
    left: Path | None
    """A folder of ours that could not be removed."""


def run_with_mirror(
    root: Path,
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    strict: bool = False,
    upstream: bool = False,
    endpoint_only: bool = False,
    cache: Path | None = None,
) -> Ran:
    """Run a command whose Hub is the mirror at ``root``.

    Args:
        root: the mirror's folder.
        command: program and arguments.
        env: the environment to start from.
        strict: note what is asked for and not mirrored.
        upstream: fetch what is asked for and not mirrored.
        endpoint_only: set HF_ENDPOINT alone; the user's own caches stay in use.
        cache: a folder for the caches, which then stays.

    Raises:
        NotAMirrorError, UnknownFormatError: ``root`` cannot be served.
        FileNotFoundError, PermissionError: the command cannot be run.
    """
    _refuse_unknown(root)
    listener = listen("127.0.0.1", 0)
    endpoint = endpoint_of(listener)
    with contextlib.closing(listener), signals_held() as mask:
        with _folder(cache, endpoint_only) as folder:
            child = spawn(command, environment(env, endpoint, folder, endpoint_only), mask)
            options = _Served(endpoint, strict, upstream)
            code, misses = _serve(root, listener, options, child)
        left = folder if folder and not cache and folder.exists() else None
    return Ran(code, misses, left)


def _refuse_unknown(root: Path) -> None:
    """Refuse a mirror that cannot be served, before anything is started.

    The store says why; it takes long to import, so only where there is something to say.
    """
    try:
        usual = (root / "format").read_text(encoding="utf-8").strip() == "1"
    except (OSError, UnicodeDecodeError):
        usual = False
    if not usual:
        from mirror.store import Store

        Store.open(root)


@dataclass(frozen=True)
class _Served:
    endpoint: str
    strict: bool
    upstream: bool


def _serve(
    root: Path, listener: socket.socket, served: _Served, child: int
) -> tuple[int, tuple[Miss, ...]]:
    """Serve a command that has been started; what it asks until then waits in the socket."""
    try:
        # Imported while the command starts, which has its own imports to do.
        from mirror.serve.access import gate_for
        from mirror.serve.front import make_front
        from mirror.serve.options import ServeOptions
        from mirror.serve.runner import ServerThread

        options = ServeOptions(public_url=served.endpoint, strict=served.strict)
        front = make_front(root, options, gate_for(root, local=True, required=False))
        stack = contextlib.ExitStack()
        if served.upstream:
            from mirror.serve.through import passing_through

            stack.enter_context(passing_through(front.shelf))
    except BaseException:
        end(child)
        raise
    with stack, ServerThread(front.app, listener):
        code = wait(child)
    return code, tuple(front.shelf.misses)


def environment(
    env: Mapping[str, str], endpoint: str, caches: Path | None, endpoint_only: bool
) -> dict[str, str]:
    """Give the environment of the command."""
    if endpoint_only:
        return {**env, "HF_ENDPOINT": endpoint}
    changed = {name: value for name, value in env.items() if name not in IN_THE_WAY}
    changed |= {variable.name: variable.value for variable in endpoint_variables(endpoint)}
    if caches is not None:
        changed.pop(_OLD_CACHE, None)
        changed |= {name: str(caches / folder) for name, folder in _CACHES.items()}
    for name in ("no_proxy", "NO_PROXY"):
        changed[name] = ",".join(filter(None, [env.get(name, ""), _HOSTS]))
    return changed


def add_lines(misses: Iterable[Miss]) -> tuple[str, ...]:
    """Give what would bring each miss into the mirror: lines for a shell.

    A file that the selection left out is named in a comment: the entry that does it is in
    mirror.toml, and only a person knows what else it is for.
    """
    lines = dict.fromkeys(_add_line(miss) for miss in misses)
    return tuple(lines)


def _add_line(miss: Miss) -> str:
    if miss.path is not None:
        return f"# in mirror.toml, the entry of {miss.key} leaves out {miss.path}"
    if miss.revision is None:
        return f"mirror add {miss.key}"
    if not _plain(miss.revision):
        return f"# no revision of {miss.key}: {miss.revision[:100]!r}"
    return f"mirror add {miss.key} --revision {miss.revision}"


def _plain(revision: str) -> bool:
    """Whether a shell takes a revision as it is; anything else is no revision of the Hub."""
    return not revision.startswith("-") and all(
        c.isascii() and (c.isalnum() or c in "._/-") for c in revision
    )


@contextlib.contextmanager
def _folder(cache: Path | None, endpoint_only: bool) -> Iterator[Path | None]:
    """Give the folder of the caches; what we made is removed."""
    if cache is not None or endpoint_only:
        yield cache.expanduser().absolute() if cache else None
        return
    made = Path(tempfile.mkdtemp(prefix="mirror-run-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
