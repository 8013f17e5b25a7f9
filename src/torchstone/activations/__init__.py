"""Activations, drop-in for `torch.nn`'s: each a forward beside its hand-derived derivatives, from primitives."""

from torchstone.activations.gated import GELU, SiLU
from torchstone.activations.rectifiers import ELU, LeakyReLU, ReLU, Softplus
from torchstone.activations.sigmoids import LogSigmoid, Sigmoid, Tanh
from torchstone.activations.softmax import LogSoftmax, Softmax

__all__ = [
    "ELU",
    "GELU",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]
