"""How the sample of format 1 was made: ``python -m tests.bundle.make_format_1 FOLDER``.

Not run by the tests: what it made once, with the program that first wrote the format, is
never changed. The private key is thrown away.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from mirror.names import RepoKey, RepoType
from mirror.store import DoomedRef, Observation, apply_prune, plan_prune
from tests.bundle.making import Side, make_key, new_side
from tests.store.making import publish

MODEL = RepoKey(RepoType.MODEL, "acme/tiny")
DATASET = RepoKey(RepoType.DATASET, "acme/words")
GONE = RepoKey(RepoType.SPACE, "acme/old")
ONE, TWO = "1" * 40, "2" * 40
CARD = "---\nlicense: apache-2.0\ntags:\n- ko\n---\n# 작은 모델\n".encode()
FILES = {"README.md": CARD, "config.json": b"{}\n", "model.safetensors": b"weights\n" * 6000}
NEWER = {**FILES, "config.json": b'{"a": 1}\n', "run me.py": b"print()\n"}
WORDS = {"README.md": b"# Words\n", "data/train.csv": "낱말\n".encode(), "empty.txt": b""}
VOLUME = 60_000


def make_sample(folder: Path) -> None:
    """Make ``first`` (two volumes), ``receipt.json``, ``second``, and ``allowed_signers``."""
    with tempfile.TemporaryDirectory() as top:
        key = make_key(Path(top), "format-1")
        sender, lab = new_side(Path(top, "a"), "outside", key), new_side(Path(top, "b"), "lab", key)
        _fill(sender)
        first = sender.export(folder / "first", volume_size=VOLUME)
        assert len(first.folders) == 2, first.folders
        lab.take(*first.folders, asks=False)
        receipt = lab.receipt(folder / "receipt.json")
        _go_on(sender)
        sender.export(folder / "second", receipt=receipt)
        public = key.with_suffix(".pub").read_text()
        (folder / "allowed_signers").write_text(f"outside@format-1,lab@format-1 {public}")
        shutil.copy(lab.store.layout.exchange / "receipts.jsonl", folder / "receipts.jsonl")


def _fill(side: Side) -> None:
    publish(side.store, MODEL, ONE, FILES, ("main", "v1.0"), absent={"big.bin": b"left out"})
    publish(side.store, DATASET, ONE, WORDS, ("main", "refs/convert/parquet", ONE))
    publish(side.store, GONE, ONE, {"app.py": b"print()\n"})
    side.store.add_alias(RepoKey(RepoType.MODEL, "tiny"), MODEL)
    for key in (MODEL, DATASET, GONE):
        seen = Observation(time="2025-02-01T00:00:00+00:00", commit=ONE, downloads=7, likes=1)
        side.store.observe(key, seen)


def _go_on(side: Side) -> None:
    publish(side.store, MODEL, TWO, NEWER, ("main",), absent={"big.bin": b"left out"})
    gone = [DoomedRef(GONE, "main", ONE, "removed")]
    with side.store.write_lock("sample"):
        apply_prune(side.store, plan_prune(side.store, 1, dropped=gone))


if __name__ == "__main__":
    make_sample(Path(sys.argv[1]))
