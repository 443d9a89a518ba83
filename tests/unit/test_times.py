"""Times as the protocol writes them."""

import pytest

from chalicelib.times import iso


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_767_323_045.678, "2026-01-02T03:04:05.678Z"),
        (1.0004, "1970-01-01T00:00:01.000Z"),
    ],
)
def test_times_are_iso_8601_in_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert iso(seconds) == text
