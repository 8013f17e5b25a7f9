"""Rules on whether the gradient is the derivative: that of the definition, and that of the subject's own values."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from torchstone.check.evidence import Mismatch, finding
from torchstone.check.expected import Expected
from torchstone.check.probe import Answer
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.rules.derivatives import (
    Inputs,
    cases,
    demand_predictions,
    directions,
    number,
    place,
    relative_error,
    selection,
)
from torchstone.check.subject import Subject, granted
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
    False alarms: where the value is not the definition's, the gradient is not judged: A101 or L101 has told so, and
        D102 holds the gradient against the subject's own values. At kinks A107 judges; gradients that are NaN or
        infinite are D108's. A gradient that is changed on purpose: declare the trait `gradient_hook`.
    Instead: derive the backward anew (`torchstone derive NAME` shows how), or leave it to autograd.
    """
    names = demand_predictions(subject)
    if subject.trait("gradient_hook"):
        raise NotApplicable("it changes the gradient on purpose")
    seen = False
    for tensors in cases(subject):
        value = subject.must(tensors).tensors["value"]
        if not _values_are_right(subject, tensors, value):
            if not seen:
                raise NotApplicable("its values are not the definition's: see A101 and L101")
            continue
        turns = 3 if not seen and selection(subject, value.shape) else 1
        seen = True
        for turn in range(turns):
            asked = {**tensors, **selection(subject, value.shape, turn)}
            for name in names:
                if _symbolic(subject, asked, name) is not None:
                    yield finding(subject, _off_by, partial(_symbolic, subject, name=name), asked)
                    return


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
    with np.errstate(invalid="ignore"):
        return np.abs(sides[1] - sides[0]) <= 1e-3 * (np.abs(truth.high) + truth.scale) + 1e-9


@rule("D102", "numeric", after=("G001", "D101"))
def numeric(subject: Subject) -> Iterator[Finding]:
    """The gradient is the derivative of the subject's own values.

    Why: this needs no definition: whatever a function computes, its backward has to be the derivative of that. A
        wrong one trains towards something else, mostly slowly and without a sign.
    How: each element of each prediction is moved a little to the left and to the right, in float64, and what the
        values do is held against the gradient. Where the two sides differ there is a kink, or the digits do not
        suffice: such elements are passed over. Of results that are rows, several choices of elements are looked at.
    False alarms: a part of the computation that is detached on purpose (a target network, a weight that counts as
        constant) is a warning only, as long as some gradient flows and no backward is written by hand. Of a function
        whose values do not change at all (rounding, signs) a gradient is a matter of choice: not applicable; so is
        an identity that changes the gradient (reversal, clipping). Else declare the trait `gradient_hook`.
    Instead: derive the backward anew, or leave it to autograd. Look for `.detach()`, `.data`, `.item()`,
        `torch.tensor(x)` and `torch.no_grad()` where the gradient is cut off.
    """
    names = demand_predictions(subject)
    if subject.trait("gradient_hook"):
        raise NotApplicable("it changes the gradient on purpose")
    moves = False
    for tensors in islice(cases(subject), 2 if subject.definition else 8):
        changes, agrees = _glance(subject, tensors, names)
        moves |= changes
        if agrees or _numeric(subject, tensors, names) is None:
            continue
        by_hand = granted(subject.ask("differences", tensors, {"wrt": names})).facts["own_backward"]
        reached = granted(subject.call(tensors, wrt=names)).tensors.keys() & {f"grad.{name}" for name in names}
        detached = bool(reached) and not by_hand
        if moves:
            sentence = partial(_differs, end="; is something detached on purpose?" if detached else "")
            judge = partial(_numeric, subject, names=names)
            yield finding(subject, sentence, judge, tensors, severity="warning" if detached else None)
            return
    if not moves:
        raise NotApplicable("its values do not change with small changes of the input")


def _differs(mismatch: Mismatch, end: str) -> str:
    name = mismatch.quantity.removeprefix("grad.")
    at, right = place(mismatch.tensors, name, mismatch.where), number(mismatch.expected)
    if mismatch.got is None:
        return f"no gradient flows back to {name}, though the result changes with it: at {at} by {right}{end}"
    return f"the gradient at {at} is {number(mismatch.got)}, but the values themselves change by {right}{end}"


