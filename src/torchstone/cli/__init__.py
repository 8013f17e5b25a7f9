"""The command line."""

import io
import sys
import traceback
from collections.abc import Sequence

# The exit statuses of every command. 0 is success.
NOT_RIGHT = 1  # out of policy, refuted, unread, not proven
WRONG_USAGE = 2
OUR_FAULT = 3
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status. `arguments` are those of the process unless given."""
    from torchstone.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no × shall see a ?, not a traceback
    try:
        app(args=None if arguments is None else list(arguments), prog_name="torchstone")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        traceback.print_exc()
        fault = f"{type(error).__name__}: {error}"
        sys.stderr.write(f"torchstone: this is a fault of torchstone, not of what you gave it: {fault}\n")
        return OUR_FAULT
    return 0
