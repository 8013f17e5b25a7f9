"""The commands and their arguments. What is heavy loads when a command runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

import torchstone

app = typer.Typer(
    name="torchstone",
    help="Right and wrong in the losses, activations and optimizers you write in PyTorch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"torchstone {torchstone.__version__}")
        raise typer.Exit


@app.callback()
def _torchstone(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", show_default=False, help="What to compare: Sigmoid, adam, ...; all if none."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC", help="Compare this instead of torchstone's: FILE.py:CLASS or PACKAGE.MODULE:CLASS."
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one self-contained page with pictures.")
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the data; - writes it to stdout, in the table's place.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing: the exit status tells.")] = False,
) -> None:
    """Hold losses, activations and optimizers against the mathematics and against PyTorch's own.

    Value and gradient in units in the last place, optimizer paths, time, memory, training runs.
    Exit status: 0 all within policy, 1 not, 2 wrong usage.
    """
    from torchstone.cli.compare import run

    try:
        raise typer.Exit(run(names or [], against, html, json, quiet))
    except KeyboardInterrupt:
        from torchstone.cli import INTERRUPTED

        sys.stderr.write("torchstone: interrupted\n")
        raise typer.Exit(INTERRUPTED) from None
