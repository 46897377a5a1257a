"""A question to the viewer: what it asks for, and what is here of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mirror.serve.errors import HubError
from mirror.serve.shelf import Shelf
from mirror.serve.viewer.data import DataSet, DataSets, Part


@dataclass(frozen=True)
class Question:
    """A request for a data set that is here."""

    dataset: str
    """Its id, as it is now."""
    fields: Mapping[str, Sequence[str]]
    base: str
    """Where the Hub itself is: ``http://hub.lab``."""
    shelf: Shelf
    data_sets: DataSets
    data_set: DataSet

    @property
    def parts(self) -> tuple[Part, ...]:
        """The splits it asks for.

        Raises:
            HubError: 404, there is no such subset.
        """
        subset = self.fields.get("config", (None,))[-1]
        found = self.data_set.parts(subset)
        if subset is not None and not found:
            raise HubError(404, "ConfigNotFoundError", "The dataset has no such config here")
        return found

    def part(self) -> Part:
        """Give the one split it asks for.

        Raises:
            HubError: 422, it does not say which; 404, there is none.
        """
        subset, split = needed(self.fields, "config"), needed(self.fields, "split")
        found = self.data_set.parts(subset, split)
        if not found:
            raise HubError(404, "SplitNotFoundError", "The config or the split does not exist here")
        return found[0]

    def named(self, part: Part) -> dict[str, Any]:
        """Give what every item about a split begins with."""
        return {"dataset": self.dataset, "config": part.subset, "split": part.split.name}


def needed(fields: Mapping[str, Sequence[str]], name: str) -> str:
    """Give a parameter that must be there.

    Raises:
        HubError: 422, it is missing.
    """
    text = fields.get(name, ("",))[-1]
    if not text:
        raise HubError(422, "MissingRequiredParameterError", f"Parameter '{name}' is required")
    return text
