"""Cards as they are: with everything that a person can do to a README."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.catalog.record.cards import MAX_BYTES, read_card
from mirror.catalog.record.prose import find_summary

TEMPLATE = """# Dataset Card for AMTTL

## Table of Contents
- [Dataset Summary](#dataset-summary)

## Dataset Description
- **Homepage:** https://example.org

### Dataset Summary

[More Information Needed]"""
CARD = "---\nlanguage: no\nlicense: mit\n---\n# Title\n\nText.\n"


@pytest.mark.parametrize(
    "content",
    [
        CARD.encode(),
        CARD.replace("\n", "\r\n").encode(),
        CARD.replace("\n", "\r").encode(),
        b"\xef\xbb\xbf" + CARD.encode(),
        b"\n\n" + CARD.encode(),
        CARD.replace("---\n", "--- \t\n").encode(),
    ],
    ids=["plain", "crlf", "cr", "bom", "blank lines", "trailing space"],
)
def test_takes_a_card_apart(content: bytes) -> None:
    card = read_card(content)

    assert {"language": "no", "license": "mit"} == card.data
    assert card.body == "# Title\n\nText."
    assert card.problems == ()


def test_utf16() -> None:
    card = read_card(CARD.encode("utf-16"))

    assert {"language": "no", "license": "mit"} == card.data
    assert card.problems == ("UTF-16, not UTF-8",)


def test_front_matter_under_the_heading() -> None:
    card = read_card(b"# Title\n---\nlicense: mit\n---\nText.")

    assert {"license": "mit"} == card.data
    assert card.body == "# Title\n\nText."
    assert card.problems == ("front matter is not at the top",)


@pytest.mark.parametrize(
    "text",
    [
        "# Title\n\nText.",
        "Text\n---\nname: a rule, not metadata\n---\nmore",
        "---\na sentence between two rules\n---\nmore",
        "---\nlicense: mit",
        "",
        "---",
        "---\n---",
    ],
)
def test_without_front_matter_all_of_it_is_text(text: str) -> None:
    card = read_card(text.encode())

    assert card.data == {}
    assert card.body == text or text == "---\n---"


def test_broken_front_matter_keeps_text_and_what_could_be_read() -> None:
    card = read_card(b"---\nlicense: mit\ntitle: a: b\n---\nText.")

    assert {"license": "mit", "title": "a"} == card.data
    assert card.body == "Text."
    (problem,) = card.problems
    assert "not valid YAML" in problem


def test_bytes_that_are_not_utf8() -> None:
    card = read_card(b"---\nlicense: mit\n---\ncaf\xe9 \xff")

    assert card.data == {"license": "mit"}
    assert card.body.startswith("caf\ufffd")
    assert len(card.problems) == 1


def test_nul_characters_go() -> None:
    card = read_card(b"---\nlicense: m\0it\n---\nte\0xt")

    assert card.data == {"license": "mit"}
    assert card.body == "text"
    assert card.problems == ("has NUL characters in it",)


def test_a_card_of_ten_megabytes_is_cut() -> None:
    card = read_card(b"---\nlicense: mit\n---\n" + "가나다 ".encode() * 1_000_000)

    assert card.data == {"license": "mit"}
    assert len(card.body.encode()) <= MAX_BYTES
    assert "\ufffd" not in card.body
    (problem,) = card.problems
    assert problem.startswith("longer than")


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-16")))
def test_never_raises_and_can_be_stored(content: bytes) -> None:
    card = read_card(b"---\n" + content + b"\n---\n" + content)

    assert card.body.encode().decode() == card.body
    assert "\0" not in card.body


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("# Iron Man DialoGPT Model", "Iron Man DialoGPT Model"),
        ("This is a RainGAN model", "This is a RainGAN model"),
        (
            "### opus-mt-de-fr\n\n* source languages: de\n* target languages: fr\n*  see: [x](y)",
            "source languages: de; target languages: fr; see: x",
        ),
        (TEMPLATE, "AMTTL"),
        ("# Model Card\n\n## Model Details\n\n[More Information Needed]", None),
        ("", None),
        ("TBA", None),
    ],
)  # fmt: skip
def test_a_card_without_prose_has_a_summary_of_what_there_is(
    body: str, expected: str | None
) -> None:
    assert find_summary(body) == expected
