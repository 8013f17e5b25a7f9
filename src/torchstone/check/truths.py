"""Whether a loss is right: its answer against the definition, under any convention that is as right as another."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torchstone.check.evidence import Mismatch, worst
from torchstone.check.expected import Expected
from torchstone.check.points import readings
from torchstone.check.probe import Answer
from torchstone.check.rule import NotApplicable
from torchstone.check.subject import Subject
from torchstone.oracle import Truth

LOGIC = 1e-6  # what is off by more, relative to the scale, is no matter of rounding
_LEAST_SCALE = 1e-3
REDUCTIONS = ("none", "mean", "sum")


def reductions(subject: Subject) -> tuple[str, ...]:
    """The reductions that a loss offers; the one it has, where it offers none."""
    return REDUCTIONS if subject.has_reduction else (str(subject.trait("reduction")),)


def reducing(subject: Subject, reduction: str) -> dict[str, Any]:
    """The overrides for that reduction."""
    return subject.reduced(reduction) if subject.has_reduction else {}


def finest(subject: Subject) -> str:
    """The reduction that tells most: "none" where it can be chosen."""
    return "none" if subject.has_reduction else str(subject.trait("reduction"))


def truths(
    subject: Subject, tensors: Mapping[str, Tensor], reduction: str | None = None, wrt: Sequence[str] = ()
) -> Iterator[Expected]:
    """What is right, under each convention."""
    assert subject.definition is not None
    for function in readings(subject.definition):
        yield subject.expected(tensors, reduction=reduction, wrt=wrt, definition=function)


def off_value(
    subject: Subject,
    tensors: Mapping[str, Tensor],
    reduction: str,
    build: Mapping[str, Any] | None = None,
) -> Mismatch | None:
    """The worst element of the value where its logic is wrong; None where it is right, or the subject refuses."""
    options = {"build": {**reducing(subject, reduction), **(build or {})}}
    answer = subject.call(tensors, **options)
    if not answer.ok:
        return None
    found = answer.tensors["value"]
    if not found.is_floating_point():
        answer = Answer(answer.facts, {**answer.tensors, "value": found.to(torch.float64)})
    first = None
    for truth in truths(subject, tensors, reduction, wrt=(subject.x,)):
        mismatch = worst(tensors, answer, "value", _floored(truth.value), loose(answer.tensors["value"]), options)
        if mismatch is None:
            return None
        first = first or mismatch
    return first


def _floored(truth: Truth) -> Truth:
    """Next to 0, what counts is how much is missing: a constant of 1e-12 somewhere is no matter of logic."""
    return Truth(truth.high, truth.low, np.maximum(truth.scale, _LEAST_SCALE))


def loose(found: Tensor) -> float:
    """`LOGIC` in ulp of a tensor's dtype, and no less than rounding takes."""
    return max(LOGIC / torch.finfo(found.dtype).eps, 64.0)


def is_close(first: Tensor, second: Tensor, relative: float = 1e-6) -> bool:
    """Whether two answers differ by no more than rounding; NaN equals NaN."""
    if first.shape != second.shape:
        return False
    return torch.allclose(first.to(torch.float64), second.to(torch.float64), rtol=relative, atol=1e-9, equal_nan=True)


def needs_two_inputs(subject: Subject) -> None:
    """Raises `NotApplicable` for a loss of a single tensor."""
    if len(subject.inputs) < 2:
        raise NotApplicable("it is called with a single tensor")


def spoken(tensors: Mapping[str, Tensor]) -> str:
    """Inputs in a sentence: "x = 0, t = 1"."""
    return ", ".join(f"{name} = {_next_to_1(tensor) or listed(tensor)}" for name, tensor in tensors.items())


def _next_to_1(tensor: Tensor) -> str:
    """A number that few digits do not tell from 1."""
    gap = 1 - float(tensor) if tensor.numel() == 1 else 1.0
    return f"1 - {gap:.1e}" if 0 < gap < 1e-6 else ""


def listed(tensor: Tensor) -> str:
    """A tensor's numbers in a sentence."""
    if tensor.numel() == 1:
        return number(float(tensor))
    if tensor.numel() > 12:
        return f"({'x'.join(map(str, tensor.shape))} numbers)"
    while tensor.dim() > 1 and 1 in tensor.shape[:1]:
        tensor = tensor[0]
    return str(_rounded(tensor.tolist())).replace("'", "")


def _rounded(values: Any) -> Any:
    return [_rounded(each) for each in values] if isinstance(values, list) else number(float(values))


def summary(tensor: Tensor) -> str:
    """A result in a sentence: the number, or the shape of several."""
    return number(float(tensor)) if tensor.numel() == 1 else f"of shape {tuple(tensor.shape)}"


def number(value: Any) -> str:
    """A number in a sentence: few digits."""
    if not isinstance(value, (int, float)):
        return str(value)
    return f"{value:.7g}"
