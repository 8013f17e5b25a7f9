"""Training runs: the loss, step by step, ours drawn over PyTorch's."""

import numpy as np

from torchstone.compare.result import Training
from torchstone.report.plots.scales import Floats, clipped, decades, finite, floats, mark_beyond, thinned, window
from torchstone.report.plots.svg import OURS, TORCH, Picture, drawing

_COINCIDE = "The loss at each step. Where the two runs coincide, the thin line lies inside the wide one."
_BEYOND = " A triangle at the edge marks losses beyond it."
_STEEP = 30.0  # a loss that falls by more than this factor is drawn on a logarithmic scale
_DIVERGED = 1e4  # losses beyond this many times the first are only marked
_DEEPEST = 1e-20


def losses(training: Training, name: str, label: str) -> Picture:
    """The loss curves of one run; `name` begins the ids in the picture, `label` is what was trained with."""
    ours, torch = floats(training.losses), floats(training.torch_losses)
    low, high, logarithmic = _window(np.concatenate([ours, torch]))
    with drawing(name, f"{label}: loss on {training.title}, step by step") as drawn:
        (axes,) = drawn.panels()
        if logarithmic:
            decades(axes, low, high)
        axes.set_ylim(low, high)
        beyond = False
        for values, colour, width, alpha in ((torch, TORCH, 6.5, 0.4), (ours, OURS, 1.5, 1.0)):
            steps, shown = thinned(values)
            inside = np.clip(finite(shown), low, high) if logarithmic else clipped(shown, low, high)
            axes.plot(steps, inside, color=colour, linewidth=width, alpha=alpha)
            beyond |= mark_beyond(axes, steps, shown, colour)
        axes.set_xlim(0, max(1, ours.size - 1, torch.size - 1))
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
    return Picture(
        training.title,
        drawn.svg,
        _COINCIDE + (_BEYOND if beyond else ""),
        (("ours", "ours"), ("torch", "PyTorch's")),
    )


def _window(values: Floats) -> tuple[float, float, bool]:
    """The losses to show, and whether on a logarithmic scale."""
    known = values[np.isfinite(values)]
    positive = known[known > 0]
    if not positive.size or known.min() < 0 or known.max() < _STEEP * positive.min():
        return *window(values, far=100.0), False
    highest = min(positive.max(), _DIVERGED * positive[0])
    high = 10 ** np.ceil(np.log10(highest))
    low = max(10 ** np.floor(np.log10(positive.min())), high * _DEEPEST)
    return float(low), float(high), True
