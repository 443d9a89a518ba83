"""Authorizers: whom they are asked about, what their answers come to, and where those go."""

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localgateway.authorizers import Authorizer
from localgateway.connections import Connection, State
from localgateway.errors import AuthorizerError
from localgateway.events import Handshake
from localgateway.functions import Function, FunctionError, Invocation
from localgateway.gateway import Gateway, Task
from localgateway.handshakes import Acceptance, Refusal
from localgateway.limits import Beliefs, Limits
from localgateway.management import GONE
from localgateway.routing import CONNECT, DEFAULT
from tests.gateway.conftest import MakeGateway
from tests.gateway.fakes import CountingEntropy, ManualClock, RecordingSocket

ARN = "arn:aws:execute-api:us-east-1:123456789012:localgatew/api/$connect"
TICKET = "route.request.querystring.ticket"
AUTHORIZER = Authorizer("authorize", identity_sources=(TICKET,))
WITH_TICKET = Handshake(query=(("ticket", "t"),))
FAILED = Refusal(500, "Internal server error")
OK = Invocation(payload={"statusCode": 200})


def policy(effect: str = "Allow", resource: str = ARN) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


def answer(**changes: Any) -> Invocation:
    return Invocation(payload={"principalId": "alice", "policyDocument": policy(), **changes})


def raised(message: str, kind: str = "Exception") -> Invocation:
    return Invocation(error=FunctionError(kind, message))


def judge(outcome: Invocation, beliefs: Beliefs | None = None) -> dict[str, str] | Refusal:
    return AUTHORIZER.judge(outcome, ARN, beliefs or Beliefs())


# -- how one is configured -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "ticket",
        "",
        "route.request.body.ticket",
        "route.request.header.",
        "route.request.header.a b",
        "$request.header.Auth",
        "context.identity.sourceIp",
        "stageVariables.name",
        f"{TICKET}, {TICKET}",
    ],
)
def test_another_identity_source_is_refused_and_named(source: str) -> None:
    with pytest.raises(AuthorizerError) as error:
        Authorizer("authorize", identity_sources=(TICKET, source))

    assert repr(source) in str(error.value)
    assert "route.request.header.NAME" in str(error.value)


def functions(*names: str) -> dict[str, Function]:
    return {
        name: Function(name=name, deployed_name=name, handler=lambda _event, _context: None)
        for name in names
    }


def test_an_unknown_function_is_an_error_that_lists_those_there_are() -> None:
    with pytest.raises(AuthorizerError) as error:
        AUTHORIZER.verify(functions("websocket_connect", "guard"))

    said = "no function 'authorize' as authorizer: there are guard, websocket_connect"
    assert str(error.value) == said


def test_without_a_connect_handler_there_is_nothing_to_guard() -> None:
    with pytest.raises(AuthorizerError, match=r"add @app\.on_ws_connect"):
        AUTHORIZER.verify(functions("authorize", "websocket_message"))


# -- whom it is asked about ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "handshake", "admitted"),
    [
        (TICKET, Handshake(query=(("ticket", "t"),)), True),
        (TICKET, Handshake(), False),
        (TICKET, Handshake(query=(("ticket", ""),)), False),
        (TICKET, Handshake(query=(("Ticket", "t"),)), False),
        (TICKET, Handshake(query=(("ticket", ""), ("ticket", "t"))), True),
        (TICKET, Handshake(query=(("ticket", "t"), ("ticket", ""))), False),
        (TICKET, Handshake(headers=(("ticket", "t"),)), False),
        ("route.request.header.X-Auth", Handshake(headers=(("x-auth", "a"),)), True),
        ("route.request.header.x-auth", Handshake(headers=(("X-AUTH", "a"),)), True),
        ("route.request.header.X-Auth", Handshake(headers=(("X-Auth", ""),)), False),
        ("route.request.header.X-Auth", Handshake(query=(("X-Auth", "a"),)), False),
        ("route.request.querystring.a.b_c", Handshake(query=(("a.b_c", "1"),)), True),
    ],
)
def test_an_identity_source_has_to_be_there_and_not_empty(
    source: str, handshake: Handshake, *, admitted: bool
) -> None:
    assert Authorizer("authorize", identity_sources=(source,)).admits(handshake) is admitted


