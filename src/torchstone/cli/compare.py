"""`torchstone compare`."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from torchstone.cli import NOT_WITHIN_POLICY, WRONG_USAGE
from torchstone.compare.engine import Event, entries_for
from torchstone.report.files import check_writable, write_text

_STDOUT = "-"


def run(names: Sequence[str], against: str | None, html: Path | None, json: str | None, quiet: bool) -> int:
    """Compare, write and print. Returns the exit status."""
    files = {"--html": html, "--json": None if json in (None, _STDOUT) else Path(json)}
    try:
        entries_for(names, against)
        for option, path in files.items():
            _check(option, path)
    except ValueError as error:
        return _usage(str(error))

    from torchstone.compare import compare
    from torchstone.compare.subject import MissingError

    try:
        with _progress(quiet) as on_event:
            comparison = compare(*names, against=against, on_event=on_event)
    except MissingError as error:
        return _usage(str(error))
    try:
        for path, make in ((files["--html"], comparison.to_html), (files["--json"], comparison.to_json)):
            if path is not None:
                write_text(path, make())
    except OSError as error:
        return _usage(str(error))
    if json == _STDOUT:
        sys.stdout.write(comparison.to_json())
    elif not quiet:
        from torchstone.report.terminal import render, text

        console = Console()
        if console.is_terminal:
            render(comparison, console)
        else:
            sys.stdout.write(text(comparison) + "\n")
    return 0 if comparison.ok else NOT_WITHIN_POLICY


def _check(option: str, path: Path | None) -> None:
    if path is not None:
        try:
            check_writable(path)
        except OSError as error:
            raise ValueError(f"{option}: {error}") from None


def _usage(message: str) -> int:
    sys.stderr.write(f"torchstone compare: {message}\n")
    return WRONG_USAGE


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[Event], None]]:
    """A bar on stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def advance(event: Event) -> None:
            bar.update(task, completed=event.done, total=event.total, description=event.doing)

        yield advance
