from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from yarl import URL

from mirror.errors import BadAnswerError, RepoGoneError, RepoUnauthorizedError, RevisionGoneError
from mirror.hub import ListQuery, TreeFile
from mirror.hub.metadata import (
    MetadataLimits,
    parse_info,
    parse_listed,
    parse_refs,
    parse_tree_entry,
)
from mirror.names import RepoKey, RepoType
from tests.fakehub import EditJson, FakeHub
from tests.hub.making import COMMIT, KEY, ask, everything, upstream
from tests.hub.raw import Asked, answer, serving

URL_ = URL("https://hub.example/api/models/acme/tiny")
OID = "a" * 40
SHA256 = "b" * 64
FILES = {"config.json": b"{}", "sub dir/한글 #1.txt": b"x", "model.safetensors": b"w" * 9000}


def test_info_is_given_raw_with_the_commit(hub: FakeHub) -> None:
    repo = hub.add_repo("model", "acme/tiny", FILES, downloads=7)
    info, there = ask(hub.endpoint, lambda up: up.repo_info(KEY, "main"))
    assert (info.key, info.commit) == (KEY, repo.sha)
    assert info.raw["downloads"] == 7
    assert there.counts.api == 1
    assert hub.asked()[0].headers["user-agent"].startswith("hub-mirror/")


def test_info_of_a_renamed_repo_has_the_new_key(hub: FakeHub) -> None:
    hub.add_repo("model", "openai-community/gpt2", FILES)
    hub.alias("model", "gpt2", "openai-community/gpt2")
    info, _ = ask(hub.endpoint, lambda up: up.repo_info(RepoKey(RepoType.MODEL, "gpt2")))
    assert info.key == RepoKey(RepoType.MODEL, "openai-community/gpt2")


def test_a_revision_with_slashes_is_quoted(hub: FakeHub) -> None:
    repo = hub.add_repo("dataset", "acme/set", FILES)
    commit = repo.commit({"x.parquet": b"P"}, ref="refs/convert/parquet")
    key = RepoKey(RepoType.DATASET, "acme/set")
    info, _ = ask(hub.endpoint, lambda up: up.repo_info(key, "refs/convert/parquet"))
    assert info.commit == commit
    assert hub.asked()[0].raw_path.endswith("/revision/refs%2Fconvert%2Fparquet")


def test_what_is_not_there_is_told_apart(hub: FakeHub) -> None:
    hub.add_repo("model", "acme/tiny", FILES)
    with pytest.raises(RevisionGoneError):
        ask(hub.endpoint, lambda up: up.repo_info(KEY, "v9"))
    with pytest.raises((RepoUnauthorizedError, RepoGoneError)):
        ask(hub.endpoint, lambda up: up.repo_info(RepoKey(RepoType.MODEL, "acme/none")))


def test_an_answer_about_another_commit_is_refused(hub: FakeHub) -> None:
    repo = hub.add_repo("model", "acme/tiny", FILES)
    hub.fault("info", kind=EditJson(lambda raw: {**raw, "sha": COMMIT}))
    with pytest.raises(BadAnswerError, match="answers with the commit"):
        ask(hub.endpoint, lambda up: up.repo_info(KEY, repo.sha))


@pytest.mark.parametrize(
    "raw",
    [
        [],
        None,
        {"id": "acme/tiny"},
        {"id": "acme/tiny", "sha": None},
        {"id": "acme/tiny", "sha": "main"},
        {"id": "acme/tiny", "sha": "A" * 40},
        {"sha": OID},
        {"id": 7, "sha": OID},
        {"id": "../../etc", "sha": OID},
        {"id": "a/b/c", "sha": OID},
    ],
)
def test_an_info_answer_must_have_an_id_and_a_commit(raw: Any) -> None:
    with pytest.raises(BadAnswerError, match=r"hub\.example"):
        parse_info(raw, RepoType.MODEL, URL_)


