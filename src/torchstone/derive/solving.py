"""Solving an equation step by step: what is done to the unknown is undone, from the outside in."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sympy as sp

from torchstone.derive.writing import Lines

# f(u) = y means u = f^-1(y).
INVERSES: Mapping[Any, tuple[Callable[[sp.Expr], sp.Expr], str]] = {
    sp.exp: (sp.log, "the logarithm of both sides"),
    sp.log: (sp.exp, "e to the power of both sides"),
    sp.tanh: (sp.atanh, "the inverse of tanh on both sides"),
}


def peeled(inside: sp.Expr, other: sp.Expr, unknown: sp.Expr) -> Iterator[tuple[sp.Expr, sp.Expr, str]]:
    """The equations inside = other, each with one thing less around the unknown, and what was done."""
    while inside != unknown:
        inside, other, because = _undo(inside, other, unknown)
        yield inside, other, because


def _undo(inside: sp.Expr, other: sp.Expr, unknown: sp.Expr) -> tuple[sp.Expr, sp.Expr, str]:
    if type(inside) in INVERSES:
        inverse, because = INVERSES[type(inside)]
        return inside.args[0], inverse(other), because
    if inside.is_Pow and inside.exp == -1:
        return inside.base, 1 / other, "the reciprocal of both sides"
    rest, holding = inside.as_independent(*_holds(inside, unknown))
    if inside.is_Add and rest != 0:
        return holding, other - rest, f"{'+' if rest.could_extract_minus_sign() else '-'} {abs(rest)} on both sides"
    if inside.is_Mul and rest == -1:
        return holding, -other, "times -1 on both sides"
    if inside.is_Mul and (1 / rest).is_Symbol:
        return holding, other / rest, f"times {1 / rest} on both sides"
    if inside.is_Mul and rest != 1:
        return holding, other / rest, f"divide both sides by {rest}"
    raise ValueError(f"in_terms_of: expected a function that can be solved for {unknown}, got {inside}")


def _holds(inside: sp.Expr, unknown: sp.Expr) -> list[sp.Expr]:
    """The parts of a sum or product that hold the unknown."""
    return [each for each in inside.args if each.has(unknown)]


def solve(lines: Lines, inside: sp.Expr, other: sp.Expr, unknown: sp.Expr) -> sp.Expr:
    """Write the equations that lead from inside = other to unknown = ..., and give its right side."""
    for left, right, because in peeled(inside, other, unknown):
        lines.equation(left, right, "solve for", because)
    return lines.expression.rhs
