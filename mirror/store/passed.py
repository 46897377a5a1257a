"""Which refs a server has set, passing questions through to upstream: ``passed.json``.

Such a ref is followed for as long as clients ask for it, and only there; one that a sync has
moved since is the sync's again. Deleted, the refs stay where they are.
"""

from __future__ import annotations

from collections.abc import Mapping

from mirror.errors import DamagedError
from mirror.names import RepoKey
from mirror.store.atomic import write_atomic
from mirror.store.refs import encode_refs, read_refs
from mirror.store.store import Store


def passed_refs(store: Store, key: RepoKey) -> Mapping[str, str]:
    """Give the refs that still point where a server has set them; none where that is damaged."""
    try:
        passed = read_refs(store.layout.passed(store.canonical(key)))
        refs = store.refs(key) if passed else {}
    except DamagedError:
        return {}
    return {name: commit for name, commit in passed.items() if refs.get(name) == commit}


def note_passed(store: Store, key: RepoKey, refs: Mapping[str, str]) -> None:
    """Note that a server has set ``refs``. The write lock is held by the caller."""
    if refs and (known := passed_refs(store, key)) != {**known, **refs}:
        write_atomic(store.layout.passed(key), encode_refs({**known, **refs}))
