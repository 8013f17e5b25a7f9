"""Equations to be solved: they claim nothing, but what follows from them is known from there on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy as sp
from sympy.core.function import AppliedUndef

from torchstone.prove import tree
from torchstone.prove.meaning import targets
from torchstone.prove.meaning.indices import put
from torchstone.prove.meaning.written import Prime, Slope, plain

if TYPE_CHECKING:
    from torchstone.prove.meaning.scope import Scope

_FEW_OPERATIONS = 60  # beyond it, solving an equation takes too long to be worth it


@dataclass(frozen=True)
class Zeros:
    """The equation `residual = 0`, and all its solutions; none where they are not known."""

    residual: sp.Expr
    values: tuple[sp.Expr, ...]


def remember_slope(scope: Scope, left: sp.Expr, right: sp.Expr) -> None:
    """What a chain that begins with a derivative says to equal it."""
    variable = _variable(scope, left) or scope.slope_of.get(left)
    if variable is not None:
        scope.slope_of[left] = variable
        if not right.is_number:
            scope.slope_of[right] = variable


def given(scope: Scope, statement: tree.Statement, number: int, left: sp.Expr, right: sp.Expr) -> str | None:
    """For what an equation is to be solved: it is given then. None where it is a claim like any other.

    An equation is to be solved where it says that a derivative is zero, or where nothing is known of its symbols, a
    number stands on one side, and a later line under the same heading says what one of its symbols is.
    """
    last = number == len(statement.relations) - 1
    if statement.conditions or not last:
        return None
    return _set_to_zero(scope, statement, number, left, right) or _equation(scope, statement, left, right)


def _set_to_zero(scope: Scope, statement: tree.Statement, number: int, left: sp.Expr, right: sp.Expr) -> str | None:
    """A derivative that is set to zero: written as such, or moved over to the other side."""
    variable = _variable(scope, left) or scope.slope_of.get(left)
    if right == 0 and variable is not None and variable not in scope.zeros:
        wanted = statement.demands or names_later(scope, statement, variable)
        return _learn(scope, variable, scope.settled(left)) if wanted else None
    if number or left.has(Slope, Prime, AppliedUndef) or right.has(Slope, Prime, AppliedUndef):
        return None
    for slope, by in list(scope.slope_of.items()):
        if (
            by in scope.zeros
            or by not in left.free_symbols | right.free_symbols
            or not names_later(scope, statement, by)
        ):
            continue
        residual, known = scope.settled(left) - scope.settled(right), scope.settled(slope)
        ratio = sp.simplify(residual / known) if known != 0 and residual != 0 else sp.S.Zero
        if ratio != 0 and not ratio.has(AppliedUndef, sp.Sum) and by not in ratio.free_symbols:
            return _learn(scope, by, known)
    return None


def _equation(scope: Scope, statement: tree.Statement, left: sp.Expr, right: sp.Expr) -> str | None:
    """2*x + 3 = 7, of an x that a later line gives; two equations for two symbols; x^2 + y^2 = 25 before dy/dx."""
    names = scope.reach(left, deep=False) | scope.reach(right, deep=False)
    known = bool(names & set(scope.definitions)) or left.has(Slope, Prime, sp.Indexed) or right.has(Slope, Prime)
    if statement.relations != ("=",) or statement.sides[0] is None or known or isinstance(left, sp.Symbol):
        return None
    residual = put(scope.settled(left) - scope.settled(right), scope.solved)
    if not (left.is_number or right.is_number or _is_linear(residual)) or sp.count_ops(residual) > _FEW_OPERATIONS:
        return None
    if residual.has(AppliedUndef):
        return _implicit(scope, statement, residual)
    for symbol in sorted(residual.free_symbols, key=str):
        if symbol.is_integer or not names_later(scope, statement, symbol) or sp.simplify(residual) == 0:
            continue
        values = _solutions(residual, symbol)
        if values and all(value.is_real is not False for value in values):
            return _learn(scope, symbol, residual)
    return None


def _implicit(scope: Scope, statement: tree.Statement, residual: sp.Expr) -> str | None:
    """F(x, y) = 0, which a later line solves for dy/dx."""
    calls = residual.atoms(AppliedUndef)
    if len(calls) != 1 or residual.atoms(sp.Derivative):
        return None
    (call,) = calls
    if len(call.args) != 1 or not isinstance(call.args[0], sp.Symbol):
        return None
    x, y = call.args[0], scope.symbol(call.func.__name__)
    held = residual.xreplace({call: y})
    below = sp.diff(held, y)
    if below == 0 or (plain(y), plain(x)) in scope.slopes:
        return None
    scope.slopes[plain(y), plain(x)] = -sp.diff(held, x) / below
    return f"d{y}/d{x}"


def names_later(scope: Scope, statement: tree.Statement, symbol: sp.Symbol) -> bool:
    """Whether a line below a statement says what a symbol is: x = ..., x^* = ..., x_hat = ..."""
    places = [place for place, other in enumerate(scope.shown) if other == statement]
    if not places or scope.has_meaning(symbol):
        return False
    for other in scope.shown[places[0] + 1 :]:
        name = targets.name_on_the_left(other)
        if name is not None and other.relations[:1] == ("=",) and _stands_for(name, symbol):
            return True
    return False


def _learn(scope: Scope, variable: sp.Symbol, residual: sp.Expr) -> str | None:
    if residual == 0 or variable not in residual.free_symbols:
        return None
    values = tuple(_solutions(residual, variable))
    scope.zeros[variable] = Zeros(residual, values)
    if len(values) == 1:
        before = {symbol: put(value, {variable: values[0]}) for symbol, value in scope.solved.items()}
        scope.solved = {**before, variable: values[0]}
    return str(variable)


def _stands_for(name: str, symbol: sp.Symbol) -> bool:
    unstarred = name.partition("^")[0]
    return str(symbol) in (name, unstarred, unstarred.partition("_")[0])


def names_a_solution(scope: Scope, left: sp.Expr, right: sp.Expr) -> bool:
    """Whether a left side is what was to be solved for: mu, which mu^* and mu_hat name as well.

    Or another symbol of the equation, on the way to its solution: S = n*p before p = S/n.
    """
    if not isinstance(left, sp.Symbol) or (scope.has_meaning(left) and left.name not in scope.inherited):
        return False
    for symbol, zeros in list(scope.zeros.items()):
        if _stands_for(left.name, symbol):
            if left not in scope.solved and symbol in scope.solved:
                scope.solved[left] = scope.solved[symbol]
            return True
        if left in zeros.residual.free_symbols | _named(scope, zeros) and symbol in right.free_symbols:
            return True
    return False


def _named(scope: Scope, zeros: Zeros) -> set[sp.Basic]:
    """The symbols that stand for a piece of an equation, by a sentence or a heading before."""
    names = [name for name in scope.inherited if name in scope.definitions and scope.definitions[name].key == name]
    known = {scope.symbol(name): scope.definitions[name] for name in names}
    return {
        symbol
        for symbol, definition in known.items()
        if not (definition.parameters or definition.index) and zeros.residual.has(scope.settled(symbol))
    }


def residual_at(scope: Scope, left: sp.Expr, right: sp.Expr) -> sp.Expr | None:
    """What must be zero if a symbol of an equation with several solutions, or unknown ones, is `right`."""
    if not isinstance(left, sp.Symbol) or left in scope.solved:
        return None
    for symbol, zeros in scope.zeros.items():
        if _stands_for(left.name, symbol) and symbol not in scope.solved:
            value = scope.settled(right)
            scope.solved[left] = value
            residual: sp.Expr = put(zeros.residual, {symbol: value})
            return residual
    return None


def put_in(scope: Scope, left: sp.Expr, right: sp.Expr, a: sp.Expr, b: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """The sides of a claim at the solution; at that one of several at which they differ."""
    if isinstance(left, Slope | Prime | AppliedUndef) and right.free_symbols & left.free_symbols & set(scope.zeros):
        return a, b  # a function of the symbol, wherever
    if scope.solved:
        a, b = put(a, scope.solved), put(b, scope.solved)
    for symbol, zeros in scope.zeros.items():
        if symbol in scope.solved or symbol not in (a - b).free_symbols:
            continue
        places = [(put(a, {symbol: value}), put(b, {symbol: value})) for value in zeros.values]
        a, b = next((pair for pair in places if sp.simplify(pair[0] - pair[1]) != 0), (places or [(a, b)])[0])
    return a, b


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


def _is_linear(residual: sp.Expr) -> bool:
    """Whether an equation is linear in the one symbol that it holds."""
    symbols = residual.free_symbols
    return len(symbols) == 1 and residual.is_polynomial(*symbols) and sp.degree(residual, *symbols) == 1


def _solutions(e: sp.Expr, variable: sp.Symbol) -> list[sp.Expr]:
    factor = sp.simplify(sp.diff(e, variable).doit())
    if variable not in factor.free_symbols:
        return [sp.simplify(-e.subs(variable, 0).doit() / factor)]
    if e.has(sp.Piecewise) or sp.count_ops(e) > _FEW_OPERATIONS:
        return []
    # Sums that do not hold the symbol are numbers like any other.
    sums = {each: sp.Dummy("sum", real=True) for each in e.atoms(sp.Sum) if variable not in each.free_symbols}
    held = e.xreplace(sums)
    if held.has(sp.Sum):
        return []
    back = {place: each for each, place in sums.items()}
    try:
        found = sp.solve(held, variable)
    except (NotImplementedError, ValueError, TypeError):
        return []
    return [value.xreplace(back) for value in found if isinstance(value, sp.Expr)]
