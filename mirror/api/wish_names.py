"""Which wish a person means: by its id, the beginning of that, or by its repo."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from mirror.bundle.wishes.book import Standing, WishBook
from mirror.bundle.wishes.misses import Missed
from mirror.errors import NotFoundError, UsageError
from mirror.names import RepoKey

#: The beginning of an id; shorter ones are mistaken too easily.
_BEGINNING: Final = re.compile(r"[0-9a-f]{4,12}")


def find_ours(name: str, open_now: Iterable[Standing]) -> tuple[Standing, ...]:
    """Find wishes of this mirror.

    Raises:
        NotFoundError: none is called so.
        UsageError: an id that several begin with, or an id of several types.
    """
    if found := _find(name, list(open_now)):
        return found
    raise NotFoundError(
        f"nothing here is called {name} and waits", hint="mirror requests lists all"
    )


def find_asked(name: str, book: WishBook) -> tuple[Standing | Missed, ...]:
    """Find wishes of labs that are to be decided on, or were; or what their clients missed.

    By its repo a wish is found if it waits, by its id also if it is decided: then that is
    decided anew.

    Raises:
        NotFoundError: nobody has asked for it.
        UsageError: an id that several begin with, or an id of several types.
    """
    if _BEGINNING.fullmatch(name):
        known = [one for one in book.theirs.values() if one.state != "withdrawn"]
        if by_id := _by_id(name, known):
            return by_id
    if found := _find(name, book.pending):
        return found
    missed = [one for _, one in book.missed if name in {str(one.repo), one.repo.repo_id}]
    if missed:
        _one_type(name, {one.repo for one in missed})
        return tuple(missed[:1])
    raise NotFoundError(
        f"no lab has asked for {name}, or that is decided",
        hint="mirror requests --all lists everything; mirror add takes any repo",
    )


def _find(name: str, standings: Sequence[Standing]) -> tuple[Standing, ...]:
    if _BEGINNING.fullmatch(name) and (found := _by_id(name, standings)):
        return found
    by_repo = [
        one
        for one in standings
        if name in {str(one.wish.repo), one.wish.repo.repo_id, one.wish.name}
    ]
    _one_type(name, {one.wish.repo for one in by_repo})
    return tuple(by_repo)


def _by_id(name: str, standings: Sequence[Standing]) -> tuple[Standing, ...]:
    found = tuple(one for one in standings if one.wish.id.startswith(name))
    if len(found) > 1:
        choices = ", ".join(one.wish.id for one in found[:5])
        raise UsageError(f"several requests begin with {name}", hint=f"they are {choices}")
    return found


def _one_type(name: str, repos: set[RepoKey]) -> None:
    if len(repos) > 1:
        choices = " or ".join(sorted(map(str, repos)))
        raise UsageError(f"{name} is the name of several repos", hint=f"write {choices}")
