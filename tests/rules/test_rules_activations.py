"""The rules on activations: how severe, and what they let pass. The mutants show that each can fire."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from torchstone.check.api import check


def found(thing, definition, *codes, **settings):
    """(severity, message) of what the rules find."""
    report = check(thing, definition=definition, kind="activation", select=["G001", *codes], tier="full", **settings)
    assert not report.faults, report.faults
    return [(each.severity, each.message) for each in report.findings if each.rule in codes]


def severities(thing, definition, *codes):
    return [severity for severity, _ in found(thing, definition, *codes)]


def outcome(thing, definition, code):
    report = check(thing, definition=definition, kind="activation", select=["G001", code], tier="full")
    return next(result.outcome for result in report.subjects[0].results if result.code == code)


# A101: how far off.


@pytest.mark.parametrize(
    ("function", "definition", "expected"),
    [
        (lambda x: torch.where(x > 20, x, torch.log1p(torch.exp(x.clamp(max=20)))), "softplus", []),
        (lambda x: torch.exp(x) / (1 + torch.exp(x)), "sigmoid", []),
        (lambda x: torch.sigmoid(x.float()).to(x.dtype), "sigmoid", ["warning"]),
        (lambda x: 1.0507 * torch.where(x > 0, x, 1.67326 * torch.expm1(x)), "selu", ["warning"]),
        (lambda x: torch.where(x > 0, x, 0.011 * x), "leaky_relu", ["error"]),
        (lambda x: torch.log1p(torch.exp(x.clamp(max=60))), "softplus", ["error"]),
        (lambda x: x * (x.abs() >= 0.5), "hardshrink", []),
        (lambda x: torch.softmax(x, -1) + 1e-3, "softmax", ["error"]),
    ],
)
def test_another_function_is_an_error_and_a_rounded_constant_a_warning(function, definition, expected):
    assert severities(function, definition, "A101") == expected


def test_a_wrong_value_names_the_place_and_both_numbers():
    ((_, message),) = found(lambda x: 2 * torch.relu(x), "relu", "A101")
    assert message == "the value at x = 1 is 2, expected 1"


# A103 and A104.


def test_the_dimension_that_a_softmax_works_along_is_named():
    ((severity, message),) = found(lambda x: torch.softmax(x, 0), "softmax", "A103")
    assert severity == "error"
    assert message.startswith("it works along dimension 0, expected dimension -1")


def refuses_all_but_two_dimensions(x):
    if x.dim() != 2:
        raise ValueError(f"x: expected 2 dimensions, got {x.dim()}")
    return torch.softmax(x, 1)


@pytest.mark.parametrize(
    ("function", "settings", "expected"),
    [
        (lambda x: torch.softmax(x, 1), {"like": "torch.nn.Softmax(dim=-1)"}, ["error"]),
        (lambda x: torch.softmax(x, -1), {"like": "torch.nn.Softmax(dim=1)"}, ["error"]),
        (lambda x: torch.softmax(x, 1), {"like": "torch.nn.Softmax(dim=1)"}, []),
        (lambda x: torch.softmax(x, -1), {"like": "torch.nn.Softmax(dim=-1)"}, []),
        (lambda x: torch.softmax(x, 1), {"like": "torch.softmax"}, ["warning"]),
        (lambda x: torch.softmax(x, 1), {"definition": "softmax", "inputs": "x float[N,C]"}, ["warning"]),
        (refuses_all_but_two_dimensions, {"definition": "softmax"}, []),
        (lambda x: torch.nn.functional.glu(x, 1), {"like": "torch.nn.GLU(dim=-1)"}, ["error"]),
    ],
)
def test_a_row_is_along_the_same_dimension_in_three_and_four_dimensions(function, settings, expected):
    given = {"definition": None, **settings}
    assert [severity for severity, _ in found(function, given.pop("definition"), "A103", **given)] == expected


def test_a_maximum_over_the_whole_batch_is_found_by_a_row_that_is_far_above():
    def softmax(x):
        e = torch.exp(x - x.max())
        return e / e.sum(-1, keepdim=True)

    ((severity, message),) = found(softmax, "softmax", "A103")
    assert severity == "error"
    assert "depends on another row" in message


def test_without_a_definition_a_mixed_batch_is_a_warning():
    assert severities(lambda x: x - x.mean(), "none", "A103") == ["warning"]
    assert severities(lambda x: x - x.mean(-1, keepdim=True), "none", "A103") == []


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (torch.relu, []),
        (lambda x: torch.relu(x.reshape(-1)).reshape(x.shape), ["note"]),  # the memory format
        (lambda x: torch.relu(x.view(-1)).view(x.shape), ["warning"]),
        (lambda x: torch.relu(x).squeeze(), ["error"]),
        (lambda x: torch.relu(x).reshape(-1), ["error", "note"]),
        (lambda x: torch.relu(x).flatten(2) if x.dim() > 2 else torch.relu(x), ["error"]),
        (lambda x: torch.relu(torch.as_strided(x, x.shape, torch.empty(x.shape).stride())), ["error", "error"]),
    ],
)
def test_shapes_and_layouts(function, expected):
    assert severities(function, "relu", "A104") == expected


class WithAWeight(nn.Module):
    def __init__(self, count=1):
        super().__init__()
        self.weight = nn.Parameter(torch.full((count,), 0.25))

    def forward(self, x):
        return torch.where(x > 0, x, self.weight * x)


@pytest.mark.parametrize("count", [1, 4])
def test_what_has_no_channels_may_take_on_the_dimension_of_a_parameter(count):
    assert set(severities(WithAWeight(count), "none", "A104")) == {"note"}


def test_a_loud_refusal_of_a_shape_is_a_note():
    def relu(x):
        if x.dim() != 2:
            raise ValueError(f"x: expected 2 dimensions, got {x.dim()}")
        return torch.relu(x)

    assert severities(relu, "relu", "A104") == ["note"]


# A105 to A108.


def test_a_sum_that_rounding_explains_is_no_violation():
    assert found(lambda x: torch.exp(x - torch.logsumexp(x, -1, keepdim=True)), "softmax", "A105", "N103") == []


@pytest.mark.parametrize(
    ("function", "definition", "expected"),
    [
        (lambda x: torch.maximum(x, torch.zeros_like(x)), "relu", ["warning"]),
        (lambda x: (x + x.abs()) / 2, "relu", ["warning"]),
        (lambda x: x.clamp(min=0), "relu", ["note"]),
        (lambda x: torch.where(x > 0, x, 0.0), "relu", []),
        (lambda x: torch.where(x == 0, 0 * x, torch.relu(x * x / x)), "relu", ["error"]),
        (lambda x: F.relu(x) - 0.01 * F.relu(-x), "leaky_relu", ["warning"]),
        (lambda x: torch.where(x > 0, x, torch.expm1(x)), "elu", []),
        (lambda x: torch.minimum(F.relu(x), torch.tensor(6.0)), "relu6", ["warning"]),
        (lambda x: x * (x.abs() >= 0.5), "hardshrink", ["warning", "warning"]),
        (lambda x, threshold=0.5, value=0.25: torch.where(x >= threshold, x, value), "threshold", ["warning"]),
        (lambda x: torch.where(x.abs() == 0.5, 7.0, x * (x.abs() > 0.5)), "hardshrink", ["error", "error"]),
    ],
)
def test_kinks(function, definition, expected):
    assert severities(function, definition, "A107") == expected


def test_the_half_at_the_kink_of_a_maximum_is_said():
    ((_, message),) = found(lambda x: torch.maximum(x, torch.zeros_like(x)), "relu", "A107")
    assert message.startswith("the gradient at the kink x = 0 is 0.5, expected 0")


@pytest.mark.parametrize(
    ("function", "definition", "count"),
    [
        (lambda x: torch.where(x < -100, 0.0, x * torch.sigmoid(x)), "silu", 0),
        (lambda x: x * torch.sigmoid(x), "silu", 1),
        (lambda x: x / (1 + x.abs()), "softsign", 2),
        (torch.softmax, "softmax", 0),
    ],
)
def test_limits(function, definition, count):
    thing = (lambda x: function(x, -1)) if definition == "softmax" else function
    assert severities(thing, definition, "A108") == ["warning"] * count


def test_an_identity_is_tried_with_large_shifts():
    def softmax(x):
        return torch.exp(x) / torch.exp(x).sum(-1, keepdim=True)

    ((severity, message),) = found(softmax, "softmax", "A106")
    assert severity == "warning"
    assert "shift-invariant" in message


def test_a_step_back_of_a_monotone_function_is_found():
    def sigmoid(x):
        return torch.sigmoid(x) - torch.where(x > 16.02, 5e-6, 0.0).to(x.dtype)

    assert any("increases, but the value falls" in message for _, message in found(sigmoid, "sigmoid", "A106"))


# A109 and A110.


class Inplace(nn.Module):
    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace


class Right(Inplace):
    def forward(self, x):
        return F.relu(x, self.inplace)


class Ignored(Inplace):
    def forward(self, x):
        return F.relu(x)


class Other(Inplace):
    def forward(self, x):
        return x.clamp_(min=-1) if self.inplace else F.relu(x)


class BehindTheBack(Inplace):
    def forward(self, x):
        return x.data.clamp_(min=0) if self.inplace else F.relu(x)


@pytest.mark.parametrize(
    ("subject", "expected"), [(Right, []), (Ignored, ["note"]), (Other, ["error"]), (BehindTheBack, ["error"])]
)
def test_in_place(subject, expected):
    assert severities(subject, "relu", "A109") == expected


class Channels(nn.Module):
    """A weight for each channel."""

    def __init__(self, along=1):
        super().__init__()
        self.along = along
        self.weight = nn.Parameter(torch.tensor([0.25, 0.25, 0.25]))

    def forward(self, x):
        shape = [1] * x.dim()
        shape[self.along] = -1
        return torch.where(x > 0, x, self.weight.reshape(shape) * x)


class LastChannels(Channels):
    def __init__(self):
        super().__init__(-1)


def test_a_parameter_along_the_wrong_dimension():
    (finding,) = check(LastChannels, definition="prelu", inputs="x float[N,3]", select=["A110"]).findings
    assert finding.severity == "error"
    assert "along the last dimension" in finding.message
    assert not check(Channels, definition="prelu", inputs="x float[N,3]", select=["A110"]).findings


# A111.


class Own(nn.Module):
    def forward(self, x):
        self.x = x.detach()
        return torch.tanh(x)

    def slope(self):
        return 1 - torch.tanh(self.x) ** 2


class WithSelf(Own):
    def backward(self, grad_output):
        return grad_output * self.slope()


class InputFirst(Own):
    def backward(self, x, dout):
        return dout * (1 - torch.tanh(x) ** 2)


class GradientFirst(Own):
    def backward(self, grad, x):
        return grad * (1 - torch.tanh(x) ** 2)


class Static(Own):
    @staticmethod
    def backward(grad_output, x):
        return grad_output * (1 - torch.tanh(x) ** 2)


class OnTheClass(Own):
    def backward(x, grad_output):
        return grad_output * (1 - torch.tanh(x) ** 2)


class Alone(Own):
    def backward(self):
        return self.slope()


class OfTheInput(Own):
    def backward(self, x):
        return 1 - torch.tanh(x) ** 2


class AsTuple(Own):
    def backward(self, grad_output):
        return (grad_output * self.slope(),)


@pytest.mark.parametrize(
    "subject", [WithSelf, InputFirst, GradientFirst, Static, OnTheClass, Alone, OfTheInput, AsTuple]
)
@pytest.mark.parametrize("definition", ["tanh", "none"])
def test_each_way_to_call_a_backward_is_understood(subject, definition):
    assert outcome(subject, definition, "A111") == "passed"


class Clips(Own):
    def backward(self, grad_output):
        return grad_output.clamp(max=1) * self.slope()


class Squares(Own):
    def backward(self, grad_output):
        return grad_output**2 * self.slope()


class Forgets(Own):
    def backward(self, grad_output):
        return self.slope()


class Negative(Own):
    def backward(self, grad_output):
        return -grad_output * self.slope()


class OneNumber(Own):
    def backward(self, grad_output):
        return (grad_output * self.slope()).sum()


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        (Clips, "with 2 as the gradient that flows in"),
        (Squares, "with -1 as the gradient that flows in"),
        (Forgets, "with -1 as the gradient that flows in"),
        (Negative, "with ones as the gradient that flows in"),
        (OneNumber, "gives shape [], expected [3, 4]"),
    ],
)
def test_a_backward_that_is_not_linear_in_what_flows_in_is_an_error(subject, words):
    ((severity, message),) = found(subject, "tanh", "A111")
    assert severity == "error"
    assert words in message
    assert "backward(grad_output)" in message
    assert "autograd never calls this method" in message


class Stub(Own):
    def backward(self, grad_output):
        pass


class Unwritten(Own):
    def backward(self, grad_output):
        raise NotImplementedError


class Raises(Own):
    def backward(self, grad_output):
        raise RuntimeError("no forward")


@pytest.mark.parametrize(
    ("subject", "severity", "words"),
    [(Stub, "note", "not implemented"), (Unwritten, "note", "not implemented"), (Raises, "warning", "raises")],
)
def test_a_backward_without_an_answer(subject, severity, words):
    ((got, message),) = found(subject, "tanh", "A111")
    assert got == severity
    assert words in message


class SquaredError(nn.Module):
    def forward(self, prediction, target):
        self.difference = (prediction - target).detach()
        return (self.difference**2).mean() if not prediction.requires_grad else ((prediction - target) ** 2).mean()

    def backward(self):
        return 2 * self.difference / self.difference.numel()


class ForgetsTheMean(SquaredError):
    def backward(self):
        return 2 * self.difference


@pytest.mark.parametrize("definition", ["mse", "none"])
def test_a_loss_with_a_backward_of_its_own(definition):
    settings = {"definition": definition, "kind": "loss", "select": ["A111"]}
    assert not check(SquaredError, **settings).findings
    (finding,) = check(ForgetsTheMean, **settings).findings
    assert finding.severity == "error"
    assert math.isclose(finding.got, 12 * finding.expected)
