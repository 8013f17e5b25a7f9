"""What a wrong answer is instead: the likely cause, where it is recognised.

A table of suspects. Each says what the answer would be if the subject made a certain mistake; the first whose numbers
are the subject's own, at inputs where the right ones are others, is named.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from torch import Tensor

from torchstone import definitions
from torchstone.check.evidence import Mismatch
from torchstone.check.expected import count
from torchstone.check.rule import NotApplicable
from torchstone.check.sequences import is_of_sequences
from torchstone.check.subject import Ended, Fault, Subject
from torchstone.definitions import Function
from torchstone.definitions.calculus import differentiate

Floats = NDArray[np.float64]
Guess = tuple[Any, str]  # numbers, and what they would be
_FACTORS = {2.0: "2 times too large", 0.5: "half of what it should be", -1.0: "of the wrong sign"}
_CLOSE = {"float64": 1e-7, "float32": 1e-4, "float16": 5e-3, "bfloat16": 3e-2}


@dataclass(frozen=True)
class _Case:
    """A wrong answer with the right one beside it, whole."""

    subject: Subject
    tensors: Mapping[str, Tensor]
    quantity: str
    options: Mapping[str, Any]
    got: Floats
    right: Floats
    close: float
    dtype: str

    @property
    def cotangent(self) -> Tensor | None:
        """What flows into the backward, if it is not ones."""
        return self.tensors.get("cotangent")

    @property
    def wrt(self) -> str:
        """The input that is differentiated by, if any."""
        return self.quantity.removeprefix("grad.") if self.quantity.startswith("grad.") else ""

    def expected(self, **changed: Any) -> Floats:
        """The truth under other circumstances."""
        tensors = changed.pop("tensors", self.tensors)
        subject = changed.pop("subject", self.subject)
        asked = {"wrt": [self.wrt] if self.wrt else (), "cotangent": self.cotangent, **_reduction(self), **changed}
        truth = subject.expected({k: v for k, v in tensors.items() if k != "cotangent"}, **asked)
        return truth.gradients[self.wrt].high if self.wrt else truth.value.high


def _reduction(case: _Case) -> dict[str, Any]:
    chosen = case.options.get("build", {}).get("reduction")
    return {} if chosen is None else {"reduction": chosen}


def cause(subject: Subject, mismatch: Mismatch) -> str:
    """A clause that says what the subject computes instead, or nothing."""
    try:
        case = _case(subject, mismatch)
        if case is None:
            return ""
        if not np.isfinite(case.got).any():
            return _overflowing(case)
        guesses = (guess for suspect in SUSPECTS for guess in suspect(case))
        return next((meaning for numbers, meaning in guesses if _fits(case, numbers)), "")
    except (NotApplicable, Ended, Fault):
        return ""


def _fits(case: _Case, guess: Any) -> bool:
    """Whether a guess gives the subject's numbers, and not the right ones."""
    return _same(case.got, guess, case.close) and not _same(case.right, guess, case.close)


_LADDER = (1.0, 0.7, 0.5, 0.3)


def _overflowing(case: _Case) -> str:
    """The form of the formula that overflows where the subject does, and where it does not, does not.

    Many forms give no number at one point; the same point on a smaller scale tells them apart.
    """
    rungs = [case]
    for scale in _LADDER[1:]:
        smaller = {**case.tensors, case.subject.x: case.tensors[case.subject.x] * scale}
        rungs.append(_case(case.subject, Mismatch(smaller, case.quantity, options=case.options)) or case)
    ladders = zip(*(_as_it_stands(rung) for rung in rungs), strict=False)
    for guesses in ladders:
        if _fits(case, guesses[0][0]) and all(
            _same(rung.got, guess[0], rung.close) for rung, guess in zip(rungs, guesses, strict=True)
        ):
            return guesses[0][1]
    return ""


def _case(subject: Subject, mismatch: Mismatch) -> _Case | None:
    if subject.definition is None or not (mismatch.quantity == "value" or mismatch.quantity.startswith("grad.")):
        return None
    if mismatch.quantity.startswith("grad.param"):
        return None
    answer = subject.must(mismatch.tensors, **mismatch.options)
    found = answer.tensors.get(mismatch.quantity)
    if found is None:
        return None
    dtype = str(found.dtype).removeprefix("torch.")
    got = np.asarray(found.double().numpy())
    draft = _Case(
        subject, mismatch.tensors, mismatch.quantity, mismatch.options, got, got, _CLOSE.get(dtype, 1e-4), dtype
    )
    right = draft.expected()
    return replace(draft, right=right) if right.shape == got.shape else None


