"""How far answers are from the truth, and what of it is out of policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from torchstone.compare.points import Batch
from torchstone.compare.result import Accuracy, Curve
from torchstone.compare.task import Reply
from torchstone.oracle import FORMATS, Truth, distance

Floats = NDArray[np.float64]
Quantity = Literal["value", "gradient", "backward"]  # the last: by the subject's own method of that name
_BINS = 160


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
class _Errors:
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


def _errors(quantity: Quantity, reading: Reading, reply: Reply) -> _Errors | None:
    """None where there is no answer that could be compared."""
    truth = reading.value if quantity == "value" else reading.gradient
    tensor = reply.tensors.get(quantity)
    if tensor is None or tensor.shape != truth.high.shape or not tensor.is_floating_point():
        return None
    got = tensor.double().numpy()
    off = distance(got, truth, FORMATS[reading.batch.form])
    free = _free(quantity, reading, got, truth)
    return _Errors(reading, np.where(free, 0.0, off).ravel(), got.ravel(), truth.high.ravel())


def _free(quantity: Quantity, reading: Reading, got: Floats, truth: Truth) -> NDArray[np.bool_]:
    """Where an answer is right whatever it is: where the definition has none, and subgradients at a kink.

    A NaN that goes in must come out as the value. With that NaN at hand, its gradient is not held against anybody:
    PyTorch's own is often a number.
    """
    undefined = np.isnan(truth.high)
    if quantity == "value":
        return (
            undefined & ~_has_nan(reading.batch).reshape(-1, *[1] * (undefined.ndim - 1))
            if undefined.any()
            else undefined
        )
    if reading.accepted is not None:
        undefined |= (reading.accepted[0] <= got) & (got <= reading.accepted[1])
    return undefined


def _has_nan(batch: Batch) -> NDArray[np.bool_]:
    """Whether a point's inputs hold a NaN."""
    nans = [np.isnan(array).reshape(batch.size, -1).any(1) for array in batch.inputs.values()]
    return np.logical_or.reduce(nans)


def _worst(errors: Sequence[_Errors]) -> tuple[float, Any]:
    """The largest finite distance and its input; 0 and None where all is exact, NaN where nothing is known."""
    found: tuple[float, Any] = (0.0 if errors else float("nan"), None)
    for each in errors:
        finite = _finite(each)
        at = int(finite.argmax())
        if finite[at] > found[0]:
            found = (float(finite[at]), each.point(at))
    return found


def _hopeless(errors: Sequence[_Errors]) -> int:
    """How many answers are infinitely far off."""
    return sum(int(np.isinf(each.distances).sum()) for each in errors)


def judge(quantity: Quantity, readings: Sequence[Reading]) -> tuple[Accuracy | None, tuple[str, ...]]:
    """The accuracy of a quantity in all formats, and a sentence for whatever is out of policy."""
    entries, problems = [], []
    for form in FORMATS.values():
        here = [reading for reading in readings if reading.batch.form == form.name]
        mine = [found for reading in here if (found := _errors(quantity, reading, reading.reply))]
        like: Quantity = "gradient" if quantity == "backward" else quantity
        theirs = [found for reading in here if (found := _errors(like, reading, reading.torch))]
        if not mine:
            continue
        worst, place = _worst(mine)
        torch_worst, torch_place = _worst(theirs)
        entry = Accuracy(
            max_ulp=worst,
            torch_max_ulp=torch_worst,
            worst_input=place,
            torch_worst_input=torch_place,
            not_finite=_hopeless(mine),
            torch_not_finite=_hopeless(theirs),
            points=sum(each.distances.size for each in mine),
            dtype=form.name,
            budget=form.budget,
        )
        entries.append(entry)
        problems += _complaints(quantity, entry, mine)
    if not entries:
        return None, ()
    return _summary(entries), tuple(problems)


def _summary(entries: Sequence[Accuracy]) -> Accuracy:
    """The worst of all formats, with each of them inside."""
    worst = max(entries, key=lambda entry: entry.max_ulp)
    torch_worst = max(entries, key=lambda entry: np.nan_to_num(entry.torch_max_ulp, nan=-1.0))
    return replace(
        worst,
        torch_max_ulp=torch_worst.torch_max_ulp,
        torch_worst_input=torch_worst.torch_worst_input,
        not_finite=sum(entry.not_finite for entry in entries),
        torch_not_finite=sum(entry.torch_not_finite for entry in entries),
        points=sum(entry.points for entry in entries),
        dtypes=tuple(entries),
    )


