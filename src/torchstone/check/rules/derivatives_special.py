"""The rule on gradients that are NaN where the truth is a number."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from torchstone.check.entries import bounds
from torchstone.check.evidence import Mismatch, finding
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import rule
from torchstone.check.rules.derivatives import Inputs, demand_gradient, is_free, number, place, special
from torchstone.check.subject import Subject
from torchstone.oracle import FORMATS

# Where exponentials overflow, in float32 and float64, and beyond: both dtypes hold each of them exactly.
_LARGE = (12.0, 20.0, 50.0, 89.0, 104.0, 200.0, 500.0, 710.0, 750.0, 1000.0, 10000.0)
_SMALL = (0.0, 2.0**-20, 2.0**-60, 2.0**-120)
_BEYOND = tuple(2.0**exponent for exponent in (40, 66, 100))
_ROWS = ((0, 0, 0), (1, 1, 1), (1, 0, 0), (100, 0, -100), (0, 1000, 1000), (10000, 0, -10000))
_MASKED = ((-torch.inf, 0, 1), (0, -torch.inf, -torch.inf))


@rule("D108", "nan-trap")
def nan_trap(subject: Subject) -> Iterator[Finding]:
    """The gradient is a number wherever the true one is.

    Why: `torch.where(x > 0, torch.log(x), 0)` has a NaN gradient for x <= 0, where the branch was not even taken: 0
        times infinity. sqrt at 0, x / |x|, the norm of a zero vector, and 1 / (1 + exp(-x)) at -89 in float32 (-710
        in float64) are the same trap: the value is fine, and one step later every weight is NaN.
    How: in float32 and float64, at 0, at ties, at predictions equal to their target or to each other, at constants
        of the subject's own, and for activations at numbers up to 10000 and rows that far apart: where the value is
        finite and the true gradient too, the gradient has to be finite.
    False alarms: a true gradient that is infinite is allowed to be. Without a definition nobody knows what is true:
        a NaN is then a warning, unless PyTorch's counterpart has a number there. Numbers beyond 1e12 and masked rows
        (-inf) are warnings.
    Instead: apply `where` to the argument too, before log, sqrt or division; add nothing to a square root but
        treat 0 apart; use `torch.sigmoid`, `logsumexp`, or the form whose exponential has a negative argument.
    """
    names = demand_gradient(subject)
    for tensors, severity in _traps(subject):
        for dtype in (torch.float32, torch.float64):
            given = {
                name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
            }
            for name in names:
                judge = partial(_trapped, subject, name=name)
                found = judge(given)
                if found is not None:
                    known = subject.knowledge != "nothing" and found.expected is not None
                    yield finding(subject, _told, judge, given, severity=severity if known else "warning")
                    return


def _told(mismatch: Mismatch) -> str:
    name = mismatch.quantity.removeprefix("grad.")
    at, dtype = place(mismatch.tensors, name, mismatch.where), str(mismatch.tensors[name].dtype).removeprefix("torch.")
    right = "though the value is finite" if mismatch.expected is None else f"expected {number(mismatch.expected)}"
    return f"the gradient at {at} is {number(mismatch.got)} in {dtype}, {right}"


def _trapped(subject: Subject, tensors: Inputs, name: str) -> Mismatch | None:
    """An element of the gradient that is not finite, where the value and the true gradient are."""
    answer = subject.call(tensors, wrt=[name])
    got = answer.tensors.get(f"grad.{name}") if answer.ok else None
    if got is None or not got.numel() or bool(got.isfinite().all()):
        return None
    bad = ~got.isfinite() & _where_finite(answer.tensors["value"], got.shape)
    right: np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None = None
    if subject.definition is not None:
        right = subject.expected(tensors, wrt=subject.predictions).gradients[name].high
    elif subject.peer is not None:
        theirs = subject.ask_peer(tensors, wrt=[name])
        known = theirs.tensors.get(f"grad.{name}") if theirs.ok else None
        right = None if known is None else known.to(torch.float64).numpy()
    if right is None or right.shape != tuple(got.shape):
        bad, right = bad & got.isnan(), None
    else:
        bad = bad & torch.from_numpy(np.abs(right) <= FORMATS[str(got.dtype).removeprefix("torch.")].largest)
    if not bool(bad.any()):
        return None
    index = tuple(int(each) for each in torch.unravel_index(bad.to(torch.uint8).argmax(), bad.shape))
    expected = None if right is None else float(right[index])
    return Mismatch(tensors, f"grad.{name}", float(got[index]), expected, None, index, {"wrt": [name]})


def _where_finite(value: Tensor, shape: torch.Size) -> Tensor:
    """Where the value is finite: element by element for what has the input's shape, else as a whole."""
    if value.shape == shape:
        return value.isfinite()
    return value.isfinite().all().expand(shape)


