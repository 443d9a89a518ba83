"""What is recorded of the chat, and under which ids."""

import logging
from typing import Any

import pytest

from chalicelib.bootstrap import Application
from chalicelib.correlation import correlation_id
from chalicelib.emf import PowertoolsTelemetry
from chalicelib.errors import Unavailable
from chalicelib.settings import Settings
from chalicelib.telemetry import Metric, Silence
from tests.unit.fakes import (
    ENVIRON,
    Client,
    Faulty,
    LogFactory,
    RecordingGateway,
    RecordingTelemetry,
    ServiceFactory,
    cancelled,
    client_error,
    said,
    websocket_event,
)

pytestmark = pytest.mark.memory

LIMITED = {Metric.LIMITED: 1.0}


@pytest.fixture
def telemetry(build_service: ServiceFactory) -> RecordingTelemetry:
    return build_service.telemetry


class Ids(logging.Handler):
    """Keeps the id under which each record is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str | None] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(correlation_id())


@pytest.fixture
def ids() -> Any:
    handler = Ids()
    logging.getLogger().addHandler(handler)
    yield handler.seen
    logging.getLogger().removeHandler(handler)


def test_a_frame_too_many_is_counted_under_the_id_of_its_event(
    build_service: ServiceFactory, gateway: RecordingGateway, telemetry: RecordingTelemetry
) -> None:
    chat = build_service(FRAME_RATE="1", FRAME_BURST="1")
    client = Client(chat, gateway, "c1")
    client.connect("alice")
    client.send("ping")
    event = websocket_event("c1", body='{"action":"ping"}')
    event["requestContext"]["requestId"] = "JC1"

    chat.receive(event)

    assert [answer["code"] for answer in client.received()] == ["rate_limited"]
    assert telemetry.only(Metric.LIMITED) == [LIMITED]
    assert telemetry.ids[-1] == "JC1"


def test_a_handshake_too_many_is_counted_under_the_id_of_its_event(
    build_service: ServiceFactory, telemetry: RecordingTelemetry
) -> None:
    chat = build_service(VISITS_PER_HOUR="1")
    chat.connect(websocket_event("c1", queryStringParameters={"name": "alice"}))
    event = websocket_event("c2", queryStringParameters={"name": "bob"})
    event["requestContext"]["requestId"] = "JC2"

    assert chat.connect(event) == {"statusCode": 429}
    assert telemetry.only(Metric.LIMITED) == [LIMITED]
    assert telemetry.ids[-1] == "JC2"


def test_a_frame_that_is_refused_for_another_reason_is_not_counted(
    build_service: ServiceFactory, gateway: RecordingGateway, telemetry: RecordingTelemetry
) -> None:
    client = Client(build_service(), gateway, "c1")
    client.connect("alice")

    client.send("nothing")

    assert telemetry.only(Metric.LIMITED) == []


@pytest.mark.parametrize(
    ("after", "metric"), [(0, Metric.RECOVERED), (2, Metric.RECOVERED), (9, Metric.NOT_RECOVERED)]
)
def test_whether_a_client_catches_up_is_counted(
    build_service: ServiceFactory,
    gateway: RecordingGateway,
    telemetry: RecordingTelemetry,
    after: int,
    metric: Metric,
) -> None:
    client = Client(build_service(), gateway, "c1")
    client.connect("alice")
    for text in ("one", "two"):
        client.send("sendmessage", room="games", message=text)

    client.send("subscribe", id=1, room="games", after=after)

    assert telemetry.only(Metric.RECOVERED, Metric.NOT_RECOVERED) == [{metric: 1.0}]


def test_whoever_comes_anew_has_nothing_to_recover(
    build_service: ServiceFactory, gateway: RecordingGateway, telemetry: RecordingTelemetry
) -> None:
    client = Client(build_service(), gateway, "c1")
    client.connect("alice")

    client.send("subscribe", id=1, room="games")

    assert telemetry.only(Metric.RECOVERED, Metric.NOT_RECOVERED) == []


@pytest.mark.parametrize("lost", [1, 3])
def test_lost_races_are_counted_by_message(
    new_log: LogFactory, dynamodb: Faulty, lost: int
) -> None:
    telemetry = RecordingTelemetry()
    dynamodb.plan("transact_write_items", *[cancelled("TransactionConflict")] * lost)

    new_log(telemetry=telemetry).append(said("hello"))

    assert telemetry.recorded == [{Metric.APPEND_RETRIES: lost}]


def test_a_message_without_a_rival_is_not_worth_a_line(new_log: LogFactory) -> None:
    telemetry = RecordingTelemetry()

    new_log(telemetry=telemetry).append(said("hello"))

    assert telemetry.recorded == []


def test_races_that_are_lost_to_the_end_are_counted_too(
    new_log: LogFactory, dynamodb: Faulty
) -> None:
    telemetry = RecordingTelemetry()
    dynamodb.always("transact_write_items", cancelled("TransactionConflict"))

    with pytest.raises(Unavailable):
        new_log(telemetry=telemetry).append(said("hello"))

    (recorded,) = telemetry.recorded
    assert recorded[Metric.APPEND_RETRIES] > 10


@pytest.mark.parametrize("handler", ["connect", "receive", "disconnect"])
def test_every_handler_runs_under_the_id_of_its_event(
    build_service: ServiceFactory, dynamodb: Faulty, ids: list[str | None], handler: str
) -> None:
    broken = client_error("AccessDeniedException")
    for operation in ("get_item", "update_item", "query", "transact_write_items", "put_item"):
        dynamodb.always(operation, broken)
    event = websocket_event("c1", queryStringParameters={"name": "alice"}, body="{}")
    event["requestContext"] |= {"requestId": "JC1", "extendedRequestId": "JC1"}

    getattr(build_service(), handler)(event)

    assert set(ids) == {"JC1"}
    assert correlation_id() is None


def test_a_publication_runs_under_the_id_of_its_invocation_or_one_of_its_own(
    build_service: ServiceFactory, dynamodb: Faulty, ids: list[str | None]
) -> None:
    for operation in ("query", "transact_write_items"):
        dynamodb.always(operation, client_error("AccessDeniedException"))
    chat = build_service()

    for invocation in ("a-1", None, None):
        chat.publish({"room": "lobby", "message": "x"}, invocation=invocation)

    assert ids[0] == "a-1"
    assert None not in ids
    assert len(set(ids)) == 3


@pytest.mark.parametrize(("metrics", "kind"), [("true", PowertoolsTelemetry), ("false", Silence)])
def test_metrics_can_be_turned_off(metrics: str, kind: type) -> None:
    application = Application(Settings.from_environ({**ENVIRON, "METRICS": metrics}))

    assert type(application.telemetry) is kind