def _complaints(quantity: Quantity, entry: Accuracy, errors: Sequence[_Errors]) -> list[str]:
    found = []
    if entry.max_ulp > entry.budget:
        worst = max(errors, key=lambda each: _finite(each).max(initial=0.0))
        found.append(
            f"{quantity}: {entry.max_ulp:,.3g} ulp off in {entry.dtype} {worst.say(int(_finite(worst).argmax()))}; "
            f"the budget is {entry.budget:g}, PyTorch's worst {entry.torch_max_ulp:,.3g}"
        )
    for each in errors:
        if np.isinf(each.distances).any():
            first = int(np.isinf(each.distances).argmax())
            what = "wrong" if np.isfinite(each.got[first]) else "not finite"
            count = f"{entry.not_finite:,} of {entry.points:,} {entry.dtype} points"
            found.append(f"{quantity}: {what} at {count}, first {each.say(first)}")
            break
    return found


def _finite(errors: _Errors) -> Floats:
    return np.where(np.isfinite(errors.distances), errors.distances, -1.0)


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


def shapeless(readings: Sequence[Reading]) -> tuple[str, ...]:
    """A sentence for each way in which an answer was none: no gradient, or a wrong shape."""
    found: dict[str, dict[str, None]] = {}
    for reading in readings:
        for quantity, truth in (("value", reading.value), ("gradient", reading.gradient)):
            tensor = reading.reply.tensors.get(quantity)
            if tensor is None:
                fault = f"{quantity}: none; autograd finds no way from the result back to the input"
            elif tensor.shape != truth.high.shape or not tensor.is_floating_point():
                kind = str(tensor.dtype).removeprefix("torch.")
                fault = f"{quantity}: expected shape {truth.high.shape}, got {tuple(tensor.shape)} of {kind}"
            else:
                continue
            found.setdefault(fault, {})[reading.batch.form] = None
    return tuple(f"{fault} (in {', '.join(forms)})" for fault, forms in found.items())


def notes(readings: Sequence[Reading]) -> tuple[str, ...]:
    """Sentences about gradients that are right, but not the definition's own."""
    answered = [reading for reading in readings if _errors("gradient", reading, reading.reply)]
    found = [note for reading in answered if (note := _other_subgradient(reading))][:1]
    forms = dict.fromkeys(reading.batch.form for reading in answered if _number_for_nan(reading))
    return (*found, *([f"gradient: a number where the input is NaN (in {', '.join(forms)})"] if forms else []))


def _other_subgradient(reading: Reading) -> str:
    """Where the slope taken at a kink is another subgradient than the definition's."""
    if reading.accepted is None:
        return ""
    got, right, form = reading.reply.tensors["gradient"].double().numpy(), reading.gradient, FORMATS[reading.batch.form]
    low, high = reading.accepted
    other = (low <= got) & (got <= high) & (distance(got, right, form) > form.budget)
    if not other.any():
        return ""
    at = int(other.argmax())
    return (
        f"gradient: {got[at]:g} at the kink {say(reading.point(at, 1))}, where the convention is {right.high[at]:g}; "
        f"any slope from {low[at]:g} to {high[at]:g} is right"
    )


def _number_for_nan(reading: Reading) -> bool:
    """Whether the gradient at a NaN is a number."""
    got = reading.reply.tensors["gradient"].isnan().numpy()
    given = _has_nan(reading.batch) if reading.batch.reduction == "none" else np.zeros(1, bool)
    return bool((given & ~got.reshape(len(got), -1).all(1)).any())


def curve(reading: Reading, note: str) -> Curve | None:
    """What is plotted, from the answers at the points of the plot: of a row, its first component."""
    pairs: list[tuple[Quantity, Reply]] = [
        ("value", reading.reply),
        ("value", reading.torch),
        ("gradient", reading.reply),
        ("gradient", reading.torch),
    ]
    errors = [_errors(quantity, reading, reply) for quantity, reply in pairs]
    if errors[0] is None or errors[2] is None:
        return None
    points = reading.batch.inputs["prediction"]
    x = points if points.ndim == 1 else points[:, 0]
    bins = np.minimum((np.arange(len(x)) * _BINS) // len(x), _BINS - 1)
    shown = slice(None, None, max(1, len(x) // 400))
    variable = reading.names["prediction"]
    return Curve(
        variable if points.ndim == 1 else f"{variable}[0]",
        x=tuple(x[shown].tolist()),
        value=tuple(_first(errors[0].got, len(x))[shown].tolist()),
        gradient=tuple(_first(errors[2].got, len(x))[shown].tolist()),
        error_x=tuple(np.array([x[bins == n].mean() for n in range(_BINS)]).tolist()),
        value_error=_binned(errors[0], bins),
        torch_value_error=_binned(errors[1], bins),
        gradient_error=_binned(errors[2], bins),
        torch_gradient_error=_binned(errors[3], bins),
        note=note,
    )


def _first(flat: Floats, count: int) -> Floats:
    """Each point's first element."""
    first: Floats = flat.reshape(count, -1)[:, 0]
    return first


def _binned(errors: _Errors | None, bins: NDArray[np.intp]) -> tuple[float, ...]:
    """The worst of the points in each bin."""
    if errors is None:
        return (float("nan"),) * _BINS
    off = errors.distances.reshape(len(bins), -1).max(1)
    return tuple(float(off[bins == n].max()) for n in range(_BINS))
