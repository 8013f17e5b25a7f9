"""Where a run parts from another that should go the same way, and the small plans that the rules on parameters use."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from torchstone.check.optimizers.evidence import Departure
from torchstone.check.optimizers.evidence import apart as first_apart
from torchstone.check.optimizers.plan import Plan

if TYPE_CHECKING:
    from torchstone.check.optimizers.subject import OptimizerSubject

# Of the way so far. Sums in another order are off by 1e-13, in single precision by 1e-6; a fault by a thousandth.
TOLERANCE = 1e-5

# Nobody means to raise these. What does raise them has met something that its author did not think of.
ACCIDENTS = (
    *("KeyError", "IndexError", "AttributeError", "UnboundLocalError", "NameError", "ZeroDivisionError"),
    *("StopIteration", "RecursionError", "TypeError", "RuntimeError"),
)


class Parting(NamedTuple):
    """The worst element of a parameter after the first step at which it goes another way.

    `step` counts from 0. `got` and `expected` are where it is, `moved` and `should` how far that step took it.
    """

    name: str
    step: int
    where: tuple[int, ...]
    got: float
    expected: float
    moved: float
    should: float

    @property
    def element(self) -> str:
        """The element as code: "a[0][1]"."""
        return self.name + "".join(f"[{each}]" for each in self.where)


def parting(
    plan: Plan, got: Mapping[str, Tensor], right: Mapping[str, Tensor], near: float = TOLERANCE
) -> Parting | None:
    """Where a run of a plan leaves the paths that are expected, if it does. One row of a path is a step."""
    found = first_apart(plan, got, right, near)
    return None if found is None else _seen(found, got[found.name], right[found.name])


def _seen(found: Departure, got: Tensor, right: Tensor) -> Parting:
    at, start = found.where, found.plan.start[found.name]
    before = [start if found.step == 0 else path[found.step - 1] for path in (got, right)]
    moved, should = (now - float(was[at]) for now, was in zip((found.got, found.expected), before, strict=True))
    return Parting(found.name, found.step, at, found.got, found.expected, moved, should)


def present(plan: Plan, name: str) -> list[int]:
    """The steps at which a parameter has a gradient."""
    missing = set(plan.missing.get(name, ()))
    return [step for step in range(plan.steps) if step not in missing]


def alone(plan: Plan, name: str) -> Plan:
    """A parameter by itself, with only the steps at which it has a gradient."""
    steps = present(plan, name)
    return plan.only(name).with_(gradients={name: plan.gradients[name][steps]}, missing={})


def small(subject: "OptimizerSubject", steps: int, *names: str, alike: bool = False) -> Plan:
    """A plan of so few numbers that a script can hold them, under which it remembers its gradients if it can.

    Where `alike`, all parameters have one shape.
    """
    shapes = ((2, 1), (1, 3), (2, 2)) if subject.spec.usage.get("dims") == 2 else ((2,), (3,), (1,))
    plan = subject.ordinary(steps, shapes={name: shapes[0 if alike else at] for at, name in enumerate(names)})
    return plan.with_(hyper=lively(subject))


def lively(subject: "OptimizerSubject") -> dict[str, Any]:
    """Settings under which it remembers its gradients, where it has to be told to."""
    forgets = subject.takes("momentum") and not subject.hyper.get("momentum")
    return {"momentum": 0.9} if forgets else {}


def handed(plan: Plan) -> str:
    """The parameter groups of a plan as code, for a script; nothing where it has none."""
    listed = [f"{{'params': [{', '.join(group)}]}}" for group in plan.options.get("groups") or ()]
    return f"[{', '.join(listed)}]" if listed else ""
