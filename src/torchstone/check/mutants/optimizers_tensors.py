"""Optimizers that forget what is changed in their groups, or treat tensors badly."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from torchstone.check.mutants import mutant
from torchstone.check.mutants.optimizers_base import Base


@mutant("O304", also=("O103", "O402", "O404", "O503"), definition="none")
class BallAtOneSpeed(Base):
    """The learning rate is copied at construction: schedulers do nothing."""

    def __init__(
        self, params: Iterable[Any], lr: float = 0.01, momentum: float = 0.9, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr, momentum, weight_decay)
        self.lr = lr

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        super().advance(p, {**group, "lr": self.lr})


@mutant("O304", also=("O402", "O503"), definition="none")
class BallAtItsFirstSpeed(Base):
    """The learning rate is looked up once for each parameter."""

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        rate = self.state[p].get("rate", group["lr"])
        super().advance(p, {**group, "lr": rate})
        self.state[p]["rate"] = rate


@mutant("O304", definition="none")
class BallOfTheFirstParameters(Base):
    """It remembers the parameters of its construction; others are never looked at."""

    def __init__(
        self, params: Iterable[Any], lr: float = 0.01, momentum: float = 0.9, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr, momentum, weight_decay)
        self.pairs = [(group, p) for group in self.param_groups for p in group["params"]]

    def advance_all(self) -> None:
        for group, p in self.pairs:
            if p.grad is not None:
                self.advance(p, group)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.pairs = [(group, p) for group in self.param_groups for p in group["params"]]


@mutant("O304", definition="none")
class BallThatStartsAnew(Base):
    """When a group is added, all forget."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        self.state.clear()


@mutant("O305", definition="none")
class BallInNewMemory(Base):
    """The update is a new tensor."""

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        assert p.grad is not None
        velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
        velocity.mul_(group["momentum"]).add_(p.grad + group["weight_decay"] * p)
        p.data = p.data - group["lr"] * velocity


@mutant("O305", also=("O502", "O505"), definition="none")
class BallThatFreezes(Base):
    """It switches gradients off, and does not switch them on again."""

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        super().advance(p, group)
        p.requires_grad_(False)


@mutant("O306", definition="none")
class BallOnTheGradient(Base):
    """The first velocity is the gradient itself."""

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        assert p.grad is not None
        grad = p.grad + group["weight_decay"] * p if group["weight_decay"] else p.grad
        if "velocity" in self.state[p]:
            self.state[p]["velocity"].mul_(group["momentum"]).add_(grad)
        else:
            self.state[p]["velocity"] = grad
        p.add_(self.state[p]["velocity"], alpha=-group["lr"])


@mutant("O306", definition="none")
class BallThatWritesGradients(Base):
    """Weight decay is added into `.grad`."""

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        assert p.grad is not None
        if group["weight_decay"]:
            p.grad.add_(p, alpha=group["weight_decay"])
        super().advance(p, {**group, "weight_decay": 0.0})


@mutant("O306", definition="none")
class BallThatClearsHalf(Base):
    """zero_grad knows the first group."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        for p in self.param_groups[0]["params"]:
            p.grad = None


@mutant("O307", definition="none")
class BallOfOnePiece(Base):
    """A factor that should be one, from the whole tensor."""

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        assert p.grad is not None
        super().advance(p, {**group, "lr": group["lr"] * (1 + 0 * p.grad.real.sum().item())})


@mutant("O308", definition="none")
class SquaresOfComplexNumbers(Base):
    """The square of a complex gradient is another number than those of its parts."""

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        assert p.grad is not None
        grad = p.grad + group["weight_decay"] * p
        square = self.state[p].setdefault("square", torch.zeros_like(p))
        square.mul_(group["momentum"]).add_(grad * grad)
        p.addcdiv_(grad, square.sqrt() + 1e-3, value=-group["lr"])
