"""Direct invocations of `publish` with anything: a report, or an error that says what is wrong."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.scenes import check_alive, scene
from tests.fuzz.shapes import JSON, value

PUBLICATION = st.fixed_dictionaries(
    {}, optional={name: value(name) for name in ("room", "message", "user", "cid", "id", "action")}
)


@settings(max_examples=100, deadline=None)
@given(events=st.lists(JSON | PUBLICATION, min_size=1, max_size=4))
def test_a_back_end_gets_a_report_or_an_error(events: list[Any]) -> None:
    with scene() as chat:
        alice = chat.join("alice")

        for event in events:
            outcome = chat.client.invoke("publish", event)
            assert outcome.error is None
            assert "seq" in outcome.payload or outcome.payload["error"]["code"] != "internal"

        check_alive(alice)
