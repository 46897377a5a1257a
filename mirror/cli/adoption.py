"""adopt, checkout: what is on disk already comes in, and a plain folder goes out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mirror.cli.app import Command, Session, common_options, json_option, pass_session
from mirror.cli.output import emit, emit_json, human_size, number_of, one_line, talk
from mirror.cli.span import wait_option
from mirror.errors import UsageError
from mirror.names import RepoType

if TYPE_CHECKING:
    from mirror.adopt import Adopted, AdoptionPlan, AdoptionReport, CheckoutReport, SnapshotPlan
    from mirror.api import Mirror

_SHOWN: Final = 20


@click.command(
    cls=Command,
    short_help="Take in what is on disk already: caches, folders, clones.",
    examples=(
        "mirror adopt ~/.cache/huggingface --dry-run",
        "mirror adopt /data/klue --repo datasets/klue/klue",
        "mirror adopt /data/clones/* --add",
    ),
)
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--repo", metavar="REPO", help="Which repo it is, where the folder does not say.")
@click.option("--commit", metavar="HASH", help="Which commit, where the folder does not say.")
@click.option("--ref", metavar="REF", help="What will point at it, where it does not say (main).")
@click.option("--copy", is_flag=True, help="Copy: share no file with the folder.")
@click.option("--link", is_flag=True, help="Link files of other users too: you trust them.")
@click.option("--add", is_flag=True, help="Add the repos to mirror.toml, to keep following them.")
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be taken in.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@wait_option
@common_options
@json_option
@pass_session
def adopt(
    session: Session,
    /,
    paths: tuple[Path, ...],
    copy: bool,
    link: bool,
    add: bool,
    dry_run: bool,
    quiet: bool,
    **said: str | None,
) -> None:
    """Take in folders that are on disk already; no network is needed.

    A PATH is a Hugging Face cache (~/.cache/huggingface, its hub/, or one repo in it), a
    folder of `hf download --local-dir` or of `mirror checkout`, or a git clone with its
    LFS objects. Every byte is read and compared with what the folder says it is; the
    next sync of the repo compares the rest with upstream, and fetches no file again that
    is right.

    On the mirror's file system nothing is copied: the file system clones the files, or
    they become hard links, which are read-only from then on. --copy leaves the folder's
    files alone. Files of another user than the mirror's are copied, because their owner
    could change a link; --link links them too.

    The exit code is 4 where something could not be taken in.
    """
    if copy and link:
        raise UsageError("--copy and --link exclude each other")
    if len(paths) > 1 and (said["repo"] or said["commit"]):
        raise UsageError("--repo and --commit are for one PATH", hint="adopt them one by one")
    mirror = session.mirror()
    if dry_run:
        plan = mirror.plan_adoption(*paths, **said)
        emit_json(plan.as_json()) if session.as_json else _print_plan(plan)
        click.get_current_context().exit(plan.exit_code)
    from mirror.cli.progress import watch_bytes

    with watch_bytes("adopt", quiet=quiet) as progress:
        share = "none" if copy else "all" if link else "own"
        report = mirror.adopt(*paths, share=share, progress=progress, **said)
    commands = _follow(mirror, report, add=add)
    if session.as_json:
        emit_json(report.as_json() | {"to_follow": commands})
    else:
        _print_report(report)
        _print_follow(commands, added=add)
    click.get_current_context().exit(report.exit_code)


def _follow(mirror: Mirror, report: AdoptionReport, *, add: bool) -> list[str]:
    """Give the commands that keep following what was adopted; with ``add`` do it at once."""
    from mirror.api.adoption import add_command, entries_for

    taken = [one.plan for one in report.snapshots if one.published or one.plan.unchanged]
    entries = entries_for(taken, mirror.settings, mirror.store)
    if add and entries:
        mirror.add_all(entries)
    return [add_command(kind, entry) for kind, entry in entries]


def _print_plan(plan: AdoptionPlan) -> None:
    for snapshot in plan.snapshots:
        emit(_heading(snapshot))
        if not snapshot.unchanged:
            counts = {action.value: snapshot.count(action) for action in _actions()}
            shown = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
            emit(f"  {shown or 'no files'}; {human_size(snapshot.to_read)} to read")
        _print_notes(snapshot)
    for note in plan.notes:
        emit(f"note: {one_line(note)}")
    for trouble in plan.troubles:
        emit(one_line(f"cannot be adopted: {trouble.subject}: {trouble.message}"))


def _actions() -> Any:
    from mirror.adopt import Action

    return Action


def _heading(plan: SnapshotPlan) -> str:
    refs = ", ".join(name for name in plan.refs if name != plan.found.commit) or "pinned"
    state = "  is here already" if plan.unchanged else ""
    return one_line(f"{plan.found.key}  {plan.found.commit[:12]}  {refs}{state}")


def _print_notes(plan: SnapshotPlan) -> None:
    for path, why in list(plan.found.left_out.items())[:_SHOWN]:
        emit(f"  left out: {one_line(path)}: {why}")
    if (more := len(plan.found.left_out) - _SHOWN) > 0:
        emit(f"  … and {more:,} more: --json lists all")
    for note in (*plan.found.notes, *plan.notes):
        emit(f"  note: {one_line(note)}")


def _print_report(report: AdoptionReport) -> None:
    for one in report.snapshots:
        emit(_heading(one.plan))
        _print_adopted(one)
    for note in report.notes:
        emit(f"note: {one_line(note)}")
    for trouble in report.troubles:
        emit(one_line(f"not adopted: {trouble.subject}: {trouble.message}"))
    emit(report.summary)
    from mirror.adopt import Placed

    if any(one.placed[Placed.LINK] for one in report.snapshots):
        talk(
            "Hard links are one file with two names: those in the folder are read-only now.\n"
            "Programs that replace files do no harm. Nothing may write into them;\n"
            "mirror verify finds it out if something has."
        )


def _print_adopted(one: Adopted) -> None:
    counts = {f"{how.value}": count for how, count in one.placed.items()}
    counts |= {"reuse": one.reused} if one.reused else {}
    if one.published:
        emit("  " + ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())))
    _print_notes(one.plan)
    if one.unproven:
        emit(f"  note: of {number_of(one.unproven, 'file')} only upstream can tell if it is right")
    if one.foreign:
        emit(
            f"  note: {number_of(one.foreign, 'file')} of another user copied, as its owner could "
            "change a link; --link links all the same"
        )
    for warning in one.warnings:
        emit(f"  note: {one_line(warning)}")
    for trouble in one.refused[:_SHOWN]:
        emit(f"  refused: {one_line(f'{trouble.subject}: {trouble.message}')}")
    if (more := len(one.refused) - _SHOWN) > 0:
        emit(f"  … and {more:,} more: --json lists all")


def _print_follow(commands: list[str], *, added: bool) -> None:
    if not commands:
        return
    talk(
        "added to mirror.toml:" if added else "To keep them up to date, and compared with upstream:"
    )
    for command in commands[:_SHOWN]:
        talk(f"  {command}")
    if (more := len(commands) - _SHOWN) > 0:
        talk(f"  … and {more:,} more: mirror adopt --add adds all")


@click.command(
    cls=Command,
    short_help="Make a plain folder of a snapshot.",
    examples=(
        "mirror checkout klue/klue ./klue",
        "mirror checkout models/google-bert/bert-base-uncased /data/bert --revision v1.0 --copy",
    ),
)
@click.argument("repo")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--type",
    "repo_type",
    type=click.Choice([kind.value for kind in RepoType]),
    help="Where several types have the id.",
)
@click.option("--revision", metavar="R", default="main", help="Branch, tag or commit (main).")
@click.option("--copy", is_flag=True, help="Files to write to: share none with the mirror.")
@common_options
@json_option
@pass_session
def checkout(
    session: Session, /, repo: str, folder: Path, repo_type: str | None, revision: str, copy: bool
) -> None:
    """Make DIR a plain folder with the files of REPO's snapshot.

    Without --copy nothing is copied on the mirror's file system: it clones the files, or
    they become hard links, which are read-only. Do not make those writable: they are the
    mirror's own.

    DIR is new or empty, or an earlier checkout of the same REPO. That is brought up to date:
    what a checkout wrote is changed or removed, your own files stay, and where a file
    of it was changed nothing is done at all. `hf download --local-dir DIR` knows the
    folder too.
    """
    report = session.mirror().checkout(repo, folder, repo_type, revision, copy=copy)
    if session.as_json:
        emit_json(report.as_json())
    else:
        _print_checkout(report)


def _print_checkout(report: CheckoutReport) -> None:
    from mirror.adopt import Placed

    plan, manifest = report.plan, report.plan.manifest
    emit(
        one_line(
            f"{manifest.key}  {manifest.commit[:12]}  {plan.folder}  "
            f"written={len(plan.write)} unchanged={len(plan.keep)} removed={len(plan.remove)} "
            + " ".join(f"{how.value}={report.placed[how]}" for how in Placed)
        )
    )
    for path in plan.kept_changed:
        talk(f"{one_line(path)} is not in this commit; it was changed, and stays")
    for path in plan.left_out:
        talk(f"{one_line(path)} is left out: such a name is not the repo's to write")
    absent = sum(not file.present for file in manifest.files)
    if absent:
        talk(f"{number_of(absent, 'file')} of the commit is not in the mirror")
    if report.placed[Placed.LINK]:
        talk("The files are the mirror's own, read-only; --copy gives files to write to.")


COMMANDS: Final = {"adopt": adopt, "checkout": checkout}
