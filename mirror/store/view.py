"""The Hugging Face cache view ``hub/``: what transformers and huggingface_hub read.

Derived from manifests and blobs, and safe to delete. It holds plain files (hard links
to blobs, copies where the file system refuses a link), so that it can be mounted
alone. A snapshot folder appears whole, by one rename; a ref is written after the
snapshot it points at. ``trees/<commit>.json`` lists the files that are there and no
others, because clients take a listed file that is missing for an interrupted download.

Unfinished work lies in the repo's folder as ``.<name>.tmp``, where no client looks.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from mirror.errors import DiskError
from mirror.names import RepoKey, is_commit
from mirror.store.atomic import disk_errors, exchange, temporary_name
from mirror.store.blobs import Blobs
from mirror.store.layout import Layout
from mirror.store.manifest import Manifest, ManifestFile
from mirror.store.opening import read_regular

#: Another file system; too many links on one inode (65,000 on ext4); links not allowed.
_NO_LINK: Final = {errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP, errno.ENOSYS}
_TREE_FORMAT: Final = 1
#: What clients look at in the folder of a repo.
_FOLDERS: Final = ("refs", "snapshots", "trees")
_COMMIT_BYTES: Final = 40


class View:
    """The folder ``hub/``."""

    def __init__(self, layout: Layout, blobs: Blobs) -> None:
        self._layout = layout
        self._blobs = blobs

    def put_snapshot(self, manifest: Manifest, corrected: Collection[str] = ()) -> None:
        """Show the present files of a commit, and only them. Idempotent.

        Those of ``corrected`` are made anew: what is shown may be of the same size and wrong.

        Raises:
            DiskError: full, read-only, or a file system that takes two of the names for one.
        """
        folder = self._own_folder(manifest.key)
        target = folder / "snapshots" / manifest.commit
        with disk_errors(target):
            if target.is_symlink():
                target.unlink()
            if target.is_dir():
                self._adjust(manifest, folder, target, corrected)
            else:
                self._build(folder, target, manifest.present_files)
                _write(folder, tree_path(folder, manifest.commit), tree_json(manifest))

    def put_refs(self, key: RepoKey, refs: Mapping[str, str]) -> None:
        """Make the files below ``refs/`` say exactly ``refs``; unchanged ones are not touched."""
        folder = self._own_folder(key)
        wanted = view_refs(refs)
        with disk_errors(folder / "refs"):
            for name in read_view_refs(folder).keys() - wanted.keys():
                (folder / "refs" / name).unlink()
                _remove_empty(folder / "refs" / name, folder / "refs")
            present = read_view_refs(folder)
            for name, commit in wanted.items():
                if present.get(name) != commit:
                    _write(folder, folder / "refs" / name, commit.encode())

    def put_alias(self, alias: RepoKey, target: RepoKey) -> None:
        """Make the folder of ``alias`` a link to that of ``target``, beside it.

        A file system without symbolic links goes without: the store knows the alias.
        """
        path = self._layout.view(alias)
        beside = path.with_name(f".{path.name}.tmp")
        with disk_errors(path):
            self._layout.hub.mkdir(exist_ok=True)
            _remove(beside)
            try:
                beside.symlink_to(target.cache_folder)
            except OSError as error:
                if error.errno in _NO_LINK:
                    return
                raise
            if path.is_dir() and not path.is_symlink():
                exchange(path, beside)
            else:
                beside.replace(path)
            _remove(beside)

    def remove_snapshot(self, key: RepoKey, commit: str) -> None:
        """Take a commit out of the view; no ref may point at it any more."""
        folder = self._own_folder(key)
        with disk_errors(folder):
            tree_path(folder, commit).unlink(missing_ok=True)
            self._discard(folder, folder / "snapshots" / commit)

    def remove_repo(self, key: RepoKey) -> None:
        """Take the folder of a repo, or the link of an alias, out of the view."""
        folder = self._layout.view(key)
        with disk_errors(folder):
            _remove(folder)

    def remove_file(self, key: RepoKey, commit: str, path: str) -> None:
        """Take one damaged file out of the view, so that no client loads it."""
        folder = self._own_folder(key)
        target = folder / "snapshots" / commit / path
        if target.parent.resolve() != folder.resolve() / target.parent.relative_to(folder):
            return  # by a link to somewhere else, where it is not ours
        with disk_errors(target), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            target.unlink()

    def rebuild(self, key: RepoKey, manifests: Iterable[Manifest], refs: Mapping[str, str]) -> None:
        """Make the repo's folder anew: what is there may be wrong in any way."""
        folder = self._own_folder(key)
        seen: set[str] = set()
        for manifest in manifests:
            seen.add(manifest.commit)
            self._replace(manifest, folder)
        for commit in list_snapshots(folder) - seen:
            self.remove_snapshot(key, commit)
        with disk_errors(folder):
            if (folder / "refs").is_file():
                _remove(folder / "refs")
        self.put_refs(key, refs)

    def _own_folder(self, key: RepoKey) -> Path:
        """The repo's folder, which may have been an alias's link before.

        Nor are the folders in it links: what we write and remove there is our own.
        """
        folder = self._layout.view(key)
        with disk_errors(folder):
            for path in (folder, *(folder / name for name in _FOLDERS)):
                if path.is_symlink():
                    path.unlink()
        return folder

    def _replace(self, manifest: Manifest, folder: Path) -> None:
        target = folder / "snapshots" / manifest.commit
        # A file whose blob is lost stays listed in the tree: clients say that it is missing.
        files = [file for file in manifest.present_files if self._blobs.has(str(file.sha256))]
        with disk_errors(target):
            _write(folder, tree_path(folder, manifest.commit), tree_json(manifest))
            if os.path.lexists(target):
                beside = self._fill_beside(folder, manifest.commit, files)
                exchange(target, beside)
                _remove(beside)
            else:
                self._build(folder, target, files)

    def _build(self, folder: Path, target: Path, files: Iterable[ManifestFile]) -> None:
        beside = self._fill_beside(folder, target.name, files)
        target.parent.mkdir(exist_ok=True)
        beside.rename(target)

    def _fill_beside(self, folder: Path, commit: str, files: Iterable[ManifestFile]) -> Path:
        beside = _scratch(folder, commit)
        beside.mkdir()
        made: set[str] = set()
        for file in files:
            _make_parents(str(beside), file.path, made)
            self._place(str(file.sha256), f"{beside}/{file.path}")
        return beside

    def _adjust(
        self, manifest: Manifest, folder: Path, target: Path, corrected: Collection[str]
    ) -> None:
        """Change an existing snapshot in place: it may be in use, and stays loadable."""
        wanted = {file.path: str(file.sha256) for file in manifest.present_files}
        present = list_files(target)
        missing = [
            path
            for path, sha256 in wanted.items()
            if path in corrected or not self._fits(present.get(path), sha256)
        ]
        extra = present.keys() - wanted.keys()
        made: set[str] = set()
        for path in extra & folders_of(wanted):  # where a folder must be; or a link elsewhere
            (target / path).unlink()
            present.pop(path)
        for path in missing:
            _make_parents(str(target), path, made)
            beside = _scratch(folder, "file")
            self._place(wanted[path], str(beside))
            beside.replace(target / path)
            beside.unlink(missing_ok=True)  # a rename onto another link of the same file is none
        # Between adding and removing: the listing names no file that is not there.
        _write(folder, tree_path(folder, manifest.commit), tree_json(manifest))
        for path in present.keys() - wanted.keys():
            (target / path).unlink()
            _remove_empty(target / path, target)

    def _fits(self, found: os.stat_result | None, sha256: str) -> bool:
        """Whether a file of the view is the blob's, as far as can be told without reading."""
        if found is None:
            return False
        blob = os.stat(self._blobs.name(sha256))  # noqa: PTH116 - a hot path
        return os.path.samestat(found, blob) or found.st_size == blob.st_size

    def _place(self, sha256: str, target: str) -> None:
        source = self._blobs.name(sha256)
        try:
            os.link(source, target)
        except FileExistsError as error:
            raise DiskError(
                f"{target}: this file system takes it for another file of the same repo "
                "(names that differ only by case, or by the form of an accent)",
                hint="keep the mirror on a case-sensitive file system",
            ) from error
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            shutil.copyfile(source, target)
            os.chmod(target, 0o444)  # noqa: PTH101 - target is text here

    def _discard(self, folder: Path, path: Path) -> None:
        """Remove a folder that clients may look at: it goes away whole, then in parts."""
        if not os.path.lexists(path):
            return
        aside = _scratch(folder, path.name)
        path.rename(aside)
        _remove(aside)


