"""export, import, receipt: carrying a mirror across an air gap, and word back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
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
    emit_pairs,
    emit_table,
    human_size,
    number_of,
    one_line,
    size_cell,
    talk,
    words_cell,
)
from mirror.cli.span import wait_option

if TYPE_CHECKING:
    from mirror.bundle.head import Answer, SnapshotEntry
    from mirror.bundle.take.importing import Arrival, ImportReport
    from mirror.bundle.write.export import Exported
    from mirror.bundle.write.plan import ExportPlan

_DAYS: Final = re.compile(r"(\d{1,4})\s*([dw])")
_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_SHOWN_ANSWERS: Final = 10


class SizeType(click.ParamType[int]):
    """A number of bytes such as ``3900M``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read ``3900M``, ``25 GB`` or ``4GiB``."""
        from mirror.settings import parse_size

        try:
            return parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class ExpiryType(click.ParamType[str]):
    """A last day: a date, or some days from now. Gives ISO 8601 UTC, the end of that day."""

    name = "expiry"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read ``30d``, ``8w`` or ``2027-01-31``."""
        text = str(value).strip()
        if match := _DAYS.fullmatch(text):
            days = int(match[1]) * (7 if match[2] == "w" else 1)
            day = datetime.now(UTC).date() + timedelta(days=days)
        else:
            try:
                day = datetime.fromisoformat(text).date()
            except ValueError:
                self.fail("expected 30d, 8w or a date such as 2027-01-31", param, ctx)
        return f"{day.isoformat()}T23:59:59+00:00"


