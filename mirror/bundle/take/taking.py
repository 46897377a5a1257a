"""A bundle that is here entirely, into the mirror: check what it says, then publish.

First everything is read once and nothing is written: each manifest is the one that the head
promises, and every content that it needs is here. Then contents get their place, each
snapshot is published as by a sync, and last the import is noted. Killed anywhere, the mirror
has whole snapshots, old or new, and the same import ends the work.

The write lock is held.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from mirror.bundle import form
from mirror.bundle.content import read_manifest
from mirror.bundle.head import Head, SnapshotEntry, decode_head
from mirror.bundle.listing import decode_listing
from mirror.bundle.log import ImportRecord, add_import, keep_proof
from mirror.bundle.signing import Signer
from mirror.bundle.take.staging import Staging
from mirror.errors import (
    BadNameError,
    DamagedBundleError,
    MirrorError,
    MissingParentError,
    NotFoundError,
    UnsafeBundleError,
)
from mirror.names import MAX_REPO_SIZE, RepoKey, check_ref_name
from mirror.store import Manifest, Observation, Store
from mirror.store.opening import open_regular, read_regular
from mirror.store.provenance import Origin, Provenance, add_provenance

#: Files of all manifests together that are kept from one look to the next: 1 KB each.
_KEPT_FILES: Final = 200_000


@dataclass(frozen=True)
class RepoRecord:
    """What a bundle says of one repo, apart from its manifests."""

    key: RepoKey
    aliases: tuple[RepoKey, ...]
    refs: Mapping[str, str]
    history: tuple[Observation, ...]


class Records:
    """Every repo of a bundle, each followed by its manifests; may be gone through twice.

    Raises, while it is gone through:
        DamagedBundleError: a line is no record, or a manifest is not what its digest says.
        MissingParentError: a manifest to build on is not here.
    """

    def __init__(self, store: Store, head: Head, staging: Staging) -> None:
        self._store = store
        self._staging = staging
        self._promised = {(entry.key, entry.commit): entry.digest for entry in head.snapshots}
        few = sum(entry.files for entry in head.snapshots) <= _KEPT_FILES
        self._kept: list[RepoRecord | Manifest] | None = [] if few else None
        self._whole = False

    def __iter__(self) -> Iterator[RepoRecord | Manifest]:
        """Read them, or give what was read before."""
        if self._whole and self._kept is not None:
            yield from self._kept
            return
        for whole in self._staging.paths(form.RECORDS):
            with open_regular(self._staging.path(whole)) as stream:
                while line := stream.readline(form.MAX_LINE_BYTES):
                    item = _read_line(self._store, line, whole, self._promised)
                    if self._kept is not None:
                        self._kept.append(item)
                    yield item
        self._whole = True


def take_in(
    store: Store,
    head: Head,
    staging: Staging,
    records: Records,
    signer: Signer,
    origins: Mapping[str, tuple[Origin, ...]],
    time: str,
) -> ImportRecord:
    """Publish everything that a staged bundle has, and note it; :func:`check_all` was content.

    ``origins`` says in which bundles the sender had got what: by the digest of a manifest.

    Raises:
        DiskError: the disk is full or refuses; the same import goes on.
    """
    promised = {(entry.key, entry.commit): entry for entry in head.snapshots}
    store.blobs.take_over(staging.blobs)
    for item in records:
        if isinstance(item, RepoRecord):
            _note_repo(store, item)
            continue
        entry = promised[item.key, item.commit]
        store.publish(_with_what_is_here(store, item), entry.refs)
        path = store.layout.provenance(item.key)
        add_provenance(path, [_provenance(head, entry, signer, origins, time)])
    for proof, files in proofs_in(staging).items():
        keep_proof(store, proof, files)
    keep_proof(store, head.id, staging.frame())
    record = make_record(head, signer, time)
    add_import(store, record)
    return record


def make_record(head: Head, signer: Signer, time: str) -> ImportRecord:
    """Give what is noted of a bundle that was taken in."""
    return ImportRecord(
        time=time,
        bundle=head.id,
        sequence=head.sequence,
        sender=head.sender,
        created=head.created,
        signer=signer.name,
        key=signer.key,
        removals=len(head.removals),
    )


def _with_what_is_here(store: Store, manifest: Manifest) -> Manifest:
    """Keep the files of the same commit that are present here, and left out by the sender.

    His selection has become narrower, and an import removes nothing.
    """
    if (here := store.manifest_if_any(manifest.key, manifest.commit)) is None:
        return manifest
    kept = {
        (file.path, file.blob_id): file
        for file in here.present_files
        if store.blobs.has(str(file.sha256), file.size)
    }
    files = tuple(
        file if file.present else kept.get((file.path, file.blob_id), file)
        for file in manifest.files
    )
    return manifest.model_copy(update={"files": files})


def check_all(head: Head, staging: Staging, records: Records) -> None:
    """See that the records say what the head says, and that nothing is missing.

    Raises:
        DamagedBundleError: a record is none, or not one that the head promises.
        MissingParentError: a content, or a manifest to build on, is not here.
    """
    promised = {(entry.key, entry.commit): entry for entry in head.snapshots}
    repo: RepoRecord | None = None
    names = _Names(head)
    for item in records:
        if isinstance(item, RepoRecord):
            repo = item
            names.add(repo)
            continue
        entry = promised.pop((item.key, item.commit), None)
        if repo is None or entry is None or not _agree(repo, item, entry):
            raise DamagedBundleError(
                f"bundle {head.id[:12]} holds {item.key} at {item.commit}, and its head says "
                "otherwise"
            )
        _require_contents(item, staging, head)
    if promised:
        missing = next(iter(promised.values()))
        raise DamagedBundleError(
            f"bundle {head.id[:12]} promises {missing.repo} at {missing.commit}, and has no such "
            "manifest"
        )
    names.require_all()


class _Names:
    """The repos that the records of a bundle tell of, compared with what its head promises."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._refs = {
            (entry.key, name): entry.commit for entry in head.snapshots for name in entry.refs
        }
        self._sent = {entry.key for entry in head.snapshots}
        self._seen: set[RepoKey] = set()
        self._observed = 0

    def add(self, repo: RepoRecord) -> None:
        """Take up one repo.

        Raises:
            DamagedBundleError: told twice, with refs that are not promised, or a name of two.
        """
        names = {repo.key, *repo.aliases}
        fits = all(self._refs.get((repo.key, name)) == c for name, c in repo.refs.items())
        twice = len(names) <= len(repo.aliases) or names & self._seen
        if not fits or twice or self._sent.intersection(repo.aliases):
            raise self._otherwise(str(repo.key))
        self._seen |= names
        if repo.key not in self._sent:
            self._observed += 1

    def require_all(self) -> None:
        """See that as many repos are only observed as the head says."""
        if self._observed != self._head.observed:
            raise self._otherwise(f"{self._observed:,} repos without a snapshot")

    def _otherwise(self, what: str) -> DamagedBundleError:
        bundle = self._head.id[:12]
        return DamagedBundleError(f"bundle {bundle} tells of {what}, and its head says otherwise")


