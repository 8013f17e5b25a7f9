"""What an optimizer's parameters have to do with each other: nothing, whatever their order and their groups."""

from collections.abc import Iterator, Mapping

from torchstone.check.optimizers.apart import ACCIDENTS, Parting, handed, parting, present, small
from torchstone.check.optimizers.evidence import shown
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.script import stepping
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.probe import Answer
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule

_STEPS = 4


@rule("O303", "order-and-split", kinds=("optimizer",))
def order_and_split(subject: OptimizerSubject) -> Iterator[Finding]:
    """The order of the parameters, and how they are shared out to groups, does not matter.

    Why: where state is kept by shape, by place in a list or in a global variable, one layer moves with the momentum of
        another. Every loss still goes down.
    How: three parameters, two of them with the same shape and the same values but other gradients, are handed over in
        two orders, and in groups of their own with the same settings: each has to go the same way. Then two of one
        shape take turns with their gradients; those of one must not show in the other.
    False alarms: a norm over all parameters, or an estimate that all share, couples them whatever their order: that is
        a design, and only the order has to make no difference then. What draws random numbers is left out.
    Instead: keep state by parameter, `self.state[p]`, and use nothing of one parameter in the loop for the next.
    """
    if subject.trait("stochastic"):
        raise NotApplicable("it draws random numbers, in the order of its parameters")
    plan = _twins(subject)
    base = subject.must(plan)
    turned = plan.with_(start={name: plan.start[name] for name in reversed(list(plan.start))})
    other = subject.must(turned)
    found = parting(plan, other.tensors, base.tensors)
    if found is not None:
        yield _finding(subject, turned, found, "handed over in the opposite order", _of_order(subject))
        return
    mixed = None if subject.trait("couples_params") else _remembered(subject)
    if mixed is not None:
        yield mixed
        return
    if subject.has("param_groups"):
        yield from _split(subject, plan, base)


def _twins(subject: OptimizerSubject) -> Plan:
    """Two parameters that begin alike, and one of another shape."""
    plan = small(subject, _STEPS, "a", "b", alike=True)
    third = small(subject, _STEPS, "b", "c")
    return plan.with_(
        start={"a": plan.start["a"], "b": plan.start["a"].clone(), "c": third.start["c"]},
        gradients={**plan.gradients, "c": third.gradients["c"]},
    )


def _split(subject: OptimizerSubject, plan: Plan, base: Answer) -> Iterator[Finding]:
    """In groups of their own; where one parameter's gradients move another in one group, nothing can be said."""
    answer = subject.run(_in_groups(plan))
    if not answer.ok:
        if answer.during == "build":
            return
        alike = plan.only("a", "b")  # where shapes don't get into each other's way
        again = subject.run(_in_groups(alike))
        if not again.ok:
            yield Finding(
                f"where each parameter has a group of its own, it raises {answer.error}",
                _with_order(subject, plan.first(1)),
                repro=stepping(subject, plan.first(1), [], handed=handed(_in_groups(plan))),
                severity="error" if answer.error_type in ACCIDENTS else "warning",
            )
            return
        plan, answer = alike, again
    found = parting(plan, answer.tensors, base.tensors)
    if found is None or subject.trait("couples_params") or _couples(subject, plan, base):
        return
    cause = "state is kept by the place of a parameter in its group, or by group"
    yield _finding(subject, _in_groups(plan), found, "in a parameter group of its own", cause)


def _in_groups(plan: Plan) -> Plan:
    return plan.with_(options={"groups": [[name] for name in plan.start]})


def _couples(subject: OptimizerSubject, plan: Plan, base: Answer) -> bool:
    """Whether one parameter's gradients move the others, whoever they are."""
    louder = plan.with_(gradients={**plan.gradients, "b": plan.gradients["b"] * -16.0})
    answer = subject.run(louder)
    return answer.ok and all(_parts(plan, answer, base, name) for name in plan.start if name != "b")


def _parts(plan: Plan, one: Answer, other: Answer, name: str) -> bool:
    return parting(plan.only(name), one.tensors, other.tensors) is not None


def _of_order(subject: OptimizerSubject) -> str:
    """Why the order matters: because of equal shapes, or whatever the shapes."""
    plan = small(subject, _STEPS, "a", "b")
    turned = plan.with_(start={name: plan.start[name] for name in ("b", "a")})
    runs = subject.run(plan), subject.run(turned)
    if not all(each.ok for each in runs):
        return ""
    if parting(plan, runs[1].tensors, runs[0].tensors) is None:
        return "parameters of the same shape share their state"
    return "something that is kept for all parameters changes from one parameter to the next in the same step"


def _remembered(subject: OptimizerSubject) -> Finding | None:
    """A parameter that moves with another's past gradients, though they never have any at the same step."""
    plan = small(subject, 6, "a", "b", alike=True)
    plan = plan.with_(missing={"a": [2, 3], "b": [0, 1, 4, 5]})
    louder = plan.with_(gradients={**plan.gradients, "a": plan.gradients["a"] * -16.0})
    one, other = subject.run(plan), subject.run(louder)
    if not (one.ok and other.ok):
        return None
    found = parting(plan.only("b"), other.tensors, one.tensors)
    if found is None:
        return None
    steps = present(plan, "b")
    return Finding(
        f"a parameter moves by {found.got - float(plan.start['b'][found.where]):.3g} in its first {len(steps)} steps, "
        f"and by {found.expected - float(plan.start['b'][found.where]):.3g} if another one had other gradients before",
        shown(subject, louder.first(found.step + 1)),
        found.expected,
        found.got,
        cause="what is remembered of one parameter is used for another: is it kept by place in a list?",
        repro=stepping(
            subject,
            louder.first(found.step + 1),
            [f"print({found.element}.item())  # {found.expected!r} with other gradients of a"],
        ),
    )


def _finding(subject: OptimizerSubject, plan: Plan, found: Parting, how: str, cause: str) -> Finding:
    cut = plan.first(found.step + 1)
    return Finding(
        f"{how}, a parameter moves by {found.moved:.3g} at step {found.step + 1}, otherwise by {found.should:.3g}",
        _with_order(subject, cut),
        found.expected,
        found.got,
        cause=cause,
        repro=stepping(
            subject, cut, [f"print({found.element}.item())  # otherwise {found.expected!r}"], handed=handed(plan)
        ),
    )


def _with_order(subject: OptimizerSubject, plan: Plan) -> Mapping[str, object]:
    return {"order": list(plan.start), **shown(subject, plan)}
