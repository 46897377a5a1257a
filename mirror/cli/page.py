"""``mirror show``: one repo on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mirror.cli.output import (
    Cell,
    Column,
    ago,
    commit_cell,
    count_cell,
    emit,
    emit_pairs,
    emit_table,
    human_size,
    number_of,
    one_line,
    size_cell,
)

if TYPE_CHECKING:
    from pathlib import Path

    from mirror.catalog import RepoPage

#: Files that are listed; `mirror files` lists all of them.
_FILES_SHOWN: Final = 15


def print_page(page: RepoPage, folder: Path | None) -> None:
    """Print the facts, then what has rows; ``folder`` is where the snapshot lies."""
    emit(str(page.key))
    if page.title and page.title != page.key.name:
        emit(one_line(page.title))
    emit()
    emit_pairs([*_facts(page), ("path", str(folder or "missing: mirror verify --repair"))])
    if page.summary:
        emit()
        emit(one_line(page.summary))
    _print_subsets(page)
    _print_files(page)
    _print_snapshots(page)
    if page.problems:
        emit()
        for problem in page.problems:
            emit(f"note: {one_line(problem)}")


def _facts(page: RepoPage) -> list[tuple[str, str]]:
    links: dict[str, list[str]] = {}
    for link in page.links:
        relation = f" ({link.relation})" if link.relation else ""
        links.setdefault(link.kind.replace("_", " "), []).append(f"{link.target}{relation}")
    return [
        ("also known as", ", ".join(page.aliases)),
        ("task", ", ".join([*page.tasks, *page.subtasks])),
        ("language", ", ".join(page.languages)),
        ("licence", ", ".join(page.licenses) or "none stated"),
        ("library", ", ".join(page.libraries)),
        ("parameters", f"{page.parameters:,}" if page.parameters else ""),
        *((kind, "\n".join(one_line(target) for target in found)) for kind, found in links.items()),
        ("files", _files(page)),
        ("fame", _fame(page)),
        ("modified", f"{(page.last_modified or '')[:10]}"),
        ("gated", page.gated or ""),
        ("upstream", _upstream(page)),
        ("commit", f"{page.commit} ({page.ref})"),
    ]


def _files(page: RepoPage) -> str:
    left_out = sum(not file.present for file in page.file_list)
    partial = f"; {number_of(left_out, 'file')} left out: mirror files {page.key}"
    return f"{page.files:,}, {human_size(page.size)}" + (partial if left_out else "")


def _fame(page: RepoPage) -> str:
    if page.downloads is None and page.likes is None:
        return ""
    seen = f", seen {ago(page.counts_seen)}" if page.counts_seen else ""
    return f"{page.downloads or 0:,} downloads in 30 days, {page.likes or 0:,} likes{seen}"


def _upstream(page: RepoPage) -> str:
    if page.upstream_state == "ok":
        return ""
    detail = f": {one_line(page.upstream_detail)}" if page.upstream_detail else ""
    return f"{page.upstream_state}{detail}; what is mirrored stays"


def _print_subsets(page: RepoPage) -> None:
    rows: list[list[Cell | str | int]] = [
        [
            subset.name + (" (default)" if subset.is_default and len(page.subsets) > 1 else ""),
            split.name,
            count_cell(split.rows),
            "" if split.file_bytes is None else size_cell(split.file_bytes),
        ]
        for subset in page.subsets
        for split in subset.splits
    ]
    rows += [[subset.name, "", "", ""] for subset in page.subsets if not subset.splits]
    if rows:
        emit()
        columns = (
            Column("SUBSET", whole=True),
            Column("SPLIT", whole=True),
            Column("ROWS", "right"),
            Column("SIZE", "right"),
        )
        emit_table(columns, rows, report=True)


def _print_files(page: RepoPage) -> None:
    """List the largest files, which say most about what a repo is."""
    here = sorted((file for file in page.file_list if file.present), key=lambda file: -file.size)
    if here:
        emit()
        rows: list[list[Cell | str | int]] = [
            [one_line(file.path), size_cell(file.size)] for file in here[:_FILES_SHOWN]
        ]
        emit_table((Column("FILE", whole=True), Column("SIZE", "right")), rows, report=True)
    if (more := len(here) - _FILES_SHOWN) > 0:
        emit(f"and {number_of(more, 'smaller file')}: mirror files {page.key}")


def _print_snapshots(page: RepoPage) -> None:
    emit()
    columns = (
        Column("SNAPSHOT"),
        Column("REFS", whole=True),
        Column("MIRRORED"),
        Column("FILES", "right"),
        Column("SIZE", "right"),
    )
    rows: list[list[Cell | str | int]] = [
        [
            commit_cell(snapshot.commit),
            ", ".join(snapshot.refs),
            snapshot.created[:10],
            count_cell(snapshot.present_files),
            size_cell(snapshot.present_size),
        ]
        for snapshot in page.snapshots
    ]
    emit_table(columns, rows, report=True)
