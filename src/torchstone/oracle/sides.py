"""Which slopes are right at a kink: all between those of the branches that meet there."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchstone.definitions import Function
from torchstone.oracle.balls import sides
from torchstone.oracle.functions import truth

_MOST_TOGETHER = 5  # comparisons that are resolved in every combination; of more, each alone

Slopes = tuple[NDArray[np.float64], NDArray[np.float64]]


@cache
def _without_choice(function: Function) -> Function:
    return replace(function, kinks=())


def accepted(
    function: Function, inputs: Mapping[str, ArrayLike], wrt: Sequence[str] = (), cotangent: ArrayLike | None = None
) -> Mapping[str, Slopes]:
    """The least and the greatest of each gradient's numbers that count as right; equal away from kinks.

    At a kink the branches that meet there each have their slope: every comparison in the definition that meets a tie
    is taken as decided one way and the other, in all combinations.

    >>> from torchstone import definitions
    >>> low, high = accepted(definitions.get("l1"), {"x": [0.0, 1.0], "t": 0.0})["x"]
    >>> low.tolist(), high.tolist()
    ([-1.0, 1.0], [1.0, 1.0])
    """
    plain = _without_choice(function)
    with sides({}) as met:
        answer = truth(function, inputs, wrt, cotangent)
        truth(plain, inputs, wrt, cotangent)
        ties = sorted(met)
    found = {name: [gradient.high] for name, gradient in answer.gradients.items()}
    for choice in _choices(ties):
        with sides(choice):
            for name, gradient in truth(plain, inputs, wrt, cotangent).gradients.items():
                found[name].append(gradient.high)
    return {name: (np.fmin.reduce(each), np.fmax.reduce(each)) for name, each in found.items()}


def _choices(ties: Sequence[str]) -> list[dict[str, int]]:
    if len(ties) <= _MOST_TOGETHER:
        return [dict(zip(ties, signs, strict=True)) for signs in product((-1, 1), repeat=len(ties))]
    return [{tie: sign} for tie in ties for sign in (-1, 1)] + [dict.fromkeys(ties, sign) for sign in (-1, 1)]
