"""Random damage anywhere on a volume: a reason, never a traceback, and nothing changed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mirror import Mirror
from mirror.bundle import form
from mirror.errors import MirrorError
from tests.bundle.conftest import Keys
from tests.bundle.making import (
    Side,
    copy,
    fill,
    new_side,
    records,
    reseal,
    tree,
    update,
    write_records,
)


@pytest.fixture(scope="module")
def top(keys: Keys) -> Iterator[Path]:
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="mirror-tests-", dir=shared))
    sender = new_side(folder / "sender", "outside", keys.sender)
    fill(sender.store)
    sender.export(folder / "first")
    new_side(folder / "lab", "lab", None, keys.allowed).take(folder / "first")
    update(sender.store)
    sender.export(folder / "bundle")
    yield folder
    shutil.rmtree(folder)


def files_of(top: Path) -> list[str]:
    folder = top / "bundle"
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def attempt(top: Path, keys: Keys, bad: Path, *, asks: bool) -> None:
    """It is refused, and the lab is what it was; or nothing was wrong with it."""
    lab = Side(new_mirror(top), None, keys.allowed)
    before = tree(lab.mirror.root)
    try:
        (report,) = lab.take(bad, asks=asks)
    except MirrorError as error:
        assert error.exit_code in (9, 10, 11), repr(error)
        assert before == tree(lab.mirror.root)
    else:
        assert 0 == report.exit_code
        # The text around a signature may be written in several ways; it is good, or is not.
        names = [name for name in files_of(top) if name != form.SIGNATURE]
        pristine = {path: (top / "bundle" / path).read_bytes() for path in names}
        assert asks is False or pristine == {p: (bad / p).read_bytes() for p in pristine}


def new_mirror(top: Path) -> Mirror:
    shutil.rmtree(top / "try", ignore_errors=True)
    return Mirror(copy(top / "lab", top / "try"))


def new_bundle(top: Path) -> Path:
    shutil.rmtree(top / "bad", ignore_errors=True)
    return copy(top / "bundle", top / "bad")


quick = settings(
    max_examples=40,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)


@quick
@given(data=st.data(), asks=st.booleans())
def test_damage(top: Path, keys: Keys, data: st.DataObject, asks: bool) -> None:
    bad = new_bundle(top)
    path = bad / data.draw(st.sampled_from(files_of(top)))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "insert", "replace"])):
        case "flip":
            content[place] ^= 1 << data.draw(st.integers(0, 7))
        case "cut":
            del content[place:]
        case "insert":
            content[place:place] = data.draw(st.binary(min_size=1, max_size=9))
        case _:
            content = bytearray(data.draw(st.binary(max_size=40)))
    path.write_bytes(content)
    attempt(top, keys, bad, asks=asks)


@quick
@given(data=st.data())
def test_damage_with_a_good_signature(top: Path, keys: Keys, data: st.DataObject) -> None:
    """Whoever owns a key signs a pack or records that were damaged before."""
    bad = new_bundle(top)
    name = data.draw(st.sampled_from(["packs/0001.tar", "records/0001.jsonl"]))
    content = bytearray((bad / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    (bad / name).write_bytes(content)
    reseal(bad, keys.sender)
    attempt(top, keys, bad, asks=False)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@quick
@given(data=st.data(), value=values)
def test_any_value_anywhere_in_records(
    top: Path, keys: Keys, data: st.DataObject, value: object
) -> None:
    """JSON of another shape than ours, in a bundle that is signed."""
    bad = new_bundle(top)
    items = records(bad)
    place: object = data.draw(st.sampled_from(items))
    while True:
        assert isinstance(place, dict | list)
        key = data.draw(
            st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
        )
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            place[key] = value
            break
        place = inner
    write_records(bad, items)
    reseal(bad, keys.sender)
    attempt(top, keys, bad, asks=False)


@quick
@given(data=st.data(), value=values)
def test_any_value_anywhere_in_the_head(
    top: Path, keys: Keys, data: st.DataObject, value: object
) -> None:
    bad = new_bundle(top)

    def change(head: dict[str, object]) -> None:
        name = data.draw(st.sampled_from(sorted(head)))
        entries = head["snapshots"]
        if name == "snapshots" and isinstance(entries, list):
            entry = data.draw(st.sampled_from(entries))
            entry[data.draw(st.sampled_from(sorted(entry)))] = value
        else:
            head[name] = value

    reseal(bad, keys.sender, change)
    attempt(top, keys, bad, asks=False)
