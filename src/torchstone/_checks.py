"""Checks of arguments that losses and activations share. A message names the argument, what was expected, what came."""

import math
from numbers import Real
from typing import Any

import torch
from torch import Tensor

FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def number(name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, above: bool = False) -> float:
    """The value, if it is a finite number in [low, high], or `above` low."""
    expected = "a finite number"
    if high < math.inf:
        expected = f"a number in [{low:g}, {high:g}]"
    elif low > -math.inf:
        expected = f"a finite number {'>' if above else '>='} {low:g}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name}: expected {expected}, got {value!r}")
    given = value if isinstance(value, int) else float(value)  # a whole number shows itself as one in a module's repr
    if not (math.isfinite(given) and low <= given <= high) or (above and given == low):
        raise ValueError(f"{name}: expected {expected}, got {value!r}")
    return given


def read(x: Tensor) -> Tensor | None:
    """The plain tensor beneath vmap and grad, or None where there are no values to look at."""
    if torch.compiler.is_compiling():
        return None
    while torch._C._functorch.is_functorch_wrapped_tensor(x):
        x = torch._C._functorch.get_unwrapped(x)
    return x.detach() if type(x) in (Tensor, torch.nn.Parameter) and not x.is_meta else None


def read_for_free(x: Tensor) -> Tensor | None:
    """The same on the CPU alone: elsewhere, a look would wait for the device."""
    return read(x) if x.device.type == "cpu" else None
