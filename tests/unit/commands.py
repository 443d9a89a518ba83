"""Running the project's commands as their users do."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_module(
    module: str, *arguments: str, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run `python -m <module>` at the project's root, whatever it returns."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