def test_the_tree_has_every_file_over_all_pages(hub: FakeHub) -> None:
    many = {f"data/part-{number:03}.txt": str(number) for number in range(25)}
    repo = hub.add_repo("model", "acme/tiny", {**FILES, **many})
    hub.options.page_size = 7
    files, there = ask(hub.endpoint, lambda up: up.tree(KEY, repo.sha))
    expected = {
        (path, file.content.size, file.blob_id, file.content.sha256 if file.is_lfs else None)
        for path, file in repo.head.files.items()
    }
    assert {(it.path, it.size, it.blob_id, it.lfs_sha256) for it in files} == expected
    assert len(files) == 28
    assert there.counts.api == len(hub.asked("tree")) > 3
    assert hub.asked("tree")[0].query == {"recursive": ["true"], "expand": ["false"]}


def test_the_same_requests_as_the_hubs_own_client(hub: FakeHub) -> None:
    from huggingface_hub import HfApi

    repo = hub.add_repo("dataset", "acme/set", FILES)
    key = RepoKey(RepoType.DATASET, "acme/set")
    api = HfApi(endpoint=hub.endpoint)
    api.dataset_info("acme/set", revision="main")
    list(api.list_repo_tree("acme/set", repo_type="dataset", revision=repo.sha, recursive=True))
    api.list_repo_refs("acme/set", repo_type="dataset")
    list(api.list_datasets(author="acme", filter=["ko", "license:mit"], limit=5, expand=["sha"]))
    theirs = [(it.raw_path, it.query) for it in hub.asked()]
    hub.clear()

    async def same(up: Any) -> None:
        await up.repo_info(key, "main")
        await up.tree(key, repo.sha)
        await up.refs(key)
        query = ListQuery(author="acme", filters=("ko", "license:mit"), expand=("sha",))
        await everything(up.list_repos(RepoType.DATASET, query, 5))

    ask(hub.endpoint, same)
    assert [(it.raw_path, it.query) for it in hub.asked()] == theirs


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"type": "file", "path": "a", "size": 3, "oid": OID}, TreeFile("a", 3, OID)),
        ({"type": "file", "path": "a", "size": 0, "oid": OID, "lfs": None}, TreeFile("a", 0, OID)),
        (
            {
                "type": "file",
                "path": "a",
                "size": 130,
                "oid": OID,
                "lfs": {"oid": SHA256, "size": 9, "pointerSize": 130},
                "xetHash": "c" * 64,
            },
            TreeFile("a", 9, OID, SHA256),
        ),
        # Paths are judged where they are used; here they only have to be text.
        (
            {"type": "file", "path": "../../x", "size": 1, "oid": OID},
            TreeFile("../../x", 1, OID),
        ),
        ({"type": "directory", "path": "d", "oid": OID}, None),
        ({"type": "submodule", "path": "d"}, None),
    ],
)
def test_tree_entries(entry: Any, expected: TreeFile | None) -> None:
    assert parse_tree_entry(entry, URL_) == expected


GOOD = {"type": "file", "path": "a", "size": 3, "oid": OID}


@pytest.mark.parametrize(
    "entry",
    [
        "a",
        None,
        {},
        {**GOOD, "type": 1},
        {**GOOD, "path": ""},
        {**GOOD, "path": None},
        {**GOOD, "path": "x" * 100_000},
        {**GOOD, "size": -1},
        {**GOOD, "size": "3"},
        {**GOOD, "size": 3.5},
        {**GOOD, "size": True},
        {**GOOD, "size": 10**30},
        {**GOOD, "oid": "zz"},
        {**GOOD, "oid": None},
        {**GOOD, "lfs": "yes"},
        {**GOOD, "lfs": {"oid": OID, "size": 3}},
        {**GOOD, "lfs": {"oid": SHA256, "size": -3}},
    ],
)
def test_tree_entries_that_cannot_be_are_refused(entry: Any) -> None:
    with pytest.raises(BadAnswerError, match=r"hub\.example"):
        parse_tree_entry(entry, URL_)


def test_a_path_listed_twice_is_refused(hub: FakeHub) -> None:
    repo = hub.add_repo("model", "acme/tiny", FILES)
    hub.fault("tree", kind=EditJson(lambda entries: [*entries, *entries]))
    with pytest.raises(BadAnswerError, match="twice"):
        ask(hub.endpoint, lambda up: up.tree(KEY, repo.sha))


