"""What the definitions of losses share: symbols, inputs, conventions and identities."""

import sympy as sp

from torchstone.definitions.core import FREE, VALUE, Convention, Identity, Input

x, t, p = sp.symbols("x t p", real=True)
margin, eps, alpha, gamma, beta, delta = sp.symbols("margin eps alpha gamma beta delta", real=True)
weight, pos_weight, full, swap = sp.symbols("weight pos_weight full swap", real=True)
c, j = sp.symbols("c j", integer=True, nonnegative=True)
C = sp.Symbol("C", integer=True, positive=True)
row, target, weights = sp.IndexedBase("x"), sp.IndexedBase("t"), sp.IndexedBase("weight")
r = x - t
CLASSES = (c, 0, C - 1)

UNIT = sp.Interval(0, 1)
NOT_NEGATIVE = sp.Interval(0, sp.oo)
POSITIVE = sp.Interval.open(0, sp.oo)
SIGNS = sp.FiniteSet(-1, 1)
SWITCH = sp.FiniteSet(0, 1)

PAIR = (Input(x, "prediction"), Input(t, "target"))
ONE_HOT = Input(target, "target", SWITCH, encoding="class index")
WEIGHT = Input(weight, "parameter", default=sp.S.One)
WEIGHTS = Input(weights, "parameter", NOT_NEGATIVE, default=sp.S.One)


def margin_of(default: int) -> Input:
    """The parameter `margin`."""
    return Input(margin, "parameter", default=sp.Integer(default))


MEAN = Convention("what the mean divides by", "the number of elements", "the number of rows ('batchmean')")
ROW_MEAN = Convention("what the mean divides by", "the number of rows")
SIGN_LABELS = Convention("the labels", "-1 and 1", "0 and 1, which must be mapped to -1 and 1 first")

MIRRORED = Identity("the same for -x and -t", {"x": -x, "t": -t}, VALUE)
SHIFTED = Identity("a function of x - t", {"x": x + FREE, "t": t + FREE}, VALUE)
SYMMETRIC = Identity("the same with x and t exchanged", {"x": t, "t": x}, VALUE)
FLIPPED = Identity("the same for -x and the other label", {"x": -x, "t": -t}, VALUE)
ROW_SHIFTED = Identity("the same for logits shifted together", {"x": row[j] + FREE}, VALUE)
PERMUTED = Identity(
    "the order of the classes does not matter",
    {"x": row[C - 1 - j], "t": target[C - 1 - j], "weight": weights[C - 1 - j]},
    VALUE,
)


def homogeneous(degree: int) -> Identity:
    """L(s x, s t) = |s|^degree L(x, t)."""
    return Identity(f"homogeneous of degree {degree}", {"x": FREE * x, "t": FREE * t}, sp.Abs(FREE) ** degree * VALUE)


def positive_part(u: sp.Expr) -> sp.Expr:
    """max(0, u), with the slope of u at 0, as PyTorch's clamp has it."""
    return sp.Piecewise((u, u >= 0), (0, True))


def share_of_log(share: sp.Expr, argument: sp.Expr) -> sp.Expr:
    """share log(argument): 0 where the share is, and infinite, with its slope, where only the argument is 0."""
    infinite = -sp.oo * (1 - argument)  # its slope is infinite, too; a constant's would be 0
    return sp.Piecewise((0, sp.Eq(share, 0)), (infinite, sp.Eq(argument, 0)), (share * sp.log(argument), True))


def hull(first: sp.Expr, second: sp.Expr) -> sp.Interval:
    """The slopes between two, whichever is the smaller."""
    return sp.Interval(sp.Min(first, second), sp.Max(first, second))
