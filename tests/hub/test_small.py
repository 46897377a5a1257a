"""Small files: one GET, in memory until the digest is right."""

from __future__ import annotations

import asyncio
import hashlib
import resource
from pathlib import Path

import pytest

from mirror.errors import (
    BadAnswerError,
    DiskError,
    FileGoneError,
    RepoGatedError,
    TransportError,
    UnsafePathError,
    WrongBytesError,
)
from mirror.hub import FileRequest, TreeFile, Upstream
from mirror.names import RepoKey, RepoType
from tests.fakehub import Corrupt, FakeHub, Reset, Stall, Status, Truncate, WrongLength
from tests.hub.making import COMMIT, KEY, MIB, ask, fetch, left, noise, request_for, upstream
from tests.hub.raw import Asked, answer, serving

CONTENT = noise(3000)


def tree_request(hub: FakeHub, path: str, key: RepoKey = KEY) -> FileRequest:
    """Ask for a file of the hub as its tree states it."""
    commit = hub.repo(key.repo_type.value, key.repo_id).head
    file = commit.files[path]
    sha256 = file.content.sha256 if file.is_lfs else None
    return FileRequest(key, commit.id, TreeFile(path, file.content.size, file.blob_id, sha256))


@pytest.fixture
def tiny(hub: FakeHub) -> FakeHub:
    hub.add_repo("model", "acme/tiny", {"a.txt": CONTENT, "m.bin": CONTENT[::-1], "empty": b""})
    return hub


@pytest.mark.parametrize("path", ["a.txt", "m.bin", "empty"])
def test_a_file_is_fetched_with_one_get(tiny: FakeHub, tmp_path: Path, path: str) -> None:
    request = tree_request(tiny, path)
    fetched, there = fetch(tiny.endpoint, request, tmp_path)
    content = Path(fetched.temporary).read_bytes()
    assert content == tiny.repo("model", "acme/tiny").head.files[path].content.bytes()
    assert fetched.sha256 == hashlib.sha256(content).hexdigest()
    assert fetched.size == fetched.received == len(content)
    assert tiny.paths() == [f"GET /acme/tiny/resolve/{request.commit}/{path}"]
    assert (there.counts.resolve, there.counts.bytes) == (1, len(content))
    assert left(tmp_path) == [Path(fetched.temporary).name]


@pytest.mark.parametrize("option", ["cdn", "resolve_cache", "gzip"])
def test_a_file_is_fetched_the_way_the_real_hub_sends_it(
    tiny: FakeHub, tmp_path: Path, option: str
) -> None:
    setattr(tiny.options, option, True)
    for path in ("a.txt", "m.bin"):
        fetched, _ = fetch(tiny.endpoint, tree_request(tiny, path), tmp_path, token=None)
        assert fetched.size == len(CONTENT)


@pytest.mark.parametrize(
    ("repo_type", "path"),
    [
        ("dataset", "sub dir/한글 #1?.txt"),
        ("space", "100%/a+b&c=d;e.txt"),
        ("model", "[x]/{y}/~z^|`<>\"'.txt"),
    ],
)
def test_names_are_quoted(hub: FakeHub, tmp_path: Path, repo_type: str, path: str) -> None:
    hub.add_repo(repo_type, "acme/odd", {path: CONTENT})
    key = RepoKey(RepoType(repo_type), "acme/odd")
    fetched, _ = fetch(hub.endpoint, tree_request(hub, path, key), tmp_path)
    assert Path(fetched.temporary).read_bytes() == CONTENT
    assert hub.asked()[0].raw_path.isascii()


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../b", "a\nb", "\ud800"])
def test_an_unsafe_name_is_not_even_asked_for(tmp_path: Path, path: str) -> None:
    with pytest.raises(UnsafePathError):
        fetch("http://127.0.0.1:9", request_for(CONTENT, path), tmp_path)


@pytest.mark.parametrize(
    "kind", [Truncate(1000), Truncate(0), Reset(1000), Stall(1000), Stall(None), Status(503)]
)
def test_a_transfer_that_breaks_off_is_tried_again(
    tiny: FakeHub, tmp_path: Path, kind: object
) -> None:
    tiny.fault("resolve", kind=kind, times=2)  # type: ignore[arg-type]
    fetched, there = fetch(tiny.endpoint, tree_request(tiny, "a.txt"), tmp_path, read_timeout=0.15)
    assert Path(fetched.temporary).read_bytes() == CONTENT
    assert there.counts.retries == 2


def test_a_transfer_that_always_breaks_off_leaves_nothing(tiny: FakeHub, tmp_path: Path) -> None:
    tiny.fault("resolve", kind=Truncate(10), times=None)
    with pytest.raises(TransportError):
        fetch(tiny.endpoint, tree_request(tiny, "a.txt"), tmp_path)
    assert tiny.counts["resolve"] == 3
    assert left(tmp_path) == []


