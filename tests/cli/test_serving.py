"""serve, run, token, env --endpoint: as somebody uses them, with the real client libraries."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from mirror import Mirror
from tests.cli.conftest import Cli

Serve = Callable[..., tuple[subprocess.Popen[str], str]]


@pytest.fixture
def start(offline_root: Path) -> Iterator[Serve]:
    """Start `mirror serve …` on a free port, and give it with its endpoint."""
    started = []

    def run(*args: str | Path) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "mirror", "serve", "--port", "0", *map(str, args)],
            env={"MIRROR_HOME": str(offline_root)} | os.environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r" at (https?://\S+)$", line)
        assert found, line + process.stderr.read()
        return process, found[1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def mirror_run(root: Path, temp: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mirror", "run", *args],
        env=os.environ | {"MIRROR_HOME": str(root), "TMPDIR": str(temp)},
        capture_output=True,
        text=True,
        check=False,
    )


class TestRun:
    def test_a_data_set_by_name(self, offline_root: Path, tmp_path: Path) -> None:
        code = (
            "from datasets import load_dataset\n"
            "data = load_dataset('klue/klue', 'sts')\n"
            "print({split: data[split].num_rows for split in data}, data['train'][0])\n"
            "print(next(iter(load_dataset('klue/klue', 'ynat', split='train', streaming=True))))\n"
        )
        ran = mirror_run(offline_root, tmp_path, "--strict", "--", sys.executable, "-c", code)

        assert 0 == ran.returncode, ran.stderr
        assert [
            "{'train': 4, 'validation': 2} {'sentence': '문장 0', 'score': 0.5}",
            "{'title': '경제', 'label': 1}",
        ] == ran.stdout.splitlines()
        assert "mirror add" not in ran.stderr
        assert [] == list(tmp_path.iterdir())

    def test_a_rehearsal_names_what_is_not_mirrored(
        self, offline_root: Path, tmp_path: Path
    ) -> None:
        code = (
            "from huggingface_hub import HfApi, hf_hub_download\n"
            "def ask(call, *args, **more):\n"
            "    try: call(*args, **more)\n"
            "    except Exception as error: print(type(error).__name__)\n"
            "ask(HfApi().model_info, 'lab/nowhere')\n"
            "ask(hf_hub_download, 'klue/roberta-small', 'pytorch_model.bin')\n"
            "ask(hf_hub_download, 'klue/roberta-small', 'no-such-file.txt')\n"
            "ask(hf_hub_download, 'klue/klue', 'README.md', repo_type='dataset', revision='v9')\n"
        )
        ran = mirror_run(offline_root, tmp_path, "--strict", "--", sys.executable, "-c", code)

        assert 10 == ran.returncode
        assert [
            "RepositoryNotFoundError",
            "RemoteEntryNotFoundError",
            "RemoteEntryNotFoundError",
            "RevisionNotFoundError",
        ] == ran.stdout.splitlines()
        lines, left_out = ran.stderr.splitlines(), "models/klue/roberta-small"
        assert [
            "  mirror add models/lab/nowhere",
            f"  # in mirror.toml, the entry of {left_out} leaves out pytorch_model.bin",
            "  mirror add datasets/klue/klue --revision v9",
            "  mirror sync",
        ] == lines[lines.index("") + 2 :]

    def test_a_failing_command_keeps_its_code(self, offline_root: Path, tmp_path: Path) -> None:
        ask = "curl -s $HF_ENDPOINT/api/models/lab/nowhere; exit 3"
        code = f"import subprocess; exit(subprocess.run({ask!r}, shell=True).returncode)"

        ran = mirror_run(offline_root, tmp_path, "--strict", "--", sys.executable, "-c", code)

        assert 3 == ran.returncode

    def test_without_strict_nothing_is_listed(self, offline_root: Path, tmp_path: Path) -> None:
        code = (
            "import os, urllib.request as u\n"
            "try: u.urlopen(os.environ['HF_ENDPOINT'] + '/api/models/lab/nowhere')\n"
            "except OSError as error: print(error.code)\n"
        )
        ran = mirror_run(offline_root, tmp_path, "--", sys.executable, "-c", code)
        assert (0, "404\n", "") == (ran.returncode, ran.stdout, ran.stderr)


class TestServe:
    def test_answers_and_logs_until_it_is_stopped(self, start: Serve) -> None:
        process, endpoint = start()

        assert {"status": "ok"} == httpx2.get(f"{endpoint}/healthz").json()
        path = "/datasets/klue/klue/resolve/main/README.md"
        bearer = {"authorization": "Bearer hf_secret"}
        body = httpx2.get(f"{endpoint}{path}?x=%1b[2J", headers=bearer).content
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)

        assert 0 == process.returncode
        assert "hf_secret" not in err
        lines = [json.loads(text) for text in err.splitlines() if text.startswith("{")]
        assert ["request", "request"] == [line["event"] for line in lines], err
        line = lines[1]
        assert {"method": "GET", "path": path, "status": 200, "bytes": len(body)} == {
            key: line[key] for key in ("method", "path", "status", "bytes")
        }
        assert {"time", "client", "ms", "reader", "whole"} <= set(line)

    def test_a_stop_while_a_client_takes_nothing(self, start: Serve) -> None:
        """It says what it waits for; a second signal ends it, and neither is a fault."""
        process, endpoint = start("--no-log")
        host, port = endpoint.removeprefix("http://").split(":")
        path = "/klue/roberta-small/resolve/main/model.safetensors"
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(request * 300)
            connection.recv(1)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            said = process.stderr.readline() + process.stderr.readline()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=15)
        assert "answers still being sent: 1;" in said
        assert (0, "") == (process.returncode, err)

    def test_the_variables_of_its_clients(self, start: Serve) -> None:
        """Nobody can connect to 0.0.0.0."""
        process, endpoint = start("--host", "0.0.0.0")
        port = endpoint.rpartition(":")[2]
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.endswith(f"mirror env --endpoint http://{socket.gethostname()}:{port}\n")

    def test_a_log_file(self, start: Serve, tmp_path: Path) -> None:
        log = tmp_path / "access.log"
        process, endpoint = start("--log", log)

        httpx2.get(f"{endpoint}/api/models/lab/nowhere")
        process.terminate()
        process.wait(20)

        line = json.loads(log.read_text())
        assert (404, "RepoNotFound") == (line["status"], line["code"])

    def test_a_port_that_is_taken(self, read: Cli) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            ran = read("serve", "--port", str(port), code=2)

        assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in ran.err
        assert "--port" in ran.err

    @pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
    def test_an_address_that_is_not_ours(self, read: Cli, host: str) -> None:
        assert "cannot listen on" in read("serve", "--host", host, "--port", "0", code=2).err

    def test_a_public_url(self, start: Serve, read: Cli) -> None:
        _, endpoint = start("--public-url", "https://hub.lab/", "--no-log")
        link = httpx2.get(f"{endpoint}/api/models?limit=1").headers["link"]
        assert link.startswith("<https://hub.lab/api/models?")
        assert "not the address" in read("serve", "--public-url", "hub.lab", code=2).err

    def test_files_are_left_to_nginx(self, start: Serve, read: Cli) -> None:
        _, endpoint = start("--accel", "/.blobs/", "--no-log")
        url = f"{endpoint}/klue/roberta-small/resolve/main/config.json"
        answer = httpx2.get(url, headers={"x-accel-prefix": "/.blobs"})
        assert re.fullmatch(
            r"/\.blobs/[0-9a-f]{2}/[0-9a-f]{64}", answer.headers["x-accel-redirect"]
        )
        for path in (".blobs", "/", "/a b", "http://x/"):
            assert "no location" in read("serve", "--accel", path, code=2).err

    def test_a_folder_that_is_no_mirror(self, cli: Cli, tmp_path: Path) -> None:
        assert "is not a mirror folder" in cli("serve", "-C", tmp_path, code=7).err
        assert "is not a mirror folder" in cli("run", "-C", tmp_path, "true", code=7).err

    def test_a_certificate_that_is_none(self, read: Cli, tmp_path: Path) -> None:
        (tmp_path / "cert.pem").write_text("no certificate")
        for name in ("cert.pem", "missing.pem"):
            ran = read("serve", "--port", "0", "--certfile", tmp_path / name, code=2)
            assert "the certificate cannot be used" in ran.err
        assert "--certfile" in read("serve", "--keyfile", tmp_path / "cert.pem", code=2).err

    def test_tls(self, start: Serve, tmp_path: Path) -> None:
        cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        made = subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", str(key), "-out", str(cert)),
            ],
            capture_output=True,
            check=False,
        )
        if made.returncode:
            pytest.skip("no openssl here")
        _, endpoint = start("--certfile", cert, "--keyfile", key)

        assert endpoint.startswith("https://127.0.0.1:")
        code = (
            "from huggingface_hub import HfApi, hf_hub_download\n"
            "print(HfApi().model_info('klue/roberta-small').id)\n"
            "print(len(open(hf_hub_download('gpt2', 'config.json')).read()))\n"
        )
        env = {"HF_ENDPOINT": endpoint, "SSL_CERT_FILE": str(cert), "HF_HUB_CACHE": str(tmp_path)}
        out = subprocess.check_output([sys.executable, "-c", code], env=os.environ | env, text=True)
        assert ["klue/roberta-small", "22"] == out.split()


class TestToken:
    def test_its_life(self, cli: Cli, synced: Mirror) -> None:
        home = {"MIRROR_HOME": str(synced.root)}

        made = cli("token", "create", "lab", "--repo", "klue/*", "--gated", "google/*", **home)
        (secret,) = made.out.split()
        assert secret.startswith("hf_mirror_")
        (row,) = cli("token", "list", **home).rows
        assert ["lab", "klue/*", "google/*"] == [row[0], *row[2:]]
        cli("verify", **home)
        listed = cli("token", "list", "--json", **home).json
        assert [{"name", "created", "repos", "gated"}] == [set(item) for item in listed]
        cli("token", "revoke", "lab", **home)
        assert [] == cli("token", "list", "--json", **home).json
        cli("token", "revoke", "lab", code=10, **home)

    def test_what_is_for_another_action(self, read: Cli) -> None:
        assert "for a new token" in read("token", "revoke", "lab", "--repo", "a/*", code=2).err
        assert "for a new token" in read("token", "list", "--gated", "a/*", code=2).err
        assert "shows all" in read("token", "list", "lab", code=2).err

    @pytest.mark.parametrize("pattern", ["", "dataset/klue/klue", "datasets/a/b/c", "a b"])
    def test_a_pattern_that_no_repo_can_have(self, read: Cli, pattern: str) -> None:
        ran = read("token", "create", "lab", "--repo", pattern, code=2)
        assert "is not a pattern for repos" in ran.err

    def test_none_yet(self, read: Cli) -> None:
        ran = read("token", "list")
        assert ("", True) == (ran.out, "mirror token create" in ran.err)

    def test_whose(self, read: Cli) -> None:
        assert "whose token?" in read("token", "create", code=2).err

    def test_required_and_none_made(self, start: Serve) -> None:
        process, endpoint = start("--token-required")
        assert process.stderr is not None
        assert "mirror token create" in process.stderr.readline()
        assert 401 == httpx2.get(f"{endpoint}/api/models").status_code


class TestEnv:
    def test_of_an_endpoint(self, cli: Cli) -> None:
        out = cli("env", "--endpoint", "http://hub.lab/", MIRROR_HOME="").out

        lines = out.splitlines()
        assert "export HF_ENDPOINT=http://hub.lab" in lines
        assert "unset HF_HUB_OFFLINE" in lines
        assert not any("HF_HUB_CACHE" in line for line in lines)
        for place, line in enumerate(lines):
            if not line.startswith("#"):
                assert lines[place - 1].startswith("# ")
        done = subprocess.run(["sh", "-eu", "-c", out], capture_output=True, check=False)
        assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)

    def test_json(self, cli: Cli) -> None:
        found = cli("env", "--endpoint", "https://hub.lab", "--json", MIRROR_HOME="").json
        assert "https://hub.lab" == found["HF_ENDPOINT"]
        assert "1" == found["HF_HUB_DISABLE_XET"]

    @pytest.mark.parametrize(
        "url", ["hub.lab", "ftp://hub.lab", "http://", "http://[", "http://x?y"]
    )
    def test_what_is_no_address(self, cli: Cli, url: str) -> None:
        assert "not the address of a server" in cli("env", "--endpoint", url, code=2).err
