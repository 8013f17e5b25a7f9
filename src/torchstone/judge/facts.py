"""What is known of signs: polynomials that are positive, and what follows from that by linear reasoning."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import product
from typing import Any

from flint import fmpq

from torchstone.judge.functions import UndecidedValueError, UndefinedValueError, UnsupportedError
from torchstone.judge.tower import Poly, Quotient, Tower, VanishingError
from torchstone.judge.values import at_bits, compile_value

_MOST_CONSTRAINTS = 120
Form = dict[tuple[int, ...], Fraction]  # a linear form over monomials


class UndeterminedError(Exception):
    """The sign of `locus` decides, and is not known."""

    def __init__(self, locus: Poly) -> None:
        super().__init__("a sign that is not known")
        self.locus = locus


class Facts:
    """Polynomials known to be > 0 (strict) or >= 0. Copies share the tower."""

    def __init__(self, tower: Tower) -> None:
        self.tower = tower
        self.known: dict[tuple[str, bool], Poly] = {}
        self.signs: dict[str, int | None] = {}
        self.zeros: frozenset[str] = frozenset()  # irreducible polynomials that are 0 here

    def copy(self) -> "Facts":
        """The same facts, to which others can be added."""
        other = Facts(self.tower)
        other.known, other.zeros = dict(self.known), self.zeros
        return other

    def on_the_border(self, locus: Poly) -> "Facts":
        """The same facts where an irreducible polynomial is 0."""
        other = self.copy()
        other.add(locus, strict=False)
        other.add(-locus, strict=False)
        other.zeros |= {str(locus)}
        return other

    def add(self, poly: Poly, strict: bool = True) -> None:
        """From now on poly > 0, or >= 0."""
        if poly.is_constant() or (str(poly), strict) in self.known:
            return
        self.known[str(poly), strict] = poly
        self.signs.clear()

    def learn(self, quotient: Quotient, strict: bool) -> None:
        """A quotient is > 0 (or >= 0), since a logarithm or a root of it is meant to exist."""
        direction, odd = self._odd(quotient)
        unknown = []
        for factor in odd:
            sign = self.sign_of(factor)
            if sign is None:
                unknown.append(factor)
            else:
                direction *= sign
        if len(unknown) == 1:
            self.add(unknown[0] * direction, strict)
        elif strict and 2 <= len(unknown) <= 3:
            possible = [
                signs
                for signs in product((1, -1), repeat=len(unknown))
                if _product(signs) == direction
                and not self._impossible([(factor * s, True) for factor, s in zip(unknown, signs, strict=True)])
            ]
            if len(possible) == 1:
                for factor, sign in zip(unknown, possible[0], strict=True):
                    self.add(factor * sign)

    def _odd(self, quotient: Quotient) -> tuple[int, list[Poly]]:
        """The sign of a quotient's number, and the factors that decide about the rest."""
        odd, direction = [], 1
        for poly in (quotient.top, quotient.bottom):
            constant, factors = self.tower.factors(poly)
            direction *= 1 if constant > 0 else -1
            odd += [factor for factor, power in factors if power % 2]
        return direction, odd

    def sign(self, quotient: Quotient) -> int:
        """-1, 0 or 1. Raises UndeterminedError where a factor's sign is not known."""
        if self._is_zero(quotient.bottom):
            raise VanishingError
        if not quotient.top or self._is_zero(quotient.top):
            return 0
        direction, odd = self._odd(quotient)
        for factor in odd:
            sign = self.sign_of(factor)
            if sign is None:
                raise UndeterminedError(factor)
            direction *= sign
        even = [factor for poly in (quotient.top,) for factor, power in self.tower.factors(poly)[1] if power % 2 == 0]
        for factor in even:  # a square is 0 where its root is
            if self.sign_of(factor) is None:
                raise UndeterminedError(factor)
        return direction

    def _is_zero(self, poly: Poly) -> bool:
        return bool(self.zeros) and any(str(factor) in self.zeros for factor, _ in self.tower.factors(poly)[1])

    def sign_of(self, poly: Poly) -> int | None:
        """1 or -1 where an irreducible polynomial has that sign for certain."""
        text = str(poly)
        if text not in self.signs:
            self.signs[text] = None  # what is asked for on the way may ask for this again
            self.signs[text] = self._sign_of(poly)
        return self.signs[text]

    def _sign_of(self, poly: Poly) -> int | None:
        if poly.is_constant():
            return 1 if poly.leading_coefficient() > 0 else -1
        if not self.tower.free(poly):
            return self._constant_sign(poly)
        if self._impossible([(-poly, False)]):
            return 1
        if self._impossible([(poly, False)]):
            return -1
        return None

    def not_negative(self, quotient: Quotient) -> bool:
        """Whether a quotient is >= 0 for certain."""
        if not quotient.top:
            return True
        direction, odd = self._odd(quotient)
        rest = []
        for factor in odd:
            sign = self.sign_of(factor)
            if sign is None:
                rest.append(factor)
            else:
                direction *= sign
        if not rest:
            return direction > 0
        return len(rest) == 1 and self._impossible([(-direction * rest[0], True)])

    def _constant_sign(self, poly: Poly) -> int | None:
        try:
            value = at_bits(400, compile_value(self.tower.polynomial_expression(poly)), {})
        except (UnsupportedError, UndefinedValueError, UndecidedValueError):
            return None
        return 1 if value > 0 else -1 if value < 0 else None

    def possible(self) -> bool:
        """Whether the facts leave room, as far as linear reasoning sees."""
        return not self._impossible([])

    def _impossible(self, more: list[tuple[Poly, bool]]) -> bool:
        forms = [(_form(poly), strict) for poly, strict in more]
        forms += [(_form(poly), strict) for (_, strict), poly in self.known.items()]
        monomials = {monomial for form, _ in forms for monomial in form if any(monomial)}
        for monomial in monomials:
            forms += self._about(monomial)
        return _contradictory(forms)

    def _about(self, monomial: tuple[int, ...]) -> Iterable[tuple[Form, bool]]:
        """What is known of a monomial by itself: squares, exponentials, sines, constants."""
        direction, strict = 1, True
        nothing = (0,) * len(monomial)
        for index, exponent in enumerate(monomial):
            if not exponent:
                continue
            sign, nonzero = self._generator_sign(index)
            if exponent % 2 == 0:
                strict = strict and nonzero
            elif sign is None:
                direction = 0
            else:
                direction *= sign
                strict = strict and nonzero
        if direction:
            yield {monomial: Fraction(direction)}, strict
        if sum(monomial) == 1:
            generator = self.tower.generators[monomial.index(1)]
            if generator.kind in ("sin", "cos", "erf"):
                for side in (1, -1):
                    yield {monomial: Fraction(side), nothing: Fraction(1)}, generator.kind == "erf"
            elif not generator.free:
                yield from _bounds(generator.expression, monomial, nothing)

    def _generator_sign(self, index: int) -> tuple[int | None, bool]:
        """(sign, whether it is never 0) of a generator."""
        generator = self.tower.generators[index]
        variable = self.tower.gens[index]
        for sign, strict in product((1, -1), (True, False)):
            if (str(variable * sign), strict) in self.known:
                return sign, strict
        if generator.kind in ("exp", "factorial") or (
            generator.expression.is_Symbol and generator.expression.is_positive
        ):
            return 1, True
        if generator.kind == "root":
            return 1, self.sign_of(generator.data) is not None
        if generator.kind == "sum":
            try:
                return self.sign(generator.data[0]), True
            except UndeterminedError:
                pass
        return None, False


