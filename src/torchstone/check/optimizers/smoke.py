"""Whether an optimizer runs, repeats itself, and is its own: the parts of G001, G004 and G008 about optimizers."""

from collections.abc import Iterator

import torch

from torchstone.check.asking import granted
from torchstone.check.optimizers.evidence import shown
from torchstone.check.optimizers.script import twice
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable

_STEPS = 12
_FAILED = {
    "build": "it cannot be built over a list of two parameters: it raises",
    "step": "its step raises",
}


def smoke_of_optimizer(subject: OptimizerSubject) -> Iterator[Finding]:
    """What goes wrong with two ordinary steps, in float32 and in float64."""
    single, double = (subject.run(subject.ordinary(2, dtype)) for dtype in (torch.float32, torch.float64))
    told = {name: list(shape) for name, shape in subject.shapes.items()}
    if not single.ok:
        yield Finding(f"{_FAILED.get(single.during, 'it raises')} {single.error}", {"shapes": told})
        return
    if not double.ok:
        yield Finding(
            f"it runs in float32, and in float64 it raises {double.error}; most rules look at it in float64",
            {"shapes": told},
            severity="warning",
        )
    start = subject.ordinary(2, torch.float32).start
    if all(torch.equal(single.tensors[name][-1], start[name]) for name in start):
        # Some warm up first (RAdam's five steps), or begin with steps that float32 does not show.
        longer = [subject.run(subject.ordinary(_STEPS, dtype)) for dtype in (torch.float32, torch.float64)]
        if all(each.ok and all(len(each.tensors[name].unique(dim=0)) == 1 for name in start) for each in longer):
            yield Finding(f"{_STEPS} steps with ordinary gradients change no parameter", {"shapes": told})


def repeats_of_optimizer(subject: OptimizerSubject) -> Iterator[Finding]:
    """Where equal runs, each with a new optimizer, are not equal to the bit."""
    if subject.declared.get("stochastic"):
        raise NotApplicable("it draws random numbers, on purpose")
    plan = subject.ordinary(6)
    first, second = subject.must(plan), subject.must(plan)
    subject.run(subject.ordinary(4, seed=1))
    third = subject.must(plan)
    for after, again in (("", second), (" after one with other numbers", third)):
        for name in plan.start:
            one, other = first.tensors[name].reshape(plan.steps, -1), again.tensors[name].reshape(plan.steps, -1)
            wrong = (one != other) & ~(one.isnan() & other.isnan())
            if bool(wrong.any()):
                step = int(wrong.any(1).int().argmax())
                place = int(wrong[step].int().argmax())
                before, now = float(one[step, place]), float(other[step, place])
                yield Finding(
                    f"a new optimizer, with the same parameters, gradients and random seed, goes another way{after}: "
                    f"after step {step + 1} a parameter is {now:.9g}, and was {before:.9g}",
                    shown(subject, plan),
                    before,
                    now,
                    repro=twice(subject, plan.first(step + 1).only(name)),
                )
                return


def delegation_of_optimizer(subject: OptimizerSubject) -> Iterator[Finding]:
    """Which of PyTorch's own optimizers it runs, or is."""
    plan = subject.ordinary(1)
    ours = granted(subject.ask("delegations", plan.tensors, subject.options(plan))).facts
    if ours["home"].startswith("torch."):
        raise NotApplicable("it is PyTorch's own")
    if ours["functions"]:
        used = list(dict.fromkeys(each.rpartition(".")[0] for each in ours["functions"]))
        yield Finding(
            f"its steps are those of {' and '.join(used)}: PyTorch's own optimizer runs in it",
            got=ours["functions"],
            severity="error" if subject.from_scratch else "note",
        )
