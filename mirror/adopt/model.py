"""The values of an adoption: what a folder holds, what would be taken in, what was.

No I/O here. What a source claims (paths, sizes, digests) comes from a folder that anybody
may have written, and is believed by nobody before its bytes were read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, Final

from mirror.errors import PartialError
from mirror.names import RepoKey

#: Names that a report lists one by one of those that were left out; it counts all.
_LISTED: Final = 1000


def writable(text: str) -> str:
    """Give text that UTF-8 can write: file names on a disk can be any bytes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class Kind(StrEnum):
    """What wrote the folder."""

    CACHE = "cache"
    """A Hugging Face cache: ``models--…`` with ``snapshots/`` and ``refs/``."""
    LOCAL_DIR = "local-dir"
    """``hf download --local-dir``, or ``mirror checkout``."""
    GIT = "git"
    """A git clone, with LFS objects."""
    FOLDER = "folder"
    """Plain files of which only the person knows what they are."""


@dataclass(frozen=True, slots=True)
class OnDisk:
    """The bytes are this file, links resolved."""

    path: Path


@dataclass(frozen=True, slots=True)
class InGit:
    """The bytes are an object of a git object store."""

    objects: Path
    oid: str


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file of a commit, as the folder tells it."""

    path: str
    """Checked: safe to create below a folder."""
    size: int
    where: OnDisk | InGit | None
    """``None``: the folder knows of the file and does not have it."""
    blob_id: str | None = None
    """git's sha1 as the Hub's tree lists it (for LFS files that of the pointer)."""
    lfs_sha256: str | None = None
    maybe_lfs: bool = False
    """Where nothing says whether it is an LFS file: whether it is likely."""

    @property
    def etag(self) -> str | None:
        """What the bytes must be; ``None`` where the folder says nothing about them."""
        return self.lfs_sha256 or self.blob_id


@dataclass(frozen=True)
class FoundSnapshot:
    """One commit of one repo in a folder."""

    key: RepoKey
    commit: str
    refs: tuple[str, ...]
    """The names that the folder has for the commit."""
    kind: Kind
    folder: Path
    files: tuple[FoundFile, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Path → why it is none of the commit's files, or cannot be taken."""
    notes: tuple[str, ...] = ()
    digests: frozenset[str] = frozenset()
    """Names of contents in the folder: they tell LFS files from others."""


class Action(StrEnum):
    """What is to be done about one file."""

    TAKE = "take"
    """Its bytes come from the folder."""
    REUSE = "reuse"
    """The store has its bytes already."""
    ABSENT = "absent"
    """The commit has it, the folder has not."""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file, and what is to be done about it."""

    found: FoundFile
    action: Action
    sha256: str | None = None
    """Name of the blob, for REUSE."""


@dataclass(frozen=True)
class SnapshotPlan:
    """What the adoption of one commit needs."""

    found: FoundSnapshot
    files: tuple[PlannedFile, ...]
    refs: tuple[str, ...]
    """The refs that will point at it: those that the mirror does not have yet."""
    unchanged: bool
    """The mirror has all of it."""
    notes: tuple[str, ...] = ()

    @property
    def to_read(self) -> int:
        """Bytes that are read and checked."""
        return sum(file.found.size for file in self.files if file.action is Action.TAKE)

    def count(self, action: Action) -> int:
        """How many files have ``action``."""
        return sum(file.action is action for file in self.files)

    def as_json(self, *, files: bool = True) -> dict[str, Any]:
        """The JSON form."""
        found = self.found
        form: dict[str, Any] = {
            "repo": str(found.key),
            "commit": found.commit,
            "refs": list(self.refs),
            "kind": found.kind.value,
            "folder": writable(str(found.folder)),
            "unchanged": self.unchanged,
            "bytes": self.to_read,
            "left_out": dict(islice(found.left_out.items(), _LISTED)),
            "left_out_count": len(found.left_out),
            "notes": [*found.notes, *self.notes],
        } | {action.value: self.count(action) for action in Action}
        if files:
            form["files"] = [
                {"path": file.found.path, "size": file.found.size, "action": file.action.value}
                for file in self.files
            ]
        return form


@dataclass(frozen=True)
class Trouble:
    """Something that could not be adopted."""

    subject: str
    """A repo, a file of one, or a folder."""
    message: str

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {"subject": writable(self.subject), "message": writable(self.message)}


@dataclass(frozen=True)
class AdoptionPlan:
    """Exactly what would be taken in."""

    snapshots: tuple[SnapshotPlan, ...]
    troubles: tuple[Trouble, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def to_read(self) -> int:
        """Bytes that are read and checked."""
        return sum(snapshot.to_read for snapshot in self.snapshots)

    @property
    def exit_code(self) -> int:
        """0 all of it can be taken in, 4 a part."""
        return PartialError.exit_code if self.troubles else 0

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "snapshots": [snapshot.as_json() for snapshot in self.snapshots],
            "failed": [trouble.as_json() for trouble in self.troubles],
            "notes": list(self.notes),
            "bytes": self.to_read,
        }


class Share(StrEnum):
    """Which files may become hard links: one file of the folder and of the mirror."""

    OWN = "own"
    """Those of the user that the mirror belongs to."""
    ALL = "all"
    """Those of other users too, who could change them behind the mirror's back."""
    NONE = "none"


