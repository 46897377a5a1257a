"""The head of a bundle, ``bundle.json``: what is in it, for whom, after what.

The same bytes on every volume. Its ``id`` is the sha256 of all else that it says, so that
two bundles with the same id are the same. It names every file of every volume with size and
sha256; a signature over a volume's listing, which names the head, so covers all volumes.

A head that was decoded here is consistent in itself, and its paths are safe to look up;
whether it is welcome is decided in ``admission``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from mirror.bundle import form
from mirror.bundle.canonical import encode_canonical, id_of
from mirror.bundle.inventory import Inventory, decode_inventory
from mirror.errors import BadNameError, DamagedBundleError, UnknownBundleFormatError
from mirror.names import MAX_REPO_SIZE, RepoKey, check_ref_name, is_commit

Sha1 = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=MAX_REPO_SIZE)]
MAX_LINE: Final = 2_000
Line = Annotated[str, Field(max_length=MAX_LINE)]


def _check_time(text: str) -> str:
    """See that it is a time there can be, written in the one way that compares as text."""
    if datetime.fromisoformat(text).replace(tzinfo=UTC).isoformat(timespec="seconds") != text:
        raise ValueError(f"{text!r} is not a time in UTC, in whole seconds")
    return text


Time = Annotated[str, AfterValidator(_check_time)]

Change = Literal["new", "update", "fill", "ref"]

#: Files named of one snapshot as able to execute code; ``BUNDLE.md`` says how many more.
MAX_NAMED: Final = 1_000


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _OfRepo(_Record):
    repo: Line

    @property
    def key(self) -> RepoKey:
        """The repo."""
        return RepoKey.parse(self.repo)

    @model_validator(mode="after")
    def _check_repo(self) -> Self:
        if str(RepoKey.parse(self.repo)) != self.repo:
            raise ValueError(f"{self.repo!r} is not a repo")
        return self


class Parent(_Record):
    """What the receiver must have before: a bundle, or the state that a receipt of his tells."""

    kind: Literal["bundle", "receipt"]
    id: Sha256
    sequence: Count = 0


class BundleFile(_Record):
    """One file of the payload, on one volume."""

    path: Line
    size: Count
    sha256: Sha256


class Volume(_Record):
    """What one stick carries."""

    files: tuple[BundleFile, ...]

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return sum(file.size for file in self.files)


class SnapshotEntry(_OfRepo):
    """One commit of one repo that comes with the bundle; what an approver wants to know."""

    commit: Sha1
    refs: tuple[Line, ...]
    change: Change
    """New to the receiver; a newer commit of a ref; the same with more files; a ref alone."""
    before: Sha1 | None = None
    """What the receiver's ref points at now, as far as the sender knows."""
    digest: Sha256
    """Of the manifest (``content.manifest_digest``): proves what was signed."""
    files: Count
    size: Count
    """Of all present files of the snapshot, in bytes."""
    new_files: Count
    new_size: Count
    """Of those whose content is in this bundle."""
    licenses: tuple[Line, ...] = ()
    """Ids of the Hub; empty where none is stated."""
    gated: bool = False
    executable: tuple[tuple[Line, Line], ...] = ()
    """(path, why) of files that can execute code when loaded, and are new in that place (their
    content may be known); at most ``MAX_NAMED``."""
    executable_count: Count = 0
    """How many there are."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in self.refs:
            check_ref_name(name)
            if is_commit(name) and name != self.commit:
                raise ValueError(f"the ref {name} looks like a commit, and is another")
        return self


class Removal(_OfRepo):
    """Something that the sender has no longer: a proposal to the receiver."""

    ref: Line
    commit: Sha1
    why: Line

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_ref_name(self.ref)
        return self


class Answer(_OfRepo):
    """What became of a wish that the receiver sent with a receipt."""

    id: Line
    state: Literal["pending", "approved", "declined", "sent"]
    note: Line = ""


class Head(_Record):
    """The whole of ``bundle.json``."""

    format: Literal[1] = form.FORMAT
    id: Sha256
    sequence: Count
    parents: tuple[Parent, ...] = ()
    created: Time
    """The newest time in what the sender knows, not his clock: the same state, the same bytes."""
    expires: Time | None = None
    sender: Line
    recipient: Line = ""
    endpoint: Line = ""
    """The upstream of the sender."""
    assumed: bool = False
    """Whether the sender only assumes that the parent was delivered (``--since``)."""
    snapshots: tuple[SnapshotEntry, ...] = ()
    observed: Count = 0
    """Repos of which only upstream's newer numbers come."""
    removals: tuple[Removal, ...] = ()
    answers: tuple[Answer, ...] = ()
    volumes: tuple[Volume, ...]
    inventory: dict[str, Any] = {}
    """What the receiver has once he has taken this in."""

    @property
    def size(self) -> int:
        """Bytes of the payload, on all volumes."""
        return sum(volume.size for volume in self.volumes)

    @cached_property
    def files(self) -> Mapping[str, BundleFile]:
        """Every file of the payload by its path."""
        return {file.path: file for volume in self.volumes for file in volume.files}

    @cached_property
    def parts(self) -> Mapping[str, tuple[BundleFile, ...]]:
        """The parts of every file in order, by the path of the whole; mostly one."""
        found: dict[str, list[tuple[int, BundleFile]]] = defaultdict(list)
        for file in self.files.values():
            name = form.read_payload_name(file.path)
            assert name is not None  # noqa: S101 - checked when the head was made
            found[name.whole].append((name.part, file))
        return {
            whole: tuple(file for _, file in sorted(parts, key=lambda part: part[0]))
            for whole, parts in found.items()
        }

    def offset(self, path: str) -> int:
        """Where a part begins in its file."""
        name = form.read_payload_name(path)
        assert name is not None  # noqa: S101 - checked when the head was made
        if name.part == 0:
            return 0
        return sum(part.size for part in self.parts[name.whole][: name.part - 1])

    def known_inventory(self) -> Inventory:
        """Give what the receiver has afterwards."""
        return decode_inventory(self.inventory)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not 1 <= len(self.volumes) <= form.MAX_VOLUMES:
            raise ValueError("no bundle has so many volumes")
        count = sum(len(volume.files) for volume in self.volumes)
        if count > form.MAX_FILES or self.size > MAX_REPO_SIZE:
            raise ValueError("no bundle is so large")
        if count != len(self.files):
            raise ValueError("a file is listed twice")
        parts: dict[str, list[int]] = defaultdict(list)
        for path, file in self.files.items():
            name = form.read_payload_name(path)
            if name is None:
                raise ValueError(f"no bundle has a file {path[:200]!r}")
            if name.digest is not None and name.part == 0 and file.sha256 != name.digest:
                raise ValueError(f"{path} does not have the sha256 that it is named by")
            parts[name.whole].append(name.part)
        for whole, numbers in parts.items():
            if sorted(numbers) not in ([0], list(range(1, len(numbers) + 1))):
                raise ValueError(f"parts of {whole} are missing")
        _check_once((entry.repo, entry.commit) for entry in self.snapshots)
        _check_once((entry.repo, name) for entry in self.snapshots for name in entry.refs)
        decode_inventory(self.inventory)
        return self


