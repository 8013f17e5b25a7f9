"""How far an optimizer's trajectory is from the exact one."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from torchstone.compare.catalogue import Setting
from torchstone.oracle import Path

Floats = NDArray[np.float64]


class Walk:
    """A trajectory beside the exact one and PyTorch's.

    Distances are relative to the largest magnitude that the element has had on its exact path so far, its start
    included, so that an element on its way through zero is no false alarm.
    """

    def __init__(self, start: Floats, exact: Path, setting: Setting, got: Tensor, theirs: Tensor) -> None:
        self.setting = setting
        magnitudes = np.abs(np.vstack([start, exact.parameters]))
        self._scale = np.maximum.accumulate(magnitudes)[1:]
        mine, other = got.double().numpy(), theirs.double().numpy()
        self._off = self._distances(mine - exact.parameters - exact.low)
        self.to_oracle = float(self._off.max())
        self.torch_to_oracle = float(self._distances(other - exact.parameters - exact.low).max())
        self.to_torch = float(self._distances(mine - other).max())

    def _distances(self, difference: Floats) -> Floats:
        with np.errstate(invalid="ignore", over="ignore"):
            relative = np.abs(difference) / self._scale
        return np.where(np.isnan(relative), np.inf, relative)

    def first_beyond(self, budget: float) -> int:
        """The first step, counted from 1, at which an element is further off than that."""
        return int((self._off > budget).any(axis=1).argmax()) + 1
