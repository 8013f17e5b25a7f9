"""What a wrong optimizer computes instead: the variants of its definition, and other clocks, tried one by one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from torchstone import definitions
from torchstone.check.optimizers.evidence import departure
from torchstone.check.optimizers.plan import Plan
from torchstone.definitions import UpdateRule

if TYPE_CHECKING:
    from torchstone.check.optimizers.subject import OptimizerSubject

_NEAR = 2e-6  # of the way so far: float32 on the way may hide in it, and no other variant


@dataclass(frozen=True)
class Guess:
    """One thing that a subject may do instead: another rule, another plan, other step counts."""

    text: str
    rule: UpdateRule
    plan: Plan
    counts: Mapping[str, Sequence[int]] | None = None


def cause(subject: "OptimizerSubject", plan: Plan) -> str:
    """What the subject does instead in a plan, as a sentence; "" where nothing known reproduces it."""
    if subject.definition is None:
        return ""
    answer = subject.run(plan)
    if not answer.ok:
        return ""
    for guess in guesses(subject.definition, plan):
        try:
            right = subject.expected(
                guess.plan, definition=guess.rule, counts=guess.counts, hyper=_known(subject, guess.rule)
            )
        except Exception:
            continue
        tolerance = max(_NEAR, guess.rule.precision)
        if departure(plan, answer, right, tolerance) is None and _tells(subject, guess, right, plan):
            return guess.text
    return ""


def _known(subject: "OptimizerSubject", rule: UpdateRule) -> dict[str, Any]:
    return {name: value for name, value in subject.hyper.items() if name in {entry.name for entry in rule.hyper}}


def _tells(subject: "OptimizerSubject", guess: Guess, other: Mapping[str, Any], plan: Plan) -> bool:
    """Whether the plan tells the guess from the definition at all."""
    right = subject.expected(plan)
    return any(not np.array_equal(right[name].parameters, other[name].parameters, equal_nan=True) for name in right)


def guesses(rule: UpdateRule, plan: Plan) -> Iterator[Guess]:
    """What may be done instead, the likeliest first."""
    for name in rule.variants:
        yield Guess(f"this is {rule.title} with one change: {name}", rule.variant(name), plan)
    for text, counts in clocks(plan):
        yield Guess(text, rule, plan, counts)
    if plan.changes:
        yield Guess(
            "it goes on with the settings of its construction, whatever changes", rule, replace(plan, changes={})
        )
    for name in plan.hyper:
        rest = {key: value for key, value in plan.hyper.items() if key != name}
        changes = {
            step: {key: value for key, value in values.items() if key != name} for step, values in plan.changes.items()
        }
        yield Guess(f"{name} is not used as it was given", rule, replace(plan, hyper=rest, changes=changes))
    for other in definitions.every("optimizer"):
        if isinstance(other, UpdateRule) and other is not rule:
            yield Guess(f"this is {other.title}", other, plan)


def calls(plan: Plan) -> dict[str, list[int]]:
    """The step counts of one that counts calls of `step`."""
    return {name: [step + 1 for step in range(plan.steps)] for name in plan.start}


def clocks(plan: Plan) -> Iterator[tuple[str, dict[str, list[int]]]]:
    """Step counts other than each parameter's own."""
    names = list(plan.start)
    has = {name: [step not in plan.missing.get(name, ()) for step in range(plan.steps)] for name in names}
    if any(not each for steps in has.values() for each in steps):
        yield "its step count is shared: it counts calls of step, not each parameter's own steps", calls(plan)
    if len(names) > 1:
        counts: dict[str, list[int]] = {name: [] for name in names}
        total = 0
        for step in range(plan.steps):
            for name in names:
                total += has[name][step]
                counts[name].append(max(total, 1))
        yield "its step count is shared: every parameter advances it", counts
