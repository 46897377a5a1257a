"""The demo of the air gap: a mirror crosses on sticks to a lab without any network.

Plays every part of docs/how-to/air-gap.md between two mirror folders. Whatever is typed at
the lab runs in a network namespace without interfaces, where the system permits that. All of
it happens in a temporary folder, and nothing of it stays.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final

from scripts.demo_load import DATASET, MODEL
from scripts.demo_stage import Side, Stage, clean_environment, mirror_environment, network_wall
from tests.fakehub import FakeHub, serve
from tests.samples import build_samples, sample_hub

#: It is mirrored at first, and taken out later.
GONE: Final = "sample-lab/tiny-gpt2"
_LOAD: Final = Path(__file__).resolve().with_name("demo_load.py")
_TEXT: Final = "\n## 새 소식\n\n이제 존댓말 문장도 학습했습니다.\n"


@dataclass(frozen=True)
class Cast:
    """Who plays: the admin of the connected machine, the carrier, the admin of the lab."""

    office: Side
    carrier: Side
    lab: Side


def play() -> None:
    """Play the whole walk, and leave nothing behind."""
    if shutil.which("ssh-keygen") is None:
        sys.exit("demo: ssh-keygen is needed (Debian: apt install openssh-client)")
    print("mirror: across an air gap and back. A demo.")
    with tempfile.TemporaryDirectory(prefix="mirror-air-gap-") as name:
        folder = Path(name)
        cast = _cast(folder)
        stage = Stage(cast.carrier.environment, folder)
        build_samples(folder / "samples")
        hub = sample_hub(folder / "samples")
        for part in ("keys", "out", "stick"):
            (folder / part).mkdir()
        with serve(hub) as endpoint:
            fill(stage, cast, endpoint)
            make_keys(stage, cast)
            first_bundle(stage, cast)
            check_on_a_bare_host(stage, cast)
            take_in(stage, cast)
            load_in_the_lab(stage, cast)
            second_bundle(stage, cast, hub)
            take_in_the_second(stage, cast)
    conclude(stage)


def _cast(folder: Path) -> Cast:
    plain = clean_environment(folder)

    def at(mirror: str, prompt: str, wall: list[str]) -> Side:
        return Side(prompt, {**plain, "MIRROR_HOME": str(folder / mirror)}, wall)

    return Cast(
        at("office", "office", []), Side("carrier", plain), at("lab", "lab", network_wall())
    )


# --- the connected side ---------------------------------------------------------------------


def fill(stage: Stage, cast: Cast, endpoint: str) -> None:
    """The connected side mirrors something."""
    stage.heading("The office is connected, and has a mirror")
    stage.say(
        "Three people play: the admin of the office, a carrier, the admin of the lab. Each prompt "
        "says who types. office/ and lab/ are their mirrors; what is upstream is a sample hub in "
        "this process, on loopback."
    )
    office = cast.office
    stage.run("mirror", "init", "office", "--endpoint", endpoint, side=office)
    wanted = (f"models/{MODEL}", f"models/{GONE}", f"datasets/{DATASET}")
    stage.run("mirror", "add", *wanted, side=office)
    stage.run("mirror", "sync", "--quiet", side=office)


def make_keys(stage: Stage, cast: Cast) -> None:
    """Each side makes a key; the public halves are exchanged once, by hand."""
    stage.heading("Keys, once")
    for side in (cast.office, cast.lab):
        name = side.prompt
        stage.run(
            *("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", f"keys/{name}"),
            side=side,
        )
    stage.say(
        "Ordinary OpenSSH keys. (-N '' gives them no passphrase, because nobody is asked anything "
        "here.) The public halves are exchanged in person; whoever may sign has a line in the "
        "file that ssh-keygen calls allowed_signers."
    )
    keys = stage_folder(stage) / "keys"
    for reader, signer, purpose in (("lab", "office", "bundle"), ("office", "lab", "receipt")):
        public = (keys / f"{signer}.pub").read_text(encoding="utf-8").strip()
        line = f'{signer} namespaces="hub-mirror-{purpose}" {public}\n'
        (keys / f"{reader}-allows").write_text(line, encoding="utf-8")
    stage.run("cat", "keys/lab-allows", side=cast.lab)
    stage.run("mirror", "init", "lab", side=cast.lab)
    stage.say("Both write their names and keys into mirror.toml; the lab's says:")
    for name in ("office", "lab"):
        settings = stage_folder(stage) / name / "mirror.toml"
        with settings.open("a", encoding="utf-8") as stream:
            stream.write(_exchange(name))
    print(_exchange("lab").rstrip())


def _exchange(name: str) -> str:
    return (
        f'\n[exchange]\nname = "{name}"\nsigning_key = "../keys/{name}"\n'
        f'allowed_signers = "../keys/{name}-allows"\n'
    )


def first_bundle(stage: Stage, cast: Cast) -> None:
    """Everything goes into a first bundle, cut for small sticks."""
    stage.heading("The first bundle, cut into volumes for small sticks")
    cut = ("--volume-size", "600K")
    stage.run("mirror", "export", "out/bundle-1", *cut, "--quiet", side=cast.office)
    stage.heading("What the approver reads: BUNDLE.md")
    text = (stage_folder(stage) / "out/bundle-1/volume-001/BUNDLE.md").read_text(encoding="utf-8")
    shown = takewhile(lambda line: not line.startswith("## New files"), text.splitlines())
    print("\n" + "\n".join(shown).rstrip())
    print("…")


# --- on the way ---------------------------------------------------------------------------


def check_on_a_bare_host(stage: Stage, cast: Cast) -> None:
    """Coreutils and OpenSSH are enough to check a stick."""
    stage.heading("On a bare host: check a stick with nothing of ours")
    for volume in volumes(stage, "out/bundle-1"):
        stage.run("cp", "-r", f"out/bundle-1/{volume}", "stick/", side=cast.carrier)
    volume = volumes(stage, "stick")[0]
    stage.say(f"In the folder stick/{volume}:")
    stage.run(
        "sh", "-c", "sha256sum --quiet --strict -c manifest-sha256.txt && echo all as listed",
        shown="sha256sum --quiet --strict -c manifest-sha256.txt && echo all as listed",
        side=cast.carrier, below=f"stick/{volume}",
    )  # fmt: skip
    check = (
        "ssh-keygen -Y verify -f ../../keys/lab-allows -I office -n hub-mirror-bundle "
        "-s manifest-sha256.txt.sig < manifest-sha256.txt"
    )
    stage.run("sh", "-c", check, shown=check, side=cast.carrier, below=f"stick/{volume}")


# --- the lab ------------------------------------------------------------------------------


def take_in(stage: Stage, cast: Cast) -> None:
    """The lab takes volume after volume; one of them has a changed byte at first."""
    stage.heading("The lab takes it in, stick after stick")
    lab = cast.lab
    if lab.wall:
        stage.say(
            f"Every command at the lab's prompt runs under `{' '.join(lab.wall)}`: in a network "
            "namespace of its own, in which no interface is up."
        )
    else:
        stage.say(
            "NOTE: this machine does not permit unshare, so the lab's commands run WITHOUT a "
            "network namespace of their own. Nothing in them needs a network; here that cannot "
            "be shown."
        )
    *some, last = volumes(stage, "stick")
    for volume in some:
        stage.run("mirror", "import", f"stick/{volume}", "--quiet", side=lab, code=4)
    stage.say("Meanwhile something happens to the last stick: one byte of it changes.")
    path = largest(stage_folder(stage) / "stick" / last)
    name = path.relative_to(stage_folder(stage)).as_posix()
    spoil = f"printf X | dd of={name} bs=1 seek=1000 conv=notrunc status=none"
    stage.run("sh", "-c", spoil, shown=spoil, side=Side("somebody", cast.carrier.environment))
    stage.run("mirror", "import", f"stick/{last}", "--quiet", side=lab, code=11)
    stage.say(
        "Refused, with exit code 11, and nothing of it can be seen. What is good stays verified, "
        "so that one file is all that must be copied again."
    )
    stage.run("cp", name.replace("stick", "out/bundle-1", 1), name, side=cast.carrier)
    stage.run("mirror", "import", f"stick/{last}", "--quiet", side=lab)


def load_in_the_lab(stage: Stage, cast: Cast) -> None:
    """The lab loads a model and a data set from what came."""
    stage.heading("The lab finds and loads it, without a network")
    lab = cast.lab
    stage.run("mirror", "search", "감정", side=lab)
    environment = {**lab.environment, **mirror_environment(lab.environment)}
    words = [sys.executable, str(_LOAD), *([] if lab.wall else ["--audit"])]
    print('\nlab$ eval "$(mirror env)"')
    stage.run(*words, shown="python scripts/demo_load.py", side=Side("lab", environment, lab.wall))
    stage.heading("The way back: a receipt")
    stage.run("mirror", "receipt", "stick/receipt.json", side=lab)
    size = (stage_folder(stage) / "stick/receipt.json").stat().st_size
    stage.say(f"It says what the lab has, in {size:,} bytes.")


# --- the next bundle ------------------------------------------------------------------------


def second_bundle(stage: Stage, cast: Cast, hub: FakeHub) -> None:
    """Upstream changes, something is taken out; only the difference is sent."""
    stage.heading("Meanwhile: a change upstream, and something is taken out")
    repo = hub.repo("model", MODEL)
    card = repo.head.files["README.md"].content.bytes()
    repo.commit({"README.md": card + _TEXT.encode()}, title="Learn polite speech")
    office = cast.office
    stage.say(f"Upstream, {MODEL} has a new card. The office takes {GONE} out of its mirror.")
    stage.run("mirror", "remove", f"models/{GONE}", side=office)
    stage.run("mirror", "forget", f"models/{GONE}", side=office)
    stage.run("mirror", "sync", "--quiet", side=office)
    stage.heading("The next bundle: exactly what the lab lacks")
    receipt = ("--for", "stick/receipt.json")
    stage.run("mirror", "export", "out/bundle-2", *receipt, "--quiet", side=office)
    full, second = (size_of(stage_folder(stage) / f"out/bundle-{n}") for n in (1, 2))
    stage.say(
        f"The first bundle has {full:,} bytes on all volumes, this one {second:,}, of which the "
        "most is the head, BUNDLE.md and upstream's own words about the repo."
    )


def take_in_the_second(stage: Stage, cast: Cast) -> None:
    """The lab looks first, takes it in, and decides about the removal itself."""
    stage.heading("The lab looks first, then takes it in")
    lab = cast.lab
    stage.run("cp", "-r", "out/bundle-2", "stick/", side=cast.carrier)
    stage.run("mirror", "import", "stick/bundle-2", "--dry-run", side=lab)
    stage.run("mirror", "import", "stick/bundle-2", "--quiet", side=lab)
    stage.heading("Nothing is removed by an import: the lab decides")
    stage.run("mirror", "prune", "--proposed", "--dry-run", side=lab)
    stage.run("mirror", "prune", "--proposed", side=lab)
    stage.run("mirror", "list", side=lab)


def conclude(stage: Stage) -> None:
    """Say what was shown, and where it is described."""
    stage.heading("What you have seen")
    print(
        "  - `mirror export` writes a signed bundle, cut for any stick; sha256sum and ssh-keygen\n"
        "    check it where nothing of ours is installed.\n"
        "  - `mirror import` takes volumes in any order, refuses a changed byte, publishes last.\n"
        "  - `mirror receipt` goes back, and the next bundle is the difference.\n"
        "  - Removals are proposed, and done by the lab alone: `mirror prune --proposed`.\n"
    )
    print("How to set it up: docs/how-to/air-gap.md")
    print("\nNothing is left running, and what the demo made is removed.")


# --- what is on the disk ----------------------------------------------------------------------


def stage_folder(stage: Stage) -> Path:
    """Give the folder that the demo plays in."""
    assert stage.folder is not None
    return stage.folder


def volumes(stage: Stage, below: str) -> list[str]:
    """Give the names of the volumes in a folder."""
    return sorted(path.name for path in (stage_folder(stage) / below).glob("volume-*"))


def largest(folder: Path) -> Path:
    """Give the largest file of a volume's payload."""
    payload = (path for path in folder.rglob("*") if path.is_file() and path.parent != folder)
    return max(payload, key=lambda path: path.stat().st_size)


def size_of(folder: Path) -> int:
    """Give the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
