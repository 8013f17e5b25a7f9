"""SymPy expressions as LaTeX and as a line of Unicode: the one place where formulas are written.

What was put together without evaluation stays in the order in which it was written; what SymPy has sorted is
sorted again as in a textbook: 1 + e^{-x}, 2x + 3, y (1 - y).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.conventions import requires_partial

from torchstone.report._notations import (
    ATOM,
    FRACTION,
    POWER,
    PREFIX,
    PRODUCT,
    SUM,
    Latex,
    Notation,
    Piece,
    Unicode,
    split_name,
)

Definitions = Mapping[sp.Basic, sp.Basic]


def latex(expression: sp.Basic, definitions: Definitions = MappingProxyType({})) -> str:
    r"""LaTeX, in the strict form that `torchstone prove` reads.

    `definitions` tell what symbols stand for: with u = w x + b, the derivative of u by b is a partial one.

    >>> x, w, u = sp.symbols("x w_1 u")
    >>> print(latex(1 / (1 + sp.exp(-x))))
    \frac{1}{1 + e^{-x}}
    >>> print(latex(sp.Derivative(sp.tanh(w * x + 3), w)))
    \frac{\partial}{\partial w_1} \, \tanh(w_1 x + 3)
    >>> print(latex(sp.Derivative(u, x, evaluate=False), {u: w * x}))
    \frac{\partial u}{\partial x}
    """
    return _Writer(Latex(), definitions).piece(expression).text


def unicode(expression: sp.Basic, definitions: Definitions = MappingProxyType({})) -> str:
    """One line for a terminal.

    >>> x, y = sp.symbols("x y")
    >>> unicode(sp.exp(-x) / (1 + sp.exp(-x)) ** 2), unicode(y * (1 - y)), unicode(sp.exp(2 * x + 3))
    ('e⁻ˣ/(1 + e⁻ˣ)²', 'y·(1 - y)', 'e²ˣ⁺³')
    """
    return _Writer(Unicode(), definitions).piece(expression).text


class _Writer:
    """Writes an expression in a notation."""

    def __init__(self, notation: Notation, definitions: Definitions) -> None:
        self.n, self.definitions = notation, definitions

    def piece(self, expression: sp.Basic) -> Piece:
        """The expression as a piece, written as the nearest class of the table that it is a kind of."""
        for kind in type(expression).__mro__:
            if kind in _TABLE:
                return _TABLE[kind](self, expression)
        return Piece(str(expression), SUM)

    def text(self, expression: Any) -> str:
        return self.piece(sp.sympify(expression)).text

    def listed(self, expressions: Iterable[Any]) -> str:
        return ", ".join(map(self.text, expressions))

    # Names and numbers

    def symbol(self, symbol: sp.Symbol) -> Piece:
        return Piece(self.n.symbol(symbol.name))

    def vector(self, base: sp.IndexedBase) -> Piece:
        return Piece(self.n.symbol(str(base.label), bold=True))

    def indexed(self, element: sp.Indexed) -> Piece:
        texts = [self.text(index) for index in element.indices]
        together = "" if all(len(text) == 1 for text in texts) else ","
        label = str(element.base.label)
        call = _CALL.fullmatch(label)  # of a vector: softmax(z)_i
        if call:
            base = self.n.function(call[1]) + self.n.bracketed(self.n.symbol(call[2], bold=True))
        else:
            base = self.n.symbol(label)
        return Piece(self.n.subscripted(base, together.join(texts)))

    def integer(self, number: sp.Integer) -> Piece:
        return Piece(str(number), ATOM if number >= 0 else SUM)

    def float(self, number: sp.Float) -> Piece:
        text = re.sub(r"\.?0+$", "", str(number)) if "e" not in str(number) else str(number)
        return Piece(text, ATOM if number >= 0 else SUM)

    # Sums and products

    def add(self, total: sp.Add) -> Piece:
        text = ""
        for term in _terms(total):
            negative, rest = _sign(term)
            body = self.n.at_least(self.piece(rest), PREFIX)
            text += (f" {'-' if negative else '+'} " if text else "-" * negative) + body
        return Piece(text, SUM)

    def mul(self, product: sp.Mul) -> Piece:
        negative, product = _sign(product)
        if negative:
            body = self.piece(product)
            return Piece(f"-{self.n.at_least(body, PREFIX)}", SUM)
        if not product.is_Mul:
            return self.piece(product)
        factors: list[Piece] = []
        for top, bottom in _quotients(product):
            # A sum sign or d/dx stands after the fraction: 1/K ∑ ...
            after = [each for each in map(self.piece, top) if each.level == PREFIX] if bottom else []
            above = [each for each in map(self.piece, top) if each not in after]
            if bottom:
                factors.append(self.quotient(above, [self.piece(each) for each in bottom]))
            factors += after if bottom else above
        return self.n.product(factors)

    def quotient(self, top: Sequence[Piece], bottom: Sequence[Piece]) -> Piece:
        return self.n.fraction(self.n.product(top) if top else Piece("1"), self.n.product(bottom))

    def rational(self, number: sp.Rational) -> Piece:
        body = self.n.fraction(Piece(str(abs(number.p))), Piece(str(number.q)))
        return body if number > 0 else Piece(f"-{body.text}", SUM)

    def power(self, power: sp.Pow) -> Piece:
        base, exponent = power.args
        if exponent == sp.Rational(1, 2):
            return self.n.root(self.piece(base))
        if _is_below(power):
            return self.quotient((), (self.piece(_inverse(power)),))
        if isinstance(base, _ELEMENTARY) and exponent.is_Integer:
            name = self.n.raised(self.n.function(_name(base)), self.piece(exponent))
            return Piece(name + self.n.bracketed(self.listed(base.args)))
        return Piece(self.n.raised(self.n.at_least(self.piece(base), ATOM), self.piece(exponent)), POWER)

    def exp(self, call: sp.exp) -> Piece:
        return self.n.exponential(self.piece(call.args[0]))

    # Functions, derivatives, sums over an index

    def call(self, call: sp.Function) -> Piece:
        name, brackets = _name(call), "()"
        if name == "E" and isinstance(call, AppliedUndef):
            name, brackets = r"\mathbb{E}" if isinstance(self.n, Latex) else "E", "[]"
        else:
            name = self.n.function(name)
        return Piece(name + self.n.bracketed(self.listed(call.args), brackets))

    def absolute(self, call: sp.Abs) -> Piece:
        return Piece(self.n.bracketed(self.text(call.args[0]), "||"))

    def delta(self, delta: sp.KroneckerDelta) -> Piece:
        texts = [self.text(index) for index in delta.args[:2]]
        return Piece(self.n.subscripted(self.n.symbol("delta"), ("" if len("".join(texts)) == 2 else ",").join(texts)))

    def derivative(self, derivative: sp.Derivative) -> Piece:
        body, variables = derivative.expr, derivative.variable_count
        if _is_slope(derivative, variables[0][0]) and not variables[0][0].is_Symbol:
            return self.slope(derivative, variables[0][0])
        atom = isinstance(body, sp.Symbol | sp.Indexed) and body != variables[0][0]
        partial = self.is_partial(body, [each for each, _ in variables]) if atom else requires_partial(derivative)
        d = ("\\partial", "∂")[self.n.column] if partial else "d"
        space = " " if partial and isinstance(self.n, Latex) else ""
        order = sum(count for _, count in variables)
        top = d if order == 1 else self.n.raised(d, self.piece(sp.Integer(order)))
        bottom = " ".join(
            f"{d}{space}{name if count == 1 else self.n.raised(name, self.piece(count))}"
            for name, count in ((self.text(each), count) for each, count in variables)
        )
        if atom:
            return Piece(self.n.fraction(Piece(f"{top}{space}{self.text(body)}"), Piece(bottom)).text, FRACTION)
        operator = self.n.fraction(Piece(top), Piece(bottom)).text
        return Piece(operator + self.n.space + self.n.at_least(self.piece(body), self.n.inline), PREFIX)

    def is_partial(self, symbol: sp.Basic, variables: Sequence[sp.Basic]) -> bool:
        """Whether what a symbol stands for holds other variables too; a guess by the names where nothing is known."""
        meaning = self.definitions.get(symbol)
        for _ in self.definitions:
            if meaning is not None and not set(variables) & meaning.free_symbols:
                meaning = meaning.xreplace(dict(self.definitions))
        if meaning is not None and set(variables) <= meaning.free_symbols:
            return len(meaning.free_symbols) > 1
        return any(isinstance(each, sp.Indexed) or split_name(str(each))[2] for each in variables)

    def slope(self, derivative: sp.Derivative, place: sp.Basic) -> Piece:
        """A derivative of an unknown function at a place: f'(g(x))."""
        marks = "'" * int(derivative.derivative_count)
        return Piece(self.n.function(_name(derivative.expr)) + marks + self.n.bracketed(self.text(place)))

    def substituted(self, at: sp.Subs) -> Piece:
        body, variables, places = at.args
        if len(variables) == 1 and _is_slope(body, variables[0]):
            return self.slope(body, places[0])
        where = [f"{self.text(v)} = {self.text(p)}" for v, p in zip(variables, places, strict=True)]
        return Piece(self.n.evaluated(self.piece(body), ", ".join(where)), FRACTION)

    def sigma(self, total: sp.Sum | sp.Product) -> Piece:
        kind = "sum" if isinstance(total, sp.Sum) else "prod"
        signs = []
        for index, *bounds in reversed(total.limits):
            lower = f"{self.text(index)}={self.text(bounds[0])}" if bounds else self.text(index)
            signs.append(self.n.big(kind, lower, self.text(bounds[1]) if bounds else ""))
        return Piece(f"{' '.join(signs)} {self.n.at_least(self.piece(total.function), PRODUCT)}", PREFIX)

    def integral(self, integral: sp.Integral) -> Piece:
        variable, *bounds = integral.limits[0]
        sign = self.n.big("int", *map(self.text, bounds)) if len(bounds) == 2 else ("\\int", "∫")[self.n.column]
        return Piece(f"{sign} {self.n.at_least(self.piece(integral.function), PRODUCT)} d{self.text(variable)}", PREFIX)

    def limit(self, limit: sp.Limit) -> Piece:
        body, variable, place, side = limit.args
        where = self.text(place)
        if str(side) in ("+", "-"):
            where = self.n.raised(self.n.at_least(self.piece(place), ATOM), Piece(str(side)))
        sign = self.n.big("lim", f"{self.text(variable)} {self.n.relation('to')} {where}", "")
        return Piece(f"{sign} {self.n.at_least(self.piece(body), PRODUCT)}", PREFIX)

    def piecewise(self, cases: sp.Piecewise) -> Piece:
        rows = [(self.text(value), None if when == sp.true else self.text(when)) for value, when in cases.args]
        return Piece(self.n.cases(rows))

    # Relations and sets

    def relation(self, relation: sp.core.relational.Relational) -> Piece:
        sign = self.n.relation({"==": "="}.get(relation.rel_op, relation.rel_op))
        return Piece(f"{self.text(relation.lhs)} {sign} {self.text(relation.rhs)}", SUM)

    def logic(self, formula: sp.Basic) -> Piece:
        word = f" {self.n.relation('and' if isinstance(formula, sp.And) else 'or').strip()} "
        return Piece(word.join(map(self.text, formula.args)), SUM)

    def member(self, claim: sp.Contains) -> Piece:
        return Piece(f"{self.text(claim.args[0])} {self.n.relation('in')} {self.text(claim.args[1])}", SUM)

    def interval(self, interval: sp.Interval) -> Piece:
        ends = self.listed((interval.start, interval.end))
        return Piece(("(" if interval.left_open else "[") + ends + (")" if interval.right_open else "]"))

    def union(self, union: sp.Union) -> Piece:
        return Piece(f" {self.n.relation('union')} ".join(map(self.text, union.args)))

    def finite_set(self, elements: sp.FiniteSet) -> Piece:
        return Piece(self.n.bracketed(self.listed(elements.args), "{}"))

    def tuple(self, parts: sp.Tuple) -> Piece:
        return Piece(self.n.bracketed(self.listed(parts)))

    def constant(self, name: str) -> Piece:
        return Piece(self.n.constant(name))


