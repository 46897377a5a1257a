"""A folder of ``hf download --local-dir``, or of ``mirror checkout``.

Beside the files lies ``.cache/huggingface/download/<path>.metadata``: three lines, the
commit, the etag and a time. What is not there is the id of the repo; ``mirror checkout``
writes it down, for all others the person names it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mirror.adopt.hf_cache import identified
from mirror.adopt.listing import ListedFile, gather, read_listing
from mirror.adopt.model import FoundFile, FoundSnapshot, Kind
from mirror.adopt.reading import Entry, read_limited, refusal_of_path, walk
from mirror.errors import UsageError
from mirror.names import RepoKey, is_commit

#: Where huggingface_hub keeps what it knows of a folder, and what it calls it.
HF_FOLDER: Final = ".cache/huggingface"
METADATA_FOLDER: Final = f"{HF_FOLDER}/download"
METADATA_SUFFIX: Final = ".metadata"
#: At the top of a folder, and never a file of the repo.
NOT_OF_THE_REPO: Final = frozenset({".cache", ".git"})

_METADATA_BYTES: Final = 1000


@dataclass(frozen=True, slots=True)
class FileMetadata:
    """What huggingface_hub noted of one file."""

    commit: str
    etag: str


def is_local_dir(folder: Path) -> bool:
    """Whether something was downloaded into it as a plain folder."""
    return (folder / METADATA_FOLDER).is_dir()


def read_local_dir(folder: Path, key: RepoKey, ref: str, commit: str | None) -> FoundSnapshot:
    """Read the folder at one commit: the one that is named, or that most files share.

    Raises:
        UsageError: no file of it says which commit it is of.
        StoreError: it cannot be read.
    """
    top = folder.resolve()
    known = _read_metadata(top / METADATA_FOLDER)
    chosen = commit or _common(known)
    if chosen is None:
        raise UsageError(
            f"nothing in {folder} says which commit it is of",
            hint="name it: --commit with the 40 digits that the repo's page shows",
        )
    listing = read_listing(top / HF_FOLDER, chosen)

    def read(entry: Entry) -> FoundFile | str:
        told = known.get(entry.path)
        return _read_file(entry, top, told, chosen, listing, named=bool(commit))

    files, left_out = gather(walk(top, skip=NOT_OF_THE_REPO), read, listing)
    kind = Kind.LOCAL_DIR if known else Kind.FOLDER
    return FoundSnapshot(key, chosen, (ref,), kind, top, files, left_out, _notes(known, chosen))


def _read_metadata(folder: Path) -> dict[str, FileMetadata]:
    known = {}
    for entry in walk(folder) if folder.is_dir() else ():
        if entry.is_file and entry.path.endswith(METADATA_SUFFIX):
            found = read_metadata(folder / entry.path)
            if found is not None:
                known[entry.path.removesuffix(METADATA_SUFFIX)] = found
    return known


def read_metadata(path: Path) -> FileMetadata | None:
    """Read the metadata of one file; ``None`` where it is not there, or says no commit."""
    data = read_limited(path, _METADATA_BYTES) or b""
    commit, etag, *_ = [*data.decode(errors="replace").split("\n"), "", ""]
    return FileMetadata(commit.strip(), etag.strip()) if is_commit(commit.strip()) else None


def _common(known: Mapping[str, FileMetadata]) -> str | None:
    """Give the commit that most files share; of several such, the same one every time."""
    counts = Counter(file.commit for file in known.values())
    return max(counts, key=lambda commit: (counts[commit], commit), default=None)


def _notes(known: Mapping[str, FileMetadata], chosen: str) -> tuple[str, ...]:
    others = Counter(file.commit for file in known.values() if file.commit != chosen)
    if not others:
        return ()
    listed = ", ".join(f"{count} of {commit[:12]}" for commit, count in others.most_common(5))
    return (f"the folder has files of several commits; taken is {chosen[:12]}, not {listed}",)


def _read_file(
    entry: Entry,
    top: Path,
    known: FileMetadata | None,
    commit: str,
    listing: Mapping[str, ListedFile] | None,
    *,
    named: bool,
) -> FoundFile | str:
    """Give one file of the folder, or why it is none of the commit's."""
    if why := refusal_of_path(entry.path):
        return why
    if not entry.is_file:
        return "a link, or no file at all"
    if listing is not None:
        return identified(entry.path, entry.found, top / entry.path, None, listing)
    if known is None:
        if not named:
            return "nothing says that it came from the repo"
    elif known.commit != commit:
        return f"of another commit, {known.commit[:12]}"
    etag = known.etag if known else None
    return identified(entry.path, entry.found, top / entry.path, etag, None)
