"""Rules on what a backward keeps and leaves behind: saved tensors, a second pass, checkpoints."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from torchstone.check.evidence import plain
from torchstone.check.probe import Answer
from torchstone.check.repro import called, calling, showing
from torchstone.check.result import Finding
from torchstone.check.rule import rule
from torchstone.check.rules.derivatives import Inputs, demand_gradient
from torchstone.check.subject import Subject, granted


def _plainly(tensors: Inputs) -> dict[str, object]:
    return {name: plain(tensor) for name, tensor in tensors.items()}


def _upstream(subject: Subject, sample: Inputs) -> dict[str, Tensor]:
    """The inputs with an upstream gradient that is no number twice."""
    shape = subject.must(sample).tensors["value"].shape
    flowing = 1.0 + 0.25 * torch.arange(shape.numel(), dtype=torch.float64).reshape(shape)
    return {**sample, "cotangent": flowing}


def _apart(answer: Answer, one: str, other: str, names: tuple[str, ...]) -> str:
    """The first input whose two gradients differ by more than rounding; "" if none does."""
    for name in names:
        a, b = answer.tensors.get(f"{one}.{name}"), answer.tensors.get(f"{other}.{name}")
        if a is None and b is None:
            continue
        a, b = (a if a is not None else torch.zeros(())), (b if b is not None else torch.zeros(()))
        if not torch.allclose(a, b.to(a.dtype), rtol=1e-6, atol=1e-9, equal_nan=True):
            return name
    return ""


def _difference(answer: Answer, one: str, other: str, name: str) -> dict[str, object]:
    """What was got and what was expected, for a finding."""
    found: Mapping[str, Tensor] = answer.tensors
    shown = [None if (each := found.get(f"{label}.{name}")) is None else plain(each) for label in (one, other)]
    return {"got": shown[0], "expected": shown[1]}


@rule("D109", "saved-tensors", tier="full", severity="warning")
def saved(subject: Subject) -> Iterator[Finding]:
    """What backward needs is saved so that PyTorch notices a change of it, and lets it go.

    Why: `ctx.x = x` keeps a tensor behind autograd's back: where x is written to before the backward (`x += 1`, an
        in-place ReLU), the gradient is that of other numbers. A result that is kept so is held by its own graph: a
        cycle that keeps the memory until the garbage collector comes.
    How: each prediction, and the result, is written to between forward and backward. The backward has to raise, or
        give the gradient as if nothing had been written. Then the result is dropped: it has to be gone at once.
    False alarms: none known. What is composed of PyTorch's own operations passes by itself.
    Instead: `ctx.save_for_backward(x)` for inputs and results, attributes of ctx for plain numbers.
    """
    names = demand_gradient(subject)
    asked = _upstream(subject, subject.sample())
    for what in (*names, "value"):
        answer = subject.ask("tampered", asked, {"wrt": names, "what": what})
        if not answer.ok or answer.facts["refused"]:
            continue
        name = _apart(answer, "grad", "before", names)
        if name:
            label = "the result" if what == "value" else what
            message = f"where {label} is written to before the backward, the gradient for {name} is silently another"
            yield Finding(message, _plainly(asked), **_difference(answer, "grad", "before", name))  # type: ignore[arg-type]
            break
    kept = granted(subject.ask("leaked", asked, {"wrt": names})).facts
    if kept["cycle"] and kept["own_backward"]:
        yield Finding("the result is held by its own graph, and stays in memory until the garbage collector comes")


@rule("D110", "repeatable")
def repeatable(subject: Subject) -> Iterator[Finding]:
    """A backward can be run again, adds up in `.grad`, and is that of its own call.

    Why: a backward that writes to a saved tensor, or counts its calls, is right the first time alone: with
        `retain_graph=True`, in the next step, or with two losses, it is wrong. One that looks up on `self`, or on its
        class, what the last forward left there is wrong as soon as a network uses the object twice.
    How: the gradients of one graph are asked for twice, those of a second call of the same object once more, by
        `backward()` into a `.grad` that holds ones, and after a call with other numbers between forward and backward:
        all have to be the same.
    False alarms: a backward that refuses a second pass by an exception is let be; one that raises after a call in
        between is a warning. Random numbers start at one seed.
    Instead: `ctx.save_for_backward` for what backward needs; change no saved tensor in place, and keep nothing on
        `self` that the next call reads.
    """
    names = demand_gradient(subject)
    sample = subject.sample()
    asked = _upstream(subject, sample)
    other = subject.sample(seed=1)
    between = {f"other.{name}": each for name, each in other.items()}
    answer = granted(subject.ask("repeated", {**asked, **between}, {"wrt": names}))
    told = {
        "again": "a second backward through the same graph gives another gradient for {}",
        "fresh": "the same call a second time gives another gradient for {}",
        "added": "backward() adds something else to {}.grad than the gradient",
        "between": "a call with other numbers between forward and backward changes the gradient for {}",
    }
    same = torch.equal(answer.tensors["value.first"], answer.tensors["value.fresh"])
    for label, message in told.items():
        # Where the values of a second call are others, so are the gradients: G004 and S104 tell.
        if answer.facts["refused"] if label == "again" else not same:
            continue
        if label == "between" and (error := answer.facts["disturbed"]):
            raised = f"after a call with other numbers between forward and backward, the backward raises {error}"
            yield Finding(raised, _plainly(asked), severity="warning")
            return
        name = _apart(answer, label, "first", names)
        if name:
            shown = _difference(answer, label, "first", name)
            shows = _between(subject, sample, other, name) if label == "between" else _twice(subject, asked, name)
            yield Finding(message.format(name), _plainly(asked), repro=shows, **shown)  # type: ignore[arg-type]
            return


def _twice(subject: Subject, tensors: Inputs, name: str) -> str:
    asked = f"print(torch.autograd.grad(y.sum(), {name}, retain_graph=True))"
    lines = [called(subject, tensors), asked, f"{asked}  # expected the same"]
    return calling(subject, tensors, lines, wrt=[name])


def _between(subject: Subject, tensors: Inputs, other: Inputs, name: str) -> str:
    again = f"print(torch.autograd.grad(y.sum(), {name}, retain_graph=True))"
    lines = ("y = {call}", again, "{other}  # a call with other numbers", f"{again}  # expected the same")
    return showing(subject, tensors, *lines, wrt=[name], other=other)


@rule("D111", "checkpoint", tier="full", severity="warning")
def checkpointed(subject: Subject) -> Iterator[Finding]:
    """Its gradients are the same under `torch.utils.checkpoint`.

    Why: checkpointing runs the forward a second time during the backward, to save memory. It restores the random
        numbers of torch, and no others: what draws from Python's `random` or from numpy, counts its calls or caches
        tensors computes something else the second time.
    How: value and gradients with `checkpoint(..., use_reentrant=False)` beside those without, in float64.
    False alarms: none known. Random numbers of torch are restored, and do no harm.
    Instead: draw from torch's generator, and let forward depend on nothing else but its arguments.
    """
    names = demand_gradient(subject)
    asked = _upstream(subject, subject.sample())
    answer = subject.ask("checkpointed", asked, {"wrt": names})
    if not answer.ok:
        yield Finding(f"under torch.utils.checkpoint it raises {answer.error}", _plainly(asked))
        return
    name = _apart(answer, "grad", "plain", names)
    if name:
        message = f"under torch.utils.checkpoint the gradient for {name} is another one"
        yield Finding(message, _plainly(asked), **_difference(answer, "grad", "plain", name))  # type: ignore[arg-type]
