"""The bucket from which CloudFormation takes what is deployed: private, encrypted, versioned."""

import json
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tools.shipping.accounts import Account
from tools.shipping.errors import ShippingError
from tools.shipping.projects import APP

_NOT_PUBLIC = {
    "BlockPublicAcls": True,
    "BlockPublicPolicy": True,
    "IgnorePublicAcls": True,
    "RestrictPublicBuckets": True,
}
_ENCRYPTED = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}


class Bucket:
    """The bucket of an account and region for all stages. Raises ShippingError if it is another's.

    Nothing in it is ever removed: a rollback needs the code that ran before.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._s3: Any = account.client("s3")
        self.name = f"{APP}-deploys-{account.number}-{account.region}"

    def make(self) -> bool:
        """Make it if it is not there, and set what it must be; tell whether it is new."""
        new = not self._exists()
        if new:
            self._create()
        owner = {"Bucket": self.name, "ExpectedBucketOwner": self._account.number}
        self._s3.put_public_access_block(**owner, PublicAccessBlockConfiguration=_NOT_PUBLIC)
        self._s3.put_bucket_versioning(**owner, VersioningConfiguration={"Status": "Enabled"})
        self._s3.put_bucket_encryption(**owner, ServerSideEncryptionConfiguration=_ENCRYPTED)
        if self._s3.meta.endpoint_url.startswith("https:"):  # an emulator would lock us out
            self._s3.put_bucket_policy(**owner, Policy=json.dumps(self._policy()))
        return new

    def put(self, path: Path, key: str) -> bool:
        """Upload a file, unless it is there; tell whether it was not."""
        owner = {"Bucket": self.name, "ExpectedBucketOwner": self._account.number}
        try:
            self._s3.head_object(**owner, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"404", "NoSuchKey", "NotFound"}:
                raise
            self._s3.put_object(**owner, Key=key, Body=path.read_bytes())
            return True
        return False

    def write(self, text: str, key: str) -> str:
        """Upload a text; returns the URL that CloudFormation reads it from."""
        self._s3.put_object(
            Bucket=self.name, ExpectedBucketOwner=self._account.number, Key=key, Body=text.encode()
        )
        # The address of an emulator where there is one.
        return f"{self._s3.meta.endpoint_url}/{self.name}/{key}"

    def _exists(self) -> bool:
        try:
            self._s3.head_bucket(Bucket=self.name, ExpectedBucketOwner=self._account.number)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in {"404", "NoSuchBucket", "NotFound"}:
                return False
            raise ShippingError(
                f"bucket {self.name} cannot be used ({code}): it belongs to another account, or"
                " this one may not use S3"
            ) from error
        return True

    def _create(self) -> None:
        region = self._account.region
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
        where = (
            {}
            if region == "us-east-1"
            else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        )
        self._s3.create_bucket(Bucket=self.name, **where)

    def _policy(self) -> dict[str, Any]:
        arn = f"arn:{self._account.partition}:s3:::{self.name}"
        statement = {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        return {"Version": "2012-10-17", "Statement": [statement]}
