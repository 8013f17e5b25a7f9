"""Expressions as somebody wrote them: nothing put in, nothing carried out, nothing tidied."""

from collections.abc import Iterable

import sympy as sp
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter


class _Written(sp.Expr):
    """What is only written down. Meaning comes with `Expansion`."""

    precedence = PRECEDENCE["Func"]

    is_commutative = True
    is_number = False

    def __new__(cls, *args: object) -> "_Written":
        return sp.Expr.__new__(cls, *map(sp.sympify, args))

    def _eval_is_extended_real(self) -> bool:
        return True


class Slope(_Written):
    """The derivative of an expression: `Slope(e, x, n)`, n times with respect to x."""


class Prime(_Written):
    """The derivative of a function at a place: `Prime(f(2*x), n)` is f with n primes, at 2*x."""


class Component(_Written):
    """A component of a function whose value is a vector: `Component(softmax(z), 1)`."""


class Inverse(_Written):
    """A function's inverse at a place: `Inverse(f(y))` is f^-1(y)."""


class Lim(_Written):
    """A limit: `Lim(e, x, 0, side)`, side one of the symbols +, -, +-."""


class Mean(_Written):
    """The expectation of an expression."""


class At(_Written):
    """An expression where a symbol has a value: `At(e, x, 0)`."""


def plus(terms: Iterable[sp.Expr]) -> sp.Expr:
    """A sum that keeps its terms."""
    listed = list(terms)
    return listed[0] if len(listed) == 1 else sp.Add(*listed, evaluate=False)


def times(*factors: sp.Expr) -> sp.Expr:
    """A product that keeps its factors."""
    flat = [part for factor in factors for part in (factor.args if _is_plain_product(factor) else (factor,))]
    return flat[0] if len(flat) == 1 else sp.Mul(*flat, evaluate=False)


def _is_plain_product(factor: sp.Expr) -> bool:
    return isinstance(factor, sp.Mul) and not any(map(_is_reciprocal, factor.args))


def negative(e: sp.Expr) -> sp.Expr:
    """The opposite; of a number, a number."""
    if e.is_Number:
        return -e
    factors = e.args if isinstance(e, sp.Mul) and not e.args[0].is_negative else (e,)
    return sp.Mul(sp.S.NegativeOne, *factors, evaluate=False)


def power(base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
    """A power; of Euler's number, the exponential function."""
    return sp.exp(exponent, evaluate=False) if base == sp.E else sp.Pow(base, exponent, evaluate=False)


def over(top: sp.Expr, bottom: sp.Expr) -> sp.Expr:
    """A quotient; of two whole numbers, a number."""
    if top.is_Integer and bottom.is_Integer:
        return sp.Rational(top, bottom)
    return sp.Mul(top, sp.Pow(bottom, -1, evaluate=False), evaluate=False)


def _is_reciprocal(factor: sp.Expr) -> bool:
    return bool(factor.is_Pow and factor.exp == -1)


class _Printer(StrPrinter):
    """SymPy's plain text, with the terms in the order in which they were written."""

    def _print_Exp1(self, _: sp.Expr) -> str:
        return "e"

    def _print_Slope(self, e: Slope) -> str:
        body, variable, order = e.args
        times = "" if order == 1 else f"^{order}"
        if body.is_Symbol or isinstance(body, sp.Indexed):
            return f"d{times}{self._print(body)}/d{self._print(variable)}{times}"
        return f"d{times}/d{self._print(variable)}{times} {self.parenthesize(body, PRECEDENCE['Func'], strict=True)}"

    def _print_Prime(self, e: Prime) -> str:
        call, order = e.args
        return f"{call.func.__name__}{chr(39) * int(order)}({self.stringify(call.args, ', ')})"

    def _print_Component(self, e: Component) -> str:
        return f"{self._print(e.args[0])}[{self.stringify(e.args[1:], ', ')}]"

    def _print_Inverse(self, e: Inverse) -> str:
        call = e.args[0]
        return f"{call.func.__name__}^-1({self.stringify(call.args, ', ')})"

    def _print_Lim(self, e: Lim) -> str:
        body, symbol, place, side = e.args
        toward = self._print(place) + ("" if side.name == "+-" else side.name)
        return f"lim({self._print(body)}, {self._print(symbol)} -> {toward})"

    def _print_Mean(self, e: Mean) -> str:
        return f"E[{self._print(e.args[0])}]"

    def _print_At(self, e: At) -> str:
        body, symbol, value = e.args
        where = f"at {self._print(symbol)} = {self._print(value)}"
        return f"{self.parenthesize(body, PRECEDENCE['Func'], strict=True)} {where}"

    def _print_Sum(self, e: sp.Sum, word: str = "sum") -> str:
        limits = ", ".join(f"{v} = {self._print(a)}..{self._print(b)}" for v, a, b in e.limits)
        return f"{word}({self._print(e.function)}, {limits})"

    def _print_Product(self, e: sp.Product) -> str:
        return self._print_Sum(e, "product")

    def _print_Mul(self, e: sp.Mul) -> str:
        sign = "-" if sum(factor == -1 for factor in e.args) % 2 else ""
        factors = [factor for factor in e.args if factor != -1]
        above = [factor for factor in factors if not _is_reciprocal(factor)]
        below = [factor.base for factor in factors if _is_reciprocal(factor)]
        shown = [self.parenthesize(each, PRECEDENCE["Mul"]) for each in above]
        if above and above[0].is_Mul and not any(map(_is_reciprocal, above[0].args)) and above[0].args[0] != -1:
            shown[0] = self._print(above[0])
        # A quotient within a product stands in brackets, so that nobody reads a/b*c two ways.
        text = "*".join(shown) or "1"
        return sign + text + "".join("/" + self.parenthesize(each, PRECEDENCE["Pow"], strict=True) for each in below)

    def _print_Piecewise(self, e: sp.Piecewise) -> str:
        rows = [f"{self._print(value)} if {self._print(condition)}" for value, condition in e.args]
        return f"cases({'; '.join(rows).replace(' if True', ' otherwise')})"

    def _print_exp(self, e: sp.exp) -> str:
        return f"exp({self._print(e.args[0])})"


_PRINTER = _Printer({"order": "none"})


def plain(expression: sp.Basic) -> str:
    """An expression as plain text, as it was written.

    >>> import sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> plain(over(sp.Integer(1), plus([sp.Integer(1), sp.exp(negative(x), evaluate=False)])))
    '1/(1 + exp(-x))'
    >>> plain(Slope(sp.Function("sigma")(x), x, 1))
    'd/dx sigma(x)'
    """
    return str(_PRINTER.doprint(expression))
