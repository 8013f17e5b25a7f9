"""Exact arithmetic: quotients of polynomials in generators, of which some obey a relation.

A generator stands for something that polynomials cannot take apart: a symbol, exp(x/2), log(2), sin(x), a sum over j. A
relation rewrites a power of one: cos(x)^2 = 1 - sin(x)^2, sqrt(2)^2 = 2. A quotient whose numerator is zero after
rewriting is zero as a function: that is the whole of a proof.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sympy as sp
from flint import Ordering, fmpq, fmpq_mpoly_ctx

MOST_TERMS = 3000  # of one polynomial
Poly = Any  # fmpq_mpoly


class TooLargeError(ArithmeticError):
    """More terms or generators than a proof by normal form should need."""


class VanishingError(ArithmeticError):
    """A division by what is zero everywhere."""


@dataclass(frozen=True)
class Generator:
    """What a variable of the polynomials stands for. `data` is what its kind needs: an exponent, a body, a base."""

    index: int
    kind: str
    expression: sp.Expr
    data: Any = None

    @cached_property
    def free(self) -> frozenset[sp.Basic]:
        """The symbols it depends on."""
        return frozenset(self.expression.free_symbols)


@dataclass(frozen=True)
class Quotient:
    """A fraction of two polynomials without common factor."""

    top: Poly
    bottom: Poly


class Tower:
    """The generators met so far, their relations, and the arithmetic of quotients over them."""

    def __init__(self, slots: int = 24) -> None:
        self.context = fmpq_mpoly_ctx.get([f"g{index}" for index in range(slots)], Ordering.degrevlex)
        self.gens = self.context.gens()
        self.slots = slots
        self.known: dict[Hashable, Generator] = {}
        self.generators: list[Generator] = []
        self.relations: dict[int, tuple[int, Poly]] = {}
        self.denominators: dict[Hashable, int] = {}  # exp(x) or exp(x/6)? the least that serves all powers met
        self.factored: dict[str, tuple[fmpq, list[tuple[Poly, int]]]] = {}
        self.one = self.context.constant(1)
        self.zero = self.context.constant(0)

    def generator(self, key: Hashable, kind: str, expression: sp.Expr, data: Any = None) -> Generator:
        """The generator of that key, made where there is none yet."""
        if key not in self.known:
            if len(self.generators) == self.slots:
                raise TooLargeError("too many different terms")
            found = Generator(len(self.generators), kind, expression, data)
            self.generators.append(found)
            self.known[key] = found
        return self.known[key]

    def quotient(self, generator: Generator) -> Quotient:
        """A generator as a quotient; what its relation makes of it, where it has one."""
        return self.make(self.gens[generator.index], self.one)

    def number(self, value: Any) -> Quotient:
        """A rational number."""
        return Quotient(self.context.constant(value), self.one)

    def make(self, top: Poly, bottom: Poly) -> Quotient:
        """top / bottom, rewritten and cancelled."""
        top, bottom = self.reduced(top), self.reduced(bottom)
        if not bottom:
            raise VanishingError
        if not top:
            return Quotient(self.zero, self.one)
        if len(top) > MOST_TERMS or len(bottom) > MOST_TERMS:
            raise TooLargeError("too many terms")
        if not bottom.is_constant():
            common = top.gcd(bottom)
            top, bottom = top / common, bottom / common
        lead = bottom.leading_coefficient()
        return Quotient(top / lead, bottom / lead)

    def reduced(self, poly: Poly) -> Poly:
        """The polynomial with every relation used."""
        for _ in range(20):
            if not self.relations or poly.is_constant():
                return poly
            degrees = poly.degrees()
            high = [index for index, (power, _) in self.relations.items() if degrees[index] >= power]
            if not high:
                return poly
            poly = self._rewritten(poly, max(high))
        raise TooLargeError("relations that do not end")

    def _rewritten(self, poly: Poly, index: int) -> Poly:
        power, value = self.relations[index]
        parts: dict[int, dict[tuple[int, ...], Any]] = defaultdict(dict)
        for exponents, coefficient in poly.terms():
            times, rest = divmod(exponents[index], power)
            parts[times][(*exponents[:index], rest, *exponents[index + 1 :])] = coefficient
        if max(parts) * max(1, len(value)) > 500:
            raise TooLargeError("too high a power")
        total = self.zero
        for times, terms in parts.items():
            total = total + self.context.from_dict(terms) * value**times
        return total

    def relate(self, generator: Generator, power: int, value: Poly) -> None:
        """From now on generator**power is value."""
        self.relations[generator.index] = (power, value)

    def add(self, one: Quotient, other: Quotient) -> Quotient:
        """one + other."""
        if one.bottom == other.bottom:
            return self.make(one.top + other.top, one.bottom)
        return self.make(one.top * other.bottom + other.top * one.bottom, one.bottom * other.bottom)

    def negative(self, one: Quotient) -> Quotient:
        """-one."""
        return Quotient(-one.top, one.bottom)

    def multiply(self, one: Quotient, other: Quotient) -> Quotient:
        """one * other."""
        if len(one.top) * len(other.top) > 50 * MOST_TERMS or len(one.bottom) * len(other.bottom) > 50 * MOST_TERMS:
            raise TooLargeError("too many terms")
        return self.make(one.top * other.top, one.bottom * other.bottom)

    def power(self, one: Quotient, exponent: int) -> Quotient:
        """one**exponent, for a whole exponent."""
        top, bottom = (one.top, one.bottom) if exponent >= 0 else (one.bottom, one.top)
        size = max(len(top), len(bottom))
        if abs(exponent) > 60 and size > 1:
            raise TooLargeError("too high a power")
        if sp.binomial(abs(exponent) + size - 1, size - 1) > MOST_TERMS or abs(exponent) > 10**6:
            raise TooLargeError("too high a power")
        coefficients = [abs(c.p).bit_length() + c.q.bit_length() for c in (*top.coeffs(), *bottom.coeffs())]
        if max(coefficients, default=1) > 2 and max(coefficients) * abs(exponent) > 20_000:
            raise TooLargeError("too large a number")
        return self.make(top ** abs(exponent), bottom ** abs(exponent))

    def factors(self, poly: Poly) -> tuple[fmpq, list[tuple[Poly, int]]]:
        """A number and irreducible polynomials of leading coefficient > 0 with their powers."""
        text = str(poly)
        if text not in self.factored:
            constant, found = poly.factor() if not poly.is_constant() else (poly.leading_coefficient(), [])
            result = []
            for factor, power in found:
                scale = factor.leading_coefficient()
                whole = factor / scale
                content = fmpq(1, int(sp.ilcm(1, *(int(c.q) for c in whole.coeffs()))))
                constant = constant * (scale * content) ** int(power)
                result.append((whole / content, int(power)))
            self.factored[text] = (fmpq(constant), sorted(result, key=lambda pair: str(pair[0])))
        return self.factored[text]

    def single(self, poly: Poly) -> Generator | None:
        """The generator that a polynomial consists of."""
        if len(poly) != 1:
            return None
        ((exponents, coefficient),) = poly.terms()
        if sum(exponents) != 1 or coefficient != 1:
            return None
        return self.generators[exponents.index(1)]

    def used(self, poly: Poly) -> Iterator[Generator]:
        """The generators that occur in a polynomial."""
        return (self.generators[index] for index, degree in enumerate(poly.degrees()) if degree)

    def free(self, poly: Poly) -> set[sp.Basic]:
        """The symbols that a polynomial depends on."""
        return {symbol for generator in self.used(poly) for symbol in generator.free}

    def rationalised(self, quotient: Quotient) -> Quotient:
        """The same without square roots (and the like) below, as far as that is easy: equal things then look equal."""
        for index in sorted(self.relations, reverse=True):
            degree = quotient.bottom.degrees()[index] if not quotient.bottom.is_constant() else 0
            if not degree:
                continue
            power, _ = self.relations[index]
            parts: dict[int, dict[tuple[int, ...], Any]] = defaultdict(dict)
            for exponents, coefficient in quotient.bottom.terms():
                parts[exponents[index]][(*exponents[:index], 0, *exponents[index + 1 :])] = coefficient
            variable = self.gens[index]
            if len(parts) == 1:
                partner = variable ** (power - degree)
            elif power == 2 and set(parts) == {0, 1}:
                partner = self.context.from_dict(parts[0]) - self.context.from_dict(parts[1]) * variable
            else:
                continue
            top, bottom = self.reduced(quotient.top * partner), self.reduced(quotient.bottom * partner)
            if bottom:
                quotient = self.make(top, bottom)
        return quotient

    def key(self, quotient: Quotient) -> tuple[str, str]:
        """What tells a quotient from others."""
        quotient = self.rationalised(quotient)
        return str(quotient.top), str(quotient.bottom)

    def expression(self, quotient: Quotient) -> sp.Expr:
        """A quotient as SymPy's."""
        return self.polynomial_expression(quotient.top) / self.polynomial_expression(quotient.bottom)

    def polynomial_expression(self, poly: Poly) -> sp.Expr:
        """A polynomial as SymPy's."""
        total = sp.S.Zero
        for exponents, coefficient in poly.terms():
            term: sp.Expr = sp.Rational(int(coefficient.p), int(coefficient.q))
            for index, exponent in enumerate(exponents):
                if exponent:
                    term *= self.generators[index].expression ** int(exponent)
            total += term
        return total
