"""The rule on whether the gradient is the derivative of the subject's own values."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from torchstone.check.evidence import Mismatch, finding
from torchstone.check.probe import Answer
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.rules.derivatives import Inputs, cases, demand_graph, directions, number, place, selection
from torchstone.check.subject import Refused, Subject, granted


class Care(NamedTuple):
    """How exact differences are: their step, the noise beside numbers of size 1, and what a kink is told from."""

    close: float
    noise: float
    bend: float
    options: Mapping[str, Any]


_FINE = Care(1e-5, 1e-9, 1e-3, {})
_COARSE = Care(1e-2, 1e-4, 0.1, {"step": 2.0**-8})  # of what computes in float32
_LITTLE = 1e-3  # of the largest gradient: an own backward that is off by less approximates
_OPTIONS = 4  # that are moved off their defaults, at most


@rule("D102", "numeric", after=("G001", "D101"))
def numeric(subject: Subject) -> Iterator[Finding]:
    """The gradient is the derivative of the subject's own values.

    Why: this needs no definition: whatever a function computes, its backward has to be the derivative of that. A
        wrong one trains towards something else, mostly slowly and without a sign.
    How: each element of each prediction is moved a little to the left and to the right, in float64, and what the
        values do is held against the gradient. Where the two sides differ there is a kink, or the digits do not
        suffice: such elements are passed over. Of results that are rows, several choices of elements are looked at.
        Then the same with each number of the subject's own (a slope, a margin) moved off its default.
    False alarms: a part of the computation that is detached on purpose (a target network, a weight that counts as
        constant) is a warning only, as long as some gradient flows and no backward is written by hand; so is a
        backward that is off by less than a thousandth, as that of a fixed point after a few steps is. What computes in
        float32 whatever it is given is looked at with larger steps and less exactly. Of a function
        whose values do not change at all (rounding, signs) a gradient is a matter of choice: not applicable; so is
        an identity that changes the gradient (reversal, clipping). Else declare the trait `gradient_hook`.
    Instead: derive the backward anew, or leave it to autograd. Look for `.detach()`, `.data`, `.item()`,
        `torch.tensor(x)` and `torch.no_grad()` where the gradient is cut off.
    """
    names = demand_graph(subject)
    if subject.trait("gradient_hook"):
        raise NotApplicable("it changes the gradient on purpose")
    moves = False
    for turn, (tensors, build) in enumerate(_asked(subject)):
        try:
            changes, agrees = _glance(subject, tensors, names, build)
        except Refused:
            if turn == 0:
                raise
            continue
        moves |= changes
        found = None if agrees or not moves else _numeric(subject, tensors, names, build)
        if found is None:
            continue
        by_hand = granted(subject.ask("differences", tensors, {"wrt": names, "build": build})).facts["own_backward"]
        gradients = subject.must(tensors, wrt=names, build=build).tensors
        reached = [gradients[f"grad.{name}"] for name in names if f"grad.{name}" in gradients]
        end = ""
        if reached and not by_hand:
            end = "; is something detached on purpose?"
        elif found.got is not None and abs(found.got - found.expected) <= _LITTLE * max(
            float(each.abs().max()) for each in reached
        ):
            end = "; is it an approximation on purpose?"
        start = "".join(f"with {name} = {number(value)}, " for name, value in build.items())
        sentence = partial(_differs, start=start, end=end)
        judge = partial(_numeric, subject, names=names, build=build)
        yield finding(subject, sentence, judge, tensors, severity="warning" if end else None)
        return
    if not moves:
        raise NotApplicable("its values do not change with small changes of the input")


def _asked(subject: Subject) -> Iterator[tuple[dict[str, Tensor], dict[str, float]]]:
    """Inputs and options: the subject as it stands, then with one number of its own moved off its default."""
    for tensors in islice(cases(subject), 2 if subject.definition else 8):
        yield tensors, {}
    seen = subject.description
    given = {**seen.constructor, **seen.call, **subject.spec.kwargs}
    numbers = {name: value for name, value in given.items() if isinstance(value, float) and abs(value) <= 100}
    for name, value in islice(numbers.items(), _OPTIONS):
        yield subject.sample(), {name: 1.25 * value + 0.125}


def _differs(mismatch: Mismatch, start: str, end: str) -> str:
    name = mismatch.quantity.removeprefix("grad.")
    at, right = place(mismatch.tensors, name, mismatch.where), number(mismatch.expected)
    if mismatch.got is None:
        return f"{start}no gradient flows back to {name}, though the result changes with it: at {at} by {right}{end}"
    return f"{start}the gradient at {at} is {number(mismatch.got)}, but the values themselves change by {right}{end}"


class Slopes:
    """Differences of values along directions (rows), for each element of the result, and how good they are."""

    def __init__(self, answer: Answer, label: str, lengths: Tensor, care: Care) -> None:
        left, right, half = (
            answer.tensors[f"{side}.{label}"].to(torch.float64) / lengths[:, None] for side in ("left", "right", "half")
        )
        level = 1.0 + answer.tensors["value"].to(torch.float64).abs().nan_to_num(0.0, 0.0, 0.0).max()
        self.middle = (left + right) / 2
        self.unsure = 10 * (half - self.middle).abs() + care.noise * level + care.close * self.middle.abs()
        self.smooth = (right - left).abs() <= care.bend * (left.abs() + right.abs()) + 1e3 * care.noise * level
        self.moves = bool((self.smooth & ((left != 0) | (right != 0))).any())

    def along(self, flowing: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The derivative of <flowing, value> along each direction, how much it may be off, and where it is one."""
        middle, allowed = self.middle @ flowing, self.unsure @ flowing.abs()
        smooth = (self.smooth | (flowing == 0)).all(1) & middle.isfinite() & allowed.isfinite()
        return middle, allowed, smooth


