"""What the shelf keeps, and when it looks again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.names import RepoKey, RepoType
from mirror.serve.errors import HubError, Miss, as_header
from mirror.serve.options import Limits, ServeOptions
from mirror.serve.shelf import Kept, Shelf, Snapshot
from mirror.store import Manifest, ManifestFile, Store

KLUE = RepoKey(RepoType.DATASET, "klue/klue")
GPT2 = RepoKey(RepoType.MODEL, "gpt2")


def _path(text: str) -> str:
    return "/".join(part for part in text.split("/") if part not in {"", ".", ".."}) or "x"


def test_a_snapshot_is_read_once_while_it_is_current(
    own_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, read = Shelf(own_root), []
    whole = Store.manifest

    def counted(store: Store, key: RepoKey, commit: str) -> Manifest:
        read.append(commit)
        return whole(store, key, commit)

    monkeypatch.setattr(Store, "manifest", counted)
    first = shelf.snapshot(KLUE)
    assert not shelf.is_quick(KLUE, "v1.0")
    assert shelf.is_quick(KLUE, "main")
    assert shelf.is_quick(KLUE, "HEAD")
    assert shelf.is_quick(KLUE, first.commit)
    assert first is shelf.snapshot(KLUE) is shelf.snapshot(KLUE, first.commit)
    assert [first.commit] == read


def test_a_filled_up_snapshot_is_read_anew(own_root: Path) -> None:
    shelf = Shelf(own_root)
    before = shelf.snapshot(KLUE)
    left_out = before.manifest.files[0].model_copy(update={"present": False})
    less = before.manifest.model_copy(update={"files": (left_out, *before.manifest.files[1:])})
    with shelf.store.write_lock("test"):
        shelf.store.publish(less, ["main"])
    after = shelf.snapshot(KLUE)
    assert len(before.present) == len(after.present) + 1


def test_a_repo_that_comes_is_found_and_an_alias_followed(own_root: Path) -> None:
    shelf, new = Shelf(own_root), RepoKey(RepoType.DATASET, "klue/new-name")
    assert not shelf.has(new)
    with shelf.store.write_lock("test"):
        shelf.store.add_alias(new, KLUE)
    assert shelf.has(new)
    assert (KLUE, "openai-community/gpt2") == (shelf.canonical(new), shelf.canonical(GPT2).repo_id)


def test_memory_for_manifests_has_a_limit(lab_root: Path) -> None:
    shelf = Shelf(lab_root, ServeOptions(limits=Limits(manifest_files=3)))
    first = shelf.snapshot(KLUE)
    assert first is shelf.snapshot(KLUE)
    shelf.snapshot(GPT2)
    assert first is not shelf.snapshot(KLUE)


def test_the_least_used_value_goes_first(tmp_path: Path) -> None:
    kept: Kept[str] = Kept(2)
    reads: list[str] = []

    def get(name: str) -> None:
        kept.get(tmp_path / name, lambda: reads.append(name) or name)  # type: ignore[func-returns-value]

    for name in "abacab":
        get(name)
    assert list("abcb") == reads


def test_the_catalog_is_opened_again_when_it_was_replaced(own_root: Path) -> None:
    shelf = Shelf(own_root)
    first = shelf.catalog()
    assert first is shelf.catalog()
    path = own_root / "catalog.db"
    copy = own_root / "copy.db"
    copy.write_bytes(path.read_bytes())
    copy.replace(path)
    assert first is not shelf.catalog()


@given(st.lists(st.text("ab/0.-", min_size=1, max_size=7).map(_path), max_size=12), st.data())
def test_paths_below_a_folder_are_those_that_begin_with_it(paths: list[str], data: Any) -> None:
    files = [path for path in dict.fromkeys(paths) if not _is_folder(path, paths)]
    snapshot = Snapshot(_manifest(files))
    folder = data.draw(st.sampled_from(["a", "b", "a/b", *snapshot.folders]))
    expected = [path for path in snapshot.paths if path.startswith(f"{folder}/")]
    assert expected == list(snapshot.below(folder))
    assert {*files, *snapshot.folders} == set(snapshot.below(""))


def _is_folder(path: str, paths: list[str]) -> bool:
    return any(other.startswith(f"{path}/") for other in paths)


def _manifest(paths: list[str]) -> Manifest:
    one = {"size": 1, "blob_id": "a" * 40, "sha256": "b" * 64}
    return Manifest(
        repo_type=RepoType.DATASET,
        repo_id="a/b",
        commit="c" * 40,
        created="2026-01-01T00:00:00+00:00",
        files=tuple(ManifestFile(path=path, **one) for path in paths),
    )


def test_misses_are_remembered_when_strict(lab_root: Path) -> None:
    miss = Miss(KLUE, "v9")
    for strict in (False, True):
        shelf = Shelf(lab_root, ServeOptions(strict=strict))
        shelf.note_miss(miss)
        shelf.note_miss(miss)
        assert ({miss: 2} if strict else {}) == shelf.misses


@pytest.mark.parametrize("revision", ["", "v9", "0" * 40, "abc", "../x", "a b", "refs/pr/1"])
def test_a_revision_that_is_not_here_is_a_miss(lab_root: Path, revision: str) -> None:
    with pytest.raises(HubError) as refused:
        Shelf(lab_root).snapshot(KLUE, revision)
    assert (404, "RevisionNotFound") == (refused.value.status, refused.value.code)
    assert Miss(KLUE, revision) == refused.value.miss


def test_a_message_is_one_line_of_ascii() -> None:
    assert r"a b\ud55c\uad6d" == as_header("a\nb한국")
    assert 600 >= len(as_header("한" * 5_000))
