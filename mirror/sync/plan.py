"""What one commit of one repo needs: a pure function of (wanted, upstream, store).

The caller has looked up everything before: the tree listing, which of its bytes the
store holds, the manifest of the same commit if there is one. So the same inputs give
the same plan, ``--dry-run`` prints what ``sync`` does, and resuming is planning again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mirror.errors import BadAnswerError
from mirror.hub.model import RepoInfo, TreeFile
from mirror.hub.patterns import left_out
from mirror.names import check_repo_path
from mirror.settings import PolicySettings
from mirror.store.manifest import Manifest, ManifestFile
from mirror.store.view import case_collisions
from mirror.sync.model import Action, Change, FileFilter, PlannedFile, Refusal, RepoPlan, Wanted
from mirror.sync.policy import (
    Rule,
    refusal_of_repo,
    refusal_of_size,
    refusal_of_weights,
    weights_left_out,
)


@dataclass(frozen=True)
class Held:
    """What the store knows about this commit."""

    digests: Mapping[str, str]
    """etag → sha256, for every file of the tree whose bytes are in the store."""
    previous: str | None
    """The commit that the ref points at now."""
    manifest: Manifest | None
    """The manifest of this very commit, if there is one."""


def plan_repo(
    wanted: Wanted,
    info: RepoInfo,
    tree: Sequence[TreeFile],
    held: Held,
    policy: PolicySettings,
    *,
    mirror_size: int = 0,
) -> RepoPlan | Refusal:
    """Plan one revision of one repo.

    Args:
        wanted: the repo, the revision, and the filters on its files.
        info: upstream's answer, with the commit that the revision points at.
        tree: every file of that commit.
        held: what the store has.
        policy: what may not come in.
        mirror_size: bytes in the store, with what the run has promised so far.

    Returns:
        The plan, or the rule that refuses the repo.

    Raises:
        UnsafePathError: a file name must not be created.
        BadAnswerError: the tree contradicts itself.
    """
    _check_tree(tree)
    paths = [file.path for file in tree]
    rule = refusal_of_repo(info.raw, policy) or refusal_of_weights(info.key, paths, policy)
    if rule is not None:
        return _refusal(info, wanted, rule)
    reasons = skip_reasons(wanted.filters, tree)
    for path, reason in weights_left_out(info.key, paths, policy).items():
        reasons.setdefault(path, reason)
    etags = {file.path: file.etag for file in tree}
    if held.manifest is not None:
        # A selection that shrinks removes nothing by itself.
        for file in held.manifest.present_files:
            confirmed = held.digests.get(etags.get(file.path, "")) == file.sha256
            if confirmed or not held.manifest.adopted:
                reasons.pop(file.path, None)
    files = tuple(
        _planned(file, reasons.get(file.path), held.digests)
        for file in sorted(tree, key=lambda file: file.path)
    )
    size = sum(file.size for file in files if file.action is not Action.SKIP)
    rule = refusal_of_size(size, mirror_size, growth(files), policy)
    if rule is not None:
        return _refusal(info, wanted, rule)
    return RepoPlan(
        key=info.key,
        asked=wanted.key,
        revision=wanted.revision,
        commit=info.commit,
        previous=held.previous,
        change=_change(info.commit, held, files),
        files=files,
        upstream=info.raw,
        warnings=(*_nothing_selected(files), *_warnings(paths)),
    )


def skip_reasons(filters: Sequence[FileFilter], tree: Sequence[TreeFile]) -> dict[str, str]:
    """Give the files that every filter leaves out, with the first filter's reason."""
    if not filters:
        return {}
    each = [_reasons(one, tree) for one in filters]
    common = set(each[0]).intersection(*each[1:])
    return {path: reason for path, reason in each[0].items() if path in common}


def tree_of(manifest: Manifest) -> tuple[TreeFile, ...]:
    """Give the tree listing that a manifest keeps: no need to ask upstream for it again."""
    return tuple(
        TreeFile(file.path, file.size, file.blob_id, file.lfs_sha256) for file in manifest.files
    )


