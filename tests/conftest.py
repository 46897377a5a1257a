"""What all tests share: an environment without the developer's own, and a hub to talk to."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

# A shell starts what it puts into the background with SIGINT ignored, and children inherit
# that: tests that press Ctrl-C would wait for ever, or find nothing interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before huggingface_hub is imported, which reads these once: no token and no cache of the
# developer's, and nobody asked but the hub of the test.
for _name in [name for name in os.environ if name.startswith(("HF_", "HUGGING", "MIRROR_"))]:
    if _name != "MIRROR_TEST_CORPUS":
        del os.environ[_name]
os.environ |= {
    "HF_HOME": str(Path(tempfile.gettempdir()) / f"mirror-tests-{os.getuid()}" / "hf-home"),
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    "DISABLE_SAFETENSORS_CONVERSION": "1",
}

import pytest  # noqa: E402 - after the environment is set
from hypothesis import HealthCheck, settings  # noqa: E402

from tests.fakehub import FakeHub, serve  # noqa: E402

# How long an example takes says how busy the machine is. All else is as Hypothesis has it:
# random, and with CI in the environment the same in every run.
settings.register_profile(
    "mirror", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("mirror")


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """An empty hub, served on loopback at ``hub.endpoint``."""
    hub = FakeHub()
    with serve(hub):
        yield hub


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample repos as plain folders; not to be changed."""
    from tests.samples import build_samples

    folder = tmp_path_factory.mktemp("samples")
    build_samples(folder)
    return folder


@pytest.fixture
def samples_hub(samples: Path) -> Iterator[FakeHub]:
    """A hub of the sample repos, served on loopback at ``samples_hub.endpoint``."""
    from tests.samples import sample_hub

    hub = sample_hub(samples)
    with serve(hub):
        yield hub
