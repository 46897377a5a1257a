"""Writing a catalog: the same rows whichever way, and nothing published by halves."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mirror.catalog import Catalog, IndexReport, parse_query, reindex, update
from mirror.catalog.format import SCHEMA
from mirror.catalog.write.publish import transaction
from mirror.errors import DiskError
from mirror.names import RepoKey
from mirror.store import Observation, Store
from mirror.store.atomic import is_temporary
from tests.catalog.making import dataset, dump, model, publish
from tests.catalog.test_weights import safetensors
from tests.store.making import commit_of

CARD = """---
language: ko
license: mit
tags: [tiny]
---
# 한국어 기계독해

감정분석 모델입니다.
"""

RESULTS = "[{results: [{dataset: {type: klue}, metrics: [{type: f1, value: 0.9}]}]}]"
TOLD = CARD.replace("tags:", f"model-index: {RESULTS}\ntags:")
WEIGHTS = safetensors(a=("BF16", [1000]))


RESULTS = """---
license: mit
model-index:
- name: old
  results:
  - task: {type: text-classification}
    dataset: {type: klue/klue, name: KLUE}
    metrics: [{type: accuracy, value: 0.9}]
---
# Old
"""
HEAD = b'{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'
WEIGHTS = len(HEAD).to_bytes(8, "little") + HEAD + bytes(8)


def only_the_catalog(path: Path) -> None:
    """Nothing that was being written may be left."""
    assert [file for file in path.parent.iterdir() if is_temporary(file.name)] == []


def test_every_kind_of_row_is_there(store: Store, path: Path) -> None:
    first = publish(
        store, model("acme/old"), card=RESULTS, refs=["main"], created="2025-01-01T00:00:00Z"
    )
    publish(
        store,
        model("acme/new"),
        {"model.safetensors": WEIGHTS},
        {
            "tags": ["ko", "base_model:quantized:acme/old", "arxiv:1810.04805"],
            "downloads": 5,
            "gated": "auto",
        },
        card=TOLD,
        refs=["main", "v1.0"],
        absent={"model.bin": b"12345678"},
    )
    publish(
        store,
        dataset("acme/words"),
        {"data.jsonl": "{}\n{}\n"},
        card="---\ntask_categories: [translation]\ntask_ids: [x]\nlibrary_name: datasets\n---\n",
    )
    store.observe(model("acme/old"), Observation(time="2026-01-01T00:00:00Z", state="gone"))
    store.add_alias(model("ancient"), model("acme/old"))

    report = reindex(store, path)

    assert (report.repos, report.indexed, report.problems, report.rebuilt) == (3, 3, (), True)
    rows = dump(path)
    assert {name for name, found in rows.items() if not found} == {"spaces"}
    with Catalog.open(path) as catalog:
        old, new = catalog.page(model("ancient")), catalog.page(model("acme/new"))
    assert old is not None
    assert new is not None
    assert (old.key, old.aliases, old.upstream_state) == (model("acme/old"), ("ancient",), "gone")
    assert (old.commit, old.title) == (first.commit, "Old")
    assert (new.partial, new.files, new.size) == (True, 2, len(WEIGHTS + TOLD.encode()))
    assert [(file.path, file.present, file.absent_because) for file in new.file_list] == [
        ("README.md", True, None),
        ("model.bin", False, "exclude"),
        ("model.safetensors", True, None),
    ]
    assert new.snapshots[0].refs == ("main", "v1.0")
    assert new.snapshots[0].size == new.size + 8
    assert new.gated == "auto"
    assert new.card_data["tags"] == ["tiny"]


def test_no_path_of_this_machine_is_in_it(store: Store, path: Path) -> None:
    publish(store, dataset("acme/words"), {"data.csv": "a\n"}, card=CARD)

    reindex(store, path)

    assert str(store.root).encode() not in path.read_bytes()


def test_the_same_store_gives_the_same_bytes(store: Store, path: Path) -> None:
    publish(store, model("acme/new"), card=CARD)
    publish(store, dataset("acme/words"), card=CARD)

    reindex(store, path)
    before = path.read_bytes()
    reindex(store, path)

    assert path.read_bytes() == before


def test_the_file_says_what_it_is(store: Store, path: Path) -> None:
    reindex(store, path)

    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def test_the_index_agrees_with_its_text_after_updates(store: Store, path: Path) -> None:
    publish(store, model("a/one"), card=CARD)
    publish(store, model("a/two"), card=CARD)
    reindex(store, path)
    publish(store, model("a/one"), card=CARD.replace("감정분석", "문장 생성"))
    update(store, path, {model("a/one")})

    connection = sqlite3.connect(path)
    check = "INSERT INTO documents_fts (documents_fts, rank) VALUES ('integrity-check', 1)"
    connection.execute(check)  # raises if they differ
    connection.close()
    with Catalog.open(path) as catalog:
        assert [hit.key for hit in catalog.search(parse_query("감정")).hits] == [model("a/two")]
        assert [hit.key for hit in catalog.search(parse_query("생성")).hits] == [model("a/one")]


@pytest.mark.parametrize("damage", ["missing", "garbage", "cut", "other schema"])
def test_update_makes_a_bad_catalog_anew(store: Store, path: Path, damage: str) -> None:
    publish(store, model("a/one"), card=CARD)
    publish(store, model("a/two"), card=CARD)
    reindex(store, path)
    good = dump(path)
    if damage == "missing":
        path.unlink()
    elif damage == "garbage":
        path.write_bytes(b"not a database" * 1000)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:8192])
    else:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 999")
        connection.close()

    report = update(store, path, {model("a/one")})

    assert (report.rebuilt, report.repos) == (True, 2)
    assert dump(path) == good


def test_a_repo_that_cannot_be_read_costs_itself_alone(store: Store, path: Path) -> None:
    publish(store, model("a/good"), card=CARD)
    bad = publish(store, model("a/bad"), card=CARD)
    store.layout.manifest(bad.key, bad.commit).write_text("{")
    publish(store, model("a/worse"), card=CARD)
    store.layout.refs(model("a/worse")).write_text("[]")

    report = reindex(store, path)

    assert report.repos == 1
    assert [text.split(": ")[0] for text in report.problems] == ["models/a/bad", "models/a/worse"]
    assert report.as_json()["problems"] == list(report.problems)


def test_a_card_that_is_lost_costs_the_card_alone(store: Store, path: Path) -> None:
    manifest = publish(store, model("a/b"), card=CARD, upstream={"tags": ["ko"]})
    file = manifest.file("README.md")
    assert file is not None
    assert file.sha256 is not None
    store.blobs.remove(file.sha256)

    assert reindex(store, path).repos == 1

    with Catalog.open(path) as catalog:
        page = catalog.page(model("a/b"))
    assert page is not None
    assert page.languages == ("ko",)
    assert page.problems == ("README.md cannot be read from the mirror",)


def test_aliases_in_a_circle_do_not_stop_it(store: Store, path: Path) -> None:
    publish(store, model("a/b"), card=CARD)
    for name, target in (("x/x", "y/y"), ("y/y", "x/x")):
        alias = store.layout.alias(model(name))
        alias.parent.mkdir(parents=True)
        alias.write_text(f"{target}\n")

    report = reindex(store, path)

    assert report.repos == 1
    assert [text.split(": ")[0] for text in report.problems] == ["models/x/x", "models/y/y"]
    assert update(store, path, {model("x/x"), model("a/b")}).repos == 1


def test_an_alias_that_cannot_be_read_costs_itself_alone(store: Store, path: Path) -> None:
    publish(store, model("a/b"), card=CARD)
    store.add_alias(model("good"), model("a/b"))
    store.add_alias(model("bad"), model("a/b"))
    store.layout.alias(model("bad")).write_bytes(b"\xff\0")

    report = reindex(store, path)

    assert [text.split(": ")[0] for text in report.problems] == ["models/bad"]
    assert dump(path)["aliases"] == [("model", "good", "a/b")]


def test_a_new_repo_gets_a_number_that_no_replaced_one_has(store: Store, path: Path) -> None:
    keys = [model(f"acme/{name}") for name in ("b", "c", "d")]
    for key in keys:
        publish(store, key, card=CARD)
    reindex(store, path)
    publish(store, added := model("acme/a"), card=CARD)
    publish(store, keys[0], {"new.txt": "changed"}, card=CARD)

    report = update(store, path, [added, keys[0]])

    assert (report.repos, report.indexed, report.problems) == (4, 2, ())
    with Catalog.open(path) as catalog:
        assert {summary.key for summary in catalog.summaries()} == {added, *keys}


def test_which_snapshot_is_described(store: Store, path: Path) -> None:
    def published(name: str, *, refs: list[str], created: str) -> None:
        publish(store, model(name), card=f"# {refs[0]}", refs=refs, created=created)

    published("a/main", refs=["main"], created="2025-01-01T00:00:00Z")
    published("a/main", refs=["v2"], created="2026-01-01T00:00:00Z")
    published("a/tags", refs=["v1"], created="2025-01-01T00:00:00Z")
    published("a/tags", refs=["v2"], created="2026-01-01T00:00:00Z")
    published("a/tags", refs=["refs/convert/parquet"], created="2027-01-01T00:00:00Z")
    pinned = commit_of("pinned")
    publish(store, model("a/pin"), card="# pinned", refs=[pinned], commit=pinned)

    reindex(store, path)

    with Catalog.open(path) as catalog:
        found = {summary.key.repo_id: summary.ref for summary in catalog.summaries()}
    assert found == {"a/main": "main", "a/tags": "v2", "a/pin": pinned}


def test_a_failed_index_leaves_the_old_one(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, model("a/b"), card=CARD)
    reindex(store, path)
    before = path.read_bytes()

    monkeypatch.setattr("mirror.catalog.write.indexer.read_record", lambda _store, _key: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        reindex(store, path)
    with pytest.raises(ZeroDivisionError):
        update(store, path, {model("a/b")})

    assert path.read_bytes() == before
    only_the_catalog(path)


def test_a_folder_that_cannot_be_written_is_a_disk_error(store: Store, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)

    with pytest.raises(DiskError):
        reindex(store, folder / "catalog.db")


def test_a_full_disk_is_a_disk_error(path: Path) -> None:
    with pytest.raises(DiskError, match="full"), transaction(path) as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 10")
        connection.exec_driver_sql("CREATE TABLE t (x)")
        connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(1000000))")


def test_the_report_has_a_json_form(store: Store, path: Path) -> None:
    publish(store, model("a/b"), card=CARD)

    report = reindex(store, path)

    assert isinstance(report, IndexReport)
    form = report.as_json()
    assert {**form, "seconds": 0} == {
        "repos": 1, "indexed": 1, "removed": 0, "rebuilt": True, "problems": [], "seconds": 0,
    }  # fmt: skip


KEYS = st.sampled_from(
    [model("a/b"), model("a/c"), model("legacy"), dataset("a/b"), dataset("d/e")]
)
TEXTS = st.sampled_from(["감정분석", "기계독해", "plain words", "日本語", "plain 감정"])
REFS = st.sampled_from([("main",), ("v1",), ("main", "v1"), ("refs/convert/parquet",)])


class UpdatesAreReindexes(RuleBasedStateMachine):
    """Whatever happens to a store, updating with the keys concerned gives a reindex's rows.

    And its facets and answers, which are made of the rows, sets, orders and words alone.
    """

    folder: Path
    runs = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).runs += 1
        self.store = Store.create(self.folder / str(self.runs))
        self.path = self.store.layout.catalog
        self.fresh = self.store.root / "fresh.db"
        self.touched: set[RepoKey] = set()
        reindex(self.store, self.path)

    @rule(key=KEYS, text=TEXTS, refs=REFS, tag=st.sampled_from(["ko", "en", "mine"]))
    def publish(self, key: RepoKey, text: str, refs: tuple[str, ...], tag: str) -> None:
        card = f"---\ntags: [{tag}]\nlicense: mit\n---\n# {text}\n\n{text}\n"
        publish(
            self.store, key, {"train.jsonl": "{}\n"}, {"downloads": len(text)}, card=card, refs=refs
        )
        self.touched.add(key)

    @rule(key=KEYS, state=st.sampled_from(["ok", "gone"]), count=st.integers(0, 9))
    def observe(self, key: RepoKey, state: str, count: int) -> None:
        seen = Observation(time=f"2027-01-0{count + 1}T00:00:00Z", state=state, likes=count)  # type: ignore[arg-type]
        self.store.observe(key, seen)
        self.touched.add(key)

    @rule(old=KEYS, new=KEYS)
    def rename(self, old: RepoKey, new: RepoKey) -> None:
        if old.repo_type == new.repo_type:
            self.store.add_alias(old, new)
            self.touched |= {old, new}

    @rule(key=KEYS)
    def forget(self, key: RepoKey) -> None:
        if self.store.has(key):
            self.store.forget_refs(key, list(self.store.refs(key)))
            self.touched.add(key)

    @precondition(lambda self: self.touched)
    @rule()
    def update(self) -> None:
        report = update(self.store, self.path, self.touched)
        self.touched = set()
        assert not report.rebuilt
        assert report.problems == ()
        again = reindex(self.store, self.fresh)
        assert again.repos == report.repos
        assert dump(self.path) == dump(self.fresh)

    @invariant()
    def nothing_is_left(self) -> None:
        only_the_catalog(self.path)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    UpdatesAreReindexes.folder = tmp_path / "machines"
    UpdatesAreReindexes.folder.mkdir()
    # Words must become common, and cease to be, in catalogs of five repos.
    monkeypatch.setattr("mirror.catalog.format.WORD_SET_MIN", 2)


def test_updates_are_reindexes() -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        UpdatesAreReindexes,
        settings=settings(
            max_examples=25,
            stateful_step_count=15,
            suppress_health_check=list(HealthCheck),
        ),
    )
