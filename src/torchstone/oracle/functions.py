"""The truth about a loss or an activation: certified values and gradients at exact floating-point inputs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from flint import arb
from numpy.typing import ArrayLike, NDArray

from torchstone.definitions import Function, Limit
from torchstone.definitions.calculus import differentiate
from torchstone.oracle.balls import Compiled, compile_balls, evaluate, to_double_double

Floats = NDArray[np.float64]

# Whether an input's own rounding counts, passed to the compiled function beside it.
_COUNTS = "{}_counts"


@dataclass(frozen=True)
class Truth:
    """Certified numbers, as arrays.

    `high` is the nearest float64 and `low` what it leaves over. `scale` is |f| + the sum of |x df/dx| over the inputs:
    the magnitude whose rounding no implementation can avoid, since its inputs were rounded before it saw them.
    """

    high: Floats
    low: Floats
    scale: Floats


@dataclass(frozen=True)
class Answer:
    """The truth about a function at given inputs: its value and its gradient with respect to each input asked for."""

    value: Truth
    gradients: Mapping[str, Truth]


def truth(
    function: Function, inputs: Mapping[str, ArrayLike], wrt: Sequence[str] = (), cotangent: ArrayLike | None = None
) -> Answer:
    r"""The value of a definition and its gradients, in ball arithmetic.

    `inputs` maps the definition's names to numbers or arrays (rows of classes, (N, C), for a vector; (N,) for a number
    beside vectors); parameters left out have their defaults. Targets are those of the mathematics: a class index as a
    one-hot row, class indices as a row of zeros and ones. Labels in sequence alone are given as labels, (N, S) padded
    with -1, and their prediction is (N, T, C). `wrt` names the inputs to differentiate by; none: the prediction.
    `cotangent` is the gradient g that flows into an activation of a row, with the gradient
    :math:`\sum_i g_i\,\partial f_i/\partial x_k`.

    >>> from torchstone import definitions
    >>> answer = truth(definitions.get("sigmoid"), {"x": [0.0, -800.0, float("inf")]})
    >>> answer.value.high.tolist()
    [0.5, 0.0, 1.0]
    >>> answer.gradients["x"].high.tolist()
    [0.25, 0.0, 0.0]
    """
    unknown = set(inputs) - set(function.by_name)
    if unknown:
        raise ValueError(
            f"inputs: expected names among {', '.join(function.by_name)}, got {', '.join(sorted(unknown))}"
        )
    arrays = {entry.name: _array(inputs.get(entry.name, entry.default), entry.name) for entry in function.inputs}
    wrt = tuple(wrt) or (function.prediction.name,)
    if any(entry.encoding == "labels in sequence" for entry in function.inputs):
        from torchstone.oracle.alignments import sequences

        return sequences(function, arrays, wrt)
    if function.is_vector:
        from torchstone.oracle.rows import rows

        return rows(function, arrays, wrt, None if cotangent is None else np.asarray(cotangent, np.float64))
    return _numbers(function, arrays, wrt)


def _array(value: Any, name: str) -> Floats:
    if value is None:
        raise ValueError(f"inputs: expected {name}, got nothing for it")
    return np.asarray(float(value) if isinstance(value, sp.Basic) else value, np.float64)


def scale_of(quantity: sp.Expr, function: Function) -> sp.Expr:
    """|q| + the sum of |u dq/du| over the inputs u whose rounding counts."""
    total = sp.Abs(quantity)
    for entry in function.inputs:
        if entry.role != "parameter":
            counts = sp.Symbol(_COUNTS.format(entry.name))
            total += counts * sp.Abs(entry.symbol * differentiate(quantity, entry.symbol))
    return total


@cache
def _compiled(function: Function, wrt: tuple[str, ...]) -> Compiled:
    quantities = [function.expression, *(function.gradient(name) for name in wrt)]
    smooth = [function.expression, *(function.derivative(name) for name in wrt)]
    counts = [sp.Symbol(_COUNTS.format(entry.name)) for entry in function.inputs]
    symbols = [entry.symbol for entry in function.inputs]
    return compile_balls([*symbols, *counts], [*quantities, *(scale_of(each, function) for each in smooth)])


@cache
def _compiled_limit(function: Function, limit: Limit, wrt: tuple[str, ...]) -> Compiled:
    """The asymptote and its slopes. Only the prediction's is known."""
    slopes = [limit.slope if name == function.prediction.name else sp.nan for name in wrt]
    return compile_balls([entry.symbol for entry in function.inputs], [limit.asymptote, *slopes])


def counts(function: Function, name: str, value: float) -> int:
    """Whether an input's rounding counts: a prediction's and a target's does, a parameter's and a label's does not."""
    entry = function.by_name[name]
    return int(entry.role != "parameter" and not (entry.takes_labels and value.is_integer()))


def _numbers(function: Function, arrays: Mapping[str, Floats], wrt: tuple[str, ...]) -> Answer:
    shape = np.broadcast_shapes(*(array.shape for array in arrays.values()))
    columns = [np.broadcast_to(array, shape).ravel().tolist() for array in arrays.values()]
    results = [_number(function, wrt, point) for point in zip(*columns, strict=True)]
    table = np.asarray(results, np.float64).reshape(-1, 1 + len(wrt), 3)
    truths = [Truth(*(table[:, q, part].reshape(shape) for part in range(3))) for q in range(1 + len(wrt))]
    return Answer(truths[0], dict(zip(wrt, truths[1:], strict=True)))


def _number(function: Function, wrt: tuple[str, ...], point: tuple[float, ...]) -> list[tuple[float, float, float]]:
    """(high, low, scale) of the value and of each gradient at one point."""
    asked = 1 + len(wrt)
    if any(map(math.isnan, point)):
        return [(float("nan"),) * 3] * asked
    prediction = point[[entry.name for entry in function.inputs].index(function.prediction.name)]
    balls = [arb(value) for value in point]
    results: Sequence[Any] = ()
    if abs(prediction) != float("inf"):
        counted = [counts(function, entry.name, value) for entry, value in zip(function.inputs, point, strict=True)]
        results = evaluate(_compiled(function, wrt), [*balls, *counted], precise=asked, rough=asked)
    # At an infinity, and where a number is so large that Arb's exponents give out, the asymptote is the truth.
    if not results or any(isinstance(ball, arb) and ball.is_nan() for ball in results[:asked]):
        limit = next((each for each in function.limits if (each.toward > 0) == (prediction > 0)), None)
        if limit is None or abs(prediction) < (1e15 if limit.exponential else float("inf")):
            return [(float("nan"),) * 3] * asked
        results = evaluate(_compiled_limit(function, limit, wrt), balls, precise=asked)
        results = [*results, *(abs(arb(ball)) for ball in results)]
    pairs = [to_double_double(ball) for ball in results[:asked]]
    return [(*pair, to_double_double(scale)[0]) for pair, scale in zip(pairs, results[asked:], strict=True)]
