"""What the commands share: errors of usage, files, progress."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from torchstone.cli import WRONG_USAGE
from torchstone.report.files import check_writable, write_text
from torchstone.report.verdicts import clean


class Event(Protocol):
    """Progress: what is done, of how much, and what is being done."""

    @property
    def done(self) -> int:
        """Steps done."""

    @property
    def total(self) -> int:
        """Steps in all."""

    @property
    def doing(self) -> str:
        """What is being done."""


def usage(command: str, message: str) -> int:
    """Say in one line what was expected, and give the exit status."""
    sys.stderr.write(f"torchstone {command}: {clean(message)}\n")
    return WRONG_USAGE


def check(option: str, path: Path | None) -> None:
    """Raise `ValueError` where a file that is to be written could not be."""
    if path is not None:
        try:
            check_writable(path)
        except OSError as error:
            raise ValueError(f"{option}: {error}") from None


def put(content: str, path: Path | None) -> None:
    """Write to a file, or to stdout where there is none. Raises `OSError`."""
    if path is None:
        sys.stdout.write(content)
    else:
        write_text(path, content)


@contextmanager
def progress(quiet: bool = False) -> Iterator[Callable[[Event], None]]:
    """A bar on stderr, where that is a terminal."""
    console = Console(stderr=True)
    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def advance(event: Event) -> None:
            doing = Text(" ".join(clean(event.doing).split()))
            doing.truncate(max(console.width - 60, 10), overflow="ellipsis")
            bar.update(task, completed=event.done, total=event.total, description=doing.plain)

        yield advance
