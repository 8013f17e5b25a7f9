"""The rule on whether the gradient is the derivative of the definition."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from torchstone.check.evidence import Mismatch, finding
from torchstone.check.expected import Expected
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.rules.derivatives import (
    Inputs,
    cases,
    demand_graph,
    number,
    place,
    relative_error,
    selection,
)
from torchstone.check.sequences import is_of_sequences
from torchstone.check.subject import Subject
from torchstone.oracle import FORMATS, Truth, distance

_VALUE, _GRADIENT = 1e-6, 1e-5  # how much may be off, of |f| + |x f'|
_ROUGH = {"float32": 1e-3, "float16": 0.1, "bfloat16": 0.3}  # where the subject turns float64 into something narrower


@rule("D101", "symbolic", need="definition")
def symbolic(subject: Subject) -> Iterator[Finding]:
    """The gradient is the derivative of the definition.

    Why: a backward that is derived by hand is where slips live: a factor, a sign, a branch taken on the wrong side,
        the derivative of the sum in the place of the mean. `gradcheck` on ordinary inputs found 10 of 62 such bugs.
    How: the gradient with respect to each prediction is held against the certified derivative, in float64: at
        ordinary numbers, at larger ones, on both sides of each kink and of each constant that the subject is made
        with. Of a row (softmax) the gradient of several choices of its elements is looked at. It may be off by 1e-5
        of |f'| + |x f''|: digits that are lost in a tail are not this rule's.
        A gradient that is wrong at single points only is a warning: log(1 + exp(-|x|)) + max(x, 0) at 0.
    False alarms: where the value is not the definition's, the gradient is not judged: A101 or L101 has told so, and
        D102 holds the gradient against the subject's own values. At kinks A107 judges; gradients that are NaN or
        infinite are D108's. A gradient that is changed on purpose: declare the trait `gradient_hook`.
    Instead: derive the backward anew (`torchstone derive NAME` shows how), or leave it to autograd.
    """
    names = demand_graph(subject)
    if subject.trait("gradient_hook"):
        raise NotApplicable("it changes the gradient on purpose")
    if is_of_sequences(subject.definition):
        raise NotApplicable("there are two conventions for its gradient by log-probabilities; D102 looks at it")
    seen, alone = False, None
    for tensors in cases(subject):
        answer = subject.call(tensors) if seen else subject.must(tensors)
        if not answer.ok:
            continue
        value = answer.tensors["value"]
        if not _values_are_right(subject, tensors, value):
            if not seen:
                raise NotApplicable("its values are not the definition's: see A101 and L101")
            continue
        turns = 3 if not seen and selection(subject, value.shape) else 1
        seen = True
        for turn in range(turns):
            asked = {**tensors, **selection(subject, value.shape, turn)}
            for name in names:
                if _symbolic(subject, asked, name) is None:
                    continue
                if not _is_alone(subject, asked, name):
                    yield finding(subject, _off_by, partial(_symbolic, subject, name=name), asked)
                    return
                alone = alone or (asked, name)
    if alone is not None:
        asked, name = alone
        yield finding(subject, _off_at_a_point, partial(_symbolic, subject, name=name), asked, severity="warning")


_BESIDE = 1e-6


def _is_alone(subject: Subject, tensors: Inputs, name: str) -> bool:
    """Whether the gradient is right to the left and to the right of where it is wrong.

    Autograd takes |x|, clamp and max to pieces that meet at a point where the whole is smooth.
    """
    return all(
        _symbolic(subject, {**tensors, name: tensors[name] + step}, name) is None for step in (-_BESIDE, _BESIDE)
    )


def _off_at_a_point(mismatch: Mismatch) -> str:
    return f"{_off_by(mismatch)}; to both sides of this one point it is right"


def _off_by(mismatch: Mismatch) -> str:
    name = mismatch.quantity.removeprefix("grad.")
    if mismatch.got is None:
        return f"no gradient flows back to {name}: the result is cut off from it"
    if isinstance(mismatch.got, dict):
        return f"the gradient for {name} has shape {mismatch.got['shape']}, expected {mismatch.expected['shape']}"
    at = place(mismatch.tensors, name, mismatch.where)
    return f"the gradient at {at} is {number(mismatch.got)}, expected {number(mismatch.expected)}"


def _truth(subject: Subject, tensors: Inputs) -> Expected:
    """One question for all that is asked about these inputs, so that it is answered once."""
    return subject.expected(tensors, wrt=subject.predictions, cotangent=tensors.get("cotangent"))


def _values_are_right(subject: Subject, tensors: Inputs, value: Tensor) -> bool:
    truth = _truth(subject, tensors).value
    if tuple(value.shape) != truth.high.shape:
        return False
    rough = _ROUGH.get(str(value.dtype).removeprefix("torch."), _VALUE)
    return bool((relative_error(value, truth) <= rough).all())


def _symbolic(subject: Subject, tensors: Inputs, name: str) -> Mismatch | None:
    """The worst element of a gradient, if it is wrong there, where the truth is smooth and the value right."""
    answer = subject.call(tensors, wrt=[name])
    if not answer.ok or not _values_are_right(subject, tensors, answer.tensors["value"]):
        return None
    truth = _truth(subject, tensors).gradients[name]
    quantity, options = f"grad.{name}", {"wrt": [name]}
    got = answer.tensors.get(quantity)
    if got is None:
        flat = not np.any(truth.high) or subject.description.has_backward
        return None if flat else Mismatch(tensors, quantity, None, truth.high.tolist(), None, (), options)
    rough = _ROUGH.get(str(answer.facts["value"]["dtype"]), _GRADIENT)
    off = np.where(np.isfinite(got.to(torch.float64).numpy()) & np.isfinite(truth.high), relative_error(got, truth), 0)
    off = np.where(off > rough, off, 0.0)
    if off.any():
        off = np.where(_is_smooth(subject, tensors, name, truth), off, 0.0)
    if not off.any():
        return None
    index = tuple(int(each) for each in np.unravel_index(int(np.argmax(off)), off.shape))
    ulp = float(np.asarray(distance(got.to(torch.float64).numpy(), truth, FORMATS["float64"]))[index])
    return Mismatch(tensors, quantity, float(got[index]), float(truth.high[index]), ulp, index, options)


def _is_smooth(
    subject: Subject, tensors: Inputs, name: str, truth: Truth
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Where the true gradient is the same a little to the left and to the right: no kink is near."""
    sides = []
    for step in (-1e-6, 1e-6):
        moved = {**tensors, name: tensors[name] + step}
        sides.append(_truth(subject, moved).gradients[name].high)
    allowed = 1e-3 * (np.abs(truth.high) + truth.scale) + 1e-9
    with np.errstate(invalid="ignore"):
        return (np.abs(sides[1] - sides[0]) <= allowed) & (np.abs(sides[1] - truth.high) <= allowed)
