"""Tokens: at rest, compared, limited by patterns; and what a client hears without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

from mirror import Mirror
from mirror.errors import DamagedError, NotFoundError, UsageError
from mirror.names import RepoKey, RepoType
from mirror.serve import access
from mirror.serve.access import ANONYMOUS, EVERYTHING, Gate, Reader, Tokens, gate_for, is_gated
from mirror.serve.front import make_front
from mirror.serve.options import ServeOptions
from mirror.serve.runner import ServerThread
from mirror.serve.sockets import endpoint_of, listen
from mirror.store import Observation, Store

KLUE = RepoKey(RepoType.DATASET, "klue/klue")
KLUE_MODEL = RepoKey(RepoType.MODEL, "klue/klue")
GPT2 = RepoKey(RepoType.MODEL, "gpt2")


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    (tmp_path / "format").write_text("1\n")
    return Tokens(tmp_path)


class TestTokens:
    def test_only_a_hash_is_kept(self, tokens: Tokens) -> None:
        secret = tokens.create("class", ["klue/*"], ["google/*"])

        text = tokens.path.read_text()
        assert secret not in text
        assert secret.removeprefix("hf_mirror_") not in text
        (entry,) = json.loads(text)["tokens"]
        assert {"name", "sha256", "created", "repos", "gated"} == set(entry)
        assert Reader("class", ("klue/*",), ("google/*",)) == tokens.reader(secret)

    def test_begins_as_javascript_clients_insist(self, tokens: Tokens) -> None:
        assert tokens.create("web").startswith("hf_")

    def test_nothing_else_is_let_in(self, tokens: Tokens) -> None:
        secret = tokens.create("class")
        (entry,) = tokens.all()

        for wrong in ("", secret[:-1], f"{secret}x", secret.upper(), entry.sha256, "\udcff", "é"):
            assert tokens.reader(wrong) is None

    def test_every_entry_is_compared_in_constant_time(
        self, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = tokens.create("first")
        for name in ("second", "third"):
            tokens.create(name)
        compared = []
        real = access.hmac.compare_digest
        monkeypatch.setattr(
            access.hmac, "compare_digest", lambda a, b: compared.append(b) or real(a, b)
        )

        assert tokens.reader(first) is not None
        assert [token.sha256 for token in tokens.all()] == compared

    def test_a_revoked_one_is_refused_at_once_by_who_has_read_it(self, tokens: Tokens) -> None:
        secret, other = tokens.create("class"), Tokens(tokens.path.parent)
        assert other.reader(secret) is not None

        tokens.revoke("class")

        assert other.reader(secret) is None
        with pytest.raises(NotFoundError, match="no token 'class'"):
            tokens.revoke("class")

    def test_a_name_is_given_once(self, tokens: Tokens) -> None:
        tokens.create("class")
        with pytest.raises(UsageError, match="already"):
            tokens.create("class")

    @pytest.mark.parametrize("name", ["", "-x", "a b", "a\n", "é", "x" * 65])
    def test_odd_names(self, tokens: Tokens, name: str) -> None:
        with pytest.raises(UsageError, match="not a name"):
            tokens.create(name)

    def test_odd_patterns(self, tokens: Tokens) -> None:
        with pytest.raises(UsageError, match="not a pattern"):
            tokens.create("class", ["klue/*\n"])
        assert not tokens.path.exists()

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            "{",
            '{"format": 2, "tokens": []}',
            '{"format": 1, "tokens": [{"name": "x"}]}',
            '{"format":1,"tokens":[{"name":"","sha256":"","created":"","repos":[],"gated":[]}]}',
            "\x00" * 10,
            "[" * 100_000,
        ],
    )
    def test_a_damaged_file_lets_nobody_in(self, tokens: Tokens, text: str) -> None:
        secret = tokens.create("class")
        tokens.path.write_text(text)

        with pytest.raises(DamagedError):
            tokens.reader(secret)


class TestPatterns:
    @pytest.mark.parametrize(
        ("pattern", "key", "expected"),
        [
            ("*", KLUE, True),
            ("klue/*", KLUE, True),
            ("klue/*", KLUE_MODEL, True),
            ("datasets/klue/*", KLUE, True),
            ("datasets/klue/*", KLUE_MODEL, False),
            ("models/*", GPT2, True),
            ("models/*", KLUE, False),
            ("gpt2", GPT2, True),
            ("klue/*", GPT2, False),
            ("KLUE/*", KLUE, False),
        ],
    )
    def test_of_a_shell(self, pattern: str, key: RepoKey, expected: bool) -> None:
        assert expected == Reader("x", (pattern,)).may_read(key, gated=False)

    def test_gated_repos_need_both(self) -> None:
        assert not Reader("x", ("*",)).may_read(KLUE, gated=True)
        assert Reader("x", ("*",), ("klue/*",)).may_read(KLUE, gated=True)
        assert not Reader("x", ("other/*",), ("klue/*",)).may_read(KLUE, gated=True)

    def test_what_upstream_calls_gated(self) -> None:
        assert [True, True, True, False, False] == [
            is_gated({"gated": value}) for value in ("auto", "manual", True, False, None)
        ]
        assert not is_gated({})


class TestGate:
    def test_on_loopback_a_token_of_the_real_hub_is_nothing_special(self, tokens: Tokens) -> None:
        gate = gate_for(tokens.path.parent, local=True, required=False)
        assert EVERYTHING is gate.reader(None) is gate.reader("Bearer hf_real")

    def test_on_a_network_everybody_but_for_gated_repos(self, tokens: Tokens) -> None:
        gate = gate_for(tokens.path.parent, local=False, required=False)
        assert ANONYMOUS is gate.reader(None) is gate.reader("Bearer hf_real")
        assert not ANONYMOUS.may_read(KLUE, gated=True)

    def test_behind_a_proxy_of_this_machine(self, tokens: Tokens) -> None:
        gate = gate_for(tokens.path.parent, local=True, required=False)
        for client in ("10.1.0.7", "2001:db8::7", "unknown", ""):
            assert ANONYMOUS is gate.reader(None, client)
        assert EVERYTHING is gate.reader(None, "::1")

    def test_required(self, tokens: Tokens) -> None:
        gate, secret = Gate(tokens, None), tokens.create("class")
        assert gate.reader(None) is gate.reader("Bearer x") is gate.reader(f"Basic {secret}")
        assert gate.reader(None) is None
        found = gate.reader(f"bearer  {secret} ")
        assert found is not None
        assert "class" == found.name


@contextmanager
def guarded(root: Path, gate: Gate) -> Iterator[str]:
    """Serve a mirror behind a gate."""
    listener = listen("127.0.0.1", 0)
    with ServerThread(make_front(root, ServeOptions(), gate).app, listener):
        yield endpoint_of(listener)


@pytest.fixture
def locked(own_root: Path) -> Iterator[tuple[str, Tokens]]:
    gate = gate_for(own_root, local=True, required=True)
    with guarded(own_root, gate) as endpoint:
        yield endpoint, gate.tokens


def make_gated(root: Path, key: RepoKey) -> None:
    """Have upstream say, when it is next looked at, that a repo is gated."""
    seen = Observation(time="2026-11-24T00:00:00+00:00", gated="auto")
    Store.open(root).observe(key, seen)


def make_gated_then(root: Path, key: RepoKey) -> None:
    """Have upstream's answers about a repo say that it was gated when it was fetched."""
    for path in (root / "repos" / key.folder / "commits").glob("*.json"):
        found: dict[str, Any] = json.loads(path.read_text())
        found["upstream"]["gated"] = "auto"
        path.chmod(0o644)
        path.write_text(json.dumps(found))


