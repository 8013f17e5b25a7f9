"""Where rules on activations look: exact numbers for a definition, in the shapes of a subject's own inputs."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchstone.check.entries import SIZES, draw, shape_of
from torchstone.check.meetings import meetings
from torchstone.check.rule import NotApplicable
from torchstone.check.subject import Subject
from torchstone.definitions import Function
from torchstone.oracle import FORMATS, Format, every_value, rounded

Floats = NDArray[np.float64]
DTYPES = {name: getattr(torch, name) for name in ("float32", "float64", "bfloat16", "float16")}

_HALF_DIGITS = 11

_RANDOM = np.random.default_rng(20260101)  # a fixed seed: the points are the same for everybody, every time
_EVEN = np.concatenate([_RANDOM.uniform(-8, 8, 32), _RANDOM.uniform(-2, 2, 16), _RANDOM.uniform(-20, 20, 12)])
_ROWS = np.concatenate([_RANDOM.uniform(-3, 3, (2, 12)), _RANDOM.uniform(-8, 8, (2, 12))])
_FAR = np.array([30.0, 50.0, 100.0])  # float64 holds the exponentials of these, and of their doubles

# What overflows or underflows on the way, type by type: exp(12) in float16, exp(89) in float32, exp(710) in float64.
_LARGE = np.array([12.0, 20.0, 45.0, 89.0, 100.0, 200.0, 400.0, 710.0, 1e3, 1e4, 1e10, 1e20, 1e30])
_TINY = np.array([1e-4, 1e-7, 1e-10, 1e-20, 1e-30, 1e-42])
_EXTREME_ROWS = np.array(
    [[89, 0, 0], [0, -200, 0], [200, 0, 100], [1e3, 1e3, 1e3], [-1e3, -1e3, -1e3], [1e4, 0, -1e4], [-1e4, 1e4, 1e4]]
)


def settled(subject: Subject) -> Subject:
    """The subject, if each call gives the same. Raises `NotApplicable` where it draws random numbers."""
    if subject.trait("stochastic"):
        raise NotApplicable("the subject draws random numbers")
    return subject


def in_dtype(subject: Subject, dtype: torch.dtype) -> Subject:
    """The subject with its learnable parameters rounded to a dtype, as they are when it works in that dtype."""
    learnt = {*subject.description.parameters, *subject.description.buffers} & set(subject.parameters)
    if not learnt:
        return subject
    known = {name: torch.tensor(subject.parameters[name], dtype=torch.float64) for name in learnt}
    held = {name: tensor.to(dtype).to(torch.float64).tolist() for name, tensor in known.items()}
    return replace(subject, parameters={**subject.parameters, **held})


def definition_of(subject: Subject) -> Function:
    """The definition, which a rule with need="definition" has."""
    assert subject.definition is not None
    return subject.definition


def number(subject: Subject, expression: sp.Basic) -> float:
    """An expression in a definition's parameters, with the subject's; NaN where that is no one number."""
    known: dict[sp.Basic, Any] = {}
    for entry in definition_of(subject).parameters:
        value = subject.parameters.get(entry.name, entry.default)
        if isinstance(value, (int, float, sp.Basic)):
            known[entry.symbol] = value
    found = sp.sympify(expression).subs(known)
    return float(found) if found.is_number and found.is_extended_real else math.nan


def kinks(subject: Subject) -> list[float]:
    """The places of the definition's kinks."""
    function = definition_of(subject)
    if function.is_vector:
        return []
    known = {entry.name: number(subject, entry.symbol) for entry in function.parameters}
    return meetings(function, {name: value for name, value in known.items() if math.isfinite(value)})


def _allowed(subject: Subject, values: Floats) -> Floats:
    """The values inside the prediction's domain."""
    domain = definition_of(subject).prediction.domain
    if domain == sp.S.Reals:
        return values
    return values[[bool(domain.contains(sp.Float(value))) for value in values]]


def _near(places: list[float]) -> Floats:
    return np.array([place + step for place in places for step in (-0.5, -(2.0**-6), 2.0**-6, 0.5)])


def moderate(subject: Subject, form: Format) -> Floats:
    """Ordinary numbers, and those near kinks; with patience, all of a half type. A107 looks at kinks themselves."""
    if definition_of(subject).is_vector:
        # A row costs as much as thirty numbers, and the half types have few digits to lose.
        return rounded(_ROWS[:: 1 if form.digits > _HALF_DIGITS else 2, : classes(subject)], form)
    places = kinks(subject)
    if subject.patient and form.digits <= _HALF_DIGITS:
        every = every_value(form.name)
        return _allowed(subject, every[np.isfinite(every) & ~np.isin(every, rounded(places, form))])
    values = np.concatenate([_EVEN, _near(places), [0.0, 1.0, -1.0, 3.0, -3.0]])
    values = np.unique(rounded(values, form))
    return _allowed(subject, values[~np.isin(values, rounded(places, form))])


