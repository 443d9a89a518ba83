"""The page's files and its configuration."""

from pathlib import Path

import pytest

from chalicelib.pages import configuration, page_headers, read_pages
from chalicelib.settings import Settings


def settings(*, endpoint: str | None = None, url: str | None = None) -> Settings:
    return Settings(
        connections_table="c",
        messages_table="m",
        memberships_table="s",
        accounts_table="a",
        deliveries_queue="d",
        dead_letter_queue="u",
        management_endpoint=endpoint,
        websocket_url=url,
    )


def test_the_files_of_a_folder_are_pages_by_name(tmp_path: Path) -> None:
    for name in ("index.html", "app.js", "style.css", "icon.svg", "notes.txt", "app.js~"):
        (tmp_path / name).write_text(f"é {name}", encoding="utf-8")
    (tmp_path / "sub").mkdir()

    pages = read_pages(tmp_path, {})

    assert {name: page.headers["Content-Type"] for name, page in pages.items()} == {
        "app.js": "text/javascript; charset=utf-8",
        "icon.svg": "image/svg+xml",
        "index.html": "text/html; charset=utf-8",
        "style.css": "text/css; charset=utf-8",
    }
    assert pages["app.js"].body == "é app.js"


def test_pages_carry_the_headers_that_keep_them_safe(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("", encoding="utf-8")

    page = read_pages(tmp_path, page_headers(settings()))["index.html"]

    assert dict(page.headers) == {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Strict-Transport-Security": "max-age=31536000",
        "Cache-Control": "no-cache",
    }


@pytest.mark.parametrize(
    ("endpoint", "url", "sources"),
    [
        (
            None,
            "wss://a1.execute-api.eu-west-1.amazonaws.com/api",
            "'self' wss://a1.execute-api.eu-west-1.amazonaws.com",
        ),
        (None, "wss://chat.example:8443", "'self' wss://chat.example:8443"),
        ("http://127.0.0.1:8000/api", "ws://localhost:9000/api", "'self' ws://localhost:9000"),
        ("http://127.0.0.1:8000/api", None, "'self'"),
        ("http://[::1]:8000/api", None, "'self'"),
        ("https://emulator.test/_aws/api", None, "'self' wss://emulator.test"),
        (None, None, "'self'"),
    ],
)
def test_the_page_may_connect_to_its_own_server_only(
    endpoint: str | None, url: str | None, sources: str
) -> None:
    policy = page_headers(settings(endpoint=endpoint, url=url))["Content-Security-Policy"]

    assert f"; connect-src {sources}; " in policy


@pytest.mark.parametrize(
    ("endpoint", "host", "url"),
    [
        (None, "localhost:8000", None),
        ("http://127.0.0.1:8000/api", "127.0.0.1:8000", "ws://127.0.0.1:8000/api"),
        ("http://127.0.0.1:8000/api", "192.168.1.7:8000", "ws://192.168.1.7:8000/api"),
        ("http://localhost:8000/api", "laptop.local:8000", "ws://laptop.local:8000/api"),
        ("http://[::1]:8000/api", "[fe80::1]:8000", "ws://[fe80::1]:8000/api"),
        ("http://127.0.0.1:8000/api", None, "ws://127.0.0.1:8000/api"),
        ("http://127.0.0.1:8000/api", "evil/path@x", "ws://127.0.0.1:8000/api"),
        ("http://127.0.0.1:8000/api", "", "ws://127.0.0.1:8000/api"),
        ("https://emulator.test/_aws/api", "localhost:8000", "wss://emulator.test/_aws/api"),
    ],
)
def test_the_websocket_is_where_the_emulator_is(
    endpoint: str | None, host: str | None, url: str | None
) -> None:
    assert configuration(settings(endpoint=endpoint), host)["websocket_url"] == url


def test_the_url_of_the_setting_wins() -> None:
    told = configuration(
        settings(endpoint="http://127.0.0.1:8000/api", url="wss://chat.example"), "localhost"
    )

    assert told == {
        "websocket_url": "wss://chat.example",
        "guests": False,
        "registration": True,
        "external": False,
        "lobby": "lobby",
        "limits": {"message": 8000, "subscriptions": 100, "presence": 100},
    }
