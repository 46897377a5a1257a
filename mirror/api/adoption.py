"""Adopt folders, as a user of the mirror does: with its settings, its catalog, a report.

An adoption is the act of the person who runs the mirror, so the policy forbids nothing
here; what it would have said is told as a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from mirror.adopt import (
    HUB_HOSTS,
    Adopted,
    AdoptionReport,
    Share,
    SnapshotPlan,
    Told,
    carry_out,
    plan_adoption,
)
from mirror.api.indexing import index_changes
from mirror.catalog.record.front_matter import parse_front_matter
from mirror.names import RepoKey, RepoType, is_commit
from mirror.settings import PolicySettings, Settings
from mirror.store import Manifest, Store
from mirror.sync.policy import refusal_of_repo, refusal_of_weights, weights_left_out

_CARD: Final = "README.md"
_CARD_BYTES: Final = 4 << 20


def told(
    repo: str | RepoKey | None, commit: str | None, ref: str | None, settings: Settings
) -> Told:
    """Give what a person says about a folder, and where its remotes may be."""
    host = urlsplit(settings.upstream.endpoint).netloc.lower()
    key = repo if isinstance(repo, RepoKey) or repo is None else RepoKey.parse(repo)
    return Told(key, commit, ref, HUB_HOSTS | {host})


def adopt_folders(
    store: Store,
    settings: Settings,
    folders: Iterable[Path | str],
    said: Told,
    *,
    share: Share,
    progress: Callable[[int, int], None] | None,
) -> AdoptionReport:
    """Plan, take in, report, and bring the catalog up to date.

    Raises: as :meth:`mirror.api.Mirror.adopt`.
    """
    with store.write_lock("adopt"):
        plan = plan_adoption(store, map(Path, folders), said)
        report = carry_out(store, plan, share=share, progress=progress)
        adopted = tuple(_warned(store, settings.policy, one) for one in report.snapshots)
        report = replace(report, snapshots=adopted)
        store.write_report(report.as_json(), datetime.fromisoformat(report.started))
    index_changes(store)
    return report


def entries_for(
    snapshots: Iterable[SnapshotPlan], settings: Settings, store: Store
) -> list[tuple[RepoType, dict[str, Any]]]:
    """Give the entries of mirror.toml that keep following what was adopted.

    Repos that an entry names already, by whatever name, are left out.
    """
    named = (RepoKey(kind, e.id) for kind, _, e in settings.numbered_entries() if e.id)
    selected = {store.canonical(key) for key in named}
    revisions: dict[RepoKey, dict[str, None]] = {}
    for snapshot in snapshots:
        key = snapshot.found.key
        if key not in selected:
            revisions.setdefault(key, {}).update(dict.fromkeys(snapshot.refs))
    return [(key.repo_type, _entry(key, list(names))) for key, names in revisions.items()]


def add_command(kind: RepoType, entry: dict[str, Any]) -> str:
    """Give the command that adds an entry."""
    revisions = entry.get("revisions", ())
    return " ".join(
        [f"mirror add {kind.plural}/{entry['id']}", *(f"--revision {r}" for r in revisions)]
    )


def _entry(key: RepoKey, names: list[str]) -> dict[str, Any]:
    # A pinned commit needs no following where a ref is followed.
    moving = sorted(name for name in names if not is_commit(name)) or sorted(names)
    return {"id": key.repo_id} if moving == ["main"] else {"id": key.repo_id, "revisions": moving}


def _warned(store: Store, policy: PolicySettings, one: Adopted) -> Adopted:
    if not one.published:
        return one
    manifest = store.manifest(one.plan.found.key, one.plan.found.commit)
    return replace(one, warnings=tuple(_policy_warnings(store, policy, manifest)))


def _policy_warnings(store: Store, policy: PolicySettings, manifest: Manifest) -> list[str]:
    """Say which rules of ``[policy]`` a sync would hold against it, as far as a card tells."""
    raw = manifest.upstream or {"cardData": _card_data(store, manifest)}
    paths = [file.path for file in manifest.present_files]
    rule = refusal_of_repo(raw, policy) or refusal_of_weights(manifest.key, paths, policy)
    warnings = [f"a sync would refuse it: {rule[1]} ({rule[0]})"] if rule else []
    if left_out := weights_left_out(manifest.key, paths, policy):
        first, reason = next(iter(sorted(left_out.items())))
        warnings.append(f"a sync would leave out {len(left_out)} files, {first} first ({reason})")
    return warnings


def _card_data(store: Store, manifest: Manifest) -> dict[str, Any]:
    card = manifest.file(_CARD)
    if card is None or not card.present or card.size > _CARD_BYTES:
        return {}
    with store.blobs.open(str(card.sha256)) as stream:
        text = stream.read(_CARD_BYTES).decode(errors="replace")
    if not text.startswith("---"):
        return {}
    values, _ = parse_front_matter(text[3:].partition("\n---")[0])
    return values
