"""WebSockets on the wire: frames, limits, pings, closes, and clients that misbehave."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Frame, Opcode

from localgateway import websocket
from localgateway.limits import Limits
from tests.gateway.servers import (
    PATIENCE,
    RawClient,
    Served,
    eventually,
    identify,
    serving,
    text,
    wire,
)

KB = 1024


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that do not take part in a close are dropped soon."""
    monkeypatch.setattr(websocket, "_CLOSE_TIMEOUT", 0.2)


def pieces(content: str, size: int) -> list[str]:
    return [content[start : start + size] for start in range(0, len(content), size)]


def close_frame(code: int | None, reason: str = "") -> Frame:
    return Frame(Opcode.CLOSE, b"" if code is None else Close(code, reason).serialize())


def lives(server: Served) -> bool:
    with server.connect() as client:
        return bool(identify(client))


# -- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([32 * KB], id="one frame of 32 KB"),
        pytest.param([25 * KB] * 4, id="100 KB in frames of 25 KB"),
        pytest.param([32 * KB] * 4, id="128 KB in frames of 32 KB"),
        pytest.param([7, 1, 0, 12], id="small frames, an empty one among them"),
    ],
)
def test_a_message_within_the_limits_is_delivered_whole(server: Served, sizes: list[int]) -> None:
    content = "/length " + "x" * (sum(sizes) - len("/length "))
    starts = [sum(sizes[:index]) for index in range(len(sizes))]

    with server.connect() as client:
        client.send(
            content[start : start + size] for start, size in zip(starts, sizes, strict=True)
        )

        assert client.recv(PATIENCE) == str(len(content))


@pytest.mark.parametrize(
    ("content", "size"),
    [
        pytest.param("x" * (32 * KB + 1), 33 * KB, id="a frame of more than 32 KB"),
        pytest.param("x" * 33 * KB, 33 * KB, id="a frame of 33 KB"),
        pytest.param("x" * 130 * KB, 26 * KB, id="a message of 130 KB"),
        pytest.param("x" * (128 * KB + 1), 32 * KB, id="a message of more than 128 KB"),
    ],
)
def test_a_message_beyond_the_limits_closes_with_1009(
    server: Served, content: str, size: int
) -> None:
    handled = len(server.app.messages)

    with server.raw() as client:
        connection = client.identify()
        frames = pieces(content, size)
        for index, piece in enumerate(frames):
            opcode = Opcode.TEXT if index == 0 else Opcode.CONT
            client.send(text(piece, fin=index == len(frames) - 1, opcode=opcode))
        frame = client.receive()

    assert frame is not None
    assert Close.parse(bytes(frame.data)).code == 1009
    assert server.farewell(connection)[0] == 1009
    assert len(server.app.messages) == handled + 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("code", "data"),
    [
        pytest.param(1003, wire(text(b"x", opcode=Opcode.BINARY)), id="binary"),
        pytest.param(
            1003,
            wire(text(b"x", fin=False, opcode=Opcode.BINARY), text(b"y", opcode=Opcode.CONT)),
            id="binary in fragments",
        ),
        pytest.param(1007, wire(text(b"\xff\xfe")), id="not UTF-8"),
        pytest.param(1007, wire(text(b"\xed\xa0\x80")), id="a lone surrogate"),
        pytest.param(1007, wire(text(b"\xff"), text("/quiet after")), id="text after not UTF-8"),
        pytest.param(1002, wire(text("x"), mask=False), id="unmasked"),
        pytest.param(1002, b"GET / HTTP/1.1\r\n\r\n", id="HTTP"),
        pytest.param(1002, b"\xff" * 64, id="garbage"),
        pytest.param(1002, wire(text("x", opcode=Opcode.CONT)), id="continuation of nothing"),
        pytest.param(1002, wire(text("x", fin=False), text("y")), id="a message within a message"),
        pytest.param(1002, wire(Frame(Opcode.CLOSE, b"\x03")), id="half a close code"),
        pytest.param(1002, wire(Frame(Opcode.CLOSE, b"\x03\xed")), id="close code 1005"),
    ],
)
def test_what_breaks_the_protocol_ends_only_its_own_connection(
    server: Served, code: int, data: bytes
) -> None:
    handled = len(server.app.messages)

    with server.raw() as client:
        connection = client.identify()
        client.socket.sendall(data)
        frame = client.receive()
        ended = client.ended()

    assert frame is not None
    assert Close.parse(bytes(frame.data)).code == code
    assert ended
    assert server.farewell(connection)[0] == code
    assert server.app.messages[handled:] == ["/id"]
    assert lives(server)


