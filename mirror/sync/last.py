"""What the last sync left for this one: where upstream's feed of changes stood then.

A position is a promise: "of every mirrored repo that is not listed as unsettled, we
know each change up to here". Only a run that went through the whole selection may make
one; every other run hands on the promise it found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mirror.errors import BadNameError
from mirror.names import RepoKey
from mirror.store import Store


@dataclass(frozen=True)
class LastRun:
    """Where the next run may begin to read upstream's feed."""

    positions: Mapping[str, str] = field(default_factory=dict)
    """``lastModified`` that the feed began with, for each repo type: ``models`` …"""
    unsettled: frozenset[RepoKey] = frozenset()
    """Mirrored repos that the feed must not answer for."""

    def moved(
        self,
        positions: Mapping[str, str],
        mirrored: Iterable[RepoKey],
        settled: Collection[RepoKey],
    ) -> LastRun:
        """Give what a run leaves that went through the whole selection.

        Args:
            positions: where the feed stood before that run asked anything else.
            mirrored: every repo of the mirror. One that the run did not settle, because
                it failed or is not selected now, may have changed unseen.
            settled: the repos whose head the mirror has now.
        """
        unsettled = (key for key in mirrored if key.repo_type.plural in positions)
        return LastRun(positions, frozenset(unsettled) - frozenset(settled))

    def kept(self, settled: Collection[RepoKey]) -> LastRun:
        """Give what any other run leaves: the same, but for what it has settled."""
        return LastRun(self.positions, self.unsettled - frozenset(settled))


def last_run(store: Store, endpoint: str) -> LastRun:
    """Read what the newest sync left; nothing where that was one from another upstream."""
    for report in store.reports():
        if report.get("kind") == "sync":
            if report.get("endpoint") != endpoint:
                break
            return LastRun(
                positions=_texts(report.get("positions")),
                unsettled=frozenset(_keys(report.get("unsettled"))),
            )
    return LastRun()


def _texts(value: Any) -> dict[str, str]:
    items = value.items() if isinstance(value, dict) else ()
    return {name: item for name, item in items if isinstance(name, str) and isinstance(item, str)}


def _keys(value: Any) -> list[RepoKey]:
    keys = []
    for item in value if isinstance(value, list) else ():
        try:
            keys.append(RepoKey.parse(item))
        except (BadNameError, AttributeError):
            continue
    return keys
