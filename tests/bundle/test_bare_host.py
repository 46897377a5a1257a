"""A bundle checked on a machine with nothing but coreutils and ssh-keygen.

The commands are those that BUNDLE.md prints, word for word.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mirror.bundle import form
from tests.bundle.conftest import Keys
from tests.bundle.making import Side

TOOLS = ("sh", "sha256sum", "ssh-keygen")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH with only that on it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"there is no {name}")
        (folder / name).symlink_to(found)
    return folder


def check(volume: Path, bare: Path, keys: Keys, name: str = "sender@lab") -> list[int]:
    """Run what its BUNDLE.md says; give the exit codes."""
    block = re.search(r"```\n(.*?)```", (volume / form.DOCUMENT).read_text(), re.DOTALL)
    assert block is not None
    commands = block[1].splitlines()
    assert ["sha256sum", "ssh-keygen"] == [command.split()[0] for command in commands]
    return [
        subprocess.run(
            ["env", "-i", f"PATH={bare}", "sh", "-c",
             command.replace("ALLOWED_SIGNERS", str(keys.allowed)).replace(" NAME ", f" {name} ")],
            cwd=volume,
            capture_output=True,
        ).returncode
        for command in commands
    ]  # fmt: skip


@pytest.mark.parametrize("size", [None, 60_000])
def test_it_is_as_it_was_made(
    sender: Side, memory_path: Path, bare: Path, keys: Keys, size: int | None
) -> None:
    for folder in sender.export(memory_path / "out", volume_size=size).folders:
        assert [0, 0] == check(folder, bare, keys)


def test_a_changed_byte(bundle: Path, bare: Path, keys: Keys) -> None:
    path = next(path for path in (bundle / "blobs").rglob("*") if path.is_file())
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"?")
    assert [1, 0] == check(bundle, bare, keys)


def test_a_missing_file(bundle: Path, bare: Path, keys: Keys) -> None:
    next((bundle / "packs").iterdir()).unlink()
    assert [1, 0] == check(bundle, bare, keys)


def test_a_changed_listing(bundle: Path, bare: Path, keys: Keys) -> None:
    text = (bundle / form.LISTING).read_text()
    (bundle / form.LISTING).write_text(("1" if text[0] == "0" else "0") + text[1:])
    assert 0 not in check(bundle, bare, keys)


def test_another_signer(bundle: Path, bare: Path, keys: Keys) -> None:
    assert [0, 255] == check(bundle, bare, keys, "middle@lab")


def test_a_pack_opens_with_tar(bundle: Path, tmp_path: Path) -> None:
    """What a virus scanner sees: plain files, named by their sha256."""
    (pack,) = (bundle / "packs").iterdir()
    subprocess.run(["tar", "-xf", pack, "-C", tmp_path], check=True)
    done = subprocess.run(
        ["sha256sum", *sorted(path.name for path in tmp_path.iterdir())],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) > 3
    assert all(digest == name for digest, name in lines)
