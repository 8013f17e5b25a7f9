"""A function: its value and derivative over the input range, and how far off they are."""

import numpy as np
from matplotlib.axes import Axes

from torchstone.compare.result import Curve
from torchstone.report.plots.scales import Floats, across, clipped, decades, finite, floats, mark_beyond, window
from torchstone.report.plots.svg import INK, LIMIT, OURS, SLOPE, TORCH, Picture, drawing

_BEYOND = " A triangle at the edge marks values beyond it."
_HOLES = " A triangle at the top marks NaN or infinity."
_FLOOR = 0.01  # ulp: a logarithmic scale has no zero


def function(curve: Curve, name: str, label: str) -> Picture:
    """Value and derivative; `name` begins the ids in the picture, `label` is what the function is called."""
    x, value, slope = floats(curve.x), floats(curve.value), floats(curve.gradient)
    with drawing(name, f"{label}: value and derivative over {curve.variable}") as drawn:
        (axes,) = drawn.panels()
        across(axes, x, curve.variable)
        low, high = window(np.concatenate([value, slope]))
        axes.set_ylim(low, high)
        beyond = False
        for line, colour, dashes in ((value, INK, "solid"), (slope, SLOPE, (0, (5, 2)))):
            axes.plot(x, clipped(line, low, high), color=colour, linestyle=dashes)
            beyond |= mark_beyond(axes, x, line, colour)
    held = f", with {curve.note}" if curve.note else ""
    return Picture(
        "Value and derivative",
        drawn.svg,
        f"The function and its slope{held}.{_BEYOND if beyond else ''}",
        (("ink", "value"), ("slope", "derivative")),
    )


def errors(curve: Curve, budgets: tuple[float, float], name: str, label: str, tall: bool = False) -> Picture:
    """The error of value and derivative, ours and PyTorch's, with a line at each budget (ulp of float32).

    A tall picture is as high as two others.
    """
    x = floats(curve.error_x)
    with drawing(
        name, f"{label}: error of value and derivative over {curve.variable}", height=640 if tall else 300
    ) as drawn:
        panels = drawn.panels(rows=2)
        pairs = (
            ("value, ulp", curve.value_error, curve.torch_value_error, budgets[0]),
            ("derivative, ulp", curve.gradient_error, curve.torch_gradient_error, budgets[1]),
        )
        holes = False
        for axes, (title, ours, torch, budget) in zip(panels, pairs, strict=True):
            holes |= _panel(axes, x, floats(ours), floats(torch), budget)
            axes.set_ylabel(title)
        across(panels[-1], floats(curve.x), curve.variable)
    return Picture(
        "Error",
        drawn.svg,
        "The worst error in each stretch of float32 inputs, on a logarithmic scale: lower is better. "
        f"Errors up to {_FLOOR} ulp lie on the bottom line.{_HOLES if holes else ''}",
        (("ours", "ours"), ("area", "PyTorch's"), ("limit", "budget")),
        tall,
    )


def _panel(axes: Axes, x: Floats, ours: Floats, torch: Floats, budget: float) -> bool:
    seen = np.concatenate([ours, torch, [budget]])
    top = 10 ** np.ceil(np.log10(1.5 * seen[np.isfinite(seen)].max(initial=5.0)))
    decades(axes, _FLOOR, top, floor=f"≤{_FLOOR}")
    pale = np.clip(finite(torch), _FLOOR, top)
    axes.fill_between(x, _FLOOR, pale, step="mid", color=TORCH, alpha=0.25, linewidth=0)
    axes.plot(x, pale, color=TORCH, linewidth=0.9, drawstyle="steps-mid")
    if np.isfinite(budget):
        axes.axhline(budget, color=LIMIT, linewidth=1.1, linestyle=(0, (1, 2)))
    axes.plot(x, np.clip(finite(ours), _FLOOR, top), color=OURS, linewidth=1.4, drawstyle="steps-mid", clip_on=False)
    holes = [(np.where(np.isinf(errors), np.inf, np.nan), colour) for errors, colour in ((torch, TORCH), (ours, OURS))]
    marked = [mark_beyond(axes, x, infinite, colour) for infinite, colour in holes]
    return any(marked)
