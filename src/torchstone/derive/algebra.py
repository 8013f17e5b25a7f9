"""The algebra between the derivative and the form that people know: identities by name, one function each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sympy as sp

from torchstone.definitions.calculus import D


@dataclass(frozen=True)
class Identity:
    """A named step of algebra: its mathematics, in one line, and the function that takes it."""

    mathematics: str
    apply: Callable[[sp.Expr], sp.Expr]

    def __call__(self, expression: sp.Expr) -> sp.Expr:
        """The expression after the step; the same where there is nothing to do."""
        return self.apply(expression)


def split(expression: sp.Expr) -> sp.Expr:
    """(a + b)/c = a/c + b/c."""
    top, bottom = sp.fraction(expression, exact=True)
    return sp.Add(*(term / bottom for term in sp.Add.make_args(top)))


def collected(expression: sp.Expr) -> sp.Expr:
    """The top of a fraction multiplied out, and what is common to its terms in front."""
    top, bottom = sp.fraction(expression, exact=True)
    return factored(sp.expand_mul(top)) / bottom


def factored(expression: sp.Expr) -> sp.Expr:
    """a b + a c = a (b + c), without a sign in front where a sum can take it: s (1 - s), not -s (s - 1)."""
    # What the terms share comes out first: x s (1 - s) + s is s (x (1 - s) + 1), and need not be multiplied out.
    result = sp.factor_terms(expression)
    result = result if result.is_Mul and result != expression else sp.factor(expression)
    if result.is_Mul and result.args[0] == -1:
        total = next((each for each in result.args if each.is_Add), None)
        if total is not None:
            return sp.Mul(*(_opposite(each) if each == total else each for each in result.args[1:]))
    return result


def _opposite(total: sp.Expr) -> sp.Expr:
    return sp.Add(*(-each for each in total.args))


def logarithm(expression: sp.Expr) -> sp.Expr:
    """-log(a/b) = log(b/a)."""
    return expression.replace(
        lambda each: each.is_Mul and each.args[0] == -1 and len(each.args) == 2 and isinstance(each.args[1], sp.log),
        lambda each: sp.log(1 / each.args[1].args[0]),
    )


def pythagoras(expression: sp.Expr) -> sp.Expr:
    """sin² + cos² = 1, where both stand in one sum."""
    a = sp.Wild("a")
    return expression.replace(lambda each: each.is_Add, lambda each: _one(each, a))


def _one(total: sp.Expr, a: sp.Wild) -> sp.Expr:
    for term in total.args:
        match = term.match(sp.sin(a) ** 2)
        if match and sp.cos(match[a]) ** 2 in total.args:
            return total - term - sp.cos(match[a]) ** 2 + 1
    return total


def spread(expression: sp.Expr) -> sp.Expr:
    """Σ (a f_j + g_j) = a Σ f_j + Σ g_j."""
    return expression.replace(lambda each: isinstance(each, sp.Sum) and len(each.limits) == 1, _spread)


def _spread(total: sp.Expr) -> sp.Expr:
    index = total.limits[0][0]
    parts = []
    for term in sp.Add.make_args(sp.expand_mul(total.function)):
        outside, inside = term.as_independent(index, as_Add=False)
        parts.append(outside * sp.Sum(inside, *total.limits))
    return sp.Add(*parts)


def _evaluated(expression: sp.Expr) -> sp.Expr:
    """The expression built anew, so that what stood unevaluated is carried out."""
    if not expression.args or isinstance(expression, sp.Indexed):
        return expression
    return expression.func(*(_evaluated(each) for each in expression.args))


IDENTITIES: Mapping[str, Identity] = {
    "arithmetic": Identity("numbers and like terms together", _evaluated),
    "common denominator": Identity("a/c + b/d = (a d + b c)/(c d)", sp.together),
    "split the fraction": Identity("(a + b)/c = a/c + b/c", split),
    "cancel": Identity("(a c)/(b c) = a/b", sp.cancel),
    "expand": Identity("a (b + c) = a b + a c", sp.expand_mul),
    "factor": Identity("a b + a c = a (b + c)", factored),
    "collect the numerator": Identity("a b + a c - a b = a c", collected),
    "exponentials": Identity("e^a e^b = e^(a + b)", lambda e: sp.powsimp(sp.expand_mul(e), combine="exp")),
    "logarithm of a quotient": Identity("-log(a/b) = log(b/a)", logarithm),
    "split the sum": Identity("Σ (a f_j + g_j) = a Σ f_j + Σ g_j", spread),
    "sin² + cos² = 1": Identity("sin² x + cos² x = 1", pythagoras),
    "simplify": Identity("SymPy's simplify: a last resort", sp.simplify),
}


def renamed(expression: sp.Expr, what: sp.Expr, name: sp.Expr) -> sp.Expr:
    """The expression with a name for what it stands for, inside of derivatives too."""
    if isinstance(expression, D):
        return D(renamed(expression.expr, what, name), expression.variable)
    if not expression.has(D):
        return expression.subs(what, name)
    return expression.func(*(renamed(each, what, name) for each in expression.args))


def place(expression: sp.Basic, values: Mapping[sp.Basic, sp.Basic]) -> sp.Basic:
    """The expression with values put in as they are: 1 + u with u = 1/y - 1 is 1 + (1/y - 1), not 1/y."""
    if expression in values:
        return values[expression]
    if not any(each in values for each in sp.preorder_traversal(expression)):
        return expression
    args = [place(each, values) for each in expression.args]
    if isinstance(expression, sp.Add | sp.Mul | sp.Pow | sp.exp | sp.log):
        return expression.func(*args, evaluate=False)
    return expression.func(*args)


def extended(expression: sp.Expr, by: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """A fraction with top and bottom multiplied by the same: as it is written down, and multiplied out."""
    top, bottom = sp.fraction(expression, exact=True)
    shown = sp.Mul(
        sp.Mul(top, by, evaluate=False), sp.Pow(sp.Mul(bottom, by, evaluate=False), -1, evaluate=False), evaluate=False
    )
    multiplied = [sp.powsimp(sp.expand_mul(by * each), combine="exp") for each in (top, bottom)]
    return shown, multiplied[0] / multiplied[1]
