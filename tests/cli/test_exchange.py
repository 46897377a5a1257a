"""export, import and receipt, as a person at a terminal or a script sees them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mirror import Mirror
from mirror.store import DoomedRef, apply_prune, plan_prune
from tests.bundle.conftest import Keys, keys
from tests.bundle.making import ONE, fill, seen, update
from tests.cli.conftest import Cli
from tests.store.making import KEY, OTHER

__all__ = ["keys"]


@pytest.fixture
def outside(home: Path) -> Mirror:
    """The mirror of ``cli``: the connected side."""
    mirror = Mirror.init(home)
    (home / "mirror.toml").write_text('[exchange]\nname = "outside"\n')
    fill(mirror.store)
    return mirror


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    Mirror.init(tmp_path / "lab")
    (tmp_path / "lab" / "mirror.toml").write_text('[exchange]\nname = "lab"\n')
    return tmp_path / "lab"


@pytest.fixture
def bundle(cli: Cli, outside: Mirror, tmp_path: Path) -> Path:
    cli("export", tmp_path / "bundle")
    return tmp_path / "bundle"


def ids(*folders: Path) -> list[str]:
    return [json.loads((folder / "bundle.json").read_text())["id"] for folder in folders]


# --- out ----------------------------------------------------------------------------------


def test_an_export_says_what_was_written(cli: Cli, outside: Mirror, tmp_path: Path) -> None:
    ran = cli("export", tmp_path / "out")
    assert "number 1 of outside" in ran.out
    assert "no: --sign KEY" in ran.out
    assert "everything goes in" in ran.err
    assert str(tmp_path / "out" / "BUNDLE.md") in ran.err


def test_an_export_as_json(cli: Cli, outside: Mirror, tmp_path: Path, keys: Keys) -> None:
    ran = cli("export", tmp_path / "out", "--sign", keys.sender, "--json", "--volume-size", "60k")
    found = ran.json
    assert (True, 2, 0) == (found["signed"], found["snapshots"], found["removals"])
    assert [str(path) for path in sorted((tmp_path / "out").iterdir())] == found["volumes"]
    assert ids(tmp_path / "out" / "volume-001") == [found["bundle"]]


def test_a_dry_run_writes_nothing(cli: Cli, outside: Mirror, tmp_path: Path) -> None:
    ran = cli("export", tmp_path / "out", "--dry-run")
    assert "models/acme/tiny" in ran.out
    assert "datasets/acme/words" in ran.out
    assert not (tmp_path / "out").exists()
    found = cli("export", tmp_path / "out", "--dry-run", "--json").json
    assert ["datasets/acme/words", "models/acme/tiny"] == sorted(
        entry["repo"] for entry in found["snapshots"]
    )
    assert not (tmp_path / "out").exists()


def test_what_needs_a_decision_stands_first(cli: Cli, outside: Mirror, tmp_path: Path) -> None:
    rows = cli("export", tmp_path / "out", "--dry-run").rows
    repos = [row[0].split()[0] for row in rows if row[0].startswith(("models/", "datasets/"))]
    assert ["datasets/acme/words", "models/acme/tiny"] == repos  # the first states no licence


def test_nothing_to_send(cli: Cli, outside: Mirror, bundle: Path, tmp_path: Path) -> None:
    ran = cli("export", tmp_path / "next", "--since", bundle)
    assert "has everything" in ran.err
    assert not (tmp_path / "next").exists()


def test_since_says_what_it_assumes(
    cli: Cli, outside: Mirror, bundle: Path, tmp_path: Path
) -> None:
    update(outside.store)
    ran = cli("export", tmp_path / "next", "--since", bundle)
    assert f"Bundle 1 ({ids(bundle)[0][:12]}) is taken to be delivered" in ran.err
    assert "number 2 of outside" in ran.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--volume-size", "many"], "volume-size"),
        (["--volume-size", "1k"], "too small"),
        (["--expires", "soon"], "expected 30d"),
        (["--expires", "2025-02-30"], "expected 30d"),
        (["--expires", "99999999d"], "expected 30d"),
        (["--since", "/nowhere", "--full"], "does not go with"),
        (["--sign", "/nowhere"], "there is no key"),
        (["--unknown"], "--unknown"),
    ],
)
def test_a_command_line_that_is_wrong(
    cli: Cli, outside: Mirror, tmp_path: Path, arguments: list[str], words: str
) -> None:
    ran = cli("export", tmp_path / "out", *arguments, code=2)
    assert words in ran.err
    assert not (tmp_path / "out" / "bundle.json").exists()


def test_a_repo_that_is_not_there(cli: Cli, outside: Mirror, tmp_path: Path) -> None:
    cli("export", tmp_path / "out", "models/no/body", code=10)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["30d", "8w", "2099-01-31", "9999d"])
def test_an_expiry(cli: Cli, outside: Mirror, tmp_path: Path, text: str) -> None:
    cli("export", tmp_path / "out", "--expires", text)
    head = json.loads((tmp_path / "out" / "bundle.json").read_text())
    assert head["expires"].endswith("T23:59:59+00:00")


# --- in -----------------------------------------------------------------------------------


def test_an_import_says_what_came(cli: Cli, bundle: Path, lab: Path) -> None:
    ran = cli("import", bundle, "-C", lab)
    assert f"new     models/acme/tiny  main, v1  {ONE}" in ran.out
    assert "ok bundle=" in ran.out
    assert "not signed" in ran.err
    assert "import" in cli("runs", "-C", lab).out
    assert "acme/tiny" in cli("search", "tiny", "-C", lab).out


def test_an_import_as_json(cli: Cli, bundle: Path, lab: Path) -> None:
    (found,) = cli("import", bundle, "-C", lab, "--json").json
    assert ("import", "ok", 0) == (found["kind"], found["outcome"], found["exit_code"])
    assert ids(bundle) == [found["bundle"]]


def test_a_dry_run_takes_nothing_in(cli: Cli, bundle: Path, lab: Path) -> None:
    before = sorted(lab.rglob("*"))
    ran = cli("import", bundle, "-C", lab, "--dry-run")
    assert "models/acme/tiny" in ran.out
    assert "nobody" in ran.out
    (found,) = cli("import", bundle, "-C", lab, "--dry-run", "--json").json
    assert ids(bundle) == [found["id"]]
    assert before == sorted(lab.rglob("*"))


def test_a_dry_run_of_bundles_that_build_on_each_other(
    cli: Cli, outside: Mirror, bundle: Path, lab: Path, tmp_path: Path
) -> None:
    """What the import would take in, one after the other, the dry run shows."""
    update(outside.store)
    cli("export", tmp_path / "next", "--since", bundle)
    found = cli("import", tmp_path / "next", bundle, "-C", lab, "--dry-run", "--json").json
    assert ids(bundle, tmp_path / "next") == [one["id"] for one in found]
    found = cli("import", tmp_path / "next", bundle, "-C", lab, "--json").json
    assert ids(bundle, tmp_path / "next") == [one["bundle"] for one in found]


def test_volumes_that_are_missing(cli: Cli, outside: Mirror, lab: Path, tmp_path: Path) -> None:
    cli("export", tmp_path / "out", "--volume-size", "60k")
    volumes = sorted((tmp_path / "out").iterdir())
    ran = cli("import", volumes[-1], "-C", lab, code=4)
    assert "missing" in ran.err
    assert "partial bundle=" in ran.out
    ran = cli("import", *volumes[:-1], "-C", lab)
    assert "ok bundle=" in ran.out


def test_a_refusal(cli: Cli, bundle: Path, lab: Path, keys: Keys) -> None:
    ran = cli("import", bundle, "-C", lab, "--allowed-signers", keys.allowed, code=11)
    assert "a signature is required" in ran.err
    assert "hint: have it signed" in ran.err
    ran = cli("import", bundle, "-C", lab, "--allowed-signers", keys.allowed, "--json", code=11)
    assert ("missing-signature", 11) == (ran.json["error"], ran.json["exit_code"])


def test_what_mirror_toml_asks_for(
    cli: Cli, outside: Mirror, bundle: Path, lab: Path, keys: Keys, tmp_path: Path
) -> None:
    with (lab / "mirror.toml").open("a") as stream:
        stream.write(f'allowed_signers = "{keys.allowed}"\n')
    cli("import", bundle, "-C", lab, code=11)
    cli("import", bundle, "-C", lab, "--dry-run", code=11)
    cli("export", tmp_path / "signed", "--sign", keys.sender)
    assert "sender@lab" in cli("import", tmp_path / "signed", "-C", lab, "--dry-run").out
    cli("import", tmp_path / "signed", "-C", lab)


def test_a_name_that_is_no_text(cli: Cli, bundle: Path, lab: Path) -> None:
    """What an operating system leaves may have a name in any bytes: it can be shown."""
    Path(os.fsdecode(os.fsencode(bundle) + b"/._caf\xe9\x1b[31m")).write_text("x")
    ran = cli("import", bundle, "-C", lab)
    assert "._caf" in ran.err
    assert "\x1b" not in ran.err
    Path(os.fsdecode(os.fsencode(bundle) + b"/caf\xe9\n\x1b[31m")).write_text("x")
    ran = cli("import", bundle, "-C", lab, code=11)
    assert "which the bundle does not list" in ran.err
    assert "\x1b" not in ran.err


def test_words_of_a_sender_cannot_steer_a_terminal(
    cli: Cli, outside: Mirror, lab: Path, tmp_path: Path
) -> None:
    (outside.root / "mirror.toml").write_text(
        '[exchange]\nname = "out\\u001b[31mside\\n\\u202ex"\n'
    )
    cli("export", tmp_path / "out")
    for arguments in (["--dry-run"], []):
        ran = cli("import", tmp_path / "out", "-C", lab, *arguments)
        assert "\x1b" not in ran.out + ran.err
        assert "\u202e" not in ran.out + ran.err
    assert "\x1b" not in (tmp_path / "out" / "BUNDLE.md").read_text()


# --- back ---------------------------------------------------------------------------------


def test_there_and_back(
    cli: Cli, outside: Mirror, bundle: Path, lab: Path, tmp_path: Path, keys: Keys
) -> None:
    cli("import", bundle, "-C", lab)
    path = tmp_path / "receipt.json"
    ran = cli("receipt", path, "-C", lab, "--sign", keys.lab)
    assert "of lab" in ran.out
    found = cli("receipt", path, "-C", lab, "--sign", keys.lab, "--json").json
    assert (2, True) == (found["repos"], found["signed"])
    update(outside.store)
    arguments = ("--for", path, "--allowed-signers", keys.allowed)
    plan: Any = cli("export", tmp_path / "x", *arguments, "--dry-run", "--json").json
    assert ("lab", 2) == (plan["recipient"], plan["contents"])
    cli("export", tmp_path / "next", *arguments)
    assert "update  models/acme/tiny" in cli("import", tmp_path / "next", "-C", lab).out


def test_proposed_removals(
    cli: Cli, outside: Mirror, bundle: Path, lab: Path, tmp_path: Path
) -> None:
    cli("import", bundle, "-C", lab)
    store = outside.store
    gone = [DoomedRef(OTHER, ref, commit, "x") for ref, commit in store.refs(OTHER).items()]
    with store.write_lock("test"):
        apply_prune(store, plan_prune(store, 0, dropped=gone))
    seen(store, KEY, "2025-09-01T00:00:00+00:00")
    cli("receipt", tmp_path / "receipt.json", "-C", lab)
    ran = cli("export", tmp_path / "next", "--for", tmp_path / "receipt.json", "--dry-run")
    assert "proposed removal: datasets/acme/words main" in ran.out
    cli("export", tmp_path / "next", "--for", tmp_path / "receipt.json")
    ran = cli("import", tmp_path / "next", "-C", lab)
    assert "3 removals are proposed: mirror prune --proposed --dry-run" in ran.err
    assert "acme/words" in cli("list", "-C", lab).out
    ran = cli("prune", "--proposed", "--dry-run", "-C", lab)
    assert "datasets/acme/words" in ran.out
    assert "acme/words" in cli("list", "-C", lab).out
    cli("prune", "-C", lab)
    assert "acme/words" in cli("list", "-C", lab).out
    cli("prune", "--proposed", "-C", lab)
    assert "acme/words" not in cli("list", "-C", lab).out
    assert "words" not in cli("search", "", "-C", lab).out
    cli("show", "datasets/acme/words", "-C", lab, code=10)


def test_a_receipt_into_no_folder(cli: Cli, lab: Path, tmp_path: Path) -> None:
    cli("receipt", tmp_path / "no" / "where.json", "-C", lab, code=2)
    assert not (lab / "exchange" / "receipts.jsonl").exists()
