"""A git clone of a repo of the Hub, with the objects that git LFS has fetched.

What is taken is what HEAD says is committed: the working tree is looked at only for an
LFS file whose object is gone, and believed only where the bytes are those of the pointer.
HEAD, refs and the remote's address are read by our own hand, the objects by
:mod:`mirror.adopt.git_objects`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from mirror.adopt.git_objects import GitReader, Objects, TreeEntry
from mirror.adopt.model import FoundFile, FoundSnapshot, InGit, Kind, OnDisk, writable
from mirror.adopt.reading import read_limited, read_line_file, refusal_of_path
from mirror.errors import BadNameError, UsageError
from mirror.names import MAX_REPO_SIZE, RepoKey, RepoType, check_ref_name, is_commit

_SMALL: Final = 4096
_CONFIG_BYTES: Final = 1 << 20
_PACKED_REFS_BYTES: Final = 64 << 20
#: git LFS takes nothing longer for a pointer.
_POINTER_BYTES: Final = 1024
_POINTER: Final = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n"
    rb"oid sha256:([0-9a-f]{64})\nsize (\d{1,16})\n?",
)
_SECTION: Final = re.compile(r'\s*\[\s*([\w.-]+)\s*(?:"([^"]*)")?\s*\]')
_URL: Final = re.compile(r"\s*url\s*=\s*(\S+)\s*", re.IGNORECASE)
_SCP: Final = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!//)(.+)")
#: Where a remote is a repo of the Hub; a mirror of it is named by mirror.toml.
HUB_HOSTS: Final = frozenset({"huggingface.co", "hf.co", "www.huggingface.co"})


@dataclass(frozen=True)
class GitFolder:
    """Where git keeps what, for one working tree."""

    head: Path
    """The folder that has HEAD."""
    common: Path
    """The folder that has objects, refs and config."""


def git_folder(folder: Path) -> GitFolder | None:
    """Find ``.git`` of a clone (or of a worktree of one); ``None`` where there is none."""
    place = folder / ".git"
    if place.is_file():
        text = read_line_file(place, _SMALL) or ""
        place = folder / text.removeprefix("gitdir:").strip()
    elif not place.is_dir():
        place = folder  # a bare clone
    if not (place / "HEAD").is_file():
        return None
    common = place / (read_line_file(place / "commondir", _SMALL) or ".")
    if not (common / "objects").is_dir():
        return None
    return GitFolder(place.resolve(), common.resolve())


def key_of_clone(git: GitFolder, hosts: Collection[str]) -> RepoKey | None:
    """Give the repo that the clone is of, where its remote is at one of ``hosts``."""
    data = read_limited(git.common / "config", _CONFIG_BYTES) or b""
    urls = dict(_remotes(data.decode(errors="replace").splitlines()))
    ordered = sorted(urls.items(), key=lambda item: item[0] != "origin")
    return next((key for _, url in ordered if (key := key_of_url(url, hosts))), None)


def key_of_url(url: str, hosts: Collection[str]) -> RepoKey | None:
    """Give the repo that a remote's address means; ``None`` where it is none of the Hub."""
    if (short := _SCP.fullmatch(url)) is not None:
        host, path = short[1], short[2]
    else:
        try:
            parts = urlsplit(url)
            host, path = parts.netloc.rpartition("@")[2], unquote(parts.path)
        except ValueError:
            return None
    if host.lower() not in hosts:
        return None
    try:
        return RepoKey.parse(path.strip("/").removesuffix(".git"), default=RepoType.MODEL)
    except BadNameError:
        return None


