"""From SymPy to the tower: every expression as a quotient of polynomials in generators.

Each rule holds wherever the expression has a real value. A logarithm that is meant to exist says that its argument is
positive; so log(P) is the sum of the log|p| over the irreducible factors p of P, whatever their signs.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef

from torchstone.judge.cases import Cases
from torchstone.judge.facts import UndeterminedError
from torchstone.judge.functions import UnsupportedError
from torchstone.judge.rules import AgainError, flint_of
from torchstone.judge.sums import Sums
from torchstone.judge.tower import Quotient, TooLargeError
from torchstone.judge.values import slots

_MOST_PASSES = 6


class Reader(Sums, Cases):
    """Reads expressions under given facts, and learns facts from what must exist."""

    def difference(self, left: sp.Expr, right: sp.Expr) -> Quotient:
        """left - right, read again until nothing new is learnt on the way."""
        for _ in range(_MOST_PASSES):
            before = len(self.facts.known)
            self.memory.clear()
            try:
                here, there = self.read(left), self.read(right)
            except AgainError:
                continue
            except UndeterminedError:
                if len(self.facts.known) > before:
                    continue
                raise
            if len(self.facts.known) == before:
                break
        else:
            raise TooLargeError("a normal form that does not settle")
        return self.tower.add(here, self.tower.negative(there))

    def read(self, node: sp.Expr) -> Quotient:
        """An expression as a quotient."""
        if node not in self.memory:
            self.memory[node] = self._rule(node)
        return self.memory[node]

    def _rule(self, node: sp.Expr) -> Quotient:
        for kind in type(node).__mro__:
            if kind in _RULES:
                return _RULES[kind](self, node)
        if isinstance(node, sp.Function):
            return self.opaque(node)
        raise UnsupportedError(f"{type(node).__name__} has no rule")

    # Leaves ----------------------------------------------------------------------------------------------------------

    def rational(self, node: Any) -> Quotient:
        """A number."""
        return self.tower.number(flint_of(node))

    def symbol(self, node: Any) -> Quotient:
        """A symbol, or another constant such as pi."""
        return self.tower.quotient(self.tower.generator(node, "symbol", node))

    def component(self, node: Any) -> Quotient:
        """z[i], with its index multiplied out."""
        plain = node.base[tuple(sp.expand(index) for index in node.indices)]
        return self.tower.quotient(self.tower.generator(plain, "symbol", plain))

    def derivative(self, node: Any) -> Quotient:
        """f'(x) of an unknown f."""
        function, orders, arguments = slots(node)
        keys = tuple(self.tower.key(self.read(argument)) for argument in arguments)
        return self.tower.quotient(self.tower.generator((function, orders, keys), "function", node))

    # Sums, products, powers ------------------------------------------------------------------------------------------

    def add(self, node: Any) -> Quotient:
        """The common denominator is left to the tower."""
        total = self.read(node.args[0])
        for term in node.args[1:]:
            total = self.tower.add(total, self.read(term))
        return total

    def mul(self, node: Any) -> Quotient:
        """Factor by factor."""
        product = self.read(node.args[0])
        for factor in node.args[1:]:
            product = self.tower.multiply(product, self.read(factor))
        return product

    def pow(self, node: Any) -> Quotient:
        """Whole, rational and symbolic exponents."""
        base, exponent = node.base, node.exp
        if exponent.is_Integer:
            return self.tower.power(self.read(base), int(exponent))
        if base is sp.E:
            return self.exponential(self.read(exponent))
        value = self.read(base)
        if exponent.is_Rational:
            self.facts.learn(value, strict=bool(exponent < 0))
            return self.rational_power(value, Fraction(int(exponent.p), int(exponent.q)))
        whole = bool(exponent.is_integer)
        if not whole:
            self.facts.learn(value, strict=True)
        return self.exponential(self.tower.multiply(self.read(exponent), self.logarithm(value, signed=whole)))

    def log(self, node: Any) -> Quotient:
        """A logarithm that is meant to exist."""
        value = self.read(node.args[0])
        self.facts.learn(value, strict=True)
        return self.logarithm(value)

    # Angles ----------------------------------------------------------------------------------------------------------

    # Functions with cases --------------------------------------------------------------------------------------------

    def delta(self, node: Any) -> Quotient:
        """1 where the indices are the same, else 0: its square is itself."""
        gap = sp.expand(node.args[0] - node.args[1])
        if gap.is_Integer:
            return self.tower.number(int(gap == 0))
        gap = min(gap, -gap, key=sp.default_sort_key)
        made = self.tower.generator(("delta", gap), "delta", node)
        if made.index not in self.tower.relations:
            self.tower.relate(made, 2, self.tower.gens[made.index])
        return self.tower.quotient(made)

    def odd(self, node: Any) -> Quotient:
        """f(-x) = -f(x)."""
        return self._with_parity(node, -1)

    def even(self, node: Any) -> Quotient:
        """f(-x) = f(x)."""
        return self._with_parity(node, 1)

    def _with_parity(self, node: Any, parity: int) -> Quotient:
        tower = self.tower
        argument = tower.rationalised(self.read(node.args[0]))
        if not argument.top:
            return self.read(node.func(0))
        turn = argument.top.leading_coefficient() < 0
        if turn:
            argument = tower.negative(argument)
        expression = node.func(-node.args[0], evaluate=False) if turn else node
        kind = "erf" if isinstance(node, sp.erf) else "function"
        made = tower.quotient(tower.generator((node.func, tower.key(argument)), kind, expression))
        return tower.negative(made) if turn and parity < 0 else made

    def rewritten(self, node: Any) -> Quotient:
        """A function in terms of others."""
        return self.read(_REWRITTEN[node.func](*node.args))

    def tangent(self, node: Any) -> Quotient:
        """sin / cos."""
        cosine, sine = self.angle(self.read(node.args[0]))
        return self.tower.multiply(sine, self.tower.power(cosine, -1))

    def factorial(self, node: Any) -> Quotient:
        """(n + c)! in terms of n!."""
        offset, rest = sp.expand(node.args[0]).as_coeff_Add()
        if not rest or not offset.is_Integer or abs(offset) > 8:
            offset, rest = sp.S.Zero, sp.expand(node.args[0])
        result = self.tower.quotient(self.tower.generator(("factorial", rest), "factorial", sp.factorial(rest)))
        for step in range(1, int(offset) + 1):
            result = self.tower.multiply(result, self.read(rest + step))
        for step in range(0, int(offset), -1):
            result = self.tower.multiply(result, self.tower.power(self.read(rest + step), -1))
        return result


