"""Holding a subject's values against the truth, number by number."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from torchstone.check import grids
from torchstone.check.evidence import Judge, Mismatch
from torchstone.check.points import readings
from torchstone.check.subject import Subject
from torchstone.oracle import Format, Truth, distance

Floats = NDArray[np.float64]
# How wrong each number is, from what was got, the truth, the format and |x|: at most 0 is right.
Fault = Callable[[Floats, Truth, Format, Floats], Floats]


def truths(subject: Subject, tensors: Mapping[str, Tensor]) -> Iterator[Truth]:
    """The truth, then what is as right by a convention that the definition accepts."""
    seen = grids.in_dtype(subject, tensors[subject.x].dtype)
    for reading in readings(grids.definition_of(subject)):
        yield seen.expected(tensors, definition=reading).value


def judged(subject: Subject, fault: Fault, **options: Any) -> Judge:
    """A judge of values. What raises is not judged; of conventions, the one that fits best is."""

    def judge(tensors: Mapping[str, Tensor]) -> Mismatch | None:
        answer = subject.call(tensors, **options)
        if not answer.ok:
            return None
        value = answer.tensors["value"]
        got, form, sizes = grids.as_floats(value), grids.format_of(value), grids.size_of(subject, tensors)
        worst: Mismatch | None = None
        for truth in truths(subject, tensors):
            found = _worst(tensors, got, truth, form, sizes, fault, options)
            if found is None:
                return None
            worst = worst or found
        return worst

    return judge


def _worst(
    tensors: Mapping[str, Tensor],
    got: Floats,
    truth: Truth,
    form: Format,
    sizes: Floats,
    fault: Fault,
    options: Mapping[str, Any],
) -> Mismatch | None:
    if got.shape != truth.high.shape:
        shapes = list(got.shape), list(truth.high.shape)
        return Mismatch(tensors, "value", {"shape": shapes[0]}, {"shape": shapes[1]}, None, (), dict(options))
    if not got.size:
        return None
    wrong = np.broadcast_to(fault(got, truth, form, sizes), got.shape)
    place = np.unravel_index(int(np.argmax(wrong)), got.shape) if got.shape else ()
    if not wrong[place] > 0:
        return None
    index = tuple(int(each) for each in place)
    off = float(distance(got, truth, form)[index])
    return Mismatch(tensors, "value", float(got[index]), float(truth.high[index]), off, index, dict(options))


def where(subject: Subject, mismatch: Mismatch) -> str:
    """The place of a mismatch in words: "x = 3", or the row for a function of a row."""
    tensor, index = mismatch.tensors[subject.x].detach(), mismatch.where
    if tensor.numel() == 1:
        return f"{subject.x} = {shown(float(tensor.reshape(())))}"
    if len(index) != tensor.dim():
        return f"an input of shape {list(tensor.shape)}"
    if subject.definition is None or not subject.definition.is_vector:
        return f"{subject.x} = {shown(float(tensor[index]))}"
    axis = subject.dim % tensor.dim()
    row = tensor[tuple(slice(None) if at == axis else place for at, place in enumerate(index))]
    return f"{subject.x} = [{', '.join(map(shown, row.tolist()))}]"


def shown(value: Any) -> str:
    """A number as a sentence shows it."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def apart(got: float, expected: float) -> tuple[str, str]:
    """Two numbers with as many digits as it takes to tell them apart, and one more."""
    for digits in range(6, 18):
        pair = f"{got:.{digits}g}", f"{expected:.{digits}g}"
        if pair[0] != pair[1]:
            break
    return (f"{got:.{digits + 1}g}", f"{expected:.{digits + 1}g}") if digits > 6 else pair
