"""A sync in a process of its own: ``python -m tests.sync.child ROOT SETTINGS``.

Prints the report, or the error that there was instead, as one JSON object, with what
verify found.
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


def main(root: str, settings: str) -> None:
    store = Store.open(root)
    try:
        found = run_sync(store, load_settings(Path(settings)), connect=connect).as_json()
    except MirrorError as error:
        found = error.as_json()
    findings = [finding.as_json() for finding in verify(store).problems]
    print(json.dumps(found | {"findings": findings}))


if __name__ == "__main__":
    main(*sys.argv[1:])
