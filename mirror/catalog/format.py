"""What writing and reading a catalog must agree on, besides its tables: a few numbers and names.

Apart from ``schema``, because a search need not import SQLAlchemy for them.
"""

from __future__ import annotations

from typing import Final

#: ``PRAGMA user_version``: a catalog of another number is made anew, never converted.
SCHEMA: Final = 2
#: ``PRAGMA application_id``: "MIRR". Tells a catalog from any other SQLite file.
APPLICATION_ID: Final = 0x4D495252

#: The parts of a repo's text, the telling ones first: columns of ``documents``.
PARTS: Final = ("name", "tags", "lead", "body")
#: unicode61 with ``remove_diacritics 2``: é is e, also where it is two characters.
TOKENIZE: Final = "unicode61 remove_diacritics 2"
#: A word that so many repos have has its sets in ``word_sets``.
WORD_SET_MIN: Final = 500
