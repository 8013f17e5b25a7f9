"""A batch with the truth about it and the answers to it, and how far off they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from torchstone.compare.points import Batch
from torchstone.compare.task import Reply
from torchstone.oracle import FORMATS, Truth, distance

Floats = NDArray[np.float64]
Quantity = Literal["value", "gradient", "backward"]  # the last: by the subject's own method of that name


@dataclass(frozen=True, eq=False)
class Reading:
    """One batch, the truth about it, and the answers to it: the subject's and PyTorch's."""

    batch: Batch
    value: Truth
    gradient: Truth
    reply: Reply
    torch: Reply
    names: Mapping[str, str]  # the definition's names of "prediction" and "target"
    accepted: tuple[Floats, Floats] | None = None  # the least and the greatest slope at a kink; NaN elsewhere

    def point(self, element: int, width: int) -> Any:
        """The input behind an element of a flattened answer with `width` elements to a point."""
        if self.batch.reduction == "mean":
            return {"input": f"the mean of {self.batch.size} ordinary elements"}
        arrays = {self.names[role]: array for role, array in self.batch.inputs.items()}
        if self.batch.cotangent is not None:
            arrays["grad_output"] = self.batch.cotangent
        found = {name: array[element // width].tolist() for name, array in arrays.items()}
        return found if len(found) > 1 else next(iter(found.values()))


@dataclass(frozen=True, eq=False)
class Errors:
    """How far off one batch's answers are, flattened."""

    reading: Reading
    distances: Floats
    got: Floats
    right: Floats

    def point(self, element: int) -> Any:
        """The input behind an element."""
        return self.reading.point(element, max(1, self.distances.size // self.reading.batch.size))

    def say(self, element: int) -> str:
        """An element in a sentence."""
        got, right = (f"{array[element]:.9g}" for array in (self.got, self.right))
        return f"at {say(self.point(element))} (got {got}, expected {right})"

    @property
    def finite(self) -> Floats:
        """The finite distances, and -1 in the place of the others."""
        return np.where(np.isfinite(self.distances), self.distances, -1.0)


def errors_of(quantity: Quantity, reading: Reading, reply: Reply) -> Errors | None:
    """None where there is no answer that could be compared."""
    truth = reading.value if quantity == "value" else reading.gradient
    tensor = reply.tensors.get(quantity)
    if tensor is None or tensor.shape != truth.high.shape or not tensor.is_floating_point():
        return None
    got = tensor.double().numpy()
    off = distance(got, truth, FORMATS[reading.batch.form])
    free = _free(quantity, reading, got, truth)
    return Errors(reading, np.where(free, 0.0, off).ravel(), got.ravel(), truth.high.ravel())


def _free(quantity: Quantity, reading: Reading, got: Floats, truth: Truth) -> NDArray[np.bool_]:
    """Where an answer is right whatever it is: where the definition has none, and subgradients at a kink.

    A NaN that goes in must come out as the value. With that NaN at hand, its gradient is not held against anybody:
    PyTorch's own is often a number.
    """
    undefined = np.isnan(truth.high)
    if quantity == "value":
        return undefined & ~given_nan(reading.batch, undefined.ndim)
    if reading.accepted is not None:
        undefined |= (reading.accepted[0] <= got) & (got <= reading.accepted[1])
    return undefined


def given_nan(batch: Batch, dimensions: int) -> NDArray[np.bool_]:
    """Where a point's inputs hold a NaN, in a shape that meets an answer of so many dimensions."""
    if batch.reduction == "mean":
        return np.array(False)
    nans = [np.isnan(array).reshape(batch.size, -1).any(1) for array in batch.inputs.values()]
    return np.logical_or.reduce(nans).reshape(-1, *[1] * (dimensions - 1))


def say(point: Any) -> str:
    """An input in a sentence: `x = -8.25`, or `x = [1, 2], t = [0, 1]`."""
    if not isinstance(point, Mapping):
        return f"x = {_number(point)}"
    if set(point) == {"input"}:
        return str(point["input"])
    return ", ".join(f"{name} = {_number(value)}" for name, value in point.items())


def _number(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(f'{each:.4g}' for each in value)}]"
    return "any" if value is None else f"{value:.9g}"
