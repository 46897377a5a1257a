"""The form of a bundle on a disk: names, limits, and which paths there may be (format 1).

Only names are made here; nothing is read. docs/bundle-format.md specifies all of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

FORMAT: Final = 1

HEAD: Final = "bundle.json"
DOCUMENT: Final = "BUNDLE.md"
LISTING: Final = "manifest-sha256.txt"
SIGNATURE: Final = "manifest-sha256.txt.sig"
#: In a folder that is being written; goes last.
UNFINISHED: Final = "UNFINISHED.txt"

#: Beside the payload on every volume; ``SIGNATURE`` only if the bundle is signed.
FRAME: Final = (HEAD, DOCUMENT, LISTING, SIGNATURE)

RECORDS: Final = "records"
PACKS: Final = "packs"
BLOBS: Final = "blobs"
ORIGINS: Final = "origins"

#: Contents up to this size go into packs: a stick writes large files 20 times as fast as small.
SMALL: Final = 128 << 10
PACK_BYTES: Final = 64 << 20
RECORD_BYTES: Final = 64 << 20
#: FAT32 takes no file of 4 GiB: without volumes, too, every file can be copied to such a stick.
PART_BYTES: Final = (4 << 30) - (1 << 20)

#: What a bundle may hold at most. The head has about 170 bytes for a file.
MAX_HEAD_BYTES: Final = 512 << 20
MAX_LISTING_BYTES: Final = 512 << 20
MAX_SIGNATURE_BYTES: Final = 64 << 10
MAX_DOCUMENT_BYTES: Final = 64 << 20
#: What proves the signature of a bundle, and how large each may be.
PROOF: Final = {
    HEAD: MAX_HEAD_BYTES,
    LISTING: MAX_LISTING_BYTES,
    SIGNATURE: MAX_SIGNATURE_BYTES,
}
MAX_FILES: Final = 2_000_000
MAX_VOLUMES: Final = 9_999
#: Of one line of records: a manifest of half a million files.
MAX_LINE_BYTES: Final = 256 << 20

_PAYLOAD: Final = re.compile(
    r"(?P<whole>records/\d{4,6}\.jsonl"
    r"|packs/\d{4,6}\.tar"
    r"|blobs/(?P<shard>[0-9a-f]{2})/(?P<digest>(?P=shard)[0-9a-f]{62})"
    r"|origins/[0-9a-f]{64}/(?:bundle\.json|manifest-sha256\.txt(?:\.sig)?))"
    r"(?:\.part-(?P<part>\d{4}))?",
    re.ASCII,
)


@dataclass(frozen=True)
class PayloadName:
    """What a path of the payload says."""

    whole: str
    """Without the number of a part."""
    part: int
    """Counted from 1; 0 where the file is whole."""
    digest: str | None
    """Of a content in ``blobs/``."""

    @property
    def kind(self) -> str:
        """``records``, ``packs``, ``blobs`` or ``origins``."""
        return self.whole.partition("/")[0]


def read_payload_name(path: str) -> PayloadName | None:
    """Read a path of the payload; ``None`` for whatever no bundle has."""
    match = _PAYLOAD.fullmatch(path)
    if match is None or match["part"] == "0000":
        return None
    return PayloadName(match["whole"], int(match["part"] or 0), match["digest"])


def blob_path(digest: str) -> str:
    """Where a larger content lies."""
    return f"{BLOBS}/{digest[:2]}/{digest}"


def pack_path(number: int) -> str:
    """Where the pack of that number lies."""
    return f"{PACKS}/{number:04}.tar"


def record_path(number: int) -> str:
    """Where the records of that number lie."""
    return f"{RECORDS}/{number:04}.jsonl"


def origin_path(bundle: str, name: str) -> str:
    """Where a proof of an earlier bundle lies."""
    return f"{ORIGINS}/{bundle}/{name}"


def part_path(whole: str, part: int) -> str:
    """Give the name of a part; of 0 the whole file's."""
    return f"{whole}.part-{part:04}" if part else whole


def volume_folder(number: int) -> str:
    """Give the folder of a volume, where a bundle has several."""
    return f"volume-{number:03}"
