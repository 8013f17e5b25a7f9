"""Every loss, activation and optimizer beside PyTorch's and beside the mathematics.

>>> import torchstone
>>> torchstone.compare("L1Loss", parts=["accuracy"]).ok
True
"""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from torchstone.compare.result import Accuracy, Comparison, Cost, Curve, Row, Training, Trajectory

if TYPE_CHECKING:
    from torchstone.compare.engine import Event

PARTS = ("accuracy", "curve", "speed", "memory", "training")

__all__ = ["PARTS", "Accuracy", "Comparison", "Cost", "Curve", "Row", "Training", "Trajectory", "compare"]


def compare(
    *names: str,
    against: str | Callable[..., Any] | None = None,
    parts: Collection[str] = PARTS,
    on_event: "Callable[[Event], None] | None" = None,
    time_limit: float = 60.0,
) -> Comparison:
    """Hold implementations against the mathematics and against PyTorch's own.

    Args:
        names: Definitions or classes, in any spelling (`"Sigmoid"`, `"cross_entropy"`). None: everything.
        against: What to compare instead of torchstone's own: `"pkg.module:Class"` or `"path/file.py:Class"`, which
            runs in a child process; or a class or a function, which runs in this one. It goes with one name, or with
            none where its own name tells which definition is meant (`AdamOptimizer`, `MySigmoid`).
        parts: What to do: `accuracy` (value and gradient; an optimizer's trajectory), `curve` (what is plotted),
            `speed`, `memory`, `training`.
        on_event: Called with each step of the progress.
        time_limit: Seconds that the child process has.

    Returns:
        The rows; shown as a table in a notebook, with `.to_html()`, `.to_json()` and `.save(path)`.

    Raises:
        ValueError: for an unknown name or part, and for `against` that names nothing.

    While it measures, PyTorch works with one thread, so that a time is a time and not a matter of what else runs.
    """
    from torchstone.compare.engine import run

    return run(names, against, parts, on_event, time_limit)