def _traps(subject: Subject) -> Iterator[tuple[dict[str, Tensor], Severity | None]]:
    """Inputs where gradients go wrong, and how severe it is there."""
    if subject.kind == "loss":
        yield from ((tensors, None) for tensors in _coinciding(subject))
        return
    sample = subject.sample()
    if not is_free(subject, subject.x):
        return
    if subject.trait("acts_along") == "element":
        numbers = _allowed(subject, sorted({*_SMALL, *_LARGE, *(abs(each) for each in special(subject))}))
        far = _allowed(subject, _BEYOND) if subject.definition else []
        for values, severity in ((numbers, None), (far, "warning")):
            yield from ((tensors, severity) for tensors in _filled(subject, sample, values))  # type: ignore[misc]
        return
    yield {**sample, subject.x: torch.zeros_like(sample[subject.x])}, None
    yield {**sample, subject.x: torch.ones_like(sample[subject.x])}, None
    rank, width = sample[subject.x].dim(), sample[subject.x].shape[subject.dim] if sample[subject.x].dim() else 0
    if width != 3 or subject.trait("changes_shape"):
        return
    for rows, how in ((_ROWS, None), (_MASKED, "warning")):
        for row in rows:
            line = torch.tensor(row, dtype=torch.float64)
            shaped = line.reshape([-1 if axis == subject.dim % rank else 1 for axis in range(rank)])
            yield {**sample, subject.x: shaped.expand(sample[subject.x].shape).clone()}, how  # type: ignore[misc]


def _allowed(subject: Subject, sizes: object) -> list[float]:
    both = [sign * each for each in sizes for sign in (1.0, -1.0)]  # type: ignore[attr-defined]
    if subject.definition is None or subject.definition.prediction.domain == sp.S.Reals:
        return both
    return [each for each in both if bool(subject.definition.prediction.domain.contains(sp.Float(each)))]


def _filled(subject: Subject, sample: Inputs, values: list[float]) -> Iterator[dict[str, Tensor]]:
    shape = sample[subject.x].shape
    for start in range(0, len(values), max(1, shape.numel())):
        chosen = np.resize(values[start : start + shape.numel()], tuple(shape))
        yield {**sample, subject.x: torch.from_numpy(chosen)}


def _coinciding(subject: Subject) -> Iterator[dict[str, Tensor]]:
    """Inputs of a loss where something is equal: predictions to targets, to each other, to zero, within a row."""
    sample, x = subject.sample(), subject.x
    floating = [entry for entry in subject.inputs if entry.is_floating]
    free = [entry.name for entry in floating if is_free(subject, entry.name)]
    alike = [name for name in free if sample[name].shape == sample[x].shape]
    zeros = {name: torch.zeros_like(sample[name]) for name in free if name in subject.predictions}
    if x in alike:
        for other in alike:
            if other != x:
                yield {**sample, x: sample[other].clone()}
        yield {**sample, **{name: sample[x].clone() for name in alike}}
    if zeros:
        yield {**sample, **zeros}
        yield {**sample, **{name: torch.ones_like(each) for name, each in zeros.items()}}
        yield {**sample, **{name: torch.zeros_like(sample[name]) for name in free}}
    for entry in floating:
        if entry.role == "target" and entry.within.startswith(("[0,1", "simplex")) and sample[entry.name].dim():
            sharp = sample[entry.name] == sample[entry.name].amax(-1, keepdim=True)
            yield {**sample, entry.name: sharp.to(torch.float64)}
    if subject.entry(x).within.startswith(("[0,1", "(0,1")) and bounds(subject.entry(x).within, {})[1] == 1.0:
        yield {**sample, x: torch.full_like(sample[x], 0.5)}
        target = subject.target
        if target is not None and target.is_floating and sample[target.name].shape == sample[x].shape:
            yield {**sample, target.name: sample[x].clone()}
