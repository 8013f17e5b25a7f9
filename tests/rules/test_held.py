"""A subject where it lives: what it is, how it is built and called, and what can be seen of it."""

import functools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from torchstone.check.api import check
from torchstone.check.describe import describe
from torchstone.check.entries import read_inputs
from torchstone.check.held import Held, SubjectError, form_of
from torchstone.check.spec import Description, Spec


class Scaled(nn.Module):
    steepness = 2.0

    def __init__(self, scale=1.5, *, weight=None):
        super().__init__()
        self.scale = scale
        self.gain = nn.Parameter(torch.ones(1))
        self.register_buffer("weight", weight)

    def forward(self, x, shift=0.0):
        return self.gain * self.scale * x + shift


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, power, factor=1.0):
        ctx.save_for_backward(x)
        ctx.power, ctx.factor = power, factor
        return factor * x**power

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * ctx.factor * ctx.power * x ** (ctx.power - 1), None, None


class Split(torch.autograd.Function):
    @staticmethod
    def forward(x, factor, y):
        return factor * x * y

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0], inputs[2])
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g * ctx.factor * y, None, g * ctx.factor * x


class Plain:
    def forward(self, x):
        return 2 * x


def make():
    return nn.ReLU()


def between(x, factor, y):
    return factor * x * y


def by_name(x, *, y, factor=1.0):
    return factor * x * y


@pytest.mark.parametrize(
    ("thing", "form"),
    [
        (Scaled, "class"),
        (Scaled(), "instance"),
        (Plain(), "instance"),
        (Cube, "autograd.Function"),
        (make, "factory"),
        (lambda: Scaled(2.0), "factory"),
        (functools.partial(Scaled, 2.0), "factory"),
        (functools.partial(F.leaky_relu, negative_slope=0.2), "function"),
        (between, "function"),
        (lambda x: x, "function"),
        (lambda *tensors: tensors[0], "function"),
        (torch.relu, "function"),
        (F.gelu, "function"),
        (nn.ReLU().forward, "function"),
    ],
)
def test_forms(thing, form):
    assert form_of(thing) == form


def result(thing, inputs, kwargs=None, overrides=None):
    spec = Spec("subject", "loss", read_inputs(inputs), kwargs or {})
    held = Held(thing, spec)
    values = {entry.name: torch.full((2,), float(place + 2)) for place, entry in enumerate(spec.inputs)}
    return held.call(held.build(overrides), values).tolist()


@pytest.mark.parametrize(
    ("thing", "inputs", "kwargs", "expected"),
    [
        (Scaled, "x float", {}, 3.0),
        (Scaled, "x float", {"scale": 4.0}, 8.0),
        (Scaled, "x float", {"shift": 1.0}, 4.0),
        (Scaled(4.0), "x float", {}, 8.0),
        (Scaled(4.0), "x float", {"scale": 3.0}, 6.0),
        (functools.partial(Scaled, scale=4.0), "x float", {}, 8.0),
        (functools.partial(Scaled, scale=4.0), "x float", {"scale": 5.0}, 10.0),
        (lambda: Scaled(4.0), "x float", {"scale": 3.0}, 6.0),
        (Plain, "x float", {}, 4.0),
        (Cube, "x float", {"power": 3}, 8.0),
        (Cube, "x float", {"power": 3, "factor": 2.0}, 16.0),
        (Cube.apply, "x float", {"power": 3}, 8.0),
        (Split, "x float; y float", {"factor": 5.0}, 30.0),
        (between, "x float; y float", {"factor": 5.0}, 30.0),
        (by_name, "x float; y float", {"factor": 5.0}, None),
        (torch.mul, "x float; y float", {}, 6.0),
    ],
)
def test_calls(thing, inputs, kwargs, expected):
    if expected is None:  # y has to be passed by name
        with pytest.raises(SubjectError, match="TypeError"):
            result(thing, inputs, kwargs)
        return
    assert result(thing, inputs, kwargs) == [expected] * 2


def test_an_override_goes_before_an_argument():
    assert result(Scaled, "x float", {"scale": 4.0}, {"scale": 1.0}) == [2.0, 2.0]
    assert result(between, "x float; y float", {"factor": 4.0}, {"factor": 1.0}) == [6.0, 6.0]


