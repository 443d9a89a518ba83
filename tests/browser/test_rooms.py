"""The page's model of a room, which needs no browser: runs rooms.test.mjs under Node."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

NODE = shutil.which("node")
HERE = Path(__file__).parent
WEB = HERE.parents[1] / "chalicelib" / "web"
SECONDS = 120


@pytest.mark.skipif(NODE is None, reason="node is missing: apt-get install nodejs")
def test_the_model_of_a_room_passes_its_tests(tmp_path: Path) -> None:
    assert NODE is not None
    shutil.copytree(WEB, tmp_path, dirs_exist_ok=True)
    # A browser is told so by the page; to Node, .js would be CommonJS.
    (tmp_path / "package.json").write_text(json.dumps({"type": "module"}), encoding="utf-8")

    run = subprocess.run(
        [NODE, "--test", str(HERE / "rooms.test.mjs")],
        env={**os.environ, "PAGE_URL": f"{tmp_path.as_uri()}/"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
