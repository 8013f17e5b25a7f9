"""The truth about an optimizer: its recurrence run in ball arithmetic."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from flint import arb, ctx
from numpy.typing import ArrayLike, NDArray

from torchstone.definitions import Hyper, UpdateRule
from torchstone.oracle.balls import OracleError, UndecidedError, to_double_double
from torchstone.oracle.steps import Step, array_of, step_of

Floats = NDArray[np.float64]
Settings = Mapping[str, float | bool | None]

# A recurrence loses a few bits a step, and more where a parameter crosses zero.
_FIRST_BITS = 256
_MOST_BITS = 1 << 14


@dataclass(frozen=True)
class Path:
    """A certified trajectory: the parameters after each step, shape (steps, *shape), and each state variable likewise.

    A state variable that is one number for many elements stands at each of them. What has no value (0/0) is NaN.
    """

    parameters: Floats
    low: Floats  # what the nearest float64 leaves over
    state: Mapping[str, Floats]


def trajectory(
    rule: UpdateRule,
    start: ArrayLike,
    gradients: ArrayLike,
    hyper: Settings | Sequence[Settings] | None = None,
    steps: Sequence[int] | None = None,
) -> Path:
    """The parameters that an update rule gives, step by step, for gradients of shape (steps, *shape).

    `hyper` maps hyper-parameters to their values, once or for every step (as where a scheduler changes `lr`); those
    left out or None have their defaults, as the nearest float64. A gradient that is NaN stands for none: the parameter
    and its state stay, and its step count does not advance. Where a rule is not elementwise, a step's gradient is NaN
    throughout or nowhere. `steps` are the step counts to use, one a step, where they are not the parameter's own
    1, 2, 3, ...

    >>> from torchstone import definitions
    >>> path = trajectory(definitions.get("gradient_descent"), [1.0], [[0.5], [0.25]], {"lr": 1.0})
    >>> path.parameters.tolist()
    [[0.5], [0.25]]
    """
    first, slopes = np.asarray(start, np.float64), np.asarray(gradients, np.float64)
    if not slopes.ndim or slopes.shape[1:] != first.shape:
        wanted = ", ".join(["steps", *map(str, first.shape)])
        raise ValueError(f"gradients: expected shape ({wanted}), got {slopes.shape}")
    per_step = [hyper or {}] * len(slopes) if hyper is None or isinstance(hyper, Mapping) else list(hyper)
    if len(per_step) != len(slopes):
        raise ValueError(f"hyper: expected one mapping, or one a step ({len(slopes)}), got {len(per_step)}")
    if steps is not None and len(steps) != len(slopes):
        raise ValueError(f"steps: expected one count a step ({len(slopes)}), got {len(steps)}")
    settings = [_settings(rule, values) for values in per_step]
    step = step_of(rule, first.ndim)
    table = np.zeros((2, 1 + len(rule.state), *slopes.shape))
    for place, begin, met in _pieces(rule, first, slopes):
        for number, values in enumerate(_certain(rule, step, begin, met, steps, settings)):
            for position, value in enumerate(values):
                table[(slice(None), position, number, *place)] = _floats(value, first.shape)
    state = {str(entry.symbol): table[0, 1 + position] for position, entry in enumerate(rule.state)}
    return Path(table[0, 0], table[1, 0], state)


def _settings(rule: UpdateRule, given: Settings) -> list[Any]:
    known = [entry.name for entry in rule.hyper]
    unknown = set(given) - set(known)
    if unknown:
        raise ValueError(f"hyper: expected names among {', '.join(known)}, got {', '.join(sorted(unknown))}")
    return [_setting(entry, given.get(entry.name)) for entry in rule.hyper]


def _setting(entry: Hyper, given: float | bool | None) -> Any:
    value = entry.default if given is None else given
    return bool(value) if entry.default in (sp.true, sp.false) else arb(float(value))


def _pieces(rule: UpdateRule, start: Floats, gradients: Floats) -> Iterator[tuple[tuple[Any, ...], Any, list[Any]]]:
    """What can be run on its own: its place in the parameter, where it starts, and its gradients or None for none."""
    if not gradients.size:
        return
    if rule.elementwise:
        for place in np.ndindex(start.shape):
            met = gradients[(slice(None), *place)].tolist()
            yield place, arb(start[place].item()), [None if math.isnan(each) else arb(each) for each in met]
        return
    missing = np.isnan(gradients).reshape(len(gradients), -1)
    if (missing.any(1) != missing.all(1)).any():
        raise ValueError(f"gradients: expected NaN throughout a step or nowhere for {rule.name}, got some")
    begin, *met = (array_of(each.ravel().tolist(), start.shape) for each in (start, *gradients))
    yield (), begin, [None if none else each for each, none in zip(met, missing[:, 0].tolist(), strict=True)]


def _certain(
    rule: UpdateRule,
    step: Step,
    start: Any,
    gradients: Sequence[Any],
    steps: Sequence[int] | None,
    settings: Sequence[Sequence[Any]],
) -> list[list[Any]]:
    """Parameter and state after each step, at a precision that pins every number of them down."""
    bits = _FIRST_BITS
    before = ctx.prec
    try:
        while bits <= _MOST_BITS:
            ctx.prec = bits
            try:
                path = _run(step, start, gradients, steps, settings)
            except UndecidedError:
                path = []
            balls = [ball for values in path for value in values for ball in _balls(value)]
            if balls and all(_settled(ball) or (bits == _MOST_BITS and ball.is_nan()) for ball in balls):
                return path
            bits *= 2
    finally:
        ctx.prec = before
    raise OracleError(f"the trajectory of {rule.name} stays unknown at {_MOST_BITS} bits")


def _run(
    step: Step,
    start: Any,
    gradients: Sequence[Any],
    steps: Sequence[int] | None,
    settings: Sequence[Sequence[Any]],
) -> list[list[Any]]:
    begins = next((number for number, gradient in enumerate(gradients) if gradient is not None), 0)
    current = [start, *step.initial(start, settings[begins])] if settings else []
    path, taken = [], 0
    for number, (gradient, hyper) in enumerate(zip(gradients, settings, strict=True)):
        if gradient is not None:
            taken += 1
            current = step.after(current, gradient, taken if steps is None else steps[number], hyper)
        path.append(current)
    return path


def _balls(value: Any) -> list[arb]:
    return value.ravel().tolist() if isinstance(value, np.ndarray) else [value]


def _settled(ball: arb) -> bool:
    return ball.is_exact() or ball.rel_accuracy_bits() >= 80 or bool(ball.abs_upper() < arb(2) ** -1150)


def _floats(value: Any, shape: Sequence[int]) -> Any:
    """The nearest float64 of each ball and what it leaves over."""
    if not isinstance(value, np.ndarray):
        return to_double_double(value)
    pairs = [to_double_double(ball) for ball in np.broadcast_to(value, shape).ravel().tolist()]
    return np.asarray(pairs).T.reshape(2, *shape)
