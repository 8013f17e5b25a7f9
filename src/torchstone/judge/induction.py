"""Induction on the number of terms: a claim about a sum to n is shown for n = 1, and from n to n + 1."""

from typing import Any

import sympy as sp

from torchstone.judge.facts import Facts
from torchstone.judge.reading import Reader
from torchstone.judge.tower import Generator, Poly, Quotient, Tower


def by_induction(left: sp.Expr, right: sp.Expr, tower: Tower, facts: Facts) -> sp.Symbol | None:
    """The number of terms over which induction proves left = right; None where it does not.

    The difference is a*S + b with one sum S(n) of terms t(j). Then S(n) = -b/a follows from S(1) = t(1) and
    S(n + 1) - S(n) = t(n + 1).
    """
    top = Reader(tower, facts.copy()).difference(left, right).top
    sums = [each for each in tower.used(top) if each.kind == "sum"]
    if len(sums) != 1:
        return None
    body, dummy, number = sums[0].data
    parts = _linear(tower, top, sums[0])
    if parts is None or not isinstance(number, sp.Symbol) or not number.is_positive:
        return None
    slope, rest = (tower.make(part, tower.one) for part in parts)
    closed = tower.expression(tower.multiply(tower.negative(rest), tower.power(slope, -1)))
    term = tower.expression(body)
    steps = (
        (closed.subs(number, 1), term.subs(dummy, 1)),
        (closed.subs(number, number + 1) - closed, term.subs(dummy, number + 1)),
    )
    if _may_vanish(tower, slope, number) or any(Reader(tower, facts.copy()).difference(*step).top for step in steps):
        return None
    return number


def _linear(tower: Tower, top: Poly, generator: Generator) -> tuple[Poly, Poly] | None:
    """(a, b) of a*S + b."""
    slope: dict[tuple[int, ...], Any] = {}
    rest: dict[tuple[int, ...], Any] = {}
    for exponents, coefficient in top.terms():
        power = exponents[generator.index]
        if power > 1:
            return None
        free = (*exponents[: generator.index], 0, *exponents[generator.index + 1 :])
        (slope if power else rest)[free] = coefficient
    return tower.context.from_dict(slope), tower.context.from_dict(rest)


def _may_vanish(tower: Tower, slope: Quotient, number: sp.Symbol) -> bool:
    """Whether the factor of the sum may be 0 for some n: then the sum itself would be left open there."""
    factors = (factor for factor, _ in tower.factors(slope.top)[1])
    return any(number in tower.free(factor) and not _never_zero(tower, factor, number) for factor in factors)


def _never_zero(tower: Tower, factor: Poly, number: sp.Symbol) -> bool:
    generator = tower.single(factor)
    return generator is not None and (generator.kind == "exp" or generator.expression == number)
