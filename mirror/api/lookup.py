"""Which repo a person means: ``datasets/klue/klue``, ``klue/klue``, or nearly that."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable

from mirror.errors import BadNameError, NotFoundError, UsageError
from mirror.names import RepoKey, RepoType
from mirror.store import Store


def find_each(
    repos: Iterable[str | RepoKey], find: Callable[[str], RepoKey]
) -> tuple[RepoKey, ...] | None:
    """Find the repos that are named, or none for all; one name alone is no list of letters."""
    names = (repos,) if isinstance(repos, str | RepoKey) else repos
    return tuple(find(str(name)) for name in names) or None


def find_in_store(
    store: Store,
    text: str,
    repo_type: RepoType | None = None,
    selected: Collection[RepoKey] | None = None,
) -> RepoKey:
    """Find a repo that is mirrored, or is one of ``selected``: see :func:`find_repo`."""
    others = selected or ()
    return find_repo(
        text,
        repo_type,
        lambda key: key in others or store.has(key),
        lambda: {*store.repos(), *store.aliases(), *others},
        where="in the mirror" if selected is None else "selected, nor in the mirror",
    )


def find_repo(
    text: str,
    repo_type: RepoType | None,
    has: Callable[[RepoKey], bool],
    known: Callable[[], Iterable[RepoKey]],
    *,
    where: str = "in the mirror",
) -> RepoKey:
    """Find the one repo that ``text`` names among those that are there.

    Args:
        text: ``datasets/klue/klue``, or ``klue/klue`` where that is clear.
        repo_type: the type, if the caller knows it.
        has: whether a repo is there.
        known: all that are there; asked only to suggest names in an error.
        where: what "there" is, for the error.

    Raises:
        BadNameError: no id at all.
        NotFoundError: not there; names what is spelt nearly so.
        UsageError: several types have it; lists them.
    """
    candidates = _candidates(text, repo_type)
    found = [key for key in candidates if has(key)]
    if len(found) == 1:
        return found[0]
    if found:
        choices = " or ".join(map(str, found))
        raise UsageError(f"{text} is the name of several repos here", hint=f"write {choices}")
    raise NotFoundError(
        f"{candidates[0] if len(candidates) == 1 else text} is not {where}",
        hint=_suggestion(text, known()),
    )


def _candidates(text: str, repo_type: RepoType | None) -> list[RepoKey]:
    if repo_type is not None:
        return [RepoKey.parse(text, default=repo_type)]
    try:
        return [RepoKey.parse(text)]
    except BadNameError:
        # No type in front, or no id at all: then the first of these says so.
        return [RepoKey.parse(text, default=kind) for kind in RepoType]


def _suggestion(text: str, known: Iterable[RepoKey]) -> str:
    """Say which names are near: by the whole name, by the id, by its last part."""
    spellings: dict[str, str] = {}
    for key in known:
        for spelling in (str(key), key.repo_id, key.name):
            spellings.setdefault(spelling.lower(), str(key))
    wanted = text.lower().strip("/")
    near = [wanted] if wanted in spellings else []
    near += difflib.get_close_matches(wanted, spellings, n=3, cutoff=0.75)
    near += difflib.get_close_matches(wanted.rsplit("/", 1)[-1], spellings, n=3, cutoff=0.8)
    names = list(dict.fromkeys(spellings[spelling] for spelling in near))[:3]
    if names:
        return f"did you mean {' or '.join(names)}?"
    return "mirror list shows what is there; mirror add and mirror sync bring more"
