"""Posting over bare sockets: the floor."""

import time
from collections.abc import Callable, Sequence

from bench.bare import BareSockets, Signer
from bench.posters import KEY, REGION, SECRET, Target

SOCKETS = 64
_DELIVERED = 200


def sockets(target: Target) -> Callable[[Sequence[str]], list[str]]:
    """Post over as many connections as the gateway has."""
    signer = Signer(target.endpoint, target.frame, region=REGION, key=KEY, secret=SECRET)
    bare = BareSockets(target.endpoint, sockets=SOCKETS, certificate=target.certificate)

    def post(ids: Sequence[str]) -> list[str]:
        statuses = bare.exchange(signer.requests(ids, time.time()))
        return ["delivered" if each == _DELIVERED else "refused" for each in statuses]

    return post