def _same(got: Floats, guess: Any, close: float) -> bool:
    """Whether two arrays are the same numbers, up to rounding; where neither is a number, they agree."""
    other = np.asarray(guess, np.float64)
    if other.shape != got.shape or not got.size:
        return False
    return bool(np.allclose(got, other, rtol=close, atol=close * 1e-3, equal_nan=True))


def _zero(case: _Case) -> Iterator[Guess]:
    if case.wrt:
        yield np.zeros_like(case.got), "the gradient is 0 whatever the input"


def _upstream(case: _Case) -> Iterator[Guess]:
    """A backward that does something else to the gradient that flows in."""
    if not case.wrt or case.cotangent is None:
        return
    g = np.broadcast_to(case.cotangent.double().numpy(), case.got.shape)
    slope = case.expected(cotangent=None) if not case.subject.definition.is_vector else None  # type: ignore[union-attr]
    yield g, "it passes the upstream gradient on as it is, and never looks at the input"
    yield np.clip(g, None, 1.0), "it clips the upstream gradient at 1, and never looks at the input"
    if slope is None:
        return
    yield slope, "it ignores the gradient that flows in (grad_output)"
    yield slope * np.abs(g), "it uses the absolute value of grad_output"
    yield slope * g**2, "it uses the square of grad_output"
    yield slope * np.sign(g), "it uses the sign of grad_output only"
    yield slope * (g != 0), "it uses only whether grad_output is 0"


def _factor(case: _Case) -> Iterator[Guess]:
    """A constant multiple of the right answer, with the number's meaning."""
    usable = np.isfinite(case.got) & np.isfinite(case.right) & (case.right != 0)
    if usable.sum() < (1 if case.got.size == 1 else 2):
        return
    ratio = float(np.median(case.got[usable] / case.right[usable]))
    what = "the gradient" if case.wrt else "the value"
    for number, meaning in _counts(case).items():
        if math.isclose(ratio, number, rel_tol=max(case.close, 1e-6)) and number != 1:
            yield case.right * ratio, meaning.format(what=what)
    for number, meaning in _FACTORS.items():
        if math.isclose(ratio, number, rel_tol=max(case.close, 1e-6)):
            yield case.right * ratio, f"{what} is {meaning}"
    if ratio != 0 and usable.sum() > 1:  # of one number alone, every other one is a multiple
        yield case.right * ratio, f"{what} is {ratio:.6g} times what it should be"


def _counts(case: _Case) -> dict[float, str]:
    """What a factor would mean that is one of the sizes."""
    if case.subject.kind != "loss":
        return {}
    shape = case.tensors[case.subject.x].shape
    if not shape:
        return {}
    elements, rows = float(math.prod(shape)), float(shape[0])
    target = case.subject.target
    if target is not None and case.subject.definition is not None and case.subject.definition.is_vector:
        elements = float(case.tensors[target.name].numel()) if not target.is_floating else rows
    found = {
        elements: "exactly {what} of the sum, not of the mean",
        1 / elements: "it divides by the count once too often",
    }
    if elements != rows:
        found |= {elements / rows: "the sum is divided by the number of rows, not of elements"}
        found |= {
            rows: "{what} is too large by the number of rows",
            1 / rows: "it divides by the number of rows once too often",
        }
    return found


def _other_mean(case: _Case) -> Iterator[Guess]:
    """A mean over what does not count."""
    definition, how = case.subject.definition, _reduction(case).get("reduction") or case.subject.trait("reduction")
    if case.subject.kind != "loss" or definition is None or how != "mean":
        return
    if is_of_sequences(definition):
        plainly = "the mean is over the sequences; each loss is not divided by its number of labels first"
        yield case.expected(reduction="batchmean"), plainly
        return
    total, shape = case.expected(reduction="sum"), case.tensors[case.subject.x].shape
    axis = case.subject.dim if len(shape) > 1 else -1
    rows = math.prod(shape) // (shape[axis] if definition.is_vector else 1)
    if definition.mean_denominator != 1:
        yield total / rows, "the mean is over the rows, not over the summed weights of their classes"
    if case.subject.ignore_index is not None:
        yield total / rows, "the mean is over all rows, not over those that count"


