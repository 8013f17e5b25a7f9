"""Runs that are interrupted and go on with another optimizer: what the rules on an optimizer's state share."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.script import construction, literal
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.probe import Answer
from torchstone.check.repro import imported

AT = 4  # steps before the interruption
STEPS = 9
# What keeps a state that is off by default.
_KEEPING: Mapping[str, Any] = {"momentum": 0.9, "amsgrad": True, "centered": True, "weight_decay": 0.1}


class Apart(NamedTuple):
    """Where two runs part: the step, from 1, the parameter, both numbers, and the distance over the way so far."""

    step: int
    name: str
    expected: float
    got: float
    relative: float


def asked(subject: OptimizerSubject, action: str, plan: Plan, **options: Any) -> Answer:
    """The answer of an action of `actions.optimizers_state` to a plan."""
    return subject.ask(action, plan.tensors, {**subject.options(plan), "at": AT, **options})


def parted(answer: Answer, one: str, other: str, names: Sequence[str]) -> Apart | None:
    """Where two runs of an answer part, if they do."""
    worst: Apart | None = None
    for name in names:
        first, second = (answer.tensors[f"{each}.{name}"].double() for each in (one, other))
        if first.shape != second.shape or not first.numel():
            continue
        first, second = first.reshape(len(first), -1), second.reshape(len(second), -1)
        wrong = (first != second) & ~(first.isnan() & second.isnan())
        if not bool(wrong.any()):
            continue
        step = int(wrong.any(1).int().argmax())
        off = (first - second).abs().nan_to_num(torch.inf)
        way = (first - first[:1]).abs().amax().item() + (first[1:] - first[:-1]).abs().amax(0).sum().item()
        place = int(off[step].argmax())
        relative = float(off.max() / way) if way else torch.inf
        found = Apart(step + 1, name, float(first[step, place]), float(second[step, place]), relative)
        if worst is None or found.step < worst.step:
            worst = found
    return worst


def ordinal(step: int) -> str:
    """A step as it is told."""
    return "the first step" if step == 1 else f"step {step}"


def occupied(subject: OptimizerSubject, plan: Plan) -> Plan:
    """The plan with all on that keeps a state, where the subject takes that."""
    keeping = {name: value for name, value in _KEEPING.items() if subject.takes(name) and name in subject.hyper}
    busy = plan.with_(hyper=keeping)
    return busy if keeping and subject.run(busy.first(2)).ok else plan


def forgotten(answer: Answer, *prefixes: str) -> list[str]:
    """What a checkpoint loses, each thing once, with its values where they are short."""
    found: dict[str, str] = {}
    for each in answer.facts.get("lost", ()):
        name = each["name"].partition(" of ")[0]
        if each["name"].startswith(prefixes or ""):
            short = each["had"] != each["has"] and len(each["had"]) < 12 and len(each["has"]) < 12
            found.setdefault(name, f"{name} ({each['had']} then, {each['has']} after loading)" if short else name)
    return list(found.values())


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: the first four."""
    first = [*names[:4], *(["others"] if len(names) > 4 else [])]
    return " and ".join([", ".join(first[:-1]), first[-1]] if len(first) > 1 else first)


def script(
    subject: OptimizerSubject, plan: Plan, fresh: Sequence[str], action: str, runs: tuple[str, str], **options: Any
) -> str:
    """The same with one parameter of one number and one gradient, where that shows it.

    `fresh` are the lines that make `b` and the optimizer `fresh` of `a` and `optimizer`; "{fresh}" in them stands for
    the expression that builds one over b.
    """
    if subject.spec.usage:
        return ""
    value = torch.ones(1, dtype=torch.float64)
    small = Plan({"a": value}, {"a": (value / 2).expand(STEPS, 1).contiguous()}, plan.hyper)
    answer = asked(subject, action, small, **options)
    found = parted(answer, *runs, ["a"]) if answer.ok else None
    if found is None:
        return ""
    built = construction(subject, small)
    other = construction(subject, small.with_(hyper=options.get("other", {}))).replace("[a]", "[b]")
    made = imported(subject.spec.target, built, "optimizer")
    return "\n".join(
        [
            *("import copy", "import torch"),
            *made[:-1],
            "",
            f"a = torch.nn.Parameter({literal(value)})",
            made[-1],
            f"for _ in range({AT}):",
            f"    a.grad = {literal(value / 2)}",
            "    optimizer.step()",
            *(line.replace("{fresh}", other) for line in fresh),
            f"for _ in range({found.step}):",
            *(f"    {name}.grad = {literal(value / 2)}" for name in "ab"),
            "    optimizer.step()",
            "    fresh.step()",
            "print((a - b).item())  # expected 0",
        ]
    )


LOADING = (
    "b = torch.nn.Parameter(a.detach().clone())",
    "fresh = {fresh}",
    "fresh.load_state_dict(copy.deepcopy(optimizer.state_dict()))",
)
COPYING = ("(b,), fresh = copy.deepcopy(((a,), optimizer))",)
