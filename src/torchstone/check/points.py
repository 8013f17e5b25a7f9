"""Where rules on losses look: at chosen points, one at a time, and what the definition says there."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from torchstone.check import entries, sequences
from torchstone.check.meetings import meetings
from torchstone.check.rule import NotApplicable
from torchstone.check.subject import Subject
from torchstone.definitions import Function, Input

_SIDE = 2.0**-6  # from where the pieces meet
_MODERATE = 200.0  # thresholds are tens; far out, what saturates is another rule's

Row = tuple[float, ...]
Point = Mapping[str, float | Row]  # by the definition's names; a row's class index is a whole number


@dataclass(frozen=True)
class Place:
    """A point to look at, and whether anybody comes there: residuals of 1e20 are for the curious."""

    at: Point
    rare: bool = False


@cache
def readings(function: Function) -> tuple[Function, ...]:
    """The definition, and the definition under each convention that is as right as the one chosen."""
    others = [
        replace(function, name=f"{function.name} ({each.others})", expression=each.accepted, gradient_overrides={})
        for each in function.conventions
        if each.accepted is not None
    ]
    return (function, *others)


def placed(subject: Subject, point: Point, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """A batch of one that holds a point; what the point leaves open is ordinary."""
    width = max((len(value) for value in point.values() if isinstance(value, tuple)), default=subject.width or 1)
    letters = {letter.rpartition("*")[2] for entry in subject.inputs for letter in map(str, entry.dims)}
    sizes = {**dict.fromkeys(letters, 1), "C": width}
    extra = (1, width) if width > 1 else (1,)
    tensors = entries.draw(subject.inputs, dtype, sizes=sizes, extra=extra)
    for entry in subject.inputs:
        if entry.symbol in point:
            tensors[entry.name] = _filled(tensors[entry.name], point[entry.symbol], subject.dim)
    return tensors


def _filled(like: Tensor, value: float | Row, dim: int) -> Tensor:
    if not isinstance(value, tuple):
        return torch.full_like(like, value)
    numbers = torch.tensor(value, dtype=torch.float64).to(like.dtype)
    if like.numel() != len(value):
        raise NotApplicable("its inputs have no place for a single row of classes")
    return numbers.reshape([-1 if size == len(value) else 1 for size in like.shape])


def _ends(function: Function) -> tuple[Input, list[Input], list[Input]]:
    """The first prediction, the other predictions, and the targets."""
    predictions = [entry for entry in function.inputs if entry.role == "prediction"]
    return predictions[0], predictions[1:], [entry for entry in function.inputs if entry.role == "target"]


def _labels(target: Input) -> tuple[float, ...]:
    if isinstance(target.domain, sp.FiniteSet):
        return tuple(float(each) for each in target.domain)
    if target.domain == sp.S.Reals:
        return (0.5,)
    return (0.0, 1.0, 0.25) if target.domain.sup == 1 else (0.0, 3.0, 0.25)


def special_batches(subject: Subject) -> Iterator[dict[str, Tensor]]:
    """Batches at which logic goes wrong: one for each special point, or special sequences."""
    if sequences.is_of_sequences(subject.definition):
        yield from sequences.special(subject.inputs, subject.sample())
    for point in special(subject):
        yield placed(subject, point)


def extreme_batches(subject: Subject, dtype: torch.dtype) -> Iterator[tuple[dict[str, Tensor], bool]]:
    """Batches far out, and whether anybody comes there."""
    if sequences.is_of_sequences(subject.definition):
        yield from ((each, False) for each in sequences.extreme(subject.inputs, subject.sample(N=1), dtype))
    for place in extreme(subject):
        yield placed(subject, place.at, dtype), place.rare


def special(subject: Subject) -> Iterator[Point]:
    """Points at which logic goes wrong: labels at their ends, ties, no residual, and where the pieces meet."""
    function = _known(subject)
    if sequences.is_of_sequences(function):
        return
    if function.is_vector:
        yield from _special_rows(subject, function)
        return
    prediction, others, targets = _ends(function)
    domain, fixed = domain_of(subject, prediction), {entry.name: _inner(entry) for entry in others}
    for point in _with_labels(subject, targets, fixed):
        known = {**parameters_of(subject, function), **point}
        places = meetings(function, {name: value for name, value in known.items() if isinstance(value, float)})
        exact = [place for place in places if (place * 2**20).is_integer()]  # elsewhere rounding decides
        for x in sorted({*_ordinary(domain), *exact, *_beside(places)}):
            if x in domain and _is_moderate(x, domain):
                yield {**point, prediction.name: x}


def _beside(places: list[float]) -> list[float]:
    """Inside each piece: between the places where they meet, and beyond the first and the last."""
    if not places:
        return []
    near = [place + side for place in places for side in (-_SIDE, _SIDE)]
    between = [(first + other) / 2 for first, other in pairwise(places)]
    return [*near, places[0] - 1 - abs(places[0]) / 4, *between, places[-1] + 1 + abs(places[-1]) / 4]


def domain_of(subject: Subject, entry: Input) -> sp.Set:
    """What an input may be: as the definition says, or where that says nothing, as the subject's own input does."""
    within = next((each.within for each in subject.inputs if each.symbol == entry.name), "")
    if entry.domain != sp.S.Reals or within[:1] not in ("[", "("):
        return entry.domain
    low, high, _, _ = entries.bounds(within, entries.SIZES)
    return sp.Interval(*(sp.nsimplify(end) for end in (low, high)))


