"""The rules on derivatives, beyond what the mutants show: severities, false alarms, what is passed over and why."""

import pytest
import torch
from torch import nn
from torch.autograd import Function

from torchstone.check.api import check
from torchstone.check.traits import traits


def results(thing, **settings):
    report = check(thing, **{"select": ["G001", "D"], "tier": "full", **settings})
    assert not report.faults, report.faults
    return {result.code: result for result in report.subjects[0].results}


def severities(thing, **settings):
    found = results(thing, **settings)
    return {code: finding.severity for code, result in found.items() for finding in result.findings}


def wrong(thing, **settings):
    """What is more than a note."""
    return {code: severity for code, severity in severities(thing, **settings).items() if severity != "note"}


def function(forward, backward, name="Subject"):
    """An autograd.Function of x whose backward is `backward(g, x)`."""

    def remember(ctx, x):
        ctx.save_for_backward(x)
        return forward(x)

    def back(ctx, g):
        return backward(g, *ctx.saved_tensors)

    return type(name, (Function,), {"forward": staticmethod(remember), "backward": staticmethod(back)})


# Correct code in unusual styles: no rule finds anything.


def straight_through(x):
    return x + (x.round() - x).detach()


def noisy(x):
    return torch.tanh(x) * torch.bernoulli(torch.full_like(x, 0.5))


class Swish(nn.Module):
    def __init__(self, beta=1.5):
        super().__init__()
        self.beta = nn.Parameter(torch.tensor(beta))

    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)


