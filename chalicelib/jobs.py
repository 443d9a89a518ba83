"""What waits in the queue: a frame, and the connections that are still to get it."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import DecodeError, Raw, Struct, ValidationError, json
from msgspec.structs import replace

from chalicelib.correlation import correlation_id
from chalicelib.models import ConnectionId, Member, RoomName

# Posts of one job: a fraction of a second of work, and a body of some 5 KB beside the frame.
CHUNK = 250
# Of all that JSON lets stand as it is, SQS does not take these two: see SendMessage at
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_REFUSED_BY_SQS = {
    "\ufffe".encode(): rb"\ufffe",
    "\uffff".encode(): rb"\uffff",
}


class JobError(ValueError):
    """What was in the queue is no job."""


class Job(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A frame for connections of one endpoint because they are subscribed to `room`.

    Attributes:
        room: Whose subscriptions the connections are found by.
        endpoint: As in Post.
        connection_ids: Who is still to get it.
        frame: JSON as it is.
        arrays: Whether their clients take several frames in one.
        attempt: How often it has been tried in vain.
        correlation_id: Of the event that it comes from.
    """

    room: RoomName
    endpoint: str
    connection_ids: list[ConnectionId]
    frame: Raw
    arrays: bool = False
    attempt: int = 0
    correlation_id: str | None = None

    @property
    def delayed(self) -> bool:
        """Whether time has passed since its recipients were found."""
        return self.attempt > 0

    def narrowed(self, connection_ids: Sequence[ConnectionId]) -> "Job":
        """Return the job for those who are left, after one more attempt."""
        return replace(self, connection_ids=list(connection_ids), attempt=self.attempt + 1)


def encode_job(job: Job) -> str:
    """Return the job as the body of a message: JSON of at most some 100 KB."""
    body = json.encode(job)
    for character, escape in _REFUSED_BY_SQS.items():
        body = body.replace(character, escape)
    return body.decode()


def decode_job(body: str) -> Job:
    """Read the body of a message.

    Raises:
        JobError: it is not a job.
    """
    try:
        job = json.decode(body, type=Job)
        json.decode(job.frame, type=dict)
    except (DecodeError, ValidationError, UnicodeError, RecursionError) as error:
        raise JobError("not a job") from error
    return job


def chunked(
    room_members: Iterable[tuple[RoomName, Member]], frame: bytes, *, attempt: int = 0
) -> Iterator[Job]:
    """Yield jobs for these members of rooms, each as soon as it is full, the others at the end."""
    waiting: dict[tuple[RoomName, str, bool], list[ConnectionId]] = {}

    def job(key: tuple[RoomName, str, bool]) -> Job:
        room, endpoint, arrays = key
        return Job(
            room=room,
            endpoint=endpoint,
            connection_ids=waiting.pop(key),
            frame=Raw(frame),
            arrays=arrays,
            attempt=attempt,
            correlation_id=correlation_id(),
        )

    for room, member in room_members:
        key = room, member.endpoint, member.arrays
        ids = waiting.setdefault(key, [])
        ids.append(member.connection_id)
        if len(ids) >= CHUNK:
            yield job(key)
    yield from map(job, list(waiting))
