"""Rules on numerics that need no definition: what becomes of NaN, of types, of long batches, under autocast."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from torchstone.check import grids
from torchstone.check.pointwise import shown
from torchstone.check.repro import showing
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.subject import Subject, granted
from torchstone.oracle import FORMATS


@rule("N104", "nan-propagates")
def nan_propagates(subject: Subject) -> Iterator[Finding]:
    """A NaN in the input is a NaN in the result.

    Why: NaN says that something went wrong before. Where it vanishes, training goes on with numbers that mean nothing,
    and nobody looks for the cause.
    How: one number of an activation's input becomes NaN, or all that a loss sees of one sample: so must the number at
    that place, one of its row, or the loss.
    False alarms: a comparison chooses the other branch for NaN: `torch.where(x > 0, x, 0)` gives 0; that is a warning.
    A sample that the loss masks or ignores may be NaN: where no finite number in its place changes the loss, another
    sample is looked at. `nan_to_num` on purpose: declare the trait `hides_nan`.
    Instead: order the branches so that NaN falls into the one that keeps x: `torch.where(x <= 0, 0, x)`.
    """
    if subject.trait("hides_nan"):
        raise NotApplicable("the subject hides NaN, on purpose")
    if subject.trait("stochastic"):
        raise NotApplicable("the subject draws random numbers")
    tensors = subject.sample()
    x = tensors[subject.x].clone()
    place = tuple(size // 2 for size in x.shape)
    if subject.kind == "loss" and place:
        place = (_counted(subject, tensors, place[0]), *place[1:])
    x[place if subject.kind == "activation" else place[:1]] = torch.nan
    spoilt = {**tensors, subject.x: x}
    value = subject.must(spoilt).tensors["value"]
    kept = _at(subject, value, x, place)
    if bool(kept.isnan().any()):
        return
    if subject.peer is not None:
        theirs = subject.ask_peer(spoilt)
        if theirs.ok and not theirs.tensors["value"].isnan().any():
            raise NotApplicable(f"{subject.peer.text} hides NaN, too")
    severity: Severity = "error" if subject.kind == "loss" else "warning"
    got = float(kept.reshape(-1)[0])
    what = "value" if subject.kind == "activation" else "loss"
    text = f"a NaN in {subject.x} does not show: the {what} is"
    given = {name: tensor.tolist() for name, tensor in spoilt.items()}
    shows = showing(subject, spoilt, "print({call})  # expected nan")
    yield Finding(f"{text} {shown(got)}", given, "nan", got, repro=shows, severity=severity)


def _counted(subject: Subject, tensors: Mapping[str, Tensor], first: int) -> int:
    """A sample that the loss depends on. Raises `NotApplicable` where there is none."""
    before = subject.must(tensors).tensors["value"]
    for sample in (first, *range(len(tensors[subject.x]))):
        for step in (0.75, -6.0, 6.0):
            changed = tensors[subject.x].clone()
            changed[sample] += step * torch.linspace(0.5, 1.0, changed[sample].numel()).reshape(changed[sample].shape)
            answer = subject.call({**tensors, subject.x: changed})
            if not answer.ok or not torch.equal(answer.tensors["value"], before):
                return sample
    raise NotApplicable("the loss depends on none of its samples")


def _at(subject: Subject, value: Tensor, x: Tensor, place: tuple[int, ...]) -> Tensor:
    """Where the NaN has to show."""
    if subject.kind == "loss" or value.shape != x.shape or subject.trait("acts_along") == "row":
        return value
    return value[place]


_ORDER = ("float32", "float64", "float16", "bfloat16")


@rule("N106", "dtype-kept")
def dtype_kept(subject: Subject) -> Iterator[Finding]:
    """The result has the input's type.

    Why: a float64 that is computed in float32 loses half of its digits in silence; a float32 that becomes float64 makes
    everything after it slow, or fail at the next layer; a half that becomes float32 takes twice the memory.
    How: ordinary inputs in each of the four types. A type that is refused is passed over.
    False alarms: a loss that returns float32 for a half type on purpose, which is a note; an activation that does so is
    a warning, and so is a loss that computes in float32 whatever it is given.
    Instead: make constants with `torch.full_like(x, ...)` or plain Python numbers, not with `torch.tensor([...])` or
    NumPy; after `x.float()` go back with `.to(x.dtype)`.
    """
    changes: list[tuple[Severity, str, str]] = []
    for name in _ORDER:
        answer = subject.call(subject.sample(grids.DTYPES[name]))
        if not answer.ok or answer.facts["value"]["dtype"] == name:
            continue
        got = str(answer.facts["value"]["dtype"])
        changes.append((_weight(subject, name, got), name, got))
    for severity in ("error", "warning", "note"):
        found = [(name, got) for level, name, got in changes if level == severity]
        if found:
            pairs = ", ".join(f"{got} for {name}" for name, got in found)
            yield Finding(
                f"the result has another type than the input: {pairs}",
                {subject.x: found[0][0]},
                found[0][0],
                found[0][1],
                repro=showing(
                    subject,
                    subject.sample(grids.DTYPES[found[0][0]]),
                    f"print({{call}}.dtype)  # expected torch.{found[0][0]}",
                ),
                severity=severity,
            )
            return
    yield from _whole_numbers(subject)


def _weight(subject: Subject, name: str, got: str) -> Severity:
    """How bad a change of type is."""
    upwards = name in ("float16", "bfloat16") and got == "float32"
    if subject.kind == "loss" and got == "float32":
        return "note" if upwards else "warning"
    return "warning" if upwards else "error"


def _whole_numbers(subject: Subject) -> Iterator[Finding]:
    """Whole numbers that are rounded to whole numbers again, where the function gives others."""
    function = subject.definition
    if function is None or function.is_vector or subject.kind != "activation" or len(subject.inputs) != 1:
        return
    shape = subject.sample()[subject.x].shape
    x = torch.arange(shape.numel(), dtype=torch.int64).reshape(shape) - 2
    answer = subject.call({subject.x: x})
    if not answer.ok or answer.tensors["value"].is_floating_point() or answer.tensors["value"].shape != shape:
        return
    right = torch.from_numpy(subject.expected({subject.x: x.double()}).value.high)
    wrong = ((answer.tensors["value"].double() - right).abs() > 0.01).nonzero()
    if len(wrong):
        place = tuple(wrong[0].tolist())
        text = f"whole numbers stay whole: {subject.x} = {int(x[place])} gives {int(answer.tensors['value'][place])}"
        yield Finding(f"{text}, expected {shown(float(right[place]))}", severity="note")


_LENGTHS = (3, 8, 33)
_LOOKED_AT = (-np.inf, -100.0, -20.0, -3.7, -1.0, -0.01, 0.0, 0.3, 1.0, 5.0, 20.0, 100.0, np.inf)


@rule("N107", "length-independent", kinds=("activation",), severity="warning", after=("G001", "G004", "A103", "A104"))
def length_independent(subject: Subject) -> Iterator[Finding]:
    """A number gives the same result alone and among others of the same.

    Why: vectorized code treats eight or sixteen numbers at once and the rest one by one; where the two differ, a result
    depends on where in a batch it stands. PyTorch's gelu gives inf for one infinity, and NaN for two.
    How: in float32, numbers from -100 to 100 and both infinities, each 1, 3, 8, 9 (sliced) and 33 times. Two units in
    the last place of max(|x|, |f|) are free.
    False alarms: none known: a library's rounding differs by a unit.
    Instead: compute what is special (infinities, large numbers) by its own branch.
    """
    grids.settled(subject)
    x = torch.tensor(_LOOKED_AT, dtype=torch.float32)
    if subject.trait("acts_along") == "row":
        dims = subject.sample()[subject.x].dim()
        if subject.definition is None or dims != 2 or subject.dim % dims == 0:
            raise NotApplicable("nothing is known of its rows")
        width = grids.classes(subject)
        x = torch.tensor([0.3, -3.7, 5.0, -1.0, 100.0, 2.0, 20.0, 0.0]).repeat(width)[: 8 * width].reshape(8, width)
    if [entry.is_floating for entry in subject.inputs] != [True]:
        raise NotApplicable("it takes more than one tensor")
    answer = granted(subject.ask("lengths", {subject.x: x}, {"wrt": [subject.x], "lengths": list(_LENGTHS)}))
    alone = answer.tensors["alone"].double()
    if alone.dim() != x.dim() + 1:
        raise NotApplicable("the result's places are not the input's")
    unit = _unit(alone, x)
    for label, many in answer.tensors.items():
        right = alone.expand_as(many)
        differs = ~torch.isclose(many.double(), right, rtol=0, atol=0, equal_nan=True)
        differs &= ~((many.double() - right).abs() <= 2 * unit.expand_as(many))
        if bool(differs.any()):
            place = tuple(differs.nonzero()[0].tolist())
            where = "9 times in a sliced tensor" if label == "strided" else f"{label.partition('.')[2]} times"
            number = x[place[0]].tolist()
            told = shown(number) if isinstance(number, float) else str(number)
            first, second = float(right[place]), float(many[place])
            text = f"{subject.x} = {told} gives {shown(first)} alone and {shown(second)} {where}, in float32"
            yield Finding(text, {subject.x: number}, first, second)
            return


def _unit(alone: Tensor, x: Tensor) -> Tensor:
    """A unit in the last place of the larger of value and input."""
    size = x.double().abs().reshape(len(x), 1, -1).amax(-1, keepdim=True)
    size = size.reshape(len(x), *[1] * (alone.dim() - 1))
    larger = torch.maximum(alone.abs(), size).nan_to_num(posinf=1.0)
    return torch.from_numpy(FORMATS["float32"].spacing(larger.numpy()))


@rule("N105", "reduction-precision", kinds=("loss",), tier="full", severity="warning", after=("G001", "G004"))
def reduction_precision(subject: Subject) -> Iterator[Finding]:
    """The mean over many numbers in a half type is as good as the type allows.

    Why: a sum that is kept in float16 is infinite beyond 65,504, and one in bfloat16 stands still after 256 steps of 1;
    the mean of a large batch is then wrong by a lot.
    How: ordinary inputs, 16,384 times over, in float16 and bfloat16, against the subject's own result for one copy in
    float64; off by more than 4 units in the last place, where PyTorch's counterpart is not.
    False alarms: a loss that is meant to be a sum may overflow: only means are looked at.
    Instead: `torch.mean` and `torch.sum` add in float32; `mean(dtype=torch.float32)` says so.
    """
    if subject.trait("reduction") != "mean" or subject.trait("couples_batch") or subject.trait("stochastic"):
        raise NotApplicable("the subject does not take a mean")
    for name in ("bfloat16", "float16"):
        dtype = grids.DTYPES[name]
        once = subject.sample(dtype)
        if any(not tensor.dim() or tensor.shape[0] != once[subject.x].shape[0] for tensor in once.values()):
            raise NotApplicable("its inputs do not share a batch")
        many = {n: tensor.repeat(16384, *[1] * (tensor.dim() - 1)) for n, tensor in once.items()}
        wide = {n: tensor.double() if tensor.is_floating_point() else tensor for n, tensor in once.items()}
        right = float(subject.must(wide).tensors["value"].reshape(-1)[0])
        allowed = 4 * float(FORMATS[name].spacing(max(abs(right), 2.0**-14)))
        single, answer = subject.call(once), subject.call(many)
        if not (single.ok and answer.ok) or answer.tensors["value"].numel() != 1:
            continue
        got = float(answer.tensors["value"])
        # What is off for one copy is off for another reason.
        if abs(float(single.tensors["value"]) - right) <= allowed and not abs(got - right) <= allowed:
            if subject.peer is not None and not _peer_is_near(subject, many, right, allowed):
                continue
            batch = len(many[subject.x])
            text = f"the mean over a batch of {batch:,} in {name} is {shown(got)}, expected {shown(right)}"
            yield Finding(text, {subject.x: f"{name}, the same numbers over and over"}, right, got)
            return


def _peer_is_near(subject: Subject, tensors: Mapping[str, Tensor], right: float, allowed: float) -> bool:
    theirs = subject.ask_peer(tensors)
    return theirs.ok and abs(float(theirs.tensors["value"]) - right) <= allowed


@rule("N108", "autocast", tier="full", severity="warning", after=("G001", "G004"))
def autocast(subject: Subject) -> Iterator[Finding]:
    """It works under autocast to bfloat16, forward and backward.

    Why: training in mixed precision runs everything under autocast; an autograd.Function whose forward meets bfloat16
    and whose backward meets float32 fails there, or loses the range that it needs.
    How: float32 inputs under `torch.autocast("cpu", torch.bfloat16)`: value and gradients are those without it, to
    within what bfloat16 can hold.
    False alarms: what raises says so by itself. Losses of large cancellation may be off by more than allowed here.
    Instead: decorate with `torch.amp.custom_fwd` and `custom_bwd`; compute losses in float32.
    """
    if subject.trait("stochastic"):
        raise NotApplicable("the subject draws random numbers")
    tensors = subject.sample(torch.float32)
    differentiable = subject.trait("differentiable")
    wrt = list(subject.predictions) if differentiable else []
    plain = subject.must(tensors, wrt=wrt)
    mixed = subject.ask("autocast", tensors, {"wrt": wrt})
    if not mixed.ok:
        yield Finding(f"under autocast to bfloat16 it raises {mixed.error}, in the {mixed.during}")
        return
    for quantity, right in plain.tensors.items():
        got = mixed.tensors.get(quantity)
        what = "the value" if quantity == "value" else f"the gradient by {quantity.removeprefix('grad.')}"
        if got is None or got.shape != right.shape:
            yield Finding(f"under autocast to bfloat16 {what} is missing, or has another shape")
            return
        off = (got.double() - right.double()).abs() / (right.double().abs().max() + 1e-3)
        if right.isfinite().all() and not bool((off < 0.05).all()):
            place = int(off.nan_to_num(nan=torch.inf).argmax())
            first, second = float(right.reshape(-1)[place]), float(got.reshape(-1)[place])
            text = f"under autocast to bfloat16 {what} is {shown(second)}, without it {shown(first)}"
            yield Finding(text, {n: t.tolist() for n, t in tensors.items()}, first, second)
            return
