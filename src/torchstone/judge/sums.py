"""Sums and products in canonical form: constants pulled out, linear, one name for the index, deltas sifted."""

from collections.abc import Iterable
from itertools import permutations
from typing import Any

import sympy as sp

from torchstone.judge.functions import UnsupportedError
from torchstone.judge.powers import Powers
from torchstone.judge.tower import Poly, Quotient

_MOST_WRITTEN_OUT = 64
_MOST_PEELED = 4
_MOST_FAULHABER = 6


class Sums(Powers):
    """The rules for Sum and Product; a part of the Reader."""

    def sum(self, node: Any) -> Quotient:
        """A sum over one index after the other."""
        return self._repeated(node, plus=True)

    def product(self, node: Any) -> Quotient:
        """A product over one index after the other."""
        return self._repeated(node, plus=False)

    def _repeated(self, node: Any, plus: bool) -> Quotient:
        *inner, (index, low, high) = _sorted_limits(node)
        body = node.func(node.function, *inner) if inner else node.function
        if low.is_Integer and high.is_Integer and high - low <= _MOST_WRITTEN_OUT:
            return self._written_out(body, index, range(int(low), int(high) + 1), plus)
        if not high.is_finite and high.is_infinite:
            raise UnsupportedError("an infinite sum")
        if low != 1:  # counted from 1, all ranges of one length look alike
            body, high = body.subs(index, index + low - 1), sp.expand(high - low + 1)
        offset, rest = high.as_coeff_Add()
        if rest and offset and offset.is_Integer and abs(offset) <= _MOST_PEELED:
            return self._peeled(body, index, rest, int(offset), plus)
        return self._symbolic(body, index, high, plus)

    def _join(self, one: Quotient, other: Quotient, plus: bool) -> Quotient:
        return self.tower.add(one, other) if plus else self.tower.multiply(one, other)

    def _written_out(self, body: sp.Expr, index: sp.Symbol, values: range, plus: bool) -> Quotient:
        total = self.tower.number(0 if plus else 1)
        for value in values:
            total = self._join(total, self.read(body.subs(index, value)), plus)
        return total

    def _peeled(self, body: sp.Expr, index: sp.Symbol, high: sp.Expr, offset: int, plus: bool) -> Quotient:
        """The sum to n + 2 as the sum to n and two terms more; to n - 1 as one term less."""
        total = self._symbolic(body, index, high, plus)
        for step in range(1, offset + 1):
            total = self._join(total, self.read(body.subs(index, high + step)), plus)
        for step in range(0, offset, -1):
            term = self.read(body.subs(index, high + step))
            less = self.tower.negative(term) if plus else self.tower.power(term, -1)
            total = self._join(total, less, plus)
        return total

    def _symbolic(self, body: sp.Expr, index: sp.Symbol, high: sp.Expr, plus: bool) -> Quotient:
        body = _unshadowed(body, index)
        body = body.replace(sp.KroneckerDelta, lambda *sides: _alone(sides, index))
        for delta in sorted(body.atoms(sp.KroneckerDelta), key=sp.default_sort_key):
            other = {delta.args[0], delta.args[1]} - {index}
            if len(other) == 1 and index in delta.args and index not in (at := other.pop()).free_symbols:
                if not self._same_range(at, high):
                    raise UnsupportedError("a Kronecker delta between indices of different ranges")
                off = body.subs(delta, 0)
                at_index = [body.subs(delta, 1).subs(index, at), off.subs(index, at)]
                rest = self._symbolic(off, index, high, plus)
                met, missed = (self.read(each) for each in at_index)
                less = self.tower.negative(missed) if plus else self.tower.power(missed, -1)
                return self._join(self._join(rest, met, plus), less, plus)
        dummy = _dummy(body)
        self.bound[dummy] = (sp.S.One, high)
        try:
            value = self.read(body.subs(index, dummy))
            return self.sum_of(value, dummy, high) if plus else self.product_of(value, dummy, high)
        finally:
            del self.bound[dummy]

    def _same_range(self, at: sp.Expr, high: sp.Expr) -> bool:
        """Whether an index runs over 1..high: a free one does, by convention."""
        return all(self.bound[symbol][1] == high for symbol in at.free_symbols if symbol in self.bound)

    def sum_of(self, body: Quotient, dummy: sp.Symbol, high: sp.Expr) -> Quotient:
        """The sum over dummy = 1..high of what has been read."""
        tower = self.tower
        free, dependent = self._split(body.bottom, dummy)
        groups: dict[tuple[int, ...], dict[tuple[int, ...], Any]] = {}
        for exponents, coefficient in body.top.terms():
            inside = tuple(
                exponent if exponent and dummy in tower.generators[index].free else 0
                for index, exponent in enumerate(exponents)
            )
            outside = tuple(all_ - own for all_, own in zip(exponents, inside, strict=True))
            groups.setdefault(inside, {})[outside] = coefficient
        total = tower.number(0)
        for inside, terms in groups.items():
            factor = tower.make(tower.context.from_dict(terms), free)
            term = self._simple_sum(tower.make(tower.context.from_dict({inside: 1}), dependent), dummy, high)
            total = tower.add(total, tower.multiply(factor, term))
        return total

    def _split(self, poly: Poly, dummy: sp.Symbol) -> tuple[Poly, Poly]:
        """A polynomial as (free of the index) * (the factors that depend on it)."""
        tower = self.tower
        constant, factors = tower.factors(poly)
        free, dependent = tower.context.constant(constant), tower.one
        for factor, power in factors:
            if dummy in tower.free(factor):
                dependent = dependent * factor**power
            else:
                free = free * factor**power
        return free, dependent

    def _simple_sum(self, body: Quotient, dummy: sp.Symbol, high: sp.Expr) -> Quotient:
        tower = self.tower
        generators = [*tower.used(body.top), *tower.used(body.bottom)]
        if not generators:
            return tower.multiply(body, self.read(high))
        if all(each.expression == dummy for each in generators) and body.bottom.is_constant():
            power = body.top.total_degree()
            if power <= _MOST_FAULHABER:
                return self.read(sp.factor(sp.summation(dummy**power, (dummy, 1, high))))
        ratio = self._ratio(body, dummy)
        if ratio is not None:
            # r + r^2 + ... + r^n, for r other than 1; there both sides of a claim are continuous.
            last = self.exponential(tower.multiply(self.read(high), self.logarithm_of_ratio(body, dummy)))
            below = tower.add(ratio, tower.number(-1))
            return tower.multiply(ratio, tower.multiply(tower.add(last, tower.number(-1)), tower.power(below, -1)))
        body, dummy = self._renamed(body, dummy, high)
        key = ("sum", tower.key(body), sp.expand(high))
        expression = sp.Sum(tower.expression(body), (dummy, 1, high))
        return tower.quotient(tower.generator(key, "sum", expression, (body, dummy, high)))

    def _renamed(self, body: Quotient, dummy: sp.Symbol, high: sp.Expr) -> tuple[Quotient, sp.Symbol]:
        """The index by the name that fits what is left of the body, now that constants are outside."""
        expression = self.tower.expression(body)
        name = _dummy(expression)
        if name == dummy:
            return body, dummy
        self.bound[name] = (sp.S.One, high)
        try:
            return self.read(expression.subs(dummy, name)), name
        finally:
            del self.bound[name]

    def logarithm_of_ratio(self, body: Quotient, dummy: sp.Symbol) -> Quotient:
        """m of a body exp(m j)."""
        tower, total = self.tower, self.tower.number(0)
        for poly, direction in ((body.top, 1), (body.bottom, -1)):
            for exponents, _ in poly.terms():
                for index, exponent in enumerate(exponents):
                    if exponent:
                        data = tower.generators[index].data
                        total = tower.add(total, tower.multiply(data, tower.number(int(exponent) * direction)))
        return tower.multiply(total, tower.power(self.read(dummy), -1))

    def _ratio(self, body: Quotient, dummy: sp.Symbol) -> Quotient | None:
        """exp(m) of a body exp(m j), where it is one."""
        tower = self.tower
        generators = [*tower.used(body.top), *tower.used(body.bottom)]
        if len(body.top) > 1 or len(body.bottom) > 1 or any(each.kind != "exp" for each in generators):
            return None
        slope = self.logarithm_of_ratio(body, dummy)
        if not slope.top or dummy in tower.free(slope.top) | tower.free(slope.bottom):
            return None
        return self.exponential(slope)

    def product_of(self, body: Quotient, dummy: sp.Symbol, high: sp.Expr) -> Quotient:
        """The product over dummy = 1..high: factor by factor, and exp(m) as exp of a sum."""
        tower = self.tower
        result = tower.number(1)
        for poly, direction in ((body.top, 1), (body.bottom, -1)):
            constant, factors = tower.factors(poly)
            outside = tower.context.constant(constant)
            for factor, power in factors:
                if dummy not in tower.free(factor):
                    outside = outside * factor**power
                    continue
                generator = tower.single(factor)
                if generator is not None and generator.kind == "exp":
                    value = self.exponential(self.sum_of(generator.data, dummy, high))
                else:
                    whole, index = self._renamed(tower.make(factor, tower.one), dummy, high)
                    expression = sp.Product(tower.expression(whole), (index, 1, high))
                    key = ("product", tower.key(whole), sp.expand(high))
                    value = tower.quotient(tower.generator(key, "product", expression, (whole, index, high)))
                result = tower.multiply(result, tower.power(value, power * direction))
            if outside != tower.one:
                logarithm = self.logarithm(tower.make(outside, tower.one), signed=True)
                value = self.exponential(tower.multiply(self.read(high), logarithm))
                result = tower.multiply(result, tower.power(value, direction))
        return result


