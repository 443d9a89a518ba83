"""A client in front of another one that refuses what boto3 would not even send."""

from collections.abc import Callable
from functools import cache
from typing import Any

import botocore.session
from botocore.model import Shape
from botocore.validate import validate_parameters


class CheckedClient:
    """Checks each request by botocore's description of DynamoDB, then hands it on.

    Raises:
        botocore.exceptions.ParamValidationError: A request has an unknown or a missing parameter,
            or a value of another type; as from boto3.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        carry_out = getattr(self._client, operation)

        def call(**request: Any) -> Any:
            validate_parameters(request, _input(operation))
            return carry_out(**request)

        return call


@cache
def _input(operation: str) -> Shape:
    model = botocore.session.get_session().get_service_model("dynamodb")
    name = "".join(word.capitalize() for word in operation.split("_"))
    return model.operation_model(name).input_shape
