"""Posting with chalicelib's gateway; ids that start with `dead` go to the dead endpoint."""

from collections.abc import Callable, Sequence
from pathlib import Path

from awscrt.auth import AwsCredentialsProvider
from awscrt.io import ClientTlsContext, TlsContextOptions

from bench.posters import KEY, REGION, SECRET, Target
from chalicelib.crt import CrtGateway
from chalicelib.gateway import Post
from chalicelib.models import ConnectionId

DEAD = "dead"


def gateway(target: Target) -> Callable[[Sequence[str]], list[str]]:
    """Post through one gateway, as its user would."""
    crt = CrtGateway(
        region=REGION,
        credentials_provider=AwsCredentialsProvider.new_static(KEY, SECRET),
        tls_context=_trusting(target.certificate),
    )

    def post(ids: Sequence[str]) -> list[str]:
        posts = [Post(_endpoint(target, each), ConnectionId(each), target.frame) for each in ids]
        return [outcome.value for outcome in crt.post(posts, within=target.within)]

    return post


def _endpoint(target: Target, connection_id: str) -> str:
    return target.dead_endpoint if connection_id.startswith(DEAD) else target.endpoint


def _trusting(certificate: str | None) -> ClientTlsContext | None:
    if certificate is None:
        return None
    options = TlsContextOptions()
    options.override_default_trust_store(Path(certificate).read_bytes())
    return ClientTlsContext(options)
