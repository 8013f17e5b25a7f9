"""Losses, drop-in for those of `torch.nn`: a forward beside its hand-derived backward, from primitives."""

from torchstone.losses.binary import BCELoss as BCELoss
from torchstone.losses.binary import BCEWithLogitsLoss as BCEWithLogitsLoss
from torchstone.losses.classes import CrossEntropyLoss as CrossEntropyLoss
from torchstone.losses.classes import NLLLoss as NLLLoss
from torchstone.losses.residual import HuberLoss as HuberLoss
from torchstone.losses.residual import L1Loss as L1Loss
from torchstone.losses.residual import MSELoss as MSELoss
from torchstone.losses.residual import SmoothL1Loss as SmoothL1Loss

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "L1Loss",
    "MSELoss",
    "NLLLoss",
    "SmoothL1Loss",
]
