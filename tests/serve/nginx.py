"""A real nginx in front of a mirror, set up as docs/how-to/serve-a-lab.md says."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

#: Debian's lies where only root looks.
NGINX: Final = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "serve-a-lab.md"
_AROUND: Final = """
daemon off; user root; worker_processes 1; error_log {folder}/error.log; pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_requests 100000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {servers}
}}
"""


def documented(port: int, upstream: str, root: Path, *, accel: bool) -> str:
    """Give what the page has, with addresses and folders of here."""
    blocks = re.findall(r"```nginx\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)
    (found,) = (block for block in blocks if accel == ("internal;" in block))
    found = found.replace("listen 80;", f"listen 127.0.0.1:{port};")
    found = re.sub(r"listen \[::\]:80;", "", found)
    found = found.replace("127.0.0.1:8000", upstream.removeprefix("http://"))
    return found.replace("/srv/mirror", str(root))


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def running(folder: Path, port: int, servers: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run an nginx of these servers, one of them on ``port``, while the block runs."""
    assert NGINX is not None
    config = folder / "nginx.conf"
    config.write_text(_AROUND.format(folder=folder, servers=servers))
    with subprocess.Popen([NGINX, "-c", str(config)], stderr=subprocess.PIPE) as process:
        try:
            _await(process, port)
            yield process
        finally:
            process.terminate()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as link:
            if link.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    process.terminate()
    assert process.stderr is not None
    raise AssertionError(f"nginx does not listen: {process.stderr.read().decode()}")
