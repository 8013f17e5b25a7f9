"""Whether an optimizer can be built, and takes a step: the part of G001 that is about optimizers."""

from collections.abc import Iterator

import torch

from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.result import Finding

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
        longer = subject.run(subject.ordinary(_STEPS, torch.float32))  # some warm up first: RAdam's five steps
        if longer.ok and all(torch.equal(longer.tensors[name][-1], start[name]) for name in start):
            yield Finding(f"{_STEPS} steps with ordinary gradients change no parameter", {"shapes": told})
