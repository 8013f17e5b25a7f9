"""Functions of real numbers, exact rationals or balls: a value, or the reason why there is none."""

from collections.abc import Callable
from typing import Any

import sympy as sp
from flint import arb, fmpq

MOST_BITS = 20_000  # of an exact power; beyond it the power is a ball


class UndefinedValueError(ArithmeticError):
    """No real value here: a division by zero, a logarithm of what is not positive."""


class UndecidedValueError(ArithmeticError):
    """A ball that is too wide to tell, at this precision."""


class UnsupportedError(Exception):
    """An expression that has no rule here."""


def sign(value: Any) -> int:
    """-1, 0 or 1; undecided for a ball about 0."""
    if value > 0:
        return 1
    if value < 0:
        return -1
    if isinstance(value, fmpq) or value.is_zero():
        return 0
    raise UndecidedValueError


def whole_power(base: Any, exponent: int) -> Any:
    """base**exponent, exact where the number does not grow too long."""
    if isinstance(base, fmpq):
        if base == 0:
            if exponent < 0:
                raise UndefinedValueError
            return fmpq(int(exponent == 0))
        if (base.p.bit_length() + base.q.bit_length()) * abs(exponent) <= MOST_BITS:
            return base**exponent
    if exponent < 0 and arb(base).contains(0):
        raise UndecidedValueError
    return _finite(arb(base) ** exponent)


def positive(value: Any) -> Any:
    """The value, if it is positive."""
    if sign(value) <= 0:
        raise UndefinedValueError
    return value


def power(base: Any, exponent: Any) -> Any:
    """base**exponent as a real number: a negative base needs a whole exponent."""
    if isinstance(exponent, fmpq) and exponent.q == 1:
        return whole_power(base, int(exponent.p))
    direction = sign(base)
    if direction < 0:
        raise UndefinedValueError
    if direction == 0:
        if sign(exponent) <= 0:
            raise UndefinedValueError
        return fmpq(0)
    if isinstance(exponent, fmpq) and exponent.q == 2:
        root = _root(base)
        return whole_power(root, int(exponent.p))
    return _finite((arb(base).log() * exponent).exp())


def _root(value: Any) -> Any:
    if isinstance(value, fmpq):
        top, bottom = sp.integer_nthroot(int(value.p), 2), sp.integer_nthroot(int(value.q), 2)
        if top[1] and bottom[1]:
            return fmpq(int(top[0]), int(bottom[0]))
    return arb(value).sqrt()


def _finite(ball: arb) -> arb:
    if not ball.is_finite():
        raise UndecidedValueError
    return ball


def exponential(value: Any) -> Any:
    """exp(value)."""
    if isinstance(value, fmpq) and value == 0:
        return fmpq(1)
    return _finite(arb(value).exp())


def _log(value: Any) -> Any:
    if isinstance(value, fmpq) and value == 1:
        return fmpq(0)
    if sign(value) <= 0:
        raise UndefinedValueError
    return arb(value).log()


def _heaviside(value: Any, at_zero: Any = None) -> Any:
    # At its jump a Heaviside function is a convention: no value to judge by.
    direction = sign(value)
    if direction == 0:
        if at_zero is None:
            raise UndefinedValueError
        return at_zero
    return fmpq(int(direction > 0))


def _within(low: int | None, high: int | None, method: str) -> Callable[[Any], Any]:
    """A function that is real between two bounds only."""

    def function(value: Any) -> Any:
        if (low is not None and sign(value - low) < 0) or (high is not None and sign(value - high) > 0):
            raise UndefinedValueError
        return _finite(getattr(arb(value), method)())

    return function


def _everywhere(method: str, at_zero: int | None = None) -> Callable[[Any], Any]:
    def function(value: Any) -> Any:
        if at_zero is not None and isinstance(value, fmpq) and value == 0:
            return fmpq(at_zero)
        return _finite(getattr(arb(value), method)())

    return function


def _gamma(value: Any) -> Any:
    if isinstance(value, fmpq) and value.q == 1:
        if value <= 0:
            raise UndefinedValueError
        if value < 200:
            return fmpq(int(sp.factorial(int(value.p) - 1)))
    return _finite(arb(value).gamma())


def _binomial(top: Any, bottom: Any) -> Any:
    return _gamma(top + 1) / (_gamma(bottom + 1) * _gamma(top - bottom + 1))


def _floor(value: Any) -> Any:
    if isinstance(value, fmpq):
        return fmpq(value.floor())
    whole = value.floor().unique_fmpz()
    if whole is None:
        raise UndecidedValueError
    return fmpq(whole)


def _extreme(direction: int) -> Callable[..., Any]:
    def extreme(*values: Any) -> Any:
        best = values[0]
        for value in values[1:]:
            if isinstance(best, fmpq) and isinstance(value, fmpq):
                best = max(best, value) if direction > 0 else min(best, value)
            else:
                best = arb(best).max(arb(value)) if direction > 0 else arb(best).min(arb(value))
        return best

    return extreme


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    sp.exp: exponential,
    sp.log: _log,
    sp.Abs: abs,
    sp.sign: lambda value: fmpq(sign(value)),
    sp.Heaviside: _heaviside,
    sp.Max: _extreme(1),
    sp.Min: _extreme(-1),
    sp.factorial: lambda value: _gamma(value + 1),
    sp.gamma: _gamma,
    sp.binomial: _binomial,
    sp.floor: _floor,
    sp.ceiling: lambda value: -_floor(-value),
    sp.loggamma: _within(0, None, "lgamma"),
    sp.digamma: _everywhere("digamma"),
    sp.KroneckerDelta: lambda left, right: fmpq(int(sign(left - right) == 0)),
    sp.asin: _within(-1, 1, "asin"),
    sp.acos: _within(-1, 1, "acos"),
    sp.acosh: _within(1, None, "acosh"),
    sp.atanh: _within(-1, 1, "atanh"),
    sp.re: lambda value: value,
    sp.conjugate: lambda value: value,
    **{
        getattr(sp, name): _everywhere(name, 0)
        for name in ("sin", "tan", "sinh", "tanh", "atan", "asinh", "erf", "erfi")
    },
    **{getattr(sp, name): _everywhere(name, 1) for name in ("cos", "cosh", "erfc", "sec", "sech")},
    **{getattr(sp, name): _everywhere(name) for name in ("cot", "csc", "coth", "csch")},
}
