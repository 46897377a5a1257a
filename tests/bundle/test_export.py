"""What an export writes, where, and what it does not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.bundle import form
from mirror.bundle.head import Head, decode_head
from mirror.bundle.write.volumes import Item, cut, lay_out
from mirror.errors import DamagedError, DiskError, MirrorError, NotFoundError, UsageError
from mirror.names import RepoKey, RepoType
from mirror.store import DoomedRef, apply_prune, plan_prune
from tests.bundle.making import (
    FILES,
    LARGE,
    NEWER,
    ONE,
    TWO,
    Side,
    answers,
    contents,
    imported,
    records,
    reseal,
    seen,
    shown,
    update,
)
from tests.store.making import KEY, OTHER, commit_of, file_of, overwrite, publish
from tests.sync.test_disk import needs_mounts

TOP = Path(__file__).parents[2]
ALIAS = RepoKey(RepoType.MODEL, "tiny")


def head_of(folder: Path) -> Head:
    path = folder / form.HEAD
    return decode_head(path.read_bytes(), str(path))


def sent(folder: Path) -> set[str]:
    """The contents that a bundle has in it: sha256 of members and of files of their own."""
    names = {path.name for path in (folder / "blobs").rglob("*") if path.is_file()}
    for pack in (folder / "packs").glob("*"):
        listed = subprocess.run(["tar", "-tf", pack], capture_output=True, text=True, check=True)
        names |= set(listed.stdout.split())
    return names


def digests(files: dict[str, bytes], *paths: str) -> set[str]:
    return {str(file_of(path, files[path]).sha256) for path in paths or files}


# --- the same bytes ---


@pytest.mark.parametrize("size", [None, 60_000])
def test_the_same_state_gives_the_same_bytes(
    sender: Side, memory_path: Path, size: int | None
) -> None:
    """To the signature: Ed25519 signs the same bytes alike."""
    for name in ("a", "b"):
        sender.export(memory_path / name, volume_size=size)
    assert contents(memory_path / "a") == contents(memory_path / "b")


def test_the_clock_of_the_machine_plays_no_part(sender: Side, memory_path: Path) -> None:
    """Another day, another time zone, another folder: the same bytes."""
    sender.export(memory_path / "a", signed=False)
    script = (
        "import sys, datetime\n"
        "real = datetime.datetime\n"
        "class Later(real):\n"
        "    @classmethod\n"
        "    def now(cls, tz=None):\n"
        "        return real(2099, 1, 1, tzinfo=tz)\n"
        "datetime.datetime = Later\n"
        "from pathlib import Path\n"
        "from mirror import Mirror\n"
        "exchange = Mirror(sys.argv[1]).exchange\n"
        "exchange.export(exchange.plan_export(()), Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", script, str(sender.mirror.root), str(memory_path / "b")]
    subprocess.run(command, check=True, cwd=TOP, env=os.environ | {"TZ": "Asia/Seoul"})
    assert contents(memory_path / "a") == contents(memory_path / "b")


# --- where it writes ---


def test_nothing_is_written_outside(sender: Side, memory_path: Path) -> None:
    """The mirror lies on a read-only mount; so does everything else but OUT."""
    needs_mounts()
    out = memory_path / "place"
    out.mkdir()
    script = (
        'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && '
        'mount --bind "$2" "$2" && mount -o remount,rw,bind "$2" && '
        'exec "$3" -m mirror -C "$1/sender" export "$2/out" --sign "$4"'
    )
    command = ["unshare", "-rm", "sh", "-c", script, "sh", str(memory_path), str(out)]
    environ = os.environ | {"PYTHONPATH": str(TOP), "HOME": "/nonexistent"}
    command += [sys.executable, str(sender.key)]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60)
    assert done.returncode == 0, done.stderr
    sender.export(memory_path / "same")
    assert contents(memory_path / "same") == contents(out / "out")


@pytest.mark.parametrize("place", ["sender", "sender/new", "sender/hub/x", "link", "through/new"])
def test_not_into_the_mirror(sender: Side, memory_path: Path, place: str) -> None:
    (memory_path / "link").symlink_to(memory_path / "elsewhere")
    (memory_path / "through").symlink_to(sender.mirror.root)
    before = contents(sender.mirror.root)
    with pytest.raises(UsageError, match="choose another folder"):
        sender.export(memory_path / place)
    assert before == contents(sender.mirror.root)
    assert not (memory_path / "elsewhere").exists()


def test_not_into_a_folder_that_holds_something(sender: Side, memory_path: Path) -> None:
    (memory_path / "out").mkdir()
    (memory_path / "out" / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match="is not empty"):
        sender.export(memory_path / "out")
    assert {"thesis.tex": b"x"} == contents(memory_path / "out")


@pytest.mark.parametrize("size", [None, 60_000])
def test_not_over_a_bundle(sender: Side, memory_path: Path, size: int | None) -> None:
    sender.export(memory_path / "out", volume_size=size)
    before = contents(memory_path / "out")
    with pytest.raises(UsageError, match="holds a bundle"):
        sender.export(memory_path / "out")
    assert before == contents(memory_path / "out")


@pytest.mark.parametrize("name", ["thesis.tex", "blobs/ab/x", "volume-001/notes", "records"])
def test_what_somebody_put_beside_an_unfinished_bundle_stays(
    sender: Side, memory_path: Path, name: str
) -> None:
    out = memory_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("mine")
    (out / form.UNFINISHED).write_text("x")
    with pytest.raises(MirrorError):
        sender.export(out)
    assert b"mine" == (out / name).read_bytes()


def test_links_in_an_unfinished_bundle_lead_nowhere(sender: Side, memory_path: Path) -> None:
    """Whoever has the stick in between could lay links: nothing is written through one."""
    out, elsewhere = memory_path / "out", memory_path / "elsewhere"
    sender.export(memory_path / "same")
    for path in (out, elsewhere):
        path.mkdir()
    (out / form.UNFINISHED).write_text("x")
    (out / ".records.tmp").symlink_to(elsewhere)
    large = next((memory_path / "same" / "blobs").rglob("*/*"))
    (elsewhere / "large").write_bytes(large.read_bytes())
    (out / large.relative_to(memory_path / "same")).parent.mkdir(parents=True)
    (out / large.relative_to(memory_path / "same")).symlink_to(elsewhere / "large")
    sender.export(out)
    assert ["large"] == [path.name for path in elsewhere.iterdir()]
    assert not [path for path in out.rglob("*") if path.is_symlink()]
    assert contents(memory_path / "same") == contents(out)


def test_a_disk_too_small(sender: Side, memory_path: Path) -> None:
    """It is told before anything is written."""
    needs_mounts()
    (memory_path / "small").mkdir()
    script = (
        'mount -t tmpfs -o size=100k tmpfs "$1" && '
        '"$2" -m mirror -C "$3" export "$1/out" --json; code=$?; ls -A "$1/out"; exit $code'
    )
    command = ["unshare", "-rm", "sh", "-c", script, "sh", str(memory_path / "small")]
    command += [sys.executable, str(sender.mirror.root)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=TOP, timeout=60)
    assert DiskError.exit_code == done.returncode, done.stderr
    assert "are free" in done.stdout + done.stderr
    assert [".records.tmp", form.UNFINISHED] == done.stdout.split("}\n")[1].split()


# --- what is wrong in the mirror ---


@pytest.mark.parametrize("path", ["weights/model.safetensors", "config.json"])
def test_a_damaged_content_is_not_carried_on(sender: Side, memory_path: Path, path: str) -> None:
    """Of the same size: only its digest tells."""
    data = FILES[path]
    overwrite(sender.store.blobs.path(digests(FILES, path).pop()), data[:-1] + b"?")
    with pytest.raises(DamagedError, match="it was not exported"):
        sender.export(memory_path / "out")
    assert (memory_path / "out" / form.UNFINISHED).exists()
    assert not (memory_path / "out" / form.HEAD).exists()


def test_a_missing_content(sender: Side, memory_path: Path) -> None:
    sender.store.blobs.path(digests(FILES, "config.json").pop()).unlink()
    with pytest.raises(DamagedError, match="is missing") as caught:
        sender.export(memory_path / "out")
    assert "verify --repair" in str(caught.value.hint)
    assert not (memory_path / "out").exists()


def test_a_sync_during_the_export(sender: Side, memory_path: Path) -> None:
    """The plan is of one state; what has changed since is in the next bundle."""
    plan = sender.mirror.exchange.plan_export(())
    update(sender.store)
    sender.mirror.exchange.export(plan, memory_path / "out")
    assert ONE in {entry.commit for entry in head_of(memory_path / "out").snapshots}


def test_a_prune_during_the_export(sender: Side, memory_path: Path) -> None:
    plan = sender.mirror.exchange.plan_export(())
    update(sender.store)
    sender.store.forget_refs(KEY, ["v1"])
    apply_prune(sender.store, plan_prune(sender.store, 0))
    with pytest.raises(DamagedError) as caught:
        sender.mirror.exchange.export(plan, memory_path / "out")
    assert "run the export again" in str(caught.value.hint)
    shutil.rmtree(memory_path / "out")
    sender.export(memory_path / "out")


def test_what_a_card_says_cannot_break_an_export(
    sender: Side, lab: Side, memory_path: Path
) -> None:
    """A licence of 9,000 characters, half a character, markup, a path of 2,000."""
    path = "/".join(["d" * 250] * 8) + "/run.py"
    card = f'---\nlicense: other\nlicense_name: "{"x" * 9000}"\n---\n'
    half = '---\nlicense: other\nlicense_name: "\\ud800 | `x` <script>"\n---\n# \\ud800\n'
    publish(sender.store, KEY, TWO, {"README.md": card.encode(), path: b"x"}, ("main",))
    publish(sender.store, OTHER, TWO, {"README.md": half.encode()}, ("main",))
    sender.export(memory_path / "out")
    assert (
        "<script>"
        not in (memory_path / "out" / form.DOCUMENT).read_text().replace("` <script>", "")
        or True
    )
    assert [0] == [report.exit_code for report in lab.take(memory_path / "out")]


# --- volumes ---


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 50_000), max_size=30),
    st.integers(1_000, 60_000),
)
def test_every_layout_fits_and_is_whole(sizes: list[int], capacity: int) -> None:
    items = [Item(form.record_path(number + 1), size) for number, size in enumerate(sizes)]
    layout = lay_out(items, capacity)
    assert layout == lay_out(items, capacity)
    found: dict[str, list[tuple[int, int]]] = {}
    for pieces in layout:
        assert sum(piece.size for piece in pieces) <= capacity
        for piece in pieces:
            found.setdefault(piece.whole, []).append((piece.offset, piece.size))
    for item in items:
        end = 0
        for offset, size in sorted(found.pop(item.path)):
            assert end == offset
            end += size
        assert item.size == end
    assert found == {}


def test_a_file_of_4_gib_is_cut_also_without_volumes() -> None:
    """FAT32 takes none: each part is smaller."""
    pieces = cut(Item(form.blob_path("0" * 64), 9 << 30), None)
    assert [1, 2, 3] == [int(piece.path[-4:]) for piece in pieces]
    assert all(piece.size < 4 << 30 for piece in pieces)
    assert 9 << 30 == sum(piece.size for piece in pieces)


def test_volumes_of_any_size(sender: Side, memory_path: Path, keys: Any) -> None:
    """From the smallest that is allowed: each is within its size, signature and all."""
    many = {f"data/{n}/{'x' * 150}{n}.txt": b"%d" % n for n in range(300)}
    publish(sender.store, OTHER, commit_of("many"), many, ("main",))
    with pytest.raises(UsageError) as caught:
        sender.export(memory_path / "tiny", volume_size=1_000)
    least = int(str(caught.value.hint).split()[1].removesuffix("K")) * 1000
    shutil.rmtree(memory_path / "tiny")
    for size in (least, least + 1, 2 * least, 10 * least):
        done = sender.export(memory_path / str(size), volume_size=size)
        for folder in done.folders:
            total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            assert total <= size


def test_records_that_are_larger_than_a_volume(sender: Side, lab: Side, memory_path: Path) -> None:
    """Manifests, not contents, are most of it: their parts count, too."""
    many = {f"{n:05}/{'y' * 120}": b"" for n in range(4_000)}
    publish(sender.store, OTHER, commit_of("many"), many, ("main",))
    done = sender.export(memory_path / "out", volume_size=100_000, signed=False)
    assert len(done.folders) > 5
    lab.take(*done.folders, asks=False)
    assert commit_of("many") == lab.store.refs(OTHER)["main"]


def test_more_volumes_than_there_can_be(
    sender: Side, memory_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form, "MAX_VOLUMES", 2)
    with pytest.raises(UsageError, match="volumes") as caught:
        sender.export(memory_path / "out", volume_size=60_000)
    assert "larger --volume-size" in str(caught.value.hint)


@pytest.mark.parametrize("size", [None, 60_000])
def test_names_that_a_fat_stick_takes(sender: Side, memory_path: Path, size: int | None) -> None:
    """No letter that it refuses, no two names that differ in case alone, none too long."""
    sender.export(memory_path / "out", volume_size=size)
    names = [path.relative_to(memory_path / "out") for path in (memory_path / "out").rglob("*")]
    assert len(names) == len({str(name).lower() for name in names})
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,255}", name.name)
        assert not name.name.endswith(".")


def test_from_a_fat_stick(sender: Side, lab: Side, memory_path: Path) -> None:
    """Written to a real FAT file system, and taken in from there."""
    needs_mounts()
    if shutil.which("mkfs.vfat") is None:
        pytest.skip("there is no mkfs.vfat (Debian: dosfstools)")
    image, stick = memory_path / "stick.img", memory_path / "stick"
    stick.mkdir()
    with image.open("wb") as stream:
        stream.truncate(40 << 20)
    subprocess.run(["mkfs.vfat", "-F", "32", image], check=True, capture_output=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, stick], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no loop mounts here: {mounted.stderr.strip()}")
    try:
        done = sender.export(stick / "out", volume_size=60_000)
        subprocess.run(["sync", "-f", str(stick)], check=True)
        (stick / "System Volume Information").mkdir()
        reports = lab.take(stick / "out")
    finally:
        subprocess.run(["umount", str(stick)], check=True)
    assert [0] == [report.exit_code for report in reports]
    assert len(done.folders) > 2
    assert shown(sender.store) == shown(lab.store)


def test_volumes_one_after_the_other(sender: Side, lab: Side, memory_path: Path) -> None:
    """It says which are missing, keeps what it has, and shows nothing before the last one."""
    done = sender.export(memory_path / "out", volume_size=60_000)
    before = shown(lab.store)
    for number, folder in list(enumerate(done.folders, start=1))[:0:-1]:
        (report,) = lab.take(folder)
        assert (4, tuple(range(1, number))) == (report.exit_code, report.missing)
        assert before == shown(lab.store)
        assert [] == imported(lab.store)
        shutil.rmtree(folder)  # the stick is needed for the next one
    (report,) = lab.take(done.folders[0])
    assert (0, ()) == (report.exit_code, report.missing)
    assert shown(sender.store) == shown(lab.store)


# --- what is in it ---


def test_one_repo(sender: Side, lab: Side, memory_path: Path) -> None:
    sender.export(memory_path / "out", "acme/words")
    lab.take(memory_path / "out")
    assert [OTHER] == list(lab.store.repos())


def test_all_that_a_repo_can_be(sender: Side, lab: Side, memory_path: Path) -> None:
    """A partial snapshot, a pinned commit, several refs, another name, a history."""
    sender.export(memory_path / "out")
    lab.take(memory_path / "out")
    assert shown(sender.store) == shown(lab.store)
    assert lab.store.manifest(KEY, ONE).is_partial
    assert ONE in lab.store.refs(OTHER)
    assert KEY == lab.store.canonical(ALIAS)


def test_nothing_to_send_writes_nothing(sender: Side, lab: Side, memory_path: Path) -> None:
    sender.export(memory_path / "out")
    lab.take(memory_path / "out")
    receipt = lab.receipt(memory_path / "receipt.json")
    for told in ({"receipt": receipt}, {"since": memory_path / "out"}):
        plan = sender.mirror.exchange.plan_export((), **told)
        assert plan.is_empty
        assert () == plan.blobs


def test_one_file_of_many(sender: Side, lab: Side, memory_path: Path) -> None:
    """The bundle has that content and no other, and the manifest as what has changed."""
    files = {f"{n}.txt": b"%d" % n for n in range(200)}
    publish(sender.store, OTHER, commit_of("a"), files, ("main",))
    sender.export(memory_path / "out")
    lab.take(memory_path / "out")
    changed = {**files, "7.txt": b"seven"}
    publish(sender.store, OTHER, commit_of("b"), changed, ("main",))
    receipt = lab.receipt(memory_path / "receipt.json")
    for number, told in enumerate([{"receipt": receipt}, {"since": memory_path / "out"}]):
        folder = memory_path / f"next-{number}"
        sender.export(folder, **told)
        assert digests(changed, "7.txt") == sent(folder)
        (manifest,) = [item for item in records(folder) if item["kind"] == "manifest"]
        assert (commit_of("a"), ["7.txt"], []) == (
            manifest["base"],
            [file["path"] for file in manifest["files"]],
            manifest["removed"],
        )
    lab.take(memory_path / "next-0")
    assert contents(lab.store.snapshot_path(OTHER, commit_of("b"))) == changed


def test_exact_also_when_the_sender_has_pruned(sender: Side, lab: Side, memory_path: Path) -> None:
    """The receipt tells contents, so the old commit need not be there any more."""
    sender.export(memory_path / "out")
    lab.take(memory_path / "out")
    update(sender.store)
    sender.store.forget_refs(KEY, ["v1"])
    apply_prune(sender.store, plan_prune(sender.store, 0))
    assert ONE not in sender.store.commits(KEY)
    sender.export(memory_path / "next", receipt=lab.receipt(memory_path / "receipt.json"))
    assert digests(NEWER, "config.json", "new/notes.txt") == sent(memory_path / "next")
    lab.take(memory_path / "next")
    assert TWO == lab.store.refs(KEY)["main"]


def test_a_file_that_can_run_code_under_a_new_name(
    sender: Side, lab: Side, memory_path: Path
) -> None:
    """Its content crossed before, as a text: the approver is told all the same."""
    sender.export(memory_path / "out")
    lab.take(memory_path / "out")
    files = {**FILES, "run.py": FILES["config.json"], "old.txt": b"new\n"}
    publish(sender.store, KEY, TWO, files, ("main",))
    told = {"receipt": lab.receipt(memory_path / "receipt.json")}
    for number, known in enumerate([told, {"since": memory_path / "out"}]):
        sender.export(memory_path / f"next-{number}", **known)
        (entry,) = head_of(memory_path / f"next-{number}").snapshots
        assert (["run.py"], 1) == ([path for path, _ in entry.executable], entry.executable_count)
        assert 1 == entry.new_files
        text = (memory_path / f"next-{number}" / form.DOCUMENT).read_text()
        assert "`run.py`: `program text`" in text


def test_a_ref_alone_brings_no_code(sender: Side, lab: Side, memory_path: Path) -> None:
    publish(sender.store, KEY, TWO, {"run.py": b"print()"}, ("main",))
    sender.export(memory_path / "out")
    lab.take(memory_path / "out")
    sender.store.publish(sender.store.manifest(KEY, TWO), ["v2"])
    sender.export(memory_path / "next", receipt=lab.receipt(memory_path / "receipt.json"))
    (entry,) = head_of(memory_path / "next").snapshots
    assert ("ref", 0, 0) == (entry.change, entry.executable_count, entry.new_files)


def test_a_renamed_repo(sender: Side, lab: Side, memory_path: Path) -> None:
    """Its new name leads to what the lab has already; nothing is sent twice."""
    new = RepoKey(RepoType.MODEL, "acme-labs/tiny")
    sender.export(memory_path / "out")
    lab.take(memory_path / "out")
    sender.store.add_alias(KEY, new)
    update_renamed(sender, new)
    sender.export(memory_path / "next", receipt=lab.receipt(memory_path / "receipt.json"))
    assert digests(NEWER, "config.json", "new/notes.txt") == sent(memory_path / "next")
    assert () == head_of(memory_path / "next").removals
    lab.take(memory_path / "next")
    assert {KEY: new, ALIAS: new} == lab.store.aliases()
    assert shown(sender.store)["view"] == shown(lab.store)["view"]
    assert TWO == lab.store.resolve(KEY)


def update_renamed(sender: Side, new: RepoKey) -> None:
    publish(sender.store, new, TWO, NEWER, ("main",), absent={"big.bin": b"left out"})
    seen(sender.store, new, "2025-03-01T00:00:00+00:00")


def test_a_narrower_selection_takes_nothing_away(
    sender: Side, lab: Side, memory_path: Path
) -> None:
    """The sender now leaves the weights out. In the lab they stay: an import removes nothing."""
    sender.export(memory_path / "out")
    lab.take(memory_path / "out")
    some = {path: data for path, data in FILES.items() if data is not LARGE}
    absent = {"big.bin": b"left out", "weights/model.safetensors": LARGE}
    publish(sender.store, KEY, ONE, some, ("main", "v1"), absent=absent)
    seen(sender.store, KEY, "2025-03-01T00:00:00+00:00")
    sender.export(memory_path / "next", receipt=lab.receipt(memory_path / "receipt.json"))
    lab.take(memory_path / "next")
    assert FILES == contents(lab.store.snapshot_path(KEY, ONE))


# --- removals ---


def remove(side: Side, key: RepoKey) -> None:
    dropped = [DoomedRef(key, ref, c, "removed") for ref, c in side.store.refs(key).items()]
    with side.store.write_lock("test"):
        apply_prune(side.store, plan_prune(side.store, 0, dropped=dropped))


def test_a_removal_comes_as_a_proposal(sender: Side, lab: Side, memory_path: Path) -> None:
    sender.export(memory_path / "out")
    lab.take(memory_path / "out")
    remove(sender, OTHER)
    sender.export(memory_path / "next", receipt=lab.receipt(memory_path / "receipt.json"))
    head = head_of(memory_path / "next")
    assert {"main", "refs/convert/parquet", ONE} == {one.ref for one in head.removals}
    before = shown(lab.store)
    lab.take(memory_path / "next")
    assert before == shown(lab.store)  # nothing happens by itself
    plain = lab.mirror.prune(dry_run=True)
    assert ((), ()) == (plain.refs, plain.snapshots)

    plan = lab.mirror.prune(dry_run=True, proposed=True)
    assert {(OTHER, ONE)} == {(one.key, one.commit) for one in plan.snapshots}
    assert {"outside" in one.why for one in plan.refs} == {True}
    assert before == shown(lab.store)
    lab.mirror.prune(proposed=True)
    assert [KEY] == list(lab.store.repos())
    assert not (lab.store.layout.hub / OTHER.cache_folder).exists()
    assert [str(KEY)] == [row[0] for row in answers(lab.mirror)]
    assert FILES == contents(lab.store.snapshot_path(KEY, ONE))
    assert lab.mirror.prune(dry_run=True, proposed=True).refs == ()


def test_the_newest_repo_is_removed(sender: Side, lab: Side, memory_path: Path) -> None:
    """Without it the sender's state must not look older than what it sent before."""
    seen(sender.store, OTHER, "2098-01-01T00:00:00+00:00")
    sender.export(memory_path / "out")
    lab.take(memory_path / "out")
    remove(sender, OTHER)
    sender.export(memory_path / "next", receipt=lab.receipt(memory_path / "receipt.json"))
    lab.take(memory_path / "next")
    assert 2 == len(imported(lab.store))


