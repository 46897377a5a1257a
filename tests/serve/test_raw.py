"""``/raw/``: files as git has them, pointers for those that are LFS."""

from __future__ import annotations

import hashlib
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.serve.conftest import SENTIMENT, serving

KLUE = "datasets/klue/klue"


def test_a_file_is_what_resolve_gives(served: str) -> None:
    raw = httpx.get(f"{served}/{KLUE}/raw/main/README.md")
    resolved = httpx.get(f"{served}/{KLUE}/resolve/main/README.md")
    assert (200, resolved.content) == (raw.status_code, raw.content)
    names = ("etag", "x-repo-commit", "content-type", "content-security-policy")
    assert [resolved.headers[name] for name in names] == [raw.headers[name] for name in names]


def test_an_lfs_file_is_its_pointer(served: str) -> None:
    path = f"{served}/{SENTIMENT}"
    body = httpx.get(f"{path}/resolve/main/model.safetensors").content
    raw = httpx.get(f"{path}/raw/main/model.safetensors")
    digest = hashlib.sha256(body).hexdigest()
    expected = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(body)}\n"
    )
    assert (200, expected) == (raw.status_code, raw.text)
    # git's name of the pointer itself
    blob = hashlib.sha1(b"blob %d\0" % len(expected) + expected.encode()).hexdigest()
    assert f'"{blob}"' == raw.headers["etag"]
    assert "text/plain; charset=utf-8" == raw.headers["content-type"]
    head = httpx.head(f"{path}/raw/main/model.safetensors")
    assert (200, b"", str(len(expected))) == (
        head.status_code, head.content, head.headers["content-length"],
    )  # fmt: skip
    known = httpx.get(
        f"{path}/raw/main/model.safetensors", headers={"if-none-match": raw.headers["etag"]}
    )
    assert (304, b"") == (known.status_code, known.content)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{KLUE}/raw/main/none.txt", "EntryNotFound"),
        (f"{KLUE}/raw/main/a/%2e%2e/README.md", "EntryNotFound"),
        (f"{KLUE}/raw/v9.9/README.md", "RevisionNotFound"),
        ("datasets/acme/none/raw/main/README.md", "RepoNotFound"),
    ],
)
def test_refusals_are_those_of_resolve(served: str, path: str, code: str) -> None:
    for action in ("raw", "resolve"):
        answer = httpx.get(f"{served}/{path.replace('/raw/', f'/{action}/')}")
        assert (404, code) == (answer.status_code, answer.headers["x-error-code"])


def test_an_upload_is_refused(served: str) -> None:
    assert 405 == httpx.put(f"{served}/{KLUE}/raw/main/README.md", content=b"x").status_code


def test_a_pointer_needs_no_blob(own_root: Path) -> None:
    for blob in own_root.glob("blobs/*/*"):
        blob.unlink()
    with serving(own_root) as endpoint:
        answer = httpx.get(f"{endpoint}/{SENTIMENT}/raw/main/model.safetensors")
    assert (200, "version https") == (answer.status_code, answer.text[:13])


@pytest.mark.parametrize("path", ["blob/main/README.md", "tree/main", "", "viewer/sts/train"])
def test_web_pages_of_the_hub_are_refused_in_words(served: str, path: str) -> None:
    answer = httpx.get(f"{served}/{KLUE}/{path}".rstrip("/"))
    assert 404 == answer.status_code
    assert "no web pages" in answer.json()["error"]
