"""Labels, images and sounds that a card states of columns."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mirror.serve.viewer.card import stated_features, with_stated

CARD = """
dataset_info:
- config_name: ko
  features:
  - name: label
    dtype:
      class_label:
        names:
          '0': 부정
          '1': 긍정
          '10': k
          '2': c
          '3': d
          '4': e
          '5': f
          '6': g
          '7': h
          '8': i
          '9': j
  - name: photo
    dtype: image
  - name: text
    dtype: string
- features:
  - {name: sound, dtype: audio}
"""


def test_a_card_states_labels_in_the_order_of_their_numbers() -> None:
    found = stated_features(yaml.safe_load(CARD), {})
    names = ["부정", "긍정", "c", "d", "e", "f", "g", "h", "i", "j", "k"]
    assert {
        "ko": {"label": {"names": names, "_type": "ClassLabel"}, "photo": {"_type": "Image"}},
        "default": {"sound": {"_type": "Audio"}},
    } == found


def test_infos_are_read_where_the_card_is_silent() -> None:
    features = {"label": {"num_classes": 2, "names": ["no", "yes"], "_type": "ClassLabel"}}
    infos = {"old": {"features": features}, "ko": {"features": features}}
    found = stated_features(yaml.safe_load(CARD), infos)
    assert ["no", "yes"] == found["old"]["label"]["names"]
    assert 11 == len(found["ko"]["label"]["names"])


@pytest.mark.parametrize(
    ("kind", "fits"),
    [("int64", True), ("uint8", True), ("string", False), ("float64", False)],
)
def test_labels_stand_for_whole_numbers_only(kind: str, fits: bool) -> None:
    column = {"dtype": kind, "_type": "Value"}
    label = {"names": ["a"], "_type": "ClassLabel"}
    assert {"x": label if fits else column} == with_stated({"x": column}, {"x": label})


def test_images_stand_for_their_bytes_only() -> None:
    image = {"_type": "Image"}
    binary = {"dtype": "binary", "_type": "Value"}
    text = {"dtype": "string", "_type": "Value"}
    told = {"a": {"bytes": binary, "path": text}, "b": binary, "c": text, "d": {"e": text}}
    expected = {"a": image, "b": image, "c": text, "d": {"e": text}}
    assert expected == with_stated(told, dict.fromkeys("abcd", image))


TREES: Any = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["ClassLabel", "image"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["features", "names", "dtype", "class_label", "_type", "name", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(TREES, TREES)
def test_any_card_is_read(card: Any, infos: Any) -> None:
    found = stated_features({"dataset_info": card}, infos if isinstance(infos, dict) else {})
    for stated in found.values():
        with_stated({"x": {"dtype": "int64", "_type": "Value"}, "names": {}}, stated)
