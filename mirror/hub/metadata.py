"""What upstream says about repos: info, tree, refs and lists, each answer checked.

The requests are those of the Hub's own client, so that any server which serves that
client serves us. Answers are values of ``model``; the info's JSON stays as it came.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from yarl import URL

from mirror.errors import BadAnswerError, BadNameError
from mirror.hub.answers import next_link, printable, read_json, shown, storable
from mirror.hub.model import ListedRepo, ListQuery, RepoInfo, TreeFile
from mirror.hub.retry import with_retries
from mirror.hub.session import Session
from mirror.names import MAX_REPO_SIZE, RepoKey, RepoType, check_ref_name, is_commit, is_digest

#: The Hub gives no more in one page.
PAGE: Final = 1000
#: ISO 8601 in ASCII: it is compared, sent nowhere, and kept in the report of the run.
_TIME: Final = re.compile(r"[0-9T:.Z+-]{1,40}")
_MAX_PATH: Final = 65_536


@dataclass(frozen=True)
class MetadataLimits:
    """How much of an answer is read before it is refused."""

    info_bytes: int = 128 * 2**20
    """The info call lists every file: about 100 bytes each."""
    page_bytes: int = 64 * 2**20
    pages: int = 10_000
    files: int = 1_000_000
    """Files of one commit."""
    refs: int = 100_000


class Metadata:
    """The metadata calls over a session."""

    def __init__(self, session: Session, limits: MetadataLimits) -> None:
        self._session = session
        self._limits = limits

    async def repo_info(self, key: RepoKey, revision: str | None) -> RepoInfo:
        """Ask for a repo at a revision; see :meth:`Upstream.repo_info`."""
        url = self._url(key, "" if revision is None else f"/revision/{quote(revision, safe='')}")
        raw = await self._get(url, self._limits.info_bytes)
        info = parse_info(raw, key.repo_type, url)
        if revision is not None and is_commit(revision) and info.commit != revision:
            raise BadAnswerError(f"{shown(url)} answers with the commit {info.commit}")
        return info

    async def tree(self, key: RepoKey, commit: str) -> tuple[TreeFile, ...]:
        """List every file of a commit; see :meth:`Upstream.tree`."""
        url = self._url(key, f"/tree/{quote(commit, safe='')}?recursive=true&expand=false")
        files: dict[str, TreeFile] = {}
        async for page in self._pages(url):
            for entry in page:
                file = parse_tree_entry(entry, url)
                if file is not None and file.path in files:
                    raise BadAnswerError(f"{shown(url)} lists {printable(file.path)!r} twice")
                if file is not None:
                    files[file.path] = file
            if len(files) > self._limits.files:
                raise BadAnswerError(f"{shown(url)} lists more than {self._limits.files} files")
        if sum(file.size for file in files.values()) > MAX_REPO_SIZE:
            raise BadAnswerError(f"{shown(url)} lists more than {MAX_REPO_SIZE} bytes")
        return tuple(files.values())

    async def refs(self, key: RepoKey) -> Mapping[str, str]:
        """Give every ref and its commit; see :meth:`Upstream.refs`."""
        url = self._url(key, "/refs")
        return parse_refs(await self._get(url, self._limits.page_bytes), url, self._limits.refs)

    async def list_repos(
        self, repo_type: RepoType, query: ListQuery, limit: int | None
    ) -> AsyncIterator[ListedRepo]:
        """Give the repos of a query; see :meth:`Upstream.list_repos`."""
        parameters = urlencode(list_parameters(query, limit), quote_via=quote)
        start = f"{self._session.endpoint}/api/{repo_type.plural}?{parameters}"
        url = URL(start, encoded=True)
        left = limit
        if left == 0:
            return
        async for page in self._pages(url):
            for item in page:
                repo = parse_listed(item, repo_type, url)
                if repo is not None:
                    yield repo
                    left = None if left is None else left - 1
                if left == 0:
                    return

    def _url(self, key: RepoKey, tail: str) -> URL:
        base = f"{self._session.endpoint}/api/{key.repo_type.plural}/{key.repo_id}"
        return URL(base + tail, encoded=True)

    async def _get(self, url: URL, limit: int) -> Any:
        async def once() -> Any:
            async with self._session.get_json(url) as response:
                return await read_json(response, limit)

        return await with_retries(once, self._session.backoff, self._session.counts)

    async def _pages(self, url: URL) -> AsyncIterator[list[Any]]:
        """Follow a listing page by page, as far as the limits go."""
        page: URL | None = url
        seen: set[URL] = set()
        while page is not None:
            if page in seen or len(seen) >= self._limits.pages:
                raise BadAnswerError(f"{shown(url)}: the pages of this list do not end")
            seen.add(page)
            items, page = await self._page(page)
            yield items

    async def _page(self, url: URL) -> tuple[list[Any], URL | None]:
        session = self._session

        async def once() -> tuple[Any, URL | None]:
            async with session.get_json(url) as response:
                following = next_link(response.headers, url, session.origin)
                return await read_json(response, self._limits.page_bytes), following

        items, following = await with_retries(once, session.backoff, session.counts)
        if not isinstance(items, list):
            raise BadAnswerError(f"{shown(url)} does not answer a list")
        return items, following


def list_parameters(query: ListQuery, limit: int | None) -> list[tuple[str, str]]:
    """Give the parameters of a list call, named as the Hub's own client names them."""
    named = [
        ("author", query.author),
        ("pipeline_tag", query.pipeline_tag),
        ("search", query.search),
        ("sort", query.sort),
        ("limit", str(min(limit or PAGE, PAGE))),
    ]
    return [
        *(("filter", tag) for tag in query.filters),
        *((name, value) for name, value in named if value is not None),
        *(("expand", name) for name in query.expand),
    ]


