"""Repos as lines of a table or of CSV: what search and list show of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mirror.cli.output import Cell, Column, count_cell, one_line, size_cell, words_cell

if TYPE_CHECKING:
    from mirror.catalog import RepoSummary

COLUMNS: Final = (
    Column("REPO", whole=True),
    Column("TASK"),
    Column("LANGUAGE"),
    Column("LICENCE"),
    Column("DOWNLOADS", "right"),
    Column("SIZE", "right"),
    Column("TITLE"),
)

_FIELDS: Final = (
    "title", "summary", "tasks", "languages", "licenses", "libraries", "parameters", "rows",
    "downloads", "likes", "counts_seen", "created", "last_modified", "files", "size",
    "disk_size", "partial", "gated", "state", "upstream_state", "commit",
)  # fmt: skip
#: The heading of CSV, which has room for more.
CSV: Final = ("repo_type", "repo_id", *_FIELDS)


def csv_row(repo: RepoSummary) -> list[Any]:
    """Give the values below :data:`CSV`."""
    values = [getattr(repo, name) for name in _FIELDS]
    return [repo.key.repo_type.value, repo.key.repo_id, *values]


def repo_row(repo: RepoSummary) -> list[Cell | str | int]:
    """Give the cells of a repo; what is not mirrored, or is gone upstream, is marked."""
    name = str(repo.key)
    marks = [] if repo.state == "mirrored" else ["not mirrored"]
    if repo.upstream_state != "ok":
        marks.append(f"{repo.upstream_state} upstream")
    mark = f" [{', '.join(marks)}]" if marks else ""
    return [
        Cell(name + mark, name, style="yellow" if mark else "bold"),
        words_cell(repo.tasks),
        words_cell(repo.languages),
        words_cell(repo.licenses),
        count_cell(repo.downloads),
        size_cell(repo.size) if repo.size or repo.state == "mirrored" else Cell("", "0"),
        one_line(repo.title or ""),
    ]
