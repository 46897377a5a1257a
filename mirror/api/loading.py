"""Loading what is mirrored on a machine without internet: variables, and `datasets`.

Nothing here changes the process's environment. huggingface_hub and datasets read
theirs once, when they are imported, so for a call in this process their switches are
set in the libraries and put back afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from mirror.errors import UnsafePathError, UsageError

_SWITCHES: Final = threading.RLock()

#: Protocols that name a file inside another file.
_CONTAINERS: Final = {"zip", "tar", "gzip", "bz2", "xz", "lz4", "zstd"}


@dataclass(frozen=True)
class Variable:
    """One environment variable of a lab machine, and why."""

    name: str
    value: str
    why: str


#: No calls to anything but the endpoint, whichever that is.
_QUIET: Final = (
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


def variables(root: Path) -> tuple[Variable, ...]:
    """Give what a shell needs so that transformers and huggingface_hub load from ``root``."""
    return (
        Variable("HF_HUB_CACHE", f"{root}/hub", "models and data sets are read from here"),
        Variable("HF_HUB_OFFLINE", "1", "ask no server: else every load waits for time-outs"),
        *_QUIET,
    )


#: Variables that would keep a client from asking HF_ENDPOINT, each with the reason.
IN_THE_WAY: Final = {
    "HF_HUB_OFFLINE": "it forbids every request",
    "TRANSFORMERS_OFFLINE": "an older name of the same",
    "HF_DATASETS_OFFLINE": "an older name of the same",
    "HUGGINGFACE_CO_STAGING": "it overrides HF_ENDPOINT",
}


def endpoint_variables(endpoint: str) -> tuple[Variable, ...]:
    """Give what a shell needs so that every client of the Hub asks ``endpoint`` instead.

    Raises:
        UsageError: no URL of a server.
    """
    try:
        url = urlsplit(endpoint)
    except ValueError:  # half of an IPv6 address
        url = urlsplit("")
    if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment:
        raise UsageError(
            f"{endpoint!r} is not the address of a server", hint="such as http://hub.lab"
        )
    # With a slash at its end, datasets would ask for //datasets/…
    value = endpoint.rstrip("/")
    return (Variable("HF_ENDPOINT", value, "the Hub that every client asks"), *_QUIET)


#: What the variables cannot do.
NOTES: Final = (
    "datasets prepares Arrow files in HF_DATASETS_CACHE, which must be writable; it is",
    "~/.cache/huggingface/datasets unless you set it. Offline it loads a data set by its",
    'folder, not by its id: load_dataset("$(mirror path datasets/NAMESPACE/NAME)", …).',
)


def load_snapshot(folder: Path, config: str | None, **arguments: Any) -> Any:
    """Call ``datasets.load_dataset`` on a snapshot's folder, with the network switched off.

    ``datasets`` writes to its own HF_DATASETS_CACHE. With ``streaming=True`` the data is
    read later, when the switches are back; all of it lies in the folder.

    Raises:
        UnsafePathError: the card names data outside of its repo.

    And what ``datasets`` raises.
    """
    import datasets

    check_data_files(folder)
    with _offline(datasets.config):
        return datasets.load_dataset(str(folder), config, **arguments)


def check_data_files(folder: Path) -> None:
    """Refuse a data set whose card names data by URL, or elsewhere on this machine.

    On the Hub ``data_files`` stay in the repo. In a folder ``datasets`` would follow
    ``https://…``, past its own offline switch (tried with 5.2), and ``../../``.

    Raises:
        UnsafePathError: names what it leads to.
    """
    for name, settings in _configs(folder).items():
        for pattern in _texts([settings.get("data_files"), settings.get("data_dir")]):
            if _leads_out(pattern):
                raise UnsafePathError(
                    pattern, f"the subset {name} would read it, outside of its repo"
                )


def _configs(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """Read the subsets just as ``datasets`` does for a folder."""
    import yaml
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard, DatasetCardData

    card, extra = folder / "README.md", folder / ".huggingface.yaml"
    data = DatasetCard.load(card).data if card.is_file() else DatasetCardData()
    if extra.exists() and (more := yaml.safe_load(extra.read_text(encoding="utf-8"))):
        data = DatasetCardData(**(data.to_dict() | more))
    found: Mapping[str, Mapping[str, Any]] = MetadataConfigs.from_dataset_card_data(data)
    return found


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _leads_out(pattern: str) -> bool:
    """Whether a pattern may match outside of its folder; ``zip://a.csv::b.zip`` does not."""
    for part in pattern.split("::"):
        protocol, _, path = part.rpartition("://")
        if protocol and protocol not in _CONTAINERS:
            return True
        if path.startswith(("/", "~")) or ".." in path.replace("\\", "/").split("/"):
            return True
    return False


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
