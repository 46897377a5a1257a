"""list, files: what is in the mirror."""

from __future__ import annotations

from typing import Final

import click

from mirror.cli.app import Command, Session, common_options, json_option, pass_session
from mirror.cli.asking import csv_option
from mirror.cli.output import (
    Cell,
    Column,
    commit_cell,
    emit_csv,
    emit_json,
    emit_table,
    number_of,
    size_cell,
    talk,
)
from mirror.cli.repo_table import COLUMNS, CSV, csv_row, repo_row
from mirror.names import RepoType

_TYPE_OPTION: Final = click.option(
    "--type", "repo_type", type=click.Choice([kind.value for kind in RepoType]), help="Only these."
)


@click.command(
    cls=Command,
    name="list",
    short_help="List all repos.",
    examples=("mirror list", "mirror list --type model | cut -f 1"),
)
@_TYPE_OPTION
@csv_option
@common_options
@json_option
@pass_session
def list_repos(session: Session, /, repo_type: str | None, as_csv: bool) -> None:
    """List every mirrored repo.

    In a pipe each is one line: repo, tasks, languages, licences, downloads, bytes, title.
    """
    found = session.mirror().list(repo_type)
    if session.as_json:
        emit_json([summary.as_json() for summary in found])
        return
    if as_csv:
        emit_csv(CSV, map(csv_row, found))
        return
    emit_table(COLUMNS, [repo_row(summary) for summary in found])
    if not found:
        talk("nothing is mirrored yet: mirror add, then mirror sync")


_FILE_CSV: Final = ("path", "size", "present", "absent_because", "sha256", "etag")

_REPO_TYPE: Final = click.option(
    "--type",
    "repo_type",
    type=click.Choice([kind.value for kind in RepoType]),
    help="Where several types have the id.",
)


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
@csv_option
@common_options
@json_option
@pass_session
def files(
    session: Session, /, repo: str, repo_type: str | None, revision: str, as_csv: bool
) -> None:
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
    if as_csv:
        values = ([getattr(file, name) for name in _FILE_CSV] for file in manifest.files)
        emit_csv(_FILE_CSV, values)
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


COMMANDS: Final = {"list": list_repos, "files": files}
