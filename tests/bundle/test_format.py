"""Bundles and a receipt of format 1 as they were first written: they must come in for ever.

``format-1/`` is never changed; ``make_format_1.py`` says how it was made.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mirror.names import RepoKey, RepoType
from mirror.store import verify
from mirror.store.provenance import read_provenance
from tests.bundle.make_format_1 import CARD, DATASET, FILES, GONE, MODEL, NEWER, ONE, TWO, WORDS
from tests.bundle.making import Side, imported, new_side
from tests.store.making import contents

SAMPLE = Path(__file__).parent / "format-1"
FIRST = [SAMPLE / "first" / name for name in ("volume-002", "volume-001")]
RECEIPT = "384de201fed0fb08bd971735061635628ec913790a5a25a8d24758746dc016de"


@pytest.fixture
def lab(memory_path: Path) -> Side:
    """The lab that has made the receipt."""
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen")
    side = new_side(memory_path / "lab", "lab", None, SAMPLE / "allowed_signers")
    side.store.layout.exchange.mkdir()
    shutil.copy(SAMPLE / "receipts.jsonl", side.store.layout.exchange)
    return side


def test_the_first_bundle_comes_in(lab: Side) -> None:
    (partial,) = lab.take(FIRST[0])
    assert (4, (1,)) == (partial.exit_code, partial.missing)
    (report,) = lab.take(FIRST[1])
    assert (0, "outside@format-1") == (report.exit_code, report.signer.name)

    store = lab.store
    assert [MODEL, DATASET, GONE] == sorted(store.repos(), key=[MODEL, DATASET, GONE].index)
    assert {"main": ONE, "v1.0": ONE} == store.refs(MODEL)
    assert {"main": ONE, "refs/convert/parquet": ONE, ONE: ONE} == store.refs(DATASET)
    assert {RepoKey(RepoType.MODEL, "tiny"): MODEL} == store.aliases()
    assert FILES == contents(store.snapshot_path(MODEL, ONE))
    assert WORDS == contents(store.snapshot_path(DATASET, ONE))
    manifest = store.manifest(MODEL, ONE)
    assert ("exclude", False) == (manifest.files[1].absent_because, manifest.files[1].present)
    assert {"id": "acme/tiny", "tags": ["ko"]} == manifest.upstream
    assert [7] == [seen.downloads for seen in store.history(MODEL)]
    assert () == verify(store).findings
    assert "작은 모델" in CARD.decode()
    assert [MODEL] == [hit.key for hit in lab.mirror.search("작은 모델")]


def test_the_second_one_builds_on_it(lab: Side) -> None:
    lab.take(*FIRST)
    lab.take(SAMPLE / "second")
    assert {"main": TWO, "v1.0": ONE} == lab.store.refs(MODEL)
    assert NEWER == contents(lab.store.snapshot_path(MODEL, TWO))
    came = read_provenance(lab.store.layout.provenance(MODEL))
    assert imported(lab.store) == [one.bundle for one in came]
    assert ["outside@format-1"] * 2 == [one.signer for one in came]
    plan = lab.mirror.prune(dry_run=True, proposed=True)
    assert [(GONE, "main", ONE)] == [(one.key, one.ref, one.commit) for one in plan.refs]


def test_the_receipt_is_read(lab: Side) -> None:
    receipt, signer = lab.mirror.exchange.read_receipt(
        SAMPLE / "receipt.json", allowed_signers=SAMPLE / "allowed_signers"
    )
    assert (RECEIPT, "lab") == (receipt.id, receipt.name)
    assert "outside@format-1" == signer.name
    assert {MODEL, DATASET, GONE} == set(receipt.inventory.repos)
    assert 7 == len(receipt.inventory.blobs or ())
    assert ["outside"] == [one.sender for one in receipt.imports]
