"""serve, run, token: the mirror as a Hub, for a network or for one command."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mirror.cli.app import Command, Session, common_options, json_option, pass_session
from mirror.cli.output import Column, emit_json, emit_table, talk, time_cell, words_cell
from mirror.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from mirror.serve.access import Token
    from mirror.serve.errors import Miss
    from mirror.serve.shelf import Shelf


@click.command(
    cls=Command,
    short_help="Serve the mirror as a Hub, for a lab's network.",
    examples=(
        "mirror serve                                # for this machine: http://127.0.0.1:8000",
        "mirror serve --host 0.0.0.0 --token-required",
        "mirror serve --host 0.0.0.0 --upstream      # connected: fetch and keep what is missing",
        "mirror serve --host :: --port 443 --certfile hub.lab.pem --keyfile hub.lab.key",
    ),
)
@click.option("--host", metavar="H", default="127.0.0.1", help="Address to listen on (127.0.0.1).")
@click.option("--port", metavar="N", type=click.IntRange(0, 65535), default=8000, help="(8000)")
@click.option("--token-required", is_flag=True, help="Answer nobody without a `mirror token`.")
@click.option("--certfile", metavar="F", type=click.Path(path_type=Path), help="TLS: PEM file.")
@click.option("--keyfile", metavar="F", type=click.Path(path_type=Path), help="TLS: its key.")
@click.option("--public-url", metavar="URL", help="What clients call it, behind a proxy.")
@click.option("--accel", metavar="PATH", help="nginx sends the files: its location for blobs/.")
@click.option("--upstream", is_flag=True, help="Fetch what is not mirrored when it is asked for.")
@click.option("--log", metavar="F", help="Access log, a JSON object a line (stderr).")
@click.option("--no-log", is_flag=True, help="No access log.")
@click.option("--no-misses", is_flag=True, help="Do not count what is asked for in vain.")
@common_options
@json_option
@pass_session
def serve(
    session: Session,
    /,
    host: str,
    port: int,
    token_required: bool,
    certfile: Path | None,
    keyfile: Path | None,
    public_url: str | None,
    accel: str | None,
    upstream: bool,
    log: str | None,
    no_log: bool,
    no_misses: bool,
) -> None:
    """Answer every client of the Hub from the mirror: HF_ENDPOINT=http://HOST:PORT.

    A sync or an import is seen without a restart. Who can connect from this machine may read
    everything; from a network, gated repos need a token that is for them.

    It only reads. What was asked for and is not here it counts in exchange/serve/misses.json,
    where it may write there, for the next receipt; nothing of who asked.

    With --upstream what is not here is fetched from the Hub of mirror.toml when somebody asks
    for it, verified, and kept as a snapshot, if [policy] lets it in. That needs a folder that
    can be written to. What is mirrored already is answered from the mirror.
    """
    from mirror.api.loading import endpoint_variables
    from mirror.serve.access import gate_for
    from mirror.serve.connection import Limits
    from mirror.serve.front import make_front
    from mirror.serve.log import open_log, server_messages
    from mirror.serve.options import ServeOptions
    from mirror.serve.runner import Tls, make_server
    from mirror.serve.sockets import endpoint_of, is_local, listen, name_for_others

    root = session.mirror().root
    if keyfile and not certfile:
        raise UsageError("--keyfile alone is no certificate", hint="--certfile names that")
    tls = Tls(certfile, keyfile) if certfile else None
    # The same check, and no slash at its end, as for the lab's variable.
    public = endpoint_variables(public_url)[0].value if public_url else None
    options = ServeOptions(public_url=public, accel=_location(accel))
    gate = gate_for(root, local=is_local(host), required=token_required)
    logger = None if no_log else open_log(_log_stream(log))
    front = make_front(root, options, gate, logger)
    server = make_server(front.app, Limits(), tls)
    with (
        _way_upstream(front.shelf) if upstream else contextlib.nullcontext(),
        contextlib.closing(listen(host, port)) as listener,
    ):
        endpoint = endpoint_of(listener, tls=tls is not None)
        if session.as_json:
            emit_json({"endpoint": public or endpoint, "mirror": str(root)})
        talk(f"serving {root} at {endpoint}")
        if token_required and not gate.tokens.all():
            talk("There is no token yet, so nobody is answered: mirror token create NAME")
        talk(f"for its clients: mirror env --endpoint {public or name_for_others(endpoint)}")
        with (
            server_messages(logger) if logger else contextlib.nullcontext(),
            contextlib.nullcontext() if no_misses else _counting_misses(front.shelf),
        ):
            server.run([listener])


def _location(path: str | None) -> str | None:
    """Give the path of nginx's location without a slash at its end."""
    if path is not None and not re.fullmatch(r"(/[\w.-]+)+/?", path, re.ASCII):
        raise UsageError(f"{path!r} is no location for --accel", hint="--accel /.blobs")
    return path.rstrip("/") if path else None


def _way_upstream(shelf: Shelf) -> AbstractContextManager[None]:
    from mirror.serve.through import passing_through  # all of the sync: only where it is used

    return passing_through(shelf)


