"""What is told of wishes: asked for, taken in, wanted, decided. Values alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mirror.api.prospects import Prospect
from mirror.bundle.signing import Signer
from mirror.bundle.wishes.book import Standing
from mirror.bundle.wishes.misses import Missed
from mirror.names import RepoKey

Verdict = Literal["approved", "declined"]


@dataclass(frozen=True)
class Ask:
    """What became of asking for one repo."""

    repo: RepoKey
    outcome: Literal["asked", "asked before", "here"]
    standing: Standing | None
    """The wish; none for what is here."""

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        wish = self.standing.as_json() if self.standing else None
        return {"repo": str(self.repo), "outcome": self.outcome, "request": wish}


@dataclass(frozen=True)
class Taken:
    """A receipt that was looked into."""

    receipt: str
    lab: str
    signer: Signer
    new: int
    """Wishes that had not come before."""
    unreadable: int
    """Things in it that are no wishes, or too many."""
    again: bool
    """Whether it had been taken in before: then nothing has changed."""

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {**self.__dict__, "signer": self.signer.name, "key": self.signer.key}


@dataclass(frozen=True)
class WantedRepo:
    """Something that may be approved: a wish, or what clients asked for in vain."""

    lab: str
    repo: RepoKey
    revision: str | None
    standing: Standing | None = None
    missed: Missed | None = None
    prospect: Prospect | None = None
    """None where upstream was not asked."""
    selected: bool = False
    """Whether an entry of mirror.toml names it already."""

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "lab": self.lab,
            "repo": str(self.repo),
            "revision": self.revision,
            "request": self.standing.as_json() if self.standing else None,
            "missed": self.missed.as_json() if self.missed else None,
            "upstream": self.prospect.as_json() if self.prospect else None,
            "selected": self.selected,
        }


@dataclass(frozen=True)
class Decision:
    """What was decided."""

    state: Verdict
    wishes: tuple[Standing, ...]
    misses: tuple[RepoKey, ...]
    """Of what only clients had asked for."""
    added: tuple[str, ...] = ()
    """The lines that mirror.toml has now."""
    selected: tuple[RepoKey, ...] = ()
    """Selected before."""

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "state": self.state,
            "requests": [one.wish.id for one in self.wishes],
            "repos": sorted({*(str(one.wish.repo) for one in self.wishes), *map(str, self.misses)}),
            "added": list(self.added),
            "selected_before": list(map(str, self.selected)),
        }
