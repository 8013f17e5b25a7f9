"""Optimizers that go wrong in training loops, and two that have modes."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from torchstone.check.mutants import clean, mutant
from torchstone.check.mutants.optimizers_base import Base
from torchstone.check.mutants.ranges import checked


@mutant("O501", definition="none")
class ClosureUnderNoGrad(Base):
    """The closure is called like everything else, under `no_grad`."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = closure() if closure is not None else None
        self.advance_all()
        return loss


@mutant("O501", definition="none")
class ClosureTooLate(Base):
    """The closure is called when the parameters have moved already."""

    def step(self, closure: Any = None) -> Any:
        super().step()
        return closure() if closure is not None else None


@mutant("O501", definition="none")
class ClosureTwice(Base):
    """The closure is called for the gradients, and again for the value."""

    def step(self, closure: Any = None) -> Any:
        super().step(closure)
        return closure() if closure is not None else None


@mutant("O501", definition="none")
class ClosureForNothing(Base):
    """The closure's value is dropped."""

    def step(self, closure: Any = None) -> Any:
        super().step(closure)


@mutant("O501", definition="none")
class ClosureIgnored(Base):
    """The closure is for other optimizers."""

    def step(self, closure: Any = None) -> Any:
        return super().step()


@mutant("O502", definition="none", also=("O404",))
class MomentumWithHistory(Base):
    """The step runs with gradients enabled; only the parameter is written to through `.data`."""

    def step(self, closure: Any = None) -> Any:
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    velocity = self.state[p].get("velocity", torch.zeros_like(p))
                    velocity = group["momentum"] * velocity + p.grad + group["weight_decay"] * p
                    self.state[p]["velocity"] = velocity
                    p.data.sub_(group["lr"] * velocity.data)
        return loss


@mutant("O505", definition="none", also=("O404", "O501"))
class HookedGradients(Base):
    """Gradients are taken up when a backward pass has made them: what is clipped later is not seen."""

    def __init__(self, params: Iterable[Any], lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(params, lr, momentum)
        self.taken: dict[int, Tensor] = {}
        for group in self.param_groups:
            for p in group["params"]:
                p.register_post_accumulate_grad_hook(self.take)

    def take(self, p: Tensor) -> None:
        assert p.grad is not None
        self.taken[id(p)] = p.grad.clone() + self.taken.get(id(p), 0.0)

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        if id(p) in self.taken:
            p.grad = self.taken.pop(id(p))
        super().advance(p, group)


@clean("O506", definition="none")
class TwoWeights(Base):
    """Schedule-free descent: `y` in training, the average `x` in evaluation."""

    def __init__(self, params: Iterable[Any], lr: float = 0.01, beta: float = 0.9) -> None:
        torch.optim.Optimizer.__init__(self, params, {**checked(lr=lr, beta=beta), "training": True})

    def train(self) -> None:
        self._switch(True, lambda beta: 1 - beta)

    def eval(self) -> None:
        self._switch(False, lambda beta: 1 - 1 / beta)

    @torch.no_grad()
    def _switch(self, training: bool, weight: Callable[[float], float]) -> None:
        for group in self.param_groups:
            if group["training"] is not training:
                for p in group["params"]:
                    if "z" in self.state[p]:
                        p.lerp_(self.state[p]["z"], weight(group["beta"]))
                group["training"] = training

    def advance(self, p: Tensor, group: dict[str, Any]) -> None:
        if not group["training"]:
            raise RuntimeError("step: expected train() before it, got eval()")
        assert p.grad is not None
        state = self.state[p]
        if not state:
            state.update(z=p.clone(), count=0)
        state["count"] += 1
        share = 1 / state["count"]
        p.lerp_(state["z"], share)
        p.add_(p.grad, alpha=group["lr"] * (group["beta"] * (1 - share) - 1))
        state["z"].sub_(group["lr"] * p.grad)


@mutant("O506", definition="none")
class TwoWeightsTooOften(TwoWeights):
    """A second `eval()` moves the weights once more."""

    def eval(self) -> None:
        for group in self.param_groups:
            group["training"] = True
        super().eval()
