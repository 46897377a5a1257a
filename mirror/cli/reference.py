"""The text of every ``--help``, for docs/reference/cli.md."""

from __future__ import annotations

import click

from mirror.cli.app import FAMILIES, App

#: Help is wrapped to the width of the terminal; a page has no terminal.
_WIDTH = 100


def reference() -> str:
    """Give the help of ``mirror`` and of each of its commands as Markdown."""
    app = App()
    top = click.Context(app, info_name="mirror", terminal_width=_WIDTH, **app.context_settings)
    parts = ["", _block(app.get_help(top))]
    for heading, names in FAMILIES.items():
        parts.append(f"## {heading}\n")
        for name in names:
            command = app.get_command(top, name)
            if command is None:
                raise LookupError(name)
            ctx = click.Context(command, parent=top, info_name=name, terminal_width=_WIDTH)
            parts += [f"### mirror {name}\n", _block(command.get_help(ctx))]
    return "\n".join(parts)


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```\n"
