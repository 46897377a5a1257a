"""The tables of a catalog: typed records, in SQLAlchemy Core.

docs/catalog.md explains every table, view and column to those who bring their own
tools; a test compares the two. The views are in ``views``, the searchable text has its
own table (``documents``).

Every table of details hangs on ``repos.repo``, a small number that a repo keeps until the
catalog is made anew: sets of repos are sets of these numbers (``value_sets``,
``word_sets``), and small only while the numbers are. When anything here, or how text
becomes words (``cjk``), changes, raise ``format.SCHEMA``.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata: Final = MetaData()


def _text(name: str, *, null: bool = False, key: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null, primary_key=key)


def _number(name: str, *, null: bool = False, key: bool = False) -> Column[int]:
    return Column(name, Integer, nullable=null, primary_key=key, autoincrement=False)


def _flag(name: str) -> Column[int]:
    return Column(name, Integer, CheckConstraint(f"{name} IN (0, 1)"), nullable=False)


def _details(name: str, *columns: Column[Any]) -> Table:
    """A table whose rows belong to a repo."""
    repo: Column[int] = Column(
        "repo", Integer, ForeignKey("repos.repo"), primary_key=True, autoincrement=False
    )
    return Table(name, metadata, repo, *columns, sqlite_with_rowid=False)


repos: Final = Table(
    "repos",
    metadata,
    _number("repo", key=True),
    _text("repo_type"),
    _text("repo_id"),
    _text("author", null=True),
    _text("name"),
    _text("state"),
    _text("ref"),
    _text("commit_hash"),
    _text("title", null=True),
    _text("summary", null=True),
    _number("downloads", null=True),
    _number("downloads_all_time", null=True),
    _number("likes", null=True),
    _text("counts_seen", null=True),
    _text("created", null=True),
    _text("last_modified", null=True),
    _text("gated", null=True),
    _flag("private"),
    _text("upstream_state"),
    _text("upstream_seen", null=True),
    _text("upstream_detail", null=True),
    _number("parameters", null=True),
    _text("sdk", null=True),
    _number("files"),
    _number("size"),
    _number("present_files"),
    _number("present_size"),
    _number("disk_size"),
    _number("rows", null=True),
    _flag("partial"),
    # An index, not a constraint, so that it is made after the rows, which is quicker.
    Index("repos_by_key", "repo_type", "repo_id", unique=True),
    Index("repos_by_downloads", "downloads"),
    Index("repos_by_likes", "likes"),
    Index("repos_by_parameters", "parameters"),
    Index("repos_by_size", "disk_size"),
    Index("repos_by_rows", "rows"),
    Index("repos_by_created", "created"),
    Index("repos_by_modified", "last_modified"),
    Index("repos_by_author", "author"),
    Index("repos_by_id", text("repo_id COLLATE NOCASE")),
    Index("repos_by_name", text("name COLLATE NOCASE")),
)

aliases: Final = Table(
    "aliases",
    metadata,
    _text("repo_type", key=True),
    _text("alias", key=True),
    _text("repo_id"),
    sqlite_with_rowid=False,
)

repo_tasks: Final = _details(
    "repo_tasks", _text("task", key=True), _text("kind"), _number("position")
)
repo_languages: Final = _details(
    "repo_languages", _text("language", key=True), _text("stated", key=True), _number("position")
)
repo_licenses: Final = _details(
    "repo_licenses",
    _text("license", key=True),
    _text("name", null=True),
    _text("link", null=True),
    _number("position"),
)
repo_libraries: Final = _details("repo_libraries", _text("library", key=True), _number("position"))
repo_tags: Final = _details("repo_tags", _text("tag", key=True), _number("position"))
repo_links: Final = _details(
    "repo_links",
    _text("kind", key=True),
    _text("target", key=True),
    _text("relation", null=True),
    _number("position"),
)
#: Values of the set fields that have no table of their own: format, dtype, quantization,
#: modality, size_category, kind, evaluated_on.
repo_values: Final = _details(
    "repo_values", _text("field", key=True), _text("value", key=True), _number("position")
)
dtypes: Final = _details("dtypes", _text("dtype", key=True), _number("parameters"))
evaluations: Final = _details(
    "evaluations",
    _number("position", key=True),
    _text("task", null=True),
    _text("dataset", null=True),
    _text("dataset_name", null=True),
    _text("subset", null=True),
    _text("split", null=True),
    _text("metric"),
    _text("metric_name", null=True),
    Column("value", Float, nullable=False),
    _text("source"),
    _flag("verified"),
    _text("date", null=True),
    _text("url", null=True),
)
events: Final = _details(
    "events",
    _number("position", key=True),
    _text("time"),
    _text("what"),
    _text("before", null=True),
    _text("after", null=True),
    _text("detail", null=True),
)
refs: Final = _details("refs", _text("ref", key=True), _text("commit_hash"))
snapshots: Final = _details(
    "snapshots",
    _text("commit_hash", key=True),
    _text("created"),
    _number("files"),
    _number("size"),
    _number("present_files"),
    _number("present_size"),
    _flag("partial"),
)
files: Final = _details(
    "files",
    _text("path", key=True),
    _number("size"),
    _text("blob_id"),
    _text("lfs_sha256", null=True),
    _text("sha256", null=True),
    _flag("present"),
    _text("absent_because", null=True),
)
subsets: Final = _details(
    "subsets",
    _text("subset", key=True),
    _number("position"),
    _flag("is_default"),
    _text("description", null=True),
    _number("num_bytes", null=True),
    _number("download_bytes", null=True),
    _text("features"),
)
splits: Final = _details(
    "splits",
    _text("subset", key=True),
    _text("split", key=True),
    _number("position"),
    _number("rows", null=True),
    _text("rows_from", null=True),
    _number("num_bytes", null=True),
    _number("files", null=True),
    _number("file_bytes", null=True),
)
cards: Final = _details("cards", _text("body"), _text("data"), _text("problems"))

#: The repos of each value of a field, as a roaring bitmap (``pyroaring``, serialized).
#: ``shown`` is 0 for what can be filtered by but is no facet value: buckets of numbers,
#: another way to write a value. A value may have a set of each kind.
value_sets: Final = Table(
    "value_sets",
    metadata,
    _number("id", key=True),
    _text("field"),
    _text("value"),
    _number("repos"),
    _flag("shown"),
    Column("bits", LargeBinary, nullable=False),
    UniqueConstraint("field", "value", "shown"),
    Index("value_sets_by_count", "field", "shown", "repos", "value"),
    Index("value_sets_nocase", "field", text("value COLLATE NOCASE")),
)
#: The repos that have a word in a part of their text (a column of ``documents``), for the
#: words that many repos have; the others are quickly found in ``documents_fts`` itself.
word_sets: Final = Table(
    "word_sets",
    metadata,
    _text("word", key=True),
    _text("part", key=True),
    _number("repos"),
    Column("bits", LargeBinary, nullable=False),
)
#: All repos in the order of a sort, best first: 32-bit little-endian numbers. ``ranks`` is
#: the place of every repo number in it (2**32 - 1 where there is no such repo).
orders: Final = Table(
    "orders",
    metadata,
    _text("sort", key=True),
    Column("repos", LargeBinary, nullable=False),
    Column("ranks", LargeBinary, nullable=False),
)

Index("repo_tasks_by_task", repo_tasks.c.task)
Index("repo_languages_by_language", repo_languages.c.language)
Index("repo_licenses_by_license", repo_licenses.c.license)
Index("repo_libraries_by_library", repo_libraries.c.library)
Index("repo_tags_by_tag", repo_tags.c.tag)
Index("repo_links_by_target", repo_links.c.kind, repo_links.c.target)
Index("repo_values_by_value", repo_values.c.field, repo_values.c.value)
Index("evaluations_by_dataset", evaluations.c.dataset, evaluations.c.metric)

#: Every table whose rows belong to one repo.
DETAILS: Final = tuple(
    table for table in metadata.sorted_tables if table is not repos and "repo" in table.c
)
