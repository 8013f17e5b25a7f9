"""What a wrong optimizer computes instead: the variants of its definition, and other clocks, tried one by one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from torchstone import definitions
from torchstone.check.optimizers.evidence import departure
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.scenarios import scenarios
from torchstone.check.probe import Answer
from torchstone.definitions import UpdateRule
from torchstone.oracle import Path

if TYPE_CHECKING:
    from torchstone.check.optimizers.subject import OptimizerSubject

_NEAR = 2e-6  # of the way so far: float32 on the way may hide in it, and no other variant


@dataclass(frozen=True)
class Guess:
    """One thing that a subject may do instead: another rule, and of each plan another version or other step counts."""

    text: str
    rule: UpdateRule
    plan: Callable[[Plan], Plan] = lambda plan: plan
    counts: Callable[[Plan], Mapping[str, Sequence[int]]] | None = None


def cause(subject: "OptimizerSubject", plan: Plan) -> str:
    """What the subject does instead in a plan, as a sentence; "" where nothing known reproduces it.

    Where a plan cannot tell several guesses apart, the other scenarios of O201 do.
    """
    if subject.definition is None:
        return ""
    answer = subject.run(plan)
    likely = [guess for guess in guesses(subject.definition, plan) if reproduces(subject, guess, plan, answer)]
    for _, other in scenarios(subject):
        if len(likely) <= 1:
            break
        ran = subject.run(other)
        likely = [guess for guess in likely if follows(subject, guess, other, ran)] or likely[:1]
    return likely[0].text if likely else ""


def throughout(subject: "OptimizerSubject", guess: Guess) -> bool:
    """Whether a guess reproduces the subject in every scenario of O201."""
    return all(follows(subject, guess, plan, subject.run(plan)) for _, plan in scenarios(subject))


def follows(subject: "OptimizerSubject", guess: Guess, plan: Plan, answer: Answer) -> bool:
    """Whether a guess leads where the subject went in a plan; what the subject refused says nothing against it."""
    return not answer.ok or _path(subject, guess, plan, answer) is not None


def reproduces(subject: "OptimizerSubject", guess: Guess, plan: Plan, answer: Answer) -> bool:
    """Whether a guess leads where the subject went in a plan, and the plan tells the guess from the definition."""
    path = _path(subject, guess, plan, answer) if answer.ok else None
    return path is not None and _tells(subject, path, plan)


def _path(subject: "OptimizerSubject", guess: Guess, plan: Plan, answer: Answer) -> Mapping[str, Path] | None:
    """Where a guess leads in a plan, if that is where the subject went."""
    try:
        counts = guess.counts(plan) if guess.counts is not None else None
        path = subject.expected(
            guess.plan(plan), definition=guess.rule, counts=counts, hyper=_known(subject, guess.rule)
        )
    except Exception:  # another rule may be undefined at these settings
        return None
    return path if departure(plan, answer, path, _NEAR, guess.rule.precision) is None else None


def _known(subject: "OptimizerSubject", rule: UpdateRule) -> dict[str, Any]:
    return {name: value for name, value in subject.hyper.items() if name in {entry.name for entry in rule.hyper}}


def _tells(subject: "OptimizerSubject", other: Mapping[str, Path], plan: Plan) -> bool:
    right = subject.expected(plan)
    return any(not np.array_equal(right[name].parameters, other[name].parameters, equal_nan=True) for name in right)


def guesses(rule: UpdateRule, plan: Plan) -> Iterator[Guess]:
    """What may be done instead, the likeliest first."""
    for name in rule.variants:
        yield Guess(f"this is {rule.title} with one change: {name}", rule.variant(name))
    if any(plan.missing.values()):
        yield Guess(
            "its step count is shared: it counts calls of step, not a parameter's own steps", rule, counts=calls
        )
    if len(plan.start) > 1:
        yield Guess("its step count is shared: every parameter advances it", rule, counts=advanced_by_each)
    if plan.changes:
        yield Guess("it goes on with the settings of its construction, whatever changes", rule, _unchanged)
    for name in plan.hyper:
        yield Guess(f"{name} is not used as it was given", rule, partial(_without, name=name))
    for other in definitions.every("optimizer"):
        if isinstance(other, UpdateRule) and other is not rule:
            yield Guess(f"this is {other.title}", other)


def _unchanged(plan: Plan) -> Plan:
    return replace(plan, changes={})


def _without(plan: Plan, name: str) -> Plan:
    """The plan without what it says of a hyper-parameter."""
    changes = {
        step: {key: value for key, value in values.items() if key != name} for step, values in plan.changes.items()
    }
    return replace(plan, hyper={key: value for key, value in plan.hyper.items() if key != name}, changes=changes)


def calls(plan: Plan) -> dict[str, list[int]]:
    """The step counts of one that counts calls of `step`."""
    return {name: [step + 1 for step in range(plan.steps)] for name in plan.start}


def advanced_by_each(plan: Plan) -> dict[str, list[int]]:
    """The step counts of one counter that every parameter with a gradient advances."""
    counts: dict[str, list[int]] = {name: [] for name in plan.start}
    total = 0
    for step in range(plan.steps):
        for name in plan.start:
            total += step not in plan.missing.get(name, ())
            counts[name].append(max(total, 1))
    return counts
