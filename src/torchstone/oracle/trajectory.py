"""The truth about an optimizer: its recurrence run in ball arithmetic."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from flint import arb, ctx
from numpy.typing import ArrayLike, NDArray

from torchstone.definitions import UpdateRule
from torchstone.oracle.balls import Compiled, OracleError, UndecidedError, compile_balls, to_double_double

Floats = NDArray[np.float64]

# A recurrence loses a few bits a step, and more where a parameter crosses zero.
_FIRST_BITS = 256
_MOST_BITS = 1 << 14


@dataclass(frozen=True)
class Path:
    """A certified trajectory: the parameters after each step, shape (steps, n), and each state variable likewise."""

    parameters: Floats
    low: Floats  # what the nearest float64 leaves over
    state: Mapping[str, Floats]


def trajectory(
    rule: UpdateRule,
    start: ArrayLike,
    gradients: ArrayLike,
    hyper: Mapping[str, float | bool] | Sequence[Mapping[str, float | bool]] | None = None,
) -> Path:
    """The parameters that an update rule gives, step by step, for gradients of shape (steps, n).

    `hyper` maps hyper-parameters to their values, once or for every step (as where a scheduler changes `lr`); those
    left out have their defaults, as the nearest float64. A gradient that is NaN stands for none: the parameter and its
    state stay, and its step count does not advance.

    >>> from torchstone import definitions
    >>> path = trajectory(definitions.get("gradient_descent"), [1.0], [[0.5], [0.25]], {"lr": 1.0})
    >>> path.parameters.tolist()
    [[0.5], [0.25]]
    """
    first, slopes = np.atleast_1d(np.asarray(start, np.float64)), np.atleast_2d(np.asarray(gradients, np.float64))
    if slopes.shape[1:] != first.shape:
        raise ValueError(f"gradients: expected shape (steps, {first.size}), got {slopes.shape}")
    per_step = [hyper or {}] * len(slopes) if hyper is None or isinstance(hyper, Mapping) else list(hyper)
    if len(per_step) != len(slopes):
        raise ValueError(f"hyper: expected one mapping, or one a step ({len(slopes)}), got {len(per_step)}")
    settings = [_settings(rule, values) for values in per_step]
    columns = [_column(rule, value, slopes[:, n].tolist(), settings) for n, value in enumerate(first.tolist())]
    table = np.asarray(columns).reshape(first.size, len(slopes), 1 + len(rule.state), 2).transpose(3, 2, 1, 0)
    state = {str(entry.symbol): table[0, 1 + position] for position, entry in enumerate(rule.state)}
    return Path(table[0, 0], table[1, 0], state)


def _settings(rule: UpdateRule, given: Mapping[str, float | bool]) -> list[Any]:
    known = [entry.name for entry in rule.hyper]
    unknown = set(given) - set(known)
    if unknown:
        raise ValueError(f"hyper: expected names among {', '.join(known)}, got {', '.join(sorted(unknown))}")
    values = [given.get(entry.name, entry.default) for entry in rule.hyper]
    return [bool(value) if value in (True, False) else arb(float(value)) for value in values]


@cache
def _compiled(rule: UpdateRule) -> Compiled:
    """One step: from parameter, gradient, step, state and hyper-parameters to the new parameter and state."""
    values: dict[Any, Any] = {}
    for left, right in rule.equations:
        values[left] = right.subs(values, simultaneous=True)
    results = [values[symbol] for symbol in (rule.parameter, *(entry.symbol for entry in rule.state))]
    arguments = [rule.parameter, rule.gradient, rule.step, *(entry.symbol for entry in rule.state)]
    return compile_balls([*arguments, *(entry.symbol for entry in rule.hyper)], results)


def _column(rule: UpdateRule, start: float, gradients: list[float], settings: list[list[Any]]) -> Any:
    """One parameter's path, at a precision that pins every number of it down."""
    bits = _FIRST_BITS
    before = ctx.prec
    try:
        while bits <= _MOST_BITS:
            ctx.prec = bits
            try:
                balls = _run(rule, start, gradients, settings)
            except UndecidedError:
                balls = []
            if balls and all(_settled(ball) for step in balls for ball in step):
                return [[to_double_double(ball) for ball in step] for step in balls]
            bits *= 2
    finally:
        ctx.prec = before
    raise OracleError(f"the trajectory of {rule.name} stays unknown at {_MOST_BITS} bits")


def _settled(ball: arb) -> bool:
    return ball.is_exact() or ball.rel_accuracy_bits() >= 80 or bool(ball.abs_upper() < arb(2) ** -1150)


def _run(rule: UpdateRule, start: float, gradients: list[float], settings: list[list[Any]]) -> list[list[arb]]:
    step_of = _compiled(rule)
    current = [arb(start), *(arb(float(entry.initial)) for entry in rule.state)]
    path, step = [], 0
    for gradient, hyper in zip(gradients, settings, strict=True):
        if not math.isnan(gradient):
            step += 1
            parameter, *state = current
            current = [arb(each) for each in step_of(parameter, arb(gradient), step, *state, *hyper)]
        path.append(current)
    return path
