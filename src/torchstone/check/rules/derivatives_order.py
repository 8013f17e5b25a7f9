"""Rules on derivatives of another order or in another mode: second ones, and forward mode."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from torchstone.check.evidence import Mismatch, finding
from torchstone.check.repro import called, calling
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.rules.derivatives import Inputs, demand_gradient, directions, number, place
from torchstone.check.subject import Subject, granted

_CLOSE = 1e-5
_NOISE = 1e-8  # of differences in float64, beside numbers of size 1


@rule("D106", "double-backward", after=("G001", "D101", "D102", "D103"))
def second(subject: Subject) -> Iterator[Finding]:
    """The second derivative is right, or is refused.

    Why: gradient penalties, meta-learning and Newton steps differentiate the gradient. A backward that works on what
        forward kept under `no_grad`, on `.data`, or on plain numbers of ctx gives a gradient that knows nothing of
        x any more: its derivative is 0 or half of the right one, and nobody says so.
    How: the gradient is asked for with `create_graph=True`, differentiated again along one direction, and held
        against differences of the gradient, in float64. Places where these differ from left to right are passed over.
        Where the true second derivative is 0 (ReLU), none at all is right.
    False alarms: a second derivative that is refused by an exception is right: mark a backward `@once_differentiable`
        to refuse it. Where the gradient is not the derivative of the values, this rule does not judge: see D102.
    Instead: save inputs and results with `save_for_backward`, and compute the gradient from them by differentiable
        operations.
    """
    names = demand_gradient(subject)
    if subject.trait("gradient_hook") or subject.declared.get("once_differentiable"):
        raise NotApplicable("it changes the gradient on purpose, or refuses a second derivative as declared")
    sample = subject.sample()
    shape = subject.must(sample).tensors["value"].shape
    asked = {**sample, **({"cotangent": 1.0 + directions({"g": torch.zeros(shape)}, ["g"])["g"]} if shape else {})}
    answer = granted(subject.ask("second_order", {**asked, **_along(asked, names)}, {"wrt": names}))
    if answer.facts["refused"]:
        raise NotApplicable(f"a second derivative is refused: {answer.facts['refused']}")
    slope, rise = answer.tensors["slope"], answer.tensors["rise"]
    if not bool((slope - rise).abs() <= _CLOSE * (slope.abs() + rise.abs()) + _NOISE * (1 + rise.abs())):
        raise NotApplicable("its gradient is not the derivative of its values: see D102")
    for name in names:
        judge = partial(_second, subject, names=names, name=name)
        if judge(asked) is not None:
            worst: list[Mismatch] = []

            def sentence(mismatch: Mismatch, worst: list[Mismatch] = worst) -> str:
                worst.append(mismatch)
                return _told(mismatch, answer.facts["attached"])

            found = finding(subject, sentence, judge, asked)
            yield replace(found, repro=_script(subject, worst[-1], name))
            return


def _script(subject: Subject, mismatch: Mismatch, name: str) -> str:
    right = f"  # expected {number(mismatch.expected)}" if mismatch.tensors[name].numel() == 1 else ""
    lines = [
        called(subject, mismatch.tensors),
        f"(slope,) = torch.autograd.grad(y.sum(), {name}, create_graph=True)",
        "(slope.sum() + 0 * y.sum()).backward()",
        f"print({name}.grad){right}",
    ]
    return calling(subject, mismatch.tensors, lines, wrt=[name])


def _along(tensors: Inputs, names: tuple[str, ...]) -> dict[str, Tensor]:
    """A direction whose first number is 1: at a single number, the second derivative itself."""
    chosen = directions(tensors, names)
    first = chosen[names[0]].reshape(-1)[0]
    return {f"along.{name}": u / first for name, u in chosen.items()}


def _told(mismatch: Mismatch, attached: bool) -> str:
    name = mismatch.quantity.removeprefix("second.")
    at, right = place(mismatch.tensors, name, mismatch.where), number(mismatch.expected)
    what = "the second derivative" if mismatch.tensors[name].numel() == 1 else "the second derivative along a direction"
    why = "" if attached else ": the gradient is cut off from its inputs (create_graph=True has no effect)"
    return f"{what} at {at} is {number(mismatch.got)}, expected {right}{why}"


def _second(subject: Subject, tensors: Inputs, names: tuple[str, ...], name: str) -> Mismatch | None:
    """The worst element of the gradient's derivative along a direction."""
    answer = subject.ask("second_order", {**tensors, **_along(tensors, names)}, {"wrt": names})
    if not answer.ok or answer.facts["refused"] or f"left.{name}" not in answer.tensors:
        return None
    left, right, gradient = (
        answer.tensors[f"{part}.{name}"].to(torch.float64) for part in ("left", "right", "gradient")
    )
    analytic = answer.tensors.get(f"analytic.{name}", torch.zeros_like(left)).to(torch.float64)
    return _furthest(tensors, analytic, left, right, gradient, f"second.{name}", names)


