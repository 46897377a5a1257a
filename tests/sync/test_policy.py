"""Which repos and files the policy of a mirror keeps out: tables."""

from __future__ import annotations

from typing import Any

import pytest

from mirror.settings import PolicySettings
from mirror.sync.policy import (
    licenses_of,
    refusal_of_repo,
    refusal_of_size,
    refusal_of_weights,
    weights_left_out,
    without_transfer_fields,
)
from tests.sync.lab import dataset, model

KEY = model("acme/tiny")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"cardData": {"license": "mit"}}, ("mit",)),
        ({"cardData": {"license": " MIT "}}, ("mit",)),
        ({"cardData": {"license": ["mit", "apache-2.0"]}}, ("mit", "apache-2.0")),
        ({"cardData": {"license": ["mit", "MIT"]}}, ("mit",)),
        ({"cardData": {"license": []}}, ()),
        ({"cardData": {"license": ""}}, ()),
        ({"cardData": {"license": None}}, ()),
        ({"cardData": {"license": {"name": "mit"}}}, ()),
        ({"cardData": {"license": ["mit", 3, None]}}, ("mit",)),
        ({"cardData": {"license": "unknown"}}, ()),
        ({"cardData": {"license": "other"}}, ()),
        ({"cardData": {"license": "other", "license_name": "Llama2"}}, ("other", "llama2")),
        ({"cardData": {"license": "other", "license_name": " "}}, ()),
        ({"cardData": {"license": "other", "license_name": ["x"]}}, ()),
        ({"cardData": {"license": "mit", "license_name": "x"}}, ("mit",)),
        ({"cardData": {}, "tags": ["license:mit", "ko"]}, ("mit",)),
        ({"cardData": {"license": "mit"}, "tags": ["license:gpl-3.0"]}, ("mit",)),
        ({"tags": ["license:mit", "license:other"]}, ("mit", "other")),
        ({"tags": ["license:other"]}, ()),
        ({"tags": "license:mit"}, ("mit",)),
        ({"cardData": "mit", "tags": None}, ()),
        ({}, ()),
    ],
)
def test_reads_licences(raw: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert expected == licenses_of(raw)


MIT = {"cardData": {"license": "mit"}}
BOTH = {"cardData": {"license": ["mit", "gpl-3.0"]}}
NAMED = {"cardData": {"license": "other", "license_name": "llama2"}}


@pytest.mark.parametrize(
    ("raw", "policy", "rule"),
    [
        (MIT, {}, None),
        (MIT, {"allow_licenses": ["MIT", "apache-2.0"]}, None),
        (MIT, {"allow_licenses": ["apache-2.0"]}, "policy.allow_licenses"),
        (MIT, {"deny_licenses": ["Mit"]}, "policy.deny_licenses"),
        (MIT, {"deny_licenses": ["gpl-3.0"]}, None),
        (MIT, {"allow_licenses": ["mit"], "deny_licenses": ["mit"]}, "policy.deny_licenses"),
        (BOTH, {"allow_licenses": ["mit"]}, "policy.allow_licenses"),
        (BOTH, {"allow_licenses": ["mit", "gpl-3.0"]}, None),
        (BOTH, {"deny_licenses": ["gpl-3.0"]}, "policy.deny_licenses"),
        (NAMED, {"allow_licenses": ["llama2"]}, None),
        (NAMED, {"allow_licenses": ["other"]}, None),
        (NAMED, {"allow_licenses": ["mit"]}, "policy.allow_licenses"),
        (NAMED, {"deny_licenses": ["llama2"]}, "policy.deny_licenses"),
        (NAMED, {"deny_licenses": ["other"]}, "policy.deny_licenses"),
        ({}, {}, None),
        ({}, {"allow_licenses": ["mit"]}, None),
        ({}, {"allow_licenses": ["mit"], "unknown_license": "deny"}, "policy.unknown_license"),
        ({}, {"unknown_license": "deny"}, "policy.unknown_license"),
        ({"tags": ["license:other"]}, {"unknown_license": "deny"}, "policy.unknown_license"),
        (MIT, {"unknown_license": "deny"}, None),
        ({"gated": "manual"}, {}, None),
        ({"gated": "manual"}, {"gated": "deny"}, "policy.gated"),
        ({"gated": "auto"}, {"gated": "deny"}, "policy.gated"),
        ({"gated": True}, {"gated": "deny"}, "policy.gated"),
        ({"gated": False}, {"gated": "deny"}, None),
        ({"gated": None}, {"gated": "deny"}, None),
        ({}, {"gated": "deny"}, None),
    ],
)
def test_refuses_repos(raw: dict[str, Any], policy: dict[str, Any], rule: str | None) -> None:
    found = refusal_of_repo(raw, PolicySettings(**policy))
    assert rule == (found and found[0])


PATHS = (
    "config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5", "model.gguf",
    "onnx/model.onnx", "onnx/model.bin", "sub/a.safetensors", "sub/A.BIN", "training_args.bin",
)  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("all", set()),
        (
            "prefer_safetensors",
            {"pytorch_model.bin", "tf_model.h5", "sub/A.BIN", "training_args.bin"},
        ),
        (
            "safetensors_only",
            {*PATHS} - {"config.json", "model.safetensors", "sub/a.safetensors"},
        ),
    ],
)  # fmt: skip
def test_leaves_weights_out(weights: str, expected: set[str]) -> None:
    policy = PolicySettings(weights=weights)
    found = weights_left_out(KEY, PATHS, policy)
    assert expected == found.keys()
    assert {f"policy.weights = {weights}"} >= set(found.values())
    assert {} == weights_left_out(dataset("acme/data"), PATHS, policy)


