"""Which paths a list of patterns lets through: exactly as ``hf download --include`` does.

The patterns are huggingface_hub's own (``fnmatch``; ``*`` also crosses ``/``, a trailing
``/`` means everything below). A person who has tried a pattern there gets the same here.
"""

from __future__ import annotations

from collections.abc import Sequence

from huggingface_hub.utils import filter_repo_objects


def matching(paths: Sequence[str], patterns: Sequence[str]) -> frozenset[str]:
    """Give the paths that at least one of ``patterns`` matches."""
    return frozenset(filter_repo_objects(paths, allow_patterns=list(patterns)))


def left_out(
    paths: Sequence[str], include: Sequence[str], exclude: Sequence[str]
) -> dict[str, str]:
    """Give the paths that ``include`` and ``exclude`` leave out, each with the reason."""
    reasons: dict[str, str] = {}
    if include:
        wanted = matching(paths, include)
        reasons |= {path: "not in include" for path in paths if path not in wanted}
    for pattern in exclude:
        for path in matching(paths, [pattern]):
            reasons.setdefault(path, f"exclude {pattern}")
    return reasons
