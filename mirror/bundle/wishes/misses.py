"""Misses: what clients asked a lab's server for, and did not get. Pure.

A :class:`Tally` counts them: by repo, revision and path, with the first and the last time, and
nothing of who asked. It is bounded; what is asked for most stays. A receipt tells of it repo by
repo (:class:`Missed`). Who counts is ``serve/misses``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from mirror.errors import BadNameError, UnsafePathError
from mirror.names import RepoKey, check_ref_name, check_repo_path

FORMAT: Final = 1
#: Different misses of one tally: 2.3 MB of JSON, half a second to add to.
MAX_KEPT: Final = 10_000
#: How long what nobody asks for again is remembered.
KEPT_FOR: Final = timedelta(days=90)
#: Repos of one receipt: those that were asked for most.
MAX_REPOS: Final = 200
#: Revisions, and files, that a receipt names of one repo.
MAX_NAMED: Final = 10
MAX_COUNT: Final = 2**53
MAX_FILE_BYTES: Final = 64 << 20


@dataclass(frozen=True, order=True)
class Asked:
    """What was asked for."""

    repo: RepoKey
    revision: str | None = None
    """``None``: the whole repo is not here."""
    path: str | None = None
    """A file that the commit has, and the selection left out."""


@dataclass(frozen=True)
class Times:
    """How often, and when; times are ISO 8601 UTC in whole seconds."""

    count: int
    first: str
    last: str

    def __add__(self, other: Times) -> Times:
        return Times(
            min(self.count + other.count, MAX_COUNT),
            min(self.first, other.first),
            max(self.last, other.last),
        )


@dataclass(frozen=True)
class Tally:
    """How often each thing was asked for."""

    misses: Mapping[Asked, Times] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        joined = dict(self.misses)
        for asked, times in other.misses.items():
            joined[asked] = joined[asked] + times if asked in joined else times
        return Tally(joined)

    def bounded(self, now: datetime) -> Tally:
        """Leave out what is forgotten, and what there is no room for."""
        oldest = (now - KEPT_FOR).isoformat(timespec="seconds")
        kept = [(asked, times) for asked, times in self.misses.items() if times.last >= oldest]
        kept.sort(key=lambda item: (-item[1].count, item[1].last, item[0].repo))
        return Tally(dict(kept[:MAX_KEPT]))


@dataclass(frozen=True)
class Missed:
    """What clients asked a lab for of one repo, in vain."""

    repo: RepoKey
    count: int
    first: str
    last: str
    whole: bool
    """Whether nothing of the repo is there."""
    revisions: tuple[str, ...] = ()
    """That are not there, of a repo that is; ``MAX_NAMED`` at most."""
    files: tuple[str, ...] = ()
    """That the selection left out; ``MAX_NAMED`` at most."""

    def as_json(self) -> dict[str, Any]:
        """The form in a receipt."""
        form = {**asdict(self), "repo": str(self.repo)}
        return form | {"revisions": list(self.revisions), "files": list(self.files)}


def by_repo(tally: Tally, is_here: Callable[[Asked], bool]) -> tuple[Missed, ...]:
    """Sum up what is still missing, repo by repo, what was asked for most first."""
    groups: dict[RepoKey, dict[Asked, Times]] = {}
    for asked, times in sorted(tally.misses.items(), key=lambda item: str(item[0])):
        if not is_here(asked):
            groups.setdefault(asked.repo, {})[asked] = times
    found = [_missed(repo, misses) for repo, misses in groups.items()]
    return tuple(sorted(found, key=lambda one: (-one.count, one.repo))[:MAX_REPOS])


def _missed(repo: RepoKey, misses: Mapping[Asked, Times]) -> Missed:
    first, *more = misses.values()
    times = sum(more, first)
    revisions = {asked.revision for asked in misses if asked.path is None}
    files = {asked.path for asked in misses}
    return Missed(
        repo,
        times.count,
        times.first,
        times.last,
        whole=None in revisions,
        revisions=tuple(sorted(filter(None, revisions))[:MAX_NAMED]),
        files=tuple(sorted(filter(None, files))[:MAX_NAMED]),
    )


def decode_missed(value: object) -> Missed | None:
    """Read what somebody else has written of one repo; ``None`` where it is none."""
    if not isinstance(value, Mapping):
        return None
    asked = _asked_of({"repo": value.get("repo")})
    times = _times_of(value)
    if asked is None or times is None:
        return None
    revisions = _named(value.get("revisions"), check_ref_name)
    files = _named(value.get("files"), check_repo_path)
    whole = value.get("whole") is True
    return Missed(asked.repo, times.count, times.first, times.last, whole, revisions, files)


def encode_tally(tally: Tally) -> bytes:
    """Give the text of misses.json."""
    misses = [
        {**asdict(asked), "repo": str(asked.repo), **asdict(times)}
        for asked, times in tally.misses.items()
    ]
    value = {"format": FORMAT, "misses": misses}
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def decode_tally(data: bytes) -> Tally:
    """Read a misses.json; what is none is passed over: counting begins anew."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return Tally()
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        return Tally()
    items = value.get("misses")
    found: dict[Asked, Times] = {}
    for item in items[:MAX_KEPT] if isinstance(items, list) else ():
        asked, times = _asked_of(item), _times_of(item)
        if asked is not None and times is not None:
            found[asked] = times
    return Tally(found)


def asked_for(repo: RepoKey, revision: str | None, path: str | None) -> Asked | None:
    """Give what was asked for, if upstream can have it: names that nobody has are no misses."""
    try:
        if revision is not None:
            check_ref_name(revision)
        if path is not None:
            check_repo_path(path)
    except (BadNameError, UnsafePathError, UnicodeEncodeError):
        return None
    return Asked(repo, revision, path)


def _asked_of(item: object) -> Asked | None:
    if not isinstance(item, Mapping) or not isinstance(item.get("repo"), str):
        return None
    revision, path = item.get("revision"), item.get("path")
    if not isinstance(revision, str | None) or not isinstance(path, str | None):
        return None
    try:
        return asked_for(RepoKey.parse(item["repo"]), revision, path)
    except BadNameError:
        return None


def _times_of(item: object) -> Times | None:
    if not isinstance(item, Mapping):
        return None
    count, first, last = (item.get(name) for name in ("count", "first", "last"))
    if type(count) is not int or not 0 < count <= MAX_COUNT:
        return None
    return Times(count, _time(first), _time(last))


def _time(value: object) -> str:
    """Give a time in the one form that can be compared as text; empty where it is none."""
    try:
        return datetime.fromisoformat(str(value)[:40]).isoformat(timespec="seconds")
    except ValueError:
        return ""


def _named(value: object, check: Callable[[str], str]) -> tuple[str, ...]:
    return tuple(_good(value if isinstance(value, list) else [], check))[:MAX_NAMED]


def _good(items: Iterable[object], check: Callable[[str], str]) -> Iterable[str]:
    for item in items:
        try:
            if isinstance(item, str) and item.isprintable():
                yield check(item)
        except (BadNameError, UnsafePathError, UnicodeEncodeError):
            continue