@pytest.mark.parametrize("by", [-1, 1, 5000])
def test_another_length_than_the_tree_states_is_refused(
    tiny: FakeHub, tmp_path: Path, by: int
) -> None:
    tiny.fault("resolve", kind=WrongLength(by), times=None)
    with pytest.raises(BadAnswerError, match=r"resolve/.*3000 were to come"):
        fetch(tiny.endpoint, tree_request(tiny, "a.txt"), tmp_path)
    assert tiny.counts["resolve"] == 1
    assert left(tmp_path) == []


def test_a_body_of_unknown_length_ends_where_it_is_too_long(tmp_path: Path) -> None:
    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(content_length="", transfer_encoding="chunked"))
        for _ in range(1000):
            writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
            await writer.drain()

    with serving(script) as server, pytest.raises(BadAnswerError, match="more"):
        ask(server.endpoint, lambda up: up.fetch(request_for(CONTENT), tmp_path))
    assert left(tmp_path) == []


@pytest.mark.parametrize("path", ["a.txt", "m.bin"])
def test_other_bytes_of_the_same_size_are_refused(tiny: FakeHub, tmp_path: Path, path: str) -> None:
    tiny.fault("resolve", kind=Corrupt(1500))
    request = tree_request(tiny, path)
    with pytest.raises(WrongBytesError, match=path):
        fetch(tiny.endpoint, request, tmp_path)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_encoding": "gzip"}, "200 OK"),
        ({"content_range": "bytes 0-2999/3000"}, "206 Partial Content"),
    ],
)
def test_an_answer_that_means_something_else_is_refused(
    tmp_path: Path, headers: dict[str, str], status: str
) -> None:
    async def script(asked: Asked, writer: object) -> bytes:
        return answer(CONTENT, status, **headers)

    with serving(script) as server, pytest.raises(BadAnswerError):
        fetch(server.endpoint, request_for(CONTENT), tmp_path)
    assert left(tmp_path) == []


def test_a_file_that_is_gone_or_gated_is_told(tiny: FakeHub, tmp_path: Path) -> None:
    with pytest.raises(FileGoneError):
        commit = tiny.repo("model", "acme/tiny").sha
        gone = FileRequest(KEY, commit, TreeFile("gone.txt", 3, "a" * 40))
        fetch(tiny.endpoint, gone, tmp_path)
    tiny.repo("model", "acme/tiny").gated = "manual"
    with pytest.raises(RepoGatedError):
        fetch(tiny.endpoint, tree_request(tiny, "a.txt"), tmp_path)


def test_a_folder_that_cannot_be_written_is_told(tiny: FakeHub, tmp_path: Path) -> None:
    folder = tmp_path / "partial"
    folder.write_text("a file, not a folder")
    with pytest.raises(DiskError, match="partial"):
        fetch(tiny.endpoint, tree_request(tiny, "a.txt"), folder)


@pytest.mark.parametrize("path", ["a.txt", "large"])
def test_a_full_disk_is_told_and_leaves_no_half_file(
    tiny: FakeHub, tmp_path: Path, path: str
) -> None:
    """The process may write no file longer than 2,000 bytes."""
    tiny.repo("model", "acme/tiny").commit({"large": noise(MIB + 1)})
    request = tree_request(tiny, path)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(DiskError, match=str(tmp_path)):
            fetch(tiny.endpoint, request, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir() if path.stat().st_size > 0] == []


def test_many_at_once_and_the_same_one_twice(hub: FakeHub, tmp_path: Path) -> None:
    files = {f"{number:03}.txt": noise(500, number) for number in range(200)}
    hub.add_repo("model", "acme/tiny", files)
    requests = [tree_request(hub, path) for path in files]

    async def all_of_them(up: Upstream) -> list[str]:
        found = await asyncio.gather(*(up.fetch(it, tmp_path) for it in requests * 2))
        return [it.temporary for it in found]

    found, there = ask(hub.endpoint, all_of_them, workers=16)
    assert len(set(found)) == 400
    assert [Path(path).read_bytes() for path in found] == [*files.values()] * 2
    assert there.counts.bytes == 200 * 500 * 2


def test_bandwidth_holds_small_files_too(tiny: FakeHub, tmp_path: Path) -> None:
    """Asserted on what the limiter was asked for, not on time."""
    there = upstream(tiny.endpoint, bandwidth=10**9)
    spent: list[int] = []

    async def main() -> None:
        async with there:
            bandwidth = there._transfer._bandwidth
            original = bandwidth.spend

            async def spend(size: int) -> None:
                spent.append(size)
                await original(size)

            bandwidth.spend = spend  # type: ignore[method-assign]
            await there.fetch(tree_request(tiny, "a.txt"), tmp_path)

    asyncio.run(main())
    assert sum(spent) == len(CONTENT)


def test_the_commit_is_part_of_the_address(tiny: FakeHub, tmp_path: Path) -> None:
    request = request_for(CONTENT, "a.txt", lfs=False)
    assert request.commit == COMMIT
    with pytest.raises(Exception, match=COMMIT):
        fetch(tiny.endpoint, request, tmp_path)
