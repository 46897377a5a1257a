"""Every operation of docs/clients.md, with the libraries of this environment."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "test_clients.py"


def test_every_operation_sees_the_same_as_at_the_hub() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--here"], capture_output=True, text=True, timeout=110
    )
    outcomes = re.findall(r"^  (\S.*?\S) {2,}(\S.*)$", done.stdout, re.MULTILINE)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert len(outcomes) > 20
    assert {"yes", "as mirrored"} == {outcome for _, outcome in outcomes}, done.stdout
