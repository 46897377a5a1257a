"""plan, sync: from upstream into the mirror."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from mirror.cli.app import Command, Session, common_options, json_option, pass_session
from mirror.cli.output import (
    Cell,
    Column,
    count_cell,
    emit,
    emit_json,
    emit_pairs,
    emit_table,
    human_duration,
    human_size,
    number_of,
    one_line,
    size_cell,
    talk,
)
from mirror.cli.span import wait_option

if TYPE_CHECKING:
    from mirror.sync.model import Amount, Problem, RepoPlan, RunReport, SyncPlan

_RECHECK = click.option(
    "--recheck",
    is_flag=True,
    help="Ask about every repo, whatever upstream's feed of changes says.",
)


@click.command(
    cls=Command,
    short_help="Show exactly what a sync would fetch.",
    examples=(
        "mirror plan",
        "mirror plan datasets/klue/klue --files",
        "mirror plan --json | jq .total.fetch.bytes",
    ),
)
@click.argument("repos", metavar="[REPO]...", nargs=-1)
@click.option("--files", is_flag=True, help="List every file, and why it is left out.")
@_RECHECK
@common_options
@json_option
@pass_session
def plan(session: Session, /, repos: tuple[str, ...], files: bool, recheck: bool) -> None:
    """Show exactly what `mirror sync` would do now: files, bytes, requests. Fetches nothing."""
    show_plan(session, repos, files=files, recheck=recheck)


@click.command(
    cls=Command,
    short_help="Fetch what is selected and new.",
    examples=(
        "mirror sync",
        "mirror sync datasets/klue/klue",
        'mirror sync --quiet || mail -s "mirror" me',
    ),
)
@click.argument("repos", metavar="[REPO]...", nargs=-1)
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done: mirror plan.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what failed, and the summary.")
@_RECHECK
@wait_option
@common_options
@json_option
@pass_session
def sync(
    session: Session, /, repos: tuple[str, ...], dry_run: bool, quiet: bool, recheck: bool
) -> None:
    """Bring the mirror up to date with mirror.toml, or only some REPOs of it.

    Can be stopped at any time: the next run goes on where this one was. A repo becomes
    visible when it is complete. One that fails does not stop the others.

    The last line on stdout is a summary for monitors: "ok published=3 unchanged=12 …".
    The exit code says it too: 0 all done, 4 done in part (see docs/reference/exit-codes.md).
    """
    if dry_run:
        show_plan(session, repos, files=False, recheck=recheck)
        return
    from mirror.cli.progress import watch_sync

    mirror = session.mirror(quiet=quiet)
    with watch_sync(quiet=quiet) as progress:
        report = mirror.sync(repos, recheck=recheck, progress=progress)
    if session.as_json:
        emit_json(report.as_json())
    else:
        _account(report, quiet=quiet)
        emit(report.summary)
    click.get_current_context().exit(report.exit_code)


def show_plan(session: Session, /, repos: Sequence[str], *, files: bool, recheck: bool) -> None:
    """Print the plan, and leave with the code that says whether all of it could be made."""
    from mirror.cli.progress import watch_wait

    mirror = session.mirror()
    with watch_wait("asking upstream"):
        found = mirror.plan(repos, recheck=recheck)
    if session.as_json:
        emit_json(found.as_json(files=files))
    else:
        _print_plan(found, files=files)
    if found.failed:
        done = found.repos or found.unchanged or found.refused
        click.get_current_context().exit(4 if done else found.failed[0].exit_code)


def _print_plan(found: SyncPlan, *, files: bool) -> None:
    from mirror.cli.progress import describe_problem, describe_refusal

    if found.repos:
        emit_table(_PLAN_COLUMNS, [_plan_row(repo) for repo in found.repos], report=True)
        emit()
    if files:
        for repo in found.repos:
            _print_files(repo)
    notes = [
        *found.notes,
        *(f"{repo.key}: {text}" for repo in found.repos for text in repo.warnings),
    ]
    for note in notes:
        emit(f"note: {one_line(note)}")
    for refusal in found.refused:
        emit(f"refused: {refusal.key} {refusal.revision}: {describe_refusal(refusal)}")
    for problem in found.failed:
        emit(f"failed: {describe_problem(problem)}")
    for removal in found.removals:
        emit(f"superseded: {removal.key} {removal.commit[:12]}: {removal.why}")
    if notes or found.refused or found.failed or found.removals:
        emit()
    _print_totals(found)


_PLAN_COLUMNS: Final = (
    Column("REPO", whole=True),
    Column("REVISION", whole=True),
    Column("CHANGE"),
    Column("FETCH", "right"),
    Column("SIZE", "right"),
    Column("REUSE", "right"),
    Column("SIZE", "right"),
    Column("SKIP", "right"),
    Column("SIZE", "right"),
)


def _plan_row(repo: RepoPlan) -> list[Cell | str | int]:
    from mirror.sync.model import Action

    row: list[Cell | str | int] = [str(repo.key), repo.revision, repo.change.value]
    for action in Action:
        amount = repo.amount(action)
        row += [count_cell(amount.files), size_cell(amount.bytes)]
    return row


def _print_files(repo: RepoPlan) -> None:
    emit(f"{repo.key} {repo.revision} {repo.commit}")
    columns = (Column("ACTION"), Column("SIZE", "right"), Column("FILE", whole=True), Column("WHY"))
    rows: list[list[Cell | str | int]] = [
        [file.action.value, size_cell(file.size), file.path, file.because or ""]
        for file in repo.files
    ]
    emit_table(columns, rows, report=True)
    emit()


def _print_totals(found: SyncPlan) -> None:
    from mirror.sync.model import Action

    requests = found.requests
    removable = ""
    if found.removals or found.removable_bytes:
        freed = human_size(found.removable_bytes)
        removable = (
            f"{number_of(len(found.removals), 'snapshot')}, {freed}: by mirror prune, not by a sync"
        )
    emit_pairs(
        [
            ("fetch", _amount(found.amount(Action.FETCH))),
            ("reuse", _amount(found.amount(Action.REUSE))),
            ("skip", _amount(found.amount(Action.SKIP))),
            ("unchanged", number_of(found.unchanged, "repo")),
            ("refused", number_of(len(found.refused), "repo") if found.refused else ""),
            ("failed", f"{len(found.failed)}" if found.failed else ""),
            ("removable", removable),
            ("requests", f"{requests.files_to_fetch} to come, {requests.api_spent} spent on this"),
            ("detection", requests.detection),
        ]
    )


def _amount(amount: Amount) -> str:
    return f"{number_of(amount.files, 'file')}, {human_size(amount.bytes)}"


def _account(report: RunReport, *, quiet: bool) -> None:
    """Tell a person how it went; in short, as every repo has had its line."""
    from mirror.cli.progress import describe_problem

    problems: Sequence[Problem] = report.failed
    if quiet:  # else each had its line when it happened
        for problem in problems:
            talk(f"failed: {describe_problem(problem)}")
        return
    requests: dict[str, Any] = dict(report.requests)
    talk(
        f"{_amount(report.fetched)} fetched ({human_size(report.received_bytes)} came in), "
        f"{_amount(report.reused)} reused, in {_seconds(report)}"
    )
    talk(
        f"{number_of(len(report.published), 'snapshot')} published, {report.unchanged} unchanged, "
        f"{len(report.refused)} refused, {len(problems)} failed; "
        f"{requests.get('api', 0)} API calls, {requests.get('resolve', 0)} file requests"
    )


def _seconds(report: RunReport) -> str:
    from datetime import datetime

    span = datetime.fromisoformat(report.finished) - datetime.fromisoformat(report.started)
    return human_duration(span.total_seconds())


COMMANDS: Final = {"plan": plan, "sync": sync}
