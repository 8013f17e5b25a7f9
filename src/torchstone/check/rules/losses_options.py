"""Rules on losses: what they promise beyond their value, and the options that they take."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from torchstone.check.entries import Entry
from torchstone.check.evidence import Mismatch, finding, plain, worst
from torchstone.check.points import unflattened
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.subject import Subject
from torchstone.check.truths import (
    finest,
    is_close,
    listed,
    loose,
    number,
    off_value,
    reducing,
    reductions,
    spoken,
    truths,
)
from torchstone.definitions import Input


@rule("L109", "target-grad", kinds=("loss",), severity="warning", need="definition", after=("G001", "L101"))
def target_grad(subject: Subject) -> Iterator[Finding]:
    """If a gradient flows to the target, it is the right one.

    Why: in distillation and in adversarial training the target comes from a network, too. A backward written by hand
    often returns zeros there, or the prediction's gradient, where None would have been honest.
    How: the gradient with respect to a floating target at an ordinary batch, against the definition's.
    False alarms: none known; no gradient at all is right.
    Instead: return None for the target in backward, or mark the target as not differentiable.
    """
    target = subject.target
    if target is None or not target.is_floating or not target.symbol:
        raise NotApplicable("it has no floating target")
    if target.within.startswith("{"):
        raise NotApplicable("its target is a label")
    sample, name = subject.sample(), target.name

    def judge(tensors: Mapping[str, Tensor]) -> Mismatch | None:
        answer = subject.call(tensors, wrt=[name])
        found = answer.tensors.get(f"grad.{name}")
        if found is None:
            return None
        first = None
        for truth in truths(subject, tensors, wrt=(name,)):
            mismatch = worst(tensors, answer, f"grad.{name}", truth.gradients[name], loose(found), {"wrt": [name]})
            if mismatch is None:
                return None
            first = first or mismatch
        return first

    if judge(sample) is not None:
        yield finding(
            subject,
            lambda found: (
                f"the gradient with respect to {name}, the target, at {spoken(found.tensors)} is {number(found.got)}, "
                f"expected {number(found.expected)} or none at all"
            ),
            judge,
            sample,
        )


@rule("L110", "minimum", kinds=("loss",), severity="warning", need="definition", after=("G001", "L101"))
def minimum(subject: Subject) -> Iterator[Finding]:
    """It is never below its least value, and has it, with gradient 0, where the prediction is right.

    Why: training ends where the gradient is 0. A loss whose gradient is not 0 at the target pulls away from it.
    How: predictions equal to their targets, where the definition has its minimum there; the range that the definition
    declares, at an ordinary batch.
    False alarms: cross-entropy, Poisson and Kullback-Leibler losses have their minimum elsewhere, or none: the
    definition says so. At a kink any slope between those of the sides is right.
    Instead: look for a branch that takes `>=` for `>`, or for a guarding constant that shifts the residual.
    """
    function, target = subject.definition, subject.target
    assert function is not None
    sample = subject.sample()
    shown = {name: plain(tensor) for name, tensor in sample.items()}
    low = function.range.inf
    value = subject.must(sample, build=reducing(subject, finest(subject))).tensors["value"]
    if low.is_number and low.is_finite and value.numel() and float(value.min()) < float(low) - 1e-9:
        yield Finding(f"the loss is {number(float(value.min()))}, expected at least {number(float(low))}", shown)
    if not function.minimum_at_target or target is None or function.kinks:
        return
    right = {**sample, subject.x: sample[target.name]}
    if right[subject.x].shape != sample[subject.x].shape:
        return
    answer = subject.must(right, wrt=[subject.x])
    gradient = answer.tensors.get(f"grad.{subject.x}")
    if gradient is not None and float(gradient.abs().max()) > 1e-9:
        at = int(gradient.abs().argmax())
        x = float(right[subject.x].reshape(-1)[at])
        yield Finding(
            f"where the prediction equals the target, {number(x)}, the gradient is "
            f"{number(float(gradient.reshape(-1)[at]))}, expected 0",
            {name: plain(tensor) for name, tensor in right.items()},
            0.0,
            float(gradient.reshape(-1)[at]),
        )


_VECTOR = (0.5, 2.0, 3.0, 1.5, 0.75)
_NUMBERS = (0.375, 2.0, 3.0, 1.0, 0.5, -0.5)
_KNOWN = {"weight": _VECTOR, "pos_weight": _VECTOR, "label_smoothing": 0.375}


@rule("L111", "ignored-weights", kinds=("loss",), after=("G001", "L101"))
def ignored_weights(subject: Subject) -> Iterator[Finding]:
    """Every option does what it says: weights weigh, an ignored index is ignored, a margin moves.

    Why: an argument that is stored and never used looks like a choice. Nobody compares two runs to see that
    label_smoothing did nothing.
    How: each parameter of the definition that the subject takes (weight, pos_weight, label_smoothing, delta, margin,
    ...) is moved off its default: the loss has to change, and to what the definition says, under each reduction. With
    an ignored index, a batch has to cost what it costs without the ignored rows, and their gradient is exactly 0.
    False alarms: a mean that divides by the number of rows where PyTorch divides by the summed weights is a deviation
    that is found here. Where no definition is known, ignored rows that stay in the mean's count are a warning: some
    packages do so on purpose. An object that is already built is tried as it is.
    Instead: read each option once more in forward; divide the mean by the weights that count.
    """
    takes = _takes(subject)
    for entry in subject.definition.parameters if subject.definition else ():
        if (entry.argument or entry.name) in takes:
            yield from _moved(subject, entry)
    if subject.definition is None:
        for name in _KNOWN.keys() & takes.keys():
            yield from _changes(subject, name)
    yield from _ignoring(subject, takes)
    yield from _ignoring_in_sequences(subject, takes)
    if not takes and subject.ignore_index is None:
        raise NotApplicable("it takes no options")


def _takes(subject: Subject) -> dict[str, Any]:
    """The options by name, with their defaults. What is set on an object that is built may come too late."""
    seen = subject.description
    inputs = {entry.name for entry in subject.inputs}
    every = {**(seen.constructor if seen.form != "instance" else {}), **seen.call}
    return {name: default for name, default in every.items() if name not in inputs}


def _moved(subject: Subject, entry: Input) -> Iterator[Finding]:
    """A parameter of the definition, off its default."""
    argument = entry.argument or entry.name
    value, given = _another(subject, entry)
    if value is None:
        return
    sample = subject.sample()
    before = subject.call(sample)
    after = subject.call({**sample, **given}, build={} if given else {argument: value})
    if not (before.ok and after.ok):
        return
    text, nothing = f"{argument} = {_said(value)}", torch.equal(before.tensors["value"], after.tensors["value"])
    shown = {name: plain(tensor) for name, tensor in sample.items()}
    moved = replace(subject, parameters={**subject.parameters, entry.name: value})
    for reduction in reductions(subject):
        if reduction == "other":
            continue
        build = {} if given else {argument: value}

        def judge(
            tensors: Mapping[str, Tensor], how: str = reduction, build: dict[str, Any] = build
        ) -> Mismatch | None:
            return off_value(moved, {**tensors, **given}, how, build)

        wrong = judge(sample)
        if wrong is None or isinstance(wrong.got, dict):  # another shape is L101's
            continue
        under = f", reduction='{reduction}'" if subject.has_reduction else ""
        if nothing:
            said = f"{text} changes nothing: the loss is {number(wrong.got)} with and without it"
            yield Finding(f"{said}, expected {number(wrong.expected)}", shown, wrong.expected, wrong.got, wrong.ulp)
        elif given:
            # The weights are as many as the classes, which is why the inputs are left as they are.
            said = f"with {text}{under}, the loss is {number(wrong.got)}, expected {number(wrong.expected)}"
            yield Finding(said, shown, wrong.expected, wrong.got, wrong.ulp)
        else:
            yield finding(
                moved,
                lambda found: (
                    f"with {text}{under}, the loss at {spoken(found.tensors)} is {number(found.got)}, "  # noqa: B023
                    f"expected {number(found.expected)}"
                ),
                judge,
                sample,
            )
        return


def _another(subject: Subject, entry: Input) -> tuple[Any, dict[str, Tensor]]:
    """Another value for a parameter, and the tensor to pass where it is one."""
    argument = entry.argument or entry.name
    if argument in ("weight", "pos_weight"):
        classes = subject.sample()[subject.x].shape[subject.dim if entry.is_vector else -1]
        vector = list(_VECTOR[:classes])
        return vector, {f"build.{argument}": torch.tensor(vector, dtype=torch.float64)}
    now = subject.parameters.get(entry.name, entry.default)
    if not isinstance(now, (int, float, sp.Number)):
        return None, {}
    if entry.domain == sp.FiniteSet(0, 1):
        return not bool(now), {}
    usable = (each for each in _NUMBERS if each != float(now) and entry.domain.contains(sp.nsimplify(each)) == sp.true)
    chosen = next(usable, None)
    whole = chosen is not None and isinstance(entry.domain, sp.FiniteSet)
    return int(chosen) if whole and chosen is not None else chosen, {}


def _said(value: Any) -> str:
    return str(value) if isinstance(value, (bool, list)) else number(value)


def _changes(subject: Subject, name: str) -> Iterator[Finding]:
    """A well-known option of a loss that no definition is known for: it has to change something."""
    value = _KNOWN[name]
    sample = subject.sample()
    tensors = sample
    if isinstance(value, tuple):
        value = list(value[: sample[subject.x].shape[-1]])
        tensors = {**sample, f"build.{name}": torch.tensor(value, dtype=torch.float64)}
    options = {} if tensors is not sample else {"build": {name: value}}
    before, after = subject.call(sample), subject.call(tensors, **options)
    if before.ok and after.ok and torch.equal(before.tensors["value"], after.tensors["value"]):
        yield Finding(
            f"{name} = {_said(value)} changes nothing: the loss is {listed(after.tensors['value'])} with and without it"
        )


def _ignoring(subject: Subject, takes: Mapping[str, Any]) -> Iterator[Finding]:
    """Rows whose label is the ignored index."""
    target = subject.target
    if target is None or target.is_floating or target.dims != ("N",) or subject.entry(subject.x).dims[:1] != ("N",):
        return
    default = subject.description.attributes.get("ignore_index", takes.get("ignore_index", subject.ignore_index))
    choices: list[tuple[int, dict[str, Any]]] = [(1, {"ignore_index": 1})] if "ignore_index" in takes else []
    if isinstance(default, int):
        choices.append((default, {}))
    sample = subject.sample()
    labels = torch.tensor([0, 1, 2, 1])[: len(sample[target.name])]
    for index, build in choices:
        ignored = labels == 1
        tensors = {**sample, target.name: labels.masked_fill(ignored, index)}
        kept = {name: tensor[~ignored] for name, tensor in tensors.items()}
        for found in _against_kept(subject, tensors, kept, ignored, build, index):
            yield found
            return


def _ignoring_in_sequences(subject: Subject, takes: Mapping[str, Any]) -> Iterator[Finding]:
    """Targets of more dimensions: the mean is over all places that count, however they lie in the sequences."""
    target = subject.target
    if subject.definition is None or target is None or target.is_floating or not target.within.startswith("[0,"):
        return
    own = subject.description.attributes.get("ignore_index", takes.get("ignore_index", subject.ignore_index))
    index = _USUAL_INDEX if own is None else own
    made = _sequences(subject, target)
    if not isinstance(index, int) or made is None:
        return
    asked = replace(subject, ignore_index=index)
    flat, deep = made
    if own is None and off_value(asked, {**flat, target.name: _with_ignored(flat[target.name], index)}, "mean"):
        return  # it never said that it ignores anything
    for reduction in (each for each in reductions(subject) if each in ("mean", "sum", "none")):
        if off_value(asked, deep, reduction) is not None:
            continue  # of shapes that it was not made for, L105 speaks
        for counts in _COUNTS:
            tensors = {**deep, target.name: _ignored_in(deep[target.name], counts, index)}
            wrong = off_value(asked, tensors, reduction)
            if wrong is None:
                continue
            places = tensors[target.name][0].numel()
            left = [int((row != index).sum()) for row in tensors[target.name]]
            yield Finding(
                f"with ignore_index={index}, where {', '.join(map(str, left))} of {places} places of each sequence "
                f"count, the loss is {number(wrong.got)}, expected {number(wrong.expected)}: the mean over all places "
                "that count",
                {name: plain(tensor) for name, tensor in tensors.items()},
                wrong.expected,
                wrong.got,
                cause=_mean_of_means(asked, tensors, target.name, wrong.got),
            )
            return


_USUAL_INDEX = -100  # PyTorch's
_COUNTS = ((1, -1, 0, 2), (1, 0, 99, 2))  # how many places are ignored in each sequence; -1: all but one


def _sequences(subject: Subject, target: Entry) -> tuple[dict[str, Tensor], dict[str, Tensor]] | None:
    """Ordinary inputs, and the same or others in more dimensions."""
    if len(subject.inputs) != 2 or subject.entry(subject.x).dims[:1] != ("N",):
        return None
    if target.dims == ("N",):
        flat = subject.sample(N=12, seed=2)
        return flat, {name: unflattened(tensor, 4) for name, tensor in flat.items()}
    sample = subject.sample()
    return (sample, sample) if sample[target.name].dim() > 1 else None


def _with_ignored(labels: Tensor, index: int) -> Tensor:
    """One place ignored, or one of each sequence: the mean of the means is then the mean."""
    changed = labels.clone()
    changed[(slice(None),) * (labels.dim() > 1) + (slice(0, 1),)] = index
    return changed


def _ignored_in(labels: Tensor, counts: tuple[int, ...], index: int) -> Tensor:
    changed = labels.clone().reshape(len(labels), -1)
    for row, count in zip(changed, counts, strict=False):
        row[: len(row) + count if count < 0 else count] = index
    return changed.reshape(labels.shape)


def _mean_of_means(subject: Subject, tensors: Mapping[str, Tensor], target: str, got: Any) -> str:
    """What the mean is instead, where it is that of the sequences' means."""
    each = torch.from_numpy(subject.expected(tensors, reduction="none").value.high)
    counts = tensors[target].ne(subject.ignore_index or 0).reshape(len(each), -1).sum(1)
    means = each.reshape(len(each), -1).sum(1) / counts
    guesses = (means.mean(), means.nan_to_num().mean(), means.nanmean())
    fits = isinstance(got, float) and any(is_close(torch.tensor(got, dtype=torch.float64), each) for each in guesses)
    return "it is the mean of the sequences' own means" if fits else ""


