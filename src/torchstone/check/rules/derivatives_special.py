"""The rule on gradients that are NaN where the truth is a number."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from torchstone.check.entries import bounds, class_dim, draw
from torchstone.check.evidence import Mismatch, finding, plain
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import rule
from torchstone.check.rules.derivatives import Inputs, demand_gradient, is_free, number, place, special
from torchstone.check.subject import Subject
from torchstone.oracle import FORMATS

# Where exponentials overflow, in float32 and float64, and beyond: both dtypes hold each of them exactly.
_LARGE = (12.0, 20.0, 50.0, 89.0, 104.0, 200.0, 500.0, 710.0, 750.0, 1000.0, 10000.0)
_SMALL = (0.0, 2.0**-20, 2.0**-60, 2.0**-120)
_BEYOND = tuple(2.0**exponent for exponent in (40, 66, 100))
_SURE = (30.0, 100.0, 10000.0)
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
        finite and the true gradient too, the gradient has to be finite. Without a definition a loss is also looked
        at with empty masks, probabilities of 0 and 1, and logits up to 10000 for the right class and the wrong one;
        the value must not be NaN there, either, if it is a number for ordinary inputs of the same shapes.
    False alarms: a true gradient that is infinite is allowed to be. Without a definition nobody knows what is true:
        a NaN is then a warning, unless PyTorch's counterpart has one there, too; say with `inputs` which numbers are
        never met. Numbers beyond 1e12 and masked rows (-inf) are warnings.
    Instead: apply `where` to the argument too, before log, sqrt or division; add nothing to a square root but
        treat 0 apart; use `torch.sigmoid`, `logsumexp`, or the form whose exponential has a negative argument.
    """
    names = demand_gradient(subject)
    for tensors, severity in _traps(subject):
        for dtype in (torch.float32, torch.float64):
            given = {
                name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
            }
            if subject.definition is None and _undefined(subject, given) is not None:
                yield finding(subject, _nothing, partial(_undefined, subject), given, severity="warning")
                return
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
    right = "though the value is no NaN" if mismatch.expected is None else f"expected {number(mismatch.expected)}"
    return f"the gradient at {at} is {number(mismatch.got)} in {dtype}, {right}"


def _nothing(mismatch: Mismatch) -> str:
    given = ", ".join(f"{name} = {plain(tensor)}" for name, tensor in mismatch.tensors.items())
    dtypes = [str(each.dtype).removeprefix("torch.") for each in mismatch.tensors.values() if each.is_floating_point()]
    return f"the value is NaN for {given} in {dtypes[0]}, and a number for ordinary inputs of the same shapes"


def _undefined(subject: Subject, tensors: Inputs) -> Mismatch | None:
    """A value that is NaN for finite inputs, where neither the shapes nor the counterpart explain it."""
    answer = subject.call(tensors)
    if not answer.ok or not bool(answer.tensors["value"].isnan().any()):
        return None
    if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        return None
    ordinary = subject.call(_ordinary(subject, tensors))
    if not ordinary.ok or not bool(ordinary.tensors["value"].isfinite().all()):
        return None
    if subject.peer is not None:
        theirs = subject.ask_peer(tensors)
        if theirs.ok and bool(theirs.tensors["value"].isnan().any()):
            return None
    bad = answer.tensors["value"].isnan()
    index = tuple(int(each) for each in torch.unravel_index(bad.to(torch.uint8).argmax(), bad.shape))
    return Mismatch(tensors, "value", float("nan"), None, None, index)


def _ordinary(subject: Subject, tensors: Inputs) -> dict[str, Tensor]:
    """Ordinary inputs of the same shapes and types."""
    sizes: dict[str, int] = {}
    shaped = []
    for entry in subject.inputs:
        shape = tuple(tensors[entry.name].shape)
        if "..." not in entry.dims:
            sizes |= {str(dim): size for dim, size in zip(entry.dims, shape, strict=False)}
        shaped.append(replace(entry, dims=shape))
    return draw(shaped, next(each.dtype for each in tensors.values() if each.is_floating_point()), sizes=sizes)


