"""What no client of the Hub would send, and what should not lie in a mirror."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from urllib.parse import quote

import httpx2 as httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirror import Mirror
from mirror.names import RepoKey, RepoType
from tests.serve.conftest import serving

SECRET = "the-secret-of-the-lab"
ROBERTA = RepoKey(RepoType.MODEL, "klue/roberta-small")


def ask(
    endpoint: str, target: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Send a request target exactly as it is: no client library tidies it up."""
    host = endpoint.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.putrequest(method, "/", skip_host=True, skip_accept_encoding=True)
    line = f"{method} {target} HTTP/1.1".encode("latin-1")
    connection._buffer[0] = line  # type: ignore[attr-defined]
    for name, value in {"Host": host, **(headers or {})}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    connection.close()
    return found


def _spellings() -> list[str]:
    ups = ["..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%00", "%c0%ae%c0%ae", "．．", "..;"]
    slashes = ["/", "%2f", "%5c", "%252f", "\\", "%c0%af", "//"]
    return [f"{up}{slash}" for up in ups for slash in slashes]


@pytest.mark.parametrize("step", _spellings())
def test_no_spelling_of_a_path_leads_out_of_the_store(
    own_served: tuple[Path, str], step: str
) -> None:
    root, endpoint = own_served
    (root.parent / "secret.txt").write_text(SECRET)
    bases = (
        "/klue/roberta-small/resolve/main/",
        "/datasets/klue/klue/resolve/main/sts/",
        "/klue/roberta-small/resolve/",
        "/api/datasets/klue/klue/tree/main/",
        "/api/models/klue/roberta-small/revision/",
        "/api/models/",
        "/",
    )
    for base in bases:
        for depth in (1, 2, 4, 8):
            for name in ("secret.txt", "format", "mirror.toml"):
                target = (base + step * depth + name).encode().decode("latin-1")
                status, _, body = ask(endpoint, target)
                assert SECRET.encode() not in body
                assert b"upstream" not in body
                assert 400 <= status < 500


@pytest.fixture(scope="module")
def own_served(lab_root: Path) -> tuple[Path, str]:
    with serving(lab_root) as endpoint:
        yield lab_root, endpoint


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd", "file:%2f%2f%2fetc%2fpasswd", "C:"]
)
def test_absolute_paths_are_missing_files(served: str, path: str) -> None:
    status, headers, body = ask(served, f"/klue/klue/resolve/main/{path}")
    assert (404, "EntryNotFound") == (status, headers["x-error-code"])
    assert b"root:" not in body


@pytest.mark.parametrize(
    "revision", ["..", "../../format", "-", "a" * 300, "\x01", "@{1}", "main.lock", "0" * 40, "%ff"]
)
def test_a_revision_that_cannot_be_is_a_missing_revision(served: str, revision: str) -> None:
    target = f"/api/models/klue/klue/revision/{quote(revision, safe='%')}"
    status, headers, _ = ask(served, target)
    assert (404, "RevisionNotFound") == (status, headers["x-error-code"])


@pytest.mark.parametrize(
    "text", ["bytes=" + "9" * 5000 + "-", "bytes=-" + "9" * 5000, "bytes=0-,0-,0-" * 300, "x" * 999]
)
def test_absurd_ranges_are_answered(served: str, text: str) -> None:
    status, _, body = ask(served, "/klue/klue/resolve/main/config.json", headers={"Range": text})
    assert status in {200, 206, 416}
    assert len(body) <= 2


def test_headers_without_end_are_refused(served: str) -> None:
    status, _, _ = ask(served, "/klue/klue/resolve/main/config.json", headers={"X": "a" * 60_000})
    assert status in {400, 431}


def test_a_host_that_is_none_is_not_repeated(served: str) -> None:
    target = "/api/datasets/acme/names/tree/main?limit=1"
    status, headers, _ = ask(served, target, headers={"Host": 'evil>; rel="x", <http://a'})
    assert status in {200, 400}
    assert "evil" not in headers.get("link", "")


def test_a_thousand_requests_for_a_missing_file(served: str) -> None:
    with httpx.Client() as client:
        url = f"{served}/klue/klue/resolve/main/chat_template.jinja"
        statuses = {client.head(url).status_code for _ in range(1_000)}
    assert {404} == statuses


def test_a_form_without_end_is_refused(served: str) -> None:
    url = f"{served}/api/models/klue/klue/paths-info/main"
    long = httpx.post(url, content=b"paths=" + b"a" * (5 << 20))
    many = httpx.post(url, content=b"paths=a&" * 300_000)
    assert (413, 400) == (long.status_code, many.status_code)


def test_a_damaged_manifest_is_a_500_for_its_repo_alone(own_root: Path) -> None:
    store = Mirror(own_root).store
    path = store.layout.manifest(ROBERTA, store.resolve(ROBERTA))
    whole = path.read_bytes()
    with serving(own_root) as endpoint:
        url = f"{endpoint}/api/models/klue/roberta-small"
        assert 200 == httpx.get(url).status_code
        for text in (b"{", b"[]", b"\xff", whole.replace(b"roberta-small", b"another-one")):
            path.chmod(0o644)
            path.write_bytes(text)
            answer = httpx.get(url)
            assert (500, 200) == (
                answer.status_code,
                httpx.get(f"{endpoint}/api/models/klue/klue").status_code,
            )
            assert "mirror verify --repair" in answer.headers["x-error-message"]
            assert str(own_root) not in answer.text
        path.write_bytes(whole)
        assert 200 == httpx.get(url).status_code


