"""What upstream says of repos that somebody would like: size, licence, terms, downloads.

Asks about several at a time. What cannot be told of one stands in its row, and stops nothing.
Fetches no file and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from mirror.errors import MirrorError
from mirror.hub import Upstream
from mirror.hub.model import RepoInfo, TreeFile
from mirror.names import RepoKey
from mirror.settings import Settings, TransferSettings
from mirror.store import Store
from mirror.sync.interrupt import run_to_end
from mirror.sync.ledger import Ledger
from mirror.sync.model import Action, Change, Refusal, RepoPlan, Wanted
from mirror.sync.plan import Held, plan_repo
from mirror.sync.planner import held_digests, refs_if_any
from mirror.sync.policy import licenses_of, refusal_of_repo
from mirror.sync.rounds import Rounds

#: A list for a person waits for no server that is down: two tries each.
_RETRIES: Final = 1
#: A longer licence or reason is cut.
_MAX_TEXT: Final = 300

#: A repo and the revision that is wanted of it.
Place = tuple[RepoKey, str]


@dataclass(frozen=True)
class Prospect:
    """A repo as upstream has it, before anybody has chosen it."""

    repo: RepoKey
    revision: str
    now: RepoKey | None = None
    """The id that upstream gives it: another one after a rename."""
    commit: str | None = None
    size: int | None = None
    """Bytes of all files that the policy lets in; ``None`` where upstream does not say."""
    files: int | None = None
    to_fetch: int | None = None
    """Bytes of those that the mirror does not have yet."""
    licenses: tuple[str, ...] = ()
    gated: bool = False
    downloads: int | None = None
    mirrored: bool = False
    """Whether all of it is here."""
    refused_by: str = ""
    """The key of mirror.toml that keeps it out, and why."""
    error: str = ""
    """Why upstream could not be asked, or what it answered instead."""

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        form: dict[str, Any] = dict(self.__dict__)
        return form | {
            "repo": str(self.repo),
            "now": str(self.now) if self.now else None,
            "licenses": list(self.licenses),
        }


def find_prospects(
    store: Store, settings: Settings, token: str | None, places: Iterable[Place]
) -> Mapping[Place, Prospect]:
    """Ask upstream about each of ``places``.

    Raises:
        KeyboardInterrupt: stopped.
    """
    looking = _Looking(store, settings, token)
    wanted = [Wanted(key, revision, ()) for key, revision in dict.fromkeys(places)]
    if wanted and not run_to_end(looking.look(wanted)):
        raise KeyboardInterrupt
    return looking.found


class _Looking:
    """Collects what is found."""

    def __init__(self, store: Store, settings: Settings, token: str | None) -> None:
        self._store = store
        self._policy = settings.policy
        self._endpoint = settings.upstream.endpoint
        quick: TransferSettings = settings.transfer.model_copy(update={"retries": _RETRIES})
        self._upstream = Upstream(settings.upstream, quick, token=token)
        self.found: dict[Place, Prospect] = {}

    async def look(self, wanted: Iterable[Wanted]) -> None:
        async with self._upstream:
            rounds = Rounds(Ledger(), self._endpoint, self._note_failure)
            await rounds.go(wanted, self._visit)

    def _note_failure(self, key: RepoKey, revision: str, error: MirrorError) -> None:
        before = self.found.get((key, revision)) or Prospect(key, revision)
        self.found[key, revision] = replace(before, error=str(error)[:_MAX_TEXT])

    async def _visit(self, wanted: Wanted) -> None:
        info = await self._upstream.repo_info(wanted.key, wanted.revision)
        place = wanted.key, wanted.revision
        # The info call of a gated repo answers everybody; its files do not.
        self.found[place] = self._by_info(wanted, info)
        tree = await self._upstream.tree(info.key, info.commit)
        plan = self._plan(wanted, info, tree)
        self.found[place] = _with_plan(self.found[place], plan, tree)

    def _by_info(self, wanted: Wanted, info: RepoInfo) -> Prospect:
        raw = info.raw
        downloads = raw.get("downloads")
        rule = refusal_of_repo(raw, self._policy)
        return Prospect(
            wanted.key,
            wanted.revision,
            now=info.key,
            commit=info.commit,
            licenses=tuple(text[:_MAX_TEXT] for text in licenses_of(raw)),
            gated=raw.get("gated") not in (None, False),
            downloads=downloads if type(downloads) is int else None,
            refused_by=_rule_text(*rule) if rule else "",
        )

    def _plan(
        self, wanted: Wanted, info: RepoInfo, tree: tuple[TreeFile, ...]
    ) -> RepoPlan | Refusal:
        manifest = self._store.manifest_if_any(info.key, info.commit)
        held = Held(
            digests=held_digests(self._store, tree, manifest),
            previous=refs_if_any(self._store, info.key).get(wanted.revision),
            manifest=manifest,
        )
        return plan_repo(wanted, info, tree, held, self._policy)


def _with_plan(
    prospect: Prospect, plan: RepoPlan | Refusal, tree: tuple[TreeFile, ...]
) -> Prospect:
    if isinstance(plan, Refusal):
        return replace(
            prospect,
            size=sum(file.size for file in tree),
            files=len(tree),
            refused_by=_rule_text(plan.rule, plan.detail),
        )
    fetch, reuse = plan.amount(Action.FETCH), plan.amount(Action.REUSE)
    return replace(
        prospect,
        size=fetch.bytes + reuse.bytes,
        files=fetch.files + reuse.files,
        to_fetch=fetch.bytes,
        mirrored=plan.change is Change.UNCHANGED,
    )


def _rule_text(rule: str, detail: str) -> str:
    return f"{rule}: {detail}"[:_MAX_TEXT]