def _sorted_limits(node: Any) -> list[tuple[sp.Symbol, sp.Expr, sp.Expr]]:
    """The limits of a sum over several indices, in an order that does not depend on how it was written."""
    limits = [tuple(limit) for limit in node.limits]
    indices = {index for index, *_ in limits}
    bounds = {symbol for _, low, high in limits for symbol in low.free_symbols | high.free_symbols}
    if not 1 < len(limits) < 4 or indices & bounds:
        return limits

    def shape(order: Iterable[Any]) -> tuple[str, str]:
        names = {index: sp.Symbol(f"_{place}", integer=True) for place, (index, *_) in enumerate(order)}
        return str([limit[1:] for limit in order]), str(node.function.xreplace(names))

    return list(min(permutations(limits), key=shape))


def _unshadowed(body: sp.Expr, index: sp.Symbol) -> sp.Expr:
    """The body with another name for an inner index that is called the same."""
    inner = {each for each in body.atoms(sp.Sum, sp.Product) if index in each.bound_symbols}
    other = sp.Symbol(f"{index}'", integer=True)
    return body.xreplace({each: each.xreplace({index: other}) for each in inner}) if inner else body


def _alone(sides: tuple[sp.Expr, ...], index: sp.Symbol) -> sp.Expr:
    """A delta with the index alone on its side: that of j - 1 and k is that of j and k + 1."""
    for one, other in (sides[:2], sides[1::-1]):
        offset = one - index
        if index in one.free_symbols and index not in offset.free_symbols | other.free_symbols:
            return sp.KroneckerDelta(index, other - offset)
    return sp.KroneckerDelta(*sides)


def _dummy(body: sp.Expr) -> sp.Symbol:
    """The name of the index that runs over a body: by how deep the sums in it are nested."""
    return sp.Symbol(f"_{_height(body) + 1}", integer=True, positive=True)


def _height(node: sp.Basic) -> int:
    """How deep sums and products are nested in an expression."""
    own = int(isinstance(node, (sp.Sum, sp.Product)))
    return own + max((_height(each) for each in node.args), default=0)
