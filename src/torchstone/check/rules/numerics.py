"""Rules on numerics: how near an activation's numbers come to the truth, type by type."""

import math
from collections.abc import Iterator

import numpy as np
import torch

from torchstone.check import grids
from torchstone.check.evidence import Mismatch, finding
from torchstone.check.pointwise import Fault, Floats, judged, shown, where
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, Skipped, rule
from torchstone.check.rules.activations import INEXACT, relative_fault
from torchstone.check.subject import Subject
from torchstone.oracle import FORMATS, Format, Truth, distance, not_finite

_SMALL = 2.0**-2  # of |f| + |x f'|: below it, what counts are the digits of a small number, N102's
_AFTER = ("G001", "A101", "A103")
_FAR, _NEAR = 1e4, 1e-10  # nobody's fault is an error beyond


@rule("N101", "ulp", kinds=("activation",), severity="warning", need="definition", after=_AFTER)
def ulp(subject: Subject) -> Iterator[Finding]:
    """Its values are as near to the truth as its type allows, within a few units in the last place.

    Why: what is lost in one layer is lost for all that come after it; a constant with eight digits is enough for
    float32 only.
    How: about 80 ordinary numbers a type, against values with a proven error bound. Allowed are 4 units in the last
    place in float32 and float64 and 2 in the half types, where a unit is that of |f| + |x f'|: what rounding the input
    costs anyhow is free. PyTorch's own stay below 2. Small values are N102's. In the slow tier, all 65,536 values of
    the half types.
    False alarms: a formula written with tensor operations rounds after each of them in a half type, and may be a few
    units off there; to do better it has to compute in float32 and round once.
    Instead: `expm1`, `log1p`, `logsigmoid`, `softplus`; for half types, `x.float()` first and `.to(x.dtype)` last.
    """
    settled = _exact(subject)
    asked = False
    for name, dtype in grids.DTYPES.items():
        form = FORMATS[name]
        tensors = grids.inputs(subject, grids.moderate(settled, form), dtype)
        if not subject.call(tensors).ok:
            continue
        asked = True
        judge = judged(subject, _beyond(_budget(form)))
        if judge(tensors) is not None:
            yield finding(subject, lambda found: _units(subject, found), judge, tensors)
    if not asked:
        raise Skipped("it takes none of the four types")


def _exact(subject: Subject) -> Subject:
    """The subject, if it computes the function to the last digits of a float64, in float64."""
    settled = grids.settled(subject)
    tensors = grids.inputs(subject, grids.moderate(settled, FORMATS["float64"]), torch.float64)
    if judged(subject, relative_fault(subject, INEXACT))(tensors) is not None:
        raise NotApplicable("the function itself is off: see A101")
    return settled


def _budget(form: Format) -> float:
    """One rounding on the way is free in a half type, as in PyTorch's own softsign and log-softmax."""
    return max(form.budget, 2.0)


def _beyond(budget: float) -> Fault:
    def fault(got: Floats, truth: Truth, form: Format, sizes: Floats) -> Floats:
        off = distance(got, truth, form)
        here = np.isfinite(got) & np.isfinite(truth.high) & (truth.scale >= _SMALL)
        return np.where(here, off - budget, 0.0)

    return fault


def _units(subject: Subject, found: Mismatch) -> str:
    form = grids.format_of(found.tensors[subject.x])
    return (
        f"in {form.name} the value at {where(subject, found)} is {found.ulp or 0:.3g} units in the last place off, "
        f"where {_budget(form):g} are allowed: {_digits(found.got, form)}, "
        f"expected {_digits(found.expected, form)}"
    )


def _digits(value: float, form: Format) -> str:
    return f"{value:.{math.ceil(form.digits * 0.302) + 1}g}"


