"""The text of a head or a receipt, the same bytes for the same value; and the id it gives. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def encode_canonical(value: Mapping[str, Any]) -> bytes:
    """Give the JSON text: sorted keys, so that it does not depend on how a value was made."""
    return (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def id_of(value: Mapping[str, Any]) -> str:
    """Give the sha256 of everything that a value says but its ``id``."""
    return hashlib.sha256(encode_canonical({**value, "id": ""})).hexdigest()
