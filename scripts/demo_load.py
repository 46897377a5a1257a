"""Load a model's config and tokenizer, and a data set's subset and split, without a network.

Run by the demo: in an empty network namespace, or with ``--audit``, which lets a Python
audit hook refuse every connection. First it shows that it cannot reach anything.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
from typing import Any

_SIOCGIFFLAGS = 0x8913
_IFF_UP = 1
MODEL = "sample-lab/tiny-bert-korean-sentiment"
DATASET = "sample-lab/korean-english-reviews"


def refuse_connections() -> None:
    """Let every attempt to connect, or to look a name up, fail in this process."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
            raise OSError(f"refused by the audit hook: {event} {arguments[-1]!r}")

    sys.addaudithook(hook)


def is_up(interface: str) -> bool:
    """Ask the kernel whether a network interface is up."""
    request = struct.pack("16sH14s", interface.encode(), 0, b"")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
    return bool(struct.unpack("16sH14s", answer)[1] & _IFF_UP)


def show_that_nothing_is_reachable() -> None:
    """Try to leave, and say what happened; end the demo if it works."""
    if "--audit" not in sys.argv:
        found = [f"{name} ({'up' if is_up(name) else 'down'})" for _, name in socket.if_nameindex()]
        print(f"network interfaces here: {', '.join(found) or 'none'}")
    for host in ("huggingface.co", "192.0.2.1"):
        try:
            socket.create_connection((host, 443), timeout=5).close()
        except OSError as error:
            print(f"connect to {host}: {error}")
        else:
            sys.exit(f"demo: {host} could be reached; this was to show that nothing can")


def load() -> None:
    """Load with the calls that programs use anyway."""
    from transformers import AutoConfig, AutoTokenizer

    config = AutoConfig.from_pretrained(MODEL)
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    print(f'\n>>> AutoConfig.from_pretrained("{MODEL}")')
    print(f"{config.model_type}, {config.num_hidden_layers} layers, labels {config.id2label}")
    print(f'>>> AutoTokenizer.from_pretrained("{MODEL}").tokenize("이 영화는 정말 마음에 듭니다.")')
    print(tokenizer.tokenize("이 영화는 정말 마음에 듭니다."))

    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    command = ["mirror", "path", f"datasets/{DATASET}"]
    folder = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    rows = load_dataset(folder, "ko", split="test")
    print(f'>>> load_dataset("$(mirror path datasets/{DATASET})", "ko", split="test")')
    print(f"{len(rows)} rows with {', '.join(rows.column_names)}; the first two:")
    for row in rows.select(range(2)):
        print(f"  {rows.features['label'].int2str(row['label'])}  {row['rating']}  {row['text']}")


if __name__ == "__main__":
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"  # it would say that PyTorch is missing
    if "--audit" in sys.argv:
        refuse_connections()
    show_that_nothing_is_reachable()
    load()
