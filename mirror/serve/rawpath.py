"""The raw path of a request as a value.

``refs%2Fconvert%2Fparquet`` is one segment and ``a/../b`` is never tidied up: the path is
split as it came, each segment decoded once, and what comes out is checked by
:mod:`mirror.names`. A second level of encoding stays what it is: letters of a name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from mirror.errors import BadNameError, UnsafePathError
from mirror.names import RepoKey, RepoType, check_repo_path

_TYPES: Final = {kind.plural: kind for kind in RepoType}
#: What can stand behind an id below ``/api/``; the empty word is the info call itself.
ACTIONS: Final = frozenset(
    {"revision", "tree", "paths-info", "refs", "commits", "auth-check", "xet-read-token"}
    | {"resolve", "parquet", "jwt", "treesize"}
)
#: Actions with a revision behind them.
_WITH_REVISION: Final = frozenset(
    {"revision", "tree", "paths-info", "commits", "xet-read-token", "resolve", "treesize"}
)
_FILE_ACTIONS: Final = frozenset({"resolve", "raw"})
#: Revisions that clients send with bare slashes as well.
_SPECIAL: Final = frozenset({"convert", "pr"})


@dataclass(frozen=True)
class RepoPath:
    """What a request asks for, of which repo. All parts are decoded."""

    action: str
    """``info``, ``resolve``, ``tree``, ``paths-info``, ``refs``, ``commits`` …"""
    key: RepoKey
    revision: str
    """``main`` where the request says none."""
    path: str
    """Inside the repo, checked; empty for its root."""
    unsafe: bool
    """Whether the path inside the repo is one that no file can have (``path`` is then empty)."""
    prefix: str
    """The raw text before the id, for a redirect: ``/api/models/``."""
    rest: str
    """The raw text behind the id: ``/resolve/main/config.json``."""

    def at(self, key: RepoKey) -> str:
        """Give the raw path of the same request to another repo."""
        return f"{self.prefix}{quote(key.repo_id)}{self.rest}"


def read_path(raw: bytes) -> tuple[RepoPath, ...]:
    """Give what a raw path may mean, the likeliest first; empty where it names no repo.

    ``/api/models/openai/refs`` is the repo ``openai/refs`` or the refs of a legacy ``openai``:
    only who knows the repos can tell.
    """
    text = raw.decode("latin-1").partition("?")[0]
    parts = text.lstrip("/").split("/")
    while len(parts) > 1 and parts[-1] == "":
        parts.pop()
    found = _api(parts[1:]) if parts[0] == "api" else _files(parts)
    return tuple(found)


def _api(parts: list[str]) -> Iterator[RepoPath]:
    if len(parts) < 2 or parts[0] not in _TYPES:
        return
    kind, prefix, rest = _TYPES[parts[0]], f"/api/{parts[0]}/", parts[1:]
    if len(rest) > 1 and rest[1] in ACTIONS and rest[2:3] != [rest[1]]:
        yield from _one(kind, prefix, rest, 1)
    if len(rest) > 1 and (len(rest) == 2 or rest[2] in ACTIONS):
        yield from _one(kind, prefix, rest, 2)
    if len(rest) == 1:
        yield from _one(kind, prefix, rest, 1)


def _files(parts: list[str]) -> Iterator[RepoPath]:
    kind, prefix = RepoType.MODEL, "/"
    if parts[0] in _TYPES:
        kind, prefix, parts = _TYPES[parts[0]], f"/{parts[0]}/", parts[1:]
    for size in (1, 2):
        if len(parts) > size + 2 and parts[size] in _FILE_ACTIONS:
            yield from _one(kind, prefix, parts, size)


def _one(kind: RepoType, prefix: str, parts: list[str], size: int) -> Iterator[RepoPath]:
    """Read ``parts`` as an id of ``size`` segments and what is asked of it."""
    try:
        key = RepoKey(kind, "/".join(_decode(part) for part in parts[:size]))
    except (BadNameError, UnicodeDecodeError):
        return
    more = parts[size:]
    action = more[0] if more else "info"
    revision, tail = "main", more[1:]
    if action in _WITH_REVISION or action in _FILE_ACTIONS:
        if not tail:
            return
        revision, tail = _revision(tail)
    path, unsafe = _path(tail)
    yield RepoPath(
        action="info" if action == "revision" else action,
        key=key,
        revision=revision,
        path=path,
        unsafe=unsafe,
        prefix=prefix,
        rest="".join(f"/{part}" for part in more),
    )


def _revision(parts: list[str]) -> tuple[str, list[str]]:
    size = 3 if parts[0] == "refs" and len(parts) > 2 and parts[1] in _SPECIAL else 1
    raw = "/".join(parts[:size])
    return unquote_to_bytes(raw).decode("utf-8", "replace"), parts[size:]


def _path(parts: list[str]) -> tuple[str, bool]:
    if not parts:
        return "", False
    try:
        return check_repo_path("/".join(_decode(part) for part in parts)), False
    except (UnsafePathError, UnicodeDecodeError):
        return "", True


def _decode(part: str) -> str:
    if part.isascii() and "%" not in part:  # nearly all are so
        return part
    return unquote_to_bytes(part.encode("latin-1")).decode()
