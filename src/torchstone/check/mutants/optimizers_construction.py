"""Optimizers that lose their parameters, take any number, or know only one group; and some that do not."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from torchstone.check.mutants import clean, mutant
from torchstone.check.mutants.optimizers_base import Base


@clean("O101", "O102", "O103", "O501", "O502", "O503", "O504", "O505", "O507", "O508", definition="none")
class WellBuilt(Base):
    """Everything is as it should be."""


@clean("O101", "O502", "O508", definition="gradient_descent")
class PlainDescent:
    """A plain class, which makes a list first."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        self.parameters = list(parameters)
        self.learning_rate = learning_rate

    def step(self) -> None:
        with torch.no_grad():
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.sub_(self.learning_rate * parameter.grad)

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None


@mutant("O101", definition="gradient_descent")
class DescentOverAnIterator(PlainDescent):
    """The iterable is kept as it came, and `step` reads it."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float) -> None:
        super().__init__((), learning_rate)
        self.parameters = parameters  # type: ignore[assignment]


@mutant("O101", definition="none")
class CountsItsParameters(Base):
    """How many there are is counted before the base class reads them."""

    def __init__(self, params: Iterable[Any], lr: float = 0.01, momentum: float = 0.9) -> None:
        self.count = sum(1 for _ in params)
        super().__init__(params, lr, momentum)


@mutant("O102", definition="none")
class TakesAnything(Base):
    """No number is looked at."""

    def __init__(self, params: Iterable[Any], lr: float = 0.01, momentum: float = 0.9) -> None:
        torch.optim.Optimizer.__init__(self, params, {"lr": lr, "momentum": momentum, "weight_decay": 0.0})


@mutant("O103", definition="none", also=("O304",))
class OneRateForAll(Base):
    """The learning rate is the first group's."""

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        super().advance(p, {**group, "lr": self.param_groups[0]["lr"]})


@mutant("O103", definition="none", also=("O304", "O402"))
class DecayOfTheConstructor(Base):
    """The weight decay is the constructor's, whatever a group says."""

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        super().advance(p, {**group, "weight_decay": self.defaults["weight_decay"]})
