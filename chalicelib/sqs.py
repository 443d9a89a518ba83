"""SQS, and its queues by their names."""

from collections.abc import Callable
from functools import cached_property
from typing import Any


class Sqs:
    """A boto3 client, made when it is first asked for, and the URLs that it has told.

    Args:
        make_client: Makes a boto3 client for SQS: few functions ever need one.
    """

    def __init__(self, make_client: Callable[[], Any]) -> None:
        self._make_client = make_client
        self._urls: dict[str, str] = {}

    @cached_property
    def client(self) -> Any:
        """The client."""
        return self._make_client()

    def url(self, queue: str) -> str:
        """Return the URL of a queue.

        Raises:
            BotoCoreError, ClientError: SQS does not tell.
        """
        return self._urls.get(queue) or self.look_up(queue)

    def look_up(self, queue: str) -> str:
        """Return the URL of a queue as SQS tells it now.

        Raises:
            BotoCoreError, ClientError: SQS does not tell.
        """
        self._urls[queue] = str(self.client.get_queue_url(QueueName=queue)["QueueUrl"])
        return self._urls[queue]
