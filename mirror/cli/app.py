"""The command group: options that every command has, lazy commands, errors as text.

A command's module is imported when the command is called for (or listed by
``mirror --help``), so those modules import at their top only what every one of their
commands needs.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click

import mirror
from mirror.cli.output import clean, emit_json
from mirror.cli.stop import EXIT_INTERRUPTED
from mirror.errors import MirrorError

if TYPE_CHECKING:
    from mirror.api import Mirror

F = TypeVar("F", bound=Callable[..., Any])

#: Heading of ``mirror --help`` → command → module of this package.
FAMILIES: Final[dict[str, dict[str, str]]] = {
    "Choose what to mirror": {"init": "selection", "add": "selection", "remove": "selection"},
    "Fetch it": {"plan": "fetching", "sync": "fetching"},
    "See how it is": {"status": "state", "runs": "state"},
    "Take in and hand out": {"adopt": "adoption", "checkout": "adoption"},
    "Find and load": {
        "search": "search",
        "facets": "search",
        "list": "find",
        "show": "show",
        "leaderboard": "leaderboard",
        "sql": "sql",
        "files": "find",
        "path": "load",
        "env": "load",
    },
    "Serve it": {"serve": "serving", "run": "serving", "token": "serving"},
    "Carry it across a gap": {
        "export": "exchange",
        "import": "exchange",
        "receipt": "exchange",
        "request": "wishes",
        "requests": "wishes",
        "approve": "wishes",
        "decline": "wishes",
    },
    "Take care of it": {"verify": "care", "prune": "care", "forget": "care", "reindex": "care"},
}
_MODULES: Final = {name: module for family in FAMILIES.values() for name, module in family.items()}

#: As a shell sees a program that SIGPIPE ended: ``mirror list | head -1``.
_EXIT_BROKEN_PIPE: Final = 141


@dataclass
class Session:
    """What the common options said, before or after the name of the command."""

    root: Path | None = None
    as_json: bool = False
    debug: bool = False
    wait: timedelta = timedelta()
    """For another process that writes."""

    def mirror(self, *, quiet: bool = False) -> Mirror:
        """Open the mirror that ``-C`` or ``MIRROR_HOME`` names; ``quiet`` waits without a word."""
        from mirror.api import Mirror

        return Mirror(
            self.root, wait=self.wait.total_seconds(), tell=_nothing if quiet else _say_waiting
        )


pass_session = click.make_pass_decorator(Session, ensure=True)


def common_options(command: F) -> F:
    """Add ``-C`` and ``--debug``."""
    command = click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=remember("debug"),
        help="Show the traceback of an error.",
    )(command)
    return click.option(
        "-C",
        "--mirror",
        metavar="DIR",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=remember("root"),
        help="The mirror folder; otherwise the variable MIRROR_HOME.",
    )(command)


def json_option(command: F) -> F:
    """Add ``--json``."""
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=remember("as_json"),
        help="Write JSON to stdout; for an error too.",
    )(command)


def remember(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Give what keeps the value of an option in the session, where one is given."""

    def callback(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        if value:
            setattr(ctx.ensure_object(Session), name, value)

    return callback


class Command(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **more: Any) -> None:
        super().__init__(*args, **more)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, one a line, never wrapped: they are there to be copied."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")


class App(click.Group):
    """``mirror``: finds its commands lazily, and turns every error into text and a code."""

    def __init__(self) -> None:
        super().__init__(
            "mirror",
            help="An offline mirror and catalog of the Hugging Face Hub.",
            epilog="\b\nExit codes:   docs/reference/exit-codes.md"
            "\nmirror.toml:  docs/reference/mirror-toml.md",
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
            callback=lambda: None,
        )
        common_options(self)
        self.params.reverse()  # as in the help of the commands, which is made from functions
        click.version_option(mirror.__version__, "-V", "--version", prog_name="mirror")(self)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order of the help."""
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and give the command."""
        if cmd_name not in _MODULES:
            return None
        module = importlib.import_module(f"mirror.cli.{_MODULES[cmd_name]}")
        command: click.Command = module.COMMANDS[cmd_name]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; suggest one for a misspelt name."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=_MODULES, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under the heading of their family."""
        width = formatter.width - 6 - max(map(len, _MODULES))
        for heading, names in FAMILIES.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(heading):
                formatter.write_dl(
                    [
                        (name, command.get_short_help_str(width))
                        for name, command in commands
                        if command
                    ],
                    col_max=max(map(len, _MODULES)),
                )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; end quietly when nobody reads what it writes."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _stop_writing()
            ctx.exit(_EXIT_BROKEN_PIPE)

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run, and leave with the exit code. ``--json`` and ``--debug`` hold for errors too."""
        given = list(sys.argv[1:] if args is None else args)
        options = given[: given.index("--")] if "--" in given else given
        try:
            extra["standalone_mode"] = False
            sys.exit(super().main(given, prog_name, **extra) or 0)
        except click.ClickException as error:
            error.show()
            facts: dict[str, Any] = {"error": "usage", "message": error.format_message()}
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            _say("stopped")
            facts, code = {"error": "interrupted", "message": "stopped"}, EXIT_INTERRUPTED
        except MirrorError as error:
            if "--debug" in options:
                _print_traceback()
            _say(f"error: {error}", error.hint)
            facts, code = error.as_json(), error.exit_code
        except Exception as error:
            if "--debug" in options:
                _print_traceback()
            message = f"{type(error).__name__}: {error}"
            hint = "please report it, with what the same command says with --debug"
            _say(f"error: a fault of mirror itself: {message}", hint)
            facts, code = {"error": "internal", "message": message, "hint": hint}, 1
        if "--json" in options:
            emit_json({"error": None, "message": None, "hint": None} | facts | {"exit_code": code})
        sys.exit(code)


def _nothing(_holder: str) -> None:
    pass


def _say_waiting(holder: str) -> None:
    _say(f"waiting: {holder}")


def _say(message: str, hint: str | None = None) -> None:
    click.echo(clean(message), err=True)
    if hint:
        click.echo(clean(f"hint: {hint}"), err=True)


def _print_traceback() -> None:
    import traceback

    click.echo(clean(traceback.format_exc()), err=True)


def _stop_writing() -> None:
    """Send what is still buffered to nowhere, so that the interpreter can end in peace."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