def _fixed(name: str) -> Callable[[_Writer, Any], Piece]:
    return lambda writer, _: writer.constant(name)


_TABLE: dict[type, Callable[[_Writer, Any], Piece]] = {
    sp.Symbol: _Writer.symbol,
    sp.IndexedBase: _Writer.vector,
    sp.Indexed: _Writer.indexed,
    sp.Integer: _Writer.integer,
    sp.Rational: _Writer.rational,
    sp.Float: _Writer.float,
    sp.Add: _Writer.add,
    sp.Mul: _Writer.mul,
    sp.Pow: _Writer.power,
    sp.exp: _Writer.exp,
    sp.Function: _Writer.call,
    sp.Abs: _Writer.absolute,
    sp.Max: _Writer.call,
    sp.Min: _Writer.call,
    sp.KroneckerDelta: _Writer.delta,
    sp.Derivative: _Writer.derivative,
    sp.Subs: _Writer.substituted,
    sp.Sum: _Writer.sigma,
    sp.Product: _Writer.sigma,
    sp.Integral: _Writer.integral,
    sp.Limit: _Writer.limit,
    sp.Piecewise: _Writer.piecewise,
    sp.core.relational.Relational: _Writer.relation,
    sp.And: _Writer.logic,
    sp.Or: _Writer.logic,
    sp.Contains: _Writer.member,
    sp.Interval: _Writer.interval,
    sp.FiniteSet: _Writer.finite_set,
    sp.Union: _Writer.union,
    sp.Tuple: _Writer.tuple,
    sp.UnevaluatedExpr: lambda writer, held: writer.piece(held.args[0]),
    type(sp.oo): _fixed("infinity"),
    type(-sp.oo): lambda writer, _: Piece(f"-{writer.n.constant('infinity')}", SUM),
    type(sp.pi): _fixed("pi"),
    type(sp.E): _fixed("e"),
    type(sp.S.Reals): _fixed("reals"),
    type(sp.S.Integers): _fixed("integers"),
    type(sp.S.Naturals): _fixed("naturals"),
}


