"""What all commands share: the mirror's place, errors, exit codes, help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mirror
from mirror import Mirror
from mirror.cli.app import FAMILIES
from tests.cli.conftest import Cli


def run(*args: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command for real, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "mirror", *map(str, args)],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def made(home: Path) -> Mirror:
    return Mirror.init(home)


class TestPlace:
    @pytest.mark.parametrize("before", [True, False])
    @pytest.mark.parametrize("option", ["-C", "--mirror"])
    def test_option_before_or_after_the_command(
        self, cli: Cli, made: Mirror, option: str, before: bool
    ) -> None:
        where = [option, str(made.root)]
        args = [*where, "env", "--json"] if before else ["env", "--json", *where]

        ran = cli(*args, MIRROR_HOME="/nowhere")

        assert f"{made.root}/hub" == ran.json["HF_HUB_CACHE"]

    def test_variable(self, cli: Cli, made: Mirror) -> None:
        assert f"{made.root}/hub" == cli("env", "--json").json["HF_HUB_CACHE"]

    def test_neither(self, cli: Cli) -> None:
        ran = cli("status", code=2, MIRROR_HOME="")

        assert "which mirror? none is named" in ran.err
        assert "hint: name its folder with -C DIR, or set MIRROR_HOME" in ran.err

    def test_not_a_mirror(self, cli: Cli, tmp_path: Path) -> None:
        ran = cli("-C", tmp_path, "status", code=7)

        assert f"error: {tmp_path} is not a mirror folder" in ran.err
        assert f"mirror init {tmp_path}" in ran.err

    def test_a_format_of_the_future(self, cli: Cli, made: Mirror) -> None:
        (made.root / "format").write_text("99\n")

        assert "format '99'" in cli("status", code=7).err


class TestErrors:
    def test_in_json_on_stdout_too(self, cli: Cli, made: Mirror) -> None:
        ran = cli("path", "klue/klue", "--json", code=10)

        assert {
            "error": "not-found",
            "message": "klue/klue is not in the mirror",
            "hint": "mirror list shows what is there; mirror add and mirror sync bring more",
            "exit_code": 10,
        } == ran.json
        assert "error: klue/klue is not in the mirror" in ran.err

    def test_of_the_command_line(self, cli: Cli) -> None:
        ran = cli("status", "--jsno", "--json", code=2)

        assert "Did you mean '--json'?" in ran.err
        assert ("usage", 2) == (ran.json["error"], ran.json["exit_code"])

    def test_a_misspelt_command(self, cli: Cli) -> None:
        assert "Did you mean 'search'?" in cli("serach", code=2).err

    def test_a_fault_of_ours_is_one_line(
        self, cli: Cli, made: Mirror, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Mirror, "status", lambda self: 1 / 0)

        ran = cli("status", "--json", code=1)

        assert (
            "error: a fault of mirror itself: ZeroDivisionError: division by zero\n"
            "hint: please report it, with what the same command says with --debug\n"
        ) == ran.err
        assert "internal" == ran.json["error"]

    @pytest.mark.parametrize("args", [["--debug", "path", "x/y"], ["path", "x/y", "--debug"]])
    def test_traceback_with_debug_only(self, cli: Cli, made: Mirror, args: list[str]) -> None:
        ran = cli(*args, code=10)

        assert "Traceback (most recent call last)" in ran.err
        assert "Traceback" not in cli("path", "x/y", code=10).err

    def test_ctrl_c(self, cli: Cli, made: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(_: Mirror) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Mirror, "status", interrupt)

        ran = cli("status", code=130)

        assert "stopped" in ran.err
        assert "" == ran.out

    def test_upstream_cannot_steer_the_terminal(self, cli: Cli, made: Mirror) -> None:
        ran = cli("path", "models/\x1b]0;owned\x07", "--json", code=2)

        assert "\x1b" not in ran.err
        assert "\x1b" not in ran.out
        assert "\x1b" in ran.json["message"] or "\\x1b" in ran.json["message"]


class TestProcess:
    def test_version(self) -> None:
        ran = run("--version")

        assert (0, f"mirror, version {mirror.__version__}\n") == (ran.returncode, ran.stdout)

    def test_nobody_reads(self, made: Mirror) -> None:
        """``mirror env | head -1`` ends like any other program that SIGPIPE ends."""
        script = (
            f'set -o pipefail; "{sys.executable}" -m mirror env | true; echo "${{PIPESTATUS[0]}}"'
        )

        ran = subprocess.run(
            ["bash", "-c", script],
            env=os.environ | {"MIRROR_HOME": str(made.root)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert ran.stdout in {"141\n", "0\n"}  # 0: it was faster than true
        assert "" == ran.stderr

    def test_a_locale_without_korean(self, made: Mirror) -> None:
        ran = run("path", "모델/한국어", MIRROR_HOME=str(made.root), PYTHONIOENCODING="ascii")

        assert 2 == ran.returncode
        assert "is not a repo id" in ran.stderr
        assert "Traceback" not in ran.stderr

    def test_without_a_tty_no_colours(self, made: Mirror) -> None:
        assert "\x1b" not in run("status", MIRROR_HOME=str(made.root)).stdout


class TestHelp:
    def test_without_arguments(self, cli: Cli) -> None:
        ran = cli(code=2)

        assert "Choose what to mirror:" in ran.err
        assert "" == ran.out

    def test_names_every_command_under_its_family(self, cli: Cli) -> None:
        text = cli("--help").out

        for heading, names in FAMILIES.items():
            section = text.split(f"{heading}:\n")[1].split("\n\n")[0]
            assert list(names) == [line.split()[0] for line in section.splitlines()]

    @pytest.mark.parametrize("name", [name for family in FAMILIES.values() for name in family])
    def test_of_every_command_has_the_common_options_and_examples(
        self, cli: Cli, name: str
    ) -> None:
        text = cli(name, "-h").out

        assert "-C, --mirror DIR" in text
        assert ("--json" in text) == (name != "run")  # whose stdout is its command's
        examples = text.split("Examples:\n")[1].splitlines()
        assert any(f"mirror {name}" in line for line in examples)
        assert all(len(line) <= 100 for line in text.splitlines())


def test_env_is_what_a_shell_reads(made: Mirror, tmp_path: Path) -> None:
    odd = tmp_path / "it's $HOME; a `mirror`"
    made.root.rename(odd)
    script = f'eval "$("{sys.executable}" -m mirror env)"; env'

    ran = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": os.environ["PATH"], "MIRROR_HOME": str(odd)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    found = dict(line.split("=", 1) for line in ran.stdout.splitlines() if "=" in line)
    assert Mirror(odd).env() == {name: found[name] for name in Mirror(odd).env()}
    assert f"{odd}/hub" == found["HF_HUB_CACHE"]
    assert "1" == found["HF_HUB_OFFLINE"]


def test_env_explains_every_line(cli: Cli, made: Mirror) -> None:
    lines = cli("env").out.splitlines()

    for place, line in enumerate(lines):
        if line.startswith("export "):
            assert lines[place - 1].startswith("# ")
    assert json.dumps(cli("env", "--json").json)
    assert "HF_DATASETS_CACHE" in cli("env").out
