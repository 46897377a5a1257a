"""What is found in text without spaces, asked of a real FTS5 table."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.catalog.cjk import any_of, fold, searchable, ways
from mirror.catalog.write.documents import TOKENIZE


def query_words(text: str) -> tuple[str, ...]:
    """An FTS5 expression for each word of ``text`` that can be looked for, each once."""
    found = (ways(word) for word in fold(text.replace("\0", " ")).split())
    return tuple(dict.fromkeys(any_of(several) for several in found if several))


class Index:
    """One text, and what finds it."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:")
        self.connection.execute(f"CREATE VIRTUAL TABLE t USING fts5(body, tokenize='{TOKENIZE}')")

    def finds(self, query: str, text: str) -> bool:
        self.connection.execute("DELETE FROM t")
        self.connection.execute("INSERT INTO t VALUES (?)", [searchable(text)])
        words = query_words(query)
        if not words:
            return False
        match = "SELECT count(*) FROM t WHERE t MATCH ?"
        return self.connection.execute(match, [" AND ".join(words)]).fetchone() == (1,)


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    index = Index()
    yield index
    index.connection.close()


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("독해", "한국어 기계독해 데이터셋"),
        ("감정", "네이버 영화 감정분석"),
        ("감정 분석", "감정분석 모델"),
        ("감정분석", "감정 분석 모델"),
        ("기계독해", "기계 독해"),
        ("분석", "감정분석을 위한"),
        ("해", "기계독해"),
        ("독", "기계독해"),
        ("기", "기계독해"),
        ("말", "말"),
        ("독해", unicodedata.normalize("NFD", "기계독해")),
        (unicodedata.normalize("NFD", "독해"), "기계독해"),
        ("bert모델", "KoBERT·BERT모델을 공개"),
        ("BERT", "ＢＥＲＴ"),
        ("ＫＬＵＥ", "the KLUE benchmark"),
        ("klue/klue", "klue/klue"),
        ("roberta-large", "klue/roberta-large"),
        ("데이터", "ﾃﾞｰﾀ 데이터셋"),
        ("データ", "ﾃﾞｰﾀｾｯﾄ"),
        ("日本語", "日本語版モデル"),
        ("模型", "中文预训练模型"),
        ("ñandu", "Ñandú"),
        ("c++", "written in c"),
        ("العربية", "نموذج اللغة العربية"),
        ("מודל", "מודל שפה"),
        ("3.5b", "a 3.5b model"),
        ("모", "bert모델"),
        ("bert모", "bert모델"),
    ],
)
def test_finds(index: Index, query: str, text: str) -> None:
    assert index.finds(query, text)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("독해", "독일 유해"),
        ("감정분석", "감정 그리고 분석"),
        ("해독", "기계독해"),
        ("BERT", "RoBERTa"),
        ("모델", "모 델"),
        ("한국어 없음", "한국어"),
    ],
)
def test_does_not_find(index: Index, query: str, text: str) -> None:
    assert not index.finds(query, text)


@pytest.mark.parametrize("text", ["", " ", '"', "* AND (", "-", "…", "😀", "\0", "()[]{}^:+"])
def test_words_without_letters_are_none(text: str) -> None:
    assert query_words(text) in ((), ('"and"',))


def test_equal_words_count_once() -> None:
    assert query_words("독해 독해 BERT bert") == ('"독해"', '"bert"')


CJK = st.text("기계독해감정分析日本語モデルー々", min_size=1, max_size=14)


@settings(max_examples=200)
@given(
    run=CJK,
    before=st.text("가나 a.", max_size=4),
    after=st.text("다라 z-", max_size=4),
    data=st.data(),
)
def test_every_part_of_a_run_is_found(
    index: Index, run: str, before: str, after: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(run) - 1))
    end = data.draw(st.integers(start + 1, len(run)))

    assert index.finds(run[start:end], before + run + after)


@settings(max_examples=300)
@given(st.text(max_size=40), st.text(max_size=80))
def test_whatever_is_typed_is_never_a_syntax_error(index: Index, query: str, text: str) -> None:
    index.finds(query.encode("utf-8", "replace").decode(), text)


OPERATORS = st.text(alphabet=st.sampled_from('"*^:-+(){}NEAR AND OR NOT,\n\t독a'), max_size=40)


@given(OPERATORS)
def test_operators_are_only_text(index: Index, query: str) -> None:
    index.finds(query, "독해 near and or not a")
