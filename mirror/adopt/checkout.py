"""A plain folder of one snapshot: for people and programs that want files, no cache.

The folder is the person's. What a checkout wrote stands in its record
(:mod:`mirror.adopt.record`); it changes and removes that and nothing else, and if one of
those files was changed meanwhile, it refuses before it has done anything. Killed at any
time, every file is whole, the old or the new one, and the next checkout completes it.

Beside the files it writes what ``hf download --local-dir`` would have written, so that
the Hub's own client knows the folder, and ``mirror adopt`` too.
"""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mirror.adopt.local_dir import (
    HF_FOLDER,
    METADATA_FOLDER,
    METADATA_SUFFIX,
    NOT_OF_THE_REPO,
    FileMetadata,
    read_metadata,
)
from mirror.adopt.model import Placed
from mirror.adopt.placing import place
from mirror.adopt.reading import names_in, walk
from mirror.adopt.record import CheckoutRecord, WrittenFile, read_record, write_record
from mirror.errors import CheckoutError, DamagedError, DiskError
from mirror.store import Manifest, ManifestFile, Store, hash_file
from mirror.store.atomic import disk_errors, temporary_name, write_atomic
from mirror.store.view import tree_json

_NAMED: Final = 5
_READ_ONLY: Final = 0o444
#: What huggingface_hub writes there itself: no backup and no git needs this folder.
_CACHEDIR_TAG: Final = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# A cache directory tag: see https://bford.info/cachedir/\n"
)


@dataclass(frozen=True)
class CheckoutPlan:
    """What a checkout would do to a folder."""

    folder: Path
    manifest: Manifest
    write: tuple[ManifestFile, ...]
    replace: frozenset[str]
    """Paths of these at which a file of a checkout lies now."""
    keep: tuple[ManifestFile, ...]
    """There already, with the same content."""
    remove: tuple[str, ...]
    """Written by an earlier checkout, and not in this commit."""
    kept_changed: tuple[str, ...]
    """Written by an earlier checkout, not in this commit, and changed since: they stay."""
    left_out: tuple[str, ...]
    """Paths of the commit that a plain folder cannot have."""
    before: Mapping[str, WrittenFile]


@dataclass(frozen=True)
class CheckoutReport:
    """What a checkout did."""

    plan: CheckoutPlan
    placed: Counter[Placed]

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        plan = self.plan
        return {
            "repo": str(plan.manifest.key),
            "commit": plan.manifest.commit,
            "folder": str(plan.folder),
            "written": len(plan.write),
            "unchanged": len(plan.keep),
            "removed": list(plan.remove),
            "kept": list(plan.kept_changed),
            "left_out": list(plan.left_out),
            "absent": [file.path for file in plan.manifest.files if not file.present],
            "placed": {how.value: self.placed[how] for how in Placed},
        }


def plan_checkout(
    store: Store, manifest: Manifest, folder: Path, *, link: bool = True
) -> CheckoutPlan:
    """Compare a folder with a snapshot; writes nothing.

    Without ``link`` a file that is shared with the store is written anew.

    Raises:
        CheckoutError: the folder holds something else, or files that the checkout would
            overwrite were changed: names them.
        DamagedError: the store lacks a blob.
    """
    record = _own_record(manifest, folder)
    before = record.files if record else {}
    if missing := store.missing(manifest):
        raise DamagedError(
            f"{manifest.key}: the blob of {missing[0].path} is missing or damaged",
            hint="mirror verify --repair fetches it again",
        )
    wanted = {file.path: file for file in manifest.present_files}
    left_out = [path for path in wanted if path.split("/")[0].casefold() in NOT_OF_THE_REPO]
    for path in left_out:
        del wanted[path]
    gone = {p: _state_of(folder, p, before[p]) for p in before.keys() - wanted.keys()}
    remove = {path for path, state in gone.items() if state == "ours"}
    write, keep, replace, in_the_way = [], [], set(), []
    for path, file in wanted.items():
        match _state_of(folder, path, before.get(path), file.etag, remove):
            case "same" if link or not _is_shared(store, folder, file):
                keep.append(file)
            case "same" | "ours":
                write.append(file)
                replace.add(path)
            case "none":
                write.append(file)
            case _:
                in_the_way.append(path)
    if in_the_way:
        raise _refusal(folder, in_the_way)
    return CheckoutPlan(
        folder=folder,
        manifest=manifest,
        write=tuple(write),
        replace=frozenset(replace),
        keep=tuple(keep),
        remove=tuple(sorted(remove)),
        kept_changed=tuple(sorted(path for path, state in gone.items() if state == "theirs")),
        left_out=tuple(left_out),
        before=before,
    )


