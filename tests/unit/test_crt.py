"""CrtGateway against real HTTP servers on loopback that misbehave on request."""

import asyncio
import contextlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

import pytest
from awscrt.auth import AwsCredentialsProvider
from awscrt.io import ClientTlsContext, TlsContextOptions
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.credentials import Credentials
from botocore.session import Session

from bench.endpoint import CERTIFICATE, write_certificate
from chalicelib import crt, exchanges, pools
from chalicelib.backoff import Backoff
from chalicelib.crt import CrtGateway
from chalicelib.exchanges import MAX_FRAME
from chalicelib.gateway import Outcome, Post, Recipient
from chalicelib.models import ConnectionId
from chalicelib.pacing import Pace

DELIVERED, GONE = Outcome.DELIVERED, Outcome.GONE
RETRYABLE, REFUSED = Outcome.RETRYABLE, Outcome.REFUSED

# Long enough never to pass in a healthy run, short enough not to hang a broken one.
PATIENCE = 20.0

ATTEMPTS = 4
AT_ONCE = Backoff(
    clock=time.monotonic, sleep=time.sleep, random=lambda: 0.0, attempts=ATTEMPTS, base=0.05
)
ONCE = replace(AT_ONCE, attempts=1)


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    on_connection: int  # how many this connection carried before

    @property
    def connection_id(self) -> str:
        return unquote(self.target.rpartition("/")[2])