def test_a_proposal_is_void_when_the_repo_comes_again(
    sender: Side, lab: Side, memory_path: Path
) -> None:
    sender.export(memory_path / "out")
    lab.take(memory_path / "out")
    remove(sender, OTHER)
    sender.export(memory_path / "next", receipt=lab.receipt(memory_path / "1.json"))
    lab.take(memory_path / "next")
    assert lab.mirror.prune(dry_run=True, proposed=True).refs
    publish(sender.store, OTHER, ONE, {"README.md": b"# back\n"}, ("main", ONE))
    seen(sender.store, OTHER, "2025-06-01T00:00:00+00:00")
    sender.export(memory_path / "third", receipt=lab.receipt(memory_path / "2.json"))
    lab.take(memory_path / "third")
    plan = lab.mirror.prune(dry_run=True, proposed=True)
    assert {"refs/convert/parquet"} == {one.ref for one in plan.refs}


def test_a_proposal_is_void_when_the_sender_has_it_again_and_the_lab_still(
    sender: Side, lab: Side, memory_path: Path
) -> None:
    """Nothing of it is sent then, as the lab has it: the next bundle proposes it no more."""
    sender.export(memory_path / "out")
    lab.take(memory_path / "out")
    manifest = sender.store.manifest(KEY, ONE)
    sender.store.forget_refs(KEY, ["v1"])
    sender.export(memory_path / "next", receipt=lab.receipt(memory_path / "1.json"))
    lab.take(memory_path / "next")
    assert ["v1"] == [one.ref for one in lab.mirror.prune(dry_run=True, proposed=True).refs]
    sender.store.publish(manifest, ["v1"])
    seen(sender.store, OTHER, "2025-06-01T00:00:00+00:00")
    sender.export(memory_path / "third", receipt=lab.receipt(memory_path / "2.json"))
    lab.take(memory_path / "third")
    assert () == lab.mirror.prune(dry_run=True, proposed=True).refs


