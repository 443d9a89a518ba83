"""The ways to post one frame to many connections that bench.fanout compares, a module for each.

Each has functions of a Target that return a function from connection ids to the outcome of each, in
order and in the words of chalicelib.gateway.Outcome. A module is imported only by the process that
measures it, so that its memory is its own.
"""

from typing import NamedTuple

REGION = "us-east-1"
KEY, SECRET = "AKIDEXAMPLE", "example"  # no key of anybody: the endpoint does not look


class Target(NamedTuple):
    """Where to post what: `certificate` is the path of the one to trust, for https."""

    endpoint: str
    frame: bytes
    certificate: str | None = None
    dead_endpoint: str = ""
    within: float = 30.0
