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


class _Report(str, Enum):
    text, json, junit, sarif, html = "text", "json", "junit", "sarif", "html"


class _Rules(str, Enum):
    text, markdown, json = "text", "markdown", "json"


class _Page(str, Enum):
    text, markdown, html = "text", "markdown", "html"


class _Tier(str, Enum):
    fast, full, slow = "fast", "full", "slow"


class _Kind(str, Enum):
    loss, activation, optimizer = "loss", "activation", "optimizer"


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


_Rule = typer.Option(metavar="RULES", help="Rules by code, name or group: D103, D, L1. Can be repeated.")


@app.command()
def check(
    targets: Annotated[
        list[str], typer.Argument(metavar="TARGET...", help="FILE.py, NOTEBOOK.ipynb or PACKAGE.MODULE, with :NAME.")
    ],
    kwargs: Annotated[
        str | None,
        typer.Option(metavar="JSON", help='Arguments for the constructor: \'{"reduction": "sum"}\', \'{"lr": 0.1}\'.'),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(metavar="SPEC", help='What it is like: "torch.nn.Softmax(dim=-1)", torch.optim.AdamW.'),
    ] = None,
    definition: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The definition that it is held against: cross_entropy, adam; or none."),
    ] = None,
    kind: Annotated[_Kind | None, typer.Option(help="What it is, where its name does not tell.")] = None,
    formula: Annotated[
        str | None, typer.Option(metavar="EXPRESSION", help='What it computes: "x*sigmoid(beta*x)".')
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help='What it takes: "logits float[N,C]; target int64[N] in [0,C)".'),
    ] = None,
    expect: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help='Failures that are known: D106 = "the reason".')
    ] = None,
    select: Annotated[list[str] | None, _Rule] = None,
    ignore: Annotated[list[str] | None, _Rule] = None,
    tier: Annotated[_Tier, typer.Option(help="How much is tried.")] = _Tier.fast,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="It has to be written by hand: to delegate to PyTorch is an error.")
    ] = False,
    form: Annotated[_Report, typer.Option("--format", help="How it is written.")] = _Report.text,
    output: _Output = None,
    time_limit: Annotated[
        float, typer.Option(metavar="SECONDS", help="For one answer of a subject, and for one cell or file to load.")
    ] = 20.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing: the exit status tells.")] = False,
) -> None:
    """Say what is wrong with a loss, an activation or an optimizer, and where.

    Everything recognisable in a file or a notebook is checked, in a child process.
    For example: torchstone check losses.py:FocalLoss
    torchstone check optimizers.py:MyAdam --like torch.optim.AdamW

    Exit status: 0 nothing is wrong, 1 something is, 2 wrong usage, 3 a fault of torchstone's own.
    """
    settings = {
        **{"kwargs": kwargs, "like": like, "definition": definition, "kind": kind.value if kind else None},
        **{"formula": formula, "inputs": inputs, "expect": expect, "select": select or (), "ignore": ignore or ()},
        **{"tier": tier.value, "from_scratch": from_scratch, "seconds": time_limit},
    }
    _run("check", targets, settings, form.value, output, quiet)


@app.command()
def rules(
    group: Annotated[
        str | None,
        typer.Argument(metavar="GROUP", show_default=False, help="The beginning of codes: D, L1; all if none."),
    ] = None,
    form: Annotated[_Rules, typer.Option("--format", help="How it is written.")] = _Rules.text,
    output: _Output = None,
) -> None:
    """List what `torchstone check` demands."""
    _run("rules", group, form.value, output)


@app.command()
def rule(
    name: Annotated[str, typer.Argument(metavar="CODE|NAME", help="D103, or linear-in-grad.")],
    form: Annotated[_Page, typer.Option("--format", help="How it is written.")] = _Page.text,
    output: _Output = None,
) -> None:
    """Explain a rule: what it demands and why, what it finds, and what to write instead."""
    _run("rule", name, form.value, output)


def _run(command: str, *arguments: object) -> NoReturn:
    """Load a command and run it to its exit status."""
    try:
        raise typer.Exit(import_module(f"torchstone.cli.{command}").run(*arguments))
    except KeyboardInterrupt:
        from torchstone.cli import INTERRUPTED

        sys.stderr.write("torchstone: interrupted\n")
        raise typer.Exit(INTERRUPTED) from None