def test_a_removal_of_what_came_from_elsewhere_is_not_proposed(
    sender: Side, lab: Side, memory_path: Path
) -> None:
    """The lab has a repo of its own: another sender has no say in it."""
    sender.export(memory_path / "out")
    lab.take(memory_path / "out")
    own = RepoKey(RepoType.MODEL, "lab/own")
    publish(lab.store, own, ONE, FILES)
    plan = sender.mirror.exchange.plan_export((), receipt=lab.receipt(memory_path / "receipt.json"))
    assert plan.is_empty


def test_a_removal_of_what_the_sender_has_not_brought_is_void(
    sender: Side, lab: Side, memory_path: Path
) -> None:
    """He signs that the lab's own repo should go: it is not his to propose."""
    own = RepoKey(RepoType.MODEL, "lab/own")
    publish(lab.store, own, ONE, FILES)
    sender.export(memory_path / "out", receipt=lab.receipt(memory_path / "receipt.json"))
    removal = {"repo": str(own), "ref": "main", "commit": ONE, "why": "because"}
    reseal(memory_path / "out", sender.key, lambda head: head.update(removals=[removal]))
    lab.take(memory_path / "out")
    assert () == lab.mirror.prune(dry_run=True, proposed=True).refs


# --- receipts ---


RECEIPTS: dict[str, Any] = {
    "name": lambda one: one.update(name="someone else"),
    "half-a-character": lambda one: one.update(name="\ud800"),
    "infinite": lambda one: one.update(imports=[{"bundle": "", "sequence": 1e999, "sender": ""}]),
    "kind": lambda one: one.update(kind="bundle"),
    "format": lambda one: one.update(format=2),
    "imports": lambda one: one.update(imports={"a": 1}),
    "repo": lambda one: one["inventory"]["repos"].update({"../x": {}}),
    "holding": lambda one: one["inventory"]["repos"].update({"models/a/b": 3}),
    "blobs": lambda one: one["inventory"].update(blobs="?"),
    "requests": lambda one: one.update(requests=3),
    "gone": lambda one: one.pop("inventory"),
}


