"""What an adoption would do: a pure function of (what a folder holds, what the store holds).

Nothing is read here but values. The bytes are checked when they are taken in: a plan says
what a folder claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mirror.adopt.model import Action, FoundFile, FoundSnapshot, PlannedFile, SnapshotPlan
from mirror.store import Manifest, ManifestFile, case_collisions

#: Of a file that the commit has and the folder had not.
ABSENT_BECAUSE: Final = "not in the folder that was adopted"
#: Of a file whose bytes there were not its own.
REFUSED_BECAUSE: Final = "damaged in the folder that was adopted"


@dataclass(frozen=True)
class Held:
    """What the store knows about a commit."""

    digests: Mapping[str, str]
    """etag → sha256 of the contents that are in the store."""
    refs: Mapping[str, str]
    """Of the repo."""
    manifest: Manifest | None
    """Of this very commit."""


def plan_snapshot(found: FoundSnapshot, held: Held) -> SnapshotPlan:
    """Plan one commit.

    A ref that the mirror has already is not moved: what a sync brought is newer than any
    folder, and upstream decides at the next one. A commit that gets no ref is kept under
    its own hash, so that nothing takes it for superseded.
    """
    files = tuple(_planned(file, held.digests) for file in found.files)
    refs = tuple(name for name in found.refs if held.refs.get(name) in (None, found.commit))
    if not refs:
        refs = (found.commit,)
    return SnapshotPlan(
        found=found,
        files=files,
        refs=refs,
        unchanged=_is_unchanged(files, refs, held),
        notes=(*_ref_notes(found, held.refs), *_case_notes(found.files)),
    )


def _planned(file: FoundFile, digests: Mapping[str, str]) -> PlannedFile:
    sha256 = digests.get(file.etag) if file.etag else None
    if sha256 is not None:
        return PlannedFile(file, Action.REUSE, sha256)
    return PlannedFile(file, Action.ABSENT if file.where is None else Action.TAKE)


def _is_unchanged(files: Sequence[PlannedFile], refs: Sequence[str], held: Held) -> bool:
    if held.manifest is None or any(held.refs.get(name) != held.manifest.commit for name in refs):
        return False
    known = {file.path: file for file in held.manifest.files}
    for file in files:
        there = known.get(file.found.path)
        if there is None and held.manifest.adopted is None:
            continue  # upstream says that the commit does not have it
        if file.action is not Action.ABSENT and not (there and there.present):
            return False
        if there is None:
            return False
    return True


def merged(
    found: FoundSnapshot, files: Sequence[ManifestFile], earlier: Manifest | None, now: str
) -> Manifest:
    """Give the manifest that publishes what was taken in.

    Where the commit came from upstream already, its tree stays as it is, and is filled up
    with files that are truly its own. Otherwise the folder is all that is known, and the
    manifest says so (``adopted``) until a sync has compared it with upstream.
    """
    if earlier is not None and earlier.adopted is None:
        taken = {(file.path, file.etag): file.sha256 for file in files if file.present}
        filled = (_filled(file, taken.get((file.path, file.etag))) for file in earlier.files)
        return earlier.model_copy(update={"files": tuple(filled)})
    by_path = {file.path: file for file in earlier.files} if earlier else {}
    for file in files:
        before = by_path.get(file.path)
        if before is None or file.present or not before.present:
            by_path[file.path] = file
    return Manifest(
        repo_type=found.key.repo_type,
        repo_id=found.key.repo_id,
        commit=found.commit,
        created=earlier.created if earlier else now,
        files=tuple(by_path[path] for path in sorted(by_path)),
        adopted=now,
    )


def _filled(file: ManifestFile, sha256: str | None) -> ManifestFile:
    if file.present or sha256 is None:
        return file
    return file.model_copy(update={"present": True, "sha256": sha256, "absent_because": None})


def _ref_notes(found: FoundSnapshot, refs: Mapping[str, str]) -> list[str]:
    return [
        f"{name} stays at {refs[name][:12]} here; the folder has {found.commit[:12]} for it"
        for name in found.refs
        if refs.get(name) not in (None, found.commit)
    ]


def _case_notes(files: Sequence[FoundFile]) -> list[str]:
    return [
        f"{one} and {other} are one name where case and Unicode form make no difference"
        for one, other in case_collisions(sorted(file.path for file in files))
    ]
