"""The policy of a mirror: which repos and files may not come in, and by which rule.

Pure: upstream's raw info and a list of files in, a verdict out. Every refusal names
the key of mirror.toml that caused it, because a repo is never silently missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from mirror.names import RepoKey, RepoType
from mirror.settings import PolicySettings

SAFETENSORS: Final = ".safetensors"

#: Weights that prefer_safetensors leaves out beside safetensors. GGUF and ONNX are not
#: among them: they serve other runtimes, and nobody loads one in place of the other.
REPLACEABLE: Final = frozenset(
    {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack", ".ot"}
)  # fmt: skip

#: Weights that safetensors_only leaves out everywhere in a model repo.
OTHER_WEIGHTS: Final = REPLACEABLE | {
    ".onnx", ".onnx_data", ".gguf", ".ggml", ".tflite", ".pb", ".mlmodel", ".npz", ".joblib",
    ".pickle", ".params", ".nemo", ".llamafile",
}  # fmt: skip

Rule = tuple[str, str]
"""The key of mirror.toml that decided, and what about the repo made it so."""


def licenses_of(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the licence ids that upstream states, lower-case; empty where it is unknown.

    ``other`` counts as unknown unless the card gives it a name (``license_name``);
    then the name stands beside ``other``.
    """
    card = raw.get("cardData")
    card = card if isinstance(card, Mapping) else {}
    ids = _texts(card.get("license")) or [
        tag.removeprefix("license:")
        for tag in _texts(raw.get("tags"))
        if tag.startswith("license:")
    ]
    ids = [value.strip().lower() for value in ids if value.strip()]
    name = card.get("license_name")
    if "other" in ids and isinstance(name, str) and name.strip():
        ids.append(name.strip().lower())
    known = [value for value in ids if value not in {"unknown", "none"}]
    return tuple(dict.fromkeys(known)) if known != ["other"] else ()


def refusal_of_repo(raw: Mapping[str, Any], policy: PolicySettings) -> Rule | None:
    """Say whether licence or gating keep the repo out: (rule, detail), or none."""
    if policy.gated == "deny" and raw.get("gated") not in (None, False):
        return "policy.gated", "the repo is gated"
    licenses = licenses_of(raw)
    if not licenses:
        if policy.unknown_license == "deny":
            return "policy.unknown_license", "the repo states no licence"
        return None
    return _refusal_of_license(licenses, policy)


def _refusal_of_license(licenses: tuple[str, ...], policy: PolicySettings) -> Rule | None:
    denied = {value.lower() for value in policy.deny_licenses}
    for value in licenses:
        if value in denied:
            return "policy.deny_licenses", f"its licence is {value}"
    allowed = {value.lower() for value in policy.allow_licenses}
    # A named `other` licence is allowed by either word; of several licences all must be.
    ids = [value for value in licenses if value != "other"] if "other" in licenses else licenses
    if allowed and "other" not in (allowed & set(licenses)):
        for value in ids:
            if value not in allowed:
                return "policy.allow_licenses", f"its licence is {value}"
    return None


def weights_left_out(
    key: RepoKey, paths: Collection[str], policy: PolicySettings
) -> dict[str, str]:
    """Give the weight files that ``policy.weights`` leaves out, each with the rule.

    Only model repos have weights: a ``.bin`` in a data set is data.
    """
    if policy.weights == "all" or key.repo_type is not RepoType.MODEL:
        return {}
    rule = f"policy.weights = {policy.weights}"
    if policy.weights == "safetensors_only":
        return {path: rule for path in paths if _suffix(path) in OTHER_WEIGHTS}
    folders = {_folder(path) for path in paths if _suffix(path) == SAFETENSORS}
    return {
        path: rule
        for path in paths
        if _suffix(path) in REPLACEABLE and _folder(path) in folders
    }  # fmt: skip


def refusal_of_weights(key: RepoKey, paths: Collection[str], policy: PolicySettings) -> Rule | None:
    """Refuse a model that would come without any weights under ``safetensors_only``."""
    if policy.weights != "safetensors_only" or key.repo_type is not RepoType.MODEL:
        return None
    suffixes = {_suffix(path) for path in paths}
    others = sorted(suffixes & OTHER_WEIGHTS)
    if others and SAFETENSORS not in suffixes:
        return "policy.weights", f"its weights are {', '.join(others)} only, not safetensors"
    return None


def refusal_of_size(
    size: int, mirror_size: int, growth: int, policy: PolicySettings
) -> Rule | None:
    """Refuse what breaks a quota.

    Args:
        size: bytes of the selected files of the repo.
        mirror_size: bytes in the store now, with what this run has already promised.
        growth: bytes that this repo would add to the store.
        policy: the quotas.
    """
    if policy.max_repo_size is not None and size > policy.max_repo_size:
        return (
            "policy.max_repo_size",
            f"{size:,} bytes are selected, {policy.max_repo_size:,} allowed",
        )
    if policy.max_mirror_size is not None and growth > 0:
        after = mirror_size + growth
        if after > policy.max_mirror_size:
            return (
                "policy.max_mirror_size",
                f"the mirror would hold {after:,} bytes, {policy.max_mirror_size:,} are allowed",
            )
    return None


def without_transfer_fields(value: Any) -> Any:
    """Give JSON without the fields of upstream's transfer protocol (xet), at any depth.

    A client that meets them behind a mirror asks a host that is not there.
    """
    if isinstance(value, Mapping):
        return {
            name: without_transfer_fields(item)
            for name, item in value.items()
            if not str(name).lower().startswith("xet")
        }
    if isinstance(value, list):
        return [without_transfer_fields(item) for item in value]
    return value


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _texts(value: object) -> list[str]:
    """The strings in a value that should be a string or a list of them."""
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, str)]
