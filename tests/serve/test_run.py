"""`mirror run`: a command's own signals, streams and exit code, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mirror.names import RepoKey, RepoType
from mirror.serve.errors import Miss
from mirror.serve.run import add_lines, environment

KLUE = RepoKey(RepoType.DATASET, "klue/klue")
Run = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    folder = tmp_path / "temp"
    folder.mkdir()
    return folder


@pytest.fixture
def start(lab_root: Path, temp: Path) -> Iterator[Run]:
    """Start `mirror run …` with a folder of its own for what is temporary."""
    started = []

    def run(*args: str, **env: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "mirror", "run", *args],
            env=os.environ | {"MIRROR_HOME": str(lab_root), "TMPDIR": str(temp)} | env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def python(code: str) -> tuple[str, ...]:
    return ("--", sys.executable, "-c", code)


class TestPassesThrough:
    def test_stdin_and_stdout_as_they_are(self, start: Run) -> None:
        process = start("--", "cat")

        out, err = process.communicate("한국어\x00\x1b[1m\n")

        assert (0, "한국어\x00\x1b[1m\n", "") == (process.returncode, out, err)

    def test_stderr(self, start: Run) -> None:
        assert ("", "to err\n") == start("--", "sh", "-c", "echo to err >&2").communicate()

    @pytest.mark.parametrize("code", [0, 1, 7, 255])
    def test_the_exit_code(self, start: Run, code: int) -> None:
        process = start("--", "sh", "-c", f"exit {code}")
        process.communicate()
        assert code == process.returncode

    def test_the_command_s_own_options(self, start: Run) -> None:
        out, _ = start("printf", "%s.", "--strict", "-C", "--json", "--").communicate()
        assert "--strict.-C.--json.--." == out

    def test_a_command_that_a_signal_ends(self, start: Run) -> None:
        process = start("--", "sh", "-c", "kill -9 $$")
        process.communicate()
        assert 128 + signal.SIGKILL == process.returncode

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_signals(self, start: Run, temp: Path, number: signal.Signals) -> None:
        code = (
            "import os, signal, sys, time\n"
            f"signal.signal({int(number)}, lambda *_: (os.write(1, b'got it\\n'), sys.exit(5)))\n"
            "print('ready', flush=True)\n"
            "while True: time.sleep(1)\n"
        )
        process = start(*python(code))
        assert process.stdout is not None
        assert "ready\n" == process.stdout.readline()

        process.send_signal(number)

        assert "got it\n" == process.communicate(timeout=20)[0]
        assert 5 == process.returncode
        assert [] == list(temp.iterdir())

    def test_a_command_without_a_handler(self, start: Run) -> None:
        process = start("--", "sh", "-c", "echo ready; exec sleep 60")
        assert process.stdout is not None
        process.stdout.readline()

        process.terminate()

        process.communicate(timeout=20)
        assert 128 + signal.SIGTERM == process.returncode

    def test_a_broken_pipe_ends_the_command(self, start: Run) -> None:
        """Python ignores SIGPIPE; a command must find it as usual."""
        process = start("--", "sh", "-c", "yes | head -1")
        assert "y\n" == process.communicate(timeout=20)[0]

    def test_ctrl_c_in_a_terminal_comes_once(self, lab_root: Path) -> None:
        code = (
            "import os, signal, time\n"
            "def note(*_): os.write(1, b'INT\\n')\n"  # print may be at work just then
            "signal.signal(signal.SIGINT, note)\n"
            "print('ready', flush=True)\n"
            "end = time.monotonic() + 2\n"
            "while time.monotonic() < end: time.sleep(0.1)\n"
        )
        command = [sys.executable, "-m", "mirror", "-C", str(lab_root), "run", *python(code)]
        said = in_terminal(command)
        assert 1 == said.count("INT")


def in_terminal(command: list[str]) -> str:
    """Run a command on a terminal, press Ctrl-C when it is ready, and give what it wrote."""
    spawn = "import pty, sys; pty.spawn(sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", spawn, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = process.stdout.readline()
        assert b"ready" in said
        process.stdin.write(b"\x03")
        process.stdin.flush()
        return (said + process.stdout.read()).decode()


class TestEnvironment:
    def test_of_the_command(self, start: Run) -> None:
        given = {"HF_HUB_OFFLINE": "1", "HUGGINGFACE_CO_STAGING": "1", "no_proxy": "lab"}
        code = "import os, json; print(json.dumps(dict(os.environ)))"

        out, _ = start(*python(code), **given).communicate()

        env = json.loads(out)
        assert env["HF_ENDPOINT"].startswith("http://127.0.0.1:")
        assert not env["HF_ENDPOINT"].endswith("/")
        assert not {"HF_HUB_OFFLINE", "HUGGINGFACE_CO_STAGING"} & set(env)
        assert "1" == env["HF_HUB_DISABLE_XET"]
        assert "0" == env["HF_UPDATE_DOWNLOAD_COUNTS"]
        assert "lab,127.0.0.1,localhost" == env["no_proxy"]
        assert "127.0.0.1,localhost" == env["NO_PROXY"]

    def test_endpoint_only(self) -> None:
        env = {"HF_HUB_OFFLINE": "0", "A": "b"}
        assert env | {"HF_ENDPOINT": "http://x"} == environment(env, "http://x", None, True)

    def test_the_caches_are_new_and_go(self, start: Run, temp: Path) -> None:
        code = (
            "import os, pathlib\n"
            "for name in ('HF_HUB_CACHE', 'HF_DATASETS_CACHE', 'HF_MODULES_CACHE'):\n"
            "    folder = pathlib.Path(os.environ[name], 'x'); folder.mkdir(parents=True)\n"
            "    (folder / 'y').write_text(''); print(folder)\n"
        )
        out, _ = start(*python(code)).communicate()

        assert 3 == len(out.splitlines())
        assert all(line.startswith(str(temp)) for line in out.splitlines())
        assert [] == list(temp.iterdir())

    def test_a_cache_of_one_s_own_stays(self, start: Run, temp: Path, tmp_path: Path) -> None:
        kept = tmp_path / "kept"
        start("--cache", str(kept), "--", "sh", "-c", "mkdir -p $HF_HUB_CACHE/x").communicate()

        assert (kept / "hub" / "x").is_dir()
        assert [] == list(temp.iterdir())


class TestLeavesNothing:
    def test_no_port_and_no_process(self, start: Run) -> None:
        out, _ = start("--", "sh", "-c", "echo $HF_ENDPOINT").communicate()

        port = int(out.rsplit(":", 1)[1])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)

    def test_the_endpoint_goes_though_a_connection_is_open(self, start: Run) -> None:
        code = (
            "import os, socket, time\n"
            "host, port = os.environ['HF_ENDPOINT'].removeprefix('http://').split(':')\n"
            "s = socket.create_connection((host, int(port))); s.send(b'GET / HT')\n"
            "os.set_inheritable(s.fileno(), True); print(os.getpid())\n"
            "os.spawnvp(os.P_NOWAIT, 'sleep', ['sleep', '1'])\n"
        )
        process = start("--", sys.executable, "-c", code)
        assert process.wait(20) == 0

    def test_no_mirror(self, start: Run, tmp_path: Path, temp: Path) -> None:
        process = start("--", "touch", str(tmp_path / "ran"), MIRROR_HOME=str(tmp_path))
        _, err = process.communicate()

        assert 7 == process.returncode
        assert "is not a mirror folder" in err
        assert not (tmp_path / "ran").exists()
        assert [] == list(temp.iterdir())

    @pytest.mark.parametrize("number", ["2", "", "\udcff"])
    def test_a_mirror_of_another_format(
        self, start: Run, tmp_path: Path, temp: Path, number: str
    ) -> None:
        root = tmp_path / "mirror"
        root.mkdir()
        (root / "format").write_bytes(number.encode(errors="surrogateescape"))

        process = start("--", "touch", str(tmp_path / "ran"), MIRROR_HOME=str(root))
        _, err = process.communicate()

        assert 7 == process.returncode, err
        assert not (tmp_path / "ran").exists()
        assert [] == list(temp.iterdir())

    @pytest.mark.parametrize(("name", "code"), [("no-such-command", 127), ("/etc/passwd", 126)])
    def test_no_command(self, start: Run, temp: Path, name: str, code: int) -> None:
        process = start("--", name)
        _, err = process.communicate()

        assert code == process.returncode
        assert err.startswith(f"error: cannot run {name}: ")
        assert [] == list(temp.iterdir())

    def test_nothing_to_run(self, start: Run) -> None:
        process = start()
        process.communicate()
        assert 2 == process.returncode


class TestAddLines:
    def test_each_once(self) -> None:
        misses = [
            Miss(KLUE),
            Miss(KLUE),
            Miss(KLUE, "v2.0"),
            Miss(KLUE, "refs/convert/parquet"),
            Miss(KLUE, "main", "big.bin"),
        ]
        assert (
            "mirror add datasets/klue/klue",
            "mirror add datasets/klue/klue --revision v2.0",
            "mirror add datasets/klue/klue --revision refs/convert/parquet",
            "# in mirror.toml, the entry of datasets/klue/klue leaves out big.bin",
        ) == add_lines(misses)

    @pytest.mark.parametrize("revision", ["$(id)", "a;b", "--limit", "a b", "`x`", "a\nb", "é"])
    def test_a_revision_is_no_shell_code(self, revision: str) -> None:
        (line,) = add_lines([Miss(KLUE, revision)])
        assert line.startswith("# ")
        assert "\n" not in line