def _is_moderate(x: float, domain: sp.Set) -> bool:
    """Neither far out nor next to an end, where conventions and saturation begin."""
    return 1e-3 <= x <= 1 - 1e-3 if domain == sp.Interval(0, 1) else abs(x) <= _MODERATE


def _special_rows(subject: Subject, function: Function) -> Iterator[Point]:
    prediction, others, targets = _ends(function)
    if others or len(targets) != 1 or not targets[0].is_vector:
        return
    rows: tuple[Row, ...] = ((0.5, -1.25, 2.0), (-1.0, -1.0, -1.0), (-0.25, -3.0, -3.0))
    for row in (_wide(subject, row) for row in rows if all(each in prediction.domain for each in row)):
        for target in _row_targets(subject, targets[0], len(row)):
            yield {prediction.name: row, targets[0].name: target}


def _wide(subject: Subject, row: Row) -> Row:
    """A row of as many classes as the subject has weights for: the last number is said again."""
    return (*row, *row[-1:] * (subject.width - len(row)))[: subject.width or None]


def _row_targets(subject: Subject, target: Input, classes: int) -> list[float | Row]:
    entry = next((each for each in subject.inputs if each.symbol == target.name), None)
    if entry is None or target.encoding == "class indices":
        return []
    if not entry.is_floating and target.encoding == "class index":
        return [0.0, float(classes - 1)]
    one_hot = tuple(float(place == 1) for place in range(classes))
    if isinstance(target.domain, sp.FiniteSet):
        return [one_hot]
    return [one_hot, tuple(0.75 / (classes - 1) if place else 0.25 for place in range(classes))]


def extreme(subject: Subject) -> Iterator[Place]:
    """Points far out, where the mathematics still has a number: saturated logits, probabilities 0 and 1, outliers."""
    function = _known(subject)
    if sequences.is_of_sequences(function):
        return
    prediction, others, targets = _ends(function)
    if function.is_vector:
        yield from _extreme_rows(subject, function)
        return
    fixed: Point = {entry.name: _inner(entry) for entry in others}
    has_labels = not any(domain_of(subject, each) == sp.S.Reals and not _told(subject, each) for each in targets)
    for point in _with_labels(subject, targets, fixed):
        for x, rare in _far(domain_of(subject, prediction), has_labels):
            yield Place({**point, prediction.name: x}, rare)


def _extreme_rows(subject: Subject, function: Function) -> Iterator[Place]:
    prediction, others, targets = _ends(function)
    if others or len(targets) != 1 or not targets[0].is_vector:
        return
    rows: tuple[Row, ...] = ((200.0, 0.0), (0.0, 200.0), (-1e4, 1e4), (1e4, 1e4), (-1e4, -1e4), (0.0, -104.0))
    masked: tuple[Row, ...] = ((1.0, 2.0, -math.inf),) if function.masked is not None else ()
    for short in (*rows, *masked):
        row = _wide(subject, short)
        if not all(each in prediction.domain or math.isinf(each) for each in row):
            continue
        for target in _row_targets(subject, targets[0], len(row)):
            if math.inf not in map(abs, row) or target == 0.0 or (isinstance(target, tuple) and target[1] == 1.0):
                yield Place({prediction.name: row, targets[0].name: target}, rare=short in masked)


