"""Four ways to find out whether a loss or an activation is right. Each has one answer: was something found.

Each judge takes a `Component` and returns True where it found something, False where it did not, and None where it has
no means to judge it.
"""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from torchstone.check.examine import case_here
from torchstone.check.held import Held
from torchstone.check.mutants import Mutant
from torchstone.check.result import SubjectReport
from torchstone.check.settings import restored
from torchstone.check.subject import Subject

# torch-judge's tasks, by the names of our definitions.
TASKS = {"relu": "relu", "softmax": "softmax", "gelu": "gelu", "cross_entropy": "cross_entropy"}


@dataclass
class Component:
    """A wrong or a clean subject, as the judges see it: something to call, and ordinary inputs for it."""

    source: Mutant

    @property
    def is_wrong(self) -> bool:
        """Whether something is known to be wrong with it."""
        return bool(self.source.fires)

    @cached_property
    def subject(self) -> Subject:
        """How it is understood: its inputs, its counterpart."""
        settings = {key: value for key, value in self.source.settings.items() if key not in ("tier", "select")}
        understood = case_here(self.source.thing, **settings).subject
        assert understood is not None
        return understood

    def function(self) -> Callable[..., Tensor]:
        """The subject as a function of its inputs in order."""
        held = Held(self.source.thing, self.subject.spec)
        built = held.build()
        names = [entry.name for entry in self.subject.inputs]
        return lambda *tensors: held.call(built, dict(zip(names, tensors, strict=False)))


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

    definition = component.subject.definition
    task = TASKS.get(definition.name) if definition is not None else None
    if task is None:
        return None
    function = component.function()

    def along_the_last(*tensors: Tensor, dim: int = -1) -> Tensor:
        return function(*tensors)

    with isolated():
        try:
            for test in tasks.TASKS[task]["tests"]:
                exec(test["code"].replace("{fn}", "function"), {"function": along_the_last})
        except Exception:
            return True
    return False


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """What a subject prints, warns of or sets for everybody stays in here."""
    with restored(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        yield