@pytest.mark.parametrize(
    ("paths", "refused"),
    [
        (["config.json", "pytorch_model.bin"], True),
        (["model.gguf"], True),
        (["pytorch_model.bin", "sub/model.safetensors"], False),
        (["config.json"], False),
        ([], False),
    ],
)
def test_refuses_a_model_that_would_have_no_weights(paths: list[str], refused: bool) -> None:
    only = PolicySettings(weights="safetensors_only")
    found = refusal_of_weights(KEY, paths, only)
    assert refused == (found is not None and found[0] == "policy.weights")
    assert refusal_of_weights(dataset("acme/data"), paths, only) is None
    assert refusal_of_weights(KEY, paths, PolicySettings(weights="prefer_safetensors")) is None


@pytest.mark.parametrize(
    ("size", "mirror", "growth", "policy", "rule"),
    [
        (100, 1000, 100, {}, None),
        (100, 0, 100, {"max_repo_size": 100}, None),
        (101, 0, 0, {"max_repo_size": 100}, "policy.max_repo_size"),
        (100, 900, 100, {"max_mirror_size": 1000}, None),
        (100, 901, 100, {"max_mirror_size": 1000}, "policy.max_mirror_size"),
        # What adds nothing may stay, though the quota was made smaller since.
        (100, 2000, 0, {"max_mirror_size": 1000}, None),
        (100, 2000, 1, {"max_mirror_size": 1000}, "policy.max_mirror_size"),
    ],
)
def test_quotas(
    size: int, mirror: int, growth: int, policy: dict[str, int], rule: str | None
) -> None:
    found = refusal_of_size(size, mirror, growth, PolicySettings(**policy))
    assert rule == (found and found[0])


def test_strips_the_fields_of_the_transfer_protocol_at_any_depth() -> None:
    raw = {
        "id": "a/b",
        "xetEnabled": True,
        "siblings": [{"rfilename": "a", "xetHash": "0"}, "xet"],
        "lfs": {"XetHash": 1, "deep": [[{"xet_hash": 1, "kept": None}]]},
    }
    expected = {
        "id": "a/b",
        "siblings": [{"rfilename": "a"}, "xet"],
        "lfs": {"deep": [[{"kept": None}]]},
    }
    assert expected == without_transfer_fields(raw)
