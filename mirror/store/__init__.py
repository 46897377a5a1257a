"""Bytes and snapshots on disk. No network, no SQL."""

from mirror.store.blobs import Blobs
from mirror.store.digests import Digests, Hasher, hash_bytes, hash_file
from mirror.store.git_index import GitIndex
from mirror.store.history import Observation
from mirror.store.layout import FORMAT, Layout
from mirror.store.manifest import Manifest, ManifestFile, decode_manifest, encode_manifest
from mirror.store.store import Store
from mirror.store.view import View, case_collisions

__all__ = [
    "FORMAT",
    "Blobs",
    "Digests",
    "GitIndex",
    "Hasher",
    "Layout",
    "Manifest",
    "ManifestFile",
    "Observation",
    "Store",
    "View",
    "case_collisions",
    "decode_manifest",
    "encode_manifest",
    "hash_bytes",
    "hash_file",
]
