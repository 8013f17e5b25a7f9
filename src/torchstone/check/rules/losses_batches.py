"""Rules on losses: the order of a batch, an empty one, and the types of targets."""

from collections.abc import Iterator

import torch

from torchstone.check.entries import Entry
from torchstone.check.evidence import plain
from torchstone.check.points import batched, taken
from torchstone.check.repro import Call, showing
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.subject import Subject, granted
from torchstone.check.truths import (
    is_close,
    listed,
    needs_two_inputs,
    number,
    reducing,
)

_ROUGH = 1e-4  # a whole number beside a float64 may be computed with in float32


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
    names = batched(subject, sample)
    if len(names) < len(subject.inputs):
        raise NotApplicable("not all of its inputs have a row for each sample")
    order = torch.tensor([2, 0, *range(3, len(sample[subject.x])), 1])
    before, after = (subject.must(each) for each in (sample, taken(sample, names, order)))
    first, second = before.tensors["value"], after.tensors["value"]
    expected = first[order] if first.dim() and len(first) == len(order) else first
    if not is_close(second, expected):
        yield Finding(
            f"the result changes when the batch order changes: {listed(second)} against {listed(expected)}",
            {name: plain(tensor) for name, tensor in sample.items()},
            plain(expected),
            plain(second),
            repro=showing(
                subject,
                sample,
                f"order = {order.tolist()}",
                f"print({{call}}, {Call(subject, sample, texts={name: f'{name}[order]' for name in names})})",
            ),
        )


@rule("L107", "empty", kinds=("loss",), severity="note", after=("G001", "L103"))
def empty_batch(subject: Subject) -> Iterator[Finding]:
    """It takes an empty batch: a sum of 0, a gradient of size 0.

    Why: the last batch of an epoch, or a batch of which every sample is filtered out, is empty; a crash there comes
    after hours.
    How: inputs with no samples, where memory that nobody has written holds NaN, so that the answer does not depend on
    what happens to be there (as that of two of PyTorch's losses does). The sum has to be 0. The mean of nothing is
    0/0: NaN, as ten of PyTorch's losses give (measured), or 0 by decision.
    False alarms: an exception on purpose, with a clear text, is as good an answer; it is only noted.
    Instead: return `prediction.sum() * 0` where there is nothing to reduce, if training should go on.
    """
    sample = subject.sample()
    names = batched(subject, sample)
    if subject.x not in names:
        raise NotApplicable("its first dimension is not that of a batch")
    empty = taken(sample, names, slice(0, 0))
    shown = {name: plain(tensor) for name, tensor in empty.items()}
    for reduction in ("none", "mean", "sum") if subject.has_reduction else (str(subject.trait("reduction")),):
        options = {"build": reducing(subject, reduction), "wrt": list(subject.predictions)}
        answer = subject.ask("call_filled", empty, options)
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
        if answer.ok and not is_close(answer.tensors["value"], before, _ROUGH):
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
