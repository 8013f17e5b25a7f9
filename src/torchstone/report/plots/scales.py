"""What the pictures share: windows that one wild value can't spoil, and marks where a line leaves them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_WIDE = 1e3  # a horizontal range beyond this is drawn on a logarithmic scale
_FARTHEST = 1e250
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def floats(values: Sequence[float]) -> Floats:
    """The numbers as an array; finite ones so near to the largest float that a margin around them has none, less so."""
    array = np.asarray(values, np.float64)
    return np.where(np.isfinite(array), np.clip(array, -_FARTHEST, _FARTHEST), array)


def finite(values: Floats) -> Floats:
    """The values, with NaN for infinities: a line has a gap there."""
    return np.where(np.isfinite(values), values, np.nan)


def across(axes: Axes, x: Floats, name: str) -> None:
    """The horizontal axis: the range of `x`, logarithmic on both sides of zero where that is very wide."""
    reach = x[np.isfinite(x)]
    if reach.size and np.abs(reach).max() > _WIDE:
        _both_sides(axes, reach)
    if reach.size and reach.min() < reach.max():
        axes.set_xlim(reach.min(), reach.max())
    axes.set_xlabel(printable(name))


def _both_sides(axes: Axes, reach: Floats) -> None:
    """A scale that is logarithmic on both sides of zero, with few labels."""
    axes.set_xscale("symlog", linthresh=1.0)
    last = int(np.floor(np.log10(np.abs(reach).max())))
    powers = [exponent for exponent in (last, last // 2) if exponent > 0]
    marks = [(10.0**exponent, power(exponent)) for exponent in powers]
    ticks = {0.0: "0", **dict(marks), **{-place: "−" + label for place, label in marks}}
    shown = {place: label for place, label in ticks.items() if reach.min() <= place <= reach.max()}
    axes.xaxis.set_major_locator(FixedLocator(list(shown)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels(list(shown.values()))


def printable(name: str) -> str:
    """A name without the control characters that no SVG may hold."""
    return "".join(character for character in name if character.isprintable())


def window(values: Floats, far: float = 4.0) -> tuple[float, float]:
    """The vertical range to show: all of it, unless it is `far` times what all but a few values span."""
    inside = values[np.isfinite(values)]
    if not inside.size:
        return -1.0, 1.0
    low, high = inside.min(), inside.max()
    usual_low, usual_high = np.percentile(inside, (3, 97))
    if high - low > far * (usual_high - usual_low) > 0:
        low, high = max(low, usual_low), min(high, usual_high)
    margin = 0.08 * (high - low) or max(1.0, abs(high))
    return float(low - margin), float(high + margin)


def clipped(values: Floats, low: float, high: float) -> Floats:
    """The finite values, those far outside of the window brought near it: what is drawn must stay drawable."""
    return np.clip(finite(values), low - 8 * (high - low), high + 8 * (high - low))


def mark_beyond(axes: Axes, x: Floats, values: Floats, colour: str) -> bool:
    """A triangle at the edge, once for each stretch in which the line is beyond it; says whether there is one."""
    low, high = axes.get_ylim()
    for beyond, marker, edge in ((values > high, "^", 0.975), (values < low, "v", 0.025)):
        at = [x[run].mean() for run in _runs(beyond)]
        axes.plot(
            at,
            [edge] * len(at),
            marker,
            color=colour,
            markersize=6,
            markeredgewidth=0,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
        )
    return bool(np.any((values > high) | (values < low)))


def decades(axes: Axes, low: float, high: float, floor: str = "") -> None:
    """A logarithmic vertical axis with few labels; `floor` replaces the lowest one."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    first, last = int(np.ceil(np.log10(low) - 1e-9)), int(np.floor(np.log10(high) + 1e-9))
    stride = max(1, -(-(last - first) // 5))
    exponents = range(first, last + 1, stride)
    axes.yaxis.set_major_locator(FixedLocator([10.0**exponent for exponent in exponents]))
    axes.yaxis.set_minor_locator(NullLocator())
    labels = [power(exponent) for exponent in exponents]
    axes.set_yticklabels([floor, *labels[1:]] if floor else labels)


def power(exponent: int) -> str:
    """A power of ten as a label."""
    return f"{10.0**exponent:g}" if -3 < exponent < 4 else "10" + str(exponent).translate(_SUPERSCRIPTS)


def thinned(values: Floats, most: int = 400) -> tuple[Floats, Floats]:
    """Positions and values of a long series: the least and greatest in each bin, so that it looks the same."""
    positions = np.arange(values.size, dtype=np.float64)
    if values.size <= most:
        return positions, values
    kept = {0, values.size - 1}
    for part in np.array_split(np.arange(values.size), most // 2):
        known = part[~np.isnan(values[part])]
        kept |= (
            {int(known[values[known].argmin()]), int(known[values[known].argmax()])} if known.size else {int(part[0])}
        )
    order = sorted(kept)
    return positions[order], values[order]


def _runs(mask: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    where = np.flatnonzero(mask)
    return np.split(where, np.flatnonzero(np.diff(where) > 1) + 1) if where.size else []
