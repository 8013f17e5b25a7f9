"""An optimizer at work where it lives: its parameters, gradients that the checker supplies, and its steps.

How it has to be driven is its usage: {"closure": true} where `step` needs one, {"sparse": true} where gradients have to
be, {"dims": 2} where parameters must have so many dimensions (the checker sees to that).
"""

import copy
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from torchstone.check.held import subject_code
from torchstone.check.optimizers.build import HeldOptimizer, groups_of, put
from torchstone.check.optimizers.build import live as as_argument
from torchstone.check.pickled import pickled

Gradients = Mapping[str, Tensor | None]
Group = Sequence[str] | Mapping[str, Any]  # names of parameters; or {"names": [...], and settings of their own}


class Bench:
    """An optimizer over parameters of these names and values.

    `groups` share the names out; None hands them over as they are, in a list, or as `handed` says: see `HANDED`.
    `layouts` say how a parameter ("start.NAME") or its gradients ("gradient.NAME") lie in memory: see `LAYOUTS`.
    """

    def __init__(
        self,
        held: HeldOptimizer,
        start: Mapping[str, Tensor],
        build: Mapping[str, Any] | None = None,
        groups: Sequence[Group] | None = None,
        handed: str = "list",
        layouts: Mapping[str, str] | None = None,
    ) -> None:
        self.held, self.groups, self.how, self.layouts = held, groups, handed, layouts or {}
        self.parameters = {
            name: torch.nn.Parameter(self._laid(f"start.{name}", tensor.clone())) for name, tensor in start.items()
        }
        self.optimizer = held.build(self._handed(groups, handed), build)
        self.calls: list[bool] = []  # of the closure: whether gradients were enabled

    def _laid(self, name: str, tensor: Tensor) -> Tensor:
        return LAYOUTS[self.layouts[name]](tensor) if name in self.layouts else tensor

    def _handed(self, groups: Sequence[Group] | None, handed: str) -> Any:
        if groups is not None:
            return [self._group(each) for each in groups]
        return HANDED[handed](self.parameters)

    def _group(self, group: Group) -> dict[str, Any]:
        if not isinstance(group, Mapping):
            return {"params": [self.parameters[name] for name in group]}
        own = {name: as_argument(value) for name, value in group.items() if name != "names"}
        return {"params": [self.parameters[name] for name in group["names"]], **own}

    def add(self, group: Group) -> None:
        """Add a parameter group to the living optimizer."""
        with subject_code("add_param_group"):
            self.optimizer.add_param_group(self._group(group))

    def put(self, settings: Mapping[str, Any], group: int | None = None) -> None:
        """Change settings of the living optimizer, in all of its groups or in one."""
        with subject_code("setting"):
            for name, value in settings.items():
                put(self.optimizer, name, as_argument(value), group)

    def give(self, gradients: Gradients, kept: bool = False) -> None:
        """Give every parameter its gradient: a new tensor, or where `kept`, the old one with new numbers.

        None is no gradient; a parameter that is not named keeps what it has. Gradients have the parameter's dtype.
        """
        sparse = self.held.spec.usage.get("sparse", False)
        for name, gradient in gradients.items():
            parameter = self.parameters[name]
            if gradient is None:
                parameter.grad = None
            elif kept and parameter.grad is not None and not sparse:
                parameter.grad.detach_().copy_(gradient)
            else:
                laid = self._laid(f"gradient.{name}", gradient.clone()).to(parameter.dtype)
                parameter.grad = _sparse(laid) if sparse else laid

    def step(self, gradients: Gradients, *, closure: bool = False, kept: bool = False) -> Any:
        """Give the gradients, and take one step: with a closure that gives them again, where it is wanted or needed."""
        self.give(gradients, kept)

        def evaluate() -> Tensor:
            self.calls.append(torch.is_grad_enabled())
            self.give(gradients, kept)
            return torch.tensor(1.0, dtype=torch.float64)

        with subject_code("step"):
            if closure or self.held.spec.usage.get("closure", False):
                return self.optimizer.step(evaluate)
            return self.optimizer.step()

    def clear(self) -> None:
        """Clear the gradients, as a training loop does between steps."""
        with subject_code("zero_grad"):
            self.optimizer.zero_grad()

    def values(self) -> dict[str, Tensor]:
        """The parameters as they are now; complex ones as their two parts."""
        now = {name: parameter.detach() for name, parameter in self.parameters.items()}
        return {name: (torch.view_as_real(each) if each.is_complex() else each).clone() for name, each in now.items()}

    def left(self) -> dict[str, Tensor]:
        """What is in the parameters' `.grad`, by "left.NAME"."""
        now = {name: parameter.grad for name, parameter in self.parameters.items()}
        return {f"left.{name}": each.detach().to_dense().clone() for name, each in now.items() if each is not None}

    def state(self) -> dict[str, Any]:
        """What the optimizer remembers of each parameter, by "name.key"; nothing where it has no such thing."""
        found: dict[str, Any] = {}
        remembered = getattr(self.optimizer, "state", None)
        if isinstance(remembered, Mapping):
            for name, parameter in self.parameters.items():
                entries = remembered.get(parameter, {})
                if isinstance(entries, Mapping):
                    found |= {f"{name}.{key}": value for key, value in entries.items()}
        return found

    def settings(self) -> list[dict[str, Any]]:
        """What its groups hold besides parameters."""
        return [{key: value for key, value in group.items() if key != "params"} for group in groups_of(self.optimizer)]

    # Going on with another optimizer.

    def resumed(self, how: str, build: Mapping[str, Any] | None = None, mode: str = "") -> "Bench":
        """A bench with another optimizer that goes on where this one is: see `RESUMPTIONS`.

        The other one is built with `build`, over parameters of its own, put into a mode ("eval") if that is to be, and
        given this one's state.
        """
        other = copy.copy(self)
        if how in ("copy", "pickle"):
            with subject_code(how):
                pair = (self.parameters, self.optimizer)
                other.parameters, other.optimizer = copy.deepcopy(pair) if how == "copy" else pickled(pair)
            return other
        with subject_code("state_dict"):
            state = RESUMPTIONS[how](self.optimizer.state_dict())
        return self.loaded(state, build, mode)

    def loaded(self, state: Any, build: Mapping[str, Any] | None = None, mode: str = "") -> "Bench":
        """A bench with another optimizer, built with `build` over parameters of its own, that has loaded a state."""
        other = copy.copy(self)
        other.parameters = {name: torch.nn.Parameter(value) for name, value in self.values().items()}
        other.optimizer = self.held.build(other._handed(self.groups, self.how), build)
        with subject_code("load_state_dict"):
            if mode:
                getattr(other.optimizer, mode)()
            other.optimizer.load_state_dict(state)
        return other