def _check_once(items: Iterable[tuple[str, str]]) -> None:
    """See that no snapshot, and no ref, is told twice: one of them would be a lie."""
    seen: set[tuple[str, str]] = set()
    for repo, name in items:
        if (repo, name) in seen:
            raise ValueError(f"{repo} {name[:200]} is told twice")
        seen.add((repo, name))


def make_head(**facts: Any) -> Head:
    """Make a head, and its id from all that it says."""
    draft = Head(id="0" * 64, **facts)
    return draft.model_copy(update={"id": id_of(_as_json(draft))})


def encode_head(head: Head) -> bytes:
    """Give the text of ``bundle.json``: the same bytes for the same head."""
    return encode_canonical(_as_json(head))


def decode_head(data: bytes, source: str) -> Head:
    """Read a ``bundle.json``.

    Raises:
        UnknownBundleFormatError: written by another version.
        DamagedBundleError: it is not one, says what cannot be, or its id is not its own.
    """
    try:
        value = json.loads(data)
        if not isinstance(value, dict):
            raise ValueError("not a table")
        if value.get("format") != form.FORMAT:
            raise UnknownBundleFormatError(source, value.get("format"))
        head = Head.model_validate_json(data)
    except (ValidationError, ValueError, RecursionError, BadNameError) as error:
        raise DamagedBundleError(f"{source} is not the head of a bundle ({_why(error)})") from error
    try:
        found = id_of(value)
    except (ValueError, RecursionError) as error:
        raise DamagedBundleError(f"{source} is not the head of a bundle ({_why(error)})") from error
    if found != head.id:
        raise DamagedBundleError(f"{source} has another id than its content")
    return head


def _as_json(head: Head) -> dict[str, Any]:
    return head.model_dump(mode="json", exclude_none=True)


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place}: {first['msg']}" if place else str(first["msg"])
    return str(error).splitlines()[0][:300]