def _half(sign: int) -> Callable[[sp.Expr], sp.Expr]:
    return lambda u: (sp.exp(u) + sign * sp.exp(-u)) / 2


_REWRITTEN: dict[Any, Callable[..., sp.Expr]] = {
    sp.sinh: _half(-1),
    sp.cosh: _half(1),
    sp.tanh: lambda u: (sp.exp(2 * u) - 1) / (sp.exp(2 * u) + 1),
    sp.coth: lambda u: (sp.exp(2 * u) + 1) / (sp.exp(2 * u) - 1),
    sp.sech: lambda u: 2 * sp.exp(u) / (sp.exp(2 * u) + 1),
    sp.csch: lambda u: 2 * sp.exp(u) / (sp.exp(2 * u) - 1),
    sp.cot: lambda u: sp.cos(u) / sp.sin(u),
    sp.sec: lambda u: 1 / sp.cos(u),
    sp.csc: lambda u: 1 / sp.sin(u),
    sp.acos: lambda u: sp.pi / 2 - sp.asin(u),
    sp.erfc: lambda u: 1 - sp.erf(u),
    sp.atanh: lambda u: (sp.log(1 + u) - sp.log(1 - u)) / 2,
    sp.asinh: lambda u: sp.log(u + sp.sqrt(u**2 + 1)),
    sp.acosh: lambda u: sp.log(u + sp.sqrt(u**2 - 1)),
    sp.gamma: lambda u: sp.factorial(u - 1),
    sp.binomial: lambda n, k: sp.factorial(n) / (sp.factorial(k) * sp.factorial(n - k)),
    sp.re: lambda u: u,
    sp.conjugate: lambda u: u,
}

_RULES: dict[Any, Callable[[Reader, Any], Quotient]] = {
    sp.Rational: Reader.rational,
    sp.Symbol: Reader.symbol,
    type(sp.E): lambda reader, _: reader.exponential(reader.tower.number(1)),
    sp.NumberSymbol: Reader.symbol,
    sp.Indexed: Reader.component,
    sp.Add: Reader.add,
    sp.Mul: Reader.mul,
    sp.Pow: Reader.pow,
    sp.exp: lambda reader, node: reader.exponential(reader.read(node.args[0])),
    sp.log: Reader.log,
    sp.cos: lambda reader, node: reader.angle(reader.read(node.args[0]))[0],
    sp.sin: lambda reader, node: reader.angle(reader.read(node.args[0]))[1],
    sp.tan: Reader.tangent,
    sp.Abs: Reader.absolute,
    sp.sign: Reader.sign,
    sp.Max: Reader.extreme,
    sp.Min: Reader.extreme,
    sp.Heaviside: Reader.heaviside,
    sp.DiracDelta: Reader.impulse,
    sp.Piecewise: Reader.piecewise,
    sp.KroneckerDelta: Reader.delta,
    sp.Sum: Reader.sum,
    sp.Product: Reader.product,
    sp.factorial: Reader.factorial,
    AppliedUndef: Reader.opaque,
    sp.Derivative: Reader.derivative,
    sp.Subs: Reader.derivative,
    **dict.fromkeys((sp.atan, sp.asin, sp.erf, sp.erfi), Reader.odd),
    **dict.fromkeys(_REWRITTEN, Reader.rewritten),
}