def test_a_character_may_be_split_between_two_frames(server: Served) -> None:
    encoded = "/length ü".encode()

    with server.raw() as client:
        client.send(text(encoded[:-1], fin=False), text(encoded[-1:], opcode=Opcode.CONT))

        assert client.text() == "9"


def test_an_outgoing_message_of_100_kb_arrives_in_frames_of_at_most_32(server: Served) -> None:
    frames: list[Frame] = []

    with server.raw() as client:
        client.send(text(f"/big {100 * KB}"))
        while not frames or not frames[-1].fin:
            frame = client.receive()
            assert frame is not None
            frames.append(frame)

    assert [len(frame.data) for frame in frames] == [32 * KB] * 3 + [4 * KB]
    assert [frame.opcode for frame in frames] == [Opcode.TEXT] + [Opcode.CONT] * 3


def test_an_outgoing_message_of_just_a_frame_is_one_frame(server: Served) -> None:
    with server.raw() as client:
        client.send(text(f"/big {32 * KB}"))
        frame = client.receive()

    assert frame is not None
    assert (len(frame.data), frame.fin) == (32 * KB, True)


# -- pings and order -----------------------------------------------------------------------------


def test_a_ping_is_answered_and_not_delivered(server: Served) -> None:
    handled = len(server.app.messages)

    with server.raw() as client:
        client.send(Frame(Opcode.PING, b"are you there"), text("/id"))
        pong = client.receive()
        client.text()

    assert pong == Frame(Opcode.PONG, b"are you there")
    assert server.app.messages[handled:] == ["/id"]


def test_frames_that_arrive_with_the_handshake_are_delivered_after_it(server: Served) -> None:
    with RawClient(server.port) as client:
        client.upgrade("/api", then=wire(text("/length")))

        assert client.text() == "7"


def test_a_thousand_pipelined_frames_are_all_handled(server: Served) -> None:
    with server.raw() as client:
        client.send(*(text(f"/length {number:04}") for number in range(1_000)))

        assert [client.text() for _ in range(1_000)] == ["12"] * 1_000


def test_two_messages_of_one_connection_are_handled_at_the_same_time(server: Served) -> None:
    with server.connect() as client:
        client.send("/meet")
        client.send("/meet")

        assert [client.recv(PATIENCE), client.recv(PATIENCE)] == ["met", "met"]


# -- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (1000, "", (1000, "")),
        (1001, "", (1001, "")),
        (3000, "bye", (3000, "bye")),
        (None, "", (1005, "Client-side close frame status not set")),
    ],
)
def test_disconnect_is_told_how_the_client_closed(
    server: Served, code: int | None, reason: str, told: tuple[int, str]
) -> None:
    with server.raw() as client:
        connection = client.identify()
        client.send(close_frame(code, reason))
        echo = client.receive()
        ended = client.ended()

    assert echo == close_frame(code, reason)
    assert ended
    assert server.farewell(connection) == told


def test_a_reset_is_an_abnormal_end(server: Served) -> None:
    client = server.raw()
    connection = client.identify()

    client.reset()

    assert server.farewell(connection) == (1006, "")


def test_an_end_without_a_close_frame_is_abnormal_too(server: Served) -> None:
    client = server.raw()
    connection = client.identify()

    client.socket.close()

    assert server.farewell(connection) == (1006, "")


def test_a_message_is_handled_although_the_close_frame_comes_in_the_same_segment(
    server: Served,
) -> None:
    with server.raw() as client:
        client.send(text("/quiet last words"), close_frame(1000))
        client.ended()

    assert eventually(lambda: "/quiet last words" in server.app.messages)


def test_what_a_client_sends_after_the_close_frame_of_the_server_is_not_delivered(
    server: Served,
) -> None:
    with server.raw() as client:
        connection = client.identify()
        handled = len(server.app.messages)
        server.client("apigatewaymanagementapi").delete_connection(ConnectionId=connection)
        client.receive()
        client.send(text("/quiet too late"), close_frame(1000))
        client.ended()

    assert server.farewell(connection) == (1000, "Connection Closed Normally")
    assert server.app.messages[handled:] == []


@pytest.mark.usefixtures("impatient")
def test_a_client_that_never_answers_a_close_frame_is_dropped(server: Served) -> None:
    with server.raw() as client:
        connection = client.identify()
        server.client("apigatewaymanagementapi").delete_connection(ConnectionId=connection)
        frame = client.receive()

        assert frame == close_frame(1000, "Connection Closed Normally")
        assert client.ended()
        assert server.farewell(connection) == (1000, "Connection Closed Normally")


