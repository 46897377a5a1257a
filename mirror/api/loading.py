"""Loading what is mirrored on a machine without internet: variables, and `datasets`.

Nothing here changes the process's environment. huggingface_hub and datasets read
theirs once, when they are imported, so for a call in this process their switches are
set in the libraries and put back afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_SWITCHES: Final = threading.RLock()


@dataclass(frozen=True)
class Variable:
    """One environment variable of a lab machine, and why."""

    name: str
    value: str
    why: str


def variables(root: Path) -> tuple[Variable, ...]:
    """Give what a shell needs so that transformers and huggingface_hub load from ``root``."""
    return (
        Variable("HF_HUB_CACHE", f"{root}/hub", "models and data sets are read from here"),
        Variable("HF_HUB_OFFLINE", "1", "ask no server: else every load waits for time-outs"),
        Variable("HF_UPDATE_DOWNLOAD_COUNTS", "0", "datasets would report loads to a fixed host"),
        Variable("HF_HUB_DISABLE_TELEMETRY", "1", "no usage numbers to upstream"),
        Variable("HF_HUB_DISABLE_UPDATE_CHECK", "1", "the hf command would look for a new version"),
        Variable("HF_HUB_DISABLE_XET", "1", "no second transfer protocol, and no second host"),
        Variable(
            "DISABLE_SAFETENSORS_CONVERSION",
            "1",
            "transformers would ask a server to convert .bin weights",
        ),
    )


#: What the variables cannot do.
NOTES: Final = (
    "datasets prepares Arrow files in HF_DATASETS_CACHE, which must be writable; it is",
    "~/.cache/huggingface/datasets unless you set it. Offline it loads a data set by its",
    'folder, not by its id: load_dataset("$(mirror path datasets/NAMESPACE/NAME)", …).',
)


def load_snapshot(folder: Path, config: str | None, **arguments: Any) -> Any:
    """Call ``datasets.load_dataset`` on a snapshot's folder, with the network switched off.

    A folder needs no network in itself, but a card may name data files by URL: those
    fail instead of leaving the lab. ``datasets`` writes to its own HF_DATASETS_CACHE.
    With ``streaming=True`` the data is read later, when the switches are back.

    Raises what ``datasets`` raises.
    """
    import datasets

    with _offline(datasets.config):
        return datasets.load_dataset(str(folder), config, **arguments)


@contextmanager
def _offline(config: Any) -> Iterator[None]:
    from huggingface_hub import constants

    switches = [
        (config, "HF_HUB_OFFLINE", True),
        (config, "HF_UPDATE_DOWNLOAD_COUNTS", False),
        (constants, "HF_HUB_OFFLINE", True),
    ]
    with _SWITCHES:
        before = [getattr(module, name) for module, name, _ in switches]
        try:
            for module, name, value in switches:
                setattr(module, name, value)
            yield
        finally:
            for (module, name, _), value in zip(switches, before, strict=True):
                setattr(module, name, value)
