"""A derivation in a terminal, as LaTeX, Markdown, JSON, as a page and in a notebook."""

import json as encoder
import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import sympy as sp
from rich.console import Console
from rich.text import Text
from sympy.printing.pretty.pretty_symbology import greek_letters, pretty_symbol

from torchstone.derive.derivation import Chain, Derivation, Step
from torchstone.report import formulas
from torchstone.report._notations import in_ascii
from torchstone.report.lines import WIDTH, Row, beside, captured, folded, said, show
from torchstone.report.verdicts import GIVEN, MARKS, Mark, clean, counterexample

SCHEMA = 1
_GREEK = re.compile(rf"\b(?:{'|'.join(greek_letters)}|Phi|Sigma)\d*\b")
_ROOM = 30  # columns that rules need beside the formulas


class Line(NamedTuple):
    """A line of a chain, ready to be shown. An equation stands by itself; all else continues with a sign."""

    expression: sp.Basic
    continues: bool
    mark: Mark
    verdict: str
    remark: str


def lines(chain: Chain) -> Iterator[Line]:
    """The lines of a chain: its left side first, if it has one that its first step does not repeat."""
    if chain.left is not None:
        yield Line(chain.left, False, GIVEN, "", "")
    for step in chain.steps:
        equation = isinstance(step.expression, sp.core.relational.Relational)
        outcome = step.verdict.outcome if step.verdict else ""
        continues = chain.left is not None and not equation
        yield Line(step.expression, continues, MARKS.get(outcome, GIVEN), outcome, _remark(step))


def outcome(derivation: Derivation) -> str:
    """What is proven, in one sentence."""
    judged = [step.verdict.outcome for step in derivation.steps if step.verdict]
    if derivation.proven:
        return "Proven at every step." if judged else "There is nothing to prove."
    wrong = [each for each in judged if each != "proven"]
    listed = ", ".join(f"{wrong.count(each)} {each}" for each in MARKS if each in wrong)
    return f"{len(wrong)} of {len(judged)} steps {'is' if len(wrong) == 1 else 'are'} not proven: {listed}."


def givens(derivation: Derivation) -> list[sp.Basic]:
    """What the derivation starts from: the domains of symbols that are more than real, and definitions."""
    domains = (sp.Contains(symbol, domain, evaluate=False) for symbol, domain in derivation.domains)
    return [*domains, *derivation.given]


def definitions(derivation: Derivation) -> dict[sp.Basic, sp.Basic]:
    """What the derivation's symbols stand for."""
    return {each.lhs: each.rhs for each in derivation.given if isinstance(each, sp.Eq) and each.lhs.is_Symbol}


def render(derivation: Derivation, console: Console) -> None:
    """Print it."""
    show(_lines(derivation, console.width), console)


def text(derivation: Derivation) -> str:
    """The same as text, 100 columns wide and without colour."""
    return captured(_lines(derivation))


def _lines(derivation: Derivation, width: int = WIDTH) -> Iterator[Text]:
    known = definitions(derivation)
    yield from folded(said(derivation.title, "bold"), width)
    yield Text()
    for number, given in enumerate(givens(derivation)):
        label = said("" if number else "given", "dim")
        label.pad_right(7 - len(label))
        yield from folded(label.append_text(said(formulas.unicode(given, known))), width, 0, 9)
    if derivation.given or derivation.domains:
        yield Text()
    for chain in derivation.chains:
        if chain.heading:
            yield from folded(said(_greek(chain.heading), "bold"), width)
        if chain.given:
            stated = ", ".join(formulas.unicode(each, known) for each in chain.given)
            yield from folded(Text.assemble(("with ", "dim"), said(stated)), width, 2, 7)
        for laid_out in beside([_row_of(line, known) for line in lines(chain)], width, 2, _ROOM):
            yield from laid_out
        yield Text()
    for reference in derivation.references:
        yield from folded(said(reference, "dim"), width, 0, 2)
    if derivation.references:
        yield Text()
    yield from folded(said(outcome(derivation), "bold green" if derivation.proven else "bold red"), width)


def _row_of(line: Line, known: formulas.Definitions) -> Row:
    label = Text("  = " if line.continues else "")
    formula = said(formulas.unicode(line.expression, known))
    if line.mark is GIVEN:
        return Row(label, formula, said(_greek(line.remark), "dim"))
    remark = _greek(clean(line.remark))
    return Row(label, formula, Text.assemble((line.mark.sign, line.mark.style), " ", (remark, "dim")))


def _greek(words: str) -> str:
    """Words in which the names of Greek letters are letters, as in the formulas beside them."""
    return _GREEK.sub(lambda found: pretty_symbol(found[0]), words)


def _remark(step: Step) -> str:
    """The rule, what it was applied to, and what is known where it is not proven."""
    parts = [f"{step.rule}: {step.because}" if step.rule and step.because else step.rule or step.because]
    verdict = step.verdict
    if verdict and verdict.outcome != "proven":
        at = verdict.counterexample
        parts.append(f"{verdict.outcome}: {verdict.method}")
        if at:
            parts.append(counterexample(at.point, at.left, at.right))
    return "; ".join(filter(None, parts))


