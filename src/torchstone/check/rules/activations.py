"""Rules on activations: the function, held against its definition."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from torchstone.check import grids
from torchstone.check.evidence import Judge, Mismatch, finding
from torchstone.check.pointwise import Fault, Floats, apart, judged, shown, where
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.subject import Subject
from torchstone.oracle import FORMATS, Format, Truth

WRONG, INEXACT = 1e-5, 1e-9  # of the function's size: another function, and one with a rounded constant
_F64 = FORMATS["float64"]


def relative_fault(subject: Subject, allowed: float) -> Fault:
    """How far beyond a share of the function's size there and around 0: lost digits in a tail do not count."""
    near = np.array([[2.0, -1.0, 0.5] * 4]) if grids.definition_of(subject).is_vector else np.array([-2.0, -0.5, 1.0])
    near = near[:, : grids.classes(subject)] if near.ndim == 2 else near
    scale = subject.expected(grids.inputs(subject, near, torch.float64)).value.scale
    usual = float(np.nanmax(np.where(np.isfinite(scale), scale, np.nan)))

    def fault(got: Floats, truth: Truth, form: Format, sizes: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            off = np.abs((got - truth.high) - truth.low) / (truth.scale + usual)
            off = np.where(got == truth.high, 0.0, off)  # of a function that is 0 there and around, 0/0
        return np.where(np.isnan(truth.high), 0.0, np.where(np.isnan(off), np.inf, off) - allowed)

    return fault


def differs(subject: Subject, mismatch: Mismatch) -> str:
    """The sentence for a wrong value."""
    if isinstance(mismatch.got, dict):
        shape = list(mismatch.tensors[subject.x].shape)
        return (
            f"the result for an input of shape {shape} has shape {mismatch.got['shape']}, "
            f"expected {mismatch.expected['shape']}"
        )
    got, right = apart(mismatch.got, mismatch.expected)
    return f"the value at {where(subject, mismatch)} is {got}, expected {right}"


@rule("A101", "value", kinds=("activation",), need="definition")
def value(subject: Subject) -> Iterator[Finding]:
    """It computes the function.

    Why: a formula that is nearly right trains, and nobody sees that it is another function: a constant with a digit
    lost, a sign, a factor, a clamp that cuts off one side.
    How: in float64, on about 80 numbers between -20 and 20, near the function's kinks, and at 30, 50 and 100, against
    values with a proven error bound. More than 1e-5 of the function's size is an error, more than 1e-9 a warning: a
    constant that was rounded, or an epsilon. Lost digits and overflow are N101 to N103's, kinks themselves A107's.
    False alarms: another convention (the tanh form of GELU, a slope of 0.2 where 0.01 is the default). Name the
    definition that is meant, or give the parameter.
    Instead: compare with the formula in the message's script; the likely cause is named where it is a known one.
    """
    settled = grids.settled(subject)
    looked_at = [grids.moderate(settled, _F64), grids.far(settled)]
    levels: tuple[tuple[float, Severity], ...] = ((WRONG, "error"), (INEXACT, "warning"))
    for allowed, severity in levels:
        judge = judged(subject, relative_fault(subject, allowed))
        for grid in looked_at:
            tensors = grids.inputs(subject, grid, torch.float64)
            subject.must(tensors)
            if judge(tensors) is not None:
                yield finding(subject, lambda found: differs(subject, found), judge, tensors, severity=severity)
                return


@rule("A102", "like-torch", kinds=("activation",), need="counterpart", after=("G001", "A101"))
def like_torch(subject: Subject) -> Iterator[Finding]:
    """It gives what PyTorch's counterpart gives.

    Why: what claims to be a drop-in replacement is used with weights that were trained with the original.
    How: in float64, on ordinary numbers between -20 and 20. Where a definition is known and the subject agrees with it,
    it passes whatever the counterpart says.
    False alarms: a counterpart with other options. Give the one that is meant with `--like`.
    Instead: compare both at the input of the message; the counterpart's documentation has the formula.
    """
    grids.settled(subject)
    if subject.definition is not None:
        raise NotApplicable("the definition says more: see A101")
    tensors = subject.sample()
    x = tensors[subject.x]
    wide = torch.linspace(-20, 20, 61, dtype=torch.float64)
    batches = [tensors, {**tensors, subject.x: wide.repeat(x.numel() // 61 + 1)[: x.numel()].reshape(x.shape)}]
    if [entry.dims for entry in subject.inputs] == [("...",)]:
        batches.append({subject.x: torch.cat([wide, torch.zeros(3, dtype=wide.dtype)]).reshape(16, 4)})
    judge = _like_peer(subject)
    for batch in batches:
        if judge(batch) is not None:
            yield finding(
                subject,
                lambda found: f"{differs(subject, found)} as {subject.peer.text if subject.peer else ''} gives",
                judge,
                batch,
            )
            return


def _like_peer(subject: Subject) -> Judge:
    def judge(tensors: Mapping[str, Tensor]) -> Mismatch | None:
        mine, theirs = subject.call(tensors), subject.ask_peer(tensors)
        if not (mine.ok and theirs.ok):
            return None
        got, right = mine.tensors["value"].double(), theirs.tensors["value"].double()
        if got.shape != right.shape:
            return Mismatch(tensors, "value", {"shape": list(got.shape)}, {"shape": list(right.shape)})
        off = ((got - right).abs() / (1 + right.abs())).nan_to_num(nan=torch.inf)
        off = torch.where((got == right) | (got.isnan() & right.isnan()), 0.0, off)
        if not off.numel() or off.max() <= WRONG:
            return None
        place = tuple(int(each) for each in np.unravel_index(int(off.argmax()), off.shape)) if off.dim() else ()
        return Mismatch(tensors, "value", float(got[place]), float(right[place]), None, place)

    return judge


@rule("A105", "range", kinds=("activation",), need="definition", after=("G001", "A101"))
def range_(subject: Subject) -> Iterator[Finding]:
    """Its values stay in the function's range, after rounding too, and what sums to 1 does.

    Why: what comes next relies on it: the logarithm of a probability of 1.0000001 or of -1e-9 is no number that a loss
    can use.
    How: in all four dtypes, on ordinary and extreme numbers: each value lies between the ends of the range, to within
    two units in the last place; a row that sums to 1 does so to within a unit per number.
    False alarms: none known. Values that are not finite are N103's.
    Instead: clamp the result, subtract the largest of a row before the exponential, and sum in a wider dtype.
    """
    settled = grids.settled(subject)
    function = grids.definition_of(subject)
    low = grids.number(subject, function.range.inf)
    high = grids.number(subject, function.range.sup)
    if np.isinf(low) and np.isinf(high):
        raise NotApplicable("the function takes every value")
    for name, dtype in grids.DTYPES.items():
        form = FORMATS[name]
        for grid in (grids.moderate(settled, form), grids.extremes(settled, form)):
            judge = _outside(subject, low, high)
            tensors = grids.inputs(subject, grid, dtype)
            if judge(tensors) is not None:
                yield finding(subject, lambda found: _leaves(subject, found, low, high), judge, tensors)
                return


def _leaves(subject: Subject, found: Mismatch, low: float, high: float) -> str:
    dtype = grids.format_of(found.tensors[subject.x]).name
    if found.quantity != "value" or isinstance(found.expected, str):
        return f"the values for {where(subject, found)} in {dtype} sum to {apart(found.got, 1.0)[0]}, expected 1"
    return (
        f"the value at {where(subject, found)} in {dtype} is {found.got:.9g}, "
        f"which lies outside the function's range from {shown(low)} to {shown(high)}"
    )


def _outside(subject: Subject, low: float, high: float) -> Judge:
    vector = grids.definition_of(subject).is_vector

    def fault(got: Floats, truth: Truth, form: Format, sizes: Floats) -> Floats:
        ends = [end + way * 2 * float(form.spacing(end)) for end, way in ((low, -1), (high, 1))]
        return np.where(np.isfinite(got) & ((got < ends[0]) | (got > ends[1])), 1.0, 0.0)

    within = judged(subject, fault)

    def judge(tensors: Mapping[str, Tensor]) -> Mismatch | None:
        found = within(tensors)
        if found is not None or not vector:
            return found if found is None or isinstance(found.got, float) else None
        answer = subject.call(tensors)
        if not answer.ok:
            return None
        form = grids.format_of(answer.tensors["value"])
        right = subject.expected(tensors).value.high.sum(axis=subject.dim)
        got = grids.as_floats(answer.tensors["value"]).sum(axis=subject.dim)
        count = answer.tensors["value"].shape[subject.dim]
        # A row of large numbers is rounded in proportion to them, before any exponential.
        size = 1 + grids.size_of(subject, tensors).squeeze(subject.dim)
        allowed = np.maximum(2 * count * form.spacing(0.6) * size, INEXACT)
        wrong = (np.abs(right - 1) < 1e-9) & (np.abs(got - 1) > allowed)
        if not wrong.any():
            return None
        place = tuple(int(each) for each in np.argwhere(wrong)[0])
        index = list(place)
        index.insert(subject.dim % answer.tensors["value"].dim(), 0)
        return Mismatch(tensors, "value", float(got[place]), "a sum of 1", None, tuple(index))

    return judge
