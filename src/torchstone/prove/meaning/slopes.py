"""Derivatives of what has none everywhere, or is not known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import sympy as sp

from torchstone.prove import tree
from torchstone.prove.meaning.indices import put


def unknown_derivative(e: sp.Expr) -> tuple[sp.Expr | None, tuple[sp.Expr, ...], int]:
    """The unknown function that is differentiated, at what, and how often."""
    places: tuple[sp.Expr, ...] = ()
    if isinstance(e, sp.Subs):
        if not isinstance(e.expr, sp.Derivative) or len(e.point) != 1:
            return None, (), 0
        places, e = tuple(e.point), e.expr
    if not isinstance(e.expr, sp.core.function.AppliedUndef) or len(e.variable_count) != 1:
        return None, (), 0
    variable, order = e.variable_count[0]
    return e.expr, places or (variable,), int(order)


def alike(e: sp.Expr) -> sp.Expr:
    """Derivatives of unknown functions in one form: f'(w) by its own symbol, f'(2*x) as a substitution."""
    for each in sorted(e.atoms(sp.Subs, sp.Derivative), key=sp.default_sort_key):
        call, places, order = unknown_derivative(each)
        if call is None or len(call.args) != 1:
            continue
        place = places[0]
        if isinstance(place, sp.Symbol):
            form = sp.Derivative(call.func(place), (place, order))
        else:
            inner = sp.Symbol("t", real=True)
            form = sp.Subs(sp.Derivative(call.func(inner), (inner, order)), inner, place)
        if form != each:
            e = e.xreplace({each: form})
    return e


def agree(a: sp.Expr, b: sp.Expr) -> bool:
    """Whether two expressions agree at three places: enough to tell a function of u from one that is none."""
    difference = a - b
    symbols = sorted(difference.free_symbols, key=str)
    for seed in (3, 5, 7):
        values = {symbol: sp.Rational(seed * (n + 2) % 11 + 1, 7) for n, symbol in enumerate(symbols)}
        value = difference.subs(values).evalf(20)
        if value.is_number and abs(value) > sp.Float("1e-12"):
            return False
    return True


def refuse_kink(e: sp.Expr, kinks: Iterable[sp.Basic], values: Mapping[sp.Basic, sp.Basic], at: int) -> None:
    """Raise where a derivative is taken at a kink, and is not the same on both of its sides."""
    numbers = {symbol: value for symbol, value in values.items() if value.is_number and not symbol.is_integer}
    if not numbers or all(put(kink, numbers) != sp.false for kink in kinks):
        return
    near = sp.Rational(1, 10**20)
    right, left = (put(e, {symbol: value + step for symbol, value in numbers.items()}) for step in (near, -near))
    if not agree(right, left):
        raise tree.LatexError("there is a kink at this place: the derivative has no value there", at)


def kinks(e: sp.Expr, variable: sp.Expr) -> Iterator[sp.Basic]:
    """Where an expression has a kink in a variable: `Ne(x, 0)` for |x|. In a sum, at the variable's own number."""
    running = {limits[0] for each in e.atoms(sp.Sum, sp.Product) for limits in each.limits}
    for kink in _kinks(e, variable.base if isinstance(variable, sp.Indexed) else variable):
        if not kink.free_symbols & running:
            yield kink
        elif isinstance(variable, sp.Indexed) and len(variable.indices) == 1:
            yield kink.xreplace(dict.fromkeys(running, variable.indices[0]))


def _kinks(e: sp.Expr, variable: sp.Expr) -> Iterator[sp.Basic]:
    for each in e.atoms(sp.Abs, sp.sign, sp.Heaviside):
        if each.has(variable):
            yield sp.Ne(each.args[0], 0)
    for each in e.atoms(sp.Max, sp.Min):
        if each.has(variable) and len(each.args) == 2:
            yield sp.Ne(each.args[0] - each.args[1], 0)
    for each in e.atoms(sp.Piecewise):
        for _, condition in each.args:
            for relation in condition.atoms(sp.core.relational.Relational):
                if relation.has(variable):
                    yield sp.Ne(relation.lhs - relation.rhs, 0)
