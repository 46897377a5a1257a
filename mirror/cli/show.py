"""show: the whole story of one repo."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mirror.cli.app import Command, Session, common_options, json_option, pass_session
from mirror.cli.asking import catalog_option
from mirror.cli.output import emit, emit_json
from mirror.errors import NotFoundError, StoreError
from mirror.names import RepoType

if TYPE_CHECKING:
    from mirror.api import Mirror
    from mirror.catalog import RepoPage
    from mirror.store import Provenance


@click.command(
    cls=Command,
    short_help="Show everything about one repo.",
    examples=(
        "mirror show klue/klue",
        "mirror show models/klue/roberta-base --card",
        "mirror show klue/roberta-base --load > load.py",
        "mirror show klue/roberta-base --json | jq .lineage",
    ),
)
@click.argument("repo")
@click.option(
    "--type",
    "repo_type",
    type=click.Choice([kind.value for kind in RepoType]),
    help="Where several types have the id.",
)
@click.option("--card", is_flag=True, help="The text of its card, and nothing else.")
@click.option("--load", is_flag=True, help="The Python that loads it, and nothing else.")
@catalog_option
@common_options
@json_option
@pass_session
def show(
    session: Session,
    /,
    repo: str,
    repo_type: str | None,
    card: bool,
    load: bool,
    catalog: Path | None,
) -> None:
    """Show what is known about REPO.

    Facts, results, where it comes from and what came of it, subsets, files, snapshots,
    what changed upstream, in which bundles it came, and the Python that loads it. A repo
    that is not mirrored is shown as far as the catalog knows it.
    """
    from mirror.cli.page import print_page

    if catalog is not None:
        from mirror.api.comparing import show_in_catalog

        mirror, page = None, show_in_catalog(catalog, repo, repo_type)
        came: tuple[Provenance, ...] = ()
    else:
        mirror = session.mirror()
        page = mirror.show(repo, repo_type)
        came = mirror.provenance(page.key) if page.state == "mirrored" else ()
    folder = _folder(mirror, page)
    if session.as_json:
        place = {"path": str(folder) if folder else None}
        emit_json(page.as_json() | place | {"provenance": [one.as_json() for one in came]})
    elif card:
        emit(page.card)
    elif load:
        emit(_load(page))
    else:
        print_page(page, folder, came, mirrored=mirror is not None, shell=_shell(mirror))


def _folder(mirror: Mirror | None, page: RepoPage) -> Path | None:
    """Where its snapshot lies, if it does."""
    if mirror is None or page.state != "mirrored":
        return None
    try:
        return mirror.path(page.key, revision=page.commit)
    except (StoreError, NotFoundError):  # the catalog still knows what it was
        return None


def _load(page: RepoPage) -> str:
    if page.load is None:
        raise NotFoundError(
            f"{page.key} is not mirrored, so there is nothing to load",
            hint=f"mirror add {page.key}, then mirror sync",
        )
    return page.load


def _shell(mirror: Mirror | None) -> str:
    """What makes a shell load from this mirror."""
    root = "DIR" if mirror is None else shlex.quote(str(mirror.root))
    return f'eval "$(mirror env -C {root})"'


COMMANDS: Final = {"show": show}
