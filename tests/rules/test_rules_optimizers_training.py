"""The rules on an optimizer's construction, training loop and surroundings: severities, and what they let pass."""

from collections import deque

import pytest
import torch

from torchstone import assignment
from torchstone.check.api import check
from torchstone.check.mutants.optimizers_base import Base
from torchstone.check.mutants.optimizers_construction import PlainDescent, WellBuilt
from torchstone.check.mutants.optimizers_training import TwoWeights


def result(thing, code, **settings):
    """What became of a rule."""
    settings.setdefault("definition", "none")
    (subject,) = check(thing, select=[code], **settings).subjects
    (found,) = [each for each in subject.results if each.code == code]
    assert found.outcome != "fault", found.reason
    return found


def severities(thing, code, **settings):
    """The severities of what a rule found, or the outcome where it found nothing."""
    found = result(thing, code, **settings)
    return [finding.severity for finding in found.findings] or found.outcome


# O101: parameters in every form.


class ListsOnly(PlainDescent):
    def __init__(self, parameters, learning_rate=0.1):
        if not isinstance(parameters, list):
            raise TypeError("parameters: expected a list")
        super().__init__(parameters, learning_rate)


class Measured(PlainDescent):
    """Looks at the parameters before it keeps them."""

    def __init__(self, parameters, learning_rate=0.1):
        self.numbers = sum(each.numel() for each in parameters)
        super().__init__(parameters, learning_rate)


class IndexedLater(PlainDescent):
    """Has state for each, and none for what is left of a generator."""

    def __init__(self, parameters, learning_rate=0.1):
        super().__init__(parameters, learning_rate)
        self.given = parameters
        self.buffers = [torch.zeros_like(each) for each in parameters]

    @torch.no_grad()
    def step(self):
        for place, parameter in enumerate(self.parameters):
            self.buffers[place].add_(parameter.grad)
            parameter.sub_(self.learning_rate * self.buffers[place])


class RowsFirst(Base):
    """Makes a list of whatever it is given, so that a bare tensor is its rows."""

    def __init__(self, params, lr=0.01):
        super().__init__(list(params), lr)


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (PlainDescent, "passed"),
        (WellBuilt, "passed"),
        (RowsFirst, "passed"),
        (ListsOnly, ["warning"]),  # it says so, and model.parameters() fails
        (Measured, ["error"]),
        (IndexedLater, ["error"]),
        (assignment.AdamOptimizer, "passed"),
        (torch.optim.LBFGS, "passed"),
        (torch.optim.SparseAdam, "passed"),
        (torch.optim.Muon, "passed"),
    ],
)
def test_parameters_in_every_form(thing, expected):
    assert severities(thing, "O101", kwargs={"learning_rate": 0.1} if thing is PlainDescent else None) == expected


def test_a_generator_that_is_used_up_is_named_with_a_script():
    (finding,) = result(Measured, "O101").findings
    assert "model.parameters()" in finding.message
    assert "moves no parameter" in finding.message
    assert "read once" in finding.cause
    assert "for each in [" in finding.repro


# O102: numbers that make no sense.


class AssertsItsRate(Base):
    def __init__(self, params, lr=0.01):
        assert lr > 0
        super().__init__(params, lr)


class DividesByItsRate(Base):
    def advance(self, p, group):
        assert 1 / group["lr"] > 0
        super().advance(p, group)


def test_what_is_accepted_is_a_note_in_a_plain_class_and_where_pytorch_does_so_too():
    assert severities(PlainDescent, "O102", kwargs={"learning_rate": 0.1}) == ["note"]
    assert severities(torch.optim.SGD, "O102", definition="sgd") == ["note"]
    assert severities(torch.optim.Adam, "O102", definition="adam") == "passed"


class ComparesItsRate(torch.optim.Optimizer):
    def __init__(self, params, lr=0.01):
        if lr < 0:
            raise ValueError(f"lr: expected a number >= 0, got {lr}")
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(group["lr"] * p.grad)


def test_a_nan_that_slips_through_a_comparison_is_a_note():
    (finding,) = result(ComparesItsRate, "O102").findings
    assert (finding.severity, finding.message) == ("note", "a NaN is accepted in silence: lr=nan")


def test_a_rate_of_zero_has_to_be_legal():
    asserted, refused = result(AssertsItsRate, "O102").findings
    assert "python -O" in asserted.message
    assert refused.severity == "note"
    assert "lr=0.0 is refused" in refused.message
    *_, later = result(DividesByItsRate, "O102").findings
    assert later.severity == "warning"
    assert "scheduler sets to 0" in later.message


# O103: settings of one group.


class LargestRate(Base):
    def advance(self, p, group):
        super().advance(p, {**group, "lr": max(each["lr"] for each in self.param_groups)})


