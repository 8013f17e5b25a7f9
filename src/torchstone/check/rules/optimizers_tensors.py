"""Rules on the tensors that an optimizer is given: parameters are changed in place, gradients are left as they are."""

from collections.abc import Iterator, Mapping
from typing import Any

from torchstone.check.asking import granted
from torchstone.check.optimizers.apart import lively, parting, small
from torchstone.check.optimizers.evidence import shown
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.script import stepping
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.result import Finding
from torchstone.check.rule import rule

_STEPS = 4
# Settings that people write into the gradient.
_MIXED_IN: tuple[Mapping[str, Any], ...] = ({}, {"weight_decay": 0.1}, {"maximize": True}, {"nesterov": True})


@rule("O305", "in-place", kinds=("optimizer",))
def in_place(subject: OptimizerSubject) -> Iterator[Finding]:
    """A step changes the numbers of the parameters that it was given: same objects, same memory.

    Why: `p.data = p.data - lr * g` gives a parameter new memory. Whatever shares the old one keeps the old numbers: a
        tied weight, a view in a flat buffer, a distributed wrapper, a captured graph.
    How: a view of each parameter is held over two steps, and has to show the new numbers. The parameter has to be the
        same object in the groups, a leaf, with `requires_grad`. Its version has to go up, so that autograd notices
        when what it needs was overwritten: through `.data` it doesn't.
    False alarms: what swaps weights within a step and calls its closure twice (sharpness-aware methods) gets a
        warning. Steps through `.data` in place are a common style: a note.
    Instead: `with torch.no_grad(): p.sub_(lr * g)`, or `p.copy_(...)`.
    """
    plan = subject.ordinary(2)
    facts = granted(subject.ask("stepped_in_place", plan.tensors, subject.options(plan))).facts
    swaps = facts["calls"] > 1
    seen = facts["parameters"].values()
    line = "p = next(iter(parameters)); view = p.detach(); optimizer.step(); assert torch.equal(view, p)"
    if any(not each["view"] for each in seen):
        yield Finding(
            "a step gives a parameter new memory: a view of it, or a weight tied to it, keeps the old numbers",
            cause="`p.data = ...` binds another tensor; `p.copy_(...)` writes into the same one",
            repro=_view(subject),
            severity="warning" if swaps else None,
        )
    if any(each["held"] is False for each in seen):
        yield Finding("after a step its groups hold other objects than the parameters that it was given", cause=line)
    if any(not each["leaf"] or not each["requires"] for each in seen):
        lost = "a leaf" if any(not each["leaf"] for each in seen) else "one that requires a gradient"
        yield Finding(f"after a step a parameter is no longer {lost}: the next backward gives it none")
    if any(each["moved"] and each["view"] and not each["version"] for each in seen):
        yield Finding(
            "parameters change through `.data`, so that autograd does not notice when it needed the old numbers",
            severity="note",
        )


def _view(subject: OptimizerSubject) -> str:
    plan = small(subject, 1, "a")
    script = stepping(subject, plan, ["print(view.tolist(), a.tolist())  # expected the same numbers"])
    lines = script.split("\n")
    at = next((number for number, line in enumerate(lines) if line.startswith("for step")), None)
    return "\n".join([*lines[:at], "view = a.detach()", *lines[at:]]) if at is not None else ""


@rule("O306", "grad-untouched", kinds=("optimizer",), severity="warning")
def grad_untouched(subject: OptimizerSubject) -> Iterator[Finding]:
    """A step leaves `.grad` as it is, and keeps nothing that lies in its memory; `zero_grad` clears it.

    Why: gradients are logged, clipped and accumulated; a weight decay added into `.grad` is there again in the next
        micro-batch. And `state["buffer"] = p.grad` without a clone is overwritten by the next backward wherever
        gradients are zeroed and not dropped: the momentum is lost, and nobody is told.
    How: gradients before and after each step, with weight decay, maximize and Nesterov turned on where it has them.
        The same steps with a new tensor for each gradient, and with one tensor that is filled again: the way has to
        be the same (else an error). `zero_grad` has to leave no gradient, by default and with `set_to_none` both ways,
        and between steps it has to leave all else as it was.
    False alarms: some use the gradient as a buffer on purpose, to save memory, and some clip it in place: a warning.
        Declared with `@torchstone.traits(owns_gradients=True)`, nothing is said of that.
    Instead: `g = g.add(p, alpha=weight_decay)` without the underscore, and `p.grad.clone()` for what is kept.
    """
    yield from _aliased(subject)
    if not subject.trait("owns_gradients"):
        yield from _changed(subject)
    if subject.has("zero_grad"):
        yield from _left(subject)