def test_a_manifest_that_names_files_outside_is_damaged(own_root: Path) -> None:
    store = Mirror(own_root).store
    path = store.layout.manifest(ROBERTA, store.resolve(ROBERTA))
    value = json.loads(path.read_bytes())
    value["files"][0]["path"] = "../../../../mirror.toml"
    path.write_text(json.dumps(value))
    with serving(own_root) as endpoint:
        target = f"{endpoint}/klue/roberta-small/resolve/main/config.json"
        assert 500 == httpx.get(target).status_code


def test_refs_and_aliases_that_cannot_be_read(own_root: Path) -> None:
    layout = Mirror(own_root).store.layout
    layout.refs(ROBERTA).write_text('{"main": "../../x"}')
    layout.alias(RepoKey(RepoType.MODEL, "gpt2")).write_text("../../../etc\n")
    with serving(own_root) as endpoint:
        assert 500 == httpx.get(f"{endpoint}/api/models/klue/roberta-small").status_code
        assert 500 == httpx.get(f"{endpoint}/api/models/gpt2").status_code
        assert 200 == httpx.get(f"{endpoint}/api/models/openai-community/gpt2").status_code


def test_a_new_sync_is_seen_without_a_restart(own_root: Path) -> None:
    store = Mirror(own_root).store
    key = RepoKey(RepoType.DATASET, "klue/klue")
    old = store.resolve(key, "v1.0")
    with serving(own_root) as endpoint:
        url = f"{endpoint}/api/datasets/klue/klue"
        assert store.resolve(key) == httpx.get(url).json()["sha"]
        with store.write_lock("test"):
            store.publish(store.manifest(key, old), ["main", "next"])
        assert old == httpx.get(url).json()["sha"]
        assert old == httpx.get(f"{url}/revision/next").json()["sha"]


#: Pieces that mean something to a router, and some that mean nothing.
WORDS = """
api models datasets spaces klue roberta-small gpt2 main HEAD resolve raw blob tree revision
refs commits paths-info convert parquet config.json sts .. . %2e%2e %2F %00 %ff %u0041 %zz v1.0 -
~ ? & = ; %25 refs%2Fconvert%2Fparquet datasets-server splits rows whoami-v2 auth-check é 한국
"""
PARAMETERS = "expand recursive limit cursor blobs filter search sort author dataset config offset"
PIECES = st.sampled_from([*WORDS.split(), "", "a" * 300])
TARGETS = st.lists(PIECES | st.text(max_size=8), min_size=1, max_size=9).map("/".join)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(PARAMETERS.split()),
        st.text(max_size=12) | st.sampled_from(["true", "-1", "9" * 30, "sha", "%", "name:a"]),
    ),
    max_size=4,
).map(lambda pairs: "&".join(f"{name}={quote(value)}" for name, value in pairs))
#: A request line ends at a space or control character: those are always sent quoted.
VISIBLE = "!$&'()*+,-./:;=?@_~%[]|<>{}^`\\\""


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    target=TARGETS,
    query=QUERIES,
    method=st.sampled_from(["GET", "GET", "HEAD", "POST", "PUT", "OPTIONS"]),
    wanted=st.text("bytes=0123456789-, ", max_size=30),
)
def test_no_request_is_a_fault(
    served: str, target: str, query: str, method: str, wanted: str
) -> None:
    line = f"/{quote(target, safe=VISIBLE)}?{query}"
    headers = {"Range": wanted.strip() or "bytes=0-", "Content-Length": "0"}
    status, _, body = ask(served, line, method, headers)
    assert status < 500
    assert b"Traceback" not in body


#: Every kind of question, so that the parameters are what is fuzzed.
QUESTIONS_TEXT = """
/api/models /api/datasets /api/spaces /api/models-tags-by-type /api/datasets/klue/klue
/api/datasets/klue/klue/tree/main /api/datasets/klue/klue/refs /api/models/gpt2/commits/main
/api/datasets/klue/klue/commits/main /healthz /metrics /datasets-server/rows
/datasets-server/filter /datasets-server/search /datasets-server/splits /datasets-server/info
/datasets-server/statistics /datasets-server/first-rows /datasets-server/parquet
/datasets-server/size /datasets-server/is-valid /datasets-server/assets
"""
QUESTIONS = st.sampled_from(QUESTIONS_TEXT.split())
NAMES_TEXT = """
expand recursive limit cursor blobs filter search sort direction author full config cardData
pipeline_tag gated num_parameters securityStatus dataset split offset length where query orderby
include_prs revision row cell
"""
NAMES = st.sampled_from(NAMES_TEXT.split())
VALUES_TEXT = """
true -1 0 99999999999999999999 sha klue/klue sts train min:1B,max:x %00 .. downloads
\"score\">0 1;drop main lastModified license:mit 1e400 nan
"""
VALUES = st.text(max_size=20) | st.sampled_from(VALUES_TEXT.split())


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(QUESTIONS, st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_no_parameter_is_a_fault(
    served: str, question: str, parameters: list[tuple[str, str]]
) -> None:
    known = [("dataset", "klue/klue"), ("config", "sts"), ("split", "train")]
    given = known if question.startswith("/datasets-server") else []
    pairs = [*dict([*given, *parameters]).items(), *parameters]
    query = "&".join(f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in pairs)
    status, _, body = ask(served, f"{question}?{query}")
    assert status < 500 or status == 501, body  # said honestly: not done here
    assert b"Traceback" not in body


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.sampled_from(["main", "HEAD", "%ff", "v1.0", "zz"]))
def test_no_form_is_a_fault(served: str, body: bytes, revision: str) -> None:
    url = f"{served}/api/datasets/klue/klue/paths-info/{revision}"
    for form in (body, b"paths=" + body, b"paths=README.md&expand=" + body):
        assert httpx.post(url, content=form).status_code < 500
