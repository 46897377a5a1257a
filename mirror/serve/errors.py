"""Refusals, in the form that the Hub's clients understand.

Clients tell a missing file from a missing repo by ``X-Error-Code`` alone. Over plain http
they do not understand a bare 401, so what may not be seen is a 404, as what is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import JSONResponse

from mirror.names import RepoKey

#: A header is one line; proxies refuse those over 8 KiB together.
_MAX_MESSAGE: Final = 600

#: The codes that clients turn into exceptions.
REPO: Final = "RepoNotFound"
REVISION: Final = "RevisionNotFound"
ENTRY: Final = "EntryNotFound"
GATED: Final = "GatedRepo"


@dataclass(frozen=True)
class Miss:
    """Something that may well be upstream, but is not mirrored."""

    key: RepoKey
    revision: str | None = None
    """``None``: the whole repo is not here."""
    path: str | None = None
    """A file that the commit has, and the selection left out."""


class HubError(Exception):
    """A request that is answered with no.

    Args:
        status: the HTTP status.
        code: ``X-Error-Code``; ``None`` where the Hub gives none.
        message: one sentence for a person; made fit for a header here.
        commit: ``X-Repo-Commit``. A client that gets it with ``EntryNotFound`` remembers for
            ever that the commit has no such file: never with a file that is only not mirrored.
        miss: what was not mirrored, for ``--strict``.
        retry_after: seconds after which it may be asked again.
    """

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        *,
        commit: str | None = None,
        miss: Miss | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = as_header(message)
        self.commit = commit
        self.miss = miss
        self.retry_after = retry_after

    def response(self) -> JSONResponse:
        """Give the answer."""
        headers = {"x-error-message": self.message, "cache-control": "no-store"}
        if self.code is not None:
            headers["x-error-code"] = self.code
        if self.commit is not None:
            headers["x-repo-commit"] = self.commit
        if self.retry_after is not None:
            headers["retry-after"] = str(self.retry_after)
        return JSONResponse({"error": self.message}, self.status, headers)


def as_header(text: str) -> str:
    """Make one printable ASCII line of a text that may quote what a client sent."""
    line = "".join(c if c.isprintable() else " " for c in text[:_MAX_MESSAGE])
    return line.encode("ascii", "backslashreplace").decode()[:_MAX_MESSAGE].strip()


def no_repo(key: RepoKey | None) -> HubError:
    """Refuse a repo that is not here; ``None`` for what cannot be one."""
    if key is None:
        return HubError(404, REPO, "Repository not found: that is not a repo id")
    message = f"Repository not found: {key} is not in this mirror (mirror add {key})"
    return HubError(404, REPO, message, miss=Miss(key))


def no_revision(key: RepoKey, revision: str, hint: str | None) -> HubError:
    """Refuse a branch, tag or commit that is not here; ``hint`` says what is."""
    message = f"Invalid rev id: {revision[:100]} of {key} is not in this mirror"
    return HubError(
        404, REVISION, f"{message}; {hint}" if hint else message, miss=Miss(key, revision)
    )


def no_entry(path: str, commit: str) -> HubError:
    """Refuse a path that the commit does not have, here or upstream."""
    return HubError(404, ENTRY, f"Entry not found: {path}", commit=commit)


def not_mirrored(key: RepoKey, revision: str, path: str, why: str | None) -> HubError:
    """Refuse a file that the commit has, but the mirror left out."""
    reason = f" ({why})" if why else ""
    message = f"Entry not found: {path} of {key} is not in this mirror: it was left out{reason}"
    return HubError(404, ENTRY, message, miss=Miss(key, revision, path))


def only_reading() -> HubError:
    """Refuse to change anything."""
    return HubError(405, None, "This mirror is for reading: upload to the Hub itself")
