"""Digests and manifests: values, without a store."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import BadNameError, DamagedError, UnsafePathError
from mirror.names import RepoType
from mirror.store import (
    Hasher,
    Manifest,
    ManifestFile,
    case_collisions,
    decode_manifest,
    encode_manifest,
    hash_bytes,
    hash_file,
)
from mirror.store.view import view_refs
from tests.store.making import FILES, commit_of, file_of, manifest_of

_NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\:"),
    min_size=1,
    max_size=20,
).filter(lambda name: name not in {".", ".."})
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)


@given(st.lists(st.binary(max_size=50)))
def test_the_digest_does_not_depend_on_the_pieces(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    hasher = Hasher(len(whole))
    for piece in pieces:
        hasher.update(piece)

    assert hash_bytes(whole).sha256 == hasher.sha256 == hashlib.sha256(whole).hexdigest()
    assert hash_bytes(whole).git_sha1 == hasher.git_sha1


def test_git_itself_gives_the_same_sha1(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"hello\0world\n" * 200_000)
    done = subprocess.run(["git", "hash-object", path], capture_output=True, check=True, text=True)

    assert done.stdout.strip() == hash_file(path).git_sha1
    assert hash_file(path) == hash_bytes(path.read_bytes())


_FILES = st.builds(
    lambda path, data, lfs, present: file_of(path, data, lfs=lfs, present=present),
    _PATHS,
    st.binary(max_size=20),
    st.booleans(),
    st.booleans(),
)


@given(
    st.lists(_FILES, max_size=6, unique_by=lambda file: file.path.split("/")[0]),
    st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5)),
    st.sampled_from(RepoType),
)
def test_a_manifest_comes_back_as_it_was(
    files: list[ManifestFile], upstream: dict[str, object], repo_type: RepoType
) -> None:
    manifest = Manifest(
        repo_type=repo_type,
        repo_id="acme/tiny",
        commit=commit_of("x"),
        created="2025-01-01T00:00:00Z",
        files=tuple(files),
        upstream=upstream,
    )

    assert manifest == decode_manifest(encode_manifest(manifest), "here")
    assert encode_manifest(manifest) == encode_manifest(manifest.model_copy())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff\xfe",
        encode_manifest(manifest_of())[:-30],
        encode_manifest(manifest_of()).replace(b'"format": 1', b'"format": 2'),
        encode_manifest(manifest_of()).replace(b"README.md", b"../../x.md"),
        encode_manifest(manifest_of()).replace(b"acme/tiny", b"acme/../x"),
        encode_manifest(manifest_of()).replace(b"README.md", b"config.json"),
    ],
)
def test_a_damaged_manifest_is_named(data: bytes) -> None:
    with pytest.raises(DamagedError) as caught:
        decode_manifest(data, "repos/models/acme/tiny/commits/x.json")

    assert "repos/models/acme/tiny/commits/x.json" in str(caught.value)
    assert "mirror verify --repair" in str(caught.value.hint)


def test_unknown_keys_in_a_manifest_are_ignored() -> None:
    data = encode_manifest(manifest_of()).replace(b'"format": 1', b'"format": 1, "later": [1]')

    assert manifest_of() == decode_manifest(data, "here")


@pytest.mark.parametrize("pair", [("a", "a"), ("a", "a/b"), ("a/b", "a/b/c")])
def test_paths_that_exclude_each_other_are_refused(pair: tuple[str, str]) -> None:
    files = tuple(file_of(path, b"x") for path in pair)

    with pytest.raises(UnsafePathError):
        Manifest(
            repo_type=RepoType.MODEL,
            repo_id="a/b",
            commit=commit_of("x"),
            created="",
            files=files,
        )


def test_a_path_out_of_the_folder_or_a_bad_id_is_refused() -> None:
    with pytest.raises(UnsafePathError):
        file_of("../x", b"x")
    with pytest.raises(BadNameError):
        Manifest(
            repo_type=RepoType.MODEL, repo_id="a/b/c", commit=commit_of("x"), created="", files=()
        )


def test_a_present_file_has_a_sha256() -> None:
    with pytest.raises(ValueError, match="present without a sha256"):
        ManifestFile(path="a", size=1, blob_id=commit_of("x"))


def test_a_manifest_knows_what_is_there() -> None:
    manifest = manifest_of(absent={"big.bin": b"xxx"})
    readme = manifest.file("README.md")

    assert manifest.is_partial
    assert sorted(FILES) == [file.path for file in manifest.present_files]
    assert readme is not None
    assert hash_bytes(b"# Tiny\n").git_sha1 == readme.etag
    assert manifest.file("nothing") is None


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a", "b"], []),
        (["README.md", "readme.md"], [("README.md", "readme.md")]),
        (["Data/a", "data/b"], [("Data/a", "data/b")]),
        (["a/B", "a/b", "A/c"], [("a/B", "a/b"), ("a/B", "A/c")]),
        (["straße", "STRASSE"], [("straße", "STRASSE")]),
        (
            ["\ud55c\uae00", "\u1112\u1161\u11ab\u1100\u1173\u11af"],
            [("\ud55c\uae00", "\u1112\u1161\u11ab\u1100\u1173\u11af")],
        ),
        (["É", "e\u0301"], [("É", "e\u0301")]),
    ],
)
def test_case_collisions(paths: list[str], expected: list[tuple[str, str]]) -> None:
    assert expected == case_collisions(paths)


def test_refs_that_become_files() -> None:
    one = commit_of("1")
    refs = {"main": one, "refs/convert/parquet": one, one: one, "a": one, "a/b": one}

    assert {"main": one, "refs/convert/parquet": one, "a/b": one} == view_refs(refs)
