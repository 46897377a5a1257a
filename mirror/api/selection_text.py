"""mirror.toml as text: the one to start from, and putting in or taking out an entry.

The file belongs to people, so an edit touches the lines of its entry and nothing
else: comments, order and spacing stay. (tomlkit was tried: it moves tables when
``[[models]]`` and ``[[datasets]]`` alternate.) Every edit is checked: the new text
must parse to exactly the old settings plus or minus the entry, or it is refused.

Text in, text out; :mod:`mirror.api.selection_file` reads and replaces the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mirror.api.starter import STARTER
from mirror.errors import BadNameError, NotFoundError, SettingsError, UsageError
from mirror.names import RepoKey, RepoType
from mirror.settings import DEFAULT_ENDPOINT, Entry, Settings, parse_settings

_HEADER: Final = re.compile(r"[ \t]*(\[\[?)[ \t]*([A-Za-z0-9_.\"' \t-]+?)[ \t]*\]\]?[ \t]*(#.*)?")
_NOTHING: Final = re.compile(r"[ \t]*(#.*)?")


def starter_text(endpoint: str | None = None) -> str:
    """Give a commented mirror.toml to start from.

    Raises:
        SettingsError: ``endpoint`` is not a URL.
    """
    text = STARTER
    if endpoint is not None:
        line = f"endpoint = {_value(DEFAULT_ENDPOINT)}"
        text = text.replace(f"# {line}", f"endpoint = {_value(endpoint)}", 1)
    parse_settings(text, "--endpoint")
    return text


def entry_lines(repo_type: RepoType, entry: Mapping[str, Any]) -> str:
    """Write one entry as TOML: values are strings, numbers or sequences of strings."""
    lines = [f"{key} = {_value(value)}" for key, value in entry.items() if value not in (None, ())]
    return "\n".join([f"[[{repo_type.plural}]]", *lines, ""])


def add_entry(text: str, repo_type: RepoType, entry: Mapping[str, Any], source: str) -> str:
    """Give ``text`` with one more entry at its end.

    Raises:
        SettingsError: ``text`` is broken already, or the entry is not one.
        UsageError: it is selected already.
    """
    before = parse_settings(text, source)
    addition = entry_lines(repo_type, entry)
    (added,) = getattr(parse_settings(addition, "the new entry"), repo_type.plural)
    _refuse_duplicate(before, repo_type, added)
    gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
    entries = (*getattr(before, repo_type.plural), added)
    expected = before.model_copy(update={repo_type.plural: entries})
    return _checked(text + gap + addition, expected, source, f"add these lines:\n{addition}")


def remove_entries(text: str, places: Sequence[tuple[RepoType, int]], source: str) -> str:
    """Give ``text`` without the entries at ``places`` (type, and number from 1).

    Comments that stand above an entry or after its last key stay.
    """
    before = parse_settings(text, source)
    expected = before.model_copy(
        update={
            kind.plural: tuple(
                entry
                for number, entry in enumerate(getattr(before, kind.plural), start=1)
                if (kind, number) not in places
            )
            for kind in RepoType
        }
    )
    names = ", ".join(f"{kind.plural}.{number}" for kind, number in places)
    return _checked(_without(text, places), expected, source, f"take out by hand: {names}")


def find_entries(settings: Settings, name: str, source: str) -> list[tuple[RepoType, int]]:
    """Find the entries that ``name`` means: an id, or a place such as ``datasets.2``.

    Raises:
        NotFoundError: no entry is called so; says what is there.
        UsageError: a bare id that several types have.
    """
    numbered = settings.numbered_entries()
    places = [
        (kind, number)
        for kind, number, entry in numbered
        if name == f"{kind.plural}.{number}" or (entry.id and _names(name, kind, entry.id))
    ]
    if not places:
        raise NotFoundError(
            f"{source} has no entry for {name}",
            hint=_what_is_there(settings),
        )
    if len(kinds := {kind for kind, _ in places}) > 1:
        choices = ", ".join(f"{kind.plural}/{name}" for kind in sorted(kinds))
        raise UsageError(f"{name} is selected more than once", hint=f"write one of {choices}")
    return places


def describe_entry(entry: Entry) -> str:
    """Say in one line what an entry asks for: its id, or ``language=ko license=mit``."""
    given = entry.model_dump(exclude_defaults=True)
    name = given.pop("id", None)
    words = [f"{key}={_plain(value)}" for key, value in given.items()]
    return " ".join([*([name] if name else []), *words])


def _plain(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _names(text: str, kind: RepoType, repo_id: str) -> bool:
    try:
        return RepoKey.parse(text, default=kind) == RepoKey(kind, repo_id)
    except BadNameError:
        return False


def _what_is_there(settings: Settings) -> str:
    numbered = settings.numbered_entries()
    if not numbered:
        return "it selects nothing so far; mirror add puts something in"
    shown = [f"  {kind.plural}.{number}  {describe_entry(e)}" for kind, number, e in numbered[:20]]
    more = [f"  … and {len(numbered) - 20} more"] if len(numbered) > 20 else []
    return "\n".join(
        ["name an entry by its id, or by its place; they are:", *shown, *more],
    )


def _refuse_duplicate(settings: Settings, repo_type: RepoType, added: Entry) -> None:
    for number, entry in enumerate(getattr(settings, repo_type.plural), start=1):
        if added.id is None:
            same = entry == added
        else:
            same = entry.id == added.id and bool(
                set(entry.wanted_revisions) & set(added.wanted_revisions)
            )
        if same:
            place = f"{repo_type.plural}.{number}"
            raise UsageError(
                f"{describe_entry(added)} is selected already: entry {place} of mirror.toml "
                f"({describe_entry(entry)})",
                hint=f"edit that entry, or take it out first: mirror remove {place}",
            )


def _checked(text: str, expected: Settings, source: str, by_hand: str) -> str:
    try:
        if parse_settings(text, source) == expected:
            return text
    except SettingsError:
        pass  # said below, with what to do: the text that fails is ours, not the user's
    raise SettingsError(f"{source} is laid out in a way that we do not edit", hint=by_hand)


def _without(text: str, places: Sequence[tuple[RepoType, int]]) -> str:
    """Cut the header and keys of each named ``[[…]]`` block, not the comments after them."""
    counts = dict.fromkeys((kind.plural for kind in RepoType), 0)
    kept: list[str] = []
    for block in _blocks(text):
        match = _HEADER.fullmatch(block[0].rstrip("\r\n"))
        kind = match[2].strip("\"'") if match and match[1] == "[[" else None
        if kind in counts:
            counts[kind] += 1
            if (RepoType.parse(kind), counts[kind]) in places:
                block = _trailing_trivia(block)
        if block and not block[0].strip() and (not kept or not kept[-1].strip()):
            block = block[1:]
        kept += block
    return "".join(kept)


def _blocks(text: str) -> list[list[str]]:
    """Cut the lines at every table header; the first block is what comes before any."""
    blocks: list[list[str]] = []
    for line in text.splitlines(keepends=True):
        if not blocks or _HEADER.fullmatch(line.rstrip("\r\n")):
            blocks.append([])
        blocks[-1].append(line)
    return blocks


def _trailing_trivia(block: list[str]) -> list[str]:
    end = len(block)
    while end > 1 and _NOTHING.fullmatch(block[end - 1].rstrip("\r\n")):
        end -= 1
    return block[end:]


def _value(value: object) -> str:
    """Write a TOML value; JSON's strings and numbers are TOML's, but for DEL."""
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
