"""How to differentiate: the rules of a textbook, one function each, and the table that holds them.

A rule takes a derivative that is still to be carried out and gives what it becomes, with the derivatives of the parts
left for the next step; or None where it does not apply. `differentiate` applies them to the end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from operator import mul
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef


class D(sp.Derivative):
    """A derivative still to be carried out: `D(x**2, x)` stays as it is, and so does `D(1, x)`.

    `doit()` has SymPy carry it out: a second opinion on the rules.
    """

    def __new__(cls, expression: sp.Expr, variable: sp.Expr | sp.Tuple) -> "D":  # SymPy rebuilds from a Tuple
        """SymPy's own would answer 0 at once where the variable does not occur."""
        counted = variable if isinstance(variable, sp.Tuple) else sp.Tuple(variable, 1)
        return sp.Expr.__new__(cls, sp.sympify(expression), counted)

    @property
    def variable(self) -> sp.Expr:
        """What it is taken with respect to."""
        return self.args[1][0]

    def doit(self, **hints: Any) -> sp.Expr:
        """The derivative, by SymPy."""
        return sp.diff(self.expr, self.variable)


def depends(expression: sp.Basic, variable: sp.Expr) -> bool:
    """Whether a variable occurs; of a vector's component, whether any component does: j may be k in x[j] and x[k]."""
    if isinstance(variable, sp.Indexed):
        return any(each.base == variable.base for each in expression.atoms(sp.Indexed))
    return variable in expression.free_symbols


def _split(expression: sp.Expr, variable: sp.Expr) -> tuple[sp.Expr, list[sp.Expr]]:
    """A product's constant factor, and the factors that depend on the variable."""
    factors = sp.Mul.make_args(expression)
    moving = [each for each in factors if depends(each, variable)]
    return reduce(mul, (each for each in factors if each not in moving), sp.S.One), moving


def _constant(d: D) -> sp.Expr | None:
    return None if depends(d.expr, d.variable) else sp.S.Zero


def _linear(d: D) -> sp.Expr | None:
    slopes = []
    for term in sp.Add.make_args(d.expr):
        slope, moving = _split(term, d.variable)
        if moving and moving != [d.variable]:
            return None
        slopes.append(slope if moving else sp.S.Zero)
    return sum(slopes, sp.S.Zero)


def _component(d: D) -> sp.Expr | None:
    both = (d.expr, d.variable)
    if not all(isinstance(each, sp.Indexed) for each in both) or d.expr.rank != d.variable.rank:
        return None
    return sp.Mul(*(sp.KroneckerDelta(*pair) for pair in zip(d.expr.indices, d.variable.indices, strict=True)))


def _sum(d: D) -> sp.Expr | None:
    return sp.Add(*(D(term, d.variable) for term in d.expr.args)) if d.expr.is_Add else None


def _sum_over_classes(d: D) -> sp.Expr | None:
    if not isinstance(d.expr, sp.Sum):
        return None
    return sp.Sum(D(d.expr.function, d.variable), *d.expr.limits)


def _factor(d: D) -> sp.Expr | None:
    constant, moving = _split(d.expr, d.variable)
    return None if constant == 1 or not moving else constant * D(sp.Mul(*moving), d.variable)


def _quotient(d: D) -> sp.Expr | None:
    f, g = sp.fraction(d.expr, exact=True)
    # A power of x, or a root in the denominator, is the power rule's.
    if not depends(g, d.variable) or (f == 1 and (g.is_Pow or g == d.variable)):
        return None
    return (D(f, d.variable) * g - f * D(g, d.variable)) / g**2


def _product(d: D) -> sp.Expr | None:
    _, moving = _split(d.expr, d.variable)
    if len(moving) < 2:
        return None
    return sp.Add(*(D(f, d.variable) * sp.Mul(*moving[:n], *moving[n + 1 :]) for n, f in enumerate(moving)))


def _power(d: D) -> sp.Expr | None:
    if not d.expr.is_Pow or d.expr.base == sp.E:
        return None
    f, g = d.expr.as_base_exp() if d.expr.exp.is_number else d.expr.args
    if not depends(g, d.variable):
        return g * f ** (g - 1) if f == d.variable else None
    return f**g * (D(g, d.variable) * sp.log(f) + g * D(f, d.variable) / f) if depends(f, d.variable) else None


def _exponential(d: D) -> sp.Expr | None:
    if isinstance(d.expr, sp.exp):
        return d.expr if d.expr.args[0] == d.variable else None
    if d.expr.is_Pow and d.expr.exp == d.variable and not depends(d.expr.base, d.variable):
        return d.expr * sp.log(d.expr.base)
    return None


def _logarithm(d: D) -> sp.Expr | None:
    return 1 / d.variable if d.expr == sp.log(d.variable) else None


# f'(u) of a function f of one argument.
ELEMENTARY: Mapping[Any, Callable[[sp.Expr], sp.Expr]] = {
    sp.sin: sp.cos,
    sp.cos: lambda u: -sp.sin(u),
    sp.tan: lambda u: 1 + sp.tan(u) ** 2,
    sp.asin: lambda u: 1 / sp.sqrt(1 - u**2),
    sp.acos: lambda u: -1 / sp.sqrt(1 - u**2),
    sp.atan: lambda u: 1 / (1 + u**2),
    sp.sinh: sp.cosh,
    sp.cosh: sp.sinh,
    sp.tanh: lambda u: 1 - sp.tanh(u) ** 2,
    sp.asinh: lambda u: 1 / sp.sqrt(1 + u**2),
    sp.acosh: lambda u: 1 / (sp.sqrt(u - 1) * sp.sqrt(u + 1)),
    sp.atanh: lambda u: 1 / (1 - u**2),
    sp.erf: lambda u: 2 / sp.sqrt(sp.pi) * sp.exp(-(u**2)),
    sp.erfc: lambda u: -2 / sp.sqrt(sp.pi) * sp.exp(-(u**2)),
    sp.Abs: sp.sign,
    sp.sign: lambda u: sp.S.Zero,
}


