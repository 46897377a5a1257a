"""The pages are true: commands, options, files and links that they name exist.

What a machine can check of them, it checks here (of the reference pages: tests/cli); that
a command does what its sentence says is for the tests of that command.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mirror.cli import app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

_FENCE = re.compile(r"^( *)```([\w-]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
#: `mirror NAME …` where a command may stand: at the beginning, after | && ; or $(,
#: behind variables, `sudo -u somebody` and `ssh host`, with a folder before it or not.
_COMMAND = re.compile(
    r"(?:^|[;|&(`])\s*(?:(?:\w+=\S+|[\d* ]+\*|sudo -u \S+|ssh \S+)\s+)*(?:[\w./-]*/)?"
    r"mirror(?: +(?:-C \S+|--debug))* +([a-z]+)\b(.*)",
    re.MULTILINE,
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path, *languages: str) -> list[str]:
    """The code blocks of a page that are in one of the languages."""
    text = page.read_text(encoding="utf-8")
    return [match[3] for match in _FENCE.finditer(text) if match[2] in languages]


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


# --- commands -----------------------------------------------------------------


def commands() -> dict[str, click.Command]:
    ctx = click.Context(app, info_name="mirror")
    found = {name: app.get_command(ctx, name) for name in app.list_commands(ctx)}
    return {name: command for name, command in found.items() if command is not None}


COMMANDS = commands()


def options_of(command: click.Command) -> set[str]:
    return {
        spelling
        for parameter in command.params
        for spelling in (*parameter.opts, *parameter.secondary_opts)
        if spelling.startswith("-")
    } | {"-h", "--help"}


def command_lines() -> Iterator[tuple[Path, str]]:
    """Every line of shell in the docs, and every command in backticks."""
    for page in PAGES:
        for block in blocks(page, "bash", "sh", "cron", "console"):
            for line in block.replace("\\\n", " ").splitlines():
                yield page, re.sub(r"(^|\s)#.*", "", line)
        for code in re.findall(r"`(mirror [^`]+)`", prose(page).replace("\n", " ")):
            yield page, code


def unknown_in(line: str) -> list[str]:
    """The commands and options in a line that do not exist."""
    unknown = []
    for match in _COMMAND.finditer(line):
        name, rest = match[1], re.split(r"[|;&)>]", match[2])[0]
        if name not in COMMANDS:
            unknown.append(name)
            continue
        # -license:unknown and -news are no options, but parts of a query.
        given = re.findall(r"(?<!\S)(?:--[a-zA-Z][\w-]*|-[a-zA-Z])(?![\w:-])", rest)
        unknown += [
            f"{name} {option}" for option in given if option not in options_of(COMMANDS[name])
        ]
    return unknown


def test_the_commands_in_the_docs_exist() -> None:
    lines = list(command_lines())

    wrong = [(name_of(page), line, found) for page, line in lines if (found := unknown_in(line))]
    assert [] == wrong
    seen = {match[1] for _, line in lines for match in _COMMAND.finditer(line)}
    assert {"init", "add", "plan", "sync", "search", "verify"} <= seen, "the search has gone blind"


def test_a_command_that_does_not_exist_is_found() -> None:
    assert ["fetch"] == unknown_in('x=$(mirror -C /srv fetch models/a) && cd "$x"')
    assert ["sync --fast"] == unknown_in("MIRROR_HOME=/srv mirror sync --quiet --fast | tail -1")
    assert ["go"] == unknown_in("sudo -u me /opt/bin/mirror go")
    assert [] == unknown_in("from mirror import Mirror")


def test_both_readmes_have_the_same_code() -> None:
    english, korean = ROOT / "README.md", ROOT / "README.ko.md"

    def code(page: Path) -> list[str]:
        lines = "\n".join(blocks(page, "bash", "cron", "python")).splitlines()
        return [re.sub(r"\s+# .*", "", line) for line in lines if line.strip()]

    assert code(english) == code(korean)
    assert len(code(english)) > 10


def test_the_night_page_names_exit_codes_that_exist() -> None:
    reference = (DOCS / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    page = (DOCS / "how-to" / "nightly-sync.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d, ]+?)(?: and others)? \|", page, re.MULTILINE)
    named = {code for row in rows for code in re.findall(r"\d+", row)}

    assert {"0", "4", "6", "8", "130"} <= named
    assert named <= set(re.findall(r"^\| (\d+) \|", reference, re.MULTILINE))


# --- links and names ----------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#{1,6} (.+)$", prose(page), re.MULTILINE)
    texts = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower().strip() for title in titles)
    return {re.sub(r"[^\w\- ]", "", text).replace(" ", "-") for text in texts}


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^()\s]+)\)", prose(page))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)

    assert broken == []


def test_the_index_has_every_page() -> None:
    index = DOCS / "README.md"
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in links(index)}
    pages = {page for page in DOCS.rglob("*.md") if page != index}

    assert set() == {name_of(page) for page in pages - linked}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_of_the_project_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|toml|cfg|md))`", prose(page))
    named += re.findall(r"(?<![\w/.-])((?:scripts|\.ci)/[\w./-]*\w)", page.read_text("utf-8"))

    places = (ROOT, ROOT / "mirror")
    assert [] == [name for name in named if not any((place / name).exists() for place in places)]


# --- scripts, units, and what must not be here ------------------------------------


def shell_scripts() -> list[Path]:
    files = [path for folder in ("scripts", ".ci") for path in (ROOT / folder).rglob("*")]
    return sorted(p for p in files if p.is_file() and p.read_bytes()[:64].startswith(b"#!/"))


@pytest.mark.parametrize("script", shell_scripts(), ids=name_of)
def test_scripts_are_executable_bash(script: Path) -> None:
    assert "#!/usr/bin/env bash" == script.read_text(encoding="utf-8").splitlines()[0]
    assert os.access(script, os.X_OK)
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    units = sorted((ROOT / "scripts" / "systemd").glob("hub-mirror-*"))
    names = ["hub-mirror-serve.service", "hub-mirror-sync.service", "hub-mirror-sync.timer"]
    assert names == [unit.name for unit in units]
    for unit in units:
        text = unit.read_text(encoding="utf-8").replace("/opt/hub-mirror", str(ROOT))
        (tmp_path / unit.name).write_text(text, encoding="utf-8")

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(tmp_path / unit.name for unit in units)],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "hub-mirror" in line]
    assert (0, []) == (done.returncode, ours)


def test_no_path_of_this_machine_is_in_a_tracked_file() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, check=True
    ).stdout.split(b"\0")
    # Below a place such as / or /home a checkout's path would be in every other sentence.
    places = [place for place in (ROOT, Path.home()) if len(place.parts) > 2]

    found = [
        (os.fsdecode(name), str(place))
        for name in filter(None, listed)
        if (path := ROOT / os.fsdecode(name)).is_file()
        for place in places
        if f"{place}/".encode() in path.read_bytes()
    ]
    assert [] == found
