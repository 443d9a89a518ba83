"""Jobs: what they are in the queue, and how a room is divided into them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from chalicelib.correlation import correlated
from chalicelib.jobs import CHUNK, Job, JobError, chunked, decode_job, encode_job
from chalicelib.models import ConnectionId, Member, RoomName, UserName

LOBBY = RoomName("lobby")
HERE, THERE = "https://here.example/api", "https://there.example/api"
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
TAKEN_BY_SQS = {0x9, 0xA, 0xD, *range(0x20, 0xD800), *range(0xE000, 0xFFFE)}


def member(number: int, *, endpoint: str = HERE, arrays: bool = False) -> Member:
    return Member(ConnectionId(f"c{number}"), UserName("ada"), endpoint, 0.0, arrays=arrays)


def job(**fields: object) -> Job:
    given: dict[str, object] = {
        "room": LOBBY,
        "endpoint": HERE,
        "connection_ids": [ConnectionId("A=")],
        "frame": Raw(b'{"type":"message"}'),
    }
    return Job(**{**given, **fields})  # type: ignore[arg-type]


def test_a_job_is_read_as_it_was_written() -> None:
    written = job(arrays=True, attempt=2, correlation_id="r1")

    read = decode_job(encode_job(written))

    assert read == written
    assert bytes(read.frame) == b'{"type":"message"}'


@given(st.text())
def test_sqs_takes_every_text_and_no_character_of_it_changes(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()  # no halves of characters: frames have none
    body = encode_job(job(frame=Raw(json.dumps({"m": text}, ensure_ascii=False).encode())))

    assert all(ord(each) in TAKEN_BY_SQS or ord(each) > 0xFFFF for each in body)
    assert json.loads(bytes(decode_job(body).frame)) == {"m": text}


def test_the_two_characters_that_sqs_refuses_are_escaped() -> None:
    body = encode_job(job(frame=Raw('{"m":"\ufffe\uffff"}'.encode())))

    assert r"\ufffe\uffff" in body


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        '{"room":"lobby"}',
        '{"room":"lobby","endpoint":"x","connection_ids":"A=","frame":{}}',
        '{"room":"lobby","endpoint":"x","connection_ids":["A="],"frame":[]}',
        '{"room":"lobby","endpoint":"x","connection_ids":["A="],"frame":' + "[" * 5000,
    ],
)
def test_what_is_no_job_is_said_to_be_none_without_its_text(body: str) -> None:
    with pytest.raises(JobError, match=r"^not a job$"):
        decode_job(body)


def test_what_is_left_of_a_job_has_one_more_attempt_behind_it() -> None:
    narrowed = job(connection_ids=[ConnectionId("A="), ConnectionId("B=")]).narrowed(
        [ConnectionId("B=")]
    )

    assert narrowed == job(connection_ids=[ConnectionId("B=")], attempt=1)


def test_a_room_is_divided_into_full_chunks_and_a_rest() -> None:
    people = [(LOBBY, member(number)) for number in range(2 * CHUNK + 1)]

    jobs = list(chunked(people, b"{}"))

    assert [len(each.connection_ids) for each in jobs] == [CHUNK, CHUNK, 1]
    assert [who for each in jobs for who in each.connection_ids] == [
        member.connection_id for _, member in people
    ]


def test_a_full_chunk_is_there_before_the_rest_of_the_room_is_read() -> None:
    read: list[int] = []

    def reading() -> object:
        for number in range(2 * CHUNK):
            read.append(number)
            yield LOBBY, member(number)

    next(chunked(reading(), b"{}"))  # type: ignore[arg-type]

    assert len(read) == CHUNK


def test_each_job_has_one_room_one_endpoint_and_clients_of_one_kind() -> None:
    other = RoomName("@ada")
    people = [
        (LOBBY, member(1)),
        (LOBBY, member(2, endpoint=THERE)),
        (LOBBY, member(3, arrays=True)),
        (other, member(4)),
        (LOBBY, member(5)),
    ]

    with correlated("r7"):
        jobs = list(chunked(people, b"{}", attempt=1))

    assert [
        (each.room, each.endpoint, each.arrays, ",".join(each.connection_ids)) for each in jobs
    ] == [
        (LOBBY, HERE, False, "c1,c5"),
        (LOBBY, THERE, False, "c2"),
        (LOBBY, HERE, True, "c3"),
        (other, HERE, False, "c4"),
    ]
    assert {(each.attempt, each.correlation_id) for each in jobs} == {(1, "r7")}
