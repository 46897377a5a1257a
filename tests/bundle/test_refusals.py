"""Every refusal, by name: the reason, the hint, and that nothing has changed.

``forged`` is done by somebody who owns an allowed key: his signature is good, what he says is
not. What is done without a key must be found by the signature or the digests alone.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mirror.bundle import form
from mirror.bundle.packs import END, header_of, padding
from mirror.bundle.take.importing import import_bundle
from mirror.errors import (
    BadSignatureError,
    BundleError,
    ChangedBytesError,
    DamagedBundleError,
    DiskError,
    ExpiredBundleError,
    ExtraFilesError,
    IncompleteVolumeError,
    LockedError,
    MirrorError,
    MissingParentError,
    MissingSignatureError,
    NotFoundError,
    OlderBundleError,
    ReplayedBundleError,
    UnknownBundleFormatError,
    UnknownSignerError,
    UnsafeBundleError,
    UsageError,
)
from tests.bundle.conftest import Keys
from tests.bundle.making import (
    FILES,
    LARGE,
    Side,
    allow,
    answers,
    copy,
    make_key,
    new_side,
    records,
    relist,
    reseal,
    reseal_volumes,
    seen,
    shown,
    sign,
    tree,
    update,
    write_head,
    write_records,
)
from tests.store.making import KEY, OTHER, commit_of, manifest_of, publish

Forgery = Callable[[Path], object]
Json = dict[str, Any]


@pytest.fixture
def known(lab: Side, sender: Side, memory_path: Path) -> Side:
    """A lab that has something: an earlier state of the same sender."""
    sender.export(memory_path / "earlier")
    lab.take(memory_path / "earlier")
    update(sender.store)
    return lab


@pytest.fixture
def good(known: Side, sender: Side, memory_path: Path) -> Path:
    """What the sender sends next: all of it again, so that it has every kind of file."""
    sender.export(memory_path / "good")
    return memory_path / "good"


def refuse(
    lab: Side, good: Path, bad: Path, error: type[MirrorError], *words: str, asks: bool = True
) -> MirrorError:
    """``bad`` is refused for this reason, nothing has changed, and ``good`` still comes in."""
    before, found = tree(lab.mirror.root), answers(lab.mirror)
    with pytest.raises(error) as caught:
        lab.take(bad, asks=asks)
    assert type(caught.value) is error, repr(caught.value)
    for word in words:
        assert word in f"{caught.value} {caught.value.hint or ''}"
    assert before == tree(lab.mirror.root)
    assert found == answers(lab.mirror)
    if good != bad:
        assert [0] == [report.exit_code for report in lab.take(good)]
    return caught.value


# --- who has signed ---


def test_no_signature_where_one_is_required(known: Side, good: Path) -> None:
    bad = copy(good, good.with_name("bad"))
    (bad / form.SIGNATURE).unlink()
    refuse(known, good, bad, MissingSignatureError, "not signed", "--sign KEY")


def test_a_signature_of_other_bytes(known: Side, good: Path, memory_path: Path) -> None:
    bad = copy(good, good.with_name("bad"))
    shutil.copy(memory_path / "earlier" / form.SIGNATURE, bad)
    refuse(known, good, bad, BadSignatureError, "copy the bundle again")


def test_a_signature_for_another_purpose(known: Side, good: Path, keys: Keys) -> None:
    """Of a receipt, or of a letter: the same key, and no word about a bundle."""
    bad = copy(good, good.with_name("bad"))
    sign(bad, keys.sender, "hub-mirror-receipt")
    refuse(known, good, bad, BadSignatureError, "hub-mirror-bundle")


def test_a_signature_that_is_none(known: Side, good: Path) -> None:
    bad = copy(good, good.with_name("bad"))
    (bad / form.SIGNATURE).write_text("trust me")
    refuse(known, good, bad, BadSignatureError, "not an OpenSSH signature")


def test_a_bad_signature_is_refused_also_where_none_is_asked_for(known: Side, good: Path) -> None:
    bad = copy(good, good.with_name("bad"))
    (bad / form.SIGNATURE).write_text("-----BEGIN SSH SIGNATURE-----\nAAAA\n")
    refuse(known, good, bad, BadSignatureError, asks=False)


def test_an_absurd_signature(known: Side, good: Path) -> None:
    bad = copy(good, good.with_name("bad"))
    os.truncate(bad / form.SIGNATURE, 1 << 40)
    refuse(known, good, bad, UnsafeBundleError, "more than any can")


def test_an_unknown_signer(known: Side, good: Path, keys: Keys) -> None:
    bad = copy(good, good.with_name("bad"))
    sign(bad, keys.stranger)
    refuse(known, good, bad, UnknownSignerError, "SHA256:", "compare the fingerprint")


def test_a_signer_whose_time_is_over(known: Side, good: Path, keys: Keys) -> None:
    allowed = allow(good.with_name("allowed"), [keys.sender], 'valid-before="20200101"')
    before = tree(known.mirror.root)
    with pytest.raises(UnknownSignerError):
        known.mirror.exchange.inspect([good], allowed_signers=allowed)
    assert before == tree(known.mirror.root)


def test_a_signer_for_other_things(good: Path, known: Side, keys: Keys) -> None:
    allowed = allow(good.with_name("allowed"), [keys.sender], 'namespaces="git"')
    with pytest.raises(UnknownSignerError):
        known.mirror.exchange.inspect([good], allowed_signers=allowed)


def test_a_list_that_is_not_there(good: Path, known: Side) -> None:
    with pytest.raises(UsageError, match="no list of allowed signers"):
        known.mirror.exchange.inspect([good], allowed_signers=good / "nowhere")


def test_a_line_with_several_names(good: Path, known: Side, keys: Keys) -> None:
    allowed = good.with_name("allowed")
    allowed.write_text(f"*@git,outside@lab {keys.sender.with_suffix('.pub').read_text()}")
    (arrival,) = known.mirror.exchange.inspect([good], allowed_signers=allowed)
    assert arrival.signer.name in ("*@git", "outside@lab")


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_keys_of_every_kind(known: Side, sender: Side, memory_path: Path, kind: str) -> None:
    key = make_key(memory_path, f"key-{kind}", kind)
    allowed = allow(memory_path / "allowed", [key])
    Side(sender.mirror, key).export(memory_path / "out")
    side = Side(known.mirror, None, allowed)
    (report,) = side.take(memory_path / "out")
    assert report.signer.name == f"key-{kind}@lab"
    assert report.signer.key.startswith("SHA256:")


def test_without_ssh_keygen(
    known: Side, good: Path, monkeypatch: pytest.MonkeyPatch, memory_path: Path
) -> None:
    before = tree(known.mirror.root)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "")
        with pytest.raises(BundleError, match="ssh-keygen is not on this machine"):
            known.take(good)
    assert before == tree(known.mirror.root)


def test_a_stick_that_gives_other_bytes_the_second_time(
    known: Side, good: Path, keys: Keys
) -> None:
    """What was checked is what is used: nothing of the frame is read twice."""
    (arrival,) = known.mirror.exchange.inspect([good], allowed_signers=known.allowed)
    for name in form.FRAME:
        (good / name).write_bytes(b"another")
    known.mirror.exchange.take_in(arrival, allowed_signers=known.allowed)
    folder = known.store.layout.exchange / "imports" / arrival.head.id
    assert b"another" not in {path.read_bytes() for path in folder.iterdir()}


def test_what_nobody_has_signed_is_not_parsed(known: Side, good: Path) -> None:
    """The head may be half a gigabyte of brackets: first it is asked who says so."""
    bad = copy(good, good.with_name("bad"))
    (bad / form.HEAD).write_bytes(b"[" * 100_000)
    (bad / form.SIGNATURE).unlink()
    refuse(known, good, bad, MissingSignatureError)


def test_a_head_that_the_signed_list_does_not_state_is_not_parsed(known: Side, good: Path) -> None:
    bad = copy(good, good.with_name("bad"))
    (bad / form.HEAD).write_bytes(b"[" * 100_000)
    refuse(known, good, bad, ChangedBytesError, form.HEAD)


# --- whether it is welcome ---


def test_a_replayed_bundle(known: Side, memory_path: Path, good: Path) -> None:
    refuse(known, good, memory_path / "earlier", ReplayedBundleError, "was taken in already")


def test_an_older_bundle(known: Side, sender: Side, memory_path: Path, good: Path) -> None:
    sender.export(memory_path / "older", str(KEY))
    seen(sender.store, KEY, "2099-05-05T00:00:00+00:00")
    sender.export(memory_path / "newer")
    known.take(memory_path / "newer")
    bad = memory_path / "older"
    refuse(known, bad, bad, OlderBundleError, "mirror receipt")


def test_a_sender_whose_clock_was_put_right(
    known: Side, sender: Side, memory_path: Path, good: Path
) -> None:
    """What he sends now looks older than what he sent then; a receipt proves that it is not."""
    log = sender.store.layout.history(KEY)
    before = log.read_bytes()
    seen(sender.store, KEY, "2099-05-05T00:00:00+00:00")
    sender.export(memory_path / "ahead")
    known.take(memory_path / "ahead")
    log.write_bytes(before)
    seen(sender.store, KEY, "2026-05-05T00:00:00+00:00")
    publish(sender.store, OTHER, commit_of("w2"), {"README.md": b"# W2\n"}, ("main",))
    sender.export(memory_path / "refused", since=memory_path / "ahead")
    refuse(known, good, good, OlderBundleError, "mirror receipt")
    sender.export(memory_path / "cure", receipt=known.receipt(memory_path / "receipt.json"))
    assert [0] == [report.exit_code for report in known.take(memory_path / "cure")]
    assert commit_of("w2") == known.store.refs(OTHER)["main"]


def test_an_expired_bundle(known: Side, sender: Side, memory_path: Path, good: Path) -> None:
    sender.export(memory_path / "bad", expires="2020-01-01T23:59:59+00:00")
    refuse(known, good, memory_path / "bad", ExpiredBundleError, "2020-01-01", "new export")


def test_the_moment_that_a_bundle_expires(
    known: Side, sender: Side, memory_path: Path, good: Path
) -> None:
    sender.export(memory_path / "bad", expires="2026-01-01T23:59:59+00:00")
    (arrival,) = known.mirror.exchange.inspect([memory_path / "bad"])
    with pytest.raises(ExpiredBundleError):
        import_bundle(known.store, arrival, None, now=datetime(2026, 1, 2, tzinfo=UTC))
    just = datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC)
    assert 0 == import_bundle(known.store, arrival, None, now=just).exit_code


def test_a_parent_that_was_lost(known: Side, sender: Side, memory_path: Path, good: Path) -> None:
    """A receipt cures it: the next bundle has exactly the difference."""
    sender.export(memory_path / "lost")
    publish(sender.store, OTHER, commit_of("w2"), {"README.md": b"# W2\n"}, ("main",))
    seen(sender.store, OTHER, "2025-06-01T00:00:00+00:00")
    sender.export(memory_path / "bad", since=memory_path / "lost")
    lost = json.loads((memory_path / "lost" / form.HEAD).read_text())["id"]
    words = (lost[:12], "was not taken in here", "mirror receipt here", "export --for")
    refuse(known, memory_path / "bad", memory_path / "bad", MissingParentError, *words)
    receipt = known.receipt(memory_path / "receipt.json")
    sender.export(memory_path / "cure", receipt=receipt)
    known.take(memory_path / "cure")
    assert shown(sender.store)["view"].items() <= shown(known.store)["view"].items()


def test_a_receipt_of_another_lab(known: Side, sender: Side, memory_path: Path, good: Path) -> None:
    other = new_side(memory_path / "other", "other-lab", known.key, known.allowed)
    receipt = other.receipt(memory_path / "receipt.json")
    sender.export(memory_path / "bad", receipt=receipt)
    words = ("not of this mirror", "another lab")
    refuse(known, good, memory_path / "bad", MissingParentError, *words)


def test_content_that_the_sender_counted_on_is_gone(
    known: Side, sender: Side, memory_path: Path
) -> None:
    """Between receipt and import somebody has emptied the lab's folder of a content."""
    from tests.store.making import file_of

    receipt = known.receipt(memory_path / "receipt.json")
    sender.export(memory_path / "bad", receipt=receipt)
    weights = file_of("weights/model.safetensors", LARGE).sha256
    known.store.blobs.path(str(weights)).unlink()
    words = ("weights/model.safetensors", "mirror receipt here")
    refuse(known, memory_path / "bad", memory_path / "bad", MissingParentError, *words)


