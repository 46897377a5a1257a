"""``manifest-sha256.txt``: every file of a volume, as ``sha256sum -c`` reads it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from mirror.bundle import form
from mirror.errors import DamagedBundleError

_LINE: Final = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._/-]{0,250})")


def encode_listing(digests: Mapping[str, str]) -> bytes:
    """Give the text: one line a file, sorted by path."""
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests)).encode()


def decode_listing(data: bytes, source: str) -> dict[str, str]:
    """Read path → sha256.

    Raises:
        DamagedBundleError: a line that no listing has, a path twice, not in order, or too many.
    """
    lines = data.decode("ascii", "replace").splitlines()
    if len(lines) > form.MAX_FILES + len(form.FRAME):
        raise DamagedBundleError(f"{source} lists more files than a bundle can have")
    digests: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in digests:
            raise DamagedBundleError(f"{source}, line {number}: not a line of such a list")
        digests[match[2]] = match[1]
    if encode_listing(digests) != data:  # what sha256sum reads otherwise than we do
        raise DamagedBundleError(f"{source} is not written as such a list is")
    return digests