class Placed(StrEnum):
    """How bytes came to a new place."""

    CLONE = "clone"
    """Shared by the file system until one of the two is written to (reflink)."""
    LINK = "link"
    """The same file under another name (hard link)."""
    COPY = "copy"


@dataclass(frozen=True)
class Adopted:
    """What was taken in of one commit."""

    plan: SnapshotPlan
    placed: Counter[Placed]
    reused: int
    refused: tuple[Trouble, ...]
    """Files whose bytes are not what the folder says, or could not be read."""
    unproven: int
    """Files of which only upstream can tell whether they are the commit's."""
    published: bool
    foreign: int = 0
    """Files that were copied because they belong to another user."""
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return self.plan.as_json(files=False) | {
            "placed": {how.value: self.placed[how] for how in Placed},
            "reused": self.reused,
            "refused": [trouble.as_json() for trouble in self.refused],
            "unproven": self.unproven,
            "foreign": self.foreign,
            "published": self.published,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class AdoptionReport:
    """What one adoption did."""

    snapshots: tuple[Adopted, ...]
    troubles: tuple[Trouble, ...]
    notes: tuple[str, ...]
    started: str
    finished: str
    """ISO 8601, UTC."""

    @property
    def failed(self) -> tuple[Trouble, ...]:
        """All that could not be adopted."""
        return (*self.troubles, *(t for one in self.snapshots for t in one.refused))

    @property
    def exit_code(self) -> int:
        """0 all was taken in, 4 a part."""
        return PartialError.exit_code if self.failed else 0

    @property
    def summary(self) -> str:
        """One line that a monitor can read."""
        placed = sum((one.placed for one in self.snapshots), Counter[Placed]())
        counts = {
            "adopted": sum(one.published for one in self.snapshots),
            "unchanged": sum(one.plan.unchanged for one in self.snapshots),
            "failed": len(self.failed),
            "cloned": placed[Placed.CLONE],
            "linked": placed[Placed.LINK],
            "copied": placed[Placed.COPY],
            "reused": sum(one.reused for one in self.snapshots),
        }
        return " ".join([self.outcome, *(f"{name}={count}" for name, count in counts.items())])

    @property
    def outcome(self) -> str:
        """As of every run: ``ok`` or ``partial``."""
        return "partial" if self.failed else "ok"

    def as_json(self) -> dict[str, Any]:
        """The JSON form: also what runs/<utc>.json holds."""
        return {
            "kind": "adopt",
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "summary": self.summary,
            "started": self.started,
            "finished": self.finished,
            "adopted": [one.as_json() for one in self.snapshots],
            "failed": [trouble.as_json() for trouble in self.troubles],
            "notes": list(self.notes),
        }
