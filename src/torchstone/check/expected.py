"""What a subject should answer: the oracle's truth, in the shapes of the subject's own tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchstone import oracle
from torchstone.check.entries import Entry
from torchstone.check.sequences import is_of_sequences, unpacked
from torchstone.definitions import Function
from torchstone.oracle import Truth

Floats = NDArray[np.float64]
PARTS = ("high", "low", "scale")


@dataclass(frozen=True)
class Expected:
    """Certified numbers: the value, and the gradient with respect to each input asked for, by the subject's names."""

    value: Truth
    gradients: Mapping[str, Truth]


def expected(
    function: Function,
    parameters: Mapping[str, Any],
    entries: Sequence[Entry],
    tensors: Mapping[str, Tensor],
    *,
    wrt: Sequence[str] = (),
    dim: int = -1,
    cotangent: Tensor | None = None,
    reduction: str = "none",
    ignore_index: int | None = None,
) -> Expected:
    """The truth for tensors given by the subject's names.

    `parameters` are the definition's, by its names. `dim` is the dimension of the classes, where the definition is of
    a row. A loss is reduced as asked: "none", "sum", "mean", or
    "batchmean", the sum over the number of rows. `cotangent` flows into an activation's backward.
    """
    if is_of_sequences(function):
        return _of_sequences(function, parameters, entries, tensors, reduction)
    named = _named(function, entries, tensors)
    asked = [symbol for symbol, entry in named.items() if entry.name in wrt] or [function.prediction.name]
    arrays = {symbol: _numbers(tensors[entry.name]) for symbol, entry in named.items()}
    if function.is_vector:
        value, gradients = _of_rows(function, parameters, arrays, asked, dim, cotangent, ignore_index)
    else:
        value, gradients = _of_numbers(function, parameters, arrays, asked)
        if cotangent is not None:
            gradients = {name: times(truth, _numbers(cotangent)) for name, truth in gradients.items()}
    if function.kind == "loss" and reduction != "none":
        total = 1.0
        if reduction == "mean":
            total = float(_denominators(function, parameters, arrays, dim, ignore_index).sum())
        elif reduction == "batchmean":
            total = float(len(np.atleast_1d(arrays[function.prediction.name])))
        value = _summed(value, total)
        gradients = {name: _divided(truth, total) for name, truth in gradients.items()}
    called = {symbol: entry.name for symbol, entry in named.items()}
    shapes = {symbol: tensors[entry.name].shape for symbol, entry in named.items()}
    return Expected(
        value,
        {called[symbol]: _fitted(truth, shapes[symbol]) for symbol, truth in gradients.items() if symbol in called},
    )


def _of_sequences(
    function: Function,
    parameters: Mapping[str, Any],
    entries: Sequence[Entry],
    tensors: Mapping[str, Tensor],
    reduction: str,
) -> Expected:
    """One sequence after another. In the mean, each loss is divided by its number of labels first."""
    x = function.prediction.name
    entry = next(each for each in entries if each.symbol == x)
    fixed = {name: np.asarray(value, np.float64) for name, value in parameters.items()}
    batch = unpacked(function, entries, tensors)
    gradient = np.zeros((len(PARTS), len(tensors[entry.name]), len(batch), tensors[entry.name].shape[-1]))
    values = []
    for n, (frames, labels) in enumerate(batch):
        padded = np.append(_numbers(labels), -1.0)[None]
        answer = _truth(function, {**fixed, x: _numbers(frames)[None], "t": padded}, [x])
        share = max(len(labels), 1) if reduction == "mean" else 1
        values.append(_divided(answer.value, share))
        many = len(batch) if reduction in ("mean", "batchmean") else 1
        slope = _divided(answer.gradients[x], share * many)
        gradient[:, : len(frames), n] = [getattr(slope, part)[0] for part in PARTS]
    value = Truth(*(np.concatenate([getattr(each, part) for each in values]) for part in PARTS))
    if reduction != "none":
        value = _summed(value, float(len(batch)) if reduction in ("mean", "batchmean") else 1.0)
    return Expected(value, {entry.name: _fitted(Truth(*gradient), tensors[entry.name].shape)})


def count(
    function: Function,
    parameters: Mapping[str, Any],
    entries: Sequence[Entry],
    tensors: Mapping[str, Tensor],
    dim: int,
    ignore_index: int | None,
) -> float:
    """What a mean divides by: the elements, the rows, or the weights of those that count."""
    arrays = {symbol: _numbers(tensors[entry.name]) for symbol, entry in _named(function, entries, tensors).items()}
    return float(_denominators(function, parameters, arrays, dim, ignore_index).sum())


def _named(function: Function, entries: Sequence[Entry], tensors: Mapping[str, Tensor]) -> dict[str, Entry]:
    """The inputs that are given, by the definition's names."""
    return {entry.symbol: entry for entry in entries if entry.symbol in function.by_name and entry.name in tensors}