def _sparse(gradient: Tensor) -> Tensor:
    """A sparse tensor that holds every number, the zeros too: `to_sparse` leaves them out, and so would the step."""
    places = torch.ones_like(gradient).to_sparse().indices()
    values = gradient.reshape(-1).clone()
    return torch.sparse_coo_tensor(places, values, gradient.shape, is_coalesced=True, check_invariants=False)


def _saved(state: Any) -> Any:
    """A state dict written to a file and read back, as a checkpoint is."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


# How a state dict gets from one optimizer to another; "copy" and "pickle" are of the optimizer as a whole.
RESUMPTIONS: Mapping[str, Callable[[Any], Any]] = {
    "save": _saved,
    "deepcopy": copy.deepcopy,
    "pass": lambda state: state,
}

HANDED: Mapping[str, Callable[[Mapping[str, Tensor]], Any]] = {
    "list": lambda parameters: list(parameters.values()),
    "tuple": lambda parameters: tuple(parameters.values()),
    "generator": lambda parameters: (each for each in parameters.values()),
    "group of a generator": lambda parameters: [{"params": (each for each in parameters.values())}],
    "named": lambda parameters: [(name, each) for name, each in parameters.items()],
    "twice": lambda parameters: [*parameters.values(), next(iter(parameters.values()))],
    "bare": lambda parameters: next(iter(parameters.values())),
}

# How a tensor of given numbers lies in memory, or what it is made to be.
LAYOUTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "transposed": lambda tensor: tensor.mT.contiguous().mT,
    "channels_last": lambda tensor: tensor.contiguous(memory_format=torch.channels_last),
    "strided": lambda tensor: torch.stack([tensor, tensor], dim=-1)[..., 0],
    "expanded": lambda tensor: tensor.reshape(-1)[0].expand(tensor.shape),  # of equal numbers
    "complex": torch.view_as_complex,  # the last dimension has the two parts
    "sparse": lambda tensor: tensor.to_sparse(),
}
