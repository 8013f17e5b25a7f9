"""Optimizers in other styles: a plain class, a wrapper, and a function that makes it."""

import torch

import torchstone


class MomentumOptimizer:
    """v = momentum v + g, p = p - lr v. No base class: what it needs is `step` and `zero_grad`."""

    def __init__(self, parameters, learning_rate=0.01, momentum=0.9):
        self.parameters = list(parameters)
        self.learning_rate, self.momentum = learning_rate, momentum
        self.velocities = [torch.zeros_like(each) for each in self.parameters]

    def zero_grad(self):
        for each in self.parameters:
            each.grad = None

    @torch.no_grad()
    def step(self):
        for each, velocity in zip(self.parameters, self.velocities, strict=True):
            if each.grad is not None:
                velocity.mul_(self.momentum).add_(each.grad)
                each.sub_(self.learning_rate * velocity)


@torchstone.traits(global_step=True)
class Lookahead:
    """Every k steps, part of the way from where it was to where another optimizer went (Zhang et al. 2019)."""

    def __init__(self, inner, k=5, part=0.5):
        self.inner, self.k, self.part = inner, k, part
        self.parameters = [each for group in inner.param_groups for each in group["params"]]
        self.slow = [each.detach().clone() for each in self.parameters]
        self.taken = 0

    def zero_grad(self):
        self.inner.zero_grad()

    @torch.no_grad()
    def step(self):
        self.inner.step()
        self.taken += 1
        if self.taken % self.k == 0:
            for slow, each in zip(self.slow, self.parameters, strict=True):
                each.copy_(slow.lerp_(each, self.part))


@torchstone.traits(global_step=True)
def lookahead(params):
    return Lookahead(torch.optim.Adam(params, lr=0.01))