def _care(subject: Subject) -> Care:
    return _COARSE if subject.trait("single_precision") else _FINE


def _turns(subject: Subject, tensors: Inputs, shape: torch.Size) -> list[dict[str, Tensor]]:
    """The inputs with each upstream gradient that is looked at."""
    if "cotangent" in tensors:
        return [dict(tensors)]
    return [{**tensors, **selection(subject, shape, turn)} for turn in range(3 if selection(subject, shape) else 1)]


def _glance(subject: Subject, tensors: Inputs, names: Sequence[str], build: Mapping[str, Any]) -> tuple[bool, bool]:
    """Whether the values change, and agree with the gradients, along two directions through all elements at once."""
    ways = [_inside(subject, tensors, directions(tensors, names, turn)) for turn in (0, 1)]
    along = {f"along.{turn}.{name}": u for turn, way in enumerate(ways) for name, u in way.items()}
    care = _care(subject)
    options = {"wrt": names, "build": build, "directions": len(ways), **care.options}
    answer = granted(subject.ask("differences", {**tensors, **along}, options))
    slopes = Slopes(answer, "along", torch.ones(len(ways)), care)
    agrees = True
    for asked in _turns(subject, tensors, answer.tensors["value"].shape):
        got = granted(subject.call(asked, wrt=names, build=build))
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


def _numeric(subject: Subject, tensors: Inputs, names: Sequence[str], build: Mapping[str, Any]) -> Mismatch | None:
    """The element whose gradient is furthest from what differences give, if one is wrong."""
    options, care = {"wrt": names, "build": build}, _care(subject)
    answer = subject.ask("differences", tensors, {**options, **care.options})
    if not answer.ok:
        return None
    for asked in _turns(subject, tensors, answer.tensors["value"].shape):
        got = subject.call(asked, **options)
        for name in names if got.ok else ():
            found = _worst_slope(asked, got, answer, name, options, care)
            if found is not None:
                return found
    return None


def _worst_slope(
    tensors: Inputs, got: Answer, answer: Answer, name: str, options: Mapping[str, Any], care: Care
) -> Mismatch | None:
    count = len(answer.tensors[f"left.{name}"])
    lengths = tensors[name].to(torch.float64).reshape(-1)[:count].abs().clamp(min=1.0)
    right, allowed, smooth = Slopes(answer, name, lengths, care).along(_flowing(tensors, answer))
    gradient = got.tensors.get(f"grad.{name}", torch.zeros_like(tensors[name]))
    mine = gradient.to(torch.float64).reshape(-1)[:count]
    off = ((mine - right).abs() / (allowed + 1e-300)).nan_to_num(torch.inf)
    off = torch.where(smooth, off, 0.0)
    if not count or float(off.max()) <= 1:
        return None
    at = int(off.argmax())
    index = tuple(int(each) for each in np.unravel_index(at, tuple(tensors[name].shape)))
    value = float(mine[at]) if f"grad.{name}" in got.tensors else None
    return Mismatch(tensors, f"grad.{name}", value, float(right[at]), None, index, {**options, "wrt": [name]})
