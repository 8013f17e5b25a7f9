"""What a function's derivative is where it has none: the slopes on both sides, and the choice between them."""

from collections.abc import Mapping

import sympy as sp

from torchstone.definitions import Function
from torchstone.definitions.limits import one_sided
from torchstone.derive.writing import Lines, Writing


def write_kinks(
    writing: Writing, function: Function, lines: Lines, where: Mapping[sp.Symbol, sp.Expr] | None = None
) -> None:
    """Write the one-sided slopes at each kink, and the gradient with the chosen slope.

    `where` holds the values of parameters for which there is a kink, if that isn't so for all.
    """
    where = where or {}
    words = "".join(f", where {symbol} = {value}" for symbol, value in where.items())
    slope, variable = lines.expression, function.prediction.symbol
    notes = []
    for kink in function.kinks:
        (place,) = sp.solve(kink.locus, variable)
        sides = writing.chain(f"At {kink.locus} = 0{words}")
        _write_sides(writing, sides, _reachable(slope.subs(where)), variable, place)
        notes.append(
            f"at {kink.locus} = 0{words}, every slope {_span(kink.accepted)} is accepted; chosen: {kink.chosen}"
        )
    final = writing.chain("The gradient, everywhere", lines.left)
    final.then(flat(function.gradient()), "convention", "; ".join(notes))


def _span(accepted: sp.Interval) -> str:
    """An interval in words; which end is the lower one may depend on a parameter."""
    if isinstance(accepted.start, sp.Min):
        return "between " + " and ".join(sorted(map(str, accepted.start.args)))
    return f"from {accepted.start} to {accepted.end}"


def write_joints(writing: Writing, function: Function, lines: Lines) -> None:
    """Write the one-sided slopes where two branches meet without a kink: they agree."""
    slope, variable = lines.expression, function.prediction.symbol
    for condition in sorted(slope.atoms(sp.core.relational.Relational), key=sp.default_sort_key):
        (place,) = sp.solve(condition.lhs - condition.rhs, variable)
        sides = writing.chain(f"At {variable} = {place}, where two branches meet")
        values = _write_sides(writing, sides, slope, variable, place)
        if len(values) > 1:
            raise ValueError(f"kinks: expected one slope at {variable} = {place}, got {values} for {function.name}")


def _write_sides(writing: Writing, sides: Lines, slope: sp.Expr, variable: sp.Symbol, place: sp.Expr) -> set[sp.Expr]:
    """Write the slope from the left and from the right, and return both."""
    values: set[sp.Expr] = set()
    for side, name in (("-", "left"), ("+", "right")):
        limit = sp.Limit(slope, variable, place, side)
        value = one_sided(limit, writing.domains)
        if isinstance(value, sp.Limit):
            raise ValueError(f"kinks: expected a slope on each side, got none at {variable} = {place}{side}")
        sides.equation(limit, value, "limit", f"the slope from the {name}" + (", the same" if value in values else ""))
        values.add(value)
    return values


def _reachable(slope: sp.Expr) -> sp.Expr:
    """Without the branches that divide by zero: for these values of the parameters no point lies in them."""
    if not isinstance(slope, sp.Piecewise):
        return slope
    return sp.Piecewise(*(branch for branch in slope.args if not branch.expr.has(sp.zoo, sp.nan)), evaluate=False)


def flat(expression: sp.Expr) -> sp.Expr:
    """A Piecewise whose last branch is a Piecewise, as one."""
    if not isinstance(expression, sp.Piecewise):
        return expression
    *first, (last, where) = expression.args
    last = flat(last)
    if where != sp.true or not isinstance(last, sp.Piecewise):
        return expression
    return sp.Piecewise(*first, *last.args)