# --- what is on the stick, without any key ---


def payload(folder: Path, kind: str) -> Path:
    return next(path for path in sorted((folder / kind).rglob("*")) if path.is_file())


@pytest.mark.parametrize("kind", [form.RECORDS, form.PACKS, form.BLOBS])
def test_a_changed_byte(known: Side, good: Path, kind: str) -> None:
    bad = copy(good, good.with_name("bad"))
    path = payload(bad, kind)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refuse(known, good, bad, ChangedBytesError, path.name, "copy that file again")


def test_a_changed_byte_goes_on_with_the_rest(known: Side, good: Path) -> None:
    bad = copy(good, good.with_name("bad"))
    path = payload(bad, form.RECORDS)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"kind"', b'"kinD"', 1))
    with pytest.raises(ChangedBytesError):
        known.take(bad)
    path.write_bytes(whole)
    assert [0] == [report.exit_code for report in known.take(bad)]


@pytest.mark.parametrize("name", [form.HEAD, form.DOCUMENT])
def test_a_changed_frame(known: Side, good: Path, name: str) -> None:
    bad = copy(good, good.with_name("bad"))
    with (bad / name).open("a") as stream:
        stream.write(" ")
    refuse(known, good, bad, ChangedBytesError, name)


def test_a_changed_listing(known: Side, good: Path) -> None:
    bad = copy(good, good.with_name("bad"))
    text = (bad / form.LISTING).read_text()
    (bad / form.LISTING).write_text(text.replace("a", "b", 1))
    refuse(known, good, bad, BadSignatureError)