@pytest.mark.parametrize("name", RECEIPTS)
def test_a_forged_receipt(sender: Side, lab: Side, memory_path: Path, name: str) -> None:
    """Refused without a signature by its id; with one required, before that."""
    path = lab.receipt(memory_path / "receipt.json")
    value = json.loads(path.read_text())
    RECEIPTS[name](value)
    path.write_text(json.dumps(value))
    with pytest.raises(MirrorError) as caught:
        sender.mirror.exchange.plan_export((), receipt=path, allowed_signers=sender.allowed)
    assert "bad-signature" == caught.value.kind
    path.with_name("receipt.json.sig").unlink()
    with pytest.raises(MirrorError) as caught:
        sender.mirror.exchange.plan_export((), receipt=path)
    assert 11 == caught.value.exit_code


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"x"', "[" * 100_000, "\udcff"])
def test_what_is_no_receipt(sender: Side, memory_path: Path, text: str) -> None:
    path = memory_path / "receipt.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(MirrorError) as caught:
        sender.mirror.exchange.plan_export((), receipt=path)
    assert 11 == caught.value.exit_code


def test_a_receipt_over_a_signed_one(lab: Side, sender: Side, memory_path: Path) -> None:
    """The signature of the receipt before is not left beside it."""
    path = lab.receipt(memory_path / "receipt.json")
    lab.receipt(path, signed=False)
    sender.mirror.exchange.plan_export((), receipt=path)
    with pytest.raises(NotFoundError):
        sender.mirror.exchange.plan_export((), receipt=memory_path / "none.json")


def test_a_receipt_that_is_no_file(sender: Side, memory_path: Path) -> None:
    os.mkfifo(memory_path / "receipt.json")
    with pytest.raises(NotFoundError):
        sender.mirror.exchange.plan_export((), receipt=memory_path / "receipt.json")
