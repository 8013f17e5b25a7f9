"""The worst errors of all functions in one picture."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from torchstone.compare.result import Accuracy, Row
from torchstone.report.plots.scales import power, printable
from torchstone.report.plots.svg import INK, LINE, OURS, TORCH, Picture, drawing

_FLOOR = 0.1  # ulp: a logarithmic scale has no zero
_LINE_HEIGHT = 17.0


def at_a_glance(rows: Sequence[Row], name: str) -> Picture:
    """The worst error of value and gradient of each row: ours a disc, PyTorch's a diamond."""
    height = 60 + _LINE_HEIGHT * len(rows)
    label = "Worst error of value and gradient of every function, ours and PyTorch's"
    with drawing(name, label, height) as drawn:
        left, right = drawn.panels(columns=2, left=124)
        kinds = (("value, ulp", [row.value for row in rows]), ("gradient, ulp", [row.gradient for row in rows]))
        for axes, (title, accuracies) in zip((left, right), kinds, strict=True):
            _column(axes, [each for each in accuracies if each])
            axes.set_xlabel(title)
        left.set_yticks(range(len(rows)), [printable(row.name)[:20] for row in rows], color=INK, fontsize=10)
    return Picture(
        "Errors at a glance",
        drawn.svg,
        "The worst error over all inputs and formats, on a logarithmic scale: further left is better. "
        f"Errors up to {_FLOOR} ulp lie on the left edge; an arrow at the right edge marks NaN or infinity.",
        (("disc", "ours"), ("diamond", "PyTorch's")),
    )


def _column(axes: Axes, accuracies: Sequence[Accuracy]) -> None:
    ours = np.array([each.max_ulp for each in accuracies])
    torch = np.array([each.torch_max_ulp for each in accuracies])
    lines = np.arange(len(accuracies))
    known = np.concatenate([ours, torch])
    last = max(2, int(np.ceil(np.log10(known[np.isfinite(known)].max(initial=1.0)))))
    axes.set(xscale="log", xlim=(_FLOOR, 10.0**last), ylim=(len(accuracies) - 0.4, -0.6))
    powers = range(-1, last + 1, max(1, -(-(last + 1) // 3)))
    axes.xaxis.set_major_locator(FixedLocator([10.0**n for n in powers]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"≤{_FLOOR}", *map(power, powers[1:])])
    axes.spines["left"].set_visible(False)
    low, high = np.clip(ours, _FLOOR, 10.0**last), np.clip(torch, _FLOOR, 10.0**last)
    axes.hlines(lines, low, high, color=LINE, linewidth=2)
    for x, holes, marker, colour, size in (
        (high, [each.torch_not_finite for each in accuracies], "D", TORCH, 5.5),
        (low, [each.not_finite for each in accuracies], "o", OURS, 7),
    ):
        axes.plot(x, lines, marker, color=colour, markersize=size, markeredgewidth=0, clip_on=False)
        wrong = [line for line, count in zip(lines, holes, strict=True) if count]
        axes.plot([10.0**last] * len(wrong), wrong, ">", color=colour, markersize=7, markeredgewidth=0, clip_on=False)
