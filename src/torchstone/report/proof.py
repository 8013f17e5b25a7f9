"""A proof in a terminal, as JSON, as a page and in a notebook."""

import json as encoder
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from torchstone.prove.result import Chain, Counterexample, Proof, Step
from torchstone.report.lines import WIDTH, Row, beside, captured, folded, said, show
from torchstone.report.verdicts import MARKS, clean, counted, counterexample

SCHEMA = 1
_ROOM = 26  # columns that methods need beside the formulas


def summary(proof: Proof) -> str:
    """The outcome in one line."""
    counts = counted(map(outcome, proof))
    missed = sum(chain.reaches_goal is False for chain in proof.chains)
    return counts + (f"; {missed} {'does' if missed == 1 else 'do'} not arrive" if missed else "") + "."


def outcome(step: Step) -> str:
    """A step's verdict, in a word that tells what was judged at all."""
    if step.is_given:
        return "given"
    return "follows" if step.follows_from_refuted else step.verdict


def place(line: int, cell: int | None) -> str:
    """Where something stands.

    >>> place(3, None), place(3, 12)
    ('line 3', 'cell 12, line 3')
    """
    return f"line {line}" if cell is None else f"cell {cell}, line {line}"


def at(found: Counterexample) -> str:
    """Where the two sides differ."""
    return counterexample(found.point, found.left, found.right)


def arrival(chain: Chain) -> str:
    """Whether the chain reaches what was asked, in one line; nothing where nothing was."""
    if chain.reaches_goal is None:
        return ""
    goal = f"the goal {chain.goal}"
    return f"reaches {goal}" if chain.reaches_goal else f"does not arrive: {goal} is not reached"


def render(proof: Proof, console: Console) -> None:
    """Print it."""
    show(_lines(proof, console.width), console)


def text(proof: Proof) -> str:
    """The same as text, 100 columns wide and without colour."""
    return captured(_lines(proof))


def _lines(proof: Proof, width: int = WIDTH) -> Iterator[Text]:
    yield from folded(said(f"{proof.path}: {summary(proof)}", "bold green" if proof.ok else "bold red"), width, 0, 2)
    for note in proof.notes:
        yield from folded(said(f"note: {note}", "dim"), width, 0, 2)
    for chain in proof.chains:
        yield Text()
        title = said(f"{_flat(chain.title)} " if chain.title else "", "bold")
        yield from folded(title.append(f"({place(chain.line, chain.cell)})", "dim"), width, 0, 2)
        labels = [_label(step, chain) for step in chain.steps]
        column = max(map(len, labels), default=0)
        rows = [_row(step, label.rjust(column)) for step, label in zip(chain.steps, labels, strict=True)]
        for step, laid_out in zip(chain.steps, beside(rows, width, 2, _ROOM), strict=True):
            yield from laid_out
            yield from _details(step, width, column + 6)
        if arrival(chain):
            yield from folded(said(arrival(chain), "green" if chain.reaches_goal else "bold red"), width, 2, 4)


def _label(step: Step, chain: Chain) -> str:
    """A step's line; its cell too, where that is not the chain's."""
    return str(step.line) if step.cell == chain.cell else f"{step.cell}:{step.line}"


def _row(step: Step, label: str) -> Row:
    mark = MARKS[outcome(step)]
    word = "" if step.verdict == "proven" else f"{step.verdict}: "
    method = "" if step.read_as.startswith(f"{step.method}:") else step.method  # "definition: y = sigma(x)" says it
    return Row(
        Text.assemble((label, "dim"), "  ", (mark.sign, mark.style), " "),
        said(_flat(step.read_as or step.source)),
        Text.assemble((word, mark.style), (clean(method), "dim")),
    )


def _details(step: Step, width: int, indent: int) -> Iterator[Text]:
    if step.counterexample:
        yield from folded(said(at(step.counterexample)), width, indent, indent + 2)
    if step.suggestion:
        yield from folded(said(step.suggestion, "italic"), width, indent, indent + 2)


def _flat(source: str) -> str:
    return " ".join(source.split())


# JSON and pages


def json(proof: Proof) -> str:
    """The proof as data. `cell` stands beside `line` in notebooks only."""
    chains = [
        {
            "title": chain.title,
            **_place(chain.line, chain.cell),
            "verdict": chain.verdict,
            "goal": chain.goal,
            "reaches_goal": chain.reaches_goal,
            "steps": [_step(step) for step in chain.steps],
        }
        for chain in proof.chains
    ]
    content = {"schema": SCHEMA, "path": proof.path, "notes": list(proof.notes), "ok": proof.ok, "chains": chains}
    return encoder.dumps(content, indent=2) + "\n"


def _place(line: int, cell: int | None) -> dict[str, int]:
    return {"line": line} if cell is None else {"cell": cell, "line": line}


def _step(step: Step) -> dict[str, Any]:
    found = step.counterexample
    return {
        **_place(step.line, step.cell),
        "source": step.source,
        "read_as": step.read_as,
        "verdict": step.verdict,
        "method": step.method,
        "counterexample": {"point": dict(found.point), "left": found.left, "right": found.right} if found else None,
        "suggestion": step.suggestion,
    }


def html(proof: Proof) -> str:
    """One self-contained page: MathML, no network, no script; light and dark; it prints."""
    return _page("proof.html", proof)


def notebook(proof: Proof) -> str:
    """A card for notebooks: it looks right on light and on dark ground."""
    return _page("proof_card.html", proof)


def _page(template: str, proof: Proof) -> str:
    from torchstone.report.pages import environment

    helpers = {"summary": summary(proof), "place": place, "at": at, "arrival": arrival, "outcome": outcome}
    return environment().get_template(template).render(proof=proof, marks=MARKS, flat=_flat, **helpers)
