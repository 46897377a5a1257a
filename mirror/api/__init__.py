"""What a Python user holds, and what the command line is built on: :class:`Mirror`."""

from mirror.api.mirror import Mirror

__all__ = ["Mirror"]