def test_a_next_page_on_a_foreign_host_is_refused_and_never_asked(hub: FakeHub) -> None:
    repo = hub.add_repo("model", "acme/tiny", {f"{n}.txt": b"" for n in range(9)})
    hub.options.page_size = 4
    hub.add_token("hf_secret")

    async def nothing(asked: Asked, writer: object) -> bytes:
        return answer(b"[]")

    with serving(nothing) as foreign:
        hub.options.link_origin = foreign.endpoint
        with pytest.raises(BadAnswerError, match="next page"):
            ask(hub.endpoint, lambda up: up.tree(KEY, repo.sha), token="hf_secret")
        assert foreign.asked == []


def test_pages_that_do_not_end_are_refused() -> None:
    async def endless(asked: Asked, writer: object) -> bytes:
        number = len(server.asked)
        return answer(b"[]", link=f'</api/models?page={number}>; rel="next"')

    async def circle(asked: Asked, writer: object) -> bytes:
        return answer(b"[]", link=f'<{asked.target}>; rel="next"')

    for script in (endless, circle):
        with serving(script) as server, pytest.raises(BadAnswerError, match="do not end"):
            ask(
                server.endpoint,
                lambda up: everything(up.list_repos(RepoType.MODEL, ListQuery())),
                limits=MetadataLimits(pages=20),
            )


def test_more_files_than_the_limit_are_refused(hub: FakeHub) -> None:
    repo = hub.add_repo("model", "acme/tiny", FILES)
    with pytest.raises(BadAnswerError, match="more than 2 files"):
        ask(hub.endpoint, lambda up: up.tree(KEY, repo.sha), limits=MetadataLimits(files=2))


@pytest.mark.parametrize("packed", [False, True])
def test_a_huge_answer_is_refused(packed: bool) -> None:
    """A few packed kilobytes must not become gigabytes in memory either."""
    body = b"[" + b" " * 3_000_000 + b"]"
    sent = gzip.compress(body) if packed else body

    async def script(asked: Asked, writer: object) -> bytes:
        return answer(sent, content_encoding="gzip" if packed else "")

    with serving(script) as server, pytest.raises(BadAnswerError, match="more than 1000000 bytes"):
        ask(
            server.endpoint,
            lambda up: up.refs(KEY),
            limits=MetadataLimits(page_bytes=1_000_000),
        )


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"a":', b"\xff\xfe", b"[" * 100_000, b"1" * 10_000]
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    async def script(asked: Asked, writer: object) -> bytes:
        return answer(body)

    with serving(script) as server, pytest.raises(BadAnswerError, match="/api/models/acme/tiny"):
        ask(server.endpoint, lambda up: up.repo_info(KEY))


def test_refs_have_full_names(hub: FakeHub) -> None:
    repo = hub.add_repo("dataset", "acme/set", FILES)
    first = repo.sha
    repo.tag("v1", first)
    second = repo.commit({"a": b"1"}, ref="feature/x")
    third = repo.commit({"p": b"1"}, ref="refs/convert/parquet")
    key = RepoKey(RepoType.DATASET, "acme/set")
    refs, _ = ask(hub.endpoint, lambda up: up.refs(key))
    assert refs == {
        "main": first,
        "feature/x": second,
        "v1": first,
        "refs/convert/parquet": third,
    }


@pytest.mark.parametrize(
    "raw",
    [
        [],
        {"branches": {}},
        {"branches": ["main"]},
        {"branches": [{"name": "main"}]},
        {"branches": [{"name": "main", "targetCommit": "x"}]},
        {"branches": [{"name": "../x", "targetCommit": OID}]},
        {"branches": [{"name": "\ud800", "targetCommit": OID}]},
        {"tags": [{"name": f"v{n}", "targetCommit": OID} for n in range(11)]},
    ],
)
def test_refs_that_cannot_be_are_refused(raw: Any) -> None:
    with pytest.raises(BadAnswerError, match=r"hub\.example"):
        parse_refs(raw, URL_, limit=10)


