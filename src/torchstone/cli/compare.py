"""`torchstone compare`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from torchstone.cli import NOT_RIGHT
from torchstone.cli.common import check, progress, put, usage
from torchstone.compare.engine import entries_for

_STDOUT = "-"


def run(names: Sequence[str], against: str | None, html: Path | None, json: str | None, quiet: bool) -> int:
    """Compare, write and print. Returns the exit status."""
    files = {"--html": html, "--json": None if json in (None, _STDOUT) else Path(json)}
    try:
        entries_for(names, against)
        for option, path in files.items():
            check(option, path)
    except ValueError as error:
        return usage("compare", str(error))

    from torchstone.compare import compare
    from torchstone.compare.subject import MissingError

    try:
        with progress(quiet) as on_event:
            comparison = compare(*names, against=against, on_event=on_event)
    except MissingError as error:
        return usage("compare", str(error))
    try:
        for path, make in ((files["--html"], comparison.to_html), (files["--json"], comparison.to_json)):
            if path is not None:
                put(make(), path)
    except OSError as error:
        return usage("compare", str(error))
    if json == _STDOUT:
        sys.stdout.write(comparison.to_json())
    elif not quiet:
        from torchstone.report.terminal import render, text

        console = Console()
        if console.is_terminal:
            render(comparison, console)
        else:
            sys.stdout.write(text(comparison) + "\n")
    return 0 if comparison.ok else NOT_RIGHT
