"""Identifiers in the shape that API Gateway gives connections, requests and messages."""

import base64
import os
import re
from collections.abc import Callable

CONNECTION_ID = re.compile(r"[A-Za-z0-9_-]{15}=")

Entropy = Callable[[int], bytes]


def new_id(entropy: Entropy = os.urandom) -> str:
    """Return 15 base64url characters and "=", like `JC1dgf9yoAMCK-g=`."""
    return base64.urlsafe_b64encode(entropy(11)).decode()


def new_trace_id(now: float, entropy: Entropy = os.urandom) -> str:
    """Return an X-Amzn-Trace-Id; https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html."""
    return f"Root=1-{int(now):08x}-{entropy(12).hex()}"
