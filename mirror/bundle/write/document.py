"""``BUNDLE.md``: what a person reads before a bundle crosses. Pure.

The head in words, what needs a decision first: licences that nobody knows, gated repos, files
that can run code. Whatever stands in it came from upstream or from a card, so nothing of it
can become markup.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mirror.bundle import form
from mirror.bundle.head import Head, SnapshotEntry

_CHANGES: Final = {
    "new": "new",
    "update": "newer commit",
    "fill": "more of the same commit",
    "ref": "name only",
}
#: Within a code span nothing is markup but its end and, in a table, the end of a cell.
_ESCAPED: Final = str.maketrans({"`": "'", "|": "\\|"})


def write_document(head: Head) -> str:
    """Give the text of ``BUNDLE.md``."""
    return "\n".join(_lines(head)) + "\n"


def _lines(head: Head) -> Iterator[str]:
    yield f"# Bundle {head.id[:12]}"
    yield ""
    yield from _facts(head)
    yield from _questions(head)
    yield from _contents(head)
    yield from _code(head)
    yield from _removals(head)
    yield from _answers(head)
    yield from _checking(head)


def _facts(head: Head) -> Iterator[str]:
    new = sum(entry.new_size for entry in head.snapshots)
    facts = [
        ("id", _text(head.id)),
        ("from", _text(head.sender)),
        ("for", _text(head.recipient) or "whoever has what it builds on"),
        ("number", str(head.sequence)),
        ("builds on", _parents(head)),
        ("state of", head.created),
        ("valid until", head.expires or "no end is set"),
        ("upstream", _text(head.endpoint) or "not stated"),
        ("snapshots", f"{len(head.snapshots):,} of {_repos(head.snapshots):,} repos"),
        ("new content", _size(new)),
        ("on the way", f"{_size(head.size)} in {_volumes(head)}"),
        ("proposed removals", f"{len(head.removals):,}"),
    ]
    yield "| | |"
    yield "|---|---|"
    for name, value in facts:
        yield f"| {name} | {value} |"
    yield ""


def _questions(head: Head) -> Iterator[str]:
    yield "## To be decided"
    yield ""
    unknown = _named(entry for entry in head.snapshots if not entry.licenses)
    gated = _named(entry for entry in head.snapshots if entry.gated)
    code = [entry for entry in head.snapshots if entry.executable_count]
    count = sum(entry.executable_count for entry in code)
    if unknown:
        yield f"- **No licence is stated** by {len(unknown)}: {', '.join(unknown)}"
    if gated:
        yield f"- **Gated upstream**, with terms of their own, are {len(gated)}: {', '.join(gated)}"
    if code:
        yield f"- **Files that can run code**: {count:,} in {_repos(code):,} repos, listed below"
    if head.removals:
        yield f"- **Removals are proposed**: {len(head.removals):,}; none happens by itself"
    if not (unknown or gated or code or head.removals):
        yield "Nothing: every licence is stated, nothing is gated, no new file can run code."
    yield ""


def _contents(head: Head) -> Iterator[str]:
    groups: dict[str, list[SnapshotEntry]] = defaultdict(list)
    for entry in head.snapshots:
        groups[", ".join(entry.licenses)].append(entry)
    for license_name in sorted(groups):
        yield f"## {_text(license_name) or 'No licence is stated'}"
        yield ""
        yield "| repo | refs | commit | change | files | size | new files | new | runs code |"
        yield "|---|---|---|---|--:|--:|--:|--:|--:|"
        for entry in sorted(groups[license_name], key=lambda one: (one.repo, one.commit)):
            yield _row(entry)
        yield ""
    if head.observed:
        yield f"Of {head.observed:,} more repos only upstream's newer numbers come."
        yield ""


def _row(entry: SnapshotEntry) -> str:
    commit = entry.commit[:12]
    if entry.before and entry.before != entry.commit:
        commit = f"{entry.before[:12]} → {commit}"
    cells = (
        _text(entry.repo) + (" (gated)" if entry.gated else ""),
        ", ".join(map(_text, entry.refs)),
        commit,
        _CHANGES[entry.change],
        f"{entry.files:,}",
        _size(entry.size),
        f"{entry.new_files:,}",
        _size(entry.new_size),
        f"{entry.executable_count:,}" if entry.executable_count else "",
    )
    return f"| {' | '.join(cells)} |"


def _code(head: Head) -> Iterator[str]:
    entries = [entry for entry in head.snapshots if entry.executable_count]
    if not entries:
        return
    yield "## New files that can run code"
    yield ""
    yield "By their names: what is in them was not looked at."
    yield ""
    for entry in entries:
        yield f"- {_text(entry.repo)} at {entry.commit[:12]}"
        for path, why in entry.executable:
            yield f"  - {_text(path)}: {_text(why)}"
        if (more := entry.executable_count - len(entry.executable)) > 0:
            yield f"  - and {more:,} more"
    yield ""


def _removals(head: Head) -> Iterator[str]:
    if not head.removals:
        return
    yield "## Proposed removals"
    yield ""
    yield "`mirror prune --proposed` shows and applies them, on the other side."
    yield ""
    for removal in head.removals:
        yield (
            f"- {_text(removal.repo)} {_text(removal.ref)} at {removal.commit[:12]}: "
            f"{_text(removal.why)}"
        )
    yield ""


def _answers(head: Head) -> Iterator[str]:
    if not head.answers:
        return
    yield "## What became of wishes"
    yield ""
    for answer in head.answers:
        note = f": {_text(answer.note)}" if answer.note else ""
        yield f"- {_text(answer.repo)}: {answer.state}{note}"
    yield ""


def _checking(head: Head) -> Iterator[str]:
    yield "## To check it, with nothing but coreutils and OpenSSH"
    yield ""
    yield f"In {'each volume' if len(head.volumes) > 1 else 'this folder'}:"
    yield ""
    yield "```"
    yield f"sha256sum --quiet --strict -c {form.LISTING}"
    yield (
        f"ssh-keygen -Y verify -f ALLOWED_SIGNERS -I NAME -n hub-mirror-bundle "
        f"-s {form.SIGNATURE} < {form.LISTING}"
    )
    yield "```"
    yield ""
    yield f"The first says that every byte is as {form.LISTING} states; the second, who states it."


def _parents(head: Head) -> str:
    if not head.parents:
        return "nothing: it is complete"
    words = ", ".join(
        f"bundle {one.sequence} ({one.id[:12]})"
        if one.kind == "bundle"
        else f"the state of receipt {one.id[:12]}"
        for one in head.parents
    )
    return f"{words} (taken to be delivered: no receipt says so)" if head.assumed else words


def _volumes(head: Head) -> str:
    files = sum(len(volume.files) for volume in head.volumes)
    many = len(head.volumes)
    return f"{files:,} files on {many} volumes" if many > 1 else f"{files:,} files"


def _repos(entries: Iterable[SnapshotEntry]) -> int:
    return len({entry.repo for entry in entries})


def _named(entries: Iterable[SnapshotEntry]) -> Sequence[str]:
    return [_text(repo) for repo in dict.fromkeys(entry.repo for entry in entries)]


def _size(count: int) -> str:
    """Give a size as a person reads it; the exact one is in the listing."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if count >= 1000**power:
            return f"{count / 1000**power:,.3g} {unit}"
    return f"{count} B"


def _text(text: str) -> str:
    """Give foreign text as a code span: as it is, and never markup."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f"`{line.translate(_ESCAPED)}`" if line else ""
