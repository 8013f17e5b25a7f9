"""Optimizers that do not get on with what is around them."""

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor

from torchstone.check.mutants import mutant
from torchstone.check.mutants.optimizers_base import Base
from torchstone.check.mutants.ranges import checked


@mutant("O503", definition="none")
class SplitBetas(Base):
    """Adam's betas are two settings, which no scheduler finds."""

    def __init__(self, params: Iterable[Any], lr: float = 0.01, beta1: float = 0.9, beta2: float = 0.99) -> None:
        torch.optim.Optimizer.__init__(self, params, checked(lr=lr, beta1=beta1, beta2=beta2))

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        assert p.grad is not None
        state = self.state[p]
        if not state:
            state.update(m=torch.zeros_like(p), v=torch.zeros_like(p))
        state["m"].lerp_(p.grad, 1 - group["beta1"])
        state["v"].lerp_(p.grad**2, 1 - group["beta2"])
        p.sub_(group["lr"] * state["m"] / (state["v"].sqrt() + 1e-8))


@mutant("O504", definition="none")
class SilentStateDict(Base):
    """Its state dict is its own, and calls no hook."""

    def state_dict(self) -> dict[str, Any]:
        order = [p for group in self.param_groups for p in group["params"]]
        groups = [
            {**group, "params": [next(at for at, each in enumerate(order) if each is p) for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {at: dict(self.state[p]) for at, p in enumerate(order) if self.state[p]}
        return {"state": state, "param_groups": groups}


@mutant("O507", definition="none")
class AnotherWayCompiled(Base):
    """Where it is compiled, it leaves the momentum out."""

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        momentum = 0.0 if torch.compiler.is_compiling() else group["momentum"]
        super().advance(p, {**group, "momentum": momentum})


@mutant("O508", definition="none")
class SeedsInItsStep(Base):
    """For reproducible results, it says."""

    def advance_all(self) -> None:
        torch.manual_seed(0)
        super().advance_all()


@mutant("O508", definition="none", also=("O404",))
class KeepsEveryGradient(Base):
    """The gradients are kept for a plot."""

    def __init__(self, params: Iterable[Any], lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(params, lr, momentum)
        self.history: list[Tensor] = []

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        assert p.grad is not None
        self.history.append(p.grad.clone())
        super().advance(p, group)


@mutant("O508", "G004", definition="none", also=("O404", "O401", "O402"))
class SharedByAll:
    """The velocities are on the class, by position: all optimizers share them."""

    velocities: ClassVar[dict[int, Tensor]] = {}

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float = 0.01) -> None:
        self.parameters = list(parameters)
        self.learning_rate = learning_rate

    def step(self) -> None:
        with torch.no_grad():
            for place, parameter in enumerate(self.parameters):
                if parameter.grad is not None:
                    kept = self.velocities.get(place, torch.zeros(1))
                    kept = kept if kept.shape == parameter.shape else torch.zeros_like(parameter)
                    self.velocities[place] = 0.9 * kept + parameter.grad
                    parameter.sub_(self.learning_rate * self.velocities[place])

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None
