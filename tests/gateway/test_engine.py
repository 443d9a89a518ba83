"""The engine: a real moto server, started, used, stopped; and those that are not there."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localgateway.engine import Engine, MotoEngine, RemoteEngine
from localgateway.errors import EngineError
from localgateway.stacks import create_stack

TEMPLATE = """
Parameters:
  Prefix:
    Type: String
Conditions:
  Never: !Equals [a, b]
Resources:
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub "${Prefix}-things"
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
  Skipped:
    Type: AWS::SQS::Queue
    Condition: Never
Outputs:
  Arn:
    Value: !GetAtt Things.Arn
"""
QUEUE = """
  Jobs:
    Type: AWS::SQS::Queue
    Properties: {QueueName: added-jobs}
Outputs:
"""

PARENT = """
from localgateway.engine import MotoEngine
engine = MotoEngine.start()
print(engine.url, flush=True)
input()
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[MotoEngine]:
    with MotoEngine.start() as engine:
        yield engine


def test_it_answers_as_soon_as_it_is_started(engine: MotoEngine) -> None:
    tables = engine.client("dynamodb").list_tables()["TableNames"]

    assert isinstance(tables, list)


def test_clients_are_of_the_region_that_is_asked_for(engine: MotoEngine) -> None:
    queue = engine.client("sqs", "eu-west-1").create_queue(QueueName="there")["QueueUrl"]

    here = engine.client("sqs").list_queues().get("QueueUrls", [])

    assert queue not in here


def test_a_broken_profile_of_the_user_does_not_matter(
    engine: MotoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "there-is-no-such-profile")

    assert engine.client("sqs").meta.endpoint_url == engine.url


def test_a_long_poll_does_not_hold_up_other_requests(engine: MotoEngine) -> None:
    sqs = engine.client("sqs")
    url = sqs.create_queue(QueueName="waited-for")["QueueUrl"]
    received: list[Any] = []
    poll = threading.Thread(
        target=lambda: received.append(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10))
    )
    poll.start()

    start = time.monotonic()
    engine.client("sqs").send_message(QueueUrl=url, MessageBody="here")
    poll.join()

    assert time.monotonic() - start < 5
    assert received[0]["Messages"][0]["Body"] == "here"