_NEXT_TO_0 = (1e-30, 1e-20, 1e-12, 1e-10)
_NEXT_TO_1 = tuple(1 - 2.0**-digits for digits in (50, 30, 20))


def _far(domain: sp.Set, has_labels: bool) -> Iterator[tuple[float, bool]]:
    """Numbers far out, the furthest first where a constant guards the end, and whether they are rare."""
    low, high = domain.inf, domain.sup
    if (low, high) == (0, 1):
        yield from ((x, False) for x in (0.0, 1.0, *_NEXT_TO_0, *_NEXT_TO_1))
    elif low == 0:
        yield from ((x, x > 1e4) for x in (0.0, 1e-12, 1e4, 1e20))
    elif high == 0:
        yield from ((x, x < -1e4) for x in (0.0, -200.0, -1e4, -1e20))
    elif not has_labels:
        yield from ((x, abs(x) > 1e4) for x in (1e4, -1e4, 200.0, 1e20, -1e20))
    else:
        yield from ((x, False) for x in (50.0, -50.0, 200.0, -200.0, 1e4, -1e4))


def _told(subject: Subject, target: Input) -> list[float] | None:
    """The labels that the subject's input names, if it names them."""
    taken = next((entry.within for entry in subject.inputs if entry.symbol == target.name), "")
    return [float(each) for each in taken.strip("{}").split(",")] if taken.startswith("{") else None


def _with_labels(subject: Subject, targets: Sequence[Input], fixed: Point) -> Iterator[Point]:
    """The point with each label in turn that the subject is said to take."""
    if not targets:
        yield fixed
        return
    chosen = _told(subject, targets[0])
    told = chosen if chosen is not None and targets[0].domain == sp.S.Reals else _labels(targets[0])
    for label in told:
        if chosen is None or label in chosen:
            yield {**fixed, targets[0].name: label, **{entry.name: _inner(entry) for entry in targets[1:]}}


def _inner(entry: Input) -> float:
    """A moderate number of the domain."""
    return 0.75 if entry.domain != sp.Interval(-sp.oo, 0) else -0.75


def _ordinary(domain: sp.Set) -> tuple[float, ...]:
    if domain == sp.Interval(0, 1):
        return (0.25, 0.5, 0.875)
    return (-2.25, -0.5, 0.0, 0.5, 2.25)


def parameters_of(subject: Subject, function: Function) -> dict[str, float]:
    """The definition's parameters, as the subject has them where they are numbers, else their defaults."""
    found = {}
    for entry in function.parameters:
        value = subject.parameters.get(entry.name, entry.default)
        if isinstance(value, (int, float, sp.Number)):
            found[entry.name] = float(value)
    return found


def _known(subject: Subject) -> Function:
    """The definition, where the subject has an input for each of its own."""
    function = subject.definition
    assert function is not None
    given = {entry.symbol for entry in subject.inputs}
    missing = [entry.name for entry in function.inputs if entry.role != "parameter" and entry.name not in given]
    if missing:
        raise NotApplicable(f"it has no input for the definition's {', '.join(missing)}")
    return function


def batched(subject: Subject, sample: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The inputs that have a row for each sample of the batch."""
    size = len(sample[subject.x]) if sample[subject.x].dim() else 0
    return tuple(
        entry.name
        for entry in subject.inputs
        if entry.dims[:1] in (("N",), ("...",)) and len(sample[entry.name]) == size
    )


def taken(sample: Mapping[str, Tensor], names: tuple[str, ...], rows: Any) -> dict[str, Tensor]:
    """Some rows of the inputs that have them."""
    return {name: tensor[rows] if name in names else tensor for name, tensor in sample.items()}


def unflattened(tensor: Tensor, size: int) -> Tensor:
    """(N d, C) as (N, C, d), and (N d,) as (N, d)."""
    return tensor.reshape(-1, size, *tensor.shape[1:]).movedim(1, -1).contiguous()
