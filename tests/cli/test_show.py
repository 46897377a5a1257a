"""show, leaderboard, sql: on a catalog with a small family of models."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import yaml

from mirror import Mirror
from mirror.catalog import reindex
from mirror.catalog.record.known import describe_known
from mirror.catalog.write.build import write_catalog
from mirror.store import Observation, Store
from tests.catalog.making import dataset, model, publish
from tests.cli.conftest import Cli
from tests.cli.test_output import in_a_terminal


def _results(f1: float, wer: float | None = None) -> list[dict[str, object]]:
    metrics = [{"type": "f1", "value": f1}] + ([{"type": "wer", "value": wer}] if wer else [])
    where = {"type": "klue/klue", "name": "KLUE", "config": "ynat", "split": "test"}
    return [{"task": {"type": "text-classification"}, "dataset": where, "metrics": metrics}]


def _card(title: str, **data: object) -> str:
    return f"---\n{yaml.safe_dump(data, allow_unicode=True)}---\n# {title}\n\n한국어 모델입니다.\n"


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a mirror: a base model, one made from it, and a data set."""
    store = Store.create(tmp_path_factory.mktemp("family") / "mirror")
    index = {"language": "ko", "library_name": "transformers", "pipeline_tag": "fill-mask"}
    publish(
        store,
        model("lab/base"),
        {"config.json": "{}", "tokenizer.json": "{}"},
        card=_card("기본 모델", license="mit", **index, **{"model-index": [
            {"name": "base", "results": _results(85.25)}
        ]}),
    )  # fmt: skip
    publish(
        store,
        model("lab/tuned"),
        card=_card("Tuned", base_model="lab/base", datasets=["klue/klue"], **{"model-index": [
            {"name": "tuned", "results": _results(87.5, 4.0)}
        ]}),
    )  # fmt: skip
    publish(store, dataset("klue/klue"), card=_card("KLUE", language="ko"))
    store.observe(
        model("lab/base"), Observation("2026-01-01T00:00:00Z", "ok", license="mit", gated=False)
    )
    store.observe(model("lab/base"), Observation("2026-02-01T00:00:00Z", "gone", detail="404"))
    reindex(store, store.layout.catalog)
    return store.layout.catalog.parent


@pytest.fixture
def catalog(family: Path) -> Path:
    return family / "catalog.db"


class TestShow:
    def test_tells_the_whole_story(self, cli: Cli, catalog: Path) -> None:
        text = cli("show", "lab/base", "--catalog", catalog).out

        for expected in ("기본 모델", "klue/klue", "85.25", "MADE INTO", "lab/tuned"):
            assert expected in text
        assert "2026-02-01  state     ok      gone   404" in text
        assert "AutoModelForMaskedLM.from_pretrained(name)" in text

    def test_what_it_was_made_from(self, cli: Cli, catalog: Path) -> None:
        text = cli("show", "lab/tuned", "--catalog", catalog).out

        assert "MADE FROM" in text
        assert "TRAINED ON" in text
        assert "unknown: none is stated" in text

    def test_the_code_alone(self, cli: Cli, catalog: Path) -> None:
        text = cli("show", "lab/base", "--catalog", catalog, "--load").out

        assert text.startswith("from transformers import AutoModelForMaskedLM, AutoTokenizer\n")
        compile(text, "pasted", "exec")

    def test_json(self, cli: Cli, catalog: Path) -> None:
        page = cli("show", "lab/tuned", "--catalog", catalog, "--json").json

        assert page["lineage"]["made_from"][0]["repo_id"] == "lab/base"
        assert page["evaluations"][0]["value"] == 87.5
        assert "snapshot_download" in page["load"]
        assert page["path"] is None

    def test_nothing_of_that_name(self, cli: Cli, catalog: Path) -> None:
        assert "does not know" in cli("show", "lab/none", "--catalog", catalog, code=10).err

    def test_the_line_for_the_shell(self, read: Cli, offline: Mirror) -> None:
        text = read("show", "datasets/klue/klue").out

        assert f'eval "$(mirror env -C {offline.root})"' in text

    def test_what_is_only_known(self, cli: Cli, home: Path) -> None:
        store = Store.create(home)
        raw = {
            "id": "far/away",
            "tags": ["base_model:finetune:lab/base"],
            "pipeline_tag": "fill-mask",
        }
        known = describe_known(model("far/away"), raw, "2026-01-01T00:00:00Z")
        write_catalog(store.layout.catalog, [known], {})

        text = cli("show", "far/away").out

        assert "not mirrored: mirror add models/far/away" in text
        assert "lab/base" in text
        assert "snapshot_download" not in text
        assert cli("show", "far/away", "--json").json["state"] == "known"
        assert "not mirrored" in cli("show", "far/away", "--load", code=10).err

    @pytest.mark.parametrize("columns", [60, 80])
    def test_fits_a_terminal(self, catalog: Path, columns: int) -> None:
        lines = in_a_terminal(["show", "lab/tuned", "--catalog", str(catalog)], columns)

        assert any("MADE FROM" in line for line in lines)