class TestClients:
    def test_without_a_token(self, locked: tuple[str, Tokens]) -> None:
        endpoint, _ = locked

        answer = httpx2.get(f"{endpoint}/api/models")
        assert 401 == answer.status_code
        assert "HF_TOKEN" in answer.headers["x-error-message"]
        with pytest.raises(RepositoryNotFoundError, match="HF_TOKEN"):
            HfApi(endpoint=endpoint, token=False).model_info("klue/roberta-small")

    def test_with_one(self, locked: tuple[str, Tokens]) -> None:
        endpoint, tokens = locked
        api = HfApi(endpoint=endpoint, token=tokens.create("class"))

        assert "class" == api.whoami()["name"]
        api.auth_check("klue/klue", repo_type="dataset")
        tokens.revoke("class")
        with pytest.raises(RepositoryNotFoundError):
            api.auth_check("klue/klue", repo_type="dataset")

    def test_what_the_patterns_do_not_name_is_not_there(self, locked: tuple[str, Tokens]) -> None:
        endpoint, tokens = locked
        api = HfApi(endpoint=endpoint, token=tokens.create("class", ["datasets/klue/*"]))

        api.auth_check("klue/klue", repo_type="dataset")
        for repo_id in ("klue/klue", "gpt2", "openai-community/gpt2"):
            with pytest.raises(RepositoryNotFoundError):
                api.auth_check(repo_id)

    def test_gated_only_to_those_allowed(self, own_root: Path, locked: tuple[str, Tokens]) -> None:
        endpoint, tokens = locked
        make_gated(own_root, KLUE)
        without, allowed = tokens.create("class"), tokens.create("lab", gated=["klue/*"])

        HfApi(endpoint=endpoint, token=allowed).auth_check("klue/klue", repo_type="dataset")
        with pytest.raises(GatedRepoError, match="token is not for it"):
            HfApi(endpoint=endpoint, token=without).auth_check("klue/klue", repo_type="dataset")

    def test_files_too(self, own_root: Path, locked: tuple[str, Tokens]) -> None:
        endpoint, tokens = locked
        make_gated(own_root, KLUE)
        headers = {"authorization": f"Bearer {tokens.create('class')}"}
        url = f"{endpoint}/datasets/klue/klue/resolve/main/README.md"

        assert 401 == httpx2.get(url).status_code
        assert 403 == httpx2.get(url, headers=headers).status_code
        assert (
            403
            == httpx2.head(url.replace("klue/klue", "%6Blue/klu%65"), headers=headers).status_code
        )

    @pytest.mark.parametrize("gated", [False, True], ids=["not-named", "gated"])
    def test_no_way_around(self, own_root: Path, locked: tuple[str, Tokens], gated: bool) -> None:
        """Every address of a repo asks whether it may be read; a list leaves it out."""
        endpoint, tokens = locked
        if gated:
            make_gated(own_root, KLUE)
            Mirror(own_root).reindex()
        secret = tokens.create("class", ["*"] if gated else ["models/*"])
        headers = {"authorization": f"Bearer {secret}"}
        viewer = ("is-valid", "splits", "info", "parquet", "size")
        rows = ("first-rows", "rows", "search", "filter", "statistics", "assets")
        paths = [
            *(f"/api/{KLUE}{rest}" for rest in ("", "/revision/main", "/tree/main", "/refs")),
            *(f"/api/{KLUE}{rest}" for rest in ("/commits/main", "/auth-check", "?blobs=true")),
            *(f"/{KLUE}/resolve/main/{name}" for name in ("README.md", "sts/train.csv", "no")),
            *(f"/{KLUE}/raw/main/{name}" for name in ("README.md", "sts/train.csv", "no")),
            *(f"/datasets-server/{name}?dataset=klue/klue" for name in viewer),
            *(
                f"/datasets-server/{name}?dataset=klue/klue&config=sts&split=train&query=a&where=1"
                for name in rows
            ),
        ]
        for path in paths:
            answer = httpx2.get(f"{endpoint}{path}", headers=headers)
            assert answer.status_code in ({403, 404, 401} if gated else {404, 401}), path
            assert "문장" not in answer.text
        post = httpx2.post(
            f"{endpoint}/api/{KLUE}/paths-info/main", data={"paths": "README.md"}, headers=headers
        )
        assert post.status_code in {403, 404}
        listed = httpx2.get(f"{endpoint}/api/datasets", headers=headers).json()
        assert "klue/klue" not in {item["id"] for item in listed}

    def test_what_was_gated_when_it_was_fetched(
        self, own_root: Path, locked: tuple[str, Tokens]
    ) -> None:
        endpoint, tokens = locked
        make_gated_then(own_root, KLUE)
        with pytest.raises(GatedRepoError):
            HfApi(endpoint=endpoint, token=tokens.create("class")).dataset_info("klue/klue")

    def test_a_proxy_in_front_does_not_open_gated_repos(self, own_root: Path) -> None:
        make_gated(own_root, KLUE)
        with guarded(own_root, gate_for(own_root, local=True, required=False)) as endpoint:
            url = f"{endpoint}/datasets/klue/klue/resolve/main/README.md"
            far = {"x-forwarded-for": "10.1.0.7"}
            assert [200, 403] == [httpx2.get(url, headers=h).status_code for h in ({}, far)]

    def test_a_damaged_file_of_tokens(self, locked: tuple[str, Tokens]) -> None:
        endpoint, tokens = locked
        secret = tokens.create("class")
        tokens.path.write_text("{")

        answer = httpx2.get(f"{endpoint}/api/models", headers={"authorization": f"Bearer {secret}"})
        assert 503 == answer.status_code
        assert 200 == httpx2.get(f"{endpoint}/healthz").status_code