def test_nothing_keeps_a_socket_that_has_ended(server: Served) -> None:
    with server.raw() as client:
        connection = client.identify()
        [row] = [row for row in server.gateway.connections() if row.id == connection]
        socket = weakref.ref(row.socket)
        del row
        client.send(close_frame(1000))
        client.ended()

    server.farewell(connection)
    # Sooner than the timer that would have dropped a client which takes no part in the close.
    assert eventually(lambda: gc.collect() >= 0 and socket() is None, within=4)


def test_an_idle_connection_is_closed_with_1001() -> None:
    with serving(Limits(idle_seconds=0.1)) as server, server.connect() as client:
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(PATIENCE)

        assert closed.value.rcvd == Close(1001, "Going away")


# -- clients that do not read --------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> Iterator[Served]:
    """A server that holds little for a client that does not read."""
    with serving(
        Limits(connects_per_second=0, requests_per_second=0, buffer_bytes=64 * KB)
    ) as served:
        yield served


def stuffed(server: Served) -> tuple[RawClient, str]:
    """A client that reads nothing more, and for which the server holds as much as it will."""
    client = RawClient(server.port, receive_buffer=4 * KB)
    client.upgrade("/api")
    connection = client.identify()
    for _ in range(1_000):
        if server.gateway.post(connection, b"x" * 100 * KB).status == 429:
            return client, connection
        # What has been taken before the next one counts as sent.
        threading.Event().wait(0.001)
    raise AssertionError("posts to a client that does not read are accepted for ever")


def test_posts_to_a_client_that_does_not_read_answer_429_and_others_are_not_affected(
    small: Served,
) -> None:
    client, connection = stuffed(small)
    with client, small.connect() as other:
        api = small.client("apigatewaymanagementapi")

        with pytest.raises(api.exceptions.LimitExceededException):
            api.post_to_connection(ConnectionId=connection, Data=b"one more")
        api.post_to_connection(ConnectionId=identify(other), Data=b"for you")
        [socket] = [c.socket for c in small.gateway.connections() if c.id == connection]

        assert other.recv(PATIENCE) == "for you"
        assert socket is not None
        assert socket.buffered() <= (64 + 100 + 1) * KB


def test_a_client_that_reads_again_gets_what_was_accepted_and_more(small: Served) -> None:
    client, connection = stuffed(small)
    with client:
        reader = threading.Thread(target=client.ended)
        reader.start()
        accepted = eventually(lambda: small.gateway.post(connection, b"more").status == 200)
        client.send(close_frame(1000))
        reader.join()

        assert accepted
        assert small.farewell(connection) == (1000, "")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("frame", "told"),
    [
        pytest.param(close_frame(1000), 1000, id="closes"),
        pytest.param(text("x", opcode=Opcode.CONT), 1002, id="breaks the protocol"),
        pytest.param(text(b"\xff"), 1007, id="sends what is not UTF-8"),
    ],
)
def test_a_client_that_does_not_read_and_then_ends_is_dropped(
    small: Served, frame: Frame, told: int
) -> None:
    client, connection = stuffed(small)
    with client:
        client.send(frame)

        assert small.farewell(connection)[0] == told
        assert connection not in [c.id for c in small.gateway.connections()]


@pytest.mark.usefixtures("impatient")
def test_a_client_that_does_not_read_can_be_disconnected(small: Served) -> None:
    client, connection = stuffed(small)
    with client:
        small.client("apigatewaymanagementapi").delete_connection(ConnectionId=connection)

        assert small.farewell(connection) == (1000, "Connection Closed Normally")


def test_the_count_of_waiting_bytes_stays_right_whatever_threads_do(server: Served) -> None:
    client = server.raw()
    connection = client.identify()
    reader = threading.Thread(target=client.ended)
    reader.start()
    [row] = [row for row in server.gateway.connections() if row.id == connection]
    socket = row.socket
    assert socket is not None

    def send(_number: int) -> None:
        for _ in range(200):
            # Beside the gateway, whose lock would keep these threads apart.
            socket.send(b"x" * 100)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(send, range(8)))

    assert eventually(lambda: socket.buffered() == 0)
    client.socket.shutdown(2)
    reader.join()
    client.socket.close()
    # Nothing is sent, nothing raised, and nothing kept for a socket that has gone.
    server.farewell(connection)
    socket.send(b"too late")
    socket.close(1000, "too late")
    assert eventually(lambda: socket.buffered() == 0)


def test_a_closed_event_loop_takes_no_jobs_and_does_not_complain() -> None:
    async def make() -> websocket.Outbox:
        return websocket.Outbox(asyncio.get_running_loop())

    outbox = asyncio.run(make())
    outcomes: list[str] = []

    thread = threading.Thread(target=outbox.put, args=(lambda: outcomes.append("run"),))
    thread.start()
    thread.join()

    assert outcomes == []
