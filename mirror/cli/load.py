"""path, env: from the mirror to the programs that load from it."""

from __future__ import annotations

import shlex
from typing import Final

import click

from mirror.cli.app import Command, Session, common_options, json_option, pass_session
from mirror.cli.output import emit, emit_json
from mirror.names import RepoType


@click.command(
    cls=Command,
    short_help="Print the folder of a snapshot.",
    examples=(
        'cd "$(mirror path klue/klue)"',
        'python train.py --data "$(mirror path klue/klue --revision v1.0)"',
    ),
)
@click.argument("repo")
@click.option(
    "--type",
    "repo_type",
    type=click.Choice([kind.value for kind in RepoType]),
    help="Where several types have the id.",
)
@click.option("--revision", metavar="R", default="main", help="Branch, tag or commit (main).")
@common_options
@json_option
@pass_session
def path(session: Session, /, repo: str, repo_type: str | None, revision: str) -> None:
    """Print the folder of REPO's snapshot, and nothing else.

    It holds plain files, for everything that takes a folder: from_pretrained,
    load_dataset, a web server.
    """
    folder = str(session.mirror().path(repo, repo_type, revision))
    if session.as_json:
        emit_json({"path": folder})
    else:
        click.echo(folder)


@click.command(
    cls=Command,
    short_help="Print the variables of a lab machine.",
    examples=(
        'eval "$(mirror env -C /mnt/mirror)"',
        "mirror env -C /mnt/mirror > /etc/profile.d/mirror.sh",
        "mirror env --endpoint http://hub.lab > /etc/profile.d/mirror.sh",
    ),
)
@click.option("--endpoint", metavar="URL", help="For a lab that a `mirror serve` serves.")
@common_options
@json_option
@pass_session
def env(session: Session, /, endpoint: str | None) -> None:
    """Print shell exports with which transformers and huggingface_hub load from the mirror.

    From its folder, which may be mounted read-only, or with --endpoint from a server, where
    every client of the Hub works. Each line is explained by a comment.
    """
    from mirror.api.loading import NOTES, variables

    if endpoint is not None:
        _endpoint_env(session, endpoint)
        return
    mirror = session.mirror()
    if session.as_json:
        emit_json(mirror.env())
        return
    for variable in variables(mirror.root):
        emit(f"# {variable.why}")
        click.echo(f"export {variable.name}={shlex.quote(variable.value)}")
    for line in NOTES:
        emit(f"# {line}")


def _endpoint_env(session: Session, endpoint: str) -> None:
    from mirror.api.loading import IN_THE_WAY, endpoint_variables

    found = endpoint_variables(endpoint)
    if session.as_json:
        emit_json({variable.name: variable.value for variable in found})
        return
    for variable in found:
        emit(f"# {variable.why}")
        click.echo(f"export {variable.name}={shlex.quote(variable.value)}")
    for name, why in IN_THE_WAY.items():
        emit(f"# {why}")
        click.echo(f"unset {name}")


COMMANDS: Final = {"path": path, "env": env}