def read_clone(
    folder: Path, git: GitFolder, key: RepoKey, ref: str | None, commit: str | None
) -> FoundSnapshot:
    """Read what is committed at HEAD, or at ``commit``.

    Raises:
        UsageError: no git here, or HEAD points at nothing.
        StoreError: the clone is damaged.
    """
    top = folder.resolve()
    branch, head = _head(git)
    chosen = commit or head
    if chosen is None:
        raise UsageError(
            f"HEAD of {folder} points at no commit that can be read",
            hint="name the commit: --commit with its 40 digits",
        )
    refs = (ref,) if ref else (branch,) if branch and chosen == head else ()
    objects = git.common / "objects"
    with GitReader(objects) as reader:
        entries = reader.tree(chosen)
        with reader.objects() as contents:
            files, left_out = _read_files(entries, contents, top, git.common)
    return FoundSnapshot(key, chosen, refs, Kind.GIT, top, tuple(files), left_out)


def _head(git: GitFolder) -> tuple[str | None, str | None]:
    """Give (branch, commit) of HEAD; no branch where it is detached."""
    text = read_line_file(git.head / "HEAD", _SMALL) or ""
    if is_commit(text):
        return None, text
    name = text.removeprefix("ref:").strip()
    try:
        check_ref_name(name)
    except BadNameError:
        return None, None
    branch = name.removeprefix("refs/heads/")
    commit = read_line_file(git.common / name, _SMALL)
    return branch, commit if commit and is_commit(commit) else _packed(git, name)


def _packed(git: GitFolder, name: str) -> str | None:
    data = read_limited(git.common / "packed-refs", _PACKED_REFS_BYTES) or b""
    for line in data.decode(errors="replace").splitlines():
        commit, _, found = line.partition(" ")
        if found == name and is_commit(commit):
            return commit
    return None


def _remotes(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Give (name, url) of the remotes in a git config; nothing in it is acted upon."""
    remote = None
    for line in lines:
        if (section := _SECTION.match(line)) is not None:
            remote = section[2] if section[1].lower() == "remote" else None
        elif remote is not None and (url := _URL.fullmatch(line)) is not None:
            yield remote, url[1].strip('"')


def _read_files(
    entries: Iterable[TreeEntry], contents: Objects, top: Path, common: Path
) -> tuple[list[FoundFile], dict[str, str]]:
    files: list[FoundFile] = []
    left_out: dict[str, str] = {}
    for entry in entries:
        path = writable(entry.path)
        if entry.mode == "160000":
            left_out[path] = "a submodule"
        elif why := refusal_of_path(entry.path):
            left_out[path] = why
        elif entry.size is None or not is_commit(entry.oid):
            left_out[path] = "git does not have it (a partial clone)"
        else:
            files.append(_read_file(entry, entry.size, contents, top, common))
    return sorted(files, key=lambda file: file.path), left_out


def _read_file(
    entry: TreeEntry, size: int, contents: Objects, top: Path, common: Path
) -> FoundFile:
    pointer = _pointer(entry.oid, size, contents) if size <= _POINTER_BYTES else None
    if pointer is None:
        where = InGit(common / "objects", entry.oid)
        return FoundFile(entry.path, size, where, entry.oid)
    sha256, length = pointer
    kept = common / "lfs" / "objects" / sha256[:2] / sha256[2:4] / sha256
    places = (kept, top / entry.path)
    found = next((OnDisk(place) for place in places if _is_file(place, top, common, length)), None)
    return FoundFile(entry.path, length, found, entry.oid, sha256)


def _pointer(oid: str, size: int, contents: Objects) -> tuple[str, int] | None:
    """Give (sha256, size) of the LFS file that a small object stands for."""
    pieces: list[bytes] = []
    contents.read(oid, size, pieces.append)
    match = _POINTER.fullmatch(b"".join(pieces))
    if match is None or int(match[2]) > MAX_REPO_SIZE:
        return None
    return match[1].decode(), int(match[2])


def _is_file(place: Path, top: Path, common: Path, size: int) -> bool:
    """Whether a plain file of that size is there, and no link on the way leads elsewhere."""
    if place.is_symlink() or not place.is_file() or place.stat().st_size != size:
        return False
    return any(place.resolve().is_relative_to(folder) for folder in (top, common))
