"""The hub itself: which repos there are, who may see them, what was asked, what goes wrong.

Nothing here does I/O: :mod:`tests.fakehub.app` answers requests from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fakehub.content import File, LfsRule
from tests.fakehub.faults import FAMILIES, Call, Fault, Kind
from tests.fakehub.repo import EPOCH, FakeRepo, FileValue, folder_files

if TYPE_CHECKING:
    from tests.fakehub.server import Server


@dataclass(slots=True)
class Request:
    """One request as it arrived, and the status it was answered with."""

    method: str
    path: str
    """Decoded, without the query."""
    raw_path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    """Names in lower case."""
    origin: str = "hub"
    """``cdn`` for the second origin that LFS bodies can come from."""
    family: str = "other"
    repo_type: str = "model"
    repo: str | None = None
    revision: str = "main"
    file: str = ""
    """Path inside the repo, for resolve and tree."""
    status: int = 0

    @property
    def token(self) -> str | None:
        """The bearer token that came along."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme.lower() == "bearer" and token else None


@dataclass
class Options:
    """How this hub behaves; may be changed at any time."""

    page_size: int = 1000
    """Most entries of one page of a tree or list."""
    cdn: bool = False
    """LFS bodies come from a second origin by 302, as on the real Hub."""
    resolve_cache: bool = False
    """Small files are answered by 307 to ``/api/resolve-cache/…``, as on the real Hub."""
    ranges: bool = True
    """Whether ``Range`` is honoured; if not, the whole file comes with 200."""
    gzip: bool = False
    """Small files come compressed where the client says it takes gzip."""
    xet: bool = False
    """Trees name a ``xetHash`` for LFS files, as today's Hub does."""
    missing_status: int = 401
    """What a missing or private repo is answered with, without a token: 401 on the real Hub."""
    link_origin: str | None = None
    """Where ``Link: rel=next`` points, instead of at this hub."""
    rate_limit_headers: bool = True
    """Whether answers carry ``RateLimit`` and ``RateLimit-Policy``."""


@dataclass
class Token:
    """What a bearer token may reach; ``None``: everything."""

    access: frozenset[str] | None = None

    def opens(self, repo: FakeRepo) -> bool:
        """Whether gated and private content of the repo is open to it."""
        return self.access is None or repo.repo_id in self.access


