"""docs/catalog.md is for people with their own tools: it must name all that is there."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

from mirror.catalog import SCHEMA, reindex
from mirror.catalog.format import APPLICATION_ID
from mirror.store import Store

PAGE = Path(__file__).parents[2] / "docs" / "catalog.md"


def documented() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for section in PAGE.read_text(encoding="utf-8").split("\n### ")[1:]:
        name = section.partition("\n")[0].strip("`")
        text = section.partition("\n## ")[0]
        found[name] = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    return found


def test_every_table_view_and_column_is_documented(store: Store, path: Path) -> None:
    reindex(store, path)
    connection = sqlite3.connect(path)
    names = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')"
        " AND name NOT LIKE 'documents_fts%' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    there = {
        name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
        for (name,) in names
    }
    connection.close()

    assert documented() == there


def test_the_numbers_are_right() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert f"`PRAGMA user_version` (now {SCHEMA})" in text
    assert f"0x{APPLICATION_ID:X}" in text
