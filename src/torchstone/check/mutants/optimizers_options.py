"""Optimizers with options that do nothing, or something else; and with laws broken."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from torchstone.check.mutants import clean, mutant
from torchstone.check.mutants.ranges import checked


class _Descent(torch.optim.Optimizer):
    """Gradient descent with momentum and decay as people write it; the mutants get a part of it wrong."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, {**checked(lr=lr, momentum=momentum, weight_decay=weight_decay), "maximize": maximize})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.update(p, group)
        return loss

    def update(self, p: Tensor, group: dict[str, Any]) -> None:
        grad = self.gradient(p, group)
        state = self.state[p]
        state["buffer"] = group["momentum"] * state.get("buffer", torch.zeros_like(p)) + grad
        p.sub_(self.rate(group) * state["buffer"])

    def gradient(self, p: Tensor, group: dict[str, Any]) -> Tensor:
        assert p.grad is not None
        grad = -p.grad if group["maximize"] else p.grad
        return grad + group["weight_decay"] * p

    def rate(self, group: dict[str, Any]) -> float:
        return float(group["lr"])


@clean("O203", "O204", "O205", "O206", "O207", "O208", "O209", definition="sgd")
class HeavyBall(_Descent):
    """All of it right."""


@clean("O203", "O204", "O205", "O206", "O207", "O208", definition="none")
class Unheard(_Descent):
    """The same, with nothing known of it."""


@mutant("O203", definition="none")
class FixedMomentum(_Descent):
    """The momentum is written into the code, whatever is given."""

    def update(self, p: Tensor, group: dict[str, Any]) -> None:
        super().update(p, {**group, "momentum": 0.9})


@mutant("O204", definition="none")
class Uphill(_Descent):
    """The sign of the step is wrong."""

    def rate(self, group: dict[str, Any]) -> float:
        return -float(group["lr"])


@mutant("O205", definition="none")
class DecayUpwards(_Descent):
    """`maximize` negates the decay along with the gradient."""

    def gradient(self, p: Tensor, group: dict[str, Any]) -> Tensor:
        assert p.grad is not None
        grad = p.grad + group["weight_decay"] * p
        return -grad if group["maximize"] else grad


@mutant("O207", definition="none")
class DefaultForZero(_Descent):
    """A learning rate of 0 counts as none given."""

    def rate(self, group: dict[str, Any]) -> float:
        return float(group["lr"] or 1e-2)


@mutant("O208", definition="none")
class RateInPlace(_Descent):
    """The learning rate is scaled in place: as a tensor, it shrinks from step to step."""

    def rate(self, group: dict[str, Any]) -> float:
        rate = group["lr"]
        rate *= 0.9
        return rate


@mutant("O209", also=("O201",), definition="momentum")
class RateTwice(_Descent):
    """The learning rate is multiplied in twice."""

    def rate(self, group: dict[str, Any]) -> float:
        return float(group["lr"]) ** 2


class _Decoupled(_Descent):
    """Gradient descent whose decay is apart from the gradient."""

    def gradient(self, p: Tensor, group: dict[str, Any]) -> Tensor:
        assert p.grad is not None
        p.mul_(1 - group["lr"] * group["weight_decay"])
        return -p.grad if group["maximize"] else p.grad


@clean("O206", definition="none")
class Decoupled(_Decoupled):
    """Right, as nobody says how it has to decay."""


@mutant("O206", also=("O201",), definition="sgd")
class DecoupledUnasked(_Decoupled):
    """The decay of SGD is in the gradient, and so in the momentum."""


@mutant("O206", definition="none")
class BiasesSpared(_Descent):
    """Parameters of one dimension are not decayed, and nobody is told."""

    def gradient(self, p: Tensor, group: dict[str, Any]) -> Tensor:
        return super().gradient(p, group if p.dim() > 1 else {**group, "weight_decay": 0.0})


@mutant("O206", definition="none")
class FrozenDecayed(_Decoupled):
    """The decay comes before it is asked whether there is a gradient."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - group["lr"] * group["weight_decay"])
        for group in self.param_groups:
            group["was"], group["weight_decay"] = group["weight_decay"], 0.0
        loss = super().step(closure)
        for group in self.param_groups:
            group["weight_decay"] = group.pop("was")
        return loss
