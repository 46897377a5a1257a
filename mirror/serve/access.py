"""Who may read what: tokens, and what stands behind a request.

A token is 256 random bits; the mirror keeps its sha256 and nothing more, in
``serve-tokens.json`` beside mirror.toml. A slow hash would add nothing: what is random
throughout cannot be guessed. A token is compared with every entry, each in constant time.

The file is read again when it has changed, so a revoked token is refused at once. A file
that cannot be read lets nobody in. A server for one machine asks nobody for a token, and
whoever holds a token of the real Hub (clients send it to any HF_ENDPOINT) is anonymous.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from mirror.errors import DamagedError, NotFoundError, UsageError
from mirror.names import RepoKey, RepoType, is_digest
from mirror.serve.sockets import is_loopback
from mirror.store import Observation
from mirror.store.atomic import disk_errors, write_atomic

TOKENS_FILE: Final = "serve-tokens.json"

#: JavaScript clients refuse a token that does not begin like the Hub's own.
_PREFIX: Final = "hf_mirror_"
_NAME: Final = re.compile(r"[\w][\w.@-]{0,63}", re.ASCII)
_PATTERN: Final = re.compile(r"[\w.*?/\[\]!-]{1,200}", re.ASCII)
_TYPES: Final = tuple(f"{kind.plural}/" for kind in RepoType)
_MAX_FILE_BYTES: Final = 4_000_000
_MAX_HEADER: Final = 512


@dataclass(frozen=True)
class Reader:
    """Somebody who asks, and what they may read.

    Patterns are those of a shell: ``klue/*`` for all types, ``datasets/klue/*`` for one.
    """

    name: str
    repos: tuple[str, ...] = ("*",)
    gated: tuple[str, ...] = ()
    """Gated repos need a pattern here as well."""

    def may_read(self, key: RepoKey, *, gated: bool) -> bool:
        """Whether a repo is theirs to read; ``key`` is its canonical one, not an old name."""
        return _matches(key, self.repos) and (not gated or _matches(key, self.gated))

    @property
    def limited(self) -> bool:
        """Whether there can be repos that they may not read."""
        return "*" not in self.repos or "*" not in self.gated


#: On the machine's own loopback: who can connect can read the folder, too.
EVERYTHING: Final = Reader("local", ("*",), ("*",))
#: On a network, where no token is required.
ANONYMOUS: Final = Reader("anonymous")


@dataclass(frozen=True)
class Token:
    """What is kept of one token."""

    name: str
    sha256: str
    created: str
    repos: tuple[str, ...] = ("*",)
    gated: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The form of ``mirror token list --json``: without the digest."""
        return {key: value for key, value in asdict(self).items() if key != "sha256"}


def is_gated(upstream: Mapping[str, Any]) -> bool:
    """Whether upstream's answer about a repo says that it has terms: auto, manual, true."""
    return upstream.get("gated") not in (None, False, "")


def is_gated_now(history: Iterable[Observation]) -> bool:
    """Whether the newest look at a repo that says anything of terms says that it has some."""
    gated = False
    for seen in history:
        if seen.state == "gated":
            gated = True
        elif seen.gated is not None:
            gated = is_gated({"gated": seen.gated})
    return gated


class Tokens:
    """The tokens of one mirror."""

    def __init__(self, root: Path) -> None:
        self.path = root / TOKENS_FILE
        self._lock_file = root / "format"
        self._seen: tuple[tuple[int, int, int] | None, tuple[Token, ...]] = (None, ())

    def all(self) -> tuple[Token, ...]:
        """Read them; none where there is no file.

        Raises:
            DamagedError: the file is not one of ours.
        """
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return ()
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp != self._seen[0]:
            self._seen = (stamp, _decode(self.path))
        return self._seen[1]

    def create(self, name: str, repos: Sequence[str] = (), gated: Sequence[str] = ()) -> str:
        """Make a token and give it: this once, it is kept nowhere.

        Raises:
            UsageError: the name is taken, or no name; a pattern is none.
            DiskError: the folder cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is not a name for a token", hint="letters, digits, . _ @ -")
        for pattern in (*repos, *gated):
            if not _can_match(pattern):
                raise UsageError(
                    f"{pattern!r} is not a pattern for repos",
                    hint="such as 'klue/*' or 'datasets/klue/klue'",
                )
        secret = _PREFIX + secrets.token_urlsafe(32)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        token = Token(name, _digest(secret), created, tuple(repos) or ("*",), tuple(gated))
        with self._writing():
            tokens = self.all()
            if any(name == other.name for other in tokens):
                raise UsageError(
                    f"there is a token {name} already",
                    hint=f"mirror token revoke {name}; or choose another name",
                )
            self._write([*tokens, token])
        return secret

    def revoke(self, name: str) -> Token:
        """Forget a token: a server refuses it from the next request on.

        Raises:
            NotFoundError: there is none of that name.
            DiskError: the folder cannot be written.
        """
        with self._writing():
            tokens = self.all()
            found = [token for token in tokens if token.name == name]
            if not found:
                raise NotFoundError(
                    f"there is no token {name!r}", hint="mirror token list shows them"
                )
            self._write([token for token in tokens if token.name != name])
        return found[0]

    def reader(self, secret: str) -> Reader | None:
        """Give who holds a token; every entry is compared, each in constant time."""
        digest, found = _digest(secret), None
        for token in self.all():
            if hmac.compare_digest(digest, token.sha256):
                found = Reader(token.name, token.repos, token.gated)
        return found

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One writer at a time; a sync may go on meanwhile, and no lock file stays."""
        with disk_errors(self._lock_file), self._lock_file.open("r+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def _write(self, tokens: Sequence[Token]) -> None:
        text = json.dumps({"format": 1, "tokens": [asdict(token) for token in tokens]}, indent=2)
        write_atomic(self.path, f"{text}\n".encode())


@dataclass(frozen=True)
class Gate:
    """Says who a request comes from, by its Authorization header."""

    tokens: Tokens
    anonymous: Reader | None
    """Who has no token; ``None`` where one is required."""

    def reader(self, authorization: str | None, client: str = "127.0.0.1") -> Reader | None:
        """Give the reader, ``None`` where the request is to be refused.

        Args:
            authorization: the header.
            client: the address that asks; behind a proxy of this machine, the one that it names.

        Raises:
            DamagedError: the file of tokens cannot be read.
        """
        anonymous = self.anonymous
        if anonymous is EVERYTHING:
            if is_loopback(client):
                return EVERYTHING
            anonymous = ANONYMOUS
        scheme, _, secret = (authorization or "")[:_MAX_HEADER].partition(" ")
        known = self.tokens.reader(secret.strip()) if scheme.lower() == "bearer" else None
        return known or anonymous


def gate_for(root: Path, *, local: bool, required: bool) -> Gate:
    """Give the gate of a server: on loopback open, on a network without gated repos."""
    anonymous = None if required else EVERYTHING if local else ANONYMOUS
    return Gate(Tokens(root), anonymous)


def _can_match(pattern: str) -> bool:
    """Whether there can be a repo that a pattern is of: NAME, OWNER/NAME or TYPES/OWNER/NAME."""
    slashes = pattern.count("/") - pattern.startswith(_TYPES)
    return _PATTERN.fullmatch(pattern) is not None and ("[" in pattern or slashes <= 1)


def _matches(key: RepoKey, patterns: Sequence[str]) -> bool:
    return any(
        fnmatchcase(str(key) if pattern.startswith(_TYPES) else key.repo_id, pattern)
        for pattern in patterns
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


def _decode(path: Path) -> tuple[Token, ...]:
    try:
        with path.open("rb") as stream:
            found = json.loads(stream.read(_MAX_FILE_BYTES))
        if found["format"] != 1:
            raise ValueError("format")
        return tuple(_token(item) for item in found["tokens"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(
            f"{path} cannot be read as a file of tokens, so no token is accepted",
            hint="restore it from a copy, or remove it and make new tokens: mirror token create",
        ) from error


def _token(item: Mapping[str, Any]) -> Token:
    repos, gated = (tuple(map(str, item[key])) for key in ("repos", "gated"))
    if not is_digest(item["sha256"]):
        raise ValueError("sha256")
    return Token(str(item["name"]), item["sha256"], str(item["created"]), repos, gated)
