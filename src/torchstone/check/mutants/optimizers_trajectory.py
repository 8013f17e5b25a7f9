"""Optimizers that follow another rule than their name says, and some that follow theirs."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from torchstone.check.mutants import clean, mutant
from torchstone.check.mutants.ranges import checked


class _Adam(torch.optim.Optimizer):
    """Adam as people write it; `direction` is what the mutants get wrong."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, checked(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(p)
                    state["exp_avg_sq"] = torch.zeros_like(p)
                state["step"] += 1
                grad = p.grad.add(p, alpha=group["weight_decay"])
                state["exp_avg"].lerp_(grad, 1 - beta1)
                state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
                p.add_(self.direction(state, group), alpha=-group["lr"])
        return loss

    def direction(self, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        beta1, beta2 = group["betas"]
        m = state["exp_avg"] / (1 - beta1 ** state["step"])
        v = state["exp_avg_sq"] / (1 - beta2 ** state["step"])
        return m / (v.sqrt() + group["eps"])


@clean("O201", "G001")
class Adam(_Adam):
    """The rule as it is."""


@mutant("O201")
class AdamUncorrected(_Adam):
    """The bias correction is forgotten."""

    def direction(self, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        return state["exp_avg"] / (state["exp_avg_sq"].sqrt() + group["eps"])


@mutant("O201")
class AdamEpsInside(_Adam):
    """eps is added before the root."""

    def direction(self, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        beta1, beta2 = group["betas"]
        m = state["exp_avg"] / (1 - beta1 ** state["step"])
        v = state["exp_avg_sq"] / (1 - beta2 ** state["step"])
        return m / (v + group["eps"]).sqrt()


@clean("O202", like="torch.optim.Adam", definition="none")
class AnotherAdam(_Adam):
    """Held against PyTorch's alone."""


@mutant("O202", like="torch.optim.Adam", definition="none")
class HalfAdam(_Adam):
    """Half as far as PyTorch's."""

    def direction(self, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        return super().direction(state, group) / 2