def _is_slope(derivative: sp.Basic, variable: sp.Basic) -> bool:
    """Whether it is the derivative of an unknown function f(u) by u."""
    if not isinstance(derivative, sp.Derivative) or not isinstance(derivative.expr, AppliedUndef):
        return False
    return derivative.expr.args == (variable,) and {each for each, _ in derivative.variable_count} == {variable}


_CALL = re.compile(r"(\w+)\((\w+)\)")
_ELEMENTARY = (sp.sin, sp.cos, sp.tan, sp.sinh, sp.cosh, sp.tanh)
_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "Max": "max", "Min": "min", "Heaviside": "H"}


def _name(call: sp.Basic) -> str:
    name = type(call).__name__ if not isinstance(call, AppliedUndef) else call.func.__name__
    return _NAMES.get(name, name)


def _sign(term: sp.Basic) -> tuple[bool, sp.Basic]:
    """Whether a minus stands before it, and what follows the minus."""
    if term.is_Number and term.is_negative:
        return True, -term
    if term.is_Mul and term.args[0].is_Number and term.args[0].is_negative:
        first, *rest = term.args
        kept = [-first, *rest] if first != -1 else rest
        return True, kept[0] if len(kept) == 1 else type(term)(*kept, evaluate=False)
    return False, term


def _terms(total: sp.Add) -> list[sp.Basic]:
    """The terms in the order in which they are written."""
    if total.args != sp.Add(*total.args).args:
        return list(total.args)
    polynomial = total.is_polynomial(*(total.free_symbols - total.atoms(sp.IndexedBase)))
    terms = list(total.as_ordered_terms(order="grlex") if polynomial else total.args)
    front = next((n for n, term in enumerate(terms) if not _sign(term)[0]), 0)
    return [terms[front], *terms[:front], *terms[front + 1 :]]