def _numbers(tensor: Tensor) -> Floats:
    return np.asarray(tensor.detach().to(torch.float64).numpy())


def times(truth: Truth, factor: Floats) -> Truth:
    """A truth times exact numbers."""
    with np.errstate(invalid="ignore", over="ignore"):
        return Truth(truth.high * factor, truth.low * factor, truth.scale * np.abs(factor))


def _divided(truth: Truth, by: float) -> Truth:
    """A quotient keeps what a rounded one would lose: the remainder goes into the low part."""
    with np.errstate(invalid="ignore", divide="ignore"):
        high = truth.high / by
        low = np.where(np.isfinite(high), _remainder(truth.high, high, by) / by + truth.low / by, 0.0)
        return Truth(high, low, truth.scale / abs(by))


def _remainder(numerator: Floats, quotient: Floats, by: float) -> Floats:
    """numerator - quotient*by, exactly."""
    from fractions import Fraction

    def one(a: float, q: float) -> float:
        finite = np.isfinite(a) and np.isfinite(q) and np.isfinite(by)
        return float(Fraction(a) - Fraction(q) * Fraction(by)) if finite else 0.0

    return np.vectorize(one, otypes=[np.float64])(numerator, quotient) if numerator.size else numerator


def _summed(truth: Truth, by: float) -> Truth:
    """The sum of all elements over a number, exactly rounded."""
    from fractions import Fraction

    pairs = list(zip(truth.high.ravel().tolist(), truth.low.ravel().tolist(), strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        plain = np.float64(truth.high.sum()) / np.float64(by)
    if not np.isfinite(plain) or not by:
        return Truth(np.array(plain), np.array(0.0), np.array(np.abs(plain)))
    exact = sum((Fraction(high) + Fraction(low) for high, low in pairs), Fraction(0)) / Fraction(by)
    high = float(exact)
    return Truth(np.array(high), np.array(float(exact - Fraction(high))), np.array(truth.scale.sum() / by))


def _fitted(truth: Truth, shape: torch.Size) -> Truth:
    """A gradient in its input's shape: what was broadcast is summed."""
    if truth.high.shape == tuple(shape):
        return truth
    return Truth(*(_unbroadcast(getattr(truth, part), tuple(shape)) for part in PARTS))


def _unbroadcast(array: Floats, shape: tuple[int, ...]) -> Floats:
    extra = array.ndim - len(shape)
    array = array.sum(axis=tuple(range(extra)))
    thin = tuple(axis for axis, size in enumerate(shape) if size == 1 and array.shape[axis] != 1)
    return np.asarray(array.sum(axis=thin, keepdims=True)).reshape(shape)


@lru_cache(maxsize=512)
def _asked(function: Function, shapes: Any, data: Any, wrt: tuple[str, ...], cotangent: Any) -> oracle.Answer:
    arrays = {name: np.frombuffer(content).reshape(shape) for (name, content), shape in zip(data, shapes, strict=True)}
    seeds = None if cotangent is None else np.frombuffer(cotangent[0]).reshape(cotangent[1])
    return oracle.truth(function, arrays, wrt=wrt, cotangent=seeds)


def _truth(
    function: Function, arrays: Mapping[str, Floats], wrt: Sequence[str], cotangent: Floats | None = None
) -> oracle.Answer:
    """The oracle's answer; the same question is answered once."""
    data = tuple((name, np.ascontiguousarray(array).tobytes()) for name, array in arrays.items())
    seeds = None if cotangent is None else (np.ascontiguousarray(cotangent).tobytes(), cotangent.shape)
    return _asked(function, tuple(array.shape for array in arrays.values()), data, tuple(wrt), seeds)


def _of_numbers(
    function: Function, parameters: Mapping[str, Any], arrays: Mapping[str, Floats], wrt: Sequence[str]
) -> tuple[Truth, Mapping[str, Truth]]:
    given = {name: np.asarray(value, np.float64) for name, value in parameters.items() if name not in arrays}
    if function.kind == "activation":
        shape = arrays[function.prediction.name].shape
        given = {name: _by_channel(value, shape) for name, value in given.items()}
    answer = _truth(function, {**given, **arrays}, wrt)
    return answer.value, answer.gradients


def _by_channel(value: Floats, shape: tuple[int, ...]) -> Floats:
    """A parameter of an activation with a number for each channel: channels are dimension 1."""
    if value.ndim == 1 and value.size > 1 and len(shape) > 1 and shape[1] == value.size:
        return value.reshape(-1, *[1] * (len(shape) - 2))
    return value


def _of_rows(
    function: Function,
    parameters: Mapping[str, Any],
    arrays: Mapping[str, Floats],
    wrt: Sequence[str],
    dim: int,
    cotangent: Tensor | None,
    ignore_index: int | None,
) -> tuple[Truth, Mapping[str, Truth]]:
    rows = _Rows(function, arrays, dim, ignore_index)
    seeds = None if cotangent is None else rows.flat(_numbers(cotangent))
    answer = _truth(function, {**rows.fixed(parameters), **rows.table}, wrt, seeds)
    value = rows.back(answer.value) if function.index is not None else rows.single(answer.value)
    return value, {
        name: rows.back(truth) if function.by_name[name].is_vector else rows.single(truth)
        for name, truth in answer.gradients.items()
    }


class _Rows:
    """Tensors with a dimension of classes as a table of rows, and back."""

    def __init__(self, function: Function, arrays: Mapping[str, Floats], dim: int, ignore_index: int | None) -> None:
        prediction = arrays[function.prediction.name]
        # A single row has no dimension 1.
        self._function, self._dim = function, dim if dim < prediction.ndim else -1
        moved = np.moveaxis(prediction, self._dim, -1)
        self._outer, self.classes = moved.shape[:-1], moved.shape[-1]
        self.ignored = np.zeros(int(np.prod(self._outer)), bool)
        self.table = {name: self._row(name, array, ignore_index) for name, array in arrays.items()}

    def _row(self, name: str, array: Floats, ignore_index: int | None) -> Floats:
        entry = self._function.by_name[name]
        if entry.encoding == "class index" and array.shape == self._outer:
            labels = array.ravel().astype(np.int64)
            if ignore_index is not None:
                self.ignored = labels == ignore_index
            return np.asarray((labels[:, None] == np.arange(self.classes)).astype(np.float64))
        if entry.encoding == "class indices":
            return np.stack([self._several(row) for row in self.flat(array).astype(np.int64)])
        if not entry.is_vector:
            return np.broadcast_to(array, self._outer).ravel()
        return self.flat(array)

    def _several(self, places: NDArray[np.int64]) -> Floats:
        """Ones at the places that come before the first -1."""
        end = int(np.argmax(places < 0)) if (places < 0).any() else len(places)
        return np.isin(np.arange(self.classes), places[:end]).astype(np.float64)

    def flat(self, array: Floats) -> Floats:
        """The rows of an array; one that has no other dimension than the classes is the same for every row."""
        if np.ndim(array) == 1:
            return np.asarray(array).reshape(1, -1)
        moved = np.moveaxis(np.asarray(array), self._dim, -1) if np.ndim(array) > 0 else np.asarray(array)
        return np.ascontiguousarray(moved.reshape(-1, moved.shape[-1]))

    def fixed(self, parameters: Mapping[str, Any]) -> dict[str, Floats]:
        known = {name: value for name, value in parameters.items() if name not in self.table}
        return {name: np.asarray(value, np.float64) for name, value in known.items() if name in self._function.by_name}

    def back(self, truth: Truth) -> Truth:
        """Rows in the tensors' shape."""

        def one(table: Floats) -> Floats:
            kept = np.where(self.ignored[:, None], 0.0, table)
            return np.moveaxis(kept.reshape(*self._outer, table.shape[-1]), -1, self._dim)

        return Truth(*(one(getattr(truth, part)) for part in PARTS))

    def single(self, truth: Truth) -> Truth:
        """One number for each row."""
        numbers = (np.where(self.ignored, 0.0, np.reshape(getattr(truth, part), -1)) for part in PARTS)
        return Truth(*(each.reshape(self._outer) for each in numbers))


def _denominators(
    function: Function,
    parameters: Mapping[str, Any],
    arrays: Mapping[str, Floats],
    dim: int,
    ignore_index: int | None,
) -> Floats:
    """What each element counts for in the mean."""
    if not function.is_vector:
        return np.ones(np.broadcast_shapes(*(array.shape for array in arrays.values())))
    rows = _Rows(function, arrays, dim, ignore_index)
    if function.mean_denominator == sp.S.One:
        return np.where(rows.ignored, 0.0, 1.0)
    counted = replace(
        function, expression=function.mean_denominator, kinks=(), limits=(), index=None, gradient_overrides={}
    )
    table = {name: np.where(np.isfinite(array), array, 0.0) for name, array in rows.table.items()}
    answer = _truth(_known(counted), {**rows.fixed(parameters), **table}, [function.prediction.name])
    return np.where(rows.ignored, 0.0, np.reshape(answer.value.high, -1))


_DENOMINATORS: dict[tuple[str, sp.Expr], Function] = {}


def _known(function: Function) -> Function:
    """One object for one meaning: what the oracle compiles for a definition, it compiles once."""
    return _DENOMINATORS.setdefault((function.name, function.expression), function)
