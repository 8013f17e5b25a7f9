"""Limits of what is defined by cases: which case holds is decided near the place, not at it."""

from collections.abc import Mapping

import sympy as sp
from sympy.core.parameters import distribute
from sympy.core.relational import Relational

BY_CASES = (sp.Piecewise, sp.Abs, sp.sign, sp.Heaviside, sp.Max, sp.Min)
_NO_LIMIT = (ValueError, TypeError, NotImplementedError, AttributeError, sp.PoleError)


def one_sided(limit: sp.Limit, domains: Mapping[sp.Basic, sp.Set]) -> sp.Expr:
    """A limit from one side, or at infinity. Where it can't be decided which case holds, it comes back as it is.

    `domains` tell which symbols are positive and which are negative.

    >>> x, t = sp.symbols("x t", real=True)
    >>> slope = sp.Piecewise((1, x > t), (0, True))
    >>> one_sided(sp.Limit(slope, x, t, "+"), {}), one_sided(sp.Limit(slope, x, t, "-"), {})
    (1, 0)
    """
    expression, variable, place, side = limit.args
    step = sp.Dummy("s", positive=True)
    signed = {symbol: dummy for symbol in limit.free_symbols if (dummy := _signed(symbol, domains.get(symbol)))}
    if place.is_infinite:
        near = 1 / step if place == sp.oo else -1 / step
    else:
        near = place - step if str(side) == "-" else place + step
    with distribute(True):  # t - (t - s) is s
        expression = expression.rewrite(BY_CASES[1:], sp.Piecewise)
        while relations := [each for each in expression.atoms(Relational) if not each.has(sp.Piecewise)]:
            signs = {each: _sign((each.lhs - each.rhs).subs(variable, near).subs(signed), step) for each in relations}
            if None in signs.values():
                return limit
            expression = expression.xreplace({each: each.func(sign, 0) for each, sign in signs.items()})
        if expression.has(sp.Piecewise):
            return limit
        try:
            value = sp.limit(expression.subs(signed), variable, place.subs(signed), str(side))
        except _NO_LIMIT:
            return limit
    return value.subs({dummy: symbol for symbol, dummy in signed.items()})


def _signed(symbol: sp.Basic, domain: sp.Set | None) -> sp.Dummy | None:
    """A stand-in of which SymPy knows the sign."""
    if domain is not None and isinstance(symbol, sp.Symbol):
        if domain.is_subset(sp.Interval.open(0, sp.oo)):
            return sp.Dummy(symbol.name, positive=True)
        if domain.is_subset(sp.Interval.open(-sp.oo, 0)):
            return sp.Dummy(symbol.name, negative=True)
    return None


def _sign(margin: sp.Expr, step: sp.Symbol) -> sp.Integer | None:
    """The sign of a margin for a step as small as it takes; None where that is not known."""
    margin = sp.expand(margin)
    if margin.is_zero:
        return sp.S.Zero
    try:
        value = sp.limit(margin, step, 0, "+")
        first = margin.as_leading_term(step) if value.is_zero else value
    except _NO_LIMIT:
        return None
    if first.is_extended_positive:
        return sp.S.One
    return sp.S.NegativeOne if first.is_extended_negative else None
