"""`mirror sql`: whatever the statement, it reads this file, for a while, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.catalog import Catalog, reindex
from mirror.catalog.read import sql
from mirror.errors import CatalogError, MirrorError, QueryTimeoutError, UsageError
from mirror.store import Store
from tests.catalog.making import dataset, model, publish

CARD = "---\nlanguage: ko\nlicense: mit\npipeline_tag: fill-mask\n---\n# 한국어 모델\n"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    store = Store.create(tmp_path_factory.mktemp("sql") / "mirror")
    publish(store, model("klue/roberta-base"), card=CARD)
    publish(store, model("acme/other"), card=CARD.replace("mit", "apache-2.0"))
    publish(store, dataset("klue/klue"), card="---\nlanguage: ko\n---\n")
    reindex(store, store.layout.catalog)
    with Catalog.open(store.layout.catalog) as found:
        yield found


def test_answers_from_views_and_tables(catalog: Catalog) -> None:
    found = catalog.sql("SELECT repo_id, licenses FROM models ORDER BY repo_id")

    assert found.columns == ("repo_id", "licenses")
    assert found.rows == (("acme/other", "apache-2.0"), ("klue/roberta-base", "mit"))
    assert not found.truncated


def test_asks_the_full_text_index(catalog: Catalog) -> None:
    statement = "SELECT count(*) FROM documents_fts WHERE documents_fts MATCH '\"한국 국어\"'"

    assert catalog.sql(statement).rows == ((2,),)


def test_every_view_can_be_asked(catalog: Catalog) -> None:
    for table in catalog.tables():
        found = catalog.sql(f"SELECT * FROM {table.name}")
        if table.name != "documents_fts":
            assert found.columns == table.columns


def test_rows_have_a_limit(catalog: Catalog) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"

    found = catalog.sql(endless, limit=3)

    assert found.rows == ((1,), (2,), (3,))
    assert found.truncated


def test_a_slow_statement_is_given_up(catalog: Catalog) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"

    with pytest.raises(QueryTimeoutError, match=r"longer than 0\.1 s"):
        catalog.sql(endless, timeout=0.1)

    assert catalog.sql("SELECT 1").rows == ((1,),)


def test_values_that_json_does_not_have(catalog: Catalog) -> None:
    found = catalog.sql("SELECT zeroblob(1234), 9e999, NULL, CAST(x'ff41' AS TEXT), 1.5")

    assert found.rows == (("<1,234 bytes>", "inf", None, "\ufffdA", 1.5),)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("ATTACH '/tmp/x.db' AS x", "ATTACH"),
        ("ATTACH ':memory:' AS x", "ATTACH"),
        ("DETACH main", "DETACH"),
        ("DELETE FROM repos", "DELETE"),
        ("UPDATE repos SET likes = 0", "UPDATE"),
        ("INSERT INTO aliases VALUES ('a', 'b', 'c')", "INSERT"),
        ("CREATE TEMP TABLE t (x)", "changes something|INSERT"),
        ("CREATE TABLE t (x)", "changes something|INSERT"),
        ("DROP TABLE repos", "changes something|DELETE"),
        ("ALTER TABLE repos ADD COLUMN x", "changes something|UPDATE"),
        ("PRAGMA query_only = OFF", "PRAGMA"),
        ("PRAGMA writable_schema = 1", "PRAGMA"),
        ("PRAGMA user_version = 7", "PRAGMA"),
        ("PRAGMA temp_store_directory = '/tmp'", "PRAGMA"),
        ("PRAGMA journal_mode = DELETE", "PRAGMA"),
        ("PRAGMA hard_heap_limit = 1", "PRAGMA"),
        ("SELECT load_extension('/tmp/x.so')", "load_extension"),
        ("SELECT fts3_tokenizer('x', x'00')", "fts3_tokenizer"),
        ("UPDATE sqlite_master SET sql = ''", "may not be modified"),
        ("BEGIN", "TRANSACTION"),
        ("SAVEPOINT a", "SAVEPOINT"),
        ("REINDEX", "REINDEX|changes something"),
        ("ANALYZE", "ANALYZE|changes something|INSERT"),
        ("INSERT INTO documents_fts(documents_fts) VALUES ('optimize')", "INSERT"),
    ],
)
def test_refuses_all_but_reading(catalog: Catalog, statement: str, what: str) -> None:
    before = hashlib.sha256(catalog.path.read_bytes()).digest()

    with pytest.raises(UsageError, match=what):
        catalog.sql(statement)

    assert hashlib.sha256(catalog.path.read_bytes()).digest() == before


def test_vacuum_into_writes_nothing(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        catalog.sql(f"VACUUM INTO '{tmp_path}/copy.db'")

    assert list(tmp_path.iterdir()) == []


def test_pragmas_that_tell_of_the_schema(catalog: Catalog) -> None:
    assert "repo_id" in {row[1] for row in catalog.sql("PRAGMA table_info(repos)").rows}
    assert catalog.sql("PRAGMA user_version").rows[0][0] == 2


@pytest.mark.parametrize(
    ("statement", "message", "hint"),
    [
        ("SELECT * FROM modles", r"no table or view 'modles'\n.*\n {16}\^{6}", "models"),
        ("SELECT licence FROM models", r"no column 'licence'\n.*\n {9}\^{7}", "licenses"),
        ("SELECT m.likez FROM models m", r"no column 'm.likez'", "likes"),
        ("SELECT FROM AS FROM FROM FROM", r"near \"FROM\".*\n.*\n {9}\^{4}", None),
        ("SELECT '한국' AS a\nFROM models WERE x", r"near \"x\"|near \"WERE\"", None),
        ("SELECT 1; SELECT 2", "more than one statement", None),
        ("SELECT ?", "placeholder", "quotes"),
        ("SELECT (", "incomplete input", None),
        ("", "asks nothing", None),
        ("-- nothing", "asks nothing", None),
        ("SELECT 'a\0b'", "no SQL statement", None),
        ("SELECT '\ud800'", "cannot be answered", None),
        ("SELECT zeroblob(1000000000)", "too big", None),
    ],
)
def test_says_what_is_wrong_and_where(
    catalog: Catalog, statement: str, message: str, hint: str | None
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        catalog.sql(statement)

    assert hint is None or hint in str(caught.value.hint)


@given(st.text(alphabet=st.sampled_from("SELECTFROMsqlite '\"();*,.=-?0\n한\0\ud800"), max_size=60))
def test_any_text_gives_an_answer_or_a_plain_error(catalog: Catalog, text: str) -> None:
    try:
        found = catalog.sql(text, timeout=5, limit=10)
    except MirrorError as error:
        assert str(error)
    else:
        assert len(found.rows) <= 10


def test_a_catalog_that_is_not_there(catalog: Catalog, tmp_path: Path) -> None:
    from mirror.catalog.read.sql import run_sql

    with pytest.raises(CatalogError):
        run_sql(tmp_path / "none.db", "SELECT 1", 1, 1)


def test_a_large_answer_is_cut(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "MAX_ANSWER", 10_000)
    wide = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
        " SELECT printf('%.*c', 4000, 'x') FROM n"
    )

    found = catalog.sql(wide)

    assert len(found.rows) == 3
    assert found.truncated


def test_a_damaged_catalog_is_no_fault_of_the_statement(catalog: Catalog, tmp_path: Path) -> None:
    data = bytearray(catalog.path.read_bytes())
    data[8192:] = b"\xff" * (len(data) - 8192)
    path = tmp_path / "catalog.db"
    path.write_bytes(data)

    with pytest.raises(CatalogError, match="damaged"), Catalog.open(path) as broken:
        broken.sql("SELECT * FROM repos")
