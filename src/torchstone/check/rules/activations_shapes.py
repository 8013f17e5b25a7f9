"""Rules on activations: which numbers a result depends on, in every shape and layout."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor

from torchstone.check import grids
from torchstone.check.entries import draw
from torchstone.check.evidence import plain
from torchstone.check.pointwise import shown
from torchstone.check.repro import showing
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.subject import Subject

_STEPS = (0.5, 800.0)  # an ordinary change, and one that leaves nothing of another row if a batch shares its maximum


@rule("A103", "elementwise", kinds=("activation",), after=("G001", "G004"))
def elementwise(subject: Subject) -> Iterator[Finding]:
    """Each number of the result depends on its own number alone, or on those of its row.

    Why: a softmax over the wrong dimension gives numbers between 0 and 1 that sum to 1, only not where they should; a
    maximum, mean or norm over the whole batch makes the answer for one sample depend on the others.
    How: one number of the input is changed, a little and by 800; only the number at the same place may change, or the
    row that it is in, along the dimension that the subject is for. Functions of a row are tried in three and four
    dimensions, too: a softmax over dimension 1 is right for (N, C), and wrong for (B, N, C) where the last is meant.
    False alarms: functions that are meant to look at the whole batch. Declare `couples_batch`; where no definition is
    known, this is a warning, and so is more than two dimensions where nobody said which one is meant. What raises for
    them, or says with `--inputs` that it takes two, is let be.
    Instead: give `dim` to every sum, maximum and mean, with `keepdim=True`.
    """
    settled = grids.settled(subject)
    if settled.declared.get("couples_batch"):
        raise NotApplicable("the subject couples the batch, on purpose")
    tensors = settled.sample()
    x = tensors[subject.x]
    before = settled.must(tensors).tensors["value"]
    rows = settled.trait("acts_along") == "row"
    if before.dim() != x.dim() or (not rows and before.shape != x.shape) or x.dim() < 1 + rows:
        raise NotApplicable("the result's places are not the input's")
    found = _spreads(settled, tensors, before, rows)
    if found is not None:
        yield found
        return
    for deeper in _deeper(settled) if rows else ():
        answer = settled.call(deeper)
        if not answer.ok or answer.tensors["value"].dim() != deeper[subject.x].dim():
            continue
        found = _halves(subject, deeper[subject.x], answer.tensors["value"])
        found = found or _spreads(settled, deeper, answer.tensors["value"], rows)
        if found is not None:
            yield found if subject.dim_told else replace(found, severity="warning")
            return


def _deeper(subject: Subject) -> Iterator[dict[str, Tensor]]:
    """Rows along the subject's dimension in tensors of three and four dimensions; what has two is for (N, C) so far."""
    entry = subject.entry(subject.x)
    if subject.definition is None or len(subject.inputs) != 1 or len(entry.dims) != 2 or "..." in entry.dims:
        return
    width = grids.classes(subject)
    for rank in (3, 4):
        shape = [2, 4, 6, 2][:rank]
        shape[subject.dim] = width
        yield draw([replace(entry, dims=tuple(shape))])


def _halves(subject: Subject, x: Tensor, value: Tensor) -> Finding | None:
    """A result that is longer or shorter along another dimension than the subject's."""
    axis = subject.dim % x.dim()
    changed = [at for at, (before, after) in enumerate(zip(x.shape, value.shape, strict=True)) if before != after]
    if set(changed) <= {axis}:
        return None
    shapes = f"for an input of shape {list(x.shape)} the result has shape {list(value.shape)}"
    text = f"{shapes}: it works along dimension {changed[0]}, expected dimension {subject.dim}"
    return Finding(text, {subject.x: plain(x)}, got=list(value.shape), severity="error")


