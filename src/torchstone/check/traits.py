"""Capabilities of a subject that decide which rules apply: declared by its author, or probed.

A subject's class may carry them: `@torchstone.traits(couples_batch=True)`.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from torchstone.check.asking import Trait
from torchstone.check.optimizers.traits import TRAITS as OPTIMIZERS
from torchstone.check.sequences import is_of_sequences

if TYPE_CHECKING:
    from torchstone.check.subject import Subject

T = TypeVar("T")
ATTRIBUTE = "__torchstone_traits__"


def traits(**declared: Any) -> Callable[[T], T]:
    """Declare traits of a class or function. Raises `ValueError` for a name that is no trait.

    >>> @traits(couples_batch=True)
    ... def contrastive(first, second): ...
    """
    known = dict.fromkeys((*TRAITS, *OPTIMIZERS))
    for name in declared:
        if name not in known:
            raise ValueError(f"traits: expected one of {', '.join(known)}, got {name!r}")

    def mark(thing: T) -> T:
        setattr(thing, ATTRIBUTE, {**getattr(thing, ATTRIBUTE, {}), **declared})
        return thing

    return mark


def _differentiable(subject: "Subject") -> bool:
    answer = subject.call(subject.sample(), wrt=subject.predictions)
    return not answer.ok or bool(answer.facts["value"]["requires_grad"])


def _stochastic(subject: "Subject") -> bool:
    """Other random numbers give another result, and the same ones the same."""
    sample = subject.sample()
    first, again, other = (subject.call(sample, seed=seed) for seed in (1, 1, 2))
    if not (first.ok and again.ok and other.ok):
        return False
    values = [answer.tensors["value"] for answer in (first, again, other)]
    return torch.equal(values[0], values[1]) and not torch.equal(values[0], values[2])


def _acts_along(subject: "Subject") -> str:
    """Whether each number of the result comes from one number alone ("element") or from several ("row")."""
    if subject.definition is not None:
        return "row" if subject.definition.is_vector else "element"
    sample = subject.sample()
    before = subject.call(sample)
    x = sample[subject.x]
    if not before.ok or before.tensors["value"].shape != x.shape or not x.numel():
        return "row"
    for place in (0, x.numel() // 2, x.numel() - 1):
        for step in (0.5, 8.0):  # a small one may leave the others of a sparse row as they are
            changed = x.clone()
            changed.reshape(-1)[place] += step
            after = subject.call({**sample, subject.x: changed})
            if not after.ok:
                return "row"
            same = torch.isclose(before.tensors["value"], after.tensors["value"], rtol=1e-9, atol=1e-12).reshape(-1)
            same[place] = True
            if not bool(same.all()):
                return "row"
    return "element"


def _changes_shape(subject: "Subject") -> bool:
    sample = subject.sample()
    answer = subject.call(sample)
    return answer.ok and answer.tensors["value"].shape != sample[subject.x].shape


def _reduction(subject: "Subject") -> str:
    """How a batch follows from its single elements: "none", "mean", "sum", "batchmean" or "other".

    A definition's mean is the mean: a subject that sums where the definition's default is the mean is wrong.
    """
    seen = subject.description
    said = {**seen.call, **seen.constructor, **subject.spec.kwargs, **seen.attributes}.get("reduction")
    if subject.has_reduction and said in ("none", "mean", "sum", "batchmean"):
        return str(said)
    sample = subject.sample()
    answer = subject.call(sample)
    if not answer.ok or answer.tensors["value"].numel() != 1:
        return "none"
    if subject.definition is not None and subject.definition.counterpart:
        return "batchmean" if _is_divergence(subject, sample, answer.tensors["value"]) else "mean"
    return _by_halves(subject, answer.tensors["value"].reshape(()))


def _is_divergence(subject: "Subject", sample: Mapping[str, torch.Tensor], value: torch.Tensor) -> bool:
    """Of distributions, the mean over the rows is the divergence itself: as good a mean as that over the elements."""
    rows = any(entry.within in ("simplex", "log-simplex") for entry in subject.inputs)
    if not rows or is_of_sequences(subject.definition):
        return False
    high = float(subject.expected(sample, reduction="batchmean").value.high)
    return abs(float(value) - high) <= 1e-6 * abs(high)


def _by_halves(subject: "Subject", whole: torch.Tensor) -> str:
    """How the result for a batch follows from those for its two halves."""
    sample = subject.sample()
    batched = {name: tensor for name, tensor in sample.items() if tensor.dim() and len(tensor) % 2 == 0}
    if not batched:
        extra = (4, 3)
        sample = subject.sample(extra=extra)
        whole = subject.call(sample).tensors.get("value", whole).reshape(-1)[:1].reshape(())
    halves = []
    for part in (0, 1):
        half = {name: tensor.chunk(2)[part] if tensor.dim() else tensor for name, tensor in sample.items()}
        answer = subject.call(half)
        if not answer.ok or answer.tensors["value"].numel() != 1:
            return "other"
        halves.append(answer.tensors["value"].reshape(()))
    for name, combined in (("mean", (halves[0] + halves[1]) / 2), ("sum", halves[0] + halves[1])):
        if torch.isclose(whole, combined, rtol=1e-6, atol=1e-9):
            return name
    return "other"


def _couples_batch(subject: "Subject") -> bool:
    """The loss of a batch is neither the sum nor the mean of the losses of its parts."""
    if subject.definition is not None:
        return False
    answer = subject.call(subject.sample())
    if not answer.ok:
        return False
    value = answer.tensors["value"]
    if value.numel() == 1:
        return _by_halves(subject, value.reshape(())) == "other"
    return _is_coupled(subject, value)


def _is_coupled(subject: "Subject", value: torch.Tensor) -> bool:
    """Unreduced, the loss of a sample changes with its company, but not with the company's order."""
    sample = subject.sample()
    if value.dim() == 0 or any(not each.dim() or len(each) != len(value) for each in sample.values()):
        return False
    half = len(value) // 2
    order = torch.arange(len(value)).roll(1)
    alone = subject.call({name: tensor[:half] for name, tensor in sample.items()})
    turned = subject.call({name: tensor[order] for name, tensor in sample.items()})
    if not (alone.ok and turned.ok):
        return False
    changes = not _are_close(alone.tensors["value"], value[:half])
    return changes and _are_close(turned.tensors["value"], value[order])