def _product(signs: Iterable[int]) -> int:
    result = 1
    for sign in signs:
        result *= sign
    return result


def _form(poly: Poly) -> Form:
    return {tuple(monomial): _fraction(coefficient) for monomial, coefficient in poly.terms()}


def _fraction(value: Any) -> Fraction:
    value = fmpq(value)
    return Fraction(int(value.p), int(value.q))


def _bounds(expression: Any, monomial: tuple[int, ...], nothing: tuple[int, ...]) -> Iterable[tuple[Form, bool]]:
    """A constant lies between two rational numbers."""
    try:
        value = at_bits(64, compile_value(expression), {})
    except (UnsupportedError, UndefinedValueError, UndecidedValueError):
        return
    middle = Fraction(float(value))
    width = abs(middle) / 10**9 + Fraction(1, 10**12)
    yield {monomial: Fraction(1), nothing: -(middle - width)}, True
    yield {monomial: Fraction(-1), nothing: middle + width}, True


def _contradictory(forms: list[tuple[Form, bool]]) -> bool:
    """Whether linear forms cannot all be > 0 (strict) or >= 0: Fourier's and Motzkin's elimination."""
    while True:
        remaining = []
        for form, strict in forms:
            variables = [monomial for monomial, value in form.items() if value and any(monomial)]
            if variables:
                remaining.append((form, strict))
                continue
            constant = sum(form.values())
            if constant < 0 or (strict and constant == 0):
                return True
        if not remaining or len(remaining) > _MOST_CONSTRAINTS:
            return False
        counts: dict[tuple[int, ...], list[int]] = {}
        for form, _ in remaining:
            for monomial, value in form.items():
                if value and any(monomial):
                    counts.setdefault(monomial, [0, 0])[value > 0] += 1
        chosen = min(sorted(counts), key=lambda monomial: counts[monomial][0] * counts[monomial][1])
        forms = _without(remaining, chosen)


def _without(forms: list[tuple[Form, bool]], monomial: tuple[int, ...]) -> list[tuple[Form, bool]]:
    above = [(form, strict) for form, strict in forms if form.get(monomial, 0) > 0]
    below = [(form, strict) for form, strict in forms if form.get(monomial, 0) < 0]
    rest = [(form, strict) for form, strict in forms if not form.get(monomial, 0)]
    for one, one_strict in above:
        for other, other_strict in below:
            scale, weight = -other[monomial], one[monomial]
            joined = {
                key: one.get(key, Fraction(0)) * scale + other.get(key, Fraction(0)) * weight
                for key in {*one, *other}
                if key != monomial
            }
            rest.append((joined, one_strict or other_strict))
    return rest
