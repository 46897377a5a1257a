"""verify, prune, forget, reindex: taking care of a mirror."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

import click

from mirror.cli.app import Command, Session, common_options, json_option, pass_session
from mirror.cli.output import (
    emit,
    emit_json,
    emit_pairs,
    human_duration,
    human_size,
    number_of,
    one_line,
    talk,
)
from mirror.cli.span import wait_option

if TYPE_CHECKING:
    from mirror.api.care import Verification
    from mirror.store import PrunePlan

_SHOWN: Final = 50


@click.command(
    cls=Command,
    short_help="Check every byte against its digest.",
    examples=(
        "mirror verify",
        "mirror verify datasets/klue/klue --repair",
        "mirror verify --noted --repair              # what a server could not deliver",
    ),
)
@click.argument("repos", metavar="[REPO]...", nargs=-1)
@click.option("--repair", is_flag=True, help="Put right what is wrong, from upstream if needed.")
@click.option("--noted", is_flag=True, help="Only what a server found missing or cut short.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@wait_option
@common_options
@json_option
@pass_session
def verify(
    session: Session, /, repos: tuple[str, ...], repair: bool, noted: bool, quiet: bool
) -> None:
    """Read every byte of the mirror, or of some REPOs, and compare it with its digest.

    Works on a read-only mount, too. The exit code is 7 if anything is wrong (still
    wrong, with --repair).

    --repair moves what is damaged to quarantine/, fetches it again from upstream at the
    commit that was there, makes the view anew, and checks again.

    --noted is quick: it reads only the files that `mirror serve` could not deliver, and
    noted. Whatever is right again, by this verify or a whole one, is noted no more.
    """
    from mirror.cli.progress import watch_bytes, watch_sync

    mirror = session.mirror()
    with (
        watch_bytes("verify", quiet=quiet or repair) as progress,
        watch_sync(quiet=quiet) if repair else nullcontext() as transfer,
    ):
        result = mirror.verify(
            repos, repair=repair, noted=noted, progress=progress, transfer=transfer
        )
    if session.as_json:
        emit_json(result.as_json())
    else:
        _print_verification(result, repair=repair)
    click.get_current_context().exit(result.exit_code)


def _print_verification(result: Verification, *, repair: bool) -> None:
    for finding in result.found.problems[:_SHOWN]:
        emit(f"{finding.kind}: {one_line(finding.detail)}")
    if (more := len(result.found.problems) - _SHOWN) > 0:
        emit(f"… and {more} more: mirror verify --json lists all")
    if result.after is not None:
        for finding in result.after.problems[:_SHOWN]:
            emit(f"still {finding.kind}: {one_line(finding.detail)}")
    if result.fetched is not None:
        for problem in result.fetched.failed:
            talk(one_line(f"failed: {problem.subject}: {problem.message}"))
    found = result.found
    emit(
        f"{number_of(len(found.problems), 'problem')} in {number_of(found.checked_repos, 'repo')}, "
        f"{number_of(found.checked_snapshots, 'snapshot')}, "
        f"{number_of(found.checked_blobs, 'blob')}, "
        f"{human_size(found.checked_bytes)}"
        + (f"; {len(result.problems)} left after the repair" if result.after else "")
    )
    if result.problems:
        talk(
            "upstream could not put that right; mirror sync tries again"
            if repair
            else "hint: mirror verify --repair puts that right, from upstream where needed"
        )


@click.command(
    cls=Command,
    short_help="Remove superseded snapshots and what nothing needs.",
    examples=(
        "mirror prune --dry-run",
        "mirror prune",
        "mirror prune --proposed --dry-run",
    ),
)
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would go.")
@click.option("--proposed", is_flag=True, help="Also what senders of bundles have removed.")
@wait_option
@common_options
@json_option
@pass_session
def prune(session: Session, /, dry_run: bool, proposed: bool) -> None:
    """Remove snapshots that newer ones replace, and bytes that no snapshot needs.

    What stays: every snapshot that a branch, a tag or a pinned commit points at; as many
    older ones of each as [retention] keep says; the last snapshot of every repo. What
    upstream says about a repo, or whether it is still selected, plays no part.

    In a lab, --proposed takes out what the other side no longer has, too: a ref that it
    dropped, or a repo, as the bundles that came have proposed. Look with --dry-run first.
    """
    from mirror.cli.progress import watch_wait

    mirror = session.mirror()
    with watch_wait("reading all manifests"):
        plan = mirror.prune(dry_run=dry_run, proposed=proposed)
    if session.as_json:
        emit_json(plan.as_json())
        return
    _print_prune(plan, dry_run=dry_run)


@click.command(
    cls=Command,
    short_help="Let go of repos that mirror.toml asks for no more.",
    examples=(
        "mirror remove klue/klue && mirror forget klue/klue --dry-run",
        "mirror forget datasets/klue/klue --revision v1.0",
    ),
)
@click.argument("repos", metavar="REPO...", nargs=-1, required=True)
@click.option("--revision", metavar="R", help="Only this branch, tag or pinned commit of each.")
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would go.")
@wait_option
@common_options
@json_option
@pass_session
def forget(
    session: Session, /, repos: tuple[str, ...], revision: str | None, dry_run: bool
) -> None:
    """Remove REPOs from the mirror, with all bytes that nothing else needs.

    Only what mirror.toml no longer names: mirror remove comes first. What was seen of a
    repo upstream stays known. To labs, the next bundle proposes the same.
    """
    from mirror.cli.progress import watch_wait

    mirror = session.mirror()
    with watch_wait("reading all manifests"):
        plan = mirror.forget(repos, revision=revision, dry_run=dry_run)
    if session.as_json:
        emit_json(plan.as_json())
        return
    _print_prune(plan, dry_run=dry_run)


def _print_prune(plan: PrunePlan, *, dry_run: bool) -> None:
    for ref in plan.refs:
        emit(f"ref       {ref.key}  {ref.ref}  {ref.commit}  {one_line(ref.why)}")
    for snapshot in plan.snapshots:
        emit(f"snapshot  {snapshot.key}  {snapshot.commit}  {snapshot.why}")
    for leftover in plan.leftovers:
        emit(f"leftover  {leftover.path}  {human_size(leftover.size)}")
    if plan.refs or plan.snapshots or plan.leftovers:
        emit()
    emit_pairs(
        [
            ("snapshots", f"{len(plan.snapshots):,}"),
            ("blobs", f"{len(plan.blobs):,}"),
            ("leftovers", f"{len(plan.leftovers):,}"),
            ("would free" if dry_run else "freed", human_size(plan.freed)),
        ]
    )


@click.command(
    cls=Command,
    short_help="Make the catalog anew from the store.",
    examples=("mirror reindex",),
)
@wait_option
@common_options
@json_option
@pass_session
def reindex(session: Session) -> None:
    """Make the catalog anew from the store; searches see the old one until it is done.

    `mirror sync` keeps the catalog up to date. This is for a catalog that was deleted,
    damaged, or written by another version.
    """
    from mirror.cli.progress import watch_wait

    mirror = session.mirror()
    with watch_wait("indexing"):
        report = mirror.reindex()
    if session.as_json:
        emit_json(report.as_json())
        return
    emit_pairs(
        [
            ("repos", f"{report.repos:,}"),
            ("indexed", f"{report.indexed:,}"),
            ("took", human_duration(report.seconds)),
        ]
    )
    for problem in report.problems:
        emit(f"note: {one_line(problem)}")


COMMANDS: Final = {"verify": verify, "prune": prune, "forget": forget, "reindex": reindex}
