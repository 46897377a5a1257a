"""Bytes and snapshots on disk. No network, no SQL."""

from mirror.store.blobs import Blobs
from mirror.store.digests import Digests, Hasher, hash_bytes, hash_file, lfs_pointer
from mirror.store.git_index import GitIndex
from mirror.store.history import Observation
from mirror.store.layout import FORMAT, Layout
from mirror.store.lock import Patience
from mirror.store.manifest import Manifest, ManifestFile, decode_manifest, encode_manifest
from mirror.store.noted import NotedDamage, forget_damage, note_damage, noted_damage
from mirror.store.provenance import Origin, Provenance, add_provenance, read_provenance
from mirror.store.prune import (
    DoomedBlob,
    DoomedFile,
    DoomedRef,
    DoomedSnapshot,
    PrunePlan,
    apply_prune,
    plan_prune,
)
from mirror.store.repair import (
    RepairReport,
    finish_repair,
    rebuild_git_index,
    rebuild_view,
    relink,
    repair,
)
from mirror.store.store import Store
from mirror.store.verify import Finding, VerifyReport, verify, verify_blobs
from mirror.store.view import View, case_collisions

__all__ = [
    "FORMAT",
    "Blobs",
    "Digests",
    "DoomedBlob",
    "DoomedFile",
    "DoomedRef",
    "DoomedSnapshot",
    "Finding",
    "GitIndex",
    "Hasher",
    "Layout",
    "Manifest",
    "ManifestFile",
    "NotedDamage",
    "Observation",
    "Origin",
    "Patience",
    "Provenance",
    "PrunePlan",
    "RepairReport",
    "Store",
    "VerifyReport",
    "View",
    "add_provenance",
    "apply_prune",
    "case_collisions",
    "decode_manifest",
    "encode_manifest",
    "finish_repair",
    "forget_damage",
    "hash_bytes",
    "hash_file",
    "lfs_pointer",
    "note_damage",
    "noted_damage",
    "plan_prune",
    "read_provenance",
    "rebuild_git_index",
    "rebuild_view",
    "relink",
    "repair",
    "verify",
    "verify_blobs",
]
