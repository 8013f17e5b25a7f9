"""Where the pieces of a definition meet: the roots of what its branches, its kinks and its |.| turn on."""

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from torchstone.definitions import Function

Floats = NDArray[np.float64]

# Roots are looked for between neighbours here; of what changes its sign twice between two, nothing is seen.
_LATTICE = np.unique(
    np.concatenate([np.linspace(-40, 40, 1203), np.geomspace(40, 1000, 200), -np.geomspace(40, 1000, 200)])
)
_HALVINGS = 60
_MOST = 12  # of a wave, the nearest will do


def meetings(function: Function, known: Mapping[str, float]) -> list[float]:
    """The places along the prediction, with the other inputs as they are known by name; in order."""
    x = function.prediction.symbol
    values = {entry.symbol: known[entry.name] for entry in function.inputs if entry.name in known and entry.symbol != x}
    found = [place for locus in _loci(function) for place in _roots(locus.subs(values), x)]
    return sorted(dict.fromkeys(found))


@cache
def _loci(function: Function) -> tuple[sp.Expr, ...]:
    x = function.prediction.symbol
    conditions = [each for each in function.expression.atoms(sp.core.relational.Relational) if x in each.free_symbols]
    every = [kink.locus for kink in function.kinks] + [each.lhs - each.rhs for each in conditions]
    every += _turning(function.expression)
    return tuple(dict.fromkeys(sp.expand(each) for each in every if x in each.free_symbols))


def _turning(expression: sp.Expr) -> Iterator[sp.Expr]:
    """What changes its sign where |.|, sign, Max and Min turn."""
    yield from (each.args[0] for each in expression.atoms(sp.Abs, sp.sign))
    for each in expression.atoms(sp.Max, sp.Min):
        yield from (first - other for n, first in enumerate(each.args) for other in each.args[:n])


@lru_cache(maxsize=4096)
def _roots(line: sp.Expr, x: sp.Symbol) -> tuple[float, ...]:
    """The real roots of an expression in x alone; none of one with other symbols."""
    if line.free_symbols != {x}:
        return ()
    if line.is_polynomial(x) and sp.degree(line, x) == 1:
        return (float(-line.coeff(x, 0) / line.coeff(x, 1)),)
    evaluate = sp.lambdify(x, line, "numpy")

    def values(places: Floats) -> Floats:
        with np.errstate(all="ignore"):
            try:
                return np.broadcast_to(np.asarray(evaluate(places), np.float64), places.shape)
            except (NameError, TypeError, AttributeError):  # a function that numpy does not have
                return np.full(places.shape, np.nan)

    heights = np.sign(values(_LATTICE))
    roots = [float(place) for place in _LATTICE[heights == 0]]
    if len(roots) > _MOST:
        return ()
    for place in np.flatnonzero(heights[:-1] * heights[1:] < 0)[:_MOST]:
        low, high = float(_LATTICE[place]), float(_LATTICE[place + 1])
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if values(np.array(middle)) * heights[place] > 0 else (low, middle)
        written = round(high, 9)
        roots.append(written if abs(written - high) < 1e-12 * max(1.0, abs(high)) else high)
    return tuple(dict.fromkeys(roots))
