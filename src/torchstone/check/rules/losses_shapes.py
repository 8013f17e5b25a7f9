"""Rules on losses: the shapes of what they take."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from torchstone.check.entries import Entry
from torchstone.check.evidence import plain
from torchstone.check.points import batched, taken, unflattened
from torchstone.check.repro import Call, showing
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.subject import Subject
from torchstone.check.truths import (
    finest,
    is_close,
    listed,
    number,
    off_value,
    reducing,
    summary,
)


@rule("L104", "silent-broadcast", kinds=("loss",), severity="warning")
def silent_broadcast(subject: Subject) -> Iterator[Finding]:
    """It does not pair every prediction with every target when their shapes differ by a dimension of 1.

    Why: predictions of shape (N, 1), as a linear layer gives them, and targets of shape (N,) broadcast to (N, N).
    The loss is a plausible number, and the model learns the mean of the targets. Nine of PyTorch's own losses
    broadcast: five with a warning (L1, MSE, Huber, SmoothL1, KLDiv), four without a word (measured).
    How: a call with (N, 1) against (N,), and one with (N, C) against (N, 1). An exception is right; a warning is noted.
    Where no definition is known, (N, C) against (N, 1) is noted only: it may be one number for each row on purpose.
    False alarms: losses that broadcast on purpose. Declare the trait `broadcasts`. What is taken for something else (a
    column of class indices), and so does not give what the broadcast tensors give, is left alone.
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
        if not answer.ok or _is_paired(subject, tensors, target.name, answer.tensors["value"]):
            continue
        if not _is_broadcast(subject, tensors, answer.tensors["value"]):
            continue
        shapes = " and ".join(f"{tuple(tensor.shape)} for {name}" for name, tensor in tensors.items())
        warned = answer.facts["warnings"]
        grows = torch.broadcast_shapes(*(each.shape for each in tensors.values())).numel() > tensors[subject.x].numel()
        meant = subject.definition is None and not grows  # one number for each row may be what the target is
        yield Finding(
            f"shapes {shapes} are broadcast {'with a warning only' if warned else 'without a word'}, "
            f"and the loss is {summary(answer.tensors['value'])}; expected an error{_as_pytorch(subject, tensors)}",
            {name: plain(tensor) for name, tensor in tensors.items()},
            "an exception",
            plain(answer.tensors["value"]),
            repro=showing(subject, tensors, "print({call})  # expected an exception"),
            severity="note" if warned or meant else None,
        )
        return


def _as_pytorch(subject: Subject, tensors: Mapping[str, Tensor]) -> str:
    """Whether the counterpart broadcasts as well: as much as one would like an error."""
    if subject.peer is None:
        return ""
    theirs = subject.ask_peer(tensors, "call_heard")
    how = "" if not theirs.ok else ", with a warning" if theirs.facts["warnings"] else ", in silence"
    return f" ({subject.peer.text} broadcasts them, too{how})" if how else ""


def _is_paired(subject: Subject, tensors: Mapping[str, Tensor], target: str, got: Tensor) -> bool:
    """Whether the dimension of 1 is dropped on purpose: every prediction meets its own target."""
    if tensors[target].numel() != tensors[subject.x].numel():
        return False
    alike = subject.call({**tensors, target: tensors[target].reshape(tensors[subject.x].shape)})
    return alike.ok and is_close(alike.tensors["value"].reshape(-1), got.reshape(-1))


def _is_broadcast(subject: Subject, tensors: Mapping[str, Tensor], got: Tensor) -> bool:
    """Whether the tensors, broadcast beforehand, give the same; up to a mean that counts the smaller one's numbers."""
    shape = torch.broadcast_shapes(*(each.shape for each in tensors.values()))
    wide = subject.call({name: each.expand(shape).contiguous() for name, each in tensors.items()})
    if not wide.ok or wide.tensors["value"].shape != got.shape:
        return True
    times = [1.0, *(shape.numel() / each.numel() for each in tensors.values())]
    return any(is_close(got, wide.tensors["value"] * each) for each in times)


def _unlike(subject: Subject, prediction: Entry, target: Entry) -> Iterator[dict[str, Tensor]]:
    """Inputs whose shapes do not agree, but broadcast."""
    column = subject.sample(extra=(4, 1), C=1)
    if column[prediction.name].dim() == 2 and "C" not in map(str, prediction.dims):
        yield {**column, target.name: column[target.name][:, 0]}
    matrix = subject.sample()
    if matrix[target.name].dim() > 1 and not target.within.endswith("simplex"):
        yield {**matrix, target.name: matrix[target.name][..., :1]}


