"""status, runs: how the mirror is, and how it came to be so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from mirror.cli.app import Command, Session, common_options, json_option, pass_session
from mirror.cli.output import (
    Cell,
    Column,
    ago,
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
    time_cell,
)
from mirror.cli.span import SpanType
from mirror.errors import PartialError

if TYPE_CHECKING:
    from mirror.api.status import Status

#: Kinds of runs that bring content in, and so have counts of it.
_BRINGING: Final = frozenset({"sync", "import", "pass-through"})


@click.command(
    cls=Command,
    short_help="Show size, last run, failures, what is gone upstream.",
    examples=(
        "mirror status",
        "mirror status --check --max-age 36h || page-somebody",
    ),
)
@click.option(
    "--check", is_flag=True, help="For a monitor: say nothing when all is well, else exit with 4."
)
@click.option(
    "--max-age",
    metavar="AGE",
    type=SpanType(),
    help="With --check: how old the last successful sync or import may be, such as 36h.",
)
@common_options
@json_option
@pass_session
def status(session: Session, /, check: bool, max_age: timedelta | None) -> None:
    """Show what the mirror holds, how its last sync went, and what needs a person.

    A repo that upstream no longer gives us stays in the mirror; it is listed here.
    """
    if max_age is not None and not check:
        raise click.UsageError("--max-age goes with --check")
    found = session.mirror().status()
    complaints = found.complaints(max_age)
    if session.as_json:
        emit_json(found.as_json() | {"complaints": complaints})
    elif not check:
        _print_status(found, complaints)
    if check and complaints:
        for complaint in complaints:
            talk(complaint)
        click.get_current_context().exit(PartialError.exit_code)


def _print_status(found: Status, complaints: list[str]) -> None:
    repos = ", ".join(number_of(n, kind.removesuffix("s")) for kind, n in found.repos.items())
    unfinished = f"{human_size(found.unfinished)} begun; the next run goes on with it"
    emit_pairs(
        [
            ("mirror", f"{found.root}, of {found.endpoint}"),
            ("selected", f"{number_of(found.entries, 'entry', 'entries')} in mirror.toml"),
            ("repos", f"{repos}; {number_of(found.snapshots, 'snapshot')}"),
            ("size", f"{human_size(found.size)} in {number_of(found.blobs, 'blob')}"),
            ("unfinished", unfinished if found.unfinished else ""),
            ("disk", f"{human_size(found.free)} free of {human_size(found.capacity)}"),
            (f"last {(found.last_run or {}).get('kind', 'sync')}", _run_line(found.last_run)),
            ("last success", _when(found.last_success)),
            ("well?", "yes" if not complaints else "; ".join(complaints)),
        ]
    )
    _print_failures(found.last_run)
    if found.lost:
        emit()
        emit("Upstream no longer gives us these; what is mirrored stays:")
        for repo in found.lost:
            detail = f": {one_line(repo.detail)}" if repo.detail else ""
            emit(f"  {repo.key}  {repo.state} since {repo.since[:10]}{detail}")
    if found.unsettled:
        emit()
        emit("Perhaps not up to date, the next sync looks again:")
        for name in found.unsettled:
            emit(f"  {one_line(name)}")


def _print_failures(run: Mapping[str, Any] | None) -> None:
    failed = _dicts(run or {}, "failed")
    refused = _dicts(run or {}, "refused")
    if failed:
        emit()
        emit("Failed in the last sync:")
    for problem in failed:
        hint = f"; {problem['hint']}" if problem.get("hint") else ""
        emit(one_line(f"{_name(problem)}: {problem.get('message')}{hint}").join(["  ", ""]))
    if refused:
        emit()
        emit("Refused by [policy] in the last sync:")
    for refusal in refused:
        text = f"{_name(refusal)}: {refusal.get('detail')} ({refusal.get('rule')})"
        emit(f"  {one_line(text)}")
    notes = (run or {}).get("notes")
    if isinstance(notes, list) and notes:
        emit()
        emit("Odd about the selection in the last sync:")
        for note in notes:
            emit(f"  {one_line(str(note))}")


def _name(item: Mapping[str, Any]) -> str:
    if "repo_id" not in item:
        return str(item.get("entry"))
    revision = f" {item['revision']}" if item.get("revision") else ""
    return f"{item.get('repo_type')}s/{item['repo_id']}{revision}"


def _dicts(run: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    items = run.get(key)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _run_line(run: Mapping[str, Any] | None) -> str:
    if run is None:
        return "never; mirror sync fetches what is selected"
    return one_line(f"{_when(run.get('finished'))}: {run.get('summary', run.get('outcome'))}")


def _when(iso: Any) -> str:
    if not isinstance(iso, str):
        return ""
    return f"{iso[:16].replace('T', ' ')} UTC ({ago(iso)})"


@click.command(
    cls=Command,
    short_help="List the past runs.",
    examples=(
        "mirror runs",
        "mirror runs --last | jq .failed",
    ),
)
@click.option("--limit", metavar="N", type=click.IntRange(1), default=20, help="The newest N (20).")
@click.option("--last", is_flag=True, help="The whole report of the newest run, as JSON.")
@common_options
@json_option
@pass_session
def runs(session: Session, /, limit: int, last: bool) -> None:
    """List the past syncs, adoptions, imports, verifies and prunes, newest first."""
    reports = list(session.mirror().runs(1 if last else limit))
    if last:
        emit_json(reports[0] if reports else None)
    elif session.as_json:
        emit_json(reports)
    else:
        emit_table(_RUN_COLUMNS, [_run_row(report) for report in reports])


_RUN_COLUMNS: Final = (
    Column("STARTED"),
    Column("KIND"),
    Column("OUTCOME"),
    Column("TOOK", "right"),
    Column("PUBLISHED", "right"),
    Column("FAILED", "right"),
    Column("REFUSED", "right"),
    Column("FETCHED", "right"),
    Column("FROM"),
)


def _run_row(report: Mapping[str, Any]) -> list[Cell | str | int]:
    if "damaged" in report:
        return [str(report["damaged"]), "", "damaged", "", "", "", "", "", ""]
    fetched = report.get("fetched") or {}
    size = fetched.get("bytes") if isinstance(fetched, dict) else None
    brings = report.get("kind") in _BRINGING
    counts = [
        count_cell(len(_dicts(report, key)) if brings else None)
        for key in ("published", "failed", "refused")
    ]
    return [
        time_cell(report.get("started")),
        str(report.get("kind", "")),
        str(report.get("outcome", "")),
        _took(report),
        *counts,
        size_cell(size) if isinstance(size, int) else "",
        _source(report),
    ]


def _source(report: Mapping[str, Any]) -> str:
    """Say where content came from: which bundle of whom, signed by whom; or which upstream."""
    if report.get("kind") != "import":
        return one_line(str(report.get("endpoint") or ""))
    signer = report.get("signer") or report.get("key")
    text = f"{report.get('sender')}, bundle {str(report.get('bundle'))[:12]}"
    return one_line(f"{text}, signed by {signer}" if signer else f"{text}, not signed")


def _took(report: Mapping[str, Any]) -> Cell:
    try:
        started, finished = (datetime.fromisoformat(report[k]) for k in ("started", "finished"))
        seconds = (finished.astimezone(UTC) - started.astimezone(UTC)).total_seconds()
    except (KeyError, TypeError, ValueError):
        return Cell("", "")
    return Cell(human_duration(seconds), f"{seconds:.0f}")


COMMANDS: Final = {"status": status, "runs": runs}