def tree_json(manifest: Manifest) -> bytes:
    """Give ``trees/<commit>.json`` as huggingface_hub 2.4 reads it: present files only."""
    files: dict[str, dict[str, Any]] = {}
    for file in manifest.present_files:
        entry: dict[str, Any] = {"size": file.size, "blob_id": file.blob_id}
        if file.lfs_sha256 is not None:
            entry |= {"lfs_sha256": file.lfs_sha256, "lfs_size": file.size}
        files[file.path] = entry
    return json.dumps({"format_version": _TREE_FORMAT, "files": files}, sort_keys=True).encode()


def view_refs(refs: Mapping[str, str]) -> dict[str, str]:
    """Give the refs that become files.

    Commits that are pinned by their own hash need none. Of ``a`` and ``a/b`` (which git
    cannot have at the same time, but a mirror over the years can) the longer one stays.
    """
    folders = folders_of(refs)
    return {
        name: commit for name, commit in refs.items() if name not in folders and not is_commit(name)
    }


def folders_of(paths: Iterable[str]) -> set[str]:
    """Give every folder that is needed for ``paths``: of ``a/b/c`` these are a and a/b."""
    return {path[:place] for path in paths for place, letter in enumerate(path) if letter == "/"}


def case_collisions(paths: Iterable[str]) -> list[tuple[str, str]]:
    """Give the pairs of paths that some file systems take for one.

    Those of macOS and Windows make no difference of case, and that of macOS none between
    é as one character and as two; Hangul, too, has both forms. Folders count
    too: ``Data/a`` and ``data/b`` are reported as those two paths.
    """
    seen: dict[str, tuple[str, str]] = {}
    found: list[tuple[str, str]] = []
    for path in paths:
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            prefix = "/".join(parts[:count])
            first = seen.setdefault(_folded(prefix), (prefix, path))
            if first[0] != prefix:
                found.append((first[1], path))
                break
    return found


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text.casefold())


