from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.api.selection_text import (
    add_entry,
    describe_entry,
    find_entries,
    remove_entries,
    starter_text,
)
from mirror.errors import NotFoundError, SettingsError, UsageError
from mirror.names import RepoType
from mirror.settings import DEFAULT_ENDPOINT, Settings, parse_settings

#: Tables that alternate, comments everywhere, a list over several lines.
LIVED_IN = """\
# Our mirror. Ask Minji before you add anything large.
[upstream]  # the company proxy
endpoint = "https://hub.example.org"

# Korean
[[datasets]]
id = "klue/klue"   # benchmark

# for the vision team
[[models]]
id = "google/vit"
include = [
    "*.json",   # not the weights
    # "*.safetensors",
]
# end of vit

# tiny
[[datasets]]
id = "acme/tiny"

# --- rules ---
[policy]
gated = "deny"
"""


def remove(text: str, name: str) -> str:
    places = find_entries(parse_settings(text), name, "mirror.toml")
    return remove_entries(text, places, "mirror.toml")


def comments(text: str) -> list[str]:
    return re.findall("#.*", text)


class TestStarter:
    def test_is_the_default_settings(self) -> None:
        assert Settings() == parse_settings(starter_text())

    def test_every_example_in_it_is_valid(self) -> None:
        text = re.sub(r"^# (?=(\w+ = |\[\[))", "", starter_text(), flags=re.MULTILINE)

        settings = parse_settings(text)

        assert ("klue/klue", None) == tuple(entry.id for entry in settings.datasets)
        assert 50_000_000 == settings.transfer.bandwidth
        assert "deny" == settings.policy.gated

    def test_shows_the_default_where_it_says_so(self) -> None:
        text = re.sub(
            r"^# (workers|connections|retries|max_wait|keep)", r"\1", starter_text(), flags=re.M
        )

        assert Settings() == parse_settings(text)

    def test_takes_another_endpoint(self) -> None:
        text = starter_text("https://hub.example.org/")

        assert "https://hub.example.org" == parse_settings(text).upstream.endpoint
        assert DEFAULT_ENDPOINT not in text

    def test_refuses_an_endpoint_that_is_no_url(self) -> None:
        with pytest.raises(SettingsError, match="expected a URL"):
            starter_text('hub"')


class TestAdd:
    def test_appends_and_changes_nothing_else(self) -> None:
        entry = {"id": "klue/roberta-base", "exclude": ("*.bin", "*.h5"), "max_size": "5 GB"}

        text = add_entry(LIVED_IN, RepoType.MODEL, entry, "mirror.toml")

        assert (
            LIVED_IN + '\n[[models]]\nid = "klue/roberta-base"\n'
            'exclude = ["*.bin", "*.h5"]\nmax_size = "5 GB"\n'
        ) == text

    def test_a_query(self) -> None:
        entry = {"language": ("ko",), "limit": 100, "author": None}

        text = add_entry("", RepoType.DATASET, entry, "mirror.toml")

        assert '[[datasets]]\nlanguage = "ko"\nlimit = 100\n' == text

    def test_a_file_without_a_last_newline(self) -> None:
        text = add_entry("# mine", RepoType.MODEL, {"id": "gpt2"}, "mirror.toml")

        assert '# mine\n\n[[models]]\nid = "gpt2"\n' == text

    @pytest.mark.parametrize(
        "entry",
        [
            {"id": "klue/klue"},
            {"id": "klue/klue", "revision": "main", "exclude": "*.bin"},
            {"id": "klue/klue", "revisions": ("v1", "main")},
        ],
    )
    def test_refuses_what_is_selected_already(self, entry: dict[str, object]) -> None:
        with pytest.raises(UsageError, match=r"selected already: entry datasets\.1") as caught:
            add_entry(LIVED_IN, RepoType.DATASET, entry, "mirror.toml")

        assert "mirror remove datasets.1" in str(caught.value.hint)

    def test_takes_another_revision_of_the_same_repo(self) -> None:
        entry = {"id": "klue/klue", "revision": "v1"}

        text = add_entry(LIVED_IN, RepoType.DATASET, entry, "mirror.toml")

        assert ["klue/klue", "acme/tiny", "klue/klue"] == [
            entry.id for entry in parse_settings(text).datasets
        ]

    def test_refuses_the_same_query_twice(self) -> None:
        text = add_entry("", RepoType.MODEL, {"author": "acme"}, "mirror.toml")

        with pytest.raises(UsageError, match=r"models\.1"):
            add_entry(text, RepoType.MODEL, {"author": "acme"}, "mirror.toml")

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ({"id": "a/b/c"}, "not a repo id"),
            ({"id": "a/b", "author": "acme"}, "exclude each other"),
            ({"limit": 5}, "expected an id, or a query"),
            ({"id": "a/b", "max_size": "much"}, "expected a size"),
            ({"id": "a/b", "exlude": "*"}, "unknown key"),
        ],
    )
    def test_refuses_an_entry_that_is_none(self, entry: dict[str, object], message: str) -> None:
        with pytest.raises(SettingsError, match=message):
            add_entry(LIVED_IN, RepoType.MODEL, entry, "mirror.toml")

    def test_says_what_is_wrong_with_the_file_itself(self) -> None:
        with pytest.raises(SettingsError, match=r"/srv/mirror\.toml: not valid TOML"):
            add_entry("[[models", RepoType.MODEL, {"id": "gpt2"}, "/srv/mirror.toml")

    def test_gives_the_lines_where_it_cannot_edit(self) -> None:
        text = 'models = [{ id = "gpt2" }]\n'

        with pytest.raises(SettingsError, match="laid out in a way") as caught:
            add_entry(text, RepoType.MODEL, {"id": "acme/tiny"}, "mirror.toml")

        assert '[[models]]\nid = "acme/tiny"' in str(caught.value.hint)

    @given(st.lists(st.text(min_size=1), min_size=1, unique=True))
    def test_any_pattern_comes_back(self, patterns: list[str]) -> None:
        entry = {"id": "gpt2", "include": tuple(patterns)}

        text = add_entry(LIVED_IN, RepoType.MODEL, entry, "mirror.toml")

        assert tuple(patterns) == parse_settings(text).models[1].include


