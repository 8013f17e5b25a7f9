"""What the rules on derivatives share: for which subjects they are, where they look, which gradients flow in."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import sympy as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchstone.check.meetings import meetings
from torchstone.check.points import parameters_of
from torchstone.check.rule import NotApplicable
from torchstone.check.subject import Subject
from torchstone.definitions import Function
from torchstone.oracle import Truth

Floats = NDArray[np.float64]
Inputs = Mapping[str, Tensor]

_BESIDE = 1 / 64  # how near to a kink the slope of either side is looked at
_PLACES = (0.0, 0.5, 1.0, 2.0, 3.25, 4.5, 6.5, 8.0, 12.0, 20.5, 40.0)


def demand_predictions(subject: Subject) -> tuple[str, ...]:
    """The inputs that a gradient is to flow to. Raises `NotApplicable` where there is none."""
    if not subject.predictions:
        raise NotApplicable("none of its inputs is a prediction in floating point")
    if subject.declared.get("differentiable") is False:
        raise NotApplicable("not differentiable, as declared")
    return subject.predictions


def demand_graph(subject: Subject) -> tuple[str, ...]:
    """As `demand_predictions`. Raises `NotApplicable` too where the result has no graph, and G006 tells so."""
    names = demand_predictions(subject)
    if subject.definition is not None and not subject.description.has_backward and not subject.trait("differentiable"):
        raise NotApplicable("the result is cut off from its inputs: see G006")
    return names


def demand_gradient(subject: Subject) -> tuple[str, ...]:
    """As `demand_predictions`. Raises `NotApplicable` too where no gradient flows back: D101 and D102 judge that."""
    names = demand_predictions(subject)
    if not subject.trait("differentiable"):
        raise NotApplicable("no gradient flows back from its result")
    return names


def selection(subject: Subject, shape: torch.Size, number: int = 0) -> dict[str, Tensor]:
    """The upstream gradient that looks at some elements of the result, by its name; none: it looks at all.

    Zeros and ones, so that what is wrong with the derivative is told from what is wrong with the use of the upstream
    gradient (D103). The gradient of a row's sum may be zero everywhere (softmax), so a row needs more than ones.
    """
    if not shape or subject.kind == "loss" or subject.trait("acts_along") == "element":
        return {}
    chosen = (torch.arange(shape.numel()) % 3 == number % 3).to(torch.float64)
    return {"cotangent": chosen.reshape(shape)}


def cases(subject: Subject) -> Iterator[dict[str, Tensor]]:
    """Ordinary inputs first, then larger ones, both sides of each kink, and the subject's own constants."""
    sample = subject.sample()
    yield sample
    free = [name for name in subject.predictions if is_free(subject, name)]
    if not free:
        return
    if len(subject.predictions) > 1 or _is_of_rows(subject):
        yield {name: 8 * each if name in free else each for name, each in sample.items()}
        return
    x, target = subject.x, subject.target
    shape = sample[x].shape
    about = sample[target.name] if target is not None and is_free(subject, target.name) else torch.zeros(())
    places = special(subject)
    for start in range(0, len(places), max(1, shape.numel())):
        chosen = np.resize(places[start : start + shape.numel()], tuple(shape))
        filled = torch.from_numpy(chosen)
        yield {**sample, x: filled + about if about.shape in (shape, torch.Size()) else filled}


def is_free(subject: Subject, name: str) -> bool:
    """Whether any number will do for an input."""
    entry = subject.entry(name)
    return entry.is_floating and entry.within == ""


def _is_of_rows(subject: Subject) -> bool:
    if subject.kind == "activation":
        return bool(subject.trait("acts_along") != "element")
    target = subject.target
    return subject.definition.is_vector if subject.definition else target is None or not target.is_floating


def special(subject: Subject) -> list[float]:
    """Places where a function may change: round ones, and the sides of the constants that it is made with."""
    told = {**subject.description.constructor, **subject.description.attributes, **subject.spec.kwargs}
    own = {0.0, 1.0, *_sizes({**told, **subject.parameters}.values())}
    if subject.definition is not None:
        made_of = [subject.definition.expression, *(kink.locus for kink in subject.definition.kinks)]
        own |= _sizes(float(number) for each in made_of for number in each.atoms(sp.Number) if number.is_finite)
        own |= _sizes(_meetings(subject, subject.definition))
    sides = {place + side for place in own if place <= 100 for side in (-_BESIDE, _BESIDE)}
    found = {*_PLACES, *sides}
    return sorted({*found, *(-each for each in found)})


def _meetings(subject: Subject, function: Function) -> list[float]:
    """Where the definition's pieces meet, with the targets at 0."""
    if function.is_vector:
        return []
    targets = {entry.name: 0.0 for entry in function.inputs if entry.role == "target"}
    return meetings(function, {**parameters_of(subject, function), **targets})


def _sizes(values: Iterable[object]) -> set[float]:
    return {abs(float(each)) for each in values if isinstance(each, (int, float)) and not isinstance(each, bool)}


def directions(tensors: Inputs, names: Sequence[str], turn: int = 0) -> dict[str, Tensor]:
    """A direction through all elements of the named inputs: numbers of both signs, none like its neighbours."""
    found = {}
    for order, name in enumerate(names):
        count = torch.arange(tensors[name].numel(), dtype=torch.float64)
        found[name] = torch.cos(1.0 + turn + 0.7 * order + 2.4 * count).reshape(tensors[name].shape)
    return found


def relative_error(got: Tensor, truth: Truth) -> Floats:
    """|error| over |f| + |x f'| + 1e-5: digits that cancel in a tail are the business of the rules on numerics."""
    numbers = got.to(torch.float64).numpy()
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        size = np.maximum(np.abs(truth.scale), np.abs(truth.high))
        off = np.abs(numbers - truth.high - truth.low) / (size + 1e-5)
    return np.where(numbers == truth.high, 0.0, off)


def number(value: float) -> str:
    """A number as a sentence has it."""
    return f"{value + 0.0:.6g}"  # no -0


def place(tensors: Inputs, name: str, where: tuple[int, ...]) -> str:
    """Where in an input: "x = -3", or "x[0, 2] = -3" where there is more than one number."""
    tensor = tensors[name]
    if len(where) != tensor.dim():
        return name
    index = "" if tensor.numel() == 1 else str(list(where))
    return f"{name}{index} = {number(float(tensor[where]))}"
