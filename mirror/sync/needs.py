"""What a repo needs from other repos to be loaded: said at sync, not met in the lab.

Two things make a client ask for another repo: ``auto_map`` in a config, which names
code in ``other/repo--module.Class``, and a PEFT adapter, which names its base model.
Pure: contents of files in, ids out. Everything in them is untrusted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mirror.errors import BadNameError
from mirror.names import RepoKey, RepoType

#: The files that can name another repo, all small.
FILES: Final = (
    "config.json",
    "adapter_config.json",
    "tokenizer_config.json",
    "processor_config.json",
    "preprocessor_config.json",
)

#: A config is a few kB; one of more than this is no config.
MAX_BYTES: Final = 4 * 2**20


def repos_needed(contents: Mapping[str, bytes]) -> dict[RepoKey, str]:
    """Give the model repos that a repo refers to, each with the reason.

    Args:
        contents: path → bytes, of those of ``FILES`` that are there.
    """
    found: dict[RepoKey, str] = {}
    for path, data in contents.items():
        for repo_id, reason in _references(path, _json(data)):
            try:
                found.setdefault(RepoKey(RepoType.MODEL, repo_id), reason)
            except BadNameError:
                continue  # a folder on the author's disk, most often
    return found


def _references(path: str, config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    base = config.get("base_model_name_or_path")
    if path == "adapter_config.json" and isinstance(base, str):
        yield base, "an adapter of it"
    auto_map = config.get("auto_map")
    for value in auto_map.values() if isinstance(auto_map, dict) else ():
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and "--" in name:
                yield name.split("--")[0], "its code is there"


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