def test_all_identity_sources_have_to_be_there() -> None:
    both = Authorizer("authorize", identity_sources=(TICKET, "route.request.header.Origin"))

    assert not both.admits(WITH_TICKET)
    assert both.admits(Handshake(query=WITH_TICKET.query, headers=(("origin", "x"),)))


def test_without_identity_sources_everybody_is_asked_about() -> None:
    assert Authorizer("authorize").admits(Handshake())


# -- what its answer comes to --------------------------------------------------------------------


def test_who_is_let_in_has_a_name_and_a_context_of_strings() -> None:
    context = {"text": "a\u00e9", "number": 7, "decimal": 1.5, "yes": True, "no": False, "": ""}

    grant = judge(answer(context=context, usageIdentifierKey="ignored"))

    assert grant == {
        "principalId": "alice",
        "text": "a\u00e9",
        "number": "7",
        "decimal": "1.5",
        "yes": "true",
        "no": "false",
        "": "",
    }


def test_a_context_does_not_rename_the_principal() -> None:
    assert judge(answer(context={"principalId": "mallory"})) == {"principalId": "alice"}


@pytest.mark.parametrize("context", [None, {}])
def test_a_context_may_be_missing(context: Any) -> None:
    assert judge(answer(context=context)) == {"principalId": "alice"}


@pytest.mark.parametrize("document", [policy("Deny"), policy(resource="*/$default")])
def test_a_policy_that_does_not_allow_refuses_with_403(document: Any) -> None:
    assert judge(answer(policyDocument=document)) == Refusal(403, "Forbidden")


@pytest.mark.parametrize("kind", ["Exception", "ValueError", "Unauthorized"])
def test_the_one_text_that_api_gateway_knows_refuses_with_401(kind: str) -> None:
    assert judge(raised("Unauthorized", kind)) == Refusal(401, "Unauthorized")


