"""What each hyper-parameter of an optimizer may be, as data: one table per optimizer, one message per mistake.

An option can `check` what a person gave (type and range), and `read` it in a step (type, and finite).
A step leaves the range alone: a scheduler's last rate may be -1e-19 instead of 0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Protocol

import torch
from torch import Tensor


class Option(Protocol):
    """One hyper-parameter."""

    def check(self, name: str, value: Any) -> None:
        """Raise TypeError or ValueError unless a person may give this value."""
        ...

    def read(self, name: str, value: Any, live: bool) -> Any:
        """The value as the update rule takes it; `live` leaves a tensor a tensor where the option allows it."""
        ...


@dataclass(frozen=True)
class Number:
    """A finite number in [low, below), or a tensor that holds one.

    Only a `live` one stays a tensor where the step is compiled, captured or differentiated.
    """

    low: float = -math.inf
    below: float = math.inf
    live: bool = False

    def __str__(self) -> str:
        if self.below < math.inf:
            return f"a number in [{self.low:g}, {self.below:g})"
        return "a finite number" if self.low == -math.inf else f"a finite number >= {self.low:g}"

    def check(self, name: str, value: Any) -> None:
        number = self.read(name, value, live=False)
        if not self.low <= number < self.below:
            raise ValueError(f"{name}: expected {self}, got {number!r}")

    def read(self, name: str, value: Any, live: bool) -> Any:
        if isinstance(value, Tensor):
            if value.numel() != 1:
                raise ValueError(f"{name}: expected {self}, got a tensor of shape {tuple(value.shape)}")
            if live and self.live:
                return value.reshape(()).double()  # as precise as the number would be
            if live and value.requires_grad:
                raise ValueError(f"{name}: expected a number that needs no gradient, got a tensor that requires one")
            value = value.item()
        if torch.compiler.is_compiling():
            return value  # perhaps a symbol, which can't be tested
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{name}: expected {self}, got {value!r}")
        if not math.isfinite(value):
            raise ValueError(f"{name}: expected {self}, got {value!r}")
        return float(value)


@dataclass(frozen=True)
class Pair:
    """Two numbers of the same kind."""

    each: Number

    def check(self, name: str, value: Any) -> None:
        for part, number in self._parts(name, value):
            self.each.check(part, number)

    def read(self, name: str, value: Any, live: bool) -> tuple[Any, ...]:
        return tuple(self.each.read(part, number, live) for part, number in self._parts(name, value))

    def _parts(self, name: str, value: Any) -> list[tuple[str, Any]]:
        if not isinstance(value, (tuple, list)):
            raise TypeError(f"{name}: expected a pair of numbers, got {value!r}")
        if len(value) != 2:
            raise ValueError(f"{name}: expected a pair of numbers, got {value!r}")
        return [(f"{name}[{i}]", part) for i, part in enumerate(value)]


@dataclass(frozen=True)
class Switch:
    """True or False; a hint may also be None. A state dict older than the switch means `default`."""

    default: bool | None = False

    def check(self, name: str, value: Any) -> None:
        hint = self.default is None
        if not isinstance(value, bool) and not (hint and value is None):
            raise TypeError(f"{name}: expected True{', False or None' if hint else ' or False'}, got {value!r}")

    def read(self, name: str, value: Any, live: bool) -> Any:
        return value


Options = Mapping[str, Option]
LEARNING_RATE = Number(0, live=True)
HINT = Switch(None)
