"""How far answers are from the truth, and what of it is out of policy."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from torchstone.compare.reading import Errors, Quantity, Reading, errors_of, given_nan, say
from torchstone.compare.result import Accuracy
from torchstone.oracle import FORMATS, distance


def _worst(errors: Sequence[Errors]) -> tuple[float, Any]:
    """The largest finite distance and its input; 0 and None where all is exact, NaN where nothing is known."""
    found: tuple[float, Any] = (0.0 if errors else float("nan"), None)
    for each in errors:
        finite = each.finite
        at = int(finite.argmax())
        if finite[at] > found[0]:
            found = (float(finite[at]), each.point(at))
    return found


def _hopeless(errors: Sequence[Errors]) -> int:
    """How many answers are infinitely far off."""
    return sum(int(np.isinf(each.distances).sum()) for each in errors)


def judge(quantity: Quantity, readings: Sequence[Reading]) -> tuple[Accuracy | None, tuple[str, ...]]:
    """The accuracy of a quantity in all formats, and a sentence for whatever is out of policy."""
    entries, problems = [], []
    for form in FORMATS.values():
        here = [reading for reading in readings if reading.batch.form == form.name]
        mine = [found for reading in here if (found := errors_of(quantity, reading, reading.reply))]
        like: Quantity = "gradient" if quantity == "backward" else quantity
        theirs = [found for reading in here if (found := errors_of(like, reading, reading.torch))]
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


def _complaints(quantity: Quantity, entry: Accuracy, errors: Sequence[Errors]) -> list[str]:
    found = []
    if entry.max_ulp > entry.budget:
        worst = max(errors, key=lambda each: each.finite.max(initial=0.0))
        found.append(
            f"{quantity}: {entry.max_ulp:,.3g} ulp off in {entry.dtype} {worst.say(int(worst.finite.argmax()))}; "
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
    answered = [reading for reading in readings if errors_of("gradient", reading, reading.reply)]
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
    return bool((given_nan(reading.batch, got.ndim) & ~got).any())
