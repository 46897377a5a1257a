"""init, add, remove: what to mirror."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from mirror.cli.app import Command, Session, common_options, json_option, pass_session
from mirror.cli.output import emit_json, talk
from mirror.errors import UsageError
from mirror.names import RepoKey, RepoType

_TYPES: Final = click.Choice([kind.value for kind in RepoType])


@click.command(
    cls=Command,
    short_help="Make a folder a mirror.",
    examples=(
        "mirror init /srv/mirror",
        "mirror init /srv/lab --endpoint https://hub.example.org",
    ),
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--endpoint", metavar="URL", help="The Hub to copy from (https://huggingface.co).")
@common_options
@json_option
@pass_session
def init(session: Session, /, folder: Path, endpoint: str | None) -> None:
    """Make DIR a mirror, with a commented mirror.toml to start from.

    DIR is new, empty, or holds only your own mirror.toml. On a mirror that is there
    already nothing is changed.
    """
    from mirror.api import Mirror

    before = (folder.expanduser() / "format").exists()
    made = Mirror.init(folder, endpoint)
    if session.as_json:
        emit_json({"root": str(made.root), "endpoint": made.settings.upstream.endpoint})
        return
    talk(f"{made.root} is a mirror of {made.settings.upstream.endpoint}")
    if before:
        talk("It was one before; nothing is changed.")
        return
    talk("")
    talk("What next:")
    talk(f"  export MIRROR_HOME={made.root}")
    talk("  mirror add datasets/klue/klue      or edit mirror.toml, where all is explained")
    talk("  mirror plan                        what would be fetched, in files and bytes")
    talk("  mirror sync                        fetch it")


@click.command(
    cls=Command,
    short_help="Add repos, or a query for repos, to mirror.toml.",
    examples=(
        "mirror add datasets/klue/klue",
        "mirror add models/google-bert/bert-base-uncased --exclude '*.h5' --exclude '*.onnx'",
        "mirror add --type dataset --language ko --license mit --sort downloads --limit 100",
    ),
)
@click.argument("repos", metavar="[REPO]...", nargs=-1)
@click.option("--type", "repo_type", type=_TYPES, help="Type of bare ids, and of a query.")
@click.option(
    "--revision", "revisions", metavar="R", multiple=True, help="Branch, tag or commit (main)."
)
@click.option("--include", metavar="P", multiple=True, help="Only files like P, such as '*.json'.")
@click.option("--exclude", metavar="P", multiple=True, help="No files like P.")
@click.option("--max-size", metavar="S", help="No files larger than S, such as '5 GB'.")
@click.option("--author", metavar="NAME", help="Query: repos of this account.")
@click.option("--task", metavar="TASK", help="Query: for this task.")
@click.option("--language", metavar="L", multiple=True, help="Query: in this language.")
@click.option("--license", metavar="L", multiple=True, help="Query: under this licence.")
@click.option("--library", metavar="L", multiple=True, help="Query: for this library.")
@click.option("--search", metavar="TEXT", help="Query: TEXT is part of the id.")
@click.option("--min-downloads", metavar="N", type=click.IntRange(0), help="Query: at least N.")
@click.option("--min-likes", metavar="N", type=click.IntRange(0), help="Query: at least N.")
@click.option(
    "--sort",
    type=click.Choice(["downloads", "likes", "lastModified", "createdAt", "trendingScore"]),
    help="Query: what the most of comes first.",
)
@click.option("--limit", metavar="N", type=click.IntRange(1), help="Query: the first N.")
@common_options
@json_option
@pass_session
def add(session: Session, /, repos: tuple[str, ...], repo_type: str | None, **options: Any) -> None:
    """Add REPOs to mirror.toml, or one query that finds repos at every sync.

    A REPO says its type: models/gpt2, datasets/klue/klue, spaces/gradio/hello_world.
    Comments in mirror.toml stay. Nothing is fetched yet: see `mirror plan`.

    In patterns * also crosses /. Several values of --language, --license and
    --library are alternatives.
    """
    kind = RepoType.parse(repo_type) if repo_type else None
    entry = _entry(options)
    if not repos:
        if kind is None:
            raise UsageError(
                "nothing to add: neither a REPO nor the --type of a query",
                hint="for example: mirror add datasets/klue/klue",
            )
        added = [(kind, entry)]
    else:
        keys = [RepoKey.parse(repo, default=kind) for repo in repos]
        added = [(key.repo_type, {"id": key.repo_id} | entry) for key in keys]
    _add_all(session, added)


def _entry(options: dict[str, Any]) -> dict[str, Any]:
    """The keys of mirror.toml from the options; what was not given is left out."""
    revisions = options.pop("revisions")
    given = {"revision": revisions[0]} if len(revisions) == 1 else {"revisions": revisions}
    return {key: value for key, value in (given | options).items() if value not in (None, ())}


def _add_all(session: Session, /, entries: list[tuple[RepoType, dict[str, Any]]]) -> None:
    mirror = session.mirror()
    added = mirror.add_all(entries)
    if session.as_json:
        emit_json([{"repo_type": kind.value} | entry for kind, entry in entries])
        return
    talk(f"added to {mirror.root / 'mirror.toml'}:\n")
    for lines in added:
        talk(lines)
    talk("mirror plan shows what that would fetch; mirror sync fetches it.")


@click.command(
    cls=Command,
    short_help="Take an entry out of mirror.toml.",
    examples=(
        "mirror remove datasets/klue/klue",
        "mirror remove datasets.2",
    ),
)
@click.argument("names", metavar="REPO|ENTRY...", nargs=-1, required=True)
@common_options
@json_option
@pass_session
def remove(session: Session, /, names: tuple[str, ...]) -> None:
    """Take entries out of mirror.toml, by the id of a repo or by place (datasets.2).

    What is mirrored stays and can still be loaded: it is only no longer kept up to
    date. `mirror prune` removes superseded snapshots beyond those that [retention]
    keeps, never one that a branch or tag points at, never the last one of a repo.
    """
    mirror = session.mirror()
    removed = mirror.remove(*names)
    if session.as_json:
        emit_json(removed)
        return
    talk(f"taken out of {mirror.root / 'mirror.toml'}: {', '.join(removed)}")
    talk("What is mirrored of it stays, and can still be loaded.")


COMMANDS: Final = {"init": init, "add": add, "remove": remove}
