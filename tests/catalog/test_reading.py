"""Opening a catalog: bad files, read-only folders, and a writer at work meanwhile."""

from __future__ import annotations

import gc
import os
import sqlite3
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest

from mirror.catalog import SCHEMA, Catalog, reindex, update
from mirror.catalog.database import open_database
from mirror.catalog.query.parse import parse_query
from mirror.catalog.read.deadline import Deadline
from mirror.catalog.read.sets import Sets
from mirror.errors import CatalogError, QueryTimeoutError
from mirror.store import Store
from tests.catalog.making import model, publish

#: What a search must not load: it would pay for it at every start.
HEAVY = (
    *("pydantic", "huggingface_hub", "datasets", "pyarrow", "yaml"),
    *("sqlite_utils", "sqlalchemy", "numpy", "mirror.store", "mirror.catalog.schema"),
)


def filled(store: Store, path: Path, repos: int = 3) -> None:
    for number in range(repos):
        publish(store, model(f"acme/m{number}"), card=f"# Model {number}\n\n감정분석 " + "x " * 500)
    reindex(store, path)


def damaged(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "garbage":
        path.write_bytes(b"\x00garbage" * 5_000)
    elif how == "cut":
        path.write_bytes(content[: len(content) // 3])
    elif how == "another database":
        path.unlink()
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE t (x)")
        connection.close()
    else:
        connection = sqlite3.connect(path)
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
        connection.close()


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("missing", "there is no catalog at"),
        ("folder", "there is no catalog at"),
        ("empty", "not a catalog"),
        ("garbage", "is damaged"),
        ("cut", "is damaged"),
        ("another database", "not a catalog"),
        ("other schema", f"has schema {SCHEMA + 1}, this program reads {SCHEMA}"),
    ],
)
def test_a_bad_catalog_is_named_with_the_command_that_mends_it(
    store: Store, path: Path, how: str, says: str
) -> None:
    filled(store, path)
    damaged(path, how)

    with pytest.raises(CatalogError, match=says) as caught:
        Catalog.open(path)

    assert str(path) in str(caught.value)
    assert caught.value.hint is not None
    assert "mirror reindex" in caught.value.hint
    assert caught.value.exit_code == 7


def test_a_catalog_of_another_schema_on_a_read_only_mount_says_where_to_mend_it(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(store, path)
    damaged(path, "other schema")
    monkeypatch.setattr("os.access", lambda _path, mode: mode != os.W_OK)  # root may all

    with pytest.raises(CatalogError) as caught:
        Catalog.open(path)

    assert caught.value.hint == (
        "update this program, or run mirror reindex, or a sync, where the mirror can be written"
    )


def test_damage_inside_is_found_by_the_search_that_meets_it(store: Store, path: Path) -> None:
    filled(store, path, repos=40)
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)

    with pytest.raises(CatalogError, match="is damaged"), Catalog.open(path) as catalog:
        catalog.search(parse_query("감정"))


@pytest.mark.parametrize(
    ("statement", "query"),
    [
        ("UPDATE value_sets SET bits = x'00' WHERE field = 'type'", ""),
        ("UPDATE value_sets SET bits = 'text' WHERE field = 'author'", "author:acme"),
        ("UPDATE orders SET repos = x'010203'", ""),
        ("UPDATE orders SET repos = CAST(x'' AS BLOB)", ""),
        ("DELETE FROM orders", ""),
        ("DELETE FROM repos", ""),
        ("UPDATE repos SET repo_type = 'planet'", ""),
        ("UPDATE repos SET repo_id = '../' || repo_id", ""),
    ],
)
def test_a_set_an_order_or_a_row_that_cannot_be_is_damage(
    store: Store, path: Path, statement: str, query: str
) -> None:
    filled(store, path)
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()

    with Catalog.open(path) as catalog, pytest.raises(CatalogError, match="damaged") as caught:
        catalog.search(parse_query(query), facets=("author",))

    assert caught.value.hint is not None
    assert "mirror reindex" in caught.value.hint


def test_a_lost_table_is_damage(store: Store, path: Path) -> None:
    filled(store, path)
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE repo_tasks")
    connection.close()

    with Catalog.open(path) as catalog, pytest.raises(CatalogError, match="no such table"):
        catalog.search(parse_query())


@pytest.mark.parametrize("name", ["catalog.db", "mit Leerzeichen.db", "한글?x=1#y%41.db"])
def test_any_file_name_will_do(store: Store, tmp_path: Path, name: str) -> None:
    filled(store, tmp_path / name)

    with Catalog.open(tmp_path / name) as catalog:
        assert catalog.search(parse_query("감정")).total == 3


def test_reading_writes_nothing(store: Store, path: Path, tmp_path: Path) -> None:
    filled(store, path)
    folder = tmp_path / "mounted"
    folder.mkdir()
    (folder / "catalog.db").write_bytes(path.read_bytes())
    (folder / "catalog.db").chmod(0o444)
    folder.chmod(0o555)
    before = (folder / "catalog.db").stat().st_mtime_ns

    with Catalog.open(folder / "catalog.db") as catalog:
        assert catalog.search(parse_query("감정")).total == 3
        with pytest.raises(sqlite3.OperationalError):
            catalog._connection.execute("DELETE FROM repos")

    assert [file.name for file in folder.iterdir()] == ["catalog.db"]
    assert (folder / "catalog.db").stat().st_mtime_ns == before
    folder.chmod(0o755)


def test_whoever_has_it_open_keeps_what_it_was(store: Store, path: Path) -> None:
    filled(store, path, repos=2)
    with Catalog.open(path) as before:
        publish(store, model("acme/late"), card="# 감정분석")
        update(store, path, {model("acme/late")})
        reindex(store, path)
        with Catalog.open(path) as after:
            assert (
                before.search(parse_query("감정")).total,
                after.search(parse_query("감정")).total,
            ) == (2, 3)
        assert before.page(model("acme/late")) is None
        path.unlink()
        assert before.page(model("acme/m0")) is not None


def test_readers_beside_a_writer_see_one_consistent_catalog(store: Store, path: Path) -> None:
    filled(store, path, repos=2)
    done, seen = threading.Event(), set()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                with Catalog.open(path) as catalog:
                    found, listed = catalog.search(parse_query("감정")), catalog.summaries()
                    pages = [catalog.page(summary.key) for summary in listed]
                    assert found.total == len(listed) == catalog.stats().repos["model"]
                    assert all(page is not None and page.card for page in pages)
                    seen.add(found.total)
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(2, 22):
        publish(store, model(f"acme/m{number}"), card="# 감정분석")
        if number % 5:
            update(store, path, {model(f"acme/m{number}")})
        else:
            reindex(store, path)
    done.set()
    for reader in readers:
        reader.join()

    assert failures == []
    assert len(seen) > 1


def test_one_catalog_serves_several_threads(store: Store, path: Path) -> None:
    filled(store, path, repos=10)
    totals: list[int] = []
    with Catalog.open(path) as catalog:
        threads = [
            threading.Thread(
                target=lambda: totals.extend(
                    catalog.search(parse_query("감정")).total for _ in range(20)
                )
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert totals == [10] * 80


def test_a_search_loads_nothing_heavy(store: Store, path: Path) -> None:
    filled(store, path)
    script = (
        "import sys; from mirror.catalog import Catalog\n"
        "from mirror.catalog.query.parse import parse_query\n"
        "catalog = Catalog.open(sys.argv[1])\n"
        "assert catalog.search(parse_query('감정 language:ko')).total == 0\n"
        "assert catalog.search(parse_query('감정'), ('task', 'tag')).hits[0].snippet\n"
        "assert catalog.page(catalog.find('acme/m0')[0]).card\n"
        "print(*(name for name in sys.argv[2:] if name in sys.modules))"
    )

    run = subprocess.run(
        [sys.executable, "-c", script, path, *HEAVY], capture_output=True, text=True, check=True
    )

    assert run.stdout.split() == []


def test_an_open_catalog_keeps_only_so_many_sets(store: Store, path: Path) -> None:
    filled(store, path, repos=20)
    connection = open_database(path)
    rows = [row for (row,) in connection.execute("SELECT id FROM value_sets")]
    small, large = Sets(connection, kept_bytes=2_000), Sets(connection)

    for _ in range(2):
        assert [small.of(row) for row in rows] == [large.of(row) for row in rows]

    assert small.kept_bytes <= 2_000 < large.kept_bytes
    connection.close()


def test_sqlite_is_interrupted_when_the_time_is_up(store: Store, path: Path) -> None:
    filled(store, path)
    connection = open_database(path)
    numbers = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"

    with pytest.raises(QueryTimeoutError), Deadline(0.05).kept_by(connection):
        connection.execute(f"{numbers} SELECT max(x) FROM n").fetchone()

    assert connection.execute("SELECT count(*) FROM repos").fetchone() == (3,)
    connection.close()


def test_a_catalog_in_a_circle_lets_go_of_its_file(store: Store) -> None:
    """Python ends what is in a circle in any order: a connection that ends first is warned of."""
    publish(store, model("acme/one"))
    reindex(store, store.layout.catalog)
    catalog = Catalog.open(store.layout.catalog)
    catalog.search(parse_query("one"))
    connection, alive = catalog._connection, weakref.ref(catalog)
    circle: list[object] = [catalog]
    circle.append(circle)

    del catalog, circle
    gc.collect()

    assert alive() is None
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
