"""Subsets and splits: as stated, as the files are named, and as ``datasets`` itself sees them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from mirror.catalog.record.data_files import MAX_COMPARISONS, Matcher, infer_splits
from mirror.catalog.record.row_counts import count_lines, fill_rows, read_footer
from mirror.catalog.record.subsets import Feature, Split, Subset, find_subsets
from mirror.store import Store
from tests.catalog.making import dataset, publish
from tests.corpus import hub_repos, needs_corpus


def names(subsets: tuple[Subset, ...]) -> dict[str, list[str]]:
    return {subset.name: [split.name for split in subset.splits] for subset in subsets}


def test_configs_name_subsets_and_their_files() -> None:
    card = {
        "configs": [
            {"config_name": "sts", "data_files": [{"split": "train", "path": "sts/train-*"}]},
            {
                "config_name": "nli",
                "default": True,
                "data_files": [
                    {"split": "train", "path": ["nli/a.parquet", "nli/b.parquet"]},
                    {"split": "test", "path": "nli/test-*"},
                ],
            },
        ]
    }
    paths = ["nli/a.parquet", "nli/b.parquet", "nli/test-0.parquet", "sts/train-0.parquet"]

    sts, nli = find_subsets(card, {}, paths)

    assert (sts.name, sts.is_default) == ("sts", False)
    assert sts.splits == (Split("train", paths=("sts/train-0.parquet",)),)
    assert nli.is_default
    assert [split.paths for split in nli.splits] == [
        ("nli/a.parquet", "nli/b.parquet"),
        ("nli/test-0.parquet",),
    ]


@pytest.mark.parametrize(
    ("data_files", "expected"),
    [
        ("data.csv", {"train": ("data.csv",)}),
        (["data.csv", "more.csv"], {"train": ("data.csv", "more.csv")}),
        (
            {"train": "data.csv", "dev": ["more.csv"]},
            {"train": ("data.csv",), "dev": ("more.csv",)},
        ),
        ("**/*.csv", {"train": ("data.csv", "deep/er/x.csv", "more.csv")}),
        ("**", {"train": ("data.csv", "deep/er/x.csv", "more.csv")}),
        ("*.csv", {"train": ("data.csv", "more.csv")}),
        ("./data.csv", {"train": ("data.csv",)}),
        ("[dm]*.csv", {"train": ("data.csv", "more.csv")}),
        ("https://example.org/x.csv", {"train": ()}),
        (17, {"train": ()}),
        ({"train": None}, {"train": ()}),
    ],
)
def test_every_form_of_data_files(data_files: Any, expected: dict[str, tuple[str, ...]]) -> None:
    card = {"configs": [{"config_name": "a", "data_files": data_files}]}

    (subset,) = find_subsets(card, {}, ["data.csv", "deep/er/x.csv", "more.csv"])

    assert {split.name: split.paths for split in subset.splits} == expected


def test_dataset_info_brings_rows_and_columns() -> None:
    card = {
        "configs": [{"config_name": "a", "data_files": "a.csv"}],
        "dataset_info": [
            {
                "config_name": "a",
                "splits": [{"name": "train", "num_examples": 5, "num_bytes": 50}],
                "download_size": 40,
                "dataset_size": 50,
                "features": [
                    {"name": "text", "dtype": "string"},
                    {"name": "label", "dtype": {"class_label": {"names": {"0": "no"}}}},
                    {"name": "spans", "list": "int32"},
                ],
            },
            {"config_name": "not in configs", "splits": []},
        ],
    }

    (subset,) = find_subsets(card, {}, ["a.csv"])

    assert subset == Subset(
        "a",
        (Split("train", 5, "card", 50, ("a.csv",)),),
        is_default=True,
        num_bytes=50,
        download_bytes=40,
        features=(
            Feature("text", "string"),
            Feature("label", "class_label"),
            Feature("spans", "list"),
        ),
    )


def test_dataset_infos_json_of_older_repos() -> None:
    infos = {
        "plain_text": {
            "splits": {"train": {"name": "train", "num_examples": 3, "num_bytes": 9}},
            "features": {"id": {"dtype": "string"}, "tags": [{"dtype": "string"}],
                         "label": {"num_classes": 2, "_type": "ClassLabel"}},
        },
        "other": {"splits": {"test": {"num_examples": "three"}}},
        "broken": 5,
    }  # fmt: skip

    plain, other = find_subsets({}, infos, [])

    assert plain.splits == (Split("train", 3, "dataset_infos.json", 9),)
    assert [feature.dtype for feature in plain.features] == ["string", "list", "class_label"]
    assert other.splits == (Split("test"),)
    assert not plain.is_default


def test_configs_of_before_2023_are_only_names() -> None:
    assert names(find_subsets({"configs": ["en", "ko", "en"]}, {}, [])) == {"en": [], "ko": []}


@pytest.mark.parametrize(
    "card",
    [
        {"configs": None},
        {"configs": 5},
        {"configs": [None, [], 5.5]},
        {"configs": {"config_name": ["x"]}},
        {"dataset_info": "yes"},
        {"dataset_info": [{"splits": "train"}, {"config_name": {}, "features": 7}]},
    ],
)
def test_wrong_types_do_no_harm(card: dict[str, Any]) -> None:
    for subset in find_subsets(card, {"x": None}, ["README.md"]):
        assert subset.name


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["ChatbotData.csv", "README.md", "LICENSE"], {"train": ["ChatbotData.csv"]}),
        (
            ["data/train-00000-of-00001.parquet", "data/my.split-00000-of-00001.parquet"],
            {
                "train": ["data/train-00000-of-00001.parquet"],
                "my.split": ["data/my.split-00000-of-00001.parquet"],
            },
        ),
        (["dev.csv", "train.csv"], {"train": ["train.csv"], "validation": ["dev.csv"]}),
        (
            ["test/a/1.png", "training/2.png"],
            {"train": ["training/2.png"], "test": ["test/a/1.png"]},
        ),
        (["contest.csv", "a.csv"], {"train": ["contest.csv", "a.csv"]}),
        (["a.jsonl.gz", ".hidden/b.jsonl", "config.json"], {"train": ["a.jsonl.gz"]}),
        (["README.md", "script.py"], {}),
    ],
)
def test_splits_by_file_names(paths: list[str], expected: dict[str, list[str]]) -> None:
    assert infer_splits(paths) == expected


def test_matching_is_bounded() -> None:
    matcher = Matcher(f"{n:05}.csv" for n in range(10_000))

    for _ in range(2 * MAX_COMPARISONS // 10_000):
        matcher.find("*x*")

    assert matcher.exhausted
    assert matcher.find("00001.csv") == []


def test_a_pattern_made_to_be_slow_is_not() -> None:
    # As a regular expression with backtracking this would not end.
    assert Matcher(["a" * 250]).find("*a" * 100 + "b") == []
    assert Matcher(["/".join("a" * 200)]).find("**/a/" * 90 + "b") == []


@needs_corpus
@pytest.mark.parametrize(
    "repo_id",
    [repo.repo_id for repo in hub_repos() if repo.repo_type == "dataset"],
)
def test_agrees_with_the_datasets_library(repo_id: str, tmp_path: Path) -> None:
    from datasets import get_dataset_config_names, load_dataset_builder

    from mirror.catalog.record.cards import read_card

    if repo_id == "mwaskom/seaborn-data":
        pytest.skip("its files have different columns, so the library refuses it")
    (repo,) = [repo for repo in hub_repos() if repo.repo_id == repo_id]
    paths = [str(p.relative_to(repo.folder)) for p in repo.folder.rglob("*") if p.is_file()]
    card = read_card((repo.folder / "README.md").read_bytes())

    found = find_subsets(card.data, {}, paths)

    assert {subset.name for subset in found} == set(get_dataset_config_names(str(repo.folder)))
    for subset in found:
        builder = load_dataset_builder(str(repo.folder), subset.name, cache_dir=str(tmp_path))
        theirs = {
            str(name): {str(Path(file).relative_to(repo.folder)) for file in files}
            for name, files in builder.config.data_files.items()
        }
        assert {split.name: set(split.paths) for split in subset.splits} == theirs


def parquet(rows: int) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table({"x": list(range(rows))}), sink)
    return sink.getvalue()


def test_rows_are_counted_where_nobody_stated_them(store: Store) -> None:
    files = {
        "a/train-0.parquet": parquet(3),
        "a/train-1.parquet": parquet(4),
        "b/train.jsonl": '{"x": 1}\n\n{"x": 2}\n{"x": 3}',
        "c/train.csv": "x\n1\n",
        "d/train.parquet": b"PAR1 not at all PAR1",
        "e/train.parquet": parquet(9),
    }
    card = {
        "configs": [{"config_name": n, "data_files": f"{n}/train*"} for n in "abcd"]
        + [{"config_name": "e", "data_files": "e/*"}],
        "dataset_info": [
            {"config_name": "e", "splits": [{"name": "train", "num_examples": 100}]},
        ],
    }
    manifest = publish(store, dataset("acme/words"), files)

    subsets = fill_rows(store, find_subsets(card, {}, list(files)), manifest.files)

    assert [(s.splits[0].rows, s.splits[0].rows_from) for s in subsets] == [
        (7, "parquet"),
        (3, "jsonl"),
        (None, None),
        (None, None),
        (100, "card"),
    ]


def test_rows_of_files_that_are_not_here_are_not_known(store: Store) -> None:
    files = {"train-0.parquet": parquet(3)}
    absent = {"train-1.parquet": parquet(4)}
    manifest = publish(store, dataset("acme/words"), files, absent=absent)
    paths = [file.path for file in manifest.files]

    (subset,) = fill_rows(store, find_subsets({}, {}, paths), manifest.files)

    assert subset.splits[0].paths == ("train-0.parquet", "train-1.parquet")
    assert subset.splits[0].rows is None


@pytest.mark.parametrize(
    "content",
    [b"", b"PAR1", b"x" * 100, parquet(1)[:-5], parquet(1)[:40] + b"\xff\xff\xff\x7fPAR1",
     b"PAR1" + b"\x00" * 50 + (50).to_bytes(4, "little") + b"PAR1"],
)  # fmt: skip
def test_a_damaged_parquet_file_has_no_rows(content: bytes) -> None:
    assert read_footer(io.BytesIO(content), len(content)) is None


def test_lines() -> None:
    text = "\n".join(json.dumps({"text": "줄\n바꿈"}) for _ in range(3))

    assert count_lines(io.BytesIO(text.encode())) == 3
    assert count_lines(io.BytesIO(b"")) == 0


def test_columns_are_read_where_nobody_stated_them(store: Store) -> None:
    import pyarrow as pa
    from pyarrow import parquet as pq

    table = pa.table({"text": ["a"], "label": [1], "spans": [[1, 2]], "at": [{"x": 1.5}]})
    noted = table.replace_schema_metadata(
        {"huggingface": '{"info": {"features": {"text": {"dtype": "string", "_type": "Value"},'
                        ' "label": {"names": ["n", "p"], "_type": "ClassLabel"}}}}'}
    )  # fmt: skip
    contents = {}
    for name, value in (("plain", table), ("noted", noted)):
        sink = io.BytesIO()
        pq.write_table(value, sink)
        contents[f"{name}/train.parquet"] = sink.getvalue()
    card = {"configs": [{"config_name": n, "data_files": f"{n}/*"} for n in ("plain", "noted")]}
    manifest = publish(store, dataset("acme/words"), contents)

    plain, hub = fill_rows(store, find_subsets(card, {}, list(contents)), manifest.files)

    assert plain.features == (
        Feature("text", "string"),
        Feature("label", "int64"),
        Feature("spans", "list"),
        Feature("at", "struct"),
    )
    assert hub.features == (Feature("text", "string"), Feature("label", "class_label"))
    assert [split.rows for split in hub.splits] == [1]
