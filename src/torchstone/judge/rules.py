"""What the rules of reading share: the tower they build in, the facts they use, and rational numbers' three forms."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import sympy as sp
from flint import fmpq

from torchstone.judge.facts import Facts
from torchstone.judge.tower import Quotient, Tower


class AgainError(Exception):
    """A finer root is needed: start over with it."""


class Rules:
    """A part of the Reader: some rules, which read what is inside by all of them."""

    def __init__(self, tower: Tower, facts: Facts) -> None:
        self.tower, self.facts = tower, facts
        self.memory: dict[sp.Basic, Quotient] = {}
        self.bound: dict[sp.Symbol, tuple[sp.Expr, sp.Expr]] = {}  # indices of the sums around, and their ranges

    def read(self, node: sp.Expr) -> Quotient:
        """An expression as a quotient."""
        raise NotImplementedError

    def sum_of(self, body: Quotient, dummy: sp.Symbol, high: sp.Expr) -> Quotient:
        """The sum over dummy = 1..high of what has been read."""
        raise NotImplementedError

    def product_of(self, body: Quotient, dummy: sp.Symbol, high: sp.Expr) -> Quotient:
        """The product over dummy = 1..high of what has been read."""
        raise NotImplementedError

    def opaque(self, node: Any, *more: Any) -> Quotient:
        """A function of which nothing is known but that equal arguments give equal values."""
        arguments = tuple(self.tower.key(self.read(argument)) for argument in node.args)
        return self.tower.quotient(self.tower.generator((node.func, arguments, *more), "function", node))


def fraction_of(value: Any) -> Fraction:
    """A rational number as Python's."""
    return Fraction(int(value.p), int(value.q))


def flint_of(value: Any) -> Any:
    """A rational number as flint's."""
    if isinstance(value, Fraction):
        return fmpq(value.numerator, value.denominator)
    return fmpq(int(value.p), int(value.q))


def primes(constant: Any) -> Iterable[tuple[int, int]]:
    """The prime factors of |constant|; a large number counts as prime."""
    for value, side in ((abs(int(constant.p)), 1), (int(constant.q), -1)):
        found = sp.factorint(value, limit=10_000) if value > 1 else {}
        yield from ((int(prime), int(power) * side) for prime, power in found.items())