def _are_close(first: torch.Tensor, second: torch.Tensor) -> bool:
    return first.shape == second.shape and torch.allclose(first, second, rtol=1e-6, atol=1e-9, equal_nan=True)


def _inplace(subject: "Subject") -> bool:
    """A switch of that name is on."""
    seen = subject.description
    return bool({**seen.call, **seen.constructor, **seen.attributes, **subject.spec.kwargs}.get("inplace", False))


def _gradient_hook(subject: "Subject") -> bool:
    """An identity with a backward of its own is made for the backward."""
    if subject.definition is not None or subject.kind != "activation" or not subject.predictions:
        return False
    sample = subject.sample()
    answer = subject.call(sample, wrt=subject.predictions)
    if not answer.ok or not torch.equal(answer.tensors["value"], sample[subject.x]):
        return False
    flowing = torch.linspace(-3, 3, sample[subject.x].numel(), dtype=torch.float64).reshape(sample[subject.x].shape)
    changed = subject.call({**sample, "cotangent": flowing}, wrt=[subject.x])
    return changed.ok and not torch.equal(changed.tensors.get(f"grad.{subject.x}", flowing), flowing)


def _single_precision(subject: "Subject") -> bool:
    """In float64 its value follows a change that float32 sees, and a smaller one not as much."""
    sample, steps = subject.sample(), (0.0, 2.0**-40, 2.0**-12)
    if not subject.predictions:
        return False
    totals = []
    for step in steps:
        scaled = {name: sample[name] * (1 + step) for name in subject.predictions}
        answer = subject.call({**sample, **scaled})
        if not answer.ok:
            return False
        totals.append(float(answer.tensors["value"].to(torch.float64).sum()))
    little, more = ((total - totals[0]) / step for total, step in zip(totals[1:], steps[1:], strict=True))
    return abs(little - more) > 0.05 * abs(more) + 1e-3 * abs(totals[0])


def _no(subject: "Subject") -> bool:
    return False


TRAITS = {
    "differentiable": Trait("a gradient flows back to the inputs", _differentiable),
    "stochastic": Trait("draws random numbers", _stochastic),
    "acts_along": Trait(
        '"element", or "row" where a number of the result depends on several of the input', _acts_along
    ),
    "changes_shape": Trait("the result has another shape than the input (GLU, maxout)", _changes_shape),
    "reduction": Trait('how a loss reduces as it stands: "none", "mean", "sum", "batchmean" or "other"', _reduction),
    "couples_batch": Trait("the loss of a sample depends on the others (contrastive losses, dice)", _couples_batch),
    "inplace": Trait("works in place on its input, on purpose", _inplace),
    "may_alias": Trait("the result may share memory with the input", _no),
    "broadcasts": Trait("inputs of different shapes are broadcast, on purpose", _no),
    "once_differentiable": Trait("a second derivative is refused, on purpose", _no),
    "hides_nan": Trait("a NaN in the input does not show in the result, on purpose", _no),
    "caches": Trait("keeps tensors between calls, on purpose", _no),
    "gradient_hook": Trait("changes the gradient on purpose: reverses or clips it", _gradient_hook),
    "single_precision": Trait("computes in float32 whatever it is given", _single_precision),
}
