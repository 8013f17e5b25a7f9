"""Rules on losses: far out, where formulas saturate."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from torchstone.check.evidence import Judge, Mismatch, finding
from torchstone.check.points import domain_of, extreme_batches
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import rule
from torchstone.check.subject import Subject
from torchstone.check.truths import number, spoken, truths
from torchstone.oracle import FORMATS, Format, Truth

_ROUGH = 1e-3  # relative: far out, digits are another rule's
_NEXT_TO_NOTHING = 1e-6  # absolute: a loss or a gradient that has vanished
_ALL_BUT_INFINITE, _LARGE = 1e8, 1e4  # a gradient for which any large number of its sign will do
_CONSTANTS = ("eps", "epsilon", "smooth", "clip", "clamp", "tiny", "tol")


@rule("L113", "saturation", kinds=("loss",), need="definition", after=("G001", "L101"))
def saturation(subject: Subject) -> Iterator[Finding]:
    """Its value and gradient are right where the prediction is certain, and where it is far off.

    Why: one confident mistake in a batch is enough. A NaN there ends the training; a gradient of 0 there leaves the
    worst prediction as it is. log(softmax(x)) breaks at logits 104 apart in float32; a probability that is clamped at
    1e-8 costs 18.4 however wrong it is, and its gradient is 0.
    How: single elements at saturated logits (50 to 10,000), probabilities of 0, 1 and next to them (1e-30, 1 - 2^-50),
    outliers, in float64 and in float32. The value and the gradient have to be finite where the definition's are
    representable, and roughly right (a relative 1e-3). Where the true gradient is infinite, infinity or a large number
    of that sign will do.
    False alarms: a constant that guards a logarithm on purpose. Where the subject has a parameter for it (eps,
    smooth), the finding is a warning; an overflow at residuals of 1e20, or a NaN at a logit of -inf, is one, too.
    Instead: work with logits and log-sum-exp (torch.logsumexp, log_softmax, softplus), not with the logarithm of a
    probability. Where there are only probabilities, bound the logarithm and not its argument, in a backward of your
    own: of log(p).clamp(min=-100), autograd makes 0 times infinity at 0.
    """
    judge = _judged(subject)
    told: set[Any] = set()
    seen: set[int] = set()
    messages: set[str] = set()
    for dtype in _dtypes(subject):
        for index, (tensors, is_rare) in enumerate(extreme_batches(subject, dtype)):
            if index in seen:
                continue
            wrong = judge(tensors)
            if wrong is None:
                continue
            seen.add(index)  # what is wrong in one dtype is no news in the other
            end = _end(subject, tensors)
            if not told & {(wrong.quantity, number(wrong.got)), (wrong.quantity, end)}:
                is_guarded = wrong.quantity == "value" and _guarded(subject, wrong)
                told.add((wrong.quantity, end if is_guarded else number(wrong.got)))
                severity: Severity = "warning" if is_rare or _has_constant(subject) else "error"
                found = finding(subject, lambda worst: _sentence(subject, worst), judge, tensors, severity=severity)
                if found.message not in messages:
                    messages.add(found.message)
                    yield found


def _end(subject: Subject, tensors: Mapping[str, Tensor]) -> tuple[Any, ...]:
    """The end of the domain that a point is next to: one constant guards it everywhere."""
    others = tuple(tuple(tensor.reshape(-1).tolist()) for name, tensor in tensors.items() if name != subject.x)
    return others, bool(tensors[subject.x].reshape(-1)[0] > 0.5)


def _dtypes(subject: Subject) -> tuple[torch.dtype, ...]:
    """Logits saturate early in float32; what a probability is clamped at shows best in float64."""
    assert subject.definition is not None
    both = (torch.float32, torch.float64)
    return both[::-1] if domain_of(subject, subject.definition.prediction) == sp.Interval(0, 1) else both


def _has_constant(subject: Subject) -> bool:
    """Whether the author lets a guarding constant be chosen that the definition does not have."""
    known = {*subject.description.constructor, *subject.description.call, *subject.description.attributes}
    own = {entry.name for entry in subject.definition.parameters} if subject.definition else set()
    return any(name in known - own for name in _CONSTANTS)


def _judged(subject: Subject) -> Judge:
    options: dict[str, Any] = {"wrt": list(subject.predictions)}

    def judge(tensors: Mapping[str, Tensor]) -> Mismatch | None:
        answer = subject.call(tensors, **options)
        if not answer.ok:
            return None
        every = list(truths(subject, tensors))
        quantities = {"value": [truth.value for truth in every]} | {
            f"grad.{name}": [truth.gradients[name] for truth in every] for name in every[0].gradients
        }
        for quantity, right in quantities.items():
            found = answer.tensors.get(quantity)
            if found is None or not found.is_floating_point() or any(t.high.size != found.numel() for t in right):
                continue
            mismatch = _off(subject, tensors, quantity, found, right, options)
            if mismatch is not None:
                return mismatch
        return None

    return judge


def _is_at_target(subject: Subject, tensors: Mapping[str, Tensor]) -> bool:
    """Whether the prediction is right, or of probabilities next to it."""
    function, target = subject.definition, subject.target
    if function is None or target is None or tensors[subject.x].shape != tensors[target.name].shape:
        return False
    off = float((tensors[subject.x] - tensors[target.name]).abs().max())
    near = domain_of(subject, function.prediction) == sp.Interval(0, 1)
    return off <= _NEXT_TO_NOTHING if near else off == 0 and function.minimum_at_target


def _off(
    subject: Subject,
    tensors: Mapping[str, Tensor],
    quantity: str,
    found: Tensor,
    right: list[Truth],
    options: Mapping[str, Any],
) -> Mismatch | None:
    """The first number that is wrong under every convention."""
    form = FORMATS[str(found.dtype).removeprefix("torch.")]
    got = found.to(torch.float64).numpy().reshape(-1)
    fits = _fits_value if quantity == "value" else _fits_gradient
    at_target = quantity != "value" and _is_at_target(subject, tensors)
    for place in range(got.size):
        choices = [(float(t.high.reshape(-1)[place]), float(t.scale.reshape(-1)[place])) for t in right]
        if at_target and any(0 <= got[place] / high <= 1 if high else not got[place] for high, _ in choices):
            continue  # at the end of a domain, the least value has a slope: one between it and 0 is as good
        if all(not fits(float(got[place]), high, scale, form) for high, scale in choices):
            where = tuple(int(each) for each in np.unravel_index(place, tuple(found.shape))) if found.dim() else ()
            return Mismatch(tensors, quantity, float(got[place]), choices[0][0], None, where, options)
    return None


def _fits_value(got: float, high: float, scale: float, form: Format) -> bool:
    """Whether a value far out will do for the truth."""
    if math.isnan(high):
        return True
    if math.isnan(got):
        return False
    if math.isinf(got) or abs(high) > form.largest:
        return abs(high) > form.largest / 4 and got * math.copysign(1.0, high) > form.largest / 4
    rounding = 2.0 ** (4 - form.digits) * (scale if math.isfinite(scale) else 0.0)
    return abs(got - high) <= _ROUGH * abs(high) + rounding + _NEXT_TO_NOTHING


def _fits_gradient(got: float, high: float, scale: float, form: Format) -> bool:
    """Whether a gradient will do: where the true one is all but infinite, any large number of its sign."""
    if abs(high) >= _ALL_BUT_INFINITE:
        return got * math.copysign(1.0, high) >= _LARGE
    return _fits_value(got, high, scale, form)


def _sentence(subject: Subject, found: Mismatch) -> str:
    name = found.quantity.removeprefix("grad.")
    what = "loss" if found.quantity == "value" else f"gradient with respect to {name}"
    dtype = found.tensors[subject.x].dtype
    where = spoken(found.tensors) + (" in float32" if dtype == torch.float32 else "")
    said = f"the {what} at {where} is {number(found.got)}, expected {_expected(subject, found)}"
    return said + (_guarded(subject, found) if found.quantity == "value" else "")


def _expected(subject: Subject, found: Mismatch) -> str:
    """What would be right, under each convention."""
    choices = []
    for truth in truths(subject, found.tensors):
        right = truth.value if found.quantity == "value" else truth.gradients[found.quantity.removeprefix("grad.")]
        choices.append(float(right.high[found.where] if right.high.shape else right.high))
    return " or ".join(dict.fromkeys(number(each) for each in choices if not math.isnan(each)))


def _guarded(subject: Subject, found: Mismatch) -> str:
    """Which constant guards the logarithm, where the value is that of a round number."""
    logarithm = found.got / _weight(subject, found)
    if not (5 < logarithm < 99 and found.got < found.expected):
        return ""
    constant = _round_number(math.exp(-logarithm))
    if constant is None:
        return ""
    answer = subject.call(found.tensors, wrt=[subject.x])
    gradient = answer.tensors.get(f"grad.{subject.x}")
    if gradient is not None and not bool(gradient.any()):
        return f". Probabilities are clamped {number(constant)} from the end, where the gradient is 0"
    return f". {number(constant)} guards the logarithm"


def _weight(subject: Subject, found: Mismatch) -> float:
    """What the loss multiplies the logarithm by there: an alpha, a weight."""
    x = found.tensors[subject.x].to(torch.float64)
    if subject.definition is not None and domain_of(subject, subject.definition.prediction) != sp.Interval(0, 1):
        # Of a logit far out, minus the logarithm of the probability is the logit, or the distance to the largest.
        apart = float(x.max() - x.min()) if subject.definition.is_vector else float(x.abs().max())
        ratio = found.expected / apart if apart else 1.0
    else:
        close = 1e-6
        truth = subject.expected({**found.tensors, subject.x: x.clamp(close, 1 - close)}).value
        ratio = float(truth.high.reshape(-1)[0]) / -math.log(close)
    return ratio if 1e-3 < ratio < 1e3 else 1.0


def _round_number(constant: float) -> float | None:
    """The constant that somebody wrote down: 1, 2 or 5 times a power of 10, or a power of 2."""
    exponent = math.floor(math.log10(constant))
    written = [digit * 10.0**power for power in (exponent, exponent + 1) for digit in (1, 2, 5)]
    nearest = min((*written, 2.0 ** round(math.log2(constant))), key=lambda each: abs(each / constant - 1))
    return nearest if abs(nearest / constant - 1) < 0.01 else None
