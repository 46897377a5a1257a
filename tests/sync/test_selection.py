"""From the entries of mirror.toml to repos: the list calls, and what they are made of."""

from __future__ import annotations

from typing import Any

import pytest

from mirror.errors import UsageError
from mirror.hub.model import ListQuery
from mirror.names import RepoKey, RepoType
from mirror.settings import Entry
from mirror.sync.model import FileFilter, Outcome
from mirror.sync.selection import Selection, queries_of
from tests.fakehub import FakeHub, Status
from tests.sync.lab import Lab, dataset, entries, files_of, model


@pytest.mark.parametrize(
    ("repo_type", "entry", "expected"),
    [
        ("model", {"author": "acme"}, [ListQuery(author="acme", sort="downloads")]),
        ("model", {"task": "fill-mask"}, [ListQuery(pipeline_tag="fill-mask", sort="downloads")]),
        (
            "dataset",
            {"task": "text-classification"},
            [ListQuery(filters=("task_categories:text-classification",), sort="downloads")],
        ),
        (
            "model",
            {"language": "ko", "license": "mit", "library": "transformers"},
            [ListQuery(filters=("ko", "license:mit", "transformers"), sort="downloads")],
        ),
        (
            "dataset",
            {"language": "ko", "license": "mit", "library": "datasets"},
            [
                ListQuery(
                    filters=("language:ko", "license:mit", "library:datasets"), sort="downloads"
                )
            ],
        ),
        (
            "model",
            {"language": ["ko", "en"], "license": ["mit", "apache-2.0"], "search": "bert"},
            [
                ListQuery(filters=(language, f"license:{name}"), search="bert", sort="downloads")
                for language in ("ko", "en")
                for name in ("mit", "apache-2.0")
            ],
        ),
        ("space", {"author": "a", "sort": "likes"}, [ListQuery(author="a", sort="likes")]),
        # Nobody else has said an order: one that ends where the repos are too small.
        ("model", {"min_likes": 5}, [ListQuery(sort="likes")]),
        ("model", {"min_likes": 5, "limit": 2}, [ListQuery(sort="downloads")]),
        ("model", {"min_likes": 5, "min_downloads": 5}, [ListQuery(sort="downloads")]),
        ("model", {"min_likes": 5, "sort": "createdAt"}, [ListQuery(sort="createdAt")]),
    ],
)
def test_the_list_calls_of_an_entry(
    repo_type: str, entry: dict[str, Any], expected: list[ListQuery]
) -> None:
    found = queries_of(RepoType(repo_type), Entry(**entry))
    for one, query in zip(expected, found, strict=True):
        assert {"sha", "lastModified", "downloads", "likes"} <= set(query.expand)
        same = ListQuery(**{**vars(one), "expand": query.expand})
        assert same == query
    if expected[0].sort == "createdAt":
        assert "createdAt" in found[0].expand


def test_entries_for_one_repo_add_up() -> None:
    selection = Selection()
    key = model("acme/tiny")
    selection.add(key, Entry(id="acme/tiny", include="*.md"))
    selection.add(key, Entry(id="acme/tiny", include="*.json", revisions=["main", "v1"]))
    selection.add(key, Entry(id="acme/tiny", include="*.md"))
    readme, config = FileFilter(include=("*.md",)), FileFilter(include=("*.json",))
    wanted = {(one.key, one.revision): one.filters for one in selection.wanted}
    assert {(key, "main"): (readme, config), (key, "v1"): (config,)} == wanted


def test_keeps_what_was_asked_for_alone_by_whatever_name() -> None:
    selection = Selection()
    old, new, other = model("gpt2"), model("openai-community/gpt2"), model("acme/tiny")
    selection.add(old, Entry(id="gpt2"))
    selection.add(other, Entry(id="acme/tiny"))
    selection.only([new], {old: new})
    assert [old] == [one.key for one in selection.wanted]
    with pytest.raises(UsageError, match="acme/tiny is not in the selection"):
        selection.only([other], {old: new})


# --- queries, put to a hub --------------------------------------------------------


CARD = "---\nlicense: {license}\nlanguage: {language}\npipeline_tag: fill-mask\n---\n"


@pytest.fixture
def shelf(hub: FakeHub, lab: Lab) -> Lab:
    """Twelve models and three data sets of two authors, with falling downloads."""
    for number in range(12):
        card = CARD.format(
            license=("mit", "apache-2.0")[number % 2], language=("ko", "en", "ja")[number % 3]
        )
        hub.add_repo(
            "model",
            f"{('acme', 'umbrella')[number % 2]}/m{number:02}",
            {"README.md": card, "a.txt": b"%d" % number},
            downloads=1000 - number,
            likes=number,
        )
    for number in range(3):
        hub.add_repo("dataset", f"acme/d{number}", {"README.md": "---\nlanguage: ko\n---\n"})
    lab.selection = ""
    return lab


