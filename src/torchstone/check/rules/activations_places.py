"""Rules on activations at places of their own: kinks, limits, and what the definition says holds throughout."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from torchstone.check import grids
from torchstone.check.evidence import Mismatch, finding
from torchstone.check.pointwise import Floats, apart, judged, shown, where
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.subject import Subject
from torchstone.definitions import FREE, VALUE
from torchstone.oracle import FORMATS, Format, Truth

_CLOSE = 1e-9


@rule("A107", "kink-value", kinds=("activation",), need="definition", after=("G001", "A101"))
def kink_value(subject: Subject) -> Iterator[Finding]:
    """At a kink, the value and the slope are what the definition chose.

    Why: zeros are common (a ReLU before, padding, a bias that starts at 0), and what autograd makes of `abs`, `clamp`,
    `maximum` or a product there is nobody's choice: `torch.maximum(x, zeros)` gives ReLU the slope 1/2 at 0.
    How: in float64, exactly at each kink of the definition; at 0 with both signs. The other side's slope is a note. One
    between the two, 0, or the sum of both (two terms with a kink each) is a warning, and so is the other side's value
    where the function jumps; any other, and NaN, an error.
    False alarms: another convention is as right in theory; it still trains another network. Where it is meant, expect
    this finding with that reason.
    Instead: write the branches out with `torch.where(x > 0, x, 0)`, or give the function its own backward.
    """
    settled = grids.settled(subject)
    places = grids.kinks(settled)
    if not places:
        raise NotApplicable("the definition has no kink")
    named = any(kink.accepted != sp.S.Reals for kink in grids.definition_of(settled).kinks)  # a formula names no slope
    differentiable = named and subject.trait("differentiable")
    for place in places:
        for point in (0.0, -0.0) if place == 0 else (place,):
            tensors = grids.inputs(subject, np.array([point]), torch.float64)
            answer = subject.must(tensors, wrt=[subject.x])
            found = _wrong_value(subject, tensors, float(answer.tensors["value"].reshape(-1)[0]), point)
            if found is None and differentiable:
                slope = answer.tensors.get(f"grad.{subject.x}")
                got = 0.0 if slope is None else float(slope.reshape(-1)[0])
                found = _wrong_slope(subject, tensors, got, place, point)
            if found is not None:
                yield found
                break


def _sides(subject: Subject, place: float) -> tuple[Floats, Floats]:
    """Value and slope on the two sides of a place."""
    step = 2.0**-30
    beside = grids.inputs(subject, np.array([place - step, place + step, place - step, place + step]), torch.float64)
    truth = subject.expected(beside)
    return truth.value.high.ravel()[:2], truth.gradients[subject.x].high.ravel()[:2]


def _wrong_value(subject: Subject, tensors: Mapping[str, Tensor], got: float, point: float) -> Finding | None:
    truth = subject.expected(tensors)
    right = float(truth.value.high.ravel()[0])
    allowed = _CLOSE * (float(truth.value.scale.ravel()[0]) + abs(point)) + 1e-300
    if abs(got - right) <= allowed:
        return None
    values, _ = _sides(subject, point)
    beside = bool(np.min(np.abs(values - got)) <= 1e-8)

    def judge(candidate: Mapping[str, Tensor]) -> Mismatch | None:
        answer = subject.call(candidate)
        if not answer.ok or not candidate[subject.x].eq(point).all():
            return None
        value = float(answer.tensors["value"].reshape(-1)[0])
        return None if abs(value - right) <= allowed else Mismatch(candidate, "value", value, right)

    text = f"the value at {subject.x} = {point:g}, where the function {'jumps' if beside else 'has a kink'}, is"
    return finding(
        subject,
        f"{text} {shown(got)}, expected {shown(right)}" + (", the value of the other side" if beside else ""),
        judge,
        tensors,
        severity="warning" if beside else "error",
    )


def _wrong_slope(
    subject: Subject, tensors: Mapping[str, Tensor], got: float, place: float, point: float
) -> Finding | None:
    right = float(subject.expected(tensors).gradients[subject.x].high.ravel()[0])
    if _near(got, right):
        return None
    _, slopes = _sides(subject, place)
    low, high = float(slopes.min()), float(slopes.max())
    slack = 1e-6 * (1 + max(abs(low), abs(high)))
    severity: Severity = "error"
    if min(abs(got - low), abs(got - high)) <= slack:
        severity = "note"
    elif min(low, 0.0) - slack <= got <= max(high, low + high) + slack:
        severity = "warning"

    def judge(candidate: Mapping[str, Tensor]) -> Mismatch | None:
        answer = subject.call(candidate, wrt=[subject.x])
        if not answer.ok or not candidate[subject.x].eq(point).all():
            return None
        slope = answer.tensors.get(f"grad.{subject.x}")
        value = 0.0 if slope is None else float(slope.reshape(-1)[0])
        mismatch = Mismatch(candidate, f"grad.{subject.x}", value, right, options={"wrt": [subject.x]})
        return None if _near(value, right) else mismatch

    sides = f"the slopes of its two sides are {shown(low)} and {shown(high)}"
    why = "the slope of the other side" if severity == "note" else sides
    got_text, right_text = apart(got, right)
    found = finding(
        subject,
        f"the gradient at the kink {subject.x} = {point:g} is {got_text}, expected {right_text}: {why}",
        judge,
        tensors,
        severity=severity,
    )
    return replace(found, cause="")  # one point alone is like that of many another function


def _near(got: float, right: float) -> bool:
    """As near as a function is to itself with a rounded constant: that is A101's to say."""
    return abs(got - right) <= 1e-4 * max(1.0, abs(right))


