"""Ways to find out whether what somebody wrote is right. Each has one answer: was something found.

Each judge takes a `Component` and returns True where it found something, False where it did not, and None where it has
no means to judge it. Those here are for everything, or for losses and activations; `judges_optimizers` has the others.
"""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from torchstone.check.examine import case_here
from torchstone.check.held import Held
from torchstone.check.mutants import Mutant
from torchstone.check.optimizers.build import HeldOptimizer
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.result import SubjectReport
from torchstone.check.settings import restored
from torchstone.check.subject import Subject

# torch-judge's tasks, by the names of our definitions.
TASKS = {"relu": "relu", "softmax": "softmax", "gelu": "gelu", "cross_entropy": "cross_entropy", "adam": "adam"}


@dataclass
class Component:
    """A wrong or a clean subject, as the judges see it: something to call, and ordinary inputs for it."""

    source: Mutant

    @property
    def is_wrong(self) -> bool:
        """Whether something is known to be wrong with it."""
        return bool(self.source.fires)

    @cached_property
    def understood(self) -> Subject | OptimizerSubject:
        """How it is understood: what it is, and its counterpart."""
        settings = {key: value for key, value in self.source.settings.items() if key not in ("tier", "select")}
        subject = case_here(self.source.thing, **settings).subject
        assert subject is not None
        return subject

    @property
    def is_optimizer(self) -> bool:
        """Whether it is one; else it is a loss or an activation."""
        return isinstance(self.understood, OptimizerSubject)

    @property
    def subject(self) -> Subject:
        """A loss or an activation, as it is understood."""
        assert isinstance(self.understood, Subject)
        return self.understood

    @property
    def optimizer(self) -> OptimizerSubject:
        """An optimizer, as it is understood."""
        assert isinstance(self.understood, OptimizerSubject)
        return self.understood

    def function(self) -> Callable[..., Tensor]:
        """A loss or an activation as a function of its inputs in order."""
        held = Held(self.source.thing, self.subject.spec)
        built = held.build()
        names = [entry.name for entry in self.subject.inputs]
        return lambda *tensors: held.call(built, dict(zip(names, tensors, strict=False)))

    def built(self, parameters: Any, **settings: Any) -> Any:
        """An optimizer over parameters."""
        return HeldOptimizer(self.source.thing, self.optimizer.spec).build(parameters, settings)


def checked(component: Component, tier: str) -> SubjectReport:
    """What torchstone finds, with what it is told of the subject."""
    return case_here(component.source.thing, **{**component.source.settings, "tier": tier}).examined()


def codes(report: SubjectReport) -> list[str]:
    """The rules that found an error or a warning."""
    return sorted({finding.rule for finding in report.findings if finding.severity != "note"})


def torchstone(component: Component) -> bool | None:
    """`torchstone check` in its fast tier, errors and warnings."""
    return bool(codes(checked(component, "fast")))


def gradcheck(component: Component) -> bool | None:
    """`torch.autograd.gradcheck` with its defaults, on ordinary inputs in float64."""
    inputs = list(component.subject.sample(torch.float64).values())
    if not any(each.is_floating_point() for each in inputs):
        return None
    wanted = set(component.subject.predictions)
    for name, each in zip(component.subject.sample(), inputs, strict=True):
        each.requires_grad_(name in wanted)
    with isolated():
        try:
            function = component.function()
            return not torch.autograd.gradcheck(function, tuple(inputs), raise_exception=False)
        except Exception:
            return True  # it raised, and its author would look into it


def one_example(component: Component) -> bool | None:
    """Value and gradient at one ordinary float32 input beside PyTorch's own, by `torch.testing.assert_close`."""
    subject = component.subject
    if subject.peer is None:
        return None
    sample = subject.sample(torch.float32)
    with isolated():
        ours, theirs = subject.call(sample, wrt=subject.predictions), subject.ask_peer(sample, wrt=subject.predictions)
    if not theirs.ok:
        return None
    if not ours.ok:
        return True
    try:
        torch.testing.assert_close({name: ours.tensors.get(name) for name in theirs.tensors}, dict(theirs.tensors))
    except AssertionError:
        return True
    return False


def torch_judge(component: Component) -> bool | None:
    """torch-judge's own tests of the task that the subject solves. Raises `ImportError` where it is not installed."""
    from torch_judge import tasks

    definition = component.understood.definition
    task = TASKS.get(definition.name) if definition is not None else None
    if task is None or (component.is_optimizer and not {"lr", "betas", "eps"} <= {*component.optimizer.settings}):
        return None  # no task, or not with the arguments that it asks for
    solution = component.built if component.is_optimizer else _along_the_last(component.function())
    with isolated():
        try:
            for test in tasks.TASKS[task]["tests"]:
                exec(test["code"].replace("{fn}", "solution"), {"solution": solution})
        except Exception:
            return True
    return False


def _along_the_last(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def with_dim(*tensors: Tensor, dim: int = -1) -> Tensor:
        return function(*tensors)

    return with_dim


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """What a subject prints, warns of or sets for everybody stays in here."""
    with restored(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        yield