@rule("L105", "batch-shapes", kinds=("loss",), after=("G001", "G004", "L101"))
def batch_shapes(subject: Subject) -> Iterator[Finding]:
    """A batch costs what its samples cost one by one, whatever its size; more dimensions are taken rightly or refused.

    Why: code that was tried with one batch of one shape mistakes N for C, remembers the first batch's size, or indexes
    (N, C, d) logits as if they were (N, C), and gives a number all the same.
    How: the batch against its samples alone; the same object called with one batch size, then with another; for a loss
    over classes, logits of shape (N, C, d) against the same numbers as (N d, C); for others, one to three dimensions.
    False alarms: losses whose samples belong together (contrastive, dice, the mean over a mask). Without a definition,
    nobody knows that they do not: then a batch that is not the mean or the sum of its samples is no finding. It is an
    error where the loss is unreduced and each prediction has its own target, and a warning where the target is the
    class of its row: a focal factor of the batch's mean cross-entropy is no focal loss. Weights that follow from the
    batch's targets alone are no finding. Declare the trait `couples_batch` where it is meant. Shapes that the loss was
    not made for are a warning; an exception is always right.
    Instead: compute each sample's loss first, and reduce last; check the number of dimensions and raise; take sizes
    from the inputs of the call.
    """
    yield from _remembering(subject)
    if subject.declared.get("couples_batch"):
        raise NotApplicable("its samples belong together: declared")
    if subject.definition is not None:
        yield from _one_by_one(subject)
    else:
        yield from _coupled(subject)
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
        tried = ("{other}", "try:", "    {call}", "except Exception as error:", "    print(repr(error))")
        shows = showing(subject, second, *tried, other=first)
        yield Finding(f"the second call of one object, with {sizes}, raises {after.error}", shown, repro=shows)
    elif not is_close(after.tensors["value"], fresh.tensors["value"]):
        expected, got = plain(fresh.tensors["value"]), plain(after.tensors["value"])
        yield Finding(
            f"called with {sizes}, one object gives {number(got)}; a new one gives {number(expected)}",
            shown,
            expected,
            got,
            repro=showing(
                subject,
                second,
                *("import copy", "fresh = copy.deepcopy(subject)", "{other}", "print({call}, {fresh})"),
                other=first,
            ),
        )


def _coupled(subject: Subject) -> Iterator[Finding]:
    """Without a definition: a loss whose samples depend on each other, where that is most likely no purpose."""
    target, prediction = subject.target, subject.entry(subject.x)
    is_paired = target is not None and target.is_floating and target.dims == prediction.dims
    by_class = target is not None and target.within.startswith("[0,") and target.within[3:-1] in prediction.dims
    unreduced = (
        finest(subject) == "none"
        and subject.must(subject.sample(), build=reducing(subject, "none")).tensors["value"].dim() > 0
    )
    if unreduced and (is_paired or not subject.trait("couples_batch")):
        yield from _one_by_one(subject)
    elif by_class:
        yield from _of_one_class(subject)
    elif subject.trait("couples_batch"):
        raise NotApplicable("the loss of a sample depends on the others")


def _of_one_class(subject: Subject) -> Iterator[Finding]:
    """Of samples of one class, which have one weight, the loss is the mean of theirs, or the sum."""
    sample, target = subject.sample(), subject.target
    names = batched(subject, sample)
    assert target is not None
    if len(names) < len(subject.inputs) or sample[target.name].dim() != 1:
        raise NotApplicable("the loss of a sample depends on the others")
    sample = {**sample, target.name: torch.ones_like(sample[target.name])}
    whole, singles = _apart(subject, sample, names, {})
    if whole is None or whole.numel() != 1 or any(each.numel() != 1 for each in singles):
        return
    alone = torch.stack([each.reshape(()) for each in singles])
    if not bool(alone.isfinite().all()) or not bool(alone.any()):
        raise NotApplicable("a sample has no loss of its own")
    whole = whole.reshape(())
    if any(is_close(whole, each) for each in (alone.mean(), alone.sum())):
        return
    yield Finding(
        f"the loss of {len(singles)} samples of one class is {listed(whole)}, the mean of their losses alone is "
        f"{listed(alone.mean())}: it is computed from the batch, not from each sample",
        {name: plain(tensor) for name, tensor in sample.items()},
        plain(alone.mean()),
        plain(whole),
        repro=_row_by_row(subject, sample, names, {}),
        severity="warning",
    )


def _apart(
    subject: Subject, sample: Mapping[str, Tensor], names: tuple[str, ...], build: Mapping[str, Any]
) -> tuple[Tensor | None, list[Tensor]]:
    """The result for a batch, and those for its samples alone; nothing where it refuses one of these."""
    whole = subject.must(sample, build=build).tensors["value"]
    rows = [subject.call(taken(sample, names, slice(n, n + 1)), build=build) for n in range(len(sample[subject.x]))]
    return (whole, [row.tensors["value"] for row in rows]) if all(row.ok for row in rows) else (None, [])


