"""A sync in a process of its own: ``python -m tests.sync.child ROOT SETTINGS``.

Prints the report as one JSON object, with what verify found, and ends with 0; an error
of ours is printed instead, and its exit code is the process's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mirror.errors import MirrorError
from mirror.settings import load_settings
from mirror.store import Store, verify
from mirror.sync import run_sync
from tests.sync.lab import connect


def main(root: str, settings: str) -> int:
    try:
        store = Store.open(root)
        report = run_sync(store, load_settings(Path(settings)), connect=connect)
    except MirrorError as error:
        print(error)
        return error.exit_code
    findings = [finding.as_json() for finding in verify(store).problems]
    print(json.dumps(report.as_json() | {"findings": findings}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
