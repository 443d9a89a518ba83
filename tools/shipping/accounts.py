"""The AWS account and region that the commands work on, known before anything is done."""

import os
from functools import cache
from typing import Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from tools.shipping.errors import ShippingError

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 5})
_CREDENTIALS = (
    "there are no AWS credentials here: run `aws configure` or `aws sso login`, or set AWS_PROFILE"
)


class Account:
    """One account in one region, and the clients for it.

    Attributes:
        region: Such as eu-central-1.
        number: The account's twelve digits.
        caller: The ARN of who is asking.
        partition: "aws", for ARNs.
    """

    def __init__(self, session: Session) -> None:
        """Ask AWS who is calling.

        Raises:
            ShippingError: no region, a region that does not exist, or credentials that are
                missing, expired or wrong.
        """
        self._session = session
        self.region = _region(session)
        identity = _identity(session)
        self.number = str(identity["Account"])
        self.caller = str(identity["Arn"])
        self.partition = self.caller.split(":")[1]
        self.client = cache(self._client)

    def __str__(self) -> str:
        """Say where, and as whom."""
        emulator = os.environ.get("AWS_ENDPOINT_URL")
        where = f" at {emulator}" if emulator else ""
        return f"account {self.number}, region {self.region}{where}, as {self.caller}"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.number}:{resource}"

    def _client(self, service: str, region: str | None = None) -> Any:
        return self._session.client(service, region_name=region, config=_CONFIG)


def connect() -> Account:
    """Return the account of the environment: profile, variables, region. Raises ShippingError."""
    try:
        return Account(Session())
    except ProfileNotFound as error:
        raise ShippingError(f"{error}: see AWS_PROFILE and ~/.aws/config") from error


def _region(session: Session) -> str:
    region = session.region_name
    if not region:
        raise ShippingError("no region is chosen: set AWS_DEFAULT_REGION, such as eu-central-1")
    partitions = session.get_available_partitions()
    known = {r for p in partitions for r in session.get_available_regions("lambda", p)}
    if region not in known:
        raise ShippingError(f"region {region!r} does not exist: look at AWS_DEFAULT_REGION")
    return str(region)


def _identity(session: Session) -> Any:
    try:
        return session.client("sts", config=_CONFIG).get_caller_identity()
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise ShippingError(_CREDENTIALS) from error
    except EndpointConnectionError as error:
        raise ShippingError(f"AWS cannot be reached: {error}") from error
    except ClientError as error:
        reason = error.response["Error"].get("Message", error)
        raise ShippingError(f"AWS does not take these credentials: {reason}") from error
    except BotoCoreError as error:
        raise ShippingError(f"the AWS credentials cannot be used: {error}") from error
