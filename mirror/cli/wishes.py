"""request, requests, approve, decline: what a lab wishes for, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mirror.cli.app import Command, Session, common_options, json_option, pass_session
from mirror.cli.output import (
    Cell,
    Column,
    count_cell,
    emit,
    emit_json,
    emit_table,
    number_of,
    one_line,
    size_cell,
    talk,
    time_cell,
    words_cell,
)
from mirror.errors import UsageError
from mirror.names import RepoType

if TYPE_CHECKING:
    from mirror.api.wish_model import Ask, Decision, Taken, WantedRepo
    from mirror.api.wishes import Wishes
    from mirror.bundle.wishes.book import Standing

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_TYPES: Final = click.Choice([kind.value for kind in RepoType])
#: What a wish is called here once it is mirrored, whatever the last answer was.
_HERE: Final = "here"
#: Of an error of upstream, in characters; --json has all of it.
_SHOWN: Final = 70


@click.command(
    cls=Command,
    short_help="Ask the other side for repos.",
    examples=(
        "mirror request models/google-bert/bert-base-uncased --note 'for class 2, from May'",
        "mirror request datasets/klue/klue --revision v1.0",
        "mirror request --withdraw 3f9a",
    ),
)
@click.argument("repos", metavar="REPO...", nargs=-1, required=True)
@click.option("--type", "repo_type", type=_TYPES, help="Type of bare ids.")
@click.option("--revision", metavar="R", help="Branch, tag or commit (main).")
@click.option("--note", metavar="TEXT", help="Why, for whoever decides.")
@click.option("--withdraw", is_flag=True, help="Take requests back: by id or by repo.")
@common_options
@json_option
@pass_session
def request(
    session: Session,
    /,
    repos: tuple[str, ...],
    repo_type: str | None,
    revision: str | None,
    note: str | None,
    withdraw: bool,
) -> None:
    """Wish for REPOs that this mirror does not have; the next receipt takes that along.

    The connected side decides (mirror requests, mirror approve), and its answer comes with
    the next bundle. Your user name on this machine and the note go along.
    """
    wishes = session.mirror().wishes
    if withdraw:
        if revision or note or repo_type:
            raise UsageError("--withdraw goes with ids and repos alone")
        _show_withdrawn(session, wishes.withdraw(repos))
        return
    kind = RepoType.parse(repo_type) if repo_type else None
    asks = wishes.ask(repos, kind, revision=revision, note=note or "")
    if session.as_json:
        emit_json([ask.as_json() for ask in asks])
        return
    for ask in asks:
        _say_asked(ask)
    if any(ask.outcome == "asked" for ask in asks):
        talk("mirror receipt FILE takes it to the other side; mirror requests says how it stands.")


def _say_asked(ask: Ask) -> None:
    if ask.standing is None:
        talk(f"{ask.repo} is here already: mirror show {ask.repo}")
        return
    wish = ask.standing.wish
    if ask.outcome == "asked":
        emit(f"{wish.id}  {wish.name}")
    else:
        talk(one_line(f"{wish.name} was asked for by {wish.by} ({wish.id}): {ask.standing.state}"))


def _show_withdrawn(session: Session, gone: Sequence[Standing]) -> None:
    if session.as_json:
        emit_json([one.as_json() for one in gone])
        return
    for one in gone:
        talk(f"not asked for any more: {one.wish.name}")
    if any(one.receipt for one in gone):
        talk("The other side learns that from the next receipt.")


@click.command(
    cls=Command,
    short_help="List what is asked for, here and by labs.",
    examples=(
        "mirror requests                          # in the lab: how do our requests stand?",
        "mirror requests lab-receipt.json         # on the connected side: what do they want?",
        "mirror requests --offline --json",
    ),
)
@click.argument("receipts", metavar="[RECEIPT]...", nargs=-1, type=_FILE)
@click.option(
    "--allowed-signers", metavar="FILE", type=_FILE, help="Who may have signed the receipts."
)
@click.option("--all", "everything", is_flag=True, help="Also what is settled.")
@click.option("--offline", is_flag=True, help="Do not ask upstream about what labs want.")
@common_options
@json_option
@pass_session
def requests(
    session: Session,
    /,
    receipts: tuple[Path, ...],
    allowed_signers: Path | None,
    everything: bool,
    offline: bool,
) -> None:
    """List requests: those of this mirror, and those of labs that wait for a decision.

    With RECEIPTs what they ask for is taken in first; one that comes twice changes nothing,
    and nothing is fetched. Of what labs want upstream is asked for size, licence and terms;
    what [policy] would refuse says by which key. What clients of a lab asked its server for
    in vain is listed as well. Then: mirror approve, mirror decline.
    """
    wishes = session.mirror().wishes
    taken = [wishes.take(path, allowed_signers=allowed_signers) for path in receipts]
    ours = _ours(wishes, everything=everything)
    wanted = wishes.wanted(everything=everything)
    if wanted and not offline:
        from mirror.cli.progress import watch_wait

        with watch_wait("asking upstream"):
            wanted = wishes.look(wanted)
    if session.as_json:
        emit_json(
            {
                "taken": [one.as_json() for one in taken],
                "ours": [one.as_json() | {"state": state} for one, state in ours],
                "wanted": [one.as_json() for one in wanted],
            }
        )
        return
    for one in taken:
        _say_taken(one)
    _print(ours, wanted)


def _ours(wishes: Wishes, *, everything: bool) -> list[tuple[Standing, str]]:
    """Give the wishes of this mirror with their state; what is here now is here."""
    found = [
        (one, _HERE if wishes.has(one.wish) and one.state != "withdrawn" else one.state)
        for one in wishes.book.ours.values()
    ]
    return [(one, state) for one, state in found if everything or state != "withdrawn"]


def _say_taken(taken: Taken) -> None:
    name = one_line(taken.lab)
    if taken.again:
        talk(f"receipt {taken.receipt[:12]} of {name} was taken in before: nothing has changed")
    else:
        talk(f"receipt {taken.receipt[:12]} of {name}: {number_of(taken.new, 'new request')}")
    if taken.unreadable:
        talk(
            f"note: {number_of(taken.unreadable, 'request')} in it cannot be read, or are too many"
        )
    if not taken.signer.key:
        talk("note: the receipt is not signed: nobody says that it is of that lab")
    elif not taken.signer.name:
        talk(f"note: signed with the key {taken.signer.key}; nobody here says whose that is")


_OUR_COLUMNS: Final = (
    Column("ID", whole=True),
    Column("REPO", whole=True),
    Column("STATE"),
    Column("ASKED"),
    Column("BY"),
    Column("ANSWER", whole=True),
    Column("NOTE"),
)
_WISH_COLUMNS: Final = (
    Column("ID", whole=True),
    Column("REPO", whole=True),
    Column("SIZE", "right"),
    Column("LICENCE"),
    Column("DOWNLOADS", "right"),
    Column("TO DECIDE", whole=True),
    Column("NOTE"),
    Column("FROM"),
)
_MISS_COLUMNS: Final = (
    Column("IN VAIN", "right"),
    Column("REPO", whole=True),
    Column("SIZE", "right"),
    Column("LICENCE"),
    Column("DOWNLOADS", "right"),
    Column("TO DECIDE", whole=True),
    Column("LAB"),
    Column("LAST"),
    Column("LACKS"),
)


def _print(ours: Sequence[tuple[Standing, str]], wanted: Sequence[WantedRepo]) -> None:
    parts: list[tuple[Sequence[Column], list[list[Cell | str | int]]]] = [
        (_OUR_COLUMNS, [_our_row(one, state) for one, state in ours]),
        (_WISH_COLUMNS, [_wish_row(one) for one in wanted if one.standing]),
        (_MISS_COLUMNS, [_miss_row(one) for one in wanted if one.missed]),
    ]
    filled = [(columns, rows) for columns, rows in parts if rows]
    for number, (columns, rows) in enumerate(filled):
        if number:
            emit()
        emit_table(columns, rows, report=True)
    if not filled:
        talk("No request waits: mirror request makes one, mirror requests RECEIPT takes some in.")
    elif any(one.standing and one.standing.state == "pending" for one in wanted):
        talk("mirror approve ID|REPO adds it to mirror.toml; mirror decline ID|REPO --note WHY")


def _our_row(one: Standing, state: str) -> list[Cell | str | int]:
    wish = one.wish
    return [wish.id, wish.name, state, time_cell(wish.time), wish.by, one.note, wish.note]


def _wish_row(one: WantedRepo) -> list[Cell | str | int]:
    assert one.standing is not None  # noqa: S101 - of a wish
    wish = one.standing.wish
    whom = f"{wish.by} of {one.lab}"
    return [wish.id, wish.name, *_upstream_cells(one), wish.note, whom]


def _miss_row(one: WantedRepo) -> list[Cell | str | int]:
    assert one.missed is not None  # noqa: S101 - of a miss
    lacks = "all of it" if one.missed.whole else [*one.missed.revisions, *one.missed.files]
    return [
        count_cell(one.missed.count),
        str(one.repo),
        *_upstream_cells(one),
        one.lab,
        time_cell(one.missed.last),
        lacks if isinstance(lacks, str) else words_cell(lacks),
    ]


def _upstream_cells(one: WantedRepo) -> list[Cell | str | int]:
    found = one.prospect
    if found is None:
        return ["", "", "", _decide(one)]
    return [
        size_cell(found.size) if found.size is not None else "?",
        words_cell(found.licenses),
        count_cell(found.downloads),
        _decide(one),
    ]


def _decide(one: WantedRepo) -> str:
    """Say what whoever decides should know, the weightiest first."""
    words = []
    if one.standing is not None and one.standing.state != "pending":
        words.append(f"{one.standing.state} by {one.standing.by}")
    found = one.prospect
    if found is not None:
        words += [_cut(found.error)] if found.error else []
        words += [f"refused by {found.refused_by}"] if found.refused_by else []
        words += ["gated"] if found.gated else []
        words += ["no licence"] if found.commit and not found.licenses else []
        words += ["mirrored already"] if found.mirrored else []
        if found.now not in (None, found.repo):
            words.append(f"is {found.now} now")
    if one.selected and not (found and found.mirrored):
        words.append("selected already")
    return "; ".join(words)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


@click.command(
    cls=Command,
    short_help="Add what a lab asks for to mirror.toml.",
    examples=(
        "mirror approve 3f9a c01d --note 'with the next bundle'",
        "mirror approve models/google-bert/bert-base-uncased --exclude '*.h5'",
        "mirror approve --all",
    ),
)
@click.argument("names", metavar="[ID|REPO]...", nargs=-1)
@click.option("--all", "all_pending", is_flag=True, help="Every request that waits.")
@click.option("--revision", metavar="R", help="Branch, tag or commit, in place of theirs.")
@click.option("--include", metavar="P", multiple=True, help="Only files like P, such as '*.json'.")
@click.option("--exclude", metavar="P", multiple=True, help="No files like P.")
@click.option("--max-size", metavar="S", help="No files larger than S, such as '5 GB'.")
@click.option("--note", metavar="TEXT", default="", help="For the lab.")
@common_options
@json_option
@pass_session
def approve(
    session: Session, /, names: tuple[str, ...], all_pending: bool, note: str, **entry: Any
) -> None:
    """Turn requests of labs into entries of mirror.toml, all of them or none; comments stay.

    An ID may be cut to its first four digits. A REPO stands for every request for it that
    waits, or for what clients of a lab asked for in vain. The lab is answered by the next
    bundle for it: approved, or sent once the repo is here.
    """
    if bool(names) == all_pending:
        raise UsageError(
            "approve what? an ID or a REPO, or --all", hint="mirror requests lists them"
        )
    given = {key: value for key, value in entry.items() if value not in (None, ())}
    decision = session.mirror().wishes.approve(names, all_pending=all_pending, note=note, **given)
    if session.as_json:
        emit_json(decision.as_json())
        return
    _say_approved(decision)


def _say_approved(decision: Decision) -> None:
    if decision.added:
        talk("added to mirror.toml:\n")
        for lines in decision.added:
            talk(lines)
    for key in decision.selected:
        talk(f"{key} was selected already: its entry in mirror.toml is as it was")
    _say_whom(decision)
    if decision.added:
        talk("mirror plan shows what that would fetch; mirror sync fetches it.")


def _say_whom(decision: Decision) -> None:
    for one in decision.wishes:
        talk(one_line(f"{decision.state}: {one.wish.name} for {one.wish.by} of {one.lab}"))
    for repo in decision.misses:
        talk(f"{decision.state}: {repo}, which clients asked for")


@click.command(
    cls=Command,
    short_help="Say no to what a lab asks for.",
    examples=("mirror decline 3f9a --note 'its licence forbids that'",),
)
@click.argument("names", metavar="ID|REPO...", nargs=-1, required=True)
@click.option("--note", metavar="WHY", required=True, help="Why: the lab reads it.")
@common_options
@json_option
@pass_session
def decline(session: Session, /, names: tuple[str, ...], note: str) -> None:
    """Decline requests; the lab learns that, and why, from the next bundle for it.

    It does not touch mirror.toml. Approving a declined request by its ID changes the mind.
    """
    decision = session.mirror().wishes.decline(names, note=note)
    if session.as_json:
        emit_json(decision.as_json())
        return
    _say_whom(decision)


COMMANDS: Final = {
    "request": request,
    "requests": requests,
    "approve": approve,
    "decline": decline,
}