def _offset(case: _Case) -> Iterator[Guess]:
    usable = np.isfinite(case.got) & np.isfinite(case.right)
    if usable.sum() >= 3:
        shift = float(np.median(case.got[usable] - case.right[usable]))
        yield case.right + shift, f"it is {abs(shift):.6g} too {'large' if shift > 0 else 'small'} everywhere"


def _dimension(case: _Case) -> Iterator[Guess]:
    """Rows along another dimension."""
    definition = case.subject.definition
    if definition is None or not definition.is_vector or definition.kind != "activation":
        return
    size = case.tensors[case.subject.x].dim()
    for dim in range(size):
        if dim not in (case.subject.dim, case.subject.dim + size):
            yield case.expected(subject=replace(case.subject, dim=dim)), f"it works along dimension {dim}"


def _swapped(case: _Case) -> Iterator[Guess]:
    target = case.subject.target
    if target is None or case.wrt or not target.is_floating:
        return
    x, t = case.subject.x, target.name
    if case.tensors[x].shape == case.tensors[t].shape:
        exchanged = {**case.tensors, x: case.tensors[t], t: case.tensors[x]}
        yield case.expected(tensors=exchanged), "prediction and target are exchanged"


def _defaults(case: _Case) -> Iterator[Guess]:
    """A parameter that the subject was given and does not use."""
    for name in case.subject.parameters:
        left = {key: value for key, value in case.subject.parameters.items() if key != name}
        other = replace(case.subject, parameters=left)
        yield case.expected(subject=other), f"it ignores {name}"


def _variants(case: _Case) -> Iterator[Guess]:
    """The deviations that the definition knows, then the other definitions of the kind."""
    definition = case.subject.definition
    assert definition is not None
    for variant in definition.variants:
        changed = replace(definition, expression=variant.expression, variants=(), kinks=(), gradient_overrides={})
        meaning = f"this is {definition.name} with a known slip: {variant.name}" + (
            f" ({variant.note})" if variant.note else ""
        )
        yield _plainly(case, changed), meaning
    if definition.is_vector or np.unique(case.tensors[case.subject.x].double().numpy()).size < 2:
        return  # at one number, another function may well be the same
    for other in definitions.every(definition.kind):
        if isinstance(other, Function) and other is not definition and _alike(definition, other):
            yield _plainly(case, other), f"this is {other.name}, not {definition.name}"


def _as_it_stands(case: _Case) -> Iterator[Guess]:
    """The formula in the subject's own dtype, operation by operation: with its overflows."""
    definition = case.subject.definition
    assert definition is not None
    for variant in (None, *definition.forms):
        form = definition if variant is None else replace(definition, expression=variant.expression)
        said = "the formula as it stands" if variant is None else variant.name
        for shifted in (False, True) if definition.is_vector else (False,):
            found = _in_the_book(case, form, shifted)
            if found is None:
                yield np.nan, ""
            else:
                numbers, slip = found
                more = " after the maximum is subtracted" if shifted else ""
                yield numbers, f"it computes {said} in {case.dtype}{more}" + (f": {slip}" if slip else "")


def _in_the_book(case: _Case, form: Function, shifted: bool) -> tuple[Floats, str] | None:
    import torch

    from torchstone.check.textbook import NoTextbookError, compute

    dtype: torch.dtype = getattr(torch, case.dtype)
    with torch.enable_grad():
        try:
            numbers, x = _book_numbers(case, form, dtype)
            if shifted:
                place = form.prediction.name
                numbers = {**numbers, place: numbers[place] - numbers[place].amax(-1, keepdim=True)}
            value, slip = compute(form, numbers)
        except (NoTextbookError, KeyError, ValueError, RuntimeError):
            return None
        if case.subject.kind == "loss":
            how = _reduction(case).get("reduction") or case.subject.trait("reduction")
            value = value.sum() / _count(case) if how == "mean" else value.sum() if how == "sum" else value
        elif form.is_vector:
            value = value.reshape(x.movedim(case.subject.dim, -1).shape).movedim(-1, case.subject.dim)
        if not case.wrt:
            return value.detach().double().numpy(), slip
        if not value.requires_grad or value.shape != (case.cotangent if case.cotangent is not None else value).shape:
            return None
        seed = torch.ones_like(value) if case.cotangent is None else case.cotangent.to(dtype)
        (gradient,) = torch.autograd.grad(value, x, seed)
    return gradient.double().numpy(), slip or "the gradient of a step in between is 0 times infinity"


