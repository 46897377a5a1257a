"""YAML that people wrote, and YAML that somebody made to hurt."""

from __future__ import annotations

import itertools
import json
import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mirror.catalog.record.front_matter import MAX_DEPTH, MAX_NODES, parse_front_matter


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("language: no", {"language": "no"}),
        ("language: [en, no, off, yes]", {"language": ["en", "no", "off", "yes"]}),
        ("gated: true\nx: False", {"gated": True, "x": False}),
        ("date: 2022-01-31", {"date": "2022-01-31"}),
        ("at: 12:30:45", {"at": "12:30:45"}),
        ("n: 12\nm: -3\nf: 1.5\ne: 2.0e3", {"n": 12, "m": -3, "f": 1.5, "e": 2000.0}),
        ("version: '1.10'", {"version": "1.10"}),
        ("zero: 007", {"zero": "007"}),
        ("a: null\nb: ~\nc:", {"a": None, "b": None, "c": None}),
        ("1: one\ntrue: yes", {"1": "one", "true": "yes"}),
        ("a: &x [1, 2]\nb: *x", {"a": [1, 2], "b": [1, 2]}),
        ("<<: {a: 1}\nb: 2", {"<<": {"a": 1}, "b": 2}),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
        ("a: !!python/name:os.system x", {"a": "x"}),
        ("? [1, 2]\n: gone\nkept: 1", {"kept": 1}),
        ("a: 1\na: 2", {"a": 2}),
        ("", {}),
        ("# only a comment", {}),
        ("한국어: 예\n언어: [ko]", {"한국어": "예", "언어": ["ko"]}),
    ],
)
def test_reads_what_was_meant(text: str, expected: object) -> None:
    assert (expected, None) == parse_front_matter(text)


@pytest.mark.parametrize(
    ("text", "kept", "why"),
    [
        ("license: mit\ntitle: a: b\nx: y", {"license": "mit", "title": "a"}, "not valid YAML"),
        ("license: mit\nx: y\n\tindented: 1", {"license": "mit"}, "not valid YAML"),
        ("license: mit\nlist: [a, b", {"license": "mit", "list": ["a", "b"]}, "not valid YAML"),
        ("license: mit\nx: *nobody", {"license": "mit"}, "undefined alias *nobody"),
        ("a: &a [1, *a]", {"a": [1]}, "undefined alias *a"),
        ("just a sentence", {}, "not a mapping"),
        ("- a\n- b", {}, "not a mapping"),
        ("@nothing", {}, "not valid YAML"),
    ],
)
def test_keeps_what_stood_before_the_error(text: str, kept: object, why: str) -> None:
    data, problem = parse_front_matter(text)

    assert kept == data
    assert problem is not None
    assert why in problem


def test_aliases_count_in_full() -> None:
    letters = string.ascii_lowercase[:12]
    levels = [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in itertools.pairwise(letters)]

    data, problem = parse_front_matter("a: &a [x, x, x]\n" + "\n".join(levels))

    assert problem == f"front matter: more than {MAX_NODES:,} values, aliases counted in full"
    assert len(json.dumps(data)) < 5_000_000


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 50_000, "? " * 100_000])
def test_depth_ends_early(text: str) -> None:
    # Older releases of libyaml need 15 s for the first of these, newer ones refuse it.
    data, problem = parse_front_matter(text)

    assert problem in {
        f"front matter: nested deeper than {MAX_DEPTH} levels",
        "front matter is not valid YAML: exceeded maximum nesting depth (line 1)",
    }
    assert isinstance(data, dict)


def test_length_is_bounded() -> None:
    data, problem = parse_front_matter("a: 1\n" * 1_000_000)

    assert data == {}
    assert problem is not None
    assert "longer than" in problem


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*?!|>'\"#% \n\t,~\\\ud800\0é독"), max_size=60))
def test_never_raises_and_gives_json(text: str) -> None:
    data, problem = parse_front_matter(text)

    assert json.loads(json.dumps(data)) == data
    assert problem is None or problem


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text("abc독해", min_size=1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz"), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text("klm", min_size=1), PLAIN, max_size=4))
def test_reads_back_what_a_dumper_wrote(value: dict[str, object]) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)

    assert (value, None) == parse_front_matter(text)
