"""verify, prune, reindex."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror import Mirror
from tests.cli.conftest import Cli, Ran
from tests.fakehub import FakeHub

ROBERTA = "models/klue/roberta-small"


@pytest.fixture
def run(cli: Cli, synced: Mirror) -> Cli:
    """Run a command on a mirror of this test's own."""

    def run(*args: str | Path, code: int = 0, **env: str) -> Ran:
        return cli(*args, "-C", synced.root, code=code, **env)

    return run


@pytest.fixture
def damaged(synced: Mirror) -> Path:
    """A file of the mirror that has other bytes of the same size."""
    path = synced.path(ROBERTA) / "model.safetensors"
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.write(b"rotten")
    return path


class TestVerify:
    def test_well(self, run: Cli) -> None:
        assert "0 problems in 5 repos, 6 snapshots, " in run("verify").out

    def test_says_what_is_wrong_and_what_to_do(self, run: Cli, damaged: Path) -> None:
        ran = run("verify", code=7)

        assert ran.out.startswith("blob-corrupt: blob ")
        assert "model.safetensors of models/klue/roberta-small" in ran.out
        assert "hint: mirror verify --repair" in ran.err
        assert b"rotten" == damaged.read_bytes()[:6]

    def test_repairs(self, run: Cli, damaged: Path) -> None:
        ran = run("verify", "--repair")

        assert ran.out.endswith("; 0 left after the repair\n")
        assert bytes(range(6)) == damaged.read_bytes()[:6]
        assert "0 problems" in run("verify").out

    def test_cannot_repair_without_upstream(
        self, run: Cli, damaged: Path, small: FakeHub, synced: Mirror
    ) -> None:
        toml = synced.root / "mirror.toml"
        toml.write_text(toml.read_text().replace("[transfer]", "[transfer]\nretries = 0"))
        small.down()

        ran = run("verify", "--repair", code=7)

        assert "still blob-missing: " in ran.out
        assert "; 1 left after the repair\n" in ran.out
        assert "failed: models/klue/roberta-small" in ran.err
        assert ["rotten"] == [
            path.read_bytes()[:6].decode() for path in (synced.root / "quarantine").iterdir()
        ]

    def test_some_repos_only(self, run: Cli, damaged: Path) -> None:
        assert "0 problems in 1 repo" in run("verify", "acme/numbers").out
        assert 7 == run("verify", "acme/numbers", ROBERTA, code=7).code

    def test_json(self, run: Cli, damaged: Path) -> None:
        found = run("verify", "--json", code=7).json

        assert ("verify", "failed", 7) == (found["kind"], found["outcome"], found["exit_code"])
        assert ["blob-corrupt"] == [finding["kind"] for finding in found["found"]["findings"]]
        assert [ROBERTA] == found["found"]["findings"][0]["repos"]

    def test_not_there(self, run: Cli) -> None:
        assert "is not in the mirror" in run("verify", "x/y", code=10).err


class TestPrune:
    def test_dry_run_then_real(self, run: Cli, synced: Mirror, small: FakeHub) -> None:
        repo = small.repo("model", "klue/roberta-small")
        for number in range(2):
            repo.commit({"model.safetensors": bytes([number]) * 100_000})
            run("sync", "-q")

        ran = run("prune", "--dry-run")

        (line,) = [line for line in ran.out.splitlines() if line.startswith("snapshot  ")]
        assert line.endswith("main has moved on, and keeps 1 older")
        assert ran.out.endswith("would free  102 kB\n")
        done = run("prune", "--json").json
        assert 102_400 == done["freed"]
        assert 0 == run("prune", "-n", "--json").json["freed"]

    def test_while_another_writes(self, run: Cli, synced: Mirror) -> None:
        with synced.store.write_lock("sync"):
            assert "another process writes" in run("prune", code=8).err


class TestForget:
    def test_a_repo_goes_entirely(self, run: Cli, synced: Mirror) -> None:
        run("remove", ROBERTA)
        shown = run("forget", ROBERTA, "--dry-run")
        assert "it was asked to go" in shown.out
        assert run("show", ROBERTA).out

        run("forget", ROBERTA)

        assert "is not in the mirror" in run("show", ROBERTA, code=10).err
        assert not (synced.root / "hub" / "models--klue--roberta-small").exists()
        assert ROBERTA not in run("list").out
        assert "0 problems" in run("verify").out
        assert "forget" in [row[1] for row in run("runs").rows]

    def test_an_alias_goes_with_its_repo(self, run: Cli, synced: Mirror) -> None:
        assert "is still asked for" in run("forget", "models/gpt2", code=2).err
        run("remove", "gpt2")
        run("forget", "models/gpt2")

        assert 10 == run("path", "models/gpt2", code=10).code
        assert not any(path.is_symlink() for path in (synced.root / "hub").iterdir())

    def test_one_revision_goes_and_the_others_stay(self, run: Cli, synced: Mirror) -> None:
        text = (synced.root / "mirror.toml").read_text(encoding="utf-8")
        only_main = text.replace('revisions = ["main", "v1.0"]', 'revisions = ["main"]')
        assert text != only_main
        (synced.root / "mirror.toml").write_text(only_main, encoding="utf-8")

        run("forget", "datasets/klue/klue", "--revision", "v1.0")

        assert ["main"] == sorted(synced.store.refs(synced.find("datasets/klue/klue")))
        assert "no 'v9'" in run("forget", ROBERTA, "--revision", "v9", code=10).err

    def test_what_is_still_selected_stays(self, run: Cli, synced: Mirror) -> None:
        refused = run("forget", ROBERTA, code=2)

        assert "is still asked for by models." in refused.err
        assert "mirror remove models." in refused.err
        assert run("path", ROBERTA).out


class TestReindex:
    def test_brings_back_a_catalog(self, run: Cli, synced: Mirror) -> None:
        (synced.root / "catalog.db").write_bytes(b"garbage")
        assert 7 == run("list", code=7).code

        ran = run("reindex")

        assert ran.out.startswith("repos    5\nindexed  5\ntook     ")
        assert 5 == len(run("list").rows)

    def test_json(self, run: Cli) -> None:
        assert 5 == run("reindex", "--json").json["repos"]
