"""What is plotted of a function."""

import numpy as np
from numpy.typing import NDArray

from torchstone.compare.reading import Errors, Floats, Quantity, Reading, errors_of
from torchstone.compare.result import Curve
from torchstone.compare.task import Reply

_BINS = 160
_PLOTTED = 400


def curve(reading: Reading, note: str) -> Curve | None:
    """What is plotted, from the answers at the points of the plot: of a row, its first component."""
    pairs: list[tuple[Quantity, Reply]] = [
        ("value", reading.reply),
        ("value", reading.torch),
        ("gradient", reading.reply),
        ("gradient", reading.torch),
    ]
    errors = [errors_of(quantity, reading, reply) for quantity, reply in pairs]
    if errors[0] is None or errors[2] is None:
        return None
    points = reading.batch.inputs["prediction"]
    x = points if points.ndim == 1 else points[:, 0]
    bins = np.minimum((np.arange(len(x)) * _BINS) // len(x), _BINS - 1)
    shown = slice(None, None, max(1, len(x) // _PLOTTED))
    variable = reading.names["prediction"]
    return Curve(
        variable if points.ndim == 1 else f"{variable}[0]",
        x=tuple(x[shown].tolist()),
        value=tuple(_first(errors[0].got, len(x))[shown].tolist()),
        gradient=tuple(_first(errors[2].got, len(x))[shown].tolist()),
        error_x=tuple(np.array([x[bins == n].mean() for n in range(_BINS)]).tolist()),
        value_error=_binned(errors[0], bins),
        torch_value_error=_binned(errors[1], bins),
        gradient_error=_binned(errors[2], bins),
        torch_gradient_error=_binned(errors[3], bins),
        note=note,
    )


def _first(flat: Floats, count: int) -> Floats:
    """Each point's first element."""
    first: Floats = flat.reshape(count, -1)[:, 0]
    return first


def _binned(errors: Errors | None, bins: NDArray[np.intp]) -> tuple[float, ...]:
    """The worst of the points in each bin."""
    if errors is None:
        return (float("nan"),) * _BINS
    off = errors.distances.reshape(len(bins), -1).max(1)
    return tuple(float(off[bins == n].max()) for n in range(_BINS))
