"""Files: their headers, ranges and refusals, and downloads by the real client."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from mirror import Mirror
from mirror.names import RepoKey, RepoType
from tests.serve.conftest import serving
from tests.serve.cutting import cut_line

WEIGHTS = "klue/roberta-small/resolve/main/model.safetensors"
CONTENT = bytes(range(256)) * 400


def test_head_names_commit_etag_and_size(served: str, lab_root: Path) -> None:
    answer = httpx.head(f"{served}/{WEIGHTS}", headers={"accept-encoding": "identity"})
    commit = Mirror(lab_root).store.resolve(_key("klue/roberta-small"))
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    expected = {
        "x-repo-commit": commit,
        "etag": f'"{sha256}"',
        "x-linked-etag": f'"{sha256}"',
        "x-linked-size": "102400",
        "content-length": "102400",
        "accept-ranges": "bytes",
    }
    assert 200 == answer.status_code
    assert expected == {name: answer.headers[name] for name in expected}
    assert b"" == answer.content


def test_ranges_come_with_206_and_their_place(served: str) -> None:
    first = httpx.get(f"{served}/{WEIGHTS}", headers={"range": "bytes=0-0"})
    tail = httpx.get(f"{served}/{WEIGHTS}", headers={"range": "bytes=-5"})
    behind = httpx.get(f"{served}/{WEIGHTS}", headers={"range": "bytes=102400-"})
    assert (206, "bytes 0-0/102400", CONTENT[:1]) == _part(first)
    assert (206, "bytes 102395-102399/102400", CONTENT[-5:]) == _part(tail)
    assert (416, "bytes */102400", b"") == _part(behind)
    assert first.headers["etag"]


def test_what_the_client_has_is_not_sent_again(served: str) -> None:
    etag = httpx.head(f"{served}/{WEIGHTS}").headers["etag"]
    same = httpx.get(f"{served}/{WEIGHTS}", headers={"if-none-match": etag})
    assert (304, b"", etag) == (same.status_code, same.content, same.headers["etag"])


def test_names_that_need_quoting(served: str) -> None:
    base = f"{served}/datasets/acme/names/resolve/main"
    assert "odd\n" == httpx.get(f"{base}/sub%2Fa%20b%2Bc%2520%26d.txt").text
    assert "odd\n" == httpx.get(f"{base}/sub/a%20b+c%2520&d.txt").text
    assert "7\n" == httpx.get(f"{base}/많은 파일/07.txt").text
    assert b"" == httpx.get(f"{base}/empty.bin").content
    assert 404 == httpx.get(f"{base}/sub/a%20b+c%20&d.txt").status_code


@pytest.mark.parametrize("revision", ["main", "HEAD", "v1.0", "refs%2Fheads%2Fmain"])
def test_revisions_by_name(served: str, revision: str) -> None:
    answer = httpx.head(f"{served}/datasets/klue/klue/resolve/{revision}/README.md")
    assert 200 == answer.status_code


def test_a_commit_may_be_shortened(served: str) -> None:
    url = f"{served}/datasets/klue/klue/resolve"
    commit = httpx.head(f"{url}/main/README.md").headers["x-repo-commit"]
    short = httpx.head(f"{url}/{commit[:7]}/README.md")
    shorter = httpx.head(f"{url}/{commit[:6]}/README.md")
    assert (200, commit) == (short.status_code, short.headers["x-repo-commit"])
    assert (404, "RevisionNotFound") == (shorter.status_code, shorter.headers["x-error-code"])


def test_a_double_slash_is_forgiven(served: str) -> None:
    assert 200 == httpx.head(f"{served}//datasets/klue/klue/resolve/main/README.md").status_code


def test_an_old_id_leads_to_the_new_one(served: str) -> None:
    answer = httpx.head(f"{served}/gpt2/resolve/main/config.json?download=true")
    where = "/openai-community/gpt2/resolve/main/config.json?download=true"
    assert (307, where) == (answer.status_code, answer.headers["location"])


def test_a_file_that_was_left_out_is_not_remembered_as_missing(served: str, tmp_path: Path) -> None:
    with pytest.raises(EntryNotFoundError, match="left out"):
        _download(served, tmp_path, "klue/roberta-small", "pytorch_model.bin")
    with pytest.raises(EntryNotFoundError):
        _download(served, tmp_path, "klue/roberta-small", "never-was.bin")
    remembered = {path.name for path in tmp_path.glob("**/.no_exist/*/*")}
    assert {"never-was.bin"} == remembered


def test_refusals_are_the_exceptions_that_programs_catch(served: str, tmp_path: Path) -> None:
    with pytest.raises(RepositoryNotFoundError):
        _download(served, tmp_path, "klue/none", "config.json")
    with pytest.raises(RevisionNotFoundError):
        _download(served, tmp_path, "klue/klue", "config.json", revision="v9")
    with pytest.raises(RevisionNotFoundError):
        _download(served, tmp_path, "klue/klue", "config.json", revision="refs/pr/1")


def test_a_download_goes_on_after_the_line_broke(
    served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client keeps what it got in units of this; 10 MiB otherwise.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 4096)
    with cut_line(served, after=40_000) as line:
        path = _download(line.endpoint, tmp_path, "klue/roberta-small", "model.safetensors")
    assert CONTENT == path.read_bytes()
    assert 1 == line.cuts
    assert any("\r\nrange: bytes=" in request for request in line.requests)


def test_whole_snapshots_and_parts(served: str, tmp_path: Path) -> None:
    whole = snapshot_download("klue/klue", repo_type="dataset", **_where(served, tmp_path / "a"))
    part = snapshot_download(
        "klue/klue",
        repo_type="dataset",
        allow_patterns=["sts/*"],
        revision="main",
        **_where(served, tmp_path / "b"),
    )
    assert {"README.md", "sts/train.csv", "sts/validation.csv", "ynat/train.csv"} == _names(whole)
    assert {"sts/train.csv", "sts/validation.csv"} == _names(part)


def test_a_snapshot_of_a_repo_that_is_mirrored_in_part(served: str, tmp_path: Path) -> None:
    folder = snapshot_download("klue/roberta-small", **_where(served, tmp_path))
    assert {"README.md", "config.json", "model.safetensors"} == _names(folder)


def test_a_snapshot_by_an_old_id(served: str, tmp_path: Path) -> None:
    folder = snapshot_download("gpt2", **_where(served, tmp_path))
    assert {"config.json"} == _names(folder)


def test_a_missing_blob_is_a_500_for_its_file_alone(
    own_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Mirror(own_root).store
    store.blobs.path(hashlib.sha256(CONTENT).hexdigest()).unlink()
    with serving(own_root) as endpoint, caplog.at_level(logging.ERROR, "mirror.serve"):
        answer = httpx.get(f"{endpoint}/{WEIGHTS}")
        other = httpx.get(f"{endpoint}/klue/roberta-small/resolve/main/config.json")
    assert (500, 200) == (answer.status_code, other.status_code)
    assert "model.safetensors is damaged" in answer.headers["x-error-message"]
    assert str(own_root) not in answer.text
    assert "mirror verify --repair" in caplog.text


def test_a_blob_that_is_a_link_is_not_followed(own_root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(len(CONTENT)))
    blob = Mirror(own_root).store.blobs.path(hashlib.sha256(CONTENT).hexdigest())
    blob.unlink()
    blob.symlink_to(secret)
    with serving(own_root) as endpoint:
        assert 500 == httpx.get(f"{endpoint}/{WEIGHTS}").status_code


def test_file_exists_by_the_api(served: str) -> None:
    api = HfApi(endpoint=served)
    assert api.file_exists("klue/roberta-small", "config.json")
    assert not api.file_exists("klue/roberta-small", "pytorch_model.bin")


def _key(repo_id: str) -> RepoKey:
    return RepoKey(RepoType.MODEL, repo_id)


def _part(answer: httpx.Response) -> tuple[int, str, bytes]:
    return answer.status_code, answer.headers["content-range"], answer.content


def _where(endpoint: str, cache: Path) -> dict[str, object]:
    return {"endpoint": endpoint, "cache_dir": cache}


def _download(
    endpoint: str, cache: Path, repo_id: str, name: str, revision: str | None = None
) -> Path:
    where = _where(endpoint, cache)
    return Path(hf_hub_download(repo_id, name, revision=revision, **where))


def _names(folder: str) -> set[str]:
    root = Path(folder)
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
