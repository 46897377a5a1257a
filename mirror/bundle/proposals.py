"""What senders have removed, and propose to remove here: read from the bundles that came.

A proposal holds while the ref still points at the commit that it names, and no later bundle
has brought that ref again. ``mirror prune --proposed`` shows and applies; nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterator

from mirror.bundle.log import kept_head, read_remembered
from mirror.store import DoomedRef, Store
from mirror.store.provenance import read_provenance


def proposed_removals(store: Store) -> tuple[DoomedRef, ...]:
    """Give the refs that senders propose to drop, each once.

    Raises:
        DamagedError: the head of a bundle that proposed some cannot be read.
    """
    return tuple({(one.key, one.ref): one for one in _proposals(store)}.values())


def _proposals(store: Store) -> Iterator[DoomedRef]:
    imports = read_remembered(store).imports
    order = {record.bundle: number for number, record in enumerate(imports)}
    for record in imports:
        if not record.removals:
            continue
        for removal in kept_head(store, record.bundle).removals:
            key = store.canonical(removal.key)
            if store.refs(key).get(removal.ref) != removal.commit:
                continue
            came = read_provenance(store.layout.provenance(key))
            brought = [order.get(one.bundle, -1) for one in came if removal.ref in one.refs]
            if max(brought, default=-1) < order[record.bundle]:
                why = f"{removal.why} ({record.sender}, bundle {record.bundle[:12]})"
                yield DoomedRef(key, removal.ref, removal.commit, why)
