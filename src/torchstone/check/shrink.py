"""The smallest inputs for which an answer is still wrong: fewest elements, then simplest values."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from torchstone.check.entries import Dim
from torchstone.check.evidence import Judge, Mismatch
from torchstone.check.rule import NotApplicable
from torchstone.check.subject import Ended, Fault, Subject

Inputs = dict[str, Tensor]
_QUESTIONS = 60
_MOST_VALUES = 12  # of a tensor whose values are made simpler one by one
_SIMPLE = (0.0, 1.0, -1.0, 2.0, 0.5)


def smallest(subject: Subject, judge: Judge, tensors: Mapping[str, Tensor]) -> Mismatch:
    """The mismatch at the smallest inputs found, with a bounded number of questions.

    Raises `ValueError` where the judge finds nothing wrong with the inputs to begin with.
    """
    first = judge(tensors)
    if first is None:
        raise ValueError("tensors: expected inputs that are judged wrong, got some that are right")
    search = _Search(subject, judge, first)
    search.shorten()
    search.simplify()
    return search.best


class _Search:
    """A greedy walk to smaller inputs that are still wrong."""

    def __init__(self, subject: Subject, judge: Judge, first: Mismatch) -> None:
        self._subject, self._judge, self.best = subject, judge, first
        self._left = _QUESTIONS

    def _try(self, candidate: Inputs) -> bool:
        """Whether the candidate is wrong in the same way; then it is the best so far."""
        if self._left <= 0:
            return False
        self._left -= 1
        try:
            found = self._judge(candidate)
        except (NotApplicable, Ended, Fault, IndexError, RuntimeError, ValueError):
            return False
        if found is None or _manner(found) != _manner(self.best):
            return False
        self.best = replace(found, tensors=candidate)
        return True

    def shorten(self) -> None:
        """Fewer elements: along each letter of the inputs' dimensions, and along what "..." stands for."""
        for axis in self._axes():
            for candidate in self._thinner(axis):
                if self._try(candidate):
                    break

    def _axes(self) -> list[str]:
        letters = [
            dim for entry in self._subject.inputs for dim in entry.dims if isinstance(dim, str) and dim.isalpha()
        ]
        return list(dict.fromkeys(["...", *letters]))

    def _thinner(self, axis: str) -> Iterator[Inputs]:
        if axis == "...":
            yield from self._one_element()
            return
        sizes = [tensor.shape[at] for tensor, at in self._along(axis)]
        if not sizes or min(sizes) < 2:
            return
        indices = [*dict.fromkeys([*self.best.where[:1], 0, sizes[0] - 1])]
        if not self._is_classes(axis):
            for index in indices[:3]:
                if index < sizes[0]:
                    yield self._taken(axis, [index])
            if sizes[0] > 2:  # what is wrong only in company
                yield self._taken(axis, [0, 1])
            return
        yield from self._two_classes(axis, sizes[0])

    def _along(self, axis: str) -> list[tuple[Tensor, int]]:
        held = self.best.tensors
        return [(held[name], dims.index(axis)) for name, dims in self._dims().items() if axis in dims]

    def _dims(self) -> dict[str, tuple[Dim, ...]]:
        """The dimensions of each tensor. What is no input, as what flows into a backward, is shaped like the first."""
        named = {entry.name: entry for entry in self._subject.inputs}
        first = named[self._subject.x]
        return {name: named.get(name, first).dims for name, tensor in self.best.tensors.items() if tensor.dim()}

    def _is_classes(self, axis: str) -> bool:
        within = any(entry.within.endswith(f",{axis})") for entry in self._subject.inputs)
        return within or (axis == "C" and (self._subject.definition is None or self._subject.definition.is_vector))

    def _taken(self, axis: str, indices: list[int]) -> Inputs:
        chosen, dims = torch.tensor(indices), self._dims()
        return {
            name: tensor.index_select(dims[name].index(axis), chosen) if axis in dims.get(name, ()) else tensor
            for name, tensor in self.best.tensors.items()
        }

    def _two_classes(self, axis: str, size: int) -> Iterator[Inputs]:
        """Two of the classes, the target's among them, with the target counted anew; what no target may be stays."""
        classes = [entry for entry in self._subject.inputs if entry.within.endswith(f",{axis})")]
        labels = [entry.name for entry in classes]
        apart = {0} if any(entry.within.startswith("[1,") for entry in classes) else set()
        used = sorted({int(each) for name in labels for each in self.best.tensors[name].reshape(-1).tolist()})
        for other in range(size):
            kept = sorted({*apart, *used, other})
            if len(kept) != 2 or kept[-1] >= size or kept[0] < 0:
                continue
            made = self._taken(axis, kept)
            for name in labels:
                made[name] = torch.searchsorted(torch.tensor(kept), self.best.tensors[name])
            yield made
        if not labels and size > 2:
            yield self._taken(axis, [0, 1])

    def _one_element(self) -> Iterator[Inputs]:
        """The worst element alone; where one does not do, the first two."""
        whole = [name for name, dims in self._dims().items() if dims == ("...",)]
        shapes = {self.best.tensors[name].shape for name in whole}
        if len(shapes) != 1:
            return
        shape = next(iter(shapes))
        if math.prod(shape) < 2:
            return
        flat = {name: self.best.tensors[name].reshape(-1) for name in whole}
        place = 0
        if len(self.best.where) == len(shape):
            place = int(torch.arange(math.prod(shape)).reshape(shape)[self.best.where])
        for part in (slice(place, place + 1), slice(0, 1), slice(0, 2), slice(0, None)):
            yield {**self.best.tensors, **{name: tensor[part].clone() for name, tensor in flat.items()}}

    def simplify(self) -> None:
        """Simpler values: 0, 1, -1, whole numbers, few digits."""
        for name in list(self.best.tensors):
            if not self.best.tensors[name].is_floating_point() or self.best.tensors[name].numel() > _MOST_VALUES:
                continue
            for place in range(self.best.tensors[name].numel()):
                for value in _simpler(float(self.best.tensors[name].reshape(-1)[place])):
                    changed = self.best.tensors[name].clone()
                    changed.reshape(-1)[place] = value
                    if self._allowed(name, value) and self._try({**self.best.tensors, name: changed}):
                        break

    def _allowed(self, name: str, value: float) -> bool:
        from torchstone.check.entries import bounds

        within = self._subject.entry(name).within if any(e.name == name for e in self._subject.inputs) else ""
        if not within:
            return True
        if within[0] not in "[(":
            return False
        low, high, has_low, has_high = bounds(within, {})
        return low < value < high or (has_low and value == low) or (has_high and value == high)


def _simpler(value: float) -> list[float]:
    """Simpler numbers than a number, the simplest first."""
    if not math.isfinite(value) or value in _SIMPLE:
        return list(_SIMPLE[: _SIMPLE.index(value)]) if value in _SIMPLE else []
    rounded = [float(f"{value:.1g}"), float(f"{value:.2g}")]
    if abs(value) < 1e6:
        rounded = [float(round(value)), round(value * 2) / 2, *rounded]
    return [each for each in dict.fromkeys([*_SIMPLE, *rounded]) if each != value]


def _manner(mismatch: Mismatch) -> str:
    """How an answer is wrong: not a number, infinite, of another shape, or off."""
    got = mismatch.got
    if isinstance(got, float):
        return "nan" if math.isnan(got) else "infinite" if math.isinf(got) else "number"
    return type(got).__name__