def _against_kept(
    subject: Subject,
    tensors: Mapping[str, Tensor],
    kept: Mapping[str, Tensor],
    ignored: Tensor,
    build: Mapping[str, Any],
    index: int,
) -> Iterator[Finding]:
    shown = {name: plain(tensor) for name, tensor in tensors.items()}
    for reduction in reductions(subject):
        chosen = {**reducing(subject, reduction), **build}
        whole = subject.call(tensors, build=chosen, wrt=[subject.x])
        alone = subject.call(kept, build=chosen)
        if not (whole.ok and alone.ok):
            continue
        got, expected = whole.tensors["value"], alone.tensors["value"]
        rows, count = len(ignored), int((~ignored).sum())
        if got.dim() == 1 and len(got) == rows:
            got = got[~ignored]
        if not is_close(got, expected):
            by_all = got.numel() == 1 and is_close(got * rows / count, expected)
            cause = f": the mean is over all {rows} rows, not over the {count} that count" if by_all else ""
            known = subject.definition is not None
            yield Finding(
                f"with ignore_index={index} and {rows - count} of {rows} rows ignored, the loss is {listed(got)}, "
                f"without those rows it is {listed(expected)}{cause}",
                shown,
                plain(expected),
                plain(got),
                severity="warning" if reduction == "other" or (by_all and not known) else None,
            )
        gradient = whole.tensors.get(f"grad.{subject.x}")
        if gradient is not None and bool(gradient[ignored].ne(0).any()):
            largest = number(float(gradient[ignored].abs().max()))
            yield Finding(
                f"the gradient of a row ignored by ignore_index={index} is {largest}, expected exactly 0", shown
            )
        elif gradient is not None and not bool(gradient.any()):
            before = subject.call(kept, wrt=[subject.x]).tensors.get(f"grad.{subject.x}")
            if before is not None and bool(before.any()):
                yield Finding(f"with ignore_index={index} no row has a gradient, not even those that count", shown)
