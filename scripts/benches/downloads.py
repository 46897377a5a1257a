"""``python -m scripts.benches.downloads``: clients that download, until standard input ends.

Reads a line of JSON (``host``, ``paths``, ``clients``) and prints ``ready``; at the end
a JSON object: downloads, bytes, the commits that were seen, and what went wrong. Every file
is hashed and compared with its etag: so it must be one whose etag is its sha256.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

_CHUNK: Final = 1 << 20


@dataclass
class Seen:
    """What one client has seen."""

    downloads: int = 0
    size: int = 0
    commits: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)


def client(host: str, paths: Sequence[str], number: int, end: threading.Event, seen: Seen) -> None:
    """Download one file after another, on one connection."""
    chance = random.Random(number)
    link = http.client.HTTPConnection(host, timeout=60)
    while not end.is_set():
        path = chance.choice(paths)
        try:
            download(link, path, seen)
        except (OSError, http.client.HTTPException) as error:
            seen.errors.append(f"{path}: {error!r}")
            link.close()
    link.close()


def download(link: http.client.HTTPConnection, path: str, seen: Seen) -> None:
    """Download one file and check it."""
    link.request("GET", path, headers={"Accept-Encoding": "identity"})
    answer = link.getresponse()
    digest, size = hashlib.sha256(), 0
    while chunk := answer.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    etag = answer.headers.get("etag", "").strip('"')
    if answer.status != 200 or etag != digest.hexdigest():
        seen.errors.append(f"{path}: {answer.status}, etag {etag}, {size} bytes")
        return
    seen.downloads += 1
    seen.size += size
    seen.commits.add(answer.headers["x-repo-commit"])


def main() -> None:
    """Run the clients."""
    task = json.loads(sys.stdin.readline())
    end, all_seen = threading.Event(), [Seen() for _ in range(task["clients"])]
    threads = [
        threading.Thread(target=client, args=(task["host"], task["paths"], number, end, seen))
        for number, seen in enumerate(all_seen)
    ]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    sys.stdin.read()
    end.set()
    for thread in threads:
        thread.join()
    found = {
        "downloads": sum(seen.downloads for seen in all_seen),
        "bytes": sum(seen.size for seen in all_seen),
        "commits": sorted(set().union(*(seen.commits for seen in all_seen))),
        "errors": [error for seen in all_seen for error in seen.errors],
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
