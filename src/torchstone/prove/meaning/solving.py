"""Equations to be solved: a derivative that is set to zero claims nothing, but its solution is known from there on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import sympy as sp

from torchstone.prove.meaning.written import Prime, Slope

if TYPE_CHECKING:
    from torchstone.prove.meaning.scope import Scope

_FEW_OPERATIONS = 60  # beyond it, solving an equation takes too long to be worth it


def remember_slopes(scope: Scope, steps: Iterable[tuple[sp.Expr, sp.Expr]]) -> None:
    """What a chain that begins with a derivative says to equal it."""
    variable: sp.Symbol | None = None
    for left, right in steps:
        variable = _variable(scope, left) or scope.slope_of.get(left, variable)
        if variable is not None:
            scope.slope_of[right] = variable


def set_to_zero(scope: Scope, left: sp.Expr, at: int) -> sp.Symbol | None:
    """The symbol for which `left = 0` is to be solved; None where that is a claim like any other."""
    variable = _variable(scope, left) or scope.slope_of.get(left)
    if variable is None or variable in scope.solved:
        return None
    slope = scope.settled(left, at)
    if slope == 0 or variable not in slope.free_symbols:
        return None
    solution = _solution(slope, variable)
    if solution is not None:
        scope.solved[variable] = solution
    return variable


def names_a_solution(scope: Scope, left: sp.Expr) -> bool:
    """Whether a left side is what was solved for: mu, which mu^* and mu_hat name as well."""
    if not isinstance(left, sp.Symbol) or scope.has_meaning(left):
        return False
    base = left.name.split("^")[0].split("_")[0]
    for symbol, value in list(scope.solved.items()):
        if str(symbol) in (left.name, base):
            scope.solved[left] = value
            return True
    return False


def solved(e: sp.Expr, symbol: sp.Symbol, right: sp.Expr) -> sp.Expr | None:
    """The solution of e = right for a symbol that only e holds; of a square's two, the one that is not negative."""
    place = sp.Dummy("right", real=True)
    if e == symbol**2:
        return sp.sqrt(right, evaluate=False)
    if sp.count_ops(e) > _FEW_OPERATIONS:
        return None
    try:
        solutions = sp.solve(e - place, symbol)
    except NotImplementedError:
        return None
    return solutions[0].xreplace({place: right}) if len(solutions) == 1 else None


def _variable(scope: Scope, e: sp.Expr) -> sp.Symbol | None:
    symbol = None
    if isinstance(e, Slope):
        symbol = e.args[1]
    elif isinstance(e, Prime):
        symbol = e.args[0].args[0]
    return symbol if isinstance(symbol, sp.Symbol) and not scope.has_meaning(symbol) else None


def _solution(e: sp.Expr, variable: sp.Symbol) -> sp.Expr | None:
    factor = sp.simplify(sp.diff(e, variable).doit())
    if variable not in factor.free_symbols:
        return sp.simplify(-e.subs(variable, 0).doit() / factor)
    if e.has(sp.Sum, sp.Piecewise) or sp.count_ops(e) > _FEW_OPERATIONS:
        return None
    try:
        solutions = sp.solve(e, variable)
    except NotImplementedError:
        return None
    return solutions[0] if len(solutions) == 1 else None