def _one_by_one(subject: Subject) -> Iterator[Finding]:
    reduction = finest(subject)
    sample = subject.sample()
    names = batched(subject, sample)
    if reduction == "other" or subject.x not in names:
        return
    build = reducing(subject, reduction)
    whole, singles = _apart(subject, sample, names, build)
    if whole is None:
        return
    if reduction == "none":
        if any(each.dim() == 0 for each in singles) or whole.dim() == 0 or len(whole) != len(singles):
            return
        together = torch.cat(singles)
    else:
        stacked = torch.stack([each.reshape(()) for each in singles])
        together = stacked.mean() if reduction in ("mean", "batchmean") else stacked.sum()
        whole = whole.reshape(())
    if not is_close(whole, together) and not _is_right(subject, sample, names, reduction):
        if reduction == "none" and subject.definition is None and _is_by_targets(subject, sample, names, whole, build):
            raise NotApplicable("the loss of a sample depends on the others' targets")
        of = {"none": "", "sum": "the sum of "}.get(reduction, "the mean of ")
        said = f"the loss of a batch of {len(singles)} is {listed(whole)}, {of}its samples' alone {listed(together)}"
        if reduction == "none" and whole.shape == together.shape:
            place = int((whole - together).abs().nan_to_num(nan=torch.inf).argmax())
            one, other = (number(float(each.reshape(-1)[place])) for each in (whole, together))
            row = place // (whole.numel() // len(whole))
            said = f"the loss of sample {row} is {one} in a batch of {len(singles)}, and {other} alone"
        given = {name: plain(tensor) for name, tensor in sample.items()}
        shows = _row_by_row(subject, sample, names, build)
        yield Finding(said, given, plain(together), plain(whole), repro=shows)


def _row_by_row(
    subject: Subject, sample: Mapping[str, Tensor], names: tuple[str, ...], build: Mapping[str, Any]
) -> str:
    """The script that holds a batch beside its samples."""
    row = Call(subject, sample, build, texts={name: f"{name}[i : i + 1]" for name in names})
    lines = ("print({call})", f"print([{row} for i in range({len(sample[subject.x])})])  # its samples alone")
    return showing(subject, sample, *lines, build=build)


def _is_by_targets(
    subject: Subject, sample: Mapping[str, Tensor], names: tuple[str, ...], whole: Tensor, build: Mapping[str, Any]
) -> bool:
    """Whether a sample's loss is the same whatever the others' predictions are: classes are weighed by their count."""
    others = {name: sample[name].clone() for name in subject.predictions if name in names}
    fresh = subject.sample(seed=1)
    for name, tensor in others.items():
        tensor[1:] = fresh[name][1:]
    answer = subject.call({**sample, **others}, build=build)
    return answer.ok and answer.tensors["value"].shape == whole.shape and is_close(answer.tensors["value"][0], whole[0])


def _is_right(subject: Subject, sample: Mapping[str, Tensor], names: tuple[str, ...], reduction: str) -> bool:
    """Whether both are as the definition says: the mean over the weights of a batch is no mean of its samples'."""
    if subject.definition is None:
        return False
    parts = [sample, *(taken(sample, names, slice(n, n + 1)) for n in range(len(sample[subject.x])))]
    return all(off_value(subject, part, reduction) is None for part in parts)


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
        was = f"the loss is {summary(got)}, expected {summary(expected)}, or an error"
        yield Finding(
            f"shapes {shapes} are taken, but wrongly: {was}",
            {name: plain(tensor) for name, tensor in tensors.items()},
            plain(expected),
            plain(got),
            repro=showing(subject, tensors, f"print({{call}})  # expected {summary(expected)}, or an exception"),
            severity="warning",
        )
        return


def _deeper(subject: Subject) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """Inputs of more dimensions, and the same numbers in the dimensions that the subject was made for."""
    if _is_over_classes(subject):
        for size in (5, 4, 1):
            flat = subject.sample(N=4 * size, seed=2)
            yield {name: unflattened(each, size) for name, each in flat.items()}, flat
    elif all(entry.dims == ("...",) and entry.is_floating for entry in subject.inputs):
        for shape in ((6,), (2, 3, 4), (2, 3, 2, 2)):
            deep = subject.sample(extra=shape)
            yield deep, {name: each.reshape(-1, shape[-1]) for name, each in deep.items()}


def _is_over_classes(subject: Subject) -> bool:
    """Whether it takes logits (N, C) and labels (N,)."""
    target = subject.target
    others = len(subject.inputs) == 2 and target is not None and target.dtype == "int64" and target.dims == ("N",)
    return others and subject.entry(subject.x).dims == ("N", "C")


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
