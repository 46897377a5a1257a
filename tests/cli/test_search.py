"""search and facets: on a mirror whose hub is gone."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest

from mirror import Mirror
from mirror.catalog import Catalog, Query, SearchResult
from mirror.catalog.fields import FIELDS, SORTS
from mirror.cli import search
from tests.cli.conftest import Cli

KLUE, ROBERTA = "datasets/klue/klue", "models/klue/roberta-small"


class TestSearch:
    def test_lines_for_a_program(self, read: Cli) -> None:
        ran = read("search", "korean", "--task", "fill-mask")

        assert [[ROBERTA, "fill-mask", "ko", "mit", "9000", "102561", "KLUE RoBERTa"]] == ran.rows
        assert "" == ran.err

    @pytest.mark.parametrize(
        ("args", "expected"),
        [
            (["독해"], [KLUE]),
            (["--language", "Korean"], [ROBERTA, KLUE]),
            (["language:Korean"], [ROBERTA, KLUE]),
            (["--license", "mit", "--license", "cc-by-sa-4.0"], [ROBERTA, KLUE]),
            (["--license", "mit,cc-by-sa-4.0"], [ROBERTA, KLUE]),
            (["license:mit,cc-by-sa-4.0", "type:model"], [ROBERTA]),
            (["language:ko", "-license:mit"], [KLUE]),
            (["-license:unknown", "-type:dataset"], [ROBERTA]),
            (["language:ko -license:mit"], [KLUE]),
            (["language:ko", "-roberta"], [KLUE]),
            (["language:ko", "-독해"], [ROBERTA]),
            (["language:ko", '-"small language model"'], [KLUE]),
            (["language:ko", "--license=-mit"], [KLUE]),
            (["--author", "acme"], ["datasets/acme/numbers"]),
            (["--library", "transformers", "--license", "mit"], [ROBERTA]),
            (["--tag", "license:mit+ko"], [ROBERTA]),
            (["--tag", "license:mit+en"], []),
            (["--type", "dataset", "--sort", "name"], ["datasets/acme/numbers", KLUE]),
            (["--downloads", ">1000"], [ROBERTA]),
            (["klue", "small language model"], [ROBERTA]),
            (["klue", "model language small"], []),
            (["small language model", "license:mit"], [ROBERTA]),
            (["--language", "ko", "--sort", "downloads", "--asc"], [KLUE, ROBERTA]),
            (["gpt2"], ["models/openai-community/gpt2"]),
        ],
    )
    def test_every_way_to_ask(self, read: Cli, args: list[str], expected: list[str]) -> None:
        assert expected == [row[0] for row in read("search", *args).rows]

    def test_pages(self, read: Cli) -> None:
        first = read("search", "--sort", "name", "--limit", "2")
        last = read("search", "--sort", "name", "--limit", "2", "--offset", "4")

        assert (2, 1) == (len(first.rows), len(last.rows))
        assert "1 to 2 of 5; --offset 2 shows the next ones\n" == first.err
        assert "5 to 5 of 5\n" == last.err
        assert "no more than 5\n" == read("search", "--offset", "7").err

    def test_nothing(self, read: Cli) -> None:
        ran = read("search", "xyzzy")

        assert ("", "nothing found\n") == (ran.out, ran.err)
        assert {"hits": [], "total": 0, "facets": [], "hints": []} == read(
            "search", "xyzzy", "--json"
        ).json

    def test_operators_of_other_languages(self, read: Cli) -> None:
        assert "OR and NOT are words here" in read("search", "독해 OR roberta").err
        assert "nothing found\n" == read("search", "notable").err

    def test_a_slip_is_an_error_that_knows_better(self, read: Cli) -> None:
        ran = read("search", "--task", "fil-mask", code=2)

        assert "" == ran.out
        assert "did you mean task:fill-mask" in ran.err
        assert "\n  fil-mask\n  ^^^^^^^^\n" in ran.err
        found = read("search", "task:fil-mask", "--json", code=2).json
        assert ("task", "fil-mask", ["fill-mask"]) == (
            found["field"], found["value"], found["near"],
        )  # fmt: skip

    def test_a_value_that_nobody_has_is_told(self, read: Cli) -> None:
        ran = read("search", "--author", "klu")

        assert "nothing found\n" in ran.err
        assert "hint: no repo here has author:klu: did you mean klue?" in ran.err

    def test_an_error_shows_the_place(self, read: Cli) -> None:
        ran = read("search", "감정", "lisence:mit", code=2)

        assert "  감정 lisence:mit\n       ^^^^^^^\nhint: did you mean license:?" in ran.err
        found = read("search", "lisence:mit", "--json", code=2).json
        assert (0, 7) == (found["place"], found["length"])

    def test_json(self, read: Cli) -> None:
        found = read("search", "독해", "--json", "--facets").json

        assert 1 == found["total"]
        (hit,) = found["hits"]
        assert ("dataset", "klue/klue") == (hit["repo_type"], hit["repo_id"])
        assert "독해" == hit["snippet"][slice(*hit["highlights"][0])]
        facets = {facet["field"]: facet["values"] for facet in found["facets"]}
        assert [{"value": "cc-by-sa-4.0", "repos": 1, "selected": False}] == facets["license"]

    def test_csv(self, read: Cli) -> None:
        lines = list(csv.DictReader(io.StringIO(read("search", "language:ko", "--csv").out)))

        assert ["klue/roberta-small", "klue/klue"] == [line["repo_id"] for line in lines]
        assert ("KLUE", "text-classification", "420") == (
            lines[1]["title"], lines[1]["tasks"], lines[1]["downloads"],
        )  # fmt: skip
        assert "use mirror facets" in read("search", "--csv", "--facets", code=2).err

    def test_chosen_facets(self, read: Cli) -> None:
        for args in (["--facets=license,type"], ["--facet", "license", "--facet", "type"]):
            facets = read("search", "독해", "--json", *args).json["facets"]

            assert ["license", "type"] == [facet["field"] for facet in facets]

    @pytest.mark.parametrize("option", ["-l", "-limit", "--limits"])
    def test_an_option_that_there_is_not(self, read: Cli, option: str) -> None:
        assert "No such option" in read("search", option, "3", code=2).err

    def test_facets_in_a_pipe_are_lines_after_the_hits(self, read: Cli) -> None:
        ran = read("search", "독해", "--facet", "license")

        assert [KLUE] == ran.rows[0][:1]
        assert [[""], ["license", "cc-by-sa-4.0", "1"]] == ran.rows[1:]

    def test_in_a_catalog_that_was_copied_somewhere(
        self, cli: Cli, offline: Mirror, tmp_path: Path
    ) -> None:
        shutil.copy(offline.root / "catalog.db", tmp_path / "copy.db")

        ran = cli("search", "독해", "--catalog", tmp_path / "copy.db", MIRROR_HOME="")

        assert [KLUE] == [row[0] for row in ran.rows]

    def test_without_catalog(self, cli: Cli, home: Path) -> None:
        Mirror.init(home).store.layout.catalog.unlink()

        assert "mirror reindex" in cli("search", "x", code=7).err

    def test_a_new_mirror_has_nothing(self, cli: Cli, home: Path) -> None:
        Mirror.init(home)

        assert ("", "nothing found\n") == (cli("search", "x").out, cli("search", "x").err)

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (["--sort", "beauty"], "'beauty' is not an order"),
            (["--type", "paper"], "none of model, dataset, space"),
            (["--limit", "-1"], "Invalid value"),
            (["--params", "huge"], "is no number"),
            (["--facet", "colour"], "colour"),
            (["--timeout", "0"], "Invalid value"),
            ([f"w{n}" for n in range(40)], "more than 32 words"),
        ],
    )
    def test_what_makes_no_sense(self, read: Cli, args: list[str], message: str) -> None:
        assert message in read("search", *args, code=2).err

    def test_the_time_limit_reaches_the_catalog(
        self, read: Cli, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given: list[float] = []

        def slow(_self: Catalog, _query: Query, _facets: object, _limit: int, timeout: float) -> SearchResult:  # fmt: skip  # noqa: E501
            given.append(timeout)
            return SearchResult((), 0)

        monkeypatch.setattr(Catalog, "search", slow)
        read("search", "x", "--timeout", "2.5")

        assert [2.5] == given

    def test_every_field_is_an_option(self, read: Cli) -> None:
        text = read("search", "--help").out

        assert [] == [name for name in FIELDS if f"--{name.replace('_', '-')} " not in text]

    def test_knows_the_orders_of_the_catalog(self) -> None:
        assert ("relevance", *SORTS) == search._SORTS


class TestFacets:
    def test_lines_for_a_program(self, read: Cli) -> None:
        rows = read("facets", "--field", "type", "--field", "license").rows

        assert [["type", "model", "3"], ["type", "dataset", "2"]] == rows[:2]
        assert ["license", "unknown", "3"] in rows

    def test_its_own_filter_does_not_count(self, read: Cli) -> None:
        (facet,) = read("facets", "type:dataset", "--field", "type", "--json").json

        assert [("model", 3, False), ("dataset", 2, True)] == [
            (item["value"], item["repos"], item["selected"]) for item in facet["values"]
        ]

    def test_in_the_context_of_a_query(self, read: Cli) -> None:
        rows = read("facets", "language:ko", "--field", "task").rows

        assert {("task", "fill-mask", "1"), ("task", "text-classification", "1")} == set(
            map(tuple, rows)
        )

    def test_all_fields_and_csv(self, read: Cli) -> None:
        lines = list(csv.DictReader(io.StringIO(read("facets", "--all", "--csv").out)))

        assert {"type", "task", "author", "gated", "downloads", "updated"} <= {
            line["field"] for line in lines
        }

    def test_more_than_are_shown(self, read: Cli) -> None:
        (facet,) = read("facets", "--field", "author", "--limit", "1", "--json").json

        assert (1, True) == (len(facet["values"]), facet["truncated"])

    def test_an_unknown_field(self, read: Cli) -> None:
        assert "colour" in read("facets", "--field", "colour", code=2).err
