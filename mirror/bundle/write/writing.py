"""The payload of a bundle onto its volumes, hashed while it is copied."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from mirror.bundle import form
from mirror.bundle.head import BundleFile
from mirror.bundle.packs import END, header_of, padding
from mirror.bundle.write.volumes import Pack, Piece
from mirror.errors import DamagedError, NotFoundError
from mirror.store import Store
from mirror.store.atomic import disk_errors, temporary_name
from mirror.store.opening import open_new, open_regular
from mirror.store.workers import Workers

Watch = Callable[[int, int], None]

_COPY: Final = 4 << 20
#: One writes while the other hashes; more would make a disk seek.
_WORKERS: Final = 2


def write_payload(
    store: Store,
    folders: Sequence[Path],
    layout: Sequence[Sequence[Piece]],
    sources: Mapping[str, Path],
    packs: Sequence[Pack],
    progress: Watch | None,
) -> list[list[BundleFile]]:
    """Write everything; give the files of each volume, sorted by path.

    Args:
        store: where contents are read from.
        folders: of the volumes.
        layout: which piece lies on which volume.
        sources: files that are copied as they are, by their path in the bundle.
        packs: what is in each pack.
        progress: called with (bytes written, bytes to write).

    Raises:
        DamagedError: a content in the mirror is not what its name says, or is gone.
        DiskError: the disk is full, or refuses.
    """
    with Workers(_WORKERS) as workers:
        writer = _Writer(store, folders, layout, workers, progress)
        jobs = [workers.submit(writer.copy_file, whole, path) for whole, path in sources.items()]
        jobs.append(workers.submit(writer.write_packs, packs))
        jobs += [workers.submit(writer.copy_blob, whole) for whole in writer.blobs]
        workers.finish(jobs)
    return [
        [
            BundleFile(path=piece.path, size=piece.size, sha256=writer.digests[piece.path])
            for piece in sorted(pieces, key=lambda piece: piece.path)
        ]
        for pieces in layout
    ]


class _Writer:
    """Knows where each piece goes, and the sha256 of those that are written."""

    def __init__(
        self,
        store: Store,
        folders: Sequence[Path],
        layout: Sequence[Sequence[Piece]],
        workers: Workers,
        progress: Watch | None,
    ) -> None:
        self._store = store
        self._workers = workers
        self._places: dict[str, Path] = {}
        self._pieces: dict[str, list[Piece]] = {}
        for folder, pieces in zip(folders, layout, strict=True):
            for piece in pieces:
                self._places[piece.path] = folder / piece.path
                self._pieces.setdefault(piece.whole, []).append(piece)
        for parent in {path.parent for path in self._places.values()}:
            with disk_errors(parent):
                parent.mkdir(parents=True, exist_ok=True)
        self.digests: dict[str, str] = {}
        self._progress = progress
        self._turn = threading.Lock()
        self._done = 0
        self._total = sum(piece.size for pieces in layout for piece in pieces)

    @property
    def blobs(self) -> list[str]:
        """The larger contents, by their path in the bundle."""
        return sorted(whole for whole in self._pieces if whole.startswith(f"{form.BLOBS}/"))

    def copy_file(self, whole: str, source: Path) -> None:
        """Copy a file as it is."""
        with open_regular(source) as stream:
            self._copy(whole, stream)

    def copy_blob(self, whole: str) -> None:
        """Copy a content; what an earlier run has copied of it stays if it is right."""
        digest = whole.rpartition("/")[2]
        if self._is_there(whole, digest):
            return
        with self._content(digest) as stream:
            if self._copy(whole, stream) != digest or stream.read(1):
                raise self._damaged(digest)

    def write_packs(self, packs: Sequence[Pack]) -> None:
        """Write all packs, one by one: most of it is Python's work, in which threads wait."""
        for pack in packs:
            self._write_pack(pack)

    def _write_pack(self, pack: Pack) -> None:
        with self._new(pack.path) as (target, hasher):
            for digest, size in pack.blobs:
                with self._content(digest) as stream:
                    data = stream.read(size + 1)
                if hashlib.sha256(data).hexdigest() != digest:
                    raise self._damaged(digest)
                member = header_of(digest, size) + data + padding(size)
                target.write(member)
                hasher.update(member)
                self._count(len(member))
            target.write(END)
            hasher.update(END)
        self.digests[pack.path] = hasher.hexdigest()

    def _copy(self, whole: str, source: BinaryIO) -> str:
        """Copy all pieces of a file; give the sha256 of the whole."""
        pieces = sorted(self._pieces[whole], key=lambda piece: piece.offset)
        entire = hashlib.sha256()
        for piece in pieces:
            with self._new(piece.path) as (target, hasher):
                for data in self._read(source, piece.size):
                    target.write(data)
                    hasher.update(data)
                    if len(pieces) > 1:
                        entire.update(data)
            self.digests[piece.path] = hasher.hexdigest()
        return entire.hexdigest() if len(pieces) > 1 else self.digests[pieces[0].path]

    def _read(self, source: BinaryIO, count: int) -> Iterator[memoryview]:
        buffer = bytearray(min(_COPY, max(count, 1)))
        while count:
            read = source.readinto(memoryview(buffer)[: min(count, len(buffer))])  # type: ignore[attr-defined]
            if not read:
                raise DamagedError(
                    f"{source.name} is shorter than it was", hint="mirror verify finds out why"
                )
            yield memoryview(buffer)[:read]
            count -= read
            self._count(read)

    def _is_there(self, whole: str, digest: str) -> bool:
        """Whether the content lies there entire, written by an earlier run."""
        pieces = self._pieces[whole]
        place = self._places[pieces[0].path]
        if len(pieces) > 1 or place.is_symlink() or not place.is_file():
            return False
        if place.stat().st_size != pieces[0].size:
            return False
        hasher = hashlib.sha256()
        with place.open("rb") as stream:
            while data := stream.read(_COPY):
                self._workers.check()
                hasher.update(data)
        if hasher.hexdigest() != digest:
            return False
        self.digests[pieces[0].path] = digest
        self._count(pieces[0].size)
        return True

    @contextmanager
    def _new(self, path: str) -> Iterator[tuple[BinaryIO, hashlib._Hash]]:
        """Open a file of a volume for writing; it gets its name when it is whole."""
        place = self._places[path]
        beside = place.with_name(temporary_name(place.name))
        with disk_errors(place):
            with open_new(beside) as stream:
                yield stream, hashlib.sha256()
            beside.replace(place)

    @contextmanager
    def _content(self, digest: str) -> Iterator[BinaryIO]:
        try:
            stream = self._store.blobs.open(digest)
        except NotFoundError as error:
            raise DamagedError(
                f"the content {digest} has gone from the mirror while it was exported",
                hint="run the export again; if that does not help, mirror verify",
            ) from error
        with stream:
            yield stream

    def _damaged(self, digest: str) -> DamagedError:
        return DamagedError(
            f"the content {digest} is damaged in the mirror: it was not exported",
            hint="mirror verify --repair fetches it again; then run the export again",
        )

    def _count(self, count: int) -> None:
        self._workers.check()
        with self._turn:
            self._done += count
            if self._progress is not None:
                self._progress(self._done, self._total)
