"""Large files: several connections, resumable, hashed meanwhile.

The sizes from which a file is large, and a part worth a connection, are made small here.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from pathlib import Path

import pytest

from mirror.errors import (
    BadAnswerError,
    DiskError,
    RateLimitError,
    TransportError,
    UpstreamError,
    WrongBytesError,
)
from mirror.hub import FetchedFile, FileRequest, Upstream, hashing, large, ramp, ranges, transfer
from mirror.hub.partial import PartialFile
from tests.fakehub import Corrupt, FakeHub, Reset, Stall, Status, Truncate, WrongLength
from tests.hub.making import ask, fetch, left, noise, request_for, upstream
from tests.hub.raw import Asked, answer, part, serving
from tests.hub.test_small import tree_request

KIB = 1024
CONTENT = noise(400 * KIB, seed=7)
REQUEST = request_for(CONTENT)
ETAG = REQUEST.file.etag


@pytest.fixture(autouse=True)
def _small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "SMALL", 16 * KIB)
    monkeypatch.setattr(ranges, "SMALLEST", 16 * KIB)
    monkeypatch.setattr(ranges, "LARGEST", 64 * KIB)
    monkeypatch.setattr(large, "_RECORD", 8 * KIB)
    monkeypatch.setattr(large, "_HEADWAY", 8 * KIB)
    monkeypatch.setattr(large, "_TICK", 0.01)
    monkeypatch.setattr(hashing, "_STEP", 32 * KIB)
    monkeypatch.setattr(hashing, "_MOST", 64 * KIB)
    monkeypatch.setattr(ramp, "_WINDOW", 0.03)


@pytest.fixture
def tiny(hub: FakeHub) -> FakeHub:
    hub.add_repo("model", "acme/tiny", {"m.bin": CONTENT, "a.txt": CONTENT})
    return hub


def check(fetched: FetchedFile, folder: Path, content: bytes = CONTENT) -> None:
    """The file is right, and nothing lies beside it."""
    assert Path(fetched.temporary).read_bytes() == content
    assert fetched.sha256 == hashlib.sha256(content).hexdigest()
    assert fetched.size == len(content)
    assert left(folder) == [Path(fetched.temporary).name]


def leave_part(folder: Path, content: bytes, done: list[tuple[int, int]]) -> None:
    """Leave on disk what a run leaves that was killed."""
    partial = PartialFile(folder, ETAG, len(content))
    for start, end in done:
        partial.write(content[start:end], start)
        partial.record(start, end)
    partial.close()


async def good(asked: Asked, writer: object) -> bytes:
    return part(CONTENT, asked)


class Throttled:
    """Gives every connection little, and counts how many are served at the same time."""

    def __init__(self, content: bytes, *, most: int = 99, ranges: bool = True) -> None:
        self.content = content
        self.most = most
        self.ranges = ranges
        self.now = 0
        self.peak = 0
        self.refused = 0

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> bytes | None:
        if self.now >= self.most:
            self.refused += 1
            return answer(b"busy", "503 Service Unavailable")
        self.now += 1
        self.peak = max(self.peak, self.now)
        try:
            plain = Asked(asked.target, {}, asked.connection)
            reply = part(self.content, asked if self.ranges else plain)
            for start in range(0, len(reply), 4 * KIB):
                writer.write(reply[start : start + 4 * KIB])
                await writer.drain()
                await asyncio.sleep(0.01)
                if writer.is_closing():
                    break
        finally:
            self.now -= 1
        return None


# --- the straight way ----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["m.bin", "a.txt"])
@pytest.mark.parametrize("option", ["plain", "cdn", "gzip", "resolve_cache"])
def test_a_file_is_fetched_and_checked(
    tiny: FakeHub, tmp_path: Path, path: str, option: str
) -> None:
    if option != "plain":
        setattr(tiny.options, option, True)
    fetched, there = fetch(tiny.endpoint, tree_request(tiny, path), tmp_path)
    check(fetched, tmp_path)
    assert fetched.received == len(CONTENT) == there.counts.bytes
    assert tiny.asked("resolve")[0].headers.get("range") is None


@pytest.mark.parametrize("size", [16 * KIB + 1, 32 * KIB, 64 * KIB + 1, 200 * KIB])
def test_any_size(tmp_path: Path, size: int) -> None:
    content = noise(size, seed=size)

    async def script(asked: Asked, writer: object) -> bytes:
        return part(content, asked)

    with serving(script) as server:
        fetched, _ = fetch(server.endpoint, request_for(content), tmp_path)
        check(fetched, tmp_path, content)


def test_a_body_of_unknown_length_is_taken(tmp_path: Path) -> None:
    async def script(asked: Asked, writer: object) -> bytes:
        pieces = [CONTENT[at : at + 10_000] for at in range(0, len(CONTENT), 10_000)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
        return answer(content_length="", transfer_encoding="chunked") + body + b"0\r\n\r\n"

    with serving(script) as server:
        fetched, _ = fetch(server.endpoint, REQUEST, tmp_path)
        check(fetched, tmp_path)


def test_two_fetches_of_the_same_file_do_not_meet(tiny: FakeHub, tmp_path: Path) -> None:
    request = tree_request(tiny, "m.bin")

    async def both(up: Upstream) -> list[FetchedFile]:
        return list(await asyncio.gather(*(up.fetch(request, tmp_path) for _ in range(2))))

    found, _ = ask(tiny.endpoint, both)
    assert {it.sha256 for it in found} == {ETAG}


def test_many_files_at_once(hub: FakeHub, tmp_path: Path) -> None:
    files = {f"{number}.bin": noise(70 * KIB, number) for number in range(12)}
    hub.add_repo("model", "acme/tiny", files)

    async def everything(up: Upstream) -> list[FetchedFile]:
        requests = [tree_request(hub, path) for path in files]
        return list(await asyncio.gather(*(up.fetch(it, tmp_path) for it in requests)))

    found, _ = ask(hub.endpoint, everything, connections_per_file=4)
    assert [Path(it.temporary).read_bytes() for it in found] == list(files.values())


# --- connections ---------------------------------------------------------------------------


def test_a_server_that_gives_each_connection_little_gets_many(tmp_path: Path) -> None:
    script = Throttled(CONTENT)
    with serving(script) as server:
        fetched, _ = fetch(server.endpoint, REQUEST, tmp_path, connections_per_file=6)
        check(fetched, tmp_path)
        # One that was cut short may not have noticed it yet.
        assert 2 <= script.peak <= 6 + 1
        # Nobody fetches what another has: one connection was cut short, at most.
        assert fetched.received < len(CONTENT) * 1.5


def test_one_connection_stays_one(tmp_path: Path) -> None:
    script = Throttled(CONTENT[: 100 * KIB])
    with serving(script) as server:
        request = request_for(CONTENT[: 100 * KIB])
        fetch(server.endpoint, request, tmp_path, connections_per_file=1)
        assert script.peak == 1
        assert len(server.asked) == 1


@pytest.fixture
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """More connections are tried whatever they bring: that is judged in ``test_ramp``."""
    monkeypatch.setattr(ramp, "_GAIN", 0.0)
    monkeypatch.setattr(ramp, "_BUSY", 100.0)


@pytest.mark.usefixtures("_eager")
@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_server_that_refuses_more_connections_is_not_pressed(tmp_path: Path, most: int) -> None:
    script = Throttled(CONTENT, most=most)
    with serving(script) as server:
        fetched, _ = fetch(server.endpoint, REQUEST, tmp_path, connections_per_file=8)
        check(fetched, tmp_path)
        assert script.refused > 0
        assert script.peak == most


@pytest.mark.usefixtures("_eager")
def test_a_server_without_ranges_gives_it_over_one_connection(tmp_path: Path) -> None:
    script = Throttled(CONTENT, ranges=False)
    with serving(script) as server:
        fetched, _ = fetch(server.endpoint, REQUEST, tmp_path, connections_per_file=8)
        check(fetched, tmp_path)
        # One more was tried once, and not again.
        assert 1 < len(server.asked) <= 3


# --- going on after a failure -----------------------------------------------------------------


@pytest.mark.parametrize("kind", [Truncate(100 * KIB), Reset(100 * KIB), Stall(100 * KIB)])
def test_a_transfer_that_breaks_off_goes_on_where_it_was(
    tiny: FakeHub, tmp_path: Path, kind: object
) -> None:
    tiny.fault("resolve", kind=kind, times=2)  # type: ignore[arg-type]
    request = tree_request(tiny, "m.bin")
    fetched, there = fetch(tiny.endpoint, request, tmp_path, read_timeout=0.2)
    check(fetched, tmp_path)
    assert there.counts.retries == 2
    assert fetched.received < len(CONTENT) * 1.2


def test_many_failures_with_headway_between_are_no_reason_to_give_up(
    tiny: FakeHub, tmp_path: Path
) -> None:
    tiny.fault("resolve", kind=Truncate(20 * KIB), times=None)
    fetched, there = fetch(tiny.endpoint, tree_request(tiny, "m.bin"), tmp_path, retries=1)
    check(fetched, tmp_path)
    assert there.counts.retries > 5


def test_failures_without_headway_are(tiny: FakeHub, tmp_path: Path) -> None:
    tiny.fault("resolve", kind=Truncate(100), times=None)
    with pytest.raises(TransportError, match="ends before its end"):
        fetch(tiny.endpoint, tree_request(tiny, "m.bin"), tmp_path)
    assert tiny.counts["resolve"] == 3


def test_a_server_without_ranges_that_always_breaks_off_is_given_up(
    tiny: FakeHub, tmp_path: Path
) -> None:
    """Starting over again and again is no headway."""
    tiny.options.ranges = False
    tiny.fault("resolve", kind=Truncate(300 * KIB), times=None)
    with pytest.raises(TransportError):
        fetch(tiny.endpoint, tree_request(tiny, "m.bin"), tmp_path)
    assert tiny.counts["resolve"] <= 4


def test_what_a_run_leaves_is_used_by_the_next(tiny: FakeHub, tmp_path: Path) -> None:
    fault = tiny.fault("resolve", kind=Truncate(150 * KIB), times=1)
    request = tree_request(tiny, "m.bin")
    with pytest.raises(TransportError):
        fetch(tiny.endpoint, request, tmp_path, retries=0)
    assert fault.hits == 1
    assert left(tmp_path) == [ETAG, f"{ETAG}.journal"]
    tiny.clear()
    fetched, _ = fetch(tiny.endpoint, request, tmp_path)
    check(fetched, tmp_path)
    assert tiny.sent["resolve"] == fetched.received == len(CONTENT) - 150 * KIB


def test_parts_in_the_middle_are_not_fetched_again(tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT, [(50_000, 150_000), (200_000, 300_000)])
    with serving(good) as server:
        fetched, _ = fetch(server.endpoint, REQUEST, tmp_path)
        check(fetched, tmp_path)
        assert fetched.received == len(CONTENT) - 200_000
        spans = sorted(asked.span for asked in server.asked if asked.span)
        assert spans == [(0, 50_000), (150_000, 200_000), (300_000, len(CONTENT))]


def test_a_file_that_is_there_is_only_checked(tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT, [(0, len(CONTENT))])
    fetched, there = fetch("http://127.0.0.1:9", REQUEST, tmp_path)
    check(fetched, tmp_path)
    assert fetched.received == there.counts.resolve == 0


@pytest.mark.parametrize("case", ["no journal", "garbage journal", "no data", "short data"])
def test_a_part_that_cannot_be_trusted_is_fetched_anew(tmp_path: Path, case: str) -> None:
    leave_part(tmp_path, CONTENT, [(0, 200_000)])
    data, journal = tmp_path / ETAG, tmp_path / f"{ETAG}.journal"
    if case == "no journal":
        journal.unlink()
    elif case == "garbage journal":
        journal.write_bytes(b"\x00\xff 12\n99 98\n")
    elif case == "no data":
        data.unlink()
    else:
        os.truncate(data, 1000)
    with serving(good) as server:
        fetched, _ = fetch(server.endpoint, REQUEST, tmp_path)
        check(fetched, tmp_path)
        assert fetched.received == len(CONTENT)


def test_a_torn_journal_goes_on(tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT, [(0, 200_000)])
    with (tmp_path / f"{ETAG}.journal").open("ab") as journal:
        journal.write(b"200000 40")
    with serving(good) as server:
        fetched, _ = fetch(server.endpoint, REQUEST, tmp_path)
        check(fetched, tmp_path)
        assert fetched.received == len(CONTENT) - 200_000


def test_without_ranges_a_part_is_started_anew(tiny: FakeHub, tmp_path: Path) -> None:
    tiny.options.ranges = False
    leave_part(tmp_path, CONTENT, [(0, 200_000)])
    fetched, _ = fetch(tiny.endpoint, tree_request(tiny, "m.bin"), tmp_path)
    check(fetched, tmp_path)
    assert fetched.received == len(CONTENT)
    assert tiny.counts["resolve"] == 1


def test_a_part_with_wrong_bytes_goes_and_the_next_try_is_whole(
    tiny: FakeHub, tmp_path: Path
) -> None:
    leave_part(tmp_path, bytes(len(CONTENT)), [(0, 200_000)])
    request = tree_request(tiny, "m.bin")
    with pytest.raises(WrongBytesError, match=r"m\.bin"):
        fetch(tiny.endpoint, request, tmp_path)
    assert left(tmp_path) == []
    fetched, _ = fetch(tiny.endpoint, request, tmp_path)
    check(fetched, tmp_path)


@pytest.mark.parametrize("path", ["m.bin", "a.txt"])
def test_other_bytes_of_the_same_size_are_refused(tiny: FakeHub, tmp_path: Path, path: str) -> None:
    tiny.fault("resolve", kind=Corrupt(390 * KIB))
    steps: list[int] = []
    with pytest.raises(WrongBytesError):
        request = tree_request(tiny, path)
        ask(tiny.endpoint, lambda up: up.fetch(request, tmp_path, steps.append))
    assert left(tmp_path) == []
    assert sum(steps) == 0


def test_a_cancelled_fetch_can_be_taken_up_again(tmp_path: Path) -> None:
    async def main(endpoint: str) -> None:
        arrived = asyncio.Event()
        steps: list[int] = []

        def progress(size: int) -> None:
            steps.append(size)
            if sum(steps) > 100 * KIB:
                arrived.set()

        async with upstream(endpoint) as there:
            task = asyncio.create_task(there.fetch(REQUEST, tmp_path, progress))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert asyncio.all_tasks() == {asyncio.current_task()}

    with serving(Throttled(CONTENT)) as server:
        asyncio.run(main(server.endpoint))
    assert left(tmp_path) == [ETAG, f"{ETAG}.journal"]
    with serving(good) as server:
        fetched, _ = fetch(server.endpoint, REQUEST, tmp_path)
        check(fetched, tmp_path)
        assert fetched.received <= len(CONTENT) - 100 * KIB


# --- answers that are not accepted ---------------------------------------------------------


@pytest.mark.parametrize(
    "content_range",
    [
        "",
        "bytes */409600",
        "bytes 0-209599/409600",
        "bytes 200001-409599/409600",
        "bytes 200000-409600/409601",
        "bytes 200000-199999/409600",
        "bytes 200000-409599/500000",
        "items 200000-409599/409600",
        "bytes 200000-" + "9" * 5000 + "/409600",
    ],
)
def test_a_range_that_was_not_asked_for_is_refused(tmp_path: Path, content_range: str) -> None:
    async def script(asked: Asked, writer: object) -> bytes:
        return answer(CONTENT[200_000:], "206 Partial Content", content_range=content_range)

    leave_part(tmp_path, CONTENT, [(0, 200_000)])
    with serving(script) as server, pytest.raises(BadAnswerError, match=r"m?\.bin answers"):
        fetch(server.endpoint, REQUEST, tmp_path)
    assert left(tmp_path) == [ETAG, f"{ETAG}.journal"]


def test_a_range_whose_length_contradicts_it_is_refused(tmp_path: Path) -> None:
    async def script(asked: Asked, writer: object) -> bytes:
        where = f"bytes 200000-{len(CONTENT) - 1}/{len(CONTENT)}"
        return answer(CONTENT[200_001:], "206 Partial Content", content_range=where)

    leave_part(tmp_path, CONTENT, [(0, 200_000)])
    with serving(script) as server, pytest.raises(BadAnswerError, match="were to come"):
        fetch(server.endpoint, REQUEST, tmp_path)


def test_less_than_was_asked_for_is_taken_and_the_rest_asked_for(tmp_path: Path) -> None:
    async def script(asked: Asked, writer: object) -> bytes:
        start, end = asked.span or (0, len(CONTENT))
        span = {"range": f"bytes={start}-{min(end, start + 90_000) - 1}"}
        return part(CONTENT, Asked(asked.target, span, asked.connection))

    leave_part(tmp_path, CONTENT, [(0, 10_000)])
    with serving(script) as server:
        fetched, _ = fetch(server.endpoint, REQUEST, tmp_path)
        check(fetched, tmp_path)
        assert fetched.received == len(CONTENT) - 10_000


@pytest.mark.parametrize("by", [-1, 1])
def test_another_length_than_the_tree_states_is_refused(
    tiny: FakeHub, tmp_path: Path, by: int
) -> None:
    tiny.fault("resolve", kind=WrongLength(by), times=None)
    with pytest.raises(BadAnswerError, match="409600 were to come"):
        fetch(tiny.endpoint, tree_request(tiny, "m.bin"), tmp_path)
    assert tiny.counts["resolve"] == 1


def test_parts_of_two_different_things_are_refused(tmp_path: Path) -> None:
    async def script(asked: Asked, writer: object) -> bytes:
        start, end = asked.span or (0, len(CONTENT))
        where = f"bytes {start}-{end - 1}/{len(CONTENT)}"
        tag = f'"{len(server.asked)}"'
        return answer(CONTENT[start:end], "206 Partial Content", content_range=where, etag=tag)

    leave_part(tmp_path, CONTENT, [(100_000, 200_000)])
    with serving(script) as server, pytest.raises(BadAnswerError, match="has changed"):
        fetch(server.endpoint, REQUEST, tmp_path)


def test_a_file_that_upstream_does_not_serve_is_told(tiny: FakeHub, tmp_path: Path) -> None:
    tiny.fault("resolve", kind=Status(416), times=None)
    with pytest.raises(UpstreamError, match="416"):
        fetch(tiny.endpoint, tree_request(tiny, "m.bin"), tmp_path)


def test_a_rate_limit_in_the_middle_keeps_what_is_there(tiny: FakeHub, tmp_path: Path) -> None:
    tiny.fault("resolve", kind=Truncate(200 * KIB))
    tiny.fault("resolve", kind=Status(429, {"Retry-After": "3600"}), times=None)
    with pytest.raises(RateLimitError):
        fetch(tiny.endpoint, tree_request(tiny, "m.bin"), tmp_path, max_wait=60)
    assert PartialFile(tmp_path, ETAG, len(CONTENT)).done == ((0, 200 * KIB),)


def test_a_file_that_somebody_cuts_meanwhile_is_told(tmp_path: Path) -> None:
    async def main(endpoint: str) -> None:
        def cut(size: int) -> None:
            os.truncate(tmp_path / ETAG, 0)

        async with upstream(endpoint) as there:
            await there.fetch(REQUEST, tmp_path, cut)

    with serving(good) as server, pytest.raises((DiskError, WrongBytesError)):
        asyncio.run(main(server.endpoint))


# --- redirects ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("_eager")
def test_parts_come_from_where_the_first_one_was_sent_to(tmp_path: Path) -> None:
    """Upstream counts requests; the network that delivers does not."""
    asked_hub: Counter[str] = Counter()
    script = Throttled(CONTENT)
    with serving(script) as cdn:

        async def hub(asked: Asked, writer: object) -> bytes:
            asked_hub[asked.target] += 1
            return answer(b"", "302 Found", location=f"{cdn.endpoint}/signed?sig=1")

        with serving(hub) as server:
            fetched, _ = fetch(server.endpoint, REQUEST, tmp_path, token="hf_secret")
            check(fetched, tmp_path)
        assert asked_hub.total() == 1
        assert len(cdn.asked) > 1
        assert {asked.headers.get("authorization") for asked in cdn.asked} == {None}


def test_a_signed_address_that_has_expired_is_asked_for_again(tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT, [(100_000, 200_000)])
    used: Counter[str] = Counter()

    async def deliver(asked: Asked, writer: object) -> bytes:
        used[asked.target] += 1
        if used[asked.target] > 1:
            return answer(b"<Error>expired</Error>", "403 Forbidden")
        return part(CONTENT, asked)

    with serving(deliver) as cdn:

        async def hub(asked: Asked, writer: object) -> bytes:
            return answer(b"", "302 Found", location=f"{cdn.endpoint}/{len(server.asked)}")

        with serving(hub) as server:
            fetched, _ = fetch(server.endpoint, REQUEST, tmp_path)
            check(fetched, tmp_path)
            assert len(server.asked) == 2


def test_a_network_that_always_refuses_is_told(tmp_path: Path) -> None:
    async def refuse(asked: Asked, writer: object) -> bytes:
        return answer(b"", "403 Forbidden")

    with serving(refuse) as cdn:

        async def hub(asked: Asked, writer: object) -> bytes:
            return answer(b"", "302 Found", location=f"{cdn.endpoint}/x")

        with serving(hub) as server, pytest.raises(UpstreamError, match=cdn.endpoint):
            fetch(server.endpoint, REQUEST, tmp_path)


def test_the_git_sha1_of_a_large_file_is_checked_too(tiny: FakeHub, tmp_path: Path) -> None:
    request = tree_request(tiny, "a.txt")
    file = request.file
    wrong = FileRequest(request.key, request.commit, type(file)(file.path, file.size, "0" * 40))
    with pytest.raises(WrongBytesError, match="0" * 40):
        fetch(tiny.endpoint, wrong, tmp_path)
