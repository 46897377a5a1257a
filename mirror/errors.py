"""Every error that a user can meet, as one tree rooted in :class:`MirrorError`.

An error carries facts: what happened (its message), what to do next (``hint``) and
the exit code of the command that meets it (``exit_code``, on the class). Only ``cli``
turns one into text. "The other side is bad" (:class:`UpstreamError`: an answer we do
not accept) and "transport failed" (:class:`TransportError`: no answer) are different
branches, because only the second is worth another try.

Exit codes (an interface for monitors, see docs/reference/exit-codes.md):

=====  ====================================================
0      done
1      a fault of ours: please report it
2      the command line is wrong
3      settings: mirror.toml or a variable
4      done in part: the report names what failed
5      upstream refused, or its answer cannot be accepted
6      upstream could not be reached
7      the store: damaged, of another format, or not a mirror
8      another process holds the lock
9      the disk is full or not writable
10     not found in the mirror
11     a bundle, receipt or signature is refused
130    stopped by Ctrl-C
=====  ====================================================
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar


class MirrorError(Exception):
    """The root: ``str(error)`` is one sentence, ``hint`` the next step."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def kind(self) -> str:
        """A stable word for programs: ``unsafe-path`` for :class:`UnsafePathError`."""
        name = type(self).__name__.removesuffix("Error")
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")

    def as_json(self) -> dict[str, Any]:
        """The form of ``--json`` and of reports."""
        return {
            "error": self.kind,
            "message": str(self),
            "hint": self.hint,
            "exit_code": self.exit_code,
        }


# --- what the user gave us ----------------------------------------------------


class UsageError(MirrorError):
    """What was asked for makes no sense as it was written."""

    exit_code = 2


class BadNameError(UsageError):
    """Not a repo id, repo type, ref or commit."""


class CheckoutError(UsageError):
    """The folder for a checkout holds something that is not to be overwritten."""


class SettingsError(MirrorError):
    """mirror.toml, or a variable, says something that we cannot accept."""

    exit_code = 3


class PartialError(MirrorError):
    """The run went to its end, but something in it failed."""

    exit_code = 4


# --- upstream: an answer that we do not accept ---------------------------------


class UpstreamError(MirrorError):
    """Upstream answered, and the answer is no, or cannot be accepted."""

    exit_code = 5


class RepoGoneError(UpstreamError):
    """Upstream says 404: missing, renamed without a trace, or private to us."""


class RepoUnauthorizedError(UpstreamError):
    """Upstream says 401: missing, private or disabled; it does not tell which."""


class RepoGatedError(UpstreamError):
    """The repo is gated and our token has no access."""


class RepoDisabledError(UpstreamError):
    """Upstream has switched the repo off."""


class RevisionGoneError(UpstreamError):
    """The repo is there, the branch, tag or commit is not."""


class FileGoneError(UpstreamError):
    """The tree lists the file, but upstream does not have it."""


class BadAnswerError(UpstreamError):
    """Not the JSON, the length or the header that the protocol promises."""


class WrongBytesError(UpstreamError):
    """The bytes do not have the digest that the tree states."""


class UnsafePathError(UpstreamError):
    """A file name that must not be created."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"upstream lists a file named {path[:200]!r}, which is refused: {why}")
        self.path = path


# --- upstream: no answer --------------------------------------------------------


class TransportError(MirrorError):
    """No usable answer: refused, reset, timed out, 5xx. Worth another try later."""

    exit_code = 6


class RateLimitError(TransportError):
    """429, and upstream asks us to wait longer than we are allowed to."""


# --- the store ------------------------------------------------------------------


class StoreError(MirrorError):
    """The mirror folder is not as it must be."""

    exit_code = 7


class NotAMirrorError(StoreError):
    """No ``format`` file there."""

    def __init__(self, root: Path) -> None:
        super().__init__(
            f"{root} is not a mirror folder",
            hint=f"make one with: mirror init {root}; or name another with -C DIR or MIRROR_HOME",
        )


class UnknownFormatError(StoreError):
    """Written by a newer version."""


class DamagedError(StoreError):
    """A manifest, ref or blob that cannot be what was written."""


class CatalogError(StoreError):
    """The catalog is missing, damaged or of another schema."""


class QueryTimeoutError(CatalogError):
    """A question to the catalog took longer than it may."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the answer took longer than {seconds:g} s, and was given up",
            hint="ask for less (fewer words, facets or rows), or give it more time: --timeout",
        )


class LockedError(MirrorError):
    """Another process writes to this mirror."""

    exit_code = 8


class DiskError(MirrorError):
    """The disk is full, read-only, or gave an error."""

    exit_code = 9


class NotFoundError(MirrorError):
    """The mirror does not have it."""

    exit_code = 10


# --- what comes across the gap ----------------------------------------------------


class BundleError(MirrorError):
    """A bundle or a receipt is refused; nothing that can be seen was changed."""

    exit_code = 11


class UnknownBundleFormatError(BundleError):
    """Written by another version."""

    def __init__(self, source: str, found: object) -> None:
        super().__init__(
            f"{source} has format {str(found)[:40]!r}, which this program does not know",
            hint="use the version of the program that wrote it, or a newer one",
        )


class DamagedBundleError(BundleError):
    """Not the bytes that were written, or not a bundle."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(
            message, hint=hint or "copy the bundle again from where it was made, and compare"
        )


class IncompleteVolumeError(DamagedBundleError):
    """A file of a volume is missing, or shorter than it must be."""


class ChangedBytesError(DamagedBundleError):
    """A file does not have the sha256 that the bundle states."""


class ExtraFilesError(BundleError):
    """A volume has something on it that the bundle does not list."""


class UnsafeBundleError(BundleError):
    """A link, a device, a path that leads elsewhere, or a size that cannot be."""


class MissingSignatureError(BundleError):
    """A signature is required, and there is none."""


class BadSignatureError(BundleError):
    """The signature is not of these bytes, or not by that key."""


class UnknownSignerError(BundleError):
    """The signature is good, and nobody who is allowed here has made it."""


class ExpiredBundleError(BundleError):
    """Its time is over."""


class ReplayedBundleError(BundleError):
    """It was taken in before."""


class OlderBundleError(BundleError):
    """What is here from the same sender is newer."""


class MissingParentError(BundleError):
    """It builds on something that is not here."""
