"""Optimizers, from primitives: each update rule reads like its textbook, and fits where `torch.optim`'s does."""

from torchstone.optimizers.adam import Adam, AdamW
from torchstone.optimizers.sgd import SGD, GradientDescent, Momentum

__all__ = ["SGD", "Adam", "AdamW", "GradientDescent", "Momentum"]
