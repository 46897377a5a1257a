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
    state,
    upstream_state,
    commit_hash,
    summary"""

#: Name → SELECT.
VIEWS: Final = {
    "models": f"""SELECT{_COMMON},
    parameters,
    {_list("value", "repo_values", "field = 'dtype'")} AS dtypes,
    {_list("value", "repo_values", "field = 'format'")} AS formats,
    {_list("value", "repo_values", "field = 'quantization'")} AS quantizations,
    {_list("value", "repo_values", "field = 'kind'")} AS kinds,
    {_list("target", "repo_links", "kind = 'base_model'")} AS base_models
FROM repos WHERE repo_type = 'model'""",
    "datasets": f"""SELECT{_COMMON},
    rows,
    {_list("value", "repo_values", "field = 'format'")} AS formats,
    {_list("value", "repo_values", "field = 'modality'")} AS modalities,
    {_list("value", "repo_values", "field = 'size_category'")} AS size_categories
FROM repos WHERE repo_type = 'dataset'""",
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
    "evaluation_results": """SELECT
    repos.repo_type, repos.repo_id, evaluations.task,
    coalesce(evaluations.dataset, evaluations.dataset_name) AS dataset,
    evaluations.subset, evaluations.split, evaluations.metric, evaluations.value,
    evaluations.source, evaluations.verified, evaluations.date, evaluations.url
FROM evaluations JOIN repos ON repos.repo = evaluations.repo""",
    "lineage": """SELECT
    repos.repo_type, repos.repo_id,
    CASE repo_links.kind WHEN 'base_model' THEN 'made from'
        WHEN 'dataset' THEN 'trained on' ELSE repo_links.kind END AS how,
    repo_links.relation, repo_links.target,
    coalesce(targets.state, 'not in the catalog') AS target_state
FROM repo_links
JOIN repos ON repos.repo = repo_links.repo
LEFT JOIN repos AS targets ON targets.repo_id = repo_links.target
    AND targets.repo_type = CASE repo_links.kind WHEN 'dataset' THEN 'dataset' ELSE 'model' END
WHERE repo_links.kind IN ('base_model', 'dataset', 'model')""",
    "papers": """SELECT repos.repo_type, repos.repo_id, repo_links.target AS arxiv
FROM repo_links JOIN repos ON repos.repo = repo_links.repo
WHERE repo_links.kind = 'arxiv'""",
    "upstream_events": """SELECT
    repos.repo_type, repos.repo_id, events.time, events.what, events.before, events.after,
    events.detail
FROM events JOIN repos ON repos.repo = events.repo""",
    "facet_counts": """SELECT field, value, repos FROM value_sets WHERE shown = 1""",
}

#: What a view or table has, in a few words: ``mirror sql`` without a statement lists them.
ABOUT: Final = {
    "models": "a row for each model: tasks, languages, licences, counts, types of weights",
    "datasets": "a row for each data set",
    "spaces": "a row for each space",
    "dataset_splits": "subsets and splits of data sets, with rows and bytes",
    "repo_files": "every file of each described snapshot",
    "repo_tag_list": "every tag of each repo",
    "card_texts": "cards: the text, and the front matter as JSON",
    "evaluation_results": "results that models state, by data set and metric",
    "lineage": "base models and training data that repos name",
    "papers": "arXiv numbers that repos name",
    "upstream_events": "licence changed, gated, gone: what changed upstream",
    "facet_counts": "how many repos have each value of each field",
    "repos": "a row for each repo; the tables of details hang on repos.repo",
    "documents_fts": "the full text index of documents",
    "value_sets": "sets of repos by value, as bitmaps",
    "word_sets": "sets of repos by frequent word, as bitmaps",
    "orders": "repos in the order of each sort, as numbers",
}
