"""One manifest in a bundle: its digest, and how it is told by what has changed.

A new commit of a repo with 20,000 files seldom changes more than a few. So a manifest comes
as what differs from one that the receiver has, and its digest says whether he got it right.
Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from mirror.errors import DamagedBundleError, MirrorError, MissingParentError
from mirror.store import Manifest, ManifestFile
from mirror.store.manifest import decode_manifest, encode_manifest


def manifest_digest(manifest: Manifest) -> str:
    """Give the sha256 of all that a manifest says, but for when it was first written.

    That differs between two mirrors that have each copied the commit from upstream. The fields
    are named one by one, so that a program with more of them agrees.
    """
    digest = hashlib.sha256()
    head = {
        "format": manifest.format,
        "repo_type": manifest.repo_type.value,
        "repo_id": manifest.repo_id,
        "commit": manifest.commit,
        "upstream": manifest.upstream,
        "endpoint": manifest.endpoint,
    }
    text = json.dumps(head, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    digest.update(text.encode() + b"\n")
    digest.update("".join(map(_file_line, manifest.files)).encode())
    return digest.hexdigest()


def _file_line(file: ManifestFile) -> str:
    """Tell a file in one line. A path has no control characters, so nothing can be confused."""
    because = json.dumps(file.absent_because) if file.absent_because else '""'
    return (
        f"{file.path}\0{file.size}\0{file.blob_id}\0{file.lfs_sha256 or ''}\0"
        f"{file.sha256 or ''}\0{file.present:d}\0{because}\n"
    )


def tell_manifest(manifest: Manifest, base: Manifest | None) -> dict[str, Any]:
    """Give the record of a manifest: whole, or as what differs from ``base`` where that is less."""
    record = manifest.model_dump(mode="json", exclude_none=True, exclude={"files"})
    whole = {"kind": "manifest", "manifest": record, "digest": manifest_digest(manifest)}
    if base is not None:
        before = {file.path: file for file in base.files}
        changed = [file for file in manifest.files if before.pop(file.path, None) != file]
        if len(changed) + len(before) < len(manifest.files):
            return whole | {
                "base": base.commit,
                "files": _files(changed),
                "removed": sorted(before),
            }
    return whole | {"files": _files(manifest.files)}


def read_manifest(record: Mapping[str, Any], base: Manifest | None, source: str) -> Manifest:
    """Make the manifest that a record tells; ``base`` is the one that it names.

    Raises:
        DamagedBundleError: no manifest, or not the one that its digest says.
        MissingParentError: ``base`` is not as the sender knows it.
    """
    try:
        files = {file.path: file for file in (base.files if base else ())}
        for path in record.get("removed", ()):
            del files[path]
        files |= {entry["path"]: entry for entry in record["files"]}
        ordered = [files[path] for path in sorted(files)]
        manifest = Manifest.model_validate({**record["manifest"], "files": ordered})
        digest = manifest_digest(manifest)
        _require_storable(manifest)
    except (KeyError, TypeError, ValueError, RecursionError, MirrorError) as bad:
        why = str(bad).partition("\n")[0][:300]
        raise DamagedBundleError(f"{source}: this is not a manifest ({why})") from bad
    if digest != record.get("digest"):
        if base is not None:
            raise MissingParentError(
                f"{source}: {manifest.key} at {manifest.commit} is told by what differs from "
                f"{base.commit}, and what is here of that is not what the sender counted on",
                hint="mirror receipt here, then mirror export --for that receipt there",
            )
        raise DamagedBundleError(
            f"{source}: the manifest of {manifest.key} at {manifest.commit} is not what it says"
        )
    return manifest


def _require_storable(manifest: Manifest) -> None:
    """See that upstream's answer in it can be written and read again: half a character cannot."""
    decode_manifest(encode_manifest(manifest.model_copy(update={"files": ()})), manifest.commit)


def _files(files: Iterable[ManifestFile]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in file.__dict__.items() if value is not None}
        for file in files
    ]
