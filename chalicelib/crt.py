"""ConnectionsGateway on the AWS Common Runtime: HTTP, TLS and signing in C, on one thread."""

from __future__ import annotations

import io
import logging
import random
import threading
import time
from functools import lru_cache, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from awscrt.auth import AwsCredentialsProvider, AwsSigningConfig
from awscrt.http import HttpClientConnection, HttpHeaders, HttpRequest
from awscrt.io import (
    ClientBootstrap,
    ClientTlsContext,
    DefaultHostResolver,
    EventLoopGroup,
    SocketOptions,
    TlsContextOptions,
)

from chalicelib.backoff import Backoff
from chalicelib.exchanges import Batch, Call, Endpoint, Exchange
from chalicelib.pacing import Pace
from chalicelib.pools import Pool
from chalicelib.streams import sign

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from chalicelib.gateway import Outcome, Post, Recipient
    from chalicelib.models import ConnectionId

logger = logging.getLogger(__name__)

_PORTS = {"http": 80, "https": 443}


class CrtGateway:
    """Calls over at most `concurrency` connections to an origin, within `timeout` seconds.

    What is throttled, fails, or has no answer after `attempt_timeout` seconds is tried again after
    a pause that `backoff` tells: by default up to 50 ms, 100 ms and 200 ms, four attempts at most.
    An origin that answers 429 gets fewer requests at a time, see Pace.

    A pooled connection may have died unnoticed while the function was frozen: a request that
    fails on one before any answer is sent once more on a fresh one, at once and as the same
    attempt. So a recipient may get a frame twice. Threads may share a gateway. Nothing starts
    before the first call.
    """

    def __init__(
        self,
        *,
        region: str,
        credentials_provider: Any = None,
        concurrency: int = 64,
        timeout: float = 5.0,
        attempt_timeout: float = 2.0,
        backoff: Backoff | None = None,
        tls_context: Any = None,
    ) -> None:
        self._region = region
        self._credentials_provider = credentials_provider
        self._concurrency = concurrency
        self._timeout = timeout
        self._attempt_timeout = attempt_timeout
        self._backoff = backoff or Backoff(
            clock=time.monotonic,
            sleep=time.sleep,
            random=random.random,
            attempts=4,
            base=0.05,
            cap=1.0,
        )
        self._tls_context = tls_context
        self._lock = threading.Lock()
        self._bootstrap: Any = None
        self._endpoints: dict[str, Endpoint] = {}
        self._pools: dict[tuple[str, str, int], Pool] = {}

    def post(self, posts: Sequence[Post], *, within: float | None = None) -> list[Outcome]:
        """Post every frame; the outcomes come in the order of `posts`.

        Without credentials nothing is sent, and everything that could be is RETRYABLE.
        """
        return self._carry_out(
            [Call("POST", it.endpoint, it.connection_id, it.frame) for it in posts], within
        )

    def check(self, probes: Sequence[Recipient]) -> list[Outcome]:
        """Ask for every connection; the outcomes come in the order of `probes`.

        Without credentials nothing is asked, and everything that could be is RETRYABLE.
        """
        return self._carry_out([Call("GET", it.endpoint, it.connection_id) for it in probes])

    def disconnect(self, recipients: Sequence[Recipient]) -> list[Outcome]:
        """End every connection; the outcomes come in the order of `recipients`.

        Without credentials nothing is ended, and everything that could be is RETRYABLE.
        """
        return self._carry_out([Call("DELETE", it.endpoint, it.connection_id) for it in recipients])

    def start(self) -> None:
        """Start what the first call would have to wait for: the thread, TLS and the credentials.

        Never raises; where there are no credentials, that is logged.
        """
        self._tls()
        self._credentials(self._backoff.clock() + self._timeout)

    def close(self) -> None:
        """Close the idle connections; those in use close when their request ends."""
        with self._lock:
            pools = list(self._pools.values())
            self._endpoints, self._pools, self._bootstrap = {}, {}, None
        for pool in pools:
            pool.close()

    def _carry_out(self, calls: list[Call], within: float | None = None) -> list[Outcome]:
        deadline = self._backoff.clock() + (self._timeout if within is None else within)
        endpoints = {url: self._endpoint(url) for url in {call.endpoint for call in calls}}
        batch = Batch(deadline, self._attempt_timeout, self._backoff)
        exchanges = [Exchange(batch, call, endpoints[call.endpoint]) for call in calls]
        sendable = [exchange for exchange in exchanges if exchange.outcome is None]
        if sendable and (credentials := self._credentials(deadline)):
            batch.expect(len(sendable), _Signer(self._region, credentials).request)
            for exchange in sendable:
                exchange.submit()
            batch.wait()
        return [exchange.conclude() for exchange in exchanges]

    def _endpoint(self, url: str) -> Endpoint | None:
        with self._lock:
            if url not in self._endpoints:
                try:
                    self._endpoints[url] = self._parse(url)
                except ValueError:
                    logger.exception("not an endpoint: %r", url)
                    return None
            return self._endpoints[url]

    def _parse(self, url: str) -> Endpoint:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("expected http(s)://host[:port]/stage")
        origin = parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]
        if origin not in self._pools:
            self._pools[origin] = Pool(self._connector(*origin), Pace(self._concurrency))
        path = f"{parts.path.rstrip('/')}/@connections/"
        return Endpoint(self._pools[origin], parts.netloc.rpartition("@")[2], path)

    def _connector(self, scheme: str, host: str, port: int) -> Callable[[], Future[Any]]:
        socket = SocketOptions()
        socket.connect_timeout_ms = max(1, int(self._attempt_timeout * 1000))
        tls = None
        if scheme == "https":
            tls = self._tls().new_connection_options()
            tls.set_server_name(host)
        bootstrap = self._start()
        return partial(HttpClientConnection.new, host, port, bootstrap, socket, tls)

    def _tls(self) -> Any:
        self._tls_context = self._tls_context or ClientTlsContext(TlsContextOptions())
        return self._tls_context

    def _start(self) -> Any:
        """Return the bootstrap of the one thread: Python runs one callback at a time anyway."""
        if self._bootstrap is None:
            group = EventLoopGroup(1)
            self._bootstrap = ClientBootstrap(group, DefaultHostResolver(group))
        return self._bootstrap

    def _credentials(self, deadline: float) -> Any:
        """Return a provider that answers at once, or None: asked once a batch, they may rotate."""
        try:
            with self._lock:
                if self._credentials_provider is None:
                    chain = AwsCredentialsProvider.new_default_chain(self._start())
                    self._credentials_provider = chain
            asked = self._credentials_provider.get_credentials()
            found = asked.result(max(0.0, deadline - self._backoff.clock()))
            return AwsCredentialsProvider.new_static(
                found.access_key_id, found.secret_access_key, found.session_token
            )
        except Exception:  # whatever a provider raises, the calls can be tried again
            logger.exception("no AWS credentials to sign with")
            return None