@rule("A108", "limits", kinds=("activation",), severity="warning", need="definition", after=("G001", "A101"))
def limits(subject: Subject) -> Iterator[Finding]:
    """At infinity it gives the limit, not NaN.

    Why: an infinity is what an overflow leaves behind, and what masks are made of; `inf / inf` and `0 * inf` make NaN
    of it where the limit is a number.
    How: in float32 and float64, at both infinities, many at once and alone; for functions of a row, with one number at
    the infinity that stands for a masked one.
    False alarms: PyTorch's own give NaN at -inf for gelu, silu, mish and hardswish, and softsign at both; so this is
    never an error.
    Instead: clamp the argument where the function has settled, or take the branch with `torch.where` twice: for the
    value and for the argument of the formula.
    """
    settled = grids.settled(subject)
    function = grids.definition_of(settled)
    if function.is_vector and function.masked is None:
        raise NotApplicable("the definition says nothing of infinities")
    if function.is_vector:
        row = np.resize([0.5, float(function.masked_at), 1.0, -2.0], grids.classes(subject))
        looked_at = [np.stack([row, np.resize([0.0, 1.0, -1.0], row.size)])]
    else:
        looked_at = [np.full(16, value) for value in (-np.inf, np.inf)]
    judge = judged(subject, _away_from_limit)
    for values in looked_at:
        for dtype in (torch.float32, torch.float64):
            tensors = grids.inputs(subject, values, dtype)
            if judge(tensors) is not None:
                yield finding(subject, lambda found: _at_infinity(subject, found), judge, tensors)
                break


def _away_from_limit(got: Floats, truth: Truth, form: Format, sizes: Floats) -> Floats:
    """Only what the definition has a limit for; the limit of a finite one to a few digits."""
    with np.errstate(invalid="ignore"):
        near = (got == truth.high) | (np.abs(got - truth.high) <= 1e-3 * np.abs(truth.high) + 1e-6)
    return np.where(np.isnan(truth.high) | ~np.isinf(sizes) | near, 0.0, 1.0)


def _at_infinity(subject: Subject, found: Mismatch) -> str:
    dtype = grids.format_of(found.tensors[subject.x]).name
    right = shown(found.expected)
    return f"the value at {where(subject, found)} in {dtype} is {shown(found.got)}, expected the limit {right}"


@rule("A106", "shape-properties", kinds=("activation",), severity="warning", need="definition", after=("G001", "A101"))
def shape_properties(subject: Subject) -> Iterator[Finding]:
    """It is odd, monotone or unchanged by a shift where the function is.

    Why: an identity is broken where a formula switches branches, or loses digits on one side only; softmax that changes
    when 1000 is added to a row has not subtracted the largest number first.
    How: in float32, each identity of the definition on ordinary numbers, shifts up to 1000; a monotone function on
    2,000 numbers between -30 and 30 must nowhere step back by more than four units in the last place.
    False alarms: rounding makes plateaus and steps of a few units; those are let pass.
    Instead: use one formula on both sides of 0, with the sign put back; subtract a row's largest number.
    """
    settled = grids.in_dtype(grids.settled(subject), torch.float32)
    function = grids.definition_of(settled)
    if function.monotone is None and not function.identities:
        raise NotApplicable("the definition names no such property")
    for identity in function.identities:
        found = _broken(settled, identity)
        if found is not None:
            yield found
    # Channels with parameters of their own are several functions.
    if function.monotone is not None and not any(np.ndim(value) for value in settled.parameters.values()):
        yield from _steps_back(settled, 1.0 if function.monotone == "increasing" else -1.0)