def far(subject: Subject) -> Floats:
    """Large numbers whose exponentials float64 still holds."""
    if definition_of(subject).is_vector:
        return np.array([[20.0, -20.0, 0.0], [100.0, 90.0, 95.0]]).repeat(4, axis=1)[:, : classes(subject)]
    return _allowed(subject, np.concatenate([_FAR, -_FAR]))


def tails(subject: Subject, form: Format) -> Floats:
    """Small and large numbers, where digits are lost."""
    sizes = np.concatenate([[6.0, 8.0, 10.0, 12.0, 16.0, 20.0, 30.0, 40.0, 60.0], 10.0 ** -np.arange(1.0, 8.0)])
    values = rounded(np.concatenate([sizes, -sizes]), form)
    return _allowed(subject, values[(np.abs(values) > 2.0**form.least_exponent) & ~np.isin(values, kinks(subject))])


def extremes(subject: Subject, form: Format) -> Floats:
    """Numbers at which something on the way overflows or underflows, the moderate ones first."""
    if definition_of(subject).is_vector:
        rows = np.resize(_EXTREME_ROWS.T, (12, len(_EXTREME_ROWS))).T[:, : classes(subject)]
        return np.asarray(rows[np.abs(rows).max(axis=1) <= form.largest])
    values = np.concatenate([_LARGE[form.largest >= _LARGE], _TINY[form.smallest <= _TINY]])
    return _allowed(subject, rounded(np.stack([values, -values], axis=1).ravel(), form))


def classes(subject: Subject) -> int:
    """How many numbers a row has: that of an ordinary input."""
    return int(subject.sample()[subject.x].shape[subject.dim])


def inputs(subject: Subject, values: Floats, dtype: torch.dtype) -> dict[str, Tensor]:
    """The subject's inputs with these numbers, or rows, as the first prediction. Numbers repeat where there is room."""
    entry = subject.entry(subject.x)
    values = np.asarray(values, np.float64)
    letters = [dim for dim in entry.dims if isinstance(dim, str) and dim != "..."]
    if values.ndim == 2:
        rank = subject.sample()[subject.x].dim()
        table = torch.from_numpy(values.copy()).reshape(len(values), *[1] * (rank - 2), values.shape[1])
        x = table[0].reshape(-1) if rank == 1 else table.movedim(-1, subject.dim)
    else:
        rest = math.prod(shape_of(entry, {**SIZES, **dict.fromkeys(letters[:1], 1)}, (1, 4)))
        count = -(-max(values.size, 1) // rest)
        shape = shape_of(entry, {**SIZES, **dict.fromkeys(letters[:1], count)}, (1 if letters else count, 4))
        x = torch.from_numpy(np.resize(values, shape) if values.size else np.zeros(shape))
    whole = entry.dims == ("...",)
    sizes = {} if whole or "..." in entry.dims else _sizes(entry.dims, x.shape)
    others = draw(subject.inputs, dtype, sizes=sizes, extra=tuple(x.shape) if whole else (1, 4))
    return {**others, subject.x: x.to(dtype)}


def _sizes(dims: tuple[Any, ...], shape: torch.Size) -> dict[str, int]:
    """The letters' sizes in a shape: of "2*d", that of d."""
    found = {}
    for dim, size in zip(dims, shape, strict=False):
        times, _, letter = str(dim).rpartition("*")
        found[letter] = size // int(times or 1)
    return found


def format_of(tensor: Tensor) -> Format:
    """The floating-point format of a tensor."""
    return FORMATS[str(tensor.dtype).removeprefix("torch.")]


def as_floats(tensor: Tensor) -> Floats:
    """A tensor's numbers as float64, exactly."""
    return np.asarray(tensor.detach().to(torch.float64).numpy())


def size_of(subject: Subject, tensors: Mapping[str, Tensor]) -> Floats:
    """|x| for each number of the result; along a row, the largest."""
    sizes = np.abs(as_floats(tensors[subject.x]))
    if subject.definition is not None and subject.definition.is_vector and sizes.ndim:
        return np.asarray(sizes.max(axis=subject.dim, keepdims=True))
    return sizes
