"""Numbers as people read them: 0.53, 1.7e7, 1.30×, 65.5 k, 12 µs. Used by every report."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

NOTHING = "–"

_THOUSANDS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def _scientific(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def ulp(value: float) -> str:
    """An error in units in the last place.

    >>> [ulp(value) for value in (0.0, 0.001, 0.5, 57.34, 2048.0, 1.7e7, float("inf"), float("nan"))]
    ['0', '<0.01', '0.50', '57.3', '2048', '1.7e7', '∞', '–']
    """
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞"
    if value == 0:
        return "0"
    if value < 0.01:
        return "<0.01"
    if value >= 9999.5:
        return _scientific(value)
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def ratio(value: float) -> str:
    """How many times as much as PyTorch: 1 is as much, below 1 is less.

    >>> ratio(0.954), ratio(12.34), ratio(250.0)
    ('0.95×', '12.3×', '250×')
    """
    if not math.isfinite(value):
        return NOTHING
    return (f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}") + "×"


def distance(value: float) -> str:
    """A relative distance, which is tiny or bad.

    >>> distance(0.0), distance(3.14e-16), distance(0.25)
    ('0', '3.1e-16', '0.25')
    """
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞"
    return f"{value:.2g}" if value == 0 or 0.01 <= abs(value) < 100 else _scientific(value)


def size(elements: float) -> str:
    """A number of elements.

    >>> size(512), size(1000), size(65536), size(1 << 20)
    ('512', '1 k', '65.5 k', '1.05 M')
    """
    for unit, name in _THOUSANDS:
        if elements >= unit:
            return f"{elements / unit:.3g} {name}"
    return f"{elements:.0f}"


def memory(count: float) -> str:
    """A number of bytes.

    >>> memory(0), memory(4_000_000)
    ('0 B', '4 MB')
    """
    text = size(count)
    return f"{text}B" if " " in text else f"{text} B"


def seconds(value: float) -> str:
    """A time.

    >>> seconds(48.04), seconds(1.25e-5)
    ('48 s', '12.5 µs')
    """
    if not math.isfinite(value):
        return NOTHING
    for unit, name in _TIMES:
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value:.3g} s"


def plain(value: float) -> str:
    """A loss, or any other number.

    >>> plain(0.0123456), plain(1e-30), plain(float("inf"))
    ('0.01235', '1e-30', 'inf')
    """
    return f"{value:.4g}"


def point(value: Any, most: int = 3) -> str:
    """An input: a number, a vector (its first entries), or arguments by name, where there are several.

    >>> point(-7.125), point({"x": 0.5}), point({"input": [1.0, 2.0], "target": 0}), point(None)
    ('-7.125', '0.5', 'input = [1, 2], target = 0', '–')
    """
    if isinstance(value, Mapping) and len(value) == 1:
        value = next(iter(value.values()))
    if value is None:
        return NOTHING
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {point(each, most)}" for name, each in value.items())
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, Sequence):
        shown = [point(each, most) for each in value[:most]]
        return f"[{', '.join(shown + ['…'] * (len(value) > most))}]"
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)
