"""The JSON endpoints below ``/api/``: info, tree, paths-info, refs, commits, lists."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from tests.fakehub.content import File
from tests.fakehub.hub import FakeHub, Request
from tests.fakehub.info import expanded, listed, repo_info, siblings
from tests.fakehub.reply import Reply, error_reply, json_reply, page_not_found
from tests.fakehub.repo import Commit, FakeRepo

Form = dict[str, list[str]]
_DISABLED = "Access to this resource is disabled."


def answer(hub: FakeHub, request: Request, form: Form) -> Reply:
    """Answer whatever stands below ``/api/``."""
    if request.family == "list":
        return list_repos(hub, request)
    if request.repo is None:
        return _about_hub(hub, request)
    repo = find_repo(hub, request)
    if isinstance(repo, Reply):
        return repo
    if request.family == "refs":
        return _refs(repo, request)
    if request.family == "other":
        return _about_repo(hub, request, repo)
    commit = repo.find(request.revision)
    if commit is None:
        return error_reply(404, "RevisionNotFound", f"Invalid rev id: {request.revision}")
    if request.family == "info":
        return _info(repo, commit, request)
    if request.family == "tree":
        return _tree(hub, request, commit)
    if request.family == "paths-info":
        return _paths_info(hub, request, commit, form)
    return _commits(hub, request, commit)


def find_repo(hub: FakeHub, request: Request, *, content: bool = False) -> FakeRepo | Reply:
    """Give the repo that a request names, or the refusal: moved, missing, private, gated."""
    assert request.repo is not None
    if target := hub.redirect(request.repo_type, request.repo):
        return _moved(request, target)
    token = request.token
    if token is not None and token not in hub.tokens:
        return error_reply(401, None, "Invalid credentials in Authorization header")
    repo = hub.repos.get((request.repo_type, request.repo))
    opens = repo is not None and hub.opens(repo, token)
    if repo is None or repo.gone or (repo.private and not opens) or (repo.disabled and not token):
        return _missing(hub, token)
    if repo.disabled:
        return error_reply(403, None, _DISABLED)
    if content and repo.gated and not opens:
        message = f"Access to {repo.repo_type} {repo.repo_id} is restricted."
        return error_reply(403 if token else 401, "GatedRepo", message)
    return repo


def _missing(hub: FakeHub, token: str | None) -> Reply:
    if token is None and hub.options.missing_status == 401:
        return error_reply(401, "RepoNotFound", "Invalid username or password.")
    return error_reply(404, "RepoNotFound", "Repository not found")


def _moved(request: Request, target: str) -> Reply:
    assert request.repo is not None
    where = request.raw_path.replace(quote(request.repo), target, 1)
    query = f"?{urlencode(request.query, doseq=True)}" if request.query else ""
    body = f"Temporary Redirect. Redirecting to {where}"
    return Reply(307, {"location": where + query, "content-type": "text/plain"}).with_body(
        body.encode()
    )


def _about_hub(hub: FakeHub, request: Request) -> Reply:
    name = request.path.removeprefix("/api/")
    if name == "whoami-v2":
        if request.token not in hub.tokens:
            return error_reply(401, None, "Invalid username or password.")
        return json_reply({"type": "user", "id": "0" * 24, "name": "tester", "orgs": []})
    if name == "agent-harnesses":
        return json_reply({"standardEnvVars": [], "harnesses": {}})
    if name in ("models-tags-by-type", "datasets-tags-by-type"):
        return json_reply(_tags_by_type(hub, name.split("s-")[0]))
    return page_not_found()


def _tags_by_type(hub: FakeHub, repo_type: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = {}
    for repo in hub.repos.values():
        if repo.repo_type == repo_type:
            for tag in repo_info(repo, repo.head).get("tags", []):
                kind, _, label = tag.rpartition(":")
                found.setdefault(kind or "other", {})[tag] = {"id": tag, "label": label}
    return {kind: list(tags.values()) for kind, tags in found.items()}


def _about_repo(hub: FakeHub, request: Request, repo: FakeRepo) -> Reply:
    if request.path.endswith("/auth-check"):
        if repo.gated and not hub.opens(repo, request.token):
            return error_reply(403, "GatedRepo", "Access to this resource is restricted.")
        return Reply(200)
    return page_not_found()


def _info(repo: FakeRepo, commit: Commit, request: Request) -> Reply:
    info = repo_info(repo, commit)
    if "expand" in request.query:
        return json_reply(expanded(info, request.query["expand"]))
    if _true(request, "blobs"):
        info["siblings"] = siblings(commit, blobs=True)
    if _true(request, "securityStatus"):
        info["securityRepoStatus"] = {"scansDone": True, "filesWithIssues": []}
    return json_reply(info)


# --- trees --------------------------------------------------------------------


def _tree(hub: FakeHub, request: Request, commit: Commit) -> Reply:
    folder = request.file.strip("/")
    entries = tree_entries(hub, commit, folder, recursive=_true(request, "recursive"))
    if folder and not entries:
        return error_reply(
            404, "EntryNotFound", f"{folder} does not exist", x_repo_commit=commit.id
        )
    expand = _true(request, "expand")
    size = min(hub.options.page_size, 50 if expand else 1000)
    if limit := request.query.get("limit"):
        size = min(size, int(limit[0]))
    return _page(
        hub, request, entries, size, lambda one: _with_commit(one, commit) if expand else one
    )


def tree_entries(
    hub: FakeHub, commit: Commit, folder: str, *, recursive: bool
) -> list[dict[str, Any]]:
    """List files and folders below ``folder``, sorted by path."""
    prefix = f"{folder}/" if folder else ""
    folders: set[str] = set()
    found: list[dict[str, Any]] = []
    for path, file in commit.files.items():
        if not path.startswith(prefix):
            continue
        parts = path[len(prefix) :].split("/")
        depth = len(parts) if recursive else 2
        folders.update(prefix + "/".join(parts[:n]) for n in range(1, min(depth, len(parts))))
        if recursive or len(parts) == 1:
            found.append(file_entry(hub, path, file))
    found += [_folder_entry(commit, path) for path in folders]
    return sorted(found, key=lambda entry: entry["path"])


def file_entry(hub: FakeHub, path: str, file: File) -> dict[str, Any]:
    """One file of a tree or of paths-info."""
    entry: dict[str, Any] = {
        "type": "file",
        "oid": file.blob_id,
        "size": file.content.size,
        "path": path,
    }
    if file.is_lfs:
        entry["lfs"] = file.lfs
        if hub.options.xet:
            entry["xetHash"] = hashlib.sha256(file.content.sha256.encode()).hexdigest()
    return entry


def _folder_entry(commit: Commit, path: str) -> dict[str, Any]:
    text = f"{commit.id}:{path}".encode(errors="surrogatepass")
    oid = hashlib.sha1(text, usedforsecurity=False).hexdigest()
    return {"type": "directory", "oid": oid, "size": 0, "path": path}


def _paths_info(hub: FakeHub, request: Request, commit: Commit, form: Form) -> Reply:
    found = []
    for path in form.get("paths", []):
        path = path.strip("/")
        if path in commit.files:
            found.append(file_entry(hub, path, commit.files[path]))
        elif any(name.startswith(f"{path}/") for name in commit.files):
            found.append(_folder_entry(commit, path))
    if form.get("expand", ["false"])[0].lower() == "true":
        found = [_with_commit(entry, commit) for entry in found]
    return json_reply(found)


def _with_commit(entry: dict[str, Any], commit: Commit) -> dict[str, Any]:
    last = _last_change(commit, entry["path"])
    facts = {"id": last.id, "title": last.title, "date": last.date_text}
    extra: dict[str, Any] = {"lastCommit": facts}
    if entry["type"] == "file":
        scan = {"status": "safe"}
        extra["securityFileStatus"] = {**scan, "avScan": scan, "pickleImportScan": None}
    return {**entry, **extra}


def _last_change(commit: Commit, path: str) -> Commit:
    """The newest commit that changed a file, or any file below a folder."""
    changes = commit.last_changes
    below = [one for name, one in changes.items() if name == path or name.startswith(f"{path}/")]
    return max(below, key=lambda one: one.date)


# --- refs, commits, lists --------------------------------------------------------


def _refs(repo: FakeRepo, request: Request) -> Reply:
    tables = {
        "branches": ("refs/heads/", repo.branches),
        "converts": ("refs/convert/", repo.converts),
        "tags": ("refs/tags/", repo.tags),
    }
    if _true(request, "include_prs") or request.query.get("include_prs") == ["1"]:
        tables["pullRequests"] = ("refs/pr/", repo.pulls)
    return json_reply(
        {
            kind: [
                {"name": name, "ref": prefix + name, "targetCommit": commit}
                for name, commit in table.items()
            ]
            for kind, (prefix, table) in tables.items()
        }
    )


def _commits(hub: FakeHub, request: Request, commit: Commit) -> Reply:
    found = commit.history()
    limit = int(request.query.get("limit", ["50"])[0])
    reply = _page(hub, request, found, min(limit, hub.options.page_size), _commit_entry)
    reply.headers["x-total-count"] = str(len(found))
    return reply


def _commit_entry(commit: Commit) -> dict[str, Any]:
    return {
        "id": commit.id,
        "title": commit.title,
        "message": "",
        "authors": [{"user": commit.author, "avatar": ""}],
        "date": commit.date_text,
    }


_SORTS: dict[str, Callable[[FakeRepo], Any]] = {
    "lastModified": lambda repo: repo.head.date,
    "createdAt": lambda repo: repo.created,
    "downloads": lambda repo: repo.downloads,
    "likes": lambda repo: repo.likes,
    "trendingScore": lambda repo: repo.likes,
}
#: Everything else is refused: a filter that is silently ignored would let a test pass.
_LIST_PARAMETERS = {
    *("filter", "author", "search", "pipeline_tag", "gated"),
    *("sort", "direction", "limit", "cursor"),
    *("full", "config", "cardData", "expand"),
}
#: Parameters that need the whole info JSON to be decided.
_BY_INFO = {"filter", "pipeline_tag", "gated"}


def list_repos(hub: FakeHub, request: Request) -> Reply:
    """Answer ``/api/models`` and its like: filtered, sorted, by pages."""
    query = request.query
    sort = query.get("sort", ["trendingScore"])[0]
    if sort not in _SORTS:
        return error_reply(400, None, "Invalid sort parameter")
    if unknown := query.keys() - _LIST_PARAMETERS:
        return error_reply(400, None, f"not known to this hub: {', '.join(sorted(unknown))}")
    if "expand" in query and query.keys() & {"full", "config", "cardData"}:
        return error_reply(400, None, "expand cannot be combined with full, config or cardData")
    found = [repo for repo in list(hub.repos.values()) if _listable(hub, repo, request)]
    if _BY_INFO & query.keys():
        found = [repo for repo in found if _matches(repo_info(repo, repo.head), query)]
    found.sort(key=lambda repo: repo.repo_id)
    found.sort(key=_SORTS[sort], reverse=query.get("direction", ["-1"])[0] != "1")
    limit = max(1, int(query.get("limit", ["1000"])[0]))
    return _page(
        hub,
        request,
        found,
        min(limit, 1000, hub.options.page_size),
        lambda repo: listed(repo_info(repo, repo.head), request.repo_type, query),
    )


def _listable(hub: FakeHub, repo: FakeRepo, request: Request) -> bool:
    query = request.query
    if repo.repo_type != request.repo_type or "main" not in repo.branches:
        return False
    if repo.gone or repo.disabled or (repo.private and not hub.opens(repo, request.token)):
        return False
    name = repo.repo_id.lower()
    if "author" in query and not name.startswith(f"{query['author'][0].lower()}/"):
        return False
    return all(word.lower() in name for word in query.get("search", ()))


def _matches(info: dict[str, Any], query: dict[str, list[str]]) -> bool:
    wanted = [word for text in query.get("filter", ()) for word in text.split(",")]
    tags = {*info.get("tags", ()), info.get("pipeline_tag")}
    return (
        all(tag in tags for tag in wanted)
        and query.get("pipeline_tag", [info.get("pipeline_tag")])[0] == info.get("pipeline_tag")
        and ("gated" not in query or bool(info["gated"]) == (query["gated"] == ["true"]))
    )


Item = TypeVar("Item")


def _page(
    hub: FakeHub,
    request: Request,
    items: Sequence[Item],
    size: int,
    entry: Callable[[Item], object],
) -> Reply:
    """Give one page; the cursor is the place where the next one starts."""
    start = int(request.query.get("cursor", ["0"])[0])
    reply = json_reply([entry(item) for item in items[start : start + size]])
    if start + size < len(items):
        query = urlencode({**request.query, "cursor": [str(start + size)]}, doseq=True)
        origin = hub.options.link_origin or f"http://{request.headers.get('host', '')}"
        reply.headers["link"] = f'<{origin}{request.raw_path}?{query}>; rel="next"'
    return reply


def _true(request: Request, name: str) -> bool:
    return request.query.get(name, [""])[0].lower() in ("true", "1")