class Slopes:
    """Differences of values along directions (rows), for each element of the result, and how good they are."""

    def __init__(self, answer: Answer, label: str, lengths: Tensor) -> None:
        left, right, half = (
            answer.tensors[f"{side}.{label}"].to(torch.float64) / lengths[:, None] for side in ("left", "right", "half")
        )
        level = 1.0 + answer.tensors["value"].to(torch.float64).abs().nan_to_num(0.0, 0.0, 0.0).max()
        self.middle = (left + right) / 2
        self.unsure = 10 * (half - self.middle).abs() + 1e-9 * level
        self.smooth = (right - left).abs() <= 1e-3 * (left.abs() + right.abs()) + 1e-6 * level
        self.moves = bool((self.smooth & ((left != 0) | (right != 0))).any())

    def along(self, flowing: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The derivative of <flowing, value> along each direction, how much it may be off, and where it is one."""
        middle, allowed = self.middle @ flowing, (self.unsure + _GRADIENT * self.middle.abs()) @ flowing.abs()
        smooth = (self.smooth | (flowing == 0)).all(1) & middle.isfinite() & allowed.isfinite()
        return middle, allowed, smooth


def _turns(subject: Subject, tensors: Inputs, shape: torch.Size) -> list[dict[str, Tensor]]:
    """The inputs with each upstream gradient that is looked at."""
    if "cotangent" in tensors:
        return [dict(tensors)]
    return [{**tensors, **selection(subject, shape, turn)} for turn in range(3 if selection(subject, shape) else 1)]


def _glance(subject: Subject, tensors: Inputs, names: Sequence[str]) -> tuple[bool, bool]:
    """Whether the values change, and agree with the gradients, along two directions through all elements at once."""
    ways = [_inside(subject, tensors, directions(tensors, names, turn)) for turn in (0, 1)]
    along = {f"along.{turn}.{name}": u for turn, way in enumerate(ways) for name, u in way.items()}
    answer = granted(subject.ask("differences", {**tensors, **along}, {"wrt": names, "directions": len(ways)}))
    slopes = Slopes(answer, "along", torch.ones(len(ways)))
    agrees = True
    for asked in _turns(subject, tensors, answer.tensors["value"].shape):
        got = granted(subject.call(asked, wrt=names))
        middle, allowed, smooth = slopes.along(_flowing(asked, answer))
        for turn, way in enumerate(ways):
            parts = [
                (got.tensors[f"grad.{name}"].to(torch.float64) * u).sum()
                for name, u in way.items()
                if f"grad.{name}" in got.tensors
            ]
            agrees &= bool(smooth[turn]) and bool((sum(parts, torch.zeros(())) - middle[turn]).abs() <= allowed[turn])
    return slopes.moves, agrees


def _inside(subject: Subject, tensors: Inputs, way: dict[str, Tensor]) -> dict[str, Tensor]:
    """A direction that leaves no simplex: what a loss of probabilities does outside is its own affair (CTC)."""
    kept = dict(way)
    for name, u in way.items():
        entry = subject.entry(name)
        if entry.within in ("simplex", "log-simplex"):
            dim = 1 if u.dim() > 1 and entry.dims[:2] == ("N", "C") else -1
            weights = tensors[name].exp() if entry.within == "log-simplex" else torch.full_like(u, 1 / u.shape[dim])
            kept[name] = u - (weights * u).sum(dim, keepdim=True)
    return kept


def _flowing(tensors: Inputs, answer: Answer) -> Tensor:
    value = answer.tensors["value"]
    return tensors.get("cotangent", torch.ones(value.shape)).to(torch.float64).reshape(-1)


def _numeric(subject: Subject, tensors: Inputs, names: Sequence[str]) -> Mismatch | None:
    """The element whose gradient is furthest from what differences give, if one is wrong."""
    answer = subject.ask("differences", tensors, {"wrt": names})
    if not answer.ok:
        return None
    for asked in _turns(subject, tensors, answer.tensors["value"].shape):
        got = subject.call(asked, wrt=names)
        for name in names if got.ok else ():
            found = _worst_slope(asked, got, answer, name)
            if found is not None:
                return found
    return None


def _worst_slope(tensors: Inputs, got: Answer, answer: Answer, name: str) -> Mismatch | None:
    count = len(answer.tensors[f"left.{name}"])
    lengths = tensors[name].to(torch.float64).reshape(-1)[:count].abs().clamp(min=1.0)
    right, allowed, smooth = Slopes(answer, name, lengths).along(_flowing(tensors, answer))
    gradient = got.tensors.get(f"grad.{name}", torch.zeros_like(tensors[name]))
    mine = gradient.to(torch.float64).reshape(-1)[:count]
    off = ((mine - right).abs() / (allowed + 1e-300)).nan_to_num(torch.inf)
    off = torch.where(smooth, off, 0.0)
    if not count or float(off.max()) <= 1:
        return None
    at = int(off.argmax())
    index = tuple(int(each) for each in np.unravel_index(at, tuple(tensors[name].shape)))
    value = float(mine[at]) if f"grad.{name}" in got.tensors else None
    return Mismatch(tensors, f"grad.{name}", value, float(right[at]), None, index, {"wrt": [name]})
