"""The query language: what each way of writing means, and where an error points."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mirror.catalog import Query, parse_query
from mirror.catalog.fields import FIELDS, SORTS, Field
from mirror.catalog.query.errors import QueryError, UnknownValueError
from mirror.catalog.query.nearest import nearest
from mirror.catalog.query.pointing import pointed
from mirror.catalog.query.query import MAX_TEXT, MAX_VALUES, MAX_WORDS, Between, OneOf, Words
from mirror.errors import UsageError


def only(text: str) -> OneOf | Between:
    query = parse_query(text)
    assert query.words == ()
    (found,) = query.filters
    return found


def test_everything_at_once() -> None:
    text = (
        "task:text-classification language:ko license:apache-2.0,mit params:<1B size:<2GB "
        'downloads:>1000 base_model:klue/roberta-base -license:unknown "기계 독해"'
    )

    assert parse_query(text) == Query(
        words=(Words("기계 독해", phrase=True),),
        filters=(
            OneOf("task", ("text-classification",)),
            OneOf("license", ("apache-2.0", "mit")),
            OneOf("license", ("unknown",), excluded=True),
            OneOf("language", ("ko",)),
            OneOf("base_model", ("klue/roberta-base",)),
            Between("params", None, 10**9),
            Between("size", None, 2 * 10**9),
            Between("downloads", 1001),
        ),
    )


def test_options_are_the_same_query() -> None:
    by_text = parse_query("감정 task:fill-mask license:mit,apache-2.0 params:<1B language:ko")
    by_options = parse_query(
        "감정", task="fill-mask", license=("mit", "apache-2.0"), params="<1B", languages=["Korean"]
    )

    assert by_options == by_text
    assert parse_query("license:mit", license="gpl") == parse_query("license:mit,gpl")


@pytest.mark.parametrize(
    ("text", "field", "values"),
    [
        ("type:models", "type", ("model",)),
        ("task:Text_Classification", "task", ("text-classification",)),
        ("pipeline_tag:fill-mask", "task", ("fill-mask",)),
        ("pipeline-tag:fill-mask", "task", ("fill-mask",)),
        ("LICENSE:MIT", "license", ("mit",)),
        ('licence:"Apache License 2.0"', "license", ("apache-2.0",)),
        ('license:"My Own Licence"', "license", ("my own licence",)),
        ("language:Korean", "language", ("ko",)),
        ("language:한국어", "language", ("ko",)),
        ("language:no", "language", ("no",)),
        ("language:zh_Hant", "language", ("zh-hant",)),
        ("library:Transformers", "library", ("transformers",)),
        ("tag:region:us", "tag", ("region:us",)),
        ("tag:c++", "tag", ("c++",)),
        ('tag:"a,b"', "tag", ("a,b",)),
        ('tag:a" b"', "tag", ("a b",)),
        ("paper:https://arxiv.org/abs/1810.04805", "paper", ("1810.04805",)),
        ("base:https://huggingface.co/klue/bert-base", "base_model", ("klue/bert-base",)),
        ("dataset:datasets/klue/klue", "dataset", ("klue/klue",)),
        ("gated:yes", "gated", ("auto", "manual")),
        ("gated:false", "gated", ("no",)),
        ("license:mit,,mit,", "license", ("mit",)),
        ("license:mit license:gpl", "license", ("mit", "gpl")),
    ],
)
def test_values_are_normalised(text: str, field: str, values: tuple[str, ...]) -> None:
    assert only(text) == OneOf(field, values)


def test_a_plus_asks_for_all_of_them() -> None:
    assert parse_query("language:ko+en").filters == (
        OneOf("language", ("ko",)),
        OneOf("language", ("en",)),
    )
    assert parse_query("language:ko,ja+en tag:x").filters == (
        OneOf("language", ("ko", "ja")),
        OneOf("language", ("en",)),
        OneOf("tag", ("x",)),
    )


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("params:<1B", None, 10**9),
        ("params:<=1B", None, 10**9 + 1),
        ("params:>=1.5b", 15 * 10**8, None),
        ("params:7B", 6_500_000_000, 7_500_000_000),
        ("params:1B..7B", 10**9, 7 * 10**9 + 1),
        ("size:..500MB", None, 500_000_001),
        ("size:>2GiB", 2 * 2**30 + 1, None),
        ("likes:10", 10, 11),
        ("downloads:1_000..", 1000, None),
        ("updated:2026", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("updated:<2026-08", None, "2026-08-01T00:00:00Z"),
        ("updated:>2026-12", "2027-01-01T00:00:00Z", None),
        ("created:2024-02-28..2024-02-29", "2024-02-28T00:00:00Z", "2024-03-01T00:00:00Z"),
    ],
)
def test_ranges(text: str, low: int | str | None, high: int | str | None) -> None:
    assert only(text) == Between(text.partition(":")[0], low, high)


def test_one_of_several_ranges() -> None:
    assert parse_query("params:<1B,>70B").filters == (
        Between("params", None, None),
        Between("params", 10**9, 70 * 10**9 + 1, excluded=True),
    )
    assert parse_query("likes:1..5,3..9,20").filters == (
        Between("likes", 1, 21),
        Between("likes", 10, 20, excluded=True),
    )
    assert parse_query("-likes:1,5").filters == (
        Between("likes", 1, 2, excluded=True),
        Between("likes", 5, 6, excluded=True),
    )
    assert only("params:*") == Between("params")


def test_several_bounds_of_one_key_must_all_fit() -> None:
    assert parse_query("likes:>=10 likes:<20").filters == (
        Between("likes", 10, None),
        Between("likes", None, 20),
    )


def test_an_age_is_counted_from_today() -> None:
    before = datetime.now(UTC).date()
    young, also, old, day = map(
        only, ["updated:<30d", "updated:30d", "updated:>1y", "updated:today"]
    )
    after = datetime.now(UTC).date()

    def days_ago(days: int) -> set[str]:
        dates = (before - timedelta(days), after - timedelta(days))
        return {f"{date}T00:00:00Z" for date in dates}

    assert isinstance(young, Between) and isinstance(old, Between) and isinstance(day, Between)
    assert young == also
    assert (young.low in days_ago(30), young.high) == (True, None)
    assert (old.low, old.high in days_ago(365)) == (None, True)
    assert (day.low in days_ago(0), day.high in days_ago(-1)) == (True, True)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("“기계 독해” license：mit", '"기계 독해" license:mit'),
        ("−license:mit –뉴스", "-license:mit -뉴스"),
        ("downloads>1000 params<=1B", "downloads:>1000 params:<=1B"),
        ("license:-mit", "-license:mit"),
        ("-license:-mit", "license:mit"),
    ],
)
def test_what_keyboards_and_habits_make_of_it(text: str, plain: str) -> None:
    assert parse_query(text) == parse_query(plain)


def test_an_argument_excludes_too() -> None:
    assert parse_query(license="-mit,gpl") == parse_query("-license:mit,gpl")
    assert only('tag:"-x"') == OneOf("tag", ("-x",))
    assert str(parse_query('tag:"-x"')) == 'tag:"-x"'


@pytest.mark.parametrize(
    "text", ["https://huggingface.co/klue", "12:30", r"C:\models", "Note: this", "torch::nn", "-"]
)
def test_text_with_a_colon_is_text(text: str) -> None:
    assert " ".join(word.text for word in parse_query(text).words) == text


def test_words_phrases_and_what_must_not_be_there() -> None:
    assert parse_query('감정 "영화 리뷰" -en -"news text" ""').words == (
        Words("감정"),
        Words("영화 리뷰", phrase=True),
        Words("en", excluded=True),
        Words("news text", phrase=True, excluded=True),
    )


@pytest.mark.parametrize(
    ("text", "message", "marked", "hint"),
    [
        ("a lisence:mit", "there is no key 'lisence'", "lisence", "did you mean license:?"),
        ("a frobnicate:mit", "there is no key", "frobnicate", "the keys are type, author"),
        ('감정 "기계 독해', "these quotes do not end", '"', "a phrase"),
        ("params:big", "'big' is no number", "big", None),
        ("x size:<1parsec", "'<1parsec' is no number", "<1parsec", None),
        ("updated:2026-13", "is no date", "2026-13", None),
        ("likes:5..1", "begins after its end", "5..1", None),
        ("params:1B,big", "'big' is no number", "1B,big", None),
        ("a type:paper", "'paper' is none of model, dataset, space", "paper", None),
        ("license:", "license: needs a value", "license:", None),
        ("-language:ko+en", "a minus takes values with a comma", "ko+en", None),
    ],
)
def test_an_error_points_at_the_place(
    text: str, message: str, marked: str, hint: str | None
) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(text)

    error = caught.value
    assert message in str(error)
    assert text[error.place : error.place + error.length].startswith(marked)
    line, marks = str(error).splitlines()[-2:]
    assert marks.strip().strip("^") == ""
    assert line.strip() == text
    if hint is not None:
        assert hint in str(error.hint)


def test_marks_stand_below_korean() -> None:
    with pytest.raises(QueryError) as caught:
        parse_query("감정 분석 lisence:mit")

    assert str(caught.value).splitlines()[-1] == "  " + " " * 10 + "^^^^^^^"


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"lisence": "mit"}, "'lisence'", "did you mean license?"),
        ({"sort": "download"}, "'download' is not an order", "did you mean downloads?"),
        ({"limit": -1}, "limit is a whole number", None),
        ({"limit": 10**9}, "limit is a whole number", None),
        ({"offset": True}, "offset is a whole number", None),
        ({"license": {"mit": 1}}, "license", None),
        ({"license": [["mit"]]}, "license", None),
        ({"params": "big"}, "'big' is no number", None),
        ({"text": "a" * 1001}, "1000 characters", None),
        ({"text": " ".join(map(str, range(40)))}, "32 words", None),
        ({"tag": [str(n) for n in range(101)]}, "100 values", None),
    ],
)
def test_bad_arguments(options: dict[str, object], message: str, hint: str | None) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_query(**options)  # type: ignore[arg-type]

    if hint is not None:
        assert caught.value.hint == hint


def test_its_text_is_the_query_again() -> None:
    text = 'license:mit,"my own licence" -license:unknown language:ko+en params:<1000 감정 -"a b"'

    assert str(parse_query(text)) == text
    assert parse_query(str(parse_query("params:7B created:2024"))) == parse_query(
        "params:7B created:2024"
    )


def test_sorts_have_other_names() -> None:
    assert parse_query(sort="modified").sort == "updated"
    assert parse_query().sort == "relevance"


@pytest.mark.parametrize(
    ("text", "options", "marked"),
    [
        ("감정 license:mit,Apach-2.0", {}, "Apach-2.0"),
        ('a license:"apach 2.0" b', {}, None),
        ('-license:"apach-2.0" b', {}, '"apach-2.0"'),
        ("b", {"licenses": ["mit", "apach-2.0"]}, "apach-2.0"),
        ("b", {"license": "mit"}, None),
    ],
)
def test_an_unknown_value_is_shown_where_it_stands(
    text: str, options: dict[str, object], marked: str | None
) -> None:
    error = UnknownValueError("license", "apach-2.0", ("apache-2.0",))

    message = str(pointed(error, text, options))

    assert message.startswith(str(error))
    if marked is None:
        assert message == str(error)
    else:
        *_, line, marks = message.splitlines()
        assert line.strip() in {text, "apach-2.0"}
        assert marks.count("^") == len(marked)
    assert error.hint == "did you mean license:apache-2.0?"


@pytest.mark.parametrize(
    ("field", "value", "values", "expected"),
    [
        (
            "task",
            "text-clasification",
            ("token-classification", "text-classification"),
            ("text-classification",),
        ),
        ("task", "TextClassification", ("text-classification",), ("text-classification",)),
        ("language", "koraen", ("ko", "en"), ("korean",)),
        ("language", "kr", ("ko", "en"), ()),
        ("license", "frobnicate", ("mit", "apache-2.0"), ()),
    ],
)
def test_what_was_probably_meant(
    field: str, value: str, values: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert nearest(field, value, values) == expected


class TestPage:
    """docs/reference/query.md."""

    TEXT = (Path(__file__).parents[2] / "docs/reference/query.md").read_text(encoding="utf-8")

    def rows(self) -> list[list[str]]:
        """The cells of every row of its tables."""
        lines = [line for line in self.TEXT.splitlines() if line.startswith("| `")]
        return [[cell.strip() for cell in line.split("|")[1:]] for line in lines]

    @pytest.mark.parametrize("field", FIELDS.values(), ids=lambda field: field.name)
    def test_has_every_key_with_its_other_names(self, field: Field) -> None:
        (others,) = (row[1] for row in self.rows() if row[0] == f"`{field.name}`")

        assert list(field.aliases) == re.findall(r"`(\w+)`", others)

    def test_its_examples_can_be_asked(self) -> None:
        examples = [item for row in self.rows() for item in re.findall("`([^`]+)`", row[0])]

        assert len(examples) > 20
        for example in examples:
            parse_query(example)

    @pytest.mark.parametrize("number", [MAX_TEXT, MAX_WORDS, MAX_VALUES])
    def test_states_the_limits(self, number: int) -> None:
        assert f"{number:,} " in self.TEXT.split("## Limits")[1]

    @pytest.mark.parametrize("sort", ["relevance", *SORTS])
    def test_has_every_order(self, sort: str) -> None:
        assert f"`{sort}`" in self.TEXT.split("## Order")[1] or f"--sort {sort}`" in self.TEXT
