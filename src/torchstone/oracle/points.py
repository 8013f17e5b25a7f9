"""Where to look: every value of a half type, and for the others a grid of normal numbers, tails, kinks and extremes."""

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from torchstone.oracle.formats import Format

Floats = NDArray[np.float64]


@cache
def every_value(name: str) -> Floats:
    """All 65,536 values of a half type, NaNs included, as float64."""
    bits = np.arange(1 << 16, dtype=np.uint16)
    with np.errstate(invalid="ignore"):  # widening a signalling NaN
        if name == "float16":
            return bits.view(np.float16).astype(np.float64)
        return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)


def rounded(values: NDArray[np.floating] | Iterable[float], form: Format) -> Floats:
    """The values rounded to the nearest of the format, as float64."""
    array = np.asarray(values, np.float64)
    if form.name == "float64":
        return array
    with np.errstate(over="ignore"):
        if form.name in ("float32", "float16"):
            return array.astype(form.name).astype(np.float64)
        spacing = form.spacing(array)
        nearest = np.where(np.isfinite(array), np.rint(array / spacing) * spacing, array)
        return np.where(np.abs(nearest) > form.largest, np.copysign(np.inf, nearest), nearest)


def _neighbours(centre: float, form: Format, reach: int = 3) -> Floats:
    steps = np.arange(-reach, reach + 1, dtype=np.float64)
    if centre == 0:
        return steps * form.smallest
    return centre + steps * form.spacing(centre)


def grid(form: Format, special: Iterable[float] = (), density: int = 600) -> Floats:
    """Points for a unary function: all values of a half type; otherwise about seven times `density` points.

    Normal numbers evenly spaced and logarithmically spaced on both sides, the neighbours of special points (kinks,
    thresholds), powers of two, subnormal numbers, the extremes, both zeros, both infinities and NaN.
    """
    if form.digits <= 11:
        return every_value(form.name)
    random = np.random.default_rng(20260101)  # a fixed seed: the grid is the same for everybody, every time
    widths = (1.0, 5.0, 20.0, 120.0, 800.0)
    even = np.concatenate([random.uniform(-width, width, density) for width in widths])
    exponents = random.uniform(form.least_exponent, form.greatest_exponent, density)
    logarithmic = np.concatenate(
        [
            np.ldexp(random.uniform(1, 2, density), np.floor(exponents).astype(int)),
            10.0 ** random.uniform(-8, 0, density),
        ]
    )
    subnormal = form.smallest * random.integers(1, 1 << (form.digits - 1), density // 10)
    powers = np.ldexp(1.0, np.arange(-12, 12))
    near = np.concatenate([_neighbours(centre, form) for centre in (0.0, 1.0, -1.0, *special)])
    extremes = np.array([form.largest, 2.0**form.least_exponent, form.smallest, 0.0])
    both = np.concatenate([logarithmic, subnormal, powers, extremes])
    return rounded(np.concatenate([even, near, both, -both, [np.inf, -np.inf, np.nan]]), form)


def inside(values: Floats, low: float, high: float) -> Floats:
    """The values in a closed interval."""
    return values[(values >= low) & (values <= high)]
