"""Optimizers whose checkpoints and copies forget, and one whose do not."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from torchstone.check.mutants import clean, mutant
from torchstone.check.mutants.ranges import checked


class _Momentum(torch.optim.Optimizer):
    """Momentum as people write it."""

    def __init__(self, params: Iterable[Any], lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(params, checked(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state[p]
                    if not state:
                        state["velocity"] = torch.zeros_like(p)
                    self.advance(p, state, group)
        return loss

    def advance(self, p: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        assert p.grad is not None
        state["velocity"].mul_(group["momentum"]).add_(p.grad)
        p.sub_(group["lr"] * state["velocity"])


@clean("O401", "O402", "O404", definition="none")
class RollingBall(_Momentum):
    """Everything is in the state, and in the groups."""


@mutant("O401", definition="none")
class BallThatStopsOnLoading(_Momentum):
    """Its loading is for the groups alone."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({"state": {}, "param_groups": state_dict["param_groups"]})


@mutant("O401", definition="none")
class BallThatLosesTheFirst(_Momentum):
    """Its state dict takes what has state by position, and gives it back by position."""

    def state_dict(self) -> dict[str, Any]:
        whole = super().state_dict()
        return {**whole, "state": dict(enumerate(whole["state"].values()))}


@mutant("O401", definition="none")
class BallInAFile(_Momentum):
    """A lambda in the groups: torch.save refuses."""

    def __init__(self, params: Iterable[Any], lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(params, lr, momentum)
        for group in self.param_groups:
            group["schedule"] = lambda step: lr / (1 + step)


@mutant("O401", "O402", "O404", also=("O301", "O303"), definition="none")
class DampedByItsAge(_Momentum):
    """How often it stepped stands on the object."""

    def __init__(self, params: Iterable[Any], lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(params, lr, momentum)
        self.t = 0

    def step(self, closure: Any = None) -> Any:
        self.t += 1
        return super().step(closure)

    def advance(self, p: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        assert p.grad is not None
        state["velocity"].mul_(group["momentum"]).add_(p.grad / self.t**0.5)
        p.sub_(group["lr"] * state["velocity"])


class _Plain:
    """A class of its own, as in a course."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float = 0.01, momentum: float = 0.9) -> None:
        self.parameters = list(parameters)
        checked(learning_rate=learning_rate, momentum=momentum)
        self.learning_rate, self.momentum = learning_rate, momentum
        self.velocity = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        for p, v in zip(self.parameters, self.velocity, strict=True):
            if p.grad is not None:
                v.mul_(self.momentum).add_(p.grad)
                p.sub_(self.learning_rate * v)

    def state_dict(self) -> dict[str, Any]:
        return {"velocity": self.velocity, "learning_rate": self.learning_rate, "momentum": self.momentum}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.velocity = [v.clone() for v in state["velocity"]]
        self.learning_rate, self.momentum = state["learning_rate"], state["momentum"]


@clean("O401", "O402", "O403", "O404", definition="none")
class PlainBall(_Plain):
    """It clones what it loads."""


@mutant("O402", definition="none")
class PlainBallOfAnyMass(_Plain):
    """The momentum is not in its state dict."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.velocity = [v.clone() for v in state["velocity"]]
        self.learning_rate = state["learning_rate"]


@mutant("O403", definition="none")
class PlainBallThatShares(_Plain):
    """It goes on with the very tensors of the dict."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.velocity = state["velocity"]


@mutant("O403", definition="none")
class PlainBallThatIsStoppedByLooking(_Plain):
    """Its state dict hands its velocity over, and starts anew."""

    def state_dict(self) -> dict[str, Any]:
        found = super().state_dict()
        self.velocity = [torch.zeros_like(p) for p in self.parameters]
        return found


@mutant("O404", definition="none")
class BallById(_Plain):
    """Its state is found by id(p), and a copy of p has another."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(parameters, learning_rate, momentum)
        self.by_id: dict[int, Tensor] = {}

    @torch.no_grad()
    def step(self) -> None:
        for p in self.parameters:
            if p.grad is not None:
                v = self.by_id.setdefault(id(p), torch.zeros_like(p))
                v.mul_(self.momentum).add_(p.grad)
                p.sub_(self.learning_rate * v)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "velocity": [self.by_id.get(id(p)) for p in self.parameters]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.by_id = {
            id(p): v.clone() for p, v in zip(self.parameters, state["velocity"], strict=True) if v is not None
        }
        self.learning_rate, self.momentum = state["learning_rate"], state["momentum"]
