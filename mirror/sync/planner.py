"""The thin hand before the plan: looks up what ``plan_repo`` needs, in the fewest steps.

Where change detection says that a head has not moved, the manifest answers for
upstream and no request is made. Reads the store, writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from mirror.errors import DamagedError
from mirror.hub import Upstream
from mirror.hub.model import RepoInfo, TreeFile
from mirror.names import RepoKey, is_commit
from mirror.settings import PolicySettings
from mirror.store import Store
from mirror.store.manifest import Manifest
from mirror.sync.model import Action, Amount, Change, PlannedFile, Refusal, RepoPlan, Wanted
from mirror.sync.plan import Held, growth, plan_repo, tree_of
from mirror.sync.policy import without_transfer_fields


class Planner:
    """Plans one repo after the other, and keeps count of what it has promised."""

    def __init__(
        self,
        store: Store,
        upstream: Upstream,
        policy: PolicySettings,
        heads: Mapping[RepoKey, str],
        *,
        mirror_size: int = 0,
    ) -> None:
        self._store = store
        self._upstream = upstream
        self._policy = policy
        self._heads = heads
        self._aliases = store.aliases()
        self._mirror_size = mirror_size

    async def plan(self, wanted: Wanted) -> tuple[RepoPlan | Refusal, RepoInfo | None]:
        """Plan one repo; also give what upstream said, where it was asked.

        Raises:
            MirrorError: upstream refused, did not answer, or its answer is not acceptable.
        """
        asked = None
        manifest = self._unmoved(wanted)
        if manifest is None:
            info = asked = await self._ask(wanted)
            manifest = self._store.manifest_if_any(info.key, info.commit)
        else:
            info = RepoInfo(manifest.key, manifest.commit, manifest.upstream)
        if manifest is None or manifest.adopted:
            tree = await self._upstream.tree(info.key, info.commit)
        else:
            tree = tree_of(manifest)
        plan = plan_repo(
            wanted,
            info,
            tree,
            Held(
                digests=held_digests(self._store, tree, manifest),
                previous=refs_if_any(self._store, info.key).get(wanted.revision),
                manifest=manifest,
            ),
            self._policy,
            mirror_size=self._mirror_size,
        )
        if isinstance(plan, RepoPlan):
            self._mirror_size += growth(plan.files)
        return plan, asked

    async def _ask(self, wanted: Wanted) -> RepoInfo:
        info = await self._upstream.repo_info(wanted.key, wanted.revision)
        return replace(info, raw=without_transfer_fields(info.raw))

    def _unmoved(self, wanted: Wanted) -> Manifest | None:
        """Give our manifest of what upstream has now, when it need not be asked."""
        key = self._aliases.get(wanted.key, wanted.key)
        if is_commit(wanted.revision):
            commit: str | None = wanted.revision
        elif wanted.revision == "main":
            local = refs_if_any(self._store, key).get("main")
            commit = local if local == self._heads.get(key) else None
        else:
            commit = None
        manifest = None if commit is None else self._store.manifest_if_any(key, commit)
        # What was adopted from a folder has not been compared with upstream yet.
        return None if manifest is None or manifest.adopted else manifest


def refs_if_any(store: Store, key: RepoKey) -> Mapping[str, str]:
    """Give the refs of a repo; damaged ones count as none, so that they are written anew."""
    try:
        return store.refs(key)
    except DamagedError:
        return {}


def held_digests(
    store: Store, tree: Sequence[TreeFile], manifest: Manifest | None
) -> dict[str, str]:
    """Give etag → sha256 for the files of a tree whose bytes the store has.

    LFS files are named by their sha256; for the others the manifest of the same commit
    knows, or the index of git ids, so that bytes are reused from whatever repo has them.
    """
    known = {file.etag: file.sha256 for file in manifest.files if file.sha256} if manifest else {}
    held: dict[str, str] = {}
    for file in tree:
        digest = known.get(file.etag)
        if digest is None or not store.blobs.has(digest, file.size):
            digest = held_digest(store, file)
        if digest is not None:
            held[file.etag] = digest
    return held


def held_digest(store: Store, file: TreeFile | PlannedFile) -> str | None:
    """Give the sha256 of a file if the store has its bytes, from whatever repo."""
    digest = file.lfs_sha256 or store.git_index.find(file.blob_id)
    return digest if digest is not None and store.blobs.has(digest, file.size) else None


def plan_repair(manifest: Manifest, digests: Mapping[str, str]) -> RepoPlan:
    """Plan what a snapshot lacks of what its manifest says is there.

    Args:
        manifest: a readable manifest of the mirror.
        digests: etag → sha256 of what the store holds.
    """
    files = tuple(
        PlannedFile(
            path=file.path,
            size=file.size,
            blob_id=file.blob_id,
            lfs_sha256=file.lfs_sha256,
            sha256=digests.get(file.etag, file.lfs_sha256 if not file.present else None),
            action=_repair_action(file.present, file.etag in digests),
            because=file.absent_because,
        )
        for file in manifest.files
    )
    lacks = Amount.of(files, Action.FETCH).files > 0
    return RepoPlan(
        key=manifest.key,
        asked=manifest.key,
        revision=manifest.commit,
        commit=manifest.commit,
        previous=manifest.commit,
        change=Change.FILL if lacks else Change.UNCHANGED,
        files=files,
        upstream=manifest.upstream,
    )


def plan_as_shown(plan: RepoPlan, shown: Collection[str]) -> RepoPlan:
    """Plan a snapshot whose manifest was lost: the files that the view still shows.

    Args:
        plan: for all files of the commit.
        shown: paths; where the view is lost too, the whole commit is planned.
    """
    files = tuple(
        file
        if file.path in shown or not shown
        else replace(file, action=Action.SKIP, because="not there before")
        for file in plan.files
    )
    return replace(plan, files=files, previous=plan.commit, change=Change.FILL)


def _repair_action(present: bool, held: bool) -> Action:
    if not present:
        return Action.SKIP
    return Action.REUSE if held else Action.FETCH