def _agree(repo: RepoRecord, manifest: Manifest, entry: SnapshotEntry) -> bool:
    told = {name for name, commit in repo.refs.items() if commit == manifest.commit}
    present = manifest.present_files
    size = sum(file.size for file in present)
    counts = (len(present), size) == (entry.files, entry.size)
    return manifest.key == repo.key and told == set(entry.refs) and counts


def _require_contents(manifest: Manifest, staging: Staging, head: Head) -> None:
    for file in manifest.present_files:
        if not staging.has(str(file.sha256), file.size):
            raise MissingParentError(
                f"bundle {head.id[:12]} needs the content of {file.path} of {manifest.key}, "
                "which is neither in it nor here",
                hint="something that the sender counted on is gone here (a prune, a repair): "
                "mirror receipt here, then mirror export --for that receipt there",
            )


def _read_line(
    store: Store,
    line: bytes,
    source: str,
    promised: Mapping[tuple[RepoKey, str], str],
) -> RepoRecord | Manifest:
    try:
        record = json.loads(line)
        kind = record["kind"]
        if kind == "repo":
            return _repo_of(record)
    except (ValueError, TypeError, KeyError, RecursionError, BadNameError, AttributeError) as bad:
        raise DamagedBundleError(f"{source}: a line is no record ({bad})") from bad
    if kind != "manifest":
        raise DamagedBundleError(f"{source}: a record of the kind {str(kind)[:50]!r}")
    manifest = read_manifest(record, _base_of(store, record, source), source)
    if promised.get((manifest.key, manifest.commit)) != record["digest"]:
        raise DamagedBundleError(
            f"{source}: {manifest.key} at {manifest.commit} is not the snapshot that the head names"
        )
    return manifest