@pytest.mark.parametrize("kind", [form.RECORDS, form.PACKS, form.BLOBS])
def test_a_truncated_volume(known: Side, good: Path, kind: str) -> None:
    bad = copy(good, good.with_name("bad"))
    path = payload(bad, kind)
    os.truncate(path, path.stat().st_size - 1)
    refuse(known, good, bad, IncompleteVolumeError, path.name, "are listed")


@pytest.mark.parametrize("name", [form.HEAD, form.LISTING, form.DOCUMENT, "blobs"])
def test_a_file_that_is_missing(known: Side, good: Path, name: str) -> None:
    bad = copy(good, good.with_name("bad"))
    path = payload(bad, name) if name == "blobs" else bad / name
    path.unlink()
    error = NotFoundError if name == form.HEAD else IncompleteVolumeError
    refuse(known, good, bad, error)


def test_a_file_that_is_longer(known: Side, good: Path) -> None:
    bad = copy(good, good.with_name("bad"))
    with payload(bad, form.PACKS).open("ab") as stream:
        stream.write(b"\0")
    refuse(known, good, bad, IncompleteVolumeError)


@pytest.mark.parametrize("name", ["notes.txt", "blobs/zz", "records/0009.jsonl", "a/b/c/d/e/f/g"])
def test_extra_files(known: Side, good: Path, name: str) -> None:
    bad = copy(good, good.with_name("bad"))
    (bad / name).parent.mkdir(parents=True, exist_ok=True)
    (bad / name).write_text("x")
    refuse(known, good, bad, ExtraFilesError)


def test_an_extra_file_without_a_name_in_utf8(known: Side, good: Path) -> None:
    bad = copy(good, good.with_name("bad"))
    (Path(os.fsdecode(os.fsencode(bad) + b"/caf\xe9"))).write_text("x")
    error = refuse(known, good, bad, ExtraFilesError, "caf")
    str(error).encode()  # it can be printed


