"""What people see of bundles: the walk from one mirror to another and back, as typed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mirror import Mirror
from tests.cli.conftest import Cli
from tests.fakehub import FakeHub

KLUE = "datasets/klue/klue"


def tree_of(folder: Path) -> dict[str, bytes | str]:
    """Every file below a folder with its content, and every link with its target."""
    return {
        path.relative_to(folder).as_posix(): path.readlink().as_posix()
        if path.is_symlink()
        else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def records_of(root: Path) -> dict[str, bytes | str]:
    """What is known of the repos, but for when and how each mirror came to it."""
    own = ("provenance.jsonl", "ref_log.jsonl")
    return {path: data for path, data in tree_of(root / "repos").items() if not path.endswith(own)}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with a key, ``ops``, and the list that allows it."""
    folder = tmp_path / "keys"
    folder.mkdir()
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ops", "-f", folder / "ops"]
    subprocess.run(make, check=True)
    kind, key, _ = (folder / "ops.pub").read_text(encoding="utf-8").split(" ", 2)
    (folder / "allowed").write_text(f"ops@connected {kind} {key}\n", encoding="utf-8")
    return folder


@pytest.fixture
def lab(cli: Cli, tmp_path: Path) -> Path:
    """The mirror on the other side, empty, which asks for signatures."""
    root = tmp_path / "lab"
    cli("init", root)
    settings = '[exchange]\nname = "lab"\nallowed_signers = "../keys/allowed"\n'
    with (root / "mirror.toml").open("a", encoding="utf-8") as stream:
        stream.write(f"\n{settings}")
    return root


def test_the_way_there(cli: Cli, synced: Mirror, lab: Path, keys: Path, tmp_path: Path) -> None:
    out = tmp_path / "stick" / "bundle"

    exported = cli("export", out, "--sign", keys / "ops", "-C", synced.root)
    assert "signed     yes" in exported.out
    assert "everything goes in" in exported.err
    looked = cli("import", out, "--dry-run", "-C", lab)
    assert "signed by  ops@connected" in looked.out
    assert [] == list(Mirror(lab).store.repos())
    taken = cli("import", out, "-C", lab)

    assert taken.out.splitlines()[-1].startswith("ok bundle=")
    assert tree_of(synced.root / "hub") == tree_of(lab / "hub")
    assert records_of(synced.root) == records_of(lab)
    assert synced.search("감정").hits == Mirror(lab).search("감정").hits
    assert "problems" in cli("verify", "-C", lab).out
    shown = cli("show", KLUE, "-C", lab)
    assert "signed by ops@connected (SHA256:" in shown.out
    came = cli("show", KLUE, "--json", "-C", lab).json["provenance"]
    assert {("ops@connected", 1)} == {(one["signer"], one["sequence"]) for one in came}
    newest = next(row for row in cli("runs", "-C", lab).rows if row[1] == "import")
    assert "signed by ops@connected" in newest[-1]
    again = cli("import", out, "-C", lab, code=11)
    assert "was taken in already" in again.err


def test_what_is_not_signed_is_refused_where_mirror_toml_asks_for_it(
    cli: Cli, synced: Mirror, lab: Path, keys: Path, tmp_path: Path
) -> None:
    cli("export", tmp_path / "out", "-C", synced.root)

    refused = cli("import", tmp_path / "out", "--json", "-C", lab, code=11)

    assert "missing-signature" == refused.json["error"]
    assert [] == list(Mirror(lab).store.repos())


def test_the_next_bundle_is_the_difference(
    cli: Cli, synced: Mirror, small: FakeHub, lab: Path, keys: Path, tmp_path: Path
) -> None:
    cli("export", tmp_path / "first", "--sign", keys / "ops", "-C", synced.root)
    cli("import", tmp_path / "first", "-C", lab)
    receipt = tmp_path / "lab.json"
    cli("receipt", receipt, "--sign", keys / "ops", "-C", lab)
    nothing = cli("export", tmp_path / "none", "--for", receipt, "-C", synced.root)
    assert "no bundle is needed" in nothing.err
    assert not (tmp_path / "none").exists()

    small.repo("dataset", "klue/klue").commit({"ynat/train.csv": b"title,label\nx,1\n"})
    synced.sync()
    second = tmp_path / "second"
    shown = cli(
        "export", second, "--for", receipt, "--sign", keys / "ops", "-C", synced.root, "--json"
    ).json
    assert (1, 2) == (shown["snapshots"], shown["sequence"])
    cli("import", second, "-C", lab)

    assert tree_of(synced.root / "hub") == tree_of(lab / "hub")
    assert synced.files(KLUE).files == Mirror(lab).files(KLUE).files


def test_a_bundle_on_several_volumes_comes_one_by_one(
    cli: Cli, synced: Mirror, lab: Path, keys: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    cli("export", out, "--volume-size", "80K", "--sign", keys / "ops", "-C", synced.root)
    first, *others = sorted(out.iterdir(), reverse=True)
    assert others

    some = cli("import", first, "-C", lab, code=4)
    assert "missing: bring them in any order" in some.err
    assert [] == list(Mirror(lab).store.repos())
    cli("import", *others, "-C", lab)

    assert tree_of(synced.root / "hub") == tree_of(lab / "hub")
    assert [] == list((lab / "partial").iterdir())
