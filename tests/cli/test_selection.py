"""init, add, remove."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mirror.settings import load_settings
from tests.cli.conftest import Cli


class TestInit:
    def test_makes_a_mirror_and_says_what_next(self, cli: Cli, home: Path) -> None:
        ran = cli("init", home)

        assert "1\n" == (home / "format").read_text()
        assert "https://huggingface.co" == load_settings(home / "mirror.toml").upstream.endpoint
        assert "" == ran.out
        assert f"export MIRROR_HOME={home}" in ran.err
        assert "mirror plan" in ran.err

    def test_of_another_hub(self, cli: Cli, home: Path) -> None:
        ran = cli("init", home, "--endpoint", "http://127.0.0.1:8000/", "--json")

        assert {"root": str(home), "endpoint": "http://127.0.0.1:8000"} == ran.json

    def test_again_changes_nothing(self, cli: Cli, home: Path) -> None:
        cli("init", home)
        cli("add", "models/gpt2")
        before = (home / "mirror.toml").read_text()

        ran = cli("init", home)

        assert before == (home / "mirror.toml").read_text()
        assert "It was one before; nothing is changed." in ran.err

    def test_again_for_another_hub_is_refused(self, cli: Cli, home: Path) -> None:
        cli("init", home)

        ran = cli("init", home, "--endpoint", "https://hub.example.org", code=3)

        assert "says endpoint = 'https://huggingface.co'" in ran.err

    def test_keeps_a_mirror_toml_that_is_there(self, cli: Cli, home: Path) -> None:
        home.mkdir()
        (home / "mirror.toml").write_text('[[models]]\nid = "gpt2"  # mine\n')

        cli("init", home)

        assert '[[models]]\nid = "gpt2"  # mine\n' == (home / "mirror.toml").read_text()

    def test_refuses_a_folder_of_something_else(self, cli: Cli, home: Path) -> None:
        home.mkdir()
        (home / "thesis.tex").touch()

        ran = cli("init", home, code=7)

        assert "is not empty (thesis.tex is in it)" in ran.err
        assert ["thesis.tex"] == [path.name for path in home.iterdir()]

    def test_a_bad_endpoint_leaves_no_folder(self, cli: Cli, home: Path) -> None:
        ran = cli("init", home, "--endpoint", "hub.example.org", code=3)

        assert "expected a URL" in ran.err
        assert not home.exists()


@pytest.fixture
def mirror_toml(cli: Cli, home: Path) -> Path:
    cli("init", home)
    return home / "mirror.toml"


class TestAdd:
    def test_several_repos(self, cli: Cli, mirror_toml: Path) -> None:
        before = mirror_toml.read_text()

        ran = cli("add", "datasets/klue/klue", "hf://models/gpt2", "--exclude", "*.h5")

        settings = load_settings(mirror_toml)
        assert ["klue/klue"] == [entry.id for entry in settings.datasets]
        assert ["gpt2"] == [entry.id for entry in settings.models]
        assert ("*.h5",) == settings.models[0].exclude
        assert mirror_toml.read_text().startswith(before)
        assert '[[datasets]]\nid = "klue/klue"\nexclude = "*.h5"\n' in ran.err
        assert "mirror plan" in ran.err

    def test_every_option_arrives(self, cli: Cli, mirror_toml: Path) -> None:
        options = (
            "--author=klue --task=fill-mask --language=ko --language=en --license=mit "
            "--library=transformers --search=bert --min-downloads=10 --min-likes=0 "
            "--sort=likes --limit=5 --include=*.json --max-size=2GiB --revision=v1 --revision=main"
        )

        cli("add", "--type", "model", *options.split())

        (entry,) = load_settings(mirror_toml).models
        assert {
            "author": "klue",
            "task": "fill-mask",
            "language": ("ko", "en"),
            "license": ("mit",),
            "library": ("transformers",),
            "search": "bert",
            "min_downloads": 10,
            "min_likes": 0,
            "sort": "likes",
            "limit": 5,
            "include": ("*.json",),
            "max_size": 2 << 30,
            "revisions": ("v1", "main"),
        } == entry.model_dump(exclude_defaults=True)

    def test_json(self, cli: Cli, mirror_toml: Path) -> None:
        ran = cli("add", "klue/klue", "--type", "dataset", "--revision", "v1", "--json")

        assert [{"repo_type": "dataset", "id": "klue/klue", "revision": "v1"}] == ran.json

    @pytest.mark.parametrize(
        ("args", "code", "message"),
        [
            (["klue/klue"], 2, "write models/klue/klue, datasets/klue/klue or spaces/klue/klue"),
            (["model/klue/klue"], 2, "hint: write models/klue/klue\n"),
            (["https://h.org/datasets/a/b/tree/main"], 2, "hint: write datasets/a/b\n"),
            (["https://h.org/a/b/tree/main"], 2, "write models/a/b, datasets/a/b or spaces/a/b"),
            ([], 2, "neither a REPO nor the --type"),
            (["--type", "model"], 3, "expected an id, or a query"),
            (["models/gpt2", "--author", "x"], 3, "id and author exclude each other"),
            (["models/gpt2", "--max-size", "lots"], 3, 'expected a size such as 500000, "500 MB"'),
            (["models/a/b/c"], 2, "is not a repo id"),
            (["models/gpt2", "models/gpt2"], 2, "is selected already: entry models.1"),
            (["models/gpt2", "--revision", "a..b"], 3, "is not a branch, tag or commit"),
            (["models/gpt2", "--include", "\udcff"], 2, "not UTF-8"),
        ],
    )
    def test_what_is_wrong_changes_nothing(
        self, cli: Cli, mirror_toml: Path, args: list[str], code: int, message: str
    ) -> None:
        before = mirror_toml.read_text()

        ran = cli("add", *args, code=code)

        assert message in ran.err
        assert before == mirror_toml.read_text()

    def test_all_or_none(self, cli: Cli, mirror_toml: Path) -> None:
        cli("add", "models/gpt2")
        before = mirror_toml.read_text()

        cli("add", "models/acme/tiny", "models/gpt2", code=2)

        assert before == mirror_toml.read_text()

    def test_a_broken_file_is_named_with_the_line(self, cli: Cli, mirror_toml: Path) -> None:
        mirror_toml.write_text('[[models]]\nid = "gpt2\n')

        ran = cli("add", "models/acme/tiny", code=3)

        assert f"{mirror_toml}: not valid TOML" in ran.err
        assert "line 2" in ran.err

    def test_follows_a_link_to_the_file(self, cli: Cli, mirror_toml: Path, tmp_path: Path) -> None:
        elsewhere = tmp_path / "config" / "mirror.toml"
        elsewhere.parent.mkdir()
        mirror_toml.rename(elsewhere)
        mirror_toml.symlink_to(elsewhere)

        cli("add", "models/gpt2")

        assert mirror_toml.is_symlink()
        assert ["gpt2"] == [entry.id for entry in load_settings(elsewhere).models]

    def test_at_the_same_time_loses_none(self, mirror_toml: Path) -> None:
        from mirror import Mirror

        names = [f"acme/m{number}" for number in range(8)]
        threads = [
            threading.Thread(
                target=Mirror(mirror_toml.parent).add, args=["model"], kwargs={"id": n}
            )
            for n in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert names == sorted(str(entry.id) for entry in load_settings(mirror_toml).models)


class TestRemove:
    def test_by_id(self, cli: Cli, mirror_toml: Path) -> None:
        before = mirror_toml.read_text()
        cli("add", "models/gpt2")

        ran = cli("remove", "gpt2")

        assert before.rstrip() == mirror_toml.read_text().rstrip()
        assert "models.1" in ran.err
        assert "What is mirrored of it stays" in ran.err

    def test_places_are_those_before(self, cli: Cli, mirror_toml: Path) -> None:
        cli("add", "models/acme/a", "models/acme/b", "models/acme/c")

        ran = cli("remove", "models.1", "models.2", "acme/a", "--json")

        assert ["models.1", "models.2"] == ran.json
        assert ["acme/c"] == [entry.id for entry in load_settings(mirror_toml).models]

    def test_what_is_not_there(self, cli: Cli, mirror_toml: Path) -> None:
        cli("add", "--type", "dataset", "--language", "ko", "--limit", "3")
        before = mirror_toml.read_text()

        ran = cli("remove", "datasets/klue/klue", code=10)

        assert "datasets.1  language=ko limit=3" in ran.err
        assert before == mirror_toml.read_text()