def test_concurrent_writes_beside_failing_transactions_are_all_kept(engine: MotoEngine) -> None:
    dynamodb = engine.client("dynamodb")
    dynamodb.create_table(
        TableName="raced",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    refused = {
        "TableName": "raced",
        "Key": {"pk": {"S": "missing"}},
        "ConditionExpression": "attribute_exists(pk)",
    }

    def write(first: int) -> None:
        for number in range(first, first + 20):
            dynamodb.put_item(TableName="raced", Item={"pk": {"S": str(number)}})

    def fail() -> None:
        put = {"TableName": "raced", "Item": {"pk": {"S": "rolled back"}}}
        for _ in range(20):
            with pytest.raises(ClientError, match="TransactionCanceled"):
                dynamodb.transact_write_items(
                    TransactItems=[{"Put": put}, {"ConditionCheck": refused}]
                )

    threads = [threading.Thread(target=fail)]
    threads += [threading.Thread(target=write, args=(first,)) for first in (0, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert dynamodb.scan(TableName="raced")["Count"] == 40


def test_a_stack_is_created_with_the_parameters_that_it_declares(
    engine: MotoEngine, tmp_path: Path
) -> None:
    template = tmp_path / "data.yaml"
    template.write_text(TEMPLATE)

    create_stack(engine, template, {"Prefix": "made", "Unknown": "x"}, stack_name="made")

    assert "made-things" in engine.client("dynamodb").list_tables()["TableNames"]


def test_creating_a_stack_again_keeps_its_data_and_adds_what_is_new(
    engine: MotoEngine, tmp_path: Path
) -> None:
    template = tmp_path / "data.yaml"
    template.write_text(TEMPLATE)
    create_stack(engine, template, {"Prefix": "again"}, stack_name="again")
    dynamodb = engine.client("dynamodb")
    dynamodb.put_item(TableName="again-things", Item={"pk": {"S": "kept"}})

    create_stack(engine, template, {"Prefix": "again"}, stack_name="again")
    template.write_text(TEMPLATE.replace("\nOutputs:\n", QUEUE))
    create_stack(engine, template, {"Prefix": "again"}, stack_name="again")

    assert dynamodb.scan(TableName="again-things")["Count"] == 1
    assert engine.client("sqs").get_queue_url(QueueName="added-jobs")["QueueUrl"]


def test_a_json_template_is_read_too(engine: MotoEngine, tmp_path: Path) -> None:
    template = tmp_path / "data.json"
    template.write_text(
        '{"Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "of-json"}}}}'
    )

    create_stack(engine, template, {}, stack_name="of-json")

    assert engine.client("sqs").get_queue_url(QueueName="of-json")["QueueUrl"]


@pytest.mark.parametrize(
    ("name", "text", "cause"),
    [
        ("a.yaml", "Resources: [1", "expected ',' or ']'"),
        ("a.json", "{", "Expecting property name"),
        ("a.yaml", "just text", "it has no Resources"),
        ("a.yaml", "Resources:\n  T: {Type: AWS::Nope::Thing}", "not support AWS::Nope::Thing"),
        ("a.yaml", "Resources:\n  T: {Type: AWS::DynamoDB::Table, Properties: {}}", "schema"),
        ("a.yaml", "Resources: {}", "it has no Resources"),
        (
            "a.yaml",
            "Parameters: {P: {Type: String}}\nResources: {Q: {Type: AWS::SQS::Queue}}",
            "Missing parameter P",
        ),
    ],
)
def test_a_wrong_template_is_one_line_with_the_file_and_the_cause(
    engine: MotoEngine, tmp_path: Path, name: str, text: str, cause: str
) -> None:
    template = tmp_path / name
    template.write_text(text)

    with pytest.raises(EngineError) as error:
        create_stack(engine, template, {}, stack_name=tmp_path.name.replace("_", "-"))

    assert str(template) in str(error.value)
    assert cause in str(error.value)
    assert "\n" not in str(error.value)


def test_a_template_may_be_mended_and_tried_again(engine: MotoEngine, tmp_path: Path) -> None:
    template = tmp_path / "data.yaml"
    template.write_text(TEMPLATE.replace("KeySchema", "KeySchemer"))
    with pytest.raises(EngineError, match=r"moto failed: .*schema"):
        create_stack(engine, template, {"Prefix": "mended"}, stack_name="mended")
    template.write_text(TEMPLATE)

    create_stack(engine, template, {"Prefix": "mended"}, stack_name="mended")

    assert "mended-things" in engine.client("dynamodb").list_tables()["TableNames"]


def test_an_update_that_is_refused_names_the_cause(engine: MotoEngine, tmp_path: Path) -> None:
    template = _one_queue(tmp_path)
    create_stack(engine, template, {}, stack_name="refused")
    template.write_text("Parameters: {P: {Type: String}}\n" + template.read_text())

    with pytest.raises(EngineError, match=r"a\.yaml: .*P"):
        create_stack(engine, template, {}, stack_name="refused")


def test_what_moto_trips_over_is_an_error_with_its_cause(engine: MotoEngine) -> None:
    streams = engine.client("dynamodbstreams")

    with pytest.raises(ClientError, match=r"InternalFailure.*moto failed: KeyError"):
        streams.get_records(ShardIterator="there-is-no-such-iterator")


def test_a_missing_template_is_named(engine: MotoEngine, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"none\.yaml: No such file"):
        create_stack(engine, tmp_path / "none.yaml", {}, stack_name="none")


def test_a_template_that_is_not_utf8_is_named(engine: MotoEngine, tmp_path: Path) -> None:
    template = tmp_path / "a.yaml"
    template.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(EngineError, match=r"a\.yaml: "):
        create_stack(engine, template, {}, stack_name="none")


class ScriptedEngine(Engine):
    """Answers as a CloudFormation whose stack goes through the given states."""

    def __init__(self, real: Engine, *statuses: dict[str, str]) -> None:
        self.url = real.url
        self.statuses = list(statuses)
        self.requests: list[dict[str, Any]] = []

    def client(self, service: str, region: str = "us-east-1", *, attempts: int = 1) -> Any:
        client = super().client(service, region, attempts=attempts)
        client.create_stack = lambda **request: self.requests.append(request)
        client.describe_stacks = lambda **_request: {"Stacks": [self._status()]}
        client.get_paginator = lambda _name: self
        return client

    def paginate(self, **_request: str) -> list[dict[str, Any]]:
        return [{"StackResourceSummaries": [{"LogicalResourceId": "Q"}]}]

    def _status(self) -> dict[str, str]:
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


def _one_queue(tmp_path: Path) -> Path:
    template = tmp_path / "a.yaml"
    template.write_text("Resources: {Q: {Type: AWS::SQS::Queue}}")
    return template


def test_a_stack_in_progress_is_waited_for(engine: MotoEngine, tmp_path: Path) -> None:
    states = ({"StackStatus": "CREATE_IN_PROGRESS"}, {"StackStatus": "CREATE_COMPLETE"})
    pauses: list[float] = []

    create_stack(
        ScriptedEngine(engine, *states),
        _one_queue(tmp_path),
        {},
        stack_name="slow",
        sleep=pauses.append,
    )

    assert len(pauses) == 1


def test_parameters_that_the_template_does_not_declare_are_left_out(
    engine: MotoEngine, tmp_path: Path
) -> None:
    template = _one_queue(tmp_path)
    template.write_text("Parameters: {P: {Type: String}}\n" + template.read_text())
    scripted = ScriptedEngine(engine, {"StackStatus": "CREATE_COMPLETE"})

    create_stack(scripted, template, {"P": "1", "Unknown": "2"}, stack_name="picky")

    (request,) = scripted.requests
    assert request["Parameters"] == [{"ParameterKey": "P", "ParameterValue": "1"}]


def test_a_stack_that_never_ends_is_given_up(engine: MotoEngine, tmp_path: Path) -> None:
    times = iter([0.0, 1.0, 99.0])

    with pytest.raises(EngineError, match="stack slow is CREATE_IN_PROGRESS"):
        create_stack(
            ScriptedEngine(engine, {"StackStatus": "CREATE_IN_PROGRESS"}),
            _one_queue(tmp_path),
            {},
            stack_name="slow",
            clock=lambda: next(times),
            sleep=lambda _seconds: None,
        )


def test_a_failed_stack_says_why(engine: MotoEngine, tmp_path: Path) -> None:
    state = {"StackStatus": "ROLLBACK_COMPLETE", "StackStatusReason": "no room"}

    with pytest.raises(EngineError, match=r"a\.yaml: stack full is ROLLBACK_COMPLETE: no room"):
        create_stack(ScriptedEngine(engine, state), _one_queue(tmp_path), {}, stack_name="full")


def test_an_engine_that_is_gone_is_one_line(tmp_path: Path) -> None:
    engine = Engine()
    engine.url = "http://127.0.0.1:1"

    with pytest.raises(EngineError, match="Could not connect"):
        create_stack(engine, _one_queue(tmp_path), {}, stack_name="gone")


def test_stopping_ends_the_process_and_may_be_repeated() -> None:
    engine = MotoEngine.start()

    engine.stop()
    engine.stop()

    assert engine._process.returncode == -signal.SIGTERM
    with pytest.raises(EngineError):
        RemoteEngine(engine.url)


def test_a_server_that_does_not_end_is_killed() -> None:
    stubborn = "import signal,sys; signal.signal(15, signal.SIG_IGN); print(flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", stubborn], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout
    process.stdout.readline()

    MotoEngine(process, "http://127.0.0.1:1").stop(patience=0.1)
    process.stdout.close()

    assert process.returncode == -signal.SIGKILL


def test_it_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout
    url = parent.stdout.readline().strip()
    RemoteEngine(url)

    parent.kill()
    parent.communicate()

    assert _gone(url, due=time.monotonic() + 5)


def _gone(url: str, due: float) -> bool:
    while time.monotonic() < due:
        try:
            RemoteEngine(url)
        except EngineError:
            return True
        time.sleep(0.05)
    return False


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(EngineError, match=rf"127\.0\.0\.1:{port}: Address already in use"):
            MotoEngine.start(port=port)


def test_a_server_that_ends_while_starting_gives_its_last_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # An interpreter that ends at once, whatever it is told to run.
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(EngineError, match=r"the moto engine ended while starting: no message"):
        MotoEngine.start()


def test_a_server_that_is_too_slow_is_given_up_and_stopped() -> None:
    times = iter([0.0, 31.0])

    with pytest.raises(EngineError, match=r"does not answer at http://127.0.0.1:"):
        MotoEngine.start(clock=lambda: next(times), sleep=lambda _seconds: None)


def test_a_remote_engine_may_answer_anything(engine: MotoEngine) -> None:
    remote = RemoteEngine(f"{engine.url}/moto-api/there-is-no-such-page/")

    remote.stop()

    assert remote.url == f"{engine.url}/moto-api/there-is-no-such-page"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://", "nonsense", "http://[", "ftp:x"])
def test_a_remote_engine_that_is_not_there_is_named(url: str) -> None:
    with pytest.raises(EngineError) as error:
        RemoteEngine(url)

    assert url in str(error.value)


def test_something_that_does_not_speak_http_is_no_engine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

        def hello() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 mail ready\r\n")

        greeter = threading.Thread(target=hello)
        greeter.start()
        with pytest.raises(EngineError, match="no engine answers"):
            RemoteEngine(url)
        greeter.join()
