"""An offline mirror and catalog of the Hugging Face Hub.

``from mirror import Mirror`` gives what a Python user holds; everything else is
reached through it. Importing this package reads no file, setting or variable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mirror.api import Mirror

__version__ = "0.1.0"
__all__ = ["Mirror", "__version__"]


def __getattr__(name: str) -> Any:
    # On first use: `mirror search` must not pay for what it does not need.
    if name == "Mirror":
        from mirror.api import Mirror

        return Mirror
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
