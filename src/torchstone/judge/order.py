"""Proofs of inequalities: by signs of factors, by a tangent of a convex function, by balls where nothing varies."""

import sympy as sp

from torchstone.judge.facts import Facts, UndeterminedError
from torchstone.judge.functions import sign
from torchstone.judge.reading import Reader
from torchstone.judge.tower import Quotient, Tower
from torchstone.judge.values import at_bits, compile_value, is_valueless
from torchstone.judge.verdict import Claim

_TANGENTS = (sp.S.Zero, sp.S.One, sp.S.NegativeOne, sp.Integer(2), sp.S.Half)


def ordered(claim: Claim, facts: Facts) -> str | None:
    """How <, <=, >, >= or != is proven; None where it is not."""
    great, small = (claim.right, claim.left) if claim.relation in ("<", "<=") else (claim.left, claim.right)
    strict = claim.relation in ("<", ">", "!=")
    symbols = (great - small).free_symbols
    if not symbols:
        return _by_balls(great - small, claim.relation)
    tower = facts.tower
    difference = Reader(tower, facts).difference(great, small)
    if _has_sign(difference, facts, strict, either=claim.relation == "!="):
        return "symbolic: the difference of the sides has one sign, factor by factor"
    if len(symbols) == 1 and claim.relation in ("<=", ">=") and not claim.domains:
        (symbol,) = symbols
        if isinstance(symbol, sp.Symbol) and _convex(great - small, symbol, tower, facts):
            return "symbolic: the difference of the sides is convex, and at its minimum it is not negative"
    return None


def _by_balls(difference: sp.Expr, relation: str) -> str | None:
    direction = sign(at_bits(1024, compile_value(difference), {}))
    return "ball arithmetic: both sides are numbers" if direction > 0 or (relation == "!=" and direction) else None


def _has_sign(difference: Quotient, facts: Facts, strict: bool, either: bool) -> bool:
    if not strict:
        return facts.not_negative(difference)
    try:
        direction = facts.sign(difference)
    except UndeterminedError:
        return False
    return direction > 0 or (either and direction != 0)


def _convex(difference: sp.Expr, symbol: sp.Symbol, tower: Tower, facts: Facts) -> bool:
    """Whether the second derivative is >= 0 on an interval, and a horizontal tangent touches at a value >= 0."""
    slope = sp.diff(difference, symbol)
    reader = Reader(tower, facts)
    if not facts.not_negative(reader.difference(sp.diff(slope, symbol), sp.S.Zero)):
        return False
    linear = all(poly.total_degree() == 1 and tower.free(poly) == {symbol} for poly in facts.known.values())
    poles = [factor for value in reader.memory.values() for factor, _ in tower.factors(value.bottom)[1]]
    if not linear or any(facts.sign_of(pole) is None for pole in poles):
        return False
    for point in _TANGENTS:
        values = [each.subs(symbol, point) for each in (slope, difference)]
        if any(is_valueless(each) for each in values):
            continue
        at_point = Reader(tower, Facts(tower))
        if not at_point.difference(values[0], sp.S.Zero).top:
            return Facts(tower).not_negative(at_point.difference(values[1], sp.S.Zero))
    return False
