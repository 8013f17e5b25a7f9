"""The optimizers' ways across Rosenbrock's banana-shaped valley."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from torchstone.compare.result import Training
from torchstone.report.plots.scales import Floats, floats
from torchstone.report.plots.svg import INK, MUTED, OURS, PATHS, TORCH, Picture, drawing

_LEVELS = 4.0 ** np.arange(0, 7)
_VIEW = ((-2.1, 2.1), (-0.9, 3.1))  # widened to hold the paths, but not beyond:
_FAR = ((-4.0, 4.0), (-4.0, 9.0))
_DASHES = ("solid", (0, (6, 2)), (0, (2, 1.2)), (0, (8, 2, 2, 2)), (0, (4, 1, 1, 1, 1, 1)), (0, (1, 1)))
_SURFACE = "Lines of equal height of Rosenbrock's function; the star is its minimum, the ring the start"


def surface(x: Floats, y: Floats) -> Floats:
    """Rosenbrock's function, (1 - x)² + 100 (y - x²)²; its minimum is 0 at (1, 1)."""
    return np.asarray((1 - x) ** 2 + 100 * (y - x**2) ** 2)


def path(training: Training, name: str, label: str) -> Picture:
    """One optimizer's path, over PyTorch's."""
    ours, torch = _points(training.path), _points(training.torch_path)
    with drawing(name, f"{label}: path on Rosenbrock's function") as drawn:
        (axes,) = drawn.panels(left=46)
        _landscape(axes, [ours, torch])
        axes.plot(*torch.T, color=TORCH, linewidth=6.5, alpha=0.4)
        axes.plot(*ours.T, color=OURS, linewidth=1.4)
        _ends(axes, ours, OURS)
    return Picture(
        "Path on Rosenbrock's function",
        drawn.svg,
        f"{_SURFACE}, the dot where {label} ended.",
        (("ours", "ours"), ("torch", "PyTorch's")),
    )


def paths(runs: Sequence[tuple[str, Training]], name: str) -> Picture:
    """Several optimizers' paths in one picture: (what it is called, its run) each."""
    tracks = [_points(training.path) for _, training in runs]
    with drawing(name, "Paths of all optimizers on Rosenbrock's function", height=340) as drawn:
        (axes,) = drawn.panels(left=46)
        _landscape(axes, tracks)
        for n, track in enumerate(tracks):
            colour = PATHS[n % len(PATHS)]
            axes.plot(*track.T, color=colour, linewidth=1.5, linestyle=_DASHES[n % len(_DASHES)])
            _ends(axes, track, colour)
    key = tuple((f"path-{n % len(PATHS) + 1}", label) for n, (label, _) in enumerate(runs))
    return Picture("All paths", drawn.svg, f"{_SURFACE}, the dots where each optimizer ended.", key)


def _points(visited: Sequence[tuple[float, float]]) -> Floats:
    points = floats([value for point in visited for value in point]).reshape(-1, 2)
    return points[np.isfinite(points).all(axis=1)]


def _landscape(axes: Axes, tracks: Sequence[Floats]) -> None:
    spans = []
    everywhere = np.concatenate([*tracks, np.empty((0, 2))])
    for column, (view, far) in enumerate(zip(_VIEW, _FAR, strict=True)):
        values = np.clip(everywhere[:, column], *far)
        spans.append((min([view[0], *(values - 0.2)]), max([view[1], *(values + 0.2)])))
    x, y = np.meshgrid(*(np.linspace(*span, 161) for span in spans))
    axes.contour(x, y, surface(x, y), levels=_LEVELS, colors=MUTED, linewidths=0.7, alpha=0.45)
    axes.set(xlim=spans[0], ylim=spans[1], xlabel="x")
    axes.set_ylabel("y", rotation=0, labelpad=8)
    axes.grid(visible=False)
    axes.plot(1, 1, "*", color=INK, markersize=13, markeredgewidth=0, zorder=4)


def _ends(axes: Axes, track: Floats, colour: str) -> None:
    if not len(track):
        return
    axes.plot(*track[0], "o", color=colour, markerfacecolor="none", markersize=8, markeredgewidth=1.4, zorder=5)
    axes.plot(*track[-1], "o", color=colour, markersize=6, markeredgewidth=0, zorder=5)