@rule("N102", "tail-cancellation", kinds=("activation",), severity="warning", need="definition", after=_AFTER)
def tail_cancellation(subject: Subject) -> Iterator[Finding]:
    """Small values keep at least half of their digits: in the tails, and near a zero.

    Why: 1 - 1 is 0. `1 + erf(x)` far to the left, `exp(x) - exp(-x)` near 0 and `log(sigmoid(x))` to the right lose
    what they are made of; a product or logarithm of them later is noise.
    How: in all four types, where |f| + |x f'| is less than 1/4, at x from 1e-7 to 60: the relative error may not exceed
    the square root of the type's precision. Functions of a row are passed over.
    False alarms: where small values do not matter, this does not; so it is a warning. PyTorch's gelu loses all
    digits below -6.
    Instead: `expm1(x)` for `exp(x) - 1`, `log1p(x)` for `log(1 + x)`, `erfc(-x)` for `1 + erf(x)`, `logsigmoid`,
    `tanh`.
    """
    settled = _exact(subject)
    if grids.definition_of(settled).is_vector:
        raise NotApplicable("small values of a row are differences of large ones")
    for name, dtype in grids.DTYPES.items():
        tensors = grids.inputs(subject, grids.tails(settled, FORMATS[name]), dtype)
        judge = judged(subject, _few_digits)
        if judge(tensors) is not None:
            yield finding(subject, lambda found: _lost(subject, found), judge, tensors)
            return


def _few_digits(got: Floats, truth: Truth, form: Format, sizes: Floats) -> Floats:
    off = distance(got, truth, form)
    size = np.abs(truth.high)
    here = np.isfinite(got) & (truth.scale < _SMALL) & (size >= 4 * 2.0**form.least_exponent) & (size < 1)
    return np.where(here, off - 2.0 ** (form.digits / 2), 0.0)


def _lost(subject: Subject, found: Mismatch) -> str:
    form = grids.format_of(found.tensors[subject.x])
    off = abs(found.got - found.expected) / abs(found.expected)
    return (
        f"digits are lost: in {form.name} the value at {where(subject, found)} is {found.got:.6g}, "
        f"expected {found.expected:.6g}, {100 * off:.2g} % off"
    )


@rule("N103", "overflow-underflow", kinds=("activation",), need="definition", after=_AFTER)
def overflow(subject: Subject) -> Iterator[Finding]:
    """No NaN, infinity or 0 where the value is a number that the type holds.

    Why: one step in between overflows where the result would not: `exp(89)` is infinite in float32, `exp(710)` in
    float64, `exp(12)` in float16, and infinity over infinity is NaN. One NaN spoils all weights at the next step.
    How: in all four types at sizes from 12 to 1e30, and from 1e-4 down to 1e-42; rows whose numbers lie up to 20,000
    apart. In float32 and float64 up to 1e4 it is an error; beyond, and in the half types alone, a warning. Gradients
    there are D108's.
    False alarms: none known below 1e4. Where a type is never used, ignore it.
    Instead: subtract the largest number before `exp`; take `exp(-abs(x))`, which cannot overflow; use `tanh`,
    `softplus`, `logsumexp`, which do so.
    """
    settled = grids.settled(subject)
    found = [_overflows(subject, settled, name, usual) for usual in (True, False) for name in grids.DTYPES]
    first = next((each for each in found if each is not None and each.severity == "error"), None)
    yield from [each for each in [first or next(filter(None, found), None)] if each is not None]


def _overflows(subject: Subject, settled: Subject, name: str, usual: bool) -> Finding | None:
    form = FORMATS[name]
    wide = form.digits > 11
    severity: Severity = "error" if wide and usual else "warning"
    tensors = grids.inputs(subject, grids.extremes(settled, form), grids.DTYPES[name])
    judge = judged(subject, _spurious(usual))
    if judge(tensors) is None:
        return None

    def sentence(found: Mismatch) -> str:
        kind = grids.format_of(found.tensors[subject.x]).name
        return f"the value at {where(subject, found)} in {kind} is {shown(found.got)}, expected {shown(found.expected)}"

    return finding(subject, sentence, judge, tensors, severity=severity)


def _spurious(usual: bool) -> Fault:
    def fault(got: Floats, truth: Truth, form: Format, sizes: Floats) -> Floats:
        known = np.isfinite(truth.high) & np.isfinite(sizes)
        with np.errstate(invalid="ignore"):
            vanished = (np.abs(truth.high) > 1e-3) & (np.abs(got - truth.high) > 0.5 * truth.scale)
            wrong = known & (not_finite(got, truth, form) | (vanished & np.isfinite(got)))
        here = (sizes <= _FAR) & ((sizes >= _NEAR) | (sizes == 0))
        # The nearest to the ordinary is the worst: it is what people meet first.
        return np.where(wrong & (here == usual), 1.0 / (1.0 + np.abs(np.log2(np.maximum(sizes, 1e-300)))), 0.0)

    return fault
