"""The plan of one commit: tables, and what must hold whatever the inputs are."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.errors import BadAnswerError, UnsafePathError
from mirror.hub.model import RepoInfo, TreeFile
from mirror.settings import PolicySettings
from mirror.store import Manifest, ManifestFile
from mirror.sync.model import Action, Change, FileFilter, Refusal, RepoPlan, Wanted
from mirror.sync.plan import Held, filled_up, manifest_of, plan_repo, tree_of
from tests.sync.lab import model

KEY = model("acme/tiny")
COMMIT, OLDER = "a" * 40, "b" * 40
EVERYTHING = (FileFilter(),)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def tree_file(path: str, size: int = 10, content: str | None = None) -> TreeFile:
    """A file of a tree: LFS where it ends in .bin; equal ``content``, equal identity."""
    text = path if content is None else content
    return TreeFile(path, size, sha1(text), sha256(text) if path.endswith(".bin") else None)


def manifest(tree: Iterable[TreeFile], present: Iterable[str]) -> Manifest:
    there = set(present)
    return Manifest(
        repo_type=KEY.repo_type,
        repo_id=KEY.repo_id,
        commit=COMMIT,
        created="2026-01-01T00:00:00+00:00",
        files=tuple(
            ManifestFile(
                path=file.path,
                size=file.size,
                blob_id=file.blob_id,
                lfs_sha256=file.lfs_sha256,
                sha256=sha256(file.etag) if file.path in there else None,
                present=file.path in there,
                absent_because=None if file.path in there else "exclude x",
            )
            for file in tree
        ),
    )


def plan(
    tree: list[TreeFile],
    *,
    filters: tuple[FileFilter, ...] = EVERYTHING,
    held: Iterable[str] = (),
    previous: str | None = None,
    earlier: Manifest | None = None,
    policy: dict[str, Any] | None = None,
    raw: dict[str, Any] | None = None,
    mirror_size: int = 0,
) -> RepoPlan | Refusal:
    there = set(held)
    return plan_repo(
        Wanted(KEY, "main", filters),
        RepoInfo(KEY, COMMIT, raw or {}),
        tree,
        Held(
            digests={file.etag: sha256(file.etag) for file in tree if file.path in there},
            previous=previous,
            manifest=earlier,
        ),
        PolicySettings(**(policy or {})),
        mirror_size=mirror_size,
    )


def actions(found: RepoPlan | Refusal) -> dict[str, str]:
    assert isinstance(found, RepoPlan)
    return {file.path: file.action.value for file in found.files}


TREE = [tree_file("README.md"), tree_file("config.json"), tree_file("w.bin", 1000)]
ALL = {file.path for file in TREE}
SOME = {"README.md", "config.json"}
NO_BIN = (FileFilter(exclude=("*.bin",)),)


@pytest.mark.parametrize(
    ("filters", "held", "previous", "earlier", "change", "expected"),
    [
        (EVERYTHING, set(), None, None, "new", ["fetch", "fetch", "fetch"]),
        (EVERYTHING, SOME, None, None, "new", ["reuse", "reuse", "fetch"]),
        (EVERYTHING, SOME, OLDER, None, "update", ["reuse", "reuse", "fetch"]),
        (EVERYTHING, ALL, OLDER, None, "update", ["reuse", "reuse", "reuse"]),
        (EVERYTHING, ALL, COMMIT, ALL, "unchanged", ["reuse", "reuse", "reuse"]),
        # The selection has grown, and the bytes are not there, or are there from elsewhere.
        (EVERYTHING, SOME, COMMIT, SOME, "fill", ["reuse", "reuse", "fetch"]),
        (EVERYTHING, ALL, COMMIT, SOME, "fill", ["reuse", "reuse", "reuse"]),
        # It has shrunk: what is there stays.
        (NO_BIN, ALL, COMMIT, ALL, "unchanged", ["reuse", "reuse", "reuse"]),
        (NO_BIN, SOME, COMMIT, SOME, "unchanged", ["reuse", "reuse", "skip"]),
        # At another commit it takes effect.
        (NO_BIN, ALL, OLDER, None, "update", ["reuse", "reuse", "skip"]),
        # Bytes are missing that should be there: also of a file that is no longer wanted.
        (EVERYTHING, SOME, COMMIT, ALL, "fill", ["reuse", "reuse", "fetch"]),
        (NO_BIN, SOME, COMMIT, ALL, "fill", ["reuse", "reuse", "fetch"]),
        # The record of what is there is lost.
        (EVERYTHING, ALL, COMMIT, None, "fill", ["reuse", "reuse", "reuse"]),
        # Another ref comes to a commit that we have, whole or in part; a killed publication.
        (EVERYTHING, ALL, None, ALL, "new", ["reuse", "reuse", "reuse"]),
        (EVERYTHING, ALL, OLDER, ALL, "update", ["reuse", "reuse", "reuse"]),
        (EVERYTHING, SOME, OLDER, SOME, "update", ["reuse", "reuse", "fetch"]),
    ],
)
def test_what_is_done_and_why(
    filters: tuple[FileFilter, ...],
    held: set[str],
    previous: str | None,
    earlier: set[str] | None,
    change: str,
    expected: list[str],
) -> None:
    record = None if earlier is None else manifest(TREE, earlier)
    found = plan(TREE, filters=filters, held=held, previous=previous, earlier=record)
    assert dict(zip(sorted(ALL), expected, strict=True)) == actions(found)
    assert isinstance(found, RepoPlan)
    assert (change, previous) == (found.change.value, found.previous)


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ((), ALL),
        (EVERYTHING, ALL),
        (NO_BIN, SOME),
        ((FileFilter(include=("*.md",)),), {"README.md"}),
        ((FileFilter(include=("*.md", "*.bin"), exclude=("w*",)),), {"README.md"}),
        ((FileFilter(max_size=10),), SOME),
        ((FileFilter(max_size=9),), set()),
        # Two entries for one repo: either of them is enough.
        ((FileFilter(include=("*.md",)), FileFilter(include=("*.json",))), SOME),
        ((FileFilter(exclude=("*",)), FileFilter(include=("*.bin",))), {"w.bin"}),
        ((*NO_BIN, FileFilter()), ALL),
        ((FileFilter(max_size=10), FileFilter(include=("w.bin",))), ALL),
    ],
)
def test_filters(filters: tuple[FileFilter, ...], kept: set[str]) -> None:
    found = actions(plan(TREE, filters=filters))
    assert kept == {path for path, action in found.items() if action == "fetch"}


def test_a_reason_for_each_file_left_out() -> None:
    found = plan(
        [*TREE, tree_file("w.safetensors"), tree_file("notes.txt"), tree_file("big.md", 99)],
        filters=(FileFilter(exclude=("*.txt",), max_size=50),),
        policy={"weights": "prefer_safetensors"},
    )
    assert isinstance(found, RepoPlan)
    expected = {
        "w.bin": "max_size 50",
        "notes.txt": "exclude *.txt",
        "big.md": "max_size 50",
    }
    assert expected == {file.path: file.because for file in found.files if file.because}
    found = plan([*TREE, tree_file("w.safetensors")], policy={"weights": "prefer_safetensors"})
    assert isinstance(found, RepoPlan)
    expected = {"w.bin": "policy.weights = prefer_safetensors"}
    assert expected == {file.path: file.because for file in found.files if file.because}


@pytest.mark.parametrize(
    "name",
    [
        "../escape", "a/../b", "..", ".", "", "/etc/passwd", "a//b", "a/", "./a", "C:/a", "c:a",
        "a\\b", "a\0b", "a\nb", "a\x7fb", "\ud800", "x" * 256, "é" * 128, "d/" * 1025 + "x",
    ],
)  # fmt: skip
def test_refuses_unsafe_names(name: str) -> None:
    with pytest.raises(UnsafePathError):
        plan([*TREE, tree_file(name)])


@pytest.mark.parametrize(
    "name",
    ["a..b", "..a", "a b", "한국어/파일.txt", "-rf", "con", "x" * 255, ".git", "ab:c", "#%?"],
)  # fmt: skip
def test_takes_names_that_are_only_strange(name: str) -> None:
    assert "fetch" == actions(plan([tree_file(name)]))[name]


@pytest.mark.parametrize(
    "names", [["a", "a"], ["a", "a/b"], ["a/b/c", "a/b"], ["x/y/z/w", "q", "x"]]
)
def test_refuses_a_tree_that_contradicts_itself(names: list[str]) -> None:
    with pytest.raises(BadAnswerError):
        plan([tree_file(name) for name in names])


@pytest.mark.parametrize(
    ("names", "clashes"),
    [
        (["a", "b"], 0),
        (["README.md", "readme.md"], 1),
        (["Data/a", "data/b"], 1),
        (["STRASSE", "straße"], 1),
        (["a/x", "b/X"], 0),
    ],
)
def test_warns_of_names_that_differ_only_by_case(names: list[str], clashes: int) -> None:
    found = plan([tree_file(name) for name in names])
    assert isinstance(found, RepoPlan)
    assert clashes == len(found.warnings)


@pytest.mark.parametrize(
    ("policy", "mirror_size", "rule"),
    [
        ({"max_repo_size": 1020}, 0, None),
        ({"max_repo_size": 1019}, 0, "policy.max_repo_size"),
        ({"max_mirror_size": 2020}, 1000, None),
        ({"max_mirror_size": 2019}, 1000, "policy.max_mirror_size"),
        ({"unknown_license": "deny"}, 0, "policy.unknown_license"),
        ({"weights": "safetensors_only"}, 0, "policy.weights"),
    ],
)
def test_refusals(policy: dict[str, Any], mirror_size: int, rule: str | None) -> None:
    found = plan(TREE, policy=policy, mirror_size=mirror_size)
    assert rule == (found.rule if isinstance(found, Refusal) else None)


def test_quotas_count_what_is_selected_and_what_is_added() -> None:
    twins = [tree_file("a.bin", 1000, "same"), tree_file("b.bin", 1000, "same")]
    assert isinstance(plan(twins, policy={"max_mirror_size": 1000}), RepoPlan)
    assert isinstance(plan(twins, policy={"max_repo_size": 1999}), Refusal)
    assert isinstance(plan(TREE, filters=NO_BIN, policy={"max_repo_size": 20}), RepoPlan)
    held = plan(TREE, held=ALL, mirror_size=5000, policy={"max_mirror_size": 1})
    assert isinstance(held, RepoPlan)


def test_a_manifest_lists_the_whole_tree() -> None:
    found = plan(TREE, filters=NO_BIN, held={"README.md"})
    assert isinstance(found, RepoPlan)
    fetched = {tree_file("config.json").etag: sha256("config")}
    made = manifest_of(found, fetched, endpoint="https://hub.example", created="2026")
    assert TREE == list(tree_of(made))
    assert {"w.bin": "exclude *.bin"} == {
        file.path: file.absent_because for file in made.files if not file.present
    }
    # The bytes of an LFS file have a known name, present or not.
    assert made.file("w.bin").sha256 == TREE[2].lfs_sha256  # type: ignore[union-attr]


def test_filling_up_takes_nothing_away() -> None:
    first = manifest(TREE, {"README.md"})
    second = manifest(TREE, {"config.json"}).model_copy(update={"created": "2026-02-02"})
    both = filled_up(second, first)
    assert ["README.md", "config.json"] == [file.path for file in both.present_files]
    assert first.created == both.created


# --- what must hold for all inputs -----------------------------------------------

_PARTS = st.sampled_from(["a", "b", "c.bin", "d.json", "E.md", "f.safetensors", "g.txt"])
_PATHS = st.lists(_PARTS, min_size=1, max_size=3).map("/".join)
_CONTENT = st.sampled_from(string.ascii_lowercase[:5])
_FILES = st.builds(tree_file, _PATHS, st.integers(0, 2000), _CONTENT)


def _consistent(files: list[TreeFile]) -> list[TreeFile]:
    """Drop what contradicts: twice the same path, file and folder; equal bytes, equal size."""
    sizes: dict[str, int] = {}
    tree: dict[str, TreeFile] = {}
    for file in files:
        size = sizes.setdefault(file.etag, file.size)
        tree[file.path] = TreeFile(file.path, size, file.blob_id, file.lfs_sha256)
    folders = {path[:i] for path in tree for i, letter in enumerate(path) if letter == "/"}
    return [file for path, file in tree.items() if path not in folders]


TREES = st.lists(_FILES, max_size=12).map(_consistent)
_PATTERNS = st.lists(st.sampled_from(["*", "*.bin", "a/*", "a/", "*.md", "nothing"]), max_size=2)
FILTERS = st.lists(
    st.builds(
        FileFilter,
        _PATTERNS.map(tuple),
        _PATTERNS.map(tuple),
        st.none() | st.integers(0, 2000),
    ),
    max_size=3,
).map(tuple)
POLICIES = st.fixed_dictionaries(
    {}, optional={"weights": st.sampled_from(["all", "prefer_safetensors"])}
)


@settings(max_examples=150)
@given(
    st.data(), TREES, FILTERS, POLICIES, st.sampled_from([None, COMMIT, OLDER]), st.booleans()
)  # fmt: skip
def test_every_plan(
    data: st.DataObject,
    tree: list[TreeFile],
    filters: tuple[FileFilter, ...],
    policy: dict[str, Any],
    previous: str | None,
    known: bool,
) -> None:
    paths = [file.path for file in tree]
    held = set(data.draw(st.lists(st.sampled_from(paths), unique=True))) if paths else set()
    present = set(data.draw(st.lists(st.sampled_from(paths), unique=True))) if paths else set()
    earlier = manifest(tree, present) if known else None
    given_all = {"held": held, "previous": previous, "earlier": earlier, "policy": policy}

    found = plan(tree, filters=filters, **given_all)

    assert isinstance(found, RepoPlan)
    # The order in which things came does not matter.
    assert found == plan(tree[::-1], filters=filters, **given_all)
    assert actions(found) == actions(plan(tree, filters=filters[::-1], **given_all))
    # Every file once, in order; a reason for each that is left out, and for no other.
    assert sorted(paths) == [file.path for file in found.files]
    for file in found.files:
        assert (file.action is Action.SKIP) == (file.because is not None)
        assert (file.action is not Action.REUSE) or file.sha256 is not None
    # What is there, stays.
    if earlier is not None:
        assert not [f for f in found.files if f.path in present and f.action is Action.SKIP]
    # No filter is no restriction, and one more filter is no restriction either.
    skipped = {file.path for file in found.files if file.action is Action.SKIP}
    wider = plan(tree, filters=(*filters, FileFilter()), **given_all)
    assert {path for path, action in actions(wider).items() if action == "skip"} <= skipped
    if found.change is Change.UNCHANGED:
        assert previous == COMMIT
        assert not found.amount(Action.FETCH).files


@settings(max_examples=60)
@given(TREES, FILTERS, FILTERS)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    tree: list[TreeFile], filters: tuple[FileFilter, ...], others: tuple[FileFilter, ...]
) -> None:
    found = plan(tree, filters=filters)
    assert isinstance(found, RepoPlan)
    fetched = {file.etag: sha256(file.etag) for file in found.files}
    made = manifest_of(found, fetched, endpoint="", created="2026")
    held = {file.path for file in made.present_files}
    again = plan(tree, filters=filters, held=held, previous=COMMIT, earlier=made)
    assert isinstance(again, RepoPlan)
    assert again.change is Change.UNCHANGED
    # And with another selection it only ever grows.
    grown = plan(tree, filters=others, held=held, previous=COMMIT, earlier=made)
    assert not [
        path for path, action in actions(grown).items() if action == "skip" and path in held
    ]
