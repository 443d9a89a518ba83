"""Makes a virtual environment with pip in it, also where the system's Python has no ensurepip.

Debian keeps ensurepip in a package of its own, python3-venv. Without it, pip is taken from the
package index (PIP_INDEX_URL, or PyPI), checked against the hash below; a wheel of pip can run.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
import venv
from pathlib import Path
from urllib.parse import urljoin

PIP = "pip-26.2.1-py3-none-any.whl"
SHA256 = "71138adf1f4ca900cdb7d289c21b7494329f2332b6d85f0e1c42108c0384ed3e"


def main(directory: str) -> int:
    """Make the environment; returns an exit code."""
    try:
        import ensurepip  # noqa: F401, PLC0415 - whether it can be imported is the question
    except ImportError:
        venv.create(directory, symlinks=True)
        return _install_pip(directory)
    venv.create(directory, symlinks=True, with_pip=True)
    return 0


def _install_pip(directory: str) -> int:
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
    try:
        wheel = _fetch(index)
    except (OSError, LookupError, ValueError) as error:
        print(f"Cannot fetch {PIP} from the package index: {error}", file=sys.stderr)
        print(
            "Install python3-venv (apt-get install python3-venv), or see PIP_INDEX_URL.",
            file=sys.stderr,
        )
        return 2
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PIP
        path.write_bytes(wheel)
        python = Path(directory) / "bin" / "python"
        command: list[str | Path] = [python, path / "pip", "install", "--quiet", "--no-index", path]
        return subprocess.call(command)


def _fetch(index: str) -> bytes:
    # The HTML form of the index (PEP 503) is the one that every mirror serves.
    request = urllib.request.Request(index, headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=60) as answer:  # as the user says  # nosec B310
        links = re.findall(r'href="([^"]+)"', answer.read().decode())
    link = next((link for link in links if link.partition("#")[0].endswith("/" + PIP)), None)
    if link is None:
        raise LookupError(f"{index} does not list it")
    with urllib.request.urlopen(urljoin(index, link), timeout=60) as answer:  # its hash is checked  # nosec B310
        wheel: bytes = answer.read()
    if hashlib.sha256(wheel).hexdigest() != SHA256:
        raise ValueError("its hash is not the expected one")
    return wheel


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
