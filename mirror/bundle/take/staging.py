"""What has been verified of a bundle so far, until all of it is here.

``partial/import-<id>/`` of the mirror: contents by their sha256, records, and ``done.txt``,
which names every file of the bundle that is in. A file is named there when its bytes were
checked and are written; so volumes may come in any order, one by one, and a killed import
goes on with the next file. No reader looks here, and ``mirror prune`` empties it in time.

The write lock is held.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from mirror.bundle import form
from mirror.bundle.head import BundleFile, Head
from mirror.bundle.packs import read_members
from mirror.bundle.take.reading import OpenVolume, open_plain
from mirror.errors import (
    ChangedBytesError,
    DiskError,
    IncompleteVolumeError,
    UnsafeBundleError,
)
from mirror.store import Blobs, Store
from mirror.store.atomic import Barrier, disk_errors, temporary_name, write_atomic
from mirror.store.opening import no_link, open_new, read_regular
from mirror.store.workers import Workers, in_lots

Watch = Callable[[int, int], None]

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_COPY: Final = 4 << 20
_WORKERS: Final = 2
#: Besides the contents: manifests, the view's folders, the catalog.
_MARGIN: Final = 16 << 20


class Staging:
    """The part of one bundle that is here."""

    def __init__(self, store: Store, head: Head) -> None:
        self._store = store
        self._head = head
        self.folder = folder_of(store, head)
        self._barrier = Barrier(self.folder)
        self.blobs = Blobs(self.folder / "blobs", self._barrier)
        self._files = self.folder / "files"
        self._log = self.folder / "done.txt"
        self._turn = threading.Lock()
        self._done = self._read_done()
        self._count = 0

    # --- looking --------------------------------------------------------------------

    @property
    def missing_volumes(self) -> tuple[int, ...]:
        """The volumes that are not entirely in."""
        return tuple(
            number
            for number, volume in enumerate(self._head.volumes, start=1)
            if any(file.path not in self._done for file in volume.files)
        )

    def has(self, digest: str, size: int) -> bool:
        """Whether a content is here or in the mirror."""
        return self.blobs.has(digest, size) or self._store.blobs.has(digest, size)

    def bytes_needed(self) -> int:
        """Give the bytes that are still to be written, at most."""
        needed = _MARGIN
        for whole, parts in self._head.parts.items():
            digest = whole.rpartition("/")[2] if whole.startswith(f"{form.BLOBS}/") else None
            size = sum(part.size for part in parts)
            if digest is None or not self.has(digest, size):
                needed += sum(part.size for part in parts if part.path not in self._done)
        return needed

    def paths(self, kind: str) -> list[str]:
        """Give the files of a kind (``records``, ``origins``), in order."""
        return sorted(whole for whole in self._head.parts if whole.startswith(f"{kind}/"))

    def path(self, whole: str) -> Path:
        """Where a file that is no content lies."""
        return self._files / whole

    # --- taking in ------------------------------------------------------------------

    def require_room(self) -> None:
        """Refuse to begin what cannot end.

        Raises:
            DiskError: too little is free.
        """
        needed, free = self.bytes_needed(), shutil.disk_usage(self._store.root).free
        if needed > free:
            raise DiskError(
                f"{self._store.root}: the bundle needs {needed:,} bytes, {free:,} are free",
                hint="make room (mirror prune), then run the same import again",
            )

    def begin(self, frame: Mapping[str, bytes]) -> None:
        """Make the folder, and keep the frame of a volume that has come now.

        All of it anew: a listing and the signature of another one prove nothing. It also
        tells ``mirror prune`` that this import still goes on.
        """
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self.blobs.path("0" * 64).parent.parent.mkdir(exist_ok=True)
            self._files.mkdir(exist_ok=True)
            (self.folder / form.SIGNATURE).unlink(missing_ok=True)
        for name, data in frame.items():
            write_atomic(self.folder / name, data, durable=False)

    def frame(self) -> dict[str, bytes]:
        """Give the frame that was kept: what proves the signature."""
        paths = (self.folder / name for name in form.PROOF)
        return {path.name: read_regular(path) for path in paths if path.is_file()}

    def take(self, volume: OpenVolume, progress: Watch | None) -> None:
        """Take in all files of a volume that are not in yet; each is checked.

        Raises:
            ChangedBytesError: a file is not what was listed; the others stay in.
            UnsafeBundleError: a pack has something in it that no pack has.
            DiskError: full, or refused.
        """
        files = [f for f in self._head.volumes[volume.number - 1].files if f.path not in self._done]
        total = sum(file.size for file in files)
        self._count = 0

        def note(count: int) -> None:
            workers.check()
            with self._turn:
                self._count += count
                if progress is not None:
                    progress(self._count, total)

        lots = in_lots(files, lambda file: file.path.startswith(f"{form.PACKS}/"))
        with Workers(_WORKERS) as workers:
            workers.finish(
                [workers.submit(self._take_lot, volume.folder, lot, note) for lot in lots]
            )
        for whole, parts in self._head.parts.items():
            if parts[0].path != whole and all(part.path in self._done for part in parts):
                self._join(whole, sum(part.size for part in parts))
        self._barrier.wait()

    def discard(self) -> None:
        """Remove everything: it is in the mirror now, or of no use."""
        with disk_errors(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- one file -------------------------------------------------------------------

    def _take_lot(
        self, folder: Path, files: Sequence[BundleFile], note: Callable[[int], None]
    ) -> None:
        for file in files:
            self._take_file(folder, file, note)

    def _take_file(self, folder: Path, file: BundleFile, note: Callable[[int], None]) -> None:
        name = form.read_payload_name(file.path)
        assert name is not None  # noqa: S101 - checked when the head was read
        with open_plain(folder / file.path) as stream:
            source = _Source(stream, folder / file.path)
            try:
                if name.part:
                    self._take_part(source, file, name.whole, note)
                elif name.kind == form.PACKS:
                    self._unpack(source, file, note)
                elif name.digest is not None:
                    self._take_blob(source, file, name.digest, note)
                else:
                    self._copy_to(source, file, self.path(file.path), note)
            except _WrongDigestError as error:
                raise _changed(folder / file.path) from error
        self._note_done(file.path)

    def _take_blob(
        self, source: _Source, file: BundleFile, digest: str, note: Callable[[int], None]
    ) -> None:
        if self.has(digest, file.size):
            _read_through(source, file, note, lambda data: None)
            return
        place = self.blobs.path(digest)
        beside = place.with_name(temporary_name(digest))
        self._copy_to(source, file, beside, note)
        self.blobs.adopt(beside, digest)

    def _copy_to(
        self, source: _Source, file: BundleFile, place: Path, note: Callable[[int], None]
    ) -> None:
        with disk_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                with open_new(place) as target:
                    _read_through(source, file, note, target.write)
            except BaseException:
                place.unlink(missing_ok=True)
                raise
        self._barrier.mark()

    def _unpack(self, source: _Source, file: BundleFile, note: Callable[[int], None]) -> None:
        whole = hashlib.sha256()

        def seen(data: bytes) -> None:
            whole.update(data)
            note(len(data))

        try:
            with disk_errors(self.folder):
                for digest, content in read_members(source, seen):
                    if not self._has_small(digest, len(content)):
                        self._write_small(self.blobs.name(digest), content)
        except UnsafeBundleError:
            source.rewind()
            if hashlib.file_digest(source, "sha256").hexdigest() != file.sha256:
                raise _WrongDigestError from None  # a changed byte, and no bad will
            raise
        if whole.hexdigest() != file.sha256:
            raise _WrongDigestError

    def _has_small(self, digest: str, size: int) -> bool:
        """Whether the mirror has it: mostly not, which is found out without an exception."""
        blobs = self._store.blobs
        return os.access(blobs.name(digest), os.F_OK) and blobs.has(digest, size)

    def _write_small(self, name: str, content: bytes) -> None:
        """Write a checked content under its name at once: nobody looks here but an import.

        Cut short by a kill, it has another size, and is written again.
        """
        try:
            target = os.open(name, _NEW, 0o444)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(name), exist_ok=True)  # noqa: PTH103, PTH120
            target = os.open(name, _NEW, 0o444)
        except FileExistsError:
            if os.stat(name).st_size == len(content):  # noqa: PTH116 - a hot path
                return
            os.unlink(name)  # noqa: PTH108
            target = os.open(name, _NEW, 0o444)
        try:
            _write_all(target, content)
            os.fchmod(target, 0o444)  # whatever the umask took away
        finally:
            os.close(target)
            self._barrier.mark()

    def _take_part(
        self, source: _Source, file: BundleFile, whole: str, note: Callable[[int], None]
    ) -> None:
        """Write a part to its place in the file that it is a part of."""
        place = self._joining(whole)
        with disk_errors(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT
            with os.fdopen(no_link(str(place), flags), "wb") as target:
                target.seek(self._head.offset(file.path))
                _read_through(source, file, note, target.write)
                target.flush()
                os.fsync(target.fileno())

    def _join(self, whole: str, size: int) -> None:
        """Every part is in: check the whole, and give it its place.

        Also where an import was killed between the last part and this; done again, it
        changes nothing.
        """
        place = self._joining(whole)
        if not whole.startswith(f"{form.BLOBS}/"):
            target = self.path(whole)
            with disk_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                if place.exists():
                    place.replace(target)
            return
        digest = whole.rpartition("/")[2]
        if self.has(digest, size):
            return
        with disk_errors(place), place.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != digest:
            raise UnsafeBundleError(f"the parts of {whole} do not make the content of that name")
        with disk_errors(place):
            self.blobs.path(digest).parent.mkdir(parents=True, exist_ok=True)
        self.blobs.adopt(place, digest)

    def _joining(self, whole: str) -> Path:
        return self.folder / "joining" / whole.replace("/", "-")

    def _note_done(self, path: str) -> None:
        with self._turn:
            self._done.add(path)
            with disk_errors(self._log), open(self._log, "ab", buffering=0, opener=no_link) as log:
                log.write(f"{path}\n".encode())

    def _read_done(self) -> set[str]:
        try:
            text = read_regular(self._log).decode("ascii", "replace")
        except OSError:
            return set()
        # What follows the last newline was cut short by a kill.
        return set(text.split("\n")[:-1]) & set(self._head.files)


class _Source:
    """A file that somebody has brought: what its disk does not give is not our disk's fault."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream = stream
        self._path = path

    def read(self, count: int = -1, /) -> bytes:
        """Give up to ``count`` bytes."""
        with self._errors():
            return self._stream.read(count)

    def readinto(self, buffer: bytearray | memoryview, /) -> int:
        """Fill ``buffer`` as far as there is something."""
        with self._errors():
            return self._stream.readinto(buffer)  # type: ignore[attr-defined,no-any-return]

    def readable(self) -> bool:
        """It is: ``hashlib`` asks."""
        return True

    def rewind(self) -> None:
        """Begin again."""
        with self._errors():
            self._stream.seek(0)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise IncompleteVolumeError(
                f"{self._path} cannot be read: {error.strerror}",
                hint="look at the medium, then run the same import again: it goes on",
            ) from error


class _WrongDigestError(Exception):
    """A file is not what the head states."""


def folder_of(store: Store, head: Head) -> Path:
    """Where a bundle is staged."""
    return store.layout.partial / f"import-{head.id[:32]}"


def _read_through(
    source: _Source, file: BundleFile, note: Callable[[int], None], sink: Callable[..., object]
) -> None:
    """Read a file to its end, hand on what is read, and check it."""
    hasher = hashlib.sha256()
    for data in _pieces(source, file.size):
        hasher.update(data)
        sink(data)
        note(len(data))
    if hasher.hexdigest() != file.sha256 or source.read(1):
        raise _WrongDigestError


def _pieces(source: _Source, size: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(min(_COPY, max(size, 1))))
    while size:
        count = source.readinto(buffer[: min(size, len(buffer))])
        if not count:
            return
        yield buffer[:count]
        size -= count


def _write_all(target: int, data: bytes) -> None:
    written = os.write(target, data)
    while written < len(data):
        written += os.write(target, data[written:])


def _changed(path: Path) -> ChangedBytesError:
    return ChangedBytesError(
        f"{path} is not what was exported: its sha256 is another",
        hint="copy that file again from where the bundle was made, and run the import again: "
        "it goes on with what was verified",
    )
