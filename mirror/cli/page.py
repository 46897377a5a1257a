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
    from collections.abc import Sequence
    from pathlib import Path

    from mirror.catalog import Lineage, Relative, RepoPage
    from mirror.store import Provenance

#: Files that are listed; `mirror files` lists all of them.
_FILES_SHOWN: Final = 15
#: Of links, results and relatives; `--json` has all of them.
_LINKS_SHOWN: Final = 10
_ROWS_SHOWN: Final = 20
_IN_LINEAGE: Final = frozenset({"base_model", "dataset"})


def print_page(
    page: RepoPage,
    folder: Path | None,
    came: Sequence[Provenance] = (),
    *,
    mirrored: bool,
    shell: str,
) -> None:
    """Print the facts, then what has rows, then how it is loaded.

    Args:
        page: what the catalog knows.
        folder: where the snapshot lies.
        came: the bundles that brought it, newest first.
        mirrored: whether a mirror was looked into, or a copy of a catalog alone.
        shell: the line that makes a shell load from the mirror.
    """
    emit(str(page.key))
    if page.title and page.title != page.key.name:
        emit(one_line(page.title))
    emit()
    emit_pairs([*_facts(page), ("path", _path(page, folder) if mirrored else "")])
    if page.summary:
        emit()
        emit(one_line(page.summary))
    _print_subsets(page)
    _print_evaluations(page)
    if page.lineage is not None:
        _print_lineage(page, page.lineage)
    _print_files(page)
    _print_snapshots(page)
    _print_provenance(came)
    _print_events(page)
    if page.problems:
        emit()
        for problem in page.problems:
            emit(f"note: {one_line(problem)}")
    _print_load(page, shell)


def _path(page: RepoPage, folder: Path | None) -> str:
    if page.state != "mirrored":
        return f"not mirrored: mirror add {page.key}, then mirror sync"
    return str(folder or "missing: mirror verify --repair")


def _facts(page: RepoPage) -> list[tuple[str, str]]:
    links: dict[str, list[str]] = {}
    for link in page.links:
        if link.kind not in _IN_LINEAGE:
            links.setdefault(link.kind.replace("_", " "), []).append(link.target)
    return [
        ("also known as", ", ".join(page.aliases)),
        ("task", ", ".join([*page.tasks, *page.subtasks])),
        ("language", ", ".join(page.languages)),
        ("licence", ", ".join(page.licenses) or "unknown: none is stated"),
        ("library", ", ".join(page.libraries)),
        ("modality", ", ".join(page.modalities)),
        ("format", ", ".join(page.formats)),
        ("parameters", f"{page.parameters:,}" if page.parameters else ""),
        ("weights", _weights(page)),
        ("quantization", ", ".join(page.quantizations)),
        ("kind", ", ".join(page.kinds)),
        ("rows", f"{page.rows:,}" if page.rows is not None else ""),
        ("size category", ", ".join(page.size_categories)),
        *((kind, _several(found)) for kind, found in links.items()),
        ("files", _files(page)),
        ("fame", _fame(page)),
        ("modified", f"{(page.last_modified or '')[:10]}"),
        ("gated", page.gated or ""),
        ("upstream", _upstream(page)),
        ("commit", f"{page.commit} ({page.ref})" if page.commit else ""),
    ]


def _weights(page: RepoPage) -> str:
    """Types of the weights, and how much of them has each."""
    return ", ".join(f"{dtype} ({count:,})" for dtype, count in page.dtypes.items())


def _several(values: list[str]) -> str:
    more = len(values) - _LINKS_SHOWN
    lines = [one_line(value) for value in values[:_LINKS_SHOWN]]
    return "\n".join([*lines, f"and {more:,} more: --json"] if more > 0 else lines)


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