@lru_cache(maxsize=10_000)
def _quote(connection_id: ConnectionId) -> str:
    return quote(connection_id, safe="")


class _Signer:
    """Signs for one batch: one date, and each different body hashed once."""

    def __init__(self, region: str, credentials: Any) -> None:
        self._region = region
        self._credentials = credentials
        self._configs: dict[bytes, Any] = {}

    def request(self, endpoint: Endpoint, call: Call) -> HttpRequest:
        headers = [("host", endpoint.host)]
        if call.method == "POST":
            headers.append(("content-length", str(len(call.body))))
        # As botocore: "=" is encoded on the wire, "@" is not, and the signature encodes all of the
        # path once more. API Gateway signs what it received, so another choice would do as well:
        # https://github.com/badslug/Paw-AWSSignature4DynamicValue/issues/23
        path = endpoint.path + _quote(call.connection_id)
        body = io.BytesIO(call.body) if call.body else None
        request = HttpRequest(call.method, path, HttpHeaders(headers), body)
        return sign(request, self._config(call.body))

    def _config(self, body: bytes) -> Any:
        if body not in self._configs:
            self._configs[body] = AwsSigningConfig(
                credentials_provider=self._credentials,
                region=self._region,
                service="execute-api",
                signed_body_value=sha256(body).hexdigest(),
            )
        return self._configs[body]
