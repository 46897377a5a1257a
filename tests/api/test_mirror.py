"""The Python API, end to end: a real hub, a real store, a real catalog."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mirror import Mirror
from mirror.errors import (
    BadNameError,
    CatalogError,
    DamagedError,
    LockedError,
    NotAMirrorError,
    NotFoundError,
    SettingsError,
    UsageError,
)
from mirror.names import RepoKey, RepoType
from mirror.sync.model import Action, Change
from tests.api.small import select_all
from tests.fakehub import FakeHub, Status

KLUE = RepoKey(RepoType.DATASET, "klue/klue")
ROBERTA = RepoKey(RepoType.MODEL, "klue/roberta-small")
GPT2 = RepoKey(RepoType.MODEL, "openai-community/gpt2")


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Every file with size and mtime: two equal ones mean that nothing was written."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in root.rglob("*")
        if not path.is_dir()
    }


class TestOpening:
    def test_by_the_variable(self, offline: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MIRROR_HOME", str(offline.root))

        assert offline.root == Mirror().root

    def test_without_any(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MIRROR_HOME", raising=False)

        with pytest.raises(UsageError, match="which mirror"):
            Mirror()

    def test_what_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(NotAMirrorError, match="is not a mirror folder"):
            Mirror(tmp_path)

    def test_a_relative_folder_stays_the_same_one(
        self, offline: Mirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(offline.root.parent)
        mirror = Mirror(offline.root.name)
        monkeypatch.chdir(tmp_path)

        assert "klue/klue" in {repo.key.repo_id for repo in mirror.list()}

    def test_without_mirror_toml_reading_works(self, synced: Mirror) -> None:
        (synced.root / "mirror.toml").unlink()

        assert synced.path("gpt2").is_dir()
        assert 5 == synced.search().total
        with pytest.raises(SettingsError, match=r"mirror\.toml does not exist"):
            synced.sync()


class TestSync:
    def test_brings_in_what_is_selected(self, small: FakeHub, tmp_path: Path) -> None:
        mirror = Mirror.init(tmp_path / "mirror", small.endpoint)
        select_all(mirror)
        before = snapshot(mirror.root)

        plan = mirror.plan()

        assert before == snapshot(mirror.root)
        assert 6 == len(plan.repos)
        assert 1 == plan.amount(Action.SKIP).files
        report = mirror.sync()
        assert 0 == report.exit_code
        assert plan.requests.files_to_fetch == report.requests["resolve"]
        assert plan.amount(Action.FETCH) == report.fetched
        assert 0 == len(mirror.plan().repos)
        assert {"klue/klue", "acme/numbers", "klue/roberta-small", "openai-community/gpt2"} == {
            repo.key.repo_id for repo in mirror.list()
        }

    def test_only_some(self, synced: Mirror, small: FakeHub) -> None:
        small.repo("dataset", "klue/klue").commit({"new.csv": b"a\n"})
        small.repo("model", "klue/roberta-small").commit({"new.json": b"{}"})

        report = synced.sync(["klue/roberta-small"])

        assert [(ROBERTA, Change.UPDATE)] == [(one.key, one.change) for one in report.published]

    def test_one_name_alone_is_one_repo(self, synced: Mirror) -> None:
        assert 1 == synced.sync(str(ROBERTA)).unchanged
        assert 1 == synced.plan(str(ROBERTA)).unchanged
        assert 1 == synced.verify(str(ROBERTA)).found.checked_repos

    def test_the_catalog_follows(self, synced: Mirror, small: FakeHub) -> None:
        repo = small.repo("model", "klue/roberta-small")
        repo.downloads = 12_345
        repo.commit({"README.md": "---\nlicense: mit\n---\n# Renamed\n\nAbout rhinoceroses.\n"})

        synced.sync()

        (hit,) = synced.search("rhinoceroses").hits
        assert (ROBERTA, repo.sha) == (hit.key, hit.commit)
        assert 12_345 == hit.downloads

    def test_says_in_the_catalog_what_is_gone_upstream(
        self, synced: Mirror, small: FakeHub
    ) -> None:
        small.options.missing_status = 404
        small.remove("dataset", "acme/numbers")

        report = synced.sync()

        assert 4 == report.exit_code
        assert "gone" == synced.show("acme/numbers").upstream_state
        assert synced.path("acme/numbers").is_dir()
        assert [("acme/numbers", "gone")] == [
            (lost.key.repo_id, lost.state) for lost in synced.status().lost
        ]

    @pytest.mark.parametrize("damage", ["missing", "garbage", "schema"])
    def test_makes_the_catalog_anew_when_it_does_not_fit(self, synced: Mirror, damage: str) -> None:
        catalog = synced.root / "catalog.db"
        catalog.unlink()
        if damage == "garbage":
            catalog.write_bytes(b"no database" * 1000)
        elif damage == "schema":
            import sqlite3

            with sqlite3.connect(catalog) as connection:
                connection.execute("pragma user_version = 99")
            connection.close()

        synced.sync()

        assert 5 == synced.search().total

    @pytest.mark.parametrize(
        ("name", "error", "hint"),
        [
            ("klue/roberta-smal", NotFoundError, "did you mean models/klue/roberta-small?"),
            ("klue/klue", UsageError, "write models/klue/klue or datasets/klue/klue"),
            ("a/b/c/d", BadNameError, "namespace/name"),
        ],
    )
    def test_of_what_is_not_there(
        self, synced: Mirror, small: FakeHub, name: str, error: type[Exception], hint: str
    ) -> None:
        small.clear()

        with pytest.raises(error) as caught:
            synced.sync([name])

        assert hint in str(getattr(caught.value, "hint", ""))
        assert [] == small.requests

    def test_a_repo_that_is_mirrored_but_no_longer_selected(self, synced: Mirror) -> None:
        synced.remove("acme/numbers")

        with pytest.raises(UsageError) as caught:
            synced.sync(["acme/numbers"])

        assert "mirror add datasets/acme/numbers" in str(caught.value.hint)

    def test_by_an_old_name(self, synced: Mirror, small: FakeHub) -> None:
        small.repo("model", "openai-community/gpt2").commit({"vocab.json": b"{}"})

        report = synced.sync(["gpt2"])

        assert [GPT2] == [change.key for change in report.published]

    def test_while_another_writes(self, synced: Mirror) -> None:
        with synced.store.write_lock("import"), pytest.raises(LockedError, match="import, pid"):
            synced.sync()


class TestInit:
    @pytest.mark.parametrize("catalog", [True, False])
    def test_of_a_mirror_that_is_being_written_to(self, tmp_path: Path, catalog: bool) -> None:
        mirror = Mirror.init(tmp_path / "mirror")
        if not catalog:
            mirror.store.layout.catalog.unlink()

        with mirror.store.write_lock("sync"):
            again = Mirror.init(mirror.root)

        assert mirror.root == again.root
        assert catalog == mirror.store.layout.catalog.exists()


class TestFinding:
    def test_by_every_filter(self, offline: Mirror) -> None:
        found = offline.search(
            "korean",
            task="fill-mask",
            language=["ko", "en"],
            license="mit",
            library="transformers",
            author="klue",
            repo_type="model",
        )

        assert [ROBERTA] == [hit.key for hit in found.hits]

    def test_korean_inside_a_word(self, offline: Mirror) -> None:
        assert [KLUE] == [hit.key for hit in offline.search("독해").hits]

    def test_pages(self, offline: Mirror) -> None:
        everything = [hit.key for hit in offline.search(sort="name").hits]

        page = offline.search(sort="name", limit=2, offset=1)

        assert (5, everything[1:3]) == (page.total, [hit.key for hit in page.hits])

    def test_an_unknown_order(self, offline: Mirror) -> None:
        with pytest.raises(UsageError, match="is not an order"):
            offline.search(sort="beauty")

    @pytest.mark.parametrize(
        ("name", "repo_type", "key"),
        [
            ("datasets/klue/klue", None, KLUE),
            ("klue/klue", "dataset", KLUE),
            ("klue/roberta-small", None, ROBERTA),
            ("hf://models/klue/roberta-small", None, ROBERTA),
            (ROBERTA, None, ROBERTA),
            ("gpt2", None, RepoKey(RepoType.MODEL, "gpt2")),
        ],
    )
    def test_what_a_name_means(
        self, offline: Mirror, name: str | RepoKey, repo_type: str | None, key: RepoKey
    ) -> None:
        assert key == offline.find(name, repo_type)

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("klue/robert-small", "did you mean models/klue/roberta-small?"),
            ("roberta-small", "did you mean models/klue/roberta-small?"),
            ("KLUE/RoBERTa-small", "did you mean models/klue/roberta-small?"),
            ("datasets/klue/kleu", "did you mean datasets/klue/klue"),
            ("models/acme/numbers", "did you mean datasets/acme/numbers?"),
            ("zzz/yyy", "mirror list shows what is there; mirror add and mirror sync bring more"),
        ],
    )
    def test_suggests_what_is_nearly_so(self, offline: Mirror, name: str, hint: str) -> None:
        with pytest.raises(NotFoundError) as caught:
            offline.find(name)

        assert str(caught.value.hint).startswith(hint)

    def test_show(self, offline: Mirror) -> None:
        page = offline.show("klue/klue", "dataset")

        assert ["sts", "ynat"] == [subset.name for subset in page.subsets]
        assert ["main", "v1.0"] == sorted(ref for one in page.snapshots for ref in one.refs)
        assert "gpt2" in offline.show("gpt2").aliases[0]

    def test_files_say_what_was_left_out(self, offline: Mirror) -> None:
        manifest = offline.files("klue/roberta-small")

        assert {"pytorch_model.bin": "exclude *.bin"} == {
            file.path: file.absent_because for file in manifest.files if not file.present
        }

    def test_path_of_revisions(self, offline: Mirror) -> None:
        main = offline.path(KLUE)
        old = offline.path(KLUE, revision="v1.0")

        assert (main / "sts" / "train.csv").is_file()
        assert ["README.md"] == [path.name for path in old.iterdir()]
        assert old == offline.path(KLUE, revision=old.name[:10])
        assert offline.path("gpt2") == offline.path("openai-community/gpt2")

    def test_path_of_a_revision_that_is_not_there(self, offline: Mirror) -> None:
        with pytest.raises(NotFoundError) as caught:
            offline.path(KLUE, revision="v2.0")

        assert "the mirror has main, v1.0" == caught.value.hint

    def test_path_that_the_view_lost(self, synced: Mirror) -> None:
        folder = synced.path("acme/numbers")
        folder.rename(folder.with_name("away"))

        with pytest.raises(DamagedError) as caught:
            synced.path("acme/numbers")

        assert "mirror verify --repair" in str(caught.value.hint)

    def test_without_catalog(self, synced: Mirror) -> None:
        (synced.root / "catalog.db").unlink()

        for ask in (synced.search, synced.list, lambda: synced.show(ROBERTA)):
            with pytest.raises(CatalogError) as caught:
                ask()
            assert "mirror reindex" in str(caught.value.hint)
        assert synced.path(ROBERTA).is_dir()

    def test_a_catalog_that_is_older_than_the_repo(self, synced: Mirror) -> None:
        old = (synced.root / "catalog.db").read_bytes()
        synced.add("model", id="acme/late")
        (synced.root / "catalog.db").write_bytes(old)

        with pytest.raises(NotFoundError):
            synced.show("acme/late")


class TestLoadDataset:
    def test_a_split_of_a_subset(self, offline: Mirror, tmp_path: Path) -> None:
        found = offline.load_dataset(
            "klue/klue", "sts", split="validation", cache_dir=str(tmp_path)
        )

        assert ["문장 0", "문장 1"] == found["sentence"][:]

    def test_default_subset_and_all_splits(self, offline: Mirror, tmp_path: Path) -> None:
        found = offline.load_dataset("datasets/klue/klue", cache_dir=str(tmp_path))

        assert {"train": 4, "validation": 2} == found.num_rows

    def test_streaming(self, offline: Mirror) -> None:
        rows = offline.load_dataset("acme/numbers", split="train", streaming=True)

        assert [1, 2] == [row["n"] for row in rows]

    def test_a_subset_that_is_not_there_is_the_librarys_own_error(
        self, offline: Mirror, tmp_path: Path
    ) -> None:
        with pytest.raises(ValueError, match="ynat"):
            offline.load_dataset("klue/klue", "mrc", cache_dir=str(tmp_path))

    def test_a_model_is_none(self, offline: Mirror) -> None:
        with pytest.raises(NotFoundError):
            offline.load_dataset("klue/roberta-small")

    def test_touches_no_network_and_no_environment(
        self, offline: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import datasets
        from huggingface_hub import constants

        asked: list[object] = []
        monkeypatch.setattr(socket.socket, "connect", lambda _, where: asked.append(where))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *where, **_: asked.append(where))
        environment = dict(os.environ)

        offline.load_dataset("acme/numbers", cache_dir=str(tmp_path))

        assert [] == asked
        assert environment == dict(os.environ)
        assert not datasets.config.HF_HUB_OFFLINE
        assert not constants.HF_HUB_OFFLINE


def test_env_is_enough_for_the_real_clients(offline: Mirror) -> None:
    """A process of its own, as the libraries read their environment once."""
    script = (
        "from huggingface_hub import hf_hub_download, snapshot_download, scan_cache_dir\n"
        "print(open(hf_hub_download('gpt2', 'config.json')).read())\n"
        "print(snapshot_download('klue/klue', repo_type='dataset', revision='v1.0'))\n"
        "print(len(scan_cache_dir().warnings))\n"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | offline.env()

    ran = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "" == ran.stderr
    config, folder, warnings = ran.stdout.splitlines()
    assert '{"model_type": "gpt2"}' == config
    assert offline.path(KLUE, revision="v1.0") == Path(folder)
    assert "0" == warnings


class TestVerify:
    def test_a_healthy_mirror(self, offline: Mirror) -> None:
        seen: list[tuple[int, int]] = []

        result = offline.verify(progress=lambda done, total: seen.append((done, total)))

        assert (0, ()) == (result.exit_code, result.problems)
        assert seen[-1][0] == seen[-1][1] > 0

    def test_finds_and_repairs_a_flipped_byte(self, synced: Mirror, small: FakeHub) -> None:
        path = synced.path(ROBERTA) / "model.safetensors"
        good = path.read_bytes()
        path.chmod(0o644)
        with path.open("r+b") as stream:  # the same inode as the blob
            stream.write(b"X")

        assert ["blob-corrupt"] == [finding.kind for finding in synced.verify().problems]
        small.clear()
        result = synced.verify(repair=True)

        assert (0, ()) == (result.exit_code, result.problems)
        assert [ROBERTA] == list(result.repaired)
        assert good == path.read_bytes()
        assert 1 == len(small.paths("resolve"))
        assert 0 == synced.verify().exit_code

    def test_repairs_a_manifest_that_cannot_be_read(self, synced: Mirror) -> None:
        commit = synced.store.resolve(ROBERTA)
        synced.store.layout.manifest(ROBERTA, commit).write_text("{}")

        result = synced.verify(repair=True)

        assert ["manifest-damaged"] == [finding.kind for finding in result.found.problems]
        assert (0, ()) == (result.exit_code, result.problems)
        assert commit == synced.files(ROBERTA).commit

    def test_makes_a_lost_view_anew_without_upstream(self, synced: Mirror, small: FakeHub) -> None:
        import shutil

        shutil.rmtree(synced.root / "hub")
        small.down()

        result = synced.verify(repair=True)

        assert 0 == result.exit_code
        assert synced.path("gpt2").is_dir()
        assert synced.path(KLUE).is_dir()

    def test_what_upstream_cannot_give_stays_a_problem(
        self, synced: Mirror, small: FakeHub
    ) -> None:
        path = synced.path(ROBERTA) / "model.safetensors"
        path.chmod(0o644)
        path.write_bytes(b"short")
        small.fault("any", kind=Status(404), times=None)

        result = synced.verify(["klue/roberta-small"], repair=True)

        assert 7 == result.exit_code
        assert ["blob-missing"] == [finding.kind for finding in result.problems]
        assert {"verify", "sync"} == {run["kind"] for run in synced.runs(2)}

    def test_keeps_a_report(self, synced: Mirror) -> None:
        synced.verify(["acme/numbers"])

        (report,) = synced.runs(1)
        assert ("verify", "ok", 1) == (
            report["kind"],
            report["outcome"],
            report["found"]["checked_repos"],
        )


class TestPrune:
    def test_removes_what_retention_lets_go(self, synced: Mirror, small: FakeHub) -> None:
        repo = small.repo("model", "klue/roberta-small")
        commits = [repo.sha]
        for number in range(3):
            repo.commit({"model.safetensors": bytes([number]) * 1000})
            commits.append(repo.sha)
            synced.sync()
        before = snapshot(synced.root)

        plan = synced.prune(dry_run=True)

        assert before == snapshot(synced.root)
        assert sorted(commits[:2]) == sorted(one.commit for one in plan.snapshots)
        assert plan.snapshots == synced.prune().snapshots
        assert sorted(commits[2:]) == sorted(synced.store.commits(ROBERTA))
        assert commits[3] == synced.show(ROBERTA).commit
        assert 2 == len(synced.show(ROBERTA).snapshots)
        assert "prune" == next(iter(synced.runs()))["kind"]
        assert 0 == synced.verify().exit_code

    def test_never_the_last_of_a_repo_that_is_no_longer_selected(self, synced: Mirror) -> None:
        synced.remove("acme/numbers")

        assert () == synced.prune().snapshots
        assert synced.path("acme/numbers").is_dir()


def test_reindex_gives_the_same_answers(synced: Mirror) -> None:
    before = synced.show(KLUE), synced.search("korean"), synced.list()

    report = synced.reindex()

    assert before == (synced.show(KLUE), synced.search("korean"), synced.list())
    assert 5 == report.as_json()["repos"]


def test_reading_writes_nothing(offline: Mirror, tmp_path: Path) -> None:
    before = snapshot(offline.root)

    offline.search("korean")
    offline.list()
    offline.show(KLUE)
    offline.files(KLUE)
    offline.path(KLUE)
    offline.status()
    offline.env()
    list(offline.runs())
    offline.prune(dry_run=True)
    offline.load_dataset("acme/numbers", cache_dir=str(tmp_path))

    assert before == snapshot(offline.root)