class RaisesForSecond(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * x * g


class KeepsWhatItReturns(Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.exp(x / 4)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y / 4


def penalised(prediction, target):
    """A loss that differentiates on its own account."""
    x = prediction if prediction.requires_grad else prediction.detach().requires_grad_()
    with torch.enable_grad():
        energy = (x * x * target).sum()
        (slope,) = torch.autograd.grad(energy, x, create_graph=True)
    return slope.pow(2).mean()


def largest_of_three(x):
    return x.unflatten(-1, (-1, 1)).amax(-1) + x.cumsum(-1)


CLEAN = {
    "straight-through, by detach": (straight_through, {"inputs": "x float[4,3]"}),
    "random": (noisy, {}),
    "a learnable parameter": (Swish, {}),
    "refuses a second derivative": (RaisesForSecond, {}),
    "saves its result": (KeepsWhatItReturns, {}),
    "differentiates inside": (
        penalised,
        {"kind": "loss", "inputs": "prediction float[N,C]; target float[N,C]", "ignore": ["D107"]},
    ),
    "a row": (largest_of_three, {"inputs": "x float[N,C]"}),
    "steps": (lambda x: torch.sign(x) * torch.floor(x.abs()), {}),
    "a clipped identity": (function(torch.clone, lambda g, x: g.clamp(-1, 1)), {}),
}


@pytest.mark.parametrize("name", CLEAN)
def test_nothing_is_found_in_correct_code(name):
    thing, settings = CLEAN[name]
    assert wrong(thing, **settings) == {}


# What is wrong, and how severe it is.


def bump(x):
    return x * torch.exp(-x * x)


def slope(x):
    return (1 - 2 * x * x) * torch.exp(-x * x)


def with_a_frozen_weight(prediction, target):
    """A focal weight that counts as constant: on purpose, or not."""
    error = (prediction - target).pow(2)
    return (error * error.detach().sqrt()).mean()


def ignores_where_it_is_large(x):
    return torch.where(x > 6, x.data, x)


WRONG = {
    "a sign": (function(bump, lambda g, x: -g * slope(x)), {}, {"D102": "error"}),
    "half a gradient": (function(bump, lambda g, x: g * slope(x) / 2), {}, {"D102": "error"}),
    "NaN everywhere": (function(bump, lambda g, x: g * slope(x) * torch.nan), {}, {"D102": "error"}),
    "the square of g": (function(bump, lambda g, x: g * g * slope(x)), {}, {"D103": "error"}),
    "whether g is 0": (function(bump, lambda g, x: (g != 0) * slope(x)), {}, {"D103": "error"}),
    "the sign of g": (function(bump, lambda g, x: g.sign() * slope(x)), {}, {"D103": "error"}),
    "g of length 1": (function(bump, lambda g, x: g / (g.norm() + 1e-9) * slope(x)), {}, {"D103": "error"}),
    "g cut at 0": (function(bump, lambda g, x: g.clamp(min=0) * slope(x)), {}, {"D103": "error"}),
    "g and a constant": (function(bump, lambda g, x: (g + 0.5) * slope(x)), {}, {"D103": "error"}),
    "detached on purpose, perhaps": (
        with_a_frozen_weight,
        {"kind": "loss", "inputs": "prediction float[N,C]; target float[N,C]"},
        {"D102": "warning"},
    ),
    "detached where it is large": (ignores_where_it_is_large, {}, {"D102": "warning"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_backward_is_found_by_its_own_rule(name):
    thing, settings, expected = WRONG[name]
    found = severities(thing, **settings)
    assert {code: how for code, how in found.items() if code in expected} == expected
    if "NaN" not in name and "constant" not in name and "length" not in name:
        assert set(found) <= {*expected, "D106"}


@pytest.mark.parametrize("declared", [{"gradient_hook": True}, {"differentiable": False}])
def test_a_declared_trait_is_believed(declared):
    thing = traits(**declared)(function(bump, lambda g, x: -g.clamp(max=0) * slope(x)))
    assert not {"D102", "D103"} & set(severities(thing))


def test_a_gradient_that_is_right_at_ordinary_numbers_only_is_found_beyond():
    late = function(torch.relu, lambda g, x: g * ((x > 0) & (x < 7)))
    assert severities(late, definition="relu", select=["G001", "D101"]) == {"D101": "error"}
    assert severities(late, inputs="x float[4,3]", kind="activation", select=["G001", "D102"]) == {"D102": "error"}


def test_the_sides_of_a_threshold_of_the_definition_are_looked_at():
    early = function(nn.functional.hardswish, lambda g, x: g * torch.where(x > 2.95, 1.0, x / 3 + 0.5) * (x > -3))
    report = check(early, definition="hardswish", select=["G001", "D101"])
    assert [finding.rule for finding in report.findings] == ["D101"]
    assert "expected" in report.findings[0].message


def test_at_a_kink_d101_is_silent():
    other_side = function(torch.relu, lambda g, x: g * (x >= 0), "ReLU")
    half = lambda x: torch.maximum(x, torch.zeros_like(x))  # noqa: E731
    for thing in (other_side, half):
        assert severities(thing, definition="relu", select=["G001", "D101", "D102"]) == {}


def test_where_values_are_another_functions_the_gradient_is_held_against_the_values():
    leaky = function(lambda x: torch.where(x > 0, x, 0.1 * x), lambda g, x: g * (x > 0))
    found = results(leaky, definition="relu", select=["G001", "D101", "D102"])
    assert found["D101"].outcome == "not applicable"
    assert [finding.severity for finding in found["D102"].findings] == ["error"]


def test_a_finding_has_the_smallest_input_and_plain_numbers():
    (finding,) = check(function(torch.sigmoid, lambda g, x: g), definition="sigmoid", select=["G001", "D101"]).findings
    assert finding.message == "the gradient at x = 0 is 1, expected 0.25"
    assert finding.input == {"x": [0.0]}


def test_an_infinite_gradient_is_allowed_where_the_truth_is_unknown():
    def root(x):
        return x.abs().sqrt()

    def cut(x):
        return torch.where(x > 0, torch.sqrt(x.clamp(min=0)), torch.zeros_like(x))

    assert "D108" not in severities(lambda x: torch.sqrt(x.clamp(min=0) + 0.0), select=["G001", "D108"])
    assert severities(cut, select=["G001", "D108"]) == {"D108": "warning"}
    assert severities(root, select=["G001", "D108"]) == {"D108": "warning"}


@pytest.mark.parametrize(
    ("thing", "definition", "at"),
    [
        (lambda x: 1 / (1 + torch.exp(-x)), "sigmoid", "-90"),
        (lambda x: torch.where(x > 20, x, torch.log(1 + torch.exp(x))), "softplus", "90"),
        (lambda x: torch.where(x > 0, torch.sqrt(x) ** 2, torch.zeros_like(x)), "relu", "0"),
    ],
)
def test_a_nan_gradient_is_an_error_where_the_truth_is_known(thing, definition, at):
    (finding,) = check(thing, definition=definition, select=["G001", "D108"]).findings
    assert finding.severity == "error"
    assert f"at x = {at}" in finding.message
    assert "is nan" in finding.message


def test_a_pair_of_equal_vectors_is_a_trap_that_an_epsilon_avoids():
    inputs = "first float[N,d]; second float[N,d]"

    def safe(first, second):
        return ((first - second).pow(2).sum(1) + 1e-12).sqrt().mean()

    def naive(first, second):
        return (first - second).norm(dim=1).pow(-0.5).reciprocal().mean()

    assert severities(safe, kind="loss", inputs=inputs, select=["G001", "D108"]) == {}
    assert severities(naive, kind="loss", inputs=inputs, select=["G001", "D108"]) == {"D108": "warning"}


def test_a_result_that_wants_a_gradient_by_itself_is_noted():
    def reborn(x):
        return x.detach().clone().requires_grad_() * 2 + x

    assert severities(reborn, select=["G001", "D104"]) == {"D104": "note"}


def test_a_broadcast_target_with_a_wrong_count_is_found():
    class Mean(Function):
        @staticmethod
        def forward(ctx, x, t):
            ctx.save_for_backward(x, t)
            return (x - t).pow(2).mean()

        @staticmethod
        def backward(ctx, g):
            x, t = ctx.saved_tensors
            return 2 * (x - t) / t.numel() * g, None

    assert severities(Mean, definition="mse", select=["G001", "D104"]) == {"D104": "error"}


def test_half_types_that_have_a_value_and_no_gradient_are_a_warning():
    class Raises(Function):
        @staticmethod
        def forward(ctx, x):
            return torch.tanh(x)

        @staticmethod
        def backward(ctx, g):
            if g.dtype in (torch.float16, torch.bfloat16):
                raise TypeError("no half types")
            return g

    assert severities(Raises, kind="activation", select=["G001", "D104"]) == {"D104": "warning"}


def test_what_raises_for_a_transposed_input_is_a_warning():
    assert severities(lambda x: x.view(-1).tanh().view(x.shape), select=["G001", "D105"]) == {"D105": "warning"}


def test_piecewise_linear_functions_need_no_second_derivative():
    flat = function(torch.relu, lambda g, x: g.detach() * (x > 0))
    assert severities(flat, definition="relu", select=["G001", "D106"]) == {}


def test_a_second_derivative_that_forgets_a_part_is_found():
    part = function(bump, lambda g, x: g * (1 - 2 * x.detach() * x) * torch.exp(-x * x))
    (finding,) = check(part, select=["G001", "D106"]).findings
    assert finding.severity == "error"
    assert "second derivative" in finding.message
    assert "cut off" not in finding.message


def test_a_tangent_that_is_lost_is_found():
    class Lost(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x * x * g

        @staticmethod
        def jvp(ctx, tangent):
            return torch.zeros_like(tangent)

    assert severities(Lost, select=["G001", "D107"]) == {"D107": "warning"}


@pytest.mark.parametrize(
    "subject", [nn.ReLU, nn.GELU, nn.Softmax(dim=-1), nn.MSELoss, nn.CrossEntropyLoss, nn.HuberLoss]
)
def test_pytorch_itself_passes(subject):
    assert severities(subject) == {}


def test_a_gradient_that_is_wrong_at_a_single_point_is_a_warning():
    def bce_with_logits(logits, target):
        return (logits.clamp(min=0) - logits * target + torch.log1p(torch.exp(-logits.abs()))).mean()

    (found,) = check(bce_with_logits, select=["D101"]).findings
    assert (found.rule, found.severity) == ("D101", "warning")
    assert "to both sides of this one point it is right" in found.message


def binary(x, t):
    p = torch.sigmoid(x)
    return -(t * p.log() + (1 - t) * (1 - p).log()).mean()


def of_probabilities(p, t, eps=0.0):
    return -(t * (p + eps).log() + (1 - t) * (1 - p + eps).log()).mean()


def cosine(a, b, eps=0.0):
    return 1 - ((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + eps)).mean()


def masked(prediction, target, mask):
    return ((prediction - target).square() * mask).sum() / mask.sum()


def log_cosh(prediction, target):
    return torch.log(torch.cosh(prediction - target)).mean()


def spread(prediction, target):
    """Of a single sample there is none: the shape's fault, and nobody else's."""
    return (prediction - target).std(0).mean()


def class_error(x, t):
    return (x.logsumexp(1) - x.gather(1, t[:, None])[:, 0]).mean()


def class_error_as_it_stands(x, t):
    share = x.exp() / x.exp().sum(1, keepdim=True)
    return -share.gather(1, t[:, None]).log().mean()


LABELS = "float[N] in {0,1}"
PAIR = "prediction float[N,d]; target float[N,d]"


@pytest.mark.parametrize(
    ("thing", "inputs", "expected"),
    [
        (binary, f"x float[N]; t {LABELS}", {"D108": "warning"}),
        (of_probabilities, f"p float[N] in [0,1]; t {LABELS}", {"D108": "warning"}),
        (of_probabilities, f"p float[N] in (0,1); t {LABELS}", {}),
        (lambda p, t: of_probabilities(p, t, 1e-6), f"p float[N] in [0,1]; t {LABELS}", {}),
        (cosine, "a float[N,d]; b float[N,d]", {"D108": "warning"}),
        (masked, "prediction float[N]; target float[N]; mask bool[N]", {"D108": "warning"}),
        (log_cosh, PAIR, {"D108": "warning"}),
        (spread, "prediction float[N,d]; target float[N,d]", {}),
        (class_error, "x float[N,C]; t int64[N] in [0,C)", {}),
        (class_error_as_it_stands, "x float[N,C]; t int64[N] in [0,C)", {"D108": "warning"}),
    ],
)
def test_without_a_definition_saturated_and_empty_inputs_are_tried(thing, inputs, expected):
    settings = {"kind": "loss", "definition": "none", "inputs": inputs, "select": ["G001", "D108"]}
    assert severities(thing, **settings) == expected


def test_a_value_that_is_nan_is_told_with_its_inputs():
    settings = {"kind": "loss", "definition": "none", "inputs": "a float[N,d]; b float[N,d]"}
    (finding,) = check(cosine, select=["D108"], **settings).findings
    assert finding.message.startswith("the value is NaN for a = [[0.0]], b = [[0.0]] in float32")