def _repo_of(record: Mapping[str, Any]) -> RepoRecord:
    refs = {check_ref_name(name): commit for name, commit in record["refs"].items()}
    key = RepoKey.parse(record["repo"])
    aliases = tuple(RepoKey.parse(alias) for alias in record["aliases"])
    if any(alias.repo_type != key.repo_type for alias in aliases):
        raise ValueError(f"a name of {key} is of another type")
    return RepoRecord(
        key=key,
        aliases=aliases,
        refs=refs,
        history=tuple(map(_observation_of, record["history"])),
    )


def _observation_of(record: Mapping[str, Any]) -> Observation:
    seen = Observation.from_json(dict(record))
    if seen is None:
        raise ValueError("it is no observation of upstream")
    datetime.fromisoformat(seen.time)
    if not all(_is_count(count) for count in (seen.downloads, seen.likes)):
        raise ValueError("upstream does not count so")
    if not isinstance(seen.gated, bool | str | None):
        raise ValueError("upstream does not gate so")
    json.dumps(seen.as_json(), ensure_ascii=False).encode()  # it can be written down
    return seen


def _is_count(value: object) -> bool:
    return value is None or (type(value) is int and 0 <= value <= MAX_REPO_SIZE)


def _base_of(store: Store, record: Mapping[str, Any], source: str) -> Manifest | None:
    if (base := record.get("base")) is None:
        return None
    try:
        named = record["manifest"]
        key = RepoKey.parse(f"{named['repo_type']}s/{named['repo_id']}")
        return store.manifest(key, str(base))
    except NotFoundError as error:
        raise MissingParentError(
            f"{source} tells a manifest by what differs from {key} at {base}, which is not here",
            hint="mirror receipt here, then mirror export --for that receipt there",
        ) from error
    except (KeyError, TypeError) as error:
        raise DamagedBundleError(f"{source}: a manifest does not say of which repo") from error


def _note_repo(store: Store, repo: RepoRecord) -> None:
    for alias in repo.aliases:
        store.add_alias(alias, repo.key)
    store.add_history(repo.key, repo.history)


def _provenance(
    head: Head,
    entry: SnapshotEntry,
    signer: Signer,
    origins: Mapping[str, tuple[Origin, ...]],
    time: str,
) -> Provenance:
    return Provenance(
        time=time,
        commit=entry.commit,
        refs=entry.refs,
        bundle=head.id,
        sequence=head.sequence,
        sender=head.sender,
        signer=signer.name,
        key=signer.key,
        origins=origins.get(entry.digest, ()),
    )


def proofs_in(staging: Staging) -> dict[str, dict[str, bytes]]:
    """Give the kept frames of earlier bundles, by id.

    Raises:
        UnsafeBundleError: one is of an absurd size.
    """
    found: dict[str, dict[str, bytes]] = {}
    for whole in staging.paths(form.ORIGINS):
        _, bundle, name = whole.split("/")
        path = staging.path(whole)
        if path.stat().st_size > form.PROOF[name]:
            raise UnsafeBundleError(f"{whole} is larger than any of its kind")
        found.setdefault(bundle, {})[name] = read_regular(path)
    return found


def read_origin(bundle: str, files: Mapping[str, bytes]) -> Head:
    """Read the head of an earlier bundle that came along, and check that it is whole.

    Raises:
        UnsafeBundleError: it is not what it says.
    """
    source = f"origins/{bundle}"
    try:
        head = decode_head(files[form.HEAD], source)
        listed = decode_listing(files[form.LISTING], source)
    except (KeyError, MirrorError) as error:
        raise UnsafeBundleError(f"{source} is no proof of an earlier bundle ({error})") from error
    if head.id != bundle or listed.get(form.HEAD) != hashlib.sha256(files[form.HEAD]).hexdigest():
        raise UnsafeBundleError(f"{source} is the proof of another bundle")
    return head