def parse_info(raw: Any, repo_type: RepoType, url: URL) -> RepoInfo:
    """Check an info answer: an object with an ``id`` that is one, and a ``sha``."""
    if not isinstance(raw, dict):
        raise BadAnswerError(f"{shown(url)} does not answer an object")
    commit = raw.get("sha")
    if not isinstance(commit, str) or not is_commit(commit):
        raise BadAnswerError(f"{shown(url)} answers without a commit hash (sha)")
    try:
        key = RepoKey(repo_type, _text(raw, "id", url))
    except BadNameError as error:
        raise BadAnswerError(f"{shown(url)}: {printable(str(error))}") from error
    return RepoInfo(key, commit, storable(raw, url))


def parse_tree_entry(entry: Any, url: URL) -> TreeFile | None:
    """Check one entry of a tree; ``None`` for what is not a file and so has no bytes."""
    if not isinstance(entry, dict):
        raise BadAnswerError(f"{shown(url)} lists something that is no object")
    if _text(entry, "type", url) != "file":
        return None
    path = _text(entry, "path", url)
    blob_id = _text(entry, "oid", url)
    lfs = entry.get("lfs")
    if not path or len(path) > _MAX_PATH or not is_commit(blob_id):
        raise BadAnswerError(f"{shown(url)}: {printable(path)!r} has no path or no git hash")
    if lfs is None:
        return TreeFile(path, _size(entry, url), blob_id)
    if not isinstance(lfs, dict) or not is_digest(_text(lfs, "oid", url)):
        raise BadAnswerError(f"{shown(url)}: {printable(path)!r} has no sha256 in its lfs field")
    return TreeFile(path, _size(lfs if "size" in lfs else entry, url), blob_id, lfs["oid"])


def parse_refs(raw: Any, url: URL, limit: int) -> Mapping[str, str]:
    """Check a refs answer; branches go before tags, tags before converts of one name."""
    if not isinstance(raw, dict):
        raise BadAnswerError(f"{shown(url)} does not answer an object")
    refs: dict[str, str] = {}
    for group, field in (("branches", "name"), ("tags", "name"), ("converts", "ref")):
        items = raw.get(group, [])
        if not isinstance(items, list) or len(items) + len(refs) > limit:
            raise BadAnswerError(f"{shown(url)}: {group} is no list, or a too long one")
        for item in items:
            name, commit = _ref(item, field, url)
            refs.setdefault(name, commit)
    return refs


def parse_listed(item: Any, repo_type: RepoType, url: URL) -> ListedRepo | None:
    """Check one line of a list; ``None`` for an id that no client could load.

    The Hub holds old repos whose ids its own client refuses (``….git``, over-long
    ones): 16 of 14,823 in a dump of 2022. They must not spoil a query.
    """
    if not isinstance(item, dict):
        raise BadAnswerError(f"{shown(url)} lists something that is no object")
    try:
        key = RepoKey(repo_type, _text(item, "id", url))
    except BadNameError:
        return None
    commit, modified = item.get("sha"), item.get("lastModified")
    return ListedRepo(
        key,
        commit if isinstance(commit, str) and is_commit(commit) else None,
        modified if isinstance(modified, str) and _TIME.fullmatch(modified) else None,
        item,
    )


def _ref(item: Any, field: str, url: URL) -> tuple[str, str]:
    if not isinstance(item, dict):
        raise BadAnswerError(f"{shown(url)} lists a ref that is no object")
    name, commit = _text(item, field, url), _text(item, "targetCommit", url)
    try:
        check_ref_name(name)
    except (BadNameError, UnicodeEncodeError) as error:
        raise BadAnswerError(f"{shown(url)}: {printable(name)!r} is no ref name") from error
    if not is_commit(commit):
        raise BadAnswerError(f"{shown(url)}: the ref {name!r} points at no commit")
    return name, commit


def _text(item: dict[str, Any], field: str, url: URL) -> str:
    value = item.get(field)
    if not isinstance(value, str):
        raise BadAnswerError(f"{shown(url)} answers without {field!r}")
    return value


def _size(item: dict[str, Any], url: URL) -> int:
    size = item.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_REPO_SIZE:
        raise BadAnswerError(f"{shown(url)} lists a file with the size {printable(repr(size))}")
    return size