# LaTeX and Markdown


def latex(derivation: Derivation) -> str:
    r"""An `align*` for each chain, to be compiled with amsmath, with the rules as notes at the right."""
    blocks = [f"% {' '.join(clean(derivation.title).split())}"]
    if givens(derivation):
        blocks.append(_stated(givens(derivation)))
    for chain in derivation.chains:
        heading = [f"% {' '.join(clean(chain.heading).split())}"] if chain.heading else []
        stated = [_stated(chain.given)] if chain.given else []
        blocks.append(
            "\n".join([*heading, *stated, r"\begin{align*}", *_rows(chain, definitions(derivation)), r"\end{align*}"])
        )
    return in_ascii("\n\n".join(blocks)) + "\n"


def _stated(given: Iterable[sp.Basic]) -> str:
    return "\\[ " + r" \qquad ".join(map(formulas.latex, given)) + " \\]"


def markdown(derivation: Derivation) -> str:
    """Markdown with display math, as GitHub and notebooks show it and as `torchstone prove` reads it."""
    parts = [f"# {_prose(derivation.title)}"]
    if givens(derivation):
        parts.append("Given:")
        parts += [f"$$\n{formulas.latex(given)}\n$$" for given in givens(derivation)]
    for chain in derivation.chains:
        if chain.heading:
            parts.append(f"## {_prose(chain.heading)}")
        parts += [f"$$\n{formulas.latex(given)}\n$$" for given in chain.given]
        parts.append(
            "\n".join(["$$", r"\begin{aligned}", *_rows(chain, definitions(derivation)), r"\end{aligned}", "$$"])
        )
    parts.append(outcome(derivation))
    parts += [_prose(reference) for reference in derivation.references]
    return "\n\n".join(parts) + "\n"


def _rows(chain: Chain, known: formulas.Definitions) -> list[str]:
    rows = []
    shown = list(lines(chain))
    if chain.left is not None and len(shown) > 1 and shown[1].continues:
        rows.append(_row(formulas.latex(shown[0].expression, known), shown[1], known))
        shown = shown[2:]
    for line in shown:
        rows.append(_row("", line, known))
    return [row + r" \\" for row in rows[:-1]] + rows[-1:]


def _row(left: str, line: Line, known: formulas.Definitions) -> str:
    note = f" && \\text{{{_words(line.remark)}}}" if line.remark else ""
    body = formulas.latex(line.expression, known)
    if line.continues:
        return f"{left} &= {body}{note}".strip()
    if isinstance(line.expression, sp.Eq):
        body = " &= ".join(formulas.latex(side, known) for side in line.expression.args)
    return body + note


_SPECIAL = {letter: f"\\{letter}" for letter in "#$%&_{}"} | {
    "\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "\n": " "
}  # fmt: skip


def _words(words: str) -> str:
    r"""Plain words inside \text."""
    return "".join(_SPECIAL.get(letter, letter) for letter in clean(words))


def _prose(words: str) -> str:
    """Plain words in Markdown."""
    flat = " ".join(clean(words).split())
    return "".join(f"\\{letter}" if letter in "\\`*_$<>[]#|" else letter for letter in flat)


# JSON and pages


def json(derivation: Derivation) -> str:
    """The derivation as data: expressions in SymPy's syntax and in LaTeX."""
    content = {
        "schema": SCHEMA,
        "name": derivation.name,
        "title": derivation.title,
        "given": [str(given) for given in givens(derivation)],
        "chains": [
            {
                "heading": chain.heading,
                "given": [str(given) for given in chain.given],
                "left": None if chain.left is None else str(chain.left),
                "steps": [_step(step, definitions(derivation)) for step in chain.steps],
            }
            for chain in derivation.chains
        ],
        "references": list(derivation.references),
        "proven": derivation.proven,
    }
    return encoder.dumps(content, indent=2) + "\n"


def _step(step: Step, known: formulas.Definitions) -> dict[str, Any]:
    return {
        "expression": str(step.expression),
        "latex": formulas.latex(step.expression, known),
        "rule": step.rule,
        "because": step.because,
        "verdict": step.verdict.outcome if step.verdict else None,
        "method": step.verdict.method if step.verdict else None,
    }


def html(derivation: Derivation) -> str:
    """One self-contained page: MathML, no network, no script; light and dark; it prints."""
    return _page("derivation.html", derivation)


def notebook(derivation: Derivation) -> str:
    """A card for notebooks: it looks right on light and on dark ground."""
    return _page("derivation_card.html", derivation)


def _page(template: str, derivation: Derivation) -> str:
    chains = [(chain.heading, chain.given, list(lines(chain))) for chain in derivation.chains]
    from torchstone.report.pages import environment

    return (
        environment()
        .get_template(template)
        .render(
            derivation=derivation,
            chains=chains,
            givens=givens(derivation),
            latex=partial(formulas.latex, definitions=definitions(derivation)),
            outcome=outcome(derivation),
        )
    )
