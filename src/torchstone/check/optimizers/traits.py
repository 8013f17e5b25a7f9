"""Capabilities of an optimizer that decide which rules apply: declared by its author, or probed."""

from typing import TYPE_CHECKING, Any

import torch

from torchstone.check.asking import Trait

if TYPE_CHECKING:
    from torchstone.check.optimizers.subject import OptimizerSubject


def _no(subject: "OptimizerSubject") -> bool:
    return False


def _stochastic(subject: "OptimizerSubject") -> bool:
    """Other random numbers lead elsewhere, and the same ones to the same place."""
    plan = subject.ordinary(3)
    first, again, other = (subject.run(plan.with_(options={"seed": seed})) for seed in (1, 1, 2))
    if not (first.ok and again.ok and other.ok):
        return False
    return _equal(first, again, plan.start) and not _equal(first, other, plan.start)


def _elementwise(subject: "OptimizerSubject") -> bool:
    """Each number of a parameter goes its own way: the others' gradients don't matter to it."""
    if subject.definition is not None and subject.firm:
        return subject.definition.elementwise
    plan = subject.ordinary(6).only("a")
    table = plan.gradients["a"].clone()
    table.reshape(len(table), -1)[:, -1] *= -16.0
    before, after = subject.run(plan), subject.run(plan.with_(gradients={"a": table}))
    if not (before.ok and after.ok):
        return False
    one, other = (each.tensors["a"].reshape(6, -1)[:, :-1] for each in (before, after))
    return torch.allclose(one, other, rtol=1e-9, atol=1e-12)


def _couples_params(subject: "OptimizerSubject") -> bool:
    """One parameter's gradients move another, and in the same way whatever the order: a norm over all, for one.

    A definition that works on one tensor at a time says that they must not, where it is sure to be meant.
    """
    if subject.definition is not None and subject.firm:
        return subject.definition.joint
    plan = subject.ordinary(6)
    other = {**plan.gradients, "b": plan.gradients["b"] * -16.0}
    turned = plan.with_(start={name: plan.start[name] for name in reversed(list(plan.start))})
    runs = [subject.run(each) for each in (plan, plan.with_(gradients=other), turned)]
    if not all(each.ok for each in runs):
        return False
    apart, same = (_near(each.tensors["a"], runs[0].tensors["a"], plan.start["a"]) for each in runs[1:])
    return not apart and same


def _near(one: torch.Tensor, other: torch.Tensor, start: torch.Tensor) -> bool:
    """Whether two paths are one, but for sums in another order: first steps may be very short."""
    return bool((one - other).abs().max() <= 1e-7 * (other - start).abs().max() + 1e-15)


def _equal(one: Any, other: Any, names: Any) -> bool:
    return all(torch.equal(one.tensors[name], other.tensors[name]) for name in names)


def _needs_closure(subject: "OptimizerSubject") -> bool:
    return bool(subject.spec.usage.get("closure"))


def _sparse(subject: "OptimizerSubject") -> bool:
    return bool(subject.spec.usage.get("sparse"))


def _train_eval(subject: "OptimizerSubject") -> bool:
    return subject.has("train") and subject.has("eval")


# How an optimizer has to be driven, where its author says so: see `bench`.
USAGE_OF = {"needs_closure": "closure", "sparse": "sparse"}

TRAITS = {
    "needs_closure": Trait("its step cannot do without a closure", _needs_closure),
    "sparse": Trait("it takes sparse gradients, and no others", _sparse),
    "train_eval": Trait("it has two modes, train() and eval()", _train_eval),
    "stochastic": Trait("draws random numbers", _stochastic),
    "elementwise": Trait("each number of a parameter is updated by itself", _elementwise),
    "couples_params": Trait("one parameter's gradients move another, on purpose (a norm over all)", _couples_params),
    "ctor_only": Trait("arguments that are chosen anew with each construction, whatever a checkpoint says", _no),
    "closure": Trait('"multi" where its step calls a closure several times, on purpose', _no),
    "owns_gradients": Trait("uses gradients as memory of its own, on purpose", _no),
    "global_step": Trait("counts its steps once for all parameters, on purpose", _no),
}
