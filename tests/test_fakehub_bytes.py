"""The bytes that FakeHub sends, and what goes wrong with them on demand."""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.request
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download, scan_cache_dir, snapshot_download

from tests.fakehub import (
    Corrupt,
    EditJson,
    FakeHub,
    PatternContent,
    Reset,
    Slow,
    Stall,
    Status,
    Throttle,
    Truncate,
    WrongLength,
)
from tests.fakehub.files import parse_range
from tests.fakehub.plain import get

# --- bytes ------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["plain", "cdn", "resolve_cache", "gzip", "xet"])
def test_snapshot_download_gives_the_same_bytes(hub: FakeHub, tmp_path: Path, option: str) -> None:
    hub.options.cdn = option == "cdn"
    hub.options.resolve_cache = option == "resolve_cache"
    hub.options.gzip = option == "gzip"
    hub.options.xet = option == "xet"
    files = {"config.json": b"{}" * 600, "sub dir/한글 #1.txt": b"x", "w.safetensors": b"w" * 9000}
    repo = hub.add_repo("dataset", "acme/set", files)
    repo.commit({"config.json": "{}"}, ref="refs/convert/parquet")
    folder = snapshot_download(
        "acme/set", repo_type="dataset", endpoint=hub.endpoint, cache_dir=tmp_path, max_workers=1
    )
    found = {str(p.relative_to(folder)): p.read_bytes() for p in Path(folder).rglob("*.*")}
    assert found == files
    assert not scan_cache_dir(tmp_path).warnings
    converted = hf_hub_download(
        "acme/set",
        "config.json",
        repo_type="dataset",
        revision="refs/convert/parquet",
        endpoint=hub.endpoint,
        cache_dir=tmp_path,
    )
    assert Path(converted).read_text() == "{}"
    assert (hub.counts["cdn"] > 0) == (option == "cdn")


def test_the_second_origin_refuses_a_token(hub: FakeHub) -> None:
    hub.options.cdn = True
    hub.add_repo("model", "acme/tiny", {"w.bin": b"w" * 100})
    status, headers, _ = get(f"{hub.endpoint}/acme/tiny/resolve/main/w.bin")
    assert (status, headers["x-linked-size"]) == (302, "100")
    assert get(headers["location"])[2] == b"w" * 100
    assert get(headers["location"], range="bytes=90-")[::2] == (206, b"w" * 10)
    assert get(headers["location"], authorization="Bearer hf_leak")[0] == 400
    assert [request.token for request in hub.asked("cdn")] == [None, None, "hf_leak"]


def test_single_ranges_if_range_and_416(hub: FakeHub) -> None:
    repo = hub.add_repo("model", "acme/tiny", {"w.bin": bytes(range(100))})
    url = f"{hub.endpoint}/acme/tiny/resolve/main/w.bin"
    status, headers, body = get(url, range="bytes=0-0")
    assert (status, headers["content-range"], body) == (206, "bytes 0-0/100", b"\0")
    assert headers["etag"] == f'"{repo.head.files["w.bin"].etag}"'
    assert headers["x-repo-commit"] == repo.sha
    assert get(url, range="bytes=-5")[2] == bytes(range(95, 100))
    assert get(url, range="bytes=10-", if_range=headers["etag"])[0] == 206
    assert get(url, range="bytes=10-", if_range='"other"')[0] == 200
    status, headers, _ = get(url, range="bytes=100-")
    assert (status, headers["content-range"]) == (416, "bytes */100")
    hub.options.ranges = False
    assert get(url, range="bytes=10-")[0] == 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=5-", (5, 20)),
        ("bytes=-3", (17, 20)),
        ("bytes=-99", (0, 20)),
        ("bytes=15-99", (15, 20)),
        ("bytes=20-", (20, 20)),
        ("bytes=-0", (20, 20)),
        ("bytes=9-3", None),
        ("bytes=0-1,3-4", None),
        ("bytes=-", None),
        ("items=0-1", None),
        ("", None),
    ],
)
def test_parse_range(text: str, expected: tuple[int, int] | None) -> None:
    assert parse_range(text, 20) == expected


