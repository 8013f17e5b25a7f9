"""The derivative of any formula: by the rules, tidied, and in terms of its value where it can be."""

import sympy as sp

from torchstone.definitions import COMPONENT, Function, Input
from torchstone.definitions.calculus import D, depends
from torchstone.derive.algebra import IDENTITIES
from torchstone.derive.shared import IS_A_CLASS
from torchstone.derive.solving import solve
from torchstone.derive.writing import Lines, Writing

_TIDYING = ("common denominator", "factor", "cancel", "collect the numerator", "sin² + cos² = 1", "exponentials")
_LONGEST = 80  # operations: a longer expression is left as the rules made it


def chosen(name: str, symbols: tuple[sp.Basic, ...]) -> sp.Basic:
    """The symbol of that name, with or without underscores."""
    for symbol in symbols:
        if str(symbol).replace("_", "") == name.strip().replace("_", ""):
            return symbol
    raise ValueError(f"wrt: expected one of {', '.join(map(str, symbols)) or 'no symbols'}, got {name!r}")


def tidy(lines: Lines) -> Lines:
    """Write the identity that makes the last line shortest, as long as one does."""
    while sp.count_ops(lines.expression) <= _LONGEST and not lines.expression.has(sp.Piecewise, sp.Sum):
        fractions = any(each.exp.could_extract_minus_sign() for each in lines.expression.atoms(sp.Pow))
        names = [name for name in _TIDYING if fractions or name != "common denominator"]
        forms = {name: IDENTITIES[name](lines.expression) for name in names}
        best = min(forms, key=lambda name: sp.count_ops(forms[name]))
        if sp.count_ops(forms[best]) >= sp.count_ops(lines.expression):
            break
        lines.by(best)
    return lines


def of_formula(formula: sp.Expr, text: str, wrt: str | None, value: str | None) -> Writing:
    """A chain for each symbol, or for the one that was asked for; or the one chain in terms of the value."""
    symbols = tuple(sorted(formula.free_symbols, key=str))
    if not symbols:
        raise ValueError(f"what: expected a formula with a symbol to differentiate by, got {text!r}")
    variables = symbols if wrt is None else (chosen(wrt, symbols),)
    writing = Writing(text, f"The derivative of {text}")
    if value is not None:
        if len(variables) != 1:
            raise ValueError(f"wrt: expected one of {', '.join(map(str, symbols))} with in_terms_of, got none")
        _in_terms_of(writing, D(formula, variables[0]), formula, variables[0], value)
        return writing
    for variable in variables:
        heading = "The derivative" if len(variables) == 1 else f"By {variable}"
        tidy(writing.chain(heading, D(formula, variable)).differentiate())
    return writing


def of_input(writing: Writing, function: Function, entry: Input) -> None:
    """The derivative of a definition by an input that isn't the prediction."""
    variable = entry.symbol[COMPONENT] if entry.is_vector else entry.symbol
    if entry.is_vector:
        writing.given.append(IS_A_CLASS)
    name = (
        sp.Symbol("L", real=True) if function.kind == "loss" else sp.Function(function.name)(function.prediction.symbol)
    )
    writing.define(name, function.expression)
    lines = writing.chain("The derivative", D(name, variable))
    tidy(lines.then(D(function.expression, variable), "definition", f"of {function.name}").differentiate())


def in_terms_of(writing: Writing, name: str, function: Function, entry: Input, value: str) -> None:
    """The derivative of a definition, in terms of its value."""
    if function.is_vector:
        raise ValueError(f"in_terms_of: expected a function of one number, got {name}")
    expression = function.expression
    for parameter in function.parameters:
        if parameter.default is not None and not parameter.default.is_finite:
            expression = expression.subs(parameter.symbol, parameter.default)
    call = sp.Symbol("L", real=True) if function.kind == "loss" else sp.Function(name)(entry.symbol)
    if name == "tanh":  # e^x and e^(-x) both occur: as a function of its own it is solved at once
        call, expression = sp.tanh(entry.symbol), sp.tanh(entry.symbol)
    else:
        writing.define(call, expression)
    _in_terms_of(writing, D(call, entry.symbol), expression, entry.symbol, value)


def _in_terms_of(writing: Writing, left: D, expression: sp.Expr, variable: sp.Symbol, value: str) -> None:
    if not value.isidentifier():
        raise ValueError(f"in_terms_of: expected a name for the value, got {value!r}")
    y = sp.Symbol(value, real=True)
    if y in expression.free_symbols:
        raise ValueError(f"in_terms_of: expected a name that is not in use, got {value!r}")
    lines = writing.chain("The derivative", left)
    if left != D(expression, variable):
        lines.then(D(expression, variable), "definition", f"of {left.expr}")
    lines.differentiate()
    slope = lines.expression
    generator = _generator(expression, slope, variable)
    writing.define(y, expression)
    solving = writing.chain(f"Solve for {generator}").equation(y, expression, "given")
    found = y if generator == expression else solve(solving, expression, y, generator)
    final = writing.chain(f"In terms of {y}", left).then(slope, "substitution", "the derivative from above")
    tidy(final.substitute({generator: found}).by("arithmetic"))


def _generator(expression: sp.Expr, slope: sp.Expr, variable: sp.Symbol) -> sp.Expr:
    """A part of the function that its derivative is a function of, and that stands in one place of it."""
    parts = [
        each for each in sp.postorder_traversal(expression) if isinstance(each, sp.Expr) and depends(each, variable)
    ]
    for part in sorted(set(parts), key=sp.count_ops, reverse=True):
        hidden = sp.Dummy("part", real=True)
        if not depends(slope.subs(part, hidden), variable) and expression.subs(part, hidden).count(hidden) == 1:
            return part
    raise ValueError(f"in_terms_of: expected a function whose derivative is one of its value, got {expression}")
