"""What senders have removed, and propose to remove here: read from the bundles that came.

A proposal holds if its sender has brought that ref himself, while the ref still points at the
commit that it names, and until a later bundle brings it again or no longer proposes it.
``mirror prune --proposed`` shows and applies; nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mirror.bundle.head import Head
from mirror.bundle.log import ImportRecord, kept_head, read_remembered
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
    for record, head in _latest(store, imports):
        for removal in head.removals:
            key = store.canonical(removal.key)
            if store.refs(key).get(removal.ref) != removal.commit:
                continue
            came = read_provenance(store.layout.provenance(key))
            brought = [one for one in came if removal.ref in one.refs]
            own = any(one.sender == record.sender for one in brought)
            if own and max(order.get(one.bundle, -1) for one in brought) < order[record.bundle]:
                why = f"{removal.why} ({record.sender}, bundle {record.bundle[:12]})"
                yield DoomedRef(key, removal.ref, removal.commit, why)


def _latest(store: Store, imports: Sequence[ImportRecord]) -> Iterator[tuple[ImportRecord, Head]]:
    """Give of each sender the newest bundle that was made with knowledge of what is here.

    It proposes again whatever still holds. What it does not name the sender may have again,
    and not have sent, because it was here.
    """
    done: set[str] = set()
    for record in reversed(imports):
        if record.sender not in done and (head := kept_head(store, record.bundle)).parents:
            done.add(record.sender)
            yield record, head
