"""The truth about a function of rows: softmax, the losses over classes, the losses of two or three vectors."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from flint import arb
from numpy.typing import NDArray

from torchstone.definitions import COMPONENT, Function, Input
from torchstone.definitions.calculus import differentiate
from torchstone.oracle.balls import Compiled, compile_balls, evaluate, to_double_double
from torchstone.oracle.functions import Answer, Truth, counts

Floats = NDArray[np.float64]
_OTHER = sp.Symbol("other", integer=True, nonnegative=True)
_SIZE = sp.Symbol("C", integer=True, positive=True)
_WIDTH = sp.Symbol("width", integer=True, positive=True)  # of the output
_COTANGENT = sp.IndexedBase("cotangent")


def _slope(quantity: sp.Expr, entry: Input, component: sp.Symbol) -> sp.Expr:
    return differentiate(quantity, entry.symbol[component] if entry.is_vector else entry.symbol)


@cache
def _compiled(function: Function, wrt: str | None) -> tuple[Compiled, list[tuple[str, Compiled]]]:
    """The value (or the derivative to component k), and its derivatives to each input's component `other`."""
    quantity = function.expression
    if function.width is not None:
        quantity = quantity.subs(_SIZE, sp.solve(function.width - _WIDTH, _SIZE)[0])
    if wrt is not None:
        if function.index is not None and function.width is None:
            quantity = sp.Sum(_COTANGENT[function.index] * quantity, (function.index, 0, _SIZE - 1))
        quantity = _slope(quantity, function.by_name[wrt], COMPONENT)
    free = [_SIZE, _WIDTH, COMPONENT, _OTHER, _COTANGENT, function.index or sp.Symbol("unused")]
    symbols = [entry.symbol for entry in function.inputs]

    def compiled(expression: sp.Expr) -> Compiled:
        if wrt is None or function.width is None:
            return compile_balls([*symbols, *free], [expression], share=False)
        return _summed(compile_balls([*symbols, *free], [_touched(expression), expression], share=False))

    slopes = {entry.name: _slope(quantity, entry, _OTHER) for entry in function.inputs if entry.role != "parameter"}
    return compiled(quantity), [(name, compiled(slope)) for name, slope in slopes.items() if slope != 0]


def _touched(derivative: sp.Expr) -> sp.Expr:
    """Zero where a derivative is, whatever it is multiplied by: where it is to components that don't occur."""
    deltas = derivative.atoms(sp.KroneckerDelta)
    named = [each for each in (COMPONENT, _OTHER) if derivative.has(each)]
    return sp.Mul(*(sp.Add(*(delta for delta in deltas if each in delta.args)) for each in named))


def _summed(component: Compiled) -> Compiled:
    """The sum over the output's components, with the cotangent."""

    def total(*arguments: Any) -> Sequence[Any]:
        *others, cotangent, _ = arguments
        parts = (component(*others, cotangent, n) for n in range(len(cotangent)))
        return (sum((seed * part for seed, (touched, part) in zip(cotangent, parts, strict=True) if touched), arb(0)),)

    return total


def rows(function: Function, arrays: Mapping[str, Floats], wrt: Sequence[str], cotangent: Floats | None) -> Answer:
    """The value and gradients for each row: vectors are (N, C), and a number beside them is (N,)."""
    vectors = [arrays[entry.name].shape for entry in function.inputs if entry.is_vector]
    numbers = [arrays[entry.name].shape for entry in function.inputs if not entry.is_vector]
    count, classes = np.broadcast_shapes((1, 1), *vectors, *((*shape, 1) for shape in numbers))
    whole = {
        entry.name: np.broadcast_to(arrays[entry.name], (count, classes) if entry.is_vector else (count,))
        for entry in function.inputs
    }
    width = 1 if function.index is None else _width(function, classes)
    upstream = np.broadcast_to(1.0 if cotangent is None else cotangent, (count, width))
    value = np.full((3, count, width), np.nan)
    gradients = {name: np.full((3, *whole[name].shape), np.nan) for name in wrt}
    for n in range(count):
        row = {name: np.atleast_1d(array[n]) for name, array in whole.items()}
        _row(function, row, upstream[n], value[:, n], {name: table[:, n] for name, table in gradients.items()})
    if function.index is None:
        value = value[:, :, 0]
    return Answer(Truth(*value), {name: Truth(*table) for name, table in gradients.items()})


def _width(function: Function, classes: int) -> int:
    width = sp.Integer(classes) if function.width is None else function.width.subs(_SIZE, classes)
    if not width.is_Integer:
        raise ValueError(
            f"{function.prediction.name}: expected rows of which {function.width} is whole, got {classes} components"
        )
    return int(width)


def _row(
    function: Function,
    row: Mapping[str, Floats],
    upstream: Floats,
    value: Floats,
    gradients: Mapping[str, Floats],
) -> None:
    if any(np.isnan(each).any() for each in row.values()):
        return
    logits = row[function.prediction.name]
    kept, outputs = np.arange(logits.size), np.arange(upstream.size)
    if function.masked is not None:
        # A component at -oo drops out of every sum: the function is that of the others.
        kept = outputs = np.flatnonzero(logits != float(function.masked_at))
        if not np.isfinite(logits[kept]).all() or kept.size == 0:
            return
        if function.index is None and kept.size < logits.size and not _weightless(row, logits.size, kept):
            value[:] = np.inf
            return
    present = {entry.name: row[entry.name][kept] if entry.is_vector else row[entry.name] for entry in function.inputs}
    balls = {name: [arb(each) for each in components.tolist()] for name, components in present.items()}
    arguments = [balls[entry.name] if entry.is_vector else balls[entry.name][0] for entry in function.inputs]
    seeds = [] if function.index is None else [arb(float(each)) for each in upstream[outputs]]

    def number(wrt: str | None, k: int, i: int) -> tuple[float, float, float]:
        quantity, slopes = _compiled(function, wrt)

        def place(other: int) -> list[Any]:
            return [*arguments, int(kept.size), int(outputs.size), k, other, seeds, i]

        (ball,) = evaluate(quantity, place(0), precise=1, settle=True)
        scale = abs(arb(ball))
        for name, slope in slopes:
            for other, component in enumerate(present[name].tolist()):
                if component != 0 and counts(function, name, component):
                    (bend,) = evaluate(slope, place(other), precise=0, rough=1, settle=True)
                    scale += abs(arb(component) * bend)
        return (*to_double_double(ball), to_double_double(scale)[0])

    if function.index is None:
        value[:, 0] = number(None, 0, 0)
    else:
        value[:] = [[float(function.masked or 0)], [0.0], [0.0]]
        for position, where in enumerate(outputs):
            value[:, where] = number(None, 0, position)
    for name, table in gradients.items():
        if function.by_name[name].is_vector:
            table[:] = 0.0
            for position, where in enumerate(kept):
                table[:, where] = number(name, position, 0)
        else:
            table[:] = number(name, 0, 0)


def _weightless(row: Mapping[str, Floats], classes: int, kept: NDArray[np.intp]) -> bool:
    """Whether the classes whose logit is -oo have no part in the loss: no target, no smoothing, or no weight."""
    dropped = np.setdiff1d(np.arange(classes), kept)
    share = row["t"][dropped] + row.get("label_smoothing", 0.0)
    return bool(np.all(row["weight"][dropped] * share == 0))
