"""Runs `python -m localgateway`."""

import os
import sys

from localgateway.cli import main

if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # A handler that hangs has a thread that nothing can end, and a normal exit would wait for it.
    os._exit(code)
