"""Posting with boto3, one after the other or in 32 threads that share a client."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from bench.posters import KEY, REGION, SECRET, Target

THREADS = 32


def sequence(target: Target) -> Callable[[Sequence[str]], list[str]]:
    """Post to one after the other."""
    post = _post(target)
    return lambda ids: [post(each) for each in ids]


def threads(target: Target) -> Callable[[Sequence[str]], list[str]]:
    """Post from threads that live on between the calls, as in a warm function."""
    post, pool = _post(target), ThreadPoolExecutor(THREADS)
    return lambda ids: list(pool.map(post, ids))


def _post(target: Target) -> Callable[[str], str]:
    client = boto3.client(
        "apigatewaymanagementapi",
        region_name=REGION,
        endpoint_url=target.endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        verify=target.certificate,
        config=Config(max_pool_connections=THREADS, proxies={}),
    )
    return partial(_post_one, client, target.frame)


def _post_one(client: Any, frame: bytes, connection_id: str) -> str:
    try:
        client.post_to_connection(ConnectionId=connection_id, Data=frame)
    except (BotoCoreError, ClientError):
        return "refused"
    return "delivered"
