"""Sentences in Korean and English, made from templates: the same ones in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_KO_THINGS = (
    "이 영화는", "이 노트북은", "이 식당은", "주문한 이어폰은", "새로 산 운동화는", "이 책은",
    "어제 본 공연은", "이 청소기는", "여행 때 묵은 숙소는", "이 커피는",
)  # fmt: skip
_KO_GOOD = (
    "정말 마음에 듭니다", "무척 만족했어요", "주변에 추천하고 싶어요", "값이 아깝지 않아요",
    "별 다섯 개를 드립니다", "다시 찾고 싶어요",
)  # fmt: skip
_KO_BAD = (
    "실망스러웠습니다", "돈이 아까워요", "추천하고 싶지 않아요", "많이 아쉽습니다",
    "별 한 개도 아깝습니다", "다시 찾지는 않을래요",
)  # fmt: skip
_KO_WHY_GOOD = ("기대 이상이라", "정성이 느껴져서", "생각보다 훌륭해서", "흠잡을 데가 없어서")
_KO_WHY_BAD = ("설명과 달라서", "완성도가 낮아서", "기대보다 못해서", "값에 비해 부족해서")

_EN_THINGS = (
    "This film", "The laptop", "The restaurant", "These headphones", "My new shoes", "This novel",
    "Last night's concert", "The vacuum cleaner", "The guest house", "This coffee",
)  # fmt: skip
_EN_GOOD = (
    "made my week", "was far better than I expected", "is worth every penny", "delighted me",
    "gets a warm recommendation from me", "would be my choice again",
)  # fmt: skip
_EN_BAD = (
    "was a disappointment", "is a waste of money", "did not live up to the promise",
    "left me cold", "will get no second chance from me", "is not worth the trouble",
)  # fmt: skip
_EN_WHY_GOOD = ("the quality is excellent", "someone took great care", "every detail is right")
_EN_WHY_BAD = ("it was nothing like the description", "it felt unfinished", "it cost too much")

_CITIES = ("서울", "부산", "대전", "광주", "인천", "수원", "제주", "전주")
_PEOPLE = ("김하늘", "이도윤", "박서연", "최지우", "정민준", "한소율")
_PLACES = ("시립 도서관", "과학관", "중앙 시장", "대학교", "박물관", "기차역")


class Review(NamedTuple):
    """One row of the review data set. ``label``: 0 negative, 1 positive."""

    id: str
    text: str
    label: int
    rating: int
    category: str


class Question(NamedTuple):
    """One row of the question answering data set, SQuAD style."""

    id: str
    context: str
    question: str
    answer: str
    start: int


_CATEGORIES = (
    "film", "electronics", "food", "electronics", "fashion", "books", "stage", "home", "travel",
    "food",
)  # fmt: skip


def reviews(language: str, split: str, count: int) -> Iterator[Review]:
    """Give ``count`` reviews in ``ko`` or ``en``; positive and negative by turns."""
    random_ = random.Random(f"{language}-{split}")
    things = _KO_THINGS if language == "ko" else _EN_THINGS
    for number in range(count):
        label = number % 2
        at = random_.randrange(len(things))
        text = _sentence(language, things[at], label, random_)
        rating = random_.choice((4, 5) if label else (1, 2))
        yield Review(f"{language}-{split}-{number:04}", text, label, rating, _CATEGORIES[at])


def _sentence(language: str, thing: str, label: int, random_: random.Random) -> str:
    def one(bad: Sequence[str], good: Sequence[str]) -> str:
        return random_.choice(good if label else bad)

    if language == "ko":
        why = one(_KO_WHY_BAD, _KO_WHY_GOOD)
        return f"{thing} {why} {one(_KO_BAD, _KO_GOOD)}."
    return f"{thing} {one(_EN_BAD, _EN_GOOD)}: {one(_EN_WHY_BAD, _EN_WHY_GOOD)}."


def questions(split: str, count: int) -> Iterator[Question]:
    """Give ``count`` Korean questions, each with a context that holds the answer."""
    random_ = random.Random(split)
    for number in range(count):
        person, city = random_.choice(_PEOPLE), random_.choice(_CITIES)
        place, year = random_.choice(_PLACES), random_.randrange(1990, 2026)
        context = f"{person} 씨는 {year}년부터 {city}에 있는 {place}에서 일하고 있다."
        question, answer = random_.choice(
            [
                (f"{person} 씨가 일하는 도시는 어디인가?", city),
                (f"{person} 씨는 몇 년부터 일했는가?", f"{year}년"),
                (f"{city}에서 일하는 사람은 누구인가?", person),
            ]
        )
        yield Question(f"{split}-{number:04}", context, question, answer, context.index(answer))


def plain_text(languages: Sequence[str]) -> list[str]:
    """Give sentences to build a vocabulary from."""
    texts = [row.text for language in languages for row in reviews(language, "train", 300)]
    if "ko" in languages:
        texts += [row.context for row in questions("train", 100)]
    if "ja" in languages:
        texts += ["この映画はとても面白かったです。", "ソウルの図書館で働いています。"]
    if "zh" in languages:
        texts += ["这家餐厅的菜很好吃。", "他在首尔的图书馆工作。"]
    return texts
