"""A commit of which only some files are here: what it has, what may be had, what has come.

Pure. Used by pass-through, where a client names one file after the other of a commit whose
tree is known from the first question on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from mirror.names import RepoKey
from mirror.settings import PolicySettings
from mirror.store.history import Observation
from mirror.store.manifest import Manifest, ManifestFile
from mirror.sync.model import Action, Change, PlannedFile, RepoPlan
from mirror.sync.plan import filled_up, manifest_of
from mirror.sync.policy import (
    Rule,
    refusal_of_repo,
    refusal_of_size,
    refusal_of_weights,
    weights_left_out,
)

#: Why a file of a pass-through snapshot is not here: nothing forbids it.
NOT_ASKED: Final = "not asked for yet"


@dataclass(frozen=True)
class Offer:
    """Which absent files of a commit the policy lets in."""

    refused: Rule | None
    """The rule that keeps everything out."""
    left_out: Mapping[str, str]
    """Paths that a rule keeps out, with the rule."""

    def why_not(self, file: ManifestFile) -> str | None:
        """Say what keeps an absent file out; ``None`` where it may be asked for."""
        if self.refused is not None:
            return f"{self.refused[0]}: {self.refused[1]}"
        return self.left_out.get(file.path)


def offer_of(manifest: Manifest, policy: PolicySettings) -> Offer:
    """Judge a commit by the policy. What the selection left out may be had all the same."""
    paths = [file.path for file in manifest.files]
    refused = refusal_of_repo(manifest.upstream, policy) or refusal_of_weights(
        manifest.key, paths, policy
    )
    return Offer(refused, weights_left_out(manifest.key, paths, policy))


@dataclass
class Known:
    """One commit, and what has been brought of it and is not published yet.

    Belongs to the loop of :class:`~mirror.sync.passing.Passing`; ``manifest`` never changes.
    """

    manifest: Manifest
    """As it was when the commit became known: from upstream's tree, or the store's own."""
    brought: dict[str, str] = field(default_factory=dict)
    """path → sha256; the blobs are in the store."""
    fetched: set[str] = field(default_factory=set)
    """Those of them that came from upstream now."""
    names: set[str] = field(default_factory=set)
    """Revisions that upstream says point here."""
    aliases: set[RepoKey] = field(default_factory=set)
    """Other ids that the repo was asked for by."""
    observation: Observation | None = None
    """What upstream said of the repo, to be written down with the files."""

    @property
    def place(self) -> tuple[RepoKey, str]:
        """The repo and the commit."""
        return self.manifest.key, self.manifest.commit


def refusal_of_file(
    known: Known, file: ManifestFile, mirror_size: int, policy: PolicySettings
) -> Rule | None:
    """Say whether one more file breaks a quota. ``mirror_size`` is in bytes, with promises."""
    size = sum(
        other.size
        for other in known.manifest.files
        if other.present or other.path in known.brought or other.path == file.path
    )
    return refusal_of_size(size, mirror_size, file.size, policy)


def known_of(plan: RepoPlan, earlier: Manifest | None, endpoint: str, now: str) -> Known:
    """Give the commit of a plan for all its files, with none of them brought yet."""
    if earlier is not None:
        return Known(earlier)
    files = tuple(
        replace(file, action=Action.SKIP, because=file.because or NOT_ASKED) for file in plan.files
    )
    return Known(manifest_of(replace(plan, files=files), {}, endpoint=endpoint, created=now))


def plan_of(known: Known, previous: str | None) -> RepoPlan:
    """Give what was done for a commit, as a plan: for reports and the manifest."""
    change = Change.NEW if previous is None else Change.UPDATE
    if previous == known.manifest.commit:
        change = Change.FILL
    files = tuple(_planned(known, file) for file in known.manifest.files)
    return _plan(known, files, previous, change)


def plan_for(known: Known, file: ManifestFile) -> RepoPlan:
    """Plan to fetch one file of a commit."""
    planned = replace(_planned(known, file), action=Action.FETCH, sha256=None)
    return _plan(known, (planned,), None, Change.FILL)


def manifest_to_publish(plan: RepoPlan, known: Known, earlier: Manifest | None) -> Manifest:
    """Give the manifest with what was brought, and what the store has of it meanwhile."""
    base = known.manifest
    manifest = manifest_of(plan, {}, endpoint=base.endpoint, created=base.created)
    return filled_up(manifest, earlier) if earlier is not None else manifest


def carried(known: Known, old: Manifest) -> dict[str, str]:
    """Give the files that an older commit has here and this one has unchanged: path → sha256."""
    here = {file.path: file for file in old.present_files}
    return {
        file.path: str(here[file.path].sha256)
        for file in known.manifest.files
        if not file.present and file.path in here and here[file.path].etag == file.etag
    }


def takes_the_place(manifest: Manifest, old: Manifest) -> bool:
    """Whether a commit has all that the older one has here, so that a ref may move to it.

    Files that the newer commit does not have at all are no loss.
    """
    present = {file.path for file in manifest.present_files}
    there = {file.path for file in manifest.files}
    return all(file.path in present for file in old.present_files if file.path in there)


def _planned(known: Known, file: ManifestFile) -> PlannedFile:
    here = file.present or file.path in known.brought
    action = Action.REUSE if here else Action.SKIP
    return PlannedFile(
        path=file.path,
        size=file.size,
        blob_id=file.blob_id,
        lfs_sha256=file.lfs_sha256,
        sha256=known.brought.get(file.path, file.sha256),
        action=Action.FETCH if file.path in known.fetched else action,
        because=None if here else file.absent_because,
    )


def _plan(
    known: Known, files: tuple[PlannedFile, ...], previous: str | None, change: Change
) -> RepoPlan:
    key, commit = known.place
    return RepoPlan(
        key=key,
        asked=key,
        revision=min(known.names, default=commit),
        commit=commit,
        previous=previous,
        change=change,
        files=files,
        upstream=known.manifest.upstream,
    )