class RateOfItself(Base):
    """No group holds its momentum."""

    def __init__(self, params, lr=0.01, momentum=0.9):
        self.momentum = momentum
        torch.optim.Optimizer.__init__(self, params, {"lr": lr})

    def advance(self, p, group):
        super().advance(p, {**group, "momentum": self.momentum, "weight_decay": 0.0})


class GlobalNorm(Base):
    def advance_all(self):
        gradients = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.stack([each.norm() for each in gradients]).norm()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.sub_(group["lr"] / (1 + norm) * p.grad)


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (LargestRate, ["error"]),
        (RateOfItself, ["warning"]),
        (GlobalNorm, "not applicable"),
        (PlainDescent, "not applicable"),
        (torch.optim.LBFGS, "not applicable"),
    ],
)
def test_settings_of_a_group(thing, expected):
    assert severities(thing, "O103", kwargs={"learning_rate": 0.1} if thing is PlainDescent else None) == expected


def test_a_setting_that_acts_on_the_other_group_is_told():
    (finding,) = result(LargestRate, "O103").findings
    assert "acts on the other group" in finding.message
    assert finding.input["groups"][1]["lr"] == 0.03


def test_what_only_the_state_begins_with_is_a_note():
    assert severities(torch.optim.Adagrad, "O103", definition="adagrad") == ["note"]


# O501: closures.


class OtherArgument(Base):
    """Its step takes something, and no closure."""

    def step(self, rate=None):
        assert rate is None
        return super().step()


class Sharp(Base):
    """Needs its closure, calls it twice, and returns nothing."""

    def step(self, closure=None):
        if closure is None:
            raise RuntimeError("step: expected a closure")
        closure()
        closure()
        super().step()


class ReturnsItself(Base):
    def step(self, closure=None):
        loss = super().step(closure)
        return self if closure is None else loss


class ReturnsAFloat(Base):
    def step(self, closure=None):
        loss = super().step(closure)
        return None if loss is None else loss.item()


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (PlainDescent, "not applicable"),
        (OtherArgument, "not applicable"),
        (Sharp, ["warning"]),
        (ReturnsItself, ["note"]),
        (ReturnsAFloat, "passed"),
        (torch.optim.LBFGS, "passed"),
    ],
)
def test_closures(thing, expected):
    assert severities(thing, "O501", kwargs={"learning_rate": 0.1} if thing is PlainDescent else None) == expected


# O502: graphs.


class KeepsTheLast(Base):
    """A graph that is kept, and does not grow."""

    def step(self, closure=None):
        loss = super().step(closure)
        for group in self.param_groups:
            self.last = group["params"][0] * 1.0
        return loss


class Rebinding(Base):
    def step(self, closure=None):
        for group in self.param_groups:
            group["params"] = [p - group["lr"] * p.grad if p.is_leaf else p for p in group["params"]]


class Detaching(Base):
    def advance(self, p, group):
        super().advance(p, group)
        p.requires_grad_(False)


def test_graphs():
    assert severities(KeepsTheLast, "O502") == ["warning"]
    assert severities(Rebinding, "O502") == ["error"]
    assert severities(Detaching, "O502") == ["error"]
    differentiable = {"kwargs": {"differentiable": True}, "definition": "adam"}
    assert severities(torch.optim.Adam, "O502", **differentiable) == "not applicable"


# O503, O504: schedulers and hooks.


class OwnRateName(Base):
    def __init__(self, params, learning_rate=0.01):
        torch.optim.Optimizer.__init__(self, params, {"learning_rate": learning_rate})

    def advance(self, p, group):
        p.sub_(group["learning_rate"] * p.grad)


class NoMomentum(Base):
    def __init__(self, params, lr=0.01):
        torch.optim.Optimizer.__init__(self, params, {"lr": lr})

    def advance(self, p, group):
        p.sub_(group["lr"] * p.grad)


class Around(torch.optim.Optimizer):
    """A wrapper that leaves the base class out."""

    def __init__(self, params):
        self.inner = torch.optim.SGD(params, lr=0.1)
        self.param_groups, self.state, self.defaults = self.inner.param_groups, self.inner.state, self.inner.defaults

    def step(self, closure=None):
        return self.inner.step(closure)


@pytest.mark.parametrize(
    ("thing", "code", "expected"),
    [
        (OwnRateName, "O503", ["warning"]),
        (NoMomentum, "O503", "passed"),
        (PlainDescent, "O503", "not applicable"),
        (torch.optim.Adagrad, "O503", "passed"),
        (Around, "O504", ["warning"]),
        (PlainDescent, "O504", "not applicable"),
    ],
)
def test_schedulers_and_hooks(thing, code, expected):
    assert severities(thing, code, kwargs={"learning_rate": 0.1} if thing is PlainDescent else None) == expected


# O506: modes.


class Unguarded(TwoWeights):
    """A step in evaluation mode goes through."""

    def advance(self, p, group):
        super().advance(p, {**group, "training": True})


