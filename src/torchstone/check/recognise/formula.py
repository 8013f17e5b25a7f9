"""A formula that somebody typed as a definition on the spot."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import sympy as sp

from torchstone.check.recognise.inputs import guess, tensors_of
from torchstone.check.recognise.values import seen, values
from torchstone.check.spec import Description, Kind
from torchstone.check.words import means_target
from torchstone.definitions import Function, Input, Kink
from torchstone.definitions.formula import read_formula

_PREDICTIONS = ("x", "p", "y_pred", "yhat", "y_hat", "pred", "input", "logits", "z", "u")
_TARGETS = ("t", "y_true", "target", "y", "label", "labels", "q")


def definition_of(text: str, description: Description, kind: Kind | None, kwargs: Mapping[str, Any]) -> Function:
    """The function that a formula says: of the subject's input, or of its prediction and target.

    Other symbols are numbers that the subject has under the same name. Raises `ValueError` where it has none.
    """
    expression = read_formula(text)
    symbols = {str(each): each for each in sorted(expression.free_symbols, key=str)}
    called = tensors_of(description, None)
    kind = kind or ("loss" if len(called) > 1 else "activation")
    prediction = _input(symbols, called[:1], _PREDICTIONS, text)
    inputs = [Input(symbols.pop(prediction), "prediction")]
    if kind == "loss":
        target = _input(symbols, tuple(filter(means_target, called)) or called[1:2], (*_TARGETS, *_PREDICTIONS), text)
        inputs.append(Input(symbols.pop(target), "target"))
        more = [name for name in called if name in symbols and guess(name, kind).role == "prediction"]
        inputs += [Input(symbols.pop(name), "prediction") for name in more]
    names = tuple(symbols)
    inputs += [Input(symbols[name], "parameter", default=sp.S.One) for name in names]
    made = Function(
        name=text, title=text, kind=kind, expression=expression, inputs=tuple(inputs), counterpart="", derivable=False
    )
    found = values(description, made, kwargs).parameters
    missing = [name for name in names if name not in found]
    if missing:
        has = ", ".join(name for name, value in seen(description, kwargs).items() if isinstance(value, (int, float)))
        raise ValueError(
            f"formula: expected symbols that are inputs, attributes or arguments of {description.name}, "
            f"got {', '.join(missing)}; it has {has or 'no numbers'}"
        )
    return replace(made, kinks=tuple(_kinks(expression, inputs[0].symbol)))


def _input(symbols: Mapping[str, sp.Symbol], called: tuple[str, ...], usual: tuple[str, ...], text: str) -> str:
    """The symbol that stands for an input: the parameter's own name, or a usual one."""
    found = next((name for name in (*called, *usual) if name in symbols), None)
    if found is None:
        wanted = " or ".join(dict.fromkeys((*called, usual[0])))
        raise ValueError(f"formula: expected one with the input {wanted}, got {text!r}")
    return found


def _kinks(expression: sp.Expr, x: sp.Symbol) -> Iterator[Kink]:
    """Where the formula may have no derivative: no slope is wrong there, for it names none."""
    loci = [each.args[0] for each in expression.atoms(sp.Abs, sp.sign)]
    loci += [first - other for each in expression.atoms(sp.Max, sp.Min) for first, other in _each_two(each.args)]
    for piecewise in expression.atoms(sp.Piecewise):
        loci += [
            relation.lhs - relation.rhs
            for _, condition in piecewise.args
            for relation in condition.atoms(sp.core.relational.Relational)
        ]
    for locus in dict.fromkeys(loci):
        if x in locus.free_symbols:
            yield Kink(locus, sp.Interval(-sp.oo, sp.oo), sp.S.Zero, "the formula names no slope here")


def _each_two(terms: tuple[sp.Expr, ...]) -> list[tuple[sp.Expr, sp.Expr]]:
    return [(first, other) for place, first in enumerate(terms) for other in terms[place + 1 :]]