def test_large_content_needs_no_memory_and_no_disk(hub: FakeHub) -> None:
    content = PatternContent(5_000_001, seed=7)
    hub.add_repo("model", "acme/big", {"w.safetensors": content})
    url = f"{hub.endpoint}/acme/big/resolve/main/w.safetensors"
    whole = get(url)[2]
    assert hashlib.sha256(whole).hexdigest() == content.sha256
    assert get(url, range="bytes=1000003-2000004")[2] == whole[1_000_003:2_000_005]


# --- what goes wrong ----------------------------------------------------------------------


@pytest.fixture
def weights(hub: FakeHub) -> str:
    """The URL of a file of 10,000 bytes."""
    hub.add_repo("model", "acme/tiny", {"w.bin": b"w" * 10_000, "config.json": "{}"})
    return f"{hub.endpoint}/acme/tiny/resolve/main/w.bin"


def test_truncate_breaks_off_early_once(hub: FakeHub, weights: str) -> None:
    fault = hub.fault("resolve", path="*.bin", kind=Truncate(at=1000))
    with pytest.raises(http.client.IncompleteRead) as broken:
        get(weights)
    assert len(broken.value.partial) == 1000
    assert len(get(weights)[2]) == 10_000
    assert fault.hits == 1


def test_corrupt_and_wrong_length_look_like_good_answers(hub: FakeHub, weights: str) -> None:
    hub.fault("resolve", kind=Corrupt(at=5))
    hub.fault("resolve", kind=WrongLength(by=-10))
    hub.fault("resolve", kind=WrongLength(by=10))
    body = get(weights)[2]
    assert (len(body), body[5] != ord("w"), body[4:5]) == (10_000, True, b"w")
    assert [len(get(weights)[2]) for _ in range(3)] == [9_990, 10_010, 10_000]


def test_reset_and_stall(hub: FakeHub, weights: str) -> None:
    hub.fault("resolve", kind=Reset())
    hub.fault("resolve", kind=Reset(after=100))
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            get(weights)
    hub.fault("resolve", kind=Stall())
    hub.fault("resolve", kind=Stall(after=100))
    for _ in range(2):
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(weights, timeout=0.05).read()


def test_status_slow_throttle_and_edited_json(hub: FakeHub, weights: str) -> None:
    hub.fault("info", repo="acme/*", kind=Status(429, {"Retry-After": "7"}), times=2, skip=1)
    info = f"{hub.endpoint}/api/models/acme/tiny"
    answers = [get(info) for _ in range(4)]
    assert [status for status, _, _ in answers] == [200, 429, 429, 200]
    assert answers[1][1]["retry-after"] == "7"
    hub.fault("any", kind=Slow(0.001))
    hub.fault("resolve", kind=Throttle(rate=1_000_000))
    assert [len(get(weights)[2]) for _ in range(2)] == [10_000, 10_000]
    hub.fault("info", kind=EditJson(lambda value: {**value, "sha": "nonsense"}))
    assert json.loads(get(info)[2])["sha"] == "nonsense"


def test_a_hook_can_move_a_ref_in_the_middle(hub: FakeHub, weights: str) -> None:
    repo = hub.repo("model", "acme/tiny")
    before = repo.sha
    hub.on("tree", lambda request: repo.commit({"new.txt": "x"}))
    api = HfApi(endpoint=hub.endpoint)
    assert api.model_info("acme/tiny").sha == before
    assert len(list(api.list_repo_tree("acme/tiny", revision=before))) == 2
    assert api.model_info("acme/tiny").sha == repo.sha != before


def test_a_hub_that_is_down_refuses_and_comes_back(hub: FakeHub, weights: str) -> None:
    hub.down()
    with pytest.raises(ConnectionRefusedError):
        get(weights)
    hub.up()
    assert get(weights)[0] == 200
    hub.clear()
    assert (hub.requests, hub.counts["resolve"]) == ([], 0)


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ValueError, match="no such family"):
        FakeHub().fault("files", kind=Reset())