@dataclass
class Server:
    """Answers as the connection id says: a status, or one of the faults in `_misbehave`."""

    ssl_context: ssl.SSLContext | None = None
    hold_until: int = 0  # how many `hold` requests must be in flight before they are answered
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    disconnections: int = 0
    peak: int = 0

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._held: list[asyncio.Event] = []
        self._in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(PATIENCE)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(PATIENCE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def release(self) -> None:
        """Answer the held requests, and those still to come."""

        def answer() -> None:
            self.hold_until = 0
            self._let_go()

        self._loop.call_soon_threadsafe(answer)

    def wait_for(self, condition: Callable[["Server"], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), PATIENCE)

    async def _stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _ in range(3):  # transports close in the loop's next rounds
            await asyncio.sleep(0)

    def _let_go(self) -> None:
        for event in self._held:
            event.set()
        self._held.clear()

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        with self._changed:
            yield
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        with self._change():
            self.connections += 1
        try:
            if self.ssl_context:  # here and not in the listener, which forgets failed handshakes
                await writer.start_tls(self.ssl_context)
            await self._converse(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()
            with self._change():
                self.disconnections += 1

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for count in range(10_000):
            request = await self._read(reader, count)
            self._in_flight += 1
            try:
                with self._change():
                    self.requests.append(request)
                    self.peak = max(self.peak, self._in_flight)
                keep_alive = await self._answer(request, reader, writer)
            finally:
                self._in_flight -= 1
            if not keep_alive:
                return

    async def _read(self, reader: asyncio.StreamReader, count: int) -> Request:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        method, target, _ = first.split(" ")
        # Only a GET may leave it out: without one, the rest of a POST would look like a request.
        length = headers["content-length"] if method == "POST" else "0"
        return Request(method, target, headers, await reader.readexactly(int(length)), count)

    async def _answer(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        match self._fate(request):
            case ["204", *_]:
                reply = "HTTP/1.1 204 No Content\r\n\r\n"
            case [status, *_] if status.isdigit():
                extra = "location: /elsewhere\r\n" if status.startswith("3") else ""
                reply = f"HTTP/1.1 {status} x\r\n{extra}content-length: 2\r\n\r\n{{}}"
            case ["closing", *_]:
                reply = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            case ["hold", *_]:
                event = asyncio.Event()
                self._held.append(event)
                if len(self._held) >= self.hold_until:
                    self._let_go()
                await event.wait()
                reply = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
            case ["once", *_] if not request.on_connection:
                reply = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
            case fault:
                return await self._misbehave(fault[0], reader, writer)
        writer.write(reply.encode())
        return "connection: close" not in reply

    def _fate(self, request: Request) -> list[str]:
        """Split the id; what is after "first-<n>-" holds for that many requests, then it is 200."""
        match request.connection_id.split("-"):
            case ["first", count, *fate]:
                so_far = sum(each.target == request.target for each in self.requests)
                return fate if so_far <= int(count) else ["200"]
            case fate:
                return fate

    async def _misbehave(
        self, fault: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        writer.write(
            {
                "garbage": b"\x00\x01 what?\r\n\r\n",
                "header": b"HTTP/1.1 200 OK\r\nx-slow: ",
                "body": b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
                "short": b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
            }.get(fault, b"")
        )
        if fault in {"hang", "header", "body"}:
            await reader.read()  # until the client closes
        return False


@pytest.fixture(autouse=True)
def _measure_callbacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coverage does not see threads that C started, unless told by a function that they run."""
    keep = pools._keep_thread_state

    def keep_and_trace() -> None:
        keep()
        if sys.gettrace() is None:
            sys.settrace(threading.gettrace())

    monkeypatch.setattr(pools, "_keep_thread_state", keep_and_trace)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def gateway() -> Iterator[Callable[..., CrtGateway]]:
    made = []

    def make(**options: Any) -> CrtGateway:
        provider = AwsCredentialsProvider.new_static("AKIDEXAMPLE", "secret", "token")
        made.append(
            CrtGateway(
                **{
                    "region": "eu-west-1",
                    "credentials_provider": provider,
                    "timeout": PATIENCE,
                    "backoff": AT_ONCE,
                    **options,
                }
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def to(endpoint: str, *ids: str, frame: bytes = b"{}") -> list[Post]:
    return [Post(endpoint, ConnectionId(each), frame) for each in ids]


def of(endpoint: str, *ids: str) -> list[Recipient]:
    return [Recipient(endpoint, ConnectionId(each)) for each in ids]


@pytest.mark.parametrize(
    ("connection_id", "outcome"),
    [
        ("200", DELIVERED),
        ("202", DELIVERED),
        ("closing", DELIVERED),
        ("short", DELIVERED),
        ("302", REFUSED),
        ("400", REFUSED),
        ("403", REFUSED),
        ("404", REFUSED),
        ("413", REFUSED),
        ("410", GONE),
        ("429", RETRYABLE),
        ("500", RETRYABLE),
        ("503", RETRYABLE),
        ("reset", RETRYABLE),
        ("garbage", RETRYABLE),
    ],
)
def test_each_answer_has_its_outcome(
    server: Server, gateway: Callable[..., CrtGateway], connection_id: str, outcome: Outcome
) -> None:
    assert gateway().post(to(server.endpoint, connection_id)) == [outcome]

    assert len(server.requests) == (ATTEMPTS if outcome is RETRYABLE else 1)


@pytest.mark.parametrize(
    ("connection_id", "outcome"),
    [
        ("200", DELIVERED),
        ("closing", DELIVERED),
        ("short", DELIVERED),
        ("410", GONE),
        ("302", REFUSED),
        ("400", REFUSED),
        ("403", REFUSED),
        ("404", REFUSED),
        ("429", RETRYABLE),
        ("500", RETRYABLE),
        ("reset", RETRYABLE),
        ("garbage", RETRYABLE),
    ],
)
def test_each_answer_to_a_probe_has_its_outcome(
    server: Server, gateway: Callable[..., CrtGateway], connection_id: str, outcome: Outcome
) -> None:
    assert gateway().check(of(server.endpoint, connection_id)) == [outcome]

    assert len(server.requests) == (ATTEMPTS if outcome is RETRYABLE else 1)


@pytest.mark.parametrize(
    ("connection_id", "outcome"),
    [
        ("204", DELIVERED),
        ("200", DELIVERED),
        ("410", GONE),
        ("302", REFUSED),
        ("403", REFUSED),
        ("429", RETRYABLE),
        ("500", RETRYABLE),
        ("reset", RETRYABLE),
        ("first-2-429", DELIVERED),
    ],
)
def test_each_answer_to_a_disconnection_has_its_outcome(
    server: Server, gateway: Callable[..., CrtGateway], connection_id: str, outcome: Outcome
) -> None:
    assert gateway().disconnect(of(server.endpoint, connection_id)) == [outcome]


def test_a_disconnection_is_a_delete_without_a_body(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    poster = gateway(concurrency=1)

    poster.disconnect(of(server.endpoint, "204-g="))
    poster.post(to(server.endpoint, "200"))

    sent, _ = server.requests
    assert (sent.method, sent.target) == ("DELETE", "/api/@connections/204-g%3D")
    assert {"content-length", "transfer-encoding"}.isdisjoint(sent.headers)
    assert server.connections == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_not_followed(
    server: Server, gateway: Callable[..., CrtGateway], status: int
) -> None:
    assert gateway().post(to(server.endpoint, str(status))) == [REFUSED]

    assert [each.target for each in server.requests] == [f"/api/@connections/{status}"]


@pytest.mark.parametrize(
    "connection_id",
    [
        "first-1-429",
        "first-3-429",
        "first-3-500",
        "first-2-503",
        "first-3-reset",
        "first-2-garbage",
    ],
)
def test_what_fails_for_a_while_is_delivered_in_the_end(
    server: Server, gateway: Callable[..., CrtGateway], connection_id: str
) -> None:
    both = gateway()

    assert both.post(to(server.endpoint, connection_id)) == [DELIVERED]
    assert both.check(of(server.endpoint, f"{connection_id}-too")) == [DELIVERED]


def test_an_attempt_is_signed_and_sent_like_the_first(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    gateway().post(to(server.endpoint, "first-2-429", frame=b"once more"))

    assert [each.body for each in server.requests] == [b"once more"] * 3
    assert len({each.headers["authorization"] for each in server.requests}) == 1


def test_the_pauses_between_attempts_grow(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    slow = gateway(backoff=replace(AT_ONCE, random=lambda: 1.0, base=0.05))
    started = time.monotonic()

    assert slow.post(to(server.endpoint, "first-2-429")) == [DELIVERED]

    assert time.monotonic() - started >= 0.05 + 0.1


def test_an_attempt_that_would_come_after_the_deadline_is_not_waited_for(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    backoff = replace(AT_ONCE, random=lambda: 1.0, base=PATIENCE, cap=PATIENCE)
    poster = gateway(backoff=backoff, timeout=PATIENCE * 10)
    started = time.monotonic()

    assert poster.post(to(server.endpoint, "429"), within=PATIENCE) == [RETRYABLE]

    assert time.monotonic() - started < PATIENCE / 2
    assert len(server.requests) == 1


def test_what_waits_for_its_next_attempt_takes_up_no_connection(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    poster = gateway(concurrency=1, backoff=replace(AT_ONCE, random=lambda: 1.0, base=0.5))

    outcomes = poster.post(to(server.endpoint, "first-1-500", *["200"] * 20))

    assert outcomes == [DELIVERED] * 21
    sent = [each.connection_id for each in server.requests]
    assert sent == ["first-1-500", *["200"] * 20, "first-1-500"]


@pytest.mark.parametrize("fault", ["hang", "header"])
def test_an_attempt_without_an_answer_ends_and_the_next_may_do(
    server: Server, gateway: Callable[..., CrtGateway], fault: str
) -> None:
    poster = gateway(concurrency=1, attempt_timeout=0.2)

    assert poster.post(to(server.endpoint, f"first-1-{fault}", "200")) == [DELIVERED] * 2

    server.wait_for(lambda it: it.disconnections == 1)
    assert [each.connection_id for each in server.requests] == [
        f"first-1-{fault}",
        "200",
        f"first-1-{fault}",
    ]


def test_who_hangs_for_good_is_given_up_long_before_the_deadline(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    poster = gateway(concurrency=1, attempt_timeout=0.1)
    started = time.monotonic()

    assert poster.post(to(server.endpoint, "hang", "200")) == [RETRYABLE, DELIVERED]

    assert time.monotonic() - started < PATIENCE / 2
    assert [each.connection_id for each in server.requests].count("hang") == ATTEMPTS


def test_a_slow_answer_within_the_timeout_of_an_attempt_is_taken(
    gateway: Callable[..., CrtGateway],
) -> None:
    with Server(hold_until=2) as server, ThreadPoolExecutor(1) as threads:
        posting = threads.submit(gateway().post, to(server.endpoint, "hold"))
        server.wait_for(lambda it: len(it.requests) == 1)
        time.sleep(0.3)
        server.release()

        assert posting.result(PATIENCE) == [DELIVERED]

    assert len(server.requests) == 1


def test_the_caller_may_leave_less_time_than_the_gateway_would(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    poster = gateway()
    started = time.monotonic()

    assert poster.post(to(server.endpoint, "hang", "200"), within=0.3) == [RETRYABLE, DELIVERED]

    assert time.monotonic() - started < PATIENCE / 2
    server.wait_for(lambda it: it.disconnections == 1)


def test_bad_origins_neither_fail_nor_delay_the_good_one(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    with Server() as hanging, Server() as throttling, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/api"
        posts = [
            to(dead, *["200"] * 5),
            to(hanging.endpoint, *["hang"] * 5),
            to(throttling.endpoint, *[f"first-1-429-{n}" for n in range(20)]),
            to(server.endpoint, *["200"] * 200),
        ]
        mixed = [post for turn in zip_longest(*posts) for post in turn if post]
        poster = gateway(concurrency=8, attempt_timeout=1.0, timeout=3.0)
        posting_until = ThreadPoolExecutor(1)
        with posting_until as threads:
            posting = threads.submit(poster.post, mixed)
            server.wait_for(lambda it: len(it.requests) == 200)
            unanswered = not posting.done()
            outcomes = posting.result(PATIENCE)

    bad = {dead: RETRYABLE, hanging.endpoint: RETRYABLE}
    assert outcomes == [bad.get(post.endpoint, DELIVERED) for post in mixed]
    assert unanswered, "the good ones have waited for the hanging"


def test_an_origin_that_throttles_everybody_is_asked_less_at_a_time(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    poster = gateway(concurrency=8)

    assert poster.post(to(server.endpoint, *["429"] * 20)) == [RETRYABLE] * 20
    server.peak = 0
    assert poster.post(to(server.endpoint, "200", "200", "200")) == [DELIVERED] * 3

    assert server.peak == 1


def test_an_origin_that_takes_everything_again_gets_its_full_pace_again(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    poster = gateway(concurrency=4)
    poster.post(to(server.endpoint, *["429"] * 10))

    poster.post(to(server.endpoint, *["200"] * 20))

    server.hold_until = 4
    assert poster.post(to(server.endpoint, *["hold"] * 4)) == [DELIVERED] * 4


def test_one_throttled_recipient_does_not_slow_the_others(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    poster = gateway(concurrency=16)

    poster.post(to(server.endpoint, *["200"] * 100, "429", *["200"] * 100))

    server.hold_until = 15
    assert poster.post(to(server.endpoint, *["hold"] * 15)) == [DELIVERED] * 15


def test_the_pace_of_one_origin_is_not_that_of_another(
    gateway: Callable[..., CrtGateway], server: Server
) -> None:
    poster = gateway(concurrency=4)
    with Server() as throttling:
        poster.post(to(throttling.endpoint, *["429"] * 10))

    server.hold_until = 4
    assert poster.post(to(server.endpoint, *["hold"] * 4)) == [DELIVERED] * 4


def test_a_probe_is_a_get_that_sends_nothing(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    gateway().check(of(server.endpoint, "200-g="))

    [sent] = server.requests
    assert (sent.method, sent.target) == ("GET", "/api/@connections/200-g%3D")
    assert {"content-length", "transfer-encoding"}.isdisjoint(sent.headers)


def test_nothing_to_do_has_no_outcomes_and_starts_nothing(
    gateway: Callable[..., CrtGateway],
) -> None:
    idle = gateway()

    assert (idle.post([]), idle.check([]), idle.disconnect([])) == ([], [], [])
    assert idle._bootstrap is None


def test_outcomes_come_in_the_order_of_the_posts(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    cycle = [("200", DELIVERED), ("410", GONE), ("reset", RETRYABLE), ("403", REFUSED)]

    outcomes = gateway(concurrency=5).post(to(server.endpoint, *[key for key, _ in cycle * 30]))

    assert outcomes == [outcome for _, outcome in cycle * 30]


def test_outcomes_come_in_the_order_of_the_probes(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    cycle = [("200", DELIVERED), ("410", GONE), ("reset", RETRYABLE), ("403", REFUSED)]

    outcomes = gateway(concurrency=5).check(of(server.endpoint, *[key for key, _ in cycle * 30]))

    assert outcomes == [outcome for _, outcome in cycle * 30]


def test_the_frame_arrives_as_it_is(server: Server, gateway: Callable[..., CrtGateway]) -> None:
    frames = [b"", "grüße 👋".encode(), b"x" * MAX_FRAME]

    for frame in frames:
        assert gateway().post(to(server.endpoint, "200", frame=frame)) == [DELIVERED]

    assert [request.body for request in server.requests] == frames


def test_a_frame_over_the_limit_is_refused_unsent(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    large = to(server.endpoint, "200", frame=b"x" * (MAX_FRAME + 1))

    outcomes = gateway().post(large + to(server.endpoint, "200-small"))

    assert outcomes == [REFUSED, DELIVERED]
    assert [request.connection_id for request in server.requests] == ["200-small"]


@pytest.mark.parametrize("url", ["", "ftp://x/api", "http:///api", "http://x:99999/", "http://["])
def test_what_is_no_endpoint_is_refused_and_the_others_go_out(
    server: Server, gateway: Callable[..., CrtGateway], url: str
) -> None:
    assert gateway().post(to(url, "200") + to(server.endpoint, "200")) == [REFUSED, DELIVERED]
    assert gateway().check(of(url, "200") + of(server.endpoint, "200")) == [REFUSED, DELIVERED]


def test_connections_are_reused_and_never_more_than_the_bound(
    gateway: Callable[..., CrtGateway],
) -> None:
    with Server(hold_until=4) as server:
        poster = gateway(concurrency=4)
        ids = [f"hold-{number}" for number in range(12)]

        assert poster.post(to(server.endpoint, *ids)) == [DELIVERED] * 12
        assert poster.post(to(server.endpoint, *ids)) == [DELIVERED] * 12

        assert (server.peak, server.connections) == (4, 4)


def test_posts_and_probes_share_connections(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    both = gateway(concurrency=1)

    both.check(of(server.endpoint, "200"))
    both.post(to(server.endpoint, "200", frame=b"not of the probe"))
    both.check(of(server.endpoint, "410"))

    assert server.connections == 1
    assert [request.method for request in server.requests] == ["GET", "POST", "GET"]


def test_one_origin_has_one_pool_whatever_the_stage(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    poster = gateway()

    poster.post(to(server.endpoint, "200"))
    poster.post(to(server.endpoint.replace("/api", "/other/"), "200"))

    assert server.connections == 1
    assert server.requests[1].target == "/other/@connections/200"


@pytest.mark.parametrize("fault", ["hang", "header", "body"])
def test_who_never_answers_delays_nobody_else_and_loses_its_connection(
    server: Server, gateway: Callable[..., CrtGateway], fault: str
) -> None:
    poster = gateway(concurrency=3, timeout=1.0)
    started = time.monotonic()

    outcomes = poster.post(to(server.endpoint, *["200"] * 20, fault, *["200"] * 20))

    assert outcomes == [DELIVERED] * 20 + [RETRYABLE] + [DELIVERED] * 20
    assert time.monotonic() - started < PATIENCE / 2
    server.wait_for(lambda it: it.disconnections == 1)
    assert poster.post(to(server.endpoint, "200")) == [DELIVERED]


def test_a_probe_without_an_answer_is_retryable_and_delays_no_other(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    prober = gateway(concurrency=2, timeout=1.0)
    started = time.monotonic()

    outcomes = prober.check(of(server.endpoint, "200", "hang", *["410"] * 20))

    assert outcomes == [DELIVERED, RETRYABLE] + [GONE] * 20
    assert time.monotonic() - started < PATIENCE / 2
    server.wait_for(lambda it: it.disconnections == 1)


def test_posts_that_never_got_a_connection_are_retryable_and_not_sent_later(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    poster = gateway(concurrency=1, timeout=0.3)

    assert poster.post(to(server.endpoint, "hang", "200-late", "200-late")) == [RETRYABLE] * 3

    server.wait_for(lambda it: it.disconnections == 1)
    poster = gateway()
    assert poster.post(to(server.endpoint, "200")) == [DELIVERED]
    assert [request.connection_id for request in server.requests] == ["hang", "200"]


def test_a_refused_port_costs_one_attempt_a_slot(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, so that nobody else takes it, and not listening
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/api"

        outcomes = gateway(concurrency=3).post(to(dead, *["200"] * 50) + to(server.endpoint, "200"))

    assert outcomes == [RETRYABLE] * 50 + [DELIVERED]


def test_a_hanging_origin_leaves_the_others_alone(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    with Server() as hanging:
        outcomes = gateway(concurrency=2, timeout=1.0).post(
            to(hanging.endpoint, *["hang"] * 10) + to(server.endpoint, *["200"] * 10)
        )

    assert outcomes == [RETRYABLE] * 10 + [DELIVERED] * 10


def test_a_dead_pooled_connection_is_replaced_and_the_post_sent_once_more(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    poster = gateway(concurrency=1)

    assert poster.post(to(server.endpoint, "once-a")) == [DELIVERED]
    assert poster.post(to(server.endpoint, "once-b")) == [DELIVERED]

    sent = [(request.connection_id, request.on_connection) for request in server.requests]
    assert sent == [("once-a", 0), ("once-b", 1), ("once-b", 0)]


def test_a_probe_on_a_dead_pooled_connection_is_sent_once_more(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    prober = gateway(concurrency=1)

    assert prober.check(of(server.endpoint, "once-a")) == [DELIVERED]
    assert prober.check(of(server.endpoint, "once-b")) == [DELIVERED]

    sent = [(request.connection_id, request.on_connection) for request in server.requests]
    assert sent == [("once-a", 0), ("once-b", 1), ("once-b", 0)]


def test_a_post_that_fails_on_the_fresh_connection_too_has_failed_once(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    poster = gateway(concurrency=1, backoff=ONCE)

    assert poster.post(to(server.endpoint, "200", "reset", "200")) == [
        DELIVERED,
        RETRYABLE,
        DELIVERED,
    ]

    sent = [(request.connection_id, request.on_connection) for request in server.requests]
    assert sent == [("200", 0), ("reset", 1), ("reset", 0), ("200", 0)]


def test_garbage_on_a_pooled_connection_is_an_answer_and_counts(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    poster = gateway(concurrency=1, backoff=ONCE)

    assert poster.post(to(server.endpoint, "200", "garbage")) == [DELIVERED, RETRYABLE]

    assert len(server.requests) == 2


def test_connections_the_server_closed_after_its_answer_are_not_pooled(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    poster = gateway(concurrency=2)

    assert poster.post(to(server.endpoint, *["closing"] * 20)) == [DELIVERED] * 20

    assert {request.on_connection for request in server.requests} == {0}
    assert len(server.requests) == 20


def test_idle_connections_that_died_while_frozen_are_passed_over(
    gateway: Callable[..., CrtGateway],
) -> None:
    with Server(hold_until=3) as server:
        poster = gateway(concurrency=3)
        poster.post(to(server.endpoint, *["hold"] * 3))
        pool = next(iter(poster._pools.values()))
        for connection in pool._idle:
            connection.close().exception(PATIENCE)

        assert poster.post(to(server.endpoint, *["200"] * 3)) == [DELIVERED] * 3

    assert len(server.requests) == 6


def test_threads_share_one_gateway_and_its_bound(gateway: Callable[..., CrtGateway]) -> None:
    with Server(hold_until=5) as server, ThreadPoolExecutor(6) as threads:
        poster = gateway(concurrency=5)
        cycle = [("hold", DELIVERED), ("410", GONE), ("403", REFUSED)]
        posts = to(server.endpoint, *[key for key, _ in cycle * 20])
        # The last few of the held ones may be fewer than the bound.
        server.hold_until = 1

        batches = list(threads.map(lambda _: poster.post(posts), range(12)))

        assert batches == [[outcome for _, outcome in cycle * 20]] * 12
        assert server.peak <= 5


def test_close_ends_idle_connections_and_a_later_post_starts_anew(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    poster = gateway()
    poster.post(to(server.endpoint, "200"))

    poster.close()

    server.wait_for(lambda it: it.disconnections == 1)
    assert poster.post(to(server.endpoint, "200")) == [DELIVERED]
    assert server.connections == 2


def test_close_lets_a_request_in_flight_end_and_then_closes_its_connection(
    gateway: Callable[..., CrtGateway],
) -> None:
    with Server(hold_until=2) as server, ThreadPoolExecutor(1) as threads:
        poster = gateway()
        posting = threads.submit(poster.post, to(server.endpoint, "hold"))
        server.wait_for(lambda it: len(it.requests) == 1)

        poster.close()
        server.release()

        assert posting.result(PATIENCE) == [DELIVERED]
        server.wait_for(lambda it: it.disconnections == 1)


@pytest.mark.parametrize("connection_id", ["200-g=", "200-_/+ %é"])
@pytest.mark.parametrize("token", [None, "session/token+="])
def test_the_signature_is_the_one_botocore_computes(
    server: Server, gateway: Callable[..., CrtGateway], connection_id: str, token: str | None
) -> None:
    provider = AwsCredentialsProvider.new_static("AKIDEXAMPLE", "secret", token)
    frame = '{"message":"grüße"}'.encode()
    signing = gateway(credentials_provider=provider)

    signing.post(to(server.endpoint, connection_id, frame=frame))
    signing.check(of(server.endpoint, connection_id))

    assert [sent.method for sent in server.requests] == ["POST", "GET"]
    for sent in server.requests:
        signature = botocore_signature(sent, server)
        assert sent.headers.get("x-amz-security-token") == token
        assert sent.headers["authorization"].endswith(f"Signature={signature}")


def botocore_signature(sent: Request, server: Server) -> str:
    auth = SigV4Auth(Credentials("AKIDEXAMPLE", "secret"), "execute-api", "eu-west-1")
    headers = {name: value for name, value in sent.headers.items() if name != "authorization"}
    url = f"http://127.0.0.1:{server.port}{sent.target}"
    request = AWSRequest(sent.method, url, headers, sent.body)
    request.context["timestamp"] = sent.headers["x-amz-date"]
    to_sign = auth.string_to_sign(request, auth.canonical_request(request))
    return str(auth.signature(to_sign, request))


def test_the_path_is_the_one_botocore_sends(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    sent: list[str] = []

    def capture(request: Any, **_: Any) -> AWSResponse:
        sent.append(request.url)
        return AWSResponse(request.url, 404, {}, None)

    client = Session().create_client(
        "apigatewaymanagementapi",
        region_name="eu-west-1",
        endpoint_url=server.endpoint,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
    )
    client.meta.events.register("before-send", capture)
    with contextlib.suppress(Exception):
        client.post_to_connection(ConnectionId="200-K_g=", Data=b"{}")
    with contextlib.suppress(Exception):
        client.get_connection(ConnectionId="200-K_g=")

    gateway().post(to(server.endpoint, "200-K_g="))
    gateway().check(of(server.endpoint, "200-K_g="))

    origin = server.endpoint.removesuffix("/api")
    assert [origin + request.target for request in server.requests] == sent


def test_what_the_first_call_would_wait_for_can_be_started_before(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    provider = CountingProvider()
    poster = gateway(credentials_provider=provider)

    poster.start()
    poster.start()

    assert provider.asked == 2
    assert poster._tls_context is not None
    assert server.requests == []
    assert poster.post(to(server.endpoint, "200")) == [DELIVERED]


def test_a_start_without_credentials_is_logged_and_does_no_harm(
    gateway: Callable[..., CrtGateway], caplog: pytest.LogCaptureFixture
) -> None:
    gateway(credentials_provider=object()).start()

    assert "no AWS credentials to sign with" in caplog.text


def test_credentials_come_from_the_environment(
    server: Server, gateway: Callable[..., CrtGateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDFROMENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)

    poster = gateway(credentials_provider=None)

    assert poster.post(to(server.endpoint, "200")) == [DELIVERED]
    assert poster.post(to(server.endpoint, "200")) == [DELIVERED]
    assert "Credential=AKIDFROMENV/" in server.requests[1].headers["authorization"]


def test_credentials_are_asked_for_once_a_batch(
    server: Server, gateway: Callable[..., CrtGateway]
) -> None:
    provider = CountingProvider()
    poster = gateway(credentials_provider=provider)

    poster.post(to(server.endpoint, *["200"] * 10))
    poster.post(to(server.endpoint, *["200"] * 10))

    assert provider.asked == 2
    keys = [request.headers["authorization"].split("/")[0] for request in server.requests]
    assert [keys[0][-1], keys[-1][-1]] == ["1", "2"]


class CountingProvider:
    """Rotates the key each time it is asked."""

    asked = 0

    def get_credentials(self) -> Any:
        self.asked += 1
        return AwsCredentialsProvider.new_static(f"AKID{self.asked}", "secret").get_credentials()


@pytest.mark.parametrize("failure", [None, RuntimeError("no metadata service")])
def test_without_credentials_nothing_is_sent_and_all_can_be_retried(
    server: Server, gateway: Callable[..., CrtGateway], failure: Exception | None
) -> None:
    class Provider:
        def get_credentials(self) -> Future[Any]:
            answer: Future[Any] = Future()  # never answers when there is no failure
            if failure:
                answer.set_exception(failure)
            return answer

    poster = gateway(credentials_provider=Provider(), timeout=0.1)
    large = to(server.endpoint, "200", frame=b"x" * (MAX_FRAME + 1))

    assert poster.post(to(server.endpoint, "200") + large) == [RETRYABLE, REFUSED]
    assert poster.check(of(server.endpoint, "200")) == [RETRYABLE]

    assert server.connections == 0


def test_tls_is_verified(gateway: Callable[..., CrtGateway], tmp_path: Path) -> None:
    context = write_certificate(tmp_path)
    trusting = TlsContextOptions()
    trusting.override_default_trust_store((tmp_path / CERTIFICATE).read_bytes())

    with Server(ssl_context=context) as server:
        posts = to(server.endpoint.replace("http://127.0.0.1", "https://localhost"), "200", "410")
        trusted = gateway(tls_context=ClientTlsContext(trusting)).post(posts)
        # The runtime sits on a failed handshake for seconds, against timing attacks.
        untrusted = gateway(timeout=0.5).post(posts)

    assert trusted == [DELIVERED, GONE]
    assert untrusted == [RETRYABLE, RETRYABLE]


class FakeConnection:
    """A connection whose requests do what the test says when they start."""

    def __init__(self, on_activate: Callable[[], None]) -> None:
        self.closed = False
        self.connection = self  # it is its own stream
        self.status: int | None = None
        self.activate = on_activate

    def stream(self, _: Any, completed: Callable[[Exception | None], None]) -> "FakeConnection":
        self.completed = completed
        return self

    def is_open(self) -> bool:
        return not self.closed

    def close(self) -> None:
        self.closed = True


def one_exchange(backoff: Backoff = ONCE) -> exchanges.Exchange:
    batch = exchanges.Batch(time.monotonic() + PATIENCE, PATIENCE, backoff)
    provider = AwsCredentialsProvider.new_static("AKIDEXAMPLE", "secret")
    batch.expect(1, crt._Signer("eu-west-1", provider).request)
    pool: Any = None
    endpoint = exchanges.Endpoint(pool, "host", "/")
    return exchanges.Exchange(batch, exchanges.Call("POST", "", ConnectionId("a")), endpoint)


def test_a_connection_that_comes_after_the_deadline_is_kept_for_the_next_post() -> None:
    exchange, connecting = one_exchange(), Future[Any]()
    pool = pools.Pool(lambda: connecting, Pace(1), FakeConnection.stream)
    pool.submit(exchange)

    assert exchange.conclude() is RETRYABLE
    connecting.set_result(FakeConnection(lambda: pytest.fail("sent after its deadline")))

    assert pool._idle == [connecting.result()]


def test_a_deadline_in_the_middle_of_sending_closes_the_connection() -> None:
    exchange, connecting = one_exchange(), Future[Any]()
    pool = pools.Pool(lambda: connecting, Pace(1), FakeConnection.stream)
    pool.submit(exchange)

    def expire() -> None:
        attempt = exchange._attempt
        assert attempt
        stream, attempt.stream = attempt.stream, None  # as the deadline saw it a moment before
        assert exchange.conclude() is RETRYABLE
        attempt.stream = stream

    connecting.set_result(FakeConnection(expire))

    assert connecting.result().closed


def test_a_request_that_cannot_even_start_frees_its_slot() -> None:
    def refuse() -> None:
        raise RuntimeError("closed")

    connections = [FakeConnection(refuse), FakeConnection(refuse)]
    connectings: list[Future[Any]] = [Future(), Future()]
    queue = iter(connectings)
    pool = pools.Pool(lambda: next(queue), Pace(1), FakeConnection.stream)
    waiting = [one_exchange(), one_exchange()]
    for exchange in waiting:
        pool.submit(exchange)

    for connecting, connection in zip(connectings, connections, strict=True):
        connecting.set_result(connection)

    assert [exchange.conclude() for exchange in waiting] == [RETRYABLE, RETRYABLE]
    assert pool._busy == 0


def test_an_attempt_that_ends_before_its_connection_comes_is_followed_by_another() -> None:
    exchange, slow, fast = one_exchange(AT_ONCE), Future[Any](), Future[Any]()
    connectings = iter([slow, fast])
    pool = pools.Pool(lambda: next(connectings), Pace(2), FakeConnection.stream)
    pool.submit(exchange)
    first = exchange._attempt
    assert first

    first.expire()
    pool.submit(exchange)
    slow.set_result(FakeConnection(lambda: pytest.fail("sent for an attempt that is over")))
    fast.set_exception(OSError())

    assert pool._idle == [slow.result()]
    assert exchange._attempts == 2
    assert pool._busy == 0


def test_those_who_wait_go_on_over_what_is_idle_when_the_last_connection_fails() -> None:
    failing, waiting = one_exchange(), one_exchange()
    first, second = Future[Any](), Future[Any]()
    connectings = iter([first, second])
    pace, sent = Pace(2), []
    pool = pools.Pool(lambda: next(connectings), pace, FakeConnection.stream)
    pool.submit(one_exchange())
    pool.submit(failing)
    pace.limit = 1
    pool.submit(waiting)
    connection = FakeConnection(lambda: sent.append(waiting))
    first.set_result(connection)
    sent.clear()

    connection.status = 200
    connection.completed(None)
    second.set_exception(OSError())

    assert sent == [waiting]


class FakeOrigin:
    """Connects at once, and answers when the test says; `sent` are the streams in their order."""

    def __init__(self) -> None:
        self.sent: list[FakeConnection] = []

    def connect(self) -> Future[Any]:
        connecting: Future[Any] = Future()
        connecting.set_result(FakeConnection(lambda: None))
        return connecting

    def stream(
        self, connection: FakeConnection, _: Any, completed: Callable[[Exception | None], None]
    ) -> FakeConnection:
        stream = FakeConnection(lambda: self.sent.append(stream))
        stream.connection, stream.completed = connection, completed
        return stream

    def answer(self, number: int, status: int) -> None:
        self.sent[number].status = status
        self.sent[number].completed(None)


def test_a_place_that_the_pace_takes_away_is_not_handed_on() -> None:
    origin, pace = FakeOrigin(), Pace(2)
    pool = pools.Pool(origin.connect, pace, origin.stream)
    for _ in range(4):
        pool.submit(one_exchange())

    origin.answer(0, 429)
    origin.answer(1, 429)  # the end of a window: one place is left, and it is taken

    assert pace.limit == 1
    assert len(origin.sent) == 3


def test_a_place_that_the_pace_adds_is_taken_by_who_waits() -> None:
    origin, pace = FakeOrigin(), Pace(2)
    pace.count(0, throttled=True)
    pace.count(0, throttled=True)
    pool = pools.Pool(origin.connect, pace, origin.stream)
    for _ in range(3):
        pool.submit(one_exchange())

    origin.answer(0, 200)

    assert len(origin.sent) == 3


def test_a_connection_whose_answer_came_too_late_is_not_pooled() -> None:
    origin = FakeOrigin()
    pool = pools.Pool(origin.connect, Pace(1), origin.stream)
    exchange = one_exchange()
    pool.submit(exchange)
    connection = origin.sent[0].connection

    exchange.conclude()
    connection.closed = False  # the runtime closes it a moment later
    origin.answer(0, 200)

    assert exchange.outcome is RETRYABLE
    assert pool._idle == []
    assert pool._busy == 0