def query(shelf: Lab, text: str, table: str = "models") -> list[str]:
    shelf.selection = f"[[{table}]]\n{text}\n"
    report = shelf.sync()
    assert Outcome.OK is report.outcome
    return sorted(change.key.repo_id for change in report.published)


def m(*numbers: int) -> list[str]:
    return sorted(f"{('acme', 'umbrella')[number % 2]}/m{number:02}" for number in numbers)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('author = "umbrella"', m(1, 3, 5, 7, 9, 11)),
        ('language = "ko"', m(0, 3, 6, 9)),
        ('language = ["ko", "ja"]\nlicense = "mit"', m(0, 6, 2, 8)),
        ('task = "fill-mask"\nlimit = 3', m(0, 1, 2)),
        ('task = "fill-mask"\nlimit = 3\nsort = "likes"', m(11, 10, 9)),
        # The best three of both languages together, not three of each.
        ('language = ["ko", "ja"]\nlimit = 3', m(0, 2, 3)),
        ("min_likes = 9", m(9, 10, 11)),
        ("min_likes = 9\nlimit = 2", m(9, 10)),
        ("min_downloads = 998", m(0, 1, 2)),
        ('author = "acme"\nmin_downloads = 998', m(0, 2)),
        ('search = "M0"\nauthor = "acme"', m(0, 2, 4, 6, 8)),
        ('author = "nobody"', []),
    ],
)
def test_a_query_of_models(shelf: Lab, text: str, expected: list[str]) -> None:
    shelf.hub.options.page_size = 4
    assert expected == query(shelf, text)


def test_a_query_of_data_sets(shelf: Lab) -> None:
    assert ["acme/d0", "acme/d1", "acme/d2"] == query(shelf, 'language = "ko"', "datasets")


def test_reads_a_list_no_further_than_it_fits(shelf: Lab) -> None:
    shelf.hub.options.page_size = 2
    query(shelf, "min_downloads = 998")
    assert 2 == shelf.hub.counts["list"]
    shelf.hub.clear()
    query(shelf, "min_likes = 11")
    assert 1 == shelf.hub.counts["list"]
    shelf.hub.clear()
    query(shelf, 'task = "fill-mask"\nlimit = 2')
    assert 1 == shelf.hub.counts["list"]


def test_a_query_that_fails_is_one_problem_and_the_others_go_on(shelf: Lab) -> None:
    shelf.selection = (
        '[[models]]\nauthor = "umbrella"\n[[models]]\nauthor = "acme"\n'
        '[[datasets]]\nauthor = "acme"\n'
    )
    shelf.sync()
    shelf.hub.fault("list", path="/api/models", kind=Status(504), times=3)
    report = shelf.sync()
    assert [("models.1", "transport")] == [(one.subject, one.error) for one in report.failed]
    assert (4, 7 + 3) == (report.exit_code, report.unchanged)
    assert Outcome.OK is shelf.sync().outcome


def test_a_query_and_an_id_for_one_repo_add_up(shelf: Lab) -> None:
    shelf.selection = (
        '[[models]]\nid = "acme/m00"\ninclude = "*.md"\n'
        '[[models]]\nauthor = "acme"\ninclude = "*.txt"\nlimit = 1\n'
    )
    shelf.sync()
    assert {"README.md", "a.txt"} == files_of(shelf.store, model("acme/m00")).keys()
    # Asked for alone, it is the same: the query may let more of it through.
    shelf.hub.repo("model", "acme/m00").commit({"a.txt": b"new", "b.md": b""})
    shelf.sync([model("acme/m00")])
    assert {"README.md", "a.txt", "b.md"} == files_of(shelf.store, model("acme/m00")).keys()


def test_a_repo_wanted_whole_by_its_id_costs_no_query(shelf: Lab) -> None:
    shelf.selection = entries("acme/m00") + '[[models]]\nauthor = "umbrella"\n'
    shelf.hub.clear()
    report = shelf.sync([model("acme/m00")])
    assert [model("acme/m00")] == [change.key for change in report.published]
    assert 0 == shelf.hub.counts["list"]
    # One that only the query selects can be asked for as well.
    report = shelf.sync([model("umbrella/m01")])
    assert [model("umbrella/m01")] == [change.key for change in report.published]


@pytest.mark.parametrize("key", [model("acme/m05"), dataset("acme/m00"), model("no/such")])
def test_asking_for_what_is_not_selected(shelf: Lab, key: RepoKey) -> None:
    shelf.selection = entries("acme/m00")
    with pytest.raises(UsageError, match="is not in the selection") as caught:
        shelf.sync([model("acme/m00"), key])
    assert caught.value.hint == f"add it with: mirror add {key}"
    with pytest.raises(UsageError):
        shelf.plan([key])
    assert [] == list(shelf.store.repos())