def test_an_instance_of_its_author_stays_as_it_is():
    subject = Scaled(4.0)
    assert result(subject, "x float", {"scale": 3.0}) == [6.0, 6.0]
    assert subject.scale == 4.0


def test_a_list_stands_for_a_tensor():
    held = Held(Scaled, Spec("subject", "loss", read_inputs("x float"), {"weight": [1.0, 2.0]}))
    built = held.build()
    assert torch.equal(built.weight, torch.tensor([1.0, 2.0]))
    held.call(built, {"x": torch.zeros(2, dtype=torch.float64)})
    assert built.weight.dtype == torch.float64


@pytest.mark.parametrize("raised", [ValueError("no"), SystemExit(1), KeyError("x"), NotImplementedError()])
@pytest.mark.parametrize("during", ["build", "forward"])
def test_what_the_subject_raises_is_its_own(raised, during):
    class Bad(nn.Module):
        def __init__(self):
            super().__init__()
            if during == "build":
                raise raised

        def forward(self, x):
            raise raised

    with pytest.raises(SubjectError) as found:
        result(Bad, "x float")
    assert found.value.during == during
    assert str(found.value).startswith(type(raised).__name__)


class Secretive(nn.Module):
    """What its author says."""

    @property
    def slope(self):
        raise KeyError("a property that raises")

    def named_buffers(self, *arguments, **options):
        raise RuntimeError("no buffers for you")

    def forward(self, pred, /, target, *more, mask=None):
        return pred


def test_a_description():
    seen = describe(Scaled, {"scale": 3.0})
    assert (seen.name, seen.form, seen.is_module) == ("Scaled", "class", True)
    assert seen.constructor == {"scale": 1.5, "weight": None}
    assert (seen.call, seen.call_required) == ({"x": None, "shift": 0.0}, ("x",))
    assert seen.attributes == {"steepness": 2.0, "scale": 3.0, "gain": [1.0]}
    assert seen.parameters == {"gain": (1,)}
    assert Description.from_json(seen.to_json()) == seen


def test_a_description_of_what_does_not_want_to_be_seen():
    seen = describe(Secretive, {})
    assert seen.call_required == ("pred", "target")
    assert (seen.call_keyword, seen.call_open) == (("mask",), True)
    assert seen.doc == "What its author says."
    assert not seen.problem


@pytest.mark.parametrize(
    ("thing", "name", "call"),
    [
        (Cube, "Cube", ("x", "power", "factor")),
        (Cube.apply, "Cube", ("x", "power", "factor")),
        (Split, "Split", ("x", "factor", "y")),
        (lambda: Scaled(2.0), "Scaled", ("x", "shift")),
        (functools.partial(Scaled, 2.0), "Scaled", ("x", "shift")),
        (functools.partial(between, factor=2.0), "between", ("x", "factor", "y")),
        (torch.relu, "relu", ()),
        (Plain, "Plain", ("x",)),
    ],
)
def test_names_and_calls(thing, name, call):
    seen = describe(thing, {})
    assert (seen.name, tuple(seen.call)) == (name, call)


class Demanding(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.hidden = hidden

    def forward(self, x):
        return self.hidden * x


def test_what_cannot_be_built_is_still_described():
    seen = describe(Demanding, {})
    assert "missing 1 required positional argument: 'hidden'" in seen.problem
    assert (seen.constructor_required, seen.call_required) == (("hidden",), ("x",))
    assert not describe(Demanding, {"hidden": 2.0}).problem


@pytest.mark.parametrize(
    ("body", "is_stub"),
    [
        (lambda x: None, True),
        (lambda x: ..., True),
        (lambda x: x, False),
        (lambda x: 0, False),
        (lambda x: x.relu(), False),
        (lambda x: -x, False),
    ],
)
def test_stubs(body, is_stub):
    assert bool(describe(body, {}).stub) == is_stub


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (lambda loss, x: (loss, x), "a tuple of 2"),
        (lambda loss, x: {"aux": x, "loss": loss}, "a dict of 2"),
        (lambda loss, x: [loss], "a list of 1"),
    ],
)
def test_of_several_results_the_loss_is_looked_at(wrap, said):
    def mse_loss(x, target):
        return wrap(((x - target) ** 2).mean(), x)

    report = check(mse_loss, select=["G001", "L101"]).subjects[0]
    assert not report.findings
    assert f"it returns {said}: the first tensor is looked at" in report.facts