def _counting_misses(shelf: Shelf) -> AbstractContextManager[None]:
    """Count what is asked for in vain while the server runs, where that can be written."""
    from mirror.bundle.wishes.log import served_folder
    from mirror.serve.misses import MissLog, can_record

    folder = served_folder(shelf.store)
    if not can_record(folder):
        talk(f"note: {folder} cannot be written, so what is asked for in vain is not counted")
        return contextlib.nullcontext()
    log = MissLog(folder)
    shelf.on_miss = log.note
    return log.recording()


def _log_stream(path: str | None) -> Any:
    if path is None or path == "-":
        return sys.stderr
    try:
        return Path(path).open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        raise UsageError(f"cannot write the log {path}: {error.strerror}") from error


@click.command(
    cls=Command,
    short_help="Run a command whose Hub is the mirror.",
    context_settings={"allow_interspersed_args": False},
    examples=(
        "mirror run -- python train.py",
        "mirror run --strict -- pytest tests     # is everything there that it needs?",
        "mirror run --cache ~/lab-cache -- bash",
    ),
)
@click.option("--strict", is_flag=True, help="List what was asked for and is not mirrored; fail.")
@click.option("--upstream", is_flag=True, help="Fetch what is not mirrored, and keep it.")
@click.option("--endpoint-only", is_flag=True, help="Set HF_ENDPOINT and nothing else.")
@click.option(
    "--cache",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the client's caches here; otherwise they are new and removed afterwards.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@common_options
@pass_session
def run(
    session: Session,
    /,
    strict: bool,
    upstream: bool,
    endpoint_only: bool,
    cache: Path | None,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND with a private endpoint on loopback, for as long as it lasts.

    Programs that speak to the Hub need no change: load_dataset by name, list_models,
    hf:// paths. Signals, stdin, stdout and the exit code are the command's own.

    With --upstream what it asks for and is not mirrored is fetched, and kept; with --strict as
    well, what upstream did not give is listed.
    """
    from mirror.serve.child import NOT_EXECUTABLE, NOT_FOUND
    from mirror.serve.run import run_with_mirror

    root = session.mirror().root
    context = click.get_current_context()
    try:
        ran = run_with_mirror(
            root,
            command,
            os.environ,
            strict=strict,
            upstream=upstream,
            endpoint_only=endpoint_only,
            cache=cache,
        )
    except OSError as error:
        talk(f"error: cannot run {command[0]}: {error.strerror}")
        context.exit(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE)
    if ran.left:
        talk(f"could not remove {ran.left}")
    if ran.misses:
        _tell(ran.misses)
    context.exit(ran.code or (NotFoundError.exit_code if ran.misses else 0))


def _tell(misses: tuple[Miss, ...]) -> None:
    from mirror.serve.run import add_lines

    talk("")
    talk("Asked for, and not in the mirror. To have it, on the connected machine:")
    for line in (*add_lines(misses), "mirror sync"):
        talk(f"  {line}")


@click.command(
    cls=Command,
    short_help="Make, list and revoke tokens for `mirror serve`.",
    examples=(
        "mirror token create class-2",
        "mirror token create nlp-lab --repo 'klue/*' --repo 'datasets/*' --gated 'google/*'",
        "mirror token list",
        "mirror token revoke class-2",
    ),
)
@click.argument("action", type=click.Choice(["create", "list", "revoke"]))
@click.argument("name", required=False)
@click.option(
    "--repo", "repos", metavar="P", multiple=True, help="create: only repos like P (all)."
)
@click.option("--gated", metavar="P", multiple=True, help="create: and gated ones like P (none).")
@common_options
@json_option
@pass_session
def token(
    session: Session,
    /,
    action: str,
    name: str | None,
    repos: tuple[str, ...],
    gated: tuple[str, ...],
) -> None:
    """Make a token for somebody, list all, or revoke one: it is refused from then on.

    A token is shown once, when it is made; the mirror keeps a hash of it. Clients send it
    when it is in HF_TOKEN. P is such as klue/klue, 'klue/*' or 'datasets/*'.
    """
    from mirror.serve.access import Tokens

    if action != "create" and (repos or gated):
        raise UsageError(
            f"--repo and --gated are for a new token, and nothing to {action}",
            hint="to change one: mirror token revoke NAME, then create it again",
        )
    tokens = Tokens(session.mirror().root)
    if action == "list":
        if name is not None:
            raise UsageError(f"what is {name}? mirror token list shows all")
        _list(session, tokens.all())
        return
    if name is None:
        raise UsageError(f"whose token? mirror token {action} NAME")
    if action == "revoke":
        revoked = tokens.revoke(name)
        if session.as_json:
            emit_json(revoked.as_json())
        else:
            talk(f"{name} is refused from now on.")
        return
    secret = tokens.create(name, repos, gated)
    if session.as_json:
        emit_json({"name": name, "token": secret})
        return
    click.echo(secret)
    talk(f"The token of {name}, for HF_TOKEN. It is shown this once.")


def _list(session: Session, tokens: tuple[Token, ...]) -> None:
    if session.as_json:
        emit_json([token.as_json() for token in tokens])
        return
    if not tokens:
        talk("There is no token: mirror token create NAME")
        return
    emit_table(
        [Column("NAME", whole=True), Column("MADE"), Column("REPOS"), Column("GATED")],
        [
            [entry.name, time_cell(entry.created), words_cell(entry.repos), words_cell(entry.gated)]
            for entry in tokens
        ],
    )


COMMANDS: Final = {"serve": serve, "run": run, "token": token}
