"""Computes what messages and people cost on AWS, from requests that are counted and list prices."""

import argparse
import sys
from dataclasses import asdict, dataclass, fields
from math import ceil
from pathlib import Path
from typing import NamedTuple

from bench.metering import item_size
from chalicelib.models import ConnectionId, RoomName, Session, UserName
from chalicelib.records import subscription_item

DOCUMENT = Path(__file__).parent.parent / "docs" / "costs.md"
_TEMPLATE = Path(__file__).parent / "costs.md"
_COUNTS = DOCUMENT.parent / "performance.md"
_HEADER = "| action | DynamoDB requests | WCU | RCU | posts |"
PEOPLE = 10  # in the room of that table
ROOMS = (10, 100, 1_000, 10_000)
ONLINE = (10_000, 100_000)
_MILLION = 1_000_000

# Dollars in us-east-1, without free tiers, discounts for volume, and taxes.
MESSAGE = 1.00 / _MILLION  # each way, for each 32 KB
CONNECTION_MINUTE = 0.25 / _MILLION
WRITE_UNIT = 0.625 / _MILLION
READ_UNIT = 0.125 / _MILLION
INVOCATION = 0.20 / _MILLION
GB_SECOND = 0.0000133334  # arm64
QUEUE_REQUEST = 0.40 / _MILLION  # for each 64 KB
LOG_BYTE = 0.50 / 1024**3

# What is assumed; the document says so.
_MEMORY_GB = 0.5
_ACTION_S = 0.030
_JOB_S = 0.010
_POST_S = 0.0004
_PAGE_S = 0.010
_LOG_BYTES = 600
_PING_S = 240
_CONNECTION_S = 7200
_MONTH_S = 730 * 3600
_ID_BYTES, _FRAME_BYTES = 20, 400
_UNIT_BYTES, _PAGE_BYTES, _QUEUE_BYTES = 4096, 1024**2, 64 * 1024
_QUEUE_BATCH = 10
CHUNK = 250  # of the setting DIRECT_FANOUT


_PINGS, _CONNECTS = _MONTH_S / _PING_S, _MONTH_S / _CONNECTION_S
_SAID_A_DAY = 10
_SAID = _SAID_A_DAY * _MONTH_S / 86400


@dataclass(frozen=True)
class Bill:
    """Dollars by service."""

    api_gateway: float = 0.0
    dynamodb: float = 0.0
    lambdas: float = 0.0
    sqs: float = 0.0
    logs: float = 0.0

    def __add__(self, other: "Bill") -> "Bill":
        return Bill(*(getattr(self, it.name) + getattr(other, it.name) for it in fields(self)))

    def __mul__(self, times: float) -> "Bill":
        return Bill(*(dollars * times for dollars in asdict(self).values()))

    @property
    def total(self) -> float:
        """All of them together."""
        return float(sum(asdict(self).values()))


class Counts(NamedTuple):
    """What an action takes of DynamoDB, and the frames that it sends."""

    wcu: float
    rcu: float
    posts: int


_OPEN = Bill(api_gateway=_MONTH_S / 60 * CONNECTION_MINUTE)


def row_bytes() -> int:
    """Return the size of a subscription as DynamoDB counts it, with names of usual lengths."""
    session = Session(
        connection_id=ConnectionId("L0SM9cOFvHcCIhw="),
        user=UserName("someone"),
        endpoint="https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/api",
        connected_at=1_795_241_234.567891,
        expires_at=1_795_248_434,
        session_expires_at=1_795_248_434,
        rooms=frozenset({RoomName("lobby")}),
    )
    return item_size(subscription_item(session, RoomName("lobby"), 1_795_241_234.567891))


def message(room: int, said: Counts) -> Bill:
    """Return what a message costs in a room of so many; `said` is as measured with PEOPLE."""
    more = _units(room) - _units(PEOPLE)  # fan-out reads the whole room
    bill = _frames(1 + room) + _units_bill(said.wcu, said.rcu + more) + _run(_ACTION_S)
    if room <= CHUNK:
        return bill + Bill(lambdas=_seconds(room * _POST_S))
    jobs = ceil(room / CHUNK)
    work = _run(_JOB_S) * jobs + Bill(lambdas=_seconds(room * _POST_S))
    return bill + work + Bill(sqs=_queue_requests(room, jobs) * QUEUE_REQUEST)


def scanned_message(room: int, online: int) -> Bill:
    """Return what it costs where each message scans the connections of everyone online.

    It stores nothing, and reads with eventual consistency, at half the price.
    """
    pages = ceil(online * row_bytes() / _PAGE_BYTES)
    seconds = _ACTION_S + pages * _PAGE_S + room * _POST_S
    return _frames(1 + room) + _units_bill(0, _units(online) / 2) + _run(seconds)


