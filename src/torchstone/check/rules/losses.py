"""Rules on losses: the value, and how it is reduced."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from torchstone.check.evidence import Judge, Mismatch, finding, plain
from torchstone.check.points import special_batches
from torchstone.check.repro import reduced, showing
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.subject import Subject
from torchstone.check.truths import is_close, number, off_value, reducing, reductions, spoken, truths


@rule("L101", "value", kinds=("loss",), need="definition")
def value(subject: Subject) -> Iterator[Finding]:
    """It is the loss that it is said to be.

    Why: a training run on a wrong loss converges, to something else. A factor, a sign, a mean over the wrong count or
    a branch exchanged is not seen in a loss curve.
    How: in float64, an ordinary batch under each reduction that the loss offers; then single elements at the places
    where logic goes wrong: labels 0 and 1, ties, a residual of 0, and where the definition's pieces meet. The truth
    comes from the definition, by ball arithmetic; a relative error of 1e-6 is taken for rounding.
    False alarms: a convention that the definition does not know (the mean over the rows, a factor 1/2). Unreduced
    numbers that are right but in a single dimension are a warning. The
    definition's page lists those that are as right as its own. Where the inputs are distributions, the mean over the
    rows is the divergence itself, and only noted.
    Instead: compare the smallest input of the finding with the formula by hand.
    """
    sample = subject.sample()
    for reduction in reductions(subject):
        if reduction in ("none", "mean", "sum", "batchmean") and off_value(subject, sample, reduction) is not None:
            judge, flat = _judged(subject, reduction), reduction == "none" and _is_flat(subject, sample)
            yield finding(
                subject,
                lambda found, how=reduction: _sentence(subject, found, how),  # type: ignore[misc]
                judge,
                sample,
                severity="warning" if flat else None,
            )
            if not flat:
                return
    asked = "reduction" in subject.declared
    if not (subject.has_reduction or asked) and subject.trait("reduction") == "batchmean":
        said = "the mean is over the rows, not the elements: the divergence itself, which PyTorch calls 'batchmean'"
        yield Finding(said, severity="note")
    single = reductions(subject)[-1]
    # Of any other reduction: a single element is its own mean and sum.
    single = single if single in ("none", "mean", "batchmean") else "sum"
    for tensors in special_batches(subject):
        if off_value(subject, tensors, single) is not None:
            yield finding(subject, lambda found: _sentence(subject, found, "mean"), _judged(subject, single), tensors)
            return


def _is_flat(subject: Subject, sample: Mapping[str, Tensor]) -> bool:
    """Whether the unreduced numbers are right, one after another in a single dimension."""
    got = subject.must(sample, build=reducing(subject, "none")).tensors["value"]
    right = next(truths(subject, sample, "none")).value.high
    return got.dim() == 1 < right.ndim and is_close(got, torch.from_numpy(right.reshape(-1)))


def _judged(subject: Subject, reduction: str) -> Judge:
    return lambda tensors: off_value(subject, tensors, reduction)


def _sentence(subject: Subject, found: Mismatch, reduction: str) -> str:
    if isinstance(found.got, dict):
        return (
            f"the result{_under(subject, reduction)} has shape {found.got['shape']}, expected {found.expected['shape']}"
        )
    return (
        f"the loss{_under(subject, reduction)} at {spoken(found.tensors)} is {number(found.got)}, "
        f"expected {number(found.expected)}"
    )


def _under(subject: Subject, reduction: str) -> str:
    return f" with reduction='{reduction}'" if subject.has_reduction else ""


@rule("L102", "like-torch", kinds=("loss",), need="counterpart", after=("G001", "L101"))
def like_torch(subject: Subject) -> Iterator[Finding]:
    """It equals the PyTorch loss that it is held against.

    Why: code that is said to replace a built-in loss is swapped in without a second look.
    How: an ordinary batch in float64 under each reduction that both offer, and the labels at their ends; the value,
    and the gradient where no definition judges it. A relative difference of 1e-6 is taken for rounding.
    False alarms: PyTorch may be the less exact of the two. Where there is a definition and the loss agrees with it,
    a difference from PyTorch is no finding.
    Instead: print both for the input of the finding; the cause, where one is named, says which convention differs.
    """
    assert subject.peer is not None
    names = [entry.name for entry in subject.inputs]
    if len(names) < len(subject.peer.spec.inputs):
        raise NotApplicable(f"it takes {len(names)} inputs, {subject.peer.text} takes {len(subject.peer.spec.inputs)}")
    sample = subject.sample()
    for build in ({"reduction": each} for each in ("none", "mean", "sum")) if subject.has_reduction else ({},):
        judge = _like(subject, build)
        if judge(sample) is not None:
            text, how = subject.peer.text, _under(subject, build.get("reduction", ""))
            yield finding(
                subject,
                lambda found, text=text, how=how: (  # type: ignore[misc]
                    f"the {_quantity(found)}{how} at {spoken(found.tensors)} is {_short(found.got)}, "
                    f"{text} gives {_short(found.expected)}"
                ),
                judge,
                sample,
            )
            return


def _like(subject: Subject, build: Mapping[str, Any]) -> Judge:
    asked = ["value"] + ([f"grad.{name}" for name in subject.predictions] if subject.definition is None else [])

    other = dict(build)
    if not subject.has_reduction and subject.trait("reduction") == "batchmean":
        other = {"reduction": "batchmean"}

    def judge(tensors: Mapping[str, Tensor]) -> Mismatch | None:
        options: dict[str, Any] = {"build": dict(build), "wrt": list(subject.predictions)}
        ours, theirs = subject.call(tensors, **options), subject.ask_peer(tensors, **{**options, "build": other})
        if not (ours.ok and theirs.ok):
            return None
        for quantity in asked:
            got, expected = ours.tensors.get(quantity), theirs.tensors.get(quantity)
            if expected is None or (got is not None and is_close(got, expected)):
                continue
            if quantity == "value" and _right(subject, tensors, build):
                continue
            return Mismatch(tensors, quantity, None if got is None else plain(got), plain(expected), None, (), options)
        return None

    return judge


def _right(subject: Subject, tensors: Mapping[str, Tensor], build: Mapping[str, Any]) -> bool:
    """Whether the definition, if there is one, sides with the subject."""
    if subject.definition is None:
        return False
    return off_value(subject, tensors, build.get("reduction") or str(subject.trait("reduction"))) is None


def _quantity(found: Mismatch) -> str:
    return "loss" if found.quantity == "value" else f"gradient with respect to {found.quantity.removeprefix('grad.')}"


def _short(value: Any) -> str:
    text = number(value)
    return text if len(text) < 60 else text[:57] + "..."


@rule("L103", "reduction-algebra", kinds=("loss",), after=("G001", "L101"))
def reduction_algebra(subject: Subject) -> Iterator[Finding]:
    """Its sum and its mean are those of what it gives unreduced.

    Why: the reduction is where a loss is most often wrong: a mean divided by the batch instead of the elements, a
    'none' that is already reduced, a gradient that forgets the division.
    How: one batch under 'none', 'mean' and 'sum': values, shapes, and the gradients of mean and sum against each
    other.
    False alarms: a mean that divides by something else: the targets' weights (class weights), the rows. With weights
    or an ignored index the divisor may be any one number; the gradient has to be divided by the same.
    Instead: compute the unreduced loss first, and reduce it in one place.
    """
    if not subject.has_reduction:
        raise NotApplicable("its reduction cannot be chosen")
    sample, wrt = subject.sample(), list(subject.predictions)
    answers = {each: subject.call(sample, wrt=wrt, build=subject.reduced(each)) for each in ("none", "mean", "sum")}
    given = {each: answer for each, answer in answers.items() if answer.ok}
    values = {each: answer.tensors["value"].to(torch.float64) for each, answer in given.items()}
    shown = {name: plain(tensor) for name, tensor in sample.items()}
    for each in ("mean", "sum"):
        if each in values and values[each].numel() != 1:
            shape = list(values[each].shape)
            shows = showing(subject, sample, f"print({reduced(subject, sample, each)}.shape)  # expected no dimension")
            said = f"reduction='{each}' gives a tensor of shape {shape}, expected a single number"
            yield Finding(said, shown, repro=shows)
            return
    if "none" in values and values["none"].numel() == 1 and sample[subject.x].numel() > 1:
        yield Finding(
            f"reduction='none' gives a single number, {number(float(values['none']))}, for {len(sample[subject.x])} "
            "rows: it is still reduced",
            shown,
            repro=showing(subject, sample, f"print({reduced(subject, sample, 'none')}.shape)"),
        )
        return
    if {"none", "sum"} <= set(values) and not is_close(values["sum"].reshape(()), values["none"].sum()):
        yield Finding(
            f"reduction='sum' gives {number(float(values['sum']))}, the sum of reduction='none' is "
            f"{number(float(values['none'].sum()))}",
            shown,
            float(values["none"].sum()),
            float(values["sum"]),
            repro=_beside_none(subject, sample, "sum"),
        )
    yield from _mean(subject, sample, values, shown)
    if {"mean", "sum"} <= set(values) and _is_share(subject, sample, values):
        yield from _gradients(subject, sample, given, values, wrt, shown)


def _mean(
    subject: Subject, sample: Mapping[str, Tensor], values: Mapping[str, Tensor], shown: Mapping[str, Any]
) -> Iterator[Finding]:
    if "none" not in values or "mean" not in values:
        return
    got, expected = values["mean"].reshape(()), values["none"].mean()
    if is_close(got, expected) or _is_weighted(subject):
        return
    if subject.definition is not None and any(
        abs(float(truth.value.high) - float(got)) <= 1e-6 * float(truth.value.scale)
        for truth in truths(subject, sample, "mean")
    ):
        return
    if subject.peer is not None:
        theirs = subject.ask_peer(sample, build={"reduction": "mean"})
        if theirs.ok and is_close(theirs.tensors["value"].reshape(()).to(torch.float64), got):
            return
    rows = len(sample[subject.x])
    total, elements = values["none"].sum(), values["none"].numel()
    instead = f": it is divided by the {rows} rows, not by the {elements} elements" * is_close(got, total / rows)
    yield Finding(
        f"reduction='mean' gives {number(float(got))}, the mean of reduction='none' is {number(float(expected))}"
        f"{instead}",
        shown,
        float(expected),
        float(got),
        repro=_beside_none(subject, sample, "mean"),
    )


def _beside_none(subject: Subject, sample: Mapping[str, Tensor], reduction: str) -> str:
    """The script that reduces what comes unreduced."""
    some, each = (reduced(subject, sample, how) for how in (reduction, "none"))
    return showing(subject, sample, f"print({some})", f"print({each}.{reduction}())  # expected the same")


def _is_weighted(subject: Subject) -> bool:
    """Whether the mean may divide by weights."""
    known = {**subject.description.attributes, **subject.spec.kwargs}
    return any("weight" in name and value is not None for name, value in known.items())


def _is_share(subject: Subject, sample: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> bool:
    """Whether the mean is the same part of the sum for other predictions: it is not where two losses are added."""
    other = {**sample, **{name: subject.sample(seed=1)[name] for name in subject.predictions}}
    mean, total = (subject.call(other, build=subject.reduced(each)) for each in ("mean", "sum"))
    if not (mean.ok and total.ok):
        return False
    first = values["mean"].reshape(()) * total.tensors["value"].reshape(())
    second = mean.tensors["value"].reshape(()) * values["sum"].reshape(())
    return is_close(first, second)


def _gradients(
    subject: Subject,
    sample: Mapping[str, Tensor],
    given: Mapping[str, Any],
    values: Mapping[str, Tensor],
    wrt: list[str],
    shown: Mapping[str, Any],
) -> Iterator[Finding]:
    """The gradients of the mean and of the sum are as their values are."""
    share = values["mean"].reshape(()) / values["sum"].reshape(())
    if not bool(share.isfinite()) or float(share) == 0:
        return
    for name in wrt:
        mean, total = (given[each].tensors.get(f"grad.{name}") for each in ("mean", "sum"))
        if mean is not None and total is not None and not is_close(mean, total * share):
            times = float(mean.abs().sum() / (total * share).abs().sum().clamp_min(1e-300))
            yield Finding(
                f"the gradient with respect to {name} under reduction='mean' is {number(times)} times what the value "
                f"says: the gradient of the sum, divided by {number(float(1 / share))}",
                shown,
                plain(total * share),
                plain(mean),
                repro=_gradients_beside(subject, sample, name),
            )
            return


def _gradients_beside(subject: Subject, sample: Mapping[str, Tensor], name: str) -> str:
    """The script that divides the mean by the sum, and the one's gradient by the other's."""
    made = [f"{how} = {reduced(subject, sample, how)}" for how in ("mean", "sum")]
    slopes = [f"torch.autograd.grad({how}, {name}, retain_graph=True)[0]" for how in ("mean", "sum")]
    lines = ("print(mean / sum)", f"print({' / '.join(slopes)})  # expected the same")
    return showing(subject, sample, *made, *lines, wrt=[name])
