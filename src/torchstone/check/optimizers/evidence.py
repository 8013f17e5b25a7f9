"""From a path that goes wrong to a finding that a person can use: the first wrong step, the cause, and a script."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from torchstone.check.optimizers.plan import Plan
from torchstone.check.probe import Answer
from torchstone.check.result import Finding, Severity
from torchstone.oracle import Path

if TYPE_CHECKING:
    from torchstone.check.optimizers.subject import OptimizerSubject

Floats = NDArray[np.float64]

# Units in the last place of |p| + the way so far. Right implementations in any order of operations stay below 40 in 50
# steps; the wrong ones that are known are off by thousands at least.
BUDGET = 512.0
SINGLE = 2e-6  # of the way so far: what float32 on the way leaves in 50 steps
_ROUNDED = (
    2.0**-27
)  # where the parameters are float32 numbers themselves: a unit of which the budget is 32 ulp of these
EPSILON = {"torch.float64": 2.0**-52, "torch.float32": 2.0**-23, "torch.bfloat16": 2.0**-7, "torch.float16": 2.0**-10}


@dataclass(frozen=True)
class Departure:
    """The first step after which a parameter is not where it should be: its worst element there.

    `step` counts from 0; `relative` is the distance over the way that the element has gone so far.
    """

    plan: Plan
    name: str
    step: int
    where: tuple[int, ...]
    got: float
    expected: float
    ulp: float
    relative: float

    @property
    def sentence(self) -> str:
        """What happens, with numbers."""
        return f"{self.place} ({f'{self.ulp:.2g} ulp' if np.isfinite(self.ulp) else 'no number'})"

    @property
    def place(self) -> str:
        """When, and the two numbers: where they are those of two runs, a distance in ulp says nothing."""
        steps = "the first step" if self.step == 0 else f"step {self.step + 1}"
        return f"after {steps} a parameter is {self.got:.9g}, expected {self.expected:.9g}"


def departure(
    plan: Plan, answer: Answer, right: Mapping[str, Path], precision: float = 0.0, coarse: float = 0.0
) -> Departure | None:
    """Where a run leaves the right paths, if it does.

    `precision` is how far it may be off, relative to the way so far, beyond what rounding makes of it; `coarse` the
    same, relative to the longest way of the parameter's numbers: what a rule of whole tensors can be held to.
    """
    found = [
        each
        for name, path in right.items()
        if name in answer.tensors
        for each in [_of_parameter(plan, name, answer.tensors[name], path, precision, coarse)]
        if each is not None
    ]
    return min(found, key=lambda each: (each.step, -each.ulp), default=None)


def apart(
    plan: Plan, got: Mapping[str, Tensor], right: Mapping[str, Tensor], precision: float = 0.0
) -> Departure | None:
    """Where one run leaves another that is to go the same way, if it does: see `departure`."""
    paths = {
        name: Path(table, np.zeros_like(table), {})
        for name in plan.start
        if name in right
        for table in [right[name].double().numpy()]
    }
    return departure(plan, Answer(tensors=got), paths, precision)


def _of_parameter(plan: Plan, name: str, tensor: Any, path: Path, precision: float, coarse: float) -> Departure | None:
    got, start = tensor.double().numpy(), plan.start[name].double().numpy()
    if got.shape != path.parameters.shape:
        return Departure(plan, name, 0, (), float("nan"), float("nan"), float("inf"), float("inf"))
    if not got.size:
        return None
    with np.errstate(over="ignore"):
        rounded = precision >= SINGLE and np.array_equal(got, got.astype(np.float32), equal_nan=True)
    unit, way = _scale(start, path.parameters, _ROUNDED if rounded else EPSILON[str(tensor.dtype)])
    off = np.abs((got - path.parameters) - path.low)
    off = np.where(np.isnan(off), np.inf, off)
    same = (got == path.parameters) | (np.isnan(got) & np.isnan(path.parameters))
    off = np.where(same, 0.0, off)
    longest = way.reshape(len(way), -1).max(axis=1).reshape(-1, *[1] * (way.ndim - 1))
    wrong = off > BUDGET * unit + precision * way + coarse * longest
    if not wrong.any():
        return None
    step = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
    ratio = np.where(wrong[step], off[step] / unit[step], 0.0)
    place = np.unravel_index(int(np.argmax(ratio)), ratio.shape) if ratio.shape else ()
    where = tuple(int(each) for each in place)
    at = (step, *where)
    relative = float(off[at] / way[at]) if way[at] > 0 else float("inf")
    return Departure(plan, name, step, where, float(got[at]), float(path.parameters[at]), float(ratio[where]), relative)


def _scale(start: Floats, path: Floats, epsilon: float) -> tuple[Floats, Floats]:
    """At each step, an ulp of |p| + the way so far, and that way."""
    moves = np.abs(np.diff(np.concatenate([start[None], path]), axis=0))
    way = np.cumsum(np.nan_to_num(moves, posinf=0.0), axis=0)
    return epsilon * (np.abs(start)[None] + way) + 5e-324, way


def leaves(
    subject: "OptimizerSubject", plan: Plan, *, precision: float = 0.0, counts: Any = None, definition: Any = None
) -> Departure | None:
    """Where the subject leaves its definition (or another) in a plan. Raises `Refused` where it raises."""
    answer = subject.must(plan)
    rule = definition or subject.definition
    assert rule is not None
    right = subject.expected(plan, definition=definition, counts=counts)
    return departure(plan, answer, right, precision, rule.precision)


def smallest(subject: "OptimizerSubject", found: Departure, judge: Callable[[Plan], Departure | None]) -> Departure:
    """The same fault with one number as the only parameter, or one parameter, and no step more than needed."""
    plan = found.plan.first(found.step + 1)
    alone = plan.only(found.name)
    tries = []
    if len(subject.shapes["a"]) == len(plan.start[found.name].shape) or found.where:
        tries.append(_element(alone, found))
    for tried in (*tries, alone, plan):
        try:
            again = judge(tried)
        except Exception:
            continue
        if again is not None:
            return again
    return found


def _element(plan: Plan, found: Departure) -> Plan:
    """The plan with one number of the parameter, in as many dimensions."""
    name, at = found.name, found.where
    whole = tuple(slice(each, each + 1) for each in at)
    return plan.with_(
        start={name: plan.start[name][whole]}, gradients={name: plan.gradients[name][(slice(None), *whole)]}
    )


def finding(
    subject: "OptimizerSubject",
    found: Departure,
    sentence: Callable[[Departure], str],
    judge: Callable[[Plan], Departure | None] | None = None,
    *,
    severity: Severity | None = None,
) -> Finding:
    """The finding for a departure: shrunk where a judge is given, explained, with a script."""
    from torchstone.check.optimizers.diagnose import cause
    from torchstone.check.optimizers.script import script

    reason = cause(subject, found.plan)
    small = smallest(subject, found, judge) if judge is not None else found
    return Finding(
        sentence(small),
        shown(subject, small.plan),
        small.expected,
        small.got,
        small.ulp,
        reason,
        script(subject, small),
        severity,
    )


def shown(subject: "OptimizerSubject", plan: Plan) -> dict[str, Any]:
    """A plan as a finding holds it."""
    from torchstone.check.evidence import plain

    told: dict[str, Any] = {name: plain(tensor) for name, tensor in plan.start.items()}
    told |= {f"{name}.grad at each step": plain(tensor) for name, tensor in plan.gradients.items()}
    if plan.hyper:
        told["arguments"] = subject.build(plan.hyper)
    if plan.changes:
        told["changed before step"] = {step + 1: subject.build(values) for step, values in plan.changes.items()}
    if any(plan.missing.values()):
        told["no gradient at step"] = {name: [step + 1 for step in steps] for name, steps in plan.missing.items()}
    return told
