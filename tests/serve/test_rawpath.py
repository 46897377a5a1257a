"""Raw paths as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.names import RepoKey, RepoType, check_repo_path
from mirror.serve.rawpath import read_path


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("/gpt2/resolve/main/a.json", "resolve models/gpt2 main a.json"),
        ("/a/b/resolve/main/sub/a.json", "resolve models/a/b main sub/a.json"),
        ("//datasets/a/b/resolve/v1.0/x%20y", "resolve datasets/a/b v1.0 x y"),
        ("/spaces/a/b/resolve/refs%2Fpr%2F1/x", "resolve spaces/a/b refs/pr/1 x"),
        ("/datasets/a/b/resolve/refs/pr/2/x/y", "resolve datasets/a/b refs/pr/2 x/y"),
        ("/a/b/resolve/main/x%252Fy", "resolve models/a/b main x%2Fy"),
        ("/api/models/gpt2", "info models/gpt2 main"),
        ("/api/models/a/b", "info models/a/b main"),
        ("/api/models/a/b/", "info models/a/b main"),
        ("/api/models/a%2Fb", "info models/a/b main"),
        ("/api/models/gpt2/revision/main", "info models/gpt2 main"),
        ("/api/spaces/a/b/revision/refs%2Fpr%2F1", "info spaces/a/b refs/pr/1"),
        ("/api/models/a/b/tree/main", "tree models/a/b main"),
        ("/api/models/a/b/tree/main/sub%2Fnested%20dir", "tree models/a/b main sub/nested dir"),
        ("/api/models/a/b/refs?include_prs=1", "refs models/a/b main"),
        ("/api/models/a/refs/refs", "refs models/a/refs main"),
        ("/api/spaces/a/b/commits/HEAD", "commits spaces/a/b HEAD"),
        ("/api/models/a/b/paths-info/abc", "paths-info models/a/b abc"),
    ],
)  # fmt: skip
def test_what_a_path_means(raw: str, expected: str) -> None:
    place = read_path(raw.encode())[0]
    words = (place.action, str(place.key), place.revision, place.path)
    assert expected == " ".join(words).strip()
    assert not place.unsafe


NO_REPO = """
/ /api /api/models /api/nothing/a/b /a/b /a/b/blob/main/x /a/resolve/m /../b/resolve/main/x
/a/..%2Fb/resolve/main/x /a/b/resolve/main /api/models/a--b /api/models/%ff
/api/models/_/b /a%00/b/resolve/main/x /api/models/a/b/c/d
"""


@pytest.mark.parametrize("raw", NO_REPO.split())
def test_what_names_no_repo(raw: str) -> None:
    assert () == read_path(raw.encode("latin-1"))


@pytest.mark.parametrize(
    "path",
    ["..", "../x", "%2e%2e/x", "x/..%2F..", "/etc", "x//y", "%2Fetc", "x%00", "x%5Cy", "%ff"],
)
def test_a_path_that_no_file_can_have(path: str) -> None:
    place = read_path(f"/a/b/resolve/main/{path}".encode())[0]
    assert ("", True) == (place.path, place.unsafe)


def test_a_name_of_two_meanings_gives_both() -> None:
    meanings = read_path(b"/api/models/openai/refs")
    assert ["refs models/openai", "info models/openai/refs"] == [
        f"{place.action} {place.key}" for place in meanings
    ]


def test_the_same_request_to_another_repo() -> None:
    place = read_path(b"/api/models/gpt2/tree/refs%2Fpr%2F1/a%20b")[0]
    other = RepoKey(RepoType.MODEL, "openai-community/gpt2")
    assert "/api/models/openai-community/gpt2/tree/refs%2Fpr%2F1/a%20b" == place.at(other)


@given(st.binary(max_size=200).map(lambda raw: b"/a/b/resolve/main/" + raw))
def test_any_bytes_are_a_safe_path_or_none(raw: bytes) -> None:
    for place in read_path(raw):
        assert place.path == "" or place.path == check_repo_path(place.path)
