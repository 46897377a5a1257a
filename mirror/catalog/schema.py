"""The tables of a catalog: typed records, in SQLAlchemy Core.

docs/catalog.md explains every table, view and column to those who bring their own
tools; a test compares the two. The views are in ``views``, the searchable text has its
own table (``documents``).

Every table of details hangs on ``repos.repo``, a number made from type and id, and is
kept in the order of its key: so a catalog has the same rows whatever the order in which
it came to be. When anything here, or how text becomes words (``cjk``), changes, raise
:data:`SCHEMA`.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from mirror.names import RepoKey

#: ``PRAGMA user_version``: a catalog of another number is made anew, never converted.
SCHEMA: Final = 1
#: ``PRAGMA application_id``: "MIRR". Tells a catalog from any other SQLite file.
APPLICATION_ID: Final = 0x4D495252

metadata: Final = MetaData()


def repo_number(key: RepoKey) -> int:
    """Give the number of a repo: 63 bits of a hash of ``datasets/klue/klue``."""
    digest = hashlib.blake2b(str(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


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
    _flag("partial"),
    UniqueConstraint("repo_type", "repo_id"),
    Index("repos_by_downloads", "downloads"),
    Index("repos_by_author", "author"),
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

Index("repo_tasks_by_task", repo_tasks.c.task)
Index("repo_languages_by_language", repo_languages.c.language)
Index("repo_licenses_by_license", repo_licenses.c.license)
Index("repo_libraries_by_library", repo_libraries.c.library)
Index("repo_tags_by_tag", repo_tags.c.tag)

#: Every table whose rows belong to one repo.
DETAILS: Final = tuple(
    table for table in metadata.sorted_tables if table is not repos and "repo" in table.c
)