def month() -> dict[str, Bill]:
    """Return what a person online costs a month in a room of PEOPLE, by cause.

    One ping a minute looks after the room, whoever sends it.
    """
    sweep, ping = counted("ping, 1 room"), counted("ping, 1 room, swept within the last minute")
    sweeps = min(_MONTH_S / 60 / PEOPLE, _PINGS)
    connecting = _action(counted("connect"), frames=0) + _action(counted("disconnect"), frames=0)
    said = message(PEOPLE, counted("sendmessage with cid"))
    return {
        "connection minutes": _OPEN,
        "heartbeats": _action(ping) * (_PINGS - sweeps) + _action(sweep) * sweeps,
        "connecting again": connecting * _CONNECTS,
        "messages": said * _SAID,
    }


def scanned_month() -> Bill:
    """Return what a person costs where a thousand are online and each message scans them all.

    The table is written when somebody comes and goes, and nobody else is told.
    """
    connecting = _action(Counts(1, 0, 0), frames=0) * 2
    heartbeats = _action(Counts(0, 0, 1)) * _PINGS
    said = scanned_message(PEOPLE, 1000) * _SAID
    return _OPEN + heartbeats + connecting * _CONNECTS + said


def document() -> str:
    """Return docs/costs.md."""
    said = counted("sendmessage with cid")
    return _TEMPLATE.read_text(encoding="utf-8").format(
        rooms="\n".join(_rooms(said)),
        month="\n".join(_people()),
        people=PEOPLE,
        wcu=said.wcu,
        rcu=said.rcu,
        row_bytes=row_bytes(),
        memory_mb=_MEMORY_GB * 1024,
        action_ms=_ACTION_S * 1000,
        job_ms=_JOB_S * 1000,
        post_ms=_POST_S * 1000,
        page_ms=_PAGE_S * 1000,
        chunk=CHUNK,
        id_bytes=_ID_BYTES,
        frame_bytes=_FRAME_BYTES,
        log_bytes=_LOG_BYTES,
        ping_min=_PING_S // 60,
        connection_h=_CONNECTION_S // 3600,
        said_a_day=_SAID_A_DAY,
        month_h=_MONTH_S // 3600,
    )


def counted(action: str) -> Counts:
    """Return what an action was counted to take, which docs/performance.md has."""
    table = _COUNTS.read_text(encoding="utf-8").partition(_HEADER)[2]
    row = table.partition(f"\n| {action} |")[2].partition("\n")[0]
    _, wcu, rcu, posts, _ = row.split("|")
    return Counts(float(wcu), float(rcu), int(posts))


def _rooms(said: Counts) -> list[str]:
    scans = " | ".join(f"Scan, {online:,} online" for online in ONLINE)
    head = f"| room | API Gateway | DynamoDB | Lambda | SQS | logs | **total** | {scans} |"
    return [head, "|" + "---|" * 9, *(_room(room, said) for room in ROOMS)]


def _room(room: int, said: Counts) -> str:
    each = _MILLION / room
    bill = message(room, said) * each
    scans = [
        f"{scanned_message(room, online).total * each:.2f}" for online in ONLINE if online >= room
    ]
    return f"| {room:,} | {_cells(bill)} | **{bill.total:.2f}** | {' | '.join(scans)} |"


def _people() -> list[str]:
    parts = month()
    parts |= {"**together**": sum(parts.values(), Bill()), "*a Scan instead*": scanned_month()}
    head = "| for | API Gateway | DynamoDB | Lambda | SQS | logs | **total** |"
    rows = [(name, bill * 1000) for name, bill in parts.items()]
    lines = [f"| {name} | {_cells(bill)} | **{bill.total:.2f}** |" for name, bill in rows]
    return [head, "|" + "---|" * 7, *lines]


def _cells(bill: Bill) -> str:
    return " | ".join(f"{dollars:.2f}" for dollars in asdict(bill).values())


def _action(cost: Counts, frames: int = 1) -> Bill:
    """Return what an action costs; `frames` come in, and its posts go out."""
    posts = Bill(lambdas=_seconds(cost.posts * _POST_S))
    return _frames(frames + cost.posts) + _units_bill(cost.wcu, cost.rcu) + _run(_ACTION_S) + posts


def _frames(count: int) -> Bill:
    return Bill(api_gateway=count * MESSAGE)


def _units_bill(writes: float, reads: float) -> Bill:
    return Bill(dynamodb=writes * WRITE_UNIT + reads * READ_UNIT)


def _run(seconds: float) -> Bill:
    return Bill(lambdas=INVOCATION + _seconds(seconds), logs=_LOG_BYTES * LOG_BYTE)


def _seconds(seconds: float) -> float:
    return seconds * _MEMORY_GB * GB_SECOND


def _units(people: int) -> int:
    return ceil(people * row_bytes() / _UNIT_BYTES)


def _queue_requests(room: int, jobs: int) -> int:
    sent = room * _ID_BYTES + jobs * _FRAME_BYTES
    sends = max(ceil(jobs / _QUEUE_BATCH), ceil(sent / _QUEUE_BYTES))
    return sends + 2 * jobs  # each is received and deleted


def main() -> int:
    """Write the document, or print it."""
    parser = argparse.ArgumentParser(prog="python -m bench.costs", description=__doc__)
    parser.add_argument("--print", action="store_true", help="print it instead of writing it")
    text = document()
    if parser.parse_args().print:
        print(text, end="")
    else:
        DOCUMENT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