def manifest_of(
    plan: RepoPlan, fetched: Mapping[str, str], *, endpoint: str, created: str
) -> Manifest:
    """Give the manifest that publishes a plan.

    Args:
        plan: what was planned.
        fetched: etag → sha256 of the files that were fetched.
        endpoint: the upstream they came from.
        created: ISO 8601, UTC.

    Raises:
        KeyError: a file of the plan was not fetched: a fault of ours.
    """
    files = tuple(_manifest_file(file, fetched) for file in plan.files)
    return Manifest(
        repo_type=plan.key.repo_type,
        repo_id=plan.key.repo_id,
        commit=plan.commit,
        created=created,
        files=files,
        upstream=dict(plan.upstream),
        endpoint=endpoint,
    )


def filled_up(manifest: Manifest, earlier: Manifest) -> Manifest:
    """Keep what the mirror has of the same commit: publishing takes nothing away.

    Two plans for one commit (another revision, another name, other filters) can be made
    before either is published.
    """
    if earlier.adopted:  # the plan has kept what upstream confirms of it, and that alone
        return manifest.model_copy(update={"created": earlier.created})
    present = {file.path: file for file in earlier.present_files}
    files = tuple(file if file.present else present.get(file.path, file) for file in manifest.files)
    return manifest.model_copy(update={"files": files, "created": earlier.created})


def _manifest_file(file: PlannedFile, fetched: Mapping[str, str]) -> ManifestFile:
    present = file.action is not Action.SKIP
    digest = file.sha256 or (fetched[file.etag] if present else file.lfs_sha256)
    return ManifestFile(
        path=file.path,
        size=file.size,
        blob_id=file.blob_id,
        lfs_sha256=file.lfs_sha256,
        sha256=digest,
        present=present,
        absent_because=file.because,
    )


def _planned(file: TreeFile, reason: str | None, digests: Mapping[str, str]) -> PlannedFile:
    digest = digests.get(file.etag)
    wanted = Action.FETCH if digest is None else Action.REUSE
    return PlannedFile(
        path=file.path,
        size=file.size,
        blob_id=file.blob_id,
        lfs_sha256=file.lfs_sha256,
        sha256=digest,
        action=wanted if reason is None else Action.SKIP,
        because=reason,
    )


def _reasons(one: FileFilter, tree: Sequence[TreeFile]) -> dict[str, str]:
    reasons = left_out([file.path for file in tree], one.include, one.exclude)
    if one.max_size is not None:
        for file in tree:
            if file.size > one.max_size:
                reasons.setdefault(file.path, f"max_size {one.max_size}")
    return reasons


def growth(files: Sequence[PlannedFile]) -> int:
    """Bytes that fetching adds to the store: the same bytes twice in a repo count once."""
    return sum({file.etag: file.size for file in files if file.action is Action.FETCH}.values())


def _change(commit: str, held: Held, files: Sequence[PlannedFile]) -> Change:
    if held.previous != commit:
        return Change.NEW if held.previous is None else Change.UPDATE
    if held.manifest is not None and held.manifest.adopted:
        return Change.FILL
    present = {file.path for file in held.manifest.present_files} if held.manifest else set()
    missing = any(
        file.action is Action.FETCH or (file.action is Action.REUSE and file.path not in present)
        for file in files
    )
    return Change.FILL if missing or held.manifest is None else Change.UNCHANGED


def _check_tree(tree: Sequence[TreeFile]) -> None:
    paths = {check_repo_path(file.path) for file in tree}
    if len(paths) != len(tree):
        twice = Counter(file.path for file in tree).most_common(1)[0][0]
        raise BadAnswerError(f"upstream lists {twice!r} twice in one commit")
    for path in paths:
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if (folder := "/".join(parts[:depth])) in paths:
                raise BadAnswerError(f"upstream lists {folder!r} both as a file and as a folder")


def _warnings(paths: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        f"{one} and {other} are one name where case and Unicode form make no difference"
        for one, other in case_collisions(sorted(paths))
    )


def _nothing_selected(files: Sequence[PlannedFile]) -> tuple[str, ...]:
    """Warn of a selection that is probably misspelt: it leaves nothing to load."""
    if not files or any(file.action is not Action.SKIP for file in files):
        return ()
    reasons = ", ".join(dict.fromkeys(file.because or "" for file in files))
    return (f"none of its {len(files)} files is selected ({reasons[:200]})",)


def _refusal(info: RepoInfo, wanted: Wanted, rule: Rule) -> Refusal:
    return Refusal(info.key, wanted.revision, *rule)
