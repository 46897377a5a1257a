"""Two repos share bytes that rot on the disk: whatever fetches them again heals both."""

from __future__ import annotations

import pytest

from mirror.store import Store, repair, verify
from tests.fakehub import FakeHub
from tests.sync.lab import Lab, check_complete, entries, model

ONE, OTHER = model("acme/one"), model("acme/other")
SHARED = b"the same bytes in both" * 100


@pytest.fixture
def damaged(hub: FakeHub, store: Store) -> Lab:
    """A mirror whose shared blob has been found damaged, and moved away."""
    hub.add_repo("model", "acme/one", {"shared.txt": SHARED, "one.txt": b"1"})
    hub.add_repo("model", "acme/other", {"shared.txt": SHARED, "other.txt": b"2"})
    lab = Lab(hub, store, entries("acme/one", "acme/other"))
    lab.sync()
    digest = next(file.sha256 for file in store.manifest(ONE, store.resolve(ONE)).files[-1:])
    path = store.blobs.path(str(digest))
    path.chmod(0o644)
    path.write_bytes(SHARED[:-1] + b"!")
    findings = verify(store).findings
    assert {"blob-corrupt"} == {finding.kind for finding in findings if finding.is_problem}
    with store.write_lock("test"):
        repair(store, findings)
    return lab


def test_a_sync_of_one_repo_heals_the_other(damaged: Lab) -> None:
    damaged.sync([ONE])
    check_complete(damaged, ONE, OTHER)


def test_a_repair_of_one_repo_heals_the_other(damaged: Lab) -> None:
    damaged.repair(ONE)
    check_complete(damaged, ONE, OTHER)
