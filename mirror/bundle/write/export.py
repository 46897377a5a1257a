"""Write a bundle: the plan into files, volume by volume.

Writes in the folder it is given and nowhere else, and needs no right to write in the mirror.
Every content is hashed while it is copied, so a bundle cannot carry bytes that the mirror did
not have whole. Until the last step the folder says that it is unfinished; after a kill the
same command goes on with what is there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mirror.bundle import form
from mirror.bundle.content import manifest_digest, tell_manifest
from mirror.bundle.head import BundleFile, Head, Volume, encode_head, make_head
from mirror.bundle.inventory import encode_inventory
from mirror.bundle.listing import encode_listing
from mirror.bundle.log import proof_folder
from mirror.bundle.signing import BUNDLE, require_key, sign_file
from mirror.bundle.write.document import write_document
from mirror.bundle.write.plan import ExportPlan, RepoExport
from mirror.bundle.write.volumes import (
    Item,
    Pack,
    Piece,
    lay_out,
    most_files,
    pack_up,
    small_limit,
)
from mirror.bundle.write.writing import Watch, write_payload
from mirror.errors import DamagedError, DiskError, NotFoundError, UsageError
from mirror.store import Store
from mirror.store.atomic import disk_errors, is_temporary, sync_filesystem, write_atomic
from mirror.store.opening import open_new

_WORK: Final = ".records.tmp"
#: Bytes that a file takes in the head and in the listing: twice its path, sha256, size.
_FILE_TEXT: Final = 420
_UNFINISHED_TEXT: Final = (
    "This bundle is not complete: do not carry it anywhere.\n"
    "The same mirror export command goes on with it.\n"
)


@dataclass(frozen=True)
class ExportOptions:
    """How a bundle is written."""

    volume_size: int | None = None
    """Bytes of everything on one volume; none for one folder of any size."""
    key: Path | None = None
    """What it is signed with."""
    expires: str | None = None


@dataclass(frozen=True)
class Exported:
    """What was written."""

    head: Head
    folders: tuple[Path, ...]
    """One for each volume."""
    signed: bool

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "bundle": self.head.id,
            "sequence": self.head.sequence,
            "snapshots": len(self.head.snapshots),
            "removals": len(self.head.removals),
            "size": self.head.size,
            "signed": self.signed,
            "volumes": [str(folder) for folder in self.folders],
        }


def export_bundle(
    store: Store,
    plan: ExportPlan,
    out: Path,
    options: ExportOptions,
    progress: Watch | None = None,
) -> Exported:
    """Write ``plan`` into the folder ``out``, which is made; go on where a killed run was.

    Raises:
        UsageError: ``out`` holds something else, lies in the mirror, or volumes are too small.
        DiskError: it does not fit, or cannot be written.
        DamagedError: a content in the mirror is damaged, or the mirror changed meanwhile.
    """
    if options.key is not None:
        require_key(options.key)
    _begin(store, out)
    sources = _write_records(store, plan, out / _WORK)
    sources |= _proofs(store, plan)
    reserve = _reserve(plan, sources.values(), options.volume_size)
    capacity = None if options.volume_size is None else options.volume_size - reserve
    packs, whole = _contents(plan, capacity)
    items = [Item(path, path_size(source)) for path, source in sources.items()]
    items += [Item(pack.path, pack.size) for pack in packs]
    items += [Item(form.blob_path(digest), size) for digest, size in whole]
    layout = lay_out(items, capacity)
    if len(layout) > form.MAX_VOLUMES:
        raise UsageError(
            f"it would take {len(layout):,} volumes, and no bundle has more than "
            f"{form.MAX_VOLUMES:,}",
            hint="choose a larger --volume-size",
        )
    folders = _folders(out, len(layout), divided=options.volume_size is not None)
    _clear(out, folders, layout)
    _require_room(out, folders, layout, reserve)
    files = write_payload(store, folders, layout, sources, packs, progress)
    head = _head(plan, options, files)
    _finish(out, folders, head, options)
    return Exported(head, tuple(folders), options.key is not None)


def path_size(path: Path) -> int:
    """Give the bytes of a file."""
    return path.stat().st_size


# --- the folder ---------------------------------------------------------------------


def _begin(store: Store, out: Path) -> None:
    out = out.absolute()
    if out.is_symlink() or out.resolve().is_relative_to(store.root.resolve()):
        raise UsageError(f"{out} is a link, or lies in the mirror itself: choose another folder")
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        there = {entry.name for entry in os.scandir(out)}
        if there - {"lost+found"} and form.UNFINISHED not in there:
            what = "holds a bundle" if _has_bundle(out, there) else "is not empty"
            raise UsageError(f"{out} {what}: choose a new or empty folder for a bundle")
        if form.UNFINISHED not in there:
            with open_new(out / form.UNFINISHED) as stream:
                stream.write(_UNFINISHED_TEXT.encode())
        _remove_work(out)
        (out / _WORK).mkdir()


def _remove_work(out: Path) -> None:
    work = out / _WORK
    if work.is_symlink() or work.is_file():
        work.unlink()
    shutil.rmtree(work, ignore_errors=True)


def _has_bundle(out: Path, names: set[str]) -> bool:
    return form.HEAD in names or (out / form.volume_folder(1) / form.HEAD).exists()


def _folders(out: Path, count: int, *, divided: bool) -> list[Path]:
    if not divided:
        return [out]
    return [out / form.volume_folder(number) for number in range(1, count + 1)]


def _clear(out: Path, folders: Sequence[Path], layout: Sequence[Sequence[Piece]]) -> None:
    """Remove what an earlier, killed run left and this one does not want.

    Raises:
        UsageError: there is something that no export writes.
    """
    wanted = {folder / piece.path for folder, pieces in zip(folders, layout, strict=True)
              for piece in pieces}  # fmt: skip
    with disk_errors(out):
        for path in sorted(out.rglob("*"), reverse=True):
            inside = path.relative_to(out)
            if inside.parts[0] in {form.UNFINISHED, _WORK, "lost+found"} or path in wanted:
                continue
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif _is_ours(inside):
                path.unlink()
            else:
                raise UsageError(f"{path} is not of a bundle: take it away, then export again")


def _is_ours(inside: Path) -> bool:
    name = inside.as_posix()
    if inside.parts[0].startswith("volume-"):
        name = "/".join(inside.parts[1:])
    known = form.read_payload_name(name) is not None or name in form.FRAME
    return known or is_temporary(inside.name)


def _require_room(
    out: Path, folders: Sequence[Path], layout: Sequence[Sequence[Piece]], reserve: int
) -> None:
    needed = reserve * len(folders)
    for folder, pieces in zip(folders, layout, strict=True):
        for piece in pieces:
            path = folder / piece.path
            if not (path.is_file() and path_size(path) == piece.size):
                needed += piece.size
    free = shutil.disk_usage(out).free
    if needed > free:
        raise DiskError(
            f"{out}: the bundle needs {needed:,} bytes more, {free:,} are free",
            hint="choose a larger disk, fewer repos, or --for a RECEIPT of the other side",
        )


# --- what goes in ---------------------------------------------------------------------


def _contents(plan: ExportPlan, capacity: int | None) -> tuple[list[Pack], list[tuple[str, int]]]:
    limit = small_limit(capacity)
    small = [(digest, size) for digest, size in plan.blobs if size <= limit]
    large = [(digest, size) for digest, size in plan.blobs if size > limit]
    return pack_up(small, capacity), large


def _reserve(plan: ExportPlan, others: Collection[Path], volume_size: int | None) -> int:
    """Give the room that head, document, listing and signature take on each volume.

    Raises:
        UsageError: they would fill more than half of it; says what would do.
    """
    draft = _head(plan, ExportOptions(), [[]])
    text = len(encode_head(draft)) + len(write_document(draft).encode())
    contents, whole = [size for _, size in plan.blobs], list(map(path_size, others))

    def reserve(volume: int | None) -> int:
        return text + _FILE_TEXT * most_files(contents, whole, volume) + (16 << 10)

    if volume_size is not None and volume_size < 2 * reserve(volume_size):
        least = 2 * reserve(None)
        while least < 2 * reserve(least):
            least = 2 * reserve(least)
        raise UsageError(
            f"volumes of {volume_size:,} bytes are too small for this bundle: what describes it "
            "lies on each of them",
            hint=f"--volume-size {-(-least // 1000)}K or more",
        )
    return reserve(volume_size)


def _write_records(store: Store, plan: ExportPlan, work: Path) -> dict[str, Path]:
    """Write all records to ``work``; give the files by their path in the bundle."""
    files: dict[str, Path] = {}
    stream, filled = None, 0
    with disk_errors(work):
        try:
            for line in (line for repo in plan.repos for line in _records(store, repo)):
                if stream is None or filled + len(line) > form.RECORD_BYTES:
                    if stream is not None:
                        stream.close()
                    path = form.record_path(len(files) + 1)
                    files[path] = work / path.replace("/", "-")
                    stream, filled = files[path].open("wb"), 0
                stream.write(line)
                filled += len(line)
        finally:
            if stream is not None:
                stream.close()
    return files


def _records(store: Store, repo: RepoExport) -> Iterator[bytes]:
    history = [one.as_json() for one in store.history(repo.key) if one.time > repo.seen_before]
    yield _line(
        {
            "kind": "repo",
            "repo": str(repo.key),
            "aliases": [str(alias) for alias in repo.aliases],
            "refs": dict(repo.refs),
            "history": history,
        }
    )
    for entry in repo.snapshots:
        base = repo.bases.get(entry.commit)
        try:
            manifest = store.manifest(repo.key, entry.commit)
            before = store.manifest(repo.key, base) if base else None
        except NotFoundError as error:
            raise _changed(repo) from error
        if manifest_digest(manifest) != entry.digest:
            raise _changed(repo)
        yield _line(tell_manifest(manifest, before))


def _changed(repo: RepoExport) -> DamagedError:
    return DamagedError(
        f"{repo.key} has changed while it was exported", hint="run the export again"
    )


def _line(record: dict[str, Any]) -> bytes:
    # Not sorted: upstream's answer stays as it came, to the order of its keys.
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return text.encode() + b"\n"


def _proofs(store: Store, plan: ExportPlan) -> dict[str, Path]:
    """Give the kept heads and signatures of the bundles that some of it came in."""
    found: dict[str, Path] = {}
    for bundle in plan.origins:
        folder = proof_folder(store, bundle)
        for name in form.PROOF:
            if (folder / name).is_file():
                found[form.origin_path(bundle, name)] = folder / name
    return found


def _head(plan: ExportPlan, options: ExportOptions, files: Sequence[Sequence[BundleFile]]) -> Head:
    addressee = plan.addressee
    parent = addressee.parent
    return make_head(
        sequence=parent.sequence + 1 if parent else 1,
        parents=(parent,) if parent else (),
        created=plan.created,
        expires=options.expires,
        sender=plan.sender,
        recipient=addressee.name,
        endpoint=plan.endpoint,
        assumed=addressee.assumed,
        snapshots=plan.snapshots,
        observed=plan.observed,
        removals=plan.removals,
        answers=addressee.answers,
        volumes=tuple(Volume(files=tuple(volume)) for volume in files),
        inventory=encode_inventory(plan.inventory),
    )


def _finish(out: Path, folders: Sequence[Path], head: Head, options: ExportOptions) -> None:
    """Write what describes the payload, sign it, and let the folder be a bundle."""
    frame = {form.HEAD: encode_head(head), form.DOCUMENT: write_document(head).encode()}
    with disk_errors(out):
        _remove_work(out)
        for folder, volume in zip(folders, head.volumes, strict=True):
            folder.mkdir(exist_ok=True)
            digests = {file.path: file.sha256 for file in volume.files}
            for name, data in frame.items():
                digests[name] = hashlib.sha256(data).hexdigest()
                write_atomic(folder / name, data, durable=False)
            write_atomic(folder / form.LISTING, encode_listing(digests), durable=False)
            (folder / form.SIGNATURE).unlink(missing_ok=True)
            if options.key is not None:
                sign_file(folder / form.LISTING, options.key, BUNDLE)
            size = sum(path_size(path) for path in folder.rglob("*") if path.is_file())
            if options.volume_size is not None and size > options.volume_size:
                raise AssertionError(f"{folder} has {size} bytes")  # the reserve was too small
        sync_filesystem(out)
        (out / form.UNFINISHED).unlink()
        sync_filesystem(out)