def _furthest(
    tensors: Inputs,
    got: Tensor,
    left: Tensor,
    right: Tensor,
    level: Tensor,
    quantity: str,
    names: tuple[str, ...],
) -> Mismatch | None:
    """The element furthest from the mean of two differences, where these agree."""
    expected = (left + right) / 2
    size = 1.0 + level.abs().nan_to_num(0.0, 0.0, 0.0).max() if level.numel() else torch.ones(())
    smooth = (right - left).abs() <= 1e-3 * (left.abs() + right.abs()) + 1e-6 * size
    allowed = _CLOSE * (expected.abs() + got.abs()) + _NOISE * size
    off = ((got - expected).abs() / allowed).nan_to_num(torch.inf)
    off = torch.where(smooth & expected.isfinite(), off, 0.0)
    if not off.numel() or float(off.max()) <= 1:
        return None
    index = tuple(int(each) for each in torch.unravel_index(off.argmax(), off.shape))
    return Mismatch(tensors, quantity, float(got[index]), float(expected[index]), None, index, {"wrt": list(names)})


@rule("D107", "forward-ad", tier="full", severity="warning", after=("G001", "D101", "D102"))
def forward(subject: Subject) -> Iterator[Finding]:
    """The derivative in forward mode is right, or is refused.

    Why: `torch.func.jvp`, `jacfwd` and `hessian` go forward. A `jvp` that is written by hand is hardly ever run, and
        a result that is taken apart and put together again may lose its tangent without a word.
    How: the derivative along one direction, by dual numbers, is held against differences of the values, in float64.
    False alarms: an autograd.Function without a `jvp` refuses, which is right. A part that is detached on purpose:
        see D102.
    Instead: write `jvp` beside `backward`, or leave both to autograd.
    """
    names = demand_gradient(subject)
    if subject.trait("gradient_hook"):
        raise NotApplicable("it changes the gradient on purpose")
    sample = subject.sample()
    judge = partial(_forward, subject, names=names)
    along = _along(sample, names)
    ahead = granted(subject.ask("forward_mode", {**sample, **along}, {"wrt": names})).tensors.get("tangent")
    back = subject.must(sample, wrt=names).tensors
    slopes = [(back[f"grad.{name}"] * along[f"along.{name}"]).sum() for name in names if f"grad.{name}" in back]
    total = sum(slopes, torch.zeros((), dtype=torch.float64)).double()
    if ahead is not None and slopes and torch.isclose(ahead.sum().double(), total, rtol=_CLOSE, atol=_NOISE):
        return  # it is what backward gives, which D101 and D102 judge
    if judge(sample) is not None:
        yield finding(subject, partial(_off_forward, names=names), judge, sample)


def _off_forward(mismatch: Mismatch, names: tuple[str, ...]) -> str:
    tensors = mismatch.tensors
    where = f" at {place(tensors, names[0], (0,) * tensors[names[0]].dim())}" if tensors[names[0]].numel() == 1 else ""
    return (
        f"the derivative in forward mode{where} is {number(mismatch.got)}, but the values themselves change by "
        f"{number(mismatch.expected)}"
    )


def _forward(subject: Subject, tensors: Inputs, names: tuple[str, ...]) -> Mismatch | None:
    answer = subject.ask("forward_mode", {**tensors, **_along(tensors, names)}, {"wrt": names})
    if not answer.ok:
        return None
    left, right = (answer.tensors[side].to(torch.float64) for side in ("left", "right"))
    tangent = answer.tensors.get("tangent", torch.zeros_like(left)).to(torch.float64)
    return _furthest(tensors, tangent, left, right, answer.tensors["value"].to(torch.float64), "tangent", names)
