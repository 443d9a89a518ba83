"""Chat: python -m chatclient [URL] [--name ada] [--room tea]."""

import sys

from chatclient.terminal import main

sys.exit(main())
