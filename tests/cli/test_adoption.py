"""mirror adopt and mirror checkout, as they are typed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mirror import Mirror
from tests.adopt.making import FILES, KEY, add_tiny, download, download_plain
from tests.cli.conftest import Cli
from tests.fakehub import FakeHub
from tests.store.making import contents


@pytest.fixture
def mirror(hub: FakeHub, home: Path) -> Mirror:
    add_tiny(hub)
    return Mirror.init(home, hub.endpoint)


@pytest.fixture
def cache(hub: FakeHub, mirror: Mirror, tmp_path: Path) -> Path:
    return download(hub, tmp_path / "hf" / "hub")


class TestAdopt:
    def test_a_cache(self, cli: Cli, mirror: Mirror, cache: Path) -> None:
        commit = (cache / "refs" / "main").read_text()

        ran = cli("adopt", cache)

        lines = ran.out.splitlines()
        assert f"models/acme/tiny {commit[:12]} main" == lines[0]
        assert lines[-1].startswith("ok adopted=1 unchanged=0 failed=0 ")
        assert "mirror add models/acme/tiny" in ran.err
        assert FILES == contents(mirror.path("acme/tiny"))

    def test_the_catalog_knows_it_and_the_runs(self, cli: Cli, mirror: Mirror, cache: Path) -> None:
        cli("adopt", cache)

        assert ["models/acme/tiny"] == [row[0] for row in cli("list").rows]
        assert "mit" in cli("search", "tiny", "--license", "mit").out
        assert "models/acme/tiny" in cli("show", "acme/tiny").out
        assert [("adopt", "ok")] == [(row[1], row[2]) for row in cli("runs").rows]
        assert "adopt" == cli("runs", "--last").json["kind"]
        assert 0 == cli("verify").code
        assert "1 model" in cli("status").out

    def test_a_dry_run(self, cli: Cli, mirror: Mirror, cache: Path) -> None:
        ran = cli("adopt", cache.parent.parent, "--dry-run")

        assert f"take {len(FILES)}" in ran.out
        assert [] == list(mirror.store.repos())
        assert [] == list(mirror.runs())

    def test_json(self, cli: Cli, mirror: Mirror, cache: Path) -> None:
        planned = cli("adopt", cache, "--dry-run", "--json").json
        done = cli("adopt", cache, "--json").json

        assert ["models/acme/tiny"] == [one["repo"] for one in planned["snapshots"]]
        assert ["models/acme/tiny"] == [one["repo"] for one in done["adopted"]]
        assert ["mirror add models/acme/tiny"] == done.pop("to_follow")
        assert done == cli("runs", "--last").json

    def test_add_follows_it(self, cli: Cli, hub: FakeHub, mirror: Mirror, cache: Path) -> None:
        cli("adopt", cache, "--add")
        assert ["acme/tiny"] == [entry.id for entry in mirror.settings.models]
        hub.clear()

        assert 0 == cli("sync").code
        assert [] == hub.asked("resolve")
        assert "added" not in cli("adopt", cache, "--add").err

    def test_a_repo_that_is_selected_by_another_name(
        self, cli: Cli, hub: FakeHub, mirror: Mirror, cache: Path
    ) -> None:
        hub.rename("model", "acme/tiny", "acme-labs/tiny")
        mirror.add("model", id="acme/tiny")
        mirror.sync()

        assert [] == cli("adopt", cache, "--json").json["to_follow"]

    def test_what_other_refs_are_followed(
        self, cli: Cli, hub: FakeHub, mirror: Mirror, cache: Path
    ) -> None:
        hub.repo("model", "acme/tiny").tag("v1.0")
        download(hub, cache.parent, revision="v1.0")

        ran = cli("adopt", cache)

        assert "mirror add models/acme/tiny --revision main --revision v1.0" in ran.err

    def test_a_damaged_file(self, cli: Cli, mirror: Mirror, cache: Path) -> None:
        commit = (cache / "refs" / "main").read_text()
        blob = (cache / "snapshots" / commit / "model.safetensors").resolve()
        blob.write_bytes(b"x" * blob.stat().st_size)

        ran = cli("adopt", cache, code=4)

        assert "refused: models/acme/tiny: model.safetensors: its bytes are not" in ran.out
        assert ran.out.splitlines()[-1].startswith("partial adopted=1 unchanged=0 failed=1 ")

    def test_the_policy_is_a_warning(self, cli: Cli, mirror: Mirror, cache: Path) -> None:
        toml = mirror.root / "mirror.toml"
        policy = '[policy]\nallow_licenses = ["apache-2.0"]\n'
        toml.write_text(toml.read_text().replace("[policy]\n", policy))

        ran = cli("adopt", cache)

        assert "a sync would refuse it: its licence is mit (policy.allow_licenses)" in ran.out
        assert mirror.store.has(KEY)

    def test_a_folder_that_says_nothing(
        self, cli: Cli, hub: FakeHub, mirror: Mirror, tmp_path: Path
    ) -> None:
        plain = download_plain(hub, tmp_path / "plain")
        unnamed = cli("adopt", plain, code=2)
        assert f"hint: name it: mirror adopt {plain} --repo models/plain" in unnamed.err

        assert 0 == cli("adopt", plain, "--repo", "models/acme/tiny").code
        shutil.rmtree(plain / ".cache")
        lost = cli("adopt", plain, code=2)
        assert "--commit HASH" in lost.err
        two = cli("adopt", plain, plain, "--repo", "models/acme/tiny", code=2)
        assert "for one PATH" in two.err

    def test_not_two_at_once(self, cli: Cli, mirror: Mirror, cache: Path) -> None:
        with mirror.store.write_lock("test"):
            assert 8 == cli("adopt", cache, code=8).code
            assert 0 == cli("adopt", cache, "--dry-run").code


class TestCheckout:
    def test_a_folder_and_back(self, cli: Cli, mirror: Mirror, cache: Path, tmp_path: Path) -> None:
        cli("adopt", cache)

        ran = cli("checkout", "acme/tiny", tmp_path / "out")

        assert f"written={len(FILES)} unchanged=0 removed=0" in ran.out
        found = contents(tmp_path / "out")
        assert FILES == {p: d for p, d in found.items() if not p.startswith(".cache/")}
        again = cli("checkout", "models/acme/tiny", tmp_path / "out", "--json").json
        assert (0, len(FILES)) == (again["written"], again["unchanged"])
        assert "is here already" in cli("adopt", tmp_path / "out").out

    def test_copies(self, cli: Cli, cache: Path, tmp_path: Path) -> None:
        cli("adopt", cache)
        cli("checkout", "acme/tiny", tmp_path / "out", "--copy")
        assert 0o644 == (tmp_path / "out" / "README.md").stat().st_mode & 0o777

    def test_refusals(self, cli: Cli, cache: Path, tmp_path: Path) -> None:
        cli("adopt", cache)
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "mine").write_text("mine")

        ran = cli("checkout", "acme/tiny", tmp_path / "full", "--json", code=2)

        assert ("checkout", 2) == (ran.json["error"], ran.json["exit_code"])
        assert 10 == cli("checkout", "acme/none", tmp_path / "out", code=10).code
        assert 10 == cli("checkout", "acme/tiny", tmp_path / "o", "--revision", "v9", code=10).code

    def test_names_cannot_steer_the_terminal(self, cli: Cli, mirror: Mirror, cache: Path) -> None:
        shutil.rmtree(cache / "trees")
        commit = (cache / "refs" / "main").read_text()
        (cache / "snapshots" / commit / "bad\x1b[31m").write_bytes(b"x")
        (cache / "snapshots" / commit / os.fsdecode(b"\xff")).write_bytes(b"x")

        ran = cli("adopt", cache)

        assert "left out: bad" in ran.out
        assert "\x1b" not in ran.out
        (adopted,) = cli("runs", "--last").json["adopted"]
        assert (2, {"bad\x1b[31m", "\ufffd"}) == (
            adopted["left_out_count"],
            set(adopted["left_out"]),
        )

    def test_a_folder_whose_name_is_no_text(
        self, cli: Cli, mirror: Mirror, cache: Path, tmp_path: Path
    ) -> None:
        odd = tmp_path / os.fsdecode(b"odd\xff")
        odd.mkdir()
        shutil.copytree(cache, odd / cache.name, symlinks=True)

        assert 0 == cli("adopt", odd).code
        assert cli("runs", "--last").json["adopted"][0]["folder"].endswith(cache.name)
