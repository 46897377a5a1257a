"""Licences: how cards write them, and the Hub's ids.

Nothing is guessed that a lawyer would not sign: ``Apache License 2.0`` is
``apache-2.0``, but ``apache`` stays ``apache``. A text that is no id and no name of one
becomes ``other``, with the text as its name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mirror.catalog.values import MAX_VALUE

#: The Hub's ids that several words may stand for. Any one word is taken as an id as it is.
_IDS: Final = """
    afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bigscience-bloom-rail-1.0
    bigscience-openrail-m bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 cc
    cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
    cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
    cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 creativeml-openrail-m ecl-2.0 epl-1.0
    epl-2.0 eupl-1.1 eupl-1.2 gfdl gpl gpl-2.0 gpl-3.0 isc lgpl lgpl-2.1 lgpl-3.0 llama2
    llama3 llama3.1 llama3.2 llama3.3 llama4 lppl-1.3c mit mpl-2.0 ms-pl odbl odc-by
    ofl-1.1 openrail openrail++ osl-3.0 other pddl postgresql unknown unlicense wtfpl zlib
    """

LICENSES: Final = frozenset(_IDS.split())

_PHRASES: Final = (
    ("creative commons zero", "cc0"), ("creative commons", "cc"), ("attribution", "by"),
    ("non commercial", "nc"), ("noncommercial", "nc"), ("share alike", "sa"),
    ("sharealike", "sa"), ("no derivatives", "nd"), ("noderivatives", "nd"),
    ("gnu ", ""), ("affero general public", "agpl"), ("lesser general public", "lgpl"),
    ("general public", "gpl"), ("mozilla public", "mpl"), ("eclipse public", "epl"),
    ("universal", ""), ("community license", ""), ("llama ", "llama"),
)  # fmt: skip
_NOISE: Final = re.compile(r"\b(?:the|license|licence|international|version)\b")
_VERSION: Final = re.compile(r"\bv\.?\s?(?=\d)")
_JOIN: Final = re.compile(r"[\s_,()\"-]+")
_ID: Final = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_SHORT: Final = re.compile(r"(apache|l?gpl|agpl|mpl|cc-by(?:-nc)?(?:-sa|-nd)?)-?v?(\d)(\.\d)?")
_SAME: Final = {
    "cc0": "cc0-1.0",
    "cc-0": "cc0-1.0",
    "cc-0-1.0": "cc0-1.0",
    "bsd-3": "bsd-3-clause",
    "bsd-2": "bsd-2-clause",
}


@dataclass(frozen=True)
class License:
    """A licence that a repo states."""

    license: str
    """The Hub's id: ``cc-by-sa-4.0``, ``other``."""
    name: str | None = None
    """With ``other``: what it is called (``license_name``), or the text that was written."""
    link: str | None = None
    """With ``other``: where its text is (``license_link``)."""


def parse_license(text: str) -> License:
    """Read what a card says; a text that is no id becomes ``other`` with that name."""
    found = license_id(text)
    return License("other", text[:MAX_VALUE]) if found is None else License(found)


def license_id(text: str) -> str | None:
    """Give the Hub's id of what somebody wrote; ``None`` if it is a text of another kind."""
    plain = text.strip().lower().replace("_", "-")
    if _ID.fullmatch(plain):
        return _same(plain)
    words = " ".join(plain.replace("-", " ").split())
    for phrase, short in _PHRASES:
        words = words.replace(phrase, short)
    slug = _same(_JOIN.sub("-", _VERSION.sub("", _NOISE.sub(" ", words))).strip("-."))
    return slug if slug in LICENSES else None


def _same(slug: str) -> str:
    """One spelling for one licence: ``apache2``, ``gplv3`` and ``cc-by-4`` lack what ids have."""
    if (short := _SHORT.fullmatch(slug)) is not None:
        return f"{short[1]}-{short[2]}{short[3] or '.0'}"
    return _SAME.get(slug, slug)