class TestLeaderboard:
    def test_lines_for_a_program(self, cli: Cli, catalog: Path) -> None:
        ran = cli("leaderboard", "--catalog", catalog, "--dataset", "klue")

        assert [row[:4] for row in ran.rows] == [
            ["models/lab/tuned", "87.5", "87.5", "4.0"],
            ["models/lab/base", "85.25", "85.25", ""],
        ]
        assert "columns: klue/klue@ynat:f1, klue/klue@ynat:wer" in ran.err

    def test_csv(self, cli: Cli, catalog: Path) -> None:
        ran = cli("leaderboard", "--catalog", catalog, "--columns", "1", "--csv")
        rows = list(csv.DictReader(io.StringIO(ran.out)))

        assert [row["repo_id"] for row in rows] == ["lab/tuned", "lab/base"]
        assert rows[0]["klue/klue@ynat:f1"] == "87.5"

    def test_json_and_filters(self, cli: Cli, catalog: Path) -> None:
        ran = cli(
            "leaderboard", "license:mit", "--task", "fill-mask", "--catalog", catalog, "--json"
        )

        assert [row["repo_id"] for row in ran.json["rows"]] == ["lab/base"]

    def test_a_query_may_exclude(self, cli: Cli, catalog: Path) -> None:
        ran = cli("leaderboard", "-license:unknown", "--catalog", catalog)

        assert [row[0] for row in ran.rows] == ["models/lab/base"]

    def test_sorts(self, cli: Cli, catalog: Path) -> None:
        ran = cli("leaderboard", "--catalog", catalog, "--sort", "f1", "--asc")

        assert ran.rows[0][0] == "models/lab/base"

    def test_errors(self, cli: Cli, catalog: Path) -> None:
        wrong = cli("leaderboard", "--catalog", catalog, "--metric", "f2", code=2)

        assert "did you mean f1" in wrong.err

    def test_nothing(self, cli: Cli, catalog: Path) -> None:
        ran = cli("leaderboard", "--catalog", catalog, "--author", "nobody")

        assert (ran.out, "nobody here states a result" in ran.err) == ("", True)

    def test_of_a_mirror(self, cli: Cli, family: Path) -> None:
        assert cli("leaderboard", "-C", family, "--json").json["total"] == 2

    @pytest.mark.parametrize("columns", [40, 80])
    def test_fits_a_terminal(self, catalog: Path, columns: int) -> None:
        lines = in_a_terminal(
            ["leaderboard", "--catalog", str(catalog), "--sort", "f1", "--columns", "1"], columns
        )

        assert lines[0].split()[0] == "MODEL"
        assert len(lines[0].rstrip()) <= columns


class TestSql:
    def test_lines_for_a_program(self, cli: Cli, catalog: Path) -> None:
        ran = cli("sql", "--catalog", catalog, "SELECT repo_id, rows FROM datasets")

        assert ran.rows == [["klue/klue", ""]]

    def test_csv_and_json(self, cli: Cli, catalog: Path) -> None:
        asked = ("sql", "--catalog", catalog, "SELECT '=1+1' AS a, 2 AS b, x'00' AS c")

        assert cli(*asked, "--csv").out == "a,b,c\n'=1+1,2,<1 bytes>\n"
        assert cli(*asked, "--json").json == {
            "columns": ["a", "b", "c"],
            "rows": [["=1+1", 2, "<1 bytes>"]],
            "truncated": False,
        }

    def test_says_when_there_is_more(self, cli: Cli, catalog: Path) -> None:
        ran = cli("sql", "--catalog", catalog, "SELECT path FROM files", "--limit", "1")

        assert len(ran.rows) == 1
        assert "more rows than 1" in ran.err

    def test_without_a_statement_lists_what_there_is(self, cli: Cli, family: Path) -> None:
        rows = {row[0]: row[1] for row in cli("sql", "-C", family).rows}
        listed = json.loads(cli("sql", "-C", family, "--json").out)

        assert rows["models"] == "view"
        assert rows["repos"] == "table"
        assert {table["name"] for table in listed} == set(rows)

    def test_an_error_shows_the_place(self, cli: Cli, catalog: Path) -> None:
        ran = cli("sql", "--catalog", catalog, "SELECT 1 FROM modles", code=2)

        assert "SELECT 1 FROM modles\n                ^^^^^^\n" in ran.err
        assert "did you mean models" in ran.err

    def test_writes_nothing(self, cli: Cli, catalog: Path) -> None:
        assert "only reads" in cli("sql", "--catalog", catalog, "DROP TABLE repos", code=2).err

    def test_gives_up_in_time(self, cli: Cli, catalog: Path) -> None:
        endless = (
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT max(x) FROM n"
        )

        ran = cli("sql", "--catalog", catalog, endless, "--timeout", "0.1", code=7)

        assert "longer than 0.1 s" in ran.err
