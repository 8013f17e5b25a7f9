"""Rules on what a module has beside its forward: a backward of its own, parameters, an in-place form."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from torchstone.check.pointwise import shown
from torchstone.check.probe import Answer
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.subject import Subject, granted

_CLOSE = 1e-6
_UNCALLED = "autograd never calls this method: training uses the gradient of the forward"


@rule("A111", "explicit-backward", kinds=("loss", "activation"), after=("G001", "G004"))
def explicit_backward(subject: Subject) -> Iterator[Finding]:
    """A `backward` method of a module gives the gradient at the last input, times what flows in.

    Why: it is written to show the derivative, or is called by hand in a training loop; autograd never calls it, so no
    training shows that it is wrong. Usual slips: the input is not looked at, the gradient that flows in is forgotten,
    clipped, or squared.
    How: after a forward on ordinary float64 numbers, it is called with ones, with negative, doubled, mixed and zero
    gradients, and compared with the definition's gradient, or with autograd's through the forward where no definition
    is known. It may be `backward(self, grad_output)`, `backward(grad_output)` without self (called on the class), take
    the input beside the gradient in either order, be static, or take nothing at all (then the gradient for ones).
    False alarms: a method of that name that does something else, such as starting autograd. Ignore the rule there.
    Instead: keep what the derivative needs in forward, return `grad_output * derivative`; or write a
    `torch.autograd.Function`, whose backward autograd does call.
    """
    if not subject.description.has_backward:
        raise NotApplicable("it has no backward method of its own")
    if subject.trait("stochastic"):
        raise NotApplicable("the subject draws random numbers")
    tensors = subject.sample()
    value = subject.must(tensors).tensors["value"]
    seeds = _seeds(value)
    given = {**tensors, **{f"cotangent.{number}": seed for number, (_, seed) in enumerate(seeds)}}
    answer = granted(subject.ask("explicit_backward", given, {"wrt": [subject.x]}))
    how = f"its own {answer.facts['how']}"
    problem = _no_answer(answer)
    if problem is not None:
        yield problem
        return
    for number, (words, seed) in enumerate(seeds):
        if not answer.facts["takes"] and number:
            return
        right = _right(subject, tensors, answer, number, seed)
        got = answer.tensors[f"own.{number}"].double()
        text = f"{how} with {words} as the gradient that flows in" if answer.facts["takes"] else how
        shown_at = {**{name: tensor.tolist() for name, tensor in tensors.items()}, "grad_output": seed.tolist()}
        if right is None:
            raise NotApplicable("neither a definition nor autograd says what its backward should give")
        if got.shape != right.shape:
            shapes = f"shape {list(got.shape)}, expected {list(right.shape)}"
            yield Finding(f"{text} gives {shapes}; {_UNCALLED}", shown_at, list(right.shape), list(got.shape))
            return
        off = ((got - right).abs() > _CLOSE * (1 + right.abs())) | got.isnan()
        if off.any():
            place = tuple(off.nonzero()[0].tolist()) if off.dim() else ()
            at = f"{subject.x} = {shown(float(tensors[subject.x][place]))}"
            yield Finding(
                f"{text} gives {shown(float(got[place]))} at {at}, expected {shown(float(right[place]))}; {_UNCALLED}",
                shown_at,
                float(right[place]),
                float(got[place]),
                cause=_habit(answer, [_right(subject, tensors, answer, n, g) for n, (_, g) in enumerate(seeds)], seeds),
            )
            return


def _seeds(value: Tensor) -> list[tuple[str, Tensor]]:
    """What flows in, in words and numbers: a backward has to be linear in it."""
    ones = torch.ones_like(value)
    ramp = torch.linspace(-2, 3, max(value.numel(), 2), dtype=value.dtype)[: value.numel()].reshape(value.shape)
    return [
        ("ones", ones),
        ("-1", -ones),
        ("2", 2 * ones),
        ("numbers from -2 to 3", ramp if value.numel() > 1 else 0.7 * ones),
        ("zeros", 0 * ones),
    ]


def _no_answer(answer: Answer) -> Finding | None:
    how, raised, returned = (str(answer.facts[name]) for name in ("how", "raised", "returned"))
    if raised.startswith("NotImplementedError") or returned == "NoneType":
        what = "raises NotImplementedError" if raised else "returns None"
        return Finding(f"its own {how} is not implemented: it {what}", severity="note")
    if raised:
        return Finding(f"its own {how} raises {raised} after a forward; {_UNCALLED}", severity="warning")
    if returned:
        return Finding(f"its own {how} returns {returned}, expected a tensor; {_UNCALLED}")
    return None


def _right(subject: Subject, tensors: Mapping[str, Tensor], answer: Answer, number: int, seed: Tensor) -> Tensor | None:
    """The gradient that it should give: the definition's where there is one, else autograd's through the forward."""
    if subject.definition is not None:
        if subject.kind == "activation":
            truth = subject.expected(tensors, wrt=[subject.x], cotangent=seed)
            return torch.from_numpy(truth.gradients[subject.x].high.copy())
        if seed.numel() == 1:
            truth = subject.expected(tensors, wrt=[subject.x])
            return torch.from_numpy(truth.gradients[subject.x].high.copy()) * seed.reshape(())
    found = answer.tensors.get(f"autograd.{number}")
    return None if found is None else found.double()


def _habit(answer: Answer, rights: Sequence[Tensor | None], seeds: Sequence[tuple[str, Tensor]]) -> str:
    """What it does with the gradients that flow in, where that is recognised."""
    known = [(answer.tensors[f"own.{n}"].double(), right) for n, right in enumerate(rights) if right is not None]
    if len(known) < len(seeds) or any(got.shape != right.shape for got, right in known):
        return ""
    got, right = (torch.stack(each) for each in zip(*known, strict=True))
    if any(seed.shape != got.shape[1:] and seed.numel() != 1 for _, seed in seeds):
        return ""
    g = torch.stack([seed.double().expand(got.shape[1:]) for _, seed in seeds])
    slope = right[0].expand_as(got)
    habits = {
        "it is 0": torch.zeros_like(g),
        "it passes on the gradient that flows in, and never looks at the input": g,
        "it clips the gradient that flows in at 1, and never looks at the input": g.clamp(max=1),
        "its sign is wrong": -right,
        "the gradient that flows in is forgotten": slope,
        "the gradient that flows in is squared": slope * g**2,
        "the absolute value of the gradient that flows in is used": slope * g.abs(),
    }
    usable = right.abs() > 1e-9
    ratio = float((got[usable] / right[usable]).median()) if bool(usable.any()) else 1.0
    habits[f"it is {ratio:.6g} times what it should be"] = ratio * right
    return next((words for words, guess in habits.items() if torch.allclose(got, guess, rtol=1e-6, atol=1e-9)), "")


@rule("A109", "inplace", kinds=("activation",), tier="full", after=("G001", "G004"))
def inplace(subject: Subject) -> Iterator[Finding]:
    """With `inplace=True` it gives the same numbers, in the input's own memory, and autograd knows.

    Why: what writes through `.data` or `.numpy()` hides the change from autograd, which then computes gradients from
    numbers that are no longer there.
    How: where the constructor or the call takes `inplace`: the same result as without; the input changed, its version
    counted; a leaf that wants a gradient refused, as PyTorch refuses it.
    False alarms: a switch of that name that is accepted and has no effect is a note.
    Instead: PyTorch's own in-place operations (`x.mul_(...)`, `torch.relu_`), or `ctx.mark_dirty` in an
    autograd.Function.
    """
    seen = subject.description
    if "inplace" not in {**seen.constructor, **seen.call, **seen.attributes}:
        raise NotApplicable("it has no switch called inplace")
    if subject.trait("stochastic"):
        raise NotApplicable("the subject draws random numbers")
    tensors = subject.sample()
    given = {name: tensor.tolist() for name, tensor in tensors.items()}
    answer = granted(subject.ask("in_place", tensors, {"wrt": [subject.x]}))
    plain, value, after = (answer.tensors[name] for name in ("plain", "value", "input"))
    changed = not torch.equal(after, tensors[subject.x])
    if not torch.allclose(plain, value, rtol=1e-12, atol=0, equal_nan=True):
        yield Finding("with inplace=True the result is another", given, plain.tolist(), value.tolist())
    elif changed and not answer.facts["counted"]:
        yield Finding("with inplace=True the input changes behind autograd's back: its version stays the same", given)
    elif changed and answer.facts["gradient"]:
        text = "with inplace=True a leaf that wants a gradient is overwritten: PyTorch refuses that"
        yield Finding(text, given, "RuntimeError", "no exception")
    elif not changed and not torch.equal(plain, tensors[subject.x]):
        yield Finding("inplace=True has no effect: the input stays as it was", given, severity="note")


@rule("A110", "parameters", kinds=("activation",), after=("G001", "G004", "A101"))
def learnable_parameters(subject: Subject) -> Iterator[Finding]:
    """Its learnable parameters get the right gradients, and act along the channels.

    Why: a parameter that is read with `.item()` or `.data` never learns; one for each channel that is multiplied along
    the last dimension acts on the wrong numbers as soon as the sizes happen to agree.
    How: in float64, autograd's gradient for each parameter against the difference that a small step of it makes. With
    several numbers, and a definition of PyTorch's, number c may only move channel c, dimension 1.
    False alarms: functions for data whose channels come last. Declare that with a definition of your own.
    Instead: use the `torch.nn.Parameter` itself in forward, shaped (1, C, 1, ...).
    """
    if not subject.description.parameters:
        raise NotApplicable("it has no learnable parameters")
    if subject.trait("stochastic"):
        raise NotApplicable("the subject draws random numbers")
    tensors = subject.sample()
    value = subject.must(tensors).tensors["value"]
    seed = torch.linspace(0.5, 1.5, max(value.numel(), 2), dtype=value.dtype)[: value.numel()].reshape(value.shape)
    answer = granted(subject.ask("parameters", {**tensors, "cotangent": seed}))
    for name in answer.facts["names"]:
        steps = answer.tensors[f"steps.{name}"]
        gradient = answer.tensors.get(f"grad.{name}")
        given = {key: tensor.tolist() for key, tensor in tensors.items()}
        if gradient is None and bool((steps.abs() > 1e-6).any()):
            yield Finding(
                f"the parameter {name} never learns: it gets no gradient, although the result depends on it",
                given,
                steps.tolist(),
            )
        elif gradient is not None:
            got = gradient.reshape(-1)[: len(steps)].double()
            wrong = (got - steps).abs() > 1e-5 * (1 + steps.abs())
            if bool(wrong.any()):
                place = int(wrong.nonzero()[0, 0])
                text = f"the gradient of the parameter {name} is {shown(float(got[place]))}"
                right = float(steps[place])
                yield Finding(
                    f"{text}, expected {shown(right)} (what a small step of it makes)", given, right, got.tolist()
                )
    yield from _along_channels(subject)


def _along_channels(subject: Subject) -> Iterator[Finding]:
    """Whether number c of a parameter moves channel c alone, where the sizes of two dimensions agree."""
    several = {name: shape for name, shape in subject.description.parameters.items() if torch.Size(shape).numel() > 1}
    if subject.definition is None or not subject.definition.counterpart or len(subject.inputs) != 1:
        return
    for name, shape in several.items():
        count = torch.Size(shape).numel()
        ramp = torch.linspace(-2.0, 2.0, 2 * count * count, dtype=torch.float64)
        x = ramp.reshape(2, count, count)
        answer = subject.ask("parameters", {subject.x: x, "cotangent": torch.ones((), dtype=torch.float64)})
        if not answer.ok or answer.tensors[f"moved.{name}"].shape[1:] != x.shape:
            continue
        moved = answer.tensors[f"moved.{name}"]
        for channel, where in enumerate(moved):
            elsewhere = where.nonzero()[:, 1] != channel
            if bool(elsewhere.any()):
                last = bool((where.nonzero()[:, 2] == channel).all())
                yield Finding(
                    f"{name}[{channel}] acts {'along the last dimension' if last else 'on other channels'} of an input "
                    f"of shape {list(x.shape)}, expected on channel {channel}, dimension 1, alone",
                    {subject.x: x.tolist()},
                )
                return
