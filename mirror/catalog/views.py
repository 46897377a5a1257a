"""Views with plain names, for people and their tools; the program itself uses none.

docs/catalog.md explains every column.
"""

from __future__ import annotations

from typing import Final


def _list(column: str, table: str, condition: str = "1") -> str:
    """A repo's values in their own order, each once, as one text."""
    return (
        f"(SELECT group_concat(value, ', ') FROM (SELECT {column} AS value FROM {table} "  # noqa: S608
        f"WHERE {table}.repo = repos.repo AND {condition} "
        "GROUP BY value ORDER BY min(position)))"
    )


_COMMON: Final = f"""
    repo_id,
    title,
    {_list("task", "repo_tasks", "kind = 'task'")} AS tasks,
    {_list("language", "repo_languages")} AS languages,
    {_list("coalesce(name, license)", "repo_licenses")} AS licenses,
    {_list("library", "repo_libraries")} AS libraries,
    downloads,
    likes,
    counts_seen,
    created,
    last_modified,
    coalesce(gated, 'no') AS gated,
    present_files AS files,
    present_size AS size,
    CASE partial WHEN 1 THEN 'yes' ELSE 'no' END AS partial,
    upstream_state,
    commit_hash,
    summary"""

#: Name → SELECT.
VIEWS: Final = {
    "models": f"SELECT{_COMMON},\n    parameters\nFROM repos WHERE repo_type = 'model'",
    "datasets": f"SELECT{_COMMON}\nFROM repos WHERE repo_type = 'dataset'",
    "spaces": f"SELECT{_COMMON},\n    sdk\nFROM repos WHERE repo_type = 'space'",
    "dataset_splits": """SELECT
    repos.repo_id, splits.subset, splits.split, splits.rows, splits.rows_from,
    splits.num_bytes, splits.files, splits.file_bytes
FROM splits
JOIN subsets ON subsets.repo = splits.repo AND subsets.subset = splits.subset
JOIN repos ON repos.repo = splits.repo
ORDER BY repos.repo_id, subsets.position, splits.position""",
    "repo_files": """SELECT
    repos.repo_type, repos.repo_id, repos.commit_hash, files.path, files.size,
    files.sha256, files.present, files.absent_because
FROM files JOIN repos ON repos.repo = files.repo""",
    "repo_tag_list": """SELECT repos.repo_type, repos.repo_id, repo_tags.tag
FROM repo_tags JOIN repos ON repos.repo = repo_tags.repo""",
    "card_texts": """SELECT repos.repo_type, repos.repo_id, cards.body, cards.data, cards.problems
FROM cards JOIN repos ON repos.repo = cards.repo""",
}
