"""An optimizer in a training loop: closures, graphs, scaled and clipped gradients, and its two modes."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from torchstone.check.asking import Refused, granted
from torchstone.check.optimizers.evidence import apart, shown
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.script import stepping
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.probe import Answer
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule

_SAME = 1e-9  # of the way so far


@rule("O501", "closure", kinds=("optimizer",))
def closure(subject: OptimizerSubject) -> Iterator[Finding]:
    """`step(closure)` calls the closure once, with gradients enabled, before it reads them, and returns its value.

    Why: `def closure(): optimizer.zero_grad(); loss = model(x).sum(); loss.backward(); return loss` is how L-BFGS, SAM
        and several trainers call any optimizer. Under `no_grad` its backward raises; one that is called after the
        gradients were read lets every step lag by one.
    How: steps with a closure that computes a loss and counts its calls, over parameters that hold other gradients from
        before; the path has to be that of plain steps. What is returned is compared with the closure's value.
    False alarms: an optimizer that requires a closure (L-BFGS, SAM) may call it as often as it likes; that it returns
        nothing is a warning then. Where a closure is optional and called several times on purpose, declare
        `@torchstone.traits(closure="multi")`. Classes whose `step` takes no closure are not looked at.
    Instead: `loss = None` and, at the top of `step`, `if closure is not None:` `with torch.enable_grad():` `loss =
        closure()`; at its end `return loss`.
    """
    plan = subject.ordinary(3)
    plain = subject.must(plan)
    answer = subject.ask("closures", plan.tensors, subject.options(plan))
    if not answer.ok:
        raise Refused(f"given a closure, it raises {answer.error}")
    if not answer.facts["takes"]:
        raise NotApplicable("its step takes no closure")
    required = bool(subject.spec.usage.get("closure"))
    several = required or subject.trait("closure") == "multi"
    calls, losses, returned = (answer.facts[name][0] for name in ("calls", "losses", "returned"))
    # A plain class may have the argument for the look of it: nobody else's code hands it closures.
    lenient: Severity | None = None if subject.description.is_module else "warning"
    if not calls:
        told = "the closure is never called: the step goes by the gradients from before"
        yield replace(_closing(subject, plan, told), severity=lenient)
        return
    if not all(calls):
        yield _closing(
            subject, plan, "the closure runs without gradients (under no_grad): loss.backward() in it raises"
        )
    if len(calls) > 1 and not several:
        yield _closing(subject, plan, f"one step calls the closure {len(calls)} times, expected once")
    if returned is None:
        told = f"step(closure) returns None, expected the closure's value {losses[0]:.6g}"
        yield replace(_closing(subject, plan, told), severity="warning" if several else lenient)
    elif isinstance(returned, str) and not several:
        yield _closing(subject, plan, f"step(closure) returns a {returned}, expected the closure's value")
    elif not isinstance(returned, str) and min(abs(returned - loss) for loss in losses) > 1e-6 * abs(losses[0]):
        yield _closing(subject, plan, f"step(closure) returns {returned:.6g}, expected the closure's {losses[0]:.6g}")
    found = apart(plan, answer.tensors, plain.tensors, _SAME) if not several and all(calls) else None
    if found is not None and len(calls) == 1 and _reads_others(subject, plan, answer):
        yield Finding(
            f"with a closure it goes by other gradients than those that the closure computes: {found.place}",
            shown(subject, plan),
            found.expected,
            found.got,
            cause="the gradients are read before the closure is called",
        )
    others = [each for each in plain.facts["returned"] if each != "NoneType"]
    if others and not required:
        yield Finding(f"step() without a closure returns a {others[0]}, expected None", severity="note")


def _reads_others(subject: OptimizerSubject, plan: Plan, answer: Answer) -> bool:
    """Whether the gradients from before matter: else it is the loss that it goes by."""
    same = subject.ask("closures", plan.tensors, {**subject.options(plan), "before": 1.0})
    return same.ok and apart(plan, same.tensors, answer.tensors, _SAME) is not None


def _closing(subject: OptimizerSubject, plan: Plan, text: str) -> Finding:
    name = next(iter(plan.start))
    lines = [
        "def closure():",
        "    optimizer.zero_grad()",
        f"    loss = ({name} * gradients_{name}[0]).sum()",
        '    print("called,", "with" if torch.is_grad_enabled() else "without", "gradients")',
        "    loss.backward()",
        "    return loss",
        "print(optimizer.step(closure))  # expected: called once, with gradients; then the loss",
    ]
    return Finding(text, repro=stepping(subject, plan.only(name).first(1), lines))


@rule("O502", "no-graph", kinds=("optimizer",), after=())
def no_graph(subject: OptimizerSubject) -> Iterator[Finding]:
    """A step leaves no graph: neither on a parameter, nor on what the optimizer remembers.

    Why: a step outside of `no_grad` records itself. A parameter with a history is no leaf any more and gets no
        gradient; a momentum with one keeps every step since the first in memory, and training dies of it hours later.
    How: eight steps, with weight decay where there is one, for that brings the parameter itself into the state. Then
        the parameters have to be leaves that want a gradient, and no tensor that the optimizer keeps may have a graph.
        One that does not grow is a warning.
    False alarms: `differentiable=True` asks for a graph: such a subject is not looked at.
    Instead: `@torch.no_grad()` above `def step`.
    """
    if subject.settings.get("differentiable"):
        raise NotApplicable("it is told to be differentiable")
    decay = {"weight_decay": 0.1} if subject.takes("weight_decay") else {}
    plan = subject.ordinary(8).with_(hyper=decay)
    answer = subject.ask("graphs", plan.tensors, subject.options(plan))
    if not answer.ok and decay:
        plan = subject.ordinary(8)
        answer = subject.ask("graphs", plan.tensors, subject.options(plan))
    granted(answer)
    for name, what in answer.facts["parameters"].items():
        lines = [f"print({name}.requires_grad, {name}.grad_fn)  # expected True None"]
        yield Finding(f"after a step a parameter {what}", repro=stepping(subject, plan.only(name).first(2), lines))
        return
    kept = {path: nodes for path, nodes in answer.facts["kept"].items() if nodes[1]}
    replaced = [path for path in kept if path.startswith("param_groups[")]
    if replaced:
        yield Finding(
            "a parameter in its groups is replaced by the result of a computation, which has a graph",
            repro=_kept_script(subject, plan, replaced[0]),
        )
        return
    growing = {path: nodes for path, nodes in kept.items() if nodes[1] > nodes[0] > 0}
    for path, (before, after) in (growing or kept).items():
        more = f" ({before} operations after 5 steps, {after} after 8)" if growing else ""
        grown = "has a graph that grows with each step" if growing else "has a graph"
        yield Finding(
            f"what it keeps in {path} {grown}{more}",
            cause="the step runs with gradients enabled" if growing else "",
            repro=_kept_script(subject, plan, path),
            severity=None if growing else "warning",
        )
        return


def _kept_script(subject: OptimizerSubject, plan: Plan, path: str) -> str:
    if path.startswith("state["):
        return stepping(
            subject, plan.only("a").first(2), ["print(optimizer.state[a])  # expected tensors without a grad_fn"]
        )
    return stepping(subject, plan.first(2), [f"print(optimizer.{path}.grad_fn)  # expected None"])


@rule("O505", "amp-clip-accum", kinds=("optimizer",), tier="full", severity="warning")
def amp_clip_accum(subject: OptimizerSubject) -> Iterator[Finding]:
    """It works in the loops that people train with: a `GradScaler`, clipped gradients, accumulated ones.

    Why: each of these changes `.grad` between backward and step, or leaves a step out. An optimizer that takes its
        gradients elsewhere, or counts what was left out, trains differently there, and only there.
    How: a `GradScaler` whose factor is a power of two, with one overflow; `clip_grad_norm_` before each step; two
        backward passes per step that add up. Each has to go where plain steps with the same numbers go.
    False alarms: a `GradScaler` passes no closure on; what requires one is not tried with it.
    Instead: read `p.grad` in `step`, each time.
    """
    if subject.spec.usage.get("closure") or subject.spec.usage.get("sparse"):
        raise NotApplicable("it needs a closure, or sparse gradients")
    plan = subject.ordinary(5)
    subject.must(plan)
    for how, told in _LOOPS.items():
        if how == "scaler" and not subject.has("param_groups"):
            continue
        tried = plan.with_(options={"how": how})
        answer = subject.ask("scaled", tried.tensors, subject.options(tried))
        if not answer.ok:
            yield Finding(f"with {told} it raises {answer.error}", severity="note")
            continue
        straight = {name: answer.tensors[f"plain.{name}"] for name in plan.start}
        found = apart(plan, answer.tensors, straight, _SAME)
        if found is not None:
            yield Finding(
                f"with {told} it goes elsewhere: {found.place}", shown(subject, plan), found.expected, found.got
            )


_LOOPS = {
    "scaler": "a GradScaler, one of whose gradients overflows,",
    "clipping": "gradients that are clipped before the step",
    "accumulating": "gradients that two backward passes add up",
}


@rule("O506", "modes", kinds=("optimizer",))
def modes(subject: OptimizerSubject) -> Iterator[Finding]:
    """`eval()` and `train()` lead there and back, and a checkpoint can be taken in either mode.

    Why: a schedule-free optimizer keeps other weights for evaluation than for training. Whoever validates once an
        epoch switches there and back; a switch that does not undo itself moves the weights each time, and a step in
        the wrong mode ruins them.
    How: steps with `eval()` and `train()` after each of them, both called twice, have to go where plain steps go. A
        state dict that is taken in evaluation mode has to lead on in another optimizer. A step in evaluation mode
        has to be refused; where it is not, that is a warning.
    False alarms: none known. Only what has both methods is looked at.
    Instead: a switch in each group, `if group["train_mode"]:`, that says in which of the two the weights are.
    """
    if not subject.trait("train_eval"):
        raise NotApplicable("it has no train() and eval()")
    plan = subject.ordinary(6)
    plain = subject.must(plan)
    answer = subject.ask("train_and_eval", plan.tensors, subject.options(plan))
    if not answer.ok:
        yield Finding(f"its {answer.during} raises {answer.error}")
        return
    found = answer.tensors
    wrong = apart(plan, found, plain.tensors, _SAME)
    if wrong is not None:
        yield Finding(
            f"eval() and train() after each step change where it goes: {wrong.place}",
            shown(subject, plan),
            wrong.expected,
            wrong.got,
            repro=stepping(subject, plan.only(wrong.name).first(2), _there_and_back(wrong.name)),
        )
    again = apart(plan, _part(found, "again."), _part(found, "evaluated."), _SAME)
    if again is not None:
        yield Finding(f"a second eval() moves the parameters once more: {again.place}", shown(subject, plan))
    if answer.facts["resumed"]:
        yield Finding(f"a state dict that was taken after eval() does not load: {answer.facts['resumed']}")
    elif wrong is None and "resumed.a" in found:
        resumed = apart(plan, _part(found, "resumed."), plain.tensors, _SAME)
        if resumed is not None:
            yield Finding(
                f"a state dict that was taken after eval() leads elsewhere: {resumed.place}",
                shown(subject, plan),
                resumed.expected,
                resumed.got,
            )
    differs = apart(plan, _part(found, "evaluated."), plain.tensors, _SAME) is not None
    if differs and not answer.facts["stepped"]:
        yield Finding(
            "a step in evaluation mode is not refused, and goes on from the weights of the evaluation",
            severity="warning",
        )


def _there_and_back(name: str) -> list[str]:
    return [
        f"before = {name}.detach().clone()",
        *("optimizer.eval()", "optimizer.eval()", "optimizer.train()"),
        f"print(({name} - before).abs().max().item())  # expected 0, or nearly so",
    ]


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}