def test_an_empty_folder_is_no_file(known: Side, good: Path) -> None:
    (good / "New Folder").mkdir()
    assert [0] == [report.exit_code for report in known.take(good)]


def link(path: Path) -> None:
    data = path.rename(path.parent.parent.parent.parent / "elsewhere")
    path.symlink_to(data)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def listen(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # the name of a socket is at most 108 bytes
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


def device(path: Path) -> None:
    path.unlink()
    try:
        os.mknod(path, 0o20666, os.makedev(1, 5))  # zeros without an end
    except PermissionError:
        pytest.skip("only root makes devices")


@pytest.mark.parametrize("kind", [link, pipe, listen, device])
def test_no_plain_file(known: Side, good: Path, kind: Callable[[Path], None]) -> None:
    bad = copy(good, good.with_name("bad"))
    kind(payload(bad, form.BLOBS))
    refuse(known, good, bad, UnsafeBundleError)


@pytest.mark.parametrize("name", form.FRAME)
def test_a_frame_that_is_a_link(known: Side, good: Path, name: str) -> None:
    bad = copy(good, good.with_name("bad"))
    (bad / name).unlink()
    (bad / name).symlink_to(good / name)
    refuse(known, good, bad, UnsafeBundleError, "is a link")


def test_a_folder_that_is_a_link(known: Side, good: Path) -> None:
    bad = copy(good, good.with_name("bad"))
    shutil.rmtree(bad / form.BLOBS)
    (bad / form.BLOBS).symlink_to(good / form.BLOBS)
    refuse(known, good, bad, UnsafeBundleError, "is a link")


def test_a_volume_that_is_a_link(known: Side, good: Path) -> None:
    bad = good.with_name("bad")
    bad.mkdir()
    (bad / "volume-001").symlink_to(good)
    refuse(known, good, bad, UnsafeBundleError, "is a link")


def test_a_link_that_comes_after_the_look(known: Side, good: Path) -> None:
    (arrival,) = known.mirror.exchange.inspect([good], allowed_signers=known.allowed)
    link(payload(good, form.BLOBS))
    before = tree(known.mirror.root)
    with pytest.raises(BundleError):
        known.mirror.exchange.take_in(arrival, allowed_signers=known.allowed)
    assert before == tree(known.mirror.root)


def test_what_operating_systems_leave(known: Side, good: Path) -> None:
    """It is named, never read, and harms nothing: not even what is no file."""
    (good / "System Volume Information").mkdir()
    (good / "System Volume Information" / "IndexerVolumeGuid").write_text("x")
    (good / "blobs" / "._x").write_text("x")
    os.mkfifo(good / ".DS_Store")
    (Path(os.fsdecode(os.fsencode(good) + b"/._\xe9"))).write_text("x")
    (arrival,) = known.mirror.exchange.inspect([good], allowed_signers=known.allowed)
    names = {Path(name).name for name in arrival.ignored}
    assert {"System Volume Information", "._x", ".DS_Store"} <= names
    assert [0] == [report.exit_code for report in known.take(good)]


def test_an_export_that_was_not_finished(known: Side, good: Path) -> None:
    bad = copy(good, good.with_name("bad"))
    (bad / form.UNFINISHED).write_text("x")
    refuse(known, good, bad, IncompleteVolumeError, "run the same mirror export again")


def test_an_export_that_was_not_finished_and_hides_it(known: Side, good: Path) -> None:
    bad = copy(good, good.with_name("bad"))
    (bad / "blobs" / ".part.tmp").write_text("x")
    refuse(known, good, bad, ExtraFilesError)


def test_a_giant_sparse_file(known: Side, good: Path) -> None:
    bad = copy(good, good.with_name("bad"))
    os.truncate(payload(bad, form.BLOBS), 1 << 40)
    refuse(known, good, bad, IncompleteVolumeError, f"{1 << 40:,}")


@pytest.mark.parametrize("name", [form.HEAD, form.LISTING, form.DOCUMENT])
def test_a_giant_frame(known: Side, good: Path, name: str) -> None:
    bad = copy(good, good.with_name("bad"))
    os.truncate(bad / name, 1 << 40)
    refuse(known, good, bad, UnsafeBundleError, "more than any can")


def test_a_folder_without_a_bundle(known: Side, good: Path, memory_path: Path) -> None:
    (memory_path / "bad").mkdir()
    refuse(known, good, memory_path / "bad", NotFoundError, "no bundle in")


def test_a_folder_that_is_not_there(known: Side, good: Path, memory_path: Path) -> None:
    refuse(known, good, memory_path / "nowhere", NotFoundError, "not a folder")


def test_a_stick_that_fails_while_it_is_read(
    known: Side, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The medium is to blame, not the disk of the mirror. (No disk here fails when asked to.)"""
    import mirror.bundle.take.staging as staging

    def failing(path: Path) -> Any:
        return Path("/proc/self/mem").open("rb")

    before = tree(known.mirror.root)
    with monkeypatch.context() as patch:
        patch.setattr(staging, "open_plain", failing)
        with pytest.raises(IncompleteVolumeError, match="Input/output error") as caught:
            known.take(good)
    assert str(good) in str(caught.value)
    assert before == tree(known.mirror.root)
    assert [0] == [report.exit_code for report in known.take(good)]


def test_another_process_writes(known: Side, good: Path) -> None:
    with known.store.write_lock("test"):
        refuse(known, good, good, LockedError)


def test_a_disk_too_small(known: Side, good: Path, keys: Keys) -> None:
    bad = copy(good, good.with_name("bad"))
    path = payload(bad, form.BLOBS)
    big = path.with_name("0" * 64)
    (bad / "blobs" / "00").mkdir()
    big = bad / "blobs" / "00" / ("0" * 64)

    def lie(head: Json) -> None:
        entry = {"path": f"blobs/00/{'0' * 64}", "size": 1 << 50, "sha256": "0" * 64}
        head["volumes"][0]["files"].append(entry)

    reseal(bad, keys.sender, lie)
    big.touch()
    os.truncate(big, 1 << 40)
    listing = (bad / form.LISTING).read_text() + f"{'0' * 64}  blobs/00/{'0' * 64}\n"
    lines = sorted(listing.splitlines(keepends=True), key=lambda line: line[66:])
    (bad / form.LISTING).write_text("".join(lines))
    head = json.loads((bad / form.HEAD).read_text())
    head["volumes"][0]["files"][-1]["size"] = 1 << 40
    write_head(bad, head)
    _restate(bad, form.HEAD)
    sign(bad, keys.sender)
    refuse(known, good, bad, DiskError, "are free", "mirror prune")


def _restate(folder: Path, name: str) -> None:
    import hashlib

    lines = (folder / form.LISTING).read_text().splitlines()
    found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    lines = [f"{found}  {name}" if line[66:] == name else line for line in lines]
    (folder / form.LISTING).write_text("".join(f"{line}\n" for line in lines))


# --- forged by somebody who owns an allowed key ---


def refuse_forged(
    known: Side,
    good: Path,
    key: Path,
    change: Callable[[Json], object] | None,
    error: type[MirrorError],
    *words: str,
) -> MirrorError:
    bad = copy(good, good.with_name("bad"))
    reseal(bad, key, change)
    return refuse(known, good, bad, error, *words)


def set_in_entry(**values: Any) -> Callable[[Json], object]:
    return lambda head: head["snapshots"][0].update(values)


def set_in_head(**values: Any) -> Callable[[Json], object]:
    return lambda head: head.update(values)


HUGE = 1 << 62
HEADS: dict[str, tuple[Callable[[Json], object], type[MirrorError]]] = {
    "format": (set_in_head(format=2), UnknownBundleFormatError),
    "no-format": (lambda head: head.pop("format"), UnknownBundleFormatError),
    "no-volumes": (set_in_head(volumes=[]), DamagedBundleError),
    "size": (set_in_entry(size=HUGE), DamagedBundleError),
    "negative": (set_in_entry(files=-1), DamagedBundleError),
    "count": (set_in_head(sequence=HUGE), DamagedBundleError),
    "number": (set_in_head(sequence=1.5), DamagedBundleError),
    "infinite": (set_in_head(sequence=float("inf")), DamagedBundleError),
    "line": (set_in_head(sender="x" * 3000), DamagedBundleError),
    "half-a-character": (set_in_head(sender="\ud800"), DamagedBundleError),
    "repo": (set_in_entry(repo="models/../../etc"), DamagedBundleError),
    "untyped": (set_in_entry(repo="acme/tiny"), DamagedBundleError),
    "repo-as-url": (set_in_entry(repo="hf://models/acme/tiny"), DamagedBundleError),
    "ref": (set_in_entry(refs=["../../x"]), DamagedBundleError),
    "ref-like-a-commit": (set_in_entry(refs=["0" * 40]), DamagedBundleError),
    "commit": (set_in_entry(commit="../x"), DamagedBundleError),
    "created": (set_in_head(created="2025-13-45T99:99:99+00:00"), DamagedBundleError),
    "created-elsewhere": (set_in_head(created="2025-01-01T00:00:00+09:00"), DamagedBundleError),
    "expires": (set_in_head(expires="2025-02-30T00:00:00+00:00"), DamagedBundleError),
    "arabic-expires": (set_in_head(expires="٢٠٢٥-01-01T00:00:00+00:00"), DamagedBundleError),
    "twice": (lambda head: head["snapshots"].append(head["snapshots"][0]), DamagedBundleError),
    "inventory": (set_in_head(inventory={"repos": {"../x": {}}}), DamagedBundleError),
    "inventory-commit": (
        set_in_head(inventory={"repos": {"models/a/b": {"refs": {"main": "x"}}}}),
        DamagedBundleError,
    ),
    "removal": (
        set_in_head(
            removals=[{"repo": "models/a/b", "ref": "../x", "commit": "0" * 40, "why": "so"}]
        ),
        DamagedBundleError,
    ),
    "parent": (
        set_in_head(parents=[{"kind": "bundle", "id": "0" * 64, "sequence": 3}]),
        MissingParentError,
    ),
    "parent-kind": (set_in_head(parents=[{"kind": "x", "id": "0" * 64}]), DamagedBundleError),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_forged_head(known: Side, good: Path, keys: Keys, name: str) -> None:
    change, error = HEADS[name]
    refuse_forged(known, good, keys.sender, change, error)


@pytest.mark.parametrize("name", ["files", "size"])
def test_a_head_that_counts_otherwise(known: Side, good: Path, keys: Keys, name: str) -> None:
    """The approver was told of 1 file of 1 byte."""
    refuse_forged(
        known, good, keys.sender, set_in_entry(**{name: 1}), DamagedBundleError, "head says"
    )


def test_a_head_with_an_id_that_is_not_its_own(known: Side, good: Path, keys: Keys) -> None:
    bad = copy(good, good.with_name("bad"))
    head = json.loads((bad / form.HEAD).read_text())
    head["sender"] = "another"
    (bad / form.HEAD).write_text(json.dumps(head))
    relist(bad)
    sign(bad, keys.sender)
    refuse(known, good, bad, DamagedBundleError, "another id than its content")


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "[" * 100_000, "1e999"])
def test_a_head_that_is_none(known: Side, good: Path, keys: Keys, text: str) -> None:
    bad = copy(good, good.with_name("bad"))
    (bad / form.HEAD).write_text(text)
    relist(bad)
    sign(bad, keys.sender)
    refuse(known, good, bad, DamagedBundleError)


@pytest.mark.parametrize(
    "path",
    [
        "../../../etc/passwd",
        "/etc/passwd",
        "blobs/../../x",
        "blobs/00/" + "0" * 63,
        "blobs/ab/" + "0" * 64,
        "records/0001.jsonl/../x",
        "records/١١١١.jsonl",
        "packs/0001.tar.part-0000",
        "bundle.json",
        "manifest-sha256.txt.sig",
        ".hidden",
        "records\\0001.jsonl",
        "C:/x",
        "",
        "records/0001.jsonl\n",
    ],
)
def test_a_path_that_no_bundle_has(known: Side, good: Path, keys: Keys, path: str) -> None:
    def lie(head: Json) -> None:
        head["volumes"][0]["files"].append({"path": path, "size": 0, "sha256": "0" * 64})

    refuse_forged(known, good, keys.sender, lie, DamagedBundleError)
    assert not (known.mirror.root.parent / "x").exists()


@pytest.mark.parametrize("end", [".part-0001", ".part-0003", ".part-9999"])
def test_parts_with_holes(known: Side, good: Path, keys: Keys, end: str) -> None:
    """A first part without the second, or a second file of the same name."""

    def lie(head: Json) -> None:
        files = head["volumes"][0]["files"]
        one = next(file for file in files if file["path"].startswith("blobs/"))
        files.append({**one, "path": one["path"] + end})

    refuse_forged(known, good, keys.sender, lie, DamagedBundleError, "parts of")


def test_a_file_that_is_listed_twice(known: Side, good: Path, keys: Keys) -> None:
    def lie(head: Json) -> None:
        head["volumes"].append(head["volumes"][0])

    refuse_forged(known, good, keys.sender, lie, DamagedBundleError, "listed twice")


@pytest.mark.parametrize(
    "line",
    [
        "0" * 64 + "  ../../x\n",
        "0" * 64 + " *x\n",
        "0" * 63 + "  x\n",
        "\\" + "0" * 64 + "  x\n",
        "0" * 64 + "  x",
        "\x0c",
        "\n",
    ],
)
def test_a_forged_listing(known: Side, good: Path, keys: Keys, line: str) -> None:
    bad = copy(good, good.with_name("bad"))
    with (bad / form.LISTING).open("a") as stream:
        stream.write(line)
    sign(bad, keys.sender)
    refuse(known, good, bad, DamagedBundleError)


def test_a_listing_in_another_order(known: Side, good: Path, keys: Keys) -> None:
    bad = copy(good, good.with_name("bad"))
    lines = (bad / form.LISTING).read_text().splitlines(keepends=True)
    (bad / form.LISTING).write_text("".join(lines[::-1]))
    sign(bad, keys.sender)
    refuse(known, good, bad, DamagedBundleError)


def test_a_content_under_the_name_of_another(known: Side, good: Path, keys: Keys) -> None:
    """Listing and head agree on the bytes; the name is a promise that they break."""
    bad = copy(good, good.with_name("bad"))
    path = payload(bad, form.BLOBS)
    path.write_bytes(LARGE[::-1])
    reseal(bad, keys.sender)
    refuse(known, good, bad, DamagedBundleError, "named by")


def repack(folder: Path, change: Callable[[bytes], bytes]) -> None:
    path = folder / "packs" / "0001.tar"
    path.write_bytes(change(path.read_bytes()))


def evil_member(name: bytes, kind: bytes = b"0", size: int = 0) -> bytes:
    block = bytearray(header_of("0" * 64, size))
    block[:100] = name.ljust(100, b"\0")
    block[156:157] = kind
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def negative_size() -> bytes:
    block = bytearray(header_of("0" * 64, 0))
    block[124:136] = b"-0000000001\0"
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


WRONG = b"other bytes"
PACKS: dict[str, Callable[[bytes], bytes]] = {
    "traversal": lambda data: evil_member(b"../../../etc/passwd") + data,
    "absolute": lambda data: evil_member(b"/etc/passwd") + data,
    "link": lambda data: evil_member(b"0" * 64, b"2") + data,
    "hard-link": lambda data: evil_member(b"0" * 64, b"1") + data,
    "device": lambda data: evil_member(b"0" * 64, b"3") + data,
    "folder": lambda data: evil_member(b"0" * 64, b"5") + data,
    "long-name": lambda data: evil_member(b"././@LongLink", b"L") + data,
    "pax": lambda data: evil_member(b"0" * 64, b"x") + data,
    "giant": lambda data: header_of("0" * 64, 8 << 30) + data,
    "negative": lambda data: negative_size() + data,
    "other-bytes": lambda data: (
        header_of("0" * 64, len(WRONG)) + WRONG + padding(len(WRONG)) + data
    ),
    "between": lambda data: data[:512] + data[512:1023].replace(b"\0", b"x") + data[1023:],
    "after-the-end": lambda data: data + b"x",
    "no-end": lambda data: data.removesuffix(END),
    "half-an-end": lambda data: data[:-512],
    "empty": lambda data: b"",
    "zip": lambda data: b"PK\x03\x04" + bytes(1020),
}


@pytest.mark.parametrize("name", PACKS)
def test_a_forged_pack(known: Side, good: Path, keys: Keys, name: str) -> None:
    bad = copy(good, good.with_name("bad"))
    repack(bad, PACKS[name])
    reseal(bad, keys.sender)
    refuse(known, good, bad, UnsafeBundleError, "pack")
    assert not (known.mirror.root.parent / "etc").exists()


def first(items: list[Json], kind: str) -> Json:
    return next(item for item in items if item["kind"] == kind)


def deep() -> Any:
    value: Any = {}
    for _ in range(400):
        value = {"a": [value]}
    return value


def set_path(path: Any) -> Callable[[list[Json]], object]:
    return lambda items: first(items, "manifest")["files"][0].update(path=path)


def in_repo(**values: Any) -> Callable[[list[Json]], object]:
    return lambda items: first(items, "repo").update(values)


def in_manifest(**values: Any) -> Callable[[list[Json]], object]:
    return lambda items: first(items, "manifest").update(values)


def in_upstream(**values: Any) -> Callable[[list[Json]], object]:
    return lambda items: first(items, "manifest")["manifest"]["upstream"].update(values)


def twice(items: list[Json]) -> None:
    file = first(items, "manifest")["files"][0]
    first(items, "manifest")["files"].append({**file, "path": f"{file['path']}/x"})


SEEN = {"time": "2025-01-01T00:00:00+00:00", "state": "ok"}
RECORDS: dict[str, Callable[[list[Json]], object]] = {
    "other-refs": in_repo(refs={"main": "0" * 40}),
    "more-refs": lambda items: first(items, "repo")["refs"].update(other="0" * 40),
    "other-repo": in_repo(repo="datasets/acme/other"),
    "repo-twice": lambda items: items.append(first(items, "repo")),
    "extra-repo": lambda items: items.append(
        {"kind": "repo", "repo": "models/x/y", "aliases": [], "refs": {}, "history": []}
    ),
    "missing-manifest": lambda items: items.remove(first(items, "manifest")),
    "manifest-twice": lambda items: items.append(first(items, "manifest")),
    "manifest-first": lambda items: items.reverse(),
    "unknown-kind": lambda items: items.append({"kind": "run", "code": "rm -rf /"}),
    "no-table": lambda items: items.append([1]),  # type: ignore[arg-type]
    "empty": lambda items: items.clear(),
    "steal-a-repo": lambda items: items[0].update(aliases=["datasets/acme/old"] * 2),
    "alias-of-itself": lambda items: items[0].update(aliases=[items[0]["repo"]]),
    "alias-of-another-type": lambda items: items[0].update(aliases=["spaces/a/b"]),
    "alias-that-is-none": in_repo(aliases=["models/../x"]),
    "refs-are-none": in_repo(refs=[1, 2]),
    "history-time": in_repo(history=[{**SEEN, "time": "zzzz"}]),
    "history-count": in_repo(history=[{**SEEN, "downloads": 1 << 70}]),
    "history-text": in_repo(history=[{**SEEN, "downloads": "many"}]),
    "history-list": in_repo(history=[{**SEEN, "gated": ["auto"]}]),
    "history-half-a-character": in_repo(history=[{**SEEN, "detail": "\ud800"}]),
    "history-state": in_repo(history=[{**SEEN, "state": "stolen"}]),
    "digest": in_manifest(digest="0" * 64),
    "base-that-is-no-commit": in_manifest(base="../../x"),
    "path-up": set_path("../../../etc/passwd"),
    "path-absolute": set_path("/etc/passwd"),
    "path-control": set_path("a\nb"),
    "path-number": set_path(7),
    "path-list": set_path(["a"]),
    "file-and-folder": twice,
    "size": lambda items: first(items, "manifest")["files"][0].update(size=HUGE),
    "removed-what-is-not-there": in_manifest(removed=["nothing"]),
    "removed-list": in_manifest(removed=[["a"]]),
    "no-files": lambda items: first(items, "manifest").pop("files"),
    "files-number": in_manifest(files=3),
    "half-a-character": in_upstream(x="\ud800"),
    "deep": in_upstream(x=deep()),
}


@pytest.mark.parametrize("name", RECORDS)
def test_forged_records(known: Side, good: Path, keys: Keys, name: str) -> None:
    """Everything is compared with the head, to which the approver has said yes."""
    bad = copy(good, good.with_name("bad"))
    items = records(bad)
    RECORDS[name](items)
    write_records(bad, items)
    reseal(bad, keys.sender)
    error = refuse(known, good, bad, MissingParentError if name.startswith("base") else
                   DamagedBundleError)  # fmt: skip
    assert error.hint


@pytest.mark.parametrize(
    "name", ["half-a-character", "deep", "path-up", "file-and-folder", "size", "path-absolute"]
)
def test_forged_records_with_a_digest_that_fits(
    known: Side, good: Path, keys: Keys, name: str
) -> None:
    """The forger computes the digest of what he has changed: it still cannot be."""
    from mirror.bundle import content

    bad = copy(good, good.with_name("bad"))
    items = records(bad)
    RECORDS[name](items)
    record = first(items, "manifest")
    record["digest"] = _digest_without_checks(content, record)
    write_records(bad, items)
    repo = f"{record['manifest']['repo_type']}s/{record['manifest']['repo_id']}"

    def lie(head: Json) -> None:
        for entry in head["snapshots"]:
            if (entry["repo"], entry["commit"]) == (repo, record["manifest"]["commit"]):
                entry["digest"] = record["digest"]

    reseal(bad, keys.sender, lie)
    refuse(known, good, bad, DamagedBundleError, "this is not a manifest")


def _digest_without_checks(content: Any, record: Json) -> str:
    from mirror.store import Manifest, ManifestFile

    files = [ManifestFile.model_construct(**{"lfs_sha256": None, "sha256": None,
             "absent_because": None, **file}) for file in record["files"]]  # fmt: skip
    head = {"format": 1, "upstream": {}, "endpoint": "", **record["manifest"]}
    from mirror.names import RepoType

    head["repo_type"] = RepoType(head["repo_type"])
    found: str = content.manifest_digest(
        Manifest.model_construct(**{"created": "", **head, "files": tuple(files)})
    )
    return found


def test_a_manifest_told_by_another_base(
    known: Side, sender: Side, memory_path: Path, keys: Keys
) -> None:
    """What is here of the base is not what the sender counted on: a receipt cures it."""
    receipt = known.receipt(memory_path / "receipt.json")
    sender.export(memory_path / "bad", receipt=receipt)
    (delta,) = [item for item in records(memory_path / "bad") if "base" in item]
    known.store.publish(
        manifest_of(KEY, delta["base"], {"README.md": FILES["README.md"]}), ["main"]
    )
    bad = memory_path / "bad"
    refuse(known, bad, bad, MissingParentError, "counted on", "mirror receipt here")
    sender.export(memory_path / "cure", receipt=known.receipt(memory_path / "again.json"))
    assert [0] == [report.exit_code for report in known.take(memory_path / "cure")]


# --- volumes ---


@pytest.fixture
def volumes(known: Side, sender: Side, memory_path: Path) -> list[Path]:
    sender.export(memory_path / "volumes", volume_size=100_000)
    return sorted((memory_path / "volumes").iterdir())


def test_volumes_of_two_bundles_are_two_bundles(
    known: Side, sender: Side, volumes: list[Path], memory_path: Path
) -> None:
    """Neither is completed by the other."""
    seen(sender.store, KEY, "2025-07-01T00:00:00+00:00")
    sender.export(memory_path / "other", volume_size=100_000)
    last = sorted((memory_path / "other").iterdir())[-1]
    before = tree(known.mirror.root)
    reports = known.take(*volumes[:-1], last)
    assert [4, 4] == [report.exit_code for report in reports]
    after = {path: data for path, data in tree(known.mirror.root).items() if path[:4] != "runs"}
    assert before.items() >= after.items()


def test_a_volume_with_files_of_another(known: Side, volumes: list[Path], keys: Keys) -> None:
    bad = copy(volumes[0], volumes[0].parent.with_name("bad"))
    for name in (form.LISTING, form.SIGNATURE):
        shutil.copy(volumes[1] / name, bad)
    refuse(known, volumes[0].parent, bad, ExtraFilesError)


def test_volumes_whose_heads_differ(known: Side, volumes: list[Path], keys: Keys) -> None:
    """The same id in another text: one of them was written by somebody else."""
    head = json.loads((volumes[1] / form.HEAD).read_text())
    (volumes[1] / form.HEAD).write_text(json.dumps(head))
    relist(volumes[1])
    sign(volumes[1], keys.sender)
    with pytest.raises(DamagedBundleError, match="differ in their head"):
        known.take(*volumes)


def test_volumes_signed_by_different_keys(known: Side, volumes: list[Path], keys: Keys) -> None:
    sign(volumes[1], keys.middle)
    before = tree(known.mirror.root)
    with pytest.raises(UnknownSignerError, match="different keys"):
        known.take(*volumes)
    assert before == tree(known.mirror.root)
    sign(volumes[1], keys.sender)
    assert [0] == [report.exit_code for report in known.take(*volumes)]


def test_parts_that_do_not_make_the_content_of_that_name(
    volumes: list[Path], memory_path: Path, keys: Keys
) -> None:
    """Every part is as listed; only together they are something else."""
    lab = new_side(memory_path / "new", "lab", allowed=keys.allowed)
    part = next(path for volume in volumes for path in volume.rglob("*.part-0001"))
    part.write_bytes(part.read_bytes()[::-1])
    reseal_volumes(volumes, keys.sender)
    before = tree(lab.mirror.root)
    with pytest.raises(UnsafeBundleError, match="do not make the content"):
        lab.take(*volumes)
    assert before == tree(lab.mirror.root)
