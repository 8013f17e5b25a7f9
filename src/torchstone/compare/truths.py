"""What is right at each point: questions to the oracle, cut into pieces for several processes."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from torchstone.compare import paths
from torchstone.compare.catalogue import OptimizerEntry, Setting
from torchstone.compare.points import Batch
from torchstone.definitions import Function, UpdateRule
from torchstone.oracle import Answer, Truth

_NUMBERS, _ROWS = 8192, 24  # points in one question
Question = tuple[Any, ...]  # one of workers.QUESTIONS, and its arguments
Floats = NDArray[np.float64]


def names(function: Function) -> dict[str, str]:
    """The definition's names of prediction and target."""
    return {entry.role: entry.name for entry in function.inputs if entry.role != "parameter"}


def questions(function: Function, batch: Batch) -> list[Question]:
    """What to ask about the elements of a batch."""
    piece = _ROWS if function.is_vector else _NUMBERS
    parts = [slice(first, first + piece) for first in range(0, batch.size, piece)]
    return [
        _question(
            function,
            {role: array[part] for role, array in batch.inputs.items()},
            None if batch.cotangent is None else batch.cotangent[part],
        )
        for part in parts
    ]


def _question(function: Function, inputs: Mapping[str, Floats], cotangent: Floats | None = None) -> Question:
    called = names(function)
    return "truth", function.name, {called[role]: array for role, array in inputs.items()}, cotangent


def at_kinks(function: Function, batch: Batch) -> NDArray[np.intp]:
    """The points of a batch that lie on a kink."""
    called = names(function)
    found = np.zeros(batch.size, bool)
    for kink in function.kinks:
        locus = sp.lambdify([sp.Symbol(called[role], real=True) for role in batch.inputs], kink.locus, "numpy")
        with np.errstate(invalid="ignore", over="ignore"):
            found |= locus(*batch.inputs.values()) == 0
    return np.flatnonzero(found)


def side_questions(function: Function, batch: Batch) -> list[Question]:
    """What to ask about the two slopes that meet at each kink: those at the nearest numbers on either side."""
    where = at_kinks(function, batch)
    inputs = {role: array[where] for role, array in batch.inputs.items()}
    sides = (-np.inf, np.inf) if len(where) else ()
    with np.errstate(over="ignore"):
        beside = [np.nextafter(inputs["prediction"], side) for side in sides]
    return [_question(function, {**inputs, "prediction": prediction}) for prediction in beside]


def accepted(function: Function, batch: Batch, answers: Sequence[Answer]) -> tuple[Floats, Floats] | None:
    """The least and the greatest slope that each point accepts; NaN where there is but one."""
    if not answers:
        return None
    slopes = np.stack([next(iter(answer.gradients.values())).high for answer in answers])
    low, high = np.full((2, batch.size), np.nan)
    where = at_kinks(function, batch)
    low[where], high[where] = slopes.min(0), slopes.max(0)
    return low, high


def joined(batch: Batch, answers: Sequence[Answer]) -> tuple[Truth, Truth]:
    """Value and gradient of a batch, in its reduction."""
    value = _joined([answer.value for answer in answers])
    gradient = _joined([next(iter(answer.gradients.values())) for answer in answers])
    if batch.reduction == "mean":
        shares = (part / batch.size for part in (gradient.high, gradient.low, gradient.scale))
        return _mean(value), Truth(*shares)
    return value, gradient


def _joined(truths: Sequence[Truth]) -> Truth:
    return Truth(*(np.concatenate([getattr(truth, part) for truth in truths]) for part in ("high", "low", "scale")))


def _mean(truth: Truth) -> Truth:
    """The exact mean of the elements."""
    pairs = zip(truth.high.tolist(), truth.low.tolist(), strict=True)
    mean = sum((Fraction(high) + Fraction(low) for high, low in pairs), Fraction(0)) / truth.high.size
    high = float(mean)
    return Truth(np.array(high), np.array(float(mean - Fraction(high))), np.array(truth.scale.mean()))


def path_question(rule: UpdateRule, entry: OptimizerEntry, setting: Setting, course: paths.Course) -> Question:
    """What to ask about the trajectory under a setting."""
    options = _in_symbols(rule, {**entry.arguments, **setting.options})
    hyper = [{"lr": rate, **options} for rate in paths.rates(setting)]
    return "trajectory", rule.name, course.start, paths.with_gaps(setting, course.gradients), hyper


def _in_symbols(rule: UpdateRule, options: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor options by the names of the rule's own symbols: `betas=(0.9, 0.99)` is beta1 and beta2."""
    found = {}
    for entry in rule.hyper:
        argument, _, position = (entry.argument or entry.name).rstrip("]").partition("[")
        if argument in options:
            found[entry.name] = options[argument][int(position)] if position else options[argument]
    return found