def _trapped(subject: Subject, tensors: Inputs, name: str) -> Mismatch | None:
    """An element of the gradient that is not finite, where the value and the true gradient are."""
    answer = subject.call(tensors, wrt=[name])
    got = answer.tensors.get(f"grad.{name}") if answer.ok else None
    if got is None or not got.numel() or bool(got.isfinite().all()):
        return None
    bad = ~got.isfinite() & _where_number(answer.tensors["value"], got.shape)
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
        bad = bad & _where_number(answer.tensors["value"], got.shape, torch.isfinite)
        bad = bad & torch.from_numpy(np.abs(right) <= FORMATS[str(got.dtype).removeprefix("torch.")].largest)
    if not bool(bad.any()):
        return None
    index = tuple(int(each) for each in torch.unravel_index(bad.to(torch.uint8).argmax(), bad.shape))
    expected = None if right is None else float(right[index])
    return Mismatch(tensors, f"grad.{name}", float(got[index]), expected, None, index, {"wrt": [name]})


def _is_number(value: Tensor) -> Tensor:
    return ~value.isnan()


def _where_number(value: Tensor, shape: torch.Size, holds: Callable[[Tensor], Tensor] = _is_number) -> Tensor:
    """Where the value is a number: element by element for what has the input's shape, else as a whole."""
    return holds(value) if value.shape == shape else holds(value).all().expand(shape)


def _traps(subject: Subject) -> Iterator[tuple[dict[str, Tensor], Severity | None]]:
    """Inputs where gradients go wrong, and how severe it is there."""
    if subject.kind == "loss":
        yield from ((tensors, None) for tensors in _coinciding(subject))
        if subject.definition is None:
            yield from ((tensors, None) for tensors in _empty(subject))
            yield from ((tensors, None) for tensors in _saturated(subject))
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


def _empty(subject: Subject) -> Iterator[dict[str, Tensor]]:
    """Masks and labels of which none is set, alone and with predictions of 0."""
    sample = subject.sample()
    unset = {
        entry.name: torch.zeros_like(sample[entry.name])
        for entry in subject.inputs
        if entry.dtype == "bool" or entry.within in ("{0,1}", "[0,1]")
    }
    for name, zeros in unset.items():
        if name != subject.x:
            yield {**sample, name: zeros}
    if unset:
        yield {**sample, **unset}


def _saturated(subject: Subject) -> Iterator[dict[str, Tensor]]:
    """A prediction that is as sure as it can be, of the right answer and of the wrong one."""
    sample, x = subject.sample(), subject.x
    within, right = subject.entry(x).within, _right(subject, sample)
    if within == "":
        for size in _SURE:
            yield {**sample, x: size * right}
            yield {**sample, x: -size * right}
    elif within in ("[0,1]", "simplex"):
        yield {**sample, x: (1 + right) / 2}
        yield {**sample, x: (1 - right) / 2 if within == "[0,1]" else (1 + right.roll(1, -1)) / 2}


def _right(subject: Subject, sample: Inputs) -> Tensor:
    """The prediction's signs for the right answer: 1 for the label's class and -1 for the others; 1 where none is."""
    x, entry = sample[subject.x], subject.target
    if entry is None:
        return torch.ones_like(x)
    target = sample[entry.name]
    if not entry.is_floating and entry.within.endswith(",C)") and target.dim() == x.dim() - 1:
        dim = class_dim(subject.entry(subject.x), x.shape)
        return (2.0 * torch.zeros_like(x).scatter(dim, target.unsqueeze(dim), 1.0)) - 1.0
    if target.shape == x.shape and entry.within in ("{0,1}", "[0,1]", "{-1,1}", "simplex"):
        level = 0.5 if entry.within != "{-1,1}" else 0.0
        sure = target == target.amax(-1, keepdim=True) if entry.within == "simplex" else target > level
        return 2.0 * sure.to(x.dtype) - 1.0
    return torch.ones_like(x)


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
