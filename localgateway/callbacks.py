"""Brings what handlers send through AWS SDKs for Python to the local gateway.

Two kinds of handler are reached without a change to the app. One uses `app.websocket_api`, whose
`session` attribute is where Chalice lets an app bring its own client factory. The other makes an
`apigatewaymanagementapi` client with boto3, for whatever endpoint: the request is answered before
it is sent. Code that speaks HTTP itself finds the gateway at the address in the environment
variable AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI, or through the domainName of its events.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from chalice import Chalice

from localgateway.gateway import Gateway
from localgateway.management import POSTED, Response

_SERVICE = "apigatewaymanagementapi"


@contextmanager
def attached(app: Chalice, gateway: Gateway) -> Iterator[None]:
    """Make `app.websocket_api` send through this gateway, for a while."""
    api = app.websocket_api
    # Chalice keeps the client it made first, and offers no way to make it forget.
    before = api.session, api._client  # noqa: SLF001
    api.session, api._client = _Session(gateway), None  # noqa: SLF001
    try:
        yield
    finally:
        api.session, api._client = before  # noqa: SLF001


@contextmanager
def intercepted(gateway: Gateway) -> Iterator[None]:
    """Answer every apigatewaymanagementapi client made meanwhile, in any thread, from a gateway.

    Clients made before are not reached: import the app inside.
    """
    original = botocore.session.Session.create_client

    def create_client(self: Any, service_name: str, *args: Any, **kwargs: Any) -> Any:
        client = original(self, service_name, *args, **kwargs)
        if service_name == _SERVICE:
            _answer_from(gateway, client)
        return client

    botocore.session.Session.create_client = create_client
    try:
        yield
    finally:
        botocore.session.Session.create_client = original


def _answer_from(gateway: Gateway, client: Any) -> None:
    # botocore calls every handler, whichever answers: there has to be one, for the last gateway.
    client.localgateway = gateway

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        path = urlsplit(request.url).path
        body = _bytes(request.body)
        response = client.localgateway.manage(request.method, path, headers, body)
        return AWSResponse(request.url, response.status, dict(response.headers), _Raw(response))

    # First, because moto's mock_aws answers this service too, and knows no connections.
    events = client.meta.events
    events.register_first(f"before-send.{_SERVICE}", answer, unique_id="localgateway")


class _Session:
    """Stands in for the boto3 session of `app.websocket_api`."""

    def __init__(self, gateway: Gateway) -> None:
        self.region_name = gateway.api.region
        self._gateway = gateway

    def client(self, _service: str, **_options: Any) -> "_Client":
        return _Client(self._gateway)


class _Client:
    """Posts straight to the gateway, at a twentieth of botocore's cost per call.

    Whatever is not a post that succeeds takes botocore's way, for its validation, its retries and
    its exceptions.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def post_to_connection(self, **request: Any) -> Any:
        data = request.get("Data")
        body = data.encode() if isinstance(data, str) else data
        if isinstance(body, bytes):
            answer = self._gateway.post(str(request.get("ConnectionId")), body)
            if answer is POSTED:
                return {"ResponseMetadata": {"HTTPStatusCode": 200}}
        return self._sdk.post_to_connection(**request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sdk, name)

    @cached_property
    def _sdk(self) -> Any:
        client = botocore.session.Session().create_client(
            _SERVICE,
            region_name=self._gateway.api.region,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - never leaves the process
            endpoint_url=f"https://{self._gateway.api.domain_name}/{self._gateway.api.stage}",
        )
        _answer_from(self._gateway, client)
        return client


def _bytes(body: Any) -> bytes:
    """Return the body of a request, for which SDKs take a file too."""
    return bytes(body.read() if hasattr(body, "read") else body or b"")


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class _Raw(io.BytesIO):
    """The body of an AWSResponse, which reads it through urllib3's `stream`."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.body)

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()
