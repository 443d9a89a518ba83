"""What a post asks of the runtime's binding without the futures that its Python wrappers make.

A future a request and another a signature are a fifth of the CPU of a post. What is called here
instead is beneath the public interface, so it goes with the version that requirements.txt pins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import _awscrt  # type: ignore[import-not-found]
from awscrt.exceptions import from_code
from awscrt.http import HttpClientStream, HttpRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from awscrt.auth import AwsSigningConfig
    from awscrt.http import HttpClientConnection


class Stream(HttpClientStream):  # type: ignore[misc]
    """A request on a connection; says `completed(error or None)` once, on the runtime's thread.

    Attributes:
        status: that of the answer, or None as long as there is none.
    """

    def __init__(
        self,
        connection: HttpClientConnection,
        request: HttpRequest,
        completed: Callable[[Exception | None], None],
    ) -> None:
        self.status: int | None = None
        self._completed = completed
        self._connection = connection
        self._request = request  # the binding reads its body as long as it is sent
        http2_manual_write = False
        self._binding = _awscrt.http_client_stream_new(
            self, connection, request, http2_manual_write
        )

    def _on_response(self, status_code: int, _: list[tuple[str, str]]) -> None:
        self.status = status_code

    def _on_body(self, _: bytes) -> None:
        """Pass over what the answer says: the status is all there is to know."""

    def _on_complete(self, error_code: int) -> None:
        self._request = None
        self._completed(from_code(error_code) if error_code else None)


def sign(request: HttpRequest, config: AwsSigningConfig) -> HttpRequest:
    """Add the signature to a request; the configuration's credentials must be static.

    Raises:
        AwsCrtError: It could not be signed.
    """
    errors: list[int] = []
    # Static credentials make signing synchronous: there is nothing to wait for.
    _awscrt.sign_request_aws(request, config, errors.append)
    if errors != [0]:
        raise from_code(errors[0]) if errors else RuntimeError("signing did not end at once")
    return request
