"""The reference pages name everything that there is, and nothing else."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import mirror.errors
from mirror.cli.app import FAMILIES
from mirror.cli.reference import reference
from mirror.errors import MirrorError
from mirror.settings import Entry, Settings, parse_settings

PAGES = Path(__file__).parents[2] / "docs" / "reference"
CLI = (PAGES / "cli.md").read_text(encoding="utf-8")
EXIT_CODES = (PAGES / "exit-codes.md").read_text(encoding="utf-8")
MIRROR_TOML = (PAGES / "mirror-toml.md").read_text(encoding="utf-8")


class TestCli:
    def test_is_current(self) -> None:
        assert reference().strip() in CLI, "run: .venv/bin/cog -r docs/reference/cli.md"

    @pytest.mark.parametrize("name", [name for family in FAMILIES.values() for name in family])
    def test_has_every_command(self, name: str) -> None:
        assert f"### mirror {name}\n" in CLI


class TestExitCodes:
    def codes(self) -> set[int]:
        return {int(code) for code in re.findall(r"^\| (\d+) \|", EXIT_CODES, re.MULTILINE)}

    def test_every_error_has_one_that_is_explained(self) -> None:
        used = {error.exit_code for error in subclasses(MirrorError)}

        assert used | {0, 130, 141} == self.codes()

    def test_the_module_says_the_same(self) -> None:
        text = mirror.errors.__doc__ or ""

        listed = {int(code) for code in re.findall(r"^(\d+) +\w", text, re.MULTILINE)}

        assert self.codes() - {141} == listed


def subclasses(error: type[MirrorError]) -> Iterator[type[MirrorError]]:
    yield error
    for sub in error.__subclasses__():
        yield from subclasses(sub)


def sections() -> dict[str, str]:
    """The text of each ``##`` section, by the names of the tables in its heading."""
    found = {}
    for part in MIRROR_TOML.split("\n## ")[1:]:
        heading, _, text = part.partition("\n")
        for name in re.findall(r"`\[+(\w+)\]+`", heading):
            found[name] = text
    return found


def keys() -> Iterator[tuple[str, str, Any]]:
    """Every (section, key, default) that there is."""
    for name, field in Settings.model_fields.items():
        model: Any = field.annotation
        if typing.get_origin(model) is tuple:
            model = typing.get_args(model)[0]
        assert issubclass(model, BaseModel)
        for key, inner in model.model_fields.items():
            yield name, key, inner.default


def rows(section: str) -> dict[str, list[str]]:
    """The rows of the tables of a section: key → the other columns."""
    found = {}
    for line in sections()[section].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            found[cells[0].strip("`")] = cells[1:]
    return found


class TestMirrorToml:
    def test_has_every_section(self) -> None:
        assert set(Settings.model_fields) == set(sections())

    @pytest.mark.parametrize("section", list(Settings.model_fields))
    def test_has_every_key_and_no_other(self, section: str) -> None:
        assert {key for name, key, _ in keys() if name == section} == set(rows(section))

    @pytest.mark.parametrize(("section", "key", "default"), list(keys()))
    def test_states_the_default_and_the_unit(self, section: str, key: str, default: Any) -> None:
        stated, unit, *_ = rows(section)[key]

        assert unit
        if isinstance(default, int | float | str):
            assert str(default) == stated.strip('`"')
        elif section in {"models", "datasets", "spaces"}:
            assert stated in {"none", "any", "all", "0", '`"main"`', '`["main"]`', '`"downloads"`'}
        else:
            assert stated.startswith(("none", "`[]`"))

    def test_the_examples_are_valid(self) -> None:
        examples = re.findall(r"```toml\n(.*?)```", MIRROR_TOML, re.DOTALL)

        for example in examples:
            parse_settings(example)
        shown = set(re.findall(r"^\[+(\w+)", "\n".join(examples), re.MULTILINE))
        assert set(Settings.model_fields) - {"spaces"} == shown

    def test_names_the_values_of_every_choice(self) -> None:
        choices = [*_choices(Settings.model_fields["policy"].annotation), *_choices(Entry)]

        assert choices
        for key, values in choices:
            text = rows("policy").get(key) or rows("models")[key]
            assert all(f"`{value}`" in text[1] for value in values), key


def _choices(model: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    for key, field in model.model_fields.items():
        options = [field.annotation]
        if isinstance(field.annotation, types.UnionType):
            options = list(typing.get_args(field.annotation))
        for option in options:
            if typing.get_origin(option) is typing.Literal:
                yield key, typing.get_args(option)
