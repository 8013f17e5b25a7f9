"""Roots, exponentials, logarithms and angles: products over irreducible factors, and sums over terms."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import sympy as sp

from torchstone.judge.functions import UnsupportedError
from torchstone.judge.rules import AgainError, Rules, flint_of, fraction_of, primes
from torchstone.judge.tower import Generator, Poly, Quotient, TooLargeError

_MOST_ANGLE = 24


class Powers(Rules):
    """What becomes of exponents and of what undoes them."""

    def rational_power(self, value: Quotient, exponent: Fraction) -> Quotient:
        """value**exponent, for a value that is not negative."""
        if not value.top:
            return self.tower.power(value, 1 if exponent > 0 else -1)
        result = self.tower.number(1)
        for poly, direction in ((value.top, 1), (value.bottom, -1)):
            constant, factors = self.tower.factors(poly)
            for prime, power in primes(constant):
                result = self.tower.multiply(
                    result, self._root(self.tower.context.constant(prime), power * direction * exponent)
                )
            for factor, power in factors:
                result = self.tower.multiply(result, self._root(factor, power * direction * exponent))
        return result

    def _root(self, base: Poly, exponent: Fraction) -> Quotient:
        """|base|**exponent, of an irreducible base."""
        tower = self.tower
        generator = tower.single(base)
        if generator is not None and generator.kind == "exp":
            return self.exponential(tower.multiply(generator.data, self.tower.number(flint_of(exponent))))
        if generator is not None and generator.kind == "root":
            return self._root(generator.data, exponent / self._root_parts(generator))
        sign = self.facts.sign_of(base) or self._weak_sign(base)
        base = base if sign is None else base * sign
        if exponent.denominator == 1 and (sign is not None or exponent % 2 == 0):
            return tower.power(tower.make(base, tower.one), int(exponent))
        parts = self._parts(("root", str(base)), exponent)
        expression = tower.polynomial_expression(base)
        size = expression if sign is not None else sp.Abs(expression)
        root = tower.generator(
            ("root", str(base), parts, sign is not None), "root", size ** sp.Rational(1, parts), base
        )
        if root.index not in tower.relations:
            if sign is None:
                tower.relate(root, 2 * parts, base**2)
            else:
                tower.relate(root, parts, base)
        return tower.power(tower.quotient(root), int(exponent * parts))

    def _weak_sign(self, base: Poly) -> int | None:
        """1 or -1 for what is never negative, or never positive: as good as a sign for |base|."""
        for sign in (1, -1):
            if self.facts.not_negative(self.tower.make(base * sign, self.tower.one)):
                return sign
        return None

    def _root_parts(self, root: Generator) -> int:
        """n of the root |base|**(1/n)."""
        power, value = self.tower.relations[root.index]
        return power if value == root.data else power // 2

    def _parts(self, key: Any, exponent: Fraction) -> int:
        """The denominator to which a root or exponential is cut up: one for all its powers."""
        known = self.tower.denominators.get(key, 1)
        if known % exponent.denominator:
            self.tower.denominators[key] = int(sp.ilcm(known, exponent.denominator))
            if self.tower.denominators[key] > 64:
                raise TooLargeError("too fine a root")
            raise AgainError
        return known

    # Exponentials and logarithms -------------------------------------------------------------------------------------

    def exponential(self, exponent: Quotient) -> Quotient:
        """exp of a sum is the product over its terms; exp(c log p) is a power of p."""
        tower, result = self.tower, self.tower.number(1)
        for coefficient, block in self._blocks(exponent):
            generator = tower.single(block.top) if block.bottom.is_constant() else None
            if generator is not None and generator.kind == "log":
                if generator.data[1]:  # of a base of either sign: exponents are whole
                    power = tower.power(tower.make(generator.data[0], tower.one), int(coefficient))
                else:
                    power = self._root(generator.data[0], coefficient)
            elif generator is not None and coefficient.denominator == 1 and self._adds_logarithms(generator):
                body, dummy, high = generator.data
                base, _ = next(tower.used(body.top)).data
                power = tower.power(self.product_of(tower.make(base, tower.one), dummy, high), int(coefficient))
            else:
                key = ("exp", *tower.key(block))
                parts = self._parts(key, coefficient)
                data = tower.multiply(block, tower.number(flint_of(Fraction(1, parts))))
                made = tower.generator((key, parts), "exp", sp.exp(tower.expression(data)), data)
                if parts == 1 and made.index not in tower.relations and self._is_minus(block):
                    tower.relate(made, 2, tower.one)
                power = tower.power(tower.quotient(made), int(coefficient * parts))
            result = tower.multiply(result, power)
        return result

    def _adds_logarithms(self, generator: Generator) -> bool:
        """Whether a generator is a sum of log p(j), with p positive: exp of it is the product of the p(j)."""
        if generator.kind != "sum" or not generator.data[0].bottom.is_constant():
            return False
        term = self.tower.single(generator.data[0].top)
        return term is not None and term.kind == "log" and self.facts.sign_of(term.data[0]) == 1

    def _is_minus(self, block: Quotient) -> bool:
        """Whether exp(block) is (-1)**n."""
        minus = (each.kind == "log" and each.data[0] == -1 for each in self.tower.used(block.top))
        return bool(block.bottom.is_constant()) and any(minus)

    def _blocks(self, value: Quotient) -> Iterable[tuple[Fraction, Quotient]]:
        """A quotient as a sum of rational multiples of canonical terms."""
        tower = self.tower
        value = tower.rationalised(value)
        if value.bottom.is_constant():
            whole, rest = value.top / value.bottom, tower.zero
        else:
            whole, rest = divmod(value.top, value.bottom)
        for poly, bottom in ((whole, tower.one), (rest, value.bottom)):
            for exponents, coefficient in poly.terms():
                monomial = tower.context.from_dict({exponents: 1})
                yield fraction_of(coefficient), Quotient(monomial, bottom)

    def logarithm(self, value: Quotient, signed: bool = False) -> Quotient:
        """log|value|; `signed`: a logarithm of the value itself, whatever its sign, for whole exponents only."""
        tower, result = self.tower, self.tower.number(0)
        if not value.top:
            raise UnsupportedError("a logarithm of 0")
        direction = 1
        for poly, side in ((value.top, 1), (value.bottom, -1)):
            constant, factors = tower.factors(poly)
            direction *= 1 if constant > 0 else -1
            for prime, power in primes(constant):
                logarithm = self._log(tower.context.constant(prime), signed)
                result = tower.add(result, tower.multiply(logarithm, tower.number(power * side)))
            for factor, power in factors:
                logarithm = self._log(factor, signed)
                result = tower.add(result, tower.multiply(logarithm, tower.number(power * side)))
        if signed and direction < 0:
            minus = tower.generator("log(-1)", "log", sp.log(-1), (tower.context.constant(-1), True))
            result = tower.add(result, tower.quotient(minus))
        return result

    def _log(self, base: Poly, signed: bool) -> Quotient:
        """log|base| of an irreducible base."""
        tower = self.tower
        generator = tower.single(base)
        if generator is not None and generator.kind == "exp":
            return generator.data
        if generator is not None and generator.kind == "root":
            parts = Fraction(1, self._root_parts(generator))
            return tower.multiply(self._log(generator.data, False), tower.number(flint_of(parts)))
        if generator is not None and generator.kind == "product":
            body, dummy, high = generator.data
            return self.sum_of(self.logarithm(body), dummy, high)
        sign = self.facts.sign_of(base)
        signed = signed and sign is None
        if sign is not None:
            base = base * sign
        expression = tower.polynomial_expression(base)
        made = tower.generator(
            ("log", str(base), signed),
            "log",
            sp.log(expression if sign is not None or signed else sp.Abs(expression)),
            (base, signed),
        )
        return tower.quotient(made)

    # Angles ---------------------------------------------------------------------------------------------------------

    def angle(self, value: Quotient) -> tuple[Quotient, Quotient]:
        """(cos, sin) of a sum of angles."""
        tower = self.tower
        cosine, sine = tower.number(1), tower.number(0)
        for coefficient, block in self._blocks(value):
            cosine, sine = self._turned((cosine, sine), self._simple_angle(coefficient, block))
        return cosine, sine

    def _turned(self, one: tuple[Quotient, Quotient], by: tuple[Quotient, Quotient]) -> tuple[Quotient, Quotient]:
        times, add = self.tower.multiply, self.tower.add
        (c, s), (cosine, sine) = one, by
        return add(times(c, cosine), self.tower.negative(times(s, sine))), add(times(s, cosine), times(c, sine))

    def _simple_angle(self, coefficient: Fraction, block: Quotient) -> tuple[Quotient, Quotient]:
        tower = self.tower
        if tower.expression(block) == sp.pi:
            known = [
                function(sp.pi * sp.Rational(coefficient.numerator, coefficient.denominator))
                for function in (sp.cos, sp.sin)
            ]
            if not any(each.has(sp.cos, sp.sin) for each in known):
                return self.read(known[0]), self.read(known[1])
        key = ("angle", *tower.key(block))
        parts = self._parts(key, coefficient)
        times = int(coefficient * parts)
        if abs(times) > _MOST_ANGLE:
            raise TooLargeError("too large a multiple of an angle")
        expression = tower.expression(block) / parts
        s = tower.generator((key, parts, "sin"), "sin", sp.sin(expression))
        c = tower.generator((key, parts, "cos"), "cos", sp.cos(expression))
        if c.index not in tower.relations:
            tower.relate(c, 2, 1 - tower.gens[s.index] ** 2)
        unit = (tower.quotient(c), tower.quotient(s) if times >= 0 else tower.negative(tower.quotient(s)))
        result = (tower.number(1), tower.number(0))
        for _ in range(abs(times)):
            result = self._turned(result, unit)
        return result
