"""What a function's derivative is where it has none: the slopes on both sides, and the choice between them."""

from collections.abc import Mapping

import sympy as sp

from torchstone.definitions import Function
from torchstone.derive.meaning import one_sided
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
        for side, name in (("-", "left"), ("+", "right")):
            limit = sp.Limit(slope.subs(where), variable, place, side)
            value = one_sided(limit)
            if isinstance(value, sp.Limit):
                raise ValueError(f"kinks: expected a slope on each side, got none for {function.name} at {place}{side}")
            sides.equation(limit, value, "limit", f"the slope from the {name}")
        notes.append(
            f"at {kink.locus} = 0{words}, every slope from {kink.accepted.start} to {kink.accepted.end} is accepted; "
            f"chosen: {kink.chosen}"
        )
    final = writing.chain("The gradient", lines.left).then(slope, "substitution", "the derivative from above")
    final.then(flat(function.gradient()), "convention", "; ".join(notes))


def flat(expression: sp.Expr) -> sp.Expr:
    """A Piecewise whose last branch is a Piecewise, as one."""
    if not isinstance(expression, sp.Piecewise):
        return expression
    *first, (last, where) = expression.args
    last = flat(last)
    if where != sp.true or not isinstance(last, sp.Piecewise):
        return expression
    return sp.Piecewise(*first, *last.args)
