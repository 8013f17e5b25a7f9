"""How people try an optimizer before they trust it: does the loss go down, and does one run look like PyTorch's."""

from typing import Any

import torch
from judges import Component, isolated
from torch import Tensor
from torch.nn import Parameter

from torchstone.check.like import find, read_dotted
from torchstone.check.optimizers.build import HeldOptimizer
from torchstone.check.optimizers.vocabulary import arguments


class _Regression:
    """A linear layer that is to be fitted, and how an optimizer is driven that fits it."""

    def __init__(self, component: Component, samples: int, zeros: bool = False) -> None:
        torch.manual_seed(0)
        self.usage = component.optimizer.spec.usage
        self.weight, self.bias = Parameter(torch.randn(10, 5)), Parameter(torch.randn(10))
        self.inputs, self.targets = torch.randn(samples, 5), torch.randn(samples, 10) * (not zeros)
        self.parameters = [self.weight] if self.usage.get("dims") == 2 else [self.weight, self.bias]

    def loss(self) -> Tensor:
        return (self.inputs @ self.weight.T + self.bias - self.targets).pow(2).sum(-1).mean()

    def train(self, optimizer: Any, steps: int) -> None:
        def evaluate() -> Tensor:
            optimizer.zero_grad()
            loss = self.loss()
            loss.backward()
            for each in self.parameters if self.usage.get("sparse") else ():
                each.grad = each.grad.to_sparse() if each.grad is not None else None
            return loss

        for _ in range(steps):
            if self.usage.get("closure"):
                optimizer.step(evaluate)
            else:
                evaluate()
                optimizer.step()


def direction(component: Component) -> bool | None:
    """The loss is no lower after 20 steps: how PyTorch tests its own, in `test/test_optim.py`.

    A weight and a bias, one input, the sum of the squares of what comes out.
    """
    with isolated():
        try:
            layer = _Regression(component, samples=1, zeros=True)
            before = layer.loss().item()
            layer.train(component.built(layer.parameters), steps=20)
            return not layer.loss().item() < before
        except Exception:
            return True  # it raised, and its author would look into it


def one_run(component: Component) -> bool | None:
    """Ten steps of a linear regression in float32, beside the counterpart with the same settings."""
    subject = component.optimizer
    if subject.peer is None:
        return None
    counterpart = HeldOptimizer(find(read_dotted(subject.peer.text)[0]), subject.peer.spec)
    same = {spelled: subject.hyper[name] for name, spelled in subject.peer.names.items() if name in subject.hyper}
    with isolated():
        ours, theirs = _Regression(component, samples=32), _Regression(component, samples=32)
        theirs.train(counterpart.build(theirs.parameters, arguments(same, subject.peer.settings)), steps=10)
        try:
            ours.train(component.built(ours.parameters), steps=10)
            torch.testing.assert_close(ours.parameters, theirs.parameters)
        except Exception:
            return True
    return False
