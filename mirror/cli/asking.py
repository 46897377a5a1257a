"""What commands have in common that take a query: its words, and an option for every field."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from mirror.catalog.fields import FIELDS, NAMES, Field
from mirror.cli.app import Command

F = TypeVar("F", bound=Callable[..., Any])

#: Set before a word that begins with a minus, so that click does not take it for options.
_HELD: Final = "\ue000"
#: ``-news``, ``-"a phrase"``, ``-license:mit``; but ``-C``, ``-h`` and ``-l`` are options.
_EXCLUDED: Final = re.compile(r"-(?![-Ch])(?:[^A-Za-z0-9]|..)")
_METAVARS: Final = {"set": "VALUE", "number": "RANGE", "date": "RANGE"}
#: What people filter by most comes first, and has a help of its own.
_HELP: Final = {
    "type": "model, dataset or space.",
    "task": "For this task: fill-mask …",
    "language": "In this language: ko, Korean …",
    "license": "Under this licence: mit … or unknown.",
    "library": "For this library: transformers …",
    "author": "Of this namespace.",
    "tag": "With this tag, as the Hub writes it.",
    "params": "Parameters: '<1B', 1B..7B …",
    "size": "Bytes in the mirror: '<2GB' …",
    "downloads": "Of 30 days: '>1000' …",
    "updated": "Upstream: '>=2026-01', 2025 …",
}


class QueryCommand(Command):
    """A command that takes a query; its words may begin with a minus: ``-license:unknown``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep click from reading ``-license:unknown`` as ``-l -i -c …``.

        And let ``--facets`` have a value after an equals sign, and only there, as a word
        behind it belongs to the query.
        """
        options = {name.lstrip("-") for param in self.params for name in param.opts}
        held = [
            f"{_HELD}{arg}"
            # -limit is a slip, -news is not.
            if _EXCLUDED.match(arg) and arg[1:].partition("=")[0] not in options
            else arg.replace("--facets=", "--facet=", 1)
            if arg.startswith("--facets=")
            else arg
            for arg in args
        ]
        return super().parse_args(ctx, held)


#: How what is said of a field begins that does not begin with a value.
_SENTENCES: Final = ("made ", "trained ", "has ", "of a ", "rows ", "likes", "when ")


class _Text(click.ParamType[Any]):
    name = "text"

    def convert(self, value: Any, _param: Any, _ctx: Any) -> Any:
        return value.removeprefix(_HELD) if isinstance(value, str) else value


def query_arguments(command: F, without: Sequence[str] = ()) -> F:
    """Add QUERY and an option for every field: ``words`` and ``filters`` of :func:`asked`.

    A command may have options of its own ``without`` these fields, which stay keys of QUERY.
    """
    names = dict.fromkeys((*_HELP, *FIELDS))
    for name in reversed(names):
        if name not in without:
            command = _option(FIELDS[name])(command)
    return click.argument("words", metavar="[QUERY]...", nargs=-1, type=_Text())(command)


def _option(field: Field) -> Callable[[F], F]:
    text = _HELP.get(field.name) or field.about
    if text.startswith(_SENTENCES):
        text = f"{text[0].upper()}{text[1:]}" + ("" if text.endswith("…") else ".")
    return click.option(
        f"--{field.name.replace('_', '-')}",
        f"filter_{field.name}",
        metavar=_METAVARS[field.kind],
        multiple=True,
        type=_Text(),
        help=text,
    )


def listed(names: Sequence[str]) -> tuple[str, ...]:
    """Give the values of an option that may be repeated, or have commas."""
    parts = (part.strip() for name in names for part in name.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def asked(words: Sequence[str], given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Give the text of the query and the filters; takes these out of ``given``.

    A word with spaces was put between quotes for the shell, so it is a phrase; a single
    one is a whole query.
    """
    filters = {name: given.pop(f"filter_{name}", ()) for name in FIELDS}
    filters = {name: values for name, values in filters.items() if values}
    text = words[0] if len(words) == 1 else " ".join(map(_phrase, words))
    return text, filters


def _phrase(word: str) -> str:
    key, colon, rest = word.lstrip("-").partition(":")
    if '"' in word or not any(letter.isspace() for letter in word):
        return word
    if colon and key.replace("-", "_").lower() in NAMES:
        start = word[: len(word) - len(rest)]
        return f'{start}"{rest}"' if not _KEY.search(rest) else word
    return f'"{word}"' if not _KEY.search(word) else word


_KEY: Final = re.compile(r"(?:^|\s)-?[A-Za-z][A-Za-z_-]+:\S")

timeout_option: Final = click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(0.001),
    default=10.0,
    help="Give up after so long (10).",
)
csv_option: Final = click.option("--csv", "as_csv", is_flag=True, help="Write CSV to stdout.")
catalog_option: Final = click.option(
    "--catalog",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A copy of a catalog.db, in place of a mirror's own.",
)
