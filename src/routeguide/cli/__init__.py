"""The command line: one command per module, imported when it is called.

A command talks to a server through `routeguide.client`, or runs one through `routeguide.server`. What it
prints for people may change between releases; what `--format json` prints, and the exit codes (0 done,
1 failed, 2 wrong usage or settings, 130 interrupted), may not.
"""

import os
import signal
import sys

if sys.argv[1:2] == ["serve"]:
    # Its imports take half a second, and in a container, where it is the first process, a signal that nobody
    # handles is lost. There is nothing to undo yet; the server handles them once it has begun to start.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))

try:
    from routeguide.cli.group import main
except KeyboardInterrupt:  # every command begins with this import, which takes a moment
    sys.exit(130)

__all__ = ["main"]
