"""search, list, show, files: what is in the mirror."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mirror.cli.app import Command, Session, common_options, json_option, pass_session
from mirror.cli.output import (
    Cell,
    Column,
    commit_cell,
    count_cell,
    emit,
    emit_json,
    emit_table,
    number_of,
    one_line,
    size_cell,
    talk,
    words_cell,
)
from mirror.errors import StoreError
from mirror.names import RepoType

if TYPE_CHECKING:
    from mirror.catalog import RepoSummary

#: As mirror.catalog.query.query has them, which ``--help`` need not import.
SORTS: Final = ("relevance", "downloads", "likes", "modified", "created", "size", "name")

_TYPE_OPTION: Final = click.option(
    "--type", "repo_type", type=click.Choice([kind.value for kind in RepoType]), help="Only these."
)


@click.command(
    cls=Command,
    short_help="Search by words, task, language, licence …",
    examples=(
        "mirror search 감정 --language ko",
        "mirror search --task text-classification --license mit --license apache-2.0",
        "mirror search --type dataset --language ko --json | jq -r '.hits[].repo_id'",
    ),
)
@click.argument("words", nargs=-1)
@click.option("--task", metavar="T", multiple=True, help="For this task: fill-mask …")
@click.option("--language", metavar="L", multiple=True, help="In this language: ko, Korean …")
@click.option("--license", metavar="L", multiple=True, help="Under this licence: mit … or unknown.")
@click.option("--library", metavar="L", multiple=True, help="For this library: transformers …")
@click.option("--author", metavar="A", multiple=True, help="Of this namespace.")
@click.option("--tag", "tags", metavar="T", multiple=True, help="With exactly this tag of the Hub.")
@_TYPE_OPTION
@click.option("--sort", type=click.Choice(SORTS), help="Relevance, or downloads without WORDS.")
@click.option("--limit", metavar="N", type=click.IntRange(1), default=20, help="Hits shown (20).")
@click.option("--offset", metavar="N", type=click.IntRange(0), default=0, help="Hits left out.")
@click.option(
    "--catalog",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A copy of a catalog.db, in place of a mirror's own.",
)
@common_options
@json_option
@pass_session
def search(
    session: Session, /, words: tuple[str, ...], catalog: Path | None, **filters: Any
) -> None:
    """Search what is mirrored, without network, in milliseconds.

    All WORDS must be in the id, title, tags or card; Korean, Japanese and Chinese are found
    inside longer words. An option that is given several times means any of its values
    (--tag: all of them); different options must all fit.

    In a pipe each hit is one line: repo, tasks, languages, licences, downloads, bytes,
    title.
    """
    from mirror.api.searching import search_catalog

    text = " ".join(words)
    if catalog is not None:
        found = search_catalog(catalog, text, **filters)
    else:
        found = session.mirror().search(text, **filters)
    if session.as_json:
        emit_json(found.as_json())
        return
    emit_table(_COLUMNS, [_row(hit) for hit in found.hits])
    _say_place(filters["offset"], len(found.hits), found.total)
    if not found.total:
        _say_misspelt(filters["task"])


def _say_place(offset: int, shown: int, total: int) -> None:
    """Tell a person which part of the hits this is, if it is not all."""
    last = offset + shown
    if not total:
        talk("nothing found")
    elif not shown:
        talk(f"no more than {total:,}")
    elif last < total:
        talk(f"{offset + 1:,} to {last:,} of {total:,}; --offset {last} shows the next ones")
    elif offset:
        talk(f"{offset + 1:,} to {last:,} of {total:,}")


def _say_misspelt(tasks: tuple[str, ...]) -> None:
    """Tell a person which task was probably meant, where the Hub knows none of that name."""
    from difflib import get_close_matches

    from mirror.catalog.record.vocabulary import TASKS, task_name

    for task in tasks:
        name = task_name(task)
        if name not in TASKS and (near := get_close_matches(name, sorted(TASKS), n=3, cutoff=0.7)):
            talk(f"hint: --task {one_line(task)}: did you mean {' or '.join(near)}?")


@click.command(
    cls=Command,
    name="list",
    short_help="List all repos.",
    examples=("mirror list", "mirror list --type model | cut -f 1"),
)
@_TYPE_OPTION
@common_options
@json_option
@pass_session
def list_repos(session: Session, /, repo_type: str | None) -> None:
    """List every mirrored repo.

    In a pipe each is one line: repo, tasks, languages, licences, downloads, bytes, title.
    """
    found = session.mirror().list(repo_type)
    if session.as_json:
        emit_json([summary.as_json() for summary in found])
        return
    emit_table(_COLUMNS, [_row(summary) for summary in found])
    if not found:
        talk("nothing is mirrored yet: mirror add, then mirror sync")


_COLUMNS: Final = (
    Column("REPO", whole=True),
    Column("TASK"),
    Column("LANGUAGE"),
    Column("LICENCE"),
    Column("DOWNLOADS", "right"),
    Column("SIZE", "right"),
    Column("TITLE"),
)


def _row(repo: RepoSummary) -> list[Cell | str | int]:
    name = str(repo.key)
    mark = "" if repo.upstream_state == "ok" else f" [{repo.upstream_state} upstream]"
    return [
        Cell(name + mark, name, style="yellow" if mark else "bold"),
        words_cell(repo.tasks),
        words_cell(repo.languages),
        words_cell(repo.licenses),
        count_cell(repo.downloads),
        size_cell(repo.size),
        one_line(repo.title or ""),
    ]


_REPO_TYPE: Final = click.option(
    "--type",
    "repo_type",
    type=click.Choice([kind.value for kind in RepoType]),
    help="Where several types have the id.",
)


@click.command(
    cls=Command,
    short_help="Show everything about one repo.",
    examples=("mirror show klue/klue", "mirror show models/klue/roberta-base --card"),
)
@click.argument("repo")
@_REPO_TYPE
@click.option("--card", is_flag=True, help="The text of its card, and nothing else.")
@common_options
@json_option
@pass_session
def show(session: Session, /, repo: str, repo_type: str | None, card: bool) -> None:
    """Show what is known about REPO: facts, subsets, snapshots, and what it needs."""
    from mirror.cli.page import print_page

    mirror = session.mirror()
    page = mirror.show(repo, repo_type)
    if card and not session.as_json:
        emit(page.card)
        return
    try:
        folder = mirror.path(page.key, revision=page.commit)
    except StoreError:  # the catalog still knows what it was
        folder = None
    if session.as_json:
        emit_json(page.as_json() | {"path": str(folder) if folder else None})
    else:
        print_page(page, folder)


@click.command(
    cls=Command,
    short_help="List the files of a snapshot.",
    examples=(
        "mirror files klue/klue",
        "mirror files klue/klue --revision v1.0",
        "mirror files klue/klue --json | jq -r '.files[] | select(.present | not) | .path'",
    ),
)
@click.argument("repo")
@_REPO_TYPE
@click.option("--revision", metavar="R", default="main", help="Branch, tag or commit (main).")
@common_options
@json_option
@pass_session
def files(session: Session, /, repo: str, repo_type: str | None, revision: str) -> None:
    """List every file of REPO's snapshot, also those that the selection left out.

    In a pipe each is one line: bytes, "present" or the rule that left it out, sha256, path.
    """
    manifest = session.mirror().files(repo, repo_type, revision)
    if session.as_json:
        emit_json(
            {
                "repo_type": manifest.repo_type.value,
                "repo_id": manifest.repo_id,
                "commit": manifest.commit,
                "files": [file.model_dump() | {"etag": file.etag} for file in manifest.files],
            }
        )
        return
    rows: list[list[Cell | str | int]] = [
        [
            size_cell(file.size),
            Cell(
                "" if file.present else f"left out: {file.absent_because}",
                "present" if file.present else str(file.absent_because),
                style="dim",
            ),
            commit_cell(file.sha256),
            file.path,
        ]
        for file in manifest.files
    ]
    columns = (Column("SIZE", "right"), Column(""), Column("SHA256"), Column("FILE", whole=True))
    emit_table(columns, rows)
    left_out = len(manifest.files) - len(manifest.present_files)
    talk(
        f"{number_of(len(manifest.present_files), 'file')} at {manifest.commit}"
        + (f", {left_out} left out" if left_out else "")
    )


COMMANDS: Final = {"search": search, "list": list_repos, "show": show, "files": files}