def carry_out_checkout(store: Store, plan: CheckoutPlan, *, link: bool) -> CheckoutReport:
    """Do what was planned: record, removals, files with their metadata, record.

    ``link``, as for the plan, allows files that are shared with the store, and so read-only.

    Raises:
        DiskError: full, read-only, or an I/O error; the next checkout completes it.
    """
    folder, manifest = plan.folder, plan.manifest
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_record(folder, _under_way(plan))
        _write_hf_folder(folder, manifest)
        for path in plan.remove:  # first: a folder may take the place of a file
            _remove(folder, path)
        placed: Counter[Placed] = Counter()
        for file in plan.write:
            placed[_write(store, folder, file, there=file.path in plan.replace, link=link)] += 1
            _write_metadata(folder, manifest.commit, file)
        for file in plan.keep:
            if not _is_noted(folder, manifest.commit, file):
                _write_metadata(folder, manifest.commit, file)
        write_record(folder, _done(plan))
    return CheckoutReport(plan, placed)


# --- what is there ------------------------------------------------------------------


def _own_record(manifest: Manifest, folder: Path) -> CheckoutRecord | None:
    """Give the record of an earlier checkout; none where the folder is new or empty."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise CheckoutError(f"{folder} is not a folder", hint="name a new or an empty one")
    for part in ("", ".cache", ".cache/mirror", ".cache/huggingface", METADATA_FOLDER):
        if part and (folder / part).is_symlink():
            raise CheckoutError(f"{folder / part} is a link to somewhere else", hint="remove it")
    record = read_record(folder)
    if record is None and not _is_empty(folder):
        raise CheckoutError(
            f"{folder} is not empty, and no checkout of {manifest.key}",
            hint="name a new or an empty folder",
        )
    if record is not None and record.key != manifest.key:
        raise CheckoutError(
            f"{folder} is a checkout of {record.key}, not of {manifest.key}",
            hint="name a new or an empty folder",
        )
    return record


def _is_empty(folder: Path) -> bool:
    """Whether nothing lies there but what a checkout that was killed at once has left."""
    begun = {".cache": ["mirror"], ".cache/mirror": [temporary_name("checkout.json")]}
    return names_in(folder) in ([], [".cache"]) and all(
        names_in(folder / place) in ([], names) for place, names in begun.items()
    )


def _state_of(
    folder: Path,
    path: str,
    before: WrittenFile | None,
    etag: str | None = None,
    remove: Collection[str] = (),
) -> str:
    """Say what lies at a path: ``none``, ``same`` as wanted, ``ours`` of before, ``theirs``.

    ``remove`` are files that will be gone by the time the path is written.
    """
    if (way := _parents(folder, path)) is not None:
        return "none" if way in remove else "theirs"
    try:
        found = (folder / path).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return "none"
    if stat.S_ISDIR(found.st_mode):
        inside = {f"{path}/{entry.path}" for entry in walk(folder / path)}
        return "none" if inside <= set(remove) else "theirs"
    if not stat.S_ISREG(found.st_mode):
        return "theirs"
    if before is not None and len(before.etags) == 1 and before.untouched(found):
        return "same" if before.etags[0] == etag else "ours"
    digests = hash_file(folder / path)
    etags = {digests.sha256, digests.git_sha1}
    if etag in etags:
        return "same"
    return "ours" if before is not None and etags & set(before.etags) else "theirs"


def _is_shared(store: Store, folder: Path, file: ManifestFile) -> bool:
    return store.blobs.path(str(file.sha256)).samefile(folder / file.path)


def _parents(folder: Path, path: str) -> str | None:
    """Give the part of the way to a path that is a link or a file; what is not there is well."""
    parts = path.split("/")
    for count in range(1, len(parts)):
        way = "/".join(parts[:count])
        place = folder / way
        if os.path.lexists(place) and (place.is_symlink() or not place.is_dir()):
            return way
    return None


def _refusal(folder: Path, paths: list[str]) -> CheckoutError:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return CheckoutError(
        f"{folder}: {', '.join(sorted(paths)[:_NAMED])}{more} would be overwritten, "
        "and no checkout has written what is there now",
        hint="move them away, or name another folder; nothing was changed",
    )


# --- what is written ----------------------------------------------------------------


def _under_way(plan: CheckoutPlan) -> CheckoutRecord:
    """Give the record for the time between: every content that a path may have."""
    files = dict(plan.before)
    for file in (*plan.write, *plan.keep):
        earlier = files.get(file.path)
        etags = dict.fromkeys((*(earlier.etags if earlier else ()), file.etag))
        files[file.path] = WrittenFile(tuple(etags))
    return CheckoutRecord(plan.manifest.key, plan.manifest.commit, files)


def _done(plan: CheckoutPlan) -> CheckoutRecord:
    files = {}
    for file in (*plan.write, *plan.keep):
        found = (plan.folder / file.path).lstat()
        files[file.path] = WrittenFile((file.etag,), found.st_size, found.st_mtime_ns)
    return CheckoutRecord(plan.manifest.key, plan.manifest.commit, files)


def _write(store: Store, folder: Path, file: ManifestFile, *, there: bool, link: bool) -> Placed:
    target = folder / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    if not there and os.path.lexists(target):
        raise DiskError(
            f"{target}: this file system takes it for another file of the same repo "
            "(names that differ only by case, or by the form of an accent)",
            hint="check it out on a case-sensitive file system",
        )
    beside = folder / ".cache" / "mirror" / temporary_name("file")
    digest = str(file.sha256)
    with store.blobs.open(digest) as source:
        placed = place(source, store.blobs.path(digest), beside, link=link)
    if placed is Placed.LINK:
        beside.chmod(_READ_ONLY)  # as the blob is already, unless somebody has changed that
    beside.replace(target)
    return placed


def _write_hf_folder(folder: Path, manifest: Manifest) -> None:
    """Write what huggingface_hub keeps of a folder, apart from the files' metadata.

    The listing is for whole snapshots only: a client takes it for all that there is.
    """
    top = folder / HF_FOLDER
    top.mkdir(parents=True, exist_ok=True)
    write_atomic(top / ".gitignore", b"*", durable=False)
    write_atomic(top / "CACHEDIR.TAG", _CACHEDIR_TAG.encode(), durable=False)
    if not manifest.is_partial:
        (top / "trees").mkdir(exist_ok=True)
        listing = top / "trees" / f"{manifest.commit}.json"
        write_atomic(listing, tree_json(manifest), durable=False)


def _is_noted(folder: Path, commit: str, file: ManifestFile) -> bool:
    known = read_metadata(folder / METADATA_FOLDER / f"{file.path}{METADATA_SUFFIX}")
    return known == FileMetadata(commit, file.etag)


def _write_metadata(folder: Path, commit: str, file: ManifestFile) -> None:
    """Write the three lines of huggingface_hub: after the file, whose time must be earlier."""
    path = folder / METADATA_FOLDER / f"{file.path}{METADATA_SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, f"{commit}\n{file.etag}\n{time.time()}\n".encode(), durable=False)


def _remove(folder: Path, path: str) -> None:
    (folder / METADATA_FOLDER / f"{path}{METADATA_SUFFIX}").unlink(missing_ok=True)
    target = folder / path
    target.unlink(missing_ok=True)
    for parent in target.parents:
        if parent == folder:
            return
        try:
            parent.rmdir()
        except OSError:
            return