def _elementary(d: D) -> sp.Expr | None:
    slope = ELEMENTARY.get(type(d.expr))
    return slope(d.variable) if slope and d.expr.args[0] == d.variable else None


def inner(d: D) -> sp.Expr | None:
    """u, where what is differentiated is a function f(u) of an inner u that isn't the variable itself."""
    expression = d.expr
    if isinstance(expression, (sp.exp, sp.log)) or type(expression) in ELEMENTARY:
        u = expression.args[0]
    elif expression.is_Pow:
        u = next((each for each in expression.args if depends(each, d.variable)), d.variable)
        if sum(depends(each, d.variable) for each in expression.args) > 1:
            return None
    else:
        return None
    return None if u == d.variable else u


def outer(d: D) -> D | None:
    """d/du f(u), in a variable u of its own, where what is differentiated is a function of an inner one."""
    v, u = inner(d), sp.Dummy("u", real=True)
    return None if v is None else D(d.expr.func(*(u if each == v else each for each in d.expr.args)), u)


def _chain(d: D) -> sp.Expr | None:
    outside = outer(d)
    if outside is None:
        return None
    return apply(outside)[1].xreplace({outside.variable: inner(d)}) * D(inner(d), d.variable)


def _piecewise(d: D) -> sp.Expr | None:
    if isinstance(d.expr, (sp.Max, sp.Min)):
        return D(d.expr.rewrite(sp.Piecewise), d.variable)
    if not isinstance(d.expr, sp.Piecewise):
        return None
    return sp.Piecewise(*((D(branch, d.variable), where) for branch, where in d.expr.args))


def _unknown(d: D) -> sp.Expr | None:
    if not isinstance(d.expr, AppliedUndef) or d.expr.args != (d.variable,):
        return None
    return sp.Derivative(d.expr, d.variable)


@dataclass(frozen=True)
class Rule:
    """A rule of differentiation: its mathematics, in one line, and the function that applies it."""

    mathematics: str
    apply: Callable[[D], sp.Expr | None]

    def __call__(self, d: D) -> sp.Expr | None:
        """What the derivative becomes; None where the rule does not apply."""
        return self.apply(d)


# The first that applies is taken.
RULES: Mapping[str, Rule] = {
    "constant": Rule("c' = 0", _constant),
    "linear": Rule("(a x + b)' = a", _linear),
    "component": Rule("∂x_j/∂x_k = δ_jk", _component),
    "sum": Rule("(f + g)' = f' + g'", _sum),
    "sum over classes": Rule("(Σ_j f_j)' = Σ_j f_j'", _sum_over_classes),
    "piecewise": Rule("branch by branch, between the kinks", _piecewise),
    "factor": Rule("(c f)' = c f'", _factor),
    "quotient": Rule("(f/g)' = (f' g - f g') / g²", _quotient),
    "product": Rule("(f g)' = f' g + f g'", _product),
    "power": Rule("(x^n)' = n x^(n-1);  (f^g)' = f^g (g' log f + g f'/f)", _power),
    "exponential": Rule("(e^x)' = e^x;  (a^x)' = a^x log a", _exponential),
    "logarithm": Rule("(log x)' = 1/x", _logarithm),
    "elementary": Rule("sin' = cos, tanh' = 1 - tanh², erf'(x) = 2 e^(-x²)/√π, ...", _elementary),
    "unknown function": Rule("f(x)' = f'(x)", _unknown),
    "chain": Rule("(f(u))' = f'(u) u'", _chain),
}


def apply(d: D) -> tuple[str, sp.Expr]:
    """The name of the first rule that applies, and what it gives. Raises `ValueError` where none does."""
    for name, rule in RULES.items():
        result = rule(d)
        if result is not None:
            return name, result
    raise ValueError(f"expression: expected functions with a known derivative, got {d.expr}")


def sift(expression: sp.Expr) -> sp.Expr:
    """A sum over classes from which a δ_jk picks the one with j = k: Σ_j f_j δ_jk = f_k.

    k must be one of the classes that the sum runs over, as every component of a vector is. A sum of another shape
    comes back unchanged.

    >>> j, k, n = sp.symbols("j k n", integer=True, positive=True)
    >>> sift(sp.Sum(sp.IndexedBase("x")[j] * sp.KroneckerDelta(j, k), (j, 1, n)))
    x[k]
    """
    if not isinstance(expression, sp.Sum) or len(expression.limits) != 1:
        return expression
    index = expression.limits[0][0]
    factors = sp.Mul.make_args(expression.function)
    for delta in factors:
        if isinstance(delta, sp.KroneckerDelta) and index in delta.args:
            other = next(each for each in delta.args if each != index)
            return sp.Mul(*(each for each in factors if each != delta)).xreplace({index: other})
    return expression


@cache
def differentiate(expression: sp.Expr, variable: sp.Expr) -> sp.Expr:
    """The derivative, by the rules alone. Raises `ValueError` for a function without a known derivative.

    >>> x = sp.Symbol("x", real=True)
    >>> differentiate(1 / (1 + sp.exp(-x)), x)
    exp(-x)/(1 + exp(-x))**2
    """
    return carry_out(apply(D(expression, variable))[1])


def carry_out(expression: sp.Expr) -> sp.Expr:
    """An expression with every `D` in it carried out."""
    if isinstance(expression, D):
        return differentiate(expression.expr, expression.variable)
    if not expression.has(D):
        return expression
    return sift(expression.func(*(carry_out(each) for each in expression.args)))
