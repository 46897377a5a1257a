"""FakeHub: a small, honest Hub for reading, on loopback, with faults on demand.

It speaks the read half of the Hub's protocol well enough for the real
``huggingface_hub``, ``datasets`` and ``transformers``. It keeps repos in memory (or
serves a folder from disk), with commits, branches, tags and LFS files.

It does not write, has no Xet storage and no web pages.

    hub = FakeHub()
    hub.add_repo("model", "acme/tiny", {"config.json": b"{}", "model.safetensors": b"..."})
    with serve(hub) as endpoint:
        hub.fault("resolve", path="*.safetensors", kind=Truncate(at=1000))
        ...
    assert hub.paths("resolve") == [...]
"""

from tests.fakehub.content import Content, DiskContent, MemoryContent, PatternContent
from tests.fakehub.faults import (
    Call,
    Corrupt,
    Edit,
    EditJson,
    Fault,
    Reset,
    Slow,
    Stall,
    Status,
    Throttle,
    Truncate,
    WrongLength,
)
from tests.fakehub.hub import FakeHub, Request
from tests.fakehub.repo import Commit, FakeRepo
from tests.fakehub.server import serve

__all__ = [
    "Call",
    "Commit",
    "Content",
    "Corrupt",
    "DiskContent",
    "Edit",
    "EditJson",
    "FakeHub",
    "FakeRepo",
    "Fault",
    "MemoryContent",
    "PatternContent",
    "Request",
    "Reset",
    "Slow",
    "Stall",
    "Status",
    "Throttle",
    "Truncate",
    "WrongLength",
    "serve",
]
