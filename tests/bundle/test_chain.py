"""Three mirrors, A → B → C: the first signature stays, and can be checked with nothing of ours."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mirror.bundle import form
from mirror.errors import BadSignatureError, UnsafeBundleError
from mirror.names import RepoKey, RepoType
from mirror.store.provenance import Provenance, read_provenance
from tests.bundle.conftest import Keys
from tests.bundle.making import (
    Side,
    allow,
    contents,
    copy,
    imported,
    new_side,
    reseal,
    seen,
    shown,
    tree,
    update,
)
from tests.store.making import KEY, publish


@pytest.fixture
def middle(memory_path: Path, keys: Keys) -> Side:
    return new_side(memory_path / "middle", "middle", keys.middle, keys.allowed)


@pytest.fixture
def chained(sender: Side, middle: Side, bundle: Path, memory_path: Path) -> Path:
    """What the middle sends on, signed anew."""
    middle.take(bundle)
    middle.export(memory_path / "chained")
    return memory_path / "chained"


def provenance(side: Side) -> Provenance:
    (one, *_) = read_provenance(side.store.layout.provenance(KEY))
    return one


def fingerprint(key: Path) -> str:
    done = subprocess.run(["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True)
    return done.stdout.split()[1]


def test_who_signed_first_is_told_by_name(
    sender: Side, lab: Side, chained: Path, keys: Keys
) -> None:
    lab.take(chained)
    came = provenance(lab)
    assert ("middle", "middle@lab") == (came.sender, came.signer)
    assert fingerprint(keys.middle) == came.key
    (origin,) = came.origins
    assert ("outside", "sender@lab") == (origin.sender, origin.signer)
    assert fingerprint(keys.sender) == origin.key
    assert shown(sender.store) == shown(lab.store)


def test_a_first_signer_whom_nobody_knows_is_told_by_his_key(
    lab: Side, chained: Path, keys: Keys, memory_path: Path
) -> None:
    """The middle is known, and has vouched for it."""
    side = Side(lab.mirror, None, allow(memory_path / "allowed", [keys.middle]))
    side.take(chained)
    (origin,) = provenance(lab).origins
    assert ("outside", "", fingerprint(keys.sender)) == (origin.sender, origin.signer, origin.key)


def test_the_kept_proof_needs_nothing_of_ours(
    lab: Side, chained: Path, keys: Keys, middle: Side
) -> None:
    lab.take(chained)
    for bundle, name in ((*imported(middle.store), "sender"), (*imported(lab.store), "middle")):
        folder = lab.store.layout.exchange / "imports" / bundle
        verify = ["ssh-keygen", "-Y", "verify", "-f", keys.allowed, "-I", f"{name}@lab"]
        verify += ["-n", "hub-mirror-bundle", "-s", form.SIGNATURE]
        with (folder / form.LISTING).open("rb") as listing:
            subprocess.run(verify, cwd=folder, stdin=listing, check=True, capture_output=True)
        check = ["sha256sum", "-c", "--ignore-missing", "--strict", form.LISTING]
        done = subprocess.run(check, cwd=folder, check=True, capture_output=True, text=True)
        assert f"{form.HEAD}: OK\n" == done.stdout
        signed = {
            entry["digest"] for entry in json.loads((folder / form.HEAD).read_text())["snapshots"]
        }
        assert provenance(lab).commit and len(signed) == 2


def test_a_second_bundle_of_the_chain(
    sender: Side, middle: Side, lab: Side, chained: Path, memory_path: Path
) -> None:
    """Only the proof of what is sent goes along; four stations on it is the same."""
    lab.take(chained)
    update(sender.store)
    sender.export(memory_path / "second", receipt=middle.receipt(memory_path / "m.json"))
    middle.take(memory_path / "second")
    middle.export(memory_path / "onward", receipt=lab.receipt(memory_path / "l.json"))
    proofs = {path.name for path in (memory_path / "onward" / form.ORIGINS).iterdir()}
    assert {imported(middle.store)[-1]} <= proofs
    lab.take(memory_path / "onward")
    fourth = new_side(memory_path / "fourth", "fourth", None, lab.allowed)
    lab.export(memory_path / "last")
    fourth.take(memory_path / "last")
    newest = read_provenance(fourth.store.layout.provenance(KEY))
    assert {"outside", "middle"} == {one.sender for came in newest for one in came.origins}
    assert shown(sender.store)["view"].items() <= shown(fourth.store)["view"].items()


TAMPERED = {
    "head": lambda folder: (folder / form.HEAD).write_text("{}"),
    "another-id": lambda folder: folder.rename(folder.with_name("0" * 64)),
    "listing": lambda folder: (folder / form.LISTING).write_text(""),
    "no-listing": lambda folder: (folder / form.LISTING).unlink(),
    "no-head": lambda folder: (folder / form.HEAD).unlink(),
    "signature-alone": lambda folder: [
        (folder / name).unlink() for name in (form.HEAD, form.LISTING)
    ],
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_proof(lab: Side, chained: Path, keys: Keys, name: str) -> None:
    """Also by the middle, who signs it all anew: the first one has not signed that."""
    bad = copy(chained, chained.with_name("bad"))
    (folder,) = (bad / form.ORIGINS).iterdir()
    TAMPERED[name](folder)
    reseal(bad, keys.middle)
    before = tree(lab.mirror.root)
    with pytest.raises(UnsafeBundleError, match="origins/"):
        lab.take(bad)
    assert before == tree(lab.mirror.root)
    assert [0] == [report.exit_code for report in lab.take(chained)]


def test_a_proof_with_the_signature_of_another(lab: Side, chained: Path, keys: Keys) -> None:
    bad = copy(chained, chained.with_name("bad"))
    (folder,) = (bad / form.ORIGINS).iterdir()
    shutil.copy(chained / form.SIGNATURE, folder)
    reseal(bad, keys.middle)
    before = tree(lab.mirror.root)
    with pytest.raises(BadSignatureError):
        lab.take(bad)
    assert before == tree(lab.mirror.root)


def test_a_proof_of_something_else_proves_nothing(
    lab: Side, middle: Side, chained: Path, keys: Keys, sender: Side, memory_path: Path
) -> None:
    """A good proof of the first sender, laid beside a snapshot that he never signed."""
    publish_own(middle)
    middle.export(memory_path / "own", str(OWN))
    bad = memory_path / "own"
    shutil.copytree(chained / form.ORIGINS, bad / form.ORIGINS)
    reseal(bad, keys.middle)
    lab.take(bad)
    (came,) = read_provenance(lab.store.layout.provenance(OWN))
    assert () == came.origins


OWN = RepoKey(RepoType.MODEL, "middle/own")


def publish_own(middle: Side) -> None:
    publish(middle.store, OWN)
    seen(middle.store, OWN, "2025-04-01T00:00:00+00:00")


def test_a_giant_proof(
    lab: Side, chained: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = copy(chained, chained.with_name("bad"))
    (folder,) = (bad / form.ORIGINS).iterdir()
    (folder / form.SIGNATURE).write_bytes(bytes(form.MAX_SIGNATURE_BYTES + 1))
    reseal(bad, keys.middle)
    before = tree(lab.mirror.root)
    with pytest.raises(UnsafeBundleError, match="larger than any"):
        lab.take(bad)
    assert before == tree(lab.mirror.root)


def test_an_unsigned_first_bundle(sender: Side, middle: Side, lab: Side, memory_path: Path) -> None:
    """It has come through, and nobody is said to have signed it."""
    sender.export(memory_path / "plain", signed=False)
    middle.take(memory_path / "plain", asks=False)
    middle.export(memory_path / "onward")
    lab.take(memory_path / "onward")
    (origin,) = provenance(lab).origins
    assert ("outside", "", "") == (origin.sender, origin.signer, origin.key)
    assert contents(lab.store.layout.hub) == contents(sender.store.layout.hub)
