"""Languages, however they are written."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.catalog.record.languages import Language, codes, parse_language, parse_languages
from tests.corpus import FOLDER, needs_corpus


@pytest.mark.parametrize(
    ("stated", "code"),
    [
        ("ko", "ko"), ("KO", "ko"), ("kor", "ko"), ("ko-KR", "ko"), ("ko_KR", "ko"),
        ("Korean", "ko"), ("korean", "ko"), ("한국어", "ko"), ("한글", "ko"), ("韓国語", "ko"),
        (unicodedata.normalize("NFD", "한국어"), "ko"), ("ｋｏ", "ko"),
        ("영어", "en"), ("English", "en"), ("en-US", "en"), ("英語", "en"),
        ("日本語", "ja"), ("일본어", "ja"), ("jp", "ja"), ("zh-Hant", "zh"), ("zh_cn", "zh"),
        ("Mandarin", "zh"), ("no", "no"), ("NO", "no"), ("Norwegian", "no"), ("nb-NO", "nb"),
        ("pt-BR", "pt"), ("iw", "he"), ("fil", "fil"), ("kab", "kab"), ("multilingual",
        "multilingual"), ("code", "code"), ("Klingon", "klingon"),
    ],
)  # fmt: skip
def test_one_code_for_every_spelling(stated: str, code: str) -> None:
    assert codes(parse_language(stated)) == (code,)


def test_what_was_written_is_kept() -> None:
    assert parse_languages(["zh-Hans", "zh-Hant", "zh-hans"]) == (
        Language("zh", "zh-hans"),
        Language("zh", "zh-Hant"),
    )


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("English, Korean", ("en", "ko")),
        ("한국어, 영어", ("ko", "en")),
        ("ko/en", ("ko", "en")),
        ("한국어 영어", ("ko", "en")),
        ("Simplified Chinese", ("zh",)),
        ("English (US)", ("en",)),
    ],
)
def test_several_in_one_text(stated: str, expected: tuple[str, ...]) -> None:
    assert codes(parse_language(stated)) == expected


@given(st.lists(st.text(max_size=60), max_size=5))
def test_whatever_is_written_has_short_codes(texts: list[str]) -> None:
    assert all(len(language.code) <= 40 for language in parse_languages(texts))


@needs_corpus
def test_every_language_of_the_hub_is_known_by_code_and_name() -> None:
    table = json.loads((FOLDER / "reference/languages-LANGUAGES_ISO_639_1.json").read_text())
    wrong = {
        (row["code"], codes(parse_language(row["code"])), codes(parse_language(name)))
        for row in table.values()
        for name in [row["name"].split(",")[0].split("(")[0].strip()]
        if codes(parse_language(row["code"])) != (row["code"],)
        or codes(parse_language(name)) != (row["code"],)
    }

    assert wrong == set()
