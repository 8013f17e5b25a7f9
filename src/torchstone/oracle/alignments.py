"""The truth about the loss of a sequence of labels: the sum over all alignments, one by one."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from flint import arb
from numpy.typing import NDArray

from torchstone.definitions import COMPONENT, Function
from torchstone.definitions.calculus import differentiate
from torchstone.oracle.balls import Compiled, compile_balls, evaluate, to_double_double
from torchstone.oracle.functions import Answer, Truth

Floats = NDArray[np.float64]
_FRAME, _OTHER_FRAME, _OTHER = sp.symbols("frame other_frame other", integer=True, nonnegative=True)
_SIZES = sp.symbols("T P C", integer=True, positive=True)
_MOST = 20_000


def alignments(labels: Sequence[int], frames: int, blank: int) -> list[tuple[int, ...]]:
    """All sequences of classes that become the labels when equal neighbours are merged, then blanks dropped.

    >>> alignments([1, 2], 3, 0)
    [(0, 1, 2), (1, 0, 2), (1, 1, 2), (1, 2, 0), (1, 2, 2)]
    """
    extended = [blank, *(each for label in labels for each in (label, blank))]

    def walk(place: int, left: int) -> Iterator[tuple[int, ...]]:
        if left == 0:
            if place >= len(extended) - 2:
                yield (extended[place],)
            return
        for step in (0, 1, 2):
            following = place + step
            if following >= len(extended):
                continue
            # A blank may be passed over, but not between two labels that are equal.
            if step == 2 and (extended[following] == blank or extended[following] == extended[place]):
                continue
            for rest in walk(following, left - 1):
                yield (extended[place], *rest)

    starts = range(min(2, len(extended)))
    return sorted(found for start in starts for found in walk(start, frames - 1)) if frames else []


class _Table(dict[tuple[int, int], Any]):
    """Numbers with two indices, as a compiled expression reads them."""

    @classmethod
    def of(cls, rows: Sequence[Sequence[Any]]) -> "_Table":
        return cls({(n, m): each for n, row in enumerate(rows) for m, each in enumerate(row)})


@cache
def _compiled(function: Function, differentiated: bool) -> tuple[Compiled, Compiled]:
    """The value, or its derivative to the prediction of a frame and class; and its derivative to another's."""
    variable = function.prediction.symbol
    quantity = function.expression
    if differentiated:
        quantity = differentiate(quantity, variable[_FRAME, COMPONENT])
    slope = differentiate(quantity, variable[_OTHER_FRAME, _OTHER])
    symbols = [*(entry.symbol for entry in function.inputs), *_SIZES, _FRAME, COMPONENT, _OTHER_FRAME, _OTHER]
    return compile_balls(symbols, [quantity], share=False), compile_balls(symbols, [slope], share=False)


def sequences(function: Function, arrays: Mapping[str, Floats], wrt: Sequence[str]) -> Answer:
    """The value and gradient for each sequence: the prediction is (N, T, C), the labels (N, S) are padded with -1.

    Raises `ValueError` where there are too many alignments to go through: use fewer frames.
    """
    name = function.prediction.name
    if set(wrt) != {name}:
        raise ValueError(f"wrt: expected {name}, got {', '.join(wrt)}")
    batch = arrays[name] if arrays[name].ndim == 3 else arrays[name][None]
    (target,) = (entry.name for entry in function.inputs if entry.role == "target")
    labels = np.broadcast_to(arrays[target], (len(batch), *np.atleast_1d(arrays[target]).shape[-1:]))
    value, gradient = np.full((3, len(batch)), np.nan), np.full((3, *batch.shape), np.nan)
    for n, row in enumerate(batch):
        if not np.isnan(row).any():
            known = [int(each) for each in labels[n] if each >= 0]
            value[:, n] = _one(function, row, known, arrays, gradient[:, n])
    return Answer(Truth(*value), {name: Truth(*gradient)})


def _one(
    function: Function, row: Floats, labels: list[int], arrays: Mapping[str, Floats], gradient: Floats
) -> tuple[float, float, float]:
    """The value; the gradient is written where it belongs."""
    frames, classes = row.shape
    paths = alignments(labels, frames, int(arrays["blank"]))
    if len(paths) > _MOST:
        raise ValueError(f"{function.prediction.name}: expected at most {_MOST} alignments, got {len(paths)}")
    given: dict[str, Any] = {entry.name: arb(float(arrays[entry.name])) for entry in function.parameters}
    given[function.prediction.name] = _Table.of([[arb(each) for each in frame] for frame in row.tolist()])
    arguments = [given.get(entry.name, _Table.of(paths)) for entry in function.inputs]
    places = [(frame, c) for frame in range(frames) for c in range(classes)]

    def number(differentiated: bool, at: tuple[int, int]) -> tuple[float, float, float]:
        quantity, slope = _compiled(function, differentiated)
        sizes = (frames, len(paths), classes)
        (ball,) = evaluate(quantity, [*arguments, *sizes, *at, 0, 0], precise=1)
        scale = abs(arb(ball))
        for other in places:
            if row[other] != 0 and np.isfinite(row[other]):
                (bend,) = evaluate(slope, [*arguments, *sizes, *at, *other], precise=0, rough=1)
                scale += abs(arb(float(row[other])) * bend)
        return (*to_double_double(ball), to_double_double(scale)[0])

    value = number(False, (0, 0))
    if np.isfinite(value[0]):
        for place in places:
            gradient[(slice(None), *place)] = number(True, place)
    return value