def _print_evaluations(page: RepoPage) -> None:
    if not page.evaluations:
        return
    emit()
    rows: list[list[Cell | str | int]] = [
        [
            one_line(item.dataset or item.dataset_name or ""),
            one_line(item.subset or ""),
            one_line(item.split or ""),
            one_line(item.metric),
            Cell(f"{item.value:g}", repr(item.value)),
            "verified" if item.verified else item.source,
        ]
        for item in page.evaluations[:_ROWS_SHOWN]
    ]
    columns = (
        Column("RESULT ON", whole=True),
        Column("SUBSET"),
        Column("SPLIT"),
        Column("METRIC"),
        Column("VALUE", "right"),
        Column("STATED IN"),
    )
    emit_table(columns, rows, report=True)
    _say_more(len(page.evaluations) - _ROWS_SHOWN, "result")


def _print_lineage(page: RepoPage, lineage: Lineage) -> None:
    groups = [
        ("MADE FROM", lineage.made_from, 0),
        ("TRAINED ON", lineage.trained_on, 0),
        ("MADE INTO", lineage.made_into, lineage.made_into_total),
        ("TRAINING DATA OF", lineage.trained, lineage.trained_total),
    ]
    for heading, relatives, total in groups:
        if relatives:
            emit()
            emit_table(
                _lineage_columns(heading),
                list(map(_relative, relatives[:_ROWS_SHOWN])),
                report=True,
            )
            _say_more(max(total, len(relatives)) - _ROWS_SHOWN, "repo")


def _lineage_columns(heading: str) -> tuple[Column, ...]:
    return (
        Column(heading, whole=True),
        Column("HOW"),
        Column("HERE"),
        Column("DOWNLOADS", "right"),
        Column("THROUGH"),
    )


def _relative(relative: Relative) -> list[Cell | str | int]:
    through = one_line(relative.through) if relative.distance > 1 else ""
    here = {"mirrored": "mirrored", "known": "known only"}.get(relative.state or "", "no")
    return [
        one_line(relative.repo_id),
        one_line(relative.relation or ""),
        here,
        count_cell(relative.downloads),
        through,
    ]


def _print_provenance(came: Sequence[Provenance]) -> None:
    """Tell in which bundles the snapshots came, from whom, and whose signature was on them."""
    if not came:
        return
    emit()
    emit("Came in bundles:")
    for one in came[:_LINKS_SHOWN]:
        refs = ", ".join(one.refs)
        text = (
            f"{one.time[:10]}: {refs} {one.commit[:12]}, bundle {one.bundle[:12]}, number "
            f"{one.sequence} of {one.sender}, {_signed(one.signer, one.key)}"
        )
        emit(f"  {one_line(text)}")
        for origin in one.origins:
            text = (
                f"there from bundle {origin.bundle[:12]} of {origin.sender}, "
                f"{_signed(origin.signer, origin.key)}"
            )
            emit(f"    {one_line(text)}")
    if (more := len(came) - _LINKS_SHOWN) > 0:
        emit(f"  and {more:,} more: --json")


def _signed(signer: str, key: str) -> str:
    if not key:
        return "not signed"
    return f"signed by {signer} ({key})" if signer else f"signed with {key}"


def _print_events(page: RepoPage) -> None:
    if not page.events:
        return
    emit()
    rows: list[list[Cell | str | int]] = [
        [
            event.time[:10],
            one_line(event.what),
            one_line(event.before or ""),
            one_line(event.after or ""),
            one_line(event.detail or ""),
        ]
        for event in page.events[-_ROWS_SHOWN:]
    ]
    columns = (
        Column("SEEN"),
        Column("UPSTREAM"),
        Column("BEFORE"),
        Column("AFTER"),
        Column("DETAIL"),
    )
    emit_table(columns, rows, report=True)


def _say_more(more: int, one: str) -> None:
    if more > 0:
        emit(f"and {number_of(more, f'more {one}')}: --json")


def _print_load(page: RepoPage, shell: str) -> None:
    """The code as it is pasted: not indented, and nothing else in its lines."""
    if page.load is None:
        return
    emit()
    emit(f"load it, after {shell} in the shell:")
    emit()
    emit(page.load)
