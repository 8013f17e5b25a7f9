"""Rules on when an optimizer's parameters have gradients: at every step, from some step on, now and then, or never."""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from torchstone.check.asking import Refused
from torchstone.check.optimizers.apart import ACCIDENTS, Parting, alone, handed, parting, present, small
from torchstone.check.optimizers.evidence import leaves, shown
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.script import stepping
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.probe import Answer
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule


@rule("O301", "late-parameter", kinds=("optimizer",))
def late_parameter(subject: OptimizerSubject) -> Iterator[Finding]:
    """A parameter without a gradient is left alone, and goes on, or begins, where it left off.

    Why: layers are frozen and thawed, experts and branches get gradients in some steps only. A step count that all
        parameters share lets the bias correction of a late one start at step 1000: its first steps are three times
        too long, or too short. Several optimizers in use had this bug.
    How: two parameters take turns. One has gradients at steps 1 to 3, then the other one for the first time, and so
        on. Each must stay where it is while it has none, and otherwise go as if it were alone and those steps had not
        been. Then the same with the two in groups of their own, so that a whole group has no gradient at first.
    False alarms: a count for all is a published design, too (Keras and optax count so, and everything with a schedule
        of its own). It is a warning in a plain class, and where no update rule is known; declared with
        `@torchstone.traits(global_step=True)` it is none. A count that advances once for each parameter is an error in
        any case. Where parameters are coupled on purpose, or numbers are drawn, nothing can be said.
    Instead: keep the count with the other state of a parameter, `state["step"] += 1`, after `if p.grad is None:
        continue`.
    """
    for trait in ("couples_params", "stochastic"):
        if subject.trait(trait):
            raise NotApplicable(f"{subject.known_traits[trait].meaning}: {trait}")
    plan = _taking_turns(subject)
    subject.must(plan.first(2).with_(missing={}))
    right = {name: subject.must(alone(plan, name)).tensors[name] for name in plan.start}
    answer = subject.run(plan)
    if not answer.ok:
        yield from _raises(subject, plan, answer, "at a step at which one of two parameters has no gradient")
        return
    found = _late(subject, plan, answer, right)
    if found is None and subject.has("param_groups"):
        plan = plan.with_(options={"groups": [[name] for name in plan.start]})
        answer = subject.run(plan)
        if not answer.ok and answer.during != "build":
            yield from _raises(subject, plan, answer, "where a whole parameter group has no gradient in the first step")
            return
        found = _late(subject, plan, answer, right) if answer.ok else None
    if found is not None:
        yield found


def _taking_turns(subject: OptimizerSubject) -> Plan:
    """Two parameters that never have a gradient at the same step: what couples the gradients of a step is at rest."""
    plan = small(subject, 9, "a", "b")
    first = [0, 1, 2, 5, 6]
    return plan.with_(missing={"a": [step for step in range(9) if step not in first], "b": first})


def _late(subject: OptimizerSubject, plan: Plan, answer: Answer, right: Mapping[str, Tensor]) -> Finding | None:
    told = _severity(subject)
    for name in ("b", "a"):
        path, steps = answer.tensors[name], present(plan, name)
        for step in plan.missing[name]:
            before = plan.start[name] if step == 0 else path[step - 1]
            off = (path[step] - before).abs()
            if bool((off > 0).any()):
                return Finding(
                    f"a parameter moves by {float(off.max()):.3g} at step {step + 1}, at which it has no gradient",
                    shown(subject, plan.first(step + 1)),
                    repro=_script(subject, plan.first(step + 1), f"print({name}.tolist())"),
                    severity=told,
                )
        found = parting(alone(plan, name), {name: path[steps]}, right)
        if found is not None:
            return _parted(subject, plan, found, steps)
    return None


def _parted(subject: OptimizerSubject, plan: Plan, found: Parting, steps: Sequence[int]) -> Finding | None:
    severity, cause = _severity(subject), ""
    at = steps[found.step]
    if _each_counts(subject):
        severity, cause = "error", "the step count advances once for each parameter, not once a step"
    elif _counts_all(subject, plan):
        cause = "one step count is shared by all parameters"
        if subject.trait("global_step"):
            return None
    elif subject.trait("global_step") and subject.definition is None:
        return None
    gap = next((each for each in plan.missing[found.name] if steps[0] < each < at), None)
    if gap is None:
        who = f"a parameter that gets its first gradient at step {steps[0] + 1}"
        other = "a fresh optimizer moves it"
    else:
        who, other = "a parameter that had no gradient for two steps", "without those steps it moves"
    then = "then" if at == steps[0] else f"at step {at + 1}"
    small = plan.first(at + 1)
    return Finding(
        f"{who} moves by {found.moved:.3g} {then}, {other} by {found.should:.3g}",
        shown(subject, small),
        found.expected,
        found.got,
        cause=cause,
        repro=_script(subject, small, f"print({found.element}.item())  # expected {found.expected!r}"),
        severity=severity,
    )


def _script(subject: OptimizerSubject, plan: Plan, line: str) -> str:
    return stepping(subject, plan, [line], handed=handed(plan))


def _severity(subject: OptimizerSubject) -> Severity:
    """An error where the rule that it follows has each parameter by itself, as PyTorch's optimizers have."""
    sure = subject.knowledge != "nothing" and subject.firm
    return "error" if sure and subject.description.is_module else "warning"


def _each_counts(subject: OptimizerSubject) -> bool:
    """Whether a parameter goes another way when it stands behind another one."""
    plan = small(subject, 3, "a", "b")
    before, behind = subject.run(plan), subject.run(_turned(plan))
    return before.ok and behind.ok and parting(plan, behind.tensors, before.tensors) is not None


def _counts_all(subject: OptimizerSubject, plan: Plan) -> bool:
    """Whether the update rule gives this path with one count for all."""
    if subject.definition is None:
        return False
    counts = {name: list(range(1, plan.steps + 1)) for name in plan.start}
    try:
        return leaves(subject, plan, counts=counts, precision=1e-5) is None
    except (Refused, ValueError):  # it refuses, or the rule is for matrices only
        return False


def _raises(subject: OptimizerSubject, plan: Plan, answer: Answer, when: str) -> Iterator[Finding]:
    """What is raised in an everyday situation: an accident is a fault, a refusal worth knowing."""
    accident = answer.error_type in ACCIDENTS and subject.description.is_module
    yield Finding(
        f"{when} it raises {answer.error}",
        shown(subject, plan),
        repro=_script(subject, plan.first(4), "# raises"),
        severity="error" if accident else "warning",
    )


def _turned(plan: Plan) -> Plan:
    """The same parameters, handed over in the opposite order."""
    return plan.with_(start={name: plan.start[name] for name in reversed(list(plan.start))})