class TestRemove:
    def test_takes_the_entry_out_and_leaves_the_comments(self) -> None:
        text = remove(LIVED_IN, "models/google/vit")

        assert (
            LIVED_IN.replace('[[models]]\nid = "google/vit"\n', "")
            .replace('include = [\n    "*.json",   # not the weights\n', "")
            .replace('    # "*.safetensors",\n]\n', "")
        ) == text

    @pytest.mark.parametrize(
        ("name", "left"),
        [
            ("klue/klue", ["acme/tiny"]),
            ("datasets/klue/klue", ["acme/tiny"]),
            ("datasets.1", ["acme/tiny"]),
            ("datasets.2", ["klue/klue"]),
        ],
    )
    def test_finds_it_by_id_and_by_place(self, name: str, left: list[str]) -> None:
        settings = parse_settings(remove(LIVED_IN, name))

        assert left == [entry.id for entry in settings.datasets]
        assert parse_settings(LIVED_IN).models == settings.models
        assert parse_settings(LIVED_IN).policy == settings.policy

    def test_takes_out_every_entry_of_a_repo(self) -> None:
        text = add_entry(
            LIVED_IN, RepoType.DATASET, {"id": "klue/klue", "revision": "v1"}, "mirror.toml"
        )

        assert ["acme/tiny"] == [
            entry.id for entry in parse_settings(remove(text, "klue/klue")).datasets
        ]

    @pytest.mark.parametrize(
        "name", ["klue/klu", "datasets.3", "models/klue/klue", "spaces", "../x"]
    )
    def test_says_what_is_there(self, name: str) -> None:
        with pytest.raises(NotFoundError) as caught:
            remove(LIVED_IN, name)

        assert "datasets.1  klue/klue" in str(caught.value.hint)
        assert "models.1  google/vit include=*.json" in str(caught.value.hint)

    def test_asks_which_when_two_types_have_the_id(self) -> None:
        text = add_entry(LIVED_IN, RepoType.MODEL, {"id": "klue/klue"}, "mirror.toml")

        with pytest.raises(UsageError) as caught:
            remove(text, "klue/klue")

        assert "write one of datasets/klue/klue, models/klue/klue" == caught.value.hint

    def test_refuses_what_it_cannot_edit(self) -> None:
        with pytest.raises(SettingsError) as caught:
            remove('models = [{ id = "gpt2" }]\n', "gpt2")

        assert "take out by hand: models.1" == caught.value.hint

    def test_keeps_windows_line_ends(self) -> None:
        text = LIVED_IN.replace("\n", "\r\n")

        assert remove(LIVED_IN, "acme/tiny").replace("\n", "\r\n") == remove(text, "acme/tiny")


_NAMES = ["acme/one", "acme/two", "acme/three", "four", "five-5/x.y_z"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(RepoType)),
            st.sampled_from(_NAMES),
            st.sampled_from([{}, {"include": ("a]", "[[models]]")}, {"revision": "v1"}]),
        ),
        unique_by=lambda item: item[:2],
        max_size=6,
    ),
    st.data(),
)
def test_add_then_remove_in_any_order_gives_the_same_comments_and_settings(
    entries: list[tuple[RepoType, str, dict[str, object]]], data: st.DataObject
) -> None:
    text = LIVED_IN
    for kind, name, more in entries:
        text = add_entry(text, kind, {"id": name, **more}, "mirror.toml")
    for kind, name, _ in data.draw(st.permutations(entries)):
        text = remove(text, f"{kind.plural}/{name}")

    assert parse_settings(LIVED_IN) == parse_settings(text)
    assert comments(LIVED_IN) == comments(text)


def test_an_entry_in_one_line() -> None:
    settings = parse_settings('[[datasets]]\nlanguage = ["ko", "en"]\nlimit = 5\n')

    assert "language=ko,en limit=5" == describe_entry(settings.datasets[0])
