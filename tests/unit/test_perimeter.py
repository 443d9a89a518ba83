"""Where requests come from: nobody makes it up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import Forbidden
from chalicelib.perimeter import Perimeter
from chalicelib.settings import IdentitySettings

OLD, NEW = "o" * 32, "n" * 32
VIEWER, EDGE = "192.0.2.7", "130.176.100.154"
OPEN = Perimeter(IdentitySettings())
BEHIND = Perimeter(IdentitySettings(origin_secrets=(OLD, NEW)))


@pytest.mark.parametrize("name", ["X-Origin-Verify", "x-origin-verify", "X-ORIGIN-VERIFY"])
@pytest.mark.parametrize("secret", [OLD, NEW])
def test_what_came_through_cloudfront_is_let_in(name: str, secret: str) -> None:
    BEHIND.admit({"Host": "x", name: secret})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Origin-Verify": ""},
        {"X-Origin-Verify": "x" * 32},
        {"X-Origin-Verify": f"{OLD},{NEW}"},
        {"X-Origin-Verify": OLD + "é"},
        {"X-Origin-Verify": "\ud800"},
        {"X-Other": OLD},
    ],
)
def test_what_came_past_it_is_not(headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden, match="this address is not for direct requests"):
        BEHIND.admit(headers)


def test_without_a_secret_everything_is_let_in() -> None:
    OPEN.admit({})


@pytest.mark.parametrize("origin", [None, "https://chat.example", "http://127.0.0.1:8000"])
def test_pages_of_allowed_origins_may_connect_and_what_is_no_browser(origin: str | None) -> None:
    allowed = frozenset({"https://chat.example", "http://127.0.0.1:8000"})

    Perimeter(IdentitySettings(allowed_origins=allowed)).check_origin(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "https://evil.example",
        "https://chat.example.evil.example",
        "http://chat.example",
    ],
)
def test_pages_of_other_origins_may_not(origin: str) -> None:
    perimeter = Perimeter(IdentitySettings(allowed_origins=frozenset({"https://chat.example"})))

    with pytest.raises(Forbidden, match="pages of this origin may not connect"):
        perimeter.check_origin(origin)
    OPEN.check_origin(origin)


@pytest.mark.parametrize(
    ("source_ip", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", "unknown"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_a_household_has_one_address(source_ip: str, address: str) -> None:
    assert OPEN.address({}, source_ip) == address


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (f"{VIEWER}, {EDGE}", VIEWER),
        (f"10.0.0.1, {VIEWER}, {EDGE}", VIEWER),
        (f"{EDGE}, {VIEWER}, {EDGE}", VIEWER),
        (f"10.0.0.1,{VIEWER},{EDGE}", VIEWER),
        ("2001:db8:1:2:3:4:5:6, " + EDGE, "2001:db8:1:2::/64"),
        (VIEWER, VIEWER),
        (f"10.0.0.1, {VIEWER}", VIEWER),
        (EDGE, EDGE),
        ("", EDGE),
        (", ", EDGE),
    ],
)
def test_behind_cloudfront_the_viewers_address_counts(forwarded: str, address: str) -> None:
    assert BEHIND.address({"X-Forwarded-For": forwarded}, EDGE) == address


def test_without_cloudfront_nobody_says_whom_they_are_forwarded_for() -> None:
    assert OPEN.address({"X-Forwarded-For": f"10.0.0.1, {EDGE}"}, VIEWER) == VIEWER


@given(st.text(max_size=60))
def test_what_a_viewer_sends_changes_nothing(sent: str) -> None:
    forwarded = f"{sent}, {VIEWER}, {EDGE}"

    assert BEHIND.address({"X-Forwarded-For": forwarded}, EDGE) == VIEWER


@given(st.text(max_size=60))
def test_anything_is_an_address(text: str) -> None:
    assert len(BEHIND.address({"x-forwarded-for": text}, text)) <= 64
