"""A right optimizer as people write it, for mutants to get one part of it wrong."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from torchstone.check.mutants.ranges import checked


class Base(torch.optim.Optimizer):
    """Gradient descent with momentum and weight decay."""

    def __init__(
        self, params: Iterable[Any], lr: float = 0.01, momentum: float = 0.9, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, checked(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.advance_all()
        return loss

    def advance_all(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.advance(p, group)

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        assert p.grad is not None
        state = self.state[p]
        if not state:
            state["velocity"] = torch.zeros_like(p)
        grad = p.grad.add(p, alpha=group["weight_decay"])
        state["velocity"].mul_(group["momentum"]).add_(grad)
        p.add_(state["velocity"], alpha=-group["lr"])
