"""Optimizers whose parameters get into each other's way, or are not left as they should be."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from torchstone.check.mutants import clean, mutant
from torchstone.check.mutants.optimizers_base import Base
from torchstone.check.mutants.ranges import checked

_ALL = ("O301", "O302", "O303", "O304", "O305", "O306", "O307", "O308")


@clean(*_ALL, definition="none")
class Ball(Base):
    """Momentum: every parameter by itself, in place, and the gradient is only read."""


class _Adam(Base):
    """Adam, with a count that the mutants keep elsewhere."""

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        torch.optim.Optimizer.__init__(self, params, checked(lr=lr, betas=betas, eps=eps))

    def count(self, p: Tensor, group: dict[str, Any]) -> int:
        self.state[p]["step"] = self.state[p].get("step", 0) + 1
        return int(self.state[p]["step"])

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        assert p.grad is not None
        t, (beta1, beta2), state = self.count(p, group), group["betas"], self.state[p]
        m = state.setdefault("exp_avg", torch.zeros_like(p))
        v = state.setdefault("exp_avg_sq", torch.zeros_like(p))
        m.lerp_(p.grad, 1 - beta1)
        v.mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
        divisor = (v / (1 - beta2**t)).sqrt() + group["eps"]
        p.addcdiv_(m, divisor, value=-group["lr"] / (1 - beta1**t))


@clean("O301", definition="adam")
class AdamWithItsOwnCounts(_Adam):
    """Each parameter counts its steps."""


@mutant("O301", also=("O201", "O401", "O402", "O404"), definition="adam")
class AdamCountingInTheGroup(_Adam):
    """One count for the group, as many have it."""

    def advance_all(self) -> None:
        for group in self.param_groups:
            group["step"] = group.get("step", 0) + 1
        super().advance_all()

    def count(self, p: Tensor, group: dict[str, Any]) -> int:
        return int(group["step"])


@mutant("O301", "O303", also=("O201", "O302", "O401", "O402", "O404"), definition="adam")
class AdamCountingParameters(_Adam):
    """The count goes up inside the loop."""

    t = 0

    def count(self, p: Tensor, group: dict[str, Any]) -> int:
        self.t += 1
        return self.t


@mutant("O301", also=("O206", "O207", "O305", "O306"), definition="none")
class BallThatNeverRests(Base):
    """No gradient is taken for a gradient of zero."""

    def advance_all(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    p.grad = torch.zeros_like(p)
        super().advance_all()


@mutant("O301", also=("O207", "O306"), definition="none")
class BallThatNeedsEveryGradient(Base):
    """It counts on every gradient being there."""

    def advance_all(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                self.advance(p, group)

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
        velocity.mul_(group["momentum"]).add_(p.grad + group["weight_decay"] * p)
        p.add_(velocity, alpha=-group["lr"])


@mutant("O302", definition="none")
class BallOnFlatCopies(Base):
    """It writes into a copy wherever a parameter is not contiguous."""

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        assert p.grad is not None
        velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
        velocity.mul_(group["momentum"]).add_(p.grad + group["weight_decay"] * p)
        p.reshape(-1).add_(velocity.reshape(-1), alpha=-group["lr"])


@mutant("O302", definition="none")
class BallWithoutScalars(Base):
    """What has no dimensions is passed over."""

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        if p.dim():
            super().advance(p, group)


@mutant("O303", also=("O401", "O402", "O403", "O404"), definition="none")
class BallByShape(Base):
    """Velocities are kept by shape."""

    def __init__(
        self, params: Iterable[Any], lr: float = 0.01, momentum: float = 0.9, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr, momentum, weight_decay)
        self.velocities: dict[Any, Tensor] = {}

    def key(self, p: Tensor, group: dict[str, Any]) -> Any:
        return tuple(p.shape)

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        assert p.grad is not None
        velocity = self.velocities.setdefault((self.key(p, group), p.dtype), torch.zeros_like(p))
        velocity.mul_(group["momentum"]).add_(p.grad + group["weight_decay"] * p)
        p.add_(velocity, alpha=-group["lr"])


@mutant("O303", also=("O103", "O301", "O302", "O304", "O401", "O402", "O403", "O404"), definition="none")
class BallByPlace(BallByShape):
    """Velocities are kept by the place of a parameter in its group."""

    def key(self, p: Tensor, group: dict[str, Any]) -> Any:
        return next(place for place, each in enumerate(group["params"]) if each is p)