def _quotients(product: sp.Mul) -> list[tuple[list[sp.Basic], list[sp.Basic]]]:
    """The product as fractions that are multiplied, each by what stands above and below its line."""
    canonical = product.args == sp.Mul(*product.args).args
    factors = sorted(product.as_ordered_factors(), key=_place) if canonical else product.args
    groups: list[tuple[list[sp.Basic], list[sp.Basic]]] = [([], [])]
    for factor in factors:
        apart = factor.is_Mul and any(map(_is_below, factor.args)) and not _is_below(factor)
        if apart or (not canonical and groups[-1][1] and not _is_below(factor)):
            groups.append(([], []))
        top, bottom = groups[-1]
        if factor.is_Rational and not factor.is_Integer and canonical:
            top += [sp.Integer(factor.p)] * (factor.p != 1)
            bottom.append(sp.Integer(factor.q))
        elif _is_below(factor):
            bottom.append(_inverse(factor))
        else:
            top.append(factor)
        if apart:
            groups.append(([], []))
    return [group for group in groups if group[0] or group[1]]


def _place(factor: sp.Basic) -> int:
    """Where a factor stands in a textbook's product: numbers, letters, brackets, functions, brackets of functions."""
    body = factor.base if factor.is_Pow else factor
    simple = isinstance(body, sp.Add) and not body.has(sp.Function)
    kinds = (sp.Number, sp.NumberSymbol, (sp.Symbol, sp.Indexed), sp.Add if simple else (), sp.Function, sp.Add)
    return next((n for n, kind in enumerate(kinds) if isinstance(body, kind)), len(kinds))


def _is_below(factor: sp.Basic) -> bool:
    """Whether it stands below a line: a power with a negative number as exponent, or a product of them."""
    if factor.is_Mul:
        return all(map(_is_below, factor.args))
    return bool(factor.is_Pow and factor.exp.is_Rational and factor.exp.is_negative)


def _inverse(factor: sp.Basic) -> sp.Basic:
    if factor.is_Mul:
        return sp.Mul(*map(_inverse, factor.args), evaluate=False)
    return factor.base if factor.exp == -1 else sp.Pow(factor.base, -factor.exp, evaluate=False)
