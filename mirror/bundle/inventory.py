"""What a mirror has, in short: the subject of a receipt, and of ``--since``.

Repos with their refs and commits, and, in a receipt, the first 8 bytes of the name of every
content: 11 bytes of text for each, and enough to tell whether it must be sent (with a million
contents on both sides, a wrong answer in 20 million exports).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mirror.bundle.content import manifest_digest
from mirror.errors import BadNameError
from mirror.names import RepoKey, check_ref_name, is_commit, is_digest
from mirror.store import Store
from mirror.store.journal import last_record
from mirror.store.provenance import read_provenance

PREFIX: Final = 8
_MAX_REPOS: Final = 10_000_000


@dataclass(frozen=True)
class Holding:
    """What a mirror has of one repo."""

    refs: Mapping[str, str]
    commits: Mapping[str, str]
    """Commit → digest of its manifest."""
    seen: str = ""
    """The newest observation of upstream."""
    sender: str = ""
    """Who brought it; empty where it came in another way."""

    def as_json(self) -> dict[str, Any]:
        """The JSON form, without what is not known."""
        form: dict[str, Any] = {"refs": dict(self.refs), "commits": dict(self.commits)}
        if self.seen:
            form["seen"] = self.seen
        if self.sender:
            form["sender"] = self.sender
        return form


@dataclass(frozen=True)
class Inventory:
    """What a mirror has."""

    repos: Mapping[RepoKey, Holding] = field(default_factory=dict)
    blobs: frozenset[bytes] | None = None
    """The beginnings of the names of its contents; ``None`` where they are not told."""

    def joined(self, repos: Mapping[RepoKey, Holding]) -> Inventory:
        """Add what comes: refs and commits of a repo are joined with those that are there."""
        joined = dict(self.repos)
        for key, new in repos.items():
            if (old := joined.get(key)) is not None:
                new = replace(
                    new,
                    refs={**old.refs, **new.refs},
                    commits={**old.commits, **new.commits},
                    seen=max(old.seen, new.seen),
                )
            joined[key] = new
        return Inventory(joined, None)


def prefix_of(digest: str) -> bytes:
    """Give the beginning of a content's name."""
    return bytes.fromhex(digest[: 2 * PREFIX])


def take_inventory(store: Store, keys: Iterable[RepoKey] | None = None) -> Inventory:
    """Read what is in a store.

    Raises:
        DamagedError: a manifest or a list of refs cannot be read.
    """
    repos: dict[RepoKey, Holding] = {}
    blobs: set[bytes] = set()
    for key in sorted(store.repos() if keys is None else keys):
        manifests = [store.manifest(key, commit) for commit in store.commits(key)]
        for manifest in manifests:
            blobs.update(prefix_of(str(file.sha256)) for file in manifest.present_files)
        came = read_provenance(store.layout.provenance(key))
        repos[key] = Holding(
            refs=store.refs(key),
            commits={manifest.commit: manifest_digest(manifest) for manifest in manifests},
            seen=newest_observation(store, key),
            sender=came[-1].sender if came else "",
        )
    return Inventory(repos, frozenset(blobs))


def newest_observation(store: Store, key: RepoKey) -> str:
    """Give the time of what upstream said last about a repo; empty where it never did."""
    record = last_record(store.layout.history(store.canonical(key)))
    return str(record.get("time", "")) if record else ""


def encode_inventory(inventory: Inventory) -> dict[str, Any]:
    """Give the JSON form."""
    form: dict[str, Any] = {
        "repos": {str(key): holding.as_json() for key, holding in sorted(inventory.repos.items())}
    }
    if inventory.blobs is not None:
        form["blobs"] = base64.b64encode(b"".join(sorted(inventory.blobs))).decode()
    return form


def decode_inventory(value: Mapping[str, Any]) -> Inventory:
    """Read the JSON form.

    Raises:
        ValueError: not an inventory: says what is wrong.
    """
    repos = value.get("repos", {})
    if not isinstance(repos, dict) or len(repos) > _MAX_REPOS:
        raise ValueError("the inventory has no list of repos")
    try:
        held = {RepoKey.parse(name): _decode_holding(entry) for name, entry in repos.items()}
    except (BadNameError, AttributeError, TypeError) as error:
        raise ValueError(f"the inventory names what is no repo ({error})") from error
    return Inventory(held, _decode_blobs(value.get("blobs")))


def _decode_holding(entry: Mapping[str, Any]) -> Holding:
    refs, commits = entry.get("refs", {}), entry.get("commits", {})
    if not all(is_commit(commit) for commit in (*refs.values(), *commits)):
        raise ValueError("the inventory names what is no commit")
    if not all(is_digest(digest) for digest in commits.values()):
        raise ValueError("the inventory names what is no digest")
    for name in refs:
        check_ref_name(name)
    return Holding(dict(refs), dict(commits), _text(entry.get("seen")), _text(entry.get("sender")))


def _decode_blobs(text: object) -> frozenset[bytes] | None:
    if text is None:
        return None
    try:
        data = base64.b64decode(str(text), validate=True)
    except binascii.Error as error:
        raise ValueError("the inventory's contents are not base64") from error
    return frozenset(data[place : place + PREFIX] for place in range(0, len(data), PREFIX))


def _text(value: object) -> str:
    return value[:200] if isinstance(value, str) else ""


def known_blobs(store: Store, inventory: Inventory) -> Collection[bytes]:
    """Give the beginnings of the names of all contents that the other side has.

    Where it does not tell them: those of the commits that both have, as this store knows them.
    """
    if inventory.blobs is not None:
        return inventory.blobs
    found: set[bytes] = set()
    for key, holding in inventory.repos.items():
        here = set(store.commits(key))
        for commit, digest in holding.commits.items():
            if commit not in here:
                continue
            manifest = store.manifest(key, commit)
            if manifest_digest(manifest) == digest:
                found.update(prefix_of(str(file.sha256)) for file in manifest.present_files)
    return found