@pytest.mark.parametrize(
    "outcome",
    [
        raised("unauthorized"),
        raised("Unauthorized: stale"),
        raised("", "Unauthorized"),
        Invocation(error=FunctionError("Sandbox.Timedout", "late"), timed_out=True),
        Invocation(throttled=True),
    ],
)
def test_another_failure_refuses_with_500(outcome: Invocation) -> None:
    assert judge(outcome) == FAILED


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Invocation(), "the answer is not an object"),
        (Invocation(payload="Unauthorized"), "the answer is not an object"),
        (Invocation(payload={}), "principalId is not a string"),
        (answer(principalId=None), "principalId is not a string"),
        (answer(principalId=7), "principalId is not a string"),
        (answer(policyDocument=None), "policyDocument is not an object"),
        (answer(context=[]), "context is not an object"),
        (answer(context="x"), "context is not an object"),
        (answer(context={"a": None}), "context holds something else than"),
        (answer(context={"a": ["s3cret"]}), "context holds something else than"),
        (answer(context={"a": {}}), "context holds something else than"),
        (answer(context={"a": float("nan")}), "context holds something else than"),
        (answer(context={"a": []}, policyDocument=policy("Deny")), "context holds"),
    ],
)
def test_an_answer_that_cannot_be_used_refuses_with_500_and_the_log_says_why(
    outcome: Invocation, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert judge(outcome) == FAILED

    assert f"authorize            answered what API Gateway cannot use: {said}" in caplog.text
    assert "s3cret" not in caplog.text


def test_what_is_believed_of_failures_can_be_changed() -> None:
    beliefs = Beliefs(
        authorizer_error_status=501,
        authorizer_timeout_status=504,
        authorizer_throttled_status=429,
        principal_optional=True,
    )
    late = Invocation(error=FunctionError("Sandbox.Timedout", "late"), timed_out=True)
    outcomes = [raised("no"), Invocation(), late, Invocation(throttled=True)]

    verdicts = [judge(outcome, beliefs) for outcome in outcomes]

    assert [v.status for v in verdicts if isinstance(v, Refusal)] == [501, 501, 504, 429]
    assert judge(answer(principalId=None, context={"a": 1}), beliefs) == {"a": "1"}


def test_a_denial_is_logged_without_a_word_of_the_client(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    judge(answer(policyDocument=policy("Deny"), context={"a": "s3cret"}))
    AUTHORIZER.admits(Handshake(query=(("other", "s3cret"),)))

    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "authorize            denied",
        f"authorize            not asked: there is no {TICKET}",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
SCALARS = st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@given(JSON, st.fixed_dictionaries({}, optional={"principalId": JSON, "context": JSON}))
def test_whatever_is_answered_without_a_policy_lets_nobody_in(payload: Any, keys: Any) -> None:
    verdicts = [judge(Invocation(payload=answer)) for answer in (payload, keys)]

    assert verdicts == [FAILED, FAILED]


@given(st.dictionaries(st.text(), SCALARS | st.booleans()))
def test_every_context_of_scalars_arrives_as_strings(context: dict[str, Any]) -> None:
    grant = judge(answer(context=context))

    assert isinstance(grant, dict)
    assert grant.keys() == context.keys() | {"principalId"}
    assert all(isinstance(value, str) for value in grant.values())


# -- in the gateway ------------------------------------------------------------------------------


@pytest.fixture
def guarded(make_gateway: MakeGateway, entropy: CountingEntropy) -> Gateway:
    return make_gateway(authorizer=AUTHORIZER, entropy=entropy)


def begin(gateway: Gateway, handshake: Handshake = WITH_TICKET) -> tuple[Connection, Task]:
    started = gateway.connecting(handshake)
    assert not isinstance(started, Refusal)
    connection, task = started
    assert task is not None
    return connection, task


def context(task: Any) -> dict[str, Any]:
    assert isinstance(task, Task)
    found: dict[str, Any] = task.event["requestContext"]
    return found


def test_the_authorizer_comes_first_and_connect_after_it(guarded: Gateway) -> None:
    connection, question = begin(guarded)
    states = [connection.state]
    connect = guarded.connected(connection, answer())
    states.append(connection.state)

    assert isinstance(connect, Task)
    assert guarded.connected(connection, OK) == Acceptance()
    assert (question.function, connect.function) == ("authorize", "websocket_connect")
    assert question.event["type"] == "REQUEST"
    assert "type" not in connect.event
    assert states == [State.AUTHORIZING, State.CONNECTING]


def test_both_are_told_of_the_same_request(guarded: Gateway, clock: ManualClock) -> None:
    connection, question = begin(guarded)
    clock.advance(3)
    connect = guarded.connected(connection, answer())

    told = dict(context(connect))
    del told["authorizer"]
    assert told == context(question)
    assert told["connectionId"] == connection.id
    assert isinstance(connect, Task)
    assert connect.request_id == question.request_id == told["requestId"]
    trace = "X-Amzn-Trace-Id"
    assert connect.event["headers"][trace] == question.event["headers"][trace]


def test_every_event_of_the_connection_says_who_it_is(guarded: Gateway, clock: ManualClock) -> None:
    connection, question = begin(guarded)
    clock.advance(0.0421)
    connect = guarded.connected(connection, answer(context={"level": 7}))
    guarded.connected(connection, OK)
    guarded.opened(connection, RecordingSocket())
    tasks = [
        connect,
        guarded.received(connection, "hello"),
        guarded.disconnected(connection, None, ""),
    ]

    who = {"principalId": "alice", "level": "7", "integrationLatency": 42}
    assert [context(task)["authorizer"] for task in tasks] == [who] * 3
    assert "authorizer" not in context(question)


def test_a_handler_cannot_change_who_the_client_is(guarded: Gateway) -> None:
    connection, _ = begin(guarded)
    context(guarded.connected(connection, answer()))["authorizer"]["principalId"] = "mallory"
    guarded.connected(connection, OK)
    guarded.opened(connection, RecordingSocket())

    told = context(guarded.received(connection, "hello"))["authorizer"]

    assert told["principalId"] == "alice"


def test_a_clock_that_is_set_back_makes_no_negative_latency(
    guarded: Gateway, clock: ManualClock
) -> None:
    connection, _ = begin(guarded)
    clock.advance(-5)

    connect = guarded.connected(connection, answer())

    assert context(connect)["authorizer"]["integrationLatency"] == 0


def test_without_an_authorizer_no_event_speaks_of_one(gateway: Gateway) -> None:
    connection, connect = begin(gateway)
    gateway.connected(connection, OK)
    gateway.opened(connection, RecordingSocket())

    tasks = [connect, gateway.received(connection, "x"), gateway.disconnected(connection, 1001, "")]

    assert ["authorizer" in context(task) for task in tasks] == [False] * 3


@pytest.mark.parametrize(
    ("outcome", "refusal"),
    [
        (answer(policyDocument=policy("Deny")), Refusal(403, "Forbidden")),
        (raised("Unauthorized"), Refusal(401, "Unauthorized")),
        (raised("other"), FAILED),
        (Invocation(), FAILED),
        (None, FAILED),
    ],
)
def test_a_client_who_is_refused_was_never_there(
    guarded: Gateway, outcome: Invocation | None, refusal: Refusal
) -> None:
    connection, _ = begin(guarded)

    assert guarded.connected(connection, outcome) == refusal

    assert guarded.connections() == []
    assert guarded.post(connection.id, b"hello") == GONE
    assert guarded.disconnected(connection, 1006, "") is None


def test_connect_may_still_refuse_whom_the_authorizer_let_in(guarded: Gateway) -> None:
    connection, _ = begin(guarded)
    guarded.connected(connection, answer())

    verdict = guarded.connected(connection, Invocation(payload={"statusCode": 404}))

    assert verdict == Refusal(404, "Forbidden")
    assert guarded.connections() == []


def test_posting_while_the_authorizer_runs_answers_410(guarded: Gateway) -> None:
    connection, _ = begin(guarded)

    assert guarded.post(connection.id, b"hello") == GONE
    assert guarded.received(connection, "hello") is None


def test_a_missing_identity_source_is_refused_before_there_is_a_connection(
    guarded: Gateway,
) -> None:
    assert guarded.connecting(Handshake()) == Refusal(401, "Unauthorized")
    assert guarded.connections() == []


def test_a_handshake_counts_once_for_the_throttle(make_gateway: MakeGateway) -> None:
    gateway = make_gateway(authorizer=AUTHORIZER, limits=Limits(connects_per_second=3))
    connection, _ = begin(gateway)
    gateway.connected(connection, answer())
    gateway.connected(connection, OK)

    started = [gateway.connecting(handshake) for handshake in (WITH_TICKET, Handshake())]
    throttled = gateway.connecting(WITH_TICKET)

    assert not isinstance(started[0], Refusal)
    assert started[1] == Refusal(401, "Unauthorized")
    assert throttled == Refusal(429, "Too Many Requests")


def test_where_no_connect_is_routed_the_authorizer_decides_alone(
    make_gateway: MakeGateway,
) -> None:
    gateway = make_gateway(authorizer=AUTHORIZER, routes={DEFAULT})
    connections = [begin(gateway)[0] for _ in range(2)]

    verdicts = [
        gateway.connected(connections[0], answer()),
        gateway.connected(connections[1], raised("Unauthorized")),
    ]

    assert verdicts == [Acceptance(), Refusal(401, "Unauthorized")]


def test_a_task_names_its_function() -> None:
    assert Task(CONNECT, {}, "id").function == "websocket_connect"
    assert Task(CONNECT, {}, "id", "authorize").function == "authorize"
