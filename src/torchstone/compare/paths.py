"""An optimizer's trajectory: gradients of every magnitude, and the parameters that a subject makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchstone.compare.catalogue import Setting
from torchstone.compare.subject import UnsupportedError, build_optimizer, set_learning_rate

Floats = NDArray[np.float64]

STEPS = 100
RATE = 0.01
_SHAPES = ((3, 4), (9,))
_FIRST = int(np.prod(_SHAPES[0]))  # elements of the first parameter
_GAP = 3


@dataclass(frozen=True, eq=False)
class Course:
    """Where the parameters start and the gradients they meet, for all elements of both parameters in one row."""

    start: Floats  # (n,)
    gradients: Floats  # (steps, n)


def course() -> Course:
    """Two parameters, and gradients from 1e-12 to 1e6, of both signs, in one tensor.

    Most elements keep their magnitude, so that a misplaced eps shows in the small ones; the last four change it
    from step to step.
    """
    random = np.random.default_rng(20260103)
    count = sum(int(np.prod(shape)) for shape in _SHAPES)
    steady = np.tile(np.linspace(-12, 6, count - 4), (STEPS, 1)) + random.normal(0, 0.3, (STEPS, count - 4))
    changing = random.uniform(-12, 6, (STEPS, 4))
    magnitudes = 10.0 ** np.clip(np.concatenate([steady, changing], axis=1), -12, 6)
    # An even spread over both parameters, rather than the small ones in the first and the large ones in the second.
    order = random.permutation(count)
    signs = random.choice([-1.0, 1.0], magnitudes.shape)
    return Course(random.normal(0, 1, count), (signs * magnitudes)[:, order])


def rates(setting: Setting) -> list[float]:
    """The learning rate at each step."""
    return [RATE / 2 if setting.schedule and step >= STEPS // 2 else RATE for step in range(STEPS)]


def absent(setting: Setting) -> list[int]:
    """The steps at which the first parameter has no gradient."""
    return list(range(0, STEPS, _GAP)) if setting.gaps else []


def with_gaps(setting: Setting, gradients: Floats) -> Floats:
    """The gradients with NaN for none, as the oracle takes them."""
    marked = gradients.copy()
    marked[absent(setting), :_FIRST] = np.nan
    return marked


def split(row: Tensor) -> list[Tensor]:
    """One row of elements as the two parameters."""
    return [part.reshape(shape) for part, shape in zip(row.split([_FIRST, len(row) - _FIRST]), _SHAPES, strict=True)]


def run(thing: Any, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Tensor:
    """The parameters after each step, shape (steps, n).

    Raises `UnsupportedError` where the subject does not have the options.
    """
    parameters = [torch.nn.Parameter(part.clone()) for part in split(tensors["start"])]
    schedule, gaps = options["rates"], set(options["absent"])
    optimizer = build_optimizer(thing, parameters, {"lr": schedule[0], **options["options"]})
    if gaps and not isinstance(optimizer, torch.optim.Optimizer):
        raise UnsupportedError("a plain class may take every gradient to be there")
    path = []
    for step, row in enumerate(tensors["gradients"]):
        if step and schedule[step] != schedule[step - 1]:
            set_learning_rate(optimizer, schedule[step])
        for number, (parameter, gradient) in enumerate(zip(parameters, split(row), strict=True)):
            parameter.grad = None if number == 0 and step in gaps else gradient.clone()
        optimizer.step()
        if any(parameter.shape != shape for parameter, shape in zip(parameters, _SHAPES, strict=True)):
            raise ValueError("a step has changed the shape of a parameter")
        path.append(torch.cat([parameter.detach().flatten() for parameter in parameters]))
    return torch.stack(path)


def state_bytes(thing: Any, options: Mapping[str, Any], elements: int) -> int:
    """The bytes that the optimizer keeps for `elements` float32 parameters, after a step: tensors of its own."""
    parameter = torch.nn.Parameter(torch.zeros(elements))
    parameter.grad = torch.ones(elements)
    optimizer = build_optimizer(thing, [parameter], options)
    optimizer.step()
    given = {parameter.untyped_storage().data_ptr(), parameter.grad.untyped_storage().data_ptr()}
    kept: dict[int, int] = {}
    _collect(vars(optimizer), kept, set())
    return sum(size for address, size in kept.items() if address not in given)


def _collect(value: Any, kept: dict[int, int], seen: set[int]) -> None:
    """The storages of all tensors within, by address."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Tensor):
        storage = value.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
    elif isinstance(value, Mapping):
        for key, each in value.items():
            _collect(key, kept, seen)
            _collect(each, kept, seen)
    elif isinstance(value, list | tuple | set):
        for each in value:
            _collect(each, kept, seen)
