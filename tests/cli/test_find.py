"""list, show, files, path: on a mirror whose hub is gone."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest

from mirror import Mirror
from tests.cli.conftest import Cli


class TestList:
    def test_all(self, read: Cli) -> None:
        names = [row[0] for row in read("list").rows]

        assert 5 == len(names)
        assert {"models/klue/klue", "datasets/klue/klue"} < set(names)

    def test_of_a_type(self, read: Cli) -> None:
        ran = read("list", "--type", "dataset", "--json")

        assert {"acme/numbers", "klue/klue"} == {repo["repo_id"] for repo in ran.json}

    def test_csv(self, read: Cli) -> None:
        lines = list(csv.DictReader(io.StringIO(read("list", "--csv").out)))

        assert 5 == len(lines)
        assert {"mirrored"} == {line["state"] for line in lines}
        files = list(csv.DictReader(io.StringIO(read("files", "klue/roberta-small", "--csv").out)))
        assert {("pytorch_model.bin", "no", "exclude *.bin"), ("model.safetensors", "yes", "")} < {
            (line["path"], line["present"], line["absent_because"]) for line in files
        }

    def test_none(self, cli: Cli, home: Path) -> None:
        Mirror.init(home).reindex()

        ran = cli("list")

        assert ("", "nothing is mirrored yet: mirror add, then mirror sync\n") == (ran.out, ran.err)


class TestShow:
    def test_everything(self, read: Cli) -> None:
        text = read("show", "datasets/klue/klue").out

        assert text.startswith("datasets/klue/klue\n")
        for line in (
            "language  ko",
            "licence   cc-by-sa-4.0",
            "sts (default)  train",
            "v1.0",
        ):
            assert line in text

    def test_what_was_left_out(self, read: Cli) -> None:
        text = read("show", "klue/roberta-small").out

        assert "1 file left out: mirror files models/klue/roberta-small" in text

    def test_where_it_lies_and_its_largest_files(self, read: Cli) -> None:
        folder = read("path", "datasets/klue/klue").out.strip()

        shown = read("show", "datasets/klue/klue")
        page = read("show", "datasets/klue/klue", "--json").json

        assert f"path      {folder}\n" in shown.out
        sizes = {file["path"]: file["size"] for file in page["file_list"] if file["present"]}
        listed = shown.out.split("FILE ")[1].splitlines()[1 : len(sizes) + 1]
        largest_first = sorted(sizes.values(), reverse=True)
        assert largest_first == [sizes[line.split()[0]] for line in listed]
        assert folder == page["path"]

    def test_the_card(self, read: Cli) -> None:
        text = read("show", "datasets/klue/klue", "--card").out

        assert text.startswith("# KLUE\n\n한국어 이해 능력을")

    def test_json(self, read: Cli) -> None:
        page = read("show", "klue/klue", "--type", "dataset", "--json").json

        assert ["sts", "ynat"] == [subset["name"] for subset in page["subsets"]]

    def test_of_two_types(self, read: Cli) -> None:
        ran = read("show", "klue/klue", code=2)

        assert "hint: write models/klue/klue or datasets/klue/klue" in ran.err

    def test_by_an_old_name(self, read: Cli) -> None:
        assert "also known as" in read("show", "gpt2").out


class TestFiles:
    def test_lines_for_a_program(self, read: Cli) -> None:
        ran = read("files", "klue/roberta-small")

        assert [
            ("2", "present"),
            ("102400", "present"),
            ("5400", "exclude *.bin"),
        ] == [
            (row[0] if row[3] != "config.json" else "2", row[1])
            for row in ran.rows
            if row[3] in {"config.json", "model.safetensors", "pytorch_model.bin"}
        ]
        assert "3 files at " in ran.err
        assert "1 left out" in ran.err

    def test_json(self, read: Cli) -> None:
        found = read("files", "datasets/klue/klue", "--revision", "v1.0", "--json").json

        assert ["README.md"] == [file["path"] for file in found["files"]]
        assert {"size", "sha256", "etag", "present", "absent_because"} < set(found["files"][0])

    def test_a_revision_that_is_not_there(self, read: Cli) -> None:
        ran = read("files", "datasets/klue/klue", "--revision", "v9", code=10)

        assert "hint: the mirror has main, v1.0" in ran.err


class TestPath:
    def test_the_folder_and_nothing_else(self, read: Cli, offline: Mirror) -> None:
        ran = read("path", "klue/roberta-small")

        assert f"{offline.path('klue/roberta-small')}\n" == ran.out
        assert "" == ran.err
        assert {"path": ran.out.strip()} == read("path", "klue/roberta-small", "--json").json

    def test_of_a_commit(self, read: Cli, offline: Mirror) -> None:
        commit = offline.store.resolve(offline.find("datasets/klue/klue"), "v1.0")

        ran = read("path", "klue/klue", "--type", "dataset", "--revision", commit[:9])

        assert ran.out.strip().endswith(f"/snapshots/{commit}")


@pytest.mark.parametrize(
    ("args", "allowed"),
    [
        (["search", "독해", "--language", "ko", "--facets"], set()),
        (["search", "독해", "--json"], set()),
        (["facets", "license:mit"], set()),
        (["list"], set()),
        (["env"], set()),
        (["--help"], set()),
        (["path", "klue/roberta-small"], {"pydantic"}),
        (["export", "-", "--dry-run"], {"pydantic", "rich", "yaml"}),
    ],
)
def test_a_command_imports_only_what_it_needs(
    offline: Mirror, args: list[str], allowed: set[str]
) -> None:
    heavy = {
        "aiohttp", "asyncio", "datasets", "huggingface_hub", "numpy", "pandas",
        "pyarrow", "pydantic", "rich", "sqlalchemy", "sqlite_utils", "tomlkit", "yaml",
    }  # fmt: skip
    script = (
        "import sys\nfrom mirror.cli import app\n"
        "try:\n    app.main(sys.argv[1:], prog_name='mirror')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print(*sys.modules, file=sys.stderr)"
    )

    ran = subprocess.run(
        [sys.executable, "-c", script, *args],
        env={"MIRROR_HOME": str(offline.root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert allowed == heavy & set(ran.stderr.split())