def _spreads(subject: Subject, tensors: Mapping[str, Tensor], before: Tensor, rows: bool) -> Finding | None:
    """A change of one number that shows where it may not, if there is one."""
    x = tensors[subject.x]
    for place in dict.fromkeys([(0,) * x.dim(), tuple(size // 2 for size in x.shape), tuple(n - 1 for n in x.shape)]):
        for step in _STEPS:
            changed = x.clone()
            changed[place] += step
            after = subject.must({**tensors, subject.x: changed}).tensors["value"]
            moved = _moved(before, after)
            allowed = _own(subject, x, place, rows)
            if bool((moved & ~allowed.expand_as(moved)).any()):
                return _spread(subject, x, place, step, before, after, moved, allowed, rows)
    return None


def _moved(before: Tensor, after: Tensor) -> Tensor:
    """Where a result changed, by more than rounding."""
    same = torch.isclose(before, after, rtol=1e-9, atol=1e-12, equal_nan=True)
    return ~same


def _own(subject: Subject, x: Tensor, place: tuple[int, ...], rows: bool) -> Tensor:
    """The places that may change: the same one, or its row."""
    if rows and subject.definition is None:
        own = torch.zeros([size if axis == 0 else 1 for axis, size in enumerate(x.shape)], dtype=torch.bool)
        own[place[0]] = True  # the same sample: nothing else is known of it
        return own
    axis = subject.dim % x.dim() if rows else -1
    own = torch.zeros([1 if at == axis else size for at, size in enumerate(x.shape)], dtype=torch.bool)
    own[tuple(0 if at == axis else index for at, index in enumerate(place))] = True
    return own


def _spread(
    subject: Subject,
    x: Tensor,
    place: tuple[int, ...],
    step: float,
    before: Tensor,
    after: Tensor,
    moved: Tensor,
    allowed: Tensor,
    rows: bool,
) -> Finding:
    other = tuple((moved & ~allowed.expand_as(moved)).nonzero()[0].tolist())
    axes = [axis for axis in range(x.dim()) if len(moved.nonzero()[:, axis].unique()) > 1]
    known = subject.definition is not None
    whole = f"{subject.x}{list(place)} is raised by {step:g}"
    change = f"the value at {list(other)} changes from {shown(float(before[other]))} to {shown(float(after[other]))}"
    if rows and known and len(axes) == 1 and axes[0] != subject.dim % x.dim():
        given = f"for an input of shape {list(x.shape)} " if x.dim() > 2 else ""
        text = f"{given}it works along dimension {axes[0]}, expected dimension {subject.dim}: where {whole}, {change}"
    elif rows:
        text = f"a row's result depends on another row: where {whole}, {change}"
    else:
        text = f"a number's result depends on other numbers of the input: where {whole}, {change}"
    severity: Severity = "error" if known else "warning"
    return Finding(text, {subject.x: plain(x)}, float(before[other]), float(after[other]), severity=severity)


_SHAPES = ((), (12,), (1, 12), (12, 1), (1, 2, 3, 1, 2))
_EMPTY = ((0,), (0, 3))
# How a script lays the first input out.
LAID = {
    "transposed": "{x}.transpose(0, -1).contiguous().transpose(0, -1)",
    "strided": "torch.stack([{x}, {x}], -1)[..., 0]",
    "offset": "torch.cat([torch.zeros(3).to({x}), {x}.reshape(-1)])[3:].reshape({x}.shape)",
}
_LAYOUTS = {"transposed": "a transposed", "strided": "a sliced", "offset": "an offset"}


@rule("A104", "shape-dtype", kinds=("activation",), after=("G001", "G004", "A103"))
def shape_dtype(subject: Subject) -> Iterator[Finding]:
    """The result has the input's shape and layout, and the same numbers in every shape and layout.

    Why: a `squeeze` drops a batch of one, a `view` reads a transposed tensor in the wrong order, a loop over two
    dimensions forgets the third.
    How: the same numbers as 0, 1, 2 and 5 dimensions, with dimensions of size 1, and as transposed, sliced and offset
    views of other memory; empty tensors; memory format "channels last", which should be kept (a note: it costs time).
    False alarms: what raises for an unusual shape does no harm: that is a note, and a warning for a view. So is a
    shape without channels that takes on those of a parameter, and a single number that gets the shape [1].
    Instead: use operations that work on any shape; `reshape` for `view`; `torch.empty_like` for new memory.
    """
    settled = grids.settled(subject)
    tensors = settled.sample()
    if settled.trait("changes_shape") and settled.definition is None:
        raise NotApplicable("the result has another shape than the input")
    before = settled.must(tensors).tensors["value"]
    if [entry.dims for entry in settled.inputs] == [("...",)] and settled.trait("acts_along") == "element":
        yield from _in_shapes(settled, tensors[subject.x].reshape(-1), before.reshape(-1))
    yield from _in_layouts(settled, tensors, before)
    yield from _channels_last(settled)


def _in_shapes(subject: Subject, flat: Tensor, values: Tensor) -> Iterator[Finding]:
    refused = []
    for shape in (*_SHAPES, *_EMPTY):
        count = torch.Size(shape).numel()
        given, right = flat[:count].reshape(shape), values[:count].reshape(shape)
        answer = subject.call({subject.x: given})
        if not answer.ok:
            refused.append(f"{list(shape)} ({answer.error:.80})")
        elif answer.tensors["value"].shape != right.shape:
            got = list(answer.tensors["value"].shape)
            text = f"the result for an input of shape {list(shape)} has shape {got}, expected {list(shape)}"
            spread = _takes_on_channels(subject, torch.Size(shape), torch.Size(got))
            shows = showing(subject, {subject.x: given}, f"print({{call}}.shape)  # expected {list(shape)}")
            how: Severity | None = "note" if spread else None
            yield Finding(text, {subject.x: given.tolist()}, list(shape), got, repro=shows, severity=how)
            if spread:
                continue
            return
        elif _moved(right, answer.tensors["value"]).any():
            text = f"the values of the same numbers in shape {list(shape)} are others than in shape [3, 4]"
            again = "{call:{x}.reshape(3, 4)}" if count == 12 else "{call:{x}.reshape(1, -1)}"
            numbers = right.tolist(), answer.tensors["value"].tolist()
            lines = (f"print({again}.reshape({{x}}.shape))", "print({call})  # expected the same")
            shows = showing(subject, {subject.x: given}, *lines)
            yield Finding(text, {subject.x: given.tolist()}, *numbers, repro=shows)
            return
    if refused:
        yield Finding(f"it raises for an input of shape {', '.join(refused)}", severity="note")


def _takes_on_channels(subject: Subject, shape: torch.Size, got: torch.Size) -> bool:
    """Whether an input without channels has those of a parameter afterwards, or a number the dimension of one."""
    grown = [torch.Size([1])] if not shape else []
    for parameter in subject.description.parameters.values():
        with suppress(RuntimeError):
            grown.append(torch.broadcast_shapes(shape, parameter))
    return got in grown


def _in_layouts(subject: Subject, tensors: Mapping[str, Tensor], before: Tensor) -> Iterator[Finding]:
    for layout, words in _LAYOUTS.items():
        answer = subject.call(tensors, layouts={subject.x: layout})
        given = {subject.x: tensors[subject.x].tolist()}
        if not answer.ok:
            text = f"it raises for {words} tensor, which is not contiguous: {answer.error}"
            yield Finding(text, given, severity="warning")
            return
        value = answer.tensors["value"]
        if value.shape != before.shape or _moved(before, value).any():
            text = f"the values for {words} tensor are others than for the same numbers in contiguous memory"
            lines = (f"print({{call:{LAID[layout]}}})", "print({call})  # expected the same")
            shows = showing(subject, tensors, *lines)
            yield Finding(text, given, before.tolist(), value.tolist(), repro=shows)
            return


def _channels_last(subject: Subject) -> Iterator[Finding]:
    if [entry.dims for entry in subject.inputs] != [("...",)] or subject.trait("acts_along") == "row":
        return
    image = subject.sample(extra=(2, 3, 4, 5))
    answer = subject.call(image, layouts={subject.x: "channels_last"})
    plain = subject.call(image)
    if not (answer.ok and plain.ok) or answer.facts["value"]["shape"] != [2, 3, 4, 5]:
        return
    if _moved(plain.tensors["value"], answer.tensors["value"]).any():
        text = "the values for a channels-last image are others than for the same numbers in contiguous memory"
        yield Finding(text, {subject.x: "float64[2, 3, 4, 5], channels last"})
    elif answer.facts["value"]["stride"] != [60, 1, 15, 3]:
        yield Finding(
            f"the memory format is lost: a channels-last image of shape [2, 3, 4, 5] gives strides "
            f"{answer.facts['value']['stride']}, expected [60, 1, 15, 3]",
            {subject.x: "float64[2, 3, 4, 5], channels last"},
            [60, 1, 15, 3],
            answer.facts["value"]["stride"],
            severity="note",
        )
