"""Facets: what is counted, in which context, how much of it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mirror.catalog import Catalog
from mirror.catalog.fields import FIELDS, MAIN_FACETS
from mirror.catalog.query.parse import parse_query
from mirror.catalog.read import facets
from mirror.catalog.read.results import FacetValue
from mirror.catalog.record.languages import Language
from mirror.catalog.record.metadata import describe
from mirror.catalog.record.record import Popularity, RepoRecord
from mirror.catalog.write.build import write_catalog
from mirror.errors import QueryTimeoutError
from mirror.names import RepoKey, RepoType
from tests.catalog.making import model
from tests.catalog.test_metadata import source_of

DOWNLOADS = (None, 0, 7, 999, 1_000, 9_999, 10_000, 2_500_000)


def _record(number: int) -> RepoRecord:
    kind = RepoType.DATASET if number % 4 == 0 else RepoType.MODEL
    task = ("fill-mask", "translation", "text-classification")[number % 3]
    return replace(
        describe(source_of(RepoKey(kind, f"org{number % 7}/r{number}"), b"# Card\n", {})),
        tasks=(task,),
        languages=(Language("ko", "Korean"),) if number % 2 else (),
        tags=tuple(f"tag{n}" for n in range(number % 12)),
        popularity=Popularity(DOWNLOADS[number % 8]),
        last_modified=f"202{number % 4}-12-31T23:59:59Z" if number % 5 else None,
        disk_size=1_000 * number,
    )


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    path = tmp_path_factory.mktemp("facets") / "catalog.db"
    write_catalog(path, map(_record, range(400)), {})
    with Catalog.open(path) as catalog:
        yield catalog


def counted(catalog: Catalog, query: str, field: str, limit: int = 20) -> dict[str, int]:
    (facet,) = catalog.facets(parse_query(query), (field,), limit)
    return {value.value: value.repos for value in facet.values}


def total(catalog: Catalog, query: str) -> int:
    return catalog.search(parse_query(query, limit=0)).total


def test_each_facet_is_counted_as_if_its_own_filter_were_off(catalog: Catalog) -> None:
    query = "task:fill-mask type:model language:ko"

    assert counted(catalog, query, "task") == counted(catalog, "type:model language:ko", "task")
    assert counted(catalog, query, "type") == counted(catalog, "task:fill-mask language:ko", "type")
    assert len(counted(catalog, query, "task")) == 3


def test_a_count_is_what_the_search_for_that_value_finds(catalog: Catalog) -> None:
    for field in ("task", "tag", "author", "language", "type", "license", "gated", "state"):
        for value, repos in counted(catalog, "type:model downloads:>5", field).items():
            asked = f"downloads:>5 {field}:{value}" + (" type:model" if field != "type" else "")
            assert total(catalog, asked) == repos


@pytest.mark.parametrize("field", ["downloads", "size", "updated"])
def test_a_range_of_numbers_or_dates_can_be_asked_for_as_it_is_called(
    catalog: Catalog, field: str
) -> None:
    ranges = counted(catalog, "type:model", field)

    assert len(ranges) >= 3
    assert {r: total(catalog, f"type:model {field}:{r}") for r in ranges} == ranges


def test_ranges_are_powers_of_ten_and_years(catalog: Catalog) -> None:
    assert counted(catalog, "", "downloads").keys() == {
        "0", "1..<10", "100..<1K", "1K..<10K", "10K..<100K", "1M..<10M"
    }  # fmt: skip
    assert counted(catalog, "", "updated").keys() == {"2020", "2021", "2022", "2023"}


def test_a_facet_tells_whether_there_are_more_values(catalog: Catalog) -> None:
    def shown(limit: int) -> tuple[int, bool]:
        (facet,) = catalog.facets(parse_query(), ("tag",), limit)
        return len(facet.values), facet.truncated

    assert shown(3) == (3, True)
    assert shown(10) == (10, True)
    assert shown(11) == (11, False)
    assert shown(12) == (11, False)
    assert shown(0) == (0, True)


def test_what_is_asked_for_is_marked_and_shown_though_it_be_rare(catalog: Catalog) -> None:
    (facet,) = catalog.facets(parse_query("tag:TAG9 -tag:tag1"), ("tag",), limit=2)

    assert [value.value for value in facet.values] == ["tag0", "tag1", "tag9"]
    assert [value.selected for value in facet.values] == [False, False, True]


def test_counts_beside_hits_are_those_of_the_facets_alone(catalog: Catalog) -> None:
    query = parse_query("card task:fill-mask")

    beside = catalog.search(query, facets=MAIN_FACETS, facet_limit=5).facets

    assert beside == catalog.facets(query, None, limit=5)
    assert [facet.field for facet in beside] == list(MAIN_FACETS)


def test_every_field_can_be_counted_and_by_its_other_names(catalog: Catalog) -> None:
    found = catalog.facets(parse_query("r17"), tuple(FIELDS))

    assert [facet.field for facet in found] == list(FIELDS)
    assert catalog.facets(parse_query(), ("licence", "licenses"))[0].field == "license"


def test_nothing_found_has_no_values(catalog: Catalog) -> None:
    for facet in catalog.facets(parse_query("nosuchword"), ("task", "downloads", "gated")):
        assert (facet.values, facet.truncated) == ((), False)


def test_counting_has_a_time_limit(catalog: Catalog) -> None:
    with pytest.raises(QueryTimeoutError):
        catalog.facets(parse_query("card"), timeout=0)


def test_ten_thousand_values_of_one_repo_are_counted(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("many") / "catalog.db"
    many = replace(
        describe(source_of(model("a/many"), b"", {})), tags=tuple(f"t{n:05}" for n in range(10_000))
    )
    write_catalog(path, [many, _record(1)], {})

    with Catalog.open(path) as catalog:
        (facet,) = catalog.facets(parse_query(), ("tag",), limit=3)

    assert [value.value for value in facet.values] == ["t00000", "t00001", "t00002"]
    assert facet.values[0] == FacetValue("t00000", 1)
    assert facet.truncated


@pytest.mark.parametrize("field", sorted(facets._COUNTS))
def test_the_rows_of_few_hits_are_looked_up_by_repo(catalog: Catalog, field: str) -> None:
    statement = f"EXPLAIN QUERY PLAN {facets._COUNTS[field]}"

    plan = [row[3] for row in catalog._connection.execute(statement, ("[1]",))]
    searches = [step for step in plan if step.startswith(("SEARCH", "SCAN"))]

    assert searches
    for step in searches:
        assert (
            "VIRTUAL TABLE" in step
            or "subquery" in step
            or step.split("(")[1][:5]
            in {
                "rowid",
                "repo=",
            }
        )
