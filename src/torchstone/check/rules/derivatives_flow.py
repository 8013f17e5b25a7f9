"""Rules on what a backward does with the gradient that flows in: that it is linear in it, whatever its layout."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from torchstone.check.evidence import Mismatch, finding, plain
from torchstone.check.probe import Answer
from torchstone.check.repro import called, calling
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.rules.derivatives import Inputs, demand_gradient, number, place
from torchstone.check.subject import Subject

_CLOSE = 1e-5  # of the largest number: what is wrong here is wrong by far
_ROUNDING = 1e-12  # of the upstream gradient: what is left of parts that cancel


def _ramp(shape: torch.Size) -> Tensor:
    """An upstream gradient of positive numbers. Of a single number it is 1."""
    return (1.0 - 0.375 * (torch.arange(shape.numel(), dtype=torch.float64) % 7 > 0)).reshape(shape)


def _mixed(shape: torch.Size) -> Tensor:
    """An upstream gradient of both signs, with zeros."""
    numbers = torch.tensor([1.5, -2.0, 0.0, -0.25, 3.0], dtype=torch.float64)
    return numbers.repeat(shape.numel() // 5 + 1)[: shape.numel()].reshape(shape)


_UPSTREAM: Mapping[str, Callable[[torch.Size], Tensor]] = {
    "negative": lambda shape: -3 * _ramp(shape),
    "of both signs": _mixed,
    "zero": lambda shape: torch.zeros(shape, dtype=torch.float64),
    "large": lambda shape: 1024 * _ramp(shape),
    "small": lambda shape: _ramp(shape) / 1024,
}


@rule("D103", "linear-in-grad")
def linear(subject: Subject) -> Iterator[Finding]:
    """The gradient is linear in the gradient that flows in.

    Why: backward computes a product of the Jacobian with `grad_output`, so twice the upstream gradient gives twice
        the result, and its negative the negative. A loss is scaled, weighted and subtracted; a backward that ignores
        `grad_output`, clips it, or takes its absolute value is right for `loss.backward()` alone. `gradcheck` passes
        backwards that use |g|, g**2 or g != 0 in place of g.
    How: at ordinary inputs, in float64, an upstream gradient u of positive numbers and others: negative, of both
        signs with zeros, zero, 1024 times as large, a 1024th. For each the gradient has to be what the parts give:
        grad(c u) = c grad(u), grad(u + v) = grad(u) + grad(v). Of a loss it is a single number.
    False alarms: layers that reverse or clip the gradient on purpose: an identity that does so is recognised, for
        others declare the trait `gradient_hook`.
    Instead: multiply each gradient that backward returns by `grad_output`, and leave that as it is.
    """
    names = demand_gradient(subject)
    if subject.trait("gradient_hook"):
        raise NotApplicable("it changes the gradient on purpose")
    sample = subject.sample()
    shape = subject.must(sample).tensors["value"].shape
    for label, make in _UPSTREAM.items():
        asked = {**sample, "cotangent": make(shape)}
        for name in names:
            judge = partial(_not_linear, subject, name=name)
            if judge(asked) is not None:
                yield finding(subject, partial(_told, label), judge, asked)
                return


def _told(label: str, mismatch: Mismatch) -> str:
    name = mismatch.quantity.removeprefix("grad.")
    at = place(mismatch.tensors, name, mismatch.where)
    flowing = mismatch.tensors["cotangent"]
    says = f"of {number(float(flowing))}" if flowing.numel() == 1 else f"that is {label}"
    got, expected = number(mismatch.got), number(mismatch.expected)
    return (
        f"with an upstream gradient {says}, the gradient at {at} is {got}, expected {expected}: it is not linear in it"
    )


def _not_linear(subject: Subject, tensors: Inputs, name: str) -> Mismatch | None:
    """The worst element of the gradient for an upstream gradient g, held against grad(g + u) - grad(u).

    Where g is a multiple of the ramp u it is held against that multiple of grad(u): |g| is linear among positive ones.
    """
    flowing = tensors["cotangent"]
    base = _ramp(flowing.shape)
    got = _gradient(subject, tensors, name, flowing)
    if got is None:
        return None
    ratio = (flowing / base).reshape(-1)
    one = _gradient(subject, tensors, name, base)
    if one is None:
        return None
    if bool((ratio == ratio[:1]).all()):
        expected, size = float(ratio[0]) * one, (float(ratio[0]) * one).abs()
    else:
        raised = base + flowing.abs() + flowing  # positive throughout, so that what bends at 0 shows
        rest = _gradient(subject, tensors, name, raised - flowing)
        whole = _gradient(subject, tensors, name, raised)
        if rest is None or whole is None:
            return None
        expected, size = whole - rest, whole.abs() + rest.abs()
    off = (got - expected).abs() - _CLOSE * size.max() - _ROUNDING * flowing.abs().max()
    off = torch.where(got.isfinite() & expected.isfinite(), off, 0.0)
    if not off.numel() or float(off.max()) <= 0:
        return None
    index = tuple(int(each) for each in torch.unravel_index(off.argmax(), off.shape))
    return Mismatch(tensors, f"grad.{name}", float(got[index]), float(expected[index]), None, index, {"wrt": [name]})


def _gradient(subject: Subject, tensors: Inputs, name: str, flowing: Tensor) -> Tensor | None:
    answer = subject.call({**tensors, "cotangent": flowing}, wrt=[name])
    found = answer.tensors.get(f"grad.{name}") if answer.ok else None
    return None if found is None else found.to(torch.float64)


@rule("D104", "grad-meta")
def meta(subject: Subject) -> Iterator[Finding]:
    """Each input gets its gradient: the same, of its shape and dtype, whichever inputs want one.

    Why: a backward that asks `ctx.needs_input_grad` at the wrong place, or hands the gradients back in another order,
        is right as long as every input wants a gradient. In a network only some do.
    How: each floating input wants a gradient alone, and together with the others: the gradients have to be the same,
        of the input's shape and dtype, and dense. The same for a target of one column that is broadcast over the
        prediction's, where that is accepted. In float16 and bfloat16 a result has to come with a gradient. With
        inputs that want none, the result wants none.
    False alarms: a target that refuses a gradient is no concern of this rule. A result that wants a gradient by
        itself is noted only: the subject may hold parameters of its own.
    Instead: return one gradient for each argument of forward, in their order, and None where
        `ctx.needs_input_grad[i]` is False; sum over what was broadcast.
    """
    names = demand_gradient(subject)
    if subject.trait("stochastic"):
        raise NotApplicable("it draws random numbers")
    sample = subject.sample()
    floating = [entry.name for entry in subject.inputs if entry.is_floating]
    together = subject.call(sample, wrt=floating)
    if not together.ok:
        together = subject.must(sample, wrt=names)
    for name in names:
        yield from _alone(subject, sample, name, together)
        yield from _form(sample, name, together)
    yield from _broadcast(subject, sample)
    for dtype in (torch.float16, torch.bfloat16):
        half = subject.sample(dtype)
        if subject.call(half).ok:
            answer = subject.call(half, wrt=names)
            if not answer.ok and answer.during == "backward":
                kind = str(dtype).removeprefix("torch.")
                message = f"in {kind} the result comes, but its backward raises {answer.error}"
                yield Finding(message, _plainly(half), severity="warning")
    if subject.must(sample).facts["value"]["requires_grad"] and not subject.description.parameters:
        message = "the result wants a gradient although none of the inputs does"
        yield Finding(message, _plainly(sample), severity="note")


def _plainly(tensors: Inputs) -> dict[str, object]:
    return {name: plain(tensor) for name, tensor in tensors.items()}


def _alone(subject: Subject, sample: Inputs, name: str, together: Answer) -> Iterator[Finding]:
    quantity = f"grad.{name}"
    alone = subject.call(sample, wrt=[name])
    if not alone.ok:
        yield Finding(
            f"where {name} alone wants a gradient, it raises {alone.error}",
            _plainly(sample),
            repro=_one(subject, sample, name),
        )
        return
    there, here = together.tensors.get(quantity), alone.tensors.get(quantity)
    if (there is None) != (here is None):
        when = ("alone", "together with the others")[:: -1 if here is None else 1]
        message = f"{name} gets a gradient where it wants one {when[0]}, and none where it wants one {when[1]}"
        if here is None:
            message = f"{name} gets no gradient where it alone wants one, though it gets one together with the others"
        yield Finding(message, _plainly(sample), repro=_one(subject, sample, name))
    elif there is not None and here is not None and not _agree(here, there):
        message = f"the gradient for {name} is another one where {name} alone wants one than together with the others"
        yield Finding(message, _plainly(sample), expected=plain(there), got=plain(here))


def _one(subject: Subject, sample: Inputs, name: str) -> str:
    lines = [called(subject, sample), f"print(torch.autograd.grad(y.sum(), {name}, allow_unused=True))"]
    return calling(subject, sample, lines, wrt=[name])


def _form(sample: Inputs, name: str, answer: Answer) -> Iterator[Finding]:
    facts = answer.facts.get(f"grad.{name}")
    if facts is None:
        return
    tensor = sample[name]
    wanted = {"shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch."), "device": "cpu"}
    for key, expected in wanted.items():
        if facts[key] != expected:
            yield Finding(f"the gradient for {name} has the {key} {facts[key]}, expected {expected}", _plainly(sample))
    if tensor.dim() and not facts["stride"]:
        yield Finding(f"the gradient for {name} is sparse, and {name} is dense", _plainly(sample))


def _broadcast(subject: Subject, sample: Inputs) -> Iterator[Finding]:
    """A target of one column is that column everywhere: so is its gradient."""
    target, x = subject.target, subject.x
    if target is None or not target.is_floating or sample[target.name].shape != sample[x].shape or target.within:
        return
    column = sample[target.name][..., :1] if sample[x].dim() else sample[x]
    narrow = {**sample, target.name: column}
    wide = {**sample, target.name: column.expand(sample[x].shape)}
    one, other = subject.call(narrow), subject.call(wide)
    if not (one.ok and other.ok) or not _agree(one.tensors["value"], other.tensors["value"]):
        return
    got, expected = subject.call(narrow, wrt=[x]), subject.call(wide, wrt=[x])
    if not got.ok:
        message = f"a {target.name} of one column is broadcast, but the backward then raises {got.error}"
        yield Finding(message, _plainly(narrow), severity="warning")
    elif expected.ok and not _agree(got.tensors.get(f"grad.{x}"), expected.tensors.get(f"grad.{x}")):
        message = f"where a {target.name} of one column is broadcast, the value is right and the gradient is not"
        right, wrong = (plain(each.tensors[f"grad.{x}"]) for each in (expected, got))
        yield Finding(message, _plainly(narrow), expected=right, got=wrong)


def _agree(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None or one.shape != other.shape:
        return one is other
    a, b = one.to(torch.float64), other.to(torch.float64)
    size = float(b.abs().nan_to_num(0.0, 0.0, 0.0).max()) if b.numel() else 0.0
    return torch.allclose(a, b, rtol=_CLOSE, atol=_CLOSE * size, equal_nan=True)


_LAYOUTS = {
    "expanded": "comes from a sum, one number for all elements",
    "transposed": "is transposed",
    "strided": "is every second number of a larger tensor",
    "offset": "lies in the middle of a larger tensor",
    "channels_last": "is laid out with its channels last",
}


@rule("D105", "grad-strides")
def strides(subject: Subject) -> Iterator[Finding]:
    """The gradient does not depend on how numbers lie in memory.

    Why: `y.sum().backward()` sends back one number that is seen from everywhere (all strides 0), a transposed layer
        sends back a transposed gradient, and a slice hands on every second number. A backward that flattens such a
        tensor with `view`, or writes into `empty_like(x).view(-1)`, raises or mixes up the elements.
    How: the same upstream gradient expanded, transposed and strided, and the same inputs transposed, strided, offset
        and with the channels last, in float64: the gradients have to be those of contiguous tensors.
    False alarms: none known. What raises for an unusual layout is a warning; what raises after `sum()` an error.
    Instead: use elementwise operations, `reshape` in the place of `view`, and `.contiguous()` before a flat access.
    """
    names = demand_gradient(subject)
    sample = subject.sample()
    shape = subject.must(sample).tensors["value"].shape
    for layout in ("expanded", "transposed", "strided") if shape else ():
        flowing = torch.full(shape, 2.0, dtype=torch.float64) if layout == "expanded" else _mixed(shape)
        asked = {**sample, "cotangent": flowing}
        sentence = f"where the gradient that flows in {_LAYOUTS[layout]}"
        found = _differs(subject, asked, names, {"cotangent": layout}, sentence)
        if found is not None:
            how: Severity | None = "error" if layout == "expanded" else found.severity
            yield replace(found, severity=how, repro=_script(subject, sample, layout))
            return
    for layout in ("transposed", "strided", "offset", "channels_last"):
        asked = subject.sample(extra=(2, 3, 4, 2)) if layout == "channels_last" else sample
        ranks = (4,) if layout == "channels_last" else range(1, 8)
        laid = {name: layout for name, tensor in asked.items() if tensor.dim() in ranks}
        found = _differs(subject, asked, names, laid, f"where an input {_LAYOUTS[layout]}") if laid else None
        if found is not None:
            yield found
            return


_LAID = {
    "expanded": "torch.full((1,) * y.dim(), 2.0, dtype=y.dtype).expand(y.shape)",
    "transposed": "g.transpose(0, -1).contiguous().transpose(0, -1)",
    "strided": "torch.stack([g, g], -1)[..., 0]",
}


def _script(subject: Subject, tensors: Inputs, layout: str) -> str:
    x = subject.x
    number = (
        "torch.full_like(y, 2.0)" if layout == "expanded" else "torch.arange(y.numel(), dtype=y.dtype).view(y.shape)"
    )
    lines = [
        called(subject, tensors),
        f"g = {number}",
        f"print(torch.autograd.grad(y, {x}, g, retain_graph=True))",
        f"print(torch.autograd.grad(y, {x}, {_LAID[layout]}))  # expected the same",
    ]
    return calling(subject, tensors, lines, wrt=[x])


def _differs(
    subject: Subject, tensors: Inputs, names: Sequence[str], layouts: Mapping[str, str], sentence: str
) -> Finding | None:
    """The gradients in other layouts, held against those of contiguous tensors."""
    expected, got = subject.call(tensors, wrt=names), subject.call(tensors, wrt=names, layouts=dict(layouts))
    if not expected.ok:
        return None
    if not got.ok:
        return Finding(f"{sentence}, it raises {got.error}", _plainly(tensors), severity="warning")
    if not _agree(got.tensors["value"], expected.tensors["value"]):
        return None
    for name in names:
        right, mine = (each.tensors.get(f"grad.{name}") for each in (expected, got))
        if not _agree(mine, right):
            shown = [None if each is None else plain(each) for each in (right, mine)]
            message = f"{sentence}, the gradient for {name} is another one than for contiguous tensors"
            return Finding(message, _plainly(tensors), expected=shown[0], got=shown[1])
    return None