class NotBeforeTheFirst(TwoWeights):
    def eval(self):
        for group in self.param_groups:
            for p in group["params"]:
                if "z" not in self.state[p]:
                    raise KeyError("z")
        super().eval()


def test_modes():
    assert severities(Unguarded, "O506") == ["warning"]
    assert severities(NotBeforeTheFirst, "O506") == ["error"]
    assert severities(torch.optim.SGD, "O506") == "not applicable"


# O508: what is not its own.


class Seeds(Base):
    def __init__(self, params, lr=0.01):
        torch.manual_seed(42)
        super().__init__(params, lr)


class LeavesGradientsOff(Base):
    def step(self, closure=None):
        torch.set_grad_enabled(False)
        self.advance_all()


class Window(Base):
    """The mean of the last gradients: as many as it is told."""

    def __init__(self, params, lr=0.01, window=100):
        super().__init__(params, lr)
        self.window = window

    def advance(self, p, group):
        past = self.state[p].setdefault("past", deque(maxlen=self.window))
        past.append(p.grad.clone())
        p.sub_(group["lr"] * sum(past) / len(past))


class ConstantWindow(Window):
    def __init__(self, params, lr=0.01):
        super().__init__(params, lr, 64)


class Noise(Base):
    def advance(self, p, group):
        p.sub_(group["lr"] * (p.grad + 0.1 * torch.randn_like(p)))


class NoiseTurnedOff(PlainDescent):
    def __init__(self, parameters, learning_rate=0.1, noise=0.0):
        super().__init__(parameters, learning_rate)
        self.noise = noise

    @torch.no_grad()
    def step(self):
        for each in self.parameters:
            each.sub_(self.learning_rate * (each.grad + self.noise * torch.randn_like(each)))


class DrawsForNothing(PlainDescent):
    def __init__(self, parameters, learning_rate=0.1):
        super().__init__(parameters, learning_rate)

    def step(self):
        torch.rand(1)
        super().step()


class SharedRate(Base):
    rate = 0.0

    def __init__(self, params, lr=0.01):
        SharedRate.rate = lr
        super().__init__(params, lr)

    def advance(self, p, group):
        super().advance(p, {**group, "lr": SharedRate.rate})


class ClearsEverything(PlainDescent):
    """Its `zero_grad` is one for all parameters there are."""

    def __init__(self, parameters, learning_rate=0.1):
        super().__init__(parameters, learning_rate)

    def zero_grad(self):
        import gc

        for each in gc.get_objects():
            if type(each) is torch.nn.Parameter:
                each.grad = None


@pytest.mark.parametrize(
    ("thing", "definition", "expected"),
    [
        (Seeds, "none", ["error"]),
        (LeavesGradientsOff, "none", ["error"]),
        (Window, "none", "passed"),
        (ConstantWindow, "none", "passed"),
        (Noise, "none", "passed"),
        (NoiseTurnedOff, "gradient_descent", ["warning"]),
        (DrawsForNothing, "none", ["warning"]),
        (DrawsForNothing, "gradient_descent", ["error"]),
        (SharedRate, "none", ["error"]),
        (ClearsEverything, "none", ["error"]),
        (torch.optim.LBFGS, "none", "passed"),
    ],
)
def test_what_is_not_its_own(thing, definition, expected):
    assert severities(thing, "O508", definition=definition) == expected


# G004 and G008.


class Wrapped:
    """PyTorch's own, in a class of another name."""

    def __init__(self, parameters, learning_rate=0.001):
        self.adam = torch.optim.Adam(parameters, lr=learning_rate)

    def step(self):
        self.adam.step()

    def zero_grad(self):
        self.adam.zero_grad()


class Inherited(torch.optim.Adam):
    """One by inheritance."""


class Counted(PlainDescent):
    """Counts on the class."""

    steps = 0

    def __init__(self, parameters, learning_rate=0.1):
        super().__init__(parameters, learning_rate)

    @torch.no_grad()
    def step(self):
        Counted.steps += 1
        for each in self.parameters:
            each.sub_(self.learning_rate / Counted.steps * each.grad)


def test_equal_runs_are_equal():
    (finding,) = result(Counted, "G004").findings
    assert finding.severity == "error"
    assert "goes another way" in finding.message
    assert severities(Noise, "G004") == "passed"


@pytest.mark.parametrize("thing", [Wrapped, Inherited])
def test_delegation_is_a_note_and_an_error_where_it_was_forbidden(thing):
    assert severities(thing, "G008", definition="adam") == ["note"]
    assert severities(thing, "G008", definition="adam", from_scratch=True) == ["error"]


@pytest.mark.parametrize("thing", [assignment.AdamOptimizer, assignment.SGDOptimizer])
def test_what_is_from_scratch_delegates_nothing(thing):
    assert severities(thing, "G008", definition=None, from_scratch=True) == "passed"