@dataclass
class FakeHub:
    """Repos, tokens, faults and the log of requests. Serve it with ``serve(hub)``."""

    options: Options = field(default_factory=Options)
    repos: dict[tuple[str, str], FakeRepo] = field(default_factory=dict)
    aliases: dict[tuple[str, str], str] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """How many requests of each family arrived since :meth:`clear`."""
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes of bodies sent, by family."""
    faults: list[Fault] = field(default_factory=list)
    handed_out: dict[str, File] = field(default_factory=dict)
    """LFS files that the second origin was asked to deliver, by sha256."""
    servers: list[Server] = field(default_factory=list)
    _lower: dict[tuple[str, str], str] = field(default_factory=dict)

    # --- content ----------------------------------------------------------------

    def add_repo(
        self,
        repo_type: str,
        repo_id: str,
        files: Mapping[str, FileValue] | None = None,
        *,
        lfs: LfsRule = None,
        title: str = "Initial commit",
        **facts: Any,
    ) -> FakeRepo:
        """Add a repo with one commit on main. ``facts`` are attributes of :class:`FakeRepo`.

        ``lfs`` says which files are LFS: patterns, or a function of path and size; by
        default known binary suffixes and everything over 10 MiB.
        """
        created = facts.pop("created", EPOCH + timedelta(minutes=len(self.repos)))
        repo = FakeRepo(repo_type, repo_id, lfs=lfs, created=created, **facts)
        repo.commit(files or {}, title=title)
        self._register(repo)
        return repo

    def add_folder(
        self, repo_type: str, repo_id: str, folder: Path, *, lfs: LfsRule = None, **facts: Any
    ) -> FakeRepo:
        """Add a repo whose files are served from a folder on disk."""
        return self.add_repo(repo_type, repo_id, folder_files(folder), lfs=lfs, **facts)

    def repo(self, repo_type: str, repo_id: str) -> FakeRepo:
        """Give a repo by its present name."""
        return self.repos[repo_type, repo_id]

    def remove(self, repo_type: str, repo_id: str) -> None:
        """Delete a repo without a trace."""
        del self.repos[repo_type, repo_id]
        self._lower.pop((repo_type, repo_id.lower()), None)

    def rename(self, repo_type: str, old: str, new: str) -> FakeRepo:
        """Move a repo to another id; the old one redirects."""
        repo = self.repo(repo_type, old)
        self.remove(repo_type, old)
        repo.repo_id = new
        self._register(repo)
        self.alias(repo_type, old, new)
        return repo

    def alias(self, repo_type: str, old: str, new: str) -> None:
        """Let an old or legacy id (``gpt2``) redirect to another one."""
        self.aliases[repo_type, old] = new

    def _register(self, repo: FakeRepo) -> None:
        self.repos[repo.repo_type, repo.repo_id] = repo
        self._lower[repo.repo_type, repo.repo_id.lower()] = repo.repo_id

    def redirect(self, repo_type: str, repo_id: str) -> str | None:
        """Give the id that an unknown one redirects to, ``None`` where there is none."""
        if (repo_type, repo_id) in self.repos:
            return None
        return self.aliases.get((repo_type, repo_id)) or self._lower.get(
            (repo_type, repo_id.lower())
        )

    # --- access -----------------------------------------------------------------

    def add_token(self, token: str, access: Iterable[str] | None = None) -> None:
        """Accept a bearer token, for the private and gated repos named (default: all)."""
        self.tokens[token] = Token(None if access is None else frozenset(access))

    def opens(self, repo: FakeRepo, token: str | None) -> bool:
        """Whether the token is known and opens the repo."""
        known = self.tokens.get(token or "")
        return known is not None and known.opens(repo)

    # --- faults -----------------------------------------------------------------

    def fault(
        self,
        family: str,
        *,
        kind: Kind,
        path: str | None = None,
        repo: str | None = None,
        method: str | None = None,
        times: int | None = 1,
        skip: int = 0,
    ) -> Fault:
        """Let something go wrong ``times`` times (``None``: always), after ``skip`` requests.

        ``family`` is one of ``faults.FAMILIES`` or ``any``; ``path`` and ``repo`` are globs
        on the file inside the repo (else the URL's path) and on the id. The fault that was
        added first comes first; ``hits`` of the value given back counts.
        """
        if family not in (*FAMILIES, "any"):
            raise ValueError(f"no such family: {family}; one of {', '.join(FAMILIES)}, any")
        fault = Fault(family, kind, path, repo, method, times, skip)
        self.faults.append(fault)
        return fault

    def on(self, family: str, function: Callable[[Request], object], **when: Any) -> Fault:
        """Call a function upon a request, before it is answered (a fault of kind ``Call``)."""
        return self.fault(family, kind=Call(function), **when)

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        self.faults.clear()

    def down(self) -> None:
        """Refuse connections, and cut those that are open."""
        for server in self.servers:
            server.stop()

    def up(self) -> None:
        """Listen again, on the same port."""
        for server in self.servers:
            server.start()

    @property
    def endpoint(self) -> str:
        """Where it is served."""
        return self.servers[0].endpoint

    # --- the log ----------------------------------------------------------------

    def clear(self) -> None:
        """Forget the requests so far, and their counts."""
        self.requests.clear()
        self.counts.clear()
        self.sent.clear()

    def log(self, request: Request) -> None:
        """Note a request."""
        self.requests.append(request)
        self.counts[request.family] += 1

    def asked(self, family: str | None = None, **want: Any) -> list[Request]:
        """Give the requests of a family, with attributes as wanted (``method="GET"``)."""
        return [
            request
            for request in self.requests
            if family in (None, request.family)
            and all(getattr(request, name) == value for name, value in want.items())
        ]

    def paths(self, family: str | None = None, **want: Any) -> list[str]:
        """Give ``GET /path`` lines of the requests that :meth:`asked` gives."""
        return [f"{found.method} {found.path}" for found in self.asked(family, **want)]