def _aliased(subject: OptimizerSubject) -> Iterator[Finding]:
    if subject.spec.usage.get("sparse"):
        return
    plan = small(subject, _STEPS, "a")
    new, kept = subject.run(plan), subject.run(plan.with_(options={"kept": True}))
    if not (new.ok and kept.ok):
        return
    found = parting(plan, kept.tensors, new.tensors)
    if found is None:
        return
    facts = subject.ask("gradients_after", plan.tensors, subject.options(plan)).facts
    where = " and ".join(f'state["{key}"]' for key in facts.get("shared", ()))
    cut = plan.first(found.step + 1).with_(options={"kept": True})
    yield Finding(
        f"where `.grad` is filled again and not replaced, a parameter moves by {found.moved:.3g} at step "
        f"{found.step + 1}, not by {found.should:.3g}: what it remembers is overwritten",
        shown(subject, cut),
        found.expected,
        found.got,
        cause=f"{where or 'something that it keeps'} is the gradient's own tensor, not a copy",
        repro=stepping(subject, cut, [f"print({found.element}.item())  # expected {found.expected!r}"]),
        severity="error",
    )


def _changed(subject: OptimizerSubject) -> Iterator[Finding]:
    for hyper in _MIXED_IN:
        if not all(subject.takes(name) for name in hyper):
            continue
        plan = small(subject, 2, "a").with_(hyper={**lively(subject), **hyper})
        answer = subject.ask("gradients_after", plan.tensors, subject.options(plan))
        change = answer.facts.get("changed") if answer.ok else None
        if change is None:
            continue
        told = ", ".join(f"{name}={value!r}" for name, value in subject.build(hyper).items())
        after = "none" if change["after"] is None else f"{change['after']:.6g}"
        cut = plan.first(change["step"] + 1)
        where = "".join(f"[{each}]" for each in change["where"])
        yield Finding(
            f"a step changes `.grad`: {change['before']:.6g} before, {after} after{f', with {told}' if told else ''}",
            shown(subject, cut),
            change["before"],
            change["after"],
            cause=_why(change),
            repro=stepping(subject, cut, [f"print(a.grad{where})  # expected {change['before']!r}"]),
        )
        return


def _why(change: Mapping[str, Any]) -> str:
    """What was done to a gradient."""
    before, after, parameter = change["before"], change["after"], change["parameter"]
    if after is None:
        return "`.grad` is dropped in the step"
    if abs(after - before - 0.1 * parameter) < 1e-9 * (abs(before) + abs(parameter)):
        return "the weight decay is added into `.grad`"
    if after == -before:
        return "the sign of `.grad` is turned in place"
    return "`.grad` is set to zero in the step" if after == 0 else "`.grad` is computed with in place"


def _left(subject: OptimizerSubject) -> Iterator[Finding]:
    plan: Plan = subject.ordinary(1)
    options = subject.options(plan)
    if subject.has("param_groups"):
        apart = subject.ask("cleared", plan.tensors, {**options, "groups": [[name] for name in plan.start]})
        answer = apart if apart.ok else subject.ask("cleared", plan.tensors, options)
    else:
        answer = subject.ask("cleared", plan.tensors, options)
    if not answer.ok:
        if answer.during == "zero_grad":
            yield Finding(f"zero_grad raises {answer.error}")
        return
    for arguments, largest in answer.facts["left"].items():
        if largest > 0:
            yield Finding(
                f"after zero_grad({arguments}) a gradient is still {largest:.6g}: the next backward adds to it",
                severity="error",
            )
            return
    if answer.facts["fresh"]:
        yield Finding(f"zero_grad raises {answer.facts['fresh']} where a parameter has no gradient yet")
    yield from _cleared_too_much(subject)


def _cleared_too_much(subject: OptimizerSubject) -> Iterator[Finding]:
    """What `zero_grad` takes away besides gradients: the velocities, the count of steps."""
    plan = small(subject, _STEPS, "a").with_(hyper=lively(subject))
    without, between = subject.run(plan), subject.run(plan.with_(options={"clear": True}))
    if not (without.ok and between.ok):
        return
    found = parting(plan, between.tensors, without.tensors)
    if found is not None:
        yield Finding(
            f"with zero_grad() between the steps, a parameter moves by {found.moved:.3g} at step {found.step + 1}, not "
            f"by {found.should:.3g}: it clears more than gradients",
            shown(subject, plan.first(found.step + 1)),
            found.expected,
            found.got,
            severity="error",
        )
