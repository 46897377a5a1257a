"""One repo of the store into its record: the only place here that opens files.

What it reads, it hands on as plain values; what they mean is decided in the modules
beside this one, which are pure.
"""

from __future__ import annotations

from dataclasses import replace

from mirror.catalog.record.metadata import RepoRecord, describe
from mirror.catalog.record.row_counts import fill_rows
from mirror.catalog.record.source import read_source
from mirror.names import RepoKey
from mirror.store import Store


def read_record(store: Store, key: RepoKey) -> RepoRecord | None:
    """Read all that the mirror has of one repo; ``None`` where nothing is published.

    Raises:
        MirrorError: the refs, or the manifest they point at, cannot be read.
    """
    source = read_source(store, key)
    if source is None:
        return None
    record = describe(source)
    return replace(record, subsets=fill_rows(store, record.subsets, record.files))
