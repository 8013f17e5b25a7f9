"""Floating-point formats, and how many units in the last place an answer is off."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torchstone.oracle.functions import Truth

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: digits of the significand (with the hidden one) and the range of exponents."""

    name: str
    digits: int
    least_exponent: int  # of a normal number 1.xxx * 2**e
    greatest_exponent: int
    budget: float  # how many ulp an answer may be off: a half type rounds a float32 result, so one is generous

    @property
    def largest(self) -> float:
        """The largest finite number."""
        return float((2.0 - 2.0 ** (1 - self.digits)) * 2.0**self.greatest_exponent)

    @property
    def smallest(self) -> float:
        """The smallest subnormal number."""
        return float(np.ldexp(1.0, self.least_exponent - self.digits + 1))

    def spacing(self, magnitude: ArrayLike) -> Floats:
        """The distance between neighbours at a magnitude, at least that of the subnormal numbers: one ulp."""
        size = np.abs(np.asarray(magnitude, np.float64))
        size = np.where(np.isfinite(size), size, 2.0**self.greatest_exponent)
        exponents = np.frexp(np.where(size > 0, size, 1.0))[1] - 1
        exponents = np.where(size > 0, exponents, self.least_exponent)
        exponents = np.clip(exponents, self.least_exponent, self.greatest_exponent)
        return np.ldexp(1.0, exponents - self.digits + 1)


FORMATS = {
    each.name: each
    for each in (
        Format("float64", 53, -1022, 1023, budget=4),
        Format("float32", 24, -126, 127, budget=4),
        Format("bfloat16", 8, -126, 127, budget=1),
        Format("float16", 11, -14, 15, budget=1),
    )
}


def distance(got: ArrayLike, truth: Truth, form: Format) -> Floats:
    """How many units in the last place `got` is off, judged by the condition-aware policy.

    The unit is that of :math:`|f| + |x f'(x)|`. Two NaNs, and two infinities of one sign, are at distance 0.
    A number that is not finite where the truth is representable, or finite where there is none, is infinitely far.

    >>> from torchstone.oracle import FORMATS
    >>> one = Truth(np.array([1.0]), np.array([0.0]), np.array([1.0]))
    >>> distance([1 + 3 * 2.0**-23], one, FORMATS["float32"]).tolist()
    [3.0]
    """
    values = np.asarray(got, np.float64)
    high, low = truth.high, truth.low
    # Halving is exact up here, and leaves room for the number after the largest one, which an infinity stands for.
    half = np.where(np.abs(high) > 1, 0.5, 1.0)
    beyond = 2.0**form.greatest_exponent
    mine, right, rest = values * half, high * half, low * half
    near_overflow = np.abs(high) >= beyond
    mine = np.where(
        np.isinf(values) & near_overflow & (np.sign(values) == np.sign(high)), np.sign(values) * beyond, mine
    )
    right = np.where(near_overflow, np.clip(right, -beyond, beyond), right)
    rest = np.where(np.abs(right) == beyond, 0.0, rest)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs((mine - right) - rest)
        ulps = error / (form.spacing(np.maximum(np.abs(truth.scale), np.abs(high))) * half)
    ulps = np.where(np.isnan(ulps) | np.isinf(mine) | np.isnan(values) | np.isnan(high), np.inf, ulps)
    ulps = np.where(np.isnan(values) & np.isnan(high), 0.0, ulps)
    return np.where(np.isinf(high) & (values == high), 0.0, ulps)


def not_finite(got: ArrayLike, truth: Truth, form: Format) -> NDArray[np.bool_]:
    """Where an answer is NaN or infinite although the truth is representable."""
    return ~np.isfinite(np.asarray(got, np.float64)) & (np.abs(truth.high) <= form.largest)
