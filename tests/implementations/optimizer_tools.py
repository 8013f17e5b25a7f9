"""What the tests of the optimizers share: kinds of state, parameters, gradients."""

import torch
from torch import nn

from torchstone.optimizers import SGD, Adam, AdamW, GradientDescent

KINDS = [  # every kind of state
    (GradientDescent, {}),
    (SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (Adam, {"amsgrad": True, "weight_decay": 0.1}),
    (AdamW, {}),
]


def parameters(*shapes, dtype=torch.float64):
    return [nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in shapes or ((3,), (2, 4), ())]


def give(params, gradients=None):
    for i, p in enumerate(params):
        p.grad = torch.randn_like(p) if gradients is None else gradients[i].clone()


def twins(params):
    return [nn.Parameter(p.detach().clone()) for p in params]


def train(optimizer, params, steps):
    for gradients in steps:
        give(params, gradients)
        optimizer.step()


def draw(params, steps):
    return [[torch.randn_like(p) for p in params] for _ in range(steps)]


def same(params, others):
    return all(torch.equal(p, q) for p, q in zip(params, others, strict=True))
