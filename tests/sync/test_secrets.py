"""The token goes to upstream and nowhere else: not to another host, not to any file."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from mirror.sync.model import Outcome
from tests.fakehub import Status
from tests.fakehub.content import PatternContent
from tests.sync.lab import LARGE, Lab, check_complete, model

TOKEN = "hf_very-secret-token"
KEY = model("acme/tiny")


@pytest.fixture
def lab(lab: Lab) -> Lab:
    """A gated repo, a large file on a second origin, xet fields wherever the Hub has them."""
    lab.hub.add_token(TOKEN)
    lab.token = TOKEN
    lab.hub.options.cdn = lab.hub.options.xet = lab.hub.options.resolve_cache = True
    repo = lab.hub.repo("model", "acme/tiny")
    repo.gated = "manual"
    repo.extra = {"xetEnabled": True, "siblings": [{"rfilename": "a", "xetHash": "0" * 64}]}
    repo.commit({"large.safetensors": PatternContent(LARGE, seed=1)})
    return lab


def files_with(root: Path, text: bytes) -> list[str]:
    return [
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and text in path.read_bytes()
    ]


def assert_kept(lab: Lab, said: str) -> None:
    """The token was needed, and only the hub's own origin has seen it."""
    assert TOKEN not in said
    assert [] == files_with(lab.store.root, TOKEN.encode())
    assert {None} >= {request.token for request in lab.hub.requests if request.origin == "cdn"}
    assert {TOKEN} == {request.token for request in lab.hub.requests if request.origin == "hub"}


def test_a_gated_repo(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    report = lab.sync()
    assert Outcome.OK is report.outcome
    check_complete(lab, KEY)
    assert [request.file for request in lab.hub.requests if request.origin == "cdn"]
    assert_kept(lab, f"{report}{report.as_json()}{caplog.text}{lab.plan().as_json(files=True)}")
    assert [] == files_with(lab.store.layout.repos, b"xet")


@pytest.mark.parametrize("family", ["info", "tree", "resolve", "cdn"])
def test_errors_do_not_tell(lab: Lab, family: str, caplog: pytest.LogCaptureFixture) -> None:
    """Also where upstream sends what we sent back to us."""
    caplog.set_level(logging.DEBUG)
    headers = {"x-error-message": f"Bearer {TOKEN} is not welcome", "x-error-code": "Odd"}
    lab.hub.fault(family, kind=Status(403, headers, b"{}"), times=None)
    report = lab.sync()
    assert 1 == len(report.failed)
    assert_kept(lab, f"{report}{report.as_json()}{caplog.text}")


def test_another_host_in_the_list_of_pages(lab: Lab) -> None:
    lab.hub.options.page_size = 1
    lab.hub.options.link_origin = f"http://127.0.0.1:{lab.hub.servers[0].cdn_port}"
    report = lab.sync()
    assert ["bad-answer"] == [one.error for one in report.failed]
    assert [] == [request for request in lab.hub.requests if request.origin == "cdn"]


def test_a_signed_address_is_not_kept(lab: Lab) -> None:
    """Where a second origin fails, the message names it without its signature."""
    lab.hub.fault("cdn", kind=Status(500), times=None)
    report = lab.sync()
    assert ["transport"] == [one.error for one in report.failed]
    assert "X-Amz-Signature" not in str(report.as_json())
    assert [] == files_with(lab.store.root, b"X-Amz-Signature")


def test_without_a_token_the_gate_stays_shut(lab: Lab) -> None:
    lab.token = None
    report = lab.sync()
    assert ["repo-gated"] == [one.error for one in report.failed]
    assert "HF_TOKEN" in str(report.failed[0].hint)
    assert {None} == {request.token for request in lab.hub.requests}
    assert [] == list(lab.store.repos())
