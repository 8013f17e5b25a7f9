"""The commands and their arguments. What is heavy loads when a command runs."""

import sys
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Annotated, NoReturn

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
    _run("compare", names or [], against, html, json, quiet)


class _Derivation(str, Enum):
    text, latex, markdown, html, json = "text", "latex", "markdown", "html", "json"


class _Proof(str, Enum):
    text, json, html = "text", "json", "html"


_Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file, not to the terminal.")
]


@app.command()
def derive(
    what: Annotated[
        str | None,
        typer.Argument(metavar="NAME|EXPRESSION", show_default=False, help="What to derive; --list shows the names."),
    ] = None,
    wrt: Annotated[
        str | None, typer.Option(metavar="SYMBOL", help="Differentiate with respect to this symbol.")
    ] = None,
    in_terms_of: Annotated[
        str | None, typer.Option(metavar="SYMBOL", help="Express the result in the function's value, by this name.")
    ] = None,
    assume: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help='What holds of a symbol: "y in (0,1)", "x > 0". Can be repeated.'),
    ] = None,
    form: Annotated[_Derivation, typer.Option("--format", help="How it is written.")] = _Derivation.text,
    output: _Output = None,
    listing: Annotated[bool, typer.Option("--list", help="Show the names, with one line on each.")] = False,
) -> None:
    """Write a derivation, proven at every step.

    NAME is a derivation or a function of the library; EXPRESSION is in SymPy's syntax.
    For example: torchstone derive "tanh(w1*x1 + b)" --wrt w1

    Exit status: 0 proven, 1 a step is not, 2 wrong usage.
    """
    _run("derive", what, wrt, in_terms_of, assume or (), form.value, output, listing)


@app.command()
def prove(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A Markdown file or a notebook; - reads stdin.")],
    goal: Annotated[
        str | None, typer.Option(metavar="EXPRESSION", help='What is to be shown, in SymPy\'s syntax: "y*(1-y)".')
    ] = None,
    goals: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help='A goal for each heading: "Task 3" = "y*(1-y)".')
    ] = None,
    form: Annotated[_Proof, typer.Option("--format", help="How it is written.")] = _Proof.text,
    output: _Output = None,
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="For one step; what takes longer is unknown.")
    ] = 10.0,
) -> None:
    """Check a derivation that somebody wrote, line by line.

    Reads display math from Markdown or a notebook's text cells. A wrong step is shown with numbers that refute it.
    For example: torchstone prove homework.ipynb --goal "y*(1-y)"

    Exit status: 0 nothing refuted, nothing unread and goals reached, 1 not, 2 wrong usage.
    """
    _run("prove", file, goal, goals, form.value, output, time_limit)


def _run(command: str, *arguments: object) -> NoReturn:
    """Load a command and run it to its exit status."""
    try:
        raise typer.Exit(import_module(f"torchstone.cli.{command}").run(*arguments))
    except KeyboardInterrupt:
        from torchstone.cli import INTERRUPTED

        sys.stderr.write("torchstone: interrupted\n")
        raise typer.Exit(INTERRUPTED) from None
