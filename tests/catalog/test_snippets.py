"""Snippets: the line that tells most, cut to a width, with the places of the words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.catalog.query.query import Words
from mirror.catalog.read.snippets import WIDTH, Marker, folded


def marked(body: str, *words: str, phrase: bool = False) -> tuple[str | None, list[str]]:
    snippet, places = Marker(Words(word, phrase) for word in words).snippet(body)
    return snippet, [snippet[start:end] for start, end in places] if snippet else []


@pytest.mark.parametrize(
    ("body", "words", "snippet", "found"),
    [
        ("# Title\n\nA BERT model.\n", ["bert"], "A BERT model.", ["BERT"]),
        ("one\nbert here\nbert and korean\n", ["bert", "korean"], "bert and korean",
         ["bert", "korean"]),
        ("The **roberta-base** one", ["roberta-base"], "The roberta-base one",
         ["roberta", "base"]),
        ("part of art", ["art"], "part of art", ["art"]),
        ("partly", ["art"], None, []),
        ("Le café noir", ["cafe"], "Le café noir", ["café"]),
        ("Le cafe\u0301 noir", ["cafe"], "Le café noir", ["café"]),
        ("ＢＥＲＴ 모델", ["bert"], "ＢＥＲＴ 모델", ["ＢＥＲＴ"]),
        ("한국어 기계독해 데이터", ["독해"], "한국어 기계독해 데이터", ["독해"]),
        ("감정 분석 모델", ["감정분석"], "감정 분석 모델", ["감정 분석"]),
        ("BERT모델입니다", ["BERT모델"], "BERT모델입니다", ["BERT모델"]),
        ("see [the docs](https://x.example/bert)", ["bert"], None, []),
        ("- a list item of bert", ["bert"], "a list item of bert", ["bert"]),
        ("שלום bert עולם", ["bert"], "שלום bert עולם", ["bert"]),
        ("nothing", ["bert"], None, []),
        ("", ["bert"], None, []),
        ("bert", [], None, []),
        ("a\0b bert", ["bert"], "ab bert", ["bert"]),
    ],
)  # fmt: skip
def test_snippets(body: str, words: list[str], snippet: str | None, found: list[str]) -> None:
    assert marked(body, *words) == (snippet, found)


def test_a_phrase_is_marked_as_one() -> None:
    body = "reading the machine\nby Machine-Reading it\n"

    assert marked(body, "machine reading", phrase=True) == (
        "by Machine-Reading it",
        ["Machine-Reading"],
    )
    assert marked("감정 분석", "감정분석", phrase=True) == (None, [])


def test_a_long_line_is_cut_around_the_first_word() -> None:
    snippet, found = marked("word " * 100 + "needle " + "word " * 100, "needle")

    assert snippet is not None
    assert snippet.startswith("…")
    assert snippet.endswith("…")
    assert len(snippet) <= WIDTH + 2
    assert found == ["needle"]


def test_a_card_of_ten_megabytes_is_looked_at_near_its_top() -> None:
    body = "needle at the top\n" + "hay " * 2_500_000

    assert marked(body, "needle")[0] == "needle at the top"
    assert marked("hay " * 2_500_000 + "needle", "needle") == (None, [])


_TEXT = st.text("ab -_\n*[]()ＡßİﬁéŁ가나다 감정ㄱ漢字\u0301\u200f\0", max_size=400)


@given(body=_TEXT, words=st.lists(st.text("abfiŁé가나감정漢 ", max_size=4), max_size=3),
       phrase=st.booleans())  # fmt: skip
def test_places_are_in_the_snippet_in_order_and_hold_the_words(
    body: str, words: list[str], phrase: bool
) -> None:
    snippet, places = Marker(Words(word, phrase) for word in words).snippet(body)

    assert (snippet is None) == (not places)
    wanted = set(folded("".join(words)))
    last = 0
    for start, end in places:
        assert snippet is not None
        assert last <= start < end <= len(snippet)
        assert wanted & set(folded(snippet[start:end]))
        last = end
