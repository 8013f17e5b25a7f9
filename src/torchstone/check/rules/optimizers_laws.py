"""What holds of every step: nothing comes of nothing, and the laws that the equations imply."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from torchstone.check.optimizers.evidence import SINGLE, Departure, apart, finding, shown
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.script import stepping
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule

_ROUNDED = 2.0**-23


@rule("O207", "noop", kinds=("optimizer",), severity="warning")
def noop(subject: OptimizerSubject) -> Iterator[Finding]:
    """Without gradients, with zero gradients from the start, or with a learning rate of 0, nothing moves.

    Why: a frozen parameter that moves is no longer frozen; a scheduler's first step has a learning rate of 0 often
        enough, and a parameter that no loss depends on has a gradient of zero.
    How: steps without any gradient: no parameter may change, and none may get state. Steps with zero gradients of a
        fresh optimizer, without weight decay; steps with ordinary gradients and a learning rate of 0.
    False alarms: PyTorch's Adagrad makes its state when it is built, ASGD shrinks parameters by `lambd`, and Rprop's
        learning rate is only where its step sizes begin. What the definition does, too, is a note. Noise is none of
        this rule's business.
    Instead: `if p.grad is None: continue`, at the top of the loop.
    """
    if subject.trait("stochastic"):
        raise NotApplicable("it draws random numbers")
    bare = {"weight_decay": 0.0} if subject.takes("weight_decay") else {}
    plan = subject.settled(subject.ordinary(2).with_(hyper=bare))
    yield from _without_gradients(subject, plan)
    zeros = plan.with_(gradients={name: torch.zeros_like(each) for name, each in plan.gradients.items()})
    yield from _moving(subject, zeros, "with zero gradients and no weight decay")
    if subject.takes("lr") and "lr" in subject.hyper:
        yield from _moving(subject, plan.with_(hyper={"lr": 0.0}), "with a learning rate of 0")


def _without_gradients(subject: OptimizerSubject, plan: Plan) -> Iterator[Finding]:
    none = plan.with_(missing={name: [0, 1] for name in plan.start})
    answer = subject.run(none)
    if not answer.ok:
        if answer.error_type in ("AttributeError", "TypeError", "UnboundLocalError", "NameError"):
            yield Finding(f"a step in which no parameter has a gradient raises {answer.error}", severity="warning")
        return
    for name, start in none.start.items():
        if not _stays(answer.tensors[name], start):
            yield _moved(subject, none, name, answer.tensors[name], "without a gradient", "error")
            return
    kept = {key.split(".")[-1] for key in answer.tensors if key.startswith("state.")}
    if kept:
        yield Finding(
            f"a parameter without a gradient gets state: {', '.join(sorted(kept))}; most optimizers make it with the"
            " first gradient",
            severity="note",
        )


def _moving(subject: OptimizerSubject, plan: Plan, when: str) -> Iterator[Finding]:
    answer = subject.run(plan)
    if not answer.ok:
        return  # loud: O102 is about what is refused
    for name, start in plan.start.items():
        path = answer.tensors[name]
        if not _stays(path, start):
            declared = subject.definition is not None and _moves_by_definition(subject, plan.only(name))
            yield _moved(subject, plan, name, path, when, "note" if declared else None)
            return


def _stays(path: torch.Tensor, start: torch.Tensor) -> bool:
    """Whether a parameter stays where it is, but for a way through float32."""
    return bool(((path - start).abs() <= _ROUNDED * start.abs()).all())


def _moves_by_definition(subject: OptimizerSubject, plan: Plan) -> bool:
    return any(
        not np.array_equal(path.parameters, np.broadcast_to(plan.start[name].numpy(), path.parameters.shape))
        for name, path in subject.expected(plan).items()
    )


def _moved(
    subject: OptimizerSubject, plan: Plan, name: str, path: torch.Tensor, when: str, severity: Severity | None
) -> Finding:
    before, after = plan.start[name].reshape(-1), path[-1].reshape(-1)
    off = (after - before).abs().nan_to_num(float("inf"))
    worst = int(off.argmax())
    small = plan.only(name)
    return Finding(
        f"a parameter moves {when}: from {float(before[worst]):.9g} to {float(after[worst]):.9g} in {len(path)} steps",
        shown(subject, small),
        expected=float(before[worst]),
        got=float(after[worst]),
        repro=stepping(subject, small, [f"print({name})"]),
        severity=severity,
    )


@rule("O208", "tensor-lr", kinds=("optimizer",), tier="full", severity="warning")
def tensor_lr(subject: OptimizerSubject) -> Iterator[Finding]:
    """A learning rate that is a tensor does what the number does.

    Why: a tensor is handed over where a compiled step must not be compiled anew for each value. An update that changes
        it in place, as in `lr *= correction`, makes every step smaller than the last.
    How: 5 steps with `lr=torch.tensor(0.01)`, and 5 with `lr=0.01`.
    False alarms: none known. A tensor that is refused is nothing to report.
    Instead: never change what is in the group in place: `step_size = lr / correction`.
    """
    if not subject.takes("lr"):
        raise NotApplicable("it has no learning rate that can be chosen")
    plan = subject.ordinary(5).with_(hyper={"lr": 0.01})
    found = _tensor_differs(subject, plan)
    if found is not None:
        yield finding(
            subject,
            found,
            lambda small: f"with lr=torch.tensor(0.01) it goes another way than with lr=0.01: {small.sentence}",
            lambda each: _tensor_differs(subject, each),
        )


def _tensor_differs(subject: OptimizerSubject, plan: Plan) -> Departure | None:
    number, tensor = subject.must(plan), subject.must(plan.with_(hyper={"lr": {"tensor": 0.01}}))
    return apart(plan, tensor.tensors, number.tensors, SINGLE)


# What may be done to a plan, and what that does to each step where the law holds.
_Change = Callable[[Plan], Plan]
_FACTOR = 4.0  # a power of two: rounding has no part in it


def _scaled(plan: Plan) -> Plan:
    return plan.with_(gradients={name: _FACTOR * each for name, each in plan.gradients.items()})


def _faster(plan: Plan) -> Plan:
    return plan.with_(hyper={"lr": _FACTOR * plan.hyper["lr"]})


def _elsewhere(plan: Plan) -> Plan:
    return plan.with_(start={name: each + 3.0 for name, each in plan.start.items()})


_LAWS: tuple[tuple[str, _Change, float], ...] = (
    ("gradients four times as large make steps four times as large", _scaled, _FACTOR),
    ("gradients four times as large make the same steps", _scaled, 1.0),
    ("a learning rate four times as large makes steps four times as large", _faster, _FACTOR),
    ("parameters moved by 3 make the same steps", _elsewhere, 1.0),
)


@rule("O209", "scale-law", kinds=("optimizer",), tier="full", severity="warning", need="definition")
def scale_law(subject: OptimizerSubject) -> Iterator[Finding]:
    """Its steps scale as its equations do: with the gradient, with the learning rate, with the place.

    Why: SGD's step is linear in the gradient, Adam's does not depend on its scale; who tunes a learning rate relies on
        that. A stray constant, a clipping, or a rate that enters twice breaks the law where no single number looks odd.
    How: which laws hold is read off the definition's own path, with eps near 0 and without weight decay: gradients
        times 4, learning rate times 4, all parameters moved by 3. The subject then has to obey them.
    False alarms: none known: an optimizer is held to a law only where its definition obeys it.
    Instead: compare the step with the equations, term by term.
    """
    hyper: dict[str, Any] = {"lr": 0.01, "weight_decay": 0.0, "eps": 1e-30}
    taken = {name: value for name, value in hyper.items() if subject.takes(name)}
    plan = subject.settled(subject.ordinary(6).with_(hyper=taken))
    subject.must(plan)
    held = 0
    for text, change, factor in _LAWS:
        if change is _faster and "lr" not in plan.hyper:
            continue
        other = change(plan)
        right, changed = _ways(plan, _defined(subject, plan)), _ways(other, _defined(subject, other))
        if not all(_obeys(right[name], changed[name], factor) for name in right):
            continue
        held += 1
        before, after = _ways(plan, subject.must(plan).tensors), _ways(other, subject.must(other).tensors)
        for name in before:
            if not _obeys(before[name], after[name], factor):
                ratio = float(np.median(after[name][-1] / before[name][-1]))
                yield Finding(
                    f"by its definition, {text}; here the way after {plan.steps} steps is {ratio:.6g} times as long",
                    shown(subject, plan.only(name)),
                    expected=factor,
                    got=ratio,
                    severity=None if subject.firm else "note",
                )
                return
    if not held:
        raise NotApplicable("its equations obey none of the laws")


def _defined(subject: OptimizerSubject, plan: Plan) -> dict[str, Any]:
    return {name: path.parameters for name, path in subject.expected(plan).items()}


def _ways(plan: Plan, paths: Mapping[str, Any]) -> dict[str, Any]:
    """How far each parameter is from its start, after each step."""
    return {name: np.asarray(paths[name]) - start.numpy() for name, start in plan.start.items()}


def _obeys(before: Any, after: Any, factor: float) -> bool:
    return bool(np.abs(after - factor * before).max() <= 1e-4 * np.abs(factor * before).max() + 1e-13)
