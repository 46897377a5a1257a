"""What changed upstream, sync after sync."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mirror.catalog.record.events import MAX_EVENTS, find_events, gated_of
from mirror.catalog.record.metadata import Event
from mirror.store import Observation


def at(day: int) -> str:
    return f"2026-01-{day:02}T00:00:00Z"


def test_every_change_is_an_event() -> None:
    history = (
        Observation(at(1), license="mit", gated=False, downloads=5),
        Observation(at(2), license="mit", gated=False, downloads=9),
        Observation(at(3), license="apache-2.0", gated="manual"),
        Observation(at(4), "gone", detail="404 Not Found"),
        Observation(at(5), "gone", detail="404 Not Found"),
        Observation(at(6), license="apache-2.0", gated="manual"),
    )

    assert find_events(history) == (
        Event(at(3), "gated", "no", "manual"),
        Event(at(3), "license", "mit", "apache-2.0"),
        Event(at(4), "state", "ok", "gone", "404 Not Found"),
        Event(at(6), "state", "gone", "ok"),
    )


def test_a_repo_that_was_never_there_is_gone_at_once() -> None:
    assert find_events((Observation(at(1), "gone"),)) == (Event(at(1), "state", "ok", "gone"),)


def test_what_is_seen_for_the_first_time_has_not_changed() -> None:
    assert find_events((Observation(at(1), license="mit", gated="auto"),)) == ()
    assert find_events(()) == ()


def test_the_gate_is_the_one_that_was_seen_last() -> None:
    opened = (Observation(at(1), gated="manual"), Observation(at(2), gated=False))

    assert gated_of("auto", ()) == "auto"
    assert gated_of(True, ()) == "auto"
    assert gated_of("auto", opened[:1]) == "manual"
    assert gated_of("auto", opened) is None
    assert gated_of("auto", (Observation(at(3), "gone"),)) == "auto"
    assert gated_of(["manual"], ()) is None


def test_an_endless_history_keeps_its_end() -> None:
    history = [Observation(at(1), license=f"l{i}") for i in range(MAX_EVENTS + 50)]
    found = find_events(history)

    assert len(found) == MAX_EVENTS
    assert found[-1].after == history[-1].license


@given(
    st.lists(
        st.builds(
            Observation,
            time=st.text(max_size=30),
            state=st.sampled_from(["ok", "gone", "gated"]),
            license=st.none() | st.text(max_size=5),
            gated=st.none() | st.booleans() | st.text(max_size=5) | st.integers(),  # type: ignore[arg-type]
            detail=st.none() | st.text(max_size=5),
        ),
        max_size=10,
    )
)
def test_events_are_changes_whatever_was_seen(history: list[Observation]) -> None:
    for event in find_events(history):
        assert event.before != event.after
        assert "\0" not in event.time