def read_view_refs(folder: Path) -> dict[str, str]:
    """Read the refs of one repo's folder in the view, as its clients do."""
    return {
        name: (folder / "refs" / name).read_text(encoding="utf-8", errors="replace")
        if stat.S_ISREG(found.st_mode) and found.st_size <= _COMMIT_BYTES
        else ""
        for name, found in list_files(folder / "refs").items()
    }


def list_snapshots(folder: Path) -> set[str]:
    """Give the names in ``snapshots/`` of one repo's folder in the view."""
    try:
        return {entry.name for entry in os.scandir(folder / "snapshots")}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def list_files(folder: Path) -> dict[str, os.stat_result]:
    """Give every file below ``folder`` by its POSIX path, links not followed."""
    found: dict[str, os.stat_result] = {}
    waiting = [] if folder.is_symlink() else [""]
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(f"{folder}/{prefix}") as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{prefix}{entry.name}/")
                    else:
                        found[prefix + entry.name] = entry.stat(follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            continue
    return found


def tree_path(folder: Path, commit: str) -> Path:
    """Where huggingface_hub keeps the listing of a commit, in a repo's folder of the view."""
    return folder / "trees" / f"{commit}.json"


def _scratch(folder: Path, name: str) -> Path:
    """A free name for work in the repo's folder, where clients look at three names only."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / temporary_name(name)
    _remove(path)
    return path


def _write(folder: Path, target: Path, data: bytes) -> None:
    """Replace a small file in one step. Not durable: the view is derived."""
    try:
        if read_regular(target) == data:
            return
    except OSError:
        pass
    beside = _scratch(folder, "file")
    beside.write_bytes(data)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        _clear_way(target.parent, folder)
        target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        _remove(target)
    beside.replace(target)


def _clear_way(path: Path, top: Path) -> None:
    """Remove the file that stands where ``path`` needs a folder."""
    for parent in (path, *path.parents):
        if parent == top:
            return
        if os.path.lexists(parent) and not parent.is_dir():
            parent.unlink()
            return


def _make_parents(top: str, path: str, made: set[str]) -> None:
    parent = path.rpartition("/")[0]
    if parent and parent not in made:
        os.makedirs(f"{top}/{parent}", exist_ok=True)  # noqa: PTH103 - a hot path
        made.add(parent)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_empty(path: Path, top: Path) -> None:
    """Remove the folders above ``path`` that hold nothing any more, up to ``top``."""
    for parent in path.parents:
        if parent == top:
            return
        try:
            parent.rmdir()
        except OSError:
            return
