"""Rows and columns of files in every format, good and bad."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest
from datasets import Dataset, Features
from hypothesis import given
from hypothesis import strategies as st

from mirror.serve.errors import HubError
from mirror.serve.viewer import files as viewer_files
from mirror.serve.viewer.features import Cells
from mirror.serve.viewer.files import Reading, Walk, columns_of, format_of, rows_of

ROWS = [{"text": f"문장 {n}", "n": n} for n in range(250)]


def as_csv(separator: str) -> bytes:
    lines = [f"{row['text']}{separator}{row['n']}" for row in ROWS]
    return "\n".join([f"text{separator}n", *lines, ""]).encode()


LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n\n" for row in ROWS).encode()
BODIES: dict[str, bytes] = {
    "a.jsonl": LINES,
    "a.ndjson": LINES,
    "lines.json": LINES,
    "array.json": b"\xef\xbb\xbf \n"[3:] + json.dumps(ROWS).encode(),
    "a.csv": as_csv(","),
    "a.tsv": as_csv("\t"),
    "A.CSV.GZ": gzip.compress(as_csv(",")),
    "a.jsonl.bz2": bz2.compress(LINES),
    "a.json.xz": lzma.compress(json.dumps(ROWS).encode()),
}


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, bytes], Reading]:
    def write(path: str, body: bytes) -> Reading:
        blob = tmp_path / "blob"
        blob.write_bytes(body)
        return Reading(blob, path)

    return write


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("offset", [0, 99, 249, 250])
def test_every_format_gives_the_rows_from_an_offset(
    written: Callable[[str, bytes], Reading], path: str, offset: int
) -> None:
    file, walk = written(path, BODIES[path]), Walk(offset)
    assert ROWS[offset:] == list(rows_of(file, walk))
    assert 0 == walk.left
    assert {"text", "n"} == set(columns_of(file))
    over = Walk(260)
    assert [] == list(rows_of(file, over))
    assert 10 == over.left


def test_parquet_passes_over_row_groups(written: Callable[[str, bytes], Reading]) -> None:
    file = written("a.parquet", b"")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), file.blob, row_group_size=60)
    for offset in (0, 59, 60, 61, 249, 250):
        assert ROWS[offset:] == list(rows_of(file, Walk(offset)))


def test_columns_are_the_features_that_datasets_finds(
    written: Callable[[str, bytes], Reading],
) -> None:
    row = {
        "i": 1, "f": 0.5, "b": True, "s": "x", "raw": b"\0", "none": None,
        "time": time(1, 2), "took": timedelta(1), "many": [[1]], "of": {"a": [{"b": "c"}]},
        "day": date(2026, 1, 2),
        "at": datetime(2026, 1, 2, 3, tzinfo=UTC), "money": Decimal("1.50"),
    }  # fmt: skip
    table = pyarrow.Table.from_pylist([row])
    file = written("a.parquet", b"")
    pyarrow.parquet.write_table(table, file.blob)
    assert Features.from_arrow_schema(table.schema).to_dict() == columns_of(file)
    (shown,) = Cells().rows(enumerate(rows_of(file, Walk())))
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    assert ("2026-01-02", "1.50") == (shown["row"]["day"], shown["row"]["money"])


def test_columns_that_datasets_noted_are_taken_as_they_are(
    written: Callable[[str, bytes], Reading],
) -> None:
    made = Dataset.from_dict({"label": [0, 1]})
    made = made.class_encode_column("label")
    file = written("a.parquet", b"")
    made.to_parquet(file.blob)
    expected: dict[str, Any] = {"names": ["0", "1"], "_type": "ClassLabel"}
    assert {"label": expected} == columns_of(file)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("a.jsonl", b'{"a": 1}\n[1]\n'),
        ("a.jsonl", b'{"a": \n'),
        ("a.jsonl", b"[" * 100_000),
        ("a.json", b'[{"a": 1}'),
        ("a.json", b"[1, 2]"),
        ("a.jsonl", b'{"a": "\xff\xfe"}\n'),
        ("a.csv", b"a,b\n1\n"),
        ("a.csv", b""),
        ("a.csv.gz", b"no gzip"),
        ("a.json.xz", b"\xfd7zXZ\0"),
        ("a.parquet", b"PAR1" + b"\xff" * 64 + b"PAR1"),
        ("a.parquet", b""),
    ],
)
def test_what_cannot_be_read_is_one_error_that_names_the_file(
    written: Callable[[str, bytes], Reading], path: str, body: bytes
) -> None:
    file = written(path, body)
    with pytest.raises(HubError) as caught:
        list(rows_of(file, Walk()))
    assert (500, "StreamingRowsError") == (caught.value.status, caught.value.code)
    assert path in caught.value.message
    assert str(file.blob) not in caught.value.message


def test_bounds_are_refusals(
    written: Callable[[str, bytes], Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer_files, "MAX_LINE", 100)
    monkeypatch.setattr(viewer_files, "MAX_ARRAY", 100)
    monkeypatch.setattr(viewer_files, "MAX_ROW_GROUP", 100)
    table = written("a.parquet", b"")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), table.blob)
    bodies = {"a.jsonl": b"x" * 200, "a.json": b"[" + b"1," * 100, "a.parquet": None}
    for path, body in bodies.items():
        file = table if body is None else written(path, body)
        if body is None:
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), file.blob)
        with pytest.raises(HubError, match="too large"):
            list(rows_of(file, Walk()))
    for body in (b"{}\n", b"\n\n"):  # a packed file of blank lines has no end
        with pytest.raises(HubError, match="too deep"):
            list(rows_of(written("b.jsonl", body), Walk(end=0)))


@given(st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.tsv"]), st.binary(max_size=200))
def test_any_bytes_are_rows_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, path: str, body: bytes
) -> None:
    blob = tmp_path_factory.getbasetemp() / "any-bytes"
    blob.write_bytes(body)
    try:
        rows = list(rows_of(Reading(blob, path), Walk()))
        columns_of(Reading(blob, path))
    except HubError as error:
        assert 500 == error.status
    else:
        json.dumps(Cells().rows(enumerate(rows)), allow_nan=False)


@pytest.mark.parametrize("path", ["README.md", "a.txt", "a.tar", "parquet", "a.parquet.zip", ""])
def test_other_files_have_no_rows(path: str) -> None:
    assert format_of(path) is None
