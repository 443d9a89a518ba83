"""Small documents over HTTP: bounded in size and in time, whatever the server does."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from chalicelib.downloads import MAX_BYTES, download
from chalicelib.errors import Unavailable
from tests.unit.issuers import IssuerServer, answer


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    with IssuerServer() as server:
        yield server


def refusal(url: str, seconds: float = 3.0) -> BaseException:
    """Return why a download failed."""
    with pytest.raises(Unavailable) as caught:
        download(url, seconds=seconds)
    assert caught.value.message == "the identity provider is busy or unavailable: try again"
    assert caught.value.__cause__ is not None
    return caught.value.__cause__


@pytest.mark.parametrize("path", ["/x", "/x?y=1", "/"])
def test_a_document_is_read(server: IssuerServer, path: str) -> None:
    server.issuer.documents[path] = b"{}"

    assert download(server.issuer.url + path) == b"{}"


def test_a_document_may_be_as_large_as_it_may_be(server: IssuerServer) -> None:
    server.issuer.documents["/x"] = b"x" * MAX_BYTES
    server.issuer.documents["/y"] = b"y" * (MAX_BYTES + 1)

    assert len(download(server.issuer.url + "/x")) == MAX_BYTES
    assert "262144 bytes" in str(refusal(server.issuer.url + "/y"))


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 308, 404, 500, 503])
def test_only_an_answer_counts_and_a_redirect_is_none(server: IssuerServer, status: int) -> None:
    location = server.issuer.url + "/elsewhere"
    server.faults["/x"] = partial(answer, body=b"", status=status, Location=location)

    assert str(status) in str(refusal(server.issuer.url + "/x"))
    assert server.paths == ["/x"]


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_server_without_end_is_given_up_in_time(server: IssuerServer, fault: str) -> None:
    server.faults["/x"] = getattr(server, fault)
    before = time.monotonic()

    cause = refusal(server.issuer.url + "/x", seconds=0.3)

    assert isinstance(cause, TimeoutError)
    assert time.monotonic() - before < 2


def test_no_thread_stays_with_a_server_that_was_given_up(server: IssuerServer) -> None:
    server.faults["/x"] = server.drip
    refusal(server.issuer.url + "/x", seconds=0.2)

    deadline = time.monotonic() + 5
    while any(thread.name.startswith("download") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_name_whose_look_up_takes_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def resolve(*_: object, **__: object) -> list[object]:
        over.wait(20)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    cause = refusal("https://issuer.example/x", seconds=0.1)
    over.set()

    assert isinstance(cause, TimeoutError)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "keys",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "https://",
        "http://127.0.0.1:99999/x",
        "http://127.0.0.1:x/x",
        "http://[::1/x",
        "http://127.0.0.1:1/x",
        "http://127.0.0.1/ x",
        "http://127.0.0.1/é",
        "http://a..b/x",
    ],
)
def test_a_url_that_is_none_or_leads_nowhere_is_an_answer_that_failed(url: str) -> None:
    refusal(url)


def test_a_server_that_does_not_speak_http_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def speak() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"220 mail.example\r\n")

        thread = threading.Thread(target=speak)
        thread.start()
        refusal(f"http://127.0.0.1:{port}/x")
        thread.join()


def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    with IssuerServer(tls=True) as server:
        server.issuer.documents["/x"] = b"{}"

        cause = refusal(server.issuer.url.replace("http:", "https:") + "/x")

    assert isinstance(cause, ssl.SSLCertVerificationError)
    assert server.paths == []
