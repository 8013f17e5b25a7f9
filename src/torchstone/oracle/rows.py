"""The truth about a function of a row of classes: softmax and the losses over classes."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from flint import arb
from numpy.typing import NDArray

from torchstone.definitions import COMPONENT, Function
from torchstone.definitions.calculus import differentiate
from torchstone.oracle.balls import Compiled, compile_balls, evaluate, to_double_double
from torchstone.oracle.functions import Answer, Truth, counts

Floats = NDArray[np.float64]
_OTHER = sp.Symbol("other", integer=True, nonnegative=True)
_SIZE = sp.Symbol("C", integer=True, positive=True)
_WIDTH = sp.Symbol("width", integer=True, positive=True)  # of the output
_COTANGENT = sp.IndexedBase("cotangent")


@cache
def _compiled(function: Function, wrt: str | None) -> tuple[Compiled, list[tuple[str, Compiled]]]:
    """The value (or the derivative to component k), and its derivatives to each input's component `other`."""
    quantity = function.expression
    if function.width is not None:
        quantity = quantity.subs(_SIZE, sp.solve(function.width - _WIDTH, _SIZE)[0])
    if wrt is not None:
        if function.index is not None and function.width is None:
            quantity = sp.Sum(_COTANGENT[function.index] * quantity, (function.index, 0, _SIZE - 1))
        quantity = differentiate(quantity, function.by_name[wrt].symbol[COMPONENT])
    free = [_SIZE, _WIDTH, COMPONENT, _OTHER, _COTANGENT, function.index or sp.Symbol("unused")]
    symbols = [entry.symbol for entry in function.inputs]

    def compiled(expression: sp.Expr) -> Compiled:
        if wrt is None or function.width is None:
            return compile_balls([*symbols, *free], [expression], share=False)
        return _summed(compile_balls([*symbols, *free], [_touched(expression), expression], share=False))

    slopes = [
        (entry.name, compiled(differentiate(quantity, entry.symbol[_OTHER])))
        for entry in function.inputs
        if entry.role != "parameter"
    ]
    return compiled(quantity), slopes


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
    """The value and gradients for each row of an (N, C) array."""
    logits = np.atleast_2d(arrays[function.prediction.name])
    count, classes = logits.shape
    whole = {
        entry.name: np.broadcast_to(arrays[entry.name], logits.shape)
        if entry.is_vector
        else np.broadcast_to(arrays[entry.name], (count,))
        for entry in function.inputs
    }
    width = 1 if function.index is None else _width(function, classes)
    upstream = np.broadcast_to(1.0 if cotangent is None else cotangent, (count, width))
    value = np.full((3, count, width), np.nan)
    gradients = {name: np.full((3, count, classes), np.nan) for name in wrt}
    for n in range(count):
        row = {name: array[n] for name, array in whole.items()}
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
    function: Function, row: Mapping[str, Any], upstream: Floats, value: Floats, gradients: Mapping[str, Floats]
) -> None:
    logits = row[function.prediction.name]
    # A component at -oo drops out of every sum: the function is that of the others.
    if function.width is None:
        kept = outputs = np.flatnonzero(logits != float(function.masked_at))
        if not np.isfinite(logits[kept]).all() or kept.size == 0:
            return
    else:
        kept, outputs = np.arange(logits.size), np.arange(upstream.size)
    if function.masked is None and kept.size < logits.size and not _weightless(function, row, kept):
        value[:] = np.inf
        return
    arguments = [
        [arb(float(each)) for each in row[entry.name][kept]] if entry.is_vector else arb(float(row[entry.name]))
        for entry in function.inputs
    ]
    seeds = [] if function.index is None else [arb(float(each)) for each in upstream[outputs]]
    size = int(kept.size)

    def number(wrt: str | None, k: int, i: int) -> tuple[float, float, float]:
        quantity, slopes = _compiled(function, wrt)
        (ball,) = evaluate(quantity, [*arguments, size, outputs.size, k, 0, seeds, i], precise=1)
        scale = abs(arb(ball))
        for name, slope in slopes:
            components = row[name][kept]
            for other in range(size):
                if components[other] != 0 and counts(function, name, float(components[other])):
                    place = [size, outputs.size, k, other, seeds, i]
                    (bend,) = evaluate(slope, [*arguments, *place], precise=0, rough=1)
                    scale += abs(arb(float(components[other])) * bend)
        return (*to_double_double(ball), to_double_double(scale)[0])

    if function.index is None:
        value[:, 0] = number(None, 0, 0)
    else:
        value[:] = [[float(function.masked or 0)], [0.0], [0.0]]
        for position, where in enumerate(outputs):
            value[:, where] = number(None, 0, position)
    for name, table in gradients.items():
        table[:] = 0.0
        for position, where in enumerate(kept):
            table[:, where] = number(name, position, 0)


def _weightless(function: Function, row: Mapping[str, Any], kept: NDArray[np.intp]) -> bool:
    """Whether the classes whose logit is -oo have no part in the loss: no target, no smoothing, or no weight."""
    dropped = np.setdiff1d(np.arange(row[function.prediction.name].size), kept)
    share = row["t"][dropped] + row.get("label_smoothing", 0.0)
    return bool(np.all(row["weight"][dropped] * share == 0))
