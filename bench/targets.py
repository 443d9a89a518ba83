"""The endpoint of bench.endpoint in a process of its own, and what it has noted."""

import contextlib
import http.client
import json
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.posters import Target

_ROOT = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def serving(latency_ms: float, frame: bytes, *, tls: bool = False) -> Iterator[Target]:
    """Start the endpoint, yield what to post to it, and stop it."""
    with tempfile.TemporaryDirectory() as directory:
        command = ["-m", "bench.endpoint", "--latency-ms", str(latency_ms)]
        command += ["--tls", directory] if tls else []
        process = subprocess.Popen(
            [sys.executable, *command], cwd=_ROOT, stdout=subprocess.PIPE, text=True
        )
        try:
            endpoint, dead = (process.stdout.readline() if process.stdout else "").split()
            certificate = f"{directory}/certificate.pem" if tls else None
            yield Target(endpoint, frame, certificate, dead)
        finally:
            process.terminate()
            process.communicate()  # closes the pipe too


def noted(target: Target) -> dict[str, Any]:
    """Return what the endpoint has noted since it was last asked; see bench.endpoint."""
    parts = urlsplit(target.endpoint)
    connection: http.client.HTTPConnection
    if target.certificate:
        context = ssl.create_default_context(cafile=target.certificate)
        connection = http.client.HTTPSConnection(parts.netloc, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc)
    with contextlib.closing(connection):
        connection.request("GET", "/answers")
        taken: dict[str, Any] = json.load(connection.getresponse())
        return taken
