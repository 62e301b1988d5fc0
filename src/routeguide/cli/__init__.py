"""The command line: one command per module, imported when it is called.

A command talks to a server through `routeguide.client`, or runs one through `routeguide.server`. What it
prints for people may change between releases; what `--format json` prints, and the exit codes (0 done,
1 failed, 2 wrong usage or settings, 130 interrupted), may not.
"""

import sys

try:
    from routeguide.cli.group import main
except KeyboardInterrupt:  # every command begins with this import, which takes a moment
    sys.exit(130)

__all__ = ["main"]