def _steps_back(subject: Subject, way: float) -> Iterator[Finding]:
    x = np.linspace(-30, 30, 2000).astype(np.float32).astype(np.float64)
    tensors = grids.inputs(subject, x, torch.float32)
    flat = tensors[subject.x].reshape(-1).double().numpy()
    y = grids.as_floats(subject.must(tensors).tensors["value"]).ravel()
    # Two neighbours, each a few units off in the terms that they are made of.
    slack = 4 * FORMATS["float32"].spacing(np.maximum(np.abs(y), np.minimum(np.abs(flat), 4.0)))
    drop = way * (y[:-1] - y[1:]) - slack[:-1]
    drop = np.where((flat[1:] >= flat[:-1]) & np.isfinite(y[:-1]) & np.isfinite(y[1:]), drop, -1.0)
    at = int(np.argmax(drop))
    if drop[at] <= 0:
        return
    verb = "falls" if way > 0 else "rises"
    yield Finding(
        f"the function {'increases' if way > 0 else 'decreases'}, but the value {verb} from {y[at]:.9g} at "
        f"{subject.x} = {flat[at]:.9g} to {y[at + 1]:.9g} at {flat[at + 1]:.9g} in float32",
        {subject.x: [float(flat[at]), float(flat[at + 1])]},
        "no step back",
        [float(y[at]), float(y[at + 1])],
    )


def _broken(subject: Subject, identity: Any) -> Finding | None:
    """The number for which an identity does not hold, if there is one."""
    function = grids.definition_of(subject)
    symbol = function.prediction.symbol
    plain = sp.Symbol("plain", real=True)
    changed = sp.sympify(identity.inputs.get(function.prediction.name, symbol))
    known = {
        entry.symbol: sp.Float(float(subject.parameters.get(entry.name, entry.default)), 30)
        for entry in function.parameters
        if isinstance(subject.parameters.get(entry.name, entry.default), (int, float, sp.Basic))
    }
    if function.is_vector:
        changed = changed.replace(lambda each: isinstance(each, sp.Indexed) and each.base == symbol, lambda each: plain)
    else:
        changed = changed.subs(symbol, plain)
    move = sp.lambdify((plain, FREE), changed.subs(known), "numpy")
    right = sp.lambdify((VALUE, plain, FREE), sp.sympify(identity.value).subs(symbol, plain).subs(known), "numpy")
    if function.is_vector:
        points = np.array([[0.5, -1.25, 2.0, 0.75], [3.0, 2.5, -2.0, 0.0]]).repeat(3, axis=1)[
            :, : grids.classes(subject)
        ]
    else:
        points = np.array([0.5, -1.25, 2.0, -3.5, 7.75, -6.0, 0.015625, -11.0])
    free = (16.0, 1000.0, -1000.0) if changed.has(FREE) and identity.domain == sp.S.Reals else (2.0, 0.5, 16.0)
    for s in free if changed.has(FREE) or sp.sympify(identity.value).has(FREE) else (0.0,):
        found = _held(subject, identity.name, points, np.asarray(move(points, s), np.float64), right, s)
        if found is not None:
            return found
    return None


def _holds_at_all(
    subject: Subject, first: Mapping[str, Tensor], second: Mapping[str, Tensor], right: Any, s: float
) -> bool:
    """Whether the definition keeps its identity under the subject's parameters: a switch may break it."""
    before, after = subject.expected(first).value.high, subject.expected(second).value.high
    said = np.broadcast_to(right(before, grids.as_floats(first[subject.x]), s), after.shape)
    return bool(np.allclose(said, after, rtol=1e-6, atol=1e-9, equal_nan=True))


def _held(subject: Subject, name: str, points: Floats, moved: Floats, right: Any, s: float) -> Finding | None:
    first = grids.inputs(subject, points, torch.float32)
    second = grids.inputs(subject, moved, torch.float32)
    before = grids.as_floats(subject.must(first).tensors["value"])
    after = grids.as_floats(subject.must(second).tensors["value"])
    x, there = grids.as_floats(first[subject.x]), grids.as_floats(second[subject.x])
    expected = np.broadcast_to(right(before, x, s), after.shape)
    # Both sides are rounded, and so was the changed input: a few units of all that takes part.
    size = np.maximum.reduce([np.abs(expected), np.abs(x), np.abs(before), np.abs(there) / 64])
    wrong = ~(np.abs(after - expected) <= 64 * FORMATS["float32"].spacing(size))
    wrong &= np.isfinite(expected)
    if not wrong.any() or not _holds_at_all(subject, first, second, right, s):
        return None
    place = tuple(int(each) for each in np.argwhere(wrong)[0])
    numbers = [shown(float(each[place])) for each in (there, after, expected, before, x)]
    return Finding(
        f"the function is {name}, but the subject is not: in float32 its value at {subject.x} = {numbers[0]} is "
        f"{numbers[1]}, expected {numbers[2]} from its value {numbers[3]} at {numbers[4]}",
        {subject.x: there.tolist()},
        float(expected[place]),
        float(after[place]),
    )
