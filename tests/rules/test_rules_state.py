"""The rules on state: how bad each finding is, and what right code in unusual style they leave alone."""

import functools

import pytest
import torch
from torch import nn

from torchstone.check.api import check
from torchstone.check.rule import find

X = {"kind": "activation", "inputs": "x float[N,4]"}
PAIR = {"kind": "loss", "inputs": "prediction float[N,4]; target float[N,4]"}


def outcome(thing, code, **settings):
    """The severities of what a rule found, or the outcome where it found nothing."""
    (subject,) = check(thing, select=[*find(code).after, code], **settings).subjects
    (result,) = [each for each in subject.results if each.code == code]
    assert result.outcome != "fault", result.reason
    return [finding.severity for finding in result.findings] or result.outcome


class KeepsForItsBackward(nn.Module):
    """An explicit backward needs what the forward computed."""

    def forward(self, x):
        self.y = 1 / (1 + torch.exp(-x))
        return self.y

    def backward(self, grad_output):
        return grad_output * self.y * (1 - self.y)


class Closure(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = lambda x: x.tanh()

    def forward(self, x):
        return x * self.gate(x)


class Named(nn.Module):
    """A partial of a named function can be pickled."""

    def __init__(self):
        super().__init__()
        self.gate = functools.partial(torch.clamp, min=0.0, max=1.0)

    def forward(self, x):
        return x * self.gate(x)


class LearnsInSecret(nn.Module):
    """What wants a gradient has to be a parameter; in a list as well."""

    def __init__(self, shape=()):
        super().__init__()
        self.slopes = [torch.ones(shape, requires_grad=True)]

    def forward(self, x):
        return torch.where(x > 0, x, self.slopes[0] * x)


class Plain:
    """No module, and no need to be one."""

    def __init__(self, slope=0.25):
        self.slope = slope

    def __call__(self, x):
        return torch.where(x > 0, x, self.slope * x)


class Uncopiable(nn.Module):
    def __deepcopy__(self, memo):
        raise RuntimeError("not to be copied")

    def forward(self, x):
        return x * 2


class Forgetful(nn.Module):
    """What it takes out of its pickle is missing in the copy."""

    def __init__(self):
        super().__init__()
        self.slope = 0.25

    def __getstate__(self):
        return {**self.__dict__, "slope": 0.0}

    def forward(self, x):
        return torch.where(x > 0, x, self.slope * x)


def of_a_function():
    class Local(nn.Module):
        def forward(self, x):
            return x * 2

    return Local()


class WithParameters(nn.Module):
    def __init__(self, dtype=None):
        super().__init__()
        self.slope = nn.Parameter(torch.full((4,), 0.25, dtype=dtype))
        self.register_buffer("scale", torch.arange(1.0, 5.0), persistent=False)

    def forward(self, x):
        return torch.where(x > 0, x, self.slope * x) * self.scale


class IgnoresItsDtype(nn.Module):
    def __init__(self, dtype=None):
        super().__init__()
        self.slope = nn.Parameter(torch.full((4,), 0.25))

    def forward(self, x):
        return torch.where(x > 0, x, self.slope * x)


class RefusesItsState(nn.Module):
    def load_state_dict(self, state_dict, strict=True):
        raise RuntimeError("nothing to load")

    def forward(self, x):
        return x * 2


class MovesItsTable(nn.Module):
    """A plain tensor that its forward takes to where the input is."""

    def __init__(self):
        super().__init__()
        self.table = torch.arange(1.0, 5.0)

    def forward(self, x):
        return x * self.table.to(x)


class OneNumber(nn.Module):
    """A tensor without dimensions works with those of any device."""

    def __init__(self):
        super().__init__()
        self.slope = torch.tensor(0.25)

    def forward(self, x):
        return x * self.slope


class MovesWithIt(nn.Module):
    """Its own `_apply` takes the tensor along."""

    def __init__(self):
        super().__init__()
        self.table = torch.arange(1.0, 5.0)

    def _apply(self, fn, recurse=True):
        self.table = fn(self.table)
        return super()._apply(fn, recurse)

    def forward(self, x):
        return x * self.table.to(x.dtype)


class LayersInAList(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [WithParameters()]

    def forward(self, x):
        return self.layers[0](x) * 1.0


class RemembersANumber(nn.Module):
    def forward(self, prediction, target):
        loss = (prediction - target).square().mean()
        self.last = loss.detach()
        return loss


class RemembersALoss(nn.Module):
    def forward(self, prediction, target):
        self.last = (prediction - target).square().mean()
        return self.last


class CountsForever(nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, prediction, target):
        self.seen.append(len(prediction))
        return (prediction - target).square().mean()


class WindowOfThree(nn.Module):
    """A list that stays short."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, prediction, target):
        self.seen = [*self.seen, len(prediction)][-1:]
        return (prediction - target).square().mean()


class RunningMean(nn.Module):
    """It updates a buffer while training, and uses it in evaluation."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x):
        if not self.training:
            return x - self.mean
        self.mean.mul_(0.5).add_(0.5 * x.detach().mean(0))
        return x - x.mean(0)


def a_function(x):
    return x * 2


@pytest.mark.parametrize(
    ("thing", "code", "settings", "expected"),
    [
        (KeepsForItsBackward, "S101", X, ["note"]),
        (Closure, "S101", X, ["warning"]),
        (Named, "S101", X, "passed"),
        (Plain(), "S101", X, "passed"),
        (Uncopiable, "S101", X, ["warning"]),
        (Forgetful, "S101", X, ["error"]),
        (of_a_function(), "S101", X, "passed"),
        (nn.PReLU(), "S101", X, "passed"),
        (a_function, "S101", X, "not applicable"),
        (WithParameters, "S102", X, "passed"),
        (RefusesItsState, "S102", X, ["warning"]),
        (nn.PReLU(), "S102", X, "passed"),
        (Plain(), "S102", X, "not applicable"),
        (WithParameters, "S103", X, "passed"),
        (IgnoresItsDtype, "S103", X, ["warning"]),
        (MovesItsTable, "S103", X, ["note"]),
        (OneNumber, "S103", X, ["note"]),
        (MovesWithIt, "S103", X, "passed"),
        (LayersInAList, "S103", X, ["warning"]),
        (LearnsInSecret, "S103", X, ["error"]),
        (RemembersANumber, "S104", PAIR, ["note"]),
        (RemembersALoss, "S104", PAIR, ["warning"]),
        (CountsForever, "S104", PAIR, ["warning"]),
        (WindowOfThree, "S104", PAIR, "passed"),
        (KeepsForItsBackward, "S104", X, ["note"]),
        (RunningMean, "S104", X, "passed"),
        (nn.RReLU(), "S104", X, "passed"),
        (nn.Dropout(0.5), "S104", X, "passed"),
    ],
)
def test_severity(thing, code, settings, expected):
    assert outcome(thing, code, **settings) == expected


def test_the_callers_own_instance_is_left_as_it_was():
    module = WithParameters()
    before = {name: each.clone() for name, each in module.state_dict().items()}
    check(module, select=["S"], **X)
    assert module.training
    assert set(vars(module)) == set(vars(WithParameters()))
    assert all(torch.equal(each, before[name]) for name, each in module.state_dict().items())
    assert module.slope.device.type == "cpu"