def test_a_list_gives_ids_heads_and_times(hub: FakeHub) -> None:
    for number in range(5):
        hub.add_repo("model", f"acme/m{number}", {"a": str(number)})
    hub.add_repo("model", "other/m", {"a": b"1"})
    hub.options.page_size = 2
    query = ListQuery(author="acme", sort="lastModified")
    found, there = ask(hub.endpoint, lambda up: everything(up.list_repos(RepoType.MODEL, query)))
    expected = {f"acme/m{n}": hub.repo("model", f"acme/m{n}").sha for n in range(5)}
    assert {repo.key.repo_id: repo.commit for repo in found} == expected
    times = [repo.last_modified for repo in found]
    assert times == sorted((time for time in times if time), reverse=True)
    assert there.counts.api == 3


@pytest.mark.parametrize(("limit", "requests", "asked_for"), [(0, 0, None), (3, 2, "3")])
def test_a_list_stops_at_its_limit(
    hub: FakeHub, limit: int, requests: int, asked_for: str | None
) -> None:
    for number in range(9):
        hub.add_repo("model", f"acme/m{number}", {"a": str(number)})
    hub.options.page_size = 2
    found, _ = ask(
        hub.endpoint, lambda up: everything(up.list_repos(RepoType.MODEL, ListQuery(), limit))
    )
    assert len(found) == limit
    assert len(hub.asked("list")) == requests
    assert {it.query["limit"][0] for it in hub.asked("list")[:1]} == {asked_for} - {None}


def test_ids_that_no_client_can_load_do_not_spoil_a_list() -> None:
    items = [{"id": "glasses/resnet.git"}, {"id": "acme/tiny", "sha": 7, "lastModified": None}]

    async def script(asked: Asked, writer: object) -> bytes:
        return answer(json.dumps(items).encode())

    with serving(script) as server:
        found, _ = ask(
            server.endpoint, lambda up: everything(up.list_repos(RepoType.MODEL, ListQuery()))
        )
    assert [(repo.key, repo.commit, repo.last_modified) for repo in found] == [(KEY, None, None)]


@pytest.mark.parametrize("body", [b"{}", b"[1]", b'[{"id": 1}]', b'[{"name": "x"}]'])
def test_a_list_of_something_else_is_refused(body: bytes) -> None:
    async def script(asked: Asked, writer: object) -> bytes:
        return answer(body)

    with serving(script) as server, pytest.raises(BadAnswerError):
        ask(server.endpoint, lambda up: everything(up.list_repos(RepoType.MODEL, ListQuery())))


def test_it_must_be_opened_before_use() -> None:
    import asyncio

    with pytest.raises(RuntimeError, match="context manager"):
        asyncio.run(upstream("http://127.0.0.1:9").repo_info(KEY))


def test_half_a_character_in_an_info_does_not_keep_the_repo_out() -> None:
    """JavaScript cuts a description within an emoji, and sends one half of the pair."""
    raw = json.loads(
        b'{"id": "acme/tiny", "sha": "%s", "description": "\\ud83d", "tags": [{"\\udc00": 1}]}'
        % OID.encode()
    )
    info = parse_info(raw, RepoType.MODEL, URL_)
    assert info.raw["description"] == "\ufffd"
    assert info.raw["tags"] == [{"\ufffd": 1}]


def test_an_info_that_is_nested_without_end_is_refused() -> None:
    deep = json.loads("[" * 200 + "]" * 200)
    with pytest.raises(BadAnswerError, match=r"hub\.example.* nested deeper than 100"):
        parse_info({"id": "acme/tiny", "sha": OID, "config": deep}, RepoType.MODEL, URL_)


@pytest.mark.parametrize("time", ["\ud800", "2026\x1b[31m", "9" * 100, "", 5, None])
def test_a_time_that_is_none_is_not_kept(time: Any) -> None:
    found = parse_listed({"id": "acme/tiny", "lastModified": time}, RepoType.MODEL, URL_)
    assert found is not None
    assert found.last_modified is None


def test_a_tree_of_more_bytes_than_can_be_counted_is_refused() -> None:
    """Each file may have such a size; the catalog must be able to add them up."""
    entries = [{"type": "file", "path": f"{n}.bin", "oid": OID, "size": 2**52} for n in range(3)]

    async def tree(asked: Asked, writer: object) -> bytes:
        return answer(json.dumps(entries).encode())

    with serving(tree) as hub, pytest.raises(BadAnswerError, match="more than 9007199254740992"):
        ask(hub.endpoint, lambda up: up.tree(KEY, COMMIT))
