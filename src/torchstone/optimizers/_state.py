"""What an optimizer remembers of a parameter, and how that is taken from a state dict.

PyTorch's load_state_dict casts the state to the parameter's dtype, which would round float32 state to half types,
and keeps the source's own tensors where nothing needs casting. So tensors pass through it sealed, and are copied
out afterwards.
"""

from typing import Any

import torch
from torch import Tensor

from torchstone._elementwise import HALF_TYPES

State = dict[str, Any]


def working_dtype(param: Tensor) -> torch.dtype:
    """The precision of a parameter's update and state: float32 for the half types, otherwise its own."""
    return torch.float32 if param.dtype in HALF_TYPES else param.dtype


def step_count(value: Any, param: Tensor, on_device: bool) -> Tensor:
    """A parameter's number of steps as PyTorch keeps it: a float32 scalar, on the CPU unless a graph captures it."""
    return torch.tensor(float(value), dtype=torch.float32, device=param.device if on_device else "cpu")


def check_state(param: Tensor, state: State) -> None:
    """Raise ValueError where the parameter has changed since its state was made."""
    for name, value in state.items():
        if name == "step" or not isinstance(value, Tensor):
            continue
        if value.shape != param.shape:
            raise ValueError(
                f"{name}: expected shape {tuple(param.shape)} like its parameter, got {tuple(value.shape)}"
            )
        if value.dtype != working_dtype(param) or value.device != param.device:
            raise ValueError(
                f"{name}: expected {working_dtype(param)} on {param.device}, got {value.dtype} on {value.device}; "
                "optimizer.load_state_dict(optimizer.state_dict()) converts the state of a model that was moved"
            )


class _Sealed:
    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def seal(_: Any, state_dict: dict[str, Any]) -> dict[str, Any]:
    """Hide the parameters' state tensors from PyTorch's load_state_dict; a hook of it."""
    members = {index for group in state_dict["param_groups"] for index in group["params"]}
    sealed = {
        index: {name: _Sealed(value) if isinstance(value, Tensor) else value for name, value in state.items()}
        if index in members
        else state
        for index, state in state_dict["state"].items()
    }
    return {**state_dict, "state": sealed}


def unseal(param: Tensor, state: State, on_device: bool) -> None:
    """Put copies in place of the sealed tensors: on the parameter's device, in its working precision."""
    for name, value in state.items():
        given = value.tensor if isinstance(value, _Sealed) else value
        if name == "step":
            state[name] = step_count(given, param, on_device)
        elif isinstance(value, _Sealed):
            state[name] = given.detach().to(param.device, working_dtype(param), copy=True)
            check_state(param, {name: state[name]})
