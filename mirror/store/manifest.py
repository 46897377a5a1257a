"""The manifest: the record of one commit, and its JSON form.

A manifest keeps the whole tree of the commit, files that the selection left out
included: those have ``present`` false, and a wider selection fills them in later.
``upstream`` is the raw info call. What was adopted from a folder has none, and is marked
until a sync has compared it with upstream. Format 1 is specified in docs/store-format.md.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mirror.errors import BadNameError, DamagedError, UnsafePathError
from mirror.names import MAX_REPO_SIZE, RepoKey, RepoType, check_repo_path

MANIFEST_FORMAT: Final = 1

Sha1 = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ManifestFile(_Record):
    """One file of the commit: the Hub's identity of it, and ours."""

    path: str
    size: Annotated[int, Field(ge=0)]
    blob_id: Sha1
    """git's sha1 as the tree lists it (of the LFS pointer for LFS files)."""
    lfs_sha256: Sha256 | None = None
    sha256: Sha256 | None = None
    """Name of the blob. Always there for a present file; for an absent one only if known."""
    present: bool = True
    """Whether the bytes are in the store."""
    absent_because: str | None = None
    """The rule that left the file out: ``exclude *.bin``, ``max_size``, ``policy.weights`` …"""

    @property
    def etag(self) -> str:
        """The HTTP validator that the Hub's clients expect: LFS sha256, else ``blob_id``."""
        return self.lfs_sha256 or self.blob_id

    @model_validator(mode="after")
    def _check(self) -> ManifestFile:
        check_repo_path(self.path)
        if self.present and self.sha256 is None:
            raise ValueError(f"{self.path} is present without a sha256")
        return self


class Manifest(_Record):
    """Every file of one commit of one repo.

    Raises:
        UnsafePathError: a path that must not be created, or two that exclude each other.
        BadNameError: not a repo id.
    """

    format: Literal[1] = MANIFEST_FORMAT
    repo_type: RepoType
    repo_id: str
    commit: Sha1
    created: str
    """When this manifest was first written, ISO 8601, UTC."""
    files: tuple[ManifestFile, ...]
    """Sorted by path."""
    upstream: dict[str, Any] = {}
    """The info call's JSON, as it came (without fields of the transfer protocol)."""
    endpoint: str = ""
    """The upstream it came from."""
    adopted: str | None = None
    """When it was taken in from a folder: upstream has confirmed nothing of it yet."""

    @model_validator(mode="after")
    def _check(self) -> Manifest:
        RepoKey(self.repo_type, self.repo_id)
        if sum(file.size for file in self.files) > MAX_REPO_SIZE:
            raise ValueError(f"its files have more than {MAX_REPO_SIZE} bytes")
        paths = {file.path for file in self.files}
        if len(paths) != len(self.files):
            twice = next(p for p, n in Counter(f.path for f in self.files).items() if n > 1)
            raise UnsafePathError(twice, "it is listed twice")
        folders = {path[:place] for path in paths for place in _slashes(path)}
        for path in paths & folders:
            raise UnsafePathError(path, "it is a file and a folder at once")
        return self

    @property
    def key(self) -> RepoKey:
        """The repo this is a commit of."""
        return RepoKey(self.repo_type, self.repo_id)

    @property
    def present_files(self) -> tuple[ManifestFile, ...]:
        """The files whose bytes are in the store."""
        return tuple(file for file in self.files if file.present)

    @property
    def is_partial(self) -> bool:
        """Whether the selection left files out."""
        return any(not file.present for file in self.files)

    def file(self, path: str) -> ManifestFile | None:
        """The entry for ``path``, present or not."""
        return next((file for file in self.files if file.path == path), None)


def _slashes(path: str) -> list[int]:
    return [place for place, letter in enumerate(path) if letter == "/"]


def encode_manifest(manifest: Manifest) -> bytes:
    """Give the JSON text of a manifest, the same bytes for the same value."""
    return (manifest.model_dump_json(indent=1, exclude_none=True) + "\n").encode()


def decode_manifest(data: bytes, source: str) -> Manifest:
    """Read a manifest.

    Raises:
        DamagedError: not JSON, not a manifest, or of another format; names ``source``.
    """
    try:
        return Manifest.model_validate_json(data)
    except (ValidationError, ValueError, UnsafePathError, BadNameError) as error:
        first = str(error).splitlines()[0]
        raise DamagedError(
            f"{source} is not a readable manifest ({first})",
            hint="mirror verify --repair fetches it again from upstream",
        ) from error
