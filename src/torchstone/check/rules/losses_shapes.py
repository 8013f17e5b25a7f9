"""Rules on losses: batches, shapes, and types of targets."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from torchstone.check.entries import Entry
from torchstone.check.evidence import plain
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.subject import Subject, granted
from torchstone.check.truths import (
    finest,
    is_close,
    listed,
    needs_two_inputs,
    number,
    reducing,
)


@rule("L104", "silent-broadcast", kinds=("loss",), severity="warning")
def silent_broadcast(subject: Subject) -> Iterator[Finding]:
    """It does not pair every prediction with every target when their shapes differ by a dimension of 1.

    Why: predictions of shape (N, 1), as a linear layer gives them, and targets of shape (N,) broadcast to (N, N).
    The loss is a plausible number, and the model learns the mean of the targets. Six losses of PyTorch broadcast,
    three of them without a word; there are years of reports.
    How: a call with (N, 1) against (N,), and one with (N, C) against (N, 1). An exception is right; a warning is noted.
    False alarms: losses that broadcast on purpose. Declare the trait `broadcasts`.
    Instead: raise ValueError where `prediction.shape != target.shape`.
    """
    if subject.trait("broadcasts"):
        raise NotApplicable("it broadcasts on purpose")
    prediction, target = subject.entry(subject.x), subject.target
    if target is None or not target.is_floating or target.dims != prediction.dims:
        raise NotApplicable("its prediction and its target are not of one shape by definition")
    if len(subject.inputs) != 2:
        raise NotApplicable("it takes more than a prediction and a target")
    for tensors in _unlike(subject, prediction, target):
        answer = subject.ask("call_heard", tensors)
        if not answer.ok:
            continue
        shapes = " and ".join(f"{tuple(tensor.shape)} for {name}" for name, tensor in tensors.items())
        warned = answer.facts["warnings"]
        yield Finding(
            f"shapes {shapes} are broadcast {'with a warning only' if warned else 'without a word'}, "
            f"and the loss is {_value(answer.tensors['value'])}; expected an error",
            {name: plain(tensor) for name, tensor in tensors.items()},
            "an exception",
            plain(answer.tensors["value"]),
            severity="note" if warned else None,
        )
        return


def _unlike(subject: Subject, prediction: Entry, target: Entry) -> Iterator[dict[str, Tensor]]:
    """Inputs whose shapes do not agree, but broadcast."""
    column = subject.sample(extra=(4, 1), C=1)
    if column[prediction.name].dim() == 2 and "C" not in map(str, prediction.dims):
        yield {**column, target.name: column[target.name][:, 0]}
    matrix = subject.sample()
    if matrix[target.name].dim() > 1 and not target.within.endswith("simplex"):
        yield {**matrix, target.name: matrix[target.name][..., :1]}


def _value(tensor: Tensor) -> str:
    return number(float(tensor)) if tensor.numel() == 1 else f"of shape {tuple(tensor.shape)}"


def _batched(subject: Subject, sample: Mapping[str, Tensor]) -> tuple[str, ...]:
    """The inputs that have a row for each sample of the batch."""
    size = len(sample[subject.x]) if sample[subject.x].dim() else 0
    return tuple(
        entry.name
        for entry in subject.inputs
        if entry.dims[:1] in (("N",), ("...",)) and len(sample[entry.name]) == size
    )


def _rows(sample: Mapping[str, Tensor], names: tuple[str, ...], rows: Any) -> dict[str, Tensor]:
    return {name: tensor[rows] if name in names else tensor for name, tensor in sample.items()}


@rule("L105", "batch-shapes", kinds=("loss",), after=("G001", "G004", "L101"))
def batch_shapes(subject: Subject) -> Iterator[Finding]:
    """A batch costs what its samples cost one by one, whatever its size; more dimensions are taken rightly or refused.

    Why: code that was tried with one batch of one shape mistakes N for C, remembers the first batch's size, or indexes
    (N, C, d) logits as if they were (N, C), and gives a number all the same.
    How: the batch against its samples alone; the same object called with one batch size, then with another; for a loss
    over classes, logits of shape (N, C, d) against the same numbers as (N d, C); for others, one to three dimensions.
    False alarms: losses whose samples belong together (contrastive, dice): the trait `couples_batch`, declared or
    probed, switches the comparison with single samples off. Shapes that the loss was not made for are a warning; an
    exception is always right.
    Instead: check the number of dimensions and raise; take sizes from the inputs of the call.
    """
    yield from _remembering(subject)
    if not subject.trait("couples_batch"):
        yield from _one_by_one(subject)
        yield from _more_dimensions(subject)


def _remembering(subject: Subject) -> Iterator[Finding]:
    """The second call of an object owes nothing to the first."""
    if subject.description.buffers or subject.trait("caches") or subject.trait("stochastic"):
        return
    first, second = subject.sample(), subject.sample(seed=1, N=3, extra=(2, 4))
    fresh = subject.call(second)
    if not fresh.ok:
        return
    after = subject.ask("call_after", {**{f"first.{name}": each for name, each in first.items()}, **second})
    sizes = f"a batch of {len(first[subject.x])}, then one of {len(second[subject.x])}"
    shown = {name: plain(tensor) for name, tensor in second.items()}
    if not after.ok:
        yield Finding(f"the second call of one object, with {sizes}, raises {after.error}", shown)
    elif not is_close(after.tensors["value"], fresh.tensors["value"]):
        expected, got = plain(fresh.tensors["value"]), plain(after.tensors["value"])
        yield Finding(
            f"called with {sizes}, one object gives {number(got)}; a new one gives {number(expected)}",
            shown,
            expected,
            got,
        )


def _one_by_one(subject: Subject) -> Iterator[Finding]:
    reduction = finest(subject)
    sample = subject.sample()
    names = _batched(subject, sample)
    if reduction == "other" or subject.x not in names:
        return
    build = reducing(subject, reduction)
    whole = subject.must(sample, build=build).tensors["value"]
    rows = [subject.call(_rows(sample, names, slice(n, n + 1)), build=build) for n in range(len(sample[subject.x]))]
    if not all(row.ok for row in rows):
        return
    singles = [row.tensors["value"] for row in rows]
    if reduction == "none":
        if any(each.dim() == 0 for each in singles) or whole.dim() == 0:
            return
        together = torch.cat(singles)
    else:
        stacked = torch.stack([each.reshape(()) for each in singles])
        together = stacked.mean() if reduction in ("mean", "batchmean") else stacked.sum()
        whole = whole.reshape(())
    if not is_close(whole, together):
        of = {"none": "", "sum": "the sum of "}.get(reduction, "the mean of ")
        yield Finding(
            f"the loss of a batch of {len(singles)} is {listed(whole)}, {of}its samples' alone {listed(together)}",
            {name: plain(tensor) for name, tensor in sample.items()},
            plain(together),
            plain(whole),
        )


def _more_dimensions(subject: Subject) -> Iterator[Finding]:
    """What the loss was perhaps not made for: right, or refused."""
    for tensors, flat in _deeper(subject):
        answer = subject.call(tensors)
        if not answer.ok:
            continue
        got = answer.tensors["value"]
        expected = _flat_answer(subject, tensors, flat, got)
        if expected is None or (got.shape == expected.shape and is_close(got, expected)):
            continue
        shapes = " and ".join(f"{tuple(each.shape)} for {name}" for name, each in tensors.items())
        was = f"the loss is {_value(got)}, expected {_value(expected)}, or an error"
        yield Finding(
            f"shapes {shapes} are taken, but wrongly: {was}",
            {name: plain(tensor) for name, tensor in tensors.items()},
            plain(expected),
            plain(got),
            severity="warning",
        )
        return


def _deeper(subject: Subject) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """Inputs of more dimensions, and the same numbers in the dimensions that the subject was made for."""
    if _is_over_classes(subject):
        for size in (5, 4, 1):
            flat = subject.sample(N=4 * size, seed=2)
            yield {name: _unflattened(each, size) for name, each in flat.items()}, flat
    elif all(entry.dims == ("...",) and entry.is_floating for entry in subject.inputs):
        for shape in ((6,), (2, 3, 4), (2, 3, 2, 2)):
            deep = subject.sample(extra=shape)
            yield deep, {name: each.reshape(-1, shape[-1]) for name, each in deep.items()}


def _is_over_classes(subject: Subject) -> bool:
    """Whether it takes logits (N, C) and labels (N,)."""
    target = subject.target
    others = len(subject.inputs) == 2 and target is not None and target.dtype == "int64" and target.dims == ("N",)
    return others and subject.entry(subject.x).dims == ("N", "C")


def _unflattened(tensor: Tensor, size: int) -> Tensor:
    """(N d, C) as (N, C, d), and (N d,) as (N, d)."""
    split = tensor.reshape(-1, size, *tensor.shape[1:])
    return split.movedim(1, -1).contiguous()


def _flat_answer(
    subject: Subject, tensors: Mapping[str, Tensor], flat: Mapping[str, Tensor], got: Tensor
) -> Tensor | None:
    """What the subject answers to the same numbers in a plain batch, in the shape that it should have."""
    answer = subject.call(flat)
    if not answer.ok:
        return None
    value = answer.tensors["value"]
    if value.numel() == 1:
        return value.reshape(got.shape) if got.numel() == 1 else value
    target = subject.target
    shape = tensors[target.name].shape if target is not None else tensors[subject.x].shape
    if value.numel() != shape.numel():
        return None
    if _is_over_classes(subject):
        return value.reshape(shape[0], shape[1])
    return value.reshape(shape)


@rule("L106", "permutation", kinds=("loss",), after=("G001", "L101"))
def permutation(subject: Subject) -> Iterator[Finding]:
    """The order of the samples in a batch does not matter.

    Why: batches are shuffled. A loss that depends on the order depends on chance: an index that is mixed up, a target
    that is sorted apart from its prediction, a memory of the last sample.
    How: the same batch in another order: the same loss, or unreduced, the same losses in that order.
    False alarms: losses of sequences. What the result shows to tie samples together (`couples_batch`) is left alone.
    Instead: index predictions and targets together.
    """
    if subject.trait("couples_batch"):
        raise NotApplicable("the loss of a sample depends on the others")
    if subject.trait("stochastic"):
        raise NotApplicable("it draws random numbers")
    sample = subject.sample()
    names = _batched(subject, sample)
    if len(names) < len(subject.inputs):
        raise NotApplicable("not all of its inputs have a row for each sample")
    order = torch.tensor([2, 0, *range(3, len(sample[subject.x])), 1])
    before, after = (subject.must(each) for each in (sample, _rows(sample, names, order)))
    first, second = before.tensors["value"], after.tensors["value"]
    expected = first[order] if first.dim() and len(first) == len(order) else first
    if not is_close(second, expected):
        yield Finding(
            f"the result changes when the batch order changes: {listed(second)} against {listed(expected)}",
            {name: plain(tensor) for name, tensor in sample.items()},
            plain(expected),
            plain(second),
        )


@rule("L107", "empty", kinds=("loss",), severity="note", after=("G001", "L103"))
def empty_batch(subject: Subject) -> Iterator[Finding]:
    """It takes an empty batch: a sum of 0, a gradient of size 0.

    Why: the last batch of an epoch, or a batch of which every sample is filtered out, is empty; a crash there comes
    after hours.
    How: inputs with no samples. The sum has to be 0. The mean of nothing is 0/0: NaN, as ten of PyTorch's losses give
    (measured), or 0 by decision.
    False alarms: an exception on purpose, with a clear text, is as good an answer; it is only noted.
    Instead: return `prediction.sum() * 0` where there is nothing to reduce, if training should go on.
    """
    sample = subject.sample()
    names = _batched(subject, sample)
    if subject.x not in names:
        raise NotApplicable("its first dimension is not that of a batch")
    empty = _rows(sample, names, slice(0, 0))
    shown = {name: plain(tensor) for name, tensor in empty.items()}
    for reduction in ("none", "mean", "sum") if subject.has_reduction else (str(subject.trait("reduction")),):
        answer = subject.call(empty, build=reducing(subject, reduction), wrt=list(subject.predictions))
        under = f" under reduction='{reduction}'" if subject.has_reduction else ""
        if not answer.ok:
            yield Finding(f"an empty batch{under} raises {answer.error}", shown)
            return
        value = answer.tensors["value"]
        if reduction == "none":
            if value.numel():
                yield Finding(f"an empty batch{under} gives shape {list(value.shape)}, expected no number", shown)
        elif reduction == "sum" and value.numel() == 1 and float(value) != 0:
            yield Finding(
                f"the sum over an empty batch is {number(float(value))}, expected 0", shown, 0.0, plain(value),
                severity="warning",
            )  # fmt: skip
        elif value.numel() == 1 and not (float(value) == 0 or bool(value.isnan().all())):
            yield Finding(
                f"the loss of an empty batch{under} is {number(float(value))}, expected 0 or NaN", shown, 0.0,
                plain(value), severity="warning",
            )  # fmt: skip


@rule("L108", "target-type", kinds=("loss",), after=("G001", "L101"))
def target_type(subject: Subject) -> Iterator[Finding]:
    """A target of another type gives the same loss or an exception, and a label that is no class is refused.

    Why: labels come from data files as int32, uint8 or bool. `1 - t`, `-t` and `t / n` mean other things there. An
    index of -1 or C is a mistake in the data: with plain indexing, -1 silently trains the last class.
    How: for a floating target, labels 0 and 1 as int64, int32, bool and uint8, against the same as floats. For class
    indices, int32 against int64; then an index of C, and one of -1.
    False alarms: an index that is ignored on purpose: the declared ignore_index is left alone, and a label out of
    range is only a warning.
    Instead: convert at the beginning, `target = target.to(prediction.dtype)`; check the range of indices, or use
    `torch.gather`, which raises.
    """
    needs_two_inputs(subject)
    target = subject.target
    if target is None:
        raise NotApplicable("it has no target")
    yield from _other_types(subject, target)
    if target.within == "[0,C)":
        yield from _out_of_range(subject, target)


def _other_types(subject: Subject, target: Entry) -> Iterator[Finding]:
    sample = subject.sample()
    if target.is_floating:
        if not all(_takes(subject, target, label) for label in (0, 1)):
            return
        labels = (torch.arange(sample[target.name].numel()) % 2).reshape(sample[target.name].shape)
        sample = {**sample, target.name: labels.to(torch.float64)}
        types: tuple[torch.dtype, ...] = (torch.int64, torch.int32, torch.bool, torch.uint8)
    else:
        types = (torch.int32, torch.uint8)
    before = granted(subject.call(sample)).tensors["value"]
    for dtype in types:
        tensors = {**sample, target.name: sample[target.name].to(dtype)}
        answer = subject.call(tensors)
        if answer.ok and not is_close(answer.tensors["value"], before):
            yield Finding(
                f"with {target.name} as {str(dtype).removeprefix('torch.')} the loss is "
                f"{listed(answer.tensors['value'])}, with the same numbers as "
                f"{str(sample[target.name].dtype).removeprefix('torch.')} it is {listed(before)}",
                {name: plain(tensor) for name, tensor in tensors.items()},
                plain(before),
                plain(answer.tensors["value"]),
                severity="warning" if dtype is torch.uint8 else None,
            )
            return


def _takes(subject: Subject, target: Entry, label: int) -> bool:
    """Whether a label lies in what the target may be."""
    if "simplex" in target.within:
        return False
    if subject.definition is not None and target.symbol in subject.definition.by_name:
        return bool(subject.definition.by_name[target.symbol].domain.contains(label))
    if target.within.startswith("{"):
        return str(label) in target.within.strip("{}").split(",")
    return not (target.within.startswith("(") and label == 0)


def _out_of_range(subject: Subject, target: Entry) -> Iterator[Finding]:
    sample = subject.sample()
    classes = sample[subject.x].shape[subject.dim if sample[subject.x].dim() > 1 else -1]
    known = {**subject.description.constructor, **subject.description.call, **subject.description.attributes}
    ignored = {subject.ignore_index, known.get("ignore_index")}
    for label in (classes, -1):
        labels = sample[target.name].clone()
        labels.reshape(-1)[0] = label
        tensors = {**sample, target.name: labels}
        answer = subject.call(tensors)
        if label in ignored or not answer.ok or not bool(answer.tensors["value"].isfinite().all()):
            continue
        yield Finding(
            f"{target.name} = {label}, with {classes} classes, is taken without an error: the loss is "
            f"{listed(answer.tensors['value'])}",
            {name: plain(tensor) for name, tensor in tensors.items()},
            "an exception",
            plain(answer.tensors["value"]),
            severity="warning",
        )
        return