@click.command(
    cls=Command,
    short_help="Write a bundle for the other side of the gap.",
    examples=(
        "mirror export /media/stick/bundle --sign ~/.ssh/id_ed25519",
        "mirror export out --for lab-receipt.json --volume-size 3900M",
        "mirror export out --since /archive/bundle-7 --expires 30d",
        "mirror export out datasets/klue/klue --dry-run",
    ),
)
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path, file_okay=False))
@click.argument("repos", metavar="[REPO]...", nargs=-1)
@click.option("--for", "receipt", metavar="RECEIPT", type=_FILE, help="Only what this lab lacks.")
@click.option(
    "--since",
    metavar="BUNDLE",
    type=click.Path(path_type=Path),
    help="Only what is newer than this bundle, which is taken to be delivered.",
)
@click.option("--full", is_flag=True, help="Everything, also with --for: the lab has lost it.")
@click.option(
    "--volume-size", metavar="SIZE", type=SizeType(), help="Cut into volumes: 3900M for FAT32."
)
@click.option("--sign", "key", metavar="KEY", type=_FILE, help="Sign with this OpenSSH key.")
@click.option(
    "--expires",
    metavar="WHEN",
    type=ExpiryType(),
    help="Not to be taken in after: 30d, 2027-01-31.",
)
@click.option(
    "--allowed-signers", metavar="FILE", type=_FILE, help="Who may have signed the receipt."
)
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be in it.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@common_options
@json_option
@pass_session
def export(
    session: Session,
    /,
    out: Path,
    repos: tuple[str, ...],
    receipt: Path | None,
    since: Path | None,
    full: bool,
    volume_size: int | None,
    key: Path | None,
    expires: str | None,
    allowed_signers: Path | None,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Write what is mirrored, or some REPOs, into the new folder OUT, to be carried across.

    With --for exactly what the lab lacks is in it, with --since what is newer than another
    bundle; otherwise everything. BUNDLE.md in it is for whoever must approve it. The same
    state of the mirror gives the same bytes. A killed export goes on where it was.

    On the other side: mirror import. To check it there with nothing of ours:
    sha256sum -c manifest-sha256.txt, and ssh-keygen -Y verify (docs/how-to/air-gap.md).
    """
    from mirror.cli.progress import watch_bytes, watch_wait

    exchange = session.mirror().exchange
    with watch_wait("comparing"):
        plan = exchange.plan_export(
            repos, receipt=receipt, since=since, full=full, allowed_signers=allowed_signers
        )
    if plan.addressee.unseen:
        count = number_of(plan.addressee.unseen, "repo")
        talk(f"{receipt} asks for {count}: mirror requests {receipt} lists what, and takes it in")
    if dry_run or plan.is_empty:
        _show_export(session, plan)
        return
    _warn(plan, full=full)
    with watch_bytes("export", quiet=quiet) as progress:
        done = exchange.export(
            plan, out, volume_size=volume_size, key=key, expires=expires, progress=progress
        )
    if session.as_json:
        emit_json(done.as_json())
    else:
        _print_exported(done, plan)


def _show_export(session: Session, plan: ExportPlan) -> None:
    if session.as_json:
        emit_json(plan.as_json())
    elif plan.is_empty:
        talk("The other side has everything: no bundle is needed, and none was written.")
    else:
        _print_contents(plan.snapshots)
        for removal in plan.removals:
            emit(f"proposed removal: {removal.repo} {removal.ref}: {one_line(removal.why)}")
        emit_pairs(
            [
                ("for", plan.addressee.name),
                ("snapshots", f"{len(plan.snapshots):,}"),
                ("contents", f"{len(plan.blobs):,}, {human_size(plan.size)}"),
                ("removals", f"{len(plan.removals):,} proposed" if plan.removals else ""),
                ("answers", _answers_text(plan.addressee.answers)),
                ("numbers", f"of {number_of(plan.observed, 'more repo')}" if plan.observed else ""),
            ]
        )


def _answers_text(answers: Sequence[Answer]) -> str:
    """Say what the lab is told of its requests, one a line."""
    shown = [one_line(f"{one.repo}: {one.state}") for one in answers[:_SHOWN_ANSWERS]]
    more = len(answers) - len(shown)
    return "\n".join([*shown, *([f"and {more:,} more"] if more else [])])


_CONTENT_COLUMNS: Final = (
    Column("REPO", whole=True),
    Column("REFS"),
    Column("COMMIT"),
    Column("CHANGE"),
    Column("NEW", "right"),
    Column("SIZE", "right"),
    Column("LICENCE"),
    Column("TO DECIDE"),
)


def _print_contents(entries: Sequence[SnapshotEntry]) -> None:
    if not entries:
        return
    # What needs a decision stands first: no licence, gated, code.
    order = sorted(entries, key=lambda one: (bool(one.licenses), not one.gated, one.repo))
    emit_table(_CONTENT_COLUMNS, [_content_row(entry) for entry in order], report=True)
    emit()


def _content_row(entry: SnapshotEntry) -> list[Cell | str | int]:
    decide = [] if entry.licenses else ["no licence"]
    decide += ["gated"] if entry.gated else []
    if entry.executable_count:
        decide.append(number_of(entry.executable_count, "file that can run code",
                                "files that can run code"))  # fmt: skip
    return [
        entry.repo,
        words_cell(entry.refs),
        commit_cell(entry.commit),
        entry.change,
        count_cell(entry.new_files),
        size_cell(entry.new_size),
        words_cell(entry.licenses),
        ", ".join(decide),
    ]


def _warn(plan: ExportPlan, *, full: bool) -> None:
    if plan.addressee.assumed:
        parent = plan.addressee.parent
        assert parent is not None  # noqa: S101 - there is one where it is assumed
        talk(
            f"Bundle {parent.sequence} ({parent.id[:12]}) is taken to be delivered. If it was "
            "lost, this one is refused over there; a receipt then says what is missing."
        )
    elif plan.addressee.parent is None and not full:
        talk("Nothing is known of the other side, so everything goes in (--for RECEIPT).")


def _print_exported(done: Exported, plan: ExportPlan) -> None:
    folders = [str(folder) for folder in done.folders]
    emit_pairs(
        [
            ("bundle", f"{done.head.id[:12]}, number {done.head.sequence} of {done.head.sender}"),
            ("for", done.head.recipient),
            ("snapshots", f"{len(done.head.snapshots):,}"),
            ("removals", f"{len(plan.removals):,} proposed" if plan.removals else ""),
            ("answers", _answers_text(plan.addressee.answers)),
            ("size", f"{human_size(done.head.size)} in {number_of(len(done.head.files), 'file')}"),
            ("signed", "yes" if done.signed else "no: --sign KEY"),
            ("volumes" if len(folders) > 1 else "folder", "\n".join(folders)),
        ]
    )
    talk(f"For whoever approves it: {done.folders[0] / 'BUNDLE.md'}")


@click.command(
    cls=Command,
    name="import",
    short_help="Take in a bundle from the other side.",
    examples=(
        "mirror import /media/stick/bundle --dry-run",
        "mirror import /media/stick/bundle --allowed-signers /etc/mirror/allowed_signers",
        "mirror import /media/a/volume-001 /media/b/volume-002",
    ),
)
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--allowed-signers",
    metavar="FILE",
    type=_FILE,
    help="Who may sign, as ssh-keygen lists them: a signature is then required.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would come in.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@wait_option
@common_options
@json_option
@pass_session
def import_(
    session: Session,
    /,
    paths: tuple[Path, ...],
    allowed_signers: Path | None,
    dry_run: bool,
    quiet: bool,
) -> None:
    """Take in bundles: folders that mirror export made, or single volumes, in any order.

    Every byte is checked before anything can be seen. Volumes may come one after the other:
    what has come is kept, and the command says which are missing. A bundle that is refused
    changes nothing (exit code 11). Nothing is ever removed by an import.

    Where mirror.toml names allowed_signers, or the option does, only bundles that one of
    them has signed are taken in.
    """
    from mirror.cli.progress import watch_bytes, watch_wait

    exchange = session.mirror().exchange
    with watch_wait("looking"):
        arrivals = exchange.inspect(paths, allowed_signers=allowed_signers)
    for arrival in arrivals:
        _say_what_came(arrival)
    if dry_run:
        exchange.admit(*arrivals)
        _show_arrivals(session, arrivals)
        return
    reports = []
    for arrival in arrivals:
        with watch_bytes(f"bundle {arrival.head.sequence}", quiet=quiet) as progress:
            report = exchange.take_in(arrival, allowed_signers=allowed_signers, progress=progress)
        reports.append(report)
        if not session.as_json:
            _print_imported(report)
    if session.as_json:
        emit_json([report.as_json() for report in reports])
    click.get_current_context().exit(max(report.exit_code for report in reports))


def _say_what_came(arrival: Arrival) -> None:
    for name in arrival.ignored:
        talk(one_line(f"note: {name} is of an operating system, and was not looked at"))
    if not arrival.signer.key:
        talk("note: this bundle is not signed: nobody says that it is what was sent")
    elif not arrival.signer.name:
        talk(
            f"note: signed with the key {arrival.signer.key}; nobody here says whose that is "
            "(--allowed-signers FILE)"
        )


def _show_arrivals(session: Session, arrivals: Sequence[Arrival]) -> None:
    if session.as_json:
        emit_json([arrival.as_json() for arrival in arrivals])
        return
    for arrival in arrivals:
        head = arrival.head
        _print_contents(head.snapshots)
        for removal in head.removals:
            emit(f"proposed removal: {removal.repo} {removal.ref}: {one_line(removal.why)}")
        emit_pairs(
            [
                ("bundle", f"{head.id[:12]}, number {head.sequence} of {one_line(head.sender)}"),
                ("signed by", _signer_of(arrival.signer.name, arrival.signer.key)),
                ("state of", head.created),
                ("snapshots", f"{len(head.snapshots):,}"),
                ("removals", f"{len(head.removals):,} proposed" if head.removals else ""),
                ("size", human_size(head.size)),
                ("missing", _volume_words(arrival.missing)),
            ]
        )


def _print_imported(report: ImportReport) -> None:
    head = report.head
    if report.record is None:
        emit(report.summary)
        talk(
            f"{_volume_words(report.missing)} of {len(head.volumes)} missing: bring them in any "
            "order, with the same command. What has come is kept, verified; nothing can be "
            "seen yet."
        )
        return
    for entry in head.snapshots:
        emit(f"{entry.change:<6}  {entry.repo}  {', '.join(entry.refs)}  {entry.commit}")
    for answer in head.answers:
        note = f": {answer.note}" if answer.note else ""
        talk(one_line(f"your request for {answer.repo}: {answer.state}{note}"))
    if head.removals:
        talk(
            f"{number_of(len(head.removals), 'removal is', 'removals are')} proposed: "
            "mirror prune --proposed --dry-run shows what that means"
        )
    emit(report.summary)


def _signer_of(name: str, key: str) -> str:
    if not key:
        return "nobody"
    return f"{name} ({key})" if name else f"the key {key}"


def _volume_words(numbers: Sequence[int]) -> str:
    if not numbers:
        return ""
    word = "volume" if len(numbers) == 1 else "volumes"
    shown = ", ".join(map(str, numbers[:20])) + (" …" if len(numbers) > 20 else "")
    return f"{word} {shown}"


@click.command(
    cls=Command,
    short_help="Write down what is here, for the other side.",
    examples=(
        "mirror receipt /media/stick/lab-receipt.json --sign ~/.ssh/id_ed25519",
        "mirror receipt receipt.json",
    ),
)
@click.argument("path", metavar="FILE", type=_FILE)
@click.option("--sign", "key", metavar="KEY", type=_FILE, help="Sign with this OpenSSH key.")
@wait_option
@common_options
@json_option
@pass_session
def receipt(session: Session, /, path: Path, key: Path | None) -> None:
    """Write a receipt into FILE: which snapshots and contents this mirror has.

    It takes along what was asked for with mirror request, and what clients asked mirror serve
    for and did not get: mirror requests FILE lists that on the connected side.

    There, mirror export --for FILE sends exactly the difference. A bundle that was lost on
    its way costs one more receipt, and nothing else.
    """
    written = session.mirror().exchange.receipt(path, key=key)
    if session.as_json:
        emit_json(written.as_json())
        return
    emit_pairs(
        [
            ("receipt", f"{written.receipt.id[:12]} of {written.receipt.name}"),
            ("repos", f"{len(written.receipt.inventory.repos):,}"),
            ("requests", f"{len(written.receipt.requests):,}" if written.receipt.requests else ""),
            ("misses", _misses_text(len(written.receipt.misses))),
            ("signed", "yes" if written.signed else "no: --sign KEY"),
            ("file", str(written.path)),
        ]
    )
    talk(f"On the other side: mirror export OUT --for {written.path.name}")


def _misses_text(count: int) -> str:
    return f"{number_of(count, 'repo')} that clients asked for in vain" if count else ""


COMMANDS: Final = {"export": export, "import": import_, "receipt": receipt}
