"""What the activations' definitions share: their symbols, and facts that several of them have."""

import sympy as sp

from torchstone.definitions.core import FREE, VALUE, Identity, Input, Kink, Limit

x = sp.Symbol("x", real=True)
X = Input(x, "prediction")
POSITIVE = sp.Interval.open(0, sp.oo)
NOT_NEGATIVE = sp.Interval(0, sp.oo)

LIKE_RELU = (Limit(-sp.oo, sp.S.Zero, sp.S.Zero), Limit(sp.oo, x, sp.S.One))

ODD = Identity("odd", {"x": -x}, -VALUE)
HOMOGENEOUS = Identity("homogeneous", {"x": FREE * x}, FREE * VALUE, POSITIVE)
# x times a gate g with g(-x) = 1 - g(x), and the integral of such a gate.
GATED = Identity("reflection", {"x": -x}, VALUE - x)


def kink(
    place: sp.Expr | int, left: sp.Expr | int, right: sp.Expr | int, chosen: sp.Expr | int, note: str = ""
) -> Kink:
    """A kink at a place, with the slopes on its two sides: any slope between them is accepted."""
    least, greatest = sp.Min(left, right), sp.Max(left, right)
    return Kink(x - place, sp.Interval(least, greatest), sp.sympify(chosen), note)