def _count(case: _Case) -> float:
    """What the definition's mean divides by."""
    subject = case.subject
    assert subject.definition is not None
    known = subject.definition, subject.parameters, subject.inputs, case.tensors, subject.dim, subject.ignore_index
    return count(*known)


def _book_numbers(case: _Case, form: Function, dtype: Any) -> tuple[dict[str, Tensor], Tensor]:
    """The case's tensors by the definition's names, rows along the last dimension; and the one to differentiate by."""
    import torch

    numbers: dict[str, Tensor] = {}
    leaf = case.tensors[case.subject.x].to(dtype).clone().requires_grad_()
    size = leaf.shape[case.subject.dim] if form.is_vector else 0
    rows = leaf.numel() // size if size else 1
    for entry in case.subject.inputs:
        mine = form.by_name.get(entry.symbol)
        if mine is None or entry.name not in case.tensors:
            continue
        tensor = leaf if entry.name == case.subject.x else case.tensors[entry.name]
        if mine.encoding == "class index":
            tensor = torch.nn.functional.one_hot(tensor.reshape(-1), size)
        elif mine.is_vector:
            tensor = tensor.movedim(case.subject.dim, -1) if tensor.dim() > 1 else tensor.expand(rows, size)
            tensor = tensor.reshape(-1, size)
        elif form.is_vector:
            tensor = tensor.reshape(-1)
        numbers[mine.name] = tensor.to(dtype)
    for parameter in form.parameters:
        value = case.subject.parameters.get(parameter.name, parameter.default)
        fixed = torch.as_tensor(value if isinstance(value, list) else float(value), dtype=dtype)
        # A row of its own, as the formula reads a vector.
        numbers.setdefault(parameter.name, fixed.expand(rows, size) if parameter.is_vector and fixed.dim() else fixed)
    return numbers, leaf


def _stopped(case: _Case) -> Iterator[Guess]:
    """A gradient that is right, but for places at which it is 0."""
    if case.wrt and (case.got == 0).any() and (case.got != 0).any():
        yield np.where(case.got == 0, 0.0, case.right), "a clamp (or a max) stops the gradient there"


def _alike(one: Function, other: Function) -> bool:
    def inputs(function: Function) -> list[tuple[str, bool]]:
        return [(entry.role, entry.is_vector) for entry in function.inputs if entry.role != "parameter"]

    return inputs(one) == inputs(other)


def _plainly(case: _Case, function: Function) -> Any:
    """What a function of numbers gives, in float64 as it stands: near enough to recognise it."""
    if function.is_vector:
        return case.expected(definition=function)
    data = [entry for entry in function.inputs if entry.role != "parameter"]
    named = [entry for entry in case.subject.inputs if entry.name in case.tensors and entry.symbol]
    given = sorted(named, key=lambda entry: entry.role != "prediction")
    if len(given) != len(data):
        return np.nan
    numbers: dict[str, Any] = {
        mine.name: case.tensors[entry.name].double().numpy() for mine, entry in zip(data, given, strict=True)
    }
    for entry in function.parameters:
        numbers[entry.name] = np.asarray(case.subject.parameters.get(entry.name, entry.default), np.float64)
    evaluate = _compiled(function, bool(case.wrt))
    with np.errstate(all="ignore"):
        found = np.asarray(evaluate(*(numbers[entry.name] for entry in function.inputs)), np.float64)
    return _as_reduced(case, np.broadcast_to(found, case.tensors[case.subject.x].shape))


def _as_reduced(case: _Case, found: Floats) -> Any:
    if case.wrt and case.cotangent is not None:
        found = found * case.cotangent.double().numpy()
    if case.subject.kind != "loss":
        return found
    how = _reduction(case).get("reduction") or case.subject.trait("reduction")
    if case.wrt:
        return found / found.size if how == "mean" else found
    return found.mean() if how == "mean" else found.sum() if how == "sum" else found


@cache
def _compiled(function: Function, derivative: bool) -> Callable[..., Any]:
    quantity = function.expression
    if derivative:
        quantity = differentiate(quantity, function.prediction.symbol)
    special = {"erf": np.vectorize(math.erf, otypes=[np.float64])}
    made: Callable[..., Any] = sp.lambdify([entry.symbol for entry in function.inputs], quantity, [special, "numpy"])
    return made


SUSPECTS: tuple[Callable[[_Case], Iterator[Guess]], ...] = (
    _zero,
    _upstream,
    _dimension,
    _swapped,
    _defaults,
    _variants,
    _as_it_stands,
    _stopped,
    _other_mean,
    _factor,
    _offset,
)
